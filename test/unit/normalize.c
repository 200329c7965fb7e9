/*
 * normalize.c
 *    Unit test of normalisation: the table of variants, the two ways of
 *    folding, and versions.
 *
 * unit: src/identity/normalize.c src/identity/canonical.c src/identity/fold.c src/identity/name.c src/identity/variants.c src/identity/birth_date.c
 */
#include "postgres.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf8.h>

#include "identity/fold.h"
#include "identity/normalize.h"
#include "identity/variants.h"

#undef printf

static int	tests = 0;
static int	failures = 0;

static void
ok(bool good, const char *what)
{
	tests++;
	failures += !good;
	printf("%sok %d - %s\n", good ? "" : "not ", tests, what);
}

/* ---- the table of variants ---- */

static void
check_variants(void)
{
	UErrorCode	status = U_ZERO_ERROR;
	const UNormalizer2 *nfkc = unorm2_getNFKCInstance(&status);
	bool		sorted = true;
	bool		rests = true;
	bool		found = true;
	bool		letters = true;
	bool		stable = true;
	uint32		previous = 0;
	int			others = 0;

	for (int i = 0; i < variant_count(); i++)
	{
		uint32		from;
		uint32		to;

		variant_at(i, &from, &to);
		sorted &= from > previous;
		previous = from;
		rests &= from != to && variant_fold(to) == to;
		found &= variant_fold(from) == to;
		letters &= u_charType(to) == U_OTHER_LETTER;
		stable &= unorm2_isInert(nfkc, from) && unorm2_isInert(nfkc, to);
	}
	for (uint32 c = 0; c <= 0x10FFFF; c++)
		others += variant_fold(c) != c;
	ok(variant_count() >= 150, "There are variants");
	ok(sorted, "They are in their order, each once");
	ok(rests, "No target is itself a variant: neither chains nor cycles");
	ok(found, "Each is found");
	ok(others == variant_count(), "and nothing else");
	ok(letters, "Each target is a kanji");
	ok(stable, "NFKC neither changes a variant or a target, nor composes it with a neighbour");
	ok(variant_fold(0x9AD9) == 0x9AD8 && variant_fold(0xFA11) == 0x5D0E &&
	   variant_fold(0x908A) == 0x8FBA && variant_fold(0x9089) == 0x8FBA &&
	   variant_fold(0x9F4B) == variant_fold(0x658E) && variant_fold(0x9F4A) == variant_fold(0x6589) &&
	   variant_fold(0x20BB7) == 0x5409, "Takahashi, Yamazaki, Watanabe, Saito and Yoshida meet");
	ok(variant_fold(0x6E21) == 0x6E21 && variant_fold(0x5CB8) == 0x5CB8, "Others stay");
}

/* ---- the two ways of folding ---- */

static Units quick;
static Units slow;
static Identifier out;

/* -1: not of the alphabet of the quick way; else whether they agree */
static int
agree(const char *text, size_t length)
{
	if (!fold_quickly(text, length, &quick))
		return -1;
	out.level = IDENTIFIER_OK;
	return fold_slowly(text, length, &slow, &out) && out.level == IDENTIFIER_OK &&
		slow.length == quick.length &&
		memcmp(slow.at, quick.at, quick.length * sizeof(UChar)) == 0;
}

static int
put(char *text, UChar32 c)
{
	int			length = 0;

	U8_APPEND_UNSAFE(text, length, c);
	return length;
}

