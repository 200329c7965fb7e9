/*
 * store.h
 *    Persons of a batch of digests: known ones found, new ones stored.
 */
#ifndef NIJI_STORE_H
#define NIJI_STORE_H

#include "identity/attribute.h"
#include "identity/digest.h"
#include "identity/older.h"
#include "utils/rel.h"

typedef struct Batch
{
	int			kind;
	int			version;		/* of the canonical form */
	int			newest;			/* generation */
	int			n;
	bool	   *present;		/* has an identifier */
	uint8	   *digests;		/* n * newest * DIGEST_LENGTH */
	OlderDigests older;			/* of those whose older forms differ */
	Attributes	attributes;		/* of those that came with one */
	int32	   *given;			/* whom new digests point at; NULL: persons are drawn */
	int32	   *persons;		/* the answer; 0: nobody */
	text	   *source;
	int			new_persons;	/* the answer: how many digests of nobody known were stored */
} Batch;

/* locks niji.identifier and gives the generation to store digests under */
extern int	store_begin(void);

/* fills persons with those who are known */
extern void store_find(Batch *batch);

/*
 * Fills persons, and stores the digests that nobody has; raises 22000 when
 * more than limit are new (below 0: any number may be).  Where persons are
 * given, a place whose given person is 0 is not stored.  Attributes are
 * compared and kept (attribute.c).
 */
extern void store_enrol(Batch *batch, double limit);

#endif							/* NIJI_STORE_H */
