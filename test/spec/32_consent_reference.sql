-- The filter agrees with the rule as it is written down, for thousands of random cases.
--
-- allowed() below is the rule in plain SQL and has nothing in common with the
-- code: a denial that covers the use forbids it, unless later the person
-- permitted the use by a consent of the same or a narrower scope.
\set ON_ERROR_STOP 1
set client_min_messages = warning;
select plan(28);

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
  ('R-2', 'Lungs', 2, 'research', 'granted', 1, '2020-01-01', '2099-12-31', 'r_2', now() - interval '20 days');
insert into niji.permit_data (permit, dataset, columns)
  select p, d, '{person}' from generate_series(1, 2) p, generate_series(1, 2) d;
create function p(n int) returns niji.person language sql immutable as $$ select n::text::niji.person $$;

create function allowed(who niji.person, in_permit int, in_dataset int, row_holder int, clock timestamptz) returns boolean
language sql stable as $$
  with use as (
    select u.permit, u.dataset, u.category, u.purpose, u.recipient_kind, u.granted_at,
           coalesce(u.holder, row_holder) as holder
      from niji.permit_use u where u.permit = in_permit and u.dataset = in_dataset
  ), rule as (
    select r.* from niji.rule r, use u where r.category = u.category and r.purpose = u.purpose order by r.id desc limit 1
  ), judged as (
    select case r.judged when 'at_grant' then u.granted_at else clock end as at,
           case r.judged when 'at_grant' then u.granted_at else 'infinity' end as known
      from rule r, use u
  ), covering as (
    select c.*
      from niji.consent c, use u, judged j
     where c.person = who
       and not exists (select from niji.consent_void v where v.consent = c.id)
       and c.recorded_at <= j.known
       and c.effective_from <= j.at and coalesce(j.at < c.effective_until, true)
       and (c.category is null or c.category = u.category)
       and (c.purpose is null or c.purpose = u.purpose)
       and (c.permit is null or c.permit = u.permit)
       and (c.holder is null or c.holder = u.holder)
       and (c.dataset is null or c.dataset = u.dataset)
       and (c.recipient_kind is null or c.recipient_kind = u.recipient_kind)
  ), forbidden as (
    select exists (
      select from covering d
       where d.decision = 'deny'
         and not exists (
           select from covering y
            where y.decision = 'permit'
              and (y.effective_from > d.effective_from or (y.effective_from = d.effective_from and y.id > d.id))
              and (d.category is null or y.category is not distinct from d.category)
              and (d.purpose is null or y.purpose is not distinct from d.purpose)
              and (d.permit is null or y.permit is not distinct from d.permit)
              and (d.holder is null or y.holder is not distinct from d.holder)
              and (d.dataset is null or y.dataset is not distinct from d.dataset)
              and (d.recipient_kind is null or y.recipient_kind is not distinct from d.recipient_kind))) as is
  )
  select case r.basis
           when 'not_required' then true
           when 'opt_out' then not f.is
           when 'opt_in' then not f.is and exists (select from covering y where y.decision = 'permit')
           when 'opt_out_after_notice' then not f.is and exists (
             select from niji.notice n
              where n.person = who and n.category = u.category
                and (n.holder is null or n.holder = u.holder) and n.recorded_at <= j.known
                and (n.notified_at at time zone 'Asia/Tokyo' + r.waiting) at time zone 'Asia/Tokyo' <= j.at)
         end
    from rule r, forbidden f, use u, judged j
$$;

-- what people say, at random but the same each time
create function chance(share float) returns boolean language sql volatile as $$ select random() < share $$;
create function pick(words text[]) returns text language sql volatile as $$ select words[1 + floor(random() * cardinality(words))::int] $$;
create function speak(persons int, times int) returns void language plpgsql volatile as $$
declare
  permit_id int; holder_id int; dataset_id int; category text; purpose text; kind text; start timestamptz;
begin
  for i in 1..times loop
    permit_id := case when chance(0.25) then 1 + chance(0.5)::int end;
    dataset_id := case when chance(0.25) then 1 + chance(0.5)::int end;
    holder_id := case when dataset_id = 1 then 1 when chance(0.3) then 1 + floor(random() * 3)::int end;
    category := case when dataset_id is not null then 'ehr' when chance(0.3) then pick('{ehr,ehr,ehr,claims}') end;
    purpose := case when permit_id is not null then 'research' when chance(0.3) then pick('{research,research,policy}') end;
    kind := case permit_id when 1 then 'society' when 2 then 'company' else case when chance(0.2) then pick('{society,company}') end end;
    -- few distinct moments, so that ties are common
    start := now() + (floor(random() * 8) * 10 - 60) * interval '1 day';
    insert into niji.consent (person, decision, category, purpose, permit, holder, dataset, recipient_kind, effective_from, effective_until, recorded_at, declared_by)
      values (p(1 + floor(random() * persons)::int), case when chance(0.5) then 'deny' else 'permit' end, category, purpose, permit_id, holder_id, dataset_id, kind,
              start, case when chance(0.2) then start + (floor(random() * 6) * 10 + 5) * interval '1 day' end,
              now() - floor(random() * 60) * interval '1 day', 'self');
    if chance(0.3) then
      insert into niji.notice (person, category, notified_at, holder, recorded_at)
        values (p(1 + floor(random() * persons)::int), pick('{ehr,ehr,claims}'), now() - random() * 90 * interval '1 day',
                case when chance(0.4) then 1 + floor(random() * 3)::int end, now() - floor(random() * 60) * interval '1 day');
    end if;
    if chance(0.1) then
      insert into niji.consent_void (consent, reason)
        select id, 'error' from niji.consent order by random() limit 1 on conflict do nothing;
    end if;
  end loop;
