/* ---- trail: what can be checked without the server ---- */

create function @extschema@.prove_range(from_seq bigint, to_seq bigint, tree_size bigint) returns bytea[]
language c volatile strict parallel unsafe security definer set search_path = pg_catalog, pg_temp as 'MODULE_PATHNAME';
comment on function @extschema@.prove_range(bigint, bigint, bigint) is
  'The nodes beside these neighbouring entries, from left to right, that together with them give the root of the trail as sealed at this size. Governance and auditors. Errors: 22003 outside of the trail, XX001 when the tree is damaged.';

create function @extschema@.export_base64(bytes bytea) returns text
language sql immutable strict parallel safe
return '"' || pg_catalog.translate(pg_catalog.encode(bytes, 'base64'), E'\n', '') || '"';
comment on function @extschema@.export_base64(bytea) is 'Bytes as a string of JSON, in base64 without line ends. Internal.';

create function @extschema@.export_base64(hashes bytea[]) returns text
language sql immutable strict parallel safe
return '[' || coalesce((select pg_catalog.string_agg(@extschema@.export_base64(h.hash), ',' order by h.n)
                          from pg_catalog.unnest(hashes) with ordinality h(hash, n)), '') || ']';
comment on function @extschema@.export_base64(bytea[]) is 'Hashes as an array of JSON. Internal.';

create function @extschema@.export_trail(from_seq bigint, to_seq bigint, with_private boolean default false) returns setof text
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  first bigint := coalesce(from_seq, 0);
  size bigint := (select max(s.size) from niji.seal s);
  last bigint := coalesce(to_seq, size - 1);
begin
  perform niji.require_duty('auditor', 'export the trail');
  if size is null then
    raise exception using errcode = '55000', message = 'nothing was sealed yet', hint = 'niji.seal_trail() seals the trail.';
  elsif first < 0 or last < first then
    raise exception using errcode = '22023', message = 'the first entry to export must not be negative nor after the last';
  elsif last >= size then
    raise exception using errcode = '22023', message = format('entry %s is not sealed', last),
      detail = format('The newest seal covers %s entries.', size), hint = 'niji.seal_trail() seals the trail.';
  end if;
  return next format('{"type":"trail","origin":%s,"from":%s,"to":%s,"size":%s,"hashes":%s}',
                     to_json((select i.origin from niji.trail_identity i)), first, last, size,
                     niji.export_base64(niji.prove_range(first, last, size)));
  return next niji.export_seal(size);
  return query
    select format('{"type":"entry","seq":%s,"leaf":%s,"header":%s,%s}', e.seq, niji.export_base64(e.leaf_hash), niji.export_base64(e.header),
                  case when with_private and e.salt is not null
                       then format('"salt":%s,"private":%s', niji.export_base64(e.salt), coalesce(niji.export_base64(e.private_part), 'null'))
                       else format('"private_hash":%s', niji.export_base64(coalesce(e.private_hash, sha256(e.salt || coalesce(e.private_part, ''))))) end)
      from niji.entry e
     where e.seq between first and last
     order by e.seq;
  if with_private then
    perform niji.record_act('export_trail', format('entries %s to %s', first, last), jsonb_build_object('private', true));
  end if;
end
$$;
comment on function @extschema@.export_trail(bigint, bigint, boolean) is
  'The entries from one to another (null: the first, the last that is sealed) as lines of JSON, with the newest seal and the nodes that tie them to it: what niji-verify checks without the server. Private parts only if asked for, and that is an act in the trail. Auditors. Errors: 22023 an entry that is not sealed, 55000 nothing sealed yet.';

create function @extschema@.export_proof(old_size bigint, new_size bigint) returns text
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform niji.require_duty('auditor,governance', 'export a proof');
  return format('{"type":"consistency","old_size":%s,"new_size":%s,"hashes":%s}', old_size, new_size,
                niji.export_base64(niji.prove_consistency(old_size, new_size)));
end
$$;
comment on function @extschema@.export_proof(bigint, bigint) is
  'A line of JSON that shows, with the two seals, that the trail at new_size begins with all that it was at old_size (RFC 9162, 2.1.4): what niji-verify checks without the server. Governance and auditors. Errors: 22003, XX001.';

/* ---- values and private parts ---- */

create function @extschema@.commitment(salt bytea, column_name text, value anyelement) returns bytea
language c stable parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.commitment(bytea, text, anyelement) is
  'The commitment to a value that an entry of mode "keys" holds under its salt: HMAC-SHA-256 over the column''s name and the value''s binary form. Null for null. Errors: 22023 a salt that is not 32 bytes.';

create function @extschema@.prove_value(entry bigint, "row" anyelement, out column_name text, out place int, out is_old boolean, out is_new boolean) returns setof record
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  e record;
  changed jsonb;
  of_row jsonb;
  type_relation oid;
  attribute record;
  hash text;
