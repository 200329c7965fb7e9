/*
 * match.c
 *    Prefixes and patterns of codes: code <@ prefix, code ^@ prefix, code LIKE.
 *
 * All codes that begin with a prefix are a range of a btree (or BRIN) index.
 * The planner learns it from the support function of these operators, as it
 * does for LIKE on text: a constant prefix becomes two comparisons of codes, a
 * parameter two comparisons of codes with text.  The operators never raise for
 * any text, so they are leakproof, and the index is used below row level
 * security too, where that of LIKE on text would not be.
 *
 * Codes match in their canonical text: ICD-10 has no dot here.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/compat.h"
#include "catalog/pg_am.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "codes/pack.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(code_starts_with);
PG_FUNCTION_INFO_V1(prefix_of_code);
PG_FUNCTION_INFO_V1(code_matches);
PG_FUNCTION_INFO_V1(code_matches_not);
PG_FUNCTION_INFO_V1(code_prefix_support);
PG_FUNCTION_INFO_V1(code_like_support);
PG_FUNCTION_INFO_V1(code_prefix_sel);
PG_FUNCTION_INFO_V1(code_like_sel);
PG_FUNCTION_INFO_V1(code_not_like_sel);

/* ---- the operators' functions ---- */

static bool
starts_with(int64 packed, text *prefix)
{
	char		value[CODE_MAX_LENGTH + 1];
	int			length = code_unpack(packed, value);
	int			wanted = VARSIZE_ANY_EXHDR(prefix);

	return wanted <= length && memcmp(value, VARDATA_ANY(prefix), wanted) == 0;
}

static bool
matches(int64 packed, text *pattern)
{
	char		value[CODE_MAX_LENGTH + 1];
	int			length = code_unpack(packed, value);

	return code_like(value, length, VARDATA_ANY(pattern), VARSIZE_ANY_EXHDR(pattern));
}

/* code <@ prefix, code ^@ prefix */
Datum
code_starts_with(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(starts_with(PG_GETARG_INT64(0), PG_GETARG_TEXT_PP(1)));
}

/* prefix @> code */
Datum
prefix_of_code(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(starts_with(PG_GETARG_INT64(1), PG_GETARG_TEXT_PP(0)));
}

/* code ~~ pattern, which LIKE is */
Datum
code_matches(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(matches(PG_GETARG_INT64(0), PG_GETARG_TEXT_PP(1)));
}

/* code !~~ pattern */
Datum
code_matches_not(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!matches(PG_GETARG_INT64(0), PG_GETARG_TEXT_PP(1)));
}

/* ---- what the planner is told ---- */

/* an expression "code op bound", or NULL when the family has no such operator */
static Expr *
bound_clause(Oid family, int strategy, Node *code, Node *bound)
{
	Oid			opno = get_opfamily_member(family, exprType(code), exprType(bound), strategy);
	Expr	   *clause;

	if (!OidIsValid(opno))
		return NULL;
	clause = make_opclause(opno, BOOLOID, false, (Expr *) code, (Expr *) bound,
						   InvalidOid, exprType(bound) == TEXTOID ? C_COLLATION_OID : InvalidOid);
	((OpExpr *) clause)->opfuncid = get_opcode(opno);
	return clause;
}

static Node *
code_const(Oid type, int64 packed)
{
	return (Node *) makeConst(type, -1, InvalidOid, sizeof(int64), Int64GetDatum(packed),
							  false, FLOAT8PASSBYVAL);
}

/* prefix || '~', a text after all codes that begin with the prefix */
static Node *
after_prefix(Node *prefix)
{
	FuncExpr   *call;
	Node	   *last = (Node *) makeConst(TEXTOID, -1, C_COLLATION_OID, -1,
										  PointerGetDatum(cstring_to_text("~")), false, false);

	call = makeFuncExpr(F_TEXTCAT, TEXTOID, list_make2(copyObject(prefix), last),
						C_COLLATION_OID, C_COLLATION_OID, COERCE_EXPLICIT_CALL);
	return (Node *) call;
}

/*
 * The range of an index that "code starts with prefix" (or, with like, "code
 * LIKE prefix") reads; NIL when there is none.  *exact: the range is all of the
 * condition.
 */
