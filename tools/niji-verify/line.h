/*
 * line.h
 *    A line of what niji.export_trail(), export_seal() and export_proof() give.
 */
#ifndef NIJI_VERIFY_LINE_H
#define NIJI_VERIFY_LINE_H

#include "trail/plain.h"
#include "trail/merkle.h"

typedef enum LineType
{
	LINE_TRAIL,					/* origin, from, to, size, hashes */
	LINE_SEAL,					/* checkpoint, perhaps verifier */
	LINE_ENTRY,					/* seq, leaf, header, and salt and private or private_hash */
	LINE_CONSISTENCY			/* old_size, new_size, hashes */
} LineType;

typedef struct Bytes
{
	const uint8 *data;			/* NULL: absent, or null */
	size_t		length;
} Bytes;

typedef struct Line
{
	LineType	type;
	Bytes		origin;
	Bytes		verifier;
	Bytes		checkpoint;
	Bytes		leaf;
	Bytes		header;
	Bytes		private_hash;
	Bytes		salt;
	Bytes		private_part;
	int64		seq;			/* numbers are not negative; -1: absent */
	int64		from;
	int64		to;
	int64		size;
	int64		old_size;
	int64		new_size;
	bool		has_hashes;
	int			count;
	uint8		hashes[MERKLE_MAX_RANGE][MERKLE_HASH_SIZE];
} Line;

/*
 * Reads a line (without its end).  What it holds is decoded into "space",
 * which has as many bytes as the line.  False with a phrase in *error.
 */
extern bool line_parse(const char *text, size_t length, uint8 *space, Line *line,
					   const char **error);

#endif							/* NIJI_VERIFY_LINE_H */
