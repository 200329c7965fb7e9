-- Rows with two persons, a holder of their own, tags and a date, under a permit with a cohort and a period:
-- for thousands of random rows, what a reader sees and who counts as scanned is what plain SQL says.
\i test/story.sql
\set ON_ERROR_STOP 1
set client_min_messages = warning;
select plan(46);
grant usage on schema warehouse to public;
select setseed(0.36);
create function p(n int) returns niji.person language sql stable as $$ select niji.find_person('patient', '0110113719:' || to_char(n, 'FM0000')) $$;
create table person (n int primary key, person niji.person not null);
insert into person select n, p(n) from generate_series(1, 40) n;
insert into niji.holder (code, name, kind) values ('rural', 'R', 'medical_institution'), ('port', 'P', 'medical_institution');

create table warehouse.birth (id int primary key, child niji.person, mother niji.person, holder int, born_at timestamptz, tag text, tags text[], tagged varchar);
create table warehouse.birth_date (id int primary key, child niji.person, mother niji.person, holder int, born_on date, tag text);
insert into warehouse.birth
  select i, case when random() < 0.9 then everybody[1 + floor(random() * 40)::int] end,
         case when random() < 0.7 then everybody[1 + floor(random() * 40)::int] end,
         case when random() < 0.8 then 1 + floor(random() * 4)::int end,
         timestamptz '2025-06-01 00:00+09' + (floor(random() * 5) - 2) * interval '12 hours' * (1 + i % 3),
         (array[null, null, null, 'LTS', 'UNINFORMED', ' undelivered', 'x|UNINFORMED', 'UNINFORMEDLY', ''])[1 + floor(random() * 9)::int],
         case when random() < 0.8 then null when random() < 0.5 then array['LTS', null] else array['LTS', 'uninformed'] end,
         case when random() < 0.1 then 'UNDELIVERED ' else null end
    from generate_series(1, 4000) i, (select array_agg(person) as everybody from person) x;
insert into warehouse.birth_date select id, child, mother, holder, (born_at at time zone 'Asia/Tokyo')::date, tag from warehouse.birth;
create index on warehouse.birth (child);
create index on warehouse.birth_date (born_on);
-- the same rows and persons, for the reference
create table copy as select * from warehouse.birth;
-- few enough that a child whose rows all are hidden by their mothers comes up in every round
delete from warehouse.birth where id > 400;

set session authorization governance_abe;
do $$
begin
  perform niji.set_rule('registry', 'research', 'opt_out');
  perform niji.register_dataset('birth', 'warehouse.birth', '{child,mother}', null, 'registry', 'law', holder_column => 'holder', date_column => 'born_at', tag_column => 'tag');
  perform niji.register_dataset('birth_date', 'warehouse.birth_date', '{child,mother}', null, 'registry', 'law', holder_column => 'holder', date_column => 'born_on', tag_column => 'tag');
  perform niji.apply_permit('R-1', 'Births', 'tohoku-lab', 'research', current_date, current_date + 300);
  perform niji.create_cohort('R-1', 'children');
  perform niji.load_cohort('R-1', 'children', 'patient', (select array_agg('0110113719:' || to_char(n, 'FM0000')) from generate_series(1, 40, 2) n));
  perform niji.request_data('R-1', 'birth', '{id,holder}', cohort => 'children', period => '[2025-05-31,2025-06-01]');
  perform niji.request_data('R-1', 'birth_date', '{id}', period => '[2025-05-31,2025-06-01]');
end $$;
set session authorization reviewer_baba;
select niji.review_permit('R-1', 'approve', '') is null as ok \g /dev/null
set session authorization reviewer_chiba;
select niji.review_permit('R-1', 'approve', '') is null as ok \g /dev/null
set session authorization governance_abe;
select niji.grant_permit('R-1') is null as ok, niji.add_reader('R-1', 'stranger') is null as ok \g /dev/null
reset session authorization;

