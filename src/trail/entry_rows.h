/*
 * entry_rows.h
 *    Rows of niji.entry, inserted many at a time.  For entry.c.
 */
#ifndef NIJI_ENTRY_ROWS_H
#define NIJI_ENTRY_ROWS_H

/* forgets what a batch that failed has left */
extern void entry_rows_begin(void);

/* bytes are copied; private_part and spool may be NULL */
extern void entry_rows_add(int64 seq, const uint8 *header, Size header_length, const uint8 *salt,
						   const uint8 *private_part, Size private_length, const uint8 *leaf,
						   const int64 *spool);

/* inserts those that were kept */
extern void entry_rows_flush(void);

#endif							/* NIJI_ENTRY_ROWS_H */
