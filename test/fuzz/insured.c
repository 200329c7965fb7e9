/*
 * insured.c
 *    Fuzzes the parser of insured numbers.
 *
 * fuzz: src/identity/normalize.c src/identity/canonical.c src/identity/fold.c src/identity/name.c src/identity/variants.c src/identity/birth_date.c
 * seconds: 60
 *
 * Whatever comes in: what is accepted has the one form that is digested, with
 * nothing in it that passes for a My Number; and ASCII written in full width,
 * or with spaces anywhere, is the same insured person or the same error.
 */
#include "postgres.h"

#include "identity/normalize.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
digits(const char *at, int n)
{
	for (int i = 0; i < n; i++)
		if (at[i] < '0' || at[i] > '9')
			return false;
	return true;
}

/* twelve digits of which not all are zero, dashes aside */
static bool
my_number(const char *at, int length)
{
	char		found[12];
	int			n = 0;
	bool		zeros = true;

	for (int i = 0; i < length; i++)
	{
		if (at[i] == '-' || at[i] == ':')
			continue;
		if (n == 12 || at[i] < '0' || at[i] > '9')
			return false;
		zeros &= at[i] == '0';
		found[n++] = at[i];
	}
	return n == 12 && !zeros && my_number_passes(found);
}

static void
check_form(const Identifier *identifier)
{
	const char *symbol = identifier->text + 9;
	const char *number;
	const char *branch;

	if (identifier->length < 12 || !digits(identifier->text, 8) || identifier->text[8] != ':')
		abort();
	number = strchr(symbol, ':');
	branch = number ? strchr(number + 1, ':') : NULL;
	if (branch == NULL || branch == number + 1)
		abort();
	if (my_number(symbol, number - symbol) || my_number(number + 1, branch - number - 1) ||
		my_number(symbol, branch - symbol))
		abort();
	branch++;
	if (branch[0] != ':')
	{
		const char *beside = identifier->attribute;

		if (strlen(branch) != 2 || !digits(branch, 2))
			abort();
		/* a month of birth and a sex, or nothing */
		if (beside[0] && (strlen(beside) != IDENTIFIER_ATTRIBUTE_LENGTH || !digits(beside, 4) ||
						  beside[4] != '-' || !digits(beside + 5, 2) || beside[7] != '|' ||
						  (beside[8] != '1' && beside[8] != '2')))
			abort();
		return;
	}
	if (identifier->attribute[0])
		abort();
	if (strlen(branch) != 13 || !digits(branch + 1, 4) || branch[5] != '-' ||
		!digits(branch + 6, 2) || branch[8] != '-' || !digits(branch + 9, 2) ||
		branch[11] != ':' || (branch[12] != '1' && branch[12] != '2'))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Identifier first;
	static Identifier second;
	char		wide[1024];
	size_t		length = 0;
	bool		graphic = true;

	identifier_canonicalize(RULE_INSURED, 1, (const char *) data, size, &first);
	if (first.level != IDENTIFIER_ERROR)
		check_form(&first);

	for (size_t i = 0; i < size && graphic; i++)
		graphic = data[i] > ' ' && data[i] < 0x7F;
	if (!graphic || size == 0 || size > sizeof(wide) / 7)
		return 0;
	for (size_t i = 0; i < size; i++)
	{
		uint32		c = data[i] + 0xFEE0;

		wide[length++] = (char) (0xE0 | c >> 12);
		wide[length++] = (char) (0x80 | (c >> 6 & 0x3F));
		wide[length++] = (char) (0x80 | (c & 0x3F));
		if (i % 3 == 0)
		{
			memcpy(wide + length, "\xE3\x80\x80", 3);
			length += 3;
		}
		else
			wide[length++] = ' ';
	}
	identifier_canonicalize(RULE_INSURED, 1, wide, length, &second);
	if ((first.level == IDENTIFIER_ERROR) != (second.level == IDENTIFIER_ERROR) ||
		strcmp(first.attribute, second.attribute) != 0 || first.length != second.length || memcmp(first.text, second.text, first.length) != 0 ||
		(first.level == IDENTIFIER_ERROR && strcmp(first.rule, second.rule) != 0))
		abort();
	return 0;
}
