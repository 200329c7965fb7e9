/* ---- identity: domains, and pseudonyms from persons ---- */

create table @extschema@.domain (
  id integer generated always as identity primary key,
  name text not null unique check (name <> ''),
  kind text not null check (kind in ('permit', 'holder')),
  generation integer not null,
  salt bytea check (length(salt) = 32),
  created_at timestamptz not null default now(),
  erased_at timestamptz,
  erased_reason text,
  check ((salt is null) = (erased_at is not null))
);
comment on table @extschema@.domain is
  'Domains within which pseudonyms are equal (仮名化ドメイン). A domain''s key comes from a generation of the master key and the salt; without the salt nobody can make or undo its pseudonyms.';
comment on column @extschema@.domain.kind is 'permit: a permit and its renewals; holder: so that a holder can be answered in pseudonyms of its own';
comment on column @extschema@.domain.generation is 'The generation of the master key that it was made with, and keeps';
comment on column @extschema@.domain.salt is '32 random bytes; null when the domain was erased';

create trigger invalidate after insert or update or delete or truncate on @extschema@.domain
  for each statement execute function @extschema@.invalidate();
alter table @extschema@.domain enable always trigger invalidate;

select pg_catalog.pg_extension_config_dump('@extschema@.domain', '');
select pg_catalog.pg_extension_config_dump('@extschema@.domain_id_seq', '');

create view @extschema@.domains as
  select d.id, d.name, d.kind, d.generation, d.created_at, d.erased_at, d.erased_reason from @extschema@.domain d;
comment on view @extschema@.domains is
  'Pseudonym domains (仮名化ドメイン) without their salts: a permit''s bears the permit''s code, a holder''s the name "holder CODE". generation: of the master key that it was made with, and keeps.';

create function @extschema@.domain_generation() returns integer
language c stable parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.domain_generation() is
  'The generation of the master key that a new domain gets; 55000 when there is none.';
create function @extschema@.domain_salt() returns bytea
language c volatile parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.domain_salt() is '32 random bytes.';

create function @extschema@.create_domain(name text, kind text default 'permit') returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  new_id integer;
begin
  perform niji.require_duty('governance', 'create a pseudonym domain');
  if coalesce(create_domain.name, '') = '' then
    raise exception using errcode = '22023', message = 'a pseudonym domain needs a name';
  end if;
  if kind is null or kind not in ('permit', 'holder') then
    raise exception using errcode = '22023', message = 'a pseudonym domain is of kind "permit" or "holder"';
  end if;
  if exists (select from niji.domain d where d.name = create_domain.name) then
    raise exception using errcode = '42710', message = format('pseudonym domain "%s" already exists', create_domain.name);
  end if;
  insert into niji.domain (name, kind, generation, salt)
    values (create_domain.name, create_domain.kind, niji.domain_generation(), niji.domain_salt())
    returning id into new_id;
  perform niji.record_act('create_domain', create_domain.name, jsonb_build_object('domain', new_id, 'kind', kind));
  return new_id;
end
$$;
comment on function @extschema@.create_domain(text, text) is
  'Makes a pseudonym domain (仮名化ドメイン) with a random salt and gives its number. Kind is "permit" or "holder". Errors: 42710 the name is taken, 55000 there is no master key. Governance; recorded.';

create function @extschema@.erase_domain(name text, reason text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  d record;
  code text;
begin
  perform niji.require_duty('governance', 'erase a pseudonym domain');
  if coalesce(btrim(reason), '') = '' then
    raise exception using errcode = '22023', message = 'erasing a pseudonym domain needs a reason';
  end if;
  select * into d from niji.domain x where x.name = erase_domain.name for update;
  if not found then
    raise exception using errcode = '42704', message = format('there is no pseudonym domain "%s"', erase_domain.name),
      hint = 'The domains are in niji.domains.';
  end if;
  if d.erased_at is not null then
    raise exception using errcode = '55000', message = format('pseudonym domain "%s" was erased already', erase_domain.name);
  end if;
  select p.code into code from niji.permit p
   where p.domain = d.id and p.state in ('granted', 'suspended') limit 1;
  if found then
    raise exception using errcode = '55000',
      message = format('pseudonym domain "%s" is in use by permit "%s"', erase_domain.name, code),
      hint = 'Close the permits of the domain first.';
  end if;
  update niji.domain x set salt = null, erased_at = now(), erased_reason = reason where x.id = d.id;
  perform niji.record_act('erase_domain', erase_domain.name, jsonb_build_object('domain', d.id, 'reason', reason));
end
$$;
comment on function @extschema@.erase_domain(text, text) is
  'Destroys a domain''s salt: from the next statement of every session on, its pseudonyms can neither be made nor undone, by anyone who has no older backup, WAL or standby. Errors: 55000 a permit in force uses it. Governance; recorded.';

create function @extschema@.pseudonym(person @extschema@.person, domain integer) returns @extschema@.pseudonym
language c stable strict parallel safe cost 2 as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym(@extschema@.person, integer) is
  'The person''s pseudonym in the domain. Errors: 55000 the domain is unknown or erased, or there is no key.';

create function @extschema@.person_of(pseudonym @extschema@.pseudonym, domain integer) returns @extschema@.person
language c stable strict parallel safe cost 2 as 'MODULE_PATHNAME';
comment on function @extschema@.person_of(@extschema@.pseudonym, integer) is
  'The person behind a pseudonym. Errors: 22023 not a person''s pseudonym of this domain; 55000 the domain is unknown or erased, or there is no key. Granted to no duty: turning a pseudonym back takes two people.';

create function @extschema@.pseudonym(code @extschema@.institution_code, domain integer, of_row @extschema@.person) returns @extschema@.pseudonym
language c stable strict parallel safe cost 2 as 'MODULE_PATHNAME', 'pseudonym_of_institution';
comment on function @extschema@.pseudonym(@extschema@.institution_code, integer, @extschema@.person) is
  'The institution''s pseudonym in the domain. The person of the row is there so that nobody without a row can try institutions one by one: who has no person gets null. Errors: 55000 the domain is unknown or erased, or there is no key.';

insert into @extschema@.public_function values
  ('pseudonym(niji.person, integer)'),
  ('pseudonym(niji.institution_code, integer, niji.person)');
insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'create_domain(text, text)'),
  ('governance', 'select', 'domains'),
  ('custodian', 'select', 'domains'),
  ('auditor', 'select', 'domains'),
  ('governance', 'function', 'erase_domain(text, text)');
