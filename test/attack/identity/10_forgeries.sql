-- Forgeries: an analyst never makes, prints, stores, compares or sorts a person, whatever the SQL.
-- Here the analyst may even create schemas and tables, which on a hardened server no analyst may.
\set ECHO none
select plan(96);

create role forgery_owner17 nologin;
create role forgery_owner18 nologin;
create role forger login;
create schema store;
create schema p17;
create schema p18;
do $$ begin execute format('grant create, temp on database %I to forger', current_database()); end $$;
grant create, usage on schema public to forger;
grant usage on schema store to forgery_owner17, forgery_owner18, forger;
grant usage on schema p17, p18 to forger;
select niji.create_domain('study 17') as d17, niji.create_domain('study 18') as d18 \gset

create table store.lab (person niji.person, v int, taken_on date);
insert into store.lab select ((i * 7919::bigint) % 1000 + 1)::text::niji.person, i, date '2020-01-01' + i % 100 from generate_series(1, 3000) i;
create index on store.lab (person);
analyze store.lab;
alter table store.lab enable row level security;
create policy filter on store.lab for select to forgery_owner17, forgery_owner18 using (v % 100 <> 0);
grant select on store.lab to forgery_owner17, forgery_owner18;
create view p17.lab as select niji.pseudonym(person, :d17) as pid, v, taken_on from store.lab;
create view p18.lab as select niji.pseudonym(person, :d18) as pid, v, taken_on from store.lab;
alter view p17.lab owner to forgery_owner17;
alter view p18.lab owner to forgery_owner18;
grant select on p17.lab, p18.lab to forger;

-- runs one attempt: how it failed, or what it gave
create function public.attempt(query text) returns text language plpgsql as $$
declare result text;
begin
  execute query into result;
  return coalesce(result, 'null');
exception when others then
  return sqlstate;
end $$;
create function public.says(query text) returns text language plpgsql as $$
begin
  execute query;
  return 'nothing';
exception when others then
  return sqlerrm;
end $$;

set session authorization forger;
select pid as one from p17.lab where v = 1234 \gset
select pid as two from p17.lab where v = 1235 \gset
select pid as foreign_one from p18.lab where v = 1234 \gset
set search_path = niji, p17, public;

create function public.poly(a anyelement, b int) returns anyelement language plpgsql as 'begin return b; end';
create function public.same(a anyelement) returns anyelement language sql as 'select a';

