/*
 * decide.h
 *    The one decision rule about consents, as pure functions.
 */
#ifndef NIJI_DECIDE_H
#define NIJI_DECIDE_H

#include "datatype/timestamp.h"

typedef enum
{
	BASIS_NONE = 0,				/* no rule for this category and purpose */
	BASIS_NOT_REQUIRED,
	BASIS_OPT_OUT,
	BASIS_OPT_OUT_AFTER_NOTICE,
	BASIS_OPT_IN
} ConsentBasis;

/* a word of a code table; data is NULL for "any" */
typedef struct ConsentWord
{
	const char *data;
	int			length;
} ConsentWord;

/* what a permit does with a dataset, and the rule for it */
typedef struct ConsentUse
{
	int			permit;
	int			dataset;
	ConsentWord category;
	ConsentWord purpose;
	ConsentWord recipient_kind;
	int			holder;			/* 0: the row's own */
	int64		rule;
	ConsentBasis basis;
	bool		at_grant;
	bool		granted;
	TimestampTz granted_at;
	int64		override;		/* that is declared for category and purpose, or 0 */
	TimestampTz override_until; /* first moment when it no longer holds */
} ConsentUse;

/* a row of niji.consent; 0 and NULL words are "any" */
typedef struct ConsentRow
{
	int64		id;
	TimestampTz from;
	TimestampTz until;			/* first moment when it no longer holds, or DT_NOEND */
	TimestampTz recorded;
	int32		person;
	int			permit;
	int			holder;
	int			dataset;
	bool		deny;
	ConsentWord category;
	ConsentWord purpose;
	ConsentWord recipient_kind;
} ConsentRow;

typedef enum
{
	FACT_PERMIT,
	FACT_DENY,
	FACT_NOTICE
} ConsentFactKind;

/*
 * What is left of a consent or a notice that covers a use.  Since a covering
 * scope has the use's own value in every dimension that it names, the set of
 * named dimensions is all that has to be kept of it; and the holder, when that
 * depends on the row.
 */
typedef struct ConsentFact
{
	TimestampTz from;			/* of a notice: when the waiting is over */
	int64		id;
	int32		person;
	int32		holder;			/* 0: covers every row; else rows of this holder only */
	uint8		kind;			/* ConsentFactKind */
	uint8		scope;			/* the dimensions named */
} ConsentFact;

typedef enum
{
	REASON_NOT_REQUIRED,
	REASON_OVERRIDDEN,
	REASON_NOT_GRANTED,
	REASON_DENIED,
	REASON_NOT_DENIED,
	REASON_DENIAL_LIFTED,
	REASON_NOT_NOTIFIED,
	REASON_WAITING,
	REASON_NO_CONSENT,
	REASON_CONSENTED
} ConsentReason;

typedef struct ConsentVerdict
{
	bool		permitted;
	ConsentReason reason;
	int64		consent;		/* that decided, or 0 */
	int64		lifted_by;		/* the later permit that lifted it, or 0 */
	int64		notice;			/* that started the waiting, or 0 */
} ConsentVerdict;

/* what the use is judged by: its clock, or the time of the grant */
extern TimestampTz consent_clock(const ConsentUse *use, TimestampTz clock);

/* whether a row's scope covers the use (for some holder); fills everything of the fact */
extern bool consent_covers(const ConsentUse *use, const ConsentRow *row, ConsentFact *fact);

/* the same for a notice's category and holder */
extern bool consent_notice_covers(const ConsentUse *use, ConsentWord category, int holder);

/* whether what was recorded then may play a part */
extern bool consent_recorded_in_time(const ConsentUse *use, TimestampTz recorded);

/*
 * The decision for a row of "holder" (0: of a holder that no fact names).
 * facts are one person's, those in force; notices also when the waiting is not
 * over.  verdict may be NULL.
 */
extern bool consent_decide(const ConsentUse *use, TimestampTz clock, const ConsentFact *facts,
						   int nfacts, int holder, ConsentVerdict *verdict);

/* the answer for a person who gave no consent and got no notice */
extern bool consent_decide_nobody(const ConsentUse *use, TimestampTz clock);

/* whether an override sets consents aside at that time */
extern bool consent_overridden(const ConsentUse *use, TimestampTz clock);

extern const char *consent_reason(ConsentReason reason);

#endif							/* NIJI_DECIDE_H */
