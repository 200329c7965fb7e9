-- Errors: PostgreSQL's own messages repeat values.  None of them may repeat a person, to whoever has persons but may
-- not see them, nor an identifier, nor what the filter withholds.
\i test/attack/house.sql
create table bridge.small (t char(1), i smallint, b bytea, d date);
insert into bridge.small values ('x', 1, '\x00', '2020-01-01');
grant all on bridge.small to owner_hata;
create table bridge.parent (person niji.person primary key);
create table bridge.twice (person niji.person unique, n int, exclude using btree (person with =));
create table bridge.checked (person niji.person not null, n int not null check (n < 0), constraint apart check (person is distinct from person));
create table bridge.refers (person niji.person references bridge.parent on delete restrict, n int);
create table bridge.listed (person niji.person, n int) partition by list (person);
create table bridge.ranged (person niji.person, n int) partition by range (person, n);
create table bridge.hashed (person niji.person, n int) partition by hash (person);
create table bridge.hashed_0 partition of bridge.hashed for values with (modulus 2, remainder 0);
create table bridge.pairs (a niji.person, b niji.person, unique (a, b));
create table bridge.guarded (person niji.person, n int);
create view bridge.guarded_view as select * from bridge.guarded where n < 0 with check option;
create domain bridge.never as niji.person check (value is null);
create table bridge.in_domain (p bridge.never);
create table bridge.deferred (person niji.person unique deferrable initially deferred);
alter table bridge.guarded enable row level security;
alter table bridge.guarded force row level security;
create policy p on bridge.guarded with check (n < 0);
do $$ declare t text; begin
  foreach t in array array['parent', 'twice', 'checked', 'refers', 'listed', 'ranged', 'hashed', 'hashed_0', 'pairs', 'guarded', 'in_domain', 'deferred'] loop
    execute format('alter table bridge.%I owner to owner_hata', t);
  end loop;
  alter view bridge.guarded_view owner to owner_hata;
end $$;
insert into bridge.parent select person from bridge.own where n = 1;
insert into bridge.refers select person from bridge.own where n = 1;

