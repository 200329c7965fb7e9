/*
 * consent.c
 *    Start of the capability "consent", and the triggers of its tables.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "consent/consent.h"
#include "consent/keeper.h"
#include "consent/set.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/rel.h"
#include "utils/xid8.h"

PG_FUNCTION_INFO_V1(stamp_transaction);
PG_FUNCTION_INFO_V1(refuse_change);

void
consent_init(void)
{
	set_init();
	keeper_init();
}

/* trigger: column xid is the top-level transaction, whatever the row brings */
Datum
stamp_transaction(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	int			column;
	Datum		xid;
	bool		isnull = false;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || !TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		elog(ERROR, "stamp_transaction was not called before an insert, for a row");
	desc = RelationGetDescr(trigger->tg_relation);
	column = SPI_fnumber(desc, "xid");
	if (column <= 0)
		elog(ERROR, "the table has no column xid");
	keeper_note_row();
	xid = FullTransactionIdGetDatum(GetTopFullTransactionId());
	return PointerGetDatum(heap_modify_tuple_by_cols(trigger->tg_trigtuple, desc, 1, &column, &xid,
													 &isnull));
}

/* trigger: the table only grows */
Datum
refuse_change(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "refuse_change was not called as a trigger");
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("rows of niji.%s cannot be changed or removed",
					RelationGetRelationName(((TriggerData *) fcinfo->context)->tg_relation)),
			 errhint("What was entered in error is voided, or followed by a new row.")));
}
