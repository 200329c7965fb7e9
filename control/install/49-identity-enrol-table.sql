/* ---- identity: enrolling a whole staging table ---- */

create table @extschema@.enrol_run (
  id bigint generated always as identity primary key,
  relation text not null,
  kind text not null,
  source text,
  state text not null default 'running' check (state in ('running', 'done', 'stopped')),
  reason text,
  persons bigint not null default 0,
  new_persons bigint not null default 0,
  malformed bigint not null default 0,
  blocks_done bigint not null default 0,
  blocks bigint not null,
  started_at timestamptz not null default pg_catalog.clock_timestamp(),
  updated_at timestamptz not null default pg_catalog.clock_timestamp(),
  started_by name not null default session_user,
  pid integer not null default pg_catalog.pg_backend_pid(),
  backend_start timestamptz
);
comment on table @extschema@.enrol_run is 'Runs of niji.enrol_table(), as of their last committed batch; see niji.enrol_progress.';

create view @extschema@.enrol_progress as
  select r.id, r.relation, r.kind, r.source,
         case when r.state = 'running'
                   and not exists (select from pg_catalog.pg_stat_get_activity(r.pid) a where a.backend_start = r.backend_start)
              then 'interrupted' else r.state end as state,
         r.reason, r.persons, r.new_persons, r.malformed, r.blocks_done, r.blocks, r.started_at, r.updated_at, r.started_by
    from @extschema@.enrol_run r;
comment on view @extschema@.enrol_progress is
  'How far calls of niji.enrol_table() have come. state: running, done, stopped (by an error: reason), interrupted (its session ended: call it again). persons: rows that were given one; malformed: rows whose identifier breaks a rule; blocks of the staging table.';

/* a loader may not use the type, so the column of persons is made here */
create function @extschema@.enrol_run_begin(relation regclass, person_column name, kind text, source text, blocks bigint) returns bigint
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp set lock_timeout = '10s'
as $$
declare
  result bigint;
  c pg_catalog.pg_class;
begin
  perform niji.require_duty('loader', 'enrol persons');
  select * into c from pg_catalog.pg_class x where x.oid = relation;
  if not pg_has_role(session_user, c.relowner, 'usage') then
    raise exception using errcode = '42501', message = format('permission denied to enrol the rows of %s', relation),
      detail = 'It has to be a table of your own.';
  end if;
  if exists (select from niji.dataset d where d.relation = enrol_run_begin.relation) then
    raise exception using errcode = '55000', message = format('%s is a dataset', relation), hint = 'Datasets are filled by niji.load_dataset().';
  end if;
  if not exists (select from pg_catalog.pg_attribute a where a.attrelid = relation and a.attname = person_column and a.attnum > 0 and not a.attisdropped) then
    execute format('alter table only %s add column %I niji.person', relation, person_column);
  elsif not exists (select from pg_catalog.pg_attribute a where a.attrelid = relation and a.attname = person_column and a.atttypid = 'niji.person'::regtype) then
    raise exception using errcode = '42804', message = format('column "%s" of %s is not of type niji.person', person_column, relation),
      hint = 'Name a column that is not there: it is added.';
  end if;
  if not exists (select from niji.identifier_kind k where k.kind = enrol_run_begin.kind) then
    raise exception using errcode = '22023', message = 'there is no such kind of identifier', hint = 'Kinds are in niji.identifier_kind.';
  end if;
  insert into niji.enrol_run (relation, kind, source, blocks, backend_start)
    values (enrol_run_begin.relation::text, enrol_run_begin.kind, enrol_run_begin.source, enrol_run_begin.blocks,
            (select a.backend_start from pg_stat_get_activity(pg_backend_pid()) a))
    returning id into result;
  return result;
end
$$;
comment on function @extschema@.enrol_run_begin(regclass, name, text, text, bigint) is 'Begins a run, and adds the column of persons if it is not there. Errors: 42501 not the caller''s own table, 55000 a dataset, 42804 a column of another type, 22023 no such kind. For niji.enrol_table().';

create function @extschema@.enrol_run_step(run bigint, identifiers text[], max_new numeric, done bigint,
  out persons @extschema@.person[], out rules text[]) returns record
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  r niji.enrol_run;
  step record;
