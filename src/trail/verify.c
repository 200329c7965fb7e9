/*
 * verify.c
 *    niji.verify_trail(): is the record what it was?
 *
 * There are three copies of what an entry's hash was: the entry itself with its
 * leaf hash, the tree's tiles, and the roots in the signed seals.  One pass in
 * the order of the trail, under one snapshot and in constant memory, compares
 *
 *    each entry's header, salt and private part with its leaf hash,
 *    each leaf hash with the tile of level 0,
 *    each full tile with its hash in the tile above,
 *    each seal's root with the root over the tiles, and its signature.
 *
 * So whoever changes an entry has to change its leaf, its tile and all tiles
 * above, and is then found by every seal from there on, which cannot be made
 * anew without the key.  What no check inside the database can find is that
 * all of it, seals and public keys too, was replaced: for that, copies of seals
 * are kept outside.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/compat.h"
#include "base/duty.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "trail/cbor.h"
#include "trail/checkpoint.h"
#include "trail/tile.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define FETCH_ROWS 200

PG_FUNCTION_INFO_V1(verify_trail);

/* rows of a cursor, one after the other */
typedef struct Rows
{
	Portal		portal;
	SPITupleTable *table;
	uint64		count;
	uint64		next;
	HeapTuple	row;			/* the current one, or NULL at the end */
	TupleDesc	desc;
} Rows;

typedef struct Verification
{
	ReturnSetInfo *result;
	MemoryContext row_context;
	TileCache  *tiles;
	int64		from;
	int64		end;			/* first seq that is not asked for or cannot be */
	int64		leaves;			/* in the tiles */
	char	   *origin;
	Rows		seals;
	int64		newest_size;	/* of the seals */

	/* seals that do not fit: the first is named, the others are counted */
	int64		good_size;
	int64		bad_seals;
	int64		last_bad_size;
	bool		found;			/* something */
} Verification;

static void finding(Verification *v, int64 seq, const char *format,...) __attribute__((format(printf, 3, 4)));

static void
finding(Verification *v, int64 seq, const char *format,...)
{
	StringInfoData text;
	Datum		values[2];
	bool		nulls[2] = {false, false};
	va_list		args;

	initStringInfo(&text);
	for (;;)
	{
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&text, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&text, needed);
	}
	v->found = true;
	values[0] = Int64GetDatum(seq);
	values[1] = CStringGetTextDatum(text.data);
	tuplestore_putvalues(v->result->setResult, v->result->setDesc, values, nulls);
	pfree(text.data);
}

static void
finding_missing(Verification *v, int64 first, int64 last, const char *where)
{
	if (first == last)
		finding(v, first, "the entry is missing%s", where);
	else
		finding(v, first, "entries " INT64_FORMAT " to " INT64_FORMAT " are missing%s", first, last, where);
}

/* ---- cursors ---- */

static void
rows_open(Rows *rows, const char *query, int nargs, Oid *types, Datum *values)
{
	SPIPlanPtr	plan = SPI_prepare_cursor(query, nargs, types, CURSOR_OPT_NO_SCROLL);

	if (plan == NULL)
		elog(ERROR, "niji could not prepare its query");
	rows->portal = SPI_cursor_open(NULL, plan, values, NULL, true);
	rows->table = NULL;
	rows->count = rows->next = 0;
	rows->row = NULL;
}

static void
rows_next(Rows *rows)
{
	if (rows->next == rows->count)
	{
		if (rows->table)
			SPI_freetuptable(rows->table);
		SPI_cursor_fetch(rows->portal, true, FETCH_ROWS);
		rows->table = SPI_tuptable;
		rows->count = SPI_processed;
		rows->next = 0;
		rows->desc = rows->table->tupdesc;
		CHECK_FOR_INTERRUPTS();
	}
	rows->row = rows->count > 0 ? rows->table->vals[rows->next++] : NULL;
}

static Datum
rows_get(Rows *rows, int column, bool *isnull)
{
	return SPI_getbinval(rows->row, rows->desc, column, isnull);
}

static int64
rows_int64(Rows *rows, int column)
{
	bool		isnull;
	Datum		value = rows_get(rows, column, &isnull);

	return isnull ? -1 : DatumGetInt64(value);
}

/* detoasted in the current context; NULL when null */
static bytea *
rows_bytea(Rows *rows, int column)
{
	bool		isnull;
	Datum		value = rows_get(rows, column, &isnull);

	return isnull ? NULL : DatumGetByteaPP(value);
}

