# Attacks on what consent withholds, judged by non-interference.
#
# An attack is a script that a reader sends.  Every byte that the server answers is kept, in three worlds:
#
#   filtered   people objected, their rows are there: the world that is defended
#   open       the rule says not_required, so nothing is withheld
#   without    the rows of those people are deleted, vacuumed and analyzed away, as if they had never been
#
# It is held off if "filtered" and "without" cannot be told from one another: then nothing that came
# has been computed from the withheld rows, be it a value, a count, an error, a notice, a plan or the order of
# rows.  And it has to be able to succeed, or its being held off says nothing: the control.
#
#   open     (default) the answer in "open" is another: the attack sees the rows where nothing filters
#   native   on plain row level security, a twin beside the house, the rows can be told from no rows
#   runs     there it ends as it was meant to end, without an error (a copy, a lock)
#   dba      as a superuser the rows can be told from no rows
#
# Scripts are written under titles:
#
#   -- joined by hashes
#   select count(*) from {v}.lab join {v}.visit using (pid)
#   -- EXPLAIN ANALYZE [42501 native]
#   explain (analyze, timing off, summary off) select * from {v}.lab
#
# In brackets: how it has to end (a pattern of SQLSTATEs, default 00000), its control, and words:
#
#   as=ROLE     who attacks (default: the reader)
#   top         in a connection of its own, and not in a transaction that is rolled back
#   statistics  the answer may depend on statistics of all rows (the threat model says so): compared with a world
#               whose statistics are still those of the rows that are gone
#
# Messages to the server are parted by lines that have ";;" only.  "\object" on such a line is what the person 12
# does meanwhile: they object, or in the worlds without the rows their rows are deleted, which by MVCC is what an
# objection has to look like to whoever began before it; "\take back" undoes it.  From the first of these on the
# answers are compared.  {v} is the permit's schema, {b} that of the base tables.
package NijiAttack;

use strict;
use warnings;
use Exporter 'import';
use NijiTest;
use NijiWire;
use Test::More;

our @EXPORT = qw(house attacks run_attacks);
our ($node, $dba, @attacks);
my %connections;

my $hidden = 'array[7, 19, 31, 40]';

# the server, with settings beside those of NijiTest
sub house
{
	my ($name, %settings) = @_;
	my $top = $ENV{TESTDIR} || '.';
	chdir $top or die "could not enter $top: $!";
	$node = NijiTest::node($name, autovacuum => 'off', max_prepared_transactions => 5, log_statement => 'none', %settings);
	$node->safe_psql('niji', '\i test/attack/consent_house.sql');
	NijiTest::wait_for_writer($node);
	$dba = NijiWire->connect($node, $node->safe_psql('niji', 'select current_user'));
	return $node;
}

sub house_down
{
	$_->close for values %connections, $dba;
	$node->stop;
	return;
}

