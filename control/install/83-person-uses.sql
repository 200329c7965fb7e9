/* ---- trail: whose data were used, rolled up by day, by year and for all time ---- */

/*
 * Derived from niji.read_persons, which holds the truth read by read: what is
 * here can be made anew from it.  The writer adds reads in the order of their
 * closing entries; the position moves in the same transaction, so that each is
 * added once.  What is behind the position is looked up read by read.
 *
 * A tuple that fits a page is not put out of line: a look-up goes through the
 * bitmaps of all permits for one chunk, and should touch each once.
 */
create table @extschema@.person_days (
  permit int not null,
  chunk int not null,
  dataset int not null,
  shown boolean not null,
  day date not null,
  reader name not null,
  persons bytea not null,
  primary key (permit, chunk, dataset, shown, day, reader)
) with (toast_tuple_target = 8160);
alter table @extschema@.person_days alter column persons set storage external;
comment on table @extschema@.person_days is
  'Whose rows the reads that a reader began on a day under a permit scanned and did not show, and whom they showed: Roaring bitmaps as in niji.read_persons. Made by roll_up_persons().';
comment on column @extschema@.person_days.day is 'In niji.timezone, as it was when it was rolled up.';

create table @extschema@.person_years (
  permit int not null,
  chunk int not null,
  dataset int not null,
  shown boolean not null,
  year int not null,
  reader name not null,
  persons bytea not null,
  primary key (permit, chunk, dataset, shown, year, reader)
) with (toast_tuple_target = 8160);
alter table @extschema@.person_years alter column persons set storage external;
comment on table @extschema@.person_years is 'The same by calendar year.';

create table @extschema@.person_uses (
  chunk int not null,
  permit int not null,
  dataset int not null,
  shown boolean not null,
  members int not null,
  persons bytea not null,
  facts bytea not null,
  primary key (chunk, permit, dataset, shown)
) with (toast_tuple_target = 8160);
alter table @extschema@.person_uses alter column persons set storage external;
alter table @extschema@.person_uses alter column facts set storage external;
create index person_uses_permit on @extschema@.person_uses (permit, dataset, shown);
comment on table @extschema@.person_uses is 'The same for all time and all readers of a permit.';
comment on column @extschema@.person_uses.members is 'How many persons the bitmap has.';
comment on column @extschema@.person_uses.facts is
  'For each of the persons how many reads there were, the first day and the last: numbers cut into binary digits, a Roaring bitmap of the persons for each digit. Layout: src/trail/uses.c.';

create table @extschema@.person_uses_position (
  seq bigint not null,
  only_one boolean primary key default true check (only_one)
);
comment on table @extschema@.person_uses_position is
  'The entry up to which reads are rolled up; no row: none are. Changed in the transactions that roll up.';

/* ---- what C adds ---- */

create function @extschema@.persons_union_step(internal, bytea) returns internal
language c immutable parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.persons_union_step(internal, bytea) is 'Step of persons_union(). Internal.';
create function @extschema@.persons_union_final(internal) returns bytea
language c immutable parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.persons_union_final(internal) is 'End of persons_union(). Internal.';
create aggregate @extschema@.persons_union(bytea) (
  sfunc = @extschema@.persons_union_step, stype = internal, sspace = 8192, finalfunc = @extschema@.persons_union_final, parallel = safe);
comment on aggregate @extschema@.persons_union(bytea) is 'Union of bitmaps of one chunk. Errors: XX001 for a damaged one.';

create function @extschema@.persons_facts_step(internal, bytea, bytea, date) returns internal
language c immutable parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.persons_facts_step(internal, bytea, bytea, date) is 'Step of persons_facts(). Internal.';
create function @extschema@.persons_facts_final(internal) returns bytea
language c immutable parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.persons_facts_final(internal) is 'End of persons_facts(). Internal.';
create aggregate @extschema@.persons_facts(bytea, bytea, date) (
  sfunc = @extschema@.persons_facts_step, stype = internal, sspace = 400000, finalfunc = @extschema@.persons_facts_final, parallel = safe);
