/* ---- permit: the period of a dataset, as a condition that indexes and partitions serve ---- */

create function @extschema@.period_condition(date_column name, type regtype, period daterange) returns text
language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp set datestyle = 'ISO'
as $$
declare
  d constant text := quote_ident(date_column);
  -- what every type of a date column can hold; beyond it the range itself is asked
  plain constant boolean := period <@ daterange('0001-01-01', '10000-01-01');
begin
  -- <@ would serve no index, prune no partition and be asked of each row; bounds of the column do, and say the same
  if isempty(period) then
    return 'false';
  elsif type = 'date'::regtype and not (lower_inf(period) and upper_inf(period)) then
    return concat_ws(' and ', format('%s >= %L::date', d, lower(period)), format('%s < %L::date', d, upper(period)));
  elsif type = 'date'::regtype then
    return format('%s is not null', d);
  elsif type = 'timestamp'::regtype and plain then
    return format('%s >= %L::timestamp and %s < %L::timestamp', d, lower(period), d, upper(period));
  elsif type = 'timestamptz'::regtype then
    -- days are those of the zone, which may put its clock back over midnight: bounds that are wide enough for any zone, and the days
    return concat_ws(' and ',
      case when plain then format('%s >= %L::timestamptz and %s < %L::timestamptz', d, (lower(period) - 7) || ' 00:00+00', d, (upper(period) + 7) || ' 00:00+00') end,
      format('(%s at time zone %L)::date <@ %L::daterange', d, current_setting('niji.timezone'), period));
  end if;
  return format('%s::date <@ %L::daterange', d, period);
end
$$;
comment on function @extschema@.period_condition(name, regtype, daterange) is
  'The condition that a date column lies in a period, for a permit''s policy: with bounds of the column where they say the same, so that indexes and partitions serve it. Days of a timestamptz are those of niji.timezone. Internal.';
