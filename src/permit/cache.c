/*
 * cache.c
 *    Datasets, permits and readers, as a backend knows them.
 *
 * The gate asks for every relation of every statement whether it is protected,
 * so the answer has to be a hash lookup.  All of the three tables is kept: they
 * are small, and a change of any of them is rare.
 *
 * The tables are read with a snapshot of this moment, not with the
 * transaction's: a permit that was closed is closed for a REPEATABLE READ
 * transaction too.  They are scanned directly: no right is asked for, no
 * search_path is believed, and the executor's hooks are not entered again.
 *
 * A relation that is not a dataset itself may be a partition or an inheriting
 * child of one, at any depth.  That is looked up in pg_inherits once and
 * remembered, also when the answer is no; any relcache invalidation makes the
 * whole of that memory void, since attaching a partition above a relation
 * tells nothing about those below.
 *
 * Workspaces are schemas, known by their names; their oids are looked up again
 * whenever some schema changed.
 *
 * A role counts for a permit or as a reader only while its oid and its name
 * both fit: in another cluster an oid is somebody else.  A rename is a change
 * of pg_authid, which makes the cache stale.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "permit/cache.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* columns of the tables, in the order of 60-permit-tables.sql */
enum
{
	DATASET_ID = 1, DATASET_NAME, DATASET_RELATION, DATASET_PERSON_COLUMNS, DATASET_HOLDER,
	DATASET_HOLDER_COLUMN, DATASET_CATEGORY, DATASET_LEGAL_BASIS, DATASET_DATE_COLUMN, DATASET_TAG_COLUMN
};
enum
{
	PERMIT_ID = 1, PERMIT_CODE, PERMIT_TITLE, PERMIT_APPLICANT, PERMIT_PURPOSE, PERMIT_STATE,
	PERMIT_DOMAIN, PERMIT_VALID_FROM, PERMIT_VALID_UNTIL, PERMIT_RENEWS, PERMIT_SCHEMA_NAME,
	PERMIT_ROLE_NAME, PERMIT_ROLE
};
enum
{
	READER_PERMIT = 1, READER_ROLE, READER_ROLE_NAME
};
enum
{
	DATA_PERMIT = 1, DATA_DATASET
};
enum
{
	WORKSPACE_PERMIT = 1, WORKSPACE_SCHEMA_NAME
};

typedef struct RelationEntry
{
	Oid			relid;			/* key */
	PermitDataset *dataset;		/* NULL: not protected */
	int			workspace;		/* of which permit, or 0 */
} RelationEntry;

typedef struct WorkspaceEntry
{
	int			permit;
	NameData	name;
	Oid			namespace;		/* InvalidOid: there is no such schema */
} WorkspaceEntry;

static CatalogWatch dataset_watch = {"dataset"};
static CatalogWatch permit_watch = {"permit"};
static CatalogWatch reader_watch = {"reader"};
static CatalogWatch workspace_watch = {"workspace"};

/* it changes only while permits are drafts, and granting changes niji.permit */
static CatalogWatch data_watch = {"permit_data"};

static MemoryContext cache_context = NULL;	/* of everything below */
static bool loaded = false;
static bool relations_stale = true;
static bool roles_stale = true;
static bool schemas_stale = true;
static List *workspaces = NIL;	/* of WorkspaceEntry */
static List *datasets = NIL;
static List *domains = NIL;		/* of all permits, also of those that ended */
static HTAB *permits = NULL;	/* of PermitInfo, by role */
static HTAB *relations = NULL;	/* of RelationEntry */

typedef void (*RowReader) (TupleTableSlot *slot);

static void
scan(CatalogWatch *watch, RowReader read_row)
{
	Relation	rel;
	TableScanDesc desc;
	TupleTableSlot *slot;
	Snapshot	snapshot;

	/* what changes from here on makes it stale again */
	watch->relid = catalog_relation(watch->relation);
	watch->stale = false;
	if (!OidIsValid(watch->relid))
		return;
	rel = table_open(watch->relid, AccessShareLock);
	slot = table_slot_create(rel, NULL);
	/* not GetLatestSnapshot(), which parallel workers may not have */
	snapshot = RegisterSnapshot(GetCatalogSnapshot(watch->relid));
	desc = table_beginscan(rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(desc, ForwardScanDirection, slot))
		read_row(slot);
	table_endscan(desc);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
}

static bool
role_fits(Oid role, const char *name)
{
	char	   *actual = OidIsValid(role) ? GetUserNameFromId(role, true) : NULL;

	return actual != NULL && strcmp(actual, name) == 0;
}

