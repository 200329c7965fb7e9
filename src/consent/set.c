/*
 * set.c
 *    Consent sets: who may be seen under a permit in a dataset, one bit a person.
 *
 * A set belongs to a backend and shows the consents as one snapshot and one
 * clock see them.  It is built by scanning the tables, and then follows: for a
 * later snapshot the rows written since are found by an index on their
 * transaction, and the persons whom they are about are decided anew; for a
 * later clock those persons whose moment has come.  With nothing new that is
 * an index probe or two.  Whatever is not plainly later is built from scratch.
 *
 * What a set shows, its key.  The rows that a snapshot sees are determined by
 * xmax, by which of the transactions before xmax were still running (xip), by
 * the transaction's own xid and curcid, and by which sub-transactions of its
 * own were rolled back.  Order: latestCompletedXid, and with it xmax, only
 * grows; while it stays, transactions before it only end.  So snapshot B is
 * later than A, or the same, if its xmax is larger, or if xmax is equal and no
 * more are running: then B sees all that A sees, and for one xmax an equal
 * number means the same ones.  (The same is why niji.permitted() may compare
 * xmax, the two counts and curcid only, for each row.)
 *
 * Own rows: within a transaction a larger curcid is later.  A snapshot does
 * not list its own transaction as running, so rows of the transaction that a
 * set was made in are never taken for seen, unless the key is of the same
 * transaction and command.  A rollback takes own rows away under one and the
 * same snapshot: it drops the sets that may have seen them.
 *
 * Rows carry their top-level xid8, so xip alone, which holds top-level
 * transactions even if the sub-transactions overflowed, tells whether a set
 * has seen them; the tuple's header, which freezing changes, is not asked.  In
 * recovery xip is empty, and nothing at or after xmin is taken for seen.
 *
 * SERIALIZABLE: building takes a predicate lock on the whole tables, and meets
 * the rows of writers that run meanwhile.  A set is used again only in the
 * transaction that built it, where that lock is still held.
 *
 * An error half-way through a change leaves the set invalid, and it is dropped
 * at the next look.  Memory is counted over all sets; sets that the running
 * client statement has not used are dropped to make room, and then the
 * statement fails: never is a person let through because there was no room.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "base/statement.h"
#include "consent/set.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* sets kept for one permit and dataset: the statement's, and those of older snapshots (cursors) */
#define SETS_PER_USE 3

/* beyond this many changed persons, and this share of all rows, building anew is quicker */
#define FOLLOW_LIMIT 10000

/* ---- persons whose answer depends on the holder ---- */

typedef struct AskHolder
{
	int			holder;
	bool		permitted;
} AskHolder;

typedef struct AskEntry
{
	int32		person;
	char		status;
	bool		otherwise;		/* for holders that are not listed */
	int			nholders;
	AskHolder  *holders;
} AskEntry;

#define SH_PREFIX ask
#define SH_ELEMENT_TYPE AskEntry
#define SH_KEY_TYPE int32
#define SH_KEY person
#define SH_HASH_KEY(tb, key) ((uint32) (key) * 0x9E3779B1U)
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* facts of many persons, sorted so that a person's stand together */
#define ST_SORT sort_facts
#define ST_ELEMENT_TYPE ConsentFact
#define ST_COMPARE(a, b) ((a)->person < (b)->person ? -1 : (a)->person > (b)->person)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* the nearest moment last */
#define ST_SORT sort_moments
#define ST_ELEMENT_TYPE SetMoment
#define ST_COMPARE(a, b) ((a)->at > (b)->at ? -1 : (a)->at < (b)->at)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

uint64		consent_epoch = 1;

static MemoryContext sets_context = NULL;
static ConsentSet *sets = NULL;
static uint64 transactions = 1; /* counts those of this backend */
static uint64 statements = 1;	/* counts client statements that looked at a set */

static uint64 empty_chunk[SET_CHUNK_WORDS];

/* ---- memory ---- */

static void
drop_set(ConsentSet *set)
{
	for (ConsentSet **link = &sets; *link; link = &(*link)->next)
		if (*link == set)
		{
			*link = set->next;
			break;
		}
	consent_epoch++;
	MemoryContextDelete(set->context);
}

