-- What specifications of niji.check_protection() share: weaken() makes a weakness,
-- sees exactly the findings that it should make, mends it by their hints, and
-- sees them gone.  Two tests.  To be run after story.sql.

-- what is found now; the server of a test trusts everybody, and is not talked about
create function found() returns setof text language sql as
  $$ select format('%s: %s', code, object) from niji.check_protection() where code not like 'hba%' $$;
create function hints(newly text[]) returns setof text language sql as
  $$ select hint from niji.check_protection() where format('%s: %s', code, object) = any (newly) and code not like 'hba%' group by hint order by min(hint) $$;

-- makes: statements; expected: '{code: object}'; mends: statements in place of the hints
create function weaken(what text, makes text[], expected text[], mends text[] default null) returns setof text language plpgsql as $$
declare
  before text[] := array(select f from found() f order by f);
  newly text[];
  statement text;
begin
  foreach statement in array makes loop
    execute statement;
  end loop;
  newly := array(select f from found() f except all select u from unnest(before) u order by 1);
  return next is(newly, array(select e from unnest(expected) e order by e), what);
  foreach statement in array coalesce(mends, array(select h from hints(newly) h)) loop
    execute statement;
  end loop;
  return next is(array(select f from found() f order by f), before, case when mends is null then 'and its hint mends it' else 'and it is seen no more' end);
end
$$;
