-- What attackers tried before the first release, each as the person named: nothing of it may work again.
\i test/story.sql
\set ON_ERROR_STOP 1
select plan(61);
create schema bridge;
grant create, usage on schema bridge to analyst_fujita;
create schema staging;
grant create, usage on schema staging to loader_kato;
grant usage on schema staging to governance_abe;
create index on warehouse.lab (code);
-- one person objects; theirs is the only row with this code
update warehouse.lab set code = 'RARE' where person = niji.find_person('patient', '0110113719:0005');
select niji.record_consent(niji.find_person('patient', '0110113719:0005'), 'deny') > 0 as ok \g /dev/null
analyze warehouse.lab;

/* ---- the loader and the consent officer, who find persons by their identifiers ---- */
set session authorization loader_kato;
select throws_ok($$ select niji.pseudonym(niji.enrol('patient', '0110113719:0006'), 1) $$, '42501', 'permission denied to make a pseudonym',
                 'A loader makes no pseudonym of a known person');
select throws_ok($$ select niji.pseudonym('0110113719'::niji.institution_code, 1, niji.enrol('patient', '0110113719:0006')) $$, '42501', 'permission denied to make a pseudonym',
                 'nor of an institution');
select throws_ok($$ select niji.permitted(niji.enrol('patient', '0110113719:0006'), 1, 1) $$, '42501', 'permission denied to see what a person permitted',
                 'nor learns who objected');
select throws_ok($$ select niji.permitted(niji.enrol('patient', '0110113719:0006'), 1, 1, 1) $$, '42501', 'permission denied to see what a person permitted',
                 'nor by the holder');
set session authorization consent_ito;
select throws_ok($$ select niji.pseudonym(niji.find_person('patient', '0110113719:0006'), 1) $$, '42501', 'permission denied to make a pseudonym',
                 'A consent officer makes no pseudonym of a known person');
select lives_ok($$ select niji.permitted(niji.find_person('patient', '0110113719:0006'), 1, 1) $$, 'but sees what they permitted');
set session authorization custodian_goto;
select lives_ok($$ select niji.pseudonym(niji.find_person('patient', '0110113719:0006'), 1) $$, 'A custodian does both');
set session authorization governance_abe;
select throws_ok($$ select niji.add_reader('P2026-017', 'loader_kato') $$, '42501', null, 'A loader becomes no reader');
select throws_ok($$ select niji.add_reader('P2026-017', 'governance_abe') $$, '42501', null, 'Governance does not make itself a reader');
reset session authorization;
select niji.grant_duty('loader', 'analyst_fujita') \g /dev/null
select is((select count(*) from niji.check_protection() where object = 'reader analyst_fujita' and finding ~ 'duty loader'), 1::bigint,
          'A reader who becomes a loader is found');
set session authorization analyst_fujita;
select throws_ok($$ select niji.pseudonym(niji.enrol('patient', '0110113719:0006'), 1) from p2026_017.lab limit 1 $$, '42501', null, 'and reads nothing that could tell who is who');
reset session authorization;
select niji.revoke_duty('loader', 'analyst_fujita') \g /dev/null

/* ---- code that would run with the rights that fill datasets ---- */
set session authorization loader_kato;
create function staging.take() returns trigger language plpgsql as
  $$ begin if current_user <> session_user then execute 'alter role loader_kato superuser'; end if; return new; end $$;
create function staging.take(text) returns boolean language plpgsql immutable as
  $$ begin if current_user <> session_user then execute 'alter role loader_kato superuser'; end if; return true; end $$;
create table staging.by_trigger (v text);
create trigger take before insert on staging.by_trigger for each row execute function staging.take();
create domain staging.taking as text check (staging.take(value));
create table staging.by_domain (v staging.taking);
create table staging.by_domain_array (v staging.taking[]);
create table staging.by_check (v text check (staging.take(v)));
create table staging.by_index (v text);
create index on staging.by_index ((staging.take(v)));
create table staging.by_default (v text, w boolean default staging.take('x'));
create table staging.by_generated (v text, w boolean generated always as (staging.take(v)) stored);
create type staging.mood as enum ('x');
create function staging.mood(text) returns staging.mood language plpgsql as
  $$ begin if current_user <> session_user then execute 'alter role loader_kato superuser'; end if; return 'x'::text::cstring::staging.mood; end $$;
