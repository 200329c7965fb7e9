/*
 * record.c
 *    Entries that do not depend on a transaction: denied attempts and events.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "base/compat.h"
#include "base/shmem.h"
#include "trail/record.h"
#include "trail/record_read.h"
#include "trail/spool.h"
#include "utils/timestamp.h"

TrailIdentity trail_identity;

void
trail_require_writer(void)
{
	spool_require();
}

/* packs the parts of a record one behind the other */
char *
record_pack(RecordEntry *entry, const int32 *datasets, const CborWriter *header,
			const CborWriter *private_part, uint32 *length)
{
	Size		names = entry->ndatasets * sizeof(int32);
	char	   *record;
	char	   *at;

	entry->header_length = header->length;
	entry->private_length = private_part ? private_part->length : RECORD_NO_PRIVATE;
	*length = sizeof(RecordEntry) + names + header->length +
		(private_part ? private_part->length : 0);
	if (*length > SPOOL_PIECE_MAX)
		elog(ERROR, "an entry of the trail would be too long");
	at = record = palloc(*length);
	memcpy(at, entry, sizeof(RecordEntry));
	at += sizeof(RecordEntry);
	if (names > 0)
		memcpy(at, datasets, names);
	at += names;
	memcpy(at, header->data, header->length);
	at += header->length;
	if (private_part)
		memcpy(at, private_part->data, private_part->length);
	return record;
}

void
trail_record_denied(NijiStatement *st, const char *reason)
{
	CborWriter	header;
	CborWriter	private_part;
	EntryOrigin origin;
	RecordEntry entry = {.kind = RECORD_PLAIN};
	SpoolPiece	piece = {SPOOL_ENTRY};
	SpoolPlace	place;
	char	   *record;

	spool_require();
	entry_origin_fill(&origin);
	record_read_header(&header, st, "denied", reason, &origin, GetCurrentTimestamp());
	record_read_private(&private_part, st);
	record = record_pack(&entry, NULL, &header, &private_part, &piece.length);
	piece.data = record;
	(void) spool_append(&piece, 1, SPOOL_OPENING, &place);
	spool_flush(place);
	pfree(record);
	cbor_free(&header);
	cbor_free(&private_part);
}

void
trail_record_event(const char *kind, const char *object, const char *detail)
{
	CborWriter	header;
	CborWriter	private_part;
	EntryOrigin origin;
	RecordEntry entry = {.kind = RECORD_PLAIN};
	SpoolPiece	piece = {SPOOL_ENTRY};
	char	   *record;

	if (!spool_is_open() || RecoveryInProgress())
		return;
	entry_origin_fill(&origin);
	cbor_init(&header);
	cbor_map_begin(&header);
	entry_put_common(&header, kind, GetCurrentTimestamp(), &origin);
	if (object)
	{
		cbor_text(&header, strcmp(kind, "explain") == 0 ? "permit" :
				  strcmp(kind, "mark") == 0 ? "what" : "object");
		record_text(&header, object, strlen(object));
	}
	cbor_map_end(&header);
	if (detail)
	{
		cbor_init(&private_part);
		cbor_map_begin(&private_part);
		cbor_text(&private_part, "details");
		record_text(&private_part, detail, Min(strlen(detail), 1024 * 1024));
		cbor_map_end(&private_part);
	}
	record = record_pack(&entry, NULL, &header, detail ? &private_part : NULL, &piece.length);
	piece.data = record;
	(void) spool_append(&piece, 1, SPOOL_OPENING, NULL);
	pfree(record);
	cbor_free(&header);
	if (detail)
		cbor_free(&private_part);
}
