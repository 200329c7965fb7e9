/* ---- consent: what governance and consent officers do ---- */

create function @extschema@.set_rule(
  category text,
  purpose text,
  basis text,
  judged text default 'now',
  waiting interval default null,
  legal_basis text default null
) returns bigint
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  rule bigint;
begin
  perform niji.require_duty('governance', 'set a rule');
  if not exists (select from niji.category c where c.category = set_rule.category) then
    raise exception using errcode = '22023', message = format('there is no category "%s"', category),
      hint = 'The categories are in niji.category.';
  end if;
  if not exists (select from niji.purpose p where p.purpose = set_rule.purpose) then
    raise exception using errcode = '22023', message = format('there is no purpose "%s"', purpose),
      hint = 'The purposes are in niji.purpose.';
  end if;
  if not exists (select from niji.basis b where b.basis = set_rule.basis) then
    raise exception using errcode = '22023', message = format('there is no basis "%s"', basis),
      hint = 'The bases are not_required, opt_out, opt_out_after_notice and opt_in.';
  end if;
  if judged is null or judged not in ('now', 'at_grant') then
    raise exception using errcode = '22023', message = format('a rule cannot be judged "%s"', judged),
      hint = 'A rule is judged "now" or "at_grant".';
  end if;
  if basis = 'opt_out_after_notice' then
    waiting := coalesce(waiting, interval '1 month');
    if waiting < interval '0' or not isfinite(waiting) then
      raise exception using errcode = '22023', message = 'a waiting time cannot be negative';
    end if;
  elsif waiting is not null then
    raise exception using errcode = '22023', message = format('basis "%s" has no waiting time', basis),
      hint = 'Only opt_out_after_notice has one.';
  end if;

  -- the newest row holds: two sessions must not number theirs in another order than they commit
  lock table niji.rule in share row exclusive mode;
  insert into niji.rule (category, purpose, basis, judged, waiting, legal_basis)
    values (set_rule.category, set_rule.purpose, set_rule.basis, set_rule.judged, set_rule.waiting, set_rule.legal_basis)
    returning id into rule;
  perform niji.record_act('set_rule', category || '/' || purpose,
    jsonb_build_object('rule', rule, 'basis', basis, 'judged', judged, 'waiting', waiting, 'legal_basis', legal_basis));
  return rule;
end
$$;
comment on function @extschema@.set_rule(text, text, text, text, interval, text) is
  'Sets on what a use of a category for a purpose rests, from the next statement on; gives the rule''s number. Earlier rules stay as history. waiting: time after a notice, 1 month by default, only for opt_out_after_notice. Errors: 22023 for an unknown word. Duty: governance.';

create function @extschema@.record_notice(
  person @extschema@.person,
  category text,
  notified_at timestamptz,
  holder text default null
) returns bigint
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  notice bigint;
  holder_id int;
begin
  perform niji.require_duty('consent_officer', 'record a notice');
  if person is null or notified_at is null then
    raise exception using errcode = '22004', message = 'a notice needs a person and a time';
  end if;
  if not exists (select from niji.category c where c.category = record_notice.category) then
    raise exception using errcode = '22023', message = format('there is no category "%s"', category),
      hint = 'The categories are in niji.category.';
  end if;
  if not isfinite(notified_at) or notified_at > clock_timestamp() then
    raise exception using errcode = '22023', message = 'a notice cannot be recorded before it was given';
  end if;
  if holder is not null then
    select h.id into holder_id from niji.holder h where lower(h.code) = lower(record_notice.holder);
    if not found then
      raise exception using errcode = '42704', message = format('there is no holder "%s"', holder),
        hint = 'The holders are in niji.holders.';
    end if;
  end if;

  -- a merge waits for this lock, or has committed and is seen
  lock table niji.notice in row exclusive mode;
  person := niji.current_person(person);
  insert into niji.notice (person, category, notified_at, holder)
    values (record_notice.person, record_notice.category, record_notice.notified_at, holder_id)
    returning id into notice;
  perform niji.record_act('record_notice', notice::text,
    jsonb_build_object('person', person::text, 'category', category, 'notified_at', notified_at, 'holder', holder));
  return notice;
end
$$;
comment on function @extschema@.record_notice(@extschema@.person, text, timestamptz, text) is
  'Records that a person was notified that their data of a category (of one holder, or of any) will be used: starts the waiting time of opt_out_after_notice. Gives the notice''s number. Errors: 22023 for an unknown category or a time to come, 42704 for an unknown holder. Duty: consent_officer.';

create function @extschema@.record_consent(
  person @extschema@.person,
  decision text,
  category text default null,
  purpose text default null,
  permit text default null,
  effective_from timestamptz default now(),
  evidence text default null,
  holder text default null,
  dataset text default null,
  recipient_kind text default null,
  effective_until timestamptz default null,
  declared_by text default 'self',
  died_on date default null
) returns bigint
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  consent bigint;
  permit_id int;
  holder_id int;
  dataset_id int;
  implied record;
  who niji.declarant;
