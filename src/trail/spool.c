/*
 * spool.c
 *    The spool: entries on disk before the writer has moved them into the trail.
 *
 * A protected read may not wait for a transaction of its own, nor depend on the
 * one that it runs in: it may be read-only, or be rolled back.  So its entry is
 * appended to a file, as WAL is, and flushed before the first row leaves.
 *
 * Appending.  One backend at a time, under NIJI_LOCK_SPOOL_INSERT, writes at the
 * shared end; only when all bytes were taken does the end move and the entry
 * get its number.  So numbers have no gap, and a write that failed leaves
 * nothing behind: what it wrote is cut off, or overwritten by the next one.
 * Each backend holds the newest segment open, and looks each time whether that
 * is still the file that the directory shows: who removes it shall notice.
 *
 * Flushing.  One backend flushes for all that wait, up to the end as it is
 * then.  Waiting is on a condition variable, not on a lock, so that it ends
 * with niji.audit_timeout or a cancel.  A flush that failed is never repeated:
 * the kernel may have dropped the pages, and report success.  The spool then
 * takes nothing until the server is restarted; the writer goes on emptying it.
 *
 * Opening.  After a start the spool is closed: the writer first compares it
 * with the table niji.spool_position, which is changed in the transactions
 * that move records.  What may be found is described at spool_reconcile().
 * Once open it stays open without the writer, up to niji.spool_limit.
 *
 * Locks: NIJI_LOCK_SPOOL_INSERT for the end; the spinlock "mutex" for the
 * words that say why the spool is closed and for who flushes; neither is ever
 * held while an error could be raised.
 *
 * It is over 800 lines because all that may touch the end, its state and the
 * newest segment stands in one place.
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "base/compat.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "port/pg_iovec.h"
#include "storage/condition_variable.h"
#include "storage/fd.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "trail/spool_files.h"
#include "trail/writer.h"
#include "utils/timestamp.h"

/* what closings may use beyond niji.spool_limit, so that no read ends without its closing for want of room */
#define SPOOL_RESERVE (64 * UINT64CONST(1024) * 1024)

typedef enum
{
	STATE_STARTING,				/* closed, but the writer is expected soon */
	STATE_CLOSED,				/* until the writer has looked at it again */
	STATE_OPEN,
	STATE_FAILED				/* a flush failed: closed until a restart */
} SpoolState;

typedef struct SpoolShared
{
	pg_atomic_uint32 state;		/* changed under the insertion lock */

	/* under the insertion lock */
	uint64		spool;
	uint64		boot;
	uint64		number;			/* of the newest entry */
	uint32		part;			/* of the newest record */
	bool		made;			/* whether the segment of "end" exists */

	pg_atomic_uint64 end;		/* SpoolPlace; changed under the insertion lock */
	pg_atomic_uint64 flushed;	/* SpoolPlace; changed by who flushes */
	pg_atomic_uint64 first;		/* oldest segment kept; changed by the writer */

	slock_t		mutex;
	bool		flushing;
	char		reason[256];	/* why it is closed */
	char		hint[256];		/* what to do, when it is not to wait for the writer */
	ConditionVariable flush_done;
} SpoolShared;

static SpoolShared *shared = NULL;

/* the newest segment, kept open by each backend that appends */
static int	own_fd = -1;
static uint64 own_segment = 0;

static Size
shared_size(void)
{
	return sizeof(SpoolShared);
}

/* whether the writer has to look at it before it can take entries */
static bool
closed(void)
{
	uint32		state = pg_atomic_read_u32(&shared->state);

	return state == STATE_STARTING || state == STATE_CLOSED;
}

static void
set_reason(const char *reason, const char *hint)
{
	SpinLockAcquire(&shared->mutex);
	strlcpy(shared->reason, reason, sizeof(shared->reason));
	strlcpy(shared->hint, hint ? hint : "", sizeof(shared->hint));
	SpinLockRelease(&shared->mutex);
}

static void
shared_start(void *address, bool found)
{
	shared = address;
	if (found)
		return;
	memset(shared, 0, sizeof(SpoolShared));
	pg_atomic_init_u32(&shared->state, STATE_STARTING);
	pg_atomic_init_u64(&shared->end, 0);
	pg_atomic_init_u64(&shared->flushed, 0);
	pg_atomic_init_u64(&shared->first, 0);
	SpinLockInit(&shared->mutex);
	ConditionVariableInit(&shared->flush_done);
	set_reason("The writer has not connected since the server started.", NULL);
}

