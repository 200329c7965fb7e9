/* ---- codes: the types ---- */

/*
 * The four types differ in their form alone (src/codes/pack.c), so they are
 * made from one description.  In the text below %T% is the type and %S% the
 * ending of the names of its operators on text (see (3)); %D% describes it.
 *
 * Comparison within a type is that of int8, which a code is to the server:
 * integer order is the order of the codes' texts in the C collation.
 */
do $do$
declare
  description text[];
  command text := $template$

create type @extschema@.%T%;

-- (1) input and output; the binary form is the text form

create function @extschema@.%T%_in(cstring) returns @extschema@.%T%
  language c immutable strict parallel safe as 'MODULE_PATHNAME', '%T%_in';
create function @extschema@.%T%_out(@extschema@.%T%) returns cstring
  language c immutable strict parallel safe as 'MODULE_PATHNAME', 'code_out';
create function @extschema@.%T%_recv(internal) returns @extschema@.%T%
  language c immutable strict parallel safe as 'MODULE_PATHNAME', '%T%_recv';
create function @extschema@.%T%_send(@extschema@.%T%) returns bytea
  language c immutable strict parallel safe as 'MODULE_PATHNAME', 'code_send';

create type @extschema@.%T% (
  input = @extschema@.%T%_in,
  output = @extschema@.%T%_out,
  receive = @extschema@.%T%_recv,
  send = @extschema@.%T%_send,
  like = pg_catalog.int8,
  -- a string to the parser, so that || and coalesce() with text resolve as for varchar
  category = 'S'
);
comment on type @extschema@.%T% is '%D%';

create function @extschema@.text(@extschema@.%T%) returns text
  language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'code_to_text';
create function @extschema@.%T%(text) returns @extschema@.%T%
  language c immutable strict parallel safe as 'MODULE_PATHNAME', '%T%_from_text';
create cast (@extschema@.%T% as text) with function @extschema@.text(@extschema@.%T%) as implicit;
create cast (text as @extschema@.%T%) with function @extschema@.%T%(text) as assignment;
create cast (varchar as @extschema@.%T%) with function @extschema@.%T%(text) as assignment;

create function @extschema@.check_ok(code @extschema@.%T%) returns boolean
  language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', '%T%_check_ok';

-- (2) code with code

create function @extschema@.%T%_eq(@extschema@.%T%, @extschema@.%T%) returns boolean
  language internal immutable strict leakproof parallel safe as 'int8eq';
create function @extschema@.%T%_ne(@extschema@.%T%, @extschema@.%T%) returns boolean
  language internal immutable strict leakproof parallel safe as 'int8ne';
create function @extschema@.%T%_lt(@extschema@.%T%, @extschema@.%T%) returns boolean
  language internal immutable strict leakproof parallel safe as 'int8lt';
create function @extschema@.%T%_le(@extschema@.%T%, @extschema@.%T%) returns boolean
  language internal immutable strict leakproof parallel safe as 'int8le';
create function @extschema@.%T%_gt(@extschema@.%T%, @extschema@.%T%) returns boolean
  language internal immutable strict leakproof parallel safe as 'int8gt';
create function @extschema@.%T%_ge(@extschema@.%T%, @extschema@.%T%) returns boolean
  language internal immutable strict leakproof parallel safe as 'int8ge';
create function @extschema@.%T%_cmp(@extschema@.%T%, @extschema@.%T%) returns integer
  language internal immutable strict leakproof parallel safe as 'btint8cmp';
create function @extschema@.%T%_hash(@extschema@.%T%) returns integer
  language internal immutable strict leakproof parallel safe as 'hashint8';
create function @extschema@.%T%_hash_extended(@extschema@.%T%, bigint) returns bigint
  language internal immutable strict leakproof parallel safe as 'hashint8extended';
create function @extschema@.%T%_smaller(@extschema@.%T%, @extschema@.%T%) returns @extschema@.%T%
  language internal immutable strict leakproof parallel safe as 'int8smaller';
create function @extschema@.%T%_larger(@extschema@.%T%, @extschema@.%T%) returns @extschema@.%T%
  language internal immutable strict leakproof parallel safe as 'int8larger';

create operator pg_catalog.= (leftarg = @extschema@.%T%, rightarg = @extschema@.%T%, function = @extschema@.%T%_eq,
  commutator = operator(pg_catalog.=), negator = operator(pg_catalog.<>), restrict = eqsel, join = eqjoinsel, hashes, merges);
