/* ---- persons: merging, splitting ---- */

/*
 * A merge says that two numbers are one human.  At once: identifiers of the one
 * that is gone point at the one that is kept, and the consents of either count
 * for both, so that from that moment a denial of either hides the rows of both.
 * Then rows move, in portions that commit; which ones is kept by their primary
 * keys, so that they can be moved back.  A load that began before the merge may
 * still write rows, or links, of the number that is gone: a merge is done only
 * when every transaction of before has ended and a last look found nothing.
 *
 * While it is in force (undone_at is null), what is recorded about either is
 * recorded for both: see niji.current_person() and niji.mirror_consent().
 */
create table @extschema@.person_merge (
  id bigint generated always as identity primary key,
  keep @extschema@.person not null,
  gone @extschema@.person not null check (gone <> keep),
  reason text not null,
  state text not null default 'moving' check (state in ('moving', 'done', 'moving back', 'undone')),
  xid xid8 not null default pg_catalog.pg_current_xact_id(),
  merged_at timestamptz not null default pg_catalog.clock_timestamp(),
  merged_by name not null default session_user,
  stuck bigint not null default 0,
  undo_reason text,
  undo_by name,
  undone_at timestamptz,
  check ((state = 'undone') = (undone_at is not null))
);
-- also on restore: numbers of another cluster's transactions would keep a merge "moving" for ever
create trigger stamp_transaction before insert on @extschema@.person_merge
  for each row execute function @extschema@.stamp_transaction();
alter table @extschema@.person_merge enable always trigger stamp_transaction;
create unique index person_merge_gone on @extschema@.person_merge (gone) where undone_at is null;
create index person_merge_keep on @extschema@.person_merge (keep) where undone_at is null;
comment on table @extschema@.person_merge is
  'Which person was merged into which (人の統合). The number of the one that is gone is never used again. moving: rows of it may be left; stuck: rows that could not be moved, since the dataset has such a row of the other already. src/identity/merge.c reads the first columns by their position.';

create table @extschema@.person_move (
  id bigint generated always as identity primary key,
  merge bigint not null references @extschema@.person_merge,
  dataset integer not null references @extschema@.dataset,
  person_column name not null,
  key jsonb not null
);
create index person_move_merge on @extschema@.person_move (merge, dataset, person_column);
comment on table @extschema@.person_move is
  'Rows that a merge moved, by their primary keys, so that they can be moved back. No duty may see it.';

create table @extschema@.consent_copy (
  consent bigint primary key references @extschema@.consent,
  original bigint not null references @extschema@.consent,
  merge bigint references @extschema@.person_merge,
  what text not null check (what in ('history', 'restated', 'mirror', 'split'))
);
create index consent_copy_original on @extschema@.consent_copy (original);
create index consent_copy_merge on @extschema@.consent_copy (merge);
comment on table @extschema@.consent_copy is
  'Consents that were written since another one counts for a second number of the same human. history: what was declared before a merge; restated: a denial in force at a merge, said anew so that no earlier permission of the other lifts it; mirror: declared since; split: a denial that goes along to both.';

create table @extschema@.person_split (
  id bigint generated always as identity primary key,
  person @extschema@.person not null,
  new_person @extschema@.person not null unique,
  reason text not null,
  split_at timestamptz not null default pg_catalog.clock_timestamp(),
  split_by name not null default session_user
);
create index person_split_person on @extschema@.person_split (person);
comment on table @extschema@.person_split is 'Which person was split off from which (人の分離).';

do $$
declare
  t text;
begin
  foreach t in array array['person_merge', 'person_move', 'consent_copy', 'person_split'] loop
    perform pg_catalog.pg_extension_config_dump(format('@extschema@.%I', t)::regclass, '');
  end loop;
  foreach t in array array['person_merge', 'person_move', 'person_split'] loop
    perform pg_catalog.pg_extension_config_dump(format('@extschema@.%s_id_seq', t)::regclass, '');
  end loop;
end
$$;

create view @extschema@.person_merges as
  select m.id, m.state, m.reason, m.merged_at, m.merged_by,
         (select count(*) from @extschema@.person_move v where v.merge = m.id) as rows_moved, m.stuck,
         m.undo_reason, m.undo_by, m.undone_at
    from @extschema@.person_merge m;
