/*
 * ranges.c
 *    Conditions on transformed columns as ranges of the columns themselves.
 *
 * A permit may show year(birth_date) as birth_date.  "birth_date = 1960" is
 * then a condition on year(), which no index on the date serves, prunes no
 * partition, and is estimated blindly.  All transforms but the prefecture of
 * an insurer never fall where their argument grows, so such a condition is a
 * range of the argument:
 *
 *   year(d) = 1960              d >= '1960-01-01' and d < '1961-01-01'
 *   month(d) >= '2024-04-01'    d >= '2024-04-01' and d < 'infinity'
 *   band(n, 5) < 60             n >= the least that has a band and n < 60
 *   prefix(code, 3) = 'E11'     code <@ 'E11'      (text ^@ 'E11' of a text)
 *   ... in (a, b)               the or of two
 *
 * A range begins at the least argument whose image is not below the value:
 * first_date(), first_number().  Both ends are always there, so that what has
 * no image (infinity) stays out.  The operators used are leakproof and belong to btree
 * families, so indexes, BRIN, partitions and statistics serve them also
 * under a policy.
 *
 * A row whose argument has no image makes the condition null, and the range
 * false.  So only what stands in WHERE and ON itself is replaced, or below
 * AND and OR there: in those places null and false are the same.  Below
 * NOT, in CASE or in a target list everything stays as it was.
 *
 * When: views have to be pulled up by then, and conditions not yet given to
 * their relations.  The planner calls get_relation_info_hook between the two,
 * for each relation of the query.  Only literals (and parameters of a custom
 * plan, which are literals by then) are replaced; a generic plan filters.
 * The functions are recognised by name in schema niji, where only a superuser
 * makes any.  year() and month() of a timestamptz are left as they are: their
 * zone may put the clock back over midnight.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/plancat.h"
#include "permit/permit.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/pg_locale.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

/* a list that is longer stays a list */
#define LONGEST_LIST 64

/* the least and the greatest finite date: whole days on either side of what date can be */
#define FIRST_DATE (DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE)
#define AFTER_DATES (DATE_END_JULIAN - POSTGRES_EPOCH_JDATE)

typedef enum
{
	TRANSFORM_NONE,
	TRANSFORM_YEAR,
	TRANSFORM_MONTH,
	TRANSFORM_BAND,
	TRANSFORM_PREFIX
} Transform;

static get_relation_info_hook_type prev_relation_info = NULL;

/* ---- where a range begins ---- */

/* the least date whose year (or month) is not below the value; beyond all dates: AFTER_DATES */
static int64
first_date(Transform transform, int64 value)
{
	int			year,
				month,
				day;

	if (transform == TRANSFORM_YEAR)
	{
		if (value > JULIAN_MAXYEAR)
			return AFTER_DATES;
		if (value <= JULIAN_MINYEAR)
			return FIRST_DATE;
		year = (int) value;
		month = 1;
	}
	else
	{
		if (value >= AFTER_DATES)
			return AFTER_DATES;
		if (value <= FIRST_DATE)
			return FIRST_DATE;
		j2date((int) value + POSTGRES_EPOCH_JDATE, &year, &month, &day);
		if (day > 1 && ++month > MONTHS_PER_YEAR)
		{
			month = 1;
			year++;
		}
	}
	return IS_VALID_JULIAN(year, month, 1)
		? Min((int64) date2j(year, month, 1) - POSTGRES_EPOCH_JDATE, AFTER_DATES) : AFTER_DATES;
}

/* the least number whose band is not below the value */
static int64
first_number(int64 value, int64 width)
{
	int64		rest = (value % width + width) % width;

	return rest == 0 ? value : value + width - rest;
}

/* ---- expressions ---- */

static Node *
operation(Oid opno, Node *left, Node *right, Oid collation)
{
	OpExpr	   *op;

	if (!OidIsValid(opno))
		return NULL;
	op = (OpExpr *) make_opclause(opno, BOOLOID, false, (Expr *) copyObject(left), (Expr *) right,
								  InvalidOid, collation);
	op->opfuncid = get_opcode(opno);
	return (Node *) op;
}

