/* ---- trail: metering, and limits ---- */

/* the sum of closing entries; the writer adds to it in the transaction that enters them */
create table @extschema@.permit_usage (
  permit int not null,
  month date not null,
  statements bigint not null,
  rows bigint not null,
  persons_scanned bigint not null,
  persons_shown bigint not null,
  micros bigint not null,
  cpu bigint not null,
  buffers bigint not null,
  bytes bigint not null,
  primary key (permit, month)
) with (fillfactor = 50);
comment on table @extschema@.permit_usage is 'What the reads under a permit that ended in a month came to; read it through niji.usage.';

create view @extschema@.usage as
  select m.code as permit, u.month, u.statements, u.rows, u.persons_scanned, u.persons_shown,
         u.micros / 1e6 as seconds, u.cpu / 1e6 as cpu_seconds, u.buffers, u.bytes
    from @extschema@.permit_usage u left join @extschema@.permit m on m.id = u.permit;
comment on view @extschema@.usage is
  'What reads came to by permit and month (in niji.timezone, of their end; month is its first day). Persons are added up read by read. CPU: of running, workers included, without planning. buffers: blocks. bytes: of the values in the results, an estimate of what was sent.';

/*
 * Append-only but for the confirmation.  The newest confirmed row of a permit
 * and amount holds; a null amount takes the limit away.
 */
create table @extschema@.permit_limit (
  id bigint generated always as identity primary key,
  permit int not null references @extschema@.permit,
  what text not null check (what in ('statements', 'rows', 'persons', 'cpu_seconds', 'bytes')),
  amount bigint check (amount >= 0),
  proposed_at timestamptz not null default clock_timestamp(),
  proposed_by name not null default session_user,
  confirmed_at timestamptz,
  confirmed_by name,
  check ((confirmed_at is null) = (confirmed_by is null)),
  check (confirmed_by <> proposed_by)
);
comment on table @extschema@.permit_limit is 'What permits may use in a month, as one proposed and another confirmed.';
create trigger invalidate after insert or update or delete or truncate on @extschema@.permit_limit
  for each statement execute function @extschema@.invalidate();
alter table @extschema@.permit_limit enable always trigger invalidate;

create function @extschema@.permit_limit_in_force() returns table (permit int, what text, amount bigint)
language sql stable parallel safe set search_path = pg_catalog, pg_temp
as $$
  select l.permit, l.what, l.amount
    from (select distinct on (x.permit, x.what) x.permit, x.what, x.amount
            from niji.permit_limit x where x.confirmed_at is not null
           order by x.permit, x.what, x.confirmed_at desc, x.id desc) l
   where l.amount is not null
$$;
comment on function @extschema@.permit_limit_in_force() is 'The limits that hold now. Internal.';

create view @extschema@.permit_limits as
  select l.id, m.code as permit, l.what, l.amount, l.proposed_at, l.proposed_by, l.confirmed_at, l.confirmed_by,
         l.id in (select distinct on (x.permit, x.what) x.id from @extschema@.permit_limit x where x.confirmed_at is not null
                   order by x.permit, x.what, x.confirmed_at desc, x.id desc) as in_force
    from @extschema@.permit_limit l join @extschema@.permit m on m.id = l.permit;
comment on view @extschema@.permit_limits is 'Limits of permits, with who proposed and confirmed them. A null amount takes a limit away.';

create function @extschema@.propose_limit(permit text, what text, amount bigint) returns bigint
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  wanted alias for $1;
  wanted_what alias for $2;
  wanted_amount alias for $3;
  permit_id int;
  permit_code text;
  result bigint;
begin
  perform niji.require_duty('governance', 'limit what a permit may use');
  select m.id, m.code into permit_id, permit_code from niji.permit m where lower(m.code) = lower(wanted);
  if permit_id is null then
    raise exception using errcode = '42704', message = 'there is no such permit', hint = 'The permits are in niji.permits.';
  end if;
  if wanted_what is null or wanted_what not in ('statements', 'rows', 'persons', 'cpu_seconds', 'bytes') then
    raise exception using errcode = '22023', message = 'there is no such amount',
      hint = 'Limits are on statements, rows, persons, cpu_seconds or bytes of a month.';
  end if;
  if wanted_amount < 0 then
    raise exception using errcode = '22023', message = 'a limit cannot be negative', hint = 'Null takes a limit away.';
  end if;
  insert into niji.permit_limit (permit, what, amount) values (permit_id, wanted_what, wanted_amount) returning id into result;
  perform niji.record_act('propose_limit', permit_code, jsonb_build_object('id', result, 'what', wanted_what, 'amount', wanted_amount));
  return result;
end
$$;
comment on function @extschema@.propose_limit(text, text, bigint) is
  'Proposes what a permit may use in a month of statements, rows, persons (shown, added up read by read), cpu_seconds or bytes; null takes the limit away. It holds once another has called confirm_limit() with the number returned. Recorded. Errors: 42704 no such permit, 22023 no such amount, or a negative one. Duty: governance.';

create function @extschema@.confirm_limit(id bigint) returns void
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  wanted alias for $1;
  l record;
begin
  perform niji.require_duty('governance', 'limit what a permit may use');
  select x.*, m.code into l from niji.permit_limit x join niji.permit m on m.id = x.permit where x.id = wanted for update of x;
  if not found then
    raise exception using errcode = '42704', message = 'there is no such proposal of a limit', hint = 'They are in niji.permit_limits.';
  end if;
  if l.confirmed_at is not null then
    raise exception using errcode = '55000', message = 'the limit is confirmed already';
  end if;
  if l.proposed_by = session_user then
    raise exception using errcode = '42501', message = 'permission denied to confirm a limit',
      detail = 'Who proposed it does not confirm it.';
  end if;
  update niji.permit_limit x set confirmed_at = clock_timestamp(), confirmed_by = session_user where x.id = wanted;
  perform niji.record_act('confirm_limit', l.code, jsonb_build_object('id', wanted, 'what', l.what, 'amount', l.amount));
end
$$;
comment on function @extschema@.confirm_limit(bigint) is
  'Confirms a limit that another proposed: from now on reads of the permit past it fail with 53400. Recorded. Errors: 42704 no such proposal, 55000 confirmed already, 42501 by who proposed it. Duty: governance.';

select pg_catalog.pg_extension_config_dump('@extschema@.permit_usage', '');
select pg_catalog.pg_extension_config_dump('@extschema@.permit_limit', '');
select pg_catalog.pg_extension_config_dump('@extschema@.permit_limit_id_seq', '');

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'select', 'usage'),
  ('auditor', 'select', 'usage'),
  ('governance', 'select', 'permit_limits'),
  ('auditor', 'select', 'permit_limits'),
  ('governance', 'function', 'propose_limit(text, text, bigint)'),
  ('governance', 'function', 'confirm_limit(bigint)');
