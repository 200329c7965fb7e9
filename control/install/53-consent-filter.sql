/* ---- consent: the filter ---- */

create function @extschema@.permitted_support(internal) returns internal
language c strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.permitted_support(internal) is
  'Planner support: which share of the persons a filter lets pass, and what it costs.';

create function @extschema@.permitted(person @extschema@.person, permit int, dataset int) returns boolean
language c stable strict leakproof parallel safe cost 1
support @extschema@.permitted_support as 'MODULE_PATHNAME', 'permitted';
comment on function @extschema@.permitted(@extschema@.person, int, int) is
  'Whether the person''s consents, as the statement''s snapshot and clock see them, allow what the permit does with the dataset. The row filter of a permit''s policies. Null for a null person. Errors: 55000 when there is no rule, no such use, or no preload; 53200 beyond niji.consent_memory.';

create function @extschema@.permitted(person @extschema@.person, permit int, dataset int, holder int) returns boolean
language c stable leakproof parallel safe cost 1
support @extschema@.permitted_support as 'MODULE_PATHNAME', 'permitted_holder';
comment on function @extschema@.permitted(@extschema@.person, int, int, int) is
  'As permitted(person, permit, dataset), for datasets whose rows name their holder. A null holder means no where the answer depends on it.';

insert into @extschema@.public_function values
  ('permitted(niji.person, integer, integer)'),
  ('permitted(niji.person, integer, integer, integer)');
