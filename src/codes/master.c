/*
 * master.c
 *    What the files of code masters are made of: rows, dates, codes.
 *
 * niji.read_csv() gives a quoted CSV file as rows of fields, each with its
 * line; what the fields mean is judged in SQL (32-codes-load.sql).  The file is decoded strictly.  A line that cannot be decoded becomes a row
 * with a problem, and decoding goes on with the line after it: the encodings
 * that are read have no line feed inside a character.  A file most of whose
 * lines fail is of another encoding, and is refused.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/textfile.h"
#include "catalog/pg_type.h"
#include "codes/pack.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

/* no master has more columns; a wider row is a problem */
#define MAX_FIELDS 256
#define MAX_BAD_LINES 100

PG_FUNCTION_INFO_V1(read_csv);
PG_FUNCTION_INFO_V1(master_date);
PG_FUNCTION_INFO_V1(canonical_code);

static void *
allocate(Size size)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, size);
}

static void
put_row(ReturnSetInfo *result, int line, Datum fields, const char *problem)
{
	Datum		values[3] = {Int32GetDatum(line), fields, (Datum) 0};
	bool		nulls[3] = {false, fields == (Datum) 0, problem == NULL};

	if (problem)
		values[2] = CStringGetTextDatum(problem);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static Datum
fields_array(const TextfileRow *row)
{
	Datum	   *elements = palloc(row->nfields * sizeof(Datum));

	for (int i = 0; i < row->nfields; i++)
	{
		TextfileField *field = &row->fields[i];
		char	   *converted = pg_any_to_server(field->text, (int) field->length, PG_UTF8);

		elements[i] = PointerGetDatum(cstring_to_text_with_len(converted, converted == field->text
															   ? (int) field->length
															   : (int) strlen(converted)));
	}
	return PointerGetDatum(construct_array(elements, row->nfields, TEXTOID, -1, false, TYPALIGN_INT));
}

/* the rows of text; lines are counted from before + 1 */
static void
put_rows(ReturnSetInfo *result, char *text, Size length, int before, MemoryContext row_context)
{
	TextfileField fields[MAX_FIELDS];
	TextfileReader reader;
	TextfileRow row = {.fields = fields,.room = MAX_FIELDS};
	MemoryContext outer = CurrentMemoryContext;

	textfile_open(&reader, text, length, ',', true);
	while (textfile_next_row(&reader, &row))
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(row_context);
		if (row.problem == NULL && row.nfields > MAX_FIELDS)
			row.problem = psprintf("%d columns, at most %d are read", row.nfields, MAX_FIELDS);
		put_row(result, before + row.line, row.problem ? (Datum) 0 : fields_array(&row), row.problem);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(row_context);
	}
}

static int
count_lines(const char *from, const char *to)
{
	int			lines = 0;

	while ((from = memchr(from, '\n', to - from)) != NULL)
	{
		lines++;
		from++;
	}
	return lines;
}

