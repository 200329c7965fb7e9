/*
 * capture_shown.c
 *    Who is shown by a statement's result, as far as its columns tell.
 *
 *	a column carries pseudonyms			exactly the persons of these pseudonyms
 *	all are grouping keys, counts,
 *	sums and averages					nobody
 *	otherwise							all that were scanned
 *
 * A column is followed from the top of the plan down to where its values come
 * from.  When in doubt the answer is "all that were scanned": what is said to be
 * shown may be too much, and must not be too little.  So a pseudonym counts
 * only if it comes straight from a row: max(pid) stands for a group, and an
 * uncorrelated sub-query's pid for nothing that stands beside it.
 */
#include "postgres.h"

#include "base/compat.h"
#include "catalog/pg_namespace.h"
#include "nodes/nodeFuncs.h"
#include "trail/capture.h"
#include "trail/record.h"
#include "utils/lsyscache.h"

#define FOLLOW_DEPTH_MAX 200
#define FOLLOW_STEPS_MAX 20000

/* what a column's values are made of */
typedef enum
{
	FROM_ROWS = 1 << 0,			/* a base relation's column */
	FROM_PSEUDONYM = 1 << 1,	/* a pseudonym of a row's person */
	FROM_KEY = 1 << 2,			/* a grouping key */
	FROM_AMOUNT = 1 << 3,		/* count, sum, avg */
	FROM_DISGUISED = 1 << 5,	/* a pseudonym inside an aggregate: sums of its characters spell it */
	FROM_ELSEWHERE = 1 << 4		/* other aggregates, window functions, sub-queries, what cannot be followed */
} Source;

typedef struct Follow
{
	PlannedStmt *stmt;
	Plan	   *plan;
	int			depth;
	int			sources;
} Follow;

static int	steps;				/* taken for this statement: nested sub-queries can make their number explode */

static int	follow_column(PlannedStmt *stmt, Plan *plan, AttrNumber column, int depth);
static bool follow_walker(Node *node, void *context);

static bool
is_pseudonym(Oid type)
{
	return trail_identity.pseudonym_type != NULL && OidIsValid(type) &&
		getBaseType(type) == trail_identity.pseudonym_type();
}

static bool
is_amount(Oid function)
{
	char	   *name;
	bool		result;

	if (get_func_namespace(function) != PG_CATALOG_NAMESPACE)
		return false;
	name = get_func_name(function);
	result = name && (strcmp(name, "count") == 0 || strcmp(name, "sum") == 0 ||
					  strcmp(name, "avg") == 0);
	if (name)
		pfree(name);
	return result;
}

static int
follow_expression(PlannedStmt *stmt, Plan *plan, Node *expression, int depth)
{
	Follow		follow = {stmt, plan, depth, 0};

	if (depth > FOLLOW_DEPTH_MAX || ++steps > FOLLOW_STEPS_MAX)
		return FROM_ELSEWHERE;
	follow_walker(expression, &follow);
	return follow.sources;
}

/* whether an aggregate is computed from pseudonyms; to count them, as they are, tells none */
static bool
aggregates_pseudonyms(Follow *follow, Aggref *aggregate)
{
	int			sources = 0;
	char	   *name = get_func_name(aggregate->aggfnoid);
	bool		counts = name && strcmp(name, "count") == 0;
	ListCell   *cell;

	foreach(cell, aggregate->args)
	{
		Node	   *argument = (Node *) lfirst_node(TargetEntry, cell)->expr;

		if (!counts || !is_pseudonym(exprType(argument)))
			sources |= follow_expression(follow->stmt, follow->plan, argument, follow->depth + 1);
	}
	if (aggregate->aggfilter)
		sources |= follow_expression(follow->stmt, follow->plan, (Node *) aggregate->aggfilter, follow->depth + 1);
	return (sources & (FROM_PSEUDONYM | FROM_DISGUISED)) != 0;
}

