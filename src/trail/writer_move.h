/*
 * writer_move.h
 *    Moving the spool's records into the trail, within the writer's transaction.
 */
#ifndef NIJI_WRITER_MOVE_H
#define NIJI_WRITER_MOVE_H

#include "trail/spool.h"

/* whether the extension is here and its trail has begun; otherwise a sentence that says so */
extern const char *move_missing(void);

/*
 * Reads the trail's position and, if the spool is closed, reconciles it; the
 * spool is to be opened (*opened) once this is committed.
 */
extern void move_begin(bool *opened);

/* whether there is anything to do */
extern bool move_waiting(void);

/* moves up to so many records; false when the spool is empty.  Between entry_batch_begin() and _end(). */
extern bool move_records(int limit);

/* closes reads of earlier starts of the server, which nobody will close any more; true when it wrote */
extern bool move_lost_reads(void);

/* an entry for each of niji's settings that changed since the trail last heard of it; true when it wrote */
extern bool move_settings(void);

/* whether this transaction has taken nothing from the spool */
extern bool move_only_pending(void);

/* the position, into the table */
extern void move_end(void);

/* after the commit, and after an abort */
extern void move_committed(void);
extern void move_aborted(void);

/* the record at which the last batch stopped with an error will be entered as it is, without being understood */
extern void move_give_up(void);

#endif							/* NIJI_WRITER_MOVE_H */
