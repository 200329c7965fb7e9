/* ---- identity: physicians, records, households ---- */

/*
 * Three types that are alike: an int8 underneath, entered and shown by
 * superusers only, with the operators of int8 and no cast to or from it.
 * CLASS is the number in the pseudonym's first byte.
 */
do $$
declare
  t record;
  o record;
  f text;
begin
  for t in select * from (values ('physician', 3, 'A physician (医師)'), ('record', 4, 'A record (記録), such as a claim or a report'), ('household', 5, 'A household (世帯)'))
                      as v (name, class, what) loop
    execute format('create type @extschema@.%I', t.name);
    foreach f in array array['in(cstring) returns @extschema@.%1$I', 'out(@extschema@.%1$I) returns cstring',
                             'recv(internal) returns @extschema@.%1$I', 'send(@extschema@.%1$I) returns bytea'] loop
      execute format('create function @extschema@.%1$s_' || f || ' language c stable strict parallel safe as ''MODULE_PATHNAME'', ''surrogate_%2$s''',
                     t.name, substring(f from '^[a-z]+'));
    end loop;
    execute format('comment on function @extschema@.%1$I_in(cstring) is ''Input: a whole number from 1. Refused to everyone but superusers.'';
                    comment on function @extschema@.%1$I_out(@extschema@.%1$I) is ''Output. Refused to everyone but superusers.'';
                    comment on function @extschema@.%1$I_recv(internal) is ''Binary input; refused as input is.'';
                    comment on function @extschema@.%1$I_send(@extschema@.%1$I) is ''Binary output; refused as output is.''', t.name);
    execute format('create type @extschema@.%1$I (input = @extschema@.%1$s_in, output = @extschema@.%1$s_out, receive = @extschema@.%1$s_recv, send = @extschema@.%1$s_send, like = pg_catalog.int8, category = ''n'')', t.name);
    execute format('comment on type @extschema@.%1$I is %2$L', t.name,
                   t.what || ' inside the warehouse: a number without meaning, 8 bytes. Analysts see a niji.pseudonym of its class.');
    execute format('revoke all on type @extschema@.%I from public', t.name);

    for o in select * from (values ('<', 'lt', '>', '>=', 'scalarltsel', 'scalarltjoinsel', 'less than'), ('<=', 'le', '>=', '>', 'scalarlesel', 'scalarlejoinsel', 'less than or equal to'),
                                   ('=', 'eq', '=', '<>', 'eqsel', 'eqjoinsel', 'equal to'), ('<>', 'ne', '<>', '=', 'neqsel', 'neqjoinsel', 'not equal to'),
                                   ('>=', 'ge', '<=', '<', 'scalargesel', 'scalargejoinsel', 'greater than or equal to'), ('>', 'gt', '<', '<=', 'scalargtsel', 'scalargtjoinsel', 'greater than'))
                          as v (operator, name, commutator, negator, restrict_by, join_by, what) loop
      execute format('create function @extschema@.%1$s_%2$s(@extschema@.%1$I, @extschema@.%1$I) returns boolean language internal immutable strict leakproof parallel safe as ''int8%2$s''', t.name, o.name);
      execute format('comment on function @extschema@.%1$s_%2$s(@extschema@.%1$I, @extschema@.%1$I) is ''Implementation of %3$s.''', t.name, o.name, o.operator);
      execute format('create operator pg_catalog.%3$s (function = @extschema@.%1$s_%2$s, leftarg = @extschema@.%1$I, rightarg = @extschema@.%1$I,
                        commutator = operator(pg_catalog.%4$s), negator = operator(pg_catalog.%5$s), restrict = %6$s, join = %7$s %8$s)',
                     t.name, o.name, o.operator, o.commutator, o.negator, o.restrict_by, o.join_by, case when o.operator = '=' then ', hashes, merges' else '' end);
      execute format('comment on operator pg_catalog.%3$s (@extschema@.%1$I, @extschema@.%1$I) is %2$L', t.name, o.what, o.operator);
    end loop;
    execute format('create function @extschema@.%1$s_cmp(@extschema@.%1$I, @extschema@.%1$I) returns integer language internal immutable strict leakproof parallel safe as ''btint8cmp''', t.name);
    execute format('create function @extschema@.%1$s_hash(@extschema@.%1$I) returns integer language internal immutable strict leakproof parallel safe as ''hashint8''', t.name);
    execute format('create function @extschema@.%1$s_hash_extended(@extschema@.%1$I, bigint) returns bigint language internal immutable strict leakproof parallel safe as ''hashint8extended''', t.name);
    execute format('comment on function @extschema@.%1$s_cmp(@extschema@.%1$I, @extschema@.%1$I) is ''Btree comparison: -1, 0 or 1.'';
                    comment on function @extschema@.%1$s_hash(@extschema@.%1$I) is ''Hash value.'';
                    comment on function @extschema@.%1$s_hash_extended(@extschema@.%1$I, bigint) is ''Hash value of 64 bits with a seed.''', t.name);
    execute format('create operator family @extschema@.%1$s_ops using btree; create operator family @extschema@.%1$s_ops using hash', t.name);
    execute format('create operator class @extschema@.%1$s_ops default for type @extschema@.%1$I using btree family @extschema@.%1$s_ops as
                      operator 1 pg_catalog.<, operator 2 pg_catalog.<=, operator 3 pg_catalog.=, operator 4 pg_catalog.>=, operator 5 pg_catalog.>,
                      function 1 @extschema@.%1$s_cmp(@extschema@.%1$I, @extschema@.%1$I), function 4 pg_catalog.btequalimage(oid)', t.name);
    execute format('create operator class @extschema@.%1$s_ops default for type @extschema@.%1$I using hash family @extschema@.%1$s_ops as
                      operator 1 pg_catalog.=, function 1 @extschema@.%1$s_hash(@extschema@.%1$I), function 2 @extschema@.%1$s_hash_extended(@extschema@.%1$I, bigint)', t.name);
    execute format('comment on operator family @extschema@.%1$s_ops using btree is ''Order of niji.%1$s.''; comment on operator class @extschema@.%1$s_ops using btree is ''Order of niji.%1$s.'';
                    comment on operator family @extschema@.%1$s_ops using hash is ''Equality of niji.%1$s.''; comment on operator class @extschema@.%1$s_ops using hash is ''Equality of niji.%1$s.''', t.name);

    execute format('create function @extschema@.pseudonym(%1$I @extschema@.%1$I, domain integer) returns @extschema@.pseudonym
                      language c stable strict parallel safe cost 2 as ''MODULE_PATHNAME'', ''pseudonym_of_%1$s''', t.name);
    execute format('comment on function @extschema@.pseudonym(@extschema@.%1$I, integer) is
                      ''The pseudonym of a %1$s in the domain. Errors: 55000 the domain is unknown or erased, or there is no key.''', t.name);
    execute format('create function @extschema@.as_%1$s(bigint) returns @extschema@.%1$I language internal immutable strict parallel safe as ''int8up''', t.name);
    execute format('comment on function @extschema@.as_%1$s(bigint) is ''A surrogate''''s number as niji.%1$s. Internal; granted to nobody.''', t.name);
    execute format('insert into @extschema@.public_function values (''pseudonym(niji.%I, integer)'')', t.name);
  end loop;
