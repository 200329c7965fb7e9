/*
 * normalize.c
 *    Identifiers in canonical form.
 *
 * Sources write the same number in full and half width, with spaces, with one
 * of a dozen dashes, with and without leading zeros, and dates in eras.  The
 * canonical form is what is digested, so two spellings of one identifier must
 * meet here, and two identifiers must never: what is folded is only what
 * cannot tell people apart.  Case, leading zeros within a number, small kana
 * and variants of kanji are kept.
 *
 * An identifier is folded as a whole first (fold): characters without a
 * meaning of their own are dropped, dashes become one, then NFKC; again until
 * nothing changes, since dropping a character can make its neighbours
 * compose.  Then it is split and each field is judged.  The canonical form of
 * a canonical form is itself; the fuzzer holds us to it.
 *
 * Characters that this ICU does not know are refused: a newer one might
 * compose them otherwise, and the stored digest would be lost.
 *
 * Nothing is allocated and nothing raises: results are a level and a rule.
 * ICU's normalizer is a shared constant object that needs no closing.
 */
#include "postgres.h"

#include "identity/normalize.h"

#include "identity/birth_date.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>

/* NFKC makes at most 18 code units of one */
#define UNITS (IDENTIFIER_INPUT_MAX * 18)

/* a name or number in characters; longer than any that exists */
#define FIELD_MAX 120

typedef struct Units
{
	int32_t		length;
	UChar		at[UNITS];
} Units;

typedef struct Span
{
	const UChar *at;
	int32_t		length;
} Span;

static const char *const rule_names[RULE_COUNT] = {
	"insured", "patient", "hash", "name_birth_sex", "registry"
};

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

/* ---- results ---- */

static bool
refuse(Identifier *out, const char *rule, const char *message)
{
	out->level = IDENTIFIER_ERROR;
	out->rule = rule;
	out->message = message;
	out->length = 0;
	out->text[0] = '\0';
	return false;
}

/* the first warning stays */
static void
warn(Identifier *out, const char *rule, const char *message)
{
	if (out->level != IDENTIFIER_OK)
		return;
	out->level = IDENTIFIER_WARN;
	out->rule = rule;
	out->message = message;
}

/* goes before any other warning */
static void
warn_my_number(Identifier *out)
{
	if (!out->my_number)
		return;
	out->level = IDENTIFIER_OK;
	warn(out, "my_number", "The number passes the check of a My Number (individual number).");
}

/* ---- writing the canonical form ---- */

static void
put_ascii(Identifier *out, const char *text)
{
	size_t		length = strlen(text);

	if (out->length + length >= sizeof(out->text))
		return;					/* cannot happen: fields are bounded */
	memcpy(out->text + out->length, text, length + 1);
	out->length += length;
}

static void
put_units(Identifier *out, const UChar *at, int32_t length)
{
	UErrorCode	status = U_ZERO_ERROR;
	int32_t		written = 0;

	u_strToUTF8(out->text + out->length, sizeof(out->text) - 1 - out->length, &written, at, length,
				&status);
	if (U_SUCCESS(status))
		out->length += written;
	out->text[out->length] = '\0';
}

static void
put_digits(Identifier *out, Span span, int width)
{
	for (int i = span.length; i < width; i++)
		put_ascii(out, "0");
	put_units(out, span.at, span.length);
}

/* ---- characters ---- */

static bool
is_digit(UChar32 c)
{
	return c >= '0' && c <= '9';
}

static bool
is_kana(UChar32 c)
{
	return (c >= 0x3041 && c <= 0x3096) || (c >= 0x30A1 && c <= 0x30FA) ||
		c == 0x30FC || c == 0x30FD || c == 0x30FE || c == 0x309D || c == 0x309E ||
		c == 0x3099 || c == 0x309A;
}

/* the dashes that keyboards, scanners and conversions from Shift_JIS give for "-" */
static bool
is_dash(UChar32 c)
{
	switch (c)
	{
		case '-':
		case 0x2010:			/* hyphen */
		case 0x2011:			/* non-breaking hyphen */
		case 0x2012:			/* figure dash */
		case 0x2013:			/* en dash */
		case 0x2014:			/* em dash */
		case 0x2015:			/* horizontal bar */
		case 0x2043:			/* hyphen bullet */
		case 0x2212:			/* minus */
		case 0x2500:			/* box drawings light horizontal */
		case 0x2501:			/* heavy */
		case 0xFE58:			/* small em dash */
		case 0xFE63:			/* small hyphen-minus */
		case 0xFF0D:			/* full-width hyphen-minus */
			return true;
		default:
			return false;
	}
}

static bool
is_space(UChar32 c)
{
	return c == '\t' || u_charType(c) == U_SPACE_SEPARATOR;
}