-- what a person says, told without the code: the newest of them per scope does not matter, a denial later than a permit does
create function may(who niji.person, row_holder int) returns boolean language sql stable as $$
  select who is not null and not exists (
    select from niji.consent d
     where d.person = who and d.decision = 'deny' and (d.holder is null or d.holder = row_holder or row_holder is null)
       and not exists (select from niji.consent y
                        where y.person = who and y.decision = 'permit' and y.id > d.id
                          and (d.holder is null or y.holder is not distinct from d.holder)
                          and (y.holder is null or y.holder = row_holder)))
$$;
-- without a holder: no, unless the answer is the same for every holder
create function may_row(who niji.person, row_holder int) returns boolean language sql stable as $$
  select case when row_holder is not null then may(who, row_holder)
              else (select bool_and(may(who, h)) from generate_series(1, 5) h) end
$$;
create function shown() returns table (id int, child niji.person, mother niji.person) language sql stable as $$
  select c.id, c.child, c.mother from copy c join person x on x.person = c.child
   where c.id <= 400 and x.n % 2 = 1
     and (c.born_at at time zone 'Asia/Tokyo')::date in ('2025-05-31', '2025-06-01')
     and upper(btrim(regexp_replace(coalesce(c.tag, ''), '^.*\|', ''))) not in ('UNINFORMED', 'UNDELIVERED')
     and may_row(c.child, c.holder) and (c.mother is null or may_row(c.mother, c.holder))
$$;
create function shown_dates() returns table (id int) language sql stable as $$
  select c.id from copy c
   where (c.born_at at time zone 'Asia/Tokyo')::date in ('2025-05-31', '2025-06-01')
     and upper(btrim(regexp_replace(coalesce(c.tag, ''), '^.*\|', ''))) not in ('UNINFORMED', 'UNDELIVERED')
     and may_row(c.child, c.holder) and (c.mother is null or may_row(c.mother, c.holder))
$$;
create table seen (round int, what text, ids int[]);
grant all on seen to public;
create table round (n int);
insert into round values (0);
grant select on round to public;

select (select count(*) from shown()) > 20 and (select count(*) from shown_dates()) > 500 as enough \gset
select ok(:'enough', 'Before anybody objects many rows are to be seen');
create function speak(times int) returns void language plpgsql as $$
begin
  for i in 1..times loop
    insert into niji.consent (person, decision, effective_from, holder, declared_by)
      select x.person, case when random() < 0.6 then 'deny' else 'permit' end, now(), case when random() < 0.6 then 1 + floor(random() * 3)::int end, 'self'
        from (select person from person order by random() limit 1) x;
  end loop;
end $$;
-- a reader's answer goes through a variable of psql, since a reader writes no table
\set i 0

set session authorization stranger;
select coalesce(array_agg(id order by id), '{}') as ids, count(*) as n from r_1.birth \gset
select coalesce(array_agg(id order by id), '{}') as dates from r_1.birth_date \gset
select coalesce(array_agg(id order by id), '{}') as by_index from (select id from r_1.birth b where pid = any (array(select pid from r_1.birth))) x \gset
reset session authorization;
select is(:'ids'::int[], (select coalesce(array_agg(id order by id), '{}') from shown()), 'Round 1: a reader sees the rows that the rules give');
select is(:'by_index'::int[], :'ids'::int[], 'also through an index');
select is(:'dates'::int[], (select coalesce(array_agg(id order by id), '{}') from shown_dates()), 'and those of a dataset with dates and no cohort');
select niji.move_trail() \g /dev/null
select is((select persons_scanned from niji.trail_reads where permit = 'R-1' and datasets = '{birth}' order by seq desc limit 1),
  (select count(*) from (select child from shown() union select mother from shown() where mother is not null) x), 'Scanned is whose rows are seen, children and mothers, and nobody else');
select is((select count(*) from niji.read_persons r join (select max(open) as open from niji.read_index x where x.datasets = (select array[id] from niji.dataset where name = 'birth')) l using (open),
                  lateral niji.persons_list(r.persons, r.chunk) q
            where q not in (select child from shown() union select mother from shown() where mother is not null)), 0::bigint, 'by name');
