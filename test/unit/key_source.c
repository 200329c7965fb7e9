/*
 * key_source.c
 *    Which key files are accepted, whoever owns them, and what a key's text may be.
 *
 * unit: src/identity/key_source.c
 */
#include "postgres.h"

#include "identity/key_source.h"

#include "../fuzz/port.h"

#undef printf
#undef sprintf

#undef strerror
#undef strerror_r

int
pg_vsnprintf(char *str, size_t count, const char *format, va_list args)
{
	return vsnprintf(str, count, format, args);
}

char *
pg_strerror(int number)
{
	return strerror(number);
}

static int	number = 0;
static int	failures = 0;

static void
ok(bool good, const char *name)
{
	number++;
	failures += !good;
	printf("%sok %d - %s\n", good ? "" : "not ", number, name);
}

#define KEY "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef"

static bool
parses(const char *text)
{
	uint8		key[KDF_KEY_LENGTH];

	return key_parse(text, strlen(text), key) == NULL && key[0] == 0 && key[1] == 0x11 && key[31] == 0xef;
}

int
main(void)
{
	const unsigned server = 105;

	printf("1..20\n");
	ok(key_file_allowed(server, 0600, server) == KEY_FILE_ALLOWED, "the server's own, 0600");
	ok(key_file_allowed(server, 0400, server) == KEY_FILE_ALLOWED, "the server's own, 0400");
	ok(key_file_allowed(server, 0640, server) == KEY_FILE_OPEN, "the server's own, but its group may read");
	ok(key_file_allowed(server, 0604, server) == KEY_FILE_OPEN, "the server's own, but others may read");
	ok(key_file_allowed(server, 0610, server) == KEY_FILE_OPEN, "the server's own, but its group may execute");
	ok(key_file_allowed(0, 0600, server) == KEY_FILE_ALLOWED, "root's, 0600");
	ok(key_file_allowed(0, 0640, server) == KEY_FILE_ALLOWED, "root's, 0640: the server is in its group");
	ok(key_file_allowed(0, 0440, server) == KEY_FILE_ALLOWED, "root's, 0440");
	ok(key_file_allowed(0, 0100640, server) == KEY_FILE_ALLOWED, "the file's type does not matter here");
	ok(key_file_allowed(0, 0660, server) == KEY_FILE_OPEN, "root's, but its group may write");
	ok(key_file_allowed(0, 0650, server) == KEY_FILE_OPEN, "root's, but its group may execute");
	ok(key_file_allowed(0, 0644, server) == KEY_FILE_OPEN, "root's, but others may read");
	ok(key_file_allowed(1000, 0600, server) == KEY_FILE_FOREIGN, "somebody else's");
	ok(key_file_allowed(0, 0640, 0) == KEY_FILE_OPEN, "a server that runs as root would own it");
	ok(parses(KEY), "64 digits");
	ok(parses(KEY "\n") && parses(KEY "\r\n"), "and a line end");
	ok(!parses(KEY "\n\n") && !parses(KEY " ") && !parses(" " KEY), "but nothing else");
	ok(!parses(KEY "0") && !parses("") && !parses("\n"), "neither more nor less");
	ok(parses("00112233445566778899AABBCCDDEEFF0123456789ABCDEF0123456789ABCDEF"), "capital digits");
	ok(!parses("4444444444444444444444444444444444444444444444444444444444444444"), "one byte repeated is no key");
	return failures > 0;
}
