/* ---- identity: what came beside identifiers ---- */

create table @extschema@.identifier_attribute (
  kind integer not null,
  generation smallint not null,
  digest bytea not null check (length(digest) = 16),
  tag integer not null,
  first boolean not null,
  source text,
  seen_at timestamptz not null default pg_catalog.now()
);
create unique index identifier_attribute_first on @extschema@.identifier_attribute (generation, digest, kind) where first;
create unique index identifier_attribute_other on @extschema@.identifier_attribute (generation, digest, kind, tag) where not first;
comment on table @extschema@.identifier_attribute is
  'With which month of birth and sex (生年月・性別) an identifier came, if it came with one that is not part of it: as a tag of 4 bytes, keyed and bound to the digest, which tells that another one differs and nothing else. first: what others are compared with; each that differs is a row of niji.identity_conflict. generation: of the master key. No duty may see it. src/identity/attribute.c reads the columns by their position.';
select pg_catalog.pg_extension_config_dump('@extschema@.identifier_attribute', '');