static Node *
both(Node *a, Node *b)
{
	return a && b ? (Node *) makeBoolExpr(AND_EXPR, list_make2(a, b), -1) : NULL;
}

static Node *
number_const(Oid type, int64 value)
{
	switch (type)
	{
		case DATEOID:
			return (Node *) makeConst(DATEOID, -1, InvalidOid, sizeof(DateADT),
									  DateADTGetDatum((DateADT) value), false, true);
		case TIMESTAMPOID:
			return (Node *) makeConst(TIMESTAMPOID, -1, InvalidOid, sizeof(Timestamp),
									  TimestampGetDatum(value), false, FLOAT8PASSBYVAL);
		default:
			return (Node *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64),
									  Int64GetDatum(value), false, FLOAT8PASSBYVAL);
	}
}

/* from <= argument < to */
static Node *
range(Node *argument, int64 from, int64 to)
{
	Oid			type = exprType(argument);
	Oid			other = type;
	int			above = BTGreaterEqualStrategyNumber;
	Oid			family = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf;

	if (type == DATEOID)
	{
		if (from == FIRST_DATE)
		{
			from = DATEVAL_NOBEGIN;
			above = BTGreaterStrategyNumber;
		}
		else if (from == AFTER_DATES)
			from = DATEVAL_NOEND;
		if (to == AFTER_DATES)
			to = DATEVAL_NOEND;
	}
	else if (type == TIMESTAMPOID)
	{
		int64		least = FIRST_DATE;
		int64		most = TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE;

		if (from <= least)
			above = BTGreaterStrategyNumber;
		from = from <= least ? DT_NOBEGIN : from >= most ? DT_NOEND : from * USECS_PER_DAY;
		to = to <= least ? DT_NOBEGIN : to >= most ? DT_NOEND : to * USECS_PER_DAY;
	}
	else
		other = INT8OID;
	return both(operation(get_opfamily_member(family, type, other, above), argument,
						  number_const(type, from), InvalidOid),
				operation(get_opfamily_member(family, type, other, BTLessStrategyNumber), argument,
						  number_const(type, to), InvalidOid));
}

/* an operator of pg_catalog */
static Oid
operator_named(const char *name, Oid left, Oid right)
{
	return GetSysCacheOid4(OPERNAMENSP, Anum_pg_operator_oid, CStringGetDatum(name),
						   ObjectIdGetDatum(left), ObjectIdGetDatum(right),
						   ObjectIdGetDatum(PG_CATALOG_NAMESPACE));
}

/* ---- transforms ---- */

/* what a call is, its argument (without widening), and its number if it has one */
static Transform
recognise(Node *node, Node **argument, int64 *number)
{
	FuncExpr   *call = (FuncExpr *) node;
	Transform	transform = TRANSFORM_NONE;
	char	   *name;
	Oid			type;

	if (node == NULL || !IsA(node, FuncExpr) || call->args == NIL || list_length(call->args) > 2 ||
		get_func_namespace(call->funcid) != catalog_namespace())
		return TRANSFORM_NONE;
	*argument = linitial(call->args);
	*number = 0;
	type = exprType(*argument);
	name = get_func_name(call->funcid);
	if (list_length(call->args) == 1)
	{
		if (type == DATEOID || type == TIMESTAMPOID)
			transform = strcmp(name, "year") == 0 ? TRANSFORM_YEAR : strcmp(name, "month") == 0 ? TRANSFORM_MONTH : TRANSFORM_NONE;
		return transform;
	}
	if (!IsA(lsecond(call->args), Const) || ((Const *) lsecond(call->args))->constisnull ||
		((Const *) lsecond(call->args))->consttype != INT4OID)
		return TRANSFORM_NONE;
	*number = DatumGetInt32(((Const *) lsecond(call->args))->constvalue);
	if (*number < 1)
		return TRANSFORM_NONE;
	if (strcmp(name, "prefix") == 0)
		return TRANSFORM_PREFIX;
	if (strcmp(name, "band") != 0 || type != INT4OID)
		return TRANSFORM_NONE;
	if (IsA(*argument, FuncExpr) && list_length(((FuncExpr *) *argument)->args) == 1 &&
		exprType(linitial(((FuncExpr *) *argument)->args)) == INT2OID)
		*argument = linitial(((FuncExpr *) *argument)->args);
	return TRANSFORM_BAND;
}

