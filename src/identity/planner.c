/*
 * planner.c
 *    What the planner makes of comparisons of pseudonyms.
 *
 * A permit's view shows niji.pseudonym(person, d) as pid.  As it is, "pid = x"
 * would encrypt every row, so it is undone:
 *
 *   pseudonym(p, d) = x                   p = make_probe(x, d)
 *   pseudonym(a, d) = pseudonym(b, d)     a = b
 *   pseudonym(p, d) = any (list)          p = any (make_probes(list, d))
 *   and <> as the NOT of the first two, <> all (list) as that of the third
 *
 * x may be a text, or an expression of other relations.  All of these are
 * strict on both sides in the same arguments, so nulls stay what they were;
 * pseudonym() is a bijection, so equality does; and what is not a pseudonym
 * of d is unequal (see probe.c).  The domain has to be a constant, as it is in
 * a permit's view, or a parameter.
 *
 * The first two are done by support functions of the equality operators, which
 * the planner calls while it simplifies expressions: after views were expanded
 * and pulled up.  It asks no support function about = ANY.  So a planner hook
 * first turns "pid = any (list)" into a call of pseudonym_any(), whose support
 * function gives either the form above or, when no person can come to light
 * any more, = ANY again, for which PostgreSQL knows better ways to execute it.
 *
 * Objects are found by name, where only a superuser can make them: types and
 * functions in schema niji, the operators of pseudonyms in pg_catalog.  Other
 * functions of these names, in other schemas, mean nothing here.  The oids are
 * remembered until a function, operator or schema changes; without the
 * extension in the database every query is left as it is.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "access/htup_details.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "identity/grouping.h"
#include "identity/planner.h"
#include "identity/pseudonym.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

typedef struct Objects
{
	Oid			person;			/* types */
	Oid			pseudonym;
	Oid			probe;
	Oid			make_pseudonym; /* functions */
	Oid			pseudonym_text;
	Oid			text_pseudonym;
	Oid			make_probe;
	Oid			make_probe_text;
	Oid			make_probes;
	Oid			make_probes_text;
	Oid			any;
	Oid			any_text;
	Oid			group_by_person;
	Oid			person_eq;		/* operators */
	Oid			person_eq_probe;
	Oid			person_group_eq;
	Oid			pseudonym_eq;
	Oid			pseudonym_eq_text;
	Oid			pseudonym_ne;
	Oid			pseudonym_ne_text;
} Objects;

static Objects objects;
static bool looked_up = false;
static bool complete = false;
static bool watching = false;

static planner_hook_type prev_planner = NULL;

PG_FUNCTION_INFO_V1(pseudonym_eq_support);
PG_FUNCTION_INFO_V1(pseudonym_ne_support);
PG_FUNCTION_INFO_V1(pseudonym_any_support);

/* ---- niji's objects ---- */

static void
objects_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	looked_up = false;
}

static Oid
function(const char *name, Oid schema, int nargs, Oid a, Oid b)
{
	Oid			types[2] = {a, b};

	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
						   PointerGetDatum(buildoidvector(types, nargs)), ObjectIdGetDatum(schema));
}

static Oid
equality(const char *name, Oid schema, Oid left, Oid right)
{
	return GetSysCacheOid4(OPERNAMENSP, Anum_pg_operator_oid, CStringGetDatum(name),
						   ObjectIdGetDatum(left), ObjectIdGetDatum(right), ObjectIdGetDatum(schema));
}

