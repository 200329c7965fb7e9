# A server with niji: it starts, and the extension is there.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use NijiTest;
use Test::More;

my $node = NijiTest::node('start');
is($node->safe_psql('niji', "select extname from pg_extension where extname = 'niji'"),
	'niji', 'a server with niji has the extension');
is($node->safe_psql('niji', 'show niji.database'), 'niji', 'and its database is named');
$node->restart;
is($node->safe_psql('niji', 'select count(*) > 0 from niji.duty'), 't', 'it starts again');
$node->stop;
done_testing();
