/* ---- intake: quarantine (検疫) of records that could not be taken ---- */

create table @extschema@.quarantined (
  id bigint generated always as identity primary key,
  source text,
  sha256 bytea not null check (length(sha256) = 32),
  place text not null,
  reason text not null,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  expires timestamptz not null,
  recorded_by name not null default session_user,
  sealed bytea not null
);
comment on table @extschema@.quarantined is
  'Records that were refused when files were read in, with their original bytes, encrypted (AES-256-GCM): version 1, generation of the master key int16, nonce 12 bytes, ciphertext, tag 16 bytes; bound to id, sha256 and place. Loaders read them by niji.read_quarantine().';
comment on column @extschema@.quarantined.sha256 is 'Of the file that it came from; zeros when the loader did not say.';
comment on column @extschema@.quarantined.expires is 'After niji.quarantine_days; from then on it is not readable, and the next purge removes it.';
alter table @extschema@.quarantined alter column sealed set storage external;
create index quarantined_expires on @extschema@.quarantined (expires);
select pg_catalog.pg_extension_config_dump('@extschema@.quarantined', '');
select pg_catalog.pg_extension_config_dump('@extschema@.quarantined_id_seq', '');

create view @extschema@.quarantine as
  select id, source, place, reason, at, expires
    from @extschema@.quarantined
   where expires > pg_catalog.now();
comment on view @extschema@.quarantine is
  'What is in quarantine (検疫): from which source, at which place of it, why, since when and until when. The bytes are read by niji.read_quarantine(id).';

create function @extschema@.quarantine_seal(id bigint, sha256 bytea, place text, bytes bytea) returns bytea
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.quarantine_seal(bigint, bytea, text, bytea) is
  'For niji.quarantine_record(): encrypts. Error 55000 without a master key.';

create function @extschema@.quarantine_open(id bigint, sha256 bytea, place text, sealed bytea) returns bytea
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.quarantine_open(bigint, bytea, text, bytea) is
  'For niji.read_quarantine(): decrypts. Error XX001 when bytes, id, file or place are not those that were sealed, 55000 without the key.';

create function @extschema@.quarantine_record(source text, sha256 bytea, place text, reason text, bytes bytea) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  id bigint := nextval('niji.quarantined_id_seq');
  file bytea := coalesce(sha256, decode(repeat('00', 32), 'hex'));
begin
  perform niji.require_duty('loader', 'quarantine a record');
  if place is null or reason is null or bytes is null then
    raise exception using errcode = '22004', message = 'a quarantined record has a place, a reason and bytes';
  end if;
  if length(file) <> 32 then
    raise exception using errcode = '22023', message = 'a file''s SHA-256 has 32 bytes', hint = 'Use sha256(content).';
  end if;
  insert into niji.quarantined (id, source, sha256, place, reason, expires, sealed) overriding system value
    values (id, quarantine_record.source, file, quarantine_record.place, quarantine_record.reason,
            clock_timestamp() + make_interval(days => current_setting('niji.quarantine_days')::integer),
            niji.quarantine_seal(id, file, quarantine_record.place, bytes));
  return id;
end
$$;
comment on function @extschema@.quarantine_record(text, bytea, text, text, bytea) is
  'Puts a record that could not be taken into quarantine: the file''s name and SHA-256 (or null), the place in it, the reason (public: it must not repeat what the record says), its bytes, which are encrypted. Returns its id. Duty: loader. niji.load_dataset() does this by itself.';

create function @extschema@.read_quarantine(id bigint) returns bytea
language plpgsql volatile strict security definer set search_path = pg_catalog, pg_temp
as $$
declare
  r niji.quarantined;
begin
  perform niji.require_duty('loader', 'read the quarantine');
  select * into r from niji.quarantined q where q.id = read_quarantine.id and q.expires > now();
  if not found then
    raise exception using errcode = '22023', message = format('there is no quarantined record %s', id);
  end if;
  perform niji.record_act('read_quarantine', id::text, jsonb_build_object('source', r.source, 'place', r.place));
  return niji.quarantine_open(r.id, r.sha256, r.place, r.sealed);
end
$$;
comment on function @extschema@.read_quarantine(bigint) is
  'The original bytes of a quarantined record. Duty: loader; each reading is recorded in the trail. Error 22023 when there is none, XX001 when it was altered.';

create function @extschema@.purge_quarantine() returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  n bigint;
begin
  perform niji.require_duty('loader,governance', 'purge the quarantine');
  delete from niji.quarantined where expires <= now();
  get diagnostics n = row_count;
  if n > 0 then
    perform niji.record_act('purge_quarantine', null, jsonb_build_object('records', n));
  end if;
  return n;
end
$$;
comment on function @extschema@.purge_quarantine() is
  'Removes what has been in quarantine for niji.quarantine_days; returns how many. niji.load_dataset() calls it. Duty: loader or governance; recorded when there was something.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('loader', 'select', 'quarantine'),
  ('loader', 'function', 'quarantine_record(text, bytea, text, text, bytea)'),
  ('loader', 'function', 'read_quarantine(bigint)'),
  ('loader', 'function', 'purge_quarantine()'),
  ('governance', 'select', 'quarantine'),
  ('governance', 'function', 'purge_quarantine()');
