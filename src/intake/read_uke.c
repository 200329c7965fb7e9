/*
 * read_uke.c
 *    SQL functions that read claims files: niji.read_uke() and, for loaders,
 *    niji.uke_receipts(), niji.uke_diagnoses() and niji.uke_items().
 *
 * uke.c cuts and judges the records; here their text is decoded and they
 * become rows.  The three functions for loaders keep what a receipt's head
 * says (institution, month, who) and put it beside each of its diseases or
 * items, so that one INSERT ... SELECT fills a staging table.
 *
 * None of these functions raises because of what a file says: what cannot be
 * used is a row with its reason and its bytes.  A record that is wrong is
 * returned by the one function whose business it is (SY by uke_diagnoses, SI,
 * IY, TO and CO by uke_items, all others by uke_receipts); what is wrong with
 * the whole file, by each of them.
 */
#include "postgres.h"

#include "base/compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "intake/uke.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "catalog/pg_type.h"
#include <unicode/ucnv.h>
#include <unicode/ustring.h>

PG_FUNCTION_INFO_V1(read_uke);
PG_FUNCTION_INFO_V1(uke_receipts);
PG_FUNCTION_INFO_V1(uke_diagnoses);
PG_FUNCTION_INFO_V1(uke_items);
PG_FUNCTION_INFO_V1(uke_date);

/* what a receipt's first records say */
typedef struct Receipt
{
	bool		open;
	const char *lost;			/* why the rest of it is refused */
	uint32		line;			/* of its RE */
	int			number;
	const uint8 *raw;
	size_t		raw_length;
	char		type[5];
	DateADT		month;
	DateADT		birth;
	int			sex;
	char		insurer[9];		/* 8 digits, or empty */
	char	   *symbol;
	char	   *card;			/* 番号 */
	char		branch[3];
	char		payer[9];		/* the first 公費 */
	char		beneficiary[8];
	char	   *checked_symbol; /* SN: the numbers that the qualification check gave */
	char	   *checked_card;
	char		checked_insurer[9];
	int			days;			/* -1: not said */
	int			points;
	char		class[3];		/* 診療識別 of the group that runs */
} Receipt;

typedef enum
{
	UKE_RECORDS,
	UKE_RECEIPTS,
	UKE_DIAGNOSES,
	UKE_ITEMS
} UkeKind;

typedef struct Reader
{
	UkeKind		kind;
	ReturnSetInfo *rsinfo;
	int			ncolumns;
	UConverter *converter;
	UChar	   *units;			/* the line in UTF-16, and in UTF-8 */
	char	   *text;
	size_t		room;
	const char *fields[UKE_MAX_FIELDS]; /* pieces of "text", ended by NUL; valid for a good record */
	MemoryContext row;			/* reset for each row */
	MemoryContext receipt_context;	/* reset for each receipt */
	MemoryContextCallback cleanup;
	char		institution[11];
	DateADT		claimed;
	Receipt		receipt;
} Reader;

static void
close_converter(void *arg)
{
	Reader	   *reader = arg;

	if (reader->converter != NULL)
		ucnv_close(reader->converter);
	reader->converter = NULL;
}

/*
 * Decodes the line and cuts it.  CP932 as ICU has it (windows-31j) is the
 * mapping of Windows, whose characters these files are made with.
 */
