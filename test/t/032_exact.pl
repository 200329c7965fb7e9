# The filter against the rule in plain SQL, while people decide: sessions record consents, objections, notices and
# voids at random, in transactions, savepoints and prepared transactions that commit or not, and readers at every
# isolation level compare, in one snapshot, whom the filter lets pass with whom the rule would.
#
# EXACT_SEED and EXACT_SECONDS are taken from the environment; the seed is printed.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use NijiTest;
use NijiWire;
use IO::Select;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{EXACT_SECONDS} // 16;
my $seed = $ENV{EXACT_SEED} // time() * 1000 % 1000000;
srand $seed;
note "seed $seed";

my $persons = 60;
my $node = NijiTest::node('exact',
	autovacuum => 'off', max_prepared_transactions => 20, fsync => 'off', log_statement => 'none',
	min_parallel_table_scan_size => 0, parallel_setup_cost => 0, parallel_tuple_cost => 0);
my $allowed = slurp_file("$FindBin::RealBin/consent_rule.sql");

$node->safe_psql('niji', q{
	set client_min_messages = error;
	insert into niji.holder (code, name, kind) values ('a', 'A', 'medical_institution'), ('b', 'B', 'medical_institution'), ('c', 'C', 'biobank');
	insert into niji.applicant (code, name, kind) values ('lab', 'lab', 'society'), ('pharma', 'pharma', 'company');
	create table one (person niji.person not null);
	create table two (person niji.person not null, holder int);
	insert into niji.dataset (name, relation, person_columns, holder, holder_column, category, legal_basis, changes) values
	  ('one', 'one', '{person}', 1, null, 'ehr', 'law', 'auto'),
	  ('two', 'two', '{person}', null, 'holder', 'ehr', 'law', 'auto');
	insert into niji.permit (code, title, applicant, purpose, state, domain, valid_from, valid_until, schema_name, granted_at) values
	  ('R-1', 'r', 1, 'research', 'granted', 1, '2020-01-01', '2099-12-31', 'r_1', now() - interval '40 days'),
	  ('R-2', 'r', 2, 'policy', 'granted', 1, '2020-01-01', '2099-12-31', 'r_2', now() - interval '20 days');
	insert into niji.permit_data (permit, dataset, columns) select p, d, '{person}' from generate_series(1, 2) p, generate_series(1, 2) d;
	create table people (n int, person niji.person, holder int);
	insert into people select n, n::text::niji.person, 1 + n % 3 from generate_series(1, } . ($persons + 2) . q{) n;
	analyze people;
	create function p(n int) returns niji.person language sql immutable as $$ select n::text::niji.person $$;
	select niji.set_rule('ehr', 'research', 'opt_out'), niji.set_rule('ehr', 'policy', 'opt_in');
} . $allowed . q{
	-- where the two differ, in the snapshot of the one statement that asks; a STABLE function has the statement's
	create function differing() returns setof text language sql stable as $$
	  select format('permit %s, dataset %s, person %s, holder %s: filter %s, rule %s', m, d, n, h, f, r)
	    from (select m, 1 as d, n, null::int as h, niji.permitted(person, m, 1) as f, allowed(person, m, 1, null, statement_timestamp()) as r
	            from people, generate_series(1, 2) m
	          union all
	          select m, 2, n, holder, niji.permitted(person, m, 2, holder), allowed(person, m, 2, holder, statement_timestamp())
	            from people, generate_series(1, 2) m offset 0) x
	   where f is distinct from r
	$$;
	-- the same with a snapshot of its own
	create function differing_anew() returns setof text language plpgsql volatile as $$ begin return query select differing(); end $$;
	-- one decision at random
	create function speak() returns text language plpgsql as $$
	declare
	  who niji.person := p(1 + floor(random() * } . $persons . q{)::int);
	  kind float := random();
	  start timestamptz := clock_timestamp() - interval '1 hour' * floor(random() * 3);
	begin
	  if kind < 0.75 then
	    insert into niji.consent (person, decision, category, purpose, permit, holder, effective_from, effective_until, declared_by)
	      select who, case when random() < 0.5 then 'deny' else 'permit' end, case when random() < 0.6 or b is not null then 'ehr' end,
	             case x when 1 then 'research' when 2 then 'policy' else case when random() < 0.3 then 'research' end end, x, b,
	             case when random() < 0.15 then clock_timestamp() + random() * interval '2 seconds' else start end,
	             case when random() < 0.15 then clock_timestamp() + random() * interval '3 seconds' + interval '2 seconds' end, 'self'
	        from (select case when random() < 0.3 then 1 + floor(random() * 2)::int end as x, case when random() < 0.3 then 1 + floor(random() * 3)::int end as b) y;
	  elsif kind < 0.85 then
	    insert into niji.notice (person, category, notified_at) values (who, 'ehr', now() - random() * interval '60 days');
	  else
	    insert into niji.consent_void (consent, reason) select id, 'error' from niji.consent tablesample bernoulli (20) limit 1 on conflict do nothing;
	  end if;
	  return null;
	exception when foreign_key_violation or unique_violation then return null;
	end $$;
	-- many at once, each in a sub-transaction of its own, as speak() has an exception block
	create function speak(times int) returns text language plpgsql as $$ begin for i in 1 .. times loop perform speak(); end loop; return null; end $$;
});

