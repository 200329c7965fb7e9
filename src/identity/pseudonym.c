/*
 * pseudonym.c
 *    Type niji.pseudonym: 16 bytes, shown as 28 characters (see base32.c).
 *
 * Analysts work with it from every kind of client, so send and receive carry
 * the text form, there is an implicit cast to text, and it compares with text:
 * leniently, as input reads it, and what is malformed is unequal, never an
 * error.  Comparing, hashing and sorting follow uuid.
 *
 * Making pseudonyms from persons, and back, is at the end; the ciphers are in
 * domain.c, what the planner makes of comparisons in planner.c.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/duty.h"
#include "common/hashfn.h"
#include "identity/base32.h"
#include "identity/domain.h"
#include "identity/pseudonym.h"
#include "lib/hyperloglog.h"
#include "libpq/pqformat.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/sortsupport.h"

PG_FUNCTION_INFO_V1(pseudonym_in);
PG_FUNCTION_INFO_V1(pseudonym_out);
PG_FUNCTION_INFO_V1(pseudonym_recv);
PG_FUNCTION_INFO_V1(pseudonym_send);
PG_FUNCTION_INFO_V1(pseudonym_text);
PG_FUNCTION_INFO_V1(text_pseudonym);
PG_FUNCTION_INFO_V1(pseudonym_lt);
PG_FUNCTION_INFO_V1(pseudonym_le);
PG_FUNCTION_INFO_V1(pseudonym_eq);
PG_FUNCTION_INFO_V1(pseudonym_ne);
PG_FUNCTION_INFO_V1(pseudonym_ge);
PG_FUNCTION_INFO_V1(pseudonym_gt);
PG_FUNCTION_INFO_V1(pseudonym_cmp);
PG_FUNCTION_INFO_V1(pseudonym_smaller);
PG_FUNCTION_INFO_V1(pseudonym_larger);
PG_FUNCTION_INFO_V1(pseudonym_hash);
PG_FUNCTION_INFO_V1(pseudonym_hash_extended);
PG_FUNCTION_INFO_V1(pseudonym_sortsupport);
PG_FUNCTION_INFO_V1(pseudonym_eq_text);
PG_FUNCTION_INFO_V1(pseudonym_ne_text);
PG_FUNCTION_INFO_V1(text_eq_pseudonym);
PG_FUNCTION_INFO_V1(text_ne_pseudonym);
PG_FUNCTION_INFO_V1(pseudonym_any);
PG_FUNCTION_INFO_V1(pseudonym_any_text);
PG_FUNCTION_INFO_V1(pseudonym);
PG_FUNCTION_INFO_V1(pseudonym_of_institution);
PG_FUNCTION_INFO_V1(person_of);

/* ---- text and bytes ---- */

static const char *
describe_fault(PseudonymFault fault)
{
	switch (fault)
	{
		case PSEUDONYM_BAD_LENGTH:
			return "A pseudonym has 28 letters and digits, besides hyphens.";
		case PSEUDONYM_BAD_CHARACTER:
			return "A pseudonym is made of digits and letters without U, besides hyphens.";
		case PSEUDONYM_OUT_OF_RANGE:
			return "The first character of a pseudonym is a digit from 0 to 7.";
		case PSEUDONYM_BAD_CHECK:
			return "The last two characters do not fit the others: it was mistyped or cut.";
		case PSEUDONYM_OK:
			break;
	}
	return "";
}

bool
pseudonym_from_text(const char *text, Size length, Pseudonym *pseudonym)
{
	return base32_parse(text, length, pseudonym->bytes) == PSEUDONYM_OK;
}

/* a text may be anything, an identifier even: errors do not repeat it */
Datum
pseudonym_in(PG_FUNCTION_ARGS)
{
	char	   *text = PG_GETARG_CSTRING(0);
	Pseudonym  *result = palloc(sizeof(Pseudonym));
	PseudonymFault fault = base32_parse(text, strlen(text), result->bytes);

	if (fault != PSEUDONYM_OK)
		ereturn(niji_escontext(fcinfo), (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s", "niji.pseudonym"),
				 errdetail("%s", describe_fault(fault))));
	PG_RETURN_PSEUDONYM_P(result);
}

