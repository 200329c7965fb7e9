/*
 * keys.c
 *    Master keys in memory, and what is derived from them.
 *
 * Two anonymous pages are mapped once by the postmaster and shared with all
 * its children: the live one holds the keys, the other is where a child that
 * reads the source hands them over.  Both are locked in memory, left out of
 * core dumps, and without any access (PROT_NONE) except for the moments in
 * which a process copies one key or installs a new page; so a stray pointer
 * in some other extension faults instead of reading a key.  What is not secret
 * (how many generations, what went wrong) is in ordinary shared memory.
 *
 * The source is read by a short-lived child: of the postmaster at start, of
 * the writer process on reload.  The postmaster thus never opens a key file,
 * waits inside a token's library or runs OpenSSL.  A child that fails, crashes
 * or hangs leaves a message, and the server starts without keys: everything
 * that needs one is then an error (55000), everything else works.
 *
 * Locks: NIJI_LOCK_KEYS, shared to copy a key, exclusive to install a page.
 * Nothing else is taken, and nothing can raise, while it is held.  The
 * postmaster installs before there is anybody else.  Version and count are
 * written under the lock and read without it, since they are looked at for
 * every digest; a version read before a key is derived can only be too old,
 * and what is too old is derived again.
 *
 * Whether a key is the right one is told by niji.master_key, which holds for
 * each generation a salt and a check value derived from the key.  Each backend
 * compares before it uses a key, and again when the table or the page changes.
 * A generation is first used under a lock that waits for all enrolments under
 * the generation before, since one identifier enrolled under two generations
 * at once would make two persons.
 */
#include "postgres.h"

#include "identity/keys.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/catalog.h"
#include "base/compat.h"
#include "base/duty.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "identity/key_source.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* how long a source may take, all its generations together */
#define SOURCE_TIMEOUT_MS 30000

#define FINGERPRINT_LENGTH 8

PG_FUNCTION_INFO_V1(key_status);

/* what is not secret */
typedef struct KeyShared
{
	pg_atomic_uint32 version;	/* counts installed pages; 0: never any */
	pg_atomic_uint32 count;		/* generations that are there */
	TimestampTz read_at;		/* when the source was read last, well or not */
	char		message[KEY_MESSAGE_LENGTH];	/* why that failed; empty when it did not */
} KeyShared;

static KeyShared *shared = NULL;
pg_atomic_uint32 *keys_version_at = NULL;
static KeyPage *live = NULL;
static KeyPage *handover = NULL;
static Size page_length = 0;

/* one generation as this backend found it */
typedef struct KeyCheck
{
	bool		used;			/* has a row in niji.master_key */
	bool		there;			/* the key is */
	bool		fits;			/* and is the one that the row was made with */
	TimestampTz first_used;
	uint8		salt[KDF_SALT_LENGTH];
} KeyCheck;

static KeyCheck checks[KEY_GENERATIONS_MAX + 1];
static uint32 checked_version = 0;
static CatalogWatch watch = {"master_key"};
static bool watching = false;

static const uint8 no_salt[KDF_SALT_LENGTH] = {0};

/* generations are there from 1 to this */
static int
newest_there(void)
{
	return (int) pg_atomic_read_u32(&shared->count);
}

/* ---- the pages ---- */

