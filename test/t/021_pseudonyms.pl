# Pseudonyms across sessions, restarts and tools: what a single session cannot show.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use NijiTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = NijiTest::node('pseudonyms', 'wal_level' => 'logical');
my $one = $node->safe_psql('niji', "select niji.create_domain('one')");
my $two = $node->safe_psql('niji', "select niji.create_domain('two')");
my $pid = $node->safe_psql('niji', "select niji.pseudonym('42', $one)");
like($pid, qr/^[0-7][0-9A-HJKMNP-TV-Z]{25}[0-9A-Z]{2}$/, 'a pseudonym has its form');

# ---- tools ----
$node->safe_psql('niji', 'create table people (person niji.person primary key, pid niji.pseudonym)');
$node->safe_psql('niji', "select pg_create_logical_replication_slot('decoded', 'test_decoding')");
$node->safe_psql('niji', "insert into people select i::text::niji.person, niji.pseudonym(i::text::niji.person, $one) from generate_series(1, 1000) i");
$node->safe_psql('niji', 'analyze people');
is($node->safe_psql('niji', "select count(*) from pg_logical_slot_get_changes('decoded', null, null) where strpos(data, '''42'' pid[niji.pseudonym]:''$pid''') > 0"),
	'1', 'a superuser decodes persons from WAL');
my $file = $node->basedir . '/people.copy';
$node->safe_psql('niji', "copy people to '$file' (format binary)");
$node->safe_psql('niji', "create table again (like people); copy again from '$file' (format binary)");
is($node->safe_psql('niji', 'select count(*) from people natural join again'), '1000', 'COPY in binary goes there and back');
is($node->safe_psql('niji', "set force_parallel_mode = on; select count(*) from people where niji.pseudonym(person, $one) = pid")
	, '1000', 'parallel workers make the same pseudonyms')
  if $node->safe_psql('niji', "select count(*) from pg_settings where name = 'force_parallel_mode'");
is($node->safe_psql('niji', "set debug_parallel_query = on; select count(*) from people where niji.pseudonym(person, $one) = pid"),
	'1000', 'parallel workers make the same pseudonyms')
  if $node->safe_psql('niji', "select count(*) from pg_settings where name = 'debug_parallel_query'");
my ($code, $out, $err) = $node->psql('niji', "insert into people values ('42')");
unlike($err, qr/invalid|permission/, 'a unique violation is one');
$node->safe_psql('niji', 'create role loader login; grant usage on type niji.person to loader');
$node->safe_psql('niji', "select niji.grant_duty('loader', 'loader')");
($code, $out, $err) = $node->psql('niji', "set session authorization loader; select '42'::niji.person is not null");
is($out, 't', 'a loader enters a person');
($code, $out, $err) = $node->psql('niji', "set session authorization loader; select '42'::niji.person");
like($err, qr/permission denied to show a person/, 'and does not see one');
unlike($err, qr/42"?\s*$/m, 'nor in the error');

# ---- erasing, in another session ----
my $reader = $node->background_psql('niji', on_error_stop => 0);
my $ask = sub {
	my ($sql) = @_;
	return $reader->query($sql) if $reader->can('query');
	return undef;
};
SKIP:
{
	skip 'this version has no queries in background sessions', 4 unless ref $reader && $reader->can('query');
	is($ask->("select niji.pseudonym('42', $one)"), $pid, 'a session has the cipher');
	$node->safe_psql('niji', "select niji.erase_domain('one', 'over')");
	is($ask->("select count(*) from people where niji.pseudonym(person, $two) is null"), '0', 'other domains stay');
	unlike($ask->("select niji.pseudonym('42', $one)") // '', qr/$pid/, 'after the domain was erased the session cannot make its pseudonyms');
	is($ask->("select count(*) from people where person operator(niji.=) niji.make_probe('$pid', $one)"), '0', 'nor find by them');
	$reader->quit;
}
$node->psql('niji', "select niji.erase_domain('one', 'over')");
($code, $out, $err) = $node->psql('niji', "select niji.pseudonym('42', $one)");
like($err, qr/pseudonym domain $one was erased/, 'new sessions neither');

# ---- restart, keys ----
my $before = $node->safe_psql('niji', "select niji.pseudonym('42', $two)");
$node->restart;
is($node->safe_psql('niji', "select niji.pseudonym('42', $two)"), $before, 'pseudonyms are the same after a restart');
NijiTest::make_keys($node, 2);
$node->reload;
$node->poll_query_until('niji', "select niji.domain_generation() = 2") or diag('the second generation did not come');
is($node->safe_psql('niji', "select niji.pseudonym('42', $two)"), $before, 'a domain keeps its generation when a newer key comes');
my $three = $node->safe_psql('niji', "select niji.create_domain('three')");
is($node->safe_psql('niji', "select generation from niji.domain where id = $three"), '2', 'a new domain gets the newest');
$node->stop;
unlink NijiTest::key_dir($node) . "/$_.key" for 1, 2;
$node->start;
($code, $out, $err) = $node->psql('niji', "select niji.pseudonym('42', $two)");
isnt($code, 0, 'without a key there are no pseudonyms');
is($out, '', 'none at all');
unlike($err, qr/[0-9a-f]{32}/, 'and the error holds no key');
is($node->safe_psql('niji', "select '$before'::niji.pseudonym"), $before, 'the type works without a key');

# ---- the extension comes and goes under an open session ----
my $script = <<'SQL';
drop extension niji cascade;
select 1 where 1 = any (array[1, 2]);
create extension niji;
create table t (pid niji.pseudonym);
select count(*) from t where pid in ('0000000000000000000000000001', '352CKGW9MY1MVZ59TDWH9EDD1R2W');
SQL
$node->stop;
NijiTest::make_keys($node);
$node->append_conf('postgresql.conf', 'niji.allow_drop = on');
$node->start;
is($node->safe_psql('niji', $script), "1\n0", 'the planner finds the objects of a new extension in the same session');
is($node->safe_psql('postgres', "select count(*) from generate_series(1, 3) i where i in (1, 2)"), '2', 'a database without the extension plans as ever');

done_testing();
