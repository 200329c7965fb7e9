-- What reads cost, by permit and month, and what a permit may use.
\i test/story.sql
\set ON_ERROR_STOP 1
create role governance_hara login;
select niji.grant_duty('governance', 'governance_hara') is null as granted \g /dev/null
select plan(29);

create function public.used(what text) returns numeric language plpgsql as $$
declare result numeric;
begin
  perform niji.move_trail();
  execute format('select coalesce(sum(%I), 0) from niji.usage where permit = ''P2026-017''', what) into result;
  return result;
end $$;

set session authorization analyst_fujita;
select pid, value from p2026_017.lab order by value, pid limit 3 \g /dev/null
select count(*) from p2026_017.lab \g /dev/null
select * from p2026_017.lab where false \g /dev/null
begin;
declare c cursor for select pid from p2026_017.lab;
fetch 4 from c \g /dev/null
fetch 3 from c \g /dev/null
commit;
do $$ declare n int; begin select count(*) into n from p2026_017.lab; end $$;
reset session authorization;

select is(public.used('statements'), 5::numeric, 'Every statement counts, also one that scans nobody');
select is(public.used('rows'), 12::numeric, 'Rows are those that were given');
select is(public.used('persons_scanned'), (40 + 40 + 7 + 40)::numeric, 'Persons are added up read by read');
select is(public.used('persons_shown'), (3 + 7)::numeric, 'those shown, too');
select is((select month from niji.usage), date_trunc('month', now() at time zone 'Asia/Tokyo')::date, 'by permit and month');
select ok((select buffers > 0 and cpu_seconds >= 0 and seconds > 0 from niji.usage), 'with time and blocks');
select results_eq($$ select statements::numeric, rows::numeric, persons_shown::numeric, cpu_seconds::numeric, buffers::numeric, bytes::numeric from niji.usage $$,
  $$ select count(*)::numeric, sum((h ->> 'rows')::numeric), sum((h ->> 'persons_shown')::numeric), sum((h ->> 'cpu')::numeric) / 1e6, sum((h ->> 'buffers')::numeric), sum((h ->> 'bytes')::numeric)
       from niji.read_index r, lateral (select niji.decode_cbor(e.header) as h from niji.entry e where e.seq = r.end_seq offset 0) x where r.permit is not null $$,
  'It is the sum of the closing entries');
set session authorization analyst_fujita;
select pid /* sixteen */ from p2026_017.lab \g /dev/null
reset session authorization;
select niji.move_trail() \g /dev/null
select is((select bytes from niji.trail_reads where text like '%/* sixteen */%' and permit is not null), 640::bigint, 'Bytes are those of the values that left');
select ok((select buffers from niji.trail_reads where text like '%/* sixteen */%' and permit is not null) between 1 and 100, 'and blocks those that it touched');

-- a statement inside a protected statement costs once
create function public.busy(n int) returns int language plpgsql as $$ begin perform count(*) from generate_series(1, n); return n; end $$;
grant execute on function public.busy(int) to analyst_fujita;
set session authorization analyst_fujita;
select max(public.busy(200000)) /* busy */ from p2026_017.lab where value < 6 \g /dev/null
reset session authorization;
select niji.move_trail() \g /dev/null
select cmp_ok((select cpu from niji.trail_reads where text like '%/* busy */%' and permit is not null), '>', 20000::bigint, 'CPU is what running took');

/* ---- limits ---- */
set session authorization governance_abe;
select niji.propose_limit('p2026-017', 'rows', 100) as limit_rows \gset
select throws_ok(format('select niji.confirm_limit(%s)', :limit_rows), '42501', null, 'Who proposed a limit does not confirm it');
select throws_ok($$ select niji.propose_limit('P2026-017', 'cups', 1) $$, '22023', null, 'There are limits on a few amounts only');
select throws_ok($$ select niji.propose_limit('P2026-017', 'rows', -1) $$, '22023', null, 'not below nothing');
select throws_ok($$ select niji.propose_limit('P0', 'rows', 1) $$, '42704', null, 'for permits that exist');
set session authorization analyst_fujita;
select lives_ok('select pid from p2026_017.lab', 'What is only proposed does not hold');
select throws_ok($$ select niji.propose_limit('P2026-017', 'rows', null) $$, '42501', null, 'An analyst sets no limit');
set session authorization governance_hara;
select lives_ok(format('select niji.confirm_limit(%s)', :limit_rows), 'Another one of governance confirms it');
select throws_ok(format('select niji.confirm_limit(%s)', :limit_rows), '55000', null, 'once');
reset session authorization;
select public.used('rows') as before \gset
select is(:before::numeric, 93::numeric, '93 of 100 rows are used');
set session authorization analyst_fujita;
select throws_ok('select pid /* past */ from p2026_017.lab', '53400', 'permit "P2026-017" has used up its rows of this month', 'A statement ends at the row that would pass the limit');
reset session authorization;
select public.used('rows') as before \gset
select is((select (rows, outcome) from niji.trail_reads where text like '%/* past */%' and permit is not null), row(8::bigint, 'aborted'::text), 'and its entry says how far it came');
set session authorization analyst_fujita;
select throws_ok('select count(*) /* no more */ from p2026_017.lab', '53400', null, 'Then no other begins');
reset session authorization;
select niji.move_trail() \g /dev/null
select is((select header ->> 'reason' from niji.trail where kind = 'denied' and private ->> 'text' like '%no more%'), 'The permit has used up its rows of this month.', 'and the attempt is recorded');

set session authorization governance_abe;
select niji.propose_limit('P2026-017', 'rows', null) as none \gset
select niji.propose_limit('P2026-017', 'statements', 1000000) as many \gset
set session authorization governance_hara;
select niji.confirm_limit(:none), niji.confirm_limit(:many) \g /dev/null
set session authorization analyst_fujita;
select lives_ok('select count(*) from p2026_017.lab', 'A limit that was taken away does not hold');
set session authorization governance_abe;
select niji.propose_limit('P2026-017', 'statements', 1) as one \gset
set session authorization governance_hara;
select niji.confirm_limit(:one) \g /dev/null
select is((select array_agg(what || ' ' || amount order by what) from niji.permit_limits where in_force and amount is not null), array['statements 1'], 'The newest that is confirmed is in force');
set session authorization analyst_fujita;
select throws_ok('select 1 from p2026_017.lab limit 1', '53400', 'permit "P2026-017" has used up its statements of this month', 'Statements can be limited');
reset session authorization;
select throws_ok($$ insert into niji.permit_limit (permit, what, amount, confirmed_at, confirmed_by) values (1, 'rows', 1, now(), session_user) $$, '23514', null, 'The table itself wants two');
select niji.move_trail() \g /dev/null
select is((select count(*) from niji.trail_acts where action in ('propose_limit', 'confirm_limit')), 8::bigint, 'Proposals and confirmations are recorded');
select is_empty('select * from niji.verify_trail()', 'and the trail verifies');
select * from finish();
