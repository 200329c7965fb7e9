/*
 * writer.h
 *    The writer process, as others see it.
 */
#ifndef NIJI_WRITER_H
#define NIJI_WRITER_H

/*
 * Asks the writer to move everything that was recorded so far into the trail
 * and to seal it; waits for it (interruptible, niji.audit_timeout at most) and
 * returns the sealed size.  Raises 55000 when there is no writer, or with the
 * reason why it could not seal.
 */
extern int64 writer_seal(void);

/* the same without a seal: waits until the trail holds what was recorded so far */
extern void writer_catch_up(void);

/* whether the process is there */
extern bool writer_running(void);

/* wakes the writer; cheap, from any process */
extern void writer_wake(void);

/*
 * Called in the writer after the configuration was read anew, and once when it
 * starts.  Set by identity, which lies above the trail: it reads the keys again.
 */
extern void (*writer_on_reload) (void);

/*
 * Set by restore, which lies above it too.  may_begin: within each of the
 * writer's transactions, before it does anything; a sentence, and perhaps a
 * hint, when the spool has to stay closed and the trail must not grow.
 * after_turn: outside of a transaction; wrote tells whether anything changed.
 */
extern const char *(*writer_may_begin) (const char **hint);
extern void (*writer_after_turn) (bool wrote);

extern void writer_init(void);

#endif							/* NIJI_WRITER_H */