create operator pg_catalog.<> (leftarg = @extschema@.%T%, rightarg = @extschema@.%T%, function = @extschema@.%T%_ne,
  commutator = operator(pg_catalog.<>), negator = operator(pg_catalog.=), restrict = neqsel, join = neqjoinsel);
create operator pg_catalog.< (leftarg = @extschema@.%T%, rightarg = @extschema@.%T%, function = @extschema@.%T%_lt,
  commutator = operator(pg_catalog.>), negator = operator(pg_catalog.>=), restrict = scalarltsel, join = scalarltjoinsel);
create operator pg_catalog.<= (leftarg = @extschema@.%T%, rightarg = @extschema@.%T%, function = @extschema@.%T%_le,
  commutator = operator(pg_catalog.>=), negator = operator(pg_catalog.>), restrict = scalarlesel, join = scalarlejoinsel);
create operator pg_catalog.> (leftarg = @extschema@.%T%, rightarg = @extschema@.%T%, function = @extschema@.%T%_gt,
  commutator = operator(pg_catalog.<), negator = operator(pg_catalog.<=), restrict = scalargtsel, join = scalargtjoinsel);
create operator pg_catalog.>= (leftarg = @extschema@.%T%, rightarg = @extschema@.%T%, function = @extschema@.%T%_ge,
  commutator = operator(pg_catalog.<=), negator = operator(pg_catalog.<), restrict = scalargesel, join = scalargejoinsel);

-- (3) code with text: a text that is no code is unequal to all codes, and never an error

$template$;
  -- function name, operator, commutator, negator, estimators
  comparisons text[] := array[
    ['eq', '=', '=', '<>', 'eqsel', 'eqjoinsel'],
    ['ne', '<>', '<>', '=', 'neqsel', 'neqjoinsel'],
    ['lt', '<', '>', '>=', 'scalarltsel', 'scalarltjoinsel'],
    ['le', '<=', '>=', '>', 'scalarlesel', 'scalarlejoinsel'],
    ['gt', '>', '<', '<=', 'scalargtsel', 'scalargtjoinsel'],
    ['ge', '>=', '<=', '<', 'scalargesel', 'scalargejoinsel']];
  comparison text[];
begin
  foreach comparison slice 1 in array comparisons loop
    command := command || replace(replace(replace(replace(replace(replace($template$
create function @extschema@.%T%_%F%(@extschema@.%T%, text) returns boolean
  language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', '%T%_%F%_text';
create function @extschema@.%T%_%F%(text, @extschema@.%T%) returns boolean
  language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'text_%F%_%T%';
create function @extschema@.text_%F%_as_%T%(text, text) returns boolean
  language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'text_%F%_text_as_%T%';
create operator pg_catalog.%O% (leftarg = @extschema@.%T%, rightarg = text, function = @extschema@.%T%_%F%,
  commutator = operator(pg_catalog.%C%), negator = operator(pg_catalog.%N%), restrict = %R%, join = %J% %H%);
create operator pg_catalog.%O% (leftarg = text, rightarg = @extschema@.%T%, function = @extschema@.%T%_%F%,
  commutator = operator(pg_catalog.%C%), negator = operator(pg_catalog.%N%), restrict = %R%, join = %J% %H%);
create operator @extschema@.%O%%S% (leftarg = text, rightarg = text, function = @extschema@.text_%F%_as_%T%,
  commutator = operator(@extschema@.%C%%S%), negator = operator(@extschema@.%N%%S%), restrict = %R%, join = %J% %H%);
comment on function @extschema@.%T%_%F%(@extschema@.%T%, @extschema@.%T%) is 'Operator %O% of two codes.';
comment on function @extschema@.%T%_%F%(@extschema@.%T%, text) is 'Operator %O% of a code and a text; a text that is no code is unequal to all, and never an error.';
comment on function @extschema@.%T%_%F%(text, @extschema@.%T%) is 'Operator %O% of a text and a code; a text that is no code is unequal to all, and never an error.';
comment on function @extschema@.text_%F%_as_%T%(text, text) is 'Compares two texts as codes. For the planner.';
comment on operator pg_catalog.%O% (@extschema@.%T%, @extschema@.%T%) is 'Comparison of two codes, in the order of their texts.';
comment on operator pg_catalog.%O% (@extschema@.%T%, text) is 'Comparison of a code and a text; a text that is no code is unequal to all, and never an error.';
comment on operator pg_catalog.%O% (text, @extschema@.%T%) is 'Comparison of a text and a code; a text that is no code is unequal to all, and never an error.';
comment on operator @extschema@.%O%%S% (text, text) is
  'Compares two texts as %T% codes. For the planner, which needs it for arrays and hash tables.';
$template$, '%F%', comparison[1]), '%O%', comparison[2]), '%C%', comparison[3]), '%N%', comparison[4]),
      '%R%', comparison[5]), '%J%', comparison[6]);
    command := replace(command, '%H%', case comparison[1] when 'eq' then ', hashes' else '' end);
  end loop;

  command := command || $template$
