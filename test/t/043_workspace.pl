# Workspaces: copies and objections of several sessions in random order leave no
# visible row (NIJI_STEPS says how many, NIJI_SEED in which order); a renewal, the end of
# a permit, dump and restore.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use NijiTest;
use NijiWire;

my $top = $ENV{TESTDIR} || '.';
my $seed = $ENV{NIJI_SEED} // time;
srand($seed);
diag("seed $seed");

my $node = NijiTest::node('workspace', 'max_connections' => 30, fsync => 'off');
$node->safe_psql('niji', "\\i $top/test/story.sql");
$node->safe_psql('niji', q{
	create role analyst_ueda login;
	alter role analyst_fujita set max_parallel_workers_per_gather = 0;
	set session authorization governance_abe;
	select niji.add_reader('P2026-017', 'analyst_ueda');
	reset session authorization;
	create function public.objects(n int, decision text) returns bigint language sql as
	  $$ select niji.record_consent(niji.find_person('patient', '0110113719:' || to_char(n, 'FM0000')), decision, category => 'ehr') $$;
	-- each person's value is their number, so that copies tell whose they are
	update warehouse.lab l set value = n, code = 'V' || n from generate_series(1, 40) n
	 where l.person = niji.find_person('patient', '0110113719:' || to_char(n, 'FM0000'));});
NijiTest::wait_for_writer($node);

# two sessions of one reader and one of another, each with what it can see of a copy
my @sessions = map { NijiWire->connect($node, $_) } qw(analyst_fujita analyst_fujita analyst_ueda);
my $super = NijiWire->connect($node, $node->safe_psql('niji', 'select current_user'));

