/*
 * base32.c
 *    The text form of a pseudonym: 26 characters of Crockford's base32 and two
 *    check characters by ISO 7064 MOD 1271-36.
 *
 * The 128 bits are preceded by two zero bits, so that 26 characters of 5 bits
 * hold them and the order of texts (in the C locale) is the order of bytes.
 * The check characters are computed over the 26 characters as they are
 * printed, with the values that ISO 7064 gives to alphanumerics (0-9, A = 10,
 * ... Z = 35), so any tool that knows the standard can verify them.
 *
 * Input forgives case, hyphens anywhere, O for 0, and I and L for 1.  The body
 * has no O, I and L, so there it is plain.  A check character may be any of
 * 0-9A-Z; it is compared after both sides are folded the same way.  That never
 * makes a text ambiguous, since the body alone decides which pseudonym it is;
 * it costs a little of the check where an expected check character is one of
 * 0 O 1 I L: of all single wrong characters about one in 5000 passes then,
 * instead of none.
 */
#include "identity/base32.h"

#define MODULUS 1271
#define RADIX 36

static const char crockford[33] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
static const char alphanumeric[37] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* upper case, without what is easily misread; anything but a letter or digit becomes '\0' */
static char
fold(char c)
{
	if (c >= 'a' && c <= 'z')
		c -= 'a' - 'A';
	if (c == 'O')
		return '0';
	if (c == 'I' || c == 'L')
		return '1';
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ? c : '\0';
}

/* of a folded character; -1 when Crockford has none (U) */
static int
crockford_value(char c)
{
	int			value;

	if (c <= '9')
		return c - '0';
	if (c == 'U')
		return -1;
	value = c - 'A' + 10;
	return value - (c > 'I') - (c > 'L') - (c > 'O') - (c > 'U');
}

int
base32_check(const char *characters, size_t length)
{
	int			sum = 0;

	for (size_t i = 0; i < length; i++)
	{
		char		c = characters[i];

		sum = (sum + (c <= '9' ? c - '0' : c - 'A' + 10)) * RADIX % MODULUS;
	}
	/* room for the second check character; the whole has to be 1 */
	sum = sum * RADIX % MODULUS;
	return (MODULUS + 1 - sum) % MODULUS;
}

void
base32_format(const uint8_t bytes[16], char text[PSEUDONYM_TEXT])
{
	uint32_t	window = 0;
	int			bits = 2;
	char	   *out = text;
	int			check;

	for (int i = 0; i < 16; i++)
	{
		window = (window << 8) | bytes[i];
		for (bits += 8; bits >= 5; bits -= 5)
			*out++ = crockford[(window >> (bits - 5)) & 31];
	}
	check = base32_check(text, PSEUDONYM_BODY);
	*out++ = alphanumeric[check / RADIX];
	*out = alphanumeric[check % RADIX];
}

PseudonymFault
base32_parse(const char *text, size_t length, uint8_t bytes[16])
{
	char		folded[PSEUDONYM_TEXT];
	char		body[PSEUDONYM_BODY];
	int			count = 0;
	uint32_t	window = 0;
	int			bits = -2;
	int			check;

	for (size_t i = 0; i < length; i++)
	{
		if (text[i] == '-')
			continue;
		if (count == PSEUDONYM_TEXT)
			return PSEUDONYM_BAD_LENGTH;
		folded[count] = fold(text[i]);
		if (folded[count++] == '\0')
			return PSEUDONYM_BAD_CHARACTER;
	}
	if (count != PSEUDONYM_TEXT)
		return PSEUDONYM_BAD_LENGTH;

	for (int i = 0; i < PSEUDONYM_BODY; i++)
	{
		int			value = crockford_value(folded[i]);

		if (value < 0)
			return PSEUDONYM_BAD_CHARACTER;
		if (i == 0 && value > 7)
			return PSEUDONYM_OUT_OF_RANGE;
		body[i] = crockford[value];
		window = (window << 5) | (uint32_t) value;
		bits += 5;
		if (bits >= 8)
		{
			bits -= 8;
			*bytes++ = (uint8_t) (window >> bits);
		}
	}

	check = base32_check(body, PSEUDONYM_BODY);
	if (folded[26] != fold(alphanumeric[check / RADIX]) ||
		folded[27] != fold(alphanumeric[check % RADIX]))
		return PSEUDONYM_BAD_CHECK;
	return PSEUDONYM_OK;
}
