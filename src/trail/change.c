/*
 * change.c
 *    Capture of changes: one entry a statement, from transition tables.
 *
 * niji.capture_change() is an AFTER STATEMENT trigger with transition tables
 * (niji.audit_changes() attaches it).  It reads the tuplestores where they are,
 * without a query, and puts the entry where acts wait too, so that it commits
 * with the change.  How much an entry tells is its mode:
 *
 *   statement  how many rows, how many different persons, for UPDATE the columns
 *              of its SET; nothing about which rows
 *   keys       in the private part, a row each: its key, and for each column that
 *              changed (INSERT, DELETE: each column outside of the key) a
 *              commitment to the old and to the new value
 *   rows       in the private part, a row each: the values; for UPDATE the key and
 *              the columns that changed
 *   auto       keys for UPDATE and DELETE, statement otherwise
 *
 * A statement that changed no row leaves none.  A change whose private part
 * would be large becomes several entries, numbered by "part", each with the
 * rows and persons that it tells of.
 *
 * Commitment to a value: HMAC-SHA-256 under the entry's salt over the column's
 * name (UTF-8, after its length as uint32, big endian) and the value as its
 * type's send function gives it; null for NULL.  Whoever has the salt and the
 * value can show that it was this one; the salt goes when the private part is
 * erased.
 *
 * Old and new rows of an UPDATE stand in the same order.  Should a trigger on a
 * partition have swallowed a moved row they no longer pair; then each is told
 * by itself.
 *
 * Values are told in one form whatever the session's settings are.  Type
 * person, whose own functions refuse those without a duty, is read as the
 * number that it is, and so are physicians, records and households.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/person_set.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "trail/commitment.h"
#include "trail/entry.h"
#include "trail/pending.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(capture_change);

/* size of a private part at which another entry begins */
#define PART_SIZE (8 * 1024 * 1024)

typedef enum
{
	MODE_NONE,
	MODE_STATEMENT,
	MODE_KEYS,
	MODE_ROWS
} ChangeMode;

static const char *const mode_names[] = {"none", "statement", "keys", "rows"};

typedef struct Column
{
	const char *name;
	Form_pg_attribute att;
	Oid			base_type;		/* below domains */
	bool		skip;			/* dropped, or computed when it is read */
	bool		person;
	bool		surrogate;		/* of a physician, a record or a household: an int8 underneath */
	bool		key;
	bool		changed;		/* in this entry */
	bool		out_ready;
	bool		send_ready;
	bool		sends;			/* has a send function */
	FmgrInfo	out;
	FmgrInfo	send;
} Column;

typedef struct Change
{
	TriggerData *trigger;
	ChangeMode		mode;
	const char *command;
	MemoryContext context;		/* of the statement's capture */
	MemoryContext row_context;
	TupleDesc	desc;
	int			natts;
	Column	   *columns;
	int			last;			/* highest column that is read, to deform no more */
	bool		has_key;
	bool		has_persons;
	bool		modes_set;		/* settings that values' text depends on */
	int			guc_nest;

	/* the entry in the making */
	uint8		salt[ENTRY_SALT_SIZE];
	CommitmentKey key;
	CborWriter	private_part;
	int64		rows;
	PersonSet  *persons;
	int			part;			/* 0 until there is more than one */
} Change;

/* ---- settings that the text of values depends on ---- */