comment on aggregate @extschema@.persons_facts(bytea, bytea, date) is
  'Facts of niji.person_uses out of those that there are (second argument, which has to come first) and of reads: a bitmap and the day of each. Internal.';

create function @extschema@.person_use(facts bytea, person @extschema@.person, out reads bigint, out first_day date, out last_day date)
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.person_use(bytea, @extschema@.person) is
  'What the facts of niji.person_uses tell of a person: how many reads, the first and the last day. Errors: XX001 for damaged facts. Internal.';

create function @extschema@.persons_number(persons bytea) returns int
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.persons_number(bytea) is 'How many persons a bitmap has. Errors: XX001 for a damaged one. Internal.';

/* ---- rolling up ---- */

create function @extschema@.fresh_persons(after_seq bigint, to_seq bigint)
returns table (permit int, chunk int, dataset int, shown boolean, day date, reader name, persons bytea)
language sql stable parallel unsafe security definer rows 1000 set search_path = pg_catalog, pg_temp
as $$
  select r.permit, p.chunk, p.dataset, p.shown, (r.at at time zone current_setting('niji.timezone'))::date, r.reader, p.persons
    from niji.entry e
    join niji.read_index r on r.open = e.spool and r.end_seq = e.seq
    join niji.read_persons p on p.open = r.open
   where e.seq > after_seq and e.seq <= to_seq and e.spool is not null
     and r.permit is not null and not r.parked
$$;
comment on function @extschema@.fresh_persons(bigint, bigint) is 'Sets of the reads that were closed by the entries after one up to another. Internal.';

create function @extschema@.roll_up_persons(entries int default 10000, sets int default 4000) returns bigint
language plpgsql volatile parallel unsafe security definer
set search_path = pg_catalog, pg_temp set enable_hashagg = off set max_parallel_workers_per_gather = 0
as $$
declare
  done_seq bigint;
  upto bigint;
begin
  -- one at a time; a dump brings its own row, so that none is made before
  insert into niji.person_uses_position (seq) values (-1) on conflict do nothing;
  select p.seq into done_seq from niji.person_uses_position p for update;
  -- as many reads as fit into memory, and at least one
  select max(x.seq) into upto
    from (select e.seq, row_number() over w as n, sum(c.sets) over w as sets
            from (select e.seq, e.spool from niji.entry e where e.seq > done_seq order by e.seq limit entries) e
            cross join lateral (select count(*) as sets
                                  from niji.read_index r join niji.read_persons p on p.open = r.open
                                 where r.open = e.spool and r.end_seq = e.seq) c
          window w as (order by e.seq)) x
   where x.n = 1 or x.sets <= roll_up_persons.sets;
  if upto is null then
    return 0;
  end if;

  insert into niji.person_days as t (permit, chunk, dataset, shown, day, reader, persons)
    select x.permit, x.chunk, x.dataset, x.shown, x.day, x.reader, niji.persons_union(x.persons)
      from (select f.permit, f.chunk, f.dataset, f.shown, f.day, f.reader, f.persons from niji.fresh_persons(done_seq, upto) f
            union all
            select d.permit, d.chunk, d.dataset, d.shown, d.day, d.reader, d.persons
              from (select distinct f.permit, f.chunk, f.dataset, f.shown, f.day, f.reader from niji.fresh_persons(done_seq, upto) f) k
              join niji.person_days d using (permit, chunk, dataset, shown, day, reader)) x
     group by 1, 2, 3, 4, 5, 6
    on conflict on constraint person_days_pkey do update set persons = excluded.persons where t.persons <> excluded.persons;

  insert into niji.person_years as t (permit, chunk, dataset, shown, year, reader, persons)
    select x.permit, x.chunk, x.dataset, x.shown, x.year, x.reader, niji.persons_union(x.persons)
      from (select f.permit, f.chunk, f.dataset, f.shown, extract(year from f.day)::int as year, f.reader, f.persons
              from niji.fresh_persons(done_seq, upto) f
            union all
            select d.permit, d.chunk, d.dataset, d.shown, d.year, d.reader, d.persons
              from (select distinct f.permit, f.chunk, f.dataset, f.shown, extract(year from f.day)::int as year, f.reader
                      from niji.fresh_persons(done_seq, upto) f) k
              join niji.person_years d using (permit, chunk, dataset, shown, year, reader)) x
     group by 1, 2, 3, 4, 5, 6
    on conflict on constraint person_years_pkey do update set persons = excluded.persons where t.persons <> excluded.persons;

  insert into niji.person_uses as t (chunk, permit, dataset, shown, members, persons, facts)
    select y.chunk, y.permit, y.dataset, y.shown, niji.persons_number(y.persons), y.persons, y.facts
      from (select x.chunk, x.permit, x.dataset, x.shown, niji.persons_union(x.persons) as persons,
                   niji.persons_facts(x.persons, x.facts, x.day order by x.facts is null) as facts
              from (select f.chunk, f.permit, f.dataset, f.shown, f.persons, null::bytea as facts, f.day
                      from niji.fresh_persons(done_seq, upto) f
                    union all
                    select u.chunk, u.permit, u.dataset, u.shown, u.persons, u.facts, null
                      from (select distinct f.chunk, f.permit, f.dataset, f.shown from niji.fresh_persons(done_seq, upto) f) k
                      join niji.person_uses u using (chunk, permit, dataset, shown)) x
             group by 1, 2, 3, 4) y
    on conflict on constraint person_uses_pkey do update
      set members = excluded.members, persons = excluded.persons, facts = excluded.facts;

  update niji.person_uses_position set seq = upto;
  return upto - done_seq;
