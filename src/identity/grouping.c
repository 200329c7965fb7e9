/*
 * grouping.c
 *    Grouping by pseudonym becomes grouping by person.
 *
 * pseudonym(person, d) is a bijection for a given d, and null where the person
 * is.  So rows that have one pseudonym are rows of one person, and
 *
 *   GROUP BY pseudonym(p, d)			GROUP BY p
 *   SELECT DISTINCT pseudonym(p, d), x	the same, with p and x as its keys
 *   count(DISTINCT pseudonym(p, d))	count(DISTINCT p)
 *
 * which compares and keeps 4 bytes a row, and encrypts once for each group that
 * is returned instead of once for each row that is read.  The person becomes a
 * junk column, as what stands in GROUP BY but not in the result always is: the
 * executor drops it before a row leaves its query level, no expression of the
 * user can name it, and only the equality, order and hash of persons meet it.
 * Everything that was written with the pseudonym (the result, ORDER BY, HAVING,
 * min and max, functions of one's own) still gets the pseudonym.
 *
 * Groups are kept in a hash table, under a seed that each process draws for
 * itself: in the order of persons, or of a hash that everybody can compute,
 * they would leave in the same order under two permits, and tell which
 * pseudonyms are of one person.  For this there is an equality of its own,
 * niji.==, which has a hash and no order.  Where a hash table cannot be used
 * (an aggregate is ordered or DISTINCT, another key has no hash) the pseudonyms
 * are grouped by, as they were written; and so are the partitions of window
 * functions, which are always sorted.
 *
 * Left as they are: grouping sets, which make nulls of their keys; DISTINCT ON,
 * which is tied to ORDER BY; DISTINCT beside aggregates, window functions or
 * functions that return sets, which it follows; DISTINCT of volatile functions
 * and sub-queries; and pseudonyms that are not known to be pseudonym() of a
 * column: those that come out of a sub-query with a grouping, a limit or a
 * UNION, or the merged column of a FULL JOIN.
 *
 * The planner finds out what a column of a view stands for when it pulls the
 * view up, which is after its hook and before anything that could be hooked.
 * But it asks support functions while it simplifies the conditions of WHERE, at
 * a time when the view was pulled up, the target list is ready, and GROUP BY
 * was not yet looked at.  So the hook puts a marker into WHERE, a call of
 * group_by_person(), and its support function changes the query and answers
 * TRUE, which vanishes.  A marker has a number, and is heeded only while it
 * stands in the join tree of the query that is planned: conditions of an EXISTS
 * may be simplified for its parent, whose target list is then half done.  Its
 * argument is of type internal, so that nobody else can write one.
 */
#include "postgres.h"

#include "base/compat.h"
#include "common/hashfn.h"
#include "catalog/pg_type.h"
#include "catalog/pg_aggregate.h"
#include "fmgr.h"
#include "identity/grouping.h"
#include "identity/planner.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

static uint64 markers = 0;

PG_FUNCTION_INFO_V1(group_by_person);
PG_FUNCTION_INFO_V1(group_by_person_support);
PG_FUNCTION_INFO_V1(person_group_hash);

/* ---- marking, in the planner's hook ---- */

static bool
has_pseudonym(List *clauses, List *targets)
{
	ListCell   *cell;

	foreach(cell, clauses)
		if (exprType(get_sortgroupclause_expr(lfirst(cell), targets)) == planner_pseudonym_type())
			return true;
	return false;
}

static bool
counts_distinct(Aggref *aggregate)
{
	return aggregate->aggfnoid == F_COUNT_ANY && aggregate->agglevelsup == 0 &&
		list_length(aggregate->args) == 1 && list_length(aggregate->aggdistinct) == 1 &&
		aggregate->aggorder == NIL;
}

static bool
counts_walker(Node *node, void *context)
{
	if (node == NULL || IsA(node, Query))
		return false;
	if (IsA(node, Aggref) && counts_distinct((Aggref *) node) &&
		linitial_oid(((Aggref *) node)->aggargtypes) == planner_pseudonym_type())
		return true;
	return expression_tree_walker(node, counts_walker, context);
}

