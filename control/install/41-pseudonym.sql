/* ---- identity: type pseudonym ---- */

create type @extschema@.pseudonym;

create function @extschema@.pseudonym_in(cstring) returns @extschema@.pseudonym
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_in(cstring) is
  'Input: 26 characters of base32 and two check characters; case, hyphens, O for 0 and I or L for 1 are forgiven, a mistyped one is an error (22P02).';
create function @extschema@.pseudonym_out(@extschema@.pseudonym) returns cstring
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_out(@extschema@.pseudonym) is 'Output: 28 letters and digits.';
create function @extschema@.pseudonym_recv(internal) returns @extschema@.pseudonym
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_recv(internal) is 'Binary input: the text form, checked as input is.';
create function @extschema@.pseudonym_send(@extschema@.pseudonym) returns bytea
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_send(@extschema@.pseudonym) is 'Binary output: the text form, so that a client that asks for binary sees what a text client sees.';

-- a string type to the parser, so that ||, LIKE and lists of text resolve as they do for varchar
create type @extschema@.pseudonym (
  input = @extschema@.pseudonym_in,
  output = @extschema@.pseudonym_out,
  receive = @extschema@.pseudonym_recv,
  send = @extschema@.pseudonym_send,
  internallength = 16,
  alignment = char,
  storage = plain,
  category = 'S',
  preferred = false
);
comment on type @extschema@.pseudonym is
  'What an analyst sees instead of a person or an institution: 16 bytes, shown as 28 letters and digits; differs from domain to domain.';

create function @extschema@.pseudonym_eq_support(internal) returns internal
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_eq_support(internal) is
  'For the planner: pseudonym(person, d) = x becomes person = make_probe(x, d), and pseudonym(a, d) = pseudonym(b, d) becomes a = b.';
create function @extschema@.pseudonym_ne_support(internal) returns internal
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_ne_support(internal) is
  'For the planner: as pseudonym_eq_support, negated.';
create function @extschema@.pseudonym_any_support(internal) returns internal
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_any_support(internal) is
  'For the planner: pseudonym(person, d) = any (list) becomes person = any (make_probes(list, d)).';


create function @extschema@.pseudonym_lt(@extschema@.pseudonym, @extschema@.pseudonym) returns boolean
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_lt(@extschema@.pseudonym, @extschema@.pseudonym) is 'Implementation of <.';
create function @extschema@.pseudonym_le(@extschema@.pseudonym, @extschema@.pseudonym) returns boolean
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_le(@extschema@.pseudonym, @extschema@.pseudonym) is 'Implementation of <=.';
create function @extschema@.pseudonym_eq(@extschema@.pseudonym, @extschema@.pseudonym) returns boolean
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME'
support @extschema@.pseudonym_eq_support;
comment on function @extschema@.pseudonym_eq(@extschema@.pseudonym, @extschema@.pseudonym) is 'Implementation of =.';
create function @extschema@.pseudonym_ne(@extschema@.pseudonym, @extschema@.pseudonym) returns boolean
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME'
support @extschema@.pseudonym_ne_support;
comment on function @extschema@.pseudonym_ne(@extschema@.pseudonym, @extschema@.pseudonym) is 'Implementation of <>.';
create function @extschema@.pseudonym_ge(@extschema@.pseudonym, @extschema@.pseudonym) returns boolean
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_ge(@extschema@.pseudonym, @extschema@.pseudonym) is 'Implementation of >=.';
create function @extschema@.pseudonym_gt(@extschema@.pseudonym, @extschema@.pseudonym) returns boolean
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_gt(@extschema@.pseudonym, @extschema@.pseudonym) is 'Implementation of >.';

