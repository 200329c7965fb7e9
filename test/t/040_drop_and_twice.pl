# CREATE EXTENSION twice; DROP EXTENSION refused and forced, with and without
# preload; what a session of its own is needed for: binding to a permit, COPY,
# plans sent to the client; protected reads where niji does not protect.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use NijiTest;

my $top = $ENV{TESTDIR} || '.';
my $node = NijiTest::node('permits');

my ($code, $out, $err) = $node->psql('niji', 'create extension niji');
isnt($code, 0, 'CREATE EXTENSION a second time is refused');
like($err, qr/extension "niji" already exists/, 'and says why');
is($node->safe_psql('niji', 'create extension if not exists niji; select 1'), '1', 'unless IF NOT EXISTS is said');

$node->safe_psql('niji', "\\i $top/test/story.sql");
NijiTest::wait_for_writer($node);

sub as
{
	my ($user, $sql, %more) = @_;
	my ($code, $out, $err) = $node->psql('niji', $sql, extra_params => [ '-U', $user ], on_error_stop => 0, %more);
	return wantarray ? ($out, $err) : $out;
}

sub refused
{
	my ($user, $sql, $state, $what) = @_;
	my ($out, $err) = as($user, "\\set VERBOSITY verbose\n$sql");
	like($err, qr/ERROR:  $state:/, $what);
	return $err;
}

# ---- COPY ----
refused('analyst_fujita', 'copy warehouse.lab to stdout', '42501', 'COPY of a base table is refused');
refused('analyst_fujita', 'copy (select * from warehouse.lab) to stdout', '42501', 'also as a query');
is(scalar(() = as('analyst_fujita', 'copy (select * from p2026_017.lab) to stdout') =~ /^/mg),
	40, 'COPY of a query over the permit\'s view gives its rows');
is(scalar(() = $node->safe_psql('niji', 'copy warehouse.lab to stdout') =~ /^/mg), 40, 'A superuser copies a base table');
ok($node->poll_query_until('niji',
		"select count(*) > 0 from niji.trail_reads where \"session_user\" = 'postgres' and rows = 40 and 'lab' = any (datasets) and permit is null"),
	'and it is an entry with the number of rows');
$node->safe_psql('niji', 'grant usage on schema warehouse to public; create table warehouse.late (like warehouse.lab); alter table warehouse.late owner to stranger; alter table warehouse.late inherit warehouse.lab');
refused('stranger', 'copy warehouse.late to stdout', '42501', 'COPY by the owner of a dataset\'s child is refused');
$node->safe_psql('niji', 'alter table warehouse.late no inherit warehouse.lab; drop table warehouse.late');

# ---- one session, one permit ----
$node->safe_psql('niji', q{
	set session authorization governance_abe;
	select niji.apply_permit('P-2', 'Another', 'tohoku-lab', 'research', current_date - 1, current_date + 300);
	select niji.request_data('P-2', 'lab', '{value}');
	set session authorization reviewer_baba; select niji.review_permit('P-2', 'approve', '');
	set session authorization reviewer_chiba; select niji.review_permit('P-2', 'approve', '');
	set session authorization governance_abe; select niji.grant_permit('P-2'); select niji.add_reader('P-2', 'analyst_fujita');});
is(as('analyst_fujita', 'select count(*) from p_2.lab'), '40', 'A new session may read under the other permit');
refused('analyst_fujita', 'select count(*) from p_2.lab; discard all; select count(*) from p2026_017.lab',
	'42501', 'DISCARD ALL does not free a session from its permit');
refused('analyst_fujita', 'begin; select count(*) from p_2.lab; rollback; select count(*) from p2026_017.lab',
	'42501', 'nor does a rollback');
is(as('analyst_fujita', 'prepare x as select count(*) from p_2.lab; explain select * from p_2.lab; select count(*) from p2026_017.lab') =~ /40$/,
	1, 'PREPARE and EXPLAIN do not bind it');
ok($node->poll_query_until('niji', "select count(*) >= 2 from niji.trail where kind = 'denied' and \"session_user\" = 'analyst_fujita'"),
	'attempts are entries of the trail');

