-- Objects of one's own over the types person and probe: where people may create, they still make nothing that takes,
-- gives, stores, casts, sorts or counts a person.
\i test/attack/house.sql
create operator bridge.<<< (function = int4lt, leftarg = int, rightarg = int);
create type bridge.pair as (a int, b text);
create table bridge.plain (a int, b text);
do $$ declare t text; begin
  foreach t in array array['bridge.pair', 'bridge.plain'] loop
    execute format(case when t = 'bridge.pair' then 'alter type %s owner to owner_hata' else 'alter table %s owner to owner_hata' end, t);
  end loop;
end $$;

select attack.add('an object over persons', 'analyst_fujita stranger owner_hata loader_kato consent_ito', $q$
42501 | create table bridge.t_{who} (p niji.person)
42501 | create table bridge.t_{who} (p niji.person[])
42501 | create temp table t_{who} (p niji.person)
42501 | create unlogged table bridge.t_{who} (p niji.person)
42501 | create table bridge.t_{who} (p niji.probe)
42501 | create table bridge.t_{who} as select null::niji.person as p
42501 | create table bridge.t_{who} as select array[null::niji.person] as p
42501 | create temp table t_{who} as select null::niji.person as p
42501 | create table bridge.t_{who} as select niji.make_probe('{mine}'::text, {d}) as p
42501 | create materialized view bridge.m_{who} as select null::niji.person as p
42501 | create view bridge.v_{who} as select null::niji.person as p
42501 | create view bridge.v_{who} as select niji.make_probe('{mine}'::text, {d}) as p
42501 | create temp view v_{who} as select null::niji.person as p
42501 | create recursive view bridge.v_{who} (p) as select null::niji.person
42501 | create type bridge.c_{who} as (p niji.person)
42501 | create type bridge.c_{who} as (p niji.person[])
42501 | create type bridge.c_{who} as (p niji.probe)
42501 | create type bridge.c_{who} as (i int);; alter type bridge.c_{who} add attribute p niji.person
42501 | create type bridge.c_{who} as (i int);; alter type bridge.c_{who} alter attribute i type niji.person
42501 | create table bridge.a_{who} (i int);; alter table bridge.a_{who} add column p niji.person
42501 | create table bridge.a_{who} (i int);; alter table bridge.a_{who} alter column i type niji.person using null
42501 | create domain bridge.d_{who} as niji.person
42501 | create domain bridge.d_{who} as niji.person check (value is null)
42501 | create domain bridge.d_{who} as niji.person[]
42501 | create domain bridge.d_{who} as niji.probe
42501 | create type bridge.r_{who} as range (subtype = niji.person)
42501 | create type bridge.r_{who} as range (subtype = niji.person, subtype_opclass = niji.person_ops, multirange_type_name = bridge.mr_{who})
42501 | create type bridge.r_{who} as range (subtype = niji.probe)
42501 | create function bridge.f_{who}(niji.person) returns int language sql as 'select 1'
42501 | create function bridge.f_{who}(niji.person[]) returns int language sql as 'select 1'
42501 | create function bridge.f_{who}() returns niji.person language sql as 'select null::niji.person'
42501 | create function bridge.f_{who}() returns setof niji.person language sql as 'select null::niji.person'
42501 | create function bridge.f_{who}() returns niji.person[] language sql as 'select null::niji.person[]'
42501 | create function bridge.f_{who}() returns table (p niji.person) language sql as 'select null::niji.person'
42501 | create function bridge.f_{who}(out p niji.person) language sql as 'select null::niji.person'
42501 | create function bridge.f_{who}(inout p niji.person) language sql as 'select p'
42501 | create function bridge.f_{who}(variadic p niji.person[]) returns int language sql as 'select 1'
42501 | create function bridge.f_{who}(p niji.person default null) returns int language sql as 'select 1'
42501 | create function bridge.f_{who}(p niji.person) returns text language plpgsql as 'begin return p; end'
42501 | create function bridge.f_{who}(p niji.probe) returns int language sql as 'select 1'
42501 | create function bridge.f_{who}() returns niji.probe language sql as 'select null::niji.probe'
42501 | create function bridge.f_{who}(p warehouse.lab.person%type) returns int language sql as 'select 1'
42501 | create function bridge.f_{who}() returns warehouse.lab.person%type language sql as 'select null::niji.person'
42501 | create function bridge.f_{who}(int) returns niji.person language internal as 'int4abs'
42501 | create function bridge.f_{who}(int) returns int language internal immutable strict as 'int4abs'
42501 | create function bridge.f_{who}(niji.person) returns int language c as '$libdir/niji', 'person_out'
42501 | create procedure bridge.f_{who}(niji.person) language sql as 'select 1'
42501 | create procedure bridge.f_{who}(inout p niji.person) language sql as 'select p'
42501 | create aggregate bridge.g_{who} (niji.person) (sfunc = niji.person_smaller, stype = niji.person)
42501|42883 | create aggregate bridge.g_{who} (int) (sfunc = int4pl, stype = niji.person, initcond = '5')
42501 | create aggregate bridge.g_{who} (niji.person) (sfunc = array_append, stype = niji.person[])
42501 | create aggregate bridge.g_{who} (order by niji.person) (sfunc = ordered_set_transition, stype = internal, finalfunc = mode_final)
42501 | create operator bridge.=== (function = niji.person_eq, leftarg = niji.person, rightarg = niji.person)
42501 | create operator bridge.<< (function = niji.person_lt, leftarg = niji.person, rightarg = niji.person)
42501 | create operator bridge.=== (function = niji.person_eq_probe, leftarg = niji.person, rightarg = niji.probe, hashes, merges)
42501 | create operator bridge.=== (function = niji.probe_same, leftarg = niji.probe, rightarg = niji.probe, hashes)
42501 | create operator bridge.<< (function = niji.probe_cmp, leftarg = niji.probe, rightarg = niji.probe)
42501 | create operator class bridge.o_{who} default for type niji.probe using btree as operator 3 niji.= (niji.probe, niji.probe), function 1 niji.probe_cmp(niji.probe, niji.probe)
42501 | create operator class bridge.o_{who} for type niji.person using hash as operator 1 =, function 1 hashint4(int)
42501 | create operator class bridge.o_{who} for type niji.pseudonym using btree as function 1 niji.pseudonym_cmp(niji.pseudonym, niji.pseudonym)
42501 | create operator family bridge.o_{who} using btree
42501 | alter operator family niji.person_ops using hash add function 1 (niji.person) hashint4(int)
42501 | alter operator niji.= (niji.probe, niji.probe) set (restrict = none)
42501 | alter operator niji.= (niji.probe, niji.probe) owner to {who}
42501 | create cast (int as niji.person) without function
42501 | create cast (niji.person as int) without function
42501 | create cast (int as niji.person) with inout
42501 | create cast (niji.person as int) with inout as implicit
42501 | create cast (niji.person as text) with inout as assignment
42501 | create cast (niji.person as niji.pseudonym) with inout
42501 | create cast (niji.probe as niji.person) with inout
42501 | create cast (bytea as niji.person) with function bytea(bytea)
42501 | create cast (niji.person[] as int[]) without function
42501 | create transform for niji.person language sql (from sql with function niji.person_out(niji.person), to sql with function niji.person_in(cstring))
42501 | create function bridge.f_{who}(cstring) returns niji.pseudonym language internal as 'int4in'
42501 | alter type niji.person owner to {who}
42501 | alter type niji.person set (storage = plain)
42501 | alter type niji.person rename to human
42501 | alter type niji.person set schema bridge
42501 | drop type niji.person
42501 | drop cast (niji.pseudonym as text)
42501 | grant usage on type niji.person to {who}
42501 | comment on type niji.person is 'x'
42501 | alter function niji.person_out(niji.person) volatile
42501 | alter function niji.person_of(niji.pseudonym, int) owner to {who}
42501 | create or replace function niji.person_of(pseudonym niji.pseudonym, domain int) returns niji.person language sql as 'select null::niji.person'
42501 | create function niji.mine() returns int language sql as 'select 1'
42501 | create function pg_catalog.mine() returns int language sql as 'select 1'
42501 | create operator pg_catalog.=== (function = int4eq, leftarg = int, rightarg = int)
42501 | grant execute on function niji.person_of(niji.pseudonym, int) to {who}
42501 | grant execute on function niji.probe_cmp(niji.probe, niji.probe) to {who}
42501 | create event trigger e_{who} on ddl_command_start execute function niji.load_guard()
42501 | alter event trigger niji_guard disable
42501 | create extension pageinspect
42501 | create extension dblink
42501 | create extension postgres_fdw
42501 | create extension file_fdw
42501 | create foreign data wrapper w_{who}
42501 | create subscription s_{who} connection 'dbname=niji' publication p with (connect = false)
42501 | create publication p_{who} for all tables
42501 | create role r_{who}
42501 | alter role {who} superuser
42501 | alter role {who} bypassrls
42501 | alter database niji set niji.key_source = 'x'
42501 | alter extension niji update
42501 | alter extension niji add function bridge.nothing()
42501 | drop extension niji
42501 | drop schema niji cascade
42501 | drop owned by postgres
42501 | reassign owned by postgres to {who}
42501 | create access method m_{who} type index handler bthandler
$q$);
select attack.add('a row of persons as something else', 'owner_hata', $q$
42501 | create type bridge.of_rows as (r bridge.own);; alter type bridge.of_rows alter attribute r type niji.person
42804 | create function bridge.swap(o bridge.own) returns bridge.plain language plpgsql as 'begin return o; end';; select bridge.swap(o) from bridge.own o
42804|42P13 | create function bridge.swap_sql(o bridge.own) returns bridge.plain language sql as 'select o.person, o.n::text';; select bridge.swap_sql(o) from bridge.own o
42804 | create function bridge.swap_rows() returns setof bridge.plain language plpgsql as 'begin return query select person, n::text from bridge.own; end';; select bridge.swap_rows()
42501|42804 | create function bridge.swap_next() returns setof bridge.plain language plpgsql as 'declare r bridge.plain; begin for r in select person, n from bridge.own loop return next r; end loop; end';; select bridge.swap_next()
42804 | create function bridge.swap_record() returns setof record language plpgsql as 'begin return query select person from bridge.own; end';; select * from bridge.swap_record() as x(p int)
42804 | create function bridge.swap_record() returns setof record language plpgsql as 'begin return query select person from bridge.own; end';; select * from bridge.swap_record() as x(p text)
42P13|42804 | create function bridge.swap_sql_record() returns setof record language sql as 'select person from bridge.own';; select * from bridge.swap_sql_record() as x(p int)
42804|42P13 | create function bridge.any_int(anyelement) returns int language sql as 'select $1';; select bridge.any_int(person) from bridge.own
42501 | create function bridge.any_int_pl(anyelement) returns int language plpgsql as 'begin return $1; end';; select bridge.any_int_pl(person) from bridge.own
42501 | create function bridge.any_text(anyelement) returns text language plpgsql as 'begin return $1; end';; select bridge.any_text(person) from bridge.own
42501 | create function bridge.any_array(anyarray) returns int[] language plpgsql as 'begin return $1; end';; select bridge.any_array(array[person]) from bridge.own
42501 | create function bridge.any_pair(anycompatible, anycompatible) returns text language plpgsql as 'begin return $1; end';; select bridge.any_pair(person, null) from bridge.own
42501 | create function bridge.any_default(a anyelement, b text default null) returns text language plpgsql as 'begin return a::text || coalesce(b, $x$$x$); end';; select bridge.any_default(person) from bridge.own
42501 | create function bridge.any_variadic(variadic anyarray) returns text language sql as 'select $1[1]::text';; select bridge.any_variadic(person, person) from bridge.own
42501 | create function bridge.raises(anyelement) returns int language plpgsql as 'begin raise exception ''%'', $1; end';; select bridge.raises(person) from bridge.own
42501 | create function bridge.inlined(bridge.own) returns text language sql immutable as 'select $1.person::text';; select bridge.inlined(o) from bridge.own o
42501 | create function bridge.inlined_rows() returns table (t text) language sql stable as 'select person::text from bridge.own';; select * from bridge.inlined_rows()
42501 | create function bridge.leaky(bridge.own) returns boolean language plpgsql cost 0.0000001 as 'begin raise notice ''%'', $1; return true; end';; select count(*) from bridge.own o where bridge.leaky(o)
42501 | create aggregate bridge.gather(anycompatible) (sfunc = array_append, stype = anycompatiblearray, initcond = '{}');; select bridge.gather(person) from bridge.own
42501 | create function bridge.to_state(text, anyelement) returns text language plpgsql as 'begin return $1 || $2::text; end';; create aggregate bridge.spell(anyelement) (sfunc = bridge.to_state, stype = text, initcond = '');; select bridge.spell(person) from bridge.own
42501 | create rule r as on insert to bridge.plain do instead insert into bridge.own select person from bridge.own returning person::text::int, '';; insert into bridge.plain values (1) returning a
42501 | create function bridge.on_row() returns trigger language plpgsql as 'begin raise exception ''%'', new; end';; create trigger t before update on bridge.own for each row execute function bridge.on_row();; update bridge.own set n = n
42501 | create function bridge.on_rows() returns trigger language plpgsql as 'begin raise exception ''%'', (select string_agg(o::text, '''') from olds o); end';; create trigger t after update on bridge.own referencing old table as olds for each statement execute function bridge.on_rows();; update bridge.own set n = n
42501 | create policy p on bridge.own using (person::text > '5');; alter table bridge.own enable row level security;; alter table bridge.own force row level security;; select n from bridge.own
$q$);
\set more 0
\i test/attack/run.sql
select * from finish();
