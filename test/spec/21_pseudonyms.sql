-- Pseudonyms: what an analyst sees instead of a person, and how queries find rows by them.
-- Two domains, three tables, views as a permit makes them; the analyst has no other right.
\set ECHO none
select plan(94);

create role pseudonym_owner17 nologin;
create role pseudonym_owner18 nologin;
create role pseudonym_analyst login;
create role pseudonym_auditor login;
create schema store;
create schema p17;
create schema p18;
grant usage on schema store to pseudonym_owner17, pseudonym_owner18;
grant usage on schema p17, p18 to pseudonym_analyst;
do $$ begin perform niji.grant_duty('auditor', 'pseudonym_auditor'); end $$;

select niji.create_domain('study 17') as d17, niji.create_domain('study 18') as d18 \gset

create table store.lab (person niji.person, v int, hidden boolean not null default false);
insert into store.lab select (i % 1000 + 1)::text::niji.person, i, i % 1000 < 10 from generate_series(1, 5000) i;
insert into store.lab values (null, -1);
create index lab_person on store.lab (person);
create table store.patient (person niji.person primary key, birth int);
insert into store.patient select i::text::niji.person, 1920 + i % 100 from generate_series(1, 1000) i;
create table store.visit (person niji.person, n int) partition by hash (person);
create table store.visit0 partition of store.visit for values with (modulus 4, remainder 0);
create table store.visit1 partition of store.visit for values with (modulus 4, remainder 1);
create table store.visit2 partition of store.visit for values with (modulus 4, remainder 2);
create table store.visit3 partition of store.visit for values with (modulus 4, remainder 3);
insert into store.visit select i::text::niji.person, i from generate_series(1, 1000) i;
create table store.band (person niji.person, n int) partition by range (person);
create table store.band0 partition of store.band for values from (minvalue) to ('501');
create table store.band1 partition of store.band for values from ('501') to (maxvalue);
insert into store.band select i::text::niji.person, i from generate_series(1, 1000) i;
analyze store.lab, store.patient, store.visit, store.band;

alter table store.lab enable row level security;
create policy filter on store.lab for select to pseudonym_owner17, pseudonym_owner18 using (not hidden);
create view p17.lab as select niji.pseudonym(person, :d17) as pid, v from store.lab;
create view p17.patient as select niji.pseudonym(person, :d17) as pid, birth from store.patient;
create view p17.visit as select niji.pseudonym(person, :d17) as pid, n from store.visit;
create view p17.band as select niji.pseudonym(person, :d17) as pid, n from store.band;
create view p18.lab as select niji.pseudonym(person, :d18) as pid, v from store.lab;
grant select on store.lab, store.patient, store.visit, store.band to pseudonym_owner17, pseudonym_owner18;
alter view p17.lab owner to pseudonym_owner17;
alter view p17.patient owner to pseudonym_owner17;
alter view p17.visit owner to pseudonym_owner17;
alter view p17.band owner to pseudonym_owner17;
alter view p18.lab owner to pseudonym_owner18;
grant select on p17.lab, p17.patient, p17.visit, p17.band, p18.lab to pseudonym_analyst;

-- the answer that the planner does not touch: a volatile copy of pid
create function public.as_is(niji.pseudonym) returns niji.pseudonym language plpgsql volatile as 'begin return $1; end';
create function public.plan_of(query text) returns text language plpgsql as $$
declare line text; result text := '';
begin
  for line in execute 'explain (costs off) ' || query loop result := result || line || e'\n'; end loop;
  return result;
end $$;
create function public.state_of(query text) returns text language plpgsql as $$
begin execute query; return '00000'; exception when others then return sqlstate; end $$;
grant usage on schema public to pseudonym_analyst;

