-- as a custodian: who has to be told?
select niji.request_reidentification('P2026-017', array[:'pid']::niji.pseudonym[], 'HbA1c of a patient who may not know') as request;
