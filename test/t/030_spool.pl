# The spool and the writer: nothing that a reader received is unrecorded, whatever ends a process.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use NijiTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = NijiTest::node('spool',
	'restart_after_crash' => 'on',
	'niji.audit_timeout' => '5s',
	'autovacuum' => 'off');
my $spool = $node->data_dir . '/niji_spool';
$node->command_ok(
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('niji'), '-f', "$FindBin::RealBin/../story.sql" ],
	'a warehouse with a permit');
NijiTest::wait_for_writer($node);

# as the analyst; (exit code, output, errors)
sub analyst
{
	my ($sql) = @_;
	return $node->psql('niji', "set session authorization analyst_fujita; $sql");
}
my $count = 'select count(*) from p2026_017.lab';

sub reads
{
	my ($where) = @_;
	$node->safe_psql('niji', 'select niji.move_trail()');
	return $node->safe_psql('niji', 'select count(*) from niji.trail_reads' . ($where ? " where $where" : ''));
}

# every number of the spool between the first and the last entry is in the trail, once
my $gaps = q{
  with n as (select (header ->> coalesce(case when kind = 'read_end' then 'number' end, 'spool'))::bigint as number
               from niji.trail where header ? 'spool' or header ? 'number')
  select max(number) - min(number) + 1 - count(*) || ' ' || count(*) - count(distinct number) from n};

sub kill_and_wait
{
	my ($signal, $pid) = @_;
	kill $signal, $pid;
	for (1 .. 200)
	{
		last if !kill 0, $pid;
		select undef, undef, undef, 0.05;
	}
	return;
}

# after the postmaster was killed: its children notice by themselves; a process
# that nobody waits for (as in a container) would still count as a running server
sub wait_until_gone
{
	my $file = $node->data_dir . '/postmaster.pid';
	my ($pid) = split /\n/, slurp_file($file);
	for (1 .. 200)
	{
		select undef, undef, undef, 0.1;
		last if !kill(0, $pid) || slurp_file("/proc/$pid/stat") =~ /\) Z /;
	}
	select undef, undef, undef, 1;
	unlink $file, $node->host . '/.s.PGSQL.' . $node->port . '.lock';
	return;
}

sub writer_pid
{
	return $node->safe_psql('niji', "select pid from pg_stat_activity where backend_type = 'niji writer'");
}

# ---- an ordinary read ----

is((analyst($count))[1], '40', 'the analyst reads');
is(reads("text = '$count' and outcome = 'completed' and rows = 1 and persons_scanned = 40 and persons_shown = 0"),
	1, 'and the read is in the trail');
my ($mode) = map { sprintf '%04o', (stat $_)[2] & 07777 } glob "$spool/*";
is($mode, '0600', 'segments can be read by the server alone');

# ---- transactions that leave nothing else ----

analyst("begin transaction read only; $count; rollback");
analyst("begin; select pid from p2026_017.lab; select 1/0;");
is(reads(), 3, 'a read-only transaction and one that failed are recorded');
analyst("select 1 / (value - value) from p2026_017.lab");
is(reads("outcome = 'aborted'"), 1, 'a statement that an error ended is closed as aborted');

# ---- the writer ends, and comes again ----

my $before = writer_pid();
$node->safe_psql('niji', "select pg_terminate_backend($before)");
is((analyst($count))[1], '40', 'reads go on without the writer');
NijiTest::wait_for($node, "select pid <> $before from pg_stat_activity where backend_type = 'niji writer'");
is(reads(), 5, 'nothing is lost when the writer is terminated');

# ---- a backend and the writer are killed: the server starts anew ----

for my $victim ('backend', 'writer')
{
	my $session = $node->background_psql('niji', on_error_stop => 0);
	my $out = $session->query(
		"set session authorization analyst_fujita;\nbegin;\ndeclare c cursor for select pid from p2026_017.lab;\nfetch 7 from c;\nselect 'pid=' || pg_backend_pid();\n");
	my ($pid) = $out =~ /pid=(\d+)/;
	my @rows = $out =~ /^[0-9A-Z]{28}$/mg;
	is(scalar @rows, 7, "a cursor gave rows before the $victim is killed");
	kill_and_wait('KILL', $victim eq 'backend' ? $pid : writer_pid());
	eval { $session->quit };
	ok($node->poll_query_until('niji', 'select niji.spool_ready()'), 'the server came back by itself');
	ok( NijiTest::wait_for($node, "select bool_and(end_seq is not null) from niji.read_index"),
		'what was open is closed by the writer');
	is( $node->safe_psql('niji',
			"select outcome, persons_shown is null from niji.trail_reads where text like 'declare c%' order by seq desc limit 1"),
		'unknown|t', 'as a read of which only the beginning is known');
}
is( $node->safe_psql('niji',
		"select string_agg(distinct kind, ',') from niji.who_used((select person from warehouse.lab order by person limit 1)) where dataset = 'lab' and kind like 'possibly%'"),
	'possibly shown', 'so that everybody was possibly shown');

# ---- the server is killed, a few times ----

my $expected = 0;
for my $round (1 .. 3)
{
	my $good = 0;
	for my $n (1 .. 5)
	{
		my ($code, $out) = analyst("select 'round $round.$n', count(*) from p2026_017.lab");
		$good++ if $code == 0 && $out =~ /\|40$/;
	}
	$expected += $good;
	$node->stop('immediate') if $round == 2;
	$node->kill9 if $round != 2;
	wait_until_gone() if $round != 2;
	$node->start;
	NijiTest::wait_for_writer($node);
}
is($expected, 15, 'readers received their rows');
is(reads("text like '%round %'"), 15, 'and each row that a client received is covered by an entry');
$node->restart;
NijiTest::wait_for_writer($node);
is(reads("text like '%round %'"), 15, 'an orderly restart moves nothing twice');