-- ---- making and undoing ----
select is(niji.person_of(niji.pseudonym('42', :d17), :d17), '42'::niji.person, 'person_of undoes pseudonym');
select isnt(niji.pseudonym('42', :d17), niji.pseudonym('42', :d18), 'one person has different pseudonyms in two domains');
select is(niji.pseudonym('42', :d17), niji.pseudonym('42', :d17), 'within a domain a person has one pseudonym');
select isnt(niji.pseudonym('42', :d17), niji.pseudonym('43', :d17), 'two persons have different pseudonyms');
select is((select count(distinct niji.pseudonym(person, :d17)) from store.patient), 1000::bigint, 'a thousand persons have a thousand pseudonyms');
select is(niji.pseudonym(null, :d17), null, 'nobody has no pseudonym');
select throws_ok(format('select niji.person_of(niji.pseudonym(%L, %s), %s)', 42, :d17, :d18), '22023', null, 'person_of refuses a pseudonym of another domain');
select throws_ok(format('select niji.person_of(niji.pseudonym(%L, %s, %L), %s)', '0110113719', :d17, 42, :d17), '22023', null, 'person_of refuses the pseudonym of an institution');
select throws_ok('select niji.pseudonym(''42'', 99)', '55000', null, 'an unknown domain is an error');
select isnt(niji.pseudonym('0110113719'::niji.institution_code, :d17, '42'), niji.pseudonym('0110113719'::niji.institution_code, :d18, '42'), 'an institution has different pseudonyms in two domains');
select is(niji.pseudonym('0110113719'::niji.institution_code, :d17, '42'), niji.pseudonym('0110113719'::niji.institution_code, :d17, '43'), 'an institution has the same pseudonym in every row');
set session authorization pseudonym_auditor;
select throws_ok(format('select niji.person_of(%L, %s)', '0000000000000000000000000001', :d17), '42501', null, 'nor may an auditor, alone');
set session authorization pseudonym_analyst;
select throws_ok(format('select niji.person_of(%L, %s)', '0000000000000000000000000001', :d17), '42501', null, 'an analyst may not call person_of');
select is(niji.pseudonym('0110113719'::niji.institution_code, :d17, null), null, 'an analyst cannot make pseudonyms of institutions');
select throws_ok('select niji.create_domain(''mine'')', '42501', null, 'an analyst may not make a domain');
select throws_ok('select niji.erase_domain(''study 17'', ''because'')', '42501', null, 'an analyst may not erase a domain');
select throws_ok('select * from niji.domain', '42501', null, 'an analyst may not read the domains');

-- ---- finding rows by pseudonym: through the view and the filter, by the index ----
select pid as one from p17.lab where v = 500 \gset
select pid as two from p17.lab where v = 600 \gset
select pid as foreign_one from p18.lab where v = 500 \gset
reset session authorization;
select niji.pseudonym('5', :d17) as withheld \gset
set session authorization pseudonym_analyst;

select matches(public.plan_of(format('select v from p17.lab where pid = %L', :'one')), 'Index.*lab_person', 'pid = constant uses the index on person');
select is((select count(*) from p17.lab where pid = :'one'), (select count(*) from p17.lab where public.as_is(pid) = :'one'), 'and finds the same rows as without the index');
select is((select count(*) from p17.lab where pid = :'one'), 5::bigint, 'which are five');
select matches(public.plan_of(format('select v from p17.lab where pid = %L::text', :'one')), 'Index.*lab_person', 'so does pid = text');
select is((select count(*) from p17.lab where pid = lower(:'one')), 5::bigint, 'text is read as leniently as input');
select matches(public.plan_of(format('select v from p17.lab where %L::varchar = pid', :'one')), 'Index.*lab_person', 'so does varchar = pid');
select matches(public.plan_of(format('select v from p17.lab where pid in (%L, %L)', :'one', :'two')), 'Index.*lab_person', 'so does a list');
select is((select count(*) from p17.lab where pid in (:'one', :'two')), 10::bigint, 'and finds the rows of both');
select matches(public.plan_of(format('select v from p17.lab where pid = any (array[%L, %L]::text[])', :'one', 'nonsense')), 'Index.*lab_person', 'so does a list of texts');
select is((select count(*) from p17.lab where pid = any (array[:'one', 'nonsense', null]::text[])), 5::bigint, 'in which what is malformed or null finds nothing');
select matches(public.plan_of(format('select v from p17.lab where pid = %L or pid = %L', :'one', :'two')), 'Index.*lab_person', 'so does OR');
select matches(public.plan_of(format('select v from p17.lab where pid = (select pid from p17.patient where birth = 1930 limit 1)')), 'Index Cond.*make_probe', 'so does a scalar sub-query');
select is((select count(*) from p17.lab where pid = (select pid from p17.lab where v = 500)), 5::bigint, 'and finds its rows');
select matches(public.plan_of(format('select * from (select pid, count(*) from p17.lab group by pid) x where pid in (%L, %L)', :'one', :'two')), 'Index.*lab_person', 'a list reaches the index below a GROUP BY');
select results_eq(format('select count from (select pid, count(*) from p17.lab group by pid) x where pid in (%L, %L)', :'one', :'two'), array[5, 5]::bigint[], 'and gives the right groups');
select matches(public.plan_of(format('select * from (select pid from p17.lab union all select pid from p17.patient) x where pid in (%L, %L)', :'one', :'two')), 'lab_person.*patient_pkey', 'and below a UNION ALL');
select is((select count(*) from (select pid from p17.lab union all select pid from p17.patient) x where pid in (:'one', :'two')), 12::bigint, 'which finds the rows of both tables');
select is((select count(*) from p17.lab where pid = :'withheld'), 0::bigint, 'the pseudonym of a person whose rows are withheld finds nothing');

