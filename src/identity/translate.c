/*
 * translate.c
 *    Many pseudonyms at once: back to persons, and from domain to domain.
 *
 * These are for the acts that turn pseudonyms back: re-identification,
 * translation, what a holder sends in pseudonyms of its own.  They are granted
 * to nobody; the functions around them ask for the duty, the second person and
 * the record.  What is not a person's pseudonym of the domain is an error that
 * names its place in the list, never the value: a list that was mixed up is to
 * be noticed, and nothing of it is answered.  (A file that is loaded is not such
 * a list: its bad rows go to quarantine, and the others are loaded.)
 *
 * A list may be older than a merge of two persons (merge.c): the pseudonym of
 * the one that is gone leads to the one that was kept, while the merge is in
 * force.
 *
 * A translation is on disk in the trail before the first pseudonym is
 * returned, with the persons as a Roaring bitmap in the private part.
 */
#include "postgres.h"

#include "roaring/roaring.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/duty.h"
#include "base/shmem.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "identity/domain.h"
#include "identity/merge.h"
#include "identity/pseudonym.h"
#include "miscadmin.h"
#include "trail/act.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* so that the persons of one call fit into one entry of the trail, however they lie */
#define TRANSLATE_MAX 500000

#define WHO_TURNS_BACK (NIJI_CUSTODIAN | NIJI_AUDITOR | NIJI_CONSENT_OFFICER | NIJI_LOADER)

PG_FUNCTION_INFO_V1(persons_of);
PG_FUNCTION_INFO_V1(persons_behind);
PG_FUNCTION_INFO_V1(pseudonyms_of);
PG_FUNCTION_INFO_V1(translate_list);

static void
take_apart(ArrayType *array, Oid type, int16 length, bool byval, char align, Datum **values, bool **nulls, int *n)
{
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("the list is not a one-dimensional array")));
	if (ARR_ELEMTYPE(array) != type)
		elog(ERROR, "the list is of another type");
	deconstruct_array(array, type, length, byval, align, values, nulls, n);
}

/* the persons behind pseudonyms of a domain, as they are now; 0 for null, which with "lenient" a foreign one becomes */
static int32 *
find_persons(Datum *pseudonyms, bool *nulls, int n, int domain, bool lenient)
{
	int32	   *persons = MemoryContextAllocHuge(CurrentMemoryContext, Max(n, 1) * sizeof(int32));

	domain_require(domain);
	for (int i = 0; i < n; i++)
	{
		PseudonymClass class;
		int64		value;

		CHECK_FOR_INTERRUPTS();
		persons[i] = 0;
		if (nulls[i])
			continue;
		if (!domain_decrypt(domain, DatumGetPseudonymP(pseudonyms[i])->bytes, &class, &value) ||
			class != CLASS_PERSON || value <= 0 || value > PG_INT32_MAX)
		{
			if (lenient)
			{
				nulls[i] = true;
				continue;
			}
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("pseudonym %d of the list is not a person's pseudonym of domain %d", i + 1, domain),
					 errdetail("It is of another domain, of another class, or invented. Nothing was answered.")));
		}
		persons[i] = (int32) value;
	}
	merge_current_list(persons, nulls, n);
	return persons;
}

static ArrayType *
make_pseudonyms(const int32 *persons, const bool *nulls, int n, int domain)
{
	Pseudonym  *pseudonyms = MemoryContextAllocHuge(CurrentMemoryContext, Max(n, 1) * sizeof(Pseudonym));
	Datum	   *values = MemoryContextAllocHuge(CurrentMemoryContext, Max(n, 1) * sizeof(Datum));
	int			lower = 1;

	domain_require(domain);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		values[i] = PseudonymPGetDatum(&pseudonyms[i]);
		if (!nulls[i])
			domain_encrypt(domain, CLASS_PERSON, persons[i], pseudonyms[i].bytes);
	}
	if (n == 0)
		return construct_empty_array(pseudonym_type());
	return construct_md_array(values, (bool *) nulls, 1, &n, &lower, pseudonym_type(), sizeof(Pseudonym), false,
							  TYPALIGN_CHAR);
}

