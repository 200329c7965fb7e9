/*
 * usage.c
 *    Metering: what reads cost, by permit and month.
 *
 * A batch of the writer adds up its closing entries first, so that a busy permit's row is
 * changed once in a batch.  The row changes in the transaction that enters them
 * into the trail, so that it is their sum, whatever ends the writer.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "executor/spi.h"
#include "trail/usage.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#define AMOUNTS 8

typedef struct Usage
{
	int32		permit;
	DateADT		month;			/* its first day */
	int64		amounts[AMOUNTS];
} Usage;

static MemoryContext batch = NULL;
static List *usages = NIL;

void
usage_begin(MemoryContext context)
{
	batch = context;
	usages = NIL;
}

static DateADT
month_of(int64 micros)
{
	TimestampTz at = micros - ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY);
	struct pg_tm tm;
	fsec_t		fsec;
	int			tz;

	if (timestamp2tm(at, &tz, &tm, &fsec, NULL, settings_timezone()) != 0)
		return 0;
	return date2j(tm.tm_year, tm.tm_mon, 1) - POSTGRES_EPOCH_JDATE;
}

void
usage_add(const RecordEntry *closing, const PersonsAmounts *amounts)
{
	Usage	   *usage = NULL;
	DateADT		month = month_of(closing->at);
	int64		added[AMOUNTS] = {
		1, closing->rows, Max(amounts->scanned, 0), Max(amounts->shown, 0),
		closing->micros, closing->cpu, closing->buffers, closing->bytes
	};
	ListCell   *cell;

	if (closing->permit == 0)
		return;
	foreach(cell, usages)
	{
		Usage	   *other = lfirst(cell);

		if (other->permit == closing->permit && other->month == month)
			usage = other;
	}
	if (usage == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(batch);

		usage = palloc0(sizeof(Usage));
		usage->permit = closing->permit;
		usage->month = month;
		usages = lappend(usages, usage);
		MemoryContextSwitchTo(old);
	}
	for (int i = 0; i < AMOUNTS; i++)
		usage->amounts[i] += added[i];
}

void
usage_store(void)
{
	Oid			types[2 + AMOUNTS] = {INT4OID, DATEOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID};
	Datum		values[2 + AMOUNTS];
	ListCell   *cell;

	foreach(cell, usages)
	{
		Usage	   *usage = lfirst(cell);

		values[0] = Int32GetDatum(usage->permit);
		values[1] = DateADTGetDatum(usage->month);
		for (int i = 0; i < AMOUNTS; i++)
			values[2 + i] = Int64GetDatum(usage->amounts[i]);
		if (SPI_execute_with_args("insert into niji.permit_usage as u (permit, month, statements, rows, persons_scanned, persons_shown, micros, cpu, buffers, bytes) "
								  "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
								  "on conflict (permit, month) do update set statements = u.statements + excluded.statements, rows = u.rows + excluded.rows, "
								  "persons_scanned = u.persons_scanned + excluded.persons_scanned, persons_shown = u.persons_shown + excluded.persons_shown, "
								  "micros = u.micros + excluded.micros, cpu = u.cpu + excluded.cpu, buffers = u.buffers + excluded.buffers, bytes = u.bytes + excluded.bytes",
								  2 + AMOUNTS, types, values, NULL, false, 0) != SPI_OK_INSERT)
			elog(ERROR, "could not change niji.permit_usage");
	}
	usages = NIL;
}
