/*
 * capture.c
 *    Capture of reads: the trail's part in a protected statement.
 *
 * Before the first row can leave, the opening entry is appended to the spool and,
 * unless niji.audit_wait is "queued", flushed.  At the end the persons who were
 * scanned and shown follow, and then the closing entry with the amounts.  The closing
 * is not waited for: if it is lost, the read counts as one that showed everybody
 * whom its permit allows.
 *
 * A statement may end while its transaction is being aborted, in a memory
 * context's reset callback.  All that the closing entry then needs was made at
 * the start; it is written without allocating, raising or waiting.  What
 * parallel workers of an aborted statement had scanned is not known: such a read is
 * closed as one whose persons are unknown.
 *
 * Persons are known only under a permit, where niji.permitted() sees each row.
 * What a superuser reads from a dataset itself is recorded, without persons.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "base/compat.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "miscadmin.h"
#include "trail/capture.h"
#include "trail/limit.h"
#include "trail/record.h"
#include "trail/record_read.h"
#include "utils/timestamp.h"

typedef struct Recorder
{
	TimestampTz started;
	bool		parallel;		/* workers may have scanned */
	bool		all_scanned;	/* a row was returned that shows more than its pseudonyms */
	ShownKind	shown;
	bool		grouped;
	bool		decided;
	uint64		sent;			/* rows, also of a statement that is aborted */
	uint64		bytes;			/* of their values */
	bool		leaves;			/* the receiver's rows are not for another statement */
	Limits		left;			/* what the permit may still use this month */
	Bitmapset  *columns;		/* that carry pseudonyms, if shown is SHOWN_THESE */
	char	   *closing;		/* the closing entry's record; its RecordEntry is filled at the end */
	uint32		closing_length;
} Recorder;

typedef struct WatchReceiver
{
	DestReceiver pub;
	DestReceiver *inner;
	NijiStatement *st;
} WatchReceiver;

/*
 * Whether a plan can give no row of a relation, as tools send it to learn a
 * result's columns: WHERE 0 = 1, and LIMIT 0.  Then its entry need not be on disk
 * before the end.
 */
static bool
reads_nothing(PlannedStmt *stmt)
{
	Plan	   *plan = stmt->planTree;

	if (stmt->subplans != NIL || stmt->commandType != CMD_SELECT)
		return false;
	while (plan != NULL)
	{
		switch (nodeTag(plan))
		{
			case T_Limit:
				{
					Node	   *count = ((Limit *) plan)->limitCount;

					if (count && IsA(count, Const) && !((Const *) count)->constisnull &&
						DatumGetInt64(((Const *) count)->constvalue) == 0)
						return true;
					break;
				}
			case T_Sort:
			case T_Agg:
			case T_Group:
			case T_Unique:
			case T_Material:
			case T_WindowAgg:
				break;
			case T_Result:
				{
					List	   *quals = (List *) ((Result *) plan)->resconstantqual;
					ListCell   *cell;

					foreach(cell, quals)
					{
						Const	   *qual = lfirst(cell);

						if (IsA(qual, Const) && (qual->constisnull || !DatumGetBool(qual->constvalue)))
							return true;
					}
					break;
				}
			default:
				return false;
		}
		plan = outerPlan(plan);
	}
	return false;
}

