/*
 * provenance.c
 *    Whether each row that a statement writes is made of one person's rows.
 *
 * A table with pseudonyms in a workspace obeys its persons row by row.  That is
 * enough only if a row that carries somebody's pseudonym says nothing of others:
 * else what one forbids would be seen beside the pseudonym of another.  Most
 * statements are such that it can be proved:
 *
 * - Every relation of persons in the query has an anchor: the pseudonym of a
 *   dataset's person, or the column of a workspace's table of which this was
 *   proved before.  All of them have to be tied together by equality of their
 *   anchors, in conditions that hold for every row.  Ties of outer joins bind
 *   the side that may be null, and only that side.
 * - Groups have an anchor among their keys.
 * - Sub-queries in the range table are proved by themselves; of others only
 *   "anchor IN (sub-query of anchors)".
 * - Functions are PostgreSQL's or niji's own and depend on their arguments
 *   alone.  What a session could have kept from before (settings, sequences)
 *   they do not read.
 * - No window, no LIMIT, no DISTINCT ON: these look at the rows of others.
 *
 * Everything else makes the table keep a set of persons (workspace.c): those
 * whom the statement itself scanned, if only functions of this kind are in it;
 * otherwise it is mixed, and those are kept whom the session has scanned so far.
 * That is never wrong, only strict.  It is also decided there that only what the
 * client itself sends, or what has neither constants nor parameters, can be
 * anything but mixed: those of a function hold what the function saw.
 *
 * The query is looked at after rewriting and before planning, where views are
 * sub-queries and conditions stand where they were written.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "permit/cache.h"
#include "permit/provenance.h"
#include "permit/workspace.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* of a PlanInvalItem that is none: no cache has this number */
#define NOTE_CACHE (-20260)
#define NOTE_PLAIN ((uint32) 1 << 28)
#define NOTE_READ ((uint32) 1 << 29)
#define NOTE_FREE ((uint32) 1 << 30)
#define NOTE_ONE ((uint32) 1 << 31)
#define NOTE_COLUMNS (NOTE_PLAIN - 1)
#define COLUMNS_MAX 28

/* a relation of the range table that has persons */
typedef struct Leaf
{
	int			index;			/* in the range table */
	bool		nullable;		/* by an outer join */
	bool		bound;			/* tied to the others */
	Bitmapset  *anchors;		/* columns; of a dataset none, since there it is an expression */
} Leaf;

/* two leaves whose anchors are equal in every row in which the bound one is not null */
typedef struct Tie
{
	int			a;
	int			b;
	bool		binds_a;
	bool		binds_b;
} Tie;

typedef struct Level
{
	struct Level *parent;
	Query	   *query;
	List	   *leaves;
	List	   *ties;
} Level;

/* of a query: whether it is proved, whether persons are in it, which columns are anchors */
typedef struct Proof
{
	bool		sound;
	bool		persons;
	Bitmapset  *anchors;
} Proof;

static Proof prove(Query *query, Level *parent);

/* ---- functions ---- */

