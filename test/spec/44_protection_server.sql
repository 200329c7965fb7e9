-- niji.check_protection() about the server, as far as a session can weaken it; its page and its codes.
\i test/story.sql
\i test/protection.sql
\set ON_ERROR_STOP 1
set client_min_messages = warning;
\set page `cat docs/check-protection.md`
\set tests `cat test/spec/44_protection_*.sql test/t/044_protection.pl test/spec/34_override.sql`
select plan(58);
select is_empty($$ select * from niji.check_protection() where code not like 'hba%' and severity <> 'notice' $$, 'Nothing is weaker than it should be');

/* ---- settings that print data ---- */
select * from weaken('A log that takes all statements is found', array['set log_statement = ''all'''], '{"statements_logged: log_statement","parameters_logged: log_parameter_max_length"}', array['reset log_statement']);
select * from weaken('one without their parameters', array['set log_parameter_max_length = 0', 'set log_statement = ''mod'''], '{"statements_logged: log_statement"}', array['reset log_statement', 'reset log_parameter_max_length']);
select * from weaken('one of the durations of all', array['set log_parameter_max_length = 0', 'set log_min_duration_statement = 0'], '{"statements_logged: log_min_duration_statement"}', array['reset log_min_duration_statement', 'reset log_parameter_max_length']);
select * from weaken('one of slow ones is told', array['set log_parameter_max_length = 0', 'set log_min_duration_statement = 60000'], '{"slow_statements_logged: log_min_duration_statement"}', array['reset log_min_duration_statement', 'reset log_parameter_max_length']);
select * from weaken('one of some transactions', array['set log_parameter_max_length = 0', 'set log_transaction_sample_rate = 0.001'], '{"statements_logged: log_transaction_sample_rate"}', array['reset log_transaction_sample_rate', 'reset log_parameter_max_length']);
select * from weaken('one of the parameters of errors', array['set log_parameter_max_length_on_error = 20'], '{"parameters_logged: log_parameter_max_length_on_error"}', array['reset log_parameter_max_length_on_error']);
select * from weaken('Trees of statements', array['set debug_print_plan = on'], '{"plans_logged: debug_print_plan"}', array['reset debug_print_plan']);
load 'auto_explain';
-- a setting since PostgreSQL 16
select set_config(name, '0', false) from pg_settings where name = 'auto_explain.log_parameter_max_length' \g /dev/null
select * from weaken('Plans with the numbers of rows', array['set auto_explain.log_analyze = on', 'set auto_explain.log_min_duration = 100000'], '{"plans_logged: auto_explain.log_analyze"}',
  array['reset auto_explain.log_min_duration', 'reset auto_explain.log_analyze']);
select * from weaken('Plans for the client', array['set auto_explain.log_level = notice'], '{"explain_to_client: auto_explain.log_level"}', array['reset auto_explain.log_level']);

/* ---- settings that are stored ---- */
select * from weaken('Row security that is switched off for a role', array['alter role stranger set row_security = off'], '{"stored_setting: role stranger"}');
select * from weaken('triggers that are switched off in a database', array['alter database niji set session_replication_role = replica'], '{"stored_setting: database niji"}');
select * from weaken('for a role in a database', array['alter role stranger in database niji set log_statement = ''all'''], '{"stored_setting: role stranger in database niji"}');
select * from weaken('plans for a reader', array['alter role analyst_fujita set debug_print_plan = on'], '{"stored_setting: role analyst_fujita"}');
select * from weaken('a library for a reader', array['alter role analyst_fujita set session_preload_libraries = ''auto_explain'''], '{"stored_setting: role analyst_fujita"}');
select * from weaken('Others are nobody''s business', array['alter role stranger set work_mem = ''8MB''', 'alter role stranger set row_security = on'], '{}', array['alter role stranger reset all']);

