-- Identity: keys, identifiers, persons, as sentences.
select plan(54);

-- ---- people who work here, and one who does not ----
create role a_loader login;
create role an_officer login;
create role a_governor login;
create role an_auditor login;
create role a_custodian login;
create role an_analyst login;
select niji.grant_duty('loader', 'a_loader');
select niji.grant_duty('consent_officer', 'an_officer');
select niji.grant_duty('governance', 'a_governor');
select niji.grant_duty('auditor', 'an_auditor');
select niji.grant_duty('custodian', 'a_custodian');
create table note (what text primary key, person niji.person);
grant select, insert on note to public;

-- ---- keys ----
select is((select state from niji.key_status()) in ('unused', 'current'), true, 'There is a master key, and its state is told');
select matches((select fingerprint from niji.key_status()), '^[0-9a-f]{16}$', 'A key is known by its fingerprint');
select columns_are('niji', 'master_key', array['generation', 'salt', 'check_value', 'first_used'], 'The table of keys has a salt and a check value, and no key');
set session authorization a_governor;
select lives_ok('select * from niji.key_status()', 'Governance may see the status of keys');
set session authorization an_auditor;
select lives_ok('select * from niji.key_status()', 'An auditor may see the status of keys');
set session authorization a_loader;
select throws_ok('select * from niji.key_status()', '42501', null, 'A loader may not see the status of keys');
set session authorization an_analyst;
select throws_ok('select * from niji.key_status()', '42501', null, 'An analyst may not see the status of keys');
select throws_ok('select * from niji.master_key', '42501', null, 'An analyst may not see salts or check values');

-- ---- enrolment ----
set session authorization a_loader;
select lives_ok($$insert into note select 'taro', niji.enrol('insured', '06139992:12:34:01', 'claims')$$, 'A loader enrols a person');
select lives_ok($$insert into note select 'taro again', niji.enrol('insured', '０６１３９９９２：１２：３４： 1')$$, 'The same number in full width is enrolled');
select lives_ok($$insert into note select 'hanako', niji.enrol('insured', '06139992:12:34:02')$$, 'Another branch number is enrolled');
select lives_ok($$insert into note select 'without branch', niji.enrol('insured', '06139992:12:34::S50.1.2:F')$$, 'A number without branch number is enrolled with birth date and sex');
select lives_ok($$insert into note select 'as patient', niji.enrol('patient', '0110113719:0001')$$, 'A patient number is enrolled');
select lives_ok($$insert into note select 'nobody', niji.enrol('patient', null)$$, 'No identifier is no error');
select throws_ok($$select niji.enrol('insured', '06139992:12:34:')$$, '22P02', null, 'Without a branch number, birth date and sex are asked for');
select throws_ok($$select niji.enrol('insured', '123456789018')$$, '22P02', 'identifier of kind "insured" breaks the rule "my_number"', 'A My Number is refused as an insured number');
select throws_ok($$select niji.enrol('insured', '06139992:12:123456789018:01')$$, '22P02', 'identifier of kind "insured" breaks the rule "my_number"', 'A My Number is refused also within one');
select throws_ok($$select niji.enrol('secret', 'x')$$, '22023', 'there is no such kind of identifier', 'A kind that does not exist is refused, without repeating it');
select throws_ok($$select niji.enrol('insured')$$, '42883', null, 'An identifier has a kind');
select throws_ok($$select niji.find_person('insured', '06139992:12:34:01')$$, '42501', null, 'A loader may not look anybody up');
select throws_ok($$select person::text from note$$, '42501', null, 'A loader may not see a person');
reset session authorization;
select is((select person from note where what = 'taro again'), (select person from note where what = 'taro'), 'Both spellings are one person');
select isnt((select person from note where what = 'hanako')::text, (select person from note where what = 'taro')::text, 'Another branch number is another person');
select is((select person is null from note where what = 'nobody'), true, 'No identifier is no person');
select is((select count(*) from niji.identifier), 4::bigint, 'Each identifier is stored once');
select is((select count(*) from niji.identifier where length(digest) = 16 and generation = 1 and normalization = 1), 4::bigint, 'What is stored is a digest of 16 bytes, its generation and the version of its canonical form');
select is((select source from niji.identifier i join note n using (person) where what = 'taro'), 'claims', 'and where it came from');
select is((select count(*) from niji.identifier i where i::text ~ '0613999|110113719'), 0::bigint, 'No identifier is stored');