static void
map_pages(void)
{
	char	   *address;

	page_length = TYPEALIGN(sysconf(_SC_PAGESIZE), sizeof(KeyPage));
	address = mmap(NULL, 2 * page_length, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (address == MAP_FAILED)
		ereport(FATAL,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not map memory for master keys: %m")));
	if (madvise(address, 2 * page_length, MADV_DONTDUMP) < 0)
		ereport(FATAL,
				(errmsg("could not keep master keys out of core dumps: %m")));
	live = (KeyPage *) address;
	handover = (KeyPage *) (address + page_length);
}

/* locking makes the pages present, for which they must be accessible */
static void
lock_pages(void)
{
	if (mprotect(live, 2 * page_length, PROT_READ | PROT_WRITE) < 0)
		elog(FATAL, "could not open the pages of master keys: %m");
	if (mlock(live, 2 * page_length) < 0)
		ereport(WARNING,
				(errmsg("could not lock master keys in memory: %m"),
				 errdetail("They may be written to swap space."),
				 errhint("Raise the limit of locked memory (LimitMEMLOCK, ulimit -l) to at least %zu kB, or encrypt the swap space.",
						 2 * page_length / 1024)));
	(void) mprotect(live, 2 * page_length, PROT_NONE);
}

static void
protect(KeyPage *page, int protection)
{
	if (mprotect(page, page_length, protection) < 0)
		elog(PANIC, "could not change the protection of master keys: %m");
}

/* at the end of the postmaster (or of a single-user backend) */
static void
wipe_pages(int code, Datum arg)
{
	if (live && mprotect(live, 2 * page_length, PROT_READ | PROT_WRITE) == 0)
		explicit_bzero(live, 2 * page_length);
}

/* a process that holds derived keys is not to be traced by its user, nor to leave a core */
static void
become_undumpable(void)
{
	static bool done = false;

	if (!done)
		(void) prctl(PR_SET_DUMPABLE, 0);
	done = true;
}

/* ---- reading the source, in a child ---- */

static void
be_child(pid_t parent)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGCHLD, SIGPIPE, SIGUSR1, SIGUSR2, SIGURG};
	struct rlimit none = {0, 0};
	sigset_t	empty;

	/* its own session, so that it can be ended together with a command that it waits for */
	(void) setsid();
	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	(void) prctl(PR_SET_DUMPABLE, 0);
	(void) setrlimit(RLIMIT_CORE, &none);
	for (int i = 0; i < lengthof(signals); i++)
		(void) signal(signals[i], SIG_DFL);
	sigemptyset(&empty);
	(void) sigprocmask(SIG_SETMASK, &empty, NULL);
	key_source_read(niji_key_source, handover);
	_exit(0);
}

/* whether this process was asked to end while it waits */
static bool
asked_to_end(void)
{
	return IsUnderPostmaster && (ProcDiePending || ShutdownRequestPending);
}

/* fills the handover page by a child; the caller installs or wipes it */
static void
read_source(void)
{
	pid_t		parent = getpid();
	pid_t		pid;
	pid_t		ended = 0;
	int			status = 0;
	int			waited = 0;

	protect(handover, PROT_READ | PROT_WRITE);
	explicit_bzero(handover, sizeof(KeyPage));
	fflush(stdout);
	fflush(stderr);
	pid = fork();
	if (pid == 0)
		be_child(parent);
	if (pid < 0)
	{
		snprintf(handover->message, sizeof(handover->message),
				 "could not start a process that reads the keys: %s", strerror(errno));
		return;
	}
	while (waited < SOURCE_TIMEOUT_MS && !asked_to_end())
	{
		ended = waitpid(pid, &status, WNOHANG);
		if (ended == pid || (ended < 0 && errno != EINTR))
			break;
		pg_usleep(waited < 20 ? 1000L : 10000L);
		waited += waited < 20 ? 1 : 10;
	}
	if (ended != pid)
	{
		/* the group first (the child may be waiting for a command), then the child, should it not lead a group yet */
		(void) kill(-pid, SIGKILL);
		(void) kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		explicit_bzero(handover, sizeof(KeyPage));
		snprintf(handover->message, sizeof(handover->message),
				 "the key source did not answer within %d seconds", SOURCE_TIMEOUT_MS / 1000);
	}
	else if (!handover->complete)
	{
		explicit_bzero(handover, sizeof(KeyPage));
		snprintf(handover->message, sizeof(handover->message),
				 "the process that read the keys ended without an answer");
	}
	if (handover->count < 0 || handover->count > KEY_GENERATIONS_MAX)
		handover->count = 0;
	handover->message[sizeof(handover->message) - 1] = '\0';
}

