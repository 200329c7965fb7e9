/* ---- base: caches, duties ---- */

create function @extschema@.invalidate() returns trigger
language c as 'MODULE_PATHNAME';
comment on function @extschema@.invalidate() is
  'Trigger: tells all sessions at commit that the contents of this table changed, so that their caches are read anew. For niji''s own tables.';

create function @extschema@.require_duty(duties text, what text) returns void
language c stable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.require_duty(text, text) is
  'Raises 42501 unless the session''s user has one of the duties (a list with commas) or is a superuser. The second argument completes "permission denied to …".';

create function @extschema@.require_no_transaction(what text) returns void
language c volatile strict parallel unsafe as 'MODULE_PATHNAME';
comment on function @extschema@.require_no_transaction(text) is
  'Raises 25001 within a transaction block, for procedures that commit. The argument is the procedure''s name.';

create function @extschema@.has_duty(duty text) returns boolean
language c stable strict parallel safe as 'MODULE_PATHNAME';
comment on function @extschema@.has_duty(text) is
  'Whether the session''s user was granted the duty, directly or as a member of a role; superusers have only what was granted.';

create table @extschema@.duty (
  duty text primary key,
  name_ja text not null,
  description text not null
);
comment on table @extschema@.duty is 'The duties that a DBA maps roles to. Analysts have none: permits give them what they have.';

insert into @extschema@.duty (duty, name_ja, description) values
  ('loader', 'データ登録者', 'Reads files in, enrols persons, fills datasets; sees no dataset'),
  ('consent_officer', '同意管理者', 'Records notices and consents of persons'),
  ('reviewer', '審査者', 'Reviews permits'),
  ('governance', '運営管理者', 'Registers holders and datasets, applies for, grants and closes permits, sets rules'),
  ('auditor', '監査者', 'Reads the whole trail with its private part, and who used whose data'),
  ('custodian', '仮名管理者', 'Re-identifies, together with a second person');

create table @extschema@.duty_grant (
  duty text not null references @extschema@.duty,
  role oid not null,
  role_name name not null,
  granted_at timestamptz not null default now(),
  granted_by name not null default session_user,
  primary key (duty, role_name)
);
comment on table @extschema@.duty_grant is
  'Which role has which duty. A row counts only while its role has both this oid and this name, so that a restore into another cluster gives nobody anything until niji.recompile_permits().';

create trigger invalidate after insert or update or delete or truncate on @extschema@.duty_grant
  for each statement execute function @extschema@.invalidate();
alter table @extschema@.duty_grant enable always trigger invalidate;

create view @extschema@.duties as
  select g.duty, d.name_ja, g.role_name, g.granted_at, g.granted_by,
         coalesce(r.rolname = g.role_name, false) as in_force
    from @extschema@.duty_grant g
    join @extschema@.duty d using (duty)
    left join pg_catalog.pg_roles r on r.oid = g.role;
comment on view @extschema@.duties is 'Roles and their duties; in_force is false for a role that was dropped, renamed or not yet bound anew after a restore.';

/*
 * What each duty may call and see.  grant_duty() gives the native rights; the
 * functions themselves ask for the duty of the session's user as well.  Every
 * capability adds its own rows.
 */
create table @extschema@.duty_right (
  duty text not null references @extschema@.duty,
  kind text not null check (kind in ('function', 'select')),
  object text not null,
  primary key (duty, kind, object)
);
comment on table @extschema@.duty_right is
  'The matrix of functions and views by duty: a function''s (or procedure''s) name with its argument types, the name of a view or of a type, in schema niji.';
insert into @extschema@.duty_right (duty, kind, object) values
  ('loader', 'function', 'require_no_transaction(text)'),
  ('custodian', 'function', 'require_no_transaction(text)');

create function @extschema@.grant_duty(duty text, role regrole) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  r record;
  name name := (select rolname from pg_catalog.pg_roles where oid = role);
begin
  if not (select rolsuper from pg_catalog.pg_roles where rolname = session_user) then
    raise exception using errcode = '42501', message = 'permission denied to grant a duty',
      hint = 'Only a superuser maps roles to duties.';
  end if;
  if not exists (select from niji.duty d where d.duty = grant_duty.duty) then
    raise exception using errcode = '22023', message = format('there is no duty "%s"', duty),
      hint = 'The duties are in niji.duty.';
  end if;
  if name is null then
    raise exception using errcode = '22004', message = 'a duty needs a role that exists';
  end if;
  insert into niji.duty_grant (duty, role, role_name) values (grant_duty.duty, grant_duty.role, name)
    on conflict on constraint duty_grant_pkey do update set role = excluded.role;
  execute format('grant usage on schema niji to %I', name);
  for r in select x.kind, x.object from niji.duty_right x where x.duty = grant_duty.duty loop
    if r.kind = 'function' then
      execute format('grant execute on routine niji.%s to %I', r.object, name);
    else
      execute format('grant select on niji.%I to %I', r.object, name);
    end if;
  end loop;
  perform niji.record_act('grant_duty', duty, jsonb_build_object('role', name));
end
$$;
comment on function @extschema@.grant_duty(text, regrole) is
  'Maps a role to a duty (loader, consent_officer, reviewer, governance, auditor, custodian) and grants what the duty needs. Superusers only; recorded in the trail.';

create function @extschema@.revoke_duty(duty text, role regrole) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  r record;
  name name := (select rolname from pg_catalog.pg_roles where oid = role);
begin
  if not (select rolsuper from pg_catalog.pg_roles where rolname = session_user) then
    raise exception using errcode = '42501', message = 'permission denied to revoke a duty',
      hint = 'Only a superuser maps roles to duties.';
  end if;
  delete from niji.duty_grant g where g.duty = revoke_duty.duty and g.role_name = name;
  if not found then
    raise exception using errcode = '42704', message = format('role "%s" does not have the duty "%s"', name, duty);
  end if;
  -- what another duty of the role needs stays
  for r in
    select x.kind, x.object from niji.duty_right x where x.duty = revoke_duty.duty
    except
    select x.kind, x.object from niji.duty_right x
      join niji.duty_grant g using (duty) where g.role_name = name
  loop
    if r.kind = 'function' then
      execute format('revoke execute on routine niji.%s from %I', r.object, name);
    else
      execute format('revoke select on niji.%I from %I', r.object, name);
    end if;
  end loop;
  perform niji.record_act('revoke_duty', duty, jsonb_build_object('role', name));
end
$$;
comment on function @extschema@.revoke_duty(text, regrole) is
  'Takes a duty from a role, with the rights that no other duty of the role needs. Superusers only; recorded in the trail.';

select pg_catalog.pg_extension_config_dump('@extschema@.duty_grant', '');
