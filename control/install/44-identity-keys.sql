/* ---- identity: master keys ---- */

create table @extschema@.master_key (
  generation integer primary key check (generation between 1 and 64),
  salt bytea not null check (length(salt) = 32),
  check_value bytea not null check (length(check_value) = 32),
  first_used timestamptz not null default pg_catalog.clock_timestamp()
);
comment on table @extschema@.master_key is
  'Generations of the master key that this database has used. Holds no key: a random salt, and a value derived from the key (HKDF, use "check") that finds a wrong key before it does harm.';

create trigger invalidate after insert or update or delete or truncate on @extschema@.master_key
  for each statement execute function @extschema@.invalidate();
alter table @extschema@.master_key enable always trigger invalidate;
select pg_catalog.pg_extension_config_dump('@extschema@.master_key', '');

create function @extschema@.key_status(
  out generation integer,
  out fingerprint text,
  out state text,
  out first_used timestamptz,
  out detail text
) returns setof record
language c volatile parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.key_status() is
  'Generations of the master key (世代) with fingerprints, never keys. state: current (new digests and domains use it), unused (the newest, not used by this database yet), older, wrong (not the key that this database has used), missing; a line without a generation says why the key source could not be read. Duties: governance, auditor, custodian.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'key_status()'),
  ('auditor', 'function', 'key_status()'),
  ('custodian', 'function', 'key_status()');