create table staging.by_cast (v staging.mood);
create table staging.by_part (v text) partition by list (v);
create table staging.part partition of staging.by_part default;
create trigger take before insert on staging.part for each row execute function staging.take();
create operator staging.=== (function = texteq, leftarg = text, rightarg = text);
create table staging.harmless (v text primary key default 'x' check (v <> ''), w serial);
create table staging.rows (v text);
insert into staging.rows values ('x');
set session authorization governance_abe;
select throws_ok(format($$ select niji.register_dataset('taken', 'staging.%s', '{}', 'city-hospital', 'ehr', 'law') $$, t), '42501',
                 format('staging.%s runs code that does not belong to a superuser', t), 'No dataset runs the code of a loader: ' || t)
  from unnest(array['by_trigger', 'by_domain', 'by_domain_array', 'by_check', 'by_index', 'by_default', 'by_generated', 'by_cast', 'by_part']) t;
select lives_ok($$ select niji.register_dataset('harmless', 'staging.harmless', '{}', 'city-hospital', 'ehr', 'law') $$, 'What uses PostgreSQL''s own is registered');
reset session authorization;
set client_min_messages = warning;
create trigger take before insert on staging.harmless for each row execute function staging.take();
reset client_min_messages;
set session authorization loader_kato;
select throws_ok($$ select niji.load_dataset('harmless', 'staging.rows') $$, '42501', 'dataset "harmless" runs code that does not belong to a superuser', 'also when it comes later');
reset session authorization;
drop trigger take on staging.harmless;
set session authorization loader_kato;
select is((select loaded from niji.load_dataset('harmless', 'staging.rows')), 1::bigint, 'Without it the dataset is filled');
select is((select rolsuper from pg_roles where rolname = 'loader_kato'), false, 'and the loader is no superuser');

/* ---- the analyst: what the server tells beside the rows ---- */
set session authorization analyst_fujita;
begin isolation level serializable;
set local enable_seqscan = off;
set local enable_bitmapscan = off;
select is((select count(*) from p2026_017.lab where code = 'RARE'), 0::bigint, 'The row of a person who objected is not counted');
select throws_ok($$ select count(*) from pg_locks where mode = 'SIReadLock' and locktype = 'tuple' $$, '42501', null, 'and its place is not seen among the locks of a serializable transaction');
rollback;

/* ---- the analyst: copies that outlive permit and consent ---- */
select throws_ok('declare kept cursor with hold for select pid from p2026_017.lab', '42501', 'permission denied to read under permit "P2026-017"',
                 'A cursor that outlives its transaction is refused');
begin;
declare kept cursor with hold for select query_to_xml('select pid from p2026_017.lab', true, true, '');
select throws_ok('fetch 1 from kept', '42501', null, 'also if a function reads');
rollback;
select throws_ok($$ do 'begin execute ''declare kept cursor with hold for select pid from p2026_017.lab''; end' $$, '42501', null, 'and in a block');
begin;
declare plain cursor for select value from p2026_017.lab order by value;
fetch 1 from plain \g /dev/null
select lives_ok('fetch 2 from plain', 'Cursors that end with their transaction work');
rollback;
select throws_ok($$ alter role analyst_fujita set search_path = '5.1,5.2' $$, '42501', null, 'Values cannot be kept in a setting of the role');
create function bridge.nothing() returns int language sql as 'select 1';
select throws_ok($$ comment on function bridge.nothing() is '5.1,5.2' $$, '42501', null, 'nor in a comment');

/* ---- the analyst: settings that change after the gate has looked ---- */
select throws_ok($$ select value, set_config('client_min_messages', 'log', false) from p2026_017.lab limit 1 $$, '42501', null,
                 'A statement that opens the client to the server''s messages fails before its plan is logged');
begin;
declare plain cursor for select value from p2026_017.lab;
fetch 1 from plain \g /dev/null
select throws_ok('select set_config(''client_min_messages'', ''log'', true)', '42501', null, 'so does one beside an open cursor');
rollback;
create function bridge.close_cursor() returns text language plpgsql as $$
begin
  declare
    c cursor for select value from p2026_017.lab;
    v numeric;
  begin
    open c;
    fetch c into v;
    execute 'set client_min_messages = log';
    close c;
    return 'closed';
  end;
end $$;
select throws_ok('select bridge.close_cursor()', '42501', null, 'also in a function');
reset client_min_messages;
create function bridge.loud() returns text immutable language plpgsql as $$ begin return set_config('client_min_messages', 'log', false); end $$;
create function bridge.messages(statement text) returns text language plpgsql as $$ begin execute statement; return 'ran'; end $$;
select throws_ok($$ select bridge.messages('select count(*) from p2026_017.lab where bridge.loud() = ''log''') $$, '42501', 'permission denied to read under a permit',
                 'A function that the planner runs cannot open it either');
