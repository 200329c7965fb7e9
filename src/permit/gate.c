/*
 * gate.c
 *    Who may read protected relations.
 *
 * Native rights are not enough alone: a reader can grant a view over a
 * permit's view to everyone, pg_read_all_data passes views, an open cursor
 * outlives a REVOKE.  So for each dataset that a plan reads, the gate asks
 * whose rights lend it:
 *
 *   the role of a permit   the SESSION's user has to be a reader of that
 *                          permit, which has to be in force, and to be the only
 *                          one of this session until it disconnects
 *   anybody else           the SESSION's user has to be a superuser
 *
 * That is asked at ExecutorStart and again at each ExecutorRun, so that a
 * permit that was closed, a reader that was removed and an expiry hold at the
 * next FETCH.  Before each, invalidation messages are taken in.
 *
 * Not asked: reads that the server makes on its own for foreign keys, and
 * niji's own queries (both run with SECURITY_NOFORCE_RLS, which no user can
 * set, and not with a permit's rights); and an INSERT's target, whose arbiter columns count as selected but
 * which returns nothing.
 *
 * Refusals of a read are entries of the trail, on disk before the error is
 * sent.  What is not ready (no key, no writer, no consent set) is 55000 and
 * comes last, so that it tells nothing to whom the permit is not given.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "base/statement.h"
#include "catalog/pg_class.h"
#include "consent/consent.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "identity/domain.h"
#include "identity/keys.h"
#include "identity/use.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/planner.h"
#include "permit/cache.h"
#include "permit/gate.h"
#include "permit/lent.h"
#include "permit/permit.h"
#include "permit/watch.h"
#include "permit/provenance.h"
#include "permit/session_set.h"
#include "permit/workspace.h"
#include "tcop/pquery.h"
#include "trail/record.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(under_permit);
PG_FUNCTION_INFO_V1(under_permit_support);
PG_FUNCTION_INFO_V1(require_protection);

GateExplain gate_explain;

/* the permit that this session is bound to, until the process ends; nothing resets it */
static int	bound_permit = 0;
static Oid	bound_user = InvalidOid;

static planner_hook_type prev_planner = NULL;

/* ---- what a plan reads ---- */

/* whether some entry of the range table names the dataset with any right */
static bool
named(PlannedStmt *plan, int dataset)
{
	ListCell   *lc;

	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);
		PermitDataset *other;

		if (rte->rtekind != RTE_RELATION || niji_rte_required_perms(plan, rte) == 0)
			continue;
		other = permit_cache_dataset(rte->relid);
		if (other && other->id == dataset)
			return true;
	}
	return false;
}

/* the dataset that an entry of the range table reads, or NULL */
static PermitDataset *
dataset_read(PlannedStmt *plan, RangeTblEntry *rte, int index)
{
	PermitDataset *dataset;
	AclMode		perms;

	if (rte->rtekind != RTE_RELATION || (dataset = permit_cache_dataset(rte->relid)) == NULL)
		return NULL;
	perms = niji_rte_required_perms(plan, rte);

	/* a child that the planner added: its parent answers for it, if that is the dataset */
	if (perms == 0)
		return named(plan, dataset->id) ? NULL : permit_cache_dataset(rte->relid);
	if ((perms & ACL_SELECT) == 0)
		return NULL;
	if (plan->commandType == CMD_INSERT && !plan->hasReturning &&
		list_member_int(plan->resultRelations, index))
		return NULL;
	return dataset;
}

/* whether it changes a table that outlives the session */
static bool
keeps(PlannedStmt *plan)
{
	ListCell   *lc;

	foreach(lc, plan->resultRelations)
	{
		RangeTblEntry *rte = rt_fetch(lfirst_int(lc), plan->rtable);

		if (rte->rtekind == RTE_RELATION && get_rel_persistence(rte->relid) != RELPERSISTENCE_TEMP)
			return true;
	}
	return false;
}

/* whether some relation of the plan is read with a permit's rights */
static bool
lent(PlannedStmt *plan)
{
	ListCell   *lc;

	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_RELATION &&
			permit_cache_role(niji_rte_check_as_user(plan, rte)) != NULL)
			return true;
	}
	return false;
}

