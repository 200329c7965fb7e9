/*
 * persons.c
 *    The persons of a read: handed over through the spool, kept as Roaring bitmaps.
 *
 * A backend (or each of a statement's parallel workers) hands over chunks of
 * 65 536 persons as they are: a short list or 8 kB of bits.  It needs no memory
 * for it beyond a buffer that it made before, since it may have to do so while
 * a transaction is being aborted.  The writer puts together what belongs to one
 * read and stores it when the closing entry comes.  What is not closed at the end of
 * a batch is parked in the same table, as if scanned, and fetched again.
 *
 * niji.read_persons (open, dataset, shown, chunk, persons) has a row for each
 * chunk of persons who were scanned: shown says whether they were shown, too, so
 * that each person is once in (open, dataset).  The closing entry, and so the
 * sealed tree, holds a SHA-256 over these rows in the order of (dataset,
 * shown, chunk): for each dataset, shown, chunk and length as big-endian
 * int32, and the bitmap's bytes.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/person_chunk.h"
#include "base/shmem.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "port/pg_bswap.h"
#include "trail/persons.h"
#include "trail/record_format.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

#define CHUNK_BYTES PERSON_CHUNK_BYTES
#define BUFFER_SIZE (256 * 1024)

PG_FUNCTION_INFO_V1(persons_contain);
PG_FUNCTION_INFO_V1(persons_list);
PG_FUNCTION_INFO_V1(person_chunk);

/* ---- in backends ---- */

static char *buffer = NULL;

void
persons_prepare(void)
{
	if (buffer == NULL)
		buffer = MemoryContextAlloc(TopMemoryContext, BUFFER_SIZE);
}

static uint32
put_chunk(char *at, uint32 number, const uint64 *words)
{
	RecordChunk *chunk = (RecordChunk *) at;
	uint64		count = pg_popcount((const char *) words, CHUNK_BYTES);
	uint16	   *list = (uint16 *) (at + sizeof(RecordChunk));
	uint32		n = 0;

	chunk->chunk = number;
	if (count > PERSONS_LIST_MAX)
	{
		chunk->count = PERSONS_BITS;
		memcpy(list, words, CHUNK_BYTES);
		return sizeof(RecordChunk) + CHUNK_BYTES;
	}
	chunk->count = count;
	for (int word = 0; word < PERSON_CHUNK_WORDS; word++)
		for (uint64 bits = words[word]; bits != 0; bits &= bits - 1)
			list[n++] = word * 64 + pg_rightmost_one_pos64(bits);
	if (n & 1)
		list[n++] = 0;
	return sizeof(RecordChunk) + n * sizeof(uint16);
}

bool
persons_spool(uint64 open, int dataset, const PersonSet *set, SpoolMode mode)
{
	RecordPersons *head = (RecordPersons *) buffer;
	uint32		length = sizeof(RecordPersons);

	Assert(buffer != NULL);
	head->nchunks = 0;
	for (uint32 i = 0; set && i < set->nchunks; i++)
	{
		if (set->chunks[i] != NULL)
		{
			length += put_chunk(buffer + length, i, set->chunks[i]);
			head->nchunks++;
		}
		if (head->nchunks > 0 &&
			(i == set->nchunks - 1 ||
			 length + sizeof(RecordChunk) + CHUNK_BYTES > BUFFER_SIZE))
		{
			SpoolPiece	piece = {SPOOL_PERSONS, buffer, length};

			head->open = open;
			head->dataset = dataset;
			if (spool_append(&piece, 1, mode, NULL) == 0)
				return false;
			length = sizeof(RecordPersons);
			head->nchunks = 0;
		}
	}
	return true;
}

/* ---- in the writer ---- */

typedef struct ReadSet
{
	int			dataset;
	PersonSet  *set;
} ReadSet;

typedef struct ReadSets
{
	uint64		open;			/* the key */
	List	   *sets;			/* of ReadSet */
} ReadSets;

static MemoryContext batch = NULL;
static HTAB *reads = NULL;

