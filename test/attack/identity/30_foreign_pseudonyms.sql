-- Foreign pseudonyms: translating one domain into another, by the buckets of hash tables, by probes, and by who has
-- persons of a table of their own.  That the first attack would
-- work is shown by a superuser, whom nothing stops: it lines up every person.
\i test/attack/house.sql

-- what a translation would look like: unmatched rows leave a full join in the order of buckets, and the two pseudonyms
-- of one person lie in one bucket.  The empty rows make the table large, so that few strangers meet in a bucket.
create view attack.both_permits as select pid::text as t, 17 as d from attack.list17 union all select pid::text, 18 from attack.list18;
create view attack.both_holders as select pid::text as t, 1 as d from attack.list_a union all select pid::text, 2 from attack.list_b;
grant select on attack.both_permits, attack.both_holders to public;

create function attack.bucket_order(lists text, one int, two int) returns text language sql as $f$
  select format($q$
    select b.t from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a
      full join (select t, d from attack.%s union all select '', 0 from generate_series(1, 100000)) b
        on a.p operator(niji.=) niji.make_probe(b.t, case when b.d in (1, 17) then %s else %s end)
     where b.t <> '' $q$, lists, one, two)
$f$;
create function attack.neighbours(statement text) returns bigint language plpgsql as $$
declare
  r record;
  seen text[] := '{}';
begin
  for r in execute statement loop
    seen := seen || r.t;
  end loop;
  return (select count(*) from attack.truth t
           where abs(array_position(seen, t.p17) - array_position(seen, t.p18)) = 1 or abs(array_position(seen, t.pa) - array_position(seen, t.pb)) = 1);
end $$;
set enable_nestloop = off;
set enable_mergejoin = off;
set work_mem = '64MB';
\set more 2

create temp table found as
  select attack.neighbours(attack.bucket_order('both_permits', :d17, :d18)) as permits, attack.neighbours(attack.bucket_order('both_holders', :ha, :hb)) as holders;

-- the same and its kin, as people without a right to it
select attack.add('two permits in one hash table', 'stranger analyst_fujita loader_kato consent_ito owner_hata', $q$
42501 | select b.t from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a full join attack.both_permits b on a.p operator(niji.=) niji.make_probe(b.t, case b.d when 17 then {d} else {other} end)
42501 | select b.t from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a full join attack.list17 l on niji.pseudonym(a.p, {d}) = l.pid full join attack.both_permits b on a.p operator(niji.=) niji.make_probe(b.t, {d})
42501 | select b.pid from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a full join attack.list17 b on niji.pseudonym(a.p, {d}) = b.pid
42501 | select b.pid from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a full join attack.list18 b on niji.pseudonym(a.p, {other}) = b.pid::text
42501 | select b.pid from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a full join attack.list18 b on b.pid::text = niji.pseudonym(a.p, {foreign})
42501 | select x from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a full join unnest(niji.make_probes(array(select pid from attack.list17), {d})) x on a.p operator(niji.=) x
42501 | select x from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a full join unnest(niji.make_probes(array(select t from attack.both_permits), {foreign})) x on x operator(niji.=) a.p
42501 | select a.t from attack.both_permits a where (select null::niji.person where random() < 0) operator(niji.=) niji.make_probe(a.t, {d}) or not (coalesce(null::niji.person, null) operator(niji.=) any (select niji.make_probe(b.t, {d}) from attack.both_permits b));; select b.pid from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a full join attack.list17 b on niji.pseudonym(a.p, {d}) = b.pid
$q$);