create operator pg_catalog.< (
  function = @extschema@.pseudonym_lt, leftarg = @extschema@.pseudonym, rightarg = @extschema@.pseudonym,
  commutator = operator(pg_catalog.>), negator = operator(pg_catalog.>=),
  restrict = scalarltsel, join = scalarltjoinsel
);
comment on operator pg_catalog.< (@extschema@.pseudonym, @extschema@.pseudonym) is 'less than';
create operator pg_catalog.<= (
  function = @extschema@.pseudonym_le, leftarg = @extschema@.pseudonym, rightarg = @extschema@.pseudonym,
  commutator = operator(pg_catalog.>=), negator = operator(pg_catalog.>),
  restrict = scalarlesel, join = scalarlejoinsel
);
comment on operator pg_catalog.<= (@extschema@.pseudonym, @extschema@.pseudonym) is 'less than or equal to';
create operator pg_catalog.= (
  function = @extschema@.pseudonym_eq, leftarg = @extschema@.pseudonym, rightarg = @extschema@.pseudonym,
  commutator = operator(pg_catalog.=), negator = operator(pg_catalog.<>),
  restrict = eqsel, join = eqjoinsel, hashes, merges
);
comment on operator pg_catalog.= (@extschema@.pseudonym, @extschema@.pseudonym) is 'equal to';
create operator pg_catalog.<> (
  function = @extschema@.pseudonym_ne, leftarg = @extschema@.pseudonym, rightarg = @extschema@.pseudonym,
  commutator = operator(pg_catalog.<>), negator = operator(pg_catalog.=),
  restrict = neqsel, join = neqjoinsel
);
comment on operator pg_catalog.<> (@extschema@.pseudonym, @extschema@.pseudonym) is 'not equal to';
create operator pg_catalog.>= (
  function = @extschema@.pseudonym_ge, leftarg = @extschema@.pseudonym, rightarg = @extschema@.pseudonym,
  commutator = operator(pg_catalog.<=), negator = operator(pg_catalog.<),
  restrict = scalargesel, join = scalargejoinsel
);
comment on operator pg_catalog.>= (@extschema@.pseudonym, @extschema@.pseudonym) is 'greater than or equal to';
create operator pg_catalog.> (
  function = @extschema@.pseudonym_gt, leftarg = @extschema@.pseudonym, rightarg = @extschema@.pseudonym,
  commutator = operator(pg_catalog.<), negator = operator(pg_catalog.<=),
  restrict = scalargtsel, join = scalargtjoinsel
);
comment on operator pg_catalog.> (@extschema@.pseudonym, @extschema@.pseudonym) is 'greater than';

create function @extschema@.pseudonym_cmp(@extschema@.pseudonym, @extschema@.pseudonym) returns integer
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_cmp(@extschema@.pseudonym, @extschema@.pseudonym) is 'Btree comparison: -1, 0 or 1.';
create function @extschema@.pseudonym_smaller(@extschema@.pseudonym, @extschema@.pseudonym) returns @extschema@.pseudonym
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_smaller(@extschema@.pseudonym, @extschema@.pseudonym) is 'The smaller of two; for min().';
create function @extschema@.pseudonym_larger(@extschema@.pseudonym, @extschema@.pseudonym) returns @extschema@.pseudonym
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_larger(@extschema@.pseudonym, @extschema@.pseudonym) is 'The larger of two; for max().';
create function @extschema@.pseudonym_hash(@extschema@.pseudonym) returns integer
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_hash(@extschema@.pseudonym) is 'Hash value.';
create function @extschema@.pseudonym_hash_extended(@extschema@.pseudonym, bigint) returns bigint
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_hash_extended(@extschema@.pseudonym, bigint) is 'Hash value of 64 bits with a seed.';
create function @extschema@.pseudonym_sortsupport(internal) returns void
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_sortsupport(internal) is 'Sort support.';

create operator family @extschema@.pseudonym_ops using btree;
comment on operator family @extschema@.pseudonym_ops using btree is 'Order of niji.pseudonym.';
create operator class @extschema@.pseudonym_ops default for type @extschema@.pseudonym using btree family @extschema@.pseudonym_ops as
  operator 1 pg_catalog.<,
  operator 2 pg_catalog.<=,
  operator 3 pg_catalog.=,
  operator 4 pg_catalog.>=,
  operator 5 pg_catalog.>,
  function 1 @extschema@.pseudonym_cmp(@extschema@.pseudonym, @extschema@.pseudonym),
  function 2 @extschema@.pseudonym_sortsupport(internal),
  function 4 pg_catalog.btequalimage(oid);
