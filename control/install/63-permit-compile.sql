/* ---- permit: what a permit compiles to ---- */

create function @extschema@.permit_schema(code text) returns name
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$ select (case when code ~ '^[0-9]' then 'p' else '' end || replace(lower(code), '-', '_'))::name $$;
comment on function @extschema@.permit_schema(text) is 'The name of the schema of a permit: its code in lower case, hyphens as underscores, p before a leading digit.';

create function @extschema@.column_expression(dataset integer, spec text, domain integer, out column_name name, out expression text)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  d niji.dataset;
  a pg_catalog.pg_attribute;
  parts text[];
  transform text;
  argument integer;
  type regtype;
begin
  select * into strict d from niji.dataset x where x.id = column_expression.dataset;

  -- a column's own name wins over a transform
  column_name := spec;
  if not exists (select from pg_catalog.pg_attribute x
                  where x.attrelid = d.relation and x.attname = spec and x.attnum > 0 and not x.attisdropped) then
    parts := regexp_match(spec, '^(.+):([a-z_]+)(?:\(([0-9]{1,9})\))?$');
    if parts is not null then
      column_name := parts[1];
      transform := parts[2];
      argument := parts[3];
    elsif spec ~ ':' then
      raise exception using errcode = '22023', message = format('"%s" is not a column with a transform', spec),
        hint = 'Write COLUMN:TRANSFORM, for instance birth_date:year, age:band(5), code:prefix(3).';
    end if;
  end if;
  select * into a from pg_catalog.pg_attribute x
   where x.attrelid = d.relation and x.attname = column_expression.column_name and x.attnum > 0 and not x.attisdropped;
  if not found then
    raise exception using errcode = '42703', message = format('dataset "%s" has no column "%s"', d.name, column_name);
  end if;
  if column_name = any (d.person_columns) then
    raise exception using errcode = '22023', message = format('column "%s" of dataset "%s" is a person', column_name, d.name),
      hint = 'Persons are always there as pseudonyms: the first as pid, further ones as NAME_pid.';
  end if;
  select coalesce(nullif(t.typbasetype, 0), nullif(t.typelem, 0), t.oid) into type from pg_catalog.pg_type t where t.oid = a.atttypid;
  if type in ('niji.person'::regtype, 'niji.probe'::regtype) then
    raise exception using errcode = '42501', message = format('column "%s" of dataset "%s" holds persons', column_name, d.name),
      detail = 'It is not one of the dataset''s person columns, so it cannot be shown as a pseudonym.';
  end if;
  if niji.surrogate_class(type) is not null and type <> a.atttypid then
    raise exception using errcode = '42501', message = format('column "%s" of dataset "%s" holds several surrogates', column_name, d.name),
      detail = 'An array or a domain of them cannot be shown as a pseudonym.';
  end if;
  select coalesce(nullif(t.typbasetype, 0), t.oid) into type from pg_catalog.pg_type t where t.oid = a.atttypid;

  -- institutions are quasi-identifiers: a permit that shows their codes has to say so; surrogates are never shown
  if transform is null and (type = 'niji.institution_code'::regtype or niji.surrogate_class(type) is not null) then
    transform := 'pseudonym';
  end if;
  if transform <> 'pseudonym' and niji.surrogate_class(type) is not null then
    raise exception using errcode = '42501', message = format('column "%s" of dataset "%s" is shown as a pseudonym only', column_name, d.name),
      hint = format('Request "%s".', column_name);
  end if;
  expression := format('b.%I', column_name);
  if transform is null or transform = 'plain' then
    if parts[3] is not null then
      raise exception using errcode = '22023', message = 'transform "plain" has no argument';
    end if;
    return;
  end if;

  if transform not in ('year', 'month', 'band', 'prefix', 'prefecture', 'pseudonym') then
    raise exception using errcode = '22023', message = format('there is no transform "%s"', transform),
      hint = 'The transforms are year, month, band(n), prefix(n), prefecture, pseudonym, plain.';
  end if;
  if (transform in ('band', 'prefix')) <> (argument is not null) then
    raise exception using errcode = '22023',
      message = case when argument is null then format('transform "%s" needs a number', transform)
                     else format('transform "%s" has no argument', transform) end,
      hint = 'For instance age:band(5), code:prefix(3), birth_date:year.';
  end if;
  if argument < 1 then
    raise exception using errcode = '22023', message = format('transform "%s" needs a number of at least 1', transform);
  end if;
  if (transform in ('year', 'month') and type not in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype))
     or (transform = 'band' and type not in ('smallint'::regtype, 'integer'::regtype))
     or (transform in ('prefix', 'prefecture') and type <> 'text'::regtype
         and not exists (select from pg_catalog.pg_cast x
                          where x.castsource = type and x.casttarget = 'text'::regtype and x.castcontext = 'i'))
     or (transform = 'pseudonym' and type <> 'niji.institution_code'::regtype and niji.surrogate_class(type) is null) then
    raise exception using errcode = '42804',
      message = format('transform "%s" does not fit column "%s" of type %s', transform, column_name, type);
  end if;
  if transform = 'pseudonym' and niji.surrogate_class(type) is not null then
    expression := format('niji.pseudonym(%s, %s)', expression, domain);
  elsif transform = 'pseudonym' then
    if d.person_columns = '{}' then
      raise exception using errcode = '42804', message = format('dataset "%s" has no person', d.name),
        detail = 'An institution''s pseudonym is shown only in a row about a person.',
        hint = format('Request "%s:plain" or "%s:prefecture".', column_name, column_name);
    end if;
    expression := format('niji.pseudonym(%s, %s, b.%I)', expression, domain, d.person_columns[1]);
  elsif transform in ('prefix', 'prefecture') then
    -- code types have functions of their own
    expression := format('niji.%I(%s%s%s)', transform, expression,
                    case when exists (select from pg_catalog.pg_proc f
                                       where f.pronamespace = 'niji'::regnamespace and f.proname = transform and f.proargtypes[0] = type)
                         then '' else '::text' end,
                    coalesce(', ' || argument, ''));
  elsif transform = 'band' then
    expression := format('niji.band(%s::integer, %s)', expression, argument);
  else
    expression := format('niji.%I(%s)', transform, expression);
  end if;