end
$$;

create sequence @extschema@.surrogate_value;
comment on sequence @extschema@.surrogate_value is 'Numbers of physicians, records and households. Never set it back: numbers are never used again.';
create table @extschema@.surrogate (
  class smallint not null check (class between 3 and 5),
  generation smallint not null,
  digest bytea not null check (length(digest) = 16),
  value bigint not null default nextval('@extschema@.surrogate_value'),
  normalization smallint not null default 1,
  constraint surrogate_digest unique (class, generation, digest)
);
comment on table @extschema@.surrogate is
  'Which number a code of a physician (class 3), record (4) or household (5) has. Holds digests (keyed, irreversible, 16 bytes), never codes. generation: of the master key; normalization: version of the canonical form.';
select pg_catalog.pg_extension_config_dump('@extschema@.surrogate', '');
select pg_catalog.pg_extension_config_dump('@extschema@.surrogate_value', '');

create function @extschema@.keyed_digest(kind integer, canonical text, generation integer) returns bytea
language c stable strict parallel restricted cost 10 as 'MODULE_PATHNAME';
comment on function @extschema@.keyed_digest(integer, text, integer) is
  'The digest of a canonical identifier or code under a generation of the master key; the kind of a class of surrogates is 90 + class. Errors: 55000 there is no key. Internal.';

