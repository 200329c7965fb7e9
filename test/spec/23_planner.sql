-- The planner and pseudonyms: whatever it makes of a query, the answer is that of plain text keys.
-- Queries are drawn from a grammar, the same ones in each run, and run through a permit's kind of views and over tables
-- that hold the pseudonyms as text; then plans are looked at one by one.
\set ECHO none
select plan(68);

create role planner_owner nologin;
create role planner_analyst login;
create role planner_other login noinherit;
create schema store;
create schema p23;
create schema plain;
grant usage on schema store to planner_owner;
grant usage on schema p23, plain, public to planner_analyst, planner_other;
select niji.create_domain('study 23') as d, niji.create_domain('study 24') as d24 \gset

create table store.lab (person niji.person, v int, k text);
insert into store.lab select ((i * 7919) % 60 + 1)::text::niji.person, i, 'k' || i % 4 from generate_series(1, 240) i;
insert into store.lab select null, 1000 + i, 'k' || i % 2 from generate_series(1, 5) i;
create index lab_person on store.lab (person);
create table store.patient (person niji.person primary key, birth int);
insert into store.patient select i::text::niji.person, 1920 + i % 40 from generate_series(21, 100) i;
create table store.visit (person niji.person, n int) partition by hash (person);
create table store.visit0 partition of store.visit for values with (modulus 3, remainder 0);
create table store.visit1 partition of store.visit for values with (modulus 3, remainder 1);
create table store.visit2 partition of store.visit for values with (modulus 3, remainder 2);
insert into store.visit select (i % 70 + 1)::text::niji.person, i from generate_series(1, 150) i;
create table store.stay (person niji.person, ward int) partition by hash (person);
create table store.stay0 partition of store.stay for values with (modulus 3, remainder 0);
create table store.stay1 partition of store.stay for values with (modulus 3, remainder 1);
create table store.stay2 partition of store.stay for values with (modulus 3, remainder 2);
insert into store.stay select (i % 80 + 1)::text::niji.person, i % 7 from generate_series(1, 120) i;
analyze store.lab, store.patient, store.visit, store.stay;

-- a policy, a restrictive one beside it, and rights by column, as a permit has them
alter table store.lab enable row level security;
create policy filter on store.lab for select to planner_owner using (v % 17 <> 0);
create policy further on store.lab as restrictive for select to planner_owner using (v % 23 <> 0);
grant select (person, v, k) on store.lab to planner_owner;
grant select (person, birth) on store.patient to planner_owner;
grant select (person, n) on store.visit to planner_owner;
grant select (person, ward) on store.stay to planner_owner;
create view p23.lab as select niji.pseudonym(person, :d) as pid, v, k from store.lab;
create view p23.patient as select niji.pseudonym(person, :d) as pid, birth from store.patient;
create view p23.visit as select niji.pseudonym(person, :d) as pid, n from store.visit;
create view p23.stay as select niji.pseudonym(person, :d) as pid, ward from store.stay;
create view p23.other as select niji.pseudonym(person, :d24) as pid, birth from store.patient;
alter view p23.lab owner to planner_owner; alter view p23.patient owner to planner_owner;
alter view p23.visit owner to planner_owner; alter view p23.stay owner to planner_owner;
alter view p23.other owner to planner_owner;
grant select on all tables in schema p23 to planner_analyst, planner_other;