/* niji.read_csv(content bytea, encoding text): set of (line, fields, problem) */
Datum
read_csv(PG_FUNCTION_ARGS)
{
	bytea	   *content = PG_GETARG_BYTEA_PP(0);
	char	   *encoding = text_to_cstring(PG_GETARG_TEXT_PP(1));
	const char *at = VARDATA_ANY(content);
	const char *end = at + VARSIZE_ANY_EXHDR(content);
	const char *icu_name;
	int			line = 0;		/* lines before at */
	int			bad_lines = 0;
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext row_context;

	if (pg_strcasecmp(encoding, "cp932") == 0)
		icu_name = TEXTFILE_CP932;
	else if (pg_strcasecmp(encoding, "utf-8") == 0)
		icu_name = TEXTFILE_UTF8;
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot read files in this encoding"),
				 errhint("The encodings are cp932 and utf-8.")));

	InitMaterializedSRF(fcinfo, 0);
	row_context = AllocSetContextCreate(CurrentMemoryContext, "niji row of a file", ALLOCSET_SMALL_SIZES);
	/* an end of file as CP/M had it */
	if (end > at && end[-1] == 0x1A)
		end--;
	while (at < end)
	{
		Size		length,
					bad;
		char	   *text = textfile_decode(icu_name, at, end - at, allocate, &length, &bad);
		const char *bad_line;
		const char *next;

		if (text)
		{
			put_rows(result, text, length, line, row_context);
			pfree(text);
			break;
		}
		if (bad == TEXTFILE_NO_ENCODING)
			elog(ERROR, "ICU has no converter \"%s\"", icu_name);

		/* what is before the line that cannot be decoded, then that line */
		bad_line = at + bad;
		while (bad_line > at && bad_line[-1] != '\n')
			bad_line--;
		if (bad_line > at)
		{
			Size		ignored;

			text = textfile_decode(icu_name, at, bad_line - at, allocate, &length, &ignored);
			if (text == NULL)
				elog(ERROR, "text that was decoded once cannot be decoded again");
			put_rows(result, text, length, line, row_context);
			pfree(text);
		}
		line += count_lines(at, bad_line);
		if (++bad_lines > MAX_BAD_LINES)
			ereport(ERROR,
					(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
					 errmsg("the file is not encoded in %s", encoding),
					 errdetail("More than %d lines cannot be decoded; the last one tried is line %d.",
							   MAX_BAD_LINES, line + 1)));
		put_row(result, line + 1, (Datum) 0,
				psprintf("byte %d of the line is not %s", (int) (at + bad - bad_line) + 1, encoding));
		next = memchr(at + bad, '\n', end - (at + bad));
		at = next ? next + 1 : end;
		line++;
	}
	MemoryContextDelete(row_context);
	return (Datum) 0;
}

/*
 * niji.master_date(field text): YYYYMMDD; 99999999 is infinity, nothing and
 * 00000000 NULL.  What is no date is -infinity, since the caller reports it
 * with its line.
 */
Datum
master_date(PG_FUNCTION_ARGS)
{
	text	   *field = PG_GETARG_TEXT_PP(0);
	const char *bytes = VARDATA_ANY(field);
	int			length = VARSIZE_ANY_EXHDR(field);
	int			number = 0;
	struct pg_tm tm = {0};

	if (length == 0)
		PG_RETURN_NULL();
	if (length != 8)
		PG_RETURN_DATEADT(DATEVAL_NOBEGIN);
	for (int i = 0; i < 8; i++)
	{
		if (bytes[i] < '0' || bytes[i] > '9')
			PG_RETURN_DATEADT(DATEVAL_NOBEGIN);
		number = number * 10 + (bytes[i] - '0');
	}
	if (number == 0)
		PG_RETURN_NULL();
	if (number == 99999999)
		PG_RETURN_DATEADT(DATEVAL_NOEND);
	tm.tm_year = number / 10000;
	tm.tm_mon = number / 100 % 100;
	tm.tm_mday = number % 100;
	if (ValidateDate(DTK_DATE_M, false, false, false, &tm) != 0)
		PG_RETURN_DATEADT(DATEVAL_NOBEGIN);
	PG_RETURN_DATEADT(date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE);
}

/*
 * niji.canonical_code(type text, code text): the canonical text of a code of
 * that code type, NULL when it has not its form; the code as it is for a type
 * that is not one of the packed ones.
 */
Datum
canonical_code(PG_FUNCTION_ARGS)
{
	static const CodeType *const types[] = {
		&code_type_icd10, &code_type_receipt_code, &code_type_insurer_number, &code_type_institution_code
	};
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	text	   *code = PG_GETARG_TEXT_PP(1);

	for (int i = 0; i < lengthof(types); i++)
		if (strcmp(types[i]->name, name) == 0)
		{
			char		canonical[CODE_MAX_LENGTH + 1];
			int64		packed;

			if (!code_parse(types[i], VARDATA_ANY(code), VARSIZE_ANY_EXHDR(code), &packed))
				PG_RETURN_NULL();
			return PointerGetDatum(cstring_to_text_with_len(canonical, code_unpack(packed, canonical)));
		}
	PG_RETURN_TEXT_P(code);
}
