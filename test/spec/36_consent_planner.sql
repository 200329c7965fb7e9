-- The planner under a permit: what a reader's query becomes, as the reader sees it.
-- Each kind of plan that PostgreSQL has for a bare table it has for a permit's view as well.
\set ECHO none
\i test/story.sql
\set ON_ERROR_STOP 1
select plan(88);

create schema store;
create table store.visit (
  person niji.person not null, taken_on date not null, code niji.icd10 not null, receipt niji.receipt_code, place niji.institution_code,
  insurer niji.insurer_number, other_code niji.icd10, age smallint, weight int, birth_date date, seen_at timestamp, sent_at timestamptz, name text collate "C"
);
insert into store.visit
  select (i % 5000 + 1)::text::niji.person, date '2020-01-01' + i % 1000, 'E' || lpad((i % 100)::text, 2, '0') || case when i % 3 = 0 then '1' else '' end,
         (8830000 + i % 1000)::text, lpad((110000000::bigint + i % 47 * 100000000::bigint)::text, 10, '0'), lpad((i % 500)::text, 8, '0'), 'E' || lpad((i % 100)::text, 2, '0'),
         i % 100, i % 90, date '1920-01-01' + (i * 7) % 36500, timestamp '2020-01-01' + i * interval '1 hour', timestamptz '2020-01-01 00:00+09' + i * interval '1 hour', 'name ' || i % 500
    from generate_series(1, 20000) i;
create index on store.visit (person);
create index on store.visit (taken_on, person) include (weight);
create index on store.visit (code, person);
create index on store.visit (receipt);
create index on store.visit (place);
create index on store.visit (insurer);
create index on store.visit (other_code);
create index on store.visit (age);
create index on store.visit (birth_date);
create index on store.visit (seen_at);
create index on store.visit (name);
create table store.lab (person niji.person not null, taken_on date not null, value int) partition by range (taken_on);
create table store.lab_2020 partition of store.lab for values from ('2020-01-01') to ('2021-01-01');
create table store.lab_2021 partition of store.lab for values from ('2021-01-01') to ('2022-01-01');
create table store.lab_2022 partition of store.lab for values from ('2022-01-01') to ('2023-01-01');
insert into store.lab select (i % 5000 + 1)::text::niji.person, date '2020-01-01' + i % 1000, i from generate_series(1, 10000) i;
create table store.seen (person niji.person not null, seen_at timestamptz not null, value int) partition by range (seen_at);
create table store.seen_2020 partition of store.seen for values from ('2020-01-01 00:00+09') to ('2021-01-01 00:00+09');
create table store.seen_2021 partition of store.seen for values from ('2021-01-01 00:00+09') to ('2022-01-01 00:00+09');
create table store.seen_2022 partition of store.seen for values from ('2022-01-01 00:00+09') to ('2023-01-01 00:00+09');
insert into store.seen select (i % 5000 + 1)::text::niji.person, timestamptz '2020-01-01 00:00+09' + i * interval '6 hours', i from generate_series(1, 4000) i;
create table store.stay (person niji.person not null, ward int) partition by hash (person);
create table store.stay_0 partition of store.stay for values with (modulus 4, remainder 0);
create table store.stay_1 partition of store.stay for values with (modulus 4, remainder 1);
create table store.stay_2 partition of store.stay for values with (modulus 4, remainder 2);
create table store.stay_3 partition of store.stay for values with (modulus 4, remainder 3);
insert into store.stay select (i % 5000 + 1)::text::niji.person, i % 7 from generate_series(1, 10000) i;
create index on store.stay (person);
-- a part of the persons, some of whom are not known
create table store.few (person niji.person, value int);
insert into store.few select case when i % 4 > 0 then (i % 50 * 100 + 20)::text::niji.person end, i from generate_series(1, 4000) i;
create table store.free (person niji.person not null, value int);
insert into store.free select (i % 5000 + 1)::text::niji.person, i from generate_series(1, 1000) i;
vacuum analyze store.visit, store.lab, store.seen, store.stay, store.few, store.free;