-- what the answers are compared with: pseudonyms as text, in tables that the planner knows nothing about
create table plain.lab (pid text collate "C", v int, k text);
insert into plain.lab select niji.pseudonym(person, :d)::text, v, k from store.lab where v % 17 <> 0 and v % 23 <> 0;
create table plain.patient (pid text collate "C", birth int);
insert into plain.patient select niji.pseudonym(person, :d)::text, birth from store.patient;
create table plain.visit (pid text collate "C", n int);
insert into plain.visit select niji.pseudonym(person, :d)::text, n from store.visit;
create table plain.stay (pid text collate "C", ward int);
insert into plain.stay select niji.pseudonym(person, :d)::text, ward from store.stay;
-- a list of one's own: as pseudonyms and as text, with duplicates, a null, rubbish and a pseudonym of another domain
create table p23.list (pid niji.pseudonym, t text collate "C");
insert into p23.list select pid::niji.pseudonym, pid from plain.patient where birth % 3 = 0;
insert into p23.list select pid::niji.pseudonym, pid from plain.lab where v < 8;
insert into p23.list values (null, null), (null, 'nonsense'), (niji.pseudonym('30', :d24), niji.pseudonym('30', :d24)::text);
create table plain.list (pid text collate "C", t text collate "C");
insert into plain.list select pid::text, t from p23.list;
grant select on all tables in schema plain to planner_analyst;
grant select on p23.list to planner_analyst;
analyze p23.list;

create function public.plan_of(query text) returns text language plpgsql as $$
declare line text; result text := '';
begin
  for line in execute 'explain (costs off) ' || query loop result := result || line || e'\n'; end loop;
  return result;
end $$;
create function public.verbose_plan_of(query text) returns text language plpgsql as $$
declare line text; result text := '';
begin
  for line in execute 'explain (verbose, costs off) ' || query loop result := result || line || e'\n'; end loop;
  return result;
end $$;

-- ---- queries at random ----

create function public.pick(variadic choices text[]) returns text language sql volatile as
$$ select choices[1 + floor(random() * cardinality(choices))::int] $$;

-- a pseudonym: of somebody who is there, of nobody, of another domain; as a literal or as text, which may be rubbish
create function public.constant(typed boolean) returns text language plpgsql volatile as $$
declare value text;
begin
  if random() < 0.1 then
    return pick('null', 'null::text');
  end if;
  select t into value from plain.list where t is not null and t <> 'nonsense' order by random() limit 1;
  if random() < 0.3 then
    select pid into value from plain.lab where pid is not null order by random() limit 1;
  end if;
  if typed and random() < 0.15 then
    value := 'nonsense';
  end if;
  return quote_literal(value) || case when typed then pick('::text', '::varchar') else '' end;
end $$;

-- a condition on x.pid; S stands for the schema
create function public.condition(x text, depth int) returns text language plpgsql volatile as $$
begin
  if depth > 0 and random() < 0.4 then
    return format(pick('(%s and %s)', '(%s or %s)', '(not %s and %s)', '(not (%s or %s))', '((%s) is not true or %s)'),
                  condition(x, depth - 1), condition(x, depth - 1));
  end if;
  case floor(random() * 26)::int
    when 0 then return format('%s.pid = %s', x, constant(false));
    when 1 then return format('%s = %s.pid', constant(true), x);
    when 2 then return format('%s.pid <> %s', x, constant(random() < 0.5));
    when 3 then return format('not (%s.pid = %s)', x, constant(true));
    when 4 then return format('%s.pid in (%s, %s, %s)', x, constant(false), constant(false), constant(false));
    when 5 then return format('%s.pid in (%s, %s)', x, constant(true), constant(true));
    when 6 then return format('%s.pid not in (%s, %s)', x, constant(false), constant(false));
    when 7 then return format('%s.pid = any (array[%s, %s, %s]::text[])', x, constant(true), constant(true), constant(true));
    when 24 then return format('%s.pid <> all (array[%s, %s]::niji.pseudonym[]::text[])', x, constant(false), constant(false));
    when 25 then return format('not (%s.pid = any (array[%s, %s]::text[]))', x, constant(true), constant(true));
    when 8 then return format('%s.pid <> all (array[%s, %s]::text[])', x, constant(true), constant(true));
    when 9 then return format('%s.pid in (select pid from S.patient where birth %% %s = 0)', x, 2 + floor(random() * 4)::int);
    when 10 then return format('%s.pid not in (select pid from S.lab where v < %s)', x, 10 + floor(random() * 40)::int);
    when 11 then return format('%s.pid not in (select pid from S.lab where v > %s)', x, 995 + floor(random() * 12)::int);
    when 12 then return format('exists (select from S.visit e where e.pid = %s.pid and n < %s)', x, floor(random() * 80)::int);
    when 13 then return format('not exists (select from S.stay e where e.pid = %s.pid and ward = %s)', x, floor(random() * 8)::int);
    when 14 then return format('%s.pid is %s null', x, pick('', 'not'));
    when 15 then return format('(%s.pid = %s) is %s', x, constant(true), pick('null', 'not true', 'not false', 'true'));
    when 16 then return format('%s.pid = (select %s(pid) from S.lab where v < %s)', x, pick('min', 'max'), floor(random() * 50)::int);
    when 17 then return format('%s.pid %s %s', x, pick('<', '>=', '>'), constant(false));
    when 18 then return format('coalesce(%s.pid, %s) = %s', x, constant(false), constant(false));
    when 19 then return format('case when %s.pid = %s then false else %s.pid is not null end', x, constant(false), x);
    when 20 then return format('%s.pid in (select %s from S.list)', x, pick('pid', 't'));
    when 21 then return format('%s.pid not in (select t from S.list where t is not null)', x);
    when 22 then return format('%s.pid in (select pid from S.lab group by pid having count(*) > %s)', x, 2 + floor(random() * 3)::int);
    else return format('%s.pid = any (array(select pid from S.visit where n %% 5 = 1))', x);
  end case;