static void
check_ways(void)
{
	/* one of each sort of what the quick way knows, and neighbours that it does not */
	static const UChar32 sorts[] = {
		' ', '-', '1', 'a', 0xB7, 0x2015, 0x3000, 0x3001, 0x3005, 0x3007, 0x3046, 0x304B, 0x304C,
		0x306F, 0x3070, 0x3071, 0x3099, 0x309A, 0x309B, 0x309D, 0x30A6, 0x30AB, 0x30AC, 0x30C3,
		0x30CF, 0x30D1, 0x30EF, 0x30F0, 0x30F2, 0x30F4, 0x30F6, 0x30FB, 0x30FC, 0x30FD, 0x30FE,
		0x4E00, 0x5C71, 0xF900, 0xFA11, 0xFA19, 0xFE00, 0xFF0D, 0xFF11, 0xFF21, 0xFF65, 0xFF66,
		0xFF67, 0xFF70, 0xFF73, 0xFF76, 0xFF8A, 0xFF9C, 0xFF9D, 0xFF9E, 0xFF9F, 0x20BB7, 0xE0100,
		0x0301, 0x00E9, 0xFF5E, 0xE000
	};
	char		text[32];
	int			known = 0;
	int			differ = 0;

	for (UChar32 c = 1; c <= 0x10FFFF; c++)
	{
		int			result;

		if (U_IS_SURROGATE(c))
			continue;
		result = agree(text, put(text, c));
		known += result >= 0;
		differ += result == 0;
	}
	ok(known > 60000, "The quick way knows kanji, kana and ASCII");
	ok(differ == 0, "and folds every one of them as ICU does");

	known = differ = 0;
	for (int a = 0; a < lengthof(sorts); a++)
		for (int b = 0; b < lengthof(sorts); b++)
			for (int c = 0; c < lengthof(sorts); c++)
				for (int d = 0; d < lengthof(sorts); d += 1 + (a + b + c) % 5)
				{
					int			length = put(text, sorts[a]);
					int			result;

					length += put(text + length, sorts[b]);
					length += put(text + length, sorts[c]);
					length += put(text + length, sorts[d]);
					result = agree(text, length);
					known += result >= 0;
					differ += result == 0;
				}
	ok(known > 100000 && differ == 0, "also beside one another");
	ok(agree("\xE5\xB1", 2) == -1 && agree("\xE5\x41\xB1", 3) == -1 && agree("\xC0\xAF", 2) == -1 &&
	   agree("\xED\xA0\x80", 3) == -1 && agree("\xF0\xA0\xAE", 3) == -1 && agree("\x80", 1) == -1,
	   "It takes nothing that is not UTF-8");
}

/* ---- versions ---- */

static Identifier one;
static Identifier two;

static bool
meet(const char *a, const char *b, int version)
{
	identifier_canonicalize(RULE_NAME_BIRTH_SEX, version, a, strlen(a), &one);
	identifier_canonicalize(RULE_NAME_BIRTH_SEX, version, b, strlen(b), &two);
	return one.level != IDENTIFIER_ERROR && two.level != IDENTIFIER_ERROR &&
		strcmp(one.text, two.text) == 0;
}

static int
since(const char *name)
{
	identifier_canonicalize(RULE_NAME_BIRTH_SEX, 2, name, strlen(name), &one);
	return one.level == IDENTIFIER_ERROR ? 0 : one.since;
}

static void
check_versions(void)
{
	ok(identifier_rule_version(RULE_NAME_BIRTH_SEX) == 2 && identifier_rule_version(RULE_INSURED) == 1,
	   "Rules have versions");
	ok(!meet("髙橋|1950-01-02|1", "高橋|1950-01-02|1", 1) && meet("髙橋|1950-01-02|1", "高橋|1950-01-02|1", 2),
	   "Variants of kanji meet in version 2, not in version 1");
	ok(since("高橋|1950-01-02|1") == 1 && since("ヤマダ|S25.1.2|1") == 1, "What has nothing of it is the same in both");
	ok(since("髙橋|1950-01-02|1") == 2 && since("山田さくら|1950-01-02|2") == 2 &&
	   since("キョウコ|1950-01-02|2") == 2 && since("佐々木|1950-01-02|1") == 2, "what has, is not, and is told");
	identifier_canonicalize(RULE_INSURED, 2, "06139992:12:34:01", 17, &one);
	ok(one.level == IDENTIFIER_ERROR && strcmp(one.rule, "version") == 0, "There is no version that has not been written yet");
	identifier_canonicalize(RULE_INSURED, 0, "06139992:12:34:01", 17, &one);
	ok(one.level == IDENTIFIER_ERROR, "nor one before the first");
}

/* ---- what stands beside an identifier ---- */

static const char *
beside(IdentifierRule rule, const char *text)
{
	identifier_canonicalize(rule, identifier_rule_version(rule), text, strlen(text), &one);
	return one.attribute;
}

static void
check_attributes(void)
{
	ok(strcmp(beside(RULE_INSURED, "06139992:12:34:01:1950-01-02:1"), "1950-01|1") == 0 && one.length == 17,
	   "Month of birth and sex beside a branch number are told, and are not part of it");
	ok(strcmp(beside(RULE_INSURED, "06139992:12:34:01:昭和25年1月31日:女"), "1950-01|2") == 0,
	   "in one form, however they are written");
	ok(beside(RULE_INSURED, "06139992:12:34:01")[0] == '\0' && beside(RULE_INSURED, "06139992:12:34::1950-01-02:1")[0] == '\0' &&
	   beside(RULE_INSURED, "06139992:12:34:01:1950-01-02:3")[0] == '\0' &&
	   beside(RULE_NAME_BIRTH_SEX, "ヤマダ|1950-01-02|1")[0] == '\0',
	   "where they are missing, or part of it, or wrong, nothing is");
}

int
main(void)
{
	printf("1..22\n");
	check_variants();
	check_ways();
	check_versions();
	check_attributes();
	return failures > 0;
}
