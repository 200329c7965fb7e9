/*
 * entry_rows.c
 *    Rows of niji.entry, inserted many at a time.
 *
 * Most of what an entry costs the writer is its row, so rows are kept and put
 * into their partition by the page, as COPY does it, and then into its indexes.
 * Nothing in a batch reads them back before the batch ends.
 *
 * The partition is found by PostgreSQL's own routing.  Constraints are those of
 * the trail's own tables, which rows that are made here satisfy, and there are no
 * triggers on INSERT.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/tupconvert.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "executor/execPartition.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "trail/entry.h"
#include "trail/entry_rows.h"
#include "trail/merkle.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define ENTRY_SEQ 1
#define ENTRY_HEADER 2
#define ENTRY_SALT 3
#define ENTRY_PRIVATE 4
#define ENTRY_LEAF 6
#define ENTRY_SPOOL 7
#define ENTRY_COLUMNS 7

#define ROWS_KEPT 256
#define ROWS_BYTES (4 * 1024 * 1024)

typedef struct Row
{
	Datum		values[ENTRY_COLUMNS];
	bool		nulls[ENTRY_COLUMNS];
} Row;

static Row	rows[ROWS_KEPT];
static int	kept = 0;
static Size kept_bytes = 0;
static MemoryContext context = NULL;

void
entry_rows_begin(void)
{
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "niji entries", ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(context);
	kept = 0;
	kept_bytes = 0;
}

static Datum
bytes_datum(const void *data, Size length)
{
	bytea	   *bytes = palloc(VARHDRSZ + length);

	SET_VARSIZE(bytes, VARHDRSZ + length);
	if (length > 0)
		memcpy(VARDATA(bytes), data, length);
	return PointerGetDatum(bytes);
}

void
entry_rows_add(int64 seq, const uint8 *header, Size header_length, const uint8 *salt,
			   const uint8 *private_part, Size private_length, const uint8 *leaf, const int64 *spool)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	Row		   *row = &rows[kept++];

	memset(row->nulls, true, sizeof(row->nulls));
#define COLUMN(column, datum) (row->nulls[(column) - 1] = false, row->values[(column) - 1] = (datum))
	COLUMN(ENTRY_SEQ, Int64GetDatum(seq));
	COLUMN(ENTRY_HEADER, bytes_datum(header, header_length));
	COLUMN(ENTRY_SALT, bytes_datum(salt, ENTRY_SALT_SIZE));
	if (private_part)
		COLUMN(ENTRY_PRIVATE, bytes_datum(private_part, private_length));
	COLUMN(ENTRY_LEAF, bytes_datum(leaf, MERKLE_HASH_SIZE));
	if (spool)
		COLUMN(ENTRY_SPOOL, Int64GetDatum(*spool));
#undef COLUMN
	kept_bytes += header_length + private_length;
	MemoryContextSwitchTo(old);
	if (kept == ROWS_KEPT || kept_bytes >= ROWS_BYTES)
		entry_rows_flush();
}

static void
store_row(TupleTableSlot *slot, const Row *row)
{
	ExecClearTuple(slot);
	memcpy(slot->tts_values, row->values, sizeof(row->values));
	memcpy(slot->tts_isnull, row->nulls, sizeof(row->nulls));
	ExecStoreVirtualTuple(slot);
}

static void
insert_into(ResultRelInfo *part, TupleTableSlot **slots, int n, EState *estate)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "niji multi-insert", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(work);

	table_multi_insert(part->ri_RelationDesc, slots, n, GetCurrentCommandId(true), 0, NULL);
	for (int i = 0; i < n && part->ri_NumIndices > 0; i++)
	{
		MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
		(void) niji_insert_index_tuples(part, slots[i], estate);
		ResetPerTupleExprContext(estate);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
}

void
entry_rows_flush(void)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	Relation	rel;
	EState	   *estate;
	ResultRelInfo *root;
	ResultRelInfo *part = NULL;
	ModifyTableState *state;
	PartitionTupleRouting *routing;
	TupleTableSlot *slot;
	TupleTableSlot **slots;
	TupleConversionMap *map = NULL;
	int			n = 0;

	if (kept == 0)
	{
		MemoryContextSwitchTo(old);
		return;
	}
	rel = table_open(catalog_relation("entry"), RowExclusiveLock);
	if (RelationGetNumberOfAttributes(rel) != ENTRY_COLUMNS)
		elog(ERROR, "niji.entry has other columns");
	estate = CreateExecutorState();
	root = makeNode(ResultRelInfo);
	InitResultRelInfo(root, rel, 0, NULL, 0);
	state = makeNode(ModifyTableState);
	state->ps.state = estate;
	state->operation = CMD_INSERT;
	state->mt_nrels = 1;
	state->resultRelInfo = state->rootResultRelInfo = root;
	routing = ExecSetupPartitionTupleRouting(estate, rel);
	slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	slots = palloc0(kept * sizeof(TupleTableSlot *));

	for (int i = 0; i < kept; i++)
	{
		ResultRelInfo *other;

		store_row(slot, &rows[i]);
		other = ExecFindPartition(state, root, routing, slot, estate);
		ResetPerTupleExprContext(estate);
		if (other != part)
		{
			if (n > 0)
				insert_into(part, slots, n, estate);
			for (int j = 0; j < n; j++)
				ExecDropSingleTupleTableSlot(slots[j]);
			n = 0;
			part = other;
			map = convert_tuples_by_name(RelationGetDescr(rel), RelationGetDescr(part->ri_RelationDesc));
		}
		slots[n] = MakeSingleTupleTableSlot(RelationGetDescr(part->ri_RelationDesc), &TTSOpsVirtual);
		if (map)
			(void) execute_attr_map_slot(map->attrMap, slot, slots[n]);
		else
			store_row(slots[n], &rows[i]);
		n++;
	}
	insert_into(part, slots, n, estate);
	for (int j = 0; j < n; j++)
		ExecDropSingleTupleTableSlot(slots[j]);

	ExecDropSingleTupleTableSlot(slot);
	ExecCleanupTupleRouting(state, routing);
	FreeExecutorState(estate);
	table_close(rel, NoLock);
	CommandCounterIncrement();
	MemoryContextSwitchTo(old);
	entry_rows_begin();
}
