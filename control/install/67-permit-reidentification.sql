/* ---- permit: re-identification, by two people ---- */

/*
 * One custodian asks, another agrees, and whichever of the two answers it does
 * so within a time, once.  The answer cannot be taken back by a ROLLBACK, so
 * the entry that says that it was given is on disk before it is, outside of
 * the transaction (niji.record_disclosure).  A use that was rolled back leaves
 * the request open; each answer is an entry of its own.
 */
create table @extschema@.reidentification (
  id bigint generated always as identity primary key,
  permit integer not null references @extschema@.permit,
  domain integer not null,
  pseudonyms @extschema@.pseudonym[] not null,
  reason text not null,
  requested_by name not null default session_user,
  requested_role oid not null,
  requested_at timestamptz not null default now(),
  approved_by name,
  approved_role oid,
  approved_at timestamptz,
  valid_until timestamptz,
  rejected_by name,
  rejected_at timestamptz,
  rejected_reason text,
  used_by name,
  used_at timestamptz,
  check (approved_by <> requested_by),
  check ((approved_at is null) = (valid_until is null)),
  check (used_at is null or approved_at is not null)
);
comment on table @extschema@.reidentification is 'Requests to find the persons behind pseudonyms of a permit (再識別), and what became of them.';

/* for who_used(): whom an approved request was about, in no order that pairs them with the pseudonyms */
create table @extschema@.reidentified (
  person @extschema@.person not null,
  reidentification bigint not null references @extschema@.reidentification,
  primary key (person, reidentification)
);
comment on table @extschema@.reidentified is 'Persons of approved re-identifications, so that they can be told.';

select pg_catalog.pg_extension_config_dump('@extschema@.reidentification', '');
select pg_catalog.pg_extension_config_dump('@extschema@.reidentification_id_seq', '');
select pg_catalog.pg_extension_config_dump('@extschema@.reidentified', '');

create view @extschema@.reidentifications as
  select r.id, p.code as permit, cardinality(r.pseudonyms) as pseudonyms, r.reason,
         case when r.rejected_at is not null then 'rejected'
              when r.used_at is not null then 'used'
              when p.state not in ('granted', 'suspended') then 'void'
              when r.approved_at is null then case when now() > r.requested_at + interval '30 days' then 'expired' else 'requested' end
              when now() > r.valid_until then 'expired'
              else 'approved' end as state,
         r.requested_by, r.requested_at, r.approved_by, r.approved_at, r.valid_until,
         r.rejected_by, r.rejected_at, r.rejected_reason, r.used_by, r.used_at
    from @extschema@.reidentification r join @extschema@.permit p on p.id = r.permit;
comment on view @extschema@.reidentifications is
  'Re-identifications (再識別): requested, approved (until valid_until), used, rejected, expired, or void because the permit was closed. Not the pseudonyms, nor the persons.';

create function @extschema@.reads_under(permit integer) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select exists (select from niji.reader r left join pg_catalog.pg_roles o on o.oid = r.role and o.rolname = r.role_name
                  where r.permit = reads_under.permit
                    and (r.role_name = session_user
                         or (o.oid is not null and pg_has_role(session_user, o.oid, 'member')
                             and not (select s.rolsuper from pg_catalog.pg_roles s where s.rolname = session_user))))
$$;
comment on function @extschema@.reads_under(integer) is 'Whether the session''s user is a reader of the permit, or a member of one. Internal.';

create function @extschema@.request_reidentification(permit text, pseudonyms @extschema@.pseudonym[], reason text) returns bigint
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  most constant integer := 1000;
  p niji.permit;
  list niji.pseudonym[];
  result bigint;
begin
  perform niji.require_duty('custodian', 'request a re-identification');
  perform niji.require_protection();
  p := niji.lock_permit(permit);
  perform niji.require_state(p, 're-identify under', 'granted', 'suspended');
  if niji.reads_under(p.id) then
    raise exception using errcode = '42501', message = format('permission denied to re-identify under permit "%s"', p.code),
      detail = 'A reader does not re-identify.';
  end if;
  if coalesce(btrim(reason), '') = '' then
    raise exception using errcode = '22023', message = 'a re-identification needs a reason';
  end if;
  if pseudonyms is null or cardinality(pseudonyms) = 0 or array_position(pseudonyms, null) is not null then
    raise exception using errcode = '22004', message = 'a re-identification needs a list of pseudonyms, none of them null';
  end if;
  -- one that is there twice is answered once
  select array_agg(x.u order by x.place) into list
    from (select u, min(o) as place from unnest(pseudonyms) with ordinality as t (u, o) group by u) x;
  if cardinality(list) > most then
    raise exception using errcode = '54000', message = 'too many pseudonyms in one request',
      detail = format('A request may have %s different ones.', most),
      hint = 'Whole lists are translated between domains, see niji.translate_pseudonyms().';
  end if;
  perform niji.persons_of(pseudonyms, p.domain);
  insert into niji.reidentification (permit, domain, pseudonyms, reason, requested_role)
    values (p.id, p.domain, list, request_reidentification.reason, (select oid from pg_catalog.pg_roles where rolname = session_user))
    returning id into result;
  perform niji.record_act('request_reidentification', p.code,
            jsonb_build_object('id', result, 'pseudonyms', to_jsonb(list::text[]), 'reason', reason));
  return result;
