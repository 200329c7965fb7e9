-- What a wish came too late for, and how many people have which wish.
\i test/story.sql
\set ON_ERROR_STOP 1

create function public.person(n int) returns niji.person language sql as $$ select niji.find_person('patient', '0110113719:' || to_char(n, 'FM0000')) $$;
create function public.effects(consent bigint) returns text language sql as $$
  select coalesce(string_agg(format('%s %s %s %s', e.permit, e.dataset, e.reader, e.kind), '; ' order by e.seq, e.dataset), '')
    from niji.late_effects(consent) e
$$;

select plan(18);

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
set session authorization analyst_fujita;
select throws_ok('select * from niji.consent_summary', '42501', null, 'An analyst sees no summary');
reset session authorization;

select * from finish();
