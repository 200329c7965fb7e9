/* ---- consent: the filter ---- */

create function @extschema@.permitted_support(internal) returns internal
language c strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.permitted_support(internal) is
  'Planner support: which share of the persons a filter lets pass, and what it costs.';

create function @extschema@.permitted(person @extschema@.person, permit int, dataset int) returns boolean
language c stable strict leakproof parallel safe cost 1
support @extschema@.permitted_support as 'MODULE_PATHNAME', 'permitted';
comment on function @extschema@.permitted(@extschema@.person, int, int) is
  'Whether the person''s consents, as the statement''s snapshot and clock see them, allow what the permit does with the dataset. The row filter of a permit''s policies. Null for a null person. Errors: 55000 when there is no rule, no such use, or no preload; 53200 beyond niji.consent_memory.';

create function @extschema@.permitted(person @extschema@.person, permit int, dataset int, holder int) returns boolean
language c stable leakproof parallel safe cost 1
support @extschema@.permitted_support as 'MODULE_PATHNAME', 'permitted_holder';
comment on function @extschema@.permitted(@extschema@.person, int, int, int) is
  'As permitted(person, permit, dataset), for datasets whose rows name their holder. A null holder means no where the answer depends on it.';

insert into @extschema@.public_function values
  ('permitted(niji.person, integer, integer)'),
  ('permitted(niji.person, integer, integer, integer)');

create function @extschema@.decide_consent(
  person @extschema@.person,
  permit int,
  dataset int,
  out holder int,
  out permitted boolean,
  out reason text,
  out rule bigint,
  out consent bigint,
  out lifted_by bigint,
  out notice bigint,
  out judged_at timestamptz,
  out changes_at timestamptz,
  out override bigint
) returns setof record
language c stable strict parallel safe rows 1 as 'MODULE_PATHNAME';
comment on function @extschema@.decide_consent(@extschema@.person, int, int) is
  'What niji.permitted() answers, and why: a row for any holder (null) and one for each holder for which the answer is another. For niji.explain_consent().';

create function @extschema@.explain_consent(
  person @extschema@.person,
  permit text,
  dataset text,
  out permitted boolean,
  out holder text,
  out reason text,
  out basis text,
  out judged text,
  out legal_basis text,
  out rule bigint,
  out consent bigint,
  out lifted_by bigint,
  out notice bigint,
  out judged_at timestamptz,
  out changes_at timestamptz,
  out override bigint
) returns setof record
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
rows 1
as $$
declare
  permit_id int;
  dataset_id int;
  dataset_law text;
begin
  perform niji.require_duty('governance,consent_officer', 'explain a consent');
  select p.id into permit_id from niji.permit p where lower(p.code) = lower(explain_consent.permit);
  if not found then
    raise exception using errcode = '42704', message = format('there is no permit "%s"', permit),
      hint = 'The permits are in niji.permits.';
  end if;
  select d.id, d.legal_basis into dataset_id, dataset_law from niji.dataset d where d.name = explain_consent.dataset;
  if not found then
    raise exception using errcode = '42704', message = format('there is no dataset "%s"', dataset),
      hint = 'The datasets are in niji.datasets.';
  end if;
  return query
    select e.permitted, h.code, e.reason, r.basis, r.judged, coalesce(o.legal_basis, r.legal_basis, dataset_law), e.rule,
           e.consent, e.lifted_by, e.notice, e.judged_at, e.changes_at, e.override
      from niji.decide_consent(person, permit_id, dataset_id) e
      left join niji.override o on o.id = e.override
      left join niji.rule r on r.id = e.rule
      left join niji.holder h on h.id = e.holder
     order by h.code nulls first;
  perform niji.record_act('explain_consent', permit,
    jsonb_build_object('person', person::text, 'dataset', dataset));
end
$$;
comment on function @extschema@.explain_consent(@extschema@.person, text, text) is
  'Why a permit may or may not see a person''s rows in a dataset: the rule, the law, the consent that decided, the one that lifted it, the notice, and when the answer changes by itself. One row; more where the answer depends on the row''s holder (holder null: all others). Recorded. Duties: governance, consent_officer.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'explain_consent(niji.person, text, text)'),
  ('consent_officer', 'function', 'explain_consent(niji.person, text, text)');
