# Bulk enrolment of a table in bounded memory, its resumption after a crash, and
# links, merges and splits through pg_dump and restore.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use IPC::Run;
use NijiTest;

my $node = NijiTest::node('link', 'max_wal_size' => '4GB', 'log_statement' => 'none');

# ---- a table of 200 000 rows: memory does not grow with it ----
$node->safe_psql('niji', q{
	create table visit (id int, number text, person niji.person, why text) with (autovacuum_enabled = off);
	insert into visit select i, '0110113719:' || i from generate_series(1, 200000) i;
	create function context_size() returns bigint language sql as
		'select sum(total_bytes)::bigint from pg_backend_memory_contexts';});
my $sizes = $node->safe_psql('niji', q{
	call niji.enrol_table('visit', 'number', 'person', 'patient', batch_size => 20000);
	select context_size();
	insert into visit select i, '0110113719:' || i from generate_series(200001, 400000) i;
	call niji.enrol_table('visit', 'number', 'person', 'patient', batch_size => 20000);
	select context_size();});
my @lines = split /\n/, $sizes;
is($lines[0], '200000|200000|0', 'two hundred thousand rows are given new persons');
is($lines[2], '200000|200000|0', 'and as many more');
cmp_ok($lines[3], '<', $lines[1] + 4 * 1024 * 1024, 'without keeping memory for them');
is($node->safe_psql('niji', 'select count(distinct person) from visit where person is not null'),
	'400000', 'each is somebody else');
my $peak = $node->safe_psql('niji', q{
	update visit set person = null;
	call niji.enrol_table('visit', 'number', 'person', 'patient', batch_size => 20000);
	select (regexp_match(pg_read_file('/proc/' || pg_backend_pid() || '/status'), 'RssAnon:\s*(\d+)'))[1]::int;});
@lines = split /\n/, $peak;
is($lines[0], '400000|0|0', 'who is known is known');
cmp_ok($lines[1], '<', 200 * 1024, 'the backend has stayed small (kB)');

# ---- a crash in the middle ----
$node->safe_psql('niji', 'update visit set person = null; vacuum full visit');
my ($in, $out, $timer) = ('', '', IPC::Run::timeout(180));
my $handle = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('niji') ], '<', \$in, '>', \$out, '2>', \$out, $timer);
$in .= "call niji.enrol_table('visit', 'number', 'person', 'patient', batch_size => 2000);\n";
$handle->pump_nb;
ok($node->poll_query_until('niji', q{select exists (select from niji.enrol_progress where state = 'running' and persons between 1 and 390000)}),
	'it is under way');
$node->stop('immediate');
$handle->kill_kill;
$node->start;
is($node->safe_psql('niji', q{select state from niji.enrol_progress order by id desc limit 1}),
	'interrupted', 'after a crash the run is known to be interrupted');
my $left = $node->safe_psql('niji', 'select count(*) from visit where person is null');
cmp_ok($left, '<', 400000, 'what was committed is there');
is($node->safe_psql('niji', q{call niji.enrol_table('visit', 'number', 'person', 'patient')}),
	"$left|0|0", 'called again it does the rest, and nobody is new');

# ---- many sessions, the same new people ----
my @handles;
my @outputs;
for my $i (0 .. 3)
{
	$outputs[$i] = '';
	push @handles, IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('niji'), '-c',
			q{create temporary table t as select u.p, u.o from unnest(niji.enrol_batch('registry', array(select 'r:' || i from generate_series(1, 5000) i))) with ordinality u (p, o);
			  select md5(string_agg(p::text, ',' order by o)) from t} ], '>', \$outputs[$i], '2>', \$outputs[$i]);
}
$_->finish for @handles;
chomp @outputs;
is(scalar(@outputs), 4, 'four sessions enrol the same five thousand');
is((scalar grep { $_ eq $outputs[0] } @outputs), 4, '... and are given the same persons');
is($node->safe_psql('niji', 'select count(*), count(distinct person) from niji.identifier where kind = 4'),
	'5000|5000', '... of whom each is stored once');

# ---- dump and restore ----
$node->safe_psql('niji', q{
	create table lab (id int primary key, person niji.person, value int);
	select niji.register_holder('h', 'h', 'insurer');
	select niji.register_dataset('lab', 'lab', array['person']::name[], 'h', 'ehr', 'law');
	insert into lab select i, niji.find_person('registry', 'r:' || i) from generate_series(1, 10) i;
	select niji.link_identifier(niji.find_person('registry', 'r:1'), 'patient', '0110113719:old', valid_during => '[2020-01-01,2021-01-01)');
	select niji.link_identifier(niji.find_person('registry', 'r:2'), 'patient', '0110113719:old', valid_during => '[2021-01-01,)');
	select niji.record_consent(niji.find_person('registry', 'r:4'), 'deny');
	select niji.merge_persons(niji.find_person('registry', 'r:3'), niji.find_person('registry', 'r:4'), 'same');
	call niji.move_rows();});
my $merge = $node->safe_psql('niji', 'select max(id) from niji.person_merges');
my $dump = $node->basedir . '/niji.dump';
my $roles = $node->basedir . '/roles.sql';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'niji' ], 'pg_dump');
$node->command_ok([ 'pg_dumpall', '--roles-only', '-f', $roles ], 'pg_dumpall --roles-only');
my $new = NijiTest::node('new', '-extension' => 0, 'niji.key_source' => 'file:' . NijiTest::key_dir($node));
$new->run_log([ 'psql', '-X', '-q', '-f', $roles, 'postgres' ]);
$new->run_log([ 'pg_restore', '-d', 'niji', $dump ]);
NijiTest::forget_anchor($new);
for my $query (
	q{select niji.find_person('patient', '0110113719:old', '2020-06-01') = niji.find_person('registry', 'r:1')},
	q{select niji.find_person('patient', '0110113719:old', '2022-06-01') = niji.find_person('registry', 'r:2')},
	q{select niji.find_person('registry', 'r:4') = niji.find_person('registry', 'r:3')},
	q{select count(*) = 2 from lab where person = niji.find_person('registry', 'r:3')})
{
	is($new->safe_psql('niji', $query), 't', "restored: $query");
}
is($new->safe_psql('niji', qq{select niji.undo_merge($merge, 'restored'); select niji.find_person('registry', 'r:4') <> niji.find_person('registry', 'r:3')}),
	"\nt", 'a merge can be undone after a restore');
is($new->safe_psql('niji', q{select count(*) = 1 from lab where person = niji.find_person('registry', 'r:4')}),
	't', '... and its rows go back');

# ---- the log ----
my $offset = -s $node->logfile;
for my $query (
	q{select niji.link_identifier('1', 'patient', '0110113719:TELLTALE:x')},
	q{select niji.link_identifier(niji.find_person('registry', 'r:1'), 'patient', '0110113719:TELLTALE', confidence => 7)},
	q{select niji.split_person(niji.find_person('registry', 'r:1'), array[['patient', '0110113719:TELLTALE']], 'x')})
{
	my ($code, $stdout, $stderr) = $node->psql('niji', $query);
	isnt($code, 0, "refused: $query");
	unlike($stderr, qr/(ERROR|DETAIL|HINT):.*TELLTALE/, '... without repeating the identifier');
}
unlike(substr(slurp_file($node->logfile), $offset), qr/TELLTALE/, 'nor does the log have it');

$node->stop;
$new->stop;
done_testing();
