/* ---- intake: claims files (レセプト電算, UKE) ---- */

create function @extschema@.read_uke(content bytea,
  out line integer, out place text, out receipt integer, out record_type text, out fields text[],
  out reason text, out raw bytea)
returns setof record
language c immutable strict parallel safe cost 1000 rows 1000
as 'MODULE_PATHNAME';
comment on function @extschema@.read_uke(bytea) is
  'Reads a claims file (UKE, CP932): a row for each record, in order. A record that is wrong has a reason, no fields, and its own bytes in raw; one of the file as a whole (empty, not a claims file, UTF-8, truncated, GO''s count) has the place "file". Never raises because of what the file says, and no reason quotes it.';

create function @extschema@.uke_date(value text) returns date
language c immutable strict parallel safe
as 'MODULE_PATHNAME';
comment on function @extschema@.uke_date(text) is
  'A date of a claims file: YYYYMMDD or, in the old form, GYYMMDD with the era 1 明治 2 大正 3 昭和 4 平成 5 令和 (or M T S H R); a month (YYYYMM, GYYMM) gives its first day. Error 22007 otherwise.';

create function @extschema@.uke_receipts(content bytea,
  out line integer, out place text, out receipt integer, out institution text, out service_month date,
  out birth_date date, out sex integer, out insurer text, out identifier_kind text, out identifier text,
  out claim_month date, out receipt_type text, out days integer, out points integer,
  out reason text, out raw bytea)
returns setof record
language c immutable strict parallel safe cost 1000 rows 100
as 'MODULE_PATHNAME';
comment on function @extschema@.uke_receipts(bytea) is
  'The receipts (レセプト) of a claims file: institution (10 digits), month of service, birth date, sex (1 male, 2 female), payer, the insured person''s identifier and its kind for niji.enrol(), month of the claim, type, days, points. Records that were refused and are neither diseases nor items, and receipts without a usable person, are rows with a reason.';

create function @extschema@.uke_diagnoses(content bytea,
  out line integer, out place text, out receipt integer, out institution text, out service_month date,
  out birth_date date, out sex integer, out insurer text, out identifier_kind text, out identifier text,
  out disease_code text, out start_date date, out outcome integer, out modifiers text[], out disease_name text,
  out is_main boolean,
  out reason text, out raw bytea)
returns setof record
language c immutable strict parallel safe cost 1000 rows 100
as 'MODULE_PATHNAME';
comment on function @extschema@.uke_diagnoses(bytea) is
  'The diseases (SY) of a claims file, each with its receipt''s institution, month and person: code (7 digits; 0000999 is uncoded, with its name), start, outcome (転帰: 1 goes on, 2 cured, 3 died, 4 stopped), modifiers, whether it is the main one. SY records that were refused are rows with a reason.';

create function @extschema@.uke_items(content bytea,
  out line integer, out place text, out receipt integer, out institution text, out service_month date,
  out birth_date date, out sex integer, out insurer text, out identifier_kind text, out identifier text,
  out item_type text, out service_class text, out item_code text, out quantity numeric, out points numeric,
  out times integer, out service_dates date[],
  out reason text, out raw bytea)
returns setof record
language c immutable strict parallel safe cost 1000 rows 500
as 'MODULE_PATHNAME';
comment on function @extschema@.uke_items(bytea) is
  'What was done (SI), given (IY) and used (TO) in a claims file, each with its receipt''s institution, month and person: code (9 digits), class (診療識別, carried down within its group), quantity, points (on the last record of a group), times, the days. SI, IY, TO and CO records that were refused are rows with a reason.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('loader', 'function', 'read_uke(bytea)'),
  ('loader', 'function', 'uke_date(text)'),
  ('loader', 'function', 'uke_receipts(bytea)'),
  ('loader', 'function', 'uke_diagnoses(bytea)'),
  ('loader', 'function', 'uke_items(bytea)');