end
$$;
comment on function @extschema@.roll_up_persons(int, int) is
  'Adds reads that were closed since to the sets by day, by year and for all time; returns how many entries it passed, 0 when it is up to date. At most so many entries and sets at once. The writer calls it; it is safe to call at any time. Internal.';

create function @extschema@.verify_uses() returns table (permit int, dataset int, chunk int, finding text)
language plpgsql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp set enable_hashagg = off
as $$
#variable_conflict use_column
begin
  perform niji.require_duty('auditor, governance', 'verify the trail');
  return query
    select coalesce(t.permit, u.permit), coalesce(t.dataset, u.dataset), coalesce(t.chunk, u.chunk),
           case when u.permit is null then 'the uses of these persons are not rolled up'
                when t.permit is null then 'uses are told that no read made'
                else 'what is told of these persons'' uses is not what the reads say' end
      from (select f.permit, f.dataset, f.chunk, f.shown, niji.persons_union(f.persons) as persons,
                   niji.persons_facts(f.persons, null::bytea, f.day) as facts
              from niji.fresh_persons(-1, (select p.seq from niji.person_uses_position p)) f
             group by 1, 2, 3, 4) t
      full join niji.person_uses u using (permit, dataset, chunk, shown)
     where (t.persons, t.facts) is distinct from (u.persons, u.facts) or u.members <> niji.persons_number(u.persons)
     order by 1, 2, 3;
end
$$;
comment on function @extschema@.verify_uses() is
  'Compares what is rolled up with the reads that it was made of, all of them; none when intact. verify_persons() compares these with the trail.';

/* ---- looking ---- */

create type @extschema@.person_use_row as (permit int, dataset int, kind text, first_at timestamptz, last_at timestamptz, reads bigint);
comment on type @extschema@.person_use_row is 'What uses_in_words() takes. Internal.';

create function @extschema@.fresh_opens() returns bigint[]
language plpgsql stable parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  done_seq bigint := coalesce((select p.seq from niji.person_uses_position p), -1);
begin
  -- mostly there are none: then nothing is planned
  if done_seq >= coalesce((select max(e.seq) from niji.entry e), -1) then
    return '{}';
  end if;
  return array(select r.open
                 from (select e.seq, e.spool from niji.entry e where e.seq > done_seq and e.spool is not null order by e.seq) e
                 join niji.read_index r on r.open = e.spool and r.end_seq = e.seq
                where r.permit is not null and not r.parked);
