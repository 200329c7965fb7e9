/*
 * uke.c
 *    Reading claims files of the Japanese health insurance (レセプト電算, UKE).
 *
 * A file is lines of fields with commas, in CP932, without quotes: one IR (who
 * claims), then for each receipt an RE (whose), HO, KO and SN (who pays), SY
 * (diseases), SI, IY, TO and CO (what was done), SJ; and one GO (how many) at
 * the end.  A comma, CR and LF are never the second byte of a character, so
 * that lines and fields can be cut before anything is decoded.
 *
 * Nothing is lost and nothing is raised: each record goes to the handler, a
 * wrong one with its reason.  A reason is made of our own words and numbers
 * only, since it ends in logs and tables; it never quotes the file.
 *
 * What a wrong record means for its neighbours is the heart of the matter.
 * Records do not say to which receipt they belong: their place does.  So if an
 * RE cannot be read, what follows it would silently become the diseases of the
 * person before; if an HO cannot, those of a person without a number.  Hence
 * the rest of such a receipt is refused with it, up to the next RE.
 *
 * Widths and counts are those of the specification, with the tolerance that
 * real files need: fields after the mandatory ones may be left out, and more
 * fields than known may follow.
 *
 * This file is plain C on bytes; it neither allocates nor raises, and is fuzzed
 * without a server.
 */
#include "postgres.h"

#include "intake/uke.h"

/* what a field must look like */
typedef enum
{
	FORM_DIGITS,				/* min to max digits */
	FORM_NUMBER,				/* digits, perhaps with a sign and a fraction */
	FORM_DATE,
	FORM_MONTH,
	FORM_ONE_OF,				/* one character of a list */
	FORM_CODE,					/* nine digits, the first as given */
	FORM_INSURER,				/* 6 or 8 digits, padded with spaces in front */
	FORM_NUMBER_TEXT,			/* symbol or number of an insured person: free, but without a colon */
	FORM_MODIFIERS				/* four digits each */
} Form;

typedef struct FieldRule
{
	const char *type;
	int			first;			/* fields from 1, as in SQL */
	int			last;
	Form		form;
	bool		needed;
	int			min;
	int			max;
	const char *list;			/* for FORM_ONE_OF and FORM_CODE */
	const char *name;
} FieldRule;

