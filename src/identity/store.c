/*
 * store.c
 *    Persons of a batch of digests: known ones found, new ones stored.
 *
 * Two sessions that enrol the same new identifier get one person: the unique
 * index decides, the loser waits for the winner's commit and reads again.
 * Under REPEATABLE READ it cannot read what it may not see: that is a
 * serialization failure (raised by ON CONFLICT itself), and is tried again by
 * the client.
 *
 * A batch is worked off in the order of its digests: neighbours share pages of
 * the index, the same identifier twice stands together, and two batches with
 * the same people cannot deadlock.
 *
 * New digests of a larger batch are stored as COPY would do it, many rows to a
 * page and straight into the indexes, in a subtransaction.  Should another
 * session have stored one of them meanwhile, the unique index says so, the
 * subtransaction is rolled back, and the batch goes the slower way: INSERT with
 * ON CONFLICT DO NOTHING, which leaves the others' digests to be read again.
 * The slower way is taken at once for a few digests, and for a table that has
 * triggers (a change audit, say) or columns that this file does not know.
 *
 * Lock on niji.identifier: ROW EXCLUSIVE before the generation is looked at
 * for good, since the first use of a new generation waits for it (see keys.c).
 */
#include "postgres.h"

#include "identity/store.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "identity/keys.h"
#include "identity/lookup.h"
#include "identity/number.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

/* rows of one INSERT */
#define INSERT_CHUNK 10000

/* rows of one multi-insert, and from how many on it pays */
#define MULTI_INSERT 500
#define MULTI_INSERT_FROM 100

/* ---- order ---- */

/* a place of the batch */
typedef struct Place
{
	uint64		prefix;			/* first half of the newest digest, as a number */
	const uint8 *digest;		/* under the newest generation */
	int			i;
} Place;

#define ST_SORT sort_places
#define ST_ELEMENT_TYPE Place
#define ST_COMPARE(a, b)                                                                           \
	((a)->prefix != (b)->prefix ? ((a)->prefix < (b)->prefix ? -1 : 1) :                           \
	 memcmp((a)->digest, (b)->digest, DIGEST_LENGTH))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

static const uint8 *
digests_of(Batch *batch, int i)
{
	return batch->digests + (Size) i * batch->newest * DIGEST_LENGTH;
}

static Place *
places_in_order(Batch *batch, int *n)
{
	Place	   *places = MemoryContextAllocHuge(CurrentMemoryContext, Max(batch->n, 1) * sizeof(Place));

	*n = 0;
	for (int i = 0; i < batch->n; i++)
	{
		Place	   *place = &places[*n];
		uint64		prefix;

		if (!batch->present[i])
			continue;
		place->digest = digests_of(batch, i) + (batch->newest - 1) * DIGEST_LENGTH;
		memcpy(&prefix, place->digest, sizeof(prefix));
		place->prefix = pg_ntoh64(prefix);
		place->i = i;
		(*n)++;
	}
	sort_places(places, *n);
	return places;
}

static bool
same_digest(Place *a, Place *b)
{
	return a->prefix == b->prefix && memcmp(a->digest, b->digest, DIGEST_LENGTH) == 0;
}

/* ---- finding ---- */

/* what a lookup for enrolment may see: others' commits, except where isolation forbids */
static Snapshot
enrol_snapshot(void)
{
	return IsolationUsesXactSnapshot() ? GetTransactionSnapshot() : GetLatestSnapshot();
}

/* a digest that is not stored yet: a run of places */
typedef struct NewDigest
{
	int			first;			/* of the places */
	int			n;
	int32		person;			/* 0 until it is stored */
	int32		known;			/* who is known under an older version of the rule, or 0 */
	int32		drawn;			/* who it will be if nobody else is quicker */
} NewDigest;

/*
 * Under REPEATABLE READ the snapshot may be from before a generation began,
 * and not see who was enrolled under the one before just then.  The unique
 * index does not tell, since the generations differ.
 */
