# Audit of changes: bulk insert and single-row inserts, niji's capture against a statement-level PL/pgSQL trigger.
sql postgres <<'SQL' >/dev/null
create table bench_none (id bigint, code text, val int);
create table bench_niji (like bench_none);
create table bench_niji_rows (like bench_none);
create table bench_plpgsql (like bench_none);
create table bench_audit (id bigint generated always as identity, at timestamptz, actor name, relation regclass, command text, rows jsonb);
create function bench_audit() returns trigger language plpgsql as $$
begin
  insert into bench_audit (at, actor, relation, command, rows)
    select clock_timestamp(), session_user, tg_relid, tg_op, to_jsonb(n) from new_rows n;
  return null;
end $$;
create trigger audit after insert on bench_plpgsql referencing new table as new_rows
  for each statement execute function bench_audit();
select niji.audit_changes('bench_niji', 'statement');
select niji.audit_changes('bench_niji_rows', 'rows');
SQL
source_rows='select i, $$E119$$, i % 100 from generate_series(1, 300000) i'
compare "Audit of changes: insert of 300 000 rows" <<LINES
no audit, the floor|postgres|insert into bench_none $source_rows
niji, mode statement (counts)|postgres|insert into bench_niji $source_rows
niji, mode rows (values)|postgres|insert into bench_niji_rows $source_rows
statement-level PL/pgSQL trigger (values)|postgres|insert into bench_plpgsql $source_rows
LINES
throughput "Audit of changes: single-row inserts, 8 clients" <<LINES
no audit, the floor|postgres|$(script none 'insert into bench_none values (1, $$E119$$, 1)')
niji, mode statement|postgres|$(script statement 'insert into bench_niji values (1, $$E119$$, 1)')
niji, mode rows|postgres|$(script rows 'insert into bench_niji_rows values (1, $$E119$$, 1)')
statement-level PL/pgSQL trigger|postgres|$(script plpgsql 'insert into bench_plpgsql values (1, $$E119$$, 1)')
LINES
sql postgres -c 'drop table bench_none, bench_niji, bench_niji_rows, bench_plpgsql, bench_audit'
