/*
 * utility.c
 *    Utility statements that would go round the gate.
 *
 *   COPY table TO     scans without the executor when row level security does
 *                     not apply (superusers, owners): recorded as a read
 *   EXPLAIN           shows plans of permit views without costs, and neither
 *                     ANALYZE nor a written COSTS ON
 *   CREATE TABLE AS,  in a session that reads under a permit: refused for
 *   REFRESH, COMMENT, what outlives it, as a function might carry rows there;
 *   ALTER ROLE SET    its workspace is where they may be (workspace_utility.c)
 *   GRANT role        the roles that own datasets and permits' views are
 *                     granted to nobody
 *
 * EXPLAIN goes two ways.  Queries, and queries inside CREATE TABLE AS and
 * DECLARE, come to ExplainOneQuery_hook after they were rewritten.  EXPLAIN
 * EXECUTE takes a plan out of the plan cache: there the prepared statement's
 * query list is looked at, and COSTS OFF is added to the statement.  The list
 * may be out of date; so the gate refuses any EXPLAIN under a permit for which
 * costs were not switched off here.
 */
#include "postgres.h"

#include "access/table.h"
#include "base/compat.h"
#include "base/shmem.h"
#include "base/statement.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "commands/explain.h"
#include "commands/prepare.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "permit/cache.h"
#include "permit/gate.h"
#include "permit/permit.h"
#include "permit/watch.h"
#include "permit/workspace_utility.h"
#include "tcop/cmdtag.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/rls.h"

static ProcessUtility_hook_type prev_utility = NULL;
static ExplainOneQuery_hook_type prev_explain = NULL;

#define UTILITY_PARAMS                                                                             \
	PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,                                \
		ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *queryEnv,           \
		DestReceiver *dest, QueryCompletion *qc
#define UTILITY_ARGS pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc

static void
next(UTILITY_PARAMS)
{
	if (prev_utility)
		prev_utility(UTILITY_ARGS);
	else
		standard_ProcessUtility(UTILITY_ARGS);
}

/* a copy that may be changed; readOnlyTree says whose the tree is */
static PlannedStmt *
own(PlannedStmt *pstmt)
{
	return copyObject(pstmt);
}

/* ---- COPY relation TO ---- */

static NijiRead *
copy_read(CopyStmt *stmt, Oid relid, PermitDataset *dataset)
{
	NijiRead   *read = palloc0(sizeof(NijiRead));
	ListCell   *lc;

	read->dataset = dataset->id;
	read->name = pstrdup(dataset->name);
	read->relid = dataset->relid;
	foreach(lc, stmt->attlist)
		read->columns = lappend(read->columns, pstrdup(strVal(lfirst(lc))));
	if (stmt->attlist == NIL)
	{
		Relation	rel = table_open(relid, NoLock);

		for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
		{
			Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), i);

			if (!column->attisdropped)
				read->columns = lappend(read->columns, pstrdup(NameStr(column->attname)));
		}
		table_close(rel, NoLock);
	}
	return read;
}

