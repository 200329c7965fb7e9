-- The house of the attacks on consent: people who objected (7, 19, 31, 40), rows of theirs that stand out (code and
-- ward RARE, value and cost 666.25, dates in 2026), and one permit, P2026-031, whose reader would find them out.
-- Beside it stands "native": the same tables under plain row level security with the usual view, where what the
-- attacks try is shown to work.
\set ECHO none
\set ON_ERROR_STOP 1
set client_min_messages = error;
\i test/story.sql
grant usage on schema warehouse to public;

create table warehouse.known as select n, niji.find_person('patient', '0110113719:' || to_char(n, 'FM0000')) as person from generate_series(1, 40) n;
create function warehouse.p(wanted int) returns niji.person language sql stable as 'select person from warehouse.known where n = wanted';
update warehouse.lab l set code = case when n in (7, 19, 31, 40) then 'RARE' else (array['HBA1C', 'LDL', 'UA'])[1 + n % 3] end, value = case when n in (7, 19, 31, 40) then 666.25 else 5 + n * 0.1 end,
                           taken_on = case when n in (7, 19, 31, 40) then date '2026-01-01' + n else taken_on end
  from warehouse.known k where k.person = l.person;
alter table warehouse.lab add unique (person);
create index lab_code on warehouse.lab (code);
create index lab_value on warehouse.lab (value);

create table warehouse.visit (person niji.person not null, seen_on date not null, ward text not null, cost numeric not null) partition by range (seen_on);
create table warehouse.visit_2024 partition of warehouse.visit for values from ('2024-01-01') to ('2025-01-01');
create table warehouse.visit_2025 partition of warehouse.visit for values from ('2025-01-01') to ('2026-01-01');
create table warehouse.visit_2026 partition of warehouse.visit for values from ('2026-01-01') to ('2027-01-01');
insert into warehouse.visit
  select person, case when n in (7, 19, 31, 40) and k > 3 then date '2026-01-01' + n else date '2024-01-01' + n * 3 + k * 120 end,
         case when n in (7, 19, 31, 40) then 'RARE' else (array['north', 'south'])[1 + n % 2] end, case when n in (7, 19, 31, 40) then 666.25 else n * k end
    from warehouse.known, generate_series(1, 5) k;
create index on warehouse.visit (ward);
create index on warehouse.visit (person);
-- mother and child: the rows 7 and 19 are of a child and of a mother who objected
create table warehouse.birth (mother niji.person not null, child niji.person, grams int not null);
insert into warehouse.birth select warehouse.p(1 + (n + 11) % 40), warehouse.p(n), case when n in (7, 19, 31, 40) or 1 + (n + 11) % 40 in (7, 19, 31, 40) then 666 else 3000 + n end from generate_series(1, 40) n;
-- rows that name their holder: 7, 19, 31 and 40 object to what "rural" holds, and every second row is rural's
create table warehouse.chart (person niji.person not null, held_by int not null, note text not null);

set session authorization governance_abe;
do $$
begin
  perform niji.register_holder('rural', '診療所', 'medical_institution');
  perform niji.set_rule('registry', 'research', 'opt_out', legal_basis => 'law');
end $$;
reset session authorization;
insert into warehouse.chart select person, h.id, case when n in (7, 19, 31, 40) and h.code = 'rural' then 'RARE' else 'note ' || n end
  from warehouse.known, niji.holder h order by n, h.id;
analyze warehouse.lab; analyze warehouse.visit; analyze warehouse.birth; analyze warehouse.chart;
create statistics warehouse.lab_both (mcv, dependencies, ndistinct) on code, value from warehouse.lab;
analyze warehouse.lab;
do $$
begin
  perform niji.register_dataset('visit', 'warehouse.visit', array['person']::name[], 'city-hospital', 'ehr', 'law');
  perform niji.register_dataset('birth', 'warehouse.birth', array['mother', 'child']::name[], 'city-hospital', 'ehr', 'law');
  perform niji.register_dataset('chart', 'warehouse.chart', array['person']::name[], null, 'registry', 'law', holder_column => 'held_by');
end $$;
set session authorization governance_abe;
do $$
begin
  perform niji.apply_permit('P2026-031', 'Attacked', 'tohoku-lab', 'research', current_date - 1, current_date + 300);
  perform niji.request_data('P2026-031', 'lab', array['institution:pseudonym', 'taken_on', 'code', 'value']);
  perform niji.request_data('P2026-031', 'diagnosis', array['disease', 'since']);
  perform niji.request_data('P2026-031', 'visit', array['seen_on', 'ward', 'cost']);
  perform niji.request_data('P2026-031', 'birth', array['grams']);
  perform niji.request_data('P2026-031', 'chart', array['note']);
  set session authorization reviewer_baba;
  perform niji.review_permit('P2026-031', 'approve', '');
  set session authorization reviewer_chiba;
  perform niji.review_permit('P2026-031', 'approve', '');
  set session authorization governance_abe;
  perform niji.grant_permit('P2026-031');
  perform niji.add_reader('P2026-031', 'analyst_fujita');
