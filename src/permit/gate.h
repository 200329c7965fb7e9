/*
 * gate.h
 *    Who may read protected relations: what the utility hook shares with it.
 */
#ifndef NIJI_GATE_H
#define NIJI_GATE_H

#include "nodes/parsenodes.h"

/* an EXPLAIN that is running; nested ones save and restore it */
typedef struct GateExplain
{
	bool		active;
	bool		analyze;
	bool		costs_written;	/* COSTS ON is in the statement's text */
	bool		costs_off;		/* the plan is printed without them */
} GateExplain;

extern GateExplain gate_explain;

/* whether a rewritten query reads through a permit's view */
extern bool gate_query_under_permit(Query *query);

/* 42501 when this EXPLAIN would show what the filter withholds */
extern void gate_check_explain(void);

/* whether the session's user is bound to a permit, whose data must not be copied */
extern bool gate_session_bound(void);

/* the permit that the session is bound to, or 0 */
extern int	gate_bound_permit(void);

#endif							/* NIJI_GATE_H */
