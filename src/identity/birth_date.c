/*
 * birth_date.c
 *    Birth dates in any usual writing.
 *
 * YYYY-MM-DD, with slashes, full stops or kanji, or eight digits; in eras by
 * kanji, by letter, or by the number that claims files use.  A date has to lie
 * in its era: who writes Showa 64-01-08 has mistyped something, and a wrong
 * birth date makes another person.  Needs no server, only ICU's types.
 */
#include "postgres.h"

#include "identity/birth_date.h"

static bool
is_digit(UChar c)
{
	return c >= '0' && c <= '9';
}

typedef struct Era
{
	UChar		kanji[2];
	char		letter;
	int			base;			/* year 1 is base + 1 */
	int			first;			/* yyyymmdd */
	int			last;			/* a day of change belongs to both where the law says so */
} Era;

/* in the order of the numbers that claims files use, 1 to 5 */
static const Era eras[5] = {
	{{0x660E, 0x6CBB}, 'M', 1867, 18680125, 19120730},	/* Meiji */
	{{0x5927, 0x6B63}, 'T', 1911, 19120730, 19261225},	/* Taisho */
	{{0x662D, 0x548C}, 'S', 1925, 19261225, 19890107},	/* Showa */
	{{0x5E73, 0x6210}, 'H', 1988, 19890108, 20190430},	/* Heisei */
	{{0x4EE4, 0x548C}, 'R', 2018, 20190501, 99999999}	/* Reiwa */
};

static int
days_in_month(int year, int month)
{
	static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool		leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

/* up to "max" digits at *i; -1 when there is none or too many */
static int
take_number(const UChar *at, int32_t length, int32_t *i, int max)
{
	int			value = 0;
	int32_t		start = *i;

	while (*i < length && is_digit(at[*i]) && *i - start <= max)
		value = value * 10 + (at[(*i)++] - '0');
	return *i == start || *i - start > max ? -1 : value;
}

/* the separator after year or month: dash, slash, full stop, or the kanji */
static bool
take_separator(const UChar *at, int32_t length, int32_t *i, UChar kanji, UChar *first)
{
	UChar		c;

	if (*i >= length)
		return false;
	c = at[*i];
	if (c != '-' && c != '/' && c != '.' && c != kanji)
		return false;
	/* both of one kind */
	if (*first == 0)
		*first = c == kanji ? 1 : c;
	else if (*first != (c == kanji ? 1 : c))
		return false;
	(*i)++;
	return true;
}

static bool
refuse(const char **rule, const char **message, const char *broken, const char *sentence)
{
	*rule = broken;
	*message = sentence;
	return false;
}

/* YYYY-MM-DD, as nearly all files have it */
static bool
is_plain(const UChar *at, int32_t length)
{
	return length == BIRTH_DATE_LENGTH && at[4] == '-' && at[7] == '-' &&
		is_digit(at[0]) && is_digit(at[1]) && is_digit(at[2]) && is_digit(at[3]) &&
		is_digit(at[5]) && is_digit(at[6]) && is_digit(at[8]) && is_digit(at[9]);
}

/* judges a date of the Gregorian calendar, and writes it */
static bool
put_date(int year, int month, int day, const Era *era, char text[BIRTH_DATE_LENGTH + 1],
		 const char **rule, const char **message)
{
	int			date;

	if (month < 1 || month > 12 || year < 1 || day < 1 || day > days_in_month(year, month))
		return refuse(rule, message, "birth_date_exists", "The birth date is not a day of the calendar.");
	date = year * 10000 + month * 100 + day;
	if (era && (date < era->first || date > era->last))
		return refuse(rule, message, "birth_date_era", "The birth date is not within its era.");
	if (year < 1868 || year > 2199)
		return refuse(rule, message, "birth_date_range", "The birth date is not between 1868 and 2199.");

	for (int k = 0; k < 4; k++, year /= 10)
		text[3 - k] = (char) ('0' + year % 10);
	text[4] = text[7] = '-';
	text[5] = (char) ('0' + month / 10);
	text[6] = (char) ('0' + month % 10);
	text[8] = (char) ('0' + day / 10);
	text[9] = (char) ('0' + day % 10);
	text[10] = '\0';
	return true;
}

bool
birth_date_parse(const UChar *at, int32_t length, char text[BIRTH_DATE_LENGTH + 1],
				 const char **rule, const char **message)
{
	static const char *const form_rule = "birth_date";
	static const char *const form_message = "The birth date is not a date such as 1950-01-02, 19500102, S25-01-02 or, in kanji, a date of an era.";
	const Era  *era = NULL;
	int32_t		i = 0;
	int32_t		digits;
	int			year,
				month,
				day;
	UChar		separator = 0;

	if (is_plain(at, length))
	{
		year = (at[0] - '0') * 1000 + (at[1] - '0') * 100 + (at[2] - '0') * 10 + (at[3] - '0');
		month = (at[5] - '0') * 10 + (at[6] - '0');
		day = (at[8] - '0') * 10 + (at[9] - '0');
		return put_date(year, month, day, NULL, text, rule, message);
	}
	/* it begins with the era, if with no digit */
	for (int e = 0; e < lengthof(eras) && length > 0 && !is_digit(at[0]); e++)
	{
		UChar		c = at[0];

		if (c == eras[e].letter || c == eras[e].letter - 'A' + 'a' || c == eras[e].kanji[0])
		{
			era = &eras[e];
			i = c == era->kanji[0] && length > 1 && at[1] == era->kanji[1] ? 2 : 1;
			break;
		}
	}
	for (digits = i; digits < length && is_digit(at[digits]);)
		digits++;
	digits -= i;

	if (i + digits == length && (digits == 8 || digits == 7 || digits == 6))
	{
		int			number = 0;

		/* YYYYMMDD; GYYMMDD with the era's number; YYMMDD after the era's letter */
		for (int32_t k = i; k < length; k++)
			number = number * 10 + (at[k] - '0');
		if (digits == 7 && era == NULL && number / 1000000 >= 1 && number / 1000000 <= 5)
		{
			era = &eras[number / 1000000 - 1];
			number %= 1000000;
		}
		else if ((digits == 8) != (era == NULL) || digits == 7)
			return refuse(rule, message, form_rule, form_message);
		year = number / 10000;
		month = number / 100 % 100;
		day = number % 100;
	}
	else
	{
		if (era && i < length && at[i] == 0x5143)	/* gannen */
		{
			year = 1;
			i++;
		}
		else
		{
			if (era == NULL && digits != 4)
				return refuse(rule, message, form_rule, form_message);
			year = take_number(at, length, &i, era ? 2 : 4);
		}
		if (year < 0 || !take_separator(at, length, &i, 0x5E74, &separator) ||
			(month = take_number(at, length, &i, 2)) < 0 ||
			!take_separator(at, length, &i, 0x6708, &separator) ||
			(day = take_number(at, length, &i, 2)) < 0)
			return refuse(rule, message, form_rule, form_message);
		if (separator == 1 && i < length && at[i] == 0x65E5)
			i++;
		if (i != length)
			return refuse(rule, message, form_rule, form_message);
	}
	if (era)
	{
		if (year < 1)
			return refuse(rule, message, form_rule, form_message);
		year += era->base;
	}
	return put_date(year, month, day, era, text, rule, message);
}
