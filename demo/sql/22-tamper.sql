-- as a superuser who would rather not have read this: the guard is switched off, a byte is changed
set session_replication_role = replica;
alter table niji.entry disable trigger user;
update niji.entry set header = set_byte(header, length(header) - 1, get_byte(header, length(header) - 1) # 1)
  where seq = (select min(seq) from niji.trail_reads);
alter table niji.entry enable trigger user;
\echo '   altered entry:'
select min(seq) as seq from niji.trail_reads;
