/* ---- protection: permits and readers ---- */

create function @extschema@.permit_findings() returns table (code text, object text, finding text, hint text, dataset text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with p as materialized (
    select q.*, format('permit %s', q.code) as object, n.oid as schema, n.nspowner, n.nspacl
      from niji.permit q left join pg_namespace n on n.nspname = q.schema_name
     where q.state in ('granted', 'suspended')
  ), x as materialized (
    select p.id as permit, p.object, p.role, p.schema, p.schema_name, s.id as dataset, s.name, s.relation, c.oid as view, c.relowner, c.relacl
      from p join niji.permit_data y on y.permit = p.id join niji.dataset s on s.id = y.dataset
      left join pg_class c on c.relnamespace = p.schema and c.relname = s.name::name and c.relkind = 'v'
  ), native as materialized (
    select * from niji.native_objects() n where n.permit <> 0
  )
  select 'permit_left', format('permit %s', q.code), 'it is closed, but its objects are still there', format('select niji.close_permit(%L, %L)', q.code, 'once more'), null::text
    from niji.permit q where q.state = 'closed' and q.role is not null
  union all
  select 'permit_role', p.object, 'its role does not exist under this oid and name', 'select niji.recompile_permits()', null
    from p where not exists (select from pg_roles o where o.oid = p.role and o.rolname = p.role_name)
  union all
  select 'permit_view_missing', x.object, format('its view of dataset "%s" is missing or not owned by its role', x.name), 'select niji.recompile_permits()', x.name
    from x where x.view is null or x.relowner is distinct from x.role
  union all
  select 'permit_policy_missing', x.object, format('its policy on dataset "%s" is missing', x.name), 'select niji.recompile_permits()', x.name
    from x join pg_class c on c.oid = x.relation
   where not exists (select from pg_policy o where o.polrelid = x.relation and o.polname = ('niji_permit_' || x.permit)::name)
  union all
  select case n.kind when 'view' then 'permit_view_altered' when 'policy' then 'permit_policy_altered' else 'permit_columns_altered' end, x.object,
         format(case n.kind when 'view' then 'its view of dataset "%s", or an option of it, is not as niji made it'
                            when 'policy' then 'its policy on dataset "%s" is not as niji made it'
                            else 'its role has rights on other columns of dataset "%s" than niji gave it' end, x.name),
         'select niji.recompile_permits()', x.name
    from x join native n on n.permit = x.permit and n.dataset = x.dataset
    join niji.compiled c on c.permit = n.permit and c.dataset = n.dataset and c.kind = n.kind
   where c.digest <> n.digest
  union all
  select 'not_compiled', x.object, format('it is not known how its objects for dataset "%s" were made', x.name), 'select niji.recompile_permits()', x.name
    from x where exists (select from native n where n.permit = x.permit and n.dataset = x.dataset)
             and (select count(*) from niji.compiled c where c.permit = x.permit and c.dataset = x.dataset) <> 3
  union all
  select 'permit_lent', x.object, format('%s has %s on its view of dataset "%s" and is no reader', case when g.grantee = 0 then 'PUBLIC' else format('role "%s"', pg_get_userbyid(g.grantee)) end, g.privilege_type, x.name),
         format('revoke %s on table %s from %s', lower(g.privilege_type), x.view::regclass, niji.grantee(g.grantee)), x.name
    from x, aclexplode(x.relacl) g
   where g.grantee <> x.relowner
     and not (g.privilege_type = 'SELECT' and not g.is_grantable and exists (select from niji.reader r where r.permit = x.permit and r.role = g.grantee))
  union all
  select 'permit_lent', p.object, format('%s has USAGE on its schema and is no reader', case when g.grantee = 0 then 'PUBLIC' else format('role "%s"', pg_get_userbyid(g.grantee)) end),
         format('revoke usage on schema %s from %s', p.schema::regnamespace, niji.grantee(g.grantee)), null
    from p, aclexplode(p.nspacl) g
   where g.privilege_type = 'USAGE' and g.grantee <> p.nspowner
     and not exists (select from niji.reader r where r.permit = p.id and r.role = g.grantee)
  union all
  select 'permit_schema', p.object, format('its schema belongs to "%s", who is not a superuser', pg_get_userbyid(p.nspowner)),
         format('alter schema %I owner to current_user', p.schema_name), null
    from p where p.schema is not null and not exists (select from pg_roles o where o.oid = p.nspowner and o.rolsuper)
  union all
  select 'permit_schema', p.object, format('role "%s" may create objects in its schema', pg_get_userbyid(g.grantee)),
         format('revoke create on schema %I from %s', p.schema_name, niji.grantee(g.grantee)), null
    from p, aclexplode(p.nspacl) g where g.privilege_type = 'CREATE' and g.grantee not in (0, p.nspowner)
  union all
  select 'permit_object', p.object, format('%s stands in its schema', c.oid::regclass), 'Move it to another schema, or drop it.', null
    from p join pg_class c on c.relnamespace = p.schema
   where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and not exists (select from x where x.view = c.oid)
  union all
  select 'permit_object', p.object, format('function %s stands in its schema', f.oid::regprocedure), 'Move it to another schema, or drop it.', null
    from p join pg_proc f on f.pronamespace = p.schema
  union all
  select 'permit_expired', p.object, format('its last day was %s', p.valid_until), format('select niji.close_permit(%L, %L)', p.code, 'it has expired'), null
    from p where (now() at time zone coalesce(current_setting('niji.timezone', true), 'Asia/Tokyo'))::date > p.valid_until
  union all
  select 'workspace', w.object, w.finding,
         case when w.finding like '%recompile_permits%' then 'select niji.recompile_permits()' else 'See docs/workspaces.md; drop what niji did not make, then select niji.recompile_permits().' end, null
    from niji.workspace_findings() w
$$;
comment on function @extschema@.permit_findings() is
  'What is weaker than it should be about permits: roles, schemas, views, policies, column grants, workspaces. For niji.check_protection(). Internal.';

create function @extschema@.reader_findings() returns table (code text, object text, finding text, hint text, dataset text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with r as materialized (
    select distinct o.oid, o.rolname, o.rolsuper, o.rolcreaterole, o.rolbypassrls, o.rolreplication, format('reader %s', o.rolname) as object
      from niji.reader y join pg_roles o on o.oid = y.role and o.rolname = y.role_name
  ), here as (
    select b.oid, b.datname, x.grantee, x.privilege_type
      from pg_database b, aclexplode(coalesce(b.datacl, acldefault('d', b.datdba))) x
     where b.datname = current_database() and x.grantee <> 0
  )
  select y.code, r.object, y.what, format('alter role %I %s', r.rolname, y.mend), null::text
    from r cross join lateral (
           select 'reader_superuser', 'is a superuser, and is refused under permits', 'nosuperuser' where r.rolsuper
           union all
           select 'reader_createrole', 'may create roles, and so act as others', 'nocreaterole' where r.rolcreaterole
           union all
           select 'reader_bypassrls', 'bypasses row level security elsewhere', 'nobypassrls' where r.rolbypassrls
           union all
           select 'reader_replication', 'may replicate, and so read everything', 'noreplication' where r.rolreplication) y (code, what, mend)
  union all
  select case when h.privilege_type = 'CREATE' then 'reader_create' else 'reader_temporary' end, r.object,
         (case when h.privilege_type = 'CREATE' then 'may create schemas, where copies could be kept' else 'may create temporary tables, where copies could be kept' end)
           || case when h.grantee <> r.oid then format(', as a member of "%s"', pg_get_userbyid(h.grantee)) else '' end,
         format('revoke %s on database %I from %s', lower(h.privilege_type), h.datname, niji.grantee(h.grantee)), null
    from r join here h on h.privilege_type in ('CREATE', 'TEMPORARY') and pg_has_role(r.oid, h.grantee, 'member')
   where not r.rolsuper
  union all
  select 'reader_create', r.object, format('may create objects in schema %s, where copies could be kept', n.oid::regnamespace)
           || case when g.grantee <> r.oid then format(', as a member of "%s"', pg_get_userbyid(g.grantee)) else '' end,
         format('revoke create on schema %s from %s', n.oid::regnamespace, niji.grantee(g.grantee)), null
    from pg_namespace n
    cross join lateral (select x.grantee from aclexplode(n.nspacl) x where x.privilege_type = 'CREATE' and x.grantee not in (0, n.nspowner)
                        union select n.nspowner) g
    join r on not r.rolsuper and pg_has_role(r.oid, g.grantee, 'member')
   where not exists (select from niji.workspace w where w.schema_name = n.nspname)
     and not exists (select from pg_roles o where o.oid = g.grantee and o.rolsuper)
  union all
  select 'reader_member', r.object, format('is a member of %s', g.rolname) || case when x.member <> r.oid then format(', by "%s"', pg_get_userbyid(x.member)) else '' end,
         format('revoke %I from %I', g.rolname, pg_get_userbyid(x.member)), null
    from pg_roles g join pg_auth_members x on x.roleid = g.oid join r on not r.rolsuper and pg_has_role(r.oid, x.member, 'member')
   where g.rolname in ('pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program',
                       'pg_monitor', 'pg_read_all_stats', 'pg_stat_scan_tables', 'pg_maintain')
  union all
  select 'reader_duty', r.object, format('has the duty %s, which has persons', g.duty) || case when g.role <> r.oid then format(', as a member of "%s"', g.role_name) else '' end,
         case when g.role = r.oid then format('select niji.revoke_duty(%L, %L)', g.duty, quote_ident(g.role_name)) else format('revoke %I from %I', g.role_name, r.rolname) end, null
    from niji.duty_grant g join pg_roles o on o.oid = g.role and o.rolname = g.role_name
    join r on not r.rolsuper and pg_has_role(r.oid, g.role, 'member')
   where g.duty in ('loader', 'consent_officer', 'custodian', 'auditor')
  union all
  select 'reader_unbound', format('reader %s', y.role_name), format('permit %s: the role does not exist under this oid and name', q.code), 'select niji.recompile_permits()', null
    from niji.reader y join niji.permit q on q.id = y.permit
   where q.state in ('granted', 'suspended')
     and not exists (select from pg_roles o where o.oid = y.role and o.rolname = y.role_name)
$$;
comment on function @extschema@.reader_findings() is
  'Rights and memberships of readers that go round the filter. For niji.check_protection(). Internal.';
