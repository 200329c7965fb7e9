/*
 * command.c
 *    Running a shell command beside the writer, without waiting for it.
 *
 * What a command is given goes through a pipe, never into its text, so that no
 * content can be taken for shell.  The child does nothing between fork and exec
 * but system calls; it gets no file of the server but standard error, which is
 * the server's log.
 */
#include "postgres.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "trail/command.h"

static void
close_both(int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

pid_t
command_start(const char *command, const char *input, int *output)
{
	int			in[2];
	int			out[2] = {-1, -1};
	pid_t		pid;

	if (pipe(in) < 0)
		return -1;
	if (output && pipe(out) < 0)
	{
		close_both(in);
		return -1;
	}
	/* a pipe holds 64 kB, or 4 kB at the least; nobody waits for a reader */
	if (input && write(in[1], input, strlen(input)) != (ssize_t) strlen(input))
	{
		close_both(in);
		if (output)
			close_both(out);
		return -1;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0)
	{
		int			null = open("/dev/null", O_WRONLY);
		long		files = sysconf(_SC_OPEN_MAX);
		sigset_t	none;

		(void) setsid();
		if (dup2(in[0], 0) < 0 || dup2(output ? out[1] : null, 1) < 0)
			_exit(126);
		for (int fd = 3; fd < Min(files < 0 ? 1024 : files, 65536); fd++)
			close(fd);
		for (int i = 1; i < NSIG; i++)
			(void) signal(i, SIG_DFL);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execl("/bin/sh", "sh", "-c", command, (char *) NULL);
		_exit(127);
	}
	close_both(in);
	if (output)
	{
		close(out[1]);
		if (pid < 0)
			close(out[0]);
		else
			*output = out[0];
	}
	return pid;
}

void
command_kill(pid_t pid)
{
	/* its session is its process group; before it called setsid there is only itself */
	if (kill(-pid, SIGKILL) < 0)
		(void) kill(pid, SIGKILL);
}

int
command_read(const char *command, char *buffer, int size, int timeout_ms, const char **error)
{
	int			fd = -1;
	int			length = 0;
	int			status = 0;
	instr_time	start;
	pid_t		pid = command_start(command, NULL, &fd);

	*error = NULL;
	if (pid < 0)
	{
		*error = "could not be started";
		return -1;
	}
	INSTR_TIME_SET_CURRENT(start);
	for (;;)
	{
		struct pollfd wait = {fd, POLLIN, 0};
		instr_time	now;
		int			left;
		ssize_t		n;

		INSTR_TIME_SET_CURRENT(now);
		INSTR_TIME_SUBTRACT(now, start);
		left = timeout_ms - (int) INSTR_TIME_GET_MILLISEC(now);
		if (left <= 0)
		{
			*error = "took too long";
			break;
		}
		if (poll(&wait, 1, Min(left, 100)) <= 0)
			continue;
		if (length >= size - 1)
		{
			*error = "said too much";
			break;
		}
		n = read(fd, buffer + length, size - 1 - length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		length += n;
	}
	close(fd);
	/* it may have closed its output and live on */
	while (*error == NULL)
	{
		instr_time	now;
		pid_t		ended = waitpid(pid, &status, WNOHANG);

		if (ended == pid)
			break;
		INSTR_TIME_SET_CURRENT(now);
		INSTR_TIME_SUBTRACT(now, start);
		if ((ended < 0 && errno != EINTR) || (int) INSTR_TIME_GET_MILLISEC(now) > timeout_ms)
			*error = "took too long";
		else
			pg_usleep(5000);
	}
	if (*error)
	{
		command_kill(pid);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (*error == NULL && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
		*error = "failed";
	if (*error)
		return -1;
	buffer[length] = '\0';
	return length;
}