-- ---- entering a person ----
select is(attempt($$ select '1'::niji.person $$), '42501', 'a literal');
select is(attempt($$ select '1'::text::niji.person $$), '42501', 'a text');
select is(attempt($$ select 1::niji.person $$), '42846', 'a number: there is no cast');
select is(attempt($$ select '{1,2}'::niji.person[] $$), '42501', 'an array literal');
select is(attempt($$ select array['1']::niji.person[] $$), '42501', 'an array of texts');
select is(attempt($$ select niji.person_in('1') $$), '42501', 'calling the input function');
select is(attempt($$ select pg_catalog.array_in('{1}', 'niji.person'::regtype, -1)::text $$), '42501', 'calling the input function of arrays');
select is(attempt($$ select pg_catalog.record_in('(1,1,2020-01-01)', 'store.lab'::regtype, -1)::text $$), '42501', 'calling the input function of records');
select is(attempt($$ select '(1,1,2020-01-01)'::store.lab $$), '42501', 'a row of the base table as a literal');
select ok(attempt($$ select pg_input_is_valid('1', 'niji.person') $$) in ('42501', '42883'), 'asking whether a text would be valid (16 and newer)');
select is(attempt($$ select null::niji.person $$), 'null', 'null is harmless');
select is(attempt($$ select (null::store.lab).person $$), 'null', 'of a null row too');
select is(attempt($$ select (jsonb_populate_record(null::store.lab, '{"person": 5}')).person $$), '42501', 'a row from jsonb');
select is(attempt(format($$ select niji.pseudonym((jsonb_populate_record(null::store.lab, '{"person": 5}')).person, %s) $$, :d18)), '42501', 'a row from jsonb, to see its pseudonym');
select is(attempt(format($$ select niji.pseudonym(x.person, %s) from json_to_record('{"person": 5}') as x(person niji.person) $$, :d18)), '42501', 'a record from json with a column list');
select is(attempt($$ select count(*) from jsonb_to_recordset('[{"person": 5}]') as x(person niji.person) $$), '42501', 'records from jsonb with a column list');
select is(attempt($$ select xmltable.* from xmltable('/a' passing '<a>5</a>' columns person niji.person path '.') $$), '42501', 'a column of XMLTABLE');
select is(attempt(format($$ select niji.pseudonym(public.poly(null::niji.person, 5), %s) $$, :d18)), '42501', 'a polymorphic function that assigns a number');
select is(attempt($$ create function pg_temp.poly2(a anyelement) returns anyelement language sql as 'select 5'; select pg_temp.poly2(null::niji.person)::text $$), '42P13', 'a polymorphic SQL function that returns a number');
select is(attempt($$ do 'declare p niji.person; begin p := 5; end' $$), '42501', 'a variable');
select is(attempt($$ do 'declare r store.lab; begin r.person := 5; end' $$), '42501', 'a field of a row variable');
select is(attempt($$ do 'declare r store.lab; begin select 5, 1, current_date into r; end' $$), '42501', 'a row variable from a query');
select is(attempt($$ create cast (int as niji.person) without function $$), '42501', 'a cast of one''s own without function');
select is(attempt($$ create cast (int as niji.person) with inout $$), '42501', 'a cast of one''s own through text');
select is(attempt($$ create function pg_temp.f() returns niji.person language sql as 'select null::niji.person' $$), '42501', 'a function that returns a person');
select is(attempt($$ create function pg_temp.f(niji.person) returns int language sql as 'select 1' $$), '42501', 'a function that takes a person');
select is(attempt($$ create function pg_temp.f() returns table (p niji.person) language sql as 'select null::niji.person' $$), '42501', 'a function that returns a table with a person');
select is(attempt($$ create aggregate pg_temp.a(int) (sfunc = int4pl, stype = niji.person, initcond = '5') $$), '42501', 'an aggregate whose state is a person');
select is(attempt($$ create domain public.mine as niji.person $$), '42501', 'a domain over person');
select is(attempt($$ create type public.mine as (p niji.person) $$), '42501', 'a composite type with a person');
select is(attempt($$ create type public.mine as range (subtype = niji.person) $$), '42501', 'a range of persons');
select is(attempt($$ create operator public.=== (function = niji.person_eq, leftarg = niji.person, rightarg = niji.person) $$), '42501', 'an operator over persons');
create function pg_temp.rows_sql() returns setof store.lab language plpgsql as $$ begin return query select 5, 1, current_date; end $$;
select is(attempt('select count(*) from pg_temp.rows_sql()'), '42804', 'a function that returns rows of the base table, from a query');
create function pg_temp.rows_next() returns setof store.lab language plpgsql as $$ declare r store.lab; begin r.person := 5; return next r; end $$;
select is(attempt(format('select niji.pseudonym(person, %s) from pg_temp.rows_next()', :d18)), '42501', 'a function that returns rows of the base table, from a variable');
create function pg_temp.rows_record() returns store.lab language plpgsql as $$ declare r record; begin select 5 as person, 1 as v, current_date as taken_on into r; return r; end $$;
select is(attempt(format('select niji.pseudonym((pg_temp.rows_record()).person, %s)', :d18)), '42804', 'a function that returns a record as a row of the base table');
select is(attempt($$ create function pg_temp.rows_plain() returns setof store.lab language sql as 'select 5, 1, current_date' $$), '42P13', 'a SQL function that returns numbers as a row of the base table');
create function pg_temp.rec() returns record language plpgsql as $$ declare r record; begin select 5 into r; return r; end $$;
select is(attempt('select count(*) from pg_temp.rec() as x(p niji.person)'), '42804', 'a record with a column list');
create function pg_temp.recs() returns setof record language plpgsql as $$ begin return query execute 'select 5'; end $$;
select is(attempt('select count(*) from pg_temp.recs() as x(p niji.person)'), '42804', 'records with a column list');
prepare enter(niji.person) as select niji.pseudonym($1, 1);
select is(attempt('execute enter(5)'), '42804', 'a parameter from a number');
select is(attempt('execute enter(''5'')'), '42501', 'a parameter from a literal');
select is(attempt('execute enter(null)'), 'null', 'a null parameter is harmless');
select is(attempt($$ select coalesce(null::niji.person, 5) $$), '42804', 'coalesce with a number');
select is(attempt($$ select case when true then '5' else null::niji.person end $$), '42501', 'CASE with a literal');
select is(attempt($$ select p from (values (null::niji.person), ('5')) v(p) $$), '42501', 'VALUES with a literal');
select is(attempt($$ select null::niji.person union select '5' $$), '42501', 'UNION with a literal');
select is(attempt($$ select lag(null::niji.person, 1, '5') over () $$), '42501', 'the default of lag()');
select is(attempt($$ select array_fill(null::niji.person, array[2]) $$), '{NULL,NULL}', 'an array of nulls is harmless');
select is(attempt($$ select count(*) from store.lab where person = '5' $$), '42501', 'comparing the base table with a literal');
select is(attempt($$ select pg_get_expr('{CONST :consttype 1 }'::pg_node_tree, 0) $$), '0A000', 'a node tree of one''s own');

