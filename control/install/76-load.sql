/* ---- intake: filling datasets ---- */

create function @extschema@.lock_staging(staging regclass) returns void
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.lock_staging(regclass) is
  'For niji.load_dataset(): makes sure that reading the table can run nothing of its owner''s, and keeps it as it is until the transaction ends.';

create function @extschema@.scan_staging(staging regclass) returns setof record
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.scan_staging(regclass) is
  'For niji.load_dataset(): the rows of a staging table with their number (bigint) in front, read without running a query on it.';

create function @extschema@.insert_hiding_persons(command text, low bigint, high bigint) returns void
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.insert_hiding_persons(text, bigint, bigint) is
  'For niji.load_dataset(): runs its command once more for a row that failed, with persons written as "*", so that the error names the constraint.';

/*
 * Loaders cannot read datasets, and COPY does not work under row security; so
 * they fill a staging table of their own, and this function, which runs as
 * niji's owner, takes its rows over.  It runs nothing of the loader's (see
 * staging.c), works on a copy in a temporary table, and names what it reads and
 * writes by schema.
 *
 * Rows are inserted in portions, each in a subtransaction; a portion that fails
 * is halved until the rows that are wrong stand alone.  Messages of such errors
 * show values, so only their SQLSTATE, column and constraint are kept.
 */
