# Rotation of the identity key: digests are carried to the newest generation
# while loads go on, over cancels, crashes, restores and on standbys, and every
# identifier finds the person that it found before.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run ();
use NijiTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = NijiTest::node('rotation', 'max_prepared_transactions' => 4, 'autovacuum' => 'off');
my $backup = 'base';

# a new generation of the key, which the server has read
sub new_generation
{
	my ($generation) = @_;
	NijiTest::make_keys($node, $generation);
	NijiTest::wait_for_writer($node);
	$node->reload;
	$node->poll_query_until('niji', "select state = 'current' from niji.key_status() where generation = $generation")
	  or die "generation $generation did not begin";
	return;
}

my $sessions = 0;

# a script in a session of its own; "wait NAME" waits until the test calls go(NAME)
sub session
{
	my ($script, @options) = @_;
	my $flags = $node->basedir;
	$script =~ s/^wait (\w+)$/\\! touch $flags\/at-$1; while [ ! -e $flags\/go-$1 ]; do sleep 0.05; done/mg;
	my $file = $node->basedir . '/session-' . ++$sessions . '.sql';
	append_to_file($file, $script);
	my ($out, $err) = ('', '');
	my $run = IPC::Run::start(
		[ 'psql', '-X', '-q', '-A', '-t', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('niji'), '-f', $file, @options ],
		'<', \undef, '>', \$out, '2>', \$err);
	return { run => $run, out => \$out, err => \$err };
}

sub arrived
{
	my ($name) = @_;
	for (1 .. 1200) { return 1 if -e $node->basedir . "/at-$name"; select(undef, undef, undef, 0.1); }
	die "no session came to $name";
}

sub go
{
	my ($name) = @_;
	append_to_file($node->basedir . "/go-$name", '');
	return;
}

sub end_of
{
	my ($session) = @_;
	IPC::Run::finish($session->{run});
	return ${ $session->{out} } . ${ $session->{err} };
}

sub failure
{
	my ($query, @options) = @_;
	my ($code, $out, $err) = $node->psql('niji', $query, extra_params => [ '-v', 'VERBOSITY=verbose', @options ]);
	return $code == 0 ? 'succeeded' : $err;
}

my $lost = "select count(*) from known where person is distinct from niji.find_person('registry', identifier)";
my $state = 'select state from niji.rotation_progress order by run desc limit 1';
my $generations = "select string_agg(distinct generation::text, ',') from niji.identifier";
my $enrol = sub {
	my ($from, $to) = @_;
	return "insert into known select u.* from (select array(select 'r:' || i from generate_series($from, $to) i) as a) v,"
	  . " lateral unnest(v.a, niji.enrol_batch('registry', v.a)) as u";
};

$node->safe_psql('niji', q{
	create role a_governor login; create role a_loader login; create role an_auditor login;
	select niji.grant_duty('governance', 'a_governor');
	select niji.grant_duty('loader', 'a_loader');
	select niji.grant_duty('auditor', 'an_auditor');
	create table known (identifier text, person niji.person);
	create table met (identifier text, person niji.person);
	create table coded (code text, number bigint);
	grant select, insert on known, met, coded to public;});

# codes of physicians get their numbers as load_dataset() gives them
my $codes = sub {
	my ($from, $to) = @_;
	return "insert into coded select u.* from (select array(select 'c' || i from generate_series($from, $to) i) as a) v,"
	  . " lateral unnest(v.a, niji.surrogates('niji.physician', 'hospital', v.a)) as u";
};
my $renumbered = "select count(*) from coded c where number is distinct from (niji.surrogates('niji.physician', 'hospital', array[code]))[1]";
my $code_generations = "select string_agg(distinct generation::text, ',') from niji.surrogate";

# ---- who may, and when ----
like(failure('call niji.rotate_identity_key()', '-U', 'a_loader'), qr/ERROR:  42501/, 'a loader may not rotate the key');
like(failure('call niji.rotate_identity_key()', '-U', 'an_auditor'), qr/ERROR:  42501/, 'nor may an auditor');
like(failure('begin; call niji.rotate_identity_key(); commit'), qr/ERROR:  2D000: cannot rotate the identity key within a transaction/,
	'within a transaction block it is refused');
like(failure('do $$ begin call niji.rotate_identity_key(); exception when division_by_zero then end $$'),
	qr/ERROR:  2D000/, 'and in a block that handles exceptions');
