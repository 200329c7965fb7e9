/*
 * entry.h
 *    Entries of the trail: their header's common fields, and putting them into
 *    the trail.
 *
 * The second half is for the writer process, inside its transaction:
 *
 *    if (entry_ready())
 *    {
 *       entry_batch_begin();
 *       entry_append(…) …
 *       pending_move(1000);
 *       entry_batch_end();
 *       sealed = seal_if_due(now);
 *    }
 *    commit;
 *    seal_deliver();        (each turn of the loop, outside of a transaction)
 *
 * and seal_reload() after the configuration was read anew.
 */
#ifndef NIJI_ENTRY_H
#define NIJI_ENTRY_H

#include "datatype/timestamp.h"
#include "trail/cbor.h"

#define ENTRY_SALT_SIZE 32

/*
 * Who does something: what all headers say.  Filling it looks into catalogs,
 * so that it must be done in a sound transaction; writing it does not.
 */
typedef struct EntryOrigin
{
	const char *session_user;
	const char *user;			/* of SET ROLE, not of a security definer function */
	const char *client;			/* address, "[local]", or "" for a background process */
	const char *application;
	int			pid;
} EntryOrigin;

/* strings are allocated in the current context */
extern void entry_origin_fill(EntryOrigin *origin);

/* writes v, kind, at and the origin into the open map */
extern void entry_put_common(CborWriter *w, const char *kind, TimestampTz at,
							 const EntryOrigin *origin);

/* a fresh random salt */
extern void entry_salt(uint8 salt[ENTRY_SALT_SIZE]);

/* PostgreSQL's time to µs since 1970 UTC, as in headers */
extern int64 entry_time(TimestampTz at);

/* ---- for the writer process ---- */

/* whether the trail has begun here; false while a dump is being restored: then do nothing at all */
extern bool entry_ready(void);

extern void entry_batch_begin(void);

/*
 * The next seq (from 0).  private_part may be NULL.  A header that is not a
 * deterministic map is kept as the private part of a "mark" instead.
 * The column spool is filled from the header: "spool" of an opening entry,
 * "open" of a closing one.
 */
extern int64 entry_append(const uint8 *header, Size header_length, const uint8 salt[ENTRY_SALT_SIZE],
						  const uint8 *private_part, Size private_length);

/* writes changed tiles; nothing may be appended after it in this transaction */
extern void entry_batch_end(void);

/* after end: signs a checkpoint when there is something new and the interval is over (or now) */
extern bool seal_if_due(bool now);

/* the size that is sealed, and whether a key is there (after seal_if_due) */
extern int64 seal_size(void);
extern bool seal_key_missing(void);

/* feeds niji.seal_command; never blocks, never raises */
extern void seal_deliver(void);

/* the settings may have changed: the seal key is read anew */
extern void seal_reload(void);

#endif							/* NIJI_ENTRY_H */
