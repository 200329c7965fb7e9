/*
 * probe.h
 *    Type niji.probe: a pseudonym and its domain, to compare persons with.
 */
#ifndef NIJI_PROBE_H
#define NIJI_PROBE_H

#include "identity/pseudonym.h"

typedef struct Probe
{
	Pseudonym	pseudonym;
	int32		domain;			/* 0: nobody equals it */
} Probe;

#define DatumGetProbeP(X) ((Probe *) DatumGetPointer(X))
#define PG_GETARG_PROBE_P(n) DatumGetProbeP(PG_GETARG_DATUM(n))

StaticAssertDecl(sizeof(Probe) == 20, "a probe has 20 bytes, as its type says");

#endif							/* NIJI_PROBE_H */