/* ---- folding the whole ---- */

/*
 * One pass over the characters: drops spaces and characters that only change
 * how others look (variation selectors, joiners, marks of direction), unifies
 * dashes.  Returns false when it met one that is refused.
 */
static bool
fold_characters(Units *units, Identifier *out)
{
	int32_t		length = 0;
	UChar32		previous = 0;

	for (int32_t i = 0; i < units->length;)
	{
		UChar32		c;

		U16_NEXT(units->at, i, units->length, c);
		if (is_space(c) || u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT))
			continue;
		switch (u_charType(c))
		{
			case U_CONTROL_CHAR:
			case U_LINE_SEPARATOR:
			case U_PARAGRAPH_SEPARATOR:
				return refuse(out, "control_character", "It has a control character or a line end.");
			case U_UNASSIGNED:	/* noncharacters too */
			case U_SURROGATE:
				return refuse(out, "unknown_character", "It has a character that this version of ICU does not know.");
			case U_PRIVATE_USE_CHAR:
				warn(out, "external_character", "It has an external character (gaiji), whose meaning other sources do not share.");
				break;
			default:
				break;
		}
		/* a long vowel mark where there is no vowel is a dash */
		if (is_dash(c) || ((c == 0x30FC || c == 0xFF70) && !is_kana(previous) &&
						   !(previous >= 0xFF66 && previous <= 0xFF9F)))
			c = '-';
		previous = c;
		/* never writes past what it has read */
		U16_APPEND_UNSAFE(units->at, length, c);
	}
	units->length = length;
	return true;
}

/* NFKC in place; false when it does not fit */
static bool
compose(Units *units)
{
	static UChar result[UNITS];
	UErrorCode	status = U_ZERO_ERROR;
	const UNormalizer2 *nfkc = unorm2_getNFKCInstance(&status);
	int32_t		length;

	if (U_FAILURE(status))
		return false;
	if (unorm2_quickCheck(nfkc, units->at, units->length, &status) == UNORM_YES &&
		U_SUCCESS(status))
		return true;
	status = U_ZERO_ERROR;
	length = unorm2_normalize(nfkc, units->at, units->length, result, UNITS, &status);
	if (U_FAILURE(status))
		return false;
	memcpy(units->at, result, length * sizeof(UChar));
	units->length = length;
	return true;
}

static bool
fold(Units *units, Identifier *out)
{
	static UChar before[UNITS];

	for (int round = 0; round < 8; round++)
	{
		int32_t		length = units->length;

		memcpy(before, units->at, length * sizeof(UChar));
		if (!fold_characters(units, out))
			return false;
		if (!compose(units))
			return refuse(out, "too_long", "It is too long.");
		if (units->length == length && memcmp(before, units->at, length * sizeof(UChar)) == 0)
			return true;
	}
	return refuse(out, "unknown_character", "Its characters do not come to rest.");
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
	return refuse(out, "my_number", "It is or contains what passes the check of a My Number (individual number), which must not be used here.");
}

/* ---- date and sex ---- */

static bool
put_date(Span span, Identifier *out)
{
	char		text[BIRTH_DATE_LENGTH + 1];
	const char *rule;
	const char *message;

	if (!birth_date_parse(span.at, span.length, text, &rule, &message))
		return refuse(out, rule, message);
	put_ascii(out, text);
	return true;
}

