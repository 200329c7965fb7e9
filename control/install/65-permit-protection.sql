/* ---- permit: what the server gives away by default, and restores ---- */

/*
 * Functions of the server that tell about rows, whatever row level security
 * says: how many were read before the filter, when, from which blocks; and
 * pg_locks, where a serializable transaction shows which rows an index gave.
 * Left to everybody: who is connected, progress, replication, sizes.
 */
create function @extschema@.telling_functions() returns setof regprocedure
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select p.oid::regprocedure from pg_catalog.pg_proc p
   where p.pronamespace = 'pg_catalog'::regnamespace
     and (p.proname like 'pg\_stat\_get\_%' or p.proname = 'pg_lock_status')
     and p.proname !~ '^pg_stat_get_(activity|backend_(activity|activity_start|client_addr|client_port|dbid|idset|pid|start|subxact|userid|wait_event|wait_event_type|xact_start)|progress_info|wal_senders|wal_receiver|subscription|subscription_stats|replication_slot|recovery_prefetch|snapshot_timestamp|archiver)$'
$$;
comment on function @extschema@.telling_functions() is 'The server''s statistics functions that niji.harden() takes from PUBLIC. Internal.';

/* functions that make or change large objects: a copy inside the database that no policy reaches */
create function @extschema@.copying_functions() returns setof regprocedure
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select p.oid::regprocedure from pg_catalog.pg_proc p
   where p.pronamespace = 'pg_catalog'::regnamespace
     and p.proname in ('lo_create', 'lo_creat', 'lo_from_bytea', 'lo_put', 'lowrite', 'lo_import')
$$;
comment on function @extschema@.copying_functions() is 'The functions for writing large objects, which niji.harden() takes from PUBLIC. Internal.';

create function @extschema@.harden() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  f regprocedure;
begin
  if not (select rolsuper from pg_catalog.pg_roles where rolname = session_user) then
    raise exception using errcode = '42501', message = 'permission denied to harden the database', hint = 'Only a superuser may.';
  end if;
  for f in select niji.telling_functions() loop
    execute format('revoke execute on function %s from public', f);
    execute format('grant execute on function %s to pg_monitor', f);
  end loop;
  for f in select niji.copying_functions() loop
    execute format('revoke execute on function %s from public', f);
  end loop;
  execute format('revoke create, temporary on database %I from public', current_database());
  if to_regnamespace('public') is not null then
    revoke create on schema public from public;
  end if;
  perform niji.record_act('harden', current_database()::text);
end
$$;
comment on function @extschema@.harden() is
  'Takes from PUBLIC, in this database, what PostgreSQL gives to everybody: statistics functions that count rows before the filter (they stay with pg_monitor), writing large objects, CREATE on schema public, TEMP. Superusers only; recorded.';

create function @extschema@.recompile_permits() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  d niji.dataset;
  p niji.permit;
  r record;
  n integer := 0;
begin
  if not (select rolsuper from pg_catalog.pg_roles where rolname = session_user) then
    raise exception using errcode = '42501', message = 'permission denied to recompile permits', hint = 'Only a superuser may.';
  end if;
  perform niji.require_protection();
  lock table niji.dataset, niji.permit, niji.reader in share row exclusive mode;

  -- roles by their names: what a restore brought from another cluster has other oids
  update niji.duty_grant g set role = o.oid from pg_catalog.pg_roles o where o.rolname = g.role_name and o.oid <> g.role;
  update niji.reader x set role = o.oid from pg_catalog.pg_roles o where o.rolname = x.role_name and o.oid <> x.role;
  update niji.review x set reviewer_role = o.oid from pg_catalog.pg_roles o where o.rolname = x.reviewer and o.oid <> x.reviewer_role;
  update niji.permit x set applied_by_role = o.oid from pg_catalog.pg_roles o where o.rolname = x.applied_by and o.oid is distinct from x.applied_by_role;
  update niji.holder_loader x set role = o.oid from pg_catalog.pg_roles o where o.rolname = x.role_name and o.oid <> x.role;
  update niji.translation x set linker_role = o.oid from pg_catalog.pg_roles o where o.rolname = x.linker and o.oid <> x.linker_role;
  update niji.reidentification x set requested_role = o.oid from pg_catalog.pg_roles o where o.rolname = x.requested_by and o.oid <> x.requested_role;
  update niji.reidentification x set approved_role = o.oid from pg_catalog.pg_roles o where o.rolname = x.approved_by and o.oid <> x.approved_role;
  for r in select g.duty, g.role_name from niji.duty_grant g join pg_catalog.pg_roles o on o.oid = g.role and o.rolname = g.role_name loop
    perform niji.grant_duty(r.duty, quote_ident(r.role_name)::regrole);
  end loop;

  -- a role of another database, or of before a restore, keeps nothing
  update niji.permit set role = null, role_name = null where state in ('granted', 'suspended');
  for d in select * from niji.dataset order by id loop
    if exists (select from pg_catalog.pg_class where oid = d.relation) then
      perform niji.protect_dataset(d.id);
    else
      raise warning using message = format('the relation of dataset "%s" does not exist', d.name);
    end if;
  end loop;
  for p in select * from niji.permit where state in ('granted', 'suspended') order by id loop
    if exists (select from niji.permit_data x join niji.dataset s on s.id = x.dataset
                where x.permit = p.id and not exists (select from pg_catalog.pg_class where oid = s.relation)) then
      raise warning using message = format('permit "%s" was not compiled', p.code), detail = 'A relation of its datasets does not exist.';
    else
      perform niji.compile_permit(p.id);
      n := n + 1;
    end if;
  end loop;
  perform niji.record_act('recompile_permits', current_database()::text, jsonb_build_object('permits', n));
  return n;
end
$$;
comment on function @extschema@.recompile_permits() is
  'Makes the native objects again, after a restore, an added hidden tag or a repair: binds duties, readers and permits to roles by their names, gives datasets to their owner role, and compiles all permits that are granted or suspended; returns how many. Views that readers built upon a permit''s views are dropped. Superusers only; recorded.';

/* ---- DROP EXTENSION ---- */

create function @extschema@.load_guard() returns event_trigger
language c as 'MODULE_PATHNAME';
comment on function @extschema@.load_guard() is
  'Event trigger: by being called it loads the library, whose hook refuses to drop niji while datasets or entries of the trail exist.';

create event trigger niji_guard on ddl_command_start
  when tag in ('DROP EXTENSION', 'DROP SCHEMA', 'DROP OWNED', 'DROP TABLE')
  execute function @extschema@.load_guard();
comment on event trigger niji_guard is 'Loads niji before anything is dropped, so that DROP EXTENSION niji is guarded also where the server does not preload it. It may be disabled: a notice, not a protection.';
