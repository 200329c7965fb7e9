/* ---- restore: what is handed outside, and what happens after a restore ---- */

/*
 * One row, which a dump brings with it, as the trail's name.  src/restore
 * reads and changes it.
 */
create table @extschema@.outside (
  only_one boolean primary key default true check (only_one),
  decisions bigint not null default 0,
  seen pg_snapshot not null default pg_catalog.pg_current_snapshot(),
  system_identifier bigint not null,
  anchored boolean not null default false,
  accepted bytea check (length(accepted) = 32),
  loss_accepted_by name,
  loss_anchor bytea
);
comment on table @extschema@.outside is
  'How far decisions were handed outside of the database: the number of the newest, and the snapshot that saw them. system_identifier: of the cluster whose snapshot it is; anchored: whether there was an anchor; accepted: SHA-256 of the anchor with which a restore was accepted, until the writer has seen it; loss_accepted_by, loss_anchor: the first of the two officers who accept a loss, and SHA-256 of the anchor that it was about.';

do $$
begin
  -- while a dump is being restored it comes with the data (see start_trail)
  if current_setting('row_security')::boolean then
    insert into @extschema@.outside (system_identifier) select system_identifier from pg_control_system();
  end if;
end
$$;
select pg_catalog.pg_extension_config_dump('@extschema@.outside', '');

/* ---- handing out ---- */

create function @extschema@.identifiers_of(person @extschema@.person) returns jsonb
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  select jsonb_agg(jsonb_build_object('kind', k.kind, 'generation', i.generation, 'normalization', i.normalization,
                                      'digest', encode(i.digest, 'hex'), 'period', i.period, 'enrolled_at', i.enrolled_at))
    from niji.identifier i join niji.identifier_kind k on k.id = i.kind where i.person = identifiers_of.person
$$;
comment on function @extschema@.identifiers_of(@extschema@.person) is
  'Digests of the identifiers that point at a person, by which a decision names them outside. Internal.';

