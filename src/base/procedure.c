/*
 * procedure.c
 *    Procedures that commit after each batch.
 *
 * Within a transaction block PostgreSQL refuses their first COMMIT with "invalid
 * transaction termination", which does not say what to do, and only when the
 * procedure has come to it.  So they ask first.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(require_no_transaction);

Datum
require_no_transaction(PG_FUNCTION_ARGS)
{
	if (IsTransactionBlock())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("cannot call %s within a transaction", text_to_cstring(PG_GETARG_TEXT_PP(0))),
				 errdetail("It commits after each batch."),
				 errhint("Call it outside of a transaction block, with autocommit on.")));
	PG_RETURN_VOID();
}
