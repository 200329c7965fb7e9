/*
 * uses.c
 *    Rolling up the sets of persons of reads: unions, and what is told of each person.
 *
 * The facts of niji.person_uses tell for each person of a chunk how many reads
 * there were, the first day and the last.  They are kept as bit slices: slice i
 * of a number is the set of the persons for whom binary digit i of it is 1.  So
 * a set is added to all its persons' counts by set operations, and where many
 * persons have the same history, as after reads of everybody, slices are runs
 * of a few bytes.
 *
 *    byte 0     1, the version
 *    byte 1..3  how many slices the count, the first day and the last day have
 *    then       each slice, lowest digit first, in this order: its length
 *               (uint16, big endian), and a Roaring bitmap as in niji.read_persons,
 *               or nothing for an empty one
 *
 * Days are counted from 2000-01-01; they end in 2179.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/person_chunk.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/date.h"

#define FACTS_VERSION 1
#define COUNT_SLICES 32
#define DAY_SLICES 16

typedef uint64 *Slice;			/* PERSON_CHUNK_WORDS, or NULL for an empty one */

typedef struct Facts
{
	MemoryContext context;
	uint64		persons[PERSON_CHUNK_WORDS];
	Slice		count[COUNT_SLICES];
	Slice		first[DAY_SLICES];
	Slice		last[DAY_SLICES];
} Facts;

PG_FUNCTION_INFO_V1(persons_union_step);
PG_FUNCTION_INFO_V1(persons_union_final);
PG_FUNCTION_INFO_V1(persons_facts_step);
PG_FUNCTION_INFO_V1(persons_facts_final);
PG_FUNCTION_INFO_V1(person_use);
PG_FUNCTION_INFO_V1(persons_number);

pg_noreturn static void damaged(const char *what);

static void
damaged(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("%s is damaged", what),
			 errhint("niji.verify_trail() and niji.verify_uses() tell which.")));
}

static void
decode(const bytea *kept, uint64 words[PERSON_CHUNK_WORDS])
{
	if (!person_chunk_decode(kept, words))
		damaged("a set of persons");
}

static MemoryContext
aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "called outside of an aggregate");
	return context;
}

/* ---- unions ---- */

Datum
persons_union_step(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	uint64	   *state = PG_ARGISNULL(0) ? NULL : (uint64 *) PG_GETARG_POINTER(0);
	uint64		words[PERSON_CHUNK_WORDS];

	if (state == NULL)
		state = MemoryContextAllocZero(context, PERSON_CHUNK_BYTES);
	if (!PG_ARGISNULL(1))
	{
		bytea	   *persons = PG_GETARG_BYTEA_PP(1);

		decode(persons, words);
		for (int word = 0; word < PERSON_CHUNK_WORDS; word++)
			state[word] |= words[word];
		PG_FREE_IF_COPY(persons, 1);
	}
	PG_RETURN_POINTER(state);
}

Datum
persons_union_final(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(person_chunk_encode((uint64 *) PG_GETARG_POINTER(0)));
}

Datum
persons_number(PG_FUNCTION_ARGS)
{
	uint64		words[PERSON_CHUNK_WORDS];

	decode(PG_GETARG_BYTEA_PP(0), words);
	PG_RETURN_INT32((int32) pg_popcount((const char *) words, PERSON_CHUNK_BYTES));
}

/* ---- facts ---- */

static Slice
slice_made(Facts *facts, Slice *slice)
{
	if (*slice == NULL)
		*slice = MemoryContextAllocZero(facts->context, PERSON_CHUNK_BYTES);
	return *slice;
}

/* one more read of these persons */
static void
count_more(Facts *facts, const uint64 *set)
{
	uint64		carry[PERSON_CHUNK_WORDS];
	bool		any = true;

	memcpy(carry, set, PERSON_CHUNK_BYTES);
	for (int i = 0; i < COUNT_SLICES && any; i++)
	{
		Slice		slice = slice_made(facts, &facts->count[i]);

		any = false;
		for (int word = 0; word < PERSON_CHUNK_WORDS; word++)
		{
			uint64		both = slice[word] & carry[word];

			slice[word] ^= carry[word];
			carry[word] = both;
			any |= both != 0;
		}
	}
}

