/*
 * seals.c
 *    The keys, seals and proofs of consistency that were given.
 */
#include "seals.h"

#include "report.h"
#include "trail/checkpoint.h"

typedef struct Key
{
	char		name[CHECKPOINT_MAX_ORIGIN + 1];
	uint8		public_key[CHECKPOINT_PUBLIC_KEY_SIZE];
	bool		pinned;
	bool		used;
} Key;

typedef struct Proof
{
	int64		old_size;
	int64		new_size;
	int			count;
	uint8		(*hashes)[MERKLE_HASH_SIZE];
} Proof;

static Key *keys = NULL;
static int	nkeys = 0;
static bool pins = false;
static Seal *seals = NULL;
static int	nseals = 0;
static int	room = 0;
static Proof *proofs = NULL;
static int	nproofs = 0;
static char origin[CHECKPOINT_MAX_ORIGIN + 1] = "";

static void *
grow(void *old, int count, size_t size)
{
	return old ? repalloc(old, count * size) : palloc(count * size);
}

void
key_add(const char *verifier, size_t length, bool pinned)
{
	Key			key = {.pinned = pinned};

	if (!checkpoint_read_verifier(verifier, length, key.name, key.public_key))
		unusable("\"%.*s\" is not a verifier key (name+hash+base64)", (int) Min(length, 400), verifier);
	pins |= pinned;
	for (int i = 0; i < nkeys; i++)
		if (strcmp(keys[i].name, key.name) == 0 &&
			memcmp(keys[i].public_key, key.public_key, sizeof(key.public_key)) == 0)
		{
			keys[i].pinned |= pinned;
			return;
		}
	keys = grow(keys, nkeys + 1, sizeof(Key));
	keys[nkeys++] = key;
}

void
seal_add(const char *text, size_t length, const char *file)
{
	Checkpoint	checkpoint;
	const char *error;
	Seal		seal = {0};

	if (!checkpoint_parse(text, length, &checkpoint, &error))
		altered("%s: a seal is not a checkpoint: %s", file, error);
	if (checkpoint.size == 0 || checkpoint.size > (uint64) PG_INT64_MAX)
		altered("%s: a seal has the size %llu", file, (unsigned long long) checkpoint.size);
	if (origin[0] == '\0')
		memcpy(origin, checkpoint.origin, checkpoint.origin_length);
	else if (strlen(origin) != checkpoint.origin_length ||
			 memcmp(origin, checkpoint.origin, checkpoint.origin_length) != 0)
		altered("%s: the seal of size %llu is of another trail: \"%.*s\", not \"%s\"", file,
				(unsigned long long) checkpoint.size, (int) checkpoint.origin_length, checkpoint.origin, origin);
	seal.text = palloc(length);
	memcpy(seal.text, text, length);
	seal.length = length;
	seal.size = (int64) checkpoint.size;
	memcpy(seal.root, checkpoint.root, sizeof(seal.root));
	if (nseals == room)
	{
		room = room ? 2 * room : 64;
		seals = grow(seals, room, sizeof(Seal));
	}
	seals[nseals++] = seal;
}

void
proof_add(const Line *line, const char *file)
{
	Proof		proof = {line->old_size, line->new_size, line->count, NULL};

	if (line->count > MERKLE_MAX_PROOF)
		altered("%s: the proof from size %lld to %lld has too many hashes", file, (long long) line->old_size,
				(long long) line->new_size);
	proof.hashes = palloc(line->count * MERKLE_HASH_SIZE);
	memcpy(proof.hashes, line->hashes, line->count * MERKLE_HASH_SIZE);
	proofs = grow(proofs, nproofs + 1, sizeof(Proof));
	proofs[nproofs++] = proof;
}

static void
check_signature(const Seal *seal)
{
	Checkpoint	checkpoint;
	const char *error;

	if (!checkpoint_parse(seal->text, seal->length, &checkpoint, &error))
		altered("a seal is not a checkpoint: %s", error);
	for (int i = 0; i < nkeys; i++)
		if ((keys[i].pinned || !pins) &&
			checkpoint_verify(&checkpoint, seal->text, keys[i].name, keys[i].public_key))
		{
			keys[i].used = true;
			return;
		}
	altered("the seal of size %lld has no valid signature of %s", (long long) seal->size,
			pins ? "a key given with --key" : "a key that the files name");
}

