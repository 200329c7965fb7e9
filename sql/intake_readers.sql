--
-- readers of claims files (UKE) and of FHIR content
--
\set VERBOSITY default
set client_encoding = 'UTF8';
set datestyle = iso;

create function uke(text) returns bytea language sql return convert_to($1, 'SJIS');

-- a good file: CRLF, full-width text, a carried-down class, Ctrl-Z at the end
select uke(E'IR,1,13,1,9900013,,虹の橋病院,202505,00,0312345678\r\nRE,1,1112,202504,木村　花子,2,19471105\r\nHO,  139907,東あ,１２３,1,265\r\nSN,1,01,,,,02,,\r\nSY,2500015,20220610,1,,,01,\r\nSY,0000999,4300105,1,8002,原因不明の倦怠感,,\r\nSI,12,1,112007410,,73,1,,,,,,,,1\r\nIY,,1,620098801,1.5,5,28,,,,,,,,,28\r\nCO,,1,810000001,食後\r\nGO,1,265,99\r\n\x1a') as good \gset
select line, place, receipt, record_type, fields, reason from niji.read_uke(:'good');
select raw = uke('HO,  139907,東あ,１２３,1,265') as own_bytes from niji.read_uke(:'good') where record_type = 'HO';
select place, institution, service_month, birth_date, sex, insurer, identifier_kind, identifier, claim_month, receipt_type, days, points, reason from niji.uke_receipts(:'good');
select place, identifier, disease_code, start_date, outcome, modifiers, disease_name, is_main, reason from niji.uke_diagnoses(:'good');
select place, identifier, item_type, service_class, item_code, quantity, points, times, service_dates, reason from niji.uke_items(:'good');
-- LF ends, an old era's dates, no branch number: birth date and sex complete the identifier
select identifier, service_month, birth_date from niji.uke_receipts(uke(E'IR,1,13,1,9900013,,,50705,00,\nRE,1,1112,50704,x,1,3220101\nHO,06139919,1,2,1,10\nGO,1,10,99'));
-- public assistance only: its numbers; a dummy of zeros names nobody
select identifier, insurer, reason from niji.uke_receipts(uke(E'IR,1,13,1,9900013,,,202505,00,\nRE,1,1212,202504,x,1,19700101\nKO,12139905,123456\nRE,2,1212,202504,x,1,19700101\nKO,12139905,0000000\nGO,2,10,99'));

-- the whole file
select line, place, record_type, reason, length(raw) from niji.read_uke('');
select line, place, record_type, reason, length(raw) from niji.read_uke('\x1a');
select line, place, record_type, reason, length(raw) from niji.read_uke(uke(E'Taro,Yamada\nHanako,Sato\n'));
select line, place, record_type, reason from niji.read_uke(convert_to(E'IR,1,13,1,9900013,,虹の橋病院,202505,00,\nGO,0,0,99\n', 'UTF8'));
select line, place, record_type, reason from niji.read_uke('\xefbbbf' || uke(E'IR,1,13,1,9900013,,,202505,00,\nGO,0,0,99\n'));
-- two half-width kana are a character of UTF-8 by chance
select line, place, record_type, reason from niji.read_uke(uke(E'IR,1,13,1,9900013,,ﾃｱ,202505,00,\nGO,0,0,99\n'));
-- each of the other functions says so too
select place, reason from niji.uke_receipts('') union all select place, reason from niji.uke_diagnoses('') union all select place, reason from niji.uke_items('');

-- truncated: nothing is lost, and half a record is not taken for a whole one
select line, place, record_type, fields[2] as code, reason, convert_from(raw, 'SJIS') as raw from niji.read_uke(uke(E'IR,1,13,1,9900013,,,202505,00,\r\nRE,1,1112,202504,x,2,19471105\r\nHO,06139919,1,2,1,265\r\nSY,2500015,20220610,1,,,01,\r\nSI,12,1,112007410,,7,1'));
select line, place, record_type, reason from niji.read_uke(uke(E'IR,1,13,1,9900013,,,202505,00,\nRE,1,1112,202504,x,2,19471105\nGO,2,265,99\n')) where reason is not null;
-- after the end, before the beginning, a second beginning
select line, record_type, reason from niji.read_uke(uke(E'SY,2500015,20220610,1\nIR,1,13,1,9900013,,,202505,00,\nSY,2500015,20220610,1\nIR,1,13,1,9900013,,,202505,00,\nGO,0,0,99\nSY,2500015,20220610,1\nIR,1,13,1,9900013,,,202505,00,\nGO,0,0,99\n')) where reason is not null;