-- ---- prepared statements, cursors ----
set plan_cache_mode = force_generic_plan;
prepare by_text(varchar) as select count(*) from p17.lab where pid = $1;
prepare by_pid(niji.pseudonym) as select count(*) from p17.lab where pid = $1;
prepare by_list(niji.pseudonym[]) as select count(*) from p17.lab where pid = any ($1);
prepare by_texts(text[]) as select count(*) from p17.lab where pid = any ($1);
prepare by_two(varchar, varchar) as select count(*) from p17.lab where pid in ($1, $2);
select matches(public.plan_of('execute by_text(''x'')'), 'Index.*lab_person', 'a text parameter, as JDBC sends it, uses the index in a generic plan');
select matches(public.plan_of('execute by_list(''{}'')'), 'Index.*lab_person', 'an array parameter too');
select results_eq(format('execute by_text(%L)', :'one'), array[5]::bigint[], 'a text parameter finds its rows');
select results_eq('execute by_text(''nonsense'')', array[0]::bigint[], 'a malformed one finds none');
select results_eq('execute by_text(null)', array[0]::bigint[], 'a null one finds none');
select results_eq(format('execute by_pid(%L)', :'one'), array[5]::bigint[], 'a parameter of type pseudonym finds its rows');
select results_eq(format('execute by_list(array[%L, null, %L]::niji.pseudonym[])', :'one', :'foreign_one'), array[5]::bigint[], 'an array with a null and a foreign pseudonym finds the right ones');
select results_eq('execute by_list(null)', array[0]::bigint[], 'a null array finds none');
select results_eq(format('execute by_texts(array[%L, %L])', :'one', :'two'), array[10]::bigint[], 'an array of texts finds its rows');
select results_eq(format('execute by_two(%L, %L)', :'one', :'two'), array[10]::bigint[], 'a list of text parameters finds its rows');
reset plan_cache_mode;
begin;
declare c cursor for select v from p17.lab where pid = :'one' order by v;
fetch 2 from c \g /dev/null
fetch 1 from c \gset
commit;
select is(:v % 1000, 500, 'a cursor goes on where it was');

-- ---- a pseudonym of another domain ----
select is((select count(*) from p17.lab where pid = :'foreign_one'), 0::bigint, 'a pseudonym of another domain finds nothing');
select is((select count(*) from p17.lab where pid in (:'foreign_one', :'one')), 5::bigint, 'nor in a list');
select is((select count(*) from p17.patient where not (pid = :'foreign_one')), 1000::bigint, 'it is unequal to everybody, not unknown');
select is((select count(*) from p17.patient where pid <> :'foreign_one'), 1000::bigint, 'also by <>');
select is((select count(*) from p17.patient where pid not in (:'foreign_one', :'one')), 999::bigint, 'also by NOT IN');
select is((select count(*) from p17.patient where pid <> :'one'), 999::bigint, '<> leaves out one person');

