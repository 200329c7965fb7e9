-- as the custodian, who may say who is whom: a letter names the old insured number and the new one
select niji.find_person('insured', '00139923:2401:1007:02') as person \gset
select niji.link_identifier(:'person', 'insured', '00139923:2401:1007:02', 'letter of the insurer', 1.0, '[,2025-10-01)') \g /dev/null
select niji.link_identifier(:'person', 'insured', '06139919:88:9001:00', 'letter of the insurer', 1.0, '[2025-10-01,)') \g /dev/null
\echo '   both numbers, in any spelling, find one person:'
select niji.find_person('insured', '00139923:2401:1007:02') = niji.find_person('insured', '０６１３９９１９：８８：９００１：００') as "same person";

\connect - loader_kato
\echo '   as the loader, who sees no person: a result that comes under the new number makes nobody new'
create unlogged table stage.lab as
  select '06139919:88:9001:00' as identifier, 'insured' as identifier_kind, date '2025-11-04' as observed_on,
         '3D046000001920402' as code, 7.2 as value, '%' as unit, 'line 1' as source_place;
select * from niji.load_dataset('lab_result', 'stage.lab', 'results of November');
drop table stage.lab;
