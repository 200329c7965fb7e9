/*
 * base32.c
 *    Fuzz target: the text form of pseudonyms.
 *
 * fuzz: src/identity/base32.c
 * seconds: 60
 *
 * Whatever is read is one 128-bit value, whose canonical text reads back
 * as the same bytes and stands in the same order; any 16 bytes survive the
 * way to text and back.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "identity/base32.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int condition)
{
	if (!condition)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t		bytes[16];
	uint8_t		again[16];
	char		text[PSEUDONYM_TEXT];

	if (base32_parse((const char *) data, size, bytes) == PSEUDONYM_OK)
	{
		base32_format(bytes, text);
		check(base32_parse(text, PSEUDONYM_TEXT, again) == PSEUDONYM_OK);
		check(memcmp(bytes, again, 16) == 0);
		for (int i = 0; i < PSEUDONYM_TEXT; i++)
			text[i] = (char) tolower((unsigned char) text[i]);
		check(base32_parse(text, PSEUDONYM_TEXT, again) == PSEUDONYM_OK);
		check(memcmp(bytes, again, 16) == 0);
	}

	if (size >= 32)
	{
		char		other[PSEUDONYM_TEXT];
		int			order = memcmp(data, data + 16, 16);

		base32_format(data, text);
		base32_format(data + 16, other);
		check(base32_parse(text, PSEUDONYM_TEXT, again) == PSEUDONYM_OK);
		check(memcmp(data, again, 16) == 0);
		check((order < 0) == (memcmp(text, other, PSEUDONYM_BODY) < 0));
		check((order == 0) == (memcmp(text, other, PSEUDONYM_TEXT) == 0));
	}
	return 0;
}
