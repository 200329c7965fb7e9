-- The same insured number with another month of birth or sex, as sentences.
select plan(36);

create role a_loader login;
create role a_governor login;
create role an_auditor login;
create role a_custodian login;
create role an_officer login;
select niji.grant_duty('loader', 'a_loader');
select niji.grant_duty('governance', 'a_governor');
select niji.grant_duty('auditor', 'an_auditor');
select niji.grant_duty('custodian', 'a_custodian');
select niji.grant_duty('consent_officer', 'an_officer');
create table note (what text primary key, person niji.person);
grant select, insert on note to public;
create schema staging;
grant usage, create on schema staging to a_loader;
create function who(what text) returns niji.person language sql stable as 'select n.person from public.note n where n.what = who.what';
create function conflicts() returns bigint language sql stable as 'select count(*) from niji.identity_conflicts';

-- ---- one at a time ----
set session authorization a_loader;
select lives_ok($$insert into note select 'taro', niji.enrol('insured', '06139992:1:1:01:1980-05-06:1', 'claims 2025-01')$$, 'An insured number with a branch number may come with birth date and sex');
select lives_ok($$insert into note select 'short', niji.enrol('insured', '06139992:1:1:01')$$, 'or without');
select lives_ok($$insert into note select 'same month', niji.enrol('insured', '06139992:1:1:01:昭和55年5月30日:男')$$, 'or with another day of the month');
reset session authorization;
select is((select count(distinct person) from note), 1::bigint, 'It is the same person');
select is(conflicts(), 0::bigint, 'and nothing disagrees');
set session authorization a_loader;
select lives_ok($$insert into note select 'june', niji.enrol('insured', '06139992:1:1:01:1980-06-06:1', 'claims 2025-02')$$, 'With another month of birth the number is taken all the same');
reset session authorization;
select is(who('june'), who('taro'), 'and is the same person''s');
set session authorization a_governor;
select is((select row(what, kind, other_kind, source, times, resolved_at)::text from niji.identity_conflicts), '(birth_or_sex,insured,,"claims 2025-02",1,)', 'but governance sees that sources disagree, and which source it was');
set session authorization a_loader;
insert into note select 'june again', niji.enrol('insured', '06139992:1:1:01:1980-06-07:1', 'claims 2025-03');
insert into note select 'taro again', niji.enrol('insured', '06139992:1:1:01:1980-05-07:1', 'claims 2025-03');
reset session authorization;
select is(conflicts(), 1::bigint, 'It is told once, however often it comes');
set session authorization a_loader;
insert into note select 'woman', niji.enrol('insured', '06139992:1:1:01:1980-05-06:2', 'claims 2025-04');
reset session authorization;
select is(conflicts(), 2::bigint, 'Another sex is told too');
select is((select count(*) from niji.identity_conflict where person = who('taro') and other_person is null), 2::bigint, 'of the one person that there is');
set session authorization a_loader;
insert into note select 'household', niji.enrol('insured', '06139992:1:1::1980-05-06:1');
insert into note select 'patient', niji.enrol('patient', '0110113719:1');
reset session authorization;
select is((select count(*) from niji.identifier_attribute), 3::bigint, 'What has birth date and sex in it, or none, is not compared with anything');