select speak(6) \g /dev/null

set session authorization stranger;
select coalesce(array_agg(id order by id), '{}') as ids, count(*) as n from r_1.birth \gset
select coalesce(array_agg(id order by id), '{}') as dates from r_1.birth_date \gset
select coalesce(array_agg(id order by id), '{}') as by_index from (select id from r_1.birth b where pid = any (array(select pid from r_1.birth))) x \gset
reset session authorization;
select is(:'ids'::int[], (select coalesce(array_agg(id order by id), '{}') from shown()), 'Round 2: a reader sees the rows that the rules give');
select is(:'by_index'::int[], :'ids'::int[], 'also through an index');
select is(:'dates'::int[], (select coalesce(array_agg(id order by id), '{}') from shown_dates()), 'and those of a dataset with dates and no cohort');
select niji.move_trail() \g /dev/null
select is((select persons_scanned from niji.trail_reads where permit = 'R-1' and datasets = '{birth}' order by seq desc limit 1),
  (select count(*) from (select child from shown() union select mother from shown() where mother is not null) x), 'Scanned is whose rows are seen, children and mothers, and nobody else');
select is((select count(*) from niji.read_persons r join (select max(open) as open from niji.read_index x where x.datasets = (select array[id] from niji.dataset where name = 'birth')) l using (open),
                  lateral niji.persons_list(r.persons, r.chunk) q
            where q not in (select child from shown() union select mother from shown() where mother is not null)), 0::bigint, 'by name');
select speak(6) \g /dev/null

set session authorization stranger;
select coalesce(array_agg(id order by id), '{}') as ids, count(*) as n from r_1.birth \gset
select coalesce(array_agg(id order by id), '{}') as dates from r_1.birth_date \gset
select coalesce(array_agg(id order by id), '{}') as by_index from (select id from r_1.birth b where pid = any (array(select pid from r_1.birth))) x \gset
reset session authorization;
select is(:'ids'::int[], (select coalesce(array_agg(id order by id), '{}') from shown()), 'Round 3: a reader sees the rows that the rules give');
select is(:'by_index'::int[], :'ids'::int[], 'also through an index');
select is(:'dates'::int[], (select coalesce(array_agg(id order by id), '{}') from shown_dates()), 'and those of a dataset with dates and no cohort');
select niji.move_trail() \g /dev/null
select is((select persons_scanned from niji.trail_reads where permit = 'R-1' and datasets = '{birth}' order by seq desc limit 1),
  (select count(*) from (select child from shown() union select mother from shown() where mother is not null) x), 'Scanned is whose rows are seen, children and mothers, and nobody else');
select is((select count(*) from niji.read_persons r join (select max(open) as open from niji.read_index x where x.datasets = (select array[id] from niji.dataset where name = 'birth')) l using (open),
                  lateral niji.persons_list(r.persons, r.chunk) q
            where q not in (select child from shown() union select mother from shown() where mother is not null)), 0::bigint, 'by name');
select speak(6) \g /dev/null

set session authorization stranger;
select coalesce(array_agg(id order by id), '{}') as ids, count(*) as n from r_1.birth \gset
select coalesce(array_agg(id order by id), '{}') as dates from r_1.birth_date \gset
select coalesce(array_agg(id order by id), '{}') as by_index from (select id from r_1.birth b where pid = any (array(select pid from r_1.birth))) x \gset
reset session authorization;
select is(:'ids'::int[], (select coalesce(array_agg(id order by id), '{}') from shown()), 'Round 4: a reader sees the rows that the rules give');
select is(:'by_index'::int[], :'ids'::int[], 'also through an index');
select is(:'dates'::int[], (select coalesce(array_agg(id order by id), '{}') from shown_dates()), 'and those of a dataset with dates and no cohort');
select niji.move_trail() \g /dev/null
select is((select persons_scanned from niji.trail_reads where permit = 'R-1' and datasets = '{birth}' order by seq desc limit 1),
  (select count(*) from (select child from shown() union select mother from shown() where mother is not null) x), 'Scanned is whose rows are seen, children and mothers, and nobody else');
