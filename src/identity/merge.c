/*
 * merge.c
 *    Who a person is now, after merges; and splitting without a log.
 *
 * niji.person_merge says which person was merged into which.  While a merge is
 * in force (undone_at is null) the one that is gone stands for the other.  Who
 * writes about a person has to know of every merge that has committed, also
 * under REPEATABLE READ, whose snapshot may be older: else an objection would
 * be kept for a number that has no rows any more.  So the table is read with a
 * snapshot of its own.  Writers of consents take their lock on niji.consent
 * before they ask, and a merge takes a stronger one: none is under way then.
 *
 * Rows of datasets are moved by niji's own queries, which the gate and the row
 * filter do not ask for a permit (see catalog_query() and gate.c); the changes
 * that they make are captured as everybody's are.
 */
#include "postgres.h"

#include "identity/merge.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/duty.h"
#include "base/shmem.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "identity/enrol.h"
#include "identity/number.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* attribute numbers of niji.person_merge */
enum
{
	MERGE_KEEP = 2,
	MERGE_GONE = 3,
	MERGE_UNDONE_AT = 12
};

PG_FUNCTION_INFO_V1(current_person);
PG_FUNCTION_INFO_V1(merged_persons);
PG_FUNCTION_INFO_V1(draw_person);
PG_FUNCTION_INFO_V1(split_person);
PG_FUNCTION_INFO_V1(run_on_dataset);

/* calls back with what merges in force have on the other side of a person */
static void
each_merge(Relation heap, Snapshot snapshot, int column, const char *index, int32 person,
		   int other_column, int32 *found, int *n, int limit)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(person));
	scan = systable_beginscan(heap, catalog_relation(index), true, snapshot, 1, &key);
	while (*n < limit && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;

		found[(*n)++] = DatumGetInt32(heap_getattr(tuple, other_column, RelationGetDescr(heap), &isnull));
	}
	systable_endscan(scan);
}