static bool
look_up(void)
{
	Objects		o;
	Oid			niji;

	if (looked_up)
		return complete;
	if (!watching)
	{
		CacheRegisterSyscacheCallback(PROCOID, objects_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(OPEROID, objects_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, objects_changed, (Datum) 0);
		watching = true;
	}

	/* set first: a change that arrives while looking is not lost */
	looked_up = true;
	complete = false;
	niji = catalog_namespace();
	if (!OidIsValid(niji))
		return false;
	o.person = catalog_type("person");
	o.pseudonym = catalog_type("pseudonym");
	o.probe = catalog_type("probe");
	if (!OidIsValid(o.person) || !OidIsValid(o.pseudonym) || !OidIsValid(o.probe))
		return false;
	o.pseudonym_eq = equality("=", PG_CATALOG_NAMESPACE, o.pseudonym, o.pseudonym);
	o.pseudonym_eq_text = equality("=", PG_CATALOG_NAMESPACE, o.pseudonym, TEXTOID);
	o.pseudonym_ne = get_negator(o.pseudonym_eq);
	o.pseudonym_ne_text = get_negator(o.pseudonym_eq_text);
	o.person_eq = equality("=", PG_CATALOG_NAMESPACE, o.person, o.person);
	o.person_eq_probe = equality("=", niji, o.person, o.probe);
	o.person_group_eq = equality("==", niji, o.person, o.person);
	o.make_pseudonym = function("pseudonym", niji, 2, o.person, INT4OID);
	o.pseudonym_text = function("pseudonym_text", niji, 1, o.pseudonym, InvalidOid);
	o.text_pseudonym = function("text_pseudonym", niji, 1, TEXTOID, InvalidOid);
	o.make_probe = function("make_probe", niji, 2, o.pseudonym, INT4OID);
	o.make_probe_text = function("make_probe", niji, 2, TEXTOID, INT4OID);
	o.make_probes = function("make_probes", niji, 2, get_array_type(o.pseudonym), INT4OID);
	o.make_probes_text = function("make_probes", niji, 2, TEXTARRAYOID, INT4OID);
	o.any = function("pseudonym_any", niji, 2, o.pseudonym, get_array_type(o.pseudonym));
	o.any_text = function("pseudonym_any_text", niji, 2, o.pseudonym, TEXTARRAYOID);
	o.group_by_person = function("group_by_person", niji, 1, INTERNALOID, InvalidOid);
	if (!OidIsValid(o.pseudonym_eq) || !OidIsValid(o.pseudonym_eq_text) ||
		!OidIsValid(o.person_eq) || !OidIsValid(o.person_eq_probe) || !OidIsValid(o.person_group_eq) ||
		!OidIsValid(o.make_pseudonym) || !OidIsValid(o.pseudonym_text) ||
		!OidIsValid(o.text_pseudonym) || !OidIsValid(o.make_probe) ||
		!OidIsValid(o.make_probe_text) || !OidIsValid(o.make_probes) ||
		!OidIsValid(o.make_probes_text) || !OidIsValid(o.any) || !OidIsValid(o.any_text) ||
		!OidIsValid(o.group_by_person))
		return false;
	objects = o;
	complete = true;
	return true;
}

/* ---- building expressions ---- */

static Node *
call(Oid function, Oid type, List *args)
{
	return (Node *) makeFuncExpr(function, type, args, InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

static Node *
operation(Oid operator, Node *left, Node *right)
{
	OpExpr	   *op = (OpExpr *) make_opclause(operator, BOOLOID, false, (Expr *) left, (Expr *) right,
											  InvalidOid, InvalidOid);

	op->opfuncid = get_opcode(operator);
	return (Node *) op;
}

static Node *
any_operation(Oid operator, Node *left, Node *array)
{
	ScalarArrayOpExpr *op = makeNode(ScalarArrayOpExpr);

	op->opno = operator;
	op->opfuncid = get_opcode(operator);
	op->useOr = true;
	op->inputcollid = InvalidOid;
	op->args = list_make2(left, array);
	op->location = -1;
	return (Node *) op;
}

/* whether this is niji.pseudonym(person, domain), with a domain that is the same for all rows */
static bool
is_pseudonym(Node *node, Node **person, Node **domain)
{
	FuncExpr   *func = (FuncExpr *) node;

	if (node == NULL || !IsA(node, FuncExpr) || func->funcid != objects.make_pseudonym)
		return false;
	*person = linitial(func->args);
	*domain = lsecond(func->args);
	if (IsA(*domain, Const))
		return !((Const *) *domain)->constisnull;
	return IsA(*domain, Param) && ((Param *) *domain)->paramkind == PARAM_EXTERN;
}

/*
 * What a grouped column stands for, or the node itself.  Grouping by pseudonym
 * is grouping by person, so a condition on groups may name the person; unless
 * grouping sets make nulls of it.
 */
static Node *
ungrouped(PlannerInfo *root, Node *node)
{
	Var		   *var = (Var *) node;
	List	   *expressions;

	if (!IsA(node, Var) || var->varlevelsup > 0 || var->varno <= 0 ||
		var->varno > list_length(root->parse->rtable) || root->parse->groupingSets != NIL)
		return node;
	expressions = niji_group_expressions(rt_fetch(var->varno, root->parse->rtable));
	if (var->varattno <= 0 || var->varattno > list_length(expressions))
		return node;
	return niji_flatten_join_aliases(root, copyObject(list_nth(expressions, var->varattno - 1)));
}

/* the pseudonym inside its cast to text and behind its grouping, or the node itself */
static Node *
uncovered(PlannerInfo *root, Node *node)
{
	if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcid == objects.pseudonym_text)
		node = linitial(((FuncExpr *) node)->args);
	return ungrouped(root, node);
}

static Node *
probe_of(PlannerInfo *root, Node *value, Node *domain)
{
	Oid			function = exprType(value) == objects.pseudonym ? objects.make_probe : objects.make_probe_text;

	return eval_const_expressions(root, call(function, objects.probe, list_make2(value, copyObject(domain))));
}

static Node *
probes_of(PlannerInfo *root, Node *array, Node *domain, bool is_text)
{
	Oid			function = is_text ? objects.make_probes_text : objects.make_probes;

	return eval_const_expressions(root, call(function, get_array_type(objects.probe),
											 list_make2(array, copyObject(domain))));
}

/* left = right, of which one is a pseudonym and the other a pseudonym or a text; NULL to leave it */
static Node *
simplify_equality(PlannerInfo *root, Node *left, Node *right)
{
	Node	   *a = uncovered(root, left);
	Node	   *b = uncovered(root, right);
	Node	   *person,
			   *domain,
			   *other_person,
			   *other_domain;
	bool		a_is = is_pseudonym(a, &person, &domain);
	bool		b_is = is_pseudonym(b, &other_person, &other_domain);

	/* a bijection within one domain; a parameter might be null, which makes both sides null */
	if (a_is && b_is && IsA(domain, Const) && equal(domain, other_domain))
		return operation(objects.person_eq, person, other_person);

	/* with two of different domains either may be undone */
	if (b_is && !a_is)
	{
		Node	   *swap = a;

		a = b;
		b = swap;
		person = other_person;
		domain = other_domain;
		a_is = true;
	}
	if (a_is)
	{
		if (contain_volatile_functions(b))
			return NULL;
		return operation(objects.person_eq_probe, person, probe_of(root, b, domain));
	}

	/* a column of pseudonyms and a text: as pseudonyms, whose equality can hash, merge and use an index */
	if (exprType(left) == TEXTOID)
	{
		Node	   *swap = left;

		left = right;
		right = swap;
	}
	if (exprType(right) == TEXTOID && IsA(right, FuncExpr) &&
		((FuncExpr *) right)->funcid == objects.pseudonym_text)
		return operation(objects.pseudonym_eq, left, linitial(((FuncExpr *) right)->args));
	if (exprType(right) == TEXTOID && IsA(right, Const) && !((Const *) right)->constisnull)
	{
		Node	   *value = eval_const_expressions(root, call(objects.text_pseudonym, objects.pseudonym,
															 list_make1(right)));

		if (IsA(value, Const) && !((Const *) value)->constisnull)
			return operation(objects.pseudonym_eq, left, value);
	}
	return NULL;
}

/* pseudonym = text on an index of pseudonyms: search for the text's pseudonym; null finds nothing, as it should */
static Node *
index_condition(SupportRequestIndexCondition *request)
{
	List	   *args;
	Node	   *key;
	Node	   *text;

	if (is_opclause(request->node))
		args = ((OpExpr *) request->node)->args;
	else if (IsA(request->node, FuncExpr))
		args = ((FuncExpr *) request->node)->args;
	else
		return NULL;
	if (list_length(args) != 2)
		return NULL;
	key = list_nth(args, request->indexarg);
	text = list_nth(args, 1 - request->indexarg);
	if (exprType(key) != objects.pseudonym || exprType(text) != TEXTOID ||
		get_op_opfamily_strategy(objects.pseudonym_eq, request->opfamily) == 0 ||
		!is_pseudo_constant_for_index(request->root, text, request->index))
		return NULL;
	request->lossy = false;
	return (Node *) list_make1(operation(objects.pseudonym_eq, key,
										 call(objects.text_pseudonym, objects.pseudonym, list_make1(text))));
}

Datum
pseudonym_eq_support(PG_FUNCTION_ARGS)
{
	Node	   *raw = (Node *) PG_GETARG_POINTER(0);
	Node	   *result = NULL;

	if (IsA(raw, SupportRequestSimplify) && look_up())
	{
		SupportRequestSimplify *request = (SupportRequestSimplify *) raw;

		/* only in queries: stored expressions keep what was written */
		if (request->root != NULL)
			result = simplify_equality(request->root, linitial(request->fcall->args),
									   lsecond(request->fcall->args));
	}
	else if (IsA(raw, SupportRequestIndexCondition) && look_up())
		result = index_condition((SupportRequestIndexCondition *) raw);
	PG_RETURN_POINTER(result);
}

Datum
pseudonym_ne_support(PG_FUNCTION_ARGS)
{
	Node	   *raw = (Node *) PG_GETARG_POINTER(0);
	Node	   *result = NULL;

	if (IsA(raw, SupportRequestSimplify) && look_up())
	{
		SupportRequestSimplify *request = (SupportRequestSimplify *) raw;
		Node	   *left = linitial(request->fcall->args);
		Node	   *right = lsecond(request->fcall->args);
		Node	   *person,
				   *domain;

		/* columns of pseudonyms have a <> of their own, which is better than a NOT */
		if (request->root != NULL &&
			(is_pseudonym(uncovered(request->root, left), &person, &domain) ||
			 is_pseudonym(uncovered(request->root, right), &person, &domain)))
			result = simplify_equality(request->root, left, right);
		if (result)
			result = (Node *) makeBoolExpr(NOT_EXPR, list_make1(result), -1);
	}
	PG_RETURN_POINTER(result);
}

/*
 * Whether the expression still stands for a sub-query's output, so that a call
 * of pseudonym() may yet come to light when it is pushed down.
 */
static bool
refers_to_subquery(Node *node, void *context)
{
	PlannerInfo *root = context;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (var->varlevelsup > 0)
			return true;
		if (var->varno <= 0 || var->varno > list_length(root->parse->rtable))
			return false;
		return rt_fetch(var->varno, root->parse->rtable)->rtekind == RTE_SUBQUERY;
	}
	return expression_tree_walker(node, refers_to_subquery, root);
}

Datum
pseudonym_any_support(PG_FUNCTION_ARGS)
{
	Node	   *raw = (Node *) PG_GETARG_POINTER(0);
	SupportRequestSimplify *request = (SupportRequestSimplify *) raw;
	Node	   *left,
			   *array,
			   *person,
			   *domain;
	bool		is_text;

	if (!IsA(raw, SupportRequestSimplify) || request->root == NULL || !look_up())
		PG_RETURN_POINTER(NULL);
	left = linitial(request->fcall->args);
	array = lsecond(request->fcall->args);
	is_text = request->fcall->funcid == objects.any_text;
	if (is_pseudonym(ungrouped(request->root, left), &person, &domain) &&
		!contain_volatile_functions(array))
		PG_RETURN_POINTER(any_operation(objects.person_eq_probe, person,
										probes_of(request->root, array, domain, is_text)));
	if (refers_to_subquery(left, request->root))
		PG_RETURN_POINTER(NULL);
	PG_RETURN_POINTER(any_operation(is_text ? objects.pseudonym_eq_text : objects.pseudonym_eq, left, array));
}

/* ---- = ANY, and <> ALL, which is its NOT ---- */

static inline bool
is_any_of_pseudonyms(Node *node)
{
	ScalarArrayOpExpr *op = (ScalarArrayOpExpr *) node;

	return IsA(node, ScalarArrayOpExpr) &&
		(op->useOr ? op->opno == objects.pseudonym_eq || op->opno == objects.pseudonym_eq_text
		 : op->opno == objects.pseudonym_ne || op->opno == objects.pseudonym_ne_text);
}

static bool
has_any(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, has_any, context, 0);
	if (is_any_of_pseudonyms(node))
		return true;
	return expression_tree_walker(node, has_any, context);
}

