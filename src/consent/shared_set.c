/*
 * shared_set.c
 *    Consent sets that all backends share.
 *
 * One process, the keeper, builds them and brings them on (keeper.c); all
 * others read.  A slot is the set of one rule: category, purpose, kind of
 * recipient and so on, without the permit, so that a thousand permits have one
 * set; what consents say of a permit or a dataset by name, each backend decides
 * on top of it (set.c).  A slot's states are immutable.  The newest is given to
 * who asks, the one before stays for a while, as somebody's clock may be older;
 * both share the chunks that are the same, and so do sets in the backends that
 * began with them.
 *
 * Memory is one region of niji.consent_memory in the server's shared memory,
 * managed by PostgreSQL's DSA.  It is mapped at one address everywhere, so
 * pointers into it hold in every process, and who only reads need not attach.
 *
 * Locking: NIJI_LOCK_CONSENT_SETS guards the slots and the chains of states,
 * shared to find and pin, exclusive to change.  Pins are counted under it, and
 * given back without it.  A state is freed by the keeper alone, when it is not
 * the newest and nobody has it pinned.  Its chunks are those that neither
 * neighbour in the chain has: a chunk is in states that follow each other.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "common/hashfn.h"
#include "consent/set_members.h"
#include "consent/shared_set.h"
#include "consent/shared_state.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(shared_consent_sets);

#define SLOTS 512
#define WORD_MAX 64

/* a state that is no longer the newest stays this long, for statements that began before */
#define KEEP_MS 2000

/* how long after a failure nobody waits for another try */
#define FAILED_MS 2000
#define NO_ROOM_MS 10000

/* a set not used for this long gives way to another */
#define UNUSED_MS 60000

/* the keeper is woken at once by this many changed rows */
#define WAKE_ROWS 64

/* all of a rule that plays a part for the set; bytes are compared, so it is zeroed first */
typedef struct SlotKey
{
	int32		permit;
	int32		dataset;
	int32		holder;
	int32		basis;
	int32		at_grant;
	int32		waiting_month;
	int32		waiting_day;
	int32		unused;
	int64		waiting_time;
	TimestampTz granted_at;
	char		category[WORD_MAX];
	char		purpose[WORD_MAX];
	char		recipient_kind[WORD_MAX];
	char		zone[TZ_STRLEN_MAX + 1];
} SlotKey;

typedef enum SlotState
{
	SLOT_FREE,
	SLOT_WANTED,
	SLOT_READY,
	SLOT_FAILED,
	SLOT_NO_ROOM
} SlotState;

typedef struct Slot
{
	SlotState	state;
	uint32		hash;
	SlotKey		key;
	SharedSet  *newest;
	TimestampTz used;			/* when it was last pinned or wanted */
	TimestampTz failed;
} Slot;

typedef struct SetsShared
{
	Latch	   *keeper;			/* NULL: it does not run */
	pg_atomic_uint64 changes;
	ConditionVariable built;
	uint64	   *empty;
	int			nslots;			/* used so far */
	Slot		slots[SLOTS];
	uint64		empty_chunk[SET_CHUNK_WORDS];
} SetsShared;

static SetsShared *shared = NULL;
static void *region = NULL;
static dsa_area *area = NULL;	/* in the keeper */

static Size
region_size(void)
{
	return Max((Size) niji_consent_memory * 1024, dsa_minimum_size());
}

static Size
shared_size(void)
{
	return add_size(MAXALIGN(sizeof(SetsShared)), region_size());
}

static void
shared_start(void *address, bool found)
{
	static int	tranche = 0;
	dsa_area   *created;

	shared = address;
	region = (char *) address + MAXALIGN(sizeof(SetsShared));
	if (found)
		return;
	memset(shared, 0, sizeof(SetsShared));
	pg_atomic_init_u64(&shared->changes, 0);
	ConditionVariableInit(&shared->built);
	if (tranche == 0)
	{
		tranche = LWLockNewTrancheId();
		LWLockRegisterTranche(tranche, "NijiConsentSets");
	}
	created = dsa_create_in_place(region, region_size(), tranche, NULL);
	dsa_pin(created);
	dsa_set_size_limit(created, region_size());
	dsa_detach(created);
}

