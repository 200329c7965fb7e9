/*
 * limit.c
 *    What a permit may use in a month.
 *
 * Limits are few and change rarely: each session knows them, and reads them anew
 * when niji.permit_limit changed.  What was used stands in niji.permit_usage,
 * where the writer puts it when a statement has ended, as a rule within a
 * second; it is looked up for permits that have a limit, by the newest snapshot,
 * since an old transaction must not see old amounts.
 *
 * So a permit can pass a limit by what runs at the same time and by what ended
 * within that second; a statement of its own stops at the row that would pass
 * what was left when it began.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "trail/limit.h"
#include "trail/record.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define LOOK_ROWS 1024

typedef enum
{
	LIMIT_STATEMENTS,
	LIMIT_ROWS,
	LIMIT_PERSONS,
	LIMIT_CPU,
	LIMIT_BYTES,
	LIMITS
} LimitKind;

static const char *const names[LIMITS] = {"statements", "rows", "persons", "cpu_seconds", "bytes"};

typedef struct MonthLimit
{
	int			permit;
	LimitKind	kind;
	int64		amount;
} MonthLimit;

static CatalogWatch watch = {"permit_limit"};
static bool watched = false;
static MemoryContext context = NULL;
static List *limits = NIL;

static int64
field(int row, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

static void
read_limits(void)
{
	MemoryContext old;

	if (!watched)
	{
		context = AllocSetContextCreate(TopMemoryContext, "niji limits", ALLOCSET_SMALL_SIZES);
		watch.stale = true;
		catalog_watch(&watch);
		watched = true;
	}
	if (likely(!watch.stale))
		return;

	/* first, so that a change that comes in while it is read is not lost; an error leaves it stale */
	watch.stale = false;
	PG_TRY();
	{
		limits = NIL;
		MemoryContextReset(context);
		SPI_connect();
		PushActiveSnapshot(GetLatestSnapshot());
		if (catalog_query("select permit::bigint, what, amount from niji.permit_limit_in_force()", 0, NULL, NULL, NULL, true) != SPI_OK_SELECT)
			elog(ERROR, "could not read niji.permit_limit");
		old = MemoryContextSwitchTo(context);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			MonthLimit    *limit = palloc(sizeof(MonthLimit));
			char	   *what = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2);

			limit->permit = (int) field(i, 1);
			limit->amount = field(i, 3);
			for (limit->kind = 0; limit->kind < LIMITS; limit->kind++)
				if (strcmp(names[limit->kind], what) == 0)
					break;
			limits = lappend(limits, limit);
		}
		MemoryContextSwitchTo(old);
		PopActiveSnapshot();
		SPI_finish();
	}
	PG_CATCH();
	{
		watch.stale = true;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

pg_noreturn static void used_up(NijiStatement *st, LimitKind kind);

static void
used_up(NijiStatement *st, LimitKind kind)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("permit \"%s\" has used up its %s of this month", st->permit_code, names[kind]),
			 errhint("Ask governance to raise the limit, or wait for the next month. niji.usage says what was used.")));
}

void
limit_require(NijiStatement *st, Limits *left)
{
	int64		most[LIMITS];
	int64		used[LIMITS] = {0};
	bool		any = false;
	ListCell   *cell;

	left->any = false;
	left->rows = left->bytes = left->cpu = PG_INT64_MAX;
	left->look = LOOK_ROWS;
	if (st->permit == 0)
		return;
	read_limits();
	if (likely(limits == NIL))
		return;
	for (int i = 0; i < LIMITS; i++)
		most[i] = PG_INT64_MAX;
	foreach(cell, limits)
	{
		MonthLimit    *limit = lfirst(cell);

		if (limit->permit != st->permit || limit->kind >= LIMITS)
			continue;
		most[limit->kind] = limit->amount;
		any = true;
	}
	if (!any)
		return;

	{
		Oid			types[1] = {INT4OID};
		Datum		values[1] = {Int32GetDatum(st->permit)};

		SPI_connect();
		PushActiveSnapshot(GetLatestSnapshot());
		if (catalog_query("select statements, rows, persons_shown, cpu, bytes from niji.permit_usage "
						  "where permit = $1 and month = date_trunc('month', clock_timestamp() at time zone current_setting('niji.timezone'))::date",
						  1, types, values, NULL, true) != SPI_OK_SELECT)
			elog(ERROR, "could not read niji.permit_usage");
		for (int i = 0; SPI_processed == 1 && i < LIMITS; i++)
			used[i] = field(0, i + 1);
		PopActiveSnapshot();
		SPI_finish();
	}
	if (most[LIMIT_CPU] != PG_INT64_MAX)
		most[LIMIT_CPU] = Min(most[LIMIT_CPU], PG_INT64_MAX / 1000000 - 1) * 1000000;
	for (int i = 0; i < LIMITS; i++)
		if (most[i] != PG_INT64_MAX && used[i] >= most[i])
		{
			trail_record_denied(st, psprintf("The permit has used up its %s of this month.", names[i]));
			used_up(st, i);
		}
	if (most[LIMIT_ROWS] != PG_INT64_MAX)
		left->rows = most[LIMIT_ROWS] - used[LIMIT_ROWS];
	if (most[LIMIT_BYTES] != PG_INT64_MAX)
		left->bytes = most[LIMIT_BYTES] - used[LIMIT_BYTES];
	if (most[LIMIT_CPU] != PG_INT64_MAX)
		left->cpu = most[LIMIT_CPU] - used[LIMIT_CPU] + (int64) statement_cpu();
	left->any = left->rows != PG_INT64_MAX || left->bytes != PG_INT64_MAX || left->cpu != PG_INT64_MAX;
}

void
limit_check(NijiStatement *st, Limits *left, uint64 rows, uint64 bytes)
{
	if (rows > (uint64) left->rows)
		used_up(st, LIMIT_ROWS);
	if (bytes > (uint64) left->bytes)
		used_up(st, LIMIT_BYTES);
	if (left->cpu != PG_INT64_MAX && rows >= left->look)
	{
		left->look = rows + LOOK_ROWS;
		if (statement_cpu() > (uint64) left->cpu)
			used_up(st, LIMIT_CPU);
	}
}