-- probes with probes are compared by their bytes, whatever the plan
select attack.add_giving('probes of two domains are never equal', 'stranger analyst_fujita', '(0)', $q$
select count(*) from attack.list17 a join attack.list18 b on niji.make_probe(a.pid, {d}) operator(niji.=) niji.make_probe(b.pid, {other})
select count(*) from attack.list17 a where niji.make_probe(a.pid, {d}) operator(niji.=) any (select niji.make_probe(b.pid, {other}) from attack.list18 b)
select count(*) from attack.list17 a where exists (select from attack.list18 b where niji.make_probe(a.pid, {d}) operator(niji.=) niji.make_probe(b.pid, {other}))
select count(*) from attack.list17 a where niji.make_probe(a.pid, {d}) operator(niji.=) any (niji.make_probes(array(select pid from attack.list18), {other}))
select count(*) from attack.list17 a join attack.list18 b on niji.probe_same(niji.make_probe(a.pid, {d}), niji.make_probe(b.pid, {other}))
select count(*) from attack.list17 a join attack.list18 b on a.pid = b.pid
select count(*) from attack.list17 a join attack.list18 b on a.pid::text = b.pid
select count(*) from attack.list17 a join attack.list18 b on hashtext(a.pid) = hashtext(b.pid) and left(a.pid, 8) = left(b.pid, 8)
select count(*) from (select hash_record(row(pid)), hash_record_extended(row(pid), 5) from attack.list17 intersect select hash_record(row(pid)), hash_record_extended(row(pid), 5) from attack.list18) x
select count(*) from (select row(pid) from attack.list17 intersect select row(pid) from attack.list18) x
$q$);
select attack.add('probes are neither hashed, sorted nor told apart', 'stranger', $q$
42883|0A000 | select array_agg(t) from (select t from attack.both_permits full join (select 'x'::text as u where random() < 0) x on niji.make_probe(t, {d}) operator(niji.=) niji.make_probe(u, {d})) y
42883 | select count(*) from attack.both_permits group by niji.make_probe(t, {d})
42883 | select distinct niji.make_probe(t, {d}) from attack.both_permits
42883 | select niji.make_probe(t, {d}) from attack.both_permits union select niji.make_probe(t, {other}) from attack.both_permits
42883 | select row_number() over (partition by niji.make_probe(t, {d})) from attack.both_permits
42883 | select row_number() over (order by niji.make_probe(t, {d})) from attack.both_permits
42883 | select t from attack.both_permits order by niji.make_probe(t, {d})
42809|42883 | select t from attack.both_permits order by niji.make_probe(t, {d}) using operator(niji.=)
42883 | select mode() within group (order by niji.make_probe(t, {d})) from attack.both_permits
42883 | select hash_record(row(niji.make_probe(t, {d}))) from attack.both_permits
42883 | select hash_array(array[niji.make_probe(t, {d})]) from attack.both_permits
42883 | select array[niji.make_probe(t, {d})] = array[niji.make_probe(t, {other})] from attack.both_permits
42883 | select array_position(array[niji.make_probe(t, {d})], niji.make_probe(t, {d})) from attack.both_permits
42883 | select niji.make_probe(t, {d}) is distinct from niji.make_probe(t, {d}) from attack.both_permits
42883 | select nullif(niji.make_probe(t, {d}), niji.make_probe(t, {other})) from attack.both_permits
42883 | select niji.make_probe(t, {d}) < niji.make_probe(t, {other}) from attack.both_permits
42501 | select niji.probe_cmp(niji.make_probe(t, {d}), niji.make_probe(t, {other})) from attack.both_permits
42501 | select niji.probe_hash(niji.make_probe(t, {d})) from attack.both_permits
42501 | select niji.probe_hash_extended(niji.make_probe(t, {d}), 0) from attack.both_permits
$q$);

-- domains that no permit uses: one a session; the first statement makes holder a's the session's
select attack.add('two free domains in one session', 'analyst_gondo', $q$
00000 | select count(b.pid) from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a full join attack.list_a b on niji.pseudonym(a.p, {ha}) = b.pid
42501 | select count(b.pid) from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a full join attack.list_b b on niji.pseudonym(a.p, {hb}) = b.pid
42501 | select b.t from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a full join attack.both_holders b on a.p operator(niji.=) niji.make_probe(b.t, case b.d when 1 then {ha} else {hb} end)
42501 | set parallel_setup_cost = 0;; set parallel_tuple_cost = 0;; set min_parallel_table_scan_size = 0;; select b.t from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a full join attack.both_holders b on a.p operator(niji.=) niji.make_probe(b.t, case b.d when 1 then {ha} else {hb} end)
42501 | reset all;; discard plans;; select b.t from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a full join attack.list_b x on niji.pseudonym(a.p, {hb}) = x.pid join attack.both_holders b using (t)
00000 | select count(b.pid) from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a full join attack.list_a b on niji.pseudonym(a.p, {ha}) = b.pid
$q$);
update attack.attempt set statement = replace(statement, ' join attack.both_holders b using (t)', ' cross join lateral (select x.pid::text as t) b') where statement like '%both_holders b using%';

