-- What persons decide, and what is obeyed.
--
-- The filter is called here as a policy calls it, over a plain list of people:
-- niji.permitted(person, permit, dataset).  Permit 1 (research, of a society)
-- and permit 2 (ai_training, of a company) use dataset 1 (ehr, of one hospital)
-- and dataset 2 (ehr, whose rows name their hospital).
\set ON_ERROR_STOP 1
select plan(106);

insert into niji.holder (code, name, kind) values
  ('city', '市立病院', 'medical_institution'), ('rural', '診療所', 'medical_institution'), ('port', '港病院', 'medical_institution');
insert into niji.applicant (code, name, kind) values
  ('lab', '疫学研究室', 'society'), ('pharma', '製薬', 'company');
create schema warehouse;
create table warehouse.one (person niji.person not null);
create table warehouse.two (person niji.person not null, holder int not null);
insert into niji.dataset (name, relation, person_columns, holder, holder_column, category, legal_basis, changes) values
  ('one', 'warehouse.one', '{person}', 1, null, 'ehr', '次世代医療基盤法', 'auto'),
  ('two', 'warehouse.two', '{person}', null, 'holder', 'ehr', '次世代医療基盤法', 'auto');
insert into niji.permit (code, title, applicant, purpose, state, domain, valid_from, valid_until, schema_name, granted_at) values
  ('R-1', 'Diabetes', 1, 'research', 'granted', 1, '2020-01-01', '2099-12-31', 'r_1', clock_timestamp() - interval '10 days'),
  ('A-2', 'Model', 2, 'ai_training', 'granted', 1, '2020-01-01', '2099-12-31', 'a_2', clock_timestamp() - interval '10 days');
insert into niji.permit_data (permit, dataset, columns)
  select p, d, '{person}' from generate_series(1, 2) p, generate_series(1, 2) d;

create table people (person niji.person primary key);
insert into people select n::text::niji.person from generate_series(1, 400) n;
create function may(n int, permit int default 1, dataset int default 1) returns boolean language sql as
  $$ select niji.permitted(n::text::niji.person, permit, dataset) $$;
create function may_of(n int, holder int, permit int default 1) returns boolean language sql as
  $$ select niji.permitted(n::text::niji.person, permit, 2, holder) $$;
create function seen(permit int default 1, dataset int default 1) returns bigint language sql as
  $$ select count(*) from people where niji.permitted(person, permit, dataset) $$;
-- the analyst's side of it, without the permit's machinery
create function p(n int) returns niji.person language sql immutable as $$ select n::text::niji.person $$;

/* ---- rules ---- */
select throws_ok('select may(1)', '55000', null, 'Without a rule for the category and the purpose nothing is judged: an error');
select throws_ok($$ select niji.set_rule('gossip', 'research', 'opt_out') $$, '22023', 'there is no category "gossip"', 'An unknown category is refused');
select throws_ok($$ select niji.set_rule('ehr', 'marketing', 'opt_out') $$, '22023', 'there is no purpose "marketing"', 'An unknown purpose is refused');
select throws_ok($$ select niji.set_rule('ehr', 'research', 'whim') $$, '22023', null, 'An unknown basis is refused');
select throws_ok($$ select niji.set_rule('ehr', 'research', 'opt_out', 'later') $$, '22023', null, 'A rule is judged now or at_grant, nothing else');
select throws_ok($$ select niji.set_rule('ehr', 'research', 'opt_out', waiting => '1 month') $$, '22023', null, 'Only opt_out_after_notice has a waiting time');
select throws_ok($$ select niji.set_rule('ehr', 'research', 'opt_out_after_notice', waiting => '-1 day') $$, '22023', null, 'A waiting time cannot be negative');
select ok(niji.set_rule('ehr', 'research', 'opt_out', legal_basis => 'EHDS Art. 71') > 0, 'Governance sets a rule');
select ok(niji.set_rule('ehr', 'ai_training', 'opt_in') > 0, 'and another for another purpose');
select is((select count(*) from niji.category where name_ja <> ''), 15::bigint, 'Fifteen categories are there from the start, each with a Japanese name');
select is((select count(*) from niji.purpose where name_ja <> ''), 8::bigint, 'and eight purposes');
select is((select count(*) from niji.basis), 4::bigint, 'and four bases');

