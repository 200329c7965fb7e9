-- consent without preload: words and tables are there, judging is not
select category, name_ja from niji.category order by category collate "C";
select purpose, name_ja from niji.purpose order by purpose collate "C";
select basis, name_ja from niji.basis order by basis collate "C";
select declarant, name_ja, until_required, after_death, may_permit from niji.declarant order by declarant collate "C";

-- the filter says what is missing
select niji.permitted('1'::niji.person, 1, 1);
select niji.permitted(null, 1, 1) is null as strict;
select niji.permitted(null, 1, 1, 1) is null as as_strict;
select provolatile, proisstrict, proleakproof, proparallel, pronargs
  from pg_proc where pronamespace = 'niji'::regnamespace and proname = 'permitted' order by pronargs;

-- the tables only grow, and their rows say who wrote them
begin;
insert into niji.consent (person, decision, effective_from, declared_by, xid) values ('7', 'deny', '2026-01-01 00:00+09', 'self', '3');
select xid = pg_current_xact_id() as stamped from niji.consent where person = '7';
savepoint s;
\set VERBOSITY terse
insert into niji.notice (person, category, notified_at) values ('7', 'ehr', '2026-01-01 00:00+09');
select xid = pg_current_xact_id() as stamped from niji.notice where person = '7';
update niji.consent set decision = 'permit';
rollback to s;
delete from niji.consent;
rollback to s;
truncate niji.notice;
rollback to s;
insert into niji.consent (person, decision, effective_from, declared_by) values ('7', 'perhaps', now(), 'self');
rollback to s;
insert into niji.consent (person, decision, effective_from, declared_by) values ('7', 'deny', 'infinity', 'self');
rollback;
