/*
 * normalize.c
 *    Identifiers in canonical form: the rules.
 *
 * Sources write the same number in full and half width, with spaces, with one
 * of a dozen dashes, with and without leading zeros, and dates in eras.  The
 * canonical form is what is digested, so two spellings of one identifier must
 * meet here, and two identifiers must never: what is folded is only what
 * cannot tell people apart.  In numbers that is width, spaces and dashes; case,
 * leading zeros within a number, small kana and variants of kanji are kept.
 * Names are another matter (name.c).
 *
 * An identifier is folded as a whole first (fold.c).  Then it is split and
 * each field is judged.  The canonical form of a canonical form is itself; the
 * fuzzer holds us to it.
 *
 * A rule has versions, and an identifier stored under one is found only by its
 * own, since the digest cannot be turned back.  So a version that was released
 * is never changed: what folds more or less is a new version, and the old one
 * stays, for look-ups and for kinds that keep to it.  "since" tells which
 * versions give the same form, so that mostly one look-up suffices.
 *
 * Nothing is allocated and nothing raises: results are a level and a rule.
 */
#include "postgres.h"

#include "identity/normalize.h"

#include <unicode/utf8.h>

#include "identity/birth_date.h"
#include "identity/canonical.h"
#include "identity/fold.h"
#include "identity/name.h"

static const char *const rule_names[RULE_COUNT] = {
	"insured", "patient", "hash", "name_birth_sex", "registry"
};

/* the newest version of each */
static const int rule_versions[RULE_COUNT] = {1, 1, 1, NAME_FOLDED, 1};

int
identifier_rule(const char *name)
{
	for (int i = 0; i < RULE_COUNT; i++)
		if (strcmp(name, rule_names[i]) == 0)
			return i;
	return -1;
}

const char *
identifier_rule_name(IdentifierRule rule)
{
	return rule_names[rule];
}

int
identifier_rule_version(IdentifierRule rule)
{
	return rule_versions[rule];
}

/* ---- results ---- */

/* goes before any other warning */
static void
warn_my_number(Identifier *out)
{
	if (!out->my_number)
		return;
	out->level = IDENTIFIER_OK;
	canonical_warn(out, "my_number", "The number passes the check of a My Number (individual number).");
}

static void
put_digits(Identifier *out, Span span, int width)
{
	for (int i = span.length; i < width; i++)
		canonical_put_ascii(out, "0");
	canonical_put_units(out, span.at, span.length);
}

static bool
is_digit(UChar32 c)
{
	return c >= '0' && c <= '9';
}

/* ---- fields ---- */

/* splits at the separator; returns how many fields there are, of which at most max are filled */
static int
split(const Units *units, UChar separator, Span *fields, int max)
{
	int			n = 0;
	int32_t		start = 0;

	for (int32_t i = 0; i <= units->length; i++)
		if (i == units->length || units->at[i] == separator)
		{
			if (n < max)
				fields[n] = (Span) {units->at + start, i - start};
			n++;
			start = i + 1;
		}
	return n;
}

static bool
all_digits(Span span)
{
	for (int32_t i = 0; i < span.length; i++)
		if (!is_digit(span.at[i]))
			return false;
	return true;
}

/* the digits as ASCII; the span has only digits, and fewer than size */
static void
copy_digits(Span span, char *digits)
{
	for (int32_t i = 0; i < span.length; i++)
		digits[i] = (char) span.at[i];
	digits[span.length] = '\0';
}

static bool
all_zeros(Span span)
{
	for (int32_t i = 0; i < span.length; i++)
		if (span.at[i] != '0')
			return false;
	return true;
}

/* whether the span, without its dashes, is ASCII text (letters in any case) */
static bool
is_word(Span span, const char *word)
{
	int32_t		length = strlen(word);

	if (span.length != length)
		return false;
	for (int32_t i = 0; i < length; i++)
	{
		UChar		c = span.at[i];

		if (c >= 'a' && c <= 'z')
			c -= 'a' - 'A';
		if (c != (UChar) word[i])
			return false;
	}
	return true;
}

bool
luhn_passes(const char *digits, int length)
{
	int			sum = 0;

	for (int i = 0; i < length; i++)
	{
		int			product = (digits[length - 1 - i] - '0') * (i % 2 + 1);

		sum += product / 10 + product % 10;
	}
	return sum % 10 == 0;
}