begin
  perform niji.require_duty('loader', 'enrol persons');
  select * into r from niji.enrol_run e where e.id = run and e.state = 'running' and e.started_by = session_user;
  if not found then
    raise exception using errcode = '42704', message = format('you have no run %s of enrol_table', run);
  end if;
  select * into step from niji.enrol_rows(r.kind, identifiers, r.source, max_new);
  persons := step.persons;
  rules := step.rules;
  update niji.enrol_run e
     set persons = e.persons + cardinality(array_remove(enrol_run_step.persons, null)), new_persons = e.new_persons + step.new_persons,
         malformed = e.malformed + cardinality(array_remove(enrol_run_step.rules, null)), blocks_done = done, updated_at = clock_timestamp()
   where e.id = run;
end
$$;
comment on function @extschema@.enrol_run_step(bigint, text[], numeric, bigint) is 'Enrols a batch of a run and counts it. For niji.enrol_table().';

create function @extschema@.enrol_run_end(run bigint, state text, reason text, out persons bigint, out new_persons bigint, out malformed bigint) returns record
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  r niji.enrol_run;
begin
  perform niji.require_duty('loader', 'enrol persons');
  update niji.enrol_run e
     set state = enrol_run_end.state, reason = enrol_run_end.reason, updated_at = clock_timestamp(),
         blocks_done = case when enrol_run_end.state = 'done' then e.blocks else e.blocks_done end
   where e.id = run and e.state = 'running' and e.started_by = session_user
   returning * into r;
  if not found then
    raise exception using errcode = '42704', message = format('you have no run %s of enrol_table', run);
  end if;
  persons := r.persons;
  new_persons := r.new_persons;
  malformed := r.malformed;
  perform niji.record_act('enrol_table', r.kind,
    jsonb_build_object('run', run, 'source', r.source, 'state', state, 'persons', persons, 'new_persons', new_persons, 'malformed', malformed));
end
$$;
comment on function @extschema@.enrol_run_end(bigint, text, text) is 'Ends a run and records it. For niji.enrol_table().';

/*
 * Runs with the caller's rights: the table is theirs, and only so can it
 * commit.  The table is walked by its blocks, since "the next rows without a
 * person" would read it from the start for each batch; rows that an UPDATE
 * writes anew further on have a person, or a rule that they break, by then.
 */
create procedure @extschema@.enrol_table(relation regclass, identifier_column name, person_column name, kind text, source text default null,
  batch_size integer default 50000, max_new numeric default null, rule_column name default null,
  inout persons bigint default null, inout new_persons bigint default null, inout malformed bigint default null)
language plpgsql
as $$
declare
  run bigint;
  untried constant pg_catalog.text := case when rule_column is not null then pg_catalog.format(' and t.%I is null', rule_column) else '' end;
  blocks bigint;
  block bigint := 0;
  step bigint := 1;
  places pg_catalog.tid[];
  identifiers pg_catalog.text[];
  found_persons niji.person[];
  rules pg_catalog.text[];
  n bigint;
  from_place pg_catalog.tid;
  beyond pg_catalog.tid;
  state text;
  message text;
  detail text;
  hint text;
  wanted record;
  found_type pg_catalog.regtype;
