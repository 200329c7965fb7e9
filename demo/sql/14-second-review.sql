do $$
begin
  perform niji.review_permit('P2026-018', 'approve', 'as the first');
end $$;
