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
static EVP_MD *sha256 = NULL;

#define SHA256_BLOCK_LENGTH 64
#define SHA256_LENGTH 32

/*
 * HMAC (RFC 2104, FIPS 198-1) is H((K ^ opad) ‖ H((K ^ ipad) ‖ data)).  Both
 * padded keys fill a block, so the states after them are kept and copied, which
 * halves the blocks that a short message costs; OpenSSL's own HMAC starts anew
 * with both.  The states are as good as the key: closing wipes them.
 */
struct KdfMac
{
	EVP_MD_CTX *inner;			/* has taken in K ^ ipad */
	EVP_MD_CTX *outer;			/* has taken in K ^ opad */
	EVP_MD_CTX *work;
};

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

/* a state that has taken in the key, each byte combined with the pad */
static EVP_MD_CTX *
keyed_state(const uint8 key[KDF_KEY_LENGTH], uint8 pad)
{
	EVP_MD_CTX *state = EVP_MD_CTX_new();
	uint8		block[SHA256_BLOCK_LENGTH];
	bool		ok;

	if (state == NULL)
		return NULL;
	memset(block, pad, sizeof(block));
	for (int i = 0; i < KDF_KEY_LENGTH; i++)
		block[i] ^= key[i];
	ok = EVP_DigestInit_ex2(state, sha256, NULL) == 1 &&
		EVP_DigestUpdate(state, block, sizeof(block)) == 1;
	OPENSSL_cleanse(block, sizeof(block));
	if (ok)
		return state;
	EVP_MD_CTX_free(state);
	return NULL;
}

KdfMac *
kdf_mac_open(const uint8 key[KDF_KEY_LENGTH])
{
	KdfMac	   *mac;

	if (sha256 == NULL && (sha256 = EVP_MD_fetch(NULL, "SHA256", NULL)) == NULL)
		return NULL;
	/* not palloc: there may be no server, and nothing here raises */
	mac = OPENSSL_zalloc(sizeof(KdfMac));
	if (mac == NULL)
		return NULL;
	mac->inner = keyed_state(key, 0x36);
	mac->outer = keyed_state(key, 0x5C);
	mac->work = EVP_MD_CTX_new();
	if (mac->inner && mac->outer && mac->work)
		return mac;
	kdf_mac_close(mac);
	return NULL;
}

/* HMAC of data followed by more (which may be NULL) */
bool
kdf_mac(KdfMac *mac, const uint8 *data, size_t length, const uint8 *more, size_t more_length,
		uint8 out[32])
{
	return EVP_MD_CTX_copy_ex(mac->work, mac->inner) == 1 &&
		EVP_DigestUpdate(mac->work, data, length) == 1 &&
		(more == NULL || EVP_DigestUpdate(mac->work, more, more_length) == 1) &&
		EVP_DigestFinal_ex(mac->work, out, NULL) == 1 &&
		EVP_MD_CTX_copy_ex(mac->work, mac->outer) == 1 &&
		EVP_DigestUpdate(mac->work, out, SHA256_LENGTH) == 1 &&
		EVP_DigestFinal_ex(mac->work, out, NULL) == 1;
}

void
kdf_mac_close(KdfMac *mac)
{
	/* each wipes its state */
	EVP_MD_CTX_free(mac->inner);
	EVP_MD_CTX_free(mac->outer);
	EVP_MD_CTX_free(mac->work);
	OPENSSL_clear_free(mac, sizeof(KdfMac));
}
