\set SHOW_CONTEXT never
-- formats of the trail, on a server that does not preload niji

-- deterministic CBOR: examples of RFC 8949, appendix A
select bytes, niji.decode_cbor(bytes) from (values
  ('\x00'::bytea), ('\x17'), ('\x1818'), ('\x1864'), ('\x1903e8'), ('\x1a000f4240'), ('\x1b000000e8d4a51000'),
  ('\x1bffffffffffffffff'), ('\x20'), ('\x3863'), ('\x3903e7'), ('\x3bffffffffffffffff'),
  ('\xf90000'), ('\xf98000'), ('\xf93c00'), ('\xfb3ff199999999999a'), ('\xf93e00'), ('\xf97bff'), ('\xfa47c35000'),
  ('\xfa7f7fffff'), ('\xfb7e37e43c8800759c'), ('\xf90001'), ('\xf90400'), ('\xf9c400'), ('\xfbc010666666666666'),
  ('\xf97c00'), ('\xf97e00'), ('\xf9fc00'), ('\xf4'), ('\xf5'), ('\xf6'), ('\x40'), ('\x4401020304'), ('\x60'),
  ('\x6161'), ('\x62225c'), ('\x62c3bc'), ('\x63e6b0b4'), ('\x64f0908591'), ('\x80'), ('\x83010203'), ('\x8301820203820405'),
  ('\x98190102030405060708090a0b0c0d0e0f101112131415161718181819'), ('\xa0'), ('\xa26161016162820203'), ('\x826161a161626163')) v (bytes);

-- what is not deterministic is refused, with its place
do $$
declare
  bad record;
  detail text;
begin
  for bad in
    select * from (values
      (''::bytea, 'nothing'), ('\x1817', 'a small integer in two bytes'), ('\x190018', 'in three'), ('\x1a0000ffff', 'in five'),
      ('\x1b00000000ffffffff', 'in nine'), ('\x1c', 'reserved'), ('\x9f01ff', 'indefinite array'), ('\x5f4101ff', 'indefinite bytes'),
      ('\xfb3ff0000000000000', '1.0 as double'), ('\xfa3f800000', '1.0 as single'), ('\xf97e01', 'another NaN'), ('\xf7', 'undefined'), ('\xf0', 'a simple value'),
      ('\xc000', 'a tag'), ('\xa2616201616102', 'unsorted keys'), ('\xa2626161016162', 'a longer key first'), ('\xa2616101616102', 'a key twice'),
      ('\xa10102', 'a key that is a number'), ('\x62c328', 'bad UTF-8'), ('\x63eda080', 'a surrogate'), ('\x62c080', 'an overlong character'),
      ('\x8201', 'an array cut off'), ('\x4201', 'bytes cut off'), ('\x9b00ffffffffffffff', 'a huge array'), ('\x0000', 'two items'),
      (decode(repeat('81', 40), 'hex') || '\x00'::bytea, 'deep nesting')) v (bytes, what)
  loop
    begin
      perform niji.decode_cbor(bad.bytes);
      raise notice '%: ACCEPTED', bad.what;
    exception when invalid_binary_representation then
      get stacked diagnostics detail = pg_exception_detail;
      raise notice '%: %', bad.what, detail;
    end;
    if niji.read_cbor(bad.bytes) is not null then
      raise notice '%: READ', bad.what;
    end if;
  end loop;
end
$$;
select niji.decode_cbor('\x6100');
select niji.read_cbor('\x6100');
select niji.decode_cbor(decode(repeat('81', 31), 'hex') || '\x00'::bytea) is not null as thirty_one_deep;

-- the Merkle tree: the reference tree of Certificate Transparency (RFC 6962)
create temp table leaf as
  select row_number() over () - 1 as i, sha256('\x00'::bytea || data) as hash
    from (values (''::bytea), ('\x00'), ('\x10'), ('\x2021'), ('\x3031'), ('\x40414243'), ('\x5051525354555657'), ('\x606162636465666768696a6b6c6d6e6f')) v (data);
create function pg_temp.leaves(n bigint) returns bytea[] language sql as 'select coalesce(array_agg(hash order by i), ''{}'') from leaf where i < n';