static List *
range_clauses(Oid family, Node *code, Node *prefix, bool like, bool *exact)
{
	Oid			type = exprType(code);
	Expr	   *from;
	Expr	   *to;
	int64		low,
				high;
	text	   *value;
	char	   *bytes;
	size_t		length;

	*exact = false;
	if (!IsA(prefix, Const))
	{
		if (like)
			return NIL;
		from = bound_clause(family, BTGreaterEqualStrategyNumber, code, copyObject(prefix));
		to = bound_clause(family, BTLessEqualStrategyNumber, code, after_prefix(prefix));
		return from && to ? list_make2(from, to) : NIL;
	}
	if (((Const *) prefix)->constisnull || ((Const *) prefix)->consttype != TEXTOID)
		return NIL;
	value = DatumGetTextPP(((Const *) prefix)->constvalue);
	bytes = VARDATA_ANY(value);
	length = VARSIZE_ANY_EXHDR(value);
	*exact = true;
	if (like)
	{
		char	   *begin = palloc(length + 1);

		length = code_like_prefix(bytes, length, begin, exact);
		bytes = begin;
	}
	if (length == 0)
		return NIL;
	/* no code has such characters: an empty range */
	if (!code_prefix_range(bytes, length, &low, &high))
		low = high = 0;
	from = bound_clause(family, BTGreaterEqualStrategyNumber, code, code_const(type, low));
	if (high >= CODE_END)
		return from ? list_make1(from) : NIL;
	to = bound_clause(family, BTLessStrategyNumber, code, code_const(type, high));
	return from && to ? list_make2(from, to) : NIL;
}

/* the two arguments of an operator's or a function's call */
static List *
call_arguments(Node *node)
{
	if (is_opclause(node))
		return ((OpExpr *) node)->args;
	if (is_funcclause(node))
		return ((FuncExpr *) node)->args;
	return NIL;
}

static Node *
index_condition(SupportRequestIndexCondition *request, bool like)
{
	List	   *arguments = call_arguments(request->node);
	Node	   *code,
			   *prefix;
	bool		exact;
	List	   *clauses;

	if (list_length(arguments) != 2 ||
		(request->index->relam != BTREE_AM_OID && request->index->relam != BRIN_AM_OID))
		return NULL;
	code = list_nth(arguments, request->indexarg);
	prefix = list_nth(arguments, 1 - request->indexarg);
	if (exprType(prefix) != TEXTOID || !is_pseudo_constant_for_index(request->root, prefix, request->index))
		return NULL;
	clauses = range_clauses(request->opfamily, code, prefix, like, &exact);
	if (clauses != NIL)
		request->lossy = !exact;
	return (Node *) clauses;
}

Datum
code_prefix_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestIndexCondition))
		PG_RETURN_POINTER(index_condition((SupportRequestIndexCondition *) request, false));
	PG_RETURN_POINTER(NULL);
}

Datum
code_like_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestIndexCondition))
		PG_RETURN_POINTER(index_condition((SupportRequestIndexCondition *) request, true));
	PG_RETURN_POINTER(NULL);
}

/* what a prefix or pattern selects is what its range selects */
static double
prefix_selectivity(FunctionCallInfo fcinfo, bool like)
{
	PlannerInfo *root = (PlannerInfo *) PG_GETARG_POINTER(0);
	List	   *arguments = (List *) PG_GETARG_POINTER(2);
	int			relid = PG_GETARG_INT32(3);
	Node	   *code = linitial(arguments);
	Node	   *prefix = lsecond(arguments);
	bool		exact;
	List	   *clauses;

	if (exprType(code) == TEXTOID)
	{
		Node	   *other = code;

		code = prefix;
		prefix = other;
	}
	prefix = estimate_expression_value(root, prefix);
	if (!IsA(prefix, Const))
		return DEFAULT_MATCH_SEL;
	if (((Const *) prefix)->constisnull)
		return 0.0;
	clauses = range_clauses(lookup_type_cache(exprType(code), TYPECACHE_BTREE_OPFAMILY)->btree_opf,
							code, prefix, like, &exact);
	if (clauses == NIL)
		return like ? DEFAULT_MATCH_SEL : 1.0;
	return clauselist_selectivity(root, clauses, relid, JOIN_INNER, NULL);
}

Datum
code_prefix_sel(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(prefix_selectivity(fcinfo, false));
}

Datum
code_like_sel(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(prefix_selectivity(fcinfo, true));
}

Datum
code_not_like_sel(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(1.0 - prefix_selectivity(fcinfo, true));
}
