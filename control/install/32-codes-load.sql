/* ---- codes: loading of master files ---- */

create function @extschema@.read_csv(content bytea, encoding text)
returns table (line integer, fields text[], problem text)
language c immutable strict as 'MODULE_PATHNAME';
comment on function @extschema@.read_csv(bytea, text) is
  'The rows of a CSV file (RFC 4180, no header) with their lines; a row that cannot be split or decoded has a problem instead of fields. Encodings: cp932, utf-8. 22021 when the file is of another encoding.';

create function @extschema@.master_date(field text) returns date
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.master_date(text) is
  'A date of a master file, YYYYMMDD: 99999999 is infinity, 00000000 and nothing are null, what is no date is -infinity.';

create function @extschema@.canonical_code(type text, code text) returns text
language c immutable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.canonical_code(text, text) is
  'The canonical text of a code of the named code type, null when it has not its form; for another type the code as it is.';

create function @extschema@.find_code_system(system text) returns @extschema@.code_system
language plpgsql stable
as $$
declare
  found_system niji.code_system;
begin
  select s.* into found_system from niji.code_system s where s.name = find_code_system.system;
  if not found then
    raise exception using errcode = '22023', message = format('there is no code system "%s"', system),
      hint = 'The code systems are in view niji.code_systems.';
  end if;
  return found_system;
end
$$;
comment on function @extschema@.find_code_system(text) is 'The code system of that name; 22023 when there is none.';

create function @extschema@.load_codes(system text, release text, content bytea, valid_from date default null)
returns table (taken integer, changed integer, ended integer, refused integer, details jsonb)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  of_system niji.code_system;
  layout niji.code_layout;
  earlier niji.code_release;
  new_release integer;
  from_day date := coalesce(load_codes.valid_from, (now() at time zone current_setting('niji.timezone', true))::date, current_date);
  first_columns integer;
  is_complete boolean;
  volatile_names text[];
  taken_rows integer;
  changed_rows integer;
  new_rows integer;
  ended_rows integer;
  refused_rows jsonb;
  refused_count integer;
  absent_rows integer := 0;
  notes jsonb := '{}';