end $$;

-- every use of every person: where the two differ
create function differences(persons int) returns table (person int, permit int, dataset int, holder int, filter boolean, rule boolean) language sql volatile as $$
  select * from (
    select n, m, 1, null::int, niji.permitted(p(n), m, 1) as filter, allowed(p(n), m, 1, null, statement_timestamp()) as rule
      from generate_series(1, persons) n, generate_series(1, 2) m
    union all
    select n, m, 2, h, niji.permitted(p(n), m, 2, h), allowed(p(n), m, 2, h, statement_timestamp())
      from generate_series(1, persons) n, generate_series(1, 2) m, generate_series(1, 4) h
    union all
    -- without a holder only what is the same for every holder (4 is one that nobody names)
    select n, m, 2, null, niji.permitted(p(n), m, 2, null), bool_and(niji.permitted(p(n), m, 2, h))
      from generate_series(1, persons) n, generate_series(1, 2) m, generate_series(1, 4) h group by n, m
    offset 0) x
   where filter is distinct from rule
$$;

select setseed(0.2026) \g /dev/null
select speak(120, 400) \g /dev/null

/* each basis, judged now and at the grant */
select niji.set_rule('ehr', 'research', 'not_required') > 0 as done \g /dev/null
select is_empty('select * from differences(130)', 'not_required: filter and rule agree on 1300 uses');
select niji.set_rule('ehr', 'research', 'opt_out') > 0 as done \g /dev/null
select is_empty('select * from differences(130)', 'opt_out: they agree');
select niji.set_rule('ehr', 'research', 'opt_in') > 0 as done \g /dev/null
select is_empty('select * from differences(130)', 'opt_in: they agree');
select niji.set_rule('ehr', 'research', 'opt_out_after_notice') > 0 as done \g /dev/null
select is_empty('select * from differences(130)', 'opt_out_after_notice: they agree');
select niji.set_rule('ehr', 'research', 'opt_out_after_notice', waiting => '10 days 12 hours') > 0 as done \g /dev/null
select is_empty('select * from differences(130)', 'with another waiting time: they agree');
select niji.set_rule('ehr', 'research', 'opt_out', 'at_grant') > 0 as done \g /dev/null
select is_empty('select * from differences(130)', 'opt_out judged at the grant: they agree');
select niji.set_rule('ehr', 'research', 'opt_in', 'at_grant') > 0 as done \g /dev/null
select is_empty('select * from differences(130)', 'opt_in judged at the grant: they agree');
select niji.set_rule('ehr', 'research', 'opt_out_after_notice', 'at_grant') > 0 as done \g /dev/null
select is_empty('select * from differences(130)', 'opt_out_after_notice judged at the grant: they agree');

-- a set that has followed many changes: now and then within one transaction, with some of it rolled back
create function live(rounds int) returns setof text language plpgsql volatile as $$
begin
  for i in 1..rounds loop
    perform speak(120, 10);
    begin
      perform speak(120, 5);
      if exists (select from differences(120)) then return next is(true, false, 'round ' || i || ', own changes'); end if;
      raise 'back';
    exception when raise_exception then null;
    end;
    return next is_empty('select * from differences(120)', 'round ' || i || ': they agree after ten further decisions, and five that were rolled back');
  end loop;
end $$;
select niji.set_rule('ehr', 'research', 'opt_out') > 0 as done \g /dev/null
select * from live(4);
select niji.set_rule('ehr', 'research', 'opt_in') > 0 as done \g /dev/null
select * from live(4);
select niji.set_rule('ehr', 'research', 'opt_out_after_notice') > 0 as done \g /dev/null
select * from live(4);
select niji.set_rule('ehr', 'research', 'opt_out', 'at_grant') > 0 as done \g /dev/null
select * from live(4);

-- moments that come by themselves
select niji.set_rule('ehr', 'research', 'opt_out') > 0 as done \g /dev/null
insert into niji.consent (person, decision, effective_from, effective_until, declared_by)
  select p(1 + n % 120), case when n % 3 = 0 then 'permit' else 'deny' end, clock_timestamp() + random() * interval '2 seconds',
         case when n % 2 = 0 then clock_timestamp() + interval '2 seconds' + random() * interval '1 second' end, 'self'
    from generate_series(1, 200) n;
create function wait_and_see() returns setof text language plpgsql volatile as $$
begin
  return next is_empty('select * from differences(120)', 'while the clock goes on, without any new record, they agree');
end $$;
select wait_and_see(); select pg_sleep(0.5) \g /dev/null
select wait_and_see(); select pg_sleep(1) \g /dev/null
select wait_and_see(); select pg_sleep(1.2) \g /dev/null

-- explanations give the filter's answer
select is_empty($$ select from generate_series(1, 130) n, generate_series(1, 2) m, niji.decide_consent(p(n), m, 2) e
                    where e.permitted <> niji.permitted(p(n), m, 2, coalesce(e.holder, 4)) $$, 'An explanation and the filter say the same');

select * from finish();
