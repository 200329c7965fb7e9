/*
 * watch.c
 *    Nothing is switched off unseen: changes of what protects are acts.
 *
 * The server tells of each object that is made, altered or dropped
 * (object_access_hook), whichever way it comes about.  Noted are:
 *
 *    - niji's own tables, views and functions, datasets with their partitions,
 *      and the views of permits; and their policies, triggers and rules
 *    - extensions, and event triggers
 *
 * What a transaction has touched of these is one act "ddl" when it commits,
 * written in the same transaction: its object is the first, its details are
 * all.  What was rolled back to a savepoint is taken out again.  So niji's own
 * functions leave such an act too, beside the act that they are.
 *
 * What is no transaction's (ALTER SYSTEM, LOAD) is an event, before it is done;
 * session_replication_role, with which ordinary triggers are passed over, is
 * one when the first statement runs under another value.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/catalog.h"
#include "base/shmem.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_event_trigger.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "permit/cache.h"
#include "permit/permit.h"
#include "permit/watch.h"
#include "trail/record.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* so many objects are named, the others counted */
#define NAMED_MAX 500

typedef struct Touched
{
	SubTransactionId subxact;
	char	   *what;
} Touched;

static object_access_hook_type prev_access = NULL;
static List *touched = NIL;		/* of this transaction, in TopTransactionContext */
static int64 unnamed = 0;
static int	told_role = SESSION_REPLICATION_ROLE_ORIGIN;

/* ---- what is protected ---- */

