-- Datasets and permits: registering, the workflow, what a permit compiles to, and its end.
\i test/story.sql
\set ON_ERROR_STOP 1
select plan(109);
grant usage on schema warehouse to public;

/* ---- holders and applicants ---- */
set session authorization governance_abe;
select lives_ok($$ select niji.register_holder('KENPO', '健康保険組合', 'insurer') $$, 'Governance registers a holder');
select throws_ok($$ select niji.register_holder('kenpo', 'x', 'insurer') $$, '23505', null, 'The same code in other case is refused');
select throws_ok($$ select niji.register_holder('x', 'x', 'kingdom') $$, '22023', null, 'A holder of a kind that does not exist is refused');
select throws_ok($$ select niji.register_holder('', 'x', 'insurer') $$, '22023', null, 'A holder without a code is refused');
select throws_ok($$ select niji.register_holder('x', null, 'insurer') $$, '22023', null, 'A holder without a name is refused');
select throws_ok($$ select niji.register_applicant('TOHOKU-LAB', 'x', 'society') $$, '23505', null, 'Codes of applicants are compared without case');
select throws_ok($$ select niji.register_applicant('a b', 'x', 'society') $$, '22023', null, 'A code with a space is refused');
select is((select kind_ja from niji.holders where code = 'KENPO'), '保険者', 'A holder''s kind has a Japanese name');
set session authorization reviewer_baba;
select throws_ok($$ select niji.register_holder('y', 'y', 'insurer') $$, '42501', null, 'Only governance registers holders');
reset session authorization;

/* ---- datasets ---- */
create table warehouse.birth (person niji.person, mother niji.person, born_on date, weight int, hospital niji.institution_code, insurer niji.insurer_number,
  holder int, tags text[], seen_at timestamptz, other niji.person);
insert into warehouse.birth
  select niji.find_person('patient', '0110113719:' || to_char(n, 'FM0000')), niji.find_person('patient', '0110113719:' || to_char(n + 20, 'FM0000')),
         date '2024-01-01' + n, 2500 + n, '0110113719', null, 1, case when n = 3 then array['LTS', 'UNDELIVERED'] else array['LTS'] end,
         timestamptz '2024-12-31 16:00+00' + n * interval '1 day', null
    from generate_series(1, 10) n;
insert into warehouse.birth (mother, born_on, weight) values (niji.find_person('patient', '0110113719:0001'), '2024-03-03', 1);
insert into warehouse.birth (person, born_on, weight, holder) values (niji.find_person('patient', '0110113719:0011'), '2024-03-03', 2, 1);
create table warehouse.with_pid (person niji.person, pid int);
create table warehouse.plain (person int, x int);
create table warehouse.ward (code text, name text);
insert into warehouse.ward values ('W1', '内科'), ('W2', '外科');
create view warehouse.lab_view as select 1 as x;
create table warehouse.visit (person niji.person, seen_on date, note text) partition by range (seen_on);
create table warehouse.visit_2024 partition of warehouse.visit for values from ('2024-01-01') to ('2025-01-01');
create index on warehouse.birth (person);
create index on warehouse.birth (mother);
create index on warehouse.visit (person);
grant all on warehouse.visit_2024, warehouse.birth to stranger;
grant select (weight) on warehouse.birth to public;
create table warehouse.parent (person niji.person);
create table warehouse.child () inherits (warehouse.parent);
create foreign data wrapper nothing;
create server nowhere foreign data wrapper nothing;
create foreign table warehouse.far (person niji.person) server nowhere;

set session authorization governance_abe;
prepare register (text, regclass, name[], name, name, name) as
  select niji.register_dataset($1, $2, $3, 'kenpo', 'registry', '難病法', holder_column => $4, date_column => $5, tag_column => $6);
