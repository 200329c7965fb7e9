/* ---- intake: adopting a table that has identifiers in clear ---- */

/*
 * niji.adopt() is a procedure that commits after each batch, so it can be
 * neither security definer nor have settings of its own: it runs with the
 * caller's rights, which are the ones that the caller's expression is evaluated
 * with.  What needs more (the type niji.person, the table of digests) is in
 * definer functions that take no expression and look at who owns the table.
 *
 * Reads and writes of the table go on.  A trigger takes the person from a row
 * whose other columns change, and rows without a person are found again; the
 * last of them are done while writes wait.  The columns with the identifiers
 * go at the end, with a rewrite, since a dropped column's bytes stay in the
 * rows; then all that is left is compared with what is enrolled.
 */
create table @extschema@.adoption (
  id bigint generated always as identity primary key,
  relation regclass not null,
  kind text not null,
  expression bytea not null check (length(expression) = 32),
  parts oid[] not null,
  part integer not null default 1,
  block bigint not null default 0,
  adopted bigint not null default 0,
  state text not null default 'running' check (state in ('running', 'adopted', 'dropped', 'proved', 'found', 'abandoned')),
  started_by name not null default session_user,
  started_at timestamptz not null default now(),
  changed_at timestamptz not null default now()
);
comment on table @extschema@.adoption is
  'Tables that were or are being adopted (既存表の取込み), and how far. expression is the SHA-256 of the identifier expression, so that a call that goes on is known to mean the same.';
create table @extschema@.adoption_finding (
  adoption bigint not null references @extschema@.adoption,
  what text not null check (what in ('malformed', 'enrolled identifier', 'part of an identifier', 'expression')),
  column_name name not null default '',
  rule text not null default '',
  amount bigint not null,
  found_at timestamptz not null default now(),
  primary key (adoption, what, column_name, rule)
);
comment on table @extschema@.adoption_finding is
  'What an adoption found: identifiers without a canonical form, by rule, and identifiers that are left, by column. Numbers only.';
select pg_catalog.pg_extension_config_dump('@extschema@.adoption', '');
select pg_catalog.pg_extension_config_dump('@extschema@.adoption_id_seq', '');
select pg_catalog.pg_extension_config_dump('@extschema@.adoption_finding', '');

create view @extschema@.adoptions as
  select a.id, a.relation, a.kind, a.state, a.adopted, a.part, cardinality(a.parts) as parts, a.block, a.started_by, a.started_at, a.changed_at,
         coalesce((select jsonb_agg(jsonb_strip_nulls(jsonb_build_object('what', f.what, 'column', nullif(f.column_name, ''), 'rule', nullif(f.rule, ''), 'values', f.amount))
                                    order by f.what, f.column_name, f.rule)
                     from @extschema@.adoption_finding f where f.adoption = a.id), '[]') as findings
    from @extschema@.adoption a
   where a.started_by = session_user or @extschema@.has_duty('governance') or @extschema@.has_duty('auditor')
      or (select r.rolsuper from pg_catalog.pg_roles r where r.rolname = session_user);
comment on view @extschema@.adoptions is
  'Adoptions of tables: state running, adopted (every row has its person), dropped (the identifiers'' columns are gone), proved (and nothing was left), found (identifiers are left, see findings), abandoned. Loaders see their own.';

create function @extschema@.forget_person() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  new.person := null;
  return new;
end
$$;
comment on function @extschema@.forget_person() is
  'Trigger of niji.adopt(): a row that is new or was changed has no person until niji.adopt() comes to it.';

