/*
 * writer.c
 *    The writer process: it moves what was recorded into the trail, and seals.
 *
 * "niji writer" is one background worker, connected to niji.database.  It
 * moves the spool's records (writer_move.c) and the committed changes and acts
 * (pending_move()) within a second, in transactions of its own, each of which
 * moves the position in the spool as well.  When there is nothing to do it holds
 * no transaction, no snapshot and no lock.
 *
 * It must not be stopped by what users can do: settings of the database and
 * of roles are overridden, it touches niji's own tables only, and a lock that
 * somebody holds on them makes it wait no longer than lock_timeout.  An error is
 * logged and the batch tried again, with pauses that grow to a minute; a record that
 * cannot be understood is entered as it is, so that it does not stop the others.
 *
 * Seals on demand: a backend counts up a request and waits for the counter of
 * what was done to reach it.
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "access/xact.h"
#include "base/compat.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "trail/entry.h"
#include "trail/pending.h"
#include "trail/rollup.h"
#include "trail/writer.h"
#include "trail/writer_move.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define BATCH_RECORDS 1000
#define BATCH_PENDING 1000
#define IDLE_MS 500				/* pending entries are looked for this often */
#define ABSENT_MS 500			/* the extension, too */
#define GATHER_MS 200			/* while entries come in, to take many as one batch */
#define BACK_OFF_MAX_MS 60000
#define FAILURES_BEFORE_GIVING_UP 5

typedef struct WriterShared
{
	slock_t		mutex;
	Latch	   *latch;			/* of the writer; NULL: it does not run */
	pg_atomic_uint32 asleep;	/* whether it has to be woken */

	/* under the mutex */
	uint64		moves_asked;
	uint64		moves_done;
	uint64		seals_asked;
	uint64		seals_done;
	int64		sealed_size;
	char		error[256];		/* why the last one asked for did not come about, or empty */
	ConditionVariable done;
} WriterShared;

static WriterShared *shared = NULL;

void		(*writer_on_reload) (void) = NULL;
const char *(*writer_may_begin) (const char **hint) = NULL;
void		(*writer_after_turn) (bool wrote) = NULL;

PGDLLEXPORT void niji_writer_main(Datum arg);

static Size
shared_size(void)
{
	return sizeof(WriterShared);
}

static void
shared_start(void *address, bool found)
{
	shared = address;
	if (found)
		return;
	memset(shared, 0, sizeof(WriterShared));
	SpinLockInit(&shared->mutex);
	pg_atomic_init_u32(&shared->asleep, 0);
	ConditionVariableInit(&shared->done);
}

static NijiShmemPart shared_part = {"niji writer", shared_size, shared_start};

/* ---- as others see it ---- */

/* now: also while it gathers entries */
static void
wake(bool now)
{
	Latch	   *latch;

	if (shared == NULL || (!now && pg_atomic_read_u32(&shared->asleep) == 0))
		return;
	pg_atomic_write_u32(&shared->asleep, 0);
	latch = shared->latch;
	if (latch)
		SetLatch(latch);
}

void
writer_wake(void)
{
	wake(false);
}

/* waits for a counter; returns the error text, if any, palloc'd */
static char *
ask(uint64 *asked, uint64 *done, int64 *size)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), niji_audit_timeout);
	static uint32 wait_event = 0;
	uint64		mine;
	char	   *error = NULL;
	bool		here;

	niji_require_preload();
	if (wait_event == 0)
		wait_event = niji_wait_event("NijiWriter");
	niji_require_database();
	SpinLockAcquire(&shared->mutex);
	mine = ++*asked;
	SpinLockRelease(&shared->mutex);
	/* one that does not run now, because its database is new or it was ended, may come up in time */
	wake(true);
	for (;;)
	{
		long		left;
		bool		finished;

		SpinLockAcquire(&shared->mutex);
		finished = *done >= mine;
		if (finished)
		{
			char		text[sizeof(shared->error)];

			strlcpy(text, shared->error, sizeof(text));
			if (size)
				*size = shared->sealed_size;
			SpinLockRelease(&shared->mutex);
			if (text[0] != '\0')
				error = pstrdup(text);
			break;
		}
		here = shared->latch != NULL;
		SpinLockRelease(&shared->mutex);
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);
		if (left <= 0)
		{
			ConditionVariableCancelSleep();
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 here ? errmsg("the process \"niji writer\" did not answer within niji.audit_timeout")
					 : errmsg("the process \"niji writer\" does not run"),
					 errhint("The server's log says what hinders it.")));
		}
		(void) ConditionVariableTimedSleep(&shared->done, left, wait_event);
	}
	ConditionVariableCancelSleep();
	return error;
}

int64
writer_seal(void)
{
	int64		size = 0;
	char	   *error;

	niji_require_preload();
	error = ask(&shared->seals_asked, &shared->seals_done, &size);
	if (error)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not seal the trail"),
				 errdetail("%s", error)));
	return size;
}