comment on view @extschema@.person_merges is 'Merges of persons (人の統合) and how far their rows have moved, without the persons.';

create function @extschema@.current_person(person @extschema@.person) returns @extschema@.person
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.current_person(@extschema@.person) is 'Whom a person was merged into, or the person. Sees every merge that has committed, whatever the isolation. Internal.';

create function @extschema@.merged_persons(person @extschema@.person) returns @extschema@.person[]
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.merged_persons(@extschema@.person) is 'All who were merged into a person, directly or not. Internal.';

create function @extschema@.draw_person() returns @extschema@.person
language c volatile parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.draw_person() is 'A number that no person has had. Internal.';

create function @extschema@.copy_consent(original bigint, person @extschema@.person, what text, merge bigint) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  copy bigint;
begin
  -- a permission counts for what is judged at_grant from now on only; a denial, as if it had been declared for both
  insert into niji.consent (person, decision, category, purpose, permit, holder, dataset, recipient_kind,
                            effective_from, effective_until, recorded_at, declared_by, evidence, died_on)
    select copy_consent.person, c.decision, c.category, c.purpose, c.permit, c.holder, c.dataset, c.recipient_kind,
           case when what = 'restated' then clock_timestamp() else c.effective_from end, c.effective_until,
           case when c.decision = 'deny' and what <> 'restated' then c.recorded_at else clock_timestamp() end,
           c.declared_by, c.evidence, c.died_on
      from niji.consent c where c.id = original
    returning id into copy;
  insert into niji.consent_copy (consent, original, merge, what) values (copy, copy_consent.original, copy_consent.merge, copy_consent.what);
end
$$;
comment on function @extschema@.copy_consent(bigint, @extschema@.person, text, bigint) is 'Writes a consent once more, for another number of the same human. Internal.';

create function @extschema@.mirror_consent(consent bigint) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  other niji.person;
begin
  for other in select u from unnest(niji.merged_persons((select c.person from niji.consent c where c.id = mirror_consent.consent))) u loop
    perform niji.copy_consent(mirror_consent.consent, other, 'mirror', (select m.id from niji.person_merge m where m.gone = other and m.undone_at is null));
  end loop;
end
$$;
comment on function @extschema@.mirror_consent(bigint) is
  'Makes a new consent count also for those who were merged into its person, whose rows may not have moved yet. Internal.';

/* ---- rows ---- */

create function @extschema@.person_row_key(relation regclass, alias text) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
  select format('jsonb_build_object(%s)', string_agg(format('%L, %s.%I', a.attname, alias, a.attname), ', ' order by a.attname))
    from pg_index x join pg_attribute a on a.attrelid = x.indrelid and a.attnum = any (x.indkey::smallint[])
   where x.indrelid = relation and x.indisprimary
  having count(*) > 0
$$;
comment on function @extschema@.person_row_key(regclass, text) is 'An expression for the primary key of a row as a JSON object; null without a primary key. Internal.';

create function @extschema@.run_on_dataset(command text, from_person @extschema@.person, to_person @extschema@.person, merge bigint, amount bigint, keys jsonb) returns text
language c volatile parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.run_on_dataset(text, @extschema@.person, @extschema@.person, bigint, bigint, jsonb) is
  'Runs a command of niji.move_portion() or niji.assign_rows() on a dataset, with its arguments as $1 to $5, as niji''s own. Internal.';

create function @extschema@.move_portion(merge bigint, portion integer) returns bigint
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC'
as $$
declare
  m niji.person_merge;
  d record;
  place jsonb;
  key_expression text;
  moved bigint := 0;
  left_behind bigint := 0;
  whole boolean;