create function @extschema@.%T%_cmp(@extschema@.%T%, text) returns integer
  language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', '%T%_cmp_text';
create function @extschema@.%T%_cmp(text, @extschema@.%T%) returns integer
  language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'text_cmp_%T%';
create function @extschema@.text_cmp_as_%T%(text, text) returns integer
  language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'text_cmp_text_as_%T%';
create function @extschema@.text_hash_as_%T%(text) returns integer
  language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'text_hash_as_%T%';
create function @extschema@.text_hash_extended_as_%T%(text, bigint) returns bigint
  language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'text_hash_extended_as_%T%';

-- (4) operator classes, aggregates

create operator family @extschema@.%T%_ops using btree;
create operator class @extschema@.%T%_ops default for type @extschema@.%T% using btree family @extschema@.%T%_ops as
  operator 1 pg_catalog.<, operator 2 pg_catalog.<=, operator 3 pg_catalog.=, operator 4 pg_catalog.>=, operator 5 pg_catalog.>,
  function 1 @extschema@.%T%_cmp(@extschema@.%T%, @extschema@.%T%),
  function 2 pg_catalog.btint8sortsupport(internal),
  function 4 pg_catalog.btequalimage(oid);
alter operator family @extschema@.%T%_ops using btree add
  operator 1 pg_catalog.< (@extschema@.%T%, text), operator 2 pg_catalog.<= (@extschema@.%T%, text),
  operator 3 pg_catalog.= (@extschema@.%T%, text), operator 4 pg_catalog.>= (@extschema@.%T%, text),
  operator 5 pg_catalog.> (@extschema@.%T%, text),
  function 1 (@extschema@.%T%, text) @extschema@.%T%_cmp(@extschema@.%T%, text),
  operator 1 pg_catalog.< (text, @extschema@.%T%), operator 2 pg_catalog.<= (text, @extschema@.%T%),
  operator 3 pg_catalog.= (text, @extschema@.%T%), operator 4 pg_catalog.>= (text, @extschema@.%T%),
  operator 5 pg_catalog.> (text, @extschema@.%T%),
  function 1 (text, @extschema@.%T%) @extschema@.%T%_cmp(text, @extschema@.%T%),
  operator 1 @extschema@.<%S% (text, text), operator 2 @extschema@.<=%S% (text, text),
  operator 3 @extschema@.=%S% (text, text), operator 4 @extschema@.>=%S% (text, text),
  operator 5 @extschema@.>%S% (text, text),
  function 1 (text, text) @extschema@.text_cmp_as_%T%(text, text);

create operator family @extschema@.%T%_ops using hash;
create operator class @extschema@.%T%_ops default for type @extschema@.%T% using hash family @extschema@.%T%_ops as
  operator 1 pg_catalog.=,
  function 1 @extschema@.%T%_hash(@extschema@.%T%),
  function 2 @extschema@.%T%_hash_extended(@extschema@.%T%, bigint);
alter operator family @extschema@.%T%_ops using hash add
  operator 1 pg_catalog.= (@extschema@.%T%, text),
  operator 1 pg_catalog.= (text, @extschema@.%T%),
  operator 1 @extschema@.=%S% (text, text),
  function 1 (text, text) @extschema@.text_hash_as_%T%(text),
  function 2 (text, text) @extschema@.text_hash_extended_as_%T%(text, bigint);

