/*
 * base.c
 *    Start of the base.
 *
 * Without shared_preload_libraries only settings and caches are started: types
 * and code tables work, and what needs shared memory says which line is missing.
 */
#include "postgres.h"

#include "base/base.h"
#include "base/catalog.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "base/statement.h"
#include "miscadmin.h"

void
base_init(void)
{
	settings_init();
	catalog_init();
	if (process_shared_preload_libraries_in_progress)
	{
		shmem_init();
		statement_init();
	}
}
