-- Cohorts: a list that is matched and not kept, or a query that governance runs once; what a reader sees under one.
\i test/story.sql
\set ON_ERROR_STOP 1
select plan(100);
grant usage on schema warehouse to public;
create schema staging;
grant create on schema staging to governance_abe;
grant usage on schema staging to public;
create function p(n int) returns niji.person language sql stable as $$ select niji.find_person('patient', '0110113719:' || to_char(n, 'FM0000')) $$;
create function people(low int, high int) returns text[] language sql as $$ select array_agg('0110113719:' || to_char(n, 'FM0000')) from generate_series(low, high) n $$;
create function approve(code text) returns void language plpgsql as $$
begin
  perform niji.review_permit(code, 'approve', 'fine');
end $$;

/* ---- making one ---- */
set session authorization governance_abe;
select niji.apply_permit('C-1', 'A cohort study', 'tohoku-lab', 'research', current_date, current_date + 300) > 0 as ok \g /dev/null
select ok(niji.create_cohort('C-1', 'diabetics') > 0, 'Governance makes a cohort of a permit that is a draft');
select throws_ok($$ select niji.create_cohort('C-1', 'diabetics') $$, '23505', null, 'A name is taken once');
select throws_ok($$ select niji.create_cohort('C-1', 'Dia betics') $$, '22023', null, 'A name is one lower-case word');
select throws_ok($$ select niji.create_cohort('C-1', null) $$, '22023', null, 'and not null');
select throws_ok($$ select niji.create_cohort('X-9', 'diabetics') $$, '42704', null, 'Its permit exists');
select throws_ok($$ select niji.create_cohort('P2026-017', 'diabetics') $$, '55000', null, 'and is a draft');
select ok(niji.create_cohort('C-1', 'small') > 0 and niji.create_cohort('C-1', 'by_query') > 0 and niji.create_cohort('C-1', 'of_labs') > 0, 'A permit may have several');
set session authorization reviewer_baba;
select throws_ok($$ select niji.create_cohort('C-1', 'mine') $$, '42501', null, 'A reviewer makes none');
select throws_ok($$ select niji.load_cohort('C-1', 'small', 'patient', people(1, 2)) $$, '42501', null, 'nor loads one');
select throws_ok($$ select niji.define_cohort('C-1', 'by_query', 'select person from warehouse.lab') $$, '42501', null, 'nor defines one');
set session authorization loader_kato;
select throws_ok($$ select niji.load_cohort('C-1', 'small', 'patient', people(1, 2)) $$, '42501', null, 'A loader does not either');

/* ---- a list ---- */
set session authorization custodian_goto;
select niji.link_identifier(p(1), 'registry', 'r:used-twice', 'form', valid_during => '[2001-01-01,2010-01-01)') is null as ok,
       niji.link_identifier(p(2), 'registry', 'r:used-twice', 'form', valid_during => '[2010-01-01,)') is null as ok \g /dev/null
select niji.link_identifier(p(3), 'registry', 'r:used-once', 'form', valid_during => '[2001-01-01,2010-01-01)') is null as ok \g /dev/null
set session authorization governance_abe;
select is((select row(l.*)::text from niji.load_cohort('C-1', 'diabetics', 'patient', people(1, 8) || array['0110113719:7777', '0110113719:7778', 'nonsense', null, '0110113719:1']) l), '(8,3,0,2)',
  'A list is matched: how many are known, unknown, and malformed');
