/*
 * seal.c
 *    Seals: the writer signs the tree's head every few seconds.
 *
 * The private key is read by the writer process and stays in it: from a file
 * that nobody else may read, or from a command.  The process makes itself
 * undumpable before it reads it.  A key that is new is entered with its public
 * half into niji.seal_key, and as an act into the trail.
 *
 * Before it signs, the writer looks whether the tree still begins with what it
 * signed last.  If it does not, somebody changed the trail behind the
 * extension's back; it says so in the log and goes on, since the two seals
 * that contradict one another are the proof.
 *
 * A seal is handed outside after its transaction has committed: seal_out.c.
 *
 * Without a key nothing is sealed, which is logged once, and the trail goes on.
 */
#include "postgres.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "access/xact.h"
#include "base/duty.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "trail/checkpoint.h"
#include "trail/command.h"
#include "trail/entry.h"
#include "trail/entry_tree.h"
#include "trail/seal_out.h"
#include "trail/tile.h"
#include "trail/writer.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(seal_trail);

#define PEM_MAX 16384
#define KEY_COMMAND_TIMEOUT 30000

/* the key, for the process's life or until the next reload */
static EVP_PKEY *key = NULL;
static uint8 public_key[CHECKPOINT_PUBLIC_KEY_SIZE];
static bool tried = false;		/* the command was asked, and had none */
static bool complained = false;

static TimestampTz last_at = 0; /* of the newest seal */
static int64 sealed_size = 0;
static bool missing = false;

/* ---- the key ---- */

static void
complain(const char *what, const char *detail, const char *hint)
{
	if (!complained)
		ereport(LOG,
				(errmsg("the trail cannot be sealed: %s", what),
				 detail ? errdetail("%s", detail) : 0,
				 hint ? errhint("%s", hint) : 0));
	complained = true;
}

/* as PostgreSQL treats its TLS key: 0600 or 0400 of the server's user, or 0640 or less of root */
static bool
read_key_file(const char *path, char *pem)
{
	struct stat st;
	FILE	   *file = AllocateFile(path, PG_BINARY_R);
	size_t		n;

	if (file == NULL)
	{
		complain("could not open the key file", psprintf("\"%s\": %m.", path),
				 "Make one with: openssl genpkey -algorithm ed25519 -out seal.pem; chmod 600 seal.pem");
		return false;
	}
	if (fstat(fileno(file), &st) < 0 || !S_ISREG(st.st_mode))
	{
		FreeFile(file);
		complain("the key is not a regular file", psprintf("\"%s\"", path), NULL);
		return false;
	}
	if ((st.st_uid != geteuid() && st.st_uid != 0) ||
		(st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) ||
		(st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) != 0))
	{
		FreeFile(file);
		complain("the key file may be read by others", psprintf("\"%s\"", path),
				 "It must be 0600 or 0400 and owned by the server's user, or 0640 or less and owned by root.");
		return false;
	}
	setvbuf(file, NULL, _IONBF, 0);
	n = fread(pem, 1, PEM_MAX - 1, file);
	FreeFile(file);
	pem[n] = '\0';
	return true;
}

static bool
read_key_command(const char *command, char *pem)
{
	const char *error;

	if (tried)
		return false;
	tried = true;
	if (command_read(command, pem, PEM_MAX, KEY_COMMAND_TIMEOUT, &error) < 0)
	{
		complain("the command of niji.seal_key_source gave no key", psprintf("It %s.", error), NULL);
		return false;
	}
	return true;
}

/* never asks a terminal */
static int
no_passphrase(char *buffer, int size, int writing, void *arg)
{
	return -1;
}