static bool
touches(PlannedStmt *plan)
{
	NijiStatement *outer;
	ListCell   *lc;
	int			index = 0;

	watch_statement();
	if (plan->commandType == CMD_UTILITY || !permit_cache_used())
		return false;

	/* a function that a foreign key's check calls may still read a permit's view */
	if (unlikely(InNoForceRLSOperation()) && !lent(plan))
		return false;
	outer = statement_admitted();
	if (unlikely(outer != NULL && outer->permit != 0 && !outer->worker) && lent_persons_read(plan))
		lent_refuse();
	foreach(lc, plan->rtable)
		if (dataset_read(plan, lfirst(lc), ++index) != NULL)
			return true;
	if (workspace_of_plan(plan) != 0)
		return true;

	/* what a reader reads must not be kept where the filter does not reach */
	return unlikely(gate_session_bound()) && keeps(plan);
}

static List *
column_names(List *columns, Oid relid, Bitmapset *selected)
{
	int			bit = -1;

	while ((bit = bms_next_member(selected, bit)) >= 0)
	{
		AttrNumber	number = bit + FirstLowInvalidHeapAttributeNumber;
		char	   *name = number == 0 ? pstrdup("*") : get_attname(relid, number, true);
		ListCell   *lc;

		if (name == NULL)
			continue;
		foreach(lc, columns)
			if (strcmp(lfirst(lc), name) == 0)
				break;
		if (lc == NULL)
			columns = lappend(columns, name);
	}
	return columns;
}

/*
 * The columns that a statement reads through a permit's view are those of the
 * view that it names: of the base table a view's query always names all.
 */
static void
add_view_columns(PlannedStmt *plan, RangeTblEntry *rte, List *reads)
{
	HeapTuple	tuple;
	PermitInfo *permit;
	ListCell   *lc;

	/* on 15 a view's own entry stands beside its sub-query's, since 16 it is the same */
	if (!OidIsValid(rte->relid) ||
		(rte->rtekind != RTE_SUBQUERY &&
		 !(rte->rtekind == RTE_RELATION && rte->relkind == RELKIND_VIEW)))
		return;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(rte->relid));
	if (!HeapTupleIsValid(tuple))
		return;
	permit = permit_cache_role(((Form_pg_class) GETSTRUCT(tuple))->relowner);
	foreach(lc, reads)
	{
		NijiRead   *read = lfirst(lc);

		if (permit && read->permit == permit->id &&
			strcmp(read->name, NameStr(((Form_pg_class) GETSTRUCT(tuple))->relname)) == 0)
			read->columns = column_names(read->columns, rte->relid,
										 niji_rte_selected_columns(plan, rte));
	}
	ReleaseSysCache(tuple);
}

static List *
find_reads(PlannedStmt *plan)
{
	List	   *reads = NIL;
	ListCell   *lc;
	int			index = 0;

	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);
		PermitDataset *dataset = dataset_read(plan, rte, ++index);
		PermitInfo *permit;
		NijiRead   *read = NULL;
		int			id;
		int			permit_id;
		Oid			role;
		ListCell   *other;

		if (dataset == NULL)
			continue;
		/* what the cache gave lives until it is asked again */
		id = dataset->id;
		role = niji_rte_check_as_user(plan, rte);
		permit = permit_cache_role(role);
		permit_id = permit ? permit->id : 0;
		foreach(other, reads)
		{
			NijiRead   *r = lfirst(other);

			if (r->dataset == id && r->permit == permit_id)
				read = r;
		}
		if (read == NULL)
		{
			dataset = permit_cache_dataset(rte->relid);
			if (dataset == NULL)
				elog(ERROR, "a dataset went away while it was looked up");
			read = palloc0(sizeof(NijiRead));
			read->dataset = id;
			read->name = pstrdup(dataset->name);
			read->relid = dataset->relid;
			read->permit = permit_id;
			read->role = permit_id ? role : InvalidOid;
			reads = lappend(reads, read);
		}
		if (permit_id == 0)
			read->columns = column_names(read->columns, rte->relid,
										 niji_rte_selected_columns(plan, rte));
	}
	foreach(lc, plan->rtable)
		add_view_columns(plan, lfirst(lc), reads);
	return workspace_add_reads(plan, reads);
}

/* ---- refusing ---- */

/* 42501, after an entry that says so */
pg_noreturn static void deny(NijiStatement *st, const char *reason, const char *hint);

static void
deny(NijiStatement *st, const char *reason, const char *hint)
{
	trail_record_denied(st, reason);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 st->permit_code ? errmsg("permission denied to read under permit \"%s\"", st->permit_code) :
			 st->reads == NIL && st->workspace == 0 ? errmsg("permission denied to write") :
			 errmsg("permission denied to read a protected relation"),
			 errdetail_internal("%s", reason),
			 hint ? errhint("%s", hint) : 0));
}

