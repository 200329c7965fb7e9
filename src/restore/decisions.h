/*
 * decisions.h
 *    What people decided, handed outside of the database while it is recorded.
 */
#ifndef NIJI_DECISIONS_H
#define NIJI_DECISIONS_H

/* SHA-256 of the trail's name: the salt under which the file's key is derived */
extern void decisions_salt(const char *origin, uint8 salt[32]);

/*
 * In the writer's transaction, with an active snapshot and within SPI: appends
 * what was decided since the snapshot that niji.outside keeps to the file, and
 * has it on disk; lines are numbered from after "number".  Returns the new
 * number, which is in niji.outside when the transaction commits.
 */
extern int64 decisions_hand_out(const char *path, const char *origin, int64 number);

#endif							/* NIJI_DECISIONS_H */