/* ---- guards, extensions, languages ---- */
select * from weaken('An event trigger that is disabled', array['alter event trigger niji_guard disable'], '{"guard: event trigger niji_guard"}');
select * from weaken('or has another name', array['alter event trigger niji_guard rename to nobody'], '{"guard: event trigger niji_guard"}', array['alter event trigger nobody rename to niji_guard']);
select * from weaken('dblink', array['create extension dblink'], '{"extension_path: extension dblink"}');
select * from weaken('pgstattuple is told', array['create extension pgstattuple'], '{"extension_watch: extension pgstattuple"}');
create language "odd one" handler plpgsql_call_handler;
drop language "odd one";
select * from weaken('An untrusted language is told', array['create language "odd one" handler plpgsql_call_handler'], '{"language: language odd one"}');
create language odd handler plpgsql_call_handler;
select * from weaken('Its functions are not for everybody', array['create function public.reach() returns int language odd as ''begin return 1; end'''], '{"untrusted_function: function public.reach()"}');
drop function public.reach();
select * from weaken('nor for readers', array['create function public.reach() returns int language odd as ''begin return 1; end''', 'revoke execute on function public.reach() from public', 'grant execute on function public.reach() to analyst_fujita'],
  '{"untrusted_function: function public.reach()"}');
drop function public.reach();
select * from weaken('but for others', array['create function public.reach() returns int language odd as ''begin return 1; end''', 'revoke execute on function public.reach() from public', 'grant execute on function public.reach() to governance_abe'],
  '{}', array['drop function public.reach()']);

/* ---- the trail ---- */
select * from weaken('What check_trail() tells is told', array['alter table warehouse.lab disable trigger niji_update'], '{"trail: warehouse.lab"}');
select is((select severity from niji.check_protection() where object = 'niji.seal_command'), 'notice', 'Seals that are not handed outside are told');
select is(exists (select from niji.check_protection() where code = 'checksums_off'), current_setting('data_checksums') = 'off', 'Pages without checksums are told');

/* ---- order, severity, page ---- */
alter table warehouse.lab disable row level security;
grant select on warehouse.lab to public;
alter role stranger bypassrls replication;
select is((select array_agg(r) from (select r from (select array_position('{error,warning,notice}', severity) as r, row_number() over () as n from niji.check_protection()) x order by n) y),
          (select array_agg(array_position('{error,warning,notice}', severity) order by array_position('{error,warning,notice}', severity)) from niji.check_protection()), 'The most severe come first');
select set_eq($$ select code, severity, dataset from niji.check_protection() where code in ('rls_off', 'dataset_right', 'role_bypassrls', 'role_replication') $$,
  $$ values ('dataset_right', 'error', 'lab'), ('rls_off', 'error', 'lab'), ('role_bypassrls', 'warning', null), ('role_replication', 'notice', null) $$, 'A finding about a dataset names it');

create table page_row as
  select string_to_array(trim(both '| ' from l), ' | ') as cells
    from regexp_split_to_table(:'page', E'\n') l where l ~ '^\| `[a-z_]+` \| (error|warning|notice) \|';
select set_eq($$ select code, severity, meaning from niji.protection_code $$, $$ select trim(both '`' from cells[1]) as code, cells[2] as severity, cells[3] as meaning from page_row $$,
  'The page lists every code with its severity and meaning, and no others');
create table tests_text as select :'tests'::text as t;
select is_empty($$ select code from niji.protection_code, tests_text where t !~ ('\m' || code || '\M') $$, 'Every code is tried by a test');
select is_empty($$ select c.code from niji.protection_code c
                    where not exists (select from pg_proc p where p.pronamespace = 'niji'::regnamespace and (p.proname like '%\_findings' or p.proname = 'check_protection') and strpos(p.prosrc, '''' || c.code || '''') > 0) $$,
  'Every code is made by a function');
select is_empty($$ select distinct m[1] from pg_proc p, regexp_matches(p.prosrc, '(?:select|then|else|code :=|\() ''([a-z]+_[a-z_]+)''', 'g') m
                    where p.pronamespace = 'niji'::regnamespace and p.proname in ('dataset_findings', 'path_findings', 'permit_findings', 'reader_findings', 'right_findings', 'role_findings', 'server_findings', 'door_findings')
                      and m[1] not in (select code from niji.protection_code) and m[1] !~ '^(pg_|debug_|full_page)' $$, 'and what the functions make are codes');
select is_empty($$ select p.oid::regprocedure from pg_proc p, aclexplode(p.proacl) x where p.pronamespace = 'niji'::regnamespace and p.proname like '%\_findings' and x.grantee <> p.proowner $$,
  'The families are granted to nobody');
select * from finish();
