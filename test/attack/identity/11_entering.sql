-- Entering a person: every cast, input function, construction and set operation that could make one of a text, a number or bytes.
\i test/attack/house.sql

select attack.add('entering a text', 'analyst_fujita stranger owner_hata', $q$
42501 | '{n}'::niji.person
42501 | cast('{n}' as niji.person)
42501 | niji.person '{n}'
42501 | '{n}'::text::niji.person
42501 | '{n}'::varchar::niji.person
42501 | '{n}'::bpchar::niji.person
42501 | '{n}'::name::niji.person
42501 | left('{n}9', -1)::niji.person
42501 | niji.person_in('{n}')
42501 | niji.person_in('{n}'::cstring)
42501 | array_in('{{n}}', 'niji.person'::regtype, -1)::text
42501 | record_in('({n},E119,2024-01-01)', 'warehouse.diagnosis'::regtype, -1)::text
42501 | '{{n}}'::niji.person[]
42501 | '{{{n}}}'::niji.person[][]
42501 | '[0:0]={{n}}'::niji.person[]
42501 | array['{n}']::niji.person[]
42501 | '{{n}}'::text[]::niji.person[]
42501 | string_to_array('{n}', ',')::niji.person[]
42501 | regexp_split_to_array('{n}', ',')::niji.person[]
42501 | array(select '{n}'::text)::niji.person[]
42501 | array[null, '{n}']::niji.person[]
42501 | '({n},E119,2024-01-01)'::warehouse.diagnosis
42501 | ('({n},,)'::warehouse.diagnosis).person
42501 | row('{n}', 'E119', '2024-01-01')::warehouse.diagnosis
42501 | row('{n}'::text, 'E119', '2024-01-01')::warehouse.diagnosis
42501 | '{"({n},E119,2024-01-01)"}'::warehouse.diagnosis[]
42501 | '({n},1)'::bridge.own
42501 | '({n},1)'::text::bridge.own
42501 | ('({n},1)'::bridge.own).person
42501 | json_populate_record(null::warehouse.diagnosis, '{"person": {n}}')
42501 | json_populate_record(null::warehouse.diagnosis, '{"person": "{n}"}')
42501 | jsonb_populate_record(null::bridge.own, '{"person": {n}}')
42501 | jsonb_populate_record('(,1)'::bridge.own, '{"person": {n}}')
42501 | (jsonb_populate_record(null::bridge.own, '{"person": "{n}"}')).person
42501 | (select count(*) from jsonb_populate_recordset(null::bridge.own, '[{"person": {n}}]'))
42501 | (select count(*) from json_populate_recordset(null::bridge.own, '[{"person": {n}}]'))
42501 | (select p from json_to_record('{"p": {n}}') as x(p niji.person))
42501 | (select p from jsonb_to_record('{"p": "{n}"}') as x(p niji.person))
42501 | (select p from json_to_recordset('[{"p": {n}}]') as x(p niji.person))
42501 | (select p from jsonb_to_recordset('[{"p": {n}}]') as x(p niji.person))
42501 | (select p from jsonb_to_record('{"p": [{n}]}') as x(p niji.person[]))
42501 | (select r from jsonb_to_record('{"r": {"person": {n}}}') as x(r bridge.own))
42501 | (select p from xmltable('/a' passing '<a>{n}</a>' columns p niji.person path '.'))
42501 | (select p from xmltable('/a' passing '<a/>' columns p niji.person path 'b' default '{n}'))
42501 | coalesce(null::niji.person, '{n}')
42501 | nullif(null::niji.person, '{n}')
42501 | greatest(null::niji.person, '{n}')
42501 | least('{n}', null::niji.person)
42501 | case when true then '{n}' else null::niji.person end
42501 | case null::niji.person when '{n}' then 1 else 2 end
42501 | (select p from (values (null::niji.person), ('{n}')) v(p) offset 1)
42501 | (select null::niji.person union all select '{n}' offset 1)
42501 | (select null::niji.person union select '{n}' limit 1)
42501 | (select null::niji.person intersect select '{n}')
42501 | (select null::niji.person except select '{n}')
42501 | (with recursive r(p) as (select null::niji.person union all select '{n}' from r where r.p is null) select max(p) from r)
42501 | (select lag(null::niji.person, 1, '{n}') over ())
42501 | (select lead(null::niji.person, 1, '{n}') over ())
42501 | (select first_value('{n}'::niji.person) over ())
42501 | (select nth_value('{n}'::niji.person, 1) over ())
42501 | array_append(null::niji.person[], '{n}')
42501 | array_prepend('{n}', null::niji.person[])
42501 | array_cat(null::niji.person[], '{{n}}')
42501 | null::niji.person[] || '{{n}}'
42501 | array_replace(array[null]::niji.person[], null, '{n}')
42501 | array_remove(array[null]::niji.person[], '{n}')
42501 | array_position(array[null]::niji.person[], '{n}')
42501 | array_positions(array[null]::niji.person[], '{n}')
42501 | array_fill('{n}'::niji.person, array[1])
42501 | array[null::niji.person] @> '{{n}}'
42501 | array[null::niji.person] && '{{n}}'
42501 | width_bucket('{n}', array[]::niji.person[])
42501 | '{n}' = any (array[]::niji.person[])
42501 | null::niji.person = any ('{{n}}')
42501 | null::niji.person in ('{n}')
42501 | null::niji.person between '1' and '2'
42501 | null::niji.person is distinct from '{n}'
42501 | niji.person_eq(null, '{n}')
42501 | niji.person_cmp('{n}', '{n}')
42501 | niji.person_smaller('{n}', null)
42501 | niji.person_larger('{n}', null)
42501 | (select min('{n}'::niji.person))
42501 | (select max(p::niji.person) from (values ('{n}')) v(p))
42501 | (select mode() within group (order by '{n}'::niji.person))
42501 | (select percentile_disc(0.5) within group (order by '{n}'::niji.person))
42501 | (select percentile_disc(array[0, 1]) within group (order by '{n}'::niji.person))
42501 | (select rank('{n}') within group (order by null::niji.person))
42501 | (select array_agg('{n}'::niji.person))
42501 | (select any_value from (select min('{n}'::niji.person) as any_value) x)
42501 | (select (array_agg(p::niji.person))[1] from (values ('{n}')) v(p))
42501 | (select p from unnest('{{n}}'::niji.person[]) p)
42501 | (select p from rows from (unnest('{{n}}'::niji.person[])) x(p))
42501 | to_json('{n}'::niji.person)
42501 | json_build_array('{n}'::niji.person)
42501 | format('%s', '{n}'::niji.person)
42501 | concat('{n}'::niji.person)
42501 | quote_nullable('{n}'::niji.person)
42501 | pg_typeof('{n}'::niji.person)
42501 | pg_column_size('{n}'::niji.person)
42501 | num_nulls('{n}'::niji.person)
42501 | hash_record(row('{n}'::niji.person))
42501 | hash_array('{{n}}'::niji.person[])
42501 | row('{n}'::niji.person) *= row('{n}'::niji.person)
42501 | niji.pseudonym('{n}', {d})
42501 | niji.pseudonym('{n}'::text::niji.person, {foreign})
42501 | niji.pseudonym('0110113719', {d}, '{n}')
42501 | niji.permitted('{n}', 1, 1)
42501 | niji.permitted('{n}', 1, 1, 1)
42501 | niji.person_eq_probe('{n}', niji.make_probe('{mine}'::text, {d}))
42501 | '{n}'::niji.person operator(niji.=) niji.make_probe('{mine}'::text, {d})
42501|42883 | pg_input_is_valid('{n}', 'niji.person')
42501|42883 | (select message from pg_input_error_info('x', 'niji.person'))
42501|42883 | pg_input_is_valid('{{n}}', 'niji.person[]')
42501|42883 | pg_input_is_valid('({n},1)', 'bridge.own')
$q$, 'select (%s) is not null');

