/* ---- consent: why a row is shown or not, in words ---- */

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
  'What niji.permitted() answers, and why: a row for any holder (null) and one for each holder for which the answer is another. changes_at: when the answer, or its reason, changes by itself. For niji.explain_consent().';

create function @extschema@.decide_consent_by_pseudonym(
  pseudonym @extschema@.pseudonym,
  domain int,
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
language c volatile strict parallel unsafe rows 1 as 'MODULE_PATHNAME';
comment on function @extschema@.decide_consent_by_pseudonym(@extschema@.pseudonym, int, int, int) is
  'As niji.decide_consent(), for whom a pseudonym of a domain stands for, or was merged into. Errors: 22023 not a person''s pseudonym of the domain. Internal.';

/* ---- words ---- */

create function @extschema@.consent_time(at timestamptz) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$ select to_char(at at time zone current_setting('niji.timezone'), 'YYYY-MM-DD HH24:MI') $$;
comment on function @extschema@.consent_time(timestamptz) is 'A time as explanations say it: by the clock of niji.timezone, to the minute. Internal.';

create function @extschema@.say_consent(consent bigint, japanese boolean) returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  c niji.consent;
  who niji.declarant;
  scope text;
begin
  select * into c from niji.consent x where x.id = consent;
  select * into who from niji.declarant d where d.declarant = c.declared_by;
  if japanese then
    scope := coalesce(nullif(concat_ws('、',
      '情報の種類「' || (select k.name_ja from niji.category k where k.category = c.category) || '」',
      '目的「' || (select k.name_ja from niji.purpose k where k.purpose = c.purpose) || '」',
      '利用許可 ' || (select p.code from niji.permit p where p.id = c.permit),
      'データ保有者 ' || (select h.code from niji.holder h where h.id = c.holder),
      'データセット ' || (select d.name from niji.dataset d where d.id = c.dataset),
      '提供先の種類「' || (select k.name_ja from niji.holder_kind k where k.kind = c.recipient_kind) || '」'), ''), 'すべて');
    return format('同意記録 %s(%s: %s。範囲: %s。%sから%s)', c.id, who.name_ja,
      case c.decision when 'deny' then '拒否' else '許可' end, scope, niji.consent_time(c.effective_from),
      coalesce(niji.consent_time(c.effective_until) || 'まで', ''));
  end if;
  scope := coalesce(nullif(concat_ws(', ',
    'category ' || c.category,
    'purpose ' || c.purpose,
    'permit ' || (select p.code from niji.permit p where p.id = c.permit),
    'holder ' || (select h.code from niji.holder h where h.id = c.holder),
    'dataset ' || (select d.name from niji.dataset d where d.id = c.dataset),
    'recipients of the kind ' || c.recipient_kind), ''), 'everything');
  return format('consent %s (%s by %s, for %s, from %s%s)', c.id,
    case c.decision when 'deny' then 'a denial' else 'a permission' end,
    case c.declared_by when 'self' then 'the person' else 'declarant "' || c.declared_by || '"' end,
    scope, niji.consent_time(c.effective_from), coalesce(' until ' || niji.consent_time(c.effective_until), ''));
end
$$;
comment on function @extschema@.say_consent(bigint, boolean) is
  'A consent in words: who declared what, for which scope, from when to when; in Japanese or in English. Not whose it is, nor on what evidence. Internal.';

create function @extschema@.say_decision(
  dataset int, holder int, others boolean, permitted boolean, reason text, rule bigint, consent bigint, lifted_by bigint, notice bigint,
  judged_at timestamptz, changes_at timestamptz, override bigint, japanese boolean
) returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  r niji.rule;
  o niji.override;
  told timestamptz := (select n.notified_at from niji.notice n where n.id = notice);
  code text := (select h.code from niji.holder h where h.id = holder);
  law text;
begin
  select * into r from niji.rule x where x.id = rule;
  select * into o from niji.override x where x.id = override;
  law := coalesce(r.legal_basis, (select d.legal_basis from niji.dataset d where d.id = dataset));
  if japanese then
    return concat(
      case when holder is not null then format('データ保有者 %s の行: ', code) when others then 'その他のデータ保有者の行: ' end,
      case when permitted then '利用できる。' else '利用できない。' end,
      case reason
        when 'consent is not required' then '法令により、本人の意思にかかわらず利用が認められている。'
        when 'overridden' then format('適用除外 %s(%s)により、%sまで同意・拒否は適用されない。', override, o.legal_basis, niji.consent_time(o.effective_until))
        when 'the permit has not been granted' then '許可時点で判定する規則であり、利用許可がまだ交付されていない。'
        when 'denied' then format('%sが拒否しており、これと同じかより狭い範囲の、より新しい許可がない。', niji.say_consent(consent, true))
        when 'not denied' then '拒否がない。' || case when notice is null then '' else format('通知 %s(%s)から待機期間が過ぎている。', notice, niji.consent_time(told)) end
        when 'denial lifted' then format('%sの拒否は、その後の同じかより狭い範囲の%sにより解かれている。', niji.say_consent(consent, true), niji.say_consent(lifted_by, true))
        when 'not notified' then 'この利用に当たる通知の記録がない。'
        when 'waiting time not over' then format('通知 %s(%s)から待機期間がまだ過ぎていない。', notice, niji.consent_time(told))
        when 'no consent' then 'この利用を許可する同意がない。'
        when 'consented' then format('%sが許可しており、拒否がない。', niji.say_consent(consent, true))
      end,
      format('規則 %s: 情報の種類「%s」、目的「%s」は「%s」%s%s。', rule,
        (select k.name_ja from niji.category k where k.category = r.category), (select k.name_ja from niji.purpose k where k.purpose = r.purpose),
        (select b.name_ja from niji.basis b where b.basis = r.basis), '(' || law || ')',
        case when r.basis = 'not_required' then '' when r.judged = 'now' then '、文の開始時点で判定'
             else '、許可時点' || coalesce('(' || niji.consent_time(judged_at) || ')', '') || 'で判定' end),
      case when changes_at is null then '新たな申出がなければ変わらない。'
           else format('新たな申出がなくても %s に変わる。', niji.consent_time(changes_at)) end);
  end if;
  return concat(
    case when holder is not null then format('Rows of holder %s: ', code) when others then 'Rows of all other holders: ' end,
    case when permitted then 'permitted. ' else 'not permitted. ' end,
    case reason
      when 'consent is not required' then 'The law allows this use whatever the person says.'
      when 'overridden' then format('Override %s (%s) sets consents aside until %s.', override, o.legal_basis, niji.consent_time(o.effective_until))
      when 'the permit has not been granted' then 'It is judged at the grant, and the permit has not been granted.'
      when 'denied' then format('It is denied by %s, and no later permission of the same or a narrower scope lifts that.', niji.say_consent(consent, false))
      when 'not denied' then 'Nothing denies it' || case when notice is null then '' else format(', and the waiting time after notice %s of %s is over', notice, niji.consent_time(told)) end || '.'
      when 'denial lifted' then format('It was denied by %s, which is lifted by the later and no broader %s.', niji.say_consent(consent, false), niji.say_consent(lifted_by, false))
      when 'not notified' then 'No notice that covers this use has been recorded.'
      when 'waiting time not over' then format('The waiting time after notice %s of %s is not over.', notice, niji.consent_time(told))
      when 'no consent' then 'Nothing permits it.'
      when 'consented' then format('It is permitted by %s, and nothing denies it.', niji.say_consent(consent, false))
    end,
    format(' Rule %s: %s for %s rests on %s%s%s.', rule, r.category, r.purpose, r.basis, ' (' || law || ')',
      case when r.basis = 'not_required' then '' when r.judged = 'now' then ', judged when a statement starts'
           else ', judged at the grant' || coalesce(' (' || niji.consent_time(judged_at) || ')', '') end),
    case when changes_at is null then ' Without a new declaration it stays so.'
         else format(' Without any new declaration it changes at %s.', niji.consent_time(changes_at)) end);
end
$$;
comment on function @extschema@.say_decision(int, int, boolean, boolean, text, bigint, bigint, bigint, bigint, timestamptz, timestamptz, bigint, boolean) is
  'A row of niji.decide_consent() in words, in Japanese or in English. Internal.';

create function @extschema@.find_use(permit text, dataset text, out permit_id int, out dataset_id int, out domain int)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
  select p.id, p.domain into permit_id, domain from niji.permit p where lower(p.code) = lower(find_use.permit);
  if not found then
    raise exception using errcode = '42704', message = format('there is no permit "%s"', permit),
      hint = 'The permits are in niji.permits.';
  end if;
  select d.id into dataset_id from niji.dataset d where d.name = find_use.dataset;
  if not found then
    raise exception using errcode = '42704', message = format('there is no dataset "%s"', dataset),
      hint = 'The datasets are in niji.datasets.';
  end if;
end
$$;
comment on function @extschema@.find_use(text, text) is 'A permit and a dataset by their names. Error: 42704. Internal.';

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
  out override bigint,
  out explanation text,
  out explanation_ja text
) returns setof record
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
rows 1
as $$
declare
  use record;
