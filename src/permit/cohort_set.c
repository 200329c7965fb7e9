/*
 * cohort_set.c
 *    Cohorts as bitmaps: read by a snapshot, kept by a backend.
 *
 * A cohort has versions, and a version never changes: what changes is which
 * one the row in niji.cohort names.  So a statement probes that row with its
 * own snapshot, which costs a few microseconds and is exact under every
 * isolation level, and a version's bits that the backend has loaded before are
 * right for whoever sees that version; nothing has to be invalidated.  Numbers
 * of versions come from a sequence, which no rollback sets back, so two
 * versions never share one.  (A database into which niji was created anew may
 * count from 1 again: a change of the table's oid empties the cache.)
 *
 * niji.cohort_chunk holds, for each chunk of 65 536 persons, the versions in
 * which it changed: a version's chunk is the newest row that is not newer than
 * the version.  A merge of two persons thus writes one chunk, not the cohort.
 *
 * The tables are read by scans of our own, since this happens inside an
 * analyst's statement, who has no right to them, and in parallel workers.
 * Columns are known by their position in control/install/69-permit-cohorts.sql.
 *
 * Memory: what a session keeps of cohorts is bounded by niji.consent_memory;
 * sets that the running client statement has not used are dropped first.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/person_chunk.h"
#include "base/settings.h"
#include "miscadmin.h"
#include "permit/cohort.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* niji.cohort */
enum
{
	COHORT_ID = 1,
	COHORT_PERMIT = 2,
	COHORT_VERSION = 3,
	COHORT_PERSONS = 4
};

/* niji.cohort_chunk */
enum
{
	CHUNK_COHORT = 1,
	CHUNK_CHUNK = 2,
	CHUNK_VERSION = 3,
	CHUNK_PERSONS = 4
};

uint64		cohort_epoch = 1;

static MemoryContext sets_context = NULL;
static CohortSet *sets = NULL;
static Oid	sets_relid = InvalidOid;	/* of niji.cohort_chunk */

static Relation
open_table(const char *name)
{
	Oid			relid = catalog_relation(name);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table niji.%s does not exist", name)));
	return table_open(relid, AccessShareLock);
}

bool
cohort_read(int cohort, Snapshot snapshot, CohortInfo *info)
{
	Relation	rel = open_table("cohort");
	TupleDesc	desc = RelationGetDescr(rel);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		isnull;

	ScanKeyInit(&key, COHORT_ID, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(cohort));
	scan = systable_beginscan(rel, catalog_relation("cohort_pkey"), true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		info->permit = DatumGetInt32(heap_getattr(tuple, COHORT_PERMIT, desc, &isnull));
		info->version = DatumGetInt64(heap_getattr(tuple, COHORT_VERSION, desc, &isnull));
		info->persons = DatumGetInt64(heap_getattr(tuple, COHORT_PERSONS, desc, &isnull));
	}
	systable_endscan(scan);
	table_close(rel, NoLock);
	return HeapTupleIsValid(tuple);
}

void
cohort_load(int cohort, int64 version, Snapshot snapshot, PersonSet *into)
{
	Relation	rel;
	Relation	index;
	TupleDesc	desc;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (version == 0)
		return;
	rel = open_table("cohort_chunk");
	index = index_open(catalog_relation("cohort_chunk_pkey"), AccessShareLock);
	desc = RelationGetDescr(rel);
	ScanKeyInit(&key, CHUNK_COHORT, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(cohort));
	scan = systable_beginscan_ordered(rel, index, snapshot, 1, &key);

	/* of one chunk the older rows come first */
	while ((tuple = systable_getnext_ordered(scan, ForwardScanDirection)) != NULL)
	{
		bool		isnull;
		uint32		chunk = (uint32) DatumGetInt32(heap_getattr(tuple, CHUNK_CHUNK, desc, &isnull));
		bytea	   *kept;

		CHECK_FOR_INTERRUPTS();
		if (DatumGetInt64(heap_getattr(tuple, CHUNK_VERSION, desc, &isnull)) > version)
			continue;
		if (chunk >= PERSON_CHUNKS)
			elog(ERROR, "niji.cohort_chunk has an impossible chunk");
		if (chunk >= into->nchunks || into->chunks[chunk] == NULL)
			person_set_grow(into, chunk);
		kept = DatumGetByteaPP(heap_getattr(tuple, CHUNK_PERSONS, desc, &isnull));
		if (!person_chunk_decode(kept, into->chunks[chunk]))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("cohort %d is damaged", cohort),
					 errdetail("A bitmap in niji.cohort_chunk cannot be read.")));
	}
	systable_endscan_ordered(scan);
	index_close(index, NoLock);
	table_close(rel, NoLock);
}

