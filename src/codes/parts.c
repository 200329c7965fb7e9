/*
 * parts.c
 *    What a code says by itself: prefixes, the prefecture, the fee table.
 *
 * These are also the transforms of permits: they never raise and never show
 * more than they are asked for.
 */
#include "postgres.h"

#include "base/compat.h"
#include "codes/pack.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(code_prefix);
PG_FUNCTION_INFO_V1(text_prefix);
PG_FUNCTION_INFO_V1(insurer_number_law);
PG_FUNCTION_INFO_V1(insurer_number_prefecture);
PG_FUNCTION_INFO_V1(institution_code_prefecture);
PG_FUNCTION_INFO_V1(institution_code_fee_table);
PG_FUNCTION_INFO_V1(receipt_code_system);

/* characters from (counted from 0) to the one before end */
static text *
part(int64 packed, int from, int end)
{
	char		value[CODE_MAX_LENGTH + 1];
	int			length = code_unpack(packed, value);

	end = Min(end, length);
	return cstring_to_text_with_len(value + from, Max(end - from, 0));
}

/* niji.prefix(code, length): the first characters; none for a length below one */
Datum
code_prefix(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(part(PG_GETARG_INT64(0), 0, Max(PG_GETARG_INT32(1), 0)));
}

Datum
text_prefix(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);
	char	   *bytes = VARDATA_ANY(value);
	int			wanted = Max(PG_GETARG_INT32(1), 0);

	PG_RETURN_TEXT_P(cstring_to_text_with_len(bytes,
											  pg_mbcharcliplen(bytes, VARSIZE_ANY_EXHDR(value), wanted)));
}

/* 法別番号 */
Datum
insurer_number_law(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(part(PG_GETARG_INT64(0), 0, 2));
}

Datum
insurer_number_prefecture(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(part(PG_GETARG_INT64(0), 2, 4));
}

Datum
institution_code_prefecture(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(part(PG_GETARG_INT64(0), 0, 2));
}

/* 点数表番号 */
Datum
institution_code_fee_table(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(part(PG_GETARG_INT64(0), 2, 3));
}

/* the code system that a receipt code belongs to, by its length and first digit */
Datum
receipt_code_system(PG_FUNCTION_ARGS)
{
	char		value[CODE_MAX_LENGTH + 1];

	switch (code_unpack(PG_GETARG_INT64(0), value))
	{
		case 4:
			PG_RETURN_TEXT_P(cstring_to_text("ssk-modifier"));
		case 7:
			PG_RETURN_TEXT_P(cstring_to_text("ssk-disease"));
		case 9:
			switch (value[0])
			{
				case '1':
					PG_RETURN_TEXT_P(cstring_to_text("ssk-procedure"));
				case '6':
					PG_RETURN_TEXT_P(cstring_to_text("ssk-drug"));
				case '7':
					PG_RETURN_TEXT_P(cstring_to_text("ssk-material"));
				case '8':
					PG_RETURN_TEXT_P(cstring_to_text("ssk-comment"));
			}
	}
	PG_RETURN_NULL();
}