create function @extschema@.load_dataset(
  dataset text,
  staging regclass,
  source text default null,
  sha256 bytea default null,
  identifiers jsonb default null,
  max_new numeric default null,
  out loaded bigint,
  out refused bigint,
  out new_persons bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  portion constant bigint := 10000;
  target niji.dataset;
  target_name text;
  shape text := 'niji_row bigint';         -- the columns of the copy
  own_columns text := '';                  -- those that came from the staging table
  columns text := '';                      -- of the dataset
  expressions text := '';                  -- what they are filled with
  checked text[] := '{}';                  -- expressions that convert, and their columns
  checked_names text[] := '{}';
  reserved name[] := array['source_place', 'source_raw', 'source_reason'];
  has_place boolean;
  has_raw boolean;
  rest text;                               -- place and bytes of a row, for the quarantine
  id_column text[] := '{}';                -- by person column
  kind_expression text[] := '{}';
  surrogate_column text[] := '{}';         -- physicians, records, households
  surrogate_type text[] := '{}';
  surrogate_issuer text[] := '{}';
  entry jsonb;
  constant_kind text;
  c record;
  r record;
  i integer;
  command text;
  starts bigint[];
  ends bigint[];
  low bigint;
  high bigint;
  n bigint;
  failed boolean;
  state text;
  failed_constraint text;
  failed_column text;
  why text;
  by_pseudonym bigint := 0;
begin
  perform niji.require_duty('loader', 'load a dataset');
  if staging is null then
    raise exception using errcode = '22004', message = 'no staging table was given';
  end if;
  select * into target from niji.dataset d where d.name = load_dataset.dataset;
  if not found then
    raise exception using errcode = '42704', message = format('there is no dataset "%s"', dataset),
      hint = 'Governance registers datasets with niji.register_dataset().';
  end if;
  if sha256 is not null and length(sha256) <> 32 then
    raise exception using errcode = '22023', message = 'a file''s SHA-256 has 32 bytes', hint = 'Use sha256(content).';
  end if;
  target_name := niji.hold_relation(target.relation, 'row exclusive');
  if exists (select from niji.foreign_code(target.relation)) then
    raise exception using errcode = '42501', message = format('dataset "%s" runs code that does not belong to a superuser', dataset),
      detail = (select format('It uses %s.', string_agg(f, ', ')) from niji.foreign_code(target.relation) f);
  end if;
  perform niji.lock_staging(staging);

  -- which staging columns hold the identifiers of which person column
  for i in 1 .. cardinality(target.person_columns) loop
    entry := identifiers -> (target.person_columns[i]::text);
    constant_kind := null;
    if jsonb_typeof(entry) = 'string' then
      id_column := id_column || (entry #>> '{}');
    elsif jsonb_typeof(entry) = 'object' then
      id_column := id_column || (entry ->> 'column');
      constant_kind := entry ->> 'kind';
    elsif identifiers is null or entry is null then
      id_column := id_column || case when cardinality(target.person_columns) = 1 then 'identifier'
                                     else target.person_columns[i] || '_identifier' end::text;
    end if;
    if cardinality(id_column) < i or id_column[i] is null then
      raise exception using errcode = '22023', message = 'identifiers is a JSON object of person columns',
        detail = 'Each is the name of a staging column (its kind is in the column of that name with _kind), or an object with column and kind.';
    end if;
    kind_expression := kind_expression || case when constant_kind is not null then format('%L::text', constant_kind)
                                               else format('w.%I::text', id_column[i] || '_kind') end;
    reserved := reserved || id_column[i]::name;
    if constant_kind is null then
      reserved := reserved || (id_column[i] || '_kind')::name;
    end if;
    if not exists (select from pg_attribute a where a.attrelid = staging and a.attname = id_column[i] and a.attnum > 0 and not a.attisdropped)
       or (constant_kind is null and not exists (select from pg_attribute a where a.attrelid = staging and a.attname = id_column[i] || '_kind' and a.attnum > 0 and not a.attisdropped)) then
      raise exception using errcode = '42703',
        message = format('the staging table lacks the identifiers of "%s"', target.person_columns[i]),
        detail = format('They are expected in "%s", and their kinds in "%s".', id_column[i], id_column[i] || '_kind'),
        hint = 'The argument identifiers can name other columns, and one kind for all rows.';
    end if;
  end loop;

  -- the other columns go by name
  for c in
    select a.attname, a.atttypid, format_type(a.atttypid, a.atttypmod) as type,
           t.attnum as target_number, t.atttypid as target_type, format_type(t.atttypid, null) as target_type_name,
           t.attgenerated <> '' or t.attidentity = 'a' or t.attname = any (target.person_columns) as not_written
      from pg_attribute a
      left join pg_attribute t on t.attrelid = target.relation and t.attname = a.attname and t.attnum > 0 and not t.attisdropped
     where a.attrelid = staging and a.attnum > 0 and not a.attisdropped
     order by a.attnum
  loop
    shape := shape || format(', %I %s', c.attname, c.type);
    own_columns := own_columns || format(', w.%I', c.attname);
    continue when c.attname = any (reserved);
    if c.target_number is null then
      raise exception using errcode = '42703', message = format('dataset "%s" has no column "%s"', dataset, c.attname),
        detail = format('Beside the dataset''s columns a staging table may have %s.', array_to_string(reserved, ', '));
    elsif c.not_written then
      raise exception using errcode = '42601', message = format('column "%s" of dataset "%s" cannot be loaded', c.attname, dataset),
        detail = 'It is generated, or holds persons, who come from identifiers.';
    end if;
    columns := columns || format(', %I', c.attname);
    if niji.surrogate_class(c.target_type) is not null then
      if c.atttypid not in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) then
        raise exception using errcode = '42804', message = format('column "%s" of the staging table is not text', c.attname),
          detail = format('Its codes become values of type %s.', c.target_type_name);
      end if;
      surrogate_column := surrogate_column || c.attname::text;
      surrogate_type := surrogate_type || c.target_type_name;
      surrogate_issuer := surrogate_issuer || coalesce(identifiers -> c.attname::text ->> 'issuer',
                            (select h.code from niji.holder h where h.id = target.holder), target.name);
      expressions := expressions || format(', niji.as_%s(s%s.value)', (select t.typname from pg_type t where t.oid = c.target_type), cardinality(surrogate_column));
    elsif c.atttypid <> c.target_type and c.atttypid in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype)
       and c.target_type not in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) then
      expressions := expressions || format(', w.%I::%s', c.attname, c.target_type_name);
      checked := checked || format('w.%I::%s', c.attname, c.target_type_name);
      checked_names := checked_names || c.attname::text;
    else
      expressions := expressions || format(', w.%I', c.attname);
    end if;
  end loop;
  has_place := exists (select from pg_attribute a where a.attrelid = staging and a.attname = 'source_place' and a.attnum > 0 and not a.attisdropped);
  has_raw := exists (select from pg_attribute a where a.attrelid = staging and a.attname = 'source_raw' and a.attnum > 0 and not a.attisdropped);
  rest := format('coalesce(%s, format(''row %%s of the staging table'', w.niji_row)) as place, coalesce(%s, convert_to((select to_jsonb(x) from (select %s) x)::text, ''UTF8'')) as raw',
                 case when has_place then 'w.source_place::text' else 'null::text' end,
                 case when has_raw then 'w.source_raw::bytea' else 'null::bytea' end,
                 substr(own_columns, 3));

  -- a copy that is ours; persons beside it (not analysed: statistics would hold identifiers)
  execute format('create temporary table niji_load on commit drop as select * from niji.scan_staging(%s) as s (%s)', staging::oid, shape);
  create index on pg_temp.niji_load (niji_row);
  create temporary table niji_load_person (niji_row bigint not null, place integer not null, person niji.person not null, primary key (place, niji_row)) on commit drop;
  create temporary table niji_load_surrogate (niji_row bigint not null, place integer not null, value bigint not null, primary key (place, niji_row)) on commit drop;
  refused := 0;
  new_persons := 0;

  -- what the reader of the file already refused
  if exists (select from pg_attribute a where a.attrelid = staging and a.attname = 'source_reason' and a.attnum > 0 and not a.attisdropped) then
    for r in execute format('select w.source_reason::text as reason, %s from pg_temp.niji_load w where w.source_reason is not null order by w.niji_row', rest) loop
      perform niji.quarantine_record(source, sha256, r.place, r.reason, r.raw);
      refused := refused + 1;
    end loop;
    delete from pg_temp.niji_load where source_reason is not null;
  end if;

  -- codes of physicians, records and households that have no canonical form, then their numbers
  for i in 1 .. cardinality(surrogate_column) loop
    for r in execute format(
      'select w.niji_row, (select %2$L || k.rule from niji.check_identifier(''registry'', lower(%3$L) || '':'' || w.%1$I) k where k.level = ''error'') as reason, %4$s
         from pg_temp.niji_load w where w.%1$I is not null order by w.niji_row',
      surrogate_column[i], format('column "%s" has a malformed code: ', surrogate_column[i]), surrogate_issuer[i], rest)
    loop
      continue when r.reason is null;
      perform niji.quarantine_record(source, sha256, r.place, r.reason, r.raw);
      delete from pg_temp.niji_load w where w.niji_row = r.niji_row;
      refused := refused + 1;
    end loop;
    for r in execute format('select array_agg(w.niji_row order by w.niji_row) as rows, array_agg(w.%1$I::text order by w.niji_row) as codes
                               from pg_temp.niji_load w where w.%1$I is not null group by (w.niji_row - 1) / %2$s', surrogate_column[i], portion)
    loop
      insert into pg_temp.niji_load_surrogate (niji_row, place, value)
        select u.niji_row, i, u.value
          from unnest(r.rows, niji.surrogates(surrogate_type[i]::regtype, surrogate_issuer[i], r.codes)) u (niji_row, value);
    end loop;
  end loop;

  -- what the holder says in pseudonyms of its own, identifiers that have no canonical form, then persons
  for i in 1 .. cardinality(target.person_columns) loop
    for r in execute format('select array_agg(w.niji_row order by w.niji_row) as rows, array_agg(w.%I::text order by w.niji_row) as pseudonyms
                               from pg_temp.niji_load w where w.%1$I is not null and %s = ''holder_pseudonym'' having count(*) > 0', id_column[i], kind_expression[i])
    loop
      insert into pg_temp.niji_load_person (niji_row, place, person)
        select u.niji_row, i, u.person
          from unnest(r.rows, niji.held_by_pseudonyms(target.holder, r.pseudonyms)) u (niji_row, person)
         where u.person is not null;
      get diagnostics n = row_count;
      by_pseudonym := by_pseudonym + n;
    end loop;
    for r in execute format(
      'select w.niji_row, case when w.%1$I is null then %3$L
                               when %2$s is null then %4$L
                               when %2$s = ''holder_pseudonym''
                                 then case when not exists (select from pg_temp.niji_load_person p where p.place = %10$s and p.niji_row = w.niji_row) then %9$L end
                               when not exists (select from niji.identifier_kind k where k.kind = %2$s) then %5$L
                               else (select %6$L || k.rule from niji.check_identifier(%2$s, w.%1$I::text) k where k.level = ''error'') end as reason, %7$s
         from pg_temp.niji_load w where w.%1$I is not null or %8$s order by w.niji_row',
      id_column[i], kind_expression[i], 'has no identifier', 'has an identifier without a kind',
      'has an identifier of an unknown kind', 'has a malformed identifier: ', rest, (i = 1)::text,
      'has a pseudonym that is not one of the holder''s persons', i)
    loop
      continue when r.reason is null;
      perform niji.quarantine_record(source, sha256, r.place, r.reason, r.raw);
      delete from pg_temp.niji_load w where w.niji_row = r.niji_row;
      refused := refused + 1;
    end loop;
    for r in execute format('select %s as kind, array_agg(w.niji_row order by w.niji_row) as rows, array_agg(w.%I::text order by w.niji_row) as identifiers
                               from pg_temp.niji_load w where w.%2$I is not null and %1$s <> ''holder_pseudonym'' group by 1', kind_expression[i], id_column[i])
    loop
      insert into pg_temp.niji_load_person (niji_row, place, person)
        select u.niji_row, i, u.person
          from unnest(r.rows, niji.enrol_batch(r.kind, r.identifiers, source, max_new)) u (niji_row, person);
    end loop;
    columns := columns || format(', %I', target.person_columns[i]);
    expressions := expressions || format(', p%s.person', i);
  end loop;
  select count(distinct p.person) into new_persons
    from pg_temp.niji_load_person p
   where not exists (select from niji.identifier k where k.person = p.person and k.enrolled_at < now());

  -- the rows
  loaded := 0;
  command := format('insert into %s (%s) select %s from pg_temp.niji_load w%s where w.niji_row between $1 and $2 order by w.niji_row',
                    target_name, substr(columns, 3), substr(expressions, 3),
                    (select coalesce(string_agg(format(' left join pg_temp.niji_load_person p%s on p%1$s.place = %1$s and p%1$s.niji_row = w.niji_row', g), ''), '')
                       from generate_series(1, cardinality(target.person_columns)) g) ||
                    (select coalesce(string_agg(format(' left join pg_temp.niji_load_surrogate s%s on s%1$s.place = %1$s and s%1$s.niji_row = w.niji_row', g), ''), '')
                       from generate_series(1, cardinality(surrogate_column)) g));
  select array_agg(s order by s desc), array_agg(s + portion - 1 order by s desc) into starts, ends
    from generate_series((select min(w.niji_row) from pg_temp.niji_load w), (select max(w.niji_row) from pg_temp.niji_load w), portion) s;
  while cardinality(starts) > 0 loop
    low := starts[cardinality(starts)];
    high := ends[cardinality(ends)];
    starts := trim_array(starts, 1);
    ends := trim_array(ends, 1);
    begin
      execute command using low, high;
      get diagnostics n = row_count;
      loaded := loaded + n;
      failed := false;
    exception when data_exception or integrity_constraint_violation or insufficient_privilege then
      -- the last: a message about a constraint shows the row, and loaders are shown no person
      failed := true;
    end;
    continue when not failed;
    select min(w.niji_row), max(w.niji_row), count(*) into low, high, n
      from pg_temp.niji_load w where w.niji_row between low and high;
    if n > 1 then
      -- the lower half last, so that it comes next
      starts := starts || ((low + high) / 2 + 1) || low;
      ends := ends || high || ((low + high) / 2);
      continue;
    end if;
    begin
      perform niji.insert_hiding_persons(command, low, high);
      failed := false;
    exception when data_exception or integrity_constraint_violation then
      get stacked diagnostics state = returned_sqlstate, failed_constraint = constraint_name, failed_column = column_name;
    end;
    if not failed then
      raise exception using errcode = '42501', message = format('permission denied to store a row in dataset "%s"', dataset),
        detail = 'A trigger or a constraint of the dataset asked for what loaders may not.';
    end if;
    why := case when failed_constraint <> '' then format('violates constraint "%s" (%s)', failed_constraint, state)
                when failed_column <> '' then format('column "%s": must not be null (%s)', failed_column, state)
                else format('a value cannot be stored (%s)', state) end;
    for i in 1 .. cardinality(checked) loop
      begin
        execute format('select (%s) is null from pg_temp.niji_load w where w.niji_row = $1', checked[i]) using low;
      exception when data_exception then
        get stacked diagnostics state = returned_sqlstate;
        why := format('column "%s": is malformed (%s)', checked_names[i], state);
        exit;
      end;
    end loop;
    for r in execute format('select %s from pg_temp.niji_load w where w.niji_row = $1', rest) using low loop
      perform niji.quarantine_record(source, sha256, r.place, why, r.raw);
      refused := refused + 1;
    end loop;
  end loop;

  -- whom the holder may name in pseudonyms of its own
  insert into niji.holder_person (person, holder)
    select distinct p.person, x.holder from pg_temp.niji_load_person p, niji.holder_domain x where x.holder = target.holder
    on conflict do nothing;

  drop table pg_temp.niji_load;
  drop table pg_temp.niji_load_person;
  drop table pg_temp.niji_load_surrogate;
  perform niji.purge_quarantine();
  perform niji.record_act('load_dataset', dataset,
    jsonb_build_object('source', source, 'sha256', encode(sha256, 'hex'), 'loaded', loaded, 'refused', refused, 'new_persons', new_persons, 'by_pseudonym', by_pseudonym));
end
$$;
comment on function @extschema@.load_dataset(text, regclass, text, bytea, jsonb, numeric) is
  'Takes the rows of the caller''s own staging table into a dataset: columns by name, persons from identifiers (columns identifier and identifier_kind; or as the JSON object identifiers says, by person column) or, with the kind holder_pseudonym, from pseudonyms in the own domain of the dataset''s holder, for whom the caller acts (niji.grant_holder), physicians, records and households from their codes as text (those of the dataset''s holder, or of the issuer that identifiers gives for the column). Rows whose source_reason is set, whose identifier is malformed or whose values do not fit go to quarantine with source_place and source_raw (or the row itself); the others are loaded. source and sha256 name the file, max_new limits new persons as in niji.enrol_batch(). new_persons counts those first seen in this transaction. Duty: loader; recorded with its counts.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('loader', 'function', 'load_dataset(text, regclass, text, bytea, jsonb, numeric)');
