/* ---- identity: type person ---- */

create type @extschema@.person;

create function @extschema@.person_in(cstring) returns @extschema@.person
language c stable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.person_in(cstring) is
  'Input: a whole number from 1. Refused to everyone but superusers and the duties loader, consent_officer, custodian, auditor.';
create function @extschema@.person_out(@extschema@.person) returns cstring
language c stable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.person_out(@extschema@.person) is
  'Output. Refused to everyone but superusers and the duties consent_officer, custodian, auditor.';
create function @extschema@.person_recv(internal) returns @extschema@.person
language c stable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.person_recv(internal) is 'Binary input; refused as person_in is.';
create function @extschema@.person_send(@extschema@.person) returns bytea
language c stable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.person_send(@extschema@.person) is 'Binary output; refused as person_out is.';

-- a category of its own with physicians, records and households, in which an untyped literal is a person
create type @extschema@.person (
  input = @extschema@.person_in,
  output = @extschema@.person_out,
  receive = @extschema@.person_recv,
  send = @extschema@.person_send,
  like = pg_catalog.int4,
  category = 'n',
  preferred = true
);
comment on type @extschema@.person is
  'A person inside the warehouse: a number without meaning, 4 bytes. Analysts neither enter nor see one; they see a niji.pseudonym.';
revoke all on type @extschema@.person from public;

-- Underneath it is an int4, and it compares, hashes and sorts as one.  There is no cast to or from int4.

create function @extschema@.person_lt(@extschema@.person, @extschema@.person) returns boolean
language internal immutable strict leakproof parallel safe as 'int4lt';
comment on function @extschema@.person_lt(@extschema@.person, @extschema@.person) is 'Implementation of <.';
create function @extschema@.person_le(@extschema@.person, @extschema@.person) returns boolean
language internal immutable strict leakproof parallel safe as 'int4le';
comment on function @extschema@.person_le(@extschema@.person, @extschema@.person) is 'Implementation of <=.';
create function @extschema@.person_eq(@extschema@.person, @extschema@.person) returns boolean
language internal immutable strict leakproof parallel safe as 'int4eq';
comment on function @extschema@.person_eq(@extschema@.person, @extschema@.person) is 'Implementation of =.';
create function @extschema@.person_ne(@extschema@.person, @extschema@.person) returns boolean
language internal immutable strict leakproof parallel safe as 'int4ne';
comment on function @extschema@.person_ne(@extschema@.person, @extschema@.person) is 'Implementation of <>.';
create function @extschema@.person_ge(@extschema@.person, @extschema@.person) returns boolean
language internal immutable strict leakproof parallel safe as 'int4ge';
comment on function @extschema@.person_ge(@extschema@.person, @extschema@.person) is 'Implementation of >=.';
create function @extschema@.person_gt(@extschema@.person, @extschema@.person) returns boolean
language internal immutable strict leakproof parallel safe as 'int4gt';
comment on function @extschema@.person_gt(@extschema@.person, @extschema@.person) is 'Implementation of >.';

create operator pg_catalog.< (
  function = @extschema@.person_lt, leftarg = @extschema@.person, rightarg = @extschema@.person,
  commutator = operator(pg_catalog.>), negator = operator(pg_catalog.>=),
  restrict = scalarltsel, join = scalarltjoinsel
);
comment on operator pg_catalog.< (@extschema@.person, @extschema@.person) is 'less than';
create operator pg_catalog.<= (
  function = @extschema@.person_le, leftarg = @extschema@.person, rightarg = @extschema@.person,
  commutator = operator(pg_catalog.>=), negator = operator(pg_catalog.>),
  restrict = scalarlesel, join = scalarlejoinsel
);
comment on operator pg_catalog.<= (@extschema@.person, @extschema@.person) is 'less than or equal to';
create operator pg_catalog.= (
  function = @extschema@.person_eq, leftarg = @extschema@.person, rightarg = @extschema@.person,
  commutator = operator(pg_catalog.=), negator = operator(pg_catalog.<>),
  restrict = eqsel, join = eqjoinsel, hashes, merges
);
comment on operator pg_catalog.= (@extschema@.person, @extschema@.person) is 'equal to';
create operator pg_catalog.<> (
  function = @extschema@.person_ne, leftarg = @extschema@.person, rightarg = @extschema@.person,
  commutator = operator(pg_catalog.<>), negator = operator(pg_catalog.=),
  restrict = neqsel, join = neqjoinsel
);
comment on operator pg_catalog.<> (@extschema@.person, @extschema@.person) is 'not equal to';
create operator pg_catalog.>= (
  function = @extschema@.person_ge, leftarg = @extschema@.person, rightarg = @extschema@.person,
  commutator = operator(pg_catalog.<=), negator = operator(pg_catalog.<),
  restrict = scalargesel, join = scalargejoinsel
);
comment on operator pg_catalog.>= (@extschema@.person, @extschema@.person) is 'greater than or equal to';
create operator pg_catalog.> (
  function = @extschema@.person_gt, leftarg = @extschema@.person, rightarg = @extschema@.person,
  commutator = operator(pg_catalog.<), negator = operator(pg_catalog.<=),
  restrict = scalargtsel, join = scalargtjoinsel
);
comment on operator pg_catalog.> (@extschema@.person, @extschema@.person) is 'greater than';