/* the date of a moment where permits are judged */
static DateADT
date_of(TimestampTz moment)
{
	int			tz;
	struct pg_tm tm;
	fsec_t		fsec;

	if (timestamp2tm(moment, &tz, &tm, &fsec, NULL, settings_timezone()) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE;
}

/*
 * Messages that the server sends to the client while it plans or runs tell
 * what the filter withholds: debug_print_plan has the estimates, auto_explain
 * the rows removed.
 */
static const char *
leaky_messages(void)
{
	const char *level;
	const char *duration;

	if (client_min_messages < NOTICE)
		return "The server would send plans to the client: client_min_messages is below notice.";
	level = GetConfigOption("auto_explain.log_level", true, false);
	duration = GetConfigOption("auto_explain.log_min_duration", true, false);
	if (level && duration && strcmp(duration, "-1") != 0 &&
		(strcmp(level, "info") == 0 || strcmp(level, "notice") == 0 || strcmp(level, "warning") == 0))
		return "The server would send plans to the client: auto_explain.log_level is above log.";
	return NULL;
}

#define LEAKY_HINT "Set client_min_messages to notice or higher; auto_explain may write to the server's log only."

/* ---- before planning ---- */

static bool
under_permit_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		ListCell   *lc;

		foreach(lc, query->rtable)
		{
			RangeTblEntry *rte = lfirst(lc);

			if (rte->rtekind == RTE_RELATION &&
				(permit_cache_role(niji_query_check_as_user(query, rte)) != NULL ||
				 permit_cache_workspace_of(rte->relid) != 0))
				return true;
		}
		return query_tree_walker(query, under_permit_walker, context, 0);
	}
	return expression_tree_walker(node, under_permit_walker, context);
}

bool
gate_query_under_permit(Query *query)
{
	return permit_cache_used() && under_permit_walker((Node *) query, NULL);
}

static bool
plan_under_permit(PlannedStmt *plan)
{
	ListCell   *lc;

	if (!IsTransactionState() || !permit_cache_used())
		return false;
	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_RELATION &&
			(permit_cache_role(niji_rte_check_as_user(plan, rte)) != NULL ||
			 permit_cache_workspace_of(rte->relid) != 0))
			return true;
	}
	return false;
}

static void
refuse_messages(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to read under a permit"),
			 errdetail_internal("%s", leaky_messages()),
			 errhint(LEAKY_HINT)));
}

/* debug_print_plan speaks as soon as there is a plan, so it is refused before there is one */
static PlannedStmt *
plan_query(Query *parse, const char *query_string, int cursor_options, ParamListInfo params)
{
	PlannedStmt *plan;
	bool		used = IsTransactionState() && permit_cache_used();
	bool		suspected = used && lent_suspected(parse);
	Provenance	made = MADE_MIXED;
	uint32		columns = 0;
	bool		into = false;
	bool		plain = false;

	/* the planner changes the query; the first query that is planned is that of CREATE TABLE AS itself */
	if (used && workspace_wants_note(parse))
	{
		into = parse->commandType == CMD_SELECT && !workspace_into.planned;
		workspace_into.planned = true;
		made = provenance_of_query(parse, &columns);
		plain = made != MADE_MIXED && provenance_is_plain(parse);
	}

	if (unlikely(client_min_messages < NOTICE) && IsTransactionState() &&
		gate_query_under_permit(parse))
		refuse_messages();
	if (prev_planner)
		plan = prev_planner(parse, query_string, cursor_options, params);
	else
		plan = standard_planner(parse, query_string, cursor_options, params);
	provenance_note(plan, made, columns, plain);
	if (into)
	{
		workspace_into.made = made;
		workspace_into.columns = columns;
	}

	if (unlikely(suspected) && plan_under_permit(plan) && lent_persons_planned(plan))
		lent_refuse();

	/* the planner runs functions, and these can change settings */
	if (unlikely(client_min_messages < NOTICE) && plan_under_permit(plan))
		refuse_messages();
	return plan;
}

/* ---- admitting ---- */

bool
gate_session_bound(void)
{
	return bound_permit != 0 && bound_user == GetSessionUserId();
}

void
gate_check_explain(void)
{
	if (gate_explain.analyze)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("EXPLAIN ANALYZE is not allowed under a permit"),
				 errdetail("It counts the rows that were withheld."),
				 errhint("EXPLAIN without ANALYZE shows the plan.")));
	if (gate_explain.costs_written)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("EXPLAIN with COSTS ON is not allowed under a permit"),
				 errdetail("Estimates come from statistics over all rows, also those that were withheld."),
				 errhint("Leave COSTS away, or write COSTS OFF.")));
}