static uint64
current_statement(void)
{
	static TimestampTz started = 0;

	if (started != GetCurrentStatementStartTimestamp())
	{
		started = GetCurrentStatementStartTimestamp();
		statements++;
	}
	return statements;
}

/* makes room for "more" bytes beside what is allocated, in favour of "set"; raises 53200 */
static void
reserve(ConsentSet *set, Size more)
{
	Size		limit = (Size) niji_consent_memory * 1024;
	Size		held;

	for (;;)
	{
		ConsentSet *oldest = NULL;

		held = MemoryContextMemAllocated(sets_context, true);
		if (set && MemoryContextGetParent(set->context) != sets_context)
			held += MemoryContextMemAllocated(set->context, true);
		if (held + more <= limit)
			return;
		for (ConsentSet *other = sets; other; other = other->next)
			if (other != set && other->used != current_statement() &&
				(oldest == NULL || other->used < oldest->used))
				oldest = other;
		if (oldest == NULL)
			break;
		drop_set(oldest);
	}
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("consent sets need more than niji.consent_memory"),
			 errdetail("The sets of this statement need at least %zu kB.", (held + more) / 1024),
			 errhint("Raise niji.consent_memory and restart the server.")));
}

/* ---- bits ---- */

static void
set_bit(ConsentSet *set, int32 person, bool value)
{
	uint32		chunk = (uint32) person >> SET_CHUNK_BITS;
	uint32		place = (uint32) person & ((1 << SET_CHUNK_BITS) - 1);
	uint64		mask = UINT64CONST(1) << (place & 63);
	uint64	   *word;

	if (chunk >= set->nchunks || set->chunks[chunk] == empty_chunk)
	{
		if (!value)
			return;
		if (chunk >= set->nchunks)
		{
			uint32		wanted = Max(16, pg_nextpower2_32(chunk + 1));

			reserve(set, wanted * sizeof(uint64 *));
			set->chunks = set->chunks ? repalloc(set->chunks, wanted * sizeof(uint64 *))
				: MemoryContextAlloc(set->context, wanted * sizeof(uint64 *));
			for (uint32 i = set->nchunks; i < wanted; i++)
				set->chunks[i] = empty_chunk;
			set->nchunks = wanted;
		}
		reserve(set, SET_CHUNK_WORDS * sizeof(uint64));
		set->chunks[chunk] = MemoryContextAllocZero(set->context, SET_CHUNK_WORDS * sizeof(uint64));
	}
	word = &set->chunks[chunk][place >> 6];
	if (((*word & mask) != 0) == value)
		return;
	*word ^= mask;
	set->exceptions += value ? 1 : -1;
}

static void
forget_ask(ConsentSet *set, int32 person)
{
	AskEntry   *entry = set->asks ? ask_lookup(set->asks, person) : NULL;

	if (entry)
	{
		pfree(entry->holders);
		ask_delete_item(set->asks, entry);
	}
}

bool
set_ask(const ConsentSet *set, int32 person, int holder)
{
	AskEntry   *entry = ask_lookup(set->asks, person);

	if (entry == NULL || holder == 0)
		return false;
	for (int i = 0; i < entry->nholders; i++)
		if (entry->holders[i].holder == holder)
			return entry->holders[i].permitted;
	return entry->otherwise;
}

/* one person's answer from their facts */
static void
decide_person(ConsentSet *set, int32 person, const ConsentFact *facts, int nfacts)
{
	const ConsentUse *use = &set->rule.use;
	bool		otherwise = consent_decide(use, set->clock, facts, nfacts, 0, NULL);
	AskHolder  *holders = NULL;
	int			nholders = 0;

	forget_ask(set, person);
	for (int i = 0; i < nfacts; i++)
	{
		int			holder = facts[i].holder;
		bool		known = holder == 0;

		for (int j = 0; j < i && !known; j++)
			known = facts[j].holder == holder;
		if (known || consent_decide(use, set->clock, facts, nfacts, holder, NULL) == otherwise)
			continue;
		if (holders == NULL)
			holders = MemoryContextAlloc(set->context, sizeof(AskHolder) * nfacts);
		holders[nholders].holder = holder;
		holders[nholders++].permitted = !otherwise;
	}
	if (holders)
	{
		bool		found;
		AskEntry   *entry;

		if (set->asks && set->asks->members >= set->asks->grow_threshold)
			reserve(set, set->asks->size * 2 * sizeof(AskEntry));
		if (set->asks == NULL)
			set->asks = ask_create(set->context, 64, NULL);
		entry = ask_insert(set->asks, person, &found);
		entry->otherwise = otherwise;
		entry->nholders = nholders;
		entry->holders = holders;
		otherwise = false;		/* the plain answer: not without asking */
	}
	set_bit(set, person, otherwise != set->otherwise);
}