begin
  perform niji.require_duty('governance', 'load codes');
  if load_codes.system is null or load_codes.release is null or content is null then
    raise exception using errcode = '22004', message = 'code system, release and content must not be null';
  end if;
  if release !~ '^\S(.{0,98}\S)?$' then
    raise exception using errcode = '22023', message = 'the name of a release must have 1 to 100 characters, and no space at its ends';
  end if;
  of_system := niji.find_code_system(load_codes.system);

  -- one load at a time; and the same file twice is one
  lock table niji.code_release in share row exclusive mode;
  select r.* into earlier from niji.code_release r where r.system = of_system.id and r.name = load_codes.release;
  if found then
    if earlier.sha256 = sha256(content) then
      return query select earlier.taken, earlier.changed, earlier.ended, earlier.refused,
                          earlier.details || '{"loaded_before": true}';
      return;
    end if;
    raise exception using errcode = '23505',
      message = format('release "%s" of code system "%s" exists with other contents', release, system),
      hint = 'A release is never altered; load the file under another name.';
  end if;

  select cardinality(f.fields) into first_columns
    from niji.read_csv(content, 'cp932') f where f.fields is not null order by f.line limit 1;
  if first_columns is null then
    raise exception using errcode = '22023', message = 'the file has no rows';
  end if;
  select l.* into layout from niji.code_layout l where l.system = of_system.id and l.columns = first_columns;
  if not found then
    raise exception using
      errcode = case when exists (select from niji.code_layout l where l.system = of_system.id) then '22023' else '0A000' end,
      message = format('cannot load this file as codes of system "%s"', of_system.name),
      detail = format('Columns seen: %s. Columns expected: %s.', first_columns,
                      coalesce((select string_agg(l.columns::text, ' or ') from niji.code_layout l where l.system = of_system.id),
                               'unknown, the layout of this system is not supported')),
      hint = 'Supported are: ' || (select string_agg(format('%s (%s columns)', s.name, l.columns), ', ')
                                     from niji.code_layout l join niji.code_system s on s.id = l.system) || '.';
  end if;
  volatile_names := array(select n from unnest(layout.names) n where n like '%変更情報' or n = '変更区分');

  insert into niji.code_release (system, name, valid_from, complete, sha256, taken, changed, ended, refused, details)
  values (of_system.id, load_codes.release, from_day, false, sha256(content), 0, 0, 0, 0, '{}')
  returning id into new_release;

  /*
   * Every row is judged, and what is wrong with it is said; the others are
   * stored.  f: 1 変更区分, 2 マスター種別, 3 コード, 6 name, 8 short name, 10 kana,
   * 14 to 17 ICD-10, 22 listed, 24 abolished (the last day of use).
   */
  with file as materialized (
    select x.line, x.fields as f, x.problem,
           niji.master_date(x.fields[22]) as listed, niji.master_date(x.fields[23]) as altered, niji.master_date(x.fields[24]) as abolished
      from niji.read_csv(content, 'cp932') x
  ), judged as materialized (
    select line, f, listed, abolished,
           case
             when problem is not null then problem
             when cardinality(f) <> layout.columns then format('%s columns, expected %s', cardinality(f), layout.columns)
             when f[2] <> layout.kind then format('マスター種別 is not %s', layout.kind)
             when f[1] not in ('0', '1', '2', '3', '5', '9') then '変更区分 is unknown'
             when niji.canonical_code(of_system.code_type, f[3]) is null or length(f[3]) <> 7 then format('%s is not a code of 7 digits', layout.names[3])
             when f[6] = '' and f[1] not in ('1', '9') then format('%s is empty', layout.names[6])
             when listed in ('infinity', '-infinity') then format('%s is not a date', layout.names[22])
             when altered in ('infinity', '-infinity') then format('%s is not a date', layout.names[23])
             when abolished = '-infinity' then format('%s is not a date', layout.names[24])
             when abolished < listed then format('%s is before %s', layout.names[24], layout.names[22])
             else (select format('%s is not an ICD-10 code', layout.names[i]) from generate_series(14, 17) i
                    where f[i] <> '' and niji.canonical_code('icd10', f[i]) is null order by i limit 1)
           end as reason
      from file
  ), numbered as materialized (
    select j.*, case when reason is null then min(line) filter (where reason is null) over (partition by f[3]) end as first_line
      from judged j
  ), known as materialized (
    select n.line, n.f, n.listed, n.abolished, before.code as before_code, before.display, before.kana, before.short_name, before.valid, before.attributes
      from numbered n
      left join lateral (
        select c.* from niji.code c join niji.code_release r on r.id = c.release
         where c.system = of_system.id and c.code = n.f[3] and r.valid_from <= from_day and r.id <> new_release
         order by r.valid_from desc, r.id desc limit 1) before on true
     where n.reason is null and n.line = n.first_line
  ), good as materialized (
    select k.line, k.f, k.before_code is not null as had_before,
           coalesce(nullif(k.f[6], ''), k.display) as display,
           coalesce(nullif(k.f[10], ''), k.kana) as kana,
           coalesce(nullif(k.f[8], ''), k.short_name) as short_name,
           daterange(coalesce(k.listed, lower(k.valid), case when k.f[1] = '3' then from_day end),
                     case when k.abolished < 'infinity' then k.abolished + 1
                          when k.f[1] in ('1', '9') then greatest(from_day, k.listed) end) as valid,
           case when k.f[6] = '' then k.attributes else '{}' end
             || jsonb_strip_nulls(jsonb_object(layout.names, array_replace(k.f, '', null))) as attributes,
           k.display as before_display, k.kana as before_kana, k.short_name as before_short_name,
           k.valid as before_valid, k.attributes as before_attributes
      from known k
     where k.f[6] <> '' or k.before_code is not null
  ), refusals as (
    -- what does not look like a code is not repeated: the file may be another one
    select n.line, case when n.f[3] ~ '^[0-9A-Za-z]{1,10}$' then n.f[3] end as code,
           coalesce(n.reason, case when n.line <> n.first_line then format('the code is already in line %s', n.first_line)
                                   else 'ends a code that is not known' end) as reason
      from numbered n
     where not exists (select from good g where g.line = n.line)
  ), stored as (
    insert into niji.code (system, code, release, display, kana, short_name, valid, attributes)
    select of_system.id, g.f[3], new_release, g.display, g.kana, g.short_name, g.valid, g.attributes from good g
    returning 1
  ), mapped as (
    insert into niji.code_map (source_system, code, target_system, target_code, relation, rank, release)
    select of_system.id, g.f[3], t.id, niji.canonical_code('icd10', g.f[m.field]), 'source-is-narrower-than-target', m.rank, new_release
      from good g
     cross join (values (14, 'icd10-2003', 'primary'), (15, 'icd10-2003', 'secondary'),
                        (16, 'icd10', 'primary'), (17, 'icd10', 'secondary')) m(field, target, rank)
      join niji.code_system t on t.name = m.target
     where g.f[m.field] <> ''
    returning 1
  )
  select (select count(*) from stored),
         (select count(*) from good where not had_before),
         (select count(*) from good where had_before and (display, kana, short_name, valid, attributes - volatile_names)
                                                     is distinct from (before_display, before_kana, before_short_name, before_valid, before_attributes - volatile_names)),
         (select count(*) from good where not upper_inf(valid) and (before_valid is null or upper_inf(before_valid))),
         (select bool_or(f[1] = '0') from good),
         coalesce((select jsonb_agg(jsonb_build_object('line', line, 'code', code, 'reason', reason) order by line) from refusals), '[]')
    into taken_rows, new_rows, changed_rows, ended_rows, is_complete, refused_rows;

  if taken_rows = 0 then
    raise exception using errcode = '22023', message = 'no row of the file could be taken',
      detail = format('Rows refused: %s. The first is line %s: %s.', jsonb_array_length(refused_rows),
                      refused_rows -> 0 ->> 'line', refused_rows -> 0 ->> 'reason');
  end if;

  /*
   * Only complete files list codes that did not change (変更区分 0), and they
   * leave out those that were abolished: what such a file lacks has ended.
   */
  if is_complete then
    if exists (select from jsonb_array_elements(refused_rows) r where r ->> 'code' is null) then
      notes := jsonb_build_object('note', 'codes that the file lacks were not ended, since it has rows whose code could not be read');
    else
      with last_state as (
        select distinct on (c.code) c.*
          from niji.code c join niji.code_release r on r.id = c.release
         where c.system = of_system.id and r.valid_from <= from_day and r.id <> new_release
         order by c.code, r.valid_from desc, r.id desc
      ), gone as materialized (
        select l.* from last_state l
         where (upper_inf(l.valid) or upper(l.valid) > from_day)
           and not exists (select from niji.code c where c.system = of_system.id and c.code = l.code and c.release = new_release)
           and l.code not in (select r ->> 'code' from jsonb_array_elements(refused_rows) r)
      ), closed as (
        insert into niji.code (system, code, release, display, kana, short_name, valid, parent, listed, attributes)
        select g.system, g.code, new_release, g.display, g.kana, g.short_name, g.valid * daterange(null, from_day), g.parent, false, g.attributes
          from gone g
        returning 1
      ), mapped as (
        insert into niji.code_map (source_system, code, target_system, target_code, relation, rank, release)
        select m.source_system, m.code, m.target_system, m.target_code, m.relation, m.rank, new_release
          from niji.code_map m join gone g on m.source_system = g.system and m.code = g.code and m.release = g.release
        returning 1
      )
      select count(*) into absent_rows from closed;
    end if;
  end if;

  -- a report is for reading
  refused_count := jsonb_array_length(refused_rows);
  if refused_count > 1000 then
    refused_rows := jsonb_path_query_array(refused_rows, '$[0 to 999]');
    notes := notes || jsonb_build_object('refused_rows_not_shown', refused_count - 1000);
  end if;
  notes := notes || jsonb_build_object('new', new_rows, 'no_longer_listed', absent_rows, 'refused_rows', refused_rows);
  update niji.code_release r
     set complete = coalesce(is_complete, false), taken = taken_rows, changed = changed_rows,
         ended = ended_rows + absent_rows, refused = refused_count, details = notes
   where r.id = new_release;
  perform niji.record_act('load_codes', of_system.name || ' ' || load_codes.release,
                          jsonb_build_object('sha256', encode(sha256(content), 'hex'), 'taken', taken_rows, 'changed', changed_rows,
                                             'ended', ended_rows + absent_rows, 'refused', refused_count));
  return query select taken_rows, changed_rows, ended_rows + absent_rows, refused_count, notes;
