/*
 * row.c
 *    Reading niji.consent, niji.notice and niji.consent_void.
 *
 * The three tables are read by scans of our own, with the snapshot of whoever
 * asks, and not by SQL: this happens inside an analyst's statement, who has no
 * right to them, in parallel workers too, and for millions of rows.  The use is
 * read in use.c.
 *
 * Under SERIALIZABLE the scans take predicate locks: of the whole table in
 * row_scan_all(), of index pages otherwise.
 *
 * Columns are known by their position in control/install/51-consent-tables.sql.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "consent/row.h"
#include "consent/waiting.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"

/* niji.consent */
enum
{
	CONSENT_ID = 1,
	CONSENT_XID,
	CONSENT_FROM,
	CONSENT_UNTIL,
	CONSENT_RECORDED,
	CONSENT_PERSON,
	CONSENT_PERMIT,
	CONSENT_HOLDER,
	CONSENT_DATASET,
	CONSENT_DECISION,
	CONSENT_CATEGORY,
	CONSENT_PURPOSE,
	CONSENT_RECIPIENT,
	CONSENT_READ = CONSENT_RECIPIENT
};

/* niji.notice */
enum
{
	NOTICE_ID = 1,
	NOTICE_XID,
	NOTICE_NOTIFIED,
	NOTICE_RECORDED,
	NOTICE_PERSON,
	NOTICE_HOLDER,
	NOTICE_CATEGORY,
	NOTICE_READ = NOTICE_CATEGORY
};

/* niji.consent_void */
enum
{
	VOID_CONSENT = 1,
	VOID_XID,
	VOID_READ = VOID_XID
};

static bool
same_word(ConsentWord a, ConsentWord b)
{
	return a.length == b.length && (a.data == NULL) == (b.data == NULL) &&
		(a.data == NULL || memcmp(a.data, b.data, a.length) == 0);
}

bool
row_same_use(const ConsentRule *a, const ConsentRule *b)
{
	const ConsentUse *x = &a->use;
	const ConsentUse *y = &b->use;

	return x->permit == y->permit && x->dataset == y->dataset && x->holder == y->holder &&
		x->rule == y->rule && x->basis == y->basis && x->at_grant == y->at_grant &&
		x->granted == y->granted && x->granted_at == y->granted_at &&
		x->override == y->override && x->override_until == y->override_until &&
		same_word(x->category, y->category) && same_word(x->purpose, y->purpose) &&
		same_word(x->recipient_kind, y->recipient_kind) &&
		a->waiting.month == b->waiting.month && a->waiting.day == b->waiting.day &&
		a->waiting.time == b->waiting.time && a->zone == b->zone;
}

static Relation
open_table(const char *name)
{
	Oid			relid = catalog_relation(name);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table niji.%s does not exist", name)));
	return table_open(relid, AccessShareLock);
}

/* a word stays where it is; these are far too short to be toasted, but a detoasted copy would do as well */
static ConsentWord
word_of(Datum value, bool isnull)
{
	ConsentWord word = {NULL, 0};

	if (!isnull)
	{
		text	   *packed = DatumGetTextPP(value);

		word.data = VARDATA_ANY(packed);
		word.length = VARSIZE_ANY_EXHDR(packed);
	}
	return word;
}

static inline int
number_of(Datum value, bool isnull)
{
	return isnull ? 0 : DatumGetInt32(value);
}

/* a row of niji.consent; false if it does not cover the use */
static bool
consent_event(const ConsentRule *rule, const Datum *values, const bool *nulls, ConsentEvent *event)
{
	ConsentRow	row;

	values--, nulls--;			/* columns count from 1 */
	row.recorded = DatumGetTimestampTz(values[CONSENT_RECORDED]);
	if (!consent_recorded_in_time(&rule->use, row.recorded))
		return false;
	row.id = DatumGetInt64(values[CONSENT_ID]);
	row.from = DatumGetTimestampTz(values[CONSENT_FROM]);
	row.until = nulls[CONSENT_UNTIL] ? DT_NOEND : DatumGetTimestampTz(values[CONSENT_UNTIL]);
	row.person = DatumGetInt32(values[CONSENT_PERSON]);
	row.permit = number_of(values[CONSENT_PERMIT], nulls[CONSENT_PERMIT]);
	row.holder = number_of(values[CONSENT_HOLDER], nulls[CONSENT_HOLDER]);
	row.dataset = number_of(values[CONSENT_DATASET], nulls[CONSENT_DATASET]);
	row.category = word_of(values[CONSENT_CATEGORY], nulls[CONSENT_CATEGORY]);
	row.purpose = word_of(values[CONSENT_PURPOSE], nulls[CONSENT_PURPOSE]);
	row.recipient_kind = word_of(values[CONSENT_RECIPIENT], nulls[CONSENT_RECIPIENT]);
	row.deny = *word_of(values[CONSENT_DECISION], false).data == 'd';
	event->until = row.until;
	event->xid = FullTransactionIdFromU64(DatumGetUInt64(values[CONSENT_XID]));
	event->voided = 0;
	return consent_covers(&rule->use, &row, &event->fact);
}

