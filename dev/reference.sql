-- prints docs/reference.md
set search_path = pg_catalog, pg_temp;
create function pg_temp.cell(text) returns text language sql as
  $$ select replace(replace(coalesce($1, ''), '|', '\|'), E'\n', ' ') $$;
create temp view call as
  select p.oid, p.proname, n.nspname,
         format('%s(%s)', p.proname, (
           select string_agg(format_type(t, null), ', ' order by i) from unnest(p.proargtypes) with ordinality a(t, i))) as plain,
         format('niji.%s(%s)', p.proname, pg_get_function_arguments(p.oid)) as signature,
         pg_get_function_result(p.oid) as result, obj_description(p.oid, 'pg_proc') as comment,
         has_function_privilege('public', p.oid, 'execute') as public,
         array(select r.duty from niji.duty_right r where r.kind = 'function'
                and to_regprocedure('niji.' || r.object) = p.oid order by 1) as duties
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
   where n.nspname = 'niji' and p.prokind in ('f', 'p', 'a');

select '# Reference

Generated from the catalog by `dev/reference`: every function that somebody other than a superuser may call, by duty; views, types and settings.
Functions that only niji itself or a superuser calls stand at the end.

## Functions by duty
';
select format(E'### %s (%s)\n\n%s.\n\n| call | gives | meaning |\n|---|---|---|\n%s\n', d.duty, d.name_ja, d.description,
         (select string_agg(format('| `%s` | `%s` | %s |', c.signature, c.result, pg_temp.cell(c.comment)), E'\n' order by c.signature)
            from call c where d.duty = any(c.duties)))
  from niji.duty d order by d.duty;
select E'### everybody\n\n| call | gives | meaning |\n|---|---|---|';
select format('| `%s` | `%s` | %s |', signature, result, pg_temp.cell(comment)) from call
 where public and comment is not null and not exists (
   -- what serves an operator, a cast or a type stands with its type
   select from pg_operator o where o.oprcode = call.oid
   union all select from pg_type t where call.oid in (t.typinput, t.typoutput, t.typsend, t.typreceive)
   union all select from pg_amproc a where a.amproc = call.oid)
 order by signature;

select E'\n## Views\n\n| view | for | meaning |\n|---|---|---|';
select format('| `niji.%s` | %s | %s |', c.relname,
         coalesce(nullif((select string_agg(r.duty, ', ' order by r.duty) from niji.duty_right r where r.kind = 'select' and r.object = c.relname), ''),
                  case when has_table_privilege('public', c.oid, 'select') then 'everybody' else 'superuser' end),
         pg_temp.cell(obj_description(c.oid, 'pg_class')))
  from pg_class c where c.relnamespace = 'niji'::regnamespace and c.relkind = 'v' order by c.relname;

select E'\n## Types\n\n| type | bytes | meaning |\n|---|---|---|';
select format('| `niji.%s` | %s | %s |', t.typname, t.typlen, pg_temp.cell(obj_description(t.oid, 'pg_type')))
  from pg_type t where t.typnamespace = 'niji'::regnamespace and t.typtype = 'b' and t.typcategory <> 'A' order by t.typname;

select E'\n## Settings\n\n| setting | default | changed by | meaning |\n|---|---|---|---|';
select format('| `%s` | `%s` | %s | %s |', name, boot_val || coalesce(' ' || unit, ''),
         case context when 'postmaster' then 'restart' else 'reload' end, pg_temp.cell(concat_ws(' ', short_desc, extra_desc)))
  from pg_settings where name like 'niji.%' order by name;

select E'\n## For niji itself and superusers\n\n| call | meaning |\n|---|---|';
select format('| `%s` | %s |', signature, pg_temp.cell(comment)) from call
 where not public and duties = '{}' and comment is not null and not exists (
   select from pg_operator o where o.oprcode = call.oid
   union all select from pg_type t where call.oid in (t.typinput, t.typoutput, t.typsend, t.typreceive)
   union all select from pg_amproc a where a.amproc = call.oid)
 order by signature;