bool
my_number_passes(const char *digits)
{
	static const int weights[11] = {6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2};
	int			sum = 0;
	int			rest;

	for (int i = 0; i < 11; i++)
		sum += (digits[i] - '0') * weights[i];
	rest = sum % 11;
	return digits[11] - '0' == (rest <= 1 ? 0 : 11 - rest);
}

/* is it twelve digits, however they are grouped, and could they be a My Number? */
static void
look_for_my_number(Span span, Identifier *out)
{
	char		digits[12];
	int			n = 0;
	bool		zeros = true;

	for (int32_t i = 0; i < span.length; i++)
	{
		UChar		c = span.at[i];

		if (c == '-')
			continue;
		if (!is_digit(c) || n == 12)
			return;
		zeros &= c == '0';
		digits[n++] = (char) c;
	}
	if (n != 12)
		return;
	out->twelve_digits = true;
	/* twelve zeros pass too, but they stand for nothing */
	if (!zeros && my_number_passes(digits))
		out->my_number = true;
}

static bool
refuse_my_number(Identifier *out)
{
	return canonical_refuse(out, "my_number", "It is or contains what passes the check of a My Number (individual number), which must not be used here.");
}

/* ---- date and sex ---- */

static bool
put_date(Span span, Identifier *out)
{
	char		text[BIRTH_DATE_LENGTH + 1];
	const char *rule;
	const char *message;

	if (!birth_date_parse(span.at, span.length, text, &rule, &message))
		return canonical_refuse(out, rule, message);
	canonical_put_ascii(out, text);
	return true;
}

/* 1 is male, 2 is female, as in claims */
static bool
put_sex(Span span, Identifier *out)
{
	bool		male;
	bool		female;

	if (span.length == 1 && (span.at[0] == '1' || span.at[0] == '2'))
	{
		canonical_put_ascii(out, span.at[0] == '1' ? "1" : "2");
		return true;
	}
	male = is_word(span, "M") || is_word(span, "MALE") ||
		(span.length >= 1 && span.at[0] == 0x7537 &&
		 (span.length == 1 || (span.length == 2 && span.at[1] == 0x6027)));
	female = is_word(span, "F") || is_word(span, "FEMALE") ||
		(span.length >= 1 && span.at[0] == 0x5973 &&
		 (span.length == 1 || (span.length == 2 && span.at[1] == 0x6027)));
	if (!male && !female)
		return canonical_refuse(out, "sex", "The sex is not 1 or M (male), nor 2 or F (female).");
	canonical_put_ascii(out, male ? "1" : "2");
	return true;
}

/* ---- rules ---- */

/* insurer:symbol:number:branch, or insurer:symbol:number::birth:sex */
static bool
put_insured(const Units *units, Identifier *out)
{
	Span		fields[6];
	Span		whole = {units->at, units->length};
	int			n = split(units, ':', fields, 6);
	char		insurer[9] = "00000000";

	if (n == 1)
		look_for_my_number(whole, out);
	for (int i = 0; i < Min(n, 6); i++)
		look_for_my_number(fields[i], out);
	/* the number may have been spread over symbol and number */
	if (n >= 3 && fields[1].length > 0)
	{
		static Units joined;

		memcpy(joined.at, fields[1].at, fields[1].length * sizeof(UChar));
		memcpy(joined.at + fields[1].length, fields[2].at, fields[2].length * sizeof(UChar));
		look_for_my_number((Span) {joined.at, fields[1].length + fields[2].length}, out);
	}
	if (out->my_number)
		return refuse_my_number(out);
	if (n != 4 && n != 6)
		return canonical_refuse(out, "insured_form", "It is not insurer:symbol:number:branch, nor insurer:symbol:number::birth date:sex.");
	if (fields[0].length < 5 || fields[0].length > 8 || !all_digits(fields[0]))
		return canonical_refuse(out, "insurer_number", "The insurer number is not 8 digits (or 6 to be filled with zeros).");
	if (all_zeros(fields[0]))
		return canonical_refuse(out, "insurer_number", "The insurer number is all zeros.");
	if (fields[1].length > FIELD_MAX || fields[2].length > FIELD_MAX)
		return canonical_refuse(out, "too_long", "It is too long.");
	if (fields[2].length == 0)
		return canonical_refuse(out, "insured_number", "The number is empty.");
	if (fields[3].length > 2 || !all_digits(fields[3]))
		return canonical_refuse(out, "branch_number", "The branch number is not two digits.");
	if (fields[3].length == 0 && n == 4)
		return canonical_refuse(out, "branch_or_birth", "Without a branch number it needs the birth date and sex: insurer:symbol:number::birth date:sex.");

	copy_digits(fields[0], insurer + 8 - fields[0].length);
	if (!luhn_passes(insurer, 8))
		canonical_warn(out, "insurer_check_digit", "The check digit of the insurer number does not fit.");
	canonical_put_ascii(out, insurer);
	canonical_put_ascii(out, ":");
	canonical_put_units(out, fields[1].at, fields[1].length);
	canonical_put_ascii(out, ":");
	canonical_put_units(out, fields[2].at, fields[2].length);
	canonical_put_ascii(out, ":");
	if (fields[3].length > 0)
	{
		int			mark;

		put_digits(out, fields[3], 2);
		/* birth date and sex beside a branch number are not part of it: they are checked, and month and sex told beside it */
		mark = out->length;
		if (n == 6)
		{
			if (!put_date(fields[4], out) || !put_sex(fields[5], out))
				return false;
			memcpy(out->attribute, out->text + mark, 7);
			out->attribute[7] = '|';
			out->attribute[8] = out->text[mark + BIRTH_DATE_LENGTH];
			out->attribute[IDENTIFIER_ATTRIBUTE_LENGTH] = '\0';
		}
		out->length = mark;
		out->text[mark] = '\0';
		return true;
	}
	canonical_put_ascii(out, ":");
	if (!put_date(fields[4], out))
		return false;
	canonical_put_ascii(out, ":");
	return put_sex(fields[5], out);
}