void
writer_catch_up(void)
{
	char	   *error;

	niji_require_preload();
	error = ask(&shared->moves_asked, &shared->moves_done, NULL);
	if (error)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not bring the trail up to date"),
				 errdetail("%s", error)));
}

bool
writer_running(void)
{
	return shared && shared->latch != NULL;
}

/* ---- the process ---- */

static void
gone(int code, Datum arg)
{
	SpinLockAcquire(&shared->mutex);
	shared->latch = NULL;
	SpinLockRelease(&shared->mutex);
	pg_atomic_write_u32(&shared->asleep, 0);
}

static void
set(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

/* what ALTER DATABASE or ALTER ROLE may have set does not hold here */
static void
settle(void)
{
	set("search_path", "pg_catalog, pg_temp");
	set("application_name", "niji writer");
	set("default_transaction_isolation", "read committed");
	set("default_transaction_read_only", "off");
	set("default_transaction_deferrable", "off");
	set("session_replication_role", "origin");
	set("row_security", "on");
	set("statement_timeout", "0");
	set("idle_in_transaction_session_timeout", "0");
	set("lock_timeout", "5s");
	set("jit", "off");
	set("max_parallel_workers_per_gather", "0");

	/* segments are removed once their records are committed: so that has to last */
	if (synchronous_commit == SYNCHRONOUS_COMMIT_OFF)
		set("synchronous_commit", "local");
}

/* tells those who wait up to these counters */
static void
answer(uint64 moves, uint64 seals, bool sealed, int64 size, const char *error)
{
	SpinLockAcquire(&shared->mutex);
	shared->moves_done = Max(shared->moves_done, moves);
	shared->seals_done = Max(shared->seals_done, seals);
	if (sealed)
		shared->sealed_size = size;
	strlcpy(shared->error, error ? error : "", sizeof(shared->error));
	SpinLockRelease(&shared->mutex);
	ConditionVariableBroadcast(&shared->done);
}

typedef struct Turn
{
	uint64		moves;			/* requests that this turn answers */
	uint64		seals;
	int			pause;			/* ms until the next one, or until woken */
	bool		opened;
	bool		wrote;			/* entries, a seal, or what was asked for */
	bool		absent;			/* the extension is not there */
} Turn;

static bool
asked_for(void)
{
	bool		asked;

	SpinLockAcquire(&shared->mutex);
	asked = shared->moves_asked > shared->moves_done || shared->seals_asked > shared->seals_done;
	SpinLockRelease(&shared->mutex);
	return asked;
}

/* requests, or records beyond where reading stands */
static bool
has_work(void)
{
	return asked_for() || (spool_is_open() && spool_read_place() < spool_end());
}

static bool settings_due = true;
static bool lost_due = true;
static bool unsealed = true;

/*
 * A batch that took nothing from the spool and made no seal may be lost with
 * the server: then its entries are still pending, and get their places again.
 * Nobody was told of them.  So it need not wait for the disk, nor make those
 * wait who write to it.
 */
static void
commit_without_waiting(void)
{
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

/* one transaction's work */
static void
take_turn(Turn *turn)
{
	const char *missing;
	const char *hint = NULL;
	bool		more = false;
	bool		empty = true;
	bool		last = settings_due || lost_due;
	bool		asked;
	bool		seal_now = false;
	int64		size = 0;
	const char *error = NULL;

	SpinLockAcquire(&shared->mutex);
	turn->moves = shared->moves_asked;
	turn->seals = shared->seals_asked;
	asked = turn->moves > shared->moves_done || turn->seals > shared->seals_done;
	seal_now = turn->seals > shared->seals_done;
	SpinLockRelease(&shared->mutex);
	turn->pause = IDLE_MS;
	turn->opened = turn->absent = false;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	missing = move_missing();
	if (missing == NULL && writer_may_begin)
		missing = writer_may_begin(&hint);
	if (missing)
	{
		spool_refuse(missing, hint);
		move_aborted();
		SPI_finish();
		PopActiveSnapshot();
		CommitTransactionCommand();
		settings_due = lost_due = true;
		if (asked)
			answer(turn->moves, turn->seals, false, 0, missing);
		turn->pause = ABSENT_MS;
		turn->absent = true;
		return;
	}

	move_begin(&turn->opened);
	if (settings_due)
		unsealed |= move_settings();
	if (move_waiting())
	{
		pgstat_report_activity(STATE_RUNNING, "moving entries into the trail");
		entry_batch_begin();
		more = move_records(BATCH_RECORDS);
		if (pending_move(BATCH_PENDING))
			more = true;
		entry_batch_end();
		if (!move_only_pending())
			move_end();
		empty = false;
		unsealed = true;
		rollup_due();
	}
	if (!more && lost_due)
	{
		if (move_lost_reads())
			unsealed = more = true;
		else
			lost_due = false;
	}
	if (seal_now && !more)
	{
		(void) seal_if_due(true);
		size = seal_size();
		if (seal_key_missing())
			error = "There is no usable key for seals; the server's log says what is wrong with it. "
				"Keep an Ed25519 key as seal.pem in the directory of niji.key_source, or set niji.seal_key_source.";
		else
			unsealed = false;
	}
	else if (unsealed && !more && seal_if_due(false))
	{
		unsealed = false;
		last = true;
	}
	if (!empty && !last && !asked && !turn->opened && move_only_pending())
		commit_without_waiting();
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();

	settings_due = false;
	turn->wrote = !empty || last || asked;
	move_committed();
	if (turn->opened)
	{
		spool_open();
		ereport(LOG, (errmsg("the spool of the trail is open")));
	}
	if (asked && !more)
		answer(turn->moves, turn->seals, seal_now, size, error);
	if (more)
		turn->pause = 0;
	else if (!empty)
		turn->pause = GATHER_MS;
}

/* after an error: the transaction is gone, the records are still in the spool */
static int
recover(Turn *turn, int failures)
{
	ErrorData  *error;
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	int			class;
	long		pause;

	HOLD_INTERRUPTS();
	LWLockReleaseAll();
	ConditionVariableCancelSleep();
	pgstat_report_wait_end();
	error = CopyErrorData();
	EmitErrorReport();
	AbortCurrentTransaction();
	FlushErrorState();
	move_aborted();
	settings_due = true;
	RESUME_INTERRUPTS();

	/* what data can cause, not what a lock, a full disk or a missing table can */
	class = ERRCODE_TO_CATEGORY(error->sqlerrcode);
	if (failures >= FAILURES_BEFORE_GIVING_UP &&
		(class == ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION) ||
		 class == ERRCODE_TO_CATEGORY(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION) ||
		 class == ERRCODE_TO_CATEGORY(ERRCODE_INTERNAL_ERROR)))
		move_give_up();
	if (spool_is_closed())
	{
		char		reason[256];

		snprintf(reason, sizeof(reason), "The writer failed: %s", error->message);
		spool_close(reason);
	}
	answer(turn->moves, turn->seals, false, 0, error->message);
	FreeErrorData(error);
	MemoryContextSwitchTo(old);

	pause = 1000L << Min(failures - 1, 6);
	return Min(pause, BACK_OFF_MAX_MS);
}

void
niji_writer_main(Datum arg)
{
	MemoryContext context;
	volatile int failures = 0;
	uint32		wait_event;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(niji_database, NULL, 0);
	settle();
	before_shmem_exit(gone, (Datum) 0);
	SpinLockAcquire(&shared->mutex);
	shared->latch = MyLatch;
	SpinLockRelease(&shared->mutex);
	if (writer_on_reload)
		writer_on_reload();

#ifdef __GLIBC__
	/* a batch's memory is needed again by the next one: do not give it back to the system each time */
	(void) mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
#endif
	wait_event = niji_wait_event("NijiWriterMain");
	context = AllocSetContextCreate(TopMemoryContext, "niji writer", ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		Turn		turn = {0};

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			settle();
			if (writer_on_reload)
				writer_on_reload();
			seal_reload();
			settings_due = true;
		}

		MemoryContextSwitchTo(context);
		PG_TRY();
		{
			take_turn(&turn);
			failures = 0;
		}
		PG_CATCH();
		{
			failures++;
			turn.pause = recover(&turn, failures);
		}
		PG_END_TRY();
		MemoryContextSwitchTo(context);
		if (writer_after_turn && failures == 0)
			writer_after_turn(turn.wrote);
		MemoryContextReset(context);
		seal_deliver();

		/* in portions, between which it looks whether anything waits */
		if (turn.pause > 0 && failures == 0 && !turn.absent && !asked_for() && rollup_turn())
			turn.pause = 0;
		MemoryContextSwitchTo(context);
		MemoryContextReset(context);
		pgstat_report_stat(false);
		pgstat_report_activity(STATE_IDLE, NULL);

		if (turn.pause > 0)
		{
			bool		gathering = failures > 0 || turn.pause <= GATHER_MS;

			/* who appends from now on wakes it, unless it gathers; what came just before is seen here */
			pg_atomic_write_u32(&shared->asleep, gathering ? 0 : 1);
			pg_memory_barrier();
			if (!(gathering ? asked_for() : has_work()))
				(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, turn.pause, wait_event);
			pg_atomic_write_u32(&shared->asleep, 0);
			ResetLatch(MyLatch);
		}
	}
}

void
writer_init(void)
{
	BackgroundWorker worker = {0};

	shmem_register(&shared_part);
	strlcpy(worker.bgw_name, "niji writer", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "niji writer", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "niji", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "niji_writer_main", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;
	RegisterBackgroundWorker(&worker);
}