#define BYTES(b) ((const uint8 *) VARDATA_ANY(b))
#define LENGTH(b) ((size_t) VARSIZE_ANY_EXHDR(b))

static bool
is_hash(bytea *bytes, const uint8 *hash)
{
	return bytes != NULL && LENGTH(bytes) == MERKLE_HASH_SIZE &&
		memcmp(BYTES(bytes), hash, MERKLE_HASH_SIZE) == 0;
}

/* whether these bytes are in it anywhere: without them there is no such key, and nothing to look up */
static bool
contains(bytea *bytes, const char *key, size_t length)
{
	const uint8 *at = BYTES(bytes);
	const uint8 *end = at + LENGTH(bytes);

	while ((size_t) (end - at) >= length && (at = memchr(at, key[0], end - at - length + 1)) != NULL)
	{
		if (memcmp(at, key, length) == 0)
			return true;
		at++;
	}
	return false;
}

/* ---- an entry: seq, header, salt, private_part, private_hash, leaf_hash, spool ---- */

static void
check_entry(Verification *v, Rows *rows, int64 seq)
{
	bytea	   *header = rows_bytea(rows, 2);
	bytea	   *salt = rows_bytea(rows, 3);
	bytea	   *private_part = rows_bytea(rows, 4);
	bytea	   *kept_hash = rows_bytea(rows, 5);
	bytea	   *stored_leaf = rows_bytea(rows, 6);
	uint8		private_hash[MERKLE_HASH_SIZE];
	uint8		leaf[MERKLE_HASH_SIZE];
	const uint8 *tile;
	int			count;
	int			place = seq % MERKLE_TILE_HASHES;
	bool		isnull;
	int64		spool;
	bool		has_spool;
	Datum		stored_spool;
	const char *error;

	if (header == NULL)
	{
		finding(v, seq, "the header was removed");
		return;
	}
	if (kept_hash == NULL && (salt == NULL || LENGTH(salt) != MERKLE_HASH_SIZE))
	{
		finding(v, seq, "the salt was altered or removed");
		return;
	}
	if (salt && LENGTH(salt) == MERKLE_HASH_SIZE)
		merkle_private_hash(BYTES(salt), private_part ? BYTES(private_part) : NULL,
							private_part ? LENGTH(private_part) : 0, private_hash);
	if (kept_hash)
	{
		if (LENGTH(kept_hash) != MERKLE_HASH_SIZE)
		{
			finding(v, seq, "the hash of the erased private part was altered");
			return;
		}
		if (private_part && (salt == NULL || !is_hash(kept_hash, private_hash)))
			finding(v, seq, "there is a private part beside the hash of an erased one, and they do not fit");
		memcpy(private_hash, BYTES(kept_hash), MERKLE_HASH_SIZE);
	}
	merkle_entry_leaf(BYTES(header), LENGTH(header), private_hash, leaf);

	tile = tile_cached(v->tiles, 0, seq / MERKLE_TILE_HASHES, &count);
	if (!is_hash(stored_leaf, leaf))
		finding(v, seq, "the header or the private part was altered: it does not have the entry's leaf hash");
	else if (place < count && memcmp(tile + place * MERKLE_HASH_SIZE, leaf, MERKLE_HASH_SIZE) != 0)
		finding(v, seq, "this is not the entry that was put here: the tree has another leaf");
	else if (place < count && !cbor_check(BYTES(header), LENGTH(header), &error, NULL))
		finding(v, seq, "the header is not deterministic CBOR: %s", error);
	if (place >= count)
		finding(v, seq, "the entry is not in the tree");

	stored_spool = rows_get(rows, 7, &isnull);
	has_spool = (contains(header, "\x64open", 5) && cbor_find_int(BYTES(header), LENGTH(header), "open", &spool)) ||
		(contains(header, "\x65spool", 6) && cbor_find_int(BYTES(header), LENGTH(header), "spool", &spool));
	if (has_spool ? isnull || DatumGetInt64(stored_spool) != spool : !isnull)
		finding(v, seq, "the column spool was altered: the header has another number");
}

/* ---- a seal: size, root, checkpoint, public_key, name ---- */

