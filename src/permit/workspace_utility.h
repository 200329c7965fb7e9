/*
 * workspace_utility.h
 *    Utility statements on a workspace's tables: what the utility hook calls.
 *
 *    if (workspace_utility_begin(&use, pstmt, context))    raises what is not allowed
 *       PG_TRY: run it; PG_FINALLY: workspace_utility_restore(&use, done)
 *       workspace_utility_end(&use)
 */
#ifndef NIJI_WORKSPACE_UTILITY_H
#define NIJI_WORKSPACE_UTILITY_H

#include "permit/workspace.h"
#include "tcop/utility.h"

/* the relation that is being made in a workspace, and its oid once it is there */
typedef struct WorkspaceExpected
{
	int			permit;			/* 0: none */
	Oid			namespace;
	char		name[NAMEDATALEN];
	Oid			made;
} WorkspaceExpected;

typedef struct WorkspaceUse
{
	int			permit;			/* whose workspace it is about, or 0 */
	Oid			relid;			/* the table, if it exists already */
	Oid			made;			/* the table that was made */
	bool		protect;		/* the table is put under its policies in the end */
	bool		filled;			/* it was filled by a query */
	bool		dropped;		/* tables may be gone in the end */

	/* what nested statements restore */
	WorkspaceInto into;
	int			executes;
	WorkspaceExpected expected;
} WorkspaceUse;

/* false: there is nothing to restore and nothing to do in the end */
extern bool workspace_utility_begin(WorkspaceUse *use, PlannedStmt *pstmt, ProcessUtilityContext context);
extern void workspace_utility_restore(WorkspaceUse *use, bool done);
extern void workspace_utility_end(WorkspaceUse *use);

/* whether a table is being made in the workspace of the session's own permit */
extern bool workspace_utility_makes(void);

#endif							/* NIJI_WORKSPACE_UTILITY_H */
