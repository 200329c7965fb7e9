/*
 * workspace_utility.c
 *    Utility statements on a workspace's tables.
 *
 * Readers own their tables, and an owner may do much: switch row level
 * security off, grant, alter a type, hang a trigger on.  So what would take the
 * protection off, or tell about hidden rows, is refused here; what remains is
 * to create, to fill, to index, to rename and to drop.
 *
 *   CREATE TABLE, CREATE TABLE AS, SELECT INTO
 *       the table is put under its policies before the statement ends, in the
 *       same transaction.  That none slips by another way (EXPLAIN ANALYZE of
 *       CREATE TABLE AS, a sequence behind a column) is seen to by the object
 *       access hook, to which every relation that is made comes: in a workspace
 *       it has to be the one that is being watched.
 *   ALTER TABLE
 *       a list of what is harmless.  What scans all rows (a constraint, a type,
 *       NOT NULL, an index on an expression) would show hidden ones in errors;
 *       a column of pseudonyms stays what it is.
 *   anything else that defines, inside a function of a session that has read
 *       definitions are a place for copies, too
 *   VACUUM, CLUSTER, REINDEX with VERBOSE
 *       they count hidden rows
 *
 * The same object access hook refuses readers all other places in which rows
 * could be kept: tables elsewhere, temporary ones, schemas, large objects.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/duty.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_largeobject.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "permit/cache.h"
#include "permit/gate.h"
#include "permit/workspace.h"
#include "permit/workspace_utility.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

static WorkspaceExpected expected;
static object_access_hook_type prev_access = NULL;

pg_noreturn static void refuse(const char *message, const char *detail, const char *hint);

static void
refuse(const char *message, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg_internal("%s", message),
			 detail ? errdetail_internal("%s", detail) : 0,
			 hint ? errhint("%s", hint) : 0));
}

/* the permit in whose workspace the relation is, or 0; *relid as well */
static int
workspace_of(RangeVar *relation, Oid *relid)
{
	*relid = relation ? RangeVarGetRelid(relation, NoLock, true) : InvalidOid;
	return OidIsValid(*relid) ? permit_cache_workspace_of(*relid) : 0;
}

/* ---- relations that are made ---- */

/* whether a table of this name, made now, would be in a workspace; it is watched then */
static int
expect(RangeVar *relation, int *permit)
{
	Oid			namespace;

	*permit = 0;
	if (relation->relpersistence == RELPERSISTENCE_TEMP)
		return 0;
	namespace = RangeVarGetCreationNamespace(relation);
	*permit = permit_cache_workspace(namespace);
	if (*permit == 0)
		return 0;
	if (gate_session_bound() && gate_bound_permit() != *permit)
		refuse("permission denied to write into this workspace",
			   "This session has read under another permit.", "One session, one permit: connect anew.");
	expected.permit = *permit;
	expected.namespace = namespace;
	strlcpy(expected.name, relation->relname, NAMEDATALEN);
	expected.made = InvalidOid;
	return *permit;
}

static void
run_definer(const char *query, Oid relid, int permit)
{
	Oid			types[2] = {REGCLASSOID, INT4OID};
	Datum		values[2] = {ObjectIdGetDatum(relid), Int32GetDatum(permit)};

	SPI_connect();
	catalog_query(query, permit ? 2 : 0, types, values, NULL, false);
	SPI_finish();
}

/* a view's, an index's and a toast table's rows are those of tables */
static bool
keeps_rows(char relkind)
{
	return relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE || relkind == RELKIND_MATVIEW ||
		relkind == RELKIND_SEQUENCE || relkind == RELKIND_FOREIGN_TABLE;
}

static bool
is_reader(void)
{
	return permit_cache_reader(GetSessionUserId()) && duty_mask() == 0;
}

static void
relation_made(Oid relid)
{
	Relation	rel = table_open(RelationRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	FormData_pg_class form;

	/* the command that made it has not ended: no cache knows it */
	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, ClassOidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "a relation that was made is not in pg_class");
	memcpy(&form, GETSTRUCT(tuple), CLASS_TUPLE_SIZE);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	if (!keeps_rows(form.relkind))
		return;
	if (permit_cache_workspace(form.relnamespace) != 0)
	{
		if (form.relkind != RELKIND_RELATION || expected.permit == 0 ||
			expected.namespace != form.relnamespace || strcmp(expected.name, NameStr(form.relname)) != 0)
			refuse("a workspace holds tables that CREATE TABLE, CREATE TABLE AS or SELECT INTO makes, and views upon them",
				   "Materialized views, sequences and what else keeps rows cannot be put under its filter.",
				   "For a materialized view make a table; for a serial column use row_number().");
		expected.permit = 0;	/* it is made once */
		expected.made = relid;
		return;
	}
	if (is_reader())
		refuse("readers create tables in the workspace of their permit only",
			   "Elsewhere, in temporary tables too, copies would be out of reach of consents.",
			   "The workspace is the schema whose name is that of the permit's schema and _work.");
}