like(failure("call niji.rotate_identity_key($_)"), qr/ERROR:  22023: batch_size/, "a batch of $_ is refused")
  for (0, 100001, 'null');
my ($code, $out, $err) = $node->psql('niji', 'call niji.rotate_identity_key()', extra_params => [ '-U', 'a_governor' ]);
like($err, qr/NOTICE:  no digest has to be carried.*newest generation of the master key is 1/s, 'with one generation there is nothing to do');
is($node->safe_psql('niji', 'select count(*) from niji.rotation_progress'), '0', 'and nothing is noted');

# ---- from two generations to a third ----
$node->safe_psql('niji', $enrol->(1, 3000) . '; ' . $codes->(1, 30));
new_generation(2);
$node->safe_psql('niji', $enrol->(3001, 4000) . '; ' . $codes->(31, 50));
new_generation(3);
$node->safe_psql('niji', $enrol->(4001, 4500) . '; ' . $codes->(51, 60));
is($node->safe_psql('niji', $code_generations), '1,2,3', 'codes have numbers under three generations');
is($node->safe_psql('niji', $generations), '1,2,3', 'people are stored under three generations');
$node->safe_psql('niji', 'create table before as select ctid as place, * from niji.identifier');

# what sees the table as it was: REPEATABLE READ from before the rotation
my $old = session(<<"END");
begin isolation level repeatable read;
select count(*) from known;
wait old_snapshot
$lost;
select niji.enrol('registry', 'r:1') = person from known where identifier = 'r:1';
commit;
END
arrived('old_snapshot');

# loads while it goes on: known people, new ones, batches, look-ups
my $load = $node->basedir . '/load.sql';
append_to_file($load, <<'END');
\set i random(1, 6000)
insert into met select v.i, niji.enrol('registry', v.i) from (select 'r:' || :i) as v(i);
insert into met select u.i, u.p from (select array(select 'r:' || i from generate_series(:i, :i + 30) i order by random()) as a) as v, lateral unnest(v.a, niji.enrol_batch('registry', v.a)) as u(i, p);
select 1 / (niji.find_person('registry', 'r:' || :i) is not null)::int;
\set j random(1, 90)
insert into coded select c, (niji.surrogates('niji.physician', 'hospital', array[c]))[1] from (select 'c' || :j as c) x;
END
my ($bench_out, $bench_err) = ('', '');
my $bench = IPC::Run::start([ 'pgbench', '-n', '-c', '4', '-t', '120', '-f', $load, '-h', $node->host, '-p', $node->port, 'niji' ],
	'>', \$bench_out, '2>', \$bench_err);
my ($rotate_code, $rotate_out, $rotate_err) = $node->psql('niji', 'call niji.rotate_identity_key(50)',
	extra_params => [ '-U', 'a_governor' ]);
is($rotate_code, 0, 'governance rotates the key while four sessions load') or diag $rotate_err;
my $ran = IPC::Run::finish($bench);
ok($ran, 'and no load fails') or diag $bench_err;
is($node->safe_psql('niji', $generations), '3', 'no digest of an older generation is left');
is($node->safe_psql('niji', $lost), '0', 'every identifier finds its person');
is($node->safe_psql('niji', 'select count(*) from (select identifier from (table known union all table met) x group by 1 having count(distinct person) > 1) y'),
	'0', 'nobody known became new');
is($node->safe_psql('niji', $code_generations), '3', 'nor one of a code');
is($node->safe_psql('niji', 'select count(distinct number) = count(distinct code) and count(distinct (code, number)) = count(distinct code) from coded'), 't', 'every code has one number');
is($node->safe_psql('niji', $renumbered), '0', 'which it keeps');
is($node->safe_psql('niji', 'select count(*) from niji.identifier i join before b using (person) where (i.kind, i.source, i.normalization, i.enrolled_at) is distinct from (b.kind, b.source, b.normalization, b.enrolled_at)'),
	'0', 'all but digest and generation is as it was');
is($node->safe_psql('niji', 'select state, from_generation, to_generation, total, done, "left", conflicts, started_by, pid is null, finished_at > started_at from niji.rotation_progress'),
	'complete|1|3|4050|4050|0|0|a_governor|t|t', 'the run is noted, with its counts');
like($node->safe_psql('niji', 'select batches from niji.rotation_progress'), qr/^[89]\d|\d{3,}$/, 'in batches');
go('old_snapshot');
is(end_of($old), "4500\n0\nt\n", 'a snapshot from before it still finds everybody, where they were');
ok(NijiTest::wait_for($node, "select count(*) = 2 from niji.trail_acts where action = 'rotate_identity_key'"),
	'its start and its end are acts of governance');
