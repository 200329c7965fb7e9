/*
 * domain.c
 *    Pseudonym domains (仮名化ドメイン) and their ciphers.
 *
 * A pseudonym is one block of AES-256 under the domain's key: class (1 byte),
 * value (8 bytes, big endian), zeros (7 bytes).  So it is a bijection, and the
 * zeros tell a pseudonym of this domain from any other 16 bytes.  The domain's
 * key is derived from a generation of the master key and the domain's salt
 * (table niji.domain); it exists only while a cipher is set up here.
 *
 * Blocks go through EVP_Cipher(), one whole block a call: EVP_EncryptUpdate()
 * does the same and keeps a buffer for what does not fill a block, which costs
 * more than AES itself.
 *
 * Ciphers are kept for the life of the backend.  They are dropped when
 * niji.domain changes, so a domain that was erased is gone for the next
 * statement of every session, and when keys were read anew.  What is not
 * there is remembered too: a comparison with a probe of an unknown domain must
 * not read the table for each row.
 *
 * The table is read as a catalog would be: with a catalog snapshot, which sees
 * what is committed now, is allowed in parallel mode, and needs no rights of
 * the caller.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/catalog.h"
#include "base/compat.h"
#include "base/duty.h"
#include "access/genam.h"
#include "access/table.h"
#include "fmgr.h"
#include "identity/domain.h"
#include "identity/keys.h"
#include "port/pg_bswap.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define SALT_LENGTH 32
#define BLOCK_LENGTH 16

/* columns of niji.domain */
#define COLUMN_ID 1
#define COLUMN_GENERATION 4
#define COLUMN_SALT 5

typedef enum
{
	DOMAIN_READY,
	DOMAIN_UNKNOWN,
	DOMAIN_ERASED,
	DOMAIN_NO_KEY
} DomainState;

typedef struct Domain
{
	int			id;				/* hash key: must be first */
	DomainState state;
	EVP_CIPHER_CTX *encrypt;
	EVP_CIPHER_CTX *decrypt;
} Domain;

static CatalogWatch watch = {"domain"};
static bool watching = false;
static HTAB *domains = NULL;
static Domain *last = NULL;		/* the one that was used last */
static uint64 epoch = 0;
static uint32 keys_seen = 0;

PG_FUNCTION_INFO_V1(domain_generation);
PG_FUNCTION_INFO_V1(domain_salt);

static void
forget_domains(void)
{
	HASH_SEQ_STATUS status;
	Domain	   *domain;

	last = NULL;
	epoch++;
	if (domains == NULL)
		return;
	hash_seq_init(&status, domains);
	while ((domain = hash_seq_search(&status)) != NULL)
	{
		/* these overwrite their key schedules */
		EVP_CIPHER_CTX_free(domain->encrypt);
		EVP_CIPHER_CTX_free(domain->decrypt);
		(void) hash_search(domains, &domain->id, HASH_REMOVE, NULL);
	}
}

static bool
start_cipher(Domain *domain, const uint8 *key)
{
	domain->encrypt = EVP_CIPHER_CTX_new();
	domain->decrypt = EVP_CIPHER_CTX_new();
	return domain->encrypt && domain->decrypt &&
		EVP_EncryptInit_ex(domain->encrypt, EVP_aes_256_ecb(), NULL, key, NULL) == 1 &&
		EVP_DecryptInit_ex(domain->decrypt, EVP_aes_256_ecb(), NULL, key, NULL) == 1 &&
		EVP_CIPHER_CTX_set_padding(domain->encrypt, 0) == 1 &&
		EVP_CIPHER_CTX_set_padding(domain->decrypt, 0) == 1;
}

/* the domain's row, through the primary key; the salt is copied */
static DomainState
read_domain(int id, int *generation, uint8 *salt)
{
	DomainState state = DOMAIN_UNKNOWN;
	Relation	rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	watch.relid = catalog_relation("domain");
	watch.stale = false;
	if (!OidIsValid(watch.relid))
		return state;
	rel = table_open(watch.relid, AccessShareLock);
	ScanKeyInit(&key, COLUMN_ID, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(id));
	scan = systable_beginscan(rel, niji_primary_key(rel), true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value;

		*generation = DatumGetInt32(heap_getattr(tuple, COLUMN_GENERATION, RelationGetDescr(rel), &isnull));
		value = heap_getattr(tuple, COLUMN_SALT, RelationGetDescr(rel), &isnull);
		state = DOMAIN_ERASED;
		if (!isnull)
		{
			bytea	   *bytes = DatumGetByteaPP(value);

			if (VARSIZE_ANY_EXHDR(bytes) != SALT_LENGTH)
				elog(ERROR, "salt of domain %d has a wrong length", id);
			memcpy(salt, VARDATA_ANY(bytes), SALT_LENGTH);
			state = DOMAIN_READY;
		}
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return state;
}

static Domain *
load_domain(int id)
{
	Domain		loaded = {id, DOMAIN_UNKNOWN, NULL, NULL};
	Domain	   *domain;
	int			generation = 0;
	uint8		salt[SALT_LENGTH];
	uint8		key[32];
	bool		started;

	loaded.state = read_domain(id, &generation, salt);
	if (loaded.state == DOMAIN_READY && !key_available())
		loaded.state = DOMAIN_NO_KEY;
	if (loaded.state == DOMAIN_READY)
	{
		key_derive(generation, "pseudonym", salt, key);
		started = start_cipher(&loaded, key);
		OPENSSL_cleanse(key, sizeof(key));
		OPENSSL_cleanse(salt, sizeof(salt));
		if (!started)
		{
			EVP_CIPHER_CTX_free(loaded.encrypt);
			EVP_CIPHER_CTX_free(loaded.decrypt);
			ERR_clear_error();
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("could not start the cipher of a pseudonym domain")));
		}
	}

	domain = hash_search(domains, &id, HASH_ENTER_NULL, NULL);
	if (domain == NULL)
	{
		EVP_CIPHER_CTX_free(loaded.encrypt);
		EVP_CIPHER_CTX_free(loaded.decrypt);
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	}
	*domain = loaded;
	return domain;
}

