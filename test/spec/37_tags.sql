-- Tags that hide a row from every reader (未告知, 未提供): in which forms they hide, from when on, and that nothing of such a row is noticed.
\i test/story.sql
\set ON_ERROR_STOP 1
set client_min_messages = warning;
select plan(38);
grant usage on schema warehouse to public;
create function p(n int) returns niji.person language sql stable as $$ select niji.find_person('patient', '0110113719:' || to_char(n, 'FM0000')) $$;
create table warehouse.note (n int primary key, person niji.person, tag text, tags text[], short varchar(20), fixed char(20), amount int, mark jsonb);
insert into warehouse.note (n, person, amount) select n, p(n), n from generate_series(1, 20) n;
create table warehouse.noted as select * from warehouse.note;
create table warehouse.shorts as select * from warehouse.note;
create domain warehouse.tag as text;
create table warehouse.other (person niji.person, tag warehouse.tag, several varchar[], number int);
create index on warehouse.note (amount);
set session authorization governance_abe;
select niji.set_rule('registry', 'research', 'opt_out') > 0 as ok \g /dev/null
prepare register (text, text, name) as select niji.register_dataset($1, $2::regclass, '{person}', 'city-hospital', 'registry', 'law', tag_column => $3);
select lives_ok($$ execute register('note', 'warehouse.note', 'tag') $$, 'A tag column is text');
select lives_ok($$ execute register('noted', 'warehouse.noted', 'tags') $$, 'or an array of it');
select lives_ok($$ execute register('shorts', 'warehouse.shorts', 'short') $$, 'or varchar');
select throws_ok($$ execute register('other', 'warehouse.other', 'tag') $$, '42804', null, 'A domain is refused');
select throws_ok($$ execute register('other', 'warehouse.other', 'several') $$, '42804', null, 'as is an array of another type');
select throws_ok($$ execute register('other', 'warehouse.other', 'number') $$, '42804', null, 'and a number');
do $$
begin
  perform niji.apply_permit('T-1', 'Tags', 'tohoku-lab', 'research', current_date, current_date + 300);
  perform niji.request_data('T-1', d, '{n,amount}') from unnest(array['note', 'noted', 'shorts']) d;
end $$;
set session authorization reviewer_baba;
select niji.review_permit('T-1', 'approve', '') is null as ok \g /dev/null
set session authorization reviewer_chiba;
select niji.review_permit('T-1', 'approve', '') is null as ok \g /dev/null
set session authorization governance_abe;
select niji.grant_permit('T-1') is null as ok, niji.add_reader('T-1', 'stranger') is null as ok \g /dev/null
reset session authorization;
create function hidden(dataset text) returns int[] language plpgsql as $$
declare r int[];
begin
  execute format('select coalesce(array_agg(g order by g), ''{}'') from generate_series(1, 20) g where g not in (select n from t_1.%I)', dataset) into r;
  return r;
end $$;

/* ---- forms ---- */
set session authorization stranger;
select is(hidden('note'), '{}', 'Rows without a tag are shown');
reset session authorization;
update warehouse.note set tag = t from (values (1, 'UNINFORMED'), (2, 'UNDELIVERED'), (3, 'uninformed'), (4, ' Undelivered '), (5, 'http://jpfhir.jp/fhir/clins/CodeSystem/JP_ehrshrs_indication|UNINFORMED'),
  (6, E'UNINFORMED\n'), (7, 'LTS'), (8, ''), (9, 'UNINFORME'), (10, 'UNINFORMED|'), (11, '|'), (12, 'NOT UNINFORMED')) v (k, t) where n = k;
update warehouse.noted set tags = t from (values (1, array['UNINFORMED']), (2, array['LTS', 'undelivered']), (3, array[null, 'UNINFORMED']), (4, array[array['LTS', 'x'], array['y', 'UNINFORMED']]),
  (5, '{}'::text[]), (6, array[null]::text[]), (7, array['LTS']), (8, '[0:1]={LTS,x|UNDELIVERED}'::text[])) v (k, t) where n = k;
update warehouse.shorts set short = t from (values (1, 'UNINFORMED'), (2, 'UNDELIVERED   '), (3, 'LTS')) v (k, t) where n = k;
set session authorization stranger;
select is(hidden('note'), '{1,2,3,4,5,6}', 'A tag hides its row in whatever case, with spaces around it and a code system before it, and no other word does');
select is(hidden('noted'), '{1,2,3,4,8}', 'One of several tags is enough');
select is(hidden('shorts'), '{1,2}', 'In varchar it is the same');
select is((select count(*) from t_1.note where n = 1) + (select count(*) from t_1.note where amount = 1), 0::bigint, 'Nothing finds a hidden row');
select is(niji.untagged(null::text) and niji.untagged(null::text[]) and niji.untagged('LTS') and not niji.untagged('UNINFORMED'), true, 'The test tells nobody anything but what they give it');

