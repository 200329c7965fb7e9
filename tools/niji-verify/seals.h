/*
 * seals.h
 *    The keys, seals and proofs of consistency that were given.
 */
#ifndef NIJI_VERIFY_SEALS_H
#define NIJI_VERIFY_SEALS_H

#include "line.h"

typedef struct Seal
{
	char	   *text;
	size_t		length;
	int64		size;
	uint8		root[MERKLE_HASH_SIZE];
	int			group;			/* seals of a group were shown to be of one trail */
} Seal;

/* pinned: by the caller; then no other key counts */
extern void key_add(const char *verifier, size_t length, bool pinned);

/* a checkpoint, a copy of which is kept */
extern void seal_add(const char *text, size_t length, const char *file);

extern void proof_add(const Line *line, const char *file);

/* once all are there: signatures, one trail, no two that contradict, proofs */
extern void seals_check(void);

/* sorted by size, each size once */
extern int	seals_count(void);
extern Seal *seals_get(int i);
extern Seal *seal_of_size(int64 size);

extern const char *seals_origin(void);

/* these two were shown to be of one trail */
extern void seals_join(Seal *a, Seal *b);

/* that all of them were */
extern void seals_check_joined(void);

/* " by key SHA256:…", and whether the caller knew it */
extern void keys_print(void);

#endif							/* NIJI_VERIFY_SEALS_H */
