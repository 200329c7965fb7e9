-- Linkage: links with times, crosswalks, conflicts, enrolling a table, as sentences.
select plan(57);

create role a_loader login;
create role an_officer login;
create role a_governor login;
create role a_custodian login;
create role an_analyst login;
select niji.grant_duty('loader', 'a_loader');
select niji.grant_duty('consent_officer', 'an_officer');
select niji.grant_duty('governance', 'a_governor');
select niji.grant_duty('custodian', 'a_custodian');
create table note (what text primary key, person niji.person);
grant select, insert on note to public;
create schema staging;
grant usage, create on schema staging to a_loader;
create function who(what text) returns niji.person language sql stable as 'select n.person from public.note n where n.what = who.what';

set session authorization a_loader;
insert into note select 'taro', niji.enrol('patient', '0110113719:1', 'ehr');
insert into note select 'hanako', niji.enrol('patient', '0110113719:2', 'ehr');
insert into note select 'jiro', niji.enrol('patient', '0110113719:3', 'ehr');

-- ---- many identifiers, and times ----
select throws_ok($$select niji.link_identifier(who('taro'), 'insured', '06139992:1:1:01')$$, '42501', null, 'A loader may not link by hand');
set session authorization a_governor;
select throws_ok($$select niji.link_identifier(null, 'insured', '06139992:1:1:01')$$, '42501', null, 'nor may governance');
set session authorization a_custodian;
select lives_ok($$select niji.link_identifier(who('taro'), 'insured', '06139992:1:1:01', 'letter', 0.9, '[2019-04-01,2022-04-01)')$$, 'A custodian links an insured number for the time of its validity');
select lives_ok($$select niji.link_identifier(who('taro'), 'insured', '01130012:2:2:00', 'letter', valid_during => '[2022-04-01,2024-10-01)')$$, 'and the next insurer''s');
select lives_ok($$select niji.link_identifier(who('taro'), 'insured', '06270001:3:3:00', 'letter', valid_during => '[2024-10-01,)')$$, 'and the one after, without an end');
select lives_ok($$select niji.link_identifier(who('hanako'), 'name_birth_sex', '山田花子|1980-01-02|2', 'register', valid_during => '(,2015-06-01)')$$, 'A name before marriage');
select lives_ok($$select niji.link_identifier(who('hanako'), 'name_birth_sex', '佐藤花子|1980-01-02|2', 'register', valid_during => '[2015-06-01,)')$$, 'and after it');
select is(niji.find_person('insured', '06139992:1:1:01', '2020-01-01'), who('taro'), 'On a day of its validity a number finds its person');
select is(niji.find_person('insured', '06139992:1:1:01', '2022-04-01'), null, 'on the day after it nobody');
select is(niji.find_person('insured', '06139992:1:1:01'), who('taro'), 'without a day, whose it was last');
select is(niji.find_person('name_birth_sex', '山田花子|1980-01-02|2', '2015-05-31'), who('hanako'), 'A range without a beginning reaches back');
select throws_ok($$select niji.link_identifier(who('jiro'), 'insured', '06139992:1:1:01', valid_during => '[2021-01-01,2023-01-01)')$$, '23P01', 'the identifier points at another person at that time', 'It cannot point at another person at the same time');
select throws_ok($$select niji.link_identifier(who('jiro'), 'insured', '06139992:1:1:01')$$, '23P01', null, 'nor at another for good');
select throws_ok($$select niji.link_identifier(who('jiro'), 'patient', '0110113719:1', valid_during => '[2030-01-01,)')$$, '23P01', null, 'Who was enrolled without a time has the number for good');
select lives_ok($$select niji.link_identifier(who('jiro'), 'insured', '06139992:1:1:01', 'letter', valid_during => '[2022-04-01,2023-04-01)')$$, 'A number that is used again belongs to another from then on');
select lives_ok($$select niji.link_identifier(who('hanako'), 'insured', '06139992:1:1:01', 'letter', valid_during => '[2023-04-01,)')$$, 'and to a third');
select is(niji.find_person('insured', '06139992:1:1:01', '2021-12-31'), who('taro'), 'The day decides: the first');
select is(niji.find_person('insured', '06139992:1:1:01', '2022-12-31'), who('jiro'), 'the second');
select is(niji.find_person('insured', '06139992:1:1:01', '2024-12-31'), who('hanako'), 'the third');
select is(niji.find_person('insured', '06139992:1:1:01'), who('hanako'), 'Without a day it is whose it is today');
set session authorization a_loader;
select lives_ok($$insert into note select 'enrolled', niji.enrol('insured', '06139992:1:1:01')$$, 'Enrolling it makes nobody new');
reset session authorization;
select is(who('enrolled'), who('hanako'), 'and gives whose it is today');
set session authorization a_custodian;
select lives_ok($$select niji.link_identifier(who('hanako'), 'insured', '06139992:1:1:01', 'corrected', valid_during => '[2023-04-01,2025-01-01)')$$, 'What is said again about the same time replaces what was said');
select is(niji.find_person('insured', '06139992:1:1:01', '2025-01-01'), null, 'and so a link is ended');
select throws_ok($$select niji.link_identifier(who('taro'), 'insured', '06139992:1:9:01', valid_during => 'empty')$$, '22023', null, 'A link at no time is refused');
select throws_ok($$select niji.link_identifier(who('taro'), 'insured', '06139992:1:9:01', confidence => 2)$$, '22023', null, 'as is a confidence above 1');
select throws_ok($$select niji.link_identifier('2000000000', 'insured', '06139992:1:9:01')$$, '42704', 'there is no such person', 'and a person who does not exist');
reset session authorization;
select is((select count(*) from niji.identifier where kind = 1 and person = who('taro')), 3::bigint, 'Each link is a row');
select is((select count(*) from niji.identifier i where period > 0), 2::bigint, 'Further times of a digest are rows beside its first');
select is((select i.source || ' ' || i.confidence from niji.identifier i where kind = 1 and period = 0 and confidence is not null), 'letter 0.9', 'with source and confidence');