is($node->safe_psql('niji', "select string_agg(details->>'phase' || ' ' || (details->>'done') || ' ' || (details->>'total'), ', ' order by seq) from niji.trail_acts where action = 'rotate_identity_key'"),
	'start 0 4050, complete 4050 4050', 'with counts');
is($node->safe_psql('niji', $state, extra_params => [ '-U', 'an_auditor' ]), 'complete', 'an auditor sees it');
like(failure($state, '-U', 'a_loader'), qr/ERROR:  42501/, 'a loader does not');

# ---- what is empty is not searched ----
my $probes = sub {
	return $node->safe_psql('niji', "select pg_stat_force_next_flush(); select idx_scan from pg_stat_user_indexes where indexrelname = 'identifier_digest'");
};
sub probes_of
{
	my ($query) = @_;
	my $before = $probes->();
	$before =~ s/\s//g;
	$node->safe_psql('niji', "$query; select pg_stat_force_next_flush()");
	my $after = $probes->();
	$after =~ s/\s//g;
	return $after - $before;
}
my $nobody = "select count(niji.find_person('registry', 'nobody:' || i)) from generate_series(1, 100) i";
is(probes_of($nobody), 100, 'a look-up searches the newest generation alone');

# ---- a new generation begins while a transaction looks up by prepared statements ----
my $prepared = session(<<'END');
prepare look (text) as select niji.find_person('registry', $1) is not null;
begin;
execute look('r:1'); execute look('r:1'); execute look('r:1'); execute look('r:1'); execute look('r:1'); execute look('r:1');
wait prepared
execute look('later:1');
execute look('r:1');
execute look('r:1');
commit;
END
arrived('prepared');
# ... and while one under REPEATABLE READ has not seen who was enrolled under the generation before
my $repeatable = session(<<'END');
begin isolation level repeatable read;
select count(*) from known;
wait repeatable
select niji.enrol('registry', 'just:1');
rollback;
END
arrived('repeatable');
$node->safe_psql('niji', "select niji.enrol('registry', 'just:1')");
new_generation(4);
$node->safe_psql('niji', "select niji.enrol('registry', 'later:1')");
is(probes_of($nobody), 200, 'with a new one there are two to search');
go('prepared');
is(end_of($prepared), "t\n" x 9, 'a transaction that looks up by prepared statements finds who was enrolled under it');
go('repeatable');
like(end_of($repeatable), qr/ERROR:  40001/, 'REPEATABLE READ cannot see who was enrolled under the generation before: 40001, not a second person');

# ---- a row that a transaction holds; two rotations; a cancel ----
my $held = sub {
	my ($name) = @_;
	$node->safe_psql('niji', "begin; update niji.identifier set source = 'held' where person = (select person from known where identifier = 'r:7'); prepare transaction '$name'");
	return;
};
$held->('one');
my $rotation = session("call niji.rotate_identity_key(500);\n", '-U', 'a_governor');
ok($node->poll_query_until('niji', 'select state = $$running$$ and "left" = 1 and done = total - 1 from niji.rotation_progress order by run desc limit 1'),
	'all but a row that somebody holds is carried over');
is($node->safe_psql('niji', 'select count(*) from niji.rotation_progress r join pg_stat_activity a using (pid) where a.query ~ $$^call niji.rotate$$'),
	'1', 'the run that goes on has its process');
like(failure('call niji.rotate_identity_key()'), qr/ERROR:  55006: the identity key is being rotated already/, 'a second rotation is refused');
is($node->safe_psql('niji', $lost), '0', 'halfway, every identifier finds its person');
$node->safe_psql('niji', 'select pg_cancel_backend(pid) from niji.rotation_progress where pid is not null');
like(end_of($rotation), qr/ERROR:  57014/, 'it can be cancelled');
is($node->safe_psql('niji', $state), 'interrupted', 'which is shown');

