/* ---- codes: look-ups, named as in FHIR's terminology services ---- */

/*
 * Which row of niji.code answers.  With a date: that of the newest release
 * that was in force then (or of the oldest there is, when the date is before
 * them all), if the code was valid then.  Without: that of the newest release.
 *
 * PL/pgSQL throughout: it keeps its plans for the session, and look-ups are
 * made row by row.
 */
create function @extschema@.find_code(of_system @extschema@.code_system, code text, on_date date)
returns @extschema@.code
language plpgsql stable parallel safe
as $$
declare
  answer niji.code;
begin
  select c.* into answer
    from niji.code c
    join niji.code_release r on r.id = c.release
   where c.system = of_system.id
     and c.code = niji.canonical_code(coalesce(of_system.code_type, ''), find_code.code)
   order by on_date is null or r.valid_from <= on_date desc,
            case when on_date is null or r.valid_from <= on_date then r.valid_from end desc,
            r.valid_from, r.id desc
   limit 1;
  if on_date is not null and not answer.valid @> on_date then
    return null;
  end if;
  return answer;
end
$$;
comment on function @extschema@.find_code(@extschema@.code_system, text, date) is 'The row that answers for a code on a date; null when it is unknown or not valid then. For the look-ups, which set a safe search_path.';

create function @extschema@.lookup_code(system text, code text, on_date date default null)
returns table (display text, kana text, short_name text, valid daterange, release text, attributes jsonb)
language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp rows 1
as $$
declare
  answer niji.code := niji.find_code(niji.find_code_system(lookup_code.system), lookup_code.code, lookup_code.on_date);
begin
  if answer.code is not null then
    return query select answer.display, answer.kana, answer.short_name, answer.valid,
                        (select r.name from niji.code_release r where r.id = answer.release), answer.attributes;
  end if;
end
$$;
comment on function @extschema@.lookup_code(text, text, date) is
  'What a code means: display, kana, short name, validity, the release that says so, and all columns of its master. With a date, only if the code was valid then; without, from the newest release, whatever its validity. No row for an unknown code; 22023 for an unknown system.';

create function @extschema@.validate_code(system text, code text, on_date date default null) returns boolean
language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp
as $$
begin
  return (niji.find_code(niji.find_code_system(validate_code.system), validate_code.code, validate_code.on_date)).code is not null;
end
$$;
comment on function @extschema@.validate_code(text, text, date) is
  'Whether the system has the code and, with a date, whether it was valid then. 22023 for an unknown system.';

create function @extschema@.translate_code(source text, code text, target text, on_date date default null)
returns table (target_code text, relation text, rank text)
language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp rows 2
as $$
#variable_conflict use_column
declare
  to_system integer := (niji.find_code_system(translate_code.target)).id;
  answer niji.code := niji.find_code(niji.find_code_system(translate_code.source), translate_code.code, translate_code.on_date);
begin
  return query
    select m.target_code, m.relation, m.rank
      from niji.code_map m
     where m.source_system = answer.system and m.code = answer.code and m.release = answer.release
       and m.target_system = to_system
     order by m.rank, m.target_code;
end
$$;
comment on function @extschema@.translate_code(text, text, text, date) is
  'The code in words of another system, with the relation (FHIR R5) and the rank: primary, or secondary in a double classification. Target icd10 is the version of 2013. No row when there is none; 22023 for an unknown system.';

create function @extschema@.subsumes(system text, ancestor text, descendant text) returns boolean
language plpgsql stable strict parallel safe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  of_system niji.code_system := niji.find_code_system(system);
  upper_code text := niji.canonical_code(coalesce(of_system.code_type, ''), ancestor);
  lower_code text := niji.canonical_code(coalesce(of_system.code_type, ''), descendant);
begin
  if upper_code is null or lower_code is null then
    return false;
  elsif upper_code = lower_code then
    return true;
  elsif of_system.hierarchy = 'prefix' then
    return starts_with(lower_code, upper_code);
  elsif of_system.hierarchy = 'parent' then
    return exists (
      with recursive line(code) as (
        select (niji.find_code(of_system, lower_code, null)).parent
        union
        select (niji.find_code(of_system, l.code, null)).parent from line l where l.code is not null
      )
      select from line l where l.code = upper_code);
  end if;
  return false;
end
$$;
comment on function @extschema@.subsumes(text, text, text) is
  'Whether the first code is the second one or contains it in the system''s hierarchy (ICD-10: by prefix). False for what has not the form of a code; 22023 for an unknown system.';

create function @extschema@.expand(system text, filter text default null)
returns table (code text, display text, kana text, short_name text, valid daterange)
language sql stable parallel safe security definer set search_path = pg_catalog, pg_temp rows 1000
as $$
  select answer.code, answer.display, answer.kana, answer.short_name, answer.valid
    from (select distinct on (c.code) c.*
            from niji.code c
            join niji.code_release r on r.id = c.release
           where c.system = (niji.find_code_system(expand.system)).id
           order by c.code, r.valid_from desc, r.id desc) answer
   where filter is null
      or starts_with(answer.code, filter)
      or strpos(answer.display, filter) > 0
      or strpos(answer.kana, filter) > 0
      or strpos(answer.short_name, filter) > 0
   order by answer.code
$$;
comment on function @extschema@.expand(text, text) is
  'The codes of a system, each as the newest release that has it says, to join with: all, ended ones too (see valid), or those whose code begins with the filter or whose names contain it. 22023 for an unknown system.';

create function @extschema@.compare_releases(system text, old_release text, new_release text)
returns table (code text, difference text, old_display text, new_display text, old_valid daterange, new_valid daterange)
language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  of_system integer := (niji.find_code_system(compare_releases.system)).id;
  old_id integer := (select r.id from niji.code_release r where r.system = of_system and r.name = compare_releases.old_release);
  new_id integer := (select r.id from niji.code_release r where r.system = of_system and r.name = compare_releases.new_release);
begin
  if old_id is null or new_id is null then
    raise exception using errcode = '22023', message = format('code system "%s" has no such release', system),
      hint = 'The releases are in view niji.code_releases.';
  end if;
  return query
    select coalesce(o.code, n.code),
           case when n.code is null then 'not in it' when not n.listed then 'no longer listed' when o.code is null then 'new'
                when not upper_inf(n.valid) and upper_inf(o.valid) then 'ended' else 'changed' end,
           o.display, n.display, o.valid, n.valid
      from (select c.* from niji.code c where c.system = of_system and c.release = old_id) o
      full join (select c.* from niji.code c where c.system = of_system and c.release = new_id) n on n.code = o.code
     where (o.display, o.kana, o.short_name, o.valid) is distinct from (n.display, n.kana, n.short_name, n.valid)
     order by 1;
end
$$;
comment on function @extschema@.compare_releases(text, text, text) is
  'The codes that differ between two releases of a system in name or validity: new, changed, ended, no longer listed (a complete release lacks them), not in it (a release of changes). 22023 for an unknown system or release. Duties: all.';

insert into @extschema@.duty_right (duty, kind, object)
select d, 'function', 'compare_releases(text, text, text)'
  from unnest(array['loader', 'consent_officer', 'reviewer', 'governance', 'auditor', 'custodian']) d;

insert into @extschema@.public_function (object) values
  ('lookup_code(text, text, date)'),
  ('validate_code(text, text, date)'),
  ('translate_code(text, text, text, date)'),
  ('subsumes(text, text, text)'),
  ('expand(text, text)');