static void
decode_record(void *arg, UkeRecord *record)
{
	Reader	   *reader = arg;
	size_t		length = record->raw_length;
	bool		ascii = true;

	CHECK_FOR_INTERRUPTS();
	if (reader->room < length + 1)
	{
		reader->room = Max(2 * length, 1024);
		/* CP932 gives at most one unit per byte, and at most three bytes of UTF-8 per unit */
		reader->units = repalloc_huge(reader->units, reader->room * sizeof(UChar));
		reader->text = repalloc_huge(reader->text, reader->room * 3 + 1);
	}
	for (size_t i = 0; i < length && ascii; i++)
		ascii = record->raw[i] < 0x80;
	if (ascii)
	{
		memcpy(reader->text, record->raw, length);
		reader->text[length] = '\0';
	}
	else
	{
		UErrorCode	status = U_ZERO_ERROR;
		const char *source = (const char *) record->raw;
		UChar	   *target = reader->units;
		int32_t		text_length;

		ucnv_resetToUnicode(reader->converter);
		ucnv_toUnicode(reader->converter, &target, reader->units + reader->room, &source,
					   source + length, NULL, true, &status);
		if (U_FAILURE(status))
		{
			char		bytes[16];
			int8_t		count = sizeof(bytes);
			UErrorCode	ignored = U_ZERO_ERROR;

			ucnv_getInvalidChars(reader->converter, bytes, &count, &ignored);
			snprintf(record->reason, sizeof(record->reason),
					 "has no character in CP932 at byte %zu of the line",
					 (size_t) (source - (const char *) record->raw) - (U_SUCCESS(ignored) ? count : 0) + 1);
			return;
		}
		u_strToUTF8(reader->text, reader->room * 3, &text_length, reader->units,
					target - reader->units, &status);
		if (U_FAILURE(status))
		{
			strlcpy(record->reason, "is not CP932", sizeof(record->reason));
			return;
		}
		reader->text[text_length] = '\0';
	}

	for (int i = 0; i < record->nfields; i++)
	{
		char	   *comma;

		reader->fields[i] = i == 0 ? reader->text : reader->fields[i - 1] + strlen(reader->fields[i - 1]) + 1;
		comma = (char *) strchr(reader->fields[i], ',');
		if (comma != NULL)
			*comma = '\0';
	}
}

/* ---- rows ---- */

typedef struct Row
{
	Reader	   *reader;
	int			column;
	Datum		values[24];
	bool		nulls[24];
} Row;

static void
add(Row *row, Datum value, bool isnull)
{
	Assert(row->column < lengthof(row->values));
	row->values[row->column] = value;
	row->nulls[row->column++] = isnull;
}

static void
add_text(Row *row, const char *text)
{
	bool		isnull = text == NULL || *text == '\0';

	add(row, isnull ? (Datum) 0 : CStringGetTextDatum(text), isnull);
}

static void
add_int(Row *row, int value, bool isnull)
{
	add(row, Int32GetDatum(value), isnull);
}

static void
add_numeric(Row *row, const char *text)
{
	if (text == NULL || *text == '\0' || strspn(text, " ") == strlen(text))
		add(row, (Datum) 0, true);
	else
		add(row, DirectFunctionCall3(numeric_in, CStringGetDatum(text),
									 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)), false);
}

static Datum
make_bytea(const uint8 *data, size_t length)
{
	bytea	   *bytes = palloc(length + VARHDRSZ);

	SET_VARSIZE(bytes, length + VARHDRSZ);
	if (length > 0)
		memcpy(VARDATA(bytes), data, length);
	return PointerGetDatum(bytes);
}

static void
begin_row(Row *row, Reader *reader, uint32 line, bool whole_file)
{
	char		place[32];

	row->reader = reader;
	row->column = 0;
	snprintf(place, sizeof(place), "line %u", line);
	add_int(row, (int) line, line == 0);
	add_text(row, whole_file ? "file" : place);
}

static void
end_row(Row *row, const char *reason, const uint8 *raw, size_t raw_length)
{
	while (row->column < row->reader->ncolumns - 2)
		add(row, (Datum) 0, true);
	add_text(row, reason);
	add(row, make_bytea(raw, raw_length), false);
	tuplestore_putvalues(row->reader->rsinfo->setResult, row->reader->rsinfo->setDesc, row->values,
						 row->nulls);
}

static const char *
field(Reader *reader, UkeRecord *record, int number)
{
	return number <= record->nfields ? reader->fields[number - 1] : "";
}

/* copies what is not a space */
static void
copy_digits(char *into, size_t size, const char *from)
{
	size_t		n = 0;

	for (; *from && n < size - 1; from++)
		if (*from != ' ')
			into[n++] = *from;
	into[n] = '\0';
}

