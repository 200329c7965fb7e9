/*
 * decisions.c
 *    The file of decisions: consents, their voiding, rules and ended overrides,
 *    as they are recorded.
 *
 *    <number> <base64 of sealed bytes> LF
 *
 * Sealed (identity/sealed.h, use "decisions") is the JSON of one decision,
 * bound to the trail's name and the number.  It names the person by number and
 * by digests of identifiers, since after a restore numbers may be given away
 * anew.
 *
 * What is new is what the present snapshot sees and the last one, which
 * niji.outside keeps, did not: so nothing is left out when transactions commit
 * in another order than they began.  The lines are on disk before the snapshot
 * moves on; should that fail in between, they are written twice, and reading
 * them passes over what is known.  Nobody waits for this: what was decided in
 * the last second before a disaster may be missing.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/duty.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "identity/keys.h"
#include "identity/number.h"
#include "identity/sealed.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "restore/decisions.h"
#include "storage/fd.h"
#include "trail/base64.h"
#include "trail/merkle.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(decisions_in);
PG_FUNCTION_INFO_V1(decisions_person);

#define FETCH_ROWS 1000
#define LINE_MAX_BYTES (1024 * 1024)
#define SEALED_USE "decisions"

void
decisions_salt(const char *origin, uint8 salt[32])
{
	merkle_sha256(origin, strlen(origin), NULL, 0, NULL, 0, salt);
}

/* name and number, to which a line is bound */
static uint8 *
bound_bytes(const char *origin, int64 number, Size *length)
{
	Size		n = strlen(origin);
	uint64		big = pg_hton64((uint64) number);
	uint8	   *bytes = palloc(n + sizeof(big));

	memcpy(bytes, origin, n);
	memcpy(bytes + n, &big, sizeof(big));
	*length = n + sizeof(big);
	return bytes;
}

/* ---- writing ---- */

static void
put_line(StringInfo out, const char *origin, int generation, const uint8 salt[32], int64 number,
		 const char *json)
{
	Size		bound_length;
	uint8	   *bound = bound_bytes(origin, number, &bound_length);
	Size		length = strlen(json);
	uint8	   *sealed = palloc(length + SEALED_OVERHEAD);
	char	   *text = palloc(BASE64_LENGTH(length + SEALED_OVERHEAD) + 1);
	size_t		written;

	sealed_make(generation, SEALED_USE, salt, bound, bound_length, (const uint8 *) json, length, sealed);
	written = base64_encode(sealed, length + SEALED_OVERHEAD, text);
	appendStringInfo(out, INT64_FORMAT " ", number);
	appendBinaryStringInfo(out, text, (int) written);
	appendStringInfoChar(out, '\n');
	pfree(bound);
	pfree(sealed);
	pfree(text);
}

static int
open_file(const char *path)
{
	struct stat st;
	char		last;
	int			fd = OpenTransientFilePerm(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | PG_BINARY,
										   S_IRUSR | S_IWUSR);

	if (fd < 0 || fstat(fd, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));

	/* a line that was torn ends here */
	if (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n' &&
		write(fd, "\n", 1) != 1)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", path)));
	return fd;
}

static void
append(int fd, const char *path, StringInfo lines)
{
	int			done = 0;

	while (done < lines->len)
	{
		ssize_t		n = write(fd, lines->data + done, lines->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
		{
			if (n == 0)
				errno = ENOSPC;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write file \"%s\": %m", path)));
		}
		done += n;
	}
}

