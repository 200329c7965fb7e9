-- as the consent officer: somebody whose data the analyst has just counted withdraws
select niji.record_consent(niji.find_person('insured', '00139923:2401:1007:02'), 'deny', category => 'cancer', evidence => 'withdrawal') \g /dev/null
