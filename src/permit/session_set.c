/*
 * session_set.c
 *    Whom a session has scanned so far, dataset by dataset.
 *
 * A value that a session has read can reach a table of its workspace in many
 * ways: a variable, a cursor, a setting, the number of times that a loop runs.
 * So what cannot be shown to be made of one person's rows counts as made from
 * all whom the session has scanned until then (workspace.c).  That is the
 * union of the sets that the trail gets of each statement, kept until the
 * process ends.
 *
 * Parallel workers give their sets to the spool, and here once more to their
 * leader: chunks in dynamic shared memory that the leader makes, in a list
 * whose head stands in the leader's slot.  A spinlock protects the head; the
 * chunks are written before they are linked and read after the workers ended.
 *
 * A statement that an error ended has scanned, too, and a function that caught
 * the error may have kept what it saw; so its set counts.  If it had workers
 * their part is lost: then, until the transaction ends and with it every
 * function, nothing is written that would need it.  Errors that reach the
 * client leave no function behind.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/shmem.h"
#include "miscadmin.h"
#include "permit/session_set.h"
#include "storage/proc.h"
#include "storage/spin.h"
#include "utils/dsa.h"

#define CHUNK_SIZE (PERSON_CHUNK_WORDS * sizeof(uint64))

typedef struct Slot
{
	slock_t		lock;
	bool		shared;			/* the leader has an area */
	dsa_handle	area;
	dsa_pointer first;			/* of Handed */
	int			tranche;
} Slot;

/* what a worker hands over */
typedef struct Handed
{
	dsa_pointer next;
	int			dataset;
	uint32		chunk;
	uint64		words[PERSON_CHUNK_WORDS];
} Handed;

static Slot *slots = NULL;
static dsa_area *area = NULL;	/* of this leader */
static MemoryContext session_context = NULL;
static List *session_sets = NIL;
static bool lost = false;		/* persons of this transaction that nobody knows */

static Size
slots_size(void)
{
	return mul_size(MaxBackends, sizeof(Slot));
}

static void
slots_start(void *address, bool found)
{
	slots = address;
	if (!found)
		for (int i = 0; i < MaxBackends; i++)
		{
			SpinLockInit(&slots[i].lock);
			slots[i].shared = false;
			slots[i].first = InvalidDsaPointer;
		}
}

static NijiShmemPart slots_part = {"niji persons of workers", slots_size, slots_start};

static Slot *
slot_of(PGPROC *proc)
{
	int			number = niji_proc_number(proc);

	return slots && number >= 0 && number < MaxBackends ? &slots[number] : NULL;
}

static dsa_pointer
take_list(Slot *slot)
{
	dsa_pointer first;

	SpinLockAcquire(&slot->lock);
	first = slot->first;
	slot->first = InvalidDsaPointer;
	SpinLockRelease(&slot->lock);
	return first;
}

/* ---- the session's sets ---- */

