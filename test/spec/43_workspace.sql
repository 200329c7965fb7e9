-- Workspaces: readers keep tables of their own, and an objection reaches the copies.
\i test/story.sql
\set ON_ERROR_STOP 1
select plan(103);
\set w p2026_017_work
create role analyst_ueda login;
set session authorization governance_abe;
select niji.add_reader('P2026-017', 'analyst_ueda') is null as ok \g /dev/null
reset session authorization;
-- objects and objections by the number of the person
create function objects(n int) returns bigint language sql as
  $$ select niji.record_consent(niji.find_person('patient', '0110113719:' || to_char(n, 'FM0000')), 'deny', category => 'ehr') $$;
create function pg_temp.kept(t text) returns bigint language sql as
  $$ select count(*) from niji.workspace_person where relation = to_regclass('p2026_017_work.' || t) $$;
create function pg_temp.columns(t text) returns name[] language sql as
  $$ select person_columns from niji.workspace_table where relation = to_regclass('p2026_017_work.' || t) $$;

/* ---- what a grant gives ---- */
select has_schema(:'w', 'A granted permit has a workspace');
select is((select tables from niji.workspaces where permit = 'P2026-017'), 0::bigint, 'which is empty');
select ok(has_schema_privilege('analyst_fujita', :'w', 'create'), 'Its readers may create there');
select ok(not has_schema_privilege('stranger', :'w', 'usage'), 'others may not');

set session authorization analyst_fujita;
select lives_ok('create table p2026_017_work.copy as select pid, code, value from p2026_017.lab', 'CREATE TABLE AS keeps rows');
select pid, value into p2026_017_work.into_copy from p2026_017.lab;
create table p2026_017_work.filled (pid niji.pseudonym primary key, value numeric default 0);
select lives_ok('insert into p2026_017_work.filled select pid, max(value) from p2026_017.lab group by pid', 'CREATE TABLE and INSERT … SELECT do');
select is((select relrowsecurity and relforcerowsecurity from pg_class where oid = 'p2026_017_work.filled'::regclass), true, 'A table is under row level security from the moment it exists');
select is((select count(*) from pg_policy where polrelid = 'p2026_017_work.copy'::regclass), 2::bigint, 'with its policies');
create table p2026_017_work.whole as select * from p2026_017.lab;
create table p2026_017_work.average as select pid, avg(value) as value from p2026_017.lab group by pid;
create table p2026_017_work.joined as select l.pid, l.value, d.disease from p2026_017.lab l join p2026_017.diagnosis d using (pid);
create table p2026_017_work.outer_joined as select l.pid, d.disease from p2026_017.lab l left join p2026_017.diagnosis d on d.pid = l.pid;
create table p2026_017_work.chosen as select pid, value from p2026_017.lab where pid in (select pid from p2026_017.diagnosis where disease = 'E119');
create table p2026_017_work.in_cte as with x as (select pid, value * 2 as value from p2026_017.lab) select pid, value from x where value > 0;
create table p2026_017_work.unions as select pid from p2026_017.lab union select pid from p2026_017.diagnosis;
create table p2026_017_work.second as select pid, value from p2026_017_work.whole;
-- what is not one person's
create table p2026_017_work.summary as select code, avg(value) from p2026_017.lab group by code;
create table p2026_017_work.texts as select pid::text as pid, value from p2026_017.lab;
create table p2026_017_work.windowed as select pid, avg(value) over () from p2026_017.lab;
create table p2026_017_work.crossed as select a.pid, b.value from p2026_017.lab a, p2026_017.lab b;
create table p2026_017_work.beside as select pid, (select max(value) from p2026_017.lab) from p2026_017.lab;
create table p2026_017_work.institutions as select institution, avg(value) from p2026_017.lab group by institution;
create table p2026_017_work.other_pid as select (select min(pid::text)::niji.pseudonym from p2026_017.lab) as pid, value from p2026_017.lab;
create table p2026_017_work.false_tie as select a.pid, b.value from p2026_017.lab a join p2026_017.lab b on true left join p2026_017.lab c on a.pid = c.pid and b.pid = c.pid;
create table p2026_017_work.false_pid as select institution as pid, pid as x, value from p2026_017.lab;
create table p2026_017_work.under_false_pid as select pid, value from p2026_017_work.false_pid;
create table p2026_017_work.ranked as select pid from p2026_017.lab order by value desc limit 10;
create table p2026_017_work.from_summary as select 'E119'::text as code, s.avg from p2026_017_work.summary s;
-- by functions and blocks: of all that the session has seen
create table p2026_017_work.carried (pid niji.pseudonym, value numeric);
do $$ declare r record; begin for r in select pid, value from p2026_017.lab limit 5 loop insert into p2026_017_work.carried values (r.pid, r.value); end loop; end $$;
do $$ begin execute 'create table p2026_017_work.nested as select value, 1 as one from p2026_017.lab'; end $$;
select throws_ok($$ do 'begin execute ''create view p2026_017_work.v as select 5.1''; end' $$, '42501', null,
                 'In a session that has read a block defines no view: what was read could stand in it');
select throws_ok($$ do 'begin execute ''create table p2026_017_work.v (v numeric default 5.1)''; end' $$, '42501', null, 'nor a default');
-- lists of one's own
create table p2026_017_work.codes (code text);
insert into p2026_017_work.codes values ('E119'), ('I10');
reset session authorization;
select is(pg_temp.columns(t), '{pid}', 'Rows of one person are known to be: ' || t)
  from unnest(array['copy', 'into_copy', 'filled', 'whole', 'average', 'joined', 'outer_joined', 'chosen', 'in_cte', 'unions', 'second']) t;
