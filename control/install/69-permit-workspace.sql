/* ---- permit: workspaces (作業領域) ---- */

/*
 * A workspace is the schema in which a permit's readers keep tables of their
 * own.  What is in them is a copy of protected data, so two things follow each
 * table: a policy on its pseudonyms, and, where its rows are not each one
 * person's, the set of persons that they were made from.  Who may do what is
 * judged in C (src/permit/workspace.c); here is what is kept, and what is native.
 */
create table @extschema@.workspace (
  permit integer primary key references @extschema@.permit,
  schema_name name not null unique,
  made_at timestamptz not null default now()
);
comment on table @extschema@.workspace is
  'The schemas in which readers keep tables of their own (作業領域), each of one permit. A renewal takes over that of the permit that it renews; closing leaves it, unreadable, until niji.drop_workspace().';

create trigger invalidate after insert or update or delete or truncate on @extschema@.workspace
  for each statement execute function @extschema@.invalidate();
alter table @extschema@.workspace enable always trigger invalidate;

create table @extschema@.workspace_table (
  relation regclass primary key,
  person_columns name[]
);
comment on table @extschema@.workspace_table is 'The tables in workspaces. relation is dumped by its name.';
comment on column @extschema@.workspace_table.person_columns is
  'Columns of which each names the one person whom a row that was copied is about; null as long as no such row was written. Rows that are made otherwise count by niji.workspace_person.';

create table @extschema@.workspace_person (
  relation regclass not null,
  dataset integer not null,
  chunk integer not null,
  persons bytea not null
);
alter table @extschema@.workspace_person alter column persons set storage external;
create index workspace_person_relation on @extschema@.workspace_person (relation);
comment on table @extschema@.workspace_person is
  'From whose rows of which dataset a table in a workspace was made, where its rows do not each carry their person''s pseudonym: Roaring bitmaps of the persons'' low 16 bits, for chunks of 65 536. It only grows; rows of one chunk are united. The table is refused as soon as one of these persons forbids the use.';

select pg_catalog.pg_extension_config_dump('@extschema@.workspace', '');
select pg_catalog.pg_extension_config_dump('@extschema@.workspace_table', '');
select pg_catalog.pg_extension_config_dump('@extschema@.workspace_person', '');

create view @extschema@.workspaces as
  select p.code as permit, w.schema_name, p.state, w.made_at, count(t.relation) as tables
    from @extschema@.workspace w
    join @extschema@.permit p on p.id = w.permit
    left join pg_catalog.pg_namespace n on n.nspname = w.schema_name
    left join pg_catalog.pg_class c on c.relnamespace = n.oid
    left join @extschema@.workspace_table t on t.relation = c.oid
   group by p.code, w.schema_name, p.state, w.made_at;
comment on view @extschema@.workspaces is 'Workspaces (作業領域) with the number of their tables. The tables of a permit that is closed are read by nobody, until niji.drop_workspace() or a renewal.';
insert into @extschema@.duty_right (duty, kind, object)
  select duty, 'select', 'workspaces' from unnest(array['governance', 'reviewer', 'auditor']) duty;

/* ---- the filter ---- */

create function @extschema@.permitted_pseudonym_support(internal) returns internal
language c strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.permitted_pseudonym_support(internal) is 'Planner support: which share of rows the filter of a workspace lets pass, and what it costs.';

create function @extschema@.permitted_pseudonym(pid @extschema@.pseudonym, permit int) returns boolean
language c stable strict leakproof parallel safe cost 3
support @extschema@.permitted_pseudonym_support as 'MODULE_PATHNAME';
comment on function @extschema@.permitted_pseudonym(@extschema@.pseudonym, int) is
  'Whether the person whom a pseudonym of the permit''s domain names permits what the permit does with each of its datasets, as the statement''s snapshot and clock see it. The row filter of workspaces. False for what is no pseudonym of the domain; true for those of institutions, physicians, records and households, who do not consent; null for null. Errors: 42501 outside of statements under the permit, 55000.';

insert into @extschema@.public_function values ('permitted_pseudonym(niji.pseudonym, integer)');

create function @extschema@.under_workspace(permit int) returns boolean
language c stable strict leakproof parallel safe cost 1 as 'MODULE_PATHNAME';
comment on function @extschema@.under_workspace(int) is
  'Whether the running statement was admitted to the permit''s workspace. It stands in the policy of each of its tables. Errors: 55000 where the server does not preload niji.';
insert into @extschema@.public_function values ('under_workspace(integer)');