/*
 * How the card's symbol and number have to be written: all in full width or
 * all in half width, in full width if there are kana, kanji or signs, and
 * without spaces.  Of which nothing is left once it is folded; so this looks at
 * the identifier as it came, which is valid UTF-8 by now.
 */
static void
judge_widths(const char *utf8, size_t length, Identifier *out)
{
	int			field = 0;
	bool		full = false;
	bool		half = false;
	bool		sign = false;	/* or kana, in half width */
	bool		space = false;
	bool		trailing = false;	/* a space that is inside only if something follows */
	bool		began = false;

	for (size_t i = 0; i <= length;)
	{
		UChar32		c = ':';

		if (i < length)
			U8_NEXT_UNSAFE(utf8, i, c);
		else
			i++;
		if (c == ':' || c == 0xFF1A)
		{
			if (field == 1 || field == 2)
			{
				if (space)
					canonical_warn(out, "insured_space", "The symbol or the number has a space in it.");
				if ((full && half) || sign)
					canonical_warn(out, "insured_width", "The symbol or the number mixes full and half width, or has kana or signs in half width.");
			}
			field++;
			full = half = sign = space = trailing = began = false;
			continue;
		}
		/* what pads a field of fixed width is not in it */
		if (c == ' ' || c == '\t')
		{
			trailing = began;
			continue;
		}
		space |= trailing || c == 0x3000;
		trailing = false;
		began = true;
		if (c < 0x80)
		{
			half = true;
			sign |= !is_digit(c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
		}
		else if (c >= 0xFF61 && c <= 0xFF9F)
			half = sign = true;
		else
			full = true;
	}
}

/* an institution's 10 characters and its own number of the patient */
static bool
put_patient(const Units *units, Identifier *out)
{
	Span		fields[2];
	Span		institution;
	char		code[11];

	if (split(units, ':', fields, 2) != 2)
		return canonical_refuse(out, "patient_form", "It is not institution:number.");
	look_for_my_number(fields[1], out);
	institution = fields[0];
	/* the local form has a 1 before the ten; spreadsheets drop the zero of prefectures 1 to 9 */
	if (institution.length == 11 && institution.at[0] == '1')
		institution = (Span) {institution.at + 1, 10};
	if (institution.length < 9 || institution.length > 10)
		return canonical_refuse(out, "institution_code", "The institution code is not 10 characters: prefecture, fee table, and 7 digits.");
	for (int i = 0; i < 10; i++)
	{
		int			k = i - (10 - institution.length);
		UChar		c = k < 0 ? '0' : institution.at[k];

		if (i == 2 && (c == 'b' || c == 'B'))
			c = 'B';
		else if (!is_digit(c))
			return canonical_refuse(out, "institution_code", "The institution code is not 10 characters: prefecture, fee table, and 7 digits.");
		code[i] = (char) c;
	}
	code[10] = '\0';
	if (fields[1].length == 0)
		return canonical_refuse(out, "patient_number", "The patient number is empty.");
	if (fields[1].length > FIELD_MAX)
		return canonical_refuse(out, "too_long", "It is too long.");

	warn_my_number(out);
	if ((code[0] == '0' && code[1] == '0') || code[0] > '4' || (code[0] == '4' && code[1] > '7'))
		canonical_warn(out, "institution_prefecture", "The institution code does not begin with a prefecture, 01 to 47.");
	else if (code[2] != 'B' && !luhn_passes(code, 10))
		canonical_warn(out, "institution_check_digit", "The check digit of the institution code does not fit.");
	canonical_put_ascii(out, code);
	canonical_put_ascii(out, ":");
	canonical_put_units(out, fields[1].at, fields[1].length);
	return true;
}

/* 64 hexadecimal digits, lower case */
static bool
put_hash(const Units *units, Identifier *out)
{
	char		text[65];
	bool		varies = false;
	Span		whole = {units->at, units->length};

	look_for_my_number(whole, out);
	if (units->length != 64)
		return canonical_refuse(out, "hash_form", "It is not 64 hexadecimal digits.");
	for (int i = 0; i < 64; i++)
	{
		UChar		c = units->at[i];

		if (c >= 'A' && c <= 'F')
			c += 'a' - 'A';
		if (!is_digit(c) && !(c >= 'a' && c <= 'f'))
			return canonical_refuse(out, "hash_form", "It is not 64 hexadecimal digits.");
		text[i] = (char) c;
		varies |= text[i] != text[0];
	}
	text[64] = '\0';
	/* the public databases fill invalid ones with 9 */
	if (!varies)
		return canonical_refuse(out, "hash_placeholder", "It is one digit repeated, which stands for an invalid hash.");
	canonical_put_ascii(out, text);
	return true;
}

/* name|birth date|sex */
static bool
put_name_birth_sex(int version, const Units *units, Identifier *out)
{
	Span		fields[3];

	if (split(units, '|', fields, 3) != 3)
		return canonical_refuse(out, "name_birth_sex_form", "It is not name|birth date|sex.");
	if (!name_put(version, fields[0], out))
		return false;
	canonical_put_ascii(out, "|");
	if (!put_date(fields[1], out))
		return false;
	canonical_put_ascii(out, "|");
	return put_sex(fields[2], out);
}

/* registry:number */
static bool
put_registry(const Units *units, Identifier *out)
{
	Span		fields[2];

	if (split(units, ':', fields, 2) != 2)
		return canonical_refuse(out, "registry_form", "It is not registry:number.");
	look_for_my_number(fields[1], out);
	if (fields[0].length == 0)
		return canonical_refuse(out, "registry_name", "The registry is empty.");
	if (fields[1].length == 0)
		return canonical_refuse(out, "registry_number", "The number is empty.");
	if (fields[0].length > FIELD_MAX || fields[1].length > FIELD_MAX)
		return canonical_refuse(out, "too_long", "It is too long.");
	warn_my_number(out);
	canonical_put_units(out, fields[0].at, fields[0].length);
	canonical_put_ascii(out, ":");
	canonical_put_units(out, fields[1].at, fields[1].length);
	return true;
}

void
identifier_canonicalize(IdentifierRule rule, int version, const char *utf8, size_t length,
						Identifier *out)
{
	static Units units;

	out->level = IDENTIFIER_OK;
	out->rule = NULL;
	out->message = NULL;
	out->twelve_digits = false;
	out->my_number = false;
	out->since = 1;
	out->attribute[0] = '\0';
	out->length = 0;
	out->text[0] = '\0';

	if (rule < 0 || rule >= RULE_COUNT || version < 1 || version > rule_versions[rule])
	{
		canonical_refuse(out, "version", "There is no such rule, or it has no such version.");
		return;
	}
	if (length > IDENTIFIER_INPUT_MAX)
	{
		canonical_refuse(out, "too_long", "It is too long.");
		return;
	}
	if (!fold_identifier(utf8, length, &units, out))
		return;
	if (units.length == 0)
	{
		canonical_refuse(out, "empty", "It is empty.");
		return;
	}
	switch (rule)
	{
		case RULE_INSURED:
			if (put_insured(&units, out))
				judge_widths(utf8, length, out);
			break;
		case RULE_PATIENT:
			put_patient(&units, out);
			break;
		case RULE_HASH:
			put_hash(&units, out);
			break;
		case RULE_NAME_BIRTH_SEX:
			put_name_birth_sex(version, &units, out);
			break;
		case RULE_REGISTRY:
			put_registry(&units, out);
			break;
		case RULE_COUNT:
			break;
	}
}