create function @extschema@.surrogate_class(type regtype) returns integer
language sql stable strict parallel safe set search_path = pg_catalog, pg_temp
as $$ select case type when 'niji.physician'::regtype then 3 when 'niji.record'::regtype then 4 when 'niji.household'::regtype then 5 end $$;
comment on function @extschema@.surrogate_class(regtype) is 'The class of pseudonyms of a type: 3 niji.physician, 4 niji.record, 5 niji.household; null for others. Internal.';

create function @extschema@.surrogate_stored(class integer, canonical text) returns boolean
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.surrogate_stored(integer, text) is
  'Whether a code has a number by now, under any generation and whatever the snapshot. Internal.';

/*
 * One session may be first with a code that another has just given a number:
 * ON CONFLICT waits for it, and the last query reads it.  The lock is the one
 * that enrolments take: the first use of a generation waits for it, so that no
 * code gets a number under one generation that is not seen under the next.
 */
create function @extschema@.surrogates(type regtype, issuer text, codes text[]) returns bigint[]
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  wanted constant integer := niji.surrogate_class(type);
  newest integer;
  canonical text[];
begin
  perform niji.require_duty('loader', 'give numbers to physicians, records and households');
  if wanted is null then
    raise exception using errcode = '22023', message = 'this type has no surrogates',
      hint = 'The types are niji.physician, niji.record, niji.household.';
  end if;
  if issuer is null or issuer !~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$' then
    raise exception using errcode = '22023', message = 'a code needs an issuer',
      hint = 'It is who gave the code out: letters, digits, hyphens, dots and underscores, at most 63.';
  end if;
  -- a first use takes a stronger lock, so it comes before ours
  perform niji.domain_generation();
  lock table niji.identifier in row exclusive mode;
  newest := niji.domain_generation();
  canonical := array(select case when code is not null then niji.normalize_identifier('registry', lower(issuer) || ':' || code) end
                       from unnest(codes) with ordinality u (code, place) order by place);
  -- such a snapshot may be from before a generation began, and the unique index does not tell, since generations differ
  if newest > 1 and current_setting('transaction_isolation') <> 'read committed'
     and exists (select from unnest(canonical) c
                  where not exists (select from generate_series(1, newest) g join niji.surrogate s
                                       on s.class = wanted and s.generation = g and s.digest = niji.keyed_digest(90 + wanted, c, g))
                    and niji.surrogate_stored(wanted, c)) then
    raise exception using errcode = '40001', message = 'could not serialize access due to concurrent enrolment';
  end if;
  insert into niji.surrogate (class, generation, digest)
    select wanted, newest, d.digest
      from (select distinct c, niji.keyed_digest(90 + wanted, c, newest) as digest from unnest(canonical) c where c is not null) d
     where not exists (select from generate_series(1, newest) g join niji.surrogate s
                          on s.class = wanted and s.generation = g and s.digest = niji.keyed_digest(90 + wanted, d.c, g))
     order by d.digest
    on conflict on constraint surrogate_digest do nothing;
  return array(select (select s.value from generate_series(1, newest) g join niji.surrogate s
                          on s.class = wanted and s.generation = g and s.digest = niji.keyed_digest(90 + wanted, u.c, g)
                        order by g desc limit 1)
                 from unnest(canonical) with ordinality u (c, place) order by u.place);
end
$$;
comment on function @extschema@.surrogates(regtype, text, text[]) is
  'The numbers of codes of physicians, records or households that an issuer gave out, known or new, in order; null for null. Stores digests, never codes. Errors: 22P02 a malformed code, 22023 no such type or issuer, 55000 there is no key. Internal: niji.load_dataset() calls it.';
