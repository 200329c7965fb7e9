/*
 * name.h
 *    Names of persons in canonical form.  Needs ICU, but no server.
 */
#ifndef NIJI_NAME_H
#define NIJI_NAME_H

#include "identity/canonical.h"

/* versions of the rule name_birth_sex */
#define NAME_EXACT 1			/* as it is spelt */
#define NAME_FOLDED 2			/* variants of kanji and kana meet */

/* writes the name, or refuses in out; sets out->since */
extern bool name_put(int version, Span span, Identifier *out);

#endif							/* NIJI_NAME_H */
