-- Rights: PUBLIC may execute exactly what the list says, and a duty gives exactly what the matrix says.
\set ON_ERROR_STOP 1
select plan(12);

select set_eq(
  $$ select p.oid::regprocedure::text from pg_proc p where p.pronamespace = 'niji'::regnamespace and has_function_privilege('public', p.oid, 'execute') $$,
  $$ select ('niji.' || object)::regprocedure::text from niji.public_function $$,
  'PUBLIC may execute the functions on the list and no others');
select is_empty(
  $$ select c.relname from pg_class c, aclexplode(c.relacl) a
      where c.relnamespace = 'niji'::regnamespace and a.grantee = 0 and c.relname not in (select relname from pg_class where relkind = 'v') $$,
  'PUBLIC has no right on any table or sequence of niji');
select is_empty(
  $$ select object from niji.duty_right where kind = 'function' and to_regprocedure('niji.' || object) is null $$,
  'Every function of the matrix exists');
select is_empty(
  $$ select object from niji.duty_right where kind = 'select' and to_regclass('niji.' || object) is null $$,
  'Every view of the matrix exists');
select is_empty(
  $$ select object from niji.duty_right where kind = 'function' and object ~ '^person_of\(' $$,
  'No duty turns a pseudonym back alone');
select ok(not has_type_privilege('public', 'niji.person', 'usage') and not has_type_privilege('public', 'niji.probe', 'usage'),
  'PUBLIC may not use the types person and probe in tables and functions');

create role one_loader login;
select niji.grant_duty('loader', 'one_loader') is null as granted \g /dev/null
select set_eq(
  $$ select p.oid::regprocedure::text from pg_proc p, aclexplode(p.proacl) a where p.pronamespace = 'niji'::regnamespace and a.grantee = 'one_loader'::regrole $$,
  $$ select ('niji.' || object)::regprocedure::text from niji.duty_right where duty = 'loader' and kind = 'function' $$,
  'A loader is granted the functions of the matrix and no others');
select ok(not exists (select from niji.duty_right where duty = 'loader' and object ~ '^find_person'), 'A loader may not look persons up');
select throws_ok($$ select niji.grant_duty('loader', null) $$, '22004', null, 'A duty needs a role');
select niji.revoke_duty('loader', 'one_loader') is null as revoked \g /dev/null
select is_empty(
  $$ select p.proname from pg_proc p, aclexplode(p.proacl) a where p.pronamespace = 'niji'::regnamespace and a.grantee = 'one_loader'::regrole $$,
  'With the duty all of it is taken back');

set session authorization one_loader;
select throws_ok($$ select niji.grant_duty('loader', 'one_loader') $$, '42501', null, 'Nobody but a superuser maps duties');
reset session authorization;
select is_empty(
  $$ select p.oid::regprocedure from pg_proc p where p.pronamespace = 'niji'::regnamespace and p.prosecdef
      and not coalesce(p.proconfig @> array['search_path=pg_catalog, pg_temp'], false) $$,
  'Every SECURITY DEFINER function has a safe search_path');
select * from finish();