static NijiShmemPart shared_part = {"niji spool", shared_size, shared_start};

void
spool_init(void)
{
	shmem_register(&shared_part);
}

bool
spool_is_open(void)
{
	return shared && pg_atomic_read_u32(&shared->state) == STATE_OPEN;
}

bool
spool_state(char *reason, Size size)
{
	if (shared == NULL)
	{
		strlcpy(reason, "niji is not loaded by the server.", size);
		return false;
	}
	SpinLockAcquire(&shared->mutex);
	strlcpy(reason, shared->reason, size);
	SpinLockRelease(&shared->mutex);
	return spool_is_open();
}

uint64
spool_which(void)
{
	return shared->spool;
}

uint64
spool_boot(void)
{
	return shared->boot;
}

SpoolPlace
spool_end(void)
{
	return pg_atomic_read_u64(&shared->end);
}

uint64
spool_number(void)
{
	uint64		number;

	LWLockAcquire(niji_lock(NIJI_LOCK_SPOOL_INSERT), LW_SHARED);
	number = shared->number;
	LWLockRelease(niji_lock(NIJI_LOCK_SPOOL_INSERT));
	return number;
}

uint64
spool_bytes(void)
{
	uint64		end = spool_end();
	uint64		first = pg_atomic_read_u64(&shared->first) * SPOOL_SEGMENT;

	return end > first ? end - first : 0;
}

/* ---- refusing ---- */

static void
refuse_closed(void)
{
	char		reason[sizeof(shared->reason)];
	char		hint[sizeof(shared->hint)];

	niji_require_preload();
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("protected data cannot be read on a standby"),
				 errhint("Read on the primary: a standby cannot carry entries of the trail to it.")));
	if (pg_atomic_read_u32(&shared->state) == STATE_OPEN)
		return;
	(void) spool_state(reason, sizeof(reason));
	SpinLockAcquire(&shared->mutex);
	strlcpy(hint, shared->hint, sizeof(hint));
	SpinLockRelease(&shared->mutex);
	if (pg_atomic_read_u32(&shared->state) == STATE_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the spool of the trail could not be flushed to disk"),
				 errdetail("%s", reason),
				 errhint("Protected reads are refused until the disk below \"%s\" is sound and the server was restarted.",
						 SPOOL_DIRECTORY)));
	if (hint[0] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("protected data cannot be read: this database was restored, or others have gone past it"),
				 errdetail("%s", reason),
				 errhint("%s", hint)));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the spool of the trail is not open"),
			 errdetail("%s", reason),
			 errhint("Protected reads are possible once the process \"niji writer\" has connected to database \"%s\" and compared the spool with the trail; the server's log says what hinders it.",
					 niji_database)));
}

static bool
over_limit(uint64 more, SpoolMode mode)
{
	uint64		limit = (uint64) niji_spool_limit * 1024 * 1024;

	return spool_bytes() + more > limit + (mode == SPOOL_OPENING ? 0 : SPOOL_RESERVE);
}

static void
refuse_limit(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the spool of the trail is full"),
			 errdetail("It has reached niji.spool_limit (%d MB), since the writer does not empty it.",
					   niji_spool_limit),
			 errhint("The server's log says what hinders the process \"niji writer\"; niji.spool_limit may be raised meanwhile.")));
}

static void
refuse_file(int error, const char *what)
{
	errno = error;
	ereport(ERROR,
			(errcode(error == ENOSPC || error == EDQUOT ? ERRCODE_DISK_FULL
					 : ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("could not %s the spool of the trail: %m", what),
			 errhint(error == ENOSPC || error == EDQUOT ?
					 "Free disk space in the data directory; protected reads then work again by themselves." :
					 "The directory \"%s\" in the data directory has to be there and writable for the server; protected reads then work again by themselves. If its files are lost, restart the server.",
					 SPOOL_DIRECTORY)));
}

/* a read that comes right after the server's start, or its database's making, waits for the writer */
static void
wait_for_start(void)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), niji_audit_timeout);
	static uint32 wait_event = 0;

	if (wait_event == 0)
		wait_event = niji_wait_event("NijiWriter");
	while (pg_atomic_read_u32(&shared->state) == STATE_STARTING && !RecoveryInProgress() &&
		   GetCurrentTimestamp() < deadline)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 50,
						 wait_event);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