select is((select row(l.*)::text from niji.load_cohort('C-1', 'diabetics', 'registry', array['r:used-twice', 'r:used-once', 'r:nobody']) l), '(1,1,1,0)', 'An identifier that two people had is nobody''s');
select is((select row(l.*)::text from niji.load_cohort('C-1', 'diabetics', 'patient', people(9, 20)) l), '(12,0,0,0)', 'A list may come in portions');
select is((select row(l.*)::text from niji.load_cohort('C-1', 'diabetics', 'patient', '{}') l), '(0,0,0,0)', 'of which one may be empty');
select is((select row(persons, matched, unmatched, ambiguous, refused, source, withheld)::text from niji.cohorts where name = 'diabetics'), '(20,21,4,1,2,list,f)', 'The cohort has each person once, and the sums of what was matched');
select is((select row(l.*)::text from niji.load_cohort('C-1', 'small', 'patient', people(1, 9)) l), '(9,0,0,0)', 'A list of nine is taken');
select is((select row(persons, withheld)::text from niji.cohorts where name = 'small'), '(,t)', 'but the size of so small a cohort is not told');
select throws_ok($$ select niji.load_cohort('C-1', 'nobody', 'patient', people(1, 2)) $$, '42704', null, 'A list goes into a cohort that exists');
select throws_ok($$ select niji.load_cohort('C-1', 'small', 'gossip', people(1, 2)) $$, '22023', null, 'and is of a kind that exists');
select throws_ok($$ select niji.load_cohort('C-1', 'small', null, people(1, 2)) $$, '22004', null, 'which is said');
select throws_ok($$ select niji.load_cohort('P2026-017', 'small', 'patient', people(1, 2)) $$, '55000', null, 'and of a permit that is a draft');
reset session authorization;
select is((select count(*) from niji.cohort c where c::text like '%0110113719%') + (select count(*) from niji.cohort_version c where c::text like '%0110113719%'), 0::bigint, 'No identifier of the list is kept');
select pg_sleep(1.2) \g /dev/null
select is((select count(*) from niji.trail where private::text ~ '0110113719:00(0[1-9]|1[0-9])'), 0::bigint, 'nor is one in the trail');
select is((select count(*) from niji.trail_acts where action = 'load_cohort' and object = 'C-1 diabetics'), 4::bigint, 'which has every load');
set session authorization governance_abe;
begin;
select niji.load_cohort('C-1', 'small', 'patient', people(10, 40)) is null as ok \g /dev/null
rollback;
reset session authorization;
select pg_sleep(1.2) \g /dev/null
select is((select count(*) from niji.trail_acts where action = 'load_cohort' and object = 'C-1 small'), 2::bigint, 'also one that was rolled back after its counts were seen');
select is((select persons from niji.cohort where name = 'small'), 9::bigint, 'and left nobody behind');

/* ---- a table ---- */
set session authorization governance_abe;
create table staging.list (note int, who text);
insert into staging.list select n, u from unnest(people(1, 25) || array['0110113719:7779', null]) with ordinality u (u, n);
create table staging.wrong (who int);
create view staging.seen as select * from staging.list;
select niji.create_cohort('C-1', 'from_table') > 0 as ok \g /dev/null
select is((select row(l.*)::text from niji.load_cohort_table('C-1', 'from_table', 'patient', 'staging.list', 'who') l), '(25,1,0,1)', 'A long list comes from a table of one''s own');
select is((select persons from niji.cohorts where name = 'from_table'), 25::bigint, 'and makes the same cohort');
select throws_ok($$ select niji.load_cohort_table('C-1', 'from_table', 'patient', 'staging.list', 'nobody') $$, '42703', null, 'Its column exists');
select throws_ok($$ select niji.load_cohort_table('C-1', 'from_table', 'patient', 'staging.wrong', 'who') $$, '42804', null, 'and is text');
select throws_ok($$ select niji.load_cohort_table('C-1', 'from_table', 'patient', 'staging.seen', 'who') $$, '42809', null, 'A view is refused');
select throws_ok($$ select niji.load_cohort_table('C-1', 'from_table', 'patient', 'warehouse.lab', 'code') $$, '42501', null, 'as is somebody else''s table');
select throws_ok($$ select niji.load_cohort_table('C-1', 'from_table', 'patient', null) $$, '22004', null, 'and none');

