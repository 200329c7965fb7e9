/*
 * person_set.c
 *    A set of persons that is being collected; see person_set.h.
 */
#include "postgres.h"

#include "base/person_set.h"

PersonSet *
person_set_create(MemoryContext context)
{
	PersonSet  *set = MemoryContextAllocZero(context, sizeof(PersonSet));

	set->context = context;
	return set;
}

/* makes the chunk, and room for it in the array */
void
person_set_grow(PersonSet *set, uint32 chunk)
{
	if (chunk >= set->nchunks)
	{
		uint32		wanted = Max(16, pg_nextpower2_32(chunk + 1));

		if (set->chunks == NULL)
			set->chunks = MemoryContextAllocZero(set->context, wanted * sizeof(uint64 *));
		else
		{
			set->chunks = repalloc(set->chunks, wanted * sizeof(uint64 *));
			memset(set->chunks + set->nchunks, 0, (wanted - set->nchunks) * sizeof(uint64 *));
		}
		set->nchunks = wanted;
	}
	if (set->chunks[chunk] == NULL)
		set->chunks[chunk] = MemoryContextAllocZero(set->context,
													PERSON_CHUNK_WORDS * sizeof(uint64));
}

uint64
person_set_count(const PersonSet *set)
{
	uint64		count = 0;

	for (uint32 i = 0; set && i < set->nchunks; i++)
		if (set->chunks[i])
			count += pg_popcount((const char *) set->chunks[i],
								 PERSON_CHUNK_WORDS * sizeof(uint64));
	return count;
}

void
person_set_union(PersonSet *into, const PersonSet *from)
{
	for (uint32 i = 0; from && i < from->nchunks; i++)
	{
		if (from->chunks[i] == NULL)
			continue;
		if (i >= into->nchunks || into->chunks[i] == NULL)
			person_set_grow(into, i);
		for (int word = 0; word < PERSON_CHUNK_WORDS; word++)
			into->chunks[i][word] |= from->chunks[i][word];
	}
}