comment on operator class @extschema@.pseudonym_ops using btree is 'Order of niji.pseudonym; with sort support, and equal values have equal bytes.';
create operator family @extschema@.pseudonym_ops using hash;
comment on operator family @extschema@.pseudonym_ops using hash is 'Equality of niji.pseudonym.';
create operator class @extschema@.pseudonym_ops default for type @extschema@.pseudonym using hash family @extschema@.pseudonym_ops as
  operator 1 pg_catalog.=,
  function 1 @extschema@.pseudonym_hash(@extschema@.pseudonym),
  function 2 @extschema@.pseudonym_hash_extended(@extschema@.pseudonym, bigint);
comment on operator class @extschema@.pseudonym_ops using hash is 'Equality of niji.pseudonym.';

create aggregate pg_catalog.min(@extschema@.pseudonym) (
  sfunc = @extschema@.pseudonym_smaller, stype = @extschema@.pseudonym, combinefunc = @extschema@.pseudonym_smaller,
  sortop = operator(pg_catalog.<), parallel = safe
);
comment on aggregate pg_catalog.min(@extschema@.pseudonym) is 'Smallest of the values that are not null.';
create aggregate pg_catalog.max(@extschema@.pseudonym) (
  sfunc = @extschema@.pseudonym_larger, stype = @extschema@.pseudonym, combinefunc = @extschema@.pseudonym_larger,
  sortop = operator(pg_catalog.>), parallel = safe
);
comment on aggregate pg_catalog.max(@extschema@.pseudonym) is 'Largest of the values that are not null.';

/* with text */

create function @extschema@.pseudonym_text(@extschema@.pseudonym) returns text
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.pseudonym_text(@extschema@.pseudonym) is 'The text form, as behind the cast to text.';
create cast (@extschema@.pseudonym as text) with function @extschema@.pseudonym_text(@extschema@.pseudonym) as implicit;
comment on cast (@extschema@.pseudonym as text) is 'The text form of a pseudonym.';

create function @extschema@.text_pseudonym(text) returns @extschema@.pseudonym
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.text_pseudonym(text) is
  'Reads a pseudonym as input does, but gives null for what is not one.';

create function @extschema@.pseudonym_eq_text(@extschema@.pseudonym, text) returns boolean
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME'
support @extschema@.pseudonym_eq_support;
comment on function @extschema@.pseudonym_eq_text(@extschema@.pseudonym, text) is 'Implementation of =: the text is read as input reads it; one that is malformed is unequal, not an error.';
create function @extschema@.pseudonym_ne_text(@extschema@.pseudonym, text) returns boolean
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME'
support @extschema@.pseudonym_ne_support;
comment on function @extschema@.pseudonym_ne_text(@extschema@.pseudonym, text) is 'Implementation of <>: the text is read as input reads it; one that is malformed is unequal, not an error.';
create operator pg_catalog.= (
  function = @extschema@.pseudonym_eq_text, leftarg = @extschema@.pseudonym, rightarg = text,
  commutator = operator(pg_catalog.=), negator = operator(pg_catalog.<>),
  restrict = eqsel, join = eqjoinsel
);
comment on operator pg_catalog.= (@extschema@.pseudonym, text) is 'equal to: text is read leniently, malformed text is unequal';
create operator pg_catalog.<> (
  function = @extschema@.pseudonym_ne_text, leftarg = @extschema@.pseudonym, rightarg = text,
  commutator = operator(pg_catalog.<>), negator = operator(pg_catalog.=),
  restrict = neqsel, join = neqjoinsel
);
comment on operator pg_catalog.<> (@extschema@.pseudonym, text) is 'not equal to: text is read leniently, malformed text is unequal';
create function @extschema@.text_eq_pseudonym(text, @extschema@.pseudonym) returns boolean
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME'
support @extschema@.pseudonym_eq_support;
comment on function @extschema@.text_eq_pseudonym(text, @extschema@.pseudonym) is 'Implementation of =: the text is read as input reads it; one that is malformed is unequal, not an error.';
create function @extschema@.text_ne_pseudonym(text, @extschema@.pseudonym) returns boolean
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME'
support @extschema@.pseudonym_ne_support;
comment on function @extschema@.text_ne_pseudonym(text, @extschema@.pseudonym) is 'Implementation of <>: the text is read as input reads it; one that is malformed is unequal, not an error.';
create operator pg_catalog.= (
  function = @extschema@.text_eq_pseudonym, leftarg = text, rightarg = @extschema@.pseudonym,
  commutator = operator(pg_catalog.=), negator = operator(pg_catalog.<>),
  restrict = eqsel, join = eqjoinsel
);
comment on operator pg_catalog.= (text, @extschema@.pseudonym) is 'equal to: text is read leniently, malformed text is unequal';
create operator pg_catalog.<> (
  function = @extschema@.text_ne_pseudonym, leftarg = text, rightarg = @extschema@.pseudonym,
  commutator = operator(pg_catalog.<>), negator = operator(pg_catalog.=),
  restrict = neqsel, join = neqjoinsel
);
comment on operator pg_catalog.<> (text, @extschema@.pseudonym) is 'not equal to: text is read leniently, malformed text is unequal';