static const FieldRule field_rules[] = {
	{"IR", 2, 2, FORM_ONE_OF, true, 1, 1, "12", "審査支払機関"},
	{"IR", 3, 3, FORM_DIGITS, true, 2, 2, NULL, "都道府県"},
	{"IR", 4, 4, FORM_ONE_OF, true, 1, 1, "13456B", "点数表"},
	{"IR", 5, 5, FORM_DIGITS, true, 7, 7, NULL, "医療機関コード"},
	{"IR", 8, 8, FORM_MONTH, true, 0, 0, NULL, "請求年月"},
	{"RE", 2, 2, FORM_DIGITS, true, 1, 6, NULL, "レセプト番号"},
	{"RE", 3, 3, FORM_DIGITS, true, 4, 4, NULL, "レセプト種別"},
	{"RE", 4, 4, FORM_MONTH, true, 0, 0, NULL, "診療年月"},
	{"RE", 6, 6, FORM_ONE_OF, true, 1, 1, "12", "男女区分"},
	{"RE", 7, 7, FORM_DATE, true, 0, 0, NULL, "生年月日"},
	{"HO", 2, 2, FORM_INSURER, true, 6, 8, NULL, "保険者番号"},
	{"HO", 3, 3, FORM_NUMBER_TEXT, false, 0, 80, NULL, "記号"},
	{"HO", 4, 4, FORM_NUMBER_TEXT, true, 1, 80, NULL, "番号"},
	{"HO", 5, 5, FORM_DIGITS, false, 1, 2, NULL, "診療実日数"},
	{"HO", 6, 6, FORM_DIGITS, false, 1, 8, NULL, "合計点数"},
	{"KO", 2, 2, FORM_DIGITS, true, 8, 8, NULL, "公費負担者番号"},
	{"KO", 3, 3, FORM_DIGITS, false, 1, 7, NULL, "受給者番号"},
	{"SN", 2, 2, FORM_DIGITS, true, 1, 1, NULL, "負担者種別"},
	{"SN", 7, 7, FORM_DIGITS, false, 2, 2, NULL, "枝番"},
	{"SY", 2, 2, FORM_DIGITS, true, 7, 7, NULL, "傷病名コード"},
	{"SY", 3, 3, FORM_DATE, true, 0, 0, NULL, "診療開始日"},
	{"SY", 4, 4, FORM_ONE_OF, true, 1, 1, "1234", "転帰区分"},
	{"SY", 5, 5, FORM_MODIFIERS, false, 4, 80, NULL, "修飾語コード"},
	{"SI", 2, 2, FORM_DIGITS, false, 2, 2, NULL, "診療識別"},
	{"SI", 4, 4, FORM_CODE, true, 9, 9, "1", "診療行為コード"},
	{"SI", 5, 5, FORM_NUMBER, false, 1, 12, NULL, "数量データ"},
	{"SI", 6, 6, FORM_NUMBER, false, 1, 9, NULL, "点数"},
	{"SI", 7, 7, FORM_DIGITS, false, 1, 3, NULL, "回数"},
	{"SI", 14, 44, FORM_DIGITS, false, 1, 3, NULL, "算定日"},
	{"IY", 2, 2, FORM_DIGITS, false, 2, 2, NULL, "診療識別"},
	{"IY", 4, 4, FORM_CODE, true, 9, 9, "6", "医薬品コード"},
	{"IY", 5, 5, FORM_NUMBER, false, 1, 12, NULL, "使用量"},
	{"IY", 6, 6, FORM_NUMBER, false, 1, 9, NULL, "点数"},
	{"IY", 7, 7, FORM_DIGITS, false, 1, 3, NULL, "回数"},
	{"IY", 14, 44, FORM_DIGITS, false, 1, 3, NULL, "算定日"},
	{"TO", 2, 2, FORM_DIGITS, false, 2, 2, NULL, "診療識別"},
	{"TO", 4, 4, FORM_CODE, true, 9, 9, "7", "特定器材コード"},
	{"TO", 5, 5, FORM_NUMBER, false, 1, 12, NULL, "使用量"},
	{"TO", 6, 6, FORM_NUMBER, false, 1, 9, NULL, "点数"},
	{"TO", 7, 7, FORM_DIGITS, false, 1, 3, NULL, "回数"},
	{"TO", 9, 9, FORM_NUMBER, false, 1, 13, NULL, "単価"},
	{"TO", 18, 48, FORM_DIGITS, false, 1, 3, NULL, "算定日"},
	{"CO", 2, 2, FORM_DIGITS, false, 2, 2, NULL, "診療識別"},
	{"CO", 4, 4, FORM_CODE, true, 9, 9, "8", "コメントコード"},
	{"GO", 2, 2, FORM_DIGITS, true, 1, 7, NULL, "総件数"},
	{"GO", 3, 3, FORM_DIGITS, true, 1, 12, NULL, "総合計点数"}
};

/* the records that make up a receipt, by their mandatory fields and their place in it */
typedef struct RecordRule
{
	const char *type;
	int			min_fields;
	int			stage;			/* payers come before diseases, these before what was done */
} RecordRule;

enum
{
	STAGE_RECEIPT,
	STAGE_PAYER,
	STAGE_CONTENT
};

static const RecordRule record_rules[] = {
	{"IR", 8, STAGE_RECEIPT},
	{"RE", 7, STAGE_RECEIPT},
	{"HO", 4, STAGE_PAYER},
	{"KO", 3, STAGE_PAYER},
	{"SN", 7, STAGE_PAYER},
	{"SY", 4, STAGE_CONTENT},
	{"SI", 7, STAGE_CONTENT},
	{"IY", 7, STAGE_CONTENT},
	{"TO", 7, STAGE_CONTENT},
	{"CO", 4, STAGE_CONTENT},
	{"SJ", 3, STAGE_CONTENT},
	{"GO", 3, STAGE_RECEIPT}
};

