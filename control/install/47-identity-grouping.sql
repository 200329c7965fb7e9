/* ---- identity: grouping by pseudonym as grouping by person (src/identity/grouping.c) ---- */

create function @extschema@.group_by_person_support(internal) returns internal
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.group_by_person_support(internal) is
  'For the planner: GROUP BY pseudonym(person, d), DISTINCT, PARTITION BY and count(DISTINCT) become those of person.';

create function @extschema@.group_by_person(internal) returns boolean
language c stable strict parallel safe as 'MODULE_PATHNAME'
support @extschema@.group_by_person_support;
comment on function @extschema@.group_by_person(internal) is
  'Marks a query that groups by pseudonym; put there, and taken away again, by the planner. True.';

insert into @extschema@.public_function values
  ('group_by_person(internal)');
