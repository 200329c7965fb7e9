/*
 * statement.c
 *    Statements that touch protected relations, from their start to their end.
 *
 * The executor's hooks are installed here and nowhere else.  A plan that reads
 * no protected relation costs one walk over its range table and has no state.
 *
 * A NijiStatement lives in a child of its estate's context.  That context has a
 * reset callback, so that an error, which skips ExecutorEnd, still takes the
 * statement off the list and lets the trail write that it was aborted.
 *
 * What parallel workers have to know of their leader's statement (its clock,
 * its permit, its entry) stands in a slot of shared memory that belongs to the
 * leader's PGPROC.  Only the leader writes it, before it launches workers;
 * they read it after they joined its lock group; so it needs no lock.
 */
#include "postgres.h"

#include <sys/resource.h>

#include "access/parallel.h"
#include "base/compat.h"
#include "base/shmem.h"
#include "base/statement.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/guc.h"

typedef struct Slot
{
	TimestampTz clock;
	uint64		entry;
	int			permit;
	int			domain;
	pg_atomic_uint64 worker_cpu;	/* µs that workers of this leader used; only grows */
} Slot;

/* what running costs */
typedef struct RunCost
{
	uint64		cpu;
	uint64		buffers;
} RunCost;

NijiGate	niji_gate;
NijiRecorder niji_recorder;

static Slot *slots = NULL;
NijiStatement *statement_running = NULL;

static NijiStatement *statements = NULL;	/* live ones, newest first */
static NijiStatement *starting = NULL;	/* admitted, and in ExecutorStart, where partitions are pruned */
static uint64 serials = 0;
static RunCost nested;				/* of the protected statements inside the running one */

static ExecutorStart_hook_type prev_start = NULL;
static ExecutorRun_hook_type prev_run = NULL;
static ExecutorEnd_hook_type prev_end = NULL;

static Size
slots_size(void)
{
	return mul_size(MaxBackends, sizeof(Slot));
}

static void
slots_start(void *address, bool found)
{
	slots = address;
	if (found)
		return;
	memset(slots, 0, slots_size());
	for (int i = 0; i < MaxBackends; i++)
		pg_atomic_init_u64(&slots[i].worker_cpu, 0);
}

static NijiShmemPart slots_part = {"niji statements", slots_size, slots_start};

static Slot *
slot_of(PGPROC *proc)
{
	int			number = niji_proc_number(proc);

	return slots && number >= 0 && number < MaxBackends ? &slots[number] : NULL;
}

/* so far; a leader's includes that of its workers that have ended */
static RunCost
cost_now(void)
{
	RunCost		cost = {0};
	struct rusage usage;
	Slot	   *slot = IsParallelWorker() ? NULL : slot_of(MyProc);

	if (getrusage(RUSAGE_SELF, &usage) == 0)
		cost.cpu = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * UINT64CONST(1000000) +
			usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
	if (slot)
		cost.cpu += pg_atomic_read_u64(&slot->worker_cpu);
	cost.buffers = pgBufferUsage.shared_blks_hit + pgBufferUsage.shared_blks_read +
		pgBufferUsage.local_blks_hit + pgBufferUsage.local_blks_read +
		pgBufferUsage.temp_blks_read + pgBufferUsage.temp_blks_written;
	return cost;
}

uint64
statement_cpu(void)
{
	return cost_now().cpu;
}

/* what it cost since, less what statements inside it did, which have entries of their own */
static void
cost_add(NijiStatement *st, RunCost since, RunCost outside)
{
	RunCost		now = cost_now();

	st->cpu += now.cpu - since.cpu - Min(nested.cpu, now.cpu - since.cpu);
	st->buffers += now.buffers - since.buffers - Min(nested.buffers, now.buffers - since.buffers);
	nested.cpu = outside.cpu + (now.cpu - since.cpu);
	nested.buffers = outside.buffers + (now.buffers - since.buffers);
}