do $$
begin
  perform niji.register_dataset('visit', 'store.visit', array['person']::name[], 'city-hospital', 'ehr', 'law', date_column => 'taken_on');
  perform niji.register_dataset('recent_lab', 'store.lab', array['person']::name[], 'city-hospital', 'ehr', 'law', date_column => 'taken_on');
  perform niji.register_dataset('seen', 'store.seen', array['person']::name[], 'city-hospital', 'ehr', 'law', date_column => 'seen_at');
  perform niji.register_dataset('stay', 'store.stay', array['person']::name[], 'city-hospital', 'ehr', 'law');
  perform niji.register_dataset('few', 'store.few', array['person']::name[], 'city-hospital', 'ehr', 'law');
  perform niji.register_dataset('free', 'store.free', array['person']::name[], 'city-hospital', 'claims', 'law');
end $$;
-- one in twenty objects, in the whole population
insert into niji.consent (person, decision, category, effective_from)
  select (i * 20)::text::niji.person, 'deny', 'ehr', now() from generate_series(1, 250) i;
set session authorization governance_abe;
do $$
begin
  perform niji.set_rule('ehr', 'statistics', 'opt_in');
  perform niji.apply_permit('P36', 'Plans', 'tohoku-lab', 'research', current_date - 1, current_date + 300);
  perform niji.request_data('P36', 'visit', array['taken_on', 'code', 'receipt', 'place:plain', 'insurer', 'other_code:prefix(3)', 'age:band(5)', 'weight', 'birth_date:year', 'seen_at:month', 'sent_at:month', 'name']);
  perform niji.request_data('P36', 'recent_lab', array['taken_on:month', 'value'], period => '[2020-01-01,2022-01-01)');
  perform niji.request_data('P36', 'seen', array['seen_at', 'value'], period => '[2021-01-10,2021-02-01)');
  perform niji.request_data('P36', 'stay', array['ward']);
  perform niji.request_data('P36', 'few', array['value']);
  perform niji.request_data('P36', 'free', array['value']);
  perform niji.apply_permit('P36-IN', 'Plans', 'tohoku-lab', 'statistics', current_date - 1, current_date + 300);
  perform niji.request_data('P36-IN', 'visit', array['weight']);
end $$;
set session authorization reviewer_baba;
do $$ begin perform niji.review_permit('P36', 'approve', ''); perform niji.review_permit('P36-IN', 'approve', ''); end $$;
set session authorization reviewer_chiba;
do $$ begin perform niji.review_permit('P36', 'approve', ''); perform niji.review_permit('P36-IN', 'approve', ''); end $$;
set session authorization governance_abe;
do $$ begin perform niji.grant_permit('P36'); perform niji.grant_permit('P36-IN'); perform niji.add_reader('P36', 'analyst_fujita'); end $$;
reset session authorization;
select p.id as permit, p.domain as d from niji.permit p where code = 'P36' \gset
select p.id as permit_in from niji.permit p where code = 'P36-IN' \gset
select id as visit from niji.datasets where name = 'visit' \gset
select id as few from niji.datasets where name = 'few' \gset
select id as free from niji.datasets where name = 'free' \gset
-- the bare rows that the answers are compared with
create schema plain;
create table plain.visit as select niji.pseudonym(person, :d)::text as pid, taken_on, code::text, receipt::text, other_code::text, age, weight, birth_date, seen_at, sent_at, name
  from store.visit where person::text::int % 20 <> 0;
create table plain.lab as select * from store.lab where person::text::int % 20 <> 0;
alter table plain.lab drop column person;
grant usage on schema plain to analyst_fujita;
grant select on all tables in schema plain to analyst_fujita;

create function public.plan_of(query text) returns text language plpgsql as $$
declare line text; result text := '';
begin
  for line in execute 'explain (costs off) ' || query loop result := result || line || e'\n'; end loop;
  return result;
end $$;
create function public.rows_of(query text) returns float8 language plpgsql as $$
declare plan json;
begin execute 'explain (format json) ' || query into plan; return (plan->0->'Plan'->>'Plan Rows')::float8; end $$;
-- whether a condition is searched for in an index, and beside it only niji's filters are asked of rows
create function public.searches(condition text, column_name text) returns boolean language sql as $$
  select plan_of('select * from p36.visit where ' || condition) ~ format('Index Cond: \(*%s ', column_name) $$;

set session authorization analyst_fujita;

