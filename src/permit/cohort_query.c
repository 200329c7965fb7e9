/*
 * cohort_query.c
 *    The query that defines a cohort.
 *
 * Governance writes it and may not see what it reads.  It is run as the role
 * that owns the datasets, and its only outcome is a set of persons, of which
 * the caller learns the number.  What it could do on the way is kept from it:
 *
 * - It reads datasets, all rows of which that role may see; nothing else.  Rows
 *   that are tagged never to be shown are hidden from it too: who is in a
 *   cohort because of such a row would show that there is one.
 *
 * - It calls functions of the server and those of niji that everybody may call,
 *   none of which is volatile or runs a text as a query.  A function of somebody
 *   else would be handed the rows.  The same goes for operators, casts,
 *   aggregates, types with constraints, and operators that sort.
 *
 * - Its errors may show a value, so none comes out but the SQLSTATE; what is
 *   wrong with the text itself is found out before it is planned, and is told.
 *
 * What was analysed is what is checked, planned and run: nothing is looked up
 * by name a second time, so nothing can be put in its place.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/duty.h"
#include "base/person_chunk.h"
#include "base/shmem.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_func.h"
#include "parser/parser.h"
#include "permit/cache.h"
#include "permit/cohort.h"
#include "rewrite/rewriteManip.h"
#include "tcop/cmdtag.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(check_cohort_query);
PG_FUNCTION_INFO_V1(run_cohort_query);

pg_noreturn static void refuse(const char *detail);

static void
refuse(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the query cannot define a cohort"),
			 errdetail_internal("%s", detail),
			 errhint("It is one SELECT over datasets that gives one column of type niji.person, and calls nothing but functions of the server and of niji.")));
}

/* ---- what it may contain ---- */

/* where only a superuser can have put it */
static bool
trusted_object(Oid object, Oid namespace)
{
	return object < FirstNormalObjectId || namespace == PG_CATALOG_NAMESPACE ||
		(OidIsValid(namespace) && namespace == catalog_namespace());
}

static bool
untrusted_function(Oid function, void *context)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	const char *name;
	bool		trusted;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	name = NameStr(form->proname);
	trusted = trusted_object(function, form->pronamespace) &&
		form->provolatile != PROVOLATILE_VOLATILE && strstr(name, "_to_xml") == NULL &&
		niji_may_execute(function, GetUserId());
	ReleaseSysCache(tuple);
	if (!trusted)
		refuse("It calls a function that may do more than compute, or that is somebody's own.");
	return false;
}

/* the operator too, not only its function: the planner may put its negator or commutator in its place */
static void
check_operator(Oid operator)
{
	HeapTuple	tuple;
	Form_pg_operator form;
	bool		trusted;

	if (!OidIsValid(operator))
		return;
	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", operator);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	trusted = trusted_object(operator, form->oprnamespace);
	(void) untrusted_function(form->oprcode, NULL);
	ReleaseSysCache(tuple);
	if (!trusted)
		refuse("It uses an operator that is somebody's own.");
}

static void
check_type(Oid type)
{
	Oid			element = get_element_type(type);
	HeapTuple	tuple;
	Oid			namespace;

	if (OidIsValid(element))
		type = element;
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	namespace = ((Form_pg_type) GETSTRUCT(tuple))->typnamespace;
	ReleaseSysCache(tuple);
	if (!trusted_object(type, namespace))
		refuse("It makes values of a type that is somebody's own.");
}

static void
check_relation(RangeTblEntry *rte)
{
	if (rte->relkind != RELKIND_RELATION && rte->relkind != RELKIND_PARTITIONED_TABLE)
		refuse("It reads something that is not a dataset.");
	if (permit_cache_dataset(rte->relid) == NULL)
		refuse("It reads a relation that is not a dataset.");
	if (rte->tablesample)
		refuse("It takes a sample.");
}

