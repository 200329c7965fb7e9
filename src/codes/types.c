/*
 * types.c
 *    The code types of SQL, over the packing of pack.c.
 *
 * Each type is one CodeType and one use of CODE_TYPE() below.  Values are
 * int8 to the server: comparison, hashing and sorting within a type are
 * PostgreSQL's own functions of int8, named in the install script.  What is
 * here is input and output, the comparison with text, and the check digit.
 *
 * Code against text.  Clients send strings as text or varchar, so a code has
 * to compare with text, by an index and by hashing, and a text that is no code
 * must neither raise nor be equal to one.  The order: a text that has the form
 * of the type stands where its code stands; any other text stands where its
 * bytes stand among the codes' canonical texts (in the C collation).  That is
 * one total order for codes and texts together, so these operators are members
 * of the types' btree and hash families.  Two texts may be the same code
 * ("E11.9", "E119") without being equal as texts; therefore the families have
 * comparisons of text with text of their own, which the planner needs for
 * arrays and hash tables and which are named so that nobody meets them.
 */
#include "postgres.h"

#include "base/compat.h"
#include "codes/pack.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"

/* ---- one side of a comparison ---- */

typedef struct CodeKey
{
	int64		packed;
	const char *text;			/* NULL: packed is the code */
	size_t		length;
} CodeKey;

static inline CodeKey
key_of_code(int64 packed)
{
	return (CodeKey){packed, NULL, 0};
}

static inline CodeKey
key_of_text(const CodeType *type, text *value)
{
	CodeKey		key = {0, NULL, 0};

	if (!code_parse(type, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), &key.packed))
	{
		key.text = VARDATA_ANY(value);
		key.length = VARSIZE_ANY_EXHDR(value);
	}
	return key;
}

static int
key_compare(CodeKey a, CodeKey b)
{
	char		buffer_a[CODE_MAX_LENGTH + 1],
				buffer_b[CODE_MAX_LENGTH + 1];
	int			order;

	if (a.text == NULL && b.text == NULL)
		return a.packed < b.packed ? -1 : a.packed > b.packed;
	if (a.text == NULL)
	{
		a.length = code_unpack(a.packed, buffer_a);
		a.text = buffer_a;
	}
	if (b.text == NULL)
	{
		b.length = code_unpack(b.packed, buffer_b);
		b.text = buffer_b;
	}
	order = memcmp(a.text, b.text, Min(a.length, b.length));
	if (order != 0)
		return order < 0 ? -1 : 1;
	return a.length < b.length ? -1 : a.length > b.length;
}

/* cheaper than key_compare() for what is asked most */
static bool
key_equal(CodeKey a, CodeKey b)
{
	if (a.text == NULL && b.text == NULL)
		return a.packed == b.packed;
	if (a.text == NULL || b.text == NULL)
		return false;
	return a.length == b.length && memcmp(a.text, b.text, a.length) == 0;
}

/* a code's hash is that of int8 */
static Datum
key_hash(CodeKey key)
{
	if (key.text == NULL)
		return DirectFunctionCall1(hashint8, Int64GetDatum(key.packed));
	return hash_any((const unsigned char *) key.text, (int) key.length);
}

static Datum
key_hash_extended(CodeKey key, Datum seed)
{
	if (key.text == NULL)
		return DirectFunctionCall2(hashint8extended, Int64GetDatum(key.packed), seed);
	return hash_any_extended((const unsigned char *) key.text, (int) key.length,
							 DatumGetUInt64(seed));
}

/* ---- input and output ---- */

/* the value is not repeated: a misplaced field may be a name */
static Datum
code_input(const CodeType *type, const char *value, size_t length, Node *escontext)
{
	int64		packed;

	if (!code_parse(type, value, length, &packed))
		ereturn(escontext, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s", type->name),
				 errdetail("%s", type->form)));
	PG_RETURN_INT64(packed);
}

/* the binary form is the text form; it has to be a whole message of the right encoding */
static Datum
code_receive(const CodeType *type, StringInfo message)
{
	int			nbytes;
	char	   *value = pq_getmsgtext(message, message->len - message->cursor, &nbytes);
	Datum		result = code_input(type, value, nbytes, NULL);

	pfree(value);
	return result;
}

static text *
code_text(int64 packed)
{
	char		value[CODE_MAX_LENGTH + 1];
	int			length = code_unpack(packed, value);

	return cstring_to_text_with_len(value, length);
}

