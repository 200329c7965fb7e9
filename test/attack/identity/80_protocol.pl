# Attacks below SQL: the extended protocol with binary parameters and binary results, the function call message,
# COPY in all its formats, two sessions of a reader of two permits, and what other clients are told.  The protocol is
# spoken here byte by byte, since no client library would send what these messages hold.
use strict;
use warnings;
use IO::Socket::UNIX;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use NijiTest;

my $top = $ENV{TESTDIR} || '.';
chdir $top or die "could not enter $top: $!";
my $node = NijiTest::node('protocol');
$node->safe_psql('niji', '\i test/attack/house.sql');
$node->safe_psql('niji', q{
	create table bridge.sink (p bridge.own, t text);
	create table bridge.bytes (b bytea);
	grant all on bridge.sink, bridge.bytes to analyst_fujita, owner_hata;
	set session authorization governance_abe; select niji.add_reader('P2026-017', 'analyst_gondo')});
NijiTest::wait_for_writer($node);

# ---- a client that speaks the protocol ----
sub connect_as
{
	my ($user) = @_;
	my $socket = IO::Socket::UNIX->new(Peer => $node->host . '/.s.PGSQL.' . $node->port) or die "could not connect: $!";
	my $body = pack('N', 196608) . "user\0$user\0database\0niji\0\0";
	print $socket pack('N', length($body) + 4), $body;
	my $client = { socket => $socket };
	answer($client);
	return $client;
}

sub bytes
{
	my ($client, $n) = @_;
	my $data = '';
	while (length($data) < $n)
	{
		my $read = sysread($client->{socket}, $data, $n - length($data), length($data));
		die 'the server closed the connection' unless $read;
	}
	return $data;
}

# all messages until the server is ready (or wants COPY's data): state, text, rows
sub answer
{
	my ($client) = @_;
	my %got = (state => '00000', said => '', rows => [], raw => '');
	while (1)
	{
		my ($type, $length) = unpack('aN', bytes($client, 5));
		my $body = bytes($client, $length - 4);
		$got{raw} .= $body if $type =~ /[DdVtTENA]/;
		$got{said} .= $body if $type =~ /[EN]/;
		$got{state} = $1 if $type eq 'E' && $body =~ /C([0-9A-Z]{5})\0/;
		push @{ $got{rows} }, $body if $type =~ /[DdV]/;
		last if $type eq 'Z' || $type eq 'G';
	}
	return \%got;
}

sub message { my ($type, $body) = @_; return $type . pack('N', length($body) + 4) . $body; }

sub send_to { my ($client, @messages) = @_; syswrite($client->{socket}, join('', @messages)); return answer($client); }

sub simple { my ($client, $sql) = @_; return send_to($client, message('Q', "$sql\0")); }

