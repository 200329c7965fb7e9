/*
 * anchor.c
 *    Fuzz target: the anchor that tells how far a database was.
 *
 * What is taken has numbers that are not negative, ends in nothing or in a
 * seal of this very trail, and says nothing of it when it is not taken.
 */
#define NIJI_PLAIN
#include "restore/anchor_text.c"
#include "trail/base64.c"
#include "trail/checkpoint.c"
#include "trail/merkle.c"

#define ORIGIN "niji/1/2/0123456789abcdef0123456789abcdef"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = malloc(size + 1);
	Anchor		anchor;
	AnchorState state;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	memset(&anchor, 0, sizeof(anchor));
	state = anchor_parse(text, size, ORIGIN, &anchor);
	if (state == ANCHOR_ABSENT || (state == ANCHOR_UNREADABLE) != (anchor.problem[0] != '\0') ||
		anchor.decisions < 0 || anchor.size < 0 || memchr(anchor.problem, '\0', sizeof(anchor.problem)) == NULL)
		abort();
	if (state == ANCHOR_GOOD && anchor.size > 0 && strstr(text, ORIGIN) == NULL)
		abort();
	free(text);
	return 0;
}
