/* ---- trail: capture of changes ---- */

create function @extschema@.capture_change() returns trigger
language c as 'MODULE_PATHNAME';
comment on function @extschema@.capture_change() is
  'Trigger after a statement, with transition tables: enters the change into the trail in the mode that is its argument. niji.audit_changes() attaches it.';

create function @extschema@.audit_changes(relation regclass, mode text default 'auto') returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  part regclass;
  kind "char";
  old_trigger name;
  inner_names text[] := array['entry', 'entry_0', 'tile', 'seal', 'seal_key', 'trail_identity', 'pending_entry'];
begin
  perform niji.require_duty('governance', 'audit changes');
  if mode is null or mode not in ('none', 'statement', 'keys', 'rows', 'auto') then
    raise exception using errcode = '22023', message = format('there is no mode "%s" of capturing changes', mode),
      hint = 'The modes are none, statement, keys, rows and auto.';
  end if;
  select c.relkind into kind from pg_class c where c.oid = relation;
  if kind is null then
    raise exception using errcode = '42P01', message = 'there is no such relation';
  elsif kind not in ('r', 'p') then
    raise exception using errcode = '42809', message = format('%s is not a table', relation),
      detail = 'Changes are captured by triggers with transition tables, which only tables and partitioned tables can have.';
  elsif exists (select from pg_class c
                 where c.oid = relation and c.relnamespace = 'niji'::regnamespace
                   and (c.relname = any (inner_names)
                        or exists (select from pg_inherits i where i.inhrelid = c.oid and i.inhparent = 'niji.entry'::regclass))) then
    raise exception using errcode = '42809', message = format('changes of %s are not captured', relation),
      detail = 'It is a part of the trail itself.';
  end if;

  -- a statement on a partition or child fires its own triggers only
  for part, kind in
    with recursive tree as (
      select relation::oid as id
      union
      select i.inhrelid from pg_inherits i join tree t on t.id = i.inhparent)
    select c.oid::regclass, c.relkind from tree t join pg_class c on c.oid = t.id
  loop
    if kind not in ('r', 'p') then
      raise notice using message = format('changes of %s are not captured: it is not a table of this database', part);
      continue;
    end if;
    for old_trigger in select t.tgname from pg_trigger t where t.tgrelid = part and t.tgfoid = 'niji.capture_change()'::regprocedure loop
      execute format('drop trigger %I on %s', old_trigger, part);
    end loop;
    if mode <> 'none' then
      execute format('create trigger niji_insert after insert on %s referencing new table as niji_new
                        for each statement execute function niji.capture_change(%L)', part, mode);
      execute format('create trigger niji_update after update on %s referencing old table as niji_old new table as niji_new
                        for each statement execute function niji.capture_change(%L)', part, mode);
      execute format('create trigger niji_delete after delete on %s referencing old table as niji_old
                        for each statement execute function niji.capture_change(%L)', part, mode);
      execute format('create trigger niji_truncate after truncate on %s
                        for each statement execute function niji.capture_change(%L)', part, mode);
      execute format('alter table %s enable always trigger niji_insert, enable always trigger niji_update,
                        enable always trigger niji_delete, enable always trigger niji_truncate', part);
    end if;
  end loop;
  perform niji.record_act('audit_changes', relation::text, jsonb_build_object('mode', mode));
end
$$;
comment on function @extschema@.audit_changes(regclass, text) is
  'Enters every change of a table into the trail, with its partitions, in the changing transaction. Modes: none (stops), statement (counts), keys (which rows and columns, salted commitments to values), rows (values too, for tables of governance), auto (keys for UPDATE and DELETE, statement otherwise). Partitions that are attached later need it again. Governance. Errors: 22023 no such mode, 42809 not a table.';

create function @extschema@.check_trail(out object text, out finding text, out hint text) returns setof record
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  newest record;
  last_seq bigint := (select max(seq) from niji.entry);
  pending bigint;
begin
  perform niji.require_duty('auditor,governance', 'check the trail');

  if not exists (select from niji.trail_identity) then
    object := 'trail'; finding := 'the trail has not begun: nothing is moved into it';
    hint := 'A restored dump brings its name; otherwise a superuser calls niji.start_trail().';
    return next;
  end if;
  if current_setting('niji.database', true) is null then
    object := 'server'; finding := 'niji is not loaded by the server: reads are not recorded, and acts and changes wait';
    hint := 'Add the line shared_preload_libraries = ''niji'' to postgresql.conf and restart the server.';
    return next;
  elsif current_setting('niji.database') <> current_database() then
    object := 'server'; finding := 'the server keeps the trail of another database';
    hint := format('niji.database is "%s"; changing it needs a restart.', current_setting('niji.database'));
    return next;
  end if;

  select s.size, s.at into newest from niji.seal s order by s.size desc limit 1;
  if last_seq is not null and newest.size is null then
    object := 'seals'; finding := 'nothing was sealed yet';
    hint := 'Keep an Ed25519 key as seal.pem in the key directory, or set niji.seal_key_source; the server''s log says what is wrong with it.';
    return next;
  elsif newest.size <= last_seq and newest.at < clock_timestamp()
        - greatest(10 * coalesce(current_setting('niji.seal_interval', true), '5s')::interval, interval '1 minute') then
    object := 'seals'; finding := format('%s entries since %s are not sealed', last_seq + 1 - newest.size, newest.at);
    hint := 'Is the seal key there, and the writer running? The server''s log says.';
    return next;
  end if;
  if current_setting('niji.seal_command', true) = '' then
    object := 'niji.seal_command'; finding := 'seals are not handed outside';
    hint := 'A copy that the DBA cannot reach is what proves the trail to others.';
    return next;
  end if;
  for object, finding, hint in
    select 'niji.seal_command', format('it failed %s times since it last took a seal: it %s', d.failures, d.failure),
           'It is called again by itself; the server''s log has what it wrote to standard error.'
      from niji.seal_delivery() d where d.failures > 1 and current_setting('niji.seal_command', true) <> ''
  loop
    return next;
  end loop;
  if current_setting('niji.audit_wait', true) = 'queued' then
    object := 'niji.audit_wait'; finding := 'reads do not wait until their entry is on disk';
    hint := 'Set it to durable.';
    return next;
  end if;
  if current_setting('fsync') = 'off' then
    object := 'fsync'; finding := 'the server does not flush to disk: a crash can lose entries';
    hint := 'Set fsync = on.';
    return next;
  end if;
  select count(*) into pending from niji.pending_entry p where p.xid < pg_snapshot_xmin(pg_current_snapshot());
  if pending > 10000 then
    object := 'niji.pending_entry'; finding := format('%s acts and changes wait for their place in the trail', pending);
    hint := 'Is the writer running? The server''s log says.';
    return next;
  end if;

  for object, finding, hint in select * from niji.restore_findings() loop
    return next;
  end loop;

  -- what keeps the tables from being altered
  for object, finding, hint in
    select format('niji.%s', w.relname), format('trigger "%s" is missing or not enabled always', w.tgname),
           format('alter table niji.%I enable always trigger %I', w.relname, w.tgname)
      from (values ('entry', 'keep'), ('entry', 'keep_all'), ('seal', 'keep'), ('seal_key', 'keep'),
                   ('trail_identity', 'keep'), ('pending_entry', 'stamp'), ('pending_entry', 'look')) w (relname, tgname)
     where not exists (select from pg_trigger t
                        where t.tgrelid = ('niji.' || w.relname)::regclass and t.tgname = w.tgname and t.tgenabled = 'A')
    union all
    select c.oid::regclass::text, format('trigger "%s" is missing or not enabled always', w.tgname),
           format('alter table %s enable always trigger %I', c.oid::regclass, w.tgname)
      from pg_inherits i join pg_class c on c.oid = i.inhrelid, (values ('keep'), ('keep_all')) w (tgname)
     where i.inhparent = 'niji.entry'::regclass
       and not exists (select from pg_trigger t where t.tgrelid = c.oid and t.tgname = w.tgname and t.tgenabled = 'A')
  loop
    return next;
  end loop;

  -- audited tables
  for object, finding, hint in
    with audited as (
      select t.tgrelid, t.tgname, t.tgenabled from pg_trigger t
       where t.tgfoid = 'niji.capture_change()'::regprocedure),
    tables as (
      select tgrelid, count(*) as triggers, bool_and(tgenabled = 'A') as always from audited group by tgrelid)
    select a.tgrelid::regclass::text, 'changes are captured only in part: a trigger is missing or not enabled always',
           format('select niji.audit_changes(%L)', a.tgrelid::regclass)
      from tables a where a.triggers <> 4 or not a.always
    union all
    select i.inhrelid::regclass::text, format('its changes are not captured, though those of %s are', a.tgrelid::regclass),
           format('select niji.audit_changes(%L) with the mode of its parent', i.inhrelid::regclass)
      from tables a join pg_inherits i on i.inhparent = a.tgrelid join pg_class c on c.oid = i.inhrelid
     where c.relkind in ('r', 'p') and not exists (select from tables b where b.tgrelid = i.inhrelid)
  loop
    return next;
  end loop;
end
$$;
comment on function @extschema@.check_trail() is
  'What is weaker than it should be about the trail: not sealed, not handed outside, triggers disabled, partitions not captured. No rows when all is well. Governance and auditors. Whether the record was altered: verify_trail().';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'audit_changes(regclass, text)'),
  ('governance', 'function', 'check_trail()'),
  ('auditor', 'function', 'check_trail()');
