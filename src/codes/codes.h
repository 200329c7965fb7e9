/*
 * codes.h
 *    Start of the capability "codes".
 */
#ifndef NIJI_CODES_H
#define NIJI_CODES_H

extern void codes_init(void);

#endif							/* NIJI_CODES_H */