sub pick { return $_[ rand @_ ]; }

# ---- what one session does next ----
my $prepared = 0;
my @prepared;
my (%compared, @wrong);
my @levels = ('read committed', 'read committed', 'repeatable read', 'serializable');

# sessions are small machines: in a transaction or not, with savepoints, and where the transaction failed
sub next_statement
{
	my ($s) = @_;
	if (!$s->{open})
	{
		return ('speak', "select speak()") if $s->{writer} && rand() < 0.2;
		return ('compare', 'select differing()', 'alone') if rand() < 0.2;
		if (@prepared && rand() < 0.4)
		{
			my $name = splice @prepared, rand @prepared, 1;
			return ('end', pick('commit', 'commit', 'rollback') . " prepared '$name'");
		}
		$s->{level} = pick(@levels);
		%$s = (%$s, open => 1, failed => 0, points => 0, cursor => 0, wrote => 0, steps => 4 + int rand 12);
		return ('begin', "begin isolation level $s->{level}");
	}
	if ($s->{failed} || $s->{steps}-- <= 0)
	{
		$s->{open} = 0;
		if (!$s->{failed} && $s->{wrote} && $s->{level} ne 'serializable' && @prepared < 6 && rand() < 0.2)
		{
			my $name = 'p' . $prepared++;
			push @{ $s->{prepares} }, $name;
			return ('prepare', "prepare transaction '$name'");
		}
		return ('end', $s->{failed} ? 'rollback' : pick('commit', 'commit', 'rollback'));
	}
	my $dice = rand;
	if ($s->{writer})
	{
		if ($dice < 0.3) { $s->{wrote} = 1; return ('speak', 'select speak()') }
		if ($dice < 0.34) { $s->{wrote} = 1; return ('speak', 'select speak(' . pick(3, 10, 80) . ')') }
		if ($dice < 0.44) { $s->{points}++; return ('savepoint', "savepoint s$s->{points}") }
		if ($dice < 0.54 && $s->{points}) { return ('rollback to', "rollback to s$s->{points}") }
		if ($dice < 0.58 && $s->{points}) { return ('release', 'release s' . $s->{points}--) }
		if ($dice < 0.62) { $s->{wrote} = 1; return ('speak', 'do $$ begin perform speak(5); raise exception \'\'; exception when raise_exception then null; end $$') }
		if ($dice < 0.66) { $s->{wrote} = 1; return ('compare', 'select differing() union all select speak() where false union all select differing_anew()', 'two snapshots in one statement') }
		if ($dice < 0.72) { $s->{wrote} = 1; return ('compare', 'with x as materialized (select speak(2)) select d from x, lateral (select differing_anew() as d) y where x is not null or x is null', 'after a change in the same statement') }
	}
	if (!$s->{cursor} && $dice > 0.9) { $s->{cursor} = 1; return ('declare', 'declare c no scroll cursor for select differing() union all select null') }
	if ($s->{cursor} && $dice > 0.8) { $s->{cursor} = 0; return ('compare', 'fetch all from c; close c', 'by a cursor that was opened before') }
	return ('compare', pick('select differing()', 'select differing()', 'select differing_anew()'), $s->{level});
}

# ---- sessions at work, none waits for another ----
my $user = $node->safe_psql('niji', 'select current_user');
my $select = IO::Select->new;
my %by_socket;
for my $i (1 .. 7)
{
	my $s = { writer => $i <= 4, client => NijiWire->connect($node, $user), open => 0, prepares => [] };
	$s->{client}->must("select setseed(" . rand() . "); set lock_timeout = '1s'");
	$s->{client}->must('set force_parallel_mode = on') if $i == 6 && $s->{client}->must("select current_setting('server_version_num')::int") < 160000;
	$by_socket{ fileno $s->{client}{socket} } = $s;
	$select->add($s->{client}{socket});
}

sub go
{
	my ($s) = @_;
	@{$s}{qw(kind sql what)} = next_statement($s);
	$s->{client}->start($s->{sql});
	return;
}