-- ---- batches ----
set session authorization a_loader;
select lives_ok($$insert into note select 'batch ' || u.n, u.p from unnest(niji.enrol_batch('patient', array['0110113719:0001', '0110113719:0002', null, '０１１０１１３７１９:0002'])) with ordinality u(p, n)$$, 'A batch is enrolled');
select throws_ok($$select niji.enrol_batch('patient', array['0110113719:0003', '0110113719'])$$, '22P02', 'identifier 2 of kind "patient" breaks the rule "patient_form"', 'A bad identifier in a batch is told by its place');
select throws_ok($$select niji.enrol_batch('patient', array['0110113719:0001', '0110113719:0003', '0110113719:0004'], max_new => 1)$$, '22000', 'the batch has 2 new persons, more than max_new allows', 'A batch with more new persons than expected is refused');
select throws_ok($$select niji.enrol_batch('patient', array['0110113719:0001', '0110113719:0003', '0110113719:0004'], max_new => 0.5)$$, '22000', null, 'Expected may be a share');
select lives_ok($$select niji.enrol_batch('patient', array['0110113719:0001', '0110113719:0002'], max_new => 0)$$, 'Nobody new is fine when nobody is new');
select throws_ok($$select niji.enrol_batch('patient', array['x'], max_new => -1)$$, '22P02', null, 'Identifiers are judged before limits');
select throws_ok($$select niji.enrol_batch('patient', array['0110113719:0003'], max_new => 1.5)$$, '22023', null, 'One and a half persons are no limit');
select throws_ok($$select niji.enrol_batch('patient', array[['0110113719:0003']])$$, '2202E', null, 'A matrix is not a list of identifiers');
select is(niji.enrol_batch('patient', '{}')::text, '{}', 'An empty batch is empty');
select throws_ok($$select niji.enrol_batch('registry', array(select 'r:' || lpad((i * 10 + c)::text, 12, '0') from generate_series(10000000001, 10000000030) i, generate_series(0, 9) c
  where c = (select case when s % 11 <= 1 then 0 else 11 - s % 11 end from (select sum(substr(i::text, k, 1)::int * case when k <= 5 then 7 - k else 13 - k end) as s from generate_series(1, 11) k) x)))$$,
  '22023', 'the batch looks like My Numbers', 'A batch of what look like My Numbers is refused');
select lives_ok($$select niji.enrol_batch('registry', array(select 'r:' || i from generate_series(100000000001, 100000000030) i))$$, 'Other numbers of twelve digits are not');
reset session authorization;
select is((select array_agg(person) from note where what in ('batch 2', 'batch 4')), (select array[person, person] from note where what = 'batch 2'), 'Persons come in the order of the identifiers');
select is((select person from note where what = 'batch 1'), (select person from note where what = 'as patient'), 'Who was known is known');
select is((select person is null from note where what = 'batch 3'), true, 'Null stays null');
select is((select count(*) from niji.identifier where kind = 2), 2::bigint, 'A batch that was refused enrolled nobody');

-- ---- looking up ----
set session authorization an_officer;
select is(niji.find_person('insured', '06139992:12:34:1'), (select person from note where what = 'taro'), 'A consent officer finds the person of an identifier');
select is(niji.find_person('insured', '06139992:12:34:99'), null, 'Nobody has an identifier that was never enrolled');
select throws_ok($$select niji.enrol('insured', '06139992:12:34:99')$$, '42501', null, 'A consent officer enrols nobody');
set session authorization a_custodian;
select is(niji.find_person('insured', '06139992:12:34:1'), (select person from note where what = 'taro'), 'So does a custodian');
set session authorization an_analyst;
select throws_ok($$select niji.find_person('insured', '06139992:12:34:1')$$, '42501', null, 'An analyst does not');
select throws_ok($$select niji.check_identifier('insured', '06139992:12:34:1')$$, '42501', null, 'nor may ask what an identifier is worth');
select throws_ok($$select * from niji.identifier$$, '42501', null, 'nor see digests');
reset session authorization;
update niji.identifier set valid_during = '[2020-01-01,2021-01-01)' where kind = 2 and person = (select person from note where what = 'as patient');
select is(niji.find_person('patient', '0110113719:0001', '2020-12-31'), (select person from note where what = 'as patient'), 'An identifier points at a person while it is valid');
select is(niji.find_person('patient', '0110113719:0001', '2021-01-01'), null, 'and at nobody on a day on which it is not');

-- ---- kinds ----
set session authorization a_governor;
select is(niji.register_identifier_kind('id5_2025', 'hash', 'MHLW', '2025') > 100, true, 'Governance registers a kind of hash ID with issuer and epoch');
select throws_ok($$select niji.register_identifier_kind('id5', 'hash', 'MHLW')$$, '22023', 'a kind of hash ID needs an issuer and an epoch', 'A hash ID without an epoch is refused');
reset session authorization;

select * from finish();
