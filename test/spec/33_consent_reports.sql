-- What a wish came too late for, and how many people have which wish.
\i test/story.sql
\set ON_ERROR_STOP 1

create function public.person(n int) returns niji.person language sql as $$ select niji.find_person('patient', '0110113719:' || to_char(n, 'FM0000')) $$;
create function public.effects(consent bigint) returns text language sql as $$
  select coalesce(string_agg(format('%s %s %s %s', e.permit, e.dataset, e.reader, e.kind), '; ' order by e.seq, e.dataset), '')
    from niji.late_effects(consent) e
$$;

select plan(34);

-- person 1 is shown, person 2 passes the filter only, person 99 has no rows
select niji.enrol('patient', '0110113719:0099') is not null as enrolled \g /dev/null
set session authorization analyst_fujita;
select pid, value from p2026_017.lab where value < 5.15 \g /dev/null
select count(*) from p2026_017.lab where value < 5.25 \g /dev/null
select count(*) from p2026_017.diagnosis \g /dev/null
reset session authorization;
select niji.move_trail() \g /dev/null

/* ---- late effects ---- */
set session authorization consent_ito;
select niji.record_consent(niji.find_person('patient', '0110113719:0001'), 'deny', category => 'ehr', effective_from => now() - interval '1 hour') as late_1 \gset
select niji.record_consent(niji.find_person('patient', '0110113719:0002'), 'deny', effective_from => now() - interval '1 hour') as late_2 \gset
select niji.record_consent(niji.find_person('patient', '0110113719:0099'), 'deny', effective_from => now() - interval '1 hour') as late_99 \gset
select niji.record_consent(niji.find_person('patient', '0110113719:0001'), 'deny', category => 'ehr') as in_time \gset
select niji.record_consent(niji.find_person('patient', '0110113719:0001'), 'deny', purpose => 'statistics', effective_from => now() - interval '1 hour') as other_purpose \gset
select niji.record_consent(niji.find_person('patient', '0110113719:0001'), 'deny', effective_from => now() - interval '1 hour',
                           effective_until => now() - interval '30 minutes') as over_before \gset
select niji.record_consent(niji.find_person('patient', '0110113719:0001'), 'permit', effective_from => now() - interval '1 hour') as permission \gset
reset session authorization;

set session authorization auditor_endo;
select is((select string_agg(format('%s %s %s %s', e.permit, e.dataset, e.reader, e.kind), '; ' order by e.seq) from niji.late_effects(:late_1) e),
  'P2026-017 lab analyst_fujita shown; P2026-017 lab analyst_fujita scanned',
  'A denial recorded late names each read that it came too late for, and whether the person was shown or only counted');
select is((select count(distinct seq) from niji.late_effects(:late_1)), 2::bigint, 'Each with its place in the trail');
reset session authorization;
select is(effects(:late_2), 'P2026-017 lab analyst_fujita scanned; P2026-017 lab analyst_fujita scanned', 'Under a rule that needs no consent (the diagnoses) nothing came too late');
select is(effects(:late_99), '', 'A person whose rows no read touched was not affected');
select is(effects(:in_time), '', 'A denial recorded in time came too late for nothing');
select is(effects(:other_purpose), '', 'Nor did one for another purpose');
select is(effects(:over_before), '', 'Nor one that had ended before the read');
select is(effects(:permission), '', 'Nor a permission');
select niji.void_consent(:late_1, 'another person') \g /dev/null
select is(effects(:late_1), '', 'What was entered in error has no effects');

set session authorization analyst_fujita;
select throws_ok(format('select * from niji.late_effects(%s)', :late_2), '42501', null, 'An analyst cannot ask');
set session authorization governance_abe;
select throws_ok(format('select * from niji.late_effects(%s)', :late_2), '42501', null, 'Nor can governance, which sees no person''s wishes');
set session authorization consent_ito;
select throws_ok('select * from niji.late_effects(999999)', '42704', 'there is no consent 999999', 'An unknown consent is an error, not an empty answer');
reset session authorization;
select niji.move_trail() \g /dev/null
select ok(exists (select from niji.trail_acts where action = 'late_effects' and object = :'late_2'), 'The question is recorded');
begin;
set local session authorization auditor_endo;
select count(*) from niji.late_effects(:late_99) \g /dev/null
rollback;
select niji.move_trail() \g /dev/null
select is((select count(*) from niji.trail_acts where action = 'late_effects' and object = :'late_99'), 2::bigint, 'Also by who rolls back after the answer');

