/*
 * codes.c
 *    Start of the capability "codes".
 */
#include "postgres.h"

#include "codes/codes.h"

void
codes_init(void)
{
}
