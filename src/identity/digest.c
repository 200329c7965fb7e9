/*
 * digest.c
 *    Digests: what is stored instead of identifiers.
 *
 *   digest 1 = first 16 bytes of HMAC-SHA-256(K1, input)
 *   digest g = first 16 bytes of HMAC-SHA-256(Kg, digest g-1)
 *   input    = "niji digest v1" ‖ uint32 4 ‖ int32 id of the kind ‖ canonical UTF-8
 *
 * with numbers in big endian, and Kg = HKDF(master key g, the salt of
 * niji.master_key, "digest").  Since a generation wraps the one before, stored
 * digests can be carried to a new key without the identifiers.
 *
 * A backend keeps one keyed HMAC per generation, as long as the keys are not
 * read anew and the salt is the one that it was made with.
 */
#include "postgres.h"

#include "identity/digest.h"

#include <openssl/crypto.h>

#include "identity/kdf.h"
#include "identity/key_source.h"
#include "identity/keys.h"
#include "port/pg_bswap.h"
#include "storage/ipc.h"

static const char prefix[] = "niji digest v1";

#define PREFIX_LENGTH (sizeof(prefix) - 1)

typedef struct DigestKey
{
	KdfMac	   *mac;
	uint32		version;		/* of the keys */
	uint8		salt[KDF_SALT_LENGTH];
} DigestKey;

static DigestKey keys[KEY_GENERATIONS_MAX + 1];

/* closing a context wipes its key */
static void
wipe(int code, Datum arg)
{
	for (int generation = 1; generation <= KEY_GENERATIONS_MAX; generation++)
	{
		if (keys[generation].mac)
			kdf_mac_close(keys[generation].mac);
		keys[generation].mac = NULL;
	}
}

static KdfMac *
open_mac(int generation)
{
	static bool registered = false;
	DigestKey  *entry = &keys[generation];
	uint32		version = keys_version();
	uint8		salt[KDF_SALT_LENGTH];
	uint8		key[KDF_KEY_LENGTH];

	/* raises if the key is not there or is not the right one (any more) */
	key_salt(generation, salt);
	if (entry->mac && entry->version == version && memcmp(entry->salt, salt, sizeof(salt)) == 0)
		return entry->mac;
	if (!registered)
	{
		on_proc_exit(wipe, (Datum) 0);
		registered = true;
	}
	key_derive(generation, "digest", salt, key);
	if (entry->mac)
		kdf_mac_close(entry->mac);
	entry->mac = kdf_mac_open(key);
	OPENSSL_cleanse(key, sizeof(key));
	if (entry->mac == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not make a digest"),
				 errdetail("OpenSSL refused HMAC with SHA-256.")));
	entry->version = version;
	memcpy(entry->salt, salt, sizeof(salt));
	return entry->mac;
}

void
digest_compute(int kind, const char *canonical, int length, int newest, uint8 *out)
{
	uint8		head[PREFIX_LENGTH + 8];
	uint8		full[32];
	uint32		kind_length = pg_hton32(4);
	uint32		kind_id = pg_hton32((uint32) kind);

	memcpy(head, prefix, PREFIX_LENGTH);
	memcpy(head + PREFIX_LENGTH, &kind_length, 4);
	memcpy(head + PREFIX_LENGTH + 4, &kind_id, 4);

	for (int generation = 1; generation <= newest; generation++)
	{
		KdfMac	   *mac = open_mac(generation);
		uint8	   *digest = out + (generation - 1) * DIGEST_LENGTH;
		bool		made;

		if (generation == 1)
			made = kdf_mac(mac, head, sizeof(head), (const uint8 *) canonical, length, full);
		else
			made = kdf_mac(mac, digest - DIGEST_LENGTH, DIGEST_LENGTH, NULL, 0, full);
		if (!made)
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not make a digest"),
					 errdetail("OpenSSL refused HMAC with SHA-256.")));
		memcpy(digest, full, DIGEST_LENGTH);
	}
	OPENSSL_cleanse(full, sizeof(full));
}

void
digest_rewrap(int from, int to, uint8 digest[DIGEST_LENGTH])
{
	uint8		full[32];

	for (int generation = from + 1; generation <= to; generation++)
	{
		if (!kdf_mac(open_mac(generation), digest, DIGEST_LENGTH, NULL, 0, full))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not make a digest"),
					 errdetail("OpenSSL refused HMAC with SHA-256.")));
		memcpy(digest, full, DIGEST_LENGTH);
	}
	OPENSSL_cleanse(full, sizeof(full));
}
