-- Intake: what loaders can do, what becomes of records that are wrong, and what a loader cannot make niji do.
\set ECHO none
\i test/story.sql
select plan(79);
-- the trail of acts, whether or not the writer has moved them yet
create function public.acts(wanted text) returns bigint language sql security definer as $$
  select (select count(*) from niji.pending_entry p where niji.decode_cbor(p.header) ->> 'action' = wanted)
       + (select count(*) from niji.trail_acts a where a.action = wanted)
$$;

create schema stage authorization loader_kato;
create table warehouse.claim (
  person niji.person not null,
  institution niji.institution_code,
  disease niji.receipt_code not null,
  since date not null check (since < '2030-01-01'),
  note varchar(10),
  number bigint generated always as identity
);
create table warehouse.birth (child niji.person not null, mother niji.person, born_on date not null);
do $$
begin
  perform niji.register_dataset('claim', 'warehouse.claim', array['person']::name[], 'city-hospital', 'claims', '高齢者の医療の確保に関する法律');
  perform niji.register_dataset('birth', 'warehouse.birth', array['child', 'mother']::name[], 'city-hospital', 'registry', '母子保健法');
end $$;

/* ---- a claims file and a FHIR bundle about the same person ---- */
set session authorization loader_kato;
create table stage.file (name text, content bytea);
insert into stage.file values
  ('RECEIPTC.UKE', convert_to(E'IR,1,13,1,9900013,,虹の橋病院,202505,00,\r\nRE,1,1112,202504,木村　花子,2,19471105\r\nHO,  139907,東あ,１２３,1,265\r\nSN,1,01,,,,02,,\r\nSY,2500015,20220610,1,,,01,\r\nSY,8833421,20220230,1,,,,\r\nSY,8844446,20230101,1,,,,\r\nGO,1,265,99\r\n', 'SJIS')),
  ('bundle.json', convert_to('{"resourceType":"Bundle","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","identifier":[{"system":"http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID","value":"00139907:東あ:123:02"}]}},{"resource":{"resourceType":"Observation","status":"final","subject":{"reference":"urn:uuid:1"},"effectiveDateTime":"2025-04-01","code":{"coding":[{"system":"http://medis.or.jp/CodeSystem/master-JLAC10-17digits","code":"3D046000001920402"}]},"valueQuantity":{"value":6.8,"unit":"%"},"meta":{"tag":[{"system":"http://jpfhir.jp/fhir/clins/CodeSystem/JP_ehrshrs_indication","code":"UNINFORMED"}]}}}]}', 'UTF8'));
create table stage.claim as
  select u.identifier, u.identifier_kind, u.institution, u.disease_code as disease, u.start_date as since, u.disease_name as note,
         u.place as source_place, u.raw as source_raw, u.reason as source_reason
    from stage.file f, niji.uke_diagnoses(f.content) u where f.name = 'RECEIPTC.UKE';
select results_eq($$ select loaded, refused, new_persons from niji.load_dataset('claim', 'stage.claim', 'RECEIPTC.UKE', (select sha256(content) from stage.file where name = 'RECEIPTC.UKE')) $$,
  'values (2::bigint, 1::bigint, 1::bigint)', 'A claims file is loaded, but for its wrong record');
create table stage.lab as
  select r.identifier, r.identifier_kind, r.observed_on as taken_on, r.jlac10 as code, r.value, r.tag, r.place as source_place, r.raw as source_raw, r.reason as source_reason
    from stage.file f, niji.fhir_lab_results(f.content) r where f.name = 'bundle.json';
select results_eq($$ select loaded, refused, new_persons from niji.load_dataset('lab', 'stage.lab', 'bundle.json') $$,
  'values (1::bigint, 0::bigint, 0::bigint)', 'A FHIR bundle about the same person is loaded, and nobody new is enrolled');
reset session authorization;
select is((select count(distinct person) from (select person from warehouse.claim union all select person from warehouse.lab where tag = 'UNINFORMED') x), 1::bigint,
  'A number in full width and the same in half width are one person');
select is((select count(*) from niji.identifier where source = 'RECEIPTC.UKE'), 1::bigint, 'The source is kept with the digest');
select is(public.acts('load_dataset'), 2::bigint, 'Each load is an act in the trail');

/* ---- quarantine ---- */
set session authorization loader_kato;
select results_eq('select source, place, reason from niji.quarantine', $$ values ('RECEIPTC.UKE', 'line 6', 'field 3 (診療開始日) of SY is not a date') $$,
  'The wrong record is in quarantine with file, line, field and reason');