/* 1 is male, 2 is female, as in claims */
static bool
put_sex(Span span, Identifier *out)
{
	bool		male = is_word(span, "1") || is_word(span, "M") || is_word(span, "MALE") ||
		(span.length >= 1 && span.at[0] == 0x7537 &&
		 (span.length == 1 || (span.length == 2 && span.at[1] == 0x6027)));
	bool		female = is_word(span, "2") || is_word(span, "F") || is_word(span, "FEMALE") ||
		(span.length >= 1 && span.at[0] == 0x5973 &&
		 (span.length == 1 || (span.length == 2 && span.at[1] == 0x6027)));

	if (!male && !female)
		return refuse(out, "sex", "The sex is not 1 or M (male), nor 2 or F (female).");
	put_ascii(out, male ? "1" : "2");
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
		return refuse(out, "insured_form", "It is not insurer:symbol:number:branch, nor insurer:symbol:number::birth date:sex.");
	if (fields[0].length < 5 || fields[0].length > 8 || !all_digits(fields[0]))
		return refuse(out, "insurer_number", "The insurer number is not 8 digits (or 6 to be filled with zeros).");
	if (all_zeros(fields[0]))
		return refuse(out, "insurer_number", "The insurer number is all zeros.");
	if (fields[1].length > FIELD_MAX || fields[2].length > FIELD_MAX)
		return refuse(out, "too_long", "It is too long.");
	if (fields[2].length == 0)
		return refuse(out, "insured_number", "The number is empty.");
	if (fields[3].length > 2 || !all_digits(fields[3]))
		return refuse(out, "branch_number", "The branch number is not two digits.");
	if (fields[3].length == 0 && n == 4)
		return refuse(out, "branch_or_birth", "Without a branch number it needs the birth date and sex: insurer:symbol:number::birth date:sex.");

	copy_digits(fields[0], insurer + 8 - fields[0].length);
	if (!luhn_passes(insurer, 8))
		warn(out, "insurer_check_digit", "The check digit of the insurer number does not fit.");
	put_ascii(out, insurer);
	put_ascii(out, ":");
	put_units(out, fields[1].at, fields[1].length);
	put_ascii(out, ":");
	put_units(out, fields[2].at, fields[2].length);
	put_ascii(out, ":");
	if (fields[3].length > 0)
	{
		int			mark;

		put_digits(out, fields[3], 2);
		/* birth date and sex beside a branch number are checked, but are not part of it */
		mark = out->length;
		if (n == 6 && (!put_date(fields[4], out) || !put_sex(fields[5], out)))
			return false;
		out->length = mark;
		out->text[mark] = '\0';
		return true;
	}
	put_ascii(out, ":");
	if (!put_date(fields[4], out))
		return false;
	put_ascii(out, ":");
	return put_sex(fields[5], out);
}

/* an institution's 10 characters and its own number of the patient */
static bool
put_patient(const Units *units, Identifier *out)
{
	Span		fields[2];
	Span		institution;
	char		code[11];

	if (split(units, ':', fields, 2) != 2)
		return refuse(out, "patient_form", "It is not institution:number.");
	look_for_my_number(fields[1], out);
	institution = fields[0];
	/* the local form has a 1 before the ten; spreadsheets drop the zero of prefectures 1 to 9 */
	if (institution.length == 11 && institution.at[0] == '1')
		institution = (Span) {institution.at + 1, 10};
	if (institution.length < 9 || institution.length > 10)
		return refuse(out, "institution_code", "The institution code is not 10 characters: prefecture, fee table, and 7 digits.");
	for (int i = 0; i < 10; i++)
	{
		int			k = i - (10 - institution.length);
		UChar		c = k < 0 ? '0' : institution.at[k];

		if (i == 2 && (c == 'b' || c == 'B'))
			c = 'B';
		else if (!is_digit(c))
			return refuse(out, "institution_code", "The institution code is not 10 characters: prefecture, fee table, and 7 digits.");
		code[i] = (char) c;
	}
	code[10] = '\0';
	if (fields[1].length == 0)
		return refuse(out, "patient_number", "The patient number is empty.");
	if (fields[1].length > FIELD_MAX)
		return refuse(out, "too_long", "It is too long.");

	warn_my_number(out);
	if ((code[0] == '0' && code[1] == '0') || code[0] > '4' || (code[0] == '4' && code[1] > '7'))
		warn(out, "institution_prefecture", "The institution code does not begin with a prefecture, 01 to 47.");
	else if (code[2] != 'B' && !luhn_passes(code, 10))
		warn(out, "institution_check_digit", "The check digit of the institution code does not fit.");
	put_ascii(out, code);
	put_ascii(out, ":");
	put_units(out, fields[1].at, fields[1].length);
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
		return refuse(out, "hash_form", "It is not 64 hexadecimal digits.");
	for (int i = 0; i < 64; i++)
	{
		UChar		c = units->at[i];

		if (c >= 'A' && c <= 'F')
			c += 'a' - 'A';
		if (!is_digit(c) && !(c >= 'a' && c <= 'f'))
			return refuse(out, "hash_form", "It is not 64 hexadecimal digits.");
		text[i] = (char) c;
		varies |= text[i] != text[0];
	}
	text[64] = '\0';
	/* the public databases fill invalid ones with 9 */
	if (!varies)
		return refuse(out, "hash_placeholder", "It is one digit repeated, which stands for an invalid hash.");
	put_ascii(out, text);
	return true;
}

/* what stands between the parts of a name, beside spaces */
static bool
is_name_separator(UChar32 c)
{
	return c == 0x30FB || c == 0xB7 || c == ',' || c == '.' || c == 0x3001 || c == 0x3002;
}

/*
 * A name.  Separators go; if it is all kana, hiragana becomes katakana (a name
 * that has kanji keeps its own); a dash after kana is a long vowel; Latin
 * letters become capital.
 */
