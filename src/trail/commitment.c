/*
 * commitment.c
 *    Commitments to values, in entries of changed rows.
 *
 * HMAC-SHA-256 (RFC 2104) under the entry's salt over the column's name (after
 * its length as uint32, big endian) and the value as its type's send function
 * gives it.  Whoever has the salt and the value can show that it was this one.
 *
 * Plain C: also compiled without a server.
 */
#ifdef NIJI_PLAIN
#include "trail/plain.h"
#else
#include "postgres.h"
#endif

#include "trail/commitment.h"
#include "trail/merkle.h"

void
commitment_key(CommitmentKey *key, const uint8 salt[COMMITMENT_SALT_SIZE])
{
	memset(key->inner, 0x36, sizeof(key->inner));
	memset(key->outer, 0x5c, sizeof(key->outer));
	for (int i = 0; i < COMMITMENT_SALT_SIZE; i++)
	{
		key->inner[i] ^= salt[i];
		key->outer[i] ^= salt[i];
	}
}

void
commitment_hash(const CommitmentKey *key, const char *name, size_t name_length, const void *value,
				size_t length, uint8 hash[COMMITMENT_SIZE])
{
	uint8	   *prefix = palloc(4 + name_length);

	for (int i = 0; i < 4; i++)
		prefix[i] = (uint8) (name_length >> (24 - 8 * i));
	memcpy(prefix + 4, name, name_length);
	merkle_sha256(key->inner, 64, prefix, 4 + name_length, value, length, hash);
	merkle_sha256(key->outer, 64, hash, COMMITMENT_SIZE, NULL, 0, hash);
	pfree(prefix);
}
