-- The filter agrees with the rule as it is written down, for hundreds of thousands of random cases.
--
-- verdicts() below is the rule in plain SQL, over all people at once, and has
-- nothing in common with the code: a denial that covers the use forbids it,
-- unless later the person permitted the use by a consent of the same or a
-- narrower scope.
--
-- What people say is drawn at random; NIJI_SEED in the environment makes it the
-- same again, and every failure names the seed.  Few distinct times are drawn,
-- so that ties are common, and many of them are borders: the very microsecond
-- of the statement or of the grant, and the ones before and after.
\set ON_ERROR_STOP 1
set client_min_messages = warning;
set jit = off;
select plan(36);

\getenv seed NIJI_SEED
\if :{?seed}
\else
select floor(extract(epoch from clock_timestamp()))::int % 100000 as seed \gset
\endif
select setseed(:seed / 100000.0) \g /dev/null
select diag('NIJI_SEED=' || :seed);
\set people 400

/* ---- four permits, of two kinds of applicants and two purposes, one granted at the end of a February, one on the day when the clock changes in New York; two datasets, one of whose rows name their holder ---- */
insert into niji.holder (code, name, kind) values ('a', 'A', 'medical_institution'), ('b', 'B', 'medical_institution'), ('c', 'C', 'biobank');
insert into niji.applicant (code, name, kind) values ('lab', '研究室', 'society'), ('pharma', '製薬', 'company');
create schema warehouse;
create table warehouse.one (person niji.person not null);
create table warehouse.two (person niji.person not null, holder int);
insert into niji.dataset (name, relation, person_columns, holder, holder_column, category, legal_basis, changes) values
  ('one', 'warehouse.one', '{person}', 1, null, 'ehr', 'law', 'auto'),
  ('two', 'warehouse.two', '{person}', null, 'holder', 'ehr', 'law', 'auto');
insert into niji.permit (code, title, applicant, purpose, state, domain, valid_from, valid_until, schema_name, granted_at) values
  ('R-1', 'Diabetes', 1, 'research', 'granted', 1, '2020-01-01', '2099-12-31', 'r_1', now() - interval '40 days'),
  ('R-2', 'Lungs', 2, 'research', 'granted', 1, '2020-01-01', '2099-12-31', 'r_2', now() - interval '20 days'),
  ('A-3', 'Model', 2, 'ai_training', 'granted', 1, '2020-01-01', '2099-12-31', 'a_3', '2024-02-29 12:00+09'),
  ('R-4', 'Liver', 2, 'research', 'granted', 1, '2020-01-01', '2099-12-31', 'r_4', '2026-03-08 12:00-04');
insert into niji.permit_data (permit, dataset, columns) select p, d, '{person}' from generate_series(1, 4) p, generate_series(1, 2) d;
create function p(n int) returns niji.person language sql immutable as $$ select n::text::niji.person $$;

