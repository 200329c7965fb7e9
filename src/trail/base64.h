/*
 * base64.h
 *    Base64 (RFC 4648, 4), strict: padded, one line, no stray bits.
 */
#ifndef NIJI_BASE64_H
#define NIJI_BASE64_H

#define BASE64_LENGTH(n) (((n) + 2) / 3 * 4)

/* writes and terminates; returns the length */
extern size_t base64_encode(const uint8 *bytes, size_t length, char *out);

/* the number of bytes, or -1 when it is empty, malformed or more than max */
extern int64 base64_decode(const char *text, size_t length, uint8 *out, size_t max);

#endif							/* NIJI_BASE64_H */