-- ---- crosswalks ----
set session authorization a_governor;
select niji.register_identifier_kind('id5_2024', 'hash', 'MHLW', '2024') > 0 as a, niji.register_identifier_kind('id5_2025', 'hash', 'MHLW', '2025') > 0 as b \g /dev/null
set session authorization a_loader;
reset session authorization;
create function public.h(text) returns text language sql immutable as $$ select encode(sha256(convert_to($1, 'UTF8')), 'hex') $$;
set session authorization a_loader;
insert into note select 'old ' || n, p from unnest(niji.enrol_batch('id5_2024', array(select h('old ' || i) from generate_series(1, 200) i), 'ndb')) with ordinality u (p, n);
insert into note select 'new ' || n, p from unnest(niji.enrol_batch('id5_2025', array[h('new 199'), h('new 200')], 'ndb')) with ordinality u (p, n);
create table staging.walk (from_identifier text, to_identifier text);
insert into staging.walk select h('old ' || i), h('new ' || i) from generate_series(1, 200) i;
insert into staging.walk values (h('old 1'), h('new 1')), (h('old 300'), h('new 300')), ('xyz', h('new 301')), (null, h('new 302'));
select throws_ok($$select niji.load_crosswalk('id5_2024', 'id5_2024', 'staging.walk')$$, '22023', null, 'A crosswalk ties two kinds');
select throws_ok($$select niji.load_crosswalk('id5_2024', 'id5_2025', 'public.note')$$, '42501', null, 'from a table of one''s own');
select is((select x::text from niji.load_crosswalk('id5_2024', 'id5_2025', 'staging.walk', 'provision 2025') x), '(199,0,2,1,2)', 'What it did is counted: linked, known, in conflict, unknown, malformed');
insert into note select 'found ' || n, p from unnest(niji.enrol_batch('id5_2025', array(select h('new ' || i) from generate_series(1, 198) i), max_new => 0)) with ordinality u (p, n);
select is((select x::text from niji.load_crosswalk('id5_2024', 'id5_2025', 'staging.walk', 'provision 2025') x), '(0,199,2,1,2)', 'Once more it changes nothing');
select is((select x::text from niji.load_crosswalk('id5_2024', 'id5_2025', 'staging.walk', 'provision 2025', true) x), '(1,199,2,0,2)', 'Those whom neither kind knows are enrolled only when that is asked for');
reset session authorization;
select is((select count(*) from note a join note b on b.what = replace(a.what, 'found', 'old') where a.what like 'found %' and a.person = b.person), 198::bigint, 'The new hash IDs find the persons of the old ones');
select isnt(who('new 1')::text, who('old 199')::text, 'Two who are known as two stay two');
set session authorization a_governor;
select is((select string_agg(concat_ws(' ', what, kind, other_kind, times), ', ') from niji.identity_conflicts), 'crosswalk id5_2024 id5_2025 3, crosswalk id5_2024 id5_2025 3', 'and governance sees the conflicts, without persons');
set session authorization a_custodian;
select is((select array[p.person, p.other_person] from niji.conflict_persons((select min(id) from niji.identity_conflicts)) p), (select array[o.person, n.person] from note o, note n where o.what in ('old 199', 'old 200') and n.what in ('new 1', 'new 2') and (o.person, n.person) in (select p.person, p.other_person from niji.conflict_persons((select min(id) from niji.identity_conflicts)) p)), 'A custodian sees whom');
select lives_ok($$select niji.resolve_conflict((select min(id) from niji.identity_conflicts), 'the provider''s table was wrong')$$, 'and resolves it with a note');
select is((select count(*) from niji.identity_conflicts where resolved_at is null), 1::bigint, 'which closes it');
select throws_ok($$select niji.resolve_conflict(1000, 'x')$$, '42704', null, 'What is not there cannot be resolved');

