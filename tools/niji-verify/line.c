/*
 * line.c
 *    A line of what niji.export_trail(), export_seal() and export_proof() give.
 *
 * JSON (RFC 8259), of which only what these functions write is understood: one
 * object with strings, whole numbers, null and arrays of strings.  Fields with
 * other names are passed over, so that later versions may add some; a name that
 * stands there twice is an error, since two readers could take different ones.
 */
#include "line.h"

#include "trail/base64.h"

typedef struct Scan
{
	const char *at;
	const char *end;
	uint8	   *space;
	const char *error;
} Scan;

typedef struct Field
{
	const char *name;
	size_t		offset;			/* of Bytes or int64 in Line */
	enum
	{
		FIELD_TEXT,
		FIELD_BASE64,
		FIELD_HASH,				/* base64 of 32 bytes */
		FIELD_NUMBER,
		FIELD_HASHES,
		FIELD_TYPE
	}			kind;
} Field;

static const Field fields[] = {
	{"type", 0, FIELD_TYPE},
	{"origin", offsetof(Line, origin), FIELD_TEXT},
	{"verifier", offsetof(Line, verifier), FIELD_TEXT},
	{"checkpoint", offsetof(Line, checkpoint), FIELD_TEXT},
	{"leaf", offsetof(Line, leaf), FIELD_HASH},
	{"header", offsetof(Line, header), FIELD_BASE64},
	{"private_hash", offsetof(Line, private_hash), FIELD_HASH},
	{"salt", offsetof(Line, salt), FIELD_HASH},
	{"private", offsetof(Line, private_part), FIELD_BASE64},
	{"seq", offsetof(Line, seq), FIELD_NUMBER},
	{"from", offsetof(Line, from), FIELD_NUMBER},
	{"to", offsetof(Line, to), FIELD_NUMBER},
	{"size", offsetof(Line, size), FIELD_NUMBER},
	{"old_size", offsetof(Line, old_size), FIELD_NUMBER},
	{"new_size", offsetof(Line, new_size), FIELD_NUMBER},
	{"hashes", 0, FIELD_HASHES}
};

#define FIELDS ((int) (sizeof(fields) / sizeof(fields[0])))

static const char *const types[] = {"trail", "seal", "entry", "consistency"};

static bool
fail(Scan *s, const char *error)
{
	if (s->error == NULL)
		s->error = error;
	return false;
}

static void
blanks(Scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\r'))
		s->at++;
}

static bool
take(Scan *s, char c)
{
	blanks(s);
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

static int
hex4(Scan *s)
{
	int			value = 0;

	if (s->end - s->at < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		char		c = *s->at++;

		if (c >= '0' && c <= '9')
			value = value * 16 + c - '0';
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			value = value * 16 + (c | 32) - 'a' + 10;
		else
			return -1;
	}
	return value;
}

static void
put_utf8(uint8 **out, uint32 c)
{
	if (c < 0x80)
		*(*out)++ = (uint8) c;
	else if (c < 0x800)
	{
		*(*out)++ = (uint8) (0xc0 | c >> 6);
		*(*out)++ = (uint8) (0x80 | (c & 63));
	}
	else if (c < 0x10000)
	{
		*(*out)++ = (uint8) (0xe0 | c >> 12);
		*(*out)++ = (uint8) (0x80 | (c >> 6 & 63));
		*(*out)++ = (uint8) (0x80 | (c & 63));
	}
	else
	{
		*(*out)++ = (uint8) (0xf0 | c >> 18);
		*(*out)++ = (uint8) (0x80 | (c >> 12 & 63));
		*(*out)++ = (uint8) (0x80 | (c >> 6 & 63));
		*(*out)++ = (uint8) (0x80 | (c & 63));
	}
}

static bool
escape(Scan *s, uint8 **out)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	const char *found;
	int			unit;
	int			low;

	if (s->at == s->end)
		return fail(s, "a text does not end");
	if (*s->at != 'u')
	{
		found = *s->at ? strchr(from, *s->at) : NULL;
		if (found == NULL)
			return fail(s, "a text has an unknown escape");
		s->at++;
		*(*out)++ = (uint8) to[found - from];
		return true;
	}
	s->at++;
	unit = hex4(s);
	if (unit <= 0 || (unit >= 0xdc00 && unit < 0xe000))
		return fail(s, "a text has a malformed \\u");
	if (unit >= 0xd800 && unit < 0xdc00)
	{
		if (s->end - s->at < 6 || s->at[0] != '\\' || s->at[1] != 'u')
			return fail(s, "a text has a malformed \\u");
		s->at += 2;
		low = hex4(s);
		if (low < 0xdc00 || low >= 0xe000)
			return fail(s, "a text has a malformed \\u");
		put_utf8(out, 0x10000 + ((uint32) (unit - 0xd800) << 10) + (uint32) (low - 0xdc00));
	}
	else
		put_utf8(out, (uint32) unit);
	return true;
}

