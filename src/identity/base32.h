/*
 * base32.h
 *    The text form of a pseudonym.  Plain C, so that it is fuzzed without a server.
 */
#ifndef NIJI_BASE32_H
#define NIJI_BASE32_H

#include <stddef.h>
#include <stdint.h>

#define PSEUDONYM_BODY 26		/* characters of base32 */
#define PSEUDONYM_TEXT 28		/* and two check characters */

typedef enum
{
	PSEUDONYM_OK,
	PSEUDONYM_BAD_LENGTH,
	PSEUDONYM_BAD_CHARACTER,
	PSEUDONYM_OUT_OF_RANGE,		/* more than 128 bits */
	PSEUDONYM_BAD_CHECK
} PseudonymFault;

extern void base32_format(const uint8_t bytes[16], char text[PSEUDONYM_TEXT]);
extern PseudonymFault base32_parse(const char *text, size_t length, uint8_t bytes[16]);

/* ISO 7064 MOD 1271-36 of characters 0-9A-Z, as one number: 36 * first + second */
extern int	base32_check(const char *characters, size_t length);

#endif							/* NIJI_BASE32_H */
