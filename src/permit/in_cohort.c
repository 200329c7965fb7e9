/*
 * in_cohort.c
 *    niji.in_cohort(): the part of a permit's policies that keeps to its cohort.
 *
 * For each row the state kept with the call is compared with what determines
 * the answer (as in consent/permitted.c, see there), and one bit is tested.
 * Its cost is below that of niji.permitted(), so that the planner has it tested
 * first: who is not in the cohort is not scanned.
 *
 * A small cohort reaches the index on persons: the support function gives
 *
 *    person = any (niji.cohort_members(cohort))
 *
 * as a condition for it.  The plan holds the call, not a person; the array is
 * made when the executor starts the scan.  in_cohort() is still tested for each
 * row that the index finds.
 *
 * cohort_members() has to be executable by everybody, as all functions of a
 * plan, and would tell a reader who is in a cohort, also those who objected.
 * So it answers only a call that no SQL can contain: one whose argument is a
 * constant and which has a collation, though an integer has none.  The parser
 * gives collations to calls by their arguments; the support function alone
 * makes such a node, and it does so only for a dataset that is read with the
 * rights of the permit whose cohort it is: the gate admits only that permit's
 * readers to the plan.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/duty.h"
#include "base/person_chunk.h"
#include "base/shmem.h"
#include "base/statement.h"
#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "permit/cache.h"
#include "permit/cohort.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(in_cohort);
PG_FUNCTION_INFO_V1(in_cohort_support);
PG_FUNCTION_INFO_V1(cohort_members);
PG_FUNCTION_INFO_V1(allowed_support);

/* what marks a call that the planner made */
#define PLANNED_COLLATION C_COLLATION_OID

/* below TEST_COST of consent/permitted.c */
#define TEST_COST 0.8

/* what the planner assumes of a cohort that it does not know */
#define SHARE_COHORT 0.1

/* an index is offered for so many persons, or a thousandth of the rows, but not for more than the last */
#define MEMBERS_FEW 1000
#define MEMBERS_SHARE 0.001
#define MEMBERS_MOST 100000

typedef struct CohortCall
{
	int32		cohort;
	uint64		epoch;
	uint64		serial;			/* of the running statement, or 0 */
	TransactionId xmax;
	uint32		xcnt;
	int32		subxcnt;
	CommandId	curcid;
	const PersonSet *persons;
} CohortCall;

static inline bool
call_holds(const CohortCall *call, int32 cohort, Snapshot snapshot, const NijiStatement *st)
{
	return call->epoch == cohort_epoch && call->cohort == cohort &&
		call->serial == (st ? st->serial : 0) &&
		call->curcid == snapshot->curcid && call->xmax == snapshot->xmax &&
		call->xcnt == snapshot->xcnt && call->subxcnt == snapshot->subxcnt;
}

static pg_noinline CohortCall *
prepare_call(FmgrInfo *flinfo, int32 cohort, Snapshot snapshot, NijiStatement *st)
{
	CohortCall *call = flinfo->fn_extra;
	CohortSet  *set;
	bool		under_permit = st != NULL && st->permit != 0;

	niji_require_preload();
	if (!under_permit && !duty_has(NIJI_CUSTODIAN | NIJI_AUDITOR))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to see who is in a cohort"),
				 errdetail("Without a duty the filter is called by statements that read under a permit.")));
	if (call == NULL)
		call = flinfo->fn_extra = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(CohortCall));
	call->epoch = 0;			/* never a set's: an error leaves the call unprepared */
	set = cohort_get(cohort, snapshot);
	if (under_permit && set->permit != st->permit)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to see who is in a cohort"),
				 errdetail("The cohort is another permit's.")));
	call->persons = set->persons;
	call->cohort = cohort;
	call->serial = st ? st->serial : 0;
	call->xmax = snapshot->xmax;
	call->xcnt = snapshot->xcnt;
	call->subxcnt = snapshot->subxcnt;
	call->curcid = snapshot->curcid;
	call->epoch = cohort_epoch;
	return call;
}

