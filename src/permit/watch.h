/*
 * watch.h
 *    Changes of what protects, as acts of the trail.
 */
#ifndef NIJI_WATCH_H
#define NIJI_WATCH_H

#include "nodes/plannodes.h"

/* an ALTER TABLE is about to run on it: not all of its kinds are told of by the server */
extern void watch_relation(Oid relid);

/* before a utility statement of any kind runs */
extern void watch_utility(PlannedStmt *pstmt);

/* before any statement runs */
extern void watch_statement(void);

extern void watch_init(void);

#endif							/* NIJI_WATCH_H */
