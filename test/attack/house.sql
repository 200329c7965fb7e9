-- What the attacks share: the house of test/story.sql, more permits, people who would attack, and what
-- counts as success.  An attack is a row of attack.attempt: who tries which statement, and how it has to end.
-- It succeeds if it ends otherwise, or if anything that the server said has a secret in it.
\set ECHO none
\set ON_ERROR_STOP 1
set client_min_messages = error;
-- numbers of persons that cannot be in an output by chance
select setval('niji.person_block', 470000) > 0 as ok \g /dev/null
\i test/story.sql
grant usage on schema warehouse to public;

-- 018: the same reader reads under a second permit; 019: nobody here has ever seen a pseudonym of it
create role analyst_gondo login;
do $$
declare
  p text;
begin
  foreach p in array array['P2026-018', 'P2026-019'] loop
    set session authorization governance_abe;
    perform niji.apply_permit(p, 'Another study', 'tohoku-lab', 'research', current_date - 1, current_date + 300);
    perform niji.request_data(p, 'lab', array['code', 'value']);
    perform niji.request_data(p, 'diagnosis', array['disease']);
    set session authorization reviewer_baba;
    perform niji.review_permit(p, 'approve', '');
    set session authorization reviewer_chiba;
    perform niji.review_permit(p, 'approve', '');
    set session authorization governance_abe;
    perform niji.grant_permit(p);
    reset session authorization;
  end loop;
  set session authorization governance_abe;
  perform niji.add_reader('P2026-018', 'analyst_fujita');
  perform niji.add_reader('P2026-018', 'analyst_gondo');
  perform niji.create_domain('holder a', 'holder');
  perform niji.create_domain('holder b', 'holder');
  reset session authorization;
end $$;
select niji.record_consent(niji.find_person('patient', '0110113719:0007'), 'deny') > 0 as ok \g /dev/null

-- one who owns a table with persons that was never registered, and has no duty
create role owner_hata login;
-- a place where they may create what a hardened server lets them create nowhere
create schema bridge;
grant create, usage on schema bridge to analyst_fujita, analyst_gondo, stranger, owner_hata, loader_kato, consent_ito;
do $$ begin execute format('grant create, temporary on database %I to analyst_fujita, stranger, owner_hata, loader_kato, consent_ito', current_database()); end $$;
create table bridge.own (person niji.person, n int);
insert into bridge.own select person, row_number() over () from warehouse.lab;
create index own_person on bridge.own (person);
alter table bridge.own owner to owner_hata;

create schema attack;
grant usage on schema attack to public;
select p.domain as d17 from niji.permit p where code = 'P2026-017' \gset
select p.domain as d18 from niji.permit p where code = 'P2026-018' \gset
select p.domain as d19 from niji.permit p where code = 'P2026-019' \gset
select id as ha from niji.domain where name = 'holder a' \gset
select id as hb from niji.domain where name = 'holder b' \gset
-- lists that reached the attackers on paper, in an order that says nothing; who is who is what they would know
-- (the person who objected is on none)
create table attack.list17 as select niji.pseudonym(person, :d17) as pid from warehouse.lab where value <> 5.7 order by 1;
create table attack.list18 as select niji.pseudonym(person, :d18) as pid from warehouse.lab where value <> 5.7 order by 1;
create table attack.list_a as select niji.pseudonym(person, :ha) as pid from warehouse.lab order by 1;
create table attack.list_b as select niji.pseudonym(person, :hb) as pid from warehouse.lab order by 1;
grant select on all tables in schema attack to public;
create table attack.truth as select person, niji.pseudonym(person, :d17)::text as p17, niji.pseudonym(person, :d18)::text as p18,
                                    niji.pseudonym(person, :ha)::text as pa, niji.pseudonym(person, :hb)::text as pb from warehouse.lab;

-- what nobody may be told, in the forms in which it might come out
create table attack.secret (form text, fragment text);
insert into attack.secret
  select x.form, x.fragment
    from warehouse.lab, lateral (select person::text::int as n) p, lateral (values
      ('number', n::text), ('number in hex', to_hex(n)), ('bytes of the number', encode(int4send(n), 'hex')),
      ('bytes as stored', to_hex(n & 255) || to_hex((n >> 8) & 255) || to_hex((n >> 16) & 255) || to_hex(n >> 24)),
      ('hash', hashint4(n)::text), ('hash of 64 bits', hashint4extended(n, 0)::text), ('hash of a record', hash_record(row(n))::text),
      ('hash of a record of 64 bits', hash_record_extended(row(n), 0)::text), ('hash of an array', hash_array(array[n])::text),
      ('pseudonym of another domain', lower(niji.pseudonym(person, :d19)::text))) x(form, fragment)
  union all
  select 'pseudonym of who objected', lower(niji.pseudonym(person, d)::text) from warehouse.lab, unnest(array[:d17, :d18]) d where value = 5.7
  union all
  select 'identifier', '0110113719:' || to_char(n, 'FM0000') from generate_series(1, 40) n
  union all
  select 'digest', encode(digest, 'hex') from niji.identifier
  union all
  select 'salt', encode(salt, 'hex') from niji.domain;

