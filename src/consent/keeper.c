/*
 * keeper.c
 *    The process that builds the shared consent sets and brings them on.
 *
 * "niji keeper" is one background worker, connected to niji.database.  When it
 * starts it builds the sets of all permits in force, then those that backends
 * ask for.  Every WAKE_ROWS changed rows, and otherwise each second, it brings
 * the sets that are used to a new snapshot, as a backend does it with its own,
 * and publishes what has changed: so statements have little to follow.
 *
 * It only reads, takes no transaction number, and holds no snapshot while it
 * waits.  What it publishes is a state with its key; whether that is old does
 * not matter for what is answered, only for how quickly.  So an error is
 * logged, those who wait are told and build for themselves, and it goes on.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "consent/keeper.h"
#include "consent/set_build.h"
#include "consent/set_members.h"
#include "consent/shared_set.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define IDLE_MS 1000
#define GATHER_MS 20			/* at least this long between two turns */

/* a set that nobody looks at is brought on after this many changed rows, well before building would be quicker */
#define UNUSED_ROWS 1000

/* a set without changes gets a newer key after this long, so that there is less to look through */
#define KEY_MS 10000

PGDLLEXPORT void niji_keeper_main(Datum arg);

/* ---- those who change consents ---- */

static uint64 rows_written = 0;

static void
transaction_end(XactEvent event, void *arg)
{
	if (rows_written == 0)
		return;
	if (event == XACT_EVENT_COMMIT)
		shared_set_changed(rows_written);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		rows_written = 0;
}

void
keeper_note_row(void)
{
	rows_written++;
}

/* ---- the process ---- */

static void
gone(int code, Datum arg)
{
	shared_set_keeper(NULL);
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
	set("application_name", "niji keeper");
	set("default_transaction_isolation", "read committed");
	set("default_transaction_read_only", "on");
	set("session_replication_role", "origin");
	set("statement_timeout", "0");
	set("idle_in_transaction_session_timeout", "0");
	set("lock_timeout", "1s");
	set("jit", "off");
	set("max_parallel_workers_per_gather", "0");
}