/* an insurer's number of 6 digits is one of 8 without its leading zeros */
static void
copy_insurer(char into[9], const char *from)
{
	char		digits[9];

	copy_digits(digits, sizeof(digits), from);
	if (digits[0] == '\0')
		into[0] = '\0';
	else
		snprintf(into, 9, "%s%s", strlen(digits) == 6 ? "00" : "", digits);
}

static DateADT
field_date(const UkeField *field, bool month_only)
{
	int			year = 2000,
				month = 1,
				day = 1;
	const uint8 *data = field->data;
	size_t		length = field->length;

	while (length > 0 && data[0] == ' ')
		data++, length--;
	while (length > 0 && data[length - 1] == ' ')
		length--;
	if (month_only)
		uke_parse_month(data, length, &year, &month);
	else
		uke_parse_date(data, length, &year, &month, &day);
	return date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
}

static void
format_date(DateADT date, char into[16])
{
	int			year,
				month,
				day;

	j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	snprintf(into, 16, "%04d-%02d-%02d", year, month, day);
}

static bool
only_zeros(const char *digits)
{
	return digits[strspn(digits, "0")] == '\0';
}

/*
 * The insured person's identifier, as niji.normalize_identifier('insured', …)
 * wants it.  Without a branch number it is the household's, so the birth date
 * and the sex complete it.  Who is on public assistance only has a number of
 * that instead; its dummy of zeros is everybody's, so it names nobody.
 */
static char *
identifier(const Receipt *receipt)
{
	const char *insurer = receipt->insurer;
	const char *symbol = receipt->symbol ? receipt->symbol : "";
	const char *card = receipt->card;
	char		birth[16];

	if (receipt->checked_insurer[0] && receipt->checked_card)
	{
		insurer = receipt->checked_insurer;
		symbol = receipt->checked_symbol ? receipt->checked_symbol : "";
		card = receipt->checked_card;
	}
	if (insurer[0] == '\0' || card == NULL)
	{
		if (receipt->payer[0] == '\0' || only_zeros(receipt->beneficiary))
			return NULL;
		insurer = receipt->payer;
		symbol = "";
		card = receipt->beneficiary;
	}
	else if (receipt->branch[0])
		return psprintf("%s:%s:%s:%s", insurer, symbol, card, receipt->branch);
	format_date(receipt->birth, birth);
	return psprintf("%s:%s:%s::%s:%d", insurer, symbol, card, birth, receipt->sex);
}

/* what each row of a receipt begins with */
static void
add_head(Row *row, const Receipt *receipt)
{
	Reader	   *reader = row->reader;
	char	   *person = identifier(receipt);

	add_int(row, receipt->number, false);
	add_text(row, reader->institution);
	add(row, DateADTGetDatum(receipt->month), false);
	add(row, DateADTGetDatum(receipt->birth), false);
	add_int(row, receipt->sex, false);
	add_text(row, receipt->insurer[0] ? receipt->insurer : receipt->payer);
	add_text(row, person ? "insured" : NULL);
	add_text(row, person);
}

static const char no_identifier[] = "its receipt has no insured person's number that names a person";

static void
end_receipt(Reader *reader)
{
	Receipt    *receipt = &reader->receipt;

	if (receipt->open && reader->kind == UKE_RECEIPTS)
	{
		MemoryContext old = MemoryContextSwitchTo(reader->row);
		Row			row;
		const char *reason = receipt->lost;

		begin_row(&row, reader, receipt->line, false);
		if (reason == NULL && identifier(receipt) == NULL)
			reason = no_identifier;
		if (reason == NULL)
		{
			add_head(&row, receipt);
			add(&row, DateADTGetDatum(reader->claimed), false);
			add_text(&row, receipt->type);
			add_int(&row, receipt->days, receipt->days < 0);
			add_int(&row, receipt->points, receipt->points < 0);
		}
		else
			add_int(&row, receipt->number, false);
		end_row(&row, reason, receipt->raw, receipt->raw_length);
		MemoryContextSwitchTo(old);
		MemoryContextReset(reader->row);
	}
	MemoryContextReset(reader->receipt_context);
	memset(receipt, 0, sizeof(Receipt));
}

