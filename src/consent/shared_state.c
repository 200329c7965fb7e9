/*
 * shared_state.c
 *    The states of shared consent sets: made of a set, and freed.
 *
 * A state has its own what the set has changed, and shares the rest with the
 * state that the set began with.  So states that follow each other share, and
 * nothing counts who does: what neither the newer nor the older neighbour in
 * the chain has is nobody's.
 */
#include "postgres.h"

#include "consent/set_members.h"
#include "consent/shared_state.h"
#include "utils/memutils.h"

/* ---- freeing ---- */

static void
free_array(dsa_area *area, dsa_pointer at, dsa_pointer newer, dsa_pointer older)
{
	if (DsaPointerIsValid(at) && at != newer && at != older)
		dsa_free(area, at);
}

static dsa_pointer
chunk_at(const SharedSet *state, uint32 chunk)
{
	return state && chunk < state->nchunks ? state->chunks_at[chunk] : InvalidDsaPointer;
}

void
shared_state_free(dsa_area *area, SharedSet *state, const SharedSet *newer, const SharedSet *older)
{
	for (uint32 i = 0; i < state->nchunks; i++)
		free_array(area, state->chunks_at[i], chunk_at(newer, i), chunk_at(older, i));
	free_array(area, state->moments_at, newer ? newer->moments_at : InvalidDsaPointer,
			   older ? older->moments_at : InvalidDsaPointer);
	free_array(area, state->asks_at, newer ? newer->asks_at : InvalidDsaPointer,
			   older ? older->asks_at : InvalidDsaPointer);
	free_array(area, state->lists_at, newer ? newer->lists_at : InvalidDsaPointer,
			   older ? older->lists_at : InvalidDsaPointer);
	dsa_free(area, state->directory_at);
	dsa_free(area, state->self);
}

/* ---- making ---- */

static void *
allocate(dsa_area *area, Size size, dsa_pointer *at)
{
	*at = dsa_allocate_extended(area, size, DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM | DSA_ALLOC_ZERO);
	return DsaPointerIsValid(*at) ? dsa_get_address(area, *at) : NULL;
}

static bool
publish_chunks(dsa_area *area, SharedSet *state, const ConsentSet *set)
{
	const SharedSet *base = set->base;
	uint32		n = set->nchunks;
	char	   *directory;

	directory = allocate(area, Max(n, 1) * (sizeof(uint64 *) + sizeof(dsa_pointer)), &state->directory_at);
	if (directory == NULL)
		return false;
	state->chunks = (uint64 **) directory;
	state->chunks_at = (dsa_pointer *) (directory + Max(n, 1) * sizeof(uint64 *));
	for (uint32 i = 0; i < n; i++)
	{
		/* so that what is there can be freed at any moment */
		state->nchunks = i + 1;
		state->chunks[i] = shared_empty_chunk();
		state->chunks_at[i] = InvalidDsaPointer;
		if (set_owns_chunk(set, i))
		{
			uint64	   *bits = allocate(area, SET_CHUNK_WORDS * sizeof(uint64), &state->chunks_at[i]);

			if (bits == NULL)
				return false;
			memcpy(bits, set->chunks[i], SET_CHUNK_WORDS * sizeof(uint64));
			state->chunks[i] = bits;
		}
		else if (base && i < base->nchunks)
		{
			state->chunks[i] = base->chunks[i];
			state->chunks_at[i] = base->chunks_at[i];
		}
	}
	return true;
}

static bool
publish_moments(dsa_area *area, SharedSet *state, const ConsentSet *set)
{
	const SetMoment *a = set->base ? set->base->moments : NULL;
	const SetMoment *a_end = a ? a + set->base_moments : NULL;
	const SetMoment *b = set->moments;
	const SetMoment *b_end = b ? b + set->nmoments : NULL;
	SetMoment  *to;

	state->nmoments = set->base_moments + set->nmoments;
	if (state->nmoments == 0)
		return true;
	if (set->nmoments == 0)
	{
		state->moments = set->base->moments;
		state->moments_at = set->base->moments_at;
		return true;
	}
	to = state->moments = allocate(area, state->nmoments * sizeof(SetMoment), &state->moments_at);
	if (to == NULL)
		return false;
	while (a < a_end || b < b_end)
		*to++ = b == b_end || (a < a_end && a->at >= b->at) ? *a++ : *b++;
	return true;
}

static int
compare_asks(const void *a, const void *b)
{
	int32		x = ((const SharedAsk *) a)->person;
	int32		y = ((const SharedAsk *) b)->person;

	return (x > y) - (x < y);
}

