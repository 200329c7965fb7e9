-- Showing a person: by a reader, whose views have none, and by who owns a table of persons and has no duty.
\i test/attack/house.sql
create table bridge.sink (t text, j json, i bigint);
insert into bridge.sink values ('', '{}', 1);
grant all on bridge.sink to owner_hata;

/* ---- a reader: whatever is made of a view's row has its pseudonym and no more ---- */
select attack.add('made of a view''s rows', 'analyst_fujita', $q$
00000 | l
00000 | l::text
00000 | l.*
00000 | row(l)
00000 | row(l.*)::text
00000 | array[l]
00000 | array[l]::text
00000 | (array[l])[1].pid
00000 | to_json(l)
00000 | to_jsonb(l)
00000 | row_to_json(l, true)
00000 | json_build_array(l, l.pid)
00000 | json_build_object('a', l)
00000 | jsonb_each_text(to_jsonb(l))
00000 | json_populate_record(l, '{"value": 1}')
00000 | jsonb_populate_record(null::p2026_017.lab, to_jsonb(l))
00000 | format('%s %L %I', l, l.pid, l.pid)
00000 | concat(l, l.pid)
00000 | concat_ws(',', l.pid, l)
00000 | quote_literal(l.pid::text)
00000 | quote_nullable(l.pid)
00000 | array_to_string(array[l.pid, null], ',', '-')
00000 | encode(record_send(l), 'hex')
00000 | encode(array_send(array[l]), 'hex')
00000 | encode(niji.pseudonym_send(l.pid), 'hex')
00000 | encode(l.pid::text::bytea, 'hex')
00000 | record_out(l)
00000 | array_out(array[l])
00000 | niji.pseudonym_out(l.pid)
00000 | hash_record(l)
00000 | hash_record_extended(l, 0)
00000 | hash_record(row(l.pid))
00000 | hash_array(array[l.pid])
00000 | hash_array_extended(array[l.pid], 1)
00000 | hashtext(l.pid)
00000 | hashtextextended(l.pid, 0)
00000 | l *= l, l *<> l, l *< l, l *<= l, l *> l, l *>= l
00000 | record_image_eq(l, l), record_eq(l, l), btrecordcmp(l, l), btrecordimagecmp(l, l)
00000 | pg_column_size(l), pg_column_size(l.pid)
00000 | pg_typeof(l), pg_typeof(l.pid)
00000 | num_nulls(l), num_nonnulls(variadic array[l.pid])
00000 | xmlelement(name a, l.pid)
00000 | xmlforest(l.pid, l.value)
00000 | xmlserialize(content xmlelement(name a, xmlattributes(l.pid)) as text)
00000 | greatest(l.pid, null), least(l.pid, null), coalesce(l.pid, null), nullif(l.pid, null)
00000 | lag(l) over w, lead(l.pid) over w, first_value(l) over w, last_value(l.pid) over w, nth_value(l, 2) over w
00000 | row_number() over (order by pid), rank() over (order by l), ntile(4) over (order by pid), cume_dist() over (order by l.pid)
00000 | md5(l::text), sha256(l::text::bytea), left(l.pid, 9), substr(l.pid, 2), reverse(l.pid), l.pid || '', l.pid ~ '0', l.pid like '0%', ascii(l.pid)
00000 | l.institution, l.institution::text, niji.text_pseudonym(l.institution::text)
00000 | niji.make_probe(l.pid, {d})
00000 | niji.make_probe(l.pid, {foreign})::text
00000 | niji.make_probes(array[l.pid], {foreign})
00000 | generate_subscripts(array[l], 1)
42703 | l.person
42703 | l.ctid
42703 | l.tableoid
42703 | l.xmin, l.cmin
42703 | b.person
42703 | (l).person
42703 | (l.*).person
42883 | person(l)
42883 | ctid(l)
42P01 | b
42P01 | lab
$q$, 'select %s from p2026_017.lab l window w as (order by pid)');
update attack.attempt set ends = '42P01|42703|42883' where ends in ('42P01', '42703', '42883');
select attack.add('aggregates of a view''s rows', 'analyst_fujita', $q$
00000 | array_agg(l)
00000 | array_agg(l.pid order by l.pid desc)
00000 | json_agg(l), jsonb_agg(l.pid), json_object_agg(l.pid, l)
00000 | string_agg(l::text, ','), string_agg(l.pid, ',')
00000 | xmlagg(xmlelement(name a, l.pid))
00000 | min(l.pid), max(l.pid), max(l.pid::text)
00000 | mode() within group (order by l.pid), percentile_disc(array[0, 0.5, 1]) within group (order by l.pid)
00000 | rank('{mine}') within group (order by l.pid), dense_rank('{mine}') within group (order by l.pid)
00000 | count(distinct l), count(distinct l.pid)
00000 | bool_and(l.pid = '{mine}'), every(l.pid <> '{mine}')
00000 | corr(hashtext(l.pid), l.value), sum(hashtextextended(l.pid, 0))
$q$, 'select %s from p2026_017.lab l');
select attack.add('whole schemas and queries as XML', 'analyst_fujita', $q$
00000 | query_to_xml('select * from p2026_017.lab', true, true, '')
00000 | query_to_xml_and_xmlschema('select * from p2026_017.lab', true, true, '')
00000 | query_to_xmlschema('select * from p2026_017.lab', true, true, '')
00000 | table_to_xml('p2026_017.lab', true, true, '')
00000 | table_to_xml_and_xmlschema('p2026_017.lab', true, true, '')
00000 | schema_to_xmlschema('warehouse', true, true, '')
00000 | schema_to_xml('warehouse', true, true, '')
42501 | table_to_xml('warehouse.lab', true, true, '')
42501 | table_to_xml('niji.identifier', true, true, '')
42501 | query_to_xml('select person from warehouse.lab', true, true, '')
42501 | query_to_xml('table niji.domain', true, true, '')
$q$, 'select %s');

