/*
 * merkle.c
 *    The trail's Merkle tree: tree hashing and proofs of RFC 9162 (and 6962).
 *
 * The root over n leaves is that of a left subtree over the largest power of
 * two below n and a right subtree over the rest.  So all that ever has to be
 * kept are nodes over complete subtrees; roots and proofs for any size are put
 * together from some of them, which the caller's function hands out.
 *
 * Plain C with OpenSSL's SHA-256: also compiled without a server.
 */
#ifdef NIJI_PLAIN
#include "trail/plain.h"
#else
#include "postgres.h"
#endif

#include <openssl/evp.h>

#include "trail/merkle.h"

void
merkle_sha256(const void *a, size_t a_length, const void *b, size_t b_length, const void *c,
			  size_t c_length, uint8 hash[MERKLE_HASH_SIZE])
{
	/* for the process's life: nothing to leak at an error */
	static EVP_MD *md = NULL;
	static EVP_MD_CTX *context = NULL;
	bool		ok;

	if (context == NULL)
	{
		md = EVP_MD_fetch(NULL, "SHA256", NULL);
		context = EVP_MD_CTX_new();
		if (md == NULL || context == NULL)
		{
			EVP_MD_CTX_free(context);
			context = NULL;
			elog(ERROR, "SHA-256 is not available");
		}
	}
	ok = EVP_DigestInit_ex2(context, md, NULL) == 1;
	if (ok && a_length > 0)
		ok = EVP_DigestUpdate(context, a, a_length) == 1;
	if (ok && b_length > 0)
		ok = EVP_DigestUpdate(context, b, b_length) == 1;
	if (ok && c_length > 0)
		ok = EVP_DigestUpdate(context, c, c_length) == 1;
	if (!ok || EVP_DigestFinal_ex(context, hash, NULL) != 1)
		elog(ERROR, "SHA-256 failed");
}

void
merkle_leaf(const uint8 *data, size_t length, uint8 hash[MERKLE_HASH_SIZE])
{
	merkle_sha256("\0", 1, data, length, NULL, 0, hash);
}

void
merkle_node(const uint8 *left, const uint8 *right, uint8 hash[MERKLE_HASH_SIZE])
{
	merkle_sha256("\1", 1, left, MERKLE_HASH_SIZE, right, MERKLE_HASH_SIZE, hash);
}

void
merkle_private_hash(const uint8 *salt, const uint8 *private_part, size_t length,
					uint8 hash[MERKLE_HASH_SIZE])
{
	merkle_sha256(salt, MERKLE_HASH_SIZE, private_part, length, NULL, 0, hash);
}

void
merkle_entry_leaf(const uint8 *header, size_t length, const uint8 *private_hash,
				  uint8 hash[MERKLE_HASH_SIZE])
{
	uint8		start[6] = {0x00, 0x01, (uint8) (length >> 24), (uint8) (length >> 16),
	(uint8) (length >> 8), (uint8) length};

	merkle_sha256(start, sizeof(start), header, length, private_hash, MERKLE_HASH_SIZE, hash);
}

/* the height of the largest complete tree with fewer than n leaves; n > 1 */
static int
split_height(uint64 n)
{
	int			height = 0;

	while (height < 63 && (UINT64CONST(1) << (height + 1)) < n)
		height++;
	return height;
}

/* root over the leaves from start to before end; start is a multiple of the left subtree's size */
static bool
range_root(MerkleGet get, void *arg, uint64 start, uint64 end, uint8 hash[MERKLE_HASH_SIZE])
{
	uint64		n = end - start;
	int			height;
	uint8		left[MERKLE_HASH_SIZE];
	uint8		right[MERKLE_HASH_SIZE];

	if ((n & (n - 1)) == 0)
	{
		for (height = 0; (UINT64CONST(1) << height) < n; height++)
			;
		return get(arg, height, start >> height, hash);
	}
	height = split_height(n);
	if (!get(arg, height, start >> height, left) ||
		!range_root(get, arg, start + (UINT64CONST(1) << height), end, right))
		return false;
	merkle_node(left, right, hash);
	return true;
}

