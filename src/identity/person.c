/*
 * person.c
 *    Type niji.person: a person inside the warehouse, a number without meaning.
 *
 * Underneath it is an int4, and its operators and operator classes are those
 * of int4.  What is its own is that a value is neither entered nor shown
 * without a duty: functions of views and policies run with the caller's
 * rights, so an analyst can call niji.pseudonym() and niji.permitted(), and
 * what keeps this harmless is that an analyst never has a person.  Input
 * functions are not subject to EXECUTE checks, hence the guard is in here.
 *
 * Superusers pass before any table is read, so that dump and restore,
 * replication and logical decoding do not depend on niji's tables.  ANALYZE,
 * sorting and parallel workers use none of these four functions.
 *
 * No error says which value was meant.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/duty.h"
#include "identity/person.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#define MAY_SHOW (NIJI_CONSENT_OFFICER | NIJI_CUSTODIAN | NIJI_AUDITOR)
#define MAY_ENTER (MAY_SHOW | NIJI_LOADER)

PG_FUNCTION_INFO_V1(person_in);
PG_FUNCTION_INFO_V1(person_out);
PG_FUNCTION_INFO_V1(person_recv);
PG_FUNCTION_INFO_V1(person_send);

bool		person_hidden = false;

static void
guard(int duties, const char *what)
{
	if (superuser_arg(GetSessionUserId()))
		return;
	/* niji's tables cannot be read while WAL is decoded */
	if (!HistoricSnapshotActive())
	{
		duty_require(duties, what);
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to %s", what),
			 errdetail("Only a superuser may decode persons from the write-ahead log.")));
}

/* 1 to 2147483647 in decimal digits; 0 when it is anything else */
static int32
parse_person(const char *text)
{
	int64		value = 0;

	if (*text == '\0')
		return 0;
	for (; *text; text++)
	{
		if (*text < '0' || *text > '9')
			return 0;
		value = value * 10 + (*text - '0');
		if (value > PG_INT32_MAX)
			return 0;
	}
	return (int32) value;
}

Datum
person_in(PG_FUNCTION_ARGS)
{
	int32		person;

	guard(MAY_ENTER, "enter a person");
	person = parse_person(PG_GETARG_CSTRING(0));
	if (person <= 0)
		ereturn(niji_escontext(fcinfo), (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s", "niji.person"),
				 errdetail("A person is a whole number from 1 to 2147483647.")));
	PG_RETURN_INT32(person);
}

Datum
person_out(PG_FUNCTION_ARGS)
{
	if (person_hidden)
		PG_RETURN_CSTRING(pstrdup("*"));
	guard(MAY_SHOW, "show a person");
	PG_RETURN_CSTRING(psprintf("%d", PG_GETARG_INT32(0)));
}

Datum
person_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buffer = (StringInfo) PG_GETARG_POINTER(0);
	int32		person;

	guard(MAY_ENTER, "enter a person");
	person = (int32) pq_getmsgint(buffer, 4);
	if (person <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid external value for type %s", "niji.person")));
	PG_RETURN_INT32(person);
}

Datum
person_send(PG_FUNCTION_ARGS)
{
	StringInfoData buffer;

	guard(MAY_SHOW, "show a person");
	pq_begintypsend(&buffer);
	pq_sendint32(&buffer, PG_GETARG_INT32(0));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}
