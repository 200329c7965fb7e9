-- Why a permit may or may not see somebody's rows, in words; and how governance, which sees no persons, asks.
\i test/story.sql
\set ON_ERROR_STOP 1
create function public.person(n int) returns niji.person language sql as $$ select niji.find_person('patient', '0110113719:' || to_char(n, 'FM0000')) $$;
create function public.told(n int, dataset text default 'lab') returns text language sql volatile as
  $$ select string_agg(explanation, ' / ') from niji.explain_consent(public.person(n), 'P2026-017', dataset) $$;
create function public.told_ja(n int, dataset text default 'lab') returns text language sql volatile as
  $$ select string_agg(explanation_ja, ' / ') from niji.explain_consent(public.person(n), 'P2026-017', dataset) $$;
create role governance_bando login;
select niji.grant_duty('governance', 'governance_bando') \g /dev/null
select plan(41);

/* ---- each reason, in English and in Japanese ---- */
select matches(public.told(1), '^permitted\. Nothing denies it\. Rule [0-9]+: ehr for research rests on opt_out \(次世代医療基盤法\), judged when a statement starts\. Without a new declaration it stays so\.$', 'Nothing was said');
select matches(public.told_ja(1), '^利用できる。拒否がない。規則 [0-9]+: 情報の種類「電子カルテ情報」、目的「学術研究」は「オプトアウト」\(次世代医療基盤法\)、文の開始時点で判定。新たな申出がなければ変わらない。$', 'in Japanese too');
select matches(public.told(1, 'diagnosis'), '^permitted\. The law allows this use whatever the person says\. Rule [0-9]+: claims for research rests on not_required \(高齢者の医療の確保に関する法律 第16条の2\)\. Without', 'No consent is required, by which law');
select matches(public.told_ja(1, 'diagnosis'), '法令により、本人の意思にかかわらず', 'in Japanese too');
select niji.record_consent(public.person(2), 'deny', category => 'ehr', effective_from => '2026-04-02 09:30+09', evidence => 'a secret letter') as denial \gset
select matches(public.told(2), format('^not permitted\. It is denied by consent %s \(a denial by the person, for category ehr, from 2026-04-02 09:30\), and no later permission of the same or a narrower scope lifts that\.', :denial), 'Denied: by which consent, whose, for what, from when');
select matches(public.told_ja(2), format('^利用できない。同意記録 %s\(本人: 拒否。範囲: 情報の種類「電子カルテ情報」。2026-04-02 09:30から\)が拒否しており', :denial), 'in Japanese too');
select unalike(public.told(2) || public.told_ja(2), '%secret%', 'The evidence is not told');
select niji.record_consent(public.person(2), 'permit', category => 'ehr', permit => 'P2026-017', effective_from => '2026-05-01 00:00+09') as lifter \gset
select matches(public.told(2), format('^permitted\. It was denied by consent %s \(.*\), which is lifted by the later and no broader consent %s \(a permission by the person, for category ehr, purpose research, permit P2026-017, recipients of the kind medical_institution, from 2026-05-01 00:00\)', :denial, :lifter), 'Lifted, by which');
select matches(public.told_ja(2), '利用許可 P2026-017.*により解かれている', 'in Japanese too');
select niji.record_consent(public.person(3), 'deny', declared_by => 'child', died_on => '2026-03-01', effective_from => '2026-03-02 00:00+09') \g /dev/null
select matches(public.told(3), 'a denial by declarant "child", for everything', 'Declared by a relative');
select matches(public.told_ja(3), '子: 拒否。範囲: すべて。', 'in Japanese too');
select niji.set_rule('ehr', 'research', 'opt_out_after_notice') \g /dev/null
select matches(public.told(4), '^not permitted\. No notice that covers this use has been recorded\.', 'Not notified');
select matches(public.told_ja(4), '通知の記録がない', 'in Japanese too');
select niji.record_notice(public.person(4), 'ehr', now() - interval '2 days') \g /dev/null
select matches(public.told(4), '^not permitted\. The waiting time after notice [0-9]+ of .* is not over\..* Without any new declaration it changes at', 'Waiting, and when that is over');
select matches(public.told_ja(4), '待機期間がまだ過ぎていない.*新たな申出がなくても .* に変わる。$', 'in Japanese too');
select niji.record_notice(public.person(5), 'ehr', now() - interval '2 months') \g /dev/null
select matches(public.told(5), '^permitted\. Nothing denies it, and the waiting time after notice [0-9]+ of .* is over\.', 'Notified, and waited');
select niji.set_rule('ehr', 'research', 'opt_in') \g /dev/null
select matches(public.told(1), '^not permitted\. Nothing permits it\.', 'No consent where one is needed');
select matches(public.told_ja(1), '許可する同意がない', 'in Japanese too');
select niji.record_consent(public.person(1), 'permit', purpose => 'research', effective_until => now() + interval '3 days') \g /dev/null
select matches(public.told(1), '^permitted\. It is permitted by consent [0-9]+ \(a permission by the person, for purpose research, from .* until .*\), and nothing denies it\..* it changes at', 'Consented, for a time');
select is((select changes_at from niji.explain_consent(public.person(1), 'P2026-017', 'lab')), (select max(effective_until) from niji.consent where person = public.person(1)), 'after which it changes');
select niji.record_consent(public.person(1), 'permit', purpose => 'research', permit => 'P2026-017', effective_until => now() + interval '9 days') \g /dev/null
select is((select changes_at from niji.explain_consent(public.person(1), 'P2026-017', 'lab')), (select max(effective_until) from niji.consent where person = public.person(1)),
  'Where another consent goes on, it changes when the last one ends, not when the first does');
