-- Whose data were used: the sets by day, by year and for all time say what the reads say.
\i test/story.sql
\set ON_ERROR_STOP 1

create function public.person_at(pid niji.pseudonym) returns niji.person language sql stable security definer as $$
  select niji.person_of(pid, (select domain from niji.permit where code = 'P2026-017'))
$$;
revoke execute on function public.person_at(niji.pseudonym) from public;

-- what who_used() said before there were roll-ups: read by read
create function public.by_reads(wanted niji.person) returns table (permit int, dataset int, shown boolean, reads bigint, first_day date, last_day date)
language sql stable as $$
  select r.permit, p.dataset, p.shown, count(*), min((r.at at time zone 'Asia/Tokyo')::date), max((r.at at time zone 'Asia/Tokyo')::date)
    from niji.read_persons p join niji.read_index r using (open)
   where p.chunk = niji.person_chunk(wanted) and niji.persons_contain(p.persons, wanted) and r.permit is not null
   group by 1, 2, 3
$$;
create function public.by_uses(wanted niji.person) returns table (permit int, dataset int, shown boolean, reads bigint, first_day date, last_day date)
language sql stable as $$
  select u.permit, u.dataset, u.shown, f.reads, f.first_day, f.last_day
    from niji.person_uses u, niji.person_use(u.facts, wanted) f
   where u.chunk = niji.person_chunk(wanted) and niji.persons_contain(u.persons, wanted)
$$;
-- until nothing is left
create function public.roll_up() returns void language plpgsql as $$ begin while niji.roll_up_persons() > 0 loop null; end loop; end $$;

select plan(31);

set session authorization analyst_fujita;
select pid from p2026_017.lab order by value, pid limit 3 \g /dev/null
select count(*) from p2026_017.lab \g /dev/null
select pid, value from p2026_017.lab where value < 6 \g /dev/null
select pid from p2026_017.diagnosis limit 5 \g /dev/null
reset session authorization;
select niji.move_trail() \g /dev/null
create table public.who as select person from warehouse.lab group by person;
create table public.before as select w.person, u.* from who w, niji.who_used(w.person) u where u.permit is not null;
select public.roll_up() \g /dev/null

select is((select count(*) from niji.person_uses where permit is not null), 3::bigint, 'For all time there is a set for each dataset, of those who were shown and of those who were not');
select set_eq('select w.person::text, u.* from who w, by_uses(w.person) u', 'select w.person::text, u.* from who w, by_reads(w.person) u', 'It tells of each person how many reads there were, the first day and the last, as the reads do');
select set_eq('select w.person::text, u.permit, u.dataset, u.kind, u.reads from who w, niji.who_used(w.person) u where permit is not null', 'select person::text, permit, dataset, kind, reads from before', 'who_used() says the same before and after');
select is((select count(*) from niji.read_persons p join niji.read_index r using (open) where r.permit is not null and not exists
  (select from niji.person_days d where d.permit = r.permit and d.chunk = p.chunk and d.dataset = p.dataset and d.shown = p.shown and d.reader = r.reader
     and not exists (select from niji.persons_list(p.persons, p.chunk) x where not niji.persons_contain(d.persons, x)))), 0::bigint, 'Every set of a read is within the set of its day');
select set_eq('select permit, chunk, dataset, shown, reader, persons from niji.person_years', 'select permit, chunk, dataset, shown, reader, niji.persons_union(persons) from niji.person_days group by 1, 2, 3, 4, 5', 'A year is the union of its days');
select is(niji.roll_up_persons(), 0::bigint, 'What is rolled up is not rolled up again');
select is_empty('select * from niji.verify_uses()', 'and it is what the reads say');

/* ---- later reads ---- */
set session authorization analyst_fujita;
select pid /* late */ from p2026_017.lab order by value, pid limit 3 \g /dev/null
reset session authorization;
select niji.move_trail() \g /dev/null
create table public.with_tail as select w.person, u.* from who w, niji.who_used(w.person) u;
select set_eq('select person::text, kind, reads from with_tail where dataset = ''lab'' and permit is not null',
              $$ select w.person::text, case when u.shown then 'shown' else 'scanned' end, u.reads from who w, by_reads(w.person) u join niji.dataset d on d.id = u.dataset where d.name = 'lab' $$, 'A read that is not rolled up yet is told');
