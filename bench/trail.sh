# Who used a person's data: the sets of 1 000 permits over three years, each of a random cohort of 1 to 5 of 100 persons, read on 150 days.
# One chunk of 65 536 persons is made, the one that a look-up touches: the other 152 of 10 million persons would only make indexes deeper.
sql postgres -v permits="${PERMITS:-1000}" -v days="${DAYS:-1095}" <<'SQL' >/dev/null
set session_replication_role = replica;
insert into niji.permit (id, code, title, applicant, purpose, valid_from, valid_until, domain, schema_name, state)
  overriding system value
  select 100000 + n, 'BENCH-T' || n, 'Bench', (select min(id) from niji.applicant), 'research', current_date, current_date + 1, 0, 'bench_t' || n, 'granted' from generate_series(1, :permits) n;
set session_replication_role = origin;
create function pg_temp.cohort(share float8) returns bytea language sql as $$
  with m as (select array_agg(x order by x) as a from generate_series(0, 65535) x where random() < share)
  select '\x3a3000000100000000000'::text::bytea from m where false
$$;
SQL
SQL_BITMAP='
create function public.bench_bitmap(share float8) returns bytea language plpgsql as $f$
declare n int; h text;
begin
  select count(*), string_agg(lpad(to_hex(x & 255), 2, $$0$$) || lpad(to_hex(x >> 8), 2, $$0$$), $$$$ order by x) into n, h from generate_series(0, 65535) x where random() < share or x = 4711 and random() < 0.05;
  return decode($$3a30000001000000$$ || $$0000$$ || lpad(to_hex((n - 1) & 255), 2, $$0$$) || lpad(to_hex((n - 1) >> 8), 2, $$0$$) || $$10000000$$ || h, $$hex$$);
end $f$;'
sql postgres -c "$SQL_BITMAP" >/dev/null