/* a string, decoded into the space; escapes never become longer */
static bool
string(Scan *s, Bytes *out)
{
	uint8	   *to = s->space;

	if (!take(s, '"'))
		return fail(s, "a text is expected");
	while (s->at < s->end && *s->at != '"')
	{
		uint8		c = (uint8) *s->at++;

		if (c < ' ')
			return fail(s, "a text has a control character");
		if (c != '\\')
			*to++ = c;
		else if (!escape(s, &to))
			return false;
	}
	if (s->at == s->end)
		return fail(s, "a text does not end");
	s->at++;
	out->data = s->space;
	out->length = to - s->space;
	s->space = to;
	return true;
}

static bool
number(Scan *s, int64 *out)
{
	const char *start;

	blanks(s);
	start = s->at;
	*out = 0;
	while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
	{
		int			digit = *s->at++ - '0';

		if (*out > (PG_INT64_MAX - digit) / 10)
			return fail(s, "a number is too large");
		*out = *out * 10 + digit;
	}
	if (s->at == start || (*start == '0' && s->at - start > 1))
		return fail(s, "a whole number is expected");
	return true;
}

static bool
null(Scan *s)
{
	blanks(s);
	if (s->end - s->at < 4 || memcmp(s->at, "null", 4) != 0)
		return false;
	s->at += 4;
	return true;
}

/* in place: base64 is longer than what it stands for */
static bool
decode(Scan *s, Bytes *bytes, bool hash)
{
	int64		length = 0;
	uint8	   *data = (uint8 *) bytes->data;

	if (bytes->length > 0)
	{
		length = base64_decode((const char *) data, bytes->length, data, bytes->length);
		if (length < 0)
			return fail(s, "bytes are not base64");
	}
	if (hash && length != MERKLE_HASH_SIZE)
		return fail(s, "a hash has not 32 bytes");
	bytes->length = (size_t) length;
	return true;
}

/* base64 without escapes, as it is always written, needs no copy before it is decoded */
static bool
base64(Scan *s, Bytes *bytes, bool hash)
{
	const char *end;
	int64		length = 0;

	blanks(s);
	if (s->at < s->end && *s->at == '"' &&
		(end = memchr(s->at + 1, '"', s->end - s->at - 1)) != NULL && memchr(s->at + 1, '\\', end - s->at - 1) == NULL)
	{
		const char *text = s->at + 1;

		if (end > text)
			length = base64_decode(text, end - text, s->space, end - text);
		if (length < 0)
			return fail(s, "bytes are not base64");
		if (hash && length != MERKLE_HASH_SIZE)
			return fail(s, "a hash has not 32 bytes");
		bytes->data = s->space;
		bytes->length = (size_t) length;
		s->space += length;
		s->at = end + 1;
		return true;
	}
	return string(s, bytes) && decode(s, bytes, hash);
}

static bool
hashes(Scan *s, Line *line)
{
	uint8	   *space = s->space;

	if (!take(s, '['))
		return fail(s, "an array is expected");
	line->has_hashes = true;
	if (take(s, ']'))
		return true;
	do
	{
		Bytes		hash;

		if (line->count == MERKLE_MAX_RANGE)
			return fail(s, "a proof has too many hashes");
		if (!base64(s, &hash, true))
			return false;
		memcpy(line->hashes[line->count++], hash.data, MERKLE_HASH_SIZE);
		s->space = space;
	} while (take(s, ','));
	return take(s, ']') || fail(s, "an array does not end");
}

