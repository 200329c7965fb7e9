/*
 * record_read.c
 *    Building the entries of reads.
 *
 * The header says who reads what under which permit; it is public, and so holds
 * neither the statement's text nor a value.  Those are the private part.
 *
 * Values of parameters are written by their types' output functions only where
 * these are PostgreSQL's own and can do nothing else: others could raise an
 * error (person's refuses who has no duty), or run a user's code in the middle of the record.  All
 * others are kept as the bytes that they are.
 *
 * Calls that take identifiers leave neither text nor parameters, only the
 * function's name: otherwise the trail would be where identifiers are
 * kept.  Analysts cannot call them, so that this is no way for them to hide a text.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/duty.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/params.h"
#include "tcop/tcopprot.h"
#include "trail/record.h"
#include "trail/record_read.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define TEXT_MAX (1024 * 1024)
#define VALUE_MAX (64 * 1024)
#define VALUES_MAX (512 * 1024)
#define TYPE_DEPTH_MAX 4

/* functions whose arguments are identifiers */
static const char *const identifying[] = {
	"enrol", "enrol_batch", "find_person", "check_identifier", "normalize_identifier",
	"link_identifier", "load_crosswalk", "split_person", "holder_pseudonyms",
	"enrol_rows", "enrol_run_step", "find_batch", "link_batch", "identifier_digests", "split_links",
	"load_cohort", "add_to_cohort", "match_identifiers"
};

void
record_text(CborWriter *w, const char *text, Size length)
{
	const char *converted;

	if (!pg_verify_mbstr(GetDatabaseEncoding(), text, length, true) ||
		GetDatabaseEncoding() == PG_SQL_ASCII)
	{
		/* what is no text, or nobody knows in which encoding: as it is */
		if (pg_verify_mbstr(PG_UTF8, text, length, true))
			cbor_text_n(w, text, length);
		else
			cbor_bytes(w, text, length);
		return;
	}
	converted = pg_server_to_any(text, length, PG_UTF8);
	if (converted == text)
		cbor_text_n(w, text, length);
	else
		cbor_text(w, converted);
}

static void
put(CborWriter *w, const char *key, const char *text)
{
	cbor_text(w, key);
	record_text(w, text, strlen(text));
}

static const char *
command_name(NijiStatement *st)
{
	if (st->query == NULL)
		return "COPY";
	switch (st->query->operation)
	{
		case CMD_SELECT:
			return "SELECT";
		case CMD_INSERT:
			return "INSERT";
		case CMD_UPDATE:
			return "UPDATE";
		case CMD_DELETE:
			return "DELETE";
		case CMD_MERGE:
			return "MERGE";
		default:
			return "OTHER";
	}
}

/* whether an earlier read of the list is of the same dataset */
static bool
seen_before(List *reads, NijiRead *read)
{
	ListCell   *cell;

	foreach(cell, reads)
	{
		NijiRead   *other = lfirst(cell);

		if (other == read)
			return false;
		if (other->dataset == read->dataset)
			return true;
	}
	return false;
}

static void
put_columns(CborWriter *w, List *reads, NijiRead *read)
{
	List	   *names = NIL;
	ListCell   *cell;

	foreach(cell, reads)
	{
		NijiRead   *other = lfirst(cell);
		ListCell   *column;

		if (other->dataset != read->dataset)
			continue;
		foreach(column, other->columns)
		{
			ListCell   *name;
			bool		found = false;

			foreach(name, names)
				if (strcmp(lfirst(name), lfirst(column)) == 0)
					found = true;
			if (!found)
				names = lappend(names, lfirst(column));
		}
	}
	record_text(w, read->name, strlen(read->name));
	cbor_array_begin(w);
	foreach(cell, names)
		record_text(w, lfirst(cell), strlen(lfirst(cell)));
	cbor_array_end(w);
	list_free(names);
}

/* numbers of the overrides under which it reads; only if there are any */
static void
put_overrides(CborWriter *w, NijiStatement *st)
{
	ListCell   *cell;
	bool		begun = false;

	foreach(cell, st->reads)
	{
		NijiRead   *read = lfirst(cell);

		if (read->override == 0)
			continue;
		if (!begun)
		{
			cbor_text(w, "overrides");
			cbor_array_begin(w);
		}
		begun = true;
		cbor_int(w, read->override);
	}
	if (begun)
		cbor_array_end(w);
}

void
record_read_header(CborWriter *w, NijiStatement *st, const char *kind, const char *reason,
				   const EntryOrigin *origin, TimestampTz at)
{
	ListCell   *cell;

	cbor_init(w);
	cbor_map_begin(w);
	entry_put_common(w, kind, at, origin);
	if (st->parent && st->parent->entry != 0)
		cbor_put_uint(w, "parent", st->parent->entry);
	if (st->permit != 0)
	{
		cbor_put_int(w, "permit_id", st->permit);
		if (st->permit_code)
			put(w, "permit", st->permit_code);
	}
	if (st->query && st->query->plannedstmt->queryId != 0)
		cbor_put_int(w, "query_id", (int64) st->query->plannedstmt->queryId);
	put(w, "command", command_name(st));
	cbor_text(w, "datasets");
	cbor_array_begin(w);
	foreach(cell, st->reads)
	{
		NijiRead   *read = lfirst(cell);

		if (!seen_before(st->reads, read))
			record_text(w, read->name, strlen(read->name));
	}
	cbor_array_end(w);
	cbor_text(w, "columns");
	cbor_map_begin(w);
	foreach(cell, st->reads)
	{
		NijiRead   *read = lfirst(cell);

		if (!seen_before(st->reads, read))
			put_columns(w, st->reads, read);
	}
	cbor_map_end(w);
	put_overrides(w, st);
	if (reason)
		put(w, "reason", reason);
	cbor_map_end(w);
}

