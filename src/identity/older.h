/*
 * older.h
 *    Digests of identifiers under older versions of their rule.
 */
#ifndef NIJI_OLDER_H
#define NIJI_OLDER_H

#include "identity/lookup.h"
#include "identity/normalize.h"

struct IdentifierKind;

typedef struct OlderDigest
{
	int			place;			/* of the identifier in its batch */
	const uint8 *digests;		/* under the generations 1 to newest */
} OlderDigest;

/* begins as zeros; by place, and of one place the newer version first */
typedef struct OlderDigests
{
	int			n;
	int			capacity;
	OlderDigest *at;
} OlderDigests;

/*
 * Adds what an identifier would have been stored as before, if it would have
 * been something else; places come in ascending order.  canonical is its form
 * under the kind's version.
 */
extern void older_add(OlderDigests *older, const struct IdentifierKind *kind, const Identifier *canonical,
					  const text *value, int newest, int place);

/* the person whom one of a place's points at (on a date, as lookup_person() has it), or 0 */
extern int32 older_lookup(const OlderDigests *older, Lookup *lookup, int place, const DateADT *date);

#endif							/* NIJI_OLDER_H */