void
persons_batch_begin(MemoryContext context)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(uint64);
	ctl.entrysize = sizeof(ReadSets);
	ctl.hcxt = batch = context;
	reads = hash_create("niji persons of reads", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static PersonSet *
set_of(uint64 open, int dataset)
{
	bool		found;
	ReadSets   *read = hash_search(reads, &open, HASH_ENTER, &found);
	ReadSet    *one;
	ListCell   *cell;
	MemoryContext old;

	if (!found)
		read->sets = NIL;
	foreach(cell, read->sets)
	{
		one = lfirst(cell);
		if (one->dataset == dataset)
			return one->set;
	}
	old = MemoryContextSwitchTo(batch);
	one = palloc(sizeof(ReadSet));
	one->dataset = dataset;
	one->set = person_set_create(batch);
	read->sets = lappend(read->sets, one);
	MemoryContextSwitchTo(old);
	return one->set;
}

bool
persons_take(const char *data, uint32 length, uint64 *open)
{
	RecordPersons head;
	const char *at = data + sizeof(head);
	const char *end = data + length;
	PersonSet  *set;

	if (length < sizeof(head))
		return false;
	memcpy(&head, data, sizeof(head));
	*open = head.open;
	set = set_of(head.open, head.dataset);
	for (uint32 i = 0; i < head.nchunks; i++)
	{
		RecordChunk chunk;
		uint32		size;

		if (end - at < sizeof(chunk))
			return false;
		memcpy(&chunk, at, sizeof(chunk));
		at += sizeof(chunk);
		if (chunk.chunk >= (UINT64CONST(1) << (32 - PERSON_CHUNK_BITS)) ||
			(chunk.count != PERSONS_BITS && chunk.count > PERSONS_LIST_MAX))
			return false;
		size = chunk.count == PERSONS_BITS ? CHUNK_BYTES : TYPEALIGN(4, chunk.count * sizeof(uint16));
		if (end - at < size)
			return false;
		if (chunk.chunk >= set->nchunks || set->chunks[chunk.chunk] == NULL)
			person_set_grow(set, chunk.chunk);
		if (chunk.count == PERSONS_BITS)
		{
			for (int word = 0; word < PERSON_CHUNK_WORDS; word++)
			{
				uint64		bits;

				memcpy(&bits, at + word * sizeof(bits), sizeof(bits));
				set->chunks[chunk.chunk][word] |= bits;
			}
		}
		else
			for (uint32 n = 0; n < chunk.count; n++)
			{
				uint16		low;

				memcpy(&low, at + n * sizeof(low), sizeof(low));
				set->chunks[chunk.chunk][low >> 6] |= UINT64CONST(1) << (low & 63);
			}
		at += size;
	}
	return at == end;
}

/* the bits of a bitmap that was kept, which may have been altered: an error then */
static void
from_roaring(const bytea *kept, uint64 words[PERSON_CHUNK_WORDS])
{
	if (!person_chunk_decode(kept, words))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a set of persons in niji.read_persons is damaged"),
				 errhint("niji.verify_trail() tells which reads are concerned.")));
}

static void
run(SPIPlanPtr *plan, const char *query, int nargs, Oid *types, Datum *values, int expected)
{
	if (*plan == NULL)
	{
		*plan = SPI_prepare(query, nargs, types);
		if (*plan == NULL || SPI_keepplan(*plan) != 0)
			elog(ERROR, "could not prepare: %s", query);
	}
	if (SPI_execute_plan(*plan, values, NULL, false, 0) != expected)
		elog(ERROR, "could not run: %s", query);
}

static void
store(uint64 open, int dataset, bool shown, uint32 chunk, const uint64 *words,
	  pg_cryptohash_ctx *hash)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[5] = {INT8OID, INT4OID, BOOLOID, INT4OID, BYTEAOID};
	bytea	   *bitmap = person_chunk_encode(words);
	Datum		values[5];

	values[0] = Int64GetDatum(open);
	values[1] = Int32GetDatum(dataset);
	values[2] = BoolGetDatum(shown);
	values[3] = Int32GetDatum(chunk);
	values[4] = PointerGetDatum(bitmap);
	run(&plan,
		"insert into niji.read_persons (open, dataset, shown, chunk, persons) values ($1, $2, $3, $4, $5)",
		5, types, values, SPI_OK_INSERT);
	if (hash)
	{
		uint32		head[4];

		head[0] = pg_hton32((uint32) dataset);
		head[1] = pg_hton32((uint32) shown);
		head[2] = pg_hton32(chunk);
		head[3] = pg_hton32((uint32) VARSIZE_ANY_EXHDR(bitmap));
		if (pg_cryptohash_update(hash, (uint8 *) head, sizeof(head)) < 0 ||
			pg_cryptohash_update(hash, (uint8 *) VARDATA(bitmap), head[3] ? VARSIZE_ANY_EXHDR(bitmap) : 0) < 0)
			elog(ERROR, "could not compute a SHA-256 hash");
	}
	pfree(bitmap);
}

