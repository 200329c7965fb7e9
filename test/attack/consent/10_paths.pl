# Every way by which a row can leave: what SELECT can say, in every plan that can be forced.
use strict;
use warnings;
use NijiAttack;
use Test::More;

house('paths');

attacks('SELECT', <<'END');
-- all rows
select * from {v}.lab
-- a count
select count(*) from {v}.lab
-- whole rows
select l from {v}.lab l
-- TABLE
table {v}.lab
-- ONLY
select * from only {v}.lab
-- the aggregates
select sum(value), avg(value), max(value), min(taken_on), stddev(value), mode() within group (order by code), percentile_disc(0.99) within group (order by value) from {v}.lab
-- by a value that only withheld rows have
select exists (select from {v}.lab where code = 'RARE'), (select max(value) from {v}.lab where value > 600)
-- by what they have not
select count(*) from {v}.lab where code <> 'HBA1C'
-- IS NULL and its negation
select count(*) from {v}.lab where (value = 666.25) is not false
-- partitions
select * from {v}.visit
-- a partition that has withheld rows only
select count(*) from {v}.visit where seen_on >= '2026-01-01'
-- births, by mother and by child
select grams from {v}.birth
-- mothers and children apart
select pid, child_pid from {v}.birth where grams = 666
-- rows that name their holder
select note from {v}.chart
-- DISTINCT
select distinct code from {v}.lab order by 1
-- DISTINCT ON
select distinct on (code) code, value from {v}.lab order by code, value desc
-- ORDER BY with LIMIT
select code, value from {v}.lab order by value desc limit 3
-- OFFSET past the end
select code from {v}.lab order by value offset 36
-- FETCH FIRST WITH TIES
select code from {v}.lab order by value desc fetch first 1 row with ties
-- GROUP BY and HAVING
select code, count(*) from {v}.lab group by code having count(*) < 10 order by 1
-- grouping sets
select code, ward, count(*), sum(cost) from {v}.lab join {v}.visit using (pid) group by grouping sets ((code), (ward), (code, ward), ()) order by 1, 2
-- CUBE
select code, extract(year from taken_on), count(*), grouping(code) from {v}.lab group by cube (code, extract(year from taken_on)) order by 1, 2
-- ROLLUP
select code, taken_on, max(value) from {v}.lab group by rollup (code, taken_on) order by 1, 2
-- FILTER
select count(*) filter (where code = 'RARE'), count(*) filter (where code <> 'LDL') from {v}.lab
-- a window over all
select pid, row_number() over (order by value), count(*) over (), sum(value) over (order by taken_on rows between 5 preceding and 5 following) from {v}.lab order by value
-- neighbours in a window
select value, lag(value) over w, lead(value) over w, rank() over w, ntile(7) over w, nth_value(value, 36) over w from {v}.lab window w as (order by value rows between unbounded preceding and unbounded following)
-- a window that stops early
select * from (select value, row_number() over (order by value desc) r from {v}.lab) x where r <= 2
-- UNION
select code from {v}.lab union select ward from {v}.visit order by 1
-- UNION ALL
select code from {v}.lab union all select ward from {v}.visit
-- INTERSECT
select 'RARE' intersect select code from {v}.lab
-- EXCEPT
select code from (values ('RARE'), ('LDL')) v(code) except select code from {v}.lab
-- EXCEPT ALL
values (666.25), (8.0), (8.0) except all select value from {v}.lab order by 1
-- VALUES with a sub-query
values ((select count(*) from {v}.lab)), (5)
-- arrays
select array(select value from {v}.lab order by value), array_agg(code) from {v}.lab
-- JSON
select json_agg(l order by value), jsonb_object_agg(pid, value) from {v}.lab l
-- XML of a table
select length(table_to_xml('{v}.lab', true, true, '')::text)
-- XML of a query
select query_to_xml('select code from {v}.lab', true, true, '')
-- XML of a schema
select length(schema_to_xml('{v}', true, true, '')::text)
-- XML of a cursor
declare c cursor for select code from {v}.lab order by code; select cursor_to_xml('c', 100, true, true, '')
-- a sample of the base table [42501 dba]
select count(*) from {b}.lab tablesample bernoulli (100) repeatable (1)
-- COPY (query) TO
copy (select * from {v}.lab) to stdout
-- COPY (query) TO as CSV
copy (select code, value from {v}.lab order by value) to stdout (format csv, header)
-- COPY (query) TO in binary
copy (select code, value from {v}.lab) to stdout (format binary)
-- COPY of the base table [42501 dba]
copy {b}.lab (code) to stdout
-- COPY of a partition [42501 dba]
copy {b}.visit_2026 (ward) to stdout
-- DO with a notice
do $$ declare r record; begin for r in select code from {v}.lab loop raise notice '%', r.code; end loop; end $$
-- DO with ROW_COUNT
do $$ declare n int; begin perform from {v}.lab; get diagnostics n = row_count; raise notice '%', n; end $$
-- DO with FOUND
do $$ begin perform from {v}.lab where code = 'RARE'; raise notice '%', found; end $$
-- INTO STRICT
do $$ declare x text; begin select code into strict x from {v}.lab where code = 'RARE' limit 1; raise notice 'there'; exception when no_data_found then raise notice 'none'; end $$
END
my $few = "set local enable_seqscan = %s; set local enable_indexscan = %s; set local enable_bitmapscan = %s; set local enable_indexonlyscan = %s\n;;\n";
my %scan = (
	'a sequential scan' => sprintf($few, 'on', 'off', 'off', 'off'),
	'an index scan' => sprintf($few, 'off', 'on', 'off', 'off'),
	'an index-only scan' => sprintf($few, 'off', 'on', 'off', 'on'),
	'a bitmap scan' => sprintf($few, 'off', 'off', 'on', 'off'),
	'parallel workers' => "set local parallel_setup_cost = 0; set local parallel_tuple_cost = 0; set local min_parallel_table_scan_size = 0; set local min_parallel_index_scan_size = 0; set local max_parallel_workers_per_gather = 2\n;;\n");