end $$;

-- tables a and b joined
create function public.source() returns text language plpgsql volatile as $$
declare
  b text := pick('S.patient', 'S.visit', 'S.stay', 'S.list', '(select pid, count(*) c from S.visit group by pid)', '(select distinct pid from S.lab)',
                 '(select pid from S.patient union all select pid from S.stay)', '(select pid, max(n) m from S.visit group by pid having max(n) > 40)',
                 '(select pid, ward from S.stay order by ward, pid limit 30)', '(select l.pid, count(distinct t.pid) c from S.lab l left join S.stay t using (pid) group by l.pid)');
  side text := pick('', 'left', 'right');
begin
  case floor(random() * 9)::int
    when 0 then return format('S.lab a, %s b where a.pid = b.pid and', b);
    when 1 then return format('S.lab a %s join %s b on a.pid = b.pid and %s where', side, b, condition(case when side = 'right' then 'a' else 'b' end, 0));
    when 2 then return format('S.lab a full join %s b on a.pid = b.pid where', b);
    when 3 then return format('S.lab a cross join lateral (select pid, count(*) c from S.visit l where l.pid = a.pid group by pid) b where');
    when 4 then return format('S.lab a left join lateral (select max(pid) pid, count(distinct pid) c from S.stay l where l.pid = a.pid and %s) b on true where', condition('l', 0));
    when 5 then return format('(select * from S.lab where %s) a %s join %s b using (pid) where', condition('lab', 0), side, b);
    when 6 then return format('S.visit a %s join S.stay b using (pid) where', side);
    when 7 then return format('S.visit a full join S.stay b on a.pid = b.pid where');
    else return format('(select pid, count(*) n from S.visit group by pid) a %s join %s b on b.pid = a.pid where', side, b);
  end case;
end $$;

create function public.random_query() returns text language plpgsql volatile as $$
declare
  x text := pick('a', 'b');
  y text := pick('a', 'b');
  tail text := format('from %s %s', source(), condition(x, 2));