/* an oid in a catalog's row of an object, also of one that this command has just made; or InvalidOid */
static Oid
column_of(Oid catalog, Oid index, AttrNumber oid_column, AttrNumber column, Oid object)
{
	Relation	rel = table_open(catalog, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			result = InvalidOid;

	ScanKeyInit(&key, oid_column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(object));
	scan = systable_beginscan(rel, index, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;

		result = DatumGetObjectId(heap_getattr(tuple, column, RelationGetDescr(rel), &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

static Oid
owner_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

static bool
relation_is_protected(Oid relid)
{
	Oid			namespace;

	if (!OidIsValid(relid))
		return false;
	namespace = get_rel_namespace(relid);
	if (!OidIsValid(namespace))
		return false;			/* made by this command: nothing protects it yet */
	if (namespace == catalog_namespace())
		return true;
	return permit_cache_dataset(relid) != NULL ||
		(get_rel_relkind(relid) == RELKIND_VIEW && permit_cache_role(owner_of(relid)) != NULL);
}

/* the relation that a policy, trigger or rule is on */
static Oid
is_on(Oid class_id, Oid object)
{
	switch (class_id)
	{
		case PolicyRelationId:
			return column_of(PolicyRelationId, PolicyOidIndexId, Anum_pg_policy_oid, Anum_pg_policy_polrelid, object);
		case TriggerRelationId:
			return column_of(TriggerRelationId, TriggerOidIndexId, Anum_pg_trigger_oid, Anum_pg_trigger_tgrelid, object);
		case RewriteRelationId:
			return column_of(RewriteRelationId, RewriteOidIndexId, Anum_pg_rewrite_oid, Anum_pg_rewrite_ev_class, object);
		default:
			return InvalidOid;
	}
}

static bool
is_protected(Oid class_id, Oid object)
{
	switch (class_id)
	{
		case RelationRelationId:
			return relation_is_protected(object);
		case PolicyRelationId:
		case TriggerRelationId:
		case RewriteRelationId:
			return relation_is_protected(is_on(class_id, object));
		case ProcedureRelationId:
			return column_of(ProcedureRelationId, ProcedureOidIndexId, Anum_pg_proc_oid, Anum_pg_proc_pronamespace, object) == catalog_namespace();
		case NamespaceRelationId:
			return object == catalog_namespace();
		case ExtensionRelationId:
		case EventTriggerRelationId:
			return true;
		default:
			return false;
	}
}

/* ---- noting ---- */

/* what this command has just made is not yet to be found by its name */
static char *
describe_new(Oid class_id, Oid object)
{
	ObjectAddress address;
	Oid			relid = class_id == RelationRelationId ? object : is_on(class_id, object);

	if (!OidIsValid(relid))
		return class_id == ProcedureRelationId ? "a function of niji" :
			class_id == ExtensionRelationId ? "an extension" :
			class_id == EventTriggerRelationId ? "an event trigger" : "an object";
	ObjectAddressSet(address, RelationRelationId, relid);
	return psprintf("%s on %s", class_id == PolicyRelationId ? "a policy" : class_id == TriggerRelationId ? "a trigger" : "a rule",
					getObjectDescription(&address, true));
}

static void
note(const char *verb, Oid class_id, Oid object, int column)
{
	ObjectAddress address;
	MemoryContext old;
	Touched    *one;
	ListCell   *lc;
	char	   *description;
	char	   *what;

	if (list_length(touched) >= NAMED_MAX)
	{
		unnamed++;
		return;
	}
	ObjectAddressSubSet(address, class_id, object, column);
	description = getObjectDescription(&address, true);
	what = psprintf("%s %s", verb, description ? description : describe_new(class_id, object));
	foreach(lc, touched)
	{
		if (strcmp(((Touched *) lfirst(lc))->what, what) == 0)
			return;
	}
	old = MemoryContextSwitchTo(TopTransactionContext);
	one = palloc(sizeof(Touched));
	one->subxact = GetCurrentSubTransactionId();
	one->what = pstrdup(what);
	touched = lappend(touched, one);
	MemoryContextSwitchTo(old);
}

static void
access_hook(ObjectAccessType access, Oid class_id, Oid object, int column, void *arg)
{
	const char *verb;

	if (prev_access)
		prev_access(access, class_id, object, column, arg);

	switch (access)
	{
		case OAT_POST_CREATE:
			verb = "made or replaced";
			break;
		case OAT_POST_ALTER:
			verb = "altered";
			break;
		case OAT_DROP:
			verb = "dropped";
			break;
		case OAT_TRUNCATE:
			verb = "truncated";
			break;
		default:
			return;
	}

	/* niji's own making is one act of CREATE EXTENSION; temporary and internal objects protect nothing */
	if (!niji_in_database() || IsBootstrapProcessingMode() || RecoveryInProgress() || !OidIsValid(catalog_namespace()) ||
		!OidIsValid(catalog_relation("pending_entry")) || (creating_extension && class_id != ExtensionRelationId))
		return;
	if (access == OAT_DROP && arg && (((ObjectAccessDrop *) arg)->dropflags & PERFORM_DELETION_INTERNAL) != 0)
		return;
	if (access == OAT_POST_ALTER && arg && ((ObjectAccessPostAlter *) arg)->is_internal && class_id == RelationRelationId)
		return;
	if (is_protected(class_id, object))
		note(verb, class_id, object, column);
}

void
watch_relation(Oid relid)
{
	if (niji_in_database() && !RecoveryInProgress() && OidIsValid(catalog_relation("pending_entry")) && !creating_extension &&
		relation_is_protected(relid))
		note("altered", RelationRelationId, relid, 0);
}

/* ---- at the end of the transaction ---- */

static void
write_act(void)
{
	Oid			types[2] = {TEXTOID, JSONBOID};
	Datum		values[2];
	StringInfoData json;
	ListCell   *lc;
	char	   *first = ((Touched *) linitial(touched))->what;

	if (!OidIsValid(catalog_relation("trail_identity")))
		return;					/* niji goes, or has just come */
	initStringInfo(&json);
	appendStringInfoString(&json, "{\"objects\":[");
	foreach(lc, touched)
	{
		if (lc != list_head(touched))
			appendStringInfoChar(&json, ',');
		escape_json(&json, ((Touched *) lfirst(lc))->what);
	}
	appendStringInfo(&json, "],\"unnamed\":" INT64_FORMAT "}", unnamed);
	values[0] = CStringGetTextDatum(list_length(touched) == 1 && unnamed == 0 ? first
									: psprintf("%s, and " INT64_FORMAT " more", first, list_length(touched) - 1 + unnamed));
	values[1] = DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (catalog_query("select niji.record_act('ddl', $1, $2) from niji.trail_identity", 2, types, values, NULL, false) != SPI_OK_SELECT)
		elog(ERROR, "niji could not record what was altered");
	SPI_finish();
	PopActiveSnapshot();
}

static void
transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (touched != NIL)
				write_act();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			touched = NIL;
			unnamed = 0;
			break;
		default:
			break;
	}
}

static void
subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	ListCell   *lc;

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;

	/* those of its own sub-transactions have higher numbers, and none that began later is left */
	foreach(lc, touched)
	{
		if (((Touched *) lfirst(lc))->subxact >= mine)
			touched = foreach_delete_current(touched, lc);
	}
}

/* ---- what is no transaction's ---- */

void
watch_utility(PlannedStmt *pstmt)
{
	Node	   *stmt = pstmt->utilityStmt;

	if (!niji_in_database() && !IsA(stmt, AlterSystemStmt))
		return;
	if (IsA(stmt, AlterSystemStmt) && superuser())
	{
		VariableSetStmt *set = ((AlterSystemStmt *) stmt)->setstmt;

		trail_record_event("alter_system", set->name ? set->name : "all", set->kind == VAR_SET_VALUE ? "set" : "reset");
	}
	else if (IsA(stmt, LoadStmt) && superuser())
		trail_record_event("load", ((LoadStmt *) stmt)->filename, NULL);
}

void
watch_statement(void)
{
	if (likely(SessionReplicationRole == told_role) || !niji_in_database())
		return;
	told_role = SessionReplicationRole;
	trail_record_event("session_replication_role",
					   SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA ? "replica" :
					   SessionReplicationRole == SESSION_REPLICATION_ROLE_LOCAL ? "local" : "origin", NULL);
}

void
watch_init(void)
{
	prev_access = object_access_hook;
	object_access_hook = access_hook;
	RegisterXactCallback(transaction_end, NULL);
	RegisterSubXactCallback(subtransaction_end, NULL);
}
