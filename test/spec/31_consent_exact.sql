-- Consents are obeyed exactly as the statement's own snapshot and clock see them.
\set ON_ERROR_STOP 1
set client_min_messages = warning;
select plan(61);

insert into niji.holder (code, name, kind) values ('city', '市立病院', 'medical_institution'), ('rural', '診療所', 'medical_institution');
insert into niji.applicant (code, name, kind) values ('lab', '疫学研究室', 'society');
create schema warehouse;
create table warehouse.one (person niji.person not null);
create table warehouse.two (person niji.person not null, holder int);
insert into niji.dataset (name, relation, person_columns, holder, holder_column, category, legal_basis, changes) values
  ('one', 'warehouse.one', '{person}', 1, null, 'ehr', '次世代医療基盤法', 'auto'),
  ('two', 'warehouse.two', '{person}', null, 'holder', 'genome', '個人情報保護法', 'auto');
insert into niji.permit (code, title, applicant, purpose, state, domain, valid_from, valid_until, schema_name) values
  ('R-1', 'Diabetes', 1, 'research', 'granted', 1, '2020-01-01', '2099-12-31', 'r_1');
insert into niji.permit_data (permit, dataset, columns) values (1, 1, '{person}'), (1, 2, '{person}');

create table people (person niji.person primary key);
insert into people select n::text::niji.person from generate_series(1, 1000) n;
analyze people;
create function p(n int) returns niji.person language sql immutable as $$ select n::text::niji.person $$;
create function may(n int) returns boolean language sql as $$ select niji.permitted(n::text::niji.person, 1, 1) $$;
create function seen() returns bigint language sql as $$ select count(*) from people where niji.permitted(person, 1, 1) $$;
create function object(n int) returns boolean language sql as $$ select niji.record_consent(n::text::niji.person, 'deny') > 0 $$;
create function anew() returns bigint language plpgsql volatile as $$ begin return (select count(*) from people where niji.permitted(person, 1, 1)); end $$;
create function same() returns bigint language plpgsql stable as $$ begin return (select count(*) from people where niji.permitted(person, 1, 1)); end $$;
create function object_and_count(n int) returns bigint language plpgsql volatile as $$
begin perform niji.record_consent(n::text::niji.person, 'deny'); return (select count(*) from people where niji.permitted(person, 1, 1)); end $$;
select niji.set_rule('ehr', 'research', 'opt_out') > 0 as done \g /dev/null

/* ---- transactions ---- */
select is(seen(), 1000::bigint, 'Everybody is seen');
begin;
select ok(object(1), 'In a transaction someone objects');
select is(seen(), 999::bigint, 'and its next statement obeys');
savepoint a;
select ok(object(2) and object(3), 'After a savepoint two more do');
select is(seen(), 997::bigint, 'and are obeyed');
rollback to a;
select is(seen(), 999::bigint, 'ROLLBACK TO takes their objections back');
savepoint b;
select ok(object(4), 'Another, after another savepoint');
select is(seen(), 998::bigint, 'is obeyed');
release b;
select is(seen(), 998::bigint, 'and stays obeyed when the savepoint is released');
rollback;
select is(seen(), 1000::bigint, 'ROLLBACK takes all of it back');
begin isolation level repeatable read;
select is(seen(), 1000::bigint, 'In REPEATABLE READ everybody is seen');
savepoint a;
select ok(object(5), 'someone objects in this very transaction');
select is(seen(), 999::bigint, 'and is obeyed');
rollback to a;
select is(seen(), 1000::bigint, 'and ROLLBACK TO takes it back under the same snapshot');
select ok(object(6), 'Someone else objects');
select is(seen(), 999::bigint, 'and is obeyed');
commit;
select is(seen(), 999::bigint, 'After COMMIT the objection stays');
do $$ begin begin perform niji.record_consent(p(7), 'deny'); perform may(7); raise 'stop'; exception when raise_exception then null; end; if not may(7) then raise 'an objection that was rolled back is obeyed'; end if; end $$;
select is(may(7), true, 'What an exception rolls back inside PL/pgSQL is not obeyed');

