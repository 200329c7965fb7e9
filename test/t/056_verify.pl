# niji-verify: what was exported verifies without the server, and whoever alters
# any part of it, or of the trail in the database, is found.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use NijiTest;

my $top = $ENV{TESTDIR} || '.';
my $program = "$top/tools/niji-verify/niji-verify";
my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = NijiTest::node('verify', 'niji.seal_command' => "cat >> $dir/handed_out", 'niji.seal_interval' => '1h');

sub query { return $node->safe_psql('niji', $_[0]); }
sub act { return query("select niji.record_act('try', 'thing ' || i, '{\"n\": 1}') from generate_series(1, $_[0]) i"); }

sub write_file
{
	my ($name, @lines) = @_;
	open(my $file, '>:raw', "$dir/$name") or die "could not write $name: $!";
	print $file map { "$_\n" } @lines;
	close $file;
	return "$dir/$name";
}

sub export
{
	my ($name, $call) = @_;
	return write_file($name, split(/\n/, query("select niji.$call")));
}

sub lines { return split(/\n/, slurp_file("$dir/$_[0]")); }

# what it says, and with which status
sub verify
{
	my ($status, $pattern, $name, @arguments) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ $program, @arguments ], '>', \$out, '2>', \$err);
	my $code = $? >> 8;
	ok($code == $status && $out =~ $pattern && $err eq '', $name) or diag("status $code: $out$err");
	return $out;
}

# one line of a file changed by a function
sub changed
{
	my ($from, $number, $change) = @_;
	my @all = lines($from);
	local $_ = $all[$number];
	$change->();
	$all[$number] = $_;
	return write_file('changed', @all);
}

act(20);
my $june = query('select niji.seal_trail()');
export('june', 'export_seal()');
my ($verifier) = (lines('june'))[0] =~ /"verifier" : "([^"]+)"/;
act(300);
my $autumn = query('select niji.seal_trail()');
export('autumn', 'export_seal()');
export('all', 'export_trail(null, null)');
export('private', "export_trail(0, 4, true)");
export('some', 'export_trail(3, 7)');
export('one', 'export_trail(5, 5)');
export('proof', "export_proof($june, $autumn)");
my @key = ('--key', $verifier);
my $last = $autumn - 1;

# ---- what is sound ----
verify(0, qr/^verified: entries 0 to $last of niji\/\S+, as sealed at size $autumn, by key SHA256:[0-9a-f]{64}\n/, 'the whole trail verifies', @key, "$dir/all");
verify(0, qr/unaltered since size $june \(2 seals\)/, 'and that it is unaltered since June, by the entries', @key, "$dir/june", "$dir/all");
verify(0, qr/unaltered since size $june \(2 seals\)/, 'or by the proof alone', @key, "$dir/june", "$dir/autumn", "$dir/proof");
verify(0, qr/^verified: entries 3 to 7 /, 'some entries verify', @key, "$dir/some");
verify(0, qr/^verified: entry 5 of/, 'one does', @key, "$dir/one");
verify(0, qr/^verified: entries 0 to 4 /, 'and with private parts', @key, "$dir/private");
verify(0, qr/which the files name themselves/, 'without a key it says that the files named it', "$dir/all");
verify(0, qr/^$/, 'or says nothing', '--quiet', "$dir/all");
for (1 .. 50)
{
	last if -e "$dir/handed_out" && slurp_file("$dir/handed_out") =~ /\n$autumn\n/;
	select(undef, undef, undef, 0.1);
}
verify(0, qr/unaltered since size \d+ \([2-9] seals\)/, 'seals as the command got them are read', @key, "$dir/handed_out", "$dir/all");
my ($out, $err) = ('', '');
my $all = slurp_file("$dir/all");
IPC::Run::run([ $program, @key, "$dir/june", '-' ], '<', \$all, '>', \$out, '2>', \$err);
like($out, qr/^verified: entries 0 to $last /, 'the trail through a pipe');
query('select niji.move_trail()');
is(query("select string_agg(object, ',') from niji.trail_acts where action = 'export_trail'"), 'entries 0 to 4', 'an export of private parts is an act, others are not');

# every tree up to 40
my $wrong = query(q{
	select count(*) from generate_series(1, 40) size, generate_series(0, size - 1) f
	 where (select array_agg(h order by h) from unnest(niji.prove_inclusion(f, size)) h) is distinct from (select array_agg(h order by h) from unnest(niji.prove_range(f, f, size)) h)});
