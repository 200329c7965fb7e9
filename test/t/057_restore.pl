# A database that was restored from a backup knows that it is older than what
# was handed outside, refuses protected reads, takes back what people decided
# since, and never shows a row of somebody who objected after the backup.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use NijiTest;

my $top = $ENV{TESTDIR} || '.';
my $refused = qr/this database was restored, or others have gone past it/;
my $old = NijiTest::node('old', -start => 0);
$old->enable_archiving;
$old->start;
$old->safe_psql('postgres', 'create database niji');
$old->safe_psql('niji', 'create extension niji');
$old->safe_psql('niji', "\\i $top/test/story.sql");
$old->safe_psql('niji', q{
	create role governance_abe2 login; select niji.grant_duty('governance', 'governance_abe2');
	create function public.patient(n text) returns niji.person language sql stable as $$ select niji.find_person('patient', '0110113719:' || n) $$});

sub as_user
{
	my ($node, $user, $sql) = @_;
	my ($code, $out, $err) = $node->psql('niji', $sql, extra_params => [ '-U', $user ]);
	$err =~ s/^psql:<stdin>:\d+: //gm;
	return $code == 0 ? $out : $err;
}
sub shown_to_analyst { my ($node) = @_; return as_user($node, 'analyst_fujita', 'select string_agg(value::text, chr(32) order by value) from p2026_017.lab') }
# what the story gave the row of patient n, and nobody else's
sub value_of { my ($n) = @_; return sprintf '%.1f', 5 + $n / 10 }
sub settle
{
	my ($node) = @_;
	$node->safe_psql('niji', 'select niji.seal_trail()');
	NijiTest::wait_for($node, 'select decisions = anchor_decisions and anchor_size = (select max(size) from niji.seal) and not exists (select from niji.new_decisions()) from niji.restore_status')
	  or die 'the anchor is not brought on';
}

is(as_user($old, 'analyst_fujita', 'select count(*) from p2026_017.lab'), '40', 'Before, all are shown');
$old->safe_psql('niji', q{set session authorization consent_ito;
	select niji.record_consent(patient('0002'), 'deny', category => 'ehr'), niji.record_consent(patient('0003'), 'deny', category => 'ehr')});
# two people whose denials were recorded in the same moment
$old->safe_psql('niji', q{insert into niji.consent (person, decision, category, effective_from, recorded_at)
	select patient(n), 'deny', 'ehr', '2025-01-01', '2025-01-01' from unnest(array['0004', '0005']) n});
settle($old);
$old->backup('b');
$old->safe_psql('niji', q{select pg_create_restore_point('here')});
my $segment = $old->safe_psql('niji', 'select pg_walfile_name(pg_current_wal_lsn())');
$old->safe_psql('niji', 'select pg_switch_wal()');

# what the backup does not know
for my $sql (
	q{set session authorization consent_ito; select niji.record_consent(patient('0007'), 'deny', category => 'ehr', evidence => 'form 8')},
	q{set session authorization consent_ito; select niji.record_consent(patient('0008'), 'deny')},
	q{set session authorization consent_ito; select niji.record_consent(patient('0009'), 'deny', permit => 'P2026-017')},
	q{set session authorization consent_ito; select niji.void_consent((select min(id) from niji.consents), 'entered for somebody else')},
	q{select niji.void_consent(id, 'entered for somebody else') from niji.consent where person = patient('0004') and recorded_at = '2025-01-01'},
	q{set session authorization governance_abe; select niji.set_rule('registry', 'research', 'not_required')},
	q{set session authorization consent_ito; begin; select niji.record_consent(patient('0010'), 'deny'); rollback},
	q{insert into warehouse.lab select niji.enrol('patient', '0110113719:0050'), '0110113719'::niji.institution_code, date '2025-06-30', '3D046000001920402', 1, null},
	q{set session authorization consent_ito; select niji.record_consent(patient('0050'), 'deny', category => 'ehr')},
	q{set session authorization governance_abe; select niji.set_rule('claims', 'research', 'opt_out', legal_basis => 'a new law')})
{
	$old->safe_psql('niji', $sql);
}
settle($old);
my $truth = shown_to_analyst($old);
unlike($truth, qr/(^| )@{[value_of($_)]}( |$)/, "In the lost database $_ is not shown") for 3, 5, 7, 8, 9;
like($truth, qr/(^| )@{[value_of(4)]}( |$)/, 'and who had been entered in error is');
my $diagnoses = as_user($old, 'analyst_fujita', 'select count(*) from p2026_017.diagnosis');
is($diagnoses, '28', 'and two diagnoses are withheld under the new rule');
my $lost_seal = $old->safe_psql('niji', 'select max(size) from niji.seal');
my ($stream) = glob NijiTest::key_dir($old) . '/niji-*.decisions-*';
unlike(slurp_file($stream), qr/form 8|deny|ehr|patient/, 'What is handed outside tells nothing without the keys');
is((stat $stream)[2] & 0777, 0600, 'and only the server reads it');
$old->poll_query_until('niji', "select last_archived_wal >= '$segment' from pg_stat_archiver") or die 'nothing is archived';
$old->stop('immediate');

