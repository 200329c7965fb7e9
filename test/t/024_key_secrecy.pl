# Where keys must never be: the log at any level, what clients are told, the
# data directory, the processes' arguments and environments, core files.  And
# what the server says of keys at its start.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256);
use FindBin;
use IPC::Run ();
use lib $FindBin::RealBin;
use NijiTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = NijiTest::node('secrecy', -start => 0,
	'log_min_messages' => 'debug5', 'log_min_error_statement' => 'debug5', 'log_statement' => 'all',
	'log_error_verbosity' => 'verbose', 'debug_print_parse' => 'on', 'debug_print_plan' => 'on',
	'log_duration' => 'on', 'shared_buffers' => '1MB', 'restart_after_crash' => 'off');
my $dir = NijiTest::key_dir($node);
NijiTest::make_keys($node, 2);
$node->start;
$node->safe_psql('postgres', 'create database niji');
$node->safe_psql('niji', 'create extension niji');
NijiTest::wait_for_writer($node);

sub key
{
	my ($generation) = @_;
	my $text = slurp_file("$dir/$generation.key");
	chomp $text;
	return pack('H*', $text);
}

# HKDF of 32 bytes, as docs/keys.md writes it down
sub derived
{
	my ($key, $salt, $use) = @_;
	return hmac_sha256("niji/$use/v1\x01", hmac_sha256($key, $salt));
}

# everything that must not be seen, by name: as bytes
my %secret = map { ("master key $_" => key($_)) } 1, 2;

# names of the secrets that are in a text: as bytes, their halves too, or as digits in either case
sub found
{
	my ($content) = @_;
	my $lower = lc $content;
	my @found;
	for my $name (sort keys %secret)
	{
		for my $part (substr($secret{$name}, 0, 16), substr($secret{$name}, 16))
		{
			push @found, $name if index($content, $part) >= 0 || index($lower, unpack('H*', $part)) >= 0;
		}
	}
	return "@found";
}

# ---- a session that derives everything, told as much as a client can be told ----
my $all = q{
	set client_min_messages = debug5;
	select niji.enrol('patient', '0110113719:1');
	select count(*) from unnest(niji.enrol_batch('registry', array(select 'r:' || i from generate_series(1, 100) i)));
	select niji.create_domain('d') as d \gset
	select niji.pseudonym(niji.find_person('patient', '0110113719:1'), :d);
	select * from niji.key_status();
	call niji.rotate_identity_key();
	explain (analyze, verbose) select niji.pseudonym(niji.find_person('patient', '0110113719:1'), :d);
	select niji.enrol('patient', 'no form');
	table niji.master_key; table pg_settings; table pg_file_settings; table pg_stat_activity; table niji.domain;};
my ($code, $told, $messages) = $node->psql('niji', $all, on_error_stop => 0);
like($told, qr/niji\.key_source/, 'a session derives every kind of key');
$secret{"digest key $_"} = derived($secret{"master key $_"},
	pack('H*', $node->safe_psql('niji', "select encode(salt, 'hex') from niji.master_key where generation = $_")), 'digest')
  for split /\n/, $node->safe_psql('niji', 'select generation from niji.master_key');
$secret{'pseudonym key'} = derived($secret{'master key 2'},
	pack('H*', $node->safe_psql('niji', "select encode(salt, 'hex') from niji.domain where name = 'd'")), 'pseudonym');
is(unpack('H16', derived($secret{'master key 1'}, "\0" x 32, 'fingerprint')),
	$node->safe_psql('niji', 'select fingerprint from niji.key_status() where generation = 1'),
	'(what is looked for is derived as the server derives it)');
is(found($told . $messages), '', 'no key in anything that the session was told');

# ---- wrong keys and failures, in errors and in the log ----
my $good = slurp_file("$dir/2.key");
for my $wrong ("$good$good", substr($good, 1), 'g' . substr($good, 1), slurp_file("$dir/1.key"))
{
	unlink "$dir/2.key";
	append_to_file("$dir/2.key", $wrong);
	chmod 0600, "$dir/2.key";
	my $offset = -s $node->logfile;
	$node->reload;
	$node->poll_query_until('niji', "select count(*) = 1 from niji.key_status() where state = 'source failed'");
}
unlink "$dir/2.key";
append_to_file("$dir/2.key", $good);
chmod 0600, "$dir/2.key";
$node->reload;
ok($node->poll_query_until('niji', "select count(*) = 0 from niji.key_status() where state = 'source failed'"), 'a source is mended by a reload');
is(found(slurp_file($node->logfile)), '', 'no key in the log, at debug5 with every statement and plan');

# ---- processes ----
my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
my $processes = '';
for my $pid ($postmaster, split /\s+/, `ps -o pid= --ppid $postmaster`)
{
	next if $pid eq '';
	for my $file ("/proc/$pid/cmdline", "/proc/$pid/environ")
	{
		open(my $handle, '<:raw', $file) or next;
		local $/ = undef;
		$processes .= <$handle> // '';
	}
}
like($processes, qr/checkpointer/, 'the processes of the server can be looked at');
is(found($processes), '', 'no key in their arguments or environments');

# ---- core files ----
my $flags = $node->basedir;
append_to_file("$flags/derive.sql", "set application_name = 'telltale in shared memory';\nselect niji.enrol('patient', '0110113719:2');\n"
	  . "select pg_backend_pid() \\g $flags/pid\n\\! while [ ! -e $flags/go ]; do sleep 0.1; done\n");
my $session = IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('niji'), '-f', "$flags/derive.sql" ],
	'<', \undef, '>', \my $session_out, '2>', \my $session_err);
