/*
 * normalize.c
 *    Fuzzes the canonical form of identifiers.
 *
 * fuzz: src/identity/normalize.c src/identity/canonical.c src/identity/fold.c src/identity/name.c src/identity/variants.c src/identity/birth_date.c
 * seconds: 60
 *
 * The first byte chooses the rule and its version.  Whatever comes in: no
 * fault; a canonical form is valid by the same rule and its own canonical form,
 * also by the newest version; an error has a rule and no text; a level is never
 * without its rule; every version since "since" gives the same form; and what
 * can be folded quickly is folded the same slowly.
 */
#include "postgres.h"

#include "identity/fold.h"
#include "identity/normalize.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
compare_ways(const char *text, size_t length)
{
	static Units quick;
	static Units slow;
	static Identifier out;

	if (length > IDENTIFIER_INPUT_MAX || !fold_quickly(text, length, &quick))
		return;
	out.level = IDENTIFIER_OK;
	if (!fold_slowly(text, length, &slow, &out) || out.level != IDENTIFIER_OK ||
		slow.length != quick.length ||
		memcmp(slow.at, quick.at, quick.length * sizeof(UChar)) != 0)
		abort();
}

static void
check_rest(IdentifierRule rule, int version, const Identifier *first)
{
	static Identifier second;

	/* a canonical form may be longer than what is taken in; then it has no second */
	if (first->length > IDENTIFIER_INPUT_MAX)
		return;
	identifier_canonicalize(rule, version, first->text, first->length, &second);
	if (second.level == IDENTIFIER_ERROR || second.length != first->length ||
		memcmp(first->text, second.text, first->length) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Identifier first;
	static Identifier other;
	IdentifierRule rule;
	const char *text = (const char *) data + 1;
	int			newest;
	int			version;

	if (size == 0)
		return 0;
	rule = data[0] % RULE_COUNT;
	newest = identifier_rule_version(rule);
	version = 1 + data[0] / RULE_COUNT % newest;
	size--;
	compare_ways(text, size);
	identifier_canonicalize(rule, version, text, size, &first);
	if ((first.level == IDENTIFIER_OK) != (first.rule == NULL) ||
		(first.rule == NULL) != (first.message == NULL))
		abort();
	if (first.level == IDENTIFIER_ERROR)
	{
		if (first.length != 0 || first.text[0] != '\0')
			abort();
		return 0;
	}
	if (first.length <= 0 || strlen(first.text) != (size_t) first.length ||
		first.since < 1 || first.since > version)
		abort();
	check_rest(rule, version, &first);
	for (int older = first.since; older < version; older++)
	{
		identifier_canonicalize(rule, older, text, size, &other);
		if (other.level == IDENTIFIER_ERROR || other.length != first.length ||
			memcmp(other.text, first.text, first.length) != 0)
			abort();
	}
	/* what an older version made meets what the newest makes of the same */
	if (version < newest && first.length <= IDENTIFIER_INPUT_MAX)
	{
		identifier_canonicalize(rule, newest, first.text, first.length, &other);
		identifier_canonicalize(rule, newest, text, size, &first);
		if (other.level == IDENTIFIER_ERROR || first.level == IDENTIFIER_ERROR ||
			other.length != first.length || memcmp(other.text, first.text, first.length) != 0)
			abort();
	}
	return 0;
}
