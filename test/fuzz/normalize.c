/*
 * normalize.c
 *    Fuzzes the canonical form of identifiers.
 *
 * fuzz: src/identity/normalize.c src/identity/birth_date.c
 *
 * The first byte chooses the rule.  Whatever comes in: no fault; a canonical
 * form is valid by the same rule and its own canonical form; an error has a
 * rule and no text; and a level is never without its rule.
 */
#include "postgres.h"

#include "identity/normalize.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Identifier first;
	static Identifier second;
	IdentifierRule rule;

	if (size == 0)
		return 0;
	rule = data[0] % RULE_COUNT;
	identifier_canonicalize(rule, (const char *) data + 1, size - 1, &first);
	if ((first.level == IDENTIFIER_OK) != (first.rule == NULL) ||
		(first.rule == NULL) != (first.message == NULL))
		abort();
	if (first.level == IDENTIFIER_ERROR)
	{
		if (first.length != 0 || first.text[0] != '\0')
			abort();
		return 0;
	}
	if (first.length <= 0 || strlen(first.text) != (size_t) first.length)
		abort();
	/* a canonical form may be longer than what is taken in; then it has no second */
	if (first.length > IDENTIFIER_INPUT_MAX)
		return 0;
	identifier_canonicalize(rule, first.text, first.length, &second);
	if (second.level == IDENTIFIER_ERROR || second.length != first.length ||
		memcmp(first.text, second.text, first.length) != 0)
		abort();
	return 0;
}