begin
  case floor(random() * 14)::int
    when 0 then return format('select a.pid as p, b.pid as q %s', tail);
    when 1 then return format('select count(*), count(a.pid), count(b.pid), count(distinct %s.pid), max(a.pid), min(b.pid) %s', y, tail);
    when 2 then return format('select %s.pid, count(*) %s group by %s.pid', x, tail, x);
    when 3 then return format('select a.pid, b.pid, count(*), count(distinct b.pid) %s group by a.pid, b.pid', tail);
    when 4 then return format('select %s.pid, count(*) filter (where %s), max(%s.pid) %s group by %s.pid having %s or count(*) > 2', x, condition(y, 0), y, tail, x, condition(x, 0));
    when 5 then return format('select count(*), count(distinct %s.pid) filter (where %s) %s group by %s.pid', y, condition(x, 0), tail, x);
    when 6 then return format('select distinct %s.pid %s', x, tail);
    when 7 then return format('select distinct a.pid, b.pid %s', tail);
    when 24 then return format('%s.pid <> all (array[%s, %s]::niji.pseudonym[]::text[])', x, constant(false), constant(false));
    when 25 then return format('not (%s.pid = any (array[%s, %s]::text[]))', x, constant(true), constant(true));
    when 8 then return format('select distinct %s.pid, exists (select from S.patient e where e.pid = %s.pid group by e.pid) %s', x, y, tail);
    when 9 then return format('select %s.pid, b.pid as q, count(*) over (partition by %s.pid), dense_rank() over (partition by %s.pid order by %s.pid) %s', x, x, x, y, tail);
    when 10 then return format('select %s.pid %s %s select pid from S.stay', x, tail, pick('union', 'union all', 'intersect', 'except'));
    when 11 then return format('with w as %s (select a.pid as p, b.pid as q %s) select p, count(*) from w group by p', pick('', 'materialized', 'not materialized'), tail);
    when 12 then return format('select %s.pid, count(distinct %s.pid) %s group by rollup (%s.pid)', x, y, tail, x);
    else return format('select %s.pid is null, count(distinct %s.pid), (select count(*) from S.patient e where e.pid = %s.pid) %s group by %s.pid', x, y, x, tail, x);
  end case;
end $$;

-- all rows of a query as text, sorted; or how it failed
create function public.answer(query text) returns text[] language plpgsql volatile as $$
declare result text[];
begin
  execute format('select coalesce(array_agg(x::text collate "C" order by x::text collate "C"), ''{}'') from (%s) x', query) into result;
  return result;
exception when others then
  return array[sqlstate || ' ' || sqlerrm];
end $$;

create function public.way() returns text language sql volatile as $$
  select pick('', 'set_config(''enable_hashjoin'', ''off'', true)', 'set_config(''enable_nestloop'', ''off'', true), set_config(''enable_hashagg'', ''off'', true)',
    'set_config(''enable_mergejoin'', ''off'', true), set_config(''enable_hashjoin'', ''off'', true), set_config(''enable_seqscan'', ''off'', true)',
    'set_config(''enable_partitionwise_join'', ''on'', true), set_config(''enable_partitionwise_aggregate'', ''on'', true)',
    'set_config(''enable_hashagg'', ''off'', true), set_config(''enable_hashjoin'', ''off'', true)') $$;

-- runs queries of the grammar both ways; gives those whose answers differ
create function public.differences(seed float8, queries int, settings text default null) returns table (wrong int, failed int, empty int, example text)
language plpgsql volatile as $$
declare
  query text;
  ways text;
  expected text[];
  got text[];
begin
  perform setseed(seed);
  wrong := 0; failed := 0; empty := 0; example := '';
  for i in 1 .. queries loop
    query := random_query();
    ways := coalesce(settings, way());
    expected := answer(replace(query, 'S.', 'plain.'));
    begin
      if ways <> '' then
        execute 'select ' || ways;
      end if;
      got := answer(replace(query, 'S.', 'p23.'));
      -- back to the settings of before
      raise exception using errcode = 'ZZ001';
    exception when sqlstate 'ZZ001' then null;
    end;
    failed := failed + (cardinality(expected) = 1 and expected[1] ~ '^[0-9A-Z]{5} ')::int;
    empty := empty + (expected = '{}')::int;
    if expected <> got then
      wrong := wrong + 1;
      if example = '' or length(query) < length(example) then
        example := format(e'%s: %s\n  gives %s\n  not   %s', ways, query, left(got::text, 300), left(expected::text, 300));
      end if;
    end if;
  end loop;
  return next;