/* ---- a query ---- */
create function staging.leak(x anyelement) returns boolean language plpgsql stable as $$ begin raise notice 'saw %', x; return true; end $$;
create function staging.leak_immutable(x anyelement) returns boolean language sql immutable as $$ select true $$;
create type staging.word as enum ('a', 'b');
create domain staging.checked as text check (staging.leak(value));
create operator staging.@@@ (leftarg = text, rightarg = text, function = pg_catalog.texteq);
create function staging.leak_number(numeric) returns boolean language sql immutable as $$ select true $$;
create operator staging.~~~ (rightarg = numeric, function = staging.leak_number);
prepare define (text) as select niji.define_cohort('C-1', 'by_query', $1);
select throws_ok($$ execute define('select person from warehouse.lab where value > 1000') $$, '55000', 'a cohort has at least 10 persons', 'A query that gives nobody defines no cohort');
select throws_ok($$ execute define('select person from warehouse.lab order by value limit 9') $$, '55000', 'a cohort has at least 10 persons', 'nor one that gives nine, in the same words');
select throws_ok($$ execute define('select person from warehouse.lab where staging.leak(value)') $$, '22023', null, 'A function of somebody''s own is refused');
select throws_ok($$ execute define('select person from warehouse.lab where staging.leak_immutable(value)') $$, '22023', null, 'an immutable one too');
select throws_ok($$ execute define('select person from warehouse.lab where code operator(staging.@@@) code') $$, '22023', null, 'as is an operator, whose negator may be anything');
select throws_ok($$ execute define('select person from warehouse.lab where operator(staging.~~~) value') $$, '22023', null, 'in whatever place');
select throws_ok($$ execute define('select person from warehouse.lab where code::staging.checked is not null') $$, '22023', null, 'a cast to a domain');
select throws_ok($$ execute define('select person from warehouse.lab where ''a''::staging.word = ''a''') $$, '22023', null, 'and a type');
select throws_ok($$ execute define('select person from warehouse.lab where pg_sleep(0) is null') $$, '22023', null, 'A volatile function of the server is refused');
select throws_ok($$ execute define('select person from warehouse.lab where query_to_xml(''select 1'', true, true, '''') is not null') $$, '22023', null, 'as is one that runs a text');
select throws_ok($$ execute define('select person from warehouse.lab where table_to_xml(''warehouse.lab'', true, true, '''') is not null') $$, '22023', null, 'or reads a relation by its name');
select throws_ok($$ execute define('select l.person from warehouse.lab l, niji.consent c') $$, '22023', null, 'A query reads datasets only');
select throws_ok($$ execute define('select c.person from warehouse.lab, niji.consent c') $$, '22023', null, 'whatever it takes from another table');
select throws_ok($$ execute define('select person from warehouse.lab where exists (select from pg_class)') $$, '22023', null, 'and in a sub-query too');
select throws_ok($$ execute define('select l.person from warehouse.lab l, staging.seen') $$, '22023', null, 'A view is no dataset');
select throws_ok($$ execute define('select person from warehouse.lab for update') $$, '22023', null, 'It locks no rows');
select throws_ok($$ execute define('with d as (delete from warehouse.lab returning person) select person from d') $$, '22023', null, 'changes nothing');
select throws_ok($$ execute define('delete from warehouse.lab returning person') $$, '22023', null, 'in no way');
select throws_ok($$ execute define('select person from warehouse.lab; drop table warehouse.lab') $$, '22023', null, 'and is one statement');
select throws_ok($$ execute define('copy warehouse.lab to program ''true''') $$, '22023', null, 'that reads');
select throws_ok($$ execute define('select person, value from warehouse.lab') $$, '22023', null, 'It gives one column');
select throws_ok($$ execute define('select value from warehouse.lab') $$, '22023', null, 'of persons');
select throws_ok($$ execute define('select from warehouse.lab') $$, '22023', null, 'and not none');
select throws_ok($$ execute define('select ''7''::niji.person from warehouse.lab') $$, '42501', null, 'who come from rows');
select throws_ok($$ execute define('selec person') $$, '42601', null, 'What is wrong with its text is told');
select throws_ok($$ execute define('select person from warehouse.lab where code::int > 0') $$, '22P02', 'the query of the cohort failed', 'what goes wrong with a row is not');
select throws_ok($$ execute define(' ') $$, '22023', null, 'Nothing is no query');
select is((select row(persons, source, withheld)::text from niji.cohorts where name = 'by_query'), '(,,t)', 'After all that the cohort is still nobody''s');
reset session authorization;
update warehouse.lab set tag = 'UNINFORMED' where person = p(40);
set session authorization governance_abe;
select is(niji.define_cohort('C-1', 'by_query', $$ select d.person from warehouse.diagnosis d where d.disease <@ 'E11' and d.since > date '2024-06-05' $$), 13::bigint, 'A query defines a cohort: diabetics from a day on');
select throws_ok($$ select niji.define_cohort('C-1', 'by_query', 'select person from warehouse.lab') $$, '55000', null, 'It is run once');
select throws_ok($$ select niji.load_cohort('C-1', 'by_query', 'patient', people(1, 2)) $$, '55000', null, 'and no list is added to it');
select throws_ok($$ select niji.define_cohort('C-1', 'diabetics', 'select person from warehouse.lab') $$, '55000', null, 'A cohort that came from a list is not defined anew');
select is(niji.define_cohort('C-1', 'of_labs', $$ with high as (select person, max(value) as top from warehouse.lab group by person having count(*) >= 1) select person from high where top > 7 order by top $$), 19::bigint, 'A query may group and order; of the twenty one row is tagged never to be shown, and makes nobody a member');
select is((select row(definition like '%disease <@%', defined_by)::text from niji.cohorts where name = 'by_query'), '(t,{diagnosis})', 'Reviewers see the query and the datasets that it read');
reset session authorization;
select pg_sleep(1.2) \g /dev/null
select is((select count(*) from niji.trail_acts where action = 'define_cohort'), 5::bigint, 'Each query that was run is in the trail, also those that were refused for what they gave');
set session authorization auditor_endo;
select is((select count(*) from niji.trail where header ->> 'action' = 'define_cohort' and private -> 'details' ->> 'query' like '%limit 9%' and private -> 'details' ->> 'persons' = '9'), 1::bigint, 'with its text and its number in the private part');
select is((select count(*) from niji.trail where header ->> 'action' = 'define_cohort' and (header ->> 'persons')::int between 1 and 9), 0::bigint, 'and no small number in the public one');

