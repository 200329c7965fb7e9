select niji.seal_trail() as sealed_entries;
\echo '   the signed head, to be kept outside:'
select checkpoint from niji.seals order by size desc limit 1 \g (format=unaligned tuples_only=on)
\pset footer on
\echo '   findings of verify_trail() (none when intact):'
select * from niji.verify_trail();
