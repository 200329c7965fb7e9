/* ---- intake: HL7 FHIR (JP Core, JP-CLINS) ---- */

create function @extschema@.read_fhir(content bytea,
  out place text, out record_type text, out fields jsonb, out reason text, out raw bytea)
returns setof record
language c immutable strict parallel safe cost 1000 rows 100
as 'MODULE_PATHNAME';
comment on function @extschema@.read_fhir(bytea) is
  'Reads HL7 FHIR content (JSON in UTF-8: a Bundle, a resource, or one of them in each line): a row for each resource with its place (JSON pointer, after "line N" in NDJSON), type and contents; a Bundle is a row too, with null for its resources. What cannot be used (not JSON, an unknown resource type, …) has a reason and its own bytes instead. Never raises because of what the content says, and no reason quotes it.';

/*
 * Each document's patients, and how their resources point at them.  JP-CLINS
 * names the person by the insured person's number; without a branch number it
 * is a household's, which birth date and sex complete.  Where there is none,
 * the institution's own patient number is taken.
 */
create function @extschema@.fhir_people(content bytea,
  out document text, out reference text, out identifier_kind text, out identifier text, out birth_date date, out sex integer)
returns setof record
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
  with resource as materialized (
    select place, record_type, fields, regexp_replace(place, '/.*$', '') as document
      from @extschema@.read_fhir(content)
     where reason is null
  ),
  entry as (
    select b.document, format('%s/entry/%s/resource', b.document, e.n - 1) as place, e.item ->> 'fullUrl' as full_url
      from resource b, jsonb_path_query_array(b.fields, '$.entry[*]') entries,
           jsonb_array_elements(entries) with ordinality e (item, n)
     where b.record_type = 'Bundle'
  ),
  patient as (
    select r.document, r.place, r.fields,
           case r.fields ->> 'gender' when 'male' then 1 when 'female' then 2 end as sex,
           case when pg_catalog.jsonb_typeof(r.fields -> 'birthDate') = 'string' and r.fields ->> 'birthDate' ~ '^(18|19|20)\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$'
                then r.fields ->> 'birthDate' end as birth,
           (select i ->> 'value' from jsonb_path_query(r.fields, '$.identifier[*]') i
             where i ->> 'system' in ('http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID',
                                      'http://jpfhir.jp/fhir/clins/Idsystem/JP_PublicPayer_memberID')
               and i ->> 'value' <> ''
             order by i ->> 'system' limit 1) as member,
           (select right(i ->> 'system', 10) || ':' || (i ->> 'value') from jsonb_path_query(r.fields, '$.identifier[*]') i
             where i ->> 'system' ~ '^urn:oid:1\.2\.392\.100495\.20\.3\.51\.1\d{10}$' and i ->> 'value' <> '' limit 1) as patient
      from resource r
     where r.record_type = 'Patient'
  )
  select p.document, s.reference,
         case when p.member is not null then 'insured' when p.patient is not null then 'patient' end,
         case when p.member like '%:' and p.birth is not null and p.sex is not null
              then p.member || ':' || p.birth || ':' || p.sex
              else coalesce(p.member, p.patient) end,
         case when p.birth is not null and pg_catalog.date_part('day', (left(p.birth, 7) || '-01')::date + interval '1 month' - interval '1 day') >= right(p.birth, 2)::int
              then p.birth::date end,
         p.sex
    from patient p
    left join entry e on e.document = p.document and e.place = p.place,
    lateral (values (e.full_url), ('Patient/' || (p.fields ->> 'id')), ('#' || (p.fields ->> 'id'))) s (reference)
   where s.reference is not null
$$;
comment on function @extschema@.fhir_people(bytea) is
  'The patients of FHIR content, one row for each way in which a resource may refer to one: document, reference, identifier with its kind for niji.enrol(), birth date, sex (1 male, 2 female).';

/* what resources about one person have in common */
create function @extschema@.fhir_records(content bytea, record_type text,
  out place text, out identifier_kind text, out identifier text, out birth_date date, out sex integer,
  out institution text, out tag text, out fields jsonb, out reason text, out raw bytea)