bool
merkle_root(MerkleGet get, void *arg, uint64 size, uint8 hash[MERKLE_HASH_SIZE])
{
	if (size == 0)
	{
		merkle_sha256(NULL, 0, NULL, 0, NULL, 0, hash);
		return true;
	}
	return range_root(get, arg, 0, size, hash);
}

int
merkle_inclusion(MerkleGet get, void *arg, uint64 index, uint64 size,
				 uint8 proof[MERKLE_MAX_PROOF][MERKLE_HASH_SIZE])
{
	uint64		start = 0;
	uint64		end = size;
	int			count = 0;

	/* going down from the root, each sibling is collected; a proof starts at the leaf */
	while (end - start > 1)
	{
		uint64		middle = start + (UINT64CONST(1) << split_height(end - start));

		if (index < middle)
		{
			if (!range_root(get, arg, middle, end, proof[count++]))
				return -1;
			end = middle;
		}
		else
		{
			if (!range_root(get, arg, start, middle, proof[count++]))
				return -1;
			start = middle;
		}
	}
	for (int i = 0; i < count / 2; i++)
	{
		uint8		swap[MERKLE_HASH_SIZE];

		memcpy(swap, proof[i], MERKLE_HASH_SIZE);
		memcpy(proof[i], proof[count - 1 - i], MERKLE_HASH_SIZE);
		memcpy(proof[count - 1 - i], swap, MERKLE_HASH_SIZE);
	}
	return count;
}

int
merkle_consistency(MerkleGet get, void *arg, uint64 old_size, uint64 new_size,
				   uint8 proof[MERKLE_MAX_PROOF][MERKLE_HASH_SIZE])
{
	uint64		start = 0;
	uint64		end = new_size;
	int			count = 0;

	if (old_size == new_size)
		return 0;
	while (end != old_size)
	{
		uint64		middle = start + (UINT64CONST(1) << split_height(end - start));

		if (old_size <= middle)
		{
			if (!range_root(get, arg, middle, end, proof[count++]))
				return -1;
			end = middle;
		}
		else
		{
			if (!range_root(get, arg, start, middle, proof[count++]))
				return -1;
			start = middle;
		}
	}
	/* the old tree's last subtree, unless it is all of the old tree */
	if (start != 0 && !range_root(get, arg, start, end, proof[count++]))
		return -1;
	for (int i = 0; i < count / 2; i++)
	{
		uint8		swap[MERKLE_HASH_SIZE];

		memcpy(swap, proof[i], MERKLE_HASH_SIZE);
		memcpy(proof[i], proof[count - 1 - i], MERKLE_HASH_SIZE);
		memcpy(proof[count - 1 - i], swap, MERKLE_HASH_SIZE);
	}
	return count;
}