select is(pg_temp.kept(t), 0::bigint, 'and no set is kept: ' || t)
  from unnest(array['copy', 'filled', 'whole', 'average', 'joined', 'outer_joined', 'chosen', 'in_cte', 'unions', 'second', 'codes']) t;
select cmp_ok(pg_temp.kept(t), '>', 0::bigint, 'What is made of several keeps them: ' || t)
  from unnest(array['summary', 'texts', 'windowed', 'crossed', 'beside', 'institutions', 'other_pid', 'false_tie', 'under_false_pid', 'ranked', 'from_summary', 'carried', 'nested']) t;

/* ---- an objection ---- */
set session authorization analyst_fujita;
create view p2026_017_work.seen as select * from p2026_017_work.copy;
prepare counting as select count(*) from p2026_017_work.copy;
select is((select count(*) from p2026_017_work.copy), 40::bigint, 'Before an objection all rows are there');
reset session authorization;
select objects(7) > 0 as ok \g /dev/null
set session authorization analyst_fujita;
execute counting \gset
select is(:count, 39, 'After it the copy has one less, also for a prepared statement');
select is((select count(*) from p2026_017_work.seen), 39::bigint, 'also in a view upon it');
select is((select count(*) from p2026_017_work.average), 39::bigint, 'also where values were computed');
select is((select count(*) from p2026_017_work.second), 39::bigint, 'also in the copy of a copy');
select is((select count(*) from p2026_017_work.joined), 29::bigint, 'also for what was taken from another dataset, to which it does not apply: a row has no dataset');
select throws_ok('select * from p2026_017_work.' || t, '55000', format('table "%s" has to be made anew', t), 'What was made of several is refused: ' || t)
  from unnest(array['summary', 'texts', 'windowed', 'crossed', 'beside', 'institutions', 'other_pid', 'false_tie', 'under_false_pid', 'ranked', 'from_summary']) t;
select throws_ok('insert into p2026_017_work.summary values (''x'', 1)', '55000', null, 'also to write into it');
select is((select count(*) from p2026_017_work.codes), 2::bigint, 'A list of one''s own stays');
drop table p2026_017_work.summary;
create table p2026_017_work.summary as select code, avg(value), count(*) from p2026_017.lab group by code;
select is((select count from p2026_017_work.summary), 39::bigint, 'Made anew it is read again');
update p2026_017_work.copy set value = 0;
select is((select count(*) from p2026_017_work.copy where value = 0), 39::bigint, 'Rows are changed, those that are seen');
select throws_ok('explain analyze select * from p2026_017_work.copy', '42501', null, 'EXPLAIN ANALYZE is refused');
select throws_ok('update p2026_017_work.copy set value = 1 returning *', '42501', null, 'and RETURNING');
select throws_ok('insert into p2026_017_work.filled select null, 1', '23502', null, 'A key is a key');

/* ---- functions and blocks ---- */
select throws_ok('select * from p2026_017_work.' || t, '55000', null, 'and is refused after an objection: ' || t) from unnest(array['carried', 'nested']) t;

/* ---- the protection stays: for the owner of a table, in a session that has not read ---- */
set session authorization analyst_ueda;
create table p2026_017_work.mine (pid niji.pseudonym, value numeric);
select throws_ok(statement, '42501', null, 'Refused: ' || statement)
  from (values ('alter table p2026_017_work.mine disable row level security'), ('alter table p2026_017_work.mine no force row level security'),
               ('alter table p2026_017_work.mine alter column pid type text'), ('alter table p2026_017_work.mine drop column pid cascade'),
               ('alter table p2026_017_work.mine add column p niji.pseudonym'), ('alter table p2026_017_work.mine add check (value > 1)'),
               ('alter table p2026_017_work.mine alter column value set not null'), ('alter table p2026_017_work.mine alter column value type int using 1 / value'),
               ('alter table p2026_017_work.mine set schema bridge'), ('alter table p2026_017_work.mine owner to analyst_fujita'),
               ('alter table p2026_017_work.mine inherit p2026_017_work.whole'), ('alter table p2026_017_work.mine rename column pid to x'),
               ('grant select on p2026_017_work.mine to public'), ('grant select on all tables in schema p2026_017_work to public'),
               ('create policy mine on p2026_017_work.mine using (true)'), ('drop policy niji_protect on p2026_017_work.mine'),
               ('alter policy niji_protect on p2026_017_work.mine using (true)'),
               ('create rule r as on update to p2026_017_work.mine do also nothing'),
               ('create unique index on p2026_017_work.mine (value)'), ('create index on p2026_017_work.mine ((1 / value))'),
               ('create table p2026_017_work.child () inherits (p2026_017_work.mine)'), ('create table p2026_017_work.parts (i int) partition by list (i)'),
               ('create table p2026_017_work.many (pids niji.pseudonym[])'), ('create table p2026_017_work.rows (r p2026_017_work.mine)'),
               ('create materialized view p2026_017_work.m as select 1 as i'), ('create sequence p2026_017_work.s'), ('create table p2026_017_work.serial (i serial)'),
               ('explain analyze create table p2026_017_work.explained as select 1'), ('vacuum verbose p2026_017_work.mine'), ('create schema mine')) v (statement);
select lives_ok('create index on p2026_017_work.mine (pid, value)', 'An index on columns is made');
select lives_ok('alter table p2026_017_work.mine add column note text', 'and a column added');
reset session authorization;
select * from finish();