/* ---- collecting facts ---- */

typedef struct Collector
{
	ConsentSet *set;
	MemoryContext context;
	TimestampTz clock;			/* what the use is judged by */
	ConsentFact *facts;
	int64		count;
	int64		room;
	int64	   *voids;			/* or NULL when the caller has left out what was voided */
	int			nvoids;
	bool		moments;		/* whether moments are noted as well */
} Collector;

static void
put_moment(ConsentSet *set, TimestampTz at, int32 person, bool sorted)
{
	int64		place = set->nmoments;

	if (set->nmoments == set->room)
	{
		int64		room = set->room ? set->room * 2 : 64;

		reserve(set, room * sizeof(SetMoment));
		set->moments = set->moments ? repalloc_huge(set->moments, room * sizeof(SetMoment))
			: MemoryContextAllocHuge(set->context, room * sizeof(SetMoment));
		set->room = room;
	}
	if (sorted)
	{
		while (place > 0 && set->moments[place - 1].at < at)
			place--;
		memmove(&set->moments[place + 1], &set->moments[place],
				(set->nmoments - place) * sizeof(SetMoment));
	}
	set->moments[place].at = at;
	set->moments[place].person = person;
	set->nmoments++;
}

static void
add_moment(ConsentSet *set, TimestampTz at, int32 person, bool sorted)
{
	if (set->rule.use.at_grant || TIMESTAMP_NOT_FINITE(at))
		return;
	if (at > set->clock)
		put_moment(set, at, person, sorted);
	else
		set->changed = Max(set->changed, at);
}

static bool
voided(const Collector *collector, int64 consent)
{
	int			low = 0;
	int			high = collector->nvoids;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (collector->voids[middle] < consent)
			low = middle + 1;
		else
			high = middle;
	}
	return low < collector->nvoids && collector->voids[low] == consent;
}

static void
collect(const ConsentEvent *event, void *arg)
{
	Collector  *collector = arg;

	if (event->fact.kind != FACT_NOTICE && collector->nvoids > 0 &&
		voided(collector, event->fact.id))
		return;
	if (collector->moments)
	{
		add_moment(collector->set, event->fact.from, event->fact.person, false);
		add_moment(collector->set, event->until, event->fact.person, false);
	}
	if (event->fact.from > collector->clock || event->until <= collector->clock)
		return;
	if (collector->count == collector->room)
	{
		int64		room = collector->room ? collector->room * 2 : 64;

		if (room > 1024)
			reserve(collector->set, (Size) room * sizeof(ConsentFact));
		collector->facts = collector->facts
			? repalloc_huge(collector->facts, room * sizeof(ConsentFact))
			: MemoryContextAllocHuge(collector->context, room * sizeof(ConsentFact));
		collector->room = room;
	}
	collector->facts[collector->count++] = event->fact;
}

/* ---- keys ---- */

static FullTransactionId
widen(TransactionId xid)
{
	FullTransactionId next = ReadNextFullTransactionId();
	uint32		epoch = EpochFromFullTransactionId(next);

	if (!TransactionIdIsNormal(xid))
		return FullTransactionIdFromEpochAndXid(0, xid);
	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return FullTransactionIdFromEpochAndXid(epoch, xid);
}

