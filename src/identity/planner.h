/*
 * planner.h
 *    What the planner makes of comparisons of pseudonyms.
 */
#ifndef NIJI_PLANNER_H
#define NIJI_PLANNER_H

extern void planner_init(void);

#endif							/* NIJI_PLANNER_H */