/* ---- a reader: the base tables, by whatever reads a relation ---- */
select attack.add('reading a base table', 'analyst_fujita stranger owner_hata', $q$
42501 | select person from warehouse.lab
42501 | select l from warehouse.lab l
42501 | select l.* from only warehouse.lab l
42501 | select to_jsonb(l) from warehouse.lab l
42501 | select hash_record(l) from warehouse.lab l
42501 | select (l).person from (select l from warehouse.lab l) x
42501 | select count(*) from warehouse.lab where person is not null
42501 | select count(person) from warehouse.lab
42501 | select 1 from warehouse.lab where false
42501 | select exists (select from warehouse.lab)
42501 | select 1 from warehouse.lab tablesample bernoulli (100) repeatable (1)
42501 | select ctid from warehouse.lab tablesample system (100) repeatable (1)
42501 | select tableoid, xmin, cmin, ctid from warehouse.lab
42501 | table warehouse.lab
42501 | with x as materialized (select person from warehouse.lab) select 1 from x
42501 | select max(person) from warehouse.lab
42501 | select distinct person from warehouse.lab
42501 | select row_number() over (order by person) from warehouse.lab
42501 | select code from warehouse.lab order by person
42501 | select code from warehouse.lab group by code, person
42501 | select 1 from warehouse.lab a join warehouse.diagnosis b using (person)
42501 | select 1 from warehouse.lab a natural join warehouse.diagnosis b
42501 | select 1 from bridge.sink s, lateral (select person from warehouse.lab) x
42501 | select (select person is null from warehouse.lab limit 1)
42501 | select array(select person from warehouse.lab)
42501 | declare c no scroll cursor for select person from warehouse.lab;; fetch all from c
42501 | declare c binary scroll cursor with hold for table warehouse.lab
42501 | copy warehouse.lab to '/tmp/x'
42501 | copy (select person from warehouse.lab) to '/tmp/x'
42501 | copy warehouse.lab (person) to program 'cat'
42501 | copy bridge.sink (t) from '/etc/passwd'
42501 | copy bridge.sink (t) from program 'id'
42501 | update warehouse.lab set code = code returning person
42501 | delete from warehouse.lab returning *
42501 | insert into warehouse.lab (person) values (null) returning person
42501 | insert into warehouse.lab select person from bridge.own
42501 | merge into warehouse.lab using (values (1)) v on true when matched then do nothing
42501 | lock table warehouse.lab in access share mode
42501 | truncate warehouse.lab
42501 | create trigger t before insert on warehouse.lab for each row execute function suppress_redundant_updates_trigger()
42501 | create rule r as on select to warehouse.lab do instead select 1
42501 | create policy p on warehouse.lab using (true)
42501 | alter table warehouse.lab disable row level security
42501 | alter table warehouse.lab owner to {who}
42501 | create index on warehouse.lab (person)
42501 | create statistics bridge.s on person, code from warehouse.lab
42501 | create publication p for table warehouse.lab
42501 | create table bridge.child_{who} () inherits (warehouse.lab)
42501 | create table bridge.like_{who} (like warehouse.lab)
42501|42830 | create table bridge.fk_{who} (x int references warehouse.lab (value))
42501 | create view bridge.v_{who} as select code from warehouse.lab;; select * from bridge.v_{who}
42501 | comment on table warehouse.lab is 'x'
42501 | select * from niji.identifier
42501 | select * from niji.domain
42501 | select * from niji.master_key
42501 | select * from niji.permit
42501 | select * from niji.consent
42501 | select last_value from niji.person_block
42501 | select nextval('niji.person_block')
42501 | select setval('niji.person_block', 1)
42501 | select currval('niji.person_block')
42501 | select niji.find_person('patient', '0110113719:0001')
42501 | select niji.enrol('patient', '0110113719:0001')
42501 | select niji.enrol_batch('patient', array['0110113719:0001'])
42501 | select niji.normalize_identifier('patient', '0110113719:0001')
42501 | select niji.check_identifier('patient', '0110113719:0001')
42501 | select niji.person_of('{mine}', {d})
42501 | select niji.key_status()
42501 | select niji.domain_salt()
42501 | select niji.decide_consent(null, 1, 1)
42501 | select niji.record_consent(null, 'deny')
42501 | select niji.explain_consent(null, 'P2026-017', 'lab')
42501 | select niji.who_used(null)
42501 | select niji.persons_shown('{who}', now(), now())
42501 | select * from niji.trail_reads
42501 | select * from niji.read_persons
42501 | select niji.create_domain('mine')
42501 | select niji.erase_domain('holder a', 'x')
42501 | select niji.add_reader('P2026-019', '{who}')
42501 | select niji.grant_duty('custodian', '{who}')
42501 | select niji.harden()
$q$);
select attack.add('what the catalogs and the server tell', 'analyst_fujita stranger', $q$
00000 | select * from pg_stats where schemaname in ('warehouse', 'bridge', 'niji')
00000 | select * from pg_stats_ext
00000 | select * from pg_stats_ext_exprs
42501 | select stavalues1 from pg_statistic
42501 | select stxdmcv from pg_statistic_ext_data
00000 | select pg_get_viewdef(oid) from pg_class where relkind = 'v' and relnamespace = 'p2026_017'::regnamespace
00000 | select pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid) from pg_policy
00000 | select * from pg_policies
00000 | select pg_get_expr(adbin, adrelid) from pg_attrdef
00000 | select pg_get_constraintdef(oid), pg_get_expr(conbin, conrelid) from pg_constraint
00000 | select pg_get_indexdef(indexrelid), pg_get_expr(indpred, indrelid) from pg_index
00000 | select pg_get_statisticsobjdef(oid) from pg_statistic_ext
00000 | select pg_get_functiondef(oid) from pg_proc where pronamespace = 'niji'::regnamespace and prokind = 'f'
00000 | select pg_get_triggerdef(oid) from pg_trigger
00000 | select pg_get_ruledef(oid) from pg_rewrite where ev_class::regclass::text like 'p2026%'
00000 | select pg_get_partkeydef(oid) from pg_class
00000 | select obj_description(oid) from pg_class
00000 | select * from pg_seclabels
00000 | select relname, reltuples, relpages, relfilenode, relfrozenxid from pg_class where relnamespace = 'warehouse'::regnamespace
00000 | select * from pg_attribute where attrelid = 'warehouse.lab'::regclass
00000 | select pg_relation_filepath('warehouse.lab'), pg_table_size('warehouse.lab'), pg_relation_size('warehouse.lab', 'fsm')
00000 | select pid, usename, query, backend_xmin, state from pg_stat_activity
00000 | select * from pg_prepared_statements
00000 | select * from pg_cursors
00000 | select name, setting from pg_settings where name like 'niji%'
00000 | select * from pg_db_role_setting
00000 | select txid_current(), pg_current_xact_id(), pg_current_snapshot(), pg_current_wal_lsn()
00000 | select * from information_schema.columns where table_schema = 'warehouse'
00000 | select * from information_schema.views
42501 | select * from pg_locks
42501 | select * from pg_stat_user_tables
42501 | select * from pg_statio_user_tables
42501 | select * from pg_stat_user_indexes
42501 | select pg_stat_get_tuples_inserted('warehouse.lab'::regclass)
42501 | select pg_stat_get_xact_tuples_fetched('warehouse.lab'::regclass)
42501 | select pg_stat_get_numscans('warehouse.lab_person_idx'::regclass)
42501 | select * from pg_file_settings
42501 | select * from pg_hba_file_rules
42501 | select * from pg_backend_memory_contexts
42501 | select * from pg_shmem_allocations
42501 | select * from pg_config
42501 | select * from pg_authid
42501 | select * from pg_user_mapping
42501 | select * from pg_largeobject
42501 | select pg_read_file('postgresql.conf')
42501 | select pg_read_file(pg_relation_filepath('warehouse.lab'))
42501 | select pg_read_binary_file('global/pg_control')
42501 | select pg_ls_dir('.')
42501 | select pg_ls_dir('pg_niji')
42501 | select pg_ls_waldir()
42501 | select pg_ls_tmpdir()
42501 | select pg_ls_logdir()
42501 | select pg_stat_file('postgresql.conf')
42501 | select pg_current_logfile()
42501 | select pg_hba_file_rules()
42501 | select lo_import('/etc/passwd')
42501 | select lo_export(1, '/tmp/x')
42501 | select lo_from_bytea(0, '{mine}')
42501 | select lo_create(0)
42501 | select lo_creat(-1)
42501 | select lo_put(1, 0, '{mine}')
42501 | select lowrite(0, '{mine}')
42704 | select lo_get(1)
42704 | select lo_open(1, 262144)
42501 | select pg_logical_slot_get_changes('s', null, null)
42501 | select pg_logical_slot_peek_binary_changes('s', null, null)
42501 | select pg_create_logical_replication_slot('s', 'test_decoding')
42501 | select pg_create_physical_replication_slot('s')
42501 | select pg_replication_origin_create('s')
42501 | select pg_switch_wal()
42501 | select pg_reload_conf()
42501 | select pg_log_backend_memory_contexts(pg_backend_pid())
42501 | select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres'
42501|25001 | alter system set niji.key_source = 'x'
42501 | set session_preload_libraries = 'x'
42501 | load '/tmp/x.so'
42501 | set log_statement = 'all'
42501 | set log_min_duration_statement = 0
42501 | set debug_discard_caches = 1;; set zero_damaged_pages = on
42501 | set role niji_p1_1
55P02|42501 | set niji.key_source = 'file:/tmp'
55P02|42501 | select set_config('niji.database', 'x', false)
55P02|42501 | set niji.audit_wait = queued
$q$);
update attack.attempt set ends = '42501|42704|22023' where statement like 'set role%';

