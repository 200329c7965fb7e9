/*
 * spool.h
 *    The spool: files that hold entries until the writer has moved them.
 */
#ifndef NIJI_SPOOL_H
#define NIJI_SPOOL_H

#include "storage/latch.h"

typedef enum
{
	SPOOL_ENTRY = 1,			/* becomes an entry of the trail */
	SPOOL_PERSONS = 2			/* persons of a read, before its closing entry */
} SpoolType;

/* what is appended: several pieces at once stay together */
typedef struct SpoolPiece
{
	SpoolType	type;
	const void *data;
	uint32		length;
} SpoolPiece;

/* a place in the spool, as a number of bytes from its beginning; 0: nowhere */
typedef uint64 SpoolPlace;

#define SPOOL_PIECE_MAX (8 * 1024 * 1024)

typedef enum
{
	SPOOL_OPENING,				/* subject to niji.spool_limit */
	SPOOL_CLOSING,				/* may use the reserve beyond the limit */
	SPOOL_ABORTING				/* the same, and a failure is not raised but returned as 0 */
} SpoolMode;

/*
 * Appends the pieces and returns the number of the last SPOOL_ENTRY among
 * them (that of the newest entry when there is none).  Raises 55000 or 53100
 * with what the DBA should do.
 */
extern uint64 spool_append(const SpoolPiece *pieces, int n, SpoolMode mode, SpoolPlace *place);

/* waits until everything before the place is on disk; raises 55000 */
extern void spool_flush(SpoolPlace place);

/* raises 55000 unless the spool can take entries now */
extern void spool_require(void);

/* random, of this start of the server: an opening entry of another boot will not be closed any more */
extern uint64 spool_boot(void);

extern void spool_init(void);

#endif							/* NIJI_SPOOL_H */
