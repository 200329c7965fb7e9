/*
 * seal_out.h
 *    Handing seals outside.
 */
#ifndef NIJI_SEAL_OUT_H
#define NIJI_SEAL_OUT_H

#include "datatype/timestamp.h"

/* shared memory for what is told about it */
extern void seal_out_init(void);

/*
 * In the transaction that makes the seal: if it commits, the seal is told and
 * handed out by seal_deliver().  "again": one from before the writer started,
 * of which it does not know whether it was handed out.
 */
extern void seal_out_offer(const char *text, int64 size, bool again);

#endif							/* NIJI_SEAL_OUT_H */
