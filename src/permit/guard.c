/*
 * guard.c
 *    DROP EXTENSION niji has to be meant.
 *
 * Dropping the extension drops the protection and the record.  Whatever the
 * way (DROP EXTENSION, DROP SCHEMA niji CASCADE, DROP OWNED), each of niji's
 * tables comes to the object access hook before it goes, while its rows are
 * still there: niji.dataset, or a part of niji.entry, that has any is not
 * dropped unless niji.allow_drop says so.
 *
 * Where the server does not preload the library, an event trigger on such
 * commands calls load_guard(), which does nothing: that it is called has
 * loaded the library, and with it the hook.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/settings.h"
#include "catalog/objectaccess.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "commands/event_trigger.h"
#include "fmgr.h"
#include "permit/permit.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(load_guard);

static object_access_hook_type prev_access = NULL;

static bool
has_rows(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	bool		found = table_scan_getnextslot(scan, ForwardScanDirection, slot);

	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return found;
}

static void
refuse_drop(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("cannot drop niji while it holds %s", what),
			 errdetail("Dropping it would drop the protection of the data and the record of their use."),
			 errhint("Set niji.allow_drop = on in the server's configuration if that is meant.")));
}

static void
access_hook(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (prev_access)
		prev_access(access, class_id, object_id, sub_id, arg);

	if (access != OAT_DROP || class_id != RelationRelationId || sub_id != 0 || niji_allow_drop)
		return;
	if (!OidIsValid(catalog_namespace()) || get_rel_namespace(object_id) != catalog_namespace() ||
		get_rel_relkind(object_id) != RELKIND_RELATION)
		return;
	if (object_id == catalog_relation("dataset"))
	{
		if (has_rows(object_id))
			refuse_drop("registered datasets");
	}
	else if (get_rel_relispartition(object_id) ?
			 get_partition_parent(object_id, true) == catalog_relation("entry") :
			 object_id == catalog_relation("entry"))
	{
		if (has_rows(object_id))
			refuse_drop("entries of the trail");
	}
}

Datum
load_guard(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		elog(ERROR, "load_guard was not called as an event trigger");
	PG_RETURN_NULL();
}

void
guard_init(void)
{
	prev_access = object_access_hook;
	object_access_hook = access_hook;
}
