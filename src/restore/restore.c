/*
 * restore.c
 *    A restored backup forgets objections and begins the trail anew from where
 *    it was.  This finds out, and has protected reads refused until somebody
 *    says what was done about it.
 *
 * Beside the keys, or in niji.anchor_directory, the writer keeps two kinds of
 * files: the anchor (anchor.c), which tells how far trail and decisions are,
 * and the decisions themselves (decisions.c).  Both are named by the last part
 * of the trail's name, so that databases can share a directory and a restored
 * one finds its own.
 *
 * Whenever the writer starts, and before it opens the spool, it compares.  The
 * database is taken for restored when
 *
 *    - its tree is shorter than the anchor's seal, or has another root there,
 *    - it knows of fewer decisions than were handed out,
 *    - there was an anchor, and now there is none or one that is not readable.
 *
 * Then the spool stays closed, so that nothing protected can be read and the
 * trail does not grow, until niji.accept_restore() has left the anchor's
 * SHA-256 in niji.outside.  Before the anchor is replaced it is read again: a
 * primary that others have gone past stops.
 *
 * What is here leans on identity's keys; the writer calls it through pointers.
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "base/compat.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "identity/keys.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "restore/anchor.h"
#include "restore/decisions.h"
#include "restore/restore.h"
#include "storage/spin.h"
#include "trail/entry.h"
#include "trail/tile.h"
#include "trail/writer.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(restore_state);

/* the directory and the names of an anchor's files */
#define NAME_LENGTH 32

typedef struct RestoreShared
{
	slock_t		mutex;
	bool		known;			/* whether the writer has compared */
	bool		restored;
	char		reason[256];
	char		directory[MAXPGPATH];	/* empty: there is none */
	int64		anchor_size;
	int64		anchor_decisions;	/* -1: not known */
	uint8		digest[32];
	TimestampTz written_at;		/* the anchor, last; 0: never since the start */
	char		failure[256];	/* why it could not be written, or empty */
} RestoreShared;

static RestoreShared *shared = NULL;

/* of the writer process */
static bool settled = false;	/* compared, and sound */
static bool due = true;			/* decisions may be there that were not handed out */
static uint8 last_digest[32];	/* of the anchor as this process read or wrote it last */
static int64 written_size = -1; /* what this process wrote into it; -1: nothing yet */
static int64 written_decisions = -1;
static TimestampTz not_before = 0;
static bool complained = false;

/* of the time, how much looking for new decisions may take: a transaction that runs for hours makes it dear */
#define HAND_OUT_SHARE 10

static Size
shared_size(void)
{
	return sizeof(RestoreShared);
}

static void
shared_start(void *address, bool found)
{
	shared = address;
	if (found)
		return;
	memset(shared, 0, sizeof(RestoreShared));
	SpinLockInit(&shared->mutex);
}

static NijiShmemPart shared_part = {"niji restore", shared_size, shared_start};

/* ---- where ---- */

/* NULL: nowhere */
static const char *
directory(void)
{
	if (niji_anchor_directory && niji_anchor_directory[0] != '\0')
		return niji_anchor_directory;
	return keys_directory();
}

static char *
anchor_path(const char *origin)
{
	Size		n = strlen(origin);

	return psprintf("%s/niji-%s.anchor", directory(), n > NAME_LENGTH ? origin + n - NAME_LENGTH : origin);
}

/* a file for each month, so that those before the oldest backup can be put away */
static char *
decisions_path(const char *origin)
{
	Size		n = strlen(origin);
	char		month[16];
	pg_time_t	now = (pg_time_t) time(NULL);

	pg_strftime(month, sizeof(month), "%Y-%m", pg_gmtime(&now));
	return psprintf("%s/niji-%s.decisions-%s", directory(), n > NAME_LENGTH ? origin + n - NAME_LENGTH : origin, month);
}

/* ---- what the database says ---- */

typedef struct Outside
{
	char	   *origin;
	int64		decisions;
	int64		system;
	bool		anchored;
	uint8		accepted[32];
	bool		has_accepted;
} Outside;

/* false while a dump is being restored */
static bool
read_outside(Outside *out)
{
	HeapTuple	row;
	TupleDesc	desc;
	bool		isnull;
	Datum		value;

	memset(out, 0, sizeof(Outside));
	if (SPI_execute("select i.origin, o.decisions, o.system_identifier, o.anchored, o.accepted "
					"from niji.trail_identity i cross join niji.outside o", true, 1) != SPI_OK_SELECT)
		elog(ERROR, "niji could not read niji.outside");
	if (SPI_processed == 0)
		return false;
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	out->origin = SPI_getvalue(row, desc, 1);
	out->decisions = DatumGetInt64(SPI_getbinval(row, desc, 2, &isnull));
	out->system = DatumGetInt64(SPI_getbinval(row, desc, 3, &isnull));
	out->anchored = DatumGetBool(SPI_getbinval(row, desc, 4, &isnull));
	value = SPI_getbinval(row, desc, 5, &isnull);
	if (!isnull && VARSIZE_ANY_EXHDR(DatumGetByteaPP(value)) == sizeof(out->accepted))
	{
		out->has_accepted = true;
		memcpy(out->accepted, VARDATA_ANY(DatumGetByteaPP(value)), sizeof(out->accepted));
	}
	return true;
}

