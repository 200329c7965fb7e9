# Consent sets: their memory is bounded, they follow what was frozen, prepared or
# came in bulk, and they are not built anew for every statement.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use NijiTest;
use Test::More;

my $node = NijiTest::node('consent',
	'niji.consent_memory' => '4MB',
	'max_prepared_transactions' => 2);

$node->safe_psql('niji', q{
	create table data (person niji.person);
	insert into niji.holder (code, name, kind) values ('city', 'city', 'medical_institution');
	insert into niji.applicant (code, name, kind) values ('lab', 'lab', 'society');
	insert into niji.dataset (name, relation, person_columns, holder, category, legal_basis, changes)
		values ('data', 'data', '{person}', 1, 'ehr', 'law', 'auto');
	insert into niji.permit (code, title, applicant, purpose, state, domain, valid_from, valid_until, schema_name, granted_at)
		values ('R-1', 'r', 1, 'research', 'granted', 1, '2020-01-01', '2099-12-31', 'r_1', now());
	insert into niji.permit_data (permit, dataset, columns) values (1, 1, '{person}');
	create table people (person niji.person);
	insert into people select n::text::niji.person from generate_series(1, 30000) n;
	create function seen() returns bigint language sql as
		$$ select count(*) from people where niji.permitted(person, 1, 1) $$;
	create function deny(first int, last int, step int default 1) returns void language sql as
		$$ insert into niji.consent (person, decision, effective_from, declared_by)
			select n::text::niji.person, 'deny', now(), 'self' from generate_series(first, last, step) n $$;
	select niji.set_rule('ehr', 'research', 'opt_out');
});

$node->poll_query_until('niji', q{select exists (select from pg_stat_activity where backend_type = 'niji keeper')})
	or die 'the keeper does not start';

# one session: a set is built once and follows
my ($out, $err) = ('', '');
$node->psql('niji', q{
	set client_min_messages = debug1;
	select seen(), 'first';
	select seen(), 'nothing new';
	select deny(1, 10);
	select seen(), 'ten more';
	vacuum freeze niji.consent;
	select seen(), 'frozen';
	select deny(11, 12);
	vacuum freeze niji.consent;
	select seen(), 'frozen before it was seen';
}, stdout => \$out, stderr => \$err);
is(join(',', $out =~ /^(\d+)\|/mg), '30000,30000,29990,29990,29988', 'a session\'s set follows what is recorded, frozen or not');
is(scalar(() = $err =~ /consent set of permit 1, dataset 1: built/g), 0, 'and never reads all consents');
cmp_ok(scalar(() = $err =~ /consent set of permit 1, dataset 1: begun/g), '>=', 1, 'but begins with the shared one');
cmp_ok(scalar(() = $err =~ /consent set of permit 1, dataset 1: followed/g), '>=', 2, 'and follows');

# in bulk: building anew is quicker, and is what happens
($out, $err) = ('', '');
$node->psql('niji', q{
	set client_min_messages = debug1;
	select seen();
	select deny(1001, 16000);
	select seen();
}, stdout => \$out, stderr => \$err);
is(join(',', $out =~ /^(\d+)$/mg), '29988,14988', 'fifteen thousand objections at once are obeyed');
cmp_ok(scalar(() = $err =~ /: (?:built|begun)/g), '>=', 2, 'by a set that is built anew');

# prepared: not seen until it commits, not even by the session that prepared it
is($node->safe_psql('niji', q{
	select seen();
	begin;
	select deny(20001, 20001);
	select seen();
	prepare transaction 'objection';
	select seen();
	commit prepared 'objection';
	select seen();
}) =~ s/\s+/,/gr, '14988,14987,14988,14987', 'an objection in a prepared transaction is obeyed when it commits');

# a set that does not fit
$node->safe_psql('niji', 'select deny(70000, 80000000, 16384)');
($out, $err) = ('', '');
isnt($node->psql('niji', '\set VERBOSITY verbose
	select seen();', stdout => \$out, stderr => \$err, on_error_stop => 1), 0, 'a statement whose set does not fit into niji.consent_memory fails');
like($err, qr/53200.*consent sets need more than niji\.consent_memory/, 'and says so');
is($out, '', 'without any row');
unlike($err, qr/person/, 'and without naming anyone');
is($node->safe_psql('niji', q{
	begin;
	select niji.set_rule('ehr', 'research', 'not_required') > 0;
	select seen();
	rollback}) =~ s/\s+/,/gr, 't,30000', 'a rule that needs no consents needs no memory for them');
$node->append_conf('postgresql.conf', "niji.consent_memory = '64MB'");
$node->restart;
is($node->safe_psql('niji', 'select seen()'), '14987', 'with more memory it works again');

$node->stop;
done_testing();