/* the leader's slot says which statement is running, for workers that it may launch */
static void
publish(NijiStatement *st)
{
	Slot	   *slot = slot_of(MyProc);

	if (slot == NULL || IsParallelWorker())
		return;
	slot->clock = st ? st->clock : 0;
	slot->entry = st ? st->entry : 0;
	slot->permit = st ? st->permit : 0;
	slot->domain = st ? st->domain : 0;
}

NijiStatement *
statement_live(void)
{
	return statements;
}

NijiStatement *
statement_admitted(void)
{
	return starting ? starting : statement_running;
}

TimestampTz
statement_clock(void)
{
	return statement_running ? statement_running->clock : GetCurrentStatementStartTimestamp();
}

/* the estate is going away: in order after ExecutorEnd, or because of an error */
static void
forget(void *arg)
{
	NijiStatement *st = arg;

	for (NijiStatement **link = &statements; *link; link = &(*link)->next)
		if (*link == st)
		{
			*link = st->next;
			break;
		}
	if (statement_running == st)
		statement_running = st->parent;
	if (niji_gate.forget && !st->worker)
		niji_gate.forget(st);
	for (NijiStatement *other = statements; other; other = other->next)
		if (other->parent == st)
			other->parent = st->parent;
	if (st->entry != 0 && !st->closed && !st->worker && niji_recorder.close)
	{
		st->closed = true;
		niji_recorder.close(st, NIJI_ABORTED);
	}
}

static NijiStatement *
create(MemoryContext owner)
{
	MemoryContext context = AllocSetContextCreate(owner, "niji statement", ALLOCSET_SMALL_SIZES);
	NijiStatement *st = MemoryContextAllocZero(context, sizeof(NijiStatement));
	MemoryContextCallback *callback = MemoryContextAlloc(context, sizeof(MemoryContextCallback));

	st->context = context;
	st->serial = ++serials;
	st->parent = statement_running;
	st->worker = IsParallelWorker();
	st->clock = statement_clock();
	if (st->worker && MyProc->lockGroupLeader)
	{
		Slot	   *slot = slot_of(MyProc->lockGroupLeader);

		st->clock = slot->clock;
		st->entry = slot->entry;
		st->permit = slot->permit;
		st->domain = slot->domain;
	}
	st->next = statements;
	statements = st;
	callback->func = forget;
	callback->arg = st;
	MemoryContextRegisterResetCallback(context, callback);
	return st;
}

static NijiStatement *
find(QueryDesc *query)
{
	for (NijiStatement *st = statements; st; st = st->next)
		if (st->query == query)
			return st;
	return NULL;
}

static bool
enabled(void)
{
	return slots != NULL && niji_gate.touches != NULL && OidIsValid(MyDatabaseId) &&
		IsTransactionState();
}

static void
start(QueryDesc *queryDesc, int eflags)
{
	if (prev_start)
		prev_start(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);
}

