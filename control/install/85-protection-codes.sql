/* ---- protection: what can be weaker than it should be ---- */

/*
 * niji.check_protection() is made of one function for each family, and each
 * row that such a function gives has a code of this table.  docs/check-protection.md
 * prints the same table; a test compares the two, and each code with the
 * functions.
 *
 * error    somebody can see, change or carry away what they should not, or
 *          nothing protected works
 * warning  one step away from that, or promised and not kept
 * notice   worth knowing, and often meant
 */
create table @extschema@.protection_code (
  code text primary key,
  family text not null,
  severity text not null check (severity in ('error', 'warning', 'notice')),
  meaning text not null
);
comment on table @extschema@.protection_code is
  'Everything that niji.check_protection() can find: code, family, severity, and what it means.';

insert into @extschema@.protection_code (family, severity, code, meaning) values
  -- check_protection() itself
  ('check', 'error', 'check_failed', 'A family of findings could not be looked at, so that what is weak there is not known'),
  -- server_findings(), door_findings()
  ('server', 'error', 'not_protected', 'The server does not protect this database: niji is not loaded, or niji.database names another one'),
  ('server', 'error', 'key', 'A master key that this database has used is missing or wrong, or the key source cannot be read'),
  ('server', 'error', 'spool', 'Entries of the trail cannot be written, so protected reads are refused'),
  ('server', 'error', 'preload_lost', 'The configuration files no longer load niji: the next start would be without it'),
  ('server', 'error', 'hba_trust', 'pg_hba.conf lets somebody in from another machine without asking who they are'),
  ('server', 'warning', 'hba_trust_local', 'pg_hba.conf lets everybody on this machine be anybody'),
  ('server', 'warning', 'hba_clear', 'pg_hba.conf takes passwords from other machines without TLS, or by a method that does not prove who it is'),
  ('server', 'notice', 'hba_plain', 'pg_hba.conf lets other machines connect without TLS'),
  ('server', 'warning', 'hba_error', 'A line of pg_hba.conf is in error, so the file is not loaded'),
  ('server', 'warning', 'ssl_off', 'The server listens to other machines and TLS is off'),
  ('server', 'warning', 'writer_absent', 'The process that moves the spool into the trail does not run'),
  ('server', 'warning', 'keeper_absent', 'The process that builds consent sets does not run: sessions build their own'),
  ('server', 'warning', 'audit_queued', 'Reads do not wait until their entry is on disk'),
  ('server', 'warning', 'drop_allowed', 'niji may be dropped with its datasets and its trail'),
  ('server', 'warning', 'explain_to_client', 'auto_explain sends plans to clients, so reads under permits are refused'),
  ('server', 'warning', 'preload_order', 'A library that is loaded after niji speaks before niji can keep it from the client'),
  ('server', 'warning', 'guard', 'An event trigger of niji is disabled or gone'),
  ('server', 'warning', 'stored_setting', 'A setting that weakens protection or prints data is stored for a role or a database'),
  ('server', 'warning', 'statements_logged', 'The server''s log takes the text of every statement, with what it says about persons'),
  ('server', 'notice', 'slow_statements_logged', 'The server''s log takes the text of slow statements, with what it says about persons'),
  ('server', 'warning', 'parameters_logged', 'The server''s log takes the parameters of statements, in which identifiers are'),
  ('server', 'warning', 'plans_logged', 'The server''s log takes plans, with constants or with the numbers of rows that were withheld'),
  ('server', 'warning', 'not_durable', 'A crash can lose or damage entries of the trail'),
  ('server', 'notice', 'checksums_off', 'Damage of a file, also of the trail''s, is not noticed by the server'),
  ('server', 'warning', 'trail', 'niji.check_trail() has found something'),
  ('server', 'notice', 'trail_outside', 'Seals are not made, or not handed outside (niji.check_trail())'),
  ('server', 'warning', 'extension_path', 'An extension that opens a way out of the database or into its files'),
  ('server', 'notice', 'extension_watch', 'An extension that shows pages, statements or other servers to who may use it'),
  ('server', 'notice', 'language', 'An untrusted language: its functions act as the server''s user'),
  ('server', 'error', 'untrusted_function', 'A function in an untrusted language that PUBLIC or a reader may execute'),
  -- right_findings()
  ('right', 'error', 'not_hardened', 'niji.harden() was not called, or undone: PUBLIC may execute functions that tell about rows before the filter'),
  ('right', 'error', 'telling_function', 'PUBLIC may execute a function that tells how many rows were read before the filter'),
  ('right', 'error', 'copying_function', 'PUBLIC may execute a function that makes copies that no policy reaches'),
  ('right', 'error', 'schema_create', 'PUBLIC may create objects in a schema'),
  ('right', 'error', 'database_right', 'PUBLIC may create schemas or temporary tables'),
  ('right', 'error', 'niji_function', 'A function of niji may be executed by who should not'),
  ('right', 'warning', 'niji_function_lost', 'A function that everybody needs may not be executed by PUBLIC: queries fail'),
  ('right', 'error', 'niji_table', 'A table or view of niji may be read or changed by who should not'),
  ('right', 'error', 'niji_type', 'The types of persons and probes may be used in tables and functions'),
  ('right', 'error', 'niji_schema', 'Somebody may create objects in schema niji'),
  ('right', 'error', 'niji_owner', 'An object of niji belongs to who is not a superuser'),
  ('right', 'error', 'catalog_right', 'A catalog that holds values of rows, or passwords, may be read by who should not'),
  ('right', 'warning', 'default_privileges', 'New tables are lent to others by default'),
  ('right', 'error', 'published', 'A publication carries a dataset or a table of niji out of the database, unfiltered and unrecorded'),
  ('right', 'warning', 'replication_slot', 'A logical slot carries changes out of the database, unfiltered and unrecorded'),
  ('right', 'notice', 'subscription', 'A subscription writes into the database what another one says'),
  ('right', 'warning', 'duty_unbound', 'A duty was given to a role that does not exist under this oid and name'),
  -- role_findings()
  ('role', 'error', 'niji_role_granted', 'A role of niji was granted to somebody, who can act as it'),
  ('role', 'error', 'niji_role_member', 'A role of niji is a member of another one, whose rights its views would lend'),
  ('role', 'error', 'niji_role_attributes', 'A role of niji has attributes that niji did not give it'),
  ('role', 'warning', 'role_bypassrls', 'A role bypasses row level security'),
  ('role', 'warning', 'role_server_access', 'A role may read or write the server''s files, or run programs on it, which is as good as a superuser'),
  ('role', 'warning', 'role_createrole', 'A role may create roles, and up to PostgreSQL 15 act as almost any'),
  ('role', 'notice', 'role_reads_all', 'A role may read or write all tables'),
  ('role', 'notice', 'role_replication', 'A role may replicate, and so read everything'),
  ('role', 'notice', 'superuser_login', 'A further superuser can log in'),
  -- dataset_findings()
  ('dataset', 'error', 'relation_missing', 'The relation of a dataset does not exist'),
  ('dataset', 'error', 'column_missing', 'A column that the registration names does not exist, or has another type'),
  ('dataset', 'error', 'is_child', 'A dataset was hung below another table, through which it can be read'),
  ('dataset', 'error', 'rls_off', 'Row level security is off, on the dataset or a partition'),
  ('dataset', 'error', 'dataset_owner', 'A dataset or a partition belongs to somebody else than niji''s owner, whom row level security does not bind'),
  ('dataset', 'error', 'dataset_right', 'Somebody has a right on a dataset, a partition or a column of it'),
  ('dataset', 'error', 'protect_missing', 'The restrictive policy of a dataset is missing'),
  ('dataset', 'error', 'protect_altered', 'The restrictive policy of a dataset is not the one that niji made'),
  ('dataset', 'error', 'policy_foreign', 'A dataset or a partition has a policy that niji did not make'),
  ('dataset', 'error', 'foreign_code', 'A dataset runs code that does not belong to a superuser, or runs what it is given'),
  ('dataset', 'error', 'rule', 'A dataset has a rewrite rule'),
  ('dataset', 'warning', 'not_compiled', 'It is not known how a policy or a view was compiled, so that nothing can be compared'),
  ('dataset', 'warning', 'detached', 'A table belongs to the owner of datasets and is none'),
  ('dataset', 'warning', 'no_person_index', 'A person column has no index: a pseudonym is looked up by reading everything, and so are merges'),
  ('dataset', 'warning', 'derived_person', 'A generated column or an expression index is computed from a person, and can be shown as what it is'),
  ('dataset', 'warning', 'foreign_key', 'A table that is no dataset has a foreign key to a dataset: its checks tell which keys exist'),
  ('dataset', 'warning', 'override', 'Consents are set aside by law at the moment'),
  ('dataset', 'notice', 'foreign_partition', 'A partition is read from another server, which has to protect it too'),
  ('dataset', 'notice', 'extended_statistics', 'Extended statistics keep combinations of persons and values in a catalog'),
  ('dataset', 'notice', 'not_analyzed', 'A dataset was never analysed, or keeps no statistics of its persons: plans are guesses'),
  -- path_findings()
  ('path', 'error', 'view_reads', 'A view that is not a permit''s reads a dataset, and belongs to a role that bypasses row level security'),
  ('path', 'error', 'matview_reads', 'A materialized view holds a copy of a dataset, or of a permit''s view, that no consent reaches'),
  ('path', 'warning', 'view_other', 'A view that is not a permit''s names a dataset'),
  ('path', 'error', 'function_reads', 'A SECURITY DEFINER function reads a dataset as a role that bypasses row level security, and others may execute it'),
  ('path', 'warning', 'function_mentions', 'The same, judged by the text of the function: it has the name of a dataset in it'),
  ('path', 'warning', 'definer_path', 'A SECURITY DEFINER function of a role that bypasses row level security can be made to run others'' objects: its search_path is not fixed'),
  ('path', 'warning', 'persons_lent', 'A table outside of niji that holds persons may be read by PUBLIC or a reader'),
  -- permit_findings()
  ('permit', 'error', 'permit_role', 'The role of a permit does not exist under this oid and name'),
  ('permit', 'error', 'permit_view_missing', 'A view of a permit is missing, or belongs to somebody else than its role'),
  ('permit', 'error', 'permit_view_altered', 'A view of a permit, or an option of it, is not what niji made'),
  ('permit', 'error', 'permit_policy_missing', 'A policy of a permit is missing'),
  ('permit', 'error', 'permit_policy_altered', 'A policy of a permit is not the one that niji made'),
  ('permit', 'error', 'permit_columns_altered', 'The role of a permit has rights on other columns than were compiled'),
  ('permit', 'error', 'permit_schema', 'The schema of a permit belongs to, or can be filled by, who is not a superuser'),
  ('permit', 'error', 'permit_object', 'Something stands in the schema of a permit that niji did not make'),
  ('permit', 'warning', 'permit_lent', 'A view or the schema of a permit was granted to who is no reader of it'),
  ('permit', 'warning', 'permit_left', 'A permit is closed, but its objects are still there'),
  ('permit', 'notice', 'permit_expired', 'A permit has expired and was not closed'),
  ('permit', 'error', 'workspace', 'A workspace is weaker than it should be'),
  -- reader_findings()
  ('reader', 'error', 'reader_superuser', 'A reader is a superuser, and is refused under permits'),
  ('reader', 'error', 'reader_createrole', 'A reader may create roles, and so act as others'),
  ('reader', 'error', 'reader_bypassrls', 'A reader bypasses row level security elsewhere'),
  ('reader', 'error', 'reader_replication', 'A reader may replicate, and so read everything'),
  ('reader', 'error', 'reader_create', 'A reader may create schemas, or objects outside of the workspace, where copies could be kept'),
  ('reader', 'error', 'reader_temporary', 'A reader may create temporary tables, where copies could be kept'),
  ('reader', 'error', 'reader_member', 'A reader is a member of a role of the server that reads past the filter'),
  ('reader', 'error', 'reader_duty', 'A reader has a duty that has persons'),
  ('reader', 'warning', 'reader_unbound', 'A reader does not exist under this oid and name');

/* the last word of a hint is what somebody with the right to it types; names are quoted */
create function @extschema@.grantee(role oid) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$ select case when role = 0 then 'public' else quote_ident(pg_get_userbyid(role)) end $$;
comment on function @extschema@.grantee(oid) is 'A role as GRANT and REVOKE name it: quoted, public for 0. Internal.';

/* who has rights on what they own, or on everything, whatever row level security says */
create function @extschema@.bypasses(role oid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$ select exists (select from pg_roles o where o.oid = role and (o.rolsuper or o.rolbypassrls)) $$;
comment on function @extschema@.bypasses(oid) is 'Whether a role is a superuser or bypasses row level security. Internal.';
