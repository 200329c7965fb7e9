/*
 * enrol.c
 *    From identifiers to persons.
 *
 * An identifier is made canonical, digested under each generation of the
 * master key, and looked up from the newest to the oldest; what is stored for
 * a new one is its digest and its person, never the identifier.  Where the kind's
 * rule has older versions, those who are known under one of them stay who they
 * are, and their digest under the newer version is stored as well, so that
 * whom only the newer version takes for them is found from then on.
 *
 * How that is done for many at once, and what several sessions do to each
 * other, is in store.c; looking up is in lookup.c.
 *
 * Whatever goes wrong in here, also in what it calls, the server's log does
 * not get the statement, which holds identifiers: an error context callback
 * hides it.
 */
#include "postgres.h"

#include "identity/enrol.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/duty.h"
#include "base/shmem.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "identity/digest.h"
#include "identity/keys.h"
#include "identity/lookup.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* of how many twelve-digit values more than half must pass for a batch to be one of My Numbers */
#define MY_NUMBER_SAMPLE 20

#define WHO_ENROLS NIJI_LOADER
#define WHO_FINDS (NIJI_CONSENT_OFFICER | NIJI_AUDITOR | NIJI_CUSTODIAN)
#define WHO_NORMALIZES                                                                             \
	(NIJI_LOADER | NIJI_CONSENT_OFFICER | NIJI_AUDITOR | NIJI_CUSTODIAN | NIJI_GOVERNANCE)

PG_FUNCTION_INFO_V1(normalize_identifier);
PG_FUNCTION_INFO_V1(check_identifier);
PG_FUNCTION_INFO_V1(enrol);
PG_FUNCTION_INFO_V1(enrol_batch);
PG_FUNCTION_INFO_V1(enrol_rows);
PG_FUNCTION_INFO_V1(find_person);

/* ---- keeping identifiers out of the log ---- */

void
identifier_hide_statement(void *arg)
{
	errhidestmt(true);
	errhidecontext(true);
}

/* ---- kinds ---- */

static CatalogWatch kinds_watch = {"identifier_kind"};
static MemoryContext kinds_context = NULL;
static IdentifierKind *kinds = NULL;
static int	nkinds = 0;

/* attribute numbers of niji.identifier_kind */
enum
{
	KIND_ID = 1,
	KIND_NAME = 2,
	KIND_RULE = 3,
	KIND_NORMALIZATION = 8,
	KIND_NORMALIZATION_FROM = 9
};

static void
read_kinds(void)
{
	Oid			relid = catalog_relation("identifier_kind");
	Relation	rel;
	TableScanDesc scan;
	TupleTableSlot *slot;
	Snapshot	snapshot;
	int			capacity = 16;

	if (kinds_context == NULL)
	{
		kinds_context = AllocSetContextCreate(TopMemoryContext, "niji identifier kinds",
											  ALLOCSET_SMALL_SIZES);
		catalog_watch(&kinds_watch);
	}
	if (!kinds_watch.stale)
		return;
	nkinds = 0;
	kinds = NULL;
	MemoryContextReset(kinds_context);
	kinds = MemoryContextAlloc(kinds_context, capacity * sizeof(IdentifierKind));
	kinds_watch.relid = relid;
	if (!OidIsValid(relid))
		(void) catalog_owner(); /* says that the extension is not here */
	rel = table_open(relid, AccessShareLock);
	slot = table_slot_create(rel, NULL);
	snapshot = RegisterSnapshot(GetCatalogSnapshot(relid));
	scan = table_beginscan(rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		char	   *rule = TextDatumGetCString(slot_getattr(slot, KIND_RULE, &isnull));
		int			number = identifier_rule(rule);

		if (number < 0)
			elog(ERROR, "niji.identifier_kind has an unknown rule");
		if (nkinds == capacity)
		{
			capacity *= 2;
			kinds = repalloc(kinds, capacity * sizeof(IdentifierKind));
		}
		kinds[nkinds].id = DatumGetInt32(slot_getattr(slot, KIND_ID, &isnull));
		kinds[nkinds].rule = number;
		kinds[nkinds].version = DatumGetInt16(slot_getattr(slot, KIND_NORMALIZATION, &isnull));
		kinds[nkinds].oldest = DatumGetInt16(slot_getattr(slot, KIND_NORMALIZATION_FROM, &isnull));
		strlcpy(kinds[nkinds].name, TextDatumGetCString(slot_getattr(slot, KIND_NAME, &isnull)), NAMEDATALEN);
		nkinds++;
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	kinds_watch.stale = false;
}

IdentifierKind
identifier_kind(const char *name)
{
	read_kinds();
	for (int i = 0; i < nkinds; i++)
	{
		if (strcmp(kinds[i].name, name) != 0)
			continue;
		if (kinds[i].version > identifier_rule_version(kinds[i].rule))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("kind of identifier \"%s\" is normalised by version %d of its rule, which this library does not have",
							kinds[i].name, kinds[i].version),
					 errhint("The server has loaded an older niji than the one that set up this database.")));
		return kinds[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no such kind of identifier"),
			 errhint("The first argument is the kind, the second the identifier. Kinds are in niji.identifier_kind; niji.register_identifier_kind() makes one.")));
	pg_unreachable();
}

