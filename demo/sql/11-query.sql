-- as the analyst
\echo '   three datasets joined by pid, grouped by the first three characters of the ICD-10 code:'
select left(d.icd10, 3) as icd10, count(distinct d.pid) as people, round(avg(l.value), 1) as hba1c, count(distinct r.pid) as with_cancer
  from p2026_017.claims_diagnosis d
  join p2026_017.lab_result l using (pid)
  left join p2026_017.cancer_registry r using (pid)
 where d.icd10 is not null and l.code like '3D046%'
 group by 1 order by 2 desc, 1 limit 8;

\echo '   everybody below a code, by an index range (EXPLAIN gives no numbers to readers):'
set enable_seqscan = off;   -- these tables are tiny
explain select count(*) from p2026_017.claims_diagnosis where icd10 <@ 'E1';
select count(*) as "claims below E1" from p2026_017.claims_diagnosis where icd10 <@ 'E1';

\echo '   one person, by a pseudonym that the analyst has noted down:'
select pid from p2026_017.claims_diagnosis where icd10 <@ 'E11' order by pid limit 1 \gset
explain select * from p2026_017.claims_diagnosis where pid = :'pid';
select pid, institution, service_month, disease, icd10 from p2026_017.claims_diagnosis where pid = :'pid' order by service_month limit 3;
