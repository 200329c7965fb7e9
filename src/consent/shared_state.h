/*
 * shared_state.h
 *    The states of shared consent sets: made of a set, and freed.  For the keeper.
 */
#ifndef NIJI_SHARED_STATE_H
#define NIJI_SHARED_STATE_H

#include "consent/shared_set.h"

/* a state that shows what the set does, and shares with the set's base what is the same; NULL if there is no room */
extern SharedSet *shared_state_make(dsa_area *area, const ConsentSet *set);

/* all of a state that neither neighbour in the chain has */
extern void shared_state_free(dsa_area *area, SharedSet *state, const SharedSet *newer, const SharedSet *older);

#endif							/* NIJI_SHARED_STATE_H */