-- ---- scans ----
select ok(searches('taken_on = ''2020-03-01''', 'taken_on'), 'a date is searched for in its index');
select ok(searches('taken_on between ''2020-03-01'' and ''2020-03-03''', 'taken_on'), 'a range of dates as well');
select matches(plan_of('select * from p36.visit where taken_on between ''2020-03-01'' and ''2020-03-03'''), 'Bitmap Heap Scan', 'by a bitmap');
select matches(plan_of('select * from p36.visit order by taken_on limit 10'), '^Limit\n *-> +Index Scan using ', 'the first ones by date are read in the order of the index');
select matches(plan_of('select * from p36.visit order by taken_on, code limit 10'), 'Incremental Sort.*Index Scan', 'what lacks of an order is sorted group by group');
select matches(plan_of('select max(taken_on) from p36.visit'), 'Index Only Scan Backward', 'the greatest is the last of the index');
select matches(plan_of('select sum(weight) from p36.visit where taken_on between ''2020-03-01'' and ''2020-03-03'''), 'Index Only Scan using visit_taken_on_person_weight_idx',
  'an index that has the person too answers alone');
select unalike(plan_of('select count(*) from p36.visit where receipt = ''8830007'''), '%Index Only%', 'one without the person cannot, since the filter asks for them');
set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off;
select matches(plan_of('select count(*) from p36.visit where taken_on = ''2020-03-01'''), 'Seq Scan on visit b\n *Filter: \(niji.under_permit\([0-9]+\) AND \(taken_on = .* AND niji.permitted\(',
  'in a scan of the table what is cheap and leakproof is asked before the consents');
reset enable_indexscan; reset enable_indexonlyscan; reset enable_bitmapscan;

-- ---- code types ----
select ok(searches(c, 'code'), c || ' keeps its index')
  from unnest(array['code = ''E11''', 'code = ''E11''::text', 'code < ''E02''', 'code <= ''E01''', 'code > ''E97''', 'code >= ''E98''', 'code between ''E10'' and ''E11''',
    'code in (''E10'', ''E111'')', 'code <@ ''E11''', '''E11'' @> code', 'code ^@ ''E11''', 'code like ''E11%''', 'code like ''E1_1''', 'code = any (array[''E10'', ''E13''])']) c;
select ok(searches('receipt = ''8830007''', 'receipt') and searches('receipt ^@ ''883000''', 'receipt') and searches('receipt like ''883000%''', 'receipt'), 'so do receipt codes');
select ok(searches('place = ''0110000000''', 'place') and searches('place <@ ''01''', 'place') and searches('place like ''01%''', 'place'), 'codes of institutions');
select ok(searches('insurer = ''00000017''', 'insurer') and searches('insurer <@ ''0000001''', 'insurer') and searches('insurer between ''00000001'' and ''00000003''', 'insurer'), 'and numbers of insurers');
select ok(not searches('upper(code::text) = ''E11''', 'code'), 'a function of the text does not: the test can fail');

-- ---- transforms ----
select ok(searches('birth_date = 1960', 'birth_date'), 'year = 1960 is a range of dates in the index');
select ok(searches('1960 = birth_date', 'birth_date'), 'the other way round');
select ok(searches(c, 'birth_date'), c) from unnest(array['birth_date < 1922', 'birth_date <= 1921', 'birth_date > 2017', 'birth_date >= 2018', 'birth_date between 1960 and 1961', 'birth_date in (1960, 1971)', 'birth_date = 1960::bigint']) c;
select ok(searches('seen_at = ''2020-02-01''', 'seen_at') and searches('seen_at between ''2020-02-01'' and ''2020-03-01''', 'seen_at'), 'a month of a timestamp too');
select ok(searches('age = 60', 'age') and searches('age in (60, 65)', 'age') and searches('age >= 95', 'age'), 'and a band');
select ok(searches('other_code = ''E11''', 'other_code') and searches('other_code in (''E10'', ''E11'', ''E12'')', 'other_code'), 'and a prefix of a code');
select ok(not searches('other_code = ''E1''', 'other_code') and not searches('other_code = ''E111''', 'other_code'), 'which needs its own length');
select unalike(plan_of('select * from p36.visit where birth_date = 1960'), '%year(%', 'the function is not asked any more');
select alike(plan_of('select * from p36.visit where not birth_date = 1960'), '%year(%', 'below NOT it stays');
select alike(plan_of('select * from p36.visit where birth_date <> 1960'), '%year(%', 'as it does with <>');
select alike(plan_of('select * from p36.visit where sent_at = ''2020-02-01'''), '%month(%', 'and where the day depends on a zone');
select alike(plan_of('select case when birth_date = 1960 then 1 end from p36.visit'), '%Scan%', 'elsewhere nothing changes');
select matches(plan_of('select * from p36.visit where birth_date = 1960 or age = 95'), 'BitmapOr', 'OR takes two indexes');
select alike(plan_of('select * from p36.visit a left join p36.visit b on b.pid = a.pid and b.birth_date = 1960 where a.age = 95'), '%birth_date >= ''1960-01-01''%', 'the condition of a join as well');
prepare born(int) as select count(*) from p36.visit where birth_date = $1;
set plan_cache_mode = force_generic_plan;
select alike(plan_of('execute born(1960)'), '%year(%', 'a generic plan asks the function');
select results_eq('execute born(1960)', 'select count(*) from plain.visit where extract(year from birth_date) = 1960', 'and finds the same');
set plan_cache_mode = force_custom_plan;
select matches(plan_of('execute born(1960)'), 'Index Cond: \(\(birth_date ', 'a custom plan searches');
select results_eq('execute born(1960)', 'select count(*) from plain.visit where extract(year from birth_date) = 1960', 'and finds the same');
deallocate born;
reset plan_cache_mode;
select is((select array_agg(weight order by weight) from p36.visit where birth_date = 1960), (select array_agg(weight order by weight) from plain.visit where extract(year from birth_date) = 1960), 'a year has the rows that it had');
select is((select count(*) from p36.visit where birth_date between 1960 and 1970 and age in (60, 65) and other_code = 'E11'),
          (select count(*) from plain.visit where extract(year from birth_date) between 1960 and 1970 and age between 60 and 69 and left(other_code, 3) = 'E11'), 'so have several transforms together');
