/* ---- protection: niji.check_protection() ---- */

/*
 * Each family is asked by itself: what cannot be looked at (a pg_hba.conf that
 * the server may not read) is a finding, and hides none of the others.
 */
create function @extschema@.check_protection()
returns table (object text, finding text, hint text, severity text, code text, dataset text)
language plpgsql security definer set search_path = pg_catalog, pg_temp set jit = off set max_parallel_workers_per_gather = 0
as $$
declare
  family text;
  families text[] := array['server', 'door', 'right', 'role', 'dataset', 'path', 'permit', 'reader'];
  part jsonb;
  answers jsonb := '[]';
begin
  perform niji.require_duty('governance, auditor', 'check the protection');
  foreach family in array families loop
    begin
      execute format('select coalesce(jsonb_agg(f), ''[]'') from niji.%I() f', family || '_findings') into part;
    exception when others then
      part := jsonb_build_array(jsonb_build_object('code', 'check_failed', 'object', family || '_findings',
                'finding', format('it could not be looked at (%s)', sqlstate), 'hint', format('select * from niji.%I()', family || '_findings')));
    end;
    answers := answers || part;
  end loop;
  return query
    select r.object, r.finding, r.hint, coalesce(c.severity, 'error'), r.code, r.dataset
      from jsonb_to_recordset(answers) r (code text, object text, finding text, hint text, dataset text)
      left join niji.protection_code c on c.code = r.code
     order by array_position(array['error', 'warning', 'notice'], coalesce(c.severity, 'error')),
              array_position(array['check', 'server', 'right', 'role', 'dataset', 'path', 'permit', 'reader'], coalesce(c.family, 'check')),
              r.object, r.code, r.finding;
end
$$;
comment on function @extschema@.check_protection() is
  'Findings about what is weaker than it should be, the most severe first, and none of severity error or warning when all is well: the server and its doors, rights that PUBLIC has, roles, every dataset with its partitions, policies, owner, rights and indexes, views and functions beside the permits, permits as they were compiled, readers. hint is the command that mends it, for a superuser, or a sentence. The codes are in niji.protection_code. Duty: governance or auditor.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'check_protection()'),
  ('auditor', 'function', 'check_protection()');
