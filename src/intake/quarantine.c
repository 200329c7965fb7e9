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
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "identity/keys.h"
#include "identity/sealed.h"
#include "port/pg_bswap.h"
#include "trail/record.h"

PG_FUNCTION_INFO_V1(quarantine_seal);
PG_FUNCTION_INFO_V1(quarantine_open);

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

/* niji.quarantine_seal(id bigint, sha256 bytea, place text, bytes bytea) returns bytea */
Datum
quarantine_seal(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(3);
	Size		length = VARSIZE_ANY_EXHDR(bytes);
	int			generation = key_current_generation();
	Size		bound_length;
	uint8	   *bound = additional_data(fcinfo, &bound_length);
	bytea	   *sealed = palloc(VARHDRSZ + length + SEALED_OVERHEAD);
	uint8		salt[32];

	SET_VARSIZE(sealed, VARHDRSZ + length + SEALED_OVERHEAD);
	key_salt(generation, salt);
	sealed_make(generation, "quarantine", salt, bound, bound_length,
				(const uint8 *) VARDATA_ANY(bytes), length, (uint8 *) VARDATA(sealed));
	PG_RETURN_BYTEA_P(sealed);
}

/* niji.quarantine_open(id bigint, sha256 bytea, place text, sealed bytea) returns bytea */
Datum
quarantine_open(PG_FUNCTION_ARGS)
{
	bytea	   *sealed = PG_GETARG_BYTEA_PP(3);
	Size		total = VARSIZE_ANY_EXHDR(sealed);
	const uint8 *in = (const uint8 *) VARDATA_ANY(sealed);
	int			generation = sealed_generation(in, total);
	Size		bound_length;
	uint8	   *bound = additional_data(fcinfo, &bound_length);
	bytea	   *bytes;
	uint8		salt[32];

	if (generation == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a record of the quarantine has a form that is not known")));

	/* a rollback would take the act of read_quarantine() back, not this entry */
	trail_record_event("quarantine", psprintf(INT64_FORMAT, PG_GETARG_INT64(0)), NULL);

	bytes = palloc(VARHDRSZ + total - SEALED_OVERHEAD);
	SET_VARSIZE(bytes, VARHDRSZ + total - SEALED_OVERHEAD);
	key_salt(generation, salt);
	if (!sealed_open("quarantine", salt, bound, bound_length, in, total, (uint8 *) VARDATA(bytes)))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a record of the quarantine was altered"),
				 errdetail("Its bytes, id, file or place are not those that were sealed, or the master key is another one.")));
	PG_RETURN_BYTEA_P(bytes);
}
