-- What the record says of a read: who was scanned, who was shown, and what a person is told.
\i test/story.sql
\set ON_ERROR_STOP 1

-- a second permit over a dataset of 100 000 persons in two chunks, three rows each
create role analyst_gunji login;
create table warehouse.visit (person niji.person not null, day date not null, cost int not null);
insert into warehouse.visit
  select n::text::niji.person, date '2025-04-01' + n % 90, n % 1000
    from generate_series(1, 100000) n, generate_series(1, 3);
create index on warehouse.visit (person);
analyze warehouse.visit;
do $$ begin perform niji.register_dataset('visit', 'warehouse.visit', array['person']::name[], 'city-hospital', 'claims', '高齢者の医療の確保に関する法律'); end $$;
set session authorization governance_abe;
do $$
begin
  perform niji.apply_permit('P2026-018', 'Visits', 'tohoku-lab', 'research', current_date - 1, current_date + 300);
  perform niji.request_data('P2026-018', 'visit', array['day', 'cost']);
end $$;
set session authorization reviewer_baba;
do $$ begin perform niji.review_permit('P2026-018', 'approve', 'necessary'); end $$;
set session authorization reviewer_chiba;
do $$ begin perform niji.review_permit('P2026-018', 'approve', 'proportionate'); end $$;
set session authorization governance_abe;
do $$ begin perform niji.grant_permit('P2026-018'); perform niji.add_reader('P2026-018', 'analyst_gunji'); end $$;
reset session authorization;

-- in a session of its own: a session reads under one permit
\c niji analyst_gunji
set max_parallel_workers_per_gather = 2;
set parallel_setup_cost = 0;
set parallel_tuple_cost = 0;
set min_parallel_table_scan_size = 0;
select count(*) /* all, in parallel */ from p2026_018.visit where cost >= 0 \g /dev/null
select day, count(*) /* some, in parallel */ from p2026_018.visit where cost between 100 and 199 group by day \g /dev/null
select pid /* pids, in parallel */ from p2026_018.visit where cost = 777 \g /dev/null
set max_parallel_workers_per_gather = 0;
select count(*) /* all, alone */ from p2026_018.visit \g /dev/null
select pid /* ordered */ from p2026_018.visit order by cost, day, pid limit 20 \g /dev/null
\c niji postgres

select plan(53);

-- rows, persons scanned, persons shown and outcome of the newest read whose text holds these words
create function public.read_of(words text) returns text language sql as $$
  select format('%s %s %s %s', rows, coalesce(persons_scanned::text, '?'), coalesce(persons_shown::text, '?'), outcome)
    from niji.trail_reads where permit is not null and text like '%' || words || '%' order by seq desc limit 1
$$;

/* ---- who is shown ---- */
set session authorization analyst_fujita;
select pid, value from p2026_017.lab order by value, pid limit 3 \g /dev/null
select /* b */ count(*) from p2026_017.lab \g /dev/null
select /* c */ code, count(*), round(avg(value), 1), sum(value) / count(value) from p2026_017.lab group by code order by 2 \g /dev/null
select /* d */ value, taken_on from p2026_017.lab where value < 6 \g /dev/null
select /* e */ max(value) from p2026_017.lab \g /dev/null
select /* f */ distinct disease from p2026_017.diagnosis \g /dev/null
select /* g */ pid::text, count(*) from p2026_017.lab group by 1 \g /dev/null
select /* h */ pid, count(*) from p2026_017.lab where value <= 6 group by pid \g /dev/null
select /* i */ max(pid::text), count(*) from p2026_017.lab \g /dev/null
select /* j */ institution, count(*) from p2026_017.lab group by institution \g /dev/null
select /* k */ null::niji.pseudonym as pid, value from p2026_017.lab \g /dev/null
select /* l */ d.disease, count(distinct l.pid) from p2026_017.lab l join p2026_017.diagnosis d using (pid) group by 1 \g /dev/null
select /* m */ string_agg(code, ',') from p2026_017.lab \g /dev/null
select /* n */ disease, (select count(*) from p2026_017.lab) from p2026_017.diagnosis group by 1 \g /dev/null
with x as materialized (select code, value from p2026_017.lab) select /* o */ code, count(*) from x group by code \g /dev/null
select /* p */ x.code, count(*) from (select string_agg(code, ',') as code from p2026_017.lab group by value) x group by x.code \g /dev/null
select /* q */ pid, rank() over (order by value) from p2026_017.lab where value > 8.5 \g /dev/null
select /* r */ * from p2026_017.lab where false \g /dev/null
select /* s */ count(*) from p2026_017.lab where code = 'none' \g /dev/null
reset session authorization;
select niji.move_trail() \g /dev/null