static void
require_unknown(Lookup *latest, Batch *batch, Relation heap, const uint8 *digests)
{
	if (batch->newest == 1 || !IsolationUsesXactSnapshot())
		return;
	if (latest->heap == NULL)
		lookup_begin(latest, heap, GetLatestSnapshot(), batch->kind, batch->newest);
	if (lookup_person(latest, digests, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent enrolment")));
}

/*
 * Answers for those who are known; gives the digests that are not stored.
 * Spellings that the newer version of a rule takes for one may have been several
 * under an older one: who is known under theirs stays who they are.
 */
static NewDigest *
find_known(Batch *batch, Relation heap, Place *places, int n, int *nnew)
{
	NewDigest  *news = NULL;
	int			capacity = 0;
	Lookup		lookup;
	Lookup		latest = {0};

	*nnew = 0;
	lookup_begin(&lookup, heap, enrol_snapshot(), batch->kind, batch->newest);
	for (int start = 0, end; start < n; start = end)
	{
		const uint8 *digests = digests_of(batch, places[start].i);
		int32		known = 0;
		int32		person;

		CHECK_FOR_INTERRUPTS();
		for (end = start + 1; end < n && same_digest(&places[start], &places[end]); end++)
			;
		person = lookup_person(&lookup, digests, NULL);
		for (int i = start; i < end; i++)
		{
			int32		older = older_lookup(&batch->older, &lookup, places[i].i, NULL);

			batch->persons[places[i].i] = older ? older : person;
			if (known == 0)
				known = older;
		}
		if (person != 0)
			continue;
		require_unknown(&latest, batch, heap, digests);
		if (*nnew == capacity)
		{
			capacity = capacity == 0 ? Min(n, 1024) : capacity * 2;
			news = news ? repalloc_huge(news, capacity * sizeof(NewDigest)) :
				MemoryContextAllocHuge(CurrentMemoryContext, capacity * sizeof(NewDigest));
		}
		news[*nnew] = (NewDigest) {start, end - start, 0, known, 0};
		(*nnew)++;
	}
	lookup_end(&lookup);
	if (latest.heap)
		lookup_end(&latest);
	return news;
}

/* of the digests, those of nobody who is known otherwise */
static int
count_unknown(NewDigest *news, int n)
{
	int			count = 0;

	for (int i = 0; i < n; i++)
		count += news[i].known == 0;
	return count;
}

void
store_find(Batch *batch)
{
	Relation	heap = table_open(catalog_relation("identifier"), AccessShareLock);
	int			n;
	int			nnew;
	Place	   *places = places_in_order(batch, &n);
	NewDigest  *news = find_known(batch, heap, places, n, &nnew);

	if (news)
		pfree(news);
	pfree(places);
	table_close(heap, AccessShareLock);
}

/* ---- storing, the quick way ---- */

/* whether the table is as this file knows it, with nothing that wants to be told of rows */
static bool
plain_table(Relation heap)
{
	return heap->rd_rel->relkind == RELKIND_RELATION && heap->trigdesc == NULL &&
		RelationGetNumberOfAttributes(heap) == IDENTIFIER_COLUMNS;
}

static void
fill_slot(Batch *batch, TupleTableSlot *slot, const uint8 *digest, int32 person, char *value)
{
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, IDENTIFIER_COLUMNS * sizeof(bool));
#define COLUMN(column, datum)                                                                      \
	(slot->tts_isnull[(column) - 1] = false, slot->tts_values[(column) - 1] = (datum))
	SET_VARSIZE(value, VARHDRSZ + DIGEST_LENGTH);
	memcpy(value + VARHDRSZ, digest, DIGEST_LENGTH);
	COLUMN(IDENTIFIER_KIND, Int32GetDatum(batch->kind));
	COLUMN(IDENTIFIER_GENERATION, Int16GetDatum(batch->newest));
	COLUMN(IDENTIFIER_NORMALIZATION, Int16GetDatum(batch->version));
	COLUMN(IDENTIFIER_DIGEST, PointerGetDatum(value));
	COLUMN(IDENTIFIER_PERSON, Int32GetDatum(person));
	if (batch->source)
		COLUMN(IDENTIFIER_SOURCE, PointerGetDatum(batch->source));
	COLUMN(IDENTIFIER_ENROLLED_AT, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
	COLUMN(IDENTIFIER_PERIOD, Int16GetDatum(0));
#undef COLUMN
	ExecStoreVirtualTuple(slot);
}

static void
multi_insert(Batch *batch, Relation heap, Place *places, NewDigest *news, int n)
{
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *result = makeNode(ResultRelInfo);
	CommandId	command = GetCurrentCommandId(true);
	TupleTableSlot **slots = palloc(MULTI_INSERT * sizeof(TupleTableSlot *));
	char	   (*values)[VARHDRSZ + DIGEST_LENGTH] = palloc(MULTI_INSERT * sizeof(*values));
	int			nslots = Min(n, MULTI_INSERT);
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "niji multi-insert", ALLOCSET_DEFAULT_SIZES);

	InitResultRelInfo(result, heap, 1, NULL, 0);
	ExecOpenIndices(result, false);
	for (int i = 0; i < nslots; i++)
		slots[i] = table_slot_create(heap, NULL);
	for (int start = 0; start < n; start += nslots)
	{
		int			rows = Min(nslots, n - start);
		MemoryContext old;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < rows; i++)
			fill_slot(batch, slots[i], places[news[start + i].first].digest, news[start + i].drawn, values[i]);
		old = MemoryContextSwitchTo(work);
		table_multi_insert(heap, slots, rows, command, 0, NULL);
		MemoryContextSwitchTo(old);
		MemoryContextReset(work);
		for (int i = 0; i < rows; i++)
		{
			old = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
			(void) niji_insert_index_tuples(result, slots[i], estate);
			MemoryContextSwitchTo(old);
			ResetPerTupleExprContext(estate);
		}
	}
	table_finish_bulk_insert(heap, 0);
	for (int i = 0; i < nslots; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	ExecCloseIndices(result);
	MemoryContextDelete(work);
	FreeExecutorState(estate);
}

/* stores all of them, or (false) none, since another session has stored one meanwhile */
static bool
insert_quickly(Batch *batch, Relation heap, Place *places, NewDigest *news, int n)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	bool		stored = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		MemoryContext work = AllocSetContextCreate(context, "niji store", ALLOCSET_DEFAULT_SIZES);

		MemoryContextSwitchTo(work);
		multi_insert(batch, heap, places, news, n);
		MemoryContextSwitchTo(context);
		MemoryContextDelete(work);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION)
			ReThrowError(error);
		FreeErrorData(error);
		stored = false;
	}
	PG_END_TRY();
	for (int i = 0; stored && i < n; i++)
		news[i].person = news[i].drawn;
	return stored;
}

