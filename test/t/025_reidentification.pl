# The answer of a re-identification cannot be taken back: the entry that says so
# is on disk before it, whatever becomes of the transaction and of the server.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run ();
use NijiTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = $ENV{TESTDIR} || '.';
my $node = NijiTest::node('reidentification');
$node->safe_psql('niji', "\\i $top/test/story.sql");
$node->safe_psql('niji', "create role custodian_hara login; select niji.grant_duty('custodian', 'custodian_hara')");
my $pid = $node->safe_psql('niji', 'select min(pid) from p2026_017.lab', extra_params => [ '-U', 'analyst_fujita' ]);

sub as
{
	my ($role, $sql) = @_;
	return $node->safe_psql('niji', $sql, extra_params => [ '-U', $role ]);
}

sub asked
{
	my $id = as('custodian_goto', "select niji.request_reidentification('P2026-017', array['$pid']::niji.pseudonym[], 'a finding')");
	as('custodian_hara', "select niji.approve_reidentification($id)");
	return $id;
}

my $answers = "select count(*) from niji.trail where kind = 'act' and header ->> 'action' = 'reidentify'";

# ---- the transaction is rolled back ----
my $id = asked();
like(as('custodian_goto', "begin; select person from niji.reidentify($id); rollback"), qr/^\d+$/m, 'an answer in a transaction that is rolled back');
$node->safe_psql('niji', 'select niji.move_trail()');
is($node->safe_psql('niji', $answers), '1', 'is in the record');
like(as('custodian_goto', "begin; savepoint s; select person from niji.reidentify($id); rollback to s; commit"), qr/^\d+$/m, 'another below a savepoint');
$node->safe_psql('niji', 'select niji.move_trail()');
is($node->safe_psql('niji', $answers), '2', 'too');

# ---- the server is killed while the answer stands on the screen ----
my ($in, $out, $err) = ('', '', '');
my $session = IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-U', 'custodian_goto', '-d', $node->connstr('niji') ], \$in, \$out, \$err, IPC::Run::timeout(60));
$in .= "begin;\nselect 'pid ' || pg_backend_pid();\nselect 'answer ' || person::text from niji.reidentify($id);\n";
$session->pump until $out =~ /answer \d+/ || $err;
is($err, '', 'an answer in a transaction that is open');
my ($backend) = $out =~ /pid (\d+)/;
kill 'KILL', $backend;
eval { $session->finish };
$node->stop('immediate', fail_ok => 1);
$node->start;
ok(NijiTest::wait_for_writer($node), 'the server came back');
$node->safe_psql('niji', 'select niji.move_trail()');
is($node->safe_psql('niji', $answers), '3', 'the record has the answer that the crash undid');
is($node->safe_psql('niji', "select state from niji.reidentifications where id = $id"), 'approved', 'which is open still, as nothing was committed');

# ---- no record, no answer ----
my ($code, $answer, $message) = $node->psql('niji', "set default_transaction_read_only = on; select * from niji.reidentify($id)", extra_params => [ '-U', 'custodian_goto' ]);
isnt($code, 0, 'a read-only transaction gets no answer');
is($answer, '', 'not a row of it');
like(as('custodian_goto', "select person from niji.reidentify($id)"), qr/^\d+$/, 'committed, it is answered');
($code, $answer, $message) = $node->psql('niji', "select * from niji.reidentify($id)", extra_params => [ '-U', 'custodian_goto' ]);
isnt($code, 0, 'and not again');

# ---- two at the same time ----
$id = asked();
my $one = $node->basedir . '/one.sql';
append_to_file($one, "select count(*) from niji.reidentify($id);\n");
$node->command_fails([ 'pgbench', '-n', '-c', '4', '-t', '1', '-U', 'custodian_goto', '-f', $one, '-h', $node->host, '-p', $node->port, 'niji' ],
	'four sessions ask for one answer');
$node->safe_psql('niji', 'select niji.move_trail()');
is($node->safe_psql('niji', $answers), '5', 'and one gets it');

# ---- dump and restore ----
my $pending = asked();
my $dump = $node->basedir . '/niji.dump';
my $roles = $node->basedir . '/roles.sql';
my $states = 'select id, permit, pseudonyms, state, requested_by, approved_by from niji.reidentifications order by id';
my $before = $node->safe_psql('niji', $states);
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'niji' ], 'pg_dump');
$node->command_ok([ 'pg_dumpall', '--roles-only', '-f', $roles ], 'pg_dumpall --roles-only');
my $new = NijiTest::node('new', '-extension' => 0, 'niji.key_source' => 'file:' . NijiTest::key_dir($node));
$new->run_log([ 'psql', '-X', '-q', '-f', $roles, 'postgres' ]);
$new->run_log([ 'pg_restore', '-d', 'niji', $dump ]);
NijiTest::forget_anchor($new);
$new->safe_psql('niji', 'select niji.recompile_permits()');
is($new->safe_psql('niji', $states), $before, 'requests are restored as they were');
like($new->safe_psql('niji', "select person from niji.reidentify($pending)", extra_params => [ '-U', 'custodian_hara' ]), qr/^\d+$/,
	'an approved one is answered after a restore');
is($new->safe_psql('niji', "select count(distinct kind) from niji.reidentified r, niji.who_used(r.person) where kind like '%re-identified'"), '1',
	'whom it was about is known still');

done_testing();
