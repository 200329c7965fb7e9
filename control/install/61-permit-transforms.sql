/* ---- permit: what views and policies of permits call ---- */

create function @extschema@.under_permit_support(internal) returns internal
language c strict as 'MODULE_PATHNAME';
comment on function @extschema@.under_permit_support(internal) is 'Planner support of niji.under_permit(): it withholds no row from a statement that may run.';

create function @extschema@.under_permit(dataset integer) returns boolean
language c stable strict leakproof parallel safe cost 1
support @extschema@.under_permit_support
as 'MODULE_PATHNAME';
comment on function @extschema@.under_permit(integer) is
  'Whether the running statement was admitted under a permit and reads this dataset by it. Stands in the restrictive policy of each dataset. Error: 55000 on a server that does not preload niji, whatever the row.';

create function @extschema@.require_protection() returns void
language c stable parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.require_protection() is
  'Raises 55000 unless the server has preloaded niji and this is the database of niji.database.';

create function @extschema@.year(date) returns integer
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'year_of_date';
create function @extschema@.year(timestamp) returns integer
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'year_of_timestamp';
create function @extschema@.year(timestamptz) returns integer
language c stable strict leakproof parallel safe as 'MODULE_PATHNAME', 'year_of_timestamptz';
comment on function @extschema@.year(date) is 'Transform: the year. Null for infinity; never raises.';
comment on function @extschema@.year(timestamp) is 'Transform: the year. Null for infinity; never raises.';
comment on function @extschema@.year(timestamptz) is 'Transform: the year in niji.timezone. Null for infinity; never raises.';

create function @extschema@.month(date) returns date
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'month_of_date';
create function @extschema@.month(timestamp) returns date
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME', 'month_of_timestamp';
create function @extschema@.month(timestamptz) returns date
language c stable strict leakproof parallel safe as 'MODULE_PATHNAME', 'month_of_timestamptz';
comment on function @extschema@.month(date) is 'Transform: the first day of the month. Null for infinity; never raises.';
comment on function @extschema@.month(timestamp) is 'Transform: the first day of the month. Null for infinity; never raises.';
comment on function @extschema@.month(timestamptz) is 'Transform: the first day of the month in niji.timezone. Null for infinity; never raises.';

create function @extschema@.band(value integer, width integer) returns integer
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.band(integer, integer) is
  'Transform: the lower bound of the band of that width in which the value lies; bands begin at multiples of the width. Null for a width below 1; never raises.';

create function @extschema@.prefecture(value text) returns text
language c immutable strict leakproof parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.prefecture(text) is
  'Transform: the prefecture (都道府県番号, 01 to 47) in the number of an institution (10 digits) or an insurer (8 or 6 digits), or itself (2 digits). Null for anything else; never raises.';

insert into @extschema@.public_function values
  ('under_permit(integer)'),
  ('year(date)'), ('year(timestamp)'), ('year(timestamptz)'),
  ('month(date)'), ('month(timestamp)'), ('month(timestamptz)'),
  ('band(integer, integer)'),
  ('prefecture(text)');
