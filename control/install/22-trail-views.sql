/* ---- trail: views, decoded from the headers ---- */

create function @extschema@.header_time(bigint) returns timestamptz
language sql immutable strict parallel safe
return timestamptz 'epoch' + $1 * interval '1 microsecond';
comment on function @extschema@.header_time(bigint) is 'A header''s time, µs since 1970 UTC, as timestamptz.';

create view @extschema@.trail as
  select e.seq,
         @extschema@.header_time((h.header ->> 'at')::bigint) as at,
         h.header ->> 'kind' as kind,
         h.header ->> 'session_user' as "session_user",
         h.header ->> 'user' as "user",
         h.header ->> 'client' as client,
         h.header ->> 'application' as application,
         (h.header ->> 'pid')::int as pid,
         e.spool,
         h.header,
         @extschema@.private_cbor(e.private_part) as private,
         e.private_hash is not null as erased,
         e.leaf_hash
    from @extschema@.entry e,
         lateral (select @extschema@.read_cbor(e.header) as header offset 0) h;
comment on view @extschema@.trail is
  'The record: one row an entry in order, decoded from the bytes that were hashed. The private part (statement text, values) only for auditors.';

create view @extschema@.trail_reads as
  select t.seq, t.at, t."session_user",
         t.header ->> 'permit' as permit,
         t.header ->> 'command' as command,
         array(select d.value from pg_catalog.jsonb_array_elements_text(
                 case when pg_catalog.jsonb_typeof(t.header -> 'datasets') = 'array' then t.header -> 'datasets' else '[]' end) d) as datasets,
         (c.header ->> 'rows')::bigint as rows,
         (c.header ->> 'persons_scanned')::bigint as persons_scanned,
         (c.header ->> 'persons_shown')::bigint as persons_shown,
         c.header ->> 'outcome' as outcome,
         t.private ->> 'text' as text,
         t.private -> 'parameters' as parameters,
         t.header -> 'columns' as columns,
         (c.header ->> 'micros')::bigint as micros,
         t."user", t.client, t.application, t.pid,
         (t.header ->> 'permit_id')::int as permit_id,
         (t.header ->> 'query_id')::bigint as query_id,
         t.spool,
         (t.header ->> 'parent')::bigint as parent,
         c.seq as end_seq,
         array(select d.value::bigint from pg_catalog.jsonb_array_elements_text(
                 case when pg_catalog.jsonb_typeof(t.header -> 'overrides') = 'array' then t.header -> 'overrides' else '[]' end) d) as overrides,
         (c.header ->> 'cpu')::bigint as cpu,
         (c.header ->> 'buffers')::bigint as buffers,
         (c.header ->> 'bytes')::bigint as bytes
    from @extschema@.trail t
    left join lateral (
      select e.seq, h.header
        from @extschema@.entry e,
             lateral (select @extschema@.read_cbor(e.header) as header offset 0) h
       where e.spool = t.spool and e.seq > t.seq and h.header ->> 'kind' = 'read_end'
       order by e.seq limit 1) c on true
   where t.kind = 'read'
     and coalesce((c.header ->> 'persons_scanned')::bigint, 1) > 0;
comment on view @extschema@.trail_reads is
  'Reads (statements that scanned at least one person; the others are in niji.trail_probes), each joined to its closing entry: rows, persons whose rows passed the filter, persons whose pseudonyms were shown (null: unknown, so possibly everyone permitted). Without an outcome the read has not ended.';

create view @extschema@.trail_changes as
  select t.seq, t.at, t."session_user",
         t.header ->> 'relation' as relation,
         t.header ->> 'command' as command,
         t.header ->> 'mode' as mode,
         (t.header ->> 'rows')::bigint as rows,
         (t.header ->> 'persons')::bigint as persons,
         array(select d.value from pg_catalog.jsonb_array_elements_text(
                 case when pg_catalog.jsonb_typeof(t.header -> 'columns') = 'array' then t.header -> 'columns' else '[]' end) d) as columns,
         (t.header ->> 'xid')::xid8 as xid,
         (t.header ->> 'part')::int as part,
         t.private -> 'rows' as changed,
         t."user", t.client, t.application, t.pid, t.erased
    from @extschema@.trail t
   where t.kind = 'change';
comment on view @extschema@.trail_changes is
  'Changes of audited tables, one row a statement (large ones in parts). columns: what an UPDATE changed; changed: keys, columns and commitments, or rows, by mode.';

create view @extschema@.trail_acts as
  select t.seq, t.at, t."session_user",
         t.header ->> 'action' as action,
         t.header ->> 'object' as object,
         t.private -> 'details' as details,
         t."user", t.client, t.application, t.pid, t.erased
    from @extschema@.trail t
   where t.kind = 'act';
comment on view @extschema@.trail_acts is 'Acts of governance: who did what to which object; details only for auditors.';

create view @extschema@.seals as
  select s.size, s.at, s.root, k.verifier, s.checkpoint
    from @extschema@.seal s left join @extschema@.seal_key k on k.id = s.key;
comment on view @extschema@.seals is
  'Seals of the trail: signed heads of its Merkle tree. A copy kept outside proves what the trail was.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('auditor', 'select', 'trail'),
  ('auditor', 'select', 'trail_reads'),
  ('auditor', 'select', 'trail_changes'),
  ('auditor', 'select', 'trail_acts'),
  ('auditor', 'select', 'seals'),
  ('governance', 'select', 'seals'),
  ('auditor', 'function', 'header_time(bigint)');