static bool
notice_event(const ConsentRule *rule, const Datum *values, const bool *nulls, ConsentEvent *event)
{
	int			holder;

	values--, nulls--;
	if (!consent_recorded_in_time(&rule->use, DatumGetTimestampTz(values[NOTICE_RECORDED])))
		return false;
	holder = number_of(values[NOTICE_HOLDER], nulls[NOTICE_HOLDER]);
	if (!consent_notice_covers(&rule->use, word_of(values[NOTICE_CATEGORY], nulls[NOTICE_CATEGORY]), holder))
		return false;
	event->fact.from = waiting_over(DatumGetTimestampTz(values[NOTICE_NOTIFIED]), &rule->waiting, rule->zone);
	event->fact.id = DatumGetInt64(values[NOTICE_ID]);
	event->fact.person = DatumGetInt32(values[NOTICE_PERSON]);
	event->fact.holder = rule->use.holder == 0 ? holder : 0;
	event->fact.kind = FACT_NOTICE;
	event->fact.scope = 0;
	event->until = DT_NOEND;
	event->xid = FullTransactionIdFromU64(DatumGetUInt64(values[NOTICE_XID]));
	event->voided = 0;
	return true;
}

static bool
void_event(const ConsentRule *rule, const Datum *values, const bool *nulls, ConsentEvent *event)
{
	values--;
	memset(event, 0, sizeof(ConsentEvent));
	event->voided = DatumGetInt64(values[VOID_CONSENT]);
	event->xid = FullTransactionIdFromU64(DatumGetUInt64(values[VOID_XID]));
	return true;
}

typedef bool (*RowReader) (const ConsentRule *rule, const Datum *values, const bool *nulls,
						   ConsentEvent *event);

static void
scan_table(const char *name, int columns, RowReader reader, const ConsentRule *rule,
		   Snapshot snapshot, RowCallback callback, void *arg)
{
	Relation	rel = open_table(name);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	ConsentEvent event;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		slot_getsomeattrs(slot, columns);
		if (reader(rule, slot->tts_values, slot->tts_isnull, &event) && !callback(&event, arg))
			break;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
}

/* rows of an index range; false if there is no such index */
static bool
scan_index(const char *name, const char *index_name, int columns, AttrNumber column,
		   StrategyNumber strategy, RegProcedure compare, Datum value, RowReader reader,
		   const ConsentRule *rule, Snapshot snapshot, RowCallback callback, void *arg)
{
	Oid			indexid = catalog_relation(index_name);
	Relation	rel;
	Relation	index;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	Datum		values[CONSENT_READ];
	bool		nulls[CONSENT_READ];
	ConsentEvent event;

	Assert(columns <= CONSENT_READ);
	if (!OidIsValid(indexid))
		return false;
	rel = open_table(name);
	index = index_open(indexid, AccessShareLock);
	ScanKeyInit(&key, column, strategy, compare, value);
	scan = systable_beginscan_ordered(rel, index, snapshot, 1, &key);
	while ((tuple = systable_getnext_ordered(scan, ForwardScanDirection)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < columns; i++)
			values[i] = heap_getattr(tuple, i + 1, RelationGetDescr(rel), &nulls[i]);
		if (reader(rule, values, nulls, &event) && !callback(&event, arg))
			break;
	}
	systable_endscan_ordered(scan);
	index_close(index, NoLock);
	table_close(rel, NoLock);
	return true;
}

static inline bool
notices_matter(const ConsentRule *rule)
{
	return rule->use.basis == BASIS_OPT_OUT_AFTER_NOTICE;
}

void
row_scan_all(const ConsentRule *rule, Snapshot snapshot, RowCallback callback, void *arg)
{
	scan_table("consent", CONSENT_READ, consent_event, rule, snapshot, callback, arg);
	if (notices_matter(rule))
		scan_table("notice", NOTICE_READ, notice_event, rule, snapshot, callback, arg);
}

typedef struct VoidList
{
	int64	   *ids;
	int			count;
	int			room;
} VoidList;

static bool
add_void(const ConsentEvent *event, void *arg)
{
	VoidList   *list = arg;

	if (list->count == list->room)
	{
		list->room = list->room ? list->room * 2 : 64;
		list->ids = list->ids ? repalloc_huge(list->ids, list->room * sizeof(int64))
			: palloc(list->room * sizeof(int64));
	}
	list->ids[list->count++] = event->voided;
	return true;
}