end
$$;
comment on function @extschema@.column_expression(integer, text, integer) is
  'What a permit''s view shows for COLUMN or COLUMN:TRANSFORM, over the dataset as b. Errors: 42703 no such column, 22023 malformed, 42804 does not fit, 42501 holds persons. Internal.';

create function @extschema@.view_columns(permit integer, dataset integer)
returns table (place integer, column_name name, of_column name, expression text)
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  d niji.dataset;
  domain integer := (select p.domain from niji.permit p where p.id = view_columns.permit);
  spec text;
begin
  select * into strict d from niji.dataset x where x.id = view_columns.dataset;
  place := 0;
  foreach of_column in array d.person_columns loop
    place := place + 1;
    if place > 1 and octet_length(of_column) > 59 then
      raise exception using errcode = '42622', message = format('the name of column "%s" is too long for "NAME_pid"', of_column);
    end if;
    column_name := case when place = 1 then 'pid' else of_column || '_pid' end;
    expression := format('niji.pseudonym(b.%I, %s)', of_column, domain);
    return next;
  end loop;
  foreach spec in array (select x.columns from niji.permit_data x where x.permit = view_columns.permit and x.dataset = view_columns.dataset) loop
    place := place + 1;
    select e.column_name, e.expression into of_column, expression from niji.column_expression(d.id, spec, domain) e;
    column_name := of_column;
    return next;
  end loop;
end
$$;
comment on function @extschema@.view_columns(integer, integer) is 'The columns of a permit''s view of a dataset, in order. Internal.';

/*
 * The conditions under which a row is shown.  niji.permitted() notes who was
 * scanned, so it stands last, and everything before it is leakproof and cheaper,
 * by which the planner keeps that order: a row that the cohort, the period or
 * the consent of a further person hides is nobody's scan.
 */
