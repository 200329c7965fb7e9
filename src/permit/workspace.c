/*
 * workspace.c
 *    Tables of readers' own: who may use them, and from whom they were made.
 *
 * A table in a workspace is a copy of protected data, whoever made it and how.
 * So the gate treats it as it treats a dataset: a statement that names one is a
 * statement under the permit, is recorded, and binds its session.  Two things
 * let an objection reach the copy:
 *
 * - Its columns of type niji.pseudonym are under niji.permitted_pseudonym(), row
 *   by row, from the moment the table exists.
 *
 * - What is written in another way than "each row is made of the rows of one
 *   person, whose pseudonym it carries" (provenance.c) makes the table keep a
 *   set of persons, in niji.workspace_person.  As soon as one of them forbids the
 *   use the whole table is refused, until it is made anew.  Nothing is shown of
 *   it in between, since nobody could say which part of it is theirs.
 *
 * Whom it keeps: of a statement that the client itself sent, and whose functions
 * depend on their arguments alone, those whom that statement scanned.  Of any
 * other all whom the session has scanned until then: inside a function a value
 * can come from a variable, a cursor, a setting or the text of a statement that
 * it put together; unless the statement has neither constants nor parameters.
 * What the client sends as text is not derived from what the session saw, as far
 * as a database can know.
 *
 * Sets only grow while the table lives.  They are read as they are committed
 * now, whatever the transaction's snapshot: then they are those of the rows
 * that it sees, or larger.  They are written in the transaction that writes
 * the rows.
 *
 * Reads count for each dataset of the permit, as the filter judges by each.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/person_chunk.h"
#include "base/shmem.h"
#include "catalog/pg_type.h"
#include "consent/consent.h"
#include "consent/set.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "permit/cache.h"
#include "permit/session_set.h"
#include "permit/workspace.h"
#include "tcop/pquery.h"
#include "trail/record.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(under_workspace);

WorkspaceInto workspace_into;
int			workspace_executes = 0;

/* columns of niji.workspace_table and niji.workspace_person */
enum
{
	TABLE_RELATION = 1, TABLE_PERSON_COLUMNS
};
enum
{
	PERSON_RELATION = 1, PERSON_DATASET, PERSON_CHUNK, PERSON_PERSONS
};

/* ---- what a plan does with workspaces ---- */

int
workspace_of_plan(PlannedStmt *plan)
{
	int			permit = 0;
	ListCell   *lc;

	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);
		int			other;

		/* a view's own entry holds no rows */
		if (rte->rtekind != RTE_RELATION || rte->relkind == RELKIND_VIEW)
			continue;
		other = permit_cache_workspace_of(rte->relid);
		if (other != 0 && permit != 0 && other != permit)
			return -1;
		if (other != 0)
			permit = other;
	}
	return permit;
}

bool
workspace_holds_targets(PlannedStmt *plan, int permit)
{
	ListCell   *lc;

	foreach(lc, plan->resultRelations)
		if (permit_cache_workspace_of(rt_fetch(lfirst_int(lc), plan->rtable)->relid) != permit)
			return false;
	return plan->resultRelations != NIL;
}

/* whether the plan shows or looks at rows of the entry; an INSERT's target only if rows in conflict are looked for */
static bool
is_read(PlannedStmt *plan, RangeTblEntry *rte, int index)
{
	return plan->commandType != CMD_INSERT || !list_member_int(plan->resultRelations, index) ||
		(niji_rte_required_perms(plan, rte) & ACL_SELECT) != 0;
}

static List *
add_columns(List *columns, PlannedStmt *plan, RangeTblEntry *rte)
{
	Bitmapset  *selected = niji_rte_selected_columns(plan, rte);
	char	   *table = get_rel_name(rte->relid);
	int			bit = -1;

	while (table && (bit = bms_next_member(selected, bit)) >= 0)
	{
		AttrNumber	number = bit + FirstLowInvalidHeapAttributeNumber;
		char	   *name = number == 0 ? pstrdup("*") : get_attname(rte->relid, number, true);

		if (name)
			columns = lappend(columns, psprintf("%s.%s", table, name));
	}
	return columns;
}