PG_FUNCTION_INFO_V1(code_out);
PG_FUNCTION_INFO_V1(code_send);
PG_FUNCTION_INFO_V1(code_to_text);

Datum
code_out(PG_FUNCTION_ARGS)
{
	char	   *value = palloc(CODE_MAX_LENGTH + 1);

	code_unpack(PG_GETARG_INT64(0), value);
	PG_RETURN_CSTRING(value);
}

Datum
code_send(PG_FUNCTION_ARGS)
{
	char		value[CODE_MAX_LENGTH + 1];
	int			length = code_unpack(PG_GETARG_INT64(0), value);
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendtext(&message, value, length);
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

Datum
code_to_text(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(code_text(PG_GETARG_INT64(0)));
}

/* ---- the functions of one type ---- */

#define CODE_FUNCTION(name) \
	PG_FUNCTION_INFO_V1(name); \
	Datum name(PG_FUNCTION_ARGS)

/* a function of two keys, for (code, text), (text, code) and (text, text) */
#define CODE_COMPARISONS(type, suffix, result) \
	CODE_FUNCTION(type##_##suffix##_text) \
	{ \
		CodeKey		a = key_of_code(PG_GETARG_INT64(0)); \
		CodeKey		b = key_of_text(&code_type_##type, PG_GETARG_TEXT_PP(1)); \
		result; \
	} \
	CODE_FUNCTION(text_##suffix##_##type) \
	{ \
		CodeKey		a = key_of_text(&code_type_##type, PG_GETARG_TEXT_PP(0)); \
		CodeKey		b = key_of_code(PG_GETARG_INT64(1)); \
		result; \
	} \
	CODE_FUNCTION(text_##suffix##_text_as_##type) \
	{ \
		CodeKey		a = key_of_text(&code_type_##type, PG_GETARG_TEXT_PP(0)); \
		CodeKey		b = key_of_text(&code_type_##type, PG_GETARG_TEXT_PP(1)); \
		result; \
	}

#define CODE_TYPE(type) \
	CODE_FUNCTION(type##_in) \
	{ \
		char	   *value = PG_GETARG_CSTRING(0); \
		return code_input(&code_type_##type, value, strlen(value), niji_escontext(fcinfo)); \
	} \
	CODE_FUNCTION(type##_recv) \
	{ \
		return code_receive(&code_type_##type, (StringInfo) PG_GETARG_POINTER(0)); \
	} \
	CODE_FUNCTION(type##_from_text) \
	{ \
		text	   *value = PG_GETARG_TEXT_PP(0); \
		return code_input(&code_type_##type, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), \
						  niji_escontext(fcinfo)); \
	} \
	CODE_FUNCTION(type##_check_ok) \
	{ \
		CodeCheck	check = code_check(&code_type_##type, PG_GETARG_INT64(0)); \
		if (check == CODE_CHECK_UNKNOWN) \
			PG_RETURN_NULL(); \
		PG_RETURN_BOOL(check == CODE_CHECK_OK); \
	} \
	CODE_FUNCTION(text_hash_as_##type) \
	{ \
		return key_hash(key_of_text(&code_type_##type, PG_GETARG_TEXT_PP(0))); \
	} \
	CODE_FUNCTION(text_hash_extended_as_##type) \
	{ \
		return key_hash_extended(key_of_text(&code_type_##type, PG_GETARG_TEXT_PP(0)), \
								 PG_GETARG_DATUM(1)); \
	} \
	CODE_COMPARISONS(type, eq, PG_RETURN_BOOL(key_equal(a, b))) \
	CODE_COMPARISONS(type, ne, PG_RETURN_BOOL(!key_equal(a, b))) \
	CODE_COMPARISONS(type, lt, PG_RETURN_BOOL(key_compare(a, b) < 0)) \
	CODE_COMPARISONS(type, le, PG_RETURN_BOOL(key_compare(a, b) <= 0)) \
	CODE_COMPARISONS(type, gt, PG_RETURN_BOOL(key_compare(a, b) > 0)) \
	CODE_COMPARISONS(type, ge, PG_RETURN_BOOL(key_compare(a, b) >= 0)) \
	CODE_COMPARISONS(type, cmp, PG_RETURN_INT32(key_compare(a, b)))

CODE_TYPE(icd10)
CODE_TYPE(receipt_code)
CODE_TYPE(insurer_number)
CODE_TYPE(institution_code)
