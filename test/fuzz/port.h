/*
 * port.h
 *    What the server's libpgport would give a file that is fuzzed without it.
 */
#ifndef NIJI_FUZZ_PORT_H
#define NIJI_FUZZ_PORT_H

#undef vsnprintf

int
pg_snprintf(char *str, size_t count, const char *format,...)
{
	va_list		args;
	int			result;

	va_start(args, format);
	result = vsnprintf(str, count, format, args);
	va_end(args);
	return result;
}

size_t
strlcpy(char *into, const char *from, size_t size)
{
	size_t		length = strlen(from);

	if (size > 0)
	{
		size_t		n = length < size - 1 ? length : size - 1;

		memcpy(into, from, n);
		into[n] = '\0';
	}
	return length;
}

#endif							/* NIJI_FUZZ_PORT_H */
