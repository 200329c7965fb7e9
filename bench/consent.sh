# Consent: what the row filter costs a reader, and what recording objections costs readers.
#
# All over the same rows: of a million persons (a tenth of the rows at most) 5 % objected.
#
#   recorded        a permit's view, with the trail: filtered (opt_out), and the same where no consent is required
#   not recorded    a twin: the same filter and the same kind of view over a table that is not registered, so that no
#                   persons are collected and no entries written
#   the others      the bare table, and row level security with NOT EXISTS and with EXISTS, over the twin's table
#
# Full scans are measured as processor time of the backend (its schedstat) and as elapsed time; on a busy machine the first is
# the steadier one.  Ratios are of the same run, in interleaved rounds.
PERSONS=$((ROWS / 10 < 1000000 ? ROWS / 10 : 1000000))
sql postgres -v persons="$PERSONS" <<'SQL' >/dev/null
create role bench_officer login;
create role bench_not_exists login;
create role bench_exists login;
select niji.grant_duty('consent_officer', 'bench_officer');
-- the twins' reader has no permit: only a duty lets it ask what persons permitted
select niji.grant_duty('auditor', 'bench_plain');
create table bench_rows (person niji.person not null, d date not null, val int not null, a smallint not null, b smallint not null, c smallint not null);
insert into bench_rows
  select ((i * 7919::bigint) % :persons + 1)::text::niji.person, date '2020-01-01' + (i % 1000), i, i % 2, i % 47, i / 7 % 10 from generate_series(1, :rows) i;
create table bench_filtered (like bench_rows); insert into bench_filtered select * from bench_rows;
create table bench_free (like bench_rows); insert into bench_free select * from bench_rows;
create index on bench_rows (person); create index on bench_filtered (person); create index on bench_free (person);
create index on bench_rows (d); create index on bench_filtered (d); create index on bench_free (d);
create table bench_objection (person niji.person primary key);
insert into bench_objection select (i * 20)::text::niji.person from generate_series(1, :persons / 20) i;
create table bench_consented (person niji.person primary key);
insert into bench_consented select i::text::niji.person from generate_series(1, :persons) i where i % 20 <> 0;
vacuum (freeze, analyze) bench_rows; vacuum (freeze, analyze) bench_filtered; vacuum (freeze, analyze) bench_free;
vacuum (freeze, analyze) bench_objection; vacuum (freeze, analyze) bench_consented;
select niji.register_dataset('bench_filtered', 'bench_filtered', array['person']::name[], 'bench', 'claims', 'bench');
select niji.register_dataset('bench_free', 'bench_free', array['person']::name[], 'bench', 'ehr', 'bench');
insert into niji.consent (person, decision, category, effective_from) select person, 'deny', 'claims', now() from bench_objection;
analyze niji.consent;
set session authorization bench_governance;
select niji.apply_permit('BENCH-CONSENT', 'Bench', 'bench', 'research', current_date - 1, current_date + 30);
select niji.request_data('BENCH-CONSENT', 'bench_filtered', array['d', 'val', 'a', 'b', 'c']);
select niji.request_data('BENCH-CONSENT', 'bench_free', array['d', 'val', 'a', 'b', 'c']);
set session authorization bench_reviewer_a;
select niji.review_permit('BENCH-CONSENT', 'approve', '');
set session authorization bench_reviewer_b;
select niji.review_permit('BENCH-CONSENT', 'approve', '');
set session authorization bench_governance;
select niji.grant_permit('BENCH-CONSENT');
select niji.add_reader('BENCH-CONSENT', 'bench_analyst');
SQL
permit=$(sql postgres -c "select id from niji.permit where code = 'BENCH-CONSENT'")
domain=$(sql postgres -c "select domain from niji.permit where code = 'BENCH-CONSENT'")
sql postgres -v permit="$permit" -v domain="$domain" <<'SQL' >/dev/null
select id as filtered from niji.datasets where name = 'bench_filtered' \gset
select id as free from niji.datasets where name = 'bench_free' \gset
create role bench_twin nologin;
create role bench_twin_free nologin;
create schema bench_twin;
grant usage on schema bench_twin to bench_plain;
alter table bench_rows enable row level security;
grant select on bench_rows to bench_twin, bench_twin_free, bench_not_exists, bench_exists;
grant select on bench_objection, bench_consented to bench_not_exists, bench_exists;
create policy twin on bench_rows for select to bench_twin using (niji.permitted(person, :permit, :filtered));
create policy twin_free on bench_rows for select to bench_twin_free using (niji.permitted(person, :permit, :free));
create policy not_exists on bench_rows for select to bench_not_exists using (not exists (select from bench_objection o where o.person = bench_rows.person));
create policy exists on bench_rows for select to bench_exists using (exists (select from bench_consented o where o.person = bench_rows.person));
create view bench_twin.filtered as select niji.pseudonym(person, :domain) as pid, d, val, a, b, c from bench_rows;
create view bench_twin.free as select niji.pseudonym(person, :domain) as pid, d, val, a, b, c from bench_rows;
alter view bench_twin.filtered owner to bench_twin;
alter view bench_twin.free owner to bench_twin_free;
grant select on bench_twin.filtered, bench_twin.free to bench_plain;
SQL
view=bench_consent
pid=$(sql postgres -c "select niji.pseudonym('4711'::niji.person, $domain)")
counts=$(sql bench_analyst -c "select count(val) from $view.bench_filtered"):$(sql bench_plain -c 'select count(val) from bench_twin.filtered'):$(sql bench_not_exists -c 'select count(val) from bench_rows'):$(sql bench_exists -c 'select count(val) from bench_rows')
[ "$(tr ':' '\n' <<<"$counts" | sort -u | wc -l)" -eq 1 ] || die "the filters disagree: $counts"

