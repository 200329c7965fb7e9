/*
 * use.c
 *    Reading the use: what a permit does with a dataset, the rule for it, and an
 *    override of it.
 *
 * It is joined from small tables, in the first statement of each session too.
 * SQL would do, but parsing, planning and running the join cost a fresh session
 * three quarters of all that niji costs it.  So the tables are read by scans of
 * our own, as row.c reads consents: with the snapshot of whoever asks, without
 * rights of the caller, in parallel workers too.  The rows of a permit are found
 * by primary keys; rules and overrides are few, and their newest row counts, so
 * they are read through.
 *
 * The view niji.permit_use says the same in SQL, for reports and for the keeper.
 *
 * Columns are known by their positions in control/install/51-consent-tables.sql,
 * 54-consent-override.sql and 60-permit-tables.sql.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/settings.h"
#include "consent/row.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

enum
{
	PERMIT_ID = 1, PERMIT_APPLICANT = 4, PERMIT_PURPOSE = 5, PERMIT_GRANTED_AT = 17
};
enum
{
	DATASET_ID = 1, DATASET_HOLDER = 5, DATASET_HOLDER_COLUMN = 6, DATASET_CATEGORY = 7
};
enum
{
	DATA_PERMIT = 1, DATA_DATASET = 2
};
enum
{
	APPLICANT_ID = 1, APPLICANT_KIND = 4
};
enum
{
	RULE_ID = 1, RULE_CATEGORY = 3, RULE_PURPOSE, RULE_BASIS, RULE_JUDGED, RULE_WAITING
};
enum
{
	OVERRIDE_ID = 1, OVERRIDE_CATEGORY = 3, OVERRIDE_PURPOSE, OVERRIDE_UNTIL
};
enum
{
	APPROVAL_OVERRIDE = 1, END_OVERRIDE = 1
};

static const struct
{
	const char *word;
	ConsentBasis basis;
}			basis_words[] = {
	{"not_required", BASIS_NOT_REQUIRED},
	{"opt_out", BASIS_OPT_OUT},
	{"opt_out_after_notice", BASIS_OPT_OUT_AFTER_NOTICE},
	{"opt_in", BASIS_OPT_IN}
};

/* a scan of one table */
typedef struct UseScan
{
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tuple;			/* the row that was read last */
} UseScan;

/* by the table's primary key, or of all of it if there are no keys */
static void
begin(UseScan *scan, const char *table, Snapshot snapshot, int nkeys, ScanKey keys)
{
	Oid			relid = catalog_relation(table);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table niji.%s does not exist", table)));
	scan->rel = table_open(relid, AccessShareLock);
	scan->scan = systable_beginscan(scan->rel, nkeys > 0 ? niji_primary_key(scan->rel) : InvalidOid,
									nkeys > 0, snapshot, nkeys, keys);
	scan->tuple = NULL;
}

static bool
next(UseScan *scan)
{
	CHECK_FOR_INTERRUPTS();
	scan->tuple = systable_getnext(scan->scan);
	return HeapTupleIsValid(scan->tuple);
}

static void
end(UseScan *scan)
{
	systable_endscan(scan->scan);
	table_close(scan->rel, AccessShareLock);
}

static Datum
column(const UseScan *scan, AttrNumber number, bool *isnull)
{
	return heap_getattr(scan->tuple, number, RelationGetDescr(scan->rel), isnull);
}

/* a column that is declared NOT NULL */
static Datum
value(const UseScan *scan, AttrNumber number)
{
	bool		isnull;
	Datum		result = column(scan, number, &isnull);

	if (isnull)
		elog(ERROR, "a row of niji.%s has no value in column %d", RelationGetRelationName(scan->rel), number);
	return result;
}

static ConsentWord
word(const UseScan *scan, AttrNumber number, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	ConsentWord result;

	result.data = TextDatumGetCString(value(scan, number));
	result.length = strlen(result.data);
	MemoryContextSwitchTo(old);
	return result;
}

static bool
is_word(const UseScan *scan, AttrNumber number, ConsentWord other)
{
	text	   *packed = DatumGetTextPP(value(scan, number));

	return VARSIZE_ANY_EXHDR(packed) == other.length &&
		memcmp(VARDATA_ANY(packed), other.data, other.length) == 0;
}

/* by a primary key of one integer; whether there is such a row.  The caller ends the scan */
static bool
find_number(UseScan *scan, const char *table, Snapshot snapshot, int number)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(number));
	begin(scan, table, snapshot, 1, &key);
	return next(scan);
}

static bool
has_override(const char *table, AttrNumber number, Snapshot snapshot, int64 override)
{
	UseScan		scan;
	ScanKeyData key;
	bool		found;

	ScanKeyInit(&key, number, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(override));
	begin(&scan, table, snapshot, 1, &key);
	found = next(&scan);
	end(&scan);
	return found;
}

