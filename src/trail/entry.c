/*
 * entry.c
 *    Entries of the trail: headers' common fields, and putting them in place.
 *
 * Only the writer process appends, in batches, a transaction each.  A batch
 * starts by reading the last tile of each level (the tree's right edge, at most
 * 64 kB), hashes of new leaves are pushed onto it, tiles that fill up are
 * written at once and the edge at the end.  Nothing is remembered from one
 * transaction to the next, so that an abort needs no care.
 *
 * A place in the trail is never given twice.  If somebody removed entries or
 * tiles behind the extension's back, the next seq still follows the largest
 * that the entries, the tiles or the seals know of: the trail goes on, and
 * verify_trail() tells what is missing.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "common/ip.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "trail/entry.h"
#include "trail/entry_rows.h"
#include "trail/entry_tree.h"
#include "trail/tile.h"
#include "utils/array.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

typedef struct Edge
{
	int64		index;
	int			count;
	bool		changed;
	uint8		hashes[MERKLE_TILE_SIZE];
} Edge;

static Edge *edges = NULL;		/* MERKLE_TILE_LEVELS of them, for the process's life */
static int64 tree_size = 0;
static bool batch_open = false;

/* ---- headers ---- */

/* where this process's client is, as pg_stat_activity has it; it never changes */
static const char *
client_address(void)
{
	static char address[NI_MAXHOST];
	static int	pid = 0;

	if (pid != MyProcPid && MyBEEntry)
	{
		SockAddr   *client = &MyBEEntry->st_clientaddr;

		address[0] = '\0';
		if (client->addr.ss_family == AF_UNIX)
			strlcpy(address, "[local]", sizeof(address));
		else if (client->addr.ss_family != 0 &&
				 pg_getnameinfo_all(&client->addr, client->salen, address, sizeof(address), NULL, 0,
									NI_NUMERICHOST | NI_NUMERICSERV) != 0)
			address[0] = '\0';
		pid = MyProcPid;
	}
	return address;
}

void
entry_origin_fill(EntryOrigin *origin)
{
	origin->session_user = GetUserNameFromId(GetSessionUserId(), true);
	if (origin->session_user == NULL)
		origin->session_user = "";
	origin->user = GetUserNameFromId(GetOuterUserId(), true);
	if (origin->user == NULL)
		origin->user = "";
	origin->client = pstrdup(client_address());
	origin->application = pstrdup(application_name ? application_name : "");
	origin->pid = MyProcPid;
}

