/*
 * set_members.c
 *    What a consent set holds: bits, persons to ask for, moments.
 *
 * A set that began with a shared one has the shared directory, chunks, moments
 * and persons to ask for as long as they are the same: the first change copies
 * the directory, the first change in a chunk copies the chunk.  A person whom
 * the set has decided anew has an entry among its own asks if the shared set
 * has one, so that the own answer counts.
 *
 * Bits are exceptions from "otherwise", the answer for a person of whom nothing
 * is known.  Persons whose answer depends on the holder are kept so that the
 * bit says no, and set_ask() says the rest.
 */
#include "postgres.h"

#include "consent/set_members.h"
#include "consent/shared_set.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#define SH_PREFIX ask
#define SH_ELEMENT_TYPE AskEntry
#define SH_KEY_TYPE int32
#define SH_KEY person
#define SH_HASH_KEY(tb, key) ((uint32) (key) * 0x9E3779B1U)
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE extern
#define SH_DEFINE
#include "lib/simplehash.h"

/* the nearest moment last */
#define ST_SORT sort_moments
#define ST_ELEMENT_TYPE SetMoment
#define ST_COMPARE(a, b) ((a)->at > (b)->at ? -1 : (a)->at < (b)->at)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

static uint64 empty_chunk[SET_CHUNK_WORDS];

/* as its base is, or empty */
void
set_members_start(ConsentSet *set)
{
	const SharedSet *base = set->base;

	set->changed = DT_NOBEGIN;
	set->horizon = DT_NOEND;
	if (base == NULL)
		return;
	set->clock = base->clock;
	set->changed = base->changed;
	set->horizon = base->horizon;
	set->base_moments = base->nmoments;
	set->otherwise = base->otherwise;
	set->asking = base->nasks > 0;
	set->nchunks = base->nchunks;
	set->chunks = base->chunks;
	set->exceptions = base->exceptions;
}

/* ---- bits ---- */

/* a directory of its own with room for the chunk */
static void
own_directory(ConsentSet *set, uint32 chunk)
{
	uint32		wanted = Max(set->nchunks, chunk + 1);
	uint64	   *empty = set->base ? shared_empty_chunk() : empty_chunk;
	uint64	  **chunks;

	if (set->own_directory && chunk < set->nchunks)
		return;
	if (wanted > set->nchunks)
		wanted = Max(16, pg_nextpower2_32(wanted));
	set_reserve(set, wanted * sizeof(uint64 *));
	chunks = MemoryContextAlloc(set->context, wanted * sizeof(uint64 *));
	if (set->nchunks > 0)
		memcpy(chunks, set->chunks, set->nchunks * sizeof(uint64 *));
	for (uint32 i = set->nchunks; i < wanted; i++)
		chunks[i] = empty;
	if (set->own_directory)
		pfree(set->chunks);
	set->chunks = chunks;
	set->nchunks = wanted;
	set->own_directory = true;
}

bool
set_owns_chunk(const ConsentSet *set, uint32 chunk)
{
	const uint64 *bits = set->chunks[chunk];

	if (bits == empty_chunk || (set->base && bits == shared_empty_chunk()))
		return false;
	return set->base == NULL || chunk >= set->base->nchunks || bits != set->base->chunks[chunk];
}

static void
set_bit(ConsentSet *set, int32 person, bool value)
{
	uint32		chunk = (uint32) person >> SET_CHUNK_BITS;
	uint32		place = (uint32) person & (SET_CHUNK_PERSONS - 1);
	uint64		mask = UINT64CONST(1) << (place & 63);
	bool		is = chunk < set->nchunks && (set->chunks[chunk][place >> 6] & mask) != 0;

	if (is == value)
		return;
	own_directory(set, chunk);
	if (!set_owns_chunk(set, chunk))
	{
		uint64	   *bits;

		set_reserve(set, SET_CHUNK_WORDS * sizeof(uint64));
		bits = MemoryContextAlloc(set->context, SET_CHUNK_WORDS * sizeof(uint64));
		memcpy(bits, set->chunks[chunk], SET_CHUNK_WORDS * sizeof(uint64));
		set->chunks[chunk] = bits;
	}
	set->chunks[chunk][place >> 6] ^= mask;
	set->exceptions += value ? 1 : -1;
}

/* ---- persons to ask for ---- */

