/*
 * anchor.c
 *    The anchor as a file.
 *
 *    niji anchor 1
 *    decisions <number>
 *    <empty line>
 *    <the newest seal: a C2SP checkpoint; nothing before the first>
 *
 * It is replaced by renaming, after the transaction that it speaks of is on
 * disk, so that it is never ahead of what a crash leaves.  It guards against
 * forgetting, not against somebody who writes into its directory: against
 * those there are the copies of seals that others keep.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "restore/anchor.h"
#include "storage/fd.h"
#include "trail/merkle.h"

AnchorState
anchor_read(const char *path, const char *origin, Anchor *anchor)
{
	char		text[ANCHOR_MAX_TEXT + 1];
	FILE	   *file;
	size_t		length;

	memset(anchor, 0, sizeof(Anchor));
	merkle_sha256("", 0, NULL, 0, NULL, 0, anchor->digest);
	file = AllocateFile(path, PG_BINARY_R);
	if (file == NULL)
	{
		if (errno == ENOENT)
			return ANCHOR_ABSENT;
		snprintf(anchor->problem, sizeof(anchor->problem), "cannot be opened: %s", strerror(errno));
		return ANCHOR_UNREADABLE;
	}
	length = fread(text, 1, sizeof(text), file);
	if (ferror(file))
	{
		snprintf(anchor->problem, sizeof(anchor->problem), "cannot be read: %s", strerror(errno));
		FreeFile(file);
		return ANCHOR_UNREADABLE;
	}
	FreeFile(file);
	if (length > ANCHOR_MAX_TEXT)
	{
		strlcpy(anchor->problem, "is too long", sizeof(anchor->problem));
		return ANCHOR_UNREADABLE;
	}
	text[length] = '\0';
	merkle_sha256(text, length, NULL, 0, NULL, 0, anchor->digest);

	return anchor_parse(text, length, origin, anchor);
}

void
anchor_write(const char *path, int64 decisions, const char *seal, uint8 digest[32])
{
	char		text[ANCHOR_MAX_TEXT + 1];
	char	   *temporary = psprintf("%s.tmp", path);
	int			length = snprintf(text, sizeof(text), ANCHOR_FIRST_LINE INT64_FORMAT "\n\n%s", decisions, seal);
	int			fd;

	if (length >= (int) sizeof(text))
		elog(ERROR, "a seal is too long for the anchor");
	fd = OpenTransientFilePerm(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | PG_BINARY, S_IRUSR | S_IWUSR);
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not make file \"%s\": %m", temporary)));
	errno = 0;
	if (write(fd, text, length) != length)
	{
		if (errno == 0)
			errno = ENOSPC;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", temporary)));
	}
	if (pg_fsync(fd) != 0 || CloseTransientFile(fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not flush file \"%s\": %m", temporary)));
	(void) durable_rename(temporary, path, ERROR);
	merkle_sha256(text, length, NULL, 0, NULL, 0, digest);
	pfree(temporary);
}