/* ---- requesting data for it ---- */
set session authorization governance_abe;
select throws_ok($$ select niji.request_data('C-1', 'lab', array['value'], cohort => 'nobody') $$, '42704', null, 'Data are requested for a cohort of the permit');
select lives_ok($$ select niji.request_data('C-1', 'lab', array['value', 'code'], cohort => 'by_query') $$, 'Values of those whose diagnosis a query looked for');
set session authorization reviewer_baba;
select throws_ok($$ select approve('C-1') $$, '55000', 'cohort "by_query" is defined by data that the permit does not request', 'The data that define a cohort have to be requested too');
set session authorization governance_abe;
select lives_ok($$ select niji.request_data('C-1', 'diagnosis', array['disease'], cohort => 'diabetics') $$, 'Diagnoses of those on the list');
select niji.apply_permit('C-2', 'Few', 'tohoku-lab', 'research', current_date, current_date + 300) > 0 as ok \g /dev/null
select niji.create_cohort('C-2', 'few') > 0 as ok \g /dev/null
select niji.request_data('C-2', 'lab', '{value}', cohort => 'few') is null as ok \g /dev/null
select throws_ok($$ select niji.request_data('C-2', 'diagnosis', '{disease}', cohort => 'diabetics') $$, '42704', null, 'A cohort of one permit is of no use to another');
select niji.load_cohort('C-2', 'few', 'patient', people(1, 9)) is null as ok \g /dev/null
set session authorization reviewer_baba;
select throws_ok($$ select approve('C-2') $$, '55000', 'cohort "few" has fewer than 10 persons', 'With a cohort that names nine people nothing is approved');
select lives_ok($$ select approve('C-1') $$, 'The other permit is reviewed');
set session authorization governance_abe;
select throws_ok($$ select niji.load_cohort('C-1', 'diabetics', 'patient', people(30, 40)) $$, '55000', null, 'and from then on its cohorts stay as they were reviewed');
set session authorization reviewer_chiba;
select approve('C-1') is null as ok \g /dev/null
set session authorization governance_abe;
select niji.grant_permit('C-1') is null as ok, niji.add_reader('C-1', 'stranger') is null as ok \g /dev/null

/* ---- what is seen ---- */
reset session authorization;
create table cohort_ids as select c.id, c.name from niji.cohorts c;
grant select on cohort_ids to public;
set session authorization stranger;
select is((select count(*) from c_1.diagnosis), 20::bigint, 'A reader sees the rows of the cohort: of twenty people on the list');
select is((select count(*) from c_1.lab), 13::bigint, 'and in the other dataset those of the other cohort');
set session authorization consent_ito;
select niji.record_consent(p(8), 'deny', category => 'ehr') > 0 as ok \g /dev/null
set session authorization stranger;
select is((select count(*) from c_1.lab), 12::bigint, 'Consent counts beside it');
select is((select count(*) from c_1.diagnosis), 20::bigint, 'where it is asked for');
set session authorization governance_abe;
select niji.set_rule('claims', 'research', 'opt_out') > 0 as ok \g /dev/null
set session authorization consent_ito;
select niji.record_consent(p(10), 'deny', category => 'claims') > 0 as ok \g /dev/null
set session authorization stranger;
select is((select count(*) from c_1.lab), 11::bigint, 'Who objects to the data that define the cohort is seen by it no longer');
reset session authorization;
select pg_sleep(1.2) \g /dev/null
select is((select array[max(persons_scanned), min(persons_scanned)] from niji.trail_reads where permit = 'C-1' and datasets = '{lab}'), array[13, 11]::bigint[], 'Who is outside the cohort, or hidden by it, is not scanned');
select is((select max(persons_scanned) from niji.trail_reads where permit = 'C-1' and datasets = '{diagnosis}'), 20::bigint, 'in either dataset');

