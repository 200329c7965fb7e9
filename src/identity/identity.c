/*
 * identity.c
 *    Start of the capability "identity".
 */
#include "postgres.h"

#include "identity/domain.h"
#include "identity/identity.h"
#include "identity/planner.h"

void
identity_init(void)
{
	domain_init();
	planner_init();
}
