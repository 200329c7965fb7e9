/*
 * lookup.c
 *    Finding digests in niji.identifier.
 *
 * A digest has one row while its identifier points at one person for good:
 * that is nearly all of them.  A number that is used again, or a link that is
 * valid for a time only, has a date range, and may have further rows for other
 * times; these count on in the column period.  The first row (period 0) is
 * always there when any is, and alone stands in the unique index
 * identifier_digest: it is what enrolment collides on and what linking locks.
 * A first row without a date range has no others beside it, so the common case
 * is one probe of one index.  Further rows stand in identifier_later.
 *
 * Rows of one digest may be of two generations for a while, when a rotation has
 * carried some of them: so all generations are asked for further rows.
 * Generations that a rotation has left empty are not looked up (see rotate.c).
 *
 * The digest is the first column of both indexes: it alone tells nearly all rows
 * apart, so that a comparison looks no further.
 *
 * One index scan serves many look-ups, moved on by index_rescan(): opening one
 * costs more than a look-up itself.  Digests are best asked for in their order.
 */
#include "postgres.h"

#include "identity/lookup.h"

#include "access/genam.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "identity/digest.h"
#include "identity/rotate.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/rangetypes.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

static void
init_keys(Lookup *lookup)
{
	ScanKeyInit(&lookup->keys[0], 1, BTEqualStrategyNumber, F_BYTEAEQ, PointerGetDatum(lookup->value));
	ScanKeyInit(&lookup->keys[1], 2, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(0));
	ScanKeyInit(&lookup->keys[2], 3, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(lookup->kind));
	SET_VARSIZE(lookup->value, VARHDRSZ + DIGEST_LENGTH);
}

/* begins a search for the rows of one digest (the last of digests[] is of the newest generation) */
static void
seek(Lookup *lookup, IndexScanDesc scan, int generation, const uint8 *digests)
{
	lookup->keys[1].sk_argument = Int16GetDatum(generation);
	memcpy(VARDATA(lookup->value), digests + (generation - 1) * DIGEST_LENGTH, DIGEST_LENGTH);
	index_rescan(scan, lookup->keys, 3, NULL, 0);
}

/*
 * The next row.  A scan notes dead rows in memory that it takes on its way, so
 * it must be where the scan lives, not where the caller is for one identifier.
 */
static bool
next(Lookup *lookup, IndexScanDesc scan)
{
	MemoryContext old = MemoryContextSwitchTo(lookup->context);
	bool		found = index_getnext_slot(scan, ForwardScanDirection, lookup->slot);

	MemoryContextSwitchTo(old);
	return found;
}

void
lookup_begin(Lookup *lookup, Relation heap, Snapshot snapshot, int kind, int newest)
{
	lookup->heap = heap;
	lookup->index = index_open(catalog_relation("identifier_digest"), AccessShareLock);
	lookup->later = NULL;
	lookup->snapshot = RegisterSnapshot(snapshot);
	lookup->slot = table_slot_create(heap, NULL);
	lookup->context = CurrentMemoryContext;
	lookup->kind = kind;
	lookup->newest = newest;
	lookup->oldest = rotate_oldest(lookup->snapshot, newest);
	init_keys(lookup);
	lookup->scan = niji_index_beginscan(heap, lookup->index, lookup->snapshot, 3);
}

void
lookup_end(Lookup *lookup)
{
	index_endscan(lookup->scan);
	ExecDropSingleTupleTableSlot(lookup->slot);
	UnregisterSnapshot(lookup->snapshot);
	index_close(lookup->index, AccessShareLock);
	if (lookup->later)
		index_close(lookup->later, AccessShareLock);
}

/* ---- whose it is, and when ---- */

typedef struct Choice
{
	DateADT		day;
	int32		person;			/* 0: none yet */
	int			rank;			/* 2: on the day, 1: before it, 0: after it */
	DateADT		since;
} Choice;

/* the better of what was chosen and the row in the slot */
static void
consider(Choice *choice, TupleTableSlot *slot)
{
	TypeCacheEntry *type = lookup_type_cache(DATERANGEOID, TYPECACHE_RANGE_INFO);
	bool		isnull;
	Datum		during = slot_getattr(slot, IDENTIFIER_VALID_DURING, &isnull);
	int			rank = 2;
	DateADT		since = DATEVAL_NOBEGIN;

	if (!isnull)
	{
		RangeBound	lower;
		RangeBound	upper;
		bool		empty;

		range_deserialize(type, DatumGetRangeTypeP(during), &lower, &upper, &empty);
		if (empty)
			return;
		if (!lower.infinite)
			since = DatumGetDateADT(lower.val);
		rank = range_contains_elem_internal(type, DatumGetRangeTypeP(during), DateADTGetDatum(choice->day)) ? 2 :
			since <= choice->day ? 1 : 0;
	}
	if (choice->person != 0 &&
		(rank < choice->rank || (rank == choice->rank && (rank == 0 ? since >= choice->since : since <= choice->since))))
		return;
	choice->rank = rank;
	choice->since = since;
	choice->person = DatumGetInt32(slot_getattr(slot, IDENTIFIER_PERSON, &isnull));
}

/* the day that it is now in niji.timezone */
static DateADT
today(void)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			zone;

	if (timestamp2tm(GetCurrentStatementStartTimestamp(), &zone, &tm, &fsec, NULL, settings_timezone()) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE;
}

/* the first row of the digest is in the slot and has a date range */
static int32
choose_by_date(Lookup *lookup, const uint8 *digests, const DateADT *date)
{
	Choice		choice = {date ? *date : today()};
	IndexScanDesc scan;

	consider(&choice, lookup->slot);
	if (lookup->later == NULL)
		lookup->later = index_open(catalog_relation("identifier_later"), AccessShareLock);
	scan = niji_index_beginscan(lookup->heap, lookup->later, lookup->snapshot, 3);
	for (int generation = lookup->newest; generation >= lookup->oldest; generation--)
	{
		seek(lookup, scan, generation, digests);
		while (next(lookup, scan))
			consider(&choice, lookup->slot);
	}
	index_endscan(scan);
	return date && choice.rank != 2 ? 0 : choice.person;
}

int32
lookup_person(Lookup *lookup, const uint8 *digests, const DateADT *date)
{
	for (int generation = lookup->newest; generation >= lookup->oldest; generation--)
	{
		bool		isnull;

		seek(lookup, lookup->scan, generation, digests);
		if (!next(lookup, lookup->scan))
			continue;
		(void) slot_getattr(lookup->slot, IDENTIFIER_VALID_DURING, &isnull);
		if (!isnull)
			return choose_by_date(lookup, digests, date);
		return DatumGetInt32(slot_getattr(lookup->slot, IDENTIFIER_PERSON, &isnull));
	}
	return 0;
}
