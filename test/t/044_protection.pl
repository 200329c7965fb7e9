# niji.check_protection() on a server that is set up as docs/install.md says: nothing to find; then its doors,
# settings, processes and keys are weakened, one after the other, and each is found and gone again.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use NijiTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = $ENV{TESTDIR} || '.';
my $node = NijiTest::node('protection', -start => 0, wal_level => 'logical', log_statement => 'none', fsync => 'on');
my $hba = $node->data_dir . '/pg_hba.conf';
my $doors = <<'END';
local all all peer
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
local replication all peer
END

sub write_file
{
	my ($path, $text, $mode) = @_;
	open(my $file, '>', $path) or die "could not write $path: $!";
	print $file $text;
	close $file;
	chmod $mode, $path if defined $mode;
	return;
}

# codes and objects of errors and warnings (and of notices, when asked for), in a database
sub found
{
	my ($severities, $database) = @_;
	$severities ||= "'error', 'warning'";
	return $node->safe_psql($database || 'niji',
		"select string_agg(code || ': ' || object, ', ' order by code, object) from niji.check_protection() where severity in ($severities)");
}

# runs the hint of the findings of one code, as a DBA would
sub mend
{
	my ($code) = @_;
	my $hint = $node->safe_psql('niji', "select distinct hint from niji.check_protection() where code = '$code'");
	$node->safe_psql('niji', $hint);
	$node->safe_psql('niji', 'select pg_reload_conf()');
	return $hint;
}

# ---- as docs/install.md says ----

write_file($hba, $doors);
# a line "hostssl" is in error where the server has no TLS
system('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-keyout', $node->data_dir . '/server.key',
	'-out', $node->data_dir . '/server.crt') == 0 or die 'openssl could not make a certificate';
chmod 0600, $node->data_dir . '/server.key';
$node->append_conf('postgresql.conf', 'ssl = on');
$node->start;
$node->safe_psql('postgres', 'create database niji');
is($node->safe_psql('niji', "create extension niji;\nselect niji.harden();\nselect string_agg(code || ': ' || object, ', ') from niji.check_protection() where severity <> 'notice'"),
	"\n", 'after CREATE EXTENSION and harden() nothing is weaker than it should be, at once');
like(found("'notice'"), qr/trail_outside: niji.seal_command/, 'but seals should be handed outside');

# ---- the line for monitoring, taken from the page ----

my ($line) = slurp_file("$top/docs/check-protection.md") =~ /^```sh\n(.*?)^```/ms;
chomp $line;
$line =~ s/ warehouse / niji /;
local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port);
is(system('sh', '-c', $line), 0, 'the line for monitoring ends with 0');
$node->safe_psql('niji', 'grant create on schema public to public');
my $log = $node->basedir . '/monitor';
isnt(system('sh', '-c', "{ $line ; } 2> $log"), 0, 'and not when there is a finding');
like(slurp_file($log), qr/error: schema public: PUBLIC may create objects in it/, 'which it prints');
isnt(system('sh', '-c', "PGPORT=1; export PGPORT; { $line ; } 2> $log"), 0, 'nor when the server does not answer');
mend('schema_create');
is(found(), '', 'the hint mends it');

# ---- pg_hba.conf: what the file says is judged, loaded or not ----

