/* ---- identity: many pseudonyms at once, for acts that turn them back ---- */

create function @extschema@.persons_of(pseudonyms @extschema@.pseudonym[], domain integer) returns @extschema@.person[]
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.persons_of(@extschema@.pseudonym[], integer) is
  'The persons behind pseudonyms of a domain, in order; null for null. Whoever was merged into another person since is that person. Errors: 22023 one of them is not a person''s pseudonym of this domain (named by its place); 55000 the domain is unknown or erased, or there is no key. Internal.';

create function @extschema@.persons_behind(pseudonyms @extschema@.pseudonym[], domain integer) returns @extschema@.person[]
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.persons_behind(@extschema@.pseudonym[], integer) is
  'As niji.persons_of(), with null for what is not a person''s pseudonym of this domain. Internal: for rows of files.';

create function @extschema@.pseudonyms_of(persons @extschema@.person[], domain integer) returns @extschema@.pseudonym[]
language c stable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonyms_of(@extschema@.person[], integer) is
  'The pseudonyms of persons in a domain, in order; null for null. Unlike niji.pseudonym() also in the session of a loader or a consent officer: for domains of holders. Internal.';

create function @extschema@.translate_list(pseudonyms @extschema@.pseudonym[], from_domain integer, to_domain integer, object text) returns @extschema@.pseudonym[]
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.translate_list(@extschema@.pseudonym[], integer, integer, text) is
  'Pseudonyms of the same persons in another domain, after the trail has it on disk that they are given. Errors as for niji.persons_of(); 54000 more than 500 000. Internal.';
