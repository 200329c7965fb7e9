-- An override sets consents aside for a time, by two people, and every read under it says so.
\i test/story.sql
\set ON_ERROR_STOP 1
create role governance_bando login;
create function public.person(n int) returns niji.person language sql as $$ select niji.find_person('patient', '0110113719:' || to_char(n, 'FM0000')) $$;
do $$
begin
  perform niji.grant_duty('governance', 'governance_bando');
  for n in 1 .. 5 loop
    perform niji.record_consent(public.person(n), 'deny', category => 'ehr', effective_from => now() - interval '1 day');
  end loop;
end $$;
update warehouse.lab set tag = 'UNINFORMED' where person = public.person(6);

select plan(45);

create function public.visible() returns bigint language sql volatile as $$ select count(*) from p2026_017.lab $$;
grant execute on function public.visible to analyst_fujita;
create function public.overridden() returns text language sql as $$ select overrides::text from niji.trail_reads order by seq desc limit 1 $$;

set session authorization analyst_fujita;
prepare lab as select count(*) from p2026_017.lab;
select results_eq('execute lab', 'values (34::bigint)', 'Five objected, and the row of one is never to be shown');
reset session authorization;

/* ---- declaring ---- */
set session authorization governance_abe;
select throws_ok($$ select niji.declare_override('ehr', 'research', 'law', now() + interval '91 days', 'reason') $$, '22023', 'an override ends within 90 days', 'An override lasts at most 90 days');
select throws_ok($$ select niji.declare_override('ehr', 'research', 'law', now() - interval '1 minute', 'reason') $$, '22023', null, 'It ends in the future');
select throws_ok($$ select niji.declare_override('ehr', 'research', 'law', 'infinity', 'reason') $$, '22023', null, 'It ends');
select throws_ok($$ select niji.declare_override('ehr', 'research', ' ', now() + interval '1 day', 'reason') $$, '22023', null, 'It needs a law');
select throws_ok($$ select niji.declare_override('ehr', 'research', 'law', now() + interval '1 day', null) $$, '22023', null, 'It needs a reason');
select throws_ok($$ select niji.declare_override('ehr', 'fun', 'law', now() + interval '1 day', 'reason') $$, '22023', null, 'It needs a purpose that exists');
select niji.declare_override('ehr', 'research', '感染症法 第56条の44', now() + interval '30 days', 'an epidemic') as first \gset
select throws_ok(format('select niji.approve_override(%s)', :first), '42501', 'an override is approved by a second person', 'Who declared it cannot approve it');
reset session authorization;
select throws_ok(format('update niji.override set effective_until = effective_until + interval ''1 day'' where id = %s', :first), '55000', null, 'A declaration cannot be changed');
set session authorization reviewer_baba;
select throws_ok(format('select niji.approve_override(%s)', :first), '42501', null, 'Nor can a reviewer approve');
set session authorization analyst_fujita;
select throws_ok($$ select niji.declare_override('ehr', 'research', 'law', now() + interval '1 day', 'reason') $$, '42501', null, 'An analyst declares nothing');
select results_eq('execute lab', 'values (34::bigint)', 'A declaration alone changes nothing');
reset session authorization;
select niji.move_trail() \g /dev/null
select is(public.overridden(), '{}', 'And a read without one says nothing of it');

/* ---- in force ---- */
set session authorization governance_bando;
select niji.approve_override(:first) \g /dev/null
select throws_ok(format('select niji.approve_override(%s)', :first), '55000', null, 'It is approved once');
select throws_ok('select niji.approve_override(99)', '42704', null, 'An unknown one is an error');
reset session authorization;
set session authorization analyst_fujita;
select results_eq('execute lab', 'values (39::bigint)', 'From the next statement on those who objected are seen, the row that is never to be shown is not');
begin;
set local parallel_setup_cost = 0;
set local parallel_tuple_cost = 0;
set local min_parallel_table_scan_size = 0;
select is((select count(*) from p2026_017.lab), 39::bigint, 'By parallel workers too');
commit;
reset session authorization;
select niji.move_trail() \g /dev/null
select is(public.overridden(), format('{%s}', :first), 'The read is marked with the override');
select results_eq($$ select permitted, reason, legal_basis, override from niji.explain_consent(public.person(1), 'P2026-017', 'lab') $$,
  format($$ values (true, 'overridden', '感染症法 第56条の44', %s::bigint) $$, :first), 'explain_consent names the override and its law');
select is((select changes_at from niji.explain_consent(public.person(1), 'P2026-017', 'lab')), (select effective_until from niji.override where id = :first), 'And when it ends');
select results_eq($$ select reason from niji.explain_consent(public.person(1), 'P2026-017', 'diagnosis') $$, $$ values ('consent is not required'::text) $$, 'Where no consent is required it plays no part');
set session authorization governance_abe;
select ok(exists (select from niji.check_protection() where object = format('override %s', :first)), 'check_protection() lists it');
select ok((select in_force from niji.overrides where id = :first), 'It is shown to be in force');
reset session authorization;

/* ---- its end ---- */
set session authorization governance_abe;
select throws_ok(format('select niji.end_override(%s, null)', :first), '22023', null, 'Ending it needs a reason');
select niji.end_override(:first, 'the epidemic is over') \g /dev/null
select throws_ok(format('select niji.end_override(%s, $x$again$x$)', :first), '55000', null, 'It ends once');
reset session authorization;
set session authorization analyst_fujita;
select results_eq('execute lab', 'values (34::bigint)', 'Ended by one officer, consents hold again at once');
reset session authorization;