begin
  perform niji.require_duty('custodian', 'move rows of a person');
  select * into m from niji.person_merge p where p.id = merge for update;
  if m.state = 'moving' then
    -- links of a crosswalk that knew the person by the old number
    update niji.identifier i set person = m.keep, origin = coalesce(i.origin, m.gone) where i.person = m.gone;
  end if;
  for d in
    select s.id, s.name, s.relation, c as person_column, null::text as target
      from niji.dataset s join pg_class t on t.oid = s.relation,
           unnest(s.person_columns) with ordinality u (c, o)
     order by s.id, case when m.state = 'moving' then o else -o end
  loop
    exit when moved >= portion;
    d.target := niji.hold_relation(d.relation, 'row exclusive');
    key_expression := niji.person_row_key(d.relation, 't');
    if m.state = 'moving' then
      continue when niji.run_on_dataset(format('select 1 from %s t where t.%I = $1 limit 1', d.target, d.person_column), m.gone, null, null, null, null) is null;
      if key_expression is null then
        raise exception using errcode = '55000', message = format('rows of dataset "%s" cannot be moved', d.name),
          detail = 'It has no primary key, so they could not be told apart again.', hint = 'Add a primary key.';
      end if;
      if exists (select from niji.foreign_code(d.relation)) then
        raise exception using errcode = '42501', message = format('dataset "%s" runs code that does not belong to a superuser', d.name);
      end if;
      whole := true;
      begin
        moved := moved + niji.run_on_dataset(format(
          'with picked as (select t.ctid as place, t.tableoid as part from %1$s t where t.%2$I = $1 limit $4 for update),
                moved as (update %1$s t set %2$I = $2 from picked p where t.ctid = p.place and t.tableoid = p.part returning %3$s as key)
           insert into niji.person_move (merge, dataset, person_column, key) select $3, %4$s, %5$L, key from moved',
          d.target, d.person_column, key_expression, d.id, d.person_column),
          m.gone, m.keep, m.id, portion - moved, null)::bigint;
      exception when integrity_constraint_violation then
        whole := false;
      end;
      continue when whole;
      -- the other person has such a row already: what fits moves, the others stay, hidden by the denials of both
      for place in select e from jsonb_array_elements(niji.run_on_dataset(format(
          'select jsonb_agg(jsonb_build_array(t.ctid::text, t.tableoid::bigint)) from %s t where t.%I = $1', d.target, d.person_column),
          m.gone, null, null, null, null)::jsonb) e
      loop
        exit when moved >= portion;
        begin
          moved := moved + niji.run_on_dataset(format(
            'with moved as (update %1$s t set %2$I = $2 where t.%2$I = $1 and t.ctid = ($5 ->> 0)::tid and t.tableoid = ($5 ->> 1)::oid returning %3$s as key)
             insert into niji.person_move (merge, dataset, person_column, key) select $3, %4$s, %5$L, key from moved',
            d.target, d.person_column, key_expression, d.id, d.person_column),
            m.gone, m.keep, m.id, null, place)::bigint;
        exception when integrity_constraint_violation then
          left_behind := left_behind + 1;
        end;
      end loop;
    elsif m.state = 'moving back' then
      continue when not exists (select from niji.person_move v where v.merge = m.id and v.dataset = d.id and v.person_column = d.person_column);
      if key_expression is null then
        raise exception using errcode = '55000', message = format('rows of dataset "%s" cannot be moved back', d.name),
          detail = 'It has no primary key any more.', hint = 'Add the primary key that it had at the merge, then try again.';
      end if;
      begin
        moved := moved + niji.run_on_dataset(format(
          'with picked as (select v.id, v.key from niji.person_move v where v.merge = $3 and v.dataset = %3$s and v.person_column = %4$L order by v.id desc limit $4),
                moved as (update %1$s t set %2$I = $2 from picked v where t.%2$I = $1 and %5$s = v.key returning 1)
           delete from niji.person_move v using picked p where v.id = p.id',
          d.target, d.person_column, d.id, d.person_column, key_expression),
          m.keep, m.gone, m.id, portion - moved, null)::bigint;
      exception when integrity_constraint_violation then
        raise exception using errcode = '55000', message = format('rows of dataset "%s" cannot be moved back', d.name),
          detail = 'The dataset has such a row of the other person by now.',
          hint = 'Remove one of the two rows, then call niji.move_rows().';
      end;
    end if;
  end loop;
  if m.state = 'moving' then
    update niji.person_merge p set stuck = left_behind where p.id = m.id and p.stuck <> left_behind;
  end if;
  return moved;
end
$$;
comment on function @extschema@.move_portion(bigint, integer) is 'Moves some rows of a merge, or back; gives how many. Internal, for niji.move_rows().';

create function @extschema@.finish_move(merge bigint) returns boolean
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  m niji.person_merge;
  c record;
