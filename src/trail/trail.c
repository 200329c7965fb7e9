/*
 * trail.c
 *    Start of the capability "trail".
 */
#include "postgres.h"

#include "trail/trail.h"

void
trail_init(void)
{
}
