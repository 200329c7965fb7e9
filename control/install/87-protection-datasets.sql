/* ---- protection: datasets ---- */

create function @extschema@.dataset_findings() returns table (code text, object text, finding text, hint text, dataset text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with owner as materialized (
    select format('niji_owner_%s', (select oid from pg_database where datname = current_database()))::name as name
  ), d as materialized (
    select x.*, format('dataset %s', x.name) as object from niji.dataset x
  ), member as materialized (
    select d.id, d.name as dataset, d.relation as top, d.person_columns, c.oid, c.relkind, c.relrowsecurity, c.relowner, c.relacl, c.reltuples,
           d.object || case when c.oid <> d.relation then format(', partition %s', c.oid::regclass) else '' end as object
      from d, niji.family(d.relation) f join pg_class c on c.oid = f
  ), compiled as materialized (
    select c.dataset, c.digest from niji.compiled c where c.permit = 0 and c.kind = 'policy'
  )
  select 'relation_missing', d.object, 'its relation does not exist', 'Restore the table from a backup; then select niji.recompile_permits().', d.name
    from d where not exists (select from pg_class c where c.oid = d.relation)
  union all
  select 'column_missing', d.object, format('column "%s" does not exist, or has another type than when it was registered', x.name),
         format('Name the column as it was: alter table %s rename column … to %I', d.relation, x.name), d.name
    from d join pg_class c on c.oid = d.relation
    cross join lateral (select p as name, 'niji.person'::regtype::oid as type from unnest(d.person_columns) p
                        union all select d.holder_column, 'integer'::regtype where d.holder_column is not null
                        union all select d.date_column, null where d.date_column is not null
                        union all select d.tag_column, null where d.tag_column is not null) x
   where not exists (select from pg_attribute a where a.attrelid = d.relation and a.attname = x.name and a.attnum > 0 and not a.attisdropped
                      and (x.type is null or a.atttypid = x.type))
  union all
  select 'is_child', d.object, 'it is a partition or a child of another table, through which it can be read',
         case when c.relispartition then format('alter table %s detach partition %s', i.inhparent::regclass, d.relation)
              else format('alter table %s no inherit %s', d.relation, i.inhparent::regclass) end, d.name
    from d join pg_inherits i on i.inhrelid = d.relation join pg_class c on c.oid = d.relation
  union all
  select 'protect_missing', d.object, 'its restrictive policy niji_protect is missing', 'select niji.recompile_permits()', d.name
    from d join pg_class c on c.oid = d.relation
   where not exists (select from pg_policy o where o.polrelid = d.relation and o.polname = 'niji_protect' and not o.polpermissive and o.polroles = '{0}')
  union all
  select case when y.digest is null then 'not_compiled' else 'protect_altered' end, d.object,
         case when y.digest is null then 'it is not known how its policy niji_protect was made' else 'its policy niji_protect is not as niji made it' end,
         'select niji.recompile_permits()', d.name
    from d join niji.native_objects(0) n on n.dataset = d.id
    left join compiled y on y.dataset = d.id
   where y.digest is distinct from n.digest
     and exists (select from pg_policy o where o.polrelid = d.relation and o.polname = 'niji_protect' and not o.polpermissive and o.polroles = '{0}')
  union all
  select 'policy_foreign', m.object, format('policy "%s" is not niji''s', o.polname), format('drop policy %I on %s', o.polname, m.oid::regclass), m.dataset
    from member m join pg_policy o on o.polrelid = m.oid
   where o.polname <> 'niji_protect' and o.polname !~ '^niji_permit_[0-9]+$'
      or o.polname ~ '^niji_permit_[0-9]+$'
         and not exists (select from niji.permit_data x join niji.permit p on p.id = x.permit
                          where x.dataset = m.id and p.role is not null and o.polname = ('niji_permit_' || x.permit)::name)
      or m.oid <> m.top
  union all
  select 'rls_off', m.object, 'row level security is off', format('alter table %s enable row level security', m.oid::regclass), m.dataset
    from member m where m.relkind <> 'f' and not m.relrowsecurity
  union all
  select 'dataset_owner', m.object,
         format('its owner is "%s", not "%s"', pg_get_userbyid(m.relowner), w.name)
           || (select case when o.rolsuper then ', a superuser'
                           else coalesce(', which can be acted as by ' || nullif(array_to_string(array(
                                  select l.rolname from pg_roles l where l.rolcanlogin and not l.rolsuper and pg_has_role(l.oid, o.oid, 'member') order by 1 limit 3), ', '), ''), '') end
                 from pg_roles o where o.oid = m.relowner),
         format('alter table %s owner to %I', m.oid::regclass, w.name), m.dataset
    from member m, owner w where pg_get_userbyid(m.relowner) <> w.name
  union all
  select 'dataset_right', m.object,
         format('%s has %s on it', case when x.grantee = 0 then 'PUBLIC' else format('role "%s"', pg_get_userbyid(x.grantee)) end, x.privilege_type),
         format('revoke %s on table %s from %s', lower(x.privilege_type), m.oid::regclass, niji.grantee(x.grantee)), m.dataset
    from member m, aclexplode(m.relacl) x where x.grantee <> m.relowner
  union all
  select 'dataset_right', m.object,
         format('%s has %s on it, on column "%s"', case when x.grantee = 0 then 'PUBLIC' else format('role "%s"', pg_get_userbyid(x.grantee)) end, x.privilege_type, a.attname),
         format('revoke %s (%I) on table %s from %s', lower(x.privilege_type), a.attname, m.oid::regclass, niji.grantee(x.grantee)), m.dataset
    from member m join pg_attribute a on a.attrelid = m.oid and a.attacl is not null and not a.attisdropped, aclexplode(a.attacl) x
   where m.oid <> m.top or x.privilege_type <> 'SELECT'
      or not exists (select from niji.permit q join niji.permit_data y on y.permit = q.id and y.dataset = m.id where q.role = x.grantee)
  union all
  select 'foreign_partition', m.object, 'it is read from another server, which has to protect it too', 'See docs/threat-model.md: only the server''s own account may read it there.', m.dataset
    from member m where m.relkind = 'f'
  union all
  select 'rule', m.object, format('it has the rule "%s"', r.rulename), format('drop rule %I on %s', r.rulename, m.oid::regclass), m.dataset
    from member m join pg_rewrite r on r.ev_class = m.oid
  union all
  -- only what can run something is looked into: triggers, checks, defaults, expressions
  select 'foreign_code', d.object, format('it runs %s', string_agg(f, ', ')), 'Give it to a superuser who has read it, or drop it.', d.name
    from d join pg_class c on c.oid = d.relation cross join lateral niji.foreign_code(d.relation) f
   where exists (select from member m
                  where m.id = d.id
                    and (exists (select from pg_trigger t join pg_proc p on p.oid = t.tgfoid where t.tgrelid = m.oid and not t.tgisinternal and p.pronamespace <> 'niji'::regnamespace)
                         or exists (select from pg_constraint k where k.conrelid = m.oid and k.contype = 'c')
                         or exists (select from pg_attrdef k where k.adrelid = m.oid)
                         or exists (select from pg_rewrite k where k.ev_class = m.oid)
                         or exists (select from pg_index k where k.indrelid = m.oid and (k.indexprs is not null or k.indpred is not null))
                         or exists (select from pg_partitioned_table k where k.partrelid = m.oid and k.partexprs is not null)
                         or exists (select from pg_attribute a join pg_type t on t.oid = a.atttypid join pg_roles o on o.oid = t.typowner
                                     where a.attrelid = m.oid and a.attnum > 0 and not a.attisdropped
                                       and (t.typtype = 'd' or not o.rolsuper))))
   group by d.object, d.name
  union all
  select 'no_person_index', m.object, format('column "%s" has no index', p),
         format('create index on %s (%I)', m.oid::regclass, p), m.dataset
    from member m cross join unnest(m.person_columns) p
   where m.relkind = 'r'
     and exists (select from pg_attribute a where a.attrelid = m.oid and a.attname = p)
     and not exists (select from pg_index i join pg_attribute a on a.attrelid = m.oid and a.attname = p
                      where i.indrelid = m.oid and i.indkey[0] = a.attnum and i.indisvalid and i.indpred is null)
  union all
  select 'derived_person', m.object, format('column "%s" is computed from "%s"', a.attname, v.attname), format('alter table %s drop column %I', m.oid::regclass, a.attname), m.dataset
    from member m join pg_attrdef k on k.adrelid = m.oid
    join pg_attribute a on a.attrelid = m.oid and a.attnum = k.adnum and a.attgenerated <> ''
    join pg_depend x on x.classid = 'pg_attrdef'::regclass and x.objid = k.oid and x.refclassid = 'pg_class'::regclass and x.refobjid = m.oid
    join pg_attribute v on v.attrelid = m.oid and v.attnum = x.refobjsubid and v.attname = any (m.person_columns)
   where m.oid = m.top and v.attnum <> a.attnum
  union all
  select 'derived_person', m.object, format('index "%s" is over an expression of "%s"', i.indexrelid::regclass, v.attname), format('drop index %s', i.indexrelid::regclass), m.dataset
    from member m join pg_index i on i.indrelid = m.oid and (i.indexprs is not null or i.indpred is not null)
    join pg_attribute v on v.attrelid = m.oid and v.attname = any (m.person_columns)
   where not v.attnum = any (i.indkey::int2[])
     and exists (select from pg_depend x where x.classid = 'pg_class'::regclass and x.objid = i.indexrelid
                  and x.refclassid = 'pg_class'::regclass and x.refobjid = m.oid and x.refobjsubid = v.attnum)
     and m.oid = m.top
  union all
  select 'foreign_key', m.object, format('%s has a foreign key to it', k.conrelid::regclass), format('alter table %s drop constraint %I', k.conrelid::regclass, k.conname), m.dataset
    from member m join pg_constraint k on k.confrelid = m.oid and k.contype = 'f' and k.conparentid = 0
   where m.person_columns <> '{}' and not exists (select from member o where o.oid = k.conrelid)
  union all
  select 'extended_statistics', m.object, format('statistics %I.%I keep values of persons', s.stxnamespace::regnamespace::text, s.stxname),
         format('drop statistics %s.%I', s.stxnamespace::regnamespace, s.stxname), m.dataset
    from member m join pg_statistic_ext s on s.stxrelid = m.oid and 'm' = any (s.stxkind)
   where exists (select from pg_attribute a where a.attrelid = m.oid and a.attname = any (m.person_columns) and a.attnum = any (s.stxkeys::int2[]))
  union all
  select 'not_analyzed', m.object, 'it was never analysed', format('analyze %s', m.oid::regclass), m.dataset
    from member m where m.relkind = 'r' and m.reltuples < 0
  union all
  select 'not_analyzed', m.object, format('no statistics are kept of column "%s"', a.attname), format('alter table %s alter column %I set statistics -1', m.oid::regclass, a.attname), m.dataset
    from member m join pg_attribute a on a.attrelid = m.oid and a.attname = any (m.person_columns) and a.attstattarget = 0
   where m.relkind = 'r'
  union all
  select 'detached', format('table %s', c.oid::regclass), 'it belongs to the owner of datasets and is none (a detached partition?)',
         format('alter table %s owner to current_user', c.oid::regclass), null
    from owner w join pg_roles o on o.rolname = w.name join pg_class c on c.relowner = o.oid
   where c.relkind in ('r', 'p', 'f', 'm', 'v') and not exists (select from member m where m.oid = c.oid)
  union all
  select 'override', format('override %s', o.id), format('consents about %s for %s are set aside until %s', o.category, o.purpose, o.effective_until),
         format('select niji.end_override(%s, ''REASON'')', o.id), null
    from niji.overrides o where o.in_force
$$;
comment on function @extschema@.dataset_findings() is
  'What is weaker than it should be about datasets: row level security, owners, rights, policies, partitions, indexes, code. For niji.check_protection(). Internal.';
