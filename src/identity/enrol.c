/*
 * enrol.c
 *    From identifiers to persons.
 *
 * An identifier is made canonical, digested under each generation of the
 * master key, and looked up from the newest to the oldest; what is stored for
 * a new one is its digest and its person, never the identifier.  Where the kind's
 * rule has older versions, those who are known under one of them stay who they
 * are, and their digest under the newer version is stored as well, so that
 * whom only the newer version takes for them is found from then on.  Generations
 * that a rotation of the key has left empty are not looked up (see rotate.c).
 *
 * Two sessions that enrol the same new identifier get one person: the unique
 * index decides, the loser waits for the winner's commit and reads again.
 * Under REPEATABLE READ it cannot read what it may not see: that is a
 * serialization failure (raised by ON CONFLICT itself), and is tried again by
 * the client.  New digests are stored in their order, so that two batches
 * with the same people do not deadlock.
 *
 * Lock on niji.identifier: ROW EXCLUSIVE before the generation is looked at
 * for good, since the first use of a new generation waits for it (see keys.c).
 *
 * Whatever goes wrong in here, also in what it calls, the server's log does
 * not get the statement, which holds identifiers: an error context callback
 * hides it.
 */
#include "postgres.h"

#include "identity/enrol.h"

#include <math.h>

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/duty.h"
#include "base/shmem.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "identity/digest.h"
#include "identity/keys.h"
#include "identity/number.h"
#include "identity/older.h"
#include "identity/rotate.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rangetypes.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

/* of how many twelve-digit values more than half must pass for a batch to be one of My Numbers */
#define MY_NUMBER_SAMPLE 20

/* rows of one INSERT */
#define INSERT_CHUNK 10000

#define WHO_ENROLS NIJI_LOADER
#define WHO_FINDS (NIJI_CONSENT_OFFICER | NIJI_AUDITOR | NIJI_CUSTODIAN)
#define WHO_NORMALIZES                                                                             \
	(NIJI_LOADER | NIJI_CONSENT_OFFICER | NIJI_AUDITOR | NIJI_CUSTODIAN | NIJI_GOVERNANCE)

PG_FUNCTION_INFO_V1(normalize_identifier);
PG_FUNCTION_INFO_V1(check_identifier);
PG_FUNCTION_INFO_V1(enrol);
PG_FUNCTION_INFO_V1(enrol_batch);
PG_FUNCTION_INFO_V1(find_person);

/* ---- keeping identifiers out of the log ---- */

static void
hide_statement(void *arg)
{
	errhidestmt(true);
	errhidecontext(true);
}

#define HIDE_STATEMENT()                                                                           \
	ErrorContextCallback hidden = {error_context_stack, hide_statement, NULL};                     \
	error_context_stack = &hidden

#define SHOW_STATEMENT() (error_context_stack = hidden.previous)

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

static void
make_canonical(IdentifierKind *kind, text *value, Identifier *out)
{
	if (GetDatabaseEncoding() != PG_UTF8)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("identifiers need a database in UTF8"),
				 errdetail("This one is in %s.", GetDatabaseEncodingName())));
	identifier_canonicalize(kind->rule, kind->version, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), out);
}

/* place: which of a batch, from 1; 0 if there is only one */
static void
raise_unless_canonical(IdentifierKind *kind, Identifier *identifier, int place)
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
	make_canonical(&kind, PG_GETARG_TEXT_PP(1), &identifier);
	raise_unless_canonical(&kind, &identifier, 0);
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
	make_canonical(&kind, PG_GETARG_TEXT_PP(1), &identifier);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "check_identifier was called where a row is not accepted");
	values[0] = CStringGetTextDatum(identifier.level == IDENTIFIER_OK ? "ok" :
									identifier.level == IDENTIFIER_WARN ? "warn" : "error");
	nulls[1] = identifier.rule == NULL;
	values[1] = nulls[1] ? (Datum) 0 : CStringGetTextDatum(identifier.rule);
	SHOW_STATEMENT();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* ---- looking up ---- */

typedef struct Lookup
{
	Relation	heap;
	Oid			index;
	Snapshot	snapshot;
	int			oldest;			/* generation that may have digests */
} Lookup;

/* attribute numbers of niji.identifier */
enum
{
	ATT_KIND = 1,
	ATT_GENERATION = 2,
	ATT_DIGEST = 4,
	ATT_PERSON = 5,
	ATT_VALID_DURING = 8
};

