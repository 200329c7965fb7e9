/*
 * permit.h
 *    Start of the capability "permit".
 */
#ifndef NIJI_PERMIT_H
#define NIJI_PERMIT_H

extern void permit_init(void);

#endif							/* NIJI_PERMIT_H */
