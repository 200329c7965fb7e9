# What a reader has evaluated: functions, operators, casts and aggregates that would tell what they are given, and
# errors that show a value.  Readers can create nothing on a hardened server; here a DBA was careless.
use strict;
use warnings;
use NijiAttack;
use Test::More;

house('functions');

attacks('creating', <<'END');
-- a function in the permit's schema [42501 dba]
create function {v}.f() returns bigint language sql as 'select count(*) from {b}.lab'; select {v}.f()
-- a table in public [42501 dba]
create table public.x as select code from {b}.lab; select count(*) from public.x
-- a temporary table [42501 dba]
create temporary table x as select code from {b}.lab; select count(*) from x
-- a temporary function [42501 dba]
create function pg_temp.f() returns bigint language sql as 'select count(*) from {b}.lab'; select pg_temp.f()
-- a schema [42501 dba]
create schema x; select count(*) from {b}.lab
END
# tells all that it is given, as a notice; cheap, so that it goes first where the server is free to choose
my $tell = q{create function bridge.tell(v anyelement) returns boolean language plpgsql %s as $$ begin raise notice 'told %%', v; return true; end $$
;;
};
for my $kind ('cost 0.0000001', 'immutable cost 0.0000001', 'stable cost 0.0000001', 'volatile cost 100000', 'parallel safe cost 0.0000001', 'strict immutable parallel safe cost 0.0000001', 'security definer cost 0.0000001', q{set client_min_messages = notice cost 0.0000001})
{
	attacks("a function that tells ($kind)", <<'END', sprintf($tell, $kind));
-- in WHERE
select count(*) from {v}.lab where bridge.tell(code)
-- in WHERE, of partitions
select count(*) from {v}.visit where bridge.tell(ward)
-- in JOIN ON
select count(*) from {v}.lab l join {v}.diagnosis d on l.pid = d.pid and bridge.tell(l.value)
-- in the outer side of a join
select count(*), count(l.code) from {v}.diagnosis d left join {v}.lab l on l.pid = d.pid and bridge.tell(l.value)
END
}
attacks('a function that tells', <<'END', sprintf($tell, 'immutable cost 0.0000001'));
-- in ORDER BY
select 1 from {v}.lab order by bridge.tell(value)
-- in GROUP BY
select count(*) from {v}.lab group by bridge.tell(value)
-- in HAVING
select code from {v}.lab group by code having bridge.tell(max(value))
-- in DISTINCT ON
select distinct on (bridge.tell(value)) 1 from {v}.lab
-- in a window
select count(*) over (partition by bridge.tell(value)) from {v}.lab
-- in FILTER
select count(*) filter (where bridge.tell(value)) from {v}.lab
-- in CASE
select count(*) from {v}.lab where case when bridge.tell(value) then true else false end
-- in COALESCE
select count(*) from {v}.lab where coalesce(bridge.tell(value), true)
-- in OR
select count(*) from {v}.lab where code = 'nothing' or bridge.tell(value)
-- in AND, where an index helps
select count(*) from {v}.lab where code = 'RARE' and bridge.tell(value)
-- in a sub-query
select count(*) from (select * from {v}.lab where bridge.tell(value) offset 0) x
-- in a sub-query that is pulled up
select count(*) from (select * from {v}.lab where bridge.tell(value)) x where code = 'RARE' or code = 'LDL'
-- in a correlated one
select count(*) from {v}.diagnosis d where exists (select from {v}.lab l where l.pid = d.pid and bridge.tell(l.value))
-- in LATERAL
select count(*) from {v}.lab l, lateral (select bridge.tell(l.value)) x
-- in a function in FROM
select count(*) from {v}.lab l, bridge.tell(l.value) x
-- in LIMIT
select count(*) from (select 1 from {v}.lab where bridge.tell(value) limit 100) x
-- of the row
select count(*) from {v}.lab l where bridge.tell(l)
-- of the pseudonym
select count(*) from {v}.lab where bridge.tell(pid)
-- of a generalised column
select count(*) from {v}.lab where bridge.tell(institution::text || code)
-- of a row of births
select count(*) from {v}.birth where bridge.tell(grams)
-- of a row that names its holder
select count(*) from {v}.chart where bridge.tell(note)
-- in a view of the reader's
create view bridge.v as select * from {v}.lab where bridge.tell(value); select count(*) from bridge.v
-- in a view with a barrier
create view bridge.v with (security_barrier) as select * from {v}.lab where bridge.tell(value); select count(*) from bridge.v
-- in a CTE
with x as not materialized (select * from {v}.lab) select count(*) from x where bridge.tell(value)
-- in a recursive one
with recursive x as (select value from {v}.lab where bridge.tell(value) union all select null from x where false) select count(*) from x
-- in both sides of a union
select count(*) from (select value from {v}.lab union all select cost from {v}.visit) x where bridge.tell(value)
-- in a merge join
set local enable_hashjoin = off; set local enable_nestloop = off; select count(*) from {v}.lab l join {v}.diagnosis d on l.pid = d.pid and bridge.tell(l.value)
-- in a nested loop
set local enable_hashjoin = off; set local enable_mergejoin = off; select count(*) from {v}.lab l join {v}.diagnosis d on l.pid = d.pid and bridge.tell(l.value)
-- in a bitmap scan's recheck
set local enable_seqscan = off; set local enable_indexscan = off; select count(*) from {v}.lab where code >= 'R' and bridge.tell(value)
-- in a parallel scan
set local parallel_setup_cost = 0; set local parallel_tuple_cost = 0; set local min_parallel_table_scan_size = 0; set local max_parallel_workers_per_gather = 1; alter function bridge.tell parallel safe; select count(*) from {v}.lab where bridge.tell(1)
-- in a prepared statement, generic
set local plan_cache_mode = force_generic_plan; prepare tell(numeric) as select count(*) from {v}.lab where value > $1 and bridge.tell(value); execute tell(6)
-- in a prepared statement, custom
set local plan_cache_mode = force_custom_plan; prepare tell(numeric) as select count(*) from {v}.lab where value > $1 and bridge.tell(value); execute tell(6)
-- in a cursor
declare c cursor for select 1 from {v}.lab where bridge.tell(value); fetch all from c
-- in COPY
copy (select 1 from {v}.lab where bridge.tell(value)) to stdout
-- in a default argument
create function bridge.g(x numeric, y boolean default bridge.tell(3)) returns boolean language sql as 'select bridge.tell(x)'; select count(*) from {v}.lab where bridge.g(value)
-- with a cost that is changed later
select count(*) from {v}.lab where bridge.tell(value); alter function bridge.tell cost 1000000; select count(*) from {v}.lab where bridge.tell(value) and value > 0
-- that calls itself leakproof [42501 dba]
alter function bridge.tell leakproof; select count(*) from {b}.lab where bridge.tell(value)
-- with a support function of the server's
create function bridge.starts(text, text) returns boolean language plpgsql immutable cost 0.00001 as $$ begin raise notice 'told %', $1; return true; end $$; select count(*) from {v}.lab where bridge.starts(code, 'R')
END

