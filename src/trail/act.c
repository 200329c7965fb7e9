/*
 * act.c
 *    Acts of governance, and CBOR in SQL.
 *
 * An act commits with the transaction that it belongs to; until the writer has
 * given it its place it waits in niji.pending_entry.  Its details are private:
 * jsonb written as CBOR, numbers that are not whole as text unless a float
 * holds them exactly.
 *
 * An act whose answer cannot be taken back, because it has been seen, does not
 * wait for a commit that may never come: it goes through the spool, as reads
 * do, and is on disk before the answer is given.
 */
#include "postgres.h"

#include <math.h>

#include "base/compat.h"
#include "base/duty.h"
#include "common/shortest_dec.h"
#include "base/shmem.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "trail/act.h"
#include "trail/entry.h"
#include "trail/pending.h"
#include "trail/record_format.h"
#include "trail/record_read.h"
#include "trail/spool.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(record_act);
PG_FUNCTION_INFO_V1(record_disclosure);
PG_FUNCTION_INFO_V1(decode_cbor);
PG_FUNCTION_INFO_V1(read_cbor);
PG_FUNCTION_INFO_V1(private_cbor);

/* ---- jsonb to CBOR ---- */

static void
put_utf8(CborWriter *w, const char *text, int length)
{
	char	   *converted = pg_server_to_any(text, length, PG_UTF8);

	if (converted == text)
		cbor_text_n(w, text, length);
	else
		cbor_text(w, converted);
}

/* a double as the shortest decimal that reads as the same double */
static Numeric
double_to_numeric(double value)
{
	char		text[DOUBLE_SHORTEST_DECIMAL_LEN];

	double_to_shortest_decimal_buf(value, text);
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

static void
put_number(CborWriter *w, Numeric number)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
	char	   *end;
	int64		value;

	errno = 0;
	value = strtoi64(text, &end, 10);
	if (*end == '\0' && errno == 0)
		cbor_int(w, value);
	else
	{
		double		approximate;

		errno = 0;
		approximate = strtod(text, &end);
		if (errno == 0 && *end == '\0' && !isinf(approximate) && !isnan(approximate) &&
			DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(number),
											 NumericGetDatum(double_to_numeric(approximate)))))
			cbor_double(w, approximate);
		else
			cbor_text(w, text);
	}
}

static void
put_jsonb(CborWriter *w, Jsonb *jsonb)
{
	JsonbIterator *it = JsonbIteratorInit(&jsonb->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	bool		scalar = false;

	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		switch (token)
		{
			case WJB_BEGIN_ARRAY:
				scalar = value.val.array.rawScalar;
				if (!scalar)
					cbor_array_begin(w);
				break;
			case WJB_END_ARRAY:
				if (!scalar)
					cbor_array_end(w);
				break;
			case WJB_BEGIN_OBJECT:
				cbor_map_begin(w);
				break;
			case WJB_END_OBJECT:
				cbor_map_end(w);
				break;
			case WJB_KEY:
				put_utf8(w, value.val.string.val, value.val.string.len);
				break;
			case WJB_VALUE:
			case WJB_ELEM:
				switch (value.type)
				{
					case jbvNull:
						cbor_null(w);
						break;
					case jbvBool:
						cbor_bool(w, value.val.boolean);
						break;
					case jbvNumeric:
						put_number(w, value.val.numeric);
						break;
					case jbvString:
						put_utf8(w, value.val.string.val, value.val.string.len);
						break;
					default:
						elog(ERROR, "unexpected kind of jsonb value: %d", (int) value.type);
				}
				break;
			default:
				elog(ERROR, "unexpected token of jsonb: %d", (int) token);
		}
	}
}

/* niji.record_act(action text, object text, details jsonb) */
Datum
record_act(PG_FUNCTION_ARGS)
{
	CborWriter	header;
	CborWriter	private_part;
	EntryOrigin origin;
	uint8		salt[ENTRY_SALT_SIZE];

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("an act of governance needs a name")));
	entry_salt(salt);
	entry_origin_fill(&origin);
	cbor_init(&header);
	cbor_map_begin(&header);
	entry_put_common(&header, "act", GetCurrentTimestamp(), &origin);
	cbor_put_text(&header, "action", text_to_cstring(PG_GETARG_TEXT_PP(0)));
	cbor_text(&header, "object");
	if (PG_ARGISNULL(1))
		cbor_null(&header);
	else
		put_utf8(&header, VARDATA_ANY(PG_GETARG_TEXT_PP(1)), VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(1)));
	cbor_map_end(&header);
	if (PG_ARGISNULL(2))
		pending_insert(&header, salt, NULL);
	else
	{
		cbor_init(&private_part);
		cbor_map_begin(&private_part);
		cbor_text(&private_part, "details");
		put_jsonb(&private_part, PG_GETARG_JSONB_P(2));
		cbor_map_end(&private_part);
		pending_insert(&header, salt, &private_part);
	}
	PG_RETURN_VOID();
}

