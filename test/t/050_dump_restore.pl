# pg_dump and restore into a new cluster: persons, digests, consents, permits,
# codes and the trail are all there, the trail verifies, and the permit's views
# work once the roles exist.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use NijiTest;

my $top = $ENV{TESTDIR} || '.';
my $old = NijiTest::node('old');
$old->safe_psql('niji', "\\i $top/test/story.sql");
my $person = "niji.find_person('patient', '0110113719:0007')";
$old->safe_psql('niji',
	"select niji.record_consent($person, 'deny', category => 'ehr', evidence => 'form 7')");

# identity in full: periods, merges, splits, domains, surrogates, kinds' versions, re-identifications, translations, overrides
$old->safe_psql('niji', q{
	create table holes (i int);
	create role governance_abe2 login; create role custodian_hara login;
	select niji.grant_duty('governance', 'governance_abe2'); select niji.grant_duty('custodian', 'custodian_hara');
	alter table warehouse.lab add column id bigint generated always as identity primary key;
	alter table warehouse.diagnosis add column id bigint generated always as identity primary key;
	create function public.patient(n text) returns niji.person language sql stable as $$ select niji.find_person('patient', '0110113719:' || n) $$;
	do $$ begin for i in 1 .. 3000 loop begin insert into holes values (i); exception when division_by_zero then end; end loop; end $$;
	create table public.who as select patient('0030') as keep, patient('0031') as gone, patient('0032') as sister, patient('0033') as other;
	grant select on public.who to public;
	set session authorization custodian_goto;
	select niji.link_identifier(keep, 'registry', 'r:used-twice', 'form', 1, '[2001-01-01,2010-01-01)') from public.who;
	select niji.link_identifier(other, 'registry', 'r:used-twice', 'form', 1, '[2010-01-01,)') from public.who;
	select niji.merge_persons(keep, gone, 'same person') from public.who;
	select niji.link_identifier(sister, 'registry', 'r:her-own', 'form') from public.who;
	select niji.split_person(sister, array[['registry', 'r:her-own']], 'two people') from public.who;
	set session authorization governance_abe;
	select niji.create_holder_domain('city-hospital'), niji.grant_holder('city-hospital', 'loader_kato');
	select niji.register_identifier_kind('old_names', 'name_birth_sex', normalization => 1);
	select niji.open_translation('P2026-017', 'holder city-hospital', 'custodian_hara', 'findings');
	select niji.declare_override('claims', 'research', 'law', now() + interval '30 days', 'an epidemic');
	set session authorization governance_abe2;
	select niji.open_translation('P2026-017', 'holder city-hospital', 'custodian_hara', 'agreed');
	select niji.approve_override(1);
	reset session authorization;
	insert into niji.holder_person select patient('0001'), id from niji.holder;
	create table public.coded as select 'd1' as code, (niji.surrogates('niji.physician', 'city-hospital', array['d1']))[1] as number;
	create table public.pseudonym as select niji.pseudonym(gone, (select domain from niji.permit)) as in_permit, niji.pseudonym(keep, (select domain from niji.holder_domain)) as in_hospital from public.who;
	grant select on public.pseudonym to public;
	set session authorization custodian_goto;
	select niji.request_reidentification('P2026-017', array[in_permit], 'a finding') from public.pseudonym;
	set session authorization custodian_hara;
	select niji.approve_reidentification(1);
});
# a cohort from a list, in force, and one from a query, with a merge in it
$old->safe_psql('niji', q{
	set session authorization governance_abe;
	select niji.apply_permit('C-1', 'A cohort', 'tohoku-lab', 'research', current_date - 1, current_date + 300);
	select niji.create_cohort('C-1', 'listed'), niji.create_cohort('C-1', 'defined');
	select niji.load_cohort('C-1', 'listed', 'patient', (select array_agg('0110113719:' || to_char(n, 'FM0000')) from generate_series(1, 20) n));
	select niji.define_cohort('C-1', 'defined', $$ select person from warehouse.diagnosis where disease <@ 'E11' $$);
	select niji.request_data('C-1', 'lab', '{value}', cohort => 'listed'), niji.request_data('C-1', 'diagnosis', '{disease}', cohort => 'defined');
	set session authorization reviewer_baba; select niji.review_permit('C-1', 'approve', '');
	set session authorization reviewer_chiba; select niji.review_permit('C-1', 'approve', '');
	set session authorization governance_abe; select niji.grant_permit('C-1'), niji.add_reader('C-1', 'stranger');
	set session authorization custodian_goto;
	select niji.merge_persons(patient('0020'), patient('0034'), 'same person');
});
my @tables = qw(cohort cohort_version cohort_chunk cohort_merge identifier identifier_kind person_merge person_move person_split holder holder_domain holder_loader holder_person
	domain surrogate reidentification reidentified translation override override_approval);
