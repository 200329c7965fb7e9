/*
 * textfile.c
 *    Fuzz target: decoding of files and splitting them into fields.
 *
 * fuzz: src/base/textfile.c
 *
 * Decoded bytes are valid UTF-8 as ICU reads it back, to the same bytes (CP932
 * has duplicates, so to the same text); fields lie inside the text, in order;
 * lines only grow; fields that are quoted and joined split into the same
 * fields; a bad offset lies inside the input, and what is before its
 * line decodes.
 */
#include "postgres.h"

#include "base/textfile.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool condition)
{
	if (!condition)
		abort();
}

/* writes the fields as one quoted row and reads them back */
static void
join_and_split(const TextfileField *fields, int nfields)
{
	TextfileField again[8];
	TextfileReader reader;
	TextfileRow row = {.fields = again,.room = lengthof(again)};
	Size		room = 3;
	char	   *text;
	char	   *to;

	for (int i = 0; i < nfields; i++)
		room += 2 * fields[i].length + 3;
	to = text = malloc(room);
	for (int i = 0; i < nfields; i++)
	{
		if (i > 0)
			*to++ = ',';
		*to++ = '"';
		for (Size k = 0; k < fields[i].length; k++)
		{
			if (fields[i].text[k] == '"')
				*to++ = '"';
			*to++ = fields[i].text[k];
		}
		*to++ = '"';
	}
	*to++ = '\r';
	*to++ = '\n';
	textfile_open(&reader, text, to - text, ',', true);
	check(textfile_next_row(&reader, &row) && row.problem == NULL && row.nfields == nfields);
	for (int i = 0; i < nfields; i++)
		check(again[i].length == fields[i].length && memcmp(again[i].text, fields[i].text, fields[i].length) == 0);
	check(!textfile_next_row(&reader, &row));
	free(text);
}

static void
split(char *text, Size length, char separator, bool quotes)
{
	TextfileField fields[8];
	TextfileReader reader;
	TextfileRow row = {.fields = fields,.room = lengthof(fields)};
	char	   *copy = malloc(length + 1);
	int			line = 0;

	memcpy(copy, text, length);
	textfile_open(&reader, copy, length, separator, quotes);
	while (textfile_next_row(&reader, &row))
	{
		char	   *at = copy;

		check(row.line > line);
		line = row.line;
		check((row.problem != NULL) == (row.nfields == 0));
		for (int i = 0; i < Min(row.nfields, row.room); i++)
		{
			check(fields[i].text >= at && fields[i].text + fields[i].length <= copy + length);
			at = fields[i].text + fields[i].length;
			if (!quotes)
				check(memchr(fields[i].text, separator, fields[i].length) == NULL);
		}
		if (row.problem == NULL && row.nfields <= row.room)
			join_and_split(fields, row.nfields);
	}
	check(reader.at == reader.end);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const encodings[] = {TEXTFILE_CP932, TEXTFILE_UTF8, TEXTFILE_ISO2022JP, "no such encoding"};
	const char *encoding;
	const char *bytes;
	char	   *text;
	Size		length,
				bad;

	if (size < 2)
		return 0;
	encoding = encodings[data[0] % 4];
	bytes = (const char *) data + 2;
	size -= 2;
	text = textfile_decode(encoding, bytes, size, NULL, &length, &bad);
	if (text)
	{
		Size		again_length;
		char	   *again = textfile_decode(TEXTFILE_UTF8, text, length, NULL, &again_length, &bad);

		check(text[length] == '\0' && memchr(text, '\0', length) == NULL);
		check(again != NULL && again_length <= length);
		free(again);
		split(text, length, data[1] & 1 ? ',' : '\t', (data[1] & 2) != 0);
		free(text);
	}
	else if (bad != TEXTFILE_NO_ENCODING)
	{
		check(bad < size);
		if (data[0] % 4 < 2)
		{
			Size		start = bad;

			while (start > 0 && bytes[start - 1] != '\n')
				start--;
			text = textfile_decode(encoding, bytes, start, NULL, &length, &bad);
			check(text != NULL);
			free(text);
		}
	}
	else
		check(data[0] % 4 == 3);
	split((char *) data, size + 2, ',', true);
	return 0;
}