/* niji.in_cohort(person, cohort int) */
Datum
in_cohort(PG_FUNCTION_ARGS)
{
	CohortCall *call = fcinfo->flinfo->fn_extra;
	int32		cohort = PG_GETARG_INT32(1);
	NijiStatement *st = statement_current();
	Snapshot	snapshot;

	if (unlikely(!ActiveSnapshotSet()))
		elog(ERROR, "no active snapshot to judge a cohort by");
	snapshot = GetActiveSnapshot();
	if (unlikely(call == NULL || !call_holds(call, cohort, snapshot, st)))
		call = prepare_call(fcinfo->flinfo, cohort, snapshot, st);
	PG_RETURN_BOOL(person_set_has(call->persons, PG_GETARG_INT32(0)));
}

/* niji.cohort_members(cohort int) returns niji.person[]: for plans only */
Datum
cohort_members(PG_FUNCTION_ARGS)
{
	FuncExpr   *call = (FuncExpr *) fcinfo->flinfo->fn_expr;
	const PersonSet *persons;
	Datum	   *values;
	int			n = 0;

	if (PG_GET_COLLATION() != PLANNED_COLLATION || call == NULL || !IsA(call, FuncExpr) ||
		call->funcid != fcinfo->flinfo->fn_oid || call->inputcollid != PLANNED_COLLATION ||
		list_length(call->args) != 1 || !IsA(linitial(call->args), Const))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to see who is in a cohort"),
				 errdetail("This function is called by index scans only.")));
	if (!ActiveSnapshotSet())
		elog(ERROR, "no active snapshot to judge a cohort by");
	persons = cohort_get(PG_GETARG_INT32(0), GetActiveSnapshot())->persons;
	values = palloc(Max(person_set_count(persons), 1) * sizeof(Datum));
	for (uint32 chunk = 0; chunk < persons->nchunks; chunk++)
		for (int word = 0; persons->chunks[chunk] && word < PERSON_CHUNK_WORDS; word++)
			for (uint64 bits = persons->chunks[chunk][word]; bits != 0; bits &= bits - 1)
				values[n++] = Int32GetDatum((int32) ((chunk << PERSON_CHUNK_BITS) |
													 (uint32) (word * 64 + pg_rightmost_one_pos64(bits))));
	PG_RETURN_ARRAYTYPE_P(construct_array(values, n, catalog_type("person"), sizeof(int32), true,
										  TYPALIGN_INT));
}

/* ---- the planner ---- */

/* the cohort of in_cohort(…, cohort), if it is a constant and there is one */
static bool
cohort_of_call(List *args, int *cohort, CohortInfo *info)
{
	Const	   *constant;
	Snapshot	snapshot;
	bool		found;

	if (list_length(args) != 2 || !IsA(lsecond(args), Const))
		return false;
	constant = lsecond(args);
	if (constant->constisnull || !OidIsValid(catalog_relation("cohort")))
		return false;
	*cohort = DatumGetInt32(constant->constvalue);
	snapshot = RegisterSnapshot(ActiveSnapshotSet() ? GetActiveSnapshot() : GetTransactionSnapshot());
	found = cohort_read(*cohort, snapshot, info);
	UnregisterSnapshot(snapshot);
	return found;
}

/* members are of all persons, the column may hold fewer: the share is then over-estimated */
static double
share_of(PlannerInfo *root, Node *person, int varRelid, const CohortInfo *info)
{
	VariableStatData column;
	double		persons;
	bool		is_default;
	double		share;

	examine_variable(root, person, varRelid, &column);
	persons = get_variable_numdistinct(&column, &is_default);
	ReleaseVariableStats(column);
	if (is_default || persons < 1)
		return SHARE_COHORT;
	share = info->persons / persons;
	CLAMP_PROBABILITY(share);
	return share;
}

