/*
 * trail.c
 *    Start of the capability "trail", and what it says about itself.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/shmem.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "trail/capture.h"
#include "trail/pending.h"
#include "trail/seal_out.h"
#include "trail/spool.h"
#include "trail/trail.h"
#include "trail/writer.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(spool_ready);
PG_FUNCTION_INFO_V1(spool_status);
PG_FUNCTION_INFO_V1(move_trail);

void
trail_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	spool_init();
	pending_init();
	writer_init();
	seal_out_init();
	capture_init();
}

Datum
spool_ready(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(niji_preloaded() && spool_is_open());
}

/* niji.spool_status() returns (ready, reason, bytes, newest, writer) */
Datum
spool_status(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[5];
	bool		nulls[5] = {false};
	char		reason[256];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = BoolGetDatum(spool_state(reason, sizeof(reason)));
	values[1] = CStringGetTextDatum(reason);
	nulls[1] = reason[0] == '\0';
	nulls[2] = nulls[3] = !niji_preloaded() || spool_end() == 0;
	values[2] = nulls[2] ? (Datum) 0 : Int64GetDatum(spool_bytes());
	values[3] = nulls[3] ? (Datum) 0 : Int64GetDatum(spool_number());
	values[4] = BoolGetDatum(writer_running());
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/* niji.move_trail(): waits until the trail holds what was recorded so far */
Datum
move_trail(PG_FUNCTION_ARGS)
{
	writer_catch_up();
	PG_RETURN_VOID();
}
