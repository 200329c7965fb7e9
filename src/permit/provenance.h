/*
 * provenance.h
 *    Whether each row that a statement writes is made of one person's rows.
 */
#ifndef NIJI_PROVENANCE_H
#define NIJI_PROVENANCE_H

#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"

typedef enum
{
	MADE_MIXED = 0,				/* nothing can be said */
	MADE_OF_READ,				/* of what the statement itself reads, and of its constants and parameters */
	MADE_FREE,					/* of nothing that is protected */
	MADE_OF_ONE					/* each row of the rows of one person, whose pseudonym it carries */
} Provenance;

/* what a rewritten query, not yet planned, writes or selects; *columns: of MADE_OF_ONE, bit n - 1 for column n */
extern Provenance provenance_of_query(Query *query, uint32 *columns);

/* whether nobody's constants or parameters are in it: what is the same whoever sends it */
extern bool provenance_is_plain(Query *query);

/* leaves that with the plan, whose copies keep it; and finds it there */
extern void provenance_note(PlannedStmt *plan, Provenance made, uint32 columns, bool plain);
extern Provenance provenance_of_plan(PlannedStmt *plan, uint32 *columns, bool *plain);

#endif							/* NIJI_PROVENANCE_H */
