/*
 * tile.c
 *    niji.tile: the Merkle tree's nodes on disk.
 *
 * A tile is a row with up to 256 hashes of height 8 * level.  Tiles of level 0
 * are a second copy of the leaves; a hash of level n + 1 is the root over a
 * full tile of level n.  All other nodes lie inside a tile and are computed.
 * So a root or a proof for any size reads two tiles a level at the most, and
 * appending touches the last tile of each level.
 *
 * The table is read and written as catalogs are, without a plan.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "base/catalog.h"
#include "catalog/indexing.h"
#include "trail/tile.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#define TILE_LEVEL 1
#define TILE_INDEX 2
#define TILE_HASHES 3

static Relation
tile_open(LOCKMODE lock)
{
	Oid			relid = catalog_relation("tile");

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension niji is not in this database"),
				 errhint("Run CREATE EXTENSION niji.")));
	return table_open(relid, lock);
}

static void
tile_keys(ScanKeyData keys[2], int level, int64 index)
{
	ScanKeyInit(&keys[0], TILE_LEVEL, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(level));
	ScanKeyInit(&keys[1], TILE_INDEX, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(index));
}

/* copies out what fits; a damaged length is cut to whole hashes */
static int
tile_copy(Relation rel, HeapTuple tuple, uint8 *hashes)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, TILE_HASHES, RelationGetDescr(rel), &isnull);
	bytea	   *bytes;
	int			count;

	if (isnull)
		return 0;
	bytes = DatumGetByteaPP(value);
	count = Min(VARSIZE_ANY_EXHDR(bytes) / MERKLE_HASH_SIZE, MERKLE_TILE_HASHES);
	memcpy(hashes, VARDATA_ANY(bytes), count * MERKLE_HASH_SIZE);
	if ((Pointer) bytes != DatumGetPointer(value))
		pfree(bytes);
	return count;
}

int
tile_read(int level, int64 index, Snapshot snapshot, uint8 *hashes)
{
	Relation	rel = tile_open(AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	int			count = 0;

	tile_keys(keys, level, index);
	scan = systable_beginscan(rel, catalog_relation("tile_pkey"), true, snapshot, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		count = tile_copy(rel, tuple, hashes);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return count;
}

void
tile_write(int level, int64 index, const uint8 *hashes, int count)
{
	Relation	rel = tile_open(RowExclusiveLock);
	Datum		values[3];
	bool		nulls[3] = {false};
	bool		replace[3] = {false, false, true};
	bytea	   *bytes = palloc(VARHDRSZ + count * MERKLE_HASH_SIZE);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	HeapTuple	new;

	SET_VARSIZE(bytes, VARHDRSZ + count * MERKLE_HASH_SIZE);
	memcpy(VARDATA(bytes), hashes, count * MERKLE_HASH_SIZE);
	values[0] = Int32GetDatum(level);
	values[1] = Int64GetDatum(index);
	values[2] = PointerGetDatum(bytes);

	tile_keys(keys, level, index);
	scan = systable_beginscan(rel, catalog_relation("tile_pkey"), true, NULL, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		new = heap_modify_tuple(tuple, RelationGetDescr(rel), values, nulls, replace);
		CatalogTupleUpdate(rel, &tuple->t_self, new);
	}
	else
	{
		new = heap_form_tuple(RelationGetDescr(rel), values, nulls);
		CatalogTupleInsert(rel, new);
	}
	systable_endscan(scan);
	heap_freetuple(new);
	pfree(bytes);
	table_close(rel, RowExclusiveLock);
}

int64
tile_leaves(Snapshot snapshot)
{
	Relation	rel = tile_open(AccessShareLock);
	Relation	index = index_open(catalog_relation("tile_pkey"), AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int64		leaves = 0;
	uint8	   *hashes = palloc(MERKLE_TILE_SIZE);

	ScanKeyInit(&key, TILE_LEVEL, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(0));
	scan = systable_beginscan_ordered(rel, index, snapshot, 1, &key);
	tuple = systable_getnext_ordered(scan, BackwardScanDirection);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;

		leaves = DatumGetInt64(heap_getattr(tuple, TILE_INDEX, RelationGetDescr(rel), &isnull)) *
			MERKLE_TILE_HASHES + tile_copy(rel, tuple, hashes);
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	pfree(hashes);
	return leaves;
}

TileCache *
tile_cache_create(Snapshot snapshot)
{
	TileCache  *cache = palloc(sizeof(TileCache));

	cache->snapshot = snapshot;
	for (int i = 0; i < MERKLE_TILE_LEVELS; i++)
		cache->level[i].loaded = false;
	return cache;
}

const uint8 *
tile_cached(TileCache *cache, int level, int64 index, int *count)
{
	if (!cache->level[level].loaded || cache->level[level].index != index)
	{
		cache->level[level].loaded = false;
		cache->level[level].count =
			tile_read(level, index, cache->snapshot, cache->level[level].hashes);
		cache->level[level].index = index;
		cache->level[level].loaded = true;
	}
	*count = cache->level[level].count;
	return cache->level[level].hashes;
}

bool
tile_node(void *arg, int height, uint64 index, uint8 hash[MERKLE_HASH_SIZE])
{
	TileCache  *cache = arg;
	int			level = height / MERKLE_TILE_BITS;
	int			within = height % MERKLE_TILE_BITS;
	uint64		first = index << within;
	int			offset = first % MERKLE_TILE_HASHES;
	const uint8 *hashes;
	int			count;

	if (level >= MERKLE_TILE_LEVELS)
		return false;
	hashes = tile_cached(cache, level, first / MERKLE_TILE_HASHES, &count);
	if (offset + (1 << within) > count)
		return false;
	merkle_tile_node(hashes, offset, within, hash);
	return true;
}
