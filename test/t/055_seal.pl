# Seals: the key and its file, the command that hands seals outside, a new key,
# no key.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use NijiTest;

my $outbox = PostgreSQL::Test::Utils::tempdir;
my $node = NijiTest::node('seals', 'niji.seal_command' => "cat >> $outbox/seals", 'niji.seal_interval' => '1s');
my $pem = NijiTest::key_dir($node) . '/seal.pem';

sub act
{
	$node->safe_psql('niji', "select niji.record_act('try', '$_[0]')");
	return;
}

# what stands in the log from here on
sub logged
{
	my ($from, $pattern) = @_;
	for (1 .. 100)
	{
		return 1 if slurp_file($node->logfile, $from) =~ $pattern;
		select(undef, undef, undef, 0.1);
	}
	return 0;
}

sub reload
{
	my $from = -s $node->logfile;
	$node->reload;
	logged($from, qr/received SIGHUP/);
	select(undef, undef, undef, 0.5);
	return;
}

act('first; rm -rf $(outbox) `true` "');
my $size = $node->safe_psql('niji', 'select niji.seal_trail()');
cmp_ok($size, '>', 0, 'the trail is sealed');
ok($node->poll_query_until('niji', "select coalesce((pg_stat_file('$outbox/seals', true)).size, 0) > 0"), 'the command was called');
my $text = '';
for (1 .. 50)
{
	$text = slurp_file("$outbox/seals");
	last if $text =~ /\n$size\n/;
	select(undef, undef, undef, 0.1);
}
like($text, qr/^niji\/\d+\/\d+\/[0-9a-f]{32}\n$size\n[^\n]+\n\n\xe2\x80\x94 niji/m, 'and got the seal on its standard input');
act('by itself');
ok($node->poll_query_until('niji', "select max(size) > $size from niji.seal"), 'something new is sealed without being asked for');
$size = $node->safe_psql('niji', 'select niji.seal_trail()');
sleep 3;
is($node->safe_psql('niji', 'select max(size) from niji.seal'), $size, 'and nothing when nothing is new');

