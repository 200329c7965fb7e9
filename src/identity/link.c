/*
 * link.c
 *    Tying identifiers to persons who are there.
 *
 * niji.link_identifier() says whose an identifier is, with a source, a
 * confidence and a time; niji.find_batch() and niji.link_batch() are the two
 * halves of a crosswalk between kinds.  The rows are written by
 * niji.link_digest(), in SQL; here identifiers become digests, so that no
 * statement that holds one is logged whatever goes wrong.
 *
 * A linker locks the first row of the digest, which is always there, or makes
 * it; so two linkers of one identifier come one after the other, and overlapping
 * times are seen.  Enrolment, which only ever makes a first row, collides with
 * them on the same index.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/duty.h"
#include "base/shmem.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "identity/enrol.h"
#include "identity/keys.h"
#include "identity/lookup.h"
#include "identity/older.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(link_identifier);
PG_FUNCTION_INFO_V1(identifier_digests);
PG_FUNCTION_INFO_V1(find_batch);
PG_FUNCTION_INFO_V1(link_batch);

static void
require(int duties, const char *what)
{
	niji_require_preload();
	niji_require_database();
	duty_require(duties, what);
}

/* the digests of an identifier under the generations 1 to newest, as bytea[] */
static Datum
digests_array(Datum kind_name, text *value, IdentifierKind *kind, int newest)
{
	Identifier *identifier = palloc(sizeof(Identifier));
	uint8	   *digests = palloc(newest * DIGEST_LENGTH);
	Datum	   *values = palloc(newest * sizeof(Datum));

	*kind = identifier_kind(TextDatumGetCString(kind_name));
	identifier_read(kind, value, identifier);
	identifier_require(kind, identifier, 0);
	digest_compute(kind->id, identifier->text, identifier->length, newest, digests);
	explicit_bzero(identifier, sizeof(Identifier));
	for (int i = 0; i < newest; i++)
	{
		bytea	   *digest = palloc(VARHDRSZ + DIGEST_LENGTH);

		SET_VARSIZE(digest, VARHDRSZ + DIGEST_LENGTH);
		memcpy(VARDATA(digest), digests + i * DIGEST_LENGTH, DIGEST_LENGTH);
		values[i] = PointerGetDatum(digest);
	}
	return PointerGetDatum(construct_array(values, newest, BYTEAOID, -1, false, TYPALIGN_INT));
}

/* an identifier that an older version of its rule knows keeps its person */
static void
require_nobody_older(IdentifierKind *kind, text *value, int newest, int32 person)
{
	Identifier *identifier = palloc(sizeof(Identifier));
	OlderDigests older = {0};
	Relation	heap;
	Lookup		lookup;
	int32		known;

	identifier_read(kind, value, identifier);
	older_add(&older, kind, identifier, value, newest, 0);
	explicit_bzero(identifier, sizeof(Identifier));
	if (older.n == 0)
		return;
	heap = table_open(catalog_relation("identifier"), RowExclusiveLock);
	lookup_begin(&lookup, heap, GetLatestSnapshot(), kind->id, newest);
	known = older_lookup(&older, &lookup, 0, NULL);
	lookup_end(&lookup);
	table_close(heap, NoLock);
	if (known != 0 && known != person)
		ereport(ERROR,
				(errcode(ERRCODE_EXCLUSION_VIOLATION),
				 errmsg("the identifier points at another person"),
				 errdetail("It was stored under an older version of the kind's rule."),
				 errhint("If the two are one human, use niji.merge_persons().")));
}

/*
 * niji.link_identifier(person, kind text, identifier text, source text, confidence
 * numeric, valid_during daterange)
 */
