/*
 * niji.c
 *    The module: magic, and the start of each capability.
 */
#include "postgres.h"

#include "base/base.h"
#include "codes/codes.h"
#include "consent/consent.h"
#include "fmgr.h"
#include "identity/identity.h"
#include "intake/intake.h"
#include "permit/permit.h"
#include "restore/restore.h"
#include "trail/trail.h"

NIJI_MODULE_MAGIC;

void		_PG_init(void);

/* in the order of their leaning: each uses only those above it */
void
_PG_init(void)
{
	base_init();
	trail_init();
	codes_init();
	identity_init();
	consent_init();
	permit_init();
	intake_init();
	restore_init();
}
