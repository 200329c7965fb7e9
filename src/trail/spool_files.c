/*
 * spool_files.c
 *    The spool's segments as files: their format, and how they are read.
 *
 * The spool is a directory niji_spool in the data directory.  A segment is a
 * file of at most 16 MB, named by its number in 16 hexadecimal digits: a head,
 * then records, each at a multiple of 8.  Segments are numbered from 1 without
 * an end and never written again once the next one exists.
 *
 * A record carries the CRC-32C of all that it is, and the random number of the
 * server's start that wrote it.  Nobody outside the data directory knows that
 * number, so that a statement's text, which is part of a record, cannot pass
 * for one when a damaged segment is searched for what still can be read.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compat.h"
#include "storage/fd.h"
#include "trail/spool_files.h"

pg_crc32c
spool_head_crc(const SpoolHead *head)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, (const char *) head + offsetof(SpoolHead, spool),
				sizeof(SpoolHead) - offsetof(SpoolHead, spool));
	FIN_CRC32C(crc);
	return crc;
}

/* of_data is not yet finished */
pg_crc32c
spool_record_crc(pg_crc32c of_data, const SpoolRecordHead *head)
{
	pg_crc32c	crc = of_data;

	COMP_CRC32C(crc, head, offsetof(SpoolRecordHead, crc));
	COMP_CRC32C(crc, (const char *) head + offsetof(SpoolRecordHead, number),
				sizeof(SpoolRecordHead) - offsetof(SpoolRecordHead, number));
	FIN_CRC32C(crc);
	return crc;
}

void
spool_path(char path[MAXPGPATH], uint64 segment)
{
	snprintf(path, MAXPGPATH, SPOOL_DIRECTORY "/%016llX", (unsigned long long) segment);
}

/* the directory's own change on disk; 0 or -1 with errno */
static int
flush_directory(const char *directory)
{
	int			fd = open(directory, O_RDONLY | O_CLOEXEC);
	int			result;
	int			save;

	if (fd < 0)
		return -1;
	result = pg_fsync(fd);
	save = errno;
	close(fd);
	errno = save;
	return result;
}

/*
 * Called while the insertion lock is held, so it raises nothing.  A file of
 * that number can only be left from an attempt that failed: shared memory
 * knows all others.
 */
int
spool_make(const SpoolHead *head)
{
	char		path[MAXPGPATH];
	int			fd;
	int			save;
	ssize_t		written;

	spool_path(path, head->segment);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	errno = 0;
	written = pg_pwrite(fd, head, sizeof(*head), 0);
	if (written == sizeof(*head) && pg_fsync(fd) == 0 && flush_directory(SPOOL_DIRECTORY) == 0)
		return fd;
	save = errno ? errno : ENOSPC;
	unlink(path);
	close(fd);
	errno = save;
	return -1;
}

static int
compare_segments(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

uint64 *
spool_list(int *n)
{
	DIR		   *dir;
	struct dirent *entry;
	int			size = 64;
	uint64	   *list = palloc(size * sizeof(uint64));

	*n = 0;
	if (mkdir(SPOOL_DIRECTORY, 0700) == 0)
	{
		if (flush_directory(".") != 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not flush the data directory: %m")));
	}
	else if (errno != EEXIST)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create directory \"%s\": %m", SPOOL_DIRECTORY)));

	dir = AllocateDir(SPOOL_DIRECTORY);
	while ((entry = ReadDir(dir, SPOOL_DIRECTORY)) != NULL)
	{
		if (strlen(entry->d_name) != 16 || strspn(entry->d_name, "0123456789ABCDEF") != 16)
			continue;
		if (*n == size)
			list = repalloc(list, (size *= 2) * sizeof(uint64));
		list[(*n)++] = strtoull(entry->d_name, NULL, 16);
	}
	FreeDir(dir);
	qsort(list, *n, sizeof(uint64), compare_segments);
	return list;
}

bool
spool_read_head(uint64 segment, SpoolHead *head)
{
	char		path[MAXPGPATH];
	int			fd;
	bool		good;

	spool_path(path, segment);
	fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(), errmsg("could not open file \"%s\": %m", path)));
	good = pg_pread(fd, head, sizeof(*head), 0) == sizeof(*head) &&
		head->magic == SPOOL_HEAD_MAGIC && head->version == SPOOL_VERSION &&
		head->segment == segment && head->crc == spool_head_crc(head);
	CloseTransientFile(fd);
	return good;
}

/* false when the file is not there or cannot be opened: errno */
bool
spool_reader_open(SpoolReader *reader, uint64 segment)
{
	char		path[MAXPGPATH];

	spool_reader_close(reader);
	spool_path(path, segment);
	reader->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (reader->fd < 0)
		return false;
	reader->segment = segment;
	reader->offset = sizeof(SpoolHead);
	return true;
}

void
spool_reader_close(SpoolReader *reader)
{
	if (reader->fd >= 0)
		close(reader->fd);
	reader->fd = -1;
}

/* whether a whole, true record stands at the offset */
static bool
read_record(SpoolReader *reader, uint64 offset, uint64 end, SpoolRecordHead *head)
{
	pg_crc32c	crc;

	if (offset + sizeof(*head) > end ||
		pg_pread(reader->fd, head, sizeof(*head), offset) != sizeof(*head))
		return false;
	if (head->magic != SPOOL_MAGIC || head->version != SPOOL_VERSION ||
		head->length > SPOOL_PIECE_MAX || offset + sizeof(*head) + head->length > end ||
		(head->type != SPOOL_ENTRY && head->type != SPOOL_PERSONS))
		return false;
	if (reader->size < head->length + 1)
	{
		Size		size = Max(65536, (Size) head->length + 1);
		char	   *data = realloc(reader->data, size);

		if (data == NULL)
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
		reader->data = data;
		reader->size = size;
	}
	if (pg_pread(reader->fd, reader->data, head->length, offset + sizeof(*head)) != head->length)
		return false;
	INIT_CRC32C(crc);
	COMP_CRC32C(crc, reader->data, head->length);
	return head->crc == spool_record_crc(crc, head);
}

bool
spool_reader_next(SpoolReader *reader, uint64 end, SpoolRecordHead *head, uint64 *damaged)
{
	uint64		offset;

	*damaged = 0;
	if (reader->offset >= end)
		return false;
	for (offset = reader->offset; offset < end; offset += 8)
		if (read_record(reader, offset, end, head))
		{
			*damaged = offset - reader->offset;
			reader->offset = offset + SPOOL_ALIGN(sizeof(*head) + head->length);
			return true;
		}
	*damaged = end - reader->offset;
	return false;
}
