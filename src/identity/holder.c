/*
 * holder.c
 *    Whom a holder means by its identifiers, without enrolling anybody.
 *
 * niji.known_persons() is niji.find_person() for a list, for functions that
 * answer a loader in pseudonyms; it is granted to nobody, since a loader sees
 * no person.
 */
#include "postgres.h"

#include "access/table.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/duty.h"
#include "base/shmem.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "identity/digest.h"
#include "identity/enrol.h"
#include "identity/keys.h"
#include "identity/lookup.h"
#include "identity/older.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(known_persons);

/* niji.known_persons(kind text, identifiers text[]): in order, null for null and for who is unknown */
Datum
known_persons(PG_FUNCTION_ARGS)
{
	IdentifierKind kind;
	Identifier	identifier;
	Datum	   *values;
	bool	   *nulls;
	uint8	   *digests;
	Relation	heap;
	Lookup		lookup;
	MemoryContext scratch;
	int			newest;
	int			n;
	int			lower = 1;
	Oid			person_type = catalog_type("person");
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(1);

	HIDE_STATEMENT();
	niji_require_preload();
	niji_require_database();
	duty_require(NIJI_LOADER, "find persons");
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("the list of identifiers is not a one-dimensional array")));
	newest = key_newest_used();
	kind = identifier_kind(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	digests = palloc(Max(newest, 1) * DIGEST_LENGTH);
	heap = table_open(catalog_relation("identifier"), AccessShareLock);
	if (newest > 0)
		lookup_begin(&lookup, heap, GetActiveSnapshot(), kind.id, newest);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "niji identifier", ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < n; i++)
	{
		OlderDigests older = {0};
		MemoryContext old;
		text	   *value;
		int32		person = 0;

		CHECK_FOR_INTERRUPTS();
		if (nulls[i])
			continue;
		old = MemoryContextSwitchTo(scratch);
		value = DatumGetTextPP(values[i]);
		identifier_read(&kind, value, &identifier);
		identifier_require(&kind, &identifier, i + 1);
		if (newest > 0)
		{
			digest_compute(kind.id, identifier.text, identifier.length, newest, digests);
			older_add(&older, &kind, &identifier, value, newest, 0);
			person = older_lookup(&older, &lookup, 0, NULL);
			if (person == 0)
				person = lookup_person(&lookup, digests, NULL);
		}
		nulls[i] = person == 0;
		values[i] = Int32GetDatum(person);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
	}
	if (newest > 0)
		lookup_end(&lookup);
	table_close(heap, AccessShareLock);
	SHOW_STATEMENT();
	if (n == 0)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(person_type));
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, 1, &n, &lower, person_type, sizeof(int32), true, TYPALIGN_INT));
}
