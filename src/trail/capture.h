/*
 * capture.h
 *    Capture of reads: the trail's part in a protected statement.
 */
#ifndef NIJI_CAPTURE_H
#define NIJI_CAPTURE_H

#include "base/statement.h"
#include "trail/persons.h"

/*
 * What a statement's columns say about who is shown.  *columns: those that carry
 * pseudonyms (from 0); *grouped: all others are grouping keys and amounts, so
 * that a row whose pseudonyms are no person's (but an institution's) shows nobody.
 */
extern ShownKind capture_shown(PlannedStmt *stmt, TupleDesc desc, Bitmapset **columns,
							   bool *grouped);

extern void capture_init(void);

#endif							/* NIJI_CAPTURE_H */