for (1 .. 300) { last if -s "$flags/pid"; select(undef, undef, undef, 0.1); }
my $backend = (split /\n/, slurp_file("$flags/pid"))[0];
ok(!open(my $memory, '<', "/proc/$backend/environ") || $> == 0, 'who derived a key is closed to its own user\'s debuggers');
SKIP:
{
	my $pattern = slurp_file('/proc/sys/kernel/core_pattern');
	skip "core files go elsewhere: $pattern", 3 if $pattern !~ m{^core\b[^/|]*$};
	my ($checkpointer) = split /\s/, $node->safe_psql('postgres', "select pid from pg_stat_activity where backend_type = 'checkpointer'");
	my $cores = $node->data_dir . '/core*';
	skip 'this user may not have core files', 3
	  if system("prlimit --pid $backend --core=unlimited >/dev/null 2>&1; prlimit --pid $checkpointer --core=unlimited >/dev/null 2>&1") != 0;
	kill 'ABRT', $checkpointer;
	for (1 .. 300) { last if !kill(0, $postmaster); select(undef, undef, undef, 0.1); }
	my @cores = glob $cores;
	skip 'the kernel wrote no core file', 3 if !@cores;
	my $core = slurp_file($cores[0]);
	like($core, qr/telltale in shared memory/, 'a core file of a process that derived nothing has the shared memory');
	is(found($core), '', 'but no key');
	unlink @cores;
	append_to_file("$flags/go", '');
	IPC::Run::finish($session);

	# one that did derive leaves none, though it may
	$node->_update_pid(0);
	unlink "$flags/pid", "$flags/go";
	$node->start;
	$session = IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('niji'), '-f', "$flags/derive.sql" ],
		'<', \undef, '>', \$session_out, '2>', \$session_err);
	my $new_postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	for (1 .. 300) { last if -s "$flags/pid"; select(undef, undef, undef, 0.1); }
	$backend = (split /\n/, slurp_file("$flags/pid"))[0];
	system("prlimit --pid $backend --core=unlimited >/dev/null 2>&1");
	kill 'ABRT', $backend;
	for (1 .. 300) { last if !kill(0, $new_postmaster); select(undef, undef, undef, 0.1); }
	is(join(' ', glob $cores), '', 'a process that derived a key leaves no core file');
	append_to_file("$flags/go", '');
	IPC::Run::finish($session);
	$node->_update_pid(0);
	$node->start;
	NijiTest::wait_for_writer($node);
}
append_to_file("$flags/go", '');

# ---- erasing a domain takes its salt out of the table's file ----
my $salt = pack('H*', $node->safe_psql('niji', "checkpoint; select encode(salt, 'hex') from niji.domain where name = 'd'"));
my $heap = $node->data_dir . '/' . $node->safe_psql('niji', "select pg_relation_filepath('niji.domain')");
ok(index(slurp_file($heap), $salt) >= 0, 'a domain\'s salt is in the table\'s file');
$node->safe_psql('niji', "select niji.erase_domain('d', 'over')");
$node->safe_psql('niji', 'vacuum niji.domain');
$node->safe_psql('niji', 'checkpoint');
ok(index(slurp_file($heap), $salt) < 0, 'after erasing, VACUUM and a checkpoint it is not');

# ---- what is said at the start ----
sub started
{
	my ($query) = @_;
	my $offset = -s $node->logfile;
	$node->start;
	NijiTest::wait_for_writer($node);
	return substr(slurp_file($node->logfile), $offset);
}
$node->stop;
my $other = slurp_file("$dir/1.key");
rename "$dir/2.key", "$dir/away";
like(started(), qr/WARNING: .*the master key of generation 2 is missing/, 'a missing key is told at the start, by its generation');
$node->stop;
append_to_file("$dir/2.key", scalar(reverse substr($good, 0, 64)) . "\n");
chmod 0600, "$dir/2.key";
like(started(), qr/WARNING: .*the master key of generation 2 is not the one that this database has used/, 'so is a changed one');
is($node->safe_psql('niji', 'select state from niji.key_status() where generation = 2'), 'wrong', 'and key_status says so');
$node->stop;
rename "$dir/1.key", "$dir/away1";
like(started(), qr/WARNING: .*the master key of generation 1 is missing/, 'also when there is no key at all');
rename "$dir/away1", "$dir/1.key";
rename "$dir/away", "$dir/2.key";
my $offset = -s $node->logfile;
$node->reload;
ok($node->poll_query_until('niji', "select string_agg(state, ',' order by generation) = 'older,current' from niji.key_status()"),
	'put back, they are found by a reload');
unlike(substr(slurp_file($node->logfile), $offset), qr/WARNING: .*master key/, 'without a warning');

# ---- memory that cannot be locked ----
$node->stop;
$offset = -s $node->logfile;
SKIP:
{
	skip 'root may lock memory', 1 if $> == 0;
	my $log = $node->logfile;
	system('sh', '-c', "ulimit -l 0 && pg_ctl -w -D '" . $node->data_dir . "' -l '$log' start >/dev/null 2>&1");
	like(substr(slurp_file($log), $offset), qr/WARNING: .*could not lock master keys in memory.*HINT: .*at least 8 kB/s, 'memory that cannot be locked is told, with how much is needed');
	system('pg_ctl', '-w', '-D', $node->data_dir, '-m', 'fast', 'stop');
}

# ---- the data directory, WAL included ----
my @files;
for my $path (split /\n/, `find '@{[$node->data_dir]}' -type f`)
{
	my $names = found(slurp_file($path));
	push @files, "$path: $names" if $names ne '';
}
is("@files", '', 'no key, master or derived, in any file of the data directory');
is(found(slurp_file($node->logfile)), '', 'nor in the log');
done_testing();
