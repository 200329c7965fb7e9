/*
 * checkpoint.c
 *    Fuzz target: seals as text.
 *
 * What parses has its parts inside the text; its first three lines are what the
 * writer writes for the same origin, size and root; no garbage verifies.
 */
#define NIJI_PLAIN
#include "trail/base64.c"
#include "trail/checkpoint.c"
#include "trail/merkle.c"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int condition)
{
	if (!condition)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8 public_key[CHECKPOINT_PUBLIC_KEY_SIZE] = {1, 2, 3};
	const char *text = (const char *) data;
	Checkpoint	checkpoint;
	const char *error = NULL;
	char		origin[CHECKPOINT_MAX_ORIGIN + 1];
	char		body[CHECKPOINT_MAX_TEXT];
	size_t		length;

	if (!checkpoint_parse(text, size, &checkpoint, &error))
	{
		check(error != NULL);
		return 0;
	}
	check(checkpoint.body_length < size);
	check(checkpoint.count <= CHECKPOINT_MAX_SIGNATURES);
	memcpy(origin, checkpoint.origin, checkpoint.origin_length);
	origin[checkpoint.origin_length] = '\0';
	length = checkpoint_body(origin, checkpoint.size, checkpoint.root, body);
	check(length <= checkpoint.body_length);
	check(memcmp(text, body, length) == 0);
	for (int i = 0; i < checkpoint.count; i++)
	{
		const CheckpointSignature *s = &checkpoint.signatures[i];

		check(s->name >= text && s->name + s->name_length < text + size);
	}
	check(!checkpoint_verify(&checkpoint, text, origin, public_key));
	return 0;
}
