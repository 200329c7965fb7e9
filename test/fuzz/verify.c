/*
 * verify.c
 *    Fuzz target: the lines that niji-verify reads.
 *
 * What is decoded lies inside the space, which has as many bytes as the line;
 * what is there is what a line of its type cannot do without.
 *
 * seconds: 20
 */
#define NIJI_PLAIN
#include "../../tools/niji-verify/line.c"
#include "trail/base64.c"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int condition)
{
	if (!condition)
		abort();
}

static void
check_bytes(const Bytes *bytes, const uint8 *space, size_t size)
{
	uint8		sum = 0;

	if (bytes->data == NULL)
	{
		check(bytes->length == 0);
		return;
	}
	check(bytes->data >= space && bytes->data + bytes->length <= space + size);
	for (size_t i = 0; i < bytes->length; i++)
		sum ^= bytes->data[i];
	*(volatile uint8 *) &sum = sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8	   *space = malloc(size ? size : 1);
	static Line line;
	const char *error = NULL;
	bool		good;

	good = line_parse((const char *) data, size, space, &line, &error);
	check(good == (error == NULL));
	check(line.count >= 0 && line.count <= MERKLE_MAX_RANGE);
	if (good)
	{
		check_bytes(&line.origin, space, size);
		check_bytes(&line.verifier, space, size);
		check_bytes(&line.checkpoint, space, size);
		check_bytes(&line.leaf, space, size);
		check_bytes(&line.header, space, size);
		check_bytes(&line.private_hash, space, size);
		check_bytes(&line.salt, space, size);
		check_bytes(&line.private_part, space, size);
		check(line.leaf.data == NULL || line.leaf.length == MERKLE_HASH_SIZE);
		check(line.salt.data == NULL || line.salt.length == MERKLE_HASH_SIZE);
		check(line.private_hash.data == NULL || line.private_hash.length == MERKLE_HASH_SIZE);
		switch (line.type)
		{
			case LINE_TRAIL:
				check(line.origin.data && line.from >= 0 && line.from <= line.to && line.to < line.size);
				break;
			case LINE_SEAL:
				check(line.checkpoint.data != NULL);
				break;
			case LINE_ENTRY:
				check(line.seq >= 0 && line.header.data && (line.salt.data || line.private_hash.data));
				break;
			case LINE_CONSISTENCY:
				check(line.old_size > 0 && line.old_size <= line.new_size);
				break;
		}
	}
	free(space);
	return 0;
}