/* fetches what was parked of a read in earlier batches, and removes it */
static void
unpark(uint64 open)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[1] = {INT8OID};
	Datum		values[1];
	uint64		words[PERSON_CHUNK_WORDS];

	values[0] = Int64GetDatum(open);
	run(&plan, "delete from niji.read_persons where open = $1 returning dataset, chunk, persons", 1,
		types, values, SPI_OK_DELETE_RETURNING);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		int			dataset = DatumGetInt32(SPI_getbinval(tuple, desc, 1, &isnull));
		uint32		chunk = DatumGetInt32(SPI_getbinval(tuple, desc, 2, &isnull));
		PersonSet  *set = set_of(open, dataset);

		from_roaring(DatumGetByteaPP(SPI_getbinval(tuple, desc, 3, &isnull)), words);
		if (chunk >= (UINT64CONST(1) << (32 - PERSON_CHUNK_BITS)))
			continue;
		if (chunk >= set->nchunks || set->chunks[chunk] == NULL)
			person_set_grow(set, chunk);
		for (int word = 0; word < PERSON_CHUNK_WORDS; word++)
			set->chunks[chunk][word] |= words[word];
	}
	SPI_freetuptable(SPI_tuptable);
}

static int
compare_sets(const ListCell *a, const ListCell *b)
{
	return ((ReadSet *) lfirst(a))->dataset - ((ReadSet *) lfirst(b))->dataset;
}

/* of one dataset's chunk, those who are in these pseudonyms' set (or are not) */
static bool
divide(const uint64 *words, const PersonSet *pseudonyms, uint32 chunk, bool in,
	   uint64 result[PERSON_CHUNK_WORDS])
{
	const uint64 *other = pseudonyms && chunk < pseudonyms->nchunks ? pseudonyms->chunks[chunk] : NULL;
	uint64		any = 0;

	for (int word = 0; word < PERSON_CHUNK_WORDS; word++)
	{
		uint64		mask = other ? other[word] : 0;

		result[word] = words[word] & (in ? mask : ~mask);
		any |= result[word];
	}
	return any != 0;
}

void
persons_close(uint64 open, ShownKind shown, bool parked, PersonsAmounts *amounts)
{
	ReadSets   *read;
	ListCell   *cell;
	PersonSet  *pseudonyms = NULL;
	PersonSet  *scanned = person_set_create(batch);
	pg_cryptohash_ctx *hash;
	uint64		words[PERSON_CHUNK_WORDS];

	if (parked)
		unpark(open);
	read = hash_search(reads, &open, HASH_FIND, NULL);
	hash = pg_cryptohash_create(PG_SHA256);
	if (hash == NULL || pg_cryptohash_init(hash) < 0)
		elog(ERROR, "could not compute a SHA-256 hash");

	if (read)
	{
		list_sort(read->sets, compare_sets);
		foreach(cell, read->sets)
		{
			ReadSet    *one = lfirst(cell);

			if (one->dataset == PERSONS_OF_PSEUDONYMS)
				pseudonyms = one->set;
			else
				person_set_union(scanned, one->set);
		}
		foreach(cell, read->sets)
		{
			ReadSet    *one = lfirst(cell);

			if (one->dataset == PERSONS_OF_PSEUDONYMS)
				continue;

			/* first those who were only scanned, then those who were shown */
			for (int pass = 0; pass < 2; pass++)
				for (uint32 chunk = 0; chunk < one->set->nchunks; chunk++)
				{
					uint64	   *all = one->set->chunks[chunk];

					if (all == NULL || pg_popcount((const char *) all, CHUNK_BYTES) == 0)
						continue;
					if (shown == SHOWN_THESE)
					{
						if (divide(all, pseudonyms, chunk, pass == 1, words))
							store(open, one->dataset, pass == 1, chunk, words, hash);
					}
					else if ((pass == 1) == (shown != SHOWN_NOBODY))
						store(open, one->dataset, pass == 1, chunk, all, hash);
				}
		}
	}
	amounts->scanned = person_set_count(scanned);
	switch (shown)
	{
		case SHOWN_UNKNOWN:
			amounts->scanned = amounts->shown = -1;
			break;
		case SHOWN_NOBODY:
			amounts->shown = 0;
			break;
		case SHOWN_ALL:
			amounts->shown = amounts->scanned;
			break;
		case SHOWN_THESE:
			amounts->shown = 0;
			for (uint32 chunk = 0; chunk < scanned->nchunks; chunk++)
				if (scanned->chunks[chunk] &&
					divide(scanned->chunks[chunk], pseudonyms, chunk, true, words))
					amounts->shown += pg_popcount((const char *) words, CHUNK_BYTES);
			break;
	}
	if (pg_cryptohash_final(hash, amounts->hash, sizeof(amounts->hash)) < 0)
		elog(ERROR, "could not compute a SHA-256 hash");
	pg_cryptohash_free(hash);
	if (read)
		hash_search(reads, &open, HASH_REMOVE, NULL);
}

