/*
 * carry.c
 *    A batch of stored digests, carried to another generation.
 *
 * rotate.c tells why and how often; this is what it does to a table: reads some
 * blocks, locks the rows of older generations that nobody else holds, wraps
 * their digests and stores them.  Two tables hold digests and differ in little:
 * niji.identifier, whose rows lead to persons, and niji.surrogate, whose rows
 * lead to the numbers of physicians, records and households.  What a row leads
 * to is its owner here.
 *
 * A batch is the caller's transaction.  It takes ROW EXCLUSIVE on the table,
 * waits for no row, and remembers the first that it passed over.
 */
#include "postgres.h"

#include "identity/carry.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "identity/digest.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* a batch ends after so many blocks even if it found little: its snapshot holds up VACUUM */
#define BATCH_BLOCKS 65536

typedef struct Table
{
	const char *name;
	const char *kind;			/* columns */
	const char *owner;
	const char *index;			/* where a digest is looked for */
	const char *later;			/* and where, if the row is of a period but the first */
} Table;

static const Table tables[CARRY_TABLES] = {
	{"identifier", "kind", "person", "identifier_digest", "identifier_later"},
	{"surrogate", "class", "value", "surrogate_digest", NULL},
};

/* a row that this batch has locked */
typedef struct Carried
{
	int			kind;
	int			period;			/* 0 where the table does not know of periods */
	uint8		digest[DIGEST_LENGTH];	/* the new one; these three are the hash key */
	ItemPointerData tid;
} Carried;

#define CARRIED_KEY (offsetof(Carried, digest) + DIGEST_LENGTH)

typedef struct Columns
{
	AttrNumber	kind;
	AttrNumber	generation;
	AttrNumber	digest;
	AttrNumber	owner;
	AttrNumber	period;			/* invalid if there is none */
} Columns;

const char *
carry_table_name(int table)
{
	return tables[table].name;
}

static Columns
find_columns(const Table *table, Oid relid)
{
	Columns		columns = {
		get_attnum(relid, table->kind), get_attnum(relid, "generation"),
		get_attnum(relid, "digest"), get_attnum(relid, table->owner), get_attnum(relid, "period")
	};

	if (columns.kind <= 0 || columns.generation <= 0 || columns.digest <= 0 || columns.owner <= 0)
		elog(ERROR, "niji.%s does not have the columns that niji made", table->name);
	return columns;
}