static void
read_dataset(TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(cache_context);
	PermitDataset *dataset = palloc(sizeof(PermitDataset));
	bool		isnull;
	ArrayType  *persons;
	Datum		tag_column;

	dataset->id = DatumGetInt32(slot_getattr(slot, DATASET_ID, &isnull));
	dataset->name = TextDatumGetCString(slot_getattr(slot, DATASET_NAME, &isnull));
	dataset->relid = DatumGetObjectId(slot_getattr(slot, DATASET_RELATION, &isnull));
	persons = DatumGetArrayTypeP(slot_getattr(slot, DATASET_PERSON_COLUMNS, &isnull));
	dataset->persons = ArrayGetNItems(ARR_NDIM(persons), ARR_DIMS(persons));
	tag_column = slot_getattr(slot, DATASET_TAG_COLUMN, &isnull);
	dataset->tag_column = isnull ? NULL : pstrdup(NameStr(*DatumGetName(tag_column)));
	datasets = lappend(datasets, dataset);
	MemoryContextSwitchTo(old);
}

static void
read_permit(TupleTableSlot *slot)
{
	bool		norole;
	bool		noname;
	bool		isnull;
	Oid			role = DatumGetObjectId(slot_getattr(slot, PERMIT_ROLE, &norole));
	Datum		name = slot_getattr(slot, PERMIT_ROLE_NAME, &noname);
	bool		nodomain;
	int			domain = DatumGetInt32(slot_getattr(slot, PERMIT_DOMAIN, &nodomain));
	PermitInfo *permit;
	MemoryContext old;

	if (!nodomain)
	{
		old = MemoryContextSwitchTo(cache_context);
		domains = list_append_unique_int(domains, domain);
		MemoryContextSwitchTo(old);
	}
	if (norole || noname || !role_fits(role, NameStr(*DatumGetName(name))))
		return;
	permit = hash_search(permits, &role, HASH_ENTER, NULL);
	permit->id = DatumGetInt32(slot_getattr(slot, PERMIT_ID, &isnull));
	permit->domain = DatumGetInt32(slot_getattr(slot, PERMIT_DOMAIN, &isnull));
	permit->valid_from = DatumGetDateADT(slot_getattr(slot, PERMIT_VALID_FROM, &isnull));
	permit->valid_until = DatumGetDateADT(slot_getattr(slot, PERMIT_VALID_UNTIL, &isnull));
	permit->readers = NIL;
	permit->data = NIL;
	old = MemoryContextSwitchTo(cache_context);
	permit->code = TextDatumGetCString(slot_getattr(slot, PERMIT_CODE, &isnull));
	permit->state = TextDatumGetCString(slot_getattr(slot, PERMIT_STATE, &isnull));
	MemoryContextSwitchTo(old);
}

static PermitInfo *
find_permit(int id)
{
	HASH_SEQ_STATUS all;
	PermitInfo *permit;

	hash_seq_init(&all, permits);
	while ((permit = hash_seq_search(&all)) != NULL)
		if (permit->id == id)
		{
			hash_seq_term(&all);
			return permit;
		}
	return NULL;
}

static void
read_reader(TupleTableSlot *slot)
{
	bool		isnull;
	PermitInfo *permit = find_permit(DatumGetInt32(slot_getattr(slot, READER_PERMIT, &isnull)));
	Oid			role = DatumGetObjectId(slot_getattr(slot, READER_ROLE, &isnull));
	char	   *name = NameStr(*DatumGetName(slot_getattr(slot, READER_ROLE_NAME, &isnull)));
	MemoryContext old = MemoryContextSwitchTo(cache_context);

	if (permit && role_fits(role, name))
		permit->readers = lappend_oid(permit->readers, role);
	MemoryContextSwitchTo(old);
}

static void
read_data(TupleTableSlot *slot)
{
	bool		isnull;
	PermitInfo *permit = find_permit(DatumGetInt32(slot_getattr(slot, DATA_PERMIT, &isnull)));
	MemoryContext old = MemoryContextSwitchTo(cache_context);

	if (permit)
		permit->data = lappend_int(permit->data, DatumGetInt32(slot_getattr(slot, DATA_DATASET, &isnull)));
	MemoryContextSwitchTo(old);
}

static void
read_workspace(TupleTableSlot *slot)
{
	bool		isnull;
	MemoryContext old = MemoryContextSwitchTo(cache_context);
	WorkspaceEntry *workspace = palloc0(sizeof(WorkspaceEntry));

	workspace->permit = DatumGetInt32(slot_getattr(slot, WORKSPACE_PERMIT, &isnull));
	workspace->name = *DatumGetName(slot_getattr(slot, WORKSPACE_SCHEMA_NAME, &isnull));
	workspaces = lappend(workspaces, workspace);
	MemoryContextSwitchTo(old);
}

