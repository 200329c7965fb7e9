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
