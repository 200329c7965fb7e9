-- Each leak that was closed, tried as the analyst.  docs/threat-model.md lists them by their letters.
\i test/story.sql
\set ON_ERROR_STOP 1
select plan(104);
grant usage on schema warehouse to public;

-- a second permit of the same reader, and people with more rights than they should have
set session authorization governance_abe;
do $$ begin
  perform niji.apply_permit('P-2', 'Another study', 'tohoku-lab', 'research', current_date - 1, current_date + 300);
  perform niji.request_data('P-2', 'lab', '{value}');
end $$;
set session authorization reviewer_baba;
do $$ begin perform niji.review_permit('P-2', 'approve', ''); end $$;
set session authorization reviewer_chiba;
do $$ begin perform niji.review_permit('P-2', 'approve', ''); end $$;
set session authorization governance_abe;
do $$ begin perform niji.grant_permit('P-2'); perform niji.add_reader('P-2', 'analyst_fujita'); end $$;
reset session authorization;
create role reads_all login in role pg_read_all_data;
create role bypasses login bypassrls;
create role makes_roles login createrole;
-- a place where the analyst may create, as niji.harden() leaves none
create schema bridge;
grant create, usage on schema bridge to analyst_fujita;
grant usage on schema bridge to public;
-- one person objects; their value is 5.7
select niji.record_consent(niji.find_person('patient', '0110113719:0007'), 'deny', category => 'ehr') > 0 as ok \g /dev/null
-- a function that a superuser made carelessly
create function bridge.careless() returns bigint language sql security definer as 'select count(*) from warehouse.lab';
create function bridge.careless_too() returns bigint language plpgsql security definer as 'begin return (select count(*) from warehouse.lab); end';

/* ---- a. the base tables ---- */
set session authorization analyst_fujita;
select throws_ok('select * from warehouse.lab', '42501', null, 'a. The base table is out of reach');
select throws_ok('select count(*) from warehouse.lab', '42501', null, 'a. even to count it');
select throws_ok('select lab from warehouse.lab', '42501', null, 'a. as whole rows');
select throws_ok('select ctid from only warehouse.lab tablesample system (100)', '42501', null, 'a. as a sample');
select throws_ok('table warehouse.lab', '42501', null, 'a. as TABLE');
select throws_ok('declare c cursor for select * from warehouse.lab', '42501', null, 'a. through a cursor');
select throws_ok('select bridge.careless()', '42501', null, 'a. through a careless definer function of a superuser');
select throws_ok('select bridge.careless_too()', '42501', null, 'a. in whatever language');
select throws_ok('update warehouse.lab set value = 0', '42501', null, 'a. to change it');
select throws_ok('delete from warehouse.lab', '42501', null, 'a. to delete from it');
select throws_ok('select 1 from (select * from warehouse.lab) x where false', '42501', null, 'a. in a subquery that the planner throws away');
select throws_ok('set role niji_owner_' || (select oid from pg_database where datname = current_database()), '42501', null, 'a. by taking the owner''s role');
select throws_ok('set role niji_p1_' || (select oid from pg_database where datname = current_database()), '42501', null, 'a. by taking the permit''s role');
set session authorization reads_all;
select throws_ok('select * from warehouse.lab', '42501', null, 'a. for a member of pg_read_all_data');
select throws_ok('select * from p2026_017.lab', '42501', null, 'a. who cannot use the permit''s view either');
set session authorization bypasses;
select throws_ok('select * from warehouse.lab', '42501', null, 'a. for who bypasses row level security');
set session authorization makes_roles;
select throws_ok('grant niji_owner_' || (select oid from pg_database where datname = current_database()) || ' to makes_roles', '42501', null, 'a. The owner''s role is granted to nobody');
select throws_ok('create role y in role niji_p1_' || (select oid from pg_database where datname = current_database()), '42501', null, 'a. nor the permit''s');
select throws_ok('alter role niji_owner_' || (select oid from pg_database where datname = current_database()) || ' login password ''x''', '42501', null, 'a. Who may create roles does not make it log in');
select throws_ok('alter group niji_owner_' || (select oid from pg_database where datname = current_database()) || ' add user makes_roles', '42501', null, 'a. nor adds a member to it');
select throws_ok('alter role niji_owner_' || (select oid from pg_database where datname = current_database()) || ' rename to another', '42501', null, 'a. nor renames it, to grant it under another name');