-- ---- many ----
set session authorization a_loader;
insert into note select 'batch ' || o, p from unnest(niji.enrol_batch('insured', array(select '06139992:2:' || i || ':01:1990-01-01:' || 1 + i % 2 from generate_series(1, 500) i), 'a')) with ordinality u (p, o);
reset session authorization;
select is(conflicts(), 2::bigint, 'Five hundred new ones disagree with nobody');
select is((select count(*) from niji.identifier_attribute where first), 501::bigint, 'and are kept to compare with');
select is((select count(distinct tag) > 490 from niji.identifier_attribute where first), true, 'The same month of birth and sex looks different for each number');
set session authorization a_loader;
insert into note select 'changed ' || o, p from unnest(niji.enrol_batch('insured', array(select '06139992:2:' || i || ':01:1990-0' || case when i % 10 = 0 then 2 else 1 end || '-01:' || 1 + i % 2 from generate_series(1, 600) i) || null::text, 'b', 100)) with ordinality u (p, o);
reset session authorization;
select is(conflicts(), 52::bigint, 'Of five hundred who come again, the fifty that differ are told, and new ones are not');
select is((select count(*) from note a join note b on b.what = replace(a.what, 'changed', 'batch') where a.what like 'changed %' and a.person = b.person), 500::bigint, 'All keep their persons');
select is((select count(*) from niji.identity_conflict c join note n on n.person = c.person where n.what like 'batch %0'), 50::bigint, 'They are told of whom they are about');
set session authorization a_loader;
insert into note select 'twice ' || o, p from unnest(niji.enrol_batch('insured', array['06139992:3:1:01:1990-01-01:1', '06139992:3:1:01:1990-02-01:1', '06139992:3:1:01', '06139992:3:1:01:1990-02-02:1'], 'c')) with ordinality u (p, o);
reset session authorization;
select is(conflicts(), 53::bigint, 'A number that a batch has twice disagrees with itself');
set session authorization a_loader;
create table staging.claim (number text, why text);
insert into staging.claim values ('06139992:3:1:01:1991-01-01:1'), ('06139992:3:2:01:1991-01-01:1'), ('06139992:3:2:01:1991-13-01:1');
call niji.enrol_table('staging.claim', 'number', 'person', 'insured', 'd', rule_column => 'why') \g /dev/null
select is((select string_agg(coalesce(why, 'none'), ', ' order by why) from staging.claim where person is null), 'birth_date_exists', 'In a staging table, a date that is none is a fault');
reset session authorization;
select is((select string_agg(source, ', ') from niji.identity_conflicts where source >= 'd' and source < 'e'), 'd', 'and one that differs is told');
set session authorization a_governor;
select niji.register_identifier_kind('id5', 'hash', 'MHLW', '2025') > 0 as a \g /dev/null
set session authorization a_loader;
select niji.enrol('id5', repeat('ab', 32)) is not null as a \g /dev/null
create table staging.walk (from_identifier text, to_identifier text);
insert into staging.walk values (repeat('ab', 32), '06139992:4:1:01:1991-01-01:1'), (repeat('cd', 32), '06139992:4:2:01:1991-01-01:1');
select is((select x::text from niji.load_crosswalk('id5', 'insured', 'staging.walk', 'e') x), '(1,0,0,1,0)', 'A crosswalk to insured numbers');
insert into note select 'walked', niji.enrol('insured', '06139992:4:1:01:1992-01-01:1', 'f');
insert into note select 'not walked', niji.enrol('insured', '06139992:4:2:01:1992-01-01:1', 'g');
reset session authorization;
select is((select string_agg(source, ', ') from niji.identity_conflicts where source >= 'e' and length(source) = 1), 'f', 'keeps what those came with whom it linked, and of the others nothing');

-- ---- who sees what ----
set session authorization a_loader;
select throws_ok($$select * from niji.identity_conflicts$$, '42501', null, 'A loader does not see conflicts');
set session authorization an_officer;
select throws_ok($$select * from niji.identity_conflicts$$, '42501', null, 'nor does a consent officer');
set session authorization an_auditor;
select throws_ok($$select * from niji.conflict_persons((select min(id) from niji.identity_conflicts))$$, '42501', null, 'An auditor sees them, but not the persons');
select throws_ok($$select * from niji.identifier_attribute$$, '42501', null, 'nor what is kept');
set session authorization a_custodian;
select throws_ok($$select * from niji.identifier_attribute$$, '42501', null, 'which a custodian does not see either');
select is((select p::text from niji.conflict_persons((select min(id) from niji.identity_conflicts)) p), '(' || who('taro')::text || ',)', 'A custodian sees the person');
begin;
select count(*) from niji.conflict_persons((select min(id) from niji.identity_conflicts)) \g /dev/null
rollback;
select lives_ok($$select niji.resolve_conflict((select min(id) from niji.identity_conflicts), 'the insurer corrected it')$$, 'and resolves the conflict with a note');
select throws_ok($$select niji.resolve_conflict((select min(id) from niji.identity_conflicts), 'again')$$, '42704', null, 'once');
set session authorization a_loader;
insert into note select 'june at last', niji.enrol('insured', '06139992:1:1:01:1980-06-08:1', 'h');
set session authorization a_governor;
select is((select count(*) from niji.identity_conflicts where source = 'h' or (resolved_at is null and source = 'claims 2025-02')), 0::bigint, 'What was resolved is not told again');
reset session authorization;
-- the writer moves acts into the trail once they are committed
do $$
begin
  for attempt in 1 .. 200 loop
    exit when exists (select from niji.trail_acts where action = 'resolve_conflict');
    perform pg_sleep(0.05);
  end loop;
end
$$;
select is((select count(*) from niji.trail_acts where action = 'resolve_conflict'), 1::bigint, 'Resolving is in the trail');
select niji.move_trail() \g /dev/null
select is((select count(*) >= 2 from niji.trail_acts where action = 'conflict_persons'), true, 'Whom a custodian saw too, also when the transaction was rolled back');
select is((select count(*) from niji.identifier_attribute a where a::text ~ '19[89]\d-|06139992'), 0::bigint, 'No birth date and no number is stored beside');
select is((select count(*) from niji.identity_conflict c where to_jsonb(c)::text ~ '19[89]\d-|06139992'), 0::bigint, 'nor in a conflict');

select * from finish();
