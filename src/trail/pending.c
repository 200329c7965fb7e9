/*
 * pending.c
 *    What commits with a transaction: changes and acts that wait for their place.
 *
 * An act or a change is true if its transaction commits, so it is a row of
 * niji.pending_entry, inserted by that transaction.  The writer moves committed
 * rows into the trail in the order (xid, id) and deletes them here.
 *
 * The table has no index: it would cost each change as much as its row does.
 * The writer reads the table's blocks instead, and must not read again those
 * that it has done with, of which there may be many until the next VACUUM.  So
 * it keeps a place, and blocks below it are closed:
 *
 *   A backend that has put a row into a block compares it with the place, and
 *   if it is below writes down the block (in "below", the lowest of them), so
 *   that the next look starts there.
 *   A backend that compared with an older place and found nothing to report had
 *   its row in the block before the newer place was published.  So a look starts
 *   from the lower of the last two places, and finds it.
 *   A block with a row that may still be committed is remembered by itself and
 *   looked at each time, while the place goes on.
 *
 * Rows that do not come through pending_insert() (a restored dump) are told of by a
 * trigger after the statement, which has all blocks looked at.
 *
 * A look lists the rows that its snapshot shows, in their order; batches take
 * them from the list, and only when it is empty does the next look come, in a
 * later transaction, which sees that what was moved is deleted.  After an error, or when
 * the table has another file, list and places are forgotten.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/shmem.h"
#include "catalog/indexing.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "trail/entry.h"
#include "trail/pending.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#define PENDING_ID 1
#define PENDING_XID 2
#define PENDING_HEADER 3
#define PENDING_SALT 4
#define PENDING_PRIVATE 5
#define PENDING_COLUMNS 5

/* rows that are listed at once, blocks that are remembered */
#define LIST_MAX 1000000
#define OPEN_MAX 512

PG_FUNCTION_INFO_V1(pending_inserted);

typedef struct PendingShared
{
	pg_atomic_uint32 place;		/* blocks below it are closed */
	pg_atomic_uint32 below;		/* the lowest that got a row nevertheless, or InvalidBlockNumber */
} PendingShared;

static PendingShared *shared = NULL;

static Size
shared_size(void)
{
	return sizeof(PendingShared);
}

static void
shared_start(void *address, bool found)
{
	shared = address;
	if (found)
		return;
	pg_atomic_init_u32(&shared->place, 0);
	pg_atomic_init_u32(&shared->below, InvalidBlockNumber);
}

static NijiShmemPart shared_part = {"niji pending entries", shared_size, shared_start};

void
pending_init(void)
{
	shmem_register(&shared_part);
}

/* ---- for any backend ---- */

/* a row is in this block */
static void
tell(BlockNumber block)
{
	uint32		below;

	if (shared == NULL)
		return;
	pg_memory_barrier();
	if (block >= pg_atomic_read_u32(&shared->place))
		return;
	below = pg_atomic_read_u32(&shared->below);
	while (block < below && !pg_atomic_compare_exchange_u32(&shared->below, &below, block))
		;
}

/* trigger of niji.pending_entry, after a statement that inserted */
Datum
pending_inserted(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "pending_inserted was not called as a trigger");
	tell(0);
	PG_RETURN_POINTER(NULL);
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
pending_insert(const CborWriter *header, const uint8 salt[ENTRY_SALT_SIZE],
			   const CborWriter *private_part)
{
	static int64 last_id = 0;
	Oid			relid = catalog_relation("pending_entry");
	Relation	rel;
	HeapTuple	tuple;
	Datum		values[PENDING_COLUMNS];
	bool		nulls[PENDING_COLUMNS] = {false};

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension niji is not in this database"),
				 errhint("Run CREATE EXTENSION niji.")));

	/* only a transaction's own rows are put in order by it */
	values[PENDING_ID - 1] = Int64GetDatum(++last_id);
	values[PENDING_XID - 1] = FullTransactionIdGetDatum(GetTopFullTransactionId());
	values[PENDING_HEADER - 1] = bytes_datum(header->data, header->length);
	/* without a private part nobody has used the salt yet: the writer makes one */
	values[PENDING_SALT - 1] = bytes_datum(salt, private_part ? ENTRY_SALT_SIZE : 0);
	nulls[PENDING_PRIVATE - 1] = private_part == NULL;
	values[PENDING_PRIVATE - 1] = private_part ? bytes_datum(private_part->data, private_part->length) : (Datum) 0;

	rel = table_open(relid, RowExclusiveLock);
	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);
	if (rel->rd_rel->relhasindex)
		CatalogTupleInsert(rel, tuple); /* one that somebody made */
	else
		heap_insert(rel, tuple, GetCurrentCommandId(true), 0, NULL);
	tell(ItemPointerGetBlockNumber(&tuple->t_self));
	table_close(rel, NoLock);
	heap_freetuple(tuple);
	for (int i = PENDING_HEADER - 1; i < PENDING_COLUMNS; i++)
		if (!nulls[i])
			pfree(DatumGetPointer(values[i]));
}

