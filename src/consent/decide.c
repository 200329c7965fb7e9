/*
 * decide.c
 *    The one decision rule about consents, as pure functions.
 *
 * A denial that covers the use forbids it, unless later the person permitted
 * the use by a consent of the same or a narrower scope.  Under not_required
 * consents play no part; under opt_out what is not forbidden is allowed; under
 * opt_out_after_notice a notice whose waiting time is over is needed as well;
 * under opt_in a covering permit is.
 *
 * "Later" is by (effective_from, id).  Scope S is the same as T or narrower if
 * S has, in every dimension that T names, the same value.  Here both cover one
 * use, so their values are the use's, and it comes down to sets of dimensions:
 * S names all that T names.  That is a partial order; nothing is weighed.
 *
 * An override that two officers have declared for a category and a purpose
 * (an emergency that a law names) sets consents aside until it ends, by the
 * clock of the statement even where consents are judged at the grant.
 *
 * The holder may be a property of the row.  Then the rule is applied for each
 * holder that the person's consents or notices name, and once for all others.
 *
 * Nothing here reads a table, a setting or a clock: the set builder, the
 * explanation and the tests all call the same functions.
 */
#include "postgres.h"

#include "consent/decide.h"

#define SCOPE_CATEGORY 0x01
#define SCOPE_PURPOSE 0x02
#define SCOPE_PERMIT 0x04
#define SCOPE_HOLDER 0x08
#define SCOPE_DATASET 0x10
#define SCOPE_RECIPIENT 0x20

static const char *const reasons[] = {
	[REASON_NOT_REQUIRED] = "consent is not required",
	[REASON_OVERRIDDEN] = "overridden",
	[REASON_NOT_GRANTED] = "the permit has not been granted",
	[REASON_DENIED] = "denied",
	[REASON_NOT_DENIED] = "not denied",
	[REASON_DENIAL_LIFTED] = "denial lifted",
	[REASON_NOT_NOTIFIED] = "not notified",
	[REASON_WAITING] = "waiting time not over",
	[REASON_NO_CONSENT] = "no consent",
	[REASON_CONSENTED] = "consented"
};

const char *
consent_reason(ConsentReason reason)
{
	return reasons[reason];
}

TimestampTz
consent_clock(const ConsentUse *use, TimestampTz clock)
{
	return use->at_grant ? use->granted_at : clock;
}

bool
consent_overridden(const ConsentUse *use, TimestampTz clock)
{
	return use->override != 0 && use->basis != BASIS_NOT_REQUIRED && clock < use->override_until;
}

bool
consent_recorded_in_time(const ConsentUse *use, TimestampTz recorded)
{
	return !use->at_grant || recorded <= use->granted_at;
}

/* whether a dimension that is a word leaves the use in; notes that it is named */
static inline bool
word_fits(ConsentWord named, ConsentWord used, uint8 dimension, uint8 *scope)
{
	if (named.data == NULL)
		return true;
	*scope |= dimension;
	return named.length == used.length && memcmp(named.data, used.data, used.length) == 0;
}

static inline bool
number_fits(int named, int used, uint8 dimension, uint8 *scope)
{
	if (named == 0)
		return true;
	*scope |= dimension;
	return named == used;
}

bool
consent_covers(const ConsentUse *use, const ConsentRow *row, ConsentFact *fact)
{
	uint8		scope = 0;

	if (!number_fits(row->permit, use->permit, SCOPE_PERMIT, &scope) ||
		!number_fits(row->dataset, use->dataset, SCOPE_DATASET, &scope) ||
		!word_fits(row->category, use->category, SCOPE_CATEGORY, &scope) ||
		!word_fits(row->purpose, use->purpose, SCOPE_PURPOSE, &scope) ||
		!word_fits(row->recipient_kind, use->recipient_kind, SCOPE_RECIPIENT, &scope))
		return false;
	if (!number_fits(row->holder, use->holder, SCOPE_HOLDER, &scope) && use->holder != 0)
		return false;
	fact->from = row->from;
	fact->id = row->id;
	fact->person = row->person;
	fact->holder = use->holder == 0 ? row->holder : 0;
	fact->kind = row->deny ? FACT_DENY : FACT_PERMIT;
	fact->scope = scope;
	return true;
}

