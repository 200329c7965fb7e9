/*
 * tile.h
 *    niji.tile: the Merkle tree's nodes on disk.
 */
#ifndef NIJI_TILE_H
#define NIJI_TILE_H

#include "trail/merkle.h"
#include "utils/snapshot.h"

/*
 * One tile of each level, the one that was used last; enough to walk along
 * the tree, or to put together a proof, in constant memory.
 */
typedef struct TileCache
{
	Snapshot	snapshot;
	struct
	{
		bool		loaded;
		int64		index;
		int			count;		/* of hashes; 0 when there is no such tile */
		uint8		hashes[MERKLE_TILE_SIZE];
	}			level[MERKLE_TILE_LEVELS];
} TileCache;

/* the snapshot is kept as it is given: registered by the caller */
extern TileCache *tile_cache_create(Snapshot snapshot);

/* the tile's hashes; *count is 0 if there is none.  They stay until the next call for this level. */
extern const uint8 *tile_cached(TileCache *cache, int level, int64 index, int *count);

/* a MerkleGet over a TileCache */
extern bool tile_node(void *cache, int height, uint64 index, uint8 hash[MERKLE_HASH_SIZE]);

/* reads a tile into a buffer of MERKLE_TILE_SIZE; the number of hashes, 0 if there is none */
extern int	tile_read(int level, int64 index, Snapshot snapshot, uint8 *hashes);

/* writes it, whether or not it is there */
extern void tile_write(int level, int64 index, const uint8 *hashes, int count);

/* leaves that the tiles hold */
extern int64 tile_leaves(Snapshot snapshot);

#endif							/* NIJI_TILE_H */