/* ---- the rule, for every person, permit, dataset and holder of the row (4 is one that nobody names) ---- */
create function verdicts(people int, clock timestamptz) returns table (person niji.person, permit int, dataset int, holder int, permitted boolean)
language sql stable set enable_nestloop = off set jit = off as $$
  with use as materialized (
    select u.permit, u.dataset, u.category, u.purpose, u.recipient_kind, h as holder, r.basis, r.waiting,
           case r.judged when 'at_grant' then u.granted_at else clock end as at,
           case r.judged when 'at_grant' then u.granted_at else 'infinity' end as known,
           exists (select from niji.override o
                    where o.category = u.category and o.purpose = u.purpose and clock < o.effective_until
                      and exists (select from niji.override_approval a where a.override = o.id)
                      and not exists (select from niji.override_end e where e.override = o.id)) as overridden
      from niji.permit_use u
      join lateral (select * from niji.rule r where r.category = u.category and r.purpose = u.purpose order by r.id desc limit 1) r on true,
           generate_series(1, 4) h
     where u.holder_by_row or h = u.holder
  ), covering as materialized (
    select u.permit as in_permit, u.dataset as in_dataset, u.holder as in_holder, c.*
      from use u
      join niji.consent c on coalesce(c.category, u.category) = u.category and coalesce(c.purpose, u.purpose) = u.purpose
       and coalesce(c.permit, u.permit) = u.permit and coalesce(c.holder, u.holder) = u.holder
       and coalesce(c.dataset, u.dataset) = u.dataset and coalesce(c.recipient_kind, u.recipient_kind) = u.recipient_kind
     where c.recorded_at <= u.known and c.effective_from <= u.at and u.at < coalesce(c.effective_until, 'infinity')
       and c.id not in (select v.consent from niji.consent_void v)
  ), forbidden as materialized (
    select distinct d.person, d.in_permit, d.in_dataset, d.in_holder
      from covering d
     where d.decision = 'deny'
       and not exists (
         select from covering y
          where y.person = d.person and y.in_permit = d.in_permit and y.in_dataset = d.in_dataset and y.in_holder = d.in_holder
            and y.decision = 'permit' and (y.effective_from, y.id) > (d.effective_from, d.id)
            and (d.category is null or y.category = d.category) and (d.purpose is null or y.purpose = d.purpose)
            and (d.permit is null or y.permit = d.permit) and (d.holder is null or y.holder = d.holder)
            and (d.dataset is null or y.dataset = d.dataset) and (d.recipient_kind is null or y.recipient_kind = d.recipient_kind))
  ), consented as materialized (
    select distinct y.person, y.in_permit, y.in_dataset, y.in_holder from covering y where y.decision = 'permit'
  ), notified as materialized (
    -- the server's own arithmetic, in the session's time zone, which the test sets to niji's
    select distinct n.person, u.permit as in_permit, u.dataset as in_dataset, u.holder as in_holder
      from use u
      join niji.notice n on n.category = u.category and coalesce(n.holder, u.holder) = u.holder
     where n.recorded_at <= u.known and n.notified_at + u.waiting <= u.at
  )
  select w.person, u.permit, u.dataset, u.holder,
         u.basis = 'not_required' or u.overridden
         or (f.person is null
             and case u.basis when 'opt_in' then y.person is not null when 'opt_out_after_notice' then n.person is not null else true end)
    from use u
   cross join (select p(i) as person from generate_series(1, verdicts.people) i) w
    left join forbidden f on (f.person, f.in_permit, f.in_dataset, f.in_holder) = (w.person, u.permit, u.dataset, u.holder)
    left join consented y on (y.person, y.in_permit, y.in_dataset, y.in_holder) = (w.person, u.permit, u.dataset, u.holder)
    left join notified n on (n.person, n.in_permit, n.in_dataset, n.in_holder) = (w.person, u.permit, u.dataset, u.holder)
$$;

/* ---- what people say ---- */
create function chance(share float) returns boolean language sql volatile as $$ select random() < share $$;
create function pick(words text[]) returns text language sql volatile as $$ select words[1 + floor(random() * cardinality(words))::int] $$;
-- a time: of few distinct days, or at a border (of the clock given, of a grant) to the microsecond
create function some_time(clock timestamptz) returns timestamptz language sql volatile as $$
  select case when chance(0.3) then border + floor(random() * 3 - 1)::int * interval '1 microsecond'
              else date_trunc('day', now()) + (floor(random() * 10) * 10 - 70) * interval '1 day' end
    from (select case floor(random() * 4)::int when 0 then (select granted_at from niji.permit where id = 1)
                                              when 1 then (select granted_at from niji.permit where id = 2) else clock end as border offset 0) b