select is((select count(*) from p36.visit where seen_at >= '2020-02-01' and seen_at < '2020-04-15'),
          (select count(*) from plain.visit where date_trunc('month', seen_at) between '2020-02-01' and '2020-04-01'), 'and months between days that are no first of a month');

-- ---- text ----
select ok(searches('name = ''name 7''', 'name') and searches('name >= ''name 498''', 'name') and searches('name ^@ ''name 499''', 'name'), 'comparisons of text and ^@ are leakproof');
select ok(not searches('name like ''name 49%''', 'name'), 'LIKE is not: it loses the index under any policy');

-- ---- joins and groups ----
select matches(plan_of('select count(*) from p36.visit a join p36.stay b using (pid)'), 'Hash Cond: \(b(_1)?\.person = b(_1)?\.person\)', 'a join by pid hashes persons');
set enable_hashjoin = off; set enable_nestloop = off;
select matches(plan_of('select count(*) from p36.visit a join p36.free b using (pid)'), 'Merge Cond: .*person', 'or merges them');
set enable_mergejoin = off; reset enable_nestloop;
select matches(plan_of('select count(*) from p36.visit a join p36.free b using (pid)'), 'Nested Loop.*Index Cond: \(person = b_1.person\)', 'or looks them up');
reset enable_hashjoin; reset enable_mergejoin;
select alike(plan_of('select count(*) from p36.visit where pid = (select min(pid) from p36.free)'), '%Index Cond: (person OPERATOR(niji.=)%', 'a pid is searched for by person');
select matches(plan_of('select birth_date, code, count(*) from p36.visit group by 1, 2'), 'Group Key: \(?niji.year', 'a transform is a group''s key');

-- ---- partitions ----
select is((select count(*) from regexp_matches(plan_of('select count(*) from p36.recent_lab where taken_on = ''2021-05-01'''), 'lab_20', 'g')), 1::bigint, 'a month prunes partitions by date');
select is((select count(*) from regexp_matches(plan_of('select count(*) from p36.recent_lab'), 'lab_20', 'g')), 2::bigint, 'so does the permit''s period');
select is((select count(*) from p36.recent_lab), (select count(*) from plain.lab where taken_on < '2022-01-01'), 'which has the rows that it had');
select is((select count(*) from regexp_matches(plan_of('select count(*) from p36.seen'), 'seen_20', 'g')), 1::bigint, 'also where days depend on a zone');
select is((select (min(seen_at), max(seen_at))::text from p36.seen), (select (min(seen_at), max(seen_at))::text from p36.seen where (seen_at at time zone 'Asia/Tokyo')::date between '2021-01-10' and '2021-01-31'), 'whose rows are those of its days');
select alike(plan_of(format('select * from p36.stay where pid = %L', (select pid from p36.stay limit 1))), '%Subplans Removed: 3%', 'a pid prunes partitions by person');
set enable_partitionwise_join = on;
select matches(plan_of('select count(*) from p36.stay a join p36.stay b using (pid)'), 'Append(.*Hash Join){4}', 'a join by pid goes partition by partition');
reset enable_partitionwise_join;