static const SharedAsk *
find_shared_ask(const ConsentSet *set, int32 person)
{
	int64		low = 0;
	int64		high = set->base ? set->base->nasks : 0;

	while (low < high)
	{
		int64		middle = (low + high) / 2;
		int32		at = set->base->asks[middle].person;

		if (at == person)
			return &set->base->asks[middle];
		if (at < person)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

bool
set_ask(const ConsentSet *set, int32 person, int holder)
{
	AskEntry   *entry = set->asks ? ask_lookup(set->asks, person) : NULL;
	const SharedAsk *shared;
	const int32 *list;
	uint32		place;

	if (holder == 0)
		return false;
	if (entry)
	{
		for (int i = 0; i < entry->nholders; i++)
			if (entry->holders[i] == holder)
				return !entry->otherwise;
		return entry->nholders > 0 && entry->otherwise;
	}
	shared = find_shared_ask(set, person);
	if (shared == NULL)
		return false;
	place = shared->answer & ASK_PLACE;
	if (!(shared->answer & ASK_LISTED))
		return ((int) place == holder) != ((shared->answer & ASK_OTHERS) != 0);
	list = &set->base->ask_lists[place];
	for (int32 i = 1; i <= list[0]; i++)
		if (list[i] == holder)
			return (shared->answer & ASK_OTHERS) == 0;
	return (shared->answer & ASK_OTHERS) != 0;
}

/* the person's answer from now on; without holders, the bit alone */
static void
put_ask(ConsentSet *set, int32 person, bool otherwise, const int32 *holders, int nholders)
{
	AskEntry   *entry;
	bool		found;

	if (nholders == 0 && (set->asks == NULL || !ask_lookup(set->asks, person)) &&
		!find_shared_ask(set, person))
		return;
	if (set->asks && set->asks->members >= set->asks->grow_threshold)
		set_reserve(set, set->asks->size * 2 * sizeof(AskEntry));
	if (set->asks == NULL)
		set->asks = ask_create(set->context, 64, NULL);
	entry = ask_insert(set->asks, person, &found);
	if (found && entry->nholders > 0)
		pfree(entry->holders);
	entry->otherwise = otherwise;
	entry->nholders = 0;
	if (nholders == 0)
		return;
	entry->holders = MemoryContextAlloc(set->context, sizeof(int32) * nholders);
	memcpy(entry->holders, holders, sizeof(int32) * nholders);
	entry->nholders = nholders;
	set->asking = true;
}

void
set_decide_person(ConsentSet *set, int32 person, const ConsentFact *facts, int nfacts)
{
	const ConsentUse *use = &set->rule.use;
	bool		otherwise = consent_decide(use, set->clock, facts, nfacts, 0, NULL);
	int32		few[16];
	int32	   *holders = few;
	int			nholders = 0;

	for (int i = 0; i < nfacts; i++)
	{
		int32		holder = facts[i].holder;
		bool		known = holder == 0;

		for (int j = 0; j < i && !known; j++)
			known = facts[j].holder == holder;
		if (known || consent_decide(use, set->clock, facts, nfacts, holder, NULL) == otherwise)
			continue;
		if (nholders == lengthof(few) && holders == few)
		{
			holders = palloc(sizeof(int32) * nfacts);
			memcpy(holders, few, sizeof(few));
		}
		holders[nholders++] = holder;
	}
	put_ask(set, person, otherwise, holders, nholders);
	if (holders != few)
		pfree(holders);
	if (nholders > 0)
		otherwise = false;		/* the plain answer: not without asking */
	set_bit(set, person, otherwise != set->otherwise);
}

/* ---- moments ---- */

void
set_sort_moments(ConsentSet *set)
{
	if (set->nmoments > 1)
		sort_moments(set->moments, set->nmoments);
}

/* leaves the nearest; they are sorted then */
static void
cut_moments(ConsentSet *set)
{
	int64		surplus = set->nmoments - MOMENTS_MAX;

	set_sort_moments(set);
	set->horizon = Min(set->horizon, set->moments[surplus - 1].at);
	memmove(set->moments, set->moments + surplus, MOMENTS_MAX * sizeof(SetMoment));
	set->nmoments = MOMENTS_MAX;

	/* of those at the horizon some may be left: they come before it is reached, and do no harm */
}

void
set_add_moment(ConsentSet *set, TimestampTz at, int32 person, bool sorted)
{
	int64		place;

	if (at >= set->horizon)
		return;
	if (set->nmoments == set->room)
	{
		int64		room = set->room ? set->room * 2 : 64;

		if (room > MOMENTS_MAX * 2)
		{
			cut_moments(set);
			set_add_moment(set, at, person, sorted);
			return;
		}
		set_reserve(set, room * sizeof(SetMoment));
		set->moments = set->moments ? repalloc(set->moments, room * sizeof(SetMoment))
			: MemoryContextAlloc(set->context, room * sizeof(SetMoment));
		set->room = room;
	}
	place = set->nmoments;
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

/* the nearest one of its own and of the base's, or NULL; and where to take it off */
static const SetMoment *
nearest(ConsentSet *set, int64 **count)
{
	const SetMoment *own = set->nmoments > 0 ? &set->moments[set->nmoments - 1] : NULL;
	const SetMoment *shared = set->base_moments > 0 ? &set->base->moments[set->base_moments - 1] : NULL;

	if (shared == NULL || (own && own->at <= shared->at))
	{
		*count = &set->nmoments;
		return own;
	}
	*count = &set->base_moments;
	return shared;
}

bool
set_take_moment(ConsentSet *set, TimestampTz clock, SetMoment *moment)
{
	int64	   *count;
	const SetMoment *next = nearest(set, &count);

	if (next == NULL || next->at > clock)
		return false;
	*moment = *next;
	(*count)--;
	return true;
}

bool
set_fits_clock(const ConsentSet *set, TimestampTz clock)
{
	return set->changed <= clock && clock < set->horizon &&
		(set->nmoments == 0 || clock < set->moments[set->nmoments - 1].at) &&
		(set->base_moments == 0 || clock < set->base->moments[set->base_moments - 1].at);
}
