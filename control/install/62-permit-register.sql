/* ---- permit: registering holders, applicants, datasets ---- */

create function @extschema@.check_code(code text, what text) returns void
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
begin
  if code is null or code !~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$' then
    raise exception using errcode = '22023', message = format('invalid code of %s: "%s"', what, code),
      hint = 'A code begins with a letter or a digit and has up to 63 letters, digits, hyphens, dots and underscores.';
  end if;
end
$$;
comment on function @extschema@.check_code(text, text) is 'Raises 22023 unless the code of a holder or an applicant is well formed. Internal.';

create function @extschema@.register_holder(code text, name text, kind text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  result integer;
begin
  perform niji.require_duty('governance', 'register a holder');
  perform niji.check_code(code, 'a holder');
  if coalesce(name, '') = '' then
    raise exception using errcode = '22023', message = 'a holder needs a name';
  end if;
  if not exists (select from niji.holder_kind k where k.kind = register_holder.kind) then
    raise exception using errcode = '22023', message = format('there is no kind of holder "%s"', kind),
      hint = 'The kinds are in niji.holder_kind.';
  end if;
  insert into niji.holder as h (code, name, kind) values (register_holder.code, register_holder.name, register_holder.kind)
    on conflict (lower(h.code)) do nothing
    returning id into result;
  if result is null then
    raise exception using errcode = '23505', message = format('a holder with the code "%s" exists already', code),
      detail = 'Codes are compared without case.';
  end if;
  perform niji.record_act('register_holder', code, jsonb_build_object('name', name, 'kind', kind));
  return result;
end
$$;
comment on function @extschema@.register_holder(text, text, text) is
  'Registers an organisation that holds data (データ保有者) and returns its id. Errors: 22023 unknown kind or malformed code, 23505 code taken. Duty: governance.';

create function @extschema@.register_applicant(code text, name text, kind text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  result integer;
begin
  perform niji.require_duty('governance', 'register an applicant');
  perform niji.check_code(code, 'an applicant');
  if coalesce(name, '') = '' then
    raise exception using errcode = '22023', message = 'an applicant needs a name';
  end if;
  if not exists (select from niji.holder_kind k where k.kind = register_applicant.kind) then
    raise exception using errcode = '22023', message = format('there is no kind of applicant "%s"', kind),
      hint = 'The kinds are in niji.holder_kind.';
  end if;
  insert into niji.applicant as a (code, name, kind)
    values (register_applicant.code, register_applicant.name, register_applicant.kind)
    on conflict (lower(a.code)) do nothing
    returning id into result;
  if result is null then
    raise exception using errcode = '23505', message = format('an applicant with the code "%s" exists already', code),
      detail = 'Codes are compared without case.';
  end if;
  perform niji.record_act('register_applicant', code, jsonb_build_object('name', name, 'kind', kind));
  return result;
end
$$;
comment on function @extschema@.register_applicant(text, text, text) is
  'Registers an organisation that applies for permits (利用申請者) and returns its id; kinds as for holders. Errors: 22023 unknown kind or malformed code, 23505 code taken. Duty: governance.';

/* ---- tags ---- */

create function @extschema@.untagged(tag text) returns boolean
language c stable leakproof parallel safe cost 0.5
support @extschema@.under_permit_support as 'MODULE_PATHNAME', 'untagged';
comment on function @extschema@.untagged(text) is
  'Whether a row with this tag may be shown: it is not in niji.hidden_tag. Null has no tag. For the restrictive policies of datasets.';
create function @extschema@.untagged(tags text[]) returns boolean
language c stable leakproof parallel safe cost 0.5
support @extschema@.under_permit_support as 'MODULE_PATHNAME', 'untagged_array';
comment on function @extschema@.untagged(text[]) is 'Whether none of a row''s tags is in niji.hidden_tag.';
insert into @extschema@.public_function values
  ('untagged(text)'),
  ('untagged(text[])');

create function @extschema@.owner_role() returns name
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  result name := format('niji_owner_%s', (select oid from pg_catalog.pg_database where datname = current_database()));
begin
  if not exists (select from pg_catalog.pg_roles where rolname = result) then
    execute format('create role %I nologin noinherit', result);
  elsif exists (select from pg_catalog.pg_roles
                 where rolname = result and (rolcanlogin or rolsuper or rolcreaterole or rolbypassrls))
        or exists (select from pg_catalog.pg_auth_members m where m.roleid = result::text::regrole) then
    raise exception using errcode = '42501', message = format('role "%s" is not what niji made', result),
      detail = 'The owner of datasets cannot log in, has no attributes and no members.',
      hint = format('Look at it with \du, then: ALTER ROLE %I NOLOGIN NOSUPERUSER NOCREATEROLE NOBYPASSRLS, and revoke it from its members.', result);
  end if;
  return result;
end
$$;
comment on function @extschema@.owner_role() is 'The role without login that owns this database''s datasets, made if need be. Internal.';

/* the relation itself and what lies below it: partitions and children, at any depth */
create function @extschema@.family(relation regclass) returns setof regclass
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with recursive below (oid) as (
    select relation::oid
    union
    select i.inhrelid from below b join pg_catalog.pg_inherits i on i.inhparent = b.oid)
  select oid::regclass from below
$$;
comment on function @extschema@.family(regclass) is 'A relation with its partitions and inheriting children. Internal.';

/*
 * Commands name a relation by its text, and are looked up anew: who renames the
 * table, or its schema, in the moment between would have another relation, a
 * view of theirs, read or written with the rights of niji's owner.  So the
 * schema's row is locked, which keeps its name, then the table, and then the
 * name is looked up once more.
 */
create function @extschema@.hold_relation(relation regclass, mode text) returns text
language plpgsql volatile parallel unsafe set search_path = pg_catalog, pg_temp
as $$
declare
  target text;
begin
  perform from pg_namespace n where n.oid = (select c.relnamespace from pg_class c where c.oid = relation) for share;
  select format('%I.%I', n.nspname, c.relname) into target
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = relation;
  if target is null then
    raise exception using errcode = '42P01', message = 'the relation does not exist';
  end if;
  execute format('lock table %s in %s mode', target, mode);
  if to_regclass(target) is distinct from relation
     or not exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = relation and format('%I.%I', n.nspname, c.relname) = target) then
    raise exception using errcode = '40001', message = 'the relation was renamed just now';
  end if;
  return target;
end
$$;
comment on function @extschema@.hold_relation(regclass, text) is
  'Locks a table, and keeps its name, which it gives, and its schema''s until the transaction ends, so that a command that names it means it. Errors: 42P01, 40001 renamed just now. Internal.';

/*
 * Datasets are filled with the rights of niji's owner, and analysed with those
 * of their own.  A function of somebody else, in a trigger, a check, a default,
 * an index, a domain or a cast, would run with them; and who owns a type may
 * make casts to it.
 *
 * Nor may it be one of the server's own functions that runs a text as a query,
 * reads relations by their name, or reaches beyond the row (a file, a setting,
 * another process): query_to_xml('select mine()') runs mine().  The server
 * keeps no dependencies on its own functions, so they are looked for in the
 * expressions.  Volatile ones are refused but for numbers, clocks and chance.
 */
create function @extschema@.foreign_code(relation regclass) returns setof text
language sql stable set search_path = pg_catalog, pg_temp
as $$
  with recursive used (class, object) as (
    select 'pg_class'::regclass::oid, f::oid from niji.family(relation) f
    union
    select x.class, x.object
      from used u,
           lateral (select d.classid, d.objid from pg_depend d
                     where d.refclassid = u.class and d.refobjid = u.object and d.deptype in ('a', 'i')
                       and d.classid in ('pg_trigger'::regclass, 'pg_constraint'::regclass, 'pg_attrdef'::regclass, 'pg_class'::regclass, 'pg_rewrite'::regclass)
                       and u.class in ('pg_class'::regclass, 'pg_type'::regclass)
                    union all
                    select d.refclassid, d.refobjid from pg_depend d
                     where d.classid = u.class and d.objid = u.object
                       and d.refclassid in ('pg_proc'::regclass, 'pg_type'::regclass, 'pg_operator'::regclass, 'pg_opclass'::regclass, 'pg_opfamily'::regclass)) x (class, object)
  ), expression (tree) as (
    select c.conbin::text from used u join pg_constraint c on u.class = 'pg_constraint'::regclass and c.oid = u.object
    union all
    select c.conbin::text from used u join pg_constraint c on u.class = 'pg_type'::regclass and c.contypid = u.object
    union all
    select d.adbin::text from used u join pg_attrdef d on u.class = 'pg_attrdef'::regclass and d.oid = u.object
    union all
    select t.tgqual::text from used u join pg_trigger t on u.class = 'pg_trigger'::regclass and t.oid = u.object
    union all
    select r.ev_action::text || r.ev_qual::text from used u join pg_rewrite r on u.class = 'pg_rewrite'::regclass and r.oid = u.object
    union all
    select concat(x.indexprs::text, x.indpred::text) from used u join pg_index x on u.class = 'pg_class'::regclass and x.indrelid = u.object
    union all
    select p.partexprs::text from used u join pg_partitioned_table p on u.class = 'pg_class'::regclass and p.partrelid = u.object
    union all
    select c.relpartbound::text from used u join pg_class c on u.class = 'pg_class'::regclass and c.oid = u.object
  ), called (function) as (
    select m[1]::oid from expression, regexp_matches(tree, ':(?:func|opfunc|aggfn|winfn)(?:id|oid) (\d+)', 'g') m
    union
    select t.tgfoid from used u join pg_trigger t on u.class = 'pg_trigger'::regclass and t.oid = u.object
  )
  select format('function %s', p.oid::regprocedure)
    from used u join pg_proc p on u.class = 'pg_proc'::regclass and p.oid = u.object join pg_roles o on o.oid = p.proowner
   where not o.rolsuper
  union
  select format('type %s', t.oid::regtype)
    from used u join pg_type t on u.class = 'pg_type'::regclass and t.oid = u.object join pg_roles o on o.oid = t.typowner
   where not o.rolsuper
  union
  select format('function %s', p.oid::regprocedure)
    from called x join pg_proc p on p.oid = x.function
   where p.pronamespace = 'pg_catalog'::regnamespace
     and (p.proname ~ '_to_xml(schema|_and_xmlschema)?$' or p.proname in ('ts_rewrite', 'ts_stat')
          -- what the server gives to few
          or not has_function_privilege('public', p.oid, 'execute')
          or (p.provolatile = 'v' and p.prorettype <> 'trigger'::regtype
              and p.proname not in ('nextval', 'currval', 'lastval', 'clock_timestamp', 'timeofday', 'random', 'gen_random_uuid', 'uuidv4', 'uuidv7')))
  union
  -- niji's own: those that everybody may call, and its triggers
  select format('function %s', p.oid::regprocedure)
    from called x join pg_proc p on p.oid = x.function
   where p.pronamespace = 'niji'::regnamespace and p.prorettype <> 'trigger'::regtype and not has_function_privilege('public', p.oid, 'execute')
  order by 1
$$;
comment on function @extschema@.foreign_code(regclass) is
  'Functions and types that run when a table is written or analysed, in triggers, constraints, defaults, indexes and types, and either do not belong to a superuser or run what they are given as a query or reach beyond the row. Internal.';

/* owner, rights and row level security of a dataset; also after a restore */
create function @extschema@.protect_dataset(dataset integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning
as $$
declare
  d niji.dataset;
  grantee oid;
  member regclass;
  owner name := niji.owner_role();
  condition text;
begin
  select * into strict d from niji.dataset where id = protect_dataset.dataset;
  for member in select niji.family(d.relation) loop
    execute format('alter table %s owner to %I', member, owner);
    -- foreign keys are checked as the owner
    execute format('grant usage on schema %s to %I',
                   (select relnamespace::regnamespace from pg_catalog.pg_class where oid = member), owner);
    for grantee in
      select x.grantee from pg_catalog.pg_class c, aclexplode(c.relacl) x
       where c.oid = member and x.grantee <> c.relowner
      union
      select x.grantee from pg_catalog.pg_attribute a, aclexplode(a.attacl) x
       where a.attrelid = member and not a.attisdropped
    loop
      -- the roles of permits keep what they were given; the rights on columns go with those on the table
      continue when exists (select from niji.permit p join pg_catalog.pg_roles o on o.oid = p.role and o.rolname = p.role_name
                             where p.role = grantee);
      execute format('revoke all on table %s from %s cascade', member,
                     case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end);
    end loop;
    -- a partition's own rows are shown through its parent only; a foreign table cannot have policies
    if (select relkind from pg_catalog.pg_class where oid = member) in ('r', 'p') then
      execute format('alter table %s enable row level security', member);
    end if;
  end loop;

  -- a row without a person is hidden by niji.permitted(), which is strict
  condition := format('niji.under_permit(%s)', d.id);
  if d.tag_column is not null then
    condition := condition || format(' and niji.untagged(%I)', d.tag_column);
  end if;
  execute format('drop policy if exists niji_protect on %s', d.relation);
  execute format('create policy niji_protect on %s as restrictive for select to public using (%s)', d.relation, condition);
  perform niji.note_compiled(0, d.id);
end
$$;
comment on function @extschema@.protect_dataset(integer) is
  'Gives a dataset and its partitions to the owner role, takes all rights away, and makes the restrictive policy. Internal.';

create function @extschema@.register_dataset(
  name text, relation regclass, person_columns name[], holder text, category text, legal_basis text,
  holder_column name default null, changes text default 'auto', date_column name default null, tag_column name default null)
returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  c pg_catalog.pg_class;
  result integer;
  holder_id integer;
  column_name name;
  column_type regtype;
begin
  perform niji.require_duty('governance', 'register a dataset');
  perform niji.require_protection();

  if name is null or name !~ '^[a-z][a-z0-9_]{0,62}$' then
    raise exception using errcode = '22023', message = format('invalid name of a dataset: "%s"', name),
      hint = 'A name begins with a lower-case letter and has up to 63 lower-case letters, digits and underscores.';
  end if;
  if relation is null or person_columns is null or category is null then
    raise exception using errcode = '22004', message = 'a dataset needs a relation, person columns and a category',
      hint = 'A reference table has no persons: give an empty array, ''{}''.';
  end if;
  if coalesce(legal_basis, '') = '' then
    raise exception using errcode = '22023', message = 'a dataset needs a legal basis', hint = 'Name the law and the article.';
  end if;

  -- one registration at a time, so that each sees the other's names
  lock table niji.dataset in share row exclusive mode;
  if exists (select from niji.dataset d where d.name = register_dataset.name) then
    raise exception using errcode = '23505', message = format('a dataset "%s" exists already', name);
  end if;
  if exists (select from niji.dataset d where d.relation = register_dataset.relation) then
    raise exception using errcode = '23505', message = format('relation %s is a dataset already', relation),
      detail = (select format('Its name is "%s".', d.name) from niji.dataset d where d.relation = register_dataset.relation);
  end if;

  select * into c from pg_catalog.pg_class where oid = relation;
  if not found then
    raise exception using errcode = '42P01', message = 'the relation does not exist';
  end if;
  if c.relkind in ('r', 'p') then
    perform niji.hold_relation(relation, 'access exclusive');
    select * into strict c from pg_catalog.pg_class where oid = relation;
  end if;
  if c.relkind = 'f' then
    raise exception using errcode = '42809', message = format('%s is a foreign table', relation),
      detail = 'A foreign table alone cannot carry a policy.',
      hint = 'Attach it as a partition of a partitioned table, and register that.';
  elsif c.relkind not in ('r', 'p') then
    raise exception using errcode = '42809', message = format('%s is not a table', relation);
  end if;
  if c.relpersistence = 't' then
    raise exception using errcode = '42809', message = format('%s is a temporary table', relation);
  end if;
  if c.relnamespace in ('niji'::regnamespace, 'pg_catalog'::regnamespace, 'information_schema'::regnamespace) then
    raise exception using errcode = '42809', message = format('%s belongs to the system', relation);
  end if;
  if exists (select from pg_catalog.pg_inherits where inhrelid = relation) then
    raise exception using errcode = '42809', message = format('%s is a partition or a child of another table', relation),
      detail = 'Who reads the parent reads it as well.',
      hint = 'Register the topmost table.';
  end if;
  if exists (select from niji.family(relation) f join niji.dataset d on d.relation = f) then
    raise exception using errcode = '42809', message = format('a partition or child of %s is a dataset already', relation);
  end if;
  if exists (select from pg_catalog.pg_attribute where attrelid = relation and attname = 'pid' and not attisdropped) then
    raise exception using errcode = '42701', message = format('%s has a column "pid"', relation),
      detail = 'A permit''s view shows the pseudonym of the person under this name.',
      hint = 'Rename the column.';
  end if;

  if exists (select from niji.foreign_code(relation)) then
    raise exception using errcode = '42501', message = format('%s runs code that does not belong to a superuser', relation),
      detail = (select format('It uses %s.', string_agg(f, ', ')) from niji.foreign_code(relation) f),
      hint = 'It would run with the rights that fill datasets. Give it to a superuser who has read it.';
  end if;

  -- columns
  foreach column_name in array person_columns || holder_column || date_column || tag_column loop
    continue when column_name is null;
    if not exists (select from pg_catalog.pg_attribute where attrelid = relation and attname = column_name and attnum > 0 and not attisdropped) then
      raise exception using errcode = '42703', message = format('column "%s" of %s does not exist', column_name, relation);
    end if;
  end loop;
  if array_ndims(person_columns) > 1 or array_position(person_columns, null) is not null
     or cardinality(person_columns) <> (select count(distinct x) from unnest(person_columns) x) then
    raise exception using errcode = '22023', message = 'person columns are a list of different names';
  end if;
  foreach column_name in array person_columns loop
    select atttypid into column_type from pg_catalog.pg_attribute where attrelid = relation and attname = column_name;
    if column_type <> 'niji.person'::regtype then
      raise exception using errcode = '42804', message = format('column "%s" of %s is not of type niji.person', column_name, relation),
        hint = 'niji.enrol_batch() turns identifiers into persons.';
    end if;
  end loop;
  if holder_column is not null and
     (select atttypid from pg_catalog.pg_attribute where attrelid = relation and attname = holder_column) <> 'integer'::regtype then
    raise exception using errcode = '42804', message = format('holder column "%s" is not of type integer', holder_column),
      hint = 'It holds ids of niji.holders.';
  end if;
  if date_column is not null and
     (select atttypid from pg_catalog.pg_attribute where attrelid = relation and attname = date_column)
       not in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) then
    raise exception using errcode = '42804', message = format('date column "%s" is neither a date nor a timestamp', date_column);
  end if;
  if tag_column is not null and
     (select atttypid from pg_catalog.pg_attribute where attrelid = relation and attname = tag_column)
       not in ('text'::regtype, 'text[]'::regtype, 'varchar'::regtype) then
    raise exception using errcode = '42804', message = format('tag column "%s" is neither text nor an array of text', tag_column);
  end if;

  -- words
  if not exists (select from niji.category k where k.category = register_dataset.category) then
    raise exception using errcode = '22023', message = format('there is no category "%s"', category),
      hint = 'The categories are in niji.category.';
  end if;
  if holder is not null then
    select h.id into holder_id from niji.holder h where lower(h.code) = lower(register_dataset.holder);
    if not found then
      raise exception using errcode = '42704', message = format('there is no holder "%s"', holder),
        hint = 'Register it with niji.register_holder().';
    end if;
  elsif holder_column is null then
    raise exception using errcode = '22023', message = 'a dataset needs a holder, or a column that says whose each row is';
  end if;

  insert into niji.dataset (name, relation, person_columns, holder, holder_column, category, legal_basis, date_column, tag_column, changes)
    values (register_dataset.name, register_dataset.relation, register_dataset.person_columns, holder_id, register_dataset.holder_column,
            register_dataset.category, register_dataset.legal_basis, register_dataset.date_column, register_dataset.tag_column,
            register_dataset.changes)
    returning id into result;
  perform niji.protect_dataset(result);
  perform niji.audit_changes(relation, changes);
  perform niji.record_act('register_dataset', name,
            jsonb_build_object('relation', relation::text, 'person_columns', to_jsonb(person_columns), 'holder', holder,
                               'category', category, 'legal_basis', legal_basis, 'changes', changes));
  return result;
end
$$;
comment on function @extschema@.register_dataset(text, regclass, name[], text, text, text, name, text, name, name) is
  'Registers a table of rows about persons and protects it: a role without login owns it, nobody else has rights, row level security is on, changes are recorded. Errors: 22023 malformed, 23505 exists, 42703 no such column, 42804 wrong type, 42809 not a table that can be protected, 42701 a column named pid, 42704 no such holder. Duty: governance.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'register_holder(text, text, text)'),
  ('governance', 'function', 'register_applicant(text, text, text)'),
  ('governance', 'function', 'register_dataset(text, regclass, name[], text, text, text, name, text, name, name)');
