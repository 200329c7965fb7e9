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
	bool		persons;		/* false: a reference table */
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

extern void permit_cache_init(void);

#endif							/* NIJI_PERMIT_CACHE_H */
