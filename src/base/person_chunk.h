/*
 * person_chunk.h
 *    A chunk of a set of persons as it is kept in tables: a Roaring bitmap.
 */
#ifndef NIJI_PERSON_CHUNK_H
#define NIJI_PERSON_CHUNK_H

#include "base/person_set.h"

#define PERSON_CHUNK_PERSONS (1 << PERSON_CHUNK_BITS)
#define PERSON_CHUNK_BYTES (PERSON_CHUNK_WORDS * sizeof(uint64))

/* chunks that there can be */
#define PERSON_CHUNKS (UINT64CONST(1) << (32 - PERSON_CHUNK_BITS))

/* a chunk's bits as a Roaring bitmap of their low 16 bits in the portable format, palloc'd */
extern bytea *person_chunk_encode(const uint64 words[PERSON_CHUNK_WORDS]);

/* the bits of a bitmap that was kept; false if it is no such bitmap, and then words is not to be used */
extern bool person_chunk_decode(const bytea *kept, uint64 words[PERSON_CHUNK_WORDS]);

/* whether such a bitmap's bytes have a person (of its low 16 bits): 1 or 0, -1 if it is no such bitmap */
extern int	person_chunk_has(const char *data, Size size, uint32 low);

#endif							/* NIJI_PERSON_CHUNK_H */
