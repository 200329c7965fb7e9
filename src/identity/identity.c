/*
 * identity.c
 *    Start of the capability "identity".
 */
#include "postgres.h"

#include "identity/domain.h"
#include "identity/identity.h"
#include "identity/keys.h"
#include "identity/number.h"
#include "identity/planner.h"

void
identity_init(void)
{
	keys_init();
	number_init();
	domain_init();
	planner_init();
}
