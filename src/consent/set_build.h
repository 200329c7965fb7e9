/*
 * set_build.h
 *    Building a consent set and bringing it on.  For set*.c and the keeper.
 */
#ifndef NIJI_SET_BUILD_H
#define NIJI_SET_BUILD_H

#include "consent/set.h"
#include "consent/shared_set.h"

/* all sets of this process are below it; what they may hold together is bounded */
extern MemoryContext set_context(void);

/*
 * A set of the rule (its words are copied) as the snapshot sees it, by
 * scanning the tables.  It is the caller's.
 */
extern ConsentSet *set_build(const ConsentRule *rule, Snapshot snapshot, TimestampTz clock);

/* one that begins with the shared set, whose pin it takes over, and has not been brought on yet */
extern ConsentSet *set_begin(const ConsentRule *rule, const SharedSet *base);

/* at that time the person's answer may change, or has, by a consent that the shared set does not know */
extern void set_note_moment(ConsentSet *set, TimestampTz at, int32 person);

/*
 * Brings a set to another snapshot and to a later clock, deciding anew who
 * may have changed, and in any case the "special" persons.
 * False if building is better; the set is then invalid.
 */
extern bool set_follow(ConsentSet *set, Snapshot snapshot, TimestampTz clock,
					   const int32 *special, int nspecial);

/* how many persons the last call of set_follow() has decided */
extern int	set_followed;

/* gives up its pin and its memory */
extern void set_delete(ConsentSet *set);

#endif							/* NIJI_SET_BUILD_H */