static bool
is_concerned(Query *query)
{
	if (query->commandType != CMD_SELECT || query->groupingSets != NIL || query->setOperations != NULL ||
		query->jointree == NULL)
		return false;
	if (has_pseudonym(query->groupClause, query->targetList) ||
		(!query->hasDistinctOn && has_pseudonym(query->distinctClause, query->targetList)))
		return true;
	return query->hasAggs && (counts_walker((Node *) query->targetList, NULL) ||
							  counts_walker(query->havingQual, NULL));
}

static bool
mark_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		if (is_concerned(query))
		{
			FromExpr   *from = query->jointree;
			Node	   *marker = planner_marker(++markers);

			/* first, so that no FALSE hides it */
			if (from->quals == NULL)
				from->quals = marker;
			else if (is_andclause(from->quals))
				from->quals = (Node *) make_andclause(lcons(marker, list_copy(((BoolExpr *) from->quals)->args)));
			else
				from->quals = (Node *) make_andclause(list_make2(marker, from->quals));
		}
		return query_tree_walker(query, mark_walker, context, 0);
	}
	return expression_tree_walker(node, mark_walker, context);
}

void
grouping_mark(Query *query)
{
	(void) mark_walker((Node *) query, NULL);
}

/* ---- changing the query, in the support function ---- */

/* the column of persons behind a pseudonym, or NULL */
static Node *
person_behind(PlannerInfo *root, Node *node)
{
	Node	   *person = planner_person_behind(root, node);

	if (person && IsA(person, Var) && ((Var *) person)->varlevelsup == 0)
		return person;
	return NULL;
}

/* of an argument of count(DISTINCT), which is sorted and shows no order */
static SortGroupClause *
sorted_persons(Index reference, Oid type)
{
	SortGroupClause *clause = makeNode(SortGroupClause);
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_EQ_OPR | TYPECACHE_LT_OPR);

	clause->tleSortGroupRef = reference;
	clause->eqop = entry->eq_opr;
	clause->sortop = entry->lt_opr;
	clause->nulls_first = false;
	clause->hashable = true;
	return clause;
}

/* of GROUP BY: hashed, never sorted */
static SortGroupClause *
hashed_persons(Index reference)
{
	SortGroupClause *clause = makeNode(SortGroupClause);

	clause->tleSortGroupRef = reference;
	clause->eqop = planner_group_equality();
	clause->sortop = InvalidOid;
	clause->nulls_first = false;
	clause->hashable = true;
	return clause;
}

/* aggregates that take their input in an order: such a grouping is sorted */
static bool
ordered_walker(Node *node, void *context)
{
	if (node == NULL || IsA(node, Query))
		return false;
	if (IsA(node, Aggref) && ((Aggref *) node)->agglevelsup == 0 &&
		(((Aggref *) node)->aggorder != NIL || ((Aggref *) node)->aggdistinct != NIL ||
		 AGGKIND_IS_ORDERED_SET(((Aggref *) node)->aggkind)))
		return true;
	return expression_tree_walker(node, ordered_walker, context);
}

static bool
can_be_hashed(Query *query, List *clauses)
{
	ListCell   *cell;

	foreach(cell, clauses)
		if (!lfirst_node(SortGroupClause, cell)->hashable)
			return false;
	return !ordered_walker((Node *) query->targetList, NULL) && !ordered_walker(query->havingQual, NULL);
}

/* the reference of the target list's person, which is added when it is not there */
static Index
reference_to(Query *query, Node *person)
{
	TargetEntry *entry;
	Index		highest = 0;
	ListCell   *cell;

	foreach(cell, query->targetList)
	{
		entry = lfirst_node(TargetEntry, cell);
		if (entry->ressortgroupref != 0 && entry->resjunk && equal(entry->expr, person))
			return entry->ressortgroupref;
		highest = Max(highest, entry->ressortgroupref);
	}
	entry = makeTargetEntry((Expr *) copyObject(person), list_length(query->targetList) + 1, NULL, true);
	entry->ressortgroupref = highest + 1;
	query->targetList = lappend(query->targetList, entry);
	return entry->ressortgroupref;
}

