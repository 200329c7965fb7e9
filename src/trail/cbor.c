/*
 * cbor.c
 *    Deterministic CBOR (RFC 8949, 4.2): what entries of the trail are made of.
 *
 * An entry is hashed, and the hash must come out the same for everyone who has
 * the entry's contents, in ten years and in another program.  So there is one
 * encoding for every value: shortest integers, lengths and floats, definite
 * lengths, maps sorted by the bytes of their encoded keys, no key twice.  The
 * writer writes nothing else; the reader refuses everything else.
 *
 * A container's length comes before its items, which the writer learns last:
 * one byte is kept free, and items are moved when more than 23 make it too
 * small.  A map is sorted at its end, by walking over what was written.
 *
 * Text that is not UTF-8 (possible in a database of another encoding) is
 * written with U+FFFD in the place of bad bytes: recording must not fail.
 *
 * Plain C: also compiled without a server.  Over 800 lines, since reader and
 * writer check each other and share what is shortest and what is UTF-8.
 */
#ifdef NIJI_PLAIN
#include "trail/plain.h"
#else
#include "postgres.h"
#include "utils/memutils.h"
#endif

#include <math.h>

#include "trail/cbor.h"

/* major types, shifted */
#define MAJOR_UINT 0x00
#define MAJOR_NEGATIVE 0x20
#define MAJOR_BYTES 0x40
#define MAJOR_TEXT 0x60
#define MAJOR_ARRAY 0x80
#define MAJOR_MAP 0xa0
#define MAJOR_TAG 0xc0
#define MAJOR_OTHER 0xe0

/*
 * The length of the UTF-8 character at p (as RFC 3629 has it), or 0.
 */
static int
utf8_length(const uint8 *p, size_t left)
{
	uint8		a = p[0];

	if (a < 0x80)
		return 1;
	if (a < 0xc2 || a > 0xf4)
		return 0;
	if (left < 2 || (p[1] & 0xc0) != 0x80)
		return 0;
	if (a < 0xe0)
		return 2;
	if ((a == 0xe0 && p[1] < 0xa0) || (a == 0xed && p[1] > 0x9f) || (a == 0xf0 && p[1] < 0x90) ||
		(a == 0xf4 && p[1] > 0x8f))
		return 0;
	if (left < 3 || (p[2] & 0xc0) != 0x80)
		return 0;
	if (a < 0xf0)
		return 3;
	if (left < 4 || (p[3] & 0xc0) != 0x80)
		return 0;
	return 4;
}

