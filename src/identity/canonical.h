/*
 * canonical.h
 *    What the parts of normalisation share: fields, verdicts, and writing a
 *    canonical form.  Needs ICU's types, but no server.
 */
#ifndef NIJI_CANONICAL_H
#define NIJI_CANONICAL_H

#include <unicode/umachine.h>

#include "identity/normalize.h"

/* a name or number in characters; longer than any that exists */
#define FIELD_MAX 120

/* a part of folded text */
typedef struct Span
{
	const UChar *at;
	int32_t		length;
} Span;

/* no canonical form; returns false */
extern bool canonical_refuse(Identifier *out, const char *rule, const char *message);

/* doubtful; the first warning stays */
extern void canonical_warn(Identifier *out, const char *rule, const char *message);

/* at holds no surrogate without its other half */
extern void canonical_put_units(Identifier *out, const UChar *at, int32_t length);

/* inline, so that the length of a literal is known */
static inline void
canonical_put_ascii(Identifier *out, const char *text)
{
	size_t		length = strlen(text);

	if (out->length + length >= sizeof(out->text))
		return;					/* cannot happen: fields are bounded */
	memcpy(out->text + out->length, text, length + 1);
	out->length += (int) length;
}

#endif							/* NIJI_CANONICAL_H */