static int
by_size(const void *a, const void *b)
{
	const Seal *x = a;
	const Seal *y = b;

	return x->size < y->size ? -1 : x->size > y->size;
}

static void
check_proof(const Proof *proof)
{
	Seal	   *older = seal_of_size(proof->old_size);
	Seal	   *newer = seal_of_size(proof->new_size);

	if (older == NULL || newer == NULL)
		unusable("there is a proof from size %lld to %lld, but no seal of size %lld",
				 (long long) proof->old_size, (long long) proof->new_size,
				 (long long) (older ? proof->new_size : proof->old_size));
	if (!merkle_verify_consistency((uint64) proof->old_size, (uint64) proof->new_size,
								   (const uint8 (*)[MERKLE_HASH_SIZE]) proof->hashes, proof->count,
								   older->root, newer->root))
		altered("the proof does not show that the trail sealed at size %lld begins with what was sealed at size %lld",
				(long long) proof->new_size, (long long) proof->old_size);
	seals_join(older, newer);
}

void
seals_check(void)
{
	int			n = 0;

	if (nseals == 0)
		unusable("no seal was given");
	if (nkeys == 0)
		unusable("no key was given: give the verifier key of the seals (niji.seals shows it) with --key");
	for (int i = 0; i < nseals; i++)
		check_signature(&seals[i]);
	qsort(seals, nseals, sizeof(Seal), by_size);
	for (int i = 0; i < nseals; i++)
	{
		if (n > 0 && seals[n - 1].size == seals[i].size)
		{
			if (memcmp(seals[n - 1].root, seals[i].root, MERKLE_HASH_SIZE) != 0)
				altered("two seals of size %lld contradict one another: there were two trails",
						(long long) seals[i].size);
			continue;
		}
		seals[n++] = seals[i];
	}
	nseals = n;
	for (int i = 0; i < nseals; i++)
		seals[i].group = i;
	for (int i = 0; i < nproofs; i++)
		check_proof(&proofs[i]);
}

int
seals_count(void)
{
	return nseals;
}

Seal *
seals_get(int i)
{
	return &seals[i];
}

Seal *
seal_of_size(int64 size)
{
	Seal		wanted = {.size = size};

	return nseals ? bsearch(&wanted, seals, nseals, sizeof(Seal), by_size) : NULL;
}

const char *
seals_origin(void)
{
	return origin;
}

static int
group_of(int i)
{
	while (seals[i].group != i)
	{
		seals[i].group = seals[seals[i].group].group;
		i = seals[i].group;
	}
	return i;
}

void
seals_join(Seal *a, Seal *b)
{
	int			x = group_of(a - seals);
	int			y = group_of(b - seals);

	seals[x].group = y;
}

void
seals_check_joined(void)
{
	for (int i = 1; i < nseals; i++)
		if (group_of(i) != group_of(i - 1))
			unusable("nothing shows that the trail sealed at size %lld begins with what was sealed at size %lld: "
					 "export_proof(%lld, %lld) is missing", (long long) seals[i].size,
					 (long long) seals[i - 1].size, (long long) seals[i - 1].size, (long long) seals[i].size);
}

void
keys_print(void)
{
	int			n = 0;

	for (int i = 0; i < nkeys; i++)
		if (keys[i].used)
		{
			uint8		hash[MERKLE_HASH_SIZE];

			merkle_sha256(keys[i].public_key, CHECKPOINT_PUBLIC_KEY_SIZE, NULL, 0, NULL, 0, hash);
			printf("%s SHA256:", n++ == 0 ? " by key" : " and");
			for (int j = 0; j < MERKLE_HASH_SIZE; j++)
				printf("%02x", hash[j]);
		}
	if (!pins)
		printf(" (which the files name themselves: compare it with the one that you know, or give that with --key)");
}
