/* ---- rights: last, so that nothing is forgotten ---- */

revoke all on all functions in schema @extschema@ from public;
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
