-- as the consent officer: notices, objections, opt-ins, each by the person's identifier
\set registered `cut -d, -f5 "$DEMO_FILES"/registry/cancer.csv | grep :`
select count(niji.record_consent(niji.find_person('insured', form), 'permit', category => 'cancer', evidence => 'informed consent form'))
         as "opt-ins recorded"
  from unnest(string_to_array(:'registered', E'\n')) form;

select niji.record_notice(niji.find_person('insured', '00139923:2401:1007:02'), 'ehr', now() - interval '2 months') \g /dev/null
select niji.record_consent(niji.find_person('insured', '01139906:国保１:1035:02'), 'deny', category => 'ehr', purpose => 'research',
         evidence => 'letter of objection') \g /dev/null
select niji.record_consent(niji.find_person('insured', '39139936:東あ:１０６３:00'), 'deny', evidence => 'stop everything') \g /dev/null
\echo '   objections: to one purpose, and to everything'
select id, decision, coalesce(category, 'any') as category, coalesce(purpose, 'any') as purpose, evidence
  from niji.consents where decision = 'deny' order by id;
