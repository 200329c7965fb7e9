-- Persons that a loader lends to a reader, beside the identifiers that they come from: by a grant, a view, a constant in
-- a view or a default, a definer function, a row or an array; and what a reader would do with them under a permit.
\i test/attack/house.sql
\set ECHO none
grant usage on type niji.person to loader_kato;
set session authorization loader_kato;
create table bridge.staging (ident text, person niji.person);
insert into bridge.staging select '0110113719:' || to_char(n, 'FM0000') from generate_series(1, 5) n;
call niji.enrol_table('bridge.staging', 'ident', 'person', 'patient') \g /dev/null
create table bridge.wrapped as select s.ident, row(1, s.person)::record is not null as ok, array[s.person] as list from bridge.staging s;
create type bridge.pair as (ident text, person niji.person);
create table bridge.pairs as select row(ident, person)::bridge.pair as pair from bridge.staging;
create view bridge.passed as select ident as who, person as p from bridge.staging;
create view bridge.constant as select '{n}'::text as who, '7'::niji.person as p;
create function bridge.one(i text) returns niji.person language sql security definer stable as $$ select person from bridge.staging where ident = i $$;
create function bridge.folded(i text) returns niji.person language sql security definer immutable as $$ select person from bridge.staging where ident = i $$;
create function bridge.all_of() returns setof bridge.staging language sql security definer stable as $$ select * from bridge.staging $$;
create function bridge.inlined(d int) returns table (who text, pid niji.pseudonym) language sql stable as $$ select s.ident, niji.pseudonym(s.person, d) from bridge.staging s $$;
create function bridge.inlined_twice(d int) returns table (who text, pid niji.pseudonym) language sql stable as $$ select 'x', niji.pseudonym(p, d) from (select bridge.folded('0110113719:0002') as p offset 0) q $$;
create function bridge.atomic() returns niji.person language sql stable security definer begin atomic select '7'::niji.person; end;
create function bridge.by_default(d int, p niji.person default '7') returns niji.pseudonym language sql stable as $$ select niji.pseudonym(p, d) $$;
create function bridge.by_default_too(d int, p niji.person default '7') returns niji.pseudonym language plpgsql stable as $$ begin return niji.pseudonym(p, d); end $$;
create function bridge.variable(d int) returns niji.pseudonym language plpgsql stable as $$ declare p niji.person; begin select person into p from bridge.staging limit 1; return niji.pseudonym(p, d); end $$;
create function bridge.of_pair(r bridge.pair, d int) returns niji.pseudonym language sql stable as $$ select niji.pseudonym(r.person, d) $$;
grant select on bridge.staging, bridge.wrapped, bridge.pairs, bridge.passed, bridge.constant to public;
reset session authorization;

select attack.add('persons lent', 'analyst_fujita', $q$
00000 | select count(*) from p2026_017.lab a join p2026_017.diagnosis b using (pid)
42501 | select s.ident, v.value from p2026_017.lab v join bridge.staging s on niji.pseudonym(s.person, {d}) = v.pid
42501 | select s.ident, niji.pseudonym(s.person, {d}) from bridge.staging s, (select from p2026_017.lab limit 1) x
42501 | select s.ident, (select value from p2026_017.lab v where v.pid = niji.pseudonym(s.person, {d}) limit 1) from bridge.staging s
42501 | select s.ident from p2026_017.lab v join bridge.staging s on s.person operator(niji.=) niji.make_probe(v.pid, {d})
42501 | select p.who, v.value from p2026_017.lab v join bridge.passed p on niji.pseudonym(p.p, {d}) = v.pid
42501 | select niji.pseudonym(p, {d}) from bridge.constant, (select from p2026_017.lab limit 1) x
42501 | select s.ident, v.value from p2026_017.lab v join bridge.all_of() s on niji.pseudonym(s.person, {d}) = v.pid
42501 | select niji.pseudonym(bridge.one('0110113719:0003'), {d}) from p2026_017.lab limit 1
42501 | select niji.pseudonym(bridge.folded('0110113719:0003'), {d}) from p2026_017.lab limit 1
42501 | select niji.pseudonym(p, {d}) from (select bridge.folded('0110113719:0003') as p offset 0) q, (select from p2026_017.lab limit 1) x
42501 | select x.* from bridge.inlined({d}) x, (select from p2026_017.lab limit 1) y
42501 | select x.* from bridge.inlined_twice({d}) x, (select from p2026_017.lab limit 1) y
42501 | select niji.pseudonym(bridge.atomic(), {d}) from p2026_017.lab limit 1
42501 | select bridge.by_default({d}) from p2026_017.lab limit 1
42501 | select bridge.by_default_too({d}) from p2026_017.lab limit 1
42501 | select bridge.variable({d}) from p2026_017.lab limit 1
42501 | select niji.pseudonym((pair).person, {d}) from bridge.pairs, (select from p2026_017.lab limit 1) x
42501 | select bridge.of_pair(pair, {d}) from bridge.pairs, (select from p2026_017.lab limit 1) x
42501 | select niji.pseudonym(list[1], {d}) from bridge.wrapped, (select from p2026_017.lab limit 1) x
42501 | do 'declare p niji.person; r text; begin select person into p from bridge.staging limit 1; select niji.pseudonym(p, {d}) into r from p2026_017.lab limit 1; end'
42501 | select ident, niji.permitted(person, 1, 1) from bridge.staging
42501 | select ident, niji.pseudonym(person, {d}) from bridge.staging
$q$);
\set more 0
\i test/attack/run.sql
select * from finish();