is($wrong, 0, 'the nodes beside one entry are those of its inclusion proof');
my $bad = 0;
for my $range ([ 0, 0 ], [ 0, 15 ], [ 1, 16 ], [ 255, 256 ], [ 17, 31 ], [ $last, $last ], [ 256, $last ], [ 100, 299 ])
{
	export('range', "export_trail($range->[0], $range->[1])");
	$bad++ if system($program, '--quiet', @key, "$dir/range") != 0;
}
is($bad, 0, 'ranges at the edges of subtrees and tiles verify');

# ---- altered, each part in turn ----
my $flip = sub { s/("header":"[^"]{20})(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/e or die };
verify(1, qr/line 9: entry 6 was altered: its header or private part/, 'a bit in an entry', @key, changed('all', 8, $flip));
verify(1, qr/line 6: entry 3 was altered/, 'a bit in a private part', @key,
	changed('private', 5, sub { s/("private":"[^"]{8})(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/e or die }));
verify(1, qr/line 6: entry 3 was altered/, 'a bit in a salt', @key, changed('private', 5, sub { s/("salt":")(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/e or die }));
verify(1, qr/among entries 0 to \d+ are some that are not those that were sealed at size $autumn/, 'an entry altered without its leaf hash', @key,
	changed('all', 8, sub { $flip->(); s/"leaf":"[^"]*",// or die }));
verify(1, qr/are not those that were sealed at size $june/, 'and with a seal between, only those before it are meant', @key, "$dir/june",
	changed('all', 8, sub { $flip->(); s/"leaf":"[^"]*",// or die }));
verify(1, qr/among entries $june to \d+ are some/, 'or those behind it', @key, "$dir/june",
	changed('all', $june + 5, sub { $flip->(); s/"leaf":"[^"]*",// or die }));
{
	my @all = lines('all');
	verify(1, qr/line 12: entry 9 is missing: entry 10 stands there/, 'a removed entry', @key, write_file('changed', @all[ 0 .. 10 ], @all[ 12 .. $#all ]));
	verify(1, qr/line 12: entry 9 is missing: entry 10 stands there/, 'reordered entries', @key, write_file('changed', @all[ 0 .. 10 ], @all[ 12, 11 ], @all[ 13 .. $#all ]));
	verify(1, qr/entry 4 stands where entry 5 should/, 'an entry that is there twice', @key, write_file('changed', @all[ 0 .. 6 ], @all[ 6 .. $#all ]));
	verify(1, qr/it ends after entry 9: entries to $last are missing/, 'a file that was cut off between lines', @key, write_file('changed', @all[ 0 .. 11 ]));
	verify(1, qr/it has none of the entries/, 'before the first', @key, write_file('changed', @all[ 0 .. 1 ]));
	verify(1, qr/entry $last is more than the export says/, 'an entry too many', @key, write_file('changed', @all, $all[-1]));
	verify(2, qr/no seal was given/, 'or without its seal', @key, write_file('changed', $all[0], @all[ 2 .. $#all ]));
	open(my $file, '>:raw', "$dir/changed");
	print $file substr($all, 0, length($all) - 30);
	close $file;
	verify(1, qr/changed, line \d+: /, 'and in the middle of a line', @key, "$dir/changed");
	verify(1, qr/too few or too many hashes/, 'the first entries said to be all', @key,
		write_file('changed', map { my $l = $_; $l =~ s/"to":$last,/"to":9,/; $l } @all[ 0 .. 11 ]));
}
# a proof for another entry
verify(1, qr/entry 5 is missing: entry 6 stands there|entry 6 stands where entry 5|entries 5 to 5 are not in the trail/, 'a proof for another entry', @key,
	write_file('changed', (lines('one'))[ 0, 1 ], (lines('all'))[8]));
verify(1, qr/entries 5 to 5 are not in the trail/, 'also one that is called by its number', @key,
	write_file('changed', (lines('one'))[ 0, 1 ], map { my $l = $_; $l =~ s/"seq":6/"seq":5/; $l } (lines('all'))[8]));
verify(1, qr/not in the trail that was sealed|too few or too many/, 'a hash in a proof', @key, changed('one', 0, sub { s/("hashes":\[")(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/e or die }));
verify(1, qr/too few or too many hashes/, 'a hash less', @key, changed('one', 0, sub { s/("hashes":\[)"[^"]*",/$1/ or die }));
verify(1, qr/does not show that the trail sealed at size $autumn begins with what was sealed at size $june/, 'a hash in a proof of consistency', @key, "$dir/june", "$dir/autumn",
	changed('proof', 0, sub { s/("hashes":\[")(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/e or die }));
verify(2, qr/nothing shows that the trail sealed at size $autumn begins with what was sealed at size $june/, 'two seals and no proof', @key, "$dir/june", "$dir/autumn");

# seals
verify(1, qr/the seal of size 7777 has no valid signature of a key given/, 'a seal with another size', @key, changed('june', 0, sub { s/\\n$june\\n/\\n7777\\n/ or die }));
verify(1, qr/has no valid signature/, 'with another root', @key, changed('june', 0, sub { s/(\\n$june\\n)(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/e or die }));
verify(1, qr/no valid signature|is not a checkpoint/, 'with another signature', @key, changed('june', 0, sub { s/(\S{20})(.)(\S{5}\\n"\})/$1 . ($2 eq 'A' ? 'B' : 'A') . $3/e or die }));

# ---- another server's trail, signed with another key ----
system_or_bail('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', NijiTest::key_dir($node) . '/new.pem');
chmod 0600, NijiTest::key_dir($node) . '/new.pem';
$node->append_conf('postgresql.conf', "niji.seal_key_source = 'file:" . NijiTest::key_dir($node) . "/new.pem'");
$node->reload;
ok($node->poll_query_until('niji', "select setting like '%new.pem' from pg_settings where name = 'niji.seal_key_source'"), 'a new key');
select(undef, undef, undef, 1);
act(2);
query('select niji.seal_trail()');
act(2);
query('select niji.seal_trail()');
export('new_key', 'export_seal()');
my ($new_verifier) = (lines('new_key'))[0] =~ /"verifier" : "([^"]+)"/;
isnt($new_verifier, $verifier, 'signs the next seals');
verify(1, qr/has no valid signature of a key given/, 'a seal of a key that is not the pinned one', @key, "$dir/new_key");
export('all_new', 'export_trail(null, null)');
verify(0, qr/unaltered since size $june \(2 seals\), by key SHA256:\w+ and SHA256:\w+\n/, 'with both keys the trail verifies across the change', @key, '--key', $new_verifier, "$dir/june", "$dir/all_new");
verify(1, qr/has no valid signature of a key given/, 'the new key alone does not vouch for the old seal', '--key', $new_verifier, "$dir/june", "$dir/all_new");
is(query("select object = '$new_verifier' from niji.trail_acts where action = 'new_seal_key' order by seq desc limit 1"), 't', 'and an entry says which key is new');
verify(2, qr/not a verifier key/, 'a malformed key is refused', '--key', substr($verifier, 0, -3) . 'AAA', "$dir/all");
verify(2, qr/cannot be opened/, 'a file that is not there', @key, "$dir/nowhere");
verify(2, qr/no file was given/, 'no file');
verify(2, qr/unknown or incomplete option/, 'an unknown option', '--verify', "$dir/all");
verify(1, qr/is not a checkpoint/, 'something else', @key, "$top/Makefile");
verify(0, qr/Usage:/, 'help', '--help');

# ---- values ----
query(q{
	create table lab (id int primary key, code text, amount int, day date);
	select niji.audit_changes('lab', 'keys');
	insert into lab values (1, '陽性', 5, '2026-01-01'), (2, 'b', 6, null);
	update lab set code = 'new', amount = 70000, day = '2026-02-02' where id = 1;
	select niji.seal_trail()});
my $seq = query("select max(seq) from niji.trail_changes where relation = 'public.lab' and command = 'UPDATE'");
is(query("select string_agg(column_name || ':' || is_old || ':' || is_new, ' ' order by column_name) from niji.prove_value($seq, (select l from lab l where id = 1))"),
	'amount:false:true code:false:true day:false:true', 'prove_value() knows the new values again');
is(query("select string_agg(column_name || ':' || is_old || ':' || is_new, ' ' order by column_name) from niji.prove_value($seq, jsonb_populate_record(null::lab, '{\"code\": \"陽性\", \"amount\": 6, \"day\": \"2026-01-01\"}'))"),
	'amount:false:false code:true:false day:true:false', 'and the old ones, but no others');
is(query("set client_encoding = 'EUC_JP'; select is_old from niji.prove_value($seq, (1, U&'\\967D\\6027', 0, null)::lab) where column_name = 'code'"), 't', 'whatever the encoding of the client');
export('value', "export_trail($seq, $seq, true)");
verify(0, qr/the value presented is the new one of column "code" in entry $seq$/m, 'niji-verify knows a value again', @key, '--key', $new_verifier, '--value', "$seq:code:text:new", "$dir/value");
verify(0, qr/the old one of column "code".*the new one of column "amount"/, 'and two', '--value', "$seq:code:text:陽性", '--value', "$seq:amount:int4:70000", "$dir/value");
verify(0, qr/the new one of column "day"/, 'or its bytes', '--value', "$seq:day:hex:" . query("select encode(date_send('2026-02-02'), 'hex')"), "$dir/value");
verify(1, qr/entry $seq commits to no such value of column "code"/, 'but no other', '--value', "$seq:code:text:neu", "$dir/value");
verify(1, qr/commits to no such value/, 'nor in another column', '--value', "$seq:amount:text:new", "$dir/value");
verify(2, qr/without its private part/, 'without the private part nothing can be said', '--value', "5:code:text:new", "$dir/one");
verify(2, qr/of which a value was presented, is not in the files/, 'nor of an entry that is not there', '--value', "6:code:text:new", "$dir/one");
verify(2, qr/is not SEQ:COLUMN/, 'nor of what is no value', '--value', "6:code:int4:70000x", "$dir/one");

# ---- erasing ----
query('create role clerk login; create role auditor login; create role governor login');
query("select niji.grant_duty('auditor', 'auditor'), niji.grant_duty('governance', 'governor')");
sub refused
{
	my ($user, $sql, $state, $name) = @_;
	my ($code, $stdout, $stderr) = $node->psql('niji', '\set VERBOSITY sqlstate' . "\n$sql", extra_params => [ '-U', $user ]);
	ok($code != 0 && $stderr =~ /$state/, $name) or diag($stderr);
	return;
}
refused('clerk', "select niji.erase_private($seq, 'x')", '42501', 'nobody without a duty erases');
refused('auditor', "select niji.erase_private($seq, 'x')", '42501', 'nor does an auditor');
refused('governor', "select niji.erase_private($seq, ' ')", '22023', 'nor anybody without a reason');
refused('governor', 'select niji.export_trail(0, 1)', '42501', 'entries are exported by auditors');
refused('clerk', 'select niji.export_proof(1, 2)', '42501', 'proofs not by everybody');
refused('governor', 'select niji.erase_private(999999, $$x$$)', '22023', 'an entry that is not there');
$node->safe_psql('niji', "select niji.erase_private($seq, 'a right to erasure')", extra_params => [ '-U', 'governor' ]);
refused('governor', "select niji.erase_private($seq, 'again')", '55000', 'what was erased is not erased again');
is(query("select (salt is null) and (private_part is null) from niji.entry where seq = $seq"), 't', 'a private part is gone, with its salt');
query('select niji.seal_trail()');
is(query('select count(*) from niji.verify_trail()'), '0', 'and the trail still verifies');
is(query("select object || ': ' || (details ->> 'reason') || ' by ' || \"session_user\" from niji.trail_acts where action = 'erase_private'"), "entry $seq: a right to erasure by governor", 'it is an act in the trail');
refused('postgres', "select * from niji.prove_value($seq, (select l from lab l where id = 1))", '55000', 'its values can no longer be proven');
refused('postgres', 'select * from niji.prove_value(0, (select l from lab l where id = 1))', '22023', 'nor those of an entry that has none');
export('erased', "export_trail(null, null, true)");
verify(0, qr/^verified: entries 0 to /, 'nor does niji-verify miss it', '--key', $new_verifier, "$dir/erased");
verify(0, qr/unaltered since size $june/, 'what was exported before belongs to the same trail', "$dir/june", "$dir/erased");

# ---- a superuser alters the trail in the database ----
my @tampering = (
	[ 'an altered header', q{update niji.entry set header = set_byte(header, 30, get_byte(header, 30) # 1) where seq = 12}, qr/entry 12 was altered/ ],
	[ 'with its leaf hash', q{update niji.entry set private_part = '\xa0', leaf_hash = niji.entry_leaf(header, sha256(salt || '\xa0')) where seq = 12}, qr/among entries 0 to \d+ are some/ ],
	[ 'and its tile', q{update niji.entry set private_part = '\xa0', leaf_hash = niji.entry_leaf(header, sha256(salt || '\xa0')) where seq = 12;
		update niji.tile set hashes = overlay(hashes placing (select leaf_hash from niji.entry where seq = 12) from 1 + 32 * 12 for 32) where level = 0 and index = 0}, qr/among entries 0 to \d+ are some/ ],
	[ 'a removed entry', q{delete from niji.entry where seq = 12}, qr/entry 12 is missing/ ]);
for my $case (@tampering)
{
	my ($name, $sql, $pattern) = @$case;
	my $text = query("begin; alter table niji.entry disable trigger all; $sql; select 'found ' || count(*) from niji.verify_trail(); select niji.export_trail(null, null); rollback");
	$text =~ s/\A(?:.*\n)??found (\d+)\n//;
	isnt($1, 0, "$name: found by verify_trail()");
	write_file('tampered', split(/\n/, $text));
	verify(1, $pattern, "$name: and by niji-verify", "$dir/june", "$dir/tampered");
}

done_testing();
