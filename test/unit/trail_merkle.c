/*
 * trail_merkle.c
 *    The Merkle tree, seals and commitments against what others published:
 *    the trees of RFC 6962's implementation (which RFC 9162 did not change),
 *    Ed25519 of RFC 8032, a verifier key of signed notes; commitments against OpenSSL's HMAC.
 *
 * The files are compiled as they are for niji-verify, without the server's headers.
 */
#define NIJI_PLAIN
#include "trail/base64.c"
#include "trail/checkpoint.c"
#include "trail/commitment.c"
#include "trail/merkle.c"

#define LEAVES 70

static int	number = 0;
static int	failures = 0;
static uint8 leaves[LEAVES][MERKLE_HASH_SIZE];
static uint64 asked;			/* leaf that is asked for next, in a range */

static void
ok(bool good, const char *name)
{
	number++;
	failures += !good;
	printf("%sok %d - %s\n", good ? "" : "not ", number, name);
}

static void
unhex(const char *hex, uint8 *out)
{
	for (size_t i = 0; hex[2 * i]; i++)
	{
		unsigned	byte;

		sscanf(hex + 2 * i, "%2x", &byte);
		out[i] = (uint8) byte;
	}
}

static bool
is(const uint8 *hash, const char *hex)
{
	uint8		expected[128];

	unhex(hex, expected);
	return memcmp(hash, expected, strlen(hex) / 2) == 0;
}

static bool
node(void *arg, int height, uint64 index, uint8 hash[MERKLE_HASH_SIZE])
{
	uint8		left[MERKLE_HASH_SIZE];
	uint8		right[MERKLE_HASH_SIZE];

	if (height == 0)
	{
		if (index >= LEAVES)
			return false;
		memcpy(hash, leaves[index], MERKLE_HASH_SIZE);
		return true;
	}
	if (!node(arg, height - 1, 2 * index, left) || !node(arg, height - 1, 2 * index + 1, right))
		return false;
	merkle_node(left, right, hash);
	return true;
}

/* the definition, without any cleverness */
static void
plain_root(uint64 start, uint64 n, uint8 hash[MERKLE_HASH_SIZE])
{
	uint64		k = 1;
	uint8		left[MERKLE_HASH_SIZE];
	uint8		right[MERKLE_HASH_SIZE];

	if (n == 1)
	{
		memcpy(hash, leaves[start], MERKLE_HASH_SIZE);
		return;
	}
	while (k * 2 < n)
		k *= 2;
	plain_root(start, k, left);
	plain_root(start + k, n - k, right);
	merkle_node(left, right, hash);
}

static bool
leaf_in_order(void *arg, int height, uint64 index, uint8 hash[MERKLE_HASH_SIZE])
{
	if (height != 0 || index != asked)
		return false;
	asked++;
	return node(arg, height, index, hash);
}