# ---- a torn tail ----

analyst($count);
my ($newest) = reverse sort glob "$spool/*";
$node->stop('immediate');
open(my $file, '>>', $newest) or die $!;
print $file 'RINJ and something that was never finished';
close $file;
$node->start;
NijiTest::wait_for_writer($node);
is((analyst($count))[1], '40', 'a torn tail does not hinder');
reads();
like($node->safe_psql('niji', "select string_agg(header ->> 'what', ';') from niji.trail where kind = 'mark'"),
	qr/torn tail of 4[0-9] bytes/, 'it is cut, and the trail says so');
is($node->safe_psql('niji', $gaps), '0 0', 'numbers have no gap, and none is there twice');

# ---- the directory ----

rename $spool, "$spool.away" or die $!;
my ($code, $out, $err) = analyst($count);
isnt($code, 0, 'without the spool a protected read fails');
like($err, qr/could not open the spool of the trail.*HINT:.*"niji_spool".*writable/s, 'and says what to do');
is($node->safe_psql('niji', 'select count(*) from pg_class where oid = 1259'), '1', 'other queries work');
unlike($err, qr/^40$/m, 'no row came');
rename "$spool.away", $spool or die $!;
is((analyst($count))[1], '40', 'with the spool in its place reads work again');

$node->stop;
chmod 0500, $spool;
$node->start;
($code, $out, $err) = analyst($count);
isnt($code, 0, 'a spool that cannot be written to lets nobody read');
like($err, qr/the spool of the trail is not open.*HINT:/s, 'and says why');
chmod 0700, $spool;
NijiTest::wait_for_writer($node);
is((analyst($count))[1], '40', 'once it can be written to, reads work by themselves');

# ---- the spool is lost while the server is down ----

$node->safe_psql('niji', 'select niji.move_trail()');
$node->stop;
unlink glob "$spool/*";
$node->start;
NijiTest::wait_for_writer($node);
is((analyst($count))[1], '40', 'a server whose spool was lost begins a new one');
reads();
like($node->safe_psql('niji', "select string_agg(header ->> 'what', ';') from niji.trail where kind = 'mark'"),
	qr/the spool was lost/, 'and the trail says so');

# ---- an older spool (a restored data directory) ----

$node->stop;
mkdir "$spool.old" or die $!;
system("cp -p $spool/* $spool.old/") == 0 or die;
$node->start;
NijiTest::wait_for_writer($node);
analyst($count) for 1 .. 3;
my $all = reads();
$node->stop;
unlink glob "$spool/*";
system("mv $spool.old/* $spool/") == 0 or die;
$node->start;
NijiTest::wait_for_writer($node);
analyst($count);
is(reads(), $all + 1, 'with an older spool nothing is entered twice, and reads go on');
like($node->safe_psql('niji', "select string_agg(header ->> 'what', ';') from niji.trail where kind = 'mark'"),
	qr/the data directory is older than the trail/, 'and the trail says so');

# ---- queued ----

$node->append_conf('postgresql.conf', "niji.audit_wait = 'queued'");
$node->reload;
NijiTest::wait_for($node, q{select count(*) = 1 from niji.trail where kind = 'setting' and header ->> 'object' = 'niji.audit_wait' and header ->> 'value' = 'queued'});
is((analyst($count))[1], '40', 'queued: a read is not waited for');
is(reads(), $all + 2, 'and is recorded; the waiver is an entry of its own');

# ---- the limit ----

$node->append_conf('postgresql.conf', "niji.audit_wait = 'durable'\nniji.spool_limit = '32MB'");
$node->restart;
NijiTest::wait_for_writer($node);
my $holder = $node->background_psql('niji');
$holder->query_safe('begin; lock table niji.entry in access exclusive mode;');
my $long = "select count(*) from p2026_017.lab -- full " . ('x' x 1000000) . ";\n";
$long =~ s/ -- full (x+);/ \/* full $1 *\/;/;
my $script = $node->basedir . '/long.sql';
append_to_file($script, $long x 40);
($code, $out, $err) = analyst("\n\\i $script\n");
my $served = () = $out =~ /^40$/mg;
cmp_ok($served, '>', 20, 'while somebody locks the trail, reads go on');
like($err, qr/the spool of the trail is full.*HINT:.*niji\.spool_limit/s, 'until the spool has reached its limit');
$holder->query_safe('rollback;');
$holder->quit;
NijiTest::wait_for($node, 'select bytes < 20000000 from niji.spool_status()');
is(reads("text like '%full xx%'"), $served, 'then all of them are moved');
is((analyst($count))[1], '40', 'and reads work by themselves');

is($node->safe_psql('niji', 'select count(*) from niji.verify_persons()'), '0', 'sets of persons are those that were recorded');
$node->safe_psql('niji', q{update niji.read_persons set persons = '\x3a300000' where open = (select max(open) from niji.read_persons)});
isnt($node->safe_psql('niji', 'select count(*) from niji.verify_persons()'), '0', 'a set that was altered is found');
(undef, undef, $err) = $node->psql('niji', 'select * from niji.read_persons p, niji.persons_list(p.persons, p.chunk)');
like($err, qr/a set of persons in niji.read_persons is damaged/, 'and reading it is an error, not a crash');
$node->safe_psql('niji', 'drop table if exists nothing');
$node->stop;
done_testing();
