# Master keys: where they come from, what is refused, and where they must never be.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use NijiTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $enrol = "select niji.enrol('patient', '0110113719:0001') is not null";

sub write_key
{
	my ($path, $text, $mode) = @_;
	unlink $path;
	open(my $file, '>', $path) or die "could not write $path: $!";
	print $file $text;
	close $file;
	chmod $mode // 0600, $path;
	return;
}

sub read_key
{
	my ($path) = @_;
	my $text = slurp_file($path);
	chomp $text;
	return $text;
}

# what a query fails with, as "SQLSTATE: message, detail, hint"; "succeeded" if it does not
sub failure
{
	my ($node, $query) = @_;
	my ($code, $out, $err) =
	  $node->psql('niji', $query, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $code == 0 ? 'succeeded' : $err;
}

# restarts and gives what was logged in the meantime
sub restarted
{
	my ($node) = @_;
	# what the server that ends still logs is not of interest
	$node->stop;
	my $offset = -s $node->logfile;
	$node->start;
	return substr(slurp_file($node->logfile), $offset);
}

my $node = NijiTest::node('keys', -keys => 0);
my $dir = NijiTest::key_dir($node);

# ---- none ----
like(slurp_file($node->logfile), qr/WARNING:  niji has no master key: key directory "[^"]*" has no 1\.key/,
	'without a key the server starts, and says so');
my $failure = failure($node, $enrol);
like($failure, qr/55000: niji has no master key/, 'enrolment is refused with 55000');
like($failure, qr/HINT:.*that very key.*openssl rand -hex 32.*reload/s, 'and the hint says what to do, first of all not to overwrite a key');
like(failure($node, "select niji.find_person('patient', '0110113719:0001')"),
	qr/55000: niji has no master key/, 'so is looking up');
is($node->safe_psql('niji', "select niji.normalize_identifier('patient', '0110113719: 1')"),
	'0110113719:1', 'what needs no key works');
is($node->safe_psql('niji', 'select state from niji.key_status()'),
	'source failed', 'key_status says that there is none');

$node->append_conf('postgresql.conf', "niji.key_source = ''");
like(restarted($node), qr/niji has no master key: niji\.key_source is not set/, 'no key source');
$node->append_conf('postgresql.conf', "niji.key_source = 'file:$dir/nowhere'");
like(restarted($node), qr{niji has no master key: could not open key directory "[^"]*/nowhere": No such file},
	'a directory that does not exist');
$node->append_conf('postgresql.conf', "niji.key_source = 'file:$dir'");
for my $wrong ('file:relative', 'ftp://x', 'command:', 'secret')
{
	my ($code, $out, $err) = $node->psql('postgres', "alter system set niji.key_source = '$wrong'");
	like($err, qr/invalid value for parameter "niji.key_source"/, "key source $wrong is refused");
}