-- ---- seeing, storing, sorting ----
select is(attempt('select person from p17.lab limit 1'), '42703', 'the view has no person');
select is(attempt('select l.ctid from p17.lab l limit 1'), '42703', 'nor a row''s place');
select is(attempt('select v from p17.lab order by person limit 1'), '42703', 'nor an order by person');
select is(attempt('select person from store.lab limit 1'), '42501', 'the base table is not readable');
select is(attempt('select lab from store.lab lab limit 1'), '42501', 'nor a whole row of it');
select is(attempt('select 1 from store.lab limit 1'), '42501', 'nor that it has rows');
select is(attempt('select to_jsonb(l) ? ''person'' from p17.lab l limit 1'), 'false', 'a row of the view as jsonb has no person');
select is(attempt('create temp table mine (p niji.person)'), '42501', 'a table with a person');
select is(attempt('create table public.mine (like store.lab)'), '42501', 'a table like the base table');
select is(attempt('create temp table mine () inherits (store.lab)'), '42501', 'a child of the base table');
select is(attempt('create table public.mine as select null::niji.person as p'), '42501', 'a table made by a query');
select is(attempt('select niji.person_cmp(null, null)'), 'null', 'comparing nulls is harmless');
select is(has_function_privilege('niji.person_hash(niji.person)', 'execute'), false, 'hashing is not granted');
select is(attempt('insert into p17.lab (v) values (1)'), '42501', 'a row through the view');
select is(attempt('select pid from p17.lab for update'), '42501', 'a lock through the view');
select is(attempt('select count(*) from pg_stats where schemaname = ''store'''), '0', 'statistics of the base table');
select is(attempt('select count(*) from pg_statistic'), '42501', 'statistics in the catalog');
select is(attempt(format('select niji.person_of(%L, %s)', :'one', :d17)), '42501', 'person_of is not granted');
select unalike(says($$ select '19800101'::niji.person $$), '%19800101%', 'an error does not repeat the value');