/* what a set holds itself; lists are appended to "lists", of which "used" places are taken */
static SharedAsk
pack_ask(const AskEntry *entry, int32 *lists, int64 *used)
{
	SharedAsk	ask = {entry->person, entry->otherwise ? ASK_OTHERS : 0};

	if (entry->nholders == 1 && (uint32) entry->holders[0] <= ASK_PLACE)
		ask.answer |= (uint32) entry->holders[0];
	else
	{
		ask.answer |= ASK_LISTED | (uint32) *used;
		lists[(*used)++] = entry->nholders;
		for (int i = 0; i < entry->nholders; i++)
			lists[(*used)++] = entry->holders[i];
	}
	return ask;
}

static bool
publish_asks(dsa_area *area, SharedSet *state, const ConsentSet *set)
{
	const SharedSet *base = set->base;
	const SharedAsk *from = base ? base->asks : NULL;
	const SharedAsk *end = from ? from + base->nasks : NULL;
	ask_iterator iterator;
	AskEntry   *entry;
	SharedAsk  *own;
	int32	   *lists;
	int64		nown = 0;
	int64		used = 0;
	int64		room = 1;

	if (set->asks == NULL)
	{
		if (base)
		{
			state->nasks = base->nasks;
			state->asks = base->asks;
			state->asks_at = base->asks_at;
			state->ask_lists = base->ask_lists;
			state->lists_at = base->lists_at;
		}
		return true;
	}

	/* lists: all that the base has, then those of changed persons */
	for (const SharedAsk *ask = from; ask < end; ask++)
		if (ask->answer & ASK_LISTED)
			room += 1 + base->ask_lists[ask->answer & ASK_PLACE];
	ask_start_iterate(set->asks, &iterator);
	while ((entry = ask_iterate(set->asks, &iterator)) != NULL)
		room += 1 + entry->nholders;
	if (room > ASK_PLACE)
		return false;
	lists = allocate(area, room * sizeof(int32), &state->lists_at);
	state->ask_lists = lists;
	state->asks = allocate(area, ((base ? base->nasks : 0) + set->asks->members + 1) * sizeof(SharedAsk),
						   &state->asks_at);
	if (lists == NULL || state->asks == NULL)
		return false;
	own = MemoryContextAllocExtended(CurrentMemoryContext, (set->asks->members + 1) * sizeof(SharedAsk),
									 MCXT_ALLOC_HUGE);
	ask_start_iterate(set->asks, &iterator);
	while ((entry = ask_iterate(set->asks, &iterator)) != NULL)
		if (entry->nholders > 0)
			own[nown++] = pack_ask(entry, lists, &used);
	qsort(own, nown, sizeof(SharedAsk), compare_asks);
	for (int64 i = 0; from < end || i < nown;)
	{
		if (from == end || (i < nown && own[i].person < from->person))
			state->asks[state->nasks++] = own[i++];
		else if (ask_lookup(set->asks, from->person))
			from++;				/* decided anew */
		else
		{
			SharedAsk	ask = *from++;

			if (ask.answer & ASK_LISTED)
			{
				const int32 *list = &base->ask_lists[ask.answer & ASK_PLACE];

				memcpy(&lists[used], list, (1 + list[0]) * sizeof(int32));
				ask.answer = (ask.answer & ~ASK_PLACE) | (uint32) used;
				used += 1 + list[0];
			}
			state->asks[state->nasks++] = ask;
		}
	}
	pfree(own);
	return true;
}

SharedSet *
shared_state_make(dsa_area *area, const ConsentSet *set)
{
	dsa_pointer self;
	SharedSet  *state = allocate(area, sizeof(SharedSet) + set->key.xcnt * sizeof(TransactionId), &self);

	if (state == NULL)
		return NULL;
	state->self = self;
	pg_atomic_init_u32(&state->pins, 0);
	state->key = set->key;
	state->key.transaction = 0;
	state->key.xip = (TransactionId *) (state + 1);
	if (set->key.xcnt > 0)
		memcpy(state->key.xip, set->key.xip, set->key.xcnt * sizeof(TransactionId));
	state->clock = set->clock;
	state->changed = set->changed;
	state->horizon = set->horizon;
	state->otherwise = set->otherwise;
	state->exceptions = set->exceptions;
	if (publish_chunks(area, state, set) && publish_moments(area, state, set) && publish_asks(area, state, set))
		return state;
	if (state->chunks == NULL)
		dsa_free(area, self);
	else
		shared_state_free(area, state, set->base, NULL);
	return NULL;
}
