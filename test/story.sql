-- A small warehouse for tests that need the whole house: people, two datasets,
-- rules, one granted permit.  Run as a superuser in a database with niji.
-- The people are the identifiers 0110113719:0001 to :0040 of kind "patient".
create role governance_abe login;
create role loader_kato login;
create role consent_ito login;
create role reviewer_baba login;
create role reviewer_chiba login;
create role auditor_endo login;
create role custodian_goto login;
create role analyst_fujita login;
create role stranger login;
do $$
begin
  perform niji.grant_duty('governance', 'governance_abe');
  perform niji.grant_duty('loader', 'loader_kato');
  perform niji.grant_duty('consent_officer', 'consent_ito');
  perform niji.grant_duty('reviewer', 'reviewer_baba');
  perform niji.grant_duty('reviewer', 'reviewer_chiba');
  perform niji.grant_duty('auditor', 'auditor_endo');
  perform niji.grant_duty('custodian', 'custodian_goto');
  perform niji.harden();
end $$;

create schema warehouse;
create table warehouse.lab (
  person niji.person not null,
  institution niji.institution_code,
  taken_on date not null,
  code text not null,
  value numeric,
  tag text
);
create table warehouse.diagnosis (
  person niji.person not null,
  disease niji.icd10 not null,
  since date not null
);
insert into warehouse.lab
  select niji.enrol('patient', '0110113719:' || to_char(n, 'FM0000')), '0110113719'::niji.institution_code,
         date '2025-01-01' + n * 3, '3D046000001920402', 5 + n * 0.1, null
    from generate_series(1, 40) n;
insert into warehouse.diagnosis
  select niji.enrol('patient', '0110113719:' || to_char(n, 'FM0000')),
         (case when n % 2 = 0 then 'E119' else 'I10' end)::niji.icd10, date '2024-06-01' + n
    from generate_series(1, 30) n;
create index on warehouse.lab (person);
create index on warehouse.diagnosis (person);
create index on warehouse.diagnosis (disease);
analyze warehouse.lab;
analyze warehouse.diagnosis;

set session authorization governance_abe;
do $$
begin
  perform niji.register_holder('city-hospital', '市立病院', 'medical_institution');
  perform niji.register_applicant('tohoku-lab', '東北疫学研究室', 'medical_institution');
  perform niji.set_rule('ehr', 'research', 'opt_out', legal_basis => '次世代医療基盤法');
  perform niji.set_rule('claims', 'research', 'not_required', legal_basis => '高齢者の医療の確保に関する法律 第16条の2');
end $$;
reset session authorization;
do $$
begin
  perform niji.register_dataset('lab', 'warehouse.lab', array['person']::name[], 'city-hospital', 'ehr', '次世代医療基盤法', tag_column => 'tag');
  perform niji.register_dataset('diagnosis', 'warehouse.diagnosis', array['person']::name[], 'city-hospital', 'claims', '高齢者の医療の確保に関する法律');
end $$;

set session authorization governance_abe;
do $$
begin
  perform niji.apply_permit('P2026-017', 'Diabetes', 'tohoku-lab', 'research', current_date - 1, current_date + 300);
  perform niji.request_data('P2026-017', 'lab', array['institution:pseudonym', 'taken_on:month', 'code', 'value']);
  perform niji.request_data('P2026-017', 'diagnosis', array['disease', 'since']);
end $$;
set session authorization reviewer_baba;
do $$ begin perform niji.review_permit('P2026-017', 'approve', 'necessary'); end $$;
set session authorization reviewer_chiba;
do $$ begin perform niji.review_permit('P2026-017', 'approve', 'proportionate'); end $$;
set session authorization governance_abe;
do $$ begin perform niji.grant_permit('P2026-017'); perform niji.add_reader('P2026-017', 'analyst_fujita'); end $$;
reset session authorization;
