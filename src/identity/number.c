/*
 * number.c
 *    Numbers for new persons.
 *
 * Numbers come in blocks of 4 096: block b holds b * 4096 + 1 to (b + 1) * 4096,
 * so that they are dense and consent sets stay small; within a block they are
 * drawn in random order, so that a number does not tell when someone was
 * enrolled.  Block numbers are from the sequence niji.person_block and are
 * never used again; what is left of a block when the server stops is lost, as
 * are numbers of transactions that roll back.
 *
 * The current block is in shared memory under NIJI_LOCK_PERSON_NUMBERS.  A
 * backend that finds it empty fetches the next one before it takes the lock
 * (the sequence has locks of its own) and puts it behind the current one if
 * another was quicker; should there be one already, it is lost.
 *
 * A block is tied to its sequence by oid: after DROP and CREATE EXTENSION the
 * rest of a block of the old sequence must not meet the new sequence's block.
 * The sequence's record precedes, in WAL, the commit of any transaction that
 * uses the block, so a crash cannot give a number twice.
 */
#include "postgres.h"

#include "identity/number.h"

#include "base/catalog.h"
#include "base/compat.h"
#include "base/shmem.h"
#include "commands/sequence.h"
#include "miscadmin.h"

#define BLOCK 4096

/* the last number would not be an int4 */
#define LAST_BLOCK (PG_INT32_MAX / BLOCK - 1)

typedef struct NumberBlock
{
	int32		first;			/* its lowest number */
	int32		left;			/* how many of the order are still to be drawn, from its end */
	uint16		order[BLOCK];
} NumberBlock;

typedef struct NumberShared
{
	Oid			sequence;		/* that the blocks are from */
	NumberBlock current;
	NumberBlock next;
} NumberShared;

static NumberShared *shared = NULL;

static Size
number_size(void)
{
	return sizeof(NumberShared);
}

static void
number_start(void *address, bool found)
{
	shared = address;
	if (!found)
		memset(shared, 0, sizeof(NumberShared));
}

static NijiShmemPart number_part = {"niji person numbers", number_size, number_start};

void
number_init(void)
{
	if (process_shared_preload_libraries_in_progress)
		shmem_register(&number_part);
}

/* an unbiased Fisher-Yates shuffle */
static void
shuffle(uint16 *order)
{
	uint32		random[256];
	int			unused = 0;

	for (int i = 0; i < BLOCK; i++)
		order[i] = (uint16) i;
	for (uint32 i = BLOCK - 1; i > 0; i--)
	{
		uint32		range = i + 1;
		uint32		limit = PG_UINT32_MAX - PG_UINT32_MAX % range;
		uint32		value;
		uint16		swap;

		/* values from the incomplete range at the top would favour low places */
		do
		{
			if (unused == 0)
			{
				if (!pg_strong_random(random, sizeof(random)))
					ereport(ERROR,
							(errcode(ERRCODE_INTERNAL_ERROR),
							 errmsg("could not generate random numbers for persons")));
				unused = lengthof(random);
			}
			value = random[--unused];
		} while (value >= limit);
		value %= range;
		swap = order[i];
		order[i] = order[value];
		order[value] = swap;
	}
}

static void
fetch_block(Oid sequence, NumberBlock *block)
{
	int64		number = nextval_internal(sequence, false);

	if (number < 0 || number > LAST_BLOCK)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("there are no numbers left for persons")));
	block->first = (int32) number * BLOCK + 1;
	block->left = BLOCK;
	shuffle(block->order);
}

/* forgets blocks of another sequence; caller has the lock */
static void
check_sequence(Oid sequence)
{
	if (shared->sequence == sequence)
		return;
	shared->sequence = sequence;
	shared->current.left = 0;
	shared->next.left = 0;
}

void
number_draw(int n, int32 *out)
{
	LWLock	   *lock = niji_lock(NIJI_LOCK_PERSON_NUMBERS);
	Oid			sequence = catalog_relation("person_block");
	int			drawn = 0;
	NumberBlock *fresh = NULL;

	niji_require_database();
	if (!OidIsValid(sequence))
		elog(ERROR, "sequence niji.person_block does not exist");
	while (drawn < n)
	{
		LWLockAcquire(lock, LW_EXCLUSIVE);
		check_sequence(sequence);
		if (fresh && shared->current.left == 0)
			memcpy(&shared->current, fresh, sizeof(NumberBlock));
		else if (fresh && shared->next.left == 0)
			memcpy(&shared->next, fresh, sizeof(NumberBlock));
		if (shared->current.left == 0 && shared->next.left > 0)
		{
			memcpy(&shared->current, &shared->next, sizeof(NumberBlock));
			shared->next.left = 0;
		}
		while (drawn < n && shared->current.left > 0)
			out[drawn++] = shared->current.first + shared->current.order[--shared->current.left];
		LWLockRelease(lock);
		if (drawn == n)
			break;
		CHECK_FOR_INTERRUPTS();
		if (fresh == NULL)
			fresh = palloc(sizeof(NumberBlock));
		fetch_block(sequence, fresh);
	}
	if (fresh)
		pfree(fresh);
}