/* ---- opt_out ---- */
select is(seen(), 400::bigint, 'opt_out: who said nothing is seen');
select ok(niji.record_consent(p(1), 'deny') > 0, 'Someone objects to everything');
select is(may(1), false, 'opt_out: the next statement does not see them');
select is(seen(), 399::bigint, 'nor count them');
select ok(niji.record_consent(p(2), 'deny', category => 'ehr') > 0 and niji.record_consent(p(3), 'deny', category => 'claims') > 0, 'Objections to a category are recorded');
select is(may(2), false, 'opt_out: an objection to the category holds');
select is(may(3), true, 'opt_out: an objection to another category does not');
select ok(niji.record_consent(p(4), 'deny', purpose => 'research') > 0 and niji.record_consent(p(5), 'deny', purpose => 'ai_training') > 0, 'Objections to a purpose are recorded');
select is(array[may(4), may(5)], array[false, true], 'opt_out: an objection to one purpose holds for that purpose only');
select ok(niji.record_consent(p(6), 'deny', recipient_kind => 'company') > 0 and niji.record_consent(p(7), 'deny', recipient_kind => 'society') > 0, 'Objections to a kind of recipient are recorded');
select is(array[may(6), may(7)], array[true, false], 'opt_out: an objection to companies leaves a society''s permit alone');
select ok(niji.record_consent(p(8), 'deny', permit => 'r-1') > 0 and niji.record_consent(p(9), 'deny', permit => 'A-2') > 0, 'Objections to a permit are recorded, whatever the case of its code');
select is(array[may(8), may(9)], array[false, true], 'opt_out: an objection to a permit is for that permit');
select ok(niji.record_consent(p(10), 'deny', dataset => 'one') > 0 and niji.record_consent(p(11), 'deny', dataset => 'two') > 0, 'Objections to a dataset are recorded');
select is(array[may(10), may(11)], array[false, true], 'opt_out: an objection to a dataset is for that dataset');
select ok(niji.record_consent(p(12), 'deny', holder => 'city') > 0 and niji.record_consent(p(13), 'deny', holder => 'rural') > 0, 'Objections to a holder are recorded');
select is(array[may(12), may(13)], array[false, true], 'opt_out: an objection to a hospital is for its data');

/* ---- the partial order ---- */
select ok(niji.record_consent(p(1), 'permit', permit => 'R-1') > 0, 'Who objected to everything consents, later, to one study');
select is(may(1), true, 'A later permit of a narrower scope lifts the denial');
select is(may(1, 1, 2), true, 'for every dataset of that study');
select is(may(1, 2), false, 'and for no other study');
select ok(niji.record_consent(p(4), 'permit') > 0, 'Who objected to a purpose permits, later, everything');
select is(may(4), false, 'A later permit of a broader scope does not lift the denial');
select ok(niji.record_consent(p(4), 'permit', purpose => 'research') > 0, 'They permit the very purpose');
select is(may(4), true, 'A later permit of the same scope lifts it');
select ok(niji.record_consent(p(8), 'permit', purpose => 'research') > 0, 'Who objected to a study permits its purpose');
select is(may(8), false, 'which is broader, and does not lift it');
select ok(niji.record_consent(p(14), 'permit', permit => 'R-1', effective_from => now() - interval '2 days') > 0
          and niji.record_consent(p(14), 'deny', effective_from => now() - interval '1 day') > 0, 'Someone permits a study, and then objects to everything');
select is(may(14), false, 'An earlier permit does not lift a later denial, however narrow it is');
select ok(niji.record_consent(p(15), 'deny', effective_from => now() - interval '2 days') > 0
          and niji.record_consent(p(15), 'permit', category => 'ehr', effective_from => now() - interval '1 day') > 0
          and niji.record_consent(p(15), 'deny', purpose => 'research', effective_from => now() - interval '1 hour') > 0, 'Someone denies, permits a part, and denies another part');
select is(may(15), false, 'Each denial has to be lifted for itself');
select ok(niji.record_consent(p(16), 'permit', effective_from => '2026-01-01 00:00+09') < niji.record_consent(p(16), 'deny', effective_from => '2026-01-01 00:00+09'), 'Two decisions of one moment');
select is(may(16), false, 'are ordered by their number');

