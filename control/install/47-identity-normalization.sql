/* ---- identity: versions of normalisation ---- */

create function @extschema@.set_normalization(kind text, normalization integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  k niji.identifier_kind;
  newest integer;
begin
  perform niji.require_duty('governance', 'change the normalisation of a kind of identifier');
  -- no enrolment may be under way that still stores under the old version: it would not see who is stored under the new one
  lock table niji.identifier in share row exclusive mode;
  select * into k from niji.identifier_kind i where i.kind = set_normalization.kind for update;
  if not found then
    raise exception using errcode = '22023', message = 'there is no such kind of identifier',
      hint = 'Kinds are in niji.identifier_kind.';
  end if;
  select r.normalization into newest from niji.identifier_rule r where r.rule = k.rule;
  if normalization is null or normalization not between 1 and newest then
    raise exception using errcode = '22023', message = 'there is no such version of the rule',
      hint = format('The versions of this rule are 1 to %s.', newest);
  end if;
  if normalization < k.normalization then
    raise exception using errcode = '22023', message = 'a kind does not go back to an older version of its rule',
      detail = 'Identifiers that were stored under the newer version would not be found any more.';
  end if;
  if normalization = k.normalization then
    return;
  end if;
  update niji.identifier_kind i set normalization = set_normalization.normalization where i.id = k.id;
  perform niji.record_act('set_normalization', kind,
    jsonb_build_object('rule', k.rule, 'from', k.normalization, 'to', normalization));
end
$$;
comment on function @extschema@.set_normalization(text, integer) is
  'From now on, identifiers of a kind are stored under a newer version of its rule (正規化の版); look-ups try the older ones too, back to the one that the kind began with. Waits for enrolments that are under way. Raises 22023 for a version that does not exist or is older than the kind''s. Duty: governance; recorded in the trail.';

insert into @extschema@.duty_right (duty, kind, object) values
  ('governance', 'function', 'set_normalization(text, integer)');
