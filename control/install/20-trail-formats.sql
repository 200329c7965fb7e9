/* ---- trail: formats ---- */

create function @extschema@.decode_cbor(bytea) returns jsonb
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.decode_cbor(bytea) is
  'Deterministic CBOR (RFC 8949, 4.2) as jsonb, bytes as hexadecimal text. Errors: 22P03 with the place and the rule that was broken. Headers and private parts of the trail are such CBOR.';

create function @extschema@.read_cbor(bytea) returns jsonb
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.read_cbor(bytea) is
  'As decode_cbor(), but null for what is not deterministic CBOR: one damaged entry must not hide the others. verify_trail() names it.';

create function @extschema@.private_cbor(bytea) returns jsonb
language c stable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.private_cbor(bytea) is
  'As read_cbor(), for the private part of an entry: null unless the session''s user is an auditor (or a superuser).';

/* ---- the Merkle tree over leaf hashes that the caller holds (RFC 9162); the trail's own: prove_inclusion() ---- */

create function @extschema@.tree_root(leaf_hashes bytea[]) returns bytea
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.tree_root(bytea[]) is
  'Root of the Merkle tree (RFC 9162) over these leaf hashes.';

create function @extschema@.tree_inclusion(leaf_hashes bytea[], index bigint) returns bytea[]
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.tree_inclusion(bytea[], bigint) is
  'Inclusion proof (RFC 9162, 2.1.3.1) of the leaf with this index, from 0.';

create function @extschema@.tree_consistency(leaf_hashes bytea[], old_size bigint) returns bytea[]
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.tree_consistency(bytea[], bigint) is
  'Consistency proof (RFC 9162, 2.1.4.1) between the first old_size leaves and all.';

create function @extschema@.verify_inclusion(leaf_hash bytea, index bigint, tree_size bigint, proof bytea[], root bytea) returns boolean
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.verify_inclusion(bytea, bigint, bigint, bytea[], bytea) is
  'Whether the proof shows that the leaf stands at this index of the tree with this size and root (RFC 9162, 2.1.3.2).';

create function @extschema@.verify_consistency(old_size bigint, new_size bigint, proof bytea[], old_root bytea, new_root bytea) returns boolean
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.verify_consistency(bigint, bigint, bytea[], bytea, bytea) is
  'Whether the proof shows that the new tree begins with all of the old one (RFC 9162, 2.1.4.2).';

create function @extschema@.entry_leaf(header bytea, private_hash bytea) returns bytea
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.entry_leaf(bytea, bytea) is
  'Leaf hash of an entry: SHA-256(0x00 ‖ 0x01 ‖ uint32 length ‖ header ‖ private hash); the private hash is SHA-256(salt ‖ private part), and SHA-256(salt) without one.';

insert into @extschema@.duty_right (duty, kind, object)
  select d, 'function', f
    from unnest(array['auditor', 'governance']) d,
         unnest(array['decode_cbor(bytea)', 'read_cbor(bytea)', 'private_cbor(bytea)', 'tree_root(bytea[])', 'tree_inclusion(bytea[], bigint)',
                      'tree_consistency(bytea[], bigint)', 'verify_inclusion(bytea, bigint, bigint, bytea[], bytea)',
                      'verify_consistency(bigint, bigint, bytea[], bytea, bytea)', 'entry_leaf(bytea, bytea)']) f;