/* ---- canonical form ---- */

void
identifier_read(IdentifierKind *kind, text *value, Identifier *out)
{
	if (GetDatabaseEncoding() != PG_UTF8)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("identifiers need a database in UTF8"),
				 errdetail("This one is in %s.", GetDatabaseEncodingName())));
	identifier_canonicalize(kind->rule, kind->version, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), out);
}

/* place: which of a batch, from 1; 0 if there is only one */
void
identifier_require(IdentifierKind *kind, Identifier *identifier, int place)
{
	if (identifier->level != IDENTIFIER_ERROR)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 place == 0 ?
			 errmsg("identifier of kind \"%s\" breaks the rule \"%s\"", kind->name, identifier->rule) :
			 errmsg("identifier %d of kind \"%s\" breaks the rule \"%s\"", place, kind->name,
					identifier->rule),
			 errdetail("%s", identifier->message)));
}

/* niji.normalize_identifier(kind text, identifier text) */
Datum
normalize_identifier(PG_FUNCTION_ARGS)
{
	Identifier	identifier;
	IdentifierKind kind;
	text	   *result;

	HIDE_STATEMENT();
	duty_require(WHO_NORMALIZES, "normalize identifiers");
	kind = identifier_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	identifier_read(&kind, PG_GETARG_TEXT_PP(1), &identifier);
	identifier_require(&kind, &identifier, 0);
	result = cstring_to_text_with_len(identifier.text, identifier.length);
	SHOW_STATEMENT();
	PG_RETURN_TEXT_P(result);
}

/* niji.check_identifier(kind text, identifier text, out level text, out rule text) */
Datum
check_identifier(PG_FUNCTION_ARGS)
{
	Identifier	identifier;
	IdentifierKind kind;
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false};

	HIDE_STATEMENT();
	duty_require(WHO_NORMALIZES, "check identifiers");
	kind = identifier_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	identifier_read(&kind, PG_GETARG_TEXT_PP(1), &identifier);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "check_identifier was called where a row is not accepted");
	values[0] = CStringGetTextDatum(identifier.level == IDENTIFIER_OK ? "ok" :
									identifier.level == IDENTIFIER_WARN ? "warn" : "error");
	nulls[1] = identifier.rule == NULL;
	values[1] = nulls[1] ? (Datum) 0 : CStringGetTextDatum(identifier.rule);
	SHOW_STATEMENT();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* ---- finding ---- */

/* niji.find_person(kind text, identifier text, on_date date default null) */
Datum
find_person(PG_FUNCTION_ARGS)
{
	Identifier	identifier;
	IdentifierKind kind;
	DateADT		date = PG_ARGISNULL(2) ? 0 : PG_GETARG_DATEADT(2);
	int			newest;
	int32		person = 0;

	HIDE_STATEMENT();
	niji_require_preload();
	niji_require_database();
	duty_require(WHO_FINDS, "find persons");
	newest = key_newest_used();
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1))
	{
		kind = identifier_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
		identifier_read(&kind, PG_GETARG_TEXT_PP(1), &identifier);
		identifier_require(&kind, &identifier, 0);
		if (newest > 0)
		{
			uint8	   *digests = palloc(newest * DIGEST_LENGTH);
			Relation	heap = table_open(catalog_relation("identifier"), AccessShareLock);
			const DateADT *on = PG_ARGISNULL(2) ? NULL : &date;
			OlderDigests older = {0};
			Lookup		lookup;

			digest_compute(kind.id, identifier.text, identifier.length, newest, digests);
			older_add(&older, &kind, &identifier, PG_GETARG_TEXT_PP(1), newest, 0);
			lookup_begin(&lookup, heap, GetActiveSnapshot(), kind.id, newest);
			person = older_lookup(&older, &lookup, 0, on);
			if (person == 0)
				person = lookup_person(&lookup, digests, on);
			lookup_end(&lookup);
			table_close(heap, AccessShareLock);
		}
	}
	SHOW_STATEMENT();
	if (person == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(person);
}