-- ---- parallel ----
set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; set min_parallel_index_scan_size = 0; set max_parallel_workers_per_gather = 2;
select matches(plan_of('select count(*) from p36.visit where weight > 5'), 'Gather.*Partial Aggregate.*Parallel Seq Scan', 'a scan is shared by workers');
select matches(plan_of('select pid, sum(weight) from p36.visit group by 1'), 'HashAggregate\n *Group Key: b.person\n.*Gather.*Parallel Seq Scan', 'so is grouping by pid');
select matches(plan_of('select sum(weight) from p36.visit where taken_on between ''2020-03-01'' and ''2020-09-03'''), 'Gather.*Parallel Index Only Scan', 'a scan of an index alone');
select matches(plan_of('select * from p36.visit where code = ''E11'' and weight > 2'), 'Gather.*Parallel (Bitmap Heap|Index) Scan', 'a bitmap');
select matches(plan_of('select count(*) from p36.visit a join p36.stay b using (pid)'), 'Gather.*Parallel Hash Join', 'a join');
select matches(plan_of('select count(*) from p36.stay'), 'Gather.*Parallel Append', 'and partitions');
select matches(plan_of('select pid, taken_on, code, place, birth_date, age, seen_at, sent_at, other_code, receipt, insurer, name from p36.visit where birth_date <> 3'), 'Gather\n *Workers Planned: 2\n *-> +Parallel Seq Scan',
  'workers compute pseudonyms and transforms');
select matches(plan_of(format('select * from p36.visit where pid not in (%L, %L) and pid <> %L', (select min(pid) from p36.free), (select max(pid) from p36.free), (select max(pid) from p36.free))), 'Gather.*Parallel Seq Scan', 'and undo the pids of a condition');
select matches(plan_of('select count(*) from p36.visit where niji.subsumes(''icd10'', ''E11'', code::text)'), 'Gather.*Parallel Seq Scan', 'and look codes up');
select is((select count(*) from p36.visit where niji.subsumes('icd10', 'E11', code::text)), (select count(*) from plain.visit where code like 'E11%'), 'finding the same');
select is((select array[count(*), sum(weight)] from p36.visit where weight > 5), (select array[count(*), sum(weight)] from plain.visit where weight > 5), 'with the same answer');
reset parallel_setup_cost; reset parallel_tuple_cost; reset min_parallel_table_scan_size; reset min_parallel_index_scan_size;
reset session authorization;
select is((select array_agg(p.oid::regprocedure::text) from pg_proc p where p.pronamespace = 'niji'::regnamespace and p.proparallel <> 's'
            and exists (select from niji.public_function f where to_regprocedure('niji.' || f.object) = p.oid)), null, 'nothing that an analyst may call hinders workers');

-- ---- estimates, which readers are not shown ----
-- the sets of these uses are found by this backend
select count(*) from store.visit where niji.permitted(person, :permit, :visit) and niji.permitted(person, :permit_in, :visit) \g /dev/null
select count(*) from store.few where niji.permitted(person, :permit, :few) \g /dev/null
select count(*) from store.free where niji.permitted(person, :permit, :free) \g /dev/null
select is(rows_of(format('select from store.visit where niji.permitted(person, %s, %s)', :permit, :visit)), 19000::float8, 'one in twenty is left out');
select is(rows_of(format('select from store.visit where niji.permitted(person, %s, %s)', :permit_in, :visit)), 1::float8, 'nobody permitted where a permission is needed');
select is(rows_of(format('select from store.free where niji.permitted(person, %s, %s)', :permit, :free)), 1000::float8, 'nobody is left out where no consent is required');
select is(rows_of(format('select from store.few where niji.permitted(person, %s, %s)', :permit, :few)), round(4000 * 0.75 * (1 - 250.0 / 4920))::float8, 'in a table of few persons the share is that of all, without those who are not known');
select cmp_ok(rows_of('select from store.visit where niji.year(birth_date) = 1960'), '<', 400::float8, 'a year is estimated by the dates that it has');
select cmp_ok(rows_of('select from store.visit where niji.year(birth_date) = 1960'), '>', 100::float8, 'neither more nor less');
create statistics store.birth_year on (niji.year(birth_date)) from store.visit;
analyze store.visit;
select cmp_ok(rows_of('select niji.year(birth_date) from store.visit group by 1'), '=', 100::float8, 'statistics of the expression tell how many groups there are');

