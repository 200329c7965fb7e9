/*
 * consent.h
 *    Start of the capability "consent", and what the permit's gate asks of it.
 */
#ifndef NIJI_CONSENT_H
#define NIJI_CONSENT_H

extern void consent_init(void);

/*
 * Raises 55000 when no consent set can be made for what the permit does with the dataset, 53200 for want of
 * memory.  Returns the override that sets consents aside, or 0.
 */
extern int64 consent_check(int permit, int dataset);

#endif							/* NIJI_CONSENT_H */
