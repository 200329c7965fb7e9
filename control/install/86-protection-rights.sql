/* ---- protection: rights that the database gives, and roles ---- */

create function @extschema@.right_findings() returns table (code text, object text, finding text, hint text, dataset text)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  given regprocedure[] := array(select f from niji.telling_functions() f where has_function_privilege('public', f, 'execute') order by f::text);
  copying regprocedure[] := array(select f from niji.copying_functions() f where has_function_privilege('public', f, 'execute') order by f::text);
begin
  -- what harden() takes away; one that was never called is one weakness
  if cardinality(given) > 10 then
    return query select 'not_hardened'::text, format('database %s', current_database()),
      format('PUBLIC may execute %s functions that tell how many rows were read before the filter, or make copies that no policy reaches', cardinality(given || copying)),
      'select niji.harden()'::text, null::text;
  else
    return query select 'telling_function'::text, f::text, 'PUBLIC may execute it; it tells how many rows were read before the filter'::text,
                        format('revoke execute on function %s from public', f), null::text from unnest(given) f;
    return query select 'copying_function'::text, f::text, 'PUBLIC may execute it; it makes copies that no policy reaches'::text,
                        format('revoke execute on function %s from public', f), null::text from unnest(copying) f;
  end if;
  return query select 'schema_create'::text, 'schema ' || n.oid::regnamespace, 'PUBLIC may create objects in it'::text,
                      format('revoke create on schema %s from public', n.oid::regnamespace), null::text
    from pg_namespace n where exists (select from aclexplode(n.nspacl) x where x.grantee = 0 and x.privilege_type = 'CREATE');
  return query select 'database_right'::text, format('database %s', b.datname), format('PUBLIC has %s', x.privilege_type),
                      format('revoke %s on database %I from public', lower(x.privilege_type), b.datname), null::text
    from pg_database b, aclexplode(coalesce(b.datacl, acldefault('d', b.datdba))) x
   where b.datname = current_database() and x.grantee = 0 and x.privilege_type in ('TEMPORARY', 'CREATE');

  -- niji's own, against the lists that the parts have made
  return query
    with allowed (function) as (
      select to_regprocedure('niji.' || f.object) from niji.public_function f
    ), given as (
      select p.oid, x.grantee, p.prokind
        from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
       where p.pronamespace = 'niji'::regnamespace and x.grantee <> p.proowner
    )
    select 'niji_function'::text, format('function %s', g.oid::regprocedure),
           format('%s may execute it', case when g.grantee = 0 then 'PUBLIC' else format('role "%s"', pg_get_userbyid(g.grantee)) end),
           format('revoke execute on routine %s from %s', g.oid::regprocedure, niji.grantee(g.grantee)), null::text
      from given g
     where not exists (select from allowed a where a.function = g.oid)
       and not exists (select from niji.duty_right r join niji.duty_grant d on d.duty = r.duty
                        where r.kind = 'function' and d.role = g.grantee and to_regprocedure('niji.' || r.object) = g.oid)
    union all
    select 'niji_function_lost', format('function %s', a.function), 'PUBLIC may not execute it, so that queries under permits fail',
           format('grant execute on function %s to public', a.function), null
      from allowed a where a.function is not null and not has_function_privilege('public', a.function, 'execute');
  return query
    select 'niji_table'::text, format('table %s', c.oid::regclass),
           format('%s has %s on it', case when x.grantee = 0 then 'PUBLIC' else format('role "%s"', pg_get_userbyid(x.grantee)) end, x.privilege_type),
           format('revoke %s on table %s from %s', lower(x.privilege_type), c.oid::regclass, niji.grantee(x.grantee)), null::text
      from pg_class c, aclexplode(c.relacl) x
     where c.relnamespace = 'niji'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f') and x.grantee <> c.relowner
       and not (x.privilege_type = 'SELECT'
                and exists (select from niji.duty_right r join niji.duty_grant d on d.duty = r.duty
                             where r.kind = 'select' and r.object = c.relname and (d.role = x.grantee or x.grantee = 0)))
    union all
    select 'niji_table', format('sequence %s', c.oid::regclass),
           format('%s has %s on it', case when x.grantee = 0 then 'PUBLIC' else format('role "%s"', pg_get_userbyid(x.grantee)) end, x.privilege_type),
           format('revoke %s on sequence %s from %s', lower(x.privilege_type), c.oid::regclass, niji.grantee(x.grantee)), null
      from pg_class c, aclexplode(c.relacl) x
     where c.relnamespace = 'niji'::regnamespace and c.relkind = 'S' and x.grantee <> c.relowner
    union all
    select 'niji_table', format('table %s', a.attrelid::regclass),
           format('%s has %s on its column %s', case when x.grantee = 0 then 'PUBLIC' else format('role "%s"', pg_get_userbyid(x.grantee)) end, x.privilege_type, a.attname),
           format('revoke %s (%I) on table %s from %s', lower(x.privilege_type), a.attname, a.attrelid::regclass, niji.grantee(x.grantee)), null
      from pg_attribute a join pg_class c on c.oid = a.attrelid, aclexplode(a.attacl) x
     where c.relnamespace = 'niji'::regnamespace and not a.attisdropped and x.grantee <> c.relowner;
  return query
    select 'niji_type'::text, format('type %s', t.oid::regtype), 'PUBLIC or a role may use it in tables and functions'::text,
           format('revoke usage on type %s from %s', t.oid::regtype, string_agg(distinct niji.grantee(x.grantee), ', ')), null::text
      from pg_type t, aclexplode(coalesce(t.typacl, acldefault('T', t.typowner))) x
     where t.typnamespace = 'niji'::regnamespace and t.typname in ('person', 'probe')
       and x.grantee <> t.typowner
       and not exists (select from niji.duty_right r join niji.duty_grant d on d.duty = r.duty where r.object = t.typname and d.role = x.grantee)
     group by t.oid;
  return query
    select 'niji_schema'::text, 'schema niji'::text, format('%s may create objects in it', case when x.grantee = 0 then 'PUBLIC' else format('role "%s"', pg_get_userbyid(x.grantee)) end),
           format('revoke create on schema niji from %s', niji.grantee(x.grantee)), null::text
      from pg_namespace n, aclexplode(n.nspacl) x
     where n.nspname = 'niji' and x.grantee not in (0, n.nspowner) and x.privilege_type = 'CREATE';
  return query
    select 'niji_owner'::text, y.what, format('it belongs to "%s", who is not a superuser', pg_get_userbyid(y.owner)), y.mend || ' owner to current_user', null::text
      from (select format('function %s', p.oid::regprocedure) as what, p.proowner as owner, format('alter routine %s', p.oid::regprocedure) as mend
              from pg_proc p where p.pronamespace = 'niji'::regnamespace
            union all
            select format('table %s', c.oid::regclass), c.relowner, format('alter table %s', c.oid::regclass)
              from pg_class c where c.relnamespace = 'niji'::regnamespace and c.relkind in ('r', 'p', 'v', 'S')
            union all
            select 'schema niji', n.nspowner, 'alter schema niji' from pg_namespace n where n.nspname = 'niji'
            union all
            select format('type %s', t.oid::regtype), t.typowner, format('alter type %s', t.oid::regtype)
              from pg_type t where t.typnamespace = 'niji'::regnamespace and t.typtype = 'b' and t.typelem = 0) y
     where not exists (select from pg_roles o where o.oid = y.owner and o.rolsuper);

  -- the server's catalogs that PUBLIC has not, and what is lent by default
  return query
    select 'catalog_right'::text, format('catalog %s', c.oid::regclass),
           format('%s has %s on it', case when x.grantee = 0 then 'PUBLIC' else format('role "%s"', pg_get_userbyid(x.grantee)) end, x.privilege_type),
           format('revoke %s on table %s from %s', lower(x.privilege_type), c.oid::regclass, niji.grantee(x.grantee)), null::text
      from pg_class c, aclexplode(c.relacl) x
     where c.oid in ('pg_statistic'::regclass, 'pg_statistic_ext_data'::regclass, 'pg_authid'::regclass, 'pg_largeobject'::regclass, 'pg_user_mapping'::regclass)
       and x.grantee <> c.relowner;
  return query
    select 'default_privileges'::text, concat_ws(' in ', format('role %s', pg_get_userbyid(a.defaclrole)), case when a.defaclnamespace <> 0 then format('schema %s', a.defaclnamespace::regnamespace) end),
           format('%s gets %s on its new tables', case when x.grantee = 0 then 'PUBLIC' else format('role "%s"', pg_get_userbyid(x.grantee)) end, string_agg(x.privilege_type, ', ' order by x.privilege_type)),
           format('alter default privileges for role %I%s revoke all on tables from %s', pg_get_userbyid(a.defaclrole),
                  coalesce(' in schema ' || nullif(a.defaclnamespace, 0)::regnamespace, ''), niji.grantee(x.grantee)), null::text
      from pg_default_acl a, aclexplode(a.defaclacl) x
     where a.defaclobjtype = 'r' and x.grantee <> a.defaclrole
     group by a.defaclrole, a.defaclnamespace, x.grantee;

  -- ways of replication
  return query
    select 'published'::text, format('publication %s', b.pubname),
           case when b.puballtables then 'it carries all tables out of the database, unfiltered and unrecorded'
                else format('it carries %s out of the database, unfiltered and unrecorded', y.tables) end,
           format('drop publication %I', b.pubname), null::text
      from pg_publication b,
           lateral (select string_agg(c.oid::regclass::text, ', ' order by c.oid::regclass::text) as tables
                      from pg_class c
                     where (exists (select from pg_publication_rel z where z.prpubid = b.oid and z.prrelid = c.oid)
                            or exists (select from pg_publication_namespace z where z.pnpubid = b.oid and z.pnnspid = c.relnamespace and c.relkind in ('r', 'p')))
                       and (c.relnamespace = 'niji'::regnamespace or exists (select from niji.dataset d, niji.family(d.relation) f where f = c.oid))) y
     where b.puballtables or y.tables is not null;
  return query
    select 'replication_slot'::text, format('replication slot %s', s.slot_name), 'it carries changes of datasets out of the database, unfiltered and unrecorded'::text,
           format('select pg_drop_replication_slot(%L)', s.slot_name), null::text
      from pg_replication_slots s where s.database = current_database() and s.slot_type = 'logical';
  return query
    select 'subscription'::text, format('subscription %s', s.subname), 'it writes what another database says'::text, format('drop subscription %I', s.subname), null::text
      from pg_subscription s join pg_database b on b.oid = s.subdbid where b.datname = current_database();
  return query
    select 'duty_unbound'::text, format('duty %s of role %s', g.duty, g.role_name),
           'the role does not exist under this oid and name'::text, 'select niji.recompile_permits()'::text, null::text
      from niji.duty_grant g where not exists (select from pg_roles o where o.oid = g.role and o.rolname = g.role_name);
