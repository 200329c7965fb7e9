/*
 * tag.c
 *    Tags that hide a row from every reader.
 *
 * niji.untagged() stands in the restrictive policy of a dataset that has a tag
 * column.  It looks into niji.hidden_tag as the server's caches look into
 * catalogs: a tag that is added hides its rows from the next statement of every
 * session on, and no policy has to be made anew.
 *
 * What must not be shown is not shown because somebody wrote it otherwise: case,
 * spaces around it, and a code system before it ("system|code") do not matter.
 * A null has no tag; of an array each element counts.
 *
 * It raises nothing that depends on a value, and is cheap, so the planner has it
 * tested before niji.permitted() notes who was scanned.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(untagged);
PG_FUNCTION_INFO_V1(untagged_array);

typedef struct HiddenTag
{
	const char *text;
	int			length;
} HiddenTag;

static CatalogWatch watch = {"hidden_tag"};
static MemoryContext tags_context = NULL;
static HiddenTag *tags = NULL;
static int	ntags = 0;

static inline bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* the code itself, without what does not matter but case */
static HiddenTag
code_of(const char *text, int length)
{
	HiddenTag	code;

	for (int i = length; i > 0; i--)
		if (text[i - 1] == '|')
		{
			text += i;
			length -= i;
			break;
		}
	while (length > 0 && is_space(text[length - 1]))
		length--;
	while (length > 0 && is_space(*text))
	{
		text++;
		length--;
	}
	code.text = text;
	code.length = length;
	return code;
}

static inline bool
is_hidden(const char *text, int length)
{
	HiddenTag	code = code_of(text, length);

	for (int i = 0; i < ntags; i++)
		if (tags[i].length == code.length && pg_strncasecmp(tags[i].text, code.text, code.length) == 0)
			return true;
	return false;
}

static pg_noinline void
read_tags(void)
{
	Oid			relid = catalog_relation("hidden_tag");
	Relation	rel;
	TableScanDesc scan;
	TupleTableSlot *slot;
	Snapshot	snapshot;
	int			capacity = 8;

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table niji.hidden_tag does not exist")));
	if (tags_context == NULL)
	{
		tags_context = AllocSetContextCreate(TopMemoryContext, "niji hidden tags", ALLOCSET_SMALL_SIZES);
		catalog_watch(&watch);
	}
	ntags = 0;
	MemoryContextReset(tags_context);
	tags = MemoryContextAlloc(tags_context, capacity * sizeof(HiddenTag));
	/* what changes from here on makes it stale again; an error does, too */
	watch.relid = relid;
	watch.stale = false;
	PG_TRY();
	{
		rel = table_open(relid, AccessShareLock);
		slot = table_slot_create(rel, NULL);
		snapshot = RegisterSnapshot(GetCatalogSnapshot(relid));
		scan = table_beginscan(rel, snapshot, 0, NULL);
		while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		{
			bool		isnull;
			text	   *tag = DatumGetTextPP(slot_getattr(slot, 1, &isnull));
			HiddenTag	code = code_of(VARDATA_ANY(tag), VARSIZE_ANY_EXHDR(tag));
			char	   *copy = MemoryContextAlloc(tags_context, Max(code.length, 1));

			memcpy(copy, code.text, code.length);
			if (ntags == capacity)
				tags = repalloc(tags, (capacity *= 2) * sizeof(HiddenTag));
			tags[ntags].text = copy;
			tags[ntags++].length = code.length;
		}
		table_endscan(scan);
		UnregisterSnapshot(snapshot);
		ExecDropSingleTupleTableSlot(slot);
		table_close(rel, AccessShareLock);
	}
	PG_CATCH();
	{
		watch.stale = true;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static inline void
require_tags(void)
{
	if (unlikely(tags_context == NULL || watch.stale))
		read_tags();
}

/* niji.untagged(tag text) */
Datum
untagged(PG_FUNCTION_ARGS)
{
	text	   *tag;

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(true);
	require_tags();
	tag = PG_GETARG_TEXT_PP(0);
	PG_RETURN_BOOL(!is_hidden(VARDATA_ANY(tag), VARSIZE_ANY_EXHDR(tag)));
}

/* niji.untagged(tags text[]) */
Datum
untagged_array(PG_FUNCTION_ARGS)
{
	ArrayType  *array;
	Datum	   *values;
	bool	   *nulls;
	int			n;
	bool		hidden = false;

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(true);
	require_tags();
	array = PG_GETARG_ARRAYTYPE_P(0);
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	for (int i = 0; i < n && !hidden; i++)
		if (!nulls[i])
		{
			text	   *tag = DatumGetTextPP(values[i]);

			hidden = is_hidden(VARDATA_ANY(tag), VARSIZE_ANY_EXHDR(tag));
		}
	PG_RETURN_BOOL(!hidden);
}