# ---- a crash, twice: what waits for the row that is held, and what is in the middle of its batches ----
$rotation = session("call niji.rotate_identity_key(500);\n");
ok($node->poll_query_until('niji', "select state = 'running' from niji.rotation_progress order by run desc limit 1"), 'called again, it goes on');
$node->stop('immediate');
end_of($rotation);
$node->start;
is($node->safe_psql('niji', $state), 'interrupted', 'after a crash the run is interrupted');
is($node->safe_psql('niji', 'select count(*) from niji.identifier where generation < 4'), '1', 'and what was carried stays so');
NijiTest::wait_for_writer($node);
is($node->safe_psql('niji', $lost), '0', 'every identifier finds its person');
$node->safe_psql('niji', "commit prepared 'one'");
$node->safe_psql('niji', 'call niji.rotate_identity_key()');
is($node->safe_psql('niji', $state), 'complete', 'called again, it comes to its end');
is($node->safe_psql('niji', $generations), '4', 'no digest of an older generation is left');
is($node->safe_psql('niji', 'select total = done and "left" = 0 from niji.rotation_progress order by run desc limit 1'), 't', 'the counts agree');
is($node->safe_psql('niji', "select string_agg(details->>'phase', ', ' order by seq) from niji.trail_acts where action = 'rotate_identity_key' and object = '4'"),
	'start, resume, resume, complete', 'each call is in the trail')
  if NijiTest::wait_for($node, "select count(*) = 4 from niji.trail_acts where action = 'rotate_identity_key' and object = '4'");
new_generation(5);
# a row that somebody holds keeps it from its end
my $holder = $node->background_psql('niji');
$holder->query_safe('begin; update niji.identifier set source = source where digest = (select digest from niji.identifier where generation = 4 limit 1)');
$rotation = session("call niji.rotate_identity_key(10);\n");
ok($node->poll_query_until('niji', 'select done = total - 1 from niji.rotation_progress order by run desc limit 1'),
	'before its last row');
$node->stop('immediate');
end_of($rotation);
eval { $holder->quit };
$node->start;
NijiTest::wait_for_writer($node);
is($node->safe_psql("niji", $generations), "4,5", "after the crash both generations are there");
is($node->safe_psql('niji', 'select done = total - (select count(*) from niji.identifier where generation < 5) from niji.rotation_progress order by run desc limit 1'),
	't', 'and what is noted as done is what is done');
is($node->safe_psql('niji', $lost), '0', 'every identifier finds its person');

# ---- a restore of what was dumped in the middle ----
my $dump = $node->basedir . '/middle.dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'niji' ], 'a dump in the middle of a rotation');
my $new = NijiTest::node('restored', -extension => 0, 'niji.key_source' => 'file:' . NijiTest::key_dir($node));
$new->run_log([ 'pg_restore', '-d', 'niji', '--no-acl', $dump ]);
NijiTest::forget_anchor($new);
is($new->safe_psql('niji', $lost), '0', 'restored elsewhere with the same keys, every identifier finds its person');
is($new->safe_psql('niji', $state), 'interrupted', 'the run is as it was');
$new->safe_psql('niji', 'call niji.rotate_identity_key()');
is($new->safe_psql('niji', $generations), '5', 'and is brought to its end there');
is($new->safe_psql('niji', $lost), '0', 'where every identifier finds its person');
$new->stop;

# ---- a standby ----
$node->backup($backup);
my $standby = PostgreSQL::Test::Cluster->new('rotation_standby');
$standby->init_from_backup($node, $backup, has_streaming => 1);
$standby->start;
($code, $out, $err) = $standby->psql('niji', 'call niji.rotate_identity_key()', extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/ERROR:  25006: cannot rotate the identity key on a standby/, 'on a standby it is refused');
is($standby->safe_psql('niji', $lost), '0', 'a standby finds everybody in the middle of it');
$node->safe_psql('niji', "set default_transaction_isolation = serializable; call niji.rotate_identity_key(100)");
is($node->safe_psql('niji', $generations), '5', 'it works in a session that is SERIALIZABLE by default');
$node->wait_for_catchup($standby);
is($standby->safe_psql('niji', $state), 'complete', 'the standby follows');
is($standby->safe_psql('niji', $lost), '0', 'and finds everybody');
$standby->stop;

# ---- what an older copy of the table brings back ----
$node->safe_psql('niji', q{
	insert into niji.identifier (kind, generation, normalization, digest, person)
	  select kind, generation, normalization, digest, person from before where generation < 3 limit 3;
	insert into niji.identifier (kind, generation, normalization, digest, person)
	  select kind, generation, normalization, digest, (select max(person) from before) from before where generation = 1 order by place desc limit 1;});
($code, $out, $err) = $node->psql('niji', 'call niji.rotate_identity_key()');
like($err, qr/WARNING:  1 digest could not be carried to generation 5/, 'an identifier that is stored twice with two persons is told');
is($node->safe_psql('niji', 'select state, total, done, "left", conflicts from niji.rotation_progress order by run desc limit 1'),
	'conflicts|4|3|1|1', 'and stays; what is stored twice with one person is stored once');
