/*
 * settings.c
 *    niji's settings.
 *
 * All of them belong to the server (POSTMASTER or SIGHUP): nothing that
 * protects people may be changed by a session.  No setting's value is a key;
 * niji.key_source says where keys come from.
 */
#include "postgres.h"

#include <limits.h>

#include "base/settings.h"
#include "miscadmin.h"
#include "utils/guc.h"

char	   *niji_key_source = NULL;
char	   *niji_seal_key_source = NULL;
char	   *niji_seal_command = NULL;
char	   *niji_anchor_directory = NULL;
char	   *niji_database = "postgres";
char	   *niji_timezone = NULL;
int			niji_consent_memory = 262144;
int			niji_quarantine_days = 30;
int			niji_seal_interval = 5;
int			niji_spool_limit = 1024;
int			niji_audit_timeout = 10000;
int			niji_audit_wait = NIJI_AUDIT_DURABLE;
bool		niji_allow_drop = false;

static const struct config_enum_entry audit_wait_options[] = {
	{"durable", NIJI_AUDIT_DURABLE, false},
	{"queued", NIJI_AUDIT_QUEUED, false},
	{NULL, 0, false}
};

/* "file:/absolute/path" or "command:anything"; empty means there is none */
static bool
check_source(char **newval, void **extra, GucSource source)
{
	const char *value = *newval;

	if (value == NULL || value[0] == '\0')
		return true;
	if (strncmp(value, "file:", 5) == 0 && value[5] == '/')
		return true;
	if (strncmp(value, "command:", 8) == 0 && value[8] != '\0')
		return true;
	GUC_check_errdetail("A key source is \"file:\" and an absolute path, or \"command:\" and a command line.");
	return false;
}

static bool
check_timezone_name(char **newval, void **extra, GucSource source)
{
	pg_tz	   *tz = pg_tzset(*newval);

	if (tz == NULL || !pg_tz_acceptable(tz))
	{
		GUC_check_errdetail("\"%s\" is not a time zone that PostgreSQL knows.", *newval);
		return false;
	}
	return true;
}

pg_tz *
settings_timezone(void)
{
	return pg_tzset(niji_timezone);
}

/* what shared memory is made for; such settings can be defined only while the server starts */
static void
define_start_settings(void)
{
	/* Fixed at start: the worker and all of shared memory belong to one database. */
	DefineCustomStringVariable("niji.database",
							   "Database that niji protects and whose trail the writer keeps.",
							   "Registering datasets and reading protected rows is refused in any other database.",
							   &niji_database, "postgres", PGC_POSTMASTER, 0, NULL, NULL, NULL);

	/* Bounds what consent sets may take, so that a wrong rule cannot eat the server. */
	DefineCustomIntVariable("niji.consent_memory",
							"Shared memory for consent sets.",
							"Reserved at the start. It also bounds what each session adds to them. Reads fail with an error when a set finds no room.",
							&niji_consent_memory, 262144, 1024, INT_MAX, PGC_POSTMASTER, GUC_UNIT_KB,
							NULL, NULL, NULL);
}

void
settings_init(void)
{
	if (process_shared_preload_libraries_in_progress)
		define_start_settings();

	/* An administrator points this at a key store; the keys themselves never come near the configuration. */
	DefineCustomStringVariable("niji.key_source",
							   "Where the master keys come from: file:DIRECTORY or command:COMMAND.",
							   "In a command, %g is the generation asked for; exit status 3 means that there is no such generation.",
							   &niji_key_source, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check_source, NULL, NULL);

	/* Seals may be signed by a key that is kept apart from the master keys. */
	DefineCustomStringVariable("niji.seal_key_source",
							   "Where the Ed25519 key that signs seals comes from: file:PATH or command:COMMAND.",
							   "A PKCS#8 PEM. Empty: seal.pem in the directory that niji.key_source names.",
							   &niji_seal_key_source, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check_source, NULL, NULL);

	/* Seals protect the record only when copies are kept where the DBA cannot reach them. */
	DefineCustomStringVariable("niji.seal_command",
							   "Command that takes a new seal on its standard input and hands it outside.",
							   "%s in it is the seal's size, %% a percent sign. Called by the writer after each seal, and again while its exit status is not 0.",
							   &niji_seal_command, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);

	/* A restored backup forgets objections: something outside of it has to know how far it was. */
	DefineCustomStringVariable("niji.anchor_directory",
							   "Directory, outside of the data directory, for the anchor and the file of decisions.",
							   "Empty: the directory of niji.key_source, when that is file:DIRECTORY.",
							   &niji_anchor_directory, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);

	/* Laws count days where they are in force, wherever the server or the session is. */
	DefineCustomStringVariable("niji.timezone",
							   "Time zone in which the dates of rules and permits are judged.",
							   NULL,
							   &niji_timezone, "Asia/Tokyo", PGC_SIGHUP, 0,
							   check_timezone_name, NULL, NULL);

	/* Quarantined records name people: they are kept as long as repair takes and no longer. */
	DefineCustomIntVariable("niji.quarantine_days",
							"Days until a quarantined record is purged.",
							NULL,
							&niji_quarantine_days, 30, 1, 3650, PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	/* The shorter, the smaller the time in which an entry could be altered unseen. */
	DefineCustomIntVariable("niji.seal_interval",
							"Seconds between seals, when there is something new.",
							NULL,
							&niji_seal_interval, 5, 1, 3600, PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);

	/* Bounds the disk that the spool takes when the writer cannot empty it. */
	DefineCustomIntVariable("niji.spool_limit",
							"Size of the spool at which protected reads are refused.",
							"The spool holds the entries that the writer has not yet moved into the trail.",
							&niji_spool_limit, 1024, 32, 1024 * 1024, PGC_SIGHUP, GUC_UNIT_MB,
							NULL, NULL, NULL);

	/* A reader never waits for ever on the record. */
	DefineCustomIntVariable("niji.audit_timeout",
							"Longest time that a protected read waits for its entry.",
							"After it the read fails.",
							&niji_audit_timeout, 10000, 100, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	/* "queued" trades the promise of durability for speed, for the whole server, and is itself recorded. */
	DefineCustomEnumVariable("niji.audit_wait",
							 "Whether a protected read waits until its entry is on disk (durable) or not (queued).",
							 NULL,
							 &niji_audit_wait, NIJI_AUDIT_DURABLE, audit_wait_options, PGC_SIGHUP, 0,
							 NULL, NULL, NULL);

	/* Dropping niji drops the protection and the record: it has to be meant. */
	DefineCustomBoolVariable("niji.allow_drop",
							 "Allows DROP EXTENSION niji while datasets or entries of the trail exist.",
							 NULL,
							 &niji_allow_drop, false, PGC_SIGHUP, 0,
							 NULL, NULL, NULL);

	MarkGUCPrefixReserved("niji");
}