/* ---- time ---- */
select ok(niji.record_consent(p(20), 'deny', effective_from => clock_timestamp() + interval '1 hour') > 0, 'An objection is recorded for later');
select is(may(20), true, 'An objection does not hold before its time');
select ok(niji.record_consent(p(21), 'deny', effective_from => now() - interval '2 hours', effective_until => now() - interval '1 hour') > 0, 'An objection had an end');
select is(may(21), true, 'and does not hold after it');
select ok(niji.record_consent(p(22), 'deny', effective_from => now() - interval '3 hours') > 0
          and niji.record_consent(p(22), 'permit', effective_from => now() - interval '2 hours', effective_until => now() - interval '1 hour') > 0, 'A permit that lifted an objection has ended');
select is(may(22), false, 'so it no longer lifts it');
select ok(niji.record_consent(p(23), 'deny', effective_from => clock_timestamp() + interval '700 milliseconds') > 0
          and niji.record_consent(p(24), 'deny', effective_until => clock_timestamp() + interval '700 milliseconds') > 0, 'Two objections: one begins soon, one ends soon');
select is(array[may(23), may(24)], array[true, false], 'Before that moment one is seen and the other is not');
select is((select array[bool_and(before), bool_and(after)] from (select may(23) as before, pg_sleep(1) is null as slept, may(23) as after offset 0) x), array[true, true], 'Within one statement the clock stands still');
select is(array[may(23), may(24)], array[false, true], 'After it they have changed places, without any new record');

/* ---- voiding ---- */
select ok(niji.record_consent(p(25), 'deny', evidence => 'form 25') > 0, 'An objection is entered for the wrong person');
select is(may(25), false, 'and holds');
select lives_ok($$ select niji.void_consent((select id from niji.consents where evidence = 'form 25'), 'wrong person') $$, 'It is voided');
select is(may(25), true, 'A voided objection does not count');
select is((select count(*) from niji.consents where evidence = 'form 25' and void_reason = 'wrong person'), 1::bigint, 'and stays on record with its reason');
select throws_ok($$ select niji.void_consent((select id from niji.consents where evidence = 'form 25'), 'again') $$, '55000', null, 'It cannot be voided twice');
select throws_ok($$ select niji.void_consent(999999, 'x') $$, '42704', null, 'nor can one that does not exist');
select throws_ok($$ select niji.void_consent(1, ' ') $$, '22023', null, 'nor without a reason');

/* ---- opt_in ---- */
select is(may(60, 2), false, 'opt_in: who said nothing is not seen');
select is(seen(2), 2::bigint, 'and nobody is but the two who permitted it by what they said above');
select ok(niji.record_consent(p(30), 'permit', purpose => 'ai_training') > 0 and niji.record_consent(p(31), 'permit', permit => 'R-1') > 0, 'Consents are recorded');
select is(array[may(30, 2), may(31, 2)], array[true, false], 'opt_in: a consent that covers the use is needed');
select ok(niji.record_consent(p(30), 'deny', permit => 'A-2') > 0, 'They withdraw it for one study');
select is(may(30, 2), false, 'and are obeyed');

/* ---- words and contradictions ---- */
select throws_ok($$ select niji.record_consent(p(1), 'maybe') $$, '22023', null, 'A consent permits or denies');
select throws_ok($$ select niji.record_consent(p(1), 'deny', category => 'gossip') $$, '22023', null, 'An unknown category is refused');
select throws_ok($$ select niji.record_consent(p(1), 'deny', purpose => 'marketing') $$, '22023', null, 'An unknown purpose is refused');
select throws_ok($$ select niji.record_consent(p(1), 'deny', recipient_kind => 'neighbour') $$, '22023', null, 'An unknown kind of recipient is refused');
select throws_ok($$ select niji.record_consent(p(1), 'deny', permit => 'X-9''; drop table niji.consent; --') $$, '42704', null, 'An unknown permit is refused');
select throws_ok($$ select niji.record_consent(p(1), 'deny', dataset => 'nowhere') $$, '42704', null, 'An unknown dataset is refused');
select throws_ok($$ select niji.record_consent(p(1), 'deny', holder => 'nobody') $$, '42704', null, 'An unknown holder is refused');
select throws_ok($$ select niji.record_consent(p(1), 'deny', declared_by => 'guardian') $$, '22023', null, 'A guardian''s consent needs an end');
select lives_ok($$ select niji.record_consent(p(40), 'deny', declared_by => 'guardian', effective_until => '2031-04-01 00:00+09') $$, 'and is recorded with one');
select throws_ok($$ select niji.record_consent(p(1), 'deny', declared_by => 'guardian', effective_until => 'infinity') $$, '22023', null, 'for ever is not an end');
select throws_ok($$ select niji.record_consent(p(1), 'deny', effective_from => now(), effective_until => now() - interval '1 day') $$, '22023', null, 'A consent cannot end before it begins');
select throws_ok($$ select niji.record_consent(p(1), 'permit', permit => 'R-1', purpose => 'education') $$, '22023', null, 'A scope that contradicts its permit''s purpose is refused');
select throws_ok($$ select niji.record_consent(p(1), 'permit', permit => 'R-1', recipient_kind => 'company') $$, '22023', null, 'or its permit''s recipient');
select throws_ok($$ select niji.record_consent(p(1), 'permit', dataset => 'one', category => 'genome') $$, '22023', null, 'or its dataset''s category');
select throws_ok($$ select niji.record_consent(p(1), 'permit', dataset => 'one', holder => 'rural') $$, '22023', null, 'or its dataset''s holder');
select throws_ok($$ select niji.record_consent(null, 'deny') $$, '22004', null, 'A consent needs a person');
select ok(niji.record_consent(p(41), 'deny', permit => 'R-1', dataset => 'one', evidence => 'form 41') > 0, 'A consent to a permit and a dataset is recorded');
select is((select row(category, purpose, permit, holder, dataset, recipient_kind)::text from niji.consents where evidence = 'form 41'), '(ehr,research,R-1,city,one,society)', 'and its scope is completed');

