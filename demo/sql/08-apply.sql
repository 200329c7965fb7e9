-- as governance: the application, column by column
do $$
begin
  perform niji.register_applicant('tohoku-lab', '東北疫学研究室', 'medical_institution');
  perform niji.apply_permit('P2026-017', 'Diabetes and cancer', 'tohoku-lab', 'research', current_date, current_date + 365);
  perform niji.request_data('P2026-017', 'claims_diagnosis', array['institution:pseudonym', 'service_month', 'disease', 'icd10']);
  perform niji.request_data('P2026-017', 'lab_result', array['observed_on:month', 'code', 'value', 'unit']);
  perform niji.request_data('P2026-017', 'cancer_registry', array['icd10', 'stage', 'diagnosed_on:year']);
end $$;
select code, title, applicant, purpose, state, valid_from, valid_until from niji.permits;