-- ---- whatever is compared with whatever: a range has the rows that the function has ----
create table public.days as
  select d, d::timestamp as t, extract(day from coalesce(nullif(nullif(d, 'infinity'), '-infinity'), '2000-01-01'))::int * case when d < '2000-01-01' then -3 else 3 end as n
    from unnest(array['-infinity', 'infinity', null, '0044-03-15 BC', '0001-01-01', '0001-01-31 BC', '9999-12-31']::date[]) d
  union all select date '2019-11-15' + i, timestamp '2019-11-15 23:59:59.999999' + i * interval '1 day', i - 40 from generate_series(0, 90) i
  union all select null, '294276-12-31 23:00', 2147483647 union all select null, '4713-01-01 00:00 BC', -2147483648
  union all select '5874897-12-31', null, 2147483643 union all select '4713-01-01 BC', null, -2147483645;
create function public.differences() returns text language plpgsql as $$
declare c record; a bigint; b bigint; wrong text := '';
begin
  for c in
    select format('%s %s %s', f, op, v) as condition
      from (values ('niji.year(d)', array['2019', '2020', '2021', '0', '1', '-43', '-44', '-4712', '-4713', '5874897', '5874898', '2147483647', '-2147483648', '2020::smallint', '2020::bigint', '99999999999::bigint']),
                   ('niji.year(t)', array['2019', '2020', '294276', '294277', '-4712', '-4713', '2147483647', '-2147483648']),
                   ('niji.month(d)', array['''2019-12-01''', '''2019-12-15''', '''2020-01-01''', '''infinity''', '''-infinity''', '''0044-03-01 BC''', '''0044-03-02 BC''', '''5874897-12-01''', '''5874897-12-31''', '''4713-01-01 BC''']),
                   ('niji.month(t)', array['''2019-12-01''', '''2019-12-15''', '''2020-01-01''', '''infinity''', '''-infinity''', '''294276-12-01''', '''294277-01-01''', '''5874897-12-31''', '''4713-01-01 BC''']),
                   ('niji.band(n, 7)', array['0', '-7', '7', '6', '-1', '2147483647', '2147483641', '-2147483648', '-2147483645', '14::smallint', '14::bigint', '-99999999999::bigint']),
                   ('niji.band(n, 1)', array['0', '-2147483648', '2147483647']), ('niji.band(n, 2147483647)', array['0', '1', '-2147483647', '2147483647'])) x (f, vs),
           unnest(vs) v, unnest(array['=', '<', '<=', '>', '>=', '<>']) op
    union all select format('%s %s %s', v, op, f) from (values ('niji.year(d)', '2020'), ('niji.month(t)', 'date ''2020-01-01'''), ('niji.band(n, 5)', '10')) x (f, v), unnest(array['=', '<', '<=', '>', '>=', '<>']) op
    union all select format('%s = any (%s)', f, v) from (values ('niji.year(d)', '''{2019,null,2021}''::int[]'), ('niji.year(d)', '''{}''::int[]'), ('niji.year(d)', '''{null}''::int[]'), ('niji.month(d)', '''{2019-12-01,2020-01-02}''::date[]'), ('niji.band(n, 5)', '''{0,5,7}''::int[]')) x (f, v)
    union all select 'niji.prefix(' || quote_literal(x) || '::text || d::text, 3) = ' || quote_literal(v) from unnest(array['', '日本']) x, unnest(array['201', '20', '日本2', '日本', '']) v
  loop
    -- a test of a condition is no condition by itself, so it stays a call
    execute format('select count(*) filter (where (%1$s) is true), (select count(*) from public.days where %1$s) from public.days', c.condition) into a, b;
    if a <> b then wrong := wrong || format('%s: %s, not %s; ', c.condition, b, a); end if;
    execute format('select count(*) filter (where ((%1$s) is true or n = 4) is true), (select count(*) from public.days where %1$s or n = 4) from public.days', c.condition) into a, b;
    if a <> b then wrong := wrong || format('%s or n = 4: %s, not %s; ', c.condition, b, a); end if;
    execute format('select count(*) filter (where (not (%1$s)) is true), (select count(*) from public.days where not (%1$s)) from public.days', c.condition) into a, b;
    if a <> b then wrong := wrong || format('not %s: %s, not %s; ', c.condition, b, a); end if;
  end loop;
  return wrong;
end $$;
select is(differences(), '', 'ranges and functions agree, at the ends of what the types hold too');

select * from finish();
