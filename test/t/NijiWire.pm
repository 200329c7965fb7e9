# A client that speaks PostgreSQL's protocol byte by byte: what attacks need that compare all that a server said.
package NijiWire;

use strict;
use warnings;
use IO::Socket::UNIX;

# connect(node, user): to database niji
sub connect
{
	my ($class, $node, $user, $database) = @_;
	$database //= 'niji';
	my $socket = IO::Socket::UNIX->new(Peer => $node->host . '/.s.PGSQL.' . $node->port) or die "could not connect: $!";
	my $self = bless { socket => $socket, user => $user }, $class;
	my $body = pack('N', 196608) . "user\0$user\0database\0$database\0\0";
	$self->put(pack('N', length($body) + 4) . $body);
	my $got = $self->answer;
	die "$user could not connect: $got->{said}" if $got->{state} ne '00000';
	return $self;
}

sub put
{
	my ($self, $data) = @_;
	while (length $data)
	{
		my $written = syswrite($self->{socket}, $data);
		die "could not write: $!" unless $written;
		substr($data, 0, $written) = '';
	}
	return;
}

sub bytes
{
	my ($self, $n) = @_;
	my $data = '';
	while (length($data) < $n)
	{
		my $read = sysread($self->{socket}, $data, $n - length($data), length($data));
		die "the server closed the connection of $self->{user}" unless $read;
	}
	return $data;
}

# all messages until the server is ready (or wants COPY's data): state (of the first error), said (errors and
# notices), rows (bodies), values (of one column, as text), raw (everything but reports of settings)
sub answer
{
	my ($self) = @_;
	my %got = (state => '00000', said => '', rows => [], values => [], raw => '');
	while (1)
	{
		my ($type, $length) = unpack('aN', $self->bytes(5));
		my $body = $self->bytes($length - 4);
		# numbers of tables that an attacker made, and of processes, are other ones each time
		$body =~ s/([^\0]+\0)....(..)(.{12})/$1\0\0\0\0$2$3/gs if $type eq 'T';
		substr($body, 0, 4) = "" if $type eq 'A';
		$got{raw} .= "$type $body\n" if $type !~ /[SKZR]/;
		$got{said} .= $body if $type =~ /[EN]/;
		$got{state} = $1 if $type eq 'E' && $body =~ /C([0-9A-Z]{5})\0/ && $got{state} eq '00000';
		push @{ $got{rows} }, $body if $type =~ /[DdV]/;
		if ($type eq 'D' && unpack('n', $body) == 1)
		{
			my $size = unpack('N', substr($body, 2, 4));
			push @{ $got{values} }, $size == 0xffffffff ? undef : substr($body, 6);
		}
		last if $type eq 'Z' || $type eq 'G';
	}
	return \%got;
}

sub message { my ($type, $body) = @_; return $type . pack('N', length($body) + 4) . $body; }

# one simple query message, which may hold several statements
sub simple
{
	my ($self, $sql) = @_;
	$self->put(message('Q', "$sql\0"));
	return $self->answer;
}

# sends it and does not wait; answer() waits
sub start
{
	my ($self, $sql) = @_;
	$self->put(message('Q', "$sql\0"));
	return;
}

# the same for who may not fail; the values of a query of one column
sub must
{
	my ($self, $sql) = @_;
	my $got = $self->simple($sql);
	if ($got->{state} ne '00000')
	{
		require Carp;
		Carp::confess("$self->{user}: $sql: $got->{said}");
	}
	return wantarray ? @{ $got->{values} } : $got->{values}[0];
}

sub close
{
	my ($self) = @_;
	eval { $self->put(message('X', '')) };
	CORE::close $self->{socket};
	return;
}

1;
