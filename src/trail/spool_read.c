/*
 * spool_read.c
 *    Reading the spool, record after record, in the writer.
 *
 * Reading starts behind the position that the trail's table holds and follows
 * the spool's end, from segment to segment.  Numbers tell what is missing:
 * after an entry comes its persons' first record or the next entry.
 */
#include "postgres.h"

#include <sys/stat.h>

#include "base/compat.h"
#include "trail/spool_files.h"

static SpoolReader reader = {.fd = -1};
static SpoolPosition reading;
static uint64 damaged_before = 0;

/* the next segment of this spool after the given one, up to the end's; 0 when there is none */
static uint64
following(uint64 segment)
{
	uint64		last = PLACE_SEGMENT(spool_end());

	while (++segment <= last)
	{
		char		path[MAXPGPATH];
		struct stat st;

		spool_path(path, segment);
		if (stat(path, &st) == 0)
			return segment;
	}
	return 0;
}

void
spool_seek(const SpoolPosition *position)
{
	int			n;
	uint64	   *segments = spool_list(&n);
	uint64		found = 0;

	spool_reader_close(&reader);
	reading = *position;
	damaged_before = 0;
	for (int i = n - 1; i >= 0; i--)
	{
		SpoolHead	head;

		if (!spool_read_head(segments[i], &head) || head.spool != position->spool)
			continue;
		found = segments[i];
		if (spool_compare(head.number, head.part, position->number, position->part) <= 0)
			break;
	}
	pfree(segments);
	reader.segment = found;
	reader.offset = sizeof(SpoolHead);
	if (found != 0 && !spool_reader_open(&reader, found))
		ereport(ERROR,
				(errcode_for_file_access(), errmsg("could not open a segment of the spool: %m")));
}

SpoolPlace
spool_read_place(void)
{
	return reader.segment * SPOOL_SEGMENT + reader.offset;
}

bool
spool_read(SpoolRecord *record)
{
	for (;;)
	{
		SpoolPlace	end = spool_end();
		SpoolRecordHead head;
		uint64		limit;
		uint64		damaged = 0;
		bool		last;

		if (reader.fd < 0)
			return false;
		last = reader.segment == PLACE_SEGMENT(end);
		if (last)
			limit = PLACE_OFFSET(end);
		else
		{
			struct stat st;

			if (fstat(reader.fd, &st) != 0)
				ereport(ERROR,
						(errcode_for_file_access(),
						 errmsg("could not read a segment of the spool: %m")));
			limit = st.st_size;
		}
		if (spool_reader_next(&reader, limit, &head, &damaged))
		{
			int			order = spool_compare(head.number, head.part, reading.number, reading.part);

			damaged_before += damaged;
			if (order <= 0)
				continue;		/* was moved before */
			record->type = head.type;
			record->number = head.number;
			record->part = head.part;
			record->boot = head.boot;
			record->data = reader.data;
			record->length = head.length;
			record->damaged = damaged_before;
			record->missing = head.number - reading.number - (head.type == SPOOL_ENTRY ? 1 : 0);
			if (record->missing == 0 && head.type == SPOOL_PERSONS && head.part != reading.part + 1)
				record->damaged += 1;
			damaged_before = 0;
			reading.number = head.number;
			reading.part = head.part;
			return true;
		}
		damaged_before += damaged;
		reader.offset += damaged;
		if (last)
			return false;
		else
		{
			uint64		next = following(reader.segment);

			if (next == 0)
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						 errmsg("segments of the spool are missing in directory \"%s\"",
								SPOOL_DIRECTORY),
						 errhint("Put them back, or restart the server if they are lost.")));
			if (!spool_reader_open(&reader, next))
				ereport(ERROR,
						(errcode_for_file_access(),
						 errmsg("could not open a segment of the spool: %m")));
		}
	}
}
