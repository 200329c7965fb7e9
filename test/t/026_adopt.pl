# Adoption goes on after a crash, and while others write.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run ();
use NijiTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = NijiTest::node('adopt', 'log_min_messages' => 'warning');
$node->safe_psql('niji', q{
create role loader_kato login;
create role app login;
select niji.grant_duty('loader', 'loader_kato');
create schema old authorization loader_kato;
grant usage on schema old to app;
set session authorization loader_kato;
create table old.visit (id int primary key, number text, n int not null default 0);
insert into old.visit select i, 'SECRET:' || i, 0 from generate_series(1, 60000) i;
grant all on old.visit to app;
});

my $call = sub {
	my ($more) = @_;
	return "call niji.adopt('old.visit', 'number', 'registry', 600" . ($more // '') . ')';
};
my $state = "select state from niji.adoptions where relation = 'old.visit'::regclass";

# ---- killed in the middle ----
my ($in, $out, $err) = ('', '', '');
my $session = IPC::Run::start([ 'psql', '-X', '-q', '-U', 'loader_kato', '-d', $node->connstr('niji'), '-c', $call->() ], \$in, \$out, \$err, IPC::Run::timeout(120));
ok($node->poll_query_until('niji', 'select count(*) = 1 from niji.adoption where adopted between 5000 and 40000'), 'an adoption is on its way');
$node->stop('immediate');
eval { $session->finish };
$node->start;
NijiTest::wait_for_writer($node);
is($node->safe_psql('niji', $state), 'running', 'the crash left it running');
my $before = $node->safe_psql('niji', 'select count(person) from old.visit');
cmp_ok($before, '>', 0, 'with what was committed');
cmp_ok($before, '<', 60000, 'and not all');

# ---- it goes on, while others write ----
my $writes = $node->basedir . '/writes.sql';
append_to_file($writes, <<'END');
\set i random(1, 60000)
\set j random(100000, 100000000)
update old.visit set n = n + 1 where id = :i;
update old.visit set number = 'SECRET:' || :j where id = :i;
insert into old.visit values (:j, 'SECRET:' || :j) on conflict do nothing;
END
my ($pin, $pout, $perr) = ('', '', '');
my $pgbench = IPC::Run::start([ 'pgbench', '-n', '-c', '2', '-T', '6', '-U', 'app', '-f', $writes, '-h', $node->host, '-p', $node->port, 'niji' ], \$pin, \$pout, \$perr, IPC::Run::timeout(120));
$node->safe_psql('niji', $call->(), extra_params => [ '-U', 'loader_kato' ]);
is($node->safe_psql('niji', $state), 'adopted', 'called again, it comes to its end while others write');
cmp_ok($node->safe_psql('niji', 'select max(adopted) from niji.adoption'), '>=', 60000, 'each row was done');
ok($pgbench->finish, 'and no write of theirs failed');
unlike($pout . $perr, qr/ERROR/, 'nor was refused');

# ---- the columns go ----
$node->safe_psql('niji', $call->(", drop_columns => '{number}'"), extra_params => [ '-U', 'loader_kato' ]);
is($node->safe_psql('niji', $state), 'proved', 'the column is dropped, and nothing is left');
is($node->safe_psql('niji', 'select count(*) from old.visit where person is null'), '0', 'every row has a person');
is( $node->safe_psql('niji',
		"select count(*) from old.visit v where n = 0 and id <= 60000 and person <> niji.find_person('registry', 'SECRET:' || id) and not exists (select from old.visit w where w.id > 60000 and w.person = v.person)"),
	'0', 'those that nobody changed the right one');

# ---- no identifier anywhere ----
unlike(slurp_file($node->logfile), qr/SECRET:\d/, 'no identifier is in the server log');
$node->safe_psql('niji', 'select niji.move_trail()');
is($node->safe_psql('niji', "select count(*) from niji.trail where header::text like '%SECRET:%' or private::text like '%SECRET:%'"), '0', 'nor in the trail');

# ---- dump and restore ----
my $dump = $node->basedir . '/niji.dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'niji' ], 'pg_dump');
my $new = NijiTest::node('new', '-extension' => 0, 'niji.key_source' => 'file:' . NijiTest::key_dir($node));
$new->safe_psql('postgres', 'create role loader_kato login; create role app login');
$new->command_ok([ 'pg_restore', '-d', 'niji', $dump ], 'pg_restore');
NijiTest::forget_anchor($new);
is($new->safe_psql('niji', $state), 'proved', 'what was adopted is known after a restore');

done_testing();