/* records of other kinds of claims and of the examiners' files: known, passed on as they are */
static const char other_records[] =
	"UK YK CZ SH KI TK HS SS BU SB KK SK GA HH GT CD NI KH TI TR TS RC JY EX MN HI HR HG MD RT JR MK "
	"ON JD MF GR YR RM BC";

/* ---- forms ---- */

static bool
all_digits(const uint8 *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (data[i] < '0' || data[i] > '9')
			return false;
	return true;
}

static int
digits_value(const uint8 *data, size_t length)
{
	int			value = 0;

	for (size_t i = 0; i < length; i++)
		if (data[i] != ' ')
			value = value * 10 + (data[i] - '0');
	return value;
}

int
uke_month_days(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (month == 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0))
		return 29;
	return days[month - 1];
}

/*
 * Years: four digits, or an era and two.  The era is a digit in claims and a
 * letter on forms.  Eras that have ended end here as well; 平成 and 令和 are
 * open, since dates to come were written in 平成 beyond its end.
 */
static bool
parse_year(const uint8 *data, size_t length, int *year)
{
	static const struct
	{
		char		digit;
		char		letter;
		int			base;
		int			last;
	}			eras[] = {
		{'1', 'M', 1867, 45},
		{'2', 'T', 1911, 15},
		{'3', 'S', 1925, 64},
		{'4', 'H', 1988, 99},
		{'5', 'R', 2018, 99}
	};

	if (length == 4)
	{
		if (!all_digits(data, 4))
			return false;
		*year = digits_value(data, 4);
		return *year >= 1850 && *year <= 2200;
	}
	if (length != 3 || !all_digits(data + 1, 2))
		return false;
	for (int i = 0; i < lengthof(eras); i++)
		if (data[0] == eras[i].digit || data[0] == eras[i].letter)
		{
			int			of_era = digits_value(data + 1, 2);

			*year = eras[i].base + of_era;
			return of_era >= 1 && of_era <= eras[i].last;
		}
	return false;
}

bool
uke_parse_month(const uint8 *data, size_t length, int *year, int *month)
{
	size_t		ylen = length - 2;

	if (length != 5 && length != 6)
		return false;
	if (!parse_year(data, ylen, year) || !all_digits(data + ylen, 2))
		return false;
	*month = digits_value(data + ylen, 2);
	return *month >= 1 && *month <= 12;
}

bool
uke_parse_date(const uint8 *data, size_t length, int *year, int *month, int *day)
{
	if (length != 7 && length != 8)
		return false;
	if (!uke_parse_month(data, length - 2, year, month) || !all_digits(data + length - 2, 2))
		return false;
	*day = digits_value(data + length - 2, 2);
	return *day >= 1 && *day <= uke_month_days(*year, *month);
}

size_t
uke_bad_byte(const uint8 *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		uint8		c = data[i];

		if ((c >= 0x20 && c < 0x7F) || (c >= 0xA1 && c <= 0xDF))
			continue;
		if ((c >= 0x81 && c <= 0x9F) || (c >= 0xE0 && c <= 0xFC))
		{
			uint8		next = i + 1 < length ? data[i + 1] : 0;

			if ((next >= 0x40 && next <= 0x7E) || (next >= 0x80 && next <= 0xFC))
			{
				i++;
				continue;
			}
		}
		return i + 1;
	}
	return 0;
}