/* prefix(argument, length) = value */
static Node *
prefix_condition(Node *argument, int64 length, text *value, Oid collation)
{
	Oid			type = exprType(argument);
	Oid			opno = operator_named(type == TEXTOID ? "^@" : "<@", type, TEXTOID);
	char	   *bytes = VARDATA_ANY(value);
	int			size = VARSIZE_ANY_EXHDR(value);

	/* of another length it is no prefix, or all of a shorter value */
	if (pg_mbstrlen_with_len(bytes, size) != length ||
		(OidIsValid(collation) && !get_collation_isdeterministic(collation)))
		return NULL;
	return operation(opno, argument,
					 (Node *) makeConst(TEXTOID, -1, collation, -1, PointerGetDatum(value), false, false),
					 collation);
}

static bool
read_number(Oid type, Datum value, int64 *number)
{
	switch (type)
	{
		case INT2OID:
			*number = DatumGetInt16(value);
			return true;
		case INT4OID:
			*number = DatumGetInt32(value);
			return true;
		case INT8OID:
			*number = DatumGetInt64(value);
			return *number > PG_INT32_MIN && *number < PG_INT32_MAX;
		case DATEOID:
			*number = DatumGetDateADT(value);
			return true;
		default:
			return false;
	}
}

/* the condition "transform(argument) op value" as a range, or NULL */
static Node *
condition(Node *left, Oid opno, Oid collation, Oid type, Datum value)
{
	Node	   *argument;
	int64		number;
	int64		wanted;
	int64		from;
	int64		to;
	Transform	transform = recognise(left, &argument, &number);
	int			strategy;
	int64		least;
	int64		most;

	if (transform == TRANSFORM_NONE)
		return NULL;
	strategy = get_op_opfamily_strategy(opno, lookup_type_cache(exprType(left), TYPECACHE_BTREE_OPFAMILY)->btree_opf);
	if (strategy == 0)
		return NULL;
	if (transform == TRANSFORM_PREFIX)
		return type == TEXTOID && strategy == BTEqualStrategyNumber
			? prefix_condition(argument, number, DatumGetTextPP(value), collation) : NULL;
	if (!read_number(type, value, &wanted) || (transform == TRANSFORM_MONTH) != (type == DATEOID))
		return NULL;

	/* where images not below the value begin, and those above it */
	if (transform == TRANSFORM_BAND)
	{
		from = first_number(wanted, number);
		to = first_number(wanted + 1, number);
		least = first_number(PG_INT32_MIN, number);
		most = (int64) PG_INT32_MAX + 1;
	}
	else
	{
		from = first_date(transform, wanted);
		to = first_date(transform, wanted + 1);
		least = FIRST_DATE;
		most = AFTER_DATES;
	}
	switch (strategy)
	{
		case BTLessStrategyNumber:
			return range(argument, least, from);
		case BTLessEqualStrategyNumber:
			return range(argument, least, to);
		case BTEqualStrategyNumber:
			return range(argument, from, to);
		case BTGreaterEqualStrategyNumber:
			return range(argument, from, most);
		case BTGreaterStrategyNumber:
			return range(argument, to, most);
	}
	return NULL;
}