/* the newest rule of the pair; without one the basis stays BASIS_NONE */
static void
read_rule(Snapshot snapshot, ConsentRule *rule)
{
	ConsentUse *use = &rule->use;
	UseScan		scan;

	begin(&scan, "rule", snapshot, 0, NULL);
	while (next(&scan))
	{
		int64		id = DatumGetInt64(value(&scan, RULE_ID));
		char	   *basis;
		Datum		waiting;
		bool		isnull;

		if (id <= use->rule || !is_word(&scan, RULE_CATEGORY, use->category) ||
			!is_word(&scan, RULE_PURPOSE, use->purpose))
			continue;
		use->rule = id;
		use->basis = BASIS_NONE;
		basis = TextDatumGetCString(value(&scan, RULE_BASIS));
		for (int i = 0; i < lengthof(basis_words); i++)
			if (strcmp(basis, basis_words[i].word) == 0)
				use->basis = basis_words[i].basis;
		use->at_grant = strcmp(TextDatumGetCString(value(&scan, RULE_JUDGED)), "at_grant") == 0;
		memset(&rule->waiting, 0, sizeof(Interval));
		waiting = column(&scan, RULE_WAITING, &isnull);
		if (!isnull)
			rule->waiting = *DatumGetIntervalP(waiting);
	}
	end(&scan);
}

/* of those that are approved and not ended, the one that holds for longest */
static void
read_override(Snapshot snapshot, ConsentUse *use)
{
	UseScan		scan;

	begin(&scan, "override", snapshot, 0, NULL);
	while (next(&scan))
	{
		int64		id = DatumGetInt64(value(&scan, OVERRIDE_ID));
		TimestampTz until = DatumGetTimestampTz(value(&scan, OVERRIDE_UNTIL));

		if (!is_word(&scan, OVERRIDE_CATEGORY, use->category) ||
			!is_word(&scan, OVERRIDE_PURPOSE, use->purpose))
			continue;
		if (use->override != 0 && (until < use->override_until ||
								   (until == use->override_until && id > use->override)))
			continue;
		if (!has_override("override_approval", APPROVAL_OVERRIDE, snapshot, id) ||
			has_override("override_end", END_OVERRIDE, snapshot, id))
			continue;
		use->override = id;
		use->override_until = until;
	}
	end(&scan);
}

/* what the permit does with the dataset; false if it does not give it */
static bool
read_permit(Snapshot snapshot, MemoryContext context, ConsentUse *use)
{
	UseScan		scan;
	ScanKeyData keys[2];
	bool		found;
	bool		isnull;
	Datum		granted_at;
	int			applicant = 0;

	ScanKeyInit(&keys[0], DATA_PERMIT, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(use->permit));
	ScanKeyInit(&keys[1], DATA_DATASET, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(use->dataset));
	begin(&scan, "permit_data", snapshot, 2, keys);
	found = next(&scan);
	end(&scan);
	if (!found)
		return false;

	found = find_number(&scan, "permit", snapshot, use->permit);
	if (found)
	{
		applicant = DatumGetInt32(value(&scan, PERMIT_APPLICANT));
		use->purpose = word(&scan, PERMIT_PURPOSE, context);
		granted_at = column(&scan, PERMIT_GRANTED_AT, &isnull);
		use->granted = !isnull;
		use->granted_at = isnull ? DT_NOBEGIN : DatumGetTimestampTz(granted_at);
	}
	end(&scan);
	if (!found)
		return false;

	found = find_number(&scan, "dataset", snapshot, use->dataset);
	if (found)
	{
		Datum		holder = column(&scan, DATASET_HOLDER, &isnull);

		use->holder = isnull ? 0 : DatumGetInt32(holder);
		(void) column(&scan, DATASET_HOLDER_COLUMN, &isnull);
		if (!isnull)
			use->holder = 0;	/* the row says it */
		use->category = word(&scan, DATASET_CATEGORY, context);
	}
	end(&scan);
	if (!found)
		return false;

	found = find_number(&scan, "applicant", snapshot, applicant);
	if (found)
		use->recipient_kind = word(&scan, APPLICANT_KIND, context);
	end(&scan);
	return found;
}

bool
row_read_use(int permit, int dataset, MemoryContext context, ConsentRule *rule)
{
	Snapshot	snapshot = GetActiveSnapshot();

	memset(rule, 0, sizeof(ConsentRule));
	rule->zone = settings_timezone();
	rule->use.permit = permit;
	rule->use.dataset = dataset;
	if (!read_permit(snapshot, context, &rule->use))
		return false;
	read_rule(snapshot, rule);
	read_override(snapshot, &rule->use);
	return true;
}
