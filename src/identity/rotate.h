/*
 * rotate.h
 *    Carrying stored digests to the newest generation of the master key.
 */
#ifndef NIJI_ROTATE_H
#define NIJI_ROTATE_H

#include "utils/snapshot.h"

/*
 * The oldest generation under which this snapshot may see a digest; the ones
 * before need not be looked for.  newest is the caller's newest generation.
 */
extern int	rotate_oldest(Snapshot snapshot, int newest);

#endif							/* NIJI_ROTATE_H */
