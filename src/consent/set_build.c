/*
 * set_build.c
 *    Building a consent set and bringing it on.
 *
 * A set is built by scanning the tables with one snapshot, and then follows:
 * rows of transactions that the set's key and the statement's snapshot see
 * differently (set_key.c) are found by an index on their transaction, raw, as
 * the snapshot may be older than the set; the persons whom they are about are
 * decided anew, by what the snapshot sees of them.  For a later clock those
 * follow whose moment has come.  With nothing new that is an index probe or two.
 *
 * Facts are sorted by person to be decided.  If there are more than fit, the
 * tables are read again for the persons that were left out.
 *
 * SERIALIZABLE: building takes a predicate lock on the whole tables, and meets
 * the rows of writers that run meanwhile.  Following there sees only rows of
 * the transaction itself: nothing else is new to its snapshot.
 *
 * An error half-way through leaves the set invalid, and it is dropped at the
 * next look.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/settings.h"
#include "consent/set_build.h"
#include "consent/set_members.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* beyond this many changed persons building anew is quicker */
#define FOLLOW_LIMIT 10000

/* transactions that are asked for one by one */
#define PROBES_MAX 32

/* facts of many persons, sorted so that a person's stand together */
#define ST_SORT sort_facts
#define ST_ELEMENT_TYPE ConsentFact
#define ST_COMPARE(a, b) ((a)->person < (b)->person ? -1 : (a)->person > (b)->person)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

int			set_followed = 0;

MemoryContext
set_context(void)
{
	static MemoryContext context = NULL;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "niji consent sets", ALLOCSET_DEFAULT_SIZES);
	return context;
}

void
set_delete(ConsentSet *set)
{
	const SharedSet *base = set->base;

	MemoryContextDelete(set->context);
	if (base)
		shared_set_unpin(base);
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
	int32		from;			/* persons that are collected */
	int32		to;				/* the first that is not, or PG_INT32_MAX for all */
	int64	   *voids;			/* or NULL when the caller has left out what was voided */
	int			nvoids;
	bool		moments;		/* whether moments are noted as well */
} Collector;

static void
add_moment(ConsentSet *set, TimestampTz at, int32 person, bool sorted)
{
	if (set->rule.use.at_grant || TIMESTAMP_NOT_FINITE(at))
		return;
	if (at > set->clock)
		set_add_moment(set, at, person, sorted);
	else
		set->changed = Max(set->changed, at);
}

void
set_note_moment(ConsentSet *set, TimestampTz at, int32 person)
{
	add_moment(set, at, person, true);
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

/* three quarters of what the sets may hold */
static int64
facts_max(void)
{
	return (int64) niji_consent_memory * 1024 / 4 * 3 / sizeof(ConsentFact);
}

/* makes room by leaving persons to a later scan of the tables */
static void
leave_some(Collector *collector)
{
	int64		kept = collector->count / 2;
	int32		to;

	sort_facts(collector->facts, collector->count);
	to = collector->facts[kept].person;
	while (kept > 0 && collector->facts[kept - 1].person == to)
		kept--;
	if (kept == 0)
		set_reserve(collector->set, (Size) niji_consent_memory * 1024);	/* raises */
	collector->to = to;
	collector->count = kept;
}

static void
make_room(Collector *collector)
{
	int64		room = collector->room ? collector->room * 2 : 64;

	if (room > facts_max())
		room = facts_max();
	if (room <= collector->room)
	{
		leave_some(collector);
		return;
	}
	if (room > 1024)
		set_reserve(collector->set, (Size) (room - collector->room) * sizeof(ConsentFact));
	collector->facts = collector->facts
		? repalloc_huge(collector->facts, room * sizeof(ConsentFact))
		: MemoryContextAllocHuge(collector->context, room * sizeof(ConsentFact));
	collector->room = room;
}

static bool
collect(const ConsentEvent *event, void *arg)
{
	Collector  *collector = arg;

	if (event->fact.person < collector->from || event->fact.person >= collector->to)
		return true;
	if (event->fact.kind != FACT_NOTICE && collector->nvoids > 0 &&
		voided(collector, event->fact.id))
		return true;
	if (collector->moments)
	{
		add_moment(collector->set, event->fact.from, event->fact.person, false);
		add_moment(collector->set, event->until, event->fact.person, false);
	}
	if (event->fact.from > collector->clock || event->until <= collector->clock)
		return true;
	if (collector->count == collector->room)
	{
		make_room(collector);
		if (event->fact.person >= collector->to)
			return true;
	}
	collector->facts[collector->count++] = event->fact;
	return true;
}

/* ---- building ---- */

static ConsentWord
copy_word(ConsentWord word, MemoryContext context)
{
	ConsentWord copy = word;

	if (word.data)
	{
		char	   *data = MemoryContextAlloc(context, word.length + 1);

		memcpy(data, word.data, word.length);
		data[word.length] = '\0';
		copy.data = data;
	}
	return copy;
}

static ConsentSet *
new_set(const ConsentRule *rule, MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "niji consent set", ALLOCSET_DEFAULT_SIZES);
	ConsentSet *set = MemoryContextAllocZero(context, sizeof(ConsentSet));

	set->context = context;
	set->rule = *rule;
	set->rule.use.category = copy_word(rule->use.category, context);
	set->rule.use.purpose = copy_word(rule->use.purpose, context);
	set->rule.use.recipient_kind = copy_word(rule->use.recipient_kind, context);
	return set;
}

