# Who used a person's data: 1 000 permits over three years, each with a random cohort of 1 to 5 of 100 persons that was read on 150 days.
# One chunk of 65 536 persons is made, the one that a look-up touches; the other 152 of 10 million persons would only make the indexes deeper.
sql postgres -v permits="${PERMITS:-1000}" <<'SQL' >/dev/null
create function public.bench_cohort(share float8) returns bytea language plpgsql as $$
declare
  n int;
  numbers text;
begin
  -- Roaring's portable format: one array container
  select count(*), string_agg(lpad(to_hex(x & 255), 2, '0') || lpad(to_hex(x >> 8), 2, '0'), '' order by x) into n, numbers
    from generate_series(0, 65535) x where random() < share;
  return decode('3a30000001000000' || '0000' || lpad(to_hex((n - 1) & 255), 2, '0') || lpad(to_hex((n - 1) >> 8), 2, '0') || '10000000' || numbers, 'hex');
end $$;
create table public.bench_cohorts as
  select 100000 + n as permit, public.bench_cohort(0.01 + 0.04 * random()) as persons from generate_series(1, :permits) n;
set session_replication_role = replica;
insert into niji.permit (id, code, title, applicant, purpose, valid_from, valid_until, domain, schema_name, state)
  overriding system value
  select permit, 'BENCH-T' || permit, 'Bench', (select min(id) from niji.applicant), 'research', current_date, current_date + 1, 0, 'bench_t' || permit, 'closed' from public.bench_cohorts;
set session_replication_role = origin;
-- half of the reads showed them: 8 of these are enough for facts of several digits
insert into niji.person_uses (chunk, permit, dataset, shown, members, persons, facts)
  select 0, c.permit, 1, s.shown, niji.persons_number(c.persons), c.persons, niji.persons_facts(c.persons, null, date '2023-01-01' + d * 137)
    from public.bench_cohorts c, (values (true), (false)) s (shown), generate_series(0, 7) d group by c.permit, s.shown, c.persons;
insert into niji.person_days (permit, chunk, dataset, shown, day, reader, persons)
  select c.permit, 0, 1, true, date '2023-01-01' + d * 7, 'bench', c.persons from public.bench_cohorts c, generate_series(0, 149) d where c.permit <= 100100;
insert into niji.person_uses_position (seq) select max(seq) from niji.entry on conflict (only_one) do update set seq = excluded.seq;
analyze niji.person_uses;
analyze niji.person_days;
-- as autovacuum would, which is off here
analyze niji.read_index;
analyze niji.read_persons;
analyze niji.permit;
SQL
sql postgres -c "vacuum niji.person_uses" -c "vacuum niji.person_days" >/dev/null
person=$(sql postgres -c "select niji.persons_list(persons, 0) from public.bench_cohorts where permit = 100001 limit 1")
# psql's own time of a call in a session that has called it before
look_up() {
  sql postgres -c "$1" -c '\timing on' -c "$1" -c "$1" -c "$1" -c "$1" -c "$1" 2>&1 | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | median
}
printf '\nWho used a person: %s permits, three years\n' "${PERMITS:-1000}"
printf '  %-52s %12s\n' '' 'median ms'
printf '  %-52s %12s\n' "who_used, $(sql postgres -c "select count(*) from niji.who_used('$person')") lines" "$(look_up "select count(*) from niji.who_used('$person')")"
printf '  %-52s %12s\n' "who_used_days of one permit, $(sql postgres -c "select count(*) from niji.who_used_days('$person', 'BENCH-T100001')") days" "$(look_up "select count(*) from niji.who_used_days('$person', 'BENCH-T100001')")"
sql postgres -c "delete from niji.permit where id > 100000" -c "delete from niji.person_uses where permit > 100000" -c "delete from niji.person_days where permit > 100000" -c "drop table public.bench_cohorts" >/dev/null 2>&1 || true