end
$$;
comment on function @extschema@.request_reidentification(text, @extschema@.pseudonym[], text) is
  'Asks to find the persons behind pseudonyms of a permit (再識別の申請), at most 1 000, and returns the request''s number. Nothing is answered before a second custodian has agreed. Errors: 42704 no such permit, 55000 it is not granted or suspended, 22023 no reason, or a pseudonym that is not a person''s of this permit (by its place), 22004 nulls, 54000 too many, 42501 a reader of the permit. Duty: custodian; recorded.';

create function @extschema@.lock_reidentification(id bigint) returns @extschema@.reidentification
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  r niji.reidentification;
begin
  select * into r from niji.reidentification x where x.id = lock_reidentification.id for update;
  if not found then
    raise exception using errcode = '42704', message = format('there is no re-identification %s', id),
      hint = 'They are in niji.reidentifications.';
  end if;
  return r;
end
$$;
comment on function @extschema@.lock_reidentification(bigint) is 'A request by its number, locked until the end of the transaction. Error: 42704. Internal.';

create function @extschema@.require_open(r @extschema@.reidentification, what text) returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  p niji.permit;
  why text;
begin
  select * into strict p from niji.permit x where x.id = r.permit;
  why := case
    when r.rejected_at is not null then 'It was rejected.'
    when r.used_at is not null then 'It was answered; ask anew.'
    when p.state not in ('granted', 'suspended') then format('Permit "%s" is %s.', p.code, p.state)
    when r.approved_at is null and clock_timestamp() > r.requested_at + interval '30 days' then 'It was not approved within 30 days.'
    when r.approved_at is not null and clock_timestamp() > r.valid_until then 'Its time is over.'
  end;
  if why is not null then
    raise exception using errcode = '55000', message = format('cannot %s re-identification %s', what, r.id), detail = why;
  end if;
end
$$;
comment on function @extschema@.require_open(@extschema@.reidentification, text) is
  'Raises 55000 for a request that was rejected or answered, whose time is over, or whose permit is closed. Internal.';

create function @extschema@.approve_reidentification(id bigint, valid_for interval default interval '7 days') returns timestamptz
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  r niji.reidentification;
  me oid := (select oid from pg_catalog.pg_roles where rolname = session_user);
  until timestamptz := now() + valid_for;
begin
  perform niji.require_duty('custodian', 'approve a re-identification');
  perform niji.require_protection();
  r := niji.lock_reidentification(id);
  perform niji.require_open(r, 'approve');
  if r.approved_at is not null then
    raise exception using errcode = '55000', message = format('cannot approve re-identification %s', id), detail = 'It was approved already.';
  end if;
  if r.requested_by = session_user or r.requested_role = me then
    raise exception using errcode = '42501', message = format('permission denied to approve re-identification %s', id),
      detail = 'Who asked does not approve: it takes two people.';
  end if;
  if niji.reads_under(r.permit) then
    raise exception using errcode = '42501', message = format('permission denied to approve re-identification %s', id),
      detail = 'A reader does not re-identify.';
  end if;
  if valid_for is null or until <= now() or until > now() + interval '30 days' then
    raise exception using errcode = '22023', message = 'an approval holds for more than nothing and at most 30 days';
  end if;
  update niji.reidentification x
     set approved_by = session_user, approved_role = me, approved_at = now(), valid_until = until
   where x.id = r.id;
  insert into niji.reidentified (person, reidentification)
    select distinct u, r.id from unnest(niji.persons_of(r.pseudonyms, r.domain)) u order by u;
  perform niji.record_act('approve_reidentification', (select p.code from niji.permit p where p.id = r.permit),
            jsonb_build_object('id', r.id, 'valid_until', until));
  return until;
end
$$;
comment on function @extschema@.approve_reidentification(bigint, interval) is
  'Agrees to a re-identification (承認), as the second person, and returns until when it may be answered: 7 days unless valid_for says otherwise, at most 30. Errors: 42704, 42501 who asked, or a reader of the permit, 55000 rejected, answered, approved, too old or the permit closed, 22023. Duty: custodian; recorded.';