select lives_ok($$ execute register('birth', 'warehouse.birth', '{person,mother}', 'holder', 'seen_at', 'tags') $$, 'Governance registers a dataset with two persons a row');
select throws_ok($$ execute register('birth', 'warehouse.plain', '{}', null, null, null) $$, '23505', null, 'A dataset''s name is taken once');
select throws_ok($$ execute register('birth2', 'warehouse.birth', '{person}', null, null, null) $$, '23505', null, 'A relation is registered once');
select throws_ok($$ execute register('x', 'warehouse.with_pid', '{person}', null, null, null) $$, '42701', null, 'A column named pid is refused');
select throws_ok($$ execute register('x', 'warehouse.plain', '{person}', null, null, null) $$, '42804', null, 'A person column that is not of type niji.person is refused');
select throws_ok($$ execute register('x', 'warehouse.plain', '{nobody}', null, null, null) $$, '42703', null, 'A person column that does not exist is refused');
select throws_ok($$ execute register('x', 'warehouse.visit', '{person,person}', null, null, null) $$, '22023', null, 'A person column named twice is refused');
select throws_ok($$ execute register('x', 'warehouse.visit', '{person}', 'note', null, null) $$, '42804', null, 'A holder column that is not an integer is refused');
select throws_ok($$ execute register('x', 'warehouse.visit', '{person}', null, 'note', null) $$, '42804', null, 'A date column that is text is refused');
select throws_ok($$ execute register('x', 'warehouse.visit', '{person}', null, null, 'seen_on') $$, '42804', null, 'A tag column that is a date is refused');
select throws_ok($$ execute register('x', 'warehouse.lab_view', '{}', null, null, null) $$, '42809', null, 'A view is refused');
select throws_ok($$ execute register('x', 'warehouse.far', '{person}', null, null, null) $$, '42809', null, 'A foreign table is refused');
select throws_ok($$ execute register('x', 'warehouse.visit_2024', '{person}', null, null, null) $$, '42809', null, 'A partition is refused');
select throws_ok($$ execute register('x', 'warehouse.child', '{person}', null, null, null) $$, '42809', null, 'An inheriting child is refused');
select throws_ok($$ execute register('x', 'niji.dataset', '{}', null, null, null) $$, '42809', null, 'niji''s own tables are refused');
select throws_ok($$ execute register('x', 'pg_class', '{}', null, null, null) $$, '42809', null, 'System catalogs are refused');
select throws_ok($$ execute register('X', 'warehouse.visit', '{person}', null, null, null) $$, '22023', null, 'A dataset''s name in upper case is refused');
select throws_ok($$ execute register('x; drop table warehouse.visit', 'warehouse.visit', '{person}', null, null, null) $$, '22023', null, 'A dataset''s name with more in it is refused');
select throws_ok($$ select niji.register_dataset('x', 'warehouse.visit', '{person}', 'nobody', 'ehr', 'law') $$, '42704', null, 'An unknown holder is refused');
select throws_ok($$ select niji.register_dataset('x', 'warehouse.visit', '{person}', 'kenpo', 'gossip', 'law') $$, '22023', null, 'An unknown category is refused');
select throws_ok($$ select niji.register_dataset('x', 'warehouse.visit', '{person}', 'kenpo', 'ehr', '') $$, '22023', null, 'A dataset without a legal basis is refused');
select throws_ok($$ select niji.register_dataset('x', 'warehouse.visit', '{person}', null, 'ehr', 'law') $$, '22023', null, 'A dataset that is nobody''s is refused');
select lives_ok($$ execute register('visit', 'warehouse.visit', '{person}', null, 'seen_on', null) $$, 'A partitioned table is registered by its parent');
select lives_ok($$ execute register('ward', 'warehouse.ward', '{}', null, null, null) $$, 'A table without persons is registered as a reference table');
reset session authorization;

select is((select array_agg(distinct pg_get_userbyid(relowner)) from pg_class where oid in ('warehouse.birth'::regclass, 'warehouse.visit'::regclass, 'warehouse.visit_2024'::regclass)),
  array[(select format('niji_owner_%s', oid) from pg_database where datname = current_database())::name], 'A dataset and its partitions belong to the owner role');