static bool
starts(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

static bool
ends(const char *name, const char *with)
{
	size_t		length = strlen(name);

	return length >= strlen(with) && strcmp(name + length - strlen(with), with) == 0;
}

/* those whose result depends on more than their arguments, the time zone and the clock */
static bool
unsafe_function(Oid function, void *context)
{
	static const char *const families[] = {"timestamp", "date", "to_", "interval", "time", "array_", "json", "concat", "format", "now", "age", "text", "extract"};
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc proc;
	bool		safe = false;

	if (!HeapTupleIsValid(tuple))
		return true;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	if (proc->pronamespace == PG_CATALOG_NAMESPACE)
	{
		const char *name = NameStr(proc->proname);

		safe = proc->provolatile == PROVOLATILE_IMMUTABLE;
		if (proc->provolatile == PROVOLATILE_STABLE)
		{
			safe = ends(name, "_in") || ends(name, "_out");
			for (int i = 0; i < lengthof(families) && !safe; i++)
				safe = starts(name, families[i]);
		}
	}
	else if (proc->pronamespace == catalog_namespace())
		/* context: also those that stand in policies */
		safe = proc->provolatile != PROVOLATILE_VOLATILE &&
			(context != NULL || (!starts(NameStr(proc->proname), "permitted") && !starts(NameStr(proc->proname), "under_")));
	ReleaseSysCache(tuple);
	return !safe;
}

static bool is_anchor_in(Level *level, SubLink *link);

static bool
unsafe_walker(Node *node, void *context)
{
	Level	   *level = context;

	if (node == NULL)
		return false;
	check_stack_depth();
	switch (nodeTag(node))
	{
		case T_Var:
			return ((Var *) node)->varlevelsup > 0;
		case T_Aggref:
			if (((Aggref *) node)->agglevelsup > 0)
				return true;
			break;
		case T_GroupingFunc:
		case T_WindowFunc:
		case T_NextValueExpr:
		case T_CurrentOfExpr:
		case T_XmlExpr:
		case T_Query:
			return true;
		case T_SubLink:
			/* its own query is proved in there, and its operator is equality of pseudonyms */
			return !is_anchor_in(level, (SubLink *) node);
		case T_RangeTblRef:
			return false;
		default:
			break;
	}
	if (check_functions_in_node(node, unsafe_function, NULL))
		return true;
	return expression_tree_walker(node, unsafe_walker, context);
}

/* ---- anchors ---- */

/* what a column of a join, or of groups, stands for */
static Node *
behind(Query *query, Node *node)
{
	while (node && IsA(node, Var) && ((Var *) node)->varlevelsup == 0)
	{
		Var		   *var = (Var *) node;
		RangeTblEntry *rte = rt_fetch(var->varno, query->rtable);
		List	   *columns = rte->rtekind == RTE_JOIN ? rte->joinaliasvars : niji_group_expressions(rte);

		if (var->varattno <= 0 || var->varattno > list_length(columns))
			break;
		node = list_nth(columns, var->varattno - 1);
	}
	return node;
}

static Leaf *
find_leaf(Level *level, int index)
{
	ListCell   *lc;

	foreach(lc, level->leaves)
		if (((Leaf *) lfirst(lc))->index == index)
			return lfirst(lc);
	return NULL;
}

/* whether the node is niji.pseudonym(person, domain) */
static bool
is_pseudonym_call(Node *node)
{
	FuncExpr   *call = (FuncExpr *) node;
	char	   *name;

	if (!IsA(node, FuncExpr) || list_length(call->args) != 2 || !IsA(lsecond(call->args), Const) ||
		exprType(linitial(call->args)) != catalog_type("person") ||
		get_func_namespace(call->funcid) != catalog_namespace())
		return false;
	name = get_func_name(call->funcid);
	return name && strcmp(name, "pseudonym") == 0;
}

/* the leaf whose anchor the expression is, or NULL */
static Leaf *
anchor_of(Level *level, Node *node)
{
	Leaf	   *leaf;
	bool		call;

	node = behind(level->query, node);
	if (node == NULL)
		return NULL;
	call = is_pseudonym_call(node);
	if (call)
		node = linitial(((FuncExpr *) node)->args);
	if (!IsA(node, Var) || ((Var *) node)->varlevelsup > 0)
		return NULL;
	leaf = find_leaf(level, ((Var *) node)->varno);
	if (leaf == NULL)
		return NULL;
	if (call)
	{
		RangeTblEntry *rte = rt_fetch(leaf->index, level->query->rtable);

		return rte->rtekind == RTE_RELATION && permit_cache_dataset(rte->relid) ? leaf : NULL;
	}
	return bms_is_member(((Var *) node)->varattno, leaf->anchors) ? leaf : NULL;
}

/* pseudonym = pseudonym */
static bool
is_equality(Oid operator)
{
	Oid			function = get_opcode(operator);
	char	   *name = OidIsValid(function) && get_func_namespace(function) == catalog_namespace() ? get_func_name(function) : NULL;

	return name && strcmp(name, "pseudonym_eq") == 0;
}

/* anchor IN (SELECT anchor …), whose row then depends on its own person only */
static bool
is_anchor_in(Level *level, SubLink *link)
{
	OpExpr	   *test = (OpExpr *) link->testexpr;
	Proof		proof;

	if (link->subLinkType != ANY_SUBLINK || test == NULL || !IsA(test, OpExpr) || !is_equality(test->opno) ||
		list_length(test->args) != 2 || !IsA(lsecond(test->args), Param) || !IsA(link->subselect, Query) ||
		anchor_of(level, linitial(test->args)) == NULL)
		return false;
	proof = prove((Query *) link->subselect, level);
	return proof.sound && (!proof.persons || bms_is_member(1, proof.anchors));
}

/* ---- the range table ---- */

static Proof
prove_cte(Level *level, RangeTblEntry *rte)
{
	Proof		unsound = {false};
	Level	   *owner = level;
	ListCell   *lc;

	for (int up = rte->ctelevelsup; up > 0 && owner; up--)
		owner = owner->parent;
	if (owner == NULL || rte->self_reference)
		return unsound;
	foreach(lc, owner->query->cteList)
	{
		CommonTableExpr *cte = lfirst(lc);

		if (strcmp(cte->ctename, rte->ctename) == 0)
			return cte->cterecursive || !IsA(cte->ctequery, Query) ? unsound : prove((Query *) cte->ctequery, owner);
	}
	return unsound;
}

/* false: not proved */
static bool
add_leaf(Level *level, int index, bool nullable)
{
	RangeTblEntry *rte = rt_fetch(index, level->query->rtable);
	Proof		proof = {true};
	PermitDataset *dataset;
	Leaf	   *leaf;

	switch (rte->rtekind)
	{
		case RTE_RELATION:
			dataset = permit_cache_dataset(rte->relid);
			if (dataset)
			{
				if (dataset->persons > 1)
					return false;	/* a row of several persons is none's alone */
				proof.persons = dataset->persons > 0;
			}
			else if (permit_cache_workspace_of(rte->relid) != 0)
				proof.sound = workspace_anchors(rte->relid, &proof.persons, &proof.anchors);
			if (rte->tablesample && unsafe_walker((Node *) rte->tablesample, level))
				return false;
			break;
		case RTE_SUBQUERY:
			if (rte->lateral)
				return false;
			proof = prove(rte->subquery, level);
			break;
		case RTE_CTE:
			proof = prove_cte(level, rte);
			break;
		case RTE_FUNCTION:
			return !unsafe_walker((Node *) rte->functions, level);
		case RTE_VALUES:
			return !unsafe_walker((Node *) rte->values_lists, level);
		case RTE_RESULT:
			return true;
		default:
			return false;
	}
	if (!proof.sound)
		return false;
	if (!proof.persons)
		return true;
	leaf = palloc0(sizeof(Leaf));
	leaf->index = index;
	leaf->nullable = nullable;
	leaf->anchors = proof.anchors;
	level->leaves = lappend(level->leaves, leaf);
	return true;
}

static void
add_ties(Level *level, Node *quals, List *binding, bool binds_all)
{
	ListCell   *lc;

	if (quals == NULL)
		return;
	if (IsA(quals, List))
	{
		foreach(lc, (List *) quals)
			add_ties(level, lfirst(lc), binding, binds_all);
	}
	else if (IsA(quals, BoolExpr) && ((BoolExpr *) quals)->boolop == AND_EXPR)
		add_ties(level, (Node *) ((BoolExpr *) quals)->args, binding, binds_all);
	else if (IsA(quals, OpExpr) && is_equality(((OpExpr *) quals)->opno))
	{
		Leaf	   *a = anchor_of(level, linitial(((OpExpr *) quals)->args));
		Leaf	   *b = anchor_of(level, lsecond(((OpExpr *) quals)->args));
		Tie		   *tie;

		if (a == NULL || b == NULL || a == b)
			return;
		tie = palloc(sizeof(Tie));
		tie->a = a->index;
		tie->b = b->index;
		tie->binds_a = binds_all || list_member_ptr(binding, a);
		tie->binds_b = binds_all || list_member_ptr(binding, b);
		level->ties = lappend(level->ties, tie);
	}
}

/* leaves and ties below a node of the join tree; false: not proved */
static bool
walk_joins(Level *level, Node *node, bool nullable)
{
	check_stack_depth();
	if (node == NULL)
		return true;
	if (IsA(node, RangeTblRef))
		return add_leaf(level, ((RangeTblRef *) node)->rtindex, nullable);
	if (IsA(node, FromExpr))
	{
		ListCell   *lc;

		foreach(lc, ((FromExpr *) node)->fromlist)
			if (!walk_joins(level, lfirst(lc), nullable))
				return false;
		if (unsafe_walker(((FromExpr *) node)->quals, level))
			return false;
		add_ties(level, ((FromExpr *) node)->quals, NIL, true);
		return true;
	}
	if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;
		List	   *before = list_copy(level->leaves);
		List	   *middle;
		List	   *binding = NIL;

		if (join->jointype != JOIN_INNER && join->jointype != JOIN_LEFT && join->jointype != JOIN_RIGHT)
			return false;
		if (!walk_joins(level, join->larg, nullable || join->jointype == JOIN_RIGHT))
			return false;
		middle = list_copy(level->leaves);
		if (!walk_joins(level, join->rarg, nullable || join->jointype == JOIN_LEFT))
			return false;
		if (unsafe_walker(join->quals, level))
			return false;
		if (join->jointype == JOIN_LEFT)
			binding = list_difference_ptr(level->leaves, middle);
		else if (join->jointype == JOIN_RIGHT)
			binding = list_difference_ptr(middle, before);
		add_ties(level, join->quals, binding, join->jointype == JOIN_INNER);
		return true;
	}
	return false;
}