# notes scripts; $class goes before each title
sub attacks
{
	my ($class, $text, $before) = @_;
	my @parts = split /^-- (.*)\n/m, $text;
	shift @parts;
	while (my ($title, $script) = splice @parts, 0, 2)
	{
		my %attack = (ends => '00000', control => 'open', as => 'analyst_fujita', class => $class);
		if ($title =~ s/\s*\[(.*)\]\s*$//)
		{
			for my $word (split ' ', $1)
			{
				if ($word =~ /^as=(.*)/) { $attack{as} = $1 }
				elsif ($word =~ /^(open|native|runs|dba)$/) { $attack{control} = $word }
				elsif ($word =~ /^(top|statistics)$/) { $attack{$word} = 1 }
				elsif ($word =~ /^[0-9A-Z|]+$/) { $attack{ends} = $word }
				else { die "unknown word in \"$title\": $word" }
			}
		}
		$attack{title} = $title;
		$attack{script} = [ grep { /\S/ } split /^;;\s*$/m, ($before // '') . $script ];
		push @attacks, \%attack;
	}
	return;
}

# what person 12 does in a world
sub meanwhile
{
	my ($step, $world) = @_;
	my $objecting = $world =~ /^(filtered|open)$/;
	if ($step eq 'object')
	{
		$dba->must($objecting ? "select niji.record_consent(warehouse.p(12), 'deny', category => 'ehr')"
			: $world eq 'native' ? 'update native_base.lab set objected = true where person = 12'
			: 'select warehouse.without(array[12])');
	}
	else
	{
		$dba->must($objecting ? "select niji.void_consent((select max(id) from niji.consent where person = warehouse.p(12)), 'test')"
			: $world eq 'native' ? 'update native_base.lab set objected = false where person = 12'
			: 'select warehouse.back()');
	}
	return;
}

# all that the server answers to an attack in a world, and how it ended
sub try
{
	my ($attack, $world, $as) = @_;
	local $SIG{__DIE__} = sub { diag("$attack->{class}: $attack->{title}: @_") };
	my $native = $world =~ /native/;
	my ($v, $b) = $native ? ('native', 'native_base') : ('p2026_031', 'warehouse');
	my $user = $as // ($native ? 'native_reader' : $attack->{as});
	# a connection serves many attacks, as a reader's does; those that leave something behind have one of their own
	my $c = $attack->{top} ? NijiWire->connect($node, $user) : ($connections{$user} //= NijiWire->connect($node, $user));
	my ($state, $said, $objected, $changed) = ('00000', '', 0, 0);
	$c->simple('begin') unless $attack->{top};
	for my $message (@{ $attack->{script} })
	{
		if ($message =~ /^\s*\\(object|take back)\s*$/)
		{
			my $step = $1;
			meanwhile($step, $world);
			$said = '' unless $changed++;
			$objected = $step eq 'object';
			next;
		}
		my $sql = $message =~ s/\{v\}/$v/gr =~ s/\{b\}/$b/gr;
		my $got = $c->simple($sql);
		$said .= $got->{raw};
		$state = $got->{state} if $state eq '00000' || $got->{state} !~ /^(00000|25P02)$/;
	}
	if ($attack->{top}) { $c->close }
	else { $c->simple('rollback'); $c->simple('deallocate all') }
	meanwhile('take back', $world) if $objected;
	$said =~ s/$v/{v}/g;
	return { said => $said, state => $state };
}

# one world; $stale: the attacks that are judged by stale statistics, or the others
sub sweep
{
	my ($world, $stale) = @_;
	$_->close for values %connections;
	%connections = ();
	for my $attack (@attacks)
	{
		my $control = $attack->{control};
		next if defined $stale && $stale != ($attack->{statistics} // 0);
		$attack->{$world} = try($attack, $world);
		next if $world eq 'open';
		$attack->{"native_$world"} = try($attack, 'native') if $control eq 'native' || $control eq 'runs';
		$attack->{"dba_$world"} = try($attack, $world, $dba->{user}) if $control eq 'dba';
	}
	return;
}

# readable, and only what differs
sub shown
{
	my ($said) = @_;
	$said =~ s/[^\x20-\x7e\n]+/ /g;
	return length $said > 1500 ? substr($said, 0, 1500) . '...' : $said;
}

sub judge
{
	my ($attack) = @_;
	my $name = "$attack->{class}: $attack->{title}";
	my ($filtered, $without) = @{$attack}{qw(filtered without)};
	ok($filtered->{state} =~ /^($attack->{ends})$/ && $filtered->{said} eq $without->{said}, $name)
	  or diag("ended with $filtered->{state} (without: $without->{state})\n"
		  . "filtered: " . shown($filtered->{said}) . "\nwithout: " . shown($without->{said}));

	my ($worked, $seen);
	if ($attack->{control} eq 'open')
	{
		$seen = $attack->{open};
		$worked = $seen->{said} ne $filtered->{said};
		# in a world where nothing is withheld nothing else differs, so this is what the filter did
	}
	elsif ($attack->{control} eq 'runs')
	{
		$seen = $attack->{native_filtered};
		$worked = $seen->{state} eq '00000';
	}
	else
	{
		$seen = $attack->{"$attack->{control}_filtered"};
		$worked = $seen->{said} ne $attack->{"$attack->{control}_without"}{said};
	}
	ok($worked, "$name (control: $attack->{control})")
	  or diag("the attack sees nothing where nothing keeps it from it; it ended with $seen->{state}: " . shown($seen->{said}));
	return;
}

# runs all that was noted, and judges it
sub run_attacks
{
	local $SIG{__DIE__} = sub { diag(@_) };
	sweep('filtered');
	$dba->must("select niji.set_rule(c, 'research', 'not_required') from unnest(array['ehr', 'registry']) c");
	sweep('open');
	$dba->must("select niji.set_rule(c, 'research', 'opt_out') from unnest(array['ehr', 'registry']) c");
	$dba->must("select warehouse.without($hidden)");
	$dba->must('truncate warehouse.kept_lab, warehouse.kept_visit, native_base.kept_lab');
	sweep('without', 1);
	$dba->must("vacuum (full, analyze) warehouse.$_") for qw(lab visit birth chart);
	$dba->must("vacuum (full, analyze) native_base.$_") for qw(lab visit);
	sweep('without', 0);
	judge($_) for @attacks;
	@attacks = ();
	return;
}

1;
