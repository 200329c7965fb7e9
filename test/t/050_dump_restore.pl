# pg_dump and restore into a new cluster: persons, digests, consents, permits,
# codes and the trail are all there, the trail verifies, and the permit's views
# work once the roles exist.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use NijiTest;

my $top = $ENV{TESTDIR} || '.';
my $old = NijiTest::node('old');
$old->safe_psql('niji', "\\i $top/test/story.sql");
my $person = "niji.find_person('patient', '0110113719:0007')";
$old->safe_psql('niji',
	"select niji.record_consent($person, 'deny', category => 'ehr', evidence => 'form 7')");

sub as_analyst
{
	my ($node, $sql) = @_;
	return $node->safe_psql('niji', $sql, extra_params => [ '-U', 'analyst_fujita' ]);
}

is(as_analyst($old, 'select count(*) from p2026_017.lab'), '39', 'one of forty objected');
my $pids = as_analyst($old, 'select pid from p2026_017.diagnosis order by pid');
my $number = $old->safe_psql('niji', "select $person");
$old->poll_query_until('niji', "select count(*) >= 2 from niji.trail_reads where permit = 'P2026-017'");
$old->safe_psql('niji', 'select niji.seal_trail()');
my $entries = $old->safe_psql('niji', 'select count(*) from niji.trail');
my $checkpoint = $old->safe_psql('niji', 'select checkpoint from niji.seals order by size limit 1');

my $dump = $old->basedir . '/niji.dump';
my $roles = $old->basedir . '/roles.sql';
$old->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'niji' ], 'pg_dump');
$old->command_ok([ 'pg_dumpall', '--roles-only', '-f', $roles ], 'pg_dumpall --roles-only');

# a new cluster with the same keys, and a database that the extension is not yet in
my $new = NijiTest::node('new',
	'-extension' => 0,
	'niji.key_source' => 'file:' . NijiTest::key_dir($old));
$new->run_log([ 'psql', '-X', '-q', '-f', $roles, 'postgres' ]);
# the grants and owners that belong to the old database's permit roles cannot be restored: pg_restore says so and goes on
$new->run_log([ 'pg_restore', '-d', 'niji', $dump ]);

is($new->safe_psql('niji', 'select count(*) from warehouse.lab'), '40', 'the rows are there');
is($new->safe_psql('niji', "select $person"), $number, 'the same identifier finds the same person');
is($new->safe_psql('niji', 'select count(*) from niji.consents'), '1', 'the consent is there');

my ($code) = $new->psql('niji', 'select count(*) from p2026_017.lab',
	extra_params => [ '-U', 'analyst_fujita' ]);
isnt($code, 0, 'before the native objects are made again, the analyst reads nothing');

$new->safe_psql('niji', 'select niji.recompile_permits()');
is(as_analyst($new, 'select count(*) from p2026_017.lab'),
	'39', 'the view works, and the objection holds');
is(as_analyst($new, 'select pid from p2026_017.diagnosis order by pid'),
	$pids, 'the pseudonyms are the same');
is($new->safe_psql('niji', 'select count(*) from niji.duties where not in_force'),
	'0', 'duties are bound to the roles again');

ok($new->poll_query_until('niji', "select count(*) > $entries from niji.trail"), 'the trail goes on');
$new->safe_psql('niji', 'select niji.seal_trail()');
is($new->safe_psql('niji', 'select count(*) from niji.verify_trail()'), '0', 'the trail verifies');
is($new->safe_psql('niji', 'select checkpoint from niji.seals order by size limit 1'),
	$checkpoint, 'the old seals are there');
is( $new->safe_psql('niji',
		"select count(*) > 0 from niji.who_used(niji.find_person('patient', '0110113719:0008')) where permit = 'P2026-017'"),
	't',
	'the use of a person is still known');
is( $new->safe_psql('niji',
		"select count(*) from warehouse.lab where person = niji.enrol('patient', '0110113719:9999')"),
	'0',
	'a person enrolled after the restore is nobody else');

done_testing();