create function @extschema@.policy_condition(permit integer, dataset integer) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  d niji.dataset;
  x niji.permit_data;
  person name;
  other integer;
  arguments text;
  tests text[] := '{}';
  scans text[] := '{}';
  date_type regtype;
begin
  select * into strict d from niji.dataset y where y.id = policy_condition.dataset;
  select * into strict x from niji.permit_data y where y.permit = policy_condition.permit and y.dataset = d.id;
  if d.person_columns = '{}' then
    tests := tests || format('niji.under_permit(%s)', d.id);
  end if;
  if x.cohort is not null then
    tests := tests || (select format('niji.in_cohort(%I, %s)', d.person_columns[1], c.id) from niji.cohort c where c.permit = x.permit and c.name = x.cohort);
    -- who is in the cohort tells of the data that define it
    for other in select u from niji.cohort c, unnest(c.datasets) u where c.permit = x.permit and c.name = x.cohort and u <> d.id order by u loop
      if (select y.person_columns <> '{}' from niji.dataset y where y.id = other) then
        tests := tests || format('niji.allowed(%I, %s, %s)', d.person_columns[1], x.permit, other);
      end if;
    end loop;
  end if;
  if x.period is not null then
    select a.atttypid into date_type from pg_catalog.pg_attribute a where a.attrelid = d.relation and a.attname = d.date_column;
    tests := tests || niji.period_condition(d.date_column, date_type, x.period);
  end if;
  foreach person in array d.person_columns loop
    arguments := format('%I, %s, %s', person, x.permit, d.id) || coalesce(', ' || quote_ident(d.holder_column), '');
    if scans = '{}' then
      scans := scans || format('niji.permitted(%s)', arguments);
      if cardinality(d.person_columns) > 1 then
        tests := tests || format('niji.allowed(%s)', arguments);
      end if;
    else
      tests := tests || format('(%I is null or niji.allowed(%s))', person, arguments);
      scans := scans || format('(%I is null or niji.permitted(%s))', person, arguments);
    end if;
  end loop;
  return array_to_string(tests || scans, ' and ');
end
$$;
comment on function @extschema@.policy_condition(integer, integer) is 'The condition of a permit''s policy on a dataset. Internal.';