static void
change(const char *query)
{
	if (SPI_execute(query, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "niji could not change niji.outside");
}

/* whether the tree has this root at this size */
static bool
tree_has(int64 size, const uint8 *root)
{
	Snapshot	snapshot = RegisterSnapshot(GetActiveSnapshot());
	TileCache  *cache = tile_cache_create(snapshot);
	uint8		mine[MERKLE_HASH_SIZE];
	bool		same = merkle_root(tile_node, cache, size, mine) && memcmp(mine, root, MERKLE_HASH_SIZE) == 0;

	UnregisterSnapshot(snapshot);
	pfree(cache);
	return same;
}

/* why the database is taken for restored, or NULL */
static const char *
compare(const Outside *outside, Anchor *anchor)
{
	AnchorState state;
	const char *where = directory();
	int64		size;

	size = tile_leaves(GetActiveSnapshot());
	memset(anchor, 0, sizeof(Anchor));
	if (where == NULL)
		return NULL;			/* somebody has set it so, which is an entry; niji.check_trail() says what it means */
	state = anchor_read(anchor_path(outside->origin), outside->origin, anchor);
	if (state == ANCHOR_UNREADABLE)
	{
		anchor->decisions = -1;
		return psprintf("The anchor \"%s\" %s.", anchor_path(outside->origin), anchor->problem);
	}
	if (state == ANCHOR_ABSENT)
	{
		anchor->decisions = -1;
		if (!outside->anchored)
			return NULL;
		return psprintf("There is no anchor \"%s\", though there was one.", anchor_path(outside->origin));
	}
	if (anchor->size > size)
		return psprintf("The trail has " INT64_FORMAT " entries, and the anchor's seal is of " INT64_FORMAT ".",
						size, anchor->size);
	if (anchor->size > 0 && !tree_has(anchor->size, anchor->root))
		return psprintf("The trail's first " INT64_FORMAT " entries are not those of the anchor's seal.", anchor->size);
	if (anchor->decisions > outside->decisions)
		return psprintf("The database holds decisions up to number " INT64_FORMAT ", and the anchor tells of " INT64_FORMAT ".",
						outside->decisions, anchor->decisions);
	return NULL;
}

/* for niji.restore_status */
static void
publish(const char *reason, const Anchor *anchor)
{
	const char *where = directory();

	SpinLockAcquire(&shared->mutex);
	shared->known = true;
	shared->restored = reason != NULL;
	strlcpy(shared->reason, reason ? reason : "", sizeof(shared->reason));
	strlcpy(shared->directory, where ? where : "", sizeof(shared->directory));
	shared->anchor_size = anchor->size;
	shared->anchor_decisions = anchor->decisions;
	memcpy(shared->digest, anchor->digest, sizeof(shared->digest));
	SpinLockRelease(&shared->mutex);
}

/*
 * In the writer's transaction, before it does anything: a sentence if it must
 * not, because the database was restored.
 */
static const char *
may_begin(const char **hint)
{
	static char kept[256];
	Outside		outside;
	Anchor		anchor;
	const char *reason;

	*hint = NULL;
	if (settled)
		return NULL;
	if (!read_outside(&outside))
		return "While a dump is being restored, its rows are awaited.";

	/* snapshots of another cluster say nothing here: what a dump brought counts as handed out */
	if (outside.system != (int64) GetSystemIdentifier())
		change(psprintf("update niji.outside set system_identifier = " INT64_FORMAT ", seen = pg_catalog.pg_current_snapshot()",
						(int64) GetSystemIdentifier()));
	reason = compare(&outside, &anchor);
	if (reason && outside.has_accepted && memcmp(outside.accepted, anchor.digest, sizeof(anchor.digest)) == 0)
	{
		ereport(LOG, (errmsg("the database was restored, which was accepted"), errdetail("%s", reason)));
		change("update niji.outside set accepted = null");
		reason = NULL;
		anchor.size = 0;
	}
	publish(reason, &anchor);
	if (reason)
	{
		if (!complained)
			ereport(LOG,
					(errmsg("protected reads are refused: the database is older than its anchor"),
					 errdetail("%s", reason),
					 errhint("After a restore call niji.replay_objections() and then niji.accept_restore(reason).")));
		complained = true;
		*hint = "Objections may be missing. Call niji.replay_objections() and then niji.accept_restore(reason); niji.restore_status tells how far it is.";
		strlcpy(kept, reason, sizeof(kept));
		return kept;
	}
	settled = true;
	complained = false;
	due = true;
	memcpy(last_digest, anchor.digest, sizeof(last_digest));
	written_size = written_decisions = -1;
	return NULL;
}

/* ---- after a turn ---- */

static void
failed(const char *message)
{
	SpinLockAcquire(&shared->mutex);
	if (shared->failure[0] == '\0' || strcmp(shared->failure, message) != 0)
	{
		strlcpy(shared->failure, message, sizeof(shared->failure));
		SpinLockRelease(&shared->mutex);
		ereport(LOG,
				(errmsg("what was decided could not be handed outside: %s", message),
				 errhint("niji.anchor_directory has to be a directory that the server can write into, on another disk than the data directory.")));
		return;
	}
	SpinLockRelease(&shared->mutex);
}

static void
hand_out(void)
{
	Outside		outside;
	Anchor		anchor;
	AnchorState state;
	const char *problem = NULL;
	char	   *path;
	char	   *seal = "";
	int64		size = 0;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (!read_outside(&outside))
		elog(ERROR, "niji.outside is empty");
	path = MemoryContextStrdup(TopTransactionContext, anchor_path(outside.origin));

	/*
	 * Has somebody else gone on from here, another primary after a failover?  One that was taken away under
	 * a server that runs is made again.
	 */
	state = anchor_read(path, outside.origin, &anchor);
	if (state != ANCHOR_ABSENT && memcmp(anchor.digest, last_digest, sizeof(last_digest)) != 0)
		problem = "Somebody else has written it.";
	if (problem)
	{
		settled = false;
		ereport(LOG, (errmsg("the anchor is compared again"), errdetail("%s", problem)));
		SPI_finish();
		PopActiveSnapshot();
		CommitTransactionCommand();
		return;
	}

	outside.decisions = decisions_hand_out(decisions_path(outside.origin), outside.origin, outside.decisions);
	if (SPI_execute("select size, checkpoint from niji.seal order by size desc limit 1", true, 1) != SPI_OK_SELECT)
		elog(ERROR, "niji could not read its newest seal");
	if (SPI_processed == 1)
	{
		bool		isnull;

		size = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		seal = MemoryContextStrdup(TopMemoryContext, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2));
	}
	path = MemoryContextStrdup(TopMemoryContext, path);
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();

	/* now that what it tells of is on disk */
	if (size != written_size || outside.decisions != written_decisions)
	{
		StartTransactionCommand();
		anchor_write(path, outside.decisions, seal, last_digest);
		if (!outside.anchored)
		{
			PushActiveSnapshot(GetTransactionSnapshot());
			SPI_connect();
			change("update niji.outside set anchored = true");
			SPI_finish();
			PopActiveSnapshot();
		}
		CommitTransactionCommand();
		written_size = size;
		written_decisions = outside.decisions;
		SpinLockAcquire(&shared->mutex);
		shared->written_at = GetCurrentTimestamp();
		shared->anchor_size = size;
		shared->anchor_decisions = outside.decisions;
		shared->failure[0] = '\0';
		SpinLockRelease(&shared->mutex);
	}
	pfree(path);
	if (seal[0] != '\0')
		pfree(seal);
	due = false;
}

