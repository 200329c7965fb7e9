-- Merging and splitting persons, as sentences.
\i test/story.sql
select plan(67);

create function p(n text) returns niji.person language sql stable as $$ select niji.find_person('patient', '0110113719:' || n) $$;
alter table warehouse.lab add column id bigint generated always as identity;
create table known (what text primary key, person niji.person, n bigint);
grant all on known to custodian_goto, consent_ito, auditor_endo;
insert into known select 'one', p('0001');
insert into known select 'two', p('0002');
insert into known select 'three', p('0003');
insert into known select 'four', p('0004');
insert into known select 'five', p('0005');
create function k(w text) returns niji.person language sql stable as 'select person from public.known where what = w';
create function seen() returns bigint language sql as $$ select count(*) from p2026_017.lab $$;

-- ---- before ----
set session authorization analyst_fujita;
select is((select count(*) from p2026_017.lab), 40::bigint, 'An analyst sees forty people''s values');
select is((select count(distinct pid) from p2026_017.diagnosis), 30::bigint, 'and thirty with a diagnosis');

-- ---- who may ----
set session authorization loader_kato;
select throws_ok($$select niji.merge_persons('1', '2', 'x')$$, '42501', null, 'A loader may not merge persons');
set session authorization governance_abe;
select throws_ok($$select niji.merge_persons(null, null, 'x')$$, '42501', null, 'nor may governance');
set session authorization consent_ito;
select lives_ok($$select niji.record_consent(k('two'), 'deny', category => 'ehr')$$, 'The second of two objects');
select lives_ok($$select niji.record_consent(k('one'), 'permit', category => 'ehr')$$, 'and the first permits, later');
set session authorization custodian_goto;
select throws_ok($$select niji.merge_persons(k('one'), k('one'), 'x')$$, '22023', null, 'A person is not merged with themselves');
select throws_ok($$select niji.merge_persons(k('one'), k('two'), ' ')$$, '22023', null, 'A merge has a reason');
select throws_ok($$select niji.merge_persons(k('one'), '2000000000', 'x')$$, '42704', 'there is no such person', 'and two persons who exist');
select throws_ok($$select niji.merge_persons(k('one'), k('two'), 'x')$$, '55000', 'rows of dataset "lab" cannot be moved', 'Rows without a primary key are not moved, since they could not be moved back');
reset session authorization;
select is((select person from niji.identifier where person = k('two')) , k('two'), 'and then nothing was merged');
alter table warehouse.lab add primary key (id);
alter table warehouse.diagnosis add primary key (person, disease);
-- a dataset without a primary key that has no rows of the two is in nobody's way, there and back
create table warehouse.keyless (person niji.person);
do $$ begin perform niji.register_dataset('keyless', 'warehouse.keyless', array['person'], 'city-hospital', 'ehr', 'law'); end $$;

-- ---- a merge ----
set session authorization analyst_fujita;
select is((select count(*) from p2026_017.lab), 39::bigint, 'Before the merge the one who objected is hidden');
set session authorization custodian_goto;
select lives_ok($$insert into known select 'merge', null, niji.merge_persons(k('one'), k('two'), 'same person by letter of 2026-01-01')$$, 'A custodian merges the two');
select is(p('0002'), k('one'), 'The identifier of the one who is gone finds the other');
select is(p('0001'), k('one'), 'as does their own');
select is((select state || ' ' || rows_moved from niji.person_merges), 'moving 2', 'Their rows have moved');
call niji.move_rows();
select is((select state || ' ' || rows_moved || ' ' || stuck from niji.person_merges), 'done 2 0', 'When no older transaction runs, the merge is done');
select throws_ok($$select niji.merge_persons(k('two'), k('one'), 'x')$$, '22023', 'the two are one person already', 'They cannot be merged again');
reset session authorization;
select is((select count(*) from warehouse.lab where person = k('two')), 0::bigint, 'No row is left of the one who is gone');
select is((select count(*) from warehouse.lab where person = k('one')), 2::bigint, 'The other has both');
set session authorization analyst_fujita;
select is((select count(*) from p2026_017.lab), 38::bigint, 'A denial of either hides the rows of both, though the other had permitted later');
select is((select count(distinct pid) from p2026_017.diagnosis), 29::bigint, 'Where consent plays no part, the two are one pseudonym');
set session authorization consent_ito;
select lives_ok($$insert into known select 'consent', null, niji.record_consent(k('two'), 'permit', category => 'ehr')$$, 'Who knows the number that is gone may still use it');
reset session authorization;
select is((select person from niji.consent where id = (select n from known where what = 'consent')), k('one'), 'it stands for the other');
set session authorization analyst_fujita;
select is((select count(*) from p2026_017.lab), 40::bigint, 'A permission after the merge lifts the denial');
set session authorization consent_ito;
select lives_ok($$select niji.void_consent((select n from known where what = 'consent'), 'typed wrongly')$$, 'A consent is voided');
reset session authorization;
select is((select count(*) from niji.consent_void), 2::bigint, 'with its copy for the other number');
set session authorization analyst_fujita;
select is((select count(*) from p2026_017.lab), 38::bigint, 'and the denial holds again');

