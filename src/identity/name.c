/*
 * name.c
 *    Names of persons in canonical form.
 *
 * A name is compared together with a birth date and a sex, so here the danger
 * is not that two people meet, but that one person's two spellings do not: a
 * claim in half-width kana cannot write ャ, ヱ or ヶ, a terminal has no 髙, and
 * who types the name of a 渡邉 writes 渡辺.
 *
 * In every version: what stands between the parts of a name goes, a dash after
 * kana is a long vowel, Latin letters become capital, and hiragana become
 * katakana in a name that is all kana.  That is version 1, which keeps the
 * spelling otherwise.  Version 2 also folds
 *
 * - variants of kanji to the everyday form (variants.c),
 * - hiragana to katakana in every name,
 * - small kana, ヰ and ヱ to those that half width has (キョウ キヨウ, ヨシヱ ヨシエ),
 * - iteration marks to what they repeat (佐々木 佐佐木, みすゞ ミスズ).
 *
 * What sounds alike but is written in two ways on purpose stays apart: ヂ ジ,
 * ヅ ズ, ヲ オ, ヴァ バ, オウ オオ オー.  So do characters that only look alike (ニ 二, ー 一).
 *
 * Dropping and folding can make neighbours compose; then the result is folded
 * again until it rests.  That happens only with marks and letters from outside
 * of ASCII, kana and kanji.
 */
#include "postgres.h"

#include "identity/name.h"

#include <unicode/uchar.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>

#include "identity/fold.h"
#include "identity/variants.h"

#define LONG_VOWEL 0x30FC

/* what stands between the parts of a name, beside spaces */
static bool
is_separator(UChar32 c)
{
	return c == 0x30FB || c == 0xB7 || c == ',' || c == '.' || c == 0x3001 || c == 0x3002;
}

static bool
is_hiragana(UChar32 c)
{
	return (c >= 0x3041 && c <= 0x3096) || (c >= 0x309D && c <= 0x309E);
}

static bool
is_katakana_letter(UChar32 c)
{
	return c >= 0x30A1 && c <= 0x30FA;
}

/* assigned since Unicode 8, and nothing but letters */
static bool
is_kanji(UChar32 c)
{
	return (c >= 0x4E00 && c <= 0x9FD5) || (c >= 0x3400 && c <= 0x4DB5) ||
		(c >= 0x20000 && c <= 0x2A6D6);
}

/* small kana of the phonetic extensions for Ainu, U+31F0 to U+31FF */
static const UChar ainu[16] = {
	0x30AF, 0x30B7, 0x30B9, 0x30C8, 0x30CC, 0x30CF, 0x30D2, 0x30D5,
	0x30D8, 0x30DB, 0x30E0, 0x30E9, 0x30EA, 0x30EB, 0x30EC, 0x30ED
};

/*
 * U+30A1 to U+30FA: those that half width cannot write become those that stand
 * for them there, the others stay
 */
#define FIRST_KATAKANA 0x30A1
static const UChar plain_kana[0x30FB - FIRST_KATAKANA] = {
	/* a i u e o, each behind its small one */
	0x30A2, 0x30A2, 0x30A4, 0x30A4, 0x30A6, 0x30A6, 0x30A8, 0x30A8, 0x30AA, 0x30AA,
	/* ka ki ku ke ko, each before its voiced one */
	0x30AB, 0x30AC, 0x30AD, 0x30AE, 0x30AF, 0x30B0, 0x30B1, 0x30B2, 0x30B3, 0x30B4,
	0x30B5, 0x30B6, 0x30B7, 0x30B8, 0x30B9, 0x30BA, 0x30BB, 0x30BC, 0x30BD, 0x30BE,
	/* ta chi, small tsu, tsu te to */
	0x30BF, 0x30C0, 0x30C1, 0x30C2, 0x30C4, 0x30C4, 0x30C5, 0x30C6, 0x30C7, 0x30C8, 0x30C9,
	0x30CA, 0x30CB, 0x30CC, 0x30CD, 0x30CE,
	/* ha hi fu he ho, each before its voiced and semi-voiced ones */
	0x30CF, 0x30D0, 0x30D1, 0x30D2, 0x30D3, 0x30D4, 0x30D5, 0x30D6, 0x30D7, 0x30D8, 0x30D9,
	0x30DA, 0x30DB, 0x30DC, 0x30DD,
	0x30DE, 0x30DF, 0x30E0, 0x30E1, 0x30E2,
	/* ya yu yo, each behind its small one */
	0x30E4, 0x30E4, 0x30E6, 0x30E6, 0x30E8, 0x30E8,
	0x30E9, 0x30EA, 0x30EB, 0x30EC, 0x30ED,
	/* small wa, wa, wi, we, wo, n, vu */
	0x30EF, 0x30EF, 0x30A4, 0x30A8, 0x30F2, 0x30F3, 0x30F4,
	/* small ka and ke, then va vi ve vo */
	0x30AB, 0x30B1, 0x30F7, 0x30F8, 0x30F9, 0x30FA
};

/* without its (semi-)voiced sound mark */
static UChar
unvoiced(UChar c)
{
	for (UChar base = c - 1; base >= c - 2; base--)
		if (kana_voiced(base, base == c - 2) == c)
			return base;
	return c == 0x30F4 ? 0x30A6 : c;
}