# Parse, Bind with one parameter in binary (or none), Execute, Sync; results in binary
sub extended
{
	my ($client, $sql, $type, $value, $format) = @_;
	my $parameters = defined $value ? 1 : 0;
	return send_to($client,
		message('P', "\0$sql\0" . pack('n', $parameters ? 1 : 0) . ($parameters ? pack('N', $type) : '')),
		message('B', "\0\0" . ($parameters ? pack('nnnN', 1, $format // 1, 1, length $value) . $value : pack('nn', 0, 0)) . pack('nn', 1, 1)),
		message('D', "P\0"), message('E', "\0" . pack('N', 0)), message('S', ''));
}

# the message of the function call protocol: arguments in binary, result in binary
sub call
{
	my ($client, $function, @values) = @_;
	my $oid = $node->safe_psql('niji', "select '$function'::regprocedure::oid");
	return send_to($client, message('F', pack('Nnnn', $oid, 1, 1, scalar @values)
		  . join('', map { defined $_ ? pack('N', length $_) . $_ : pack('N', 0xffffffff) } @values) . pack('n', 1)));
}

my %oid = map { $_ => $node->safe_psql('niji', "select '$_'::regtype::oid") }
  ('niji.person', 'niji.person[]', 'niji.probe', 'niji.pseudonym', 'bridge.own', 'bridge.own[]', 'text', 'bytea', 'record');
my @numbers = split /\n/, $node->safe_psql('niji', 'select person from warehouse.lab');
my $n = 2100000001;				# what the attackers write themselves: nobody's
my ($d17, $d18, $d19) = map { $node->safe_psql('niji', "select domain from niji.permit where code = 'P2026-$_'") } ('017', '018', '019');
my $mine = $node->safe_psql('niji', 'select pid from attack.list17 limit 1');
my $row = pack('N', 2) . pack('NNN', $oid{'niji.person'}, 4, $n) . pack('NNN', 23, 4, 1);
my $array = pack('NNNNN', 1, 0, $oid{'niji.person'}, 1, 1) . pack('NN', 4, $n);

# refused, and without any number in what came
sub refused
{
	my ($got, $what, $state) = @_;
	$state //= '42501';
	my @found = grep { my $x = $_; index($got->{raw}, $x) >= 0 || index($got->{raw}, pack('N', $x)) >= 0 || index($got->{raw}, pack('V', $x)) >= 0 } @numbers;
	ok($got->{state} =~ /^($state)$/ && !@found, $what)
	  or diag("state $got->{state}, " . scalar(@found) . " numbers, said $got->{said}");
	return;
}

for my $user ('analyst_fujita', 'stranger', 'owner_hata')
{
	my $c = connect_as($user);

	# ---- binary parameters ----
	refused(extended($c, 'select $1 is null', $oid{'niji.person'}, pack('N', $n)), "$user: a person as a binary parameter");
	refused(extended($c, 'select $1 is null', $oid{'niji.person'}, $n, 0), "$user: a person as a text parameter");
	refused(extended($c, 'select $1 is null', $oid{'niji.person[]'}, $array), "$user: an array of persons as a binary parameter");
	refused(extended($c, 'select $1 is null', $oid{'niji.person[]'}, "{$n}", 0), "$user: an array of persons as a text parameter");
	refused(extended($c, 'select $1 is null', $oid{'bridge.own'}, $row), "$user: a row with a person as a binary parameter");
	refused(extended($c, 'select $1 is null', $oid{'bridge.own'}, "($n,1)", 0), "$user: a row with a person as a text parameter");
	refused(extended($c, 'select $1 is null', $oid{'bridge.own[]'}, pack('NNNNN', 1, 0, $oid{'bridge.own'}, 1, 1) . pack('N', length $row) . $row),
		"$user: an array of rows with persons as a binary parameter");
	refused(extended($c, 'select $1::niji.person is null', $oid{text}, $n), "$user: a text that becomes a person");
	refused(extended($c, 'select $1::niji.person is null', 0, $n, 0), "$user: a parameter of unknown type that becomes a person");
	refused(extended($c, 'select $1::niji.person is null', $oid{bytea}, pack('N', $n)), "$user: bytes that become a person", '42846');
	refused(extended($c, "select niji.pseudonym(\$1, $d19)", $oid{'niji.person'}, pack('N', $n)), "$user: the pseudonym of a binary person");
	refused(extended($c, "select niji.pseudonym(\$1, $d19)", 0, pack('N', $n)), "$user: the pseudonym of a person of unspecified type");
	refused(extended($c, 'select $1 = $1', $oid{'niji.person'}, pack('N', 0)), "$user: person 0 in binary");
	refused(extended($c, 'select $1 is null', $oid{'niji.person'}, ''), "$user: a person of no bytes", '42501|08P01|22P03');
	refused(extended($c, 'select $1 is null', $oid{'niji.person'}, 'x' x 64), "$user: a person of too many bytes", '42501|08P01|22P03');
	refused(extended($c, 'select $1 is null', $oid{'niji.probe'}, 'x' x 20), "$user: a binary probe", '42883|0A000|42501');
	refused(extended($c, 'select $1 is null', $oid{'niji.probe'}, "$mine in domain 1", 0), "$user: a text probe", '0A000');
	refused(extended($c, 'select $1 is null', $oid{record}, $row), "$user: a record with a person as a binary parameter", '0A000|42501');

	# ---- the function call message ----
	refused(call($c, 'niji.person_eq(niji.person, niji.person)', pack('N', $n), pack('N', $n)), "$user: calling with binary persons");
	refused(call($c, 'niji.pseudonym(niji.person, integer)', pack('N', $n), pack('N', $d19)), "$user: calling pseudonym() with a binary person");
	refused(call($c, 'niji.permitted(niji.person, integer, integer)', pack('N', $n), pack('N', 1), pack('N', 1)), "$user: calling permitted() with a binary person");
	refused(call($c, 'niji.person_in(cstring)', $n), "$user: calling the input function");
	refused(call($c, 'niji.person_out(niji.person)', pack('N', $n)), "$user: calling the output function");
	refused(call($c, 'niji.person_send(niji.person)', pack('N', $n)), "$user: calling the send function");
	refused(call($c, 'niji.person_of(niji.pseudonym, integer)', $mine, pack('N', $d17)), "$user: calling person_of()");
	refused(call($c, 'niji.find_person(text, text, date)', 'patient', '0110113719:0001', undef), "$user: calling find_person()");
	refused(call($c, 'niji.enrol(text, text, text)', 'patient', '0110113719:0001', undef), "$user: calling enrol()");
	refused(call($c, 'niji.domain_salt()'), "$user: calling domain_salt()");
	refused(call($c, 'niji.probe_hash(niji.probe)', 'x' x 20), "$user: calling probe_hash()");
	refused(call($c, 'niji.probe_same(niji.probe, niji.probe)', 'x' x 20, 'x' x 20), "$user: calling with binary probes", '42883|0A000');
	refused(call($c, 'pg_catalog.lo_from_bytea(oid, bytea)', pack('N', 0), 'x'), "$user: calling lo_from_bytea()");
	refused(call($c, 'pg_catalog.lo_creat(integer)', pack('N', -1 & 0xffffffff)), "$user: calling lo_creat()");
	refused(call($c, 'pg_catalog.pg_read_binary_file(text)', 'global/pg_control'), "$user: calling pg_read_binary_file()");

	# ---- COPY FROM ----
	for my $format ('text', 'csv', 'binary')
	{
		my $got = simple($c, "copy bridge.own from stdin (format $format)");
		if ($got->{state} eq '00000')
		{
			my $data = $format eq 'binary' ? "PGCOPY\n\377\r\n\0" . pack('NN', 0, 0) . pack('nNNNN', 2, 4, $n, 4, 1) . pack('n', 0xffff)
			  : $format eq 'csv' ? "$n,1\n" : "$n\t1\n";
			$got = send_to($c, message('d', $data), message('c', ''));
		}
		refused($got, "$user: COPY FROM of persons, $format");
		$got = simple($c, "copy bridge.sink (p) from stdin (format $format)");
		if ($got->{state} eq '00000')
		{
			my $data = $format eq 'binary' ? "PGCOPY\n\377\r\n\0" . pack('NN', 0, 0) . pack('nN', 1, length $row) . $row . pack('n', 0xffff)
			  : $format eq 'csv' ? "\"($n,1)\"\n" : "($n,1)\n";
			$got = send_to($c, message('d', $data), message('c', ''));
		}
		refused($got, "$user: COPY FROM of rows with persons, $format");
	}
	refused(simple($c, 'copy warehouse.lab from stdin'), "$user: COPY FROM into a dataset");
	refused(simple($c, "copy warehouse.lab to stdout (format $_)"), "$user: COPY TO of a dataset, $_") for ('text', 'csv', 'binary');
	refused(simple($c, "copy (select person from warehouse.lab) to stdout (format $_)"), "$user: COPY TO of its persons, $_") for ('text', 'csv', 'binary');
	close $c->{socket};
}

# ---- binary results of one's own persons ----
my $hata = connect_as('owner_hata');
for my $sql ('select person from bridge.own', 'select o from bridge.own o', 'select array_agg(person) from bridge.own', 'select row(person) from bridge.own',
	'select min(person) from bridge.own', 'table bridge.own', 'insert into bridge.own select null, 1 returning (select person from bridge.own limit 1)',
	'update bridge.own set n = n returning person', 'values ((select person from bridge.own limit 1))', 'with x as materialized (select person from bridge.own) table x',
	'select coalesce(person) from bridge.own', 'select array[row(person, 1)] from bridge.own')
{
	refused(extended($hata, $sql), "the owner of persons: $sql, in binary");
	refused(simple($hata, $sql), "the owner of persons: $sql, in text");
}
refused(simple($hata, "copy bridge.own to stdout (format $_)"), "the owner of persons: COPY TO, $_") for ('text', 'csv', 'binary');
refused(simple($hata, "copy (select o, array[person] from bridge.own o) to stdout (format $_)"), "the owner of persons: COPY TO of rows, $_") for ('text', 'csv', 'binary');
refused(simple($hata, "copy bridge.own to stdout (format csv, force_quote *)"), 'the owner of persons: COPY TO, quoted');
refused(simple($hata, "begin; declare c binary cursor for select person from bridge.own; fetch all from c"), 'the owner of persons: a binary cursor');
simple($hata, 'rollback');
refused(simple($hata, 'do $$ declare r record; begin for r in select person from bridge.own loop raise notice \'%\', r; end loop; end $$'), 'the owner of persons: a notice');
refused(simple($hata, 'do $$ declare r record; begin for r in select person from bridge.own loop raise log using message = r.person::text; end loop; end $$'), 'the owner of persons: a line of the log');
refused(simple($hata, "begin; set local client_min_messages = debug5; set local debug_print_plan = on; set local debug_print_parse = on; select count(*) from bridge.own where person is not null; rollback"),
	'the owner of persons: a plan in messages', '00000');
# a parameter that is logged, and the context of an error that names it
simple($hata, "set log_parameter_max_length_on_error = -1");
refused(extended($hata, 'select 1 / ($1::int - $1::int) from bridge.own', 25, '5'), 'an error shows its parameters', '22012');

# ---- a reader: binary results have pseudonyms and no more ----
my $fujita = connect_as('analyst_fujita');
for my $sql ('select * from p2026_017.lab', 'select l from p2026_017.lab l', 'select array_agg(l) from p2026_017.lab l', 'select row(pid, institution) from p2026_017.lab',
	'select min(pid) from p2026_017.lab', 'select pid from p2026_017.lab join p2026_017.diagnosis using (pid)', 'select niji.make_probe(pid, ' . $d17 . ')::text from p2026_017.lab')
{
	my $got = extended($fujita, $sql);
	refused($got, "$sql, in binary, has no number", '00000');
	cmp_ok(scalar @{ $got->{rows} }, '>', 0, 'but rows');
}
refused(extended($fujita, "select niji.make_probe(pid, $d17) from p2026_017.lab"), 'a probe has no binary form', '42883');
refused(extended($fujita, 'select pid from p2026_017.lab where pid = $1', $oid{'niji.pseudonym'}, $mine), 'a binary pseudonym finds its rows', '00000');
refused(extended($fujita, 'select pid from p2026_018.lab'), 'another permit in the extended protocol');
refused(simple($fujita, 'select 1; select pid from p2026_018.lab'), 'another permit as a second statement');
refused(simple($fujita, 'begin; savepoint s; select pid from p2026_018.lab; rollback to s; select pid from p2026_019.lab'), 'another permit after a savepoint');
simple($fujita, 'rollback');

# several statements in one pipeline, the last bound before the session was bound
my $pipeline = connect_as('analyst_fujita');
my $got = send_to($pipeline,
	message('P', "a\0select pid from p2026_017.lab\0" . pack('n', 0)), message('P', "b\0select pid from p2026_018.lab\0" . pack('n', 0)),
	message('B', "x\0a\0" . pack('nnn', 0, 0, 0)), message('B', "y\0b\0" . pack('nnn', 0, 0, 0)),
	message('E', "x\0" . pack('N', 1)), message('E', "y\0" . pack('N', 1)), message('E', "x\0" . pack('N', 1)), message('S', ''));
is($got->{state}, '42501', 'Two portals of two permits, opened before either ran');
is(scalar @{ $got->{rows} }, 1, 'give rows of one');

# ---- a reader of two permits: two sessions lay their lists side by side ----
my %order;
for my $permit (17, 18)
{
	my $c = connect_as('analyst_fujita');
	my %query = (
		'GROUP BY' => "select pid, count(*) from p2026_0$permit.lab group by pid",
		'DISTINCT' => "select distinct pid from p2026_0$permit.lab",
		'UNION' => "select pid from p2026_0$permit.lab union select pid from p2026_0$permit.lab",
		'INTERSECT' => "select pid from p2026_0$permit.lab intersect select pid from p2026_0$permit.lab",
		'DISTINCT ON' => "select distinct on (pid) pid from p2026_0$permit.lab",
		'ORDER BY' => "select pid from p2026_0$permit.lab order by pid",
		'a window' => "select pid, count(*) over (partition by pid) from p2026_0$permit.lab",
		'array_agg(DISTINCT)' => "select unnest(array_agg(distinct pid)) from p2026_0$permit.lab",
		'GROUP BY, hashed' => "set enable_sort = off; select pid, sum(1) from p2026_0$permit.lab group by pid; reset enable_sort",
		'GROUP BY, sorted' => "set enable_hashagg = off; select pid, sum(1) from p2026_0$permit.lab group by pid; reset enable_hashagg");
	for my $what (sort keys %query)
	{
		my $answer = simple($c, $query{$what});
		is($answer->{state}, '00000', "permit $permit: $what runs");
		$order{$what}{$permit} = [ map { my $body = $_; unpack('N', substr($body, 2, 4)) == 28 ? substr($body, 6, 28) : () } @{ $answer->{rows} } ];
	}
}
my %truth = map { split /\|/ } split /\n/, $node->safe_psql('niji', 'select p17, p18 from attack.truth');
for my $what (sort keys %order)
{
	my ($one, $two) = @{ $order{$what} }{ 17, 18 };
	is(scalar @$one, 39, "$what gives the persons");
	my $same = grep { $truth{ $one->[$_] } eq $two->[$_] } 0 .. $#$one;
	cmp_ok($same, '<', 15, "$what does not put persons in the same order under two permits");
}

# ---- parallel workers share the one domain of a session ----
my $parallel = connect_as('stranger');
$node->safe_psql('niji', q{
	create table attack.many as select '' as t, 0 as d from generate_series(1, 200000)
	  union all select pid::text, 1 from attack.list_a union all select pid::text, 2 from attack.list_b;
	grant select on attack.many to public; analyze attack.many});
my ($ha, $hb) = map { $node->safe_psql('niji', "select id from niji.domain where name = 'holder $_'") } ('a', 'b');
simple($parallel, 'set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; set enable_nestloop = off');
my $workers = "select count(*) from attack.many b left join (select case when d > 5 then null::niji.person end as p from attack.many) a on a.p operator(niji.=) niji.make_probe(b.t, case d when 1 then $ha when 2 then $hb end)";
like(join('', @{ simple($parallel, "explain $workers")->{rows} }), qr/Gather/, 'A join of probes may be done by parallel workers');
refused(simple($parallel, $workers), 'who do not undo two domains either');
refused(simple($parallel, $workers =~ s/attack\.many b/(select t, d from attack.many where d < 2 union all select t, d from attack.many where d = 2) b/r),
	'nor one each in a parallel append');

# ---- the log: nothing of it has a number or an identifier ----
my $log = slurp_file($node->logfile);
my @seen = grep { $log =~ /\b$_\b/ } @numbers;
is(scalar @seen, 0, "The log of all of this has no person's number");

$node->stop;
done_testing();
