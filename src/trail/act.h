/*
 * act.h
 *    Acts of governance that are recorded whatever becomes of the transaction.
 */
#ifndef NIJI_ACT_H
#define NIJI_ACT_H

/*
 * An act that gives away something about persons: on disk before this returns,
 * and it stays when the transaction rolls back.  Object and numbers are public;
 * the persons, a Roaring bitmap in the portable format, are private.
 * Raises 55000 when the spool cannot take it.
 */
extern void act_record_persons(const char *action, const char *object, int64 pseudonyms, int64 persons,
							   const char *bitmap, Size length);

#endif							/* NIJI_ACT_H */
