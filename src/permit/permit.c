/*
 * permit.c
 *    Start of the capability "permit".
 *
 * The gate and the utility hook protect only when the server loaded the
 * library at its start, for a session could otherwise come before them.  The
 * guard of DROP EXTENSION works in any session that has the library, and so
 * does what helps the planner.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "permit/cohort.h"
#include "permit/permit.h"

void
permit_init(void)
{
	guard_init();
	ranges_init();
	cohort_init();
	if (process_shared_preload_libraries_in_progress)
	{
		gate_init();
		utility_init();
	}
}
