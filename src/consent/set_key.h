/*
 * set_key.h
 *    Which state of the consent tables a set shows.
 */
#ifndef NIJI_SET_KEY_H
#define NIJI_SET_KEY_H

#include "access/transam.h"
#include "utils/snapshot.h"

typedef struct SetKey
{
	FullTransactionId xmin;
	FullTransactionId xmax;
	uint32		xcnt;
	bool		recovery;
	CommandId	curcid;
	TransactionId *xip;			/* the xcnt top-level transactions that were running */
	uint64		transaction;	/* of this backend; 0 in a shared set */
	FullTransactionId own;		/* its xid, if it had one */
} SetKey;

/* counts the transactions of this backend, from 1 */
extern uint64 set_key_transaction;

/* a snapshot's key; the lists are the snapshot's own */
extern void set_key_make(SetKey *key, Snapshot snapshot);

/* the same with lists allocated in the context */
extern void set_key_keep(SetKey *key, Snapshot snapshot, MemoryContext context);

/* whether both see the same rows */
extern bool set_key_same(const SetKey *a, const SetKey *b);

/* whether rows of the transaction are seen under the one and not under the other, or may be */
extern bool set_key_differs(const SetKey *a, const SetKey *b, FullTransactionId xid);

/*
 * The transactions of which that may be true: those listed, at most "room", and all from "since" on.  Returns
 * their number.
 */
extern int	set_key_differing(const SetKey *a, const SetKey *b, FullTransactionId *xids, int room,
							  FullTransactionId *since);

#endif							/* NIJI_SET_KEY_H */