select is((select array[rolcanlogin, rolsuper, rolbypassrls] from pg_roles where rolname like 'niji\_owner\_%'), '{f,f,f}', 'The owner role cannot log in and has no attributes');
select is((select bool_and(relrowsecurity) from pg_class where oid in ('warehouse.birth'::regclass, 'warehouse.visit'::regclass, 'warehouse.visit_2024'::regclass)), true, 'Row level security is on, on partitions too');
select is((select count(*) from pg_class c, aclexplode(c.relacl) x where c.oid in ('warehouse.birth'::regclass, 'warehouse.visit_2024'::regclass) and x.grantee <> c.relowner), 0::bigint, 'Nobody else keeps a right on them');
select is((select count(*) from pg_attribute a, aclexplode(a.attacl) x where a.attrelid = 'warehouse.birth'::regclass), 0::bigint, 'nor on their columns');
select is((select count(*)::int from pg_policy where polname = 'niji_protect' and not polpermissive and polroles = '{0}'), 5, 'Each dataset has a restrictive policy for everybody');
select is_empty($$ select * from niji.check_protection() where severity <> 'notice' and code <> 'hba_trust_local' $$, 'and nothing is found to be weaker than it should be');
alter table warehouse.birth disable row level security;
grant select on warehouse.birth to stranger;
create policy open on warehouse.birth using (true);
select set_eq($$ select object, left(finding, 30) from niji.check_protection() where severity <> 'notice' and code <> 'hba_trust_local' $$,
  $$ values ('dataset birth', 'row level security is off'), ('dataset birth', 'role "stranger" has SELECT on '), ('dataset birth', 'policy "open" is not niji''s') $$,
  'A superuser who switches protection off is found out');
drop policy open on warehouse.birth;
select is(niji.recompile_permits(), 1, 'recompile_permits() makes it good');
select is_empty($$ select * from niji.check_protection() where severity <> 'notice' and code <> 'hba_trust_local' $$, 'and nothing is found any more');

/* ---- foreign keys ---- */
create schema shut;
create table shut.ward (code text primary key);
insert into shut.ward values ('W1');
create table public.bed (ward text references shut.ward on delete cascade, number int);
grant select, insert on public.bed to stranger;
select niji.register_dataset('shut_ward', 'shut.ward', '{}', 'kenpo', 'registry', '難病法') > 0 as ok \g /dev/null
set session authorization stranger;
select lives_ok($$ insert into public.bed values ('W1', 1) $$, 'A foreign key to a dataset is checked for who may not read it');
select throws_ok($$ insert into public.bed values ('W2', 1) $$, '23503', null, 'and refuses what is not there');
reset session authorization;
delete from shut.ward;
select is_empty('select * from public.bed', 'and it cascades');

/* ---- applying ---- */
set session authorization governance_abe;
prepare apply (text) as select niji.apply_permit($1, 'A study', 'tohoku-lab', 'research', '2026-01-01', '2099-12-31');
select throws_ok($$ execute apply('p2026-017') $$, '23505', null, 'A permit''s code in other case is taken');
select throws_ok($$ execute apply('pg-catalog') $$, '42939', null, 'A code whose schema would be a system''s is refused');
select throws_ok($$ execute apply('NIJI') $$, '42939', null, 'A code whose schema would be niji''s is refused');
select throws_ok($$ execute apply('P1-work') $$, '42939', null, 'A code whose schema would look like a workspace is refused');
select throws_ok($$ execute apply('warehouse') $$, '42P06', null, 'A code whose schema exists is refused');
select throws_ok($$ execute apply('P1; drop schema warehouse cascade') $$, '22023', null, 'A code with more in it is refused');
select throws_ok($$ execute apply('P1_2') $$, '22023', null, 'A code with an underscore is refused, so that schemas stay distinct');
select throws_ok($$ execute apply('P12345678901234567890123456789012345678901') $$, '22023', null, 'A code of more than 40 characters is refused');
select throws_ok($$ execute apply(null) $$, '22023', null, 'A permit without a code is refused');
select throws_ok($$ select niji.apply_permit('P1', 't', 'nobody', 'research', '2026-01-01', '2026-12-31') $$, '42704', null, 'An unknown applicant is refused');
select throws_ok($$ select niji.apply_permit('P1', 't', 'tohoku-lab', 'fun', '2026-01-01', '2026-12-31') $$, '22023', null, 'An unknown purpose is refused');
select throws_ok($$ select niji.apply_permit('P1', 't', 'tohoku-lab', 'research', '2026-01-02', '2026-01-01') $$, '22023', null, 'A permit that ends before it begins is refused');
select throws_ok($$ select niji.apply_permit('P1', 't', 'tohoku-lab', 'research', '2026-01-01', '2026-01-02', renews => 'P9') $$, '42704', null, 'A renewal of nothing is refused');
select throws_ok($$ select niji.apply_permit('P1', 't', 'tohoku-lab', 'research', '2026-01-01', '2026-01-02', domain => 'P2026-017') $$, '42501', null, 'A domain that is not open for linking is refused');
select is(niji.open_domain_for_linking('P2026-017', 'a follow-up'), false, 'One person alone does not open a domain');
select is(niji.open_domain_for_linking('P2026-017', 'a follow-up'), false, 'not even twice');
select lives_ok($$ execute apply('2026-X') $$, 'A code may begin with a digit');
select is((select schema_name from niji.permits where code = '2026-X'), 'p2026_x'::name, 'and its schema begins with p');
select is((select state from niji.permits where code = '2026-X'), 'draft', 'An application is a draft');
select isnt((select domain from niji.permits where code = '2026-X'), (select domain from niji.permits where code = 'P2026-017'), 'Each permit has pseudonyms of its own');
select niji.apply_permit('P2026-018', 'more of it', 'TOHOKU-LAB', 'research', '2026-01-01', '2099-12-31', renews => 'p2026-017') > 0 as ok \g /dev/null
select is((select domain from niji.permits where code = 'P2026-018'), (select domain from niji.permits where code = 'P2026-017'), 'A renewal keeps the pseudonyms');