static void
capture_open(NijiStatement *st)
{
	MemoryContext old = MemoryContextSwitchTo(st->context);
	Recorder   *recorder = palloc0(sizeof(Recorder));
	RecordEntry entry = {0};
	EntryOrigin origin;
	CborWriter	header;
	CborWriter	private_part;
	SpoolPiece	piece = {SPOOL_ENTRY};
	SpoolPlace	place;
	int32	   *datasets = palloc(Max(list_length(st->reads), 1) * sizeof(int32));
	char	   *record;
	ListCell   *cell;

	spool_require();
	persons_prepare();
	limit_require(st, &recorder->left);
	recorder->started = GetCurrentTimestamp();
	recorder->parallel = st->query && st->query->plannedstmt->parallelModeNeeded;
	entry_origin_fill(&origin);

	/* the closing first, so that there is no opening which could not be closed */
	entry.kind = RECORD_READ_END;
	entry.permit = st->permit;
	cbor_init(&header);
	cbor_map_begin(&header);
	entry_put_common(&header, "read_end", 0, &origin);
	cbor_map_end(&header);
	recorder->closing = record_pack(&entry, NULL, &header, NULL, &recorder->closing_length);
	cbor_free(&header);

	memset(&entry, 0, sizeof(entry));
	entry.kind = RECORD_READ;
	entry.permit = st->permit;
	entry.at = entry_time(recorder->started);
	foreach(cell, st->reads)
	{
		NijiRead   *read = lfirst(cell);
		bool		known = false;

		for (uint32 i = 0; i < entry.ndatasets; i++)
			known |= datasets[i] == read->dataset;
		if (!known)
			datasets[entry.ndatasets++] = read->dataset;
	}
	record_read_header(&header, st, "read", NULL, &origin, recorder->started);
	record_read_private(&private_part, st);
	record = record_pack(&entry, datasets, &header, &private_part, &piece.length);
	piece.data = record;
	st->recorder = recorder;
	st->entry = spool_append(&piece, 1, SPOOL_OPENING, &place);
	pfree(record);
	cbor_free(&header);
	cbor_free(&private_part);
	MemoryContextSwitchTo(old);

	/* if this fails, the statement is closed as aborted, and nothing has left */
	if (niji_audit_wait == NIJI_AUDIT_DURABLE &&
		!(st->query && reads_nothing(st->query->plannedstmt)))
		spool_flush(place);
}

/* ---- the rows on their way ---- */

/* bytes of a row's values, as they are when they are not compressed: about what a client gets */
static uint64
bytes_of(TupleTableSlot *slot)
{
	TupleDesc	desc = slot->tts_tupleDescriptor;
	uint64		bytes = 0;

	slot_getallattrs(slot);
	for (int i = 0; i < desc->natts; i++)
	{
		int			length = TupleDescAttr(desc, i)->attlen;

		if (slot->tts_isnull[i])
			continue;
		if (length > 0)
			bytes += length;
		else if (length == -1)
			bytes += toast_raw_datum_size(slot->tts_values[i]) - VARHDRSZ;
		else
			bytes += strlen(DatumGetCString(slot->tts_values[i]));
	}
	return bytes;
}

static bool
watch_receive(TupleTableSlot *slot, DestReceiver *self)
{
	WatchReceiver *watch = (WatchReceiver *) self;
	NijiStatement *st = watch->st;
	Recorder   *recorder = st->recorder;

	if (recorder->shown == SHOWN_THESE && !recorder->all_scanned)
	{
		bool		any = false;
		int			column = -1;

		while ((column = bms_next_member(recorder->columns, column)) >= 0)
		{
			bool		isnull;
			Datum		value = slot_getattr(slot, column + 1, &isnull);
			int32		person;

			if (!isnull && trail_identity.person_of(st->domain, (uint8 *) DatumGetPointer(value),
													&person))
			{
				person_set_add(st->shown, person);
				any = true;
			}
		}
		if (!any && !recorder->grouped)
			recorder->all_scanned = true;
	}
	recorder->sent++;
	if (recorder->leaves)
		recorder->bytes += bytes_of(slot);
	if (unlikely(recorder->left.any))
		limit_check(st, &recorder->left, recorder->sent, recorder->bytes);
	return watch->inner->receiveSlot(slot, watch->inner);
}

static void
watch_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
	WatchReceiver *watch = (WatchReceiver *) self;
	NijiStatement *st = watch->st;
	Recorder   *recorder = st->recorder;

	if (!recorder->decided)
	{
		MemoryContext old = MemoryContextSwitchTo(st->context);

		recorder->shown = capture_shown(st->query->plannedstmt, typeinfo, &recorder->columns,
										&recorder->grouped);
		if (recorder->shown == SHOWN_THESE && st->shown == NULL)
			st->shown = person_set_create(st->context);
		recorder->decided = true;
		MemoryContextSwitchTo(old);
	}
	watch->inner->rStartup(watch->inner, operation, typeinfo);
}