/* ---- b. partitions and children ---- */
reset session authorization;
create table warehouse.visit (person niji.person, seen_on date) partition by range (seen_on);
create table warehouse.late (person niji.person, seen_on date);
select niji.register_dataset('visit', 'warehouse.visit', '{person}', 'city-hospital', 'ehr', 'law') > 0 as ok \g /dev/null
alter table warehouse.late owner to stranger;
set session authorization stranger;
select lives_ok('select * from warehouse.late', 'b. A table is its owner''s');
reset session authorization;
alter table warehouse.visit attach partition warehouse.late for values from ('2024-01-01') to ('2025-01-01');
set session authorization stranger;
select throws_ok('select * from warehouse.late', '42501', null, 'b. until it becomes a partition of a dataset, from the next statement on');
reset session authorization;
create table warehouse.top (person niji.person);
grant select on warehouse.top to stranger;
set session authorization stranger;
select lives_ok('select * from warehouse.top', 'b. A table may be read');
reset session authorization;
alter table warehouse.diagnosis inherit warehouse.top;
set session authorization stranger;
select throws_ok('select * from warehouse.top', '42501', null, 'b. until a dataset becomes a child of it');
select lives_ok('select * from only warehouse.top', 'b. but alone it may be read');
reset session authorization;
select results_eq($$ select object, finding from niji.check_protection() where object = 'dataset diagnosis' $$,
  $$ values ('dataset diagnosis', 'it is a partition or a child of another table, through which it can be read') $$, 'b. and check_protection() says so');
alter table warehouse.diagnosis no inherit warehouse.top;

/* ---- c. what the filter withholds ---- */
set session authorization analyst_fujita;
select is((select count(*) from p2026_017.lab), 39::bigint, 'c. Of forty people one objected');
select is((select count(*) from p2026_017.lab where value = 5.7), 0::bigint, 'c. and cannot be found by what is known about them');
select lives_ok('select count(*) from p2026_017.lab where 1 / (value - 5.7) > 0', 'c. An error in a condition does not betray the withheld row');
select lives_ok('select sum(1 / (value - 5.7)) from p2026_017.lab', 'c. nor one in the result');
create function bridge.leak(v numeric) returns boolean language plpgsql cost 0.0001 as $$ begin if v = 5.7 then raise exception 'leaked'; end if; return true; end $$;
select lives_ok('select count(*) from p2026_017.lab where bridge.leak(value)', 'c. A cheap function of the analyst is not shown the withheld row');
select is((select count(*) from pg_stats where schemaname = 'warehouse'), 0::bigint, 'c. Statistics of the columns are out of reach');
select is((select count(*) from pg_stats_ext), 0::bigint, 'c. also the extended ones');
select throws_ok('select * from pg_statistic', '42501', null, 'c. also in their own table');
select throws_ok($$ select pg_stat_get_tuples_returned('warehouse.lab'::regclass) $$, '42501', null, 'c. How many rows were read is out of reach');
select throws_ok($$ select pg_stat_get_xact_tuples_returned('warehouse.lab'::regclass) $$, '42501', null, 'c. in this transaction too');
select throws_ok($$ select pg_stat_get_live_tuples('warehouse.lab'::regclass) $$, '42501', null, 'c. and how many there are');
select throws_ok('select * from pg_stat_user_tables', '42501', null, 'c. also through the views');
select throws_ok('select * from pg_stat_database', '42501', null, 'c. and for the whole database');
select throws_ok($$ select * from pg_create_logical_replication_slot('s', 'test_decoding') $$, '42501', null, 'c. Changes cannot be decoded from the log');

