/*
 * writer_move.c
 *    Moving the spool's records into the trail, within the writer's transaction.
 *
 * A batch changes the trail, niji.read_index, niji.read_persons and the
 * position in one transaction: so each record is moved exactly once, whatever
 * ends the writer or the server in between.
 *
 * niji.read_index has a row for each read: when it was opened, whether it was
 * closed, whether its persons are known.  Its content repeats what the entries say; it is
 * there to be found by number and to know what is still open.
 */
#include "postgres.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/statement.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "trail/entry.h"
#include "trail/pending.h"
#include "trail/persons.h"
#include "trail/record_format.h"
#include "trail/usage.h"
#include "trail/writer_move.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

/* bytes of a batch's records: more is left to the next one */
#define BATCH_BYTES (32 * 1024 * 1024)

static SpoolPosition committed; /* what the table says */
static SpoolPosition moved;		/* in this transaction */
static SpoolPlace moved_place;
static bool in_place = false;	/* whether reading stands behind "committed" */
static bool give_up = false;

/* ---- small ones ---- */

static void
run(SPIPlanPtr *plan, const char *query, int nargs, Oid *types, Datum *values, const char *nulls,
	int expected)
{
	if (*plan == NULL)
	{
		*plan = SPI_prepare(query, nargs, types);
		if (*plan == NULL || SPI_keepplan(*plan) != 0)
			elog(ERROR, "could not prepare: %s", query);
	}
	if (SPI_execute_plan(*plan, values, nulls, false, 0) != expected)
		elog(ERROR, "could not run: %s", query);
}

static int64
field_int64(int column, int64 missing)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? missing : DatumGetInt64(value);
}

static bool
field_bool(int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

	return !isnull && DatumGetBool(value);
}

