/* ---- trail: whose data were used ---- */

create function @extschema@.persons_contain(persons bytea, person @extschema@.person) returns boolean
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.persons_contain(bytea, @extschema@.person) is
  'Whether a bitmap of niji.read_persons has the person, whose chunk it is. Errors: XX001 for a damaged bitmap.';

create function @extschema@.persons_list(persons bytea, chunk int) returns setof @extschema@.person
language c immutable strict parallel safe rows 1000 as 'MODULE_PATHNAME';
comment on function @extschema@.persons_list(bytea, int) is
  'The persons of a bitmap of niji.read_persons. Errors: XX001 for a damaged bitmap.';

create function @extschema@.person_chunk(person @extschema@.person) returns int
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.person_chunk(@extschema@.person) is 'The chunk of niji.read_persons in which a person is.';

create function @extschema@.persons_shown(reader regrole, from_time timestamptz, to_time timestamptz, dataset text default null)
returns setof @extschema@.person
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  unknown bigint;
  found_persons bigint;
  reader_name name := (select rolname from pg_catalog.pg_roles where oid = reader);
  only_dataset int;
begin
  perform niji.require_duty('auditor', 'see whose data a reader was shown');
  if reader_name is null then
    raise exception using errcode = '22004', message = 'no reader is given';
  end if;
  if dataset is not null then
    select d.id into only_dataset from niji.dataset d where d.name = persons_shown.dataset;
    if not found then
      raise exception using errcode = '42704', message = format('there is no dataset "%s"', dataset);
    end if;
  end if;
  select count(*) into unknown
    from niji.read_index r
   where r.reader = reader_name and (r.end_seq is null or not r.persons_known)
     and (from_time is null or r.at >= from_time) and (to_time is null or r.at < to_time)
     and (only_dataset is null or only_dataset = any (r.datasets));
  if unknown > 0 then
    raise warning using message = format('%s reads did not end in order, or their persons are not known', unknown),
      detail = 'Everybody whom their permits allow was possibly shown; only those who are known are listed.';
  end if;
  return query
    select distinct x
      from niji.read_index r
      join niji.read_persons p using (open),
           niji.persons_list(p.persons, p.chunk) l,
           -- as they are found now; and, if two were taken for one at the time, both
           lateral (select niji.current_person(l)
                    union
                    select m.gone from niji.person_merge m
                     where m.keep = l and m.undone_at is not null and r.at >= m.merged_at and r.at < m.undone_at) x (x)
     where r.reader = reader_name and p.shown and not r.parked
       and (from_time is null or r.at >= from_time) and (to_time is null or r.at < to_time)
       and (only_dataset is null or p.dataset = only_dataset);
  -- the list is complete here, and has not left yet
  get diagnostics found_persons = row_count;
  perform niji.record_disclosure('persons_shown', reader_name::text, found_persons,
    jsonb_build_object('from', from_time, 'to', to_time, 'dataset', dataset));
end
$$;
comment on function @extschema@.persons_shown(regrole, timestamptz, timestamptz, text) is
  'Whose data a reader was shown from one time up to (not including) another; null: without a bound. A WARNING says how many reads have no list. Recorded, on disk before the list is given. Errors: 22004 for null or a role that is not there, 42704 for no such dataset, 55000 it cannot be recorded. Duty: auditor.';

create function @extschema@.verify_persons(from_seq bigint default null, to_seq bigint default null)
returns table (seq bigint, finding text)
language plpgsql stable parallel restricted security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform niji.require_duty('auditor, governance', 'verify the trail');
  return query
    with trail as (
      select e.seq, e.spool, h.header
        from niji.entry e, lateral (select niji.read_cbor(e.header) as header offset 0) h
       where e.spool is not null
         and (from_seq is null or e.seq >= from_seq) and (to_seq is null or e.seq <= to_seq)
         and h.header ->> 'kind' in ('read', 'read_end')
    )
    select t.seq,
           case when r.open is null then 'this read is missing in niji.read_index'
                else 'niji.read_index says of this read what the entry does not' end
      from trail t left join niji.read_index r on r.open = t.spool
     where t.header ->> 'kind' = 'read'
       and (r.open is null
            or (r.seq, r.reader::text, r.permit) is distinct from
               (t.seq, t.header ->> 'session_user', (t.header ->> 'permit_id')::integer)
            or r.at is distinct from niji.header_time((t.header ->> 'at')::bigint)
            or (select coalesce(array_agg(d.name order by d.name), '{}') from niji.dataset d where d.id = any (r.datasets)) is distinct from
               array(select x from jsonb_array_elements_text(t.header -> 'datasets') x order by x))
    union all
    select t.seq, 'niji.read_index says of the end of this read what the entry does not'
      from trail t join niji.read_index r on r.open = t.spool
     where t.header ->> 'kind' = 'read_end'
       and (r.end_seq is distinct from t.seq or r.parked
            or r.persons_known is distinct from (t.header ->> 'persons_scanned' is not null)
            or r.scanned is distinct from (t.header ->> 'persons_scanned')::bigint)
    union all
    select t.seq, 'the persons of this read are not those that were recorded'
      from trail t
     where t.header ->> 'kind' = 'read_end' and t.header ->> 'persons_scanned' is not null
       and t.header ->> 'persons_hash' is distinct from
           (select encode(sha256(string_agg(int4send(p.dataset) || int4send(p.shown::int) || int4send(p.chunk) ||
                                            int4send(octet_length(p.persons)) || p.persons, ''::bytea
                                            order by p.dataset, p.shown, p.chunk)), 'hex')
              from niji.read_persons p where p.open = t.spool)
     order by 1;
end
$$;
comment on function @extschema@.verify_persons(bigint, bigint) is
  'Closing entries whose sets of persons are no longer those that the entry''s hash was made of; none when intact. verify_trail() looks at entries, not at these sets.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('auditor', 'function', 'persons_shown(regrole, timestamptz, timestamptz, text)'),
  ('auditor', 'function', 'verify_persons(bigint, bigint)'),
  ('governance', 'function', 'verify_persons(bigint, bigint)');
