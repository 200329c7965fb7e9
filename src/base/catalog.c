/*
 * catalog.c
 *    Looking up niji's own objects, and reading its tables as their owner.
 *
 * Caches of niji's tables are kept in step as catalog caches are: a change of
 * the table sends a relcache invalidation at commit (see niji.invalidate()),
 * which every backend receives before its next statement.  A watch whose
 * table is not known yet is stale after any relcache reset.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/*
 * Relations and types of niji that were looked up by name, which each statement
 * does several times.  Forgotten when a relation's or a type's catalog rows change.
 */
#define KNOWN_SIZE 128

typedef struct Known
{
	Oid			oid;			/* InvalidOid: unused */
	bool		type;
	char		name[NAMEDATALEN];
} Known;

static Known known[KNOWN_SIZE];
static CatalogWatch *watches = NULL;
static bool catalog_watching = false;

PG_FUNCTION_INFO_V1(invalidate);

Oid
catalog_namespace(void)
{
	return get_namespace_oid("niji", true);
}

static Oid
look_up(const char *name, bool type)
{
	Oid			namespace = catalog_namespace();

	if (!OidIsValid(namespace))
		return InvalidOid;
	if (!type)
		return get_relname_relid(name, namespace);
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name),
						   ObjectIdGetDatum(namespace));
}

static Oid
known_oid(const char *name, bool type)
{
	uint32		hash = type;
	Known	   *entry;
	Oid			oid;

	for (const char *p = name; *p; p++)
		hash = hash * 31 + (unsigned char) *p;
	entry = &known[hash % KNOWN_SIZE];
	if (OidIsValid(entry->oid) && entry->type == type && strcmp(entry->name, name) == 0)
		return entry->oid;

	/* an invalidation that arrives while it is looked up finds the entry empty */
	entry->oid = InvalidOid;
	oid = look_up(name, type);
	if (OidIsValid(oid) && catalog_watching && strlen(name) < NAMEDATALEN)
	{
		strlcpy(entry->name, name, NAMEDATALEN);
		entry->type = type;
		entry->oid = oid;
	}
	return oid;
}

Oid
catalog_relation(const char *name)
{
	return known_oid(name, false);
}

Oid
catalog_type(const char *name)
{
	return known_oid(name, true);
}

Oid
catalog_owner(void)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			owner = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("niji"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension niji is not in this database"),
				 errhint("Run CREATE EXTENSION niji.")));
	return owner;
}

static void
relation_changed(Datum arg, Oid relid)
{
	for (int i = 0; i < KNOWN_SIZE; i++)
		if (!known[i].type && (relid == InvalidOid || known[i].oid == relid))
			known[i].oid = InvalidOid;
	for (CatalogWatch *watch = watches; watch; watch = watch->next)
		if (relid == InvalidOid || watch->relid == InvalidOid || watch->relid == relid)
			watch->stale = true;
}

static void
names_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	for (int i = 0; i < KNOWN_SIZE; i++)
		if (cacheid != TYPEOID || known[i].type)
			known[i].oid = InvalidOid;
}

void
catalog_watch(CatalogWatch *watch)
{
	watch->stale = true;
	watch->relid = InvalidOid;
	watch->next = watches;
	watches = watch;
}

void
catalog_init(void)
{
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, names_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, names_changed, (Datum) 0);
	catalog_watching = true;
}

/* trigger: tells all backends at commit that this table's contents changed */
Datum
invalidate(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "invalidate was not called as a trigger");
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	PG_RETURN_POINTER(NULL);
}

int
catalog_query(const char *query, int nargs, Oid *types, Datum *values, const char *nulls,
			  bool read_only)
{
	Oid			user;
	int			context;
	int			nest = NewGUCNestLevel();
	int			result;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(catalog_owner(),
						   context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	if (!IsInParallelMode())
		(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	result = SPI_execute_with_args(query, nargs, types, values, nulls, read_only, 0);
	AtEOXact_GUC(false, nest);
	SetUserIdAndSecContext(user, context);
	if (result < 0)
		elog(ERROR, "niji's query failed: %s", SPI_result_code_string(result));
	return result;
}
