/*
 * digest.h
 *    Digests: what is stored instead of identifiers.
 */
#ifndef NIJI_DIGEST_H
#define NIJI_DIGEST_H

#define DIGEST_LENGTH 16

/*
 * Digests of a canonical identifier under the generations 1 to newest, into
 * newest * DIGEST_LENGTH bytes.  Raises 55000 when a key is not there.
 */
extern void digest_compute(int kind, const char *canonical, int length, int newest, uint8 *out);

/* a stored digest of one generation becomes that of a later one, in place; raises as above */
extern void digest_rewrap(int from, int to, uint8 digest[DIGEST_LENGTH]);

/* tags of an identifier's attribute under the generations 1 to newest, from its digests; raises as above */
extern void digest_tags(const uint8 *digests, const char *attribute, int newest, int32 *tags);

/* the same as digest_rewrap() for a digest and its tag */
extern void digest_rewrap_tag(int from, int to, uint8 digest[DIGEST_LENGTH], int32 *tag);

#endif							/* NIJI_DIGEST_H */
