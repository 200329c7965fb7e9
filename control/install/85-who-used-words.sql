/* ---- trail: what a person is told, in words and for portals ---- */

create function @extschema@.uses_to_tell(person @extschema@.person, least_persons int, delay interval)
returns table (permit text, title text, purpose text, applicant text, dataset text, kind text,
               first_at timestamptz, last_at timestamptz, reads bigint)
language plpgsql stable parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  perform niji.require_duty('auditor, consent_officer', 'see who used a person''s data');
  if least_persons is null or least_persons < 10 or delay is null or delay < interval '90 days' then
    raise exception using errcode = '22023', message = 'uses of few persons are told late',
      hint = 'At least 10 persons and 90 days.';
  end if;
  return query
    select w.*
      from niji.who_used(uses_to_tell.person) w
     where w.permit is not null
       and w.kind in ('shown', 'scanned')
       -- who is told at once that a study of few used their data learns, with all whom they know, who is in it
       and (w.last_at < now() - delay
            or least_persons <= (select sum(u.members)
                                   from niji.person_uses u
                                   join niji.permit m on m.id = u.permit
                                   join niji.dataset d on d.id = u.dataset
                                  where m.code = w.permit and d.name = w.dataset and u.shown = (w.kind = 'shown')));
end
$$;
comment on function @extschema@.uses_to_tell(@extschema@.person, int, interval) is
  'The part of who_used() that may be shown to the person. Internal.';

create function @extschema@.who_used_words(person @extschema@.person, language text default 'ja', least_persons int default 10, delay interval default '90 days')
returns table (sentence text, first_day date, last_day date)
language plpgsql stable parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  wanted_language alias for $2;
  zone text := current_setting('niji.timezone');
begin
  if wanted_language is null or wanted_language not in ('ja', 'en') then
    raise exception using errcode = '22023', message = 'there are no words in this language', hint = 'Languages are ja and en.';
  end if;
  return query
    select case when wanted_language = 'ja' then
                  format('%s（利用者：%s、目的：%s）で、あなたのデータ「%s」が%s。期間：%s から %s まで、%s回。',
                         w.title, w.applicant, coalesce(p.name_ja, w.purpose), w.dataset,
                         case w.kind when 'shown' then '仮名で研究者に表示されました' else '集計に含まれました（個別には表示されていません）' end,
                         to_char(w.first_at at time zone zone, 'YYYY-MM-DD'), to_char(w.last_at at time zone zone, 'YYYY-MM-DD'), w.reads)
                else
                  format('"%s" (by %s, for %s): your data "%s" %s, from %s to %s, %s.',
                         w.title, w.applicant, replace(w.purpose, '_', ' '), w.dataset,
                         case w.kind when 'shown' then 'were shown to researchers under a pseudonym' else 'were counted in statistics and not shown one by one' end,
                         to_char(w.first_at at time zone zone, 'YYYY-MM-DD'), to_char(w.last_at at time zone zone, 'YYYY-MM-DD'),
                         case when w.reads = 1 then 'once' else w.reads || ' times' end)
           end,
           (w.first_at at time zone zone)::date, (w.last_at at time zone zone)::date
      from niji.uses_to_tell(who_used_words.person, least_persons, delay) w
      left join niji.purpose p on p.purpose = w.purpose
     order by w.last_at desc, w.permit, w.dataset, w.kind;
end
$$;
comment on function @extschema@.who_used_words(@extschema@.person, text, int, interval) is
  'Who used a person''s data, in sentences for the person: ja or en. A use of fewer than least_persons persons is told when it is older than delay. What concerns everybody (possibly shown) and acts of custodians are not in it. Errors: 22004 for null, 22023 no such language, or fewer than 10 persons or 90 days. Duties: auditor, consent_officer.';

create function @extschema@.who_used_fhir(person @extschema@.person, patient text, least_persons int default 10, delay interval default '90 days')
returns jsonb
language plpgsql stable parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  wanted_patient alias for $2;
  origin text := (select t.origin from niji.trail_identity t);
  dcm text := 'http://dicom.nema.org/resources/ontology/DCM';
  entries jsonb;