/* ---- the tables only grow ---- */
select throws_ok('update niji.consent set decision = ''permit''', '55000', null, 'Consents cannot be changed');
select throws_ok('delete from niji.consent', '55000', null, 'nor deleted');
set client_min_messages = warning;
select throws_ok('truncate niji.consent cascade', '55000', null, 'nor truncated');
set session_replication_role = replica;
select throws_ok('delete from niji.consent', '55000', null, 'nor as a replica');
insert into niji.consent (person, decision, effective_from, declared_by, xid, recorded_at) values (p(42), 'deny', now(), 'self', '3', '2020-01-01 00:00+00');
set session_replication_role = origin;
select is((select xid = pg_snapshot_xmin(pg_current_snapshot()) or xid > '3'::xid8 from niji.consent where person = p(42)), true, 'Whatever a row brings, its transaction is the one that wrote it');
select is((select recorded_at from niji.consent where person = p(42)), '2020-01-01 00:00+00'::timestamptz, 'while a restore keeps when it was recorded');

/* ---- null and strange persons ---- */
select is(niji.permitted(null, 1, 1), null, 'A null person is not permitted');
select is(niji.permitted(null, 1, 2, 1), null, 'whatever the holder');
select is(array[may(2147483647), may(99999)], array[true, true], 'Persons nobody has heard of are judged as those who said nothing');

/* ---- rows that name their holder ---- */
select is(array[may_of(13, 1), may_of(13, 2), may_of(13, 3)], array[true, false, true], 'Where rows name their hospital an objection to one hospital hides its rows only');
select is(may_of(13, null), false, 'A row without a holder is then hidden');
select is(may_of(50, null), true, 'but not where the answer is the same for all');
select ok(niji.record_consent(p(1), 'deny', holder => 'port') > 0, 'Someone who permitted a study denies one hospital');
select is(array[may_of(1, 1), may_of(1, 3)], array[true, false], 'and is obeyed for its rows');
select is(may(13, 1, 2), false, 'Asked without a holder, the answer is no');

/* ---- explanations ---- */
select is((select row(permitted, reason, lifted_by is not null)::text from niji.explain_consent(p(4), 'R-1', 'one')), '(t,"denial lifted",t)', 'An explanation names what lifted a denial');
select is((select row(permitted, reason, basis, consent)::text from niji.explain_consent(p(2), 'R-1', 'one')), (select '(f,denied,opt_out,' || id || ')' from niji.consent where person = p(2)), 'and which consent decided');
select is((select string_agg(coalesce(holder, 'others') || ' ' || permitted, ', ' order by holder nulls first) from niji.explain_consent(p(13), 'R-1', 'two')), 'others true, rural false', 'and says where the holder matters');
select is((select changes_at from niji.explain_consent(p(20), 'R-1', 'one')), (select effective_from from niji.consent where person = p(20)), 'and when the answer will change by itself');

select * from finish();