attacks("by $_", <<'END', $scan{$_}) for sort keys %scan;
-- an equal value
select count(*), min(taken_on) from {v}.lab where code = 'RARE'
-- a range
select sum(value) from {v}.lab where value > 8
-- a range with its order
select value from {v}.lab where value between 8 and 700 order by value
-- a list
select count(*) from {v}.lab where code in ('RARE', 'LDL')
-- either
select count(*) from {v}.lab where code = 'RARE' or value < 6
-- both
select count(*) from {v}.lab where code = 'RARE' and value > 6
-- backwards
select max(value) from {v}.lab
-- partitions
select ward, count(*) from {v}.visit where ward >= 'RARE' group by ward order by ward
-- a person
select count(*) from {v}.visit where pid in (select pid from {v}.diagnosis)
END

my $methods = "set local enable_nestloop = %s; set local enable_hashjoin = %s; set local enable_mergejoin = %s; set local enable_material = %s; set local enable_memoize = %s\n;;\n";
my %join = (
	'nested loops' => sprintf($methods, 'on', 'off', 'off', 'on', 'off'),
	'nested loops that remember' => sprintf($methods, 'on', 'off', 'off', 'off', 'on'),
	'hashes' => sprintf($methods, 'off', 'on', 'off', 'on', 'off'),
	'merging' => sprintf($methods, 'off', 'off', 'on', 'on', 'off'),
	'hashes in parallel' => "set local enable_nestloop = off; set local enable_mergejoin = off; set local parallel_setup_cost = 0; set local parallel_tuple_cost = 0; set local min_parallel_table_scan_size = 0\n;;\n",
	'partitions' => "set local enable_partitionwise_join = on; set local enable_partitionwise_aggregate = on\n;;\n");
attacks("joined by $_", <<'END', $join{$_}) for sort keys %join;
-- inner
select count(*), sum(cost) from {v}.lab join {v}.visit using (pid)
-- left, from what is not withheld
select count(*), count(l.pid) from {v}.diagnosis d left join {v}.lab l on l.pid = d.pid
-- right
select count(*), count(d.pid) from {v}.diagnosis d right join {v}.lab l on l.pid = d.pid
-- full
select count(*), count(d.pid), count(l.pid) from {v}.diagnosis d full join {v}.lab l on l.pid = d.pid
-- semi
select count(*) from {v}.diagnosis d where exists (select from {v}.lab l where l.pid = d.pid and l.value > 6)
-- anti
select count(*) from {v}.diagnosis d where not exists (select from {v}.lab l where l.pid = d.pid)
-- NOT IN
select count(*) from {v}.diagnosis d where pid not in (select pid from {v}.lab)
-- by another column
select a.code, count(*) from {v}.lab a join {v}.lab b on a.value = b.value group by a.code order by 1
-- with itself
select count(*) from {v}.lab a join {v}.lab b on a.pid = b.pid and a.code = 'RARE'
-- a list of the reader's
select v.x, l.value from (values ('RARE'), ('LDL')) v(x) left join {v}.lab l on l.code = v.x order by 1, 2
END
attacks('joined', <<'END');
-- cross
select count(*) from {v}.lab, {v}.visit
-- lateral
select d.disease, x.n from {v}.diagnosis d, lateral (select count(*) as n from {v}.lab l where l.pid = d.pid and l.value >= 5) x order by d.since
-- lateral with LIMIT
select d.since, x.value from {v}.diagnosis d left join lateral (select value from {v}.lab l where l.pid = d.pid order by value desc limit 1) x on true order by 1
-- natural
select count(*) from {v}.lab natural join {v}.visit
-- unequal
select count(*) from {v}.lab a join {v}.visit b on a.value < b.cost
-- three
select count(*), max(cost) from {v}.lab join {v}.visit using (pid) join {v}.diagnosis using (pid)
-- USING with an alias
select x.pid, cost from {v}.lab join {v}.visit using (pid) as x order by cost
END

