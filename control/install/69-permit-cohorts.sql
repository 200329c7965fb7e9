/* ---- permit: cohorts ---- */

/*
 * A cohort belongs to one permit.  It is made while the permit is a draft, so
 * that the reviewers approve what will be used, and after that only merges and
 * splits of persons change it.  src/permit/cohort_set.c reads the first columns
 * of cohort and cohort_chunk by their position: columns are added at the end.
 */
create table @extschema@.cohort (
  id integer generated always as identity primary key,
  permit integer not null references @extschema@.permit,
  version bigint not null default 0,
  persons bigint not null default 0,
  name text not null check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  source text check (source in ('list', 'query')),
  definition text,
  datasets integer[] not null default '{}',
  matched bigint not null default 0,
  unmatched bigint not null default 0,
  ambiguous bigint not null default 0,
  refused bigint not null default 0,
  carried_from integer references @extschema@.cohort,
  created_at timestamptz not null default pg_catalog.clock_timestamp(),
  created_by name not null default session_user,
  unique (permit, name),
  check ((source is not distinct from 'query') = (definition is not null))
);
comment on table @extschema@.cohort is
  'Named sets of persons of a permit (コホート). version names the row of niji.cohort_version that holds; datasets: those that the definition read.';
alter table @extschema@.permit_data add foreign key (permit, cohort) references @extschema@.cohort (permit, name);

create table @extschema@.cohort_version (
  id bigint generated always as identity primary key,
  cohort integer not null references @extschema@.cohort,
  what text not null check (what in ('list', 'query', 'renewal', 'merge', 'undo', 'split')),
  made_at timestamptz not null default pg_catalog.clock_timestamp(),
  made_by name not null default session_user
);
create index cohort_version_cohort on @extschema@.cohort_version (cohort);
comment on table @extschema@.cohort_version is 'The versions of cohorts and what made them. Numbers are never used again.';

create table @extschema@.cohort_chunk (
  cohort integer not null references @extschema@.cohort,
  chunk integer not null,
  version bigint not null references @extschema@.cohort_version,
  persons bytea not null,
  primary key (cohort, chunk, version)
);
alter table @extschema@.cohort_chunk alter column persons set storage external;
comment on table @extschema@.cohort_chunk is
  'Who is in a cohort: Roaring bitmaps (portable format) of the persons'' low 16 bits, a row for each chunk of 65 536 and each version in which it changed. No duty may see it.';

create table @extschema@.cohort_merge (
  merge bigint not null,
  cohort integer not null references @extschema@.cohort,
  person @extschema@.person not null,
  primary key (merge, cohort)
);
comment on table @extschema@.cohort_merge is 'Who came into a cohort because of a merge (niji.person_merge.id), and leaves it when that is undone. No duty may see it.';

do $$
declare
  t text;
begin
  foreach t in array array['cohort', 'cohort_version', 'cohort_chunk', 'cohort_merge'] loop
    perform pg_catalog.pg_extension_config_dump(format('@extschema@.%I', t)::regclass, '');
  end loop;
  foreach t in array array['cohort', 'cohort_version'] loop
    perform pg_catalog.pg_extension_config_dump(format('@extschema@.%s_id_seq', t)::regclass, '');
  end loop;
end
$$;

create view @extschema@.cohorts as
  select p.code as permit, c.name, c.source, c.definition,
         case when c.persons >= 10 then c.persons end as persons,
         c.persons < 10 as withheld,
         c.matched, c.unmatched, c.ambiguous, c.refused,
         (select pg_catalog.array_agg(s.name order by s.name) from @extschema@.dataset s where s.id = any (c.datasets)) as defined_by,
         (select pg_catalog.array_agg(s.name order by s.name) from @extschema@.permit_data d join @extschema@.dataset s on s.id = d.dataset
           where d.permit = c.permit and d.cohort = c.name) as used_for,
         (select q.code from @extschema@.cohort f join @extschema@.permit q on q.id = f.permit where f.id = c.carried_from) as carried_from,
         c.created_at, c.created_by, c.id
    from @extschema@.cohort c
    join @extschema@.permit p on p.id = c.permit;