returns setof record
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
  with people as materialized (
    select * from @extschema@.fhir_people(content)
  ),
  resource as materialized (
    select r.*, regexp_replace(r.place, '/.*$', '') as document,
           coalesce(r.fields -> 'subject', r.fields -> 'patient') as subject
      from @extschema@.read_fhir(content) r
     where r.record_type = fhir_records.record_type
        or (r.reason is not null and r.record_type is distinct from 'Bundle' and fhir_records.record_type = 'Observation'
            and (r.record_type is null or r.record_type not in ('Condition', 'AllergyIntolerance')))
        or (r.reason is not null and r.place !~ '/entry/')
  )
  select r.place,
         case when r.reason is null then coalesce(direct.kind, p.identifier_kind) end,
         case when r.reason is null then coalesce(direct.identifier, p.identifier) end,
         p.birth_date, p.sex,
         (select i #>> '{valueIdentifier,value}' from jsonb_path_query(r.fields, '$.extension[*]') i
           where i ->> 'url' = 'http://jpfhir.jp/fhir/clins/Extension/StructureDefinition/JP_eCS_InstitutionNumber' limit 1),
         (select t ->> 'code' from jsonb_path_query(r.fields, '$.meta.tag[*]') t
           where t ->> 'system' = 'http://jpfhir.jp/fhir/clins/CodeSystem/JP_ehrshrs_indication'
           order by t ->> 'code' = 'LTS', t ->> 'code' = 'UNDELIVERED' limit 1),
         r.fields,
         coalesce(r.reason,
                  case when r.fields ->> 'status' = 'entered-in-error'
                         or jsonb_path_exists(r.fields, '$.verificationStatus.coding[*] ? (@.code == "entered-in-error")')
                       then 'was entered in error, as it says itself'
                       when coalesce(direct.identifier, p.identifier) is null
                       then 'its subject is no patient of the content who has an identifier' end),
         r.raw
    from resource r
    left join lateral (
      select case when s.system like '%memberID' then 'insured' else 'patient' end as kind,
             case when s.system like '%memberID' then s.value else right(s.system, 10) || ':' || s.value end as identifier
        from (select r.subject #>> '{identifier,system}', r.subject #>> '{identifier,value}') s (system, value)
       where s.value <> ''
         and (s.system in ('http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID',
                           'http://jpfhir.jp/fhir/clins/Idsystem/JP_PublicPayer_memberID')
              or s.system ~ '^urn:oid:1\.2\.392\.100495\.20\.3\.51\.1\d{10}$')) direct on true
    left join lateral (
      select x.* from people x
       where x.document = r.document and x.reference = r.subject ->> 'reference' and x.identifier is not null
       limit 1) p on true
$$;
comment on function @extschema@.fhir_records(bytea, text) is
  'The resources of one type in FHIR content with whom they are about: identifier and kind, birth date, sex, institution (10 digits), tag of JP-CLINS (UNINFORMED 未告知, UNDELIVERED 未提供, LTS 長期保存; the one that restricts most). Those that cannot be used have a reason; what is of no known type comes with the type Observation, what spoils a whole document with each.';

create function @extschema@.fhir_lab_results(content bytea,
  out place text, out identifier_kind text, out identifier text, out birth_date date, out sex integer,
  out institution text, out tag text, out observed_on date, out jlac10 text, out local_code text, out item_name text,
  out value numeric, out unit text, out comparator text, out value_code text, out value_text text, out status text,
  out reason text, out raw bytea)
returns setof record
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
  select r.place, r.identifier_kind, r.identifier, r.birth_date, r.sex, r.institution, r.tag,
         d.observed_on, c.jlac10, c.local_code, coalesce(r.fields #>> '{code,text}', c.display),
         case when pg_catalog.jsonb_typeof(r.fields #> '{valueQuantity,value}') = 'number' then (r.fields #>> '{valueQuantity,value}')::numeric end,
         r.fields #>> '{valueQuantity,unit}', r.fields #>> '{valueQuantity,comparator}',
         r.fields #>> '{valueCodeableConcept,coding,0,code}',
         coalesce(r.fields ->> 'valueString', r.fields #>> '{valueCodeableConcept,text}', r.fields #>> '{valueCodeableConcept,coding,0,display}'),
         r.fields ->> 'status',
         case when r.reason is not null then r.reason
              when d.observed_on is null then 'has no date of the observation'
              when c.jlac10 is null and c.local_code is null then 'has no code' end,
         r.raw
    from @extschema@.fhir_records(content, 'Observation') r,
    lateral (
      select max(x ->> 'code') filter (where x ->> 'system' like 'http://jpfhir.jp/fhir/clins/CodeSystem/JLAC10/%'
                                          or x ->> 'system' in ('http://medis.or.jp/CodeSystem/master-JLAC10-17digits', 'urn:oid:1.2.392.200119.4.504')),
             max(x ->> 'code') filter (where x ->> 'system' = 'http://jpfhir.jp/fhir/clins/CodeSystem/JP_CLINS_ObsLabResult_LocalCode_CS'),
             min(x ->> 'display')
        from jsonb_path_query(r.fields, '$.code.coding[*]') x) c (jlac10, local_code, display),
    lateral (select @extschema@.fhir_date(coalesce(r.fields ->> 'effectiveDateTime', r.fields #>> '{effectivePeriod,start}', r.fields ->> 'issued'))) d (observed_on)
$$;
comment on function @extschema@.fhir_lab_results(bytea) is
  'Laboratory results (検体検査) of FHIR content, flat: person, institution, tag, date of the observation (as written, in its own time zone), JLAC10 code, local code, value with unit and comparator, or coded or written value. What cannot be used has a reason.';

create function @extschema@.fhir_conditions(content bytea,
  out place text, out identifier_kind text, out identifier text, out birth_date date, out sex integer,
  out institution text, out tag text, out code_system text, out code text, out icd10 text, out condition_name text,
  out onset_on date, out clinical_status text, out verification_status text,
  out reason text, out raw bytea)
returns setof record
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
  select r.place, r.identifier_kind, r.identifier, r.birth_date, r.sex, r.institution, r.tag,
         c.first ->> 'system', c.first ->> 'code', replace(c.icd10, '.', ''), coalesce(r.fields #>> '{code,text}', c.first ->> 'display'),
         @extschema@.fhir_date(coalesce(r.fields ->> 'onsetDateTime', r.fields #>> '{onsetPeriod,start}')),
         r.fields #>> '{clinicalStatus,coding,0,code}', r.fields #>> '{verificationStatus,coding,0,code}',
         coalesce(r.reason, case when r.fields -> 'code' is null then 'has no code' end),
         r.raw
    from @extschema@.fhir_records(content, 'Condition') r,
    lateral (
      select (r.fields #> '{code,coding,0}'),
             max(x ->> 'code') filter (where x ->> 'system' like 'http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013%')
        from jsonb_path_query(r.fields, '$.code.coding[*]') x) c (first, icd10)
$$;
comment on function @extschema@.fhir_conditions(bytea) is
  'Conditions (傷病名) of FHIR content, flat: person, institution, tag, first code with its system, ICD-10 (without its dot) where given, name, onset, states. What cannot be used has a reason.';

create function @extschema@.fhir_allergies(content bytea,
  out place text, out identifier_kind text, out identifier text, out birth_date date, out sex integer,
  out institution text, out tag text, out code_system text, out code text, out substance text, out category text,
  out criticality text, out clinical_status text, out onset_on date,
  out reason text, out raw bytea)
returns setof record
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
  select r.place, r.identifier_kind, r.identifier, r.birth_date, r.sex, r.institution, r.tag,
         r.fields #>> '{code,coding,0,system}', r.fields #>> '{code,coding,0,code}',
         coalesce(r.fields #>> '{code,text}', r.fields #>> '{code,coding,0,display}'),
         r.fields #>> '{category,0}', r.fields ->> 'criticality', r.fields #>> '{clinicalStatus,coding,0,code}',
         @extschema@.fhir_date(coalesce(r.fields ->> 'onsetDateTime', r.fields ->> 'recordedDate')),
         coalesce(r.reason, case when r.fields -> 'code' is null then 'has no code' end),
         r.raw
    from @extschema@.fhir_records(content, 'AllergyIntolerance') r
$$;
comment on function @extschema@.fhir_allergies(bytea) is
  'Allergies and intolerances (アレルギー) of FHIR content, flat: person, institution, tag, code (JFAGY) with its system, substance, category, criticality, state, onset. What cannot be used has a reason.';

create function @extschema@.fhir_date(value text) returns date
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
as $$
  select case
           when value ~ '^\d{4}$' and value between '1850' and '2200' then (value || '-01-01')::date
           when value ~ '^\d{4}-(0[1-9]|1[0-2])$' and value between '1850' and '2200-13' then (value || '-01')::date
           when value ~ '^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])([T ].*)?$' and value between '1850' and '2200-13'
                and substr(value, 9, 2)::int <= date_part('day', (left(value, 7) || '-01')::date + interval '1 month' - interval '1 day')
           then left(value, 10)::date
         end
$$;
comment on function @extschema@.fhir_date(text) is
  'The day of a FHIR date, dateTime or instant as it is written (in its own time zone); the first day when only a year or month is given; null when it is none.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('loader', 'function', 'read_fhir(bytea)'),
  ('loader', 'function', 'fhir_date(text)'),
  ('loader', 'function', 'fhir_people(bytea)'),
  ('loader', 'function', 'fhir_records(bytea, text)'),
  ('loader', 'function', 'fhir_lab_results(bytea)'),
  ('loader', 'function', 'fhir_conditions(bytea)'),
  ('loader', 'function', 'fhir_allergies(bytea)');
