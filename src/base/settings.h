/*
 * settings.h
 *    niji's settings (GUCs).  See settings.c for what each is for.
 */
#ifndef NIJI_SETTINGS_H
#define NIJI_SETTINGS_H

#include "pgtime.h"

typedef enum
{
	NIJI_AUDIT_DURABLE,
	NIJI_AUDIT_QUEUED
} NijiAuditWait;

extern char *niji_key_source;
extern char *niji_seal_key_source;
extern char *niji_seal_command;
extern char *niji_anchor_directory;
extern char *niji_database;
extern char *niji_timezone;
extern int	niji_consent_memory;	/* kB */
extern int	niji_quarantine_days;
extern int	niji_seal_interval; /* s */
extern int	niji_spool_limit;	/* MB */
extern int	niji_audit_timeout; /* ms */
extern int	niji_audit_wait;	/* NijiAuditWait */
extern bool niji_allow_drop;

extern void settings_init(void);

/* the time zone in which dates of rules and permits are judged */
extern pg_tz *settings_timezone(void);

#endif							/* NIJI_SETTINGS_H */
