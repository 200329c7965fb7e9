/*
 * cohort_write.c
 *    Writing versions of cohorts.
 *
 * Who is one human is in a cohort under all their numbers: rows that a merge
 * has not moved yet still carry the number that is gone.  So whatever is
 * written is completed by the merges in force.  Only niji's definer functions
 * come here; they hold the cohort's row.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/person_chunk.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "permit/cohort.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(write_cohort);
PG_FUNCTION_INFO_V1(cohort_has);

static void
remove_person(PersonSet *set, int32 person)
{
	if (person_set_has(set, person))
		set->chunks[(uint32) person >> PERSON_CHUNK_BITS]
			[((uint32) person & (PERSON_CHUNK_PERSONS - 1)) >> 6] &= ~(UINT64CONST(1) << (person & 63));
}

/* of two who are one, one is in: then both are */
static void
complete_by_merges(PersonSet *set)
{
	bool		changed = true;

	catalog_query("select m.keep, m.gone from niji.person_merge m where m.undone_at is null", 0, NULL, NULL,
				  NULL, false);
	while (changed)
	{
		changed = false;
		CHECK_FOR_INTERRUPTS();
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			bool		isnull;
			int32		keep = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
			int32		gone = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull));

			if (person_set_has(set, keep) != person_set_has(set, gone))
			{
				person_set_add(set, keep);
				person_set_add(set, gone);
				changed = true;
			}
		}
	}
	SPI_freetuptable(SPI_tuptable);
}

static void
store_chunk(int cohort, uint32 chunk, int64 version, const uint64 *words)
{
	Oid			types[4] = {INT4OID, INT4OID, INT8OID, BYTEAOID};
	bytea	   *bitmap = person_chunk_encode(words);
	Datum		values[4] = {Int32GetDatum(cohort), Int32GetDatum((int32) chunk), Int64GetDatum(version), PointerGetDatum(bitmap)};

	CHECK_FOR_INTERRUPTS();
	catalog_query("insert into niji.cohort_chunk (cohort, chunk, version, persons) values ($1, $2, $3, $4)",
				  4, types, values, NULL, false);
	pfree(bitmap);
}

int64
cohort_write(int cohort, int64 base, int64 version, const PersonSet *add, const int32 *gone, int ngone)
{
	static const uint64 nobody[PERSON_CHUNK_WORDS];
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "niji cohort to write",
												  ALLOCSET_DEFAULT_SIZES);
	PersonSet  *before = person_set_create(context);
	PersonSet  *after = person_set_create(context);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	int64		count;

	cohort_load(cohort, base, snapshot, before);
	UnregisterSnapshot(snapshot);
	person_set_union(after, before);
	person_set_union(after, add);
	SPI_connect();
	complete_by_merges(after);
	for (int i = 0; i < ngone; i++)
		remove_person(after, gone[i]);
	for (uint32 i = 0; i < after->nchunks; i++)
	{
		const uint64 *old = i < before->nchunks && before->chunks[i] ? before->chunks[i] : nobody;

		if (after->chunks[i] && memcmp(after->chunks[i], old, PERSON_CHUNK_BYTES) != 0)
			store_chunk(cohort, i, version, after->chunks[i]);
	}
	SPI_finish();
	count = person_set_count(after);
	MemoryContextDelete(context);
	return count;
}

static int32 *
persons_of(ArrayType *array, int *n)
{
	Datum	   *values;
	bool	   *nulls;
	int32	   *persons;

	deconstruct_array(array, catalog_type("person"), sizeof(int32), true, TYPALIGN_INT, &values, &nulls, n);
	persons = palloc(Max(*n, 1) * sizeof(int32));
	for (int i = 0; i < *n; i++)
	{
		if (nulls[i])
			elog(ERROR, "a cohort has no null");
		persons[i] = DatumGetInt32(values[i]);
	}
	return persons;
}

/* niji.write_cohort(cohort int, base bigint, version bigint, added niji.person[], removed niji.person[]) returns bigint */
Datum
write_cohort(PG_FUNCTION_ARGS)
{
	PersonSet  *add = person_set_create(CurrentMemoryContext);
	int			n;
	int32	   *persons = persons_of(PG_GETARG_ARRAYTYPE_P(3), &n);

	for (int i = 0; i < n; i++)
		person_set_add(add, persons[i]);
	persons = persons_of(PG_GETARG_ARRAYTYPE_P(4), &n);
	PG_RETURN_INT64(cohort_write(PG_GETARG_INT32(0), PG_GETARG_INT64(1), PG_GETARG_INT64(2), add, persons, n));
}

/* niji.cohort_has(cohort int, person) returns boolean: as of now; for merges and splits */
Datum
cohort_has(PG_FUNCTION_ARGS)
{
	Oid			types[2] = {INT4OID, INT4OID};
	int32		person = PG_GETARG_INT32(1);
	Datum		values[2] = {PG_GETARG_DATUM(0), Int32GetDatum((int32) ((uint32) person >> PERSON_CHUNK_BITS))};
	bool		result = false;

	SPI_connect();
	catalog_query("select c.persons from niji.cohort_chunk c where c.cohort = $1 and c.chunk = $2 order by c.version desc limit 1",
				  2, types, values, NULL, false);
	if (SPI_processed == 1)
	{
		uint64		words[PERSON_CHUNK_WORDS];
		bool		isnull;
		uint32		low = (uint32) person & (PERSON_CHUNK_PERSONS - 1);

		if (!person_chunk_decode(DatumGetByteaPP(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)), words))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("cohort %d is damaged", PG_GETARG_INT32(0)),
					 errdetail("A bitmap in niji.cohort_chunk cannot be read.")));
		result = (words[low >> 6] >> (low & 63)) & 1;
	}
	SPI_finish();
	PG_RETURN_BOOL(result);
}
