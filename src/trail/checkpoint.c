/*
 * checkpoint.c
 *    Seals as text: C2SP checkpoints (tlog-checkpoint), which are signed notes
 *    (signed-note) with Ed25519.
 *
 *    niji/7711094838144404716/16384/ad73b8…      the origin
 *    42                                          leaves
 *    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=  root
 *                                                (empty)
 *    — niji/7711…/16384/ad73b8… Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
 *
 * The signature line has a key's name (ours is the origin), and in base64 four
 * bytes that tell keys apart and the signature over everything before the
 * empty line.  Several signatures may stand there: witnesses add theirs.
 *
 * Plain C with OpenSSL: also compiled without a server.
 */
#ifdef NIJI_PLAIN
#include "trail/plain.h"
#else
#include "postgres.h"
#endif

#include <openssl/evp.h>

#include "trail/base64.h"
#include "trail/checkpoint.h"
#include "trail/merkle.h"

#define DASH "\xe2\x80\x94 "	/* em dash and a space */
#define DASH_LENGTH 4

/* SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key)[0..4] */
static void
key_hash(const char *name, const uint8 *public_key, uint8 hash[CHECKPOINT_KEY_HASH_SIZE])
{
	uint8		whole[MERKLE_HASH_SIZE];

	merkle_sha256(name, strlen(name), "\n\1", 2, public_key, CHECKPOINT_PUBLIC_KEY_SIZE, whole);
	memcpy(hash, whole, CHECKPOINT_KEY_HASH_SIZE);
}

/* names go into lines and between spaces */
static bool
name_valid(const char *name, size_t length)
{
	if (length == 0 || length > CHECKPOINT_MAX_ORIGIN)
		return false;
	for (size_t i = 0; i < length; i++)
		if ((uint8) name[i] <= ' ' || name[i] == '+' || name[i] == 0x7f)
			return false;
	return true;
}

size_t
checkpoint_body(const char *origin, uint64 size, const uint8 root[CHECKPOINT_ROOT_SIZE],
				char body[CHECKPOINT_MAX_TEXT])
{
	char		root64[64];

	if (!name_valid(origin, strlen(origin)))
		return 0;
	base64_encode(root, CHECKPOINT_ROOT_SIZE, root64);
	return (size_t) snprintf(body, CHECKPOINT_MAX_TEXT, "%s\n%llu\n%s\n", origin,
							 (unsigned long long) size, root64);
}

size_t
checkpoint_text(const char *body, const char *name,
				const uint8 public_key[CHECKPOINT_PUBLIC_KEY_SIZE],
				const uint8 signature[CHECKPOINT_SIGNATURE_SIZE], char text[CHECKPOINT_MAX_TEXT])
{
	uint8		bytes[CHECKPOINT_KEY_HASH_SIZE + CHECKPOINT_SIGNATURE_SIZE];
	char		signature64[128];

	key_hash(name, public_key, bytes);
	memcpy(bytes + CHECKPOINT_KEY_HASH_SIZE, signature, CHECKPOINT_SIGNATURE_SIZE);
	base64_encode(bytes, sizeof(bytes), signature64);
	return (size_t) snprintf(text, CHECKPOINT_MAX_TEXT, "%s\n" DASH "%s %s\n", body, name, signature64);
}

size_t
checkpoint_verifier(const char *name, const uint8 public_key[CHECKPOINT_PUBLIC_KEY_SIZE],
					char verifier[CHECKPOINT_MAX_VERIFIER])
{
	uint8		hash[CHECKPOINT_KEY_HASH_SIZE];
	uint8		key[1 + CHECKPOINT_PUBLIC_KEY_SIZE] = {0x01};
	char		key64[64];

	key_hash(name, public_key, hash);
	memcpy(key + 1, public_key, CHECKPOINT_PUBLIC_KEY_SIZE);
	base64_encode(key, sizeof(key), key64);
	return (size_t) snprintf(verifier, CHECKPOINT_MAX_VERIFIER, "%s+%02x%02x%02x%02x+%s", name, hash[0],
							 hash[1], hash[2], hash[3], key64);
}

bool
checkpoint_read_verifier(const char *verifier, size_t length, char name[CHECKPOINT_MAX_ORIGIN + 1],
						 uint8 public_key[CHECKPOINT_PUBLIC_KEY_SIZE])
{
	const char *plus = memchr(verifier, '+', length);
	size_t		name_length = plus ? (size_t) (plus - verifier) : 0;
	uint8		key[1 + CHECKPOINT_PUBLIC_KEY_SIZE];
	uint8		hash[CHECKPOINT_KEY_HASH_SIZE];
	char		digits[2 * CHECKPOINT_KEY_HASH_SIZE + 1];

	/* name, eight hexadecimal digits, kind of key and key, with + between them */
	if (plus == NULL || !name_valid(verifier, name_length) ||
		length < name_length + 2 + 2 * CHECKPOINT_KEY_HASH_SIZE ||
		plus[1 + 2 * CHECKPOINT_KEY_HASH_SIZE] != '+' ||
		base64_decode(plus + 2 + 2 * CHECKPOINT_KEY_HASH_SIZE,
					  length - name_length - 2 - 2 * CHECKPOINT_KEY_HASH_SIZE, key, sizeof(key)) != sizeof(key) ||
		key[0] != 0x01)
		return false;
	memcpy(name, verifier, name_length);
	name[name_length] = '\0';
	memcpy(public_key, key + 1, CHECKPOINT_PUBLIC_KEY_SIZE);
	key_hash(name, public_key, hash);
	snprintf(digits, sizeof(digits), "%02x%02x%02x%02x", hash[0], hash[1], hash[2], hash[3]);
	return memcmp(plus + 1, digits, 2 * CHECKPOINT_KEY_HASH_SIZE) == 0;
}