$$;
create function speak(people int, times int, clock timestamptz) returns void language plpgsql volatile as $$
begin
  insert into niji.consent (person, decision, category, purpose, permit, holder, dataset, recipient_kind, effective_from, effective_until, recorded_at, declared_by)
    select person, decision, category, purpose, permit, holder, dataset, kind, start,
           case when chance(0.1) then greatest(some_time(clock), start + interval '1 microsecond')
                when chance(0.2) then start + floor(random() * 6 + 1)::int * interval '10 days' end, some_time(clock), 'self'
      from (
        -- few people say much, so that some have dozens of consents
        select p(1 + floor(people * random() ^ 2)::int) as person, pick('{deny,permit}') as decision, permit, dataset,
               case when dataset = 1 then 1 when chance(0.3) then 1 + floor(random() * 3)::int end as holder,
               case when dataset is not null then 'ehr' when chance(0.3) then pick('{ehr,ehr,ehr,claims}') end as category,
               case when permit in (1, 2, 4) then 'research' when permit = 3 then 'ai_training' when chance(0.3) then pick('{research,research,ai_training,policy}') end as purpose,
               case when permit = 1 then 'society' when permit in (2, 3, 4) then 'company' when chance(0.2) then pick('{society,company}') end as kind,
               some_time(clock) as start
          from (select case when chance(0.25) then 1 + floor(random() * 4)::int end as permit,
                       case when chance(0.25) then 1 + floor(random() * 2)::int end as dataset
                  from generate_series(1, times) offset 0) x
        offset 0) x;
  insert into niji.notice (person, category, notified_at, holder, recorded_at)
    select p(1 + floor(people * random())::int), pick('{ehr,ehr,claims}'),
           -- the ends of months, the hours that daylight saving skips and repeats, and a waiting time before a border
           case floor(random() * 4)::int
             when 0 then date_trunc('month', now()) - floor(random() * 4)::int * interval '1 month' + (floor(random() * 5)::int - 2) * interval '1 day'
             when 1 then (timestamp '2026-03-08 00:30' + floor(random() * 6)::int * interval '1 hour') at time zone 'UTC' + floor(random() * 2)::int * interval '238 days'
             when 2 then some_time(clock) - coalesce((select r.waiting from niji.rule r where r.waiting is not null order by r.id desc limit 1), interval '1 month')
             else some_time(clock) - floor(random() * 60)::int * interval '1 day' end,
           case when chance(0.4) then 1 + floor(random() * 3)::int end, some_time(clock)
      from generate_series(1, times / 3);
  -- a month before the end of February, and a day of 23 hours before the one grant
  insert into niji.notice (person, category, notified_at, recorded_at)
    select p(1 + floor(people * random())::int), 'ehr', at, at
      from (select (case when chance(0.5) then timestamptz '2024-01-29 12:00+09' + floor(random() * 3)::int * interval '24 hours' else timestamptz '2026-03-07 12:00-05' end)
                   + floor(random() * 3 - 1)::int * interval '1 microsecond' as at
              from generate_series(1, times / 6) offset 0) x;
  insert into niji.consent_void (consent, reason)
    select id, 'error' from niji.consent where random() < 0.1 and id > (select max(id) from niji.consent) - times on conflict do nothing;
end $$;

/* ---- where the two differ ---- */
create table people as select p(n) as person from generate_series(1, :people) n;
create table holders as select n as holder from generate_series(1, 4) n;
analyze people;
create view filtered as
  select w.person, m as permit, 1 as dataset, 1 as holder, niji.permitted(w.person, m, 1) as permitted from people w, generate_series(1, 4) m
  union all
  select w.person, m, 2, h.holder, niji.permitted(w.person, m, 2, h.holder) from people w, generate_series(1, 4) m, holders h
  union all
  select w.person, m, 2, null, niji.permitted(w.person, m, 2, null) from people w, generate_series(1, 4) m;
create table counted (cases bigint);
create function differences(clock timestamptz) returns table (person text, permit int, dataset int, holder int, filter boolean, rule boolean)
language plpgsql volatile as $$
begin
  return query
    with v as materialized (select * from verdicts((select count(*)::int from people), clock)),
    expected as (
      select * from v
      union all
      -- a row without a holder is seen if the answer is the same for all: so if nobody's says no
      select v.person, v.permit, 2, null, bool_and(v.permitted) from v where v.dataset = 2 group by 1, 2),
    compared as materialized (
      select f.person::text, f.permit, f.dataset, f.holder, f.permitted as filter, e.permitted as rule
        from filtered f full join expected e on e.person = f.person and e.permit = f.permit and e.dataset = f.dataset and coalesce(e.holder, 0) = coalesce(f.holder, 0)),
    noted as (insert into counted select count(*) from compared)
    select * from compared c where c.filter is distinct from c.rule;
end $$;
-- some more is said, at the borders of this statement, and then the two are compared; by the seed a failure can be repeated
create function agree(name text, times int default 150) returns setof text language plpgsql volatile as $$
declare
  wrong text;
begin
  perform speak((select count(*)::int from people), times, statement_timestamp());
  select string_agg(x::text, ' ') into wrong from (select d from differences(statement_timestamp()) d limit 5) x;
  return next is(wrong, null, name);
