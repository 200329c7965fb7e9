/*
 * person_chunk.c
 *    A chunk of a set of persons as it is kept in tables: a Roaring bitmap.
 *
 * Bitmaps that are read back may have been altered: they are decoded with
 * bounds, element by element, and never handed to set operations of the library.
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