begin
  perform niji.require_duty('governance,consent_officer', 'explain a consent');
  if person is null then
    raise exception using errcode = '22004', message = 'no person is given',
      hint = 'niji.find_person() gives null for an identifier that nobody was enrolled with.';
  end if;
  use := niji.find_use(permit, dataset);
  -- on disk before the answer, whatever becomes of the transaction
  perform niji.record_disclosure('explain_consent', permit, 1, jsonb_build_object('person', person::text, 'dataset', dataset));
  return query
    select e.permitted, h.code, e.reason, r.basis, r.judged, coalesce(o.legal_basis, r.legal_basis, d.legal_basis), e.rule,
           e.consent, e.lifted_by, e.notice, e.judged_at, e.changes_at, e.override,
           niji.say_decision(d.id, e.holder, e.many > 1, e.permitted, e.reason, e.rule, e.consent, e.lifted_by, e.notice, e.judged_at, e.changes_at, e.override, false),
           niji.say_decision(d.id, e.holder, e.many > 1, e.permitted, e.reason, e.rule, e.consent, e.lifted_by, e.notice, e.judged_at, e.changes_at, e.override, true)
      from (select *, count(*) over () as many from niji.decide_consent(person, use.permit_id, use.dataset_id)) e
      join niji.dataset d on d.id = use.dataset_id
      left join niji.override o on o.id = e.override
      left join niji.rule r on r.id = e.rule
      left join niji.holder h on h.id = e.holder
     order by h.code nulls first;