# cost ROLE SQL [SETTINGS]: "elapsed ms, processor ms" of the backend (its workers are not in the second)
cost() {
  as_server psql -X -q -t -A -v ON_ERROR_STOP=1 -U "$1" -d niji 2>&1 <<SQL | awk '/^ns / { ns[++n] = $2 } /^Time:/ { ms = $2 } END { printf "%s %.3f\n", ms, (ns[2] - ns[1]) / 1e6 }'
${3:-}
select pg_backend_pid() as backend \gset
\setenv BACKEND :backend
select count(*) from pg_class where relname = '';
\! echo ns \$(cut -d' ' -f1 /proc/\$BACKEND/schedstat)
\timing on
$2;
\timing off
\! echo ns \$(cut -d' ' -f1 /proc/\$BACKEND/schedstat)
SQL
}

# costs TITLE: lines "name|role|sql"; the first is the floor; medians of both times, their ratios, and ns a row of processor time
costs() {
  local title=$1 names=() roles=() queries=() i round pair
  while IFS='|' read -r name role query; do names+=("$name"); roles+=("$role"); queries+=("$query"); done
  printf '\n%s\n' "$title"
  rm -f "$NIJI_SCRATCH"/times.* "$NIJI_SCRATCH"/cpu.*
  for ((round = -1; round < ROUNDS; round++)); do
    for ((i = 0; i < ${#names[@]}; i++)); do
      pair=$(cost "${roles[i]}" "${queries[i]}")
      [ -n "${pair%% *}" ] || { sql "${roles[i]}" -c "${queries[i]}" >&2; die "no time for ${names[i]}"; }
      [ "$round" -lt 0 ] || { echo "${pair% *}" >>"$NIJI_SCRATCH/times.$i"; echo "${pair#* }" >>"$NIJI_SCRATCH/cpu.$i"; }
    done
  done
  printf '  %-56s %10s %6s %10s %6s %9s\n' '' 'ms' 'x' 'cpu ms' 'x' '+ns/row'
  for ((i = 0; i < ${#names[@]}; i++)); do
    printf '  %-56s %10.1f %6.2f %10.1f %6.2f %+9.1f\n' "${names[i]}" $(echo "$(median <"$NIJI_SCRATCH/times.$i") $(median <"$NIJI_SCRATCH/times.0") $(median <"$NIJI_SCRATCH/cpu.$i") $(median <"$NIJI_SCRATCH/cpu.0")" |
      awk -v rows="$ROWS" '{ print $1, $1 / $2, $3, $3 / $4, ($3 - $4) / rows * 1e6 }')
  done
}

# each ROLE SQL [COUNT]: processor microseconds of the backend for one execution of a prepared statement in a transaction of its own
each() {
  local count=${3:-500}
  { printf 'prepare p as %s;\nselect pg_backend_pid() as backend \\gset\n\\setenv BACKEND :backend\n' "$2"
    for ((n = 0; n < count + 20; n++)); do
      [ "$n" -ne 20 ] || echo "\\! echo ns \$(cut -d' ' -f1 /proc/\$BACKEND/schedstat)"
      echo 'execute p \g /dev/null'
    done
    echo "\\! echo ns \$(cut -d' ' -f1 /proc/\$BACKEND/schedstat)"
  } | as_server psql -X -q -t -A -v ON_ERROR_STOP=1 -U "$1" -d niji 2>&1 | awk -v n="$count" '/^ns / { ns[++k] = $2 } END { printf "%.1f\n", (ns[2] - ns[1]) / n / 1e3 }'
}

# added TITLE: lines "name|role|sql": processor µs a statement, and over the first
added() {
  local title=$1 names=() roles=() queries=() i round
  while IFS='|' read -r name role query; do names+=("$name"); roles+=("$role"); queries+=("$query"); done
  printf '\n%s\n' "$title"
  rm -f "$NIJI_SCRATCH"/cpu.*
  for ((round = 0; round < ROUNDS; round++)); do
    for ((i = 0; i < ${#names[@]}; i++)); do each "${roles[i]}" "${queries[i]}" >>"$NIJI_SCRATCH/cpu.$i"; done
  done
  printf '  %-56s %10s %10s\n' '' 'cpu µs' 'added'
  for ((i = 0; i < ${#names[@]}; i++)); do
    printf '  %-56s %10.1f %+10.1f\n' "${names[i]}" $(echo "$(median <"$NIJI_SCRATCH/cpu.$i") $(median <"$NIJI_SCRATCH/cpu.0")" | awk '{ print $1, $1 - $2 }')
  done
}

scan='select count(val) from'
costs "Full scan: count(val) over $ROWS rows, $PERSONS persons, 5 % objected" <<LINES
the bare table|postgres|$scan bench_rows
not recorded, no consent required|bench_plain|$scan bench_twin.free
not recorded, filtered|bench_plain|$scan bench_twin.filtered
recorded, no consent required|bench_analyst|$scan $view.bench_free
recorded, filtered|bench_analyst|$scan $view.bench_filtered
row level security, NOT EXISTS|bench_not_exists|$scan bench_rows
row level security, EXISTS|bench_exists|$scan bench_rows
LINES
group='select a, b, c, sum(val), avg(val) from %s group by a, b, c'
costs "Group by three columns, sum and avg; the first is what the bar is measured against" <<LINES
recorded, no consent required|bench_analyst|select count(*) from ($(printf "$group" "$view.bench_free")) x
recorded, filtered|bench_analyst|select count(*) from ($(printf "$group" "$view.bench_filtered")) x
the bare table|postgres|select count(*) from ($(printf "$group" bench_rows)) x
LINES
range="where d between '2021-03-01' and '2021-03-03'"
costs "Range of three days (ns a row: of all rows)" <<LINES
recorded, no consent required|bench_analyst|$scan $view.bench_free $range
recorded, filtered|bench_analyst|$scan $view.bench_filtered $range
the bare table|postgres|$scan bench_rows $range
row level security, NOT EXISTS|bench_not_exists|$scan bench_rows $range
row level security, EXISTS|bench_exists|$scan bench_rows $range
LINES

# a reader's copy of all rows, and a table of the same width that nobody protects
sql bench_analyst -c "create table ${view}_work.copy as select pid, val from $view.bench_filtered" >/dev/null
sql postgres -c "create table bench_copy as select md5(i::text)::uuid as pid, i::int as val from generate_series(1, (select count(*) from bench_rows r where r.person not in (select person from bench_objection))) i" \
  -c 'grant select on bench_copy to bench_plain' -c "vacuum (freeze, analyze) bench_copy" -c "vacuum (freeze, analyze) ${view}_work.copy" >/dev/null
costs "Scan of a workspace's table: count(val) of a reader's copy (ns a row: of all rows)" <<LINES
a table without protection, of the same width|bench_plain|$scan bench_copy
the workspace's table|bench_analyst|$scan ${view}_work.copy
LINES
sql bench_analyst -c "drop table ${view}_work.copy" >/dev/null
sql postgres -c 'drop table bench_copy' >/dev/null

printf '\nTwo workers: elapsed ms serial, with two workers, and how many times faster\n'
for name in bench_free bench_filtered; do
  rm -f "$NIJI_SCRATCH"/times.*
  for ((round = 0; round < ROUNDS; round++)); do
    cost bench_analyst "$scan $view.$name" | cut -d' ' -f1 >>"$NIJI_SCRATCH/times.0"
    cost bench_analyst "$scan $view.$name" 'set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set min_parallel_table_scan_size = 0;' | cut -d' ' -f1 >>"$NIJI_SCRATCH/times.1"
  done
  printf '  %-56s %10.1f %10.1f %6.2f\n' "$name" $(echo "$(median <"$NIJI_SCRATCH/times.0") $(median <"$NIJI_SCRATCH/times.1")" | awk '{ print $1, $2, $1 / $2 }')
done

# the wait for the disk is the same with and without a filter
sql postgres -c "alter system set niji.audit_wait = queued" -c 'select pg_reload_conf()' -c 'select pg_sleep(1)' >/dev/null
added "Point query: one person's rows by pid, prepared (queued)" <<LINES
recorded, no consent required|bench_analyst|select val from $view.bench_free where pid = '$pid'
recorded, filtered|bench_analyst|select val from $view.bench_filtered where pid = '$pid'
LINES
added "Start of a statement: one that finds no row, prepared (queued), nothing changes" <<LINES
recorded, no consent required|bench_analyst|select val from $view.bench_free where d = '1900-01-01'
recorded, filtered|bench_analyst|select val from $view.bench_filtered where d = '1900-01-01'
LINES

# the second and later statements of a session, each after another session committed 1 000 objections of persons who objected before
printf '\nStart of a statement: 1 000 consents were committed since the last one\n'
rm -f "$NIJI_SCRATCH"/cpu.*
for name in bench_free bench_filtered; do
  { printf 'prepare p as %s %s.%s %s;\nselect pg_backend_pid() as backend \\gset\n\\setenv BACKEND :backend\nexecute p;\nexecute p;\n' "$scan" "$view" "$name" "where d = '1900-01-01'"
    for ((round = 0; round < 5 * ROUNDS; round++)); do
      echo "\\! psql -X -q -U postgres -d niji -c \"insert into niji.consent (person, decision, category, effective_from) select person, 'deny', 'claims', now() from (select person from bench_objection offset $((round * 1000 % (PERSONS / 20 - 1000 > 0 ? PERSONS / 20 - 1000 : 1))) limit 1000) x\""
      echo "\\! echo ns \$(cut -d' ' -f1 /proc/\$BACKEND/schedstat)"
      echo 'execute p;'
      echo "\\! echo ns \$(cut -d' ' -f1 /proc/\$BACKEND/schedstat)"
    done
  } | as_server psql -X -q -t -A -U bench_analyst -d niji 2>&1 | awk '/^ns / { if (++k % 2 == 0) print ($2 - last) / 1e3; last = $2 }' >"$NIJI_SCRATCH/cpu.$name"
done
printf '  %-56s %10.1f\n' 'no consent required, cpu µs' "$(median <"$NIJI_SCRATCH/cpu.bench_free")" 'filtered, cpu µs' "$(median <"$NIJI_SCRATCH/cpu.bench_filtered")"

# a fresh connection for each statement; the server without niji has a view and a table of the same columns
printf '\nFirst statement of a fresh backend: connecting and one look-up, µs (queued)\n'
script first "select val from $view.bench_filtered where d = '1900-01-01'" >/dev/null
script first_free "select val from $view.bench_free where d = '1900-01-01'" >/dev/null
script first_plain "select val from bench_view where d = '1900-01-01'" >/dev/null
niji_host=$PGHOST
(NIJI_PLAIN=1; export NIJI_PLAIN; new_cluster bench_without niji "shared_buffers = 128MB" "jit = off" >/dev/null)
without=$NIJI_SCRATCH/bench_without
PGHOST=$without sql postgres -c 'create table bench_rows (person int not null, d date not null, val int not null)' -c 'insert into bench_rows select i, current_date, i from generate_series(1, 10000) i' \
  -c 'create index on bench_rows (d)' -c 'analyze bench_rows' -c 'create view bench_view as select d, val from bench_rows' -c 'create role bench_reader login' -c 'grant select on bench_view to bench_reader' >/dev/null
fresh() { PGHOST=$1 as_server pgbench -n -C -c 1 -t "${CONNECTIONS:-300}" -U "$2" -f "$NIJI_SCRATCH/$3.pgbench" niji 2>"$NIJI_SCRATCH/pgbench.err" | sed -n 's/^latency average = \([0-9.]*\) ms.*/\1/p' | awk '{ print $1 * 1000 }'; }
rm -f "$NIJI_SCRATCH"/times.*
for ((round = 0; round < ROUNDS; round++)); do
  fresh "$without" bench_reader first_plain >>"$NIJI_SCRATCH/times.0"
  fresh "$niji_host" bench_analyst first_free >>"$NIJI_SCRATCH/times.1"
  fresh "$niji_host" bench_analyst first >>"$NIJI_SCRATCH/times.2"
done
stop_cluster bench_without immediate
for i in 0 1 2; do
  printf '  %-56s %10.0f %+10.0f\n' "$(echo 'a server without niji|recorded, no consent required|recorded, filtered' | cut -d'|' -f$((i + 1)))" \
    $(echo "$(median <"$NIJI_SCRATCH/times.$i") $(median <"$NIJI_SCRATCH/times.0")" | awk '{ print $1, $1 - $2 }')
done
sql postgres -c "alter system reset niji.audit_wait" -c 'select pg_reload_conf()' -c 'select pg_sleep(1)' >/dev/null

# as many as 8 sessions can record, each with its own commit on disk; then readers while 1 000 a second are recorded
printf '\nObjections: 8 sessions, fsync and synchronous_commit on\n'
printf '\\set p random(1, %s)\n%s\n' "$PERSONS" "select niji.record_consent(:p::text::niji.person, 'deny', 'claims', 'research');" >"$NIJI_SCRATCH/object.pgbench"
chmod a+r "$NIJI_SCRATCH/object.pgbench"
script range "$scan $view.bench_filtered $range" >/dev/null
object() { as_server pgbench -n -c 8 -j 1 -M prepared -U bench_officer -f "$NIJI_SCRATCH/object.pgbench" "$@" niji 2>"$NIJI_SCRATCH/pgbench.err" | sed -n 's/^tps = \([0-9.]*\).*/\1/p'; }
read_range() { as_server pgbench -n -c 1 -M prepared -T "${SECONDS_OF_PGBENCH:-5}" -U bench_analyst -f "$NIJI_SCRATCH/range.pgbench" niji 2>"$NIJI_SCRATCH/pgbench.err" | sed -n 's/^latency average = \([0-9.]*\) ms.*/\1/p'; }
rm -f "$NIJI_SCRATCH"/times.*
for ((round = 0; round < ROUNDS; round++)); do
  object -T "${SECONDS_OF_PGBENCH:-5}" >>"$NIJI_SCRATCH/times.0"
  read_range >>"$NIJI_SCRATCH/times.1"
  object -R 1000 -T $((${SECONDS_OF_PGBENCH:-5} + 2)) >>"$NIJI_SCRATCH/times.2" &
  recording=$!
  sleep 1
  read_range >>"$NIJI_SCRATCH/times.3"
  wait "$recording"
done
printf '  %-56s %10.0f\n' 'recorded a second, at most' "$(median <"$NIJI_SCRATCH/times.0")" 'recorded a second, of 1 000 asked for, beside a reader' "$(median <"$NIJI_SCRATCH/times.2")"
printf '  %-56s %10.1f\n' "a reader's range of three days, ms, alone" "$(median <"$NIJI_SCRATCH/times.1")"
printf '  %-56s %10.1f %6.2f\n' 'the same beside 1 000 objections a second' $(echo "$(median <"$NIJI_SCRATCH/times.3") $(median <"$NIJI_SCRATCH/times.1")" | awk '{ print $1, $1 / $2 }')
sql postgres -c "select niji.close_permit('BENCH-CONSENT', 'bench')" -c 'drop view bench_twin.filtered, bench_twin.free' -c 'drop table bench_rows' >/dev/null