void
spool_require(void)
{
	niji_require_preload();
	if (unlikely(pg_atomic_read_u32(&shared->state) == STATE_STARTING))
		wait_for_start();
	refuse_closed();
	if (over_limit(0, SPOOL_OPENING))
		refuse_limit();
}

/* ---- appending ---- */

/* the segment of the end, open for writing: own_fd; under the insertion lock, so it raises nothing */
static bool
open_own(uint64 segment, uint64 offset)
{
	char		path[MAXPGPATH];
	struct stat by_path;
	struct stat by_fd;

	spool_path(path, segment);
	if (own_fd >= 0 && own_segment != segment)
	{
		close(own_fd);
		own_fd = -1;
	}
	if (own_fd < 0)
	{
		own_fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
		own_segment = segment;
		if (own_fd < 0)
			return false;
	}

	/* is it still the file that others, and a server that starts anew, will find? */
	if (stat(path, &by_path) != 0)
		return false;
	if (fstat(own_fd, &by_fd) != 0)
		return false;
	if (by_path.st_dev != by_fd.st_dev || by_path.st_ino != by_fd.st_ino ||
		by_fd.st_size < offset)
	{
		close(own_fd);
		own_fd = -1;
		errno = ENOENT;
		return false;
	}
	return true;
}

/* begins the segment in which the next record has room */
static bool
next_segment(uint64 segment)
{
	SpoolHead	head = {0};
	int			fd;

	head.magic = SPOOL_HEAD_MAGIC;
	head.version = SPOOL_VERSION;
	head.spool = shared->spool;
	head.segment = segment;
	head.number = shared->number;
	head.part = shared->part;
	head.boot = shared->boot;
	head.crc = spool_head_crc(&head);
	fd = spool_make(&head);
	if (fd < 0)
		return false;
	if (own_fd >= 0)
		close(own_fd);
	own_fd = fd;
	own_segment = segment;
	shared->made = true;
	pg_atomic_write_u64(&shared->end, segment * SPOOL_SEGMENT + sizeof(SpoolHead));
	return true;
}

