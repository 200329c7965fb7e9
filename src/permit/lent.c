/*
 * lent.c
 *    Persons that somebody lends to a reader.
 *
 * What keeps niji.pseudonym() harmless is that a reader never has a person.
 * But loaders own tables of persons, beside the identifiers, and who owns a
 * table may grant it; a join of such a table with a permit's view would say
 * whose the pseudonyms are.  So a statement under a permit, and every statement
 * that runs inside it, takes persons (and physicians, records, households) from
 * datasets alone:
 *
 * - No column that holds them is read of any other relation.  This is asked at
 *   each start of the executor, of the plan, where functions were inlined and
 *   views expanded.  A person that a function returns was read by a statement
 *   of its own, inside this one, or before, and is in the plan then:
 *
 * - There is no constant, no parameter and no result of a function of these
 *   types: a view or a default that a loader made may hold a constant, a
 *   function that says of itself that it is immutable is called by the planner.
 *   Only what is not the server's or niji's own can bring these about, so only
 *   plans of such queries are looked through, as text, since no walker knows
 *   all kinds of plan nodes.
 *
 * niji's own queries and those of its definer functions are not asked.
 */
#include "postgres.h"

#include "access/transam.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/statement.h"
#include "catalog/pg_type.h"
#include "access/htup_details.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "permit/cache.h"
#include "permit/lent.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

static const char *const secret_names[] = {"person", "physician", "record", "household"};

static bool
is_secret(Oid type)
{
	for (int i = 0; i < lengthof(secret_names); i++)
		if (type == catalog_type(secret_names[i]))
			return true;
	return false;
}

/* whether values of the type hold persons, at any depth */
static bool
holds_secrets(Oid type)
{
	Oid			other;

	check_stack_depth();
	type = getBaseType(type);
	if (is_secret(type))
		return true;
	if (OidIsValid(other = get_element_type(type)) ||
		OidIsValid(other = get_range_subtype(type)) ||
		OidIsValid(other = get_multirange_range(type)))
		return holds_secrets(other);
	if (type >= FirstNormalObjectId && get_typtype(type) == TYPTYPE_COMPOSITE)
	{
		TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);

		for (int i = 0; i < desc->natts; i++)
			if (!TupleDescAttr(desc, i)->attisdropped && holds_secrets(TupleDescAttr(desc, i)->atttypid))
				return true;
	}
	return false;
}

static bool
column_holds_secrets(Oid relid, AttrNumber number)
{
	HeapTuple	tuple;
	Oid			type;

	if (number < 0)
		return false;
	if (number == 0)
		return OidIsValid(type = get_rel_type_id(relid)) && holds_secrets(type);
	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(number));
	if (!HeapTupleIsValid(tuple))
		return false;
	type = ((Form_pg_attribute) GETSTRUCT(tuple))->atttypid;
	ReleaseSysCache(tuple);
	return holds_secrets(type);
}

bool
lent_persons_read(PlannedStmt *plan)
{
	ListCell   *lc;

	if (superuser_arg(GetUserId()))
		return false;
	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);
		Bitmapset  *columns;
		int			bit = -1;

		/* a view's own columns are those of the relations below it, which have entries of their own */
		if (rte->rtekind != RTE_RELATION || rte->relkind == RELKIND_VIEW ||
			niji_rte_required_perms(plan, rte) == 0 || permit_cache_dataset(rte->relid) != NULL)
			continue;
		columns = niji_rte_selected_columns(plan, rte);
		while ((bit = bms_next_member(columns, bit)) >= 0)
			if (column_holds_secrets(rte->relid, bit + FirstLowInvalidHeapAttributeNumber))
				return true;
	}
	return false;
}

/* ---- what is in a query before it is planned, and in its plan ---- */

static bool
foreign_function(Oid function, void *context)
{
	return function >= FirstNormalObjectId && get_func_namespace(function) != catalog_namespace();
}

static bool
suspect_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Const))
		return !((Const *) node)->constisnull && ((Const *) node)->consttype >= FirstNormalObjectId &&
			holds_secrets(((Const *) node)->consttype);
	if (IsA(node, Param))
		return ((Param *) node)->paramkind == PARAM_EXTERN && ((Param *) node)->paramtype >= FirstNormalObjectId &&
			holds_secrets(((Param *) node)->paramtype);
	if (check_functions_in_node(node, foreign_function, context))
		return true;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, suspect_walker, context, 0);
	return expression_tree_walker(node, suspect_walker, context);
}

bool
lent_suspected(Query *query)
{
	return suspect_walker((Node *) query, NULL);
}

/* whether a field of nodes' text has this type in it */
static bool
has_field(const char *text, const char *field, Oid type)
{
	char	   *wanted = psprintf(" :%s %u ", field, type);
	bool		found = strstr(text, wanted) != NULL;

	pfree(wanted);
	return found;
}

bool
lent_persons_planned(PlannedStmt *plan)
{
	char	   *text = nodeToString(plan);
	bool		found = false;

	for (int i = 0; i < lengthof(secret_names) && !found; i++)
	{
		Oid			type = catalog_type(secret_names[i]);
		char	   *parameter = psprintf("{PARAM :paramkind %d ", (int) PARAM_EXTERN);

		found = has_field(text, "consttype", type) || has_field(text, "funcresulttype", type) ||
			has_field(text, "resulttype", type);
		for (char *at = text; !found && (at = strstr(at, parameter)) != NULL; at++)
		{
			char	   *end = strchr(at, '}');
			char	   *wanted = psprintf(" :paramtype %u ", type);
			char	   *hit = strstr(at, wanted);

			found = hit != NULL && end != NULL && hit < end;
			pfree(wanted);
		}
	}
	pfree(text);
	return found;
}

void
lent_refuse(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to use persons under a permit"),
			 errdetail("A statement under a permit takes persons from the permit's datasets alone.")));
}
