/*
 * cache.h
 *    Datasets, permits and readers, as a backend knows them.
 */
#ifndef NIJI_PERMIT_CACHE_H
#define NIJI_PERMIT_CACHE_H

#include "nodes/pg_list.h"
#include "utils/date.h"

typedef struct PermitDataset
{
	int			id;				/* niji.dataset.id */
	Oid			relid;
	char	   *name;
	int			persons;		/* how many columns of them; 0: a reference table */
	char	   *tag_column;		/* or NULL */
} PermitDataset;

typedef struct PermitInfo
{
	Oid			role;			/* owns the permit's views; the key */
	int			id;
	char	   *code;
	char	   *state;
	int			domain;
	DateADT		valid_from;
	DateADT		valid_until;	/* the last day */
	List	   *readers;		/* oids of roles */
	List	   *data;			/* ids of its datasets */
} PermitInfo;

/*
 * The results live until the next call of any of these.
 */

/* whether any dataset is registered in this database */
extern bool permit_cache_used(void);

/* the dataset that a relation is, or is a partition or child of; NULL for others */
extern PermitDataset *permit_cache_dataset(Oid relid);

/* the permit whose views a role owns; NULL for other roles */
extern PermitInfo *permit_cache_role(Oid role);

/* whether any permit, in force or not, uses this domain of pseudonyms */
extern bool permit_cache_domain(int domain);

/* a permit by its number; NULL when it has no role, as before it is granted and after its end */
extern PermitInfo *permit_cache_permit(int id);

/* a dataset by its number, or NULL */
extern PermitDataset *permit_cache_dataset_of(int id);

/* the permit whose workspace a schema is, or in whose workspace a relation is; 0 for others */
extern int	permit_cache_workspace(Oid namespace);
extern int	permit_cache_workspace_of(Oid relid);

/* whether a role is a reader of any permit that has not ended */
extern bool permit_cache_reader(Oid role);

extern void permit_cache_init(void);

#endif							/* NIJI_PERMIT_CACHE_H */