create function @extschema@.reject_reidentification(id bigint, reason text) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  r niji.reidentification;
begin
  perform niji.require_duty('custodian, governance', 'reject a re-identification');
  if coalesce(btrim(reason), '') = '' then
    raise exception using errcode = '22023', message = 'rejecting a re-identification needs a reason';
  end if;
  r := niji.lock_reidentification(id);
  perform niji.require_open(r, 'reject');
  -- an approval stays to be seen: it may have been answered in a transaction that was rolled back
  update niji.reidentification x
     set rejected_by = session_user, rejected_at = now(), rejected_reason = reject_reidentification.reason
   where x.id = r.id;
  perform niji.record_act('reject_reidentification', (select p.code from niji.permit p where p.id = r.permit),
            jsonb_build_object('id', r.id, 'reason', reason, 'approved_by', r.approved_by));
end
$$;
comment on function @extschema@.reject_reidentification(bigint, text) is
  'Ends a re-identification that was not answered, approved or not; one rejection is enough, also by who asked. Errors: 42704, 22023 no reason, 55000. Duties: custodian, governance; recorded.';

create function @extschema@.reidentify(id bigint, holder text default null)
returns table (pseudonym @extschema@.pseudonym, person @extschema@.person, holder_pseudonym @extschema@.pseudonym)
language plpgsql volatile parallel unsafe rows 100 security definer set search_path = pg_catalog, pg_temp
as $$
declare
  r niji.reidentification;
  me oid := (select oid from pg_catalog.pg_roles where rolname = session_user);
  code text;
  persons niji.person[];
  answers niji.pseudonym[];
begin
  perform niji.require_duty('custodian', 're-identify');
  perform niji.require_protection();
  r := niji.lock_reidentification(id);
  perform niji.require_open(r, 'answer');
  if r.approved_at is null then
    raise exception using errcode = '55000', message = format('cannot answer re-identification %s', id),
      detail = 'No second custodian has approved it.';
  end if;
  if session_user not in (r.requested_by, r.approved_by) then
    raise exception using errcode = '42501', message = format('permission denied to answer re-identification %s', id),
      detail = 'The answer is for who asked and who approved.';
  end if;
  if niji.reads_under(r.permit) then
    raise exception using errcode = '42501', message = format('permission denied to answer re-identification %s', id),
      detail = 'A reader does not re-identify.';
  end if;
  persons := niji.persons_of(r.pseudonyms, r.domain);
  if holder is not null then
    answers := niji.pseudonyms_of(persons, niji.holder_domain(holder));
  end if;
  update niji.reidentification x set used_by = session_user, used_at = clock_timestamp() where x.id = r.id;
  -- two may have been merged since the approval, or be two again
  insert into niji.reidentified (person, reidentification)
    select distinct u, r.id from unnest(persons) u order by u
    on conflict do nothing;

  -- last, and before the first row: what comes after it cannot fail for a reason of ours, and no rollback takes it back
  select p.code into code from niji.permit p where p.id = r.permit;
  perform niji.record_disclosure('reidentify', code, cardinality(persons),
            jsonb_build_object('id', r.id, 'reason', r.reason, 'requested_by', r.requested_by, 'approved_by', r.approved_by,
                               'pseudonyms', to_jsonb(r.pseudonyms::text[]), 'holder', holder));
  return query
    select u.a, u.b, u.c from unnest(r.pseudonyms, persons, answers) as u (a, b, c);
end
$$;
comment on function @extschema@.reidentify(bigint, text) is
  'The persons behind the pseudonyms of an approved request (再識別), as they are now if they were merged, and their pseudonyms in a holder''s own domain, in which the holder can be answered. Once, within the time of the approval, by who asked or who approved. The entry that says so is on disk before the first row, and stays when the transaction rolls back. Errors: 42704, 42501, 55000 not approved, rejected, answered, too late, the permit closed, or the trail cannot take the entry. Duty: custodian.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('custodian', 'function', 'request_reidentification(text, niji.pseudonym[], text)'),
  ('custodian', 'function', 'approve_reidentification(bigint, interval)'),
  ('custodian', 'function', 'reject_reidentification(bigint, text)'),
  ('governance', 'function', 'reject_reidentification(bigint, text)'),
  ('custodian', 'function', 'reidentify(bigint, text)'),
  ('custodian', 'select', 'reidentifications'),
  ('governance', 'select', 'reidentifications'),
  ('auditor', 'select', 'reidentifications');
