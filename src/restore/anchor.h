/*
 * anchor.h
 *    The anchor: a file outside the database that tells how far it was.
 */
#ifndef NIJI_ANCHOR_H
#define NIJI_ANCHOR_H

#include "trail/checkpoint.h"

#define ANCHOR_MAX_TEXT 2048
#define ANCHOR_FIRST_LINE "niji anchor 1\ndecisions "

typedef enum
{
	ANCHOR_ABSENT,
	ANCHOR_UNREADABLE,			/* "problem" is a phrase that says why */
	ANCHOR_GOOD
} AnchorState;

typedef struct Anchor
{
	int64		decisions;		/* number of the newest decision that was handed out */
	int64		size;			/* of the newest seal; 0: none yet */
	uint8		root[CHECKPOINT_ROOT_SIZE];
	uint8		digest[32];		/* SHA-256 of the file */
	char		problem[160];
} Anchor;

/* its text, which a NUL follows: all of *anchor but the digest */
extern AnchorState anchor_parse(const char *text, size_t length, const char *origin, Anchor *anchor);

/* the anchor of the trail with this origin; digest is that of nothing when it is absent */
extern AnchorState anchor_read(const char *path, const char *origin, Anchor *anchor);

/* replaces it, on disk when this returns; seal: a checkpoint, or ""; digest: of what was written.  Raises */
extern void anchor_write(const char *path, int64 decisions, const char *seal, uint8 digest[32]);

#endif							/* NIJI_ANCHOR_H */
