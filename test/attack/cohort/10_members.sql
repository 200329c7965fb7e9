-- Who is in a cohort: what a reader of its permit, a reader of another, a loader and governance try in order to learn it.
\i test/story.sql
\set ON_ERROR_STOP 1
set client_min_messages = warning;
select plan(32);
grant usage on schema warehouse to public;
create function p(n int) returns niji.person language sql stable as $$ select niji.find_person('patient', '0110113719:' || to_char(n, 'FM0000')) $$;
create schema bridge;
grant create, usage on schema bridge to stranger, analyst_fujita, loader_kato;
-- many rows, of which those of a small cohort are found by the index
create table warehouse.many (person niji.person, x int);
insert into warehouse.many select n.person, i from (select person, row_number() over () as n from warehouse.lab) n, generate_series(1, 50) i where n.n <= 40;
do $$
begin
  for i in 1..20 loop
    insert into warehouse.many select u, g from unnest(niji.enrol_batch('patient', (select array_agg(format('0110113719:x%s', i * 1000 + n)) from generate_series(1, 200) n))) u, generate_series(1, 10) g;
  end loop;
end $$;
create index many_person on warehouse.many (person);
analyze warehouse.many;
set session authorization governance_abe;
do $$
begin
  perform niji.register_dataset('many', 'warehouse.many', '{person}', 'city-hospital', 'ehr', 'law');
  perform niji.apply_permit('A-1', 'Cohort', 'tohoku-lab', 'research', current_date, current_date + 300);
  perform niji.create_cohort('A-1', 'few');
  perform niji.load_cohort('A-1', 'few', 'patient', (select array_agg('0110113719:' || to_char(n, 'FM0000')) from generate_series(1, 12) n));
  perform niji.request_data('A-1', 'many', '{x}', cohort => 'few');
  perform niji.request_data('A-1', 'lab', '{value}', cohort => 'few');
end $$;
set session authorization reviewer_baba;
select niji.review_permit('A-1', 'approve', '') is null as ok \g /dev/null
set session authorization reviewer_chiba;
select niji.review_permit('A-1', 'approve', '') is null as ok \g /dev/null
set session authorization governance_abe;
select niji.grant_permit('A-1') is null as ok, niji.add_reader('A-1', 'stranger') is null as ok \g /dev/null
set session authorization consent_ito;
select niji.record_consent(p(12), 'deny') > 0 as ok \g /dev/null
reset session authorization;
select id as cohort from niji.cohorts \gset
select p(3)::text as member, p(20)::text as outsider \gset

/* ---- the index is used, and the plan holds nobody ---- */
set session authorization stranger;
create function bridge.plan(q text, options text) returns text language plpgsql as $$
declare line text; result text := ''; begin for line in execute format('explain (%s) %s', options, q) loop result := result || line || E'\n'; end loop; return result; end $$;
select is((select count(*) from a_1.many), 550::bigint, 'Of twelve members eleven are seen, fifty rows each');
select ok(bridge.plan('select * from a_1.many', 'costs off') ~ 'Index Cond: .*cohort_members\(\d+\)', 'A small cohort is read through the index on persons');
select ok(bridge.plan('select * from a_1.many', f) !~ :'member', 'and in no format does the plan hold a member (' || f || ')') from unnest(array['costs off, verbose', 'costs off, format xml', 'costs off, format json, verbose', 'costs off, format yaml']) f where length(:'member') > 2;
set enable_indexscan = off; set enable_bitmapscan = off; set enable_indexonlyscan = off;
select is((select count(*) from a_1.many), 550::bigint, 'Without the index the rows are the same');
select ok(bridge.plan('select * from a_1.many', 'costs off') ~ 'Filter: .*in_cohort\(', 'by a test of each row');
reset enable_indexscan; reset enable_bitmapscan; reset enable_indexonlyscan;
select throws_ok('explain analyze select * from a_1.many', '42501', null, 'What the index found beside is not counted for a reader');
select throws_ok('explain (costs on) select * from a_1.many', '42501', null, 'nor estimated');
select lives_ok('prepare q as select count(*) from a_1.many', 'A statement is prepared');
select results_eq('execute q', 'select 550::bigint', 'It is kept with its plan');

