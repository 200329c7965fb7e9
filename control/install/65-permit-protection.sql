/* ---- permit: what the server gives away by default, what is weaker than it should be, and restores ---- */

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

create function @extschema@.check_protection() returns table (object text, finding text)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  d niji.dataset;
  p niji.permit;
  r record;
  member regclass;
  owner name := format('niji_owner_%s', (select oid from pg_catalog.pg_database where datname = current_database()));
begin
  perform niji.require_duty('governance, auditor', 'check the protection');

  -- the server
  begin
    perform niji.require_protection();
  exception when object_not_in_prerequisite_state then
    object := 'server'; finding := sqlerrm; return next;
  end;
  if current_setting('niji.audit_wait', true) = 'queued' then
    object := 'niji.audit_wait'; finding := 'reads do not wait until their entry is on disk'; return next;
  end if;
  if current_setting('niji.allow_drop', true) = 'on' then
    object := 'niji.allow_drop'; finding := 'niji may be dropped with its datasets and its trail'; return next;
  end if;
  if current_setting('auto_explain.log_level', true) in ('info', 'notice', 'warning') then
    object := 'auto_explain.log_level'; finding := 'plans are sent to clients, so reads under permits are refused'; return next;
  end if;
  for r in select e.evtname, e.evtenabled from pg_catalog.pg_event_trigger e where e.evtname = 'niji_guard' and e.evtenabled not in ('O', 'A') loop
    object := 'event trigger niji_guard'; finding := 'disabled: DROP EXTENSION is guarded only while the library is preloaded'; return next;
  end loop;

  -- the database
  for r in select f from niji.telling_functions() f where has_function_privilege('public', f, 'execute') loop
    object := r.f::text; finding := 'PUBLIC may execute it; it tells how many rows were read before the filter (niji.harden)'; return next;
  end loop;
  for r in select f from niji.copying_functions() f where has_function_privilege('public', f, 'execute') loop
    object := r.f::text; finding := 'PUBLIC may execute it; it makes copies that no policy reaches (niji.harden)'; return next;
  end loop;
  for r in select n.oid::regnamespace as name from pg_catalog.pg_namespace n
            where exists (select from aclexplode(n.nspacl) x where x.grantee = 0 and x.privilege_type = 'CREATE') loop
    object := 'schema ' || r.name; finding := 'PUBLIC may create objects in it (niji.harden)'; return next;
  end loop;
  for r in select x.privilege_type from pg_catalog.pg_database b, aclexplode(coalesce(b.datacl, acldefault('d', b.datdba))) x
            where b.datname = current_database() and x.grantee = 0 and x.privilege_type in ('TEMPORARY', 'CREATE') loop
    object := 'database ' || current_database(); finding := format('PUBLIC has %s (niji.harden)', r.privilege_type); return next;
  end loop;
  for r in select s.slot_name from pg_catalog.pg_replication_slots s where s.database = current_database() and s.slot_type = 'logical' loop
    object := 'replication slot ' || r.slot_name; finding := 'it carries changes of datasets out of the database, unfiltered and unrecorded'; return next;
  end loop;

  for r in select o.id, o.category, o.purpose, o.effective_until from niji.overrides o where o.in_force loop
    object := 'override ' || r.id; finding := format('consents about %s for %s are set aside until %s', r.category, r.purpose, r.effective_until); return next;
  end loop;

  -- datasets
  for d in select * from niji.dataset order by name loop
    object := 'dataset ' || d.name;
    if not exists (select from pg_catalog.pg_class where oid = d.relation) then
      finding := 'its relation does not exist'; return next;
      continue;
    end if;
    if exists (select from pg_catalog.pg_inherits where inhrelid = d.relation) then
      finding := 'it is a partition or a child of another table, through which it can be read'; return next;
    end if;
    if not exists (select from pg_catalog.pg_policy o where o.polrelid = d.relation and o.polname = 'niji_protect' and not o.polpermissive and o.polroles = '{0}') then
      finding := 'its restrictive policy niji_protect is missing (niji.recompile_permits)'; return next;
    end if;
    for r in select o.polname from pg_catalog.pg_policy o
              where o.polrelid = d.relation and o.polpermissive and o.polname !~ '^niji_permit_[0-9]+$' loop
      finding := format('policy "%s" is not niji''s', r.polname); return next;
    end loop;
    for member in select niji.family(d.relation) loop
      object := format('dataset %s', d.name) || case when member <> d.relation then format(', partition %s', member) else '' end;
      select * into r from pg_catalog.pg_class c where c.oid = member;
      if r.relkind <> 'f' and not r.relrowsecurity then
        finding := 'row level security is off'; return next;
      end if;
      if pg_get_userbyid(r.relowner) <> owner then
        finding := format('its owner is "%s", not "%s"', pg_get_userbyid(r.relowner), owner); return next;
      end if;
      for r in
        select x.grantee, x.privilege_type from pg_catalog.pg_class c, aclexplode(c.relacl) x where c.oid = member and x.grantee <> c.relowner
        union
        select x.grantee, x.privilege_type from pg_catalog.pg_attribute a, aclexplode(a.attacl) x
         where a.attrelid = member and not a.attisdropped
           and (member <> d.relation or x.privilege_type <> 'SELECT'
                or not exists (select from niji.permit q join niji.permit_data y on y.permit = q.id and y.dataset = d.id where q.role = x.grantee))
      loop
        finding := format('%s has %s on it', case when r.grantee = 0 then 'PUBLIC' else format('role "%s"', pg_get_userbyid(r.grantee)) end, r.privilege_type);
        return next;
      end loop;
      for r in select b.pubname from pg_catalog.pg_publication b
                where b.puballtables or exists (select from pg_catalog.pg_publication_rel y where y.prpubid = b.oid and y.prrelid = member)
                   or exists (select from pg_catalog.pg_publication_namespace y join pg_catalog.pg_class c on c.relnamespace = y.pnnspid
                               where y.pnpubid = b.oid and c.oid = member) loop
        finding := format('publication "%s" carries it out of the database, unfiltered and unrecorded', r.pubname); return next;
      end loop;
    end loop;
  end loop;
  for r in select c.oid::regclass as name from pg_catalog.pg_class c
            where c.relkind in ('r', 'p', 'f') and pg_get_userbyid(c.relowner) = owner
              and not exists (select from niji.dataset y, niji.family(y.relation) f where f = c.oid) loop
    object := 'table ' || r.name; finding := 'it belongs to the owner of datasets and is none (a detached partition?)'; return next;
  end loop;

  -- permits
  return query select 'permit ' || q.code, 'it is closed, but its objects are still there (niji.close_permit again)'
    from niji.permit q where q.state = 'closed' and q.role is not null;
  for p in select * from niji.permit where state in ('granted', 'suspended') order by id loop
    object := 'permit ' || p.code;
    if not exists (select from pg_catalog.pg_roles where oid = p.role and rolname = p.role_name) then
      finding := 'its role does not exist under this oid and name (niji.recompile_permits)'; return next;
    end if;
    for r in select s.id, s.name, s.relation from niji.permit_data y join niji.dataset s on s.id = y.dataset where y.permit = p.id loop
      if not exists (select from pg_catalog.pg_class c where c.relnamespace = to_regnamespace(quote_ident(p.schema_name))
                      and c.relname = r.name and c.relkind = 'v' and c.relowner = p.role) then
        finding := format('its view of dataset "%s" is missing or not owned by its role (niji.recompile_permits)', r.name); return next;
      end if;
      if not exists (select from pg_catalog.pg_policy o where o.polrelid = r.relation and o.polname = 'niji_permit_' || p.id and o.polroles = array[p.role]) then
        finding := format('its policy on dataset "%s" is missing (niji.recompile_permits)', r.name); return next;
      end if;
    end loop;
  end loop;
  for r in select o.rolname, m.member from pg_catalog.pg_roles o join pg_catalog.pg_auth_members m on m.roleid = o.oid
            where o.rolname = owner or o.oid in (select y.role from niji.permit y) loop
    object := format('role %s', r.rolname); finding := format('it was granted to "%s"', pg_get_userbyid(r.member)); return next;
  end loop;
  for r in select o.rolname from pg_catalog.pg_roles o
            where (o.rolname = owner or o.oid in (select y.role from niji.permit y))
              and (o.rolcanlogin or o.rolsuper or o.rolbypassrls or o.rolcreaterole or o.rolreplication) loop
    object := format('role %s', r.rolname); finding := 'it has attributes that niji did not give it'; return next;
  end loop;

  return query select * from niji.workspace_findings();

  -- readers
  for r in
    select distinct o.oid, o.rolname, o.rolsuper, o.rolcreaterole, o.rolbypassrls, o.rolreplication
      from niji.reader y join pg_catalog.pg_roles o on o.oid = y.role and o.rolname = y.role_name
     order by o.rolname
  loop
    object := format('reader %s', r.rolname);
    if r.rolsuper then finding := 'is a superuser, and is refused under permits'; return next; end if;
    if r.rolcreaterole then finding := 'may create roles, and so act as others'; return next; end if;
    if r.rolbypassrls then finding := 'bypasses row level security elsewhere'; return next; end if;
    if r.rolreplication then finding := 'may replicate, and so read everything'; return next; end if;
    if has_database_privilege(r.oid, current_database(), 'create') then finding := 'may create schemas, where copies could be kept'; return next; end if;
    if has_database_privilege(r.oid, current_database(), 'temporary') then finding := 'may create temporary tables, where copies could be kept (niji.harden)'; return next; end if;
    return query select format('reader %s', r.rolname), format('is a member of %s', g.rolname)
      from pg_catalog.pg_roles g
     where g.rolname in ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program',
                         'pg_monitor', 'pg_read_all_stats', 'pg_stat_scan_tables', 'pg_maintain')
       and pg_has_role(r.oid, g.oid, 'member') and not r.rolsuper;
    return query select format('reader %s', r.rolname), format('has the duty %s, which has persons', g.duty)
      from niji.duty_grant g join pg_catalog.pg_roles o on o.oid = g.role and o.rolname = g.role_name
     where g.duty in ('loader', 'consent_officer', 'custodian', 'auditor') and pg_has_role(r.oid, g.role, 'member') and not r.rolsuper;
  end loop;
  return query select 'reader ' || y.role_name, format('permit %s: the role does not exist under this oid and name (niji.recompile_permits)', q.code)
    from niji.reader y join niji.permit q on q.id = y.permit
   where q.state in ('granted', 'suspended')
     and not exists (select from pg_catalog.pg_roles o where o.oid = y.role and o.rolname = y.role_name);
end
$$;
comment on function @extschema@.check_protection() is
  'Findings about what is weaker than it should be, none when all is well: rights that PUBLIC has, datasets without their policies, owners, partitions, grants, publications, permits whose objects are missing, readers with rights that go round the filter. Duty: governance or auditor.';

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

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'check_protection()'),
  ('auditor', 'function', 'check_protection()');

/* ---- DROP EXTENSION ---- */

create function @extschema@.load_guard() returns event_trigger
language c as 'MODULE_PATHNAME';
comment on function @extschema@.load_guard() is
  'Event trigger: by being called it loads the library, whose hook refuses to drop niji while datasets or entries of the trail exist.';

create event trigger niji_guard on ddl_command_start
  when tag in ('DROP EXTENSION', 'DROP SCHEMA', 'DROP OWNED', 'DROP TABLE')
  execute function @extschema@.load_guard();
comment on event trigger niji_guard is 'Loads niji before anything is dropped, so that DROP EXTENSION niji is guarded also where the server does not preload it. It may be disabled: a notice, not a protection.';