/* whether all leaves are of one person in each row */
static bool
all_tied(Level *level)
{
	Leaf	   *first = NULL;
	bool		again = true;
	ListCell   *lc;

	foreach(lc, level->leaves)
		if (first == NULL && !((Leaf *) lfirst(lc))->nullable)
			first = lfirst(lc);
	if (first == NULL)
		return false;
	first->bound = true;
	while (again)
	{
		again = false;
		foreach(lc, level->ties)
		{
			Tie		   *tie = lfirst(lc);
			Leaf	   *a = find_leaf(level, tie->a);
			Leaf	   *b = find_leaf(level, tie->b);

			if (a->bound == b->bound)
				continue;
			/* what is never null is bound only by what is never null, and by a condition on all rows */
			if (a->bound ? (b->nullable ? tie->binds_b : !a->nullable && tie->binds_a && tie->binds_b)
				: (a->nullable ? tie->binds_a : !b->nullable && tie->binds_a && tie->binds_b))
				a->bound = b->bound = again = true;
		}
	}
	foreach(lc, level->leaves)
		if (!((Leaf *) lfirst(lc))->bound)
			return false;
	return true;
}

/* ---- queries ---- */

static bool
grouped_by_anchor(Level *level)
{
	Query	   *query = level->query;
	ListCell   *lc;

	foreach(lc, query->groupClause)
	{
		TargetEntry *entry = get_sortgroupclause_tle(lfirst(lc), query->targetList);
		Leaf	   *leaf = anchor_of(level, (Node *) entry->expr);

		if (leaf && !leaf->nullable)
			return true;
	}
	return false;
}