static void
make_key(SetKey *key, Snapshot snapshot, MemoryContext context)
{
	Size		running = (snapshot->xcnt + Max(snapshot->subxcnt, 0)) * sizeof(TransactionId);

	key->xmin = widen(snapshot->xmin);
	key->xmax = widen(snapshot->xmax);
	key->xcnt = snapshot->xcnt;
	key->subxcnt = Max(snapshot->subxcnt, 0);
	key->suboverflowed = snapshot->suboverflowed;
	key->recovery = snapshot->takenDuringRecovery;
	key->curcid = snapshot->curcid;
	key->transaction = transactions;
	key->own = GetTopFullTransactionIdIfAny();
	key->xip = NULL;
	if (context && running > 0)
	{
		key->xip = MemoryContextAlloc(context, running);
		if (key->xcnt > 0)
			memcpy(key->xip, snapshot->xip, key->xcnt * sizeof(TransactionId));
		if (key->subxcnt > 0)
			memcpy(key->xip + key->xcnt, snapshot->subxip, key->subxcnt * sizeof(TransactionId));
	}
}

/* whether a set's key and a snapshot (and the key made of it, without its lists) see the same rows */
static bool
same_key(const SetKey *a, const SetKey *b, Snapshot snapshot)
{
	if (!FullTransactionIdEquals(a->xmax, b->xmax) || !FullTransactionIdEquals(a->xmin, b->xmin) ||
		a->xcnt != b->xcnt || a->subxcnt != b->subxcnt || a->suboverflowed != b->suboverflowed ||
		a->recovery != b->recovery)
		return false;
	if (a->transaction != b->transaction)
	{
		if (IsolationIsSerializable() || FullTransactionIdIsValid(a->own) || FullTransactionIdIsValid(b->own))
			return false;
	}
	else if (a->curcid != b->curcid)
		return false;
	return (a->xcnt == 0 || memcmp(a->xip, snapshot->xip, a->xcnt * sizeof(TransactionId)) == 0) &&
		(a->subxcnt == 0 ||
		 memcmp(a->xip + a->xcnt, snapshot->subxip, a->subxcnt * sizeof(TransactionId)) == 0);
}

/* whether key b sees all that key a sees */
static bool
is_later(const SetKey *a, const SetKey *b)
{
	if (a->recovery || b->recovery)
		return false;
	if (a->transaction == b->transaction ? a->curcid > b->curcid : IsolationIsSerializable())
		return false;
	return FullTransactionIdPrecedes(a->xmax, b->xmax) ||
		(FullTransactionIdEquals(a->xmax, b->xmax) && a->xcnt >= b->xcnt);
}

/* whether a row of a transaction was seen under the key for sure */
static bool
seen(const SetKey *key, FullTransactionId xid)
{
	TransactionId narrow = XidFromFullTransactionId(xid);

	if (FullTransactionIdPrecedes(xid, key->xmin))
		return true;
	if (!FullTransactionIdPrecedes(xid, key->xmax) || FullTransactionIdEquals(xid, key->own) ||
		FullTransactionIdEquals(xid, GetTopFullTransactionIdIfAny()))
		return false;
	for (uint32 i = 0; i < key->xcnt; i++)
		if (key->xip[i] == narrow)
			return false;
	return true;
}

/* ---- building and following ---- */

static void
refuse(int permit, int dataset, const ConsentRule *rule, bool found)
{
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no consent set for permit %d and dataset %d", permit, dataset),
				 errdetail("The permit does not give this dataset.")));
	if (rule->use.basis == BASIS_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no rule for category \"%s\" and purpose \"%s\"",
						rule->use.category.data, rule->use.purpose.data),
				 errhint("Governance sets rules with niji.set_rule().")));
}

