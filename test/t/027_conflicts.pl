# What insured numbers came with: through a rotation of the key, through pg_dump
# and restore, under load by many sessions, and nowhere in clear.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run ();
use NijiTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = NijiTest::node('conflicts', 'log_statement' => 'none');

sub conflicts
{
	my ($server) = @_;
	return ($server // $node)->safe_psql('niji', q{select string_agg(source || ' ' || n, ', ' order by source) from (select source, count(*) as n from niji.identity_conflicts group by 1) c});
}

# numbers first to last, all of one month of birth
sub enrol
{
	my ($server, $first, $last, $month, $source) = @_;
	$server->safe_psql('niji', qq{select cardinality(niji.enrol_batch('insured',
		array(select '06139992:1:' || i || ':01:$month-15:1' from generate_series($first, $last) i), '$source'))});
	return;
}

# ---- many sessions: who differs is told once, and no batch is lost ----
my @runs;
for my $i (1 .. 4)
{
	my $file = $node->basedir . "/load-$i.sql";
	my $month = $i % 2 ? '1987-06' : '1987-07';
	append_to_file($file, join('', map { my $n = $_ * 250; qq{select cardinality(niji.enrol_batch('insured',
		array(select '06139992:1:' || i || ':01:$month-15:1' from generate_series($n + 1, $n + 250) i order by random()), 'load'));\n} } 0 .. 7));
	push @runs, IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('niji'), '-f', $file ],
		'<', \undef, '>', \my $out, '2>', \my $err);
}
is((scalar grep { !IPC::Run::finish($_) } @runs), 0, 'four sessions enrol the same two thousand, with two months of birth');
is(conflicts(), 'load 2000', 'each disagrees once');
is($node->safe_psql('niji', q{select count(*) filter (where first), count(*) filter (where not first), count(distinct digest) from niji.identifier_attribute}),
	'2000|2000|2000', 'of each the first is kept, and the other');

# ---- an error takes all of it back ----
$node->psql('niji', q{begin; select cardinality(niji.enrol_batch('insured', array(select '06139992:1:' || i || ':01:1988-01-15:1' from generate_series(1, 200) i), 'gone')); rollback});
is(conflicts(), 'load 2000', 'a batch that is rolled back has told nothing');

# ---- a new generation, before and after its rotation ----
enrol($node, 3001, 3200, '1987-06', 'first');
NijiTest::make_keys($node, 2);
NijiTest::wait_for_writer($node);
$node->reload;
$node->poll_query_until('niji', q{select state = 'current' from niji.key_status() where generation = 2}) or die;
enrol($node, 3001, 3200, '1987-06', 'same');
enrol($node, 3001, 3100, '1987-08', 'other');
enrol($node, 3001, 3100, '1987-08', 'other again');
enrol($node, 3201, 3300, '1987-06', 'second generation');
is(conflicts(), 'load 2000, other 100', 'under a new generation of the key they are compared with the old one\'s');
is($node->safe_psql('niji', q{select generation, count(*) from niji.identifier_attribute group by 1 order by 1}), "1|4200\n2|200",
	'what is new is stored under the new one');
$node->safe_psql('niji', q{create table kept as select source, first, seen_at, count(*) as n from niji.identifier_attribute group by 1, 2, 3});
$node->safe_psql('niji', 'call niji.rotate_identity_key(300)');
is($node->safe_psql('niji', q{select generation, count(*) from niji.identifier_attribute group by 1}), '2|4400',
	'a rotation carries the others too');
is($node->safe_psql('niji', q{select count(*) from (select source, first, seen_at, count(*) from niji.identifier_attribute group by 1, 2, 3 except select * from kept) d}), '0',
	'as they were');
is($node->safe_psql('niji', q{select count(*) from niji.identifier_attribute a left join niji.identifier i using (kind, generation, digest) where i.digest is null}), '0',
	'each beside the digest of its identifier');
enrol($node, 1, 2000, '1987-06', 'june');
enrol($node, 1, 2000, '1987-07', 'july');
enrol($node, 3001, 3300, '1987-06', 'june');
enrol($node, 3001, 3100, '1987-08', 'august');
is(conflicts(), 'load 2000, other 100', 'what was told is not told again');
enrol($node, 3001, 3050, '1987-09', 'september');
is(conflicts(), 'load 2000, other 100, september 50', 'and what is new is');

# ---- a third generation, over two at once ----
NijiTest::make_keys($node, 3);
$node->reload;
$node->poll_query_until('niji', q{select state = 'current' from niji.key_status() where generation = 3}) or die;
enrol($node, 3001, 3050, '1987-10', 'october');
$node->safe_psql('niji', 'call niji.rotate_identity_key()');
enrol($node, 3001, 3050, '1987-10', 'october again');
enrol($node, 3001, 3300, '1987-06', 'june');
enrol($node, 3001, 3100, '1987-08', 'august');
is(conflicts(), 'load 2000, october 50, other 100, september 50', 'so it is after the next rotation');

# ---- dump and restore ----
my $dump = $node->basedir . '/niji.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, 'niji' ], 'pg_dump');
my $text = slurp_file($dump);
like($text, qr/COPY niji\.identifier_attribute/, 'the dump has what was kept');
unlike($text, qr/1987-|\b1987(0[6-9]|10)15\b/, 'no month of birth is in it, however written');
unlike($text, qr/06139992/, 'and no number');
my $new = NijiTest::node('new', '-extension' => 0, 'niji.key_source' => 'file:' . NijiTest::key_dir($node));
$new->run_log([ 'psql', '-X', '-q', '-d', $new->connstr('niji'), '-f', $dump ]);
NijiTest::forget_anchor($new);
is(conflicts($new), 'load 2000, october 50, other 100, september 50', 'restored, the conflicts are there');
enrol($new, 1, 2000, '1987-07', 'july');
enrol($new, 3001, 3050, '1987-09', 'september');
enrol($new, 3201, 3210, '1987-09', 'restored');
is(conflicts($new), 'load 2000, october 50, other 100, restored 10, september 50', 'and what comes next is compared with what was there');

unlike(slurp_file($node->logfile), qr/1987-\d\d|06139992/, 'the log has none of it');
$node->stop;
$new->stop;
done_testing();