-- inside a statement that reads under a permit only its own domain works
select attack.add('another domain beside a permit''s rows', 'analyst_fujita', $q$
42501 | select b.pid, (select count(*) from p2026_017.lab) from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a full join attack.list18 b on niji.pseudonym(a.p, {other}) = b.pid
42501 | select b.pid, (select count(*) from p2026_017.lab) from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a full join attack.list_a b on niji.pseudonym(a.p, {ha}) = b.pid
42501 | select p.pid, q.pid from p2026_017.lab p, p2026_018.lab q
42501 | select pid from p2026_017.lab union all select pid from p2026_018.lab
42501 | select pid from p2026_018.lab
42501 | select pid from p2026_019.lab
42501 | select (select pid from p2026_018.lab limit 1) from p2026_017.lab
42501 | select niji.pseudonym(niji.enrol('patient', '0110113719:0001'), {d}) from p2026_017.lab
42501 | select niji.person_of(pid, {d}) from p2026_017.lab
42501 | select niji.person_of(pid, {foreign}) from p2026_017.lab
42703 | select niji.pseudonym(person, {foreign}) from p2026_017.lab
42P01 | select niji.pseudonym(b.person, {foreign}) from p2026_017.lab
42883 | select niji.pseudonym(pid, {foreign}) from p2026_017.lab
42883 | select niji.pseudonym(l, {foreign}) from p2026_017.lab l
42883 | select niji.pseudonym('0110113719'::niji.institution_code, {foreign}, pid) from p2026_017.lab
42883 | select niji.pseudonym(institution, {d}, null::niji.person) from p2026_017.lab
$q$);
update attack.attempt set ends = '42883|42501' where ends = '42883' and what like 'another domain%';
select attack.add_giving('pseudonyms of another domain find nobody', 'analyst_fujita', '(0)', $q$
select count(*) from p2026_017.lab where pid = '{theirs}'
select count(*) from p2026_017.lab where pid = '{theirs}'::text
select count(*) from p2026_017.lab where pid in ('{theirs}', 'nonsense'::text)
select count(*) from p2026_017.lab where pid = any (array(select pid from attack.list18))
select count(*) from p2026_017.lab where pid in (select pid from attack.list18)
select count(*) from p2026_017.lab join attack.list18 using (pid)
select count(*) from p2026_017.lab l join attack.list18 x on l.pid::text = x.pid
select count(*) from p2026_017.lab l where exists (select from attack.list18 x where x.pid = l.pid)
select count(*) from p2026_017.lab where niji.text_pseudonym(pid::text) = '{theirs}'
select count(*) from p2026_017.lab where institution = '{theirs}'
select count(*) from p2026_017.lab where pid = institution
select count(*) from p2026_017.lab l where niji.pseudonym(null::niji.person, {foreign}) = l.pid
select count(*) from p2026_017.lab l where niji.pseudonym(null::niji.person, {foreign}) is not null
select count(*) from p2026_017.lab l where niji.pseudonym('0110113719'::niji.institution_code, {d}, null) is not null
select count(*) from p2026_017.lab l where niji.pseudonym('0110113719'::niji.institution_code, {d}, null) = l.institution
$q$);