select is(read_of('order by value, pid limit 3'), '3 40 3 completed', 'With pid in the result exactly those are shown whose pid left');
select is(read_of('/* b */'), '1 40 0 completed', 'A count shows nobody');
select is(read_of('/* c */'), '1 40 0 completed', 'Keys, counts, sums and averages show nobody, also in arithmetic');
select is((select columns from niji.trail_reads where text like '%/* c */%' and permit is not null), '{"lab": ["code", "value"]}'::jsonb, 'The columns are those that the statement names');
select is(read_of('/* d */'), '9 40 40 completed', 'Rows without pid show everybody who was scanned');
select is(read_of('/* e */'), '1 40 40 completed', 'A maximum is somebody''s value: all that were scanned are shown');
select is(read_of('/* f */'), '2 30 0 completed', 'DISTINCT makes keys of all columns');
select is(read_of('/* g */'), '40 40 40 completed', 'A pseudonym in disguise shows everybody');
select is(read_of('/* h */'), '10 40 10 completed', 'pid as a grouping key shows its persons');
select is(read_of('/* i */'), '1 40 40 completed', 'An aggregate of pseudonyms shows everybody');
select is(read_of('/* j */'), '1 40 0 completed', 'An institution''s pseudonym is nobody''s');
select is(read_of('/* k */'), '40 40 40 completed', 'A pid that is null does not hide whose rows they are');
select is(read_of('/* l */'), '2 40 0 completed', 'A join that ends in counts shows nobody');
select is(read_of('/* m */'), '1 40 40 completed', 'Values put together in one text show everybody');
select is(read_of('/* n */'), '2 40 40 completed', 'What a sub-query brings in is not looked through: everybody');
select is(read_of('/* o */'), '1 40 0 completed', 'A WITH query is looked through');
select is(read_of('/* p */'), '1 40 40 completed', 'A key that is itself an aggregate of values shows everybody');
select is(read_of('/* q */'), '5 40 5 completed', 'pid beside a window function shows its persons');
select is(read_of('/* r */'), null, 'A statement that scanned nobody is no read');
select is((select count(*) from niji.trail_probes where text like '%/* r */%' or text like '%/* s */%'), 2::bigint, 'but a probe, which is recorded, too');

/* ---- however it is sent ---- */
set session authorization analyst_fujita;
\copy (select pid /* copy */ from p2026_017.lab where value < 6) to /dev/null
begin;
declare part cursor for select pid /* cursor */ from p2026_017.lab;
fetch 4 from part \g /dev/null
fetch 3 from part \g /dev/null
commit;
prepare by_code(text) as select pid /* prepared */ from p2026_017.lab where code = $1;
execute by_code('3D046000001920402') \g /dev/null
do $$ declare n int; begin select count(*) /* block */ into n from p2026_017.lab; end $$;
begin read only;
select count(*) /* read only */ from p2026_017.lab \g /dev/null
rollback;
select throws_ok('select 1 / (value - value) /* aborted */ from p2026_017.lab', '22012', null, 'A statement that fails');
select pid /* one of two */ from p2026_017.diagnosis limit 1 \; select 2 \g /dev/null
reset session authorization;
select count(*) /* superuser */ from warehouse.lab \g /dev/null
select niji.move_trail() \g /dev/null

select is(read_of('/* copy */'), '9 40 9 completed', 'COPY of a query is a read');
select is(read_of('/* cursor */'), '7 7 7 completed', 'Of a cursor what was fetched counts');
select is(read_of('/* prepared */'), '40 40 40 completed', 'A prepared statement is a read');
select is((select parameters from niji.trail_reads where text like '%/* prepared */%'), '["3D046000001920402"]', 'with the values of its parameters');
select is(read_of('/* block */'), '1 40 0 completed', 'A statement in a DO block is a read');
select is(read_of('/* read only */'), '1 40 0 completed', 'So is one in a read-only transaction that is rolled back');
select alike(read_of('/* aborted */'), '% aborted', 'and one that an error ended');
select is((select text from niji.trail_reads where text like '%/* one of two */%'), 'select pid /* one of two */ from p2026_017.diagnosis limit 1', 'Of statements sent together each has its own text');
select is((select permit is null and persons_scanned is null and outcome = 'completed' from niji.trail_reads where text like '%/* superuser */%'), true, 'A superuser''s read of a dataset is recorded, its persons are unknown');
select is((select count(*) from niji.trail where header::text like '%/* %'), 0::bigint, 'No header holds a statement''s text');

