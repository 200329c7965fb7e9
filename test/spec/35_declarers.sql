-- Who declares a consent: the person, who acts for them while they live, and after death the relatives whom the law names.
\i test/story.sql
\set ON_ERROR_STOP 1
create function public.person(n int) returns niji.person language sql as $$ select niji.find_person('patient', '0110113719:' || to_char(n, 'FM0000')) $$;
create function public.may(n int) returns boolean language sql as $$ select niji.permitted(public.person(n), 1, 1) $$;
create function public.today() returns date language sql as $$ select (now() at time zone 'Asia/Tokyo')::date $$;

select plan(34);

/* ---- the words ---- */
select set_eq($$ select declarant from niji.declarant where after_death $$, $$ values ('spouse'), ('child'), ('parent'), ('grandchild'), ('grandparent'), ('sibling') $$,
  'After death the relatives whom the cabinet order of the Next-Generation Medical Infrastructure Act names may declare');
select is_empty($$ select declarant from niji.declarant where coalesce(source, '') !~ '\S' or coalesce(name_ja, '') !~ '\S' $$, 'Each with the source of their right, and a Japanese name');

set session authorization consent_ito;
/* ---- guardians ---- */
select throws_ok($$ select niji.record_consent(niji.find_person('patient', '0110113719:0001'), 'permit', declared_by => 'guardian') $$, '22023', null, 'A guardian''s consent needs an end');
reset session authorization;
select ok(niji.record_consent(public.person(1), 'deny', effective_from => now() - interval '3 days', effective_until => now() + interval '1 year', declared_by => 'guardian') > 0, 'A guardian denies, until the child comes of age');
select is(public.may(1), false, 'and is obeyed');
select ok(niji.record_consent(public.person(1), 'permit', effective_from => now() - interval '1 day') > 0, 'The child, now able to, permits the same');
select is(public.may(1), true, 'What the person declares later counts, by the order of all consents');
select ok(niji.record_consent(public.person(2), 'deny', effective_from => now() - interval '2 years', effective_until => now() - interval '1 day', declared_by => 'guardian') > 0, 'Another guardian denied, until a day that has passed');
select is(public.may(2), true, 'Having come of age, what a guardian denied is over by itself');
select niji.record_consent(public.person(3), 'deny', effective_from => now() - interval '3 days'),
       niji.record_consent(public.person(3), 'permit', effective_from => now() - interval '2 days', effective_until => now() + interval '1 hour', declared_by => 'guardian') \g /dev/null
select is(public.may(3), true, 'What a guardian permits lifts an earlier denial');
begin;
select niji.record_consent(public.person(4), 'deny', effective_from => now() - interval '3 days') \g /dev/null
select niji.record_consent(public.person(4), 'permit', effective_from => now() - interval '2 days', effective_until => now() - interval '1 day', declared_by => 'guardian') \g /dev/null
select is(public.may(4), false, 'as long as it holds: at majority the person''s own denial is back');
rollback;
select niji.record_consent(public.person(5), 'deny', declared_by => 'agent') \g /dev/null
select is(public.may(5), false, 'An agent declares without an end');

/* ---- relatives ---- */
select throws_ok($$ select niji.record_consent(public.person(6), 'deny', declared_by => 'relative') $$, '22023', null, 'A relative says which one they are');
select throws_ok($$ select niji.record_consent(public.person(6), 'deny', declared_by => 'child') $$, '22023', 'a consent declared by "child" needs died_on', 'and when the person died');
select throws_ok($$ select niji.record_consent(public.person(6), 'deny', declared_by => 'self', died_on => public.today()) $$, '22023', null, 'Nobody says so of themselves');
select throws_ok($$ select niji.record_consent(public.person(6), 'deny', declared_by => 'child', died_on => public.today() + 1) $$, '22023', null, 'A death to come is none');
select throws_ok($$ select niji.record_consent(public.person(6), 'deny', declared_by => 'child', died_on => 'infinity') $$, '22023', null, 'nor is one at no time');
select throws_ok($$ select niji.record_consent(public.person(6), 'deny', declared_by => 'child', died_on => public.today() - 1, effective_from => now() - interval '3 days') $$, '22023', null,
  'While the person lived no relative declared for them');
select ok(niji.record_consent(public.person(6), 'deny', declared_by => 'child', died_on => public.today() - 10, evidence => 'form 6') > 0, 'A child has the use stopped');
select is(public.may(6), false, 'and is obeyed at once');
select is((select row(declared_by, died_on)::text from niji.consents where evidence = 'form 6'), format('(child,%s)', public.today() - 10), 'On record with who it was and the day of the death');
select throws_ok($$ select niji.record_consent(public.person(6), 'permit', declared_by => 'sibling', died_on => public.today() - 10) $$, '22023', 'a consent declared by "sibling" can only deny',
  'A relative cannot permit');
select is(public.may(6), false, 'so what one of them denied is lifted by none of them');
select throws_ok($$ select niji.record_consent(public.person(6), 'permit') $$, '22023', 'a consent cannot permit from after the person''s death', 'Nor does the person permit from after their death');
select throws_ok($$ select niji.record_consent(public.person(6), 'permit', declared_by => 'guardian', effective_until => now() + interval '1 year') $$, '22023', null, 'nor a guardian, whose authority has ended');
select ok(niji.record_consent(public.person(6), 'permit', effective_from => now() - interval '20 days') > 0, 'What the person permitted in life, and arrives late, is recorded');
select is(public.may(6), false, 'and does not lift what came later');
select ok(niji.record_consent(public.person(6), 'deny', effective_from => now()) > 0, 'A denial is never refused');
select lives_ok($$ select niji.void_consent((select id from niji.consents where evidence = 'form 6'), 'taken back by the child') $$, 'A relative''s denial that is taken back is voided');
select lives_ok($$ select niji.record_consent(public.person(6), 'permit') $$, 'and then no death is known');
select is((select string_agg(x, ', ') from (select unnest(array['spouse', 'parent', 'grandchild', 'grandparent', 'sibling']) as x) w
            where niji.record_consent(public.person(7), 'deny', declared_by => x, died_on => public.today()) > 0),
  'spouse, parent, grandchild, grandparent, sibling', 'So declare the other relatives');

/* ---- merged numbers ---- */
select niji.record_consent(public.person(8), 'deny', declared_by => 'spouse', died_on => public.today() - 2) \g /dev/null
alter table warehouse.lab add primary key (person);
alter table warehouse.diagnosis add primary key (person);
select niji.merge_persons(public.person(9), public.person(8), 'one human') \g /dev/null
select throws_ok($$ select niji.record_consent(public.person(9), 'permit') $$, '22023', null, 'Of two numbers that are merged the death is known for both');
select is(public.may(9), false, 'and a relative''s denial counts for both');
insert into niji.declarant (declarant, name_ja, description, after_death, source) values ('executor', '遺言執行者', 'An executor', true, '民法 第1012条');
select is(niji.record_consent(public.person(10), 'permit', declared_by => 'executor', died_on => public.today() - 1) > 0, true, 'Where another law lets somebody else permit, the word is added');

select * from finish();