static void
lookup_begin(Lookup *lookup, Relation heap, Snapshot snapshot, int newest)
{
	lookup->heap = heap;
	lookup->index = catalog_relation("identifier_digest");
	lookup->snapshot = RegisterSnapshot(snapshot);
	lookup->oldest = rotate_oldest(lookup->snapshot, newest);
}

static void
lookup_end(Lookup *lookup)
{
	UnregisterSnapshot(lookup->snapshot);
}

/* what a lookup for enrolment may see: others' commits, except where isolation forbids */
static Snapshot
enrol_snapshot(void)
{
	return IsolationUsesXactSnapshot() ? GetTransactionSnapshot() : GetLatestSnapshot();
}

static bool
valid_on(HeapTuple tuple, TupleDesc desc, DateADT date)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, ATT_VALID_DURING, desc, &isnull);

	if (isnull)
		return true;
	return range_contains_elem_internal(lookup_type_cache(DATERANGEOID, TYPECACHE_RANGE_INFO),
										DatumGetRangeTypeP(value), DateADTGetDatum(date));
}

/* the person of a digest, or 0 */
static int32
lookup_digest(Lookup *lookup, int kind, int generation, const uint8 *digest, const DateADT *date)
{
	char		value[VARHDRSZ + DIGEST_LENGTH];
	ScanKeyData key[3];
	SysScanDesc scan;
	HeapTuple	tuple;
	int32		person = 0;

	SET_VARSIZE(value, sizeof(value));
	memcpy(value + VARHDRSZ, digest, DIGEST_LENGTH);
	ScanKeyInit(&key[0], ATT_KIND, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(kind));
	ScanKeyInit(&key[1], ATT_GENERATION, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(generation));
	ScanKeyInit(&key[2], ATT_DIGEST, BTEqualStrategyNumber, F_BYTEAEQ, PointerGetDatum(value));
	scan = systable_beginscan(lookup->heap, lookup->index, true, lookup->snapshot, 3, key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		TupleDesc	desc = RelationGetDescr(lookup->heap);
		bool		isnull;

		if (date == NULL || valid_on(tuple, desc, *date))
			person = DatumGetInt32(heap_getattr(tuple, ATT_PERSON, desc, &isnull));
	}
	systable_endscan(scan);
	return person;
}

/* under all generations, the newest first */
static int32
lookup_person(Lookup *lookup, int kind, int newest, const uint8 *digests, const DateADT *date)
{
	for (int generation = newest; generation >= lookup->oldest; generation--)
	{
		int32		person = lookup_digest(lookup, kind, generation,
										   digests + (generation - 1) * DIGEST_LENGTH, date);

		if (person != 0)
			return person;
	}
	return 0;
}