select n, encode(niji.tree_root(pg_temp.leaves(n)), 'hex') as root,
       encode(niji.tree_root(pg_temp.leaves(n)), 'hex') = known as as_known
  from (values (0, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'),
               (1, '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'),
               (2, 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'),
               (3, 'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77'),
               (4, 'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7'),
               (5, '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4'),
               (6, '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef'),
               (7, 'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c'),
               (8, '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328')) v (n, known);

select index, size,
       (select array_agg(encode(p, 'hex') order by o) from unnest(niji.tree_inclusion(pg_temp.leaves(size), index)) with ordinality u (p, o)) = known as as_known
  from (values (0, 1, null::text[]),
               (0, 8, array['96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7', '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e', '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4']),
               (5, 8, array['bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b', 'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0', 'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7']),
               (2, 3, array['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125']),
               (1, 5, array['6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d', '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e', 'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b'])) v (index, size, known);

select old_size, size,
       (select array_agg(encode(p, 'hex') order by o) from unnest(niji.tree_consistency(pg_temp.leaves(size), old_size)) with ordinality u (p, o)) = known as as_known
  from (values (1, 1, null::text[]),
               (1, 8, array['96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7', '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e', '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4']),
               (6, 8, array['0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a', 'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0', 'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7']),
               (2, 5, array['5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e', 'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b'])) v (old_size, size, known);

-- every size to 300 against the definition: roots, inclusion and consistency proofs (all to 64, then some of each)
create function pg_temp.root(leaves bytea[]) returns bytea language plpgsql as $$
declare
  n int := cardinality(leaves);
  k int := 1;
begin
  if n = 1 then return leaves[1]; end if;
  while k * 2 < n loop k := k * 2; end loop;
  return sha256('\x01'::bytea || pg_temp.root(leaves[1:k]) || pg_temp.root(leaves[k + 1:]));
end
$$;
do $$
declare
  hashes bytea[] := array(select sha256(int4send(i)) from generate_series(1, 300) i);
  roots bytea[];
  tree bytea[];
  proof bytea[];
  wrong int := 0;
  accepted int := 0;
begin
  for n in 1..300 loop
    tree := hashes[1:n];
    roots[n] := niji.tree_root(tree);
    if n % 7 = 0 or n <= 64 or n in (64, 65, 127, 128, 129, 255, 256, 257, 300) then
      if roots[n] <> pg_temp.root(tree) then wrong := wrong + 1; end if;
    end if;
    for i in 0..n - 1 loop
      continue when n > 64 and i % 11 <> n % 11;
      proof := niji.tree_inclusion(tree, i);
      if not niji.verify_inclusion(tree[i + 1], i, n, proof, roots[n]) then wrong := wrong + 1; end if;
      if n > 1 and (niji.verify_inclusion(tree[i + 1], (i + 1) % n, n, proof, roots[n])
                    or niji.verify_inclusion(sha256(''), i, n, proof, roots[n])
                    or niji.verify_inclusion(tree[i + 1], i, n, proof[1:cardinality(proof) - 1], roots[n])) then
        accepted := accepted + 1;
      end if;
      proof := niji.tree_consistency(tree, i + 1);
      if not niji.verify_consistency(i + 1, n, proof, roots[i + 1], roots[n]) then wrong := wrong + 1; end if;
      if i + 1 < n and (niji.verify_consistency(i + 1, n, proof, sha256(''), roots[n])
                        or niji.verify_consistency(i + 1, n, proof, roots[i + 1], sha256(''))
                        or niji.verify_consistency(i + 1, n, proof || sha256(''), roots[i + 1], roots[n])) then
        accepted := accepted + 1;
      end if;
    end loop;
  end loop;
  raise notice '% wrong, % wrongly accepted', wrong, accepted;
end
$$;
select niji.tree_inclusion(pg_temp.leaves(8), 8);
select niji.tree_consistency(pg_temp.leaves(8), 0);
select niji.tree_root(array['\x00'::bytea]);
select niji.verify_inclusion(sha256(''), -1, 1, '{}', sha256('')), niji.verify_inclusion(sha256(''), 0, 0, '{}', sha256('')),
       niji.verify_consistency(0, 1, '{}', sha256(''), sha256('')), niji.verify_consistency(2, 1, '{}', sha256(''), sha256(''));

-- leaf of an entry: 0x00 ‖ 0x01 ‖ length ‖ header ‖ private hash
select niji.entry_leaf('\xa0', sha256('salt')) = sha256('\x0001'::bytea || int4send(1) || '\xa0'::bytea || sha256('salt')) as as_documented;

-- without the writer, acts and changes wait; the tables refuse to be changed
select niji.record_act('regress', 'trail_formats', '{"n": 1, "fraction": 0.1, "big": 123456789012345678901234567890, "deep": [{"z": null, "a": "水"}]}');
select niji.decode_cbor(header) - '{at,pid,session_user,user,client,application}'::text[] as header, niji.decode_cbor(private_part) as private, length(salt)
  from niji.pending_entry order by xid desc, id desc limit 1;
create table niji_regress_audited (id int primary key, v text);
select niji.audit_changes('niji_regress_audited', 'rows');
insert into niji_regress_audited values (1, 'one'), (2, 'two');
update niji_regress_audited set v = 'zwei' where id = 2;
update niji_regress_audited set v = 'none' where id = 3;
select niji.decode_cbor(header) ->> 'command' as command, niji.decode_cbor(header) -> 'columns' as columns, niji.decode_cbor(private_part) as private
  from niji.pending_entry where niji.decode_cbor(header) ->> 'kind' = 'change' order by id;
select niji.audit_changes('niji_regress_audited', 'everything');
select niji.audit_changes('niji_regress_audited', 'none');
select count(*) from pg_trigger where tgrelid = 'niji_regress_audited'::regclass;
drop table niji_regress_audited;
select niji.audit_changes('pg_stat_activity');
select niji.audit_changes('niji.entry');
truncate niji.entry;
delete from niji.seal;
select finding from niji.check_trail() where object in ('server', 'trail');
select count(*) from niji.verify_trail();
select niji.verify_trail(-1);
select niji.verify_trail(2, 1);

-- nobody without a duty
create role niji_regress_nobody;
set session authorization niji_regress_nobody;
select * from niji.trail;
select niji.verify_trail();
select niji.record_act('x', 'y');
select niji.decode_cbor('\x00');
reset session authorization;
grant execute on function niji.verify_trail(bigint, bigint), niji.check_trail(), niji.private_cbor(bytea), niji.prove_inclusion(bigint, bigint), niji.export_seal(bigint), niji.audit_changes(regclass, text) to niji_regress_nobody;
set session authorization niji_regress_nobody;
select niji.verify_trail();
select niji.check_trail();
select niji.private_cbor('\x00');
select niji.prove_inclusion(0, 1);
select niji.export_seal();
select niji.audit_changes('pg_class');
reset session authorization;
drop owned by niji_regress_nobody;
drop role niji_regress_nobody;
