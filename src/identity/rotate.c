/*
 * rotate.c
 *    Carrying stored digests to the newest generation of the master key.
 *
 * A digest of generation g is the HMAC, under that generation's key, of the
 * digest of generation g-1 (see digest.c), so niji.identifier can be carried
 * over without an identifier.  niji.rotate_identity_key() walks through the
 * table in the order of its blocks, some thousand rows at a time, and commits
 * after each batch; the row of niji.key_rotation that tells how far it has
 * come is changed in the batch's own transaction.  So it is never wrong, and
 * after a crash, an error or a cancel the next call goes on from there.
 *
 * Loads go on meanwhile.  Why nobody known becomes new:
 *
 *   - A row changes its generation in one UPDATE, and a lookup probes all its
 *     generations with one snapshot, which sees one version of the row: the
 *     order of the probes does not matter.
 *   - Nothing is stored under an older generation once a newer one has begun,
 *     since its first use waits for all enrolments (keys.c).  What has to be
 *     carried is there before the first batch takes its snapshot.
 *
 * Rows that another transaction holds are passed over and fetched by a later
 * pass; only when nothing else is left does it wait, for one row, holding no
 * other.  So it is in no deadlock with a load, and holds none up for longer
 * than a batch.
 *
 * Locks: one rotation at a time holds, as its session's, an exclusive lock on
 * sub-object 1 of niji.key_rotation, which nothing else ever locks; being a
 * session's it outlives the commits, and being an ordinary lock it goes away
 * with any error.  A batch takes ROW EXCLUSIVE on niji.identifier.
 *
 * niji.identifier_attribute, whose rows are bound to digests, goes first (see
 * attribute.c); it is not counted.
 *
 * When no row of an older generation is left, that fact is recorded with the
 * run, and lookups no longer probe the index for them: rotate_oldest().  It is
 * true for those snapshots alone that see the record; an older one, as
 * REPEATABLE READ keeps it, may see rows where they were before.
 */
#include "postgres.h"

#include "identity/rotate.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/duty.h"
#include "base/shmem.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "identity/attribute.h"
#include "identity/digest.h"
#include "identity/keys.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define BATCH_MAX 100000

/* a batch ends after so many blocks even if it found little: its snapshot holds up VACUUM */
#define BATCH_BLOCKS 65536

PG_FUNCTION_INFO_V1(rotate_identity_key);

typedef struct Rotation
{
	int			run;
	int			to;				/* the generation that digests are carried to */
	int			batch_size;
	BlockNumber block;			/* where the next batch begins */

	/* of the pass through the table that goes on */
	int64		moved;
	int64		passed_over;	/* rows that somebody else held or changed */
	int64		conflicts;		/* rows whose identifier is stored twice, with two persons */
	ItemPointerData held;		/* the first that was passed over */
} Rotation;

/* a row of niji.identifier that this batch has locked */
typedef struct Carried
{
	int			kind;
	int			period;			/* 0 where the table does not know of periods */
	uint8		digest[DIGEST_LENGTH];	/* the new one; these three are the hash key */
	ItemPointerData tid;
} Carried;

#define CARRIED_KEY (offsetof(Carried, digest) + DIGEST_LENGTH)

/* attribute numbers of niji.identifier */
typedef struct Columns
{
	AttrNumber	kind;
	AttrNumber	generation;
	AttrNumber	digest;
	AttrNumber	person;
	AttrNumber	period;			/* invalid if there is none */
} Columns;

/* ---- small things ---- */

static void
set_rotation_tag(LOCKTAG *tag)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, RelationRelationId, catalog_relation("key_rotation"), 1);
}

static void
hold_rotation(void)
{
	LOCKTAG		tag;

	set_rotation_tag(&tag);
	if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("the identity key is being rotated already"),
				 errdetail("One rotation runs at a time; niji.rotation_progress shows it.")));
}

static void
release_rotation(void)
{
	LOCKTAG		tag;

	set_rotation_tag(&tag);
	(void) LockRelease(&tag, ExclusiveLock, true);
}