-- one wrong record each; no reason repeats what stands there
create function wrong(record text) returns setof text language sql as $$
  select coalesce(record_type, '-') || ': ' || reason
    from niji.read_uke(uke(E'IR,1,13,1,9900013,,,202504,00,\nRE,1,1112,202504,x,2,19471105\nHO,06139919,1,2,1,265\n') || convert_to(record, 'SJIS') || uke(E'\nGO,1,265,99\n')) where reason is not null
$$;
select wrong('SY,250001,20220610,1');
select wrong('SY,2500015,20220230,1');
select wrong('SY,2500015,20220610');
select wrong('SY,2500015,20220610,7');
select wrong('SY,2500015,3650101,1');
select wrong('SY,2500015,6010101,1');
select wrong('SY,2500015,,1');
select wrong('SY,2500015,20220610,1,80');
select wrong('SI,12,1,612007410,,73,1');
select wrong('SI,12,1,112007410,a,73,1');
select wrong('SI,12,1,112007410,1.,73,1');
select wrong('IY,,1,112007410,,73,1');
select wrong('TO,40,1,70001000,1,2,1');
select wrong('SI,12,1,112007410,,73,1,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,1');	-- 31 April
select wrong('XX,1,2');
select wrong('xx,1,2');
select wrong('CO,12,1,810000001,' || chr(9));
select wrong('UK,anything');
select wrong(repeat(',', 300));
-- bytes that CP932 does not have, and a character that it does not have
select line, record_type, reason, raw from niji.read_uke(uke(E'IR,1,13,1,9900013,,,202505,00,\nRE,1,1112,202504,x,2,19471105\nHO,06139919,1,2,1,265\n') || '\x434f2c31322c312c3831303030303030312c41ff0a' || '\x434f2c31322c312c3831303030303030312c82'::bytea || '\x0a' || '\x434f2c31322c312c3831303030303030312c8540'::bytea || '\x0a' || uke(E'GO,1,265,99\n')) where reason is not null;

-- a record that cannot be read takes those with it that would be given to another person
select line, receipt, record_type, reason from niji.read_uke(uke(E'IR,1,13,1,9900013,,,202505,00,\nRE,1,1112,202504,x,2,19471105\nHO,06139919,1,2,1,265\nSY,2500015,20220610,1\nRE,2,1112,202504,y,2,19471305\nHO,06139919,1,3,1,265\nSY,8833421,20220610,1\nRE,3,1112,202504,z,1,19500101\nHO,06139919,1,4,1,265\nSY,4659007,20220610,1\nGO,3,265,99\n'));
select line, identifier, disease_code, reason from niji.uke_diagnoses(uke(E'IR,1,13,1,9900013,,,202505,00,\nRE,1,1112,202504,x,2,19471105\nHO,0613991,1,2,1,265\nSY,2500015,20220610,1\nRE,2,1112,202504,y,2,19471105\nHO,06139919,1,3,1,265\nHO,06139919,1,4,1,265\nSY,8833421,20220610,1\nRE,3,1112,202504,z,1,19500101\nSY,4659007,20220610,1\nRE,4,1112,202504,z,1,19500101\nHO,06139919,1,4,1,265\n??\nSY,4659007,20220610,1\nGO,4,265,99\n'));
select line, receipt, identifier, reason from niji.uke_receipts(uke(E'IR,1,13,1,9900013,,,202505,00,\nRE,1,1112,202504,x,2,19471105\nHO,0613991,1,2,1,265\nSY,2500015,20220610,1\nRE,2,1112,202504,z,1,19500101\nHO,06139919,1,4:5,1,265\nRE,3,1112,202504,z,1,19500101\nHO,06139919,1,5,1,265\nGO,3,265,99\n'));
select line, record_type, reason from niji.read_uke(uke(E'IR,9,13,1,9900013,,,202505,00,\nRE,1,1112,202504,x,2,19471105\nHO,06139919,1,2,1,265\nGO,1,265,99\n'));

-- dates
select v, niji.uke_date(v) from unnest(array['20250401', '202504', '5070401', '50704', '4310430', '3640107', '1010101', 'R070401', 'S220101']) v;
select niji.uke_date('20250431');
select niji.uke_date('3650101');
select niji.uke_date('');
select niji.uke_date('４３１０４３０');

