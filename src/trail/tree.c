/*
 * tree.c
 *    Merkle trees and proofs in SQL: over hashes that the caller holds, and
 *    over the trail.
 */
#include "postgres.h"

#include "base/duty.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "trail/tile.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(tree_root);
PG_FUNCTION_INFO_V1(tree_inclusion);
PG_FUNCTION_INFO_V1(tree_consistency);
PG_FUNCTION_INFO_V1(verify_inclusion);
PG_FUNCTION_INFO_V1(verify_consistency);
PG_FUNCTION_INFO_V1(entry_leaf);
PG_FUNCTION_INFO_V1(prove_inclusion);
PG_FUNCTION_INFO_V1(prove_consistency);
PG_FUNCTION_INFO_V1(prove_range);

typedef uint8 TreeHash[MERKLE_HASH_SIZE];

typedef struct Leaves
{
	int			count;
	TreeHash	   *hashes;
} Leaves;

static void
check_hash(Datum value, bool isnull, const char *what, TreeHash out)
{
	bytea	   *bytes = isnull ? NULL : DatumGetByteaPP(value);

	if (bytes == NULL || VARSIZE_ANY_EXHDR(bytes) != MERKLE_HASH_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is not a hash of 32 bytes", what)));
	memcpy(out, VARDATA_ANY(bytes), MERKLE_HASH_SIZE);
}

static Leaves
get_hashes(ArrayType *array, const char *what)
{
	Leaves		leaves;
	Datum	   *values;
	bool	   *nulls;

	deconstruct_array(array, BYTEAOID, -1, false, TYPALIGN_INT, &values, &nulls, &leaves.count);
	leaves.hashes = palloc(Max(leaves.count, 1) * sizeof(TreeHash));
	for (int i = 0; i < leaves.count; i++)
		check_hash(values[i], nulls[i], what, leaves.hashes[i]);
	return leaves;
}

static Datum
hash_datum(const uint8 *hash)
{
	bytea	   *bytes = palloc(VARHDRSZ + MERKLE_HASH_SIZE);

	SET_VARSIZE(bytes, VARHDRSZ + MERKLE_HASH_SIZE);
	memcpy(VARDATA(bytes), hash, MERKLE_HASH_SIZE);
	return PointerGetDatum(bytes);
}

static Datum
proof_datum(TreeHash *proof, int count)
{
	Datum		values[MERKLE_MAX_RANGE];

	for (int i = 0; i < count; i++)
		values[i] = hash_datum(proof[i]);
	return PointerGetDatum(construct_array(values, count, BYTEAOID, -1, false, TYPALIGN_INT));
}

/* a MerkleGet over an array */
static bool
leaves_node(void *arg, int height, uint64 index, uint8 hash[MERKLE_HASH_SIZE])
{
	Leaves	   *leaves = arg;
	TreeHash		left;
	TreeHash		right;

	if (height == 0)
	{
		if (index >= leaves->count)
			return false;
		memcpy(hash, leaves->hashes[index], MERKLE_HASH_SIZE);
		return true;
	}
	if (!leaves_node(arg, height - 1, 2 * index, left) ||
		!leaves_node(arg, height - 1, 2 * index + 1, right))
		return false;
	merkle_node(left, right, hash);
	return true;
}

Datum
tree_root(PG_FUNCTION_ARGS)
{
	Leaves		leaves = get_hashes(PG_GETARG_ARRAYTYPE_P(0), "a leaf hash");
	TreeHash		root;

	if (!merkle_root(leaves_node, &leaves, leaves.count, root))
		elog(ERROR, "a leaf is missing");
	PG_RETURN_DATUM(hash_datum(root));
}

static void
range_error(const char *what, int64 value, int64 size)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("%s " INT64_FORMAT " is outside of the tree", what, value),
			 errdetail("The tree has " INT64_FORMAT " leaves.", size)));
}

Datum
tree_inclusion(PG_FUNCTION_ARGS)
{
	Leaves		leaves = get_hashes(PG_GETARG_ARRAYTYPE_P(0), "a leaf hash");
	int64		index = PG_GETARG_INT64(1);
	TreeHash		proof[MERKLE_MAX_PROOF];
	int			count;

	if (index < 0 || index >= leaves.count)
		range_error("leaf", index, leaves.count);
	count = merkle_inclusion(leaves_node, &leaves, index, leaves.count, proof);
	if (count < 0)
		elog(ERROR, "a leaf is missing");
	PG_RETURN_DATUM(proof_datum(proof, count));
}

