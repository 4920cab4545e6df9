# The counting upstream of the tests (test/fixtures/counting-upstream.mjs) for a bench that has all of it on one machine: the same words and
# the same ledger, in a program that starts in milliseconds and is as fast with its first request as with its thousandth. GET and POST with
# a length, keep-alive; on SIGTERM it accepts nothing new, finishes what it has and ends with 0.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);

my $me = "$ENV{DARUMA_SLOT}#$ENV{DARUMA_EPOCH}";
open my $ledger, '>>', $ENV{LEDGER} or die "$ENV{LEDGER}: $!";
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ENV{PORT}, Listen => 512, ReuseAddr => 1) or die "port: $!";
$server->blocking(0);
my $ready = IO::Select->new($server);
my %waiting;
my $draining = 0;
$SIG{TERM} = sub { $draining = 1 };
$SIG{PIPE} = 'IGNORE';

while (1) {
  if ($draining && defined $server) { $ready->remove($server); close $server; undef $server }
  # Who is idle is nobody's loss: the balancer has let go of us before we are asked to end.
  last if $draining && !grep { length } values %waiting;
  for my $socket ($ready->can_read(0.05)) {
    if (defined $server && $socket == $server) {
      while (my $client = $server->accept) {
        $client->blocking(0);
        setsockopt $client, IPPROTO_TCP, TCP_NODELAY, 1;
        $ready->add($client);
        $waiting{fileno $client} = '';
      }
      next;
    }
    my $id = fileno $socket;
    my $read = sysread $socket, $waiting{$id}, 65536, length $waiting{$id};
    next if !defined $read && $!{EAGAIN};
    if (!$read) { $ready->remove($socket); delete $waiting{$id}; close $socket; next }
    answer($socket, $id);
  }
}

sub answer {
  my ($socket, $id) = @_;
  while ($waiting{$id} =~ /\r\n\r\n/) {
    my $head = substr $waiting{$id}, 0, $+[0];
    my ($length) = $head =~ /\r\ncontent-length: *(\d+)/i;
    my $size = length($head) + ($length // 0);
    last if length $waiting{$id} < $size;
    substr $waiting{$id}, 0, $size, '';
    my ($request) = $head =~ /\r\nx-load-id: *(\S+)/i;
    syswrite $ledger, "$request $ENV{DARUMA_SLOT} $ENV{DARUMA_EPOCH} $$\n" if defined $request && $head =~ /^POST/;
    my $echo = defined $request ? "x-load-id: $request\r\n" : '';
    my $close = $draining ? "connection: close\r\n" : '';
    my $body = "$me\n";
    my $lines = "content-length: " . length($body) . "\r\nx-load-upstream: $me\r\n$echo$close\r\n$body";
    syswrite $socket, "HTTP/1.1 200 OK\r\n$lines";
  }
}