# ---- a point-in-time recovery, with the keys and what is beside them ----
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init_from_backup($old, 'b', has_restoring => 1, standby => 0);
$new->append_conf('postgresql.conf', "recovery_target_name = 'here'\nrecovery_target_action = 'promote'\n");
$new->start;
$new->poll_query_until('niji', 'select not pg_is_in_recovery()');
NijiTest::wait_for($new, 'select compared from niji.restore_status');
is($new->safe_psql('niji', 'select restored from niji.restore_status'), 't', 'The restored database knows that it is older');
like(as_user($new, 'analyst_fujita', $_), $refused, "refused: $_")
  for 'select count(*) from p2026_017.lab', 'copy (select pid from p2026_017.lab) to stdout', 'select pid from p2026_017.diagnosis limit 1',
  'begin; declare c cursor for select * from p2026_017.lab; fetch c', 'prepare q as select * from p2026_017.lab; execute q', 'do $$ begin perform from p2026_017.lab; end $$';
like(as_user($new, 'analyst_fujita', 'select count(*) from p2026_017.lab'), qr/HINT: .*niji\.replay_objections/, 'and the hint says what to do');
is($new->safe_psql('niji', 'select 6 * 7'), '42', 'Nothing else is hindered');
like(as_user($new, 'governance_abe', q{select niji.accept_restore('disk died')}), qr/objections would be lost/, 'It is not accepted while decisions are missing');
like(as_user($new, 'governance_abe', q{select niji.accept_restore(' ')}), qr/without a reason/, 'nor without a reason');
like(as_user($new, 'consent_ito', q{select niji.accept_restore('disk died')}), qr/permission denied/, 'nor by those without the duty');
like(as_user($new, 'loader_kato', q{select niji.replay_objections()}), qr/permission denied/, 'Objections are not replayed by just anybody');
like(as_user($new, 'consent_ito', "select niji.replay_objections('$stream')"), qr/permission denied to read a file of the server/, 'nor from any file of the server');

# somebody takes a number in between, and a rule is set
$new->safe_psql('niji', q{set session authorization governance_abe; select niji.set_rule('registry', 'research', 'opt_in')});
$new->safe_psql('niji', q{select niji.enrol('patient', '0110113719:' || to_char(n, 'FM0000')) from generate_series(100, 140) n});
is(as_user($new, 'consent_ito', 'select lines, taken, known, widened, left_out, unreadable, new_persons from niji.replay_objections()'), '8|7|0|0|1|0|1', 'Seven decisions are taken back in, one about somebody who was not enrolled yet');
is($new->safe_psql('niji', q{select basis from niji.rules where category = 'registry' and purpose = 'research' and replaced_at is null}), 'opt_in', 'a rule that was set since is not set back');
is($new->safe_psql('niji', 'select decisions = anchor_decisions from niji.restore_status'), 't', 'up to the newest');
is(as_user($new, 'consent_ito', 'select lines from niji.replay_objections()'), '0', 'Once more finds nothing to do');
like(as_user($new, 'analyst_fujita', 'select count(*) from p2026_017.lab'), $refused, 'Reads are still refused');
like(as_user($new, 'governance_abe', q{select niji.accept_restore('disk died; nightly backup; replayed')}), qr/^Accepted/, 'It is accepted');
NijiTest::wait_for_writer($new) or die 'the spool does not open';
is(shown_to_analyst($new), $truth, 'What is shown is what the lost database would have shown: no row of a later objector');
is(as_user($new, 'analyst_fujita', 'select count(*) from p2026_017.diagnosis'), $diagnoses, 'by the later rule too');
$new->safe_psql('niji', q{insert into warehouse.lab select niji.enrol('patient', '0110113719:0050'), '0110113719'::niji.institution_code, date '2025-06-30', '3D046000001920402', 1, null});
is(shown_to_analyst($new), $truth, 'Who was enrolled after the backup and objected is not shown when they are loaded again');
settle($new);
is($new->safe_psql('niji', 'select count(*) from niji.verify_trail()'), '0', 'The trail goes on and verifies');
cmp_ok($new->safe_psql('niji', 'select max(size) from niji.seal'), '>', 0, 'and is sealed');
is($new->safe_psql('niji', q{select count(*) from niji.trail where header ->> 'action' in ('accept_restore', 'replay_objections')}), '3', 'What was done is in it');