/* ---- storing, the slower way ---- */

static NewDigest *
find_new(Place *places, NewDigest *news, int n, const uint8 *digest)
{
	int			low = 0;
	int			high = n - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			order = memcmp(digest, places[news[middle].first].digest, DIGEST_LENGTH);

		if (order == 0)
			return &news[middle];
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	elog(ERROR, "a digest came back that was not sent");
	return NULL;
}

/* stores those that nobody stored in the meantime; the others' person stays 0 */
static void
insert_carefully(Batch *batch, Place *places, NewDigest *news, int n)
{
	static const char *const query =
		"insert into niji.identifier (kind, generation, normalization, digest, person, source)"
		" select $1, $2, $3, u.digest, u.person, $6"
		" from rows from (pg_catalog.unnest($4), pg_catalog.unnest($5)) as u(digest, person)"
		" on conflict (kind, generation, digest) where period = 0 do nothing returning digest, person";
	Oid			person_type = catalog_type("person");
	Oid			types[6] = {INT4OID, INT2OID, INT2OID, BYTEAARRAYOID, InvalidOid, TEXTOID};
	char		nulls[7] = "      ";
	Datum	   *digests = palloc(n * sizeof(Datum));
	Datum	   *persons = palloc(n * sizeof(Datum));
	Datum		values[6];

	for (int i = 0; i < n; i++)
	{
		bytea	   *value = palloc(VARHDRSZ + DIGEST_LENGTH);

		SET_VARSIZE(value, VARHDRSZ + DIGEST_LENGTH);
		memcpy(VARDATA(value), places[news[i].first].digest, DIGEST_LENGTH);
		digests[i] = PointerGetDatum(value);
		persons[i] = Int32GetDatum(news[i].drawn);
	}
	types[4] = get_array_type(person_type);
	values[0] = Int32GetDatum(batch->kind);
	values[1] = Int16GetDatum(batch->newest);
	values[2] = Int16GetDatum(batch->version);
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

		find_new(places, news, n, (uint8 *) VARDATA_ANY(value))->person = DatumGetInt32(person);
	}
	SPI_finish();
}

