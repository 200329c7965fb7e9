/*
 * trail.h
 *    Start of the capability "trail".
 */
#ifndef NIJI_TRAIL_H
#define NIJI_TRAIL_H

extern void trail_init(void);

#endif							/* NIJI_TRAIL_H */