static void
set_setting(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

static void
set_modes(Change *c)
{
	if (c->modes_set)
		return;
	c->guc_nest = NewGUCNestLevel();
	c->modes_set = true;
	set_setting("datestyle", "ISO, YMD");
	set_setting("intervalstyle", "postgres");
	set_setting("extra_float_digits", "1");
	set_setting("timezone", "UTC");
	set_setting("bytea_output", "hex");
	set_setting("lc_monetary", "C");
	set_setting("search_path", "pg_catalog");
}

/* ---- what there is to know about the relation ---- */

static bool
is_surrogate(Oid type)
{
	static const char *const names[] = {"physician", "record", "household"};

	for (int i = 0; i < lengthof(names) && type >= FirstNormalObjectId; i++)
		if (type == catalog_type(names[i]))
			return true;
	return false;
}

static void
find_columns(Change *c)
{
	Relation	rel = c->trigger->tg_relation;
	Oid			person_type = catalog_type("person");

	c->desc = RelationGetDescr(rel);
	c->natts = c->desc->natts;
	c->columns = palloc0(c->natts * sizeof(Column));
	for (int i = 0; i < c->natts; i++)
	{
		Column	   *column = &c->columns[i];

		column->att = TupleDescAttr(c->desc, i);
		column->name = NameStr(column->att->attname);
		column->skip = column->att->attisdropped || niji_att_is_virtual(column->att);
		if (column->skip)
			continue;
		column->base_type = column->att->atttypid;
		if (column->base_type >= FirstNormalObjectId && column->base_type != person_type)
			column->base_type = getBaseType(column->base_type);
		column->person = column->base_type == person_type && OidIsValid(person_type);
		column->surrogate = is_surrogate(column->base_type);
		if (column->person)
		{
			c->has_persons = true;
			c->last = Max(c->last, i + 1);
		}
	}
	if (c->mode == MODE_KEYS || c->mode == MODE_ROWS)
	{
		Oid			index_oid;

		c->last = c->natts;
		list_free(RelationGetIndexList(rel));	/* finds out about the key */
		index_oid = OidIsValid(rel->rd_pkindex) ? rel->rd_pkindex : rel->rd_replidindex;
		if (OidIsValid(index_oid))
		{
			Relation	index = index_open(index_oid, AccessShareLock);

			for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
			{
				int			attno = index->rd_index->indkey.values[i];

				if (attno > 0)
				{
					c->columns[attno - 1].key = true;
					c->has_key = true;
				}
			}
			index_close(index, AccessShareLock);
		}
	}
}

/* ---- values ---- */

static void
put_server_text(CborWriter *w, const char *text, int length)
{
	char	   *converted = pg_server_to_any(text, length, PG_UTF8);

	if (converted == text)
		cbor_text_n(w, text, length);
	else
		cbor_text(w, converted);
}

static void
put_name(CborWriter *w, const char *name)
{
	put_server_text(w, name, strlen(name));
}

static char *
value_out(Change *c, Column *column, Datum value)
{
	set_modes(c);
	if (!column->out_ready)
	{
		Oid			function;
		bool		varlena;

		getTypeOutputInfo(column->att->atttypid, &function, &varlena);
		fmgr_info_cxt(function, &column->out, c->context);
		column->out_ready = true;
	}
	return OutputFunctionCall(&column->out, value);
}

static void
put_value(Change *c, Column *column, Datum value, bool isnull)
{
	CborWriter *w = &c->private_part;

	if (isnull)
		cbor_null(w);
	else if (column->person)
		cbor_int(w, DatumGetInt32(value));
	else if (column->surrogate)
		cbor_int(w, DatumGetInt64(value));
	else
		switch (column->base_type)
		{
			case BOOLOID:
				cbor_bool(w, DatumGetBool(value));
				break;
			case INT2OID:
				cbor_int(w, DatumGetInt16(value));
				break;
			case INT4OID:
				cbor_int(w, DatumGetInt32(value));
				break;
			case INT8OID:
				cbor_int(w, DatumGetInt64(value));
				break;
			case BYTEAOID:
				{
					bytea	   *bytes = DatumGetByteaPP(value);

					cbor_bytes(w, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
					break;
				}
			case TEXTOID:
			case VARCHAROID:
			case BPCHAROID:
				{
					text	   *t = DatumGetTextPP(value);

					put_server_text(w, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
					break;
				}
			default:
				{
					char	   *out = value_out(c, column, value);

					put_server_text(w, out, strlen(out));
				}
		}
}

static void
put_commitment(Change *c, Column *column, Datum value, bool isnull)
{
	char	   *name = pg_server_to_any(column->name, strlen(column->name), PG_UTF8);
	const void *data;
	size_t		length;
	uint8		network[8];
	uint8		hash[COMMITMENT_SIZE];

	if (isnull)
	{
		cbor_null(&c->private_part);
		return;
	}
	if (column->person || column->surrogate)
	{
		uint64		number = column->person ? (uint32) DatumGetInt32(value) : (uint64) DatumGetInt64(value);

		length = column->person ? 4 : 8;
		for (size_t i = 0; i < length; i++)
			network[i] = (uint8) (number >> (8 * (length - 1 - i)));
		data = network;
	}
	else
	{
		if (!column->send_ready)
		{
			HeapTuple	type = SearchSysCache1(TYPEOID, ObjectIdGetDatum(column->att->atttypid));

			if (!HeapTupleIsValid(type))
				elog(ERROR, "cache lookup failed for type %u", column->att->atttypid);
			column->sends = OidIsValid(((Form_pg_type) GETSTRUCT(type))->typsend);
			if (column->sends)
				fmgr_info_cxt(((Form_pg_type) GETSTRUCT(type))->typsend, &column->send, c->context);
			ReleaseSysCache(type);
			column->send_ready = true;
		}
		if (column->sends)
		{
			bytea	   *bytes = SendFunctionCall(&column->send, value);

			data = VARDATA(bytes);
			length = VARSIZE(bytes) - VARHDRSZ;
		}
		else
		{
			char	   *out = value_out(c, column, value);

			data = out;
			length = strlen(out);
		}
	}
	commitment_hash(&c->key, name, strlen(name), data, length, hash);
	cbor_bytes(&c->private_part, hash, sizeof(hash));
}

static bool
values_equal(Column *column, Datum a, bool a_null, Datum b, bool b_null)
{
	if (a_null || b_null)
		return a_null == b_null;
	/* the same stored value needs no fetching */
	if (column->att->attlen == -1 && VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(a)) &&
		VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(b)))
	{
		struct varatt_external x;
		struct varatt_external y;

		VARATT_EXTERNAL_GET_POINTER(x, DatumGetPointer(a));
		VARATT_EXTERNAL_GET_POINTER(y, DatumGetPointer(b));
		if (memcmp(&x, &y, sizeof(x)) == 0)
			return true;
	}
	return datum_image_eq(a, b, column->att->attbyval, column->att->attlen);
}

/* ---- the entry ---- */

static void
begin_part(Change *c)
{
	entry_salt(c->salt);
	commitment_key(&c->key, c->salt);
	c->rows = 0;
	c->persons = c->has_persons ? person_set_create(c->context) : NULL;
	for (int i = 0; i < c->natts; i++)
		c->columns[i].changed = false;
	if (c->mode == MODE_STATEMENT)
		return;
	cbor_reset(&c->private_part);
	cbor_map_begin(&c->private_part);
	cbor_text(&c->private_part, "rows");
	cbor_array_begin(&c->private_part);
}

static void
end_part(Change *c, bool rows_known)
{
	Relation	rel = c->trigger->tg_relation;
	bool		update = TRIGGER_FIRED_BY_UPDATE(c->trigger->tg_event);
	EntryOrigin origin;
	CborWriter	header;
	char	   *relation = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
													  RelationGetRelationName(rel));

	entry_origin_fill(&origin);
	cbor_init(&header);
	cbor_map_begin(&header);
	/* what entry_put_common() writes and the rest, in the order of the map, so that it need not be sorted */
	cbor_put_int(&header, "v", 1);
	cbor_put_int(&header, "at", entry_time(GetCurrentTimestamp()));
	cbor_put_int(&header, "pid", origin.pid);
	cbor_put_uint(&header, "xid", U64FromFullTransactionId(GetTopFullTransactionId()));
	cbor_put_text(&header, "kind", "change");
	cbor_put_text(&header, "mode", mode_names[c->mode]);
	if (c->part > 0)
		cbor_put_int(&header, "part", c->part);
	if (rows_known)
		cbor_put_int(&header, "rows", c->rows);
	else
		cbor_put_null(&header, "rows");
	cbor_put_text(&header, "user", origin.user);
	cbor_put_text(&header, "client", origin.client);
	if (update)
	{
		cbor_text(&header, "columns");
		cbor_array_begin(&header);
		for (int i = 0; i < c->natts; i++)
			if (!c->columns[i].skip &&
				(c->mode == MODE_STATEMENT
				 ? bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, c->trigger->tg_updatedcols)
				 : c->columns[i].changed))
				put_name(&header, c->columns[i].name);
		cbor_array_end(&header);
	}
	cbor_put_text(&header, "command", c->command);
	if (c->has_persons && rows_known)
		cbor_put_uint(&header, "persons", person_set_count(c->persons));
	cbor_text(&header, "relation");
	put_name(&header, relation);
	cbor_put_text(&header, "application", origin.application);
	cbor_put_text(&header, "session_user", origin.session_user);
	cbor_map_end(&header);

	if (c->mode == MODE_STATEMENT)
		pending_insert(&header, c->salt, NULL);
	else
	{
		cbor_array_end(&c->private_part);
		cbor_map_end(&c->private_part);
		pending_insert(&header, c->salt, &c->private_part);
	}
	cbor_free(&header);
}

