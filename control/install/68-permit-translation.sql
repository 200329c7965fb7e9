/* ---- permit: translation between domains, for a trusted linker ---- */

/*
 * Whoever holds lists in two domains joins them; so two people of governance
 * open a pair of domains for one linker, for a time, and neither is the linker.
 * A linker reads under no permit of the two, so that nobody sees rows and
 * translates their pseudonyms.
 */
create table @extschema@.translation (
  id bigint generated always as identity primary key,
  from_domain integer not null references @extschema@.domain,
  to_domain integer not null references @extschema@.domain,
  linker_role oid not null,
  linker name not null,
  reason text not null,
  valid_until timestamptz not null,
  asked_by name not null default session_user,
  asked_at timestamptz not null default now(),
  opened_by name,
  opened_at timestamptz,
  closed_by name,
  closed_at timestamptz,
  check (from_domain <> to_domain),
  check (opened_by <> asked_by and linker <> asked_by and linker <> opened_by)
);
comment on table @extschema@.translation is
  'Pairs of domains that a linker may translate between, in one direction (仮名の変換). linker_role counts only while the role has the name too.';
select pg_catalog.pg_extension_config_dump('@extschema@.translation', '');
select pg_catalog.pg_extension_config_dump('@extschema@.translation_id_seq', '');

create view @extschema@.translations as
  select t.id, f.name as from_name, t.from_domain, g.name as to_name, t.to_domain, t.linker, t.reason,
         case when t.closed_at is not null then 'closed'
              when now() > t.valid_until then 'expired'
              when f.erased_at is not null or g.erased_at is not null then 'erased'
              when t.opened_at is null then 'asked'
              else 'open' end as state,
         t.valid_until, t.asked_by, t.asked_at, t.opened_by, t.opened_at, t.closed_by, t.closed_at
    from @extschema@.translation t
    join @extschema@.domain f on f.id = t.from_domain
    join @extschema@.domain g on g.id = t.to_domain;
comment on view @extschema@.translations is
  'Pairs of pseudonym domains that were asked for or opened for a linker (仮名の変換); state: asked, open, closed, expired, erased.';

create function @extschema@.find_domain(name text) returns integer
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  d niji.domain;
begin
  select * into d from niji.domain x where x.name = find_domain.name;
  if not found then
    raise exception using errcode = '42704', message = format('there is no pseudonym domain "%s"', name),
      hint = 'The domains are in niji.domains: a permit''s bears the permit''s code, a holder''s the name "holder CODE".';
  end if;
  if d.erased_at is not null then
    raise exception using errcode = '55000', message = format('pseudonym domain "%s" was erased', name);
  end if;
  return d.id;
end
$$;
comment on function @extschema@.find_domain(text) is 'The number of a domain by its name. Errors: 42704, 55000 erased. Internal.';

create function @extschema@.reads_in(reader oid, domain integer) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select exists (select from niji.reader r join niji.permit p on p.id = r.permit and p.domain = reads_in.domain
                   join pg_catalog.pg_roles me on me.oid = reads_in.reader
                   left join pg_catalog.pg_roles o on o.oid = r.role and o.rolname = r.role_name
                  where r.role_name = me.rolname or r.role = me.oid
                     or (o.oid is not null and not me.rolsuper and pg_has_role(me.oid, o.oid, 'member')))
$$;
comment on function @extschema@.reads_in(oid, integer) is
  'Whether a role is a reader, or a member of one, of any permit of the domain. Internal.';

create function @extschema@.open_translation(from_domain text, to_domain text, linker regrole, reason text, valid_until timestamptz default now() + interval '30 days')
returns boolean
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  f integer;
  g integer;
  r pg_catalog.pg_roles;
  t niji.translation;
begin
  perform niji.require_duty('governance', 'open a translation');
  f := niji.find_domain(from_domain);
  g := niji.find_domain(to_domain);
  if f = g then
    raise exception using errcode = '22023', message = 'a translation is between two domains';
  end if;
  if coalesce(btrim(reason), '') = '' then
    raise exception using errcode = '22023', message = 'opening a translation needs a reason';
  end if;
  if valid_until is null or valid_until <= now() or valid_until > now() + interval '1 year' then
    raise exception using errcode = '22023', message = 'a translation is open for more than nothing and at most a year';
  end if;
  select * into r from pg_catalog.pg_roles o where o.oid = linker;
  if not found then
    raise exception using errcode = '42704', message = 'the role does not exist';
  end if;
  if r.rolname = session_user then
    raise exception using errcode = '42501', message = format('permission denied to open a translation for "%s"', r.rolname),
      detail = 'Nobody makes themselves a linker.';
  end if;
  if niji.reads_in(r.oid, f) or niji.reads_in(r.oid, g) then
    raise exception using errcode = '42501', message = format('role "%s" cannot be the linker', r.rolname),
      detail = 'It is a reader of a permit of one of the domains.';
  end if;

  -- two who ask at the same time are the first and the second
  lock table niji.translation in share row exclusive mode;
  select * into t from niji.translation x
   where x.from_domain = f and x.to_domain = g and x.linker_role = r.oid and x.linker = r.rolname
     and x.closed_at is null and x.valid_until > now()
   order by x.id desc limit 1;
  if t.id is null then
    insert into niji.translation (from_domain, to_domain, linker_role, linker, reason, valid_until)
      values (f, g, r.oid, r.rolname, open_translation.reason, open_translation.valid_until)
      returning * into t;
  elsif t.opened_by is null and t.asked_by <> session_user then
    -- the second agrees to what the first asked for, or to less
    t.valid_until := least(t.valid_until, open_translation.valid_until);
    update niji.translation x set opened_by = session_user, opened_at = now(), valid_until = t.valid_until where x.id = t.id;
    t.opened_by := session_user;
  end if;
  perform niji.record_act('open_translation', from_domain || ' to ' || to_domain,
            jsonb_build_object('id', t.id, 'linker', r.rolname, 'reason', reason, 'valid_until', t.valid_until, 'opened', t.opened_by is not null));
  return t.opened_by is not null;
