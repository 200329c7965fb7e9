/*
 * permit.c
 *    Start of the capability "permit".
 */
#include "postgres.h"

#include "permit/permit.h"

void
permit_init(void)
{
}