/* under the older versions of the kind's rule, of what stands at a place of a batch */
static int32
lookup_older(Lookup *lookup, int kind, int newest, const OlderDigests *older, int place, const DateADT *date)
{
	int			n;
	const OlderDigest *at = older_of(older, place, &n);
	int32		person = 0;

	for (int i = 0; i < n && person == 0; i++)
		person = lookup_person(lookup, kind, newest, at[i].digests, date);
	return person;
}

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
		make_canonical(&kind, PG_GETARG_TEXT_PP(1), &identifier);
		raise_unless_canonical(&kind, &identifier, 0);
		if (newest > 0)
		{
			uint8	   *digests = palloc(newest * DIGEST_LENGTH);
			Relation	heap = table_open(catalog_relation("identifier"), AccessShareLock);
			const DateADT *on = PG_ARGISNULL(2) ? NULL : &date;
			OlderDigests older = {0};
			Lookup		lookup;

			digest_compute(kind.id, identifier.text, identifier.length, newest, digests);
			older_add(&older, &kind, &identifier, PG_GETARG_TEXT_PP(1), newest, 0);
			lookup_begin(&lookup, heap, GetActiveSnapshot(), newest);
			person = lookup_older(&lookup, kind.id, newest, &older, 0, on);
			if (person == 0)
				person = lookup_person(&lookup, kind.id, newest, digests, on);
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

/* a digest of a batch that is not stored yet */
typedef struct NewPerson
{
	uint8		digest[DIGEST_LENGTH];	/* under the newest generation; the hash key */
	int32		person;			/* 0 until it is stored */
	int32		known;			/* who is known under an older version of the rule, or 0 */
	const uint8 *digests;		/* under all generations */
} NewPerson;

typedef struct Batch
{
	IdentifierKind kind;
	int			newest;			/* generation */
	int			n;
	bool	   *present;		/* not null */
	uint8	   *digests;		/* n * newest * DIGEST_LENGTH */
	OlderDigests older;			/* of those whose older forms differ */
	int32	   *persons;		/* 0: null */
	text	   *source;
} Batch;

static const uint8 *
batch_digests(Batch *batch, int i)
{
	return batch->digests + (Size) i * batch->newest * DIGEST_LENGTH;
}

static const uint8 *
batch_digest(Batch *batch, int i)
{
	return batch_digests(batch, i) + (batch->newest - 1) * DIGEST_LENGTH;
}

static int
compare_new(const void *a, const void *b)
{
	return memcmp((*(NewPerson *const *) a)->digest, (*(NewPerson *const *) b)->digest, DIGEST_LENGTH);
}

/* stores those of news[] that nobody stored in the meantime; the others' person stays 0 */
static void
insert_new(Batch *batch, NewPerson **news, int n, HTAB *table)
{
	static const char *const query =
		"insert into niji.identifier (kind, generation, normalization, digest, person, source)"
		" select $1, $2, $3, u.digest, u.person, $6"
		" from rows from (pg_catalog.unnest($4), pg_catalog.unnest($5)) as u(digest, person)"
		" on conflict (kind, generation, digest) do nothing returning digest, person";
	Oid			person_type = catalog_type("person");
	Oid			types[6] = {INT4OID, INT2OID, INT2OID, BYTEAARRAYOID, InvalidOid, TEXTOID};
	char		nulls[7] = "      ";
	int32	   *numbers = palloc(n * sizeof(int32));
	Datum	   *digests = palloc(n * sizeof(Datum));
	Datum	   *persons = palloc(n * sizeof(Datum));
	Datum		values[6];

	number_draw(n, numbers);
	for (int i = 0; i < n; i++)
	{
		bytea	   *value = palloc(VARHDRSZ + DIGEST_LENGTH);

		SET_VARSIZE(value, VARHDRSZ + DIGEST_LENGTH);
		memcpy(VARDATA(value), news[i]->digest, DIGEST_LENGTH);
		digests[i] = PointerGetDatum(value);
		persons[i] = Int32GetDatum(news[i]->known ? news[i]->known : numbers[i]);
	}
	types[4] = get_array_type(person_type);
	values[0] = Int32GetDatum(batch->kind.id);
	values[1] = Int16GetDatum(batch->newest);
	values[2] = Int16GetDatum(batch->kind.version);
	values[3] = PointerGetDatum(construct_array(digests, n, BYTEAOID, -1, false, TYPALIGN_INT));
	values[4] = PointerGetDatum(construct_array(persons, n, person_type, sizeof(int32), true, TYPALIGN_INT));
	values[5] = PointerGetDatum(batch->source);
	if (batch->source == NULL)
		nulls[5] = 'n';

	SPI_connect();
	catalog_query(query, 6, types, values, nulls, false);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		bytea	   *value = DatumGetByteaPP(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull));
		Datum		person = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 2, &isnull);
		NewPerson  *entry = hash_search(table, VARDATA_ANY(value), HASH_FIND, NULL);

		if (entry == NULL)
			elog(ERROR, "a digest came back that was not sent");
		entry->person = DatumGetInt32(person);
	}
	SPI_finish();
}

/*
 * Under REPEATABLE READ the snapshot may be from before a generation began,
 * and not see who was enrolled under the one before just then.  The unique
 * index does not tell, since the generations differ.
 */
