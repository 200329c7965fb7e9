/*
 * canonical.c
 *    What the parts of normalisation share: verdicts, and writing a canonical
 *    form.
 *
 * Nothing is allocated and nothing raises: a verdict is a level and a rule.
 * The fields are bounded, so that a canonical form always fits.
 */
#include "postgres.h"

#include "identity/canonical.h"

#include <unicode/utf16.h>

bool
canonical_refuse(Identifier *out, const char *rule, const char *message)
{
	out->level = IDENTIFIER_ERROR;
	out->rule = rule;
	out->message = message;
	out->length = 0;
	out->text[0] = '\0';
	return false;
}

void
canonical_warn(Identifier *out, const char *rule, const char *message)
{
	if (out->level != IDENTIFIER_OK)
		return;
	out->level = IDENTIFIER_WARN;
	out->rule = rule;
	out->message = message;
}

/* at holds no surrogate without its other half */
void
canonical_put_units(Identifier *out, const UChar *at, int32_t length)
{
	uint8	   *from = (uint8 *) out->text + out->length;
	uint8	   *to = from;
	uint8	   *end = (uint8 *) out->text + sizeof(out->text) - 5;

	/* it fits, since fields are bounded */
	for (int32_t i = 0; i < length && to < end; i++)
	{
		UChar		c = at[i];

		if (c < 0x80)
			*to++ = (uint8) c;
		else if (c < 0x800)
		{
			*to++ = (uint8) (0xC0 | c >> 6);
			*to++ = (uint8) (0x80 | (c & 0x3F));
		}
		else if (!U16_IS_SURROGATE(c))
		{
			*to++ = (uint8) (0xE0 | c >> 12);
			*to++ = (uint8) (0x80 | (c >> 6 & 0x3F));
			*to++ = (uint8) (0x80 | (c & 0x3F));
		}
		else if (i + 1 < length)
		{
			uint32		far = U16_GET_SUPPLEMENTARY(c, at[i + 1]);

			i++;
			*to++ = (uint8) (0xF0 | far >> 18);
			*to++ = (uint8) (0x80 | (far >> 12 & 0x3F));
			*to++ = (uint8) (0x80 | (far >> 6 & 0x3F));
			*to++ = (uint8) (0x80 | (far & 0x3F));
		}
	}
	*to = '\0';
	out->length += (int) (to - from);
}