static void
watch_shutdown(DestReceiver *self)
{
	WatchReceiver *watch = (WatchReceiver *) self;

	watch->inner->rShutdown(watch->inner);
}

/* the inner one belongs to who made it */
static void
watch_destroy(DestReceiver *self)
{
}

static DestReceiver *
capture_watch(NijiStatement *st, DestReceiver *dest)
{
	WatchReceiver *watch;

	if (st->permit == 0 || st->recorder == NULL || st->query == NULL)
		return dest;
	watch = MemoryContextAllocZero(st->context, sizeof(WatchReceiver));
	watch->pub.receiveSlot = watch_receive;
	watch->pub.rStartup = watch_startup;
	watch->pub.rShutdown = watch_shutdown;
	watch->pub.rDestroy = watch_destroy;
	watch->pub.mydest = dest->mydest;
	watch->inner = dest;
	watch->st = st;
	((Recorder *) st->recorder)->leaves = dest->mydest == DestRemote || dest->mydest == DestRemoteExecute ||
		dest->mydest == DestRemoteSimple || dest->mydest == DestCopyOut || dest->mydest == DestTuplestore;
	return (DestReceiver *) watch;
}

/* ---- the end ---- */

/* the sets of a statement, dataset by dataset; false when one could not be written */
static bool
hand_over(NijiStatement *st, uint64 open, SpoolMode mode)
{
	ListCell   *cell;

	foreach(cell, st->reads)
	{
		NijiRead   *read = lfirst(cell);

		if (read->scanned && !persons_spool(open, read->dataset, read->scanned, mode))
			return false;
	}
	return true;
}

static void
capture_close(NijiStatement *st, NijiOutcome outcome)
{
	Recorder   *recorder = st->recorder;
	SpoolMode	mode = outcome == NIJI_ABORTED ? SPOOL_ABORTING : SPOOL_CLOSING;
	TimestampTz now = GetCurrentTimestamp();
	RecordEntry *closing;
	SpoolPiece	piece = {SPOOL_ENTRY};
	ShownKind	shown;

	if (recorder == NULL || st->entry == 0)
		return;
	closing = (RecordEntry *) recorder->closing;

	if (st->permit == 0 || (outcome == NIJI_ABORTED && recorder->parallel))
		shown = SHOWN_UNKNOWN;
	else if (!recorder->decided)
		/* no row was sent anywhere, unless they went into a table */
		shown = st->rows > 0 ? SHOWN_ALL : SHOWN_NOBODY;
	else if (recorder->shown == SHOWN_THESE && recorder->all_scanned)
		shown = SHOWN_ALL;
	else
		shown = recorder->shown;

	if (shown != SHOWN_UNKNOWN)
	{
		if (!hand_over(st, st->entry, mode) ||
			(shown == SHOWN_THESE &&
			 !persons_spool(st->entry, PERSONS_OF_PSEUDONYMS, st->shown, mode)))
			return;				/* without a closing it counts as everybody */
	}
	closing->shown = shown;
	closing->persons_known = shown != SHOWN_UNKNOWN;
	closing->outcome = outcome;
	closing->open = st->entry;
	closing->rows = Max(st->rows, recorder->sent);
	closing->micros = now > recorder->started ? now - recorder->started : 0;
	closing->at = entry_time(now);
	closing->cpu = st->cpu;
	closing->buffers = st->buffers;
	closing->bytes = recorder->bytes;
	piece.data = recorder->closing;
	piece.length = recorder->closing_length;
	(void) spool_append(&piece, 1, mode, NULL);
}

/* in a parallel worker: what it scanned, under its leader's entry */
static void
capture_worker_end(NijiStatement *st)
{
	if (st->permit == 0)
		return;
	persons_prepare();
	(void) hand_over(st, st->entry, SPOOL_CLOSING);
}

void
capture_init(void)
{
	niji_recorder.open = capture_open;
	niji_recorder.watch = capture_watch;
	niji_recorder.close = capture_close;
	niji_recorder.worker_end = capture_worker_end;
}