-- who owns persons
select attack.add('pseudonyms of one''s own persons', 'owner_hata', $q$
42501 | select niji.pseudonym(person, {d}) from bridge.own
42501 | select niji.pseudonym(person, {other}) from bridge.own
42501 | select niji.pseudonym(person, {foreign}) from bridge.own
42501 | select n from bridge.own where niji.pseudonym(person, {d}) = '{mine}'
42501 | select n from bridge.own where niji.pseudonym(person, {d}) = '{mine}'::text
42501 | select n from bridge.own where niji.pseudonym(person, {d}) <> '{mine}'
42501 | select n from bridge.own where niji.pseudonym(person, {d}) in ('{mine}', '{mine2}')
42501 | select n from bridge.own where niji.pseudonym(person, {d}) = any (array(select pid from attack.list17))
42501 | select n from bridge.own where niji.pseudonym(person, {d}) > '{mine}'
42501 | select n from bridge.own where niji.pseudonym(person, {d}) like '0%'
42501 | select n from bridge.own where niji.pseudonym(person, {d})::text = (select pid::text from attack.list17 limit 1)
42501 | select n from bridge.own where niji.pseudonym(person, {d}) in (select pid from attack.list17)
42501 | select n, pid from bridge.own join attack.list17 on niji.pseudonym(person, {d}) = pid
42501 | select n, pid from bridge.own full join attack.list17 on niji.pseudonym(person, {d}) = pid
42501 | select n, pid from attack.list17 left join lateral (select n from bridge.own where niji.pseudonym(person, {d}) = list17.pid) x on true
42501 | select n from bridge.own where person operator(niji.=) niji.make_probe('{mine}'::text, {d})
42501 | select n from bridge.own where niji.make_probe('{mine}'::text, {d}) operator(niji.=) person
42501 | select n from bridge.own where niji.person_eq_probe(person, niji.make_probe('{mine}'::text, {d}))
42501 | select n from bridge.own where niji.probe_eq_person(niji.make_probe('{mine}'::text, {d}), person)
42501 | select n from bridge.own where person operator(niji.=) any (niji.make_probes(array(select pid from attack.list17), {d}))
42501 | set enable_seqscan = off;; select n from bridge.own where person operator(niji.=) niji.make_probe('{mine}'::text, {d})
42501 | set enable_seqscan = off;; set enable_indexscan = off;; select n from bridge.own where niji.pseudonym(person, {d}) in ('{mine}', '{mine2}')
42501 | select n from bridge.own where person operator(niji.=) any (select niji.make_probe(pid, {d}) from attack.list17)
42501 | select count(*) from bridge.own where not (niji.pseudonym(person, {foreign}) = '{mine}')
42501 | select min(niji.pseudonym(person, {d})) from bridge.own
00000 | select count(distinct niji.pseudonym(person, {d})) from bridge.own
42501 | select n from bridge.own order by niji.pseudonym(person, {d})
42501 | select count(*) from bridge.own group by niji.pseudonym(person, {d})
42501 | select row_number() over (order by niji.pseudonym(person, {d})) from bridge.own
42501 | select niji.pseudonym('0110113719'::niji.institution_code, {d}, person) from bridge.own
42501 | select niji.pseudonym('0110113719'::niji.institution_code, {foreign}, (select person from bridge.own limit 1))
42501 | do 'declare r record; begin for r in select person from bridge.own loop raise exception ''%'', niji.pseudonym(r.person, {d}); end loop; end'
42501 | prepare own_one(int) as select niji.pseudonym(person, $1) from bridge.own;; execute own_one({d})
42501 | prepare own_two(text) as select n from bridge.own where niji.pseudonym(person, {d}) = $1;; execute own_two('{mine}')
42501 | create function bridge.f_own(o bridge.own) returns text language sql as 'select niji.pseudonym(o.person, {d})::text';; select bridge.f_own(o) from bridge.own o
42501 | create function bridge.f_definer(o bridge.own) returns text language plpgsql security definer as 'begin return niji.pseudonym(o.person, {d}); end';; select bridge.f_definer(o) from bridge.own o
42501 | create view bridge.v_own as select niji.pseudonym(person, {d}) as pid, n from bridge.own;; select * from bridge.v_own
42501 | create view bridge.v_two as select niji.pseudonym(person, {d}) as pid, n from bridge.own;; select n from bridge.v_two where pid = '{mine}'
42501 | create materialized view bridge.m_own as select niji.pseudonym(person, {d}) as pid, n from bridge.own
42501 | create table bridge.t_own as select niji.pseudonym(person, {d}) as pid, n from bridge.own
42501|42P17 | create index on bridge.own (niji.pseudonym(person, {d}))
42501 | alter table bridge.own add column pid niji.pseudonym;; update bridge.own set pid = niji.pseudonym(person, {d})
42501 | alter table bridge.own add check (niji.pseudonym(person, {d}) <> '{mine}')
42501 | alter table bridge.own alter column person type niji.pseudonym using niji.pseudonym(person, {d})
42501 | create policy p on bridge.own using (niji.pseudonym(person, {d}) = '{mine}');; alter table bridge.own enable row level security;; alter table bridge.own force row level security;; select n from bridge.own
42501 | explain analyze select n from bridge.own where niji.pseudonym(person, {d}) = '{mine}'
00000 | explain (verbose) select n from bridge.own where niji.pseudonym(person, {d}) = '{mine}'
00000 | explain (verbose) select n from bridge.own where niji.pseudonym(person, {foreign}) in ('{mine}', '{theirs}')
42501 | select niji.permitted(person, 1, 1) from bridge.own where niji.pseudonym(person, {d}) is not null
$q$);

select plan((select sum(cardinality(who)) from attack.attempt)::int + :more);
select is((select permits from found), (select count(*) from attack.list17), 'As a superuser, whom nothing stops, the order of buckets translates one permit''s pseudonyms into another''s');
select is((select holders from found), (select count(*) from attack.truth), 'and one holder''s into another''s: so the attacks below would work');
select attack.judge(a, w) from attack.attempt a, unnest(a.who) w order by a.id;
select * from finish();