/* outside of any transaction; wrote: whether the turn changed anything.  Never raises. */
static void
after_turn(bool wrote)
{
	MemoryContext context = CurrentMemoryContext;

	TimestampTz began = GetCurrentTimestamp();

	due |= wrote;
	if (!settled || !due || directory() == NULL || began < not_before)
		return;
	PG_TRY();
	{
		hand_out();
		not_before = GetCurrentTimestamp() + (HAND_OUT_SHARE - 1) * (GetCurrentTimestamp() - began);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		HOLD_INTERRUPTS();
		error = CopyErrorData();
		AbortCurrentTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
		MemoryContextSwitchTo(context);
		failed(error->message);
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
}

/* niji.restore_state(): what the writer found */
Datum
restore_state(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[9];
	bool		nulls[9] = {false};
	RestoreShared copy;
	bytea	   *digest = palloc(VARHDRSZ + sizeof(copy.digest));

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	niji_require_preload();
	SpinLockAcquire(&shared->mutex);
	memcpy(&copy, shared, sizeof(copy));
	SpinLockRelease(&shared->mutex);
	SET_VARSIZE(digest, VARHDRSZ + sizeof(copy.digest));
	memcpy(VARDATA(digest), copy.digest, sizeof(copy.digest));
	values[0] = BoolGetDatum(copy.known);
	values[1] = BoolGetDatum(copy.restored);
	values[2] = CStringGetTextDatum(copy.reason);
	nulls[2] = copy.reason[0] == '\0';
	values[3] = CStringGetTextDatum(copy.directory);
	nulls[3] = copy.directory[0] == '\0';
	values[4] = Int64GetDatum(copy.anchor_size);
	values[5] = Int64GetDatum(copy.anchor_decisions);
	nulls[5] = copy.anchor_decisions < 0;
	values[6] = PointerGetDatum(digest);
	values[7] = TimestampTzGetDatum(copy.written_at);
	nulls[7] = copy.written_at == 0;
	values[8] = CStringGetTextDatum(copy.failure);
	nulls[8] = copy.failure[0] == '\0';
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

void
restore_init(void)
{
	shmem_register(&shared_part);
	writer_may_begin = may_begin;
	writer_after_turn = after_turn;
}
