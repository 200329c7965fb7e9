-- People with one duty, who would know more than it gives: a loader, a consent officer, governance, a reviewer, an
-- auditor; and what one lends to another by a definer function, a view or a prepared statement.
\i test/attack/house.sql
create table bridge.names (name text);
insert into bridge.names select '0110113719:' || to_char(n, 'FM0000') from generate_series(1, 40) n;
grant select on bridge.names to public;

select attack.add('a loader alone', 'loader_kato', $q$
42501 | select niji.enrol('patient', '0110113719:0001')
42501 | select niji.enrol('patient', '0110113719:0001')::text
42501 | select niji.enrol('patient', name) from bridge.names
42501 | select to_json(niji.enrol('patient', name)) from bridge.names
42501 | select format('%s', niji.enrol('patient', name)) from bridge.names
42501 | select concat(niji.enrol('patient', name)) from bridge.names
42501 | select name || niji.enrol('patient', name) from bridge.names
42501 | select array_to_string(niji.enrol_batch('patient', array(select name from bridge.names)), ',')
42501 | select niji.enrol_batch('patient', array(select name from bridge.names))
42501 | select unnest(niji.enrol_batch('patient', array(select name from bridge.names)))
42501 | select to_jsonb(niji.enrol_batch('patient', array(select name from bridge.names)))
42501 | select niji.person_send(niji.enrol('patient', name)) from bridge.names
42501 | select niji.person_hash(niji.enrol('patient', name)) from bridge.names
42846 | select niji.enrol('patient', name)::int from bridge.names
42501 | select niji.pseudonym(niji.enrol('patient', name), {d}) from bridge.names
42501 | select niji.pseudonym(niji.enrol('patient', name), {foreign}) from bridge.names
42501 | select niji.pseudonym(niji.enrol('patient', name), {ha}) from bridge.names
42501 | select niji.pseudonym(p, {d}) from unnest(niji.enrol_batch('patient', array(select name from bridge.names))) p
42501 | select niji.pseudonym('{n}', {d})
42501 | select niji.pseudonym('{n}', {ha})
42501 | select niji.pseudonym('0110113719'::niji.institution_code, {d}, niji.enrol('patient', '0110113719:0001'))
42501 | select niji.pseudonym('0110113719'::niji.institution_code, {d}, '{n}')
42501 | select name from bridge.names where niji.pseudonym(niji.enrol('patient', name), {d}) = '{mine}'
42501 | select name from bridge.names where niji.pseudonym(niji.enrol('patient', name), {d}) = '{mine}'::text
42501 | select name from bridge.names where niji.pseudonym(niji.enrol('patient', name), {d}) in ('{mine}', '{mine2}')
42501 | select name, pid from bridge.names join attack.list17 on niji.pseudonym(niji.enrol('patient', name), {d}) = pid
42501 | select name, pid from bridge.names, attack.list17 where niji.enrol('patient', name) operator(niji.=) niji.make_probe(pid, {d})
42501 | select name, pid from bridge.names, attack.list17 where niji.make_probe(pid, {d}) operator(niji.=) niji.enrol('patient', name)
42501 | select niji.person_eq_probe(niji.enrol('patient', name), niji.make_probe('{mine}'::text, {d})) from bridge.names
42501 | select niji.probe_eq_person(niji.make_probe('{mine}'::text, {d}), niji.enrol('patient', name)) from bridge.names
42501 | select niji.enrol('patient', name) operator(niji.=) any (niji.make_probes(array(select pid from attack.list17), {d})) from bridge.names
42501 | select niji.enrol('patient', name) operator(niji.=) any (select niji.make_probe(pid, {d}) from attack.list17) from bridge.names
42501 | select '{n}'::niji.person operator(niji.=) niji.make_probe('{mine}'::text, {d})
42501 | select '{n}'::niji.person operator(niji.=) any (niji.make_probes(array(select pid from attack.list_a), {ha}))
42501 | select x.n from generate_series(1, 9) x(n), attack.list17 where x.n::text::niji.person operator(niji.=) niji.make_probe(pid, {d})
42501 | select niji.permitted(niji.enrol('patient', name), 1, 1) from bridge.names
42501 | select niji.permitted('{n}', 1, 1, 1)
42501 | select niji.find_person('patient', '0110113719:0001')
42501 | select niji.person_of('{mine}', {d})
42501 | select person from warehouse.lab
42501 | select * from p2026_017.lab
42501 | select * from niji.identifier
42501 | insert into warehouse.lab (person, taken_on, code) select niji.enrol('patient', name), current_date, 'x' from bridge.names
42501 | create table bridge.kept as select niji.enrol('patient', name) as p from bridge.names
42501 | create table bridge.kept (p niji.person)
42501 | do 'begin raise exception ''%'', niji.enrol(''patient'', ''0110113719:0001''); end'
42501 | do 'declare t text; begin t := niji.enrol(''patient'', ''0110113719:0001''); end'
42501 | do 'declare i int; begin i := niji.enrol(''patient'', ''0110113719:0001''); end'
42501 | do 'begin perform set_config(''x.y'', niji.enrol(''patient'', ''0110113719:0001'')::text, false); end'
42501 | select niji.who_used(niji.enrol('patient', '0110113719:0001'))
42501 | select niji.explain_consent(niji.enrol('patient', '0110113719:0001'), 'P2026-017', 'lab')
42501 | select niji.decide_consent(niji.enrol('patient', '0110113719:0001'), 1, 1)
42501 | select niji.record_consent(niji.enrol('patient', '0110113719:0001'), 'deny')
42501 | select niji.key_status()
42501 | select niji.add_reader('P2026-017', 'loader_kato')
42501 | select * from niji.trail_reads
42501 | select niji.scan_staging('bridge.names')
42501 | select niji.insert_hiding_persons('select 1', 1, 2)
42501 | select niji.quarantine_open(1, '\x00', 'x', '\x00')
22023|42501 | select niji.read_quarantine(1)
$q$);
select attack.add('a consent officer alone', 'consent_ito', $q$
42501 | select niji.pseudonym(niji.find_person('patient', '0110113719:0001'), {d})
42501 | select niji.pseudonym(niji.find_person('patient', '0110113719:0001'), {foreign})
42501 | select niji.pseudonym(niji.find_person('patient', '0110113719:0001'), {hb})
42501 | select niji.pseudonym('{n}', {d})
42501 | select niji.pseudonym(n::text::niji.person, {d}) from generate_series(1, 9) n
42501 | select niji.pseudonym('0110113719'::niji.institution_code, {d}, '{n}')
42501 | select name, pid from bridge.names join attack.list17 on niji.pseudonym(niji.find_person('patient', name), {d}) = pid
42501 | select name, pid from bridge.names join attack.list17 on niji.find_person('patient', name) operator(niji.=) niji.make_probe(pid, {d})
42501 | select niji.person_eq_probe(niji.find_person('patient', '0110113719:0001'), niji.make_probe('{mine}'::text, {d}))
42501 | select niji.probe_eq_person(niji.make_probe('{theirs}'::text, {other}), '{n}')
42501 | select '{n}'::niji.person operator(niji.=) any (niji.make_probes(array(select pid from attack.list17), {d}))
42501 | select niji.find_person('patient', name) operator(niji.=) any (select niji.make_probe(pid, {ha}) from attack.list_a) from bridge.names
42501 | select niji.person_of('{mine}', {d})
42501 | select niji.enrol('patient', '0110113719:0001')
42501 | select niji.enrol_batch('patient', array['0110113719:0001'])
42501 | select niji.register_identifier_kind('mine', 'patient')
42501 | select * from niji.identifier
42501 | select * from niji.domain
42501 | select person from warehouse.lab
42501 | select * from p2026_017.lab
42501 | select niji.persons_shown('analyst_fujita', now() - interval '1 day', now())
42501 | select * from niji.read_persons
42501 | select niji.create_domain('mine')
42501 | select niji.decide_consent('{n}', 1, 1)
42501 | select niji.set_rule('ehr', 'research', 'not_required')
42501 | create table bridge.kept as select niji.find_person('patient', name) as p from bridge.names
$q$);
select attack.add('others alone', 'governance_abe reviewer_baba', $q$
42501 | select '{n}'::niji.person is null
42501 | select niji.pseudonym('{n}', {d})
42501 | select niji.find_person('patient', '0110113719:0001')
42501 | select niji.enrol('patient', '0110113719:0001')
42501 | select niji.person_of('{mine}', {d})
42501 | select person from warehouse.lab
42501 | select * from p2026_017.lab
42501 | select * from niji.identifier
42501 | select niji.who_used(null)
42501 | select niji.add_reader('P2026-017', '{who}')
42501 | select b.pid from (select null::niji.person as p from generate_series(1, 1000000) g where g < -random()) a full join attack.list17 b on niji.pseudonym(a.p, {d}) = b.pid
$q$);
select attack.add('others alone', 'auditor_endo custodian_goto', $q$
42501 | select niji.person_of('{mine}', {d})
42501 | select niji.enrol('patient', '0110113719:0001')
42501 | select niji.enrol_batch('patient', array['0110113719:0001'])
42501 | select person from warehouse.lab
42501 | select * from p2026_017.lab
42501 | select digest from niji.identifier
42501 | select salt from niji.domain
42501 | select * from niji.master_key
42501 | select niji.record_consent('{n}', 'deny')
$q$);