int32
merge_current(int32 person)
{
	Relation	heap = table_open(catalog_relation("person_merge"), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	for (;;)
	{
		int32		keep;
		int			n = 0;

		each_merge(heap, snapshot, MERGE_GONE, "person_merge_gone", person, MERGE_KEEP, &keep, &n, 1);
		if (n == 0)
			break;
		CHECK_FOR_INTERRUPTS();
		person = keep;
	}
	UnregisterSnapshot(snapshot);
	table_close(heap, AccessShareLock);
	return person;
}

/* so few are looked up one by one; for more all merges in force are read at once */
#define MERGE_FEW 16

typedef struct Merged
{
	int32		gone;			/* the hash key */
	int32		keep;
} Merged;

void
merge_current_list(int32 *persons, const bool *nulls, int n)
{
	HASHCTL		control = {.keysize = sizeof(int32), .entrysize = sizeof(Merged), .hcxt = CurrentMemoryContext};
	HTAB	   *merges;
	Relation	heap;
	Snapshot	snapshot;
	TableScanDesc scan;
	TupleTableSlot *slot;

	if (n <= MERGE_FEW)
	{
		for (int i = 0; i < n; i++)
			if (!nulls[i])
				persons[i] = merge_current(persons[i]);
		return;
	}
	merges = hash_create("niji merges in force", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	heap = table_open(catalog_relation("person_merge"), AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	slot = table_slot_create(heap, NULL);
	scan = table_beginscan(heap, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		int32		gone;
		Merged	   *merged;

		CHECK_FOR_INTERRUPTS();
		(void) slot_getattr(slot, MERGE_UNDONE_AT, &isnull);
		if (!isnull)
			continue;			/* not in force any more */
		gone = DatumGetInt32(slot_getattr(slot, MERGE_GONE, &isnull));
		merged = hash_search(merges, &gone, HASH_ENTER, NULL);
		merged->keep = DatumGetInt32(slot_getattr(slot, MERGE_KEEP, &isnull));
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(heap, AccessShareLock);
	for (int i = 0; i < n; i++)
	{
		Merged	   *merged;

		while (!nulls[i] && (merged = hash_search(merges, &persons[i], HASH_FIND, NULL)) != NULL)
			persons[i] = merged->keep;
	}
	hash_destroy(merges);
}

/* niji.current_person(person) */
Datum
current_person(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(merge_current(PG_GETARG_INT32(0)));
}

/* niji.merged_persons(person) returns niji.person[]: all who are gone into this one */
Datum
merged_persons(PG_FUNCTION_ARGS)
{
	Relation	heap = table_open(catalog_relation("person_merge"), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	int			capacity = 1024;
	int32	   *found = palloc(capacity * sizeof(int32));
	Datum	   *values;
	int			n = 1;

	found[0] = PG_GETARG_INT32(0);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (capacity - n < 1024)
			found = repalloc(found, (capacity += 4096) * sizeof(int32));
		each_merge(heap, snapshot, MERGE_KEEP, "person_merge_keep", found[i], MERGE_GONE, found, &n, n + 1024);
	}
	UnregisterSnapshot(snapshot);
	table_close(heap, AccessShareLock);
	values = palloc(n * sizeof(Datum));
	for (int i = 1; i < n; i++)
		values[i - 1] = Int32GetDatum(found[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(values, n - 1, catalog_type("person"), sizeof(int32), true, TYPALIGN_INT));
}

/* niji.draw_person() returns niji.person: a number that nobody has had */
Datum
draw_person(PG_FUNCTION_ARGS)
{
	int32		person;

	duty_require(NIJI_CUSTODIAN, "make a person");
	number_draw(1, &person);
	PG_RETURN_INT32(person);
}

/* niji.split_person(person, identifiers text[], reason text) returns niji.person */
Datum
split_person(PG_FUNCTION_ARGS)
{
	Oid			types[3] = {catalog_type("person"), TEXTARRAYOID, TEXTOID};
	Datum		values[3];
	char		nulls[4] = "   ";
	bool		isnull;
	int32		result;

	HIDE_STATEMENT();
	niji_require_preload();
	niji_require_database();
	duty_require(NIJI_CUSTODIAN, "split a person");
	for (int i = 0; i < 3; i++)
	{
		values[i] = PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
		if (PG_ARGISNULL(i))
			nulls[i] = 'n';
	}
	SPI_connect();
	catalog_query("select niji.split_links($1, $2, $3)", 3, types, values, nulls, false);
	result = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	SHOW_STATEMENT();
	PG_RETURN_INT32(result);
}

/*
 * niji.run_on_dataset(command text, from_person, to_person, merge bigint, amount
 * bigint, keys jsonb) returns text: runs a command of niji.move_portion() or
 * niji.assign_rows(); gives the first column of the first row, or how many rows
 * there were
 */
Datum
run_on_dataset(PG_FUNCTION_ARGS)
{
	Oid			person = catalog_type("person");
	Oid			types[5] = {person, person, INT8OID, INT8OID, JSONBOID};
	Datum		values[5];
	char		nulls[6] = "     ";
	MemoryContext context = CurrentMemoryContext;
	char	   *answer;
	text	   *result;

	niji_require_database();
	duty_require(NIJI_CUSTODIAN, "move rows of a person");
	if (PG_ARGISNULL(0))
		elog(ERROR, "run_on_dataset needs a command");
	for (int i = 0; i < 5; i++)
	{
		values[i] = PG_ARGISNULL(i + 1) ? (Datum) 0 : PG_GETARG_DATUM(i + 1);
		if (PG_ARGISNULL(i + 1))
			nulls[i] = 'n';
	}
	SPI_connect();
	if (catalog_query(text_to_cstring(PG_GETARG_TEXT_PP(0)), 5, types, values, nulls, false) != SPI_OK_SELECT)
		answer = psprintf(UINT64_FORMAT, SPI_processed);
	else
		answer = SPI_processed == 0 ? NULL : SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	result = NULL;
	if (answer)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		result = cstring_to_text(answer);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(result);
}