begin
  perform niji.require_duty('custodian', 'move rows of a person');
  lock table niji.consent, niji.consent_void in share row exclusive mode;
  select * into m from niji.person_merge p where p.id = merge for update;
  if m.state = 'moving' then
    -- a transaction that began before may still know the person by the old number
    if pg_snapshot_xmin(pg_current_snapshot()) <= m.xid then
      return false;
    end if;
    update niji.person_merge p set state = 'done' where p.id = m.id;
  elsif m.state = 'moving back' then
    if exists (select from niji.person_move v where v.merge = m.id) then
      return false;
    end if;
    -- what counted for both only because they were taken for one; denials that were declared meanwhile stay for both,
    -- permissions for neither: either may have given it, and it would lift the denial of the other
    insert into niji.consent_void (consent, reason)
      select y.consent, format('merge %s was undone', m.id)
        from (select x.consent from niji.consent_copy x join niji.consent k on k.id = x.consent
               where (x.merge = m.id or (x.merge is null and x.what = 'mirror' and k.person = m.gone))
                 and (x.what in ('history', 'restated') or k.decision = 'permit')
              union
              select u from niji.consent_copy x join niji.consent k on k.id = x.original and k.decision = 'permit'
                       join niji.consent_copy o on o.original = x.original, unnest(array[o.original, o.consent]) u
               where x.merge = m.id and x.what = 'mirror') y
       where not exists (select from niji.consent_void v where v.consent = y.consent);
    update niji.person_merge p set state = 'undone', undone_at = clock_timestamp() where p.id = m.id;
    perform niji.undo_in_cohorts(m.id);
  end if;
  return true;
end
$$;
comment on function @extschema@.finish_move(bigint) is 'Ends a merge, or its undoing, when no row is left to move and no earlier transaction runs. Internal, for niji.move_rows().';

create function @extschema@.open_merges() returns setof bigint
language plpgsql stable parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform niji.require_duty('custodian', 'move rows of a person');
  return query select m.id from niji.person_merge m where m.state in ('moving', 'moving back') order by m.id;
end
$$;
comment on function @extschema@.open_merges() is 'Merges whose rows may not all have moved. Internal, for niji.move_rows().';

create procedure @extschema@.move_rows(portion integer default 10000)
language plpgsql
as $$
declare
  open_merge bigint;
begin
  if portion is null or portion < 1 then
    raise exception using errcode = '22023', message = 'a portion is a number of rows from 1';
  end if;
  perform niji.require_no_transaction('niji.move_rows()');
  for open_merge in select niji.open_merges() loop
    while niji.move_portion(open_merge, portion) > 0 loop
      commit;
    end loop;
    perform niji.finish_move(open_merge);
    commit;
  end loop;
end
$$;
comment on procedure @extschema@.move_rows(integer) is
  'Moves the rows of all merges that are not done, and back those of undone ones, committing each portion; after a crash or an error call it again. A merge stays "moving" while a transaction runs that began before it: call it once more later. niji.person_merges shows where they stand. Duty: custodian.';

/* ---- merging ---- */

create function @extschema@.merge_persons(keep @extschema@.person, gone @extschema@.person, reason text) returns bigint
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  merge bigint;
  last_consent bigint;
  c record;
