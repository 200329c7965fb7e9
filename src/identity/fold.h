/*
 * fold.h
 *    Folding an identifier as a whole: widths, spaces, dashes, NFKC.  Needs
 *    ICU, but no server.
 */
#ifndef NIJI_FOLD_H
#define NIJI_FOLD_H

#include <unicode/umachine.h>

#include "identity/normalize.h"

/* NFKC makes at most 18 code units of one */
#define UNITS_MAX (IDENTIFIER_INPUT_MAX * 18)

typedef struct Units
{
	int32_t		length;
	UChar		at[UNITS_MAX];
} Units;

/* folds, or refuses in out */
extern bool fold_identifier(const char *utf8, size_t length, Units *units, Identifier *out);

/* the two ways there: quickly, false when it meets what is not of its alphabet; and by ICU */
extern bool fold_quickly(const char *utf8, size_t length, Units *units);
extern bool fold_slowly(const char *utf8, size_t length, Units *units, Identifier *out);

/* NFKC in place; false when it does not fit */
extern bool fold_compose(Units *units);

/* a kana with its (semi-)voiced sound mark, 0 when there is none */
extern UChar kana_voiced(UChar kana, bool semi);

static inline bool
is_kana(UChar32 c)
{
	return (c >= 0x3041 && c <= 0x3096) || (c >= 0x3099 && c <= 0x309A) ||
		(c >= 0x309D && c <= 0x309E) || (c >= 0x30A1 && c <= 0x30FA) ||
		(c >= 0x30FC && c <= 0x30FE);
}

#endif							/* NIJI_FOLD_H */
