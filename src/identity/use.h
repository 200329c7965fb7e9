/*
 * use.h
 *    Who may make pseudonyms of a domain, and who may have them undone.
 */
#ifndef NIJI_USE_H
#define NIJI_USE_H

/* whether a permit uses the domain; set by permit, which lies above */
extern bool (*use_domain_of_permit) (int domain);

/* error 42501 unless the session's user may make pseudonyms of the domain from persons, here and now */
extern void use_require_make(int domain);

/* error 42501 unless probes of the domain may be undone for the session's user, here and now */
extern void use_require_undo(int domain);

extern void use_init(void);

#endif							/* NIJI_USE_H */