create function @extschema@.compile_permit(permit integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning
as $$
declare
  p niji.permit;
  d niji.dataset;
  x niji.permit_data;
  v record;
  r record;
begin
  select * into strict p from niji.permit q where q.id = compile_permit.permit for update;

  p.role_name := format('niji_p%s_%s', p.id, (select oid from pg_catalog.pg_database where datname = current_database()));
  if not exists (select from pg_catalog.pg_roles where rolname = p.role_name) then
    execute format('create role %I nologin noinherit', p.role_name);
  elsif exists (select from pg_catalog.pg_roles
                 where rolname = p.role_name and (rolcanlogin or rolsuper or rolcreaterole or rolbypassrls))
        or exists (select from pg_catalog.pg_auth_members m join pg_catalog.pg_roles o on o.oid = m.roleid where o.rolname = p.role_name) then
    raise exception using errcode = '42501', message = format('role "%s" is not what niji made', p.role_name),
      detail = 'The role of a permit cannot log in, has no attributes and no members.';
  end if;
  p.role := (select oid from pg_catalog.pg_roles where rolname = p.role_name);
  update niji.permit q set role_name = p.role_name, role = p.role where q.id = p.id;

  if not exists (select from pg_catalog.pg_namespace where nspname = p.schema_name) then
    execute format('create schema %I', p.schema_name);
  elsif not (select o.rolsuper from pg_catalog.pg_namespace n join pg_catalog.pg_roles o on o.oid = n.nspowner where n.nspname = p.schema_name) then
    raise exception using errcode = '42501', message = format('schema "%s" is not what niji made', p.schema_name),
      detail = 'Somebody made a schema of this name before the permit was granted; what is in it would stand among the permit''s views.',
      hint = 'Drop or rename it.';
  end if;

  for x in select * from niji.permit_data y where y.permit = p.id order by y.dataset loop
    select * into strict d from niji.dataset y where y.id = x.dataset;
    if not exists (select from pg_catalog.pg_class where oid = d.relation) then
      raise exception using errcode = '42P01', message = format('the relation of dataset "%s" does not exist any more', d.name);
    end if;
    select string_agg(format('%s as %I', c.expression, c.column_name), ', ' order by c.place) as targets,
           string_agg(distinct quote_ident(c.of_column), ', ') as granted
      into v from niji.view_columns(p.id, d.id) c;
    if v.targets is null then
      raise exception using errcode = '22023', message = format('the permit requests no column of dataset "%s"', d.name);
    end if;
    execute format('drop view if exists %I.%I cascade', p.schema_name, d.name);
    execute format('create view %I.%I as select %s from %s as b', p.schema_name, d.name, v.targets, d.relation);
    execute format('alter view %I.%I owner to %I', p.schema_name, d.name, p.role_name);
    execute format('comment on view %I.%I is %L', p.schema_name, d.name, format('Dataset %s under permit %s', d.name, p.code));
    execute format('revoke all on table %s from %I cascade', d.relation, p.role_name);
    execute format('grant select (%s) on table %s to %I', v.granted, d.relation, p.role_name);

    execute format('drop policy if exists %I on %s', 'niji_permit_' || p.id, d.relation);
    execute format('create policy %I on %s for select to %I using (%s)', 'niji_permit_' || p.id, d.relation, p.role_name,
                   niji.policy_condition(p.id, d.id));
  end loop;
  perform niji.note_compiled(p.id);

  perform niji.make_workspace(p.id);
  for r in select y.role_name from niji.reader y join pg_catalog.pg_roles o on o.oid = y.role and o.rolname = y.role_name where y.permit = p.id loop
    perform niji.grant_views(p.id, r.role_name);
  end loop;
end
$$;
comment on function @extschema@.compile_permit(integer) is
  'Makes the role, the schema, the views, the column grants and the policies of a permit, anew where they exist. Internal.';

create function @extschema@.grant_views(permit integer, reader name) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  p niji.permit;
  v name;
begin
  select * into strict p from niji.permit q where q.id = grant_views.permit;
  execute format('grant usage on schema %I to %I', p.schema_name, reader);
  for v in select d.name from niji.permit_data x join niji.dataset d on d.id = x.dataset where x.permit = p.id loop
    execute format('grant select on table %I.%I to %I', p.schema_name, v, reader);
  end loop;
  perform niji.open_workspace(p.id, reader);
end
$$;
comment on function @extschema@.grant_views(integer, name) is 'Lets a reader see a permit''s schema and views. Internal.';

create function @extschema@.uncompile_permit(permit integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning set lock_timeout = '2s'
as $$
declare
  p niji.permit;
  d niji.dataset;
begin
  select * into strict p from niji.permit q where q.id = uncompile_permit.permit for update;
  for d in select s.* from niji.permit_data x join niji.dataset s on s.id = x.dataset
            where x.permit = p.id and exists (select from pg_catalog.pg_class where oid = s.relation) loop
    execute format('drop policy if exists %I on %s', 'niji_permit_' || p.id, d.relation);
  end loop;
  perform niji.shut_workspace(p.id);
  -- with the views that readers made upon the permit's
  execute format('drop schema if exists %I cascade', p.schema_name);
  if exists (select from pg_catalog.pg_roles where oid = p.role and rolname = p.role_name) then
    execute format('drop owned by %I cascade', p.role_name);
    execute format('drop role %I', p.role_name);
  end if;
  delete from niji.compiled c where c.permit = p.id;
  update niji.permit q set role = null, role_name = null where q.id = p.id;
end
$$;
comment on function @extschema@.uncompile_permit(integer) is
  'Removes the role, the schema, the views, the grants and the policies of a permit, and what was built upon its views. Internal.';