begin
  if wanted_patient is null or wanted_patient !~ '^([A-Za-z]+://\S+/)?Patient/[A-Za-z0-9.-]{1,64}$' then
    raise exception using errcode = '22023', message = 'the patient is a reference of the portal',
      hint = 'As Patient/… by the portal''s own identifier: niji gives none.';
  end if;
  select coalesce(jsonb_agg(jsonb_build_object('resource', jsonb_build_object(
           'resourceType', 'AuditEvent',
           'meta', jsonb_build_object('profile', jsonb_build_array('https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Source')),
           'type', jsonb_build_object('system', dcm, 'code', '110106', 'display', 'Export'),
           'subtype', jsonb_build_array(jsonb_build_object('system', 'http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle', 'code', 'disclose', 'display', 'Disclose Record Lifecycle Event')),
           'action', 'R',
           'period', jsonb_build_object('start', to_jsonb(w.first_at), 'end', to_jsonb(w.last_at)),
           'recorded', to_jsonb(w.last_at),
           'outcome', '0',
           'outcomeDesc', format('%s, %s reads', w.kind, w.reads),
           'purposeOfEvent', jsonb_build_array(jsonb_build_object(
             'coding', jsonb_build_array(jsonb_build_object('system', 'http://terminology.hl7.org/CodeSystem/v3-ActReason',
                       'code', case when w.purpose in ('public_health', 'policy', 'statistics') then 'PUBHLTH' else 'HRESCH' end)),
             'text', w.purpose)),
           'agent', jsonb_build_array(
             jsonb_build_object('type', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('system', dcm, 'code', '110153', 'display', 'Source Role ID'))),
                                'who', jsonb_build_object('display', origin), 'requestor', false,
                                'network', jsonb_build_object('address', origin, 'type', '1')),
             jsonb_build_object('type', jsonb_build_object('coding', jsonb_build_array(jsonb_build_object('system', dcm, 'code', '110152', 'display', 'Destination Role ID'))),
                                'who', jsonb_build_object('display', w.applicant), 'requestor', true,
                                'policy', jsonb_build_array('urn:niji:permit:' || w.permit),
                                'network', jsonb_build_object('address', w.applicant, 'type', '1'))),
           'source', jsonb_build_object('observer', jsonb_build_object('display', origin),
                                        'type', jsonb_build_array(jsonb_build_object('system', 'http://terminology.hl7.org/CodeSystem/security-source-type', 'code', '4', 'display', 'Application Server')),
           'entity', jsonb_build_array(
             jsonb_build_object('what', jsonb_build_object('reference', wanted_patient),
                                'type', jsonb_build_object('system', 'http://terminology.hl7.org/CodeSystem/audit-entity-type', 'code', '1', 'display', 'Person'),
                                'role', jsonb_build_object('system', 'http://terminology.hl7.org/CodeSystem/object-role', 'code', '1', 'display', 'Patient')),
             jsonb_build_object('what', jsonb_build_object('display', w.dataset),
                                'type', jsonb_build_object('system', 'http://terminology.hl7.org/CodeSystem/audit-entity-type', 'code', '2', 'display', 'System Object'),
                                'role', jsonb_build_object('system', 'http://terminology.hl7.org/CodeSystem/object-role', 'code', '4', 'display', 'Domain Resource'),
                                'description', w.title))))
           order by w.last_at desc, w.permit, w.dataset, w.kind), '[]')
    into entries
    from niji.uses_to_tell(who_used_fhir.person, least_persons, delay) w;
  return jsonb_build_object('resourceType', 'Bundle', 'type', 'collection', 'timestamp', to_jsonb(now()), 'entry', entries)
         - case when entries = '[]' then 'entry' else '' end;
end
$$;
comment on function @extschema@.who_used_fhir(@extschema@.person, text, int, interval) is
  'Who used a person''s data as a FHIR R4 Bundle of AuditEvents in the manner of IHE BALP 1.1.4, PrivacyDisclosure.Source, a resource for each permit, dataset and kind. The patient is the portal''s own reference, Patient/…; nothing of niji''s numbers is in it. What is told and what late is as in who_used_words(). Errors: 22004 for null, 22023 the patient is no such reference. Duties: auditor, consent_officer.';

insert into @extschema@.duty_right (duty, kind, object)
  select d, 'function', f
    from unnest(array['auditor', 'consent_officer']) d,
         unnest(array['who_used_words(niji.person, text, integer, interval)', 'who_used_fhir(niji.person, text, integer, interval)']) f;