select is((select convert_from(niji.read_quarantine(id), 'SJIS') from niji.quarantine), 'SY,8833421,20220230,1,,,,', 'A loader can read its original bytes');
reset session authorization;
select is(public.acts('read_quarantine'), 1::bigint, 'which is recorded');
begin;
set local session authorization loader_kato;
select niji.read_quarantine(id) is not null as was_read from niji.quarantine \gset
rollback;
do $$ begin
  for i in 1 .. 100 loop
    exit when (select count(*) from niji.trail where kind = 'quarantine') >= 2;
    perform pg_sleep(0.1);
  end loop;
end $$;
select is((select count(*) from niji.trail where kind = 'quarantine'), 2::bigint, 'and stays recorded when the reading transaction is rolled back');
select is((select count(*) from niji.quarantined where position(convert_to('8833421', 'UTF8') in sealed) > 0 or sealed::text like '%' || encode('8833421', 'hex') || '%'), 0::bigint,
  'The bytes are not in the table as they were');
select is((select length(sealed) - 1 - 2 - 12 - 16 from niji.quarantined), length('SY,8833421,20220230,1,,,,'), 'but version, generation, nonce, ciphertext and tag');
select is((select date_trunc('day', expires - at + interval '1 hour') from niji.quarantined), interval '30 days', 'It expires after niji.quarantine_days');
set session authorization loader_kato;
select throws_ok('select * from niji.quarantined', '42501', null, 'Loaders cannot read the table itself');
select throws_ok($$ select niji.quarantine_open(1, '\x00', 'x', '\x00') $$, '42501', null, 'nor call what decrypts');
select throws_ok('select niji.read_quarantine(987654)', '22023', null, 'A record that does not exist is an error');
select throws_ok($$ select niji.quarantine_record('f', '\x00', 'line 1', 'r', 'x') $$, '22023', null, 'A hash that is none is refused');
select throws_ok($$ select niji.quarantine_record('f', null, 'line 1', null, 'x') $$, '22004', null, 'A record without a reason is refused');
select lives_ok($$ select niji.quarantine_record('other.csv', null, 'line 7', 'has no date', repeat('x', 100000)::bytea) $$, 'A loader can put a record into quarantine');
select is((select length(niji.read_quarantine(id)) from niji.quarantine where source = 'other.csv'), 100000, 'also a long one');
select lives_ok($$ select niji.quarantine_record('empty.csv', null, 'file', 'is empty', '') $$, 'and an empty one');
select is((select niji.read_quarantine(id) from niji.quarantine where source = 'empty.csv'), ''::bytea, 'which comes back empty');
set session authorization analyst_fujita;
select throws_ok('select * from niji.quarantine', '42501', null, 'Analysts do not see the quarantine');
select throws_ok('select niji.read_quarantine(1)', '42501', null, 'nor read it');
set session authorization governance_abe;
select throws_ok('select niji.read_quarantine(1)', '42501', null, 'nor does governance');
select is((select count(*) from niji.quarantine), 3::bigint, 'which sees what there is');
reset session authorization;
update niji.quarantined set sealed = (select sealed from niji.quarantined where place = 'file') where place = 'line 6';
select throws_ok($$ select niji.read_quarantine(id) from niji.quarantine where place = 'line 6' $$, 'XX001', null, 'Bytes that were exchanged with another record''s are found out');
update niji.quarantined set sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) where place = 'line 7';
select throws_ok($$ select niji.read_quarantine(id) from niji.quarantine where place = 'line 7' $$, 'XX001', null, 'A changed bit is found out');
update niji.quarantined set place = 'line 1' where place = 'file';
select throws_ok($$ select niji.read_quarantine(id) from niji.quarantine where place = 'line 1' $$, 'XX001', null, 'Another place is found out');
update niji.quarantined set sealed = '\x02' where place = 'line 1';
select throws_ok($$ select niji.read_quarantine(id) from niji.quarantine where place = 'line 1' $$, 'XX001', null, 'An unknown version is refused');
update niji.quarantined set expires = now() where place = 'line 1';
select is((select count(*) from niji.quarantine), 2::bigint, 'What has expired is not shown');
set session authorization governance_abe;
select is(niji.purge_quarantine(), 1::bigint, 'and purged');
reset session authorization;
select is((select count(*) from niji.quarantined), 2::bigint, 'for good');
select is(public.acts('purge_quarantine'), 1::bigint, 'which is recorded');