/* the permit whose rights the relation of an index is read with, or 0 */
static int
permit_of_index(PlannerInfo *root, IndexOptInfo *index)
{
	RelOptInfo *rel = index->rel;
	int			relid = rel->relid;
	RangeTblEntry *rte;
	PermitInfo *permit;

	/* a partition is read with the rights on its topmost parent */
	if (rel->top_parent_relids && !bms_get_singleton_member(rel->top_parent_relids, &relid))
		return 0;
	rte = planner_rt_fetch(relid, root);
	if (rte->rtekind != RTE_RELATION || permit_cache_dataset(rte->relid) == NULL)
		return 0;
	permit = permit_cache_role(niji_query_check_as_user(root->parse, rte));
	return permit ? permit->id : 0;
}

static List *
index_condition(SupportRequestIndexCondition *request)
{
	FuncExpr   *test = (FuncExpr *) request->node;
	Oid			person_type = catalog_type("person");
	Oid			equal;
	Oid			members;
	Oid			argument = INT4OID;
	Node	   *person;
	int			cohort;
	CohortInfo	info;
	FuncExpr   *call;
	ScalarArrayOpExpr *condition;
	List	   *name;

	if (!IsA(test, FuncExpr) || request->indexarg != 0 || !cohort_of_call(test->args, &cohort, &info))
		return NIL;
	person = linitial(test->args);
	if (exprType(person) != person_type || !request->index->amsearcharray ||
		permit_of_index(request->root, request->index) != info.permit)
		return NIL;
	if (info.persons > MEMBERS_MOST ||
		info.persons > Max(MEMBERS_FEW, request->index->rel->tuples * MEMBERS_SHARE) ||
		share_of(request->root, person, 0, &info) > 0.1)
		return NIL;
	equal = get_opfamily_member(request->opfamily, person_type, person_type, BTEqualStrategyNumber);
	name = list_make2(makeString("niji"), makeString("cohort_members"));
	members = LookupFuncName(name, 1, &argument, true);
	if (!OidIsValid(equal) || !OidIsValid(members))
		return NIL;

	call = makeFuncExpr(members, get_array_type(person_type), list_make1(copyObject(lsecond(test->args))),
						InvalidOid, PLANNED_COLLATION, COERCE_EXPLICIT_CALL);
	condition = makeNode(ScalarArrayOpExpr);
	condition->opno = equal;
	condition->opfuncid = get_opcode(equal);
	condition->useOr = true;
	condition->args = list_make2(copyObject(person), call);
	condition->location = -1;
	request->lossy = true;
	return list_make1(condition);
}

Datum
in_cohort_support(PG_FUNCTION_ARGS)
{
	Node	   *raw = (Node *) PG_GETARG_POINTER(0);
	int			cohort;
	CohortInfo	info;

	if (IsA(raw, SupportRequestSelectivity))
	{
		SupportRequestSelectivity *request = (SupportRequestSelectivity *) raw;

		if (request->is_join)
			PG_RETURN_POINTER(NULL);
		request->selectivity = cohort_of_call(request->args, &cohort, &info)
			? share_of(request->root, linitial(request->args), request->varRelid, &info) : SHARE_COHORT;
		PG_RETURN_POINTER(request);
	}
	if (IsA(raw, SupportRequestCost))
	{
		((SupportRequestCost *) raw)->startup = 0;
		((SupportRequestCost *) raw)->per_tuple = TEST_COST * cpu_operator_cost;
		PG_RETURN_POINTER(raw);
	}
	if (IsA(raw, SupportRequestIndexCondition))
		PG_RETURN_POINTER(index_condition((SupportRequestIndexCondition *) raw));
	PG_RETURN_POINTER(NULL);
}

/* niji.allowed() stands before niji.permitted(), which says how many rows pass */
Datum
allowed_support(PG_FUNCTION_ARGS)
{
	Node	   *raw = (Node *) PG_GETARG_POINTER(0);

	if (IsA(raw, SupportRequestSelectivity))
	{
		((SupportRequestSelectivity *) raw)->selectivity = 1.0;
		PG_RETURN_POINTER(raw);
	}
	if (IsA(raw, SupportRequestCost))
	{
		((SupportRequestCost *) raw)->startup = 0;
		((SupportRequestCost *) raw)->per_tuple = cpu_operator_cost;
		PG_RETURN_POINTER(raw);
	}
	PG_RETURN_POINTER(NULL);
}