static Node *
comparison(OpExpr *op)
{
	Node	   *left;
	Node	   *right;
	Oid			opno = op->opno;

	if (list_length(op->args) != 2)
		return NULL;
	left = linitial(op->args);
	right = lsecond(op->args);
	if (IsA(left, Const))
	{
		Node	   *swap = left;

		left = right;
		right = swap;
		opno = get_commutator(opno);
	}
	if (!IsA(left, FuncExpr) || !IsA(right, Const) || ((Const *) right)->constisnull || !OidIsValid(opno))
		return NULL;
	return condition(left, opno, op->inputcollid, ((Const *) right)->consttype, ((Const *) right)->constvalue);
}

/* = any (list of literals): nulls in it make nothing true */
static Node *
list_comparison(ScalarArrayOpExpr *op)
{
	Node	   *left = linitial(op->args);
	Const	   *list = lsecond(op->args);
	ArrayType  *array;
	Datum	   *values;
	bool	   *nulls;
	int			count;
	int16		length;
	bool		by_value;
	char		align;
	List	   *terms = NIL;

	if (!op->useOr || !IsA(left, FuncExpr) || !IsA(list, Const) || list->constisnull)
		return NULL;
	array = DatumGetArrayTypeP(list->constvalue);
	if (ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) > LONGEST_LIST)
		return NULL;
	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, align, &values, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		Node	   *term;

		if (nulls[i])
			continue;
		term = condition(left, op->opno, op->inputcollid, ARR_ELEMTYPE(array), values[i]);
		if (term == NULL)
			return NULL;
		terms = lappend(terms, term);
	}
	if (terms == NIL)
		return NULL;
	return list_length(terms) == 1 ? linitial(terms) : (Node *) makeBoolExpr(OR_EXPR, terms, -1);
}

/* ---- where conditions stand ---- */

/* the node, or what stands for it */
static Node *
replace(Node *node)
{
	Node	   *found = NULL;
	ListCell   *cell;

	check_stack_depth();
	if (node == NULL)
		return NULL;
	switch (nodeTag(node))
	{
		case T_OpExpr:
			found = comparison((OpExpr *) node);
			break;
		case T_ScalarArrayOpExpr:
			found = list_comparison((ScalarArrayOpExpr *) node);
			break;
		case T_BoolExpr:
			if (((BoolExpr *) node)->boolop != NOT_EXPR)
				foreach(cell, ((BoolExpr *) node)->args)
					lfirst(cell) = replace(lfirst(cell));
			break;
		default:
			break;
	}
	return found ? found : node;
}

/* a list of conditions, all of which have to hold; ranges become two of its members */
static List *
replace_all(List *conditions)
{
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, conditions)
	{
		Node	   *node = replace(lfirst(cell));

		if (node && is_andclause(node))
			result = list_concat(result, ((BoolExpr *) node)->args);
		else
			result = lappend(result, node);
	}
	return result;
}

static void
replace_in_tree(Node *node)
{
	ListCell   *cell;

	check_stack_depth();
	if (node == NULL || IsA(node, RangeTblRef))
		return;
	if (IsA(node, FromExpr))
	{
		FromExpr   *from = (FromExpr *) node;

		foreach(cell, from->fromlist)
			replace_in_tree(lfirst(cell));
		if (from->quals && IsA(from->quals, List))
			from->quals = (Node *) replace_all((List *) from->quals);
	}
	else if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;

		replace_in_tree(join->larg);
		replace_in_tree(join->rarg);
		if (join->quals && IsA(join->quals, List))
			join->quals = (Node *) replace_all((List *) join->quals);
	}
}

static void
relation_info(PlannerInfo *root, Oid relation, bool inhparent, RelOptInfo *rel)
{
	if (prev_relation_info)
		prev_relation_info(root, relation, inhparent, rel);
	/* a second relation of the query finds nothing left to do */
	if (rel->reloptkind == RELOPT_BASEREL && OidIsValid(catalog_namespace()))
		replace_in_tree((Node *) root->parse->jointree);
}

void
ranges_init(void)
{
	prev_relation_info = get_relation_info_hook;
	get_relation_info_hook = relation_info;
}
