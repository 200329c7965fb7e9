/*
 * limit.h
 *    What a permit may use in a month.
 */
#ifndef NIJI_LIMIT_H
#define NIJI_LIMIT_H

#include "base/statement.h"

/* what is left; PG_INT64_MAX where there is no limit */
typedef struct Limits
{
	bool		any;			/* whether there is one that a running statement can pass */
	int64		rows;
	int64		bytes;
	int64		cpu;			/* µs */
	uint64		look;			/* rows at which the time is looked at next */
} Limits;

/* before a read begins: 53400, after a "denied" entry, when its permit has used up what it may */
extern void limit_require(NijiStatement *st, Limits *left);

/* while it runs: 53400 when this statement alone has used up what was left */
extern void limit_check(NijiStatement *st, Limits *left, uint64 rows, uint64 bytes);

#endif							/* NIJI_LIMIT_H */
