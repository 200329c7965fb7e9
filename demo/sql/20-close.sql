do $$
begin
  perform niji.close_permit('P2026-017', 'the study has ended');
end $$;
select code, state from niji.permits order by code;