/* ---- snapshots of one statement ---- */
select is((select row(same(), object_and_count(10), same(), anew())::text), '(999,998,999,998)', 'In one statement a STABLE function keeps the statement''s snapshot, a VOLATILE one has its own');
select is((select count(*) from people where niji.permitted(person, 1, 1) and (person <> p(500) or object_and_count(11) > 0)), 998::bigint, 'An objection that is recorded while a statement runs does not change what that statement sees');
select is(seen(), 997::bigint, 'but the next one');
create function loop_over() returns text language plpgsql as $$
declare answers text := '';
begin
  for i in 1..3 loop
    answers := answers || niji.permitted(p(12), 1, 1);
    if i = 1 then perform niji.record_consent(p(12), 'deny'); end if;
    if i = 2 then perform niji.record_consent(p(12), 'permit'); end if;
  end loop;
  return answers;
end $$;
select is(loop_over(), 'truefalsetrue', 'Called again and again in PL/pgSQL, the filter follows each change');

/* ---- cursors ---- */
begin;
declare plain cursor for select person from people where niji.permitted(person, 1, 1) order by person;
declare held cursor with hold for select person from people where niji.permitted(person, 1, 1) order by person;
select ok(object(20) and object(21), 'After a cursor was opened two people object');
move forward all in plain;
select is(seen(), 995::bigint, 'They are hidden from the next statement');
move absolute 0 in plain;
create temp table fetched (n int);
do $$ declare c refcursor := 'plain'; x record; n int := 0; begin loop fetch c into x; exit when not found; n := n + 1; end loop; insert into fetched values (n); end $$;
select is((select n from fetched), 997, 'but not from the cursor, which shows what it was opened on');
commit;
create function rest_of(c refcursor) returns int language plpgsql as $$
declare x record; n int := 0; begin loop fetch c into x; exit when not found; n := n + 1; end loop; return n; end $$;
select is(rest_of('held'), 997, 'A cursor WITH HOLD keeps what it read when its transaction ended');
close held;
begin;
declare slow cursor for select person from people where niji.permitted(person, 1, 1);
fetch 1 from slow \g /dev/null
select ok(niji.record_consent(p(990), 'deny', effective_from => clock_timestamp() + interval '300 milliseconds') > 0, 'An objection is recorded for the next moment');
select pg_sleep(0.5) \g /dev/null
select is(may(990), false, 'when it has come, new statements obey');
select is((select count(*) from people where niji.permitted(person, 1, 1)), 994::bigint, 'and count without it');
commit;

select ok(niji.record_consent(p(991), 'deny', effective_from => clock_timestamp() + interval '500 milliseconds', effective_until => clock_timestamp() + interval '900 milliseconds') > 0, 'An objection is recorded for a short while that is to come');
begin isolation level repeatable read;
select may(991) as earlier \gset
select pg_sleep(0.6) \g /dev/null
select may(991) as meanwhile \gset
select pg_sleep(0.5) \g /dev/null
select may(991) as later \gset
commit;
select is(array[:'earlier', :'meanwhile', :'later']::boolean[], array[true, false, true], 'In REPEATABLE READ it holds for just that while: a snapshot stands still, the clock does not');

/* ---- plans ---- */
select is((select count(*) from people where niji.permitted(person, 1, 1) and person = p(20)), 0::bigint, 'An index does not get round the filter');
set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; set max_parallel_workers_per_gather = 2;
create function plan_of(query text) returns setof text language plpgsql as $$ begin return query execute 'explain (costs off) ' || query; end $$;
select ok((select bool_or(x ~ 'Parallel Seq Scan') from plan_of('select count(*) from people where niji.permitted(person, 1, 1)') x), 'The filter may run in a parallel plan');
select is((select count(*) from people where niji.permitted(person, 1, 1)), 994::bigint, 'where it counts the same');
begin;
select ok(object(30), 'Someone objects in a transaction');
select is((select count(*) from people where niji.permitted(person, 1, 1)), 993::bigint, 'and parallel workers obey before it commits');
rollback;
reset parallel_setup_cost; reset parallel_tuple_cost; reset min_parallel_table_scan_size; reset max_parallel_workers_per_gather;
prepare counting as select count(*) from people where niji.permitted(person, 1, 1);
set plan_cache_mode = force_generic_plan;
create temp table before as execute counting;
select ok(object(31), 'Between two executions of a prepared statement someone objects');
create temp table after as execute counting;
select results_eq('select count from before union all select count from after', array[994::bigint, 993], 'and the second obeys');
reset plan_cache_mode;