static void
check_seal(Verification *v)
{
	Rows	   *rows = &v->seals;
	int64		size = rows_int64(rows, 1);
	bytea	   *root = rows_bytea(rows, 2);
	bytea	   *key = rows_bytea(rows, 4);
	char	   *text = SPI_getvalue(rows->row, rows->desc, 3);
	char	   *name = SPI_getvalue(rows->row, rows->desc, 5);
	Checkpoint	checkpoint;
	const char *error = NULL;
	uint8		tree[MERKLE_HASH_SIZE];
	int64		last = Max(size - 1, 0);

	if (text == NULL || !checkpoint_parse(text, strlen(text), &checkpoint, &error))
	{
		finding(v, last, "the seal of size " INT64_FORMAT " is not a checkpoint: %s", size,
				error ? error : "it is empty");
		return;
	}
	if (checkpoint.size != (uint64) size || !is_hash(root, checkpoint.root))
		finding(v, last, "the seal of size " INT64_FORMAT " was altered: its columns differ from what was signed", size);
	if (v->origin && (strlen(v->origin) != checkpoint.origin_length ||
					  memcmp(v->origin, checkpoint.origin, checkpoint.origin_length) != 0))
		finding(v, last, "the seal of size " INT64_FORMAT " is of another trail", size);
	if (key == NULL || name == NULL || LENGTH(key) != CHECKPOINT_PUBLIC_KEY_SIZE)
		finding(v, last, "the key of the seal of size " INT64_FORMAT " is not in niji.seal_key", size);
	else if (!checkpoint_verify(&checkpoint, text, name, BYTES(key)))
		finding(v, last, "the signature of the seal of size " INT64_FORMAT " is not valid", size);

	if (checkpoint.size > (uint64) v->leaves)
	{
		finding(v, v->leaves, "the trail was cut off: a seal covers " INT64_FORMAT " entries, the tree holds "
				INT64_FORMAT, size, v->leaves);
		return;
	}
	if (checkpoint.size > 0 && merkle_root(tile_node, v->tiles, checkpoint.size, tree) &&
		memcmp(tree, checkpoint.root, MERKLE_HASH_SIZE) == 0)
	{
		v->good_size = Max(v->good_size, size);
		return;
	}
	if (v->bad_seals++ == 0)
	{
		if (v->good_size + 1 >= size)
			finding(v, last, "the entry is not the one that was sealed at size " INT64_FORMAT, size);
		else
			finding(v, Min(v->good_size, last), "among entries " INT64_FORMAT " to " INT64_FORMAT
					" are some that are not those that were sealed", v->good_size, size - 1);
	}
	v->last_bad_size = size;
}

/* ---- 256 leaves are done: their tile, what stands above it, the seals in between ---- */

static void
finish_block(Verification *v, int64 block)
{
	int64		first = block * MERKLE_TILE_HASHES;
	int64		index = block;
	int			count;
	int			expected = (int) Max(0, Min(MERKLE_TILE_HASHES, v->leaves - first));
	const uint8 *hashes = tile_cached(v->tiles, 0, block, &count);

	if (count < expected)
		finding(v, first + count, "tile 0/" INT64_FORMAT " of the tree is damaged", block);
	for (int level = 0; count == MERKLE_TILE_HASHES && level + 1 < MERKLE_TILE_LEVELS; level++)
	{
		uint8		node[MERKLE_HASH_SIZE];
		int			place = index % MERKLE_TILE_HASHES;

		merkle_tile_node(hashes, 0, MERKLE_TILE_BITS, node);
		index /= MERKLE_TILE_HASHES;
		hashes = tile_cached(v->tiles, level + 1, index, &count);
		if (place >= count || memcmp(hashes + place * MERKLE_HASH_SIZE, node, MERKLE_HASH_SIZE) != 0)
		{
			finding(v, first, "tile %d/" INT64_FORMAT " of the tree does not fit the tiles below it", level + 1,
					index);
			break;
		}
		if (place != MERKLE_TILE_HASHES - 1)
			break;
	}
	while (v->seals.row && rows_int64(&v->seals, 1) <= first + MERKLE_TILE_HASHES)
	{
		check_seal(v);
		rows_next(&v->seals);
	}
}

static int64
query_int64(const char *query, int64 missing)
{
	bool		isnull;
	Datum		value;

	if (SPI_execute(query, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "niji's query failed: %s", query);
	if (SPI_processed == 0)
		return missing;
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? missing : DatumGetInt64(value);
}

/* who_used() looks into an index of the reads and into their persons: that these say what the entries say */
static void
check_reads(Verification *v)
{
	Oid			types[2] = {INT8OID, INT8OID};
	Datum		values[2] = {Int64GetDatum(v->from), Int64GetDatum(v->end - 1)};

	if (SPI_execute_with_args("select seq, finding from niji.verify_persons($1, $2)", 2, types, values, NULL, true,
							  0) != SPI_OK_SELECT)
		elog(ERROR, "niji's query failed");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		seq = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

		finding(v, DatumGetInt64(seq), "%s", SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2));
	}
}

