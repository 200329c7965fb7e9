/*
 * explain.c
 *    niji.decide_consent(): what the filter answers for a person, and why.
 *
 * The same rows and the same rule as for a set, but with one person's facts
 * only, and with the reason kept.  Notices whose waiting is not over are facts
 * too here, so that "waiting" can be told from "not notified".
 */
#include "postgres.h"

#include "base/statement.h"
#include "base/shmem.h"
#include "consent/row.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(decide_consent);

#define DECIDE_COLUMNS 10

typedef struct Facts
{
	bool		at_grant;
	TimestampTz clock;
	TimestampTz next;			/* when the answer may change by itself */
	ConsentFact *facts;
	int			count;
	int			room;
} Facts;

static void
note_moment(Facts *facts, TimestampTz at)
{
	if (!facts->at_grant && at > facts->clock && at < facts->next)
		facts->next = at;
}

static bool
collect_fact(const ConsentEvent *event, void *arg)
{
	Facts	   *facts = arg;

	note_moment(facts, event->fact.from);
	note_moment(facts, event->until);
	if (event->fact.kind != FACT_NOTICE &&
		(event->fact.from > facts->clock || event->until <= facts->clock))
		return true;
	if (facts->count == facts->room)
	{
		facts->room = facts->room ? facts->room * 2 : 16;
		facts->facts = facts->facts ? repalloc(facts->facts, facts->room * sizeof(ConsentFact))
			: palloc(facts->room * sizeof(ConsentFact));
	}
	facts->facts[facts->count++] = event->fact;
	return true;
}

static void
put_number(Datum *value, bool *isnull, int64 number)
{
	*value = Int64GetDatum(number);
	*isnull = number == 0;
}

static void
put_answer(ReturnSetInfo *result, const ConsentRule *rule, const Facts *facts,
		   const ConsentVerdict *verdict, int holder)
{
	Datum		values[DECIDE_COLUMNS];
	bool		nulls[DECIDE_COLUMNS] = {false};

	values[0] = Int32GetDatum(holder);
	nulls[0] = holder == 0;
	values[1] = BoolGetDatum(verdict->permitted);
	values[2] = CStringGetTextDatum(consent_reason(verdict->reason));
	put_number(&values[3], &nulls[3], rule->use.rule);
	put_number(&values[4], &nulls[4], verdict->consent);
	put_number(&values[5], &nulls[5], verdict->lifted_by);
	put_number(&values[6], &nulls[6], verdict->notice);
	values[7] = TimestampTzGetDatum(facts->clock);
	nulls[7] = TIMESTAMP_IS_NOBEGIN(facts->clock);
	values[8] = TimestampTzGetDatum(facts->next);
	nulls[8] = facts->next == DT_NOEND || rule->use.basis == BASIS_NOT_REQUIRED;
	put_number(&values[9], &nulls[9], verdict->reason == REASON_OVERRIDDEN ? rule->use.override : 0);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* niji.decide_consent(person, permit int, dataset int) */
Datum
decide_consent(PG_FUNCTION_ARGS)
{
	int32		person = PG_GETARG_INT32(0);
	int			permit = PG_GETARG_INT32(1);
	int			dataset = PG_GETARG_INT32(2);
	ConsentRule rule;
	ConsentVerdict other;
	ConsentVerdict verdict;
	Facts		facts = {0};

	niji_require_preload();
	InitMaterializedSRF(fcinfo, 0);
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
	facts.at_grant = rule.use.at_grant;
	facts.clock = consent_clock(&rule.use, statement_clock());
	facts.next = DT_NOEND;
	if (consent_overridden(&rule.use, statement_clock()))
		facts.next = rule.use.override_until;
	row_scan_person(&rule, GetActiveSnapshot(), person, collect_fact, &facts);

	consent_decide(&rule.use, statement_clock(), facts.facts, facts.count, 0, &other);
	put_answer((ReturnSetInfo *) fcinfo->resultinfo, &rule, &facts, &other, 0);
	for (int i = 0; i < facts.count; i++)
	{
		int			holder = facts.facts[i].holder;
		bool		known = holder == 0;

		for (int j = 0; j < i && !known; j++)
			known = facts.facts[j].holder == holder;
		if (!known &&
			consent_decide(&rule.use, statement_clock(), facts.facts, facts.count, holder, &verdict) != other.permitted)
			put_answer((ReturnSetInfo *) fcinfo->resultinfo, &rule, &facts, &verdict, holder);
	}
	PG_RETURN_VOID();
}
