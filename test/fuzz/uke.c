/*
 * uke.c
 *    Fuzzing the reader of claims files: nothing is read outside of the file,
 *    each line that is not blank is reported once and in order, with its own
 *    bytes, and no reason quotes the file.
 *
 * fuzz: src/intake/uke.c
 */
#include "postgres.h"

#include "intake/uke.h"
#include "port.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Check
{
	const uint8 *data;
	size_t		length;
	uint32		line;
	size_t		reported;
	const uint8 *reached;
} Check;

#define require(condition) do { if (!(condition)) abort(); } while (0)

static void
check_record(void *arg, UkeRecord *record)
{
	Check	   *check = arg;
	size_t		together = 0;

	require(memchr(record->reason, '\0', sizeof(record->reason)) != NULL);
	if (record->whole_file)
	{
		require(record->reason[0] != '\0');
		return;
	}
	require(record->line > check->line);
	check->line = record->line;
	require(record->raw >= check->reached && record->raw + record->raw_length <= check->data + check->length);
	check->reached = record->raw + record->raw_length;
	check->reported += record->raw_length;
	require(record->nfields >= 1 && record->nfields <= UKE_MAX_FIELDS);
	for (int i = 0; i < record->nfields; i++)
	{
		require(record->fields[i].data >= record->raw);
		require(record->fields[i].data + record->fields[i].length <= check->reached);
		together += record->fields[i].length + 1;
	}
	require(together <= record->raw_length + 1);
	require(record->reason[0] != '\0' || together == record->raw_length + 1);
	require(record->reason[0] != '\0' || uke_bad_byte(record->raw, record->raw_length) == 0);
}

static void
check_second(void *arg, UkeRecord *record)
{
	/* refuse one record in eight, as the decoder might */
	if (record->line % 8 == 3)
		strlcpy(record->reason, "refused", sizeof(record->reason));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Check		check = {data, size, 0, 0, data};
	size_t		expected = 0;
	int			year,
				month,
				day;

	uke_parse(data, size, size % 2 ? check_second : NULL, check_record, &check);

	/* all bytes but line ends and what follows the last record */
	if (check.line > 0)
	{
		size_t		end = size;

		while (end > 0 && (data[end - 1] == 0x1A || data[end - 1] == '\r' || data[end - 1] == '\n'))
			end--;
		for (size_t i = 0; i < end; i++)
			if (data[i] != '\n' && !(data[i] == '\r' && i + 1 < end && data[i + 1] == '\n'))
				expected++;
		require(check.reported == expected);
	}
	if (uke_parse_date(data, size, &year, &month, &day))
		require(day >= 1 && day <= uke_month_days(year, month));
	if (uke_parse_month(data, size, &year, &month))
		require(month >= 1 && month <= 12);
	return 0;
}
