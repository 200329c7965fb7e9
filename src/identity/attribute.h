/*
 * attribute.h
 *    Month of birth and sex that came beside an identifier: kept as tags, and
 *    compared with what came before.
 */
#ifndef NIJI_ATTRIBUTE_H
#define NIJI_ATTRIBUTE_H

#include "identity/normalize.h"

struct Batch;

/* begins as zeros */
typedef struct Attributes
{
	int			n;
	int			capacity;
	int		   *places;			/* of the identifiers in their batch */
	int32	   *tags;			/* n times one under each of the generations 1 to newest */
} Attributes;

/* identifier has an attribute; digests are its own, under the generations 1 to newest */
extern void attribute_add(Attributes *attributes, const Identifier *identifier, const uint8 *digests,
						  int newest, int place);

/* of a batch whose persons are stored: keeps what is new and records what differs */
extern void attribute_store(struct Batch *batch);

/* carries at most "limit" rows (of each kind of row) to a generation; whether there were any; within SPI */
extern bool attribute_carry(int to, int limit);

#endif							/* NIJI_ATTRIBUTE_H */