# each statement by itself, as a client sends them; values of one column
sub query
{
	my ($session, $sql) = @_;
	my $values = '';
	for my $statement ($sql =~ /\G\s*((?:\$\$.*?\$\$|'[^']*'|[^;'\$])+);?/gs)
	{
		my $got = $session->simple($statement);
		$values .= join '', map { ($_ // '') . "\n" } @{ $got->{values} };
		# a block that failed is over
		$session->simple('rollback') if $got->{state} eq '25P02';
	}
	return $values;
}
my $steps = $ENV{NIJI_STEPS} // 60;
my $w = 'p2026_017_work';
my @ways = (
	'create table %s as select pid, value from p2026_017.lab',
	'create table %s as select value from p2026_017.lab',
	'create table %s as select pid::text as t, value from p2026_017.lab',
	'select value into %s from p2026_017.lab',
	'create table %s as select a.pid, b.value from p2026_017.lab a, p2026_017.lab b',
	'create table %s as select (select min(pid::text)::niji.pseudonym from p2026_017.lab) as pid, value from p2026_017.lab',
	'create table %s as select pid, sum(value) as value from p2026_017.lab group by pid',
	'create table %s as select array_agg(value) as values, max(value) as value from p2026_017.lab',
	'create table %s (value numeric); insert into %1$s select value from p2026_017.lab',
	'create table %s (pid niji.pseudonym, value numeric); do $$ declare r record; begin for r in select pid, value from p2026_017.lab loop insert into %1$s values (r.pid, r.value); end loop; end $$',
	'create table %s (pid niji.pseudonym, value numeric); do $$ declare r record; first niji.pseudonym; begin for r in select pid, value from p2026_017.lab loop first := coalesce(first, r.pid); insert into %1$s values (first, r.value); end loop; end $$',
	'create table %s (value numeric); do $$ begin perform set_config(\'my.values\', string_agg(value::text, \',\'), false) from p2026_017.lab; end $$; insert into %1$s select unnest(string_to_array(current_setting(\'my.values\'), \',\'))::numeric',
	'do $$ begin execute \'create table %s as select value from p2026_017.lab\'; end $$',
	'deallocate all; prepare p as select value from p2026_017.lab; create table %s as execute p',
	'create table %s (pid niji.pseudonym, value numeric); insert into %1$s select pid, 0 from p2026_017.lab; update %1$s t set value = l.value from p2026_017.lab l where l.pid = t.pid',
	'create table %s (pid niji.pseudonym, value numeric); insert into %1$s select pid, 0 from p2026_017.lab; update %1$s set value = (select max(value) from p2026_017.lab)',
	'begin; declare c cursor for select value from p2026_017.lab; fetch 3 from c; create table %s (value numeric); do $$ declare r refcursor := \'c\'; v numeric; begin fetch r into v; insert into %1$s values (v); end $$; commit',
	'begin; create table %s as select pid, value from p2026_017.lab where false; savepoint s; insert into %1$s select null, value from p2026_017.lab; rollback to s; insert into %1$s select pid, value from p2026_017.lab; commit',
	'do $$ declare v numeric[]; begin begin select array_agg(value) into v from p2026_017.lab; perform 1 / 0; exception when division_by_zero then null; end; execute \'create table %s (value numeric)\'; insert into %1$s select unnest(v); end $$',
	'set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; create table %s as select value from p2026_017.lab; reset all',
);
my %objecting;
my %tables;		# name to the session that owns it
my ($copies, $looked, $refused, $shown, @seen) = (0, 0, 0, 0);
my $number = 0;

# values of objecting persons that the session sees in the table
sub look
{
	my ($table) = @_;
	my $out = query($tables{$table}, "select 'seen ' || coalesce(string_agg(distinct v, ','), '') from $w.$table t, regexp_matches(to_jsonb(t)::text, '\"value\": ([0-9]+)|([0-9]+)(?=[],]|\\.)', 'g') m, unnest(m) v;");
	$looked++;
	if ($out =~ /^seen (.*)$/m)
	{
		$shown++;
		my %values = map { $_ => 1 } split /,/, $1;
		push @seen, "$table: $_" for grep { $objecting{$_} } keys %values;
	}
	else { $refused++; }
	return;
}

for my $step (1 .. $steps)
{
	my $dice = rand;
	if ($dice < 0.35 || !%tables)
	{
		my $session = $sessions[ rand @sessions ];
		my $table = 't' . ++$number;
		my $way = $ways[ ($number - 1) % @ways ];
		query($session, sprintf($way, "$w.$table") . ';');
		if (query($super, "select to_regclass('$w.$table') is not null;") =~ /^t$/m)
		{
			$copies++;
			$tables{$table} = $session;
		}
		if (keys %tables > 12)
		{
			my $old = (sort { substr($a, 1) <=> substr($b, 1) } keys %tables)[0];
			query($tables{$old}, "drop table $w.$old;");
			delete $tables{$old};
		}
	}
	elsif ($dice < 0.55)
	{
		my $n = 1 + int rand 40;
		my $decision = $objecting{$n} ? 'permit' : 'deny';
		query($super, "select public.objects($n, '$decision');");
		if ($objecting{$n}) { delete $objecting{$n}; }
		else { $objecting{$n} = 1; }
	}
	else { look((keys %tables)[ rand keys %tables ]); }
}
is_deeply(\@seen, [], "after $steps steps of copying and objecting nobody who objects is seen in any copy");
diag("$copies copies, $looked looks, of which $refused refused and $shown answered");
cmp_ok($copies, '>', $steps / 5, 'copies were made');
cmp_ok($refused, '>', $steps / 50, 'some were refused');
cmp_ok($shown, '>', $steps / 50, 'and some answered');
$_->close for @sessions, $super;

# ---- renewal, dump, restore, end ----
$node->safe_psql('niji', "select public.objects(n, 'permit') from generate_series(1, 40) n");
sub as
{
	my ($node, $user, $sql) = @_;
	my ($code, $out, $err) = $node->psql('niji', $sql, extra_params => [ '-U', $user ]);
	return $code == 0 ? $out : $err;
}
is(as($node, 'analyst_fujita', "create table $w.copy as select pid, value from p2026_017.lab; create table $w.summary as select avg(value) from p2026_017.lab; select count(*) from $w.copy"), '40', 'two tables');
$node->safe_psql('niji', q{
	set session authorization governance_abe;
	select niji.apply_permit('R-2', 'Renewed', 'tohoku-lab', 'research', current_date - 1, current_date + 300, renews => 'P2026-017');
	select niji.request_data('R-2', 'lab', '{value}');
	set session authorization reviewer_baba; select niji.review_permit('R-2', 'approve', '');
	set session authorization reviewer_chiba; select niji.review_permit('R-2', 'approve', '');
	set session authorization governance_abe; select niji.grant_permit('R-2'); select niji.add_reader('R-2', 'analyst_fujita');});
is(as($node, 'analyst_fujita', 'select count(*) from r_2_work.copy'), '40', 'a renewal keeps the workspace, under its own name');
is(as($node, 'analyst_fujita', 'select count(*) from r_2_work.summary'), '1', 'with what was made of several');

my ($dump, $roles) = ($node->basedir . '/niji.dump', $node->basedir . '/roles.sql');
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'niji' ], 'pg_dump');
$node->command_ok([ 'pg_dumpall', '--roles-only', '-f', $roles ], 'pg_dumpall --roles-only');
my $new = NijiTest::node('restored', '-extension' => 0, 'niji.key_source' => 'file:' . NijiTest::key_dir($node));
$new->run_log([ 'psql', '-X', '-q', '-f', $roles, 'postgres' ]);
$new->run_log([ 'pg_restore', '-d', 'niji', $dump ]);
NijiTest::forget_anchor($new);
like(as($new, 'analyst_fujita', 'select count(*) from r_2_work.copy'), qr/denied|not in force|anew|exist|restored/, 'after a restore nothing is read');
$new->safe_psql('niji', 'select niji.recompile_permits()');
is(as($new, 'analyst_fujita', 'select count(*) from r_2_work.copy'), '40', 'until the native objects are made again');
is(as($new, 'analyst_fujita', 'select count(*) from r_2_work.summary'), '1', 'also what was made of several');
$new->safe_psql('niji', "select public.objects(7, 'deny')");
is(as($new, 'analyst_fujita', 'select count(*) from r_2_work.copy'), '39', 'an objection reaches the restored copy');
like(as($new, 'analyst_fujita', 'select count(*) from r_2_work.summary'), qr/made anew/, 'and the set that was kept');
is($new->safe_psql('niji', "select string_agg(object || ': ' || finding, ', ') from niji.check_protection() where object ~ 'workspace'"), '', 'check_protection() finds nothing');

$node->safe_psql('niji', "select niji.suspend_permit('R-2')");
like(as($node, 'analyst_fujita', 'select count(*) from r_2_work.copy'), qr/suspended/, 'a permit that is suspended shows no copies');
$node->safe_psql('niji', "select niji.resume_permit('R-2')");
is(as($node, 'analyst_fujita', 'select count(*) from r_2_work.copy'), '40', 'resumed, it does');
$node->safe_psql('niji', "select niji.close_permit('R-2', 'ended')");
like(as($node, 'analyst_fujita', 'select count(*) from r_2_work.copy'), qr/permission denied/, 'closed, it does not');
is($node->safe_psql('niji', "select tables >= 2 from niji.workspaces where permit = 'R-2'"), 't', 'the tables are there until they are dropped');
$node->safe_psql('niji', "select niji.drop_workspace('R-2', 'the study is over')");
is($node->safe_psql('niji', "select count(*) from niji.workspace_person"), '0', 'with them what they kept');
done_testing();