static NijiShmemPart shared_part = {"niji consent sets", shared_size, shared_start};

void
shared_set_init(void)
{
	shmem_register(&shared_part);
}

uint64 *
shared_empty_chunk(void)
{
	return shared->empty_chunk;
}

static LWLock *
lock(void)
{
	return niji_lock(NIJI_LOCK_CONSENT_SETS);
}

/* ---- slots ---- */

static bool
put_word(char *to, ConsentWord word)
{
	if (word.length >= WORD_MAX)
		return false;
	if (word.data)
		memcpy(to, word.data, word.length);
	return true;
}

/* false if its words are too long to be shared */
static bool
make_key(const ConsentRule *rule, SlotKey *key)
{
	memset(key, 0, sizeof(SlotKey));
	key->permit = rule->use.permit;
	key->dataset = rule->use.dataset;
	key->holder = rule->use.holder;
	key->basis = rule->use.basis;
	key->at_grant = rule->use.at_grant;
	key->granted_at = rule->use.at_grant ? rule->use.granted_at : 0;
	key->waiting_month = rule->waiting.month;
	key->waiting_day = rule->waiting.day;
	key->waiting_time = rule->waiting.time;
	strlcpy(key->zone, pg_get_timezone_name(rule->zone), sizeof(key->zone));
	return put_word(key->category, rule->use.category) && put_word(key->purpose, rule->use.purpose) &&
		put_word(key->recipient_kind, rule->use.recipient_kind);
}

static ConsentWord
get_word(const char *word)
{
	ConsentWord result = {NULL, 0};

	if (word[0] != '\0')
	{
		result.data = pstrdup(word);
		result.length = strlen(word);
	}
	return result;
}

/* the rule again; allocated in the current context */
static void
get_rule(const SlotKey *key, ConsentRule *rule)
{
	memset(rule, 0, sizeof(ConsentRule));
	rule->use.permit = key->permit;
	rule->use.dataset = key->dataset;
	rule->use.holder = key->holder;
	rule->use.basis = key->basis;
	rule->use.at_grant = key->at_grant;
	rule->use.granted = true;
	rule->use.granted_at = key->granted_at;
	rule->use.category = get_word(key->category);
	rule->use.purpose = get_word(key->purpose);
	rule->use.recipient_kind = get_word(key->recipient_kind);
	rule->waiting.month = key->waiting_month;
	rule->waiting.day = key->waiting_day;
	rule->waiting.time = key->waiting_time;
	rule->zone = pg_tzset(key->zone);
}

static Slot *
find_slot(const SlotKey *key)
{
	uint32		hash = hash_bytes((const unsigned char *) key, sizeof(SlotKey));

	for (int i = 0; i < shared->nslots; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (slot->state != SLOT_FREE && slot->hash == hash &&
			memcmp(&slot->key, key, sizeof(SlotKey)) == 0)
			return slot;
	}
	return NULL;
}

static bool
older_than(TimestampTz at, int ms)
{
	return TimestampDifferenceExceeds(at, GetCurrentTimestamp(), ms);
}

/* has the keeper build it; false if there is no slot left */
static bool
want(const SlotKey *key)
{
	Slot	   *slot;

	LWLockAcquire(lock(), LW_EXCLUSIVE);
	slot = find_slot(key);
	for (int i = 0; slot == NULL && i < SLOTS; i++)
	{
		if (shared->slots[i].state != SLOT_FREE)
			continue;
		slot = &shared->slots[i];
		slot->key = *key;
		slot->hash = hash_bytes((const unsigned char *) key, sizeof(SlotKey));
		slot->newest = NULL;
		shared->nslots = Max(shared->nslots, i + 1);
	}
	if (slot && slot->state != SLOT_READY)
		slot->state = SLOT_WANTED;
	if (slot)
		slot->used = GetCurrentTimestamp();
	LWLockRelease(lock());
	return slot != NULL;
}

