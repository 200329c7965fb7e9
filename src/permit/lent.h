/*
 * lent.h
 *    Persons that somebody lends to a reader.
 */
#ifndef NIJI_LENT_H
#define NIJI_LENT_H

#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"

/* whether a plan reads persons of a relation that is no dataset */
extern bool lent_persons_read(PlannedStmt *plan);

/* whether a query, not yet planned, may bring persons that come from no relation */
extern bool lent_suspected(Query *query);

/* whether a plan has persons in it that come from no relation */
extern bool lent_persons_planned(PlannedStmt *plan);

/* error 42501 */
pg_noreturn extern void lent_refuse(void);

#endif							/* NIJI_LENT_H */
