/*
 * carry.h
 *    A batch of stored digests, carried to another generation.
 */
#ifndef NIJI_CARRY_H
#define NIJI_CARRY_H

#include "storage/block.h"
#include "storage/itemptr.h"

/* the tables that hold digests, in the order in which a pass goes through them */
#define CARRY_TABLES 2

typedef struct Carry
{
	int			to;				/* the generation that digests are carried to */
	int			batch_size;
	int			table;			/* where the next batch begins */
	BlockNumber block;

	/* of the pass through the tables that goes on */
	int64		moved;
	int64		passed_over;	/* rows that somebody else held or changed */
	int64		conflicts;		/* rows whose digest is stored twice, with two owners */
	int			held_table;
	ItemPointerData held;		/* the first that was passed over */
} Carry;

extern const char *carry_table_name(int table);

/* a batch, and how many rows were carried; false at the end of the table */
extern bool carry_batch(Carry *carry, int64 *carried);

/* until the transaction that holds the row has ended; afterwards it is free, or is another version */
extern void carry_wait(const Carry *carry);

#endif							/* NIJI_CARRY_H */