begin
  perform niji.require_duty('custodian', 'merge persons');
  perform niji.require_protection();
  if keep is null or gone is null then
    raise exception using errcode = '22004', message = 'a merge needs two persons';
  end if;
  if reason is null or reason !~ '\S' then
    raise exception using errcode = '22023', message = 'persons cannot be merged without a reason';
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using errcode = '25001', message = 'persons are merged under READ COMMITTED only',
      detail = 'An older snapshot might miss an objection that counts.';
  end if;
  lock table niji.person_merge in share row exclusive mode;
  lock table niji.consent, niji.consent_void, niji.notice in share row exclusive mode;
  keep := niji.current_person(keep);
  gone := niji.current_person(gone);
  if keep = gone then
    raise exception using errcode = '22023', message = 'the two are one person already';
  end if;
  if not exists (select from niji.identifier i where i.person = keep) or not exists (select from niji.identifier i where i.person = gone) then
    raise exception using errcode = '42704', message = 'there is no such person';
  end if;
  insert into niji.person_merge (keep, gone, reason) values (merge_persons.keep, merge_persons.gone, merge_persons.reason) returning id into merge;
  update niji.identifier i set person = merge_persons.keep, origin = coalesce(i.origin, merge_persons.gone) where i.person = merge_persons.gone;

  -- the statements of one count for the other; denials in force are said anew for both, later than any permission of either
  select max(k.id) into last_consent from niji.consent k;
  for c in
    select k.id, case when k.person = merge_persons.keep then merge_persons.gone else merge_persons.keep end as other
      from niji.consent k
     where k.person in (merge_persons.keep, merge_persons.gone)
       and not exists (select from niji.consent_void v where v.consent = k.id)
     order by k.id
  loop
    perform niji.copy_consent(c.id, c.other, 'history', merge);
  end loop;
  for c in
    select k.id, k.person from niji.consent k
     where k.id <= last_consent and k.person in (merge_persons.keep, merge_persons.gone) and k.decision = 'deny'
       and k.effective_from <= clock_timestamp() and (k.effective_until is null or k.effective_until > clock_timestamp())
       and not exists (select from niji.consent_void v where v.consent = k.id)
       and not exists (select from niji.consent p
                        where p.id <= last_consent and p.person = k.person and p.decision = 'permit' and (p.effective_from, p.id) > (k.effective_from, k.id)
                          and (p.category, p.purpose, p.permit, p.holder, p.dataset, p.recipient_kind)
                              is not distinct from (k.category, k.purpose, k.permit, k.holder, k.dataset, k.recipient_kind)
                          and not exists (select from niji.consent_void v where v.consent = p.id))
     order by k.id
  loop
    perform niji.copy_consent(c.id, merge_persons.keep, 'restated', merge);
    perform niji.copy_consent(c.id, merge_persons.gone, 'restated', merge);
  end loop;
  perform niji.merge_in_cohorts(merge, keep, gone);
  perform niji.record_act('merge_persons', merge::text, jsonb_build_object('keep', keep::text, 'gone', gone::text, 'reason', reason));
  perform niji.move_portion(merge, 10000);
  return merge;
end
$$;
comment on function @extschema@.merge_persons(@extschema@.person, @extschema@.person, text) is
  'Two numbers are one human: identifiers and rows of "gone" become those of "keep" (人の統合). At once: identifiers, and consents: a denial of either hides the rows of both. Up to 10 000 rows move in this transaction; call niji.move_rows() afterwards. Gives the merge''s number, for niji.undo_merge(). Errors: 42704 no such person, 22023 no reason or one person already, 55000 a dataset with rows of "gone" has no primary key, 25001 not under READ COMMITTED. Duty: custodian; recorded in the trail.';

create function @extschema@.undo_merge(merge bigint, reason text) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  m niji.person_merge;
begin
  perform niji.require_duty('custodian', 'undo a merge');
  if reason is null or reason !~ '\S' then
    raise exception using errcode = '22023', message = 'a merge cannot be undone without a reason';
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using errcode = '25001', message = 'a merge is undone under READ COMMITTED only';
  end if;
  lock table niji.person_merge in share row exclusive mode;
  select * into m from niji.person_merge p where p.id = merge;
  if not found or m.state in ('moving back', 'undone') then
    raise exception using errcode = '42704', message = format('there is no merge %s in force', merge);
  end if;
  if exists (select from niji.person_merge p where p.id > m.id and p.undone_at is null and (p.keep = m.keep or p.gone = m.keep)) then
    raise exception using errcode = '55000', message = format('merge %s cannot be undone before later ones', merge),
      detail = 'The person was merged once more since.', hint = 'Undo the latest merge first, and move its rows back.';
  end if;
  -- what was enrolled with the one that was gone, or with those who were gone into it, goes back
  update niji.identifier i set person = m.gone, origin = nullif(i.origin, m.gone)
   where i.person = m.keep and (i.origin = m.gone or i.origin = any (niji.merged_persons(m.gone)));
  update niji.person_merge p set state = 'moving back', undo_reason = undo_merge.reason, undo_by = session_user where p.id = m.id;
  perform niji.record_act('undo_merge', merge::text, jsonb_build_object('keep', m.keep::text, 'gone', m.gone::text, 'reason', reason));
  perform niji.move_portion(merge, 10000);
  perform niji.finish_move(merge);