select attack.add('an error of a constraint', 'owner_hata', $q$
42501|23505 | insert into bridge.parent select person from bridge.own
42501|23505 | insert into bridge.twice select person, 1 from bridge.own, generate_series(1, 2)
42501|23P01|23505 | insert into bridge.twice select person, 1 from bridge.own where n = 1;; insert into bridge.twice select person, 2 from bridge.own where n = 1
42501|23505 | insert into bridge.pairs select person, person from bridge.own, generate_series(1, 2)
42501|23514 | insert into bridge.checked select person, 1 from bridge.own
42501|23514 | insert into bridge.checked select person, -1 from bridge.own
42501|23502 | insert into bridge.checked select person, null from bridge.own
42501|23502 | insert into bridge.checked (n) select n from bridge.own
42501|23502 | update bridge.checked set n = null;; insert into bridge.checked select person, null from bridge.own
42501|23503 | insert into bridge.refers select person, n from bridge.own
42501|23503 | delete from bridge.parent
42501|23503 | update bridge.parent set person = (select person from bridge.own where n = 2)
42501|23503 | update bridge.refers set person = (select person from bridge.own where n = 2)
42501|23514 | insert into bridge.listed select person, n from bridge.own
42501|23514 | insert into bridge.ranged select person, n from bridge.own
42501|23514 | insert into bridge.hashed select person, n from bridge.own
42501|23514 | insert into bridge.hashed_0 select person, n from bridge.own
42501|44000 | insert into bridge.guarded_view select person, n from bridge.own
42501|23514 | insert into bridge.in_domain select person from bridge.own
42501|23514 | select person::bridge.never is null from bridge.own
42501|23505 | set constraints all immediate;; insert into bridge.deferred select person from bridge.own, generate_series(1, 2)
42501|23505 | insert into bridge.deferred select person from bridge.own, generate_series(1, 2);; set constraints all immediate
42501|21000 | insert into bridge.twice select person, 1 from bridge.own, generate_series(1, 2) on conflict (person) do update set n = 2
42501|21000 | select (select person from bridge.own)
42501|23505|21000 | merge into bridge.twice t using bridge.own o on true when not matched then insert values (o.person, o.n) when matched then do nothing;; insert into bridge.twice select person, 1 from bridge.own
42501|23505 | create unique index on bridge.own (person);; insert into bridge.own select person from bridge.own
42501|23505 | insert into bridge.own select person, n from bridge.own;; alter table bridge.own add unique (person)
42501|23505 | insert into bridge.own select person, n from bridge.own;; create unique index on bridge.own (person)
42501|23514 | alter table bridge.own add check (person is null)
42501|23502 | insert into bridge.own values (null, 0);; alter table bridge.own alter column person set not null
42501|23503 | alter table bridge.own add foreign key (person) references bridge.parent
42501|23514 | alter table bridge.listed attach partition bridge.own default;; alter table bridge.listed detach partition bridge.own;; insert into bridge.listed select person, n from bridge.own
42501|42P17|42804 | create table bridge.copy_check (check (person is null)) inherits (bridge.own)
$q$);
select attack.add('an error of a conversion', 'owner_hata', $q$
42501 | insert into bridge.small (t) select person from bridge.own
42804 | insert into bridge.small (i) select person from bridge.own
42804 | insert into bridge.small (b) select person from bridge.own
42501 | select person::text::smallint from bridge.own
42501 | select person::text::date from bridge.own
42501 | select person::text::uuid from bridge.own
42501 | select person::text::niji.pseudonym from bridge.own
42501 | select ('x' || person)::int from bridge.own
42501 | select person::char(1)::int from bridge.own
42501 | select 1 / (person::text::int - person::text::int) from bridge.own
42501 | select person::text::regtype from bridge.own
42501 | select to_regclass(person::text) from bridge.own
42501 | select current_setting('x.' || person) from bridge.own
42501 | select nextval(person::text) from bridge.own
42501 | select json_object(array[person]::text[]) from bridge.own
42501 | select jsonb_path_query('1', person::text::jsonpath) from bridge.own
42501 | select enum_in(person::text::cstring, 'niji.person'::regtype) from bridge.own
42501 | alter table bridge.own alter column person type text
42501 | alter table bridge.own alter column person type varchar(2)
42501|42804|42846 | alter table bridge.own alter column person type int
42501|42804|42846 | alter table bridge.own alter column person type int using person::int
42501 | alter table bridge.own alter column person type int using person::text::int
42501|42804|42846 | alter table bridge.own alter column person type bytea using person::bytea
42501|42P17 | alter table bridge.own add column t text generated always as (person::text) stored
42501|42P17 | alter table bridge.own add column t int generated always as (hash_record(row(person))) stored;; create index on bridge.own ((person::text))
42501|42P17 | create index on bridge.own (concat(person))
42501|42P17 | create index on bridge.own (n) where person::text like '1%'
42501 | do 'declare a bridge.own.person%type; b bridge.own.person%type; begin select min(person), max(person) into a, b from bridge.own; if a < b then raise exception ''%'', a; end if; end'
42501 | do 'declare t text; begin begin insert into bridge.parent select person from bridge.own; exception when others then get stacked diagnostics t = pg_exception_detail; raise exception ''%'', t; end; end'
P0001 | do 'declare t text; begin begin insert into bridge.parent select person from bridge.own; exception when others then get stacked diagnostics t = pg_exception_context; raise exception ''% %'', sqlerrm, t; end; end'
20000|42501 | do 'declare p bridge.own.person%type; begin select person into p from bridge.own limit 1; case p when null then null; end case; end'
42501|P0003 | do 'declare p bridge.own.person%type; begin select person into strict p from bridge.own; end'
42501|P0003 | do 'begin set local plpgsql.print_strict_params = on; declare p bridge.own.person%type; q bridge.own.person%type; begin select person into p from bridge.own limit 1; select person into strict q from bridge.own where person > p or person <= p; end; end'
P0003|42501 | create function bridge.strict_params() returns void language plpgsql as e'#print_strict_params on\ndeclare p bridge.own.person%type; q bridge.own.person%type; begin select person into p from bridge.own limit 1; select person into strict q from bridge.own where person >= p or person < p; end';; select bridge.strict_params()
$q$);
update attack.attempt set ends = '42501|P0001' where statement like '%get stacked diagnostics t = pg_exception_detail%';