end
$$;
comment on function @extschema@.fresh_opens() is 'Reads that are not rolled up yet, by the spool number of their opening entry. Internal.';

create function @extschema@.uses_in_words(uses @extschema@.person_use_row[], person @extschema@.person)
returns table (permit text, title text, purpose text, applicant text, dataset text, kind text,
               first_at timestamptz, last_at timestamptz, reads bigint)
language plpgsql stable parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  -- its plan is kept, which that of a function in SQL is not
  return query
  with used as (
    select u.permit, u.dataset, u.kind, u.first_at, u.last_at, u.reads from unnest(uses) u
    union all
    -- reads that did not end, or whose persons are not known
    select r.permit, d, 'possibly shown', r.at, r.at, 1
      from niji.read_index r, unnest(r.datasets) d
     where r.end_seq is null or not r.persons_known
    union all
    -- by two custodians, not by a reader
    select q.permit, null, case when q.used_at is not null then 're-identified' else 'possibly re-identified' end,
           coalesce(q.used_at, q.approved_at), coalesce(q.used_at, q.approved_at), 1
      from niji.reidentified i join niji.reidentification q on q.id = i.reidentification
     where exists (select from niji.person_spans(uses_in_words.person) s
                    where s.number = i.person and coalesce(q.used_at, q.approved_at) >= s.from_at and coalesce(q.used_at, q.approved_at) < s.until_at)
  ), summed as (
    select u.permit, u.dataset, u.kind, min(u.first_at) as first_at, max(u.last_at) as last_at, sum(u.reads)::bigint as reads
      from used u group by 1, 2, 3
  )
  select m.code::text, m.title::text, m.purpose::text, a.name::text, d.name::text, s.kind, s.first_at, s.last_at, s.reads
    from summed s
    left join niji.permit m on m.id = s.permit
    left join niji.applicant a on a.id = m.applicant
    left join niji.dataset d on d.id = s.dataset
   order by s.last_at desc, m.code, d.name, s.kind;
end
$$;
comment on function @extschema@.uses_in_words(@extschema@.person_use_row[], @extschema@.person) is
  'Uses of a person''s data, with those that concern everybody and re-identifications, in the words of who_used(). Internal.';

create function @extschema@.who_used(person @extschema@.person)
returns table (permit text, title text, purpose text, applicant text, dataset text, kind text,
               first_at timestamptz, last_at timestamptz, reads bigint)
language plpgsql stable parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  wanted alias for $1;
  opens bigint[] := niji.fresh_opens();
  zone text := current_setting('niji.timezone');
  own_chunk int := niji.person_chunk(wanted);
begin
  perform niji.require_duty('auditor, consent_officer', 'see who used a person''s data');
  -- "nobody" would be the wrong answer to a mistyped identifier
  if wanted is null then
    raise exception using errcode = '22004', message = 'no person is given',
      hint = 'niji.find_person() gives null for an identifier that nobody was enrolled with.';
  end if;

  -- several numbers, or one for a time only: one read may have met two of them, so each is looked at
  if (select count(*) from niji.person_spans(wanted)) > 1 then
    return query
      with used as (
        select distinct p.open, r.permit, p.dataset, case when p.shown then 'shown' else 'scanned' end as kind, r.at
          from niji.read_persons p
          join niji.read_index r using (open)
          join niji.person_spans(wanted) s on p.chunk = niji.person_chunk(s.number) and r.at >= s.from_at and r.at < s.until_at
         where not r.parked and niji.persons_contain(p.persons, s.number)
      )
      select x.* from niji.uses_in_words((select array_agg(row(u.permit, u.dataset, u.kind, u.at, u.at, 1)::niji.person_use_row) from used u), wanted) x;
    return;
  end if;
  return query
    select x.*
      from niji.uses_in_words((
        select array_agg(u)
          from (select row(u.permit, u.dataset, case when u.shown then 'shown' else 'scanned' end,
                           f.first_day::timestamp at time zone zone, f.last_day::timestamp at time zone zone, f.reads)::niji.person_use_row
                  from niji.person_uses u, niji.person_use(u.facts, wanted) f
                 where u.chunk = own_chunk and niji.persons_contain(u.persons, wanted)
                union all
                select row(r.permit, p.dataset, case when p.shown then 'shown' else 'scanned' end, r.at, r.at, 1)::niji.person_use_row
                  from niji.read_persons p join niji.read_index r using (open)
                 where p.open = any (opens) and p.chunk = own_chunk
                   and niji.persons_contain(p.persons, wanted)) x (u)), wanted) x;
