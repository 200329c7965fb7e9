/* ---- permit: the registry of holders, datasets, applicants, permits ---- */

create table @extschema@.holder_kind (
  kind text primary key,
  name_ja text not null,
  description text not null
);
comment on table @extschema@.holder_kind is 'Kinds of organisations: of holders (データ保有者), and of applicants, whose kind is the kind of recipient in a consent. May be added to.';

insert into @extschema@.holder_kind (kind, name_ja, description) values
  ('government', '国・地方公共団体', 'A ministry, an agency, a prefecture or a municipality'),
  ('insurer', '保険者', 'A health insurer or a review and payment organisation'),
  ('medical_institution', '医療機関', 'A hospital, a clinic or a pharmacy'),
  ('society', '学会・大学・研究機関', 'A learned society, a university or a research institute'),
  ('certified_operator', '認定作成事業者', 'An operator certified under the Next-Generation Medical Infrastructure Act'),
  ('biobank', 'バイオバンク', 'A biobank'),
  ('company', '企業', 'A company');

create table @extschema@.hidden_tag (
  tag text primary key,
  name_ja text not null,
  source text not null
);
comment on table @extschema@.hidden_tag is
  'Values of a dataset''s tag column that hide the row from every reader (見せてはならない行の印). A change holds from the next statement of every session on. Case, spaces around a value and a code system before it (system|code) do not matter.';

insert into @extschema@.hidden_tag (tag, name_ja, source) values
  ('UNINFORMED', '未告知', 'http://jpfhir.jp/fhir/clins/CodeSystem/JP_ehrshrs_indication'),
  ('UNDELIVERED', '未提供', 'http://jpfhir.jp/fhir/clins/CodeSystem/JP_ehrshrs_indication');

