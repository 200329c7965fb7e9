/*
 * quarantine.c
 *    Sealing the original bytes of records that were refused.
 *
 * A refused record names people and says what they suffer from, and unlike a
 * loaded one nothing in it was replaced by a person's number.  So its bytes are
 * stored under AES-256-GCM with a key that is derived from the master key and
 * is in no table: a dump shows only that there is something.  What is sealed is
 * bound to the row's id, the file's hash and the place in it, so that nobody
 * who can write the table can exchange two of them or give one a new place.
 *
 *    version 1 | generation int16 | nonce 12 bytes | ciphertext | tag 16 bytes
 *
 * A random nonce of 96 bits is safe for 2^32 records under one key.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "identity/keys.h"
#include "port/pg_bswap.h"
#include "trail/record.h"
#include <openssl/evp.h>

PG_FUNCTION_INFO_V1(quarantine_seal);
PG_FUNCTION_INFO_V1(quarantine_open);

#define SEAL_VERSION 1
#define SEAL_NONCE 12
#define SEAL_TAG 16
#define SEAL_HEADER (1 + 2 + SEAL_NONCE)
#define FILE_HASH 32

/* what the sealed bytes are bound to */
static uint8 *
additional_data(FunctionCallInfo fcinfo, Size *length)
{
	uint64		id = pg_hton64((uint64) PG_GETARG_INT64(0));
	bytea	   *hash = PG_GETARG_BYTEA_PP(1);
	text	   *place = PG_GETARG_TEXT_PP(2);
	uint8	   *data;

	if (VARSIZE_ANY_EXHDR(hash) != FILE_HASH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a file's SHA-256 has %d bytes", FILE_HASH)));
	*length = sizeof(id) + FILE_HASH + VARSIZE_ANY_EXHDR(place);
	data = palloc(*length);
	memcpy(data, &id, sizeof(id));
	memcpy(data + sizeof(id), VARDATA_ANY(hash), FILE_HASH);
	memcpy(data + sizeof(id) + FILE_HASH, VARDATA_ANY(place), VARSIZE_ANY_EXHDR(place));
	return data;
}

static void
derive_key(int generation, uint8 key[32])
{
	uint8		salt[32];

	key_salt(generation, salt);
	key_derive(generation, "quarantine", salt, key);
}

/*
 * Both directions.  No error is raised between the making of the OpenSSL
 * context and its end.  Returns false if OpenSSL refused; for opening this is
 * a wrong tag.
 */
static bool
run_cipher(bool sealing, const uint8 key[32], const uint8 *nonce, const uint8 *bound,
		   Size bound_length, const uint8 *in, Size length, uint8 *out, uint8 tag[SEAL_TAG])
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int			n;
	bool		good = context != NULL &&
		EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce, sealing) == 1 &&
		EVP_CipherUpdate(context, NULL, &n, bound, (int) bound_length) == 1 &&
		(length == 0 || EVP_CipherUpdate(context, out, &n, in, (int) length) == 1);

	if (good && !sealing)
		good = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, SEAL_TAG, tag) == 1;
	if (good)
		good = EVP_CipherFinal_ex(context, out + length, &n) == 1;
	if (good && sealing)
		good = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, SEAL_TAG, tag) == 1;
	EVP_CIPHER_CTX_free(context);
	return good;
}

/* niji.quarantine_seal(id bigint, sha256 bytea, place text, bytes bytea) returns bytea */
Datum
quarantine_seal(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(3);
	Size		length = VARSIZE_ANY_EXHDR(bytes);
	int			generation = key_current_generation();
	uint16		stored_generation = pg_hton16((uint16) generation);
	Size		bound_length;
	uint8	   *bound = additional_data(fcinfo, &bound_length);
	bytea	   *sealed = palloc(VARHDRSZ + SEAL_HEADER + length + SEAL_TAG);
	uint8	   *out = (uint8 *) VARDATA(sealed);
	uint8		key[32];
	bool		good;

	SET_VARSIZE(sealed, VARHDRSZ + SEAL_HEADER + length + SEAL_TAG);
	out[0] = SEAL_VERSION;
	memcpy(out + 1, &stored_generation, sizeof(stored_generation));
	if (!pg_strong_random(out + 3, SEAL_NONCE))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random bytes")));
	derive_key(generation, key);
	good = run_cipher(true, key, out + 3, bound, bound_length, (const uint8 *) VARDATA_ANY(bytes),
					  length, out + SEAL_HEADER, out + SEAL_HEADER + length);
	explicit_bzero(key, sizeof(key));
	if (!good)
		elog(ERROR, "could not encrypt a record for the quarantine");
	PG_RETURN_BYTEA_P(sealed);
}

/* niji.quarantine_open(id bigint, sha256 bytea, place text, sealed bytea) returns bytea */
Datum
quarantine_open(PG_FUNCTION_ARGS)
{
	bytea	   *sealed = PG_GETARG_BYTEA_PP(3);
	Size		total = VARSIZE_ANY_EXHDR(sealed);
	const uint8 *in = (const uint8 *) VARDATA_ANY(sealed);
	Size		bound_length;
	uint8	   *bound = additional_data(fcinfo, &bound_length);
	uint16		generation;
	Size		length;
	bytea	   *bytes;
	uint8		key[32];
	uint8		tag[SEAL_TAG];
	bool		good;

	if (total < SEAL_HEADER + SEAL_TAG || in[0] != SEAL_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a record of the quarantine has a form that is not known")));

	/* a rollback would take the act of read_quarantine() back, not this entry */
	trail_record_event("quarantine", psprintf(INT64_FORMAT, PG_GETARG_INT64(0)), NULL);

	memcpy(&generation, in + 1, sizeof(generation));
	length = total - SEAL_HEADER - SEAL_TAG;
	bytes = palloc(VARHDRSZ + length + SEAL_TAG);
	SET_VARSIZE(bytes, VARHDRSZ + length);
	memcpy(tag, in + SEAL_HEADER + length, SEAL_TAG);
	derive_key(pg_ntoh16(generation), key);
	good = run_cipher(false, key, in + 3, bound, bound_length, in + SEAL_HEADER, length,
					  (uint8 *) VARDATA(bytes), tag);
	explicit_bzero(key, sizeof(key));
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a record of the quarantine was altered"),
				 errdetail("Its bytes, id, file or place are not those that were sealed, or the master key is another one.")));
	PG_RETURN_BYTEA_P(bytes);
}
