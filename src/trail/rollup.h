/*
 * rollup.h
 *    The writer's spare time: rolling up whose data were used.
 */
#ifndef NIJI_ROLLUP_H
#define NIJI_ROLLUP_H

/* the trail has grown */
extern void rollup_due(void);

/* in the writer, outside of a transaction: one portion, if it is time; true when there may be more */
extern bool rollup_turn(void);

#endif							/* NIJI_ROLLUP_H */
