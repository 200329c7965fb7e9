/*
 * staging.c
 *    Reading a loader's staging table with the rights of niji's owner.
 *
 * niji.load_dataset() runs as the extension's owner, a superuser, on a table
 * that a loader made.  Whatever of the loader's could be executed on the way
 * would run with these rights: a view's query, a policy, a rule, a cast or an
 * input function of a type of theirs, an operator found by a search path, a
 * generated column's expression, a child table that is foreign.  And a name
 * that was checked may mean another relation a moment later.
 *
 * So the table is not read by a query.  It is opened by its oid, locked
 * against change until the transaction ends, judged after the lock was taken,
 * and scanned here: only a plain table of the session's user, only its own
 * rows, only columns of PostgreSQL's and niji's own types, and nothing is
 * evaluated.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "identity/person.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(lock_staging);
PG_FUNCTION_INFO_V1(scan_staging);
PG_FUNCTION_INFO_V1(insert_hiding_persons);

/* a superuser may load from anybody's table */
static bool
owned_by_session(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		owned;

	if (!HeapTupleIsValid(tuple))
		return false;
	owned = superuser_arg(GetSessionUserId()) ||
		((Form_pg_class) GETSTRUCT(tuple))->relowner == GetSessionUserId();
	ReleaseSysCache(tuple);
	return owned;
}

/* a base type, range or enum of PostgreSQL or niji, or an array of such */
static bool
acceptable_type(Oid type)
{
	Oid			element = get_element_type(type);
	HeapTuple	tuple;
	Form_pg_type form;
	bool		acceptable;

	if (OidIsValid(element))
		type = element;
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_type) GETSTRUCT(tuple);
	acceptable = (form->typnamespace == PG_CATALOG_NAMESPACE || form->typnamespace == catalog_namespace()) &&
		(form->typtype == TYPTYPE_BASE || form->typtype == TYPTYPE_RANGE ||
		 form->typtype == TYPTYPE_MULTIRANGE || form->typtype == TYPTYPE_ENUM);
	ReleaseSysCache(tuple);
	return acceptable;
}

static void
refuse(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("cannot load from this relation"),
			 errdetail_internal("%s", detail),
			 errhint("Load from a plain table of your own, with columns of built-in types.")));
}

/* opens it with a lock that keeps it as it is, or raises */
static Relation
open_staging(Oid relid)
{
	Relation	rel;
	TupleDesc	desc;

	/* a lock on somebody else's table would be a nuisance to them */
	if (!owned_by_session(relid))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for the staging table"),
				 errdetail("It belongs to another role than the session's user.")));
	rel = try_table_open(relid, ShareLock);
	if (rel == NULL)
		refuse("It does not exist.");
	if (!owned_by_session(relid))
		refuse("It changed its owner just now.");
	if (rel->rd_rel->relkind != RELKIND_RELATION || rel->rd_rel->relispartition)
		refuse("It is not a plain table.");
	if (RELATION_IS_OTHER_TEMP(rel))
		refuse("It is a temporary table of another session.");
	if (rel->rd_rel->relrowsecurity)
		refuse("It has row level security.");
	if (rel->rd_rel->relhasrules)
		refuse("It has rules.");
	desc = RelationGetDescr(rel);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped)
			continue;
		if (att->attgenerated != '\0')
			refuse("It has a generated column.");
		if (!acceptable_type(att->atttypid))
			refuse("It has a column whose type is neither built in nor niji's.");
	}
	return rel;
}

/* niji.lock_staging(staging regclass): checks it, and keeps it as it is until the transaction ends */
Datum
lock_staging(PG_FUNCTION_ARGS)
{
	table_close(open_staging(PG_GETARG_OID(0)), NoLock);
	PG_RETURN_VOID();
}

/* niji.scan_staging(staging regclass): its rows, each with its number in front; the caller names the columns */
Datum
scan_staging(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	rel = open_staging(PG_GETARG_OID(0));
	TupleDesc	desc = RelationGetDescr(rel);
	TupleTableSlot *slot;
	TableScanDesc scan;
	int		   *columns;
	int			ncolumns = 0;
	Datum	   *values;
	bool	   *nulls;
	int64		number = 0;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	columns = palloc(desc->natts * sizeof(int));
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			columns[ncolumns++] = i;
	if (rsinfo->setDesc->natts != ncolumns + 1 || TupleDescAttr(rsinfo->setDesc, 0)->atttypid != INT8OID)
		elog(ERROR, "the columns of the staging table are not those that were asked for");
	for (int i = 0; i < ncolumns; i++)
		if (TupleDescAttr(rsinfo->setDesc, i + 1)->atttypid != TupleDescAttr(desc, columns[i])->atttypid)
			elog(ERROR, "the columns of the staging table are not those that were asked for");

	values = palloc((ncolumns + 1) * sizeof(Datum));
	nulls = palloc((ncolumns + 1) * sizeof(bool));
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		values[0] = Int64GetDatum(++number);
		nulls[0] = false;
		for (int i = 0; i < ncolumns; i++)
		{
			values[i + 1] = slot->tts_values[columns[i]];
			nulls[i + 1] = slot->tts_isnull[columns[i]];
		}
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	return (Datum) 0;
}

/*
 * niji.insert_hiding_persons(command text, low bigint, high bigint): runs the
 * command of load_dataset() for a row that failed, so that its error tells why
 */
Datum
insert_hiding_persons(PG_FUNCTION_ARGS)
{
	char	   *command = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid			types[2] = {INT8OID, INT8OID};
	Datum		values[2] = {PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)};
	int			result = 0;

	SPI_connect();
	person_hidden = true;
	PG_TRY();
	{
		result = SPI_execute_with_args(command, 2, types, values, NULL, false, 0);
	}
	PG_FINALLY();
	{
		person_hidden = false;
	}
	PG_END_TRY();
	if (result < 0)
		elog(ERROR, "the insert failed: %s", SPI_result_code_string(result));
	SPI_finish();
	PG_RETURN_VOID();
}