/* ---- requesting data ---- */
prepare request (text[]) as select niji.request_data('2026-X', 'birth', $1);
select throws_ok($$ execute request('{nothing}') $$, '42703', null, 'A column that does not exist cannot be requested');
select throws_ok($$ execute request('{person}') $$, '22023', null, 'A person column is not requested: it is always there, as a pseudonym');
select throws_ok($$ execute request('{other}') $$, '42501', null, 'A column that holds persons and was not registered as such cannot be requested');
select throws_ok($$ execute request('{weight,weight}') $$, '42701', null, 'A column is requested once');
select throws_ok($$ execute request('{weight:year}') $$, '42804', null, 'A transform has to fit the type');
select throws_ok($$ execute request('{weight:rot13}') $$, '22023', null, 'A transform has to exist');
select throws_ok($$ execute request('{weight:band}') $$, '22023', null, 'band needs a number');
select throws_ok($$ execute request('{weight:band(0)}') $$, '22023', null, 'of at least 1');
select throws_ok($$ execute request('{"weight:band(5)) from warehouse.birth --"}') $$, '22023', null, 'A transform with more in it is refused');
select throws_ok($$ execute request('{"weight from warehouse.birth --"}') $$, '42703', null, 'A column with more in it is no column');
select throws_ok($$ select niji.request_data('2026-X', 'birth''; drop table x --', '{weight}') $$, '42704', null, 'A dataset with more in it is no dataset');
select throws_ok($$ select niji.request_data('2026-X''; --', 'birth', '{weight}') $$, '42704', null, 'A permit with more in it is no permit');
select throws_ok($$ select niji.request_data('2026-X', 'diagnosis', '{disease}', period => '[2024-01-01,2025-01-01)') $$, '22023', null, 'A period needs a date column');
select throws_ok($$ select niji.request_data('2026-X', 'birth', '{weight}', cohort => 'mine') $$, '42704', null, 'A cohort has to exist');
select throws_ok($$ execute request('{hospital,hospital:plain}') $$, '42701', null, 'A column is requested once, whatever its transforms');
select lives_ok($$ select niji.request_data('2026-X', 'birth', '{born_on:month,weight:band(500),hospital,seen_at:year}', period => '[2025-01-02,2025-01-09)') $$, 'Columns are requested plainly or with a transform, for a period');
select lives_ok($$ select niji.request_data('2026-X', 'ward', '{code,name}') $$, 'A reference table is requested too');

