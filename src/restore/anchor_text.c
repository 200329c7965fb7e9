/*
 * anchor_text.c
 *    What an anchor says.  Plain C: also compiled without a server.
 */
#ifdef NIJI_PLAIN
#include "trail/plain.h"
#else
#include "postgres.h"
#endif

#include <errno.h>

#include "restore/anchor.h"

static AnchorState
unreadable(Anchor *anchor, const char *why)
{
	(void) snprintf(anchor->problem, sizeof(anchor->problem), "%s", why);
	return ANCHOR_UNREADABLE;
}

/* text is followed by a NUL */
AnchorState
anchor_parse(const char *text, size_t length, const char *origin, Anchor *anchor)
{
	const char *at;
	char	   *end;
	Checkpoint	checkpoint;
	const char *error;

	if (strlen(text) != length || strncmp(text, ANCHOR_FIRST_LINE, strlen(ANCHOR_FIRST_LINE)) != 0)
		return unreadable(anchor, "is not an anchor of this version of niji");
	at = text + strlen(ANCHOR_FIRST_LINE);
	if (*at < '0' || *at > '9')
		return unreadable(anchor, "has no number of decisions");
	errno = 0;
	anchor->decisions = strtoll(at, &end, 10);
	if (errno != 0 || strncmp(end, "\n\n", 2) != 0)
		return unreadable(anchor, "has no number of decisions");
	at = end + 2;
	if (*at == '\0')
		return ANCHOR_GOOD;
	if (!checkpoint_parse(at, strlen(at), &checkpoint, &error))
		return unreadable(anchor, "does not end in a seal");
	if (checkpoint.origin_length != strlen(origin) ||
		memcmp(checkpoint.origin, origin, checkpoint.origin_length) != 0)
		return unreadable(anchor, "is that of another trail");
	if (checkpoint.size > (uint64) PG_INT64_MAX)
		return unreadable(anchor, "does not end in a seal");
	anchor->size = (int64) checkpoint.size;
	memcpy(anchor->root, checkpoint.root, sizeof(anchor->root));
	return ANCHOR_GOOD;
}