attacks('languages', <<'END');
-- SQL that is inlined
create function bridge.f() returns setof text language sql stable as 'select code from {v}.lab'; select count(*) from bridge.f() f where f = 'RARE' or f = 'LDL'
-- SQL that is not inlined
create function bridge.f() returns setof text language sql volatile strict as 'select code from {v}.lab'; select count(*) from bridge.f()
-- SQL with a body that was parsed
create function bridge.f() returns bigint language sql stable begin atomic select count(*) from {v}.lab; end; select bridge.f()
-- SQL that says it is immutable, run by the planner
create function bridge.f() returns bigint language sql immutable as 'select count(*) from {v}.lab'; select bridge.f(), 1 where bridge.f() > 0
-- a scalar SQL function that is inlined
create function bridge.f(x numeric) returns boolean language sql immutable as 'select 1 / (x - 666.25) < 1'; select count(*) from {v}.lab where bridge.f(value)
-- PL/pgSQL, stable
create function bridge.f() returns setof text language plpgsql stable as $$ begin return query select code from {v}.lab; end $$; select count(*) from bridge.f() f where f = 'RARE' or f = 'LDL'
-- PL/pgSQL, volatile
create function bridge.f() returns setof text language plpgsql volatile as $$ begin return query select code from {v}.lab; end $$; select count(*) from bridge.f()
-- PL/pgSQL, immutable
create function bridge.f() returns bigint language plpgsql immutable as $$ begin return (select count(*) from {v}.lab); end $$; select bridge.f()
-- PL/pgSQL with EXECUTE
create function bridge.f() returns bigint language plpgsql as $$ declare n bigint; begin execute 'select count(*) from {v}.lab where code = $1' into n using 'RARE'; return n; end $$; select bridge.f()
-- PL/pgSQL with a cursor
create function bridge.f() returns bigint language plpgsql as $$ declare n bigint := 0; r record; begin for r in select * from {v}.lab loop n := n + 1; end loop; return n; end $$; select bridge.f()
;;
do $$ declare c cursor for select code from {v}.lab order by code; r record; n int := 0; begin for r in c loop n := n + 1; end loop; raise notice '%', n; end $$
-- PL/pgSQL that moves in a cursor
do $$ declare c refcursor; n int; begin open c scroll for select code from {v}.lab; move forward all in c; get diagnostics n = row_count; raise notice '%', n; end $$
-- a definer function
create function bridge.f() returns bigint language sql security definer as 'select count(*) from {v}.lab'; select bridge.f()
-- a set-returning function in the target list
create function bridge.f(text) returns setof text language sql stable as 'select code from {v}.lab where code = $1'; select bridge.f(x) from (values ('RARE'), ('LDL')) v(x)
-- a function called in a loop
create function bridge.f(text) returns bigint language plpgsql stable as $$ begin return (select count(*) from {v}.lab where code = $1); end $$; select x, bridge.f(x) from unnest(array['RARE', 'LDL', 'UA']) x
-- a function that changes its own snapshot's kind
create function bridge.f() returns text language plpgsql volatile as $$ declare a bigint; b bigint; begin select count(*) into a from {v}.lab; begin select count(*) into b from {v}.lab; exception when others then b := -1; end; return a || '/' || b; end $$; select bridge.f()
-- parallel workers that call one
create function bridge.f(numeric) returns boolean language plpgsql immutable parallel safe as $$ begin return $1 > 8; end $$; set local parallel_setup_cost = 0; set local parallel_tuple_cost = 0; set local min_parallel_table_scan_size = 0; select count(*) from {v}.lab where bridge.f(value)
END

