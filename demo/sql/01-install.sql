-- as a superuser: the extension, the people, their duties
create extension niji;

create role governance_abe login;
create role loader_kato login;
create role consent_ito login;
create role reviewer_baba login;
create role reviewer_chiba login;
create role auditor_endo login;
create role custodian_goto login;
create role custodian_hara login;
create role analyst_fujita login;

do $$
begin
  perform niji.grant_duty('governance', 'governance_abe');
  perform niji.grant_duty('loader', 'loader_kato');
  perform niji.grant_duty('consent_officer', 'consent_ito');
  perform niji.grant_duty('reviewer', 'reviewer_baba');
  perform niji.grant_duty('reviewer', 'reviewer_chiba');
  perform niji.grant_duty('auditor', 'auditor_endo');
  perform niji.grant_duty('custodian', 'custodian_goto');
  perform niji.grant_duty('custodian', 'custodian_hara');
  perform niji.harden();
end $$;

\echo '   niji.duties:'
select duty, name_ja, role_name, in_force from niji.duties order by duty, role_name;