begin
  if relation is null or identifier_column is null or person_column is null then
    raise exception using errcode = '22004', message = 'a table, its column of identifiers and its column of persons are needed';
  end if;
  if batch_size is null or batch_size not between 1 and 1000000 then
    raise exception using errcode = '22023', message = 'a batch has from 1 to 1 000 000 rows';
  end if;
  if (select c.relkind from pg_catalog.pg_class c where c.oid = relation) is distinct from 'r' then
    raise exception using errcode = '42809', message = pg_catalog.format('%s is not a table', relation),
      hint = 'Name the partitions one by one.';
  end if;
  for wanted in select w.name, w.role
                  from (values (identifier_column, 'identifiers'), (person_column, 'persons'), (rule_column, 'rules')) w (name, role) where w.name is not null loop
    select a.atttypid::pg_catalog.regtype into found_type
      from pg_catalog.pg_attribute a where a.attrelid = relation and a.attname = wanted.name and a.attnum > 0 and not a.attisdropped;
    if not found then
      continue when wanted.role = 'persons';  -- it is added
      raise exception using errcode = '42703', message = pg_catalog.format('%s has no column "%s"', relation, wanted.name);
    end if;
    if wanted.role = 'persons' and found_type <> 'niji.person'::pg_catalog.regtype then
      raise exception using errcode = '42804', message = pg_catalog.format('column "%s" is not of type niji.person', wanted.name),
        hint = 'The third argument is the column that takes the persons.';
    end if;
    if wanted.role = 'rules' and found_type not in ('text'::pg_catalog.regtype, 'varchar'::pg_catalog.regtype) then
      raise exception using errcode = '42804', message = pg_catalog.format('column "%s" is not of type text', wanted.name);
    end if;
  end loop;
  perform niji.require_no_transaction('niji.enrol_table()');
  blocks := pg_catalog.pg_relation_size(relation) / pg_catalog.current_setting('block_size')::bigint;
  run := niji.enrol_run_begin(relation, person_column, kind, source, blocks);
  commit;
  while block < blocks loop
    from_place := pg_catalog.format('(%s,0)', block)::pg_catalog.tid;
    beyond := pg_catalog.format('(%s,0)', block + step)::pg_catalog.tid;
    execute pg_catalog.format('select array_agg(t.ctid), array_agg(t.%1$I::text) from only %2$s t
                                where t.ctid >= $1 and t.ctid < $2 and t.%3$I is null and t.%1$I is not null%4$s',
                              identifier_column, relation, person_column, untried)
       into places, identifiers using from_place, beyond;
    n := coalesce(pg_catalog.cardinality(places), 0);
    if n > batch_size and step > 1 then
      step := greatest(1, step / 2);
      continue;
    end if;
    if n > 0 then
      state := null;
      begin
        select s.persons, s.rules into found_persons, rules from niji.enrol_run_step(run, identifiers, max_new, block + step) s;
      exception when others then
        get stacked diagnostics state = returned_sqlstate, message = message_text, detail = pg_exception_detail, hint = pg_exception_hint;
      end;
      if state is not null then
        select e.persons, e.new_persons, e.malformed into persons, new_persons, malformed from niji.enrol_run_end(run, 'stopped', message) e;
        commit;
        raise exception using errcode = state, message = message, detail = detail,
          hint = pg_catalog.concat_ws(' ', nullif(hint, ''), pg_catalog.format('%s rows were enrolled before; what they were given is kept.', persons));
      end if;
      execute pg_catalog.format('update only %s t set %I = u.person%s from unnest($1, $2, $3) u (place, person, rule)
                                  where t.ctid = u.place and t.ctid >= $4 and t.ctid < $5%s',
                                relation, person_column,
                                case when rule_column is not null then pg_catalog.format(', %I = u.rule', rule_column) else '' end,
                                case when rule_column is null then ' and u.person is not null' else '' end)
        using places, found_persons, rules, from_place, beyond;
    end if;
    commit;
    block := block + step;
    step := case when n = 0 then step * 2 else greatest(1, least(step * 4, step * batch_size / n)) end;
    step := least(step, 100000);
  end loop;
  select e.persons, e.new_persons, e.malformed into persons, new_persons, malformed from niji.enrol_run_end(run, 'done', null) e;
end
$$;
comment on procedure @extschema@.enrol_table(regclass, name, name, text, text, integer, numeric, name, bigint, bigint, bigint) is
  'Fills the column of persons of a staging table of the caller''s own, which is added if it is not there, from its column of identifiers, for rows that have no person yet, committing each batch: call it again after an error or a crash, and it goes on. A malformed identifier gets no person, and its rule goes into rule_column, if one is named (source_reason, say, so that niji.load_dataset() puts the row into quarantine; rows that have one are left alone). max_new limits the new persons of each batch as in niji.enrol_batch(). Gives rows with a person, new persons, malformed rows; niji.enrol_progress shows where it stands. Not within a transaction block. Duty: loader; recorded in the trail.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('loader', 'function', 'enrol_run_begin(regclass, name, text, text, bigint)'),
  ('loader', 'function', 'enrol_run_step(bigint, text[], numeric, bigint)'),
  ('loader', 'function', 'enrol_run_end(bigint, text, text)'),
  ('loader', 'function', 'enrol_table(regclass, name, name, text, text, integer, numeric, name, bigint, bigint, bigint)'),
  ('loader', 'select', 'enrol_progress'),
  ('governance', 'select', 'enrol_progress'),
  ('auditor', 'select', 'enrol_progress');
