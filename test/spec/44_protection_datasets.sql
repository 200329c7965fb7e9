-- niji.check_protection() about datasets: every weakness is made, found, mended by its hint, and gone.
\i test/story.sql
\i test/protection.sql
\set ON_ERROR_STOP 1
set client_min_messages = warning;
select plan(66);
grant usage on schema warehouse to public;
select format('niji_owner_%s', oid) as owner from pg_database where datname = current_database() \gset

create table warehouse.visit (person niji.person not null, seen_on date not null, ward text) partition by range (seen_on);
create table warehouse.visit_2024 partition of warehouse.visit for values from ('2024-01-01') to ('2025-01-01');
create index on warehouse.visit (person);
analyze warehouse.visit;
select niji.register_dataset('visit', 'warehouse.visit', '{person}', 'city-hospital', 'ehr', '次世代医療基盤法') > 0 as ok \g /dev/null
select is_empty($$ select * from niji.check_protection() where code not like 'hba%' and severity <> 'notice' $$, 'Nothing is weaker than it should be');

/* ---- row level security, owners, rights ---- */
select * from weaken('Row level security that is off is found', array['alter table warehouse.lab disable row level security'], '{rls_off: dataset lab}');
select * from weaken('on a partition too', array['alter table warehouse.visit_2024 disable row level security'], '{"rls_off: dataset visit, partition warehouse.visit_2024"}');
select * from weaken('An owner that is not niji''s is found', array['alter table warehouse.lab owner to stranger'], '{dataset_owner: dataset lab}');
select * from weaken('a superuser too', array['alter table warehouse.visit_2024 owner to postgres'], '{"dataset_owner: dataset visit, partition warehouse.visit_2024"}');
create role lenders;
create role between noinherit;
grant lenders to between;
grant between to analyst_fujita;
alter table warehouse.lab owner to lenders;
select ok(finding ~ 'can be acted as by analyst_fujita', 'The finding says who can act as the owner, through other roles')
  from niji.check_protection() where code = 'dataset_owner';
alter table warehouse.lab owner to :owner;
drop role between, lenders;
select * from weaken('A right of PUBLIC is found', array['grant select on warehouse.lab to public'], '{dataset_right: dataset lab}');
select * from weaken('a right of a role with an odd name', array['create role "Odd ""one"" 名"', 'grant insert on warehouse.lab to "Odd ""one"" 名"'], '{dataset_right: dataset lab}');
select * from weaken('a right on a column', array['grant update (value) on warehouse.lab to stranger'], '{dataset_right: dataset lab}');
select * from weaken('a right on a partition', array['grant select on warehouse.visit_2024 to stranger'], '{"dataset_right: dataset visit, partition warehouse.visit_2024"}');
select * from weaken('and on a column of a partition', array['grant select (ward) on warehouse.visit_2024 to stranger'], '{"dataset_right: dataset visit, partition warehouse.visit_2024"}');

/* ---- partitions and children ---- */
select * from weaken('A partition that was attached later has nothing of all that',
  array['create table warehouse.visit_2025 partition of warehouse.visit for values from (''2025-01-01'') to (''2026-01-01'')', 'grant select on warehouse.visit_2025 to public', 'analyze warehouse.visit_2025'],
  '{"dataset_owner: dataset visit, partition warehouse.visit_2025","dataset_right: dataset visit, partition warehouse.visit_2025","rls_off: dataset visit, partition warehouse.visit_2025","trail: warehouse.visit_2025"}',
  array['select niji.recompile_permits()', 'select niji.audit_changes(''warehouse.visit_2025'')']);
select * from weaken('An inheriting child is found as well',
  array['create table warehouse.lab_more () inherits (warehouse.lab)', 'analyze warehouse.lab_more'],
  '{"dataset_owner: dataset lab, partition warehouse.lab_more","no_person_index: dataset lab, partition warehouse.lab_more","rls_off: dataset lab, partition warehouse.lab_more","trail: warehouse.lab_more"}',
  array['drop table warehouse.lab_more']);
