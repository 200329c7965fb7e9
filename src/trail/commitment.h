/*
 * commitment.h
 *    Commitments to values, in entries of changed rows.
 */
#ifndef NIJI_COMMITMENT_H
#define NIJI_COMMITMENT_H

#define COMMITMENT_SALT_SIZE 32
#define COMMITMENT_SIZE 32

/* the two keyed blocks of HMAC, made once for an entry */
typedef struct CommitmentKey
{
	uint8		inner[64];
	uint8		outer[64];
} CommitmentKey;

extern void commitment_key(CommitmentKey *key, const uint8 salt[COMMITMENT_SALT_SIZE]);

/* over the column's name in UTF-8 and the value in its binary form */
extern void commitment_hash(const CommitmentKey *key, const char *name, size_t name_length,
							const void *value, size_t length, uint8 hash[COMMITMENT_SIZE]);

#endif							/* NIJI_COMMITMENT_H */
