/*
 * pack.c
 *    Codes packed into 8 bytes: forms, check digits, prefixes.
 *
 * Each type of code is one CodeType below: its form and its check digit.
 * Only the form decides what a type takes, so that whatever was stored can be
 * stored again; real data carry numbers whose check digit is wrong.
 *
 * Only ASCII is accepted: folding widths is the work of readers of files,
 * which know where a field came from.
 */
#include "postgres.h"

#include "codes/pack.h"

#define CODE_SHIFT(i) (CODE_BITS * (CODE_MAX_LENGTH - 1 - (i)))

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
all_digits(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!is_digit(text[i]))
			return false;
	return true;
}

/* 0 for what is not in the alphabet */
static inline int
char_value(char c)
{
	if (is_digit(c))
		return c - '0' + 2;
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 12;
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 38;
	return c == '-' ? 1 : 0;
}

/* ---- the forms ---- */

/*
 * The forms met in the claims' disease master: A99, A999, A9999, A999a, A99-9;
 * a dot after the third character is dropped, and the first letter made upper.
 */
static int
icd10_canonical(const char *text, size_t length, char *out)
{
	int			n = 0;

	for (size_t i = 0; i < length; i++)
	{
		char		c = text[i];

		if (i == 3 && c == '.')
		{
			if (length == 4)
				return 0;
			continue;
		}
		switch (n)
		{
			case 0:
				if (c >= 'a' && c <= 'z')
					c += 'A' - 'a';
				if (c < 'A' || c > 'Z')
					return 0;
				break;
			case 1:
			case 2:
				if (!is_digit(c))
					return 0;
				break;
			case 3:
				if (!is_digit(c) && c != '-')
					return 0;
				break;
			case 4:
				if (!is_digit(c) && !(c >= 'a' && c <= 'z' && out[3] != '-'))
					return 0;
				break;
			default:
				return 0;
		}
		out[n++] = c;
	}
	/* a hyphen stands for the fourth character that is missing before a fifth */
	if (n < 3 || (n == 4 && out[3] == '-'))
		return 0;
	return n;
}

static int
receipt_code_canonical(const char *text, size_t length, char *out)
{
	if ((length != 4 && length != 7 && length != 9) || !all_digits(text, length))
		return 0;
	memcpy(out, text, length);
	return (int) length;
}

/*
 * National health insurance has six digits, which files pad to eight with
 * zeros (FHIR) or spaces (claims).
 */
static int
insurer_number_canonical(const char *text, size_t length, char *out)
{
	if (length == 8 && text[0] == ' ' && text[1] == ' ')
	{
		text += 2;
		length = 6;
	}
	if ((length != 6 && length != 8) || !all_digits(text, length))
		return 0;
	memset(out, '0', 8);
	memcpy(out + 8 - length, text, length);
	return 8;
}

/* prefecture 01 to 47, fee table (点数表) 1 3 4 5 6 B, seven digits */
static int
institution_code_canonical(const char *text, size_t length, char *out)
{
	int			prefecture;

	if (length != 10 || !all_digits(text, 2) || !all_digits(text + 3, 7))
		return 0;
	prefecture = (text[0] - '0') * 10 + text[1] - '0';
	if (prefecture < 1 || prefecture > 47)
		return 0;
	if (text[2] == '\0' || strchr("13456B", text[2]) == NULL)
		return 0;
	memcpy(out, text, 10);
	return 10;
}

/* ---- check digits ---- */

bool
code_luhn_ok(const char *digits, int length)
{
	int			sum = 0;

	for (int i = 0; i < length; i++)
	{
		int			product = (digits[length - 1 - i] - '0') * (i % 2 ? 2 : 1);

		sum += product / 10 + product % 10;
	}
	return sum % 10 == 0;
}

/* types without a check digit */
static CodeCheck
no_check(const char *canonical, int length)
{
	return CODE_CHECK_OK;
}

static CodeCheck
luhn_check(const char *canonical, int length)
{
	/* how the letter of fee table B (介護医療院) enters the sum is not published */
	if (!all_digits(canonical, length))
		return CODE_CHECK_UNKNOWN;
	return code_luhn_ok(canonical, length) ? CODE_CHECK_OK : CODE_CHECK_BAD;
}

