--
-- types person, pseudonym and probe: text form, operators, operator classes
--
\set VERBOSITY default

-- text form: 26 characters of base32 in the order of the bytes, two check characters
select t::niji.pseudonym from (values
  ('0000000000000000000000000001'),
  ('00000000000000000000000001YN'),
  ('7ZZZZZZZZZZZZZZZZZZZZZZZZZEA'),
  ('00041061050R3GG28A1C60T3GFOQ'),
  ('352CKGW9MY1MVZ59TDWH9EDD1R2W')) v(t);
-- forgiven: case, hyphens, O for 0, I and L for 1, in the check characters too
select '352ckgw9my1mvz59tdwh9edd1r2w'::niji.pseudonym;
select '-352C-KGW9-MY1M-VZ59-TDWH-9EDD-1R2W-'::niji.pseudonym;
select '352CKGW9MYiMVZ59TDWH9EDDLR2W'::niji.pseudonym;
select 'ooo41o61o5oR3GG28A1C6oT3GF0Q'::niji.pseudonym;
select 'OOOOOOOOOOOOOOOOOOOOOOOOOOOI'::niji.pseudonym;
select '0CP7H9RSCCV8A9BSGAYP9VT16F1K'::niji.pseudonym, '0CP7H9RSCCV8A9BSGAYP9VT16FIK'::niji.pseudonym,
       '5ZXAGNA6H8YYSJ9S72B8AZS2CYL4'::niji.pseudonym, '5ZXAGNA6H8YYSJ9S72B8AZS2CYI4'::niji.pseudonym;
-- not forgiven
select ''::niji.pseudonym;
select '352CKGW9MY1MVZ59TDWH9EDD1R2'::niji.pseudonym;
select '352CKGW9MY1MVZ59TDWH9EDD1R2WW'::niji.pseudonym;
select '352CKGW9MY1MVZ59TDWH9EDD1R2W '::niji.pseudonym;
select '352CKGW9MYUMVZ59TDWH9EDD1R2W'::niji.pseudonym;
select '352CKGW9MY仮VZ59TDWH9EDD1R2W'::niji.pseudonym;
select '8000000000000000000000000001'::niji.pseudonym;
select '352CKGW9MY1MVZ59TDWH9EDD1R2X'::niji.pseudonym;
select '352CKGW9M1YMVZ59TDWH9EDD1R2W'::niji.pseudonym;  -- two characters changed places
-- an error never repeats what was given
do $$ begin perform 'name 19800101'::niji.pseudonym; exception when others then raise notice '% (%)', sqlerrm, sqlstate; end $$;
-- every other character in every place of the body is noticed, in this one
select count(*) from generate_series(1, 26) place, regexp_split_to_table('0123456789ABCDEFGHJKMNPQRSTVWXYZ', '') c
 where niji.text_pseudonym(overlay('352CKGW9MY1MVZ59TDWH9EDD1R2W' placing c from place for 1)) is not null;

-- operators and functions are found under any search_path, and work with text
set search_path = '';
create temp table p as
  select i, niji.text_pseudonym(t) as pid from (values
    (1, '0000000000000000000000000001'), (2, '00000000000000000000000001YN'), (3, '7ZZZZZZZZZZZZZZZZZZZZZZZZZEA'),
    (4, '352CKGW9MY1MVZ59TDWH9EDD1R2W'), (5, '00041061050R3GG28A1C60T3GFOQ'), (6, null)) v(i, t);
select i from pg_temp.p where pid = '352CKGW9MY1MVZ59TDWH9EDD1R2W';
select i from pg_temp.p where pid = '352ckgw9my1mvz59tdwh9edd1r2w'::text;
select i from pg_temp.p where '352CKGW9MY1MVZ59TDWH9EDD1R2W'::varchar = pid;
select i from pg_temp.p where pid = '352CKGW9MY1MVZ59TDWH9EDD1R2W'::char(40);
select i from pg_temp.p where pid in ('352CKGW9MY1MVZ59TDWH9EDD1R2W', '0000000000000000000000000001') order by i;
select i from pg_temp.p where pid = any (array['352CKGW9MY1MVZ59TDWH9EDD1R2W', 'nonsense']::text[]);
select i from pg_temp.p where pid in ('352CKGW9MY1MVZ59TDWH9EDD1R2W'::varchar, 'nonsense'::varchar);
select i from pg_temp.p where pid not in ('352CKGW9MY1MVZ59TDWH9EDD1R2W'::text, 'nonsense') order by i;
-- malformed text is unequal, not unknown and not an error; a malformed literal is an error
select i, pid = 'nonsense'::text as eq, pid <> 'nonsense'::text as ne, 'nonsense'::text = pid as eq2, 'nonsense'::text <> pid as ne2 from pg_temp.p order by i;
select i from pg_temp.p where pid = 'nonsense';
-- order is that of the text in the C locale
select i, pid from pg_temp.p order by pid;
select bool_and((a.pid < b.pid) = (a.pid::text < b.pid::text collate "C") and (a.pid >= b.pid) = (a.pid::text >= b.pid::text collate "C")) as same_order
  from pg_temp.p a, pg_temp.p b;
