/*
 * command.h
 *    Running a shell command beside the writer, without waiting for it.
 */
#ifndef NIJI_COMMAND_H
#define NIJI_COMMAND_H

/*
 * Starts "sh -c command" in a session of its own, with no other open file.
 * input: what it finds on standard input (short enough for a pipe), or NULL.
 * output: where its standard output can be read, or NULL for /dev/null.
 * Returns its pid, or -1 with errno.
 */
extern pid_t command_start(const char *command, const char *input, int *output);

/* takes it down with all that it started */
extern void command_kill(pid_t pid);

/*
 * Reads a command's output, at most size - 1 bytes, within a time.  Returns the
 * length, or -1 with a phrase in *error: it failed, said too much or took too long.
 */
extern int	command_read(const char *command, char *buffer, int size, int timeout_ms,
						 const char **error);

#endif							/* NIJI_COMMAND_H */
