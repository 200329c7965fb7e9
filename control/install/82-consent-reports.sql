/* ---- consent: what a wish came too late for, and how many wishes there are ---- */

create function @extschema@.late_effects(consent bigint)
returns table (seq bigint, at timestamptz, permit text, dataset text, reader name, kind text)
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  c niji.consent;
begin
  perform niji.require_duty('consent_officer, auditor', 'see what a consent came too late for');
  select * into c from niji.consent x where x.id = late_effects.consent;
  if not found then
    raise exception using errcode = '42704', message = format('there is no consent %s', late_effects.consent);
  end if;
  -- on disk before the answer, whatever becomes of the transaction
  perform niji.record_disclosure('late_effects', late_effects.consent::text, 1, jsonb_build_object('person', c.person::text));
  -- what was entered in error, and a permission, came too late for nothing
  if c.decision <> 'deny' or exists (select from niji.consent_void v where v.consent = c.id) then
    return;
  end if;
  return query
    with uses as (
      -- uses that the consent covers; of a dataset whose rows name their holder any row may be of the one meant
      select u.permit, u.dataset, u.category, u.purpose, u.recipient_kind, u.holder,
             c.holder is not null and u.holder_by_row as some_rows
        from niji.permit_use u
       where (c.permit is null or c.permit = u.permit) and (c.dataset is null or c.dataset = u.dataset)
         and (c.category is null or c.category = u.category) and (c.purpose is null or c.purpose = u.purpose)
         and (c.recipient_kind is null or c.recipient_kind = u.recipient_kind)
         and (c.holder is null or u.holder_by_row or c.holder = u.holder)
    ), reads as (
      select r.open, r.seq, r.at, r.permit, d.dataset, r.reader, r.end_seq is null or not r.persons_known as unknown
        from niji.read_index r, unnest(r.datasets) d (dataset)
       where r.at >= c.effective_from
         and (c.effective_until is null or r.at < c.effective_until)
         and not r.parked
    ), met as (
      select r.open, r.dataset, bool_or(p.shown) as shown
        from reads r
        join niji.person_spans(c.person) s on r.at >= s.from_at and r.at < s.until_at
        join niji.read_persons p on p.open = r.open and p.dataset = r.dataset and p.chunk = niji.person_chunk(s.number) and niji.persons_contain(p.persons, s.number)
       group by r.open, r.dataset
    )
    select r.seq, r.at, m.code::text, s.name::text, r.reader,
           case when r.unknown then 'possibly shown' when p.shown then 'shown' else 'scanned' end
      from reads r
      join uses u on u.permit = r.permit and u.dataset = r.dataset
      join niji.permit m on m.id = r.permit
      join niji.dataset s on s.id = r.dataset
      left join met p on p.open = r.open and p.dataset = r.dataset
      -- the rule at that time: without consent, or judged at the grant, the denial would have changed nothing
      join lateral (select x.basis, x.judged from niji.rule x
                     where x.category = u.category and x.purpose = u.purpose and x.set_at <= r.at
                     order by x.id desc limit 1) l on l.basis <> 'not_required' and l.judged = 'now'
     where (r.unknown or p.open is not null)
       -- a read that began later has met the person only if its snapshot did not see the denial yet
       and (r.at < c.recorded_at or (not r.unknown and not u.some_rows))
       -- nor would it where a later permission of the same or a narrower scope held
       and not exists (select from niji.consent y
                        where y.person = c.person and y.decision = 'permit' and (y.effective_from, y.id) > (c.effective_from, c.id)
                          and y.effective_from <= r.at and (y.effective_until is null or r.at < y.effective_until)
                          and (y.category is null or y.category = u.category) and (y.purpose is null or y.purpose = u.purpose)
                          and (y.permit is null or y.permit = u.permit) and (y.dataset is null or y.dataset = u.dataset)
                          and (y.recipient_kind is null or y.recipient_kind = u.recipient_kind)
                          and (y.holder is null or y.holder = u.holder or (u.holder is null and y.holder = c.holder))
                          and (c.category is null or y.category is not null) and (c.purpose is null or y.purpose is not null)
                          and (c.permit is null or y.permit is not null) and (c.dataset is null or y.dataset is not null)
                          and (c.recipient_kind is null or y.recipient_kind is not null) and (c.holder is null or y.holder is not null)
                          and not exists (select from niji.consent_void v where v.consent = y.id))
       -- nor under an override, which is on the read's entry
       and not exists (select from niji.trail t
                         join niji.override o on t.header -> 'overrides' @> to_jsonb(o.id)
                        where t.seq = r.seq and o.category = u.category and o.purpose = u.purpose)
     order by r.at, r.seq, 4;
end
$$;
comment on function @extschema@.late_effects(bigint) is
  'What was read of a person between the time from which a denial holds and the time when it was recorded (遡及した拒否の影響): the read''s place in the trail, its permit, dataset, reader, and whether the person was shown, scanned, or possibly shown (the read''s persons are not known). Reads that the denial covers, under a rule that judged consents at the time of reading; not those under an override, or that a later permission of the same or a narrower scope allowed; also later ones whose snapshot did not see the denial yet. None for a permission or for what was voided. Recorded. Errors: 42704 for an unknown consent. Duties: consent_officer, auditor.';

create view @extschema@.consent_summary as
  with stated as (
    select c.category, c.purpose, c.person,
           case when v.consent is not null then 'voided'
                when c.effective_from > pg_catalog.now() then 'to come'
                when c.effective_until <= pg_catalog.now() then 'ended'
                when c.decision = 'deny' then 'denied'
                else 'permitted' end as state
      from @extschema@.consent c
      left join @extschema@.consent_void v on v.consent = c.id
  ), counted as (
    select category, purpose, state, pg_catalog.count(distinct person) as persons
      from stated
     group by category, purpose, state
  ), judged as (
    -- one withheld cell alone of a state could be found from the state's sum, which the trail's acts nearly tell
    select *, persons < 10 as few,
           pg_catalog.count(*) filter (where persons < 10) over (partition by state) = 1
             and pg_catalog.row_number() over (partition by state, persons < 10 order by persons, category, purpose) = 1 as second
      from counted
  )
  select category, purpose, state,
         case when not few and not second then persons end as persons,
         few or second as withheld
    from judged;
comment on view @extschema@.consent_summary is
  'How many persons denied or permitted, for each category and purpose that their consents name (null: any) (同意の集計). state: denied, permitted, to come, ended, voided. Fewer than 10 persons are not told: persons is null and withheld true; and where only one count of a state is withheld, the smallest other one is too, so that it cannot be found from a sum (二次秘匿). A person may stand in several rows. Duties: governance, consent_officer, auditor, reviewer.';

insert into @extschema@.duty_right (duty, kind, object)
  select d, 'select', 'consent_summary'
    from unnest(array['governance', 'consent_officer', 'auditor', 'reviewer']) d;
insert into @extschema@.duty_right (duty, kind, object) values
  ('consent_officer', 'function', 'late_effects(bigint)'),
  ('auditor', 'function', 'late_effects(bigint)');