/* ---- lending: the duty is judged by the session's user ---- */
create function bridge.lent_find(name text) returns text language sql security definer as $$ select niji.find_person('patient', name)::text $$;
create function bridge.lent_find_pl(name text) returns text language plpgsql security definer as $$ begin return niji.find_person('patient', name); end $$;
create function bridge.lent_input(n text) returns boolean language plpgsql security definer as $$ begin return n::niji.person is null; end $$;
create function bridge.lent_pseudonym(name text, d int) returns text language plpgsql security definer as $$ begin return niji.pseudonym(niji.find_person('patient', name), d); end $$;
create function bridge.lent_enrol(name text) returns boolean language plpgsql security definer as $$ begin return niji.enrol('patient', name) is null; end $$;
create function bridge.lent_person_of(p text, d int) returns boolean language plpgsql security definer as $$ begin return niji.person_of(p::niji.pseudonym, d) is null; end $$;
create function bridge.lent_base() returns bigint language plpgsql security definer as $$ begin return (select count(*) from warehouse.lab where person is not null); end $$;
create function bridge.lent_identifiers() returns setof text language sql security definer as $$ select person::text from niji.identifier $$;
create view bridge.careless as select person, source from niji.identifier;
create function bridge.show_text(anyelement) returns text language plpgsql as $$ begin return $1::text; end $$;
grant select on bridge.careless to public;
alter function bridge.lent_find(text) owner to consent_ito;
alter function bridge.lent_find_pl(text) owner to auditor_endo;
alter function bridge.lent_input(text) owner to consent_ito;
alter function bridge.lent_pseudonym(text, int) owner to custodian_goto;
alter function bridge.lent_enrol(text) owner to loader_kato;
-- person_of, the base table and the identifiers: a superuser's
select bridge.show_text(person) is not null as ok from bridge.own limit 1 \g /dev/null
prepare by_superuser as select person from bridge.careless;
prepare by_superuser_text as select person::text from bridge.careless;
prepare by_superuser_pseudonym as select niji.pseudonym(person, :d17) from bridge.careless;
prepare by_superuser_probe(text) as select count(*) from bridge.careless where niji.pseudonym(person, :d17) = $1;
prepare by_superuser_find as select niji.find_person('patient', '0110113719:0001')::text;
prepare by_superuser_person_of as select niji.person_of((select pid from attack.list17 limit 1), :d17) is null;
prepare by_superuser_base as select count(*) from warehouse.lab;
prepare by_superuser_input(text) as select $1::niji.person is null;
set plan_cache_mode = force_generic_plan;
execute by_superuser_text \g /dev/null
execute by_superuser_pseudonym \g /dev/null
execute by_superuser_probe('x') \g /dev/null
execute by_superuser_find \g /dev/null
execute by_superuser_person_of \g /dev/null
execute by_superuser_base \g /dev/null
execute by_superuser_input('5') \g /dev/null
declare held_analyst_fujita cursor with hold for select person from bridge.own;
declare held_stranger scroll cursor with hold for select person from bridge.own;
declare held_owner_hata cursor with hold for select o from bridge.own o;
declare held_binary_analyst_fujita binary cursor with hold for select person from bridge.own;
declare held_binary_stranger binary cursor with hold for select array[person] from bridge.own;
declare held_binary_owner_hata binary cursor with hold for select person from bridge.own;
grant execute on all functions in schema bridge to public;
select attack.add('what others lend', 'analyst_fujita stranger owner_hata', $q$
42501 | select bridge.lent_find('0110113719:0001')
42501 | select bridge.lent_find_pl('0110113719:0001')
42501 | select bridge.lent_input('{n}')
42501 | select bridge.lent_pseudonym('0110113719:0001', {d})
42501 | select bridge.lent_enrol('0110113719:0001')
42501 | select bridge.lent_person_of('{mine}', {d})
42501 | select bridge.lent_base()
42501 | select bridge.lent_identifiers()
42501 | select person from bridge.careless
42501 | select person::text from bridge.careless
42501 | select c from bridge.careless c
42501 | select to_json(c) from bridge.careless c
42501 | select bridge.show_text(person) from bridge.careless
42501 | select niji.pseudonym(person, {d}) from bridge.careless
42501 | select niji.pseudonym(person, {foreign}) from bridge.careless
42501 | select count(*) from bridge.careless where niji.pseudonym(person, {d}) = '{mine}'
42501 | select count(*) from bridge.careless join attack.list17 on niji.pseudonym(person, {d}) = pid
42501 | execute by_superuser
42501 | execute by_superuser_text
42501 | execute by_superuser_pseudonym
42501 | execute by_superuser_probe('{mine}')
42501 | execute by_superuser_find
42501 | execute by_superuser_person_of
42501 | execute by_superuser_base
42501 | execute by_superuser_input('{n}')
42501 | explain analyze execute by_superuser_base
42501 | explain (analyze) execute by_superuser_pseudonym
42501 | fetch 1 from held_{who}
42501 | fetch all from held_binary_{who}
42501 | set role consent_ito;; select niji.find_person('patient', '0110113719:0001')
42501 | set role custodian_goto
42501 | set local role postgres
42501 | select set_config('role', 'auditor_endo', false)
42501 | select set_config('role', 'postgres', true), niji.find_person('patient', '0110113719:0001')
42501 | create function bridge.as_other_{who}() returns text language sql set role = 'postgres' as 'select niji.find_person(''patient'', ''0110113719:0001'')::text';; select bridge.as_other_{who}()
42501 | alter function bridge.show_text(anyelement) security definer
42501 | create or replace function bridge.lent_find(name text) returns text language sql as 'select 1::text'
42501 | alter view bridge.careless set (security_invoker = false)
42501 | create or replace view bridge.careless as select null::niji.person as person, ''::text as source
$q$);
\set more 0
\i test/attack/run.sql
select * from finish();
