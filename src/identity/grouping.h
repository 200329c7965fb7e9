/*
 * grouping.h
 *    Grouping by pseudonym becomes grouping by person.
 */
#ifndef NIJI_GROUPING_H
#define NIJI_GROUPING_H

#include "nodes/parsenodes.h"

/* marks each level of the query that groups, partitions or counts by pseudonym; the query is changed in place */
extern void grouping_mark(Query *query);

#endif							/* NIJI_GROUPING_H */