# ---- files that are refused: the message names the file, never what is in it ----
my $key = '00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef';
for my $case (
	[ 'readable by the group', "$key\n", 0640, qr{"[^"]*/1\.key" may be used by others: its mode is 0640} ],
	[ 'readable by others', "$key\n", 0604, qr{"[^"]*/1\.key" may be used by others: its mode is 0604} ],
	[ 'writable by others', "$key\n", 0602, qr{"[^"]*/1\.key" may be used by others: its mode is 0602} ],
	[ 'unreadable', "$key\n", 0000, qr{could not open key file "[^"]*/1\.key"} ],
	[ 'empty', '', 0600, qr{"[^"]*/1\.key" does not have 64 hexadecimal digits} ],
	[ 'too short', substr($key, 1) . "\n", 0600, qr{"[^"]*/1\.key" does not have 64} ],
	[ 'too long', "${key}0\n", 0600, qr{"[^"]*/1\.key" does not have 64} ],
	[ 'with two line ends', "$key\n\n", 0600, qr{"[^"]*/1\.key" does not have 64} ],
	[ 'huge', $key x 1000, 0600, qr{"[^"]*/1\.key" does not have 64} ],
	[ 'not hexadecimal', substr($key, 1) . "g\n", 0600, qr{"[^"]*/1\.key" has a character} ],
	[ 'not random', '00' x 32 . "\n", 0600, qr{"[^"]*/1\.key" is one byte repeated} ])
{
	my ($name, $text, $mode, $message) = @$case;
	write_key("$dir/1.key", $text, $mode);
	my $log = restarted($node);
	like($log, qr/niji has no master key: .*$message/, "a key file that is $name is refused");
	unlike($log, qr/112233445566/, '... without showing it');
}
unlink "$dir/1.key";
mkdir "$dir/1.key", 0700;
like(restarted($node), qr{"[^"]*/1\.key" is not a regular file}, 'a directory in its place is refused');
rmdir "$dir/1.key";
system('mkfifo', '-m', '600', "$dir/1.key");
like(restarted($node), qr{"[^"]*/1\.key" is not a regular file}, 'a pipe in its place does not hold up the start');
write_key("$dir/1.key", "$key\n");
write_key("$dir/3.key", scalar(reverse $key) . "\n");
like(restarted($node), qr/has 3\.key but not 2\.key/, 'a generation must not be missing');
unlink "$dir/3.key";
write_key("$dir/2.key", "$key\n");
like(restarted($node), qr{"[^"]*/2\.key" is the same as the key of generation 1}, 'two generations must differ');
unlink "$dir/2.key";
write_key("$dir/1.key", uc($key) . "\r\n", 0400);
unlike(restarted($node), qr/no master key/, 'capital digits, a DOS line end and mode 0400 are fine');
is($node->safe_psql('niji', $enrol), 't', 'with a key persons are enrolled');

# ---- the stored check value ----
my $known = $node->safe_psql('niji', "select niji.find_person('patient', '0110113719:0001')");
my $fingerprint = $node->safe_psql('niji', 'select fingerprint from niji.key_status()');
write_key("$dir/1.key", scalar(reverse $key) . "\n");
$node->restart;
for my $query ($enrol, "select niji.find_person('patient', '0110113719:0001')",
	"select niji.create_domain('d')")
{
	like(failure($node, $query),
		qr/55000: the master key of generation 1 is not the one that this database has used/,
		'another key in its place is found before it does harm');
}
is($node->safe_psql('niji', 'select state from niji.key_status()'), 'wrong', 'and key_status says so');
isnt($node->safe_psql('niji', 'select fingerprint from niji.key_status()'), $fingerprint,
	'its fingerprint is another');
ok(index($fingerprint, substr($key, 0, 16)) < 0, 'a fingerprint is not a part of the key');
write_key("$dir/1.key", "$key\n");
$node->restart;
is($node->safe_psql('niji', "select niji.find_person('patient', '0110113719:0001')"),
	$known, 'the right key finds the person again');
is($node->safe_psql('niji', 'select fingerprint from niji.key_status()'), $fingerprint, 'and has its fingerprint');

# ---- reload ----
NijiTest::wait_for_writer($node);
NijiTest::make_keys($node, 2);
my $second = read_key("$dir/2.key");
$node->reload;
ok($node->poll_query_until('niji', 'select count(*) = 2 from niji.key_status()'),
	'a reload reads a new generation, without a restart');
is($node->safe_psql('niji', $enrol), 't', 'which is used');
ok($node->poll_query_until('niji', "select state = 'current' from niji.key_status() where generation = 2"),
	'and is the current one');
is($node->safe_psql('niji', "select niji.enrol('patient', '0110113719:0001')"),
	$known, 'who was enrolled under the first generation is still known');
is($node->safe_psql('niji', "select count(*) from niji.identifier where digest is not null"), '1', 'and is stored once');
$node->safe_psql('niji', "select niji.enrol('patient', '0110113719:0002')");
is($node->safe_psql('niji', 'select generation from niji.identifier order by enrolled_at desc limit 1'),
	'2', 'new ones are stored under the second');

my $offset = -s $node->logfile;
chmod 0644, "$dir/2.key";
$node->reload;
ok($node->poll_query_until('niji', "select count(*) = 1 from niji.key_status() where state = 'source failed'"),
	'a reload that fails says so');
is($node->safe_psql('niji', $enrol), 't', 'and the keys that were read before stay');
like(substr(slurp_file($node->logfile), $offset), qr/could not read the master keys anew: .*2\.key/, 'and it is logged');
chmod 0600, "$dir/2.key";

# a key that was used must not go, even if an older one is there: known people would be enrolled as new
rename "$dir/2.key", "$dir/away";
$node->restart;
like(failure($node, $enrol), qr/55000: the master key of generation 2 is missing/,
	'without a generation that was used, nobody is enrolled under an older one');
write_key("$dir/2.key", scalar(reverse $key) . "\n");
$node->restart;
like(failure($node, $enrol), qr/55000: the master key of generation 2 is not the one/, 'a wrong second key is named');
unlink "$dir/2.key";
rename "$dir/away", "$dir/2.key";

# ---- a command ----
my $script = $node->basedir . '/give-key';
write_key($script, <<"END", 0700);
#!/bin/sh
echo "SECRET-ON-STDERR" >&2
if read line; then exit 1; fi
test -e "$dir/\$1.key" || exit 3
cat "$dir/\$1.key"
END
$node->append_conf('postgresql.conf', "niji.key_source = 'command:$script %g # %%g'");
my $log = restarted($node);
unlike($log, qr/no master key/, 'a command gives the keys');
unlike($log, qr/SECRET-ON-STDERR/, 'what it says on stderr is not logged');
is($node->safe_psql('niji', "select niji.find_person('patient', '0110113719:0001')"), $known, 'the same ones');
is($node->safe_psql('niji', 'select count(*) from niji.key_status()'), '2', 'up to exit status 3');
for my $case (
	[ 'exit 3', qr/the key command has no key of generation 1/ ],
	[ 'exit 1', qr/the key command for generation 1 failed with exit status 1/ ],
	[ "test %g = 2 && exit 4; cat $dir/1.key", qr/the key command for generation 2 failed with exit status 4/ ],
	[ '/nonexistent/tool', qr/failed with exit status 127/ ],
	[ 'kill -9 $$', qr/the key command for generation 1 was ended by signal 9/ ],
	[ 'yes 0123456789abcdef', qr/output of the key command for generation 1 is longer/ ],
	[ 'echo short', qr/output of the key command for generation 1 does not have 64/ ],
	[ "cat $dir/1.key", qr/output of the key command for generation 2 is the same as the key of generation 1/ ])
{
	my ($command, $message) = @$case;
	$node->append_conf('postgresql.conf', "niji.key_source = 'command:$command'");
	$log = restarted($node);
	like($log, qr/niji has no master key: .*$message/, "command: $command");
	unlike($log, qr/\Q$key\E/i, '... and no key is shown');
}
$node->append_conf('postgresql.conf', "niji.key_source = 'command:$script %g'");
$node->restart;
is($node->safe_psql('niji', $enrol), 't', 'the command that works, again');

# ---- where keys must not be ----
$node->safe_psql('niji', $enrol);
my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
my $smaps = slurp_file("/proc/$postmaster/smaps");
my @mappings = split /^(?=[0-9a-f]+-[0-9a-f]+ )/m, $smaps;
my @pages = grep { m{/dev/zero} && /^VmFlags:.* dd( |$)/m } @mappings;
is(scalar(@pages), 1, 'one shared mapping is left out of core dumps');
like($pages[0], qr/^\S+ ---s /, 'nobody has access to it');
like($pages[0], qr/^VmFlags:.* lo( |$)/m, 'it is locked in memory');

$node->safe_psql('niji', 'checkpoint');
for my $secret ($key, $second)
{
	unlike(slurp_file($node->logfile), qr/\Q$secret\E/i, 'no key in the log');
	for my $view ('pg_settings', 'pg_stat_activity', 'pg_file_settings', 'niji.key_status()', 'niji.master_key')
	{
		unlike($node->safe_psql('niji', "select v::text from $view v"), qr/\Q$secret\E/i, "no key in $view");
	}
}
$node->stop;
my @found;
for my $path (split /\n/, `find '@{[$node->data_dir]}' -type f`)
{
	my $content = slurp_file($path);
	for my $secret ($key, $second)
	{
		push @found, $path if index($content, pack('H*', $secret)) >= 0 || index(lc $content, $secret) >= 0;
	}
}
is("@found", '', 'no key in any file of the data directory, WAL included, as bytes or as digits');
# ---- a dump that is being restored: the extension is there, its tables are still empty ----
my $restored = NijiTest::node('restoring', -extension => 0);
$restored->safe_psql('niji', 'set row_security = off; create extension niji');
for my $begin ('restart', 'reload')
{
	$restored->$begin;
	$restored->poll_query_until('niji', "select exists (select from pg_stat_activity where backend_type = 'niji writer')");
	select(undef, undef, undef, 1.5);
	is($restored->safe_psql('niji', 'select count(*) from niji.master_key'), '0', "the writer puts no row of a key in the way of those to come, at $begin");
}
$restored->stop;

done_testing();