/* what is wrong with a field's form, or NULL */
static const char *
field_fault(const UkeField *field, const FieldRule *rule)
{
	const uint8 *data = field->data;
	size_t		length = field->length;
	int			year,
				month,
				day;

	/* blanks are as good as nothing, and an insurer's number is filled with them */
	if (rule->form != FORM_NUMBER_TEXT)
	{
		while (length > 0 && data[0] == ' ')
			data++, length--;
		while (length > 0 && data[length - 1] == ' ')
			length--;
	}
	if (length == 0)
		return rule->needed ? "is missing" : NULL;
	switch (rule->form)
	{
		case FORM_DIGITS:
			if (length < rule->min || length > rule->max || !all_digits(data, length))
				return rule->min == rule->max ? "does not have the digits that it needs" : "is not a number";
			return NULL;
		case FORM_NUMBER:
			{
				size_t		i = data[0] == '-' ? 1 : 0;
				size_t		start = i;

				while (i < length && data[i] >= '0' && data[i] <= '9')
					i++;
				if (i == start)
					return "is not a number";
				if (i < length && data[i] == '.')
				{
					start = ++i;
					while (i < length && data[i] >= '0' && data[i] <= '9')
						i++;
					if (i == start)
						return "is not a number";
				}
				return i == length && length <= rule->max ? NULL : "is not a number";
			}
		case FORM_DATE:
			return uke_parse_date(data, length, &year, &month, &day) ? NULL : "is not a date";
		case FORM_MONTH:
			return uke_parse_month(data, length, &year, &month) ? NULL : "is not a month";
		case FORM_ONE_OF:
			return length == 1 && data[0] != '\0' && strchr(rule->list, data[0]) != NULL
				? NULL : "is not one of the values that it can have";
		case FORM_CODE:
			return length == 9 && data[0] == (uint8) rule->list[0] && all_digits(data, length)
				? NULL : "is not a code of this kind";
		case FORM_INSURER:
			return (length == 6 || length == 8) && all_digits(data, length)
				? NULL : "does not have 6 or 8 digits";
		case FORM_NUMBER_TEXT:
			for (size_t i = 0; i < length; i++)
			{
				/* a colon as a second byte does not exist in CP932 (it is below 0x40) */
				if (data[i] == ':')
					return "has a colon";
			}
			return length <= rule->max ? NULL : "is too long";
		case FORM_MODIFIERS:
			return length % 4 == 0 && length <= rule->max && all_digits(data, length)
				? NULL : "is not made of codes of four digits";
	}
	return NULL;
}

/* ---- records ---- */

/* cuts a line at its commas */
static void
split_record(UkeRecord *record)
{
	const uint8 *start = record->raw;
	const uint8 *end = record->raw + record->raw_length;

	record->nfields = 0;
	for (;;)
	{
		const uint8 *comma = start < end ? memchr(start, ',', end - start) : NULL;

		if (record->nfields == UKE_MAX_FIELDS)
		{
			snprintf(record->reason, sizeof(record->reason), "has more than %d fields", UKE_MAX_FIELDS);
			return;
		}
		record->fields[record->nfields].data = start;
		record->fields[record->nfields].length = (comma ? comma : end) - start;
		record->nfields++;
		if (comma == NULL)
			return;
		start = comma + 1;
	}
}

static const RecordRule *
find_record_rule(const char *type)
{
	for (int i = 0; i < lengthof(record_rules); i++)
		if (strcmp(record_rules[i].type, type) == 0)
			return &record_rules[i];
	return NULL;
}

static bool
is_other_record(const char *type)
{
	for (size_t i = 0; i + 1 < sizeof(other_records) - 1; i += 3)
		if (other_records[i] == type[0] && other_records[i + 1] == type[1])
			return true;
	return false;
}

/* the record's type: two capital letters before the first comma */
static void
read_type(UkeRecord *record)
{
	const UkeField *first = &record->fields[0];

	record->type[0] = '\0';
	if (first->length != 2)
		return;
	for (int i = 0; i < 2; i++)
		if (first->data[i] < 'A' || first->data[i] > 'Z')
			return;
	memcpy(record->type, first->data, 2);
	record->type[2] = '\0';
}