/* ---- the writer: looking ---- */

typedef struct Waiting
{
	FullTransactionId xid;
	int64		id;
	ItemPointerData tid;
} Waiting;

static MemoryContext list_context = NULL;
static Waiting *list = NULL;
static int	list_size = 0;
static int	listed = 0;
static int	taken = 0;			/* of those listed */
static bool looked = false;		/* in this transaction */

static BlockNumber places[2] = {0, 0};	/* the last that was published, and the one before */
static BlockNumber open_blocks[OPEN_MAX];	/* in order, each with a row that may be committed yet */
static int	nopen = 0;
static Oid	known_file = InvalidOid;

static void
forget(void)
{
	listed = taken = nopen = 0;
	places[0] = places[1] = 0;
	known_file = InvalidOid;
}

static Relation
pending_open(void)
{
	Relation	rel = table_open(catalog_relation("pending_entry"), RowExclusiveLock);

	if (rel->rd_rel->relfilenode != known_file)
	{
		forget();
		known_file = rel->rd_rel->relfilenode;
	}
	return rel;
}

static void
list_row(Relation rel, HeapTuple tuple)
{
	Waiting    *waiting;
	bool		isnull;

	if (listed == list_size)
	{
		list_size = Max(1024, 2 * list_size);
		if (list_context == NULL)
			list_context = AllocSetContextCreate(TopMemoryContext, "niji pending entries", ALLOCSET_DEFAULT_SIZES);
		list = list == NULL ? MemoryContextAlloc(list_context, list_size * sizeof(Waiting))
			: repalloc(list, list_size * sizeof(Waiting));
	}
	waiting = &list[listed++];
	waiting->id = DatumGetInt64(heap_getattr(tuple, PENDING_ID, RelationGetDescr(rel), &isnull));
	waiting->xid = DatumGetFullTransactionId(heap_getattr(tuple, PENDING_XID, RelationGetDescr(rel), &isnull));
	waiting->tid = tuple->t_self;
}

/* lists the block's rows that the snapshot shows; whether there are some that a later one may */
static bool
look_at(Relation rel, BlockNumber block, Snapshot snapshot)
{
	Buffer		buffer = ReadBuffer(rel, block);
	Page		page;
	OffsetNumber last;
	bool		more = false;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	last = PageIsNew(page) ? InvalidOffsetNumber : PageGetMaxOffsetNumber(page);
	for (OffsetNumber offset = FirstOffsetNumber; offset <= last; offset = OffsetNumberNext(offset))
	{
		ItemId		item = PageGetItemId(page, offset);
		HeapTupleData tuple;

		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_tableOid = RelationGetRelid(rel);
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		ItemPointerSet(&tuple.t_self, block, offset);
		if (HeapTupleSatisfiesVisibility(&tuple, snapshot, buffer))
			list_row(rel, &tuple);
		else
			switch (HeapTupleSatisfiesVacuum(&tuple, FirstNormalTransactionId, buffer))
			{
				case HEAPTUPLE_DEAD:
				case HEAPTUPLE_RECENTLY_DEAD:
					break;
				default:
					more = true;
			}
	}
	UnlockReleaseBuffer(buffer);
	return more;
}

static int
compare_waiting(const void *a, const void *b)
{
	const Waiting *x = a;
	const Waiting *y = b;

	if (!FullTransactionIdEquals(x->xid, y->xid))
		return FullTransactionIdPrecedes(x->xid, y->xid) ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id ? 1 : 0;
}