/* ---- rows that do not fit ---- */
truncate niji.quarantined;
set session authorization loader_kato;
create table stage.text (identifier text, identifier_kind text, institution text, disease text, since text, note text, source_place text);
insert into stage.text values
  ('0110113719:0001', 'patient', '0110113719', '2500015', '2025-01-01', null, 'line 1'),
  ('0110113719:0002', 'patient', '011011371', '2500015', '2025-01-01', null, 'line 2'),
  ('0110113719:0003', 'patient', null, '2500015', '2025-02-30', null, 'line 3'),
  ('0110113719:0004', 'patient', null, null, '2025-01-01', null, 'line 4'),
  ('0110113719:0005', 'patient', null, '2500015', '2031-01-01', null, 'line 5'),
  ('0110113719:0006', 'patient', null, '2500015', '2025-01-01', '12345678901', 'line 6'),
  ('0110113719:0007', 'no such kind', null, '2500015', '2025-01-01', null, 'line 7'),
  ('0110113719:0008', null, null, '2500015', '2025-01-01', null, 'line 8'),
  (null, 'patient', null, '2500015', '2025-01-01', null, 'line 9'),
  ('not an identifier', 'insured', null, '2500015', '2025-01-01', null, 'line 10'),
  ('0110113719:0011', 'patient', null, '2500015', '2025-01-01', '1234567890', null);
select results_eq($$ select loaded, refused from niji.load_dataset('claim', 'stage.text', 'claims.csv') $$, 'values (2::bigint, 9::bigint)', 'Of eleven rows two are good');
select results_eq('select place, reason from niji.quarantine order by substr(place, 6)::int', $$ values
  ('line 2', 'column "institution": is malformed (22P02)'),
  ('line 3', 'column "since": is malformed (22008)'),
  ('line 4', 'column "disease": must not be null (23502)'),
  ('line 5', 'violates constraint "claim_since_check" (23514)'),
  ('line 6', 'a value cannot be stored (22001)'),
  ('line 7', 'has an identifier of an unknown kind'),
  ('line 8', 'has an identifier without a kind'),
  ('line 9', 'has no identifier'),
  ('line 10', (select 'has a malformed identifier: ' || rule from niji.check_identifier('insured', 'not an identifier'))) $$, 'Each of the others has its reason, and no reason repeats a value');
select is((select convert_from(niji.read_quarantine(id), 'UTF8')::jsonb ->> 'since' from niji.quarantine where place = 'line 3'), '2025-02-30', 'A row without bytes of its own is kept as JSON');
create table stage.many as
  select '0110113719:' || to_char(n % 40 + 1, 'FM0000') as identifier, 'patient' as identifier_kind, '2500015' as disease,
         case when n in (1, 9999, 10000, 10001, 25000) then 'x' else '2025-01-01' end as since, 'line ' || n as source_place
    from generate_series(1, 25000) n;
select results_eq($$ select loaded, refused, new_persons from niji.load_dataset('claim', 'stage.many', 'many.csv') $$, 'values (24995::bigint, 5::bigint, 0::bigint)', 'Wrong rows are found among many');
select is((select array_agg(place order by id) from niji.quarantine where source = 'many.csv'), array['line 1', 'line 9999', 'line 10000', 'line 10001', 'line 25000'], 'exactly those');
reset session authorization;
select is((select count(*) from warehouse.claim), 2 + 2 + 24995::bigint, 'and nothing was loaded twice');
set session authorization loader_kato;
create table stage.birth (child_identifier text, child_identifier_kind text, mother text, born_on date);
insert into stage.birth values ('0110113719:0101', 'patient', '0110113719:0001', '2025-01-01'), ('0110113719:0102', 'patient', null, '2025-01-01');
select throws_ok($$ select * from niji.load_dataset('birth', 'stage.birth') $$, '42703', null, 'A dataset with two persons a row needs two identifiers');
select throws_ok($$ select * from niji.load_dataset('birth', 'stage.birth', identifiers => '{"mother": 1}') $$, '22023', null, 'Identifiers are named by text');
select results_eq($$ select loaded, refused, new_persons from niji.load_dataset('birth', 'stage.birth', identifiers => '{"mother": {"column": "mother", "kind": "patient"}}') $$,
  'values (2::bigint, 0::bigint, 2::bigint)', 'A child and its mother; the second may be missing');
