# Pseudonyms: projection against pgcrypto, look-ups, joins and grouping by pid against the same by person, the trail told apart.
#
# The trail's part is told apart by twins: the same tables, not registered, under the same filter (niji.permitted()) and behind
# the same kind of view, read by a role of no permit.  A twin has the pseudonyms and the filter, but no gate, no entries
# and no persons collected; what a permit's view takes longer is the trail's part and the gate's.
# In look-ups by the simple protocol PostgreSQL plans each time, and a view under any policy takes it longer to plan:
# a view and a policy without niji stand beside it.
PERSONS=$((ROWS / 10))
sql postgres -v persons="$PERSONS" <<'SQL' >/dev/null
create table bench_big (person niji.person not null, val int not null, x text not null);
insert into bench_big
  select ((i * 7919::bigint) % :persons + 1)::text::niji.person, i, lpad(i::text, 20, '0') from generate_series(1, :rows) i;
create table bench_one (person niji.person not null, birth int not null);
insert into bench_one select i::text::niji.person, 1920 + i % 100 from generate_series(1, :persons) i;
create index on bench_big (person); create index on bench_one (person);
create table bench_twin_big (like bench_big including indexes); insert into bench_twin_big select * from bench_big;
create table bench_twin_one (like bench_one including indexes); insert into bench_twin_one select * from bench_one;
create table bench_bare_big (like bench_big including indexes); insert into bench_bare_big select * from bench_big;
create table bench_bare_one (like bench_one including indexes); insert into bench_bare_one select * from bench_one;
vacuum (freeze, analyze) bench_big; vacuum (freeze, analyze) bench_one;
vacuum (freeze, analyze) bench_twin_big; vacuum (freeze, analyze) bench_twin_one;
vacuum (freeze, analyze) bench_bare_big; vacuum (freeze, analyze) bench_bare_one;
grant select on bench_bare_big, bench_bare_one to bench_plain;
-- the twins' reader has no permit: only a duty lets it ask what persons permitted
select niji.grant_duty('auditor', 'bench_plain');
select niji.register_dataset('bench_big', 'bench_big', array['person']::name[], 'bench', 'ehr', 'bench');
select niji.register_dataset('bench_one', 'bench_one', array['person']::name[], 'bench', 'ehr', 'bench');
set session authorization bench_governance;
select niji.apply_permit('BENCH-IDENTITY', 'Bench', 'bench', 'research', current_date - 1, current_date + 30);
select niji.request_data('BENCH-IDENTITY', 'bench_big', array['val']);
select niji.request_data('BENCH-IDENTITY', 'bench_one', array['birth']);
set session authorization bench_reviewer_a;
select niji.review_permit('BENCH-IDENTITY', 'approve', '');
set session authorization bench_reviewer_b;
select niji.review_permit('BENCH-IDENTITY', 'approve', '');
set session authorization bench_governance;
select niji.grant_permit('BENCH-IDENTITY');
select niji.add_reader('BENCH-IDENTITY', 'bench_analyst');
SQL
permit=$(sql postgres -c "select id from niji.permit where code = 'BENCH-IDENTITY'")
domain=$(sql postgres -c "select domain from niji.permit where code = 'BENCH-IDENTITY'")
sql postgres -v permit="$permit" -v domain="$domain" <<'SQL' >/dev/null
create role bench_twin nologin;
create schema bench_twin;
grant usage on schema bench_twin to bench_plain;
select id as big from niji.datasets where name = 'bench_big' \gset
select id as one from niji.datasets where name = 'bench_one' \gset
grant select on bench_twin_big, bench_twin_one to bench_twin;
alter table bench_twin_big enable row level security;
alter table bench_twin_one enable row level security;
create policy twin on bench_twin_big for select to bench_twin using (niji.permitted(person, :permit, :big));
create policy twin on bench_twin_one for select to bench_twin using (niji.permitted(person, :permit, :one));
create view bench_twin.bench_big as select niji.pseudonym(person, :domain) as pid, val from bench_twin_big;
create view bench_twin.bench_one as select niji.pseudonym(person, :domain) as pid, birth from bench_twin_one;
create table bench_own (id int not null, val int not null);
insert into bench_own select (i * 7919::bigint) % (:rows / 10) + 1, i from generate_series(1, :rows) i;
create index on bench_own (id);
vacuum (freeze, analyze) bench_own;
grant select on bench_own to bench_twin;
alter table bench_own enable row level security;
create policy own on bench_own for select to bench_twin using (val > 0);
create view bench_twin.bench_own as select id, val from bench_own;
alter view bench_twin.bench_own owner to bench_twin;
grant select on bench_twin.bench_own to bench_plain;
alter view bench_twin.bench_big owner to bench_twin; alter view bench_twin.bench_one owner to bench_twin;
grant select on bench_twin.bench_big, bench_twin.bench_one to bench_plain;
SQL
view=bench_identity

compare "Projection: $ROWS rows; the floor of pseudonym() is count(person), that of pgcrypto count(x)" <<LINES
count(person), the floor|postgres|select count(person) from bench_bare_big
count(niji.pseudonym(person, domain))|postgres|select count(niji.pseudonym(person, $domain)) from bench_bare_big
count(x)|postgres|select count(x) from bench_bare_big
pgcrypto count(hmac(x, key, sha256))|postgres|select count(hmac(x, 'a key of thirty-two bytes........', 'sha256')) from bench_bare_big
LINES
paste -d' ' "$NIJI_SCRATCH"/times.[0-3] | awk -v rows="$ROWS" '
  { niji[NR] = ($2 - $1) / rows * 1e6; hmac[NR] = ($4 - $3) / rows * 1e6 }
  END { for (i = 1; i <= NR; i++) printf "  round %d: pseudonym +%.1f ns a row, hmac +%.0f ns, %.1f times\n", i, niji[i], hmac[i], hmac[i] / niji[i] }'