/* builds and publishes; "base" is NULL, or what the set may begin with: then its pin is taken over */
static void
renew(int slot, const ConsentRule *rule, const SharedSet *volatile base, bool unless_same)
{
	uint64		counted = shared_set_changes();
	TimestampTz clock = GetCurrentTimestamp();
	Snapshot	snapshot = GetActiveSnapshot();
	ConsentSet *volatile made = NULL;

	PG_TRY();
	{
		bool		old_key = base && TimestampDifferenceExceeds(base->clock, clock, KEY_MS);
		bool		worthwhile = true;

		if (base)
		{
			made = set_begin(rule, base);
			base = NULL;
			if (set_follow(made, snapshot, clock, NULL, 0))
				worthwhile = set_followed > 0 || old_key || !unless_same;
			else
			{
				set_delete(made);
				made = NULL;
			}
		}
		if (made == NULL)
			made = set_build(rule, snapshot, clock);
		if (worthwhile && !shared_set_publish(slot, made, counted))
			shared_set_failed(slot, true);
		set_delete(made);
	}
	PG_CATCH();
	{
		bool		no_room = geterrcode() == ERRCODE_OUT_OF_MEMORY;

		if (made)
			set_delete(made);
		if (base)
			shared_set_unpin(base);
		shared_set_failed(slot, no_room);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* the sets of all permits in force */
static void
want_all(void)
{
	uint64		count;
	int		   *uses;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (SPI_execute("select u.permit, u.dataset from niji.permit_use u join niji.permit p on p.id operator(pg_catalog.=) u.permit"
					" where p.state operator(pg_catalog.=) 'granted'", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the permits in force");
	count = SPI_processed;
	uses = SPI_palloc((count + 1) * 2 * sizeof(int));
	for (uint64 i = 0; i < count; i++)
		for (int j = 0; j < 2; j++)
		{
			bool		isnull;

			uses[i * 2 + j] = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, j + 1, &isnull));
		}
	SPI_finish();
	for (uint64 i = 0; i < count; i++)
	{
		ConsentRule rule;

		if (!row_read_use(uses[i * 2], uses[i * 2 + 1], CurrentMemoryContext, &rule) ||
			rule.use.basis == BASIS_NONE || rule.use.basis == BASIS_NOT_REQUIRED ||
			(rule.use.at_grant && !rule.use.granted))
			continue;
		rule.use.permit = 0;
		rule.use.dataset = 0;
		shared_set_want(&rule);
	}
}

typedef enum Step
{
	WANT_ALL,
	BUILD,
	BRING_ON
} Step;

/* one slot's work in a transaction of its own; false if there is none */
static bool
take_step(Step step, int *slot)
{
	ConsentRule rule;
	bool		found = true;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (step == WANT_ALL)
		want_all();
	else if (step == BUILD)
	{
		*slot = shared_set_next_wanted(-1, &rule);
		found = *slot >= 0;
		if (found)
		{
			pgstat_report_activity(STATE_RUNNING, "building a consent set");
			renew(*slot, &rule, NULL, false);
		}
	}
	else
	{
		*slot = shared_set_next_ready(*slot, &rule);
		found = *slot >= 0;
		if (found)
		{
			TimestampTz used;
			const SharedSet *newest = shared_set_newest(*slot, &used);

			/* one that nobody has looked at since is left as it is, for a while */
			if (newest && used < newest->clock && shared_set_changes() - newest->counted < UNUSED_ROWS)
				shared_set_unpin(newest);
			else
			{
				pgstat_report_activity(STATE_RUNNING, "bringing a consent set on");
				renew(*slot, &rule, newest, true);
			}
		}
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
	return found;
}

/* the extension may not be there yet, or no longer */
static bool
installed(void)
{
	bool		found;

	StartTransactionCommand();
	found = OidIsValid(catalog_relation("consent")) && OidIsValid(catalog_relation("permit_use"));
	CommitTransactionCommand();
	return found;
}

static void
take_turn(bool *started)
{
	int			slot;

	if (!installed())
	{
		*started = false;
		return;
	}
	if (!*started)
		take_step(WANT_ALL, &slot);
	*started = true;
	while (take_step(BUILD, &slot))
		CHECK_FOR_INTERRUPTS();
	for (slot = -1; take_step(BRING_ON, &slot);)
		CHECK_FOR_INTERRUPTS();
	(void) shared_set_sweep(false, -1);
}

static void
recover(void)
{
	HOLD_INTERRUPTS();
	LWLockReleaseAll();
	ConditionVariableCancelSleep();
	pgstat_report_wait_end();
	EmitErrorReport();
	AbortCurrentTransaction();
	FlushErrorState();
	RESUME_INTERRUPTS();
}

void
niji_keeper_main(Datum arg)
{
	MemoryContext context;
	uint32		wait_event;
	bool		started = false;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(niji_database, NULL, 0);
	settle();
	shared_set_attach();
	before_shmem_exit(gone, (Datum) 0);
	shared_set_keeper(MyLatch);
	wait_event = niji_wait_event("NijiKeeperMain");
	context = AllocSetContextCreate(TopMemoryContext, "niji keeper", ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			settle();
		}
		MemoryContextSwitchTo(context);
		PG_TRY();
		{
			take_turn(&started);
		}
		PG_CATCH();
		{
			MemoryContextSwitchTo(context);
			recover();
		}
		PG_END_TRY();
		MemoryContextSwitchTo(context);
		MemoryContextReset(context);
		pgstat_report_stat(false);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, IDLE_MS, wait_event);
		ResetLatch(MyLatch);
	}
}

void
keeper_init(void)
{
	BackgroundWorker worker = {0};

	RegisterXactCallback(transaction_end, NULL);
	if (!process_shared_preload_libraries_in_progress)
		return;
	shared_set_init();
	strlcpy(worker.bgw_name, "niji keeper", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "niji keeper", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "niji", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "niji_keeper_main", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;
	RegisterBackgroundWorker(&worker);
}