select attack.add('entering what is no text', 'analyst_fujita owner_hata', $q$
42846 | {n}
42846 | {n}::bigint
42846 | {n}::smallint::int
42846 | {n}::numeric
42846 | {n}::float8
42846 | {n}::oid
42846 | {n}::xid
42846 | {n}::regclass
42846 | {n}::money
42846 | '\x{n}'::bytea
42846 | '{n}'::json
42846 | '{n}'::jsonb
42846 | ('{"p": {n}}'::jsonb -> 'p')
42846 | '{n}'::xml
42846 | '101'::bit(3)
42846 | '{n}'::cid
42846 | true
42846 | current_date
42846 | interval '1 day'
42846 | 'a'::tsquery
42846 | '{n}'::"char"
42846 | '10.0.0.1'::inet
42846 | row({n})
42846 | row({n}, 1)::bridge.own
42846 | array[{n}]
42846 | '[1,2)'::int4range
42501 | '{mine}'::niji.pseudonym
42501 | 'E119'::niji.icd10
42846 | niji.make_probe('{mine}'::text, {d})
42846 | int4send({n})
$q$, 'select (%s)::niji.person is not null');

select attack.add('entering by a variable', 'analyst_fujita owner_hata', $q$
42501 | do 'declare p niji.person := 5; begin end'
42501 | do 'declare p niji.person; begin p := ''5''; end'
42501 | do 'declare p constant niji.person := 5::bigint; begin end'
42501 | do 'declare p niji.person; begin select 5 into p; end'
42501 | do 'declare p niji.person; begin select ''5'' into strict p; end'
42501 | do 'declare p niji.person; begin execute ''select 5'' into p; end'
42501 | do 'declare p niji.person; begin for p in select 5 loop null; end loop; end'
42501 | do 'declare p niji.person; begin foreach p in array array[5] loop null; end loop; end'
42501 | do 'declare p niji.person[]; begin p := array[5]; end'
42501 | do 'declare p niji.person[]; begin p[1] := 5; end'
42501 | do 'declare p niji.person[]; begin p[1:2] := array[5, 6]; end'
42501 | do 'declare p bridge.own.person%type; begin p := 5; end'
42501 | do 'declare p warehouse.lab.person%type := 5; begin end'
42501 | do 'declare r bridge.own; begin r.person := 5; end'
42501 | do 'declare r bridge.own%rowtype; begin r := row(5, 1); end'
42501 | do 'declare r bridge.own; begin select 5, 1 into r; end'
42501 | do 'declare r bridge.own[]; begin r[1].person := 5; end'
42501 | do 'declare r warehouse.diagnosis%rowtype; begin r.person := 5; end'
42501 | do 'declare r warehouse.diagnosis; begin execute ''select 5, null, null'' into r; end'
42501 | do 'declare r record; p niji.person; begin r := row(5, 1); p := r.f1; end'
42501 | do 'declare r bridge.own; begin for r in select 5, 1 loop null; end loop; end'
42501 | do 'declare r bridge.own; begin for r in execute ''select 5, 1'' loop null; end loop; end'
42501 | do 'declare r bridge.own; c cursor for select 5, 1; begin open c; fetch c into r; end'
42501 | do 'declare c cursor (p niji.person) for select p is null; begin open c(5); end'
42501 | do 'declare c cursor (p niji.person) for select p is null; begin open c(''5''); end'
42501|42804 | do 'declare x boolean; begin execute ''select $1::niji.person is null'' into x using 5::text; end'
42846 | do 'declare x boolean; begin execute ''select $1::niji.person is null'' into x using 5; end'
42501 | prepare enter_text_{who}(text) as select $1::niji.person is null;; execute enter_text_{who}('{n}')
42501 | prepare enter_one_{who}(niji.person) as select $1 is null;; execute enter_one_{who}('{n}')
42804 | prepare enter_number_{who}(niji.person) as select $1 is null;; execute enter_number_{who}({n})
42501 | prepare enter_array_{who}(niji.person[]) as select $1 is null;; execute enter_array_{who}('{{n}}')
42501 | prepare enter_row_{who}(bridge.own) as select $1 is null;; execute enter_row_{who}('({n},1)')
42804 | prepare enter_pseudonym_{who}(niji.person) as select niji.pseudonym($1, {d});; execute enter_pseudonym_{who}('{mine}'::niji.pseudonym)
$q$);

-- bytes that the server takes for a row of the base table: ALTER TYPE turns a bytea in a row that is in memory into a row
select attack.add('entering by another type''s bytes', 'analyst_fujita stranger', $q$
XX000|0A000|42501|55000|42P17|22[0-9A-Z]{3}|42804|58[0-9A-Z]{3} | create type bridge.shell_{who} as (a bytea);; do 'declare x bridge.shell_{who}[]; v boolean; begin x := array[row(decode(''ffffffff'' || lpad(to_hex({row_type} & 255), 2, ''0'') || lpad(to_hex(({row_type} >> 8) & 255), 2, ''0'') || lpad(to_hex({row_type} >> 16), 4, ''0'') || ''00000000000003000000180005000000'' || repeat(''00'', 24), ''hex''))::bridge.shell_{who}]; execute ''alter type bridge.shell_{who} alter attribute a type warehouse.diagnosis''; execute ''select niji.pseudonym((($1[1]).a).person, {ha}) is null'' into v using x; end'
$q$);
\set more 0
\i test/attack/run.sql
select * from finish();