-- ---- nulls: rows without a person ----
reset session authorization;
create view p17.plain as select niji.pseudonym(person, :d17) as pid, v from store.lab;
grant select on p17.plain to pseudonym_analyst;
set session authorization pseudonym_analyst;
select is((select count(*) from p17.plain where (pid = :'one') is null), 1::bigint, 'a row without a person is neither equal');
select is((select count(*) from p17.plain where (pid <> :'one') is null), 1::bigint, 'nor unequal');
select is((select count(*) from p17.plain where (pid in (:'one', :'two')) is null), 1::bigint, 'nor in a list');
select is((select count(*) from p17.plain where (pid = 'nonsense'::text) is null), 1::bigint, 'nor equal to malformed text');
select is((select count(*) from p17.plain where (pid = any ('{}'::niji.pseudonym[])) is false), 5001::bigint, 'an empty list holds nobody, not even the unknown');
select is((select count(*) from p17.plain where (pid in (:'one', null)) is null), 4996::bigint, 'a list with a null holds others perhaps');

-- ---- joins ----
select unalike(public.plan_of('select * from p17.lab l join p17.patient t on l.pid = t.pid'), '%pseudonym(%=%pseudonym(%', 'a join of two views on pid compares persons');
select is((select sum(l.v + t.birth) from p17.lab l join p17.patient t on l.pid = t.pid), (select sum(l.v + t.birth) from p17.lab l join p17.patient t on public.as_is(l.pid) = public.as_is(t.pid)), 'and gives what a join on pseudonyms gives');
select is((select count(*) from p17.lab l left join p17.visit t using (pid) where t.pid is null), 1::bigint, 'a left join on pid keeps the row without a person');
select is((select count(*) from p17.patient t left join (select * from p17.lab where v < 500) l on l.pid = t.pid where l.pid is null), 510::bigint, 'and finds what has no partner');
select is((select count(*) from p17.lab full join p17.patient using (pid)), 4961::bigint, 'a full join too');
select is((select count(*) from p17.lab l join p18.lab o on l.pid = o.pid), 0::bigint, 'views of two domains have no pid in common');
select is((select count(*) from p17.patient where pid in (select pid from p17.lab where v < 100)), 90::bigint, 'IN (sub-query)');
select is((select count(*) from p17.patient where pid not in (select pid from p17.lab where v between 0 and 99)), 910::bigint, 'NOT IN (sub-query), which hashes probes');
select is((select count(*) from p17.patient where pid not in (select pid from p17.lab where v < 100)), 0::bigint, 'of which a null makes nobody sure');
select is((select count(*) from p17.patient t where not exists (select from p17.lab l where l.pid = t.pid)), 10::bigint, 'NOT EXISTS');
reset session authorization;
create table public.list (t text, pid niji.pseudonym);
insert into public.list select x.pid::text, x.pid from p17.plain x where v between 101 and 160 or v = -1;
insert into public.list values ('nonsense'), (lower(:'one')), (:'one');
analyze public.list;
grant select on public.list to pseudonym_analyst;
set session authorization pseudonym_analyst;
select is((select array[(select count(*) from p17.patient join public.list l on patient.pid = l.t), (select count(*) from p17.patient join public.list l using (pid)),
                        (select count(*) from p17.patient where pid in (select t from public.list)), (select count(*) from p17.patient where pid not in (select l.t from public.list l where l.t is not null))]),
          array[62, 60, 61, 939]::bigint[], 'a list of pseudonyms as text or as pseudonyms joins, duplicates and rubbish included');
set enable_nestloop = off;
select is((select array[(select count(*) from p17.patient join public.list l on patient.pid = l.t), (select count(*) from p17.patient join public.list l using (pid)),
                        (select count(*) from p17.patient where pid in (select t from public.list)), (select count(*) from p17.patient where pid in (select pid from public.list))]),
          array[62, 60, 61, 60]::bigint[], 'by hash join as well');
reset enable_nestloop;
set enable_hashjoin = off; set enable_mergejoin = off; set enable_seqscan = off;
select is((select array[(select count(*) from p17.patient join public.list l on patient.pid = l.t), (select count(*) from p17.patient join public.list l using (pid)),
                        (select count(*) from p17.patient where pid in (select t from public.list)), (select count(*) from p17.patient where pid in (select pid from public.list))]),
          array[62, 60, 61, 60]::bigint[], 'by nested loop, where the list is made unique first');
reset enable_hashjoin; reset enable_mergejoin; reset enable_seqscan;
select is((select count(*) from (select distinct pid from p17.lab) x), 991::bigint, 'DISTINCT');
select is((select count(*) from (select pid from p17.lab group by pid having count(*) = 5) x), 990::bigint, 'GROUP BY');