/*
 * Of these persons, the new ones and those whose day is later (for the first)
 * or earlier (for the last) than this one get it.
 */
static void
day_moves(Facts *facts, Slice *slices, bool earliest, uint32 day, const uint64 *set)
{
	for (int word = 0; word < PERSON_CHUNK_WORDS; word++)
	{
		uint64		equal = set[word] & facts->persons[word];
		uint64		change = set[word] & ~facts->persons[word];

		if (set[word] == 0)
			continue;
		for (int i = DAY_SLICES - 1; i >= 0; i--)
		{
			uint64		ones = slices[i] ? slices[i][word] : 0;

			/* where the numbers part for the first time, the digit decides */
			if ((day >> i) & 1)
			{
				if (!earliest)
					change |= equal & ~ones;
				equal &= ones;
			}
			else
			{
				if (earliest)
					change |= equal & ones;
				equal &= ~ones;
			}
		}
		for (int i = 0; change != 0 && i < DAY_SLICES; i++)
		{
			if ((day >> i) & 1)
				slice_made(facts, &slices[i])[word] |= change;
			else if (slices[i])
				slices[i][word] &= ~change;
		}
	}
}

static const uint8 *
slices_read(Facts *facts, Slice *slices, int n, const uint8 *at, const uint8 *end)
{
	for (int i = 0; i < n; i++)
	{
		uint32		length;
		bytea	   *bitmap;

		if (end - at < 2)
			return NULL;
		length = (at[0] << 8) | at[1];
		at += 2;
		if (length == 0)
			continue;
		if (end - at < length)
			return NULL;
		bitmap = palloc(VARHDRSZ + length);
		SET_VARSIZE(bitmap, VARHDRSZ + length);
		memcpy(VARDATA(bitmap), at, length);
		decode(bitmap, slice_made(facts, &slices[i]));
		pfree(bitmap);
		at += length;
	}
	return at;
}

static void
facts_read(Facts *facts, const bytea *kept)
{
	const uint8 *at = (const uint8 *) VARDATA_ANY(kept);
	const uint8 *end = at + VARSIZE_ANY_EXHDR(kept);
	int			n[3];

	if (end - at < 4 || at[0] != FACTS_VERSION || at[1] > COUNT_SLICES || at[2] > DAY_SLICES || at[3] > DAY_SLICES)
		damaged("what is told of persons' uses");
	for (int i = 0; i < 3; i++)
		n[i] = at[i + 1];
	at = slices_read(facts, facts->count, n[0], at + 4, end);
	if (at)
		at = slices_read(facts, facts->first, n[1], at, end);
	if (at)
		at = slices_read(facts, facts->last, n[2], at, end);
	if (at != end)
		damaged("what is told of persons' uses");
	for (int i = 0; i < COUNT_SLICES; i++)
		for (int word = 0; facts->count[i] && word < PERSON_CHUNK_WORDS; word++)
			facts->persons[word] |= facts->count[i][word];
}

/* niji.persons_facts_step(state internal, persons bytea, facts bytea, day date) */
Datum
persons_facts_step(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	Facts	   *facts = PG_ARGISNULL(0) ? NULL : (Facts *) PG_GETARG_POINTER(0);
	bool		begun = facts != NULL;
	uint64		set[PERSON_CHUNK_WORDS];
	int32		day;

	if (facts == NULL)
	{
		facts = MemoryContextAllocZero(context, sizeof(Facts));
		facts->context = context;
	}
	if (!PG_ARGISNULL(2))
	{
		if (begun)
			elog(ERROR, "facts that there are come first");
		facts_read(facts, PG_GETARG_BYTEA_PP(2));
	}
	else if (!PG_ARGISNULL(1) && !PG_ARGISNULL(3))
	{
		decode(PG_GETARG_BYTEA_PP(1), set);
		day = Max(0, Min(PG_GETARG_DATEADT(3), (1 << DAY_SLICES) - 1));
		day_moves(facts, facts->first, true, day, set);
		day_moves(facts, facts->last, false, day, set);
		count_more(facts, set);
		for (int word = 0; word < PERSON_CHUNK_WORDS; word++)
			facts->persons[word] |= set[word];
	}
	PG_RETURN_POINTER(facts);
}

