/*
 * sealed.c
 *    Bytes under AES-256-GCM with a key that is in no table.
 *
 * A random nonce of 96 bits is safe for 2^32 messages under one key (NIST SP
 * 800-38D, 8.3).  No error is raised between the making of the OpenSSL context
 * and its end.
 */
#include "postgres.h"

#include "base/compat.h"
#include "identity/keys.h"
#include "identity/sealed.h"
#include "port/pg_bswap.h"
#include <openssl/evp.h>

/* both directions; false if OpenSSL refused, which for opening is a wrong tag */
static bool
run_cipher(bool sealing, const uint8 key[32], const uint8 *nonce, const uint8 *bound,
		   Size bound_length, const uint8 *in, Size length, uint8 *out, uint8 *tag)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int			n;
	bool		good = context != NULL &&
		EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce, sealing) == 1 &&
		EVP_CipherUpdate(context, NULL, &n, bound, (int) bound_length) == 1 &&
		(length == 0 || EVP_CipherUpdate(context, out, &n, in, (int) length) == 1);

	if (good && !sealing)
		good = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, SEALED_TAG, tag) == 1;
	if (good)
	{
		uint8		nothing[16];

		good = EVP_CipherFinal_ex(context, nothing, &n) == 1;
	}
	if (good && sealing)
		good = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, SEALED_TAG, tag) == 1;
	EVP_CIPHER_CTX_free(context);
	return good;
}

void
sealed_make(int generation, const char *use, const uint8 salt[KDF_SALT_LENGTH],
			const uint8 *bound, Size bound_length, const uint8 *in, Size length, uint8 *out)
{
	uint16		stored_generation = pg_hton16((uint16) generation);
	uint8		key[32];
	bool		good;

	out[0] = SEALED_VERSION;
	memcpy(out + 1, &stored_generation, sizeof(stored_generation));
	if (!pg_strong_random(out + 3, SEALED_NONCE))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random bytes")));
	key_derive(generation, use, salt, key);
	good = run_cipher(true, key, out + 3, bound, bound_length, in, length, out + SEALED_HEADER,
					  out + SEALED_HEADER + length);
	explicit_bzero(key, sizeof(key));
	if (!good)
		elog(ERROR, "OpenSSL could not encrypt");
}

int
sealed_generation(const uint8 *in, Size length)
{
	uint16		generation;

	if (length < SEALED_OVERHEAD || in[0] != SEALED_VERSION)
		return 0;
	memcpy(&generation, in + 1, sizeof(generation));
	return pg_ntoh16(generation);
}

bool
sealed_open(const char *use, const uint8 salt[KDF_SALT_LENGTH], const uint8 *bound,
			Size bound_length, const uint8 *in, Size length, uint8 *out)
{
	int			generation = sealed_generation(in, length);
	uint8		tag[SEALED_TAG];
	uint8		key[32];
	bool		good;

	if (generation == 0)
		return false;
	memcpy(tag, in + length - SEALED_TAG, SEALED_TAG);
	key_derive(generation, use, salt, key);
	good = run_cipher(false, key, in + 3, bound, bound_length, in + SEALED_HEADER,
					  length - SEALED_OVERHEAD, out, tag);
	explicit_bzero(key, sizeof(key));
	return good;
}
