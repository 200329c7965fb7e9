-- niji.check_protection() about rights, roles, and other ways to a dataset.
\i test/story.sql
\i test/protection.sql
\set ON_ERROR_STOP 1
set client_min_messages = warning;
select plan(101);
select is_empty($$ select * from niji.check_protection() where code not like 'hba%' and severity <> 'notice' $$, 'Nothing is weaker than it should be');

/* ---- what PUBLIC has ---- */
select * from weaken('A statistics function that PUBLIC was given back', array['grant execute on function pg_stat_get_xact_tuples_returned(oid) to public'], '{telling_function: pg_stat_get_xact_tuples_returned(oid)}');
select * from weaken('a function that makes large objects', array['grant execute on function lo_create(oid) to public'], '{copying_function: lo_create(oid)}');
select * from weaken('all of what harden() took', array['do $d$ declare f regprocedure; begin for f in select niji.telling_functions() loop execute format(''grant execute on function %s to public'', f); end loop; end $d$'],
  '{not_hardened: database niji}');
select * from weaken('creating in schema public', array['grant create on schema public to public'], '{schema_create: schema public}');
select * from weaken('temporary tables', array['grant temporary on database niji to public'], '{database_right: database niji}');
select * from weaken('and schemas', array['grant create on database niji to public'], '{database_right: database niji}');

/* ---- niji's own objects ---- */
select * from weaken('A function of niji that PUBLIC may execute', array['grant execute on function niji.owner_role() to public'], '{"niji_function: function niji.owner_role()"}');
select * from weaken('or somebody without its duty', array['grant execute on function niji.find_person(text, text, date) to loader_kato'], '{"niji_function: function niji.find_person(text,text,date)"}');
select * from weaken('or a procedure', array['grant execute on all procedures in schema niji to stranger'],
  array(select format('niji_function: function %s', p.oid::regprocedure) from pg_proc p where p.pronamespace = 'niji'::regnamespace and p.prokind = 'p'),
  array['revoke execute on all procedures in schema niji from stranger']);
select * from weaken('One that everybody needs', array['revoke execute on function niji.pseudonym(niji.person, integer) from public'], '{"niji_function_lost: function niji.pseudonym(niji.person,integer)"}');
select * from weaken('A table of niji that somebody may read', array['grant select on niji.consent to stranger'], '{"niji_table: table niji.consent"}');
select * from weaken('or write', array['grant insert on niji.reader to governance_abe'], '{"niji_table: table niji.reader"}');
select * from weaken('or a column of it', array['grant select (salt) on niji.master_key to public'], '{"niji_table: table niji.master_key"}');
select * from weaken('a view that a duty has not', array['grant select on niji.trail_reads to loader_kato'], '{"niji_table: table niji.trail_reads"}');
select * from weaken('a sequence', array['grant usage on sequence niji.permit_id_seq to public'], '{"niji_table: sequence niji.permit_id_seq"}');
select * from weaken('the type of persons', array['grant usage on type niji.person to public'], '{"niji_type: type niji.person"}');
select * from weaken('creating in schema niji', array['grant create on schema niji to governance_abe'], '{"niji_schema: schema niji"}');
select * from weaken('An owner of a function who is no superuser', array['alter function niji.owner_role() owner to governance_abe'], '{"niji_owner: function niji.owner_role()"}');
select * from weaken('of a table', array['alter table niji.hidden_tag owner to governance_abe'], '{"niji_owner: table niji.hidden_tag"}');
select * from weaken('Catalogs that hold values', array['grant select on pg_statistic to stranger'], '{"catalog_right: catalog pg_statistic"}');
select * from weaken('New tables that are lent by default', array['alter default privileges for role loader_kato in schema warehouse grant select on tables to public'], '{"default_privileges: role loader_kato in schema warehouse"}');
select * from weaken('everywhere', array['alter default privileges for role postgres grant select, insert on tables to stranger'], '{"default_privileges: role postgres"}');

/* ---- replication ---- */
select * from weaken('A publication of a dataset', array['create publication out for table warehouse.lab'], '{"published: publication out"}');
select * from weaken('of its schema', array['create publication out for tables in schema warehouse'], '{"published: publication out"}');
select * from weaken('of all tables', array['create publication "all of it" for all tables'], '{"published: publication all of it"}');
create table public.harmless (x int);
select * from weaken('One of other tables is nobody''s business', array['create publication other for table public.harmless'], '{}', array['drop publication other']);
select * from weaken('of a table of niji', array['create publication out for table niji.consent'], '{"published: publication out"}');
select * from weaken('A subscription is told', array['create subscription inwards connection ''dbname=nowhere'' publication p with (connect = false, slot_name = none)'], '{"subscription: subscription inwards"}');