bool
shared_set_exists(const ConsentRule *rule)
{
	SlotKey		key;
	Slot	   *slot;
	bool		exists;

	if (shared == NULL || shared->keeper == NULL || !make_key(rule, &key))
		return false;
	LWLockAcquire(lock(), LW_SHARED);
	slot = find_slot(&key);
	exists = slot && (slot->state == SLOT_WANTED || slot->state == SLOT_READY);
	LWLockRelease(lock());
	return exists;
}

bool
shared_set_glance(const ConsentRule *rule, bool *otherwise, int64 *exceptions)
{
	SlotKey		key;
	Slot	   *slot;
	bool		found;

	if (shared == NULL || !niji_in_database() || !make_key(rule, &key))
		return false;
	LWLockAcquire(lock(), LW_SHARED);
	slot = find_slot(&key);
	found = slot && slot->state == SLOT_READY;
	if (found)
	{
		*otherwise = slot->newest->otherwise;
		*exceptions = slot->newest->exceptions;
	}
	LWLockRelease(lock());
	return found;
}

/* ---- readers ---- */

typedef enum Outcome
{
	FOUND,						/* or not to be had */
	ABSENT,
	COMING,
	NO_ROOM
} Outcome;

/* looks once */
static Outcome
look(const SlotKey *key, TimestampTz clock, const SharedSet **found)
{
	Slot	   *slot;
	Outcome		outcome = FOUND;

	*found = NULL;
	LWLockAcquire(lock(), LW_SHARED);
	slot = find_slot(key);
	if (slot == NULL)
		outcome = ABSENT;
	else if (slot->state == SLOT_WANTED)
		outcome = COMING;
	else if (slot->state == SLOT_NO_ROOM)
		outcome = older_than(slot->failed, NO_ROOM_MS) ? ABSENT : NO_ROOM;
	else if (slot->state == SLOT_FAILED)
		outcome = older_than(slot->failed, FAILED_MS) ? ABSENT : FOUND;
	else
	{
		SharedSet  *state = slot->newest;

		while (state && (state->changed > clock || clock >= state->horizon))
			state = state->older;
		if (state)
			pg_atomic_fetch_add_u32(&state->pins, 1);
		*found = state;
		slot->used = GetCurrentTimestamp();
	}
	LWLockRelease(lock());
	return outcome;
}

const SharedSet *
shared_set_pin(const ConsentRule *rule, TimestampTz clock, bool wait)
{
	static uint32 wait_event = 0;
	SlotKey		key;
	const SharedSet *found;
	bool		waiting = false;

	if (shared == NULL || !niji_in_database() || !make_key(rule, &key))
		return NULL;
	if (wait_event == 0)
		wait_event = niji_wait_event("NijiConsentSet");
	for (;;)
	{
		Latch	   *keeper = shared->keeper;
		Outcome		outcome = look(&key, clock, &found);

		if (outcome == FOUND || outcome == NO_ROOM || keeper == NULL || MyLatch == keeper ||
			(outcome == ABSENT && !want(&key)))
		{
			if (waiting)
				ConditionVariableCancelSleep();
			if (outcome == NO_ROOM)
				ereport(ERROR,
						(errcode(ERRCODE_OUT_OF_MEMORY),
						 errmsg("consent sets need more than niji.consent_memory"),
						 errdetail("There is no room for the set of category \"%s\" and purpose \"%s\" beside those in use.",
								   key.category, key.purpose),
						 errhint("Raise niji.consent_memory and restart the server.")));
			return found;
		}
		SetLatch(keeper);
		if (!wait)
			return NULL;

		/* a second look after having lined up, so that no wake-up is missed */
		if (waiting)
			(void) ConditionVariableTimedSleep(&shared->built, 1000, wait_event);
		else
			ConditionVariablePrepareToSleep(&shared->built);
		waiting = true;
	}
}

void
shared_set_unpin(const SharedSet *state)
{
	pg_atomic_fetch_sub_u32(&unconstify(SharedSet *, state)->pins, 1);
}

