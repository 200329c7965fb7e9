/*
 * enrol.h
 *    From identifiers to persons.
 */
#ifndef NIJI_ENROL_H
#define NIJI_ENROL_H

#include "identity/normalize.h"
#include "identity/store.h"
#include "utils/array.h"

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

/* keeps the statement, which holds identifiers, out of the server's log whatever goes wrong */
extern void identifier_hide_statement(void *arg);

#define HIDE_STATEMENT()                                                                           \
	ErrorContextCallback hidden = {error_context_stack, identifier_hide_statement, NULL};          \
	error_context_stack = &hidden

#define SHOW_STATEMENT() (error_context_stack = hidden.previous)

/* the canonical form, with its level; and an error if it has none (place: which of a batch, 0 if there is only one) */
extern void identifier_read(IdentifierKind *kind, text *value, Identifier *out);
extern void identifier_require(IdentifierKind *kind, Identifier *identifier, int place);

/* identifiers of one kind in an array */
typedef struct IdentifierBatch
{
	IdentifierKind kind;
	Datum	   *texts;
	bool	   *nulls;
	int			present;		/* have an identifier with a canonical form */
	const char **faults;		/* the rules that were broken; NULL: the first fault raises */
	Batch		batch;
} IdentifierBatch;

extern void identifiers_begin(IdentifierBatch *out, Datum kind, ArrayType *array, bool faults);
extern void identifiers_digest(IdentifierBatch *in, int newest);
extern Datum identifiers_persons(IdentifierBatch *in);
extern Datum identifiers_faults(IdentifierBatch *in);

#endif							/* NIJI_ENROL_H */