/* ends the transaction; the next one reads what is committed, whatever the session's default is */
static void
next_transaction(void)
{
	SPI_commit();
	(void) set_config_option("transaction_isolation", "read committed", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	EnsurePortalSnapshotExists();
}

/* one row of bigints; null is -1; false when there is no row */
static bool
query_numbers(const char *query, int nargs, Oid *types, Datum *values, int64 *out, int n)
{
	catalog_query(query, nargs, types, values, NULL, false);
	if (SPI_processed == 0)
		return false;
	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &isnull);

		out[i] = isnull ? -1 : DatumGetInt64(value);
	}
	SPI_freetuptable(SPI_tuptable);
	return true;
}

static void
record(Rotation *rotation, const char *phase)
{
	static const char *const query =
		"select niji.record_act('rotate_identity_key', $1::text, (select pg_catalog.jsonb_build_object("
		"'run', r.run, 'phase', $2, 'from_generation', r.from_generation, 'to_generation', r.to_generation,"
		" 'total', r.total, 'done', r.done, 'conflicts', r.conflicts) from niji.key_rotation r where r.run = $3))";
	Oid			types[3] = {INT4OID, TEXTOID, INT4OID};
	Datum		values[3] = {Int32GetDatum(rotation->to), CStringGetTextDatum(phase), Int32GetDatum(rotation->run)};

	catalog_query(query, 3, types, values, NULL, false);
}

/* ---- a batch ---- */

static Columns
identifier_columns(Oid relid)
{
	Columns		columns = {
		get_attnum(relid, "kind"), get_attnum(relid, "generation"),
		get_attnum(relid, "digest"), get_attnum(relid, "person"), get_attnum(relid, "period")
	};

	if (columns.kind <= 0 || columns.generation <= 0 || columns.digest <= 0 || columns.person <= 0)
		elog(ERROR, "niji.identifier does not have the columns that niji made");
	return columns;
}