/* ---- amounts are those of plain SQL ---- */
select is(read_of('/* all, in parallel */'), '1 100000 0 completed', 'Parallel workers'' persons are joined: all of them');
select is(split_part(read_of('/* some, in parallel */'), ' ', 2), (select count(distinct person)::text from warehouse.visit where cost between 100 and 199), 'Scanned are as many as plain SQL counts');
select is(read_of('/* pids, in parallel */'), (select format('%s %s %s completed', count(*), count(distinct person), count(distinct person)) from warehouse.visit where cost = 777), 'Shown are as many as plain SQL counts');
select is(read_of('/* all, alone */'), '1 100000 0 completed', 'Without workers it is the same');
select is((select count(distinct chunk) from niji.read_persons p join niji.datasets d on d.id = p.dataset where d.name = 'visit'), 2::bigint, 'Sets are kept in chunks of 65 536 persons');
select cmp_ok((select max(length(persons)) from niji.read_persons), '<', 9000, 'none of which is longer than its bits');
select is_empty('select * from niji.verify_persons()', 'Every set is the one that its entry''s hash was made of');

/* ---- what a person is told ---- */
select is((select string_agg(distinct kind, ',' order by kind) from niji.who_used('777'::niji.person) where permit = 'P2026-018'), 'scanned,shown', 'A person was scanned by some reads and shown by others');
select is((select reads from niji.who_used('777'::niji.person) where permit = 'P2026-018' and kind = 'shown'), 1::bigint, 'Reads are counted');
select is((select string_agg(distinct kind, ',' order by kind) from niji.who_used('778'::niji.person) where permit = 'P2026-018' and dataset = 'visit'), 'scanned', 'Another person was never shown');
select is_empty($$ select * from niji.who_used('99999999'::niji.person) where permit is not null $$, 'Somebody without rows was used by no permit');
select is((select string_agg(distinct kind, ',') from niji.who_used('99999999'::niji.person) where permit is null), 'possibly shown', 'A superuser may have seen anybody');
select throws_ok($$ select * from niji.who_used(niji.find_person('patient', '0110113719:nobody')) $$, '22004', 'no person is given', 'An identifier that nobody has is not answered with "nobody used it"');
select is((select (title, purpose, applicant) from niji.who_used('777'::niji.person) where permit = 'P2026-018' and kind = 'shown'), row('Visits'::text, 'research'::text, '東北疫学研究室'::text), 'They learn for what and by whom');
select set_eq($$ select * from niji.persons_shown('analyst_gunji', now() - interval '1 hour', null, 'visit') where true $$,
              $$ select distinct person from warehouse.visit where cost = 777 union select person from (select person from warehouse.visit order by cost, day limit 0) x
                 union select p from niji.read_index r join niji.read_persons s using (open), niji.persons_list(s.persons, s.chunk) p
                  where r.seq = (select seq from niji.trail_reads where text like '%/* ordered */%') and s.shown $$, 'persons_shown lists whose pseudonyms a reader received');
set session authorization auditor_endo;
select isnt_empty($$ select * from niji.persons_shown('analyst_gunji', null, null) $$, 'An auditor may ask whose data a reader saw');
reset session authorization;
set session authorization governance_abe;
select throws_ok($$ select * from niji.who_used('777') $$, '42501', null, 'Governance may not ask who used a person''s data');
select throws_ok($$ select * from niji.read_persons $$, '42501', null, 'nor look at the sets');
set session authorization analyst_fujita;
select throws_ok($$ select * from niji.trail_reads $$, '42501', null, 'An analyst does not see the trail');

/* ---- what must not be in the trail ---- */
reset session authorization;
select count(*) from warehouse.lab where person = niji.find_person('patient', '0110113719:0033') \g /dev/null
prepare look(text) as select count(*) from warehouse.lab where person = niji.find_person('patient', $1);
execute look('0110113719:0034') \g /dev/null
select niji.move_trail() \g /dev/null
select is((select count(*) from niji.trail where private::text ~ '0110113719:00' ), 0::bigint, 'Calls that take identifiers leave neither text nor parameters');
select is((select count(*) from niji.trail where private ->> 'text' = '(a call of niji.find_person)'), 2::bigint, 'only the function''s name');
select is_empty('select * from niji.verify_trail()', 'and the trail verifies');
select * from finish();