static Datum
answer_persons(FunctionCallInfo fcinfo, bool lenient)
{
	int			domain = PG_GETARG_INT32(1);
	Oid			person_type = catalog_type("person");
	Datum	   *values;
	bool	   *nulls;
	int32	   *persons;
	int			n;
	int			lower = 1;

	duty_require(WHO_TURNS_BACK, "find the persons behind pseudonyms");
	take_apart(PG_GETARG_ARRAYTYPE_P(0), pseudonym_type(), sizeof(Pseudonym), false, TYPALIGN_CHAR, &values, &nulls, &n);
	persons = find_persons(values, nulls, n, domain, lenient);
	if (n == 0)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(person_type));
	for (int i = 0; i < n; i++)
		values[i] = Int32GetDatum(persons[i]);
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, 1, &n, &lower, person_type, sizeof(int32), true, TYPALIGN_INT));
}

/* niji.persons_of(pseudonyms, domain): in order, null for null */
Datum
persons_of(PG_FUNCTION_ARGS)
{
	return answer_persons(fcinfo, false);
}

/* niji.persons_behind(pseudonyms, domain): the same, with null for what is no person's pseudonym of the domain */
Datum
persons_behind(PG_FUNCTION_ARGS)
{
	return answer_persons(fcinfo, true);
}

/* niji.pseudonyms_of(persons, domain): in order, null for null; unlike pseudonym() also in a loader's session */
Datum
pseudonyms_of(PG_FUNCTION_ARGS)
{
	Datum	   *values;
	bool	   *nulls;
	int32	   *persons;
	int			n;

	duty_require(WHO_TURNS_BACK, "make pseudonyms");
	take_apart(PG_GETARG_ARRAYTYPE_P(0), catalog_type("person"), sizeof(int32), true, TYPALIGN_INT, &values, &nulls, &n);
	persons = MemoryContextAllocHuge(CurrentMemoryContext, Max(n, 1) * sizeof(int32));
	for (int i = 0; i < n; i++)
		persons[i] = nulls[i] ? 0 : DatumGetInt32(values[i]);
	PG_RETURN_ARRAYTYPE_P(make_pseudonyms(persons, nulls, n, PG_GETARG_INT32(1)));
}

/*
 * niji.translate_list(pseudonyms, from_domain, to_domain, object text): the
 * same persons' pseudonyms in another domain, after the record says so
 */
Datum
translate_list(PG_FUNCTION_ARGS)
{
	int			from = PG_GETARG_INT32(1);
	int			to = PG_GETARG_INT32(2);
	Datum	   *values;
	bool	   *nulls;
	int32	   *persons;
	int			n;
	int			present = 0;
	ArrayType  *result;
	roaring_bitmap_t *set;
	char	   *bytes;
	size_t		length;
	uint64		different;

	niji_require_preload();
	niji_require_database();
	duty_require(NIJI_CUSTODIAN, "translate pseudonyms");
	take_apart(PG_GETARG_ARRAYTYPE_P(0), pseudonym_type(), sizeof(Pseudonym), false, TYPALIGN_CHAR, &values, &nulls, &n);
	if (n > TRANSLATE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many pseudonyms at once"),
				 errdetail("A list may have %d.", TRANSLATE_MAX)));
	persons = find_persons(values, nulls, n, from, false);
	result = make_pseudonyms(persons, nulls, n, to);

	/* CRoaring allocates by malloc: nothing in here raises */
	set = roaring_bitmap_create();
	if (set == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	for (int i = 0; i < n; i++)
		if (!nulls[i])
		{
			roaring_bitmap_add(set, (uint32) persons[i]);
			present++;
		}
	different = roaring_bitmap_get_cardinality(set);
	length = roaring_bitmap_portable_size_in_bytes(set);
	bytes = palloc_extended(length, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
	if (bytes)
		(void) roaring_bitmap_portable_serialize(set, bytes);
	roaring_bitmap_free(set);
	if (bytes == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));

	act_record_persons("translate_pseudonyms", text_to_cstring(PG_GETARG_TEXT_PP(3)), present, (int64) different, bytes, length);
	PG_RETURN_ARRAYTYPE_P(result);
}
