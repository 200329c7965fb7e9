/*
 * base64.c
 *    Base64 (RFC 4648, 4), strict: padded, one line, no stray bits.
 *
 * So that bytes have one text, and a text that was touched is not taken for
 * another one's.  Plain C: also compiled without a server.
 */
#ifdef NIJI_PLAIN
#include "trail/plain.h"
#else
#include "postgres.h"
#endif

#include "trail/base64.h"

static const char digits_of[] =
"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* 0x40: not a digit */
static uint8 values_of[256];
static bool ready = false;

static void
prepare(void)
{
	memset(values_of, 0x40, sizeof(values_of));
	for (int i = 0; i < 64; i++)
		values_of[(uint8) digits_of[i]] = (uint8) i;
	ready = true;
}

size_t
base64_encode(const uint8 *bytes, size_t length, char *out)
{
	size_t		n = 0;

	for (size_t i = 0; i < length; i += 3)
	{
		uint32		group = (uint32) bytes[i] << 16 |
		(i + 1 < length ? (uint32) bytes[i + 1] << 8 : 0) | (i + 2 < length ? bytes[i + 2] : 0);

		out[n++] = digits_of[group >> 18];
		out[n++] = digits_of[group >> 12 & 63];
		out[n++] = i + 1 < length ? digits_of[group >> 6 & 63] : '=';
		out[n++] = i + 2 < length ? digits_of[group & 63] : '=';
	}
	out[n] = '\0';
	return n;
}

int64
base64_decode(const char *text, size_t length, uint8 *out, size_t max)
{
	const uint8 *in = (const uint8 *) text;
	size_t		n = 0;
	int			digits = 4;

	if (!ready)
		prepare();
	if (length == 0 || length % 4 != 0)
		return -1;
	if (in[length - 1] == '=')
		digits = in[length - 2] == '=' ? 2 : 3;
	if (length / 4 * 3 - (4 - digits) > max)
		return -1;
	for (size_t i = 0; i < length; i += 4)
	{
		int			here = i + 4 == length ? digits : 4;
		uint8		a = values_of[in[i]];
		uint8		b = values_of[in[i + 1]];
		uint8		c = here > 2 ? values_of[in[i + 2]] : 0;
		uint8		d = here > 3 ? values_of[in[i + 3]] : 0;
		uint32		group;

		if ((a | b | c | d) & 0x40)
			return -1;
		group = (uint32) a << 18 | (uint32) b << 12 | (uint32) c << 6 | d;
		if ((here == 2 && (group & 0xffff) != 0) || (here == 3 && (group & 0xff) != 0))
			return -1;
		out[n++] = (uint8) (group >> 16);
		if (here > 2)
			out[n++] = (uint8) (group >> 8);
		if (here > 3)
			out[n++] = (uint8) group;
	}
	return (int64) n;
}
