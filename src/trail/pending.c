/*
 * pending.c
 *    What commits with a transaction: changes and acts that wait for their place.
 *
 * An act or a change is true if its transaction commits, so it is a row of
 * niji.pending_entry, inserted by that transaction.  The writer moves committed
 * rows into the trail in the order (xid, id) and deletes them here.
 *
 * Looking for them starts where nothing older can come: at the oldest
 * transaction that was running when the last move took its snapshot.  What a
 * transaction below it wrote has its place already, or was rolled back.  So
 * looking passes by what was moved before, of which there may be millions of dead
 * rows and index entries until the next VACUUM.  The place is raised only once
 * the move has committed; after an error looking begins anew.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/spi.h"
#include "trail/entry.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

/* rows of which the private parts are held at once when they are moved */
#define MOVE_ROWS 50

static SPIPlanPtr waiting_plan = NULL;
static SPIPlanPtr pending_plan = NULL;
static SPIPlanPtr delete_plan = NULL;

static FullTransactionId pending_from = {0};
static FullTransactionId pending_next = {0};	/* once the move has committed */

/* ---- for any backend ---- */

void
pending_insert(const CborWriter *header, const uint8 salt[ENTRY_SALT_SIZE],
			   const CborWriter *private_part)
{
	Oid			relid = catalog_relation("pending_entry");
	Oid			sequence = catalog_relation("pending_entry_id_seq");
	Relation	rel;
	HeapTuple	tuple;
	Datum		values[5];
	bool		nulls[5] = {false};
	struct
	{
		const void *data;
		Size		length;
	}			parts[3] = {{header->data, header->length}, {salt, ENTRY_SALT_SIZE},
	{private_part ? private_part->data : NULL, private_part ? private_part->length : 0}};

	if (!OidIsValid(relid) || !OidIsValid(sequence))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension niji is not in this database"),
				 errhint("Run CREATE EXTENSION niji.")));
	values[0] = Int64GetDatum(nextval_internal(sequence, false));
	values[1] = FullTransactionIdGetDatum(GetTopFullTransactionId());
	for (int i = 0; i < 3; i++)
	{
		bytea	   *bytes;

		nulls[2 + i] = parts[i].data == NULL;
		values[2 + i] = (Datum) 0;
		if (nulls[2 + i])
			continue;
		bytes = palloc(VARHDRSZ + parts[i].length);
		SET_VARSIZE(bytes, VARHDRSZ + parts[i].length);
		memcpy(VARDATA(bytes), parts[i].data, parts[i].length);
		values[2 + i] = PointerGetDatum(bytes);
	}
	rel = table_open(relid, RowExclusiveLock);
	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);
	CatalogTupleInsert(rel, tuple);
	heap_freetuple(tuple);
	for (int i = 0; i < 3; i++)
		if (!nulls[2 + i])
			pfree(DatumGetPointer(values[2 + i]));
	table_close(rel, RowExclusiveLock);
}

/* ---- the writer ---- */

static void
prepare_pending(void)
{
	Oid			types[1] = {XID8OID};
	Oid			tids[1] = {TIDARRAYOID};

	if (delete_plan)
		return;
	waiting_plan = SPI_prepare("select from niji.pending_entry where xid >= $1 order by xid, id limit 1", 1, types);
	if (waiting_plan == NULL || SPI_keepplan(waiting_plan) != 0)
		elog(ERROR, "niji could not prepare its query");
	pending_plan = SPI_prepare("select ctid, header, salt, private_part, xid from niji.pending_entry "
							   "where xid >= $1 order by xid, id", 1, types);
	if (pending_plan == NULL || SPI_keepplan(pending_plan) != 0)
		elog(ERROR, "niji could not prepare its query");
	delete_plan = SPI_prepare("delete from niji.pending_entry where ctid = any ($1)", 1, tids);
	if (delete_plan == NULL || SPI_keepplan(delete_plan) != 0)
		elog(ERROR, "niji could not prepare its query");
}