Datum
link_identifier(PG_FUNCTION_ARGS)
{
	static const char *const query =
		"select niji.link_digest($1, $2, $3, $4, $5, $6, $7, $8)";
	Oid			types[8] = {InvalidOid, INT4OID, TEXTOID, INT4OID, BYTEAARRAYOID, TEXTOID, NUMERICOID, DATERANGEOID};
	char		nulls[9] = "        ";
	Datum		values[8];
	IdentifierKind kind;
	int			newest;

	HIDE_STATEMENT();
	require(NIJI_CUSTODIAN, "link identifiers");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a link needs a person, a kind and an identifier")));
	newest = store_begin();
	types[0] = catalog_type("person");
	values[0] = PG_GETARG_DATUM(0);
	values[4] = digests_array(PG_GETARG_DATUM(1), PG_GETARG_TEXT_PP(2), &kind, newest);
	require_nobody_older(&kind, PG_GETARG_TEXT_PP(2), newest, PG_GETARG_INT32(0));
	values[1] = Int32GetDatum(kind.id);
	values[2] = CStringGetTextDatum(kind.name);
	values[3] = Int32GetDatum(kind.version);
	for (int i = 3; i < 6; i++)
	{
		values[i + 2] = PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
		if (PG_ARGISNULL(i))
			nulls[i + 2] = 'n';
	}
	SPI_connect();
	catalog_query(query, 8, types, values, nulls, false);
	SPI_finish();
	SHOW_STATEMENT();
	PG_RETURN_VOID();
}

/* niji.identifier_digests(kind text, identifier text) returns bytea[]: by generation, from 1 */
Datum
identifier_digests(PG_FUNCTION_ARGS)
{
	IdentifierKind kind;
	Datum		result;

	HIDE_STATEMENT();
	require(NIJI_CUSTODIAN, "look at identifiers");
	result = digests_array(PG_GETARG_DATUM(0), PG_GETARG_TEXT_PP(1), &kind, store_begin());
	SHOW_STATEMENT();
	return result;
}

static Datum
persons_and_rules(FunctionCallInfo fcinfo, IdentifierBatch *in)
{
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "function was called where a row is not accepted");
	values[0] = identifiers_persons(in);
	values[1] = identifiers_faults(in);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* niji.find_batch(kind text, identifiers text[], out persons niji.person[], out rules text[]) */
Datum
find_batch(PG_FUNCTION_ARGS)
{
	IdentifierBatch in;
	Datum		result;

	HIDE_STATEMENT();
	require(NIJI_LOADER, "link identifiers");
	identifiers_begin(&in, PG_GETARG_DATUM(0), PG_GETARG_ARRAYTYPE_P(1), true);
	if (in.batch.n > 0)
	{
		identifiers_digest(&in, store_begin());
		store_find(&in.batch);
	}
	result = persons_and_rules(fcinfo, &in);
	SHOW_STATEMENT();
	return result;
}

/*
 * niji.link_batch(kind text, identifiers text[], given niji.person[], source text,
 * out persons niji.person[], out rules text[]): stores those that nobody has for
 * the person given beside them; answers whose each is now
 */
Datum
link_batch(PG_FUNCTION_ARGS)
{
	IdentifierBatch in;
	Datum	   *given;
	bool	   *nulls;
	int			n;
	Datum		result;

	HIDE_STATEMENT();
	require(NIJI_LOADER, "link identifiers");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		elog(ERROR, "link_batch needs a kind, identifiers and persons");
	identifiers_begin(&in, PG_GETARG_DATUM(0), PG_GETARG_ARRAYTYPE_P(1), true);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), catalog_type("person"), sizeof(int32), true, TYPALIGN_INT,
					  &given, &nulls, &n);
	if (n != in.batch.n)
		elog(ERROR, "there are not as many persons as identifiers");
	if (n > 0)
	{
		in.batch.source = PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3);
		in.batch.given = palloc0(n * sizeof(int32));
		for (int i = 0; i < n; i++)
			in.batch.given[i] = nulls[i] ? 0 : DatumGetInt32(given[i]);
		identifiers_digest(&in, store_begin());
		store_enrol(&in.batch, -1);
	}
	result = persons_and_rules(fcinfo, &in);
	SHOW_STATEMENT();
	return result;
}