/* the table is the session user's own (or a superuser adopts it), can be adopted, and stays as it is until the transaction ends */
create function @extschema@.lock_adopted(relation regclass, mode text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set lock_timeout = '10s'
as $$
declare
  c pg_class;
begin
  perform niji.require_duty('loader', 'adopt a table');
  perform niji.require_protection();
  for i in 1 .. 2 loop
    select * into c from pg_class x where x.oid = relation;
    if not found or not (c.relowner = (select r.oid from pg_roles r where r.rolname = session_user)
                         or (select r.rolsuper from pg_roles r where r.rolname = session_user)) then
      raise exception using errcode = '42501', message = 'permission denied to adopt the table',
        detail = 'It belongs to another role than the session''s user.';
    end if;
    exit when i = 2;
    -- judged again under the lock
    perform niji.hold_relation(relation, mode);
  end loop;
  if c.relkind not in ('r', 'p') or c.relpersistence = 't' or c.relispartition
     or exists (select from niji.family(relation) f join pg_class x on x.oid = f where x.relkind not in ('r', 'p'))
     or c.relnamespace in ('niji'::regnamespace, 'pg_catalog'::regnamespace, 'information_schema'::regnamespace) then
    raise exception using errcode = '42809', message = format('cannot adopt %s', relation),
      detail = 'Plain and partitioned tables are adopted, by their topmost one; views, foreign, temporary and system tables are not.';
  end if;
  if exists (select from niji.dataset d where d.relation = lock_adopted.relation) then
    raise exception using errcode = '55000', message = format('%s is a dataset already', relation);
  end if;
  if exists (select from niji.foreign_code(relation)) then
    raise exception using errcode = '42501', message = format('%s runs code that does not belong to a superuser', relation),
      detail = (select format('It uses %s.', string_agg(f, ', ')) from niji.foreign_code(relation) f),
      hint = 'Give it to a superuser who has read it, or take it off while the table is adopted.';
  end if;
end
$$;
comment on function @extschema@.lock_adopted(regclass, text) is
  'Makes sure that the session''s user may adopt a table and that it can be adopted, and locks it. Errors: 42501, 42809, 55000, 55P03 after ten seconds. Internal.';

create function @extschema@.begin_adoption(relation regclass, expression text, kind text) returns bigint
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  a niji.adoption;
begin
  select * into a from niji.adoption x where x.relation = begin_adoption.relation order by x.id desc limit 1;
  if a.id is not null and a.state in ('running', 'adopted')
     and exists (select from pg_attribute t where t.attrelid = relation and t.attname = 'person' and t.atttypid = 'niji.person'::regtype and not t.attisdropped) then
    perform niji.lock_adopted(relation, 'access share');
    if (a.kind, a.expression) is distinct from (begin_adoption.kind, sha256(convert_to(begin_adoption.expression, 'UTF8'))) then
      raise exception using errcode = '55000', message = format('%s is being adopted with another expression or kind', relation),
        hint = format('Call niji.adopt() with the same ones to go on, or niji.abandon_adoption(%s, reason) to begin anew.', a.id);
    end if;
    -- once more from the start: only rows without a person are looked at
    update niji.adoption x set state = 'running', part = case when x.state = 'adopted' then 1 else x.part end,
                               block = case when x.state = 'adopted' then 0 else x.block end, changed_at = now()
     where x.id = a.id;
    return a.id;
  end if;
  perform niji.lock_adopted(relation, 'access exclusive');
  if not exists (select from niji.identifier_kind k where k.kind = begin_adoption.kind) then
    raise exception using errcode = '22023', message = 'there is no such kind of identifier', hint = 'Kinds are in niji.identifier_kind.';
  end if;
  if exists (select from niji.family(relation) f join pg_attribute t on t.attrelid = f and t.attname in ('person', 'pid') and not t.attisdropped) then
    raise exception using errcode = '42701', message = format('%s has a column "person" or "pid"', relation), hint = 'Rename it.';
  end if;
  execute format('alter table %s add column person niji.person', relation);
  execute format('create trigger niji_adopt_insert before insert on %s for each row execute function niji.forget_person()', relation);
  execute format('create trigger niji_adopt_update before update on %s for each row
                    when (old.person is not distinct from new.person) execute function niji.forget_person()', relation);
  insert into niji.adoption (relation, kind, expression, parts)
    values (begin_adoption.relation, begin_adoption.kind, sha256(convert_to(begin_adoption.expression, 'UTF8')),
            array(select f::oid from niji.family(begin_adoption.relation) f join pg_class x on x.oid = f where x.relkind = 'r' order by 1))
    returning * into a;
  perform niji.record_act('adopt', relation::text, jsonb_build_object('id', a.id, 'kind', kind));
  return a.id;
end
$$;
comment on function @extschema@.begin_adoption(regclass, text, text) is
  'Gives a table a column person and the triggers that keep it true, or finds an adoption that is to go on; returns its number. Internal to niji.adopt().';

create function @extschema@.lock_adoption(id bigint) returns @extschema@.adoption
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  a niji.adoption;
begin
  perform niji.require_duty('loader', 'adopt a table');
  select * into a from niji.adoption x where x.id = lock_adoption.id for update;
  if not found or not exists (select from pg_roles r where r.rolname = session_user
                                and (r.rolsuper or r.oid = (select c.relowner from pg_class c where c.oid = a.relation))) then
    raise exception using errcode = '42501', message = 'permission denied to go on with this adoption';
  end if;
  return a;
end
$$;
comment on function @extschema@.lock_adoption(bigint) is
  'An adoption of a table of the session''s user, locked until the end of the transaction. Error: 42501. Internal.';

/* the next blocks; the row lock lets two calls of niji.adopt() take turns */
create function @extschema@.next_adoption(id bigint, blocks integer, out part regclass, out low bigint, out high bigint) returns record
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  a niji.adoption;
begin
  a := niji.lock_adoption(id);
  loop
    exit when a.part > cardinality(a.parts);
    if a.block < pg_relation_size(a.parts[a.part]) / current_setting('block_size')::bigint then
      part := a.parts[a.part]::regclass;
      low := a.block;
      high := a.block + blocks;
      a.block := high;
      exit;
    end if;
    a.part := a.part + 1;
    a.block := 0;
  end loop;
  update niji.adoption x set part = a.part, block = a.block, changed_at = now() where x.id = a.id;
end
$$;
comment on function @extschema@.next_adoption(bigint, integer) is 'The next blocks of a table that is being adopted, null at its end. Internal to niji.adopt().';

create function @extschema@.count_adopted(id bigint, persons bigint) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  a niji.adoption := niji.lock_adoption(id);
begin
  update niji.adoption x set adopted = x.adopted + persons, changed_at = now() where x.id = a.id;
end
$$;
comment on function @extschema@.count_adopted(bigint, bigint) is 'Counts rows that got their person. Internal to niji.adopt().';

create function @extschema@.note_finding(id bigint, what text, column_name name, rule text, amount bigint) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  a niji.adoption := niji.lock_adoption(id);
begin
  insert into niji.adoption_finding as f (adoption, what, column_name, rule, amount)
    values (a.id, note_finding.what, note_finding.column_name, note_finding.rule, note_finding.amount)
    on conflict on constraint adoption_finding_pkey do update set amount = excluded.amount, found_at = now();
end
$$;
comment on function @extschema@.note_finding(bigint, text, name, text, bigint) is 'Keeps a number that niji.adopt() found. Internal to it.';

create function @extschema@.set_adoption(id bigint, state text) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  a niji.adoption;
begin
  a := niji.lock_adoption(id);
  perform niji.lock_adopted(a.relation, 'access share');
  if state <> 'adopted' or a.state <> 'running' then
    raise exception using errcode = '55000', message = 'an adoption does not change like this';
  end if;
  update niji.adoption x set state = 'adopted', changed_at = now() where x.id = a.id;
  delete from niji.adoption_finding f where f.adoption = a.id and f.what = 'malformed';
end
$$;
comment on function @extschema@.set_adoption(bigint, text) is 'Says that every row has been looked at. Internal to niji.adopt().';

create function @extschema@.same_person(@extschema@.person) returns @extschema@.person
language internal immutable strict parallel safe as 'int4up';
comment on function @extschema@.same_person(@extschema@.person) is 'Its argument; makes PostgreSQL rewrite a table. Internal to niji.adopt().';

create function @extschema@.drop_adopted(id bigint, drop_columns name[]) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  a niji.adoption;
  c name;
begin
  a := niji.lock_adoption(id);
  perform niji.lock_adopted(a.relation, 'access exclusive');
  if a.state <> 'adopted' then
    raise exception using errcode = '55000', message = 'the table was not adopted yet';
  end if;
  execute format('drop trigger niji_adopt_insert on %s', a.relation);
  execute format('drop trigger niji_adopt_update on %s', a.relation);
  foreach c in array drop_columns loop
    if c = 'person' then
      raise exception using errcode = '22023', message = 'the person is what stays';
    end if;
    execute format('alter table %s drop column %I restrict', a.relation, c);
  end loop;
  -- bytes of dropped columns stay in the rows until they are written anew
  execute format('alter table %s alter column person type niji.person using niji.same_person(person)', a.relation);
  update niji.adoption x set state = 'dropped', changed_at = now() where x.id = a.id;
end
$$;
comment on function @extschema@.drop_adopted(bigint, name[]) is
  'Drops the columns with identifiers and the triggers, and writes the table anew. Internal to niji.adopt().';

create function @extschema@.abandon_adoption(id bigint, reason text) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  a niji.adoption;
begin
  if coalesce(btrim(reason), '') = '' then
    raise exception using errcode = '22023', message = 'an adoption is not abandoned without a reason';
  end if;
  a := niji.lock_adoption(id);
  if a.state not in ('running', 'adopted') then
    raise exception using errcode = '55000', message = format('adoption %s is not under way', a.id), detail = format('It is %s.', a.state);
  end if;
  perform niji.lock_adopted(a.relation, 'access exclusive');
  execute format('drop trigger niji_adopt_insert on %s', a.relation);
  execute format('drop trigger niji_adopt_update on %s', a.relation);
  execute format('alter table %s drop column person restrict', a.relation);
  update niji.adoption x set state = 'abandoned', changed_at = now() where x.id = a.id;
  perform niji.record_act('abandon_adoption', a.relation::text, jsonb_build_object('id', a.id, 'kind', a.kind, 'rows', a.adopted, 'reason', reason));
end
$$;
comment on function @extschema@.abandon_adoption(bigint, text) is
  'Takes the column of persons and the triggers off a table whose adoption began with the wrong expression or kind, so that it can begin anew; the columns with identifiers are as they were. Who was enrolled stays enrolled. Errors: 55000 the identifiers'' columns were dropped already. Duty: loader, as the owner; recorded.';

create function @extschema@.prove_adoption(id bigint) returns bigint
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  a niji.adoption;
  k niji.identifier_kind;
  c record;
  leaves text;
  n bigint;
  total bigint := 0;
  columns integer := 0;
  newest integer := niji.domain_generation();
begin
  a := niji.lock_adoption(id);
  perform niji.lock_adopted(a.relation, 'access share');
  if a.state not in ('dropped', 'found', 'proved') then
    raise exception using errcode = '55000', message = 'the identifiers'' columns were not dropped yet';
  end if;
  select * into strict k from niji.identifier_kind x where x.kind = a.kind;
  delete from niji.adoption_finding f where f.adoption = a.id and f.what in ('enrolled identifier');
  for c in
    select t.attname, t.atttypid, y.typcategory, y.typelem, y.typtype
      from pg_attribute t join pg_type y on y.oid = t.atttypid
     where t.attrelid = a.relation and t.attnum > 0 and not t.attisdropped
       and t.atttypid not in ('niji.person'::regtype, 'niji.physician'::regtype, 'niji.record'::regtype, 'niji.household'::regtype, 'boolean'::regtype)
     order by t.attnum
  loop
    leaves := case
      when c.atttypid in ('json'::regtype, 'jsonb'::regtype) then
        format('(select j #>> ''{}'' from jsonb_path_query(t.%1$I::jsonb, ''strict $.**'') j where jsonb_typeof(j) in (''string'', ''number'')
                 union all select o from jsonb_path_query(t.%1$I::jsonb, ''strict $.**'') j, lateral jsonb_object_keys(case jsonb_typeof(j) when ''object'' then j else ''{}'' end) o)', c.attname)
      when c.atttypid = 'bytea'::regtype then format('(select encode(t.%I, ''escape''))', c.attname)
      when c.typcategory = 'A' and c.typelem in ('niji.person'::regtype) then null
      when c.typcategory = 'A' then format('(select u::text from unnest(t.%I) u)', c.attname)
      else format('(select t.%I::text)', c.attname) end;
    continue when leaves is null;
    columns := columns + 1;
    execute format(
      'select count(*) from (select distinct l.v from %1$s t, lateral %2$s l (v) where l.v is not null) d
        where case when length(d.v) > 1000 or (niji.check_identifier($1, d.v)).level = ''error'' then false
                   else exists (select from generate_series(1, $3) g join niji.identifier i
                                  on i.kind = $2 and i.generation = g and i.digest = niji.keyed_digest($2, niji.normalize_identifier($1, d.v), g)) end',
      a.relation, leaves) into n using k.kind, k.id, newest;
    if n > 0 then
      insert into niji.adoption_finding (adoption, what, column_name, amount) values (a.id, 'enrolled identifier', c.attname, n);
      total := total + n;
    end if;
  end loop;
  total := total + coalesce((select sum(f.amount) from niji.adoption_finding f where f.adoption = a.id and f.what in ('expression', 'part of an identifier')), 0);
  update niji.adoption x set state = case when total = 0 then 'proved' else 'found' end, changed_at = now() where x.id = a.id;
  perform niji.record_act('prove_adoption', a.relation::text,
            jsonb_build_object('id', a.id, 'kind', a.kind, 'rows', a.adopted, 'columns', columns, 'left', total,
                               'findings', (select coalesce(jsonb_agg(jsonb_build_object('what', f.what, 'column', f.column_name, 'values', f.amount)), '[]') from niji.adoption_finding f where f.adoption = a.id)));
  return total;
end
$$;
comment on function @extschema@.prove_adoption(bigint) is
  'Compares every value that is left in an adopted table (also in arrays and JSON) with the enrolled identifiers of its kind; returns how many different ones are left, 0 when the table is clean. Errors: 55000 the columns were not dropped yet. Duty: loader, as the owner; recorded.';

/*
 * With the caller's rights: one portion.  Messages about values and rows would
 * show identifiers, so what the table or the expression raises is told by its
 * SQLSTATE; what enrol_batch() raises says nothing of the kind.
 */
create function @extschema@.adopt_rows(part regclass, expression text, kind text, low bigint, high bigint, source text, max_new numeric, out adopted bigint, out malformed jsonb)
language plpgsql volatile parallel unsafe
as $$
declare
  rows tid[];
  identifiers text[];
  persons niji.person[];
  state text;
begin
  begin
    execute pg_catalog.format(
      'select pg_catalog.array_agg(x.place), pg_catalog.array_agg(x.identifier)
         from (select t.ctid as place, (%s)::text as identifier from only %s t
                where t.ctid >= %L::tid and t.ctid < %L::tid and t.person is null for no key update skip locked) x
        where x.identifier is not null',
      expression, part, pg_catalog.format('(%s,0)', low), pg_catalog.format('(%s,0)', high)) into rows, identifiers;
  exception when others then
    get stacked diagnostics state = returned_sqlstate;
    raise exception using errcode = state, message = pg_catalog.format('the identifier expression cannot be evaluated in %s', part),
      detail = case when state like '42%' then sqlerrm else 'The message would show a value.' end;
  end;
  adopted := 0;
  select pg_catalog.jsonb_object_agg(y.rule, y.n) into malformed
    from (select c.rule, pg_catalog.count(*) as n from pg_catalog.unnest(identifiers) i, lateral niji.check_identifier(kind, i) c where c.level = 'error' group by c.rule) y;
  if malformed is not null then
    select pg_catalog.array_agg(u.r), pg_catalog.array_agg(u.i) into rows, identifiers
      from rows from (pg_catalog.unnest(rows), pg_catalog.unnest(identifiers)) as u (r, i), lateral niji.check_identifier(kind, u.i) c
     where c.level <> 'error';
  end if;
  if pg_catalog.cardinality(rows) > 0 then
    persons := niji.enrol_batch(kind, identifiers, source, max_new);
    begin
      execute pg_catalog.format('update only %s t set person = u.p from rows from (pg_catalog.unnest($1), pg_catalog.unnest($2)) as u (r, p) where t.ctid = u.r', part)
        using rows, persons;
      get diagnostics adopted = row_count;
    exception when others then
      get stacked diagnostics state = returned_sqlstate;
      raise exception using errcode = state, message = pg_catalog.format('%s does not take its persons (%s)', part, state),
        detail = 'The message would show a row.';
    end;
    if adopted <> pg_catalog.cardinality(rows) then
      raise exception using errcode = '55000', message = pg_catalog.format('a trigger of %s suppresses changes', part);
    end if;
  end if;
end
$$;
comment on function @extschema@.adopt_rows(regclass, text, text, bigint, bigint, text, numeric) is
  'Gives the rows of some blocks their persons, with the caller''s rights. Internal to niji.adopt().';

create procedure @extschema@.adopt(
  relation regclass, identifier_expression text, kind text, batch_size integer default 10000,
  drop_columns name[] default '{}', max_new numeric default null)
language plpgsql
as $$
declare
  adoption bigint;
  source text;
  blocks integer;
  p record;
  r record;
  refused jsonb := '{}';
  left_over bigint;
  part regclass;
  last_block bigint;
  dropped name;
  still boolean;
begin
  -- until each COMMIT: names are looked up in pg_catalog only, and a portion finds its rows by their place
  perform pg_catalog.set_config(s, v, true) from (values ('search_path', 'pg_catalog, pg_temp'), ('enable_seqscan', 'off'), ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off')) x (s, v);
  if relation is null or identifier_expression is null or kind is null or batch_size is null or batch_size < 1 or drop_columns is null then
    raise exception using errcode = '22023', message = 'a table, an expression, a kind and a batch size of at least 1 are needed';
  end if;
  foreach dropped in array drop_columns loop
    if dropped is null or not exists (select from pg_attribute a where a.attrelid = relation and a.attname = dropped and a.attnum > 0 and not a.attisdropped) then
      raise exception using errcode = '42703', message = format('%s has no column "%s"', relation, dropped);
    end if;
  end loop;
  perform niji.require_no_transaction('niji.adopt()');
  adoption := niji.begin_adoption(relation, identifier_expression, kind);
  -- no row: an expression that cannot be read takes back what was begun
  perform from niji.adopt_rows(relation, identifier_expression, kind, 0, 0, null, null);
  source := format('adopt %s', relation);
  blocks := greatest(1, batch_size / 60);
  commit;

  loop
    perform set_config(s, v, true) from (values ('search_path', 'pg_catalog, pg_temp'), ('enable_seqscan', 'off'), ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off')) x (s, v);
    select * into p from niji.next_adoption(adoption, blocks);
    exit when p.part is null;
    select * into r from niji.adopt_rows(p.part, identifier_expression, kind, p.low, p.high, source, max_new);
    perform niji.count_adopted(adoption, r.adopted);
    commit;
  end loop;

  -- what was written meanwhile, while writes wait (and reads, if columns go)
  execute format('lock table %s in %s mode', relation, case when drop_columns = '{}' then 'share row exclusive' else 'access exclusive' end);
  for part in select f from niji.family(relation) f join pg_class c on c.oid = f where c.relkind = 'r' order by f::oid loop
    last_block := pg_relation_size(part) / current_setting('block_size')::bigint;
    for low in 0 .. last_block by blocks loop
      select * into r from niji.adopt_rows(part, identifier_expression, kind, low, low + blocks, source, max_new);
      perform niji.count_adopted(adoption, r.adopted);
      select coalesce(jsonb_object_agg(k, n), '{}') into refused
        from (select k, sum(v::bigint) as n from (select * from jsonb_each_text(refused) union all select * from jsonb_each_text(r.malformed)) x (k, v) group by k) y;
    end loop;
  end loop;
  perform niji.set_adoption(adoption, 'adopted');
  perform niji.note_finding(adoption, 'malformed', '', e.key, e.value::bigint) from jsonb_each_text(refused) e;
  if drop_columns = '{}' or refused <> '{}' then
    commit;
    if refused <> '{}' then
      perform set_config('search_path', 'pg_catalog, pg_temp', true);
      if drop_columns <> '{}' then
        raise exception using errcode = '55000', message = format('identifiers of %s have no canonical form, so no column was dropped', relation),
          detail = (select string_agg(format('%s: %s', e.value, e.key), ', ' order by e.key) from jsonb_each_text(refused) e),
          hint = 'Their rows have no person. Mend, move or delete them, and call niji.adopt() again.';
      end if;
      raise warning using message = format('identifiers of %s have no canonical form', relation),
        detail = (select string_agg(format('%s: %s', e.value, e.key), ', ' order by e.key) from jsonb_each_text(refused) e),
        hint = 'Their rows have no person.';
    end if;
    return;
  end if;

  -- the same value in another column of the row
  foreach dropped in array drop_columns loop
    for r in select a.attname, y.typcategory, a.atttypid from pg_attribute a join pg_type y on y.oid = a.atttypid
              where a.attrelid = relation and a.attnum > 0 and not a.attisdropped and a.attname <> 'person' and a.attname <> all (drop_columns) loop
      execute format('select count(*) from %s t where length(t.%I::text) >= 5 and %s', relation, dropped,
                     case when r.typcategory in ('S', 'A') or r.atttypid in ('json'::regtype, 'jsonb'::regtype)
                          then format('position(t.%I::text in t.%I::text) > 0', dropped, r.attname)
                          else format('t.%I::text = t.%I::text', dropped, r.attname) end) into left_over;
      if left_over > 0 then
        perform niji.note_finding(adoption, 'part of an identifier', r.attname, '', left_over);
      end if;
    end loop;
  end loop;
  perform niji.drop_adopted(adoption, drop_columns);
  commit;

  perform set_config('search_path', 'pg_catalog, pg_temp', true);
  begin
    execute format('select from (select (%s)::text as identifier from %s t limit 0) x', identifier_expression, relation);
    still := true;
  exception when undefined_column then
    still := false;
  end;
  if still then
    perform niji.note_finding(adoption, 'expression', '', '', 1);
  end if;
  left_over := niji.prove_adoption(adoption);
  commit;
  if left_over > 0 then
    raise warning using message = format('identifiers are left in %s', relation),
      detail = 'The columns and numbers are in niji.adoptions.';
  end if;
end
$$;
comment on procedure @extschema@.adopt(regclass, text, text, integer, name[], numeric) is
  'Turns the caller''s table with identifiers into one with persons (既存表の取込み): adds a column person, fills it in portions of about batch_size rows from the expression (which sees the table''s columns, and the schema pg_catalog only), commits after each, and can be called again to go on. With drop_columns it then drops these, writes the table anew, and compares everything that is left with what is enrolled; the results are in niji.adoptions and in the trail. max_new as in niji.enrol_batch(), for each portion. Errors: 42501 not the owner, or foreign code, 42809 not a plain or partitioned table, 42701 a column person, 55000 malformed identifiers are left when columns are to go. Duty: loader, as the owner.';

insert into @extschema@.duty_right (duty, kind, object)
  select 'loader', 'function', f
    from unnest(array['adopt(regclass, text, text, integer, name[], numeric)', 'adopt_rows(regclass, text, text, bigint, bigint, text, numeric)',
                      'begin_adoption(regclass, text, text)', 'next_adoption(bigint, integer)', 'count_adopted(bigint, bigint)',
                      'note_finding(bigint, text, name, text, bigint)', 'set_adoption(bigint, text)', 'drop_adopted(bigint, name[])',
                      'prove_adoption(bigint)', 'abandon_adoption(bigint, text)', 'family(regclass)']) f;
insert into @extschema@.duty_right (duty, kind, object)
  select d, 'select', 'adoptions' from unnest(array['loader', 'governance', 'auditor']) d;
insert into @extschema@.duty_right (duty, kind, object)
  select d, 'function', 'has_duty(text)' from unnest(array['loader', 'governance', 'auditor']) d
  on conflict do nothing;