end
$$;
comment on function @extschema@.load_codes(text, text, bytea, date) is
  'Loads a master file as a release of a code system, in one transaction: rows that are wrong are named in details with line and reason, and the others are stored. valid_from is the day from which the release answers (default: today). The same file again changes nothing. 22023 for an unknown system, a wrong number of columns or a file without a row that is right, 0A000 for a system whose files are not read yet, 22021 for a wrong encoding, 23505 for other contents under the same name. Duty: governance.';

create function @extschema@.load_codes_file(system text, release text, path text, valid_from date default null)
returns table (taken integer, changed integer, ended integer, refused integer, details jsonb)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform niji.require_duty('governance', 'load codes');
  if not pg_has_role(session_user, 'pg_read_server_files', 'usage') then
    raise exception using errcode = '42501', message = 'permission denied to read a file of the server',
      detail = 'Only superusers and members of pg_read_server_files may.',
      hint = 'niji.load_codes() takes the contents of a file.';
  end if;
  return query select * from niji.load_codes(load_codes_file.system, load_codes_file.release,
                                             pg_read_binary_file(load_codes_file.path), load_codes_file.valid_from);
end
$$;
comment on function @extschema@.load_codes_file(text, text, text, date) is
  'As niji.load_codes(), from a file of the server: for superusers and members of pg_read_server_files with the duty governance.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'load_codes(text, text, bytea, date)'),
  ('governance', 'function', 'load_codes_file(text, text, text, date)');
