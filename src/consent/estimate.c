/*
 * estimate.c
 *    What the planner is told of niji.permitted(): the share of rows that it
 *    lets pass, and what it costs.
 *
 * The share comes from a set of the use, of this backend or a shared one, and from
 * the statistics of the column of persons.  A set counts the persons who are an
 * exception to its rule, out of all; the column may hold fewer.  Numbers of
 * persons are dense and in random order, so the greatest that the column's
 * statistics know of is about how many there are, and the exceptions are
 * spread over the column as over all.  Where statistics are missing the
 * estimate is what is usual.
 *
 * Readers see no estimates (EXPLAIN shows them no costs); the estimate is of
 * all persons, never of one.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_statistic.h"
#include "consent/set.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

PG_FUNCTION_INFO_V1(permitted_support);

/* what the planner assumes before a set exists */
#define SHARE_PERMITTED 0.95
#define SHARE_CONSENTED 0.1

/* what one test costs, in cpu_operator_cost: a little more than a comparison of numbers, which goes first */
#define TEST_COST 1.5

/* what a set of permitted(…, permit, dataset) says, if both are constants and there is one */
static bool
peek_call(List *args, bool *otherwise, int64 *exceptions)
{
	Node	   *permit;
	Node	   *dataset;

	if (list_length(args) < 3)
		return false;
	permit = lsecond(args);
	dataset = lthird(args);
	if (!IsA(permit, Const) || !IsA(dataset, Const) ||
		castNode(Const, permit)->constisnull || castNode(Const, dataset)->constisnull)
		return false;
	return set_peek(DatumGetInt32(castNode(Const, permit)->constvalue),
					DatumGetInt32(castNode(Const, dataset)->constvalue), otherwise, exceptions);
}

/* the greatest person that the column's statistics know of, or 0 */
static int32
greatest_person(const VariableStatData *column)
{
	static const int kinds[] = {STATISTIC_KIND_HISTOGRAM, STATISTIC_KIND_MCV};
	int32		greatest = 0;

	for (int i = 0; i < lengthof(kinds); i++)
	{
		AttStatsSlot slot;

		if (!get_attstatsslot(&slot, column->statsTuple, kinds[i], InvalidOid, ATTSTATSSLOT_VALUES))
			continue;
		for (int j = 0; j < slot.nvalues; j++)
			greatest = Max(greatest, DatumGetInt32(slot.values[j]));
		free_attstatsslot(&slot);
	}
	return greatest;
}

static Selectivity
share_permitted(SupportRequestSelectivity *request)
{
	bool		otherwise;
	int64		exceptions;
	VariableStatData column;
	Selectivity share;
	double		persons = 0;
	double		nulls = 0;

	if (!peek_call(request->args, &otherwise, &exceptions))
		return SHARE_PERMITTED;
	examine_variable(request->root, linitial(request->args), request->varRelid, &column);
	if (HeapTupleIsValid(column.statsTuple) && column.vartype == exprType(linitial(request->args)))
	{
		bool		is_default;

		nulls = ((Form_pg_statistic) GETSTRUCT(column.statsTuple))->stanullfrac;
		persons = get_variable_numdistinct(&column, &is_default);
		persons = Max(persons, greatest_person(&column));
	}
	ReleaseVariableStats(column);
	if (exceptions == 0)
		share = otherwise ? 1.0 : 0.0;
	else if (persons < 1)
		share = otherwise ? SHARE_PERMITTED : SHARE_CONSENTED;
	else
	{
		share = (double) exceptions / persons;
		CLAMP_PROBABILITY(share);
		if (otherwise)
			share = 1.0 - share;
	}
	share *= 1.0 - nulls;
	CLAMP_PROBABILITY(share);
	return share;
}

Datum
permitted_support(PG_FUNCTION_ARGS)
{
	Node	   *raw = (Node *) PG_GETARG_POINTER(0);

	if (IsA(raw, SupportRequestSelectivity))
	{
		SupportRequestSelectivity *request = (SupportRequestSelectivity *) raw;

		if (request->is_join)
			PG_RETURN_POINTER(NULL);
		request->selectivity = share_permitted(request);
		PG_RETURN_POINTER(request);
	}
	if (IsA(raw, SupportRequestCost))
	{
		SupportRequestCost *request = (SupportRequestCost *) raw;

		request->startup = 0;
		request->per_tuple = TEST_COST * cpu_operator_cost;
		PG_RETURN_POINTER(request);
	}
	PG_RETURN_POINTER(NULL);
}