List *
persons_park(void)
{
	HASH_SEQ_STATUS status;
	ReadSets   *read;
	List	   *opens = NIL;
	ListCell   *cell;

	hash_seq_init(&status, reads);
	while ((read = hash_seq_search(&status)) != NULL)
		opens = lappend(opens, read);
	foreach(cell, opens)
	{
		ListCell   *other;
		uint64	   *open = palloc(sizeof(uint64));

		/* what was parked before is joined with it, so that a chunk has one row */
		read = lfirst(cell);
		*open = read->open;
		unpark(read->open);
		foreach(other, read->sets)
		{
			ReadSet    *one = lfirst(other);

			for (uint32 chunk = 0; chunk < one->set->nchunks; chunk++)
				if (one->set->chunks[chunk])
					store(read->open, one->dataset, one->dataset != PERSONS_OF_PSEUDONYMS, chunk,
						  one->set->chunks[chunk], NULL);
		}
		lfirst(cell) = open;
	}
	return opens;
}

/* ---- looking ---- */

/* niji.persons_contain(persons bytea, person niji.person) */
Datum
persons_contain(PG_FUNCTION_ARGS)
{
	bytea	   *kept = PG_GETARG_BYTEA_PP(0);
	int			has = person_chunk_has(VARDATA_ANY(kept), VARSIZE_ANY_EXHDR(kept),
									   (uint32) PG_GETARG_INT32(1) & (PERSON_CHUNK_PERSONS - 1));
	uint64		words[PERSON_CHUNK_WORDS];

	/* raises for what is none; another form of a sound one is not written here */
	if (has < 0)
	{
		uint32		low = (uint32) PG_GETARG_INT32(1) & (PERSON_CHUNK_PERSONS - 1);

		from_roaring(kept, words);
		has = (words[low >> 6] >> (low & 63)) & 1;
	}
	PG_RETURN_BOOL(has != 0);
}

/* niji.persons_list(persons bytea, chunk int) */
Datum
persons_list(PG_FUNCTION_ARGS)
{
	uint64		words[PERSON_CHUNK_WORDS];
	uint32		chunk = (uint32) PG_GETARG_INT32(1);
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;

	from_roaring(PG_GETARG_BYTEA_PP(0), words);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int word = 0; word < PERSON_CHUNK_WORDS; word++)
		for (uint64 bits = words[word]; bits != 0; bits &= bits - 1)
		{
			Datum		value = Int32GetDatum((int32) ((chunk << PERSON_CHUNK_BITS) | (uint32) (word * 64 + pg_rightmost_one_pos64(bits))));
			bool		isnull = false;

			tuplestore_putvalues(set->setResult, set->setDesc, &value, &isnull);
		}
	return (Datum) 0;
}

/* niji.person_chunk(person niji.person) */
Datum
person_chunk(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32((uint32) PG_GETARG_INT32(0) >> PERSON_CHUNK_BITS);
}