List *
workspace_add_reads(PlannedStmt *plan, List *reads)
{
	int			id = workspace_of_plan(plan);
	bool		super = superuser_arg(GetSessionUserId());
	List	   *columns = NIL;
	PermitInfo *permit;
	bool		any = false;
	int			index = 0;
	List	   *data;
	Oid			role;
	ListCell   *lc;

	if (id <= 0)
		return reads;
	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		index++;
		if (rte->rtekind != RTE_RELATION || permit_cache_workspace_of(rte->relid) == 0 ||
			!is_read(plan, rte, index))
			continue;
		any = true;
		columns = add_columns(columns, plan, rte);
	}
	permit = permit_cache_permit(id);
	if (!any || permit == NULL)
		return reads;			/* of a permit that has ended: the gate refuses */
	data = list_copy(permit->data);
	role = permit->role;
	foreach(lc, data)
	{
		PermitDataset *dataset = permit_cache_dataset_of(lfirst_int(lc));
		NijiRead   *read;

		if (dataset == NULL)
			continue;
		read = palloc0(sizeof(NijiRead));
		read->dataset = dataset->id;
		read->name = pstrdup(dataset->name);
		read->relid = dataset->relid;
		read->permit = super ? 0 : id;
		read->role = super ? InvalidOid : role;
		read->columns = columns;
		read->workspace = true;
		reads = lappend(reads, read);
	}
	return reads;
}

/* ---- sets that tables keep ---- */

static SysScanDesc
scan_kept(Relation kept, Oid relid, Snapshot *snapshot)
{
	ScanKeyData key;

	/* as a catalog is read: what is committed now, and one's own; allowed in parallel mode */
	*snapshot = RegisterSnapshot(GetCatalogSnapshot(RelationGetRelid(kept)));
	ScanKeyInit(&key, PERSON_RELATION, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	return systable_beginscan(kept, catalog_relation("workspace_person_relation"), true, *snapshot, 1, &key);
}

static bool
has_kept(Oid relid)
{
	Relation	kept = table_open(catalog_relation("workspace_person"), AccessShareLock);
	Snapshot	snapshot;
	SysScanDesc scan = scan_kept(kept, relid, &snapshot);
	bool		found = HeapTupleIsValid(systable_getnext(scan));

	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(kept, AccessShareLock);
	return found;
}

static PersonSet *
set_of(List **sets, int dataset)
{
	ListCell   *lc;
	SessionSet *one;

	foreach(lc, *sets)
		if (((SessionSet *) lfirst(lc))->dataset == dataset)
			return ((SessionSet *) lfirst(lc))->persons;
	one = palloc(sizeof(SessionSet));
	one->dataset = dataset;
	one->persons = person_set_create(CurrentMemoryContext);
	*sets = lappend(*sets, one);
	return one->persons;
}

/* the persons that a table keeps: List of SessionSet in the current context */
static List *
load_kept(Oid relid)
{
	Relation	kept = table_open(catalog_relation("workspace_person"), AccessShareLock);
	Snapshot	snapshot;
	SysScanDesc scan = scan_kept(kept, relid, &snapshot);
	List	   *sets = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		TupleDesc	desc = RelationGetDescr(kept);
		PersonSet  *set = set_of(&sets, DatumGetInt32(heap_getattr(tuple, PERSON_DATASET, desc, &isnull)));
		uint32		chunk = DatumGetInt32(heap_getattr(tuple, PERSON_CHUNK, desc, &isnull));
		bytea	   *persons = DatumGetByteaPP(heap_getattr(tuple, PERSON_PERSONS, desc, &isnull));
		uint64		words[PERSON_CHUNK_WORDS];

		CHECK_FOR_INTERRUPTS();
		if (chunk >= PERSON_CHUNKS || !person_chunk_decode(persons, words))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("a set of persons in niji.workspace_person is damaged")));
		if (chunk >= set->nchunks || set->chunks[chunk] == NULL)
			person_set_grow(set, chunk);
		for (int word = 0; word < PERSON_CHUNK_WORDS; word++)
			set->chunks[chunk][word] |= words[word];
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(kept, AccessShareLock);
	return sets;
}

static bool
all_permit(const PersonSet *persons, const ConsentSet *consents)
{
	for (uint32 chunk = 0; chunk < persons->nchunks; chunk++)
	{
		if (persons->chunks[chunk] == NULL)
			continue;
		CHECK_FOR_INTERRUPTS();
		for (int word = 0; word < PERSON_CHUNK_WORDS; word++)
			for (uint64 bits = persons->chunks[chunk][word]; bits != 0; bits &= bits - 1)
				if (!set_test(consents, (int32) ((chunk << PERSON_CHUNK_BITS) + word * 64 +
												 pg_rightmost_one_pos64(bits)), 0))
					return false;
	}
	return true;
}

pg_noreturn static void refuse_table(NijiStatement *st, Oid relid);

static void
refuse_table(NijiStatement *st, Oid relid)
{
	trail_record_denied(st, "A table of the workspace was made from the data of somebody who now forbids it.");
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" has to be made anew", get_rel_name(relid)),
			 errdetail("Somebody from whose data it was made forbids the use by now."),
			 errhint("Drop it, and create it again from what the permit gives now.")));
}