end
$$;
comment on function @extschema@.undo_merge(bigint, text) is
  'Takes a merge back: identifiers at once, rows in portions (up to 10 000 here, the others by niji.move_rows()), then what counted for both is voided. Rows that were loaded since the merge through identifiers of the one that was gone stay: niji.assign_rows() moves them. Denials that were declared in between go on to count for both; permissions for neither, they have to be given anew. Errors: 42704 no such merge in force, 55000 a later merge stands on it, 22023 no reason. Duty: custodian; recorded in the trail.';

/* ---- splitting ---- */

create function @extschema@.split_links(whom @extschema@.person, identifiers text[], reason text) returns @extschema@.person
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  whose niji.person := niji.current_person(whom);
  result niji.person;
  split bigint;
  c record;
  n integer;
begin
  if whom is null or identifiers is null or array_ndims(identifiers) <> 2 or array_length(identifiers, 2) <> 2 then
    raise exception using errcode = '22023', message = 'identifiers are pairs of a kind and an identifier',
      hint = 'Write them as array[[''patient'', ''...''], [''insured'', ''...'']].';
  end if;
  if reason is null or reason !~ '\S' then
    raise exception using errcode = '22023', message = 'a person cannot be split without a reason';
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using errcode = '25001', message = 'persons are split under READ COMMITTED only';
  end if;
  lock table niji.person_merge in share row exclusive mode;
  lock table niji.consent, niji.consent_void in share row exclusive mode;
  result := niji.draw_person();
  for i in array_lower(identifiers, 1) .. array_upper(identifiers, 1) loop
    update niji.identifier k set person = result, origin = null
      from unnest(niji.identifier_digests(identifiers[i][1], identifiers[i][2])) with ordinality d (digest, generation),
           niji.identifier_kind kinds
     where kinds.kind = identifiers[i][1] and k.kind = kinds.id and k.digest = d.digest and k.generation = d.generation and k.person = whose;
    get diagnostics n = row_count;
    if n = 0 then
      raise exception using errcode = '42704', message = format('identifier %s is not one of this person''s', i - array_lower(identifiers, 1) + 1);
    end if;
  end loop;
  if not exists (select from niji.identifier k where k.person = whose) then
    raise exception using errcode = '22023', message = 'a person cannot be split off with all identifiers';
  end if;
  insert into niji.person_split (person, new_person, reason) values (whose, result, split_links.reason) returning id into split;
  -- either may have said it: a denial goes along, a permission has to be given anew
  for c in
    select k.id from niji.consent k
     where k.person = whose and k.decision = 'deny' and not exists (select from niji.consent_void v where v.consent = k.id)
     order by k.id
  loop
    perform niji.copy_consent(c.id, result, 'split', null);
  end loop;
  perform niji.split_in_cohorts(whose, result);
  perform niji.record_act('split_person', split::text, jsonb_build_object('person', whose::text, 'new_person', result::text, 'identifiers', array_length(identifiers, 1), 'reason', reason));
  return result;
end
$$;
comment on function @extschema@.split_links(@extschema@.person, text[], text) is 'What niji.split_person() does. Internal.';

create function @extschema@.split_person(person @extschema@.person, identifiers text[], reason text) returns @extschema@.person
language c volatile parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.split_person(@extschema@.person, text[], text) is
  'Two humans were taken for one: a new person gets the identifiers, given as array[[kind, identifier], ...], and is returned (人の分離). Denials count for both from then on; permissions stay where they are. No row moves, since a row does not tell through which identifier it came: see niji.assign_rows(). Errors: 42704 an identifier (told by its place) is not this person''s, 22023 no reason, no pairs, or all identifiers. Duty: custodian; recorded in the trail.';

create function @extschema@.assign_rows(from_person @extschema@.person, to_person @extschema@.person, dataset text, keys jsonb, reason text) returns bigint
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC'
as $$
declare
  d niji.dataset;
  target text;
  key_expression text;
  key_column name;
  column_name name;
  result bigint := 0;