/* the record by itself: characters, number of fields, their forms */
static void
check_form(UkeRecord *record, const RecordRule *rule)
{
	size_t		bad = uke_bad_byte(record->raw, record->raw_length);

	if (bad != 0)
	{
		snprintf(record->reason, sizeof(record->reason), "is not CP932 at byte %zu of the line", bad);
		return;
	}
	if (rule == NULL)
		return;
	if (record->nfields < rule->min_fields)
	{
		snprintf(record->reason, sizeof(record->reason),
				 "%s has %d fields, and needs %d", rule->type, record->nfields, rule->min_fields);
		return;
	}
	for (int i = 0; i < lengthof(field_rules); i++)
	{
		const FieldRule *field = &field_rules[i];

		if (strcmp(field->type, rule->type) != 0)
			continue;
		for (int n = field->first; n <= field->last && n <= record->nfields; n++)
		{
			const char *fault = field_fault(&record->fields[n - 1], field);

			if (fault != NULL)
			{
				snprintf(record->reason, sizeof(record->reason),
						 "field %d (%s) of %s %s", n, field->name, rule->type, fault);
				return;
			}
		}
	}
}

/* ---- the file ---- */

typedef enum
{
	BEFORE_IR,
	BEFORE_RECEIPT,				/* after a good IR */
	IN_RECEIPT,
	LOST,						/* in a receipt that cannot be trusted any more */
	LOST_FILE,					/* after an IR that was refused */
	AFTER_GO
} Place;

typedef struct Parse
{
	UkeHandler	check;
	UkeHandler	handle;
	void	   *arg;
	Place		place;
	const char *lost_by;		/* why, in words */
	int			receipt;
	int			stage;
	bool		has_insurer;	/* the receipt has an HO */
	int			receipts;		/* RE records since IR */
	int			year;			/* of the receipt's treatment */
	int			month;
	UkeRecord	record;			/* it is large: kept here, not on the stack */
} Parse;

static void
set_reason(UkeRecord *record, const char *reason)
{
	if (record->reason[0] == '\0')
		strlcpy(record->reason, reason, sizeof(record->reason));
}

static void
clear_record(UkeRecord *record)
{
	memset(record, 0, offsetof(UkeRecord, fields));
	record->reason[0] = '\0';
	record->lost = NULL;
}

static void
lose(Parse *parse, Place place, const char *why)
{
	parse->place = place;
	parse->lost_by = why;
}

static void
report_file(Parse *parse, uint32 line, const uint8 *raw, size_t length, const char *reason)
{
	UkeRecord  *record = &parse->record;

	clear_record(record);
	record->whole_file = true;
	record->line = line;
	record->raw = raw;
	record->raw_length = length;
	set_reason(record, reason);
	parse->handle(parse->arg, record);
}

/* whether the record is in its place; called before its form was judged */
static void
check_place(Parse *parse, const RecordRule *rule)
{
	UkeRecord  *record = &parse->record;
	bool		starts = rule && rule->stage == STAGE_RECEIPT;

	if (rule && strcmp(rule->type, "IR") == 0)
		return;
	switch (parse->place)
	{
		case BEFORE_IR:
			set_reason(record, "comes before any IR record");
			break;
		case AFTER_GO:
			set_reason(record, "comes after the GO record");
			break;
		case LOST_FILE:
			if (!(rule && strcmp(rule->type, "GO") == 0))
				set_reason(record, parse->lost_by);
			break;
		case LOST:
			if (!starts)
				set_reason(record, parse->lost_by);
			break;
		case BEFORE_RECEIPT:
			if (!starts && rule != NULL)
				set_reason(record, "comes before any RE record");
			break;
		case IN_RECEIPT:
			if (rule && !starts && rule->stage < parse->stage)
				set_reason(record, "comes after the diseases or items of its receipt");
			break;
	}
}