static void
decide_collected(ConsentSet *set, Collector *collector)
{
	if (collector->count > 1)
		sort_facts(collector->facts, collector->count);
	for (int64 i = 0, next; i < collector->count; i = next)
	{
		for (next = i + 1; next < collector->count &&
			 collector->facts[next].person == collector->facts[i].person; next++)
			;
		set_decide_person(set, collector->facts[i].person, &collector->facts[i], next - i);
	}
}

static void
build_persons(ConsentSet *set, Snapshot snapshot, MemoryContext scratch)
{
	Collector	collector = {set, scratch};

	collector.clock = consent_clock(&set->rule.use, set->clock);
	collector.moments = true;
	collector.voids = row_scan_voids(snapshot, &collector.nvoids);
	collector.from = PG_INT32_MIN;
	do
	{
		collector.to = PG_INT32_MAX;
		collector.count = 0;
		row_scan_all(&set->rule, snapshot, collect, &collector);
		decide_collected(set, &collector);
		collector.from = collector.to;
	} while (collector.to != PG_INT32_MAX);
	set_sort_moments(set);
}

ConsentSet *
set_build(const ConsentRule *rule, Snapshot snapshot, TimestampTz clock)
{
	ConsentSet *set = new_set(rule, CurrentMemoryContext);
	const ConsentUse *use = &set->rule.use;

	set_members_start(set);
	set->clock = clock;
	set_key_keep(&set->key, snapshot, set->context);
	set->otherwise = consent_decide_nobody(use, clock);

	/* its end changes everybody's answer: a moment of person 0, who is nobody */
	if (consent_overridden(use, clock))
		set_add_moment(set, use->override_until, 0, false);
	else if (use->basis != BASIS_NOT_REQUIRED && !(use->at_grant && !use->granted))
	{
		MemoryContext scratch = AllocSetContextCreate(set->context, "niji consent facts",
													  ALLOCSET_DEFAULT_SIZES);
		MemoryContext old = MemoryContextSwitchTo(scratch);

		build_persons(set, snapshot, scratch);
		MemoryContextSwitchTo(old);
		MemoryContextDelete(scratch);
	}
	set_reserve(set, 0);
	MemoryContextSetParent(set->context, set_context());
	set->valid = true;
	consent_epoch++;
	return set;
}

ConsentSet *
set_begin(const ConsentRule *rule, const SharedSet *base)
{
	ConsentSet *set = new_set(rule, set_context());

	set->base = base;
	set->key = base->key;
	set_members_start(set);
	return set;
}

/* ---- following ---- */

/* persons to decide anew */
typedef struct Changes
{
	ConsentSet *set;
	Snapshot	snapshot;		/* by which rows are looked for */
	const SetKey *key;			/* to which the set is brought */
	int32	   *persons;
	int			count;
	int			room;
} Changes;