comment on view @extschema@.cohorts is
  'Cohorts (コホート) of permits, how they were made and how many persons they have; fewer than 10 are not told: persons is null and withheld true. defined_by: the datasets that a definition read; used_for: the datasets that the permit gives for the cohort only.';

/* ---- the filter ---- */

create function @extschema@.in_cohort_support(internal) returns internal
language c strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.in_cohort_support(internal) is
  'Planner support: which share of the persons is in a cohort, what a test costs, and the index for a small one.';

create function @extschema@.in_cohort(person @extschema@.person, cohort int) returns boolean
language c stable strict leakproof parallel safe cost 1
support @extschema@.in_cohort_support as 'MODULE_PATHNAME';
comment on function @extschema@.in_cohort(@extschema@.person, int) is
  'Whether the person is in a cohort, as the statement''s snapshot sees it. For a permit''s policies, and its own cohorts only; otherwise for custodians and auditors. Null for a null person. Errors: 42501 another permit''s, 55000 no such cohort, 53200 beyond niji.consent_memory.';

create function @extschema@.cohort_members(cohort int) returns @extschema@.person[]
language c stable strict parallel safe cost 1000 as 'MODULE_PATHNAME';
comment on function @extschema@.cohort_members(int) is
  'The persons of a cohort, for the index scans of plans under its permit. Only the planner can call it: 42501 for everybody.';

create function @extschema@.allowed_support(internal) returns internal
language c strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.allowed_support(internal) is 'Planner support: allowed() stands beside permitted(), which says how many rows pass.';

create function @extschema@.allowed(person @extschema@.person, permit int, dataset int) returns boolean
language c stable strict leakproof parallel safe cost 1
support @extschema@.allowed_support as 'MODULE_PATHNAME', 'allowed';
comment on function @extschema@.allowed(@extschema@.person, int, int) is
  'What permitted() answers, without the person being scanned: for conditions of a policy that a row meets before it is known whether it is shown. Errors as permitted().';

create function @extschema@.allowed(person @extschema@.person, permit int, dataset int, holder int) returns boolean
language c stable leakproof parallel safe cost 1
support @extschema@.allowed_support as 'MODULE_PATHNAME', 'allowed_holder';
comment on function @extschema@.allowed(@extschema@.person, int, int, int) is 'As allowed(person, permit, dataset), for datasets whose rows name their holder.';

insert into @extschema@.public_function values
  ('in_cohort(niji.person, integer)'),
  ('cohort_members(integer)'),
  ('allowed(niji.person, integer, integer)'),
  ('allowed(niji.person, integer, integer, integer)');

/* ---- writing ---- */

create function @extschema@.write_cohort(cohort int, base bigint, version bigint, added @extschema@.person[], removed @extschema@.person[]) returns bigint
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.write_cohort(int, bigint, bigint, @extschema@.person[], @extschema@.person[]) is
  'Writes the bitmaps of a version: those of another with persons added and removed; gives how many there are. Internal.';

create function @extschema@.cohort_has(cohort int, person @extschema@.person) returns boolean
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.cohort_has(int, @extschema@.person) is 'Whether a person is in a cohort now. Internal, for merges and splits.';

create function @extschema@.match_identifiers(kind text, identifiers text[],
  out persons @extschema@.person[], out matched bigint, out unmatched bigint, out ambiguous bigint, out refused bigint) returns record
language c volatile parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.match_identifiers(text, text[]) is 'Whose the identifiers of a list are, and how many were nobody''s, several persons'', or malformed. Internal, for niji.load_cohort().';

create function @extschema@.check_cohort_query(query text) returns int[]
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.check_cohort_query(text) is 'The datasets that a query of niji.define_cohort() reads; an error if it may not define a cohort. Internal.';

