/* ---- identity: links between identifiers and persons ---- */

create table @extschema@.identity_conflict (
  id bigint generated always as identity primary key,
  what text not null check (what in ('crosswalk', 'birth_or_sex')),
  kind integer not null,
  other_kind integer,
  person @extschema@.person not null,
  other_person @extschema@.person,
  source text,
  times bigint not null default 1,
  found_at timestamptz not null default pg_catalog.clock_timestamp(),
  found_by name not null default session_user,
  resolved_at timestamptz,
  resolved_by name,
  note text,
  check (what <> 'crosswalk' or other_person is not null)
);
create unique index identity_conflict_open on @extschema@.identity_conflict (what, kind, coalesce(other_kind, 0), person, other_person)
  where resolved_at is null;
comment on table @extschema@.identity_conflict is
  'Where sources disagree about who is whom (名寄せの不一致). Holds persons, no identifiers. Nothing is merged because of a conflict: a custodian decides.';
select pg_catalog.pg_extension_config_dump('@extschema@.identity_conflict', '');
select pg_catalog.pg_extension_config_dump('@extschema@.identity_conflict_id_seq', '');

create view @extschema@.identity_conflicts as
  select c.id, c.what, k.kind, o.kind as other_kind, c.source, c.times, c.found_at, c.found_by,
         c.resolved_at, c.resolved_by, c.note
    from @extschema@.identity_conflict c
    join @extschema@.identifier_kind k on k.id = c.kind
    left join @extschema@.identifier_kind o on o.id = c.other_kind;
comment on view @extschema@.identity_conflicts is
  'Where sources disagree about who is whom (名寄せの不一致), without persons or identifiers; niji.conflict_persons() gives custodians the persons. what: crosswalk (two identifiers that a crosswalk ties together are known as two persons), birth_or_sex (an insured number came with another month of birth or sex than the first time).';

create function @extschema@.conflict_persons(conflict bigint, out person @extschema@.person, out other_person @extschema@.person) returns record
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform niji.require_duty('custodian', 'see the persons of a conflict');
  select c.person, c.other_person into person, other_person from niji.identity_conflict c where c.id = conflict;
  if not found then
    raise exception using errcode = '42704', message = format('there is no conflict %s', conflict);
  end if;
  person := niji.current_person(person);
  other_person := niji.current_person(other_person);
  -- on disk before the answer, whatever becomes of the transaction
  perform niji.record_disclosure('conflict_persons', conflict::text, num_nonnulls(person, other_person), '{}');
end
$$;
comment on function @extschema@.conflict_persons(bigint) is
  'The two persons of a conflict of niji.identity_conflicts, as they are now: the same one when they were merged; of birth_or_sex the one whose the identifier was when it was found. Errors: 42704 no such conflict. Duty: custodian; recorded in the trail.';

create function @extschema@.resolve_conflict(conflict bigint, note text) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform niji.require_duty('custodian', 'resolve a conflict');
  if note is null or note !~ '\S' then
    raise exception using errcode = '22023', message = 'a conflict cannot be resolved without a note',
      hint = 'Say what was found out and done; do not write identifiers into it.';
  end if;
  update niji.identity_conflict c
     set resolved_at = clock_timestamp(), resolved_by = session_user, note = resolve_conflict.note
   where c.id = conflict and c.resolved_at is null;
  if not found then
    raise exception using errcode = '42704', message = format('there is no open conflict %s', conflict);
  end if;
  perform niji.record_act('resolve_conflict', conflict::text, jsonb_build_object('note', note));
end
$$;
comment on function @extschema@.resolve_conflict(bigint, text) is
  'Closes a conflict of niji.identity_conflicts with a note of what was found out. Errors: 42704 no such open conflict, 22023 no note. Duty: custodian; recorded in the trail.';

/* ---- by hand ---- */

create function @extschema@.link_digest(whom @extschema@.person, kind_id integer, kind_name text, version integer, digests bytea[],
  source text, confidence numeric, valid_during daterange) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  newest constant smallint := cardinality(digests);
  whose constant niji.person := niji.current_person(whom);
  before record;
  mine record;
