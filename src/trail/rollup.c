/*
 * rollup.c
 *    The writer's spare time: rolling up whose data were used.
 *
 * When nothing waits to be moved, and not more often than every ten seconds,
 * the writer calls niji.roll_up_persons() in a transaction of its own, so that
 * an error in it (a damaged set, a lock) hinders neither the trail nor seals.
 * Readers of the sets look at what is not rolled up yet read by read: being
 * late costs time and no answer.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "trail/rollup.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define PAUSE_MS 10000
#define PAUSE_AFTER_ERROR_MS 60000

static bool due = true;			/* also after a start */
static TimestampTz not_before = 0;

void
rollup_due(void)
{
	due = true;
}

static int64
roll_up(void)
{
	int64		passed = 0;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	pgstat_report_activity(STATE_RUNNING, "rolling up whose data were used");
	if (SPI_execute("select niji.roll_up_persons()", false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not roll up niji.read_persons");
	if (SPI_processed == 1)
	{
		bool		isnull;
		Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);

		passed = isnull ? 0 : DatumGetInt64(value);
	}
	SPI_finish();
	PopActiveSnapshot();

	/* what is lost with the server is rolled up again */
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	CommitTransactionCommand();
	return passed;
}

bool
rollup_turn(void)
{
	MemoryContext old = CurrentMemoryContext;
	volatile bool more = false;

	if (!due || GetCurrentTimestamp() < not_before)
		return false;
	PG_TRY();
	{
		more = roll_up() > 0;
		due = more;
		not_before = more ? 0 : TimestampTzPlusMilliseconds(GetCurrentTimestamp(), PAUSE_MS);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(old);
		LWLockReleaseAll();
		ConditionVariableCancelSleep();
		pgstat_report_wait_end();
		EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), PAUSE_AFTER_ERROR_MS);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return more;
}