static void
access_hook(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (prev_access)
		prev_access(access, class_id, object_id, sub_id, arg);

	if (access != OAT_POST_CREATE || sub_id != 0 || superuser_arg(GetUserId()) ||
		(class_id != RelationRelationId && class_id != NamespaceRelationId && class_id != LargeObjectRelationId) ||
		!permit_cache_used())
		return;
	if (class_id == RelationRelationId)
		relation_made(object_id);
	else if (is_reader())
		refuse(class_id == NamespaceRelationId ? "readers create no schemas" : "readers create no large objects",
			   "Copies would be out of reach of consents there.", NULL);
}

/* ---- ALTER TABLE ---- */

static bool
is_constant(Node *node)
{
	while (node && IsA(node, TypeCast))
		node = ((TypeCast *) node)->arg;
	return node == NULL || IsA(node, A_Const);
}

static bool
is_pseudonym_column(Oid relid, const char *name)
{
	AttrNumber	number = name ? get_attnum(relid, name) : InvalidAttrNumber;

	return number > 0 && getBaseType(get_atttype(relid, number)) == catalog_type("pseudonym");
}

static bool
is_harmless_column(ColumnDef *column)
{
	ListCell   *lc;

	if (column->typeName == NULL || column->raw_default != NULL || column->identity || column->generated ||
		getBaseType(typenameTypeId(NULL, column->typeName)) == catalog_type("pseudonym"))
		return false;
	foreach(lc, column->constraints)
	{
		Constraint *constraint = lfirst(lc);

		if (constraint->contype != CONSTR_NULL &&
			(constraint->contype != CONSTR_DEFAULT || !is_constant(constraint->raw_expr)))
			return false;
	}
	return true;
}

static void
check_alter(AlterTableStmt *stmt, Oid relid)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst(lc);
		bool		harmless = false;

		switch (cmd->subtype)
		{
			case AT_AddColumn:
				harmless = is_harmless_column((ColumnDef *) cmd->def);
				break;
			case AT_DropColumn:
				harmless = !is_pseudonym_column(relid, cmd->name);
				break;
			case AT_ColumnDefault:
				harmless = is_constant(cmd->def);
				break;
			case AT_DropNotNull:
			case AT_DropConstraint:
			case AT_SetStatistics:
			case AT_SetOptions:
			case AT_ResetOptions:
			case AT_SetStorage:
			case AT_SetCompression:
			case AT_SetLogged:
			case AT_SetUnLogged:
			case AT_ClusterOn:
			case AT_DropCluster:
			case AT_SetRelOptions:
			case AT_ResetRelOptions:
				harmless = true;
				break;
			default:
				break;
		}
		if (!harmless)
			refuse("this cannot be altered in a workspace's table",
				   "Its owner, rights, row level security, triggers, pseudonyms and parents stay what they are, and nothing is done that looks at hidden rows.",
				   "Columns are added without a default, or with a constant one, and dropped. Anything else: CREATE TABLE AS.");
	}
}

/* ---- other statements ---- */

static void
check_index(IndexStmt *stmt, Oid relid)
{
	ListCell   *lc;
	bool		only = true;

	if (stmt->whereClause)
		refuse("an index in a workspace is on columns", "A condition is computed over hidden rows as well.", NULL);
	foreach(lc, stmt->indexParams)
	{
		IndexElem  *element = lfirst(lc);

		if (element->name == NULL)
			refuse("an index in a workspace is on columns", "An expression is computed over hidden rows as well.", NULL);
		only &= is_pseudonym_column(relid, element->name);
	}
	if (stmt->unique && !only && workspace_pseudonyms(relid) != NULL)
		refuse("in a table with pseudonyms only these can be unique",
			   "The error for a value that exists would tell about rows that are hidden.",
			   "Make an index that is not unique.");
}

static void
refuse_change(const char *what)
{
	refuse(psprintf("%s of a workspace's tables cannot be changed", what),
		   "A workspace is its permit's: who reads it, and under which filter, is not its readers' to say.", NULL);
}

static void
check_grant(GrantStmt *stmt)
{
	ListCell   *lc;
	Oid			relid;

	foreach(lc, stmt->objects)
	{
		if (stmt->targtype == ACL_TARGET_OBJECT && stmt->objtype == OBJECT_TABLE)
		{
			if (workspace_of(lfirst(lc), &relid) != 0)
				refuse_change("rights");
		}
		else if (stmt->targtype == ACL_TARGET_ALL_IN_SCHEMA || stmt->objtype == OBJECT_SCHEMA)
		{
			if (permit_cache_workspace(get_namespace_oid(strVal(lfirst(lc)), true)) != 0)
				refuse_change("rights");
		}
	}
}