/* ---- what the backend keeps ---- */

static uint64
current_statement(void)
{
	return (uint64) GetCurrentStatementStartTimestamp();
}

static void
drop_set(CohortSet *set)
{
	for (CohortSet **link = &sets; *link; link = &(*link)->next)
		if (*link == set)
		{
			*link = set->next;
			break;
		}
	cohort_epoch++;
	MemoryContextDelete(set->context);
}

/* drops what is not needed now until there is room for a set that takes this much; 53200 if there is none */
static void
make_room(Size wanted)
{
	Size		limit = (Size) niji_consent_memory * 1024;

	while (MemoryContextMemAllocated(sets_context, true) + wanted > limit)
	{
		CohortSet  *oldest = NULL;

		for (CohortSet *set = sets; set; set = set->next)
			if (set->used != current_statement() && (oldest == NULL || set->used < oldest->used))
				oldest = set;
		if (oldest == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("cohorts need more than niji.consent_memory"),
					 errhint("Raise niji.consent_memory and restart the server.")));
		drop_set(oldest);
	}
}

CohortSet *
cohort_get(int cohort, Snapshot snapshot)
{
	CohortInfo	info;
	CohortSet  *set;
	MemoryContext context;

	if (snapshot->snapshot_type != SNAPSHOT_MVCC)
		elog(ERROR, "cohorts cannot be judged by a snapshot of type %d", snapshot->snapshot_type);
	if (!cohort_read(cohort, snapshot, &info))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no cohort %d", cohort)));
	if (sets_context == NULL)
		sets_context = AllocSetContextCreate(TopMemoryContext, "niji cohorts", ALLOCSET_DEFAULT_SIZES);
	if (sets_relid != catalog_relation("cohort_chunk"))
	{
		while (sets)
			drop_set(sets);
		sets_relid = catalog_relation("cohort_chunk");
	}
	for (set = sets; set; set = set->next)
		if (set->cohort == cohort && set->version == info.version)
		{
			set->used = current_statement();
			return set;
		}

	/* an error while it is loaded takes it away with the current context */
	context = AllocSetContextCreate(CurrentMemoryContext, "niji cohort", ALLOCSET_DEFAULT_SIZES);
	set = MemoryContextAllocZero(context, sizeof(CohortSet));
	set->context = context;
	set->cohort = cohort;
	set->version = info.version;
	set->permit = info.permit;
	set->persons = person_set_create(context);
	cohort_load(cohort, info.version, snapshot, set->persons);
	make_room(MemoryContextMemAllocated(context, true));
	set->used = current_statement();
	MemoryContextSetParent(context, sets_context);
	set->next = sets;
	sets = set;
	return set;
}

static void
transaction_end(XactEvent event, void *arg)
{
	cohort_epoch++;
}

static void
subtransaction_end(SubXactEvent event, SubTransactionId mySubid, SubTransactionId parentSubid,
				   void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		cohort_epoch++;
}

void
cohort_init(void)
{
	RegisterXactCallback(transaction_end, NULL);
	RegisterSubXactCallback(subtransaction_end, NULL);
}