attacks('sub-queries and CTEs', <<'END');
-- scalar
select (select count(*) from {v}.lab), (select code from {v}.lab order by value desc limit 1)
-- correlated
select code, (select count(*) from {v}.lab b where b.value >= a.value) from {v}.lab a order by value
-- ANY
select date '2026-02-01' < any (select taken_on from {v}.lab)
-- ALL
select count(*) from (values (100), (700)) v(x) where x > all (select value from {v}.lab)
-- a row comparison
select (666.25, 'RARE') in (select value, code from {v}.lab)
-- ARRAY
select array(select value from {v}.lab where code = 'RARE')
-- OFFSET 0
select count(*) from (select * from {v}.lab offset 0) x where code = 'RARE'
-- a CTE
with x as (select * from {v}.lab) select count(*) from x where code = 'RARE'
-- MATERIALIZED
with x as materialized (select * from {v}.lab) select count(*) from x where code = 'RARE'
-- NOT MATERIALIZED
with x as not materialized (select * from {v}.lab) select count(*) from x a join x b using (pid)
-- recursive
with recursive x(n, v) as (select 0, 0::numeric union all select n + 1, (select min(value) from {v}.lab where value > v) from x where v is not null) select * from x
-- recursive with a cycle clause
with recursive x(code) as (select 'HBA1C' union all select l.code from x join {v}.lab l on l.code > x.code where l.value > 5) cycle code set again using path select distinct code from x order by 1
-- recursive, breadth first
with recursive x(v) as (select 5::numeric union select l.value from x join {v}.lab l on l.value > x.v) search breadth first by v set o select v from x order by o
-- in the target list of an aggregate
select max((select value from {v}.lab b where b.pid = a.pid)) from {v}.diagnosis a
-- in ORDER BY
select code from {v}.diagnosis d, lateral (select code from {v}.lab where pid = d.pid) x order by (select value from {v}.lab l where l.pid = d.pid)
-- in LIMIT
select since from {v}.diagnosis order by since limit (select count(*) from {v}.lab where code = 'RARE')
-- in a CASE
select case when exists (select from {v}.lab where value > 600) then 'there' else 'none' end
-- set-returning
select generate_series(1, (select count(*) from {v}.lab))
-- ROWS FROM
select * from rows from (generate_series(1, 3), unnest(array(select value from {v}.lab order by value desc limit 3))) x(a, b)
END

attacks('views on views', <<'END');
-- one of the reader's
create view bridge.mine as select * from {v}.lab; select count(*) from bridge.mine
-- two, one above the other
create view bridge.mine as select * from {v}.lab; create view bridge.above as select code, count(*) as n from bridge.mine group by code; select * from bridge.above order by 1
-- a security barrier
create view bridge.mine with (security_barrier) as select * from {v}.lab where value > 6; select count(*) from bridge.mine
-- a view with the invoker's rights
create view bridge.mine with (security_invoker) as select * from {v}.lab; select count(*) from bridge.mine
-- a recursive view
create recursive view bridge.mine (v) as values (5::numeric) union select value from {v}.lab; select count(*) from bridge.mine
-- a view over the base table [42501 dba]
create view bridge.mine as select code from {b}.lab; select count(*) from bridge.mine
-- a view with the reader's own conditions below
create view bridge.mine as select value, code = 'RARE' as rare from {v}.lab; select count(*) filter (where rare) from bridge.mine
-- a rule that instead looks: there is no table to put it on [42501 dba]
create table bridge.t (n bigint); create rule "_RETURN" as on select to bridge.t do instead select count(*) as n from {b}.lab; select * from bridge.t
END
run_attacks();
NijiAttack::house_down();
done_testing();
