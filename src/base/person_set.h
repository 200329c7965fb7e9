/*
 * person_set.h
 *    A set of persons that is being collected, one bit each.
 *
 * Two levels: chunks of 65 536 persons (8 kB), made when their first member
 * comes.  Adding is a shift, a load and an or, since it is done for each row
 * that a reader scans.  The trail stores sets as Roaring bitmaps, chunk by chunk.
 */
#ifndef NIJI_PERSON_SET_H
#define NIJI_PERSON_SET_H

#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#define PERSON_CHUNK_BITS 16
#define PERSON_CHUNK_WORDS (1 << (PERSON_CHUNK_BITS - 6))

typedef struct PersonSet
{
	MemoryContext context;		/* of the set and its chunks */
	uint32		nchunks;
	uint64	  **chunks;			/* PERSON_CHUNK_WORDS words each, or NULL */
} PersonSet;

extern PersonSet *person_set_create(MemoryContext context);
extern void person_set_grow(PersonSet *set, uint32 chunk);
extern uint64 person_set_count(const PersonSet *set);
extern void person_set_union(PersonSet *into, const PersonSet *from);

static inline void
person_set_add(PersonSet *set, int32 person)
{
	uint32		chunk = (uint32) person >> PERSON_CHUNK_BITS;
	uint32		bit = (uint32) person & ((1 << PERSON_CHUNK_BITS) - 1);

	if (unlikely(chunk >= set->nchunks || set->chunks[chunk] == NULL))
		person_set_grow(set, chunk);
	set->chunks[chunk][bit >> 6] |= UINT64CONST(1) << (bit & 63);
}

static inline bool
person_set_has(const PersonSet *set, int32 person)
{
	uint32		chunk = (uint32) person >> PERSON_CHUNK_BITS;
	uint32		bit = (uint32) person & ((1 << PERSON_CHUNK_BITS) - 1);

	return chunk < set->nchunks && set->chunks[chunk] != NULL &&
		((set->chunks[chunk][bit >> 6] >> (bit & 63)) & 1) != 0;
}

#endif							/* NIJI_PERSON_SET_H */
