/*
 * surrogate.c
 *    Types niji.physician, niji.record, niji.household: what has a pseudonym
 *    besides persons and institutions.
 *
 * A code of a physician, a record or a household is not stored where it need
 * not be: a table (niji.surrogate) knows its keyed digest and gives it a
 * number, the surrogate, and a dataset holds that.  A permit shows it as a
 * pseudonym of its class.
 *
 * As with persons, anybody may call niji.pseudonym() on one, since views do it
 * with the caller's rights, and what keeps this harmless is that an analyst
 * never has a value.  There are few physicians, so these types are stricter
 * than niji.person: only superusers enter or show one, and there is no cast to
 * or from a number.  Operators are those of int8.
 *
 * Digests are made as those of identifiers (digest.c); the ids of kinds below
 * 101 are niji's own, and 90 + class is that of a class: final.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/duty.h"
#include "fmgr.h"
#include "identity/digest.h"
#include "identity/domain.h"
#include "identity/keys.h"
#include "identity/person.h"
#include "identity/pseudonym.h"
#include "identity/use.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(surrogate_in);
PG_FUNCTION_INFO_V1(surrogate_out);
PG_FUNCTION_INFO_V1(surrogate_recv);
PG_FUNCTION_INFO_V1(surrogate_send);
PG_FUNCTION_INFO_V1(pseudonym_of_physician);
PG_FUNCTION_INFO_V1(pseudonym_of_record);
PG_FUNCTION_INFO_V1(pseudonym_of_household);
PG_FUNCTION_INFO_V1(keyed_digest);
PG_FUNCTION_INFO_V1(surrogate_stored);

/* attribute numbers of niji.surrogate */
enum
{
	SURROGATE_CLASS = 1,
	SURROGATE_GENERATION = 2,
	SURROGATE_DIGEST = 3
};

/* before any table is read, so that dump, restore and replication depend on nothing */
static void
guard(const char *what)
{
	if (!superuser_arg(GetSessionUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to %s", what),
				 errdetail("Physicians, records and households are shown as pseudonyms only.")));
}

/* 1 to 9223372036854775807 in decimal digits; 0 when it is anything else */
static int64
parse_surrogate(const char *text)
{
	int64		value = 0;

	if (*text == '\0')
		return 0;
	for (; *text; text++)
	{
		if (*text < '0' || *text > '9' || value > (PG_INT64_MAX - (*text - '0')) / 10)
			return 0;
		value = value * 10 + (*text - '0');
	}
	return value;
}

Datum
surrogate_in(PG_FUNCTION_ARGS)
{
	int64		value;

	guard("enter a surrogate");
	value = parse_surrogate(PG_GETARG_CSTRING(0));
	if (value <= 0)
		ereturn(niji_escontext(fcinfo), (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for a surrogate"),
				 errdetail("A surrogate is a whole number from 1.")));
	PG_RETURN_INT64(value);
}

Datum
surrogate_out(PG_FUNCTION_ARGS)
{
	if (person_hidden)
		PG_RETURN_CSTRING(pstrdup("*"));
	guard("show a surrogate");
	PG_RETURN_CSTRING(psprintf(INT64_FORMAT, PG_GETARG_INT64(0)));
}

Datum
surrogate_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buffer = (StringInfo) PG_GETARG_POINTER(0);
	int64		value;

	guard("enter a surrogate");
	value = pq_getmsgint64(buffer);
	if (value <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid external value for a surrogate")));
	PG_RETURN_INT64(value);
}

Datum
surrogate_send(PG_FUNCTION_ARGS)
{
	StringInfoData buffer;

	guard("show a surrogate");
	pq_begintypsend(&buffer);
	pq_sendint64(&buffer, PG_GETARG_INT64(0));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

/* ---- pseudonyms ---- */

static Datum
make_pseudonym(FunctionCallInfo fcinfo, PseudonymClass class)
{
	Pseudonym  *result = palloc(sizeof(Pseudonym));

	use_require_make(PG_GETARG_INT32(1));
	domain_encrypt(PG_GETARG_INT32(1), class, PG_GETARG_INT64(0), result->bytes);
	PG_RETURN_PSEUDONYM_P(result);
}

/* niji.pseudonym(physician, domain) and the like */
Datum
pseudonym_of_physician(PG_FUNCTION_ARGS)
{
	return make_pseudonym(fcinfo, CLASS_PHYSICIAN);
}

Datum
pseudonym_of_record(PG_FUNCTION_ARGS)
{
	return make_pseudonym(fcinfo, CLASS_RECORD);
}

Datum
pseudonym_of_household(PG_FUNCTION_ARGS)
{
	return make_pseudonym(fcinfo, CLASS_HOUSEHOLD);
}

/* ---- digests ---- */

/* niji.keyed_digest(kind, canonical text, generation): of one generation, for queries over many */
Datum
keyed_digest(PG_FUNCTION_ARGS)
{
	int			kind = PG_GETARG_INT32(0);
	text	   *canonical = PG_GETARG_TEXT_PP(1);
	int			generation = PG_GETARG_INT32(2);
	uint8	   *digests;
	bytea	   *result;

	if (generation < 1 || generation > key_current_generation())
		elog(ERROR, "there is no such generation");
	digests = palloc(generation * DIGEST_LENGTH);
	digest_compute(kind, VARDATA_ANY(canonical), VARSIZE_ANY_EXHDR(canonical), generation, digests);
	result = palloc(VARHDRSZ + DIGEST_LENGTH);
	SET_VARSIZE(result, VARHDRSZ + DIGEST_LENGTH);
	memcpy(VARDATA(result), digests + (generation - 1) * DIGEST_LENGTH, DIGEST_LENGTH);
	PG_RETURN_BYTEA_P(result);
}

/* niji.surrogate_stored(class, canonical text): by what is committed now, whatever the transaction's snapshot */
Datum
surrogate_stored(PG_FUNCTION_ARGS)
{
	int			class = PG_GETARG_INT32(0);
	text	   *canonical = PG_GETARG_TEXT_PP(1);
	int			newest = key_current_generation();
	uint8	   *digests = palloc(newest * DIGEST_LENGTH);
	char		value[VARHDRSZ + DIGEST_LENGTH];
	Relation	heap = table_open(catalog_relation("surrogate"), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool		found = false;

	digest_compute(90 + class, VARDATA_ANY(canonical), VARSIZE_ANY_EXHDR(canonical), newest, digests);
	SET_VARSIZE(value, sizeof(value));
	for (int generation = 1; generation <= newest && !found; generation++)
	{
		ScanKeyData key[3];
		SysScanDesc scan;

		memcpy(value + VARHDRSZ, digests + (generation - 1) * DIGEST_LENGTH, DIGEST_LENGTH);
		ScanKeyInit(&key[0], SURROGATE_CLASS, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(class));
		ScanKeyInit(&key[1], SURROGATE_GENERATION, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(generation));
		ScanKeyInit(&key[2], SURROGATE_DIGEST, BTEqualStrategyNumber, F_BYTEAEQ, PointerGetDatum(value));
		scan = systable_beginscan(heap, catalog_relation("surrogate_digest"), true, snapshot, 3, key);
		found = HeapTupleIsValid(systable_getnext(scan));
		systable_endscan(scan);
	}
	UnregisterSnapshot(snapshot);
	table_close(heap, AccessShareLock);
	PG_RETURN_BOOL(found);
}