/* ---- what would have changed nothing, and what was seen later ---- */
create role officer_two login;
select niji.grant_duty('governance', 'officer_two') \g /dev/null
create function public.effects_of(n int, scope text default '{}', effective_until timestamptz default null) returns text language plpgsql volatile as $$
declare
  s jsonb := scope;
begin
  return public.effects(niji.record_consent(public.person(n), 'deny', category => s ->> 'category', purpose => s ->> 'purpose', permit => s ->> 'permit', holder => s ->> 'holder',
                                            effective_from => now() - interval '1 hour', effective_until => effective_until));
end $$;
-- persons 31 to 40 are in lab only
select is(public.effects_of(31), 'P2026-017 lab analyst_fujita scanned; P2026-017 lab analyst_fujita scanned', 'Someone''s denial came too late for two reads');
select niji.record_consent(public.person(32), 'permit', permit => 'P2026-017', effective_from => now() - interval '30 minutes') as lifting \gset
select is(public.effects_of(32), '', 'What a later permission of a narrower scope allowed anyway is not listed');
select is(public.effects_of(32, '{"permit": "P2026-017"}'), '', 'nor if its scope is the same');
select niji.void_consent(:lifting, 'another person') \g /dev/null
select is(public.effects_of(32), 'P2026-017 lab analyst_fujita scanned; P2026-017 lab analyst_fujita scanned', 'but it is if that permission was entered in error');
select niji.record_consent(public.person(33), 'permit', permit => 'P2026-017', effective_from => now() - interval '2 hours') \g /dev/null
select is(public.effects_of(33), 'P2026-017 lab analyst_fujita scanned; P2026-017 lab analyst_fujita scanned', 'or was earlier');
select niji.record_consent(public.person(34), 'permit', purpose => 'research', effective_from => now() - interval '30 minutes') \g /dev/null
select is(public.effects_of(34, '{"permit": "P2026-017"}'), 'P2026-017 lab analyst_fujita scanned; P2026-017 lab analyst_fujita scanned', 'or broader');
select niji.record_consent(public.person(35), 'permit', permit => 'P2026-017', effective_from => now() - interval '30 minutes', effective_until => now() - interval '20 minutes') \g /dev/null
select is(public.effects_of(35), 'P2026-017 lab analyst_fujita scanned; P2026-017 lab analyst_fujita scanned', 'or was over by the time of the read');
select is(public.effects_of(36, '{"holder": "city-hospital"}'), 'P2026-017 lab analyst_fujita scanned; P2026-017 lab analyst_fujita scanned', 'A denial to the hospital that holds the data counts');
-- an override in between
set session authorization governance_abe;
select niji.declare_override('ehr', 'research', 'law', now() + interval '1 day', 'an epidemic') as override \gset
set session authorization officer_two;
select niji.approve_override(:override) \g /dev/null
set session authorization analyst_fujita;
select count(*) from p2026_017.lab \g /dev/null
reset session authorization;
select niji.end_override(:override, 'over') \g /dev/null
select niji.move_trail() \g /dev/null
select is(public.effects_of(37), 'P2026-017 lab analyst_fujita scanned; P2026-017 lab analyst_fujita scanned', 'A read under an override is not listed: the denial would not have held');
select is((select count(*) from niji.read_index r where r.at > now() - interval '1 minute' and r.permit = 1), 4::bigint, 'though it met the person');
-- a read whose snapshot is from before the denial was recorded
create extension dblink;
select dblink_connect('reader', format('dbname=%s user=analyst_fujita host=%s', current_database(), split_part(current_setting('unix_socket_directories'), ',', 1))) \g /dev/null
select dblink_exec('reader', 'begin isolation level repeatable read') \g /dev/null
select * from dblink('reader', 'select count(*) from p2026_017.lab') as x (n bigint) \g /dev/null
select niji.record_consent(public.person(38), 'deny') as unseen \gset
select * from dblink('reader', 'select count(*) from p2026_017.lab') as x (n bigint) \g /dev/null
select dblink_exec('reader', 'commit') \g /dev/null
select * from dblink('reader', 'select count(*) from p2026_017.lab') as x (n bigint) \g /dev/null
select dblink_disconnect('reader') \g /dev/null
select niji.move_trail() \g /dev/null
select is(public.effects(:unseen), 'P2026-017 lab analyst_fujita scanned', 'A statement that starts after the denial, by a snapshot from before it, is listed; the next one, which sees it, is not');
-- judged at the grant
select niji.set_rule('ehr', 'research', 'opt_out', 'at_grant') \g /dev/null
set session authorization analyst_fujita;
select count(*) from p2026_017.lab \g /dev/null
reset session authorization;
select niji.move_trail() \g /dev/null
select is(public.effects_of(39), (select string_agg('P2026-017 lab analyst_fujita scanned', '; ') from generate_series(1, 5)),
  'Under a rule that judged at the grant a late denial came too late for nothing');