static char *
keep_text(Reader *reader, const char *text)
{
	return *text ? MemoryContextStrdup(reader->receipt_context, text) : NULL;
}

/* what a good record adds to the receipt's head */
static void
read_head(Reader *reader, UkeRecord *record)
{
	Receipt    *receipt = &reader->receipt;
	const char *type = record->type;

	if (strcmp(type, "IR") == 0)
	{
		char		prefecture[3],
					table[2],
					number[8];

		copy_digits(prefecture, sizeof(prefecture), field(reader, record, 3));
		copy_digits(table, sizeof(table), field(reader, record, 4));
		copy_digits(number, sizeof(number), field(reader, record, 5));
		snprintf(reader->institution, sizeof(reader->institution), "%s%s%s", prefecture, table, number);
		reader->claimed = field_date(&record->fields[7], true);
	}
	else if (strcmp(type, "RE") == 0)
	{
		receipt->open = true;
		receipt->line = record->line;
		receipt->number = record->receipt;
		receipt->raw = record->raw;
		receipt->raw_length = record->raw_length;
		copy_digits(receipt->type, sizeof(receipt->type), field(reader, record, 3));
		receipt->month = field_date(&record->fields[3], true);
		receipt->sex = *(field(reader, record, 6) + strspn(field(reader, record, 6), " ")) - '0';
		receipt->birth = field_date(&record->fields[6], false);
		receipt->days = receipt->points = -1;
	}
	else if (strcmp(type, "HO") == 0)
	{
		copy_insurer(receipt->insurer, field(reader, record, 2));
		receipt->symbol = keep_text(reader, field(reader, record, 3));
		receipt->card = keep_text(reader, field(reader, record, 4));
		if (*field(reader, record, 5))
			receipt->days = atoi(field(reader, record, 5));
		if (*field(reader, record, 6))
			receipt->points = atoi(field(reader, record, 6));
	}
	else if (strcmp(type, "KO") == 0 && receipt->payer[0] == '\0')
	{
		char		beneficiary[8];

		copy_digits(receipt->payer, sizeof(receipt->payer), field(reader, record, 2));
		copy_digits(beneficiary, sizeof(beneficiary), field(reader, record, 3));
		snprintf(receipt->beneficiary, sizeof(receipt->beneficiary), "%07d", atoi(beneficiary) % 10000000);
		if (receipt->points < 0 && strspn(field(reader, record, 6), "0123456789") > 0)
			receipt->points = atoi(field(reader, record, 6));
		if (receipt->days < 0 && strspn(field(reader, record, 5), "0123456789") > 0)
			receipt->days = atoi(field(reader, record, 5));
	}
	else if (strcmp(type, "SN") == 0 && *field(reader, record, 2) == '1')
	{
		/* 負担者種別 1: the medical insurance; others are public payers, who have no branch numbers */
		copy_digits(receipt->branch, sizeof(receipt->branch), field(reader, record, 7));
		copy_insurer(receipt->checked_insurer, field(reader, record, 4));
		receipt->checked_symbol = keep_text(reader, field(reader, record, 5));
		receipt->checked_card = keep_text(reader, field(reader, record, 6));
	}
}

static void
add_modifiers(Row *row, const char *codes)
{
	Datum		elements[20];
	char		digits[81];
	int			n = 0;

	copy_digits(digits, sizeof(digits), codes);
	for (const char *code = digits; strlen(code) >= 4 && n < lengthof(elements); code += 4)
		elements[n++] = PointerGetDatum(cstring_to_text_with_len(code, 4));
	if (n == 0)
		add(row, (Datum) 0, true);
	else
		add(row, PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT)), false);
}

