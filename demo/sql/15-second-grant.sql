do $$
begin
  perform niji.grant_permit('P2026-018');
  perform niji.add_reader('P2026-018', 'analyst_fujita');
end $$;