select niji.set_rule('ehr', 'research', 'opt_out') \g /dev/null
-- merged
alter table warehouse.lab add primary key (person);
alter table warehouse.diagnosis add primary key (person);
select niji.merge_persons(public.person(99), public.person(40), 'one human') \g /dev/null
select is(public.effects_of(99) <> '', true, 'Of a person who was merged, reads of the number that is gone are listed');

/* ---- the summary ---- */
do $$
begin
  for n in 10 .. 21 loop
    perform niji.record_consent(person(n), 'deny', category => 'ehr', purpose => 'research');
  end loop;
  for n in 10 .. 14 loop
    perform niji.record_consent(person(n), 'permit', category => 'genome');
  end loop;
  -- twice the same person is one person
  for n in 10 .. 19 loop
    perform niji.record_consent(person(20), 'deny', category => 'image');
  end loop;
end $$;
set session authorization governance_abe;
select results_eq($$ select persons, withheld from niji.consent_summary where category = 'ehr' and purpose = 'research' and state = 'denied' $$,
  $$ values (12::bigint, false) $$, 'Governance sees how many persons denied a category and purpose');
select results_eq($$ select persons, withheld from niji.consent_summary where category = 'genome' and state = 'permitted' $$,
  $$ values (null::bigint, true) $$, 'Fewer than ten persons are not told');
select results_eq($$ select persons, withheld from niji.consent_summary where category = 'image' and state = 'denied' $$,
  $$ values (null::bigint, true) $$, 'Persons are counted, not consents');
reset session authorization;
/* ---- nothing can be found from a sum ---- */
create function public.announce(word text, people int) returns void language plpgsql as $$
begin
  for n in 1 .. people loop
    perform niji.record_consent(person(n), 'deny', category => word, effective_from => now() + interval '1 day');
  end loop;
end $$;
create function public.to_come() returns text language sql as $$
  select string_agg(category || ' ' || coalesce(persons::text, '-') || case when withheld then ' withheld' else '' end, ', ' order by category collate "C") from niji.consent_summary where state = 'to come'
$$;
select public.announce('care', 12), public.announce('claims', 15), public.announce('image', 30) \g /dev/null
select is(public.to_come(), 'care 12, claims 15, image 30', 'Counts of ten and more are told');
select public.announce('genome', 3) \g /dev/null
select is(public.to_come(), 'care - withheld, claims 15, genome - withheld, image 30', 'Where one alone is withheld, the smallest other one is withheld with it: neither can be found from a sum');
select public.announce('phr', 2) \g /dev/null
select is(public.to_come(), 'care 12, claims 15, genome - withheld, image 30, phr - withheld', 'Where two are withheld, no other one has to be');
set session authorization analyst_fujita;
select throws_ok('select * from niji.consent_summary', '42501', null, 'An analyst sees no summary');
reset session authorization;

select * from finish();
