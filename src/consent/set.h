/*
 * set.h
 *    Consent sets: who may be seen under a permit in a dataset, one bit a person.
 */
#ifndef NIJI_SET_H
#define NIJI_SET_H

#include "access/transam.h"
#include "consent/row.h"
#include "utils/snapshot.h"

#define SET_CHUNK_BITS 16
#define SET_CHUNK_WORDS (1 << (SET_CHUNK_BITS - 6))

/* which state of the tables a set shows; see set.c */
typedef struct SetKey
{
	FullTransactionId xmin;
	FullTransactionId xmax;
	uint32		xcnt;
	int32		subxcnt;
	bool		suboverflowed;
	bool		recovery;
	CommandId	curcid;
	TransactionId *xip;			/* xcnt top-level, then subxcnt sub-transactions */
	uint64		transaction;	/* of this backend */
	FullTransactionId own;		/* its xid, if it had one */
} SetKey;

/* a moment at which a person's answer may change by itself */
typedef struct SetMoment
{
	TimestampTz at;
	int32		person;
} SetMoment;

struct ask_hash;

typedef struct ConsentSet
{
	struct ConsentSet *next;
	MemoryContext context;
	ConsentRule rule;
	SetKey		key;
	bool		valid;			/* false while it is being changed */
	uint64		used;			/* by which statement last */

	TimestampTz clock;			/* the latest it was made for */
	TimestampTz changed;		/* the last moment at or before clock, or DT_NOBEGIN */
	SetMoment  *moments;		/* those after clock, the nearest last */
	int64		nmoments;
	int64		room;

	bool		otherwise;		/* the answer for a person whose bit is not set */
	uint32		nchunks;
	uint64	  **chunks;			/* never NULL: a chunk without a bit is the common empty one */
	uint64		exceptions;		/* bits set */
	struct ask_hash *asks;		/* persons whose answer depends on the holder, or NULL */
} ConsentSet;

/*
 * Grows with every change of any set, with the end of every transaction and
 * with every sub-transaction's abort: what was found in a set before may not
 * hold after.
 */
extern uint64 consent_epoch;

/* the set for the active snapshot; raises 55000 if there is none, 53200 if there is no room for it */
extern ConsentSet *set_get(int permit, int dataset, Snapshot snapshot, TimestampTz clock);

/* any set of the use, for estimates, or NULL */
extern ConsentSet *set_peek(int permit, int dataset);

/* for a person without the plain answer "yes": whether it is yes for the holder (0: unknown) */
extern bool set_ask(const ConsentSet *set, int32 person, int holder);

extern void set_init(void);

static inline bool
set_test(const ConsentSet *set, int32 person, int holder)
{
	uint32		chunk = (uint32) person >> SET_CHUNK_BITS;
	bool		bit = false;

	if (likely(chunk < set->nchunks))
	{
		uint32		place = (uint32) person & ((1 << SET_CHUNK_BITS) - 1);

		bit = (set->chunks[chunk][place >> 6] >> (place & 63)) & 1;
	}
	if (likely(bit != set->otherwise))
		return true;
	return unlikely(set->asks != NULL) && set_ask(set, person, holder);
}

#endif							/* NIJI_SET_H */
