/*
 * merkle.h
 *    The trail's Merkle tree: tree hashing and proofs of RFC 9162 (and 6962).
 *
 * Nodes are named by their height (0: leaves) and their index at that height;
 * only those over a full 2^height leaves have a name, since they never change.
 */
#ifndef NIJI_MERKLE_H
#define NIJI_MERKLE_H

#define MERKLE_HASH_SIZE 32
#define MERKLE_MAX_PROOF 64
#define MERKLE_MAX_RANGE 128

/* tiles: 256 hashes of height 8 * level */
#define MERKLE_TILE_BITS 8
#define MERKLE_TILE_HASHES (1 << MERKLE_TILE_BITS)
#define MERKLE_TILE_LEVELS 8
#define MERKLE_TILE_SIZE (MERKLE_TILE_HASHES * MERKLE_HASH_SIZE)

/* gives a complete node; false when it is not to be had */
typedef bool (*MerkleGet) (void *arg, int height, uint64 index, uint8 hash[MERKLE_HASH_SIZE]);

/* SHA-256 of what is put together from three pieces */
extern void merkle_sha256(const void *a, size_t a_length, const void *b, size_t b_length,
						  const void *c, size_t c_length, uint8 hash[MERKLE_HASH_SIZE]);

/* SHA-256(0x00 ‖ data), SHA-256(0x01 ‖ left ‖ right) */
extern void merkle_leaf(const uint8 *data, size_t length, uint8 hash[MERKLE_HASH_SIZE]);
extern void merkle_node(const uint8 *left, const uint8 *right, uint8 hash[MERKLE_HASH_SIZE]);

/* the hash that stands for an entry's private part: SHA-256(salt ‖ private part); without one: SHA-256(salt) */
extern void merkle_private_hash(const uint8 *salt, const uint8 *private_part, size_t length,
								uint8 hash[MERKLE_HASH_SIZE]);

/* leaf hash of an entry, whose data are 0x01 ‖ uint32 length ‖ header ‖ private hash */
extern void merkle_entry_leaf(const uint8 *header, size_t length, const uint8 *private_hash,
							  uint8 hash[MERKLE_HASH_SIZE]);

/* root of the tree over the first "size" leaves; the empty tree's is SHA-256 of nothing */
extern bool merkle_root(MerkleGet get, void *arg, uint64 size, uint8 hash[MERKLE_HASH_SIZE]);

/* proofs: number of hashes written, or -1 when a node was not to be had; index < size, 0 < old <= new */
extern int	merkle_inclusion(MerkleGet get, void *arg, uint64 index, uint64 size,
							 uint8 proof[MERKLE_MAX_PROOF][MERKLE_HASH_SIZE]);
extern int	merkle_consistency(MerkleGet get, void *arg, uint64 old_size, uint64 new_size,
							   uint8 proof[MERKLE_MAX_PROOF][MERKLE_HASH_SIZE]);

extern bool merkle_verify_inclusion(const uint8 *leaf, uint64 index, uint64 size,
									const uint8 (*proof)[MERKLE_HASH_SIZE], int count,
									const uint8 *root);
extern bool merkle_verify_consistency(uint64 old_size, uint64 new_size,
									  const uint8 (*proof)[MERKLE_HASH_SIZE], int count,
									  const uint8 *old_root, const uint8 *new_root);

/*
 * A proof for neighbouring leaves, from first to before end: the nodes beside
 * them that the root is made of, from left to right.  For one leaf these are
 * its inclusion proof's, for all leaves there are none.  0 <= first < end <= size.
 */
extern int	merkle_range(MerkleGet get, void *arg, uint64 first, uint64 end, uint64 size,
						 uint8 proof[MERKLE_MAX_RANGE][MERKLE_HASH_SIZE]);

/*
 * The root that such a proof and the leaves give.  Leaves are asked for in
 * their order, each once, as a MerkleGet of height 0.  False when a leaf is not
 * to be had or the proof has not exactly the nodes that are needed.
 */
extern bool merkle_range_root(MerkleGet leaf, void *arg, uint64 first, uint64 end, uint64 size,
							  const uint8 (*proof)[MERKLE_HASH_SIZE], int count,
							  uint8 root[MERKLE_HASH_SIZE]);

/* the node over 2^height neighbouring hashes of a tile, of which offset is the first; height 0 to 8 */
extern void merkle_tile_node(const uint8 *hashes, int offset, int height,
							 uint8 hash[MERKLE_HASH_SIZE]);

#endif							/* NIJI_MERKLE_H */
