/*
 * use.c
 *    Who may make pseudonyms of a domain, and who may have them undone.
 *
 * niji.pseudonym() and the comparison of a person with a probe belong to
 * everybody, since views and what the planner makes of them run with the
 * caller's rights.  What nobody may have with them:
 *
 * - Loaders and consent officers get persons from identifiers.  A pseudonym of
 *   one, or only the answer whether a pseudonym is theirs, would re-identify.
 *
 * - Two domains at once.  A hash table that holds probes of two domains puts
 *   the two pseudonyms of one person into one bucket, and a full join shows the
 *   buckets one after the other: it would translate one domain into the other,
 *   without a single person.  So the domain of a permit works only in
 *   statements that read under it, of which a session has one permit's; of the
 *   domains that no permit uses a session undoes those of one.
 *
 * - The pseudonyms of a permit's domain, for who has persons of their own: the
 *   owner of a table that was never registered.
 *
 * Superusers, custodians and auditors may do all of it.  It is judged by the
 * session's user and by the statement, never by a value, so the error tells
 * nothing about a row, though the functions that raise it are leakproof.
 *
 * A session's parallel workers share its one domain, which is why it stands in
 * shared memory, with the leader's process id so that nobody inherits it.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/duty.h"
#include "base/shmem.h"
#include "base/statement.h"
#include "access/xact.h"
#include "identity/use.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/proc.h"

bool		(*use_domain_of_permit) (int domain) = NULL;

static pg_atomic_uint64 *claims = NULL; /* process id and domain, by the leader's number */

static Size
claims_size(void)
{
	return mul_size(MaxBackends, sizeof(pg_atomic_uint64));
}

static void
claims_start(void *address, bool found)
{
	claims = address;
	if (!found)
		for (int i = 0; i < MaxBackends; i++)
			pg_atomic_init_u64(&claims[i], 0);
}

static NijiShmemPart claims_part = {"niji domains of sessions", claims_size, claims_start};

/* whether this is the session's one domain; the first becomes it */
static bool
claim(int domain)
{
	static int	only = 0;		/* without preload, and as a quick answer */
	PGPROC	   *leader = MyProc->lockGroupLeader ? MyProc->lockGroupLeader : MyProc;
	int			number = niji_proc_number(leader);
	uint64		wanted = (uint64) (uint32) leader->pid << 32 | (uint32) domain;
	uint64		found;

	if (only != 0)
		return only == domain;
	if (claims != NULL && number >= 0 && number < MaxBackends)
	{
		found = pg_atomic_read_u64(&claims[number]);
		while (found >> 32 != wanted >> 32)
			if (pg_atomic_compare_exchange_u64(&claims[number], &found, wanted))
				found = wanted;
		only = (int) (uint32) found;
	}
	else
		only = domain;
	return only == domain;
}

pg_noreturn static void refuse(const char *what, const char *why);

static void
refuse(const char *what, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to %s", what),
			 errdetail_internal("%s", why)));
}

static inline void
require(int domain, bool undo, const char *what)
{
	int			duties = duty_mask();
	NijiStatement *st;

	if (duties & (NIJI_SUPERUSER | NIJI_CUSTODIAN | NIJI_AUDITOR))
		return;
	if (unlikely(duties & (NIJI_LOADER | NIJI_CONSENT_OFFICER)))
		refuse(what, "Who finds persons by their identifiers does not see pseudonyms.");
	st = statement_admitted();
	if (likely(st != NULL && st->permit != 0))
	{
		if (unlikely(st->domain != domain))
			refuse(what, "The pseudonym domain is not that of the permit.");
		return;
	}
	if (use_domain_of_permit && use_domain_of_permit(domain))
		refuse(what, "The pseudonym domain is a permit's, and the statement does not read under it.");
	if (undo && !claim(domain))
		refuse(what, "One session, one pseudonym domain: connect anew.");
}

void
use_require_make(int domain)
{
	require(domain, false, "make a pseudonym");
}

void
use_require_undo(int domain)
{
	require(domain, true, "compare persons with pseudonyms");
}

void
use_init(void)
{
	if (process_shared_preload_libraries_in_progress)
		shmem_register(&claims_part);
}