int64
decisions_hand_out(const char *path, const char *origin, int64 number)
{
	Portal		portal;
	SPIPlanPtr	plan;
	int			fd = -1;
	int			generation = 0;
	uint8		salt[32];
	StringInfoData lines;
	Oid			types[2] = {INT8OID, TEXTOID};
	Datum		values[2];

	/* all by one snapshot: the active one, which read_only keeps */
	if (SPI_execute("select pg_catalog.pg_current_snapshot()::text", true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "niji could not read its snapshot");
	values[1] = CStringGetTextDatum(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
	decisions_salt(origin, salt);
	initStringInfo(&lines);
	plan = SPI_prepare("select decision from niji.new_decisions()", 0, NULL);
	if (plan == NULL)
		elog(ERROR, "niji could not read its decisions");
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		if (fd < 0)
		{
			fd = open_file(path);
			generation = key_current_generation();
		}
		resetStringInfo(&lines);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			char	   *json = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);

			put_line(&lines, origin, generation, salt, ++number, json);
			pfree(json);
		}
		SPI_freetuptable(SPI_tuptable);
		append(fd, path, &lines);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(portal);
	pfree(lines.data);
	if (fd >= 0)
	{
		if (pg_fsync(fd) != 0 || CloseTransientFile(fd) != 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not flush file \"%s\": %m", path)));
	}
	values[0] = Int64GetDatum(number);
	if (SPI_execute_with_args("update niji.outside set decisions = $1, seen = $2::pg_catalog.pg_snapshot", 2, types, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "niji could not move the place of its decisions on");
	return number;
}

/* ---- reading ---- */

/* the decision of a line, or NULL when it is none (number: 0), is not after what was asked for or cannot be opened */
static char *
open_line(char *line, const char *origin, const uint8 salt[32], int64 after, int64 *number)
{
	char	   *end;
	uint8	   *sealed;
	int64		length;
	uint8	   *bound;
	Size		bound_length;
	char	   *json = NULL;

	errno = 0;
	*number = strtoll(line, &end, 10);
	if (errno != 0 || end == line || *end != ' ' || *number <= 0)
	{
		*number = 0;
		return NULL;
	}
	if (*number <= after)
		return NULL;
	end++;
	sealed = palloc(strlen(end) / 4 * 3 + 1);
	length = base64_decode(end, strlen(end), sealed, strlen(end) / 4 * 3);
	if (length > SEALED_OVERHEAD)
	{
		bound = bound_bytes(origin, *number, &bound_length);
		json = palloc(length - SEALED_OVERHEAD + 1);
		if (sealed_open(SEALED_USE, salt, bound, bound_length, sealed, length, (uint8 *) json))
			json[length - SEALED_OVERHEAD] = '\0';
		else
			json = NULL;
	}
	pfree(sealed);
	return json;
}

/* niji.decisions_in(file text, origin text, after bigint) returns setof (number, decision) */
Datum
decisions_in(PG_FUNCTION_ARGS)
{
	char	   *path = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *origin = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int64		after = PG_GETARG_INT64(2);
	ReturnSetInfo *result;
	MemoryContext each;
	uint8		salt[32];
	FILE	   *file;
	StringInfoData line;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	decisions_salt(origin, salt);
	each = AllocSetContextCreate(CurrentMemoryContext, "niji decisions", ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&line);
	file = AllocateFile(path, PG_BINARY_R);
	if (file == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));
	for (;;)
	{
		int			c = getc(file);
		bool		ends = c == EOF || c == '\n';

		if (!ends)
		{
			if (line.len < LINE_MAX_BYTES)
				appendStringInfoChar(&line, c == '\0' ? ' ' : (char) c);
			continue;
		}
		if (line.len > 0)
		{
			MemoryContext old = MemoryContextSwitchTo(each);
			int64		number;
			char	   *json = open_line(line.data, origin, salt, after, &number);
			Datum		values[2];
			bool		nulls[2] = {number == 0, json == NULL};

			values[0] = Int64GetDatum(number);
			values[1] = json ? DirectFunctionCall1(jsonb_in, CStringGetDatum(json)) : (Datum) 0;
			if (number > after || number == 0)
				tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
			MemoryContextSwitchTo(old);
			MemoryContextReset(each);
			CHECK_FOR_INTERRUPTS();
		}
		resetStringInfo(&line);
		if (c == EOF)
			break;
	}
	if (ferror(file))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", path)));
	FreeFile(file);
	MemoryContextDelete(each);
	return (Datum) 0;
}

/* niji.decisions_person() returns niji.person: a number that nobody has had; internal, so without a duty */
Datum
decisions_person(PG_FUNCTION_ARGS)
{
	int32		person;

	number_draw(1, &person);
	PG_RETURN_INT32(person);
}
