-- as governance: two reviewers have approved
do $$
begin
  perform niji.grant_permit('P2026-017');
  perform niji.add_reader('P2026-017', 'analyst_fujita');
end $$;
\echo '   what the permit compiled to, as \\dp shows it:'
\dp p2026_017.*
select polname as policy, polrelid::regclass as "on", pg_get_expr(polqual, polrelid) as "using"
  from pg_policy join pg_roles r on r.oid = any(polroles) where r.rolname like 'niji\_p%' order by 2;
