/* ---- protection: other ways to what is in a dataset ---- */

/*
 * What the server keeps about dependencies is certain: views, rules,
 * materialized views, functions with a parsed body.  The body of other
 * functions is a text; whether it has the name of a dataset in it is a guess,
 * and told as one.
 */
create function @extschema@.path_findings() returns table (code text, object text, finding text, hint text, dataset text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with member as materialized (
    select d.id, d.name as dataset, d.person_columns, c.oid, c.relname
      from niji.dataset d, niji.family(d.relation) f join pg_class c on c.oid = f
  ), permit_view as materialized (
    select c.oid, x.permit, d.name as dataset
      from niji.permit p join niji.permit_data x on x.permit = p.id join niji.dataset d on d.id = x.dataset
      join pg_namespace n on n.nspname = p.schema_name
      join pg_class c on c.relnamespace = n.oid and c.relname = d.name::name and c.relkind = 'v'
     where p.role is not null
  ), reads as materialized (
    select distinct m.dataset, c.oid, c.relkind, c.relowner, coalesce(c.reloptions, '{}') as options
      from member m
      join pg_depend x on x.classid = 'pg_rewrite'::regclass and x.refclassid = 'pg_class'::regclass and x.refobjid = m.oid
      join pg_rewrite r on r.oid = x.objid
      join pg_class c on c.oid = r.ev_class
     where c.oid not in (select v.oid from permit_view v) and c.oid not in (select y.oid from member y)
    union
    select v.dataset, c.oid, c.relkind, c.relowner, coalesce(c.reloptions, '{}')
      from permit_view v
      join pg_depend x on x.classid = 'pg_rewrite'::regclass and x.refclassid = 'pg_class'::regclass and x.refobjid = v.oid
      join pg_rewrite r on r.oid = x.objid
      join pg_class c on c.oid = r.ev_class
     where c.relkind = 'm'
  ), reader as materialized (
    select distinct o.oid from niji.reader y join pg_roles o on o.oid = y.role and o.rolname = y.role_name
  ), definer as materialized (
    select p.oid, p.proname, p.prosrc, p.prosqlbody is not null as parsed, p.proowner, p.prolang, p.proconfig,
           (select string_agg(distinct niji.grantee(x.grantee), ', ') from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x where x.grantee <> p.proowner) as lent
      from pg_proc p
     where p.prosecdef and p.pronamespace not in ('niji'::regnamespace, 'pg_catalog'::regnamespace, 'information_schema'::regnamespace)
       and niji.bypasses(p.proowner)
       and not exists (select from pg_depend x where x.classid = 'pg_proc'::regclass and x.objid = p.oid and x.deptype = 'e')
  )
  select case when r.relkind = 'm' then 'matview_reads'
              when r.relkind = 'v' and niji.bypasses(r.relowner) and not r.options && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1', 'security_invoker=yes'] then 'view_reads'
              else 'view_other' end,
         format('%s %s', case r.relkind when 'm' then 'materialized view' when 'v' then 'view' else 'table' end, r.oid::regclass),
         format(case when r.relkind = 'm' then 'it holds a copy of dataset "%s"'
                     when niji.bypasses(r.relowner) then 'it reads dataset "%s" as "%s", who bypasses row level security'
                     else 'it names dataset "%s", and belongs to "%s"' end, r.dataset, pg_get_userbyid(r.relowner)),
         case r.relkind when 'm' then format('drop materialized view %s', r.oid::regclass) when 'v' then format('drop view %s', r.oid::regclass)
              else format('Drop its rule: \d+ %s', r.oid::regclass) end, r.dataset
    from reads r
  union all
  select 'function_reads', format('function %s', p.oid::regprocedure), format('it reads dataset "%s" as "%s", who bypasses row level security', min(m.dataset), pg_get_userbyid(p.proowner)),
         format('revoke execute on routine %s from %s', p.oid::regprocedure, p.lent), min(m.dataset)
    from definer p join pg_depend x on x.classid = 'pg_proc'::regclass and x.objid = p.oid and x.refclassid = 'pg_class'::regclass
    join member m on m.oid = x.refobjid
   where p.lent is not null
   group by p.oid, p.proowner, p.lent
  union all
  select 'function_mentions', format('function %s', p.oid::regprocedure), format('it runs as "%s", who bypasses row level security, and has the name of dataset "%s" in its text', pg_get_userbyid(p.proowner), min(m.dataset)),
         format('revoke execute on routine %s from %s', p.oid::regprocedure, p.lent), min(m.dataset)
    from definer p join member m on strpos(lower(p.prosrc), lower(m.relname)) > 0
   where p.lent is not null and not p.parsed
     and p.prosrc ~* ('\m' || regexp_replace(m.relname, '([^a-zA-Z0-9_])', '\\\1', 'g') || '\M')
   group by p.oid, p.proowner, p.lent
  union all
  select 'definer_path', format('function %s', p.oid::regprocedure), format('it runs as "%s", and its search_path is not fixed', pg_get_userbyid(p.proowner)),
         format('alter routine %s set search_path = pg_catalog, pg_temp', p.oid::regprocedure), null
    from definer p join pg_language l on l.oid = p.prolang
   where p.lent is not null and not p.parsed and l.lanname not in ('c', 'internal')
     and not exists (select from unnest(p.proconfig) x where x like 'search_path=%')
  union all
  select 'persons_lent', format('table %s', c.oid::regclass),
         format('it holds persons, and %s has %s on it', case when x.grantee = 0 then 'PUBLIC' else format('role "%s"', pg_get_userbyid(x.grantee)) end, string_agg(distinct x.privilege_type, ', ')),
         format('revoke all on table %s from %s', c.oid::regclass, niji.grantee(x.grantee)), null
    from pg_attribute a join pg_class c on c.oid = a.attrelid, aclexplode(c.relacl) x
   where a.atttypid in ('niji.person'::regtype, 'niji.person[]'::regtype) and a.attnum > 0 and not a.attisdropped
     and c.relkind in ('r', 'p', 'm', 'f', 'v') and c.relnamespace <> 'niji'::regnamespace
     and x.grantee <> c.relowner and x.privilege_type in ('SELECT', 'UPDATE', 'DELETE', 'REFERENCES', 'TRIGGER')
     and (x.grantee = 0 or exists (select from reader r where pg_has_role(r.oid, x.grantee, 'member')))
     and not exists (select from member m where m.oid = c.oid)
   group by c.oid, x.grantee
$$;
comment on function @extschema@.path_findings() is
  'Views, materialized views, functions and tables through which rows of datasets, or persons, can be reached. For niji.check_protection(). Internal.';
