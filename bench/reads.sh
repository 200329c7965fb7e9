# Audit of reads: look-ups of one person through a permit, durable and queued, against the bare table and pgaudit.
sql postgres <<'SQL' >/dev/null
create table bench_lab_bare (person niji.person not null, val int not null);
insert into bench_lab_bare select (i % 100000 + 1)::text::niji.person, i from generate_series(1, 1000000) i;
create table bench_lab (like bench_lab_bare);
insert into bench_lab select * from bench_lab_bare;
create table bench_lab_pgaudit (id int not null, val int not null);
insert into bench_lab_pgaudit select i % 100000 + 1, i from generate_series(1, 1000000) i;
create table bench_lab_plain (like bench_lab_pgaudit);
insert into bench_lab_plain select * from bench_lab_pgaudit;
create index on bench_lab (person); create index on bench_lab_pgaudit (id); create index on bench_lab_plain (id);
vacuum (freeze, analyze) bench_lab; vacuum (freeze, analyze) bench_lab_pgaudit; vacuum (freeze, analyze) bench_lab_plain;
grant select on bench_lab_plain to bench_plain;
select niji.register_dataset('bench_lab', 'bench_lab', array['person']::name[], 'bench', 'ehr', 'bench');
SQL
sql postgres -v permit=BENCH-READS -v dataset=bench_lab -v column=val -f "$NIJI_TOP/bench/permit.sql" >/dev/null
domain=$(sql postgres -c "select domain from niji.permit where code = 'BENCH-READS'")
pid=$(sql postgres -c "select niji.pseudonym('4711'::niji.person, $domain)")
reads=$(script reads "select val from bench_reads.bench_lab where pid = '$pid'")
{
  echo "no audit, no filter, the floor|bench_plain|$(script plain 'select val from bench_lab_plain where id = 4711')"
  if [ "$preload" != niji ]; then
    sql postgres -c 'create extension pgaudit' -c 'create role bench_pgaudit login' -c 'grant select on bench_lab_pgaudit to bench_pgaudit' -c "alter role bench_pgaudit set pgaudit.log = 'read'" >/dev/null
    echo "pgaudit read (to the log, not durable)|bench_pgaudit|$(script pgaudit 'select val from bench_lab_pgaudit where id = 4711')"
  fi
  echo "niji, durable|bench_analyst|$reads"
  echo "niji, durable, WHERE 0 = 1: waits for no disk|bench_analyst|$(script nothing "select val from bench_reads.bench_lab where 0 = 1")"
} >"$NIJI_SCRATCH/durable.lines"
throughput "Audit of reads: look-up of one person, 8 clients, durable" <"$NIJI_SCRATCH/durable.lines"
sql postgres -c "alter system set niji.audit_wait = queued" -c 'select pg_reload_conf()' -c 'select pg_sleep(1)' >/dev/null
throughput "Audit of reads: the same, queued" <<LINES
no audit, no filter, the floor|bench_plain|$NIJI_SCRATCH/plain.pgbench
niji, queued|bench_analyst|$reads
LINES
sql postgres -c "alter system reset niji.audit_wait" -c 'select pg_reload_conf()' -c "select niji.close_permit('BENCH-READS', 'bench')" >/dev/null
# what a look-up leaves on disk, with its indexes: two entries, its line in the index, its person; and what is rolled up for all of them
sql postgres -c "select niji.move_trail()" -c "do \$\$ begin while niji.roll_up_persons() > 0 loop null; end loop; end \$\$" >/dev/null
printf '\nAudit of reads: bytes on disk\n'
sql postgres <<'SQL'
select format('  %-52s %12s', 'for each entry (half a look-up)', round(sum(pg_total_relation_size(r)) / (2 * (select count(*) from niji.read_index))))
  from unnest(array['niji.entry_0', 'niji.read_index', 'niji.read_persons', 'niji.person_days', 'niji.person_years', 'niji.person_uses', 'niji.tile']::regclass[]) r
union all
select format('  %-52s %12s', '  of which ' || r::text, round(pg_total_relation_size(r) / (2 * (select count(*) from niji.read_index))::numeric))
  from unnest(array['niji.entry_0', 'niji.read_index', 'niji.read_persons', 'niji.person_uses']::regclass[]) r;
SQL