uint64
spool_append(const SpoolPiece *pieces, int n, SpoolMode mode, SpoolPlace *place)
{
	static char zeros[8] = {0};
	SpoolRecordHead heads[SPOOL_PIECES_MAX];
	pg_crc32c	crcs[SPOOL_PIECES_MAX];
	struct iovec iov[SPOOL_PIECES_MAX * 3];
	LWLock	   *lock;
	int			parts = 0;
	uint64		total = 0;
	uint64		number;
	uint32		part;
	const char *failed = NULL;
	int			error = 0;
	bool		closed = false;

	Assert(n > 0 && n <= SPOOL_PIECES_MAX);
	if (shared == NULL || !spool_is_open() || RecoveryInProgress())
	{
		if (mode == SPOOL_ABORTING)
			return 0;
		refuse_closed();
	}
	memset(heads, 0, sizeof(heads));
	for (int i = 0; i < n; i++)
	{
		uint32		length = pieces[i].length;

		Assert(length <= SPOOL_PIECE_MAX);
		heads[i].magic = SPOOL_MAGIC;
		heads[i].version = SPOOL_VERSION;
		heads[i].type = pieces[i].type;
		heads[i].length = length;
		INIT_CRC32C(crcs[i]);
		COMP_CRC32C(crcs[i], pieces[i].data, length);
		iov[parts].iov_base = &heads[i];
		iov[parts++].iov_len = sizeof(SpoolRecordHead);
		iov[parts].iov_base = unconstify(void *, pieces[i].data);
		iov[parts++].iov_len = length;
		iov[parts].iov_base = zeros;
		iov[parts++].iov_len = SPOOL_ALIGN(length) - length;
		total += sizeof(SpoolRecordHead) + SPOOL_ALIGN(length);
	}
	if (over_limit(total, mode))
	{
		if (mode == SPOOL_ABORTING)
			return 0;
		refuse_limit();
	}

	lock = niji_lock(NIJI_LOCK_SPOOL_INSERT);
	LWLockAcquire(lock, LW_EXCLUSIVE);
	number = shared->number;
	part = shared->part;
	if (pg_atomic_read_u32(&shared->state) != STATE_OPEN)
		closed = true;
	else
	{
		uint64		end = pg_atomic_read_u64(&shared->end);

		if (!shared->made)
		{
			if (!next_segment(PLACE_SEGMENT(end)))
				failed = "create a segment of";
		}
		else if (PLACE_OFFSET(end) + total > SPOOL_SEGMENT - 8)
		{
			if (!next_segment(PLACE_SEGMENT(end) + 1))
				failed = "create a segment of";
		}
		if (failed == NULL)
		{
			end = pg_atomic_read_u64(&shared->end);
			if (!open_own(PLACE_SEGMENT(end), PLACE_OFFSET(end)))
				failed = "open";
		}
		if (failed == NULL)
		{
			ssize_t		written;

			for (int i = 0; i < n; i++)
			{
				if (heads[i].type == SPOOL_ENTRY)
				{
					number++;
					part = 0;
				}
				else
					part++;
				heads[i].number = number;
				heads[i].part = part;
				heads[i].boot = shared->boot;
				heads[i].crc = spool_record_crc(crcs[i], &heads[i]);
			}
			errno = 0;
			written = pg_pwritev(own_fd, iov, parts, PLACE_OFFSET(end));
			if (written == total)
			{
				shared->number = number;
				shared->part = part;
				pg_atomic_write_u64(&shared->end, end + total);
				if (place)
					*place = end + total;
			}
			else
			{
				error = errno ? errno : ENOSPC;
				failed = "write to";
				/* if this fails, too, the next record is written over it */
				if (ftruncate(own_fd, PLACE_OFFSET(end)) != 0)
					errno = error;
			}
		}
		else
			error = errno;
	}
	LWLockRelease(lock);

	if (closed || failed)
	{
		if (mode == SPOOL_ABORTING)
			return 0;
		if (closed)
			refuse_closed();
		else
			refuse_file(error, failed);
		return 0;
	}
	writer_wake();
	return number;
}

/* ---- flushing ---- */

/* all segments from one place to another; 0 or an errno */
static int
flush_files(SpoolPlace from, SpoolPlace to)
{
	for (uint64 segment = PLACE_SEGMENT(from); segment <= PLACE_SEGMENT(to); segment++)
	{
		char		path[MAXPGPATH];
		int			fd;
		int			error = 0;

		if (own_fd >= 0 && own_segment == segment)
		{
			if (pg_fdatasync(own_fd) != 0)
				return errno;
			continue;
		}
		spool_path(path, segment);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
		{
			/* the writer removes only what is safe in the trail */
			if (errno == ENOENT && segment < pg_atomic_read_u64(&shared->first))
				continue;
			return errno;
		}
		if (pg_fdatasync(fd) != 0)
			error = errno;
		close(fd);
		if (error)
			return error;
	}
	return 0;
}

static void
flush_for_all(void)
{
	SpoolPlace	from = pg_atomic_read_u64(&shared->flushed);
	SpoolPlace	to = pg_atomic_read_u64(&shared->end);
	int			error = enableFsync ? flush_files(from, to) : 0;

	if (error == 0)
		pg_atomic_write_u64(&shared->flushed, to);
	else
	{
		char		reason[sizeof(shared->reason)];

		snprintf(reason, sizeof(reason), "The error was: %s.", strerror(error));
		set_reason(reason, NULL);
		LWLockAcquire(niji_lock(NIJI_LOCK_SPOOL_INSERT), LW_EXCLUSIVE);
		pg_atomic_write_u32(&shared->state, STATE_FAILED);
		LWLockRelease(niji_lock(NIJI_LOCK_SPOOL_INSERT));
	}
}