end
$$;
comment on function @extschema@.who_used(@extschema@.person) is
  'Who used a person''s data, by permit and dataset. kind: shown (a pseudonym or row of theirs left), scanned (a row of theirs passed the filter and was counted), possibly shown (the read did not end in order, or was made without a permit, by a superuser; everybody counts), re-identified (two custodians asked who is behind a pseudonym; possibly: they agreed, and no answer was committed). first_at and last_at are exact for the newest reads, and the beginning of the day for those that are rolled up. Errors: 22004 for null. Duties: auditor, consent_officer.';

create function @extschema@.who_used_days(person @extschema@.person, permit text)
returns table (day date, dataset text, kind text, reader name)
language plpgsql stable parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  wanted alias for $1;
  wanted_permit alias for $2;
  permit_id int := (select m.id from niji.permit m where lower(m.code) = lower(wanted_permit));
  opens bigint[] := niji.fresh_opens();
  zone text := current_setting('niji.timezone');
begin
  perform niji.require_duty('auditor, consent_officer', 'see who used a person''s data');
  if wanted is null then
    raise exception using errcode = '22004', message = 'no person is given',
      hint = 'niji.find_person() gives null for an identifier that nobody was enrolled with.';
  end if;
  if permit_id is null then
    raise exception using errcode = '42704', message = 'there is no such permit', hint = 'The permits are in niji.permits.';
  end if;
  return query
    with used as (
      select d.day, d.dataset, d.shown, d.reader
        from niji.person_spans(wanted) s
        join niji.person_days d on d.chunk = niji.person_chunk(s.number) and d.permit = permit_id
       where niji.persons_contain(d.persons, s.number)
         and d.day >= coalesce(case when s.from_at <> '-infinity' then (s.from_at at time zone zone)::date end, '-infinity')
         and d.day <= coalesce(case when s.until_at <> 'infinity' then (s.until_at at time zone zone)::date end, 'infinity')
      union
      select (r.at at time zone zone)::date, p.dataset, p.shown, r.reader
        from niji.read_index r
        join niji.person_spans(wanted) s on r.at >= s.from_at and r.at < s.until_at
        join niji.read_persons p on p.open = r.open and p.chunk = niji.person_chunk(s.number)
       where r.open = any (opens) and r.permit = permit_id
         and niji.persons_contain(p.persons, s.number)
    )
    select u.day, d.name::text, case when u.shown then 'shown' else 'scanned' end, u.reader
      from used u left join niji.dataset d on d.id = u.dataset
     order by 1, 2, 3, 4;
end
$$;
comment on function @extschema@.who_used_days(@extschema@.person, text) is
  'The days, in niji.timezone, on which a permit''s reads scanned or showed a person, by dataset and reader. Of a person who was merged or split on a day the whole day counts. Errors: 22004 for null, 42704 for no such permit. Duties: auditor, consent_officer.';

select pg_catalog.pg_extension_config_dump('@extschema@.person_days', '');
select pg_catalog.pg_extension_config_dump('@extschema@.person_years', '');
select pg_catalog.pg_extension_config_dump('@extschema@.person_uses', '');
select pg_catalog.pg_extension_config_dump('@extschema@.person_uses_position', '');

insert into @extschema@.duty_right (duty, kind, object) values
  ('auditor', 'function', 'who_used(niji.person)'),
  ('consent_officer', 'function', 'who_used(niji.person)'),
  ('auditor', 'function', 'who_used_days(niji.person, text)'),
  ('consent_officer', 'function', 'who_used_days(niji.person, text)'),
  ('auditor', 'function', 'verify_uses()'),
  ('governance', 'function', 'verify_uses()');
