/*
 * restore.h
 *    Whether this database is the newest that there was of it.
 */
#ifndef NIJI_RESTORE_H
#define NIJI_RESTORE_H

extern void restore_init(void);

#endif							/* NIJI_RESTORE_H */