/* ---- rows ---- */

static void
add_persons(Change *c, TupleTableSlot *slot)
{
	for (int i = 0; i < c->last; i++)
		if (c->columns[i].person && !slot->tts_isnull[i])
			person_set_add(c->persons, DatumGetInt32(slot->tts_values[i]));
}

static void
put_key(Change *c, const char *label, TupleTableSlot *slot)
{
	cbor_text(&c->private_part, label);
	if (!c->has_key)
	{
		cbor_null(&c->private_part);
		return;
	}
	cbor_map_begin(&c->private_part);
	for (int i = 0; i < c->natts; i++)
		if (c->columns[i].key)
		{
			put_name(&c->private_part, c->columns[i].name);
			put_value(c, &c->columns[i], slot->tts_values[i], slot->tts_isnull[i]);
		}
	cbor_map_end(&c->private_part);
}

/* a row that came or went, or (both) one that changed */
static void
put_row(Change *c, TupleTableSlot *old, TupleTableSlot *new)
{
	CborWriter *w = &c->private_part;
	TupleTableSlot *slots[2] = {old, new};
	static const char *const labels[2] = {"old", "new"};
	bool	   *changed = palloc0(c->natts * sizeof(bool));
	bool		key_changed = false;

	for (int i = 0; i < c->natts; i++)
	{
		Column	   *column = &c->columns[i];

		if (column->skip)
			continue;
		if (old && new)
			changed[i] = !values_equal(column, old->tts_values[i], old->tts_isnull[i],
									   new->tts_values[i], new->tts_isnull[i]);
		else
			changed[i] = c->mode == MODE_ROWS || !column->key;
		if (changed[i])
			column->changed = true;
		if (changed[i] && column->key)
			key_changed = true;
	}

	cbor_map_begin(w);
	if (c->mode == MODE_KEYS || (old && new))
		put_key(c, "key", old ? old : new);
	if (old && new && key_changed)
		put_key(c, "new_key", new);
	if (c->mode == MODE_KEYS)
	{
		cbor_text(w, "columns");
		cbor_map_begin(w);
		for (int i = 0; i < c->natts; i++)
			if (changed[i])
			{
				put_name(w, c->columns[i].name);
				cbor_map_begin(w);
				for (int j = 0; j < 2; j++)
					if (slots[j])
					{
						cbor_text(w, labels[j]);
						put_commitment(c, &c->columns[i], slots[j]->tts_values[i], slots[j]->tts_isnull[i]);
					}
				cbor_map_end(w);
			}
		cbor_map_end(w);
	}
	else
		for (int j = 0; j < 2; j++)
			if (slots[j])
			{
				cbor_text(w, labels[j]);
				cbor_map_begin(w);
				for (int i = 0; i < c->natts; i++)
					if (changed[i])
					{
						put_name(w, c->columns[i].name);
						put_value(c, &c->columns[i], slots[j]->tts_values[i], slots[j]->tts_isnull[i]);
					}
				cbor_map_end(w);
			}
	cbor_map_end(w);
}

