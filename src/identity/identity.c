/*
 * identity.c
 *    Start of the capability "identity".
 */
#include "postgres.h"

#include "identity/identity.h"
#include "identity/keys.h"
#include "identity/number.h"

void
identity_init(void)
{
	keys_init();
	number_init();
}