create function @extschema@.run_cohort_query(query text, cohort int, base bigint, version bigint) returns bigint
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.run_cohort_query(text, int, bigint, bigint) is 'Runs a query of niji.define_cohort() and writes whom it gives; gives how many. Internal.';

create function @extschema@.new_cohort_version(cohort int, what text) returns bigint
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  result bigint;
begin
  insert into niji.cohort_version (cohort, what) values (new_cohort_version.cohort, new_cohort_version.what) returning id into result;
  return result;
end
$$;
comment on function @extschema@.new_cohort_version(int, text) is 'Begins a version of a cohort. Internal.';

create function @extschema@.end_cohort_version(cohort int, version bigint, persons bigint) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
begin
  update niji.cohort c set version = end_cohort_version.version, persons = end_cohort_version.persons where c.id = cohort;
  -- while it is a draft nobody has read under it, and a list may come in many portions
  delete from niji.cohort_chunk x
   using niji.cohort c join niji.permit p on p.id = c.permit
   where c.id = end_cohort_version.cohort and p.state = 'draft' and x.cohort = c.id and x.version < end_cohort_version.version
     and exists (select from niji.cohort_chunk y where y.cohort = x.cohort and y.chunk = x.chunk and y.version = end_cohort_version.version);
end
$$;
comment on function @extschema@.end_cohort_version(int, bigint, bigint) is 'Makes a version the one that holds. Internal.';

/* a cohort whose persons may be said, with its permit and itself locked */
create function @extschema@.lock_cohort(permit text, name text) returns @extschema@.cohort
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  p niji.permit;
  c niji.cohort;
begin
  perform niji.require_duty('governance', 'make a cohort');
  perform niji.require_protection();
  p := niji.lock_permit(permit);
  perform niji.require_state(p, 'make a cohort of', 'draft');
  select * into c from niji.cohort x where x.permit = p.id and x.name = lock_cohort.name for update;
  if not found then
    raise exception using errcode = '42704', message = format('permit "%s" has no cohort "%s"', p.code, name),
      hint = 'niji.create_cohort() makes one.';
  end if;
  return c;
end
$$;
comment on function @extschema@.lock_cohort(text, text) is 'A cohort of a permit that is a draft, locked. Errors: 42704, 55000 not a draft. Internal.';

/* ---- what governance does ---- */

create function @extschema@.create_cohort(permit text, name text) returns integer
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  p niji.permit;
  result integer;
begin
  perform niji.require_duty('governance', 'make a cohort');
  p := niji.lock_permit(permit);
  perform niji.require_state(p, 'make a cohort of', 'draft');
  if name is null or name !~ '^[a-z][a-z0-9_]{0,62}$' then
    raise exception using errcode = '22023', message = 'invalid name of a cohort',
      hint = 'A name begins with a lower-case letter and has up to 63 lower-case letters, digits and underscores.';
  end if;
  insert into niji.cohort as c (permit, name) values (p.id, create_cohort.name)
    on conflict on constraint cohort_permit_name_key do nothing returning c.id into result;
  if result is null then
    raise exception using errcode = '23505', message = format('permit "%s" has a cohort "%s" already', p.code, name);
  end if;
  perform niji.record_act('create_cohort', p.code || ' ' || name);
  return result;
end
$$;
comment on function @extschema@.create_cohort(text, text) is
  'Makes a cohort (コホート) of a permit that is a draft, without anybody in it, and returns its id. Errors: 22023 malformed name, 42704 no such permit, 23505 exists, 55000 not a draft. Duty: governance; recorded.';

create function @extschema@.add_to_cohort(permit text, name text, kind text, identifiers text[],
  out matched bigint, out unmatched bigint, out ambiguous bigint, out refused bigint) returns record
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  c niji.cohort := niji.lock_cohort(permit, name);
  m record;
  version bigint;