end
$$;
comment on function @extschema@.right_findings() is
  'What is weaker than it should be about rights: PUBLIC, niji''s own objects, catalogs, default privileges, replication. For niji.check_protection(). Internal.';

create function @extschema@.role_findings() returns table (code text, object text, finding text, hint text, dataset text)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  mine oid[] := array(select o.oid from pg_roles o
                       where o.rolname = format('niji_owner_%s', (select oid from pg_database where datname = current_database()))
                          or o.oid in (select p.role from niji.permit p));
begin
  return query
    select 'niji_role_granted'::text, format('role %s', g.rolname), format('it was granted to "%s"', m.rolname), format('revoke %I from %I', g.rolname, m.rolname), null::text
      from pg_auth_members x join pg_roles g on g.oid = x.roleid join pg_roles m on m.oid = x.member where x.roleid = any (mine);
  return query
    select 'niji_role_member'::text, format('role %s', m.rolname), format('it is a member of "%s"', g.rolname), format('revoke %I from %I', g.rolname, m.rolname), null::text
      from pg_auth_members x join pg_roles g on g.oid = x.roleid join pg_roles m on m.oid = x.member where x.member = any (mine);
  return query
    select 'niji_role_attributes'::text, format('role %s', o.rolname), 'it has attributes that niji did not give it'::text,
           format('alter role %I nologin nosuperuser nobypassrls nocreaterole nocreatedb noreplication', o.rolname), null::text
      from pg_roles o where o.oid = any (mine) and (o.rolcanlogin or o.rolsuper or o.rolbypassrls or o.rolcreaterole or o.rolcreatedb or o.rolreplication);

  -- roles of others; what a reader has is told with the reader
  return query
    select y.code, format('role %s', o.rolname), y.what, format('alter role %I %s', o.rolname, y.mend), null::text
      from pg_roles o cross join lateral (
             select 'role_bypassrls', 'it bypasses row level security', 'nobypassrls' where o.rolbypassrls and not o.rolsuper
             union all
             select 'role_createrole', 'it may create roles, and up to PostgreSQL 15 act as almost any', 'nocreaterole' where o.rolcreaterole and not o.rolsuper
             union all
             select 'role_replication', 'it may replicate, and so read everything', 'noreplication' where o.rolreplication and not o.rolsuper
             union all
             select 'superuser_login', 'it is a superuser and can log in', 'nosuperuser' where o.rolsuper and o.rolcanlogin and o.oid <> 10) y (code, what, mend)
     where o.oid <> all (mine)
       and not exists (select from niji.reader z where z.role = o.oid and z.role_name = o.rolname)
     order by 1, 2;
  return query
    select case when g.rolname in ('pg_read_all_data', 'pg_write_all_data') then 'role_reads_all' else 'role_server_access' end::text,
           format('role %s', m.rolname), format('it is a member of %s', g.rolname), format('revoke %I from %I', g.rolname, m.rolname), null::text
      from pg_auth_members x join pg_roles g on g.oid = x.roleid join pg_roles m on m.oid = x.member
     where g.rolname in ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
       and not m.rolsuper and x.member <> all (mine)
       and not exists (select from niji.reader z where z.role = m.oid and z.role_name = m.rolname)
     order by 2, 3;
end
$$;
comment on function @extschema@.role_findings() is
  'What is weaker than it should be about roles: niji''s own, and those that go past row level security. For niji.check_protection(). Internal.';