begin
  if isempty(valid_during) then
    raise exception using errcode = '22023', message = 'a link cannot be valid at no time';
  end if;
  if confidence < 0 or confidence > 1 then
    raise exception using errcode = '22023', message = 'a confidence is a number from 0 to 1';
  end if;
  if not exists (select from niji.identifier i where i.person = whose) then
    raise exception using errcode = '42704', message = 'there is no such person',
      detail = 'Only persons who have an identifier are given further ones.';
  end if;

  -- the first row of the digest is locked, or made
  for attempt in 1 .. 10 loop
    select i.generation into before from niji.identifier i, unnest(digests) with ordinality d (digest, generation)
     where i.digest = d.digest and i.generation = d.generation and i.kind = kind_id and i.period = 0
       for update of i;
    exit when found;
    insert into niji.identifier (kind, generation, normalization, digest, person, source, confidence, valid_during)
      values (kind_id, newest, version, digests[newest], whose, link_digest.source, link_digest.confidence, link_digest.valid_during)
      on conflict (kind, generation, digest) where period = 0 do nothing;
    if found then
      perform niji.record_act('link_identifier', kind_name,
        jsonb_build_object('person', whose::text, 'source', source, 'confidence', confidence, 'valid_during', valid_during));
      return;
    end if;
  end loop;
  if before is null then
    raise exception using errcode = '40001', message = 'could not link an identifier because of concurrent changes';
  end if;

  if exists (select from niji.identifier i, unnest(digests) with ordinality d (digest, generation)
              where i.digest = d.digest and i.generation = d.generation and i.kind = kind_id
                and i.person <> whose and coalesce(i.valid_during && link_digest.valid_during, true)) then
    raise exception using errcode = '23P01', message = 'the identifier points at another person at that time',
      detail = 'An identifier points at one person at a time.',
      hint = 'If the number was used again, say from when to when it was whose (valid_during), the earlier person first. If the two are one human, use niji.merge_persons().';
  end if;

  -- what was said before about this person and time is replaced
  select min(i.period) as period, jsonb_agg(jsonb_build_object('source', i.source, 'confidence', i.confidence, 'valid_during', i.valid_during)) as said
    into mine
    from niji.identifier i, unnest(digests) with ordinality d (digest, generation)
   where i.digest = d.digest and i.generation = d.generation and i.kind = kind_id
     and i.person = whose and coalesce(i.valid_during && link_digest.valid_during, true);
  if mine.period is not null then
    delete from niji.identifier i using unnest(digests) with ordinality d (digest, generation)
     where i.digest = d.digest and i.generation = d.generation and i.kind = kind_id
       and i.person = whose and coalesce(i.valid_during && link_digest.valid_during, true) and i.period <> mine.period;
    update niji.identifier i set source = link_digest.source, confidence = link_digest.confidence, valid_during = link_digest.valid_during
      from unnest(digests) with ordinality d (digest, generation)
     where i.digest = d.digest and i.generation = d.generation and i.kind = kind_id and i.period = mine.period;
  else
    -- under REPEATABLE READ the next linker shall meet an updated row, not miss a new one
    update niji.identifier i set period = 0 from unnest(digests) with ordinality d (digest, generation)
     where i.digest = d.digest and i.generation = d.generation and i.kind = kind_id and i.period = 0;
    insert into niji.identifier (kind, generation, normalization, digest, person, source, confidence, valid_during, period)
      select kind_id, newest, version, digests[newest], whose, link_digest.source, link_digest.confidence, link_digest.valid_during, max(i.period) + 1
        from niji.identifier i, unnest(digests) with ordinality d (digest, generation)
       where i.digest = d.digest and i.generation = d.generation and i.kind = kind_id;
  end if;
  perform niji.record_act('link_identifier', kind_name,
    jsonb_build_object('person', whose::text, 'source', source, 'confidence', confidence, 'valid_during', valid_during, 'before', mine.said));
end
$$;
comment on function @extschema@.link_digest(@extschema@.person, integer, text, integer, bytea[], text, numeric, daterange) is
  'The rows of niji.link_identifier(), which makes digests of the identifier. Internal.';

create function @extschema@.link_identifier(person @extschema@.person, kind text, identifier text, source text default null,
  confidence numeric default null, valid_during daterange default null) returns void