/* protected reads need what only the database of niji.database, and only a primary, has */
static void
require_place(void)
{
	niji_require_preload();
	niji_require_database();
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("protected relations cannot be read on a standby"),
				 errdetail("A read has to be recorded, and a standby cannot record it."),
				 errhint("Connect to the primary.")));
}

/* which permit lends the reads; denies when there is none, or several */
static PermitInfo *
permit_of_reads(NijiStatement *st)
{
	PermitInfo *permit = NULL;
	bool		without = false;
	Oid			role = InvalidOid;
	ListCell   *lc;

	/* also what only writes into a workspace is done under its permit */
	if (st->workspace < 0)
		deny(st, "The statement uses the workspaces of two permits.",
			 "Pseudonyms of two permits do not fit each other: use one connection for each permit.");
	if (st->workspace > 0 && !superuser_arg(GetSessionUserId()))
	{
		permit = permit_cache_permit(st->workspace);
		if (permit == NULL)
			deny(st, "The permit of this workspace is not in force.", NULL);
		role = permit->role;
	}
	foreach(lc, st->reads)
	{
		NijiRead   *read = lfirst(lc);

		if (!OidIsValid(read->role))
			without = true;
		else if (OidIsValid(role) && role != read->role)
			deny(st, "The statement reads under two permits.",
				 "Pseudonyms of two permits do not fit each other: use one connection for each permit.");
		else
			role = read->role;
	}
	if (OidIsValid(role))
	{
		permit = permit_cache_role(role);
		if (permit == NULL)
			deny(st, "The permit is not in force.", NULL);
		st->permit = permit->id;
		st->domain = permit->domain;
		if (st->permit_code == NULL)
			st->permit_code = MemoryContextStrdup(st->context, permit->code);
	}
	if (without && !superuser_arg(GetSessionUserId()))
		deny(st, "Protected relations are read through a permit's views, in its own schema.", NULL);
	return permit;
}

static void
check_reader(NijiStatement *st, PermitInfo *permit)
{
	TimestampTz now = Max(st->clock, GetCurrentStatementStartTimestamp());
	DateADT		today = date_of(now);

	if (!list_member_oid(permit->readers, GetSessionUserId()) ||
		superuser_arg(GetSessionUserId()))
		deny(st, "The session's user is not a reader of this permit.", NULL);
	if (strcmp(permit->state, "granted") != 0)
		deny(st, psprintf("The permit is %s.", permit->state), NULL);
	if (today < permit->valid_from)
		deny(st, "The permit is not valid yet.", NULL);
	if (today > permit->valid_until)
		deny(st, "The permit has expired.", NULL);
	if (bound_permit != 0 && bound_permit != permit->id)
		deny(st, "This session has read under another permit.",
			 "One session, one permit: connect anew.");
}

/* under a permit a statement may only return rows to who asks */
static void
check_kind(NijiStatement *st)
{
	QueryDesc  *query = st->query;
	ListCell   *lc;

	if (query == NULL)
		deny(st, "Under a permit only SELECT is allowed.", NULL);
	if (query->plannedstmt->hasModifyingCTE || query->plannedstmt->hasReturning ||
		(query->operation != CMD_SELECT && !workspace_holds_targets(query->plannedstmt, st->permit)))
		deny(st, "Under a permit only SELECT is allowed, and writing into its workspace, without RETURNING.",
			 "Readers keep their own tables in the workspace of the permit.");
	foreach(lc, query->plannedstmt->rowMarks)
	{
		PlanRowMark *mark = lfirst(lc);

		if (mark->strength != LCS_NONE)
			deny(st, "Under a permit rows cannot be locked.", NULL);
	}
	if (query->dest && (query->dest->mydest == DestTransientRel ||
						(query->dest->mydest == DestIntoRel && workspace_into.permit != st->permit)))
		deny(st, "Under a permit rows cannot be stored in a table outside of its workspace.", NULL);

	/* what is held is a copy, which outlives the permit, the consents and the clock */
	if (ActivePortal && (ActivePortal->cursorOptions & CURSOR_OPT_HOLD))
		deny(st, "Under a permit a cursor ends with its transaction.", "Declare it without WITH HOLD, in a transaction.");
}

