/*
 * usage.h
 *    Metering: what reads cost, by permit and month.  For the writer, inside a batch.
 */
#ifndef NIJI_USAGE_H
#define NIJI_USAGE_H

#include "trail/persons.h"
#include "trail/record_format.h"

extern void usage_begin(MemoryContext context);

/* a read under a permit has ended */
extern void usage_add(const RecordEntry *closing, const PersonsAmounts *amounts);

/* what was added, into niji.permit_usage */
extern void usage_store(void);

#endif							/* NIJI_USAGE_H */