language c volatile parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.link_identifier(@extschema@.person, text, text, text, numeric, daterange) is
  'Says that an identifier points at a person (名寄せ): for good, or during a range of days. What was said before about the same person and an overlapping time is replaced, so a link is ended by giving it a range with an end; the same number may then belong to another person from that day. confidence: 0 to 1, null when exact. Errors: 23P01 it points at another person at that time, 42704 no such person, 22P02 malformed, 22004 null. Duty: custodian; recorded in the trail.';

create function @extschema@.identifier_digests(kind text, identifier text) returns bytea[]
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.identifier_digests(text, text) is 'The digests of an identifier by generation. Internal, for niji.split_person().';

/* ---- by crosswalk ---- */

create function @extschema@.find_batch(kind text, identifiers text[], out persons @extschema@.person[], out rules text[]) returns record
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.find_batch(text, text[]) is 'Whose identifiers are, null where nobody''s, and the rules that malformed ones break. Internal, for niji.load_crosswalk().';

create function @extschema@.link_batch(kind text, identifiers text[], given @extschema@.person[], source text,
  out persons @extschema@.person[], out rules text[]) returns record
language c volatile parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.link_batch(text, text[], @extschema@.person[], text) is
  'Stores identifiers that nobody has for the persons beside them, and gives whose each is then. Internal, for niji.load_crosswalk().';

create function @extschema@.load_crosswalk(from_kind text, to_kind text, relation regclass, source text default null, enrol boolean default false,
  from_column name default 'from_identifier', to_column name default 'to_identifier',
  out linked bigint, out known bigint, out conflicts bigint, out unknown bigint, out malformed bigint) returns record
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  portion constant bigint := 50000;
  from_id integer;
  to_id integer;
  shape text := 'niji_row bigint';
  from_found boolean := false;
  to_found boolean := false;
  c record;
  r record;
  rows bigint;
  from_texts text[];
  to_texts text[];
  from_persons niji.person[];
  to_persons niji.person[];
  from_rules text[];
  to_rules text[];
  given niji.person[];
  before boolean[];                        -- one half was not known
