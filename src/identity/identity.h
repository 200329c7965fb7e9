/*
 * identity.h
 *    Start of the capability "identity".
 */
#ifndef NIJI_IDENTITY_H
#define NIJI_IDENTITY_H

extern void identity_init(void);

#endif							/* NIJI_IDENTITY_H */