-- ---- probes ----
select is(attempt($$ select 'x'::niji.probe $$), '0A000', 'a probe cannot be entered');
select is(attempt('create temp table mine (p niji.probe)'), '42501', 'nor stored');
select is(attempt('create temp table mine as select niji.make_probe(''x''::text, 1) as p'), '42501', 'nor stored by a query');
select is(attempt(format('select niji.make_probe(%L::text, %s)', :'one', :d17)), format('%s in domain %s', :'one', :d17), 'a probe shows what went in, no more');
select is(attempt(format('select niji.make_probe(%L::text, %s) operator(niji.=) niji.make_probe(%L::text, %s)', :'one', :d17, :'foreign_one', :d18)), 'false', 'probes of one person in two domains are not equal');
select is(attempt(format('select niji.probe_cmp(niji.make_probe(%L::text, %s), niji.make_probe(%L::text, %s))', :'one', :d17, :'foreign_one', :d18)), '42501', 'comparing probes is not granted');
select is(attempt(format('select niji.probe_hash(niji.make_probe(%L::text, %s))', :'one', :d17)), '42501', 'hashing a probe is not granted');
select is(attempt(format('select niji.probe_hash_extended(niji.make_probe(%L::text, %s), 0)', :'one', :d17)), '42501', 'nor with a seed');
select is(has_function_privilege('niji.person_cmp_probe(niji.person, niji.probe)', 'execute'), false, 'comparing a person with a probe is not granted');
select is(has_function_privilege('niji.probe_cmp_person(niji.probe, niji.person)', 'execute'), false, 'nor the other way');
select is(attempt(format('select niji.make_probe(%L::text, %s) < niji.make_probe(%L::text, %s)', :'one', :d17, :'two', :d17)), '42883', 'probes have no order');
select is(attempt(format('select niji.make_probe(t, %s) from (values (%L), (%L)) v(t) order by 1', :d17, :'one', :'two')), '42883', 'probes cannot be sorted');
select is(attempt(format('select niji.make_probe(t, %s) from (values (%L), (%L)) v(t) order by 1 using operator(niji.=)', :d17, :'one', :'two')), '42809', 'nor by their equality');
select is(attempt(format('select count(distinct niji.make_probe(t, %s)) from (values (%L), (%L)) v(t)', :d17, :'one', :'two')), '42883', 'nor told apart');
select is(attempt(format('select count(*) from (select niji.make_probe(t, %s) p from (values (%L), (%L)) v(t) group by p) x', :d17, :'one', :'two')), '42883', 'nor grouped');
select is(attempt(format('select hash_record(row(niji.make_probe(%L::text, %s)))', :'one', :d17)), '42883', 'nor hashed in a record');
select is(attempt(format('select row(niji.make_probe(%L::text, %s)) < row(niji.make_probe(%L::text, %s))', :'one', :d17, :'two', :d17)), '42883', 'nor ordered in a record');
select is(attempt(format('select niji.make_probes(array[%L], %s) = niji.make_probes(array[%L], %s)', :'one', :d17, :'foreign_one', :d18)), '42883', 'nor compared in an array');
select is(attempt(format('select width_bucket(niji.make_probe(%L::text, %s), niji.make_probes(array[%L, %L], %s))', :'one', :d17, :'one', :'two', :d17)), '42883', 'nor put into buckets');
select is(attempt(format('select max(niji.make_probe(%L::text, %s))', :'one', :d17)), '42883', 'nor has it a maximum');
select is(attempt(format('select count(*) from (values (%L)) a(t) join (values (%L)) b(t) on niji.make_probe(a.t, %s) operator(niji.=) niji.make_probe(b.t, %s)', :'one', :'foreign_one', :d17, :d18)), '0', 'a hash join of probes does not link two domains');
select is(attempt(format('select count(*) from (select niji.make_probe(a.t, %s) operator(niji.=) any (select niji.make_probe(b.t, %s) from (values (%L)) b(t)) as linked from (values (%L)) a(t)) x where linked', :d17, :d18, :'foreign_one', :'one')), '0', 'nor a hashed sub-query');

-- ---- the planner's own functions, and look-alikes ----
create function public.pseudonym(a int, b int) returns niji.pseudonym language sql immutable as $$ select niji.text_pseudonym('0000000000000000000000000001') $$;
select is((select public.pseudonym(1, 1) = '0000000000000000000000000001'), true, 'a function named pseudonym in another schema is just a function');
create function public.make_probe(niji.pseudonym, int) returns int language plpgsql as $$ begin raise exception 'tricked'; end $$;
create operator public.= (function = niji.pseudonym_ne, leftarg = niji.pseudonym, rightarg = niji.pseudonym);
set search_path = public, niji, pg_catalog;
select is(attempt(format('select count(*) from p17.lab where pid operator(pg_catalog.=) %L', :'one')), attempt(format('select count(*) from p17.lab where pid operator(pg_catalog.=) any (array[%L]::niji.pseudonym[])', :'one')), 'functions of the same name do not trick the planner');
set search_path = niji, p17, public;
select is(has_function_privilege('niji.pseudonym_eq_support(internal)', 'execute'), false, 'support functions are not granted');
-- the plan shows what the caller wrote
create function pg_temp.plan_of(query text) returns text language plpgsql as $$
declare line text; result text := '';
begin
  for line in execute 'explain (verbose, costs off) ' || query loop result := result || line || e'\n'; end loop;
  return result;
end $$;
select alike(pg_temp.plan_of(format('select v from p17.lab where pid = %L', :'one')), format('%%%s in domain%%', :'one'), 'a plan shows the pseudonym that the caller wrote');
-- what runs before the filter cannot see
create table public.seen (what text);
create function public.peek(p niji.pseudonym, v int) returns boolean language plpgsql cost 0.0000001 as $$
begin if v % 100 = 0 then raise exception 'saw a withheld row'; end if; return true; end $$;
select is(attempt('select count(*) from p17.lab where public.peek(pid, v)'), '2970', 'a cheap function in WHERE does not see withheld rows');
select is(attempt(format('select count(*) from p17.lab where public.peek(pid, v) and pid = %L', :'one')), '3', 'nor beside a comparison that uses the index');

reset session authorization;
select * from finish();
