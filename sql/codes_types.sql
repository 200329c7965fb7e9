-- code types: forms, check digits, operators under any search_path, indexes, text
\set VERBOSITY terse
set client_min_messages = warning;
create schema codes_test;

-- ---- forms ----
select 'E11'::niji.icd10, 'E119'::niji.icd10, 'T1420'::niji.icd10, 'Q433a'::niji.icd10, 'M45-0'::niji.icd10,
       'E11.9'::niji.icd10, 'e11.9'::niji.icd10, 'T14.20'::niji.icd10, 'M45.-0'::niji.icd10;
select '8002'::niji.receipt_code, '2500015'::niji.receipt_code, '620098801'::niji.receipt_code;
select '06130512'::niji.insurer_number, '133066'::niji.insurer_number, '  133066'::niji.insurer_number;
select '0110113719'::niji.institution_code, '13B1234567'::niji.institution_code;

-- what has not the form is refused, with 22P02 and without repeating it
create function codes_test.try(type text, value text) returns text language plpgsql as $$
declare
  result text;
begin
  execute format('select (%L::niji.%I)::text', value, type) into result;
  return 'taken as ' || result;
exception when invalid_text_representation then
  return case when value <> '' and strpos(sqlerrm, value) > 0 then 'repeated' else 'refused' end;
end
$$;
select type, left(value, 12) as value, codes_test.try(type, value)
  from (values
    ('icd10', ''), ('icd10', 'E'), ('icd10', 'E1'), ('icd10', '119'), ('icd10', 'EE1'), ('icd10', 'E1A'),
    ('icd10', 'E11.'), ('icd10', 'E1.19'), ('icd10', 'E119.'), ('icd10', 'E11..9'), ('icd10', 'E11-'), ('icd10', 'E11-a'),
    ('icd10', 'E11a'), ('icd10', 'E119A'), ('icd10', 'E11991'), ('icd10', 'E11 9'), ('icd10', ' E119'), ('icd10', 'E119 '),
    ('icd10', 'Ｅ１１９'), ('icd10', 'E11９'), ('icd10', 'É119'), ('icd10', 'E11%'), ('icd10', '糖尿病'), ('icd10', 'E119-'),
    ('icd10', E'E11\n9'), ('icd10', repeat('E119', 100)),
    ('receipt_code', ''), ('receipt_code', '123'), ('receipt_code', '12345'), ('receipt_code', '123456'), ('receipt_code', '12345678'),
    ('receipt_code', '1234567890'), ('receipt_code', '250001A'), ('receipt_code', '２５０００１５'), ('receipt_code', '-500015'), ('receipt_code', '25000.5'),
    ('insurer_number', ''), ('insurer_number', '12345'), ('insurer_number', '1234567'), ('insurer_number', '123456789'), ('insurer_number', '0613051X'),
    ('insurer_number', ' 6130512'), ('insurer_number', '   33066'), ('insurer_number', '133066  '), ('insurer_number', '０６１３０５１２'), ('insurer_number', '0613-512'),
    ('institution_code', ''), ('institution_code', '011011371'), ('institution_code', '01101137190'), ('institution_code', '0010113719'),
    ('institution_code', '4810113719'), ('institution_code', '0120113719'), ('institution_code', '01b0113719'), ('institution_code', '011011371X'),
    ('institution_code', 'A110113719'), ('institution_code', '０１１０１１３７１９')) v(type, value);
select 'nonsense'::niji.icd10;

-- ---- check digits: judged by a function, not by input ----
select n, niji.check_ok(n::niji.insurer_number)
  from unnest(array['33120015', '01130012', '01010016', '06130512', '07130024', '34130021', '12143210', '28140507',
                    '81140048', '21136015', '133066', '138057', '110080', '138032', '83136019', '06130513']) n;
select niji.check_ok('0110113719'::niji.institution_code) as good, niji.check_ok('0110113718'::niji.institution_code) as bad,
       niji.check_ok('13B1234567'::niji.institution_code) as unknown, niji.check_ok('E119'::niji.icd10), niji.check_ok('2500015'::niji.receipt_code);

