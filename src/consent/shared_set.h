/*
 * shared_set.h
 *    Consent sets that all backends share; see shared_set.c.
 */
#ifndef NIJI_SHARED_SET_H
#define NIJI_SHARED_SET_H

#include "consent/set.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "utils/dsa.h"

/*
 * A person whose answer depends on the row's holder.  The low bits are the one
 * holder whose rows are answered otherwise than those of all others, or with
 * ASK_LISTED a place in ask_lists: their number, then the holders.
 */
typedef struct SharedAsk
{
	int32		person;
	uint32		answer;
} SharedAsk;

#define ASK_OTHERS UINT32_C(0x80000000) /* the answer for all others is yes */
#define ASK_LISTED UINT32_C(0x40000000)
#define ASK_PLACE UINT32_C(0x3FFFFFFF)

/* one state of a shared set.  It does not change, but for the first four, and stays as long as it is pinned */
typedef struct SharedSet
{
	pg_atomic_uint32 pins;
	bool		newest;			/* of its slot; read without a lock */
	TimestampTz replaced;		/* when it no longer was */
	struct SharedSet *older;

	SetKey		key;
	uint64		counted;		/* rows written since the server's start, just before it was made */
	TimestampTz clock;
	TimestampTz changed;
	TimestampTz horizon;
	bool		otherwise;
	int64		exceptions;
	int64		nmoments;
	SetMoment  *moments;		/* the nearest last */
	int64		nasks;
	SharedAsk  *asks;			/* by person */
	int32	   *ask_lists;
	uint32		nchunks;
	uint64	  **chunks;

	/* for who frees it */
	dsa_pointer self;			/* with the key's list behind it */
	dsa_pointer moments_at;
	dsa_pointer asks_at;
	dsa_pointer lists_at;
	dsa_pointer directory_at;
	dsa_pointer *chunks_at;		/* in the directory */
} SharedSet;

extern void shared_set_init(void);

/* the common chunk without a bit, of sets that began with a shared one */
extern uint64 *shared_empty_chunk(void);

/*
 * A pinned state of the set for the rule, one that can be brought to the
 * clock.  If there is none yet, the keeper is asked for it, and with "wait"
 * waited for.  NULL if the keeper does not run, failed, or has none that fits;
 * raises 53200 if niji.consent_memory has no room for it.
 */
extern const SharedSet *shared_set_pin(const ConsentRule *rule, TimestampTz clock, bool wait);
extern void shared_set_unpin(const SharedSet *shared);

/* whether the rule has a set, or is about to be given one */
extern bool shared_set_exists(const ConsentRule *rule);

/* how many exceptions the newest state has, for estimates; asks nobody for one.  False if there is none */
extern bool shared_set_glance(const ConsentRule *rule, bool *otherwise, int64 *exceptions);

/* tells the keeper that a transaction has written so many rows */
extern void shared_set_changed(uint64 rows);

/* ---- for the keeper, the one process that writes ---- */

/* before anything else of these */
extern void shared_set_attach(void);

/* where it is woken; NULL when it ends */
extern void shared_set_keeper(Latch *latch);

extern void shared_set_want(const ConsentRule *rule);

/* the next slot after "slot" (begin with -1) that has to be built, or that has been used and may be brought on; -1: none */
extern int	shared_set_next_wanted(int slot, ConsentRule *rule);
extern int	shared_set_next_ready(int slot, ConsentRule *rule);

/* how many rows were written since the start, and which of the slot's states is the newest */
extern uint64 shared_set_changes(void);
extern const SharedSet *shared_set_newest(int slot, TimestampTz *used);

/* makes the set the newest state of the slot, with what shared_set_changes() was before; false if there is no room for it */
extern bool shared_set_publish(int slot, const ConsentSet *set, uint64 counted);

/* it could not be built: nobody shall wait for it */
extern void shared_set_failed(int slot, bool no_room);

/* frees what nobody uses any more, or to make room for a slot another that was not used for longest.  False if nothing was */
extern bool shared_set_sweep(bool make_room, int room_for);

#endif							/* NIJI_SHARED_SET_H */