/* the person that has the new digest already, or 0 */
static int32
person_of_digest(Relation heap, const Columns *columns, Snapshot snapshot, int generation,
				 const Carried *carried)
{
	Oid			index_id = catalog_relation(carried->period == 0 ? "identifier_digest" : "identifier_later");
	Relation	index = index_open(index_id, AccessShareLock);
	char		value[VARHDRSZ + DIGEST_LENGTH];
	ScanKeyData key[INDEX_MAX_KEYS];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		isnull;
	int32		person = 0;
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
		else if (column == columns->kind)
			ScanKeyInit(&key[i], column, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(carried->kind));
		else if (column == columns->period)
			ScanKeyInit(&key[i], column, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(carried->period));
		else
			elog(ERROR, "an index of niji.identifier is not the one that niji made");
	}
	index_close(index, AccessShareLock);
	scan = systable_beginscan(heap, index_id, true, snapshot, nkeys, key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		person = DatumGetInt32(heap_getattr(tuple, columns->person, RelationGetDescr(heap), &isnull));
	systable_endscan(scan);
	return person;
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
store(Rotation *rotation, Carried **rows, int n)
{
	static const char *const query =
		"update niji.identifier i set generation = $1, digest = u.digest"
		" from rows from (pg_catalog.unnest($2), pg_catalog.unnest($3)) as u(tid, digest)"
		" where i.ctid operator(pg_catalog.=) u.tid";
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
	values[0] = Int16GetDatum(rotation->to);
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

/* the same identifier is stored under the new generation too, with the same person: once is enough */
static void
remove_redundant(Carried **rows, int n)
{
	Oid			types[1] = {TIDARRAYOID};
	Datum		values[1] = {tid_array(rows, n)};

	catalog_query("delete from niji.identifier where ctid operator(pg_catalog.=) any ($1)", 1, types, values,
				  NULL, false);
	if (SPI_processed != (uint64) n)
		elog(ERROR, "%d digests were to be removed, " UINT64_FORMAT " were", n, SPI_processed);
}

/* fills rows with those that need a new digest and are ours now; says where to go on */
static int
gather(Rotation *rotation, Relation heap, const Columns *columns, Snapshot snapshot, BlockNumber end,
	   Carried **rows, HTAB *table, Carried **redundant, int *nredundant)
{
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	TupleTableSlot *locked = table_slot_create(heap, NULL);
	TableScanDesc scan;
	ItemPointerData first;
	ItemPointerData last;
	int			n = 0;

	ItemPointerSet(&first, rotation->block, FirstOffsetNumber);
	ItemPointerSet(&last, end - 1, MaxOffsetNumber);
	scan = table_beginscan_tidrange(heap, snapshot, &first, &last);
	rotation->block = end;
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		Carried		carried = {0};
		Carried    *entry;
		TM_FailureData failure;
		bool		isnull;
		bool		found;
		bytea	   *digest;
		int			generation = DatumGetInt16(slot_getattr(slot, columns->generation, &isnull));
		int32		person;
		int32		other;

		CHECK_FOR_INTERRUPTS();
		if (generation >= rotation->to)
			continue;
		if (n + *nredundant >= rotation->batch_size)
		{
			rotation->block = ItemPointerGetBlockNumber(&slot->tts_tid);
			break;
		}
		carried.tid = slot->tts_tid;
		if (table_tuple_lock(heap, &carried.tid, snapshot, locked, GetCurrentCommandId(true),
							 LockTupleExclusive, LockWaitSkip, 0, &failure) != TM_Ok)
		{
			if (rotation->passed_over++ == 0)
				rotation->held = slot->tts_tid;
			continue;
		}
		carried.kind = DatumGetInt32(slot_getattr(locked, columns->kind, &isnull));
		if (AttributeNumberIsValid(columns->period))
			carried.period = DatumGetInt16(slot_getattr(locked, columns->period, &isnull));
		person = DatumGetInt32(slot_getattr(locked, columns->person, &isnull));
		digest = DatumGetByteaPP(slot_getattr(locked, columns->digest, &isnull));
		if (VARSIZE_ANY_EXHDR(digest) != DIGEST_LENGTH)
			elog(ERROR, "niji.identifier has a digest that niji did not make");
		memcpy(carried.digest, VARDATA_ANY(digest), DIGEST_LENGTH);
		digest_rewrap(generation, rotation->to, carried.digest);

		other = person_of_digest(heap, columns, snapshot, rotation->to, &carried);
		if (other != 0 && other != person)
		{
			rotation->conflicts++;
			continue;
		}
		entry = hash_search(table, &carried, HASH_ENTER, &found);
		if (found)
		{
			/* twice in this batch, under two older generations: the next pass will see what became of the first */
			rotation->passed_over++;
			rotation->held = carried.tid;
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

/* carries a batch over and commits; false at the end of the table */
static bool
carry_batch(Rotation *rotation)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "niji rotation batch",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Oid			relid = catalog_relation("identifier");
	Relation	heap = table_open(relid, RowExclusiveLock);
	Columns		columns = identifier_columns(relid);
	BlockNumber blocks = RelationGetNumberOfBlocks(heap);
	bool		more = rotation->block < blocks;

	if (more)
	{
		HASHCTL		control = {.keysize = CARRIED_KEY, .entrysize = sizeof(Carried), .hcxt = context};
		HTAB	   *table = hash_create("niji digests of a batch", rotation->batch_size, &control,
										HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		Carried   **rows = palloc(rotation->batch_size * sizeof(Carried *));
		Carried   **redundant = palloc(rotation->batch_size * sizeof(Carried *));
		int			nredundant = 0;
		Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
		BlockNumber end = blocks - rotation->block > BATCH_BLOCKS ? rotation->block + BATCH_BLOCKS : blocks;
		int			n = gather(rotation, heap, &columns, snapshot, end, rows, table, redundant, &nredundant);
		Oid			types[3] = {INT4OID, INT8OID, INT8OID};
		Datum		values[3];

		UnregisterSnapshot(snapshot);
		if (n > 0)
			store(rotation, rows, n);
		if (nredundant > 0)
			remove_redundant(redundant, nredundant);
		rotation->moved += n + nredundant;
		values[0] = Int32GetDatum(rotation->run);
		values[1] = Int64GetDatum((int64) n + nredundant);
		values[2] = Int64GetDatum((int64) rotation->block);
		catalog_query("update niji.key_rotation set done = done + $2, batches = batches + 1, next_block = $3,"
					  " last_at = pg_catalog.clock_timestamp() where run = $1",
					  3, types, values, NULL, false);
	}
	table_close(heap, NoLock);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	next_transaction();
	return more;
}

/* until the transaction that holds the row has ended; afterwards it is free, or is another version */
static void
wait_for_row(ItemPointerData tid)
{
	Relation	heap = table_open(catalog_relation("identifier"), RowShareLock);
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
	next_transaction();
}

/* ---- a run ---- */

/* how many digests are under generations before this one, and the oldest of those (-1: none) */
static int64
count_left(int generation, int64 *oldest)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(generation)};
	int64		out[2];

	(void) query_numbers("select pg_catalog.count(*), pg_catalog.min(generation)::bigint from niji.identifier"
						 " where generation operator(pg_catalog.<) $1", 1, types, values, out, 2);
	*oldest = out[1];
	return out[0];
}

/* begins a run, or takes up the one that was interrupted; false when there is nothing to do */
static bool
begin_run(Rotation *rotation)
{
	Oid			types[4] = {INT4OID, INT8OID, INT8OID, INT4OID};
	Datum		values[4];
	int64		latest[4];		/* run, to_generation, next_block, 0 unfinished 1 complete 2 otherwise */
	int64		oldest;
	int64		left;
	bool		any;
	bool		resumed;

	/* the first use of a generation waits for the enrolments under the one before, and is committed with this */
	rotation->to = key_current_generation();
	/* somebody else's first use is told to all sessions only at the very end of its transaction */
	LockRelationOid(catalog_relation("master_key"), ShareLock);
	left = count_left(rotation->to, &oldest);
	any = query_numbers("select run::bigint, to_generation::bigint, next_block,"
						" case outcome when 'complete' then 1 else case when outcome is null then 0 else 2 end end::bigint"
						" from niji.key_rotation order by run desc limit 1", 0, NULL, NULL, latest, 4);
	resumed = any && latest[3] == 0 && latest[1] == rotation->to;
	if (!resumed && left == 0 && (rotation->to == 1 || (any && latest[3] == 1 && latest[1] == rotation->to)))
		return false;

	values[0] = Int32GetDatum(rotation->to);
	values[1] = Int64GetDatum(left);
	values[2] = Int64GetDatum(oldest);
	if (resumed)
	{
		rotation->run = (int) latest[0];
		rotation->block = (BlockNumber) latest[2];
		values[3] = Int32GetDatum(rotation->run);
		catalog_query("update niji.key_rotation set total = done + $2 where run = $4 and $1 is not null and $3 is not null",
					  4, types, values, NULL, false);
	}
	else
	{
		int64		run;

		catalog_query("update niji.key_rotation set outcome = 'superseded', finished_at = pg_catalog.clock_timestamp()"
					  " where outcome is null", 0, NULL, NULL, NULL, false);
		(void) query_numbers("insert into niji.key_rotation (from_generation, to_generation, total)"
							 " values (nullif($3, -1), $1, $2) returning run::bigint", 3, types, values, &run, 1);
		rotation->run = (int) run;
		rotation->block = 0;
	}
	record(rotation, resumed ? "resume" : "start");
	return true;
}

/* in one transaction: that nothing is left, and the record of it; false when something is */
static bool
finish_run(Rotation *rotation, bool with_conflicts)
{
	Oid			types[3] = {INT4OID, INT8OID, TEXTOID};
	Datum		values[3];
	int64		oldest;
	int64		left = count_left(rotation->to, &oldest);

	if (left > 0 && !with_conflicts)
		return false;
	values[0] = Int32GetDatum(rotation->run);
	values[1] = Int64GetDatum(left);
	values[2] = CStringGetTextDatum(left > 0 ? "conflicts" : "complete");
	catalog_query("update niji.key_rotation set outcome = $3, conflicts = $2, total = done + $2,"
				  " finished_at = pg_catalog.clock_timestamp() where run = $1", 3, types, values, NULL, false);
	record(rotation, left > 0 ? "conflicts" : "complete");
	next_transaction();
	if (left > 0)
		ereport(WARNING,
				(errmsg_plural("%lld digest could not be carried to generation %d",
							   "%lld digests could not be carried to generation %d",
							   (unsigned long) left, (long long) left, rotation->to),
				 errdetail("The same identifier is stored under generation %d with another person.", rotation->to),
				 errhint("Merge the persons, and call niji.rotate_identity_key() again.")));
	return true;
}

static void
rotate(int batch_size)
{
	Rotation	rotation = {.batch_size = batch_size};

	next_transaction();
	hold_rotation();
	if (!begin_run(&rotation))
	{
		int			newest = rotation.to;

		release_rotation();
		ereport(NOTICE,
				(errmsg("no digest has to be carried to another generation"),
				 errdetail("The newest generation of the master key is %d.", newest)));
		return;
	}
	next_transaction();
	while (attribute_carry(rotation.to, batch_size))
		next_transaction();
	for (;;)
	{
		rotation.moved = rotation.passed_over = rotation.conflicts = 0;
		while (carry_batch(&rotation))
			;
		if (rotation.passed_over == 0 && finish_run(&rotation, rotation.moved == 0 && rotation.conflicts > 0))
			break;
		if (rotation.moved == 0 && rotation.passed_over > 0)
			wait_for_row(rotation.held);
		rotation.block = 0;
	}
	release_rotation();
}

/* niji.rotate_identity_key(batch_size integer default 10000), a procedure */
Datum
rotate_identity_key(PG_FUNCTION_ARGS)
{
	CallContext *call = (CallContext *) fcinfo->context;
	int			batch_size = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT32(0);

	niji_require_preload();
	niji_require_database();
	duty_require(NIJI_GOVERNANCE, "rotate the identity key");
	if (batch_size < 1 || batch_size > BATCH_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch_size is not a number from 1 to %d", BATCH_MAX)));
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot rotate the identity key on a standby"),
				 errhint("Call niji.rotate_identity_key() on the primary; the standby follows.")));
	if (call == NULL || !IsA(call, CallContext) || call->atomic || IsSubTransaction())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("cannot rotate the identity key within a transaction"),
				 errdetail("It commits after each batch."),
				 errhint("Use CALL niji.rotate_identity_key() outside of a transaction block.")));
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	rotate(batch_size);
	SPI_finish();
	PG_RETURN_VOID();
}