/* ---- what is native ---- */

create function @extschema@.protect_workspace_table(relation regclass, permit integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning
as $$
declare
  c pg_catalog.pg_class;
  a record;
  condition text := format('niji.under_workspace(%s)', permit);
  keyed boolean;
begin
  select * into strict c from pg_catalog.pg_class x where x.oid = relation;
  if c.relkind <> 'r' or c.relpersistence = 't' or c.relispartition or c.reloftype <> 0
     or exists (select from pg_catalog.pg_inherits i where relation in (i.inhrelid, i.inhparent)) then
    raise exception using errcode = '42501', message = 'a workspace holds plain tables, and views upon them',
      detail = 'Partitions, inheritance and tables of a type would be ways past its filter.';
  end if;

  for a in select * from niji.workspace_columns(relation) loop
    if a.hidden then
      raise exception using errcode = '42501', message = format('column "%s" of a workspace''s table has a type that can hold pseudonyms inside', a.name),
        detail = format('The filter sees columns of type niji.pseudonym, not what is inside of %s.', a.type),
        hint = 'Make a column of type niji.pseudonym of it.';
    end if;
    if a.pseudonym then
      -- what stands in the place of a view's pid is the row's person, and a row without one is hidden
      condition := condition || format(case when a.name = 'pid' then ' and niji.permitted_pseudonym(%1$I, %2$s)'
                                            else ' and (%1$I is null or niji.permitted_pseudonym(%1$I, %2$s))' end, a.name, permit);
    end if;
  end loop;

  -- errors of these tell about rows that are hidden
  select bool_or(x.pseudonym) into keyed from niji.workspace_columns(relation) x;
  if keyed and exists (
       select from pg_catalog.pg_index i
        where i.indrelid = relation and (i.indisunique or i.indisexclusion)
          and exists (select from unnest(i.indkey) k
                       where not exists (select from niji.workspace_columns(relation) x where x.number = k and x.pseudonym))) then
    raise exception using errcode = '42501', message = 'in a table with pseudonyms only these can be unique',
      detail = 'The error for a value that exists would tell about rows that are hidden.', hint = 'Make an index that is not unique.';
  end if;
  if exists (select from pg_catalog.pg_index i where i.indrelid = relation and (i.indexprs is not null or i.indpred is not null)) then
    raise exception using errcode = '42501', message = 'an index in a workspace is on columns',
      detail = 'An expression is computed over hidden rows as well, and its errors would tell about them.';
  end if;
  if exists (select from pg_catalog.pg_constraint k where relation in (k.conrelid, k.confrelid) and k.contype = 'f') then
    raise exception using errcode = '42501', message = 'tables in a workspace have no foreign keys',
      detail = 'The checks read rows without their filter.';
  end if;
  if exists (select from niji.foreign_code(relation)) then
    raise exception using errcode = '42501', message = format('%s runs code that does not belong to a superuser', relation),
      detail = (select format('It uses %s.', string_agg(f, ', ')) from niji.foreign_code(relation) f);
  end if;

  execute format('alter table %s enable row level security, force row level security', relation);
  execute format('drop policy if exists niji_workspace on %s', relation);
  execute format('drop policy if exists niji_protect on %s', relation);
  execute format('create policy niji_workspace on %s for all to public using (%s) with check (true)', relation, condition);
  -- a policy that somebody adds opens nothing
  execute format('create policy niji_protect on %s as restrictive for all to public using (%s) with check (true)', relation, condition);
  insert into niji.workspace_table as t (relation) values (protect_workspace_table.relation) on conflict do nothing;
end
$$;
comment on function @extschema@.protect_workspace_table(regclass, integer) is
  'Puts a table of a workspace under its policies, or refuses it (42501) when that cannot be done. Internal.';

/* columns and whether their type is a pseudonym, or may have one inside */
create function @extschema@.workspace_columns(relation regclass, out number smallint, out name name, out type regtype, out pseudonym boolean, out hidden boolean)
returns setof record
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with recursive inner_type (number, type, depth) as (
    select a.attnum, a.atttypid, 0 from pg_attribute a where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
    union
    select i.number, x.type, i.depth + 1
      from inner_type i join pg_type t on t.oid = i.type
      cross join lateral (select t.typbasetype union select t.typelem
                          union select r.rngsubtype from pg_range r where t.oid in (r.rngtypid, r.rngmultitypid)
                          union select f.atttypid from pg_attribute f where f.attrelid = t.typrelid and t.typrelid <> 0 and f.attnum > 0 and not f.attisdropped) x (type)
     where x.type <> 0 and i.depth < 20
  )
  select a.attnum, a.attname, a.atttypid::regtype, a.atttypid = 'niji.pseudonym'::regtype,
         exists (select from inner_type i where i.number = a.attnum and i.depth > 0 and i.type = 'niji.pseudonym'::regtype)
    from pg_attribute a where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
   order by a.attnum
$$;
comment on function @extschema@.workspace_columns(regclass) is 'The columns of a table, whether they are pseudonyms, and whether their type has one inside. Internal.';

create function @extschema@.narrow_person_columns(relation regclass, numbers integer[]) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  before name[];
  after name[] := array(select x.name from niji.workspace_columns(relation) x where x.pseudonym and x.number = any (numbers) order by x.number);
begin
  select t.person_columns into before from niji.workspace_table t where t.relation = narrow_person_columns.relation;
  if before is distinct from after then
    -- another session may be narrowing it, too
    select t.person_columns into before from niji.workspace_table t where t.relation = narrow_person_columns.relation for update;
    after := array(select n from unnest(after) n where before is null or n = any (before));
    if cardinality(after) > 0 and before is distinct from after then
      update niji.workspace_table t set person_columns = after where t.relation = narrow_person_columns.relation;
    end if;
  end if;
  return cardinality(after) > 0;
end
$$;
comment on function @extschema@.narrow_person_columns(regclass, integer[]) is
  'Rows were written of which these columns each name the one person; false if no column names that of every row any more. Internal.';

create function @extschema@.forget_workspace_tables() returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
  delete from niji.workspace_person p where not exists (select from pg_class c where c.oid = p.relation);
  delete from niji.workspace_table t where not exists (select from pg_class c where c.oid = t.relation);
$$;
comment on function @extschema@.forget_workspace_tables() is 'Removes what was kept about tables of workspaces that are gone. Internal.';

create function @extschema@.make_workspace(permit integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning
as $$
declare
  p niji.permit;
  w niji.workspace;
  wanted name;
  renamed boolean := false;
  t regclass;
begin
  select * into strict p from niji.permit q where q.id = make_workspace.permit;
  wanted := p.schema_name || '_work';
  select * into w from niji.workspace x where x.permit = p.id;
  if not found and p.renews is not null then
    perform niji.shut_workspace(p.renews);
    update niji.workspace x set permit = p.id where x.permit = p.renews returning * into w;
    renamed := found;
  end if;
  if w.permit is null then
    -- a renewal has it
    if exists (select from niji.permit q join niji.workspace x on x.permit = q.id where q.renews = p.id) then
      return;
    end if;
    if exists (select from pg_catalog.pg_namespace where nspname = wanted) then
      raise exception using errcode = '42P06', message = format('schema "%s" exists already', wanted),
        detail = format('It would be the workspace of permit "%s".', p.code), hint = 'Drop or rename it.';
    end if;
    execute format('create schema %I', wanted);
    execute format('comment on schema %I is %L', wanted, format('Workspace of permit %s', p.code));
    insert into niji.workspace (permit, schema_name) values (p.id, wanted) returning * into w;
  elsif renamed and w.schema_name <> wanted then
    if exists (select from pg_catalog.pg_namespace where nspname = w.schema_name) then
      if exists (select from pg_catalog.pg_namespace where nspname = wanted) then
        raise exception using errcode = '42P06', message = format('schema "%s" exists already', wanted);
      end if;
      execute format('alter schema %I rename to %I', w.schema_name, wanted);
      execute format('comment on schema %I is %L', wanted, format('Workspace of permit %s', p.code));
    end if;
    update niji.workspace x set schema_name = wanted where x.permit = p.id returning * into w;
  end if;
  if not exists (select from pg_catalog.pg_namespace where nspname = w.schema_name) then
    execute format('create schema %I', w.schema_name);
  end if;
  execute format('alter schema %I owner to %I', w.schema_name, niji.owner_role());
  execute format('revoke all on schema %I from public', w.schema_name);
  perform niji.forget_workspace_tables();
  for t in select c.oid::regclass from pg_catalog.pg_class c
            where c.relnamespace = quote_ident(w.schema_name)::regnamespace and c.relkind = 'r' loop
    perform niji.protect_workspace_table(t, p.id);
  end loop;
end
$$;
comment on function @extschema@.make_workspace(integer) is
  'Makes the workspace of a permit, or takes over that of the permit that it renews, and protects the tables in it. Internal.';

create function @extschema@.open_workspace(permit integer, reader name) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  w niji.workspace;
begin
  select * into w from niji.workspace x where x.permit = open_workspace.permit;
  if found then
    execute format('grant usage, create on schema %I to %I', w.schema_name, reader);
  end if;
end
$$;
comment on function @extschema@.open_workspace(integer, name) is 'Lets a reader use the workspace of a permit. Internal.';

create function @extschema@.shut_workspace(permit integer, reader name default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning
as $$
declare
  w niji.workspace;
  r record;
begin
  select * into w from niji.workspace x where x.permit = shut_workspace.permit;
  if not found then
    return;
  end if;
  for r in select distinct x.grantee from pg_catalog.pg_namespace n, aclexplode(n.nspacl) x
            where n.nspname = w.schema_name and x.grantee not in (0, n.nspowner)
              and (reader is null or x.grantee = (select oid from pg_catalog.pg_roles where rolname = reader)) loop
    execute format('revoke all on schema %I from %I cascade', w.schema_name, pg_get_userbyid(r.grantee));
  end loop;
end
$$;
comment on function @extschema@.shut_workspace(integer, name) is 'Takes the workspace of a permit from a reader, or from all. Internal.';

create function @extschema@.drop_workspace(permit text, reason text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning
as $$
declare
  p niji.permit;
  w niji.workspace;
begin
  perform niji.require_duty('governance', 'drop a workspace');
  if coalesce(btrim(reason), '') = '' then
    raise exception using errcode = '22023', message = 'a workspace is not dropped without a reason';
  end if;
  p := niji.lock_permit(permit);
  perform niji.require_state(p, 'drop the workspace of', 'closed');
  select * into w from niji.workspace x where x.permit = p.id;
  if not found then
    raise exception using errcode = '42704', message = format('permit "%s" has no workspace', p.code),
      hint = 'A renewal takes over the workspace of the permit that it renews; see niji.workspaces.';
  end if;
  execute format('drop schema if exists %I cascade', w.schema_name);
  delete from niji.workspace x where x.permit = p.id;
  perform niji.forget_workspace_tables();
  perform niji.record_act('drop_workspace', p.code, jsonb_build_object('schema', w.schema_name, 'reason', reason));
end
$$;
comment on function @extschema@.drop_workspace(text, text) is
  'Drops the workspace of a closed permit with all tables in it. Errors: 22023 no reason, 42704 no such permit or no workspace, 55000 the permit is not closed. Duty: governance.';
insert into @extschema@.duty_right (duty, kind, object) values ('governance', 'function', 'drop_workspace(text, text)');

create function @extschema@.workspace_findings() returns table (object text, finding text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select format('workspace of permit %s', p.code), 'its schema is missing (niji.recompile_permits)'
    from niji.workspace w join niji.permit p on p.id = w.permit
   where p.state in ('granted', 'suspended') and not exists (select from pg_namespace n where n.nspname = w.schema_name)
  union all
  select format('workspace of permit %s, %s', p.code, c.oid::regclass), f
    from niji.workspace w join niji.permit p on p.id = w.permit
    join pg_namespace n on n.nspname = w.schema_name
    join pg_class c on c.relnamespace = n.oid
    cross join lateral (
      select 'it is neither a table nor a view' where c.relkind not in ('r', 'v', 'i', 't', 'c')
      union all
      select 'row level security is not on and forced (niji.recompile_permits)' where c.relkind = 'r' and not (c.relrowsecurity and c.relforcerowsecurity)
      union all
      select 'its policies are missing (niji.recompile_permits)' where c.relkind = 'r'
         and (select count(*) from pg_policy y where y.polrelid = c.oid and y.polname in ('niji_workspace', 'niji_protect')) <> 2
      union all
      select format('policy "%s" is not niji''s', y.polname) from pg_policy y where y.polrelid = c.oid and y.polname not in ('niji_workspace', 'niji_protect')
      union all
      select format('it has the trigger "%s"', g.tgname) from pg_trigger g where g.tgrelid = c.oid and not g.tgisinternal
      union all
      select 'it is not registered in niji.workspace_table (niji.recompile_permits)' where c.relkind = 'r'
         and not exists (select from niji.workspace_table t where t.relation = c.oid)) x (f)
$$;
comment on function @extschema@.workspace_findings() is 'What is weaker in workspaces than it should be, for niji.check_protection(). Internal.';