/* the eight leaves that certificate transparency tests with */
static void
published_trees(void)
{
	static const char *const data[] = {"", "00", "10", "2021", "3031", "40414243", "5051525354555657",
	"606162636465666768696a6b6c6d6e6f"};
	static const char *const roots[] = {
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
	"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
	uint8		root[MERKLE_HASH_SIZE];
	uint8		proof[MERKLE_MAX_PROOF][MERKLE_HASH_SIZE];
	bool		good = true;
	int			count;

	merkle_root(node, NULL, 0, root);
	ok(is(root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), "the empty tree");
	for (int i = 0; i < 8; i++)
	{
		uint8		bytes[16];

		unhex(data[i], bytes);
		merkle_leaf(bytes, strlen(data[i]) / 2, leaves[i]);
	}
	for (int n = 1; n <= 8; n++)
		good &= merkle_root(node, NULL, n, root) && is(root, roots[n - 1]);
	ok(good, "the published roots of one to eight leaves");
	count = merkle_inclusion(node, NULL, 5, 8, proof);
	ok(count == 3 && is(proof[0], "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b") &&
	   is(proof[1], "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0") &&
	   is(proof[2], "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
	   "the published inclusion proof of the sixth of eight leaves");
	count = merkle_consistency(node, NULL, 6, 8, proof);
	ok(count == 3 && is(proof[0], "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a") &&
	   is(proof[1], "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0") &&
	   is(proof[2], "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
	   "the published consistency proof between six and eight leaves");
}

static void
all_small_trees(void)
{
	bool		roots = true;
	bool		inclusion = true;
	bool		others = true;
	bool		consistency = true;
	bool		ranges = true;
	bool		wrong_ranges = true;

	for (int i = 0; i < LEAVES; i++)
		merkle_leaf((uint8 *) &i, sizeof(i), leaves[i]);
	for (int size = 1; size <= LEAVES; size++)
	{
		uint8		root[MERKLE_HASH_SIZE];
		uint8		plain[MERKLE_HASH_SIZE];
		uint8		proof[MERKLE_MAX_RANGE][MERKLE_HASH_SIZE];

		plain_root(0, size, plain);
		roots &= merkle_root(node, NULL, size, root) && memcmp(root, plain, sizeof(root)) == 0;
		for (int i = 0; i < size; i++)
		{
			int			count = merkle_inclusion(node, NULL, i, size, proof);
			const uint8 (*p)[MERKLE_HASH_SIZE] = (const uint8 (*)[MERKLE_HASH_SIZE]) proof;

			inclusion &= merkle_verify_inclusion(leaves[i], i, size, p, count, root);
			others &= size == 1 || (!merkle_verify_inclusion(leaves[(i + 1) % size], i, size, p, count, root) &&
									!merkle_verify_inclusion(leaves[i], (i + 1) % size, size, p, count, root) &&
									!merkle_verify_inclusion(leaves[i], i, size, p, count - 1, root));
			for (int end = i + 1; end <= size; end++)
			{
				uint8		made[MERKLE_HASH_SIZE];
				int			n = merkle_range(node, NULL, i, end, size, proof);

				asked = i;
				ranges &= n >= 0 && merkle_range_root(leaf_in_order, NULL, i, end, size, p, n, made) &&
					asked == (uint64) end && memcmp(made, root, sizeof(made)) == 0;
				asked = i;
				wrong_ranges &= n == 0 || !merkle_range_root(leaf_in_order, NULL, i, end, size, p, n - 1, made);
				asked = i;
				wrong_ranges &= !merkle_range_root(leaf_in_order, NULL, i, end, size, p, n + 1, made);
			}
		}
		for (int old = 1; old <= size; old++)
		{
			uint8		old_root[MERKLE_HASH_SIZE];
			int			count = merkle_consistency(node, NULL, old, size, proof);
			const uint8 (*p)[MERKLE_HASH_SIZE] = (const uint8 (*)[MERKLE_HASH_SIZE]) proof;

			plain_root(0, old, old_root);
			consistency &= merkle_verify_consistency(old, size, p, count, old_root, root);
			old_root[7] ^= 1;
			consistency &= !merkle_verify_consistency(old, size, p, count, old_root, root);
		}
	}
	ok(roots, "roots of up to 70 leaves are those of the definition");
	ok(inclusion, "inclusion proofs of all of them verify");
	ok(others, "and not for another leaf, at another place, or shortened");
	ok(consistency, "consistency proofs between all sizes verify, and not with another root");
	ok(ranges, "all ranges of leaves give the root with the nodes beside them");
	ok(wrong_ranges, "but not with one less or one more");
}

static void
signatures(void)
{
	/* RFC 8032, 7.1, test 3 */
	static const char secret[] = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7";
	static const char public_hex[] = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
	static const char signed_hex[] = "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";
	/* a note of C2SP signed-note's page, and golang.org/x/mod's key PeterNeumann */
	static const char note_key[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
	uint8		private_key[32];
	uint8		public_key[32];
	uint8		parsed[32];
	uint8		signature[64];
	uint8		message[2] = {0xaf, 0x82};
	size_t		length = 64;
	char		name[CHECKPOINT_MAX_ORIGIN + 1];
	char		verifier[CHECKPOINT_MAX_VERIFIER];
	char		body[CHECKPOINT_MAX_TEXT];
	char		text[CHECKPOINT_MAX_TEXT];
	uint8		root[32] = {1, 2, 3};
	Checkpoint	checkpoint;
	const char *error;
	EVP_PKEY   *key;
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	unhex(secret, private_key);
	unhex(public_hex, public_key);
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, 32);
	EVP_DigestSignInit(context, NULL, NULL, NULL, key);
	EVP_DigestSign(context, signature, &length, message, 2);
	ok(is(signature, signed_hex), "Ed25519 signs as RFC 8032 says");
	EVP_MD_CTX_reset(context);

	ok(checkpoint_read_verifier(note_key, strlen(note_key), name, parsed) && strcmp(name, "PeterNeumann") == 0,
	   "a published verifier key is read, and its hash is right");
	checkpoint_verifier(name, parsed, verifier);
	ok(strcmp(verifier, note_key) == 0, "and written as it was");
	ok(!checkpoint_read_verifier("PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", strlen(note_key), name, parsed) &&
	   !checkpoint_read_verifier("PeterNeumenn+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", strlen(note_key), name, parsed) &&
	   !checkpoint_read_verifier(note_key, strlen(note_key) - 4, name, parsed) &&
	   !checkpoint_read_verifier("PeterNeumann", 12, name, parsed) && !checkpoint_read_verifier("", 0, name, parsed) &&
	   !checkpoint_read_verifier("a+", 2, name, parsed), "with another hash, name or length it is not");

	length = 64;
	checkpoint_body("example.com/log", 42, root, body);
	EVP_DigestSignInit(context, NULL, NULL, NULL, key);
	EVP_DigestSign(context, signature, &length, (uint8 *) body, strlen(body));
	checkpoint_text(body, "example.com/log", public_key, signature, text);
	ok(strncmp(text, "example.com/log\n42\nAQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\xe2\x80\x94 example.com/log ", 84) == 0,
	   "a seal has the form of a checkpoint");
	ok(checkpoint_parse(text, strlen(text), &checkpoint, &error) && checkpoint.size == 42 &&
	   checkpoint_verify(&checkpoint, text, "example.com/log", public_key), "and verifies");
	ok(!checkpoint_verify(&checkpoint, text, "example.com/other", public_key) &&
	   !checkpoint_verify(&checkpoint, text, "example.com/log", parsed), "but not under another name or key");
	text[17] = '3';
	ok(checkpoint_parse(text, strlen(text), &checkpoint, &error) &&
	   !checkpoint_verify(&checkpoint, text, "example.com/log", public_key), "nor with another size");
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
}

static void
texts(void)
{
	static const char *const pairs[][2] = {{"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
	static const char *const bad[] = {"", "Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm9v\n", "Zm 9", "Zm-_", "Zg\0="};
	bool		good = true;
	bool		refused = true;
	uint8		out[16];
	char		text[16];

	for (int i = 0; i < 6; i++)
	{
		size_t		length = strlen(pairs[i][0]);

		base64_encode((const uint8 *) pairs[i][0], length, text);
		good &= strcmp(text, pairs[i][1]) == 0;
		good &= base64_decode(text, strlen(text), out, length) == (int64) length && memcmp(out, pairs[i][0], length) == 0;
		refused &= base64_decode(text, strlen(text), out, length - 1) == -1;
	}
	ok(good, "base64 of RFC 4648");
	for (int i = 0; i < (int) (sizeof(bad) / sizeof(bad[0])); i++)
		refused &= base64_decode(bad[i], i == 12 ? 4 : strlen(bad[i]), out, sizeof(out)) == -1;
	ok(refused, "what is malformed, has stray bits or is too long is refused");
}

static void
commitments(void)
{
	uint8		salt[32];
	uint8		hash[32];
	uint8		expected[32];
	CommitmentKey key;
	static const uint8 message[] = {0, 0, 0, 4, 'c', 'o', 'd', 'e', 'n', 'e', 'w'};

	memset(salt, 0x0b, sizeof(salt));
	commitment_key(&key, salt);
	commitment_hash(&key, "code", 4, "new", 3, hash);
	ok(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, salt, sizeof(salt), message, sizeof(message), expected, sizeof(expected), NULL) != NULL &&
	   memcmp(hash, expected, sizeof(hash)) == 0, "a commitment is HMAC-SHA-256 of the name after its length, and the value");
}

int
main(void)
{
	printf("1..21\n");
	published_trees();
	all_small_trees();
	signatures();
	texts();
	commitments();
	return failures > 0;
}