attacks('a tool of the reader\'s that tells', <<'END', sprintf($tell, 'immutable cost 0.0000001'));
-- an operator
create function bridge.same(text, text) returns boolean language plpgsql immutable cost 0.0000001 as $$ begin raise notice 'told %', $1; return $1 = $2; end $$; create operator bridge.=== (function = bridge.same, leftarg = text, rightarg = text); select count(*) from {v}.lab where code operator(bridge.===) 'RARE'
-- an operator with the estimators of equality
create function bridge.same(text, text) returns boolean language plpgsql immutable cost 0.0000001 as $$ begin raise notice 'told % %', $1, $2; return $1 = $2; end $$; create operator bridge.=== (function = bridge.same, leftarg = text, rightarg = text, restrict = eqsel, join = eqjoinsel); select count(*) from {v}.lab where code operator(bridge.===) 'RARE'
-- an operator with the estimators of order
create function bridge.less(numeric, numeric) returns boolean language plpgsql immutable cost 0.0000001 as $$ begin raise notice 'told % %', $1, $2; return $1 < $2; end $$; create operator bridge.<<< (function = bridge.less, leftarg = numeric, rightarg = numeric, restrict = scalarltsel, join = scalarltjoinsel); select count(*) from {v}.lab where value operator(bridge.<<<) 7
-- an operator with the estimators of order, between two relations
create function bridge.less(numeric, numeric) returns boolean language plpgsql immutable cost 0.0000001 as $$ begin raise notice 'told % %', $1, $2; return $1 < $2; end $$; create operator bridge.<<< (function = bridge.less, leftarg = numeric, rightarg = numeric, restrict = scalarltsel, join = scalarltjoinsel); select count(*) from {v}.lab a join {v}.lab b on a.value operator(bridge.<<<) b.value
-- an operator with the estimator of patterns
create function bridge.liked(text, text) returns boolean language plpgsql immutable cost 0.0000001 as $$ begin raise notice 'told % %', $1, $2; return $1 like $2; end $$; create operator bridge.~~~ (function = bridge.liked, leftarg = text, rightarg = text, restrict = likesel, join = likejoinsel); select count(*) from {v}.lab where code operator(bridge.~~~) 'R%'
-- an operator with the estimator of containment
create function bridge.same(text, text) returns boolean language plpgsql immutable cost 0.0000001 as $$ begin raise notice 'told % %', $1, $2; return $1 = $2; end $$; create operator bridge.=== (function = bridge.same, leftarg = text, rightarg = text, restrict = matchingsel, join = matchingjoinsel); select count(*) from {v}.lab where code operator(bridge.===) 'RARE'
-- an operator of an array
create function bridge.same(text, text) returns boolean language plpgsql immutable cost 0.0000001 as $$ begin raise notice 'told %', $1; return $1 = $2; end $$; create operator bridge.=== (function = bridge.same, leftarg = text, rightarg = text, restrict = eqsel); select count(*) from {v}.lab where code operator(bridge.===) any (array['RARE', 'LDL'])
-- a cast
create type bridge.t as (v text); create function bridge.cast(text) returns bridge.t language plpgsql immutable cost 0.0000001 as $$ begin raise notice 'told %', $1; return row($1); end $$; create cast (text as bridge.t) with function bridge.cast(text); select count(*) from {v}.lab where (code::bridge.t) is not null
-- an aggregate
create function bridge.add(int, text) returns int language plpgsql immutable as $$ begin raise notice 'told %', $2; return $1 + 1; end $$; create aggregate bridge.number(text) (sfunc = bridge.add, stype = int, initcond = 0); select bridge.number(code) from {v}.lab
-- an aggregate in a window
create function bridge.add(int, text) returns int language plpgsql immutable as $$ begin raise notice 'told %', $2; return $1 + 1; end $$; create aggregate bridge.number(text) (sfunc = bridge.add, stype = int, initcond = 0); select bridge.number(code) over (order by value) from {v}.lab
-- a domain
create domain bridge.d as text check (bridge.tell(value)); select count(*) from {v}.lab where code::bridge.d <> ''
-- a domain that refuses
create domain bridge.d as numeric check (value < 600); select count(*) from {v}.lab where value::bridge.d > 0
-- an index of the base table [42501 dba]
create index on {b}.lab (bridge.tell(code))
-- a policy of the base table [42501 dba]
create policy p on {b}.lab using (bridge.tell(code)); select count(*) from {b}.lab
-- a rule on the base table [42501 dba]
create rule r as on update to {b}.lab do also select bridge.tell(old.code); select count(*) from {b}.lab
-- a trigger on the base table [42501 dba]
create trigger t before insert on {b}.lab for each row execute function suppress_redundant_updates_trigger(); select count(*) from {b}.lab
-- statistics of the base table [42501 dba]
create statistics bridge.s on (bridge.tell(code)) from {b}.lab; analyze {b}.lab; select count(*) from {b}.lab
END