is($node->safe_psql('niji', $lost), '0', 'meanwhile the newer one counts');
is(probes_of($nobody), 500, 'and the older generations are searched again');
$node->safe_psql('niji', 'delete from niji.identifier where generation < 5; call niji.rotate_identity_key()');
is($node->safe_psql('niji', $state), 'complete', 'once that is mended, the key can be rotated');
is(probes_of($nobody), 100, 'and one generation is searched');

# ---- codes of physicians, records and households: a crash among them, and a row that is held ----
$node->safe_psql('niji', $codes->(1000, 4000));
new_generation(6);
$node->safe_psql('niji', "begin; update niji.surrogate set normalization = normalization where value = (select number from coded where code = 'c7' limit 1); prepare transaction 'code'");
$rotation = session("call niji.rotate_identity_key(5);\n");
ok($node->poll_query_until('niji', 'select done = total - 1 from niji.key_rotation order by run desc limit 1'), 'when identifiers are carried, codes are');
$node->stop('immediate');
end_of($rotation);
$node->start;
NijiTest::wait_for_writer($node);
is($node->safe_psql('niji', "$generations; $code_generations; $state"), "6\n5,6\ninterrupted", 'after a crash among them both generations are there');
is($node->safe_psql('niji', 'select done = (select count(*) from niji.identifier where generation = 6) + (select count(*) from niji.surrogate where generation = 6) from niji.key_rotation order by run desc limit 1'),
	't', 'and what is noted as done is what is done');
is($node->safe_psql('niji', $renumbered), '0', 'halfway, every code has its number');
$rotation = session("call niji.rotate_identity_key(500);\n");
ok($node->poll_query_until('niji', 'select state = $$running$$ and "left" = 1 and done = total - 1 from niji.rotation_progress order by run desc limit 1'),
	'called again, it goes on, to a row that somebody holds');
is($node->safe_psql('niji', 'select batches < 3000 from niji.key_rotation order by run desc limit 1'), 't', 'without beginning anew');
$node->safe_psql('niji', "commit prepared 'code'");
is(end_of($rotation), '', 'and to the end when it is free');
is($node->safe_psql('niji', "$code_generations; $state; $renumbered; $lost"), "6\ncomplete\n0\n0", 'no code has an older digest, and none another number');

# REPEATABLE READ that has not seen a code which got its number under the generation before
$repeatable = session(<<'END');
begin isolation level repeatable read;
select count(*) > 0 from coded;
wait codes
select niji.surrogates('niji.physician', 'hospital', array['just']);
rollback;
END
arrived('codes');
$node->safe_psql('niji', "select niji.surrogates('niji.physician', 'hospital', array['just'])");
new_generation(7);
$node->safe_psql('niji', "select niji.surrogates('niji.physician', 'hospital', array['later'])");
go('codes');
like(end_of($repeatable), qr/ERROR:  40001/, 'is told so, and the code gets no second number');
# a first use of a generation waits for who gives numbers under the one before
$prepared = session(<<'END');
begin;
select cardinality(niji.surrogates('niji.physician', 'hospital', array['first']));
wait numbers
commit;
END
arrived('numbers');
NijiTest::make_keys($node, 8);
NijiTest::wait_for_writer($node);
$node->reload;
my $other = session("select cardinality(niji.surrogates('niji.physician', 'hospital', array['first']));\n");
ok($node->poll_query_until('niji', "select count(*) > 0 from pg_locks where not granted and relation = 'niji.identifier'::regclass"), 'the first use of a generation waits for who gives numbers');
go('numbers');
end_of($prepared);
end_of($other);
is($node->safe_psql('niji', "select count(*) from niji.surrogate where niji.surrogate_stored(3, 'hospital:first') and digest in (select niji.keyed_digest(93, 'hospital:first', g) from generate_series(1, 8) g)"),
	'1', 'so a code gets one');
# an older copy of the table brought one back with another number
$node->safe_psql('niji', "insert into niji.surrogate (class, generation, digest) values (3, 8, niji.keyed_digest(93, 'hospital:c9', 8))");
($code, $out, $err) = $node->psql('niji', 'call niji.rotate_identity_key()');
like($err, qr/WARNING:  1 digest could not be carried to generation 8.*the same code with another number/s, 'a code that is stored twice with two numbers is told');

$node->stop;
done_testing();