/* ---- roles ---- */
select * from weaken('A duty of a role that was renamed', array['alter role loader_kato rename to loader_x'], '{"duty_unbound: duty loader of role loader_kato"}', array['alter role loader_x rename to loader_kato']);
select * from weaken('A role that bypasses row level security', array['alter role stranger bypassrls'], '{"role_bypassrls: role stranger"}');
select * from weaken('that may create roles', array['alter role stranger createrole'], '{"role_createrole: role stranger"}');
select * from weaken('that may replicate', array['alter role stranger replication'], '{"role_replication: role stranger"}');
select * from weaken('that is a superuser', array['alter role stranger superuser'], '{"superuser_login: role stranger"}');
select * from weaken('that may read the server''s files', array['grant pg_read_server_files to stranger'], '{"role_server_access: role stranger"}');
select * from weaken('that may read all tables', array['grant pg_read_all_data to stranger'], '{"role_reads_all: role stranger"}');

/* ---- views and functions beside the permits ---- */
select * from weaken('A view of a superuser''s over a dataset', array['create view public.open as select code, value from warehouse.lab'], '{"view_reads: view public.open"}');
select * from weaken('or over a partition, deep in it', array['create table warehouse.lab_child () inherits (warehouse.lab)', 'create index on warehouse.lab_child (person)', 'analyze warehouse.lab_child', 'select niji.recompile_permits()', 'select niji.audit_changes(''warehouse.lab_child'')',
  'create view public.open as with x as (select code from warehouse.lab_child) select 1 as one where exists (select from x)'], '{"view_reads: view public.open"}', array['drop view public.open', 'drop table warehouse.lab_child']);
select * from weaken('a view that reads as who calls it', array['create view public.mine with (security_invoker = on) as select code from warehouse.lab'], '{"view_other: view public.mine"}');
select * from weaken('a view of somebody else''s', array['create view public.theirs as select code from warehouse.lab', 'alter view public.theirs owner to stranger'], '{"view_other: view public.theirs"}');
select * from weaken('a materialized view', array['create materialized view public.copy as select code from warehouse.lab with no data'], '{"matview_reads: materialized view public.copy"}');
select * from weaken('a materialized view of a permit''s view', array['create materialized view public.copy as select code from p2026_017.lab with no data'], '{"matview_reads: materialized view public.copy"}');
select * from weaken('a rule of another table', array['create rule also as on insert to public.harmless do also select 1 from warehouse.lab'], '{"view_other: table public.harmless"}', array['drop rule also on public.harmless']);
select * from weaken('a definer function that was parsed', array['create function public.reads() returns bigint language sql security definer begin atomic select count(*) from warehouse.lab; end'], '{"function_reads: function public.reads()"}');
drop function public.reads();
select * from weaken('a definer function with the name of a dataset in its text', array['create function public.tells() returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $f$ begin return (select count(*) from Warehouse."diagnosis"); end $f$'],
  '{"function_mentions: function public.tells()"}');
drop function public.tells();
select * from weaken('lent to a role by its name', array['create function public.tells() returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $f$ begin return (select count(*) from warehouse.lab); end $f$', 'revoke execute on function public.tells() from public', 'grant execute on function public.tells() to stranger'],
  '{"function_mentions: function public.tells()"}');
drop function public.tells();
select * from weaken('one with another word', array['create function public.tells() returns text language sql security definer set search_path = pg_catalog, pg_temp as $f$ select ''diagnosis_2 label'' $f$'], '{}', array['drop function public.tells()']);
select * from weaken('one that does not fix its search_path', array['create function public.loose() returns text language sql security definer as $f$ select current_user::text $f$'], '{"definer_path: function public.loose()"}');
drop function public.loose();
create table warehouse.staging (person niji.person, code text);
select * from weaken('A table of persons that is no dataset is a loader''s business', array['grant select on warehouse.staging to loader_kato'], '{}');
select * from weaken('but not a reader''s', array['grant select on warehouse.staging to analyst_fujita'], '{"persons_lent: table warehouse.staging"}');
select * from weaken('nor everybody''s', array['grant select on warehouse.staging to public'], '{"persons_lent: table warehouse.staging"}');

select * from finish();