static bool
load_key(void)
{
	char	   *pem;
	bool		got;
	BIO		   *bio;
	size_t		length = sizeof(public_key);

	if (key)
		return true;
#ifdef __linux__
	(void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	pem = palloc0(PEM_MAX);
	if (niji_seal_key_source && strncmp(niji_seal_key_source, "file:", 5) == 0)
		got = read_key_file(niji_seal_key_source + 5, pem);
	else if (niji_seal_key_source && strncmp(niji_seal_key_source, "command:", 8) == 0)
		got = read_key_command(niji_seal_key_source + 8, pem);
	else if (niji_key_source && strncmp(niji_key_source, "file:", 5) == 0)
		got = read_key_file(psprintf("%s/seal.pem", niji_key_source + 5), pem);
	else
	{
		complain("there is no key", NULL,
				 "Set niji.seal_key_source, or keep seal.pem in the directory of niji.key_source.");
		got = false;
	}

	if (got)
	{
		bio = BIO_new_mem_buf(pem, -1);
		key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
		BIO_free(bio);
		if (key && (EVP_PKEY_get_id(key) != EVP_PKEY_ED25519 ||
					EVP_PKEY_get_raw_public_key(key, public_key, &length) != 1))
		{
			EVP_PKEY_free(key);
			key = NULL;
		}
		if (key == NULL)
			complain("the key is not an Ed25519 private key in PEM (PKCS#8) without passphrase", NULL,
					 "Make one with: openssl genpkey -algorithm ed25519 -out seal.pem");
	}
	explicit_bzero(pem, PEM_MAX);
	pfree(pem);
	if (key)
		complained = false;
	return key != NULL;
}

void
seal_reload(void)
{
	EVP_PKEY_free(key);
	key = NULL;
	tried = false;
	complained = false;
}

/* ---- signing ---- */

static bool
sign(const char *body, uint8 signature[CHECKPOINT_SIGNATURE_SIZE])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t		length = CHECKPOINT_SIGNATURE_SIZE;
	bool		ok = context != NULL &&
	EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
	EVP_DigestSign(context, signature, &length, (const unsigned char *) body, strlen(body)) == 1;

	EVP_MD_CTX_free(context);
	return ok;
}

static Datum
bytes_datum(const uint8 *data, Size length)
{
	bytea	   *bytes = palloc(VARHDRSZ + length);

	SET_VARSIZE(bytes, VARHDRSZ + length);
	memcpy(VARDATA(bytes), data, length);
	return PointerGetDatum(bytes);
}

/* the key's id in niji.seal_key; entered, and the trail told, when it is new */
static int
key_id(const char *origin)
{
	Oid			types[3] = {BYTEAOID, TEXTOID, TEXTOID};
	Datum		values[3];
	char		verifier[CHECKPOINT_MAX_VERIFIER];
	bool		isnull;

	checkpoint_verifier(origin, public_key, verifier);
	values[0] = bytes_datum(public_key, sizeof(public_key));
	values[1] = CStringGetTextDatum(origin);
	values[2] = CStringGetTextDatum(verifier);
	if (SPI_execute_with_args("select id from niji.seal_key where public_key = $1", 1, types, values, NULL,
							  false, 1) != SPI_OK_SELECT)
		elog(ERROR, "niji could not read its seal keys");
	if (SPI_processed == 0)
	{
		if (SPI_execute_with_args("insert into niji.seal_key (public_key, name, verifier) values ($1, $2, $3) returning id",
								  3, types, values, NULL, false, 0) != SPI_OK_INSERT_RETURNING)
			elog(ERROR, "niji could not enter its seal key");
		values[0] = values[2];
		types[0] = TEXTOID;
		{
			int			id = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));

			if (SPI_execute_with_args("select niji.record_act('new_seal_key', $1)", 1, types, values, NULL,
									  false, 0) != SPI_OK_SELECT)
				elog(ERROR, "niji could not record its seal key");
			return id;
		}
	}
	return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/* does the tree begin with what was signed last? */
static void
check_continues(int64 old_size, const uint8 *old_root, TileCache *cache)
{
	static int64 told = -1;
	uint8		root[MERKLE_HASH_SIZE];

	if (old_size == 0 || told == old_size ||
		(merkle_root(tile_node, cache, old_size, root) && memcmp(root, old_root, MERKLE_HASH_SIZE) == 0))
		return;
	told = old_size;
	ereport(WARNING,
			(errmsg("the trail no longer begins with what was sealed at size " INT64_FORMAT, old_size),
			 errhint("niji.verify_trail() names the entries; compare with the copies of seals that are kept outside.")));
}