Datum
tree_consistency(PG_FUNCTION_ARGS)
{
	Leaves		leaves = get_hashes(PG_GETARG_ARRAYTYPE_P(0), "a leaf hash");
	int64		old_size = PG_GETARG_INT64(1);
	TreeHash		proof[MERKLE_MAX_PROOF];
	int			count;

	if (old_size < 1 || old_size > leaves.count)
		range_error("size", old_size, leaves.count);
	count = merkle_consistency(leaves_node, &leaves, old_size, leaves.count, proof);
	if (count < 0)
		elog(ERROR, "a leaf is missing");
	PG_RETURN_DATUM(proof_datum(proof, count));
}

Datum
verify_inclusion(PG_FUNCTION_ARGS)
{
	TreeHash		leaf;
	TreeHash		root;
	int64		index = PG_GETARG_INT64(1);
	int64		size = PG_GETARG_INT64(2);
	Leaves		proof = get_hashes(PG_GETARG_ARRAYTYPE_P(3), "a part of the proof");

	check_hash(PG_GETARG_DATUM(0), false, "the leaf", leaf);
	check_hash(PG_GETARG_DATUM(4), false, "the root", root);
	PG_RETURN_BOOL(index >= 0 && size > 0 &&
				   merkle_verify_inclusion(leaf, index, size, (const TreeHash *) proof.hashes, proof.count, root));
}

Datum
verify_consistency(PG_FUNCTION_ARGS)
{
	int64		old_size = PG_GETARG_INT64(0);
	int64		new_size = PG_GETARG_INT64(1);
	Leaves		proof = get_hashes(PG_GETARG_ARRAYTYPE_P(2), "a part of the proof");
	TreeHash		old_root;
	TreeHash		new_root;

	check_hash(PG_GETARG_DATUM(3), false, "the old root", old_root);
	check_hash(PG_GETARG_DATUM(4), false, "the new root", new_root);
	PG_RETURN_BOOL(old_size > 0 && new_size > 0 &&
				   merkle_verify_consistency(old_size, new_size, (const TreeHash *) proof.hashes, proof.count,
											 old_root, new_root));
}

Datum
entry_leaf(PG_FUNCTION_ARGS)
{
	bytea	   *header = PG_GETARG_BYTEA_PP(0);
	TreeHash		private_hash;
	TreeHash		leaf;

	check_hash(PG_GETARG_DATUM(1), false, "the private hash", private_hash);
	merkle_entry_leaf((const uint8 *) VARDATA_ANY(header), VARSIZE_ANY_EXHDR(header), private_hash, leaf);
	PG_RETURN_DATUM(hash_datum(leaf));
}

/* ---- over the trail ---- */

typedef enum
{
	PROVE_INCLUSION,			/* of leaf "first" */
	PROVE_CONSISTENCY,			/* with the tree of size "first" */
	PROVE_RANGE					/* of leaves from "first" to "last" */
} Proof;

static Datum
prove(Proof what, int64 first, int64 last, int64 size)
{
	Snapshot	snapshot;
	TileCache  *cache;
	int64		leaves;
	TreeHash		proof[MERKLE_MAX_RANGE];
	int			count;

	duty_require(NIJI_AUDITOR | NIJI_GOVERNANCE, "read proofs of the trail");
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	leaves = tile_leaves(snapshot);
	if (size < 1 || size > leaves)
		range_error("size", size, leaves);
	if (what == PROVE_CONSISTENCY ? first < 1 || first > size : first < 0 || first >= size)
		range_error(what == PROVE_CONSISTENCY ? "size" : "entry", first, size);
	if (what == PROVE_RANGE && (last < first || last >= size))
		range_error("entry", last, size);
	cache = tile_cache_create(snapshot);
	count = what == PROVE_INCLUSION ? merkle_inclusion(tile_node, cache, first, size, proof)
		: what == PROVE_CONSISTENCY ? merkle_consistency(tile_node, cache, first, size, proof)
		: merkle_range(tile_node, cache, first, last + 1, size, proof);
	UnregisterSnapshot(snapshot);
	if (count < 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the trail's tree is damaged"),
				 errhint("niji.verify_trail() tells where.")));
	return proof_datum(proof, count);
}

/* niji.prove_inclusion(seq bigint, tree_size bigint) */
Datum
prove_inclusion(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(prove(PROVE_INCLUSION, PG_GETARG_INT64(0), 0, PG_GETARG_INT64(1)));
}

/* niji.prove_consistency(old_size bigint, new_size bigint) */
Datum
prove_consistency(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(prove(PROVE_CONSISTENCY, PG_GETARG_INT64(0), 0, PG_GETARG_INT64(1)));
}

/* niji.prove_range(from_seq bigint, to_seq bigint, tree_size bigint) */
Datum
prove_range(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(prove(PROVE_RANGE, PG_GETARG_INT64(0), PG_GETARG_INT64(1), PG_GETARG_INT64(2)));
}
