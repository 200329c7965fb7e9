/*
 * compat.h
 *    Differences between PostgreSQL 15, 16, 17 and 18 that niji meets.
 *
 * This is the only file that may test PG_VERSION_NUM.  Everything else uses
 * the newest spelling, which is provided here for older servers.
 */
#ifndef NIJI_COMPAT_H
#define NIJI_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "niji needs PostgreSQL 15 or newer"
#endif

#include "access/xact.h"
#include "executor/executor.h"
#include "nodes/plannodes.h"
#include "optimizer/optimizer.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/wait_event.h"
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#include "varatt.h"
#else
#include "utils/elog.h"
#endif
#if PG_VERSION_NUM >= 180000
#include "commands/explain.h"
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

/* ---- module magic: 18 carries a name and a version ---- */
#if PG_VERSION_NUM >= 180000
#define NIJI_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "niji")
#else
#define NIJI_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/*
 * ---- soft input errors (16+) ----
 * Before 16 there is no error context: the macros raise.
 */
#if PG_VERSION_NUM < 160000
#define ereturn(context, dummy_value, ...) ereport(ERROR, __VA_ARGS__)
#define SOFT_ERROR_OCCURRED(escontext) (false)
#define niji_escontext(fcinfo) NULL
#else
#define niji_escontext(fcinfo) ((fcinfo)->context)
#endif

/* ---- ExecutorRun lost execute_once in 18 ---- */
#if PG_VERSION_NUM >= 180000
#define NIJI_RUN_PARAMS QueryDesc *queryDesc, ScanDirection direction, uint64 count
#define NIJI_RUN_ARGS queryDesc, direction, count
#else
#define NIJI_RUN_PARAMS                                                                            \
	QueryDesc *queryDesc, ScanDirection direction, uint64 count, bool execute_once
#define NIJI_RUN_ARGS queryDesc, direction, count, execute_once
#endif

/* ---- generated columns that are computed when they are read (18+) ---- */
#if PG_VERSION_NUM >= 180000
#define niji_att_is_virtual(att) ((att)->attgenerated == ATTRIBUTE_GENERATED_VIRTUAL)
#else
#define niji_att_is_virtual(att) (false)
#endif

/* ---- the number of a backend's PGPROC ---- */
#if PG_VERSION_NUM >= 170000
#define niji_proc_number(proc) GetNumberFromPGProc(proc)
#else
#define niji_proc_number(proc) ((proc)->pgprocno)
#endif

/* ---- the index of a relation's primary key ---- */
#if PG_VERSION_NUM >= 180000
#define niji_primary_key(rel) RelationGetPrimaryKeyIndex(rel, false)
#else
#define niji_primary_key(rel) RelationGetPrimaryKeyIndex(rel)
#endif

/* ---- index scans are instrumented since 18; a newer row's index entries may be left out since 16 ---- */
#if PG_VERSION_NUM >= 180000
#define niji_index_beginscan(heap, index, snapshot, nkeys) index_beginscan(heap, index, snapshot, NULL, nkeys, 0)
#else
#define niji_index_beginscan(heap, index, snapshot, nkeys) index_beginscan(heap, index, snapshot, nkeys, 0)
#endif
#if PG_VERSION_NUM >= 160000
#define niji_insert_index_tuples(result, slot, estate) ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL, false)
#else
#define niji_insert_index_tuples(result, slot, estate) ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL)
#endif

/*
 * What grouped columns stand for: since 18 they are, while expressions are
 * simplified, Vars of an RTE of its own.  NIL for any other RTE.
 */
static inline List *
niji_group_expressions(RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 180000
	return rte->rtekind == RTE_GROUP ? rte->groupexprs : NIL;
#else
	return NIL;
#endif
}

/*
 * The columns that such an expression names may be those of a join, which
 * elsewhere were replaced by those of its sides before expressions are simplified.
 */
#if PG_VERSION_NUM >= 180000
#define niji_flatten_join_aliases(root, node) flatten_join_alias_vars(root, (root)->parse, node)
#else
#define niji_flatten_join_aliases(root, node) (node)
#endif

/* ---- rights on objects of all kinds are asked for by one function since 16 ---- */
#if PG_VERSION_NUM >= 160000
#define niji_may_execute(function, role) (object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE) == ACLCHECK_OK)
#else
#define niji_may_execute(function, role) (pg_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK)
#endif

/* ---- a function that does not return: a prefix since 18 ---- */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

/* ---- what a process is: B_BG_WORKER's neighbours moved; only this test is needed ---- */
#if PG_VERSION_NUM >= 170000
#define niji_wait_event(name) WaitEventExtensionNew(name)
#else
#define niji_wait_event(name) PG_WAIT_EXTENSION
#endif

#if PG_VERSION_NUM < 160000
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_class.h"
#endif

/*
 * Whose rights a relation of a plan is read with, and which: in the range
 * table entry on 15, beside it since 16.  InvalidOid stands for the current user.
 */
static inline Oid
niji_rte_check_as_user(PlannedStmt *stmt, RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 160000
	if (rte->perminfoindex == 0)
		return InvalidOid;
	return getRTEPermissionInfo(stmt->permInfos, rte)->checkAsUser;
#else
	return rte->checkAsUser;
#endif
}

static inline AclMode
niji_rte_required_perms(PlannedStmt *stmt, RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 160000
	if (rte->perminfoindex == 0)
		return 0;
	return getRTEPermissionInfo(stmt->permInfos, rte)->requiredPerms;
#else
	return rte->requiredPerms;
#endif
}

/* the selected columns, offset by FirstLowInvalidHeapAttributeNumber */
static inline Bitmapset *
niji_rte_selected_columns(PlannedStmt *stmt, RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 160000
	if (rte->perminfoindex == 0)
		return NULL;
	return getRTEPermissionInfo(stmt->permInfos, rte)->selectedCols;
#else
	return rte->selectedCols;
#endif
}

/* the same three for a Query, before planning */
static inline Oid
niji_query_check_as_user(Query *query, RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 160000
	if (rte->perminfoindex == 0)
		return InvalidOid;
	return getRTEPermissionInfo(query->rteperminfos, rte)->checkAsUser;
#else
	return rte->checkAsUser;
#endif
}

/* what EXPLAIN of one query does by itself; exported since 17 */
#if PG_VERSION_NUM >= 170000
#define niji_standard_explain standard_ExplainOneQuery
#else
#include "commands/explain.h"
#include "tcop/tcopprot.h"
static inline void
niji_standard_explain(Query *query, int cursor_options, IntoClause *into, ExplainState *es,
					  const char *query_string, ParamListInfo params, QueryEnvironment *query_env)
{
	PlannedStmt *plan;
	instr_time	start;
	instr_time	duration;
	BufferUsage before = pgBufferUsage;
	BufferUsage used;

	INSTR_TIME_SET_CURRENT(start);
	plan = pg_plan_query(query, query_string, cursor_options, params);
	INSTR_TIME_SET_CURRENT(duration);
	INSTR_TIME_SUBTRACT(duration, start);
	memset(&used, 0, sizeof(used));
	BufferUsageAccumDiff(&used, &pgBufferUsage, &before);
	ExplainOnePlan(plan, into, es, query_string, params, query_env, &duration,
				   es->buffers ? &used : NULL);
}
#endif

#endif							/* NIJI_COMPAT_H */