static void
copy_to(UTILITY_PARAMS)
{
	CopyStmt   *stmt = (CopyStmt *) pstmt->utilityStmt;
	Oid			relid = RangeVarGetRelid(stmt->relation, AccessShareLock, true);
	PermitDataset *dataset = OidIsValid(relid) ? permit_cache_dataset(relid) : NULL;
	NijiStatement *st;
	QueryCompletion own_completion;

	/* under row level security COPY becomes a query, and comes to the executor's hooks */
	if (dataset == NULL || check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
	{
		next(UTILITY_ARGS);
		return;
	}

	/* the relation that was looked at is the one that is copied */
	pstmt = own(pstmt);
	stmt = (CopyStmt *) pstmt->utilityStmt;
	stmt->relation->schemaname = get_namespace_name(get_rel_namespace(relid));
	stmt->relation->relname = get_rel_name(relid);
	stmt->relation->catalogname = NULL;

	if (qc == NULL)
	{
		InitializeQueryCompletion(&own_completion);
		qc = &own_completion;
	}
	st = statement_begin_utility(list_make1(copy_read(stmt, relid, dataset)));
	next(UTILITY_ARGS);
	statement_end_utility(st, qc->commandTag == CMDTAG_COPY ? qc->nprocessed : 0);
}

/* ---- EXPLAIN ---- */

static void
explain_query(Query *query, int cursorOptions, IntoClause *into, ExplainState *es,
			  const char *queryString, ParamListInfo params, QueryEnvironment *queryEnv)
{
	if (gate_explain.active && !superuser_arg(GetSessionUserId()) && gate_query_under_permit(query))
	{
		gate_check_explain();
		es->costs = false;
		es->buffers = false;
		gate_explain.costs_off = true;
	}
	if (prev_explain)
		prev_explain(query, cursorOptions, into, es, queryString, params, queryEnv);
	else
		niji_standard_explain(query, cursorOptions, into, es, queryString, params, queryEnv);
}

/* EXPLAIN EXECUTE of a statement that reads through a permit's view */
static bool
executes_under_permit(ExplainStmt *stmt)
{
	Query	   *query = castNode(Query, stmt->query);
	PreparedStatement *prepared;
	ListCell   *lc;

	if (query->commandType != CMD_UTILITY || !IsA(query->utilityStmt, ExecuteStmt))
		return false;
	prepared = FetchPreparedStatement(((ExecuteStmt *) query->utilityStmt)->name, false);
	if (prepared == NULL)
		return false;
	foreach(lc, prepared->plansource->query_list)
		if (gate_query_under_permit(lfirst(lc)))
			return true;
	return false;
}

static void
explain(UTILITY_PARAMS)
{
	GateExplain saved = gate_explain;
	ExplainStmt *stmt = (ExplainStmt *) pstmt->utilityStmt;
	ListCell   *lc;

	memset(&gate_explain, 0, sizeof(gate_explain));
	PG_TRY();
	{
		gate_explain.active = true;
		foreach(lc, stmt->options)
		{
			DefElem    *option = lfirst(lc);

			if (strcmp(option->defname, "analyze") == 0)
				gate_explain.analyze = defGetBoolean(option);
			else if (strcmp(option->defname, "costs") == 0)
				gate_explain.costs_written = defGetBoolean(option);
		}
		if (!superuser_arg(GetSessionUserId()) && executes_under_permit(stmt))
		{
			gate_check_explain();
			pstmt = own(pstmt);
			stmt = (ExplainStmt *) pstmt->utilityStmt;
			stmt->options = lappend(stmt->options,
									makeDefElem("costs", (Node *) makeBoolean(false), -1));
			stmt->options = lappend(stmt->options,
									makeDefElem("buffers", (Node *) makeBoolean(false), -1));
			gate_explain.costs_off = true;
		}
		next(UTILITY_ARGS);
	}
	PG_FINALLY();
	{
		gate_explain = saved;
	}
	PG_END_TRY();
}

/* ---- roles that are niji's ---- */

/* niji_p<id>_<database> and niji_owner_<database> */
static bool
is_own_role(const char *name)
{
	size_t		digits;

	if (strncmp(name, "niji_", 5) != 0)
		return false;
	name += 5;
	if (strncmp(name, "owner_", 6) == 0)
		name += 6;
	else if (*name == 'p')
	{
		name++;
		digits = strspn(name, "0123456789");
		if (digits == 0 || name[digits] != '_')
			return false;
		name += digits + 1;
	}
	else
		return false;
	digits = strspn(name, "0123456789");
	return digits > 0 && name[digits] == '\0';
}

static void
refuse_own_role(const char *name)
{
	if (name && is_own_role(name))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" cannot be granted", name),
				 errdetail("It owns what niji protects, and nobody may act as it."),
				 errhint("niji.add_reader() lets a role read under a permit.")));
}

/*
 * Up to PostgreSQL 15 CREATEROLE alters every role that is no superuser: by
 * LOGIN, by ALTER GROUP … ADD USER, or under another name by GRANT, somebody
 * would act as the owner of all datasets.
 */
static void
refuse_altering_own_role(const char *name)
{
	if (name && is_own_role(name) && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" cannot be altered", name),
				 errdetail("It owns what niji protects, and nobody may act as it.")));
}