/* SPI is connected */
bool
pending_waiting(void)
{
	Datum		values[1];
	bool		waiting;

	prepare_pending();
	values[0] = FullTransactionIdGetDatum(pending_from);
	if (SPI_execute_plan(waiting_plan, values, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read niji.pending_entry");
	waiting = SPI_processed > 0;
	SPI_freetuptable(SPI_tuptable);
	return waiting;
}

/* the transaction that may have called pending_move() has ended */
void
pending_moved(bool committed)
{
	if (committed)
		pending_from = pending_next;
	else
		pending_from = pending_next = (FullTransactionId) {0};
}

/* the oldest transaction that was running when the active snapshot was taken */
static FullTransactionId
snapshot_from(void)
{
	FullTransactionId next = ReadNextFullTransactionId();
	TransactionId xmin = GetActiveSnapshot()->xmin;
	uint32		epoch = EpochFromFullTransactionId(next);

	/* xmin is at most next, and less than 2^31 behind it */
	if (xmin > XidFromFullTransactionId(next))
		epoch--;
	return FullTransactionIdFromEpochAndXid(epoch, xmin);
}

/*
 * Committed rows of niji.pending_entry in the order (xid, id).  Rows are
 * fetched a few at a time, since a change's private part may be large.
 */
int
pending_move(int limit)
{
	Portal		portal;
	int			moved = 0;
	int			expected;
	bool		more = true;
	Datum		from[1];
	FullTransactionId last = pending_from;
	MemoryContext few;

	SPI_connect();
	few = AllocSetContextCreate(CurrentMemoryContext, "niji pending entries", ALLOCSET_DEFAULT_SIZES);
	prepare_pending();
	from[0] = FullTransactionIdGetDatum(pending_from);
	pending_next = snapshot_from();
	portal = SPI_cursor_open(NULL, pending_plan, from, NULL, false);
	while (more && moved < limit)
	{
		SPITupleTable *fetched;
		Datum		tids[MOVE_ROWS];
		Datum		values[1];
		MemoryContext old;

		SPI_cursor_fetch(portal, true, Min(MOVE_ROWS, limit - moved));
		fetched = SPI_tuptable;
		expected = (int) SPI_processed;
		more = expected == MOVE_ROWS;
		if (expected == 0)
			break;
		old = MemoryContextSwitchTo(few);
		for (int i = 0; i < expected; i++)
		{
			bytea	   *parts[3];
			bool		isnull;
			uint8		fresh[ENTRY_SALT_SIZE];
			const uint8 *salt = fresh;

			tids[i] = SPI_getbinval(fetched->vals[i], fetched->tupdesc, 1, &isnull);
			last = DatumGetFullTransactionId(SPI_getbinval(fetched->vals[i], fetched->tupdesc, 5, &isnull));
			for (int j = 0; j < 3; j++)
			{
				Datum		value = SPI_getbinval(fetched->vals[i], fetched->tupdesc, 2 + j, &isnull);

				parts[j] = isnull ? NULL : DatumGetByteaPP(value);
			}
			if (parts[1] && VARSIZE_ANY_EXHDR(parts[1]) == ENTRY_SALT_SIZE)
				salt = (const uint8 *) VARDATA_ANY(parts[1]);
			else
				entry_salt(fresh);
			entry_append((const uint8 *) (parts[0] ? VARDATA_ANY(parts[0]) : ""),
						 parts[0] ? VARSIZE_ANY_EXHDR(parts[0]) : 0, salt,
						 parts[2] ? (const uint8 *) VARDATA_ANY(parts[2]) : NULL,
						 parts[2] ? VARSIZE_ANY_EXHDR(parts[2]) : 0);
		}
		values[0] = PointerGetDatum(construct_array(tids, expected, TIDOID, sizeof(ItemPointerData),
													false, TYPALIGN_SHORT));
		if (SPI_execute_plan(delete_plan, values, NULL, false, 0) != SPI_OK_DELETE ||
			SPI_processed != expected)
			elog(ERROR, "pending entries changed while they were moved");
		moved += expected;
		MemoryContextSwitchTo(old);
		MemoryContextReset(few);
		SPI_freetuptable(fetched);
	}
	/* more may be left of the last transaction */
	if (moved >= limit && FullTransactionIdPrecedes(last, pending_next))
		pending_next = last;
	SPI_cursor_close(portal);
	SPI_finish();
	return moved;
}
