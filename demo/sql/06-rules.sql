-- as governance: which law asks for what
do $$
begin
  perform niji.set_rule('claims', 'research', 'not_required', legal_basis => '高齢者の医療の確保に関する法律 第16条の2');
  perform niji.set_rule('ehr', 'research', 'opt_out', legal_basis => '次世代医療基盤法');
  perform niji.set_rule('cancer', 'research', 'opt_in', legal_basis => '本人同意');
end $$;
select category, purpose, basis, judged, legal_basis from niji.rules order by category;
