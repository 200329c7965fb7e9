/*
 * consent.h
 *    Start of the capability "consent".
 */
#ifndef NIJI_CONSENT_H
#define NIJI_CONSENT_H

extern void consent_init(void);

#endif							/* NIJI_CONSENT_H */