/* ---- d. EXPLAIN ---- */
prepare reading as select * from p2026_017.lab where value > 5;
prepare harmless as select 1;
select throws_ok('explain analyze select * from p2026_017.lab', '42501', null, 'd. EXPLAIN ANALYZE is refused');
select throws_ok('explain (analyze, costs off, timing off) select * from p2026_017.lab', '42501', null, 'd. without costs too');
select throws_ok('explain (costs) select * from p2026_017.lab', '42501', null, 'd. Costs are refused when they are asked for');
select throws_ok('explain (costs on, format json) select * from p2026_017.lab', '42501', null, 'd. in any format');
select throws_ok('explain (costs off, costs on) select * from p2026_017.lab', '42501', null, 'd. and in any order');
select throws_ok('explain analyze execute reading', '42501', null, 'd. for prepared statements too');
select throws_ok('explain (costs on) execute reading', '42501', null, 'd. with costs');
select throws_ok('explain analyze declare c cursor for select * from p2026_017.lab', null, null, 'd. for cursors');
select throws_ok('explain analyze select count(*) from (select * from p2026_017.lab) x', '42501', null, 'd. in subqueries');
select throws_ok('explain analyze create temp table t as select * from p2026_017.lab', '42501', null, 'd. for CREATE TABLE AS');
create function bridge.plan(statement text) returns setof text language plpgsql as $$ begin return query execute statement; end $$;
select is((select string_agg(p, e'\n') from bridge.plan('explain select * from p2026_017.lab where value > 5') p) ~ 'cost=|rows=', false, 'd. A plan has no estimates');
select is((select string_agg(p, e'\n') from bridge.plan('explain execute reading') p) ~ 'cost=|rows=', false, 'd. nor has that of a prepared statement');
select is((select string_agg(p, e'\n') from bridge.plan('explain (verbose, settings, summary off) select pid from p2026_017.lab') p) ~ 'cost=|rows=', false, 'd. nor a verbose one');
select is((select string_agg(p, e'\n') from bridge.plan('explain execute harmless') p) ~ 'cost=', true, 'd. Statements that read nothing protected show theirs');
select throws_ok($$ select bridge.plan('explain analyze select * from p2026_017.lab') $$, '42501', null, 'd. in functions too');

/* ---- e. messages to the client ---- */
create function bridge.told(statement text) returns void language plpgsql set client_min_messages = log as $$ begin execute statement; end $$;
create function bridge.told_more(statement text) returns void language plpgsql set client_min_messages = debug1 as $$ begin execute statement; end $$;
select throws_ok($$ select bridge.told('select * from p2026_017.lab') $$, '42501', null, 'e. With messages of the server sent to the client nothing is read');
select throws_ok($$ select bridge.told('execute reading') $$, '42501', null, 'e. not even by a plan that exists already');
select throws_ok($$ select bridge.told_more('select * from p2026_017.lab') $$, '42501', null, 'e. nor with more of them');
reset session authorization;
load 'auto_explain';
set auto_explain.log_min_duration = 0;
set auto_explain.log_analyze = on;
set auto_explain.log_level = notice;
set client_min_messages = warning;
set session authorization analyst_fujita;
select throws_ok('select * from p2026_017.lab', '42501', null, 'e. With plans sent to clients by auto_explain nothing is read');
reset session authorization;
set auto_explain.log_level = log;
set auto_explain.log_min_duration = -1;
reset client_min_messages;
set session authorization analyst_fujita;
select lives_ok('select * from p2026_017.lab', 'e. To the log they may go');