select min(pid), max(pid), pg_typeof(min(pid)) from pg_temp.p;
-- the cast to text
select pid || '!', '!' || pid, pid || pid = pid::text || pid::text as twice, left(pid, 3), substr(pid, 27), length(pid), lower(pid) from pg_temp.p where i = 4;
select i from pg_temp.p where pid like '352%';
select i from pg_temp.p where pid not like '0%' order by i;
select i from pg_temp.p where pid ~ '^7Z+';
select i from pg_temp.p where pid ^@ '0004';
select string_agg(pid, ',' order by pid) from pg_temp.p where i < 3;
select coalesce(pid, 'none'::text) from pg_temp.p where i > 4 order by i;
select p.i from pg_temp.p join (values ('352CKGW9MY1MVZ59TDWH9EDD1R2W'), ('rubbish')) l(t) on p.pid = l.t;
select p.i from pg_temp.p join (values ('352CKGW9MY1MVZ59TDWH9EDD1R2W'), ('rubbish')) l(pid) using (pid);
select p.i from pg_temp.p where pid in (select * from (values ('352CKGW9MY1MVZ59TDWH9EDD1R2W'), ('rubbish')) l(t));
select count(distinct pid), count(*) from (select pid from pg_temp.p union all select pid from pg_temp.p) x;
select a.i from pg_temp.p a join pg_temp.p b using (pid) order by 1;
select i from pg_temp.p where pid is distinct from '352CKGW9MY1MVZ59TDWH9EDD1R2W' order by i;
select case pid when '352CKGW9MY1MVZ59TDWH9EDD1R2W' then 'it' else 'other' end, nullif(pid, '352CKGW9MY1MVZ59TDWH9EDD1R2W') is null from pg_temp.p where i = 4;
-- text_pseudonym gives null for what is not one
select niji.text_pseudonym('352ckgw9my1mvz59tdwh9edd1r2w'), niji.text_pseudonym('nonsense') is null as is_null;
-- parameters as a JDBC client sends them
prepare as_varchar(varchar) as select i from pg_temp.p where pid = $1;
execute as_varchar('352CKGW9MY1MVZ59TDWH9EDD1R2W');
execute as_varchar('nonsense');
execute as_varchar(null);
prepare untyped as select i from pg_temp.p where pid = $1;
execute untyped('352CKGW9MY1MVZ59TDWH9EDD1R2W');
deallocate all;
reset search_path;

-- binary form is the text form
select convert_from(niji.pseudonym_send('352CKGW9MY1MVZ59TDWH9EDD1R2W'), 'UTF8');
select typlen, typbyval, typalign, typstorage, typcategory, typispreferred from pg_type where oid = 'niji.pseudonym'::regtype;

-- index and sequential scan agree, for every operator; random pseudonyms by encoding a hash
create function pg_temp.body(b bytea) returns text language sql immutable as $$
  select string_agg(substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substring(bits from k * 5 + 1 for 5)::bit(5)::int + 1, 1), '' order by k)
    from (select ('00' || (select string_agg(get_byte(b, i)::bit(8)::text, '' order by i) from generate_series(0, 15) i))::varbit as bits) x,
         generate_series(0, 25) k
$$;
-- the check characters by the standard's definition, found by trial
create function pg_temp.checked(body text) returns text language sql immutable as $$
  with s as (select sum(mod(strpos('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', substr(body, i, 1)) - 1, 1271)
                        * (select power(36::numeric, 28 - i) % 1271)) % 1271 as s from generate_series(1, 26) i)
  select body || substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', c / 36 + 1, 1) || substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', c % 36 + 1, 1)
    from s, generate_series(0, 1270) c where (s.s + c) % 1271 = 1
$$;
create table many as select i, pg_temp.checked(pg_temp.body(decode(md5(i::text), 'hex')))::niji.pseudonym as pid from generate_series(1, 500) i;
insert into many select i, pid from many where i <= 50;
insert into many values (0, null);
create index many_btree on many (pid);
create index many_hash on many using hash (pid);
analyze many;
create function pg_temp.answers(op text) returns bigint language plpgsql as $$
declare n bigint;
begin
  execute format('select sum(hashint4(m.i)) from unnest(array(select pid from many where i %% 50 = 7)) x(pid), lateral (select i from many where many.pid %s x.pid offset 0) m', op) into n;
  return n;
