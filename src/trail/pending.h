/*
 * pending.h
 *    Changes and acts, from the commit of their transaction until they have
 *    their place in the trail.
 */
#ifndef NIJI_PENDING_H
#define NIJI_PENDING_H

#include "trail/entry.h"

/* shared memory; from _PG_init */
extern void pending_init(void);

/* ---- for any backend: an entry that commits with the transaction ---- */

/* without a private part the salt is not kept: the entry gets another one */
extern void pending_insert(const CborWriter *header, const uint8 salt[ENTRY_SALT_SIZE],
						   const CborWriter *private_part);

/* ---- for the writer process ---- */

/* whether there are committed ones */
extern bool pending_waiting(void);

/* moves up to so many, oldest first; whether there may be more.  Between entry_batch_begin() and _end(). */
extern bool pending_move(int limit);

/* the transaction that may have done either has ended */
extern void pending_moved(bool committed);

#endif							/* NIJI_PENDING_H */