end
$$;
comment on function @extschema@.explain_consent(@extschema@.person, text, text) is
  'Why a permit may or may not see a person''s rows in a dataset: the rule, the law, the consent that decided, the one that lifted it, the notice, when the answer changes by itself, and all of it in words (explanation, explanation_ja). One row; more where the answer depends on the row''s holder (holder null: all others). On disk in the trail before the answer. Errors: 22004 no person, 42704 no such permit or dataset. Duties: consent_officer; governance, which may not enter a person: see explain_consent_by_pseudonym().';

create function @extschema@.explain_consent_by_pseudonym(
  pseudonym @extschema@.pseudonym,
  permit text,
  dataset text,
  of_holder text default null,
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
  out override bigint,
  out explanation text,
  out explanation_ja text
) returns setof record
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
rows 1
as $$
declare
  use record;
begin
  perform niji.require_duty('governance,consent_officer', 'explain a consent');
  if pseudonym is null then
    raise exception using errcode = '22004', message = 'no pseudonym is given';
  end if;
  use := niji.find_use(permit, dataset);
  if of_holder is not null then
    use.domain := niji.holder_domain(of_holder);
  end if;
  perform niji.record_disclosure('explain_consent', permit, 1,
            jsonb_build_object('pseudonym', pseudonym::text, 'dataset', dataset, 'of_holder', of_holder));
  return query
    select e.permitted, h.code, e.reason, r.basis, r.judged, coalesce(o.legal_basis, r.legal_basis, d.legal_basis), e.rule,
           e.consent, e.lifted_by, e.notice, e.judged_at, e.changes_at, e.override,
           niji.say_decision(d.id, e.holder, e.many > 1, e.permitted, e.reason, e.rule, e.consent, e.lifted_by, e.notice, e.judged_at, e.changes_at, e.override, false),
           niji.say_decision(d.id, e.holder, e.many > 1, e.permitted, e.reason, e.rule, e.consent, e.lifted_by, e.notice, e.judged_at, e.changes_at, e.override, true)
      from (select *, count(*) over () as many
              from niji.decide_consent_by_pseudonym(pseudonym, use.domain, use.permit_id, use.dataset_id)) e
      join niji.dataset d on d.id = use.dataset_id
      left join niji.override o on o.id = e.override
      left join niji.rule r on r.id = e.rule
      left join niji.holder h on h.id = e.holder
     order by h.code nulls first;
end
$$;
comment on function @extschema@.explain_consent_by_pseudonym(@extschema@.pseudonym, text, text, text) is
  'As niji.explain_consent(), for who may not have a person: whom a pseudonym of the permit stands for, as its readers see it, or, with of_holder, one of that holder''s own domain. Gives nothing that tells who it is. On disk in the trail, with the pseudonym in its private part, before the answer. Errors: 22004 none, 22023 not a person''s pseudonym of the domain, 42704 no such permit, dataset or holder, 55000 the holder has no domain. Duties: governance, consent_officer.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'explain_consent(niji.person, text, text)'),
  ('consent_officer', 'function', 'explain_consent(niji.person, text, text)'),
  ('governance', 'function', 'explain_consent_by_pseudonym(niji.pseudonym, text, text, text)'),
  ('consent_officer', 'function', 'explain_consent_by_pseudonym(niji.pseudonym, text, text, text)');
