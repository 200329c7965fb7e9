/* ---- consent: overrides, by which a law sets consents aside for a time ---- */

/*
 * Append-only, as rules and consents are; src/consent/row.c looks for the one
 * in force together with the rule.
 */
create table @extschema@.override (
  id bigint generated always as identity primary key,
  xid xid8 not null default pg_catalog.pg_current_xact_id(),
  category text not null references @extschema@.category,
  purpose text not null references @extschema@.purpose,
  effective_until timestamptz not null check (isfinite(effective_until)),
  legal_basis text not null,
  reason text not null,
  declared_at timestamptz not null default clock_timestamp(),
  declared_by name not null default session_user,
  declared_role oid not null default pg_catalog.quote_ident(session_user)::regrole,
  check (effective_until <= declared_at + interval '90 days')
);
comment on table @extschema@.override is
  'Declarations that a law sets consents aside for a category and a purpose, for at most 90 days (同意の適用除外; EHDS Art. 71(4)). In force once a second officer has approved, until it ends.';
comment on column @extschema@.override.effective_until is 'First moment when it no longer holds';
create index override_pair_idx on @extschema@.override (category, purpose);

create table @extschema@.override_approval (
  override bigint primary key references @extschema@.override,
  xid xid8 not null default pg_catalog.pg_current_xact_id(),
  approved_at timestamptz not null default clock_timestamp(),
  approved_by name not null default session_user,
  approved_role oid not null default pg_catalog.quote_ident(session_user)::regrole
);
comment on table @extschema@.override_approval is 'Who approved an override: not the one who declared it.';

create table @extschema@.override_end (
  override bigint primary key references @extschema@.override,
  xid xid8 not null default pg_catalog.pg_current_xact_id(),
  reason text not null,
  ended_at timestamptz not null default clock_timestamp(),
  ended_by name not null default session_user
);
comment on table @extschema@.override_end is 'Overrides that were ended, or refused, before their time.';

select @extschema@.make_append_only(t) from unnest(array['override', 'override_approval', 'override_end']) t;
select pg_catalog.pg_extension_config_dump('@extschema@.override_id_seq', '');

create view @extschema@.overrides as
  select o.id, o.category, c.name_ja as category_ja, o.purpose, p.name_ja as purpose_ja, o.legal_basis, o.reason,
         o.effective_until, o.declared_at, o.declared_by, a.approved_at, a.approved_by,
         e.ended_at, e.ended_by, e.reason as end_reason,
         a.override is not null and e.override is null and pg_catalog.now() < o.effective_until as in_force
    from @extschema@.override o
    join @extschema@.category c using (category)
    join @extschema@.purpose p using (purpose)
    left join @extschema@.override_approval a on a.override = o.id
    left join @extschema@.override_end e on e.override = o.id;
comment on view @extschema@.overrides is 'Overrides of consent, with who declared, approved and ended them.';

create function @extschema@.override_days(category text, purpose text, until timestamptz) returns interval
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  -- days of 24 hours, so that they can be compared
  select make_interval(secs => coalesce(sum(extract(epoch from least(o.effective_until, e.ended_at) - greatest(a.approved_at, until - interval '720 days')))
                                          filter (where least(o.effective_until, e.ended_at) > greatest(a.approved_at, until - interval '720 days')), 0)::float8)
    from niji.override o
    join niji.override_approval a on a.override = o.id
    left join niji.override_end e on e.override = o.id
   where o.category = override_days.category and o.purpose = override_days.purpose
$$;
comment on function @extschema@.override_days(text, text, timestamptz) is
  'For how long overrides of a category and a purpose were, or will be, in force in the 720 days before a time. Internal.';

