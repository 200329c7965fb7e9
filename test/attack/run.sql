-- all attempts of the file that includes this; the last lines of it
select plan((select sum(cardinality(who)) from attack.attempt)::int + :more);
select attack.judge(a, w) from attack.attempt a, unnest(a.who) w order by a.id;