end $$;

select speak(:people, 2000, now()) \g /dev/null
analyze niji.consent, niji.notice;
create function rule(basis text, judged text, waiting interval default null) returns void language sql as $$
  select niji.set_rule('ehr', 'research', basis, judged, waiting), niji.set_rule('ehr', 'ai_training', basis, judged, waiting) $$;

/* ---- each basis, judged now and at the grant, in a time zone without and in one with daylight saving ---- */
set timezone = 'Asia/Tokyo';
select rule('not_required', 'now') \g /dev/null
select * from agree('not_required: filter and rule agree');
select rule('opt_out', 'now') \g /dev/null
select * from agree('opt_out: they agree');
select rule('opt_in', 'now') \g /dev/null
select * from agree('opt_in: they agree');
select rule('opt_out_after_notice', 'now') \g /dev/null
select * from agree('opt_out_after_notice: they agree');
select rule('opt_out_after_notice', 'now', '10 days 12 hours') \g /dev/null
select * from agree('with a waiting time of days and hours: they agree');
select rule('opt_out_after_notice', 'now', '0') \g /dev/null
select * from agree('without a waiting time: they agree');
select rule('opt_out', 'at_grant') \g /dev/null
select * from agree('opt_out judged at the grant: they agree');
select rule('opt_in', 'at_grant') \g /dev/null
select * from agree('opt_in judged at the grant: they agree');
select rule('opt_out_after_notice', 'at_grant') \g /dev/null
select * from agree('opt_out_after_notice judged at the grant: they agree');
select rule('not_required', 'at_grant') \g /dev/null
select * from agree('not_required judged at the grant: they agree');
alter system set niji.timezone = 'America/New_York';
select pg_reload_conf() \g /dev/null
select pg_sleep(0.5) \g /dev/null
select is(current_setting('niji.timezone'), 'America/New_York', 'The calendar is another one');
set timezone = 'America/New_York';
select rule('opt_out_after_notice', 'now') \g /dev/null
select * from agree('a month by a calendar with daylight saving: they agree');
select rule('opt_out_after_notice', 'now', '1 month 10 days 3 hours') \g /dev/null
select * from agree('months, days and hours: they agree');
select rule('opt_out_after_notice', 'now', '261 days') \g /dev/null
select * from agree('days that lead to the changes of the clock: they agree');
select rule('opt_out_after_notice', 'at_grant', '1 day') \g /dev/null
select * from agree('a day, at the grant: they agree');
alter system reset niji.timezone;
select pg_reload_conf() \g /dev/null
select pg_sleep(0.5) \g /dev/null
set timezone = 'Asia/Tokyo';

/* ---- overrides ---- */
insert into niji.override (category, purpose, effective_until, legal_basis, reason, declared_at) values
  ('ehr', 'research', now() + interval '1 hour', 'law', 'a drill', now()),
  ('ehr', 'ai_training', now() + interval '1 hour', 'law', 'declared only', now()),
  ('ehr', 'ai_training', now() - interval '1 minute', 'law', 'over', now() - interval '1 day'),
  ('claims', 'ai_training', now() + interval '1 hour', 'law', 'another category', now());
insert into niji.override_approval (override) select id from niji.override where reason <> 'declared only';
select rule('opt_in', 'now') \g /dev/null
select * from agree('opt_in with an override for one purpose: they agree');
select rule('opt_out_after_notice', 'at_grant') \g /dev/null
select * from agree('opt_out_after_notice judged at the grant, with an override: they agree');
insert into niji.override_end (override, reason) select id, 'over' from niji.override where reason = 'a drill';
select * from agree('when it was ended: they agree');
create function at_its_end() returns setof text language plpgsql volatile as $$
begin
  insert into niji.override (category, purpose, effective_until, legal_basis, reason, declared_at) values
    ('ehr', 'research', statement_timestamp() + interval '1 microsecond', 'law', 'a moment', now() - interval '1 day'),
    ('ehr', 'ai_training', statement_timestamp(), 'law', 'a moment', now() - interval '1 day');
  insert into niji.override_approval (override) select id from niji.override where reason = 'a moment';
  return next is((select array_agg(distinct overridden) from (select exists (select from differences(statement_timestamp())) as overridden) x), '{f}', 'to the microsecond of its end: they agree');