static Plan *
child_of_var(PlannedStmt *stmt, Plan *plan, int varno)
{
	if (varno == OUTER_VAR)
		return outerPlan(plan);
	if (varno == INNER_VAR)
		return innerPlan(plan);
	if (IsA(plan, SubqueryScan))
		return ((SubqueryScan *) plan)->subplan;
	if (IsA(plan, CteScan))
		return list_nth(stmt->subplans, ((CteScan *) plan)->ctePlanId - 1);
	return NULL;
}

static int
follow_var(PlannedStmt *stmt, Plan *plan, Var *var, int depth)
{
	ListCell   *cell;
	List	   *children = NIL;
	Plan	   *child;

	if (var->varattno <= 0)
		return FROM_ELSEWHERE;	/* a whole row */
	if (IsA(plan, Append))
		children = ((Append *) plan)->appendplans;
	else if (IsA(plan, MergeAppend))
		children = ((MergeAppend *) plan)->mergeplans;
	if (children != NIL && var->varno == OUTER_VAR)
	{
		int			sources = 0;

		foreach(cell, children)
			sources |= follow_column(stmt, lfirst(cell), var->varattno, depth + 1);
		return sources;
	}
	child = child_of_var(stmt, plan, var->varno);
	if (child)
		return follow_column(stmt, child, var->varattno, depth + 1);

	switch (nodeTag(plan))
	{
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
		case T_ValuesScan:
			return FROM_ROWS | (is_pseudonym(var->vartype) ? FROM_PSEUDONYM : 0);
		case T_ForeignScan:
			/* what was joined or aggregated elsewhere is not known here */
			if (((Scan *) plan)->scanrelid > 0 && var->varno != INDEX_VAR)
				return FROM_ROWS | (is_pseudonym(var->vartype) ? FROM_PSEUDONYM : 0);
			return FROM_ELSEWHERE;
		default:
			return FROM_ELSEWHERE;
	}
}

static bool
is_grouping_column(Plan *plan, AttrNumber column)
{
	if (IsA(plan, Agg))
	{
		Agg		   *agg = (Agg *) plan;
		ListCell   *cell;

		for (int i = 0; i < agg->numCols; i++)
			if (agg->grpColIdx[i] == column)
				return true;
		foreach(cell, agg->chain)
			if (is_grouping_column(lfirst(cell), column))
				return true;
	}
	else if (IsA(plan, Group))
	{
		Group	   *group = (Group *) plan;

		for (int i = 0; i < group->numCols; i++)
			if (group->grpColIdx[i] == column)
				return true;
	}
	return false;
}

static bool
follow_walker(Node *node, void *context)
{
	Follow	   *follow = context;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
			{
				Var		   *var = (Var *) node;
				int			sources = follow_var(follow->stmt, follow->plan, var, follow->depth);

				if (IsA(follow->plan, Agg) || IsA(follow->plan, Group))
				{
					/* a column that is no key can only be one that depends on the keys */
					if (is_grouping_column(follow->plan, var->varattno))
						sources |= FROM_KEY;
					else
						sources |= FROM_ELSEWHERE;
				}
				follow->sources |= sources;
				return false;
			}
		case T_Aggref:
			follow->sources |= is_amount(((Aggref *) node)->aggfnoid) ? FROM_AMOUNT : FROM_ELSEWHERE;
			if (aggregates_pseudonyms(follow, (Aggref *) node))
				follow->sources |= FROM_ELSEWHERE | FROM_DISGUISED;
			return false;
		case T_GroupingFunc:
			follow->sources |= FROM_AMOUNT;
			return false;
		case T_Const:
			return false;
		case T_Param:
			if (((Param *) node)->paramkind != PARAM_EXTERN)
				follow->sources |= FROM_ELSEWHERE;
			return false;
		case T_WindowFunc:
		case T_SubPlan:
		case T_AlternativeSubPlan:
			follow->sources |= FROM_ELSEWHERE;
			return false;
		case T_FuncExpr:
		case T_OpExpr:
		case T_RelabelType:
		case T_CoerceToDomain:
		case T_CoalesceExpr:
		case T_CaseExpr:
			/* pseudonym(t.person, domain), as a view makes it, whatever it is wrapped in */
			if (is_pseudonym(exprType(node)))
				follow->sources |= FROM_PSEUDONYM;
			break;
		default:
			break;
	}
	return expression_tree_walker(node, follow_walker, follow);
}