create table @extschema@.holder (
  id integer generated always as identity primary key,
  code text not null check (code ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$'),
  name text not null check (name <> ''),
  kind text not null references @extschema@.holder_kind,
  registered_at timestamptz not null default now(),
  registered_by name not null default session_user
);
create unique index holder_code on @extschema@.holder (lower(code));
comment on table @extschema@.holder is 'Organisations that hold data (データ保有者).';

create table @extschema@.applicant (
  id integer generated always as identity primary key,
  code text not null check (code ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$'),
  name text not null check (name <> ''),
  kind text not null references @extschema@.holder_kind,
  registered_at timestamptz not null default now(),
  registered_by name not null default session_user
);
create unique index applicant_code on @extschema@.applicant (lower(code));
comment on table @extschema@.applicant is 'Organisations that apply for permits (利用申請者); the kind is the kind of recipient that a consent may name.';

create table @extschema@.dataset (
  id integer generated always as identity primary key,
  name text not null unique check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  relation regclass not null unique,
  person_columns name[] not null,
  holder integer references @extschema@.holder,
  holder_column name,
  category text not null,
  legal_basis text not null,
  date_column name,
  tag_column name,
  changes text not null,
  registered_at timestamptz not null default now(),
  registered_by name not null default session_user
);
comment on table @extschema@.dataset is
  'Registered relations: rows about persons (or, without person columns, reference tables), protected by row level security. relation is dumped by its name.';
comment on column @extschema@.dataset.person_columns is 'The first is the person whom the row is about and becomes pid; further ones become NAME_pid, and have to permit as well. Empty: a reference table.';
comment on column @extschema@.dataset.holder is 'Who holds all rows, or null when holder_column says it row by row.';
comment on column @extschema@.dataset.holder_column is 'An integer column that holds niji.holders.id.';
comment on column @extschema@.dataset.date_column is 'The column that a permit''s period is compared with.';
comment on column @extschema@.dataset.tag_column is 'A text or text[] column; rows with a tag of niji.hidden_tag are shown to no reader.';

create table @extschema@.permit (
  id integer generated always as identity primary key,
  code text not null check (code ~ '^[A-Za-z0-9][A-Za-z0-9-]{0,39}$'),
  title text not null,
  applicant integer not null references @extschema@.applicant,
  purpose text not null,
  state text not null default 'draft'
    check (state in ('draft', 'submitted', 'approved', 'granted', 'suspended', 'closed', 'rejected')),
  domain integer not null,
  valid_from date not null,
  valid_until date not null check (valid_until >= valid_from),
  renews integer references @extschema@.permit,
  schema_name name not null unique,
  role_name name,
  role oid,
  applied_by name not null default session_user,
  applied_by_role oid,
  applied_at timestamptz not null default now(),
  granted_at timestamptz,
  granted_by name,
  closed_at timestamptz,
  closed_reason text
);
create unique index permit_code on @extschema@.permit (lower(code));
comment on table @extschema@.permit is 'Permits (利用許可). Expiry is computed by the clock in niji.timezone; valid_until is the last day.';
comment on column @extschema@.permit.role is 'The role that owns the permit''s views. The gate takes it for the permit''s only while its name is role_name.';

create table @extschema@.permit_data (
  permit integer not null references @extschema@.permit,
  dataset integer not null references @extschema@.dataset,
  columns text[] not null,
  period daterange,
  cohort text,
  requested_at timestamptz not null default now(),
  requested_by name not null default session_user,
  primary key (permit, dataset)
);
comment on table @extschema@.permit_data is 'Which columns of which datasets a permit gives, each as COLUMN or COLUMN:TRANSFORM, for which period.';

create table @extschema@.review (
  permit integer not null references @extschema@.permit,
  reviewer name not null,
  reviewer_role oid not null,
  decision text not null check (decision in ('approve', 'reject')),
  comment text,
  reviewed_at timestamptz not null default now(),
  primary key (permit, reviewer)
);
comment on table @extschema@.review is 'Reviews (審査) of permits. Two approvals approve, one rejection ends it.';

create table @extschema@.reader (
  permit integer not null references @extschema@.permit,
  role oid not null,
  role_name name not null,
  added_at timestamptz not null default now(),
  added_by name not null default session_user,
  primary key (permit, role_name)
);
comment on table @extschema@.reader is 'Login roles that may read under a permit (利用者). A row counts only while its role has both this oid and this name.';

do $$
declare
  t text;
begin
  foreach t in array array['dataset', 'permit', 'reader', 'hidden_tag'] loop
    execute format('create trigger invalidate after insert or update or delete or truncate on @extschema@.%I
                      for each statement execute function @extschema@.invalidate()', t);
    execute format('alter table @extschema@.%I enable always trigger invalidate', t);
  end loop;
end
$$;

create view @extschema@.permit_use as
  select d.permit, d.dataset, p.code as permit_code, s.category, p.purpose, a.kind as recipient_kind,
         case when s.holder_column is null then s.holder end as holder,
         s.holder_column is not null as holder_by_row,
         p.granted_at
    from @extschema@.permit_data d
    join @extschema@.permit p on p.id = d.permit
    join @extschema@.dataset s on s.id = d.dataset
    join @extschema@.applicant a on a.id = p.applicant;
comment on view @extschema@.permit_use is 'What the use of a dataset under a permit is, as consents see it. holder is null where it is a column of the row (holder_by_row).';

create view @extschema@.holders as
  select h.id, h.code, h.name, h.kind, k.name_ja as kind_ja, h.registered_at, h.registered_by
    from @extschema@.holder h join @extschema@.holder_kind k using (kind);
comment on view @extschema@.holders is 'Organisations that hold data (データ保有者).';

create view @extschema@.applicants as
  select a.id, a.code, a.name, a.kind, k.name_ja as kind_ja, a.registered_at, a.registered_by
    from @extschema@.applicant a join @extschema@.holder_kind k using (kind);
comment on view @extschema@.applicants is 'Organisations that apply for permits (利用申請者).';

create view @extschema@.datasets as
  select d.id, d.name, d.relation, d.person_columns, h.code as holder, d.holder_column, d.category, d.legal_basis,
         d.date_column, d.tag_column, d.changes, d.registered_at, d.registered_by
    from @extschema@.dataset d left join @extschema@.holder h on h.id = d.holder;
comment on view @extschema@.datasets is 'Registered datasets.';

create view @extschema@.permits as
  select p.id, p.code, p.title, a.code as applicant, p.purpose, p.state, p.domain, p.valid_from, p.valid_until,
         p.state = 'granted'
           and (now() at time zone current_setting('niji.timezone', true))::date between p.valid_from and p.valid_until as in_force,
         (select r.code from @extschema@.permit r where r.id = p.renews) as renews,
         p.schema_name, p.role_name, p.applied_by, p.applied_at, p.granted_at, p.granted_by, p.closed_at, p.closed_reason
    from @extschema@.permit p join @extschema@.applicant a on a.id = p.applicant;
comment on view @extschema@.permits is 'Permits; in_force is true for a granted one today, in niji.timezone.';

create view @extschema@.permit_datasets as
  select p.code as permit, s.name as dataset, d.columns, d.period, d.cohort, d.requested_at, d.requested_by
    from @extschema@.permit_data d
    join @extschema@.permit p on p.id = d.permit
    join @extschema@.dataset s on s.id = d.dataset;
comment on view @extschema@.permit_datasets is 'Which columns of which datasets each permit gives.';

create view @extschema@.reviews as
  select p.code as permit, r.reviewer, r.decision, r.comment, r.reviewed_at
    from @extschema@.review r join @extschema@.permit p on p.id = r.permit;
comment on view @extschema@.reviews is 'Reviews (審査) of permits.';

create view @extschema@.readers as
  select p.code as permit, r.role_name as reader, r.added_at, r.added_by,
         coalesce(o.rolname = r.role_name, false) as in_force
    from @extschema@.reader r
    join @extschema@.permit p on p.id = r.permit
    left join pg_catalog.pg_roles o on o.oid = r.role;
comment on view @extschema@.readers is 'Who may read under which permit (利用者); in_force is false for a role that was dropped, renamed or not yet bound anew after a restore.';

do $$
declare
  v text;
begin
  foreach v in array array['holders', 'applicants', 'datasets', 'permits', 'permit_datasets', 'reviews', 'readers'] loop
    insert into @extschema@.duty_right (duty, kind, object)
      select duty, 'select', v from unnest(array['governance', 'reviewer', 'auditor']) duty;
  end loop;
end
$$;

/*
 * Truth is dumped.  What the script itself puts in is not: rows of code tables
 * that are added later are, by their being other than these.
 */
select pg_catalog.pg_extension_config_dump('@extschema@.holder_kind',
  'where kind not in (''government'', ''insurer'', ''medical_institution'', ''society'', ''certified_operator'', ''biobank'', ''company'')');
select pg_catalog.pg_extension_config_dump('@extschema@.hidden_tag', 'where tag not in (''UNINFORMED'', ''UNDELIVERED'')');
do $$
declare
  t text;
begin
  foreach t in array array['holder', 'applicant', 'dataset', 'permit', 'permit_data', 'review', 'reader'] loop
    perform pg_catalog.pg_extension_config_dump(format('@extschema@.%I', t)::regclass, '');
  end loop;
  foreach t in array array['holder', 'applicant', 'dataset', 'permit'] loop
    perform pg_catalog.pg_extension_config_dump(format('@extschema@.%s_id_seq', t)::regclass, '');
  end loop;
end
$$;