end $$;

-- what is tested in the end is done as the analyst: through views, under policies, with rights by column
set session authorization planner_analyst;
set jit = off;
select pid as one from plain.lab where v = 7 \gset
select pid as two from plain.lab where v = 9 \gset
select wrong, failed, empty, example from public.differences(0.23, 1000) \gset
select is(:wrong, 0, 'a thousand queries of joins, lists, sub-queries and groups answer as with keys of text') || coalesce(e'\n' || diag(nullif(:'example', '')), '');
select is(:failed, 0, 'none of them fails');
select cmp_ok(:empty, '<', 350, 'and most of them find something');
select wrong, failed, empty, example from public.differences(0.24, 12, 'set_config(''parallel_setup_cost'', ''0'', true), set_config(''parallel_tuple_cost'', ''0'', true), '
  'set_config(''min_parallel_table_scan_size'', ''0'', true), set_config(''max_parallel_workers_per_gather'', ''1'', true)') \gset
select is(:wrong, 0, 'a dozen with parallel workers too') || coalesce(e'\n' || diag(nullif(:'example', '')), '');

-- ---- lists that are negated ----
select alike(plan_of(format('select v from p23.lab where pid not in (%L, %L)', :'one', :'two')), '%NOT (person %', 'NOT IN compares persons');
select alike(plan_of(format('select v from p23.lab where pid <> all (array[%L, %L, null]::text[])', :'one', 'nonsense')), '%NOT (person %', 'so does <> ALL, with rubbish and nulls');
select alike(plan_of(format('select l.t from p23.list l where l.pid not in (%L, %L)', :'one', :'two')), '%(pid <> ALL (%', 'for a column of pseudonyms it stays what it was');
select is((select count(*) from p23.lab where pid not in (:'one', :'two')), (select count(*) from plain.lab where pid not in (:'one', :'two')), 'NOT IN leaves out the rows of both, and those of nobody');
select is((select count(*) from p23.lab where pid <> all (array[:'one', null]::niji.pseudonym[])), 0::bigint, 'with a null in the list nothing is sure');
select is((select count(*) from p23.lab where pid <> all ('{}'::text[])), (select count(*) from plain.lab), 'and all are outside of an empty list');