/* where the record after this one will stand */
static void
take_place(Parse *parse, const RecordRule *rule)
{
	UkeRecord  *record = &parse->record;
	bool		good = record->reason[0] == '\0';
	const char *type = rule ? rule->type : record->type;

	if (strcmp(type, "IR") == 0)
	{
		parse->receipts = 0;
		parse->receipt = 0;
		if (good)
			parse->place = BEFORE_RECEIPT;
		else
			lose(parse, LOST_FILE, "its IR record was refused");
	}
	else if (strcmp(type, "GO") == 0)
	{
		parse->receipt = 0;
		if (parse->place != BEFORE_IR)
			parse->place = AFTER_GO;
	}
	else if (strcmp(type, "RE") == 0)
	{
		parse->receipts++;
		parse->receipt = 0;
		parse->stage = STAGE_RECEIPT;
		parse->has_insurer = false;
		if (good)
		{
			parse->place = IN_RECEIPT;
			parse->receipt = digits_value(record->fields[1].data, record->fields[1].length);
			uke_parse_month(record->fields[3].data, record->fields[3].length, &parse->year, &parse->month);
		}
		else if (parse->place == BEFORE_RECEIPT || parse->place == IN_RECEIPT || parse->place == LOST)
			lose(parse, LOST, "the RE record of its receipt was refused");
	}
	else if (parse->place == IN_RECEIPT)
	{
		if (good)
		{
			if (rule != NULL)
				parse->stage = Max(parse->stage, rule->stage);
			if (strcmp(type, "HO") == 0)
				parse->has_insurer = true;
		}
		else if (type[0] == '\0')
			record->lost = "a record before it in its receipt could not be recognised";
		else if (strcmp(type, "HO") == 0)
			record->lost = "an HO record of its receipt was refused";
		else if (strcmp(type, "SN") == 0)
			record->lost = "an SN record of its receipt was refused";
		else if (strcmp(type, "KO") == 0 && !parse->has_insurer)
			record->lost = "the KO record of its receipt was refused";
		if (record->lost != NULL)
			lose(parse, LOST, record->lost);
	}
	record->receipt = parse->receipt;
}

/* a day of treatment that the month does not have */
static bool
has_impossible_day(const Parse *parse, const char *type)
{
	const UkeRecord *record = &parse->record;
	int			first = strcmp(type, "TO") == 0 ? 18 : 14;

	if (strcmp(type, "SI") != 0 && strcmp(type, "IY") != 0 && strcmp(type, "TO") != 0)
		return false;
	for (int day = uke_month_days(parse->year, parse->month) + 1; day <= 31; day++)
	{
		const UkeField *field = &record->fields[first + day - 2];

		if (first + day - 1 > record->nfields)
			break;
		if (digits_value(field->data, field->length) > 0)
			return true;
	}
	return false;
}

/* one line */
static void
parse_record(Parse *parse)
{
	UkeRecord  *record = &parse->record;
	const RecordRule *rule;
	bool		is_ir,
				is_go;

	split_record(record);
	read_type(record);
	rule = record->type[0] ? find_record_rule(record->type) : NULL;
	is_ir = rule && strcmp(rule->type, "IR") == 0;
	is_go = rule && strcmp(rule->type, "GO") == 0;

	if (is_ir && parse->place != BEFORE_IR && parse->place != AFTER_GO)
		set_reason(record, "is a second IR record before a GO record");
	check_place(parse, rule);
	if (record->reason[0] == '\0')
		check_form(record, rule);
	if (record->reason[0] == '\0' && rule == NULL)
	{
		if (record->type[0] == '\0')
			set_reason(record, "does not begin with a record type");
		else if (!is_other_record(record->type))
			set_reason(record, "is of an unknown record type");
	}
	if (record->reason[0] == '\0' && rule && strcmp(rule->type, "HO") == 0 && parse->has_insurer)
		set_reason(record, "is a second HO record in one receipt");
	if (record->reason[0] == '\0' && rule && has_impossible_day(parse, rule->type))
		set_reason(record, "has a day that the month of its receipt does not have");
	if (record->reason[0] == '\0' && parse->check != NULL)
		parse->check(parse->arg, record);
	take_place(parse, rule);
	parse->handle(parse->arg, record);

	if (is_go && record->reason[0] == '\0')
	{
		int			count = digits_value(record->fields[1].data, record->fields[1].length);

		if (count != parse->receipts)
		{
			char		reason[128];

			snprintf(reason, sizeof(reason), "GO says %d receipts, and there are %d", count, parse->receipts);
			report_file(parse, record->line, NULL, 0, reason);
		}
	}
}