begin
  perform niji.require_duty('consent_officer', 'record a consent');
  if person is null or decision is null or effective_from is null or declared_by is null then
    raise exception using errcode = '22004',
      message = 'a consent needs a person, a decision, a time from which it holds, and who declared it',
      hint = case when person is null then 'niji.find_person() gives null for an identifier that nobody was enrolled with.' else '' end;
  end if;
  if decision not in ('permit', 'deny') then
    raise exception using errcode = '22023', message = format('a consent cannot decide "%s"', decision),
      hint = 'A consent decides "permit" or "deny".';
  end if;
  if category is not null and not exists (select from niji.category c where c.category = record_consent.category) then
    raise exception using errcode = '22023', message = format('there is no category "%s"', category),
      hint = 'The categories are in niji.category.';
  end if;
  if purpose is not null and not exists (select from niji.purpose p where p.purpose = record_consent.purpose) then
    raise exception using errcode = '22023', message = format('there is no purpose "%s"', purpose),
      hint = 'The purposes are in niji.purpose.';
  end if;
  if recipient_kind is not null and not exists (select from niji.holder_kind k where k.kind = record_consent.recipient_kind) then
    raise exception using errcode = '22023', message = format('there is no kind of recipient "%s"', recipient_kind),
      hint = 'The kinds are in niji.holder_kind.';
  end if;
  select * into who from niji.declarant d where d.declarant = declared_by;
  if not found then
    raise exception using errcode = '22023', message = format('a consent cannot be declared by "%s"', declared_by),
      hint = 'Who may declare is in niji.declarant.';
  end if;
  if who.until_required and effective_until is null then
    raise exception using errcode = '22023',
      message = format('a consent declared by "%s" needs effective_until', declared_by),
      hint = 'Say until when their authority lasts, for instance until the child comes of age.';
  end if;
  if decision = 'permit' and not who.may_permit then
    raise exception using errcode = '22023', message = format('a consent declared by "%s" can only deny', declared_by),
      detail = 'The law lets relatives have the use stopped. It does not let them permit what the person had not permitted.',
      hint = 'A denial that they take back is voided, with that as its reason.';
  end if;
  if who.after_death and died_on is null then
    raise exception using errcode = '22023', message = format('a consent declared by "%s" needs died_on', declared_by),
      hint = 'They speak for a person who has died: say on which day, as they proved it.';
  end if;
  if died_on is not null and not who.after_death then
    raise exception using errcode = '22023', message = format('a consent declared by "%s" has no died_on', declared_by),
      hint = 'Who may speak for a person who has died is in niji.declarant (after_death).';
  end if;
  if died_on is not null
     and (not isfinite(died_on)
          or died_on > (clock_timestamp() at time zone current_setting('niji.timezone'))::date
          or effective_from < died_on::timestamp at time zone current_setting('niji.timezone')) then
    raise exception using errcode = '22023', message = 'a relative''s consent holds from the person''s death at the earliest',
      hint = 'died_on is a day of the past, by the calendar of niji.timezone, and effective_from is not before it.';
  end if;
  if not isfinite(effective_from) or not isfinite(effective_until) then
    raise exception using errcode = '22023', message = 'the times of a consent must be finite',
      hint = 'Leave effective_until out when there is no end.';
  end if;
  if effective_until <= effective_from then
    raise exception using errcode = '22023', message = 'a consent cannot end before it begins';
  end if;

  -- names become numbers, and the scope is completed by what they imply
  if holder is not null then
    select h.id into holder_id from niji.holder h where lower(h.code) = lower(record_consent.holder);
    if not found then
      raise exception using errcode = '42704', message = format('there is no holder "%s"', holder),
        hint = 'The holders are in niji.holders.';
    end if;
  end if;
  if permit is not null then
    select p.id, p.purpose, a.kind into implied
      from niji.permit p join niji.applicant a on a.id = p.applicant
     where lower(p.code) = lower(record_consent.permit);
    if not found then
      raise exception using errcode = '42704', message = format('there is no permit "%s"', permit),
        hint = 'The permits are in niji.permits.';
    end if;
    if purpose <> implied.purpose then
      raise exception using errcode = '22023', message = 'the scope contradicts itself: purpose and permit',
        detail = format('Permit "%s" is for the purpose "%s".', permit, implied.purpose);
    end if;
    if recipient_kind <> implied.kind then
      raise exception using errcode = '22023', message = 'the scope contradicts itself: kind of recipient and permit',
        detail = format('The applicant of permit "%s" is of the kind "%s".', permit, implied.kind);
    end if;
    permit_id := implied.id;
    purpose := implied.purpose;
    recipient_kind := implied.kind;
  end if;
  if dataset is not null then
    select d.id, d.category, case when d.holder_column is null then d.holder end as holder into implied
      from niji.dataset d where d.name = record_consent.dataset;
    if not found then
      raise exception using errcode = '42704', message = format('there is no dataset "%s"', dataset),
        hint = 'The datasets are in niji.datasets.';
    end if;
    if category <> implied.category then
      raise exception using errcode = '22023', message = 'the scope contradicts itself: category and dataset',
        detail = format('Dataset "%s" is of the category "%s".', dataset, implied.category);
    end if;
    if holder_id <> implied.holder then
      raise exception using errcode = '22023', message = 'the scope contradicts itself: holder and dataset',
        detail = format('Dataset "%s" belongs to another holder.', dataset);
    end if;
    dataset_id := implied.id;
    category := implied.category;
    holder_id := coalesce(implied.holder, holder_id);
  end if;

  -- a merge waits for this lock, or has committed and is seen
  lock table niji.consent in row exclusive mode;
  person := niji.current_person(person);
  -- a denial is never refused, not even one that cannot be
  if decision = 'permit'
     and exists (select from niji.consent c
                  where c.person = record_consent.person
                    and c.died_on::timestamp at time zone current_setting('niji.timezone') + interval '1 day' <= record_consent.effective_from
                    and not exists (select from niji.consent_void v where v.consent = c.id)) then
    raise exception using errcode = '22023', message = 'a consent cannot permit from after the person''s death',
      detail = 'A relative has declared something since, so that the day is known. With a person''s death ends what a guardian or an agent may declare.',
      hint = 'If the relative''s consent was recorded for the wrong person, void it.';
  end if;
  insert into niji.consent (person, decision, category, purpose, permit, holder, dataset, recipient_kind,
                            effective_from, effective_until, declared_by, evidence, died_on)
    values (record_consent.person, record_consent.decision, record_consent.category, record_consent.purpose,
            permit_id, holder_id, dataset_id, record_consent.recipient_kind, record_consent.effective_from,
            record_consent.effective_until, record_consent.declared_by, record_consent.evidence, record_consent.died_on)
    returning id into consent;
  if cardinality(niji.merged_persons(person)) > 0 then
    perform niji.mirror_consent(consent);
  end if;
  perform niji.record_act('record_consent', consent::text,
    jsonb_strip_nulls(jsonb_build_object('person', person::text, 'decision', decision, 'category', category,
      'purpose', purpose, 'permit', permit, 'holder', holder, 'dataset', dataset, 'recipient_kind', recipient_kind,
      'effective_from', effective_from, 'effective_until', effective_until, 'declared_by', declared_by, 'died_on', died_on)));
  return consent;