/* ---- rules change at once ---- */
select ok(niji.set_rule('ehr', 'research', 'not_required', legal_basis => '法律第一条') > 0, 'A law says that no consent is required');
select is(seen(), 1000::bigint, 'not_required: consents play no part');
select is((select row(permitted, reason, legal_basis, consent)::text from niji.explain_consent(p(1), 'R-1', 'one')), '(t,"consent is not required",法律第一条,)', 'and the explanation says so, with the law');
begin;
select ok(niji.set_rule('ehr', 'research', 'opt_in') > 0, 'In a transaction the rule becomes opt_in');
select is(seen(), 1::bigint, 'and holds for its next statement');
rollback;
select is(seen(), 1000::bigint, 'and not after ROLLBACK');
select is((select count(*) from niji.rules where category = 'ehr' and replaced_at is not null), 1::bigint, 'Rules keep their history');

/* ---- judged at the grant ---- */
select ok(niji.set_rule('ehr', 'research', 'opt_out', 'at_grant') > 0, 'Judged at the grant');
select is(seen(), 0::bigint, 'nobody is seen under a permit that was not granted');
begin; lock niji.consent in share mode; update niji.permit set granted_at = clock_timestamp() where id = 1; commit;
select is(seen(), 993::bigint, 'Granted, it sees who had not objected by then');
select ok(object(40), 'Someone objects after the grant');
select is(may(40), true, 'at_grant: what is recorded later does not count, even for the past');
select lives_ok($$ select niji.void_consent((select max(id) from niji.consent where person = p(31)), 'wrong person') $$, 'An objection from before is voided');
select is(may(31), true, 'at_grant: voiding counts later');

/* ---- notices ---- */
select niji.set_rule('ehr', 'research', 'opt_out_after_notice') > 0 as done \g /dev/null
select is((select array_agg(niji.permitted(p(n), 1, 1)) from generate_series(100, 100) n), array[false], 'opt_out_after_notice: who was not notified is not seen');
select niji.record_notice(p(100), 'ehr', now() - interval '2 months'), niji.record_notice(p(101), 'ehr', now() - interval '2 days'),
       niji.record_notice(p(102), 'genome', now() - interval '2 months'), niji.record_notice(p(103), 'ehr', now() - interval '2 months', 'rural'),
       niji.record_notice(p(104), 'ehr', now() - interval '2 months', 'CITY'), niji.record_notice(p(105), 'ehr', now() - interval '2 months'),
       niji.record_notice(p(101), 'ehr', now() - interval '1 day') \g /dev/null
select is(object(105), true, 'One of the notified objects');
select is((select string_agg(case when niji.permitted(p(n), 1, 1) then 'y' else 'n' end, '' order by n) from generate_series(100, 105) n), 'ynnnyn', 'The earliest notice of the category, of the holder or of any, has to be a month old, and no objection after it');
select is((select string_agg(reason, ', ' order by n) from generate_series(99, 101) n, niji.explain_consent(p(n), 'R-1', 'one')), 'not notified, not denied, waiting time not over', 'and the explanation tells waiting from not notified');
select throws_ok($$ select niji.record_notice(p(1), 'ehr', now() + interval '1 day') $$, '22023', null, 'A notice cannot be recorded before it was given');
select throws_ok($$ select niji.record_notice(p(1), 'gossip', now()) $$, '22023', null, 'nor for an unknown category');
select is((select changes_at from niji.explain_consent(p(101), 'R-1', 'one')),
          (select (min(notified_at) at time zone 'Asia/Tokyo' + interval '1 month') at time zone 'Asia/Tokyo' from niji.notice where person = p(101)),
          'The month is counted by the calendar of niji.timezone, whatever the session''s');
set timezone = 'Pacific/Kiritimati';
select is((select changes_at from niji.explain_consent(p(101), 'R-1', 'one')),
          (select (min(notified_at) at time zone 'Asia/Tokyo' + interval '1 month') at time zone 'Asia/Tokyo' from niji.notice where person = p(101)),
          'even on the other side of the date line');
reset timezone;
begin;
insert into niji.notice (person, category, notified_at) values (p(110), 'ehr', '2024-01-31 00:30+09'), (p(111), 'ehr', clock_timestamp() - interval '1 month' + interval '1 day');
select may(110) as february, may(111) as tomorrow \gset
rollback;
select is(array[:'february', :'tomorrow']::boolean[], array[true, false], 'A month after 31 January is the last day of February; a notice a day short of a month is not enough');

select * from finish();
