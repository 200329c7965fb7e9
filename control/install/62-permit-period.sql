/* ---- permit: the period of a dataset, as a condition that indexes and partitions serve ---- */

create function @extschema@.period_condition(date_column name, type regtype, period daterange) returns text
language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp set datestyle = 'ISO'
as $$
declare
  tests text[] := '{}';
  bound date;
begin
  if isempty(period) then
    return 'false';
  end if;
  -- comparisons, not <@: they are leakproof, and reach indexes and partitions
  foreach bound in array array_remove(array[lower(period), upper(period)], null) loop
    tests := tests || format('%I %s %L::%s', date_column,
      case when bound is not distinct from lower(period) then case when lower_inc(period) then '>=' else '>' end
           when upper_inc(period) then '<=' else '<' end,
      case when type = 'timestamptz'::regtype and isfinite(bound)
           then (bound::timestamp at time zone current_setting('niji.timezone'))::text
           when type = 'date'::regtype then bound::text
           else bound::timestamp::text end,
      type);
  end loop;
  if lower(period) is null and upper(period) is null then
    tests := tests || format('%I is not null', date_column);
  end if;
  return array_to_string(tests, ' and ');
end
$$;
comment on function @extschema@.period_condition(name, regtype, daterange) is
  'The condition that a date column lies in a period, for a permit''s policy: bounds of the column, so that indexes and partitions serve it. Days of a timestamptz begin at midnight of niji.timezone. Internal.';