attacks('an error that shows a value', <<'END');
-- division by zero
select count(*) from {v}.lab where 1 / (value - 666.25) > -1
-- division by zero, in the target list
select sum(1 / (value - 666.25)) from {v}.lab
-- division by zero, in partitions
select count(*) from {v}.visit where 1 / (cost - 666.25) > -1
-- division by zero, in a join
select count(*) from {v}.lab l join {v}.diagnosis d on l.pid = d.pid and 1 / (l.value - 666.25) > -1
-- division by zero, beside an index
set local enable_seqscan = off; select count(*) from {v}.lab where code = 'RARE' and 1 / (value - 666.25) > -1
-- a cast to a number
select count(*) from {v}.lab where case when value > 600 then code::int else 1 end > 0
-- a cast of everything else
select count(*) from {v}.lab where (case when code in ('HBA1C', 'LDL', 'UA') then '1' else code end)::int > 0
-- a cast to a date
select count(*) from {v}.lab where (case when code = 'RARE' then code else '2026-01-01' end)::date > '2020-01-01'
-- a cast to an enumeration
create type bridge.known as enum ('HBA1C', 'LDL', 'UA'); select count(*) from {v}.lab where code::bridge.known is not null
-- a cast to a short type
select count(*) from {v}.lab where value::smallint * 100::smallint > 0
-- out of range
select count(*) from {v}.lab where (value * 1e6)::int4 + 1999000000 > 0
-- an overflow of a sum
select sum((value * 1e16)::bigint::int8) from {v}.lab where value::int * 1e16 < 9e18::numeric and ((value * 13e15)::bigint) > 0
-- a date out of range
select count(*) from {v}.lab where taken_on + (case when code = 'RARE' then 2147483000 else 1 end) > '2020-01-01'
-- make_date
select count(*) from {v}.lab where make_date(case when code = 'RARE' then 0 else 2020 end, 1, 1) > '2020-01-01'
-- a regular expression
select count(*) from {v}.lab where 'x' ~ case when code = 'RARE' then '(' else 'x' end
-- LIKE with a wrong escape
select count(*) from {v}.lab where 'xy' like case when code = 'RARE' then E'x\\' else 'x' end
-- JSON
select count(*) from {v}.lab where (case when code = 'RARE' then code else '1' end)::json is not null
-- a JSON path
select count(*) from {v}.lab where (case when code = 'RARE' then '$.' else '$' end)::jsonpath is not null
-- XML
select count(*) from {v}.lab where xmlparse(document case when code = 'RARE' then code else '<a/>' end) is document
-- an array's subscript
select count(*) from {v}.lab where array_fill(1, array[case when code = 'RARE' then -1 else 1 end]) is not null
-- a set that is too large
select count(*) from {v}.lab, generate_series(1, 2, case when value > 600 then 0 else 1 end)
-- an encoding
select count(*) from {v}.lab where convert_from(case when code = 'RARE' then '\xff'::bytea else '\x41' end, 'UTF8') = 'A'
-- a logarithm
select count(*) from {v}.lab where ln(666.25 - value + case when value < 600 then 0 else 0 end) is not null
-- width_bucket
select count(*) from {v}.lab where width_bucket(value, 0, 10, case when code = 'RARE' then 0 else 1 end) >= 0
-- a type's own input
select count(*) from {v}.lab where (case when code = 'RARE' then code || '??' else 'E119' end)::niji.icd10 is not null
-- a name that is none
select count(*) from {v}.lab where to_regclass(case when code = 'RARE' then '"' else 'pg_class' end) is not null
-- ERROR raised by a function
create function bridge.f(numeric) returns boolean language plpgsql immutable cost 0.0000001 as $$ begin if $1 > 600 then raise exception 'value %', $1; end if; return true; end $$; select count(*) from {v}.lab where bridge.f(value)
-- ERROR that is caught
create function bridge.f(numeric) returns boolean language plpgsql cost 0.0000001 as $$ begin return 1 / ($1 - 666.25) > -1; exception when division_by_zero then raise notice 'there'; return true; end $$; select count(*) from {v}.lab where bridge.f(value)
-- more than one row of a sub-query
select (select code from {v}.lab where value >= 8.9 order by 1)
-- a unique index on what was read [42501 runs]
create table bridge.u (code text, value numeric); create unique index on bridge.u (value) 
;;
insert into bridge.u select code, value from {v}.lab where value < 600
-- a check on what was read [42501 runs]
create table bridge.u (value numeric check (value < 600)); insert into bridge.u select value from {v}.lab
-- a partition for what was read [42501 runs]
create table bridge.u (value numeric) partition by range (value); create table bridge.u1 partition of bridge.u for values from (0) to (600); insert into bridge.u select value from {v}.lab
-- an exclusion of what was read [42501 runs]
create table bridge.u (value numeric, exclude using btree (value with =)); insert into bridge.u values (666.25); insert into bridge.u select value from {v}.lab where value > 8.9
END