static bool
utf8_valid(const uint8 *p, size_t length)
{
	for (size_t i = 0; i < length;)
	{
		int			n = utf8_length(p + i, length - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

/* ---- writing ---- */

static void
reserve(CborWriter *w, size_t more)
{
	size_t		size = w->size;

	if (w->length + more <= size)
		return;
	while (size < w->length + more)
		size *= 2;
#ifdef NIJI_PLAIN
	w->data = repalloc(w->data, size);
#else
	w->data = repalloc_huge(w->data, size);
#endif
	w->size = size;
}

void
cbor_init(CborWriter *w)
{
	w->size = 512;
	w->data = palloc(w->size);
#ifndef NIJI_PLAIN
	w->context = CurrentMemoryContext;
#else
	w->context = NULL;
#endif
	cbor_reset(w);
}

void
cbor_reset(CborWriter *w)
{
	w->length = 0;
	w->depth = 0;
	w->level[0].start = 0;
	w->level[0].count = 0;
	w->level[0].map = false;
}

void
cbor_free(CborWriter *w)
{
	pfree(w->data);
	w->data = NULL;
}

/* encodes a head; returns its length, at most 9 */
static int
head_encode(uint8 *out, uint8 major, uint64 value)
{
	int			n;

	if (value < 24)
	{
		out[0] = major | (uint8) value;
		return 1;
	}
	if (value <= 0xff)
	{
		out[0] = major | 24;
		n = 1;
	}
	else if (value <= 0xffff)
	{
		out[0] = major | 25;
		n = 2;
	}
	else if (value <= 0xffffffff)
	{
		out[0] = major | 26;
		n = 4;
	}
	else
	{
		out[0] = major | 27;
		n = 8;
	}
	for (int i = 0; i < n; i++)
		out[1 + i] = (uint8) (value >> (8 * (n - 1 - i)));
	return 1 + n;
}

static void
put_head(CborWriter *w, uint8 major, uint64 value)
{
	reserve(w, 9);
	w->length += head_encode(w->data + w->length, major, value);
}

/* every item counts in its container */
static void
begin_item(CborWriter *w)
{
	uint64		count = w->level[w->depth].count++;

	if (w->level[w->depth].map && count % 2 == 0 && count / 2 < CBOR_KNOWN_PAIRS)
		w->level[w->depth].pairs[count / 2] = (uint32) (w->length - w->level[w->depth].start);
}

void
cbor_uint(CborWriter *w, uint64 value)
{
	begin_item(w);
	put_head(w, MAJOR_UINT, value);
}

void
cbor_int(CborWriter *w, int64 value)
{
	begin_item(w);
	if (value >= 0)
		put_head(w, MAJOR_UINT, (uint64) value);
	else
		put_head(w, MAJOR_NEGATIVE, (uint64) (-1 - value));
}

void
cbor_text_n(CborWriter *w, const char *text, size_t length)
{
	const uint8 *p = (const uint8 *) text;

	begin_item(w);
	if (utf8_valid(p, length))
	{
		put_head(w, MAJOR_TEXT, length);
		reserve(w, length);
		if (length > 0)
			memcpy(w->data + w->length, p, length);
		w->length += length;
	}
	else
	{
		size_t		total = 0;

		for (size_t i = 0; i < length;)
		{
			int			n = utf8_length(p + i, length - i);

			total += n ? n : 3;
			i += n ? n : 1;
		}
		put_head(w, MAJOR_TEXT, total);
		reserve(w, total);
		for (size_t i = 0; i < length;)
		{
			int			n = utf8_length(p + i, length - i);

			memcpy(w->data + w->length, n ? p + i : (const uint8 *) "\xef\xbf\xbd", n ? n : 3);
			w->length += n ? n : 3;
			i += n ? n : 1;
		}
	}
}

void
cbor_text(CborWriter *w, const char *text)
{
	cbor_text_n(w, text, strlen(text));
}

void
cbor_bytes(CborWriter *w, const void *bytes, size_t length)
{
	begin_item(w);
	put_head(w, MAJOR_BYTES, length);
	reserve(w, length);
	if (length > 0)
		memcpy(w->data + w->length, bytes, length);
	w->length += length;
}

void
cbor_bool(CborWriter *w, bool value)
{
	begin_item(w);
	put_head(w, MAJOR_OTHER, value ? 21 : 20);
}

void
cbor_null(CborWriter *w)
{
	begin_item(w);
	put_head(w, MAJOR_OTHER, 22);
}

void
cbor_raw(CborWriter *w, const uint8 *item, size_t length)
{
	begin_item(w);
	reserve(w, length);
	memcpy(w->data + w->length, item, length);
	w->length += length;
}

static double
half_to_double(uint16 half)
{
	int			exponent = (half >> 10) & 0x1f;
	int			mantissa = half & 0x3ff;
	double		value;

	if (exponent == 0)
		value = ldexp(mantissa, -24);
	else if (exponent != 31)
		value = ldexp(mantissa + 1024, exponent - 25);
	else
		value = mantissa == 0 ? (double) INFINITY : (double) NAN;
	return half & 0x8000 ? -value : value;
}

/* whether a double fits a half exactly; NaN is not asked for */
static bool
double_to_half(double value, uint16 *half)
{
	uint16		sign = signbit(value) ? 0x8000 : 0;
	double		magnitude = fabs(value);
	int			exponent;
	double		scaled;

	if (isinf(value))
		*half = sign | 0x7c00;
	else if (magnitude == 0)
		*half = sign;
	else
	{
		if (magnitude > 65504 || magnitude < ldexp(1, -24))
			return false;
		(void) frexp(magnitude, &exponent); /* magnitude in [2^(e-1), 2^e) */
		if (exponent - 1 < -14)
		{
			scaled = ldexp(magnitude, 24);
			if (scaled != floor(scaled))
				return false;
			*half = sign | (uint16) scaled;
		}
		else
		{
			scaled = ldexp(magnitude, 11 - exponent);	/* in [1024, 2048) */
			if (scaled != floor(scaled))
				return false;
			*half = sign | (uint16) ((exponent + 14) << 10) | (uint16) ((int) scaled - 1024);
		}
	}
	return true;
}

static int
double_encode(uint8 *out, double value)
{
	uint16		half;
	float		single = (float) value;
	uint64		bits;
	int			n;

	if (isnan(value))
	{
		bits = 0x7e00;
		n = 2;
	}
	else if (double_to_half(value, &half))
	{
		bits = half;
		n = 2;
	}
	else if ((double) single == value)
	{
		uint32		bits32;

		memcpy(&bits32, &single, sizeof(bits32));
		bits = bits32;
		n = 4;
	}
	else
	{
		memcpy(&bits, &value, sizeof(bits));
		n = 8;
	}
	/* cppcheck-suppress ctuArrayIndex ; callers give nine bytes */
	out[0] = MAJOR_OTHER | (n == 2 ? 25 : n == 4 ? 26 : 27);
	for (int i = 0; i < n; i++)
		out[1 + i] = (uint8) (bits >> (8 * (n - 1 - i)));
	return 1 + n;
}

void
cbor_double(CborWriter *w, double value)
{
	begin_item(w);
	reserve(w, 9);
	w->length += double_encode(w->data + w->length, value);
}

static void
container_begin(CborWriter *w, bool map)
{
	begin_item(w);
	if (w->depth >= CBOR_MAX_DEPTH)
		elog(ERROR, "CBOR is nested too deeply");
	reserve(w, 1);
	w->length++;				/* room for the head, mostly enough */
	w->depth++;
	w->level[w->depth].start = w->length;
	w->level[w->depth].count = 0;
	w->level[w->depth].map = map;
}

/* writes the head before the items, which may have to move */
static void
container_end(CborWriter *w, uint8 major, uint64 count)
{
	size_t		start = w->level[w->depth].start;
	uint8		head[9];
	int			n = head_encode(head, major, count);

	if (n > 1)
	{
		reserve(w, n - 1);
		memmove(w->data + start + n - 1, w->data + start, w->length - start);
		w->length += n - 1;
	}
	memcpy(w->data + start - 1, head, n);
	w->depth--;
}

void
cbor_array_begin(CborWriter *w)
{
	container_begin(w, false);
}

void
cbor_array_end(CborWriter *w)
{
	Assert(w->depth > 0 && !w->level[w->depth].map);
	container_end(w, MAJOR_ARRAY, w->level[w->depth].count);
}

void
cbor_map_begin(CborWriter *w)
{
	container_begin(w, true);
}

typedef struct Pair
{
	const uint8 *key;
	size_t		key_length;
	size_t		length;			/* of key and value */
} Pair;

static int
key_compare(const uint8 *a, size_t a_length, const uint8 *b, size_t b_length)
{
	int			c = memcmp(a, b, Min(a_length, b_length));

	if (c != 0)
		return c;
	return a_length < b_length ? -1 : a_length > b_length ? 1 : 0;
}

static int
pair_compare(const void *a, const void *b)
{
	const Pair *x = a;
	const Pair *y = b;

	return key_compare(x->key, x->key_length, y->key, y->key_length);
}

static bool skip(CborReader *r, int depth, bool check_keys);

/* finds out where the pairs of the map that is being written stand */
static void
find_pairs(CborWriter *w, Pair *pairs, uint64 count)
{
	size_t		start = w->level[w->depth].start;
	CborReader	r;
	CborItem	key;

	cbor_reader(&r, w->data, w->length);
	r.at = start;
	for (uint64 i = 0; i < count; i++)
	{
		size_t		from = count <= CBOR_KNOWN_PAIRS ? start + w->level[w->depth].pairs[i] : r.at;

		r.at = from;
		if (!cbor_read(&r, &key) || key.type != CBOR_TEXT)
			elog(ERROR, "a key of a map of CBOR is not text");
		pairs[i].key = w->data + from;
		pairs[i].key_length = r.at - from;
		if (count > CBOR_KNOWN_PAIRS)
		{
			if (!skip(&r, w->depth, false))
				elog(ERROR, "CBOR cannot be read again: %s", r.error);
		}
		else
			r.at = i + 1 < count ? start + w->level[w->depth].pairs[i + 1] : w->length;
		pairs[i].length = r.at - from;
	}
}

/* few are sorted in place as they come, which is mostly nearly in order */
static void
sort_pairs(Pair *pairs, uint64 count)
{
	if (count > CBOR_KNOWN_PAIRS)
	{
		qsort(pairs, count, sizeof(Pair), pair_compare);
		return;
	}
	for (uint64 i = 1; i < count; i++)
	{
		Pair		pair = pairs[i];
		uint64		j = i;

		for (; j > 0 && pair_compare(&pairs[j - 1], &pair) > 0; j--)
			pairs[j] = pairs[j - 1];
		pairs[j] = pair;
	}
}

void
cbor_map_end(CborWriter *w)
{
	size_t		start = w->level[w->depth].start;
	uint64		count = w->level[w->depth].count;
	Pair		few[CBOR_KNOWN_PAIRS];
	Pair	   *pairs = few;
	bool		sorted = true;

	Assert(w->depth > 0 && w->level[w->depth].map);
	if (count % 2 != 0)
		elog(ERROR, "a map of CBOR has a key without a value");
	count /= 2;
	if (count > 1)
	{
		if (count > CBOR_KNOWN_PAIRS)
			pairs = palloc(count * sizeof(Pair));
		find_pairs(w, pairs, count);
		for (uint64 i = 1; i < count && sorted; i++)
			sorted = pair_compare(&pairs[i - 1], &pairs[i]) < 0;
		if (!sorted)
		{
			size_t		length = w->length - start;
			uint8	   *copy;
			size_t		at = 0;

			sort_pairs(pairs, count);
#ifdef NIJI_PLAIN
			copy = palloc(length);
#else
			copy = MemoryContextAllocHuge(CurrentMemoryContext, length);
#endif
			for (uint64 i = 0; i < count; i++)
			{
				if (i > 0 && pair_compare(&pairs[i - 1], &pairs[i]) == 0)
					elog(ERROR, "a map of CBOR has a key twice");
				memcpy(copy + at, pairs[i].key, pairs[i].length);
				at += pairs[i].length;
			}
			memcpy(w->data + start, copy, length);
			pfree(copy);
		}
		if (pairs != few)
			pfree(pairs);
	}
	container_end(w, MAJOR_MAP, count);
}

void
cbor_put_text(CborWriter *w, const char *key, const char *value)
{
	cbor_text(w, key);
	if (value)
		cbor_text(w, value);
	else
		cbor_null(w);
}

void
cbor_put_int(CborWriter *w, const char *key, int64 value)
{
	cbor_text(w, key);
	cbor_int(w, value);
}

void
cbor_put_uint(CborWriter *w, const char *key, uint64 value)
{
	cbor_text(w, key);
	cbor_uint(w, value);
}

void
cbor_put_bytes(CborWriter *w, const char *key, const void *value, size_t length)
{
	cbor_text(w, key);
	cbor_bytes(w, value, length);
}

void
cbor_put_bool(CborWriter *w, const char *key, bool value)
{
	cbor_text(w, key);
	cbor_bool(w, value);
}

void
cbor_put_null(CborWriter *w, const char *key)
{
	cbor_text(w, key);
	cbor_null(w);
}

/* ---- reading ---- */

void
cbor_reader(CborReader *r, const uint8 *data, size_t length)
{
	r->data = data;
	r->length = length;
	r->at = 0;
	r->error = NULL;
	r->error_at = 0;
}

static bool
fail(CborReader *r, size_t at, const char *error)
{
	if (r->error == NULL)
	{
		r->error = error;
		r->error_at = at;
	}
	return false;
}

bool
cbor_read(CborReader *r, CborItem *item)
{
	size_t		at = r->at;
	uint8		initial;
	uint8		major;
	int			info;
	uint64		value;

	if (r->error)
		return false;
	if (at >= r->length)
		return fail(r, at, "data end too early");
	initial = r->data[at];
	major = initial & 0xe0;
	info = initial & 0x1f;
	r->at++;

	if (info < 24)
		value = info;
	else if (info <= 27)
	{
		int			n = 1 << (info - 24);

		if (r->length - r->at < (size_t) n)
			return fail(r, at, "data end too early");
		value = 0;
		for (int i = 0; i < n; i++)
			value = value << 8 | r->data[r->at++];
		if (major != MAJOR_OTHER && (info == 24 ? value < 24 : value >> (4 * n) == 0))
			return fail(r, at, "an integer or length is not in its shortest form");
	}
	else if (info == 31)
		return fail(r, at, "an indefinite length");
	else
		return fail(r, at, "a reserved initial byte");

	item->value = value;
	item->number = 0;
	item->bytes = NULL;
	switch (major)
	{
		case MAJOR_UINT:
			item->type = CBOR_UINT;
			return true;
		case MAJOR_NEGATIVE:
			item->type = CBOR_NEGATIVE;
			return true;
		case MAJOR_BYTES:
		case MAJOR_TEXT:
			if (value > r->length - r->at)
				return fail(r, at, "data end too early");
			item->type = major == MAJOR_BYTES ? CBOR_BYTES : CBOR_TEXT;
			item->bytes = r->data + r->at;
			if (major == MAJOR_TEXT && !utf8_valid(item->bytes, value))
				return fail(r, at, "a text is not UTF-8");
			r->at += value;
			return true;
		case MAJOR_ARRAY:
		case MAJOR_MAP:
			/* an item takes at least one byte */
			if (value > (r->length - r->at) / (major == MAJOR_MAP ? 2 : 1))
				return fail(r, at, "data end too early");
			item->type = major == MAJOR_ARRAY ? CBOR_ARRAY : CBOR_MAP;
			return true;
		case MAJOR_TAG:
			return fail(r, at, "a tag");
		default:
			break;
	}

	switch (info)
	{
		case 20:
		case 21:
			item->type = CBOR_BOOL;
			item->value = info - 20;
			return true;
		case 22:
			item->type = CBOR_NULL;
			return true;
		case 25:
			item->number = half_to_double((uint16) value);
			break;
		case 26:
			{
				uint32		bits = (uint32) value;
				float		single;

				memcpy(&single, &bits, sizeof(single));
				item->number = single;
				break;
			}
		case 27:
			memcpy(&item->number, &value, sizeof(item->number));
			break;
		default:
			return fail(r, at, "a simple value other than true, false and null");
	}
	item->type = CBOR_DOUBLE;
	{
		uint8		expected[9] = {0};
		int			n = double_encode(expected, item->number);

		if (r->at - at != (size_t) n || memcmp(expected, r->data + at, n) != 0)
			return fail(r, at, "a number is not in its shortest form");
	}
	return true;
}

static bool
skip(CborReader *r, int depth, bool check_keys)
{
	CborItem	item;
	size_t		at = r->at;

	if (!cbor_read(r, &item))
		return false;
	if (item.type != CBOR_ARRAY && item.type != CBOR_MAP)
		return true;
	if (depth >= CBOR_MAX_DEPTH)
		return fail(r, at, "nested too deeply");
	if (item.type == CBOR_ARRAY)
	{
		for (uint64 i = 0; i < item.value; i++)
			if (!skip(r, depth + 1, check_keys))
				return false;
	}
	else
	{
		const uint8 *last = NULL;
		size_t		last_length = 0;

		for (uint64 i = 0; i < item.value; i++)
		{
			size_t		key_at = r->at;
			CborItem	key;

			if (!cbor_read(r, &key))
				return false;
			if (check_keys)
			{
				const uint8 *start = r->data + key_at;
				size_t		length = r->at - key_at;

				if (key.type != CBOR_TEXT)
					return fail(r, key_at, "a key that is not text");
				if (last)
				{
					int			c = key_compare(last, last_length, start, length);

					if (c == 0)
						return fail(r, key_at, "a key twice");
					if (c > 0)
						return fail(r, key_at, "keys that are not sorted");
				}
				last = start;
				last_length = length;
			}
			if (!skip(r, depth + 1, check_keys))
				return false;
		}
	}
	return true;
}

bool
cbor_skip(CborReader *r)
{
	return skip(r, 0, true);
}

bool
cbor_check(const uint8 *data, size_t length, const char **error, size_t *at)
{
	CborReader	r;

	cbor_reader(&r, data, length);
	if (skip(&r, 0, true) && r.at != length)
		fail(&r, r.at, "something after the end");
	if (error)
		*error = r.error;
	if (at)
		*at = r.error_at;
	return r.error == NULL;
}

bool
cbor_find(const uint8 *data, size_t length, const char *key, CborItem *item)
{
	CborReader	r;
	CborItem	map;
	CborItem	name;
	size_t		key_length = strlen(key);

	cbor_reader(&r, data, length);
	if (!cbor_read(&r, &map) || map.type != CBOR_MAP)
		return false;
	for (uint64 i = 0; i < map.value; i++)
	{
		if (!cbor_read(&r, &name) || name.type != CBOR_TEXT)
			return false;
		if (name.value == key_length && memcmp(name.bytes, key, key_length) == 0)
			return cbor_read(&r, item);
		if (!skip(&r, 1, true))
			return false;
	}
	return false;
}

bool
cbor_find_int(const uint8 *data, size_t length, const char *key, int64 *value)
{
	CborItem	item;

	if (!cbor_find(data, length, key, &item) || item.value > (uint64) PG_INT64_MAX)
		return false;
	if (item.type == CBOR_UINT)
		*value = (int64) item.value;
	else if (item.type == CBOR_NEGATIVE)
		*value = -1 - (int64) item.value;
	else
		return false;
	return true;
}

char *
cbor_find_text(const uint8 *data, size_t length, const char *key)
{
	CborItem	item;
	char	   *text;

	if (!cbor_find(data, length, key, &item) || item.type != CBOR_TEXT)
		return NULL;
	text = palloc(item.value + 1);
	memcpy(text, item.bytes, item.value);
	text[item.value] = '\0';
	return text;
}