select is((select count(*) from niji.read_persons r join (select max(open) as open from niji.read_index x where x.datasets = (select array[id] from niji.dataset where name = 'birth')) l using (open),
                  lateral niji.persons_list(r.persons, r.chunk) q
            where q not in (select child from shown() union select mother from shown() where mother is not null)), 0::bigint, 'by name');
select speak(6) \g /dev/null

set session authorization stranger;
select coalesce(array_agg(id order by id), '{}') as ids, count(*) as n from r_1.birth \gset
select coalesce(array_agg(id order by id), '{}') as dates from r_1.birth_date \gset
select coalesce(array_agg(id order by id), '{}') as by_index from (select id from r_1.birth b where pid = any (array(select pid from r_1.birth))) x \gset
reset session authorization;
select is(:'ids'::int[], (select coalesce(array_agg(id order by id), '{}') from shown()), 'Round 5: a reader sees the rows that the rules give');
select is(:'by_index'::int[], :'ids'::int[], 'also through an index');
select is(:'dates'::int[], (select coalesce(array_agg(id order by id), '{}') from shown_dates()), 'and those of a dataset with dates and no cohort');
select niji.move_trail() \g /dev/null
select is((select persons_scanned from niji.trail_reads where permit = 'R-1' and datasets = '{birth}' order by seq desc limit 1),
  (select count(*) from (select child from shown() union select mother from shown() where mother is not null) x), 'Scanned is whose rows are seen, children and mothers, and nobody else');
select is((select count(*) from niji.read_persons r join (select max(open) as open from niji.read_index x where x.datasets = (select array[id] from niji.dataset where name = 'birth')) l using (open),
                  lateral niji.persons_list(r.persons, r.chunk) q
            where q not in (select child from shown() union select mother from shown() where mother is not null)), 0::bigint, 'by name');
select speak(6) \g /dev/null

set session authorization stranger;
select coalesce(array_agg(id order by id), '{}') as ids, count(*) as n from r_1.birth \gset
select coalesce(array_agg(id order by id), '{}') as dates from r_1.birth_date \gset
select coalesce(array_agg(id order by id), '{}') as by_index from (select id from r_1.birth b where pid = any (array(select pid from r_1.birth))) x \gset
reset session authorization;
select is(:'ids'::int[], (select coalesce(array_agg(id order by id), '{}') from shown()), 'Round 6: a reader sees the rows that the rules give');
select is(:'by_index'::int[], :'ids'::int[], 'also through an index');
select is(:'dates'::int[], (select coalesce(array_agg(id order by id), '{}') from shown_dates()), 'and those of a dataset with dates and no cohort');
select niji.move_trail() \g /dev/null
select is((select persons_scanned from niji.trail_reads where permit = 'R-1' and datasets = '{birth}' order by seq desc limit 1),
  (select count(*) from (select child from shown() union select mother from shown() where mother is not null) x), 'Scanned is whose rows are seen, children and mothers, and nobody else');
select is((select count(*) from niji.read_persons r join (select max(open) as open from niji.read_index x where x.datasets = (select array[id] from niji.dataset where name = 'birth')) l using (open),
                  lateral niji.persons_list(r.persons, r.chunk) q
            where q not in (select child from shown() union select mother from shown() where mother is not null)), 0::bigint, 'by name');
select speak(6) \g /dev/null