select public.roll_up() \g /dev/null
select set_eq('select w.person::text, u.* from who w, by_uses(w.person) u', 'select w.person::text, u.* from who w, by_reads(w.person) u', 'Added to what there is it counts');
select is_empty('select * from niji.verify_uses()', 'and again it is what the reads say');

-- 40 reads with random persons on random days of three years, rolled up in small portions
create table public.chosen as
  select n, timestamptz '2023-01-01 12:00+09' + (n * 37 % 1000) * interval '1 day' as at, array(select (random() * 3000)::int + 1 from generate_series(1, n * 20)) as persons
    from generate_series(1, 40) n;
create function public.bitmap(numbers int[], of_chunk int) returns bytea language plpgsql as $$
declare result bytea; b int[] := array(select distinct x & 65535 from unnest(numbers) x where x >> 16 = of_chunk order by 1);
begin
  -- the portable format: an array container
  result := '\x3a300000010000000000'::bytea || set_byte(set_byte('\x0000', 0, (cardinality(b) - 1) & 255), 1, (cardinality(b) - 1) >> 8) || '\x10000000'::bytea;
  for i in 1 .. cardinality(b) loop
    result := result || set_byte(set_byte('\x0000', 0, b[i] & 255), 1, b[i] >> 8);
  end loop;
  return result;
end $$;
insert into niji.read_index (open, seq, end_seq, boot, at, permit, datasets, reader, scanned)
  select -n, 0, e.seq, 0, at, 7, array[1], 'somebody', 1 from chosen, lateral (select seq from niji.entry order by seq offset n - 1 limit 1) e;
insert into niji.read_persons (open, dataset, shown, chunk, persons) select -n, 1, n % 2 = 0, 0, bitmap(persons, 0) from chosen;
create table public.truth as
  select p.x as person, n % 2 = 0 as shown, count(distinct n) as reads, min((at at time zone 'Asia/Tokyo')::date) as first_day, max((at at time zone 'Asia/Tokyo')::date) as last_day
    from chosen, unnest(persons) p (x) group by 1, 2;
create table public.added as
  select f.shown, niji.persons_union(f.persons) as persons, niji.persons_facts(f.persons, null, f.day) as facts
    from (select p.shown, p.persons, (c.at at time zone 'Asia/Tokyo')::date as day from niji.read_persons p join chosen c on p.open = -c.n order by random()) f group by 1;
create table public.halves as
  select f.shown, niji.persons_facts(f.persons, f.facts, f.day order by f.facts is null) as facts
    from (select p.shown, p.persons, null::bytea as facts, (c.at at time zone 'Asia/Tokyo')::date as day
            from niji.read_persons p join chosen c on p.open = -c.n where c.n > 20
          union all
          select p.shown, niji.persons_union(p.persons), niji.persons_facts(p.persons, null, (c.at at time zone 'Asia/Tokyo')::date), null
            from niji.read_persons p join chosen c on p.open = -c.n where c.n <= 20 group by 1) f group by 1;
select results_eq('select t.person, t.shown, t.reads, t.first_day, t.last_day from truth t order by 1, 2',
                  $$ select t.person, t.shown, u.reads, u.first_day, u.last_day from truth t join added a using (shown), niji.person_use(a.facts, t.person::text::niji.person) u order by 1, 2 $$,
                  'Counts and days of 3 000 persons over 40 reads in any order are those of plain SQL');
select results_eq('select shown, facts from halves order by 1', 'select shown, facts from added order by 1', 'added in two portions they are the same, to the byte');
select is((select count(*) from added a, generate_series(1, 4000) n where niji.persons_contain(a.persons, n::text::niji.person) <> exists (select from truth t where t.shown = a.shown and t.person = n)), 0::bigint, 'Membership read from the format agrees for each of 4 000 persons');
delete from niji.read_persons where open < 0;
delete from niji.read_index where open < 0;

-- the three kinds of container
create table public.kinds as
  select 'bits' as kind, niji.persons_union(bitmap(array(select generate_series(part, least(65535, part + 7999), 2)), 0)) as b, 2 as step from generate_series(0, 65535, 8000) part
  union all select 'runs', niji.persons_union(bitmap(array(select x from generate_series(part, part + 3999) x), 0)), 0 from generate_series(0, 59999, 4000) part
  union all select 'one', bitmap(array[4711], 0), -1;
