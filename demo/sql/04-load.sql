-- as the loader: the three sources, each through a staging table of the loader's own
-- (psql does not put variables into \copy, hence the detour over :get)
create unlogged table stage.file (name text, content bytea);
create unlogged table stage.registry (registry_number text, name text, birth_date text, sex text, insured_id text, icd10 text, stage text, diagnosed_on text);
\set get '\\copy stage.file from program ''cd ' :demo ' && for f in claims/*.UKE fhir/*.json registry/*.csv; do printf "%s\\t\\134\\134x" $f; od -An -v -tx1 $f | tr -d " \\n"; echo; done'''
:get
\set get '\\copy stage.registry from ' :demo '/registry/cancer.csv with (format csv, header)'
:get

\echo '   1. claims (UKE): each disease with its code, ICD-10 from the master, and the person''s number'
create unlogged table stage.diagnosis as
  select u.identifier, u.identifier_kind, u.institution, u.service_month, u.disease_code as disease,
         (select t.target_code from niji.translate_code('ssk-disease', u.disease_code, 'icd10', u.service_month) t where t.rank = 'primary') as icd10,
         u.start_date as started_on, u.outcome, u.place as source_place, u.raw as source_raw, u.reason as source_reason
    from stage.file f, niji.uke_diagnoses(f.content) u where f.name like 'claims/%';
select l.* from stage.file f, niji.load_dataset('claims_diagnosis', 'stage.diagnosis', f.name, sha256(f.content)) l where f.name like 'claims/%';

\echo '   2. FHIR (JP-CLINS bundles): laboratory results'
create unlogged table stage.lab as
  select r.identifier, r.identifier_kind, r.institution, r.observed_on, r.jlac10 as code, r.value, r.unit, r.tag,
         f.name || ' ' || r.place as source_place, r.raw as source_raw, r.reason as source_reason
    from stage.file f, niji.fhir_lab_results(f.content) r where f.name like 'fhir/observation%';
select * from niji.load_dataset('lab_result', 'stage.lab', 'fhir/');

\echo '   3. the cancer registry (CSV): by insured number, or else by name, birth date and sex'
create unlogged table stage.cancer as
  select coalesce(insured_id, format('%s|%s|%s', name, birth_date, sex)) as identifier,
         case when insured_id is null then 'name_birth_sex' else 'insured' end as identifier_kind,
         icd10, stage, diagnosed_on, 'registry number ' || registry_number as source_place
    from stage.registry;
select l.* from stage.file f, niji.load_dataset('cancer_registry', 'stage.cancer', f.name, sha256(f.content)) l where f.name like 'registry/%';

\echo '   what could not be taken, and why:'
select id, source, place, reason from niji.quarantine order by id;
\echo '   a wrong record as it came; only loaders may look, and this is recorded:'
select convert_from(niji.read_quarantine(id), 'SJIS') as original_record from niji.quarantine where source like 'claims/%' order by id limit 1;

-- identifiers go no further than here
drop table stage.file, stage.registry, stage.diagnosis, stage.lab, stage.cancer;
