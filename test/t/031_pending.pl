# Changes and acts wait until their transaction commits, in whatever order that
# happens, and get their place once; what the writer did and had not on disk yet when the server
# ended is done again.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use NijiTest;

my $node = NijiTest::node('pending', 'max_prepared_transactions' => 4, 'autovacuum' => 'off');
$node->safe_psql('niji', q{create table kept (id bigint generated always as identity, note text);
	select niji.audit_changes('kept', 'rows')});

# notes that have a place in the trail, each as often as it has one
sub told
{
	$node->safe_psql('niji', 'select niji.seal_trail()');
	return $node->safe_psql('niji', q{select coalesce(string_agg(r -> 'new' ->> 'note', ' ' order by r -> 'new' ->> 'note'), '')
		from niji.entry e, niji.read_cbor(e.private_part) p, jsonb_array_elements(p -> 'rows') r
		where niji.read_cbor(e.header) ->> 'kind' = 'change'});
}

sub insert { $node->safe_psql('niji', "insert into kept (note) values ('$_[0]')"); return }

# an older transaction commits after a younger one was moved
my $old = $node->background_psql('niji');
$old->query_safe("begin; insert into kept (note) values ('a-old')");
insert('b-young');
is(told(), 'b-young', 'what committed has its place, what did not has none');
insert("c-younger");
is(told(), 'b-young c-younger', 'again');
$old->query_safe('commit');
is(told(), 'a-old b-young c-younger', 'an older transaction that commits later is not passed by');
$old->query_safe("begin; insert into kept (note) values ('x-undone'); savepoint s; insert into kept (note) values ('x-undone'); rollback to s");
insert('d');
$old->query_safe('rollback');
$old->quit;
is(told(), 'a-old b-young c-younger d', 'what was rolled back has no place');

# a prepared transaction, over a restart
$node->safe_psql('niji', q{begin; insert into kept (note) values ('e-prepared'); prepare transaction 'later'});
insert('f');
is(told(), 'a-old b-young c-younger d f', 'a prepared transaction waits');
$node->restart;
insert('g');
is(told(), 'a-old b-young c-younger d f g', 'also over a restart');
$node->safe_psql('niji', q{commit prepared 'later'});
is(told(), 'a-old b-young c-younger d e-prepared f g', 'and has its place once it commits');

# more than one batch holds, in one transaction
$node->safe_psql('niji', q{do $$ begin for i in 1 .. 2500 loop insert into kept (note) values ('h'); end loop; end $$});
is(told(), 'a-old b-young c-younger d e-prepared f g' . ' h' x 2500, 'more entries than a batch are all moved, once');

# the writer does not read again the blocks that it is done with, and yet finds what comes into them
my $all = told();
sub blocks { return $node->safe_psql('niji', q{select pg_relation_size('niji.pending_entry') / 8192}) }
cmp_ok(blocks(), '>', 20, 'what waited fills some blocks');
$old = $node->background_psql('niji');
$old->query_safe("begin; insert into kept (note) values ('h-last')");
insert('h-a');
is(told(), "$all h-a", 'one stays open at the end');
told() for 1 .. 2;
$node->safe_psql('niji', 'vacuum niji.pending_entry');
cmp_ok(blocks(), '>', 20, 'VACUUM leaves the blocks, and room in them');
insert('h-b');
is(told(), "$all h-a h-b",
	'what comes into the room that VACUUM made is moved');
$old->query_safe('commit');
$old->quit;
is(told(), "$all h-a h-b h-last", 'and what was open when its block was looked at');

# rows that come by SQL, as those of a restored dump do; a deleted one's place may be taken by it
$old = $node->background_psql('niji');
$old->query_safe("begin; insert into kept (note) values ('h-last')");
told() for 1 .. 3;
$node->safe_psql('niji', 'vacuum niji.pending_entry');
$node->safe_psql('niji', q{insert into niji.pending_entry (id, xid, header, salt) select 1, '3', header, salt from niji.entry where header like '%INSERT%' order by seq limit 1});
$node->safe_psql('niji', 'select niji.move_trail()');
is($node->safe_psql('niji', 'select count(*) from niji.pending_entry'), '0', 'rows that come by SQL are moved');
$old->query_safe('rollback');
$old->quit;

# the table gets another file, with the rows in other blocks
my $writer = $node->safe_psql('niji', q{select pid from pg_stat_activity where backend_type = 'niji writer'});
$node->safe_psql('niji', 'do $$ begin for i in 1 .. 500 loop insert into kept (note) values (null); end loop; end $$');
$node->safe_psql('niji', 'select niji.move_trail()') for 1 .. 3;
kill 'STOP', $writer;
insert('h-moved');
$node->safe_psql('niji', 'vacuum full niji.pending_entry');
kill 'CONT', $writer;
is(told(), "$all h-a h-b h-last h-moved", 'also over VACUUM FULL');
$all = told();

# a table that somebody holds makes the writer fail for a while
my $holder = $node->background_psql('niji');
$holder->query_safe('begin; lock table niji.entry in access exclusive mode');
my $from = -s $node->logfile;
insert('i');
for (1 .. 150)
{
	last if slurp_file($node->logfile, $from) =~ /lock timeout/;
	select(undef, undef, undef, 0.1);
}
like(slurp_file($node->logfile, $from), qr/lock timeout/, 'a writer that cannot go on says so');
$holder->query_safe('rollback');
$holder->quit;
insert('j');
is(told(), "$all i j", 'and takes up after the error what it had not moved');

# the server ends while changes are being moved: each has one place, whatever was on disk
my $script = PostgreSQL::Test::Utils::tempdir . '/insert';
PostgreSQL::Test::Utils::append_to_file($script, "insert into kept (note) values ('k');\n");
for my $round (1 .. 3)
{
	my $bench = IPC::Run::start([ 'pgbench', '-n', '-c', 4, '-T', 20, '-h', $node->host, '-p', $node->port, '-f', $script, 'niji' ],
		'>', '/dev/null', '2>', '/dev/null');
	select(undef, undef, undef, 0.7);
	$node->stop('immediate');
	$bench->finish;
	$node->start;
}
$node->safe_psql('niji', 'select niji.seal_trail()');
is( $node->safe_psql('niji', q{select (select count(*) from niji.entry where niji.read_cbor(header) ->> 'kind' = 'change') - (select count(*) from kept)}),
	'1', 'after crashes there is an entry for each row that was kept, beside the one that was copied');
cmp_ok($node->safe_psql('niji', 'select count(*) from kept'), '>', 2510, 'and there were rows');
is($node->safe_psql('niji', 'select count(*) from niji.pending_entry'), '0', 'nothing waits');
is($node->safe_psql('niji', 'select * from niji.verify_trail()'), '', 'and the trail is intact');
$node->stop;

done_testing();
