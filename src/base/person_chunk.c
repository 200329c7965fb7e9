/*
 * person_chunk.c
 *    A chunk of a set of persons as it is kept in tables: a Roaring bitmap.
 *
 * Bitmaps that are read back may have been altered: they are decoded with
 * bounds, element by element, and never handed to set operations of the library.
 *
 * Whether one person is in it is read from the format itself (github.com/RoaringBitmap/RoaringFormatSpec),
 * since a look-up goes through very many of them: one container, which is an
 * array of up to 4 096 numbers, 8 kB of bits, or runs.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/person_chunk.h"
#include "roaring/roaring.h"

bytea *
person_chunk_encode(const uint64 words[PERSON_CHUNK_WORDS])
{
	uint32		n = 0;
	uint32		count = pg_popcount((const char *) words, PERSON_CHUNK_BYTES);
	uint32	   *list = palloc(Max(count, 1) * sizeof(uint32));
	roaring_bitmap_t *bitmap;
	Size		size;
	bytea	   *result;

	for (int word = 0; word < PERSON_CHUNK_WORDS; word++)
		for (uint64 bits = words[word]; bits != 0; bits &= bits - 1)
			list[n++] = word * 64 + pg_rightmost_one_pos64(bits);
	bitmap = roaring_bitmap_of_ptr(n, list);
	pfree(list);
	if (bitmap == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	roaring_bitmap_run_optimize(bitmap);
	size = roaring_bitmap_portable_size_in_bytes(bitmap);
	result = palloc_extended(VARHDRSZ + size, MCXT_ALLOC_NO_OOM);
	if (result != NULL)
	{
		SET_VARSIZE(result, VARHDRSZ + size);
		roaring_bitmap_portable_serialize(bitmap, VARDATA(result));
	}
	roaring_bitmap_free(bitmap);
	if (result == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return result;
}

typedef struct Decoding
{
	uint64	   *words;
	uint64		count;
} Decoding;

static bool
decode_one(uint32_t value, void *arg)
{
	Decoding   *decoding = arg;

	if (value >= PERSON_CHUNK_PERSONS || ++decoding->count > PERSON_CHUNK_PERSONS)
		return false;
	decoding->words[value >> 6] |= UINT64CONST(1) << (value & 63);
	return true;
}

bool
person_chunk_decode(const bytea *kept, uint64 words[PERSON_CHUNK_WORDS])
{
	Size		size = VARSIZE_ANY_EXHDR(kept);
	roaring_bitmap_t *bitmap = NULL;
	Decoding	decoding = {words, 0};
	bool		sound = false;

	memset(words, 0, PERSON_CHUNK_BYTES);

	/* a chunk's bitmap is never longer than its bits and a few bytes: nothing else is even tried */
	if (size > 0 && size <= PERSON_CHUNK_BYTES + 64)
		bitmap = roaring_bitmap_portable_deserialize_safe(VARDATA_ANY(kept), size);
	if (bitmap != NULL)
	{
		sound = roaring_iterate(bitmap, decode_one, &decoding) &&
			decoding.count == pg_popcount((const char *) words, PERSON_CHUNK_BYTES) &&
			decoding.count == roaring_bitmap_get_cardinality(bitmap);
		roaring_bitmap_free(bitmap);
	}
	return sound;
}

#define COOKIE 12346			/* and the number of containers in 4 bytes */
#define COOKIE_RUNS 12347		/* and the number of containers less one in the upper half */
#define ARRAY_MAX 4096

static inline uint32
get16(const uint8 *at)
{
	return at[0] | (at[1] << 8);
}

static inline uint32
get32(const uint8 *at)
{
	return get16(at) | (get16(at + 2) << 16);
}

int
person_chunk_has(const char *data, Size size, uint32 low)
{
	const uint8 *at = (const uint8 *) data;
	uint32		first = 0;
	uint32		past;

	if (size >= 16 && get32(at) == COOKIE && get32(at + 4) == 1 && get16(at + 8) == 0)
	{
		uint32		count = get16(at + 10) + 1;

		at += 16;
		size -= 16;
		if (count > ARRAY_MAX)
			return size == PERSON_CHUNK_BYTES ? (at[low >> 3] >> (low & 7)) & 1 : -1;
		if (size != count * 2)
			return -1;
		for (past = count; first < past;)
		{
			uint32		middle = (first + past) / 2;
			uint32		value = get16(at + middle * 2);

			if (value == low)
				return 1;
			if (value < low)
				first = middle + 1;
			else
				past = middle;
		}
		return 0;
	}
	if (size >= 11 && get32(at) == COOKIE_RUNS && at[4] == 1 && get16(at + 5) == 0)
	{
		uint32		runs = get16(at + 9);

		at += 11;
		if (size - 11 != runs * 4)
			return -1;
		for (past = runs; first < past;)
		{
			uint32		middle = (first + past) / 2;
			uint32		start = get16(at + middle * 4);

			if (low < start)
				past = middle;
			else if (low - start <= get16(at + middle * 4 + 2))
				return 1;
			else
				first = middle + 1;
		}
		return 0;
	}
	/* none at all */
	if (size == 8 && get32(at) == COOKIE && get32(at + 4) == 0)
		return 0;
	return -1;
}
