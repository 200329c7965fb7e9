-- The nine invariants of niji, each as sentences, over a small warehouse.
\i test/story.sql
\set ON_ERROR_STOP 1
select plan(31);

-- a statement as the analyst, in this session
create function pg_temp.refused(statement text, state text, what text) returns text language plpgsql as $$
begin
  return throws_ok(statement, state, null, what);
end $$;
grant usage on schema public to public;

/* 1. No identity. */
set session authorization analyst_fujita;
select throws_ok($$ select '1'::niji.person $$, '42501', null, '1. An analyst cannot make a person');
select throws_ok($$ select niji.person_of((select pid from p2026_017.diagnosis limit 1), 1) $$, '42501', null, '1. An analyst cannot turn a pseudonym back');
select throws_ok($$ select niji.find_person('patient', '0110113719:0001') $$, '42501', null, '1. An analyst cannot look an identifier up');
select throws_ok($$ select * from niji.identifier $$, '42501', null, '1. An analyst cannot read the digests');
select is((select count(*) from p2026_017.diagnosis where pid::text ~ '^[0-9A-Z]{28}$'), 30::bigint, '1. What the analyst sees as a person is a pseudonym of 28 characters');
reset session authorization;
select is((select count(*) from niji.identifier where encode(digest, 'escape') like '%0110113719%'), 0::bigint, '1. No identifier is stored beside its digest');

/* 2. No forbidden row. */
set session authorization analyst_fujita;
select is((select count(*) from p2026_017.lab), 40::bigint, '2. Before any objection forty people are visible');
reset session authorization;
select niji.record_consent(niji.find_person('patient', '0110113719:0007'), 'deny', category => 'ehr') > 0 as recorded \g /dev/null
set session authorization analyst_fujita;
select is((select count(*) from p2026_017.lab), 39::bigint, '2. The next statement after an objection does not count its person');
select is((select count(*) from p2026_017.diagnosis), 30::bigint, '2. Where the law needs no consent the objection changes nothing');
select throws_ok($$ explain analyze select * from p2026_017.lab $$, '42501', null, '2. EXPLAIN ANALYZE, which tells what was withheld, is refused');
select throws_ok($$ select * from warehouse.lab $$, '42501', null, '2. The base table is out of reach');
select is((select count(*) from pg_stats where schemaname = 'warehouse'), 0::bigint, '2. Statistics over the base tables are out of reach');
reset session authorization;
update warehouse.lab set tag = 'UNINFORMED' where person = niji.find_person('patient', '0110113719:0009');
set session authorization analyst_fujita;
select is((select count(*) from p2026_017.lab), 38::bigint, '2. A row that the person was not told about is not shown');

/* 3. No unrecorded read. */
reset session authorization;
select pg_sleep(1.5) \g /dev/null
select cmp_ok((select count(*) from niji.trail_reads r where r.session_user = 'analyst_fujita' and permit = 'P2026-017'), '>=', 5::bigint, '3. Every read of the analyst is an entry');
select is((select max(persons_scanned) from niji.trail_reads where permit = 'P2026-017'), 40::bigint, '3. An entry says how many persons were scanned');
select results_eq($$ select w.permit, w.applicant from niji.who_used(niji.find_person('patient', '0110113719:0001')) w where dataset = 'lab' and w.permit is not null $$, $$ values ('P2026-017', '東北疫学研究室') $$, '3. A person can be told who used their data');
set session authorization analyst_fujita;
begin;
select count(*) from p2026_017.lab where code = 'rolled back' \g /dev/null
rollback;
reset session authorization;
select pg_sleep(1.5) \g /dev/null
select cmp_ok((select count(*) from niji.trail where kind like 'read%'), '>', 0::bigint, '3. A rolled back transaction does not take its entries with it');

/* 4. No silent change of the record. */
select cmp_ok(niji.seal_trail(), '>', 0::bigint, '4. The trail is sealed');
select is_empty('select * from niji.verify_trail()', '4. An untouched trail verifies');
select throws_ok('delete from niji.entry', null, null, '4. Entries cannot be deleted in ordinary ways, even by a superuser');

/* 5. No key in the database. */
select is((select count(*) from pg_settings where name like 'niji.%' and setting ~ '[0-9a-f]{64}'), 0::bigint, '5. No setting holds a key');
select is((select count(*) from niji.key_status() k where k::text ~ '[0-9a-f]{64}'), 0::bigint, '5. The status of keys shows none');

/* 6. It fails closed. */
set session authorization stranger;
select throws_ok($$ select * from p2026_017.lab $$, '42501', null, '6. Who is not a reader reads nothing');
reset session authorization;
select throws_ok($$ select * from p2026_017.lab $$, '42501', null, '6. A superuser is refused on a permit''s view too');

/* 7. A permit is native. */
select has_schema('p2026_017', '7. A granted permit is a schema');
select has_view('p2026_017', 'lab', '7. with a view for each dataset');
select is((select count(*)::int from pg_policy p join pg_roles r on r.oid = any(p.polroles) where r.rolname like 'niji\_p%'), 2, '7. and a policy on each base table');

/* 9. Nothing is lost. */
select throws_ok($$ select niji.enrol('patient', 'nonsense') $$, null, null, '9. Bad input is an error');
select is((select count(*) from niji.quarantine), 0::bigint, '9. and the quarantine is empty as long as nothing was refused');

/* 8. One session, one permit; and the end of 7 */
select niji.close_permit('P2026-017', 'ended') is null as closed \g /dev/null
set session authorization analyst_fujita;
select throws_ok($$ select * from p2026_017.lab $$, null, null, '7. Closing a permit removes what it gave');
reset session authorization;
select hasnt_schema('p2026_017', '7. its schema is gone');

select * from finish();
