/*
 * kdf.c
 *    HKDF-SHA-256 and HMAC-SHA-256 through OpenSSL 3.
 *
 * Nothing here raises: an OpenSSL object that is open cannot be lost to an
 * error, and the caller says what failed in its own words.  The algorithms are
 * fetched once per process, since fetching takes longer than using them; the
 * postmaster never comes here.
 */
#include "postgres.h"

#include "identity/kdf.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

/* OSSL_PARAM wants it writable, and does not write it */
static char digest_name[] = "SHA256";

static EVP_KDF *hkdf = NULL;
static EVP_MAC *hmac = NULL;

bool
kdf_hkdf_general(const uint8 *key, size_t key_length, const uint8 *salt, size_t salt_length,
				 const uint8 *info, size_t info_length, uint8 *out, size_t out_length)
{
	EVP_KDF_CTX *context;
	OSSL_PARAM	params[5];
	bool		ok;

	if (hkdf == NULL && (hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL)) == NULL)
		return false;
	context = EVP_KDF_CTX_new(hkdf);
	if (context == NULL)
		return false;
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest_name, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, unconstify(uint8 *, key),
												  key_length);
	params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, unconstify(uint8 *, salt),
												  salt_length);
	params[3] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, unconstify(uint8 *, info),
												  info_length);
	params[4] = OSSL_PARAM_construct_end();
	ok = EVP_KDF_derive(context, out, out_length, params) == 1;
	EVP_KDF_CTX_free(context);	/* wipes its copy of the key */
	if (!ok)
		OPENSSL_cleanse(out, out_length);
	return ok;
}

bool
kdf_hkdf(const uint8 key[KDF_KEY_LENGTH], const uint8 salt[KDF_SALT_LENGTH], const char *use,
		 uint8 out[KDF_KEY_LENGTH])
{
	char		info[64];
	int			info_length = snprintf(info, sizeof(info), "niji/%s/v1", use);

	if (info_length < 0 || info_length >= (int) sizeof(info))
		return false;
	return kdf_hkdf_general(key, KDF_KEY_LENGTH, salt, KDF_SALT_LENGTH, (const uint8 *) info,
							info_length, out, KDF_KEY_LENGTH);
}

KdfMac *
kdf_mac_open(const uint8 key[KDF_KEY_LENGTH])
{
	EVP_MAC_CTX *context;
	OSSL_PARAM	params[2];

	if (hmac == NULL && (hmac = EVP_MAC_fetch(NULL, "HMAC", NULL)) == NULL)
		return NULL;
	context = EVP_MAC_CTX_new(hmac);
	if (context == NULL)
		return NULL;
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0);
	params[1] = OSSL_PARAM_construct_end();
	if (EVP_MAC_init(context, key, KDF_KEY_LENGTH, params) != 1)
	{
		EVP_MAC_CTX_free(context);
		return NULL;
	}
	return context;
}

/* HMAC of data followed by more (which may be NULL) */
bool
kdf_mac(KdfMac *mac, const uint8 *data, size_t length, const uint8 *more, size_t more_length,
		uint8 out[32])
{
	size_t		written = 0;

	/* without a key, init starts anew with the one that it has */
	return EVP_MAC_init(mac, NULL, 0, NULL) == 1 &&
		EVP_MAC_update(mac, data, length) == 1 &&
		(more == NULL || EVP_MAC_update(mac, more, more_length) == 1) &&
		EVP_MAC_final(mac, out, &written, 32) == 1 && written == 32;
}

void
kdf_mac_close(KdfMac *mac)
{
	EVP_MAC_CTX_free(mac);		/* wipes the key */
}
