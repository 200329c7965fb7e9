/*
 * cohort.h
 *    Cohorts: named sets of persons of one permit, as a backend knows them.
 */
#ifndef NIJI_COHORT_H
#define NIJI_COHORT_H

#include "base/person_set.h"
#include "utils/snapshot.h"

/* a row of niji.cohort, as a snapshot sees it */
typedef struct CohortInfo
{
	int			permit;
	int64		version;		/* 0: nobody yet */
	int64		persons;
} CohortInfo;

/* false if the snapshot sees no such cohort */
extern bool cohort_read(int cohort, Snapshot snapshot, CohortInfo *info);

/* a version's persons; does not change, and lives until cohort_epoch grows */
typedef struct CohortSet
{
	struct CohortSet *next;
	MemoryContext context;
	int			cohort;
	int64		version;
	int			permit;
	PersonSet  *persons;
	uint64		used;
} CohortSet;

/*
 * Grows when a set is dropped, and with the end of every transaction and every
 * sub-transaction's abort: what was found before may not hold after.
 */
extern uint64 cohort_epoch;

/* the cohort's set for the snapshot; 55000 if there is no such cohort, 53200 if there is no room, XX001 if it is damaged */
extern CohortSet *cohort_get(int cohort, Snapshot snapshot);

/* a version's persons into a set of the caller's */
extern void cohort_load(int cohort, int64 version, Snapshot snapshot, PersonSet *into);

/*
 * Writes a version: its base with some added and removed, and with the other
 * numbers of those who were merged.  Gives how many persons it has.
 */
extern int64 cohort_write(int cohort, int64 base, int64 version, const PersonSet *add,
						  const int32 *gone, int ngone);

extern void cohort_init(void);

#endif							/* NIJI_COHORT_H */
