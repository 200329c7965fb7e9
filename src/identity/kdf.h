/*
 * kdf.h
 *    HKDF-SHA-256 and HMAC-SHA-256 through OpenSSL 3.  Needs no server.
 */
#ifndef NIJI_KDF_H
#define NIJI_KDF_H

#define KDF_KEY_LENGTH 32
#define KDF_SALT_LENGTH 32

/*
 * HKDF (RFC 5869) with the info "niji/<use>/v1"; false when OpenSSL refuses,
 * with out wiped.
 */
extern bool kdf_hkdf(const uint8 key[KDF_KEY_LENGTH], const uint8 salt[KDF_SALT_LENGTH],
					 const char *use, uint8 out[KDF_KEY_LENGTH]);

/* the same with any lengths and any info; what kdf_hkdf() is made of, and what the vectors of RFC 5869 are run through */
extern bool kdf_hkdf_general(const uint8 *key, size_t key_length, const uint8 *salt,
							 size_t salt_length, const uint8 *info, size_t info_length, uint8 *out,
							 size_t out_length);

/* an HMAC-SHA-256 whose key is kept inside; NULL when OpenSSL refuses */
typedef struct KdfMac KdfMac;

extern KdfMac *kdf_mac_open(const uint8 key[KDF_KEY_LENGTH]);
extern bool kdf_mac(KdfMac *mac, const uint8 *data, size_t length, const uint8 *more,
					size_t more_length, uint8 out[32]);
extern void kdf_mac_close(KdfMac *mac);

#endif							/* NIJI_KDF_H */