/* the clauses, with persons in the place of their pseudonyms */
static List *
by_persons(PlannerInfo *root, List *clauses)
{
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, clauses)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, cell);
		Node	   *person = person_behind(root, get_sortgroupclause_expr(clause, root->parse->targetList));

		if (person)
			clause = hashed_persons(reference_to(root->parse, person));
		result = lappend(result, clause);
	}
	return result;
}

/* SELECT DISTINCT is grouping by all columns, where nothing comes between the two */
static void
group_instead_of_distinct(PlannerInfo *root)
{
	Query	   *query = root->parse;
	ListCell   *cell;

	if (query->distinctClause == NIL || query->hasDistinctOn || !can_be_hashed(query, query->distinctClause) || query->groupClause != NIL ||
		query->havingQual != NULL || query->hasAggs || query->hasWindowFuncs || query->hasTargetSRFs ||
		contain_volatile_functions((Node *) query->targetList) ||
		contain_subplans((Node *) query->targetList))
		return;
	foreach(cell, query->distinctClause)
		if (person_behind(root, get_sortgroupclause_expr(lfirst(cell), query->targetList)))
		{
			query->groupClause = query->distinctClause;
			query->distinctClause = NIL;
			return;
		}
}

static Node *
counts_mutator(Node *node, void *context)
{
	PlannerInfo *root = context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Aggref) && counts_distinct((Aggref *) node))
	{
		TargetEntry *argument = linitial_node(TargetEntry, ((Aggref *) node)->args);
		Node	   *person = person_behind(root, (Node *) argument->expr);

		if (person)
		{
			Aggref	   *count = copyObject((Aggref *) node);

			argument = linitial_node(TargetEntry, count->args);
			argument->expr = (Expr *) copyObject(person);
			count->aggargtypes = list_make1_oid(exprType(person));
			count->aggdistinct = list_make1(sorted_persons(argument->ressortgroupref, exprType(person)));
			return (Node *) count;
		}
	}
	return expression_tree_mutator(node, counts_mutator, context);
}

static void
group_by_persons(PlannerInfo *root)
{
	Query	   *query = root->parse;

	if (query->commandType != CMD_SELECT || query->groupingSets != NIL || query->setOperations != NULL)
		return;
	group_instead_of_distinct(root);
	if (can_be_hashed(query, query->groupClause))
		query->groupClause = by_persons(root, query->groupClause);
	if (query->hasAggs)
	{
		query->targetList = (List *) counts_mutator((Node *) query->targetList, root);
		query->havingQual = counts_mutator(query->havingQual, root);
	}
}

/* whether a marker with this number stands in the join tree; sub-queries are not its business */
static bool
marker_walker(Node *node, void *context)
{
	uint64		number;

	if (node == NULL || IsA(node, Query))
		return false;
	if (planner_is_marker(node, &number) && number == *(uint64 *) context)
		return true;
	return expression_tree_walker(node, marker_walker, context);
}

Datum
group_by_person_support(PG_FUNCTION_ARGS)
{
	Node	   *raw = (Node *) PG_GETARG_POINTER(0);
	SupportRequestSimplify *request = (SupportRequestSimplify *) raw;
	uint64		number;

	if (!IsA(raw, SupportRequestSimplify) || request->root == NULL ||
		!planner_is_marker((Node *) request->fcall, &number))
		PG_RETURN_POINTER(NULL);
	if (marker_walker((Node *) request->root->parse->jointree, &number))
		group_by_persons(request->root);
	PG_RETURN_POINTER(makeBoolConst(true, false));
}

/* niji.group_by_person(internal): true, should a marker ever be executed */
Datum
group_by_person(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}

/* niji.person_group_hash(person): under a seed of this process */
Datum
person_group_hash(PG_FUNCTION_ARGS)
{
	static uint64 seed = 0;
	static int	pid = 0;

	if (unlikely(pid != MyProcPid))
	{
		if (!pg_strong_random(&seed, sizeof(seed)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		pid = MyProcPid;
	}
	return UInt32GetDatum((uint32) DatumGetUInt64(hash_uint32_extended(PG_GETARG_INT32(0), seed)));
}