select is((select count(*) from (select pid from p17.lab group by pid having pid = :'one' or count(*) > 5 or pid in (:'two', 'nonsense'::text)) x), 2::bigint, 'HAVING with a pid beside an aggregate');
select results_eq(format('select pid is null, count(*) from p17.lab where v between 0 and 999 group by grouping sets ((pid), ()) having pid is null or pid = %L order by 1', :'one'), $$ values (false, 1::bigint), (true, 990) $$, 'grouping sets');
select is((select count(*) from p17.patient t left join p17.lab l on l.pid = t.pid and l.pid = :'one' where l.pid is not null), 5::bigint, 'a pid in the condition of an outer join');
select is((select count(*) from p17.patient t left join p17.lab l on l.pid = t.pid where l.pid <> :'one' or l.pid is null), 4955::bigint, 'a pid above an outer join');
select is((select count(*) from p17.patient t, lateral (select count(*) n from p17.lab l where l.pid = t.pid and l.v < 2000) x where x.n = 2), 990::bigint, 'a lateral sub-query on pid');
select is((select count(*) from p17.patient t where t.pid = any (array(select l.pid from p17.lab l where l.v = t.birth))), (select count(*) from p17.patient t join p17.lab l on l.pid = t.pid and l.v = t.birth), 'a correlated array of pids');
select is((with x as materialized (select pid from p17.lab where v < 100) select count(*) from x where pid in (select pid from p17.patient) and pid = any (array(select pid from p17.patient))), 90::bigint, 'a materialised WITH');

-- ---- partitions, parallel plans ----
set plan_cache_mode = force_generic_plan;
select matches(public.plan_of(format('select n from p17.visit where pid = %L', :'one')), 'Subplans Removed: 3', 'of hash partitions one is read');
select is((select array[(select count(*) from p17.visit where pid = :'one'), (select count(*) from p17.band where pid in (:'one', :'two')), (select count(*) from p17.band where pid = :'foreign_one')]), array[1, 2, 0]::bigint[], 'and partitions give the right rows');
reset plan_cache_mode;
set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; set enable_indexscan = off; set enable_bitmapscan = off; set enable_indexonlyscan = off;
select is((select array[(select count(*) from p17.lab where pid = :'one'), (select count(*) from p17.lab where pid in (:'one', :'two')), (select count(distinct pid) from p17.lab)]), array[5, 10, 990]::bigint[], 'parallel workers have the domain''s cipher too');
reset parallel_setup_cost; reset parallel_tuple_cost; reset min_parallel_table_scan_size; reset enable_indexscan; reset enable_bitmapscan; reset enable_indexonlyscan;

-- ---- erasing a domain ----
reset session authorization;
select throws_ok('select niji.erase_domain(''study 18'', '' '')', '22023', null, 'erasing a domain needs a reason');
select throws_ok('select niji.erase_domain(''study 99'', ''over'')', '42704', null, 'and a domain');
select niji.pseudonym('42', :d18) as forty_two \gset
begin;
select niji.erase_domain('study 18', 'the study is over') \g /dev/null
select public.state_of(format('select niji.pseudonym(%L, %s)', 42, :d18)) as state \gset
rollback;
select is(:'state'::text, '55000', 'in the erasing transaction the domain is gone at once');
select is(niji.pseudonym('42', :d18), :'forty_two', 'a domain whose erasing was rolled back is as before');
select lives_ok('select niji.erase_domain(''study 18'', ''the study is over'')', 'governance erases a domain');
select throws_ok(format('select niji.pseudonym(%L, %s)', 42, :d18), '55000', null, 'its pseudonyms can no longer be made');
select throws_ok(format('select niji.person_of(%L, %s)', :'forty_two', :d18), '55000', null, 'nor undone');
select is((select count(*) from niji.domain where id = :d18 and salt is null and erased_reason is not null), 1::bigint, 'the salt is gone, the reason stays');
select throws_ok('select niji.erase_domain(''study 18'', ''again'')', '55000', null, 'a domain is erased once');
select throws_ok('select niji.create_domain(''study 17'')', '42710', null, 'a domain''s name is taken once');
select throws_ok('select niji.create_domain(''study 19'', ''private'')', '22023', null, 'a domain is of kind permit or holder');

select * from finish();