/* ---- f. copies inside the database ---- */
select throws_ok('create table bridge.copy as select * from p2026_017.lab', '42501', null, 'f. CREATE TABLE AS is refused');
select throws_ok('select * into bridge.copy from p2026_017.lab', '42501', null, 'f. SELECT INTO is refused');
select throws_ok('create temp table copy as select * from p2026_017.lab', '42501', null, 'f. Temporary tables are refused');
select throws_ok('create materialized view bridge.copy as select * from p2026_017.lab', '42501', null, 'f. Materialized views are refused');
select throws_ok('create table bridge.mine (value numeric)', '42501', null, 'f. A table elsewhere than in the workspace is refused, even where a right to create was granted');
reset session authorization;
create table bridge.mine (value numeric);
grant all on bridge.mine to analyst_fujita;
set session authorization analyst_fujita;
select throws_ok('insert into bridge.mine select value from p2026_017.lab', '42501', null, 'f. INSERT from a view is refused');
select throws_ok('with x as (insert into bridge.mine values (1) returning value) select * from x, p2026_017.lab', '42501', null, 'f. A SELECT that also changes something is refused');
create function bridge.carry() returns void language plpgsql as $$ declare v numeric; begin select max(value) into v from p2026_017.lab; insert into bridge.mine values (v); end $$;
select throws_ok('select bridge.carry()', '42501', null, 'f. A function cannot carry a value into a table');
create function bridge.values_of() returns setof numeric language plpgsql as $$ begin return query select value from p2026_017.lab; end $$;
select throws_ok('create table bridge.copy as select * from bridge.values_of()', '42501', null, 'f. nor CREATE TABLE AS from a function');
select throws_ok('insert into bridge.mine select * from bridge.values_of()', '42501', null, 'f. nor INSERT from a function');
select throws_ok('select lo_from_bytea(0, ''x'')', '42501', null, 'f. Large objects cannot be written');
select throws_ok('select * from p2026_017.lab for update', '42501', null, 'f. Rows cannot be locked');
select throws_ok('create table public.copy (x int)', '42501', null, 'f. There is no place to create a table, public is not one');
select is(has_database_privilege(current_database(), 'temporary'), false, 'f. nor are temporary tables');
select is((select count(*) from bridge.mine), 0::bigint, 'f. So nothing was kept');

/* ---- g. lending to others ---- */
create view bridge.lent as select * from p2026_017.lab;
create function bridge.lent_too() returns setof numeric language sql security definer as 'select value from p2026_017.lab';
grant select on bridge.lent to public;
select is((select count(*) from bridge.lent), 39::bigint, 'g. A reader may build a view upon the permit''s');
select is((select count(*) from bridge.lent_too()), 39::bigint, 'g. or a function');
select is((select count(*) from bridge.lent a join p2026_017.lab b using (pid)), 39::bigint, 'g. and use it together with the permit''s views');
set session authorization stranger;
select throws_ok('select * from bridge.lent', '42501', null, 'g. but it opens nothing to others');
select throws_ok('select 1 from bridge.lent where false', '42501', null, 'g. not even for no rows');
select throws_ok('select * from bridge.lent_too()', '42501', null, 'g. nor does a definer function');
reset session authorization;
select throws_ok('select * from bridge.lent', '42501', null, 'g. nor to a superuser');
grant usage on schema p2026_017 to stranger;
grant select on p2026_017.lab to stranger;
set session authorization stranger;
select throws_ok('select * from p2026_017.lab', '42501', null, 'g. A grant past niji makes no reader');
reset session authorization;
alter view p2026_017.diagnosis owner to postgres;
set session authorization analyst_fujita;
select throws_ok('select * from p2026_017.diagnosis', '42501', null, 'g. A view that a restore left to a superuser opens nothing');
reset session authorization;
select is(niji.recompile_permits(), 2, 'g. until the permits are compiled again');
set session authorization analyst_fujita;
select is((select count(*) from p2026_017.diagnosis), 30::bigint, 'g. and the view is the permit''s');