/* a column's value, which is a number of 2, 4 or 8 bytes */
static int64
number(TupleDesc desc, AttrNumber column, Datum value)
{
	switch (TupleDescAttr(desc, column - 1)->attlen)
	{
		case 2:
			return DatumGetInt16(value);
		case 4:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

/* the owner that has the new digest already, or 0 */
static int64
owner_of_digest(const Table *table, Relation heap, const Columns *columns, Snapshot snapshot, int generation,
				const Carried *carried)
{
	TupleDesc	desc = RelationGetDescr(heap);
	Oid			index_id = catalog_relation(carried->period == 0 ? table->index : table->later);
	Relation	index = index_open(index_id, AccessShareLock);
	char		value[VARHDRSZ + DIGEST_LENGTH];
	ScanKeyData key[INDEX_MAX_KEYS];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		isnull;
	int64		owner = 0;
	int			nkeys = IndexRelationGetNumberOfKeyAttributes(index);

	SET_VARSIZE(value, sizeof(value));
	memcpy(value + VARHDRSZ, carried->digest, DIGEST_LENGTH);
	/* a btree wants its conditions in the order of its columns */
	for (int i = 0; i < nkeys; i++)
	{
		AttrNumber	column = index->rd_index->indkey.values[i];

		if (column == columns->digest)
			ScanKeyInit(&key[i], column, BTEqualStrategyNumber, F_BYTEAEQ, PointerGetDatum(value));
		else if (column == columns->generation)
			ScanKeyInit(&key[i], column, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(generation));
		else if (column == columns->kind && TupleDescAttr(desc, column - 1)->attlen == 2)
			ScanKeyInit(&key[i], column, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(carried->kind));
		else if (column == columns->kind)
			ScanKeyInit(&key[i], column, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(carried->kind));
		else if (column == columns->period)
			ScanKeyInit(&key[i], column, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(carried->period));
		else
			elog(ERROR, "an index of niji.%s is not the one that niji made", table->name);
	}
	index_close(index, AccessShareLock);
	scan = systable_beginscan(heap, index_id, true, snapshot, nkeys, key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		owner = number(desc, columns->owner, heap_getattr(tuple, columns->owner, desc, &isnull));
	systable_endscan(scan);
	return owner;
}

/* an array of the rows' places, for SQL */
static Datum
tid_array(Carried **rows, int n)
{
	Datum	   *tids = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
		tids[i] = PointerGetDatum(&rows[i]->tid);
	return PointerGetDatum(construct_array(tids, n, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT));
}

/* as SQL, so that whatever hangs on the table sees it */
static void
store(const Table *table, const Carry *carry, Carried **rows, int n)
{
	char	   *query = psprintf("update niji.%s i set generation = $1, digest = u.digest"
								 " from rows from (pg_catalog.unnest($2), pg_catalog.unnest($3)) as u(tid, digest)"
								 " where i.ctid operator(pg_catalog.=) u.tid", table->name);
	Oid			types[3] = {INT2OID, TIDARRAYOID, BYTEAARRAYOID};
	Datum		values[3];
	Datum	   *digests = palloc(n * sizeof(Datum));
	int			nest = NewGUCNestLevel();

	for (int i = 0; i < n; i++)
	{
		bytea	   *value = palloc(VARHDRSZ + DIGEST_LENGTH);

		SET_VARSIZE(value, VARHDRSZ + DIGEST_LENGTH);
		memcpy(VARDATA(value), rows[i]->digest, DIGEST_LENGTH);
		digests[i] = PointerGetDatum(value);
	}
	values[0] = Int16GetDatum(carry->to);
	values[1] = tid_array(rows, n);
	values[2] = PointerGetDatum(construct_array(digests, n, BYTEAOID, -1, false, TYPALIGN_INT));

	/* row by row at their places, never by reading the whole table for each batch */
	(void) set_config_option("enable_hashjoin", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("enable_mergejoin", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("enable_seqscan", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("enable_tidscan", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	catalog_query(query, 3, types, values, NULL, false);
	AtEOXact_GUC(false, nest);
	if (SPI_processed != (uint64) n)
		elog(ERROR, "%d digests were to be carried over, " UINT64_FORMAT " were", n, SPI_processed);
}

/* the same digest is stored under the new generation too, with the same owner: once is enough */
static void
remove_redundant(const Table *table, Carried **rows, int n)
{
	Oid			types[1] = {TIDARRAYOID};
	Datum		values[1] = {tid_array(rows, n)};

	catalog_query(psprintf("delete from niji.%s where ctid operator(pg_catalog.=) any ($1)", table->name), 1, types,
				  values, NULL, false);
	if (SPI_processed != (uint64) n)
		elog(ERROR, "%d digests were to be removed, " UINT64_FORMAT " were", n, SPI_processed);
}

/* fills rows with those that need a new digest and are ours now; says where to go on */
static int
gather(Carry *carry, Relation heap, const Columns *columns, Snapshot snapshot, BlockNumber end,
	   Carried **rows, HTAB *batch, Carried **redundant, int *nredundant)
{
	const Table *table = &tables[carry->table];
	TupleDesc	desc = RelationGetDescr(heap);
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	TupleTableSlot *locked = table_slot_create(heap, NULL);
	TableScanDesc scan;
	ItemPointerData first;
	ItemPointerData last;
	int			n = 0;

	ItemPointerSet(&first, carry->block, FirstOffsetNumber);
	ItemPointerSet(&last, end - 1, MaxOffsetNumber);
	scan = table_beginscan_tidrange(heap, snapshot, &first, &last);
	carry->block = end;
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		Carried		carried = {0};
		Carried    *entry;
		TM_FailureData failure;
		bool		isnull;
		bool		found;
		bytea	   *digest;
		int			generation = DatumGetInt16(slot_getattr(slot, columns->generation, &isnull));
		int64		owner;
		int64		other;

		CHECK_FOR_INTERRUPTS();
		if (generation >= carry->to)
			continue;
		if (n + *nredundant >= carry->batch_size)
		{
			carry->block = ItemPointerGetBlockNumber(&slot->tts_tid);
			break;
		}
		carried.tid = slot->tts_tid;
		if (table_tuple_lock(heap, &carried.tid, snapshot, locked, GetCurrentCommandId(true),
							 LockTupleExclusive, LockWaitSkip, 0, &failure) != TM_Ok)
		{
			if (carry->passed_over++ == 0)
			{
				carry->held_table = carry->table;
				carry->held = slot->tts_tid;
			}
			continue;
		}
		carried.kind = (int) number(desc, columns->kind, slot_getattr(locked, columns->kind, &isnull));
		if (AttributeNumberIsValid(columns->period))
			carried.period = DatumGetInt16(slot_getattr(locked, columns->period, &isnull));
		owner = number(desc, columns->owner, slot_getattr(locked, columns->owner, &isnull));
		digest = DatumGetByteaPP(slot_getattr(locked, columns->digest, &isnull));
		if (VARSIZE_ANY_EXHDR(digest) != DIGEST_LENGTH)
			elog(ERROR, "niji.%s has a digest that niji did not make", table->name);
		memcpy(carried.digest, VARDATA_ANY(digest), DIGEST_LENGTH);
		digest_rewrap(generation, carry->to, carried.digest);

		other = owner_of_digest(table, heap, columns, snapshot, carry->to, &carried);
		if (other != 0 && other != owner)
		{
			carry->conflicts++;
			continue;
		}
		entry = hash_search(batch, &carried, HASH_ENTER, &found);
		if (found)
		{
			/* twice in this batch, under two older generations: the next pass will see what became of the first */
			carry->passed_over++;
			carry->held_table = carry->table;
			carry->held = carried.tid;
			continue;
		}
		entry->tid = carried.tid;
		if (other != 0)
			redundant[(*nredundant)++] = entry;
		else
			rows[n++] = entry;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(locked);
	ExecDropSingleTupleTableSlot(slot);
	return n;
}

bool
carry_batch(Carry *carry, int64 *carried)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "niji rotation batch",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	const Table *table = &tables[carry->table];
	Oid			relid = catalog_relation(table->name);
	Relation	heap = table_open(relid, RowExclusiveLock);
	Columns		columns = find_columns(table, relid);
	BlockNumber blocks = RelationGetNumberOfBlocks(heap);
	bool		more = carry->block < blocks;

	*carried = 0;
	if (more)
	{
		HASHCTL		control = {.keysize = CARRIED_KEY, .entrysize = sizeof(Carried), .hcxt = context};
		HTAB	   *batch = hash_create("niji digests of a batch", carry->batch_size, &control,
										HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		Carried   **rows = palloc(carry->batch_size * sizeof(Carried *));
		Carried   **redundant = palloc(carry->batch_size * sizeof(Carried *));
		int			nredundant = 0;
		Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
		BlockNumber end = blocks - carry->block > BATCH_BLOCKS ? carry->block + BATCH_BLOCKS : blocks;
		int			n = gather(carry, heap, &columns, snapshot, end, rows, batch, redundant, &nredundant);

		UnregisterSnapshot(snapshot);
		if (n > 0)
			store(table, carry, rows, n);
		if (nredundant > 0)
			remove_redundant(table, redundant, nredundant);
		*carried = n + nredundant;
		carry->moved += *carried;
	}
	table_close(heap, NoLock);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return more;
}

void
carry_wait(const Carry *carry)
{
	ItemPointerData tid = carry->held;
	Relation	heap = table_open(catalog_relation(tables[carry->held_table].name), RowShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	TM_FailureData failure;

	/* the row may be gone, and its place with it */
	if (ItemPointerGetBlockNumber(&tid) < RelationGetNumberOfBlocks(heap) &&
		table_tuple_fetch_row_version(heap, &tid, snapshot, slot))
		(void) table_tuple_lock(heap, &tid, snapshot, slot, GetCurrentCommandId(true), LockTupleExclusive,
								LockWaitBlock, 0, &failure);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(heap, NoLock);
}
