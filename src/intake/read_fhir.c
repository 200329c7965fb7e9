/*
 * read_fhir.c
 *    niji.read_fhir(content): the resources of HL7 FHIR content as rows.
 *
 * fhir.c cuts the content; here its pieces become jsonb.  A Bundle is a row of
 * its own, with its resources replaced by null (each is a row), so that what
 * belongs together can be found by the entries' fullUrl.
 *
 * jsonb's input function quotes what it does not like, which is about a
 * person.  fhir.c takes nothing that it would refuse; should it refuse
 * something all the same (a string of 256 MB), the error is replaced by one
 * that quotes nothing.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "intake/fhir.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(read_fhir);

typedef struct Reader
{
	ReturnSetInfo *rsinfo;
	MemoryContext row;			/* reset for each row */
	StringInfoData text;		/* of a Bundle without its resources */
	const uint8 *copied;		/* up to where it is in "text" */
} Reader;

static void
leave_out(void *arg, FhirSpan resource)
{
	Reader	   *reader = arg;

	appendBinaryStringInfo(&reader->text, (const char *) reader->copied,
						   (int) (resource.data - reader->copied));
	appendStringInfoString(&reader->text, "null");
	reader->copied = resource.data + resource.length;
}

static Datum
make_jsonb(char *text)
{
	MemoryContext context = CurrentMemoryContext;
	Datum volatile result = (Datum) 0;

	PG_TRY();
	{
		result = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
	}
	PG_CATCH();
	{
		int			code = geterrcode();

		if (ERRCODE_TO_CATEGORY(code) != ERRCODE_DATA_EXCEPTION &&
			ERRCODE_TO_CATEGORY(code) != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a FHIR resource is too large for jsonb")));
	}
	PG_END_TRY();
	return result;
}

static void
handle_piece(void *arg, FhirPiece *piece)
{
	Reader	   *reader = arg;
	Datum		values[5];
	bool		nulls[5] = {false, false, false, false, false};
	MemoryContext old = MemoryContextSwitchTo(reader->row);
	StringInfoData place;
	char	   *text = NULL;

	CHECK_FOR_INTERRUPTS();
	if (piece->is_bundle)
	{
		FhirSpan	reduced;
		const char *fault;
		size_t		at;

		initStringInfo(&reader->text);
		reader->copied = piece->raw.data;
		fhir_each_resource(piece->raw, leave_out, reader);
		appendBinaryStringInfo(&reader->text, (const char *) reader->copied,
							   (int) (piece->raw.data + piece->raw.length - reader->copied));
		text = reader->text.data;
		reduced.data = (const uint8 *) text;
		reduced.length = reader->text.len;
		fault = fhir_fault(reduced, &at);
		if (fault != NULL)
			snprintf(piece->reason, sizeof(piece->reason), "has %s outside its resources", fault);
	}
	else if (piece->reason[0] == '\0')
		text = pnstrdup((const char *) piece->raw.data, piece->raw.length);

	initStringInfo(&place);
	if (piece->line > 0)
		appendStringInfo(&place, "line %u", piece->line);
	if (piece->entry >= 0)
		appendStringInfo(&place, "/entry/%d/resource", piece->entry);
	values[0] = CStringGetTextDatum(place.data);
	nulls[1] = piece->type[0] == '\0';
	if (!nulls[1])
		values[1] = CStringGetTextDatum(piece->type);
	nulls[2] = piece->reason[0] != '\0';
	if (!nulls[2])
		values[2] = make_jsonb(text);
	nulls[3] = piece->reason[0] == '\0';
	if (!nulls[3])
		values[3] = CStringGetTextDatum(piece->reason);

	/* a good Bundle's bytes are those of its resources, whose rows have them */
	nulls[4] = piece->is_bundle && piece->reason[0] == '\0';
	if (!nulls[4])
	{
		bytea	   *raw = palloc(piece->raw.length + VARHDRSZ);

		SET_VARSIZE(raw, piece->raw.length + VARHDRSZ);
		memcpy(VARDATA(raw), piece->raw.data, piece->raw.length);
		values[4] = PointerGetDatum(raw);
	}
	tuplestore_putvalues(reader->rsinfo->setResult, reader->rsinfo->setDesc, values, nulls);
	MemoryContextSwitchTo(old);
	MemoryContextReset(reader->row);
}

Datum
read_fhir(PG_FUNCTION_ARGS)
{
	bytea	   *content = PG_GETARG_BYTEA_PP(0);
	Reader		reader;

	if (GetDatabaseEncoding() != PG_UTF8)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("files can be read only in a database with encoding UTF8")));
	InitMaterializedSRF(fcinfo, 0);
	reader.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	reader.row = AllocSetContextCreate(CurrentMemoryContext, "FHIR row", ALLOCSET_DEFAULT_SIZES);
	fhir_parse((const uint8 *) VARDATA_ANY(content), VARSIZE_ANY_EXHDR(content), handle_piece, &reader);
	return (Datum) 0;
}