end $$;
reset session authorization;
do $$
begin
  perform niji.record_consent(warehouse.p(n), 'deny', category => 'ehr'), niji.record_consent(warehouse.p(n), 'deny', category => 'registry', holder => 'rural') from unnest(array[7, 19, 31, 40]) n;
end $$;

-- a DBA was careless: here the reader creates what a hardened server lets readers create nowhere
create schema bridge;
grant create, usage on schema bridge to analyst_fujita;
grant usage on schema bridge to public;
create role reader_member login in role analyst_fujita;
create role reads_all login in role pg_read_all_data;
create role reads_statistics login in role pg_read_all_stats;
create role bypasses login bypassrls;

/* ---- the same under plain row level security ---- */
create role native_owner;
create role native_reader login in role pg_monitor;
create schema native_base;
create schema native;
grant usage on schema native_base to native_owner, native_reader;
grant usage on schema native to native_reader;
grant create, usage on schema bridge to native_reader;
create table native_base.lab as select k.n as person, l.taken_on, l.code, l.value, k.n in (7, 19, 31, 40) as objected from warehouse.lab l join warehouse.known k using (person) order by k.n;
create index on native_base.lab (code);
create index on native_base.lab (value);
create statistics native_base.lab_both (mcv, dependencies, ndistinct) on code, value from native_base.lab;
create table native_base.visit (person int, seen_on date, ward text, cost numeric, objected boolean) partition by range (seen_on);
create table native_base.visit_2024 partition of native_base.visit for values from ('2024-01-01') to ('2025-01-01');
create table native_base.visit_2025 partition of native_base.visit for values from ('2025-01-01') to ('2026-01-01');
create table native_base.visit_2026 partition of native_base.visit for values from ('2026-01-01') to ('2027-01-01');
insert into native_base.visit select k.n, seen_on, ward, cost, k.n in (7, 19, 31, 40) from warehouse.visit v join warehouse.known k using (person) order by k.n, seen_on;
create table native_base.diagnosis as select k.n as person, d.disease::text, d.since, false as objected from warehouse.diagnosis d join warehouse.known k using (person) order by k.n;
create index on native_base.visit (ward);
do $$
declare
  t text;
begin
  foreach t in array array['lab', 'visit', 'diagnosis'] loop
    execute format('alter table native_base.%I enable row level security', t);
    execute format('create policy p on native_base.%I for select to native_owner using (not objected)', t);
    execute format('grant select on native_base.%I to native_owner', t);
    execute format('analyze native_base.%I', t);
  end loop;
end $$;
create view native.lab as select 'P' || person as pid, 'I'::text as institution, taken_on, code, value from native_base.lab;
create view native.visit as select 'P' || person as pid, seen_on, ward, cost from native_base.visit;
create view native.diagnosis as select 'P' || person as pid, disease, since from native_base.diagnosis;
alter view native.lab owner to native_owner;
alter view native.visit owner to native_owner;
alter view native.diagnosis owner to native_owner;
-- rows are locked and changed by who may
grant update on all tables in schema native to native_reader;
grant update on native_base.lab to native_owner;
grant select on all tables in schema native to native_reader;

/* ---- the worlds ---- */
-- as if those who objected, or one who objects while an attack goes on, had no rows: kept to be put back
create table warehouse.kept_lab as select * from warehouse.lab where false;
create table warehouse.kept_visit as select * from warehouse.visit where false;
create table native_base.kept_lab as select * from native_base.lab where false;
create function warehouse.without(wanted int[]) returns void language plpgsql as $$
declare
  gone niji.person[] := (select array_agg(person) from warehouse.known where n = any (wanted));
begin
  with x as (delete from warehouse.lab where person = any (gone) returning *) insert into warehouse.kept_lab select * from x;
  with x as (delete from warehouse.visit where person = any (gone) returning *) insert into warehouse.kept_visit select * from x;
  delete from warehouse.birth where mother = any (gone) or child = any (gone);
  delete from warehouse.chart where person = any (gone) and note = 'RARE';
  with x as (delete from native_base.lab where person = any (wanted) returning *) insert into native_base.kept_lab select * from x;
  delete from native_base.visit where person = any (wanted);
end $$;
create function warehouse.back() returns void language plpgsql as $$
begin
  with x as (delete from warehouse.kept_lab returning *) insert into warehouse.lab select * from x;
  with x as (delete from warehouse.kept_visit returning *) insert into warehouse.visit select * from x;
  with x as (delete from native_base.kept_lab returning *) insert into native_base.lab select * from x;
end $$;