static ConsentSet *
build(int permit, int dataset, Snapshot snapshot, TimestampTz clock)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "niji consent set",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext scratch = AllocSetContextCreate(context, "niji consent facts",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	ConsentSet *set = MemoryContextAllocZero(context, sizeof(ConsentSet));
	Collector	collector = {set, scratch};
	bool		found;

	set->context = context;
	set->clock = clock;
	set->changed = DT_NOBEGIN;
	make_key(&set->key, snapshot, context);
	found = row_read_use(permit, dataset, context, &set->rule);
	refuse(permit, dataset, &set->rule, found);
	set->otherwise = consent_decide_nobody(&set->rule.use, clock);

	/* its end changes everybody's answer: a moment of person 0, who is nobody */
	if (consent_overridden(&set->rule.use, clock))
		put_moment(set, set->rule.use.override_until, 0, false);
	else if (set->rule.use.basis != BASIS_NOT_REQUIRED &&
		!(set->rule.use.at_grant && !set->rule.use.granted))
	{
		collector.clock = consent_clock(&set->rule.use, clock);
		collector.moments = true;
		collector.voids = row_scan_voids(snapshot, &collector.nvoids);
		row_scan_all(&set->rule, snapshot, collect, &collector);
		if (collector.count > 1)
			sort_facts(collector.facts, collector.count);
		for (int64 i = 0, next; i < collector.count; i = next)
		{
			for (next = i + 1; next < collector.count &&
				 collector.facts[next].person == collector.facts[i].person; next++)
				;
			decide_person(set, collector.facts[i].person, &collector.facts[i], next - i);
		}
		if (set->nmoments > 1)
			sort_moments(set->moments, set->nmoments);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	reserve(set, 0);
	MemoryContextSetParent(context, sets_context);
	set->valid = true;
	set->next = sets;
	sets = set;
	consent_epoch++;
	elog(DEBUG1, "consent set of permit %d, dataset %d: built", permit, dataset);
	return set;
}

/* persons to decide anew */
typedef struct Changes
{
	ConsentSet *set;
	Snapshot	snapshot;
	int32	   *persons;
	int			count;
	int			room;
} Changes;

static void
add_change(Changes *changes, int32 person)
{
	if (changes->count > FOLLOW_LIMIT)
		return;
	if (changes->count == changes->room)
	{
		changes->room = changes->room ? changes->room * 2 : 64;
		changes->persons = changes->persons
			? repalloc(changes->persons, changes->room * sizeof(int32))
			: palloc(changes->room * sizeof(int32));
	}
	changes->persons[changes->count++] = person;
}

static void
note_change(const ConsentEvent *event, void *arg)
{
	Changes    *changes = arg;
	int32		person = event->fact.person;

	if (seen(&changes->set->key, event->xid))
		return;
	if (event->voided)
	{
		if (!row_consent_person(changes->snapshot, event->voided, &person))
			return;
	}
	else if (changes->count <= FOLLOW_LIMIT)
	{
		add_moment(changes->set, event->fact.from, person, true);
		add_moment(changes->set, event->until, person, true);
	}
	add_change(changes, person);
}

static int
compare_persons(const void *a, const void *b)
{
	int32		x = *(const int32 *) a;
	int32		y = *(const int32 *) b;

	return (x > y) - (x < y);
}

/*
 * Brings a set to a later snapshot (unless rows is false) and a later clock.
 * False if building anew is better; the set is then invalid.
 */
static bool
follow(ConsentSet *set, Snapshot snapshot, bool rows, TimestampTz clock)
{
	MemoryContext scratch;
	MemoryContext old;
	Changes		changes = {set, snapshot};
	bool		done = true;

	set->valid = false;
	scratch = AllocSetContextCreate(CurrentMemoryContext, "niji consent changes",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(scratch);
	set->clock = Max(set->clock, clock);
	if (rows && set->rule.use.basis != BASIS_NOT_REQUIRED)
		done = row_scan_since(&set->rule, snapshot, set->key.xmin, note_change, &changes);
	while (set->nmoments > 0 && set->moments[set->nmoments - 1].at <= set->clock)
	{
		SetMoment  *moment = &set->moments[--set->nmoments];

		set->changed = Max(set->changed, moment->at);
		if (moment->person == 0)
			done = false;
		else
			add_change(&changes, moment->person);
	}
	if (changes.count > FOLLOW_LIMIT)
		done = false;
	if (done && changes.count > 0)
	{
		Collector	collector = {set, scratch};

		consent_epoch++;
		qsort(changes.persons, changes.count, sizeof(int32), compare_persons);
		collector.clock = consent_clock(&set->rule.use, set->clock);
		for (int i = 0; i < changes.count; i++)
		{
			if (i > 0 && changes.persons[i] == changes.persons[i - 1])
				continue;
			CHECK_FOR_INTERRUPTS();
			collector.count = 0;
			row_scan_person(&set->rule, snapshot, changes.persons[i], collect, &collector);
			decide_person(set, changes.persons[i], collector.facts, collector.count);
		}
	}
	if (done && rows)
	{
		TransactionId *former = set->key.xip;

		make_key(&set->key, snapshot, set->context);
		if (former)
			pfree(former);
		consent_epoch++;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	set->valid = done;
	elog(DEBUG1, "consent set of permit %d, dataset %d: %s", set->rule.use.permit,
		 set->rule.use.dataset, done ? "followed" : "left behind");
	return done;
}

/* whether the set, as it is, answers for the clock */
static bool
fits_clock(const ConsentSet *set, TimestampTz clock)
{
	return set->changed <= clock &&
		(set->nmoments == 0 || clock < set->moments[set->nmoments - 1].at);
}

static bool
is_for(const ConsentSet *set, int permit, int dataset)
{
	return set->rule.use.permit == permit && set->rule.use.dataset == dataset;
}

/* sets that an error left half changed, and more than are kept of a use */
static void
tidy(int permit, int dataset)
{
	ConsentSet *oldest = NULL;
	int			count = 0;

	for (ConsentSet *set = sets, *next; set; set = next)
	{
		next = set->next;
		if (!set->valid)
			drop_set(set);
		else if (is_for(set, permit, dataset))
		{
			count++;
			if (oldest == NULL || set->used < oldest->used ||
				(set->used == oldest->used &&
				 FullTransactionIdPrecedes(set->key.xmax, oldest->key.xmax)))
				oldest = set;
		}
	}
	if (count > SETS_PER_USE)
		drop_set(oldest);
}

ConsentSet *
set_get(int permit, int dataset, Snapshot snapshot, TimestampTz clock)
{
	ConsentSet *set;
	ConsentSet *former = NULL;
	SetKey		key;

	if (snapshot->snapshot_type != SNAPSHOT_MVCC)
		elog(ERROR, "consents cannot be judged by a snapshot of type %d", snapshot->snapshot_type);
	if (sets_context == NULL)
		sets_context = AllocSetContextCreate(TopMemoryContext, "niji consent sets",
											 ALLOCSET_DEFAULT_SIZES);
	tidy(permit, dataset);
	make_key(&key, snapshot, NULL);

	for (set = sets; set; set = set->next)
	{
		if (!is_for(set, permit, dataset))
			continue;
		if (set->rule.zone == settings_timezone() && same_key(&set->key, &key, snapshot) &&
			(fits_clock(set, clock) || set->clock <= clock))
			break;
		if (is_later(&set->key, &key) && set->clock <= clock &&
			(former == NULL || is_later(&former->key, &set->key)))
			former = set;
	}
	if (set && !fits_clock(set, clock) && !follow(set, snapshot, false, clock))
	{
		if (set == former)
			former = NULL;
		drop_set(set);
		set = NULL;
	}
	if (set == NULL && former)
	{
		MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "niji consent use",
													  ALLOCSET_SMALL_SIZES);
		ConsentRule rule;

		if (row_read_use(permit, dataset, scratch, &rule) && row_same_use(&rule, &former->rule) &&
			follow(former, snapshot, true, clock))
			set = former;
		else
			drop_set(former);
		MemoryContextDelete(scratch);
	}
	if (set == NULL)
		set = build(permit, dataset, snapshot, clock);
	set->used = current_statement();
	return set;
}

ConsentSet *
set_peek(int permit, int dataset)
{
	for (ConsentSet *set = sets; set; set = set->next)
		if (set->valid && is_for(set, permit, dataset))
			return set;
	return NULL;
}

/* ---- ends of transactions ---- */

/* sets that may have seen rows that are gone now */
static void
drop_own_sets(void)
{
	for (ConsentSet *set = sets, *next; set; set = next)
	{
		next = set->next;
		if (set->key.transaction == transactions && FullTransactionIdIsValid(set->key.own))
			drop_set(set);
	}
	consent_epoch++;
}

static void
transaction_end(XactEvent event, void *arg)
{
	/* what a prepared transaction wrote is not seen until it commits */
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		drop_own_sets();
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
	{
		transactions++;
		consent_epoch++;
	}
}

static void
subtransaction_end(SubXactEvent event, SubTransactionId mySubid, SubTransactionId parentSubid,
				   void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		drop_own_sets();
}

void
set_init(void)
{
	RegisterXactCallback(transaction_end, NULL);
	RegisterSubXactCallback(subtransaction_end, NULL);
}
