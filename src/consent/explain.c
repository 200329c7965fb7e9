/*
 * explain.c
 *    niji.decide_consent(): what the filter answers for a person, and why.
 *
 * The same rows and the same rule as for a set, but with one person's facts
 * only, and with the reason kept.  Notices whose waiting is not over are facts
 * too here, so that "waiting" can be told from "not notified".
 *
 * When the answer changes by itself is found by asking again, for each later
 * moment at which something begins or ends, until the answer or its reason is
 * another one.  The row for all other holders counts changes of holders that
 * have no row of their own: they are answered by it now.
 *
 * niji.decide_consent_by_pseudonym() is for who may not have a person: it takes
 * a pseudonym, and nothing that it gives tells who it is.
 */
#include "postgres.h"

#include "base/duty.h"
#include "base/statement.h"
#include "base/shmem.h"
#include "consent/row.h"
#include "fmgr.h"
#include "funcapi.h"
#include "identity/domain.h"
#include "identity/merge.h"
#include "identity/pseudonym.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(decide_consent);
PG_FUNCTION_INFO_V1(decide_consent_by_pseudonym);

#define DECIDE_COLUMNS 10

/* a fact, with its end: of a person whatever covers the use, in force or not */
typedef struct Dated
{
	ConsentFact fact;
	TimestampTz until;
} Dated;

typedef struct Facts
{
	const ConsentRule *rule;
	TimestampTz now;			/* the statement's */
	Dated	   *dated;
	int			count;
	int			room;
	ConsentFact *in_force;		/* room for those of one moment */
	TimestampTz *moments;		/* later than now, ascending */
	int			nmoments;
} Facts;

static bool
collect_fact(const ConsentEvent *event, void *arg)
{
	Facts	   *facts = arg;

	if (facts->count == facts->room)
	{
		facts->room = facts->room ? facts->room * 2 : 16;
		facts->dated = facts->dated ? repalloc(facts->dated, facts->room * sizeof(Dated))
			: palloc(facts->room * sizeof(Dated));
	}
	facts->dated[facts->count].fact = event->fact;
	facts->dated[facts->count++].until = event->until;
	return true;
}

static void
decide_at(const Facts *facts, TimestampTz at, int holder, ConsentVerdict *verdict)
{
	TimestampTz judged = consent_clock(&facts->rule->use, at);
	int			n = 0;

	for (int i = 0; i < facts->count; i++)
	{
		const Dated *dated = &facts->dated[i];

		if (dated->fact.kind == FACT_NOTICE || (dated->fact.from <= judged && judged < dated->until))
			facts->in_force[n++] = dated->fact;
	}
	consent_decide(&facts->rule->use, at, facts->in_force, n, holder, verdict);
}

static int
compare_moments(const void *a, const void *b)
{
	TimestampTz x = *(const TimestampTz *) a;
	TimestampTz y = *(const TimestampTz *) b;

	return (x > y) - (x < y);
}

static void
note_moment(Facts *facts, TimestampTz at)
{
	if (at > facts->now && at != DT_NOEND)
		facts->moments[facts->nmoments++] = at;
}

/* the moments at which an answer may change by itself */
static void
find_moments(Facts *facts)
{
	const ConsentUse *use = &facts->rule->use;

	facts->moments = palloc((2 * facts->count + 1) * sizeof(TimestampTz));
	if (use->basis == BASIS_NOT_REQUIRED)
		return;
	if (consent_overridden(use, facts->now))
		note_moment(facts, use->override_until);
	if (!use->at_grant)
		for (int i = 0; i < facts->count; i++)
		{
			note_moment(facts, facts->dated[i].fact.from);
			note_moment(facts, facts->dated[i].until);
		}
	qsort(facts->moments, facts->nmoments, sizeof(TimestampTz), compare_moments);
}

/* the first moment before "limit" at which the answer for the holder is another, or the limit */
static TimestampTz
find_change(const Facts *facts, int holder, const ConsentVerdict *now, TimestampTz limit)
{
	for (int i = 0; i < facts->nmoments && facts->moments[i] < limit; i++)
	{
		ConsentVerdict then;

		CHECK_FOR_INTERRUPTS();
		if (i > 0 && facts->moments[i] == facts->moments[i - 1])
			continue;
		decide_at(facts, facts->moments[i], holder, &then);
		if (then.permitted != now->permitted || then.reason != now->reason)
			return facts->moments[i];
	}
	return limit;
}

static void
put_number(Datum *value, bool *isnull, int64 number)
{
	*value = Int64GetDatum(number);
	*isnull = number == 0;
}