/* the days on which an item was given, from its 31 counts */
static void
add_days(Row *row, UkeRecord *record, int first, DateADT month)
{
	Datum		days[31];
	int			n = 0;

	for (int day = 1; day <= 31 && first + day - 1 <= record->nfields; day++)
		if (atoi(field(row->reader, record, first + day - 1)) > 0)
			days[n++] = DateADTGetDatum(month + day - 1);
	if (n == 0)
		add(row, (Datum) 0, true);
	else
		add(row, PointerGetDatum(construct_array(days, n, DATEOID, sizeof(DateADT), true, TYPALIGN_INT)), false);
}

/* whose business a record is */
static UkeKind
kind_of(const UkeRecord *record)
{
	static const char *const items[] = {"SI", "IY", "TO", "CO"};

	if (strcmp(record->type, "SY") == 0)
		return UKE_DIAGNOSES;
	for (int i = 0; i < lengthof(items); i++)
		if (strcmp(record->type, items[i]) == 0)
			return UKE_ITEMS;
	return UKE_RECEIPTS;
}

static void
put_record(Reader *reader, UkeRecord *record)
{
	Row			row;

	begin_row(&row, reader, record->line, record->whole_file);
	add_int(&row, record->receipt, record->receipt == 0);
	add_text(&row, record->type);
	if (record->reason[0] == '\0')
	{
		Datum	   *elements = palloc(record->nfields * sizeof(Datum));

		for (int i = 0; i < record->nfields; i++)
			elements[i] = CStringGetTextDatum(reader->fields[i]);
		add(&row, PointerGetDatum(construct_array(elements, record->nfields, TEXTOID, -1, false, TYPALIGN_INT)), false);
	}
	end_row(&row, record->reason, record->raw, record->raw_length);
}

static void
put_diagnosis(Reader *reader, UkeRecord *record)
{
	Row			row;

	begin_row(&row, reader, record->line, false);
	add_head(&row, &reader->receipt);
	add_text(&row, field(reader, record, 2));
	add(&row, DateADTGetDatum(field_date(&record->fields[2], false)), false);
	add_int(&row, atoi(field(reader, record, 4)), false);
	add_modifiers(&row, field(reader, record, 5));
	add_text(&row, field(reader, record, 6));
	add(&row, BoolGetDatum(strcmp(field(reader, record, 7), "01") == 0), false);
	end_row(&row, NULL, record->raw, record->raw_length);
}

static void
put_item(Reader *reader, UkeRecord *record)
{
	Row			row;

	begin_row(&row, reader, record->line, false);
	add_head(&row, &reader->receipt);
	add_text(&row, record->type);
	add_text(&row, reader->receipt.class);
	add_text(&row, field(reader, record, 4));
	add_numeric(&row, field(reader, record, 5));
	add_numeric(&row, field(reader, record, 6));
	add_int(&row, atoi(field(reader, record, 7)), atoi(field(reader, record, 7)) == 0);
	add_days(&row, record, strcmp(record->type, "TO") == 0 ? 18 : 14, reader->receipt.month);
	end_row(&row, NULL, record->raw, record->raw_length);
}