# ---- plans sent to the client ----
(undef, $err) = as('analyst_fujita', 'set debug_print_plan = on; set client_min_messages = log; select * from p2026_017.lab');
like($err, qr/permission denied/, 'with client_min_messages below notice nothing is read');
unlike($err, qr/plan_rows/, 'and no plan is shown');

# ---- closing while a reader has a cursor open ----
my $reader = $node->background_psql('niji', extra_params => [ '-U', 'analyst_fujita' ], on_error_stop => 0);
$reader->query_safe('begin; declare c cursor for select pid from p2026_017.lab; fetch 1 from c;');
my (undef, undef, $warning) = $node->psql('niji', "select niji.close_permit('P2026-017', 'over')");
like($warning, qr/objects of permit "P2026-017" are still there/, 'an open transaction does not hold up the closing of a permit');
$reader->query('fetch 1 from c;');
like($reader->{stderr}, qr/permission denied to read under permit "P2026-017"/, 'and its cursor gives nothing any more');
$reader->quit;
is($node->safe_psql('niji', "select count(*) from niji.check_protection() where finding like 'it is closed%'"), '1', 'check_protection() says that objects are left');
$node->safe_psql('niji', "select niji.close_permit('P2026-017', 'over')");
is($node->safe_psql('niji', "select to_regnamespace('p2026_017') is null"), 't', 'closing it again removes them');

# ---- DROP EXTENSION ----
for my $statement ('drop extension niji', 'drop extension niji cascade', 'drop schema niji cascade')
{
	($code, undef, $err) = $node->psql('niji', $statement);
	isnt($code, 0, "$statement is refused");
}
like($err, qr/cannot drop niji while it holds/, 'and says why');

# ---- without preload ----
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
($code, undef, $err) = $node->psql('niji', 'drop extension niji cascade');
like($err, qr/cannot drop niji while it holds/, 'DROP EXTENSION is refused without preload too');
($code, undef, $err) = $node->psql('niji', "set session authorization governance_abe; select niji.apply_permit('P3', 't', 'tohoku-lab', 'research', current_date, current_date)");
like($err, qr/shared_preload_libraries = 'niji'/, 'without preload nothing is applied for, and the line to add is named');
($code, undef, $err) = $node->psql('niji', "set session authorization governance_abe; select niji.grant_permit('P-2')");
isnt($code, 0, 'nor granted');
($out, $err) = as('analyst_fujita', 'select count(*) from p_2.lab');
like($err, qr/ERROR/, 'and nothing is read');
is($out, '', 'not a row');

# ---- another database ----
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'niji'\nniji.database = 'elsewhere'");
$node->restart;
refused('analyst_fujita', 'select count(*) from p_2.lab', '55000', 'in a database that niji does not protect nothing is read');
refused('postgres', 'select count(*) from warehouse.lab', '55000', 'not by superusers either');

# ---- without keys ----
$node->append_conf('postgresql.conf', "niji.database = 'niji'\nniji.key_source = ''");
$node->restart;
refused('analyst_fujita', 'select count(*) from p_2.lab', '55000', 'without a master key nothing is read');
refused('stranger', 'select count(*) from p_2.lab', '42501', 'which is told to readers only');

# ---- forced ----
$node->append_conf('postgresql.conf', 'niji.allow_drop = on');
$node->restart;
is($node->psql('niji', 'drop extension niji cascade'), 0, 'with niji.allow_drop it is dropped');
($code, $out, $err) = $node->psql('niji', 'create extension niji');
is($code, 0, 'and can be created again');
is($err, '', 'without a warning where niji protects');
(undef, undef, $err) = $node->psql('postgres', 'create extension niji');
like($err, qr/WARNING:  niji does not protect this database.*HINT:  niji.database .*"niji"/s, 'in another database it warns');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
(undef, undef, $err) = $node->psql('template1', 'create extension niji');
like($err, qr/WARNING:  niji is not loaded by the server.*HINT:  Set shared_preload_libraries = 'niji'/s, 'and without preload');

done_testing();