static Node *
replace_any(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
		return (Node *) query_tree_mutator((Query *) node, replace_any, context, 0);
	if (is_any_of_pseudonyms(node))
	{
		ScalarArrayOpExpr *op = (ScalarArrayOpExpr *) node;
		List	   *args = (List *) expression_tree_mutator((Node *) op->args, replace_any, context);
		bool		is_text = op->opno == objects.pseudonym_eq_text || op->opno == objects.pseudonym_ne_text;
		Node	   *any = call(is_text ? objects.any_text : objects.any, BOOLOID, args);

		/* where no person comes to light the planner makes <> ALL of it again */
		return op->useOr ? any : (Node *) makeBoolExpr(NOT_EXPR, list_make1(any), -1);
	}
	return expression_tree_mutator(node, replace_any, context);
}

/* ---- what grouping.c asks ---- */

Oid
planner_pseudonym_type(void)
{
	return objects.pseudonym;
}

Oid
planner_group_equality(void)
{
	return objects.person_group_eq;
}

Node *
planner_person_behind(PlannerInfo *root, Node *node)
{
	Node	   *person,
			   *domain;

	/* a parameter might be null, which makes one group of all */
	if (look_up() && is_pseudonym(ungrouped(root, node), &person, &domain) && IsA(domain, Const))
		return person;
	return NULL;
}

