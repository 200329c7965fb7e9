/*
 * fold.c
 *    Folding an identifier as a whole: widths, spaces, dashes, NFKC.
 *
 * By definition (fold_slowly): spaces and characters that only change how
 * others look are dropped, dashes become one, then NFKC; again until nothing
 * changes, since dropping a character can make its neighbours compose.
 *
 * Nearly all identifiers are of a small alphabet: ASCII, kana and kanji in
 * full and half width, with a few dashes and variation selectors.  There NFKC
 * is a table, nothing but a sound mark composes, with the kana before it, and one pass
 * over the bytes gives the same (fold_quickly).  Whatever else turns up goes
 * the slow way from the start.  The fuzzer compares the two.
 *
 * Characters that this ICU does not know are refused: a newer one might
 * compose them otherwise, and the stored digest would be lost.  The small
 * alphabet is of Unicode 8 and older, and Unicode's policy of stability keeps
 * its decompositions as they are.
 *
 * ICU's normalizer is a shared constant object that needs no closing.  The
 * buffers are static: they are large, and of a call only what its input needs
 * is touched.
 */
#include "postgres.h"

#include "identity/fold.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>

#include "identity/canonical.h"

#define LONG_VOWEL 0x30FC
#define VOICED_MARK 0x3099
#define SEMI_VOICED_MARK 0x309A

/* ---- characters ---- */

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

UChar
kana_voiced(UChar kana, bool semi)
{
	/* hiragana stand 0x60 before their katakana; those of the w-row have no voiced form */
	UChar		row = kana >= 0x3041 && kana <= 0x309D ? kana + 0x60 : kana;

	switch (row)
	{
		case 0x30CF:			/* ha hi fu he ho */
		case 0x30D2:
		case 0x30D5:
		case 0x30D8:
		case 0x30DB:
			return kana + (semi ? 2 : 1);
		case 0x30AB:			/* ka ki ku ke ko */
		case 0x30AD:
		case 0x30AF:
		case 0x30B1:
		case 0x30B3:
		case 0x30B5:			/* sa shi su se so */
		case 0x30B7:
		case 0x30B9:
		case 0x30BB:
		case 0x30BD:
		case 0x30BF:			/* ta chi tsu te to */
		case 0x30C1:
		case 0x30C4:
		case 0x30C6:
		case 0x30C8:
		case 0x30FD:			/* the iteration mark */
			return semi ? 0 : kana + 1;
		case 0x30A6:			/* u */
			return semi ? 0 : kana + 0x4E;
		case 0x30EF:			/* wa wi we wo */
		case 0x30F0:
		case 0x30F1:
		case 0x30F2:
			return semi || kana != row ? 0 : kana + 8;
		default:
			return 0;
	}
}

/* ---- the slow way ---- */

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
				return canonical_refuse(out, "control_character", "It has a control character or a line end.");
			case U_UNASSIGNED:	/* noncharacters too */
			case U_SURROGATE:
				return canonical_refuse(out, "unknown_character", "It has a character that this version of ICU does not know.");
			case U_PRIVATE_USE_CHAR:
				canonical_warn(out, "external_character", "It has an external character (gaiji), whose meaning other sources do not share.");
				break;
			default:
				break;
		}
		/* a long vowel mark where there is no vowel is a dash */
		if (is_dash(c) || ((c == LONG_VOWEL || c == 0xFF70) && !is_kana(previous) &&
						   !(previous >= 0xFF66 && previous <= 0xFF9F)))
			c = '-';
		previous = c;
		/* never writes past what it has read */
		U16_APPEND_UNSAFE(units->at, length, c);
	}
	units->length = length;
	return true;
}

bool
fold_compose(Units *units)
{
	static UChar result[UNITS_MAX];
	UErrorCode	status = U_ZERO_ERROR;
	const UNormalizer2 *nfkc = unorm2_getNFKCInstance(&status);
	int32_t		length;

	if (U_FAILURE(status))
		return false;
	if (unorm2_quickCheck(nfkc, units->at, units->length, &status) == UNORM_YES &&
		U_SUCCESS(status))
		return true;
	status = U_ZERO_ERROR;
	length = unorm2_normalize(nfkc, units->at, units->length, result, UNITS_MAX, &status);
	if (U_FAILURE(status))
		return false;
	memcpy(units->at, result, length * sizeof(UChar));
	units->length = length;
	return true;
}

bool
fold_slowly(const char *utf8, size_t length, Units *units, Identifier *out)
{
	static UChar before[UNITS_MAX];
	UErrorCode	status = U_ZERO_ERROR;

	u_strFromUTF8(units->at, UNITS_MAX, &units->length, utf8, (int32_t) length, &status);
	if (U_FAILURE(status))
		return canonical_refuse(out, "encoding", "It is not valid UTF-8.");
	for (int round = 0; round < 8; round++)
	{
		int32_t		n = units->length;

		memcpy(before, units->at, n * sizeof(UChar));
		if (!fold_characters(units, out))
			return false;
		if (!fold_compose(units))
			return canonical_refuse(out, "too_long", "It is too long.");
		if (units->length == n && memcmp(before, units->at, n * sizeof(UChar)) == 0)
			return true;
	}
	return canonical_refuse(out, "unknown_character", "Its characters do not come to rest.");
}

/* ---- the quick way ---- */