static bool
put_name(Span span, Identifier *out)
{
	static Units name;
	bool		kana = true;
	bool		letters = false;

	name.length = 0;
	for (int32_t i = 0; i < span.length;)
	{
		UChar32		c;

		U16_NEXT(span.at, i, span.length, c);
		if (!is_kana(c) && c != '-' && !is_name_separator(c))
			kana = false;
	}
	for (int32_t i = 0; i < span.length;)
	{
		UChar32		c;
		UChar32		last = name.length > 0 ? name.at[name.length - 1] : 0;

		U16_NEXT(span.at, i, span.length, c);
		if (is_name_separator(c))
			continue;
		if (c == 0x2018 || c == 0x2019 || c == 0x02BC || c == '`')
			c = '\'';
		if (kana && ((c >= 0x3041 && c <= 0x3096) || c == 0x309D || c == 0x309E))
			c += 0x60;
		if (c == '-' && is_kana(last))
			c = 0x30FC;
		c = u_toupper(c);
		if (U_GET_GC_MASK(c) & (U_GC_L_MASK | U_GC_NL_MASK | U_GC_CO_MASK))
			letters = true;
		else if (!(U_GET_GC_MASK(c) & U_GC_M_MASK) && c != '-' && c != '\'')
			return refuse(out, "name_character", "The name has a character that no name has.");
		U16_APPEND_UNSAFE(name.at, name.length, c);
	}
	if (!compose(&name) || name.length > FIELD_MAX)
		return refuse(out, "too_long", "It is too long.");
	if (!letters)
		return refuse(out, "name", "The name is empty.");
	put_units(out, name.at, name.length);
	return true;
}

/* name|birth date|sex */
static bool
put_name_birth_sex(const Units *units, Identifier *out)
{
	Span		fields[3];

	if (split(units, '|', fields, 3) != 3)
		return refuse(out, "name_birth_sex_form", "It is not name|birth date|sex.");
	if (!put_name(fields[0], out))
		return false;
	put_ascii(out, "|");
	if (!put_date(fields[1], out))
		return false;
	put_ascii(out, "|");
	return put_sex(fields[2], out);
}

/* registry:number */
static bool
put_registry(const Units *units, Identifier *out)
{
	Span		fields[2];

	if (split(units, ':', fields, 2) != 2)
		return refuse(out, "registry_form", "It is not registry:number.");
	look_for_my_number(fields[1], out);
	if (fields[0].length == 0)
		return refuse(out, "registry_name", "The registry is empty.");
	if (fields[1].length == 0)
		return refuse(out, "registry_number", "The number is empty.");
	if (fields[0].length > FIELD_MAX || fields[1].length > FIELD_MAX)
		return refuse(out, "too_long", "It is too long.");
	warn_my_number(out);
	put_units(out, fields[0].at, fields[0].length);
	put_ascii(out, ":");
	put_units(out, fields[1].at, fields[1].length);
	return true;
}

void
identifier_canonicalize(IdentifierRule rule, const char *utf8, size_t length, Identifier *out)
{
	static Units units;
	UErrorCode	status = U_ZERO_ERROR;
	bool		ascii = true;

	out->level = IDENTIFIER_OK;
	out->rule = NULL;
	out->message = NULL;
	out->twelve_digits = false;
	out->my_number = false;
	out->length = 0;
	out->text[0] = '\0';

	if (length > IDENTIFIER_INPUT_MAX)
	{
		refuse(out, "too_long", "It is too long.");
		return;
	}
	for (size_t i = 0; i < length; i++)
		if ((unsigned char) utf8[i] >= 0x80)
			ascii = false;
	if (ascii)
	{
		/* nothing to compose: one pass */
		for (size_t i = 0; i < length; i++)
			units.at[i] = (unsigned char) utf8[i];
		units.length = (int32_t) length;
		if (!fold_characters(&units, out))
			return;
	}
	else
	{
		u_strFromUTF8(units.at, UNITS, &units.length, utf8, (int32_t) length, &status);
		if (U_FAILURE(status))
		{
			refuse(out, "encoding", "It is not valid UTF-8.");
			return;
		}
		if (!fold(&units, out))
			return;
	}
	if (units.length == 0)
	{
		refuse(out, "empty", "It is empty.");
		return;
	}
	switch (rule)
	{
		case RULE_INSURED:
			put_insured(&units, out);
			break;
		case RULE_PATIENT:
			put_patient(&units, out);
			break;
		case RULE_HASH:
			put_hash(&units, out);
			break;
		case RULE_NAME_BIRTH_SEX:
			put_name_birth_sex(&units, out);
			break;
		case RULE_REGISTRY:
			put_registry(&units, out);
			break;
		case RULE_COUNT:
			refuse(out, "rule", "There is no such rule.");
			break;
	}
}
