# Bulk enrolment, one session: new and known identifiers a second, against what one
# would write in SQL with pgcrypto (an upsert of hmac digests), and the memory of a
# backend while 5 million pass (ENROL_ROWS).
ENROL_ROWS=${ENROL_ROWS:-5000000}
sql postgres <<'SQL' >/dev/null
create extension if not exists pgcrypto;
create table bench_upsert (digest bytea primary key, person int generated always as identity);
-- numbers(first, n): identifiers, made before the clock starts
create function bench_numbers(first int, n int) returns text[] language sql as
  $$ select array_agg('0110113719:' || lpad((first + i)::text, 9, '0')) from generate_series(1, n) i $$;
create function bench_enrol(first int, batches int) returns numeric language plpgsql as $$
declare started timestamptz; passed interval := '0'; numbers text[];
begin
  for b in 0 .. batches - 1 loop
    numbers := bench_numbers(first + b * 50000, 50000);
    started := clock_timestamp();
    perform niji.enrol_batch('patient', numbers, 'bench');
    passed := passed + (clock_timestamp() - started);
  end loop;
  return round(batches * 50000 / extract(epoch from passed));
end $$;
create function bench_upsert(first int, batches int) returns numeric language plpgsql as $$
declare started timestamptz; passed interval := '0'; numbers text[];
begin
  for b in 0 .. batches - 1 loop
    numbers := bench_numbers(first + b * 50000, 50000);
    started := clock_timestamp();
    insert into bench_upsert (digest)
      select substr(hmac(normalize(u, NFKC), 'a key of thirty-two bytes........', 'sha256'), 1, 16) from unnest(numbers) u
      on conflict do nothing;
    perform count(s.person) from unnest(numbers) u
      join bench_upsert s on s.digest = substr(hmac(normalize(u, NFKC), 'a key of thirty-two bytes........', 'sha256'), 1, 16);
    passed := passed + (clock_timestamp() - started);
  end loop;
  return round(batches * 50000 / extract(epoch from passed));
end $$;
SQL
printf '\nBulk enrolment, one session, batches of 50 000\n  %-52s %12s %12s\n' '' 'new /s' 'known /s'
for ((round = 0; round < ROUNDS; round++)); do
  first=$((round * 500000))
  printf '  %-52s %12s %12s\n' 'niji.enrol_batch' "$(sql postgres -c "select bench_enrol($first, 10)")" "$(sql postgres -c "select bench_enrol($first, 10)")"
  printf '  %-52s %12s %12s\n' 'upsert of pgcrypto hmac, and a join' "$(sql postgres -c "select bench_upsert($first, 10)")" "$(sql postgres -c "select bench_upsert($first, 10)")"
done
sql postgres <<SQL >/dev/null
create table bench_staging (number text, person niji.person);
insert into bench_staging select '0110113719:s' || i from generate_series(1, $ENROL_ROWS) i;
SQL
printf '\nniji.enrol_table, %s rows (persons, new, malformed; seconds; private memory of the backend in kB)\n' "$ENROL_ROWS"
sql postgres <<'SQL' | sed 's/^/  /'
select clock_timestamp() as started \gset
call niji.enrol_table('bench_staging', 'number', 'person', 'patient');
select round(extract(epoch from clock_timestamp() - :'started'), 1),
       (regexp_match(pg_read_file('/proc/' || pg_backend_pid() || '/status'), 'RssAnon:\s*(\d+)'))[1];
SQL
sql postgres -c 'drop table bench_staging, bench_upsert; drop function bench_numbers, bench_enrol, bench_upsert' >/dev/null