-- ---- grouping is by person ----
select matches(verbose_plan_of('select pid, count(*) from p23.lab group by pid'), 'Group Key: lab.person', 'GROUP BY pid groups by person');
select unalike(verbose_plan_of('select pid, count(*) from p23.lab group by pid'), '%Seq Scan%pseudonym(%', 'and encrypts above the grouping, once for each group');
select unalike(verbose_plan_of('select count(*) from (select pid from p23.lab group by pid having count(*) > 3) x'), '%Scan on store.lab%pseudonym(%', 'also in a sub-query');
select matches(verbose_plan_of('select distinct pid from p23.lab'), 'Group Key: lab.person', 'so does DISTINCT');
select matches(verbose_plan_of('select distinct pid, k from p23.lab order by k, pid'), 'Sort Key: lab.k, \(niji.pseudonym', 'ORDER BY stays by pseudonym');
select is((select array_agg(pid::text) from (select distinct pid from p23.lab order by pid) x), (select array_agg(pid) from (select distinct pid from plain.lab order by pid) x), 'and its order is that of the text');
select alike(verbose_plan_of('select count(distinct pid) from p23.lab'), '%count(DISTINCT lab.person)%', 'count(DISTINCT pid) counts persons');
select alike(verbose_plan_of('select k from p23.lab group by k having count(distinct pid) > 3'), '%count(DISTINCT lab.person)%', 'in HAVING too');
select unalike(plan_of('select pid, rank() over (partition by pid order by v) from p23.lab'), '%Sort Key: lab.person%', 'PARTITION BY pid sorts by the pseudonym: in the order of persons rows would come out alike under every permit');
select matches(plan_of('select l.pid, count(*) from p23.lab l left join p23.patient t using (pid) group by l.pid'), 'Group Key: lab.person', 'above a join too');
select matches(plan_of('select pid, count(*) from p23.lab l left join p23.patient t using (pid) where t.birth is null group by pid'), 'Group Key: lab.person', 'also by a column that USING merged');
select matches(plan_of('select t.pid, count(*) from p23.lab l left join p23.patient t on t.pid = l.pid group by t.pid'), 'Group Key: patient.person', 'on the side of an outer join that may be missing too');
select is((select count(*) from (select t.pid, count(*) n from p23.lab l left join p23.patient t on t.pid = l.pid group by t.pid) x where pid is null), 1::bigint, 'and all that are missing are one group');
select matches(plan_of(format('select pid, count(*) from p23.lab group by pid having pid = %L', (select pid from plain.lab where v = 7))), '(Index|Recheck) Cond: \(person ', 'HAVING pid = x reaches the index below it');
select matches(plan_of('with w as (select * from p23.lab) select pid, count(*) from w group by pid'), 'Group Key: lab.person', 'a WITH that is inlined is looked through');
select matches(plan_of('select pid, count(*), min(v) from p23.lab where exists (select from p23.patient e where e.pid = lab.pid group by e.pid) group by pid'), 'Group Key: lab.person', 'a sub-query that groups, in WHERE, does not hinder it');
select matches(plan_of('select pid, exists (select from p23.patient e where e.pid = lab.pid group by e.pid) from p23.lab group by pid'), 'Group Key: lab.person', 'nor in the target list');
select matches(plan_of('select min(k) from p23.lab where false group by pid'), 'Group Key: ', 'nor a WHERE that is false');

-- ---- in no order of persons ----
set enable_hashagg = off;
select unalike(plan_of('select pid, count(*) from p23.lab group by pid'), '%Sort%', 'groups of persons are never sorted, whatever the settings');
reset enable_hashagg;
select unalike(plan_of('select pid, count(distinct v) from p23.lab group by pid'), '%Key: lab.person%', 'a grouping that has to be sorted is by the pseudonym');
select unalike(plan_of('select pid, string_agg(k, '','' order by v) from p23.lab group by pid'), '%Key: lab.person%', 'also for an aggregate that is ordered');
select is((select count(*) from (select pid, count(distinct v) from p23.lab group by pid) x), (select count(*) from (select pid from plain.lab group by pid) x), 'and stays right');

-- ---- what is left as it is ----
select unalike(plan_of('select pid, count(*) from p23.lab group by rollup (pid)'), '%Key: lab.person%', 'grouping sets stay as they are');
select is((select count(*) from (select distinct on (pid) pid, v from p23.lab order by pid, v desc) x join plain.lab p on p.pid = x.pid::text and p.v > x.v), 0::bigint, 'DISTINCT ON stays right');
select alike(plan_of('select pid, count(*) from p23.visit a full join p23.stay b using (pid) group by pid'), '%Group Key: COALESCE(%', 'the merged column of a FULL JOIN is not a person''s');
select is((select array_agg(distinct n) from (select distinct pid, generate_series(1, 2) as n from p23.lab) x), array[1, 2], 'DISTINCT with a function that returns sets stays right');
select is((select count(*) from (select distinct pid, random() < 2 from p23.lab) x), (select count(distinct pid) + 1 from plain.lab), 'DISTINCT with a volatile function stays right');
select is((select count(*) from (select distinct pid, count(*) over (partition by pid) from p23.lab) x), (select count(distinct pid) + 1 from plain.lab), 'DISTINCT above a window stays right');
select is((select count(*) from (select distinct pid, count(*) from p23.lab group by pid, k) x), (select count(*) from (select distinct pid, count(*) from plain.lab group by pid, k) x), 'DISTINCT above GROUP BY stays right');
select is((select count(*) from (select pid from (select pid from p23.lab union all select pid from p23.stay) u group by pid) x), (select count(*) from (select pid from plain.lab union select pid from plain.stay) x), 'grouping a UNION ALL stays right');
select is((select count(distinct pid || k) from p23.lab), (select count(distinct pid || k) from plain.lab), 'what is made of a pid is counted as it is');

