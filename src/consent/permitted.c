/*
 * permitted.c
 *    niji.permitted(): the row filter of a permit's policies.
 *
 * For each row the state kept with the call is compared with what determines
 * the answer: the snapshot, the running statement, the arguments, and the
 * epoch of the sets.  If all is as before, one bit is tested and, when it is
 * yes, one bit is set: the person was scanned.
 *
 * Of the snapshot xmax, the two counts and curcid are compared, and neither
 * its address, as snapshots are edited in place and their memory is used
 * again, nor its lists: within a transaction equal counts for one xmax mean
 * equal lists (see set.c), and the epoch changes with each transaction and
 * with each sub-transaction that is rolled back.  So a volatile function, a
 * cursor or a row that waited for a lock never meets the set of another
 * snapshot.
 *
 * The function raises nothing that depends on a value; the policy may call it
 * LEAKPROOF.  That there is a set at all was found out when the statement
 * started (consent_check()); otherwise the first row finds it out.
 */
#include "postgres.h"

#include "base/duty.h"
#include "base/shmem.h"
#include "base/statement.h"
#include "consent/consent.h"
#include "consent/set.h"
#include "fmgr.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(permitted);
PG_FUNCTION_INFO_V1(permitted_holder);
PG_FUNCTION_INFO_V1(allowed);
PG_FUNCTION_INFO_V1(allowed_holder);

typedef struct PermittedCall
{
	int32		permit;
	int32		dataset;
	uint64		epoch;
	uint64		serial;			/* of the running statement, or 0 */
	TimestampTz clock;			/* checked only where no statement is running */
	TransactionId xmax;
	uint32		xcnt;
	int32		subxcnt;
	CommandId	curcid;
	ConsentSet *set;
	NijiStatement *statement;
	NijiRead   *read;			/* whose scanned persons these are, or NULL */
} PermittedCall;

static inline bool
call_holds(const PermittedCall *call, int32 permit, int32 dataset, Snapshot snapshot,
		   const NijiStatement *st)
{
	return call->epoch == consent_epoch &&
		call->curcid == snapshot->curcid && call->xmax == snapshot->xmax &&
		call->xcnt == snapshot->xcnt && call->subxcnt == snapshot->subxcnt &&
		call->permit == permit && call->dataset == dataset &&
		(likely(st != NULL) ? call->serial == st->serial
		 : call->serial == 0 && call->clock == statement_clock());
}

static NijiRead *
find_read(NijiStatement *st, int permit, int dataset)
{
	ListCell   *cell;

	if (st == NULL)
		return NULL;
	foreach(cell, st->reads)
	{
		NijiRead   *read = lfirst(cell);

		if (read->dataset == dataset && read->permit == permit)
			return read;
	}
	return NULL;
}

static pg_noinline PermittedCall *
prepare_call(FmgrInfo *flinfo, int32 permit, int32 dataset, Snapshot snapshot, NijiStatement *st)
{
	PermittedCall *call = flinfo->fn_extra;

	niji_require_preload();

	/* a loader has persons, by their identifiers, and is not told what they decided */
	if (duty_has(NIJI_LOADER) && !duty_has(NIJI_CONSENT_OFFICER | NIJI_CUSTODIAN | NIJI_AUDITOR))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to see what a person permitted"),
				 errdetail("Who enrols persons does not see their consents.")));
	/* a table of persons that a loader lends tells nothing of them */
	if ((st == NULL || st->permit == 0) &&
		!duty_has(NIJI_CONSENT_OFFICER | NIJI_CUSTODIAN | NIJI_AUDITOR | NIJI_GOVERNANCE))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to see what a person permitted"),
				 errdetail("Without a duty the filter is called by statements that read under a permit.")));
	if (call == NULL)
	{
		call = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(PermittedCall));
		flinfo->fn_extra = call;
	}
	call->epoch = 0;			/* never a set's: an error leaves the call unprepared */
	call->clock = st ? st->clock : statement_clock();
	call->set = set_get(permit, dataset, snapshot, call->clock);
	call->statement = st;
	call->read = find_read(st, permit, dataset);
	call->serial = st ? st->serial : 0;
	call->permit = permit;
	call->dataset = dataset;
	call->xmax = snapshot->xmax;
	call->xcnt = snapshot->xcnt;
	call->subxcnt = snapshot->subxcnt;
	call->curcid = snapshot->curcid;
	call->epoch = consent_epoch;
	return call;
}

static pg_noinline void
start_scanned(PermittedCall *call)
{
	call->read->scanned = person_set_create(call->statement->context);
}

static pg_attribute_always_inline bool
test_person(FunctionCallInfo fcinfo, int32 person, int32 permit, int32 dataset, int32 holder,
			bool collect)
{
	PermittedCall *call = fcinfo->flinfo->fn_extra;
	NijiStatement *st = statement_current();
	Snapshot	snapshot;

	/* within one running statement there is a snapshot at each row if there was one at the first */
	if (unlikely(call == NULL || st == NULL || call->serial != st->serial) && !ActiveSnapshotSet())
		elog(ERROR, "no active snapshot to judge consents by");
	snapshot = GetActiveSnapshot();
	if (unlikely(call == NULL || !call_holds(call, permit, dataset, snapshot, st)))
		call = prepare_call(fcinfo->flinfo, permit, dataset, snapshot, st);
	if (!set_test(call->set, person, holder))
		return false;
	if (collect && likely(call->read != NULL))
	{
		if (unlikely(call->read->scanned == NULL))
			start_scanned(call);
		person_set_add(call->read->scanned, person);
	}
	return true;
}

/* niji.permitted(person, permit int, dataset int) */
Datum
permitted(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(test_person(fcinfo, PG_GETARG_INT32(0), PG_GETARG_INT32(1),
							   PG_GETARG_INT32(2), 0, true));
}

/* niji.permitted(person, permit int, dataset int, holder int): not strict, as a null holder may not matter */
Datum
permitted_holder(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(test_person(fcinfo, PG_GETARG_INT32(0), PG_GETARG_INT32(1), PG_GETARG_INT32(2),
							   PG_ARGISNULL(3) ? 0 : PG_GETARG_INT32(3), true));
}

/*
 * niji.allowed(person, permit int, dataset int [, holder int]): the same answers, but nobody is scanned;
 * for conditions that stand before niji.permitted(), which a row may not reach
 */
Datum
allowed(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(test_person(fcinfo, PG_GETARG_INT32(0), PG_GETARG_INT32(1),
							   PG_GETARG_INT32(2), 0, false));
}

Datum
allowed_holder(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(test_person(fcinfo, PG_GETARG_INT32(0), PG_GETARG_INT32(1), PG_GETARG_INT32(2),
							   PG_ARGISNULL(3) ? 0 : PG_GETARG_INT32(3), false));
}

/* called when a statement starts: the set is there, or the statement fails now */
int64
consent_check(int permit, int dataset)
{
	ConsentSet *set;

	niji_require_preload();
	if (!ActiveSnapshotSet())
		return 0;
	set = set_get(permit, dataset, GetActiveSnapshot(), statement_clock());
	return consent_overridden(&set->rule.use, statement_clock()) ? set->rule.use.override : 0;
}