static int64
append(CborWriter *header, const uint8 *private_part, Size private_length)
{
	uint8		salt[ENTRY_SALT_SIZE];
	int64		seq;

	if (!pg_strong_random(salt, sizeof(salt)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
	seq = entry_append(header->data, header->length, salt, private_part, private_length);
	cbor_free(header);
	return seq;
}

static void
begin_own(CborWriter *w, const char *kind)
{
	EntryOrigin origin;

	entry_origin_fill(&origin);
	cbor_init(w);
	cbor_map_begin(w);
	entry_put_common(w, kind, GetCurrentTimestamp(), &origin);
}

/* the writer's own remark */
static void
mark(const char *what)
{
	CborWriter	w;

	ereport(LOG, (errmsg("trail: %s", what)));
	begin_own(&w, "mark");
	cbor_put_text(&w, "what", what);
	cbor_map_end(&w);
	(void) append(&w, NULL, 0);
}

/* from here on reads are recorded: the server has started, or the trail has */
static void
started(void)
{
	CborWriter	w;

	begin_own(&w, "start");
	cbor_put_text(&w, "object", "PostgreSQL " PG_VERSION);
	cbor_map_end(&w);
	(void) append(&w, NULL, 0);
}

/* opens a map with what a stored one holds, but for one key */
static bool
begin_from(CborWriter *w, const uint8 *stored, Size length, const char *except)
{
	CborReader	reader;
	CborItem	item;
	uint64		pairs;

	cbor_init(w);
	cbor_reader(&reader, stored, length);
	if (!cbor_read(&reader, &item) || item.type != CBOR_MAP)
		return false;
	pairs = item.value;
	cbor_map_begin(w);
	for (uint64 i = 0; i < pairs; i++)
	{
		size_t		key = reader.at;
		size_t		value;
		bool		skip;

		if (!cbor_read(&reader, &item) || item.type != CBOR_TEXT)
			return false;
		skip = except && item.value == strlen(except) &&
			memcmp(item.bytes, except, item.value) == 0;
		value = reader.at;
		if (!cbor_skip(&reader))
			return false;
		if (skip)
			continue;
		cbor_raw(w, stored + key, value - key);
		cbor_raw(w, stored + value, reader.at - value);
	}
	return reader.at == length;
}

/* ---- one record ---- */

/* what cannot be understood is entered as it is */
static void
move_unreadable(SpoolRecord *record)
{
	CborWriter	w;
	CborWriter	p;

	begin_own(&w, "mark");
	cbor_put_text(&w, "what", "a record of the spool could not be read; it is the private part");
	cbor_put_uint(&w, "spool", record->number);
	cbor_map_end(&w);
	cbor_init(&p);
	cbor_map_begin(&p);
	cbor_put_bytes(&p, "record", record->data, record->length);
	cbor_map_end(&p);
	(void) append(&w, p.data, p.length);
	cbor_free(&p);
}

static void
move_read(SpoolRecord *record, RecordEntry *entry, const char *datasets, CborWriter *header,
		  const uint8 *private_part)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[7] = {INT8OID, INT8OID, INT8OID, INT8OID, INT4OID, INT4ARRAYOID, TEXTOID};
	Datum		values[7];
	Datum	   *elements = palloc(Max(entry->ndatasets, 1) * sizeof(Datum));
	char	   *reader = cbor_find_text(header->data, header->length, "session_user");
	int64		seq;

	seq = append(header, private_part, private_part ? entry->private_length : 0);
	for (uint32 i = 0; i < entry->ndatasets; i++)
	{
		int32		dataset;

		memcpy(&dataset, datasets + i * sizeof(int32), sizeof(int32));
		elements[i] = Int32GetDatum(dataset);
	}
	values[0] = Int64GetDatum(record->number);
	values[1] = Int64GetDatum(seq);
	values[2] = Int64GetDatum(record->boot);
	values[3] = Int64GetDatum(entry->at);
	values[4] = Int32GetDatum(entry->permit);
	values[5] = PointerGetDatum(construct_array(elements, entry->ndatasets, INT4OID, 4, true, TYPALIGN_INT));
	values[6] = CStringGetTextDatum(reader ? reader : "");
	run(&plan,
		"insert into niji.read_index (open, seq, boot, at, permit, datasets, reader) "
		"values ($1, $2, $3, timestamptz 'epoch' + $4 * interval '1 microsecond', nullif($5, 0), $6, $7)",
		7, types, values, NULL, SPI_OK_INSERT);
}

static const char *
outcome_name(uint8 outcome)
{
	return outcome == NIJI_COMPLETED ? "completed" : outcome == NIJI_ABORTED ? "aborted" : "unknown";
}

/* the closing of a read; header is what was made when it began, or NULL */
static void
move_read_end(uint64 number, RecordEntry *entry, CborWriter *header)
{
	static SPIPlanPtr find = NULL;
	static SPIPlanPtr change = NULL;
	Oid			types[4] = {INT8OID, INT8OID, INT8OID, BOOLOID};
	Datum		values[4];
	PersonsAmounts amounts = {-1, -1};
	ShownKind	shown = entry->persons_known ? entry->shown : SHOWN_UNKNOWN;
	bool		parked = false;
	int64		seq;

	values[0] = Int64GetDatum(entry->open);
	run(&find, "select parked, persons_known from niji.read_index where open = $1", 1, types, values,
		NULL, SPI_OK_SELECT);
	if (SPI_processed == 1)
	{
		parked = field_bool(1);
		if (!field_bool(2))
			shown = SHOWN_UNKNOWN;	/* some of its records were lost */
	}
	SPI_freetuptable(SPI_tuptable);
	persons_close(entry->open, shown, parked, &amounts);

	cbor_put_int(header, "at", entry->at);
	cbor_put_uint(header, "open", entry->open);
	if (number != 0)
	{
		/* an entry that the writer makes itself has no number of its own and no amounts */
		cbor_put_uint(header, "number", number);
		cbor_put_uint(header, "rows", entry->rows);
		cbor_put_uint(header, "micros", entry->micros);
		cbor_put_uint(header, "cpu", entry->cpu);
		cbor_put_uint(header, "buffers", entry->buffers);
		cbor_put_uint(header, "bytes", entry->bytes);
		usage_add(entry, &amounts);
	}
	else
	{
		cbor_put_null(header, "rows");
		cbor_put_null(header, "micros");
	}
	cbor_put_text(header, "outcome", number != 0 ? outcome_name(entry->outcome) : "unknown");
	if (amounts.scanned < 0)
	{
		cbor_put_null(header, "persons_scanned");
		cbor_put_null(header, "persons_shown");
	}
	else
	{
		cbor_put_int(header, "persons_scanned", amounts.scanned);
		cbor_put_int(header, "persons_shown", amounts.shown);
		if (amounts.scanned > 0)
			cbor_put_bytes(header, "persons_hash", amounts.hash, sizeof(amounts.hash));
	}
	cbor_map_end(header);
	seq = append(header, NULL, 0);

	values[1] = Int64GetDatum(seq);
	values[2] = Int64GetDatum(amounts.scanned);
	values[3] = BoolGetDatum(amounts.scanned >= 0);
	run(&change,
		"update niji.read_index set end_seq = $2, persons_known = $4, parked = false, scanned = nullif($3, -1) where open = $1",
		4, types, values, NULL, SPI_OK_UPDATE);
}

static void
move_entry(SpoolRecord *record)
{
	RecordEntry entry;
	CborWriter	header;
	const char *datasets = record->data + sizeof(RecordEntry);
	const uint8 *stored;
	const uint8 *private_part = NULL;
	uint64		length = sizeof(RecordEntry);

	if (record->length < sizeof(RecordEntry))
	{
		move_unreadable(record);
		return;
	}
	memcpy(&entry, record->data, sizeof(entry));
	length += (uint64) entry.ndatasets * sizeof(int32);
	stored = (const uint8 *) record->data + length;
	length += entry.header_length;
	if (entry.private_length != RECORD_NO_PRIVATE)
	{
		private_part = (const uint8 *) record->data + length;
		length += entry.private_length;
	}
	if (length != record->length ||
		!begin_from(&header, stored, entry.header_length,
					entry.kind == RECORD_READ_END ? "at" : NULL))
	{
		move_unreadable(record);
		return;
	}
	switch (entry.kind)
	{
		case RECORD_READ_END:
			move_read_end(record->number, &entry, &header);
			break;
		case RECORD_READ:
			cbor_put_uint(&header, "spool", record->number);
			cbor_map_end(&header);
			move_read(record, &entry, datasets, &header, private_part);
			break;
		default:
			cbor_put_uint(&header, "spool", record->number);
			cbor_map_end(&header);
			(void) append(&header, private_part, private_part ? entry.private_length : 0);
			break;
	}
}

/* something between two records was lost: reads that are open may lack persons */
static void
move_gap(SpoolRecord *record)
{
	if (record->missing > 0)
		mark(psprintf("%llu entries before entry %llu of the spool are missing",
					  (unsigned long long) record->missing, (unsigned long long) record->number));
	if (record->damaged > 0)
		mark(psprintf("%llu bytes before entry %llu of the spool could not be read",
					  (unsigned long long) record->damaged, (unsigned long long) record->number));
	if (SPI_execute("update niji.read_index set persons_known = false where end_seq is null", false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not change niji.read_index");
}

/* ---- a batch ---- */

const char *
move_missing(void)
{
	if (!OidIsValid(catalog_relation("spool_position")))
		return "The extension niji is not in the database.";
	if (!entry_ready())
		return "The trail has not begun: while a dump is being restored, its rows are awaited.";
	return NULL;
}

void
move_begin(bool *opened)
{
	bool		known = false;

	*opened = false;
	if (SPI_execute("select spool, number, part::bigint from niji.spool_position", false, 2) != SPI_OK_SELECT)
		elog(ERROR, "could not read niji.spool_position");
	if (SPI_processed == 1)
	{
		SpoolPosition position = {field_int64(1, 0), field_int64(2, 0), field_int64(3, 0)};

		known = true;
		if (memcmp(&position, &committed, sizeof(position)) != 0)
			in_place = false;
		committed = position;
	}
	SPI_freetuptable(SPI_tuptable);

	/* the extension was made anew, or the table restored, while the spool was open */
	if (!known || committed.spool != spool_which())
		spool_close("The writer compares the spool with the trail.");
	if (spool_is_closed())
	{
		char	   *what;

		spool_reconcile(known ? &committed : NULL, &committed, &what);
		in_place = false;
		moved = committed;
		entry_batch_begin();
		if (what)
			mark(what);
		started();
		entry_batch_end();
		move_end();
		*opened = true;
	}
	if (!in_place)
	{
		spool_seek(&committed);
		in_place = true;
	}
	moved = committed;
	moved_place = spool_read_place();
}

bool
move_waiting(void)
{
	return spool_read_place() < spool_end() || pending_waiting();
}

bool
move_records(int limit)
{
	SpoolRecord record;
	List	   *parked;
	ListCell   *cell;
	uint64		bytes = 0;
	int			n = 0;
	bool		more = true;

	persons_batch_begin(CurrentMemoryContext);
	usage_begin(CurrentMemoryContext);
	while (n < limit && bytes < BATCH_BYTES)
	{
		if (!spool_read(&record))
		{
			more = false;
			break;
		}
		if (record.missing > 0 || record.damaged > 0)
			move_gap(&record);
		if (give_up)
		{
			/* once: this is where the last batch failed */
			give_up = false;
			move_unreadable(&record);
			if (record.type == SPOOL_PERSONS)
				move_gap(&record);
		}
		else if (record.type == SPOOL_ENTRY)
			move_entry(&record);
		else
		{
			uint64		open;

			if (!persons_take(record.data, record.length, &open))
			{
				move_unreadable(&record);
				record.damaged = record.length;
				move_gap(&record);
			}
		}
		moved.number = record.number;
		moved.part = record.part;
		moved_place = spool_read_place();
		bytes += record.length;
		n++;
	}
	usage_store();
	parked = persons_park();
	foreach(cell, parked)
	{
		static SPIPlanPtr plan = NULL;
		Oid			types[1] = {INT8OID};
		Datum		values[1] = {Int64GetDatum(*(uint64 *) lfirst(cell))};

		run(&plan, "update niji.read_index set parked = true where open = $1", 1, types, values, NULL,
			SPI_OK_UPDATE);
	}
	return more;
}

bool
move_lost_reads(void)
{
	Oid			types[1] = {INT8OID};
	Datum		values[1] = {Int64GetDatum(spool_boot())};
	uint64		n;
	uint64	   *opens;

	if (SPI_execute_with_args("select open from niji.read_index where end_seq is null and boot <> $1 order by open",
							  1, types, values, NULL, false, 1000) != SPI_OK_SELECT)
		elog(ERROR, "could not read niji.read_index");
	n = SPI_processed;
	opens = palloc(Max(n, 1) * sizeof(uint64));
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;

		opens[i] = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	if (n == 0)
		return false;

	entry_batch_begin();
	for (uint64 i = 0; i < n; i++)
	{
		CborWriter	header;
		CborWriter	common;
		RecordEntry entry = {.kind = RECORD_READ_END};

		/* sets that came in before the server ended stay, beside everybody else who may have been read */
		persons_batch_begin(CurrentMemoryContext);
		begin_own(&common, "read_end");
		cbor_map_end(&common);
		if (!begin_from(&header, common.data, common.length, "at"))
			elog(ERROR, "a header is malformed");
		cbor_free(&common);
		entry.open = opens[i];
		entry.at = entry_time(GetCurrentTimestamp());
		move_read_end(0, &entry, &header);
	}
	entry_batch_end();
	return true;
}

/* ---- settings ---- */

static const char *const settings[] = {
	"niji.allow_drop", "niji.anchor_directory", "niji.audit_timeout", "niji.audit_wait",
	"niji.consent_memory", "niji.database", "niji.key_source", "niji.quarantine_days", "niji.seal_command",
	"niji.seal_interval", "niji.seal_key_source", "niji.spool_limit", "niji.timezone"
};

bool
move_settings(void)
{
	bool		wrote = false;

	for (int i = 0; i < lengthof(settings); i++)
	{
		Oid			types[2] = {TEXTOID, TEXTOID};
		Datum		values[2];
		const char *value = GetConfigOption(settings[i], true, false);
		char	   *old = NULL;
		CborWriter	w;
		CborWriter	p;

		if (value == NULL)
			continue;
		values[0] = CStringGetTextDatum(settings[i]);
		values[1] = CStringGetTextDatum(value);
		if (SPI_execute_with_args("select value from niji.server_setting where name = $1", 1, types, values,
								  NULL, false, 1) != SPI_OK_SELECT)
			elog(ERROR, "could not read niji.server_setting");
		if (SPI_processed == 1)
			old = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
		if (old && strcmp(old, value) == 0)
			continue;
		if (SPI_execute_with_args("insert into niji.server_setting (name, value) values ($1, $2) "
								  "on conflict (name) do update set value = excluded.value",
								  2, types, values, NULL, false, 0) != SPI_OK_INSERT)
			elog(ERROR, "could not change niji.server_setting");

		/* of what is new to the trail only the one that waives a promise is worth an entry */
		if (old == NULL && strcmp(value, "queued") != 0)
			continue;
		if (!wrote)
			entry_batch_begin();
		wrote = true;
		begin_own(&w, "setting");
		cbor_put_text(&w, "object", settings[i]);
		if (strcmp(settings[i], "niji.audit_wait") == 0)
			cbor_put_text(&w, "value", value);
		cbor_map_end(&w);
		cbor_init(&p);
		cbor_map_begin(&p);
		cbor_put_text(&p, "old", old);
		cbor_put_text(&p, "new", value);
		cbor_map_end(&p);
		(void) append(&w, p.data, p.length);
		cbor_free(&p);
	}
	if (wrote)
		entry_batch_end();
	return wrote;
}

/* ---- the end of a batch ---- */

void
move_end(void)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[3] = {INT8OID, INT8OID, INT4OID};
	Datum		values[3];

	values[0] = Int64GetDatum(moved.spool);
	values[1] = Int64GetDatum(moved.number);
	values[2] = Int32GetDatum(moved.part);
	run(&plan,
		"insert into niji.spool_position as p (spool, number, part) values ($1, $2, $3) "
		"on conflict (only_one) do update set spool = excluded.spool, number = excluded.number, part = excluded.part, "
		"since = case when p.spool = excluded.spool then p.since else now() end",
		3, types, values, NULL, SPI_OK_INSERT);
}

bool
move_only_pending(void)
{
	return memcmp(&moved, &committed, sizeof(moved)) == 0;
}

void
move_committed(void)
{
	committed = moved;
	pending_moved(true);
	spool_purge(moved_place);
}

void
move_aborted(void)
{
	in_place = false;
	pending_moved(false);
}

void
move_give_up(void)
{
	give_up = true;
}