/* ---- tags that are added ---- */
reset session authorization;
select is((select count(*) from niji.hidden_tag), 2::bigint, 'Two tags are there from the start');
set session authorization governance_abe;
select throws_ok($$ insert into niji.hidden_tag values ('LTS', 'x', 'y') $$, '42501', null, 'Adding one is not governance''s alone');
reset session authorization;
insert into niji.hidden_tag values ('LTS', '長期保存', 'http://jpfhir.jp/fhir/clins/CodeSystem/JP_ehrshrs_indication');
set session authorization stranger;
select is(hidden('note'), '{1,2,3,4,5,6,7}', 'A tag that is added hides its rows from the next statement on');
select is(hidden('noted'), '{1,2,3,4,7,8}', 'in every dataset, without anything being made anew');
reset session authorization;
begin;
delete from niji.hidden_tag where tag = 'LTS';
set local session authorization stranger;
select is(hidden('note'), '{1,2,3,4,5,6}', 'In the transaction that takes it away it is away');
rollback;
set session authorization stranger;
select is(hidden('note'), '{1,2,3,4,5,6,7}', 'and after its rollback there again');
reset session authorization;
begin;
savepoint s;
delete from niji.hidden_tag;
rollback to s;
set local session authorization stranger;
select is(hidden('note'), '{1,2,3,4,5,6,7}', 'also after that of a sub-transaction');
commit;
delete from niji.hidden_tag where tag = 'LTS';
set session authorization stranger;
select is(hidden('note'), '{1,2,3,4,5,6}', 'What is taken away hides no more');
prepare again as select count(*) from t_1.note;
select results_eq('execute again', 'select 14::bigint', 'A prepared statement');
reset session authorization;
insert into niji.hidden_tag values ('Not  Uninformed', 'x', 'y'), ('NOT UNINFORMED', 'x', 'y');
set session authorization stranger;
select results_eq('execute again', 'select 13::bigint', 'follows, too');
reset session authorization;
delete from niji.hidden_tag where tag ilike 'not%';

/* ---- what a reader tries ---- */
reset session authorization;
create schema bridge;
grant create, usage on schema bridge to stranger;
set session authorization stranger;
create function bridge.saw(x int) returns boolean language plpgsql immutable cost 0.0000001 as $$ begin if x <= 6 then raise exception 'saw %', x; end if; return true; end $$;
create function bridge.saw_row(x t_1.note) returns boolean language plpgsql immutable cost 0.0000001 as $$ begin perform bridge.saw((x).amount); return true; end $$;
create operator bridge.<<< (rightarg = int, function = bridge.saw);
select lives_ok($$ select * from t_1.note where bridge.saw(amount) $$, 'A function of the reader''s own that costs nothing is not called with a hidden row');
select lives_ok($$ select * from t_1.note x where bridge.saw_row(x) $$, 'nor with the whole of it');
select lives_ok($$ select * from t_1.note where operator(bridge.<<<) amount $$, 'nor as an operator');
select lives_ok($$ select * from t_1.note where case when bridge.saw(amount) then true end $$, 'nor in a CASE');
select lives_ok($$ select * from t_1.note where amount = any (array[1, 2]) and bridge.saw(amount) $$, 'nor through an index');
select lives_ok($$ select * from t_1.note a join t_1.noted b on b.amount = a.amount and bridge.saw(a.amount) where a.amount not in (7, 8) $$, 'nor in a join');
select lives_ok($$ select 1 / (amount - 1) from t_1.note $$, 'No error shows a hidden row');
select lives_ok($$ select amount, count(*) from t_1.note group by 1 having bridge.saw(amount) $$, 'nor does a group');
select lives_ok($$ select bridge.saw(max(-amount) * -1) from t_1.note where amount < 7 and n < 0 $$, 'nor an aggregate');
create function bridge.plan(q text) returns text language plpgsql as $$
declare line text; result text := ''; begin for line in execute 'explain ' || q loop result := result || line || ' '; end loop; return result; end $$;
select ok(bridge.plan('select * from t_1.note where amount < 3') like '%untagged(%', 'A plan shows that there is a test and');
select ok(bridge.plan('select * from t_1.note where amount < 3') !~ 'UNINFORMED|rows=', 'neither tags nor how many');
reset session authorization;
select niji.move_trail() \g /dev/null
select is((select max(persons_scanned) from niji.trail_reads where permit = 'T-1' and datasets = '{note}'), 20::bigint, 'Before any tag twenty people were scanned');
select is((select persons_scanned from niji.trail_reads where permit = 'T-1' and datasets = '{note}' order by seq desc limit 1), 14::bigint, 'Whose only row is hidden is not');

/* ---- after a repair ---- */
select is(niji.recompile_permits(), 2, 'recompile_permits() makes the policies again');
set session authorization stranger;
select is(hidden('note'), '{1,2,3,4,5,6}', 'and they hide the same');
select throws_ok($$ select tag from t_1.note $$, '42703', null, 'A tag that was not requested is not shown');

select * from finish();