/* until each is stored, by us or by another session */
static void
insert_and_read_again(Batch *batch, Relation heap, Place *places, NewDigest *news, int n)
{
	NewDigest  *left = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(NewDigest));
	int			nleft = n;

	memcpy(left, news, n * sizeof(NewDigest));
	for (int round = 0; nleft > 0; round++)
	{
		int			still = 0;
		Lookup		lookup;

		/* a row that conflicts and is gone when it is looked at: somebody deletes as we insert */
		if (round == 10)
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not enrol a person because of concurrent changes")));
		for (int start = 0; start < nleft; start += INSERT_CHUNK)
		{
			MemoryContext chunk = AllocSetContextCreate(CurrentMemoryContext, "niji enrol",
														ALLOCSET_DEFAULT_SIZES);
			MemoryContext old = MemoryContextSwitchTo(chunk);

			insert_carefully(batch, places, left + start, Min(INSERT_CHUNK, nleft - start));
			MemoryContextSwitchTo(old);
			MemoryContextDelete(chunk);
		}
		/* another session was first with these */
		lookup_begin(&lookup, heap, enrol_snapshot(), batch->kind, batch->newest);
		for (int i = 0; i < nleft; i++)
		{
			if (left[i].person != 0)
				batch->new_persons += left[i].known == 0;
			else
				left[i].person = lookup_person(&lookup, digests_of(batch, places[left[i].first].i), NULL);
			if (left[i].person == 0)
				left[still++] = left[i];
			else
				find_new(places, news, n, places[left[i].first].digest)->person = left[i].person;
		}
		lookup_end(&lookup);
		nleft = still;
	}
	pfree(left);
}

/* ---- enrolling ---- */

static void
refuse_so_many(int n, double limit, int places)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg_plural("the batch has %d new person, more than max_new allows",
						   "the batch has %d new persons, more than max_new allows", n, n),
			 errdetail("At most %.0f of its %d identifiers may be new. Nobody was enrolled.",
					   limit, places),
			 errhint("Many new persons where few are expected may mean that the file's identifiers are of another kind, or written in another way.")));
}

/* whom the new digests will point at; leaves out those for whom nobody is given */
static int
assign_persons(Batch *batch, Place *places, NewDigest *news, int n)
{
	int32	   *numbers;
	int			kept = 0;

	if (batch->given)
	{
		for (int i = 0; i < n; i++)
		{
			news[i].drawn = news[i].known ? news[i].known : batch->given[places[news[i].first].i];
			if (news[i].drawn != 0)
				news[kept++] = news[i];
		}
		return kept;
	}
	numbers = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(int32));
	number_draw(n, numbers);
	for (int i = 0; i < n; i++)
		news[i].drawn = news[i].known ? news[i].known : numbers[i];
	pfree(numbers);
	return n;
}

void
store_enrol(Batch *batch, double limit)
{
	Relation	heap = table_open(catalog_relation("identifier"), RowExclusiveLock);
	int			n;
	int			nnew;
	Place	   *places = places_in_order(batch, &n);
	NewDigest  *news = find_known(batch, heap, places, n, &nnew);

	batch->new_persons = 0;
	if (limit >= 0 && count_unknown(news, nnew) > limit)
		refuse_so_many(count_unknown(news, nnew), limit, batch->n);
	if (nnew > 0)
		nnew = assign_persons(batch, places, news, nnew);
	if (nnew > 0)
	{
		if (nnew >= MULTI_INSERT_FROM && plain_table(heap) &&
			insert_quickly(batch, heap, places, news, nnew))
			batch->new_persons = count_unknown(news, nnew);
		else
			insert_and_read_again(batch, heap, places, news, nnew);
		for (int i = 0; i < nnew; i++)
			for (int place = news[i].first; place < news[i].first + news[i].n; place++)
				if (batch->persons[places[place].i] == 0)
					batch->persons[places[place].i] = news[i].person;
	}
	if (news)
		pfree(news);
	pfree(places);
	table_close(heap, NoLock);
	if (batch->attributes.n > 0)
		attribute_store(batch);
}

int
store_begin(void)
{
	/* a generation's first use takes a stronger lock, so it comes before ours */
	(void) key_current_generation();
	LockRelationOid(catalog_relation("identifier"), RowExclusiveLock);
	return key_current_generation();
}