set session authorization stranger;
select coalesce(array_agg(id order by id), '{}') as ids, count(*) as n from r_1.birth \gset
select coalesce(array_agg(id order by id), '{}') as dates from r_1.birth_date \gset
select coalesce(array_agg(id order by id), '{}') as by_index from (select id from r_1.birth b where pid = any (array(select pid from r_1.birth))) x \gset
reset session authorization;
select is(:'ids'::int[], (select coalesce(array_agg(id order by id), '{}') from shown()), 'Round 7: a reader sees the rows that the rules give');
select is(:'by_index'::int[], :'ids'::int[], 'also through an index');
select is(:'dates'::int[], (select coalesce(array_agg(id order by id), '{}') from shown_dates()), 'and those of a dataset with dates and no cohort');
select niji.move_trail() \g /dev/null
select is((select persons_scanned from niji.trail_reads where permit = 'R-1' and datasets = '{birth}' order by seq desc limit 1),
  (select count(*) from (select child from shown() union select mother from shown() where mother is not null) x), 'Scanned is whose rows are seen, children and mothers, and nobody else');
select is((select count(*) from niji.read_persons r join (select max(open) as open from niji.read_index x where x.datasets = (select array[id] from niji.dataset where name = 'birth')) l using (open),
                  lateral niji.persons_list(r.persons, r.chunk) q
            where q not in (select child from shown() union select mother from shown() where mother is not null)), 0::bigint, 'by name');
select speak(6) \g /dev/null

set session authorization stranger;
select coalesce(array_agg(id order by id), '{}') as ids, count(*) as n from r_1.birth \gset
select coalesce(array_agg(id order by id), '{}') as dates from r_1.birth_date \gset
select coalesce(array_agg(id order by id), '{}') as by_index from (select id from r_1.birth b where pid = any (array(select pid from r_1.birth))) x \gset
reset session authorization;
select is(:'ids'::int[], (select coalesce(array_agg(id order by id), '{}') from shown()), 'Round 8: a reader sees the rows that the rules give');
select is(:'by_index'::int[], :'ids'::int[], 'also through an index');
select is(:'dates'::int[], (select coalesce(array_agg(id order by id), '{}') from shown_dates()), 'and those of a dataset with dates and no cohort');
select niji.move_trail() \g /dev/null
select is((select persons_scanned from niji.trail_reads where permit = 'R-1' and datasets = '{birth}' order by seq desc limit 1),
  (select count(*) from (select child from shown() union select mother from shown() where mother is not null) x), 'Scanned is whose rows are seen, children and mothers, and nobody else');
select is((select count(*) from niji.read_persons r join (select max(open) as open from niji.read_index x where x.datasets = (select array[id] from niji.dataset where name = 'birth')) l using (open),
                  lateral niji.persons_list(r.persons, r.chunk) q
            where q not in (select child from shown() union select mother from shown() where mother is not null)), 0::bigint, 'by name');
select speak(6) \g /dev/null

set session authorization stranger;
select coalesce(array_agg(id order by id), '{}') as ids, count(*) as n from r_1.birth \gset
select coalesce(array_agg(id order by id), '{}') as dates from r_1.birth_date \gset
select coalesce(array_agg(id order by id), '{}') as by_index from (select id from r_1.birth b where pid = any (array(select pid from r_1.birth))) x \gset
reset session authorization;
select is(:'ids'::int[], (select coalesce(array_agg(id order by id), '{}') from shown()), 'Round 9: a reader sees the rows that the rules give');
select is(:'by_index'::int[], :'ids'::int[], 'also through an index');
select is(:'dates'::int[], (select coalesce(array_agg(id order by id), '{}') from shown_dates()), 'and those of a dataset with dates and no cohort');
select niji.move_trail() \g /dev/null
select is((select persons_scanned from niji.trail_reads where permit = 'R-1' and datasets = '{birth}' order by seq desc limit 1),
  (select count(*) from (select child from shown() union select mother from shown() where mother is not null) x), 'Scanned is whose rows are seen, children and mothers, and nobody else');
select is((select count(*) from niji.read_persons r join (select max(open) as open from niji.read_index x where x.datasets = (select array[id] from niji.dataset where name = 'birth')) l using (open),
                  lateral niji.persons_list(r.persons, r.chunk) q
            where q not in (select child from shown() union select mother from shown() where mother is not null)), 0::bigint, 'by name');
select speak(6) \g /dev/null

select * from finish();
