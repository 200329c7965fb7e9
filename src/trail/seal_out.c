/*
 * seal_out.c
 *    Handing seals outside: niji.seal_command, and NOTIFY.
 *
 * The command is called as archive_command is: with status 0 it has the seal,
 * with any other it is called again, after pauses that grow from a second to a
 * minute.  It runs beside the writer, a minute at most, and nothing of the trail
 * waits for it.  Only the newest seal is handed out, since a seal covers all that
 * was before it; so there is no queue that could fill up.  After a restart the
 * newest one is handed out once more.
 *
 * The seal comes on the command's standard input.  In the command's text %s
 * stands for its size, which is digits; %% for a percent sign.
 *
 * NOTIFY is sent in a transaction of its own after the seal's: a listener that
 * does not read can fill the server's queue of notices, and then it is the notice
 * that fails and not the seal.
 */
#include "postgres.h"

#include <signal.h>
#include <sys/wait.h>

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "commands/async.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/spin.h"
#include "trail/checkpoint.h"
#include "trail/command.h"
#include "trail/entry.h"
#include "trail/seal_out.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(seal_delivery);

#define SEAL_COMMAND_TIMEOUT 60000
#define PAUSE_MIN_MS 1000
#define PAUSE_MAX_MS 60000
#define CHANNEL "niji_seal"

typedef struct SealOutShared
{
	slock_t		mutex;
	int64		newest_size;	/* 0: none yet */
	int64		handed_size;	/* 0: none since the start */
	TimestampTz handed_at;
	int64		failures;		/* since the last success */
	TimestampTz failed_at;
	char		failure[128];
} SealOutShared;

static SealOutShared *shared = NULL;

/* one whose transaction has not ended, as far as is known */
static char offered[CHECKPOINT_MAX_TEXT] = "";
static int64 offered_size = 0;
static TransactionId offered_xid = InvalidTransactionId;

/* the newest one that was committed */
static char newest[CHECKPOINT_MAX_TEXT] = "";
static int64 newest_size = 0;

static pid_t running = 0;
static int64 running_size = 0;
static TimestampTz running_since = 0;
static int64 handed_size = 0;
static int	pause_ms = 0;
static TimestampTz ended_at = 0;

static Size
shared_size(void)
{
	return sizeof(SealOutShared);
}

static void
shared_start(void *address, bool found)
{
	shared = address;
	if (found)
		return;
	memset(shared, 0, sizeof(SealOutShared));
	SpinLockInit(&shared->mutex);
}

static NijiShmemPart shared_part = {"niji seals", shared_size, shared_start};

void
seal_out_init(void)
{
	shmem_register(&shared_part);
}

void
seal_out_offer(const char *text, int64 size, bool again)
{
	if (again && (newest_size > 0 || offered_size > 0))
		return;
	strlcpy(offered, text, sizeof(offered));
	offered_size = size;
	offered_xid = again ? InvalidTransactionId : GetTopTransactionId();
}