set session authorization governance_abe;
select niji.declare_override('ehr', 'research', 'law', clock_timestamp() + interval '3 seconds', 'a drill') as second \gset
select niji.declare_override('ehr', 'statistics', 'law', now() + interval '1 day', 'another purpose') as third \gset
set session authorization governance_bando;
select niji.approve_override(:second), niji.approve_override(:third) \g /dev/null
reset session authorization;
set session authorization analyst_fujita;
begin isolation level repeatable read;
select is((select count(*) from p2026_017.lab), 39::bigint, 'A short one holds');
select pg_sleep(3.2) \g /dev/null
select is((select count(*) from p2026_017.lab), 34::bigint, 'And ends by the clock, within a transaction whose snapshot stands still');
commit;
select results_eq('execute lab', 'values (34::bigint)', 'One for another purpose does nothing here');
reset session authorization;

/* ---- judged at the grant, and by consent ---- */
select niji.set_rule('ehr', 'research', 'opt_in', judged => 'at_grant') \g /dev/null
set session authorization analyst_fujita;
select results_eq('execute lab', 'values (0::bigint)', 'Nobody had opted in at the grant');
set session authorization governance_abe;
select niji.declare_override('ehr', 'research', 'law', clock_timestamp() + interval '3 seconds', 'a drill') as fourth \gset
set session authorization governance_bando;
select niji.approve_override(:fourth) \g /dev/null
set session authorization analyst_fujita;
select results_eq('execute lab', 'values (39::bigint)', 'An override sets aside what was judged at the grant as well');
reset session authorization;
select pg_sleep(3.2) \g /dev/null
select results_eq($$ select reason from niji.explain_consent(public.person(1), 'P2026-017', 'lab') $$, $$ values ('no consent'::text) $$, 'After its end the explanation is as before');
set session authorization analyst_fujita;
select results_eq('execute lab', 'values (0::bigint)', 'And so is the filter');
reset session authorization;
/* ---- not for ever ---- */
create function public.declare(for_days int) returns text language plpgsql as $$
begin
  return niji.declare_override('ehr', 'education', 'law', clock_timestamp() + make_interval(days => for_days) - interval '1 minute', 'a drill') > 0;
end $$;
set session authorization governance_abe;
select niji.declare_override('ehr', 'education', 'law', now() + interval '1 day', 'a drill') as fifth \gset
select throws_ok($$ select public.declare(2) $$, '55000', 'an override of "ehr" for "education" is declared already', 'While one is declared there is no other, so that they do not add up');
select niji.end_override(:fifth, 'not needed') \g /dev/null
select is(public.declare(1), 'true', 'When it was ended there is');
select niji.end_override((select max(id) from niji.overrides), 'not needed') \g /dev/null
reset session authorization;
-- three in a row that are over, 270 days in all
with o as (insert into niji.override (category, purpose, effective_until, legal_basis, reason, declared_at, declared_by)
             select 'ehr', 'education', now() - make_interval(days => n * 90), 'law', 'a drill', now() - make_interval(days => n * 90 + 90), 'governance_abe'
               from generate_series(0, 2) n returning id, declared_at)
insert into niji.override_approval (override, approved_at, approved_by) select id, declared_at, 'governance_bando' from o;
set session authorization governance_abe;
select is(public.declare(90), 'true', 'After 270 days of the last 720 there may be 90 more');
select niji.end_override((select max(id) from niji.overrides), 'not needed') \g /dev/null
reset session authorization;
with o as (insert into niji.override (category, purpose, effective_until, legal_basis, reason, declared_at, declared_by)
             values ('ehr', 'education', now() - interval '400 days', 'law', 'a drill', now() - interval '401 days', 'governance_abe') returning id, declared_at)
insert into niji.override_approval (override, approved_at, approved_by) select id, declared_at, 'governance_bando' from o;
set session authorization governance_abe;
select throws_ok($$ select public.declare(90) $$, '55000', 'consents about "ehr" for "education" would be set aside for more than 360 days of 720', 'and not one day more');
select is(public.declare(88), 'true', 'Fewer days are not refused');
reset session authorization;
select is(niji.override_days('ehr', 'education', now()) between interval '270 days 23 hours' and interval '271 days 1 hour', true, 'What was ended before it was approved, or not approved, does not count');
select is(niji.override_days('ehr', 'education', now() + interval '319 days 12 hours') between interval '270 days 11 hours' and interval '270 days 13 hours', true, 'and of one that was partly before, its part');
with e as (insert into niji.override_end (override, reason, ended_at)
             select id, 'over', effective_until - interval '80 days' from niji.override where effective_until < now() - interval '179 days' and effective_until > now() - interval '181 days' returning 1)
select count(*) from e \g /dev/null
select is(niji.override_days('ehr', 'education', now()) between interval '190 days 23 hours' and interval '191 days 1 hour', true, 'One that was ended counts until then');
-- who declared it has another name now
alter role governance_abe rename to governance_abel;
select niji.recompile_permits() \g /dev/null
select niji.grant_duty('governance', 'governance_abel') \g /dev/null
set session authorization governance_abel;
select throws_ok(format('select niji.approve_override(%s)', (select max(id) from niji.overrides)), '42501', 'an override is approved by a second person', 'Another name does not make another person');
select niji.end_override((select max(id) from niji.overrides), 'not needed') \g /dev/null
reset session authorization;
alter role governance_abel rename to governance_abe;
set session authorization governance_bando;
select throws_ok(format('select niji.approve_override(%s)', (select max(id) from niji.overrides)), '55000', null, 'What was ended cannot be approved');
reset session authorization;
select niji.move_trail() \g /dev/null
select is((select count(*) from niji.trail_acts where action in ('declare_override', 'approve_override', 'end_override')) > 0, true, 'All of it is recorded');
select is((select string_agg(finding, '; ') from niji.verify_trail()), null, 'And the trail is intact');

select * from finish();