static void
put_answer(ReturnSetInfo *result, const Facts *facts, const ConsentVerdict *verdict, int holder, TimestampTz change)
{
	const ConsentUse *use = &facts->rule->use;
	TimestampTz judged = consent_clock(use, facts->now);
	Datum		values[DECIDE_COLUMNS];
	bool		nulls[DECIDE_COLUMNS] = {false};

	values[0] = Int32GetDatum(holder);
	nulls[0] = holder == 0;
	values[1] = BoolGetDatum(verdict->permitted);
	values[2] = CStringGetTextDatum(consent_reason(verdict->reason));
	put_number(&values[3], &nulls[3], use->rule);
	put_number(&values[4], &nulls[4], verdict->consent);
	put_number(&values[5], &nulls[5], verdict->lifted_by);
	put_number(&values[6], &nulls[6], verdict->notice);
	values[7] = TimestampTzGetDatum(judged);
	nulls[7] = TIMESTAMP_IS_NOBEGIN(judged);
	values[8] = TimestampTzGetDatum(change);
	nulls[8] = change == DT_NOEND;
	put_number(&values[9], &nulls[9], verdict->reason == REASON_OVERRIDDEN ? use->override : 0);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* all holders that the person's facts name, each once; returns how many */
static int
find_holders(const Facts *facts, int *holders)
{
	int			n = 0;

	for (int i = 0; i < facts->count; i++)
	{
		int			holder = facts->dated[i].fact.holder;
		bool		known = holder == 0;

		for (int j = 0; j < n && !known; j++)
			known = holders[j] == holder;
		if (!known)
			holders[n++] = holder;
	}
	return n;
}

static void
put_answers(FunctionCallInfo fcinfo, int32 person, int permit, int dataset)
{
	ReturnSetInfo *result;
	ConsentRule rule;
	ConsentVerdict other;
	ConsentVerdict verdict;
	TimestampTz change;
	Facts		facts = {0};
	int		   *holders;
	int			nholders;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	if (!row_read_use(permit, dataset, CurrentMemoryContext, &rule))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the permit does not give this dataset")));
	if (rule.use.basis == BASIS_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no rule for category \"%s\" and purpose \"%s\"",
						rule.use.category.data, rule.use.purpose.data),
				 errhint("Governance sets rules with niji.set_rule().")));
	facts.rule = &rule;
	facts.now = statement_clock();
	row_scan_person(&rule, GetActiveSnapshot(), person, collect_fact, &facts);
	facts.in_force = palloc(Max(facts.count, 1) * sizeof(ConsentFact));
	holders = palloc(Max(facts.count, 1) * sizeof(int));
	nholders = find_holders(&facts, holders);
	find_moments(&facts);

	decide_at(&facts, facts.now, 0, &other);
	change = find_change(&facts, 0, &other, DT_NOEND);
	for (int i = 0; i < nholders; i++)
	{
		decide_at(&facts, facts.now, holders[i], &verdict);
		if (verdict.permitted == other.permitted)
			change = find_change(&facts, holders[i], &verdict, change);
	}
	put_answer(result, &facts, &other, 0, change);
	for (int i = 0; i < nholders; i++)
	{
		decide_at(&facts, facts.now, holders[i], &verdict);
		if (verdict.permitted != other.permitted)
			put_answer(result, &facts, &verdict, holders[i],
					   find_change(&facts, holders[i], &verdict, DT_NOEND));
	}
}

/* niji.decide_consent(person, permit int, dataset int) */
Datum
decide_consent(PG_FUNCTION_ARGS)
{
	niji_require_preload();
	put_answers(fcinfo, PG_GETARG_INT32(0), PG_GETARG_INT32(1), PG_GETARG_INT32(2));
	PG_RETURN_VOID();
}

/* niji.decide_consent_by_pseudonym(pseudonym, domain int, permit int, dataset int) */
Datum
decide_consent_by_pseudonym(PG_FUNCTION_ARGS)
{
	Pseudonym  *pseudonym = PG_GETARG_PSEUDONYM_P(0);
	int			domain = PG_GETARG_INT32(1);
	PseudonymClass class;
	int64		person;

	niji_require_preload();
	duty_require(NIJI_GOVERNANCE | NIJI_CONSENT_OFFICER | NIJI_AUDITOR, "explain a consent");
	domain_require(domain);
	if (!domain_decrypt(domain, pseudonym->bytes, &class, &person) ||
		class != CLASS_PERSON || person <= 0 || person > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the pseudonym is not a person's pseudonym of this domain"),
				 errdetail("It is of another domain, of another class, or invented.")));
	put_answers(fcinfo, merge_current((int32) person), PG_GETARG_INT32(2), PG_GETARG_INT32(3));
	PG_RETURN_VOID();
}