static bool
check_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	(void) check_functions_in_node(node, untrusted_function, context);
	switch (nodeTag(node))
	{
		case T_Query:
			{
				Query	   *query = (Query *) node;
				ListCell   *lc;

				if (query->commandType != CMD_SELECT || query->utilityStmt || query->hasModifyingCTE)
					refuse("It does more than read.");
				if (query->rowMarks != NIL)
					refuse("It locks rows.");
				foreach(lc, query->rtable)
				{
					RangeTblEntry *rte = lfirst(lc);

					if (rte->rtekind == RTE_RELATION)
						check_relation(rte);
					else if (rte->rtekind == RTE_TABLEFUNC || rte->rtekind == RTE_NAMEDTUPLESTORE)
						refuse("It reads something that is not a dataset.");
				}
				return query_tree_walker(query, check_walker, context, QTW_EXAMINE_SORTGROUP);
			}
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			check_operator(((OpExpr *) node)->opno);
			break;
		case T_ScalarArrayOpExpr:
			check_operator(((ScalarArrayOpExpr *) node)->opno);
			break;
		case T_RowCompareExpr:
			{
				ListCell   *lc;

				foreach(lc, ((RowCompareExpr *) node)->opnos)
					check_operator(lfirst_oid(lc));
			}
			break;
		case T_SortGroupClause:
			check_operator(((SortGroupClause *) node)->eqop);
			check_operator(((SortGroupClause *) node)->sortop);
			return false;
		case T_CoerceToDomain:
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
		case T_ConvertRowtypeExpr:
		case T_Const:
			check_type(exprType(node));
			break;
		case T_MinMaxExpr:
		case T_SubscriptingRef:
			/* their functions are those of their types */
			check_type(exprType(node));
			break;
		case T_XmlExpr:
		case T_CurrentOfExpr:
		case T_NextValueExpr:
		case T_Param:
			/* parameters that stand for columns of an outer query have not been made yet */
			refuse("It contains an expression that a cohort has no use for.");
		default:
			break;
	}
	return expression_tree_walker(node, check_walker, context);
}

/* ---- rows that nobody is shown ---- */

typedef struct Tagging
{
	List	   *datasets;		/* ids of those read */
} Tagging;

/* the condition on a dataset's tag column, for the entry at "index" of a query's range table, or NIL */
static List *
tag_condition(Oid relid, int index)
{
	PermitDataset *dataset = permit_cache_dataset(relid);
	AttrNumber	column;
	Oid			type;
	int32		typmod;
	Oid			collation;
	Oid			arguments[1];
	Oid			function;
	List	   *name;
	Node	   *argument;

	if (dataset == NULL || dataset->tag_column == NULL)
		return NIL;
	column = get_attnum(relid, dataset->tag_column);
	if (column == InvalidAttrNumber)
		elog(ERROR, "a dataset has lost its tag column");
	get_atttypetypmodcoll(relid, column, &type, &typmod, &collation);
	argument = (Node *) makeVar(index, column, type, typmod, collation, 0);
	if (type == VARCHAROID)
		argument = (Node *) makeRelabelType((Expr *) argument, TEXTOID, -1, collation, COERCE_IMPLICIT_CAST);
	arguments[0] = type == TEXTARRAYOID ? TEXTARRAYOID : TEXTOID;
	name = list_make2(makeString("niji"), makeString("untagged"));
	function = LookupFuncName(name, 1, arguments, false);
	return list_make1(makeFuncExpr(function, BOOLOID, list_make1(argument), InvalidOid, collation,
								   COERCE_EXPLICIT_CALL));
}

static bool
tag_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		Tagging    *tagging = context;
		ListCell   *lc;
		int			index = 0;

		foreach(lc, query->rtable)
		{
			RangeTblEntry *rte = lfirst(lc);
			List	   *condition;

			index++;
			if (rte->rtekind != RTE_RELATION)
				continue;
			tagging->datasets = list_append_unique_int(tagging->datasets, permit_cache_dataset(rte->relid)->id);
			condition = tag_condition(rte->relid, index);
			if (condition)
			{
				rte->securityQuals = lcons(make_ands_explicit(condition), rte->securityQuals);
				query->hasRowSecurity = true;
			}
		}
		return query_tree_walker(query, tag_walker, context, 0);
	}
	return expression_tree_walker(node, tag_walker, context);
}

/* ---- running it ---- */

