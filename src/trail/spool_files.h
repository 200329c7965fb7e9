/*
 * spool_files.h
 *    The spool's segments as files: their format, and how they are read.
 */
#ifndef NIJI_SPOOL_FILES_H
#define NIJI_SPOOL_FILES_H

#include "port/pg_crc32c.h"
#include "trail/spool.h"

#define SPOOL_DIRECTORY "niji_spool"
#define SPOOL_HEAD_MAGIC UINT64CONST(0x4c4f4f504a494e01)	/* "\001NIJPOOL" */
#define SPOOL_MAGIC 0x4a4e4952	/* "RINJ" */
#define SPOOL_VERSION 1
#define SPOOL_ALIGN(length) TYPEALIGN64(8, (length))

/* at the beginning of each segment; numbers are in the server's byte order, as in all of its data directory */
typedef struct SpoolHead
{
	uint64		magic;
	uint32		version;
	pg_crc32c	crc;			/* of what follows */
	uint64		spool;			/* changes when the trail and the spool ceased to fit */
	uint64		segment;
	uint64		number;			/* the newest entry before this segment */
	uint64		boot;
	uint32		part;
	uint32		reserved;
} SpoolHead;

/* before each record; the next begins at a multiple of 8 */
typedef struct SpoolRecordHead
{
	uint32		magic;
	uint16		version;
	uint16		type;
	uint32		length;			/* of what follows */
	pg_crc32c	crc;			/* of what follows, then of the fields below */
	uint64		number;			/* of this entry, or of the newest one before these persons */
	uint64		boot;
	uint32		part;			/* 0: an entry; 1, 2, …: what comes between it and the next one */
	uint32		reserved;
} SpoolRecordHead;

#define PLACE_SEGMENT(place) ((place) / SPOOL_SEGMENT)
#define PLACE_OFFSET(place) ((place) % SPOOL_SEGMENT)

/* the order of records */
static inline int
spool_compare(uint64 number, uint32 part, uint64 other_number, uint32 other_part)
{
	if (number != other_number)
		return number < other_number ? -1 : 1;
	return part < other_part ? -1 : part > other_part;
}

extern pg_crc32c spool_head_crc(const SpoolHead *head);
extern pg_crc32c spool_record_crc(pg_crc32c of_data, const SpoolRecordHead *head);

extern void spool_path(char path[MAXPGPATH], uint64 segment);

/* a new segment, on disk before it returns; -1 with errno */
extern int	spool_make(const SpoolHead *head);

/* the numbers of the segments that exist, in order: palloc'd; raises errors */
extern uint64 *spool_list(int *n);

/* reads a segment's head; false when it is none */
extern bool spool_read_head(uint64 segment, SpoolHead *head);

/*
 * One segment that is being read.  Records are checked; what is not a record
 * is passed over, up to the next one that fits, and counted as damaged.
 */
typedef struct SpoolReader
{
	uint64		segment;
	int			fd;				/* -1: not open */
	uint64		offset;			/* of the next record */
	char	   *data;			/* of the last record, malloc'd */
	Size		size;
} SpoolReader;

extern bool spool_reader_open(SpoolReader *reader, uint64 segment);
extern void spool_reader_close(SpoolReader *reader);

/* the next record before the offset "end"; false when there is none: then the offset stays, and *damaged says how much lies behind it */
extern bool spool_reader_next(SpoolReader *reader, uint64 end, SpoolRecordHead *head,
							  uint64 *damaged);

#endif							/* NIJI_SPOOL_FILES_H */