-- ---- FHIR ----
create function fhir(text) returns bytea language sql return convert_to($1, 'UTF8');
\pset format unaligned
select fhir('{"resourceType":"Bundle","type":"collection","entry":[
 {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","id":"p","gender":"female","birthDate":"1947-11-05","identifier":[
   {"system":"urn:oid:1.2.392.100495.20.3.51.11319900013","value":"0001"},
   {"system":"http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID","value":"00139907:東あ:１２３:"}]}},
 {"fullUrl":"urn:uuid:2","resource":{"resourceType":"Observation","status":"final","subject":{"reference":"urn:uuid:1"},"effectiveDateTime":"2025-04-01T23:30:00+09:00",
   "extension":[{"url":"http://jpfhir.jp/fhir/clins/Extension/StructureDefinition/JP_eCS_InstitutionNumber","valueIdentifier":{"value":"1319900013"}}],
   "meta":{"tag":[{"system":"http://jpfhir.jp/fhir/clins/CodeSystem/JP_ehrshrs_indication","code":"LTS"},{"system":"http://jpfhir.jp/fhir/clins/CodeSystem/JP_ehrshrs_indication","code":"UNINFORMED"}]},
   "code":{"coding":[{"system":"http://medis.or.jp/CodeSystem/master-JLAC10-17digits","code":"3D046000001920402","display":"HbA1c"}]},"valueQuantity":{"value":6.80,"unit":"%"}}},
 {"fullUrl":"urn:uuid:3","resource":{"resourceType":"Condition","subject":{"identifier":{"system":"http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID","value":"00139907:東あ:１２３:02"}},
   "code":{"coding":[{"system":"http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full","code":"E11.9"}],"text":"２型糖尿病"},"onsetDateTime":"2022-06"}},
 {"resource":{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/p"},"code":{"text":"さば"}}},
 {"resource":{"resourceType":"Observation","status":"entered-in-error","subject":{"reference":"urn:uuid:1"},"effectiveDateTime":"2025-04-01","code":{"text":"x"}}},
 {"resource":{"resourceType":"Observation","status":"final","subject":{"reference":"urn:uuid:9"},"code":{"text":"x"}}},
 {"resource":{"resourceType":"Obsevation","status":"final"}},
 {"resource":{"resourceType":"Observation","value":1e999999}},
 {"resource":{"resourceType":"Observation","note":"\u0000"}},
 {"resource":{"resourceType":"Observation","note":"\ud800x"}},
 {"resource":{"id":"no type"}},
 {"resource":[1]},
 {"request":{}}
]}') as bundle \gset
select place, record_type, left(fields::text, 100) as fields, reason, left(convert_from(raw, 'UTF8'), 40) as raw from niji.read_fhir(:'bundle');
select * from niji.fhir_people(:'bundle');
select place, identifier_kind, identifier, birth_date, sex, institution, tag, observed_on, jlac10, value, unit, status, reason from niji.fhir_lab_results(:'bundle');
select place, identifier_kind, identifier, code, icd10, condition_name, onset_on, reason from niji.fhir_conditions(:'bundle');
select place, identifier_kind, identifier, substance, reason from niji.fhir_allergies(:'bundle');

-- one resource; a byte order mark; a document in each line
select place, record_type, fields, reason from niji.read_fhir('\xefbbbf' || fhir(' {"resourceType": "Patient", "id": "a"} '));
select place, record_type, fields, reason, convert_from(raw, 'UTF8') as raw from niji.read_fhir(fhir(E'{"resourceType":"Patient"}\r\n\n{"resourceType":"Patient",}\n{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient"}}]}\n"x"\n'));

-- what is not JSON: line and byte, nothing quoted
select place, record_type, fields, reason, convert_from(raw, 'UTF8') as raw from unnest(array[
  '', ' ', '{', '{"name": "山田 太郎"', E'{"a": 1,\n "山田": tru}', '{"a": 01}', '{"a": 1.}', '{"a": "\x"}', '{"a": "\u12"}', E'{"a": "\t"}', '{"a" 1}', '[1,]', '{} {}', '{"a":1}}', 'null', '[]', '"x"', repeat('[', 200)]) v, niji.read_fhir(fhir(v));
select place, reason from niji.read_fhir('\x7b2261223a2022c328227d');
select place, reason from niji.read_fhir('\xfffe7b007d00');
select place, reason from niji.read_fhir(fhir('{"resourceType":"Bundle","total":1e9999,"entry":[{"resource":{"resourceType":"Patient"}}]}'));
select place, reason from niji.read_fhir(fhir('{"resourceType":"Bundle","entry":{}}'));
select place, reason from niji.read_fhir(fhir('{"resourceType":"Patient","resourceType":"Observation"}'));

-- days, as they are written
select v, niji.fhir_date(v) from unnest(array['2025', '2025-04', '2025-04-01', '2025-04-01T23:30:00+09:00', '2025-02-30', '2025-13', 'x', '']) v;
drop function uke, fhir, wrong;