/* ---- a reader: plans ---- */
select attack.add('EXPLAIN shows what was written', 'analyst_fujita', $q$
00000 | explain select * from p2026_017.lab
00000 | explain (format xml) select * from p2026_017.lab where pid = '{mine}'
00000 | explain (format json, verbose) select * from p2026_017.lab where pid = '{mine}'
00000 | explain (format yaml, verbose, settings) select * from p2026_017.lab where pid in ('{mine}', '{mine2}')
00000 | explain (verbose, costs off) select * from p2026_017.lab where pid = any (array['{mine}', 'x']::text[])
00000 | explain (verbose) select * from p2026_017.lab a join p2026_017.diagnosis b using (pid)
00000 | explain (verbose) select * from p2026_017.lab join attack.list17 using (pid)
00000 | explain (verbose) select pid, count(*) from p2026_017.lab group by pid having pid <> '{mine}'
00000 | explain (verbose) declare c cursor for select * from p2026_017.lab
00000 | prepare shown(text) as select * from p2026_017.lab where pid = $1;; explain (verbose, format json) execute shown('{mine}')
42501 | explain analyze select * from p2026_017.lab
42501 | explain (analyze, timing off, summary off, costs off) select * from p2026_017.lab
42501 | explain (analyze true, format json) select * from p2026_017.lab where pid = '{mine}'
42501 | explain (analyze 1, buffers, wal) select count(*) from p2026_017.lab
42501 | explain (costs true) select * from p2026_017.lab
42501 | explain (costs 1, verbose) select * from p2026_017.lab
42501 | explain analyze execute shown('{mine}')
42501 | explain (costs on) execute shown('{mine}')
42501 | explain select * from warehouse.lab
42501 | explain analyze select * from warehouse.lab
42501 | explain (verbose) select * from niji.identifier
$q$);

