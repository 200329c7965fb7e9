/*
 * normalize.h
 *    Identifiers in canonical form.  Needs ICU, but no server.
 */
#ifndef NIJI_NORMALIZE_H
#define NIJI_NORMALIZE_H

/* longest identifier that is looked at, and longest canonical form, in bytes */
#define IDENTIFIER_INPUT_MAX 1024
#define IDENTIFIER_CANONICAL_MAX 4096

/* month of birth and sex, "YYYY-MM|S" */
#define IDENTIFIER_ATTRIBUTE_LENGTH 9

typedef enum
{
	RULE_INSURED,
	RULE_PATIENT,
	RULE_HASH,
	RULE_NAME_BIRTH_SEX,
	RULE_REGISTRY,
	RULE_COUNT
} IdentifierRule;

typedef enum
{
	IDENTIFIER_OK,
	IDENTIFIER_WARN,			/* has a canonical form, but looks wrong */
	IDENTIFIER_ERROR			/* has none */
} IdentifierLevel;

typedef struct Identifier
{
	IdentifierLevel level;
	const char *rule;			/* the rule that is broken, a word; NULL when ok */
	const char *message;		/* the same as a sentence; never has any of the input */
	bool		twelve_digits;	/* its number is twelve digits */
	bool		my_number;		/* and they pass the check of a My Number */
	int			since;			/* the oldest version of the rule that gives the same text */
	char		attribute[IDENTIFIER_ATTRIBUTE_LENGTH + 1]; /* what stands beside it, but is not part of it; else empty */
	int			length;			/* of text, without the terminating zero */
	char		text[IDENTIFIER_CANONICAL_MAX];
} Identifier;

/* the rule of that name, or -1 */
extern int	identifier_rule(const char *name);
extern const char *identifier_rule_name(IdentifierRule rule);

/*
 * Versions of a rule count from 1; this is the newest.  A version is stored
 * with each digest, and what was stored under an older one is found only by it.
 */
extern int	identifier_rule_version(IdentifierRule rule);

/* utf8 need not be valid, nor end in zero */
extern void identifier_canonicalize(IdentifierRule rule, int version, const char *utf8,
									size_t length, Identifier *out);

/* ASCII digits, twelve of them: is the last one the check digit of a My Number? */
extern bool my_number_passes(const char *digits);

/* ASCII digits: does the last one fit by Luhn's rule? */
extern bool luhn_passes(const char *digits, int length);

#endif							/* NIJI_NORMALIZE_H */
