/*
 * keys.h
 *    Master keys: whether they are there, and keys derived from them.
 */
#ifndef NIJI_KEYS_H
#define NIJI_KEYS_H

#include "identity/kdf.h"
#include "port/atomics.h"

/*
 * The newest generation, which new digests and domains use.  Raises 55000 with
 * a hint when there is none, when its stored check value does not fit, or when
 * this database has used a newer one.  The first call for a generation writes
 * its row into niji.master_key, so it needs a transaction that may write.
 */
extern int	key_current_generation(void);

/* the newest generation that this database has used, 0 when none; raises as above but never writes */
extern int	key_newest_used(void);

/*
 * HKDF-SHA-256 with info niji/<use>/v1; use is pseudonym, digest, quarantine,
 * check, commitment or decisions.  Raises 55000 as above.  The caller wipes out.
 */
extern void key_derive(int generation, const char *use, const uint8 salt[32], uint8 out[32]);

/* the salt that niji.master_key holds for a generation; raises 55000 as above */
extern void key_salt(int generation, uint8 salt[32]);

/* whether there are keys; never raises */
extern bool key_available(void);

/* changes whenever keys were read anew: what was derived before is stale then; 0 without preload */
extern pg_atomic_uint32 *keys_version_at;	/* NULL without preload */

static inline uint32
keys_version(void)
{
	return likely(keys_version_at != NULL) ? pg_atomic_read_u32(keys_version_at) : 0;
}

/*
 * For the writer process.  keys_reload: on SIGHUP, after ProcessConfigFile();
 * reads the source in a child and keeps the old keys when that fails (LOG).
 * keys_verify_all: at its start and after a reload, in or outside of a
 * transaction; logs keys that do not fit the stored check values, and begins a
 * new generation.  Neither raises for a wrong key.
 */
extern void keys_reload(void);
extern void keys_verify_all(void);

/* the directory of "file:DIRECTORY", or NULL when keys come from elsewhere */
extern char *keys_directory(void);

extern void keys_init(void);

#endif							/* NIJI_KEYS_H */
