/* ---- protection: the server ---- */

create function @extschema@.server_findings() returns table (code text, object text, finding text, hint text, dataset text)
language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  libraries text[];
  place integer;
  r record;
begin
  begin
    perform niji.require_protection();
  exception when object_not_in_prerequisite_state then
    code := 'not_protected'; object := 'server'; finding := sqlerrm;
    hint := case when current_setting('niji.database', true) is null then 'Add the line shared_preload_libraries = ''niji'' to postgresql.conf and restart the server.'
                 else format('Set niji.database = %L in postgresql.conf and restart the server, or use the database that it names.', current_database()) end;
    return next;
  end;

  if current_setting('niji.database', true) = current_database() then
    -- keys and processes
    for r in select * from niji.key_status() k where k.generation is null or k.state in ('wrong', 'missing') loop
      code := 'key'; object := coalesce(format('master key of generation %s', r.generation), 'key source');
      finding := case r.state when 'wrong' then 'it is not the key that this database has used' when 'missing' then 'it is missing' else coalesce(r.detail, 'it cannot be read') end;
      hint := 'See docs/keys.md: give the server the key again, then select pg_reload_conf().';
      return next;
    end loop;
    -- a process that was just begun, or ended by an error, is there again within a second or two
    for try in 1 .. 20 loop
      exit when niji.spool_ready() and (select count(distinct a.backend_type) from pg_stat_activity a where a.backend_type in ('niji writer', 'niji keeper')) = 2;
      perform pg_sleep(0.1);
      perform pg_stat_clear_snapshot();
    end loop;
    if not niji.spool_ready() then
      code := 'spool'; object := 'spool'; finding := 'entries cannot be written, so protected reads are refused';
      hint := 'Is the writer running, and is there room in the data directory? select * from niji.spool_status()';
      return next;
    end if;
    for r in select * from (values ('writer_absent', 'niji writer', 'it does not run: the trail''s entries stay in the spool'),
                                   ('keeper_absent', 'niji keeper', 'it does not run: each session builds consent sets of its own')) w (code, name, what)
              where not exists (select from pg_stat_activity a where a.backend_type = w.name) loop
      code := r.code; object := r.name; finding := r.what;
      hint := 'Look into the server''s log; it takes two of max_worker_processes, and starts anew within a second.';
      return next;
    end loop;
  end if;

  -- niji's own settings
  hint := null;
  if current_setting('niji.audit_wait', true) = 'queued' then
    code := 'audit_queued'; object := 'niji.audit_wait'; finding := 'reads do not wait until their entry is on disk';
    hint := 'alter system set niji.audit_wait = durable'; return next;
  end if;
  if current_setting('niji.allow_drop', true) = 'on' then
    code := 'drop_allowed'; object := 'niji.allow_drop'; finding := 'niji may be dropped with its datasets and its trail';
    hint := 'alter system set niji.allow_drop = off'; return next;
  end if;
  if current_setting('auto_explain.log_level', true) in ('info', 'notice', 'warning') then
    code := 'explain_to_client'; object := 'auto_explain.log_level'; finding := 'plans are sent to clients, so reads under permits are refused';
    hint := 'alter system set auto_explain.log_level = log'; return next;
  end if;

  -- what is loaded, now and next time
  libraries := array(select btrim(x, ' "') from unnest(string_to_array(current_setting('shared_preload_libraries'), ',')) x);
  place := array_position(libraries, 'niji');
  if 'auto_explain' = any (libraries[place + 1:]) then
    code := 'preload_order'; object := 'shared_preload_libraries'; finding := 'auto_explain is loaded after niji, and tells clients what niji would keep back';
    hint := format('Set shared_preload_libraries = %L in postgresql.conf and restart the server.', array_to_string(array_remove(libraries, 'niji') || 'niji'::text, ', '));
    return next;
  end if;
  -- also where its "error" says that it takes a restart
  select s.setting into r from pg_file_settings s where s.name = 'shared_preload_libraries' order by s.seqno desc limit 1;
  if place is not null and coalesce(r.setting, '') !~ '(^|[ ,"/])niji($|[ ,"])' then
    code := 'preload_lost'; object := 'shared_preload_libraries'; finding := 'the configuration files do not load niji any more: the next start would be without it';
    hint := 'Add niji to shared_preload_libraries in postgresql.conf.';
    return next;
  end if;
  for code, object, finding, hint in
    select 'guard', format('event trigger %s', e.evtname), 'it is disabled: what it guards is guarded only while the library is preloaded',
           format('alter event trigger %I enable', e.evtname)
      from pg_event_trigger e join pg_proc p on p.oid = e.evtfoid
     where p.pronamespace = 'niji'::regnamespace and e.evtenabled not in ('O', 'A')
    union all
    select 'guard', 'event trigger niji_guard', 'it does not exist: DROP EXTENSION is guarded only while the library is preloaded',
           'Restore niji from its dump, or drop and create the extension anew.'
     where not exists (select from pg_event_trigger e where e.evtname = 'niji_guard')
  loop
    return next;
  end loop;

  /*
   * Settings are the server's, not this session's: what the server would give
   * a session of nobody in particular.
   */
  for code, object, finding, hint in
    with setting as (
      select s.name, s.setting from pg_settings s
       where s.name ~ '^(log_(statement|min_duration_statement|min_duration_sample|transaction_sample_rate|parameter_max_length(_on_error)?)|debug_print_(parse|rewritten|plan)|full_page_writes|data_checksums|auto_explain\.(log_min_duration|log_analyze|log_parameter_max_length))$')
    select 'statements_logged', s.name, format('it is %s: the texts of all statements go to the server''s log', s.setting),
           format('alter system set %s = %s', s.name, case when s.name = 'log_statement' then 'ddl' when s.name ~ 'rate$' then '0' else '-1' end)
      from setting s
     where (s.name = 'log_statement' and s.setting in ('mod', 'all'))
        or (s.name in ('log_min_duration_statement', 'log_min_duration_sample') and s.setting = '0')
        or (s.name = 'log_transaction_sample_rate' and s.setting::float8 > 0)
    union all
    select 'slow_statements_logged', s.name, format('the texts of statements of %s ms and more go to the server''s log', s.setting), format('alter system set %s = -1', s.name)
      from setting s where s.name in ('log_min_duration_statement', 'log_min_duration_sample') and s.setting::bigint > 0
    union all
    select 'parameters_logged', s.name, 'parameters of statements go to the server''s log', format('alter system set %s = 0', s.name)
      from setting s
     where (s.name = 'log_parameter_max_length_on_error' and s.setting <> '0')
        or (s.name = 'auto_explain.log_parameter_max_length' and s.setting <> '0'
            and exists (select from setting y where y.name = 'auto_explain.log_min_duration' and y.setting <> '-1'))
        or (s.name = 'log_parameter_max_length' and s.setting <> '0'
            and exists (select from setting y where (y.name = 'log_statement' and y.setting in ('mod', 'all'))
                                                 or (y.name in ('log_min_duration_statement', 'log_min_duration_sample') and y.setting <> '-1')))
    union all
    select 'plans_logged', s.name, case when s.name ~ '^debug' then 'trees of statements, with their constants, go to the server''s log'
                                        else 'numbers of rows, also of those that were withheld, go to the server''s log' end, format('alter system set %s = off', s.name)
      from setting s
     where (s.name ~ '^debug_print' and s.setting = 'on')
        or (s.name = 'auto_explain.log_analyze' and s.setting = 'on'
            and exists (select from setting y where y.name = 'auto_explain.log_min_duration' and y.setting <> '-1'))
    union all
    select 'not_durable', s.name, 'it is off: a crash can damage pages', format('alter system set %s = on', s.name)
      from setting s where s.name = 'full_page_writes' and s.setting = 'off'
    union all
    select 'checksums_off', s.name, 'pages have no checksums', 'Stop the server and run pg_checksums --enable.'
      from setting s where s.name = 'data_checksums' and s.setting = 'off'
  loop
    return next;
  end loop;

  -- settings of roles and databases
  return query
    select 'stored_setting'::text,
           concat_ws(' in ', case when x.setrole <> 0 then format('role %s', pg_get_userbyid(x.setrole)) end,
                     case when x.setdatabase <> 0 then format('database %s', b.datname) end),
           format('%s is stored for it', y.name),
           case when x.setrole = 0 then format('alter database %I reset %s', b.datname, y.name)
                when x.setdatabase = 0 then format('alter role %I reset %s', pg_get_userbyid(x.setrole), y.name)
                else format('alter role %I in database %I reset %s', pg_get_userbyid(x.setrole), b.datname, y.name) end,
           null::text
      from pg_db_role_setting x left join pg_database b on b.oid = x.setdatabase,
           lateral (select split_part(e, '=', 1) as name, lower(split_part(e, '=', 2)) as value from unnest(x.setconfig) e) y
     where (x.setdatabase = 0 or b.datname = current_database())
       and (y.name ~ '^niji\.'
            or (y.name = 'session_replication_role' and y.value <> 'origin')
            or (y.name = 'row_security' and y.value in ('off', 'false', 'no', '0'))
            or (y.name ~ '^debug_print_' and y.value not in ('off', 'false', 'no', '0'))
            or (y.name ~ '^log_(parser|planner|executor|statement)_stats$' and y.value not in ('off', 'false', 'no', '0'))
            or (y.name = 'log_statement' and y.value in ('mod', 'all'))
            or (y.name ~ '^log_min_duration_' and y.value <> '-1')
            or (y.name ~ '^log_parameter_max_length' and y.value <> '0')
            or (y.name ~ '^auto_explain\.' and y.value not in ('off', '-1'))
            or y.name in ('session_preload_libraries', 'local_preload_libraries', 'allow_system_table_mods', 'ignore_system_indexes'))
     order by 2, 3;

  -- the trail
  return query
    select case when t.object = 'niji.seal_command' or t.finding like 'nothing was sealed%' then 'trail_outside' else 'trail' end::text,
           t.object, t.finding, t.hint, null::text
      from niji.check_trail() t
     where t.object not in ('server', 'niji.audit_wait');
