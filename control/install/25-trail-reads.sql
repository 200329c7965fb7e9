/* ---- trail: the spool's position, reads and their persons ---- */

create table @extschema@.spool_position (
  spool bigint not null,
  number bigint not null,
  part int not null,
  since timestamptz not null default now(),
  only_one boolean primary key default true check (only_one)
);
comment on table @extschema@.spool_position is
  'How far the spool was moved into the trail. Changed in the transactions that move it, so that each record is moved once.';
comment on column @extschema@.spool_position.spool is 'Which spool: a new one begins when spool and trail ceased to fit (after a restore).';
comment on column @extschema@.spool_position.number is 'Number of the newest entry that was moved; numbers of a spool have no gap.';
comment on column @extschema@.spool_position.part is 'Records of persons that were moved after it.';

create table @extschema@.read_index (
  open bigint primary key,
  seq bigint not null,
  end_seq bigint,
  boot bigint not null,
  at timestamptz not null,
  permit int,
  datasets int[] not null,
  reader name not null,
  scanned bigint,
  persons_known boolean not null default true,
  parked boolean not null default false
);
create index read_index_open on @extschema@.read_index (open) where end_seq is null;
create index read_index_unknown on @extschema@.read_index (at) where end_seq is null or not persons_known;
create index read_index_reader on @extschema@.read_index (reader, at);
comment on table @extschema@.read_index is
  'Reads by the spool number of their opening entry: an index to the trail, which holds the truth.';
comment on column @extschema@.read_index.seq is 'The opening entry.';
comment on column @extschema@.read_index.end_seq is 'The closing entry; null while the read runs.';
comment on column @extschema@.read_index.boot is 'The server''s start during which it was opened: reads of an earlier one will not be closed any more.';
comment on column @extschema@.read_index.permit is 'niji.permit.id; null for a read without a permit (by a superuser).';
comment on column @extschema@.read_index.persons_known is 'False: everybody whom the permit allows was possibly shown.';
comment on column @extschema@.read_index.parked is 'Whether niji.read_persons holds sets that are not final.';

create table @extschema@.read_persons (
  open bigint not null,
  dataset int not null,
  shown boolean not null,
  chunk int not null,
  persons bytea not null,
  primary key (open, dataset, shown, chunk)
);
alter table @extschema@.read_persons alter column persons set storage external;
create index read_persons_chunk on @extschema@.read_persons (chunk, open);
comment on table @extschema@.read_persons is
  'Whose rows a read scanned, and of these who was shown: Roaring bitmaps (portable format) of the persons'' low 16 bits, a row for each chunk of 65 536. A person is once in (open, dataset). The closing entry holds a hash of a read''s rows.';

create table @extschema@.server_setting (
  name text primary key,
  value text not null
);
comment on table @extschema@.server_setting is 'niji''s settings as the trail last heard of them; a change is an entry of the kind "setting".';

create view @extschema@.trail_probes as
  select t.seq, t.at, t."session_user",
         t.header ->> 'permit' as permit,
         t.header ->> 'command' as command,
         t.header -> 'datasets' as datasets,
         t.private ->> 'text' as text,
         t.private -> 'parameters' as parameters,
         t."user", t.client, t.application, t.pid
    from @extschema@.read_index r
    join @extschema@.trail t on t.seq = r.seq
   where r.scanned = 0;
comment on view @extschema@.trail_probes is
  'Statements on protected data that scanned nobody: no row passed the filter, or none was asked for.';

insert into @extschema@.duty_right (duty, kind, object) values ('auditor', 'select', 'trail_probes');

create function @extschema@.spool_ready() returns boolean
language c volatile strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.spool_ready() is
  'Whether the spool is open, so that protected reads are possible as far as the trail is concerned.';

create function @extschema@.spool_status(out ready boolean, out reason text, out bytes bigint, out newest bigint, out writer boolean)
language c volatile strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.spool_status() is
  'The spool: whether it is open and if not, why; its size; the number of its newest entry; whether the writer process runs.';

create function @extschema@.move_trail() returns void
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.move_trail() is
  'Waits until the trail holds what was recorded so far (reads, and committed acts and changes). Errors: 55000 without a writer, or after niji.audit_timeout.';

select pg_catalog.pg_extension_config_dump('@extschema@.spool_position', '');
select pg_catalog.pg_extension_config_dump('@extschema@.read_index', '');
select pg_catalog.pg_extension_config_dump('@extschema@.read_persons', '');

insert into @extschema@.duty_right (duty, kind, object)
  select d, 'function', f
    from unnest(array['auditor', 'governance']) d,
         unnest(array['spool_ready()', 'spool_status()', 'move_trail()']) f;
