-- Standard codes: what loaders, analysts and governance rely on.
-- The environment variable NIJI_DISEASE_MASTER may name a full disease master
-- (layout b) of the claims reimbursement services; without it that part is skipped.
\set ON_ERROR_STOP 1
\getenv full_master NIJI_DISEASE_MASTER
\if :{?full_master}
\else
\set full_master ''
\endif
set client_min_messages = warning;
select plan(25);

create role codes_governance login;
create role codes_analyst login;
select niji.grant_duty('governance', 'codes_governance') \g /dev/null
\set master `pwd` '/demo/masters/b.txt'
create temp table master as select pg_read_binary_file(:'master') as content;
grant select on master to codes_governance;

set session authorization codes_governance;
select lives_ok($$ select * from niji.load_codes('ssk-disease', '2024-06-01', (select content from master), '2024-06-01') $$, 'Governance loads a disease master');
reset session authorization;
select is((select taken from niji.code_releases where release = '2024-06-01'), 50, 'All of its rows are taken');
select pg_sleep(1.5) \g /dev/null
select is((select object from niji.trail_acts where action = 'load_codes' limit 1), 'ssk-disease 2024-06-01', 'Loading a master is an act on record');

set session authorization codes_analyst;
set search_path = public;
select throws_ok($$ select * from niji.load_codes('ssk-disease', 'mine', '\x30') $$, '42501', null, 'An analyst does not load codes');
select throws_ok($$ select * from niji.load_codes_file('ssk-disease', 'mine', '/etc/passwd') $$, '42501', null, 'An analyst does not read the server''s files by loading them');
select is((select display from niji.lookup_code('ssk-disease', '2500015')), '２型糖尿病', 'An analyst looks a disease code up');
select is((select target_code from niji.translate_code('ssk-disease', '2500015', 'icd10') where rank = 'primary'), 'E11', 'An analyst translates a disease code to ICD-10');
select is((select string_agg(target_code, ' and ' order by rank) from niji.translate_code('ssk-disease', '8830042', 'icd10')), 'E112 and N083', 'A double classification gives both codes, the primary one first');
select ok(niji.subsumes('icd10', 'E11', 'E11.9'), 'E11 contains E11.9');
select ok(not niji.subsumes('icd10', 'E11', 'E12'), 'E11 does not contain E12');
select ok(not niji.validate_code('ssk-disease', '9999999'), 'An unknown code is not valid');
select throws_ok($$ select niji.validate_code('no-such-system', 'E119') $$, '22023', null, 'An unknown code system is an error');
select ok(niji.validate_code('ssk-disease', '8899991', '2024-03-31'), 'A code may be used on the day of its abolition');
select ok(not niji.validate_code('ssk-disease', '8899991', '2024-04-01'), 'A code may not be used on the day after its abolition');
select is('E11.9'::niji.icd10::text, 'E119', 'A dot in an ICD-10 code makes no difference');
select throws_ok($$ select 'E1'::niji.icd10 $$, '22P02', 'invalid input syntax for type icd10', 'What has not the form of a code is refused, without being repeated');
select ok(not ('E119'::niji.icd10 = 'not a code'::text), 'A text that is no code is unequal to a code, and no error');
select ok('83136019'::niji.insurer_number is not null and not niji.check_ok('83136019'::niji.insurer_number), 'A number whose check digit is wrong is stored, and can be told');
select is(niji.prefecture('0110113719'::niji.institution_code), '01', 'An institution''s code tells its prefecture');
reset session authorization;
reset search_path;

-- the full master, where there is one
create temp table full_master as
  select case when :'full_master' = '' then null else pg_read_binary_file(:'full_master') end as content;
select content is null as absent from full_master \gset
\if :absent
select skip('no full disease master: NIJI_DISEASE_MASTER is not set', 6);
\else
select lives_ok($$ select * from niji.load_codes('ssk-disease', 'full', (select content from full_master), '2024-07-01') $$, 'The full disease master is loaded');
select is((select taken + refused from niji.code_releases where release = 'full'), (select count(*)::integer from full_master, niji.read_csv(content, 'cp932')), 'Each row of the full master is taken or has a reason');
select is((select refused from niji.code_releases where release = 'full'), 0, 'None of them is refused');
select is((select count(*) from niji.codes c, niji.translate_code('ssk-disease', c.code, 'icd10') t where c.release = 'full' and t.target_code::niji.icd10::text <> t.target_code), 0::bigint, 'Each ICD-10 code of the full master fits the type');
select is((select display from niji.lookup_code('ssk-disease', '8844446')), '脂質異常症', 'A code of the full master is looked up');
select is((select taken from niji.load_codes('ssk-disease', 'full', (select content from full_master), '2024-07-01')), (select taken from niji.code_releases where release = 'full'), 'Loading it again changes nothing');
\endif
select * from finish();