/* ---- enrolling ---- */

static void
require_enrolment(void)
{
	niji_require_preload();
	niji_require_database();
	duty_require(WHO_ENROLS, "enrol persons");
}

/* niji.enrol(kind text, identifier text, source text default null) */
Datum
enrol(PG_FUNCTION_ARGS)
{
	Identifier	identifier;
	IdentifierKind kind;
	Batch		batch = {0};
	bool		present = true;
	int32		person = 0;

	HIDE_STATEMENT();
	require_enrolment();
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1))
	{
		kind = identifier_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
		identifier_read(&kind, PG_GETARG_TEXT_PP(1), &identifier);
		identifier_require(&kind, &identifier, 0);
		batch.newest = store_begin();
		/* the kind may have moved to another version while we waited for the lock */
		kind = identifier_kind(kind.name);
		identifier_read(&kind, PG_GETARG_TEXT_PP(1), &identifier);
		identifier_require(&kind, &identifier, 0);
		batch.kind = kind.id;
		batch.version = kind.version;
		batch.n = 1;
		batch.present = &present;
		batch.digests = palloc(batch.newest * DIGEST_LENGTH);
		batch.persons = &person;
		batch.source = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
		digest_compute(kind.id, identifier.text, identifier.length, batch.newest, batch.digests);
		older_add(&batch.older, &kind, &identifier, PG_GETARG_TEXT_PP(1), batch.newest, 0);
		if (identifier.attribute[0])
			attribute_add(&batch.attributes, &identifier, batch.digests, batch.newest, 0);
		store_enrol(&batch, -1);
	}
	SHOW_STATEMENT();
	if (person == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(person);
}

/* max_new: below 1 it is a share of the identifiers that are not null, from 1 on a number of persons */
static double
new_limit(Datum max_new, int present)
{
	double		value = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, max_new));

	if (isnan(value) || value < 0 || (value >= 1 && value != floor(value)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_new is not a share from 0 to below 1, nor a whole number")));
	return value < 1 ? floor(value * present) : value;
}

void
identifiers_begin(IdentifierBatch *out, Datum kind, ArrayType *array, bool faults)
{
	memset(out, 0, sizeof(*out));
	out->kind = identifier_kind(TextDatumGetCString(kind));
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("identifiers are not a one-dimensional array")));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &out->texts, &out->nulls, &out->batch.n);
	out->batch.present = palloc0(out->batch.n * sizeof(bool));
	out->batch.persons = palloc0(out->batch.n * sizeof(int32));
	if (faults)
		out->faults = palloc0(out->batch.n * sizeof(char *));
}

void
identifiers_digest(IdentifierBatch *in, int newest)
{
	Batch	   *batch = &in->batch;
	Identifier *identifier = palloc(sizeof(Identifier));
	int			twelve = 0;
	int			my_numbers = 0;

	/* the kind may have moved to another version while its lock was waited for */
	in->kind = identifier_kind(in->kind.name);
	batch->kind = in->kind.id;
	batch->version = in->kind.version;
	batch->newest = newest;
	batch->digests = MemoryContextAllocHuge(CurrentMemoryContext,
											Max((Size) batch->n * newest, 1) * DIGEST_LENGTH);
	for (int i = 0; i < batch->n; i++)
	{
		if (in->nulls[i])
			continue;
		CHECK_FOR_INTERRUPTS();
		identifier_read(&in->kind, DatumGetTextPP(in->texts[i]), identifier);
		if (in->faults && identifier->level == IDENTIFIER_ERROR)
		{
			in->faults[i] = identifier->rule;
			continue;
		}
		identifier_require(&in->kind, identifier, i + 1);
		batch->present[i] = true;
		in->present++;
		twelve += identifier->twelve_digits;
		my_numbers += identifier->my_number;
		digest_compute(in->kind.id, identifier->text, identifier->length, newest,
					   batch->digests + (Size) i * newest * DIGEST_LENGTH);
		older_add(&batch->older, &in->kind, identifier, DatumGetTextPP(in->texts[i]), newest, i);
		if (identifier->attribute[0])
			attribute_add(&batch->attributes, identifier,
						  batch->digests + (Size) i * newest * DIGEST_LENGTH, newest, i);
	}
	explicit_bzero(identifier, sizeof(Identifier));
	pfree(identifier);
	if (twelve >= MY_NUMBER_SAMPLE && my_numbers > twelve / 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the batch looks like My Numbers"),
				 errdetail("Of %d numbers of twelve digits %d pass the check of a My Number (individual number); of other numbers one in eleven would.",
						   twelve, my_numbers),
				 errhint("My Numbers must not be used for secondary use. Nobody was enrolled.")));
}