/* whoever listens may wait a little longer; nothing else may */
static void
notify(void)
{
	MemoryContext old = CurrentMemoryContext;

	PG_TRY();
	{
		StartTransactionCommand();
		Async_Notify(CHANNEL, newest);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
}

static void
settle_offer(void)
{
	bool		again = !TransactionIdIsValid(offered_xid);

	if (offered_size == 0)
		return;
	if (again || TransactionIdDidCommit(offered_xid))
	{
		memcpy(newest, offered, sizeof(newest));
		newest_size = offered_size;
		SpinLockAcquire(&shared->mutex);
		shared->newest_size = newest_size;
		SpinLockRelease(&shared->mutex);
		if (!again)
			notify();
	}
	offered_size = 0;
}

static void
handed(void)
{
	handed_size = running_size;
	pause_ms = 0;
	SpinLockAcquire(&shared->mutex);
	shared->handed_size = running_size;
	shared->handed_at = GetCurrentTimestamp();
	shared->failures = 0;
	SpinLockRelease(&shared->mutex);
}

static void
failed(const char *why)
{
	ereport(LOG,
			(errmsg("niji.seal_command failed"),
			 errdetail("It %s; the seal stays in niji.seal and is handed out again.", why)));
	pause_ms = pause_ms == 0 ? PAUSE_MIN_MS : Min(2 * pause_ms, PAUSE_MAX_MS);
	ended_at = GetCurrentTimestamp();
	SpinLockAcquire(&shared->mutex);
	shared->failures++;
	shared->failed_at = ended_at;
	strlcpy(shared->failure, why, sizeof(shared->failure));
	SpinLockRelease(&shared->mutex);
}

static void
look_at_running(void)
{
	int			status = 0;
	pid_t		ended = waitpid(running, &status, WNOHANG);
	char		why[128];

	if (ended == 0)
	{
		if (!TimestampDifferenceExceeds(running_since, GetCurrentTimestamp(), SEAL_COMMAND_TIMEOUT))
			return;
		command_kill(running);
		while (waitpid(running, &status, 0) < 0 && errno == EINTR)
			;
		snprintf(why, sizeof(why), "took too long and was ended");
	}
	else if (ended == running && WIFEXITED(status) && WEXITSTATUS(status) == 0)
	{
		running = 0;
		handed();
		return;
	}
	else if (ended == running && WIFEXITED(status))
		snprintf(why, sizeof(why), "ended with status %d", WEXITSTATUS(status));
	else if (ended == running)
		snprintf(why, sizeof(why), "was ended by signal %d", WTERMSIG(status));
	else
		snprintf(why, sizeof(why), "was lost");
	running = 0;
	failed(why);
}

/* %s: the size, %%: a percent sign; any other percent sign stands for itself */
static char *
expand(const char *command)
{
	StringInfoData text;

	initStringInfo(&text);
	for (const char *c = command; *c; c++)
	{
		if (c[0] == '%' && c[1] == 's')
			appendStringInfo(&text, INT64_FORMAT, newest_size);
		else if (!(c[0] == '%' && c[1] == '%'))
		{
			appendStringInfoChar(&text, *c);
			continue;
		}
		else
			appendStringInfoChar(&text, '%');
		c++;
	}
	return text.data;
}

void
seal_deliver(void)
{
	char	   *command;

	settle_offer();
	if (running > 0)
		look_at_running();
	if (running > 0 || newest_size <= handed_size || niji_seal_command == NULL || niji_seal_command[0] == '\0')
		return;
	if (pause_ms > 0 && !TimestampDifferenceExceeds(ended_at, GetCurrentTimestamp(), pause_ms))
		return;
	command = expand(niji_seal_command);
	running_size = newest_size;
	running_since = GetCurrentTimestamp();
	running = command_start(command, newest, NULL);
	pfree(command);
	if (running < 0)
	{
		char		why[128];

		snprintf(why, sizeof(why), "could not be started: %s", strerror(errno));
		running = 0;
		failed(why);
	}
}

/* niji.seal_delivery() returns (newest_size, handed_size, handed_at, failures, failed_at, failure) */
Datum
seal_delivery(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[6];
	bool		nulls[6] = {false};
	SealOutShared copy = {0};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (shared)
	{
		SpinLockAcquire(&shared->mutex);
		copy = *shared;
		SpinLockRelease(&shared->mutex);
	}
	nulls[0] = copy.newest_size == 0;
	nulls[1] = nulls[2] = copy.handed_size == 0;
	nulls[4] = nulls[5] = copy.failed_at == 0;
	values[0] = Int64GetDatum(copy.newest_size);
	values[1] = Int64GetDatum(copy.handed_size);
	values[2] = TimestampTzGetDatum(copy.handed_at);
	values[3] = Int64GetDatum(copy.failures);
	values[4] = TimestampTzGetDatum(copy.failed_at);
	values[5] = CStringGetTextDatum(copy.failure);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