select niji.set_rule('ehr', 'research', 'opt_out', 'at_grant') \g /dev/null
select matches(public.told(6), 'judged at the grant \([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{5}\)\.', 'Judged at the grant, and when that was');
select niji.set_rule('ehr', 'research', 'opt_out') \g /dev/null
set session authorization governance_abe;
select niji.declare_override('ehr', 'research', '感染症法 第56条の44', now() + interval '30 days', 'an epidemic') as override \gset
set session authorization governance_bando;
select niji.approve_override(:override) \g /dev/null
reset session authorization;
select matches(public.told(3), format('^permitted\. Override %s \(感染症法 第56条の44\) sets consents aside until', :override), 'Overridden, by which law');
select matches(public.told_ja(3), '適用除外 .*感染症法', 'in Japanese too');
select niji.end_override(:override, 'over') \g /dev/null

/* ---- rows of several holders ---- */
select niji.register_holder('rural', '診療所', 'medical_institution') as rural \gset
create table warehouse.shared (person niji.person, holder int, value int);
insert into warehouse.shared select public.person(n), 1 + n % 2, n from generate_series(1, 20) n;
select niji.register_dataset('shared', 'warehouse.shared', '{person}', null, 'ehr', '次世代医療基盤法', holder_column => 'holder') \g /dev/null
set session authorization governance_abe;
select niji.apply_permit('P2', 'Both', 'tohoku-lab', 'research', current_date - 1, current_date + 300), niji.request_data('P2', 'shared', '{value}') \g /dev/null
reset session authorization;
select niji.record_consent(public.person(7), 'deny', holder => 'rural', effective_until => now() + interval '5 days') \g /dev/null
select is((select string_agg(coalesce(holder, '-') || ' ' || split_part(explanation, '.', 1), ', ' order by holder nulls first) from niji.explain_consent(public.person(7), 'P2', 'shared')),
  '- Rows of all other holders: permitted, rural Rows of holder rural: not permitted', 'For each holder that differs, and for all others');
select is((select string_agg(split_part(explanation_ja, '。', 1), ', ' order by holder nulls first) from niji.explain_consent(public.person(7), 'P2', 'shared')),
  'その他のデータ保有者の行: 利用できる, データ保有者 rural の行: 利用できない', 'in Japanese too');