create operator family @extschema@.%T%_minmax_ops using brin;
create operator class @extschema@.%T%_minmax_ops default for type @extschema@.%T% using brin family @extschema@.%T%_minmax_ops as
  operator 1 pg_catalog.<, operator 2 pg_catalog.<=, operator 3 pg_catalog.=, operator 4 pg_catalog.>=, operator 5 pg_catalog.>,
  function 1 pg_catalog.brin_minmax_opcinfo(internal),
  function 2 pg_catalog.brin_minmax_add_value(internal, internal, internal, internal),
  function 3 pg_catalog.brin_minmax_consistent(internal, internal, internal),
  function 4 pg_catalog.brin_minmax_union(internal, internal, internal);
alter operator family @extschema@.%T%_minmax_ops using brin add
  operator 1 pg_catalog.< (@extschema@.%T%, text), operator 2 pg_catalog.<= (@extschema@.%T%, text),
  operator 3 pg_catalog.= (@extschema@.%T%, text), operator 4 pg_catalog.>= (@extschema@.%T%, text),
  operator 5 pg_catalog.> (@extschema@.%T%, text);

create aggregate pg_catalog.min(@extschema@.%T%) (
  sfunc = @extschema@.%T%_smaller, stype = @extschema@.%T%, combinefunc = @extschema@.%T%_smaller,
  sortop = operator(pg_catalog.<), parallel = safe);
comment on aggregate pg_catalog.min(@extschema@.%T%) is 'The first of the codes, in the order of their texts.';
create aggregate pg_catalog.max(@extschema@.%T%) (
  sfunc = @extschema@.%T%_larger, stype = @extschema@.%T%, combinefunc = @extschema@.%T%_larger,
  sortop = operator(pg_catalog.>), parallel = safe);
comment on aggregate pg_catalog.max(@extschema@.%T%) is 'The last of the codes, in the order of their texts.';

-- (5) prefixes and patterns

create function @extschema@.starts_with(code @extschema@.%T%, prefix text) returns boolean
  language c immutable strict leakproof parallel safe support @extschema@.code_prefix_support
  as 'MODULE_PATHNAME', 'code_starts_with';
create function @extschema@.is_prefix(prefix text, code @extschema@.%T%) returns boolean
  language c immutable strict leakproof parallel safe support @extschema@.code_prefix_support
  as 'MODULE_PATHNAME', 'prefix_of_code';
create function @extschema@.matches(code @extschema@.%T%, pattern text) returns boolean
  language c immutable strict leakproof parallel safe support @extschema@.code_like_support
  as 'MODULE_PATHNAME', 'code_matches';
create function @extschema@.matches_not(code @extschema@.%T%, pattern text) returns boolean
  language c immutable strict leakproof parallel safe
  as 'MODULE_PATHNAME', 'code_matches_not';

create operator pg_catalog.<@ (leftarg = @extschema@.%T%, rightarg = text, function = @extschema@.starts_with,
  commutator = operator(pg_catalog.@>), restrict = @extschema@.code_prefix_sel, join = contjoinsel);
comment on operator pg_catalog.<@ (@extschema@.%T%, text) is 'Whether the code begins with the prefix, in its canonical text; by an index.';
create operator pg_catalog.@> (leftarg = text, rightarg = @extschema@.%T%, function = @extschema@.is_prefix,
  commutator = operator(pg_catalog.<@), restrict = @extschema@.code_prefix_sel, join = contjoinsel);
comment on operator pg_catalog.@> (text, @extschema@.%T%) is 'Whether the prefix is the beginning of the code''s canonical text; by an index.';
create operator pg_catalog.^@ (leftarg = @extschema@.%T%, rightarg = text, function = @extschema@.starts_with,
  restrict = @extschema@.code_prefix_sel, join = contjoinsel);
comment on operator pg_catalog.^@ (@extschema@.%T%, text) is 'Whether the code starts with the text, in its canonical text; by an index.';
create operator pg_catalog.~~ (leftarg = @extschema@.%T%, rightarg = text, function = @extschema@.matches,
  negator = operator(pg_catalog.!~~), restrict = @extschema@.code_like_sel, join = likejoinsel);
comment on operator pg_catalog.~~ (@extschema@.%T%, text) is 'code LIKE pattern, on the canonical text; by an index when the pattern begins with fixed characters. Never raises.';
create operator pg_catalog.!~~ (leftarg = @extschema@.%T%, rightarg = text, function = @extschema@.matches_not,
  negator = operator(pg_catalog.~~), restrict = @extschema@.code_not_like_sel, join = nlikejoinsel);
comment on operator pg_catalog.!~~ (@extschema@.%T%, text) is 'code NOT LIKE pattern, on the canonical text. Never raises.';

