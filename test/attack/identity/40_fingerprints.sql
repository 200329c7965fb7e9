-- Fingerprints: something of a person that is the same under two permits.  A reader of both writes the same expression
-- in two sessions; for each expression the answers are compared here, where both lists are at hand, and the truth is.
\i test/attack/house.sql
create table attack.expression (id int generated always as identity, expression text, wide boolean);
-- values that are wide enough to know somebody again: no person may have the same under two permits
insert into attack.expression (expression, wide)
  select e, true from unnest(array[
    'pid::text', 'pid::varchar', 'encode(pid::text::bytea, ''base64'')', 'md5(pid::text)', 'sha256(pid::text::bytea)::text', 'reverse(pid)', 'left(pid, 8)', 'right(pid, 8)',
    'substr(pid, 10, 8)', 'hashtext(pid)::text', 'hashtextextended(pid, 0)::text', 'hashtextextended(pid, 42)::text', 'hash_record(row(pid))::text',
    'hash_record_extended(row(pid), 0)::text', 'hash_record(row(pid, 1))::text', 'hash_array(array[pid])::text', 'hash_array_extended(array[pid], 7)::text',
    'hashbpchar(pid::text::bpchar)::text', 'row(pid)::text', 'array[pid]::text', 'to_json(pid)::text', 'to_jsonb(row(pid))::text',
    'jsonb_hash(to_jsonb(pid))::text || hashtextextended(pid, 1)', 'niji.pseudonym_send(pid)::text', 'record_send(row(pid))::text', 'format(''%L'', pid)', 'xmlelement(name p, pid)::text',
    'encode(sha512(niji.pseudonym_send(pid)), ''hex'')', 'setseed(0)::text || pid', 'niji.text_pseudonym(pid::text)::text',
    'left(niji.make_probe(pid, 1)::text, 28)', 'left(niji.make_probe(pid::text, 2)::text, 28)', 'left((niji.make_probes(array[pid], 1))::text, 28)',
    'translate(pid, ''0123456789'', ''abcdefghij'')',
    'to_hex(hashtext(pid))', '(hashtext(pid) # hashtext(reverse(pid)))::text', 'concat_ws(''-'', pid, pid)', 'overlay(pid placing ''x'' from 3)', 'ltrim(pid::text, ''0'')']) e;
-- orders: two of them may agree in a few places by chance (39 persons; fifteen agreements are one in 10^12), not in all
insert into attack.expression (expression, wide)
  select e, false from unnest(array[
    'rank() over (order by pid)', 'rank() over (order by pid desc)', 'dense_rank() over (order by pid::text)', 'row_number() over (order by hashtext(pid), pid)',
    'row_number() over (order by hash_record(row(pid)), pid)', 'row_number() over (order by row(pid))', 'row_number() over (order by array[pid])', 'row_number() over (order by reverse(pid))',
    'row_number() over (order by to_jsonb(pid))', 'row_number() over (order by pid::text collate "und-x-icu")', 'row_number() over (order by pid using operator(pg_catalog.<))',
    'row_number() over (order by niji.pseudonym_send(pid))', 'row_number() over (order by md5(pid::text))', 'count(*) over (order by pid range between unbounded preceding and current row)',
    'row_number() over (order by length(pid::text), pid desc)', 'row_number() over (order by hashtextextended(pid, 3))', 'row_number() over (order by ascii(pid), pid)',
    'round(1000 * percent_rank() over (order by pid))', 'round(1000 * cume_dist() over (order by pid desc))', 'ntile(39) over (order by pid)',
    'row_number() over (order by left(pid, 1), reverse(pid))']) e;
create function attack.agreements(e text) returns bigint language plpgsql as $$
declare
  result bigint;
begin
  execute format($q$
    with one as (select pid, (%1$s)::text as v from attack.list17 where pid::text in (select p17 from attack.truth)),
         two as (select pid, (%1$s)::text as v from attack.list18 where pid::text in (select p18 from attack.truth))
    select count(*) from attack.truth t join one on one.pid = t.p17 join two on two.pid = t.p18 where one.v = two.v $q$, e) into result;
  return result;
end $$;

