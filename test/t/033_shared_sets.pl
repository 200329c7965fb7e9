# Consent sets in shared memory: one for many permits, one of its own where many
# consents name a permit, bounded, given up when unused, built again by a keeper
# that was killed; and the answer is the same without them.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use NijiTest;
use Test::More;

my $node = NijiTest::node('sets', 'niji.consent_memory' => '8MB');

$node->safe_psql('niji', q{
	insert into niji.holder (code, name, kind) values ('city', 'city', 'medical_institution'), ('town', 'town', 'medical_institution');
	insert into niji.applicant (code, name, kind) values ('lab', 'lab', 'society');
	create table one (person niji.person);
	create table two (person niji.person, holder int);
	insert into niji.dataset (name, relation, person_columns, holder, holder_column, category, legal_basis, changes) values
		('one', 'one', '{person}', 1, null, 'ehr', 'law', 'auto'),
		('two', 'two', '{person}', null, 'holder', 'ehr', 'law', 'auto');
	insert into niji.permit (code, title, applicant, purpose, state, domain, valid_from, valid_until, schema_name, granted_at)
		select 'R-' || n, 'r', 1, 'research', 'granted', 1, '2020-01-01', '2099-12-31', 'r_' || n, now() from generate_series(1, 300) n;
	insert into niji.permit_data (permit, dataset, columns) select n, 1, '{person}' from generate_series(1, 300) n;
	insert into niji.permit_data (permit, dataset, columns) values (1, 2, '{person}');
	create function p(n int) returns niji.person language sql immutable as $$ select n::text::niji.person $$;
	create function seen(permit int) returns bigint language sql as
		$$ select count(*) from generate_series(1, 1000) n where niji.permitted(p(n), permit, 1) $$;
	create function deny(first int, last int, permit int default null, step int default 1) returns void language sql as
		$$ insert into niji.consent (person, decision, permit, effective_from, declared_by)
			select p(n), 'deny', permit, now(), 'self' from generate_series(first, last, step) n $$;
	select niji.set_rule('ehr', 'research', 'opt_out');
	select deny(1, 100);
});
sub keeper { return $node->poll_query_until('niji', q{select exists (select from pg_stat_activity where backend_type = 'niji keeper')}) }
sub value { my ($sql) = @_; return $node->safe_psql('niji', $sql) =~ s/\s+/,/gr }
# what a session says of its sets
sub notes { my ($sql) = @_; my $err = ''; $node->psql('niji', "set client_min_messages = debug1; $sql", stderr => \$err); return $err }

ok(keeper(), 'the keeper runs');
is(value('select sum(seen(n)) from generate_series(1, 300) n'), 900 * 300, 'three hundred permits are answered');
is(value('select count(*), max(readers) from niji.consent_sets where permit is null and dataset is null and holder is not null'), '1|0',
	'by one shared set, which no session holds when it has ended');
like(notes('select seen(7)'), qr/begun with a shared one, 0 persons decided/, 'a new session begins with it');

# a few consents name a permit: they are decided on top
value('select deny(201, 210, 7)');
like(notes('select seen(7)'), qr/begun with a shared one, 10 persons decided/, 'ten persons who object to one permit are decided by the session');
is(value('select seen(7); select seen(8)'), '890,900', 'and hidden from that permit alone');

# their moments are known as well: an objection to one permit that begins by itself
value(q{insert into niji.consent (person, decision, permit, effective_from, declared_by) values (p(211), 'deny', 7, clock_timestamp() + interval '12 seconds', 'self')});
sleep 3;
is(value('select seen(7); select pg_sleep(12); select seen(7)'), '890,889', 'a session that began with the shared set obeys a later moment of a consent that names the permit');

# many do: the permit gets a set of its own
value('select deny(301, 900, 9)');
is(value('select seen(9); select seen(8)'), '300,900', 'six hundred who object to one permit are hidden from it alone');
is(value('select permit, dataset, state from niji.consent_sets where permit is not null'), 'R-9|one|ready', 'by a set of the permit\'s own');
like(notes('select seen(9)'), qr/begun with a shared one, 0 persons decided/, 'of which nothing is left to be decided');

# a session's first plan is made before it has a set of its own
value('insert into one select p(n) from generate_series(1, 1000) n; analyze one');
sub estimate { my ($permit) = @_; my ($rows) = $node->safe_psql('niji', "explain select from one where niji.permitted(person, $permit, 1)") =~ /rows=(\d+)/; return $rows }
is(estimate(8), 900, 'the first plan of a session looks at the shared set of the rule');
is(estimate(9), 300, 'or at that of the permit');
is(estimate(999), 950, 'of a permit that does not exist nothing is known, and planning raises nothing');