static void
verify(Verification *v, int64 to)
{
	Rows		entries;
	Oid			types[2] = {INT8OID, INT8OID};
	Datum		values[2];
	int64		expected = v->from;
	int64		block = v->from / MERKLE_TILE_HASHES;
	int64		known;

	v->newest_size = query_int64("select max(size) from niji.seal", 0);
	known = Max(query_int64("select max(seq) from niji.entry", -1) + 1, Max(v->leaves, v->newest_size));
	v->end = to < known ? to + 1 : known;
	if (SPI_execute("select origin from niji.trail_identity", true, 1) == SPI_OK_SELECT && SPI_processed == 1)
		v->origin = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	else
		finding(v, v->from, "the trail's name was removed");

	/* of a part of the trail: the seals in it, and the newest, which covers it */
	values[0] = Int64GetDatum(v->from);
	values[1] = Int64GetDatum(v->end);
	rows_open(&v->seals,
			  "select s.size, s.root, s.checkpoint, k.public_key, k.name from niji.seal s "
			  "left join niji.seal_key k on k.id = s.key "
			  "where s.size > $1 and s.size <= $2 or s.size = (select pg_catalog.max(size) from niji.seal) "
			  "order by s.size", 2, types, values);
	rows_next(&v->seals);
	rows_open(&entries,
			  "select seq, header, salt, private_part, private_hash, leaf_hash, spool from niji.entry "
			  "where seq >= $1 and seq < $2 order by seq", 2, types, values);
	for (rows_next(&entries); entries.row; rows_next(&entries))
	{
		int64		seq = rows_int64(&entries, 1);
		MemoryContext old = MemoryContextSwitchTo(v->row_context);

		if (seq < expected)
			finding(v, seq, "the entry is there twice");
		if (seq > expected)
			finding_missing(v, expected, seq - 1, "");
		for (; block < seq / MERKLE_TILE_HASHES; block++)
		{
			finish_block(v, block);
			CHECK_FOR_INTERRUPTS();
		}
		check_entry(v, &entries, seq);
		expected = Max(expected, seq + 1);
		MemoryContextSwitchTo(old);
		MemoryContextReset(v->row_context);
	}
	if (expected < v->end)
		finding_missing(v, expected, v->end - 1, v->end == known ? " at the end of the trail" : "");
	for (; block * MERKLE_TILE_HASHES < v->end; block++)
	{
		finish_block(v, block);
		CHECK_FOR_INTERRUPTS();
	}
	for (; v->seals.row; rows_next(&v->seals))
		check_seal(v);
	if (v->bad_seals > 1)
		finding(v, Max(v->last_bad_size - 1, 0), "and " INT64_FORMAT " more seals do not fit the trail, up to size "
				INT64_FORMAT, v->bad_seals - 1, v->last_bad_size);
	SPI_cursor_close(entries.portal);
	SPI_cursor_close(v->seals.portal);
	/* with entries that were altered there is nothing to compare */
	if (!v->found)
		check_reads(v);
}

/* niji.verify_trail(from_seq bigint, to_seq bigint) returns table (seq bigint, finding text) */
Datum
verify_trail(PG_FUNCTION_ARGS)
{
	Verification v = {0};
	Snapshot	snapshot;
	int64		to = PG_ARGISNULL(1) ? PG_INT64_MAX : PG_GETARG_INT64(1);

	duty_require(NIJI_AUDITOR, "verify the trail");
	v.from = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
	if (v.from < 0 || to < v.from)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the first entry to verify must not be negative nor after the last")));
	InitMaterializedSRF(fcinfo, 0);
	v.result = (ReturnSetInfo *) fcinfo->resultinfo;

	SPI_connect();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	PushActiveSnapshot(snapshot);
	v.row_context = AllocSetContextCreate(CurrentMemoryContext, "niji verification", ALLOCSET_DEFAULT_SIZES);
	v.tiles = tile_cache_create(snapshot);
	v.leaves = tile_leaves(snapshot);
	v.good_size = v.from;
	verify(&v, to);
	PopActiveSnapshot();
	UnregisterSnapshot(snapshot);
	SPI_finish();
	return (Datum) 0;
}