end
$$;
comment on function @extschema@.server_findings() is 'What is weaker than it should be about the server: keys, processes, settings, the trail. For niji.check_protection(). Internal.';

create function @extschema@.door_findings() returns table (code text, object text, finding text, hint text, dataset text)
language sql volatile set search_path = pg_catalog, pg_temp
as $$
  with line as (
    select h.*, coalesce(h.address, '') in ('127.0.0.1', '::1', 'localhost', 'samehost') as near
      from pg_hba_file_rules h
  ), open as (
    select l.* from line l
     where l.error is null
       and (l.database && array['all', 'sameuser', 'samerole', 'samegroup', 'replication', current_database()::text] or exists (select from unnest(l.database) x where x like '/%'))
  )
  select 'hba_error', format('pg_hba.conf, line %s', l.line_number), 'it is in error, so that the file is not loaded as a whole',
         'select * from pg_hba_file_rules where error is not null', null::text
    from line l where l.error is not null
  union all
  select case when o.type = 'local' or o.near then 'hba_trust_local' else 'hba_trust' end, format('pg_hba.conf, line %s', o.line_number),
         case when o.type = 'local' or o.near then 'who has an account on this machine is let in as whom they like (trust)'
              else 'other machines are let in as whom they like (trust)' end,
         format('Write %s instead of trust, then select pg_reload_conf().', case when o.type = 'local' then 'peer' else 'scram-sha-256' end), null
    from open o where o.auth_method = 'trust'
  union all
  select 'hba_clear', format('pg_hba.conf, line %s', o.line_number), format('%s without TLS from other machines', o.auth_method),
         'Write hostssl and scram-sha-256, then select pg_reload_conf().', null
    from open o where o.type in ('host', 'hostnossl', 'hostnogssenc') and not o.near and o.auth_method in ('password', 'ident', 'ldap', 'pam', 'radius', 'bsd', 'md5')
  union all
  select 'hba_plain', format('pg_hba.conf, line %s', o.line_number), 'other machines may connect without TLS',
         'Write hostssl instead of host, then select pg_reload_conf().', null
    from open o where o.type in ('host', 'hostnossl', 'hostnogssenc') and not o.near and o.auth_method not in ('trust', 'reject', 'password', 'ident', 'ldap', 'pam', 'radius', 'bsd', 'md5', 'gss')
  union all
  select 'ssl_off', 'ssl', format('the server listens to %s, without TLS', current_setting('listen_addresses')), 'alter system set ssl = on', null
   where current_setting('ssl') = 'off'
     and exists (select from unnest(string_to_array(current_setting('listen_addresses'), ',')) x where btrim(x) not in ('', 'localhost', '127.0.0.1', '::1'))
  union all
  select w.code, format('extension %s', e.extname), w.what, format('drop extension %I', e.extname), null
    from pg_extension e join (values
      ('extension_path', 'dblink', 'its functions, which PUBLIC may execute, connect to other servers and carry rows there'),
      ('extension_path', 'adminpack', 'its functions write the server''s files'),
      ('extension_path', 'plpython3u', 'its functions act as the server''s user, and can read keys and files'),
      ('extension_path', 'plperlu', 'its functions act as the server''s user, and can read keys and files'),
      ('extension_path', 'pltclu', 'its functions act as the server''s user, and can read keys and files'),
      ('extension_path', 'pg_surgery', 'its functions change rows below everything that checks them'),
      ('extension_watch', 'file_fdw', 'its tables read the server''s files'),
      ('extension_watch', 'postgres_fdw', 'its tables read other servers, for those who have a user mapping'),
      ('extension_watch', 'pageinspect', 'its functions show the bytes of rows'),
      ('extension_watch', 'pg_walinspect', 'its functions show the bytes of changes'),
      ('extension_watch', 'pg_visibility', 'its functions tell about pages of all rows'),
      ('extension_watch', 'pgstattuple', 'its functions count all rows'),
      ('extension_watch', 'pgrowlocks', 'its functions show which rows are locked'),
      ('extension_watch', 'pg_freespacemap', 'its functions tell about pages of all rows'),
      ('extension_watch', 'pg_buffercache', 'its view shows which blocks were read'),
      ('extension_watch', 'pg_prewarm', 'its functions read tables into memory'),
      ('extension_watch', 'pg_stat_statements', 'it shows the texts of statements to members of pg_read_all_stats')) w (code, name, what) on w.name = e.extname
  union all
  select 'language', format('language %s', l.lanname), 'its functions act as the server''s user, and can read keys and files', format('drop language %I', l.lanname), null
    from pg_language l
   where not l.lanpltrusted and l.lanname not in ('internal', 'c')
     and not exists (select from pg_depend d where d.classid = 'pg_language'::regclass and d.objid = l.oid and d.deptype = 'e')
  union all
  select 'untrusted_function', format('function %s', p.oid::regprocedure),
         format('%s may execute it, and it acts as the server''s user', string_agg(distinct case when g.grantee = 0 then 'PUBLIC' else format('role "%s"', pg_get_userbyid(g.grantee)) end, ', ')),
         format('revoke execute on routine %s from %s', p.oid::regprocedure, string_agg(distinct niji.grantee(g.grantee), ', ')), null
    from pg_proc p join pg_language l on l.oid = p.prolang,
         aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g
   where not l.lanpltrusted and l.lanname not in ('internal', 'c') and g.grantee <> p.proowner
     and (g.grantee = 0 or exists (select from niji.reader y join pg_roles o on o.oid = y.role and o.rolname = y.role_name
                                    where pg_has_role(o.oid, g.grantee, 'member')))
     and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
   group by p.oid
$$;
comment on function @extschema@.door_findings() is
  'What is weaker than it should be about the ways into the server and out of it: pg_hba.conf, TLS, extensions, languages. For niji.check_protection(). Internal.';