select is((select array_agg(format('%s %s', kind, length(b)) order by kind) from kinds), array['bits 8208', 'one 18', 'runs 15'], 'A set is kept as bits, runs or an array, whichever is short');
select is((select count(*) from kinds, generate_series(1, 65535) n where niji.persons_contain(b, n::text::niji.person) <> case kind when 'bits' then n % 2 = 0 when 'runs' then n < 60000 else n = 4711 end), 0::bigint, 'and membership is right for every person of each');
select throws_ok($$ select niji.persons_contain('\x3a3000000100000000000500100000000100', '1') $$, 'XX001', null, 'A bitmap that is cut off is found');
select throws_ok($$ select niji.persons_contain('\x00', '1') $$, 'XX001', null, 'and what is none');
select throws_ok($$ select niji.person_use('\x01010000ffff', '1') $$, 'XX001', null, 'and damaged facts');
select throws_ok($$ select niji.person_use('\x02000000', '1') $$, 'XX001', null, 'and those of another version');

/* ---- altered ---- */
begin;
update niji.person_uses set facts = (select f.facts from niji.person_uses f where f.shown and f.facts <> person_uses.facts limit 1) where not shown;
select isnt_empty('select * from niji.verify_uses()', 'verify_uses() finds facts that were altered');
rollback;
begin;
delete from niji.person_uses where shown;
select set_eq('select distinct finding from niji.verify_uses()', array['the uses of these persons are not rolled up'], 'and sets that were taken out');
rollback;
select is_empty('select * from niji.verify_uses()', 'Otherwise it finds nothing');

/* ---- the days of a permit ---- */
set session authorization auditor_endo;
reset session authorization;
select set_eq($$ select w.person::text, d.day, d.dataset, d.kind, d.reader::text from who w, niji.who_used_days(w.person, 'p2026-017') d $$,
              $$ select w.person::text, (r.at at time zone 'Asia/Tokyo')::date, s.name, case when p.shown then 'shown' else 'scanned' end, r.reader::text
                   from who w join niji.read_persons p on p.chunk = niji.person_chunk(w.person) and niji.persons_contain(p.persons, w.person)
                   join niji.read_index r using (open) join niji.dataset s on s.id = p.dataset where r.permit is not null $$, 'The days of one permit are those of its reads');
select throws_ok($$ select * from niji.who_used_days(null, 'P2026-017') $$, '22004', 'no person is given', 'They need a person');
select throws_ok($$ select * from niji.who_used_days('1', 'P0000') $$, '42704', 'there is no such permit', 'and a permit that exists');
set session authorization analyst_fujita;
select throws_ok($$ select * from niji.who_used_days(null, 'P2026-017') $$, '42501', null, 'An analyst may not ask');
reset session authorization;

/* ---- an inquiry after a breach ---- */
set session authorization auditor_endo;
select count(*) from niji.persons_shown('analyst_fujita', now() - interval '1 day', null, 'lab') \g /dev/null
begin;
select count(*) from niji.persons_shown('analyst_fujita', now() - interval '1 day', null) \g /dev/null
rollback;
select throws_ok($$ select niji.persons_shown(null, null, null) $$, '22004', 'no reader is given', 'It needs a reader');
select throws_ok($$ select niji.persons_shown('analyst_fujita', null, null, 'nothing') $$, '42704', null, 'and a dataset that exists');
reset session authorization;
select niji.move_trail() \g /dev/null
select is((select array_agg(format('%s %s %s', "session_user", header ->> 'object', header ->> 'persons') order by seq) from niji.trail where header ->> 'action' = 'persons_shown'),
          array(select format('auditor_endo analyst_fujita %s', n) from (values (1, (select count(distinct l) from niji.person_uses u join niji.dataset d on d.id = u.dataset, niji.persons_list(u.persons, u.chunk) l where u.shown and d.name = 'lab')),
                                                                               (2, (select count(distinct l) from niji.person_uses u, niji.persons_list(u.persons, u.chunk) l where u.shown))) v (i, n) order by i),
          'The inquiry itself is recorded with the number of persons, also when it is rolled back');
select is_empty('select * from niji.verify_persons()', 'The sets of the reads are unaltered');
select is_empty('select * from niji.verify_trail()', 'and the trail verifies');
select * from finish();