/* the set of a dataset; NULL if there is no memory for it */
static PersonSet *
session_persons(int dataset)
{
	ListCell   *lc;
	MemoryContext old;
	SessionSet *one;

	foreach(lc, session_sets)
	{
		one = lfirst(lc);
		if (one->dataset == dataset)
			return one->persons;
	}
	if (session_context == NULL)
		session_context = AllocSetContextCreate(TopMemoryContext, "niji session's persons",
												ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(session_context);
	one = palloc(sizeof(SessionSet));
	one->dataset = dataset;
	one->persons = person_set_create(session_context);
	session_sets = lappend(session_sets, one);
	MemoryContextSwitchTo(old);
	return one->persons;
}

static void
add_chunk(PersonSet *set, uint32 chunk, const uint64 *words)
{
	if (chunk >= set->nchunks || set->chunks[chunk] == NULL)
		person_set_grow(set, chunk);
	for (int word = 0; word < PERSON_CHUNK_WORDS; word++)
		set->chunks[chunk][word] |= words[word];
}

static void
add_reads(NijiStatement *st)
{
	ListCell   *lc;

	foreach(lc, st->reads)
	{
		NijiRead   *read = lfirst(lc);

		if (read->scanned)
			person_set_union(session_persons(read->dataset), read->scanned);
	}
}

void
session_set_start(NijiStatement *st)
{
	Slot	   *slot = slot_of(MyProc);
	dsa_pointer at;

	if (st->parallel || st->query == NULL || !st->query->plannedstmt->parallelModeNeeded || slot == NULL)
		return;
	if (area == NULL)
	{
		static int	tranche = 0;
		MemoryContext old;

		if (tranche == 0)
			tranche = LWLockNewTrancheId();
		LWLockRegisterTranche(tranche, "niji_persons");
		old = MemoryContextSwitchTo(TopMemoryContext);
		area = dsa_create(tranche);
		MemoryContextSwitchTo(old);
		dsa_pin_mapping(area);
		slot->tranche = tranche;
		(void) take_list(slot); /* of the process that had the slot before, whose area is gone */
	}
	/* what workers of a statement that failed left behind */
	for (at = take_list(slot); DsaPointerIsValid(at);)
	{
		Handed	   *handed = dsa_get_address(area, at);
		dsa_pointer next = handed->next;

		dsa_free(area, at);
		at = next;
	}
	slot->area = dsa_get_handle(area);
	slot->shared = true;
	st->parallel = true;
}

/* the statement's own set gets what its workers hand over */
static void
add_handed(NijiStatement *st, Handed *handed)
{
	ListCell   *lc;

	foreach(lc, st->reads)
	{
		NijiRead   *read = lfirst(lc);

		if (read->dataset != handed->dataset)
			continue;
		if (read->scanned == NULL)
			read->scanned = person_set_create(st->context);
		add_chunk(read->scanned, handed->chunk, handed->words);
		return;
	}
	elog(ERROR, "a worker scanned a dataset that the statement does not read");
}

void
session_set_finish(NijiStatement *st)
{
	if (st->parallel && area != NULL)
	{
		dsa_pointer at = take_list(slot_of(MyProc));

		while (DsaPointerIsValid(at))
		{
			Handed	   *handed = dsa_get_address(area, at);
			dsa_pointer next = handed->next;

			add_handed(st, handed);
			dsa_free(area, at);
			at = next;
		}
	}
	add_reads(st);
	st->finished = true;
}

List *
session_set_of_statement(NijiStatement *st, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	List	   *sets = NIL;
	ListCell   *lc;

	foreach(lc, st->reads)
	{
		NijiRead   *read = lfirst(lc);
		SessionSet *one;

		if (read->scanned == NULL)
			continue;
		one = palloc(sizeof(SessionSet));
		one->dataset = read->dataset;
		one->persons = person_set_create(context);
		person_set_union(one->persons, read->scanned);
		sets = lappend(sets, one);
	}
	MemoryContextSwitchTo(old);
	return sets;
}

void
session_set_forget(NijiStatement *st)
{
	bool		scanned = st->parallel;
	ListCell   *lc;

	if (st->finished || st->permit == 0)
		return;
	foreach(lc, st->reads)
		if (((NijiRead *) lfirst(lc))->scanned)
			scanned = true;

	/*
	 * Allocating could raise, which must not be while a transaction is being
	 * aborted.  A statement whose chunks the session has already is united;
	 * of any other it is only known that something is missing.
	 */
	if (!scanned)
		return;
	if (!st->parallel)
	{
		bool		all = true;

		foreach(lc, st->reads)
		{
			NijiRead   *read = lfirst(lc);
			PersonSet  *known = NULL;
			ListCell   *other;

			foreach(other, session_sets)
				if (((SessionSet *) lfirst(other))->dataset == read->dataset)
					known = ((SessionSet *) lfirst(other))->persons;
			for (uint32 i = 0; read->scanned && i < read->scanned->nchunks; i++)
			{
				if (read->scanned->chunks[i] == NULL)
					continue;
				if (known == NULL || i >= known->nchunks || known->chunks[i] == NULL)
				{
					all = false;
					continue;
				}
				for (int word = 0; word < PERSON_CHUNK_WORDS; word++)
					known->chunks[i][word] |= read->scanned->chunks[i][word];
			}
		}
		if (all)
			return;
	}
	/* an error that ends the whole transaction leaves no function that could have kept something */
	if (GetCurrentTransactionNestLevel() > 1)
		lost = true;
}

void
session_set_worker_end(NijiStatement *st)
{
	Slot	   *slot = MyProc->lockGroupLeader ? slot_of(MyProc->lockGroupLeader) : NULL;
	dsa_area   *shared = NULL;
	ListCell   *lc;

	if (slot == NULL || !slot->shared || st->permit == 0)
		return;
	foreach(lc, st->reads)
	{
		NijiRead   *read = lfirst(lc);

		for (uint32 i = 0; read->scanned && i < read->scanned->nchunks; i++)
		{
			dsa_pointer at;
			Handed	   *handed;

			if (read->scanned->chunks[i] == NULL)
				continue;
			if (shared == NULL)
			{
				LWLockRegisterTranche(slot->tranche, "niji_persons");
				shared = dsa_attach(slot->area);
			}
			at = dsa_allocate(shared, sizeof(Handed));
			handed = dsa_get_address(shared, at);
			handed->dataset = read->dataset;
			handed->chunk = i;
			memcpy(handed->words, read->scanned->chunks[i], CHUNK_SIZE);
			SpinLockAcquire(&slot->lock);
			handed->next = slot->first;
			slot->first = at;
			SpinLockRelease(&slot->lock);
		}
	}
	if (shared)
		dsa_detach(shared);
}

List *
session_set_all(void)
{
	List	   *all = NIL;
	ListCell   *lc;

	if (lost)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("it is not known from whom this was made"),
				 errdetail("A statement failed in this transaction after it had read."),
				 errhint("Begin a new transaction.")));
	for (NijiStatement *st = statement_live(); st; st = st->next)
		if (st->permit != 0 && !st->finished)
			add_reads(st);
	foreach(lc, session_sets)
	{
		SessionSet *one = lfirst(lc);

		if (person_set_count(one->persons) > 0)
			all = lappend(all, one);
	}
	return all;
}

/* ---- the end of a transaction and of the process ---- */

static void
transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		lost = false;
}

void
session_set_init(void)
{
	shmem_register(&slots_part);
	RegisterXactCallback(transaction_end, NULL);
}
