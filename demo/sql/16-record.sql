-- as the auditor
select pg_sleep(1.5) \g /dev/null
\echo '   reads:'
select seq, r.session_user, permit, command, array_to_string(datasets, ', ') as datasets, rows, persons_scanned as scanned, persons_shown as shown, outcome
  from niji.trail_reads r order by seq;
\echo '   refused attempts:'
select seq, header ->> 'session_user' as session_user, header ->> 'reason' as reason from niji.trail where kind = 'denied' order by seq;
\echo '   changes, one in each mode:'
select distinct on (header ->> 'mode') seq, header ->> 'relation' as relation, header ->> 'command' as command, header ->> 'mode' as mode, header ->> 'rows' as rows
  from niji.trail where kind = 'change' order by header ->> 'mode', seq;
\echo '   who used the data of one person:'
select w.permit, w.title, w.purpose, w.dataset, w.kind, w.reads
  from niji.who_used((select person from niji.consents where decision = 'permit' and person is not null order by id limit 1)) w;