Datum
pseudonym_out(PG_FUNCTION_ARGS)
{
	char	   *text = palloc(PSEUDONYM_TEXT + 1);

	base32_format(PG_GETARG_PSEUDONYM_P(0)->bytes, text);
	text[PSEUDONYM_TEXT] = '\0';
	PG_RETURN_CSTRING(text);
}

Datum
pseudonym_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buffer = (StringInfo) PG_GETARG_POINTER(0);
	int			length;
	char	   *text = pq_getmsgtext(buffer, buffer->len - buffer->cursor, &length);
	Pseudonym  *result = palloc(sizeof(Pseudonym));
	PseudonymFault fault = base32_parse(text, length, result->bytes);

	if (fault != PSEUDONYM_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid external value for type %s", "niji.pseudonym"),
				 errdetail("%s", describe_fault(fault))));
	PG_RETURN_PSEUDONYM_P(result);
}

Datum
pseudonym_send(PG_FUNCTION_ARGS)
{
	StringInfoData buffer;
	char		text[PSEUDONYM_TEXT];

	base32_format(PG_GETARG_PSEUDONYM_P(0)->bytes, text);
	pq_begintypsend(&buffer);
	pq_sendtext(&buffer, text, PSEUDONYM_TEXT);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

/* niji.pseudonym_text(pseudonym): behind the implicit cast to text */
Datum
pseudonym_text(PG_FUNCTION_ARGS)
{
	char		text[PSEUDONYM_TEXT];

	base32_format(PG_GETARG_PSEUDONYM_P(0)->bytes, text);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(text, PSEUDONYM_TEXT));
}

/* niji.text_pseudonym(text): null for what is not the text of any pseudonym */
Datum
text_pseudonym(PG_FUNCTION_ARGS)
{
	text	   *arg = PG_GETARG_TEXT_PP(0);
	Pseudonym  *result = palloc(sizeof(Pseudonym));

	if (!pseudonym_from_text(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg), result))
		PG_RETURN_NULL();
	PG_RETURN_PSEUDONYM_P(result);
}

/* ---- comparison ---- */

static inline int
compare(const Pseudonym *a, const Pseudonym *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

Datum
pseudonym_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_PSEUDONYM_P(0), PG_GETARG_PSEUDONYM_P(1)) < 0);
}

Datum
pseudonym_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_PSEUDONYM_P(0), PG_GETARG_PSEUDONYM_P(1)) <= 0);
}

Datum
pseudonym_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_PSEUDONYM_P(0), PG_GETARG_PSEUDONYM_P(1)) == 0);
}

Datum
pseudonym_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_PSEUDONYM_P(0), PG_GETARG_PSEUDONYM_P(1)) != 0);
}

Datum
pseudonym_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_PSEUDONYM_P(0), PG_GETARG_PSEUDONYM_P(1)) >= 0);
}

Datum
pseudonym_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_PSEUDONYM_P(0), PG_GETARG_PSEUDONYM_P(1)) > 0);
}

Datum
pseudonym_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(PG_GETARG_PSEUDONYM_P(0), PG_GETARG_PSEUDONYM_P(1)));
}

Datum
pseudonym_smaller(PG_FUNCTION_ARGS)
{
	Pseudonym  *a = PG_GETARG_PSEUDONYM_P(0);
	Pseudonym  *b = PG_GETARG_PSEUDONYM_P(1);

	PG_RETURN_PSEUDONYM_P(compare(a, b) < 0 ? a : b);
}

