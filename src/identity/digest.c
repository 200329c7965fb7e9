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
 * Beside a digest there may be the tag of an attribute (see attribute.c):
 *
 *   tag 1 = first 4 bytes of HMAC-SHA-256(C1, "niji attribute v1" ‖ digest 1 ‖ attribute)
 *   tag g = first 4 bytes of HMAC-SHA-256(Cg, "niji attribute v1" ‖ digest g ‖ tag g-1)
 *
 * as numbers in big endian, with Cg as Kg but for the use "commitment".  It is
 * bound to its digest: the same attribute of another identifier has another tag,
 * and it is carried to a new key as the digest is.
 *
 * A backend keeps one keyed HMAC per generation and use, as long as the keys are
 * not read anew and the salt is the one that it was made with.
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

typedef enum
{
	USE_DIGEST,
	USE_COMMITMENT,
	USE_COUNT
} KeyUse;

static const char *const use_names[USE_COUNT] = {"digest", "commitment"};

static DigestKey keys[USE_COUNT][KEY_GENERATIONS_MAX + 1];

/* closing a context wipes its key */
static void
wipe(int code, Datum arg)
{
	for (int use = 0; use < USE_COUNT; use++)
		for (int generation = 1; generation <= KEY_GENERATIONS_MAX; generation++)
		{
			if (keys[use][generation].mac)
				kdf_mac_close(keys[use][generation].mac);
			keys[use][generation].mac = NULL;
		}
}

static KdfMac *
open_mac(KeyUse use, int generation)
{
	static bool registered = false;
	DigestKey  *entry = &keys[use][generation];
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
	key_derive(generation, use_names[use], salt, key);
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
		KdfMac	   *mac = open_mac(USE_DIGEST, generation);
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
		if (!kdf_mac(open_mac(USE_DIGEST, generation), digest, DIGEST_LENGTH, NULL, 0, full))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not make a digest"),
					 errdetail("OpenSSL refused HMAC with SHA-256.")));
		memcpy(digest, full, DIGEST_LENGTH);
	}
	OPENSSL_cleanse(full, sizeof(full));
}

/* the tag of one generation; what it is about is the attribute, or the tag of the generation before */
static int32
make_tag(int generation, const uint8 *digest, const void *about, int length)
{
	static const char label[] = "niji attribute v1";
	uint8		head[sizeof(label) - 1 + DIGEST_LENGTH];
	uint8		full[32];
	uint32		tag;

	memcpy(head, label, sizeof(label) - 1);
	memcpy(head + sizeof(label) - 1, digest, DIGEST_LENGTH);
	if (!kdf_mac(open_mac(USE_COMMITMENT, generation), head, sizeof(head), about, length, full))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not make a tag"),
				 errdetail("OpenSSL refused HMAC with SHA-256.")));
	memcpy(&tag, full, sizeof(tag));
	OPENSSL_cleanse(full, sizeof(full));
	return (int32) pg_ntoh32(tag);
}

static int32
wrap_tag(int generation, const uint8 *digest, int32 tag)
{
	uint32		before = pg_hton32((uint32) tag);

	return make_tag(generation, digest, &before, sizeof(before));
}

void
digest_tags(const uint8 *digests, const char *attribute, int newest, int32 *tags)
{
	tags[0] = make_tag(1, digests, attribute, strlen(attribute));
	for (int generation = 2; generation <= newest; generation++)
		tags[generation - 1] = wrap_tag(generation, digests + (generation - 1) * DIGEST_LENGTH,
										tags[generation - 2]);
}

void
digest_rewrap_tag(int from, int to, uint8 digest[DIGEST_LENGTH], int32 *tag)
{
	for (int generation = from + 1; generation <= to; generation++)
	{
		digest_rewrap(generation - 1, generation, digest);
		*tag = wrap_tag(generation, digest, *tag);
	}
}
