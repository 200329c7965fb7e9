-- as the auditor
select pg_sleep(1.5) \g /dev/null
\echo '   reads:'
select seq, r.session_user, permit, command, array_to_string(datasets, ', ') as datasets, rows, persons_scanned as scanned, persons_shown as shown, outcome
  from niji.trail_reads r order by seq;
\echo '   their statements, which are in the private part of the entries, for auditors:'
select seq, left(regexp_replace(text, '\s+', ' ', 'g'), 110) as statement from niji.trail_reads order by seq;
\echo '   refused attempts (what PostgreSQL''s own rights refused stands in the server''s log only):'
select seq, header ->> 'session_user' as session_user, header ->> 'reason' as reason from niji.trail where kind = 'denied' order by seq;
\echo '   changes, one in each mode:'
select seq, relation, command, mode, rows
  from (select distinct on (header ->> 'mode') seq, header ->> 'relation' as relation, header ->> 'command' as command, header ->> 'mode' as mode,
               (header ->> 'rows')::int as rows
          from niji.trail where kind = 'change' order by header ->> 'mode', seq) c order by seq;
\echo '   who used the data of one person, to whom a pseudonym above belongs (outside any permit: the superuser''s update):'
select coalesce(w.permit, 'none') as permit, w.title, w.purpose, w.dataset, w.kind, w.reads
  from niji.who_used((select p from niji.persons_shown('analyst_fujita', now() - interval '1 hour', now(), 'claims_diagnosis') p limit 1)) w
 order by w.permit, w.dataset, w.kind;
