/* ---- consent: what joins permits, holders and datasets ---- */

alter table @extschema@.consent
  add foreign key (permit) references @extschema@.permit,
  add foreign key (holder) references @extschema@.holder,
  add foreign key (dataset) references @extschema@.dataset;
alter table @extschema@.notice
  add foreign key (holder) references @extschema@.holder;

create view @extschema@.consents as
  select c.id, c.person, c.decision, c.category, c.purpose, p.code as permit, h.code as holder,
         d.name as dataset, c.recipient_kind, c.effective_from, c.effective_until, c.declared_by,
         c.evidence, c.recorded_at, c.recorded_by, v.voided_at, v.voided_by, v.reason as void_reason, c.died_on
    from @extschema@.consent c
    left join @extschema@.permit p on p.id = c.permit
    left join @extschema@.holder h on h.id = c.holder
    left join @extschema@.dataset d on d.id = c.dataset
    left join @extschema@.consent_void v on v.consent = c.id;
comment on view @extschema@.consents is
  'What persons decided, with the names of their scope (null: any), and what was voided. For duties that may see persons.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('consent_officer', 'select', 'consents'),
  ('auditor', 'select', 'consents');

create function @extschema@.shared_consent_sets(
  out category text,
  out purpose text,
  out recipient_kind text,
  out permit int,
  out dataset int,
  out holder int,
  out state text,
  out bytes bigint,
  out as_of timestamptz,
  out used_at timestamptz,
  out readers bigint
) returns setof record
language c stable parallel restricted as 'MODULE_PATHNAME';
comment on function @extschema@.shared_consent_sets() is
  'The consent sets in shared memory, by number; view consent_sets gives names. Errors: 55000 without preload.';

create view @extschema@.consent_sets as
  select s.category, s.purpose, s.recipient_kind, p.code as permit, d.name as dataset, h.code as holder,
         s.state, s.bytes, s.as_of, s.used_at, s.readers
    from @extschema@.shared_consent_sets() s
    left join @extschema@.permit p on p.id = s.permit
    left join @extschema@.dataset d on d.id = s.dataset
    left join @extschema@.holder h on h.id = s.holder;
comment on view @extschema@.consent_sets is
  'The consent sets that all sessions share: a rule''s category, purpose and kind of recipient, with the permit or dataset (null: all) when many consents name it; state (wanted, ready, failed, no room), bytes, as of when, when a session last began with it, and how many hold it. What a session adds is not in it. For DBAs and governance.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'select', 'consent_sets'),
  ('auditor', 'select', 'consent_sets'),
  ('governance', 'function', 'shared_consent_sets()'),
  ('auditor', 'function', 'shared_consent_sets()');