select is((select array_agg(changes_at is not null order by holder nulls first) from niji.explain_consent(public.person(7), 'P2', 'shared')), array[false, true], 'and when each changes');
select niji.record_consent(public.person(8), 'deny', holder => 'rural', effective_from => now() + interval '5 days') \g /dev/null
select is((select array_agg(changes_at is not null) from niji.explain_consent(public.person(8), 'P2', 'shared')), array[true], 'A holder that will differ only later is counted with the others');
select niji.set_rule('ehr', 'research', 'opt_out', 'at_grant') \g /dev/null
select matches((select explanation from niji.explain_consent(public.person(9), 'P2', 'shared')), '^not permitted\. It is judged at the grant, and the permit has not been granted\. Rule [0-9]+: ehr for research rests on opt_out \(次世代医療基盤法\), judged at the grant\. ', 'A permit that was not granted');
select niji.set_rule('ehr', 'research', 'opt_out') \g /dev/null

/* ---- governance asks by pseudonym ---- */
select niji.pseudonym(public.person(3), (select domain from niji.permit where code = 'P2026-017')) as pid \gset
select niji.pseudonym(public.person(3), (select domain from niji.permit where code = 'P2')) as other_pid \gset
select niji.create_holder_domain('rural') as rural_domain \gset
select niji.pseudonym(public.person(3), :rural_domain) as rural_pid \gset
set session authorization governance_abe;
select throws_ok('select niji.explain_consent(''7'', ''P2026-017'', ''lab'')', '42501', null, 'Governance cannot enter a person');
select results_eq(format($$ select permitted, reason from niji.explain_consent_by_pseudonym(%L, 'P2026-017', 'lab') $$, :'pid'), $$ values (false, 'denied'::text) $$, 'but a pseudonym that a reader sees');
select throws_ok(format($$ select * from niji.explain_consent_by_pseudonym(%L, 'P2026-017', 'lab') $$, :'other_pid'), '22023', 'the pseudonym is not a person''s pseudonym of this domain', 'of this permit, not of another');
select results_eq(format($$ select reason from niji.explain_consent_by_pseudonym(%L, 'P2026-017', 'lab', 'rural') $$, :'rural_pid'), $$ values ('denied'::text) $$, 'or a holder''s own');
select throws_ok(format($$ select * from niji.explain_consent_by_pseudonym(%L, 'P2026-017', 'lab', 'city-hospital') $$, :'rural_pid'), '55000', null, 'if it has a domain');
select throws_ok($$ select * from niji.explain_consent_by_pseudonym(null, 'P2026-017', 'lab') $$, '22004', null, 'Null is no pseudonym');
select throws_ok(format($$ select * from niji.explain_consent_by_pseudonym(%L, 'P9', 'lab') $$, :'pid'), '42704', null, 'An unknown permit is an error');
select throws_ok(format($$ select niji.decide_consent_by_pseudonym(%L, 1, 1, 1) $$, :'pid'), '42501', null, 'What is underneath cannot be called');
begin;
select count(*) from niji.explain_consent_by_pseudonym(:'pid', 'P2026-017', 'lab') \g /dev/null
rollback;
set session authorization analyst_fujita;
select throws_ok(format($$ select * from niji.explain_consent_by_pseudonym(%L, 'P2026-017', 'lab') $$, :'pid'), '42501', null, 'An analyst cannot ask');
reset session authorization;
select niji.move_trail() \g /dev/null
select is((select count(*) from niji.trail_acts where action = 'explain_consent' and details ->> 'pseudonym' = :'pid'), 2::bigint, 'Each question is in the trail, with the pseudonym in its private part, also of who rolled back');
select is((select count(*) from niji.trail t where t.header::text like '%' || :'pid' || '%'), 0::bigint, 'and in no public part');
-- merged
alter table warehouse.lab add primary key (person); alter table warehouse.diagnosis add primary key (person); alter table warehouse.shared add primary key (person);
select niji.merge_persons(public.person(10), public.person(3), 'one human') \g /dev/null
select is((select reason from niji.explain_consent_by_pseudonym(:'pid', 'P2026-017', 'lab')), 'denied', 'A pseudonym of who was merged is explained as of who they are now');

select * from finish();
