-- Adoption: a table with identifiers becomes one with persons, and nothing is left.
\i test/story.sql
\set ON_ERROR_STOP 1
select plan(44);
create function public.state_of(command text) returns text language plpgsql as $$
begin execute command; return 'ok'; exception when others then return sqlstate; end $$;
create schema old authorization loader_kato;

set session authorization loader_kato;
create table old.visit (number text primary key, insurer text, seen_on date, note text, more jsonb, tags text[], raw bytea);
insert into old.visit select to_char(n, 'FM00000'), 'x', '2025-01-01', case when n = 7 then 'see 0110113719:00008' end, '{"a": 1}', null, null from generate_series(1, 3000) n;

/* ---- who may, and what ---- */
\set ON_ERROR_STOP 0
set session authorization custodian_goto;
call niji.adopt('old.visit', 'number', 'patient');
select is(:'LAST_ERROR_SQLSTATE'::text, '42501', 'Only who has the duty loader adopts');
reset session authorization;
create role loader_mori login;
do $$ begin perform niji.grant_duty('loader', 'loader_mori'); end $$;
grant usage on schema old to loader_mori;
set session authorization loader_mori;
call niji.adopt('old.visit', 'number', 'patient');
select is(:'LAST_ERROR_SQLSTATE'::text, '42501', 'and only the table''s owner');
set session authorization loader_kato;
call niji.adopt('old.visit', 'number', 'passport');
select is(:'LAST_ERROR_SQLSTATE'::text, '22023', 'The kind has to exist');
call niji.adopt('old.visit', 'no_column', 'patient', 1000);
select is(:'LAST_ERROR_SQLSTATE'::text, '42703', 'An expression that names no column stops it');
select is((select count(*) from niji.adoptions), 0::bigint, 'and takes back what was begun');
call niji.adopt('old.visit', '''0110113719:'' || number', 'patient', drop_columns => '{nothing}');
select is(:'LAST_ERROR_SQLSTATE'::text, '42703', 'A column to drop has to exist');
create view old.v as select * from old.visit;
call niji.adopt('old.v', '''0110113719:'' || number', 'patient');
select is(:'LAST_ERROR_SQLSTATE'::text, '42809', 'A view is not adopted');
create table old.has_person (person text);
call niji.adopt('old.has_person', 'person', 'patient');
select is(:'LAST_ERROR_SQLSTATE'::text, '42701', 'nor a table with a column of that name');
create function old.f() returns trigger language plpgsql as 'begin return new; end';
create trigger f before update on old.has_person for each row execute function old.f();
alter table old.has_person rename person to number;
call niji.adopt('old.has_person', 'number', 'patient');
select is(:'LAST_ERROR_SQLSTATE'::text, '42501', 'nor one that runs somebody''s own code');
begin;
call niji.adopt('old.visit', '''0110113719:'' || number', 'patient');
rollback;
select is(:'LAST_ERROR_SQLSTATE'::text, '2D000', 'It commits, so it is not for a transaction block');
select is(:'LAST_ERROR_MESSAGE'::text, 'cannot call niji.adopt() within a transaction', 'and says so');
call niji.adopt('old.visit', 'insurer', 'patient');
call niji.adopt('old.visit', '''0110113719:'' || number', 'patient', 1000);
select is(:'LAST_ERROR_SQLSTATE'::text, '55000', 'Another expression does not go on with what the first began');
select is(public.state_of($$ select niji.abandon_adoption((select id from niji.adoptions), ' ') $$), '22023', 'What began wrongly is not abandoned without a reason');
select is(public.state_of($$ select niji.abandon_adoption((select id from niji.adoptions), 'the wrong column') $$), 'ok', 'but with one');
select is(public.state_of($$ select niji.abandon_adoption((select id from niji.adoptions), 'the wrong column') $$), '55000', 'and once');
select is((select array_agg(attname::text order by attnum) from pg_attribute where attrelid = 'old.visit'::regclass and attnum > 0 and not attisdropped),
  array['number', 'insurer', 'seen_on', 'note', 'more', 'tags', 'raw'], 'The table is as it was');
reset session authorization;
delete from niji.adoption_finding;
delete from niji.adoption where state = 'abandoned';
set session authorization loader_kato;
\set ON_ERROR_STOP 1
drop view old.v;

/* ---- adopting ---- */
call niji.adopt('old.visit', '''0110113719:'' || number', 'patient', 500);
select is((select state from niji.adoptions), 'adopted', 'A loader adopts a table');
select is((select array[count(*), count(person), count(distinct person)] from old.visit), array[3000, 3000, 3000]::bigint[], 'Each row has its person');
reset session authorization;
select is((select count(*) from old.visit v where v.person is distinct from niji.find_person('patient', '0110113719:' || v.number)), 0::bigint, 'the right one');
grant all on old.visit to stranger;
grant usage on schema old to stranger;
set session authorization stranger;
insert into old.visit (number) values ('90001'), ('bad' || chr(7));
update old.visit set number = '90002' where number = '00002';
update old.visit set note = 'changed' where number = '00003';
reset session authorization;
select is((select array_agg(number order by number) from old.visit where person is null), array['00003', '90001', '90002', 'bad' || chr(7)], 'What is written meanwhile, by anybody, waits for its person');
set session authorization loader_kato;
\set ON_ERROR_STOP 0
call niji.adopt('old.visit', '''0110113719:'' || number', 'patient', 500, drop_columns => '{number}');
select is(:'LAST_ERROR_SQLSTATE'::text, '55000', 'While identifiers are malformed no column goes');
\set ON_ERROR_STOP 1
select is((select findings from niji.adoptions), '[{"rule": "control_character", "what": "malformed", "values": 1}]', 'and they are told by their rule');
select is((select count(*) from old.visit where person is null), 1::bigint, 'The others have their persons');
delete from old.visit where person is null;

/* ---- the columns go, and what is left is told ---- */
update old.visit set more = '{"ids": ["0110113719:00011", {"0110113719:00012": 5}]}' where number = '00011';
update old.visit set tags = array['0110113719:00013', 'x'], raw = convert_to('0110113719:00014', 'UTF8') where number = '00013';
call niji.adopt('old.visit', '''0110113719:'' || number', 'patient', 500, drop_columns => '{number}');
select is((select state from niji.adoptions), 'found', 'The columns are dropped, and identifiers are left');
select is((select string_agg(concat_ws(' ', f ->> 'what', f ->> 'column', f ->> 'values'), ', ') from niji.adoptions, jsonb_array_elements(findings) f),
  'enrolled identifier more 2, enrolled identifier raw 1, enrolled identifier tags 1, part of an identifier more 1, part of an identifier tags 1',
  'in JSON, arrays and bytes, each told by its column');
select is((select count(*) from pg_attribute where attrelid = 'old.visit'::regclass and attname = 'number'), 0::bigint, 'The column is gone');
select is((select count(*) from pg_trigger where tgrelid = 'old.visit'::regclass and not tgisinternal), 0::bigint, 'and so are the triggers');
reset session authorization;
checkpoint;
select is((select count(*) from generate_series(0, pg_relation_size('old.visit') / 8192 - 1) b where encode(pg_catalog.pg_read_binary_file(pg_relation_filepath('old.visit'), b * 8192, 8192), 'escape') like '%00500%'), 0::bigint,
  'No byte of it is left in the table''s file');
set session authorization loader_kato;
update old.visit set more = null, tags = null, raw = null;
reset session authorization;
delete from niji.adoption_finding;
set session authorization loader_kato;
select is(niji.prove_adoption((select id from niji.adoptions)), 0::bigint, 'When they are removed the table is clean');
select is((select state from niji.adoptions), 'proved', 'and proved to be');
reset session authorization;
select niji.move_trail() \g /dev/null
set session authorization auditor_endo;
select is((select string_agg(details ->> 'left', ', ' order by seq) from niji.trail_acts where action = 'prove_adoption'), '6, 0', 'The proofs are in the record');
set session authorization governance_abe;
reset session authorization;
grant usage on schema old to governance_abe;
set session authorization governance_abe;
select lives_ok($$ select niji.register_dataset('visit', 'old.visit', array['person']::name[], 'city-hospital', 'claims', 'law') $$, 'The table can be registered');
set session authorization loader_kato;
select is(public.state_of($$ select niji.prove_adoption(1) $$), '42501', 'then it is no loader''s any more');

/* ---- partitions, many kinds of columns, the batch ---- */
create table old.claim (number text, seen_on date) partition by range (seen_on);
create table old.claim_2024 partition of old.claim for values from ('2024-01-01') to ('2025-01-01');
create table old.claim_2025 partition of old.claim for values from ('2025-01-01') to ('2026-01-01');
insert into old.claim select '0110113719:' || to_char(n % 500, 'FM00000'), date '2024-06-01' + n % 400 from generate_series(1, 2000) n;
insert into old.claim values (null, '2024-01-01');
call niji.adopt('old.claim', 'number', 'patient', 100, drop_columns => '{number}');
select is((select array[count(*), count(person), count(distinct person)] from old.claim), array[2001, 2000, 500]::bigint[], 'A partitioned table is adopted; a row without an identifier stays without a person');
select is((select state from niji.adoptions where relation = 'old.claim'::regclass), 'proved', 'and proved');
create table old.small (number text, twice text);
insert into old.small select '0110113719:S' || n, '0110113719:S' || n from generate_series(1, 20) n;
\set ON_ERROR_STOP 0
call niji.adopt('old.small', 'number', 'patient', max_new => 3);
select is(:'LAST_ERROR_SQLSTATE'::text, '22000', 'More new persons than allowed stop it');
\set ON_ERROR_STOP 1
call niji.adopt('old.small', 'number', 'patient', drop_columns => '{number}');
select is((select jsonb_array_length(findings) from niji.adoptions where relation = 'old.small'::regclass), 2, 'The same identifier in another column is found, in two ways');
create table old.wrong (number text);
insert into old.wrong values ('secret');
select is((select count(*) from niji.adoptions where state = 'running'), 0::bigint, 'Nothing is left undone');
do $$ begin perform niji.begin_adoption('old.wrong', 'number::int', 'patient'); end $$;
select throws_ok($$ select niji.adopt_rows('old.wrong', 'number::int', 'patient', 0, 10, null, null) $$, '22P02', 'the identifier expression cannot be evaluated in old.wrong', 'An error of the expression shows no value');
select is(public.state_of($$ select niji.adopt_rows('warehouse.lab', 'code', 'patient', 0, 10, null, null) $$), '42501', 'A portion is read with the caller''s rights');
/* ---- code that is only text: it would run with the rights of niji's owner ---- */
create table old.trap (number text, n int);
insert into old.trap values ('0110113719:0001', 1);
create function old.mine() returns int language plpgsql as 'begin return 1; end';
\set ON_ERROR_STOP 0
call niji.adopt('old.trap', 'number', 'patient');
alter table old.trap add check (person is null or query_to_xml('select old.mine()', true, true, '') is not null);
call niji.adopt('old.trap', 'number', 'patient', drop_columns => '{number}');
select is(:'LAST_ERROR_SQLSTATE'::text, '42501', 'A constraint that runs a text as a query is refused');
alter table old.trap drop constraint trap_person_check;
create index on old.trap ((n + 1)) where n > 0;
alter table old.trap add check (n between 0 and 9 and length(number) > 3), alter n set default floor(random());
call niji.adopt('old.trap', 'number', 'patient', drop_columns => '{number}');
select is((select state from niji.adoptions where relation = 'old.trap'::regclass), 'proved', 'plain constraints, defaults and indexes are not');
\set ON_ERROR_STOP 1
reset session authorization;
alter table old.trap add check (pg_advisory_lock(n) is not null) not valid;
alter table old.trap add check (niji.draw_person() is not null) not valid;
select is((select string_agg(f, ', ' order by f) from niji.foreign_code('old.trap') f), 'function niji.draw_person(), function pg_advisory_lock(bigint)', 'Nor is what reaches beyond the row, or is niji''s alone');
select is((select count(*) from pg_proc p where p.pronamespace = 'niji'::regnamespace and p.prokind = 'p' and has_function_privilege('public', p.oid, 'execute')), 0::bigint, 'PUBLIC calls no procedure');
select * from finish();