-- ---- no person comes to light ----
select is((select string_agg(distinct keys, ',') from (select jsonb_object_keys(to_jsonb(g)) as keys from (select pid, count(*) from p23.lab group by pid) g) x), 'count,pid', 'a row of a grouped sub-query has the columns that were asked for');
select matches((select (g.*)::text from (select pid, count(*) from p23.lab where pid is not null group by pid) g limit 1), '^\([0-9A-Z]{28},[0-9]+\)$', 'also as a record');
select is((select string_agg(distinct pg_typeof(pid)::text, ',') from (select pid from p23.lab group by pid order by pid) x), 'niji.pseudonym', 'and a grouped pid is a pseudonym');
reset session authorization;
create table public.seen (what text);
grant insert, select on public.seen to planner_analyst;
create function public.peek(anyelement) returns boolean language plpgsql cost 0.0001 as $$ begin insert into public.seen values (pg_typeof($1)::text); return true; end $$;
set session authorization planner_analyst;
select count(*) from (select pid, count(*) filter (where public.peek(pid)) from p23.lab group by pid having public.peek(pid) and public.peek(max(pid)) order by public.peek(pid)) x \g /dev/null
select count(*) from (select distinct pid, public.peek(pid) from p23.lab) x \g /dev/null
select is((select string_agg(distinct what, ',') from public.seen), 'niji.pseudonym', 'functions of one''s own get the pseudonym, wherever they stand');
select is((select array_agg(column_name::text order by ordinal_position) from information_schema.columns where table_schema = 'p23' and table_name = 'lab'), array['pid', 'v', 'k'], 'the view is what it was');
select unalike(verbose_plan_of('select pid, count(*) from p23.lab group by pid'), '%group_by_person%', 'the planner''s marker is not in the plan');
select throws_ok('select niji.group_by_person(null)', '42883', null, 'which nobody can write');
select isnt_empty('select 1 from p23.lab where pid is not null group by pid having pid is not null', 'a condition on groups alone');

-- ---- partitions ----
set enable_partitionwise_join = on; set enable_partitionwise_aggregate = on;
select matches(plan_of('select count(*) from p23.visit a join p23.stay b using (pid)'), 'Append.*Hash Join.*Hash Join.*Hash Join', 'tables that are partitioned by person are joined by pid partition by partition');
select matches(plan_of('select pid, count(*) from p23.visit group by pid'), 'Append.*Group Key: visit.*Group Key: visit', 'and grouped by pid partition by partition');
reset enable_partitionwise_join; reset enable_partitionwise_aggregate;
set plan_cache_mode = force_generic_plan;
prepare one_visit(text) as select count(*) from p23.visit where pid = $1;
prepare two_visits(text[]) as select count(*) from p23.visit where pid = any ($1);
select matches(plan_of('execute one_visit(''x'')'), 'Subplans Removed: 2', 'a parameter prunes partitions when the statement starts');
select results_eq(format('execute one_visit(%L)', pid), format('select count(*) from plain.visit where pid = %L', pid), 'and finds its rows') from plain.visit where n = 7;
select results_eq(format('execute two_visits(array[%L, null, ''rubbish''])', pid), format('select count(*) from plain.visit where pid = %L', pid), 'so does an array') from plain.visit where n = 8;