-- ---- parts ----
select niji.prefix('E11.9'::niji.icd10, 3), niji.prefix('E119'::niji.icd10, 9), niji.prefix('E119'::niji.icd10, 0), niji.prefix('E119'::niji.icd10, -1),
       niji.prefix('2500015'::niji.receipt_code, 2), niji.prefix('二型糖尿病'::text, 2), niji.prefix('abc'::text, -5), niji.prefix(''::text, 3);
select niji.prefecture('0110113719'::niji.institution_code), niji.fee_table('13B1234567'::niji.institution_code),
       niji.prefecture('133066'::niji.insurer_number), niji.prefecture('06130512'::niji.insurer_number),
       niji.law_number('06130512'::niji.insurer_number), niji.law_number('133066'::niji.insurer_number);
select c, niji.code_system_of(c::niji.receipt_code)
  from unnest(array['8002', '2500015', '111000110', '620098801', '700010000', '810000001', '900000000']) c;

-- ---- binary form: the text form, judged like it ----
select encode(niji.icd10_send('E11.9'), 'escape'), encode(niji.insurer_number_send('133066'), 'escape');

-- ---- order is text order in the C collation; hashes are equal where values are ----
create table codes_test.diagnosis (id integer, person integer, disease niji.icd10, claimed niji.receipt_code, plain text collate "C");
insert into codes_test.diagnosis
  select n, n % 100, c::niji.icd10, (1000000 + n % 5000)::text, c
    from generate_series(1, 20000) n,
         lateral (select chr(65 + n % 26) || lpad((n / 26 % 100)::text, 2, '0')
                         || (array['', '0', '1', '9', '-0', '9a', '9b', '10'])[1 + n / 7 % 8] as c) x;
insert into codes_test.diagnosis values (0, 0, null, null, null);
select count(*) as differently_ordered
  from (select row_number() over (order by disease, id) a, row_number() over (order by plain, id) b from codes_test.diagnosis) o where a <> b;
select min(disease), max(disease), pg_typeof(min(disease)), min(claimed), max(claimed) from codes_test.diagnosis;
select count(distinct disease) = count(distinct plain) as same_groups from codes_test.diagnosis;
select count(*) filter (where niji.icd10_hash(disease) <> niji.text_hash_as_icd10(plain)
                           or niji.icd10_hash_extended(disease, 7) <> niji.text_hash_extended_as_icd10(plain, 7)) as hashed_otherwise
  from codes_test.diagnosis;
select niji.icd10_cmp('E119'::niji.icd10, 'E12'::niji.icd10) < 0, niji.icd10_cmp('E12'::text, 'E119'::niji.icd10) > 0, niji.icd10_cmp('E119'::niji.icd10, 'E11.9'::text) = 0,
       niji.text_cmp_as_icd10('E11.9', 'E119') = 0, niji.text_cmp_as_icd10('x', 'y') < 0, niji.text_cmp_as_icd10('zz', 'E119') > 0;

-- ---- as anybody, in any search_path, under row level security ----
create role codes_test_reader;
grant usage on schema codes_test to codes_test_reader;
grant select on codes_test.diagnosis to codes_test_reader;
alter table codes_test.diagnosis enable row level security;
create policy half on codes_test.diagnosis to codes_test_reader using (person % 2 = 0);
create index diagnosis_disease on codes_test.diagnosis (disease);
create index diagnosis_claimed on codes_test.diagnosis (claimed);
create table codes_test.list (code text);
insert into codes_test.list values ('E119'), ('E11.9'), ('T14.10'), ('no code'), (''), (null), ('A01');
grant select on codes_test.list to codes_test_reader;
vacuum analyze codes_test.diagnosis;
analyze codes_test.list;

