/*
 * lookup.h
 *    Finding digests in niji.identifier.
 */
#ifndef NIJI_LOOKUP_H
#define NIJI_LOOKUP_H

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "identity/digest.h"
#include "executor/tuptable.h"
#include "utils/date.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/* attribute numbers of niji.identifier */
enum
{
	IDENTIFIER_KIND = 1,
	IDENTIFIER_GENERATION = 2,
	IDENTIFIER_NORMALIZATION = 3,
	IDENTIFIER_DIGEST = 4,
	IDENTIFIER_PERSON = 5,
	IDENTIFIER_SOURCE = 6,
	IDENTIFIER_CONFIDENCE = 7,
	IDENTIFIER_VALID_DURING = 8,
	IDENTIFIER_ENROLLED_AT = 9,
	IDENTIFIER_PERIOD = 10,
	IDENTIFIER_ORIGIN = 11,
	IDENTIFIER_COLUMNS = 11
};

typedef struct Lookup
{
	Relation	heap;
	Relation	index;			/* of the first rows of digests */
	Relation	later;			/* of their further rows; opened when one is needed */
	Snapshot	snapshot;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	MemoryContext context;		/* that lookup_begin() was called in; callers may be in others in between */
	int			kind;
	int			newest;			/* generation */
	int			oldest;			/* that may have digests */
	ScanKeyData keys[3];		/* digest, generation, kind */
	char		value[VARHDRSZ + DIGEST_LENGTH];
} Lookup;

extern void lookup_begin(Lookup *lookup, Relation heap, Snapshot snapshot, int kind, int newest);
extern void lookup_end(Lookup *lookup);

/*
 * The person of an identifier with these digests (under the generations 1 to
 * newest), or 0.  With a date: whose it was on that day.  Without one: whose it
 * is today, else whose it was last, else whose it will be first.
 */
extern int32 lookup_person(Lookup *lookup, const uint8 *digests, const DateADT *date);

#endif							/* NIJI_LOOKUP_H */