/* makes the handover page the live one, if it holds keys; returns whether it did.  Caller has the lock. */
static bool
install(void)
{
	bool		good = handover->count > 0;

	if (good)
	{
		protect(live, PROT_READ | PROT_WRITE);
		memcpy(live, handover, sizeof(KeyPage));
		protect(live, PROT_NONE);
		pg_atomic_write_u32(&shared->count, handover->count);
		pg_atomic_write_u32(&shared->version, pg_atomic_read_u32(&shared->version) + 1);
	}
	else if (newest_there() == 0)
	{
		/* after a crash's restart the page may still hold what was there before */
		protect(live, PROT_READ | PROT_WRITE);
		explicit_bzero(live, sizeof(KeyPage));
		protect(live, PROT_NONE);
	}
	strlcpy(shared->message, handover->message, sizeof(shared->message));
	shared->read_at = GetCurrentTimestamp();
	explicit_bzero(handover, sizeof(KeyPage));
	protect(handover, PROT_NONE);
	return good;
}

static const char *
source_hint(void)
{
	/* a tired reader must not write a new key over the one that the data need */
	return "If this database has used a key, that very key is needed: put it back, or repair its file's owner and mode. "
		"Otherwise put 64 random hexadecimal digits (openssl rand -hex 32) into the file 1.key, mode 0600, owned by the server's user, of a directory, "
		"and set niji.key_source = 'file:/that/directory'. Then reload the configuration.";
}

/* ---- in the postmaster ---- */

static Size
keys_size(void)
{
	return sizeof(KeyShared);
}

static void
keys_start(void *address, bool found)
{
	shared = address;
	keys_version_at = &shared->version;
	if (found)
		return;
	memset(shared, 0, sizeof(KeyShared));
	pg_atomic_init_u32(&shared->version, 0);
	pg_atomic_init_u32(&shared->count, 0);
	if (live == NULL)
	{
		map_pages();
		lock_pages();
		on_proc_exit(wipe_pages, (Datum) 0);
	}
	read_source();
	if (install())
		ereport(LOG,
				(errmsg_plural("niji has %d master key", "niji has %d master keys",
							   newest_there(), newest_there())));
	else
		ereport(WARNING,
				(errmsg("niji has no master key: %s", shared->message),
				 errdetail("Enrolment, pseudonyms and protected reads are refused until there is one."),
				 errhint("%s", source_hint())));
}

static NijiShmemPart keys_part = {"niji keys", keys_size, keys_start};

void
keys_init(void)
{
	StaticAssertStmt(sizeof(KeyPage) <= 4096, "keys fit a page");
	if (process_shared_preload_libraries_in_progress)
		shmem_register(&keys_part);
}

/* ---- in the writer process ---- */

void
keys_reload(void)
{
	char		message[KEY_MESSAGE_LENGTH];
	int			before;
	int			count;
	bool		good;

	niji_require_preload();
	read_source();
	LWLockAcquire(niji_lock(NIJI_LOCK_KEYS), LW_EXCLUSIVE);
	before = newest_there();
	good = install();
	count = newest_there();
	strlcpy(message, shared->message, sizeof(message));
	LWLockRelease(niji_lock(NIJI_LOCK_KEYS));
	if (good && count != before)
		ereport(LOG,
				(errmsg_plural("niji has %d master key", "niji has %d master keys", count, count)));
	else if (!good && count > 0)
		ereport(WARNING,
				(errmsg("could not read the master keys anew: %s", message),
				 errdetail("The keys that were read before stay in use.")));
	else if (!good)
		ereport(WARNING,
				(errmsg("niji has no master key: %s", message),
				 errhint("%s", source_hint())));
}

/* ---- deriving ---- */

bool
key_available(void)
{
	return niji_preloaded() && newest_there() > 0;
}

