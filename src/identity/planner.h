/*
 * planner.h
 *    What the planner makes of comparisons of pseudonyms.
 */
#ifndef NIJI_PLANNER_H
#define NIJI_PLANNER_H

#include "nodes/pathnodes.h"

/* the type niji.pseudonym; only after the hook has found niji in this database */
extern Oid	planner_pseudonym_type(void);

/* niji.==, equality of persons for hash tables of groups */
extern Oid	planner_group_equality(void);

/* what is grouped, when the node is niji.pseudonym(person, constant domain), behind its grouping; else NULL */
extern Node *planner_person_behind(PlannerInfo *root, Node *node);

/* a call of niji.group_by_person(), which marks a query (see grouping.c) */
extern Node *planner_marker(uint64 number);
extern bool planner_is_marker(Node *node, uint64 *number);

extern void planner_init(void);

#endif							/* NIJI_PLANNER_H */