-- ---- statements that were prepared ----
prepare groups as select count(*) from (select pid, count(*) from p23.lab group by pid having pid <> 'nonsense'::text) x;
prepare persons as select count(distinct pid) from p23.lab;
select results_eq('execute groups', 'select count(distinct pid) from plain.lab', 'a prepared statement groups');
reset session authorization;
select pg_reload_conf() \g /dev/null
set session authorization planner_analyst;
select pg_sleep(0.3) \g /dev/null
select results_eq('execute groups', 'select count(distinct pid) from plain.lab', 'and again after keys were read anew');
select results_eq('execute persons', 'select count(distinct pid) from plain.lab', 'as does one that counts');
reset session authorization;
grant planner_analyst to planner_other;
revoke select on p23.lab from planner_other; -- a member that does not inherit
set session authorization planner_other;
set role planner_analyst;
prepare as_role as select count(*) from (select pid, max(v) from p23.lab group by pid) x;
select results_eq('execute as_role', 'select count(distinct pid) + 1 from plain.lab', 'a statement that was planned under one role');
set role planner_other;
select throws_ok('execute as_role', '42501', null, 'is refused under another that may not read the view');
reset role;
reset session authorization;
-- a custodian, since another session would be needed to have the pseudonyms of two domains undone
select niji.grant_duty('custodian', 'planner_other') \g /dev/null
grant select on p23.other to planner_other;
set session authorization planner_other;
prepare old_birth(text) as select count(*) from p23.other where pid = $1;
prepare old_groups as select count(*) from (select pid from p23.other group by pid having max(birth) > 0) x;
prepare old_pids as select pid from p23.other group by pid;
select pid as other_one from p23.other where birth = 1950 limit 1 \gset
select results_eq(format('execute old_birth(%L)', :'other_one'), array[1]::bigint[], 'a pseudonym of another domain is found in its own');
reset session authorization;
select niji.erase_domain('study 24', 'the study is over') \g /dev/null
set session authorization planner_other;
select results_eq(format('execute old_birth(%L)', :'other_one'), array[0]::bigint[], 'after the domain was erased the same prepared statement finds nobody');
select throws_ok('execute old_pids', '55000', null, 'and one that shows pseudonyms is an error');
reset plan_cache_mode;

-- ---- estimates ----
reset session authorization;
create table store.skewed (person niji.person, v int);
insert into store.skewed select (case when i % 2 = 0 then 30 else i % 500 + 100 end)::text::niji.person, i from generate_series(1, 4000) i;
create index on store.skewed (person);
analyze store.skewed;
create view p23.skewed as select niji.pseudonym(person, :d) as pid, v from store.skewed;
create view p23.all_lab as select niji.pseudonym(person, :d) as pid, v from store.lab;
create function public.rows_of(query text) returns float8 language plpgsql as $$
declare plan json;
begin execute 'explain (format json) ' || query into plan; return (plan->0->'Plan'->>'Plan Rows')::float8; end $$;
select is(rows_of(format('select from p23.skewed where pid = %L', niji.pseudonym('30', :d))), rows_of(format('select from p23.skewed where pid = %L', niji.pseudonym('101', :d))), 'the estimate for pid = x does not tell who has many rows');
select is(rows_of(format('select from p23.skewed where pid in (%L, %L)', niji.pseudonym('30', :d), niji.pseudonym('102', :d))), rows_of(format('select from p23.skewed where pid in (%L, %L)', niji.pseudonym('103', :d), niji.pseudonym('102', :d))), 'nor that for a list');
select is(rows_of(format('select from p23.skewed where pid = %L', :'other_one')), rows_of(format('select from p23.skewed where pid = %L', niji.pseudonym('101', :d))), 'nor whether anybody is there');
select is(rows_of('select from p23.skewed join p23.list using (pid)'), rows_of('select from p23.skewed join (select pid, 1 from p23.list) l using (pid)'), 'a join to a list is estimated without looking who is in it');
select is(rows_of('select from p23.skewed a join p23.all_lab b using (pid)'), rows_of('select from store.skewed a join store.lab b using (person)'), 'a join by pid is estimated as one by person');
select is(rows_of('select pid from p23.skewed group by pid'), rows_of('select person from store.skewed group by person'), 'and so are groups');

select * from finish();