attacks('changing', <<'END');
-- RETURNING of the view [42501|0A000|55000 runs]
update {v}.lab set value = value returning *
-- RETURNING of the base table [42501 dba]
update {b}.lab set value = value returning code
-- DELETE RETURNING [42501 dba]
delete from {b}.lab returning code
-- UPDATE FROM, of a table of the reader's [42501 runs]
create table bridge.u (n bigint); insert into bridge.u values (0); update bridge.u set n = x.n from (select count(*) as n from {v}.lab) x returning *
-- DELETE USING [42501 runs]
create table bridge.u (code text); insert into bridge.u values ('RARE'), ('LDL'), ('X'); delete from bridge.u using {v}.lab l where l.code = u.code returning *
-- MERGE [42501 runs]
create table bridge.u (code text, hits int default 0); insert into bridge.u values ('RARE'), ('LDL2'); merge into bridge.u using (select distinct code from {v}.lab) l on l.code = u.code when matched then update set hits = 1; select * from bridge.u
-- ON CONFLICT [42501 runs]
create table bridge.u (code text primary key, hits int default 0); insert into bridge.u values ('RARE'), ('LDL'); insert into bridge.u select distinct code from {v}.lab on conflict (code) do update set hits = 1 returning *
-- ON CONFLICT in the base table [42501 dba]
insert into {b}.lab (person, taken_on, code) select person, taken_on, code from {b}.lab where code = 'RARE' on conflict (person) do update set code = excluded.code returning code
-- a CTE that changes [42501 runs]
create table bridge.u (n bigint); with x as (insert into bridge.u select count(*) from {v}.lab returning n) select * from x
-- a foreign key to the base table [42501 dba]
create table bridge.fk (person niji.person references {b}.lab (person)); select count(*) from {b}.lab
-- a trigger that looks, on a table of the reader's [42501 runs]
create table bridge.u (n bigint); create function bridge.look() returns trigger language plpgsql as $$ begin new.n := (select count(*) from {v}.lab); return new; end $$; create trigger t before insert on bridge.u for each row execute function bridge.look(); insert into bridge.u values (0) returning *
-- a default that looks [42501 runs]
create function bridge.look() returns bigint language sql stable as 'select count(*) from {v}.lab'; create table bridge.u (x int, n bigint default bridge.look()); insert into bridge.u values (0) returning *
-- a check that looks [42501 runs]
create function bridge.look() returns bigint language sql stable as 'select count(*) from {v}.lab'; create table bridge.u (x int check (bridge.look() > 30)); insert into bridge.u values (0)
-- a generated column that looks [42501 runs]
create function bridge.look(int) returns bigint language sql immutable as 'select count(*) from {v}.lab'; create table bridge.u (x int, n bigint generated always as (bridge.look(x)) stored); insert into bridge.u values (0) returning *
-- an index that looks [42501 runs]
create function bridge.look(int) returns bigint language plpgsql immutable as $$ begin raise notice 'n %', (select count(*) from {v}.lab); return 1; end $$; create table bridge.u (x int); insert into bridge.u values (0); create index on bridge.u (bridge.look(x))
-- a policy that looks [42501 runs]
create function bridge.look() returns bigint language sql stable as 'select count(*) from {v}.lab'; create table bridge.u (x int); insert into bridge.u select generate_series(1, 50); alter table bridge.u enable row level security; alter table bridge.u force row level security; create policy p on bridge.u using (x <= bridge.look()); select count(*) from bridge.u
-- ALTER TABLE with a value that looks [42501 runs]
create function bridge.look() returns bigint language sql stable as 'select count(*) from {v}.lab'; create table bridge.u (x int); insert into bridge.u values (1); alter table bridge.u add n bigint default bridge.look(); select * from bridge.u
-- ALTER TABLE with a conversion that looks [42501 runs]
create function bridge.look() returns bigint language sql stable as 'select count(*) from {v}.lab'; create table bridge.u (x int); insert into bridge.u values (1); alter table bridge.u alter x type bigint using bridge.look(); select * from bridge.u
-- CREATE TABLE AS [42501 runs]
create table bridge.u as select * from {v}.lab; select count(*) from bridge.u
-- SELECT INTO [42501 runs]
select * into bridge.u from {v}.lab; select count(*) from bridge.u
-- a materialized view [42501 runs]
create materialized view bridge.u as select * from {v}.lab; select count(*) from bridge.u
-- a materialized view without rows, filled later [42501 runs]
create materialized view bridge.u as select * from {v}.lab with no data
;;
refresh materialized view bridge.u
;;
select count(*) from bridge.u
-- FOR UPDATE [42501 runs]
select code from {v}.lab for update
-- FOR NO KEY UPDATE [42501 runs]
select code from {v}.lab for no key update
-- FOR SHARE [42501 runs]
select code from {v}.lab for share
-- FOR KEY SHARE SKIP LOCKED [42501 runs]
select code from {v}.lab for key share skip locked
-- FOR UPDATE NOWAIT of the base table [42501 dba]
select code from {b}.lab for update nowait
-- a sequence that counts rows, which no reader makes [42501 dba]
create sequence bridge.s; select max(nextval('bridge.s')) from {b}.lab; select last_value from bridge.s
-- a sequence that counts rows before the filter, which no reader makes [42501 dba]
create sequence bridge.s; select count(*) from {b}.lab where nextval('bridge.s') > 0; select last_value from bridge.s
-- an advisory lock for each row
select count(pg_try_advisory_xact_lock(value::int)) from {v}.lab where pg_try_advisory_xact_lock(value::int)
-- NOTIFY for each row [top]
listen bridge; select count(*) from {v}.lab where pg_notify('bridge', value::text) is not null
-- a setting for each row
select count(*) from {v}.lab where set_config('bridge.last', current_setting('bridge.last', true) || value, true) is not null; select length(current_setting('bridge.last', true)), right(current_setting('bridge.last', true), 20)
-- setseed and random, whose state counts calls
select setseed(0.5); select count(*) from {v}.lab where random() < 2; select random()
-- the clock of xids
select count(*) from {v}.lab where pg_current_xact_id_if_assigned() is null
END
run_attacks();
NijiAttack::house_down();
done_testing();