/* the persons of a table that was made from many are scanned by whoever reads it */
static void
admit_table(NijiStatement *st, Oid relid)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "niji kept persons",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	ListCell   *lc;

	foreach(lc, load_kept(relid))
	{
		SessionSet *one = lfirst(lc);
		PermitInfo *permit = permit_cache_permit(st->permit);
		ListCell   *cell;

		/* after a renewal that does not give the dataset any more, its copies are not given either */
		if (permit == NULL || !list_member_int(permit->data, one->dataset) ||
			!all_permit(one->persons, set_get(st->permit, one->dataset, GetActiveSnapshot(), st->clock)))
			refuse_table(st, relid);
		st->kept = true;
		foreach(cell, st->reads)
		{
			NijiRead   *read = lfirst(cell);

			if (!read->workspace || read->dataset != one->dataset)
				continue;
			if (read->scanned == NULL)
				read->scanned = person_set_create(st->context);
			person_set_union(read->scanned, one->persons);
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

void
workspace_admit(NijiStatement *st)
{
	ListCell   *lc;

	if (st->query == NULL || !ActiveSnapshotSet())
		return;
	foreach(lc, st->query->plannedstmt->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_RELATION && rte->relkind != RELKIND_VIEW &&
			permit_cache_workspace_of(rte->relid) == st->permit)
			admit_table(st, rte->relid);
	}
}

/* ---- what a statement wrote ---- */

/* whether the client itself sent the statement, so that its constants and parameters are the client's */
static bool
sent_by_client(NijiStatement *st)
{
	if (workspace_executes > 0 || st->parent != NULL)
		return false;
	if (st->query->dest->mydest == DestIntoRel)
		return workspace_into.client;
	return ActivePortal != NULL && list_member_ptr(ActivePortal->stmts, st->query->plannedstmt);
}

static void
finish(NijiStatement *st)
{
	Provenance	made;
	uint32		columns;
	bool		plain;
	PlannedStmt *plan;
	ListCell   *lc;

	session_set_finish(st);
	if (st->query == NULL || st->explain_only)
		return;
	plan = st->query->plannedstmt;
	made = provenance_of_plan(plan, &columns, &plain);
	if (st->kept && made != MADE_MIXED)
		made = MADE_OF_READ;	/* the sets of what it read are among those that it scanned */
	if (!plain && !sent_by_client(st))
		made = MADE_MIXED;
	if (st->query->dest && st->query->dest->mydest == DestIntoRel)
	{
		workspace_into.made = made;
		workspace_into.columns = columns;
		workspace_into.sets = session_set_of_statement(st, TopTransactionContext);
		workspace_into.ended = true;
		return;
	}
	foreach(lc, plan->resultRelations)
	{
		Oid			relid = rt_fetch(lfirst_int(lc), plan->rtable)->relid;

		if (permit_cache_workspace_of(relid) != 0)
			workspace_keep(relid, made, columns, session_set_of_statement(st, st->context));
	}
}

bool
workspace_wants_note(Query *query)
{
	RangeTblEntry *rte;

	if (query->commandType == CMD_SELECT)
		return workspace_into.permit != 0;
	if (query->commandType == CMD_UTILITY || query->resultRelation <= 0)
		return false;
	rte = rt_fetch(query->resultRelation, query->rtable);
	return permit_cache_workspace_of(rte->relid) != 0;
}

Bitmapset *
workspace_pseudonyms(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Oid			type = catalog_type("pseudonym");
	Bitmapset  *result = NULL;

	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), i);

		if (!column->attisdropped && column->atttypid == type)
			result = bms_add_member(result, column->attnum);
	}
	table_close(rel, AccessShareLock);
	return result;
}