bool
consent_notice_covers(const ConsentUse *use, ConsentWord category, int holder)
{
	uint8		scope = 0;

	return word_fits(category, use->category, SCOPE_CATEGORY, &scope) &&
		(use->holder == 0 || number_fits(holder, use->holder, SCOPE_HOLDER, &scope));
}

static inline bool
later(const ConsentFact *a, const ConsentFact *b)
{
	return a->from > b->from || (a->from == b->from && a->id > b->id);
}

static inline bool
about(const ConsentFact *fact, int holder)
{
	return fact->holder == 0 || fact->holder == holder;
}

/* the first permit that lifts a denial, or NULL */
static const ConsentFact *
find_lifter(const ConsentFact *denial, const ConsentFact *facts, int nfacts, int holder)
{
	for (int i = 0; i < nfacts; i++)
		if (facts[i].kind == FACT_PERMIT && about(&facts[i], holder) &&
			(facts[i].scope & denial->scope) == denial->scope && later(&facts[i], denial))
			return &facts[i];
	return NULL;
}

static bool
answer(ConsentVerdict *verdict, bool permitted, ConsentReason reason)
{
	if (verdict)
	{
		verdict->permitted = permitted;
		verdict->reason = reason;
	}
	return permitted;
}

bool
consent_decide(const ConsentUse *use, TimestampTz clock, const ConsentFact *facts, int nfacts,
			   int holder, ConsentVerdict *verdict)
{
	const ConsentFact *consented = NULL;
	const ConsentFact *notice = NULL;
	const ConsentFact *lifted = NULL;
	const ConsentFact *lifter = NULL;
	const ConsentFact *denied = NULL;

	if (verdict)
		memset(verdict, 0, sizeof(ConsentVerdict));
	if (use->basis == BASIS_NOT_REQUIRED)
		return answer(verdict, true, REASON_NOT_REQUIRED);
	if (consent_overridden(use, clock))
		return answer(verdict, true, REASON_OVERRIDDEN);
	if (use->at_grant && !use->granted)
		return answer(verdict, false, REASON_NOT_GRANTED);
	clock = consent_clock(use, clock);

	for (int i = 0; i < nfacts; i++)
	{
		const ConsentFact *fact = &facts[i];

		if (!about(fact, holder))
			continue;
		if (fact->kind == FACT_NOTICE)
		{
			if (notice == NULL || later(notice, fact))
				notice = fact;
		}
		else if (fact->kind == FACT_PERMIT)
		{
			if (consented == NULL || later(fact, consented))
				consented = fact;
		}
		else
		{
			const ConsentFact *permit = find_lifter(fact, facts, nfacts, holder);

			if (permit == NULL)
			{
				if (denied == NULL || later(fact, denied))
					denied = fact;
			}
			else if (lifted == NULL || later(fact, lifted))
			{
				lifted = fact;
				lifter = permit;
			}
		}
	}

	if (denied)
	{
		if (verdict)
			verdict->consent = denied->id;
		return answer(verdict, false, REASON_DENIED);
	}
	if (use->basis == BASIS_OPT_OUT_AFTER_NOTICE)
	{
		if (notice == NULL)
			return answer(verdict, false, REASON_NOT_NOTIFIED);
		if (verdict)
			verdict->notice = notice->id;
		if (notice->from > clock)
			return answer(verdict, false, REASON_WAITING);
	}
	if (use->basis == BASIS_OPT_IN)
	{
		if (consented == NULL)
			return answer(verdict, false, REASON_NO_CONSENT);
		if (verdict)
			verdict->consent = consented->id;
	}
	else if (use->basis != BASIS_OPT_OUT && use->basis != BASIS_OPT_OUT_AFTER_NOTICE)
		return answer(verdict, false, REASON_NO_CONSENT);	/* cannot happen: without a rule there is no set */
	if (lifted)
	{
		if (verdict)
		{
			verdict->consent = lifted->id;
			verdict->lifted_by = lifter->id;
		}
		return answer(verdict, true, REASON_DENIAL_LIFTED);
	}
	return answer(verdict, true, use->basis == BASIS_OPT_IN ? REASON_CONSENTED : REASON_NOT_DENIED);
}

bool
consent_decide_nobody(const ConsentUse *use, TimestampTz clock)
{
	return consent_decide(use, clock, NULL, 0, 0, NULL);
}
