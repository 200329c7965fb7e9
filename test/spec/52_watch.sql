-- Nothing is switched off unseen: what alters the protection is in the trail, whoever does it and however.
\i test/story.sql
\set ON_ERROR_STOP 1

create function public.last_seq() returns bigint language plpgsql as $$ begin perform niji.move_trail(); return coalesce((select max(seq) from niji.entry), -1); end $$;
-- what acts "ddl" since then name, and whether they say it in public
create function public.altered(since bigint) returns text language plpgsql as $$
declare result text;
begin
  perform niji.move_trail();
  select string_agg(o, '; ' order by o) into result
    from niji.trail t, jsonb_array_elements_text(t.private -> 'details' -> 'objects') o
   where t.seq > since and t.header ->> 'action' = 'ddl';
  return coalesce(result, '');
end $$;
create procedure public.weaken(statement text) language plpgsql as $$ begin execute statement; end $$;
create table warehouse.other (i int);
create table warehouse.part (person niji.person not null, day date not null, value int) partition by range (day);
create table warehouse.part_1 partition of warehouse.part for values from ('2020-01-01') to ('2030-01-01');
do $$ begin perform niji.register_dataset('part', 'warehouse.part', array['person']::name[], 'city-hospital', 'ehr', 'law'); end $$;
create function public.free() returns trigger language plpgsql as 'begin return null; end';

select plan(34);

-- one statement each: what it is, and what the act has to name
create table public.attempt (n int generated always as identity, statement text, names text);
insert into public.attempt (statement, names) values
  ('alter table warehouse.lab disable row level security', 'altered table warehouse.lab'),
  ('alter table warehouse.lab enable row level security', 'altered table warehouse.lab'),
  ('alter table warehouse.lab no force row level security', 'altered table warehouse.lab'),
  ('alter table warehouse.lab disable trigger user', 'altered trigger'),
  ('alter table warehouse.lab enable trigger user', 'altered trigger'),
  ('alter table warehouse.lab owner to stranger', 'altered table warehouse.lab'),
  ('alter table warehouse.lab owner to postgres', 'altered table warehouse.lab'),
  ('grant select on warehouse.lab to stranger', 'altered table warehouse.lab'),
  ('revoke select on warehouse.lab from stranger', 'altered table warehouse.lab'),
  ('create policy open on warehouse.lab using (true)', 'made or replaced a policy on table warehouse.lab'),
  ('alter policy open on warehouse.lab using (false)', 'altered policy open on table warehouse.lab'),
  ('drop policy open on warehouse.lab', 'dropped policy open on table warehouse.lab'),
  ('create trigger free before insert on warehouse.lab for each row execute function public.free()', 'made or replaced a trigger on table warehouse.lab'),
  ('drop trigger free on warehouse.lab', 'dropped trigger free on table warehouse.lab'),
  ('alter table warehouse.part_1 disable row level security', 'altered table warehouse.part_1'),
  ('alter table warehouse.part detach partition warehouse.part_1', 'warehouse.part'),
  ('alter view p2026_017.lab set (security_barrier = false)', 'altered view p2026_017.lab'),
  ('alter table niji.entry disable trigger keep', 'altered trigger'),
  ('alter table niji.entry enable always trigger keep', 'altered trigger'),
  ('alter function niji.permitted(niji.person, integer, integer) cost 1', 'altered function niji.permitted(niji.person,integer,integer)'),
  ('create extension pg_trgm', 'extension'),
  ('drop extension pg_trgm', 'dropped extension pg_trgm'),
  ('alter event trigger niji_guard disable', 'altered event trigger niji_guard'),
  ('alter event trigger niji_guard enable always', 'altered event trigger niji_guard');
create table public.outcome (n int, got text);
do $$
declare a public.attempt; before bigint; got text;
begin
  for a in select * from public.attempt order by n loop
    before := public.last_seq();
    commit;
    execute a.statement;
    commit;
    got := public.altered(before);
    insert into public.outcome values (a.n, got);
    commit;
  end loop;
end $$;
select ok(position(a.names in o.got) > 0, a.statement) from public.attempt a join public.outcome o using (n) order by n;

-- however it comes about
select public.last_seq() as before \gset
do $$ begin execute 'alter table warehouse.lab disable row level security'; end $$;
select ok(position('warehouse.lab' in public.altered(:before)) > 0, 'in a DO block');
select public.last_seq() as before \gset
call public.weaken('alter table warehouse.lab enable row level security');
select ok(position('warehouse.lab' in public.altered(:before)) > 0, 'in a procedure');

-- exactly what came about
select public.last_seq() as before \gset
begin; alter table warehouse.lab disable row level security; rollback;
select is(public.altered(:before), '', 'What was rolled back is no act');
begin; savepoint s; drop policy if exists none on warehouse.lab; create policy gone on warehouse.lab using (true); rollback to s; create policy stays on warehouse.diagnosis using (false); commit;
select is(public.altered(:before), 'made or replaced a policy on table warehouse.diagnosis', 'and of a savepoint only what remains');
select public.last_seq() as before \gset
alter table warehouse.other add column j int; create table warehouse.another (i int); drop table warehouse.another;
select is(public.altered(:before), '', 'Tables that protect nothing are nobody''s business');
select public.last_seq() as before \gset
begin; drop policy stays on warehouse.diagnosis; alter table warehouse.lab set (fillfactor = 90); commit;
select niji.move_trail() \g /dev/null
select is((select count(*) || ' ' || min(header ->> 'object') from niji.trail where seq > :before and header ->> 'action' = 'ddl'), '1 dropped policy stays on table warehouse.diagnosis, and 1 more', 'A transaction is one act, whose public part names the first');

-- what no transaction holds
select public.last_seq() as before \gset
alter system set log_statement = 'none';
alter system reset log_statement;
select niji.move_trail() \g /dev/null
select is((select string_agg((header ->> 'object') || ' ' || (private ->> 'details'), ', ' order by seq) from niji.trail where seq > :before and kind = 'alter_system'), 'log_statement set, log_statement reset', 'ALTER SYSTEM is an entry');
select public.last_seq() as before \gset
select set_config('session_replication_role', 'replica', false) \g /dev/null
insert into warehouse.other values (1);
set session_replication_role = origin;
select niji.move_trail() \g /dev/null
select is((select string_agg(header ->> 'object', ', ' order by seq) from niji.trail where seq > :before and kind = 'session_replication_role'), 'replica, origin', 'A session that passes triggers over is, however it is set');
select public.last_seq() as before \gset
load 'niji';
select niji.move_trail() \g /dev/null
select is((select count(*) from niji.trail where seq > :before and kind = 'load'), 1::bigint, 'LOAD is');
select ok(exists (select from niji.trail where kind = 'start' and header ->> 'object' like 'PostgreSQL %'), 'and the start of the server');
select * from finish();