# the holder is the row's
value(q{insert into niji.consent (person, decision, category, holder, effective_from, declared_by) values (p(501), 'deny', 'ehr', 2, now(), 'self'), (p(502), 'deny', 'ehr', 1, now(), 'self'), (p(502), 'deny', 'ehr', 2, now(), 'self')});
my $holders = q{select string_agg(niji.permitted(p(n), 1, 2, h)::text, ' ' order by n, h) from generate_series(501, 503) n, generate_series(1, 3) h};
my $answers = 'true false true false false true true true true';
is($node->safe_psql('niji', $holders), $answers, 'persons whose answer depends on the holder are asked for');
sleep 3;
is($node->safe_psql('niji', $holders), $answers, 'also when the shared set has them');
value(q{insert into niji.consent (person, decision, category, holder, effective_from, declared_by) values (p(502), 'permit', 'ehr', 2, now(), 'self')});
is($node->safe_psql('niji', $holders), 'true false true false true true true true true', 'and when one of them has decided anew');

# a snapshot that is older than what is shared
my ($in, $out, $err) = ('', '', '');
my $session = IPC::Run::start(['psql', '-XAtq', '-d', $node->connstr('niji')], '<', \$in, '>', \$out, '2>', \$err);
sub say_to { my ($sql, $until) = @_; $in .= "$sql\n"; IPC::Run::pump($session) until $out =~ /$until/; my $got = $out; $out = ''; return $got }
say_to("begin isolation level repeatable read; select 'snapshot';", qr/snapshot/);
value('select deny(101, 150)');
is(value('select seen(8)'), '849', 'fifty more object');
sleep 3;
is(value('select seen(8)'), '849', 'and the keeper has it');
like(say_to("select 'old ' || seen(8);", qr/old \d+/), qr/old 899/, 'a snapshot from before sees what it saw');
like(say_to("select 'old ' || seen(9);", qr/old \d+/), qr/old 300/, 'for another permit too');
like(say_to("commit; select 'new ' || seen(8);", qr/new \d+/), qr/new 849/, 'and the next transaction what there is');

# a rule that changes
value(q{select niji.set_rule('ehr', 'research', 'opt_in')});
is(value('select seen(8)'), '0', 'another rule is obeyed by the next statement');
value(q{select niji.set_rule('ehr', 'research', 'opt_out', 'at_grant')});
value(q{update niji.permit set granted_at = clock_timestamp() where id = 8});
value('select deny(151, 160)');
is(value('select seen(8)'), '849', 'judged at the grant: later objections play no part');
value(q{select niji.set_rule('ehr', 'research', 'opt_out')});
is(value('select seen(8)'), '839', 'and judged now they do');

# without the keeper
my $pid = $node->safe_psql('niji', q{select pid from pg_stat_activity where backend_type = 'niji keeper'});
value("select pg_terminate_backend($pid)");
value('select deny(161, 170)');
is(value('select seen(8)'), '829', 'while the keeper is gone, sessions answer all the same');
ok(keeper(), 'and it comes back');
like(notes('select pg_sleep(1); select seen(8)'), qr/begun with a shared one/, 'with its sets');
is(value('select seen(8)'), '829', 'which say the same');
is(value(q{begin isolation level serializable; select seen(8); select deny(171, 172); select seen(8); rollback; select seen(8)}), '829,827,829',
	'a serializable transaction reads the consents itself');

# no room: sets that differ in the purpose, each with persons all over
value('select deny(10000000, 400000000, null, 400000); select seen(8)');
sleep 3;
is(value(q{select max(bytes) > 2000000 from niji.consent_sets where category = 'ehr' and permit is null and holder = 'city'; select seen(8)}), 't,829', 'a set of two megabytes fits');
my @purposes = qw(policy statistics education ai_training personalised_care);
my ($code, $said, $error) = (0, '', '');
for my $n (0 .. $#purposes)
{
	value("update niji.permit set purpose = '$purposes[$n]' where id = 200 + $n; select niji.set_rule('ehr', '$purposes[$n]', 'opt_out')");
	$code |= $node->psql('niji', "\\set VERBOSITY verbose\nselect seen(200 + $n)", stdout => \$said, stderr => \$error) if !$code;
}
isnt($code, 0, 'more than niji.consent_memory holds is refused');
like($error, qr/53200.*consent sets need more than niji\.consent_memory.*HINT:  Raise niji\.consent_memory/s, 'with what to do');
unlike($error, qr/person/, 'and without naming anyone');
is(value('select seen(8)'), '829', 'while those that are there are used');

$session->finish;
$node->stop('immediate');
$node->append_conf('postgresql.conf', "niji.consent_memory = '64MB'");
$node->start;
ok(keeper(), 'after a crash, with more memory, the keeper runs');
is(value('select seen(8); select seen(9); select seen(7)'), '829,230,818', 'and all is as it was');
$node->stop;
done_testing();