/* = any (list), which the planner turns into calls of these while it looks for a person behind the pseudonym */

create function @extschema@.pseudonym_any(@extschema@.pseudonym, @extschema@.pseudonym[]) returns boolean
language c immutable leakproof parallel safe as 'MODULE_PATHNAME'
support @extschema@.pseudonym_any_support;
comment on function @extschema@.pseudonym_any(@extschema@.pseudonym, @extschema@.pseudonym[]) is
  'The same as pseudonym = any (list), nulls included; put there by the planner.';
create function @extschema@.pseudonym_any_text(@extschema@.pseudonym, text[]) returns boolean
language c immutable leakproof parallel safe as 'MODULE_PATHNAME'
support @extschema@.pseudonym_any_support;
comment on function @extschema@.pseudonym_any_text(@extschema@.pseudonym, text[]) is
  'The same as pseudonym = any (list of text), nulls included; put there by the planner.';

insert into @extschema@.public_function values
  ('pseudonym_lt(niji.pseudonym, niji.pseudonym)'),
  ('pseudonym_le(niji.pseudonym, niji.pseudonym)'),
  ('pseudonym_eq(niji.pseudonym, niji.pseudonym)'),
  ('pseudonym_ne(niji.pseudonym, niji.pseudonym)'),
  ('pseudonym_ge(niji.pseudonym, niji.pseudonym)'),
  ('pseudonym_gt(niji.pseudonym, niji.pseudonym)'),
  ('pseudonym_cmp(niji.pseudonym, niji.pseudonym)'),
  ('pseudonym_smaller(niji.pseudonym, niji.pseudonym)'),
  ('pseudonym_larger(niji.pseudonym, niji.pseudonym)'),
  ('pseudonym_in(cstring)'),
  ('pseudonym_out(niji.pseudonym)'),
  ('pseudonym_send(niji.pseudonym)'),
  ('pseudonym_hash(niji.pseudonym)'),
  ('pseudonym_hash_extended(niji.pseudonym, bigint)'),
  ('pseudonym_text(niji.pseudonym)'),
  ('text_pseudonym(text)'),
  ('pseudonym_eq_text(niji.pseudonym, text)'),
  ('pseudonym_ne_text(niji.pseudonym, text)'),
  ('text_eq_pseudonym(text, niji.pseudonym)'),
  ('text_ne_pseudonym(text, niji.pseudonym)'),
  ('pseudonym_any(niji.pseudonym, niji.pseudonym[])'),
  ('pseudonym_any_text(niji.pseudonym, text[])');