begin
  if c.source = 'query' then
    raise exception using errcode = '55000', message = format('cohort "%s" is defined by a query', name), hint = 'Make another cohort for the list.';
  end if;
  -- a merge waits for this lock, or has committed and is seen
  lock table niji.person_merge in row exclusive mode;
  select * into m from niji.match_identifiers(kind, identifiers);
  matched := m.matched; unmatched := m.unmatched; ambiguous := m.ambiguous; refused := m.refused;
  update niji.cohort k
     set source = 'list', matched = k.matched + m.matched, unmatched = k.unmatched + m.unmatched, ambiguous = k.ambiguous + m.ambiguous, refused = k.refused + m.refused
   where k.id = c.id;
  version := niji.new_cohort_version(c.id, 'list');
  perform niji.end_cohort_version(c.id, version, niji.write_cohort(c.id, c.version, version, m.persons, '{}'));
  -- on disk before the counts are known, whatever becomes of the transaction
  perform niji.record_disclosure('load_cohort', permit || ' ' || name, case when matched >= 10 then matched else 0 end,
    jsonb_build_object('kind', kind, 'matched', matched, 'unmatched', unmatched, 'ambiguous', ambiguous, 'refused', refused));
end
$$;
comment on function @extschema@.add_to_cohort(text, text, text, text[]) is 'What niji.load_cohort() does. Internal.';

create function @extschema@.load_cohort(permit text, name text, kind text, identifiers text[],
  out matched bigint, out unmatched bigint, out ambiguous bigint, out refused bigint) returns record
language c volatile parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.load_cohort(text, text, text, text[]) is
  'Adds the persons of a list of identifiers to a cohort of a permit that is a draft. The list is matched and not stored. Gives how many identifiers were matched, unmatched (nobody''s), ambiguous (several persons'' in their time: none is taken), and refused (null, or malformed for their kind). Errors: 42704, 22023 no such kind, or a list of My Numbers, 55000 not a draft, or defined by a query. Duty: governance; recorded in the trail before it answers, without the identifiers.';

create function @extschema@.load_cohort_table(permit text, name text, kind text, relation regclass, identifier_column name default 'identifier',
  out matched bigint, out unmatched bigint, out ambiguous bigint, out refused bigint) returns record
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  portion constant bigint := 500000;
  shape text := 'niji_row bigint';
  found boolean := false;
  a record;
  m record;
  rows bigint;
begin
  perform niji.require_duty('governance', 'make a cohort');
  if relation is null or identifier_column is null then
    raise exception using errcode = '22004', message = 'a list is in a column of a table';
  end if;
  perform niji.lock_staging(relation);
  for a in select x.attname, x.attnum, format_type(x.atttypid, x.atttypmod) as type
             from pg_attribute x where x.attrelid = relation and x.attnum > 0 and not x.attisdropped order by x.attnum loop
    if a.attname = identifier_column and a.type <> 'text' then
      raise exception using errcode = '42804', message = format('column "%s" is not of type text', identifier_column);
    end if;
    found := found or a.attname = identifier_column;
    shape := shape || format(', %I %s', case when a.attname = identifier_column then 'niji_identifier' else 'c' || a.attnum end, a.type);
  end loop;
  if not found then
    raise exception using errcode = '42703', message = format('the table has no column "%s"', identifier_column);
  end if;
  matched := 0; unmatched := 0; ambiguous := 0; refused := 0;
  -- a copy that is ours, not analysed: statistics would hold identifiers
  execute format('create temporary table niji_cohort_list on commit drop as select niji_row, niji_identifier from niji.scan_staging(%s) as s (%s)', relation::oid, shape);
  get diagnostics rows = row_count;
  create index on pg_temp.niji_cohort_list (niji_row);
  for low in 1 .. rows by portion loop
    select * into m
      from niji.add_to_cohort(permit, name, kind, (select array_agg(w.niji_identifier) from pg_temp.niji_cohort_list w where w.niji_row between low and low + portion - 1));
    matched := matched + m.matched; unmatched := unmatched + m.unmatched; ambiguous := ambiguous + m.ambiguous; refused := refused + m.refused;
  end loop;
  drop table pg_temp.niji_cohort_list;