char *
keys_directory(void)
{
	if (niji_key_source && strncmp(niji_key_source, "file:", 5) == 0)
		return niji_key_source + 5;
	return NULL;
}

/* without looking whether the key is the right one; false when it is not there */
static bool
derive(int generation, const char *use, const uint8 salt[32], uint8 out[32])
{
	uint8		key[KDF_KEY_LENGTH];
	bool		there;
	bool		derived;

	become_undumpable();
	LWLockAcquire(niji_lock(NIJI_LOCK_KEYS), LW_SHARED);
	there = generation >= 1 && generation <= newest_there();
	if (there)
	{
		protect(live, PROT_READ);
		memcpy(key, live->keys[generation - 1], sizeof(key));
		protect(live, PROT_NONE);
	}
	LWLockRelease(niji_lock(NIJI_LOCK_KEYS));
	if (!there)
		return false;
	derived = kdf_hkdf(key, salt, use, out);
	OPENSSL_cleanse(key, sizeof(key));
	if (!derived)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not derive a key"),
				 errdetail("OpenSSL refused HKDF with SHA-256.")));
	return true;
}

/* ---- is it the right key? ---- */

/* reads niji.master_key (generation int, salt bytea, check_value bytea, first_used timestamptz) */
static void
read_checks(void)
{
	Oid			relid = catalog_relation("master_key");
	Relation	rel;
	TableScanDesc scan;
	TupleTableSlot *slot;
	Snapshot	snapshot;

	watch.relid = relid;
	memset(checks, 0, sizeof(checks));
	if (!OidIsValid(relid))
		(void) catalog_owner(); /* says that the extension is not here */
	rel = table_open(relid, AccessShareLock);
	slot = table_slot_create(rel, NULL);
	/* as a catalog is read: what is committed now, also in parallel mode */
	snapshot = RegisterSnapshot(GetCatalogSnapshot(relid));
	scan = table_beginscan(rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		int			generation = DatumGetInt32(slot_getattr(slot, 1, &isnull));
		bytea	   *salt = DatumGetByteaPP(slot_getattr(slot, 2, &isnull));
		bytea	   *stored = DatumGetByteaPP(slot_getattr(slot, 3, &isnull));
		uint8		value[KDF_KEY_LENGTH];
		KeyCheck   *check;

		if (generation < 1 || generation > KEY_GENERATIONS_MAX ||
			VARSIZE_ANY_EXHDR(salt) != KDF_SALT_LENGTH)
			elog(ERROR, "niji.master_key has a row that niji did not write");
		check = &checks[generation];
		check->used = true;
		check->first_used = DatumGetTimestampTz(slot_getattr(slot, 4, &isnull));
		memcpy(check->salt, VARDATA_ANY(salt), KDF_SALT_LENGTH);
		check->there = derive(generation, "check", check->salt, value);
		check->fits = check->there && VARSIZE_ANY_EXHDR(stored) == sizeof(value) &&
			CRYPTO_memcmp(VARDATA_ANY(stored), value, sizeof(value)) == 0;
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
}

static void
refresh_checks(void)
{
	uint32		version;

	niji_require_preload();
	if (!watching)
	{
		catalog_watch(&watch);
		watching = true;
	}
	version = keys_version();
	if (!watch.stale && version == checked_version)
		return;
	watch.stale = true;			/* stays so if reading fails */
	read_checks();
	checked_version = version;
	watch.stale = false;
}

static int
newest_used(void)
{
	for (int generation = KEY_GENERATIONS_MAX; generation > 0; generation--)
		if (checks[generation].used)
			return generation;
	return 0;
}

static void
copy_message(char message[KEY_MESSAGE_LENGTH])
{
	LWLockAcquire(niji_lock(NIJI_LOCK_KEYS), LW_SHARED);
	strlcpy(message, shared->message, KEY_MESSAGE_LENGTH);
	LWLockRelease(niji_lock(NIJI_LOCK_KEYS));
}

static void
raise_no_key(void)
{
	char		message[KEY_MESSAGE_LENGTH];

	copy_message(message);
	/* where the keys would be is not for everyone */
	if (!duty_has(NIJI_GOVERNANCE | NIJI_CUSTODIAN | NIJI_AUDITOR))
		message[0] = '\0';
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("niji has no master key"),
			 message[0] ? errdetail("The key source failed: %s.", message) : 0,
			 errhint("%s", source_hint())));
}