create table warehouse.above (like warehouse.diagnosis);
select * from weaken('A dataset that was hung below another table is found', array['alter table warehouse.diagnosis inherit warehouse.above'], '{is_child: dataset diagnosis}');
create foreign data wrapper nothing;
create server nowhere foreign data wrapper nothing;
select * from weaken('A foreign partition is told',
  array['create foreign table warehouse.visit_far partition of warehouse.visit for values from (''2030-01-01'') to (''2031-01-01'') server nowhere', 'select niji.recompile_permits()'],
  '{"foreign_partition: dataset visit, partition warehouse.visit_far"}', array['drop foreign table warehouse.visit_far']);
select * from weaken('A detached partition stays with niji''s owner, and is told',
  array['alter table warehouse.visit detach partition warehouse.visit_2025'],
  '{detached: table warehouse.visit_2025}', array['drop table warehouse.visit_2025']);

/* ---- policies ---- */
select * from weaken('A policy of somebody else''s is found', array['create policy "all of it" on warehouse.lab using (true)'], '{policy_foreign: dataset lab}');
select * from weaken('one on a partition too', array['create policy open on warehouse.visit_2024 using (true)'], '{"policy_foreign: dataset visit, partition warehouse.visit_2024"}');
select * from weaken('one that bears the name of a permit', array['create policy niji_permit_99 on warehouse.lab for select to stranger using (true)'], '{policy_foreign: dataset lab}');
select * from weaken('The restrictive policy that is missing', array['drop policy niji_protect on warehouse.lab'], '{protect_missing: dataset lab}');
select * from weaken('or altered by hand', array['alter policy niji_protect on warehouse.lab using (true)'], '{protect_altered: dataset lab}');
select * from weaken('or made for others', array['alter policy niji_protect on warehouse.lab to stranger'], '{"protect_missing: dataset lab"}');
select * from weaken('What is not known to compare with is told', array['delete from niji.compiled where permit = 0 and dataset = (select id from niji.dataset where name = ''lab'')'], '{not_compiled: dataset lab}');
select * from weaken('Renaming a column that nobody compiled with is no weakness', array['alter table warehouse.visit rename ward to station', 'alter table warehouse.visit set schema public', 'alter table visit set schema warehouse'], '{}');

/* ---- columns and code ---- */
select * from weaken('A person column that was renamed is found', array['alter table warehouse.visit rename person to somebody'], '{column_missing: dataset visit}',
  array['alter table warehouse.visit rename somebody to person']);
create function stranger_code() returns trigger language plpgsql as $$ begin return new; end $$;
alter function stranger_code() owner to stranger;
select * from weaken('A trigger with somebody''s code is found', array['create trigger look before insert on warehouse.lab for each row execute function stranger_code()'], '{foreign_code: dataset lab}',
  array['drop trigger look on warehouse.lab']);
select * from weaken('A rule is found', array['create rule also as on insert to warehouse.diagnosis do also notify somebody'], '{rule: dataset diagnosis}');
select * from weaken('A generated column of a person is found', array['alter table warehouse.lab add half boolean generated always as (person is null) stored'], '{derived_person: dataset lab}');
select * from weaken('and an index over an expression of one', array['create index half on warehouse.lab ((person is null))'], '{derived_person: dataset lab}', array['drop index warehouse.half']);

/* ---- what costs time, and what tells a little ---- */
select * from weaken('A person column without an index is found, by partition', array['drop index warehouse.visit_person_idx'], '{"no_person_index: dataset visit, partition warehouse.visit_2024"}');
alter table warehouse.lab add primary key (person, taken_on);
create table public.sample (person niji.person, taken_on date);
select * from weaken('A foreign key of a table that is no dataset is found', array['alter table public.sample add foreign key (person, taken_on) references warehouse.lab'], '{foreign_key: dataset lab}');
select * from weaken('Extended statistics with values of persons are told', array['create statistics warehouse.both (mcv) on person, code from warehouse.lab'], '{extended_statistics: dataset lab}');
select * from weaken('A person without statistics is told', array['alter table warehouse.lab alter person set statistics 0'], '{not_analyzed: dataset lab}');
create table warehouse.gone (person niji.person);
create index on warehouse.gone (person);
analyze warehouse.gone;
select niji.register_dataset('gone', 'warehouse.gone', '{person}', 'city-hospital', 'ehr', '次世代医療基盤法') > 0 as ok \g /dev/null
select * from weaken('A dataset whose table is gone is found', array['drop table warehouse.gone'], '{relation_missing: dataset gone}', array['delete from niji.dataset where name = ''gone''']);

select * from finish();