begin
  perform niji.require_duty('custodian', 'assign rows to a person');
  if reason is null or reason !~ '\S' then
    raise exception using errcode = '22023', message = 'rows cannot be assigned without a reason';
  end if;
  if from_person is null or to_person is null or jsonb_typeof(keys) is distinct from 'array' then
    raise exception using errcode = '22023', message = 'rows are assigned by two persons and a JSON array of primary keys';
  end if;
  if not exists (select from niji.person_split s where (s.person, s.new_person) in ((from_person, to_person), (to_person, from_person)))
     and not exists (select from niji.person_merge m where m.state = 'undone' and (m.keep, m.gone) in ((from_person, to_person), (to_person, from_person))) then
    raise exception using errcode = '22023', message = 'rows are assigned only between persons who were one',
      detail = 'There is neither a split nor an undone merge of the two.';
  end if;
  select * into d from niji.dataset s where s.name = assign_rows.dataset;
  if not found then
    raise exception using errcode = '42704', message = format('there is no dataset "%s"', dataset);
  end if;
  target := niji.hold_relation(d.relation, 'row exclusive');
  key_expression := niji.person_row_key(d.relation, 't');
  if key_expression is null then
    raise exception using errcode = '55000', message = format('rows of dataset "%s" cannot be named', dataset), hint = 'Add a primary key.';
  end if;
  if exists (select from niji.foreign_code(d.relation)) then
    raise exception using errcode = '42501', message = format('dataset "%s" runs code that does not belong to a superuser', dataset);
  end if;
  select case when count(*) = 1 then min(a.attname::text) end into key_column
    from pg_index x join pg_attribute a on a.attrelid = x.indrelid and a.attnum = any (x.indkey::smallint[])
   where x.indrelid = d.relation and x.indisprimary;
  foreach column_name in array d.person_columns loop
    result := result + niji.run_on_dataset(format(
      'update %s t set %I = $2 from (select distinct case when jsonb_typeof(e) <> ''object'' then jsonb_build_object(%L, e) else e end as key from jsonb_array_elements($5) e) k where t.%2$I = $1 and %4$s = k.key',
      target, column_name, coalesce(key_column, ''), key_expression), from_person, to_person, null, null, keys)::bigint;
  end loop;
  perform niji.record_act('assign_rows', dataset, jsonb_build_object('from', from_person::text, 'to', to_person::text, 'keys', keys, 'rows', result, 'reason', reason));
  return result;
end
$$;
comment on function @extschema@.assign_rows(@extschema@.person, @extschema@.person, text, jsonb, text) is
  'Moves rows of a dataset, named by a JSON array of primary keys (values, or objects of columns), from one person to another, after a split or an undone merge of the two; gives how many. The reverse call moves them back. Errors: 22023 the two were never one, 42704 no such dataset, 55000 no primary key. Duty: custodian; recorded in the trail.';

/* ---- whose reads concern a person ---- */

create function @extschema@.person_spans(person @extschema@.person)
returns table (number @extschema@.person, from_at timestamptz, until_at timestamptz)
language sql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
  select person_spans.person, timestamptz '-infinity', timestamptz 'infinity'
  union all
  select u, '-infinity', 'infinity' from unnest(niji.merged_persons(person_spans.person)) u
  union all
  -- a merge that was undone: the reads in between may have been of their rows
  select m.keep, m.merged_at, m.undone_at from niji.person_merge m where m.gone = person_spans.person and m.undone_at is not null
  union all
  select s.person, '-infinity', s.split_at from niji.person_split s where s.new_person = person_spans.person
$$;
comment on function @extschema@.person_spans(@extschema@.person) is
  'Under which numbers, from when to when, the trail may speak of a person: their own, those merged into it, the one that they were merged into for a time, and the one that they were split off from. Internal.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('custodian', 'function', 'merge_persons(niji.person, niji.person, text)'),
  ('custodian', 'function', 'undo_merge(bigint, text)'),
  ('custodian', 'function', 'split_person(niji.person, text[], text)'),
  ('custodian', 'function', 'assign_rows(niji.person, niji.person, text, jsonb, text)'),
  ('custodian', 'function', 'open_merges()'),
  ('custodian', 'function', 'move_portion(bigint, integer)'),
  ('custodian', 'function', 'finish_move(bigint)'),
  ('custodian', 'function', 'move_rows(integer)'),
  ('custodian', 'select', 'person_merges'),
  ('governance', 'select', 'person_merges'),
  ('auditor', 'select', 'person_merges');
