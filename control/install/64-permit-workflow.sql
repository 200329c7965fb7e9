/* ---- permit: from the application to the end ---- */

/*
 * A name must not be cut off silently by a cast to name, so texts are compared
 * as texts.  Every function that changes a permit locks its row first.
 */
create function @extschema@.lock_permit(code text) returns @extschema@.permit
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  p niji.permit;
begin
  select * into p from niji.permit q where lower(q.code) = lower(lock_permit.code) for no key update;
  if not found then
    raise exception using errcode = '42704', message = format('there is no permit "%s"', code),
      hint = 'The permits are in niji.permits.';
  end if;
  return p;
end
$$;
comment on function @extschema@.lock_permit(text) is 'A permit by its code, locked until the end of the transaction. Error: 42704. Internal.';

create function @extschema@.require_state(p @extschema@.permit, what text, variadic states text[]) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  if p.state <> all (states) then
    raise exception using errcode = '55000', message = format('cannot %s permit "%s"', what, p.code),
      detail = format('Its state is %s; it would have to be %s.', p.state, array_to_string(states, ' or '));
  end if;
end
$$;
comment on function @extschema@.require_state(@extschema@.permit, text, text[]) is 'Raises 55000 unless the permit is in one of the states. Internal.';

create table @extschema@.open_domain (
  domain integer primary key,
  asked_by name not null default session_user,
  asked_at timestamptz not null default now(),
  opened_by name,
  opened_at timestamptz,
  check (opened_by <> asked_by)
);
comment on table @extschema@.open_domain is
  'Pseudonym domains that governance has opened for linking, so that a permit may name them. An act of two people.';
select pg_catalog.pg_extension_config_dump('@extschema@.open_domain', '');

