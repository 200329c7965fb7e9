# What TAP tests of niji share: servers with niji loaded, and waiting for the writer.
package NijiTest;

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# node(name, setting => value...): a started server with niji preloaded, a fresh
# key directory, the database "niji" and the extension in it.
#
# Names with a leading hyphen are not settings of the server:
#   -preload => 0     without shared_preload_libraries
#   -keys => 0        without keys (the directory exists and is empty)
#   -extension => 0   without the extension
#   -start => 0       only initialised
sub node
{
	my ($name, %settings) = @_;
	my %do = (preload => 1, keys => 1, extension => 1, start => 1);
	for my $key (grep { /^-/ } keys %settings)
	{
		$do{ substr $key, 1 } = delete $settings{$key};
	}
	my $node = PostgreSQL::Test::Cluster->new($name);

	# a connection's locale and authentication are as the test framework makes them
	$node->init(allows_streaming => 1);
	make_keys($node) if $do{keys};
	mkdir key_dir($node), 0700 if !$do{keys};
	my %conf = ('niji.database' => 'niji',
		'niji.key_source' => 'file:' . key_dir($node),
		'niji.seal_interval' => '1s',
		# with the keys of another node, but not where that one has its anchor
		(exists $settings{'niji.key_source'} ? ('niji.anchor_directory' => key_dir($node)) : ()),
		%settings);
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'niji'") if $do{preload};
	$node->append_conf('postgresql.conf', "$_ = '$conf{$_}'") for sort keys %conf;
	return $node if !$do{start};
	$node->start;
	$node->safe_psql('postgres', 'create database niji');
	$node->safe_psql('niji', 'create extension niji') if $do{extension};
	return $node;
}

# the directory of a node's keys
sub key_dir
{
	my ($node) = @_;
	return $node->basedir . '/keys';
}

# a first master key and a key for seals; make_keys($node, 2) adds generation 2
sub make_keys
{
	my ($node, $generation) = @_;
	$generation ||= 1;
	my $dir = key_dir($node);
	my $mask = umask 077;
	mkdir $dir, 0700 unless -d $dir;
	open(my $random, '<:raw', '/dev/urandom') or die "could not open /dev/urandom: $!";
	read($random, my $bytes, 32) == 32 or die 'could not read 32 random bytes';
	close $random;
	open(my $file, '>', "$dir/$generation.key") or die "could not write $dir/$generation.key: $!";
	print $file unpack('H*', $bytes), "\n";
	close $file;

	if (!-e "$dir/seal.pem")
	{
		system('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', "$dir/seal.pem") == 0
		  or die 'openssl could not make a key for seals';
	}
	umask $mask;
	return;
}

# asks until a query in database niji gives what is expected (default: t)
sub wait_for
{
	my ($node, $query, $expected) = @_;
	return $node->poll_query_until('niji', $query, $expected // 't');
}

# after a dump was restored: says that nobody is missed; t/057_restore.pl tries how it is done properly
sub forget_anchor
{
	my ($node) = @_;
	$node->safe_psql('niji', 'update niji.outside set anchored = false');
	return;
}

# waits until the writer has connected and protected reads are possible
sub wait_for_writer
{
	my ($node) = @_;
	return wait_for($node, 'select niji.spool_ready()');
}

1;
