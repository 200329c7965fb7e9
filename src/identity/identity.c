/*
 * identity.c
 *    Start of the capability "identity".
 */
#include "postgres.h"

#include "identity/identity.h"

void
identity_init(void)
{
}
