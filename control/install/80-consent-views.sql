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