end
$$;
comment on function @extschema@.open_translation(text, text, regrole, text, timestamptz) is
  'Lets a custodian (the linker) translate pseudonyms of one domain into those of another, until a time: true once a second person of governance has called it. Errors: 42704 no such domain or role, 55000 erased, 22023 no reason, the same domain, or a time that is over or beyond a year, 42501 oneself, or a reader of a permit of one of the domains. Duty: governance; recorded.';

create function @extschema@.close_translation(id bigint, reason text) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  t niji.translation;
begin
  perform niji.require_duty('governance, custodian', 'close a translation');
  if coalesce(btrim(reason), '') = '' then
    raise exception using errcode = '22023', message = 'closing a translation needs a reason';
  end if;
  update niji.translation x set closed_by = session_user, closed_at = now()
   where x.id = close_translation.id and x.closed_at is null returning * into t;
  if not found then
    raise exception using errcode = '42704', message = format('there is no open translation %s', id),
      hint = 'They are in niji.translations.';
  end if;
  perform niji.record_act('close_translation', id::text, jsonb_build_object('linker', t.linker, 'reason', reason));
end
$$;
comment on function @extschema@.close_translation(bigint, text) is
  'Ends a translation at once; one person is enough. Errors: 42704, 22023 no reason. Duties: governance, custodian; recorded.';

create function @extschema@.translate_pseudonyms(pseudonyms @extschema@.pseudonym[], from_domain integer, to_domain integer) returns @extschema@.pseudonym[]
language plpgsql volatile strict parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  me pg_catalog.pg_roles;
begin
  perform niji.require_duty('custodian', 'translate pseudonyms');
  perform niji.require_protection();
  select * into strict me from pg_catalog.pg_roles o where o.rolname = session_user;
  if not exists (select from niji.translation t
                  where t.from_domain = translate_pseudonyms.from_domain and t.to_domain = translate_pseudonyms.to_domain
                    and t.linker_role = me.oid and t.linker = me.rolname
                    and t.opened_at is not null and t.closed_at is null and t.valid_until >= clock_timestamp()) then
    raise exception using errcode = '42501', message = format('permission denied to translate from domain %s to domain %s', from_domain, to_domain),
      detail = 'No translation between the two is open for the session''s user.',
      hint = 'Two people of governance open one with niji.open_translation().';
  end if;
  if niji.reads_in(me.oid, from_domain) or niji.reads_in(me.oid, to_domain) then
    raise exception using errcode = '42501', message = format('permission denied to translate from domain %s to domain %s', from_domain, to_domain),
      detail = 'The session''s user is a reader of a permit of one of the domains.';
  end if;
  return niji.translate_list(pseudonyms, from_domain, to_domain,
           (select f.name || ' to ' || g.name from niji.domain f, niji.domain g
             where f.id = translate_pseudonyms.from_domain and g.id = translate_pseudonyms.to_domain));
end
$$;
comment on function @extschema@.translate_pseudonyms(@extschema@.pseudonym[], integer, integer) is
  'Pseudonyms of the same persons in another domain (仮名の変換), in order, null for null, and of whom they were merged into; at most 500 000 at once. The entry that says so, with the persons in its private part, is on disk before the answer, and stays when the transaction rolls back. Errors: 42501 not opened for the session''s user, or a reader, 22023 one is not a person''s pseudonym of the domain (by its place; nothing is answered), 54000 too many, 55000. Duty: custodian, as the linker of niji.open_translation().';

create function @extschema@.translate_pseudonym(pseudonym @extschema@.pseudonym, from_domain integer, to_domain integer) returns @extschema@.pseudonym
language sql volatile strict parallel unsafe set search_path = pg_catalog, pg_temp
as $$ select (niji.translate_pseudonyms(array[pseudonym], from_domain, to_domain))[1] $$;
comment on function @extschema@.translate_pseudonym(@extschema@.pseudonym, integer, integer) is
  'One pseudonym in another domain, as niji.translate_pseudonyms(), which is far faster for many: each call waits for the disk. Duty: custodian.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'open_translation(text, text, regrole, text, timestamp with time zone)'),
  ('governance', 'function', 'close_translation(bigint, text)'),
  ('custodian', 'function', 'close_translation(bigint, text)'),
  ('custodian', 'function', 'translate_pseudonyms(niji.pseudonym[], integer, integer)'),
  ('custodian', 'function', 'translate_pseudonym(niji.pseudonym, integer, integer)'),
  ('governance', 'select', 'translations'),
  ('custodian', 'select', 'translations'),
  ('auditor', 'select', 'translations');
