-- as a superuser: the warehouse's tables, a place for the loader's staging tables
create schema warehouse;
create schema stage authorization loader_kato;

create table warehouse.claims_diagnosis (
  person niji.person not null,
  institution niji.institution_code not null,
  service_month date not null,
  disease niji.receipt_code not null,
  icd10 niji.icd10,
  started_on date not null,
  outcome smallint not null
);
create index on warehouse.claims_diagnosis (person);
create index on warehouse.claims_diagnosis (icd10);

create table warehouse.lab_result (
  person niji.person not null,
  institution niji.institution_code,
  observed_on date not null,
  code text not null,
  value numeric,
  unit text,
  tag text
);
create index on warehouse.lab_result (person);

create table warehouse.cancer_registry (
  person niji.person not null,
  icd10 niji.icd10 not null,
  stage text,
  diagnosed_on date not null
);
create index on warehouse.cancer_registry (person);

do $$
begin
  perform niji.register_holder('mhlw', '厚生労働省', 'government');
  perform niji.register_holder('niji-hospital', '虹の橋病院', 'medical_institution');
  -- pseudonyms of the hospital's own, so that findings can be returned to it; one loader acts for it
  perform niji.create_holder_domain('niji-hospital');
  perform niji.grant_holder('niji-hospital', 'loader_kato');
  perform niji.register_holder('cancer-registry', '全国がん登録', 'government');
  perform niji.register_dataset('claims_diagnosis', 'warehouse.claims_diagnosis', array['person'], 'mhlw', 'claims',
    '高齢者の医療の確保に関する法律 第16条の2', date_column => 'service_month');
  perform niji.register_dataset('lab_result', 'warehouse.lab_result', array['person'], 'niji-hospital', 'ehr',
    '次世代医療基盤法', date_column => 'observed_on', tag_column => 'tag');
  perform niji.register_dataset('cancer_registry', 'warehouse.cancer_registry', array['person'], 'cancer-registry', 'cancer',
    'がん登録等の推進に関する法律 第21条', date_column => 'diagnosed_on');
end $$;
select name, relation, holder, category, legal_basis, date_column, tag_column from niji.datasets order by id;
