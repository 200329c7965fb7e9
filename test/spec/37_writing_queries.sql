-- docs/writing-queries.md does not guess: each row of its tables is asked of the planner, as a reader sees it.
\set ECHO none
\i test/story.sql
\set ON_ERROR_STOP 1

create schema store;
create table store.visit (
  person niji.person not null, treated_on date not null, seen_at timestamptz not null, disease niji.icd10 not null, born_on date, age int, main niji.icd10,
  name text collate "C", ward int, value numeric, stay daterange, attributes jsonb, tags text[]
);
insert into store.visit
  select (i % 2000 + 1)::text::niji.person, current_date - 3000 + i % 3001, timestamptz '2024-01-01 00:00+09' + i * interval '1 hour',
         ('E' || lpad((i % 100)::text, 2, '0') || case when i % 3 = 0 then '9' else '' end)::niji.icd10, date '1920-01-01' + (i * 7) % 36500, i % 100, ('E' || lpad((i % 100)::text, 2, '0'))::niji.icd10,
         'name ' || i % 500, nullif(i % 1000, 0), i / 10.0, daterange(date '2024-01-01' + i % 1000, date '2024-01-05' + i % 1000), jsonb_build_object('unit', 'u' || i % 300), array['t' || i % 300]
    from generate_series(1, 20000) i;
create index on store.visit (person);
create index on store.visit (treated_on);
create index on store.visit (seen_at);
create index on store.visit (disease);
create index on store.visit (born_on);
create index on store.visit (age);
create index on store.visit (main);
create index on store.visit (name);
create index on store.visit (lower(name));
create index on store.visit (ward);
create index on store.visit (value);
create index on store.visit using gist (stay);
create index on store.visit using gin (attributes jsonb_path_ops);
create index on store.visit ((attributes ->> 'unit'));
create index on store.visit using gin (tags);
vacuum analyze store.visit;
do $$ begin perform niji.register_dataset('visit', 'store.visit', array['person']::name[], 'city-hospital', 'ehr', 'law'); end $$;
set session authorization governance_abe;
do $$
begin
  perform niji.apply_permit('P37', 'Queries', 'tohoku-lab', 'research', current_date - 1, current_date + 300);
  perform niji.request_data('P37', 'visit', array['treated_on', 'seen_at', 'disease', 'born_on:year', 'age:band(5)', 'main:prefix(3)', 'name', 'ward', 'value', 'stay', 'attributes', 'tags']);
end $$;
set session authorization reviewer_baba;
do $$ begin perform niji.review_permit('P37', 'approve', ''); end $$;
set session authorization reviewer_chiba;
do $$ begin perform niji.review_permit('P37', 'approve', ''); end $$;
set session authorization governance_abe;
do $$ begin perform niji.grant_permit('P37'); perform niji.add_reader('P37', 'analyst_fujita'); end $$;
reset session authorization;
select niji.pseudonym('4', domain) as one, niji.pseudonym('5', domain) as other from niji.permit where code = 'P37' \gset

-- the rows of the page's tables: a condition, and whether it keeps its index
create table public.page (line text);
\set copy `cat docs/writing-queries.md`
insert into public.page select regexp_split_to_table(:'copy', e'\n');
create table public.claim as
  select replace(replace(m[1], '$pid', :'one'), '$other', :'other') as condition, m[2] = 'kept' or current_setting('server_version_num')::integer / 10000 >= m[3]::integer as kept
    from public.page, regexp_match(line, '^\| `(.+?)` \| (kept|lost)(?: before ([0-9]+))? \|') m where m is not null;
grant select on public.claim to analyst_fujita;

create function public.plan_of(query text) returns text language plpgsql as $$
declare line text; result text := '';
begin
  for line in execute 'explain (costs off) ' || query loop result := result || line || e'\n'; end loop;
  return result;
end $$;

select plan(5 + (select count(*)::int from public.claim));
select cmp_ok((select count(*) from public.claim where kept), '>=', 24::bigint, 'the page says what keeps the index');
select cmp_ok((select count(*) from public.claim where not coalesce(kept, false)), '>=', 30::bigint, 'and what loses it');

set session authorization analyst_fujita;
-- a scan of the table is chosen only if there is no other way
set enable_seqscan = off;
select is(plan_of('select * from p37.visit where ' || condition) ~ 'Index Cond:', coalesce(kept, false), condition || case when kept then ' keeps the index' else ' loses it' end) from public.claim;
reset session authorization;

-- the reason that the page gives: what is lost under a policy is not lost without one, if an index on the bare column could serve it
set enable_seqscan = off;
select ok(plan_of('select * from store.visit where ' || c) ~ 'Index Cond:', 'without a policy it would be kept: ' || c)
  from unnest(array['name like ''name 4%''', 'value = 5.5']) c;
select is((select array_agg(o.oid::regoperator::text order by 1) from pg_operator o join pg_proc p on p.oid = o.oprcode
            where not p.proleakproof and o.oprresult = 'bool'::regtype
              and (o.oprleft in (select t.oid from pg_type t where t.typnamespace = 'niji'::regnamespace and t.typtype = 'b')
                   or o.oprright in (select t.oid from pg_type t where t.typnamespace = 'niji'::regnamespace and t.typtype = 'b'))), null,
  'all operators of niji''s own types are leakproof');

select * from finish();
