/*
 * record_read.h
 *    Building the entries of reads: shared by capture.c and record.c.
 */
#ifndef NIJI_RECORD_READ_H
#define NIJI_RECORD_READ_H

#include "base/statement.h"
#include "lib/stringinfo.h"
#include "trail/entry.h"
#include "trail/record_format.h"

/* the header of kind "read" or "denied", without "spool"; reason may be NULL */
extern void record_read_header(CborWriter *w, NijiStatement *st, const char *kind,
							   const char *reason, const EntryOrigin *origin, TimestampTz at);

/* the private part: text and parameters */
extern void record_read_private(CborWriter *w, NijiStatement *st);

/* a whole record, palloc'd; private_part may be NULL */
extern char *record_pack(RecordEntry *entry, const int32 *datasets, const CborWriter *header,
						 const CborWriter *private_part, uint32 *length);

/* text that is not valid in the database's encoding, or has to become UTF-8 */
extern void record_text(CborWriter *w, const char *text, Size length);

#endif							/* NIJI_RECORD_READ_H */
