/*
 * set_members.h
 *    What a consent set holds: bits, persons to ask for, moments.  For set*.c.
 */
#ifndef NIJI_SET_MEMBERS_H
#define NIJI_SET_MEMBERS_H

#include "consent/set.h"

/* a person whose answer depends on the row's holder; one without holders is in the bits alone */
typedef struct AskEntry
{
	int32		person;
	char		status;
	bool		otherwise;		/* for holders that are not listed; for those listed the opposite */
	int			nholders;
	int32	   *holders;
} AskEntry;

#define SH_PREFIX ask
#define SH_ELEMENT_TYPE AskEntry
#define SH_KEY_TYPE int32
#define SH_SCOPE extern
#define SH_DECLARE
#include "lib/simplehash.h"

/* more moments than this are not kept; from the first one left out, the set is built anew */
#define MOMENTS_MAX 262144

extern void set_members_start(ConsentSet *set);

/* whether a chunk is neither the shared set's nor the empty one */
extern bool set_owns_chunk(const ConsentSet *set, uint32 chunk);

/* decides one person's answer from their facts, by the set's clock */
extern void set_decide_person(ConsentSet *set, int32 person, const ConsentFact *facts, int nfacts);

/* a moment after which the person is decided anew; in any order, then sort; or "sorted" into its place */
extern void set_add_moment(ConsentSet *set, TimestampTz at, int32 person, bool sorted);
extern void set_sort_moments(ConsentSet *set);

/* takes the nearest moment at or before the clock off; false if there is none */
extern bool set_take_moment(ConsentSet *set, TimestampTz clock, SetMoment *moment);

/* whether the set, as it is, answers for the clock */
extern bool set_fits_clock(const ConsentSet *set, TimestampTz clock);

/* makes room for "more" bytes beside what is allocated, in favour of the set; raises 53200 */
extern void set_reserve(ConsentSet *set, Size more);

#endif							/* NIJI_SET_MEMBERS_H */