/* whether all of a Unique's columns are compared: then each is a grouping key */
static bool
is_unique_column(Unique *unique, AttrNumber column)
{
	for (int i = 0; i < unique->numCols; i++)
		if (unique->uniqColIdx[i] == column)
			return true;
	return false;
}

static int
follow_column(PlannedStmt *stmt, Plan *plan, AttrNumber column, int depth)
{
	TargetEntry *entry;
	int			sources;

	if (plan == NULL || depth > FOLLOW_DEPTH_MAX || column < 1 ||
		column > list_length(plan->targetlist))
		return FROM_ELSEWHERE;
	entry = list_nth_node(TargetEntry, plan->targetlist, column - 1);
	sources = follow_expression(stmt, plan, (Node *) entry->expr, depth + 1);
	if (IsA(plan, Unique) && is_unique_column((Unique *) plan, column))
		sources |= FROM_KEY;
	return sources;
}

/*
 * Whether something between the top and an Agg, Group or Unique lets rows
 * through one by one: then nothing is grouped, however the columns look.
 */
static bool
is_grouped(PlannedStmt *stmt, Plan *plan, int depth)
{
	ListCell   *cell;
	List	   *children = NIL;

	if (plan == NULL || depth > FOLLOW_DEPTH_MAX)
		return false;
	switch (nodeTag(plan))
	{
		case T_Agg:
		case T_Group:
		case T_Unique:
			return true;
		case T_Sort:
		case T_IncrementalSort:
		case T_Limit:
		case T_Material:
		case T_Gather:
		case T_GatherMerge:
		case T_Result:
			return is_grouped(stmt, outerPlan(plan), depth + 1);
		case T_SubqueryScan:
			return is_grouped(stmt, ((SubqueryScan *) plan)->subplan, depth + 1);
		case T_Append:
			children = ((Append *) plan)->appendplans;
			break;
		case T_MergeAppend:
			children = ((MergeAppend *) plan)->mergeplans;
			break;
		default:
			return false;
	}
	foreach(cell, children)
		if (!is_grouped(stmt, lfirst(cell), depth + 1))
			return false;
	return children != NIL;
}

ShownKind
capture_shown(PlannedStmt *stmt, TupleDesc desc, Bitmapset **columns, bool *grouped)
{
	Plan	   *plan = stmt->planTree;
	int			column = 0;
	bool		nobody = true;
	ListCell   *cell;

	*columns = NULL;
	*grouped = false;
	if (stmt->commandType != CMD_SELECT || stmt->hasModifyingCTE)
		return SHOWN_ALL;
	steps = 0;
	*grouped = is_grouped(stmt, plan, 0);
	foreach(cell, plan->targetlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);
		bool		carries = false;
		int			sources;

		if (entry->resjunk)
			continue;
		sources = follow_column(stmt, plan, entry->resno, 0);
		if (column < desc->natts && is_pseudonym(TupleDescAttr(desc, column)->atttypid) &&
			(sources & FROM_PSEUDONYM) && !(sources & (FROM_ELSEWHERE | FROM_AMOUNT)))
		{
			*columns = bms_add_member(*columns, column);
			carries = true;
		}
		if ((sources & FROM_ELSEWHERE) || ((sources & FROM_PSEUDONYM) && !carries) ||
			((sources & FROM_ROWS) && !(sources & FROM_KEY)))
			nobody = false;
		column++;
	}
	*grouped = *grouped && nobody && column > 0;
	if (*columns != NULL)
		return SHOWN_THESE;
	return *grouped ? SHOWN_NOBODY : SHOWN_ALL;
}