end $$;
select * from at_its_end();

/* ---- explanations give the filter's answer, for every holder ---- */
select rule('opt_out_after_notice', 'now') \g /dev/null
create function explained() returns setof text language plpgsql volatile as $$
begin
  return next is_empty($q$
    select w.person, m, h.holder from people w, generate_series(1, 4) m, holders h
     where niji.permitted(w.person, m, 2, h.holder) is distinct from
           (select e.permitted from niji.decide_consent(w.person, m, 2) e where e.holder = h.holder or e.holder is null order by e.holder nulls last limit 1)
       and w.person < p(200) $q$, 'An explanation and the filter say the same');
end $$;
select * from explained();

/* ---- when the answer changes by itself ---- */
-- the rule a microsecond before the moment that the explanation names gives today's answer; it may name a moment at which only the reason changes
create function foretold() returns setof text language plpgsql volatile as $$
declare
  n int := 0;
  moment timestamptz;
  at timestamptz;
begin
  create temp table told on commit drop as
    select w.person, m as permit, e.permitted, e.changes_at from people w, generate_series(1, 4) m, niji.decide_consent(w.person, m, 1) e where w.person < p(300);
  for at in select distinct effective_from from niji.consent where effective_from > statement_timestamp() union select effective_until from niji.consent where effective_until > statement_timestamp() loop
    if exists (select from told t join verdicts(299, at) v on v.person = t.person and v.permit = t.permit and v.dataset = 1
                where (t.changes_at is null or at < t.changes_at) and v.permitted <> t.permitted) then
      n := n + 1;
    end if;
  end loop;
  return next is(n, 0, 'Until changes_at no moment brings another answer');
end $$;
select rule('opt_out', 'now') \g /dev/null
select * from foretold();

/* ---- a set that has followed many changes: now and then within one transaction, with some of it rolled back ---- */
create function live(rounds int) returns setof text language plpgsql volatile as $$
begin
  for i in 1..rounds loop
    perform speak((select count(*)::int from people), 100, statement_timestamp());
    begin
      perform speak((select count(*)::int from people), 50, statement_timestamp());
      if exists (select from differences(statement_timestamp())) then return next is(true, false, 'round ' || i || ', own changes'); end if;
      raise 'back';
    exception when raise_exception then null;
    end;
    return next is_empty('select * from differences(statement_timestamp())', 'round ' || i || ': they agree after further decisions, and some that were rolled back');
  end loop;
end $$;
select rule('opt_out', 'now') \g /dev/null
select * from live(2);
select rule('opt_in', 'now') \g /dev/null
select * from live(2);
select rule('opt_out_after_notice', 'now') \g /dev/null
select * from live(2);
select rule('opt_out', 'at_grant') \g /dev/null
select * from live(2);

/* ---- moments that come by themselves ---- */
select rule('opt_out', 'now') \g /dev/null
insert into niji.consent (person, decision, effective_from, effective_until, declared_by)
  select p(1 + n % 300), case when n % 3 = 0 then 'permit' else 'deny' end, clock_timestamp() + random() * interval '2 seconds',
         case when n % 2 = 0 then clock_timestamp() + interval '2 seconds' + random() * interval '1 second' end, 'self'
    from generate_series(1, 600) n;
create function wait_and_see() returns setof text language plpgsql volatile as $$
begin
  return next is_empty('select * from differences(statement_timestamp())', 'while the clock goes on, without any new record, they agree');
end $$;
select wait_and_see(); select pg_sleep(0.5) \g /dev/null
select wait_and_see(); select pg_sleep(1) \g /dev/null
select wait_and_see(); select pg_sleep(1.2) \g /dev/null
select wait_and_see();

/* ---- enough, and of every kind ---- */
select cmp_ok((select sum(cases) from counted), '>', 200000::numeric, 'Hundreds of thousands of cases were compared');
select cmp_ok((select count(*) from (select person from niji.consent group by person having count(*) >= 30) x), '>', 20::bigint, 'of some people with dozens of consents');
select cmp_ok((select count(distinct (permit is null, holder is null, dataset is null, category is null, purpose is null, recipient_kind is null)) from niji.consent), '>=', 20::bigint, 'of every shape of a scope');
select diag((select sum(cases) from counted) || ' cases');

select * from finish();