Datum
pseudonym_larger(PG_FUNCTION_ARGS)
{
	Pseudonym  *a = PG_GETARG_PSEUDONYM_P(0);
	Pseudonym  *b = PG_GETARG_PSEUDONYM_P(1);

	PG_RETURN_PSEUDONYM_P(compare(a, b) > 0 ? a : b);
}

Datum
pseudonym_hash(PG_FUNCTION_ARGS)
{
	return hash_any(PG_GETARG_PSEUDONYM_P(0)->bytes, sizeof(Pseudonym));
}

Datum
pseudonym_hash_extended(PG_FUNCTION_ARGS)
{
	return hash_any_extended(PG_GETARG_PSEUDONYM_P(0)->bytes, sizeof(Pseudonym),
							 PG_GETARG_INT64(1));
}

/* ---- sorting by abbreviated keys: the first eight bytes, which are as good as random ---- */

typedef struct
{
	int64		input_count;
	bool		estimating;
	hyperLogLogState cardinality;
} AbbreviationState;

static int
sort_compare(Datum x, Datum y, SortSupport ssup)
{
	return compare(DatumGetPseudonymP(x), DatumGetPseudonymP(y));
}

/* the same judgement as uuid's: give up when there are few distinct keys */
static bool
abbreviation_abort(int memtupcount, SortSupport ssup)
{
	AbbreviationState  *state = ssup->ssup_extra;
	double		distinct;

	if (memtupcount < 10000 || state->input_count < 10000 || !state->estimating)
		return false;
	distinct = estimateHyperLogLog(&state->cardinality);
	if (distinct > 100000.0)
	{
		state->estimating = false;
		return false;
	}
	return distinct < state->input_count / 2000.0 + 0.5;
}

static Datum
abbreviate(Datum original, SortSupport ssup)
{
	AbbreviationState  *state = ssup->ssup_extra;
	Datum		key;

	memcpy(&key, DatumGetPseudonymP(original)->bytes, sizeof(Datum));
	state->input_count++;
	if (state->estimating)
	{
#if SIZEOF_DATUM == 8
		uint32		mixed = (uint32) key ^ (uint32) ((uint64) key >> 32);
#else
		uint32		mixed = (uint32) key;
#endif

		addHyperLogLog(&state->cardinality, DatumGetUInt32(hash_uint32(mixed)));
	}
	return DatumBigEndianToNative(key);
}

Datum
pseudonym_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);

	ssup->comparator = sort_compare;
	ssup->ssup_extra = NULL;
	if (ssup->abbreviate)
	{
		MemoryContext old = MemoryContextSwitchTo(ssup->ssup_cxt);
		AbbreviationState  *state = palloc(sizeof(AbbreviationState));

		state->input_count = 0;
		state->estimating = true;
		initHyperLogLog(&state->cardinality, 10);
		ssup->ssup_extra = state;
		ssup->comparator = ssup_datum_unsigned_cmp;
		ssup->abbrev_converter = abbreviate;
		ssup->abbrev_abort = abbreviation_abort;
		ssup->abbrev_full_comparator = sort_compare;
		MemoryContextSwitchTo(old);
	}
	PG_RETURN_VOID();
}

/* ---- comparison with text ---- */

static bool
equals_text(const Pseudonym *pseudonym, text *arg)
{
	Pseudonym	other;

	return pseudonym_from_text(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg), &other) &&
		compare(pseudonym, &other) == 0;
}

Datum
pseudonym_eq_text(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(equals_text(PG_GETARG_PSEUDONYM_P(0), PG_GETARG_TEXT_PP(1)));
}

Datum
pseudonym_ne_text(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!equals_text(PG_GETARG_PSEUDONYM_P(0), PG_GETARG_TEXT_PP(1)));
}

Datum
text_eq_pseudonym(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(equals_text(PG_GETARG_PSEUDONYM_P(1), PG_GETARG_TEXT_PP(0)));
}

Datum
text_ne_pseudonym(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!equals_text(PG_GETARG_PSEUDONYM_P(1), PG_GETARG_TEXT_PP(0)));
}

