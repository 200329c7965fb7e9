/*
 * set_key.c
 *    Which state of the consent tables a set shows.
 *
 * Which rows a snapshot sees is determined by xmax, by which of the
 * transactions before xmax were still running (xip), by the transaction's own
 * xid and curcid, and by which sub-transactions of its own were rolled back.
 *
 * Rows carry their top-level xid8, and xip holds all top-level transactions,
 * even if the sub-transactions overflowed: so the key alone tells whether a
 * row's transaction had ended, and the tuple's header, which freezing changes,
 * is not asked.  A set can be brought from any key to any other, later or
 * earlier, of this backend or of another one: the persons of all rows whose
 * transaction is over for the one and running for the other are decided anew.
 * Deciding someone anew for no reason changes nothing, so "may differ" is
 * enough, and rows of rolled-back transactions do no harm.
 *
 * Own rows are seen in part, by curcid and by what was rolled back: those of
 * either key's own transaction, and of the current one, always may differ.
 * In recovery xip is empty: whatever is not before xmin may differ.
 *
 * That an own xid lies before both keys' xmin happens to no snapshot of its
 * transaction; a set that outlived it is brought on by naming it all the same.
 */
#include "postgres.h"

#include "access/xact.h"
#include "consent/set_key.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

uint64		set_key_transaction = 1;

static FullTransactionId
widen(TransactionId xid, FullTransactionId next)
{
	uint32		epoch = EpochFromFullTransactionId(next);

	if (!TransactionIdIsNormal(xid))
		return FullTransactionIdFromEpochAndXid(0, xid);
	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return FullTransactionIdFromEpochAndXid(epoch, xid);
}

void
set_key_make(SetKey *key, Snapshot snapshot)
{
	FullTransactionId next = ReadNextFullTransactionId();

	key->xmin = widen(snapshot->xmin, next);
	key->xmax = widen(snapshot->xmax, next);
	key->xcnt = snapshot->xcnt;
	key->recovery = snapshot->takenDuringRecovery;
	key->curcid = snapshot->curcid;
	key->xip = snapshot->xip;
	key->transaction = set_key_transaction;
	key->own = GetTopFullTransactionIdIfAny();
}

void
set_key_keep(SetKey *key, Snapshot snapshot, MemoryContext context)
{
	set_key_make(key, snapshot);
	key->xip = NULL;
	if (key->xcnt > 0)
	{
		key->xip = MemoryContextAlloc(context, key->xcnt * sizeof(TransactionId));
		memcpy(key->xip, snapshot->xip, key->xcnt * sizeof(TransactionId));
	}
}

bool
set_key_same(const SetKey *a, const SetKey *b)
{
	if (!FullTransactionIdEquals(a->xmax, b->xmax) || !FullTransactionIdEquals(a->xmin, b->xmin) ||
		a->xcnt != b->xcnt || a->recovery || b->recovery)
		return false;
	if (a->transaction != b->transaction)
	{
		if (FullTransactionIdIsValid(a->own) || FullTransactionIdIsValid(b->own))
			return false;
	}
	else if (a->curcid != b->curcid)
		return false;
	return a->xcnt == 0 || memcmp(a->xip, b->xip, a->xcnt * sizeof(TransactionId)) == 0;
}

/* whether a transaction that is nobody's own was over */
static bool
over(const SetKey *key, FullTransactionId xid)
{
	TransactionId narrow = XidFromFullTransactionId(xid);

	if (FullTransactionIdPrecedes(xid, key->xmin))
		return true;
	if (!FullTransactionIdPrecedes(xid, key->xmax))
		return false;
	for (uint32 i = 0; i < key->xcnt; i++)
		if (key->xip[i] == narrow)
			return false;
	return true;
}

static bool
is_own(const SetKey *a, const SetKey *b, FullTransactionId xid)
{
	return FullTransactionIdEquals(xid, a->own) || FullTransactionIdEquals(xid, b->own) ||
		FullTransactionIdEquals(xid, GetTopFullTransactionIdIfAny());
}

bool
set_key_differs(const SetKey *a, const SetKey *b, FullTransactionId xid)
{
	if (is_own(a, b, xid))
		return true;
	if (a->recovery || b->recovery)
		return !FullTransactionIdPrecedes(xid, a->xmin) || !FullTransactionIdPrecedes(xid, b->xmin);
	return over(a, xid) != over(b, xid);
}

static FullTransactionId
earlier(FullTransactionId a, FullTransactionId b)
{
	return FullTransactionIdPrecedes(a, b) ? a : b;
}

/* those of "of" before "since" that may differ; -1 if there are too many */
static int
add_running(const SetKey *of, const SetKey *a, const SetKey *b, FullTransactionId since,
			FullTransactionId *xids, int count, int room)
{
	FullTransactionId next = ReadNextFullTransactionId();

	for (uint32 i = 0; i < of->xcnt; i++)
	{
		FullTransactionId xid = widen(of->xip[i], next);

		if (!FullTransactionIdPrecedes(xid, since) || is_own(a, b, xid) || !set_key_differs(a, b, xid))
			continue;
		if (count == room)
			return -1;
		xids[count++] = xid;
	}
	return count;
}

int
set_key_differing(const SetKey *a, const SetKey *b, FullTransactionId *xids, int room,
				  FullTransactionId *since)
{
	FullTransactionId own[3] = {a->own, b->own, GetTopFullTransactionIdIfAny()};
	int			count = 0;

	*since = earlier(a->xmax, b->xmax);
	if (a->recovery || b->recovery)
		count = -1;
	for (int i = 0; i < lengthof(own) && count >= 0; i++)
	{
		bool		known = !FullTransactionIdIsValid(own[i]) || !FullTransactionIdPrecedes(own[i], *since);

		for (int j = 0; j < i && !known; j++)
			known = FullTransactionIdEquals(own[i], own[j]);
		if (!known)
			xids[count++] = own[i];
	}
	if (count >= 0)
		count = add_running(a, a, b, *since, xids, count, room);
	if (count >= 0)
		count = add_running(b, a, b, *since, xids, count, room);
	if (count >= 0)
		return count;

	/* too many to ask for one by one */
	*since = earlier(a->xmin, b->xmin);
	for (int i = 0; i < lengthof(own); i++)
		if (FullTransactionIdIsValid(own[i]))
			*since = earlier(*since, own[i]);
	return 0;
}