-- (6) what the objects are for

comment on function @extschema@.text(@extschema@.%T%) is 'The code''s canonical text.';
comment on function @extschema@.%T%(text) is 'The code that the text writes; 22P02 when it has not the form of one.';
comment on function @extschema@.starts_with(@extschema@.%T%, text) is 'Whether the code''s canonical text begins with the prefix: operators <@ and ^@.';
comment on function @extschema@.is_prefix(text, @extschema@.%T%) is 'Whether the prefix begins the code''s canonical text: operator @>.';
comment on function @extschema@.matches(@extschema@.%T%, text) is 'code LIKE pattern, on the canonical text; a pattern that ends in a lone backslash matches nothing.';
comment on function @extschema@.matches_not(@extschema@.%T%, text) is 'code NOT LIKE pattern, on the canonical text.';

comment on function @extschema@.%T%_in(cstring) is 'Input of %T%; 22P02 when the form is wrong, which does not repeat the value.';
comment on function @extschema@.%T%_out(@extschema@.%T%) is 'Output of %T%: the canonical text.';
comment on function @extschema@.%T%_recv(internal) is 'Binary input of %T%: the text form, judged as by its input.';
comment on function @extschema@.%T%_send(@extschema@.%T%) is 'Binary output of %T%: the canonical text.';
$template$ || (
    select string_agg(format('comment on function @extschema@.%s is %L;', f.call, f.purpose), E'\n')
      from (values ('%T%_cmp(@extschema@.%T%, @extschema@.%T%)', 'Order of two codes: -1, 0 or 1. Support of indexes.'),
                   ('%T%_cmp(@extschema@.%T%, text)', 'Order of a code and a text: -1, 0 or 1. Support of indexes.'),
                   ('%T%_cmp(text, @extschema@.%T%)', 'Order of a text and a code: -1, 0 or 1. Support of indexes.'),
                   ('text_cmp_as_%T%(text, text)', 'Order of two texts taken as codes: -1, 0 or 1. Support of indexes.'),
                   ('%T%_hash(@extschema@.%T%)', 'Hash of a code.'),
                   ('%T%_hash_extended(@extschema@.%T%, bigint)', 'Hash of a code, 64 bits with a seed.'),
                   ('text_hash_as_%T%(text)', 'Hash of a text taken as a code.'),
                   ('text_hash_extended_as_%T%(text, bigint)', 'Hash of a text taken as a code, 64 bits with a seed.'),
                   ('%T%_smaller(@extschema@.%T%, @extschema@.%T%)', 'The first of two codes; the step of min.'),
                   ('%T%_larger(@extschema@.%T%, @extschema@.%T%)', 'The last of two codes; the step of max.')) f(call, purpose));

  create function @extschema@.code_prefix_support(internal) returns internal
    language c immutable strict parallel safe as 'MODULE_PATHNAME';
  create function @extschema@.code_like_support(internal) returns internal
    language c immutable strict parallel safe as 'MODULE_PATHNAME';
  create function @extschema@.code_prefix_sel(internal, oid, internal, integer) returns float8
    language c stable strict parallel safe as 'MODULE_PATHNAME';
  create function @extschema@.code_like_sel(internal, oid, internal, integer) returns float8
    language c stable strict parallel safe as 'MODULE_PATHNAME';
  create function @extschema@.code_not_like_sel(internal, oid, internal, integer) returns float8
    language c stable strict parallel safe as 'MODULE_PATHNAME';

  foreach description slice 1 in array array[
    ['icd10', '#', 'An ICD-10 code as Japanese masters write it: E119, T1420, Q433a, M45-0; input may have a dot after the third character. 8 bytes, in text order.'],
    ['receipt_code', '##', 'A code of the claims masters (レセプト電算処理システム): 4 digits modifier, 7 disease, 9 procedure, drug, material or comment. 8 bytes, in text order.'],
    ['insurer_number', '###', 'An insurer''''s number (保険者番号, 公費負担者番号): 8 digits; 6 of national health insurance are filled with zeros. The check digit is judged by niji.check_ok(). 8 bytes, in text order.'],
    ['institution_code', '####', 'A medical institution''''s code (医療機関コード) of 10: prefecture 2, fee table 1, number 7. The check digit is judged by niji.check_ok(). 8 bytes, in text order.']]
  loop
    execute replace(replace(replace(command, '%T%', description[1]), '%S%', description[2]), '%D%', description[3]);
  end loop;
