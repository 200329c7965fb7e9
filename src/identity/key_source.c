/*
 * key_source.c
 *    Reading master keys from where niji.key_source says.
 *
 * All of this runs in a short-lived child (see keys.c), so that neither the
 * postmaster nor a backend opens key files or waits for a command.  A source
 * gives all of its generations or none: with a part of them, identifiers would
 * be digested under an old generation, and known people would be enrolled as
 * new.  No message holds anything that was read.
 */
#include "postgres.h"

#include "identity/key_source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* 64 digits, a line end of one or two bytes, and one more that shows it is too long */
#define KEY_TEXT_LENGTH (2 * KDF_KEY_LENGTH + 3)

#define EXIT_NO_SUCH_GENERATION 3

static void fail(KeyPage *page, const char *format,...) __attribute__((format(printf, 2, 3)));

static void
fail(KeyPage *page, const char *format,...)
{
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(page->message, sizeof(page->message), format, arguments);
	va_end(arguments);
	explicit_bzero(page->keys, sizeof(page->keys));
	page->count = 0;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

const char *
key_parse(const char *text, size_t length, uint8 key[KDF_KEY_LENGTH])
{
	bool		varies = false;

	if (length > 0 && text[length - 1] == '\n')
		length--;
	if (length > 0 && text[length - 1] == '\r')
		length--;
	if (length != 2 * KDF_KEY_LENGTH)
		return "does not have 64 hexadecimal digits and a line end";
	for (int i = 0; i < KDF_KEY_LENGTH; i++)
	{
		int			high = hex_value(text[2 * i]);
		int			low = hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return "has a character that is not a hexadecimal digit";
		key[i] = (uint8) (high << 4 | low);
		varies |= key[i] != key[0];
	}
	return varies ? NULL : "is one byte repeated, not a random key";
}

/* stores a key that was read; false, with a message, when it cannot be one */
static bool
take(KeyPage *page, int generation, const char *text, size_t length, const char *name)
{
	const char *wrong = key_parse(text, length, page->keys[generation - 1]);

	if (wrong)
	{
		fail(page, "%s %s", name, wrong);
		return false;
	}
	for (int g = 1; g < generation; g++)
		if (memcmp(page->keys[g - 1], page->keys[generation - 1], KDF_KEY_LENGTH) == 0)
		{
			fail(page, "%s is the same as the key of generation %d", name, g);
			return false;
		}
	page->count = generation;
	return true;
}

/* up to size bytes; -1 with errno on failure */
static ssize_t
read_all(int fd, char *buffer, size_t size)
{
	size_t		length = 0;

	while (length < size)
	{
		ssize_t		n = read(fd, buffer + length, size - length);

		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		length += n;
	}
	return length;
}

/* ---- file:DIRECTORY ---- */

/* as PostgreSQL judges the key of its TLS certificate: the server's user's own, or root's and then its group may read */
KeyFileVerdict
key_file_allowed(unsigned owner, unsigned mode, unsigned server)
{
	if (owner == server)
		return (mode & (S_IRWXG | S_IRWXO)) ? KEY_FILE_OPEN : KEY_FILE_ALLOWED;
	if (owner == 0)
		return (mode & (S_IWGRP | S_IXGRP | S_IRWXO)) ? KEY_FILE_OPEN : KEY_FILE_ALLOWED;
	return KEY_FILE_FOREIGN;
}

/* whether "N.key" with N beyond last is in the directory: then a generation between them is missing */
static int
generation_beyond(DIR *dir, int last)
{
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL)
	{
		const char *p = entry->d_name;
		long		number = 0;

		if (*p < '1' || *p > '9')
			continue;
		while (*p >= '0' && *p <= '9' && number < 1000000)
			number = number * 10 + (*p++ - '0');
		if (strcmp(p, ".key") == 0 && number > last)
			return (int) number;
	}
	return 0;
}

static void
read_directory(const char *directory, KeyPage *page)
{
	DIR		   *dir = opendir(directory);
	int			beyond;

	if (dir == NULL)
	{
		fail(page, "could not open key directory \"%s\": %s", directory, strerror(errno));
		return;
	}
	for (int generation = 1; generation <= KEY_GENERATIONS_MAX; generation++)
	{
		char		path[MAXPGPATH];
		char		name[MAXPGPATH + 16];
		char		text[KEY_TEXT_LENGTH];
		struct stat status;
		KeyFileVerdict verdict;
		ssize_t		length;
		bool		taken;
		int			fd;

		snprintf(path, sizeof(path), "%s/%d.key", directory, generation);
		snprintf(name, sizeof(name), "key file \"%s\"", path);
		/* O_NONBLOCK: a pipe in a key's place must not hold up the start */
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
		if (fd < 0 && errno == ENOENT)
			break;
		if (fd < 0 || fstat(fd, &status) < 0)
		{
			fail(page, "could not open %s: %s", name, strerror(errno));
			closedir(dir);
			return;
		}
		verdict = key_file_allowed(status.st_uid, status.st_mode, geteuid());
		if (!S_ISREG(status.st_mode))
			fail(page, "%s is not a regular file", name);
		else if (verdict == KEY_FILE_FOREIGN)
			fail(page, "%s is not owned by the server's user or root", name);
		else if (verdict == KEY_FILE_OPEN)
			fail(page, "%s may be used by others: its mode is %04o; it should be 0600 or 0400 if owned by the server's user, or 0640 or 0440 if owned by root",
				 name, (unsigned) (status.st_mode & 07777));
		else
		{
			length = read_all(fd, text, sizeof(text));
			if (length < 0)
				fail(page, "could not read %s: %s", name, strerror(errno));
			else
			{
				taken = take(page, generation, text, length, name);
				explicit_bzero(text, sizeof(text));
				if (taken)
				{
					close(fd);
					continue;
				}
			}
		}
		close(fd);
		closedir(dir);
		return;
	}
	beyond = generation_beyond(dir, page->count);
	closedir(dir);
	if (beyond > KEY_GENERATIONS_MAX && page->count == KEY_GENERATIONS_MAX)
		fail(page, "key directory \"%s\" has more than %d generations", directory, KEY_GENERATIONS_MAX);
	else if (beyond > 0)
		fail(page, "key directory \"%s\" has %d.key but not %d.key: digests need every generation",
			 directory, beyond, page->count + 1);
	else if (page->count == 0)
		fail(page, "key directory \"%s\" has no 1.key", directory);
}