-- words in braces in a statement
create table attack.word (word text, value text);
insert into attack.word values
  ('d', :'d17'), ('foreign', :'d19'), ('other', :'d18'), ('ha', :'ha'), ('hb', :'hb'),
  ('n', (select person::text from warehouse.lab limit 1)),
  ('mine', (select pid::text from attack.list17 limit 1)), ('mine2', (select pid::text from attack.list17 offset 1 limit 1)),
  ('theirs', (select pid::text from attack.list18 limit 1)),
  ('row_type', (select reltype::text from pg_class where oid = 'warehouse.diagnosis'::regclass));

create table attack.attempt (
  id int generated always as identity primary key,
  what text not null,
  who text[] not null,
  statement text not null,             -- several are parted by ;;  the last one's result is looked at
  ends text not null default '42501',  -- a pattern of SQLSTATEs
  gives text                           -- what it gives, if it may run: null for anything that is no secret
);
-- attempts of one kind, one a line: "SQLSTATE | statement"; SHAPE is what the lines are put into, at %s
create function attack.add(what text, who text, lines text, shape text default '%s') returns void language sql as $$
  insert into attack.attempt (what, who, ends, statement)
    select add.what, string_to_array(add.who, ' '), split_part(line, ' | ', 1), replace(shape, '%s', substr(line, strpos(line, ' | ') + 3))
      from string_to_table(btrim(lines, e'\n'), e'\n') with ordinality x(line, n) where line <> '' order by n
$$;
-- attempts that may run, and give this and nothing else
create function attack.add_giving(what text, who text, gives text, lines text) returns void language sql as $$
  insert into attack.attempt (what, who, ends, statement, gives)
    select add_giving.what, string_to_array(add_giving.who, ' '), '00000', line, add_giving.gives
      from string_to_table(btrim(lines, e'\n'), e'\n') with ordinality x(line, n) where line <> '' order by n
$$;

create function attack.filled(statement text) returns text language plpgsql as $$
declare
  w record;
begin
  for w in select * from attack.word loop
    statement := replace(statement, '{' || w.word || '}', w.value);
  end loop;
  return statement;
end $$;

-- one attempt: how it ended, and everything that was said
create function attack.try(who text, statement text, out state text, out said text) language plpgsql as $$
declare
  part text;
  r record;
  parts text[] := string_to_array(statement, ';;');
  a text; b text; c text; d text; e text; f text; g text;
begin
  begin
    execute format('set session authorization %I', who);
    for i in 1 .. cardinality(parts) loop
      part := btrim(parts[i], e' \n');
      said := '';
      if part ~* '^(select|values|table|with)\M' and i = cardinality(parts) then
        execute format(e'select string_agg(x::text, e''\\n'') from (%s) x', part) into said;
      elsif part ~* '^(fetch|explain|show|execute)\M' then
        for r in execute part loop
          said := concat(said, r::text, e'\n');
        end loop;
      else
        execute part;
      end if;
    end loop;
    state := '00000';
    reset session authorization;
  exception when assert_failure or others then
    get stacked diagnostics state = returned_sqlstate, a = message_text, b = pg_exception_detail, c = pg_exception_hint,
      d = column_name, e = constraint_name, f = pg_datatype_name, g = table_name;
    said := concat_ws(' / ', a, b, c, d, e, f, g);
  end;
end $$;

create function attack.found(said text) returns text language sql as
  $$ select string_agg(distinct form, ', ') from attack.secret where strpos(lower(said), fragment) > 0 $$;

create function attack.judge(a attack.attempt, who text) returns text language plpgsql as $$
declare
  statement text := replace(attack.filled(a.statement), '{who}', who);
  t record;
  secrets text;
begin
  t := attack.try(who, statement);
  -- what the attacker wrote himself is no news
  secrets := (select string_agg(distinct form, ', ') from attack.secret
               where strpos(lower(t.said), fragment) > 0 and strpos(lower(statement), fragment) = 0);
  return ok(t.state ~ ('^(' || a.ends || ')$') and secrets is null and (a.gives is null or coalesce(t.said, '') = a.gives),
            format('%s, %s: %s', a.what, who, left(regexp_replace(a.statement, '\s+', ' ', 'g'), 150)))
      || case when t.state ~ ('^(' || a.ends || ')$') and secrets is null and (a.gives is null or coalesce(t.said, '') = a.gives) then ''
              else e'\n' || diag(format('ended with %s, not %s; secrets: %s; gave: %s', t.state, a.ends, coalesce(secrets, 'none'), left(t.said, 300))) end;
end $$;