bool
seal_if_due(bool now)
{
	TimestampTz at = GetCurrentTimestamp();
	int64		size;
	int64		old_size = 0;
	uint8		old_root[MERKLE_HASH_SIZE] = {0};
	char		origin[CHECKPOINT_MAX_ORIGIN + 1] = "";
	char		body[CHECKPOINT_MAX_TEXT];
	char		text[CHECKPOINT_MAX_TEXT];
	uint8		root[MERKLE_HASH_SIZE];
	uint8		signature[CHECKPOINT_SIGNATURE_SIZE];
	TileCache  *cache;
	Snapshot	snapshot;
	bool		isnull;
	bool		sound;

	if (!now && !TimestampDifferenceExceeds(last_at, at, niji_seal_interval * 1000))
		return false;
	size = entry_tree_size();

	SPI_connect();
	if (SPI_execute("select i.origin, s.size, s.root, s.at, s.checkpoint from niji.trail_identity i "
					"left join lateral (select size, root, at, checkpoint from niji.seal order by size desc limit 1) s on true",
					false, 1) != SPI_OK_SELECT)
		elog(ERROR, "niji could not read its newest seal");
	if (SPI_processed == 0)
	{
		SPI_finish();
		return false;
	}
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		Datum		value = SPI_getbinval(row, desc, 2, &isnull);

		strlcpy(origin, SPI_getvalue(row, desc, 1), sizeof(origin));
		if (!isnull)
		{
			bytea	   *bytes;

			old_size = DatumGetInt64(value);
			bytes = DatumGetByteaPP(SPI_getbinval(row, desc, 3, &isnull));
			if (VARSIZE_ANY_EXHDR(bytes) == MERKLE_HASH_SIZE)
				memcpy(old_root, VARDATA_ANY(bytes), MERKLE_HASH_SIZE);
			if (last_at == 0)
				last_at = Min(at, DatumGetTimestampTz(SPI_getbinval(row, desc, 4, &isnull)));
			seal_out_offer(SPI_getvalue(row, desc, 5), old_size, true);
		}
	}
	missing = false;
	sealed_size = old_size;
	if (size <= old_size)
	{
		SPI_finish();
		return false;
	}
	if (now)
		tried = false;
	if (!load_key())
	{
		missing = true;
		SPI_finish();
		return false;
	}

	snapshot = RegisterSnapshot(GetLatestSnapshot());
	cache = tile_cache_create(snapshot);
	check_continues(old_size, old_root, cache);
	sound = merkle_root(tile_node, cache, size, root) && checkpoint_body(origin, size, root, body) > 0 &&
		sign(body, signature);
	UnregisterSnapshot(snapshot);
	pfree(cache);
	if (!sound)
	{
		/* not an error: what was recorded has to be kept */
		ereport(WARNING, (errmsg("the trail's head could not be signed"),
						  errhint("niji.verify_trail() tells whether the tree is damaged.")));
		SPI_finish();
		return false;
	}
	checkpoint_text(body, origin, public_key, signature, text);
	{
		Oid			types[5] = {INT8OID, BYTEAOID, TIMESTAMPTZOID, INT4OID, TEXTOID};
		Datum		values[5];

		values[0] = Int64GetDatum(size);
		values[1] = bytes_datum(root, sizeof(root));
		values[2] = TimestampTzGetDatum(at);
		values[3] = Int32GetDatum(key_id(origin));
		values[4] = CStringGetTextDatum(text);
		if (SPI_execute_with_args("insert into niji.seal (size, root, at, key, checkpoint) values ($1, $2, $3, $4, $5)",
								  5, types, values, NULL, false, 0) != SPI_OK_INSERT)
			elog(ERROR, "niji could not enter its seal");
	}
	SPI_finish();

	seal_out_offer(text, size, false);
	last_at = at;
	sealed_size = size;
	return true;
}

int64
seal_size(void)
{
	return sealed_size;
}

bool
seal_key_missing(void)
{
	return missing;
}

/* niji.seal_trail(): asks the writer, and waits for it */
Datum
seal_trail(PG_FUNCTION_ARGS)
{
	duty_require(NIJI_GOVERNANCE | NIJI_AUDITOR, "seal the trail");
	PG_RETURN_INT64(writer_seal());
}
