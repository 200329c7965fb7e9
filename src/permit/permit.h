/*
 * permit.h
 *    Start of the capability "permit", and its parts' starts.
 */
#ifndef NIJI_PERMIT_H
#define NIJI_PERMIT_H

extern void permit_init(void);

extern void gate_init(void);	/* gate.c */
extern void utility_init(void); /* utility.c */
extern void guard_init(void);	/* guard.c */
extern void ranges_init(void);	/* ranges.c */

#endif							/* NIJI_PERMIT_H */
