/*
 * set.h
 *    Consent sets: who may be seen under a permit in a dataset, one bit a person.
 */
#ifndef NIJI_SET_H
#define NIJI_SET_H

#include "consent/row.h"
#include "consent/set_key.h"

/* 16 384 persons, 2 kB: what is copied when the answer of one of them changes */
#define SET_CHUNK_BITS 14
#define SET_CHUNK_PERSONS (1 << SET_CHUNK_BITS)
#define SET_CHUNK_WORDS (SET_CHUNK_PERSONS / 64)

/* a moment at which a person's answer may change by itself; person 0: everybody's */
typedef struct SetMoment
{
	TimestampTz at;
	int32		person;
} SetMoment;

struct ask_hash;
struct SharedSet;

typedef struct ConsentSet
{
	struct ConsentSet *next;
	MemoryContext context;
	ConsentRule rule;
	SetKey		key;
	bool		valid;			/* false while it is being changed */
	uint64		used;			/* by which statement last */

	/*
	 * The shared set that it began with, or NULL; pinned.  What it does not own is the shared set's: chunks
	 * that are the same, the first moments, persons to ask for who are not in asks.
	 */
	const struct SharedSet *base;

	TimestampTz clock;			/* the latest it was made for */
	TimestampTz changed;		/* the last moment at or before clock, or DT_NOBEGIN */
	TimestampTz horizon;		/* moments from here on were left out, or DT_NOEND */
	int64		base_moments;	/* how many of the shared set's are still to come */
	SetMoment  *moments;		/* its own after clock, the nearest last */
	int64		nmoments;
	int64		room;

	bool		otherwise;		/* the answer for a person whose bit is not set */
	bool		asking;			/* some answers depend on the holder */
	bool		own_directory;
	uint32		nchunks;
	uint64	  **chunks;			/* never NULL: a chunk without a bit is the common empty one */
	int64		exceptions;		/* bits set */
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

/*
 * For estimates: what any set of the use says, of this backend or shared.  A
 * session's first plan is made before it has a set, and is kept if prepared.
 * False if there is none; builds none, waits for none, and raises nothing.
 */
extern bool set_peek(int permit, int dataset, bool *otherwise, int64 *exceptions);

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
		uint32		place = (uint32) person & (SET_CHUNK_PERSONS - 1);

		bit = (set->chunks[chunk][place >> 6] >> (place & 63)) & 1;
	}
	if (likely(bit != set->otherwise))
		return true;
	return unlikely(set->asking) && set_ask(set, person, holder);
}

#endif							/* NIJI_SET_H */