/* ---- reviewing and granting ---- */
select throws_ok($$ select niji.grant_permit('2026-X') $$, '55000', null, 'A draft cannot be granted');
reset session authorization;
select niji.grant_duty('reviewer', 'governance_abe') \g /dev/null
set session authorization governance_abe;
select throws_ok($$ select niji.review_permit('2026-X', 'approve', '') $$, '42501', null, 'Who applied does not review');
select niji.add_reader('2026-X', 'stranger') \g /dev/null
select throws_ok($$ select niji.add_reader('2026-X', 'stranger') $$, '23505', null, 'A reader is added once');
select throws_ok($$ select niji.add_reader('2026-X', 'postgres') $$, '42501', null, 'A superuser cannot be a reader');
select throws_ok($$ select niji.add_reader('2026-X', 'auditor_endo') $$, '42501', null, 'Who sees persons cannot be a reader');
set session authorization reviewer_baba;
select is(niji.review_permit('2026-x', 'approve', 'sound'), 'submitted', 'The first review ends the draft');
select throws_ok($$ select niji.review_permit('2026-X', 'approve', 'again') $$, '23505', null, 'Nobody reviews twice');
set session authorization governance_abe;
select throws_ok($$ select niji.request_data('2026-X', 'lab', '{value}') $$, '55000', null, 'What was reviewed does not change any more');
select throws_ok($$ select niji.grant_permit('2026-X') $$, '55000', null, 'One approval is not enough');
select throws_ok($$ select niji.add_reader('2026-X', 'reviewer_baba') $$, '42501', null, 'A reviewer cannot be a reader');
set session authorization reviewer_chiba;
select is(niji.review_permit('2026-X', 'approve', 'yes'), 'approved', 'Two approvals approve');
set session authorization governance_abe;
select throws_ok($$ select niji.grant_permit('2026-X') $$, '55000', null, 'Without a rule for the category and the purpose granting is an error');
select niji.set_rule('registry', 'research', 'opt_out') > 0 as ok \g /dev/null
select lives_ok($$ select niji.grant_permit('2026-X') $$, 'With a rule it is granted');
reset session authorization;

select is((select array_agg(attname::text || ' ' || format_type(atttypid, null) order by attnum) from pg_attribute where attrelid = 'p2026_x.birth'::regclass),
  '{"pid niji.pseudonym","mother_pid niji.pseudonym","born_on date","weight integer","hospital niji.pseudonym","seen_at integer"}',
  'The view shows pid, the second person as a pseudonym, transforms under the column''s name, the institution as a pseudonym');
select is((select array_agg(privilege_type::text || ' ' || column_name order by column_name collate "C") from information_schema.column_privileges
            where table_name = 'birth' and table_schema = 'warehouse' and grantee like 'niji\_p%'),
  '{"SELECT born_on","SELECT hospital","SELECT mother","SELECT person","SELECT seen_at","SELECT weight"}', 'The permit''s role has these columns and no others');
set session authorization stranger;
select results_eq($$ select weight, count(*), min(born_on), min(seen_at) from p2026_x.birth group by weight $$,
  $$ values (2500, 6::bigint, '2024-01-01'::date, 2025) $$,
  'Rows outside the period (in niji.timezone), with a hidden tag, or without a person are not shown');
select is((select count(*) from p2026_x.ward), 2::bigint, 'A reference table is shown whole');
reset session authorization;
select niji.record_consent(niji.find_person('patient', '0110113719:0022'), 'deny', category => 'registry') > 0 as ok \g /dev/null
set session authorization stranger;
select is((select count(*) from p2026_x.birth), 5::bigint, 'A row about two persons is shown only if both of them permit');
reset session authorization;
select is_empty($$ select * from niji.check_protection() where severity <> 'notice' and code <> 'hba_trust_local' $$, 'With a granted permit nothing is weaker than it should be');

/* ---- rejecting, suspending, closing ---- */
set session authorization governance_abe;
select niji.request_data('P2026-018', 'lab', '{value}') \g /dev/null
set session authorization reviewer_baba;
select is(niji.review_permit('P2026-018', 'reject', 'no'), 'rejected', 'One rejection ends it');
set session authorization reviewer_chiba;
select throws_ok($$ select niji.review_permit('P2026-018', 'approve', 'yes') $$, '55000', null, 'for good');
set session authorization governance_abe;
select throws_ok($$ select niji.close_permit('2026-X', null) $$, '22023', null, 'A permit is not closed without a reason');
select niji.close_permit('2026-X', 'done') \g /dev/null
reset session authorization;
select is((select count(*) from pg_roles where rolname like 'niji\_p%'), 1::bigint, 'Closing removes the role');
select is((select count(*) from pg_policy where polrelid = 'warehouse.birth'::regclass), 1::bigint, 'and the policies, but for the restrictive one');
select is(to_regnamespace('p2026_x'), null, 'and the schema');
select * from finish();