end
$do$;

comment on function @extschema@.code_prefix_support(internal) is 'Tells the planner the range of an index that a prefix of a code selects.';
comment on function @extschema@.code_like_support(internal) is 'Tells the planner the range of an index that a LIKE pattern of a code selects.';
comment on function @extschema@.code_prefix_sel(internal, oid, internal, integer) is 'How much a prefix of a code selects, estimated.';
comment on function @extschema@.code_like_sel(internal, oid, internal, integer) is 'How much a LIKE pattern of a code selects, estimated.';
comment on function @extschema@.code_not_like_sel(internal, oid, internal, integer) is 'How much a NOT LIKE pattern of a code selects, estimated.';

comment on function @extschema@.check_ok(@extschema@.icd10) is 'True: ICD-10 has no check digit.';
comment on function @extschema@.check_ok(@extschema@.receipt_code) is 'True: receipt codes have no check digit.';
comment on function @extschema@.check_ok(@extschema@.insurer_number) is
  'Whether the check digit (modulus 10, weights 2 and 1) fits. Numbers of local programmes (法別 80 to 99) may not fit in real data: warn, do not refuse.';
comment on function @extschema@.check_ok(@extschema@.institution_code) is
  'Whether the check digit (modulus 10, weights 2 and 1, over all ten) fits; null for fee table B, for which no rule is published.';

-- parts; some of them are transforms of permits

create function @extschema@.prefix(code @extschema@.icd10, length integer) returns text
  language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'code_prefix';
comment on function @extschema@.prefix(@extschema@.icd10, integer) is
  'The first characters of the code, without dot: 3 gives the category. Empty for a length below one. Transform prefix(n).';
create function @extschema@.prefix(code @extschema@.receipt_code, length integer) returns text
  language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'code_prefix';
comment on function @extschema@.prefix(@extschema@.receipt_code, integer) is
  'The first characters of the code. Empty for a length below one. Transform prefix(n).';
create function @extschema@.prefix(value text, length integer) returns text
  language c immutable strict parallel safe as 'MODULE_PATHNAME', 'text_prefix';
comment on function @extschema@.prefix(text, integer) is
  'The first characters of a text. Empty for a length below one. Transform prefix(n).';
create function @extschema@.prefecture(code @extschema@.institution_code) returns text
  language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'institution_code_prefecture';
comment on function @extschema@.prefecture(@extschema@.institution_code) is
  'The prefecture (都道府県番号), 01 to 47. Transform prefecture.';
create function @extschema@.prefecture(number @extschema@.insurer_number) returns text
  language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'insurer_number_prefecture';
comment on function @extschema@.prefecture(@extschema@.insurer_number) is
  'The prefecture (都道府県番号) of the insurer, two digits. Transform prefecture.';
create function @extschema@.fee_table(code @extschema@.institution_code) returns text
  language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'institution_code_fee_table';
comment on function @extschema@.fee_table(@extschema@.institution_code) is
  'The fee table (点数表番号): 1 medical, 3 dental, 4 pharmacy, 5 care facility, 6 visiting nurses, B care hospital.';
create function @extschema@.law_number(number @extschema@.insurer_number) returns text
  language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'insurer_number_law';
comment on function @extschema@.law_number(@extschema@.insurer_number) is
  'The number of the law (法別番号), two digits; 00 in national health insurance.';
create function @extschema@.code_system_of(code @extschema@.receipt_code) returns text
  language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'receipt_code_system';
comment on function @extschema@.code_system_of(@extschema@.receipt_code) is
  'The code system that the code belongs to, by its length and first digit: ssk-disease, ssk-modifier, ssk-procedure, ssk-drug, ssk-material, ssk-comment; null for another.';

-- the functions of the types are everybody's
insert into @extschema@.public_function (object)
select p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')'
  from pg_catalog.pg_proc p
 where p.pronamespace = '@extschema@'::regnamespace
   and (array(select unnest(p.proargtypes)) || p.prorettype
          && array['@extschema@.icd10', '@extschema@.receipt_code', '@extschema@.insurer_number', '@extschema@.institution_code']::regtype[]::oid[]
        or p.proname ~ '_as_(icd10|receipt_code|insurer_number|institution_code)$'
        or p.prosrc = 'text_prefix');