void
shared_set_changed(uint64 rows)
{
	uint64		before;
	Latch	   *keeper;

	if (shared == NULL)
		return;
	before = pg_atomic_fetch_add_u64(&shared->changes, rows);
	keeper = shared->keeper;
	if (keeper && before / WAKE_ROWS != (before + rows) / WAKE_ROWS)
		SetLatch(keeper);
}

/* ---- the keeper's side ---- */

void
shared_set_attach(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	area = dsa_attach_in_place(region, NULL);
	dsa_pin_mapping(area);
	MemoryContextSwitchTo(old);
}

void
shared_set_keeper(Latch *latch)
{
	LWLockAcquire(lock(), LW_EXCLUSIVE);
	shared->keeper = latch;
	LWLockRelease(lock());
	ConditionVariableBroadcast(&shared->built);
}

void
shared_set_want(const ConsentRule *rule)
{
	SlotKey		key;

	if (make_key(rule, &key))
		(void) want(&key);
}

static int
next_slot(int slot, SlotState state, ConsentRule *rule)
{
	LWLockAcquire(lock(), LW_SHARED);
	do
		slot++;
	while (slot < shared->nslots && shared->slots[slot].state != state);
	if (slot < shared->nslots)
		get_rule(&shared->slots[slot].key, rule);
	else
		slot = -1;
	LWLockRelease(lock());
	return slot;
}

int
shared_set_next_wanted(int slot, ConsentRule *rule)
{
	return next_slot(slot, SLOT_WANTED, rule);
}

int
shared_set_next_ready(int slot, ConsentRule *rule)
{
	return next_slot(slot, SLOT_READY, rule);
}

uint64
shared_set_changes(void)
{
	return pg_atomic_read_u64(&shared->changes);
}

const SharedSet *
shared_set_newest(int slot, TimestampTz *used)
{
	SharedSet  *newest;

	LWLockAcquire(lock(), LW_SHARED);
	newest = shared->slots[slot].newest;
	*used = shared->slots[slot].used;
	if (newest)
		pg_atomic_fetch_add_u32(&newest->pins, 1);
	LWLockRelease(lock());
	return newest;
}

void
shared_set_failed(int slot, bool no_room)
{
	LWLockAcquire(lock(), LW_EXCLUSIVE);
	if (shared->slots[slot].newest == NULL)
	{
		shared->slots[slot].state = no_room ? SLOT_NO_ROOM : SLOT_FAILED;
		shared->slots[slot].failed = GetCurrentTimestamp();
	}
	LWLockRelease(lock());
	ConditionVariableBroadcast(&shared->built);
}

/* ---- freeing ---- */

static bool
free_older(Slot *slot)
{
	SharedSet  *newer = slot->newest;
	bool		freed = false;

	while (newer && newer->older)
	{
		SharedSet  *state = newer->older;

		if (pg_atomic_read_u32(&state->pins) == 0 && older_than(state->replaced, KEEP_MS))
		{
			newer->older = state->older;
			shared_state_free(area, state, newer, state->older);
			freed = true;
		}
		else
			newer = state;
	}
	return freed;
}

static bool
in_use(const Slot *slot)
{
	for (SharedSet *state = slot->newest; state; state = state->older)
		if (pg_atomic_read_u32(&state->pins) > 0)
			return true;
	return false;
}

/* the ready slot that was not used for longest, and long enough, but not "but" */
static Slot *
find_idle(int but)
{
	Slot	   *idle = NULL;

	for (int i = 0; i < shared->nslots; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (i != but && slot->state == SLOT_READY && !in_use(slot) &&
			older_than(slot->used, UNUSED_MS) && (idle == NULL || slot->used < idle->used))
			idle = slot;
	}
	return idle;
}

