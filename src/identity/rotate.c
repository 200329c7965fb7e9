/*
 * rotate.c
 *    Carrying stored digests to the newest generation of the master key.
 *
 * A digest of generation g is the HMAC, under that generation's key, of the
 * digest of generation g-1 (see digest.c), so niji.identifier and
 * niji.surrogate can be carried over without an identifier or a code.
 * niji.rotate_identity_key() walks through one and then the other in the order
 * of their blocks, some thousand rows at a time (carry.c), and commits after
 * each batch; the row of niji.key_rotation that tells how far it has come is
 * changed in the batch's own transaction.  So it is never wrong, and after a
 * crash, an error or a cancel the next call goes on from there.
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
 * with any error.  A batch takes ROW EXCLUSIVE on its table.
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
#include "identity/carry.h"
#include "identity/keys.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define BATCH_MAX 100000

PG_FUNCTION_INFO_V1(rotate_identity_key);

typedef struct Rotation
{
	int			run;
	Carry		carry;
} Rotation;

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
	Datum		values[3] = {Int32GetDatum(rotation->carry.to), CStringGetTextDatum(phase), Int32GetDatum(rotation->run)};

	catalog_query(query, 3, types, values, NULL, false);
}

/* ---- a run ---- */

/* carries a batch over and commits; false at the end of the table */
static bool
rotate_batch(Rotation *rotation)
{
	Oid			types[4] = {INT4OID, INT8OID, INT8OID, TEXTOID};
	Datum		values[4];
	int64		carried;
	bool		more = carry_batch(&rotation->carry, &carried);

	if (more)
	{
		values[0] = Int32GetDatum(rotation->run);
		values[1] = Int64GetDatum(carried);
		values[2] = Int64GetDatum((int64) rotation->carry.block);
		values[3] = CStringGetTextDatum(carry_table_name(rotation->carry.table));
		catalog_query("update niji.key_rotation set done = done + $2, batches = batches + 1, next_table = $4,"
					  " next_block = $3, last_at = pg_catalog.clock_timestamp() where run = $1",
					  4, types, values, NULL, false);
	}
	next_transaction();
	return more;
}

/* how many digests are under generations before this one, and the oldest of those (-1: none) */
static int64
count_left(int generation, int64 *oldest)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(generation)};
	int64		out[2];

	(void) query_numbers("select pg_catalog.sum(n)::bigint, pg_catalog.min(generation)::bigint from ("
						 " select pg_catalog.count(*) as n, pg_catalog.min(generation) as generation"
						 " from niji.identifier where generation operator(pg_catalog.<) $1 union all"
						 " select pg_catalog.count(*), pg_catalog.min(generation)"
						 " from niji.surrogate where generation operator(pg_catalog.<) $1) both_tables", 1, types, values, out, 2);
	*oldest = out[1];
	return out[0];
}

/* begins a run, or takes up the one that was interrupted; false when there is nothing to do */
static bool
begin_run(Rotation *rotation)
{
	Oid			types[4] = {INT4OID, INT8OID, INT8OID, INT4OID};
	Datum		values[4];
	int64		latest[5];		/* run, to_generation, next_block, 0 unfinished 1 complete 2 otherwise, table */
	int64		oldest;
	int64		left;
	bool		any;
	bool		resumed;

	/* the first use of a generation waits for the enrolments under the one before, and is committed with this */
	rotation->carry.to = key_current_generation();
	/* somebody else's first use is told to all sessions only at the very end of its transaction */
	LockRelationOid(catalog_relation("master_key"), ShareLock);
	left = count_left(rotation->carry.to, &oldest);
	any = query_numbers("select run::bigint, to_generation::bigint, next_block,"
						" case outcome when 'complete' then 1 else case when outcome is null then 0 else 2 end end::bigint,"
						" case next_table when 'identifier' then 0 else 1 end::bigint"
						" from niji.key_rotation order by run desc limit 1", 0, NULL, NULL, latest, 5);
	resumed = any && latest[3] == 0 && latest[1] == rotation->carry.to;
	if (!resumed && left == 0 && (rotation->carry.to == 1 || (any && latest[3] == 1 && latest[1] == rotation->carry.to)))
		return false;

	values[0] = Int32GetDatum(rotation->carry.to);
	values[1] = Int64GetDatum(left);
	values[2] = Int64GetDatum(oldest);
	if (resumed)
	{
		rotation->run = (int) latest[0];
		rotation->carry.block = (BlockNumber) latest[2];
		rotation->carry.table = (int) latest[4];
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
		rotation->carry.table = 0;
		rotation->carry.block = 0;
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
	int64		left = count_left(rotation->carry.to, &oldest);

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
							   (unsigned long) left, (long long) left, rotation->carry.to),
				 errdetail("The same identifier is stored under generation %d with another person, or the same code with another number.",
						   rotation->carry.to),
				 errhint("Merge the persons, and call niji.rotate_identity_key() again.")));
	return true;
}

static void
rotate(int batch_size)
{
	Rotation	rotation = {.carry = {.batch_size = batch_size}};
	Carry	   *carry = &rotation.carry;

	next_transaction();
	hold_rotation();
	if (!begin_run(&rotation))
	{
		int			newest = rotation.carry.to;

		release_rotation();
		ereport(NOTICE,
				(errmsg("no digest has to be carried to another generation"),
				 errdetail("The newest generation of the master key is %d.", newest)));
		return;
	}
	next_transaction();
	while (attribute_carry(carry->to, batch_size))
		next_transaction();
	for (;;)
	{
		carry->moved = carry->passed_over = carry->conflicts = 0;
		for (; carry->table < CARRY_TABLES; carry->table++, carry->block = 0)
			while (rotate_batch(&rotation))
				;
		if (carry->passed_over == 0 && finish_run(&rotation, carry->moved == 0 && carry->conflicts > 0))
			break;
		if (carry->moved == 0 && carry->passed_over > 0)
		{
			carry_wait(carry);
			next_transaction();
		}
		carry->table = 0;
		carry->block = 0;
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