/* what U+FF61 to U+FF9D stand for */
static const UChar half_width[0xFF9E - 0xFF61] = {
	0x3002, 0x300C, 0x300D, 0x3001, 0x30FB, 0x30F2, 0x30A1, 0x30A3, 0x30A5, 0x30A7,
	0x30A9, 0x30E3, 0x30E5, 0x30E7, 0x30C3, 0x30FC, 0x30A2, 0x30A4, 0x30A6, 0x30A8,
	0x30AA, 0x30AB, 0x30AD, 0x30AF, 0x30B1, 0x30B3, 0x30B5, 0x30B7, 0x30B9, 0x30BB,
	0x30BD, 0x30BF, 0x30C1, 0x30C4, 0x30C6, 0x30C8, 0x30CA, 0x30CB, 0x30CC, 0x30CD,
	0x30CE, 0x30CF, 0x30D2, 0x30D5, 0x30D8, 0x30DB, 0x30DE, 0x30DF, 0x30E0, 0x30E1,
	0x30E2, 0x30E4, 0x30E6, 0x30E8, 0x30E9, 0x30EA, 0x30EB, 0x30EC, 0x30ED, 0x30EF,
	0x30F3
};

/* the kanji that a compatibility ideograph stands for; 0 when it is not that simple */
static UChar
compatibility(UChar c)
{
	UErrorCode	status = U_ZERO_ERROR;
	const UNormalizer2 *nfkc = unorm2_getNFKCInstance(&status);
	UChar		kanji[4];
	int32_t		length;

	if (U_FAILURE(status))
		return 0;
	length = unorm2_getDecomposition(nfkc, c, kanji, lengthof(kanji), &status);
	if (U_FAILURE(status))
		return 0;
	/* a dozen of them are unified ideographs in the wrong place */
	if (length < 0)
		return u_charType(c) == U_OTHER_LETTER ? c : 0;
	return length == 1 && kanji[0] >= 0x3400 && kanji[0] <= 0x9FD5 ? kanji[0] : 0;
}

bool
fold_quickly(const char *utf8, size_t length, Units *units)
{
	const uint8 *at = (const uint8 *) utf8;
	const uint8 *end = at + length;
	UChar	   *to = units->at;
	UChar		last = 0;

	while (at < end)
	{
		uint32		c = *at;

		if (c < 0x80)
		{
			at++;
			if (c == ' ' || c == '\t')
				continue;
			if (c < ' ' || c == 0x7F)
				return false;
			*to++ = last = (UChar) c;
			continue;
		}
		if (end - at >= 3 && c >= 0xE2 && c <= 0xEF && (at[1] & 0xC0) == 0x80 &&
			(at[2] & 0xC0) == 0x80)
		{
			c = (c & 0x0F) << 12 | (uint32) (at[1] & 0x3F) << 6 | (at[2] & 0x3F);
			at += 3;
			if ((c >= 0x4E00 && c <= 0x9FD5) || (c >= 0x30A1 && c <= 0x30FB) ||
				(c >= 0x3041 && c <= 0x3096))
				;				/* as it is */
			else if (c == LONG_VOWEL)
				c = is_kana(last) ? LONG_VOWEL : '-';
			else if (c == 0x3000 || (c >= 0xFE00 && c <= 0xFE0F))
				continue;		/* a space, a variation selector */
			else if (c >= 0xFF01 && c <= 0xFF5E)
				c -= 0xFEE0;	/* ASCII in full width */
			else if (c >= 0xFF61 && c <= 0xFF9D)
			{
				c = half_width[c - 0xFF61];
				if (c == LONG_VOWEL && !is_kana(last))
					c = '-';
			}
			else if (c == 0xFF9E || c == 0xFF9F || c == VOICED_MARK || c == SEMI_VOICED_MARK)
			{
				bool		semi = c == 0xFF9F || c == SEMI_VOICED_MARK;
				UChar		voiced = kana_voiced(last, semi);

				if (voiced)
				{
					to[-1] = last = voiced;
					continue;
				}
				c = semi ? SEMI_VOICED_MARK : VOICED_MARK;
			}
			else if ((c >= 0x3400 && c <= 0x4DB5) || (c >= 0x3001 && c <= 0x3002) ||
					 (c >= 0x3005 && c <= 0x3007) || c == 0x303B ||
					 (c >= 0x309D && c <= 0x309E) || (c >= 0x30FD && c <= 0x30FE))
				;				/* as it is */
			else if (c >= 0xF900 && c <= 0xFAFF)
			{
				if ((c = compatibility((UChar) c)) == 0)
					return false;
			}
			else if (is_dash(c))
				c = '-';
			else
				return false;
			*to++ = last = (UChar) c;
			continue;
		}
		if (c == 0xC2 && end - at >= 2 && at[1] == 0xB7)
		{
			at += 2;
			*to++ = last = 0xB7;	/* the middle dot */
			continue;
		}
		if (end - at >= 4 && (c == 0xF0 || c == 0xF3) && (at[1] & 0xC0) == 0x80 &&
			(at[2] & 0xC0) == 0x80 && (at[3] & 0xC0) == 0x80)
		{
			c = (c & 0x07) << 18 | (uint32) (at[1] & 0x3F) << 12 |
				(uint32) (at[2] & 0x3F) << 6 | (at[3] & 0x3F);
			at += 4;
			if (c >= 0xE0100 && c <= 0xE01EF)
				continue;		/* an ideographic variation selector */
			if (c < 0x20000 || c > 0x2A6D6)
				return false;
			*to++ = U16_LEAD(c);
			*to++ = last = U16_TRAIL(c);
			continue;
		}
		return false;
	}
	units->length = (int32_t) (to - units->at);
	return true;
}

bool
fold_identifier(const char *utf8, size_t length, Units *units, Identifier *out)
{
	return fold_quickly(utf8, length, units) || fold_slowly(utf8, length, units, out);
}
