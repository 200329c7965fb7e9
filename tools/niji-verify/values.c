/*
 * values.c
 *    A value that is presented, and the commitment to it in an entry.
 *
 * Of a change in mode "keys" the private part holds, for each row and each
 * column, commitments to the old and the new value under the entry's salt.
 */
#include "values.h"

#include "report.h"
#include "trail/cbor.h"
#include "trail/commitment.h"

typedef struct Value
{
	int64		seq;
	char	   *column;
	uint8	   *bytes;
	size_t		length;
	bool		seen;			/* the entry with its private part */
	bool		told;			/* the entry without it */
	bool		old_value;
	bool		new_value;
} Value;

static Value *values = NULL;
static int	nvalues = 0;

static void
bad_value(const char *argument)
{
	unusable("\"%s\" is not SEQ:COLUMN:FORM:VALUE with the form text, int2, int4, int8 or hex", argument);
}

static void
put_number(Value *value, const char *text, size_t width, const char *argument)
{
	char	   *end;
	long long	number = strtoll(text, &end, 10);
	long long	most = width == 8 ? INT64_MAX : (1LL << (8 * width - 1)) - 1;

	if (end == text || *end != '\0' || number > most || number < -most - 1)
		bad_value(argument);
	value->bytes = palloc(width);
	value->length = width;
	for (size_t i = 0; i < width; i++)
		value->bytes[i] = (uint8) ((uint64) number >> (8 * (width - 1 - i)));
}

static void
put_hex(Value *value, const char *text, const char *argument)
{
	size_t		length = strlen(text);

	if (length % 2 != 0 || strspn(text, "0123456789abcdefABCDEF") != length)
		bad_value(argument);
	value->bytes = palloc(length / 2);
	value->length = length / 2;
	for (size_t i = 0; i < length / 2; i++)
	{
		unsigned	byte;

		(void) sscanf(text + 2 * i, "%2x", &byte);
		value->bytes[i] = (uint8) byte;
	}
}

void
value_add(const char *argument)
{
	Value		value = {0};
	char	   *end;
	const char *column;
	const char *form;
	const char *text;
	size_t		form_length;

	value.seq = strtoll(argument, &end, 10);
	if (end == argument || *end != ':' || value.seq < 0)
		bad_value(argument);
	column = end + 1;
	form = strchr(column, ':');
	text = form ? strchr(form + 1, ':') : NULL;
	if (text == NULL)
		bad_value(argument);
	value.column = palloc(form - column + 1);
	memcpy(value.column, column, form - column);
	value.column[form - column] = '\0';
	form++;
	form_length = text++ - form;
	if (form_length == 4 && memcmp(form, "text", 4) == 0)
	{
		value.bytes = palloc(strlen(text) + 1);
		value.length = strlen(text);
		memcpy(value.bytes, text, value.length);
	}
	else if (form_length == 4 && memcmp(form, "int2", 4) == 0)
		put_number(&value, text, 2, argument);
	else if (form_length == 4 && memcmp(form, "int4", 4) == 0)
		put_number(&value, text, 4, argument);
	else if (form_length == 4 && memcmp(form, "int8", 4) == 0)
		put_number(&value, text, 8, argument);
	else if (form_length == 3 && memcmp(form, "hex", 3) == 0)
		put_hex(&value, text, argument);
	else
		bad_value(argument);
	values = values ? repalloc(values, (nvalues + 1) * sizeof(Value)) : palloc(sizeof(Value));
	values[nvalues++] = value;
}

/* to the value of a key of the map that comes next; all of it is passed when there is none */
static bool
enter(CborReader *r, const char *key)
{
	CborItem	item;
	uint64		pairs;

	if (!cbor_read(r, &item) || item.type != CBOR_MAP)
		return false;
	pairs = item.value;
	while (pairs-- > 0)
	{
		if (!cbor_read(r, &item) || item.type != CBOR_TEXT)
			return false;
		if (item.value == strlen(key) && memcmp(item.bytes, key, item.value) == 0)
			return true;
		if (!cbor_skip(r))
			return false;
	}
	return false;
}

static bool
is_commitment(CborReader r, const char *key, const uint8 *hash)
{
	CborItem	item;

	return enter(&r, key) && cbor_read(&r, &item) && item.type == CBOR_BYTES &&
		item.value == COMMITMENT_SIZE && memcmp(item.bytes, hash, COMMITMENT_SIZE) == 0;
}

void
values_look(const Line *entry)
{
	for (int i = 0; i < nvalues; i++)
	{
		Value	   *value = &values[i];
		CommitmentKey key;
		uint8		hash[COMMITMENT_SIZE];
		CborReader	r;
		CborItem	item;
		uint64		rows;

		if (value->seq != entry->seq)
			continue;
		if (entry->salt.data == NULL || entry->private_part.data == NULL)
		{
			value->told = true;
			continue;
		}
		value->seen = true;
		commitment_key(&key, entry->salt.data);
		commitment_hash(&key, value->column, strlen(value->column), value->bytes, value->length, hash);
		cbor_reader(&r, entry->private_part.data, entry->private_part.length);
		if (!enter(&r, "rows") || !cbor_read(&r, &item) || item.type != CBOR_ARRAY)
			continue;
		for (rows = item.value; rows > 0; rows--)
		{
			CborReader	row = r;

			if (enter(&row, "columns") && enter(&row, value->column))
			{
				value->old_value |= is_commitment(row, "old", hash);
				value->new_value |= is_commitment(row, "new", hash);
			}
			if (!cbor_skip(&r))
				break;
		}
	}
}

void
values_check(void)
{
	for (int i = 0; i < nvalues; i++)
	{
		const Value *value = &values[i];

		if (!value->seen)
			unusable(value->told ? "entry %lld was exported without its private part, which holds the commitments"
					 : "entry %lld, of which a value was presented, is not in the files", (long long) value->seq);
		if (!value->old_value && !value->new_value)
			altered("entry %lld commits to no such value of column \"%s\"", (long long) value->seq, value->column);
	}
}

void
values_print(void)
{
	for (int i = 0; i < nvalues; i++)
		printf("; the value presented is %s of column \"%s\" in entry %lld",
			   !values[i].old_value ? "the new one" : !values[i].new_value ? "the old one" : "an old and a new one",
			   values[i].column, (long long) values[i].seq);
}