my @doors = (
	[ 'local all postgres trust', 'hba_trust_local', 'trust on this machine' ],
	[ 'host replication all 127.0.0.1/32 trust', 'hba_trust_local', 'trust for replication on this machine' ],
	[ 'host all all 0.0.0.0/0 trust', 'hba_trust', 'trust from elsewhere' ],
	[ 'hostssl niji all samenet trust', 'hba_trust', 'trust from the network' ],
	[ 'host all all 10.0.0.0/8 password', 'hba_clear', 'passwords in the clear' ],
	[ 'hostnossl all all 10.0.0.0/8 md5', 'hba_clear', 'MD5 without TLS' ],
	[ 'host all all 10.0.0.0/8 scram-sha-256', 'hba_plain', 'connections without TLS' ],
	[ 'hostssl all all 10.0.0.0/8 scram-sha-256', '', 'TLS is as it should be' ],
	[ 'host other all 10.0.0.0/8 trust', '', 'a line for another database is not ours' ],
	[ 'host all all 10.0.0.0/8 reject', '', 'a line that refuses is none' ],
	[ 'host all all nonsense', 'hba_error', 'a line in error' ],
);
for my $door (@doors)
{
	my ($text, $code, $name) = @$door;
	write_file($hba, "$doors$text\n");
	my $expected = $code eq '' ? '' : "$code: pg_hba.conf, line 5";
	is(found($code eq 'hba_plain' ? "'notice'" : undef) =~ s/(checksums_off|trail_outside): [^,]+//gr =~ s/^[, ]+|[, ]+$//gr, $expected, "pg_hba.conf: $name");
}

# ---- what cannot be looked at hides nothing else ----

rename $hba, "$hba.away" or die $!;
$node->safe_psql('niji', 'grant create on schema public to public', connstr => $node->connstr('niji'));
is(found(), 'check_failed: door_findings, schema_create: schema public', 'what cannot be looked at is a finding, and hides none of the others');
$node->safe_psql('niji', 'revoke create on schema public from public');
write_file($hba, $doors);
is(found(), '', 'and with the file in its place all is well');

# ---- settings of the server, mended by their hints ----

for my $setting ([ 'niji.audit_wait', 'queued', 'audit_queued' ], [ 'niji.allow_drop', 'on', 'drop_allowed' ],
	[ 'full_page_writes', 'off', 'not_durable' ], [ 'log_statement', 'all', 'statements_logged' ])
{
	my ($name, $value, $code) = @$setting;
	$node->safe_psql('niji', "alter system set $name = '$value'");
	$node->reload;
	ok($node->poll_query_until('niji', "select exists (select from niji.check_protection() where code = '$code' and object = '$name')"), "$name = $value is found");
	mend($code);
	ok($node->poll_query_until('niji', "select not exists (select from niji.check_protection() where code = '$code')"), 'and its hint mends it');
	$node->safe_psql('niji', "alter system reset $name");
}
$node->reload;

# ---- replication ----

$node->safe_psql('niji', "select pg_create_logical_replication_slot('out', 'pgoutput')");
is(found(), 'replication_slot: replication slot out', 'a logical slot is found');
mend('replication_slot');
is(found(), '', 'and dropped');

# ---- keys ----

my $key = NijiTest::key_dir($node) . '/1.key';
$node->safe_psql('niji', "select niji.enrol('patient', '0110113719:0001') is not null");
my $good = slurp_file($key);
write_file($key, ('0123456789abcdeffedcba9876543210' x 2) . "\n", 0600);
$node->reload;
ok($node->poll_query_until('niji', q{select exists (select from niji.check_protection() where code = 'key' and object = 'master key of generation 1' and finding ~ 'not the key')}), 'a wrong key is found');
write_file($key, $good, 0644);
$node->reload;
ok($node->poll_query_until('niji', q{select exists (select from niji.check_protection() where code = 'key' and severity = 'error' and finding !~ 'not the key')}), 'a key that others can read is none');
unlike($node->safe_psql('niji', 'select string_agg(c::text, $$,$$) from niji.check_protection() c'), qr/\Q@{[substr $good, 0, 16]}\E/, 'what is printed has no key in it');
chmod 0600, $key;
$node->reload;
ok($node->poll_query_until('niji', q{select not exists (select from niji.check_protection() where code = 'key')}), 'the right key mends it');

# ---- another database, which is not protected ----

$node->safe_psql('postgres', 'set client_min_messages = error; create extension niji');
like(found(undef, 'postgres'), qr/not_protected: server/, 'a database that niji.database does not name is not protected');
$node->safe_psql('postgres', 'drop extension niji');

# ---- what is loaded, next time and now ----

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
is(found(), 'preload_lost: shared_preload_libraries', 'configuration files that do not load niji any more are found before the next start');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'niji, auto_explain'\nmax_worker_processes = 0\nlisten_addresses = '127.0.0.2'\nssl = off");
$node->restart;
is(found(), 'keeper_absent: niji keeper, preload_order: shared_preload_libraries, spool: spool, ssl_off: ssl, trail: niji.restore_status, writer_absent: niji writer',
	'a library after niji, no room for its processes, no TLS');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'auto_explain, niji'\nmax_worker_processes = 8\nlisten_addresses = ''\nssl = on");
$node->restart;
is(found(), '', 'and all is well again');

# ---- with permits and reads ----

$node->safe_psql('niji', "\\i $top/test/story.sql");
is(found(), '', 'with datasets, permits and readers nothing is weaker than it should be');
$node->safe_psql('niji', "set session authorization analyst_fujita; select count(*) from p2026_017.lab");
is(found(), '', 'nor after reads');
$node->stop;
done_testing();