static void
require_unknown(Relation heap, Batch *batch, int i)
{
	Lookup		lookup;
	int32		person;

	if (batch->newest == 1 || !IsolationUsesXactSnapshot())
		return;
	lookup_begin(&lookup, heap, GetLatestSnapshot(), batch->newest);
	person = lookup_person(&lookup, batch->kind.id, batch->newest, batch_digests(batch, i), NULL);
	lookup_end(&lookup);
	if (person != 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent enrolment")));
}

/* fills batch->persons; limit < 0: any number may be new */
static void
enrol_all(Batch *batch, double limit)
{
	HASHCTL		control = {0};
	HTAB	   *table;
	HASH_SEQ_STATUS sequence;
	NewPerson  *entry;
	NewPerson **news;
	int			nentries = 0;
	int			nnew = 0;		/* of them, whom nobody knows */
	Relation	heap = table_open(catalog_relation("identifier"), RowExclusiveLock);
	Lookup		lookup;

	control.keysize = DIGEST_LENGTH;
	control.entrysize = sizeof(NewPerson);
	control.hcxt = CurrentMemoryContext;
	table = hash_create("niji new persons", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	lookup_begin(&lookup, heap, enrol_snapshot(), batch->newest);
	for (int i = 0; i < batch->n; i++)
	{
		bool		found;
		int32		person;
		int32		known;

		if (!batch->present[i])
			continue;
		CHECK_FOR_INTERRUPTS();
		known = 0;
		if (batch->older.n > 0)
			known = lookup_older(&lookup, batch->kind.id, batch->newest, &batch->older, i, NULL);
		person = lookup_person(&lookup, batch->kind.id, batch->newest, batch_digests(batch, i), NULL);
		batch->persons[i] = known ? known : person;
		if (person != 0)
			continue;
		require_unknown(heap, batch, i);
		entry = hash_search(table, batch_digest(batch, i), HASH_ENTER, &found);
		if (!found)
		{
			entry->person = entry->known = 0;
			entry->digests = batch_digests(batch, i);
			nnew++;
			nentries++;
		}
		if (known != 0 && entry->known == 0)
		{
			entry->known = known;
			nnew--;
		}
	}
	lookup_end(&lookup);

	if (limit >= 0 && nnew > limit)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg_plural("the batch has %d new person, more than max_new allows",
							   "the batch has %d new persons, more than max_new allows", nnew, nnew),
				 errdetail("At most %.0f of its %d identifiers may be new. Nobody was enrolled.",
						   limit, batch->n),
				 errhint("Many new persons where few are expected may mean that the file's identifiers are of another kind, or written in another way.")));

	if (nentries > 0)
	{
		int			left = 0;

		news = MemoryContextAllocHuge(CurrentMemoryContext, nentries * sizeof(NewPerson *));
		hash_seq_init(&sequence, table);
		while ((entry = hash_seq_search(&sequence)) != NULL)
			news[left++] = entry;

		for (int round = 0; left > 0; round++)
		{
			int			still = 0;

			/* a row that conflicts and is gone when it is looked at: somebody deletes as we insert */
			if (round == 10)
				ereport(ERROR,
						(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						 errmsg("could not enrol a person because of concurrent changes")));
			qsort(news, left, sizeof(NewPerson *), compare_new);
			for (int start = 0; start < left; start += INSERT_CHUNK)
			{
				MemoryContext chunk = AllocSetContextCreate(CurrentMemoryContext, "niji enrol",
															ALLOCSET_DEFAULT_SIZES);
				MemoryContext old = MemoryContextSwitchTo(chunk);

				insert_new(batch, news + start, Min(INSERT_CHUNK, left - start), table);
				MemoryContextSwitchTo(old);
				MemoryContextDelete(chunk);
			}
			/* another session was first with these */
			lookup_begin(&lookup, heap, enrol_snapshot(), batch->newest);
			for (int i = 0; i < left; i++)
			{
				if (news[i]->person == 0)
					news[i]->person = lookup_person(&lookup, batch->kind.id, batch->newest,
													news[i]->digests, NULL);
				if (news[i]->person == 0)
					news[still++] = news[i];
			}
			lookup_end(&lookup);
			left = still;
		}
		for (int i = 0; i < batch->n; i++)
			if (batch->present[i] && batch->persons[i] == 0)
			{
				entry = hash_search(table, batch_digest(batch, i), HASH_FIND, NULL);
				batch->persons[i] = entry->person;
			}
	}
	hash_destroy(table);
	table_close(heap, NoLock);
}

