/*
 * person.h
 *    Type niji.person, as other capabilities see it.
 */
#ifndef NIJI_PERSON_H
#define NIJI_PERSON_H

/*
 * While this is set, a person is written as "*".  PostgreSQL writes the whole
 * row into the message about a constraint that it breaks, which a loader, whose
 * rows these are, could not have: the message would be that persons are not
 * shown.  Set only around a statement whose message is caught; see
 * intake/staging.c.
 */
extern bool person_hidden;

#endif							/* NIJI_PERSON_H */
