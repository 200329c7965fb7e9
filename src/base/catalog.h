/*
 * catalog.h
 *    Looking up niji's own objects, and reading its tables without SQL.
 */
#ifndef NIJI_CATALOG_H
#define NIJI_CATALOG_H

#include "access/genam.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/* InvalidOid when the extension is not in this database */
extern Oid	catalog_namespace(void);
extern Oid	catalog_relation(const char *name);
extern Oid	catalog_type(const char *name);

/* the role that owns the extension (a superuser); what definer code in C runs as */
extern Oid	catalog_owner(void);

/*
 * A cache that a table's changes make stale.  The table carries a statement
 * trigger "niji.invalidate()" (ENABLE ALWAYS), which sends a relcache
 * invalidation for it: transactional, as for catalogs.
 */
typedef struct CatalogWatch
{
	const char *relation;		/* name in schema niji */
	bool		stale;			/* set when it changed; true at first */
	Oid			relid;
	struct CatalogWatch *next;
} CatalogWatch;

extern void catalog_watch(CatalogWatch *watch);

extern void catalog_init(void);

/*
 * Runs a query by SPI as the extension's owner with a safe search_path,
 * whoever the user is; read_only uses the active snapshot.  The caller has
 * done SPI_connect() and looks at SPI_tuptable.
 */
extern int	catalog_query(const char *query, int nargs, Oid *types, Datum *values,
						  const char *nulls, bool read_only);

#endif							/* NIJI_CATALOG_H */