/* the generation to enrol under, with the lock that keeps it from being superseded */
static int
begin_enrolment(void)
{
	/* a generation's first use takes a stronger lock, so it comes before ours */
	(void) key_current_generation();
	LockRelationOid(catalog_relation("identifier"), RowExclusiveLock);
	return key_current_generation();
}

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
	Batch		batch = {0};
	bool		present = true;
	int32		person = 0;

	HIDE_STATEMENT();
	require_enrolment();
	if (!PG_ARGISNULL(0) && !PG_ARGISNULL(1))
	{
		batch.kind = identifier_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
		make_canonical(&batch.kind, PG_GETARG_TEXT_PP(1), &identifier);
		raise_unless_canonical(&batch.kind, &identifier, 0);
		batch.newest = begin_enrolment();
		/* the kind may have moved to another version while we waited for the lock */
		batch.kind = identifier_kind(batch.kind.name);
		make_canonical(&batch.kind, PG_GETARG_TEXT_PP(1), &identifier);
		raise_unless_canonical(&batch.kind, &identifier, 0);
		batch.n = 1;
		batch.present = &present;
		batch.digests = palloc(batch.newest * DIGEST_LENGTH);
		batch.persons = &person;
		batch.source = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
		digest_compute(batch.kind.id, identifier.text, identifier.length, batch.newest, batch.digests);
		older_add(&batch.older, &batch.kind, &identifier, PG_GETARG_TEXT_PP(1), batch.newest, 0);
		enrol_all(&batch, -1);
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

/* niji.enrol_batch(kind text, identifiers text[], source text default null, max_new numeric default null) */
Datum
enrol_batch(PG_FUNCTION_ARGS)
{
	Batch		batch = {0};
	ArrayType  *array;
	Identifier *identifier;
	Datum	   *values;
	bool	   *nulls;
	Datum	   *persons;
	int			present = 0;
	int			twelve = 0;
	int			my_numbers = 0;
	double		limit = -1;
	int			lower = 1;
	Oid			person_type;
	ArrayType  *result;

	HIDE_STATEMENT();
	require_enrolment();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
	{
		SHOW_STATEMENT();
		PG_RETURN_NULL();
	}
	batch.kind = identifier_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	array = PG_GETARG_ARRAYTYPE_P(1);
	batch.source = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("identifiers are not a one-dimensional array")));
	person_type = catalog_type("person");
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &batch.n);
	if (batch.n == 0)
	{
		SHOW_STATEMENT();
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(person_type));
	}
	batch.newest = begin_enrolment();
	/* the kind may have moved to another version while we waited for the lock */
	batch.kind = identifier_kind(batch.kind.name);
	batch.present = palloc0(batch.n * sizeof(bool));
	batch.persons = palloc0(batch.n * sizeof(int32));
	batch.digests = MemoryContextAllocHuge(CurrentMemoryContext,
										   (Size) batch.n * batch.newest * DIGEST_LENGTH);
	identifier = palloc(sizeof(Identifier));
	for (int i = 0; i < batch.n; i++)
	{
		if (nulls[i])
			continue;
		CHECK_FOR_INTERRUPTS();
		batch.present[i] = true;
		present++;
		make_canonical(&batch.kind, DatumGetTextPP(values[i]), identifier);
		raise_unless_canonical(&batch.kind, identifier, i + 1);
		twelve += identifier->twelve_digits;
		my_numbers += identifier->my_number;
		digest_compute(batch.kind.id, identifier->text, identifier->length, batch.newest,
					   batch.digests + (Size) i * batch.newest * DIGEST_LENGTH);
		older_add(&batch.older, &batch.kind, identifier, DatumGetTextPP(values[i]), batch.newest, i);
	}
	explicit_bzero(identifier, sizeof(Identifier));
	if (twelve >= MY_NUMBER_SAMPLE && my_numbers > twelve / 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the batch looks like My Numbers"),
				 errdetail("Of %d numbers of twelve digits %d pass the check of a My Number (individual number); of other numbers one in eleven would.",
						   twelve, my_numbers),
				 errhint("My Numbers must not be used for secondary use. Nobody was enrolled.")));
	if (!PG_ARGISNULL(3))
		limit = new_limit(PG_GETARG_DATUM(3), present);
	enrol_all(&batch, limit);

	persons = palloc(batch.n * sizeof(Datum));
	for (int i = 0; i < batch.n; i++)
		persons[i] = Int32GetDatum(batch.persons[i]);
	result = construct_md_array(persons, nulls, 1, &batch.n, &lower, person_type, sizeof(int32), true,
								TYPALIGN_INT);
	SHOW_STATEMENT();
	PG_RETURN_ARRAYTYPE_P(result);
}
