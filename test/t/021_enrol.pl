# Enrolment by several sessions, over crashes, and what the log gets to see.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use NijiTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = NijiTest::node('enrol', 'max_prepared_transactions' => 2, 'log_statement' => 'none');
my $count = 'select count(*), count(distinct person) from niji.identifier';

# ---- many sessions, the same new identifiers, alone and in batches that overlap ----
$node->safe_psql('niji', 'create table seen (identifier text, person niji.person)');
my $one = $node->basedir . '/one.sql';
append_to_file($one, <<'END');
\set i random(1, 200)
insert into seen select i, niji.enrol('patient', i) from (select '0110113719:' || :i) as v(i);
END
my $batch = $node->basedir . '/batch.sql';
append_to_file($batch, <<'END');
\set i random(1, 200)
insert into seen select u.i, u.p from (select array(select '0110113719:' || i from generate_series(:i, :i + 20) i order by random()) as a) as v, lateral unnest(v.a, niji.enrol_batch('patient', v.a)) as u(i, p);
END
$node->command_ok([ 'pgbench', '-n', '-c', '8', '-t', '60', '-f', $one, '-f', $batch, '-h', $node->host, '-p', $node->port, 'niji' ],
	'eight sessions enrol the same people');
is($node->safe_psql('niji', 'select count(*) from (select identifier from seen group by 1 having count(distinct person) > 1) x'),
	'0', 'each identifier gave one person, to whoever asked');
is($node->safe_psql('niji', 'select count(distinct identifier) = count(distinct person) from seen'),
	't', 'and each person has one identifier');
is($node->safe_psql('niji', 'select count(*) = (select count(distinct identifier) from seen) from niji.identifier'),
	't', 'each is stored once');

# ---- a transaction that is undecided (test/specs/identity_enrol.spec has two sessions step by step) ----
$node->safe_psql('niji', "begin; select niji.enrol('patient', '0110113719:P'); prepare transaction 'p'");
my ($code, $out, $err) = $node->psql('niji', "set lock_timeout = '200ms'; select niji.enrol('patient', '0110113719:P')");
like($err, qr/canceling statement due to lock timeout/, 'an uncommitted enrolment is waited for');
$node->safe_psql('niji', "rollback prepared 'p'");
like($node->safe_psql('niji', "select niji.enrol('patient', '0110113719:P')"), qr/^\d+$/, 'if it rolls back, the other goes ahead');

# ---- numbers ----
my $batch_of = sub {
	my ($from, $to) = @_;
	return "select count(*) from unnest(niji.enrol_batch('registry', array(select 'r:' || i from generate_series($from, $to) i)))";
};
is($node->safe_psql('niji', $batch_of->(1, 10000)), '10000', 'a batch over several blocks');
$node->safe_psql('niji', 'begin; ' . $batch_of->(10001, 10100) . '; rollback');
$node->stop('immediate');
$node->start;
is($node->safe_psql('niji', $batch_of->(10001, 15000)), '5000', 'after a crash');
$node->restart;
is($node->safe_psql('niji', $batch_of->(15001, 20000)), '5000', 'after a restart');
is($node->safe_psql('niji', 'select count(*) = count(distinct person) from niji.identifier'), 't', 'no number was given twice');
is($node->safe_psql('niji', 'select count(*) from niji.identifier where person::text::int < 1'), '0', 'numbers start at 1');
my $ordered = $node->safe_psql('niji',
	'select avg((person::text::int > before)::int) between 0.4 and 0.6 from (select person, lag(person::text::int) over (order by ctid) as before from niji.identifier where kind = 4) x');
is($ordered, 't', 'their order tells nothing about the order of enrolment');

# a new life of the extension must not meet blocks of the old one
$node->safe_psql('niji', 'drop table seen');
$node->append_conf('postgresql.conf', 'niji.allow_drop = on');
$node->reload;
$node->poll_query_until('niji', "select current_setting('niji.allow_drop') = 'on'");
$node->safe_psql('niji', 'drop extension niji cascade; create extension niji');
$node->safe_psql('niji', $batch_of->(1, 6000));
is($node->safe_psql('niji', 'select count(*) = count(distinct person), max(person::text::int) <= 8192 from niji.identifier'),
	't|t', 'after DROP and CREATE EXTENSION numbers begin anew, and none is given twice');

# ---- rollback, subtransactions, errors ----
is( $node->safe_psql('niji', q{
	create temporary table t (p text);
	begin;
	savepoint s;
	insert into t select niji.enrol('patient', '0110113719:S')::text;
	rollback to s;
	select niji.find_person('patient', '0110113719:S') is null;
	commit;}), 't', 'a savepoint takes an enrolment back');

# ---- the log ----
my $secret = '0110113719:TELLTALE';
my $offset = -s $node->logfile;
for my $query (
	"select niji.enrol('patient', '$secret:x')",
	"select niji.enrol_batch('patient', array['$secret', '$secret:x'])",
	"select niji.find_person('patient', '$secret:x')",
	"select niji.normalize_identifier('patient', '$secret:x')",
	"select niji.enrol('$secret', 'patient')",
	"select niji.check_identifier('$secret', 'patient')",
	"do \$\$ begin perform niji.enrol('patient', '$secret:x'); end \$\$",
	"select niji.enrol_batch('patient', array['$secret'], max_new => 0)")
{
	($code, $out, $err) = $node->psql('niji', $query);
	isnt($code, 0, "refused: $query");
	unlike($err, qr/(ERROR|DETAIL|HINT):.*TELLTALE/, '... without repeating the identifier');
}
# also errors that come from elsewhere while it runs
($code, $out, $err) = $node->psql('niji', "begin read only; select niji.enrol('patient', '$secret')");
like($err, qr/read-only transaction/, 'refused in a read-only transaction');
$node->psql('niji', "select 1/0 as telltale_of_ordinary_errors");
my $log = substr(slurp_file($node->logfile), $offset);
unlike($log, qr/TELLTALE/, 'the server\'s log has no statement with an identifier');
like($log, qr/telltale_of_ordinary_errors/, 'though it has others');

$node->stop;
done_testing();
