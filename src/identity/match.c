/*
 * match.c
 *    Whose identifiers of a list are, for who is told numbers only.
 *
 * niji.match_identifiers() is the linker's part in a list of people that an
 * applicant supplies: it gives the persons to niji.load_cohort(), which tells
 * its caller how many there were.  Nothing is enrolled and nothing is kept of
 * the identifiers.
 *
 * An identifier is ambiguous if it belonged to several persons in its time (a
 * number that is used again): which of them is meant a list does not say, so
 * none is taken.  Such digests have rows beyond their first (see lookup.c);
 * where niji.identifier has none at all, nobody is asked about.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/duty.h"
#include "base/shmem.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "identity/enrol.h"
#include "identity/lookup.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(match_identifiers);
PG_FUNCTION_INFO_V1(load_cohort);

/* of the rows of one digest in an index: whether they and those seen before are of two persons */
static bool
points_elsewhere(IndexScanDesc scan, TupleTableSlot *slot, ScanKey keys, char *value,
				 const uint8 *digests, int newest, int32 *seen)
{
	for (int generation = newest; generation >= 1; generation--)
	{
		keys[1].sk_argument = Int16GetDatum(generation);
		memcpy(VARDATA(value), digests + (generation - 1) * DIGEST_LENGTH, DIGEST_LENGTH);
		index_rescan(scan, keys, 3, NULL, 0);
		while (index_getnext_slot(scan, ForwardScanDirection, slot))
		{
			bool		isnull;
			int32		person = DatumGetInt32(slot_getattr(slot, IDENTIFIER_PERSON, &isnull));

			if (*seen != 0 && *seen != person)
				return true;
			*seen = person;
		}
	}
	return false;
}

/*
 * Says which identifiers are ambiguous.  Only who has a further row has any
 * beside the first, which may be of somebody else.
 */
static void
find_ambiguous(const Batch *batch, bool *ambiguous)
{
	Relation	heap = table_open(catalog_relation("identifier"), AccessShareLock);
	Relation	first = index_open(catalog_relation("identifier_digest"), AccessShareLock);
	Relation	later = index_open(catalog_relation("identifier_later"), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	char		value[VARHDRSZ + DIGEST_LENGTH];
	ScanKeyData keys[3];

	/* an index that holds nothing has its first page only */
	if (RelationGetNumberOfBlocks(later) > 1)
	{
		IndexScanDesc scan_first = niji_index_beginscan(heap, first, snapshot, 3);
		IndexScanDesc scan_later = niji_index_beginscan(heap, later, snapshot, 3);

		ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_BYTEAEQ, PointerGetDatum(value));
		ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(0));
		ScanKeyInit(&keys[2], 3, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(batch->kind));
		SET_VARSIZE(value, VARHDRSZ + DIGEST_LENGTH);
		for (int i = 0; i < batch->n; i++)
		{
			const uint8 *digests = batch->digests + (Size) i * batch->newest * DIGEST_LENGTH;
			int32		seen = 0;

			CHECK_FOR_INTERRUPTS();
			if (batch->persons[i] == 0)
				continue;
			ambiguous[i] = points_elsewhere(scan_later, slot, keys, value, digests, batch->newest, &seen) ||
				(seen != 0 && points_elsewhere(scan_first, slot, keys, value, digests, batch->newest, &seen));
		}
		index_endscan(scan_first);
		index_endscan(scan_later);
	}
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	index_close(later, AccessShareLock);
	index_close(first, AccessShareLock);
	table_close(heap, AccessShareLock);
}

/*
 * niji.match_identifiers(kind text, identifiers text[], out persons niji.person[],
 * out matched bigint, out unmatched bigint, out ambiguous bigint, out refused bigint)
 */
Datum
match_identifiers(PG_FUNCTION_ARGS)
{
	IdentifierBatch in;
	TupleDesc	desc;
	Datum		values[5];
	bool		nulls[5] = {false};
	int64		matched = 0;
	int64		unmatched = 0;
	int64		refused = 0;
	int64		several = 0;
	int			n = 0;
	Datum	   *persons;

	HIDE_STATEMENT();
	niji_require_preload();
	niji_require_database();
	duty_require(NIJI_GOVERNANCE, "match a list of identifiers");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("matching needs a kind and identifiers")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "match_identifiers was called where a row is not accepted");
	identifiers_begin(&in, PG_GETARG_DATUM(0), PG_GETARG_ARRAYTYPE_P(1), true);
	persons = palloc(Max(in.batch.n, 1) * sizeof(Datum));
	if (in.batch.n > 0)
	{
		bool	   *ambiguous = palloc0(in.batch.n * sizeof(bool));

		identifiers_digest(&in, store_begin());
		store_find(&in.batch);
		find_ambiguous(&in.batch, ambiguous);
		for (int i = 0; i < in.batch.n; i++)
		{
			/* a null, or an identifier that breaks a rule, has no canonical form */
			if (!in.batch.present[i])
				refused++;
			else if (in.batch.persons[i] == 0)
				unmatched++;
			else if (ambiguous[i])
				several++;
			else
			{
				matched++;
				persons[n++] = Int32GetDatum(in.batch.persons[i]);
			}
		}
	}
	values[0] = PointerGetDatum(construct_array(persons, n, catalog_type("person"), sizeof(int32), true,
												TYPALIGN_INT));
	values[1] = Int64GetDatum(matched);
	values[2] = Int64GetDatum(unmatched);
	values[3] = Int64GetDatum(several);
	values[4] = Int64GetDatum(refused);
	SHOW_STATEMENT();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * niji.load_cohort(permit text, name text, kind text, identifiers text[]): calls niji.add_to_cohort(), so
 * that the statement, which holds identifiers, stays out of the server's log whatever goes wrong
 */
Datum
load_cohort(PG_FUNCTION_ARGS)
{
	Oid			types[4] = {TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID};
	Datum		values[4];
	char		nulls[5] = "    ";
	TupleDesc	desc;
	Datum		counts[4];
	bool		isnull[4];

	HIDE_STATEMENT();
	niji_require_preload();
	niji_require_database();
	duty_require(NIJI_GOVERNANCE, "make a cohort");
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "load_cohort was called where a row is not accepted");
	for (int i = 0; i < 4; i++)
	{
		values[i] = PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
		if (PG_ARGISNULL(i))
			nulls[i] = 'n';
	}
	SPI_connect();
	catalog_query("select a.matched, a.unmatched, a.ambiguous, a.refused from niji.add_to_cohort($1, $2, $3, $4) a",
				  4, types, values, nulls, false);
	for (int i = 0; i < 4; i++)
		counts[i] = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &isnull[i]);
	SPI_finish();
	SHOW_STATEMENT();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), counts, isnull)));
}