reset client_min_messages;
select is((select count(*) from p2026_017.lab), 39::bigint, 'Reading goes on');

/* ---- the analyst, who would not be seen to see ---- */
select sum(ascii(left(pid::text, 1))) /* s1 */, sum(ascii(substr(pid::text, 2, 1))) from p2026_017.lab group by pid \g /dev/null
select avg(hashtextextended(pid::text, 0)) /* s2 */ from p2026_017.lab group by pid \g /dev/null
select count(*) filter (where pid::text < 'M') /* s3 */ from p2026_017.lab group by pid \g /dev/null
select sum(x) /* s4 */ from (select pid, hashtextextended(pid::text, 0) as x from p2026_017.lab offset 0) y group by pid \g /dev/null
select count(distinct pid) /* s5 */, sum(value), count(*) from p2026_017.lab \g /dev/null
set parallel_setup_cost = 0;
set parallel_tuple_cost = 0;
set min_parallel_table_scan_size = 0;
select sum(ascii(pid::text)) /* s6 */ from p2026_017.lab \g /dev/null
select sum(value) /* s7 */, count(pid) from p2026_017.lab \g /dev/null
reset session authorization;
select pg_sleep(1.5) \g /dev/null
select is((select persons_shown from niji.trail_reads where text like '%/* ' || t || ' */%'), shown, 'Persons shown by ' || what)
  from (values ('s1', 39::bigint, 'sums that spell their pseudonyms'), ('s2', 39, 'averages'), ('s3', 39, 'counts by a condition on them'),
               ('s4', 39, 'sums over a sub-query'), ('s5', 0, 'a count of persons and a sum'), ('s6', 39, 'a sum in parallel'),
               ('s7', 0, 'a sum of values in parallel')) v(t, shown, what);

/* ---- a DBA, who would hide who used whose data ---- */
reset session authorization;
select niji.seal_trail() > 0 as ok \g /dev/null
select is_empty('select * from niji.verify_trail()', 'The record is intact');
create function pg_temp.found(change text) returns text language plpgsql as $$
declare result text;
begin
  begin
    execute change;
    select string_agg(distinct finding, ', ') into result from niji.verify_trail();
    raise exception using errcode = 'ZZ001', message = coalesce(result, 'nothing');
  exception when sqlstate 'ZZ001' then
    return sqlerrm;
  end;
end $$;
select is(pg_temp.found('select 1'), 'nothing', 'No change, no finding');
select is(pg_temp.found('delete from niji.read_index'), 'this read is missing in niji.read_index', 'A read taken out of the index is found');
select is(pg_temp.found('delete from niji.read_persons'), 'the persons of this read are not those that were recorded', 'its persons taken out are found');
select is(pg_temp.found('update niji.read_persons set shown = not shown'), 'the persons of this read are not those that were recorded', 'shown changed to scanned');
select is(pg_temp.found('delete from niji.read_index; delete from niji.read_persons') ~ 'missing in niji.read_index', true, 'both');
select is(pg_temp.found(change), finding, 'found: ' || change)
  from (values ('update niji.read_index set permit = null where permit is not null'),
               ('update niji.read_index set reader = ''stranger'''),
               ('update niji.read_index set at = at - interval ''1 year'''),
               ('update niji.read_index set datasets = ''{}'''),
               ('update niji.read_index set datasets = ''{2}'' where datasets = ''{1}'''),
               ('update niji.read_index set seq = 0')) v(change),
       (values ('niji.read_index says of this read what the entry does not')) f(finding);
select is(pg_temp.found(change) ~ 'says of the end of this read', true, 'found: ' || change)
  from (values ('update niji.read_index set end_seq = null'),
               ('update niji.read_index set parked = true'),
               ('update niji.read_index set persons_known = not persons_known'),
               ('update niji.read_index set scanned = 0')) v(change);

/* ---- a schema made where a permit's will be ---- */
create role squatter;
create schema p2026_099 authorization squatter;
insert into niji.permit (code, title, applicant, purpose, state, domain, valid_from, valid_until, schema_name)
  select 'P2026-099', 'x', applicant, purpose, 'approved', domain, valid_from, valid_until, 'p2026_099' from niji.permit where code = 'P2026-017';
select throws_ok($$ select niji.compile_permit(id) from niji.permit where code = 'P2026-099' $$, '42501', 'schema "p2026_099" is not what niji made',
                 'A permit''s views are not made in somebody else''s schema');

select * from finish();
