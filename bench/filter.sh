# The row filter: niji's policy against row level security with NOT EXISTS, on the same rows; 5 % of a million persons opted out.
sql postgres <<'SQL' >/dev/null
create table bench_bare (person niji.person not null, d date not null, val int not null);
insert into bench_bare
  select ((i * 7919::bigint) % 1000000 + 1)::text::niji.person, date '2020-01-01' + (i % 1000), i
    from generate_series(1, :rows) i;
create table bench_claims (like bench_bare);
insert into bench_claims select * from bench_bare;
create table bench_exists (like bench_bare);
insert into bench_exists select * from bench_bare;
create table bench_opt_out (person niji.person primary key);
insert into bench_opt_out select (i * 20)::text::niji.person from generate_series(1, 50000) i;
create index on bench_bare (person); create index on bench_claims (person); create index on bench_exists (person);
create index on bench_bare (d); create index on bench_claims (d); create index on bench_exists (d);
vacuum (freeze, analyze) bench_bare; vacuum (freeze, analyze) bench_claims; vacuum (freeze, analyze) bench_exists; vacuum (freeze, analyze) bench_opt_out;
grant select on bench_bare, bench_exists, bench_opt_out to bench_plain;
alter table bench_exists enable row level security;
create policy bench on bench_exists for select to bench_plain
  using (not exists (select from bench_opt_out o where o.person = bench_exists.person));
select niji.register_dataset('bench_claims', 'bench_claims', array['person']::name[], 'bench', 'claims', 'bench');
insert into niji.consent (person, decision, category, effective_from)
  select person, 'deny', 'claims', now() from bench_opt_out;
SQL
sql postgres -v permit=BENCH-FILTER -v dataset=bench_claims -v column=val -f "$NIJI_TOP/bench/permit.sql" >/dev/null
schema=bench_filter
counts=$(sql bench_analyst -c "select count(val) from $schema.bench_claims"):$(sql bench_plain -c 'select count(val) from bench_exists')
[ "${counts%:*}" = "${counts#*:}" ] || die "the filters disagree: $counts"
compare "Row filter: count(val) over $ROWS rows, 5 % of the persons opted out" <<LINES
no policy, the floor|bench_plain|select count(val) from bench_bare
niji: a permit's view, filtered and recorded|bench_analyst|select count(val) from $schema.bench_claims
row level security with NOT EXISTS|bench_plain|select count(val) from bench_exists
LINES
sql postgres -c "select niji.close_permit('BENCH-FILTER', 'bench')" >/dev/null