/* ---- command:COMMAND ---- */

/* the command line with %g = generation and %% = %; false when it is too long */
static bool
expand_command(const char *command, int generation, char *out, size_t size)
{
	size_t		length = 0;

	for (const char *p = command; *p; p++)
	{
		char		number[16];
		const char *piece = number;
		size_t		n = 1;

		if (p[0] == '%' && p[1] == 'g')
		{
			n = snprintf(number, sizeof(number), "%d", generation);
			p++;
		}
		else
		{
			if (p[0] == '%' && p[1] == '%')
				p++;
			number[0] = *p;
		}
		if (length + n >= size)
			return false;
		memcpy(out + length, piece, n);
		length += n;
	}
	out[length] = '\0';
	return true;
}

/* in the grandchild: becomes the command, with nothing of the server's but its environment */
static void
become_command(const char *command, int output)
{
	int			null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
		dup2(null, STDERR_FILENO) < 0)	/* what it says may hold secrets */
		_exit(127);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
	closefrom(3);
#else
	{
		long		most = sysconf(_SC_OPEN_MAX);

		if (most < 0 || most > 65536)
			most = 65536;
		for (int fd = 3; fd < most; fd++)
			close(fd);
	}
#endif
	execl("/bin/sh", "sh", "-c", command, (char *) NULL);
	_exit(127);
}

static void
read_command(const char *command, KeyPage *page)
{
	for (int generation = 1; generation <= KEY_GENERATIONS_MAX + 1; generation++)
	{
		char		line[8192];
		char		text[KEY_TEXT_LENGTH];
		char		name[64];
		int			pipes[2];
		ssize_t		length;
		bool		taken;
		pid_t		pid;
		int			status;

		if (!expand_command(command, generation, line, sizeof(line)))
		{
			fail(page, "the key command is too long");
			return;
		}
		if (pipe(pipes) < 0)
		{
			fail(page, "could not make a pipe for the key command: %s", strerror(errno));
			return;
		}
		pid = fork();
		if (pid == 0)
			become_command(line, pipes[1]);
		close(pipes[1]);
		if (pid < 0)
		{
			close(pipes[0]);
			fail(page, "could not start the key command: %s", strerror(errno));
			return;
		}
		length = read_all(pipes[0], text, sizeof(text));
		close(pipes[0]);		/* one that writes more than a key is ended by SIGPIPE */
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_SUCH_GENERATION)
		{
			explicit_bzero(text, sizeof(text));
			if (page->count == 0)
				fail(page, "the key command has no key of generation 1 (exit status %d)",
					 EXIT_NO_SUCH_GENERATION);
			return;
		}
		snprintf(name, sizeof(name), "output of the key command for generation %d", generation);
		if (length == sizeof(text))
			fail(page, "%s is longer than 64 hexadecimal digits and a line end", name);
		else if (WIFSIGNALED(status))
			fail(page, "the key command for generation %d was ended by signal %d", generation,
				 WTERMSIG(status));
		else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			fail(page, "the key command for generation %d failed with exit status %d", generation,
				 WEXITSTATUS(status));
		else if (length < 0)
			fail(page, "could not read the %s", name);
		else if (generation > KEY_GENERATIONS_MAX)
			fail(page, "the key command has more than %d generations", KEY_GENERATIONS_MAX);
		else
		{
			taken = take(page, generation, text, length, name);
			explicit_bzero(text, sizeof(text));
			if (taken)
				continue;
			return;
		}
		explicit_bzero(text, sizeof(text));
		return;
	}
}

void
key_source_read(const char *source, KeyPage *page)
{
	page->count = 0;
	page->message[0] = '\0';
	if (source == NULL || source[0] == '\0')
		fail(page, "niji.key_source is not set");
	else if (strncmp(source, "file:", 5) == 0)
		read_directory(source + 5, page);
	else if (strncmp(source, "command:", 8) == 0)
		read_command(source + 8, page);
	else
		fail(page, "niji.key_source is neither \"file:\" nor \"command:\"");
	page->complete = 1;
}