static void
check_drop(DropStmt *stmt)
{
	ListCell   *lc;
	Oid			relid;

	if (stmt->removeType != OBJECT_POLICY && stmt->removeType != OBJECT_TRIGGER && stmt->removeType != OBJECT_RULE)
		return;
	foreach(lc, stmt->objects)
	{
		List	   *names = list_copy((List *) lfirst(lc));

		names = list_truncate(names, list_length(names) - 1);
		if (names != NIL && workspace_of(makeRangeVarFromNameList(names), &relid) != 0)
			refuse_change("policies, triggers and rules");
	}
}

static void
check_rename(RenameStmt *stmt)
{
	Oid			relid;

	if (stmt->relation == NULL || workspace_of(stmt->relation, &relid) == 0)
		return;
	switch (stmt->renameType)
	{
		case OBJECT_TABLE:
		case OBJECT_VIEW:
		case OBJECT_INDEX:
		case OBJECT_TABCONSTRAINT:
			break;
		case OBJECT_COLUMN:
			if (is_pseudonym_column(relid, stmt->subname))
				refuse("a column of pseudonyms keeps its name", NULL, "CREATE TABLE AS gives it another.");
			break;
		default:
			refuse_change("policies, triggers and rules");
	}
}

static void
refuse_verbose(List *options)
{
	ListCell   *lc;

	foreach(lc, options)
		if (strcmp(((DefElem *) lfirst(lc))->defname, "verbose") == 0 && defGetBoolean(lfirst(lc)))
			refuse("VERBOSE is not allowed for readers", "It counts rows that are hidden.", NULL);
}

static bool
has_constant_parameters(ExecuteStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->params)
		if (!is_constant(lfirst(lc)))
			return false;
	return true;
}

/* whether a table's definition holds expressions, which are a place for values */
static bool
has_expressions(CreateStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->tableElts)
	{
		ColumnDef  *column = lfirst(lc);

		if (!IsA(column, ColumnDef) || column->raw_default != NULL || column->constraints != NIL)
			return true;
	}
	return stmt->constraints != NIL;
}

/* in a function of a session that has read, nothing is defined but tables of the workspace: values could be put there */
static void
check_nested(Node *stmt, bool client)
{
	Oid			relid;

	if (client || !gate_session_bound() || GetCommandLogLevel(stmt) != LOGSTMT_DDL)
		return;
	if (IsA(stmt, CreateTableAsStmt) || IsA(stmt, DropStmt) || (IsA(stmt, CreateStmt) && !has_expressions((CreateStmt *) stmt)) ||
		(IsA(stmt, IndexStmt) && workspace_of(((IndexStmt *) stmt)->relation, &relid) != 0))
		return;
	refuse("a function in a session that reads under a permit defines only tables of its workspace",
		   "Definitions are places where copies could be kept.", "Send it as a statement of its own.");
}

static void
begin_create(WorkspaceUse *use, CreateStmt *stmt)
{
	if (expect(stmt->relation, &use->permit) == 0)
		return;
	if (stmt->inhRelations != NIL || stmt->partspec || stmt->partbound || stmt->ofTypename)
		refuse("a workspace holds plain tables", "Partitions, inheritance and tables of a type would be ways past its filter.", NULL);
	use->protect = true;
}

static void
begin_create_as(WorkspaceUse *use, CreateTableAsStmt *stmt, bool client)
{
	Query	   *query = (Query *) stmt->query;
	Node	   *inner = IsA(query, Query) && query->commandType == CMD_UTILITY ? query->utilityStmt : NULL;

	if (expect(stmt->into->rel, &use->permit) == 0)
		return;
	use->protect = use->filled = true;
	memset(&workspace_into, 0, sizeof(workspace_into));
	workspace_into.permit = use->permit;
	workspace_into.client = client && (inner == NULL || (IsA(inner, ExecuteStmt) && has_constant_parameters((ExecuteStmt *) inner)));
	workspace_into.planned = inner != NULL; /* a prepared plan carries its note */
}

