/*
 * attribute.c
 *    Month of birth and sex that came beside an identifier: kept as tags, and
 *    compared with what came before.
 *
 * An insured number may come with a birth date and a sex that it does not need.
 * In real data the same number comes with another sex or month of birth for
 * hundreds of thousands of people: numbers are mistyped, and used again.  That
 * is no reason to refuse a row, but one to look at it: each such identifier is
 * a row of niji.identity_conflict, once for each attribute that differs from
 * the first.
 *
 * What is kept is a tag of 4 bytes (digest.c): keyed, and bound to the digest of
 * its identifier, so that without the key it is 4 random bytes.  Long enough
 * to tell one attribute from another of the same identifier, of which there are
 * few; and no use for anything else.
 *
 * The first tag of an identifier stands in the unique index
 * identifier_attribute_first, which decides between two sessions: the second
 * waits for the first's commit, and compares with it.  The others stand in
 * identifier_attribute_other, which sees to it that each is told once.  Looking
 * is done with the latest snapshot whatever the isolation: nothing that is seen
 * is answered, and what is not seen would not be told.
 *
 * Rows are inserted in the order of their digests, all first ones before all
 * others, so that two batches do not deadlock.  A batch holds ROW EXCLUSIVE on
 * niji.identifier, and so no row is ever stored under an older generation once a
 * newer one has begun (keys.c): a rotation carries the rows that it finds and is
 * done.  It deletes a row and inserts it anew in one statement, so that a
 * snapshot sees it under one generation or the other.
 */
#include "postgres.h"

#include "identity/attribute.h"

#include "access/genam.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "identity/digest.h"
#include "identity/store.h"
#include "miscadmin.h"
#include "storage/itemptr.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* rows of one INSERT */
#define INSERT_CHUNK 10000

/* attribute number of niji.identifier_attribute */
#define ATTRIBUTE_TAG 4

void
attribute_add(Attributes *attributes, const Identifier *identifier, const uint8 *digests,
			  int newest, int place)
{
	if (attributes->n == attributes->capacity)
	{
		int			capacity = Max(64, attributes->capacity * 2);
		Size		places = capacity * sizeof(int);
		Size		tags = (Size) capacity * newest * sizeof(int32);

		attributes->places = attributes->places ? repalloc_huge(attributes->places, places) :
			MemoryContextAllocHuge(CurrentMemoryContext, places);
		attributes->tags = attributes->tags ? repalloc_huge(attributes->tags, tags) :
			MemoryContextAllocHuge(CurrentMemoryContext, tags);
		attributes->capacity = capacity;
	}
	digest_tags(digests, identifier->attribute, newest,
				attributes->tags + (Size) attributes->n * newest);
	attributes->places[attributes->n++] = place;
}

/* ---- order ---- */

/* what an identifier came with */
typedef struct Claim
{
	const uint8 *digests;		/* under the generations 1 to newest */
	const int32 *tags;
	int			place;
	int			newest;
} Claim;