/* ---- acts that stay when the transaction does not ---- */

static void
begin_durable(CborWriter *header, const char *action, const char *object, Size object_length)
{
	EntryOrigin origin;

	niji_require_preload();
	niji_require_database();
	spool_require();
	entry_origin_fill(&origin);
	cbor_init(header);
	cbor_map_begin(header);
	entry_put_common(header, "act", GetCurrentTimestamp(), &origin);
	cbor_put_text(header, "action", action);
	cbor_text(header, "object");
	put_utf8(header, object, object_length);
}

static void
end_durable(CborWriter *header, CborWriter *private_part)
{
	RecordEntry entry = {.kind = RECORD_PLAIN};
	SpoolPiece	piece = {SPOOL_ENTRY};
	SpoolPlace	place;
	char	   *record;

	cbor_map_end(header);
	cbor_map_end(private_part);
	record = record_pack(&entry, NULL, header, private_part, &piece.length);
	piece.data = record;
	(void) spool_append(&piece, 1, SPOOL_OPENING, &place);
	spool_flush(place);
	pfree(record);
	cbor_free(header);
	cbor_free(private_part);
}

void
act_record_persons(const char *action, const char *object, int64 pseudonyms, int64 persons,
				   const char *bitmap, Size length)
{
	CborWriter	header;
	CborWriter	private_part;

	begin_durable(&header, action, object, strlen(object));
	cbor_put_uint(&header, "pseudonyms", pseudonyms);
	cbor_put_uint(&header, "persons", persons);
	cbor_init(&private_part);
	cbor_map_begin(&private_part);
	cbor_text(&private_part, "persons");
	cbor_bytes(&private_part, bitmap, length);
	end_durable(&header, &private_part);
}

