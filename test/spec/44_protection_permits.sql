-- niji.check_protection() about permits, workspaces and readers; who may call it; what it prints.
\i test/story.sql
\i test/protection.sql
\set ON_ERROR_STOP 1
set client_min_messages = warning;
select plan(84);
select role_name as permit_role, id as permit_id from niji.permit where code = 'P2026-017' \gset
select format('niji_owner_%s', oid) as owner from pg_database where datname = current_database() \gset

select is_empty($$ select * from niji.check_protection() where code not like 'hba%' and severity <> 'notice' $$, 'Nothing is weaker than it should be');

/* ---- views ---- */
select * from weaken('A view that was made anew by hand, with more in it', array['create or replace view p2026_017.lab as select niji.pseudonym(b.person, 1) as pid, niji.pseudonym(b.institution, 1, b.person) as institution, niji.month(b.taken_on) as taken_on, b.code, b.value, b.tag from warehouse.lab b'],
  '{"permit_view_altered: permit P2026-017"}');
select * from weaken('an option that was added to it', array['alter view p2026_017.lab set (security_invoker = true)'], '{"permit_view_altered: permit P2026-017"}');
select * from weaken('or another', array['alter view p2026_017.lab set (security_barrier = true)'], '{"permit_view_altered: permit P2026-017"}');
select * from weaken('an owner that bypasses row level security', array['alter view p2026_017.lab owner to postgres'], '{"permit_view_missing: permit P2026-017"}');
select * from weaken('a view that is gone', array['drop view p2026_017.lab'], '{"permit_view_missing: permit P2026-017"}');
select * from weaken('a right of PUBLIC on a view', array['grant select on p2026_017.lab to public'], '{"permit_lent: permit P2026-017"}');
select * from weaken('a reader who may lend', array['grant select on p2026_017.lab to analyst_fujita with grant option'], '{"permit_lent: permit P2026-017"}',
  array['revoke grant option for select on p2026_017.lab from analyst_fujita']);
select * from weaken('the schema granted to who is no reader', array['grant usage on schema p2026_017 to stranger'], '{"permit_lent: permit P2026-017"}');
select * from weaken('a table among the views', array['create table p2026_017.more (x int)'], '{"permit_object: permit P2026-017"}', array['drop table p2026_017.more']);
select * from weaken('a function among the views', array['create function p2026_017.f() returns int language sql as ''select 1'''], '{"permit_object: permit P2026-017"}', array['drop function p2026_017.f()']);
select * from weaken('a schema that belongs to somebody', array['alter schema p2026_017 owner to stranger'], '{"permit_schema: permit P2026-017"}',
  array['alter schema p2026_017 owner to postgres']);
select * from weaken('a schema where somebody may create', array['grant create on schema p2026_017 to stranger'], '{"permit_schema: permit P2026-017"}');

/* ---- policies and columns ---- */
select * from weaken('A permit''s policy that was altered by hand', array[format('alter policy niji_permit_%s on warehouse.lab using (true)', :permit_id)], '{"permit_policy_altered: permit P2026-017"}');
select * from weaken('whose test was made weaker by a little', array[format('alter policy niji_permit_%1$s on warehouse.lab using (niji.permitted(person, %1$s, 1) or person is null)', :permit_id)], '{"permit_policy_altered: permit P2026-017"}');
select * from weaken('that was given to somebody else as well', array[format('alter policy niji_permit_%s on warehouse.lab to %I, stranger', :permit_id, :'permit_role')], '{"permit_policy_altered: permit P2026-017"}');
select * from weaken('that is gone', array[format('drop policy niji_permit_%s on warehouse.lab', :permit_id)], '{"permit_policy_missing: permit P2026-017"}');
select * from weaken('a column more', array[format('grant select (tag) on warehouse.lab to %I', :'permit_role')], '{"permit_columns_altered: permit P2026-017"}');
select * from weaken('a column that may be lent', array[format('grant select (value) on warehouse.lab to %I with grant option', :'permit_role')], '{"permit_columns_altered: permit P2026-017"}');
select * from weaken('What is not known to compare with is told', array[format('delete from niji.compiled where permit = %s and kind = ''view''', :permit_id)], '{"not_compiled: permit P2026-017","not_compiled: permit P2026-017"}');
select * from weaken('Renaming a column is no weakness by itself', array['alter table warehouse.lab rename value to measured'], '{}', array['alter table warehouse.lab rename measured to value']);
select lives_ok('select niji.recompile_permits()', 'Compiling anew without a cause');
select is_empty($$ select * from niji.check_protection() where code not like 'hba%' and severity <> 'notice' $$, 'makes no finding');

