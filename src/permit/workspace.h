/*
 * workspace.h
 *    Tables of readers' own: who may use them, and from whom they were made.
 */
#ifndef NIJI_WORKSPACE_H
#define NIJI_WORKSPACE_H

#include "base/statement.h"
#include "permit/provenance.h"

/* a table that is being made in a workspace, by CREATE TABLE AS; nested ones save and restore it */
typedef struct WorkspaceInto
{
	int			permit;			/* whose workspace; 0: none is being made */
	bool		client;			/* the client itself asks for it */
	bool		planned;		/* its own query has been, or will not be, planned here */
	Provenance	made;			/* of its query, by the planner, and when that has ended */
	uint32		columns;
	bool		ended;			/* it ran as a statement under the permit */
	List	   *sets;			/* whom it scanned: of SessionSet, for the transaction's time */
} WorkspaceInto;

extern WorkspaceInto workspace_into;

/* how many EXECUTE statements are running whose parameters somebody else than the client may have computed */
extern int	workspace_executes;

/* the permit whose workspace's tables a plan names; 0: of none, -1: of several */
extern int	workspace_of_plan(PlannedStmt *plan);

/* adds what a plan reads of a workspace's tables: a read of each dataset of the permit */
extern List *workspace_add_reads(PlannedStmt *plan, List *reads);

/* whether all that a plan changes is in the workspace of the permit */
extern bool workspace_holds_targets(PlannedStmt *plan, int permit);

/* before it runs: 55000 if somebody from whom one of the tables was made now forbids it */
extern void workspace_admit(NijiStatement *st);

/* whether it matters how the rows of a query that is about to be planned are made */
extern bool workspace_wants_note(Query *query);

/* a table's columns of type niji.pseudonym */
extern Bitmapset *workspace_pseudonyms(Oid relid);

/* columns of a workspace's table that name the person of each row; false if its rows are not one person's */
extern bool workspace_anchors(Oid relid, bool *persons, Bitmapset **anchors);

/* what was written into the table now was made like this, by a statement that scanned these */
extern void workspace_keep(Oid relid, Provenance made, uint32 columns, List *sets);

extern void workspace_init(void);

extern void workspace_utility_init(void);	/* workspace_utility.c */

#endif							/* NIJI_WORKSPACE_H */