-- ---- whose reads ----
reset session authorization;
select is((select count(*) from niji.person_spans(k('one'))), 2::bigint, 'Reads of the one who is gone are reads of the other');
select is((select count(*) from niji.person_spans(k('two'))), 1::bigint, 'not the other way round');

-- ---- undone ----
set session authorization custodian_goto;
select throws_ok($$select niji.undo_merge(1000, 'x')$$, '42704', null, 'What was not merged cannot be undone');
select throws_ok($$select niji.undo_merge((select n from known where what = 'merge'), null)$$, '22023', null, 'Undoing has a reason');
select lives_ok($$insert into known select 'second merge', null, niji.merge_persons(k('three'), k('one'), 'and another')$$, 'The two are merged into a third');
select throws_ok($$select niji.undo_merge((select n from known where what = 'merge'), 'x')$$, '55000', null, 'The earlier merge cannot be undone before the later one');
select is(p('0002'), k('three'), 'A chain of merges is followed to its end');
select lives_ok($$select niji.undo_merge((select n from known where what = 'second merge'), 'a mistake')$$, 'The later one is undone');
select is(p('0002'), k('one'), 'and identifiers are as they were before it');
select is(p('0003'), k('three'), 'the third''s own stays');
select lives_ok($$select niji.undo_merge((select n from known where what = 'merge'), 'they were sisters')$$, 'Then the earlier one');
select is(p('0002'), k('two'), 'Its identifier finds them again');
select is((select string_agg(state || ' ' || rows_moved, ', ' order by id) from niji.person_merges), 'undone 0, undone 0', 'and every row went back');
reset session authorization;
select is((select count(*) from warehouse.lab l join known w using (person) where w.what in ('one', 'two', 'three')), 3::bigint, 'Each has one value');
select is((select count(*) from warehouse.diagnosis l join known w using (person) where w.what in ('one', 'two', 'three')), 3::bigint, 'and one diagnosis');
select is((select count(distinct person) from warehouse.lab), 40::bigint, 'Nobody''s rows are another''s');
set session authorization analyst_fujita;
select is((select count(*) from p2026_017.lab), 39::bigint, 'and only the one who objected is hidden, as before');
reset session authorization;
select is((select array_agg(number order by from_at) from niji.person_spans(k('two'))), array[k('two'), k('one')], 'What was read while they were taken for one concerns both');

-- ---- rows that do not fit ----
insert into warehouse.diagnosis values (k('four'), 'I10', '2020-01-01');
set session authorization custodian_goto;
select lives_ok($$select niji.merge_persons(k('four'), k('five'), 'same')$$, 'A row that the other has already does not stop a merge');
call niji.move_rows();
select is((select state || ' ' || rows_moved || ' ' || stuck from niji.person_merges order by id desc limit 1), 'done 1 1', 'It stays behind, and is counted');
set session authorization consent_ito;
select lives_ok($$select niji.record_consent(k('four'), 'deny')$$, 'An objection after the merge');
reset session authorization;
select is((select count(*) from niji.consent where person = k('five') and decision = 'deny'), 1::bigint, 'hides also what stayed behind');

-- ---- a split ----
select niji.enrol('insured', '06139992:7:7:01') is not null as enrolled \g /dev/null
set session authorization custodian_goto;
select niji.link_identifier(p('0010'), 'patient', '0110113719:9010', 'form') is null as linked \g /dev/null
insert into known select 'ten', p('0010');
select throws_ok($$select niji.split_person(k('ten'), array[['patient', '0110113719:0011']], 'x')$$, '42704', 'identifier 1 is not one of this person''s', 'Only a person''s own identifiers are split off');
select throws_ok($$select niji.split_person(k('ten'), array[['patient', '0110113719:0010'], ['patient', '0110113719:9010']], 'x')$$, '22023', null, 'and not all of them');
insert into known select 'split', niji.split_person(k('ten'), array[['patient', '0110113719:9010']], 'two people used one number');
select is(p('9010'), k('split'), 'The new person has the identifier');
select is(p('0010'), k('ten'), 'the old one keeps the others');
reset session authorization;
insert into known select 'row', null, id from warehouse.lab where person = k('ten');
set session authorization custodian_goto;
select throws_ok($$select niji.assign_rows(k('ten'), k('four'), 'lab', '[1]', 'x')$$, '22023', 'rows are assigned only between persons who were one', 'Rows are not given to just anybody');
select is(niji.assign_rows(k('ten'), k('split'), 'lab', jsonb_build_array((select n from known where what = 'row')), 'by the letter'), 1::bigint, 'Rows are assigned by their keys');
reset session authorization;
select is((select person from warehouse.lab where id = (select n from known where what = 'row')), k('split'), 'and belong to the new person');
select is((select array_agg(number order by number = k('split') desc) from niji.person_spans(k('split'))), array[k('split'), k('ten')], 'Reads before the split concern both');