/* the name of a function in the plan that takes identifiers, or NULL */
static const char *
identifying_call(NijiStatement *st, const char *text)
{
	Oid			namespace;
	ListCell   *cell;

	if (duty_mask() == 0)
		return NULL;
	namespace = catalog_namespace();
	for (int i = 0; i < lengthof(identifying); i++)
	{
		CatCList   *list;

		/* named in the text: constant calls are gone from a plan */
		for (const char *at = text; at && *at; at++)
			if (pg_strncasecmp(at, identifying[i], strlen(identifying[i])) == 0)
				return identifying[i];
		if (st->query == NULL || st->query->plannedstmt->invalItems == NIL)
			continue;

		/* in the plan, however it was called: the planner lists the functions that it depends on */
		list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(identifying[i]));
		for (int n = 0; n < list->n_members; n++)
		{
			Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&list->members[n]->tuple);
			uint32		hash;

			if (proc->pronamespace != namespace)
				continue;
			hash = GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(proc->oid));
			foreach(cell, st->query->plannedstmt->invalItems)
			{
				PlanInvalItem *item = lfirst(cell);

				if (item->cacheId == PROCOID && item->hashValue == hash)
				{
					ReleaseSysCacheList(list);
					return identifying[i];
				}
			}
		}
		ReleaseSysCacheList(list);
	}
	return NULL;
}

/* whether a value of the type can be written by PostgreSQL's own functions alone */
static bool
plain_type(Oid type, int depth)
{
	HeapTuple	tuple;
	Form_pg_type form;
	bool		plain = false;

	if (depth > TYPE_DEPTH_MAX)
		return false;
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_type) GETSTRUCT(tuple);
	if (form->typoutput < FirstNormalObjectId)
	{
		if (form->typtype == TYPTYPE_BASE)
			plain = !OidIsValid(form->typelem) || plain_type(form->typelem, depth + 1);
		else if (form->typtype == TYPTYPE_ENUM)
			plain = true;
		else if (form->typtype == TYPTYPE_DOMAIN)
			plain = plain_type(form->typbasetype, depth + 1);
	}
	ReleaseSysCache(tuple);
	return plain;
}

static void
put_value(CborWriter *w, Oid type, Datum value, Size *left)
{
	Oid			output;
	bool		varlena;
	int16		length;
	bool		byval;
	char		align;

	if (plain_type(type, 0) ||
		(trail_identity.pseudonym_type && type == trail_identity.pseudonym_type()))
	{
		char	   *text;
		Size		size;

		getTypeOutputInfo(type, &output, &varlena);
		text = OidOutputFunctionCall(output, value);
		size = strlen(text);
		size = size > Min(VALUE_MAX, *left) ? pg_mbcliplen(text, size, Min(VALUE_MAX, *left)) : size;
		record_text(w, text, size);
		*left -= size;
		pfree(text);
		return;
	}
	get_typlenbyvalalign(type, &length, &byval, &align);
	if (byval)
		cbor_bytes(w, &value, sizeof(value));
	else if (length > 0)
		cbor_bytes(w, DatumGetPointer(value), length);
	else if (length == -1)
	{
		struct varlena *detoasted = PG_DETOAST_DATUM(value);
		Size		size = Min(Min(VARSIZE_ANY_EXHDR(detoasted), VALUE_MAX), *left);

		cbor_bytes(w, VARDATA_ANY(detoasted), size);
		*left -= size;
	}
	else
		cbor_null(w);
}

static void
put_parameters(CborWriter *w, ParamListInfo params)
{
	Size		left = VALUES_MAX;

	cbor_text(w, "parameters");
	cbor_array_begin(w);
	for (int i = 0; i < params->numParams; i++)
	{
		ParamExternData *param = &params->params[i];
		ParamExternData workspace;

		/* variables of PL/pgSQL come through a function; speculatively, so that it raises nothing */
		if (params->paramFetch)
			param = params->paramFetch(params, i + 1, true, &workspace);
		if (!OidIsValid(param->ptype) || param->isnull || left == 0)
			cbor_null(w);
		else
			put_value(w, param->ptype, param->value, &left);
	}
	cbor_array_end(w);
}

void
record_read_private(CborWriter *w, NijiStatement *st)
{
	const char *text = st->query ? st->query->sourceText : debug_query_string;
	const char *hidden;
	Size		length;

	cbor_init(w);
	cbor_map_begin(w);
	hidden = identifying_call(st, text);
	if (hidden)
		put(w, "text", psprintf("(a call of niji.%s)", hidden));
	else if (text)
	{
		/* one statement out of several that were sent together */
		length = strlen(text);
		if (st->query)
		{
			int			location = st->query->plannedstmt->stmt_location;
			int			only = st->query->plannedstmt->stmt_len;

			if (location >= 0 && location <= length)
			{
				text += location;
				length -= location;
			}
			if (only > 0 && only < length)
				length = only;
		}
		while (length > 0 && isspace((unsigned char) *text))
		{
			text++;
			length--;
		}
		while (length > 0 && isspace((unsigned char) text[length - 1]))
			length--;
		if (length > TEXT_MAX)
		{
			cbor_put_uint(w, "length", length);
			length = pg_mbcliplen(text, length, TEXT_MAX);
		}
		cbor_text(w, "text");
		record_text(w, text, length);
		if (st->query && st->query->params && st->query->params->numParams > 0)
			put_parameters(w, st->query->params);
	}
	cbor_map_end(w);
}
