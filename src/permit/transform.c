/*
 * transform.c
 *    Generalisations that a permit may show instead of a column.
 *
 * They are called in a permit's view on rows that the filter may still
 * withhold, so none of them ever raises or shows its input: what has no answer
 * is null.
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/settings.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(year_of_date);
PG_FUNCTION_INFO_V1(year_of_timestamp);
PG_FUNCTION_INFO_V1(year_of_timestamptz);
PG_FUNCTION_INFO_V1(month_of_date);
PG_FUNCTION_INFO_V1(month_of_timestamp);
PG_FUNCTION_INFO_V1(month_of_timestamptz);
PG_FUNCTION_INFO_V1(band);
PG_FUNCTION_INFO_V1(prefecture);

/* ---- dates ---- */

static bool
split_date(DateADT date, int *year, int *month)
{
	int			day;

	if (DATE_NOT_FINITE(date))
		return false;
	j2date(date + POSTGRES_EPOCH_JDATE, year, month, &day);
	return true;
}

static bool
split_timestamp(Timestamp moment, pg_tz *zone, int *year, int *month)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			tz;

	if (TIMESTAMP_NOT_FINITE(moment) ||
		timestamp2tm(moment, zone ? &tz : NULL, &tm, &fsec, NULL, zone) != 0)
		return false;
	*year = tm.tm_year;
	*month = tm.tm_mon;
	return true;
}

static Datum
first_of_month(FunctionCallInfo fcinfo, bool valid, int year, int month)
{
	if (!valid || !IS_VALID_JULIAN(year, month, 1))
		PG_RETURN_NULL();
	PG_RETURN_DATEADT(date2j(year, month, 1) - POSTGRES_EPOCH_JDATE);
}

static Datum
year_or_null(FunctionCallInfo fcinfo, bool valid, int year)
{
	if (!valid)
		PG_RETURN_NULL();
	PG_RETURN_INT32(year);
}

Datum
year_of_date(PG_FUNCTION_ARGS)
{
	int			year = 0;
	int			month = 0;
	bool		valid = split_date(PG_GETARG_DATEADT(0), &year, &month);

	return year_or_null(fcinfo, valid, year);
}

Datum
year_of_timestamp(PG_FUNCTION_ARGS)
{
	int			year = 0;
	int			month = 0;
	bool		valid = split_timestamp(PG_GETARG_TIMESTAMP(0), NULL, &year, &month);

	return year_or_null(fcinfo, valid, year);
}

Datum
year_of_timestamptz(PG_FUNCTION_ARGS)
{
	int			year = 0;
	int			month = 0;
	bool		valid = split_timestamp(PG_GETARG_TIMESTAMPTZ(0), settings_timezone(), &year, &month);

	return year_or_null(fcinfo, valid, year);
}

Datum
month_of_date(PG_FUNCTION_ARGS)
{
	int			year = 0;
	int			month = 0;
	bool		valid = split_date(PG_GETARG_DATEADT(0), &year, &month);

	return first_of_month(fcinfo, valid, year, month);
}

Datum
month_of_timestamp(PG_FUNCTION_ARGS)
{
	int			year = 0;
	int			month = 0;
	bool		valid = split_timestamp(PG_GETARG_TIMESTAMP(0), NULL, &year, &month);

	return first_of_month(fcinfo, valid, year, month);
}

Datum
month_of_timestamptz(PG_FUNCTION_ARGS)
{
	int			year = 0;
	int			month = 0;
	bool		valid = split_timestamp(PG_GETARG_TIMESTAMPTZ(0), settings_timezone(), &year, &month);

	return first_of_month(fcinfo, valid, year, month);
}

/* ---- numbers ---- */

/* the lower bound of the band of n in which the value lies; bands begin at multiples of n */
Datum
band(PG_FUNCTION_ARGS)
{
	int64		value = PG_GETARG_INT32(0);
	int64		width = PG_GETARG_INT32(1);
	int64		lower;

	if (width <= 0)
		PG_RETURN_NULL();
	lower = value - (value % width + width) % width;
	if (lower < PG_INT32_MIN)
		PG_RETURN_NULL();
	PG_RETURN_INT32((int32) lower);
}

/* ---- text ---- */

/*
 * The prefecture in an institution's or an insurer's number, by its length:
 * 10 digits (institution): the first two; 8 (insurer): the third and fourth,
 * after the law's number; 6 (national health insurance): the first two; 2: a
 * prefecture already.  Null when it is none of them or not 01 to 47.
 */
Datum
prefecture(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);
	const char *digits = VARDATA_ANY(value);
	int			length = VARSIZE_ANY_EXHDR(value);
	int			number;

	if (length != 10 && length != 8 && length != 6 && length != 2)
		PG_RETURN_NULL();
	for (int i = 0; i < length; i++)
		if (digits[i] < '0' || digits[i] > '9')
			PG_RETURN_NULL();
	if (length == 8)
		digits += 2;
	number = (digits[0] - '0') * 10 + digits[1] - '0';
	if (number < 1 || number > 47)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(digits, 2));
}