/* what an iteration mark after that character stands for; itself if it repeats nothing */
static UChar32
repeated(UChar32 mark, UChar32 last)
{
	UChar		base;

	if (mark == 0x3005 || mark == 0x303B)
		return is_katakana_letter(last) || is_kanji(last) ? last : mark;
	if (!is_katakana_letter(last))
		return mark;
	base = unvoiced(last);
	if (mark == 0x30FE && kana_voiced(base, false))
		return kana_voiced(base, false);
	return base;
}

/* what version 2 makes of a character; last is the one before it, as it came out */
static UChar32
fold_letter(UChar32 c, UChar32 last)
{
	if (is_hiragana(c))
		c += 0x60;
	if (is_katakana_letter(c))
		return plain_kana[c - FIRST_KATAKANA];
	if (c >= 0x31F0 && c <= 0x31FF)
		return ainu[c - 0x31F0];
	if (c == 0x3005 || c == 0x303B || c == 0x30FD || c == 0x30FE)
		return repeated(c, last);
	return (UChar32) variant_fold(c);
}

static bool
all_kana(Span span)
{
	for (int32_t i = 0; i < span.length; i++)
		if (!is_kana(span.at[i]) && span.at[i] != '-' && !is_separator(span.at[i]))
			return false;
	return true;
}

typedef struct NameFold
{
	Units	   *units;
	bool		letters;		/* has any */
	bool		unsettled;		/* neighbours may compose */
	bool		newer;			/* version 1 gives another form */
} NameFold;

static bool
fold_name(int version, Span span, NameFold *name, Identifier *out)
{
	Units	   *units = name->units;
	bool		folded = version >= NAME_FOLDED;
	bool		kana = all_kana(span);
	UChar32		last = 0;
	bool		separated = true;	/* nothing that is kept stands before */

	units->length = 0;
	name->letters = name->unsettled = false;
	for (int32_t i = 0; i < span.length;)
	{
		UChar32		c;

		U16_NEXT(span.at, i, span.length, c);
		/* nearly all are of these */
		if (folded && c >= 0x4E00 && c <= 0x9FD5)
		{
			last = (UChar32) variant_fold(c);
			name->newer |= last != c;
			name->letters = true;
			units->at[units->length++] = (UChar) last;
			separated = false;
			continue;
		}
		if (folded && is_katakana_letter(c))
		{
			last = plain_kana[c - FIRST_KATAKANA];
			name->newer |= last != c;
			name->letters = true;
			units->at[units->length++] = (UChar) last;
			separated = false;
			continue;
		}
		if (is_separator(c))
		{
			separated = true;
			continue;
		}
		/* a combining mark that stood on what is dropped would go over to another character; a voicing mark that no kana has taken is none's */
		if (c >= 0x300 && ((separated && (U_GET_GC_MASK(c) & U_GC_M_MASK)) || c == 0x3099 || c == 0x309A))
			return canonical_refuse(out, "name_character", "The name has a character that no name has.");
		separated = false;
		if (kana && is_hiragana(c))
			c += 0x60;
		if (c == '-' && is_kana(last))
			c = LONG_VOWEL;
		if (folded && c >= 0x80)
		{
			UChar32		letter = fold_letter(c, last);

			name->newer |= letter != c;
			c = letter;
		}
		if (c < 0x80)
		{
			if (c >= 'a' && c <= 'z')
				c -= 'a' - 'A';
			if (c == '`')
				c = '\'';
			if (c >= 'A' && c <= 'Z')
				name->letters = true;
			else if (c != '-' && c != '\'')
				return canonical_refuse(out, "name_character", "The name has a character that no name has.");
		}
		else if (is_kanji(c) || is_katakana_letter(c) || is_hiragana(c))
			name->letters = true;
		else if (c == LONG_VOWEL && is_kana(last))
			;
		else
		{
			uint32		category;

			/* apostrophes */
			if (c == 0x2018 || c == 0x2019 || c == 0x02BC)
				c = '\'';
			c = u_toupper(c);
			category = U_GET_GC_MASK(c);
			if (category & (U_GC_L_MASK | U_GC_NL_MASK | U_GC_CO_MASK))
				name->letters = true;
			else if (!(category & U_GC_M_MASK) && c != '\'')
				return canonical_refuse(out, "name_character", "The name has a character that no name has.");
			name->unsettled = true;
		}
		U16_APPEND_UNSAFE(units->at, units->length, c);
		last = c;
	}
	return true;
}

/* by characters, of which every version makes as many, and not by their size */
static bool
too_long(const Units *units)
{
	return units->length > FIELD_MAX && u_countChar32(units->at, units->length) > FIELD_MAX;
}

bool
name_put(int version, Span span, Identifier *out)
{
	static Units buffers[2];
	NameFold	name = {&buffers[0]};

	for (int round = 0; round < 8; round++)
	{
		if (!fold_name(version, span, &name, out))
			return false;
		if (too_long(name.units) || (name.unsettled && !fold_compose(name.units)) ||
			too_long(name.units))
			return canonical_refuse(out, "too_long", "It is too long.");
		if (!name.unsettled || (name.units->length == span.length &&
								memcmp(name.units->at, span.at, span.length * sizeof(UChar)) == 0))
		{
			if (!name.letters)
				return canonical_refuse(out, "name", "The name is empty.");
			if (name.newer)
				out->since = NAME_FOLDED;
			canonical_put_units(out, name.units->at, name.units->length);
			return true;
		}
		span = (Span) {name.units->at, name.units->length};
		name.units = &buffers[round % 2 == 0];
	}
	return canonical_refuse(out, "unknown_character", "Its characters do not come to rest.");
}