bool
workspace_anchors(Oid relid, bool *persons, Bitmapset **anchors)
{
	Bitmapset  *pseudonyms = workspace_pseudonyms(relid);
	Relation	rel;
	ScanKeyData key;
	Snapshot	snapshot;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		known = false;

	*anchors = NULL;
	*persons = !bms_is_empty(pseudonyms);
	if (has_kept(relid))
		return false;
	if (!*persons)
		return true;

	rel = table_open(catalog_relation("workspace_table"), AccessShareLock);
	snapshot = RegisterSnapshot(GetCatalogSnapshot(RelationGetRelid(rel)));
	ScanKeyInit(&key, TABLE_RELATION, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, niji_primary_key(rel), true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		names = heap_getattr(tuple, TABLE_PERSON_COLUMNS, RelationGetDescr(rel), &isnull);

		if (!isnull)
		{
			ArrayIterator each = array_create_iterator(DatumGetArrayTypeP(names), 0, NULL);
			Datum		name;

			known = true;
			while (array_iterate(each, &name, &isnull))
			{
				AttrNumber	number = isnull ? InvalidAttrNumber : get_attnum(relid, NameStr(*DatumGetName(name)));

				if (number > 0 && bms_is_member(number, pseudonyms))
					*anchors = bms_add_member(*anchors, number);
			}
			array_free_iterator(each);
		}
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	if (!known && bms_num_members(pseudonyms) == 1)
		*anchors = pseudonyms;
	return !bms_is_empty(*anchors);
}

/* the columns name the person of each new row; whether some still name that of every row */
static bool
narrow(Oid relid, uint32 columns)
{
	Oid			types[2] = {REGCLASSOID, INT4ARRAYOID};
	Datum	   *numbers = palloc(32 * sizeof(Datum));
	Datum		values[2];
	int			count = 0;
	bool		isnull;
	bool		result;

	for (int i = 0; i < 32; i++)
		if (columns & ((uint32) 1 << i))
			numbers[count++] = Int32GetDatum(i + 1);
	values[0] = ObjectIdGetDatum(relid);
	values[1] = PointerGetDatum(construct_array(numbers, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	SPI_connect();
	catalog_query("select niji.narrow_person_columns($1, $2)", 2, types, values, NULL, false);
	result = SPI_processed == 1 &&
		DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)) && !isnull;
	SPI_finish();
	CacheInvalidateRelcacheByRelid(relid);
	return result;
}

void
workspace_keep(Oid relid, Provenance made, uint32 columns, List *sets)
{
	List	   *known = NIL;
	bool		loaded = false;
	ListCell   *lc;

	if (made == MADE_FREE || (made == MADE_OF_ONE && narrow(relid, columns)))
		return;
	if (made == MADE_MIXED)
		sets = session_set_all();
	foreach(lc, sets)
	{
		SessionSet *one = lfirst(lc);
		PersonSet  *before;

		if (!loaded)
			known = load_kept(relid);
		loaded = true;
		before = set_of(&known, one->dataset);
		for (uint32 chunk = 0; chunk < one->persons->nchunks; chunk++)
		{
			Oid			types[4] = {REGCLASSOID, INT4OID, INT4OID, BYTEAOID};
			Datum		values[4];
			uint64		fresh = 0;
			uint64	   *words = one->persons->chunks[chunk];

			if (words == NULL)
				continue;
			for (int word = 0; word < PERSON_CHUNK_WORDS; word++)
				fresh |= words[word] & ~(chunk < before->nchunks && before->chunks[chunk] ? before->chunks[chunk][word] : 0);
			if (fresh == 0)
				continue;
			values[0] = ObjectIdGetDatum(relid);
			values[1] = Int32GetDatum(one->dataset);
			values[2] = Int32GetDatum(chunk);
			values[3] = PointerGetDatum(person_chunk_encode(words));
			SPI_connect();
			catalog_query("insert into niji.workspace_person (relation, dataset, chunk, persons) values ($1, $2, $3, $4)",
						  4, types, values, NULL, false);
			SPI_finish();
		}
	}
}

/* ---- what the policies call ---- */

typedef struct UnderWorkspace
{
	uint64		serial;
	int			permit;
	bool		answer;
} UnderWorkspace;

/* niji.under_workspace(permit int): whether the running statement was admitted to the permit's workspace */
Datum
under_workspace(PG_FUNCTION_ARGS)
{
	UnderWorkspace *call = fcinfo->flinfo->fn_extra;
	NijiStatement *st = statement_admitted();
	int			permit = PG_GETARG_INT32(0);

	if (unlikely(call == NULL || call->serial != (st ? st->serial : 0) || call->permit != permit))
	{
		niji_require_preload();
		if (call == NULL)
			call = fcinfo->flinfo->fn_extra = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(UnderWorkspace));
		call->serial = st ? st->serial : 0;
		call->permit = permit;
		/* a worker's statement was admitted in its leader */
		call->answer = st != NULL && st->permit == permit && st->query != NULL &&
			workspace_of_plan(st->query->plannedstmt) == permit;
	}
	PG_RETURN_BOOL(call->answer);
}

/* consent asks for what a permit gives */
static bool
permit_data(int id, int *domain, List **datasets)
{
	PermitInfo *permit = permit_cache_permit(id);
	List	   *all;
	ListCell   *lc;

	if (permit == NULL)
		return false;
	*domain = permit->domain;
	all = list_copy(permit->data);
	foreach(lc, all)
	{
		PermitDataset *dataset = permit_cache_dataset_of(lfirst_int(lc));

		if (dataset && dataset->persons > 0)
			*datasets = lappend_int(*datasets, lfirst_int(lc));
	}
	list_free(all);
	return true;
}

void
workspace_init(void)
{
	session_set_init();
	niji_gate.finish = finish;
	niji_gate.forget = session_set_forget;
	niji_gate.worker_end = session_set_worker_end;
	consent_permit_data = permit_data;
}
