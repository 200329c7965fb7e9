/* ---- identity: probes, by which a comparison of pseudonyms reaches an index on persons ---- */

create type @extschema@.probe;

create function @extschema@.probe_in(cstring) returns @extschema@.probe
language c stable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.probe_in(cstring) is 'Raises: a probe is made by niji.make_probe().';
create function @extschema@.probe_out(@extschema@.probe) returns cstring
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.probe_out(@extschema@.probe) is 'Output for EXPLAIN: the pseudonym and its domain.';

create type @extschema@.probe (
  input = @extschema@.probe_in,
  output = @extschema@.probe_out,
  internallength = 20,
  alignment = int4,
  storage = plain
);
comment on type @extschema@.probe is
  'What the planner compares persons with: a pseudonym and its domain, so nothing that the caller does not know. It is undone when it is compared.';
revoke all on type @extschema@.probe from public;

create function @extschema@.make_probe(pseudonym @extschema@.pseudonym, domain integer) returns @extschema@.probe
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.make_probe(@extschema@.pseudonym, integer) is 'A probe for the person behind the pseudonym.';
create function @extschema@.make_probe(pseudonym text, domain integer) returns @extschema@.probe
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'make_probe_text';
comment on function @extschema@.make_probe(text, integer) is 'A probe from text; what is not a pseudonym makes one that nobody equals.';
create function @extschema@.make_probes(pseudonyms @extschema@.pseudonym[], domain integer) returns @extschema@.probe[]
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.make_probes(@extschema@.pseudonym[], integer) is 'A probe for each pseudonym; nulls stay.';
create function @extschema@.make_probes(pseudonyms text[], domain integer) returns @extschema@.probe[]
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'make_probes_text';
comment on function @extschema@.make_probes(text[], integer) is 'A probe for each text; what is not a pseudonym makes one that nobody equals, nulls stay.';

create function @extschema@.probe_sel(internal, oid, internal, integer) returns double precision
language c stable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.probe_sel(internal, oid, internal, integer) is
  'Selectivity of person = probe: that of an unknown value, so that no plan depends on who is behind a probe.';

create function @extschema@.person_eq_probe(@extschema@.person, @extschema@.probe) returns boolean
language c stable strict leakproof parallel safe cost 2 as 'MODULE_PATHNAME';
comment on function @extschema@.person_eq_probe(@extschema@.person, @extschema@.probe) is
  'Implementation of =: whether this is the person behind the probe''s pseudonym. Never raises; what is no pseudonym of its domain is unequal.';
create function @extschema@.probe_eq_person(@extschema@.probe, @extschema@.person) returns boolean
language c stable strict leakproof parallel safe cost 2 as 'MODULE_PATHNAME';
comment on function @extschema@.probe_eq_person(@extschema@.probe, @extschema@.person) is
  'Implementation of =: whether this is the person behind the probe''s pseudonym. Never raises; what is no pseudonym of its domain is unequal.';

-- These two find persons, so nobody may call them: index and hash code does, which asks for no right.
create function @extschema@.person_cmp_probe(@extschema@.person, @extschema@.probe) returns integer
language c stable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.person_cmp_probe(@extschema@.person, @extschema@.probe) is 'Btree comparison, for indexes only; granted to nobody.';
create function @extschema@.probe_cmp_person(@extschema@.probe, @extschema@.person) returns integer
language c stable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.probe_cmp_person(@extschema@.probe, @extschema@.person) is 'Btree comparison, for indexes only; granted to nobody.';
create function @extschema@.probe_cmp(@extschema@.probe, @extschema@.probe) returns integer
language c stable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.probe_cmp(@extschema@.probe, @extschema@.probe) is 'Btree comparison of the persons behind two probes, for indexes only; granted to nobody.';
create function @extschema@.probe_hash(@extschema@.probe) returns integer
language c stable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.probe_hash(@extschema@.probe) is 'Hash of the person behind a probe, for hash joins only; granted to nobody.';
create function @extschema@.probe_hash_extended(@extschema@.probe, bigint) returns bigint
language c stable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.probe_hash_extended(@extschema@.probe, bigint) is 'Hash of 64 bits of the person behind a probe, for partitions only; granted to nobody.';

/*
 * Equality of two probes is that of their bytes, pseudonym and domain, and so
 * tells nothing.  Semi-joins that make a list unique need one in the family; it
 * agrees with the hash, and within one domain with equality of persons.  But it
 * is not marked HASHES: nobody joins probes with probes but to see their buckets.
 */
create function @extschema@.probe_same(@extschema@.probe, @extschema@.probe) returns boolean
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.probe_same(@extschema@.probe, @extschema@.probe) is
  'Whether two probes have the same pseudonym and domain; nothing about persons.';

create operator @extschema@.= (
  function = @extschema@.person_eq_probe, leftarg = @extschema@.person, rightarg = @extschema@.probe,
  commutator = operator(@extschema@.=), restrict = @extschema@.probe_sel, join = eqjoinsel, hashes
);
comment on operator @extschema@.= (@extschema@.person, @extschema@.probe) is 'whether this is the person behind the probe''s pseudonym';
create operator @extschema@.= (
  function = @extschema@.probe_eq_person, leftarg = @extschema@.probe, rightarg = @extschema@.person,
  commutator = operator(@extschema@.=), restrict = @extschema@.probe_sel, join = eqjoinsel, hashes
);
comment on operator @extschema@.= (@extschema@.probe, @extschema@.person) is 'whether this is the person behind the probe''s pseudonym';
create operator @extschema@.= (
  function = @extschema@.probe_same, leftarg = @extschema@.probe, rightarg = @extschema@.probe,
  commutator = operator(@extschema@.=), restrict = eqsel, join = eqjoinsel
);
comment on operator @extschema@.= (@extschema@.probe, @extschema@.probe) is 'whether pseudonym and domain are the same';

alter operator family @extschema@.person_ops using btree add
  operator 3 @extschema@.= (@extschema@.person, @extschema@.probe),
  operator 3 @extschema@.= (@extschema@.probe, @extschema@.person),
  function 1 (@extschema@.person, @extschema@.probe) @extschema@.person_cmp_probe(@extschema@.person, @extschema@.probe),
  function 1 (@extschema@.probe, @extschema@.person) @extschema@.probe_cmp_person(@extschema@.probe, @extschema@.person),
  function 1 (@extschema@.probe, @extschema@.probe) @extschema@.probe_cmp(@extschema@.probe, @extschema@.probe);
alter operator family @extschema@.person_ops using hash add
  operator 1 @extschema@.= (@extschema@.person, @extschema@.probe),
  operator 1 @extschema@.= (@extschema@.probe, @extschema@.person),
  operator 1 @extschema@.= (@extschema@.probe, @extschema@.probe),
  function 1 (@extschema@.probe) @extschema@.probe_hash(@extschema@.probe),
  function 2 (@extschema@.probe) @extschema@.probe_hash_extended(@extschema@.probe, bigint);

insert into @extschema@.public_function values
  ('make_probe(niji.pseudonym, integer)'),
  ('make_probe(text, integer)'),
  ('make_probes(niji.pseudonym[], integer)'),
  ('make_probes(text[], integer)'),
  ('person_eq_probe(niji.person, niji.probe)'),
  ('probe_eq_person(niji.probe, niji.person)'),
  ('probe_same(niji.probe, niji.probe)');