static void
check_grant_role(GrantRoleStmt *stmt)
{
	ListCell   *lc;

	if (!stmt->is_grant)
		return;
	foreach(lc, stmt->granted_roles)
		refuse_own_role(((AccessPriv *) lfirst(lc))->priv_name);
}

static void
check_create_role(CreateRoleStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->options)
	{
		DefElem    *option = lfirst(lc);
		ListCell   *role;

		if (strcmp(option->defname, "addroleto") == 0)
			foreach(role, (List *) option->arg)
				refuse_own_role(((RoleSpec *) lfirst(role))->rolename);
	}
}

/* ---- the hook ---- */

static void
refuse_copy(void)
{
	if (gate_session_bound())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a session that reads under a permit changes nothing that outlives it"),
				 errhint("Use another connection, which reads nothing.")));
}

/* if the statement fails, so does the transaction, and nothing is noted */
static void
watch_range(RangeVar *relation)
{
	Oid			relid = RangeVarGetRelid(relation, NoLock, true);

	if (OidIsValid(relid))
		watch_relation(relid);
}

static void
watched(UTILITY_PARAMS)
{
	Node	   *stmt = pstmt->utilityStmt;
	ListCell   *lc;

	switch (nodeTag(stmt))
	{
		case T_CopyStmt:
			if (!((CopyStmt *) stmt)->is_from && ((CopyStmt *) stmt)->relation != NULL)
			{
				copy_to(UTILITY_ARGS);
				return;
			}
			break;
		case T_ExplainStmt:
			if (permit_cache_used())
			{
				explain(UTILITY_ARGS);
				return;
			}
			break;
		case T_CreateTableAsStmt:
			if (((CreateTableAsStmt *) stmt)->into->rel->relpersistence != RELPERSISTENCE_TEMP &&
				!workspace_utility_makes())
				refuse_copy();
			break;
		case T_RefreshMatViewStmt:
		case T_AlterRoleSetStmt:
		case T_AlterDatabaseSetStmt:
		case T_CommentStmt:
		case T_SecLabelStmt:
			refuse_copy();
			break;
		case T_VariableSetStmt:
			next(UTILITY_ARGS);
			statement_require_quiet();
			return;
		case T_AlterTableStmt:
			watch_range(((AlterTableStmt *) stmt)->relation);
			break;
		case T_GrantStmt:
			if (((GrantStmt *) stmt)->targtype == ACL_TARGET_OBJECT && ((GrantStmt *) stmt)->objtype == OBJECT_TABLE)
				foreach(lc, ((GrantStmt *) stmt)->objects)
					watch_range(lfirst(lc));
			break;
		case T_GrantRoleStmt:
			check_grant_role((GrantRoleStmt *) stmt);
			break;
		case T_AlterRoleStmt:
			refuse_altering_own_role(((AlterRoleStmt *) stmt)->role->rolename);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) stmt)->renameType == OBJECT_ROLE)
				refuse_altering_own_role(((RenameStmt *) stmt)->subname);
			break;
		case T_CreateRoleStmt:
			check_create_role((CreateRoleStmt *) stmt);
			break;
		default:
			break;
	}
	next(UTILITY_ARGS);
}

static void
utility(UTILITY_PARAMS)
{
	WorkspaceUse use;
	volatile bool done = false;

	/* CLOSE and COMMIT end statements */
	statement_require_quiet();
	watch_statement();
	watch_utility(pstmt);
	if (!workspace_utility_begin(&use, pstmt, context))
	{
		watched(UTILITY_ARGS);
		return;
	}
	PG_TRY();
	{
		watched(UTILITY_ARGS);
		done = true;
	}
	PG_FINALLY();
	{
		workspace_utility_restore(&use, done);
	}
	PG_END_TRY();
	workspace_utility_end(&use);
}

void
utility_init(void)
{
	prev_utility = ProcessUtility_hook;
	ProcessUtility_hook = utility;
	prev_explain = ExplainOneQuery_hook;
	ExplainOneQuery_hook = explain_query;
	workspace_utility_init();
	watch_init();
}