bool
shared_set_sweep(bool make_room, int room_for)
{
	bool		freed = false;

	LWLockAcquire(lock(), LW_EXCLUSIVE);
	for (int i = 0; i < shared->nslots; i++)
	{
		Slot	   *slot = &shared->slots[i];

		freed |= free_older(slot);

		/* asked for in vain, and no longer asked for */
		if ((slot->state == SLOT_FAILED || slot->state == SLOT_NO_ROOM) && older_than(slot->used, UNUSED_MS))
			slot->state = SLOT_FREE;
	}
	if (make_room && !freed)
	{
		Slot	   *idle = find_idle(room_for);

		if (idle)
		{
			while (idle->newest)
			{
				SharedSet  *state = idle->newest;

				idle->newest = state->older;
				shared_state_free(area, state, NULL, state->older);
			}
			idle->state = SLOT_FREE;
			freed = true;
		}
	}
	LWLockRelease(lock());
	return freed;
}

/* ---- publishing ---- */

bool
shared_set_publish(int number, const ConsentSet *set, uint64 counted)
{
	Slot	   *slot = &shared->slots[number];
	SharedSet  *state;

	Assert(!FullTransactionIdIsValid(set->key.own));
	while ((state = shared_state_make(area, set)) == NULL)
		if (!shared_set_sweep(true, number))
			return false;
	LWLockAcquire(lock(), LW_EXCLUSIVE);
	state->counted = counted;
	state->older = slot->newest;
	state->newest = true;
	if (slot->newest)
	{
		slot->newest->replaced = GetCurrentTimestamp();
		slot->newest->newest = false;
	}
	slot->newest = state;
	slot->state = SLOT_READY;
	LWLockRelease(lock());
	ConditionVariableBroadcast(&shared->built);
	return true;
}

/* ---- what there is ---- */

static const char *const state_words[] = {
	[SLOT_FREE] = "free",
	[SLOT_WANTED] = "wanted",
	[SLOT_READY] = "ready",
	[SLOT_FAILED] = "failed",
	[SLOT_NO_ROOM] = "no room"
};

/* of the newest state, as if it shared nothing with those before */
static int64
size_of(const SharedSet *state)
{
	int64		size = sizeof(SharedSet) + state->nmoments * sizeof(SetMoment) + state->nasks * sizeof(SharedAsk) +
		(int64) state->nchunks * (sizeof(uint64 *) + sizeof(dsa_pointer));

	for (uint32 i = 0; i < state->nchunks; i++)
		if (DsaPointerIsValid(state->chunks_at[i]))
			size += SET_CHUNK_WORDS * sizeof(uint64);
	return size;
}

/* niji.shared_consent_sets(): category, purpose, recipient_kind, permit, dataset, holder, state, bytes, as_of, used_at, readers */
Datum
shared_consent_sets(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	niji_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	LWLockAcquire(lock(), LW_SHARED);
	for (int i = 0; i < shared->nslots; i++)
	{
		const Slot *slot = &shared->slots[i];
		const SlotKey *key = &slot->key;
		const SharedSet *newest = slot->newest;
		int64		readers = 0;
		Datum		values[11];
		bool		nulls[11] = {0};

		if (slot->state == SLOT_FREE)
			continue;
		for (const SharedSet *state = newest; state; state = state->older)
			readers += pg_atomic_read_u32(&unconstify(SharedSet *, state)->pins);
		values[0] = CStringGetTextDatum(key->category);
		values[1] = CStringGetTextDatum(key->purpose);
		values[2] = CStringGetTextDatum(key->recipient_kind);
		values[3] = Int32GetDatum(key->permit);
		nulls[3] = key->permit == 0;
		values[4] = Int32GetDatum(key->dataset);
		nulls[4] = key->dataset == 0;
		values[5] = Int32GetDatum(key->holder);
		nulls[5] = key->holder == 0;
		values[6] = CStringGetTextDatum(state_words[slot->state]);
		values[7] = Int64GetDatum(newest ? size_of(newest) : 0);
		nulls[7] = newest == NULL;
		values[8] = TimestampTzGetDatum(newest ? newest->clock : 0);
		nulls[8] = newest == NULL;
		values[9] = TimestampTzGetDatum(slot->used);
		values[10] = Int64GetDatum(readers);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	LWLockRelease(lock());
	return (Datum) 0;
}