end
$$;
comment on function @extschema@.load_cohort_table(text, text, text, regclass, name) is
  'As load_cohort(), for a long list: from a text column of a plain table of the caller''s own, which stays as it is. Errors: also 42703, 42804 no such column of type text, 42501 not the caller''s own table. Duty: governance; recorded.';

create function @extschema@.define_cohort(permit text, name text, query text) returns bigint
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  c niji.cohort := niji.lock_cohort(permit, name);
  read_datasets integer[];
  version bigint;
  found_persons bigint;
  state text;
begin
  if query is null or query !~ '\S' then
    raise exception using errcode = '22023', message = 'a cohort is defined by a query';
  end if;
  if c.version <> 0 then
    raise exception using errcode = '55000', message = format('cohort "%s" has been made already', name), hint = 'Make another one.';
  end if;
  read_datasets := niji.check_cohort_query(query);
  lock table niji.person_merge in row exclusive mode;
  version := niji.new_cohort_version(c.id, 'query');
  begin
    found_persons := niji.run_cohort_query(query, c.id, 0, version);
  exception when others then
    get stacked diagnostics state = returned_sqlstate;
  end;
  -- on disk before the number is known, whatever becomes of the transaction
  perform niji.record_disclosure('define_cohort', permit || ' ' || name, case when found_persons >= 10 then found_persons else 0 end,
    jsonb_build_object('query', query, 'persons', found_persons, 'sqlstate', state));
  if state is not null then
    raise exception using errcode = state, message = 'the query of the cohort failed',
      detail = 'Its message is not shown, as it may hold a value of a row.';
  end if;
  if found_persons < 10 then
    raise exception using errcode = '55000', message = 'a cohort has at least 10 persons',
      detail = 'The query gives fewer.';
  end if;
  update niji.cohort k set source = 'query', definition = query, datasets = read_datasets where k.id = c.id;
  perform niji.end_cohort_version(c.id, version, found_persons);
  return found_persons;
end
$$;
comment on function @extschema@.define_cohort(text, text, text) is
  'Defines a cohort of a permit that is a draft by a query over datasets, named with their schemas: one SELECT that gives a column of type niji.person. It is run once, now, over all rows but those tagged never to be shown; gives the number of persons, at least 10. The permit has to request the datasets that it reads, whose consents count for the cohort too. Errors: 22023 a query that does more than read datasets, 55000 fewer than 10 persons, not a draft, or made already; an error of the query comes without its message. Duty: governance; the query and the number are in the trail before it answers.';

create function @extschema@.carry_cohorts(from_permit integer, to_permit integer) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  c niji.cohort;
  copy integer;
  new_version bigint;
begin
  for c in select * from niji.cohort x where x.permit = from_permit order by x.id for share loop
    insert into niji.cohort (permit, name, source, definition, datasets, matched, unmatched, ambiguous, refused, carried_from)
      values (to_permit, c.name, c.source, c.definition, c.datasets, c.matched, c.unmatched, c.ambiguous, c.refused, c.id)
      returning id into copy;
    continue when c.version = 0;
    new_version := niji.new_cohort_version(copy, 'renewal');
    insert into niji.cohort_chunk (cohort, chunk, version, persons)
      select distinct on (x.chunk) copy, x.chunk, new_version, x.persons
        from niji.cohort_chunk x where x.cohort = c.id order by x.chunk, x.version desc;
    update niji.cohort k set version = new_version, persons = c.persons where k.id = copy;
    insert into niji.cohort_merge (merge, cohort, person) select m.merge, copy, m.person from niji.cohort_merge m where m.cohort = c.id;
  end loop;
end
$$;
comment on function @extschema@.carry_cohorts(integer, integer) is 'Copies the cohorts of a permit to one that renews it. Internal, for niji.apply_permit().';