/* ---- who asks the filter ---- */
set session authorization stranger;
select throws_ok(format('select niji.in_cohort(null::niji.person, %s), niji.cohort_members(%s) from c_1.lab', id, id), '42501', null, 'A reader is not told who is in the cohort') from cohort_ids where name = 'by_query';
select throws_ok(format('select cardinality(niji.cohort_members(%s))', id), '42501', null, 'nor how many') from cohort_ids where name = 'by_query';
set session authorization governance_abe;
select throws_ok(format('select cardinality(niji.cohort_members(%s))', id), '42501', null, 'governance neither') from cohort_ids where name = 'by_query';
select throws_ok($$ select * from niji.cohort_chunk $$, '42501', null, 'The bitmaps are out of reach');
set session authorization loader_kato;
select throws_ok(format($$ select niji.in_cohort(niji.enrol('patient', '0110113719:0006'), %s) $$, id), '42501', null, 'A loader does not learn that somebody is in a cohort') from cohort_ids where name = 'by_query';
set session authorization consent_ito;
select throws_ok(format($$ select niji.in_cohort(niji.find_person('patient', '0110113719:0006'), %s) $$, id), '42501', null, 'nor does a consent officer') from cohort_ids where name = 'by_query';
set session authorization custodian_goto;
select is(niji.in_cohort(p(6), (select id from cohort_ids where name = 'by_query')), true, 'A custodian may ask');
select throws_ok($$ select niji.in_cohort(p(6), 4711) $$, '55000', null, 'about one that exists');
reset session authorization;

/* ---- merges and splits ---- */
alter table warehouse.lab add column id bigint generated always as identity primary key;
alter table warehouse.diagnosis add primary key (person, disease);
create table known as select p(12) as inside, p(35) as outside, p(36) as other;
grant select on known to public;
create table newcomer (person niji.person);
grant all on newcomer to public;
set session authorization custodian_goto;
select niji.merge_persons(outside, inside, 'one human') > 0 as ok from known \g /dev/null
set session authorization stranger;
select is((select count(*) from c_1.lab), 12::bigint, 'Who is one human with a member is in the cohort: both values are seen');
set session authorization custodian_goto;
select niji.undo_merge(max(id), 'two after all') is null as ok from niji.person_merges \g /dev/null
call niji.move_rows();
set session authorization stranger;
select is((select count(*) from c_1.lab), 11::bigint, 'and is out again when that was wrong');
set session authorization custodian_goto;
select niji.link_identifier(inside, 'registry', 'r:second', 'form') is null as ok from known \g /dev/null
insert into newcomer select niji.split_person(inside, array[['registry', 'r:second']], 'two humans') as person from known;
select is((select array[niji.in_cohort(n.person, c.id), niji.in_cohort(k.inside, c.id)] from newcomer n, known k, cohort_ids c where c.name = 'by_query'), array[true, true], 'Of two who were taken for one either may be meant: both are members');
reset session authorization;

/* ---- renewal ---- */
set session authorization governance_abe;
select niji.apply_permit('C-3', 'More of it', 'tohoku-lab', 'research', current_date, current_date + 300, renews => 'C-1') > 0 as ok \g /dev/null
select is((select array_agg(row(name, source, persons)::text order by name) from niji.cohorts where carried_from = 'C-1'), (select array_agg(row(name, source, persons)::text order by name) from niji.cohorts where permit = 'C-1'), 'A renewal carries the cohorts');
select niji.request_data('C-3', 'diagnosis', array['disease'], cohort => 'by_query') is null as ok \g /dev/null
select is((select row(l.*)::text from niji.load_cohort('C-3', 'diabetics', 'patient', people(30, 34)) l), '(5,0,0,0)', 'where they may grow, as a draft''s');
select is((select array_agg(persons order by permit) from niji.cohorts where name = 'diabetics'), array[21, 26]::bigint[], 'without the earlier permit''s growing');

select * from finish();
