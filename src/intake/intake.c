/*
 * intake.c
 *    Start of the capability "intake".
 */
#include "postgres.h"

#include "intake/intake.h"

void
intake_init(void)
{
}
