/* ---- permit: how the native objects were compiled ---- */

/*
 * A policy or a view that somebody alters by hand still has its name.  So what
 * niji compiled is remembered as a digest of what the catalog holds, and
 * check_protection() compares.
 *
 * Digests are of the stored trees, not of their text: the text depends on
 * settings, names and the version that prints it, and printing it locks the
 * dataset, for which a check must not wait.  A stored tree changes only when
 * the object is made anew; renaming a column or a table leaves it.  It holds
 * the numbers of functions, so pg_upgrade and a restore make all of them
 * differ: there niji.recompile_permits() is called in any case.  For the same
 * reason the table is not dumped.
 */
create table @extschema@.compiled (
  kind text not null check (kind in ('policy', 'view', 'columns')),
  permit integer not null,
  dataset integer not null,
  digest bytea not null,
  compiled_at timestamptz not null default now(),
  primary key (permit, dataset, kind)
);
comment on table @extschema@.compiled is
  'Digests of the policies, views and column grants as niji compiled them, with which niji.check_protection() compares what there is. permit 0 is the restrictive policy of the dataset itself. Not dumped: niji.recompile_permits() writes it anew.';

create function @extschema@.native_objects(only_permit integer default null, only_dataset integer default null)
returns table (kind text, permit integer, dataset integer, digest bytea)
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select 'policy', 0, d.id,
         sha256(convert_to(concat_ws('|', o.polcmd, o.polpermissive, o.polroles, coalesce(o.polqual::text, ''), coalesce(o.polwithcheck::text, '')), 'UTF8'))
    from niji.dataset d join pg_policy o on o.polrelid = d.relation and o.polname = 'niji_protect'
   where (only_permit is null or only_permit = 0) and (only_dataset is null or d.id = only_dataset)
  union all
  select 'policy', x.permit, x.dataset,
         sha256(convert_to(concat_ws('|', o.polcmd, o.polpermissive, o.polroles, coalesce(o.polqual::text, ''), coalesce(o.polwithcheck::text, '')), 'UTF8'))
    from niji.permit_data x join niji.dataset d on d.id = x.dataset
    join pg_policy o on o.polrelid = d.relation and o.polname = ('niji_permit_' || x.permit)::name
   where (only_permit is null or x.permit = only_permit) and (only_dataset is null or d.id = only_dataset)
  union all
  select 'view', x.permit, x.dataset,
         sha256(convert_to(concat_ws('|', r.ev_type, r.is_instead, c.reloptions, r.ev_qual::text, r.ev_action::text), 'UTF8'))
    from niji.permit_data x join niji.permit p on p.id = x.permit join niji.dataset d on d.id = x.dataset
    join pg_namespace n on n.nspname = p.schema_name
    join pg_class c on c.relnamespace = n.oid and c.relname = d.name::name and c.relkind = 'v'
    join pg_rewrite r on r.ev_class = c.oid and r.rulename = '_RETURN'
   where (only_permit is null or x.permit = only_permit) and (only_dataset is null or d.id = only_dataset)
  union all
  select 'columns', x.permit, x.dataset,
         sha256(convert_to((select coalesce(string_agg(concat_ws(' ', a.attnum, g.privilege_type, g.is_grantable), ',' order by a.attnum, g.privilege_type), '')
                              from pg_attribute a, aclexplode(a.attacl) g where a.attrelid = d.relation and not a.attisdropped and g.grantee = p.role), 'UTF8'))
    from niji.permit_data x join niji.permit p on p.id = x.permit join niji.dataset d on d.id = x.dataset
   where p.role is not null
     and (only_permit is null or x.permit = only_permit) and (only_dataset is null or d.id = only_dataset)
$$;
comment on function @extschema@.native_objects(integer, integer) is
  'Digests of the policies, views and column grants of permits and datasets as they are in the catalog. Internal.';

create function @extschema@.note_compiled(permit integer, dataset integer default null) returns void
language sql volatile set search_path = pg_catalog, pg_temp
as $$
  delete from niji.compiled c where c.permit = note_compiled.permit and (note_compiled.dataset is null or c.dataset = note_compiled.dataset);
  insert into niji.compiled (kind, permit, dataset, digest)
    select o.kind, o.permit, o.dataset, o.digest from niji.native_objects(note_compiled.permit, note_compiled.dataset) o;
$$;
comment on function @extschema@.note_compiled(integer, integer) is
  'Remembers how the objects of a permit, or (permit 0) the policy of a dataset, were compiled. Internal.';
