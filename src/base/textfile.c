/*
 * textfile.c
 *    Reading text files from outside: decoding, lines, fields.
 *
 * The bytes come from elsewhere and may be anything.  Decoding is strict, since
 * a substituted character in a name or a number is a silent change; the place
 * of the first bad byte goes into the report instead.  Splitting happens after
 * decoding, in place, with no allocation but the caller's array of fields.
 */
#include "postgres.h"

#include <unicode/ucnv.h>

#include "base/textfile.h"

/* no byte of any encoding here becomes more: half-width kana go from one to three */
#define UTF8_GROWTH 3

/* the first byte that must not be, before decoding */
static Size
first_forbidden(const char *bytes, Size length, bool cp932)
{
	for (Size i = 0; i < length; i++)
	{
		unsigned char c = bytes[i];

		if (c == '\0' || (cp932 && (c == 0x1A || c == 0x1C || c == 0x7F)))
			return i;
	}
	return length;
}

char *
textfile_decode(const char *encoding, const char *bytes, Size length,
				TextfileAllocate allocate, Size *out_length, Size *bad_offset)
{
	UErrorCode	status = U_ZERO_ERROR;
	UConverter *from;
	UConverter *to;
	UChar		pivot[1024];
	UChar	   *pivot_source = pivot;
	UChar	   *pivot_target = pivot;
	const char *source = bytes;
	Size		limit = first_forbidden(bytes, length, strcmp(encoding, TEXTFILE_CP932) == 0);
	Size		room = limit * UTF8_GROWTH + 1;
	char	   *result = allocate ? allocate(room) : malloc(room);
	char	   *target = result;

	*out_length = 0;
	*bad_offset = TEXTFILE_NO_ENCODING;
	if (result == NULL)
		return NULL;
	from = ucnv_open(encoding, &status);
	to = ucnv_open("UTF-8", &status);
	if (U_SUCCESS(status))
	{
		ucnv_setToUCallBack(from, UCNV_TO_U_CALLBACK_STOP, NULL, NULL, NULL, &status);
		ucnv_setFromUCallBack(to, UCNV_FROM_U_CALLBACK_STOP, NULL, NULL, NULL, &status);
		ucnv_convertEx(to, from, &target, result + room - 1, &source, bytes + limit,
					   pivot, &pivot_source, &pivot_target, pivot + lengthof(pivot),
					   true, true, &status);
		if (U_FAILURE(status))
		{
			char		invalid[32];
			int8_t		ninvalid = sizeof(invalid);
			UErrorCode	ignored = U_ZERO_ERROR;

			ucnv_getInvalidChars(from, invalid, &ninvalid, &ignored);
			if (U_FAILURE(ignored))
				ninvalid = 0;
			*bad_offset = source - bytes - Min(ninvalid, source - bytes);
		}
		else if (limit < length)
			*bad_offset = limit;
		else
		{
			*target = '\0';
			*out_length = target - result;
			*bad_offset = 0;
			ucnv_close(from);
			ucnv_close(to);
			return result;
		}
	}
	ucnv_close(from);
	ucnv_close(to);
	if (allocate == NULL)
		free(result);
	return NULL;
}

/* ---- rows of fields ---- */

void
textfile_open(TextfileReader *reader, char *text, Size length, char separator, bool quotes)
{
	if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
	{
		text += 3;
		length -= 3;
	}
	if (length > 0 && text[length - 1] == 0x1A)
		length--;
	reader->at = text;
	reader->end = text + length;
	reader->separator = separator;
	reader->quotes = quotes;
	reader->line = 1;
}

/* the end of the line: its LF, or the end of the text */
static char *
line_end(TextfileReader *reader, char *from)
{
	char	   *end = memchr(from, '\n', reader->end - from);

	return end ? end : reader->end;
}

static void
add_field(TextfileRow *row, char *text, Size length)
{
	if (row->nfields < row->room)
	{
		row->fields[row->nfields].text = text;
		row->fields[row->nfields].length = length;
	}
	row->nfields++;
}

/* gives the row up; reading goes on after its first line */
static bool
give_up(TextfileReader *reader, TextfileRow *row, char *start, const char *problem)
{
	row->problem = problem;
	row->nfields = 0;
	reader->at = line_end(reader, start);
	if (reader->at < reader->end)
		reader->at++;
	reader->line = row->line + 1;
	return true;
}

bool
textfile_next_row(TextfileReader *reader, TextfileRow *row)
{
	char	   *start;
	char	   *at;

	/* empty lines */
	for (;;)
	{
		if (reader->at < reader->end && reader->at[0] == '\n')
			reader->at++;
		else if (reader->end - reader->at >= 2 && reader->at[0] == '\r' && reader->at[1] == '\n')
			reader->at += 2;
		else
			break;
		reader->line++;
	}
	if (reader->at >= reader->end)
		return false;

	start = at = reader->at;
	row->line = reader->line;
	row->nfields = 0;
	row->problem = NULL;
	for (;;)
	{
		if (reader->quotes && at < reader->end && *at == '"')
		{
			char	   *from = ++at;
			char	   *doubled = NULL; /* the second of a pair of quotes */
			int			lines = 0;

			/* first only look, since giving up must find the text as it was */
			for (; at < reader->end; at++)
			{
				if (*at == '\n')
					lines++;
				if (*at != '"')
					continue;
				if (at + 1 == reader->end || at[1] != '"')
					break;
				if (doubled == NULL)
					doubled = at + 1;
				at++;
			}
			if (at == reader->end)
				return give_up(reader, row, start, "a quoted field does not end");
			if (at + 1 < reader->end && at[1] != reader->separator && at[1] != '\n' &&
				!(at[1] == '\r' && (at + 2 == reader->end || at[2] == '\n')))
				return give_up(reader, row, start, "a quoted field goes on after its closing quote");
			if (doubled)
			{
				char	   *to = doubled;
				char	   *rest = doubled;

				for (rest++; rest < at; rest++)
				{
					*to++ = *rest;
					if (*rest == '"')
						rest++;
				}
				add_field(row, from, to - from);
			}
			else
				add_field(row, from, at - from);
			reader->line += lines;
			at++;
		}
		else
		{
			char	   *from = at;
			Size		length;

			while (at < reader->end && *at != reader->separator && *at != '\n')
				at++;
			length = at - from;
			if (length > 0 && from[length - 1] == '\r' && (at == reader->end || *at == '\n'))
				length--;
			add_field(row, from, length);
		}
		if (at < reader->end && *at == reader->separator)
		{
			at++;
			continue;
		}
		break;
	}
	if (at < reader->end && *at == '\r')
		at++;
	if (at < reader->end && *at == '\n')
		at++;
	reader->at = at;
	reader->line++;
	return true;
}