-- whether the plan has an index condition, and whether it counts what a sequential scan counts
create function codes_test.compare(condition text, out by_index boolean, out agrees boolean, out rows bigint) language plpgsql as $$
declare
  plan text := '';
  line text;
  by_scan bigint;
begin
  perform pg_catalog.set_config('enable_seqscan', 'off', true);
  for line in execute 'explain (costs off) select count(*) from codes_test.diagnosis where ' || condition loop
    plan := plan || line;
  end loop;
  execute 'select count(*) from codes_test.diagnosis where ' || condition into rows;
  perform pg_catalog.set_config('enable_seqscan', 'on', true);
  perform pg_catalog.set_config('enable_indexscan', 'off', true);
  perform pg_catalog.set_config('enable_bitmapscan', 'off', true);
  perform pg_catalog.set_config('enable_indexonlyscan', 'off', true);
  execute 'select count(*) from codes_test.diagnosis where ' || condition into by_scan;
  perform pg_catalog.set_config('enable_indexscan', 'on', true);
  perform pg_catalog.set_config('enable_bitmapscan', 'on', true);
  perform pg_catalog.set_config('enable_indexonlyscan', 'on', true);
  by_index := plan ~ 'Index Cond';
  agrees := rows = by_scan;
end
$$;

set search_path = '';
set role codes_test_reader;
select condition, c.*
  from (values (1, $$disease = 'E119'$$), (2, $$disease = 'E11.9'$$), (3, $$disease = 'E11.9'::pg_catalog.text$$), (4, $$disease = 'E119'::varchar$$),
               (5, $$'E119'::text = disease$$), (6, $$disease = 'no code'::text$$), (7, $$disease in ('E119', 'I10', 'T1410')$$),
               (8, $$disease = any (array['E11.9', 'I10', 'no code', null])$$), (9, $$disease = any ('{E119,I10}')$$),
               (10, $$disease = any (array['E119', 'I10']::varchar[])$$),
               (11, $$disease < 'B'::text$$), (12, $$disease >= 'Y90'$$), (13, $$disease between 'E10' and 'E14'$$),
               (14, $$disease between 'E1'::text and 'E2'::varchar$$), (15, $$disease > 'zzz'::text$$), (16, $$'E10'::text >= disease$$),
               (17, $$disease <= any (array['B', 'A5'])$$),
               (20, $$disease <@ 'E11'$$), (21, $$disease <@ 'E'$$), (22, $$disease <@ 'E119b'$$), (23, $$'E11' @> disease$$), (24, $$disease ^@ 'E11'$$),
               (25, $$disease <@ 'E11.9'$$), (26, $$disease <@ 'e11'$$), (27, $$disease <@ '糖'$$), (28, $$disease <@ 'E1199999999999'$$), (29, $$disease <@ 'Z'$$),
               (30, $$disease like 'E11%'$$), (31, $$disease like 'E11_'$$), (32, $$disease like 'E119'$$), (33, $$disease like 'E1%9'$$), (34, $$disease like 'E\11%'$$),
               (35, $$disease like 'E11\'$$), (36, $$disease like 'E1\_%'$$), (37, $$disease like 'E11%' escape '!'$$),
               (40, $$claimed <@ '10001'$$), (41, $$claimed like '100001%'$$), (42, $$claimed = '1000015'::varchar$$)) t(n, condition),
       lateral codes_test.compare(condition) c
 order by n;
-- these have no index condition, and agree
select condition, c.*
  from (values (1, $$disease <> 'E119'$$), (2, $$disease <> 'no code'::text$$), (3, $$disease like '%9'$$), (4, $$disease like '%'$$), (5, $$disease not like 'E11%'$$),
               (6, $$disease not like 'E11\'$$), (7, $$disease <@ ''$$), (8, $$not (disease <@ 'E11')$$), (9, $$disease ilike 'e11%'$$), (10, $$disease ~ '^E11'$$)) t(n, condition),
       lateral codes_test.compare(condition) c
 order by n;
-- LIKE says what LIKE of the text says
select pattern, count(*) filter (where (disease like pattern) is distinct from (disease::text like pattern)) as differences
  from codes_test.diagnosis, (values ('E11%'), ('%9a'), ('_1%'), ('E__9_'), ('%1%0%'), ('E\119'), ('%'), (''), ('\E11%'), ('E11\%'), ('____'), ('%%-%')) p(pattern)
 group by pattern order by pattern collate "C";
-- plans
explain (costs off) select * from codes_test.diagnosis where disease like 'E11%';
explain (costs off) select * from codes_test.diagnosis where disease <@ 'E119b' and claimed = '1000015'::varchar;
prepare below(text) as select count(*) from codes_test.diagnosis where disease <@ $1;
prepare equal(varchar) as select count(*) from codes_test.diagnosis where disease = $1;
prepare among(text[]) as select count(*) from codes_test.diagnosis where disease = any ($1);
set plan_cache_mode = force_generic_plan;
set enable_seqscan = off;
explain (costs off) execute below('E11');
explain (costs off) execute equal('E119');
explain (costs off) execute among('{E119,x}');
execute below('E11');
execute below('no code');
execute below(null);
execute equal('E11.9');
execute equal('no code');
execute equal(null);
execute among('{E11.9,no code,NULL}');
reset plan_cache_mode;
reset enable_seqscan;

-- joins to lists of text: by hash, by index, semi and anti; two spellings of a code count once in IN
set enable_nestloop = off;
explain (costs off) select count(*) from codes_test.diagnosis d join codes_test.list l on d.disease = l.code;
select count(*) from codes_test.diagnosis d join codes_test.list l on d.disease = l.code;
select count(*) from codes_test.diagnosis d where d.disease in (select code from codes_test.list);
reset enable_nestloop;
set enable_hashjoin = off;
select count(*) from codes_test.diagnosis d join codes_test.list l on d.disease = l.code;
select count(*) from codes_test.diagnosis d where d.disease in (select code from codes_test.list);
set enable_hashjoin = on;
select count(*) from codes_test.diagnosis d where d.disease not in (select code from codes_test.list where code is not null);
select count(*) from codes_test.diagnosis d where not exists (select from codes_test.list l where l.code = d.disease);
select count(*) from codes_test.diagnosis d where disease in ('E119', 'T1410', 'A01');

-- as text
select left(disease, 3) as category, count(*) from codes_test.diagnosis where disease <@ 'E1' group by 1 order by 1 limit 3;
select disease || '!' as a, 'x' || disease as b, length(disease), substr(disease, 2, 2), lower(disease), disease ~ '^E', coalesce(disease, 'none'::text),
       concat(disease, 1), disease::varchar(3), to_json(disease)
  from codes_test.diagnosis where disease = 'E119' limit 1;
select 'E119'::text::niji.icd10, 'E119'::varchar::niji.icd10, ('E119'::niji.icd10)::text = 'E119';
select 'no code'::text::niji.icd10;
-- nobody makes a value that could not be stored again
select niji.icd10('E11~');
reset role;
reset search_path;

-- ---- storage: BRIN, hash, uniqueness, copying out and in ----
create table codes_test.ordered as select disease, person from codes_test.diagnosis where disease is not null order by disease;
create index ordered_brin on codes_test.ordered using brin (disease) with (pages_per_range = 4);
create index ordered_hash on codes_test.ordered using hash (disease);
analyze codes_test.ordered;
set enable_seqscan = off;
set enable_indexscan = off;
explain (costs off) select count(*) from codes_test.ordered where disease <@ 'E11';
select count(*) from codes_test.ordered where disease <@ 'E11';
select count(*) from codes_test.ordered where disease between 'E11'::text and 'E11~'::text;
drop index codes_test.ordered_brin;
explain (costs off) select count(*) from codes_test.ordered where disease = 'E11.9'::text;
select count(*) from codes_test.ordered where disease = 'E11.9'::text;
reset enable_seqscan;
reset enable_indexscan;
select count(*) from codes_test.ordered where disease = 'E119';
create table codes_test.keyed (code niji.icd10 primary key);
insert into codes_test.keyed values ('E119'), ('E118');
insert into codes_test.keyed values ('E11.9');
insert into codes_test.keyed select 'I10'::varchar;
copy codes_test.keyed to stdout;
-- the binary form is the text form, judged as by input
\getenv abs_builddir PG_ABS_BUILDDIR
\set file :abs_builddir '/results/codes_types.bin'
create table codes_test.wire (a niji.icd10, b niji.receipt_code, c niji.insurer_number, d niji.institution_code);
create table codes_test.wire_text (a text, b text, c text, d text);
insert into codes_test.wire values ('E119', '2500015', '133066', '0110113719'), (null, '8002', null, null);
copy codes_test.wire to :'file' (format binary);
copy codes_test.wire_text from :'file' (format binary);
select * from codes_test.wire_text;
truncate codes_test.wire;
copy codes_test.wire from :'file' (format binary);
select * from codes_test.wire;
truncate codes_test.wire_text;
insert into codes_test.wire_text values ('E11.9', '8002', '  133066', '13B1234567');
copy codes_test.wire_text to :'file' (format binary);
copy codes_test.wire from :'file' (format binary);
select * from codes_test.wire;
update codes_test.wire_text set a = 'no code';
copy codes_test.wire_text to :'file' (format binary);
copy codes_test.wire from :'file' (format binary);
update codes_test.wire_text set a = 'E119', d = '';
copy codes_test.wire_text to :'file' (format binary);
copy codes_test.wire from :'file' (format binary);
-- partitions by code
create table codes_test.parted (code niji.institution_code) partition by list (niji.prefecture(code));
create table codes_test.parted_13 partition of codes_test.parted for values in ('13');
insert into codes_test.parted values ('1310113719');
insert into codes_test.parted values ('0110113719');
create table codes_test.hashed (code niji.icd10) partition by hash (code);
create table codes_test.hashed_0 partition of codes_test.hashed for values with (modulus 2, remainder 0);
create table codes_test.hashed_1 partition of codes_test.hashed for values with (modulus 2, remainder 1);
insert into codes_test.hashed select distinct disease from codes_test.diagnosis where disease is not null;
select count(*) = (select count(distinct disease) from codes_test.diagnosis) as all_there from codes_test.hashed;
-- parallel min and max
set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; set max_parallel_workers_per_gather = 2;
select min(disease), max(disease) from codes_test.ordered;
reset parallel_setup_cost; reset parallel_tuple_cost; reset min_parallel_table_scan_size; reset max_parallel_workers_per_gather;

-- ---- the catalog ----
select a.amname, c.opcname, amvalidate(c.oid)
  from pg_opclass c join pg_am a on a.oid = c.opcmethod
 where c.opcintype in ('niji.icd10'::regtype, 'niji.receipt_code'::regtype, 'niji.insurer_number'::regtype, 'niji.institution_code'::regtype)
 order by 2, 1;
-- what is seen in a row is leakproof
select o.oid::regoperator
  from pg_operator o join pg_proc p on p.oid = o.oprcode
 where not p.proleakproof
   and (o.oprleft in ('niji.icd10'::regtype, 'niji.receipt_code'::regtype, 'niji.insurer_number'::regtype, 'niji.institution_code'::regtype)
     or o.oprright in ('niji.icd10'::regtype, 'niji.receipt_code'::regtype, 'niji.insurer_number'::regtype, 'niji.institution_code'::regtype));
-- none of their functions is reserved
select p.oid::regprocedure
  from pg_proc p, unnest(p.proargtypes) t
 where t in ('niji.icd10'::regtype, 'niji.receipt_code'::regtype, 'niji.insurer_number'::regtype, 'niji.institution_code'::regtype)
   and not has_function_privilege('codes_test_reader', p.oid, 'execute')
   and p.proname <> 'pseudonym';

drop schema codes_test cascade;
drop role codes_test_reader;
