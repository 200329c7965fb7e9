/*
 * identity_micro.c
 *    What normalisation and digests cost, without a server.
 *
 * micro: src/identity/normalize.c src/identity/canonical.c src/identity/fold.c src/identity/name.c src/identity/variants.c src/identity/birth_date.c src/identity/kdf.c
 *
 * Prints a line for each case: its name, a tab, nanoseconds of processor time
 * a call (the median of the rounds, which are interleaved).  bench/identity.sh
 * builds and runs it.
 */
#include "postgres.h"

#include <time.h>

#include "identity/kdf.h"
#include "identity/normalize.h"

#include "../test/fuzz/port.h"

/* the server's own are not here */
#undef qsort
#undef printf
#undef fprintf

#define ROUNDS 7
#define CALLS 200000

typedef struct Case
{
	const char *name;
	IdentifierRule rule;
	const char *text;			/* NULL: a digest */
	int			generations;
	double		times[ROUNDS];
} Case;

/* the names are of 22 to 24 bytes, as those of the baseline, and date and sex come on top */
static Case cases[] = {
	{"name, already normal: kana", RULE_NAME_BIRTH_SEX, "スズキイチロウコ|1950-01-02|1"},
	{"name, already normal: kanji", RULE_NAME_BIRTH_SEX, "山田太郎左衛門尉|1950-01-02|1"},
	{"name, dirty: half-width kana", RULE_NAME_BIRTH_SEX, "ﾔﾏﾀﾞ ﾀﾛｳ|S25.1.2|M"},
	{"name, dirty: hiragana, spaces, variants", RULE_NAME_BIRTH_SEX, "渡邉　みさをん子|1950/1/2|男"},
	{"name, dirty: compatibility ideographs", RULE_NAME_BIRTH_SEX, "\uFA19谷　\uFA1A太郞子|1950/1/2|男"},
	{"name, dirty: what only ICU can fold", RULE_NAME_BIRTH_SEX, "神谷　太郞㍿子|1950/1/2|男"},
	{"insured, already normal", RULE_INSURED, "06139992:12:34:01"},
	{"insured, full width", RULE_INSURED, "０６１３９９９２：１２：３４：０１"},
	{"patient, already normal", RULE_PATIENT, "0110113719:00012345"},
	{"hash", RULE_HASH, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
	{"digest of 20 characters, first generation", 0, NULL, 1},
	{"digest of 20 characters, two generations", 0, NULL, 2},
	{"digest of 20 characters, three generations", 0, NULL, 3},
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/* as digest_compute() does it */
static void
digest(KdfMac **macs, int generations, uint8 *out)
{
	static const uint8 head[] = "niji digest v1\0\0\0\4\0\0\0";
	static const uint8 canonical[] = "06139992:1234567:890";
	uint8		full[32];

	for (int generation = 0; generation < generations; generation++)
	{
		if (!(generation == 0 ? kdf_mac(macs[0], head, 22, canonical, 20, full) :
			  kdf_mac(macs[generation], out, 16, NULL, 0, full)))
			abort();
		memcpy(out, full, 16);
	}
}

int
main(void)
{
	static Identifier identifier;
	KdfMac	   *macs[3];
	uint8		out[16];

	for (int i = 0; i < 3; i++)
	{
		uint8		key[KDF_KEY_LENGTH] = {(uint8) i};

		macs[i] = kdf_mac_open(key);
		if (macs[i] == NULL)
			abort();
	}
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < lengthof(cases); i++)
		{
			Case	   *c = &cases[i];
			size_t		length = c->text ? strlen(c->text) : 0;
			double		start = now();

			for (int call = 0; call < CALLS; call++)
			{
				if (c->text == NULL)
				{
					digest(macs, c->generations, out);
					continue;
				}
				identifier_canonicalize(c->rule, identifier_rule_version(c->rule), c->text, length,
										&identifier);
				if (identifier.level == IDENTIFIER_ERROR && round == 0)
				{
					fprintf(stderr, "%s: %s\n", c->name, identifier.rule);
					return 1;
				}
			}
			c->times[round] = (now() - start) / CALLS;
		}
	for (int i = 0; i < lengthof(cases); i++)
	{
		qsort(cases[i].times, ROUNDS, sizeof(double), compare);
		printf("%s\t%.0f\n", cases[i].name, cases[i].times[ROUNDS / 2]);
	}
	for (int i = 0; i < 3; i++)
		kdf_mac_close(macs[i]);
	return 0;
}