/* the answer of a batch as an array, null where there is nobody */
Datum
identifiers_persons(IdentifierBatch *in)
{
	Batch	   *batch = &in->batch;
	Oid			person_type = catalog_type("person");
	Datum	   *persons;
	bool	   *nulls;
	int			lower = 1;

	if (batch->n == 0)
		return PointerGetDatum(construct_empty_array(person_type));
	persons = palloc(batch->n * sizeof(Datum));
	nulls = palloc(batch->n * sizeof(bool));
	for (int i = 0; i < batch->n; i++)
	{
		persons[i] = Int32GetDatum(batch->persons[i]);
		nulls[i] = batch->persons[i] == 0;
	}
	return PointerGetDatum(construct_md_array(persons, nulls, 1, &batch->n, &lower, person_type,
											  sizeof(int32), true, TYPALIGN_INT));
}

/* which rules were broken, null where none was */
Datum
identifiers_faults(IdentifierBatch *in)
{
	Batch	   *batch = &in->batch;
	Datum	   *rules;
	bool	   *nulls;
	int			lower = 1;

	if (batch->n == 0)
		return PointerGetDatum(construct_empty_array(TEXTOID));
	rules = palloc0(batch->n * sizeof(Datum));
	nulls = palloc(batch->n * sizeof(bool));
	for (int i = 0; i < batch->n; i++)
	{
		nulls[i] = in->faults[i] == NULL;
		if (in->faults[i])
			rules[i] = CStringGetTextDatum(in->faults[i]);
	}
	return PointerGetDatum(construct_md_array(rules, nulls, 1, &batch->n, &lower, TEXTOID, -1, false,
											  TYPALIGN_INT));
}

/* niji.enrol_batch(kind text, identifiers text[], source text default null, max_new numeric default null) */
Datum
enrol_batch(PG_FUNCTION_ARGS)
{
	IdentifierBatch in;
	double		limit = -1;
	Datum		result;

	HIDE_STATEMENT();
	require_enrolment();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
	{
		SHOW_STATEMENT();
		PG_RETURN_NULL();
	}
	identifiers_begin(&in, PG_GETARG_DATUM(0), PG_GETARG_ARRAYTYPE_P(1), false);
	in.batch.source = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
	if (in.batch.n > 0)
	{
		identifiers_digest(&in, store_begin());
		if (!PG_ARGISNULL(3))
			limit = new_limit(PG_GETARG_DATUM(3), in.present);
		store_enrol(&in.batch, limit);
	}
	result = identifiers_persons(&in);
	SHOW_STATEMENT();
	return result;
}

/*
 * niji.enrol_rows(kind text, identifiers text[], source text, max_new numeric,
 * out persons niji.person[], out rules text[], out new_persons bigint): as
 * enrol_batch, but malformed ones are told and left out
 */
Datum
enrol_rows(PG_FUNCTION_ARGS)
{
	IdentifierBatch in;
	double		limit = -1;
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false};

	HIDE_STATEMENT();
	require_enrolment();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("enrolling needs a kind and identifiers")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "enrol_rows was called where a row is not accepted");
	identifiers_begin(&in, PG_GETARG_DATUM(0), PG_GETARG_ARRAYTYPE_P(1), true);
	in.batch.source = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
	if (in.batch.n > 0)
	{
		identifiers_digest(&in, store_begin());
		if (!PG_ARGISNULL(3))
			limit = new_limit(PG_GETARG_DATUM(3), in.present);
		store_enrol(&in.batch, limit);
	}
	values[0] = identifiers_persons(&in);
	values[1] = identifiers_faults(&in);
	values[2] = Int64GetDatum(in.batch.new_persons);
	SHOW_STATEMENT();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