static void
admit(NijiStatement *st, bool running)
{
	PermitInfo *permit;
	const char *leak;
	bool		super = superuser_arg(GetSessionUserId());
	ListCell   *lc;

	AcceptInvalidationMessages();

	/* a DBA may look at any plan; it needs nothing and returns nothing */
	if (st->explain_only && super)
		return;
	require_place();
	st->workspace = st->query ? workspace_of_plan(st->query->plannedstmt) : 0;

	if (st->reads == NIL && st->workspace == 0)
	{
		/* see touches(): a function may have carried rows here */
		if (gate_session_bound())
			deny(st, "A session that reads under a permit does not write to tables that outlive it.",
				 "Use another connection, which reads nothing, to change your tables.");
		return;
	}

	permit = permit_of_reads(st);
	if (permit == NULL)
	{
		if (st->reads != NIL)
			trail_require_writer();
		return;
	}
	check_reader(st, permit);
	if (gate_explain.active && (gate_explain.analyze || gate_explain.costs_written))
	{
		trail_record_denied(st, "EXPLAIN ANALYZE or COSTS ON under a permit.");
		gate_check_explain();
	}
	if (st->explain_only && !(gate_explain.active && gate_explain.costs_off))
		deny(st, "Under a permit plans are shown without costs.", NULL);
	check_kind(st);
	if (!running && st->query && lent_persons_read(st->query->plannedstmt))
		deny(st, "A statement under a permit takes persons from the permit's datasets alone.", NULL);
	leak = leaky_messages();
	if (leak)
		deny(st, leak, LEAKY_HINT);

	if (st->explain_only)
	{
		trail_record_event("explain", st->permit_code, NULL);
		return;
	}

	if (!key_available())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("niji has no master key"),
				 errhint("niji.key_source says where the server reads its keys; see the server's log.")));
	domain_require(st->domain);
	trail_require_writer();
	foreach(lc, st->reads)
	{
		NijiRead   *read = lfirst(lc);
		PermitDataset *dataset = permit_cache_dataset(read->relid);

		if (dataset && dataset->persons)
			read->override = consent_check(read->permit, read->dataset);
	}

	if (running)
	{
		if (st->workspace != 0)
			workspace_admit(st);
		session_set_start(st);
		bound_permit = st->permit;
		bound_user = GetSessionUserId();
	}
}

int
gate_bound_permit(void)
{
	return bound_permit;
}

/* while a statement under a permit is live */
static void
quiet(void)
{
	if (unlikely(leaky_messages() != NULL))
		refuse_messages();
}

/* ---- what the policies call ---- */

/* the answer is the statement's, so it is looked for once */
typedef struct UnderPermit
{
	uint64		serial;			/* of the statement that it is for */
	int			dataset;
	bool		answer;
} UnderPermit;

static pg_noinline UnderPermit *
look_under_permit(FmgrInfo *flinfo, NijiStatement *st, int dataset)
{
	UnderPermit *call = flinfo->fn_extra;
	ListCell   *lc;

	/* an error rather than no rows: nothing looks like an answer that is none */
	niji_require_preload();
	if (call == NULL)
		call = flinfo->fn_extra = MemoryContextAlloc(flinfo->fn_mcxt, sizeof(UnderPermit));
	call->serial = st ? st->serial : 0;
	call->dataset = dataset;
	call->answer = false;
	if (st == NULL || st->permit == 0)
		return call;
	foreach(lc, st->reads)
	{
		NijiRead   *read = lfirst(lc);

		if (read->dataset == dataset && read->permit == st->permit && !read->workspace)
			call->answer = true;
	}
	return call;
}

/*
 * niji.under_permit(dataset int): whether the running statement was admitted
 * under a permit and reads this dataset by it.  It stands in each dataset's
 * restrictive policy, so that a permissive policy that somebody adds opens nothing.
 */
Datum
under_permit(PG_FUNCTION_ARGS)
{
	UnderPermit *call = fcinfo->flinfo->fn_extra;
	NijiStatement *st = statement_current();
	int			dataset = PG_GETARG_INT32(0);

	if (unlikely(call == NULL || call->serial != (st ? st->serial : 0) || call->dataset != dataset))
		call = look_under_permit(fcinfo->flinfo, st, dataset);
	PG_RETURN_BOOL(call->answer);
}

/* tells the planner that whoever gets as far as running sees all rows */
Datum
under_permit_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSelectivity))
	{
		((SupportRequestSelectivity *) request)->selectivity = 1.0;
		PG_RETURN_POINTER(request);
	}
	PG_RETURN_POINTER(NULL);
}

/* niji.require_protection(): 55000 unless this server and this database protect what is registered */
Datum
require_protection(PG_FUNCTION_ARGS)
{
	niji_require_preload();
	niji_require_database();
	PG_RETURN_VOID();
}

void
gate_init(void)
{
	permit_cache_init();
	niji_gate.touches = touches;
	niji_gate.find_reads = find_reads;
	niji_gate.admit = admit;
	niji_gate.quiet = quiet;
	use_domain_of_permit = permit_cache_domain;
	workspace_init();
	prev_planner = planner_hook;
	planner_hook = plan_query;
}