/* ---- the owner of a table with persons ---- */
select attack.add('showing one''s own persons', 'owner_hata', $q$
42501 | person
42501 | person::text
42501 | person::varchar(3)
42501 | person::bpchar
42501 | person::name
42501 | o
42501 | o::text
42501 | row(person)
42501 | row(person)::text
42501 | array[person]
42501 | array[person]::text
42501 | array[o]::text
42501 | array[person]::text[]
42501 | (array[person]::text[])[1]
42501 | to_json(person)
42501 | to_json(o)
42501 | to_jsonb(person)
42501 | to_jsonb(o)
42501 | to_jsonb(array[person])
42501 | row_to_json(o)
42501 | row_to_json(row(person))
42501 | array_to_json(array[person])
42501 | json_build_array(person)
42501 | json_build_object('p', person)
42501 | json_build_object(person, 1)
42501 | jsonb_build_array(person)
42501 | jsonb_build_object('p', array[person])
42501 | format('%s', person)
42501 | format('%L', person)
42501 | format('%I', person)
42501 | format('%s', variadic array[person])
42501 | format('%1$*2$s', person, 20)
42501 | concat(person)
42501 | concat(person, '')
42501 | concat(variadic array[person])
42501 | concat_ws(',', person, person)
42501 | person || ''
42501 | '' || person
42501 | quote_literal(person)
42501 | quote_nullable(person)
42501 | array_to_string(array[person], ',')
42501 | array_out(array[person])
42501 | record_out(o)
42501 | niji.person_out(person)
42501 | niji.person_send(person)
42501 | encode(niji.person_send(person), 'hex')
42501 | encode(record_send(o), 'hex')
42501 | encode(array_send(array[person]), 'hex')
42501 | xmlelement(name p, person)
42501 | xmlforest(person)
42501 | xmlelement(name p, xmlattributes(person))
42501 | xmlagg(xmlelement(name p, person)) over ()
42501 | md5(person::text)
42501 | length(person::text)
42501 | substr(person::text, 1, 1)
42501 | person::text like '1%'
42501 | person::text::int
42501 | person::text > '5'
42501 | niji.person_hash(person)
42501 | niji.person_hash_extended(person, 0)
42501 | niji.person_smaller(person, person)::text
42501 | niji.person_cmp_probe(person, niji.make_probe('{mine}'::text, {d}))
42501 | niji.probe_cmp_person(niji.make_probe('{mine}'::text, {d}), person)
42501 | lag(person::text) over ()
42501 | first_value(person) over ()
42501 | ntile(2) over (order by person::text)
42501 | min(person) over ()
42501 | array_agg(person) over ()
42501 | json_agg(person) over ()
42501 | string_agg(person::text, ',') over ()
42501 | greatest(person, null)
42501 | coalesce(person, null)
42501 | nullif(person, null)
42501 | case when true then person end
42501 | (select person)
42501 | (select x from unnest(array[person]) x)
42846 | person::int
42846 | person::bigint
42846 | person::smallint
42846 | person::numeric
42846 | person::float8
42846 | person::oid
42846 | person::xid
42846 | person::bytea
42846 | person::bit(32)
42846 | person::date
42846 | person::boolean
42846 | person::regclass
42846 | person::money
42846 | person::"char"::int
42846 | person::json
42846 | person::jsonb
42846 | person::xml
42501 | person::niji.pseudonym
42501 | person::niji.icd10
42501 | text(person)
42846 | person::niji.probe
42846 | person::cstring
42846 | array[person]::int[]
42846 | o::attack.list17
42846 | row(person, n)::record::attack.list17
42883 | person + 1
42883 | - person
42883 | person % 2
42883 | person & 1
42883 | person * 1.0
42883 | person = 5
42883 | person < 5
42883 | person = {n}::bigint
42883 | person = '{n}'::text
42883 | person = any (array[5, 6])
42883 | person in (5, 6)
42883 | person ~ '^1'
42883 | person like '1%'
42883 | length(person)
42883 | ascii(person)
42883 | chr(person)
42883 | to_char(person, '9')
42883 | to_hex(person)
42883 | int4send(person)
42883 | int4out(person)
42883 | int4(person)
42883 | hashint4(person)
42883 | hashtext(person)
42883 | mod(person, 2)
42883 | abs(person)
42883 | sum(person) over ()
42883 | avg(person) over ()
42883 | bit_or(person) over ()
42883 | percent_rank(person) within group (order by 1)
42883 | generate_series(person, person)
42883 | repeat('x', person)
42883 | lpad('', person)
42883 | array_fill(1, array[person])
42883 | (array[1, 2, 3])[person]
42883 | substr('abc', person)
42883 | set_config('x.y', person, false)
42883 | pg_advisory_lock(person)
42883 | pg_sleep(person)
42883 | setseed(person)
42883 | make_interval(person)
42883 | make_date(person, 1, 1)
42883 | to_timestamp(person)
42883 | chr(person)
42883 | int4range(person, person)
42883 | daterange(person, person)
42883 | point(person, person)
42883 | pg_notify('x', person)
42883 | convert_to(person, 'utf8')
42883 | encode(person, 'hex')
42883 | quote_ident(person)
42883 | upper(person)
42883 | replace(person, '1', '2')
42883 | split_part(person, '1', 1)
42883 | starts_with(person, '1')
42883 | regexp_match(person, '.')
42883 | to_tsvector(person)
42883 | jsonb_set('{}', array[person], '1')
42883 | '[1, 2, 3]'::jsonb -> person
42883 | '[1, 2, 3]'::json ->> person
42883 | current_date + person
42883 | interval '1 day' * person
42883 | width_bucket(person, 0, 10, 5)
42883 | random_normal(person, 1)
$q$, 'select %s from bridge.own o');
update attack.attempt set ends = '42883|42804|42846|42725|42P20' where ends = '42883';
select attack.add('own persons out of statements', 'owner_hata', $q$
42501 | insert into bridge.sink (t) select person from bridge.own
42501 | insert into bridge.sink (t) select person::text from bridge.own
42501 | update bridge.sink set t = (select person from bridge.own limit 1)
42804 | insert into bridge.sink (i) select person from bridge.own
42804 | insert into bridge.sink (j) select person from bridge.own
42501 | insert into bridge.sink (t) values ('') returning (select person from bridge.own limit 1)::text
42501 | do 'begin raise exception ''%'', (select person from bridge.own limit 1); end'
42501 | do 'begin raise notice ''%'', (select o from bridge.own o limit 1); end'
42501 | do 'begin assert false, (select person from bridge.own limit 1); end'
42501 | do 'declare t text; begin select person into t from bridge.own; end'
42501 | do 'declare i int; begin select person into i from bridge.own; end'
42501 | do 'declare i int; begin i := (select person from bridge.own limit 1); end'
42501 | do 'declare p bridge.own.person%type; i bigint; begin select person into p from bridge.own; i := p; end'
42501 | do 'declare r bridge.own; t text; begin select * into r from bridge.own; t := r; end'
42501 | do 'declare r record; begin select * into r from bridge.own; raise exception ''%'', r; end'
42501 | do 'declare r record; i int; begin for r in select person from bridge.own loop i := r.person; end loop; end'
42501 | do 'declare r record; begin for r in select person from bridge.own loop execute ''select '' || r.person; end loop; end'
42501 | do 'declare r record; begin for r in select person from bridge.own loop perform pg_notify(''x'', r.person::text); end loop; end'
42501 | do 'declare r record; begin for r in select person from bridge.own loop perform set_config(''x.y'', r.person::text, false); end loop; end'
42501 | do 'declare a int[]; begin select array_agg(person) into a from bridge.own; end'
42501 | do 'begin for i in (select min(person) from bridge.own) .. 5 loop exit; end loop; end'
42501 | do 'declare i int; begin i := 0; for i in 1 .. (select person from bridge.own limit 1) loop null; end loop; end'
42501|22023|42846 | do 'begin perform 1 limit (select person::text from bridge.own limit 1)::int; end'
42804 | select 1 from bridge.own limit (select person from bridge.own limit 1)
42804 | select 1 from bridge.own offset (select max(person) from bridge.own)
42501 | declare c cursor for select person from bridge.own;; fetch all from c
42501 | declare c binary cursor for select person from bridge.own;; fetch all from c
42501 | declare c scroll cursor for select o from bridge.own o order by person;; fetch last from c
42501 | prepare p_show as select person from bridge.own;; execute p_show
42501 | select * from cursor_to_xml('c', 1, true, true, '')
42501 | select table_to_xml('bridge.own', true, true, '')
42501 | select query_to_xml('select person from bridge.own', true, true, '')
42501 | select query_to_xml('select array_agg(person) from bridge.own', true, true, '')
00000 | explain (verbose, analyze) select person from bridge.own order by person
00000 | analyze bridge.own
42501 | select histogram_bounds, most_common_vals from pg_stats where tablename = 'own' and attname = 'person'
42501 | select histogram_bounds::text from pg_stats where tablename = 'own' and attname = 'person'
42501 | select histogram_bounds::text::text[] from pg_stats where tablename = 'own' and attname = 'person'
42501 | select to_json(histogram_bounds) from pg_stats where tablename = 'own' and attname = 'person'
42501 | select array_to_string(histogram_bounds, ',') from pg_stats where tablename = 'own' and attname = 'person'
00000 | create statistics bridge.both (mcv) on person, n from bridge.own;; analyze bridge.own
42501 | select most_common_vals from pg_stats_ext where tablename = 'own'
$q$);
update attack.attempt set ends = '42501|34000' where statement like '%cursor_to_xml%';
\set more 0
\i test/attack/run.sql
select * from finish();