end
$$;
comment on function @extschema@.record_consent(@extschema@.person, text, text, text, text, timestamptz, text, text, text, text, timestamptz, text, date) is
  'Records what a person decided, "permit" or "deny", for a scope (null: any), from when to when; gives the consent''s number. It holds for every statement that starts after the transaction has committed. A permit brings its purpose and its recipient''s kind into the scope, a dataset its category and its holder. Errors: 22023 for an unknown word, a contradiction, a guardian''s consent without an end, a relative''s that permits or does not say when the person died; 42704 for an unknown permit, holder or dataset; 22004 without a person or a time. Duty: consent_officer.';

create function @extschema@.void_consent(consent bigint, reason text) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform niji.require_duty('consent_officer', 'void a consent');
  if reason is null or reason !~ '\S' then
    raise exception using errcode = '22023', message = 'a consent cannot be voided without a reason';
  end if;
  if consent is null or not exists (select from niji.consent c where c.id = void_consent.consent) then
    raise exception using errcode = '42704', message = format('there is no consent %s', consent);
  end if;
  insert into niji.consent_void (consent, reason) values (void_consent.consent, void_consent.reason)
    on conflict on constraint consent_void_pkey do nothing;
  if not found then
    raise exception using errcode = '55000', message = format('consent %s was voided before', consent);
  end if;
  -- and where it was made to count for another number of the same person
  lock table niji.consent_void in row exclusive mode;
  insert into niji.consent_void (consent, reason)
    with recursive copies (consent) as (
      select c.consent from niji.consent_copy c where c.original = void_consent.consent
      union
      select c.consent from copies x join niji.consent_copy c on c.original = x.consent)
    select x.consent, void_consent.reason from copies x
    on conflict on constraint consent_void_pkey do nothing;
  perform niji.record_act('void_consent', consent::text, jsonb_build_object('reason', reason));
end
$$;
comment on function @extschema@.void_consent(bigint, text) is
  'Takes back a consent that was entered in error: it counts as if it had not been, and stays on record with the reason. A person who changes their mind needs a new consent instead. Errors: 42704 for an unknown consent, 22023 without a reason, 55000 if it was voided before. Duty: consent_officer.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'set_rule(text, text, text, text, interval, text)'),
  ('consent_officer', 'function', 'record_notice(niji.person, text, timestamptz, text)'),
  ('consent_officer', 'function', 'record_consent(niji.person, text, text, text, text, timestamptz, text, text, text, text, timestamptz, text, date)'),
  ('consent_officer', 'function', 'void_consent(bigint, text)');