create function @extschema@.declare_override(category text, purpose text, legal_basis text, until timestamptz, reason text)
returns bigint
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  result bigint;
begin
  perform niji.require_duty('governance', 'declare an override of consent');
  if not exists (select from niji.category c where c.category = declare_override.category) then
    raise exception using errcode = '22023', message = format('there is no category "%s"', category),
      hint = 'The categories are in niji.category.';
  end if;
  if not exists (select from niji.purpose p where p.purpose = declare_override.purpose) then
    raise exception using errcode = '22023', message = format('there is no purpose "%s"', purpose),
      hint = 'The purposes are in niji.purpose.';
  end if;
  if coalesce(legal_basis, '') !~ '\S' or coalesce(reason, '') !~ '\S' then
    raise exception using errcode = '22023', message = 'an override needs a legal basis and a reason',
      hint = 'Name the law and the article, and what happened.';
  end if;
  if until is null or not isfinite(until) or until <= clock_timestamp() or until > clock_timestamp() + interval '90 days' then
    raise exception using errcode = '22023', message = 'an override ends within 90 days',
      hint = 'If it has to go on, declare another one then.';
  end if;

  -- one at a time, so that two do not add up; and not from one to the next for ever
  lock table niji.override in share row exclusive mode;
  if exists (select from niji.override o
              where o.category = declare_override.category and o.purpose = declare_override.purpose
                and o.effective_until > clock_timestamp()
                and not exists (select from niji.override_end e where e.override = o.id)) then
    raise exception using errcode = '55000', message = format('an override of "%s" for "%s" is declared already', category, purpose),
      hint = 'End it first, or wait until its time is over. They are in niji.overrides.';
  end if;
  if niji.override_days(category, purpose, until) + (until - clock_timestamp()) > interval '360 days' then
    raise exception using errcode = '55000', message = format('consents about "%s" for "%s" would be set aside for more than 360 days of 720', category, purpose),
      hint = 'What a law allows for longer is a rule, not an emergency: niji.set_rule() with the basis not_required, and the law.';
  end if;
  insert into niji.override (category, purpose, legal_basis, effective_until, reason)
    values (declare_override.category, declare_override.purpose, declare_override.legal_basis, declare_override.until, declare_override.reason)
    returning id into result;
  perform niji.record_act('declare_override', category || '/' || purpose,
    jsonb_build_object('override', result, 'legal_basis', legal_basis, 'until', until, 'reason', reason));
  return result;
end
$$;
comment on function @extschema@.declare_override(text, text, text, timestamptz, text) is
  'Declares that a law sets consents aside for a category and a purpose until a time, at most 90 days ahead; gives its number. It holds once a second governance officer has called approve_override(), and every read under it says so in the trail. Rows that are tagged never to be shown stay hidden. One at a time for a category and a purpose, and no more than 360 days of any 720. Errors: 22023 malformed, 55000 another one is declared, or too long in all. Duty: governance; recorded.';

create function @extschema@.approve_override(override bigint) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  o niji.override;
begin
  perform niji.require_duty('governance', 'approve an override of consent');
  select * into o from niji.override x where x.id = approve_override.override;
  if not found then
    raise exception using errcode = '42704', message = format('there is no override %s', override);
  end if;
  if o.declared_by = session_user or o.declared_role = quote_ident(session_user)::regrole then
    raise exception using errcode = '42501', message = 'an override is approved by a second person';
  end if;
  -- one of approving and ending at a time
  perform from niji.override x where x.id = o.id for update;
  if exists (select from niji.override_end e where e.override = o.id) or o.effective_until <= clock_timestamp() then
    raise exception using errcode = '55000', message = format('override %s has ended', override);
  end if;
  insert into niji.override_approval (override) values (o.id) on conflict on constraint override_approval_pkey do nothing;
  if not found then
    raise exception using errcode = '55000', message = format('override %s was approved before', override);
  end if;
  perform niji.record_act('approve_override', o.category || '/' || o.purpose, jsonb_build_object('override', o.id));
end
$$;
comment on function @extschema@.approve_override(bigint) is
  'Approves an override that another governance officer declared: from the next statement on it holds. Errors: 42704 unknown, 42501 by who declared it, 55000 ended or approved before. Duty: governance; recorded.';

create function @extschema@.end_override(override bigint, reason text) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  o niji.override;
begin
  perform niji.require_duty('governance', 'end an override of consent');
  if coalesce(reason, '') !~ '\S' then
    raise exception using errcode = '22023', message = 'ending an override needs a reason';
  end if;
  select * into o from niji.override x where x.id = end_override.override for update;
  if not found then
    raise exception using errcode = '42704', message = format('there is no override %s', override);
  end if;
  insert into niji.override_end (override, reason) values (o.id, end_override.reason) on conflict on constraint override_end_pkey do nothing;
  if not found then
    raise exception using errcode = '55000', message = format('override %s has ended', override);
  end if;
  perform niji.record_act('end_override', o.category || '/' || o.purpose, jsonb_build_object('override', o.id, 'reason', reason));
end
$$;
comment on function @extschema@.end_override(bigint, text) is
  'Ends an override before its time, or refuses one that is not approved; one officer is enough, since it gives consents back their force. Errors: 42704 unknown, 22023 no reason, 55000 ended before. Duty: governance; recorded.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'declare_override(text, text, text, timestamptz, text)'),
  ('governance', 'function', 'approve_override(bigint)'),
  ('governance', 'function', 'end_override(bigint, text)');
insert into @extschema@.duty_right (duty, kind, object)
  select d, 'select', 'overrides'
    from unnest(array['governance', 'consent_officer', 'auditor', 'reviewer']) d;