static int
compare_claims(const void *a, const void *b)
{
	const Claim *x = a;
	const Claim *y = b;
	Size		last = (Size) (x->newest - 1) * DIGEST_LENGTH;
	int			result = memcmp(x->digests + last, y->digests + last, DIGEST_LENGTH);
	int32		tag;
	int32		other;

	if (result != 0)
		return result;
	tag = x->tags[x->newest - 1];
	other = y->tags[y->newest - 1];
	if (tag != other)
		return tag < other ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

static bool
same_identifier(const Claim *a, const Claim *b)
{
	return memcmp(a->digests, b->digests, DIGEST_LENGTH) == 0;
}

/* those of persons, in order, each attribute of an identifier once */
static Claim *
claims_in_order(Batch *batch, int *n)
{
	Attributes *attributes = &batch->attributes;
	Claim	   *claims = MemoryContextAllocHuge(CurrentMemoryContext, attributes->n * sizeof(Claim));
	int			kept = 0;

	*n = 0;
	for (int i = 0; i < attributes->n; i++)
	{
		int			place = attributes->places[i];

		/* nobody was given for it: it is not stored, nor is this */
		if (batch->persons[place] == 0)
			continue;
		claims[(*n)++] = (Claim) {
			batch->digests + (Size) place * batch->newest * DIGEST_LENGTH,
			attributes->tags + (Size) i * batch->newest, place, batch->newest
		};
	}
	qsort(claims, *n, sizeof(Claim), compare_claims);
	for (int i = 0; i < *n; i++)
		if (kept == 0 || !same_identifier(&claims[kept - 1], &claims[i]) ||
			claims[kept - 1].tags[batch->newest - 1] != claims[i].tags[batch->newest - 1])
			claims[kept++] = claims[i];
	*n = kept;
	return claims;
}

/* ---- looking ---- */

typedef struct Search
{
	Relation	heap;
	Relation	index;
	Snapshot	snapshot;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	ScanKeyData keys[4];		/* generation, digest, kind, tag */
	int			nkeys;
	char		value[VARHDRSZ + DIGEST_LENGTH];
} Search;

/* with a tag, or (the first rows) without one */
static void
search_begin(Search *search, const char *index, int nkeys, int kind)
{
	search->heap = table_open(catalog_relation("identifier_attribute"), RowExclusiveLock);
	search->index = index_open(catalog_relation(index), AccessShareLock);
	search->snapshot = RegisterSnapshot(GetLatestSnapshot());
	search->slot = table_slot_create(search->heap, NULL);
	search->nkeys = nkeys;
	ScanKeyInit(&search->keys[0], 1, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(0));
	ScanKeyInit(&search->keys[1], 2, BTEqualStrategyNumber, F_BYTEAEQ, PointerGetDatum(search->value));
	ScanKeyInit(&search->keys[2], 3, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(kind));
	ScanKeyInit(&search->keys[3], 4, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(0));
	SET_VARSIZE(search->value, VARHDRSZ + DIGEST_LENGTH);
	search->scan = niji_index_beginscan(search->heap, search->index, search->snapshot, nkeys);
}

static void
search_end(Search *search)
{
	index_endscan(search->scan);
	ExecDropSingleTupleTableSlot(search->slot);
	UnregisterSnapshot(search->snapshot);
	index_close(search->index, AccessShareLock);
	table_close(search->heap, NoLock);
}

/* the generation under which there is a row, with its tag; 0 when there is none */
static int
search_claim(Search *search, const Claim *claim, int32 *tag)
{
	for (int generation = claim->newest; generation >= 1; generation--)
	{
		bool		isnull;

		search->keys[0].sk_argument = Int16GetDatum(generation);
		search->keys[3].sk_argument = Int32GetDatum(claim->tags[generation - 1]);
		memcpy(VARDATA(search->value), claim->digests + (Size) (generation - 1) * DIGEST_LENGTH,
			   DIGEST_LENGTH);
		index_rescan(search->scan, search->keys, search->nkeys, NULL, 0);
		if (!index_getnext_slot(search->scan, ForwardScanDirection, search->slot))
			continue;
		*tag = DatumGetInt32(slot_getattr(search->slot, ATTRIBUTE_TAG, &isnull));
		return generation;
	}
	return 0;
}

/*
 * Of identifiers that have a first tag, those claims that differ from it and
 * were not told yet; and one claim of each identifier that has none.
 */
static void
look(Batch *batch, Claim *claims, int n, Claim *firsts, int *nfirsts, Claim *others, int *nothers)
{
	Search		first;
	Search		other;
	int			generation = 0;
	int32		stored = 0;
	int32		told;

	*nfirsts = *nothers = 0;
	search_begin(&first, "identifier_attribute_first", 3, batch->kind);
	search_begin(&other, "identifier_attribute_other", 4, batch->kind);
	for (int i = 0; i < n; i++)
	{
		bool		again = i > 0 && same_identifier(&claims[i - 1], &claims[i]);

		CHECK_FOR_INTERRUPTS();
		if (!again)
			generation = search_claim(&first, &claims[i], &stored);
		if (generation == 0)
		{
			if (!again)
				firsts[(*nfirsts)++] = claims[i];
		}
		else if (claims[i].tags[generation - 1] != stored && search_claim(&other, &claims[i], &told) == 0)
			others[(*nothers)++] = claims[i];
	}
	search_end(&other);
	search_end(&first);
}

/* ---- keeping ---- */

/*
 * $1 kind, $2 generation, $3 digests, $4 tags, $5 persons, $6 source.  The
 * planner keeps the order of the arrays.
 */
static void
insert_claims(Batch *batch, const char *query, Claim *claims, int n)
{
	Oid			person_type = catalog_type("person");
	Oid			types[6] = {INT4OID, INT2OID, BYTEAARRAYOID, INT4ARRAYOID, InvalidOid, TEXTOID};

	types[4] = get_array_type(person_type);
	for (int start = 0; start < n; start += INSERT_CHUNK)
	{
		MemoryContext chunk = AllocSetContextCreate(CurrentMemoryContext, "niji attributes", ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(chunk);
		int			rows = Min(INSERT_CHUNK, n - start);
		Datum	   *digests = palloc(rows * sizeof(Datum));
		Datum	   *tags = palloc(rows * sizeof(Datum));
		Datum	   *persons = palloc(rows * sizeof(Datum));
		char		nulls[7] = "      ";
		Datum		values[6];

		for (int i = 0; i < rows; i++)
		{
			const Claim *claim = &claims[start + i];
			bytea	   *value = palloc(VARHDRSZ + DIGEST_LENGTH);

			SET_VARSIZE(value, VARHDRSZ + DIGEST_LENGTH);
			memcpy(VARDATA(value), claim->digests + (Size) (batch->newest - 1) * DIGEST_LENGTH, DIGEST_LENGTH);
			digests[i] = PointerGetDatum(value);
			tags[i] = Int32GetDatum(claim->tags[batch->newest - 1]);
			persons[i] = Int32GetDatum(batch->persons[claim->place]);
		}
		values[0] = Int32GetDatum(batch->kind);
		values[1] = Int16GetDatum(batch->newest);
		values[2] = PointerGetDatum(construct_array(digests, rows, BYTEAOID, -1, false, TYPALIGN_INT));
		values[3] = PointerGetDatum(construct_array(tags, rows, INT4OID, sizeof(int32), true, TYPALIGN_INT));
		values[4] = PointerGetDatum(construct_array(persons, rows, person_type, sizeof(int32), true, TYPALIGN_INT));
		values[5] = PointerGetDatum(batch->source);
		if (batch->source == NULL)
			nulls[5] = 'n';
		SPI_connect();
		catalog_query(query, 6, types, values, nulls, false);
		SPI_finish();
		MemoryContextSwitchTo(old);
		MemoryContextDelete(chunk);
	}
}

void
attribute_store(Batch *batch)
{
	static const char *const keep_first =
		"insert into niji.identifier_attribute (kind, generation, digest, tag, first, source)"
		" select $1, $2, u.digest, u.tag, true, $6"
		" from rows from (pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5)) as u(digest, tag, person)"
		" on conflict (generation, digest, kind) where first do nothing";
	static const char *const keep_other =
		"with told as (insert into niji.identifier_attribute (kind, generation, digest, tag, first, source)"
		" select $1, $2, u.digest, u.tag, false, $6"
		" from rows from (pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5)) as u(digest, tag, person)"
		" on conflict (generation, digest, kind, tag) where not first do nothing returning digest, tag)"
		" insert into niji.identity_conflict (what, kind, person, source)"
		" select 'birth_or_sex', $1, u.person, $6 from told t"
		" join rows from (pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5)) as u(digest, tag, person)"
		" on u.digest operator(pg_catalog.=) t.digest and u.tag operator(pg_catalog.=) t.tag";
	int			n;
	int			nfirsts;
	int			nothers;
	Claim	   *claims = claims_in_order(batch, &n);
	Claim	   *firsts = MemoryContextAllocHuge(CurrentMemoryContext, Max(n, 1) * sizeof(Claim));
	Claim	   *others = MemoryContextAllocHuge(CurrentMemoryContext, Max(n, 1) * sizeof(Claim));

	for (int round = 0;; round++)
	{
		look(batch, claims, n, firsts, &nfirsts, others, &nothers);
		if (nfirsts == 0)
			break;
		/* a row that conflicts and is gone when it is looked at: somebody deletes as we insert */
		if (round == 10)
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not enrol a person because of concurrent changes")));
		insert_claims(batch, keep_first, firsts, nfirsts);
	}
	if (nothers > 0)
		insert_claims(batch, keep_other, others, nothers);
	pfree(others);
	pfree(firsts);
	pfree(claims);
}

/* ---- rotation ---- */

/* first rows, or the others: each has an index that begins with the generation */
static uint64
carry(int to, int limit, bool first)
{
	static const char *const select_first =
		"select ctid, generation, digest, tag from niji.identifier_attribute"
		" where first and generation operator(pg_catalog.<) $1 limit $2 for update";
	static const char *const select_other =
		"select ctid, generation, digest, tag from niji.identifier_attribute"
		" where not first and generation operator(pg_catalog.<) $1 limit $2 for update";
	static const char *const move =
		"with gone as (delete from niji.identifier_attribute a where a.ctid operator(pg_catalog.=) any ($2)"
		" returning a.ctid as place, a.kind, a.first, a.source, a.seen_at)"
		" insert into niji.identifier_attribute (kind, generation, digest, tag, first, source, seen_at)"
		" select g.kind, $1, u.digest, u.tag, g.first, g.source, g.seen_at from gone g"
		" join rows from (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4)) as u(place, digest, tag)"
		" on u.place operator(pg_catalog.=) g.place on conflict do nothing";
	Oid			select_types[2] = {INT2OID, INT8OID};
	Datum		select_values[2] = {Int16GetDatum(to), Int64GetDatum(limit)};
	Oid			types[4] = {INT2OID, TIDARRAYOID, BYTEAARRAYOID, INT4ARRAYOID};
	Datum		values[4];
	uint64		n;
	Datum	   *places;
	Datum	   *digests;
	Datum	   *tags;

	catalog_query(first ? select_first : select_other, 2, select_types, select_values, NULL, false);
	n = SPI_processed;
	if (n == 0)
		return 0;
	places = palloc(n * sizeof(Datum));
	digests = palloc(n * sizeof(Datum));
	tags = palloc(n * sizeof(Datum));
	for (uint64 row = 0; row < n; row++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[row];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		int			generation = DatumGetInt16(SPI_getbinval(tuple, desc, 2, &isnull));
		bytea	   *digest = DatumGetByteaPCopy(SPI_getbinval(tuple, desc, 3, &isnull));
		int32		tag = DatumGetInt32(SPI_getbinval(tuple, desc, 4, &isnull));

		CHECK_FOR_INTERRUPTS();
		if (VARSIZE_ANY_EXHDR(digest) != DIGEST_LENGTH)
			elog(ERROR, "niji.identifier_attribute has a digest that niji did not make");
		digest_rewrap_tag(generation, to, (uint8 *) VARDATA(digest), &tag);
		places[row] = SPI_getbinval(tuple, desc, 1, &isnull);
		digests[row] = PointerGetDatum(digest);
		tags[row] = Int32GetDatum(tag);
	}
	values[0] = Int16GetDatum(to);
	values[1] = PointerGetDatum(construct_array(places, n, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT));
	values[2] = PointerGetDatum(construct_array(digests, n, BYTEAOID, -1, false, TYPALIGN_INT));
	values[3] = PointerGetDatum(construct_array(tags, n, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	catalog_query(move, 4, types, values, NULL, false);
	return n;
}

bool
attribute_carry(int to, int limit)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "niji attributes of a batch",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	int			nest = NewGUCNestLevel();
	uint64		n;

	/* by the index, never by reading the whole table for each batch */
	(void) set_config_option("enable_seqscan", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("enable_bitmapscan", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("enable_indexscan", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("enable_tidscan", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	n = carry(to, limit, true);
	n += carry(to, limit, false);
	AtEOXact_GUC(false, nest);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return n > 0;
}