end $$;
create temp table sequential as select op, pg_temp.answers(op) from unnest(array['<', '<=', '=', '>=', '>', '<>']) op;
set enable_seqscan = off;
set enable_bitmapscan = off;
select op, s.answers = pg_temp.answers(op) as same from sequential s order by op;
explain (costs off) select i from many where pid < '00041061050R3GG28A1C60T3GFOQ';
drop index many_btree;
set enable_bitmapscan = on;
set enable_indexscan = off;
select op, s.answers = pg_temp.answers(op) as same from sequential s where op = '=';
explain (costs off) select i from many where pid = '00041061050R3GG28A1C60T3GFOQ';
reset enable_indexscan;
drop index many_hash;
create index many_btree on many (pid);
-- comparison with text keeps the index: a constant, a parameter, a list
explain (costs off) select i from many where pid = '00041061050R3GG28A1C60T3GFOQ'::text;
set plan_cache_mode = force_generic_plan;
set enable_bitmapscan = off;
prepare as_text(text) as select count(*) from many where pid = $1;
explain (costs off) execute as_text('x');
select pid as one from many where i = 70 \gset
execute as_text(:'one');
execute as_text('nonsense');
prepare as_list(niji.pseudonym[]) as select count(*) from many where pid = any ($1);
explain (costs off) execute as_list('{}');
execute as_list(array[:'one']::niji.pseudonym[]);
deallocate all;
reset plan_cache_mode;
reset enable_seqscan;
reset enable_bitmapscan;
-- joins by hash, by merge and by loop agree; sorting too, with and without abbreviated keys
set enable_mergejoin = off; set enable_nestloop = off;
select count(*) from many a join many b using (pid);
set enable_mergejoin = on; set enable_hashjoin = off;
select count(*) from many a join many b using (pid);
set enable_nestloop = on; set enable_mergejoin = off;
select count(*) from many a join many b using (pid);
reset enable_mergejoin; reset enable_nestloop; reset enable_hashjoin;
select bool_and(pid >= before) as sorted from (select pid, lag(pid) over (order by pid) as before from many) x where before is not null;
select count(distinct pid), count(pid) from many;
-- extended hash: partitions
create table parts (pid niji.pseudonym, i int) partition by hash (pid);
create table parts0 partition of parts for values with (modulus 2, remainder 0);
create table parts1 partition of parts for values with (modulus 2, remainder 1);
insert into parts select pid, i from many;
select count(*) > 100 as filled from parts0;
select count(*) from parts where pid = :'one';
drop table many, parts;
-- operator classes are complete; btree's of person lacks <, <=, >= and > with probes on purpose: they would order persons
select amvalidate(oid), opcname, (select amname from pg_am where oid = opcmethod) from pg_opclass where opcname = 'pseudonym_ops' order by 3;
select amvalidate(oid) from pg_opclass where opcname = 'person_ops' and opcmethod = (select oid from pg_am where amname = 'hash');

-- person: for a superuser as a number
select '1'::niji.person, '2147483647'::niji.person;
select '0'::niji.person;
select '-1'::niji.person;
select '2147483648'::niji.person;
select '1 '::niji.person;
select ''::niji.person;
select 1::niji.person;
select '1'::niji.person::int;
select '1'::niji.person < '2'::niji.person as lt, '1'::niji.person = '1'::niji.person as eq, '10'::niji.person > '9'::niji.person as gt;
select min(x), max(x) from unnest('{3,1,2,null}'::niji.person[]) x;
create table people (person niji.person primary key);
insert into people select i::text::niji.person from generate_series(1, 1000) i;
create index on people using hash (person);
analyze people;
set enable_seqscan = off;
select count(*) from people where person = '5';
select count(*) from people where person > '990' and person <= '995';
reset enable_seqscan;
select count(*) from people a join people b using (person);
insert into people values ('5');
drop table people;
-- nobody without a duty enters or shows one, whatever the way
create role regress_niji_stranger;
set session authorization regress_niji_stranger;
select '1'::niji.person;
select '{1}'::niji.person[];
select null::niji.person is null as null_is_harmless;
create temp table x (person niji.person);
reset session authorization;
drop role regress_niji_stranger;

-- probe: made by a function only, shows what went in, and compares by bytes
select '352CKGW9MY1MVZ59TDWH9EDD1R2W'::niji.probe;
select niji.make_probe('352CKGW9MY1MVZ59TDWH9EDD1R2W'::niji.pseudonym, 7);
select niji.make_probe('352ckgw9my1mvz59tdwh9edd1r2w'::text, 7), niji.make_probe('nonsense'::text, 7);
select niji.make_probes(array['352CKGW9MY1MVZ59TDWH9EDD1R2W', null]::niji.pseudonym[], 7), niji.make_probes('{}'::text[], 7), niji.make_probes('{nonsense,null}'::text[], 7);
select niji.make_probe(null::niji.pseudonym, 7) is null as is_null;
select niji.make_probe('352CKGW9MY1MVZ59TDWH9EDD1R2W'::text, 7) operator(niji.=) niji.make_probe('352CKGW9MY1MVZ59TDWH9EDD1R2W'::text, 8) as same;
select niji.make_probe('352CKGW9MY1MVZ59TDWH9EDD1R2W'::text, 7) operator(niji.<) niji.make_probe('352CKGW9MY1MVZ59TDWH9EDD1R2W'::text, 8) as same;
-- a domain that is not there: nobody, not an error
select '1'::niji.person operator(niji.=) niji.make_probe('352CKGW9MY1MVZ59TDWH9EDD1R2W'::text, 7) as same;
-- the ciphers need a key
select niji.pseudonym('1'::niji.person, 7);
select niji.create_domain('regress');
