/*
 * pseudonym.h
 *    Type niji.pseudonym: what an analyst sees instead of a person.
 */
#ifndef NIJI_PSEUDONYM_H
#define NIJI_PSEUDONYM_H

#include "fmgr.h"

typedef struct Pseudonym
{
	uint8		bytes[16];
} Pseudonym;

#define DatumGetPseudonymP(X) ((Pseudonym *) DatumGetPointer(X))
#define PseudonymPGetDatum(X) PointerGetDatum(X)
#define PG_GETARG_PSEUDONYM_P(n) DatumGetPseudonymP(PG_GETARG_DATUM(n))
#define PG_RETURN_PSEUDONYM_P(x) PG_RETURN_POINTER(x)

/* reads a text leniently; false when it is not the text of any pseudonym */
extern bool pseudonym_from_text(const char *text, Size length, Pseudonym *pseudonym);

/* raises 42501 in the session of who finds persons by their identifiers */
extern void pseudonym_refuse_enrolling(void);

#endif							/* NIJI_PSEUDONYM_H */
