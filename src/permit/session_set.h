/*
 * session_set.h
 *    Whom a session has scanned so far, dataset by dataset.
 */
#ifndef NIJI_SESSION_SET_H
#define NIJI_SESSION_SET_H

#include "base/statement.h"

typedef struct SessionSet
{
	int			dataset;
	PersonSet  *persons;
} SessionSet;

/* before a statement runs in which workers may scan */
extern void session_set_start(NijiStatement *st);

/* it has ended in order: what it and its workers scanned belongs to the session */
extern void session_set_finish(NijiStatement *st);

/* it is gone, perhaps because of an error; never raises */
extern void session_set_forget(NijiStatement *st);

/* in a worker: hands over what it scanned */
extern void session_set_worker_end(NijiStatement *st);

/* what a statement that has ended scanned, copied into the context */
extern List *session_set_of_statement(NijiStatement *st, MemoryContext context);

/*
 * All that the session scanned, and what statements that are still live have
 * scanned: List of SessionSet, allocated in the current context.  Raises 55000
 * when a part of it is not known.
 */
extern List *session_set_all(void);

extern void session_set_init(void);

#endif							/* NIJI_SESSION_SET_H */