static pg_noinline Domain *
look_up_domain(int id)
{
	if (!watching)
	{
		HASHCTL		control = {.keysize = sizeof(int), .entrysize = sizeof(Domain)};

		control.hcxt = TopMemoryContext;
		domains = hash_create("niji pseudonym domains", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		catalog_watch(&watch);
		watching = true;
	}
	if (watch.stale || keys_seen != keys_version())
	{
		keys_seen = keys_version();
		forget_domains();
	}

	last = hash_search(domains, &id, HASH_FIND, NULL);
	if (last == NULL)
		last = load_domain(id);
	return last;
}

static inline Domain *
find_domain(int id)
{
	if (likely(last != NULL && last->id == id && !watch.stale && keys_seen == keys_version()))
		return last;
	return look_up_domain(id);
}

/* one block; out may not be in */
static inline bool
run_cipher(EVP_CIPHER_CTX *cipher, uint8 *out, const uint8 *in)
{
	return EVP_Cipher(cipher, out, in, BLOCK_LENGTH) > 0;
}

static pg_noinline void
refuse_domain(int id, const Domain *domain)
{
	switch (domain->state)
	{
		case DOMAIN_READY:
			break;
		case DOMAIN_UNKNOWN:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("there is no pseudonym domain %d", id),
					 errhint("The domains are in niji.domain.")));
			break;
		case DOMAIN_ERASED:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("pseudonym domain %d was erased", id),
					 errdetail("Its salt was destroyed, so its pseudonyms can neither be made nor undone.")));
			break;
		case DOMAIN_NO_KEY:
			/* says what is wrong with the key source */
			(void) key_current_generation();
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("there is no master key for pseudonym domain %d", id)));
			break;
	}
}

static inline Domain *
require_domain(int id)
{
	Domain	   *domain = find_domain(id);

	if (unlikely(domain->state != DOMAIN_READY))
		refuse_domain(id, domain);
	return domain;
}

void
domain_require(int domain)
{
	(void) require_domain(domain);
}

uint64
domain_epoch(void)
{
	return watch.stale || keys_seen != keys_version() ? epoch + 1 : epoch;
}

void
domain_encrypt(int domain, PseudonymClass class, int64 value, uint8 out[16])
{
	Domain	   *cipher = require_domain(domain);
	uint8		block[BLOCK_LENGTH] = {0};
	uint64		big = pg_hton64((uint64) value);

	block[0] = class;
	memcpy(block + 1, &big, sizeof(big));
	if (!run_cipher(cipher->encrypt, out, block))
		elog(ERROR, "could not encrypt a block");
}

bool
domain_decrypt(int domain, const uint8 in[16], PseudonymClass *class, int64 *value)
{
	Domain	   *cipher = find_domain(domain);
	uint8		block[BLOCK_LENGTH];
	uint64		big;
	uint64		tail;

	if (cipher->state != DOMAIN_READY || !run_cipher(cipher->decrypt, block, in))
		return false;
	/* the last byte of the value and the padding */
	memcpy(&tail, block + 8, sizeof(tail));
	if ((pg_ntoh64(tail) & UINT64CONST(0x00FFFFFFFFFFFFFF)) != 0)
		return false;
	memcpy(&big, block + 1, sizeof(big));
	*class = block[0];
	*value = (int64) pg_ntoh64(big);
	return true;
}

Oid
pseudonym_type(void)
{
	return catalog_type("pseudonym");
}

/* niji.domain_generation(): the generation of the master key that a new domain gets */
Datum
domain_generation(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(key_current_generation());
}

/* niji.domain_salt(): 32 random bytes */
Datum
domain_salt(PG_FUNCTION_ARGS)
{
	bytea	   *salt = palloc(VARHDRSZ + SALT_LENGTH);

	SET_VARSIZE(salt, VARHDRSZ + SALT_LENGTH);
	if (!pg_strong_random(VARDATA(salt), SALT_LENGTH))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	PG_RETURN_BYTEA_P(salt);
}

void
domain_init(void)
{
}
