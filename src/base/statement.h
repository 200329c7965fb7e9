/*
 * statement.h
 *    Statements that touch protected relations, from their start to their end.
 *
 * This is where the executor meets niji.  Three capabilities take part, each
 * through a few function pointers that its init function sets:
 *
 *   permit   finds the datasets that a plan reads, and admits or refuses
 *   consent  (in niji.permitted()) adds the persons whose rows pass
 *   trail    records: opening entry before the first row, closing entry at the end
 */
#ifndef NIJI_STATEMENT_H
#define NIJI_STATEMENT_H

#include "base/compat.h"
#include "base/person_set.h"
#include "executor/execdesc.h"
#include "nodes/bitmapset.h"
#include "tcop/dest.h"

/* one protected relation that a statement reads */
typedef struct NijiRead
{
	int			dataset;		/* niji.dataset.id */
	char	   *name;			/* its name */
	Oid			relid;
	int			permit;			/* by which permit, 0: without one (a superuser) */
	Oid			role;			/* whose rights lend it (the permit's role), or InvalidOid */
	List	   *columns;		/* names of the selected columns, as char * */
	bool		workspace;		/* of a copy, in a table of the permit's workspace */
	int64		override;		/* that sets consents aside (niji.override.id), or 0 */
	PersonSet  *scanned;		/* NULL until niji.permitted() lets a row pass */
} NijiRead;

typedef struct NijiStatement
{
	struct NijiStatement *parent;	/* the protected statement inside which this one runs */
	struct NijiStatement *next; /* all live ones of this backend */
	MemoryContext context;		/* lives as long as the QueryDesc's estate */
	QueryDesc  *query;			/* NULL for a utility statement */
	uint64		serial;			/* never the same twice in a backend; 0 is nobody's */
	TimestampTz clock;			/* by which consents and permits are judged */
	List	   *reads;			/* of NijiRead */

	/* filled by permit */
	int			permit;			/* 0: without a permit */
	char	   *permit_code;
	int			domain;			/* of the permit's pseudonyms */

	/* filled by trail */
	uint64		entry;			/* spool number of the opening entry, 0: none yet */
	PersonSet  *shown;
	void	   *recorder;		/* the trail's own */
	bool		closed;

	/* filled by permit, for workspaces */
	int			workspace;		/* the permit whose workspace's tables it names, or 0 */
	bool		kept;			/* some of these keep persons */
	bool		finished;		/* the session knows whom it scanned */
	bool		parallel;		/* workers may have scanned */

	/* filled here */
	bool		worker;			/* this process is a parallel worker of the statement */
	uint64		cpu;			/* µs of running it, workers included, nested protected statements not */
	uint64		buffers;		/* the same of blocks touched */
	bool		explain_only;
	uint64		rows;			/* returned so far */
} NijiStatement;

typedef enum
{
	NIJI_COMPLETED,				/* ran, perhaps in part, and ended in order */
	NIJI_ABORTED				/* an error ended it */
} NijiOutcome;

/* set by permit; NULL as long as nobody protects anything */
typedef struct NijiGate
{
	/* whether a plan reads any protected relation or goes through a permit's view; called for every statement */
	bool		(*touches) (PlannedStmt *plan);

	/* the protected relations that it reads: List of NijiRead, allocated in the current context */
	List	   *(*find_reads) (PlannedStmt *plan);

	/*
	 * Checks that the session's user may: fills st->permit and its kin.  Raises 42501 or 55000 (after a
	 * "denied" entry).  "running" is false at ExecutorStart, true at each ExecutorRun, where it also binds
	 * the session to its permit.
	 */
	void		(*admit) (NijiStatement *st, bool running);

	/*
	 * Raises when the server would now send plans to the client; asked after each run of any statement while
	 * one under a permit is live, as its plan may be logged at its end.
	 */
	void		(*quiet) (void);

	/* it has run to its end, its persons are known: workspaces keep whom it was made from.  In the leader; may raise */
	void		(*finish) (NijiStatement *st);

	/* its estate goes away, in order or because of an error; must not raise */
	void		(*forget) (NijiStatement *st);

	/* in a parallel worker, at its end: whom it scanned, for the leader's session */
	void		(*worker_end) (NijiStatement *st);
} NijiGate;

/* set by trail */
typedef struct NijiRecorder
{
	/* before the first row can leave: the opening entry, durable; raises 55000 if it cannot be written */
	void		(*open) (NijiStatement *st);

	/* a receiver that passes rows on and collects the persons shown; returns dest itself if there is no need */
	DestReceiver *(*watch) (NijiStatement *st, DestReceiver *dest);

	/* after the last row; must not raise when outcome is NIJI_ABORTED */
	void		(*close) (NijiStatement *st, NijiOutcome outcome);

	/* in a parallel worker, at its end: st->entry is the leader's; hands over the persons it scanned */
	void		(*worker_end) (NijiStatement *st);
} NijiRecorder;

extern NijiGate niji_gate;
extern NijiRecorder niji_recorder;

/* µs of CPU that this session used so far, with its workers that have ended */
extern uint64 statement_cpu(void);

extern void statement_init(void);

/* raises when a statement under a permit is live and the server would send its plan to the client */
extern void statement_require_quiet(void);

/* the innermost protected statement that is running now, or NULL; asked for each row */
extern NijiStatement *statement_running;

static inline NijiStatement *
statement_current(void)
{
	return statement_running;
}

/* all that are live, newest first, by "next" */
extern NijiStatement *statement_live(void);

/* the same as statement_current(), or the one that is being started: what its expressions may do */
extern NijiStatement *statement_admitted(void);

/* the clock: that of the running statement, or the start of the outermost client statement */
extern TimestampTz statement_clock(void);

/*
 * For utility statements that read a protected relation without the executor (COPY table TO):
 * begin admits, opens and makes it current; end closes it.  In between use PG_TRY as usual; an
 * abort closes it as well.
 */
extern NijiStatement *statement_begin_utility(List *reads);
extern void statement_end_utility(NijiStatement *st, uint64 rows);

#endif							/* NIJI_STATEMENT_H */
