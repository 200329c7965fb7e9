/*
 * shmem.c
 *    Shared memory and locks of all capabilities.
 *
 * Each capability registers a part; this file asks for the sum and hands each
 * its own piece.  Locks come in one named tranche, indexed by NijiLock, whose
 * order in shmem.h is the order in which they may be nested.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

static NijiShmemPart *parts = NULL;
static LWLockPadded *locks = NULL;
static bool started = false;
static shmem_request_hook_type prev_request = NULL;
static shmem_startup_hook_type prev_startup = NULL;

void
shmem_register(NijiShmemPart *part)
{
	part->next = parts;
	parts = part;
}

static void
request(void)
{
	if (prev_request)
		prev_request();
	for (NijiShmemPart *part = parts; part; part = part->next)
		RequestAddinShmemSpace(MAXALIGN(part->size()));
	RequestNamedLWLockTranche("niji", NIJI_LOCK_COUNT);
}

static void
startup(void)
{
	if (prev_startup)
		prev_startup();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (NijiShmemPart *part = parts; part; part = part->next)
	{
		bool		found;
		void	   *address = ShmemInitStruct(part->name, part->size(), &found);

		part->start(address, found);
	}
	locks = GetNamedLWLockTranche("niji");
	started = true;
	LWLockRelease(AddinShmemInitLock);
}

void
shmem_init(void)
{
	prev_request = shmem_request_hook;
	shmem_request_hook = request;
	prev_startup = shmem_startup_hook;
	shmem_startup_hook = startup;
}

LWLock *
niji_lock(NijiLock lock)
{
	niji_require_preload();
	return &locks[lock].lock;
}

bool
niji_preloaded(void)
{
	return started;
}

void
niji_require_preload(void)
{
	if (!started)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("niji is not loaded by the server"),
				 errhint("Add the line shared_preload_libraries = 'niji' to postgresql.conf and restart the server.")));
}

bool
niji_in_database(void)
{
	static int	cached = -1;

	if (cached < 0)
	{
		char	   *name = get_database_name(MyDatabaseId);

		if (name == NULL)
			return false;
		cached = strcmp(name, niji_database) == 0;
		pfree(name);
	}
	return cached == 1;
}

void
niji_require_database(void)
{
	if (!niji_in_database())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("niji does not protect this database"),
				 errhint("niji.database names the database that is protected: \"%s\". Changing it needs a restart.",
						 niji_database)));
}
