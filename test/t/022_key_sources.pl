# Keys from a systemd credential and from a token, by the command lines and the
# script that docs/keys.md gives.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use NijiTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = $ENV{TESTDIR} || '.';

sub read_key
{
	my ($path) = @_;
	my $text = slurp_file($path);
	chomp $text;
	return $text;
}

sub write_file
{
	my ($path, $text, $mode) = @_;
	append_to_file($path, $text);
	chmod $mode, $path;
	return;
}

sub tool
{
	my ($name) = @_;
	return system("command -v $name >/dev/null 2>&1") == 0;
}

# restarts with another source; gives what was logged
sub restarted
{
	my ($node, $source) = @_;
	$source =~ s/'/''/g;
	$node->append_conf('postgresql.conf', "niji.key_source = '$source'");
	# what the server that ends still logs is not of interest
	$node->stop;
	my $offset = -s $node->logfile;
	$node->start;
	# the writer looks at the keys when it starts
	NijiTest::wait_for_writer($node);
	return substr(slurp_file($node->logfile), $offset);
}

my $node = NijiTest::node('sources');
my $keys = NijiTest::key_dir($node);
my $first = read_key("$keys/1.key");
my $fingerprints = 'select generation, fingerprint from niji.key_status() where generation is not null order by 1';
$node->safe_psql('niji', "select niji.enrol('patient', '0110113719:0001')");
NijiTest::make_keys($node, 2);
NijiTest::wait_for_writer($node);
$node->reload;
ok($node->poll_query_until('niji', "select state = 'current' from niji.key_status() where generation = 2"), 'two generations in files');
my $expected = $node->safe_psql('niji', $fingerprints);

# ---- the fingerprint of the ceremony's protocol ----
my ($fingerprint) = slurp_file("$top/docs/keys.md") =~ /^<!-- niji-fingerprint -->\n```sh\n(.*?)^```/ms;
for my $generation (1, 2)
{
	my $printed = `key=$keys/$generation.key; $fingerprint`;
	$printed =~ s/[:\s]//g;
	is("$generation|" . lc $printed, (split /\n/, $expected)[$generation - 1], "openssl computes the fingerprint of generation $generation as docs/keys.md says");
}

# ---- a systemd credential: a directory of files that only the service sees ----
my $docs = slurp_file("$top/docs/keys.md");
my ($credential_source) = $docs =~ /^niji\.key_source = '(command:[^\n]*CREDENTIALS_DIRECTORY[^\n]*)'$/m;
ok($credential_source, 'docs/keys.md says how a credential is read');
$credential_source =~ s/''/'/g;
my $credentials = $node->basedir . '/credentials';
mkdir $credentials, 0700;
write_file("$credentials/niji-$_", slurp_file("$keys/$_.key"), 0400) for 1, 2;
{
	local $ENV{CREDENTIALS_DIRECTORY} = $credentials;
	unlike(restarted($node, $credential_source), qr/no master key|missing|not the one/, 'a credential is a source');
	is($node->safe_psql('niji', $fingerprints), $expected, 'of the same keys');
	unlink "$credentials/niji-2";
	like(restarted($node, $credential_source), qr/WARNING:  the master key of generation 2 is missing/,
		'a credential that the unit no longer loads is missed at the start, by its generation');
	mkdir "$credentials/niji-2", 0700;
	like(restarted($node, $credential_source), qr/the key command for generation 2 failed with exit status 1/,
		'one that is there and cannot be read is a failure, not the end of the list');
	rmdir "$credentials/niji-2";
	unlink "$credentials/niji-1";
	like(restarted($node, $credential_source), qr/niji has no master key/, 'without any there is no key');
}
{
	local $ENV{CREDENTIALS_DIRECTORY} = undef;
	delete $ENV{CREDENTIALS_DIRECTORY};
	like(restarted($node, $credential_source), qr/the key command for generation 1 failed with exit status 1/,
		'started otherwise than by the unit, the command fails');
}

SKIP:
{
	my $sealed = $node->basedir . '/1.cred';
	skip 'systemd-creds is not here', 1 if !tool('systemd-creds');
	# with the host's key only root may; tell whether this user can
	skip 'systemd-creds does not seal for this user', 1
	  if system("systemd-creds encrypt --with-key=auto --name=niji-1 '$keys/1.key' '$sealed' >/dev/null 2>&1") != 0;
	restarted($node, "command:test %g -le 2 || exit 3; test %g = 2 && exec cat '$keys/2.key'; systemd-creds decrypt --name=niji-1 '$sealed' - || exit 1");
	is($node->safe_psql('niji', $fingerprints), $expected, 'a credential that systemd-creds has sealed');
}

# ---- a token, by the script of docs/keys.md ----
SKIP:
{
	my ($module) = grep { -e } glob('/usr/lib/*/softhsm/libsofthsm2.so /usr/lib/softhsm/libsofthsm2.so /usr/lib64/softhsm/libsofthsm2.so');
	skip 'softhsm2 or opensc is not here', 10 if !$module || !tool('softhsm2-util') || !tool('pkcs11-tool');

	my $token = $node->basedir . '/token';
	mkdir $_, 0700 for $token, "$token/store";
	my ($script) = $docs =~ /^<!-- niji-token-key -->\n```sh\n(.*?)^```/ms;
	ok($script, 'docs/keys.md has the script');
	write_file("$token/niji-token-key", $script, 0700);
	write_file("$token/softhsm2.conf", "directories.tokendir = $token/store\nlog.level = ERROR\n", 0600);
	write_file("$token/pin", "1234\n", 0400);
	local $ENV{SOFTHSM2_CONF} = "$token/softhsm2.conf";
	local $ENV{NIJI_TOKEN_DIR} = $token;
	local $ENV{NIJI_TOKEN_MODULE} = $module;
	local $ENV{PIN} = '1234';

	my ($making) = $docs =~ /^<!-- niji-token-make -->\n```sh\n(.*?)^```/ms;
	ok($making, 'and how the token and the wrapped keys are made');
	write_file("$token/make", "set -e\ncd '$token'\nmodule=$module\nkeys=$keys\n$making", 0700);
	is(system("sh '$token/make' >'$token/log' 2>&1"), 0, 'which works') or diag slurp_file("$token/log");
	unlike(slurp_file("$token/1.wrapped"), qr/\Q$first\E/, 'what is stored is not the key');

	my $source = "command:$token/niji-token-key %g";
	unlike(restarted($node, $source), qr/no master key|missing|not the one/, 'the token gives the keys');
	is($node->safe_psql('niji', $fingerprints), $expected, 'of the same keys');
	is($node->safe_psql('niji', "select niji.find_person('patient', '0110113719:0001') is not null"), 't', 'which find who was enrolled');

	rename "$token/store", "$token/away";
	mkdir "$token/store", 0700;
	like(restarted($node, $source), qr/the key command for generation 1 failed with exit status 1/, 'a token that was pulled out is a failure, not the end of the list');
	rmdir "$token/store";
	rename "$token/away", "$token/store";
	chmod 0600, "$token/pin";
	append_to_file("$token/pin", '5');
	like(restarted($node, $source), qr/the key command for generation 1 failed with exit status 1/, 'so is a wrong PIN');
	unlike(slurp_file($node->logfile), qr/\Q$first\E/, 'and nothing of a key was logged');
}

$node->stop;
done_testing();
