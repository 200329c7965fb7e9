/* ---- permit: pseudonym domains of holders ---- */

/*
 * A holder is answered in pseudonyms of its own: it keeps the list of its
 * patients and their pseudonyms, and neither side sends identifiers again.
 */
create table @extschema@.holder_domain (
  holder integer primary key references @extschema@.holder,
  domain integer not null unique references @extschema@.domain,
  since timestamptz not null default now()
);
comment on table @extschema@.holder_domain is
  'The pseudonym domain of each holder that has one. A domain that was erased is replaced by a new one, whose pseudonyms are others.';
select pg_catalog.pg_extension_config_dump('@extschema@.holder_domain', '');

create function @extschema@.find_holder(holder text) returns integer
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  result integer;
begin
  select h.id into result from niji.holder h where lower(h.code) = lower(find_holder.holder);
  if not found then
    raise exception using errcode = '42704', message = format('there is no holder "%s"', holder),
      hint = 'The holders are in niji.holders.';
  end if;
  return result;
end
$$;
comment on function @extschema@.find_holder(text) is 'The id of a holder by its code, without case. Error: 42704. Internal.';

create function @extschema@.create_holder_domain(holder text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  h integer;
  d integer;
  n integer;
begin
  perform niji.require_duty('governance', 'create a holder''s pseudonym domain');
  h := niji.find_holder(holder);
  -- one at a time, so that two do not make two
  perform from niji.holder x where x.id = h for update;
  select x.domain into d from niji.holder_domain x join niji.domain o on o.id = x.domain
   where x.holder = h and o.erased_at is null;
  if found then
    return d;
  end if;
  select count(*) into n from niji.domain o where o.kind = 'holder' and o.name like 'holder %' and o.id in (select x.domain from niji.holder_domain x where x.holder = h);
  d := niji.create_domain(format('holder %s%s', (select x.code from niji.holder x where x.id = h),
                                 case when n = 0 then '' else ' since ' || to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') end), 'holder');
  insert into niji.holder_domain as x (holder, domain) values (h, d)
    on conflict on constraint holder_domain_pkey do update set domain = excluded.domain, since = excluded.since;
  perform niji.record_act('create_holder_domain', holder, jsonb_build_object('domain', d));
  return d;
end
$$;
comment on function @extschema@.create_holder_domain(text) is
  'Gives a holder a pseudonym domain of its own and returns its number; the one that it has, unless that was erased. Errors: 42704 no such holder, 55000 there is no master key. Duty: governance; recorded.';

create function @extschema@.holder_domain(holder text) returns integer
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  result integer;
begin
  perform niji.require_duty('loader, consent_officer, custodian, governance, auditor', 'look up a holder''s pseudonym domain');
  select x.domain into result from niji.holder_domain x where x.holder = niji.find_holder(holder_domain.holder);
  if not found then
    raise exception using errcode = '55000', message = format('holder "%s" has no pseudonym domain', holder),
      hint = 'Governance makes one with niji.create_holder_domain().';
  end if;
  return result;
end
$$;
comment on function @extschema@.holder_domain(text) is
  'The number of a holder''s pseudonym domain. Errors: 42704 no such holder, 55000 it has none. Duties: loader, consent_officer, custodian, governance, auditor.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'create_holder_domain(text)');
insert into @extschema@.duty_right (duty, kind, object)
  select d, 'function', 'holder_domain(text)' from unnest(array['loader', 'consent_officer', 'custodian', 'governance', 'auditor']) d;

/* ---- what a holder's own loaders are told ---- */

create table @extschema@.holder_loader (
  holder integer not null references @extschema@.holder,
  role oid not null,
  role_name name not null,
  granted_at timestamptz not null default now(),
  granted_by name not null default session_user,
  primary key (holder, role_name)
);
comment on table @extschema@.holder_loader is
  'Which loaders act for which holder. A row counts only while its role has both this oid and this name.';
select pg_catalog.pg_extension_config_dump('@extschema@.holder_loader', '');

create function @extschema@.grant_holder(holder text, role regrole) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  h integer;
  r pg_catalog.pg_roles;
begin
  perform niji.require_duty('governance', 'let a role act for a holder');
  h := niji.find_holder(holder);
  select * into r from pg_catalog.pg_roles o where o.oid = role;
  if not found then
    raise exception using errcode = '42704', message = 'the role does not exist';
  end if;
  if r.rolname = session_user then
    raise exception using errcode = '42501', message = format('role "%s" cannot act for the holder', r.rolname),
      detail = 'Nobody makes themselves a holder''s.';
  end if;
  insert into niji.holder_loader as x (holder, role, role_name) values (h, r.oid, r.rolname)
    on conflict on constraint holder_loader_pkey do update set role = excluded.role, granted_at = now(), granted_by = session_user;
  perform niji.record_act('grant_holder', holder, jsonb_build_object('role', r.rolname));
end
$$;
comment on function @extschema@.grant_holder(text, regrole) is
  'Lets a loader act for a holder: be told the holder''s own pseudonyms of persons in the holder''s files. Errors: 42704, 42501 oneself. Duty: governance; recorded.';

create function @extschema@.revoke_holder(holder text, role regrole) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform niji.require_duty('governance', 'let a role act for a holder');
  delete from niji.holder_loader x where x.holder = niji.find_holder(revoke_holder.holder) and x.role = revoke_holder.role;
  if not found then
    raise exception using errcode = '42704', message = 'the role does not act for this holder';
  end if;
  perform niji.record_act('revoke_holder', holder, jsonb_build_object('role', role::text));
end
$$;
comment on function @extschema@.revoke_holder(text, regrole) is 'Ends that a loader acts for a holder. Error: 42704. Duty: governance; recorded.';

create function @extschema@.require_holder(holder integer) returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from niji.holder_loader x join pg_catalog.pg_roles o on o.oid = x.role and o.rolname = x.role_name
                  where x.holder = require_holder.holder and o.rolname = session_user)
     and not (select o.rolsuper from pg_catalog.pg_roles o where o.rolname = session_user) then
    raise exception using errcode = '42501', message = 'permission denied to act for this holder',
      hint = 'Governance lets a loader with niji.grant_holder().';
  end if;
end
$$;
comment on function @extschema@.require_holder(integer) is 'Raises 42501 unless the session''s user acts for the holder. Internal.';

create table @extschema@.holder_person (
  person @extschema@.person not null,
  holder integer not null references @extschema@.holder,
  primary key (person, holder)
);
comment on table @extschema@.holder_person is
  'Who was in the files of a holder that has a pseudonym domain; niji.load_dataset() adds to it.';
select pg_catalog.pg_extension_config_dump('@extschema@.holder_person', '');

create function @extschema@.held_persons(holder integer, persons @extschema@.person[]) returns @extschema@.person[]
language sql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
  select array(select u from (select distinct u from unnest(persons) u) u
                where exists (select from niji.holder_person x
                               where x.holder = held_persons.holder and (x.person = u or x.person = any (niji.merged_persons(u)))))
$$;
comment on function @extschema@.held_persons(integer, @extschema@.person[]) is
  'Those of a list of persons who were in files of a holder, themselves or as whoever was merged into them. Internal.';

create function @extschema@.known_persons(kind text, identifiers text[]) returns @extschema@.person[]
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.known_persons(text, text[]) is
  'The persons that identifiers point at today, in order, as niji.find_person() finds them; null for unknown ones; enrols nobody. Internal.';

create function @extschema@.holder_pseudonyms(holder text, kind text, identifiers text[]) returns @extschema@.pseudonym[]
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  h integer;
  persons niji.person[];
  held niji.person[];
begin
  perform niji.require_duty('loader', 'be told a holder''s pseudonyms');
  h := niji.find_holder(holder);
  perform niji.require_holder(h);
  persons := niji.known_persons(kind, identifiers);
  held := niji.held_persons(h, persons);
  persons := array(select case when p = any (held) then p end from unnest(persons) with ordinality u (p, place) order by place);
  perform niji.record_disclosure('holder_pseudonyms', holder, cardinality(held), jsonb_build_object('kind', kind, 'asked', cardinality(identifiers)));
  return niji.pseudonyms_of(persons, niji.holder_domain(holder));
end
$$;
comment on function @extschema@.holder_pseudonyms(text, text, text[]) is
  'What a holder calls its persons: the pseudonyms in the holder''s own domain, in order, for a loader who acts for the holder (niji.grant_holder); null for who was in no file that was loaded for the holder since it has a domain. Enrols nobody. The entry that says so is on disk before the answer. Errors: 42501, 42704 no such holder, 22023 no such kind, 22P02 a malformed identifier, 55000 the holder has no domain. Duty: loader.';

create function @extschema@.held_by_pseudonyms(holder integer, pseudonyms text[]) returns @extschema@.person[]
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  persons niji.person[];
  held niji.person[];
begin
  if holder is null then
    raise exception using errcode = '22023', message = 'rows are loaded by a holder''s pseudonyms only into datasets of one holder';
  end if;
  perform niji.require_holder(holder);
  persons := niji.persons_behind(array(select niji.text_pseudonym(u.t) from unnest(pseudonyms) with ordinality u (t, place) order by u.place),
                                 niji.holder_domain((select h.code from niji.holder h where h.id = held_by_pseudonyms.holder)));
  held := niji.held_persons(holder, persons);
  return array(select h from unnest(persons) with ordinality u (p, place) left join unnest(held) h on h = u.p order by u.place);
end
$$;
comment on function @extschema@.held_by_pseudonyms(integer, text[]) is
  'The persons whom a holder names in pseudonyms of its own domain, in order; null for what is none, or of who was in no file of the holder. Errors: 42501 the session''s user does not act for the holder, 22023 no holder, 55000 it has no domain. Internal: niji.load_dataset() calls it.';

create function @extschema@.find_person_by_pseudonym(pseudonym @extschema@.pseudonym, holder text) returns @extschema@.person
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  result niji.person;
begin
  perform niji.require_duty('consent_officer', 'find a person by a holder''s pseudonym');
  if pseudonym is null then
    return null;
  end if;
  result := (niji.persons_of(array[pseudonym], niji.holder_domain(holder)))[1];
  perform niji.record_disclosure('find_person_by_pseudonym', holder, 1, jsonb_build_object('pseudonym', pseudonym::text));
  return result;
end
$$;
comment on function @extschema@.find_person_by_pseudonym(@extschema@.pseudonym, text) is
  'The person whom a holder names by a pseudonym of its own domain (whoever it was merged into, if it was), so that an objection can be recorded for niji.record_consent(). Errors: 22023 not a person''s pseudonym of the holder''s domain, 42704 no such holder, 55000 it has no domain. Duty: consent_officer; on disk in the trail before the answer.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'grant_holder(text, regrole)'),
  ('governance', 'function', 'revoke_holder(text, regrole)'),
  ('loader', 'function', 'holder_pseudonyms(text, text, text[])'),
  ('consent_officer', 'function', 'find_person_by_pseudonym(niji.pseudonym, text)');
