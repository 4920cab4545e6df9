# Prints numbered lines of 100 bytes, each in a write of its own, at a given pace: log-writer.pl LINES LINES_PER_SECOND
# What is late is caught up with: a program that had to wait for its pipe is seen to end later.
use Time::HiRes qw(time sleep);
my ($lines, $pace) = @ARGV;
my $text = 'x' x 85;
my $began = time;
for my $number (0 .. $lines - 1) {
  my $line = sprintf("%013d %s\n", $number, $text);
  my $written = syswrite STDOUT, $line;
  die "torn: $!" unless defined $written && $written == length $line;
  next if $number % 50;
  my $ahead = $number / $pace - (time - $began);
  sleep $ahead if $ahead > 0;
}