static bool
is_empty(Slice slice)
{
	for (int word = 0; slice && word < PERSON_CHUNK_WORDS; word++)
		if (slice[word] != 0)
			return false;
	return true;
}

static uint8 *
slices_write(uint8 *at, Slice *slices, int most, uint8 *n)
{
	while (most > 0 && is_empty(slices[most - 1]))
		most--;
	*n = most;
	for (int i = 0; i < most; i++)
	{
		uint32		length = 0;

		if (!is_empty(slices[i]))
		{
			bytea	   *bitmap = person_chunk_encode(slices[i]);

			length = VARSIZE_ANY_EXHDR(bitmap);
			memcpy(at + 2, VARDATA(bitmap), length);
			pfree(bitmap);
		}
		at[0] = length >> 8;
		at[1] = length & 0xff;
		at += 2 + length;
	}
	return at;
}

Datum
persons_facts_final(PG_FUNCTION_ARGS)
{
	Facts	   *facts;
	bytea	   *result;
	uint8	   *start;
	uint8	   *at;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	facts = (Facts *) PG_GETARG_POINTER(0);
	result = palloc(VARHDRSZ + 4 + (COUNT_SLICES + 2 * DAY_SLICES) * (PERSON_CHUNK_BYTES + 64));
	start = at = (uint8 *) VARDATA(result);
	start[0] = FACTS_VERSION;
	at = slices_write(at + 4, facts->count, COUNT_SLICES, &start[1]);
	at = slices_write(at, facts->first, DAY_SLICES, &start[2]);
	at = slices_write(at, facts->last, DAY_SLICES, &start[3]);
	SET_VARSIZE(result, VARHDRSZ + (at - start));
	PG_RETURN_BYTEA_P(result);
}

/* a number of one person, digit by digit */
static const uint8 *
number_of(const uint8 *at, const uint8 *end, int n, uint32 low, uint64 *number)
{
	*number = 0;
	for (int i = 0; i < n; i++)
	{
		uint32		length;
		int			has;

		if (end - at < 2)
			return NULL;
		length = (at[0] << 8) | at[1];
		at += 2;
		if (end - at < length)
			return NULL;
		has = length > 0 ? person_chunk_has((const char *) at, length, low) : 0;
		if (has < 0)
			return NULL;
		*number |= (uint64) has << i;
		at += length;
	}
	return at;
}

/* niji.person_use(facts bytea, person niji.person, out reads, out first_day, out last_day) */
Datum
person_use(PG_FUNCTION_ARGS)
{
	bytea	   *kept = PG_GETARG_BYTEA_PP(0);
	uint32		low = (uint32) PG_GETARG_INT32(1) & (PERSON_CHUNK_PERSONS - 1);
	const uint8 *at = (const uint8 *) VARDATA_ANY(kept);
	const uint8 *end = at + VARSIZE_ANY_EXHDR(kept);
	const uint8 *head = at;
	uint64		numbers[3];
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false};

	if (end - at < 4 || at[0] != FACTS_VERSION || at[1] > COUNT_SLICES || at[2] > DAY_SLICES || at[3] > DAY_SLICES)
		damaged("what is told of persons' uses");
	at += 4;
	for (int i = 0; i < 3; i++)
	{
		at = number_of(at, end, head[i + 1], low, &numbers[i]);
		if (at == NULL)
			damaged("what is told of persons' uses");
	}
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int64GetDatum((int64) numbers[0]);
	values[1] = DateADTGetDatum((DateADT) numbers[1]);
	values[2] = DateADTGetDatum((DateADT) numbers[2]);
	nulls[1] = nulls[2] = numbers[0] == 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