/* RFC 9162, 2.1.3.2 */
bool
merkle_verify_inclusion(const uint8 *leaf, uint64 index, uint64 size,
						const uint8 (*proof)[MERKLE_HASH_SIZE], int count, const uint8 *root)
{
	uint64		fn = index;
	uint64		sn = size - 1;
	uint8		r[MERKLE_HASH_SIZE];

	if (index >= size)
		return false;
	memcpy(r, leaf, MERKLE_HASH_SIZE);
	for (int i = 0; i < count; i++)
	{
		if (sn == 0)
			return false;
		if ((fn & 1) || fn == sn)
		{
			merkle_node(proof[i], r, r);
			while (!(fn & 1) && fn != 0)
			{
				fn >>= 1;
				sn >>= 1;
			}
		}
		else
			merkle_node(r, proof[i], r);
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && memcmp(r, root, MERKLE_HASH_SIZE) == 0;
}

/* RFC 9162, 2.1.4.2 */
bool
merkle_verify_consistency(uint64 old_size, uint64 new_size, const uint8 (*proof)[MERKLE_HASH_SIZE],
						  int count, const uint8 *old_root, const uint8 *new_root)
{
	uint64		fn;
	uint64		sn;
	uint8		fr[MERKLE_HASH_SIZE];
	uint8		sr[MERKLE_HASH_SIZE];
	int			i = 0;

	if (old_size == 0 || old_size > new_size)
		return false;
	if (old_size == new_size)
		return count == 0 && memcmp(old_root, new_root, MERKLE_HASH_SIZE) == 0;
	if (count == 0)
		return false;
	/* a power of two: the old root is the first node, and left out of the proof */
	memcpy(fr, (old_size & (old_size - 1)) == 0 ? old_root : proof[i++], MERKLE_HASH_SIZE);
	memcpy(sr, fr, MERKLE_HASH_SIZE);
	fn = old_size - 1;
	sn = new_size - 1;
	while (fn & 1)
	{
		fn >>= 1;
		sn >>= 1;
	}
	for (; i < count; i++)
	{
		if (sn == 0)
			return false;
		if ((fn & 1) || fn == sn)
		{
			merkle_node(proof[i], fr, fr);
			merkle_node(proof[i], sr, sr);
			while (!(fn & 1) && fn != 0)
			{
				fn >>= 1;
				sn >>= 1;
			}
		}
		else
			merkle_node(sr, proof[i], sr);
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && memcmp(fr, old_root, MERKLE_HASH_SIZE) == 0 &&
		memcmp(sr, new_root, MERKLE_HASH_SIZE) == 0;
}

/* the nodes of the subtree from start to before stop that lie beside the leaves from first to before end */
static bool
nodes_beside(MerkleGet get, void *arg, uint64 start, uint64 stop, uint64 first, uint64 end,
			 uint8 (*proof)[MERKLE_HASH_SIZE], int *count)
{
	uint64		middle;

	if (start >= first && stop <= end)
		return true;
	if (stop <= first || start >= end)
		return range_root(get, arg, start, stop, proof[(*count)++]);
	middle = start + (UINT64CONST(1) << split_height(stop - start));
	return nodes_beside(get, arg, start, middle, first, end, proof, count) &&
		nodes_beside(get, arg, middle, stop, first, end, proof, count);
}

int
merkle_range(MerkleGet get, void *arg, uint64 first, uint64 end, uint64 size,
			 uint8 proof[MERKLE_MAX_RANGE][MERKLE_HASH_SIZE])
{
	int			count = 0;

	return nodes_beside(get, arg, 0, size, first, end, proof, &count) ? count : -1;
}

typedef struct RangeCheck
{
	MerkleGet	leaf;
	void	   *arg;
	uint64		first;
	uint64		end;
	const		uint8 (*proof)[MERKLE_HASH_SIZE];
	int			left;			/* nodes that were not taken yet */
} RangeCheck;

static bool
range_node(RangeCheck *check, uint64 start, uint64 stop, uint8 hash[MERKLE_HASH_SIZE])
{
	uint64		middle;
	uint8		left[MERKLE_HASH_SIZE];
	uint8		right[MERKLE_HASH_SIZE];

	if (stop <= check->first || start >= check->end)
	{
		if (check->left == 0)
			return false;
		check->left--;
		memcpy(hash, *check->proof++, MERKLE_HASH_SIZE);
		return true;
	}
	if (stop - start == 1)
		return check->leaf(check->arg, 0, start, hash);
	middle = start + (UINT64CONST(1) << split_height(stop - start));
	if (!range_node(check, start, middle, left) || !range_node(check, middle, stop, right))
		return false;
	merkle_node(left, right, hash);
	return true;
}

bool
merkle_range_root(MerkleGet leaf, void *arg, uint64 first, uint64 end, uint64 size,
				  const uint8 (*proof)[MERKLE_HASH_SIZE], int count, uint8 root[MERKLE_HASH_SIZE])
{
	RangeCheck	check = {leaf, arg, first, end, proof, count};

	return first < end && end <= size && range_node(&check, 0, size, root) && check.left == 0;
}

void
merkle_tile_node(const uint8 *hashes, int offset, int height, uint8 hash[MERKLE_HASH_SIZE])
{
	uint8		left[MERKLE_HASH_SIZE];
	uint8		right[MERKLE_HASH_SIZE];

	if (height == 0)
	{
		memcpy(hash, hashes + offset * MERKLE_HASH_SIZE, MERKLE_HASH_SIZE);
		return;
	}
	merkle_tile_node(hashes, offset, height - 1, left);
	merkle_tile_node(hashes, offset + (1 << (height - 1)), height - 1, right);
	merkle_node(left, right, hash);
}