begin
  perform niji.require_duty('loader', 'load a crosswalk');
  select k.id into from_id from niji.identifier_kind k where k.kind = from_kind;
  select k.id into to_id from niji.identifier_kind k where k.kind = to_kind;
  if from_id is null or to_id is null or from_id = to_id then
    raise exception using errcode = '22023', message = 'a crosswalk ties two kinds of identifiers together',
      hint = 'Kinds are in niji.identifier_kind; an epoch of hash IDs is a kind of its own.';
  end if;
  if relation is null then
    raise exception using errcode = '22004', message = 'no relation was given';
  end if;
  perform niji.lock_staging(relation);
  for c in select a.attname, a.attnum, format_type(a.atttypid, a.atttypmod) as type
             from pg_attribute a where a.attrelid = relation and a.attnum > 0 and not a.attisdropped order by a.attnum loop
    if c.attname in (from_column, to_column) and c.type <> 'text' then
      raise exception using errcode = '42804', message = format('column "%s" is not of type text', c.attname);
    end if;
    from_found := from_found or c.attname = from_column;
    to_found := to_found or c.attname = to_column;
    shape := shape || format(', %I %s', case c.attname when from_column then 'niji_from' when to_column then 'niji_to' else 'c' || c.attnum end, c.type);
  end loop;
  if not from_found or not to_found or from_column = to_column then
    raise exception using errcode = '42703', message = 'the relation does not have the two columns of a crosswalk',
      detail = format('They would be "%s" and "%s".', from_column, to_column);
  end if;

  linked := 0; known := 0; conflicts := 0; unknown := 0; malformed := 0;
  -- a copy that is ours, not analysed: statistics would hold identifiers
  execute format('create temporary table niji_crosswalk on commit drop as select niji_row, niji_from, niji_to from niji.scan_staging(%s) as s (%s)', relation::oid, shape);
  get diagnostics rows = row_count;
  create index on pg_temp.niji_crosswalk (niji_row);
  for low in 1 .. rows by portion loop
    select array_agg(w.niji_from order by w.niji_row), array_agg(w.niji_to order by w.niji_row) into from_texts, to_texts
      from pg_temp.niji_crosswalk w where w.niji_row between low and low + portion - 1;
    select f.persons, f.rules into from_persons, from_rules from niji.find_batch(from_kind, from_texts) f;
    select f.persons, f.rules into to_persons, to_rules from niji.find_batch(to_kind, to_texts) f;
    select count(*) into rows
      from unnest(from_texts, to_texts, from_rules, to_rules) u (a, b, x, y) where u.a is null or u.b is null or u.x is not null or u.y is not null;
    malformed := malformed + rows;
    -- rows of which a half is missing or malformed take no part
    select array_agg(u.a order by u.o), array_agg(u.b order by u.o), array_agg(u.p order by u.o), array_agg(u.q order by u.o)
      into from_texts, to_texts, from_persons, to_persons
      from unnest(from_texts, to_texts, from_persons, to_persons, from_rules, to_rules) with ordinality u (a, b, p, q, x, y, o)
     where u.a is not null and u.b is not null and u.x is null and u.y is null;
    continue when from_texts is null;
    before := array(select u.p is null or u.q is null from unnest(from_persons, to_persons) with ordinality u (p, q, o) order by u.o);
    if enrol then
      -- neither known: the newer identifier makes the person
      select array_agg(coalesce(u.q, u.e) order by u.o) into to_persons
        from unnest(to_persons,
                    niji.enrol_batch(to_kind, (select array_agg(case when u.p is null and u.q is null then u.b end order by u.o)
                                                 from unnest(to_texts, from_persons, to_persons) with ordinality u (b, p, q, o)), source)) with ordinality u (q, e, o);
    end if;
    -- each half is given the other's person; who has one keeps it
    select l.persons into given from niji.link_batch(to_kind, to_texts, from_persons, source) l;
    select array_agg(coalesce(u.p, u.q) order by u.o) into to_persons from unnest(to_persons, given) with ordinality u (p, q, o);
    select l.persons into given from niji.link_batch(from_kind, from_texts, to_persons, source) l;
    select array_agg(coalesce(u.p, u.q) order by u.o) into from_persons from unnest(from_persons, given) with ordinality u (p, q, o);
    select known + count(*) filter (where u.p = u.q and not u.before), linked + count(*) filter (where u.p = u.q and u.before),
           unknown + count(*) filter (where u.p is null)
      into known, linked, unknown
      from unnest(from_persons, to_persons, before) u (p, q, before);
    for r in
      select from_id as kind, to_id as other_kind, u.p as person, u.q as other_person, count(*) as times
        from unnest(from_persons, to_persons) u (p, q) where u.p <> u.q
       group by u.p, u.q
    loop
      conflicts := conflicts + r.times;
      insert into niji.identity_conflict as i (what, kind, other_kind, person, other_person, source, times)
        values ('crosswalk', r.kind, r.other_kind, r.person, r.other_person, load_crosswalk.source, r.times)
        on conflict (what, kind, coalesce(other_kind, 0), person, other_person) where resolved_at is null
        do update set times = i.times + excluded.times;
    end loop;
  end loop;
  drop table pg_temp.niji_crosswalk;
  perform niji.record_act('load_crosswalk', from_kind || ' ' || to_kind,
    jsonb_build_object('source', source, 'linked', linked, 'known', known, 'conflicts', conflicts, 'unknown', unknown, 'malformed', malformed));
end
$$;
comment on function @extschema@.load_crosswalk(text, text, regclass, text, boolean, name, name) is
  'Ties two kinds of identifiers together by a table of the caller''s own with two text columns: who is known by one of a pair is from then on known by both (対応表). Counts: linked, known (both were the same person already), conflicts (both are known, as two persons: a row in niji.identity_conflicts, nothing is merged), unknown (neither is known; with enrol they become one new person and count as linked), malformed (or null). Errors: 22023 no such kinds, 42703, 42804 not two text columns. Duty: loader; recorded in the trail.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('custodian', 'function', 'link_identifier(niji.person, text, text, text, numeric, daterange)'),
  ('custodian', 'function', 'conflict_persons(bigint)'),
  ('custodian', 'function', 'resolve_conflict(bigint, text)'),
  ('custodian', 'select', 'identity_conflicts'),
  ('governance', 'select', 'identity_conflicts'),
  ('auditor', 'select', 'identity_conflicts'),
  ('loader', 'function', 'load_crosswalk(text, text, regclass, text, boolean, name, name)');