/* ---- h. two permits ---- */
select throws_ok('select * from p_2.lab', '42501', null, 'h. A session that read under one permit reads under no other');
select throws_ok('select * from p2026_017.lab a, p_2.lab b where a.value = b.value', '42501', null, 'h. so no rows of two are matched');
begin;
rollback;
select throws_ok('select * from p_2.lab', '42501', null, 'h. A rollback does not change that');
select lives_ok('explain select * from p2026_017.lab', 'h. The first one goes on');

/* ---- i. after the end ---- */
begin;
declare open cursor for select * from p2026_017.lab;
fetch 1 from open \g /dev/null
set session authorization governance_abe;
select niji.suspend_permit('P2026-017', 'a question') \g /dev/null
set session authorization analyst_fujita;
select throws_ok('fetch 1 from open', '42501', null, 'i. An open cursor gives nothing after the permit was suspended');
rollback;
set session authorization governance_abe;
select niji.suspend_permit('P2026-017', 'a question') \g /dev/null
set session authorization analyst_fujita;
select throws_ok('execute reading', '42501', null, 'i. nor does a prepared statement');
select throws_ok('select * from p2026_017.lab', '42501', null, 'i. nor a new one');
set session authorization governance_abe;
select niji.resume_permit('P2026-017', 'answered') \g /dev/null
set session authorization analyst_fujita;
select lives_ok('execute reading', 'i. After it was resumed they go on');
set session authorization governance_abe;
select niji.remove_reader('P2026-017', 'analyst_fujita') \g /dev/null
set session authorization analyst_fujita;
select throws_ok('execute reading', '42501', null, 'i. until the reader is removed');
set session authorization governance_abe;
select niji.add_reader('P2026-017', 'analyst_fujita') \g /dev/null

-- the last day, in time zones whose dates differ at any moment: 26 hours lie between them
reset session authorization;
update niji.permit set valid_until = (now() at time zone 'Etc/GMT+12')::date where code = 'P2026-017';
alter system set niji.timezone = 'Etc/GMT+12';
select pg_reload_conf() \g /dev/null
select pg_sleep(0.3) \g /dev/null
set session authorization analyst_fujita;
set timezone = 'Etc/GMT-14';
select lives_ok('execute reading', 'i. On its last day a permit is in force, whatever the session''s time zone');
reset session authorization;
alter system set niji.timezone = 'Etc/GMT-14';
select pg_reload_conf() \g /dev/null
select pg_sleep(0.3) \g /dev/null
set session authorization analyst_fujita;
set timezone = 'Etc/GMT+12';
select throws_ok('execute reading', '42501', null, 'i. The day after it is not');
reset session authorization;
alter system reset niji.timezone;
select pg_reload_conf() \g /dev/null
select pg_sleep(0.3) \g /dev/null
update niji.permit set valid_until = (now() at time zone 'Asia/Tokyo')::date where code = 'P2026-017';
set session authorization analyst_fujita;
set timezone = 'America/Los_Angeles';
select lives_ok('execute reading', 'i. By default days are Japan''s');
reset session authorization;
update niji.permit set valid_until = (now() at time zone 'Asia/Tokyo')::date - 1 where code = 'P2026-017';
set session authorization analyst_fujita;
select throws_ok('execute reading', '42501', null, 'i. the day after too');
reset session authorization;
update niji.permit set valid_from = (now() at time zone 'Asia/Tokyo')::date + 1, valid_until = '2099-12-31' where code = 'P2026-017';
set session authorization analyst_fujita;
select throws_ok('execute reading', '42501', null, 'i. and the day before its first');
reset session authorization;
update niji.permit set valid_from = '2026-01-01' where code = 'P2026-017';

/* ---- j. superusers ---- */
select throws_ok('select * from p2026_017.lab', '42501', null, 'j. A superuser is refused on a permit''s view');
select lives_ok('explain select * from p2026_017.lab', 'j. but may look at its plan');
select is((select count(*) from warehouse.lab), 40::bigint, 'j. and reads the tables, which is recorded');

select * from finish();
