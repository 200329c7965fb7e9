/*
 * sealed.h
 *    Bytes under a key that is derived from the master key.
 */
#ifndef NIJI_SEALED_H
#define NIJI_SEALED_H

#include "identity/kdf.h"

#define SEALED_VERSION 1
#define SEALED_NONCE 12
#define SEALED_TAG 16
#define SEALED_HEADER (1 + 2 + SEALED_NONCE)
#define SEALED_OVERHEAD (SEALED_HEADER + SEALED_TAG)

/*
 * AES-256-GCM under HKDF(master key of the generation, salt, use), bound to
 * further bytes, which are not kept:
 *
 *    version 1 | generation int16 | nonce 12 bytes | ciphertext | tag 16 bytes
 *
 * out has room for length + SEALED_OVERHEAD.
 */
extern void sealed_make(int generation, const char *use, const uint8 salt[KDF_SALT_LENGTH],
						const uint8 *bound, Size bound_length, const uint8 *in, Size length,
						uint8 *out);

/* the generation that sealed bytes name; 0 when they have no form that is known */
extern int	sealed_generation(const uint8 *in, Size length);

/* out has room for length - SEALED_OVERHEAD; false when bytes, binding or key are other ones */
extern bool sealed_open(const char *use, const uint8 salt[KDF_SALT_LENGTH], const uint8 *bound,
						Size bound_length, const uint8 *in, Size length, uint8 *out);

#endif							/* NIJI_SEALED_H */
