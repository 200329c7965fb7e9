# Cohorts: a permit's view for a cohort against the same view without one, and against a join with a list of persons, on the same rows
# and without consents, so that the cohort alone is measured; 1 % and 50 % of a million persons, and 500 of them.
sql postgres <<'SQL' >/dev/null
create table bench_cohort_bare (person niji.person not null, val int not null);
insert into bench_cohort_bare select ((i * 7919::bigint) % 1000000 + 1)::text::niji.person, i from generate_series(1, :rows) i;
create index on bench_cohort_bare (person);
create table bench_list (size text, person niji.person);
insert into bench_list select 'few', (i * 1999)::text::niji.person from generate_series(1, 500) i;
insert into bench_list select 'some', (i * 100)::text::niji.person from generate_series(1, 10000) i;
insert into bench_list select 'half', (i * 2)::text::niji.person from generate_series(1, 500000) i;
create index on bench_list (size, person);
vacuum (freeze, analyze) bench_cohort_bare; vacuum (freeze, analyze) bench_list;
grant select on bench_list, bench_cohort_bare to bench_plain;
create table bench_cohort as select * from bench_cohort_bare;
create index on bench_cohort (person);
vacuum (freeze, analyze) bench_cohort;
select niji.register_dataset('bench_cohort', 'bench_cohort', array['person']::name[], 'bench', 'ehr', 'bench');
SQL
for size in none few some half; do
  sql postgres -v permit="BENCH-COHORT-$size" -v size="$size" <<'SQL' >/dev/null
set session authorization bench_governance;
select niji.apply_permit(:'permit', 'Bench', 'bench', 'research', current_date - 1, current_date + 30);
select niji.create_cohort(:'permit', 'people') as cohort \gset
reset session authorization;
-- lists are of identifiers; here persons are put in as such
select niji.new_cohort_version(:cohort, 'list') as version \gset
select niji.end_cohort_version(:cohort, :version, niji.write_cohort(:cohort, 0, :version, (select array_agg(person) from bench_list where size = :'size'), '{}')) where :'size' <> 'none';
set session authorization bench_governance;
select niji.request_data(:'permit', 'bench_cohort', '{val}', cohort => case when :'size' <> 'none' then 'people' end);
set session authorization bench_reviewer_a;
select niji.review_permit(:'permit', 'approve', '');
set session authorization bench_reviewer_b;
select niji.review_permit(:'permit', 'approve', '');
set session authorization bench_governance;
select niji.grant_permit(:'permit');
select niji.add_reader(:'permit', 'bench_analyst');
SQL
done
for size in few some half; do
  counts=$(sql bench_analyst -c "select count(val) from bench_cohort_$size.bench_cohort"):$(sql bench_plain -c "select count(val) from bench_cohort_bare b where exists (select from bench_list l where l.size = '$size' and l.person = b.person)")
  [ "${counts%:*}" = "${counts#*:}" ] || die "cohort and list disagree: $counts"
done
compare "Cohort: count(val) over $ROWS rows of a million persons" <<LINES
niji: a permit's view without a cohort, the floor|bench_analyst|select count(val) from bench_cohort_none.bench_cohort
niji: a cohort of 500 000|bench_analyst|select count(val) from bench_cohort_half.bench_cohort
niji: a cohort of 10 000|bench_analyst|select count(val) from bench_cohort_some.bench_cohort
niji: a cohort of 500, by the index|bench_analyst|select count(val) from bench_cohort_few.bench_cohort
a join with a list of 500 000|bench_plain|select count(val) from bench_cohort_bare b join bench_list l on l.size = 'half' and l.person = b.person
a join with a list of 10 000|bench_plain|select count(val) from bench_cohort_bare b join bench_list l on l.size = 'some' and l.person = b.person
a join with a list of 500|bench_plain|select count(val) from bench_cohort_bare b join bench_list l on l.size = 'few' and l.person = b.person
LINES
for size in none few some half; do sql postgres -c "select niji.close_permit('BENCH-COHORT-$size', 'bench')" >/dev/null; done