static void
raise_missing(int generation)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the master key of generation %d is missing", generation),
			 errdetail("This database has used it."),
			 errhint("Put the key back where niji.key_source points and reload the configuration.")));
}

static void
raise_wrong(int generation)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the master key of generation %d is not the one that this database has used",
					generation),
			 errdetail("The stored check value does not fit it."),
			 errhint("Put the right key back where niji.key_source points and reload the configuration.")));
}

/* raises unless every generation that was used is there and fits */
static void
require_keys(void)
{
	refresh_checks();
	if (newest_there() == 0)
		raise_no_key();
	for (int generation = 1; generation <= KEY_GENERATIONS_MAX; generation++)
		if (checks[generation].used)
		{
			if (!checks[generation].there)
				raise_missing(generation);
			if (!checks[generation].fits)
				raise_wrong(generation);
		}
}

/*
 * First use of a generation: writes its row, or finds that another session
 * did.  Without "wait" it gives up when enrolments are under way.
 */
static void
begin_generation(int generation, bool wait)
{
	Oid			identifiers = catalog_relation("identifier");
	Oid			types[3] = {INT4OID, BYTEAOID, BYTEAOID};
	Datum		values[3];
	bytea	   *salt = palloc(VARHDRSZ + KDF_SALT_LENGTH);
	bytea	   *value = palloc(VARHDRSZ + KDF_KEY_LENGTH);

	if (XactReadOnly || RecoveryInProgress() || IsInParallelMode())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the master key of generation %d has not been used yet", generation),
				 errdetail("Its first use is recorded, which this transaction cannot do because it is read-only or parallel."),
				 errhint("Enrol a person or create a domain in a transaction that may write.")));

	/* waits for the enrolments under the generation before, and holds up new ones */
	if (wait)
		LockRelationOid(identifiers, ShareRowExclusiveLock);
	else if (!ConditionalLockRelationOid(identifiers, ShareRowExclusiveLock))
		return;
	refresh_checks();
	if (checks[generation].used)
		return;

	SET_VARSIZE(salt, VARHDRSZ + KDF_SALT_LENGTH);
	SET_VARSIZE(value, VARHDRSZ + KDF_KEY_LENGTH);
	if (!pg_strong_random(VARDATA(salt), KDF_SALT_LENGTH))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate a random salt")));
	if (!derive(generation, "check", (uint8 *) VARDATA(salt), (uint8 *) VARDATA(value)))
		raise_missing(generation);
	values[0] = Int32GetDatum(generation);
	values[1] = PointerGetDatum(salt);
	values[2] = PointerGetDatum(value);
	SPI_connect();
	catalog_query("insert into niji.master_key (generation, salt, check_value) values ($1, $2, $3) on conflict (generation) do nothing",
				  3, types, values, NULL, false);
	SPI_finish();
	watch.stale = true;
	refresh_checks();
	if (!checks[generation].used)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to the first use of a master key")));
}

int
key_current_generation(void)
{
	int			generation;

	require_keys();
	generation = newest_there();
	if (!checks[generation].used)
	{
		begin_generation(generation, true);
		require_keys();
	}
	return generation;
}

int
key_newest_used(void)
{
	/*
	 * A prepared look-up may take no new lock for many statements, and so would
	 * not hear that a generation has begun, while its snapshots already see
	 * digests of it.
	 */
	AcceptInvalidationMessages();
	require_keys();
	return newest_used();
}