# ---- crashes are no restores ----
for my $round (1 .. 5)
{
	$new->safe_psql('niji', "set session authorization consent_ito; select niji.record_consent(patient('002$round'), 'deny', category => 'ehr')");
	select undef, undef, undef, 0.2 * $round;
	$new->stop('immediate');
	$new->start;
	NijiTest::wait_for_writer($new) or die 'the spool does not open';
	is($new->safe_psql('niji', 'select restored from niji.restore_status'), 'f', "A crash is no restore ($round)");
	is(as_user($new, 'analyst_fujita', 'select count(*) from p2026_017.lab where value = ' . value_of(20 + $round)), '0', 'and forgets no objection');
}

# ---- the anchor is gone, and the decisions with it ----
settle($new);
my ($anchor) = glob NijiTest::key_dir($old) . '/niji-*.anchor';
$new->stop;
unlink $anchor;
$new->start;
NijiTest::wait_for($new, 'select compared from niji.restore_status');
like(as_user($new, 'analyst_fujita', 'select count(*) from p2026_017.lab'), $refused, 'Without the anchor nothing is known: refused');
like(as_user($new, 'governance_abe', q{select niji.accept_restore('gone')}), qr/objections would be lost/, 'and not accepted as if nothing were');
like(as_user($new, 'governance_abe', q{select niji.accept_restore('gone', loss => true)}), qr/A second officer/, 'One officer does not accept a loss');
like(as_user($new, 'governance_abe', q{select niji.accept_restore('gone', loss => true)}), qr/A second officer/, 'nor the same one twice');
like(as_user($new, 'analyst_fujita', 'select count(*) from p2026_017.lab'), $refused, 'so reads stay refused');
append_to_file($anchor, "niji anchor 1\ndamaged");
chmod 0600, $anchor;
ok(NijiTest::wait_for($new, q{select reason ~ 'is not an anchor' from niji.restore_status}), 'A damaged anchor is no anchor');
like(as_user($new, 'governance_abe2', q{select niji.accept_restore('gone', loss => true)}), qr/A second officer/, 'The loss that one accepted was another one');
like(as_user($new, 'governance_abe', q{select niji.accept_restore('gone', loss => true)}), qr/^Accepted/, 'Two who accept the same do');
NijiTest::wait_for_writer($new) or die 'the spool does not open';
NijiTest::wait_for($new, 'select anchor_written_at is not null from niji.restore_status');
ok(-e $anchor, 'and the anchor is made anew');

# ---- another primary goes past this one ----
settle($new);
my $other = slurp_file($anchor);
$other =~ s/^decisions (\d+)/'decisions ' . ($1 + 5)/me or die 'no number in the anchor';
append_to_file("$anchor.other", $other);
chmod 0600, "$anchor.other";
rename "$anchor.other", $anchor;
$new->safe_psql('niji', q{set session authorization governance_abe; select niji.set_rule('registry', 'research', 'opt_in')});
ok(NijiTest::wait_for($new, 'select restored from niji.restore_status'), 'A primary that others have gone past notices');
like(as_user($new, 'analyst_fujita', 'select count(*) from p2026_017.lab'), $refused, 'and stops');
is(slurp_file($anchor), $other, 'and leaves the other anchor as it is');
as_user($new, $_, q{select niji.accept_restore('a test', loss => true)}) for 'governance_abe', 'governance_abe2';
NijiTest::wait_for_writer($new) or die 'the spool does not open';

# ---- a directory that cannot be written ----
settle($new);
chmod 0500, NijiTest::key_dir($old);
$new->safe_psql('niji', q{set session authorization consent_ito; select niji.record_consent(patient('0030'), 'deny', category => 'ehr')});
SKIP:
{
	skip 'the superuser of the system writes everywhere', 2 if $> == 0;
	ok(NijiTest::wait_for($new, q{select failure ~ 'could not' from niji.restore_status}), 'What cannot be handed outside is told');
	is(as_user($new, 'analyst_fujita', 'select count(*) from p2026_017.lab where value = ' . value_of(30)), '0', 'and reads go on, with the objection');
}
chmod 0700, NijiTest::key_dir($old);
$new->safe_psql('niji', q{set session authorization consent_ito; select niji.record_consent(patient('0031'), 'deny', category => 'ehr')});
settle($new);
is($new->safe_psql('niji', 'select failure is null from niji.restore_status'), 't', 'and once it can, all is handed out');

$new->stop;
done_testing();