-- ---- a whole table ----
set session authorization a_loader;
select throws_ok('create table staging.kept (person niji.person)', '42501', null, 'A loader makes no column of persons');
create table staging.visit (id int, number text, why text);
insert into staging.visit select i, case when i % 1000 = 0 then 'bad' when i % 777 <> 0 then '0110113719:v' || i % 9000 end, null from generate_series(1, 20000) i;
\set ON_ERROR_STOP 0
call niji.enrol_table('staging.visit', 'numbr', 'person', 'patient');
select is(:'LAST_ERROR_MESSAGE'::text, 'staging.visit has no column "numbr"', 'A misspelt column of a staging table is named');
call niji.enrol_table('staging.visit', 'number', 'why', 'patient');
select is(:'LAST_ERROR_MESSAGE'::text, 'column "why" is not of type niji.person', 'and so is one that takes no persons');
begin;
call niji.enrol_table('staging.visit', 'number', 'person', 'patient');
rollback;
select is(:'LAST_ERROR_MESSAGE'::text, 'cannot call niji.enrol_table() within a transaction', 'It commits, so it is not for a transaction block');
\set ON_ERROR_STOP 1
call niji.enrol_table('staging.visit', 'number', 'person', 'patient', 'visits', batch_size => 3000, rule_column => 'why') \g /dev/null
select is((select format_type(atttypid, null) from pg_attribute where attrelid = 'staging.visit'::regclass and attname = 'person'), 'niji.person', 'enrol_table adds it');
select is((select array_agg(c order by w) from (select coalesce(why, 'none') as w, count(*) as c from staging.visit where person is null group by 1) x), array[25, 20]::bigint[], 'Each row of a table is given its person, but those without an identifier and those that are malformed');
select is((select count(distinct number) from staging.visit where person is not null), (select count(distinct (number, person)) from staging.visit where person is not null), 'One number is one person');
select is((select state || ' ' || persons || ' ' || malformed from niji.enrol_progress), 'done 19955 20', 'Progress can be seen');
call niji.enrol_table('staging.visit', 'number', 'person', 'patient') \g /dev/null
select is((select persons || ' ' || malformed from niji.enrol_progress order by id desc limit 1), '0 20', 'Called again it goes on with what has no person');
insert into staging.visit select i, '0110113719:w' || i from generate_series(1, 5000) i;
\set ON_ERROR_STOP 0
\set VERBOSITY terse
call niji.enrol_table('staging.visit', 'number', 'person', 'patient', batch_size => 1000, max_new => 0.5);
\set ON_ERROR_STOP 1
select is((select state || ' ' || reason from niji.enrol_progress order by id desc limit 1) ~ '^stopped the batch has \d+ new persons', true, 'Too many new persons in a batch stop it, and the progress says why');
set session authorization an_analyst;
select throws_ok($$select * from niji.enrol_progress$$, '42501', null, 'Others do not see it');
select throws_ok($$call niji.enrol_table('staging.visit', 'number', 'person', 'patient')$$, '42501', null, 'nor call it');
set session authorization a_loader;
select throws_ok($$select niji.enrol_run_begin('niji.identifier', 'person', 'patient', null, 1)$$, '42501', null, 'Nor does it touch a table that is not the loader''s own');
create table staging.wrong (number text, person int);
select throws_ok($$select niji.enrol_run_begin('staging.wrong', 'person', 'patient', null, 1)$$, '42804', null, 'nor a column of another type');
reset session authorization;
select is((select count(*) from niji.identifier i where i::text ~ '110113719'), 0::bigint, 'No identifier is stored');

select * from finish();