create function @extschema@.person_cmp(@extschema@.person, @extschema@.person) returns integer
language internal immutable strict leakproof parallel safe as 'btint4cmp';
comment on function @extschema@.person_cmp(@extschema@.person, @extschema@.person) is 'Btree comparison: -1, 0 or 1.';
create function @extschema@.person_smaller(@extschema@.person, @extschema@.person) returns @extschema@.person
language internal immutable strict leakproof parallel safe as 'int4smaller';
comment on function @extschema@.person_smaller(@extschema@.person, @extschema@.person) is 'The smaller of two; for min().';
create function @extschema@.person_larger(@extschema@.person, @extschema@.person) returns @extschema@.person
language internal immutable strict leakproof parallel safe as 'int4larger';
comment on function @extschema@.person_larger(@extschema@.person, @extschema@.person) is 'The larger of two; for max().';
create function @extschema@.person_hash(@extschema@.person) returns integer
language internal immutable strict leakproof parallel safe as 'hashint4';
comment on function @extschema@.person_hash(@extschema@.person) is 'Hash value.';
create function @extschema@.person_hash_extended(@extschema@.person, bigint) returns bigint
language internal immutable strict leakproof parallel safe as 'hashint4extended';
comment on function @extschema@.person_hash_extended(@extschema@.person, bigint) is 'Hash value of 64 bits with a seed.';
create function @extschema@.person_sortsupport(internal) returns void
language internal immutable strict parallel safe as 'btint4sortsupport';
comment on function @extschema@.person_sortsupport(internal) is 'Sort support.';

create operator family @extschema@.person_ops using btree;
comment on operator family @extschema@.person_ops using btree is 'Order of niji.person.';
create operator class @extschema@.person_ops default for type @extschema@.person using btree family @extschema@.person_ops as
  operator 1 pg_catalog.<,
  operator 2 pg_catalog.<=,
  operator 3 pg_catalog.=,
  operator 4 pg_catalog.>=,
  operator 5 pg_catalog.>,
  function 1 @extschema@.person_cmp(@extschema@.person, @extschema@.person),
  function 2 @extschema@.person_sortsupport(internal),
  function 4 pg_catalog.btequalimage(oid);
comment on operator class @extschema@.person_ops using btree is 'Order of niji.person; with sort support, and equal values have equal bytes.';
create operator family @extschema@.person_ops using hash;
comment on operator family @extschema@.person_ops using hash is 'Equality of niji.person.';
create operator class @extschema@.person_ops default for type @extschema@.person using hash family @extschema@.person_ops as
  operator 1 pg_catalog.=,
  function 1 @extschema@.person_hash(@extschema@.person),
  function 2 @extschema@.person_hash_extended(@extschema@.person, bigint);
comment on operator class @extschema@.person_ops using hash is 'Equality of niji.person.';

create aggregate pg_catalog.min(@extschema@.person) (
  sfunc = @extschema@.person_smaller, stype = @extschema@.person, combinefunc = @extschema@.person_smaller,
  sortop = operator(pg_catalog.<), parallel = safe
);
comment on aggregate pg_catalog.min(@extschema@.person) is 'Smallest of the values that are not null.';
create aggregate pg_catalog.max(@extschema@.person) (
  sfunc = @extschema@.person_larger, stype = @extschema@.person, combinefunc = @extschema@.person_larger,
  sortop = operator(pg_catalog.>), parallel = safe
);
comment on aggregate pg_catalog.max(@extschema@.person) is 'Largest of the values that are not null.';

-- plans that join on persons run with the reader's rights; a person itself no reader ever has
insert into @extschema@.public_function values
  ('person_lt(niji.person, niji.person)'),
  ('person_le(niji.person, niji.person)'),
  ('person_eq(niji.person, niji.person)'),
  ('person_ne(niji.person, niji.person)'),
  ('person_ge(niji.person, niji.person)'),
  ('person_gt(niji.person, niji.person)'),
  ('person_cmp(niji.person, niji.person)'),
  ('person_smaller(niji.person, niji.person)'),
  ('person_larger(niji.person, niji.person)');
