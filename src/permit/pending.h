/* functions of other rooms that have not landed yet */
#pragma once
extern bool key_available(void) __attribute__((weak));
extern void domain_require(int domain) __attribute__((weak));
extern void consent_check(int permit, int dataset) __attribute__((weak));
#pragma weak trail_record_denied
#pragma weak trail_record_event
#pragma weak trail_require_writer
