/*
 * persons.h
 *    The persons of a read: handed over through the spool, kept as Roaring bitmaps.
 */
#ifndef NIJI_PERSONS_H
#define NIJI_PERSONS_H

#include "base/person_set.h"
#include "trail/spool.h"

/* who was shown by a read: decided by its columns, see capture_shown.c */
typedef enum
{
	SHOWN_UNKNOWN = 0,			/* everybody whom the permit allows */
	SHOWN_NOBODY,
	SHOWN_THESE,				/* those whose pseudonyms left */
	SHOWN_ALL					/* all that were scanned */
} ShownKind;

#define PERSONS_OF_PSEUDONYMS 0 /* in the place of a dataset: persons whose pseudonyms left */

/*
 * For backends: appends a set to the spool, under the number of its opening
 * entry.  Allocates nothing.  False when it could not be written (SPOOL_ABORTING).
 */
extern bool persons_spool(uint64 open, int dataset, const PersonSet *set, SpoolMode mode);

/* a chunk's bits as a portable Roaring bitmap and back; what is read back may be damaged, which is an error */
extern bytea *persons_pack(const uint64 *words);
extern void persons_unpack(const bytea *kept, uint64 words[PERSON_CHUNK_WORDS]);

/* for backends: has the buffer made while errors may still be raised */
extern void persons_prepare(void);

/* ---- for the writer process, inside a batch ---- */

typedef struct PersonsAmounts
{
	int64		scanned;
	int64		shown;			/* both -1 when unknown */
	uint8		hash[32];		/* of what was stored, see persons.c */
} PersonsAmounts;

extern void persons_batch_begin(MemoryContext context);

/* a SPOOL_PERSONS record; false when it is malformed */
extern bool persons_take(const char *data, uint32 length, uint64 *open);

/* the opening entry's read ends: stores its sets in niji.read_persons */
extern void persons_close(uint64 open, ShownKind shown, bool parked, PersonsAmounts *amounts);

/* stores what is not closed yet; the opens concerned are returned */
extern List *persons_park(void);

#endif							/* NIJI_PERSONS_H */
