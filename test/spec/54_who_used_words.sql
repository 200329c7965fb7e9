-- What a person is told of the use of their data: sentences, and AuditEvents for portals.
\i test/story.sql
\set ON_ERROR_STOP 1
select plan(19);
set session authorization analyst_fujita;
select pid from p2026_017.lab order by value, pid limit 3 \g /dev/null
select count(*) from p2026_017.lab \g /dev/null
select * from p2026_017.lab where 0 = 1 \g /dev/null
reset session authorization;
select niji.move_trail() \g /dev/null
do $$ begin while niji.roll_up_persons() > 0 loop null; end loop; end $$;
select niji.persons_list(persons, chunk) as seen from niji.person_uses where shown limit 1 \gset
set session authorization consent_ito;
select is((select array_agg(kind order by kind) from niji.who_used(:'seen')), array['scanned', 'shown'], 'An officer sees both');
select is((select count(*) from niji.who_used_words(:'seen')), 1::bigint, 'The person is told of the use of 40 persons at once, of that of 3 not yet');
select alike((select sentence from niji.who_used_words(:'seen')), '%東北疫学研究室%集計に含まれました%1回。', 'in plain Japanese');
select alike((select sentence from niji.who_used_words(:'seen', 'en')), '%by 東北疫学研究室, for research)%were counted in statistics and not shown one by one%once.', 'or English');
select throws_ok(format('select * from niji.who_used_words(%L, ''fr'')', :'seen'), '22023', null, 'There are no other words');
select throws_ok(format('select * from niji.who_used_words(%L, ''en'', 2)', :'seen'), '22023', null, 'Few are not made fewer');
select throws_ok(format('select * from niji.who_used_words(%L, ''en'', 10, ''1 day'')', :'seen'), '22023', null, 'nor late sooner');
select throws_ok($$ select * from niji.who_used_words(null) $$, '22004', null, 'Nobody is somebody');
select niji.who_used_fhir(:'seen', 'Patient/p-1') as bundle \gset
reset session authorization;
update niji.person_uses set facts = x.facts from (select niji.persons_facts(persons, null, current_date - 200) as facts from niji.person_uses where shown) x where shown;
set session authorization consent_ito;
select alike((select sentence from niji.who_used_words(:'seen', 'en') where sentence like '%pseudonym%'), '%were shown to researchers under a pseudonym%', 'After 90 days the person is told of it');
reset session authorization;

/* ---- FHIR R4, IHE BALP 1.1.4 PrivacyDisclosure.Source ---- */
select is((:'bundle'::jsonb ->> 'resourceType') || ' ' || (:'bundle'::jsonb ->> 'type'), 'Bundle collection', 'A portal gets a Bundle');
create table public.event as select e -> 'resource' as r from jsonb_array_elements(:'bundle'::jsonb -> 'entry') e;
select is((select count(*) from event where r ->> 'resourceType' = 'AuditEvent'), 1::bigint, 'with an AuditEvent for each use that may be told');
select is((select count(*) from event where r -> 'type' ->> 'code' = '110106' and r -> 'type' ->> 'system' = 'http://dicom.nema.org/resources/ontology/DCM' and r @? '$.subtype[*] ? (@.code == "disclose")'), 1::bigint, 'which is an export, a disclosure');
select is((select count(*) from event where r ->> 'action' = 'R' and r ->> 'outcome' = '0' and (r ->> 'recorded')::timestamptz <= now()), 1::bigint, 'with action, outcome and time');
select is((select jsonb_path_query_array(r, '$.agent[*].type.coding[0].code') from event), '["110153", "110152"]'::jsonb, 'agents: the source and the destination');
select is((select count(*) from event where not r @? '$.agent[*] ? (!exists(@.requestor) || !exists(@.who))' and r @? '$.source.observer.display'), 1::bigint, 'each with who it is, and the source of the event');
select is((select jsonb_path_query_array(r, '$.entity[*] ? (@.role.code == "1").what.reference') from event), '["Patient/p-1"]'::jsonb, 'one entity is the patient, by the portal''s reference');
select is((select jsonb_path_query_array(r, '$.entity[*] ? (@.role.code == "4").what.display') from event), '["lab"]'::jsonb, 'another the data');
select throws_ok($$ select niji.who_used_fhir('1', 'insured number 5') $$, '22023', null, 'The patient is nothing but a reference');
set session authorization analyst_fujita;
select throws_ok($$ select niji.who_used_fhir(null, 'Patient/1') $$, '42501', null, 'An analyst gets none');
reset session authorization;
select * from finish();