reset session authorization;
select is((select count(*) from warehouse.birth where mother is not null and child <> mother), 1::bigint, 'are two persons');
set session authorization loader_kato;
create table stage.my_numbers as select case when n % 3 = 0 then '123456789018' else '0110113719:1' end as identifier, 'patient' as identifier_kind, '2500015' as disease, date '2025-01-01' as since from generate_series(1, 3) n;
select is((select refused from niji.load_dataset('claim', 'stage.my_numbers') where loaded = 2), 1::bigint, 'A My Number in the place of an identifier is refused');

/* ---- what is not for loaders ---- */
select throws_ok('select * from warehouse.claim', '42501', null, 'Loaders cannot read what they loaded');
select throws_ok($$ select niji.find_person('patient', '0110113719:0001') $$, '42501', null, 'nor find persons');
select throws_ok($$ insert into warehouse.claim (person) values ('1') $$, '42501', null, 'nor insert by themselves');
select throws_ok($$ select niji.scan_staging('stage.claim') $$, '42501', null, 'nor call the inner functions');
select throws_ok($$ select niji.insert_hiding_persons('drop table warehouse.claim', 1, 1) $$, '42501', null, 'least of all one that runs a command');
set session authorization stranger;
select throws_ok($$ select * from niji.load_dataset('claim', 'stage.claim') $$, '42501', null, 'Who is no loader cannot load');
select throws_ok($$ select * from niji.read_uke('') $$, '42501', null, 'nor read files');
set session authorization loader_kato;
select throws_ok($$ select * from niji.load_dataset('nothing', 'stage.claim') $$, '42704', null, 'A dataset that does not exist is an error');
select throws_ok($$ select * from niji.load_dataset('claim'' or true --', 'stage.claim') $$, '42704', null, 'also with a quote in its name');
select throws_ok($$ select * from niji.load_dataset('claim', null) $$, '22004', null, 'A staging table is needed');

/* ---- what a loader might try, to have something of theirs run with niji's rights ---- */
create table stage.marks (what text);
create function stage.mark(what text) returns text language plpgsql volatile as $$
begin
  -- whose rights are these?
  if (select rolsuper from pg_roles where rolname = current_user) then
    insert into stage.marks values (what || ' as ' || current_user);
  end if;
  return what;
