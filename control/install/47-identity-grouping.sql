/* ---- identity: grouping by pseudonym as grouping by person (src/identity/grouping.c) ---- */

create function @extschema@.group_by_person_support(internal) returns internal
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.group_by_person_support(internal) is
  'For the planner: GROUP BY pseudonym(person, d), DISTINCT and count(DISTINCT) become those of person.';

create function @extschema@.group_by_person(internal) returns boolean
language c stable strict parallel safe as 'MODULE_PATHNAME'
support @extschema@.group_by_person_support;
comment on function @extschema@.group_by_person(internal) is
  'Marks a query that groups by pseudonym; put there, and taken away again, by the planner. True.';

/*
 * What groups are made by: equality of persons, with a hash that is another
 * one in every session, and no order.  Groups come out as their hash table
 * holds them; so they come in an order that tells nothing about persons, and is
 * not the same under another permit.
 */
create function @extschema@.person_group_eq(@extschema@.person, @extschema@.person) returns boolean
language internal immutable strict leakproof parallel safe as 'int4eq';
comment on function @extschema@.person_group_eq(@extschema@.person, @extschema@.person) is 'Implementation of ==.';
create function @extschema@.person_group_hash(@extschema@.person) returns integer
language c stable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.person_group_hash(@extschema@.person) is
  'Hash value under a random seed of the process, for hash tables of groups; granted to nobody.';

create operator @extschema@.== (
  function = @extschema@.person_group_eq, leftarg = @extschema@.person, rightarg = @extschema@.person,
  commutator = operator(@extschema@.==), restrict = eqsel, join = eqjoinsel, hashes
);
comment on operator @extschema@.== (@extschema@.person, @extschema@.person) is 'equal to, for grouping';
create operator family @extschema@.person_group_ops using hash;
comment on operator family @extschema@.person_group_ops using hash is 'Equality of niji.person with a hash of each session''s own; not for indexes.';
create operator class @extschema@.person_group_ops for type @extschema@.person using hash family @extschema@.person_group_ops as
  operator 1 @extschema@.== (@extschema@.person, @extschema@.person),
  function 1 @extschema@.person_group_hash(@extschema@.person);
comment on operator class @extschema@.person_group_ops using hash is 'Equality of niji.person with a hash of each session''s own; not for indexes.';

insert into @extschema@.public_function values
  ('group_by_person(internal)'),
  ('person_group_eq(niji.person, niji.person)');