static void
make_relations(void)
{
	HASHCTL		ctl = {0};

	if (relations)
		hash_destroy(relations);
	relations = NULL;
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(RelationEntry);
	ctl.hcxt = cache_context;
	relations_stale = false;
	relations = hash_create("niji relations", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
refresh(void)
{
	HASHCTL		ctl = {0};

	if (likely(loaded && !dataset_watch.stale && !permit_watch.stale && !reader_watch.stale &&
			   !workspace_watch.stale && !roles_stale))
		return;

	/* an error below leaves nothing half read behind: the next statement reads anew */
	loaded = false;
	relations = NULL;
	permits = NULL;
	datasets = NIL;
	domains = NIL;
	workspaces = NIL;
	schemas_stale = true;
	if (cache_context)
		MemoryContextReset(cache_context);
	else
		cache_context = AllocSetContextCreate(CacheMemoryContext, "niji permits",
											  ALLOCSET_DEFAULT_SIZES);
	roles_stale = false;
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(PermitInfo);
	ctl.hcxt = cache_context;
	permits = hash_create("niji permits", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	make_relations();
	scan(&dataset_watch, read_dataset);
	scan(&permit_watch, read_permit);
	scan(&reader_watch, read_reader);
	scan(&data_watch, read_data);
	scan(&workspace_watch, read_workspace);
	loaded = true;
}

/* the oids of the workspaces' schemas as they are now */
static void
find_schemas(void)
{
	ListCell   *lc;

	if (likely(!schemas_stale))
		return;
	schemas_stale = false;
	relations_stale = true;
	foreach(lc, workspaces)
	{
		WorkspaceEntry *workspace = lfirst(lc);

		workspace->namespace = get_namespace_oid(NameStr(workspace->name), true);
	}
}

static PermitDataset *
find_dataset(Oid relid)
{
	Relation	inherits;
	ScanKeyData key;
	SysScanDesc desc;
	HeapTuple	tuple;
	PermitDataset *found = NULL;
	ListCell   *lc;

	foreach(lc, datasets)
		if (((PermitDataset *) lfirst(lc))->relid == relid)
			return lfirst(lc);

	check_stack_depth();
	inherits = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	desc = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (found == NULL && HeapTupleIsValid(tuple = systable_getnext(desc)))
		found = find_dataset(((Form_pg_inherits) GETSTRUCT(tuple))->inhparent);
	systable_endscan(desc);
	table_close(inherits, AccessShareLock);
	return found;
}

bool
permit_cache_used(void)
{
	refresh();
	return datasets != NIL;
}

static int
find_workspace(Oid namespace)
{
	ListCell   *lc;

	foreach(lc, workspaces)
	{
		WorkspaceEntry *workspace = lfirst(lc);

		if (OidIsValid(namespace) && workspace->namespace == namespace)
			return workspace->permit;
	}
	return 0;
}

static RelationEntry *
find_relation(Oid relid)
{
	RelationEntry *entry;
	PermitDataset *dataset;
	int			workspace;

	refresh();
	if (datasets == NIL || relid < FirstNormalObjectId)
		return NULL;
	find_schemas();
	if (relations_stale || relations == NULL)
		make_relations();
	entry = hash_search(relations, &relid, HASH_FIND, NULL);
	if (entry)
		return entry;
	dataset = find_dataset(relid);
	workspace = find_workspace(get_rel_namespace(relid));
	entry = hash_search(relations, &relid, HASH_ENTER, NULL);
	entry->dataset = dataset;
	entry->workspace = workspace;
	return entry;
}

PermitDataset *
permit_cache_dataset(Oid relid)
{
	RelationEntry *entry = find_relation(relid);

	return entry ? entry->dataset : NULL;
}

int
permit_cache_workspace_of(Oid relid)
{
	RelationEntry *entry = find_relation(relid);

	return entry ? entry->workspace : 0;
}

int
permit_cache_workspace(Oid namespace)
{
	refresh();
	find_schemas();
	return find_workspace(namespace);
}

PermitInfo *
permit_cache_permit(int id)
{
	refresh();
	return find_permit(id);
}

PermitDataset *
permit_cache_dataset_of(int id)
{
	ListCell   *lc;

	refresh();
	foreach(lc, datasets)
		if (((PermitDataset *) lfirst(lc))->id == id)
			return lfirst(lc);
	return NULL;
}

bool
permit_cache_reader(Oid role)
{
	HASH_SEQ_STATUS all;
	PermitInfo *permit;

	refresh();
	hash_seq_init(&all, permits);
	while ((permit = hash_seq_search(&all)) != NULL)
		if (list_member_oid(permit->readers, role))
		{
			hash_seq_term(&all);
			return true;
		}
	return false;
}

PermitInfo *
permit_cache_role(Oid role)
{
	refresh();
	return OidIsValid(role) ? hash_search(permits, &role, HASH_FIND, NULL) : NULL;
}

bool
permit_cache_domain(int domain)
{
	refresh();
	return list_member_int(domains, domain);
}

static void
any_relation_changed(Datum arg, Oid relid)
{
	relations_stale = true;
}

static void
any_schema_changed(Datum arg, int cacheid, uint32 hash)
{
	schemas_stale = true;
}

static void
any_role_changed(Datum arg, int cacheid, uint32 hash)
{
	roles_stale = true;
}

void
permit_cache_init(void)
{
	catalog_watch(&dataset_watch);
	catalog_watch(&permit_watch);
	catalog_watch(&reader_watch);
	catalog_watch(&workspace_watch);
	catalog_watch(&data_watch);
	CacheRegisterRelcacheCallback(any_relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, any_role_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, any_schema_changed, (Datum) 0);
}
