/*
 * duty.c
 *    Duties: what a role may do in niji, judged by the session's user.
 *
 * The truth is niji.duty_grant, whose rows name a role by oid and by name.
 * Both have to fit: after a restore into another cluster the oids differ, and
 * duties come back only when niji.recompile_permits() has bound the names anew.
 *
 * The mask is remembered for one statement, since type person's output
 * function asks for it at each value.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/duty.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(require_duty);
PG_FUNCTION_INFO_V1(has_duty);

static const struct
{
	const char *name;
	int			bit;
}			duty_names[] = {
	{"loader", NIJI_LOADER},
	{"consent_officer", NIJI_CONSENT_OFFICER},
	{"reviewer", NIJI_REVIEWER},
	{"governance", NIJI_GOVERNANCE},
	{"auditor", NIJI_AUDITOR},
	{"custodian", NIJI_CUSTODIAN}
};

static CatalogWatch watch = {"duty_grant"};
static bool watching = false;

static int
duty_bit(const char *name)
{
	for (int i = 0; i < lengthof(duty_names); i++)
		if (strcmp(name, duty_names[i].name) == 0)
			return duty_names[i].bit;
	return 0;
}

/* reads niji.duty_grant (duty text, role oid, role_name name) */
static int
read_duties(Oid user)
{
	int			mask = superuser_arg(user) ? NIJI_SUPERUSER : 0;
	Oid			relid = catalog_relation("duty_grant");
	Relation	rel;
	TableScanDesc scan;
	TupleTableSlot *slot;
	Snapshot	snapshot;

	watch.relid = relid;
	if (!OidIsValid(relid))
		return mask;
	rel = table_open(relid, AccessShareLock);
	slot = table_slot_create(rel, NULL);
	/* as a catalog is read: what is committed now, also in parallel mode */
	snapshot = RegisterSnapshot(GetCatalogSnapshot(relid));
	scan = table_beginscan(rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		Oid			role = DatumGetObjectId(slot_getattr(slot, 2, &isnull));
		char	   *name = NameStr(*DatumGetName(slot_getattr(slot, 3, &isnull)));
		char	   *actual = GetUserNameFromId(role, true);

		if (actual == NULL || strcmp(actual, name) != 0)
			continue;
		if (user == role || is_member_of_role_nosuper(user, role))
			mask |= duty_bit(TextDatumGetCString(slot_getattr(slot, 1, &isnull)));
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	return mask;
}

int
duty_mask(void)
{
	static TimestampTz statement = 0;
	static Oid	user = InvalidOid;
	static int	mask = 0;

	if (!watching)
	{
		catalog_watch(&watch);
		watching = true;
	}
	if (watch.stale || statement != GetCurrentStatementStartTimestamp() ||
		user != GetSessionUserId())
	{
		user = InvalidOid;
		mask = read_duties(GetSessionUserId());
		watch.stale = false;
		statement = GetCurrentStatementStartTimestamp();
		user = GetSessionUserId();
	}
	return mask;
}

bool
duty_has(int duties)
{
	return (duty_mask() & (duties | NIJI_SUPERUSER)) != 0;
}

void
duty_require(int duties, const char *what)
{
	StringInfoData names;

	if (duty_has(duties))
		return;
	initStringInfo(&names);
	for (int i = 0; i < lengthof(duty_names); i++)
		if (duties & duty_names[i].bit)
			appendStringInfo(&names, "%s%s", names.len ? ", " : "", duty_names[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to %s", what),
			 names.len ? errdetail("This needs one of the duties: %s.", names.data) : 0,
			 errhint("A superuser maps roles to duties with niji.grant_duty().")));
}

/* niji.require_duty(duties text, what text): an error unless the session's user has one of them */
Datum
require_duty(PG_FUNCTION_ARGS)
{
	char	   *list = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *save = NULL;
	int			duties = 0;

	for (char *name = strtok_r(list, ", ", &save); name; name = strtok_r(NULL, ", ", &save))
	{
		int			bit = duty_bit(name);

		if (bit == 0)
			elog(ERROR, "no such duty: %s", name);
		duties |= bit;
	}
	duty_require(duties, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}

/* niji.has_duty(duty text): whether the session's user has it (a superuser has it only if granted) */
Datum
has_duty(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL((duty_mask() & duty_bit(text_to_cstring(PG_GETARG_TEXT_PP(0)))) != 0);
}
