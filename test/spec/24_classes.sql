-- Physicians, records and households: numbers inside the warehouse, pseudonyms outside.
\i test/story.sql
\set ON_ERROR_STOP 1
select plan(51);
create function public.state_of(command text) returns text language plpgsql as $$
begin execute command; return 'ok'; exception when others then return sqlstate; end $$;

create schema stage authorization loader_kato;
grant usage on schema warehouse to public;
create table warehouse.visit (person niji.person not null, doctor niji.physician, claim niji.record, home niji.household, seen_on date,
  doctors niji.physician[], number bigint generated always as identity, unique (doctor, claim));
create index on warehouse.visit (person);
create index on warehouse.visit using hash (doctor);
create table warehouse.staff (doctor niji.physician, specialty text);
set session authorization governance_abe;
select niji.register_dataset('visit', 'warehouse.visit', array['person']::name[], 'city-hospital', 'claims', '高齢者の医療の確保に関する法律') as visit,
       niji.register_dataset('staff', 'warehouse.staff', '{}', 'city-hospital', 'claims', '高齢者の医療の確保に関する法律') as staff \gset

/* ---- loading ---- */
set session authorization loader_kato;
create table stage.visit (identifier text, identifier_kind text, doctor text, claim text, home text, seen_on date);
insert into stage.visit values
  ('0110113719:0001', 'patient', '１２３４５６', 'R-1', 'H1', '2025-04-01'),
  ('0110113719:0001', 'patient', '123456', 'R-2', 'H1', '2025-04-02'),
  ('0110113719:0002', 'patient', '654321', 'R-3', 'H1', '2025-04-03'),
  ('0110113719:0003', 'patient', null, null, null, '2025-04-04'),
  ('0110113719:0004', 'patient', E'12\u0007', 'R-5', 'H2', '2025-04-05'),
  ('0110113719:0005', 'patient', '123456', 'R-1', 'H3', '2025-04-06');
select results_eq($$ select loaded, refused from niji.load_dataset('visit', 'stage.visit', 'visits.csv') $$, $$ values (4::bigint, 2::bigint) $$, 'A dataset with physicians, records and households is loaded from their codes');
select results_eq('select reason from niji.quarantine order by id', $$ values ('column "doctor" has a malformed code: control_character'), ('violates constraint "visit_doctor_claim_key" (23505)') $$,
  'A malformed code and a broken constraint put their rows into quarantine');
select is(public.state_of($$ select niji.load_dataset('visit', 'stage.visit', identifiers => '{"doctor": {"issuer": "a b"}}') $$), '22023', 'An issuer is a word');
create table stage.staff (doctor text, specialty text);
insert into stage.staff values ('123456', 'surgery'), ('654321', 'dentistry');
select results_eq($$ select loaded, refused from niji.load_dataset('staff', 'stage.staff') $$, $$ values (2::bigint, 0::bigint) $$, 'A reference table of physicians is loaded');
create table stage.number (identifier text, identifier_kind text, doctor bigint);
select is(public.state_of($$ select niji.load_dataset('visit', 'stage.number') $$), '42804', 'A loader cannot give numbers instead of codes');
reset session authorization;
select is((select array[count(distinct doctor), count(distinct claim), count(distinct home)] from warehouse.visit), array[2, 3, 1]::bigint[], 'The same code in two widths is one physician');
select is((select array_agg(s.specialty order by v.seen_on) from warehouse.visit v join warehouse.staff s using (doctor)), array['surgery', 'surgery', 'dentistry'], 'and it is the same in two datasets of one holder');
select is((select count(*) from niji.surrogate where class = 3), 2::bigint, 'Each code is kept once, as a digest');
select is((select count(*) from niji.surrogate s where s::text like '%123456%' and s.value <> 123456), 0::bigint, 'and not as itself');
insert into warehouse.visit (person, doctor) select '1', niji.as_physician(s) from unnest(niji.surrogates('niji.physician', 'other-hospital', array['123456'])) s;
select is((select count(distinct doctor) from warehouse.visit), 3::bigint, 'A code that another issuer gave out is another physician');
select v.claim::text as r_1 from warehouse.visit v where v.seen_on = '2025-04-01' \gset
select s[1]::text is distinct from :'r_1' as other, s[2:4] as same from niji.surrogates('niji.record', 'city-hospital', array['r-1', 'R-1', null, 'R-1']) s \gset
select is(:'other'::boolean and :'same' = format('{%s,NULL,%s}', :'r_1', :'r_1'), true, 'Codes keep their case, nulls stay null, and a known one is found again');
delete from warehouse.visit where person = '1' and doctor is not null and seen_on is null;
select throws_ok($$ select niji.surrogates('niji.person', 'x', array['1']) $$, '22023', null, 'Persons come from identifiers only');