static Proof
prove_set_operation(Query *query, Level *level, Node *node)
{
	Proof		proof = {false};

	check_stack_depth();
	if (IsA(node, RangeTblRef))
	{
		RangeTblEntry *rte = rt_fetch(((RangeTblRef *) node)->rtindex, query->rtable);

		return rte->rtekind == RTE_SUBQUERY ? prove(rte->subquery, level) : proof;
	}
	if (IsA(node, SetOperationStmt))
	{
		Proof		left = prove_set_operation(query, level, ((SetOperationStmt *) node)->larg);
		Proof		right = prove_set_operation(query, level, ((SetOperationStmt *) node)->rarg);

		proof.sound = left.sound && right.sound;
		proof.persons = left.persons || right.persons;
		proof.anchors = !left.persons ? right.anchors : !right.persons ? left.anchors : bms_intersect(left.anchors, right.anchors);
		if (proof.persons && bms_is_empty(proof.anchors))
			proof.sound = false;
	}
	return proof;
}

static Proof
prove(Query *query, Level *parent)
{
	Level		level = {parent, query};
	Proof		proof = {false};
	ListCell   *lc;

	check_stack_depth();
	if (query->hasModifyingCTE || query->hasRecursive || query->onConflict || query->commandType == CMD_UTILITY ||
		query->hasForUpdate || query->rowMarks != NIL)
		return proof;
	if (query->setOperations)
	{
		if (query->limitCount || query->limitOffset)
			return proof;
		return prove_set_operation(query, &level, query->setOperations);
	}
	if (!walk_joins(&level, (Node *) query->jointree, false) ||
		unsafe_walker((Node *) query->targetList, &level) || unsafe_walker(query->havingQual, &level) ||
		unsafe_walker(query->limitCount, &level) || unsafe_walker(query->limitOffset, &level))
		return proof;
	proof.persons = level.leaves != NIL;
	if (!proof.persons)
	{
		proof.sound = true;
		return proof;
	}
	if (query->limitCount || query->limitOffset || query->hasWindowFuncs || query->hasDistinctOn ||
		query->groupingSets != NIL || !all_tied(&level) ||
		((query->hasAggs || query->groupClause != NIL || query->havingQual) && !grouped_by_anchor(&level)))
		return proof;
	foreach(lc, query->targetList)
	{
		TargetEntry *entry = lfirst(lc);
		Leaf	   *leaf = entry->resjunk ? NULL : anchor_of(&level, (Node *) entry->expr);

		if (leaf && !leaf->nullable)
			proof.anchors = bms_add_member(proof.anchors, entry->resno);
	}

	/* a row that stays keeps its person, unless it is given another's pseudonym */
	if (query->commandType == CMD_UPDATE || query->commandType == CMD_DELETE)
	{
		Leaf	   *target = find_leaf(&level, query->resultRelation);
		int			column = -1;

		if (target == NULL || target->nullable)
			return proof;
		foreach(lc, query->commandType == CMD_UPDATE ? query->targetList : NIL)
		{
			TargetEntry *entry = lfirst(lc);

			if (!entry->resjunk && bms_is_member(entry->resno, target->anchors) &&
				!bms_is_member(entry->resno, proof.anchors))
				return proof;
		}
		proof.anchors = NULL;
		while ((column = bms_next_member(target->anchors, column)) >= 0)
			proof.anchors = bms_add_member(proof.anchors, column);
	}
	proof.sound = !bms_is_empty(proof.anchors);
	return proof;
}