Node *
planner_marker(uint64 number)
{
	return call(objects.group_by_person, BOOLOID,
				list_make1(makeConst(INTERNALOID, -1, InvalidOid, sizeof(Datum), UInt64GetDatum(number),
									 false, true)));
}

bool
planner_is_marker(Node *node, uint64 *number)
{
	FuncExpr   *func = (FuncExpr *) node;
	Const	   *value;

	if (!IsA(node, FuncExpr) || !look_up() || func->funcid != objects.group_by_person ||
		list_length(func->args) != 1 || !IsA(linitial(func->args), Const))
		return false;
	value = linitial(func->args);
	*number = DatumGetUInt64(value->constvalue);
	return !value->constisnull;
}

static PlannedStmt *
plan(Query *parse, const char *query_string, int cursorOptions, ParamListInfo boundParams)
{
	if (parse->commandType != CMD_UTILITY && IsTransactionState() && look_up())
	{
		if (has_any((Node *) parse, NULL))
			parse = (Query *) replace_any((Node *) parse, NULL);
		grouping_mark(parse);
	}
	if (prev_planner)
		return prev_planner(parse, query_string, cursorOptions, boundParams);
	return standard_planner(parse, query_string, cursorOptions, boundParams);
}

void
planner_init(void)
{
	prev_planner = planner_hook;
	planner_hook = plan;
}