/* ---- the types ---- */
select is('12'::niji.physician::text, '12', 'A superuser enters and shows one');
select throws_ok($$ select '0'::niji.physician $$, '22P02', null, 'from 1');
select throws_ok($$ select '9223372036854775808'::niji.record $$, '22P02', null, 'to what fits in 8 bytes');
select throws_ok($$ select '1'::niji.household::text::bigint::niji.household $$, '42846', null, 'and there is no cast from a number');
select is((select count(*) from pg_cast c where c.castsource in ('niji.physician'::regtype, 'niji.record'::regtype, 'niji.household'::regtype) or c.casttarget in ('niji.physician'::regtype, 'niji.record'::regtype, 'niji.household'::regtype)), 0::bigint, 'nor any other');
select throws_ok($$ select '1'::niji.physician = '1'::niji.record $$, '42883', null, 'Classes do not compare with one another');
set enable_seqscan = off;
select is((select count(*) from warehouse.visit where doctor = (select doctor from warehouse.visit where seen_on = '2025-04-01')), 2::bigint, 'They are found by an index');
reset enable_seqscan;
select is((select array_agg(x::text order by x) from unnest(array['10', '9', '100']::niji.physician[]) x), array['9', '10', '100'], 'They sort as numbers');

/* ---- under a permit ---- */
set session authorization governance_abe;
select niji.apply_permit('C1', 'Practice', 'tohoku-lab', 'research', current_date, current_date + 30) as permit \gset
select is(public.state_of($$ select niji.request_data('C1', 'visit', array['doctor:plain']) $$), '42501', 'A physician is not shown as it is');
select is(public.state_of($$ select niji.request_data('C1', 'visit', array['doctor:prefix(2)']) $$), '42501', 'nor in part');
select is(public.state_of($$ select niji.request_data('C1', 'visit', array['doctors']) $$), '42501', 'nor an array of them');
select is(public.state_of($$ select niji.request_data('C1', 'visit', array['seen_on:pseudonym']) $$), '42804', 'A date has no pseudonym');
select lives_ok($$ select niji.request_data('C1', 'visit', array['doctor', 'claim:pseudonym', 'home', 'seen_on', 'number']) $$, 'They are shown as pseudonyms, without being asked');
select lives_ok($$ select niji.request_data('C1', 'staff', array['doctor', 'specialty']) $$, 'also in a reference table');
set session authorization reviewer_baba;
select niji.review_permit('C1', 'approve') \g /dev/null
set session authorization reviewer_chiba;
select niji.review_permit('C1', 'approve') \g /dev/null
set session authorization governance_abe;
select niji.grant_permit('C1') \g /dev/null
select niji.add_reader('C1', 'stranger') \g /dev/null
set session authorization stranger;
select is((select array_agg(distinct format_type(a.atttypid, null)) from pg_attribute a where a.attrelid = 'c1.visit'::regclass and a.attname in ('pid', 'doctor', 'claim', 'home')), array['niji.pseudonym'], 'The view has pseudonyms');
select is((select array[count(distinct pid), count(distinct doctor), count(distinct claim), count(distinct home)] from c1.visit), array[3, 2, 3, 1]::bigint[], 'as many as there are physicians, records, households');
select is((select array_agg(s.specialty order by v.seen_on) from c1.visit v join c1.staff s using (doctor)), array['surgery', 'surgery', 'dentistry'], 'and they join');
select is((select count(*) from c1.visit v where v.doctor = (select doctor from c1.staff where specialty = 'surgery')), 2::bigint, 'and are found');
select is((select count(*) from c1.visit where doctor = pid or claim = doctor or home = claim), 0::bigint, 'Pseudonyms of two classes are never the same');