bool
workspace_utility_begin(WorkspaceUse *use, PlannedStmt *pstmt, ProcessUtilityContext context)
{
	Node	   *stmt = pstmt->utilityStmt;
	bool		client = context == PROCESS_UTILITY_TOPLEVEL || context == PROCESS_UTILITY_SUBCOMMAND;
	Oid			relid;

	if (IsA(stmt, TransactionStmt) || IsA(stmt, VariableSetStmt) || IsA(stmt, FetchStmt) || IsA(stmt, DoStmt) ||
		IsA(stmt, CallStmt) || !IsTransactionState() || !permit_cache_used())
		return false;
	memset(use, 0, sizeof(*use));
	use->into = workspace_into;
	use->executes = workspace_executes;
	use->expected = expected;

	if (IsA(stmt, ExecuteStmt))
	{
		if (!client || !has_constant_parameters((ExecuteStmt *) stmt))
			workspace_executes++;
		return true;
	}
	if (superuser_arg(GetUserId()))
		return false;
	check_nested(stmt, client);
	switch (nodeTag(stmt))
	{
		case T_CreateStmt:
			begin_create(use, (CreateStmt *) stmt);
			return true;
		case T_CreateTableAsStmt:
			begin_create_as(use, (CreateTableAsStmt *) stmt, client);
			return true;
		case T_AlterTableStmt:
			use->permit = workspace_of(((AlterTableStmt *) stmt)->relation, &relid);
			if (use->permit == 0)
				break;
			check_alter((AlterTableStmt *) stmt, relid);
			use->relid = relid;
			use->protect = get_rel_relkind(relid) == RELKIND_RELATION;
			return true;
		case T_AlterTableMoveAllStmt:
			if (is_reader())
				refuse_change("places");
			break;
		case T_IndexStmt:
			/* of a table that is being made, the whole is looked at in the end */
			if (context != PROCESS_UTILITY_SUBCOMMAND && workspace_of(((IndexStmt *) stmt)->relation, &relid) != 0)
				check_index((IndexStmt *) stmt, relid);
			break;
		case T_AlterObjectSchemaStmt:
			if (workspace_of(((AlterObjectSchemaStmt *) stmt)->relation, &relid) != 0 ||
				permit_cache_workspace(get_namespace_oid(((AlterObjectSchemaStmt *) stmt)->newschema, true)) != 0)
				refuse_change("schemas");
			break;
		case T_RenameStmt:
			check_rename((RenameStmt *) stmt);
			break;
		case T_GrantStmt:
			check_grant((GrantStmt *) stmt);
			break;
		case T_CreatePolicyStmt:
			if (workspace_of(((CreatePolicyStmt *) stmt)->table, &relid) != 0)
				refuse_change("policies");
			break;
		case T_AlterPolicyStmt:
			if (workspace_of(((AlterPolicyStmt *) stmt)->table, &relid) != 0)
				refuse_change("policies");
			break;
		case T_CreateTrigStmt:
			if (workspace_of(((CreateTrigStmt *) stmt)->relation, &relid) != 0)
				refuse_change("triggers");
			break;
		case T_RuleStmt:
			if (workspace_of(((RuleStmt *) stmt)->relation, &relid) != 0)
				refuse_change("rules");
			break;
		case T_CreateStatsStmt:
			if (is_reader())
				refuse("readers make no extended statistics", "They are of hidden rows, too.", NULL);
			break;
		case T_DropStmt:
			check_drop((DropStmt *) stmt);
			use->dropped = ((DropStmt *) stmt)->removeType == OBJECT_TABLE;
			return use->dropped;
		case T_VacuumStmt:
			if (is_reader())
				refuse_verbose(((VacuumStmt *) stmt)->options);
			break;
		case T_ClusterStmt:
			if (is_reader())
				refuse_verbose(((ClusterStmt *) stmt)->params);
			break;
		case T_ReindexStmt:
			if (is_reader())
				refuse_verbose(((ReindexStmt *) stmt)->params);
			break;
		default:
			break;
	}
	return false;
}

bool
workspace_utility_makes(void)
{
	return workspace_into.permit != 0 && gate_bound_permit() == workspace_into.permit;
}

void
workspace_utility_restore(WorkspaceUse *use, bool done)
{
	use->made = expected.made;
	if (done)
	{
		WorkspaceInto own = workspace_into;

		workspace_into = use->into;
		use->into = own;
	}
	else
		workspace_into = use->into;
	workspace_executes = use->executes;
	expected = use->expected;
}

void
workspace_utility_end(WorkspaceUse *use)
{
	Oid			relid = OidIsValid(use->relid) ? use->relid : use->made;

	if (use->protect && OidIsValid(relid))
	{
		CommandCounterIncrement();
		run_definer("select niji.protect_workspace_table($1, $2)", relid, use->permit);
		/* a query that did not run under the permit read nothing protected itself; what its functions did is not known */
		if (use->filled && !use->into.ended && (!use->into.client || use->into.made != MADE_FREE))
			use->into.made = MADE_MIXED;
		if (use->filled)
			workspace_keep(relid, use->into.made, use->into.columns, use->into.sets);
	}
	if (use->dropped)
		run_definer("select niji.forget_workspace_tables()", InvalidOid, 0);
}

void
workspace_utility_init(void)
{
	prev_access = object_access_hook;
	object_access_hook = access_hook;
}
