/*
 * birth_date.h
 *    Birth dates in any usual writing.
 */
#ifndef NIJI_BIRTH_DATE_H
#define NIJI_BIRTH_DATE_H

#include <unicode/umachine.h>

#define BIRTH_DATE_LENGTH 10	/* of YYYY-MM-DD */

/*
 * The text is in NFKC and has no spaces.  False: rule (a word) and message (a
 * sentence) say what is wrong.
 */
extern bool birth_date_parse(const UChar *at, int32_t length, char text[BIRTH_DATE_LENGTH + 1],
							 const char **rule, const char **message);

#endif							/* NIJI_BIRTH_DATE_H */
