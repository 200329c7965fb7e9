/*
 * domain.h
 *    Pseudonym domains (仮名化ドメイン) and their ciphers.
 */
#ifndef NIJI_DOMAIN_H
#define NIJI_DOMAIN_H

/* what a pseudonym stands for: the first byte of the block */
typedef enum
{
	CLASS_PERSON = 1,
	CLASS_INSTITUTION,
	CLASS_PHYSICIAN,
	CLASS_RECORD,
	CLASS_HOUSEHOLD
} PseudonymClass;

/* raises 55000 when the domain is unknown or erased, or when there is no key */
extern void domain_encrypt(int domain, PseudonymClass class, int64 value, uint8 out[16]);

/* false: not a pseudonym of this domain, or the domain has no key (any more); never raises for a value */
extern bool domain_decrypt(int domain, const uint8 in[16], PseudonymClass *class, int64 *value);

/* raises 55000 now rather than at the first row (domain_check is a function of PostgreSQL) */
extern void domain_require(int domain);

/* grows whenever ciphers were dropped: what was computed with them before may no longer hold */
extern uint64 domain_epoch(void);

/* oid of niji.pseudonym, cached; InvalidOid when the extension is not in this database */
extern Oid	pseudonym_type(void);

extern void domain_init(void);

#endif							/* NIJI_DOMAIN_H */