# a table's rows without the oids of roles and the numbers of transactions, which are the new cluster's own, and what CREATE EXTENSION makes
sub rows_of
{
	my ($node, $table) = @_;
	return $node->safe_psql('niji', "select to_jsonb(t) - '{xid,role,requested_role,approved_role,linker_role}'::text[] from niji.$table t where to_jsonb(t) ->> 'registered_by' is distinct from 'postgres' order by 1");
}
my %rows = map { $_ => rows_of($old, $_) } @tables;
isnt($rows{$_}, '', "niji.$_ has something to restore") for @tables;

sub as_analyst
{
	my ($node, $sql) = @_;
	return $node->safe_psql('niji', $sql, extra_params => [ '-U', 'analyst_fujita' ]);
}

is(as_analyst($old, 'select count(*) from p2026_017.lab'), '39', 'one of forty objected');
my $under_cohort = 'select (select count(*) from c_1.lab) || $$ $$ || (select count(*) from c_1.diagnosis)';
is($old->safe_psql('niji', $under_cohort, extra_params => [ '-U', 'stranger' ]), '20 15', 'a reader under a cohort sees its rows');
my $pids = as_analyst($old, 'select pid from p2026_017.diagnosis order by pid');
my $number = $old->safe_psql('niji', "select $person");
$old->poll_query_until('niji', "select count(*) >= 2 from niji.trail_reads where permit = 'P2026-017'");
$old->safe_psql('niji', 'select niji.seal_trail()');
my $entries = $old->safe_psql('niji', 'select count(*) from niji.trail');
my $checkpoint = $old->safe_psql('niji', 'select checkpoint from niji.seals order by size limit 1');

my $dump = $old->basedir . '/niji.dump';
my $roles = $old->basedir . '/roles.sql';
$old->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'niji' ], 'pg_dump');
$old->command_ok([ 'pg_dumpall', '--roles-only', '-f', $roles ], 'pg_dumpall --roles-only');

# a new cluster with the same keys, and a database that the extension is not yet in
my $new = NijiTest::node('new',
	'-extension' => 0,
	'niji.key_source' => 'file:' . NijiTest::key_dir($old));
$new->run_log([ 'psql', '-X', '-q', '-f', $roles, 'postgres' ]);
# the grants and owners that belong to the old database's permit roles cannot be restored: pg_restore says so and goes on
$new->run_log([ 'pg_restore', '-d', 'niji', $dump ]);
NijiTest::wait_for($new, 'select restored from niji.restore_status') or die 'the restored dump is not noticed';
like($new->safe_psql('niji', "select niji.accept_restore('moved to a new server', loss => true)"), qr/second officer/, 'a restored dump has to be accepted');
like($new->safe_psql('niji', "create role second superuser; set session authorization second; select niji.accept_restore('moved to a new server', loss => true)"), qr/Accepted/, 'by two');
NijiTest::wait_for_writer($new) or die 'the spool does not open';

is($new->safe_psql('niji', 'select count(*) from warehouse.lab'), '40', 'the rows are there');
is($new->safe_psql('niji', "select $person"), $number, 'the same identifier finds the same person');
is($new->safe_psql('niji', 'select count(*) from niji.consents'), '1', 'the consent is there');

is(rows_of($new, $_), $rows{$_}, "niji.$_ is as it was") for @tables;
is($new->safe_psql('niji', q{select niji.find_person('registry', 'r:used-twice', '2005-05-05') = keep and niji.find_person('registry', 'r:used-twice') = other from public.who}),
	't', 'an identifier that two people had is whose it was');