-- what tells rows and their places apart is not in a view, and would be the same under every permit
select attack.add('a row''s place and age', 'analyst_fujita', $q$
42703 | select ctid from p2026_017.lab
42703 | select tableoid from p2026_017.lab
42703 | select xmin from p2026_017.lab
42703 | select xmax from p2026_017.lab
42703 | select cmin, cmax from p2026_017.lab
42703 | select l.ctid from p2026_017.lab l
42703 | select pid from p2026_017.lab where ctid = '(0,1)'
42703 | select pid from p2026_017.lab order by ctid
42703 | select age(xmin) from p2026_017.lab
42703 | select pg_xact_commit_timestamp(xmin) from p2026_017.lab
42703 | select oid from p2026_017.lab
42703 | select max(ctid) from p2026_017.lab
0A000 | select pid from p2026_017.lab tablesample system (50) repeatable (1)
0A000 | select pid from p2026_017.lab tablesample bernoulli (50) repeatable (1)
42501 | select ctid, xmin from warehouse.lab
42501 | select ctid from warehouse.lab tablesample bernoulli (50) repeatable (1)
42809|42501 | create index on p2026_017.lab (pid)
42809|42501 | create statistics bridge.s on pid, value from p2026_017.lab
42809|42501 | create trigger t instead of insert on p2026_017.lab for each row execute function suppress_redundant_updates_trigger()
42501 | create rule r as on insert to p2026_017.lab do also select 1
42501 | alter view p2026_017.lab set (security_barrier = true)
42501 | alter view p2026_017.lab owner to analyst_fujita
42501 | create or replace view p2026_017.lab as select null::niji.pseudonym as pid
42501 | alter view p2026_017.lab alter column value set default 1
42501 | create policy p on p2026_017.lab
42501 | create table p2026_017.mine (x int)
42501 | create function p2026_017.mine() returns int language sql as 'select 1'
42501 | grant select on p2026_017.lab to public;; select * from warehouse.lab
42501 | drop view p2026_017.lab
42501 | alter schema p2026_017 owner to analyst_fujita
$q$);
update attack.attempt set ends = '42501|42809' where statement like 'create policy%' or statement like 'create trigger%';
-- the number of the other permit's rows, or anything that was kept from it, in this session
select attack.add('carrying something from one permit to the other', 'analyst_fujita', $q$
00000 | select count(*) from p2026_017.lab
42501 | select count(*) from p2026_018.lab
42501 | select set_config('mine.pid', (select min(pid)::text from p2026_017.lab), false), count(*) from p2026_018.lab
42501 | set mine.x = 'x';; select count(*) from p2026_018.lab where current_setting('mine.x') is not null
42501 | discard plans;; discard sequences;; select count(*) from p2026_018.lab
42501 | deallocate all;; reset all;; select 1 from p2026_018.diagnosis
42501 | select pg_advisory_lock(hashtext(pid)) from p2026_018.lab
42501 | listen x;; select pg_notify('x', pid::text) from p2026_018.lab
42501 | insert into bridge.own (n) select 1 from p2026_017.lab
42501 | create table bridge.kept_pids as select pid from p2026_017.lab
42501 | create temp table kept_pids as select pid from p2026_017.lab
42501 | create materialized view bridge.kept_pids as select pid from p2026_017.lab
42501 | select pid into bridge.kept_pids from p2026_017.lab
42501 | declare kept cursor with hold for select pid from p2026_017.lab
42501 | select lo_from_bytea(0, string_agg(pid::text, ',')::bytea) from p2026_017.lab
42501 | comment on schema bridge is 'x'
42501 | alter role analyst_fujita set mine.x = 'x'
42501 | alter role analyst_fujita in database niji set search_path = 'x'
42501 | select pg_logical_emit_message(false, 'x', 'x') from p2026_018.lab
42501 | do 'declare r record; begin for r in select pid from p2026_018.lab loop null; end loop; end'
42501 | select query_to_xml('select pid from p2026_018.lab', true, true, '')
42501 | explain analyze select pid from p2026_018.lab
42501 | prepare of_other as select pid from p2026_018.lab;; execute of_other
42501 | declare c cursor for select pid from p2026_018.lab;; fetch 1 from c
42501 | copy (select pid from p2026_018.lab) to '/tmp/x'
$q$);
update attack.attempt set ends = '42501|42601' where statement like 'select pid into%';
select plan((select sum(cardinality(who)) from attack.attempt)::int + (select count(*)::int from attack.expression) + 1);
select is((select count(*) from attack.truth t join attack.list17 a on a.pid = t.p17 join attack.list18 b on b.pid = t.p18), 39::bigint, 'Thirty-nine persons are on both lists');
select cmp_ok(attack.agreements(expression), case when wide then '=' else '<' end, case when wide then 0::bigint else 15 end,
              'The same under two permits for ' || case when wide then 'nobody: ' else 'few, by chance: ' end || expression) from attack.expression order by id;
select attack.judge(a, w) from attack.attempt a, unnest(a.who) w order by a.id;
select * from finish();