int64
entry_time(TimestampTz at)
{
	return at + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

void
entry_put_common(CborWriter *w, const char *kind, TimestampTz at, const EntryOrigin *origin)
{
	cbor_put_int(w, "v", 1);
	cbor_put_text(w, "kind", kind);
	cbor_put_int(w, "at", entry_time(at));
	cbor_put_text(w, "session_user", origin->session_user);
	cbor_put_text(w, "user", origin->user);
	cbor_put_text(w, "client", origin->client);
	cbor_put_text(w, "application", origin->application);
	cbor_put_int(w, "pid", origin->pid);
}

/* asking the system's generator for each entry would cost more than the rest of a short one */
void
entry_salt(uint8 salt[ENTRY_SALT_SIZE])
{
	static uint8 pool[64 * ENTRY_SALT_SIZE];
	static int	left = 0;
	static int	pid = 0;

	if (left == 0 || pid != MyProcPid)
	{
		left = 0;
		if (!pg_strong_random(pool, sizeof(pool)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random bytes")));
		left = lengthof(pool) / ENTRY_SALT_SIZE;
		pid = MyProcPid;
	}
	left--;
	memcpy(salt, pool + left * ENTRY_SALT_SIZE, ENTRY_SALT_SIZE);
	explicit_bzero(pool + left * ENTRY_SALT_SIZE, ENTRY_SALT_SIZE);
}

/* ---- the writer: the tree's right edge ---- */

static int64
query_int64(const char *query, int64 missing)
{
	bool		isnull;
	Datum		value;

	if (SPI_execute(query, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "niji's query failed: %s", query);
	if (SPI_processed == 0)
		return missing;
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? missing : DatumGetInt64(value);
}

bool
entry_ready(void)
{
	bool		ready = false;

	if (!OidIsValid(catalog_relation("trail_identity")))
		return false;
	SPI_connect();
	ready = query_int64("select 1::bigint from niji.trail_identity", 0) == 1;
	SPI_finish();
	return ready;
}

static void
edge_push(int level, const uint8 hash[MERKLE_HASH_SIZE])
{
	Edge	   *edge = &edges[level];

	memcpy(edge->hashes + edge->count * MERKLE_HASH_SIZE, hash, MERKLE_HASH_SIZE);
	edge->count++;
	edge->changed = true;
	if (edge->count == MERKLE_TILE_HASHES)
	{
		uint8		node[MERKLE_HASH_SIZE];

		tile_write(level, edge->index, edge->hashes, edge->count);
		merkle_tile_node(edge->hashes, 0, MERKLE_TILE_BITS, node);
		edge->index++;
		edge->count = 0;
		edge->changed = false;
		if (level + 1 < MERKLE_TILE_LEVELS)
			edge_push(level + 1, node);
	}
}

/* puts leaves into the tree that the tiles do not hold, though there were entries or seals of them */
static void
tree_mend(int64 from, int64 to)
{
	ereport(WARNING,
			(errmsg("the trail's tree had lost entries " INT64_FORMAT " to " INT64_FORMAT, from, to - 1),
			 errhint("niji.verify_trail() tells what is missing.")));
	for (int64 seq = from; seq < to; seq++)
	{
		Oid			types[1] = {INT8OID};
		Datum		values[1] = {Int64GetDatum(seq)};
		uint8		hash[MERKLE_HASH_SIZE] = {0};

		if (SPI_execute_with_args("select leaf_hash from niji.entry where seq = $1", 1, types, values,
								  NULL, false, 1) == SPI_OK_SELECT &&
			SPI_processed == 1)
		{
			bool		isnull;
			Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);

			if (!isnull)
			{
				bytea	   *bytes = DatumGetByteaPP(value);

				if (VARSIZE_ANY_EXHDR(bytes) == MERKLE_HASH_SIZE)
					memcpy(hash, VARDATA_ANY(bytes), MERKLE_HASH_SIZE);
			}
		}
		SPI_freetuptable(SPI_tuptable);
		edge_push(0, hash);
		CHECK_FOR_INTERRUPTS();
	}
	tree_size = to;
}

/* reads the right edge; SPI is connected */
static void
tree_load(void)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	int64		leaves = tile_leaves(snapshot);
	int64		entries = query_int64("select max(seq) from niji.entry", -1) + 1;
	int64		sealed = query_int64("select max(size) from niji.seal", 0);
	int64		total = leaves;

	if (edges == NULL)
		edges = MemoryContextAllocZero(TopMemoryContext, MERKLE_TILE_LEVELS * sizeof(Edge));
	for (int level = 0; level < MERKLE_TILE_LEVELS; level++)
	{
		Edge	   *edge = &edges[level];
		int			count = 0;

		edge->index = total / MERKLE_TILE_HASHES;
		edge->count = total % MERKLE_TILE_HASHES;
		edge->changed = false;
		if (edge->count > 0)
			count = tile_read(level, edge->index, snapshot, edge->hashes);
		if (count < edge->count)
		{
			/* somebody removed a tile: the tree goes on, and verification finds it */
			ereport(WARNING, (errmsg("tile %d/" INT64_FORMAT " of the trail's tree is damaged",
									 level, edge->index)));
			memset(edge->hashes + count * MERKLE_HASH_SIZE, 0,
				   (edge->count - count) * MERKLE_HASH_SIZE);
			edge->changed = true;
		}
		total /= MERKLE_TILE_HASHES;
	}
	UnregisterSnapshot(snapshot);
	tree_size = leaves;
	if (Max(entries, sealed) > leaves)
		tree_mend(leaves, Max(entries, sealed));
}

static void
tree_save(void)
{
	for (int level = 0; level < MERKLE_TILE_LEVELS; level++)
		if (edges[level].changed && edges[level].count > 0)
		{
			tile_write(level, edges[level].index, edges[level].hashes, edges[level].count);
			edges[level].changed = false;
		}
	CommandCounterIncrement();
}

void
entry_batch_begin(void)
{
	SPI_connect();
	tree_load();
	SPI_finish();
	entry_rows_begin();
	batch_open = true;
}

void
entry_batch_end(void)
{
	batch_open = false;
	entry_rows_flush();
	tree_save();
}

/* the tree as this transaction sees it; what was mended is written */
int64
entry_tree_size(void)
{
	SPI_connect();
	tree_load();
	SPI_finish();
	tree_save();
	return tree_size;
}

/* ---- the writer: appending ---- */

static bool
header_is_sound(const uint8 *header, Size length)
{
	return length > 0 && length < MaxAllocSize / 2 && (header[0] & 0xe0) == 0xa0 &&
		cbor_check(header, length, NULL, NULL);
}

int64
entry_append(const uint8 *header, Size header_length, const uint8 salt[ENTRY_SALT_SIZE],
			 const uint8 *private_part, Size private_length)
{
	CborWriter	mark_header;
	CborWriter	mark_private;
	uint8		private_hash[MERKLE_HASH_SIZE];
	uint8		leaf[MERKLE_HASH_SIZE];
	int64		seq = tree_size;
	int64		spool = 0;
	bool		has_spool;
	bool		marked = false;

	if (!batch_open)
		elog(ERROR, "entry_append was called outside of a batch");
	if (!header_is_sound(header, header_length))
	{
		EntryOrigin origin = {"", "", "", "", MyProcPid};

		/* nothing that should be recorded may be lost, nor stop what comes after it */
		cbor_init(&mark_header);
		cbor_map_begin(&mark_header);
		entry_put_common(&mark_header, "mark", GetCurrentTimestamp(), &origin);
		cbor_put_text(&mark_header, "what", "unreadable entry");
		cbor_map_end(&mark_header);
		cbor_init(&mark_private);
		cbor_map_begin(&mark_private);
		cbor_put_bytes(&mark_private, "header", header, header_length);
		cbor_put_bytes(&mark_private, "private", private_part ? private_part : (const uint8 *) "",
					   private_length);
		cbor_map_end(&mark_private);
		header = mark_header.data;
		header_length = mark_header.length;
		private_part = mark_private.data;
		private_length = mark_private.length;
		marked = true;
	}

	merkle_private_hash(salt, private_part, private_part ? private_length : 0, private_hash);
	merkle_entry_leaf(header, header_length, private_hash, leaf);
	has_spool = cbor_find_int(header, header_length, "open", &spool) ||
		cbor_find_int(header, header_length, "spool", &spool);
	entry_rows_add(seq, header, header_length, salt, private_part, private_length, leaf,
				   has_spool ? &spool : NULL);
	edge_push(0, leaf);
	tree_size++;
	if (marked)
	{
		cbor_free(&mark_header);
		cbor_free(&mark_private);
	}
	return seq;
}