/* the query as it is analysed, checked, with its datasets */
static Query *
analyze_query(const char *text, List **datasets)
{
	List	   *raw = pg_parse_query(text);
	List	   *queries;
	Query	   *query;
	Tagging		tagging = {NIL};
	TargetEntry *only = NULL;
	ListCell   *lc;

	if (list_length(raw) != 1)
		refuse("It is not one statement.");
	queries = pg_analyze_and_rewrite_fixedparams(linitial_node(RawStmt, raw), text, NULL, 0, NULL);
	if (list_length(queries) != 1)
		refuse("It is not one statement.");
	query = linitial_node(Query, queries);
	(void) check_walker((Node *) query, NULL);
	foreach(lc, query->targetList)
	{
		TargetEntry *entry = lfirst(lc);

		if (entry->resjunk)
			continue;
		if (only)
			refuse("It gives more than one column.");
		only = entry;
	}
	if (only == NULL || exprType((Node *) only->expr) != catalog_type("person"))
		refuse("It does not give persons.");
	(void) tag_walker((Node *) query, &tagging);
	*datasets = tagging.datasets;
	return query;
}

typedef struct PersonReceiver
{
	DestReceiver pub;
	PersonSet  *persons;
} PersonReceiver;

static bool
receive_person(TupleTableSlot *slot, DestReceiver *self)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, 1, &isnull);

	if (!isnull)
		person_set_add(((PersonReceiver *) self)->persons, DatumGetInt32(value));
	return true;
}

static void
receive_startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
receive_nothing(DestReceiver *self)
{
}

static void
run(Query *query, const char *text, PersonSet *persons)
{
	PlannedStmt *plan = pg_plan_query(query, text, 0, NULL);
	PersonReceiver receiver = {.pub = {receive_person, receive_startup, receive_nothing, receive_nothing, DestNone}};
	Portal		portal = CreateNewPortal();

	receiver.persons = persons;
	portal->visible = false;
	PortalDefineQuery(portal, NULL, text, CMDTAG_SELECT, list_make1(plan), NULL);
	PushActiveSnapshot(GetTransactionSnapshot());
	PortalStart(portal, NULL, 0, GetActiveSnapshot());
	(void) PortalRunFetch(portal, FETCH_FORWARD, FETCH_ALL, &receiver.pub);
	PopActiveSnapshot();
	PortalDrop(portal, false);
}

/* what is done as the role that owns the datasets; errors restore the user with the (sub)transaction */
typedef struct Identity
{
	Oid			user;
	int			context;
} Identity;

static void
become_owner(Identity *saved)
{
	char	   *name = psprintf("niji_owner_%u", MyDatabaseId);

	niji_require_preload();
	niji_require_database();
	duty_require(NIJI_GOVERNANCE, "define a cohort");
	GetUserIdAndSecContext(&saved->user, &saved->context);
	SetUserIdAndSecContext(get_role_oid(name, false),
						   saved->context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION |
						   SECURITY_NOFORCE_RLS);
}

/* niji.check_cohort_query(query text) returns int[]: the datasets that it reads */
Datum
check_cohort_query(PG_FUNCTION_ARGS)
{
	Identity	saved;
	List	   *datasets;
	ListCell   *lc;
	Datum	   *values;
	int			n = 0;

	become_owner(&saved);
	(void) analyze_query(text_to_cstring(PG_GETARG_TEXT_PP(0)), &datasets);
	SetUserIdAndSecContext(saved.user, saved.context);
	values = palloc(Max(list_length(datasets), 1) * sizeof(Datum));
	foreach(lc, datasets)
		values[n++] = Int32GetDatum(lfirst_int(lc));
	PG_RETURN_ARRAYTYPE_P(construct_array(values, n, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

/* niji.run_cohort_query(query text, cohort int, base bigint, version bigint) returns bigint: how many persons the version has */
Datum
run_cohort_query(PG_FUNCTION_ARGS)
{
	char	   *source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	PersonSet  *persons = person_set_create(CurrentMemoryContext);
	Identity	saved;
	List	   *datasets;

	become_owner(&saved);
	run(analyze_query(source, &datasets), source, persons);
	SetUserIdAndSecContext(saved.user, saved.context);
	PG_RETURN_INT64(cohort_write(PG_GETARG_INT32(1), PG_GETARG_INT64(2), PG_GETARG_INT64(3), persons, NULL, 0));
}