create function @extschema@.open_domain_for_linking(domain text, reason text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  d integer := (select x.id from niji.domain x where x.name = open_domain_for_linking.domain);
  o niji.open_domain;
begin
  perform niji.require_duty('governance', 'open a pseudonym domain for linking');
  if d is null then
    raise exception using errcode = '42704', message = format('there is no pseudonym domain "%s"', domain);
  end if;
  if coalesce(btrim(reason), '') = '' then
    raise exception using errcode = '22023', message = 'opening a pseudonym domain needs a reason';
  end if;
  insert into niji.open_domain (domain) values (d) on conflict on constraint open_domain_pkey do nothing;
  select * into o from niji.open_domain x where x.domain = d for update;
  if o.opened_by is null and o.asked_by <> session_user then
    update niji.open_domain x set opened_by = session_user, opened_at = now() where x.domain = d;
    o.opened_by := session_user;
  end if;
  perform niji.record_act('open_domain_for_linking', domain,
            jsonb_build_object('reason', reason, 'opened', o.opened_by is not null));
  return o.opened_by is not null;
end
$$;
comment on function @extschema@.open_domain_for_linking(text, text) is
  'Lets later permits share the pseudonyms of a domain, so that their readers may link: true once a second person of governance has called it. Errors: 42704 no such domain, 22023 no reason. Duty: governance.';

create function @extschema@.apply_permit(
  code text, title text, applicant text, purpose text, valid_from date, valid_until date,
  renews text default null, domain text default null)
returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  result integer;
  applicant_id integer;
  new_schema name;
  domain_id integer;
  earlier niji.permit;
begin
  perform niji.require_duty('governance', 'apply for a permit');
  perform niji.require_protection();
  if code is null or code !~ '^[A-Za-z0-9][A-Za-z0-9-]{0,39}$' then
    raise exception using errcode = '22023', message = format('invalid code of a permit: "%s"', code),
      hint = 'A code begins with a letter or a digit and has up to 40 letters, digits and hyphens.';
  end if;
  if coalesce(btrim(title), '') = '' then
    raise exception using errcode = '22023', message = 'a permit needs a title';
  end if;
  select a.id into applicant_id from niji.applicant a where lower(a.code) = lower(apply_permit.applicant);
  if not found then
    raise exception using errcode = '42704', message = format('there is no applicant "%s"', applicant),
      hint = 'Register it with niji.register_applicant().';
  end if;
  if not exists (select from niji.purpose k where k.purpose = apply_permit.purpose) then
    raise exception using errcode = '22023', message = format('there is no purpose "%s"', purpose),
      hint = 'The purposes are in niji.purpose.';
  end if;
  if valid_from is null or valid_until is null or not isfinite(valid_from) or not isfinite(valid_until) then
    raise exception using errcode = '22023', message = 'a permit needs a first and a last day';
  end if;
  if valid_until < valid_from then
    raise exception using errcode = '22023', message = 'the last day of a permit is before its first';
  end if;

  -- one application at a time, so that each sees the other's code
  lock table niji.permit in share row exclusive mode;
  if exists (select from niji.permit p where lower(p.code) = lower(apply_permit.code)) then
    raise exception using errcode = '23505', message = format('a permit with the code "%s" exists already', code),
      detail = 'Codes are compared without case.';
  end if;
  new_schema := niji.permit_schema(code);
  if new_schema like 'pg\_%' or new_schema like 'niji%' or new_schema in ('public', 'information_schema')
     or new_schema like '%\_work' then
    raise exception using errcode = '42939', message = format('code "%s" cannot be used', code),
      detail = format('Its schema would be "%s", which is reserved.', new_schema);
  end if;
  if exists (select from niji.permit p where p.schema_name = new_schema)
     or exists (select from pg_catalog.pg_namespace n where n.nspname = new_schema) then
    raise exception using errcode = '42P06', message = format('code "%s" cannot be used', code),
      detail = format('Its schema would be "%s", which exists already or belongs to another permit.', new_schema);
  end if;

  if renews is not null and domain is not null then
    raise exception using errcode = '22023', message = 'a renewal keeps the domain of the earlier permit',
      hint = 'Give either renews or domain.';
  elsif renews is not null then
    earlier := niji.lock_permit(renews);
    if earlier.applicant <> applicant_id then
      raise exception using errcode = '22023', message = format('permit "%s" belongs to another applicant', earlier.code),
        detail = 'A renewal keeps the pseudonyms, so it is for the same applicant.';
    end if;
    if earlier.state not in ('granted', 'suspended', 'closed') then
      raise exception using errcode = '55000', message = format('permit "%s" was never granted', earlier.code),
        detail = format('Its state is %s.', earlier.state);
    end if;
    domain_id := earlier.domain;
    if exists (select from niji.domain d where d.id = domain_id and d.erased_at is not null) then
      raise exception using errcode = '55000', message = format('permit "%s" cannot be renewed', earlier.code),
        detail = 'Its pseudonym domain was erased.',
        hint = 'Apply for a permit with pseudonyms of its own.';
    end if;
  elsif domain is not null then
    select d.id into domain_id from niji.domain d join niji.open_domain o on o.domain = d.id and o.opened_by is not null
     where d.name = apply_permit.domain;
    if not found then
      raise exception using errcode = '42501', message = format('pseudonym domain "%s" is not open for linking', domain),
        hint = 'Two people of governance open it with niji.open_domain_for_linking().';
    end if;
  else
    domain_id := niji.create_domain(code);
  end if;

  insert into niji.permit (code, title, applicant, purpose, domain, valid_from, valid_until, renews, schema_name, applied_by_role)
    values (apply_permit.code, apply_permit.title, applicant_id, apply_permit.purpose, domain_id,
            apply_permit.valid_from, apply_permit.valid_until, earlier.id, new_schema,
            (select oid from pg_catalog.pg_roles where rolname = session_user))
    returning id into result;
  if earlier.id is not null then
    perform niji.carry_cohorts(earlier.id, result);
  end if;
  perform niji.record_act('apply_permit', code,
            jsonb_build_object('title', title, 'applicant', applicant, 'purpose', purpose, 'valid_from', valid_from,
                               'valid_until', valid_until, 'renews', renews, 'domain', domain_id));
  return result;
end
$$;
comment on function @extschema@.apply_permit(text, text, text, text, date, date, text, text) is
  'Applies for a permit (利用許可の申請) and returns its id, a draft. renews keeps the pseudonyms and the cohorts of an earlier permit of the same applicant; domain names one that was opened for linking. valid_until is the last day, in niji.timezone. Errors: 22023 malformed, 42704 no such applicant or permit, 23505 code taken, 42939 and 42P06 schema reserved or taken, 42501 domain not open. Duty: governance.';

create function @extschema@.request_data(permit text, dataset text, columns text[], cohort text default null, period daterange default null)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  p niji.permit;
  d niji.dataset;
  spec text;
  twice text;
begin
  perform niji.require_duty('governance', 'request data');
  p := niji.lock_permit(permit);
  perform niji.require_state(p, 'request data for', 'draft');
  select * into d from niji.dataset x where x.name = request_data.dataset;
  if not found then
    raise exception using errcode = '42704', message = format('there is no dataset "%s"', dataset),
      hint = 'The datasets are in niji.datasets.';
  end if;
  if exists (select from niji.permit_data x where x.permit = p.id and x.dataset = d.id) then
    raise exception using errcode = '23505', message = format('permit "%s" requests dataset "%s" already', p.code, d.name);
  end if;
  if columns is null or array_ndims(columns) > 1 or array_position(columns, null) is not null
     or (columns = '{}' and d.person_columns = '{}') then
    raise exception using errcode = '22023', message = 'columns are a list of names';
  end if;
  if cohort is not null and not exists (select from niji.cohort x where x.permit = p.id and x.name = request_data.cohort) then
    raise exception using errcode = '42704', message = format('permit "%s" has no cohort "%s"', p.code, cohort),
      hint = 'niji.create_cohort() makes one.';
  end if;
  if cohort is not null and d.person_columns = '{}' then
    raise exception using errcode = '22023', message = format('dataset "%s" has no person, so no cohort can be given', d.name);
  end if;
  if period is not null and d.date_column is null then
    raise exception using errcode = '22023', message = format('dataset "%s" has no date column, so no period can be given', d.name);
  end if;
  if isempty(period) then
    raise exception using errcode = '22023', message = 'the period is empty';
  end if;
  foreach spec in array columns loop
    perform niji.column_expression(d.id, spec, p.domain);
  end loop;
  insert into niji.permit_data (permit, dataset, columns, period, cohort) values (p.id, d.id, request_data.columns, request_data.period, request_data.cohort);
  select c.column_name into twice from niji.view_columns(p.id, d.id) c group by 1 having count(*) > 1 limit 1;
  if found then
    raise exception using errcode = '42701', message = format('column "%s" is requested twice', twice);
  end if;
  perform niji.record_act('request_data', p.code,
            jsonb_build_object('dataset', d.name, 'columns', to_jsonb(columns), 'cohort', cohort, 'period', period));
end
$$;
comment on function @extschema@.request_data(text, text, text[], text, daterange) is
  'Adds a dataset to a permit that is a draft: columns, each with or without a transform (birth_date:year, age:band(5), code:prefix(3), institution:pseudonym), the cohort of the permit to whose persons'' rows it is kept (of the first person column), and the period of the dataset''s date column. Institution codes are pseudonyms unless requested as COLUMN:plain. Errors: 42704 no such permit, dataset or cohort, 42703 no such column, 22023 malformed, 42804 transform does not fit, 42701 twice, 55000 not a draft. Duty: governance.';

create function @extschema@.review_permit(permit text, decision text, comment text default null) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  p niji.permit;
  me oid := (select oid from pg_catalog.pg_roles where rolname = session_user);
begin
  perform niji.require_duty('reviewer', 'review a permit');
  if decision is null or decision not in ('approve', 'reject') then
    raise exception using errcode = '22023', message = 'a review decides "approve" or "reject"';
  end if;
  p := niji.lock_permit(permit);
  perform niji.require_state(p, 'review', 'draft', 'submitted', 'approved');
  if p.applied_by = session_user or p.applied_by_role = me then
    raise exception using errcode = '42501', message = format('permission denied to review permit "%s"', p.code),
      detail = 'Who applied does not review.';
  end if;
  if exists (select from niji.reader r where r.permit = p.id and (r.role = me or r.role_name = session_user)) then
    raise exception using errcode = '42501', message = format('permission denied to review permit "%s"', p.code),
      detail = 'A reader does not review.';
  end if;
  if exists (select from niji.review r where r.permit = p.id and (r.reviewer_role = me or r.reviewer = session_user)) then
    raise exception using errcode = '23505', message = format('you have reviewed permit "%s" already', p.code),
      hint = 'A second review has to come from a second person.';
  end if;
  if not exists (select from niji.permit_data x where x.permit = p.id) then
    raise exception using errcode = '55000', message = format('cannot review permit "%s"', p.code), detail = 'It requests no data.';
  end if;
  if decision = 'approve' then
    perform niji.require_cohorts(p.id);
  end if;
  insert into niji.review (permit, reviewer, reviewer_role, decision, comment)
    values (p.id, session_user, me, review_permit.decision, review_permit.comment);
  p.state := case
    when decision = 'reject' then 'rejected'
    when (select count(*) from niji.review r where r.permit = p.id and r.decision = 'approve') >= 2 then 'approved'
    else 'submitted' end;
  update niji.permit q set state = p.state where q.id = p.id;
  perform niji.record_act('review_permit', p.code, jsonb_build_object('decision', decision, 'comment', comment, 'state', p.state));
  return p.state;
end
$$;
comment on function @extschema@.review_permit(text, text, text) is
  'Reviews a permit (審査): approve or reject. The first review ends the draft, two approvals approve, one rejection ends it; the new state is returned. Neither who applied nor a reader may review. Errors: 22023, 42704, 42501, 23505 reviewed already, 55000 state. Duty: reviewer.';

create function @extschema@.grant_permit(permit text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  p niji.permit;
  missing record;
begin
  perform niji.require_duty('governance', 'grant a permit');
  perform niji.require_protection();
  p := niji.lock_permit(permit);
  perform niji.require_state(p, 'grant', 'approved');
  if (select count(*) from niji.review r
       where r.permit = p.id and r.decision = 'approve' and r.reviewer <> p.applied_by
         and not exists (select from niji.reader x where x.permit = p.id and x.role_name = r.reviewer)) < 2 then
    raise exception using errcode = '55000', message = format('cannot grant permit "%s"', p.code),
      detail = 'It needs two approvals by people who neither applied nor read under it.';
  end if;
  for missing in
    select s.name, s.category from niji.permit_data x join niji.dataset s on s.id = x.dataset
     where x.permit = p.id and s.person_columns <> '{}'
       and not exists (select from niji.rule r where r.category = s.category and r.purpose = p.purpose)
     order by s.name
  loop
    raise exception using errcode = '55000', message = format('cannot grant permit "%s"', p.code),
      detail = format('There is no rule for category "%s" (dataset "%s") and purpose "%s".', missing.category, missing.name, p.purpose),
      hint = 'Set one with niji.set_rule().';
  end loop;
  if exists (select from pg_catalog.pg_namespace n where n.nspname = p.schema_name) then
    raise exception using errcode = '42P06', message = format('schema "%s" exists already', p.schema_name),
      detail = format('Permit "%s" needs a schema of this name.', p.code);
  end if;

  perform niji.require_cohorts(p.id);

  -- a consent commits either before this moment or is effective after it
  lock table niji.consent in share mode;
  update niji.permit q set state = 'granted', granted_at = clock_timestamp(), granted_by = session_user where q.id = p.id;
  perform niji.compile_permit(p.id);
  perform niji.record_act('grant_permit', p.code,
            jsonb_build_object('schema', p.schema_name, 'valid_from', p.valid_from, 'valid_until', p.valid_until));
end
$$;
comment on function @extschema@.grant_permit(text) is
  'Grants an approved permit and compiles it to a role, a schema, views, column grants and policies. Errors: 42704, 55000 not approved, or no rule for a category and the purpose, 42P06 the schema exists. Duty: governance.';

create function @extschema@.suspend_permit(permit text, reason text default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  p niji.permit;
begin
  perform niji.require_duty('governance', 'suspend a permit');
  p := niji.lock_permit(permit);
  perform niji.require_state(p, 'suspend', 'granted');
  update niji.permit q set state = 'suspended' where q.id = p.id;
  perform niji.record_act('suspend_permit', p.code, jsonb_build_object('reason', reason));
end
$$;
comment on function @extschema@.suspend_permit(text, text) is 'Suspends a granted permit: reads are refused from the next execution on, the objects stay. Errors: 42704, 55000. Duty: governance.';

create function @extschema@.resume_permit(permit text, reason text default null) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  p niji.permit;
begin
  perform niji.require_duty('governance', 'resume a permit');
  p := niji.lock_permit(permit);
  perform niji.require_state(p, 'resume', 'suspended');
  update niji.permit q set state = 'granted' where q.id = p.id;
  perform niji.record_act('resume_permit', p.code, jsonb_build_object('reason', reason));
end
$$;
comment on function @extschema@.resume_permit(text, text) is 'Resumes a suspended permit; the time at which it was granted stays. Errors: 42704, 55000. Duty: governance.';

create function @extschema@.close_permit(permit text, reason text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  p niji.permit;
begin
  perform niji.require_duty('governance', 'close a permit');
  if coalesce(btrim(reason), '') = '' then
    raise exception using errcode = '22023', message = 'a permit is not closed without a reason', detail = 'Closing is for good.';
  end if;
  p := niji.lock_permit(permit);
  if p.state <> 'closed' or p.role is null then
    perform niji.require_state(p, 'close', 'draft', 'submitted', 'approved', 'granted', 'suspended');
    update niji.permit q set state = 'closed', closed_at = clock_timestamp(), closed_reason = close_permit.reason where q.id = p.id;
    perform niji.record_act('close_permit', p.code, jsonb_build_object('reason', reason));
  end if;
  -- the gate refuses from now on; a transaction that a reader keeps open must not hold this up
  if p.role is not null then
    begin
      perform niji.uncompile_permit(p.id);
    exception when lock_not_available or object_in_use then
      raise warning using message = format('the objects of permit "%s" are still there', p.code),
        detail = 'A transaction is using them. Nothing can be read through them any more.',
        hint = 'Close the permit again when that transaction has ended.';
    end;
  end if;
end
$$;
comment on function @extschema@.close_permit(text, text) is
  'Closes a permit for good and removes its role, schema, views, grants and policies, with what readers built upon the views. Reads are refused at once; where an open transaction holds the objects they stay, with a warning, until the call is repeated. Errors: 22023 no reason, 42704, 55000. Duty: governance.';

create function @extschema@.add_reader(permit text, reader regrole) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  p niji.permit;
  r pg_catalog.pg_roles;
begin
  perform niji.require_duty('governance', 'add a reader');
  p := niji.lock_permit(permit);
  perform niji.require_state(p, 'add a reader to', 'draft', 'submitted', 'approved', 'granted', 'suspended');
  select * into r from pg_catalog.pg_roles where oid = reader;
  if not found then
    raise exception using errcode = '42704', message = 'the role does not exist';
  end if;
  if r.rolname = session_user then
    raise exception using errcode = '42501', message = format('role "%s" cannot be a reader', r.rolname),
      detail = 'Nobody makes themselves a reader.';
  end if;
  if r.rolsuper then
    raise exception using errcode = '42501', message = format('role "%s" cannot be a reader', r.rolname),
      detail = 'Superusers pass the protection, so they cannot read under it.';
  end if;
  if r.rolname ~ '^niji_(p[0-9]+|owner)_[0-9]+$' or r.rolname like 'pg\_%' then
    raise exception using errcode = '42501', message = format('role "%s" cannot be a reader', r.rolname),
      detail = 'It does not stand for a person.';
  end if;
  if exists (select from niji.review v where v.permit = p.id and (v.reviewer_role = reader or v.reviewer = r.rolname)) then
    raise exception using errcode = '42501', message = format('role "%s" cannot be a reader of permit "%s"', r.rolname, p.code),
      detail = 'A reviewer does not read.';
  end if;
  -- these have persons, and nobody has both persons and pseudonyms
  if exists (select from niji.duty_grant g join pg_catalog.pg_roles o on o.oid = g.role and o.rolname = g.role_name
              where g.duty in ('loader', 'consent_officer', 'custodian', 'auditor') and pg_has_role(reader, g.role, 'member')) then
    raise exception using errcode = '42501', message = format('role "%s" cannot be a reader', r.rolname),
      detail = 'It has a duty (loader, consent_officer, custodian or auditor) that has persons.';
  end if;
  if exists (select from niji.reader x where x.permit = p.id and x.role_name = r.rolname) then
    raise exception using errcode = '23505', message = format('role "%s" is a reader of permit "%s" already', r.rolname, p.code);
  end if;
  insert into niji.reader (permit, role, role_name) values (p.id, add_reader.reader, r.rolname);
  if p.state in ('granted', 'suspended') then
    perform niji.grant_views(p.id, r.rolname);
  end if;
  perform niji.record_act('add_reader', p.code, jsonb_build_object('reader', r.rolname));
end
$$;
comment on function @extschema@.add_reader(text, regrole) is
  'Lets a login role read under a permit (利用者). It has to be the session''s user itself: membership does not count. Errors: 42704, 42501 a superuser, a reviewer of the permit, or a duty that has persons, 23505, 55000. Duty: governance.';

create function @extschema@.remove_reader(permit text, reader regrole) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  p niji.permit;
  name name := (select rolname from pg_catalog.pg_roles where oid = reader);
begin
  perform niji.require_duty('governance', 'remove a reader');
  p := niji.lock_permit(permit);
  delete from niji.reader r where r.permit = p.id and r.role = remove_reader.reader;
  if not found then
    raise exception using errcode = '42704', message = format('role "%s" is not a reader of permit "%s"', name, p.code);
  end if;
  if p.state in ('granted', 'suspended') and exists (select from pg_catalog.pg_namespace where nspname = p.schema_name) then
    execute format('revoke all on all tables in schema %I from %I cascade', p.schema_name, name);
    execute format('revoke all on schema %I from %I cascade', p.schema_name, name);
    perform niji.shut_workspace(p.id, name);
  end if;
  perform niji.record_act('remove_reader', p.code, jsonb_build_object('reader', name));
end
$$;
comment on function @extschema@.remove_reader(text, regrole) is
  'Takes a permit from a reader; it holds from the next execution on, also for open cursors. Errors: 42704. Duty: governance.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'open_domain_for_linking(text, text)'),
  ('governance', 'function', 'apply_permit(text, text, text, text, date, date, text, text)'),
  ('governance', 'function', 'request_data(text, text, text[], text, daterange)'),
  ('reviewer', 'function', 'review_permit(text, text, text)'),
  ('governance', 'function', 'grant_permit(text)'),
  ('governance', 'function', 'suspend_permit(text, text)'),
  ('governance', 'function', 'resume_permit(text, text)'),
  ('governance', 'function', 'close_permit(text, text)'),
  ('governance', 'function', 'add_reader(text, regrole)'),
  ('governance', 'function', 'remove_reader(text, regrole)');