end $$;
create view stage.a_view as select stage.mark('view') as identifier, 'patient' as identifier_kind, '2500015' as disease, date '2025-01-01' as since;
select throws_ok($$ select * from niji.load_dataset('claim', 'stage.a_view') $$, '42809', null, 'A view is refused');
create materialized view stage.a_matview as select '0110113719:0001' as identifier, 'patient' as identifier_kind, '2500015' as disease, date '2025-01-01' as since;
select throws_ok($$ select * from niji.load_dataset('claim', 'stage.a_matview') $$, '42809', null, 'A materialized view is refused');
create table stage.good as select * from stage.a_matview;
create table stage.with_policy as table stage.good;
alter table stage.with_policy enable row level security, force row level security;
create policy p on stage.with_policy using (stage.mark('policy') is not null);
select throws_ok($$ select * from niji.load_dataset('claim', 'stage.with_policy') $$, '42809', null, 'A table with row level security is refused');
create table stage.with_rule as table stage.good;
create rule r as on insert to stage.with_rule do also select stage.mark('rule');
select throws_ok($$ select * from niji.load_dataset('claim', 'stage.with_rule') $$, '42809', null, 'A table with rules is refused');
create table stage.parted (like stage.good) partition by list (disease);
select throws_ok($$ select * from niji.load_dataset('claim', 'stage.parted') $$, '42809', null, 'A partitioned table is refused');
create table stage.part partition of stage.parted default;
select throws_ok($$ select * from niji.load_dataset('claim', 'stage.part') $$, '42809', null, 'and its partition');
create table stage.with_generated (like stage.good, note text generated always as ('x'::text) stored);
select throws_ok($$ select * from niji.load_dataset('claim', 'stage.with_generated') $$, '42809', null, 'A table with a generated column is refused');
create domain stage.dom as text check (stage.mark(value) is not null);
create table stage.with_domain (like stage.good, note stage.dom);
select throws_ok($$ select * from niji.load_dataset('claim', 'stage.with_domain') $$, '42809', null, 'A column of a domain is refused');
create type stage.comp as (x text);
create function stage.to_text(stage.comp) returns text language sql return stage.mark('cast');
create cast (stage.comp as text) with function stage.to_text(stage.comp) as implicit;
create table stage.with_cast (like stage.good, note stage.comp);
select throws_ok($$ select * from niji.load_dataset('claim', 'stage.with_cast') $$, '42809', null, 'A column whose type has a cast of the loader''s is refused');
create table stage.with_array (like stage.good, note stage.comp[]);
select throws_ok($$ select * from niji.load_dataset('claim', 'stage.with_array') $$, '42809', null, 'and an array of it');
create type stage.en as enum ('a');
create table stage.with_enum (like stage.good, note stage.en);
select throws_ok($$ select * from niji.load_dataset('claim', 'stage.with_enum') $$, '42809', null, 'and an enum of theirs');
reset session authorization;
create table public.others as table stage.good;
grant select on public.others to loader_kato;
set session authorization loader_kato;
select throws_ok($$ select * from niji.load_dataset('claim', 'public.others') $$, '42501', null, 'A table of somebody else''s is refused, even one that may be read');
select throws_ok($$ select * from niji.load_dataset('claim', 'niji.identifier') $$, '42501', null, 'and niji''s own');
select throws_ok($$ select * from niji.load_dataset('claim', 'warehouse.lab') $$, '42501', null, 'and a dataset');
-- only its own rows, not those of tables that inherit from it
create table stage.parent as table stage.good;
create table stage.child () inherits (stage.parent);
insert into stage.child select * from stage.good;
select is((select loaded from niji.load_dataset('claim', 'stage.parent')), 1::bigint, 'Rows of tables that inherit are not read');
-- names
create table stage."sp""; drop table warehouse.claim; --" as table stage.good;
select is((select loaded from niji.load_dataset('claim', 'stage."sp""; drop table warehouse.claim; --"')), 1::bigint, 'A table''s name is only a name');
create table stage.with_name as table stage.good;
alter table stage.with_name add column "note) select 1; drop table warehouse.claim; --" text;
select throws_ok($$ select * from niji.load_dataset('claim', 'stage.with_name') $$, '42703', null, 'A column''s name is only a name');
create table stage.without_kind as select identifier, disease, since from stage.good;
select is((select refused from niji.load_dataset('claim', 'stage.without_kind', identifiers => '{"person": {"column": "identifier", "kind": "patient''||stage.mark(''kind'')||''"}}') where loaded = 0), 1::bigint, 'A kind is only a kind');
alter table stage.with_name drop column "note) select 1; drop table warehouse.claim; --", add column person text;
select throws_ok($$ select * from niji.load_dataset('claim', 'stage.with_name') $$, '42601', null, 'A person cannot be given by number');
alter table stage.with_name drop column person, add column number bigint;
select throws_ok($$ select * from niji.load_dataset('claim', 'stage.with_name') $$, '42601', null, 'nor a column that the dataset generates');
-- a search path of theirs, with functions and operators of theirs in front
create function stage.substr(text, integer) returns text language sql return stage.mark('substr');
create function stage.eq(text, text) returns boolean language sql return stage.mark('operator') is not null;
create operator stage.= (function = stage.eq, leftarg = text, rightarg = text);
create function stage.sha256(bytea) returns bytea language sql return stage.mark('sha256')::bytea;
set search_path = stage, pg_catalog;
select l.loaded as loaded_so from niji.load_dataset('claim', 'stage.good') l \gset
reset search_path;
select is(:loaded_so, 1, 'A search path of the loader''s (which has a type "text" too) changes nothing');
reset session authorization;
grant temporary on database niji to loader_kato;
set session authorization loader_kato;
create temporary table niji_load (niji_row bigint);
create function stage.trigger_mark() returns trigger language plpgsql as $$ begin perform stage.mark('trigger'); return null; end $$;
create trigger t after insert on pg_temp.niji_load execute function stage.trigger_mark();
select throws_ok($$ select * from niji.load_dataset('claim', 'stage.good') $$, '42P07', null, 'A temporary table of the loader''s with the name of niji''s stops the load');
drop table pg_temp.niji_load;
create temporary table mine as table stage.good;
select is((select loaded from niji.load_dataset('claim', 'mine')), 1::bigint, 'A temporary table of one''s own can be loaded from');
reset session authorization;
select is((select count(*) from stage.marks), 0::bigint, 'Nothing of the loader''s ran with niji''s rights');
select is((select count(*) from pg_class where relname like 'niji\_load%'), 0::bigint, 'No copy is left behind');
select * from finish();