static void
executor_start(QueryDesc *queryDesc, int eflags)
{
	NijiStatement *st;
	NijiStatement *outer = starting;
	MemoryContext old;

	if (!enabled() || !niji_gate.touches(queryDesc->plannedstmt))
	{
		start(queryDesc, eflags);
		return;
	}

	st = create(CurrentMemoryContext);
	PG_TRY();
	{
		old = MemoryContextSwitchTo(st->context);
		st->reads = niji_gate.find_reads(queryDesc->plannedstmt);
		MemoryContextSwitchTo(old);
		st->query = queryDesc;
		st->explain_only = (eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0;

		/* the reader is admitted before the executor does anything */
		if (!st->worker)
			niji_gate.admit(st, false);
		starting = st;
		start(queryDesc, eflags);
		starting = outer;
	}
	PG_CATCH();
	{
		starting = outer;
		/* a QueryDesc of another statement may come to lie at the same address */
		MemoryContextDelete(st->context);
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSetParent(st->context, queryDesc->estate->es_query_cxt);
}

/*
 * A reader may lower client_min_messages after the gate has looked: in the
 * statement itself, or between FETCH and CLOSE.  Whoever logs plans does it at
 * ExecutorEnd, which an error skips.
 */
void
statement_require_quiet(void)
{
	for (NijiStatement *st = statements; st; st = st->next)
		if (st->permit != 0 && !st->worker && niji_gate.quiet)
		{
			niji_gate.quiet();
			return;
		}
}

static void
executor_run(NIJI_RUN_PARAMS)
{
	NijiStatement *st = find(queryDesc);
	NijiStatement *outer = statement_running;
	DestReceiver *dest = queryDesc->dest;
	RunCost		outside;
	RunCost		since;

	if (st == NULL)
	{
		if (prev_run)
			prev_run(NIJI_RUN_ARGS);
		else
			standard_ExecutorRun(NIJI_RUN_ARGS);
		if (unlikely(statements != NULL))
			statement_require_quiet();
		return;
	}

	if (!st->worker)
	{
		niji_gate.admit(st, true);
		/* what only writes into a workspace reads nothing */
		if (st->entry == 0 && st->reads != NIL && niji_recorder.open)
			niji_recorder.open(st);
		if (dest && niji_recorder.watch)
			queryDesc->dest = niji_recorder.watch(st, dest);
	}
	outside = nested;
	since = cost_now();
	memset(&nested, 0, sizeof(nested));
	PG_TRY();
	{
		statement_running = st;
		publish(st);
		if (prev_run)
			prev_run(NIJI_RUN_ARGS);
		else
			standard_ExecutorRun(NIJI_RUN_ARGS);
		st->rows += queryDesc->estate->es_processed;
	}
	PG_FINALLY();
	{
		statement_running = outer;
		publish(outer);
		queryDesc->dest = dest;
		cost_add(st, since, outside);
	}
	PG_END_TRY();
	statement_require_quiet();
}

static void
executor_end(QueryDesc *queryDesc)
{
	NijiStatement *st = find(queryDesc);
	int			messages = client_min_messages;

	if (st && st->entry != 0 && !st->closed)
	{
		/* workers have to have ended, and handed over what they scanned, before the entry is closed */
		if (queryDesc->planstate)
		{
			RunCost		outside = nested;
			RunCost		since = cost_now();

			memset(&nested, 0, sizeof(nested));
			(void) ExecShutdownNode(queryDesc->planstate);
			cost_add(st, since, outside);
		}
		if (st->worker && MyProc->lockGroupLeader)
			pg_atomic_fetch_add_u64(&slot_of(MyProc->lockGroupLeader)->worker_cpu, st->cpu);
		st->closed = true;
		if (st->worker)
		{
			if (niji_gate.worker_end)
				niji_gate.worker_end(st);
			if (niji_recorder.worker_end)
				niji_recorder.worker_end(st);
		}
		else if (niji_recorder.close)
			niji_recorder.close(st, NIJI_COMPLETED);
	}
	if (st && st->permit != 0 && !st->worker && !st->finished && niji_gate.finish)
		niji_gate.finish(st);

	/* a cursor may be closed without anybody asking; raising here would be too late for what was locked */
	if (st && st->permit != 0)
		client_min_messages = Max(client_min_messages, NOTICE);
	PG_TRY();
	{
		if (prev_end)
			prev_end(queryDesc);
		else
			standard_ExecutorEnd(queryDesc);
	}
	PG_FINALLY();
	{
		client_min_messages = messages;
	}
	PG_END_TRY();
}

NijiStatement *
statement_begin_utility(List *reads)
{
	NijiStatement *st = create(CurrentMemoryContext);

	st->reads = reads;
	niji_gate.admit(st, true);
	if (niji_recorder.open)
		niji_recorder.open(st);
	return st;
}

void
statement_end_utility(NijiStatement *st, uint64 rows)
{
	st->rows = rows;
	st->closed = true;
	if (niji_recorder.close)
		niji_recorder.close(st, NIJI_COMPLETED);
	MemoryContextDelete(st->context);
}

void
statement_init(void)
{
	shmem_register(&slots_part);
	prev_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	prev_run = ExecutorRun_hook;
	ExecutorRun_hook = executor_run;
	prev_end = ExecutorEnd_hook;
	ExecutorEnd_hook = executor_end;
}