create function @extschema@.new_decisions() returns table (decision text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
  with o as (select seen, pg_snapshot_xmin(seen) as xmin from niji.outside)
  select d.decision::text
    from o, lateral (
      select 1 as kind_order, r.id,
             jsonb_build_object('kind', 'rule', 'category', r.category, 'purpose', r.purpose, 'basis', r.basis, 'judged', r.judged,
               'waiting', r.waiting, 'legal_basis', r.legal_basis, 'set_at', r.set_at, 'set_by', r.set_by) as decision
        from niji.rule r
       where r.xid >= o.xmin and not pg_visible_in_snapshot(r.xid, o.seen)
      union all
      select 2, c.id,
             jsonb_build_object('kind', 'consent', 'id', c.id, 'person', c.person::text, 'decision', c.decision,
               'effective_from', c.effective_from, 'effective_until', c.effective_until, 'recorded_at', c.recorded_at,
               'permit', (select p.code from niji.permit p where p.id = c.permit), 'any_permit', c.permit is null,
               'holder', (select h.code from niji.holder h where h.id = c.holder), 'any_holder', c.holder is null,
               'dataset', (select d.name from niji.dataset d where d.id = c.dataset), 'any_dataset', c.dataset is null,
               'category', c.category, 'purpose', c.purpose, 'recipient_kind', c.recipient_kind, 'declared_by', c.declared_by,
               'evidence', c.evidence, 'recorded_by', c.recorded_by, 'died_on', c.died_on,
               'identifiers', niji.identifiers_of(c.person))
        from niji.consent c
       where c.xid >= o.xmin and not pg_visible_in_snapshot(c.xid, o.seen)
      union all
      select 3, v.consent,
             jsonb_build_object('kind', 'void', 'person', c.person::text, 'identifiers', niji.identifiers_of(c.person),
               'recorded_at', c.recorded_at, 'effective_from', c.effective_from, 'decision', c.decision, 'category', c.category, 'purpose', c.purpose,
               'reason', v.reason, 'voided_at', v.voided_at, 'voided_by', v.voided_by)
        from niji.consent_void v join niji.consent c on c.id = v.consent
       where v.xid >= o.xmin and not pg_visible_in_snapshot(v.xid, o.seen)
      union all
      select 4, e.override,
             jsonb_build_object('kind', 'override_end', 'category', b.category, 'purpose', b.purpose, 'declared_at', b.declared_at,
               'reason', e.reason, 'ended_at', e.ended_at, 'ended_by', e.ended_by)
        from niji.override_end e join niji.override b on b.id = e.override
       where e.xid >= o.xmin and not pg_visible_in_snapshot(e.xid, o.seen)) d
   order by d.kind_order, d.id
$$;
comment on function @extschema@.new_decisions() is
  'Rules, consents, voided consents and ended overrides that this statement''s snapshot sees and the one in niji.outside did not, as JSON. Internal: for the writer.';

create function @extschema@.decisions_in(file text, origin text, after bigint, out number bigint, out decision jsonb) returns setof record
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.decisions_in(text, text, bigint) is
  'The lines of a file of decisions with a number above "after". decision: null when a line cannot be opened with the master keys; number: null when it is no such line. Internal.';

create function @extschema@.decisions_person() returns @extschema@.person
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.decisions_person() is 'A number that no person has had. Internal.';

create function @extschema@.restore_state(
  out known boolean, out restored boolean, out reason text, out directory text, out anchor_size bigint,
  out anchor_decisions bigint, out anchor_sha256 bytea, out written_at timestamptz, out failure text)
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.restore_state() is 'What the writer found when it compared the database with its anchor. Internal.';

create view @extschema@.restore_status as
  select s.known as compared, s.restored, s.reason, s.directory, s.anchor_size, s.anchor_decisions, s.written_at as anchor_written_at,
         s.failure, o.decisions, o.loss_accepted_by
    from @extschema@.restore_state() s left join @extschema@.outside o on true;
comment on view @extschema@.restore_status is
  'Whether this database is older than its anchor (復元後の確認), so that protected reads are refused, and how far decisions were handed outside. compared: whether the writer has looked; reason: why it is taken for restored; directory: where anchor and decisions are kept, null: nowhere; anchor_size: entries of the trail that the anchor''s seal covers; anchor_decisions, decisions: number of the newest decision outside and inside; failure: why the anchor could not be written. Duties: governance, auditor, consent_officer.';

create function @extschema@.restore_findings(out object text, out finding text, out hint text) returns setof record
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  state niji.restore_status;
begin
  if not current_setting('shared_preload_libraries') ~ '\mniji\M' then
    return;
  end if;
  select * into state from niji.restore_status;
  if state.restored then
    object := 'niji.restore_status'; finding := 'this database is older than its anchor: protected reads are refused';
    hint := 'Call niji.replay_objections() and then niji.accept_restore(reason).';
    return next;
  elsif not state.compared then
    object := 'niji.restore_status'; finding := 'the database was not compared with its anchor';
    hint := 'Is the writer running? The server''s log says.';
    return next;
  elsif state.directory is null then
    object := 'niji.anchor_directory'; finding := 'decisions are not handed outside: a restored backup would forget objections unseen';
    hint := 'Set niji.anchor_directory to a directory on another disk than the data directory.';
    return next;
  elsif state.failure is not null then
    object := state.directory; finding := 'decisions and the anchor cannot be written';
    hint := state.failure;
    return next;
  end if;
end
$$;
comment on function @extschema@.restore_findings() is
  'What is weaker than it should be about restores, for niji.check_trail(). Internal.';

/* ---- taking back in ---- */

create function @extschema@.decision_persons(content jsonb, out persons @extschema@.person[], out made boolean)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  someone niji.person;
begin
  made := false;
  -- by what nobody else has
  select array_agg(distinct i.person) into persons
    from jsonb_to_recordset(content -> 'identifiers') as x (kind text, generation smallint, digest text)
    join niji.identifier_kind k on k.kind = x.kind
    join niji.identifier i on i.digest = decode(x.digest, 'hex') and i.generation = x.generation and i.kind = k.id;
  if persons is not null then
    return;
  end if;

  -- a key was rotated in between: the number, if it was given to the same one
  someone := (content ->> 'person')::niji.person;
  if exists (select from niji.identifier i
               join niji.identifier_kind k on k.id = i.kind
               join jsonb_to_recordset(content -> 'identifiers') as x (kind text, enrolled_at timestamptz)
                 on x.kind = k.kind and x.enrolled_at = i.enrolled_at
              where i.person = someone) then
    persons := array[someone];
    return;
  end if;

  -- somebody who has no identifier, or was enrolled after the backup
  if jsonb_typeof(content -> 'identifiers') is distinct from 'array' then
    persons := array[someone];
    return;
  end if;
  someone := niji.decisions_person();
  insert into niji.identifier (kind, generation, normalization, digest, person, source, enrolled_at, period)
    select k.id, x.generation, x.normalization, decode(x.digest, 'hex'), someone, 'replay_objections', x.enrolled_at, x.period
      from jsonb_to_recordset(content -> 'identifiers')
        as x (kind text, generation smallint, normalization smallint, digest text, period smallint, enrolled_at timestamptz)
      join niji.identifier_kind k on k.kind = x.kind
    on conflict do nothing;
  persons := array[someone];
  made := true;
end
$$;
comment on function @extschema@.decision_persons(jsonb) is
  'Whom a decision of the file is about: all to whom one of its digests points; else who has the number and was enrolled at the same moment; else somebody new, to whom the digests then point. Internal.';

create function @extschema@.apply_decision(content jsonb, out outcome text, out made boolean)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  whom niji.person[];
  someone niji.person;
  permit_id integer;
  holder_id integer;
  dataset_id integer;
  unknown boolean;
  consent_id bigint;
  override_id bigint;
begin
  made := false;
  outcome := 'known';
  case content ->> 'kind'
  when 'rule' then
    -- the newest row holds, so one that was set since the restore is not set back
    select case when r.set_at = (content ->> 'set_at')::timestamptz then 'known' else 'left out' end into outcome
      from niji.rule r
     where r.category = content ->> 'category' and r.purpose = content ->> 'purpose' and r.set_at >= (content ->> 'set_at')::timestamptz
     order by r.set_at limit 1;
    if not found then
      insert into niji.rule (category, purpose, basis, judged, waiting, legal_basis, set_at, set_by)
        values (content ->> 'category', content ->> 'purpose', content ->> 'basis', content ->> 'judged', (content ->> 'waiting')::interval,
                content ->> 'legal_basis', (content ->> 'set_at')::timestamptz, content ->> 'set_by');
      outcome := 'taken';
    end if;
  when 'consent' then
    select d.persons, d.made into whom, made from niji.decision_persons(content) d;
    select p.id into permit_id from niji.permit p where p.code = content ->> 'permit';
    select h.id into holder_id from niji.holder h where h.code = content ->> 'holder';
    select d.id into dataset_id from niji.dataset d where d.name = content ->> 'dataset';
    unknown := (permit_id is null and not (content ->> 'any_permit')::boolean)
      or (holder_id is null and not (content ->> 'any_holder')::boolean)
      or (dataset_id is null and not (content ->> 'any_dataset')::boolean);
    -- in doubt an objection reaches further, and a permission nowhere
    if content ->> 'decision' = 'permit' and (unknown or cardinality(whom) > 1) then
      outcome := 'left out';
      return;
    end if;
    foreach someone in array whom loop
      if not exists (select from niji.consent c
                      where c.person = someone and c.recorded_at = (content ->> 'recorded_at')::timestamptz
                        and c.decision = content ->> 'decision' and c.effective_from = (content ->> 'effective_from')::timestamptz
                        and c.category is not distinct from content ->> 'category' and c.purpose is not distinct from content ->> 'purpose'
                        and c.permit is not distinct from permit_id and c.holder is not distinct from holder_id
                        and c.dataset is not distinct from dataset_id) then
        insert into niji.consent (person, decision, effective_from, effective_until, recorded_at, permit, holder, dataset, category, purpose,
                                  recipient_kind, declared_by, evidence, recorded_by, died_on)
          values (someone, content ->> 'decision', (content ->> 'effective_from')::timestamptz, (content ->> 'effective_until')::timestamptz,
                  (content ->> 'recorded_at')::timestamptz, permit_id, holder_id, dataset_id, content ->> 'category', content ->> 'purpose',
                  content ->> 'recipient_kind', content ->> 'declared_by', content ->> 'evidence', content ->> 'recorded_by',
                  (content ->> 'died_on')::date);
        outcome := case when unknown then 'widened' else 'taken' end;
      end if;
    end loop;
  when 'void' then
    -- a consent that was entered in error; whose it is and the moment of its recording name it, its number only in the database that was lost
    select d.persons, d.made into whom, made from niji.decision_persons(content) d;
    for consent_id in
      select c.id from niji.consent c
       where c.person = any (whom) and c.recorded_at = (content ->> 'recorded_at')::timestamptz
         and c.effective_from = (content ->> 'effective_from')::timestamptz and c.decision = content ->> 'decision'
         and c.category is not distinct from content ->> 'category' and c.purpose is not distinct from content ->> 'purpose'
    loop
      insert into niji.consent_void (consent, reason, voided_at, voided_by)
        values (consent_id, content ->> 'reason', (content ->> 'voided_at')::timestamptz, content ->> 'voided_by')
        on conflict do nothing;
      if found then
        outcome := 'taken';
      end if;
    end loop;
  when 'override_end' then
    select b.id into override_id from niji.override b
     where b.category = content ->> 'category' and b.purpose = content ->> 'purpose' and b.declared_at = (content ->> 'declared_at')::timestamptz;
    if found then
      insert into niji.override_end (override, reason, ended_at, ended_by)
        values (override_id, content ->> 'reason', (content ->> 'ended_at')::timestamptz, content ->> 'ended_by')
        on conflict do nothing;
      if found then
        outcome := 'taken';
      end if;
    end if;
  else
    outcome := 'left out';
  end case;
end
$$;
comment on function @extschema@.apply_decision(jsonb) is
  'Enters a decision of the file unless it is there: outcome "taken", "known", "widened" (an objection whose permit, holder or dataset is not known here and which therefore holds for any) or "left out" (a permission of which the same is true, or whose person is not certain; a rule, when a newer one was set here). made: whether the person is new. Internal.';

create function @extschema@.replay_objections(
  file text default null, out lines bigint, out taken bigint, out known bigint, out widened bigint, out left_out bigint,
  out unreadable bigint, out new_persons bigint, out decisions bigint)
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  files text[];
  name text;
  state record;
  origin text;
  here bigint;
  line record;
  result record;
  numbers int8multirange := '{}';
begin
  perform niji.require_duty('governance, consent_officer', 'replay objections');
  perform niji.require_protection();
  select * into state from niji.restore_state();
  select i.origin into origin from niji.trail_identity i;
  if file is not null then
    if not pg_has_role(session_user, 'pg_read_server_files', 'member') then
      raise exception using errcode = '42501', message = 'permission denied to read a file of the server',
        hint = 'Have it put into the directory that niji.restore_status names, and call niji.replay_objections() without a file; or become a member of pg_read_server_files.';
    end if;
    files := array[file];
  elsif state.directory is null then
    raise exception using errcode = '55000', message = 'no directory for anchor and decisions is set',
      hint = 'Set niji.anchor_directory, or name the file.';
  else
    select array_agg(state.directory || '/' || f order by f) into files
      from pg_ls_dir(state.directory) f where starts_with(f, 'niji-' || right(origin, 32) || '.decisions-');
  end if;

  -- the writer moves the row on as well; it does nothing while the database is taken for restored
  select o.decisions into here from niji.outside o for update;
  lines := 0; taken := 0; known := 0; widened := 0; left_out := 0; unreadable := 0; new_persons := 0;
  foreach name in array coalesce(files, '{}') loop
    for line in select * from niji.decisions_in(name, origin, here) loop
      lines := lines + 1;
      if line.decision is null then
        unreadable := unreadable + 1;
        continue;
      end if;
      select * into result from niji.apply_decision(line.decision);
      case result.outcome
        when 'taken' then taken := taken + 1;
        when 'known' then known := known + 1;
        when 'widened' then widened := widened + 1;
        else left_out := left_out + 1;
      end case;
      new_persons := new_persons + result.made::integer;
      numbers := numbers + int8multirange(int8range(line.number, line.number + 1));
    end loop;
  end loop;

  -- as far as there is no gap
  decisions := here;
  if state.restored and not isempty(numbers) and lower(numbers) = here + 1 then
    select upper(r) - 1 into decisions from unnest(numbers) r order by r limit 1;
    update niji.outside o set decisions = replay_objections.decisions;
  end if;
  perform niji.record_act('replay_objections', origin, jsonb_build_object('files', files, 'lines', lines, 'taken', taken, 'known', known,
    'widened', widened, 'left_out', left_out, 'unreadable', unreadable, 'new_persons', new_persons, 'from', here, 'to', decisions));
end
$$;
comment on function @extschema@.replay_objections(text) is
  'After a restore: enters what was decided since the backup, from a file of decisions or, without one, from all in the directory that niji.restore_status names (異議申立ての再適用). Takes rules, consents, voided consents and ended overrides, and tells how many lines there were, were taken, were known, reach further than they did because their permit, holder or dataset is not known here, were left out (permissions of which that is true, rules when a newer one was set here), could not be read; how many persons were new here; and up to which number, without a gap, decisions are known now. May be repeated. Errors: 42501 for a file without pg_read_server_files, 58P01 for one that is not there, 55000 without a directory. Duty: governance or consent_officer.';

create function @extschema@.accept_restore(reason text, loss boolean default false) returns text
language plpgsql volatile parallel unsafe security definer set search_path = pg_catalog, pg_temp
as $$
declare
  state record;
  row niji.outside;
begin
  perform niji.require_duty('governance', 'accept a restore');
  perform niji.require_protection();
  if coalesce(reason, '') !~ '\S' then
    raise exception using errcode = '22023', message = 'a restore cannot be accepted without a reason',
      hint = 'Say what was lost, from which backup it was restored, and what was done about it.';
  end if;
  select * into state from niji.restore_state();
  if not state.known or not state.restored then
    raise exception using errcode = '55000', message = 'this database is not taken for a restored one',
      detail = case when state.known then '' else 'The process "niji writer" has not compared it with its anchor yet.' end,
      hint = 'niji.restore_status tells what the writer found.';
  end if;
  select * into row from niji.outside for update;
  if state.anchor_decisions is null or row.decisions < state.anchor_decisions then
    if not coalesce(loss, false) then
      raise exception using errcode = '55000', message = 'objections would be lost',
        detail = case when state.anchor_decisions is null then 'Nothing tells how many decisions there were.'
          else format('Decisions are known up to number %s, and there were %s.', row.decisions, state.anchor_decisions) end,
        hint = 'Bring the files of decisions and call niji.replay_objections(). If they are gone, two officers accept the loss: niji.accept_restore(reason, loss => true).';
    end if;
    if row.loss_accepted_by is null or row.loss_accepted_by = session_user or row.loss_anchor is distinct from state.anchor_sha256 then
      update niji.outside set loss_accepted_by = session_user, loss_anchor = state.anchor_sha256;
      perform niji.record_act('accept_loss', (select origin from niji.trail_identity),
        jsonb_build_object('reason', reason, 'decisions', row.decisions, 'were', state.anchor_decisions));
      return 'A second officer of governance has to accept the loss as well.';
    end if;
  end if;
  perform niji.record_act('accept_restore', (select origin from niji.trail_identity),
    jsonb_build_object('reason', reason, 'found', state.reason, 'anchor_size', state.anchor_size, 'anchor_decisions', state.anchor_decisions,
                       'anchor_sha256', encode(state.anchor_sha256, 'hex'), 'decisions', row.decisions, 'loss', row.decisions < coalesce(state.anchor_decisions, row.decisions + 1),
                       'loss_accepted_by', row.loss_accepted_by));
  update niji.outside o set accepted = state.anchor_sha256, loss_accepted_by = null, loss_anchor = null,
    decisions = greatest(o.decisions, coalesce(state.anchor_decisions, o.decisions));
  return 'Accepted: protected reads are possible within a second of COMMIT.';
end
$$;
comment on function @extschema@.accept_restore(text, boolean) is
  'Says that this database, which is older than its anchor, is to be used from now on (復元の承認): for what reason. Protected reads are refused until then. Refused with 55000 while decisions are missing that were handed outside; loss: they are gone for good, which two officers have to say. An act of its own, with the size of the seal that the database does not reach, so that whoever holds that seal finds the explanation. What other acts were lost, closings of permits and removals of readers among them, has to be done again by hand. Errors: 55000 when there is no restore to accept, 22023 without a reason. Duty: governance.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'replay_objections(text)'),
  ('consent_officer', 'function', 'replay_objections(text)'),
  ('governance', 'function', 'accept_restore(text, boolean)');
insert into @extschema@.duty_right (duty, kind, object)
  select d, 'select', 'restore_status'
    from unnest(array['governance', 'auditor', 'consent_officer']) d;
-- a view's functions are called with its reader's rights
insert into @extschema@.duty_right (duty, kind, object)
  select d, 'function', 'restore_state()'
    from unnest(array['governance', 'auditor', 'consent_officer']) d;
