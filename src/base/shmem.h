/*
 * shmem.h
 *    Shared memory and locks of all capabilities.
 */
#ifndef NIJI_SHMEM_H
#define NIJI_SHMEM_H

#include "storage/lwlock.h"

/*
 * Locks, in the order in which they may be taken while another is held
 * (a process that holds one takes only later ones).
 */
typedef enum
{
	NIJI_LOCK_PERSON_NUMBERS,	/* identity: the block that numbers are drawn from */
	NIJI_LOCK_KEYS,				/* identity: the page of master keys */
	NIJI_LOCK_CONSENT_SETS,		/* consent: the sets that all share */
	NIJI_LOCK_SPOOL_INSERT,		/* trail: the next place in the spool */
	NIJI_LOCK_COUNT
} NijiLock;

/* one capability's part of shared memory; register it from the capability's init function */
typedef struct NijiShmemPart
{
	const char *name;
	Size		(*size) (void);
	void		(*start) (void *address, bool found);	/* in the postmaster, under AddinShmemInitLock */
	struct NijiShmemPart *next;
} NijiShmemPart;

extern void shmem_register(NijiShmemPart *part);
extern void shmem_init(void);
extern LWLock *niji_lock(NijiLock lock);

/* whether the library was loaded by shared_preload_libraries */
extern bool niji_preloaded(void);

/* an error 55000 with the line to add, unless preloaded */
extern void niji_require_preload(void);

/* whether this is the database of niji.database; the second raises 55000 if not */
extern bool niji_in_database(void);
extern void niji_require_database(void);

#endif							/* NIJI_SHMEM_H */