static int
compare_ids(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

int64 *
row_scan_voids(Snapshot snapshot, int *count)
{
	VoidList	list = {NULL, 0, 0};

	scan_table("consent_void", VOID_READ, void_event, NULL, snapshot, add_void, &list);
	if (list.count > 1)
		qsort(list.ids, list.count, sizeof(int64), compare_ids);
	*count = list.count;
	return list.ids;
}

/* rows of the three tables whose xid is, or is at or after, the given one */
static bool
scan_transactions(const ConsentRule *rule, Snapshot snapshot, FullTransactionId xid,
				  StrategyNumber strategy, RegProcedure compare, RowCallback callback, void *arg)
{
	Datum		value = UInt64GetDatum(U64FromFullTransactionId(xid));

	return scan_index("consent", "consent_xid_idx", CONSENT_READ, CONSENT_XID, strategy, compare,
					  value, consent_event, rule, snapshot, callback, arg) &&
		scan_index("consent_void", "consent_void_xid_idx", VOID_READ, VOID_XID, strategy, compare,
				   value, void_event, rule, snapshot, callback, arg) &&
		(!notices_matter(rule) ||
		 scan_index("notice", "notice_xid_idx", NOTICE_READ, NOTICE_XID, strategy, compare,
					value, notice_event, rule, snapshot, callback, arg));
}

bool
row_scan_since(const ConsentRule *rule, Snapshot snapshot, FullTransactionId since,
			   RowCallback callback, void *arg)
{
	return scan_transactions(rule, snapshot, since, BTGreaterEqualStrategyNumber, F_XID8GE, callback, arg);
}

bool
row_scan_transaction(const ConsentRule *rule, Snapshot snapshot, FullTransactionId xid,
					 RowCallback callback, void *arg)
{
	return scan_transactions(rule, snapshot, xid, BTEqualStrategyNumber, F_XID8EQ, callback, arg);
}

static void
scan_naming(const char *index, AttrNumber column, int value, const ConsentRule *rule,
			Snapshot snapshot, RowCallback callback, void *arg)
{
	if (!scan_index("consent", index, CONSENT_READ, column, BTEqualStrategyNumber, F_INT4EQ,
					Int32GetDatum(value), consent_event, rule, snapshot, callback, arg))
		elog(ERROR, "index %s is missing", index);
}

void
row_scan_permit(const ConsentRule *rule, Snapshot snapshot, RowCallback callback, void *arg)
{
	scan_naming("consent_permit_idx", CONSENT_PERMIT, rule->use.permit, rule, snapshot, callback, arg);
}

void
row_scan_dataset(const ConsentRule *rule, Snapshot snapshot, RowCallback callback, void *arg)
{
	scan_naming("consent_dataset_idx", CONSENT_DATASET, rule->use.dataset, rule, snapshot, callback, arg);
}

static bool
note_found(const ConsentEvent *event, void *arg)
{
	*(bool *) arg = true;
	return false;
}

static bool
is_voided(Snapshot snapshot, int64 consent)
{
	bool		found = false;

	if (!scan_index("consent_void", "consent_void_pkey", VOID_READ, VOID_CONSENT,
					BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(consent), void_event,
					NULL, snapshot, note_found, &found))
		elog(ERROR, "index consent_void_pkey is missing");
	return found;
}

typedef struct PersonScan
{
	Snapshot	snapshot;
	RowCallback callback;
	void	   *arg;
} PersonScan;

static bool
pass_unless_voided(const ConsentEvent *event, void *arg)
{
	PersonScan *scan = arg;

	return is_voided(scan->snapshot, event->fact.id) || scan->callback(event, scan->arg);
}

void
row_scan_person(const ConsentRule *rule, Snapshot snapshot, int32 person,
				RowCallback callback, void *arg)
{
	PersonScan	scan = {snapshot, callback, arg};

	if (!scan_index("consent", "consent_person_idx", CONSENT_READ, CONSENT_PERSON,
					BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(person), consent_event,
					rule, snapshot, pass_unless_voided, &scan))
		elog(ERROR, "index consent_person_idx is missing");
	if (notices_matter(rule) &&
		!scan_index("notice", "notice_person_idx", NOTICE_READ, NOTICE_PERSON,
					BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(person), notice_event,
					rule, snapshot, callback, arg))
		elog(ERROR, "index notice_person_idx is missing");
}

static bool
person_event(const ConsentRule *rule, const Datum *values, const bool *nulls, ConsentEvent *event)
{
	values--;
	memset(event, 0, sizeof(ConsentEvent));
	event->fact.person = DatumGetInt32(values[CONSENT_PERSON]);
	return true;
}

typedef struct PersonFound
{
	bool		found;
	int32		person;
} PersonFound;

static bool
note_person(const ConsentEvent *event, void *arg)
{
	PersonFound *found = arg;

	found->found = true;
	found->person = event->fact.person;
	return false;
}

bool
row_consent_person(Snapshot snapshot, int64 consent, int32 *person)
{
	PersonFound found = {false, 0};

	if (!scan_index("consent", "consent_pkey", CONSENT_READ, CONSENT_ID,
					BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(consent), person_event,
					NULL, snapshot, note_person, &found))
		elog(ERROR, "index consent_pkey is missing");
	*person = found.person;
	return found.found;
}
