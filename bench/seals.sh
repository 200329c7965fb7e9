# Sealing and verification of entries, and proofs in a tree of 10 million leaves.
entries=${ENTRIES:-500000}
printf '\nSeals: %s entries\n' "$entries"
program=$NIJI_STAGE$("$PG_CONFIG" --bindir)/niji-verify
# wall seconds of a command
seconds() { local start; start=$(date +%s.%N); "$@" >/dev/null; awk "BEGIN {print $(date +%s.%N) - $start}"; }
rate() { awk "BEGIN {printf \"  %-52s %12.0f a second\n\", \"$1\", $2 / $3}"; }

sql postgres -c "select count(niji.record_act('bench', 'entry ' || i)) from generate_series(1, $entries) i" >/dev/null
# seal_trail() waits for niji.audit_timeout at most
sealed() { until sql postgres -c 'select niji.seal_trail()' 2>/dev/null; do :; done; }
rate 'moved into the trail and sealed' "$entries" "$(seconds sealed)"
rate 'verify_trail()' "$entries" "$(seconds sql postgres -c 'select * from niji.verify_trail()')"
sql postgres -c 'select niji.export_trail(null, null)' >"$NIJI_SCRATCH/trail.export"
rate 'niji-verify' "$entries" "$(seconds "$program" "$NIJI_SCRATCH/trail.export")"

# random nodes: what a proof costs does not depend on what they are
sql postgres <<'SQL'
create function pg_temp.node(i bigint) returns bytea language sql as $$ select sha256(int8send(i)) $$;
create temp table whole as select (select string_agg(pg_temp.node(i), '') from generate_series(1, 256) i) as hashes;
begin;
truncate niji.tile;
insert into niji.tile select 0, i, hashes from whole, generate_series(0, 39061) i;
insert into niji.tile select 1, i, hashes from whole, generate_series(0, 151) i;
insert into niji.tile values (2, 0, (select substr(hashes, 1, 152 * 32) from whole));
insert into niji.tile select 1, 152, substr(hashes, 1, 150 * 32) from whole;
analyze niji.tile;
do $$
declare
  start timestamptz;
  times numeric[] := '{}';
begin
  for i in 1..200 loop
    start := clock_timestamp();
    perform niji.prove_inclusion((random() * 9999000)::bigint, 9999871);
    times := times || (1000 * extract(epoch from clock_timestamp() - start))::numeric;
  end loop;
  raise notice using message = format('  inclusion proof in a tree of 10 million: median %s ms, slowest %s ms',
    (select round((percentile_cont(0.5) within group (order by t))::numeric, 3) from unnest(times) t), (select round(max(t), 3) from unnest(times) t));
end $$;
rollback;
SQL
