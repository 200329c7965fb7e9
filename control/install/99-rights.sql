/* ---- rights: last, so that nothing is forgotten ---- */

revoke all on all routines in schema @extschema@ from public;
revoke all on all tables in schema @extschema@ from public;
revoke all on all sequences in schema @extschema@ from public;
grant usage on schema @extschema@ to public;

/*
 * What PUBLIC may execute is exactly what the parts have put on this list:
 * functions of the code types, look-ups, pseudonym, permitted, probes, transforms.
 */
do $$
declare
  f text;
begin
  for f in select object from @extschema@.public_function loop
    execute format('grant execute on function @extschema@.%s to public', f);
  end loop;
end
$$;

/* who creates the extension learns at once whether it can do anything here */
do $$
declare
  protected text := pg_catalog.current_setting('niji.database', true);
begin
  if protected is null then
    raise warning 'niji is not loaded by the server'
      using detail = 'Nothing is protected or recorded until it is.',
            hint = 'Set shared_preload_libraries = ''niji'' and niji.database in postgresql.conf and restart the server.';
  elsif protected <> pg_catalog.current_database() then
    raise warning 'niji does not protect this database'
      using hint = pg_catalog.format('niji.database names the database that is protected: "%s". Changing it needs a restart.', protected);
  end if;
end
$$;