/* a value that nobody asks for */
static bool
other(Scan *s)
{
	Bytes		text;
	int64		value;
	uint8	   *space = s->space;

	blanks(s);
	if (null(s))
		return true;
	if (s->at < s->end && *s->at == '"')
	{
		if (!string(s, &text))
			return false;
		s->space = space;
		return true;
	}
	return number(s, &value);
}

static bool
value(Scan *s, const Field *field, Line *line, bool *typed)
{
	Bytes	   *bytes = (Bytes *) ((char *) line + field->offset);
	Bytes		name;

	switch (field->kind)
	{
		case FIELD_TYPE:
			if (!string(s, &name))
				return false;
			for (int i = 0; i < (int) (sizeof(types) / sizeof(types[0])); i++)
				if (name.length == strlen(types[i]) && memcmp(name.data, types[i], name.length) == 0)
				{
					line->type = (LineType) i;
					*typed = true;
				}
			return *typed || fail(s, "it is of an unknown type");
		case FIELD_NUMBER:
			return number(s, (int64 *) ((char *) line + field->offset));
		case FIELD_HASHES:
			return hashes(s, line);
		default:
			if (null(s))
				return true;
			return field->kind == FIELD_TEXT ? string(s, bytes) : base64(s, bytes, field->kind == FIELD_HASH);
	}
}

/* what a line of its type cannot do without */
static bool
complete(Scan *s, const Line *line)
{
	switch (line->type)
	{
		case LINE_TRAIL:
			return (line->origin.data && line->from >= 0 && line->to >= line->from && line->size > line->to &&
					line->has_hashes) || fail(s, "it lacks origin, from, to, size or hashes, or they do not fit");
		case LINE_SEAL:
			return line->checkpoint.data || fail(s, "it lacks the checkpoint");
		case LINE_ENTRY:
			return (line->seq >= 0 && line->header.data && (line->salt.data || line->private_hash.data)) ||
				fail(s, "it lacks seq, header, or both salt and private_hash");
		case LINE_CONSISTENCY:
			return (line->old_size > 0 && line->new_size >= line->old_size && line->has_hashes) ||
				fail(s, "it lacks old_size, new_size or hashes, or they do not fit");
	}
	return false;
}

bool
line_parse(const char *text, size_t length, uint8 *space, Line *line, const char **error)
{
	Scan		s = {text, text + length, space, NULL};
	bool		seen[FIELDS] = {false};
	bool		typed = false;

	memset(line, 0, offsetof(Line, hashes));
	line->seq = line->from = line->to = line->size = line->old_size = line->new_size = -1;
	if (!take(&s, '{'))
		(void) fail(&s, "it is not an object of JSON");
	else
	{
		do
		{
			Bytes		name;
			const Field *field = NULL;
			int			i;

			blanks(&s);
			if (!string(&s, &name))
				break;
			for (i = 0; i < FIELDS && field == NULL; i++)
				if (name.length == strlen(fields[i].name) &&
					memcmp(name.data, fields[i].name, name.length) == 0)
					field = &fields[i];
			s.space = (uint8 *) name.data;
			if (field && seen[field - fields])
			{
				(void) fail(&s, "a field is there twice");
				break;
			}
			if (field)
				seen[field - fields] = true;
			if (!take(&s, ':'))
			{
				(void) fail(&s, "a colon is expected");
				break;
			}
			if (!(field ? value(&s, field, line, &typed) : other(&s)))
				break;
		} while (take(&s, ','));
		if (s.error == NULL && !take(&s, '}'))
			(void) fail(&s, "the object does not end");
		blanks(&s);
		if (s.error == NULL && s.at != s.end)
			(void) fail(&s, "something stands behind the object");
	}
	if (s.error == NULL && !typed)
		(void) fail(&s, "it has no type");
	if (s.error == NULL)
		(void) complete(&s, line);
	*error = s.error;
	return s.error == NULL;
}
