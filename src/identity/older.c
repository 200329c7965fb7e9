/*
 * older.c
 *    Digests of identifiers under older versions of their rule.
 *
 * A kind moves to a newer version of its rule while digests of the older one
 * are stored, which cannot be made anew without the identifiers.  So what is
 * not found under the kind's version is looked up under the older ones too,
 * back to the one that the kind began with.
 *
 * That is a matter of few: most identifiers have the same canonical form under
 * all versions, which the newest one tells ("since"), and kinds that began with
 * their version have no older one.  So these digests are kept beside a batch,
 * in the order of its places, rather than in it.
 *
 * One thing it cannot do: what was stored under an older version is found by a
 * spelling that this version took for the same, not by one that only the newer
 * version does.
 */
#include "postgres.h"

#include "identity/older.h"

#include "identity/digest.h"
#include "identity/enrol.h"
#include "utils/memutils.h"

static void
append(OlderDigests *older, int place, const uint8 *digests)
{
	if (older->n == older->capacity)
	{
		older->capacity = Max(64, older->capacity * 2);
		older->at = older->at ?
			repalloc_huge(older->at, older->capacity * sizeof(OlderDigest)) :
			MemoryContextAllocHuge(CurrentMemoryContext, older->capacity * sizeof(OlderDigest));
	}
	older->at[older->n++] = (OlderDigest) {place, digests};
}

void
older_add(OlderDigests *older, const IdentifierKind *kind, const Identifier *canonical,
		  const text *value, int newest, int place)
{
	Identifier *identifier;

	if (canonical->level == IDENTIFIER_ERROR || canonical->since <= kind->oldest)
		return;
	identifier = palloc(sizeof(Identifier));
	for (int version = canonical->since - 1; version >= kind->oldest; version = identifier->since - 1)
	{
		uint8	   *digests;

		identifier_canonicalize(kind->rule, version, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
								identifier);
		if (identifier->level == IDENTIFIER_ERROR)
			break;
		digests = palloc(newest * DIGEST_LENGTH);
		digest_compute(kind->id, identifier->text, identifier->length, newest, digests);
		append(older, place, digests);
	}
	explicit_bzero(identifier, sizeof(Identifier));
	pfree(identifier);
}

/* those of a place: the first of them, and how many */
static const OlderDigest *
older_of(const OlderDigests *older, int place, int *n)
{
	int			low = 0;
	int			high = older->n;

	*n = 0;
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (older->at[middle].place < place)
			low = middle + 1;
		else
			high = middle;
	}
	while (low + *n < older->n && older->at[low + *n].place == place)
		(*n)++;
	return older->at + low;
}

int32
older_lookup(const OlderDigests *older, Lookup *lookup, int place, const DateADT *date)
{
	const OlderDigest *at;
	int32		person = 0;
	int			n;

	if (older->n == 0)
		return 0;
	at = older_of(older, place, &n);
	for (int i = 0; i < n && person == 0; i++)
		person = lookup_person(lookup, at[i].digests, date);
	return person;
}
