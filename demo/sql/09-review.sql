-- as a reviewer; the applicant could not
do $$
begin
  perform niji.review_permit('P2026-017', 'approve', 'necessary and proportionate');
end $$;
