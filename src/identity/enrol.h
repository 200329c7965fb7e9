/*
 * enrol.h
 *    From identifiers to persons.
 */
#ifndef NIJI_ENROL_H
#define NIJI_ENROL_H

#include "identity/normalize.h"

/* a row of niji.identifier_kind */
typedef struct IdentifierKind
{
	int			id;
	IdentifierRule rule;
	int			version;		/* of the rule, for new ones */
	int			oldest;			/* version under which any may have been stored */
	char		name[NAMEDATALEN];
} IdentifierKind;

/* raises 22023 when there is no such kind, without repeating the name: arguments get swapped */
extern IdentifierKind identifier_kind(const char *name);

#endif							/* NIJI_ENROL_H */