/* ---- what is made of more than one person, but of nothing that the statement does not read ---- */

static bool
elsewhere_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	check_stack_depth();
	switch (nodeTag(node))
	{
		case T_NextValueExpr:
		case T_CurrentOfExpr:
		case T_XmlExpr:
		case T_TableFunc:
			return true;
		case T_Query:
			return ((Query *) node)->commandType != CMD_SELECT || query_tree_walker((Query *) node, elsewhere_walker, context, 0);
		default:
			break;
	}
	if (check_functions_in_node(node, unsafe_function, context))
		return true;
	return expression_tree_walker(node, elsewhere_walker, context);
}

Provenance
provenance_of_query(Query *query, uint32 *columns)
{
	Proof		proof;
	int			column = -1;

	*columns = 0;
	if (query->commandType != CMD_SELECT && query->commandType != CMD_INSERT &&
		query->commandType != CMD_UPDATE && query->commandType != CMD_DELETE)
		return MADE_MIXED;
	proof = prove(query, NULL);
	if (proof.sound && !proof.persons)
		return MADE_FREE;
	while (proof.sound && (column = bms_next_member(proof.anchors, column)) >= 0)
		if (column <= COLUMNS_MAX)
			*columns |= (uint32) 1 << (column - 1);
	if (proof.sound && *columns != 0)
		return MADE_OF_ONE;
	*columns = 0;
	return query->hasModifyingCTE || query_tree_walker(query, elsewhere_walker, query, 0) ? MADE_MIXED : MADE_OF_READ;
}

static bool
constant_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	check_stack_depth();
	if (IsA(node, WithCheckOption))
		return false;			/* niji's own, on the table that is written */
	if (IsA(node, Const))
		return true;
	if (IsA(node, Param))
		return ((Param *) node)->paramkind == PARAM_EXTERN;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		ListCell   *lc;

		/* what stands in a permit's view was written by niji */
		foreach(lc, query->rtable)
		{
			RangeTblEntry *rte = lfirst(lc);

			if (rte->rtekind == RTE_RELATION && permit_cache_role(niji_query_check_as_user(query, rte)) != NULL)
				return false;
		}
		if (query_tree_walker(query, constant_walker, context, QTW_IGNORE_RANGE_TABLE))
			return true;
		foreach(lc, query->rtable)
		{
			RangeTblEntry *rte = lfirst(lc);

			/* not the policies of a workspace's tables */
			if (rte->rtekind == RTE_RELATION ? rte->tablesample != NULL
				: range_table_entry_walker(rte, constant_walker, context, 0))
				return true;
		}
		return false;
	}
	return expression_tree_walker(node, constant_walker, context);
}

bool
provenance_is_plain(Query *query)
{
	return !constant_walker((Node *) query, NULL);
}

/* ---- notes ---- */

void
provenance_note(PlannedStmt *plan, Provenance made, uint32 columns, bool plain)
{
	PlanInvalItem *note;

	if (made == MADE_MIXED)
		return;
	note = makeNode(PlanInvalItem);
	note->cacheId = NOTE_CACHE;
	note->hashValue = made == MADE_FREE ? NOTE_FREE : made == MADE_OF_READ ? NOTE_READ : NOTE_ONE | (columns & NOTE_COLUMNS);
	if (plain)
		note->hashValue |= NOTE_PLAIN;
	plan->invalItems = lappend(plan->invalItems, note);
}

Provenance
provenance_of_plan(PlannedStmt *plan, uint32 *columns, bool *plain)
{
	ListCell   *lc;

	*columns = 0;
	*plain = false;
	foreach(lc, plan->invalItems)
	{
		PlanInvalItem *note = lfirst(lc);

		if (note->cacheId != NOTE_CACHE)
			continue;
		*columns = note->hashValue & NOTE_COLUMNS;
		*plain = (note->hashValue & NOTE_PLAIN) != 0;
		return note->hashValue & NOTE_ONE ? MADE_OF_ONE : note->hashValue & NOTE_READ ? MADE_OF_READ : MADE_FREE;
	}
	return MADE_MIXED;
}