/*
 * pseudonym = ANY (array) as a function, for the planner only (see planner.c),
 * with the nulls of the SQL construct: a null array gives null, an empty one
 * false, a null pseudonym null; no match gives null if the array holds a null.
 */
static Datum
equals_any(FunctionCallInfo fcinfo, bool is_text)
{
	ArrayType  *array;
	ArrayIterator iterator;
	Datum		element;
	bool		isnull;
	bool		saw_null = false;
	bool		found = false;

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	array = PG_GETARG_ARRAYTYPE_P(1);
	if (ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) == 0)
		PG_RETURN_BOOL(false);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();

	iterator = array_create_iterator(array, 0, NULL);
	while (!found && array_iterate(iterator, &element, &isnull))
	{
		if (isnull)
			saw_null = true;
		else if (is_text)
			found = equals_text(PG_GETARG_PSEUDONYM_P(0), DatumGetTextPP(element));
		else
			found = compare(PG_GETARG_PSEUDONYM_P(0), DatumGetPseudonymP(element)) == 0;
	}
	array_free_iterator(iterator);
	if (!found && saw_null)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(found);
}

Datum
pseudonym_any(PG_FUNCTION_ARGS)
{
	return equals_any(fcinfo, false);
}

Datum
pseudonym_any_text(PG_FUNCTION_ARGS)
{
	return equals_any(fcinfo, true);
}

/* ---- from persons and back ---- */

/*
 * Everybody may call pseudonym(), as views do it with the caller's rights, and
 * an analyst never has a person to give it.  Loaders and consent officers do,
 * from an identifier: for them it would re-identify.
 */
void
pseudonym_refuse_enrolling(void)
{
	int			duties = duty_mask();

	if (unlikely((duties & (NIJI_LOADER | NIJI_CONSENT_OFFICER)) != 0 &&
				 (duties & (NIJI_CUSTODIAN | NIJI_AUDITOR | NIJI_SUPERUSER)) == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to make a pseudonym"),
				 errdetail("Who finds persons by their identifiers does not see pseudonyms.")));
}

/* niji.pseudonym(person, domain) */
Datum
pseudonym(PG_FUNCTION_ARGS)
{
	Pseudonym  *result = palloc(sizeof(Pseudonym));

	pseudonym_refuse_enrolling();
	domain_encrypt(PG_GETARG_INT32(1), CLASS_PERSON, PG_GETARG_INT32(0), result->bytes);
	PG_RETURN_PSEUDONYM_P(result);
}

/*
 * niji.pseudonym(code, domain, of_row): an institution's.  There are few
 * institutions, so whoever could make their pseudonyms at will could undo them
 * all; the person, which no analyst has outside of a view's row, prevents it.
 */
Datum
pseudonym_of_institution(PG_FUNCTION_ARGS)
{
	Pseudonym  *result = palloc(sizeof(Pseudonym));

	pseudonym_refuse_enrolling();
	domain_encrypt(PG_GETARG_INT32(1), CLASS_INSTITUTION, PG_GETARG_INT64(0), result->bytes);
	PG_RETURN_PSEUDONYM_P(result);
}

/*
 * niji.person_of(pseudonym, domain): for custodians and auditors.  What is not a person's pseudonym of this domain is an error
 * rather than null, so that a list that was mixed up is noticed.
 */
Datum
person_of(PG_FUNCTION_ARGS)
{
	int			domain = PG_GETARG_INT32(1);
	PseudonymClass class;
	int64		value;

	duty_require(NIJI_CUSTODIAN | NIJI_AUDITOR, "find the person behind a pseudonym");
	domain_require(domain);
	if (!domain_decrypt(domain, PG_GETARG_PSEUDONYM_P(0)->bytes, &class, &value) ||
		class != CLASS_PERSON || value <= 0 || value > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("not a person's pseudonym of domain %d", domain)));
	PG_RETURN_INT32((int32) value);
}
