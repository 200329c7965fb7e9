-- The rule about consents in plain SQL, which has nothing in common with the code: a denial that covers the
-- use forbids it, unless later the person permitted the use by a consent of the same or a narrower scope.
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
