-- The trail: acts and changes get their place, are sealed, and whoever alters the record is found.
\set ECHO none
select plan(78);

create role trail_governance login;
create role trail_auditor login;
create role trail_nobody login;
do $$ begin
  perform niji.grant_duty('governance', 'trail_governance');
  perform niji.grant_duty('auditor', 'trail_auditor');
end $$;

-- HMAC-SHA-256 by its definition, and the commitment of decisions 38
create function pg_temp.hmac(key bytea, message bytea) returns bytea language plpgsql as $$
declare
  inner_pad bytea := key || decode(repeat('00', 64 - length(key)), 'hex');
  outer_pad bytea := inner_pad;
begin
  for i in 0..63 loop
    inner_pad := set_byte(inner_pad, i, get_byte(inner_pad, i) # 54);
    outer_pad := set_byte(outer_pad, i, get_byte(outer_pad, i) # 92);
  end loop;
  return sha256(outer_pad || sha256(inner_pad || message));
end $$;
create function pg_temp.commitment(of_seq bigint, column_name text, value bytea) returns text language sql as $$
  select encode(pg_temp.hmac(salt, int4send(octet_length(column_name)) || convert_to(column_name, 'UTF8') || value), 'hex') from niji.entry where seq = of_seq
$$;

/* ---- acts ---- */
select isnt(niji.seal_trail(), 0::bigint, 'The trail can be sealed');
select is((select array_agg(object order by seq) from niji.trail_acts where action = 'grant_duty'), array['governance', 'auditor'], 'An act appears in the trail under its place, in order');
select is((select details ->> 'role' from niji.trail_acts where action = 'grant_duty' order by seq limit 1), 'trail_governance', 'Its details are there for auditors');
begin;
select niji.record_act('never', 'happened') \g /dev/null
rollback;
select niji.record_act('did', 'happen', '{"n": [1, 2.5, "水", null]}') \g /dev/null
select niji.seal_trail() \g /dev/null
select is_empty($$ select * from niji.trail_acts where action = 'never' $$, 'An act that was rolled back is not in the trail');
select is((select details from niji.trail_acts where action = 'did'), '{"n": [1, 2.5, "水", null]}'::jsonb, 'Details come back as they were given');
select is((select array_agg(seq order by seq) from niji.trail), (select array_agg(i order by i) from generate_series(0, (select max(seq) from niji.trail)) i), 'Places are given without a gap, from 0');

/* ---- changes: modes ---- */
create table lab (id int primary key, person niji.person, code text, taken timestamptz, value numeric(8, 2), scan text, twice int generated always as (id * 2) stored, gone int);
alter table lab drop column gone;
alter table lab alter column scan set storage external;
set session authorization trail_governance;
select lives_ok($$ select niji.audit_changes('lab') $$, 'Governance attaches the capture of changes to a table');
select throws_ok($$ select niji.audit_changes('lab', 'all') $$, '22023', null, 'A mode that does not exist is refused');
select throws_ok($$ select niji.audit_changes('niji.duties') $$, '42809', null, 'A view is refused');
reset session authorization;
set timezone = 'Asia/Tokyo';
insert into lab (id, person, code, taken, value, scan) select i, ((i + 1) / 2)::text::niji.person, 'c' || i, '2026-01-02 09:00+09', i + 0.5, repeat('x', 9000) from generate_series(1, 10) i;
update lab set code = 'new' where id in (1, 2);
update lab set code = code, value = value where id = 3;
update lab set id = 104, person = '77' where id = 4;
delete from lab where id in (5, 6);
update lab set code = 'x' where id = -1;
insert into lab (id, code) values (7, 'again'), (50, 'fresh') on conflict (id) do update set code = excluded.code;
copy lab (id, code) from stdin;
200	copied
201	copied
202	copied
\.
merge into lab using (values (200, 'merged'), (300, 'merged')) v (id, code) on lab.id = v.id when matched then delete when not matched then insert (id, code) values (v.id, v.code);
truncate lab;
select niji.seal_trail() \g /dev/null
create temp view changes as select row_number() over (order by seq) as n, * from niji.trail_changes where relation = 'public.lab';

select is((select array_agg(command || ' ' || mode order by n) from changes),
  array['INSERT statement', 'UPDATE keys', 'UPDATE keys', 'UPDATE keys', 'DELETE keys', 'UPDATE keys', 'INSERT statement', 'INSERT statement', 'DELETE keys', 'INSERT statement', 'TRUNCATE statement'],
  'Each statement that changed rows left one entry, by default with keys for UPDATE and DELETE; ON CONFLICT and MERGE one for each kind');
select is((select (rows, persons)::text from changes where n = 1), '(10,5)', 'A load is told as its rows and its different persons');
select is((select changed from changes where n = 1), null, 'and nothing about which rows');
select is((select columns from changes where n = 2), array['code'], 'An UPDATE tells the columns that changed');
select is((select jsonb_path_query_array(changed, '$[*].key.id') from changes where n = 2), '[1, 2]', 'and the keys of the rows');
select is((select changed -> 0 -> 'columns' -> 'code' ->> 'old' from changes where n = 2), (select pg_temp.commitment(seq, 'code', 'c1') from changes where n = 2), 'The commitment to an old value can be verified by who knows the value and the salt');
select is((select changed -> 0 -> 'columns' -> 'code' ->> 'new' from changes where n = 2), (select pg_temp.commitment(seq, 'code', 'new') from changes where n = 2), 'and that to the new one');
select isnt((select changed -> 0 -> 'columns' -> 'code' ->> 'old' from changes where n = 2), (select pg_temp.commitment(seq, 'code', 'c2') from changes where n = 2), 'and another value does not fit');
select is((select changed from changes where n = 3), '[{"key": {"id": 3}, "columns": {}}]'::jsonb, 'An UPDATE that changed no value tells that');
select is((select (columns, persons)::text from changes where n = 4), '("{id,person,twice}",2)', 'A row that moved to another key and person: both persons count, and generated columns are seen');
select is((select changed -> 0 -> 'new_key' from changes where n = 4), '{"id": 104}', 'and its new key is there');
select is((select changed -> 0 -> 'columns' -> 'person' ->> 'new' from changes where n = 4), (select pg_temp.commitment(seq, 'person', int4send(77)) from changes where n = 4), 'A person is committed to as its number');
select is((select changed -> 1 -> 'columns' -> 'taken' ->> 'old' from changes where n = 5), (select pg_temp.commitment(seq, 'taken', timestamptz_send('2026-01-02 00:00Z')) from changes where n = 5), 'A deleted row leaves its key and commitments to its values');
select is((select changed -> 1 -> 'columns' -> 'scan' ->> 'old' from changes where n = 5), (select pg_temp.commitment(seq, 'scan', convert_to(repeat('x', 9000), 'UTF8')) from changes where n = 5), 'also to one that was stored out of line');
select is((select changed -> 0 ->> 'key' from changes where n = 6), '{"id": 7}', 'ON CONFLICT DO UPDATE tells the row that was updated');
select is((select rows from changes where n = 8), 3::bigint, 'COPY is counted');
select is((select rows from changes where n = 11), null, 'TRUNCATE cannot know how many');
select isnt((select changed::text ~ '2026|again|fresh' from changes where n = 5), true, 'No value stands in an entry with keys');

set session authorization trail_governance;
do $$ begin perform niji.audit_changes('lab', 'rows'); end $$;
reset session authorization;
insert into lab (id, code, taken, value) values (1, 'さくら', '2026-04-01 09:00+09', 1.50);
update lab set taken = '2026-04-02 09:00+09', scan = null where id = 1;
delete from lab;
select niji.seal_trail() \g /dev/null
select is((select changed from changes where n = 12), '[{"new": {"id": 1, "code": "さくら", "scan": null, "taken": "2026-04-01 00:00:00+00", "twice": 2, "value": "1.50", "person": null}}]'::jsonb, 'Mode rows tells values, in one form whatever the session''s settings');
select is((select changed from changes where n = 13), '[{"key": {"id": 1}, "old": {"taken": "2026-04-01 00:00:00+00"}, "new": {"taken": "2026-04-02 00:00:00+00"}}]'::jsonb, 'of an UPDATE those that changed');
select is((select changed -> 0 -> 'old' ->> 'code' from changes where n = 14), 'さくら', 'of a DELETE the old ones');
set session authorization trail_governance;
do $$ begin perform niji.audit_changes('lab', 'none'); end $$;
reset session authorization;
insert into lab (id) values (1000);
select niji.seal_trail() \g /dev/null
select is((select count(*) from changes), 14::bigint, 'Mode none captures nothing');

/* ---- changes: shapes of tables ---- */
create table parent (id int primary key);
create table child (id int references parent on delete cascade on update cascade, v int);
create table part (id int, day date, primary key (id, day)) partition by range (day);
create table part_1 partition of part for values from ('2026-01-01') to ('2026-02-01');
create table part_2 partition of part for values from ('2026-02-01') to ('2026-03-01');
do $$ begin perform niji.audit_changes('child', 'keys'); perform niji.audit_changes('part', 'keys'); end $$;
insert into parent select generate_series(1, 4);
insert into child select i, i from generate_series(1, 4) i;
delete from parent where id <= 2;
update parent set id = 30 where id = 3;
insert into part values (1, '2026-01-05'), (2, '2026-02-05');
update part set day = '2026-02-06' where id = 1;
insert into part_1 values (9, '2026-01-09');
begin;
savepoint s;
insert into part values (500, '2026-01-01');
rollback to s;
commit;
select niji.seal_trail() \g /dev/null
select is((select array_agg(command || ' ' || rows order by seq) from niji.trail_changes where relation = 'public.child'), array['INSERT 4', 'DELETE 2', 'UPDATE 1'], 'What a foreign key cascades to is captured');
select is((select changed -> 0 -> 'key' from niji.trail_changes where relation = 'public.child' and command = 'DELETE'), 'null'::jsonb, 'A table without a key has commitments only');
select is((select array_agg(relation || ' ' || command order by seq) from niji.trail_changes where relation like 'public.part%'), array['public.part INSERT', 'public.part UPDATE', 'public.part_1 INSERT'], 'Changes through a partitioned table and of a partition itself are captured once; what was rolled back is not');
select is((select changed -> 0 ->> 'new_key' from niji.trail_changes where relation = 'public.part' and command = 'UPDATE'), '{"id": 1, "day": "2026-02-06"}', 'A row that moves to another partition is one UPDATE');
create table part_3 partition of part for values from ('2026-03-01') to ('2026-04-01');
select ok((select count(*) = 1 from niji.check_trail() where object = 'public.part_3'), 'check_trail() names a partition that is not captured');
select niji.audit_changes('part', 'keys') \g /dev/null
alter table child disable trigger niji_delete;
select ok((select count(*) = 0 from niji.check_trail() where object = 'public.part_3'), 'until it is');
select ok((select count(*) = 1 from niji.check_trail() where object = 'public.child'), 'and a table whose triggers were disabled');
create table big (id int primary key, v text);
do $$ begin perform niji.audit_changes('big', 'rows'); end $$;
insert into big select i, repeat('v', 1000) from generate_series(1, 20000) i;
select niji.seal_trail() \g /dev/null
select is((select (count(*), sum(rows), max(part))::text from niji.trail_changes where relation = 'public.big'), '(3,20000,3)', 'A change that tells a lot becomes several entries, which add up');

select format('create table wide (%s)', string_agg(format('%s%s int', chr(97 + i % 26), 1000 - i), ', ')) from generate_series(1, 40) i \gexec
do $$ begin perform niji.audit_changes('wide', 'rows'); end $$;
select format('insert into wide values (%s)', string_agg(i::text, ', ')) from generate_series(1, 40) i \gexec
select niji.seal_trail() \g /dev/null
select is((select changed -> 0 -> 'new' from niji.trail_changes where relation = 'public.wide'), (select to_jsonb(w) from wide w), 'A row of many columns is told whole');

/* ---- who sees what ---- */
set session authorization trail_nobody;
select throws_ok('select * from niji.trail', '42501', null, 'Without the duty nobody reads the trail');
select throws_ok('select * from niji.entry', '42501', null, 'nor its table');
select throws_ok('select niji.seal_trail()', '42501', null, 'nor seals it');
select throws_ok('select * from niji.verify_trail()', '42501', null, 'nor verifies it');
select throws_ok($$ select niji.record_act('x', 'y') $$, '42501', null, 'nor enters an act');
set session authorization trail_governance;
select throws_ok('select * from niji.trail_changes', '42501', null, 'Governance does not read values in the trail');
select cmp_ok((select count(*) from niji.seals), '>', 0::bigint, 'but sees its seals');
set session authorization trail_auditor;
select is((select details ->> 'mode' from niji.trail_acts where object = 'public.big'), 'rows', 'An auditor reads the private part');
select throws_ok($$ delete from niji.entry $$, '42501', null, 'and changes nothing');
select is_empty('select * from niji.verify_trail()', 'An untouched trail verifies');
reset session authorization;

/* ---- seals and proofs ---- */
select max(size) as size from niji.seals \gset
select is((select root from niji.seals where size = :size), (select niji.tree_root(array_agg(leaf_hash order by seq)) from niji.trail where seq < :size), 'A seal''s root is that of the tree over all entries');
select ok(niji.verify_inclusion((select leaf_hash from niji.trail where seq = 3), 3, :size, niji.prove_inclusion(3, :size), (select root from niji.seals where size = :size)), 'It can be proven that an entry is in the trail');
select ok((select bool_and(niji.verify_consistency(size, :size, niji.prove_consistency(size, :size), root, (select root from niji.seals where size = :size))) from niji.seals), 'and that the trail only ever grew');
select matches((select checkpoint from niji.seals order by size limit 1), E'^niji/[0-9]+/[0-9]+/[0-9a-f]{32}\n[0-9]+\n[A-Za-z0-9+/]{43}=\n\n— niji/[0-9]+/[0-9]+/[0-9a-f]{32} [A-Za-z0-9+/]{90,92}=*\n$', 'A seal is a checkpoint in the form of C2SP');
select is(niji.export_seal(:size)::jsonb ->> 'checkpoint', (select checkpoint from niji.seals where size = :size), 'and is exported as a line of JSON');
select throws_ok($$ select niji.prove_inclusion(1000000, 1000001) $$, '22003', null, 'What is not in the trail has no proof');
select throws_ok($$ select niji.export_seal(1000000) $$, '22023', null, 'nor what was not sealed a seal');

/* ---- an entry cannot be changed in ordinary ways, even by a superuser ---- */
select throws_ok($$ update niji.entry set header = '\xa0' where seq = 1 $$, '42501', null, 'An entry cannot be updated');
select throws_ok($$ delete from niji.entry where seq = 1 $$, '42501', null, 'nor deleted');
select throws_ok($$ truncate niji.entry $$, '42501', null, 'nor all of them at once');
select throws_ok($$ truncate niji.entry_0 $$, '42501', null, 'nor a part');
select throws_ok($$ delete from niji.seal $$, '42501', null, 'nor a seal');
set session_replication_role = replica;
select throws_ok($$ delete from niji.entry where seq = 1 $$, '42501', null, 'also as a replica');
reset session_replication_role;

/* ---- behind the extension's back ---- */
-- the findings, told out of the sub-transaction that undoes what was done
create function pg_temp.found(statement text) returns text language plpgsql as $$
declare
  result text;
begin
  begin
    execute 'alter table niji.entry disable trigger all';
    execute 'alter table niji.seal disable trigger all';
    execute statement;
    select string_agg(seq || ': ' || finding, ' | ' order by seq) into result from niji.verify_trail();
    raise exception using errcode = 'YY000';
  exception when sqlstate 'YY000' then
    null;
  end;
  return result;
end $$;
select matches(pg_temp.found($$ update niji.entry set header = (select header from niji.entry where seq = 2) where seq = 3 $$), '^3: the header or the private part was altered', 'A header that was altered: verification names the entry');
select matches(pg_temp.found($$ update niji.entry set private_part = '\xa0' where seq = 3 $$), '^3: the header or the private part was altered', 'A private part that was altered');
select matches(pg_temp.found($$ delete from niji.entry where seq = 3 $$), '^3: the entry is missing$', 'An entry that was deleted');
select matches(pg_temp.found($$ update niji.entry set seq = 1000000 + 7 - seq where seq in (3, 4); update niji.entry set seq = seq - 1000000 where seq >= 1000000 $$), '^3: .* 4: ', 'Two entries that changed places');
select matches(pg_temp.found(format($$ delete from niji.entry where seq >= %s $$, :size - 2)), format('^%s: entries %s to %s are missing at the end', :size - 2, :size - 2, :size - 1), 'An end that was cut off');
select matches(pg_temp.found(format($$ delete from niji.entry where seq >= %s; update niji.tile set hashes = substr(hashes, 1, 32 * %s) where level = 0 $$, :size - 2, :size - 2)), 'the trail was cut off', 'also with its leaves');
select matches(pg_temp.found($$ update niji.entry e set private_part = '\xa0', leaf_hash = niji.entry_leaf(header, sha256(salt || '\xa0'::bytea)) where seq = 3 $$), '^3: this is not the entry that was put here', 'An entry that was replaced with its hash');
select matches(pg_temp.found($$
  update niji.entry e set private_part = '\xa0', leaf_hash = niji.entry_leaf(header, sha256(salt || '\xa0'::bytea)) where seq = 3;
  update niji.tile set hashes = overlay(hashes placing (select leaf_hash from niji.entry where seq = 3) from 97 for 32) where level = 0 and index = 0 $$),
  '^[0-3]: .*sealed', 'and with the tree: the seals do not fit, from that entry on');
select matches(pg_temp.found($$ update niji.entry set spool = 5 where seq = 3 $$), '^3: the column spool was altered', 'A number in the index that is not the header''s');
select matches(pg_temp.found($$ update niji.seal set checkpoint = regexp_replace(checkpoint, E'\n[0-9]+\n', E'\n1\n') where size = (select min(size) from niji.seal where size > 1) $$), 'was altered.*signature of the seal', 'A seal that was altered');
select is_empty('select * from niji.verify_trail()', 'After all that was undone the trail verifies');
select is_empty('select * from niji.verify_trail(2, 5)', 'and a part of it as well');

/* ---- erasing a private part ---- */
update niji.entry set private_hash = sha256(salt || private_part), salt = null, private_part = null where seq = (select seq from niji.trail_changes where relation = 'public.big' limit 1);
select is((select count(*) from niji.trail_changes where relation = 'public.big' and erased and changed is null and rows > 0), 1::bigint, 'A private part can be erased; its header stays');
select is_empty('select * from niji.verify_trail()', 'and the trail still verifies');
select throws_ok($$ update niji.entry set private_hash = sha256('other'), salt = null, private_part = null where seq = 3 $$, '42501', null, 'but only if its own hash is left');

select * from finish();