/* ---- calling it ---- */
select throws_ok(format('select niji.cohort_members(%s)', :cohort), '42501', null, 'A reader does not call for the members');
select throws_ok(format('select count(*) from a_1.many where cardinality(niji.cohort_members(%s)) > 0', :cohort), '42501', null, 'nor in a statement under the permit');
select throws_ok(format('select niji.pseudonym(u, 1) from a_1.many, unnest(niji.cohort_members(%s)) u', :cohort), '42501', null, 'nor for their pseudonyms');
create function bridge.count_up(int, text) returns int language sql as $$ select coalesce($1, 0) $$;
select throws_ok($$ create aggregate bridge.members(text) (sfunc = bridge.count_up, stype = int, finalfunc = niji.cohort_members) $$, '42501', null, 'A reader makes no aggregate of it');
select throws_ok($$ create operator bridge.@@ (rightarg = int, function = niji.cohort_members) $$, '42501', null, 'nor an operator');
reset session authorization;
select format($$ create aggregate bridge.members(text) (sfunc = bridge.count_up, stype = int, initcond = '%s', finalfunc = niji.cohort_members) $$, :cohort) as make \gset
:make;
set session authorization stranger;
select throws_ok($$ select cardinality(bridge.members('x' collate "C")) $$, '42501', null, 'An aggregate that a superuser made lends it a collation, and is refused all the same');
create function bridge.through(int) returns int language sql immutable as $$ select cardinality(niji.cohort_members($1)) $$;
select throws_ok(format('select bridge.through(%s)', :cohort), '42501', null, 'and a function that is inlined');
select throws_ok(format($$ select count(*) from a_1.many where niji.in_cohort('%s', %s) $$, :'member', :cohort), '42501', null, 'A reader has no person to ask about');
select is((select count(*) from a_1.many where niji.in_cohort(null, :cohort)), 0::bigint, 'Nobody is in no cohort');
reset session authorization;

/* ---- others ---- */
set session authorization analyst_fujita;
select throws_ok(format('select niji.cohort_members(%s)', :cohort), '42501', null, 'The reader of another permit does not call for the members,');
select throws_ok('select * from niji.cohorts', '42501', null, 'not even that there is one');
set session authorization loader_kato;
create table bridge.mine (ident text);
insert into bridge.mine values ('0110113719:0003'), ('0110113719:0020');
call niji.enrol_table('bridge.mine', 'ident', 'person', 'patient') \g /dev/null
create index on bridge.mine (person);
analyze bridge.mine;
select throws_ok(format('select ident from bridge.mine where niji.in_cohort(person, %s)', :cohort), '42501', null, 'A loader''s table of persons is not filtered by a cohort');
set enable_seqscan = off;
select throws_ok(format('select ident from bridge.mine where niji.in_cohort(person, %s)', :cohort), '42501', null, 'nor its index asked');
select ok(not exists (select from pg_stats where schemaname = 'niji' and tablename like 'cohort%'), 'Statistics of the cohorts'' tables are out of reach');
reset enable_seqscan;
reset session authorization;
select ok(bool_and(proleakproof and provolatile = 's' and proparallel = 's'), 'The test is leakproof, stable and parallel safe') from pg_proc where proname = 'in_cohort' and pronamespace = 'niji'::regnamespace;

/* ---- a plan that is kept, a merge, and an older snapshot ---- */
alter table warehouse.many add column id bigint generated always as identity primary key;
alter table warehouse.lab add primary key (person, taken_on);
alter table warehouse.diagnosis add primary key (person);
create extension if not exists dblink;
select dblink_connect('reader', format('dbname=niji user=stranger host=%s', split_part(current_setting('unix_socket_directories'), ',', 1))) \g /dev/null
select dblink_connect('other', format('dbname=niji user=analyst_fujita host=%s', split_part(current_setting('unix_socket_directories'), ',', 1))) \g /dev/null
select is((select n from dblink('other', 'select count(*) from p2026_017.lab') x (n bigint)), 39::bigint, 'The reader of another permit sees all who did not object,');
alter policy niji_permit_1 on warehouse.lab using (niji.in_cohort(person, :cohort) and niji.permitted(person, 1, 1));
select throws_ok($$ select n from dblink('other', 'select count(*) from p2026_017.lab') x (n bigint) $$, '42501', 'permission denied to see who is in a cohort', 'and is told nothing of this one''s cohort by whatever policy');
select dblink_exec('reader', 'begin isolation level repeatable read') \g /dev/null
select is((select n from dblink('reader', 'select count(*) from a_1.many') x (n bigint)), 550::bigint, 'A reader looks in a transaction of its own,');
set session authorization custodian_goto;
select niji.merge_persons(p(3), p(20), 'one human') > 0 as ok \g /dev/null
reset session authorization;
select is((select n from dblink('reader', 'select count(*) from a_1.many') x (n bigint)), 550::bigint, 'whose snapshot a merge does not change,');
select dblink_exec('reader', 'commit') \g /dev/null
select is((select n from dblink('reader', 'select count(*) from a_1.many') x (n bigint)), 600::bigint, 'and sees the rows of the other number in the next');

select * from finish();