/* this generation alone is looked at: a domain of generation 1 works although the key of 2 is wrong */
static void
require_generation(int generation)
{
	refresh_checks();
	if (newest_there() == 0)
		raise_no_key();
	if (generation < 1 || generation > newest_there())
		raise_missing(generation);
	if (!checks[generation].used)
		begin_generation(generation, true);
	if (!checks[generation].fits)
		raise_wrong(generation);
}

void
key_derive(int generation, const char *use, const uint8 salt[32], uint8 out[32])
{
	require_generation(generation);
	if (!derive(generation, use, salt, out))
		raise_missing(generation);
}

void
key_salt(int generation, uint8 salt[32])
{
	require_generation(generation);
	memcpy(salt, checks[generation].salt, KDF_SALT_LENGTH);
}

void
keys_verify_all(void)
{
	bool		own = !IsTransactionState();

	if (!niji_preloaded())
		return;
	if (own)
	{
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
	}
	if (OidIsValid(catalog_relation("master_key")))
	{
		bool		wrong = false;
		int			newest;

		refresh_checks();
		for (int generation = 1; generation <= KEY_GENERATIONS_MAX; generation++)
			if (checks[generation].used && !checks[generation].fits)
			{
				wrong = true;
				ereport(WARNING,
						(errmsg(checks[generation].there ?
								"the master key of generation %d is not the one that this database has used" :
								"the master key of generation %d is missing", generation),
						 errdetail("Database \"%s\" has used it. What needs it is refused.", niji_database),
						 errhint("Put the right key back where niji.key_source points and reload the configuration.")));
			}

		/*
		 * A new generation begins here, rather than inside a load that takes hours and would hold up the others.
		 * Never the first: while a dump is being restored niji.master_key is still empty, and a row with another
		 * salt would keep out those that are to come, without which no digest is ever found again.
		 */
		newest = newest_there();
		if (!wrong && newest_used() > 0 && !checks[newest].used && !XactReadOnly && !RecoveryInProgress())
			begin_generation(newest, false);
	}
	if (own)
	{
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
}

/* ---- what governance may see ---- */

/*
 * niji.key_status(): generation, fingerprint, state, first_used, detail.
 * A fingerprint is derived from the key as any other use is, under a constant
 * salt: two servers can be compared, and nothing is learnt about the key.
 */
Datum
key_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			there;

	niji_require_preload();
	duty_require(NIJI_GOVERNANCE | NIJI_AUDITOR | NIJI_CUSTODIAN, "see the status of keys");
	InitMaterializedSRF(fcinfo, 0);
	refresh_checks();
	there = newest_there();
	for (int generation = 1; generation <= Max(there, newest_used()); generation++)
	{
		KeyCheck   *check = &checks[generation];
		uint8		value[KDF_KEY_LENGTH];
		char		hex[2 * FINGERPRINT_LENGTH + 1];
		Datum		values[5];
		bool		nulls[5] = {false};

		values[0] = Int32GetDatum(generation);
		if (derive(generation, "fingerprint", no_salt, value))
		{
			hex[hex_encode((char *) value, FINGERPRINT_LENGTH, hex)] = '\0';
			values[1] = CStringGetTextDatum(hex);
		}
		else
			nulls[1] = true;
		OPENSSL_cleanse(value, sizeof(value));
		values[2] = CStringGetTextDatum(generation > there ? "missing" :
										check->used && !check->fits ? "wrong" :
										generation == there ? (check->used ? "current" : "unused") : "older");
		if (check->used)
			values[3] = TimestampTzGetDatum(check->first_used);
		else
			nulls[3] = true;
		nulls[4] = true;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	/* the source could not be read (again): a line without a generation says why */
	{
		char		message[KEY_MESSAGE_LENGTH];

		copy_message(message);
		if (message[0])
		{
			Datum		values[5] = {0};
			bool		nulls[5] = {true, true, false, true, false};

			values[2] = CStringGetTextDatum("source failed");
			values[4] = CStringGetTextDatum(message);
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}
