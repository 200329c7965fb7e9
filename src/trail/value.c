/*
 * value.c
 *    niji.commitment(): the commitment to a value, for who has the entry's salt.
 *
 * The value's bytes are made here as the capture of changes makes them
 * (change.c): what its type's send function gives, without one its text; of
 * persons and their kin, whose own functions refuse, the number in network order.
 * Text is taken in the server's encoding, whatever the client's is.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/catalog.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "trail/commitment.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(commitment);

static Oid
send_function(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Oid			function;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	function = ((Form_pg_type) GETSTRUCT(tuple))->typsend;
	ReleaseSysCache(tuple);
	return function;
}

static bool
is_named(Oid type, const char *name)
{
	return OidIsValid(type) && type == catalog_type(name);
}

static const void *
binary_form(Oid type, Datum value, size_t *length)
{
	Oid			base = getBaseType(type);
	bool		person = is_named(base, "person");
	Oid			function;
	bool		varlena;
	char	   *out;

	if (person || is_named(base, "physician") || is_named(base, "record") || is_named(base, "household"))
	{
		uint64		number = person ? (uint32) DatumGetInt32(value) : (uint64) DatumGetInt64(value);
		uint8	   *network = palloc(8);

		*length = person ? 4 : 8;
		for (size_t i = 0; i < *length; i++)
			network[i] = (uint8) (number >> (8 * (*length - 1 - i)));
		return network;
	}
	function = send_function(type);
	if (OidIsValid(function))
	{
		int			encoding = pg_get_client_encoding();
		bytea	   *bytes;

		/* send functions of texts convert to the client's encoding; let it be the server's */
		if (encoding != GetDatabaseEncoding())
			(void) SetClientEncoding(GetDatabaseEncoding());
		PG_TRY();
		{
			bytes = OidSendFunctionCall(function, value);
		}
		PG_FINALLY();
		{
			if (encoding != GetDatabaseEncoding())
				(void) SetClientEncoding(encoding);
		}
		PG_END_TRY();
		*length = VARSIZE(bytes) - VARHDRSZ;
		return VARDATA(bytes);
	}
	getTypeOutputInfo(type, &function, &varlena);
	out = OidOutputFunctionCall(function, value);
	*length = strlen(out);
	return out;
}

/* niji.commitment(salt bytea, column_name text, value anyelement) returns bytea */
Datum
commitment(PG_FUNCTION_ARGS)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 2);
	bytea	   *salt;
	char	   *name;
	char	   *utf8;
	const void *data;
	size_t		length;
	CommitmentKey key;
	bytea	   *result;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	salt = PG_GETARG_BYTEA_PP(0);
	name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (VARSIZE_ANY_EXHDR(salt) != COMMITMENT_SALT_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a salt has 32 bytes")));
	if (!OidIsValid(type))
		ereport(ERROR,
				(errcode(ERRCODE_INDETERMINATE_DATATYPE), errmsg("could not determine the value's type")));
	utf8 = pg_server_to_any(name, strlen(name), PG_UTF8);
	data = binary_form(type, PG_GETARG_DATUM(2), &length);
	commitment_key(&key, (const uint8 *) VARDATA_ANY(salt));
	result = palloc(VARHDRSZ + COMMITMENT_SIZE);
	SET_VARSIZE(result, VARHDRSZ + COMMITMENT_SIZE);
	commitment_hash(&key, utf8, strlen(utf8), data, length, (uint8 *) VARDATA(result));
	PG_RETURN_BYTEA_P(result);
}