void
spool_flush(SpoolPlace place)
{
	static uint32 wait_event = 0;
	TimestampTz deadline;

	if (pg_atomic_read_u64(&shared->flushed) >= place)
		return;
	if (wait_event == 0)
		wait_event = niji_wait_event("NijiSpoolFlush");
	deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), niji_audit_timeout);
	while (pg_atomic_read_u64(&shared->flushed) < place)
	{
		bool		mine = false;

		if (pg_atomic_read_u32(&shared->state) != STATE_OPEN)
		{
			ConditionVariableCancelSleep();
			refuse_closed();
		}
		SpinLockAcquire(&shared->mutex);
		if (!shared->flushing)
			mine = shared->flushing = true;
		SpinLockRelease(&shared->mutex);

		if (mine)
		{
			/* neither an error nor a cancel may come between: nobody else would flush any more */
			HOLD_INTERRUPTS();
			flush_for_all();
			SpinLockAcquire(&shared->mutex);
			shared->flushing = false;
			SpinLockRelease(&shared->mutex);
			ConditionVariableBroadcast(&shared->flush_done);
			RESUME_INTERRUPTS();
		}
		else
		{
			long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);

			if (left <= 0)
			{
				ConditionVariableCancelSleep();
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						 errmsg("the entry of this read was not on disk within niji.audit_timeout"),
						 errhint("The disk of the data directory is slower than niji.audit_timeout (%d ms) allows.",
								 niji_audit_timeout)));
			}
			(void) ConditionVariableTimedSleep(&shared->flush_done, left, wait_event);
		}
	}
	ConditionVariableCancelSleep();
}

/* ---- opening, by the writer ---- */

void
spool_refuse(const char *reason, const char *hint)
{
	if (closed() && hint == NULL)
	{
		set_reason(reason, hint);
		return;
	}
	LWLockAcquire(niji_lock(NIJI_LOCK_SPOOL_INSERT), LW_EXCLUSIVE);
	if (pg_atomic_read_u32(&shared->state) != STATE_FAILED)
	{
		/* with a hint nobody is to wait for the writer */
		pg_atomic_write_u32(&shared->state, STATE_CLOSED);
		set_reason(reason, hint);
	}
	LWLockRelease(niji_lock(NIJI_LOCK_SPOOL_INSERT));
}

void
spool_close(const char *reason)
{
	spool_refuse(reason, NULL);
}

/* the end of what can be read in the newest segments of this spool; cuts a torn tail */
static void
find_end(uint64 *segments, int n, uint64 spool, uint64 *number, uint32 *part, char **what)
{
	for (int i = n - 1; i >= 0; i--)
	{
		SpoolReader tail = {.fd = -1};
		SpoolHead	head;
		SpoolRecordHead record;
		char		path[MAXPGPATH];
		struct stat st;
		uint64		damaged;

		if (!spool_read_head(segments[i], &head) || head.spool != spool)
			continue;
		spool_path(path, segments[i]);
		if (!spool_reader_open(&tail, segments[i]) || fstat(tail.fd, &st) != 0)
			ereport(ERROR,
					(errcode_for_file_access(), errmsg("could not open file \"%s\": %m", path)));
		*number = head.number;
		*part = head.part;
		while (spool_reader_next(&tail, st.st_size, &record, &damaged))
		{
			*number = record.number;
			*part = record.part;
		}
		if (damaged > 0)
		{
			*what = psprintf("a torn tail of %llu bytes was cut from the spool after entry %llu",
							 (unsigned long long) damaged, (unsigned long long) *number);
			if (truncate(path, tail.offset) != 0)
				ereport(ERROR,
						(errcode_for_file_access(),
						 errmsg("could not cut the torn tail of file \"%s\": %m", path)));
		}
		spool_reader_close(&tail);
		free(tail.data);
		return;
	}
}

/*
 * What may be found when the server has started:
 *
 *	no position				the extension is new here: a new spool begins
 *	position within files	the usual case: what follows it is moved
 *	position ahead of them	the data directory is older than the table (it was
 *							restored), or the files were lost: a new spool
 *	files of another spool	the database was restored into another cluster, or
 *							the extension was made anew: a new spool
 *
 * A new spool begins with a number that no other has had: seconds since 1970
 * times 2^20, and more than any number that is known here.  (That stays below
 * 2^53 until the year 2242, so that every JSON reader can hold it.)
 */