is($new->safe_psql('niji', q{select patient('0031') = keep and niji.current_person(gone) = keep from public.who}), 't', 'a merge is in force');
is($new->safe_psql('niji', q{select number = (niji.surrogates('niji.physician', 'city-hospital', array[code]))[1] and number < (niji.surrogates('niji.physician', 'city-hospital', array['new']))[1] from public.coded}),
	't', 'a code keeps its number, and a new one gets another');

my ($code) = $new->psql('niji', 'select count(*) from p2026_017.lab',
	extra_params => [ '-U', 'analyst_fujita' ]);
isnt($code, 0, 'before the native objects are made again, the analyst reads nothing');

$new->safe_psql('niji', 'select niji.recompile_permits()');
is(as_analyst($new, 'select count(*) from p2026_017.lab'),
	'39', 'the view works, and the objection holds');
is(as_analyst($new, 'select pid from p2026_017.diagnosis order by pid'),
	$pids, 'the pseudonyms are the same');
is($new->safe_psql('niji', $under_cohort, extra_params => [ '-U', 'stranger' ]), '20 15', 'a cohort holds as before');
is($new->safe_psql('niji', q{set session authorization governance_abe;
	select niji.apply_permit('C-2', 'More', 'tohoku-lab', 'research', current_date, current_date + 300, renews => 'C-1') > 0;
	select persons from niji.cohorts where permit = 'C-2' and name = 'listed'}), "t\n21", 'and is carried to a renewal');
is($new->safe_psql('niji', 'select count(*) from niji.duties where not in_force'),
	'0', 'duties are bound to the roles again');

$new->safe_psql('niji', q{set session authorization custodian_goto; call niji.move_rows()});
is($new->safe_psql('niji', 'select state from niji.person_merges where id = 1'), 'done', 'the merge comes to its end');
is($new->safe_psql('niji', q{set session authorization custodian_hara;
	select niji.translate_pseudonym(in_permit, (select from_domain from niji.translations), (select to_domain from niji.translations)) = in_hospital from public.pseudonym}),
	't', 'a translation that was open is open');
is($new->safe_psql('niji', q{set session authorization custodian_goto; select r.person = w.keep from niji.reidentify(1) r, public.who w}),
	't', 'a re-identification that was approved is answered');
$new->safe_psql('niji', q{set session authorization custodian_goto; select niji.undo_merge(1, 'two after all'); call niji.move_rows()});
is($new->safe_psql('niji', q{select state || rows_moved || (select count(*) from warehouse.lab l, public.who w where l.person = w.gone) from niji.person_merges where id = 1}),
	'undone01', 'and a merge of before is undone, with its rows');

ok($new->poll_query_until('niji', "select count(*) > $entries from niji.trail"), 'the trail goes on');
$new->safe_psql('niji', 'select niji.seal_trail()');
is($new->safe_psql('niji', 'select count(*) from niji.verify_trail()'), '0', 'the trail verifies');
{
	# what was handed out before the dump belongs to the restored trail, and to the seals it makes from now on
	my $dir = PostgreSQL::Test::Utils::tempdir;
	$new->safe_psql('niji', "select niji.record_act('after', 'restore'); select niji.seal_trail()");
	my $export = $new->safe_psql('niji', 'select niji.export_trail(null, null)');
	for ([ 'seal', $checkpoint ], [ 'trail', $export ])
	{
		open(my $file, '>:raw', "$dir/$_->[0]") or die "could not write $_->[0]: $!";
		print $file "$_->[1]\n";
		close $file;
	}
	my ($out) = run_command([ "$top/tools/niji-verify/niji-verify", "$dir/seal", "$dir/trail" ]);
	like($out, qr/^verified: entries 0 to \d+ of .* unaltered since size \d+ \(2 seals\)/, 'a seal from before the dump verifies with an export of the restored trail');
}
is($new->safe_psql('niji', 'select checkpoint from niji.seals order by size limit 1'),
	$checkpoint, 'the old seals are there');
is( $new->safe_psql('niji',
		"select count(*) > 0 from niji.who_used(niji.find_person('patient', '0110113719:0008')) where permit = 'P2026-017'"),
	't',
	'the use of a person is still known');
is( $new->safe_psql('niji',
		"select count(*) from warehouse.lab where person = niji.enrol('patient', '0110113719:9999')"),
	'0',
	'a person enrolled after the restore is nobody else');

done_testing();