my $transactions = 0;

sub take
{
	my ($s) = @_;
	my $got = $s->{client}->answer;
	$transactions++ if $s->{kind} eq 'begin';
	if ($got->{state} ne '00000')
	{
		# what may fail: serialization, waiting for a void of the same consent, the end of a prepared transaction, a cursor that went with its savepoint
		push @wrong, "$s->{sql}: $got->{said}" if $got->{state} !~ /^(40001|40P01|55P03|25P02|42704|34000)$/;
		$s->{failed} = 1 if $s->{open};
		$s->{prepares} = [];
		return;
	}
	push @prepared, splice @{ $s->{prepares} } if $s->{kind} eq 'prepare';
	if ($s->{kind} eq 'compare')
	{
		$compared{ $s->{what} }++;
		push @wrong, "$s->{what}, $s->{level}, $s->{sql}: " . join('; ', @{ $got->{values} }) if grep { defined } @{ $got->{values} };
	}
	return;
}

my $dba = NijiWire->connect($node, $user);
# this process waits for it, and meanwhile moves nobody else on
$dba->must("set lock_timeout = '100ms'");
sub work
{
	my ($for, @rules) = @_;
	my ($until, $next) = (time() + $for, time());
	my $working = 1;
	go($_) for values %by_socket;
	my %waiting = map { $_ => 1 } keys %by_socket;
	while (%waiting)
	{
		my @ready = $select->can_read(60) or die 'sessions wait for each other';
		for my $socket (@ready)
		{
			my $s = $by_socket{ fileno $socket };
			take($s);
			# every session ends where it is outside of a transaction
			if (time() > $until) { $s->{steps} = 0 }
			if (time() > $until && !$s->{open} || @wrong > 3) { delete $waiting{ fileno $socket } }
			else { go($s) }
		}
		if (time() > $next && time() < $until)
		{
			$next = time() + $for / 8;
			$dba->simple(pick(@rules, 'vacuum freeze niji.consent', 'vacuum niji.consent_void', 'analyze niji.consent', 'checkpoint'));
		}
		last if @wrong > 3;
	}
	return;
}

