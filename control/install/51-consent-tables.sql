/* ---- consent: rules, notices, consents ---- */

/*
 * These tables are truth and are append-only.  src/consent/row.c reads the
 * columns of rule, notice, consent and consent_void by their position:
 * columns may be added at the end only.
 *
 * xid is the top-level transaction that wrote the row.  Consent sets compare
 * it with snapshots; the tuple's header would not do, as freezing changes it.
 * A restore stamps it anew.
 */
create function @extschema@.stamp_transaction() returns trigger
language c as 'MODULE_PATHNAME';
comment on function @extschema@.stamp_transaction() is
  'Trigger: sets column xid to the top-level transaction, whatever the row says. For niji''s own tables.';

create function @extschema@.refuse_change() returns trigger
language c as 'MODULE_PATHNAME';
comment on function @extschema@.refuse_change() is
  'Trigger: an error 55000, since the table only grows. For niji''s own tables.';

create function @extschema@.make_append_only(table_name text) returns void
language plpgsql volatile parallel unsafe set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('create trigger stamp_transaction before insert on niji.%I
    for each row execute function niji.stamp_transaction()', table_name);
  execute format('create trigger refuse_change before update or delete on niji.%I
    for each row execute function niji.refuse_change()', table_name);
  execute format('create trigger refuse_truncate before truncate on niji.%I
    for each statement execute function niji.refuse_change()', table_name);
  execute format('alter table niji.%I enable always trigger stamp_transaction', table_name);
  execute format('alter table niji.%I enable always trigger refuse_change', table_name);
  execute format('alter table niji.%I enable always trigger refuse_truncate', table_name);
  perform pg_extension_config_dump(format('niji.%I', table_name)::regclass, '');
end
$$;
comment on function @extschema@.make_append_only(text) is
  'Lets a table of niji with a column xid only grow, whatever the session''s settings are, and has it dumped. Internal: for the install script.';

create table @extschema@.rule (
  id bigint generated always as identity primary key,
  xid xid8 not null default pg_catalog.pg_current_xact_id(),
  category text not null references @extschema@.category,
  purpose text not null references @extschema@.purpose,
  basis text not null references @extschema@.basis,
  judged text not null check (judged in ('now', 'at_grant')),
  waiting interval check (waiting >= interval '0'),
  legal_basis text,
  set_at timestamptz not null default clock_timestamp(),
  set_by name not null default session_user,
  check ((basis = 'opt_out_after_notice') = (waiting is not null))
);
comment on table @extschema@.rule is
  'On what a use of a category for a purpose rests. The newest row of a pair holds; the others are its history.';
comment on column @extschema@.rule.judged is
  'now: consents as they are when a statement starts. at_grant: as they were when the permit was granted';
comment on column @extschema@.rule.waiting is
  'Time between notice and use, counted by the calendar of niji.timezone; only with opt_out_after_notice';
create index rule_pair_idx on @extschema@.rule (category, purpose, id);

create table @extschema@.notice (
  id bigint generated always as identity primary key,
  xid xid8 not null default pg_catalog.pg_current_xact_id(),
  notified_at timestamptz not null check (isfinite(notified_at)),
  recorded_at timestamptz not null default clock_timestamp(),
  person @extschema@.person not null,
  holder int,
  category text not null references @extschema@.category,
  recorded_by name not null default session_user
);
comment on table @extschema@.notice is
  'When a person was told that their data of a category will be used. The earliest notice that covers the use starts the waiting time.';
comment on column @extschema@.notice.holder is 'Holder who notified and whose data are meant; null: any';
create index notice_person_idx on @extschema@.notice (person);
create index notice_xid_idx on @extschema@.notice (xid);

create table @extschema@.consent (
  id bigint generated always as identity primary key,
  xid xid8 not null default pg_catalog.pg_current_xact_id(),
  effective_from timestamptz not null check (isfinite(effective_from)),
  effective_until timestamptz,
  recorded_at timestamptz not null default clock_timestamp(),
  person @extschema@.person not null,
  permit int,
  holder int,
  dataset int,
  decision text not null check (decision in ('permit', 'deny')),
  category text references @extschema@.category,
  purpose text references @extschema@.purpose,
  recipient_kind text,
  declared_by text not null default 'self' references @extschema@.declarant,
  evidence text,
  recorded_by name not null default session_user,
  died_on date,
  check (effective_until > effective_from)
);
comment on table @extschema@.consent is
  'What persons, or who acts for them, decided. In a scope null means any. Scopes are complete: a permit has brought its purpose and its recipient''s kind, a dataset its category and, where it has one, its holder.';
comment on column @extschema@.consent.effective_until is 'First moment when it no longer holds; null: no end';
comment on column @extschema@.consent.recorded_at is
  'Clock when the row was written; what is judged at_grant compares it with the time of the grant';
comment on column @extschema@.consent.died_on is 'When the person died, as the relative who declared it proved; null unless a relative declared it';
comment on column @extschema@.consent.recipient_kind is 'Kind of the applicant whose permit it is (niji.holder_kind)';
create index consent_person_idx on @extschema@.consent (person);
create index consent_xid_idx on @extschema@.consent (xid);
create index consent_permit_idx on @extschema@.consent (permit) where permit is not null;
create index consent_dataset_idx on @extschema@.consent (dataset) where dataset is not null;

create table @extschema@.consent_void (
  consent bigint primary key references @extschema@.consent,
  xid xid8 not null default pg_catalog.pg_current_xact_id(),
  reason text not null,
  voided_at timestamptz not null default clock_timestamp(),
  voided_by name not null default session_user
);
comment on table @extschema@.consent_void is
  'Consents that were entered in error: they count as if they had not been, and stay on record.';
create index consent_void_xid_idx on @extschema@.consent_void (xid);

select @extschema@.make_append_only(t) from unnest(array['rule', 'notice', 'consent', 'consent_void']) t;
select pg_catalog.pg_extension_config_dump('@extschema@.rule_id_seq', '');
select pg_catalog.pg_extension_config_dump('@extschema@.notice_id_seq', '');
select pg_catalog.pg_extension_config_dump('@extschema@.consent_id_seq', '');

create view @extschema@.rules as
  select r.category, c.name_ja as category_ja, r.purpose, p.name_ja as purpose_ja,
         r.basis, b.name_ja as basis_ja, r.judged, r.waiting, r.legal_basis,
         r.set_at, r.set_by,
         lead(r.set_at) over (partition by r.category, r.purpose order by r.id) as replaced_at,
         r.id
    from @extschema@.rule r
    join @extschema@.category c using (category)
    join @extschema@.purpose p using (purpose)
    join @extschema@.basis b using (basis);
comment on view @extschema@.rules is
  'The rules with their history; a rule holds while replaced_at is null.';

insert into @extschema@.duty_right (duty, kind, object)
  select d, 'select', 'rules'
    from unnest(array['governance', 'consent_officer', 'auditor', 'reviewer']) d;
