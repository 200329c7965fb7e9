/*
 * cbor.c
 *    Fuzz target: deterministic CBOR.
 *
 * Whatever the reader takes for deterministic, the writer writes again byte
 * for byte, though it is given the pairs of each map in reverse.  What has been
 * cut off at its end is refused.
 */
#define NIJI_PLAIN
#include "trail/cbor.c"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int condition)
{
	if (!condition)
		abort();
}

static void
copy(CborReader *r, CborWriter *w)
{
	CborItem	item;

	check(cbor_read(r, &item));
	switch (item.type)
	{
		case CBOR_UINT:
			cbor_uint(w, item.value);
			break;
		case CBOR_NEGATIVE:
			if (item.value <= INT64_MAX)
				cbor_int(w, -1 - (int64) item.value);
			else
			{
				uint8		raw[9];

				cbor_raw(w, raw, head_encode(raw, MAJOR_NEGATIVE, item.value));
			}
			break;
		case CBOR_BYTES:
			cbor_bytes(w, item.bytes, item.value);
			break;
		case CBOR_TEXT:
			cbor_text_n(w, (const char *) item.bytes, item.value);
			break;
		case CBOR_BOOL:
			cbor_bool(w, item.value != 0);
			break;
		case CBOR_NULL:
			cbor_null(w);
			break;
		case CBOR_DOUBLE:
			cbor_double(w, item.number);
			break;
		case CBOR_ARRAY:
			cbor_array_begin(w);
			for (uint64 i = 0; i < item.value; i++)
				copy(r, w);
			cbor_array_end(w);
			break;
		case CBOR_MAP:
			{
				size_t	   *starts = palloc((item.value + 1) * sizeof(size_t));

				for (uint64 i = 0; i < item.value; i++)
				{
					starts[i] = r->at;
					check(cbor_skip(r));
					check(cbor_skip(r));
				}
				starts[item.value] = r->at;
				cbor_map_begin(w);
				for (uint64 i = item.value; i > 0; i--)
				{
					CborReader	pair;

					cbor_reader(&pair, r->data, starts[i]);
					pair.at = starts[i - 1];
					copy(&pair, w);
					copy(&pair, w);
				}
				cbor_map_end(w);
				pfree(starts);
				break;
			}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *error;
	size_t		at;
	CborItem	item;
	int64		number;

	(void) cbor_find(data, size, "kind", &item);
	(void) cbor_find_int(data, size, "spool", &number);
	free(cbor_find_text(data, size, "kind"));
	if (!cbor_check(data, size, &error, &at))
	{
		check(error != NULL && at <= size);
		return 0;
	}
	check(!cbor_check(data, size - 1, NULL, NULL));
	{
		CborReader	r;
		CborWriter	w;

		cbor_reader(&r, data, size);
		cbor_init(&w);
		copy(&r, &w);
		check(w.length == size && memcmp(w.data, data, size) == 0);
		cbor_free(&w);
	}
	return 0;
}