join='from %s c join %s t on c.%s = t.%s'
compare "Join: $ROWS with $PERSONS rows, not_required" <<LINES
by person, no policy, the floor|bench_plain|select count(*), sum(c.val + t.birth) $(printf "$join" bench_bare_big bench_bare_one person person)
by pid, filtered, without the trail|bench_plain|select count(*), sum(c.val + t.birth) $(printf "$join" bench_twin.bench_big bench_twin.bench_one pid pid)
by pid, a permit's views|bench_analyst|select count(*), sum(c.val + t.birth) $(printf "$join" $view.bench_big $view.bench_one pid pid)
LINES

compare "Grouping: $ROWS rows, $PERSONS groups" <<LINES
by person, no policy, the floor|bench_plain|select count(*) from (select person, count(*) n from bench_bare_big group by person) x where n > 1
by pid, filtered, without the trail|bench_plain|select count(*) from (select pid, count(*) n from bench_twin.bench_big group by pid) x where n > 1
by pid as text, which stays as it is|bench_plain|select count(*) from (select pid::text, count(*) n from bench_twin.bench_big group by pid::text) x where n > 1
by pid, a permit's view|bench_analyst|select count(*) from (select pid, count(*) n from $view.bench_big group by pid) x where n > 1
count(distinct person), no policy|bench_plain|select count(distinct person) from bench_bare_big
count(distinct pid), filtered, without the trail|bench_plain|select count(distinct pid) from bench_twin.bench_big
LINES

# latency MODE TITLE: lines "name|role|script"; one client, microseconds a transaction, interleaved rounds
latency() {
  local mode=$1 title=$2 names=() roles=() scripts=() i round floor time
  while IFS='|' read -r name role script; do names+=("$name"); roles+=("$role"); scripts+=("$script"); done
  printf '\n%s\n' "$title"
  rm -f "$NIJI_SCRATCH"/times.*
  for ((round = 0; round < ROUNDS; round++)); do
    for ((i = 0; i < ${#names[@]}; i++)); do
      as_server pgbench -n -c 1 -T "${SECONDS_OF_PGBENCH:-5}" -M "$mode" -U "${roles[i]}" -f "${scripts[i]}" niji 2>"$NIJI_SCRATCH/pgbench.err" |
        sed -n 's/^tps = \([0-9.]*\).*/\1/p' | awk '{print 1e6 / $1}' >>"$NIJI_SCRATCH/times.$i"
      grep -q 'ERROR\|aborted' "$NIJI_SCRATCH/pgbench.err" && { head -3 "$NIJI_SCRATCH/pgbench.err" >&2; die "pgbench failed for ${names[i]}"; }
    done
  done
  floor=$(median <"$NIJI_SCRATCH/times.0")
  printf '  %-52s %12s %12s\n' '' 'median us' 'over floor'
  for ((i = 0; i < ${#names[@]}; i++)); do
    time=$(median <"$NIJI_SCRATCH/times.$i")
    printf '  %-52s %12.1f %+12.1f\n' "${names[i]}" "$time" "$(awk "BEGIN {print $time - $floor}")"
  done
}

pid=$(sql postgres -c "select niji.pseudonym('4711'::niji.person, $domain)")
script bare "select val from bench_bare_big where person = '4711'" >/dev/null
script own "select val from bench_twin.bench_own where id = 4711" >/dev/null
script twin "select val from bench_twin.bench_big where pid = '$pid'" >/dev/null
script permit "select val from $view.bench_big where pid = '$pid'" >/dev/null
sql bench_plain -c "explain (costs off) select val from bench_twin.bench_big where pid = '$pid'" | grep -q 'Index Cond' || die "the look-up uses no index"
sql postgres -c "alter system set niji.audit_wait = queued" -c 'select pg_reload_conf()' -c 'select pg_sleep(1)' >/dev/null
for mode in prepared simple; do
  latency $mode "Look-up of one person's ten rows, one client, protocol $mode" <<LINES
by person, no policy, the floor|postgres|$NIJI_SCRATCH/bare.pgbench
by number, a view and a policy without niji|bench_plain|$NIJI_SCRATCH/own.pgbench
by pid, filtered, without the trail|bench_plain|$NIJI_SCRATCH/twin.pgbench
by pid, a permit's view, queued|bench_analyst|$NIJI_SCRATCH/permit.pgbench
LINES
done
sql postgres -c "alter system reset niji.audit_wait" -c 'select pg_reload_conf()' -c 'select pg_sleep(1)' >/dev/null
latency prepared "The same, durable" <<LINES
by person, no policy, the floor|postgres|$NIJI_SCRATCH/bare.pgbench
by pid, a permit's view, durable|bench_analyst|$NIJI_SCRATCH/permit.pgbench
LINES
sql postgres -c "select niji.close_permit('BENCH-IDENTITY', 'bench')" -c 'drop view bench_twin.bench_big, bench_twin.bench_one, bench_twin.bench_own' \
  -c 'drop table bench_bare_big, bench_bare_one, bench_twin_big, bench_twin_one, bench_own' >/dev/null
