/* ---- trail: seals, proofs, verification ---- */

create function @extschema@.seal_trail() returns bigint
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.seal_trail() is
  'Moves what was recorded and committed so far into the trail and seals it now; the sealed size. What this transaction does itself is not in it yet. Governance and auditors. Errors: 55000 when there is no writer or no seal key.';

create function @extschema@.prove_inclusion(seq bigint, tree_size bigint) returns bytea[]
language c volatile strict parallel unsafe security definer set search_path = pg_catalog, pg_temp as 'MODULE_PATHNAME';
comment on function @extschema@.prove_inclusion(bigint, bigint) is
  'Proof (RFC 9162, 2.1.3.1) that the entry stands in the trail as sealed at this size. Governance and auditors. Errors: 22003 outside of the trail, XX001 when the tree is damaged.';

create function @extschema@.prove_consistency(old_size bigint, new_size bigint) returns bytea[]
language c volatile strict parallel unsafe security definer set search_path = pg_catalog, pg_temp as 'MODULE_PATHNAME';
comment on function @extschema@.prove_consistency(bigint, bigint) is
  'Proof (RFC 9162, 2.1.4.1) that the trail at new_size begins with all that it was at old_size. Governance and auditors. Errors: 22003, XX001.';

create function @extschema@.export_seal(size bigint default null) returns text
language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  line text;
begin
  perform niji.require_duty('auditor,governance', 'export a seal');
  select json_build_object('type', 'seal', 'size', s.size, 'root', encode(s.root, 'base64'),
                           'at', to_char(s.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                           'verifier', k.verifier, 'checkpoint', s.checkpoint)::text
    into line
    from niji.seal s left join niji.seal_key k on k.id = s.key
   where s.size = export_seal.size or export_seal.size is null
   order by s.size desc limit 1;
  if line is null and export_seal.size is not null then
    raise exception using errcode = '22023', message = format('there is no seal of size %s', size), hint = 'The seals are in niji.seals.';
  end if;
  return line;
end
$$;
comment on function @extschema@.export_seal(bigint) is
  'The seal of this size, or the newest: a line of JSON with the checkpoint (C2SP signed note) and the key that verifies it. Null when nothing was sealed yet. Governance and auditors.';

create function @extschema@.seal_delivery(out newest_size bigint, out handed_size bigint, out handed_at timestamptz,
                                          out failures bigint, out failed_at timestamptz, out failure text) returns record
language c volatile parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.seal_delivery() is
  'How niji.seal_command fares since the server started: the newest seal, the newest that the command took, how often it failed since then and how. Governance and auditors.';

insert into @extschema@.duty_right (duty, kind, object)
  select d, 'function', f
    from unnest(array['auditor', 'governance']) d,
         unnest(array['seal_trail()', 'prove_inclusion(bigint, bigint)', 'prove_consistency(bigint, bigint)', 'export_seal(bigint)', 'seal_delivery()']) f;

create function @extschema@.verify_trail(from_seq bigint default null, to_seq bigint default null,
                                         out seq bigint, out finding text) returns setof record
language c volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp as 'MODULE_PATHNAME';
comment on function @extschema@.verify_trail(bigint, bigint) is
  'Verifies the trail, or a part of it: every entry against its leaf hash, the tree and the seals with their signatures. A row a finding, with the entry that it is about; no rows when the trail is intact. Auditors.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('auditor', 'function', 'verify_trail(bigint, bigint)');
