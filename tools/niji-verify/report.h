/*
 * report.h
 *    How niji-verify ends: a sentence and a status.
 *
 *    0  verified
 *    1  what was given contradicts itself, or a seal: it was altered
 *    2  nothing can be said: it cannot be read, or something is missing
 */
#ifndef NIJI_VERIFY_REPORT_H
#define NIJI_VERIFY_REPORT_H

#define STATUS_ALTERED 1
#define STATUS_UNUSABLE 2

extern void altered(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
extern void unusable(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif							/* NIJI_VERIFY_REPORT_H */