/* false when there are too many */
static bool
add_change(Changes *changes, int32 person)
{
	if (changes->count > FOLLOW_LIMIT)
		return false;
	if (changes->count == changes->room)
	{
		changes->room = changes->room ? changes->room * 2 : 64;
		changes->persons = changes->persons
			? repalloc(changes->persons, changes->room * sizeof(int32))
			: palloc(changes->room * sizeof(int32));
	}
	changes->persons[changes->count++] = person;
	return true;
}

static bool
note_change(const ConsentEvent *event, void *arg)
{
	Changes    *changes = arg;
	int32		person = event->fact.person;

	if (!set_key_differs(&changes->set->key, changes->key, event->xid))
		return true;
	if (event->voided)
	{
		if (!row_consent_person(changes->snapshot, event->voided, &person))
			return true;
	}
	else
	{
		add_moment(changes->set, event->fact.from, person, true);
		add_moment(changes->set, event->until, person, true);
	}
	return add_change(changes, person);
}

static bool
find_changes(ConsentSet *set, Changes *changes)
{
	FullTransactionId xids[PROBES_MAX];
	FullTransactionId since;
	int			count;

	count = set_key_differing(&set->key, changes->key, xids, lengthof(xids), &since);
	for (int i = 0; i < count; i++)
		if (!row_scan_transaction(&set->rule, changes->snapshot, xids[i], note_change, changes))
			return false;
	return row_scan_since(&set->rule, changes->snapshot, since, note_change, changes);
}

static int
compare_persons(const void *a, const void *b)
{
	int32		x = *(const int32 *) a;
	int32		y = *(const int32 *) b;

	return (x > y) - (x < y);
}

static void
decide_changes(ConsentSet *set, Snapshot snapshot, Changes *changes)
{
	Collector	collector = {set, CurrentMemoryContext};

	consent_epoch++;
	qsort(changes->persons, changes->count, sizeof(int32), compare_persons);
	collector.clock = consent_clock(&set->rule.use, set->clock);
	collector.from = PG_INT32_MIN;
	collector.to = PG_INT32_MAX;
	for (int i = 0; i < changes->count; i++)
	{
		if (i > 0 && changes->persons[i] == changes->persons[i - 1])
			continue;
		CHECK_FOR_INTERRUPTS();
		collector.count = 0;
		row_scan_person(&set->rule, snapshot, changes->persons[i], collect, &collector);
		set_decide_person(set, changes->persons[i], collector.facts, collector.count);
		set_followed++;
	}
}

/* the set now shows what the snapshot does */
static void
renew_key(ConsentSet *set, Snapshot snapshot)
{
	TransactionId *former = set->key.xip;
	bool		own = former && !(set->base && former == set->base->key.xip);

	set_key_keep(&set->key, snapshot, set->context);
	if (own)
		pfree(former);
	consent_epoch++;
}

bool
set_follow(ConsentSet *set, Snapshot snapshot, TimestampTz clock, const int32 *special, int nspecial)
{
	MemoryContext scratch;
	MemoryContext old;
	SetKey		key;
	Changes		changes = {set};
	SetMoment	moment;
	bool		done;

	set->valid = false;
	set_followed = 0;
	scratch = AllocSetContextCreate(CurrentMemoryContext, "niji consent changes",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(scratch);
	set->clock = Max(set->clock, clock);
	done = set->clock < set->horizon;
	if (done && set->rule.use.basis != BASIS_NOT_REQUIRED)
	{
		set_key_make(&key, snapshot);
		changes.key = &key;
		changes.snapshot = IsolationIsSerializable() ? snapshot : SnapshotAny;
		done = find_changes(set, &changes);
	}
	for (int i = 0; i < nspecial; i++)
		add_change(&changes, special[i]);
	while (done && set_take_moment(set, set->clock, &moment))
	{
		set->changed = Max(set->changed, moment.at);
		if (moment.person == 0)
			done = false;
		else
			add_change(&changes, moment.person);
	}
	/* it has come further than the clock asked for, past somebody's moment */
	if (changes.count > FOLLOW_LIMIT || set->changed > clock)
		done = false;
	if (done && changes.count > 0)
		decide_changes(set, snapshot, &changes);
	if (done)
		renew_key(set, snapshot);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	set->valid = done;
	return done;
}