begin
  perform niji.require_duty('auditor', 'prove values of the trail');
  select t.salt, t.private_hash, niji.read_cbor(t.header) as header, niji.private_cbor(t.private_part) as private
    into e from niji.entry t where t.seq = entry;
  if not found then
    raise exception using errcode = '22023', message = format('there is no entry %s', entry);
  elsif e.header ->> 'kind' is distinct from 'change' or e.header ->> 'mode' is distinct from 'keys' then
    raise exception using errcode = '22023', message = format('entry %s holds no commitments', entry),
      hint = 'Changes in mode "keys" do; see niji.trail_changes.';
  elsif e.private_hash is not null then
    raise exception using errcode = '55000', message = format('the private part of entry %s was erased', entry);
  end if;
  select t.typrelid into type_relation from pg_type t where t.oid = pg_typeof("row");
  if coalesce(type_relation, 0) = 0 then
    raise exception using errcode = '42804', message = 'a row of the table is needed', hint = 'For example: niji.prove_value(17, t) from the_table t.';
  end if;
  place := 0;
  for of_row in select r.value from jsonb_array_elements(e.private -> 'rows') r loop
    place := place + 1;
    for attribute in
      select a.attname from pg_attribute a
       where a.attrelid = type_relation and a.attnum > 0 and not a.attisdropped and of_row -> 'columns' ? a.attname
       order by a.attnum
    loop
      execute format('select pg_catalog.encode(niji.commitment($1, %L, ($2).%I), ''hex'')', attribute.attname, attribute.attname)
        into hash using e.salt, "row";
      column_name := attribute.attname;
      -- null is told as null
      is_old := case when (of_row -> 'columns' -> attribute.attname) ? 'old' then (of_row -> 'columns' -> attribute.attname ->> 'old') is not distinct from hash end;
      is_new := case when (of_row -> 'columns' -> attribute.attname) ? 'new' then (of_row -> 'columns' -> attribute.attname ->> 'new') is not distinct from hash end;
      return next;
    end loop;
  end loop;
end
$$;
comment on function @extschema@.prove_value(bigint, anyelement) is
  'Compares a row that is presented later with what an entry of mode "keys" committed to: for each row of the entry (place) and each column that changed, whether the value presented is the old one, the new one; null where the entry has none. Give a row of the table, or jsonb_populate_record(null::the_table, …). Auditors. Errors: 22023 no such entry or no commitments in it, 42804 not a row, 55000 erased.';

create function @extschema@.erase_private(seq bigint, reason text) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  e record;
begin
  perform niji.require_duty('governance', 'erase a private part of the trail');
  if coalesce(btrim(reason), '') = '' then
    raise exception using errcode = '22023', message = 'an erasure needs a reason';
  end if;
  select t.salt, t.private_part, t.private_hash into e from niji.entry t where t.seq = erase_private.seq for update;
  if not found then
    raise exception using errcode = '22023', message = format('there is no entry %s', seq);
  elsif e.private_hash is not null then
    raise exception using errcode = '55000', message = format('the private part of entry %s was erased before', seq);
  elsif e.private_part is null then
    raise exception using errcode = '55000', message = format('entry %s has no private part', seq);
  elsif not exists (select from niji.seal s where s.size > erase_private.seq) then
    raise exception using errcode = '55000', message = format('entry %s is not sealed yet', seq), hint = 'niji.seal_trail() seals the trail.';
  end if;
  -- what goes has to be what was recorded: otherwise an alteration would be erased with it
  if not exists (select from niji.entry t
                  where t.seq = erase_private.seq and t.leaf_hash = niji.entry_leaf(t.header, sha256(e.salt || e.private_part))) then
    raise exception using errcode = 'XX001', message = format('entry %s was altered and is not erased', seq), hint = 'niji.verify_trail() tells more.';
  end if;
  update niji.entry t set private_hash = sha256(e.salt || e.private_part), salt = null, private_part = null where t.seq = erase_private.seq;
  perform niji.record_act('erase_private', format('entry %s', seq), jsonb_build_object('reason', reason));
end
$$;
comment on function @extschema@.erase_private(bigint, text) is
  'Erases the private part of an entry (statement text, keys, values, details) for good, with its salt; its hash stays, so the trail still verifies. Itself an act in the trail. Backups from before keep what was erased. Governance. Errors: 22023 no such entry or no reason, 55000 not sealed yet, nothing to erase or erased before, XX001 the entry was altered.';

insert into @extschema@.duty_right (duty, kind, object)
  select d, 'function', f
    from unnest(array['auditor', 'governance']) d,
         unnest(array['prove_range(bigint, bigint, bigint)', 'export_proof(bigint, bigint)', 'commitment(bytea, text, anyelement)']) f
  union all values
    ('auditor', 'function', 'export_trail(bigint, bigint, boolean)'),
    ('auditor', 'function', 'prove_value(bigint, anyelement)'),
    ('governance', 'function', 'erase_private(bigint, text)');
