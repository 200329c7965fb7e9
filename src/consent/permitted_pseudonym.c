/*
 * permitted_pseudonym.c
 *    niji.permitted_pseudonym(): the row filter of a permit's workspace.
 *
 * A row of a workspace has no dataset: it may have been made from several, and
 * nothing tells from which.  So its person has to permit what the permit does
 * with each of its datasets.  That hides too much where a person objects to
 * some only; the other way round it would show what is forbidden.
 *
 * The pseudonym is undone under the permit's domain.  What is none of this
 * domain is not shown.  Pseudonyms of institutions, physicians, records and
 * households name nobody who consents, and niji does not know whose a record
 * or a household is: for these the answer is yes, since the row is judged by
 * its person's pseudonym; and where it has none, the table keeps the set of
 * persons that it was made from (see permit/provenance.c).
 *
 * As in permitted.c the state kept with the call holds as long as snapshot,
 * statement, arguments and epoch are the same.  The person who passes is
 * collected, for every dataset: the record says so of each.
 */
#include "postgres.h"

#include "base/duty.h"
#include "base/shmem.h"
#include "base/statement.h"
#include "consent/consent.h"
#include "consent/set.h"
#include "fmgr.h"
#include "identity/domain.h"
#include "identity/pseudonym.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(permitted_pseudonym);
PG_FUNCTION_INFO_V1(permitted_pseudonym_support);

/* what the planner assumes of the share that passes, and of the cost, in cpu_operator_cost */
#define SHARE_PERMITTED 0.95
#define TEST_COST 10

bool		(*consent_permit_data) (int permit, int *domain, List **datasets) = NULL;

typedef struct PseudonymCall
{
	int32		permit;
	int			domain;
	uint64		epoch;
	uint64		serial;
	TimestampTz clock;
	TransactionId xmax;
	uint32		xcnt;
	int32		subxcnt;
	CommandId	curcid;
	int			nsets;
	int			room;
	ConsentSet **sets;			/* of each dataset of the permit */
	PersonSet  *scanned;		/* of the statement, or NULL */
} PseudonymCall;

static inline bool
call_holds(const PseudonymCall *call, int32 permit, Snapshot snapshot, const NijiStatement *st)
{
	return call->epoch == consent_epoch &&
		call->curcid == snapshot->curcid && call->xmax == snapshot->xmax &&
		call->xcnt == snapshot->xcnt && call->subxcnt == snapshot->subxcnt &&
		call->permit == permit &&
		(likely(st != NULL) ? call->serial == st->serial
		 : call->serial == 0 && call->clock == statement_clock());
}

/* one set for all reads of the statement through the workspace */
static PersonSet *
find_scanned(NijiStatement *st)
{
	PersonSet  *scanned = NULL;
	ListCell   *cell;

	if (st == NULL)
		return NULL;
	foreach(cell, st->reads)
	{
		NijiRead   *read = lfirst(cell);

		if (!read->workspace || read->permit == 0)
			continue;
		if (read->scanned == NULL)
			read->scanned = scanned ? scanned : person_set_create(st->context);
		scanned = read->scanned;
	}
	return scanned;
}

static pg_noinline PseudonymCall *
prepare_call(FmgrInfo *flinfo, int32 permit, Snapshot snapshot, NijiStatement *st)
{
	PseudonymCall *call = flinfo->fn_extra;
	List	   *datasets = NIL;
	ListCell   *cell;
	int			domain = 0;
	int			count = 0;

	niji_require_preload();
	if ((st == NULL || st->permit != permit) &&
		!duty_has(NIJI_CONSENT_OFFICER | NIJI_CUSTODIAN | NIJI_AUDITOR))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to see what a person permitted"),
				 errdetail("Without a duty the filter is called by statements under its own permit.")));
	if (consent_permit_data == NULL || !consent_permit_data(permit, &domain, &datasets) ||
		datasets == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no consent set for the workspace of permit %d", permit),
				 errdetail("The permit is not in force, or gives no dataset with persons.")));
	domain_require(domain);
	if (call == NULL)
	{
		call = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(PseudonymCall));
		flinfo->fn_extra = call;
	}
	call->epoch = 0;			/* never a set's: an error leaves the call unprepared */
	if (call->room < list_length(datasets))
	{
		call->sets = MemoryContextAlloc(flinfo->fn_mcxt, list_length(datasets) * sizeof(ConsentSet *));
		call->room = list_length(datasets);
	}
	call->clock = st ? st->clock : statement_clock();

	/* getting one set may change or drop another of the same backend: all are looked up until nothing changes */
	do
	{
		call->epoch = consent_epoch;
		count = 0;
		foreach(cell, datasets)
			call->sets[count++] = set_get(permit, lfirst_int(cell), snapshot, call->clock);
	} while (call->epoch != consent_epoch);
	call->epoch = 0;
	call->nsets = count;
	call->scanned = find_scanned(st);
	call->serial = st ? st->serial : 0;
	call->permit = permit;
	call->domain = domain;
	call->xmax = snapshot->xmax;
	call->xcnt = snapshot->xcnt;
	call->subxcnt = snapshot->subxcnt;
	call->curcid = snapshot->curcid;
	call->epoch = consent_epoch;
	list_free(datasets);
	return call;
}

/* niji.permitted_pseudonym(pseudonym, permit int) */
Datum
permitted_pseudonym(PG_FUNCTION_ARGS)
{
	PseudonymCall *call = fcinfo->flinfo->fn_extra;
	int32		permit = PG_GETARG_INT32(1);
	NijiStatement *st = statement_current();
	Snapshot	snapshot;
	PseudonymClass class;
	int64		value;

	if (unlikely(!ActiveSnapshotSet()))
		elog(ERROR, "no active snapshot to judge consents by");
	snapshot = GetActiveSnapshot();
	if (unlikely(call == NULL || !call_holds(call, permit, snapshot, st)))
		call = prepare_call(fcinfo->flinfo, permit, snapshot, st);
	if (!domain_decrypt(call->domain, PG_GETARG_PSEUDONYM_P(0)->bytes, &class, &value))
		PG_RETURN_BOOL(false);
	if (class != CLASS_PERSON)
		PG_RETURN_BOOL(class >= CLASS_INSTITUTION && class <= CLASS_HOUSEHOLD);
	if (value <= 0 || value > PG_INT32_MAX)
		PG_RETURN_BOOL(false);
	for (int i = 0; i < call->nsets; i++)
		if (!set_test(call->sets[i], (int32) value, 0))
			PG_RETURN_BOOL(false);
	if (likely(call->scanned != NULL))
		person_set_add(call->scanned, (int32) value);
	PG_RETURN_BOOL(true);
}

Datum
permitted_pseudonym_support(PG_FUNCTION_ARGS)
{
	Node	   *raw = (Node *) PG_GETARG_POINTER(0);

	if (IsA(raw, SupportRequestSelectivity))
	{
		SupportRequestSelectivity *request = (SupportRequestSelectivity *) raw;

		if (request->is_join)
			PG_RETURN_POINTER(NULL);
		request->selectivity = SHARE_PERMITTED;
		PG_RETURN_POINTER(request);
	}
	if (IsA(raw, SupportRequestCost))
	{
		SupportRequestCost *request = (SupportRequestCost *) raw;

		request->startup = 0;
		request->per_tuple = TEST_COST * cpu_operator_cost;
		PG_RETURN_POINTER(request);
	}
	PG_RETURN_POINTER(NULL);
}