sub judge
{
	my ($what) = @_;
	is(scalar @wrong, 0, $what) or diag(join "\n", map { substr $_, 0, 600 } @wrong[0 .. ($#wrong > 3 ? 3 : $#wrong)]);
	@wrong = ();
	return;
}

work($seconds / 2);
judge('While people decide, the filter and the rule agree: opt_out and opt_in');
work($seconds / 2,
	map { my $purpose = $_; map { "select niji.set_rule('ehr', '$purpose', '$_')" } ('opt_out', 'opt_in', 'opt_out_after_notice', 'not_required') } ('research', 'policy'));
judge('and while governance changes the rules');
my $sum = 0;
$sum += $_ for values %compared;
note "$sum comparisons of " . 4 * ($persons + 2) . " answers in $transactions transactions: " . join(', ', map { "$_ $compared{$_}" } sort keys %compared);
cmp_ok($sum, '>=', 2 * $seconds, 'by many comparisons');
cmp_ok($compared{$_} // 0, '>=', 1, "$_ among them")
  for ('alone', 'read committed', 'repeatable read', 'serializable', 'two snapshots in one statement', 'after a change in the same statement', 'by a cursor that was opened before');

# ---- after a crash, with transactions prepared before it ----
$dba->simple("commit prepared '$_'") for splice @prepared;
$dba->must("begin; insert into niji.consent (person, decision, effective_from, declared_by) select p(100 + n), 'deny', now(), 'self' from generate_series(1, 5) n; prepare transaction 'across'");
$dba->must("begin; savepoint a; insert into niji.consent (person, decision, effective_from, declared_by) select p(100 + n), 'deny', now(), 'self' from generate_series(6, 10) n; release a; prepare transaction 'given up'");
# of people whom nobody has spoken of so far
$dba->must("insert into people select n, p(n), 1 + n % 3 from generate_series(101, 160) n");
my $differences = 'select differing()';
my $seen = 'select count(*) from people where n > 100 and niji.permitted(person, 1, 1)';
$dba->must("select niji.set_rule('ehr', 'research', 'opt_out'), niji.set_rule('ehr', 'policy', 'opt_in')");
$dba->must("insert into niji.consent (person, decision, effective_from, declared_by) select person, 'permit', clock_timestamp(), 'self' from people");
my $before = $dba->must($seen);
$_->{client}->close for values %by_socket;
$node->stop('immediate');
$node->start;
$dba = NijiWire->connect($node, $user);
is($dba->must($seen), $before, 'After a crash the same people are seen, whatever is prepared');
is_deeply([ $dba->must($differences) ], [], 'and the filter and the rule agree');
my $old = NijiWire->connect($node, $user);
$old->must('begin isolation level repeatable read');
is($old->must($seen), $before, 'A transaction looks');
$dba->must("commit prepared 'across'");
is($dba->must($seen), $before, 'Objections older than the permission change nothing when they are committed after the crash');
$dba->must("insert into niji.consent (person, decision, effective_from, declared_by) select p(100 + n), 'deny', clock_timestamp(), 'self' from generate_series(1, 3) n");
is($dba->must($seen), $before - 3, 'later ones do');
is($old->must($seen), $before, 'and not for who looked before');
is_deeply([ $old->must($differences) ], [], 'as the rule says');
$dba->must("rollback prepared 'given up'");
$dba->must('vacuum freeze niji.consent');
is($old->must($seen), $before, 'Freezing changes nothing for the older snapshot');
is($dba->must($seen), $before - 3, 'nor for the newer');

# ---- a snapshot that is older than all that a session has seen ----
my $exporter = NijiWire->connect($node, $user);
my $snapshot = $exporter->must('begin isolation level repeatable read; select pg_export_snapshot()');
$dba->must("insert into niji.consent (person, decision, effective_from, declared_by) select p(100 + n), 'deny', clock_timestamp(), 'self' from generate_series(20, 29) n");
is($dba->must($seen), $before - 13, 'Ten more object');
$dba->must("begin isolation level repeatable read; set transaction snapshot '$snapshot'");
is($dba->must($seen), $before - 3, 'and an exported snapshot, which is older than the set of the session, does not see it');
is_deeply([ $dba->must($differences) ], [], 'as the rule says');
$dba->must('commit');
is($dba->must($seen), $before - 13, 'but the next statement does');
$exporter->must('commit');
$old->must('commit');
is($old->must($seen), $before - 13, 'and the one that looked before');

# ---- a savepoint storm: the snapshot of others does not list all of the sub-transactions ----
my $storm = NijiWire->connect($node, $user);
$storm->must('begin');
$storm->must("savepoint s$_; insert into niji.consent (person, decision, effective_from, declared_by) values (p(" . (130 + $_ % 10) . "), 'deny', clock_timestamp(), 'self')") for 1 .. 90;
is($dba->must($seen), $before - 13, 'Ninety savepoints of another session, not committed: nothing changes');
is_deeply([ $dba->must($differences) ], [], 'as the rule says');
is($storm->must($seen), $before - 23, 'but for that session');
$dba->must('begin isolation level repeatable read');
is($dba->must($seen), $before - 13, 'A transaction looks meanwhile');
$storm->must('rollback to s5');
is($storm->must($seen), $before - 17, 'After ROLLBACK TO the fifth, four are left');
is_deeply([ $storm->must($differences) ], [], 'as the rule says');
$storm->must('commit');
is($dba->must($seen), $before - 13, 'which that transaction does not see');
is_deeply([ $dba->must($differences) ], [], 'as the rule says');
$dba->must('commit');
is($dba->must($seen), $before - 17, 'but the next');

# ---- a dump, restored in a cluster whose transactions have lower numbers ----
my $dump = $node->basedir . '/dump.sql';
$node->safe_psql('niji', 'select pg_current_xact_id()') for 1 .. 3;
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('niji') ], 'A dump is made');
my $restored = NijiTest::node('restored', -extension => 0, fsync => 'off');
my ($out, $err) = ('', '');
$restored->psql('niji', "\\i $dump", stdout => \$out, stderr => \$err);
NijiTest::forget_anchor($restored);
my $there = NijiWire->connect($restored, $user);
cmp_ok($there->must('select pg_current_xact_id()::text::bigint'), '<', $dba->must('select max(xid)::text::bigint from niji.consent'), 'In the new cluster transactions have lower numbers than the rows had in the old');
cmp_ok($there->must('select count(*) from niji.consent where xid >= pg_current_xact_id()'), '==', 0, 'and the restored rows have its own');
is($there->must($seen), $before - 17, 'The same people are seen there');
is_deeply([ $there->must($differences) ], [], 'and the filter and the rule agree');
$there->must("insert into niji.consent (person, decision, effective_from, declared_by) select p(100 + n), 'deny', clock_timestamp(), 'self' from generate_series(45, 46) n");
is($there->must($seen), $before - 19, 'New objections are obeyed there');
is_deeply([ $there->must($differences) ], [], 'as the rule says');

$node->stop;
$restored->stop;
done_testing();