/*
 * Whether the bytes are Japanese text in UTF-8.  Being valid UTF-8 is not
 * enough: pairs of half-width kana of CP932 are; characters of three bytes in
 * the Japanese blocks cannot all come about by chance.
 */
static bool
looks_like_utf8(const uint8 *data, size_t length)
{
	bool		japanese = false;

	for (size_t i = 0; i < length;)
	{
		uint8		c = data[i];
		int			more = c < 0x80 ? 0 : c >= 0xC2 && c < 0xE0 ? 1 : c >= 0xE0 && c < 0xF0 ? 2 : c >= 0xF0 && c < 0xF5 ? 3 : -1;

		if (more < 0 || more > length - i - 1)
			return false;
		for (int k = 1; k <= more; k++)
			if ((data[i + k] & 0xC0) != 0x80)
				return false;
		if (more == 2 && ((c >= 0xE3 && c <= 0xE9) || c == 0xEF))
			japanese = true;
		i += more + 1;
	}
	return japanese;
}

/* whether any line begins as a record does */
static bool
has_records(const uint8 *data, size_t length)
{
	for (size_t i = 0; i + 3 <= length;)
	{
		const uint8 *end;

		if (data[i + 2] == ',')
		{
			char		type[3] = {data[i], data[i + 1], '\0'};

			if (find_record_rule(type) != NULL)
				return true;
		}
		end = memchr(data + i, '\n', length - i);
		if (end == NULL)
			break;
		i = end - data + 1;
	}
	return false;
}

void
uke_parse(const uint8 *data, size_t length, UkeHandler check, UkeHandler handle, void *arg)
{
	Parse		parse = {check, handle, arg, BEFORE_IR};
	const uint8 *end = data + length;
	uint32		line = 0;
	bool		torn = false;

	/* some systems still end a file with a Ctrl-Z */
	while (end > data && (end[-1] == 0x1A || end[-1] == '\r' || end[-1] == '\n'))
		end--;
	if (end == data)
	{
		report_file(&parse, 0, data, length, "the file is empty");
		return;
	}
	if (length >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0)
	{
		report_file(&parse, 0, data, length, "the file is in UTF-8; claims files are in CP932");
		return;
	}
	if (!has_records(data, length))
	{
		report_file(&parse, 0, data, length, "the file is not a claims file (UKE)");
		return;
	}
	if (looks_like_utf8(data, end - data))
	{
		report_file(&parse, 0, data, length, "the file is in UTF-8; claims files are in CP932");
		return;
	}
	torn = end == data + length;

	for (const uint8 *start = data; start < end;)
	{
		const uint8 *lf = memchr(start, '\n', end - start);
		const uint8 *stop = lf ? lf : end;
		UkeRecord  *record = &parse.record;

		line++;
		if (stop > start && stop[-1] == '\r')
			stop--;
		if (stop > start)
		{
			clear_record(record);
			record->line = line;
			record->raw = start;
			record->raw_length = stop - start;

			/* half a record may look like a whole one with smaller numbers */
			if (lf == NULL && torn && !(stop - start >= 3 && memcmp(start, "GO,", 3) == 0))
				set_reason(record, "may be incomplete: the file ends within it");
			parse_record(&parse);
		}
		start = lf ? lf + 1 : end;
	}
	if (parse.place != AFTER_GO)
		report_file(&parse, line, NULL, 0, "the file is truncated: it has no GO record at its end");
}