-- ---- partitions, two persons in a row ----
create table warehouse.birth (id int, mother niji.person not null, child niji.person, primary key (id, mother)) partition by hash (mother);
create table warehouse.birth_0 partition of warehouse.birth for values with (modulus 2, remainder 0);
create table warehouse.birth_1 partition of warehouse.birth for values with (modulus 2, remainder 1);
select niji.register_dataset('birth', 'warehouse.birth', array['mother', 'child']::name[], 'city-hospital', 'ehr', 'law') > 0 as registered \g /dev/null
insert into warehouse.birth select n, p(to_char(20 + n % 2, 'FM0000')), p(to_char(21 - n % 2, 'FM0000')) from generate_series(1, 300) n;
create table before as select * from warehouse.birth;
insert into known select 'twenty', p('0020');
insert into known select 'twenty-one', p('0021');
set session authorization custodian_goto;
insert into known select 'birth merge', null, niji.merge_persons(p('0020'), p('0021'), 'one');
call niji.move_rows(7);
select is((select state || ' ' || rows_moved || ' ' || stuck from niji.person_merges order by id desc limit 1), 'done 302 0', 'Rows move from partition to partition, in each of their person columns');
reset session authorization;
select is((select count(*) from warehouse.birth where mother = k('twenty') and child = k('twenty')), 300::bigint, 'and all are of the one');
set session authorization custodian_goto;
select niji.undo_merge((select n from known where what = 'birth merge'), 'two') is null as undone \g /dev/null
call niji.move_rows(7);
select is((select state || ' ' || rows_moved from niji.person_merges order by id desc limit 1), 'undone 0', 'They go back');
reset session authorization;
select is((select count(*) from (select * from before except select * from warehouse.birth) x), 0::bigint, 'each to whom it was');
insert into known select 'again', null, niji.merge_persons(p('0020'), p('0021'), 'one');
insert into warehouse.diagnosis select k('twenty-one'), disease, since from warehouse.diagnosis where person = k('twenty') limit 1;
select lives_ok($$select niji.move_portion((select n from known where what = 'again'), 10)$$, 'A row of the one who is gone that comes late is looked for');

-- ---- the trail ----
reset session authorization;
select niji.move_trail() \g /dev/null
select is((select string_agg(action || ' ' || n, ', ' order by action) from (select action, count(*) as n from niji.trail_acts where action in ('merge_persons', 'undo_merge', 'split_person', 'assign_rows', 'link_identifier') group by action) x),
  'assign_rows 1, link_identifier 1, merge_persons 5, split_person 1, undo_merge 3', 'Each act is in the trail');
select is((select count(*) > 4 from niji.trail_changes where command = 'UPDATE' and relation = 'warehouse.lab'), true, 'and each change of rows');

-- ---- what is said between a merge and its undoing ----
reset session authorization;
insert into known select 'thirty', p('0030');
insert into known select 'thirty-one', p('0031');
set session authorization consent_ito;
select niji.record_consent(k('thirty'), 'deny') > 0 as denied \g /dev/null
set session authorization custodian_goto;
insert into known select 'third merge', null, niji.merge_persons(k('thirty'), k('thirty-one'), 'one');
set session authorization consent_ito;
select niji.record_consent(k('thirty-one'), 'permit') > 0 as permitted \g /dev/null
set session authorization custodian_goto;
select niji.undo_merge((select n from known where what = 'third merge'), 'two') is null as undone \g /dev/null
reset session authorization;
select is(niji.permitted(k('thirty'), 1, 1), false, 'A permission of the one, given while they were taken for one, does not lift the other''s denial');
select is(niji.permitted(k('thirty-one'), 1, 1), true, 'and who never objected is visible under opt_out');

select * from finish();
