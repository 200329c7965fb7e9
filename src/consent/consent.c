/*
 * consent.c
 *    Start of the capability "consent".
 */
#include "postgres.h"

#include "consent/consent.h"

void
consent_init(void)
{
}