# what is told about it, and NOTIFY
ok($node->poll_query_until('niji', "select handed_size = newest_size and newest_size = $size and failures = 0 and handed_at is not null from niji.seal_delivery()"), 'the newest seal was handed out, and niji tells so');
my $listener = $node->background_psql('niji', on_error_die => 1);
$listener->query_safe('listen niji_seal');
act('for the listener');
$size = $node->safe_psql('niji', 'select niji.seal_trail()');
my $heard = '';
for (1 .. 50)
{
	$heard .= $listener->query_safe('select 1');
	last if $heard =~ /niji_seal/;
	select(undef, undef, undef, 0.1);
}
like($heard, qr/"niji_seal" with payload "niji\/\S+\n$size\n/, 'who listens hears of a seal');
$listener->quit;

# a command that fails twice is called a third time, with the seal's size in its text
$node->append_conf('postgresql.conf', "niji.seal_command = 'echo 1 >> $outbox/tries; test \$(wc -l < $outbox/tries) -gt 2 && cat > $outbox/seal-%s-100%%'");
reload();
act('fails twice');
$size = $node->safe_psql('niji', 'select niji.seal_trail()');
ok($node->poll_query_until('niji', "select failures = 2 or handed_size = $size from niji.seal_delivery()"), 'a command that fails is called again');
ok($node->poll_query_until('niji', "select handed_size = $size and failures = 0 and failure = 'ended with status 1' from niji.seal_delivery()"), 'until it takes the seal');
like(slurp_file("$outbox/seal-$size-100%"), qr/\n$size\n/, 'and %s is the size, %% a percent sign');

# a failing command
my $from = -s $node->logfile;
$node->append_conf('postgresql.conf', "niji.seal_command = 'exit 7'");
reload();
act('command fails');
cmp_ok($node->safe_psql('niji', 'select niji.seal_trail()'), '>', $size, 'a failing command does not keep the trail from being sealed');
ok(logged($from, qr/niji\.seal_command failed.*ended with status 7/s), 'its failure is logged');

ok($node->poll_query_until('niji', "select exists (select from niji.check_trail() where object = 'niji.seal_command' and finding like '%ended with status 7')"), 'check_trail() tells after the second time');

# a command that hangs does not hold up the writer
$node->append_conf('postgresql.conf', "niji.seal_command = 'sleep 100'");
reload();
act('command hangs');
$size = $node->safe_psql('niji', 'select niji.seal_trail()');
act('meanwhile');
cmp_ok($node->safe_psql('niji', 'select niji.seal_trail()'), '>', $size, 'nor does one that hangs');
$node->append_conf('postgresql.conf', "niji.seal_command = ''");
reload();

# a key that others may read
chmod 0644, $pem;
$from = -s $node->logfile;
reload();
act('readable key');
my ($code, $out, $err) = $node->psql('niji', '\set VERBOSITY verbose' . "\nselect niji.seal_trail()");
like($err, qr/55000/, 'a key file that others may read is not used');
ok(logged($from, qr/key file may be read by others/), 'the log says why');
act('goes on');
ok($node->poll_query_until('niji', "select exists (select from niji.trail where header ->> 'object' = 'goes on')"), 'the trail goes on unsealed');
chmod 0600, $pem;
reload();
cmp_ok($node->safe_psql('niji', 'select niji.seal_trail()'), '>', $size, 'and is sealed once the file is mended');

# a new key
rename $pem, "$pem.old";
system_or_bail('openssl', 'genpkey', '-algorithm', 'rsa', '-out', $pem);
chmod 0600, $pem;
$from = -s $node->logfile;
reload();
act('wrong kind of key');
($code, $out, $err) = $node->psql('niji', '\set VERBOSITY verbose' . "\nselect niji.seal_trail()");
like($err, qr/55000/, 'a key of another kind is refused');
ok(logged($from, qr/not an Ed25519 private key/), 'the log says why');
unlink $pem;
system_or_bail('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', $pem);
chmod 0600, $pem;
reload();
act('new key');
$node->safe_psql('niji', 'select niji.seal_trail()');
is($node->safe_psql('niji', 'select count(*) from niji.seal_key'), '2', 'both public keys are kept');
$node->safe_psql('niji', 'select niji.seal_trail()');
is($node->safe_psql('niji', "select count(*) from niji.trail_acts where action = 'new_seal_key'"), '2', 'a new key is in the trail');
is($node->safe_psql('niji', 'select count(*) from niji.verify_trail()'), '0', 'seals of both keys verify');

# a key from a command, that ends in the log when it fails without its output
$node->append_conf('postgresql.conf', "niji.seal_key_source = 'command:cat $pem.old'");
reload();
act('key from a command');
cmp_ok($node->safe_psql('niji', 'select niji.seal_trail()'), '>', $size, 'a command gives the key');
is($node->safe_psql('niji', 'select count(distinct key) from niji.seal'), '2', 'the first one, in this case');
$from = -s $node->logfile;
$node->append_conf('postgresql.conf', "niji.seal_key_source = 'command:cat $pem; exit 1'");
reload();
act('failing key command');
($code, $out, $err) = $node->psql('niji', 'select niji.seal_trail()');
isnt($code, 0, 'a failing command gives none');
ok(logged($from, qr/gave no key/), 'which is logged');
unlike(slurp_file($node->logfile), qr/PRIVATE KEY/, 'no key is ever in the log');

# restart: the trail goes on where it was
$node->append_conf('postgresql.conf', "niji.seal_key_source = ''");
$node->restart;
act('after a restart');
$node->safe_psql('niji', 'select niji.seal_trail()');
is($node->safe_psql('niji', 'select count(*) from niji.verify_trail()'), '0', 'after a restart the trail goes on and verifies');
is($node->safe_psql('niji', 'select count(*) = max(seq) + 1 from niji.trail'), 't', 'without a gap');

done_testing();
