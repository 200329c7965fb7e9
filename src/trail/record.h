/*
 * record.h
 *    Entries that do not depend on a transaction: reads, attempts, events.
 *
 * They go through the spool (spool.h), so that they survive a rollback and a
 * read-only transaction, and the writer process moves them into the trail.
 */
#ifndef NIJI_RECORD_H
#define NIJI_RECORD_H

#include "base/statement.h"

/*
 * A refused attempt at a protected read: on disk before this returns.  It may
 * be called for a statement without permit and without reads.  Raises 55000
 * itself when the spool cannot take it.  The reason is public: it must not
 * name a person.
 */
extern void trail_record_denied(NijiStatement *st, const char *reason);

/*
 * Something else that belongs in the record ("explain", "mark", "setting"…).
 * The object is a public name, the detail is private; each may be NULL.
 * Not waited for.  Nothing is written on a standby or before the writer has come up.
 */
extern void trail_record_event(const char *kind, const char *object, const char *detail);

/* 55000, with what the DBA should do, when the spool cannot take entries */
extern void trail_require_writer(void);

/* how the trail sees pseudonyms: set by identity's init function, which lies above */
typedef struct TrailIdentity
{
	Oid			(*pseudonym_type) (void);

	/* whether it is the pseudonym of a person in this domain, and of whom; never raises for a value */
	bool		(*person_of) (int domain, const uint8 pseudonym[16], int32 *person);
} TrailIdentity;

extern TrailIdentity trail_identity;

#endif							/* NIJI_RECORD_H */