/* a transition table that is read from its start, beside others that read it */
static bool
start_reading(Tuplestorestate *store)
{
	if (store == NULL)
		return false;
	tuplestore_select_read_pointer(store, tuplestore_alloc_read_pointer(store, EXEC_FLAG_REWIND));
	tuplestore_rescan(store);
	return true;
}

static bool
next_row(Change *c, Tuplestorestate *store, TupleTableSlot *slot)
{
	if (!tuplestore_gettupleslot(store, true, false, slot))
		return false;
	slot_getsomeattrs(slot, c->last);
	return true;
}

static void
tell_row(Change *c, TupleTableSlot *old, TupleTableSlot *new)
{
	MemoryContext before;

	if (c->mode != MODE_STATEMENT && c->private_part.length > PART_SIZE)
	{
		if (c->part == 0)
			c->part = 1;
		end_part(c, true);
		begin_part(c);
		c->part++;
	}
	c->rows++;
	if (c->has_persons)
	{
		if (old)
			add_persons(c, old);
		if (new)
			add_persons(c, new);
	}
	if (c->mode == MODE_STATEMENT)
		return;
	before = MemoryContextSwitchTo(c->row_context);
	put_row(c, old, new);
	MemoryContextSwitchTo(before);
	MemoryContextReset(c->row_context);
}