/* niji.record_disclosure(action text, object text, persons bigint, details jsonb) */
Datum
record_disclosure(PG_FUNCTION_ARGS)
{
	text	   *object;
	CborWriter	header;
	CborWriter	private_part;

	/* a strict function would return without a word, and the answer would leave unrecorded */
	for (int i = 0; i < 4; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a disclosure needs an action, an object, a number of persons and details")));
	object = PG_GETARG_TEXT_PP(1);
	begin_durable(&header, text_to_cstring(PG_GETARG_TEXT_PP(0)), VARDATA_ANY(object), VARSIZE_ANY_EXHDR(object));
	cbor_put_uint(&header, "persons", PG_GETARG_INT64(2));
	cbor_init(&private_part);
	cbor_map_begin(&private_part);
	cbor_text(&private_part, "details");
	put_jsonb(&private_part, PG_GETARG_JSONB_P(3));
	end_durable(&header, &private_part);
	PG_RETURN_VOID();
}

/* ---- CBOR to jsonb ---- */

/* jsonb cannot hold the character 0: an error, or a question mark when we must show something */
static char *
item_text(const CborItem *item, bool lenient)
{
	char	   *text = palloc(item->value + 1);

	for (uint64 i = 0; i < item->value; i++)
	{
		text[i] = (char) item->bytes[i];
		if (text[i] != '\0')
			continue;
		if (!lenient)
			ereport(ERROR,
					(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
					 errmsg("a text of this CBOR has a character that jsonb cannot hold")));
		text[i] = '?';
	}
	text[item->value] = '\0';
	return pg_any_to_server(text, item->value, PG_UTF8);
}

static JsonbValue *
push_item(JsonbParseState **state, CborReader *r, JsonbIteratorToken place, bool lenient)
{
	CborItem	item;
	JsonbValue	value;

	if (!cbor_read(r, &item))
		elog(ERROR, "CBOR that was checked cannot be read: %s", r->error);
	switch (item.type)
	{
		case CBOR_UINT:
		case CBOR_NEGATIVE:
			value.type = jbvNumeric;
			if (item.value <= PG_INT64_MAX)
				value.val.numeric = int64_to_numeric(item.type == CBOR_UINT ? (int64) item.value
													 : -1 - (int64) item.value);
			else
			{
				Numeric		number = DatumGetNumeric(DirectFunctionCall3(numeric_in,
																		 CStringGetDatum(psprintf(UINT64_FORMAT, item.value)),
																		 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));

				if (item.type == CBOR_NEGATIVE)
					number = DatumGetNumeric(DirectFunctionCall2(numeric_sub, NumericGetDatum(int64_to_numeric(-1)),
																 NumericGetDatum(number)));
				value.val.numeric = number;
			}
			break;
		case CBOR_BYTES:
			value.type = jbvString;
			value.val.string.len = (int) item.value * 2;
			value.val.string.val = palloc(item.value * 2 + 1);
			hex_encode((const char *) item.bytes, item.value, value.val.string.val);
			break;
		case CBOR_TEXT:
			value.type = jbvString;
			value.val.string.val = item_text(&item, lenient);
			value.val.string.len = strlen(value.val.string.val);
			break;
		case CBOR_BOOL:
			value.type = jbvBool;
			value.val.boolean = item.value != 0;
			break;
		case CBOR_NULL:
			value.type = jbvNull;
			break;
		case CBOR_DOUBLE:
			if (isnan(item.number) || isinf(item.number))
			{
				value.type = jbvString;
				value.val.string.val = isnan(item.number) ? "NaN" : item.number > 0 ? "Infinity" : "-Infinity";
				value.val.string.len = strlen(value.val.string.val);
			}
			else
			{
				value.type = jbvNumeric;
				value.val.numeric = double_to_numeric(item.number);
			}
			break;
		case CBOR_ARRAY:
			(void) pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
			for (uint64 i = 0; i < item.value; i++)
				(void) push_item(state, r, WJB_ELEM, lenient);
			return pushJsonbValue(state, WJB_END_ARRAY, NULL);
		case CBOR_MAP:
			(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
			for (uint64 i = 0; i < item.value; i++)
			{
				(void) push_item(state, r, WJB_KEY, lenient);
				(void) push_item(state, r, WJB_VALUE, lenient);
			}
			return pushJsonbValue(state, WJB_END_OBJECT, NULL);
	}
	if (*state == NULL)
	{
		/* a scalar alone: jsonb keeps it in an array of its own kind */
		JsonbValue	array;

		array.type = jbvArray;
		array.val.array.rawScalar = true;
		array.val.array.nElems = 1;
		(void) pushJsonbValue(state, WJB_BEGIN_ARRAY, &array);
		(void) pushJsonbValue(state, WJB_ELEM, &value);
		return pushJsonbValue(state, WJB_END_ARRAY, NULL);
	}
	return pushJsonbValue(state, place, &value);
}

static Datum
cbor_to_jsonb(const uint8 *data, size_t length, bool lenient)
{
	JsonbParseState *state = NULL;
	CborReader	r;

	cbor_reader(&r, data, length);
	return JsonbPGetDatum(JsonbValueToJsonb(push_item(&state, &r, WJB_ELEM, lenient)));
}

/* niji.decode_cbor(bytea): errors name the place and the rule */
Datum
decode_cbor(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	const uint8 *data = (const uint8 *) VARDATA_ANY(bytes);
	size_t		length = VARSIZE_ANY_EXHDR(bytes);
	const char *error;
	size_t		at;

	if (!cbor_check(data, length, &error, &at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("these bytes are not deterministic CBOR"),
				 errdetail("At byte %zu: %s.", at, error)));
	PG_RETURN_DATUM(cbor_to_jsonb(data, length, false));
}

static Datum
read_or_null(FunctionCallInfo fcinfo)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	const uint8 *data = (const uint8 *) VARDATA_ANY(bytes);
	size_t		length = VARSIZE_ANY_EXHDR(bytes);

	if (!cbor_check(data, length, NULL, NULL))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(cbor_to_jsonb(data, length, true));
}

/* niji.read_cbor(bytea): null for what cannot be read */
Datum
read_cbor(PG_FUNCTION_ARGS)
{
	return read_or_null(fcinfo);
}

/* niji.private_cbor(bytea): the same, for auditors only */
Datum
private_cbor(PG_FUNCTION_ARGS)
{
	if (!duty_has(NIJI_AUDITOR))
		PG_RETURN_NULL();
	return read_or_null(fcinfo);
}