const CodeType code_type_icd10 = {
	"icd10",
	"An ICD-10 code is a letter and two digits, then perhaps a digit or a hyphen, then perhaps a digit or a lower-case letter; a dot may follow the third character.",
	icd10_canonical, no_check
};
const CodeType code_type_receipt_code = {
	"receipt_code",
	"A receipt code has 4 (modifier), 7 (disease) or 9 digits (procedure, drug, material, comment).",
	receipt_code_canonical, no_check
};
const CodeType code_type_insurer_number = {
	"insurer_number",
	"An insurer number has 8 digits, or 6 in national health insurance.",
	insurer_number_canonical, luhn_check
};
const CodeType code_type_institution_code = {
	"institution_code",
	"An institution code has 10 characters: the prefecture (01 to 47), the fee table (1, 3, 4, 5, 6 or B), and seven digits.",
	institution_code_canonical, luhn_check
};

/* ---- packing ---- */

bool
code_parse(const CodeType *type, const char *text, size_t length, int64 *packed)
{
	char		canonical[CODE_MAX_LENGTH];
	int64		value = 0;
	int			n;

	/* the longest input is a code with a dot or padding */
	if (length == 0 || length > CODE_MAX_LENGTH)
		return false;
	n = type->canonical(text, length, canonical);
	if (n == 0)
		return false;
	for (int i = 0; i < n; i++)
		value |= (int64) char_value(canonical[i]) << CODE_SHIFT(i);
	*packed = value;
	return true;
}

int
code_unpack(int64 packed, char *out)
{
	static const char alphabet[] = "\0-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	int			n = 0;

	while (n < CODE_MAX_LENGTH)
	{
		char		c = alphabet[(packed >> CODE_SHIFT(n)) & 63];

		if (c == '\0')
			break;
		out[n++] = c;
	}
	out[n] = '\0';
	return n;
}

CodeCheck
code_check(const CodeType *type, int64 packed)
{
	char		text[CODE_MAX_LENGTH + 1];
	int			length = code_unpack(packed, text);

	return type->check(text, length);
}

/* ---- prefixes and patterns ---- */

bool
code_prefix_range(const char *prefix, size_t length, int64 *low, int64 *high)
{
	*low = *high = 0;
	if (length > CODE_MAX_LENGTH)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		int			value = char_value(prefix[i]);

		if (value == 0)
		{
			*low = 0;
			return false;
		}
		*low |= (int64) value << CODE_SHIFT(i);
	}
	*high = length == 0 ? CODE_END : *low + (INT64CONST(1) << CODE_SHIFT(length - 1));
	return true;
}

bool
code_like(const char *text, size_t length, const char *pattern, size_t pattern_length)
{
	size_t		t = 0,
				p = 0,
				star_t = 0,
				star_p = 0;
	bool		star = false;

	/* greedy, going back to the last "%" on a mismatch */
	for (;;)
	{
		if (p < pattern_length && pattern[p] == '%')
		{
			star = true;
			star_p = ++p;
			star_t = t;
			continue;
		}
		if (t == length && p == pattern_length)
			return true;
		if (t < length && p < pattern_length)
		{
			if (pattern[p] == '_')
			{
				p++, t++;
				continue;
			}
			if (pattern[p] == '\\')
			{
				if (p + 1 < pattern_length && pattern[p + 1] == text[t])
				{
					p += 2, t++;
					continue;
				}
			}
			else if (pattern[p] == text[t])
			{
				p++, t++;
				continue;
			}
		}
		if (!star || star_t >= length)
			return false;
		t = ++star_t;
		p = star_p;
	}
}

size_t
code_like_prefix(const char *pattern, size_t pattern_length, char *prefix, bool *whole)
{
	size_t		n = 0,
				p = 0;

	while (p < pattern_length && pattern[p] != '%' && pattern[p] != '_')
	{
		if (pattern[p] == '\\' && ++p == pattern_length)
			break;
		prefix[n++] = pattern[p++];
	}
	*whole = p < pattern_length && pattern[p] == '%';
	for (; p < pattern_length; p++)
		if (pattern[p] != '%')
			*whole = false;
	return n;
}