create function @extschema@.require_cohorts(permit integer) returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  c record;
begin
  for c in
    select k.name, k.persons,
           (select string_agg(s.name, ', ' order by s.name) from niji.dataset s
             where s.id = any (k.datasets) and not exists (select from niji.permit_data x where x.permit = k.permit and x.dataset = s.id)) as missing
      from niji.cohort k
     where k.permit = require_cohorts.permit and exists (select from niji.permit_data x where x.permit = k.permit and x.cohort = k.name)
     order by k.name
  loop
    if c.persons < 10 then
      raise exception using errcode = '55000', message = format('cohort "%s" has fewer than 10 persons', c.name),
        detail = 'Who knows whom it names would know whose the rows are.';
    end if;
    if c.missing is not null then
      raise exception using errcode = '55000', message = format('cohort "%s" is defined by data that the permit does not request', c.name),
        detail = format('Missing: %s.', c.missing),
        hint = 'Who is in the cohort tells of these data, so their consents count; request them, if with no column.';
    end if;
  end loop;
end
$$;
comment on function @extschema@.require_cohorts(integer) is 'Raises 55000 unless the cohorts that a permit uses have at least 10 persons and it requests the datasets that define them. Internal.';

/* ---- merges and splits: who is one human is in a cohort under all numbers ---- */

create function @extschema@.merge_in_cohorts(merge bigint, keep @extschema@.person, gone @extschema@.person) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  c niji.cohort;
  newcomer niji.person;
  version bigint;
begin
  for c in select * from niji.cohort x where x.version <> 0 order by x.id for update loop
    newcomer := case when niji.cohort_has(c.id, keep) then case when not niji.cohort_has(c.id, gone) then gone end
                     when niji.cohort_has(c.id, gone) then keep end;
    continue when newcomer is null;
    version := niji.new_cohort_version(c.id, 'merge');
    perform niji.end_cohort_version(c.id, version, niji.write_cohort(c.id, c.version, version, array[newcomer], '{}'));
    insert into niji.cohort_merge (merge, cohort, person) values (merge_in_cohorts.merge, c.id, newcomer);
  end loop;
end
$$;
comment on function @extschema@.merge_in_cohorts(bigint, @extschema@.person, @extschema@.person) is
  'Of two who are one, one is in a cohort: then both are. Internal, for niji.merge_persons().';

create function @extschema@.undo_in_cohorts(merge bigint) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  c record;
  new_version bigint;
begin
  for c in select k.id, k.version, m.person from niji.cohort_merge m join niji.cohort k on k.id = m.cohort
            where m.merge = undo_in_cohorts.merge order by k.id for update of k loop
    new_version := niji.new_cohort_version(c.id, 'undo');
    perform niji.end_cohort_version(c.id, new_version, niji.write_cohort(c.id, c.version, new_version, '{}', array[c.person]));
  end loop;
  delete from niji.cohort_merge m where m.merge = undo_in_cohorts.merge;
end
$$;
comment on function @extschema@.undo_in_cohorts(bigint) is 'Takes out of cohorts who came in by a merge that is undone. Internal, for niji.finish_move().';

create function @extschema@.split_in_cohorts(whose @extschema@.person, newcomer @extschema@.person) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  c niji.cohort;
  version bigint;
begin
  for c in select * from niji.cohort x where x.version <> 0 order by x.id for update loop
    continue when not niji.cohort_has(c.id, whose);
    version := niji.new_cohort_version(c.id, 'split');
    perform niji.end_cohort_version(c.id, version, niji.write_cohort(c.id, c.version, version, array[newcomer], '{}'));
  end loop;
end
$$;
comment on function @extschema@.split_in_cohorts(@extschema@.person, @extschema@.person) is
  'Either of two who were taken for one may be meant by a cohort: both are in it. Internal, for niji.split_person().';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'create_cohort(text, text)'),
  ('governance', 'function', 'load_cohort(text, text, text, text[])'),
  ('governance', 'function', 'load_cohort_table(text, text, text, regclass, name)'),
  ('governance', 'function', 'define_cohort(text, text, text)');
insert into @extschema@.duty_right (duty, kind, object)
  select d, 'select', 'cohorts' from unnest(array['governance', 'reviewer', 'auditor']) d;