static void
tell_rows(Change *c)
{
	Tuplestorestate *old_store = c->trigger->tg_oldtable;
	Tuplestorestate *new_store = c->trigger->tg_newtable;
	bool		has_old = start_reading(old_store);
	bool		has_new = start_reading(new_store);
	TupleTableSlot *old = MakeSingleTupleTableSlot(c->desc, &TTSOpsMinimalTuple);
	TupleTableSlot *new = MakeSingleTupleTableSlot(c->desc, &TTSOpsMinimalTuple);

	if (has_old && has_new && tuplestore_tuple_count(old_store) == tuplestore_tuple_count(new_store))
	{
		while (next_row(c, old_store, old) && next_row(c, new_store, new))
			tell_row(c, old, new);
	}
	else
	{
		while (has_old && next_row(c, old_store, old))
			tell_row(c, old, NULL);
		while (has_new && next_row(c, new_store, new))
			tell_row(c, NULL, new);
	}
	ExecDropSingleTupleTableSlot(old);
	ExecDropSingleTupleTableSlot(new);
}

static int64
count_rows(TriggerData *trigger)
{
	int64		rows = 0;

	if (trigger->tg_oldtable)
		rows = tuplestore_tuple_count(trigger->tg_oldtable);
	if (trigger->tg_newtable)
		rows = Max(rows, tuplestore_tuple_count(trigger->tg_newtable));
	return rows;
}

static ChangeMode
mode_of(TriggerData *trigger)
{
	const char *name = trigger->tg_trigger->tgnargs == 1 ? trigger->tg_trigger->tgargs[0] : "";

	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		return strcmp(name, "none") == 0 ? MODE_NONE : MODE_STATEMENT;
	if (strcmp(name, "auto") == 0)
		return TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? MODE_STATEMENT : MODE_KEYS;
	for (int i = 0; i < lengthof(mode_names); i++)
		if (strcmp(name, mode_names[i]) == 0)
			return (ChangeMode) i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no mode \"%s\" of capturing changes", name),
			 errhint("The modes are none, statement, keys, rows and auto.")));
}

static void
capture(TriggerData *trigger, ChangeMode mode)
{
	Change		c = {0};
	MemoryContext before;
	bool		truncate = TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event);
	int			encoding = pg_get_client_encoding();

	c.trigger = trigger;
	c.mode = mode;
	c.command = truncate ? "TRUNCATE" : TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? "INSERT"
		: TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ? "DELETE" : "UPDATE";
	c.context = AllocSetContextCreate(CurrentMemoryContext, "niji change", ALLOCSET_DEFAULT_SIZES);
	before = MemoryContextSwitchTo(c.context);
	find_columns(&c);
	if (mode != MODE_STATEMENT)
	{
		c.row_context = AllocSetContextCreate(c.context, "niji changed row", ALLOCSET_DEFAULT_SIZES);
		cbor_init(&c.private_part);
	}
	begin_part(&c);
	if (truncate)
		end_part(&c, false);
	else if (mode == MODE_STATEMENT && !c.has_persons)
	{
		c.rows = count_rows(trigger);
		end_part(&c, true);
	}
	else
	{
		/* send functions of texts convert to the client's encoding; let it be the server's */
		if (mode == MODE_KEYS && encoding != GetDatabaseEncoding())
			(void) SetClientEncoding(GetDatabaseEncoding());
		PG_TRY();
		{
			tell_rows(&c);
		}
		PG_FINALLY();
		{
			if (mode == MODE_KEYS && encoding != GetDatabaseEncoding())
				(void) SetClientEncoding(encoding);
		}
		PG_END_TRY();
		end_part(&c, true);
	}
	if (c.modes_set)
		AtEOXact_GUC(true, c.guc_nest);
	MemoryContextSwitchTo(before);
	MemoryContextDelete(c.context);
}

/* niji.capture_change(mode): trigger, after a statement */
Datum
capture_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	ChangeMode		mode;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("capture_change() can only be a trigger after a statement"),
				 errhint("niji.audit_changes() attaches it.")));
	mode = mode_of(trigger);
	if (mode == MODE_NONE ||
		(!TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event) && count_rows(trigger) == 0))
		PG_RETURN_POINTER(NULL);
	capture(trigger, mode);
	PG_RETURN_POINTER(NULL);
}