static void
handle_record(void *arg, UkeRecord *record)
{
	Reader	   *reader = arg;
	Receipt    *receipt = &reader->receipt;
	const char *type = record->type;
	bool		good = record->reason[0] == '\0';
	MemoryContext old;

	CHECK_FOR_INTERRUPTS();
	if (reader->kind != UKE_RECORDS)
	{
		if (record->whole_file || strcmp(type, "RE") == 0 || strcmp(type, "IR") == 0 || strcmp(type, "GO") == 0)
			end_receipt(reader);
		if (good)
			read_head(reader, record);
		if (record->lost != NULL)
			receipt->lost = record->lost;

		/* the group's class stands on its first record only */
		if (good && kind_of(record) == UKE_ITEMS && *field(reader, record, 2))
			copy_digits(receipt->class, sizeof(receipt->class), field(reader, record, 2));
	}

	old = MemoryContextSwitchTo(reader->row);
	if (reader->kind == UKE_RECORDS)
		put_record(reader, record);
	else if (!good || record->whole_file)
	{
		if (record->whole_file || kind_of(record) == reader->kind)
		{
			Row			row;

			begin_row(&row, reader, record->line, record->whole_file);
			add_int(&row, record->receipt, record->receipt == 0);
			end_row(&row, record->reason, record->raw, record->raw_length);
		}
	}
	else if (kind_of(record) == reader->kind && reader->kind != UKE_RECEIPTS && strcmp(type, "CO") != 0)
	{
		if (identifier(receipt) == NULL)
		{
			Row			row;

			begin_row(&row, reader, record->line, false);
			add_int(&row, record->receipt, false);
			end_row(&row, no_identifier, record->raw, record->raw_length);
		}
		else if (reader->kind == UKE_DIAGNOSES)
			put_diagnosis(reader, record);
		else
			put_item(reader, record);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(reader->row);
}

static Datum
read_file(FunctionCallInfo fcinfo, UkeKind kind)
{
	bytea	   *content = PG_GETARG_BYTEA_PP(0);
	Reader	   *reader = palloc0(sizeof(Reader));
	UErrorCode	status = U_ZERO_ERROR;

	if (GetDatabaseEncoding() != PG_UTF8)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("files can be read only in a database with encoding UTF8")));
	InitMaterializedSRF(fcinfo, 0);
	reader->kind = kind;
	reader->rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	reader->ncolumns = reader->rsinfo->setDesc->natts;
	if (reader->ncolumns > lengthof(((Row *) NULL)->values))
		elog(ERROR, "unexpected result type");
	reader->row = AllocSetContextCreate(CurrentMemoryContext, "claims file row", ALLOCSET_DEFAULT_SIZES);
	reader->receipt_context = AllocSetContextCreate(CurrentMemoryContext, "claims file receipt",
													ALLOCSET_SMALL_SIZES);
	reader->units = palloc(sizeof(UChar));
	reader->text = palloc(1);
	reader->cleanup.func = close_converter;
	reader->cleanup.arg = reader;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &reader->cleanup);
	reader->converter = ucnv_open("windows-31j", &status);
	if (U_SUCCESS(status))
		ucnv_setToUCallBack(reader->converter, UCNV_TO_U_CALLBACK_STOP, NULL, NULL, NULL, &status);
	if (U_FAILURE(status))
		elog(ERROR, "could not open a converter for CP932: %s", u_errorName(status));

	uke_parse((const uint8 *) VARDATA_ANY(content), VARSIZE_ANY_EXHDR(content), decode_record,
			  handle_record, reader);
	end_receipt(reader);
	close_converter(reader);
	return (Datum) 0;
}

Datum
read_uke(PG_FUNCTION_ARGS)
{
	return read_file(fcinfo, UKE_RECORDS);
}

Datum
uke_receipts(PG_FUNCTION_ARGS)
{
	return read_file(fcinfo, UKE_RECEIPTS);
}

Datum
uke_diagnoses(PG_FUNCTION_ARGS)
{
	return read_file(fcinfo, UKE_DIAGNOSES);
}

Datum
uke_items(PG_FUNCTION_ARGS)
{
	return read_file(fcinfo, UKE_ITEMS);
}

/* niji.uke_date(text): a date or a month (its first day) in the new or the old form */
Datum
uke_date(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);
	const uint8 *data = (const uint8 *) VARDATA_ANY(value);
	size_t		length = VARSIZE_ANY_EXHDR(value);
	int			year,
				month,
				day = 1;

	if (!uke_parse_date(data, length, &year, &month, &day) &&
		!uke_parse_month(data, length, &year, &month))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_DATETIME_FORMAT),
				 errmsg("not a date of a claims file"),
				 errdetail("Dates are YYYYMMDD or GYYMMDD, months YYYYMM or GYYMM, where G is an era (1 to 5, or M, T, S, H, R).")));
	PG_RETURN_DATEADT(date2j(year, month, day) - POSTGRES_EPOCH_JDATE);
}
