-- as governance: another permit for the same analyst, so that its pseudonyms can be tried
do $$
begin
  perform niji.apply_permit('P2026-018', 'Survival after lung cancer', 'tohoku-lab', 'research', current_date, current_date + 365);
  perform niji.request_data('P2026-018', 'cancer_registry', array['icd10', 'stage', 'diagnosed_on:year']);
end $$;
