/*
 * waiting.h
 *    When the waiting time after a notice is over.
 */
#ifndef NIJI_WAITING_H
#define NIJI_WAITING_H

#include "datatype/timestamp.h"
#include "pgtime.h"

extern TimestampTz waiting_over(TimestampTz notified, const Interval *waiting, pg_tz *zone);

#endif							/* NIJI_WAITING_H */
