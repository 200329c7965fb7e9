/* ---- identity: carrying digests to a new generation of the master key ---- */

create table @extschema@.key_rotation (
  run integer generated always as identity primary key,
  from_generation smallint,
  to_generation smallint not null,
  outcome text check (outcome in ('complete', 'conflicts', 'superseded')),
  total bigint not null,
  done bigint not null default 0,
  conflicts bigint not null default 0,
  batches bigint not null default 0,
  next_table text not null default 'identifier' check (next_table in ('identifier', 'surrogate')),
  next_block bigint not null default 0,
  started_at timestamptz not null default pg_catalog.clock_timestamp(),
  started_by name not null default session_user,
  last_at timestamptz,
  finished_at timestamptz,
  check ((outcome is null) = (finished_at is null))
);
comment on table @extschema@.key_rotation is
  'Rotations of the identity key, past ones and the one that goes on. niji.rotation_progress shows them.';
comment on column @extschema@.key_rotation.from_generation is 'The oldest generation that had digests when the run began; null when none had';
comment on column @extschema@.key_rotation.outcome is
  'Null: not finished. complete: no digest of an older generation is left. conflicts: some identifiers are stored twice, with two persons, or some codes, with two numbers. superseded: a later run to another generation took its place';
comment on column @extschema@.key_rotation.next_table is 'In which table the next batch begins: niji.identifier comes first, niji.surrogate next';
comment on column @extschema@.key_rotation.next_block is 'Where in that table the next batch begins';

-- a batch that only counts on does not make lookups read the table anew
create trigger invalidate after insert or update of outcome or delete or truncate on @extschema@.key_rotation
  for each statement execute function @extschema@.invalidate();
alter table @extschema@.key_rotation enable always trigger invalidate;
select pg_catalog.pg_extension_config_dump('@extschema@.key_rotation', '');
select pg_catalog.pg_extension_config_dump('@extschema@.key_rotation_run_seq', '');

create function @extschema@.rotation_pid() returns integer
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select l.pid from pg_catalog.pg_locks l
   where l.locktype = 'object' and l.classid = 'pg_catalog.pg_class'::regclass and l.objsubid = 1 and l.granted
     and l.objid = 'niji.key_rotation'::regclass
     and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
$$;
comment on function @extschema@.rotation_pid() is
  'The process that rotates the identity key now, or null. Duties: governance, auditor, custodian.';

create view @extschema@.rotation_progress as
  select r.run,
         case when r.outcome is not null then r.outcome
              when p.pid is not null then 'running'
              else 'interrupted' end as state,
         case when r.outcome is null then p.pid end as pid,
         r.from_generation,
         r.to_generation,
         r.total,
         r.done,
         case when r.outcome = 'complete' then 0 else greatest(r.total - r.done, 0) end as "left",
         r.conflicts,
         r.batches,
         r.started_at,
         r.started_by,
         r.last_at,
         r.finished_at
    from @extschema@.key_rotation r
   cross join (select @extschema@.rotation_pid() as pid) p;
comment on view @extschema@.rotation_progress is
  'How far the rotation of the identity key has come, and past rotations. state: running, interrupted (call niji.rotate_identity_key() again), complete, conflicts, superseded; done and left count digests; what is done is committed.';

create procedure @extschema@.rotate_identity_key(batch_size integer default 10000)
language c as 'MODULE_PATHNAME';
comment on procedure @extschema@.rotate_identity_key(integer) is
  'Carries stored digests (of identifiers, and of codes of physicians, records and households) from older generations of the master key to the newest, without identifiers, in batches that are committed while loads go on (鍵の更新). After a crash or an error call it again: it goes on. Not within a transaction block. Errors: 55006 a rotation runs already, 55000 a key is missing or wrong, 25006 on a standby. Duty: governance; recorded in the trail at its start and end.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'rotate_identity_key(integer)'),
  ('governance', 'function', 'rotation_pid()'),
  ('auditor', 'function', 'rotation_pid()'),
  ('custodian', 'function', 'rotation_pid()'),
  ('governance', 'select', 'rotation_progress'),
  ('auditor', 'select', 'rotation_progress'),
  ('custodian', 'select', 'rotation_progress');
