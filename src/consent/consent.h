/*
 * consent.h
 *    Start of the capability "consent", and what the permit's gate asks of it.
 */
#ifndef NIJI_CONSENT_H
#define NIJI_CONSENT_H

#include "nodes/pg_list.h"

extern void consent_init(void);

/*
 * Raises 55000 when no consent set can be made for what the permit does with the dataset, 53200 for want of
 * memory.  Returns the override that sets consents aside, or 0.
 */
extern int64 consent_check(int permit, int dataset);

/* a permit's domain of pseudonyms and its datasets with persons; false if it is not in force.  Set by permit, which lies below */
extern bool (*consent_permit_data) (int permit, int *domain, List **datasets);

#endif							/* NIJI_CONSENT_H */
