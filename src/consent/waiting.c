/*
 * waiting.c
 *    When the waiting time after a notice is over.
 *
 * "One month" is meant as the law's calendar counts it, in niji.timezone, and
 * not in whatever time zone the session is in.  This is timestamptz + interval
 * with a zone of its own (which SQL has as date_add() since 16 only): first the
 * months, where a day that the month does not have becomes its last one, then
 * the days, both by the clock on the wall, then the rest.
 *
 * A time that cannot be represented is never over.
 */
#include "postgres.h"

#include "common/int.h"
#include "consent/waiting.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

TimestampTz
waiting_over(TimestampTz notified, const Interval *waiting, pg_tz *zone)
{
	TimestampTz result = notified;
	struct pg_tm tm;
	fsec_t		fsec;
	int			offset;

	if (waiting->month != 0)
	{
		int64		month;

		if (timestamp2tm(result, &offset, &tm, &fsec, NULL, zone) != 0)
			return DT_NOEND;
		month = (int64) tm.tm_mon - 1 + waiting->month;
		tm.tm_year += month / MONTHS_PER_YEAR;
		tm.tm_mon = month % MONTHS_PER_YEAR + 1;
		if (tm.tm_mon < 1)
		{
			tm.tm_mon += MONTHS_PER_YEAR;
			tm.tm_year--;
		}
		if (tm.tm_mday > day_tab[isleap(tm.tm_year)][tm.tm_mon - 1])
			tm.tm_mday = day_tab[isleap(tm.tm_year)][tm.tm_mon - 1];
		offset = DetermineTimeZoneOffset(&tm, zone);
		if (tm2timestamp(&tm, fsec, &offset, &result) != 0)
			return DT_NOEND;
	}
	if (waiting->day != 0)
	{
		int			julian;

		if (timestamp2tm(result, &offset, &tm, &fsec, NULL, zone) != 0 ||
			pg_add_s32_overflow(date2j(tm.tm_year, tm.tm_mon, tm.tm_mday), waiting->day, &julian) ||
			julian < 0)
			return DT_NOEND;
		j2date(julian, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
		offset = DetermineTimeZoneOffset(&tm, zone);
		if (tm2timestamp(&tm, fsec, &offset, &result) != 0)
			return DT_NOEND;
	}
	if (pg_add_s64_overflow(result, waiting->time, &result) || !IS_VALID_TIMESTAMP(result))
		return DT_NOEND;
	return result;
}