/* ---- what an analyst tries ---- */
select is(public.state_of('select niji.pseudonym(''1''::niji.physician, 2)'), '42501', 'An analyst cannot enter a physician');
select is(public.state_of('select niji.pseudonym((''{1}''::niji.physician[])[1], 2)'), '42501', 'nor in an array');
select is(public.state_of('select niji.pseudonym(x.doctor, 2) from json_populate_record(null::warehouse.staff, ''{"doctor": "1"}'') x'), '42501', 'nor in a row from JSON');
select is(public.state_of('select niji.pseudonym((''(1,x)''::warehouse.staff).doctor, 2)'), '42501', 'nor in a row from text');
select is(public.state_of('select niji.pseudonym(niji.as_physician(1), 2)'), '42501', 'nor make one from a number');
select is(public.state_of('select niji.pseudonym(1, 2)'), '42883', 'nor pass a number');
select is(public.state_of('select niji.surrogates(''niji.physician'', ''city-hospital'', array[''123456''])'), '42501', 'nor from a code');
select is(public.state_of('select niji.keyed_digest(93, ''city-hospital:123456'', 1)'), '42501', 'nor its digest');
select is(niji.pseudonym(null::niji.physician, 2), null, 'a null gives nothing');
set session authorization loader_kato;
select is(public.state_of('select niji.pseudonym(null::niji.physician, 2)'), 'ok', 'A loader may ask for nothing');
select is(public.state_of('select ''1''::niji.physician'), '42501', 'but enters no physician');
select is(public.state_of('create table stage.x (d niji.physician)'), '42501', 'nor has a table of them');
set session authorization custodian_goto;
select is(public.state_of('select ''1''::niji.physician'), '42501', 'nor does a custodian');

/* ---- changes are recorded as the numbers that they are ---- */
reset session authorization;
create table warehouse.roster (doctor niji.physician primary key, home niji.household, note text);
select niji.audit_changes('warehouse.roster', 'rows') \g /dev/null
grant all on warehouse.roster to loader_kato;
insert into warehouse.roster select distinct doctor, null::niji.household, 'x' from warehouse.staff;
set session authorization loader_kato;
select lives_ok($$ update warehouse.roster set note = 'y' $$, 'A change by somebody who may not see a physician is recorded');
select throws_ok($$ select format('%s', doctor) from warehouse.roster $$, '42501', null, 'who does not see it now either');
reset session authorization;
select niji.move_trail() \g /dev/null
select is((select count(*) from niji.trail_changes c where c.relation = 'warehouse.roster' and c.command = 'UPDATE'), 1::bigint, 'It is in the trail');

/* ---- pseudonyms are those of their class ---- */
select domain from niji.permit where code = 'C1' \gset
select throws_ok(format('select niji.person_of(niji.pseudonym(''1''::niji.physician, %1$s), %1$s)', :domain), '22023', null, 'A physician''s pseudonym is not a person''s');
select isnt(niji.pseudonym('1'::niji.physician, :domain), niji.pseudonym('1'::niji.record, :domain), 'The same number in two classes has two pseudonyms');
select throws_ok($$ select niji.pseudonym('1'::niji.record, 999) $$, '55000', null, 'An unknown domain has none');
select is_empty($$ select object, finding from niji.check_protection() where severity <> 'notice' and code <> 'hba_trust_local' $$, 'Nothing is weaker than it should be');
select * from finish();