/* the line at *at without its end; false when there is none */
static bool
next_line(const char *text, size_t length, size_t *at, const char **line, size_t *line_length)
{
	const char *end;

	if (*at >= length)
		return false;
	end = memchr(text + *at, '\n', length - *at);
	if (end == NULL)
		return false;
	*line = text + *at;
	*line_length = end - *line;
	*at += *line_length + 1;
	return true;
}

bool
checkpoint_parse(const char *text, size_t length, Checkpoint *checkpoint, const char **error)
{
	size_t		at = 0;
	const char *line;
	size_t		n;

	memset(checkpoint, 0, sizeof(*checkpoint));
	for (size_t i = 0; i < length; i++)
		if ((uint8) text[i] < ' ' && text[i] != '\n')
		{
			*error = "it has a control character";
			return false;
		}

	*error = "its first line is not an origin";
	if (!next_line(text, length, &at, &line, &n) || n == 0 || n > CHECKPOINT_MAX_ORIGIN)
		return false;
	checkpoint->origin = line;
	checkpoint->origin_length = n;

	*error = "its second line is not a size";
	if (!next_line(text, length, &at, &line, &n) || n == 0 || n > 20 || (line[0] == '0' && n > 1))
		return false;
	for (size_t i = 0; i < n; i++)
	{
		uint64		digit = (uint64) (line[i] - '0');

		if (line[i] < '0' || line[i] > '9' ||
			checkpoint->size > (UINT64CONST(0xffffffffffffffff) - digit) / 10)
			return false;
		checkpoint->size = checkpoint->size * 10 + digit;
	}

	*error = "its third line is not a root";
	if (!next_line(text, length, &at, &line, &n) ||
		base64_decode(line, n, checkpoint->root, CHECKPOINT_ROOT_SIZE) != CHECKPOINT_ROOT_SIZE)
		return false;

	/* extension lines up to the empty one, which is not signed */
	do
	{
		checkpoint->body_length = at;
		*error = "it has no empty line before its signatures";
		if (!next_line(text, length, &at, &line, &n))
			return false;
	} while (n > 0);

	*error = "it has no signature";
	if (at >= length)
		return false;
	*error = "a signature line is malformed";
	while (at < length)
	{
		const char *space;
		uint8		bytes[256];
		int64		count;

		if (!next_line(text, length, &at, &line, &n) || n < DASH_LENGTH ||
			memcmp(line, DASH, DASH_LENGTH) != 0)
			return false;
		line += DASH_LENGTH;
		n -= DASH_LENGTH;
		space = memchr(line, ' ', n);
		if (space == NULL || !name_valid(line, space - line))
			return false;
		count = base64_decode(space + 1, n - (space + 1 - line), bytes, sizeof(bytes));
		if (count <= CHECKPOINT_KEY_HASH_SIZE)
			return false;
		/* other lengths are signatures of other kinds, which are somebody else's business */
		if (count == CHECKPOINT_KEY_HASH_SIZE + CHECKPOINT_SIGNATURE_SIZE &&
			checkpoint->count < CHECKPOINT_MAX_SIGNATURES)
		{
			CheckpointSignature *signature = &checkpoint->signatures[checkpoint->count++];

			signature->name = line;
			signature->name_length = space - line;
			memcpy(signature->key_hash, bytes, CHECKPOINT_KEY_HASH_SIZE);
			memcpy(signature->signature, bytes + CHECKPOINT_KEY_HASH_SIZE, CHECKPOINT_SIGNATURE_SIZE);
		}
	}
	*error = NULL;
	return true;
}

bool
checkpoint_verify(const Checkpoint *checkpoint, const char *text, const char *name,
				  const uint8 public_key[CHECKPOINT_PUBLIC_KEY_SIZE])
{
	uint8		hash[CHECKPOINT_KEY_HASH_SIZE];
	bool		good = false;

	key_hash(name, public_key, hash);
	for (int i = 0; i < checkpoint->count && !good; i++)
	{
		const CheckpointSignature *signature = &checkpoint->signatures[i];
		EVP_PKEY   *key;
		EVP_MD_CTX *context;

		if (signature->name_length != strlen(name) ||
			memcmp(signature->name, name, signature->name_length) != 0 ||
			memcmp(signature->key_hash, hash, CHECKPOINT_KEY_HASH_SIZE) != 0)
			continue;
		/* nothing between here and the end of the loop raises */
		key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, CHECKPOINT_PUBLIC_KEY_SIZE);
		context = EVP_MD_CTX_new();
		good = key != NULL && context != NULL &&
			EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
			EVP_DigestVerify(context, signature->signature, CHECKPOINT_SIGNATURE_SIZE,
							 (const unsigned char *) text, checkpoint->body_length) == 1;
		EVP_MD_CTX_free(context);
		EVP_PKEY_free(key);
	}
	return good;
}
