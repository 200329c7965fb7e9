/*
 * row.h
 *    Reading niji.consent, niji.notice, niji.consent_void and the use.
 */
#ifndef NIJI_ROW_H
#define NIJI_ROW_H

#include "access/transam.h"
#include "consent/decide.h"
#include "pgtime.h"
#include "utils/rel.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

/* a use with what it takes to read notices */
typedef struct ConsentRule
{
	ConsentUse	use;
	Interval	waiting;
	pg_tz	   *zone;			/* in which the waiting time is counted */
} ConsentRule;

/*
 * What a permit does with a dataset, as the active snapshot sees it, with the
 * rule for it; words are allocated in "context".  False if there is no such
 * use; basis BASIS_NONE if there is no rule.
 */
extern bool row_read_use(int permit, int dataset, MemoryContext context, ConsentRule *rule);
extern bool row_same_use(const ConsentRule *a, const ConsentRule *b);

/* a row that covers a use, whether in force or not, and not yet known whether it was voided */
typedef struct ConsentEvent
{
	ConsentFact fact;
	TimestampTz until;			/* DT_NOEND for none, and for notices */
	FullTransactionId xid;
	int64		voided;			/* for a voiding, the consent that it voids; else 0 */
} ConsentEvent;

/* false ends the scan */
typedef bool (*RowCallback) (const ConsentEvent *event, void *arg);

/* all rows that may play a part under the rule, by scans of the whole tables */
extern void row_scan_all(const ConsentRule *rule, Snapshot snapshot, RowCallback callback, void *arg);

/* the voided consents, ascending; allocated in the current context */
extern int64 *row_scan_voids(Snapshot snapshot, int *count);

/*
 * Rows written by "since" or later transactions, or by one transaction, by
 * index: consents and notices that cover, and all voidings.  The snapshot may
 * be SnapshotAny.  False if an index is missing.
 */
extern bool row_scan_since(const ConsentRule *rule, Snapshot snapshot, FullTransactionId since,
						   RowCallback callback, void *arg);
extern bool row_scan_transaction(const ConsentRule *rule, Snapshot snapshot, FullTransactionId xid,
								 RowCallback callback, void *arg);

/*
 * Consents that cover and name the use's permit or its dataset, by index.
 */
extern void row_scan_permit(const ConsentRule *rule, Snapshot snapshot, RowCallback callback, void *arg);
extern void row_scan_dataset(const ConsentRule *rule, Snapshot snapshot, RowCallback callback, void *arg);

/* one person's rows that cover and are not voided, by index */
extern void row_scan_person(const ConsentRule *rule, Snapshot snapshot, int32 person,
							RowCallback callback, void *arg);

/* whose consent it is; false if the snapshot does not see it */
extern bool row_consent_person(Snapshot snapshot, int64 consent, int32 *person);

#endif							/* NIJI_ROW_H */