static void
look(Relation rel, Snapshot snapshot)
{
	BlockNumber below = pg_atomic_exchange_u32(&shared->below, InvalidBlockNumber);
	BlockNumber start = Min(Min(places[0], places[1]), below);
	BlockNumber place;
	BlockNumber end;
	BlockNumber kept = InvalidBlockNumber;
	int			before = nopen;
	bool		ordered = true;

	end = RelationGetNumberOfBlocks(rel);
	listed = taken = nopen = 0;
	looked = true;
	for (int i = 0; i < before && open_blocks[i] < Min(start, end); i++)
		if (look_at(rel, open_blocks[i], snapshot))
			open_blocks[nopen++] = open_blocks[i];
	place = end > 0 ? end - 1 : 0;
	for (BlockNumber block = start; block < end; block++)
	{
		CHECK_FOR_INTERRUPTS();
		if (listed >= LIST_MAX)
		{
			place = block;
			break;
		}
		if (!look_at(rel, block, snapshot) || block >= place)
			continue;
		if (nopen < OPEN_MAX)
			open_blocks[nopen++] = block;
		else
			kept = Min(kept, block);
	}
	for (int i = 1; i < listed && ordered; i++)
		ordered = compare_waiting(&list[i - 1], &list[i]) < 0;
	if (!ordered)
		qsort(list, listed, sizeof(Waiting), compare_waiting);
	places[1] = places[0];
	places[0] = Min(place, kept);
	pg_atomic_write_u32(&shared->place, places[0]);
	pg_memory_barrier();
}

bool
pending_waiting(void)
{
	Relation	rel = pending_open();

	if (taken == listed && !looked)
		look(rel, GetActiveSnapshot());
	table_close(rel, NoLock);
	return taken < listed;
}

/* the transaction that may have called pending_move() has ended */
void
pending_moved(bool committed)
{
	looked = false;
	if (!committed)
		forget();
}

/* ---- the writer: moving ---- */

static void
move_row(Relation rel, Snapshot snapshot, const Waiting *waiting)
{
	HeapTupleData tuple;
	Buffer		buffer;
	bytea	   *parts[3];
	Size		lengths[3];
	const uint8 *data[3];
	uint8		fresh[ENTRY_SALT_SIZE];
	bool		isnull;

	tuple.t_self = waiting->tid;
	if (!heap_fetch(rel, snapshot, &tuple, &buffer, false) ||
		!FullTransactionIdEquals(DatumGetFullTransactionId(heap_getattr(&tuple, PENDING_XID, RelationGetDescr(rel), &isnull)), waiting->xid) ||
		DatumGetInt64(heap_getattr(&tuple, PENDING_ID, RelationGetDescr(rel), &isnull)) != waiting->id)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pending entries changed while they were moved")));
	for (int i = 0; i < 3; i++)
	{
		Datum		value = heap_getattr(&tuple, PENDING_HEADER + i, RelationGetDescr(rel), &isnull);

		parts[i] = isnull ? NULL : DatumGetByteaPP(value);
		lengths[i] = isnull ? 0 : VARSIZE_ANY_EXHDR(parts[i]);
		data[i] = isnull ? NULL : (const uint8 *) VARDATA_ANY(parts[i]);
	}
	if (lengths[1] != ENTRY_SALT_SIZE)
	{
		entry_salt(fresh);
		data[1] = fresh;
	}
	entry_append(data[0] ? data[0] : (const uint8 *) "", lengths[0], data[1], data[2], lengths[2]);
	ReleaseBuffer(buffer);
	simple_heap_delete(rel, (ItemPointer) &waiting->tid);
}

bool
pending_move(int limit)
{
	Relation	rel = pending_open();
	Snapshot	snapshot = GetActiveSnapshot();
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "niji pending entry", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(row);

	/* what this transaction deletes would still be seen by its snapshot */
	if (taken == listed && !looked)
		look(rel, snapshot);
	for (int moved = 0; moved < limit && taken < listed; moved++)
	{
		move_row(rel, snapshot, &list[taken++]);
		MemoryContextReset(row);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(row);
	table_close(rel, NoLock);
	CommandCounterIncrement();
	return taken < listed || !looked || listed >= LIST_MAX;
}
