/*
 * duty.h
 *    Duties: what a role may do in niji, judged by the session's user.
 */
#ifndef NIJI_DUTY_H
#define NIJI_DUTY_H

typedef enum
{
	NIJI_LOADER = 1 << 0,
	NIJI_CONSENT_OFFICER = 1 << 1,
	NIJI_REVIEWER = 1 << 2,
	NIJI_GOVERNANCE = 1 << 3,
	NIJI_AUDITOR = 1 << 4,
	NIJI_CUSTODIAN = 1 << 5,
	NIJI_SUPERUSER = 1 << 6		/* the session's user is one */
} NijiDuty;

/* the duties of the session's user, as a mask; 0 for an analyst */
extern int	duty_mask(void);

/* whether the session's user has one of these duties or is a superuser */
extern bool duty_has(int duties);

/* error 42501 unless duty_has(duties) */
extern void duty_require(int duties, const char *what);

#endif							/* NIJI_DUTY_H */
