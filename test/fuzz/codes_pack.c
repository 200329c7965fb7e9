/*
 * codes_pack.c
 *    Fuzz target: packing, prefixes and patterns of codes.
 *
 * fuzz: src/codes/pack.c
 *
 * What is accepted unpacks to a canonical text that packs to the same value;
 * integer order is text order; a prefix's range holds exactly the codes that
 * begin with it; LIKE agrees with a plain recursive matcher, and what matches a
 * pattern lies in the range of the pattern's fixed beginning.
 */
#include "postgres.h"

#include "codes/pack.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const CodeType *const types[] = {
	&code_type_icd10, &code_type_receipt_code, &code_type_insurer_number, &code_type_institution_code
};

static void
check(bool condition)
{
	if (!condition)
		abort();
}

static bool
like_plain(const char *t, size_t tn, const char *p, size_t pn)
{
	if (pn == 0)
		return tn == 0;
	if (*p == '%')
	{
		for (size_t i = 0; i <= tn; i++)
			if (like_plain(t + i, tn - i, p + 1, pn - 1))
				return true;
		return false;
	}
	if (*p == '\\')
		return pn > 1 && tn > 0 && *t == p[1] && like_plain(t + 1, tn - 1, p + 2, pn - 2);
	return tn > 0 && (*p == '_' || *p == *t) && like_plain(t + 1, tn - 1, p + 1, pn - 1);
}

/* the input: type, two candidates and a pattern, separated by 0xFF */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *part[3] = {"", "", ""};
	size_t		length[3] = {0, 0, 0};
	int64		packed[2];
	bool		ok[2];
	char		text[2][CODE_MAX_LENGTH + 1];
	const CodeType *type;
	int			n = 0;

	if (size < 2)
		return 0;
	type = types[data[0] % 4];
	part[0] = (const char *) data + 1;
	for (size_t i = 1; i < size && n < 3; i++)
	{
		if (data[i] == 0xFF)
		{
			if (++n < 3)
				part[n] = (const char *) data + i + 1;
		}
		else
			length[n]++;
	}
	for (int i = 0; i < 2; i++)
	{
		int64		again;
		int			unpacked;

		ok[i] = code_parse(type, part[i], length[i], &packed[i]);
		if (!ok[i])
			continue;
		check(packed[i] > 0 && packed[i] < CODE_END);
		unpacked = code_unpack(packed[i], text[i]);
		check(unpacked == (int) strlen(text[i]));
		check(code_parse(type, text[i], unpacked, &again) && again == packed[i]);
		(void) code_check(type, packed[i]);
	}
	if (ok[0] && ok[1])
	{
		int			order = strcmp(text[0], text[1]);

		check((order < 0) == (packed[0] < packed[1]) && (order == 0) == (packed[0] == packed[1]));
	}
	if (ok[0] && length[2] < 24)
	{
		char		begin[24];
		int64		low,
					high;
		bool		whole;
		size_t		nbegin = code_like_prefix(part[2], length[2], begin, &whole);
		bool		matches = code_like(text[0], strlen(text[0]), part[2], length[2]);

		check(matches == like_plain(text[0], strlen(text[0]), part[2], length[2]));
		check(nbegin <= length[2]);
		if (matches)
			check(code_prefix_range(begin, nbegin, &low, &high) && packed[0] >= low && packed[0] < high);
		if (whole)
			check(matches == (strncmp(text[0], begin, nbegin) == 0 && strnlen(begin, nbegin) == nbegin));
		if (code_prefix_range(part[2], length[2], &low, &high))
			check((packed[0] >= low && packed[0] < high) ==
				  (strlen(text[0]) >= length[2] && memcmp(text[0], part[2], length[2]) == 0));
	}
	return 0;
}