/* ---- roles ---- */
-- niji refuses the GRANT; so it is made under another name
select * from weaken('A permit''s role that was granted', array[format('alter role %I rename to x', :'permit_role'), 'grant x to stranger', format('alter role x rename to %I', :'permit_role')], array[format('niji_role_granted: role %s', :'permit_role')]);
select * from weaken('the owner of datasets that was granted', array[format('alter role %I rename to x', :'owner'), 'grant x to analyst_fujita', format('alter role x rename to %I', :'owner')], array[format('niji_role_granted: role %s', :'owner')]);
select * from weaken('a permit''s role that is a member', array[format('grant governance_abe to %I', :'permit_role')], array[format('niji_role_member: role %s', :'permit_role')]);
select * from weaken('a permit''s role that can log in', array[format('alter role %I login', :'permit_role')], array[format('niji_role_attributes: role %s', :'permit_role')]);
select * from weaken('and that has another name', array[format('alter role %I rename to elsewhere', :'permit_role')], '{"permit_role: permit P2026-017"}',
  array[format('alter role elsewhere rename to %I', :'permit_role')]);

/* ---- expiry and the end ---- */
select * from weaken('An expired permit is told', array['update niji.permit set valid_until = current_date - 2, valid_from = current_date - 9'], '{"permit_expired: permit P2026-017"}',
  array['update niji.permit set valid_until = current_date + 300']);
select * from weaken('Objects of a closed permit are found', array['update niji.permit set state = ''closed'''], '{"permit_left: permit P2026-017"}',
  array['update niji.permit set state = ''granted''']);

/* ---- workspace ---- */
create table p2026_017_work.mine (x int);
alter table p2026_017_work.mine owner to analyst_fujita;
select niji.recompile_permits() > 0 as ok \g /dev/null
select * from weaken('What workspace_findings() tells is told', array['alter table p2026_017_work.mine no force row level security'], '{"workspace: workspace of permit P2026-017, p2026_017_work.mine"}');

/* ---- readers ---- */
select * from weaken('A reader who became a superuser', array['alter role analyst_fujita superuser'], '{"reader_superuser: reader analyst_fujita"}');
select * from weaken('may create roles', array['alter role analyst_fujita createrole'], '{"reader_createrole: reader analyst_fujita"}');
select * from weaken('bypasses row level security', array['alter role analyst_fujita bypassrls'], '{"reader_bypassrls: reader analyst_fujita"}');
select * from weaken('may replicate', array['alter role analyst_fujita replication'], '{"reader_replication: reader analyst_fujita"}');
select * from weaken('may create schemas', array['grant create on database niji to analyst_fujita'], '{"reader_create: reader analyst_fujita"}');
select * from weaken('may create tables elsewhere', array['grant create on schema warehouse to analyst_fujita'], '{"reader_create: reader analyst_fujita"}');
select * from weaken('may make temporary tables, through a group', array['create role "the group"', 'grant temporary on database niji to "the group"', 'grant "the group" to analyst_fujita'], '{"reader_temporary: reader analyst_fujita"}');
select * from weaken('is a member of what reads everything, through a group', array['grant pg_read_all_data to "the group"'], '{"reader_member: reader analyst_fujita","role_reads_all: role the group"}');
select * from weaken('has a duty, through a group', array['select niji.grant_duty(''loader'', ''"the group"'')'], '{"reader_duty: reader analyst_fujita"}', array['select niji.revoke_duty(''loader'', ''"the group"'')']);
select * from weaken('or a duty of their own', array['select niji.grant_duty(''auditor'', ''analyst_fujita'')'], '{"reader_duty: reader analyst_fujita"}');
select * from weaken('or was renamed', array['alter role analyst_fujita rename to analyst_other'], '{"reader_unbound: reader analyst_fujita"}',
  array['alter role analyst_other rename to analyst_fujita']);

/* ---- who may call it, and what it prints ---- */
create function refused() returns setof text language plpgsql as $$
declare
  who text;
begin
  foreach who in array array['loader_kato', 'consent_ito', 'reviewer_baba', 'custodian_goto', 'analyst_fujita', 'stranger'] loop
    execute format('set session authorization %I', who);
    begin
      perform niji.check_protection();
      return next who;
    exception when insufficient_privilege then
      null;
    end;
    reset session authorization;
  end loop;
end
$$;
select is_empty('select refused()', 'Nobody calls it without the duty governance or auditor');
set session authorization auditor_endo;
select lives_ok('select * from niji.check_protection()', 'An auditor calls it');
set session authorization governance_abe;
select lives_ok('select * from niji.check_protection()', 'Governance calls it');
reset session authorization;
select * from finish();