-- who reads: no error may have somebody in it whom the filter withholds
select attack.add('an error in a view''s query', 'analyst_fujita', $q$
22P02 | select pid::text::int from p2026_017.lab
22P02 | select pid::text::uuid from p2026_017.lab where value > 0
22012 | select 1 / (value - value) from p2026_017.lab
22P02 | select ('x' || pid)::numeric from p2026_017.lab order by value
22P02 | select pid from p2026_017.lab where code::int > 0
00000 | select pid from p2026_017.lab where pid::text::int > 0 and value = 5.7
22P02 | select * from p2026_017.lab a join p2026_017.lab b on a.pid::text::int = 1
00000 | select * from p2026_017.lab where value = 5.7 and pid::text::int > 0
00000 | select (pid::text || code)::int from p2026_017.lab where value = 5.7
00000 | select 1 / (value - 5.7) from p2026_017.lab
00000 | select 1 / (value - 5.7) from p2026_017.lab where 1 / (value - 5.7) <> 0 order by 1 / (value - 5.7)
00000 | select count(*) filter (where 1 / (value - 5.7) > 0), sum(1 / (value - 5.7)) from p2026_017.lab
00000 | select a.pid from p2026_017.lab a join p2026_017.lab b on 1 / (a.value - 5.7) = 1 / (b.value - 5.7)
00000 | select a.pid from p2026_017.lab a, lateral (select 1 / (a.value - 5.7)) b
00000 | select case when value = 5.7 then pid::text::int end from p2026_017.lab
21000 | select (select pid from p2026_017.lab)
22003 | select (value * 1e30)::int from p2026_017.lab
22026 | select ('1' || pid)::bit(5) from p2026_017.lab
22003 | select (value * 1e30)::smallint from p2026_017.lab where pid is not null
22P02 | select niji.text_pseudonym(pid::text)::text::int from p2026_017.lab
22P02 | select 'x'::niji.pseudonym = pid from p2026_017.lab
22P02 | select pid from p2026_017.lab where pid = '0110113719'
00000 | select pid from p2026_017.lab where pid = '0110113719'::text
P0001 | do 'declare r record; begin for r in select * from p2026_017.lab loop raise exception ''%'', r; end loop; end'
42601|0A000|42P10 | select pid from p2026_017.lab for update of nobody
$q$);
update attack.attempt set ends = '22P02|22026' where ends = '22026';
update attack.attempt set ends = '42P01|42601|42501' where statement like '%for update of nobody';

-- identifiers: an error of niji's own does not repeat what it was about
create function attack.says(who text, statement text) returns text language sql as $$ select t.state || ' ' || t.said from attack.try(who, statement) t $$;
create temp table spoken as
  select k, who, attack.says(who, format(s, k, 'SECRET-7788-' || chr(12354) || '-9')) as said
    from unnest(array['insured', 'patient', 'name_birth_sex', 'registry', 'nokind']) k,
         (values ('loader_kato', 'select niji.enrol(%L, %L) is null'), ('loader_kato', 'select niji.enrol_batch(%L, array[%L]) is null'),
                 ('loader_kato', 'select niji.normalize_identifier(%L, %L)'), ('consent_ito', 'select niji.find_person(%L, %L)'),
                 ('loader_kato', 'select niji.enrol(%2$L, %1$L) is null'), ('loader_kato', 'select niji.enrol(%L, repeat(%L, 3000)) is null')) v(who, s);
\set more 2
select plan((select sum(cardinality(who)) from attack.attempt)::int + :more);
select is((select string_agg(said, '; ') from spoken where said ~ '7788'), null, 'No error about an identifier repeats it');
select cmp_ok((select count(*) from spoken where said !~ '^00000'), '>=', 20::bigint, 'and errors they were');
select attack.judge(a, w) from attack.attempt a, unnest(a.who) w order by a.id;
select * from finish();