void
spool_reconcile(const SpoolPosition *known, SpoolPosition *position, char **what)
{
	int			n;
	uint64	   *segments = spool_list(&n);
	uint64		newest = n > 0 ? segments[n - 1] : 0;
	uint64		spool = 0;
	uint64		number = 0;
	uint32		part = 0;
	bool		fits = false;
	bool		made = true;

	*what = NULL;
	for (int i = n - 1; i >= 0 && spool == 0; i--)
	{
		SpoolHead	head;

		if (spool_read_head(segments[i], &head))
			spool = head.spool;
	}
	if (spool != 0)
		find_end(segments, n, spool, &number, &part, what);
	if (known && spool != 0)
	{
		if (known->spool != spool)
			*what = psprintf("the spool in the data directory belongs to another trail; a new one begins after entry %llu",
							 (unsigned long long) known->number);
		else if (spool_compare(known->number, known->part, number, part) > 0)
			*what = psprintf("the data directory is older than the trail: its spool ends with entry %llu, the trail holds entry %llu; entries between a restored moment and the present may be missing",
							 (unsigned long long) number, (unsigned long long) known->number);
		else
			fits = true;
	}
	else if (known)
		*what = psprintf("the spool was lost; entries after %llu may be missing",
						 (unsigned long long) known->number);

	LWLockAcquire(niji_lock(NIJI_LOCK_SPOOL_INSERT), LW_EXCLUSIVE);
	if (closed())
	{
		if (shared->boot == 0 && !pg_strong_random(&shared->boot, sizeof(shared->boot)))
		{
			LWLockRelease(niji_lock(NIJI_LOCK_SPOOL_INSERT));
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
		}
		shared->boot &= PG_INT64_MAX;
		if (fits)
		{
			shared->spool = spool;
			shared->number = number;
			shared->part = part;
			*position = *known;
		}
		else
		{
			uint64		seconds = time(NULL);

			if (!pg_strong_random(&shared->spool, sizeof(shared->spool)))
			{
				LWLockRelease(niji_lock(NIJI_LOCK_SPOOL_INSERT));
				ereport(ERROR,
						(errcode(ERRCODE_INTERNAL_ERROR),
						 errmsg("could not generate random values")));
			}
			shared->spool &= PG_INT64_MAX;
			shared->number = Max(seconds << 20, number);
			if (known)
				shared->number = Max(shared->number, known->number);
			shared->part = 0;
			position->spool = shared->spool;
			position->number = shared->number;
			position->part = 0;
		}
		shared->made = false;
		pg_atomic_write_u64(&shared->end, (newest + 1) * SPOOL_SEGMENT);
		pg_atomic_write_u64(&shared->flushed, (newest + 1) * SPOOL_SEGMENT);
		pg_atomic_write_u64(&shared->first, n > 0 ? segments[0] : newest + 1);

		/* a segment now, so that what is wrong with the directory is found by the writer, not by a reader */
		made = next_segment(newest + 1);
	}
	LWLockRelease(niji_lock(NIJI_LOCK_SPOOL_INSERT));
	pfree(segments);
	if (!made)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create a segment of the spool: %m"),
				 errhint("The directory \"%s\" in the data directory has to be writable for the server.",
						 SPOOL_DIRECTORY)));
}

void
spool_open(void)
{
	LWLockAcquire(niji_lock(NIJI_LOCK_SPOOL_INSERT), LW_EXCLUSIVE);
	if (closed())
	{
		pg_atomic_write_u32(&shared->state, STATE_OPEN);
		set_reason("", NULL);
	}
	LWLockRelease(niji_lock(NIJI_LOCK_SPOOL_INSERT));
}

bool
spool_is_closed(void)
{
	return closed();
}

/* ---- emptying, by the writer ---- */

void
spool_purge(SpoolPlace place)
{
	static TimestampTz complained = 0;
	uint64		first = pg_atomic_read_u64(&shared->first);
	uint64		keep = Min(PLACE_SEGMENT(place), PLACE_SEGMENT(spool_end()));

	for (; first < keep; first++)
	{
		char		path[MAXPGPATH];

		spool_path(path, first);
		if (unlink(path) != 0 && errno != ENOENT)
		{
			TimestampTz now = GetCurrentTimestamp();

			if (TimestampDifferenceExceeds(complained, now, 60000))
				ereport(LOG,
						(errcode_for_file_access(),
						 errmsg("could not remove file \"%s\": %m", path)));
			complained = now;
			break;
		}
		pg_atomic_write_u64(&shared->first, first + 1);
	}
}