/* ---- what lookups need not look for ---- */

static CatalogWatch watch = {"key_rotation"};
static bool watching = false;

/* no digest is under a generation before "oldest" for who sees the transaction as ended */
static int	oldest = 1;
static FullTransactionId since;

/* the full number of a transaction that has ended, or of none if it is long ago */
static FullTransactionId
widen(TransactionId xid)
{
	FullTransactionId next = ReadNextFullTransactionId();
	uint32		epoch = EpochFromFullTransactionId(next);

	if (!TransactionIdIsNormal(xid))
		return InvalidFullTransactionId;
	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return FullTransactionIdFromEpochAndXid(epoch, xid);
}

/* reads the latest row of niji.key_rotation (run, from_generation, to_generation, outcome, ...) as a catalog is read */
static void
read_oldest(void)
{
	Oid			relid = catalog_relation("key_rotation");
	Relation	rel;
	TableScanDesc scan;
	TupleTableSlot *slot;
	Snapshot	snapshot;
	int			latest = 0;

	oldest = 1;
	watch.relid = relid;
	if (!OidIsValid(relid))
		return;
	rel = table_open(relid, AccessShareLock);
	slot = table_slot_create(rel, NULL);
	snapshot = RegisterSnapshot(GetCatalogSnapshot(relid));
	scan = table_beginscan(rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		none;
		bool		unfinished;
		bool		isnull;
		int			run = DatumGetInt32(slot_getattr(slot, 1, &isnull));
		int			from = DatumGetInt32(slot_getattr(slot, 2, &none));
		int			to = DatumGetInt32(slot_getattr(slot, 3, &isnull));
		Datum		outcome = slot_getattr(slot, 4, &unfinished);

		if (run < latest)
			continue;
		latest = run;
		/* a run knows which generations it found, from its beginning; one that is complete has left none of them */
		if (none || (!unfinished && strcmp(TextDatumGetCString(outcome), "complete") == 0))
			oldest = to;
		else
			oldest = from;
		since = widen(DatumGetTransactionId(slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull)));
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
}

int
rotate_oldest(Snapshot snapshot, int newest)
{
	if (newest <= 1)
		return 1;
	if (!watching)
	{
		catalog_watch(&watch);
		watching = true;
	}
	if (watch.stale)
	{
		read_oldest();			/* stale stays if this fails */
		watch.stale = false;
	}
	if (oldest == 1 || oldest > newest)
		return 1;
	if (FullTransactionIdIsValid(since) &&
		U64FromFullTransactionId(ReadNextFullTransactionId()) - U64FromFullTransactionId(since) < (UINT64CONST(1) << 31) &&
		XidInMVCCSnapshot(XidFromFullTransactionId(since), snapshot))
		return 1;
	return oldest;
}
