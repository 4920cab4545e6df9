#!/bin/sh
# The keeper, format 2: the parent of one instance. It makes sure that its epoch is the slot's present one, runs the command, and
# records how it ended. It needs no daemon. What a newcomer would get wrong: the order. The cgroup comes first, so that a daemon can
# find and end the keeper whatever it does; the lock comes before the comparison. A keeper may be stopped for hours between any two
# lines and must still do no harm: its daemon, or the next one, ends it in its cgroup, or the epoch was given up and it runs nothing.
#
# A keeper stands by before it is needed: `sh -s`, already in a cgroup, a session and (where the host has them) a PID namespace of its
# own, reads this file, says who it is, and waits for its daemon's two messages on descriptor 0, a socket. It holds no slot, no lock
# and no epoch until it is told. If the daemon dies first, the socket closes, the shell reads the end of its input, and ends.
#
# The daemon sets before this file is read: daruma_number (which keeper this is), daruma_flock and daruma_mount (paths; empty where the
# host has none), daruma_namespace (`yes` where this shell is process 1 of a PID namespace). Descriptor 8 is this host's /proc. Every
# variable is called daruma_*, every tool has its full path. Lines `#@ point:` do nothing; fault tests replace them in a copy.

set -fu
umask 022

# A stop signal comes to the keeper before it comes to the command: then the end is asked for, and what the command leaves behind gets the
# same signal and the rest of the grace period. SIGCONT says that everything has had the signal already. What is caught here is back to
# its default in the command (sh(1), trap); its own handling is not touched.
daruma_asked=
for daruma_signal in HUP INT QUIT TERM USR1 USR2 WINCH; do
  trap "daruma_asked=$daruma_signal" "$daruma_signal"
done
trap 'daruma_asked=all' CONT
# A daemon that has died reads no answer.
trap : PIPE

# `started` and `exit` exist already and are overwritten in place (<> does not truncate): that needs no free space on a full disk.
# The final newline is the mark of completeness.
daruma_refuse() {
  printf 'refused %s\n' "$1" 1<>"$daruma_home/started"
  exit "$daruma_nothing"
}
# How the shell that was to run the command ends when it ran nothing. A command may end so too: then `started` says who it was.
daruma_nothing=113
daruma_has_begun() {
  # A line that nobody has written is spaces; one of a keeper that began starts with its process id.
  read -r daruma_line <"$daruma_home/started" && case $daruma_line in [0-9]*) ;; *) return 1 ;; esac
}

# Three tries: a superseded keeper that is just leaving holds the lock for some milliseconds.
daruma_lock() {
  [ -n "$daruma_flock" ] || return 0
  "$daruma_flock" -n 9 || { command -p sleep 0.05; "$daruma_flock" -n 9; } ||
    { command -p sleep 0.2; "$daruma_flock" -n 9; } || daruma_refuse locked
}

# The one place where the output of the keeper and its command is set up.
daruma_open_output() {
  # One pipe beside the epoch's directory, open for both ends: whatever else has it open may die.
  [ -p "$daruma_home.out" ] || daruma_refuse mute
  exec 1<>"$daruma_home.out" 2>&1
}

# The first message, all of the order: number, slot directory, epoch directory, cgroup.procs files of limits (one a line), epoch (16 digits),
# directory, number of mounts, [source target, or source ro:target]..., command... The message has also defined daruma_environment, which
# exports the command's variables. It comes while the daemon still writes the epoch down, so that everything is ready by then.
daruma_prepare() {
  [ "$1" = "$daruma_number" ] || exit 0
  daruma_slot=$2 daruma_home=$3 daruma_joins=$4 daruma_epoch=$5 daruma_directory=$6 daruma_volumes=$7
  shift 7
  daruma_open_output
  #@ point: told
  # A daemon that gave this epoch up has removed them.
  daruma_ifs=$IFS
  IFS='
'
  for daruma_procs in $daruma_joins; do
    # The test first: a plain redirection would make a file if ever the path were not a cgroup's. 0 is the process that writes it.
    [ -w "$daruma_procs" ] && echo 0 >"$daruma_procs" || daruma_refuse closed
  done
  IFS=$daruma_ifs
  #@ point: joined
  exec 9<"$daruma_slot"
  # The order was read whole and the next message comes only after this word, so none of it stands in this shell's buffer.
  echo waits >&0
  # The command runs in the foreground, since a shell makes background jobs ignore SIGINT and SIGQUIT. It inherits descriptor 9: while
  # any child of it lives, the lock is held.
  (
    daruma_read_self
    # The second message: number, and `go` where the daemon has locked descriptor 9 for this keeper, else `lock`.
    read -r daruma_told daruma_word && [ "$daruma_told" = "$daruma_number" ] || exit "$daruma_nothing"
    # The daemon may use this socket for the next keeper.
    echo taken >&0
    exec </dev/null
    [ "$daruma_word" = go ] || daruma_lock
    #@ point: locked
    # Only under the lock does the comparison mean anything: a daemon that starts a newer epoch writes this file before it tells a keeper.
    read -r daruma_last <"$daruma_slot/epoch" || daruma_refuse superseded
    [ "$daruma_last" = "$daruma_epoch" ] || daruma_refuse superseded
    #@ point: compared
    printf '%s\n' "$daruma_line" 1<>"$daruma_home/started"
    exec 8<&-
    #@ point: started
    while [ "$daruma_volumes" -gt 0 ]; do
      # What is not to be written is mounted so: a release, by root too.
      daruma_target=${2#ro:}
      command -p mkdir -p -- "$daruma_target" && case $2 in
        ro:*) "$daruma_mount" --bind -o ro -- "$1" "$daruma_target" ;;
        *) "$daruma_mount" --bind -- "$1" "$daruma_target" ;;
      esac || {
        echo "daruma: the volume $1 cannot be mounted on $daruma_target"
        exit 127
      }
      shift 2
      daruma_volumes=$((daruma_volumes - 1))
    done
    daruma_environment
    cd -- "$daruma_directory" || {
      echo "daruma: the directory $daruma_directory cannot be entered"
      exit 127
    }
    unset OLDPWD
    # One sentence of ours instead of the shell's, which names this file and a line of it. (dash's `command -v` finds whatever has a slash.)
    case $1 in
      */*) [ -f "$1" ] && [ -x "$1" ] ;;
      *) command -v -- "$1" >/dev/null 2>&1 ;;
    esac || {
      [ -e "$1" ] && daruma_why='cannot be executed' || daruma_why='is not found'
      echo "daruma: the program $1 $daruma_why, in the directory $daruma_directory"
      exit 127
    }
    exec "$@"
  )
  daruma_code=$? daruma_left=
  [ "$daruma_code" != "$daruma_nothing" ] || daruma_has_begun || exit 0
  #@ point: ended
  if [ "$daruma_namespace" = yes ] && ! daruma_is_alone; then
    # Waiting for any child reaps the orphans that have ended already.
    (:) || :
    daruma_is_alone || daruma_left=yes
  fi
  # In one write: a daemon that reads it ends what is left, unless it has asked for the end.
  if [ "$daruma_left$daruma_asked$daruma_code" = yes0 ]; then
    echo 'daruma: the command ended with 0 and left processes running, which end with it. A program that puts itself in the background has an option to stay in the foreground; use that.'
    printf 'code 0\nleft\n' 1<>"$daruma_home/exit"
  else
    printf 'code %d\n' "$daruma_code" 1<>"$daruma_home/exit"
  fi
  #@ point: recorded
  [ -z "$daruma_left" ] || [ -z "$daruma_asked" ] || daruma_outlast
  # Of its project, or of the machine.
  daruma_lives "${daruma_slot%/slots/*}/host/holder.pid" || daruma_lives "${daruma_slot%/projects/*}/host/holder.pid" ||
    daruma_lives "${daruma_slot%/projects/*}/host/collector.pid" || daruma_lives "${daruma_slot%/slots/*}/host/collector.pid" ||
    daruma_save_output
  # With the end of process 1 the kernel ends whatever is left in its namespace.
  exit 0
}

# Its process id with its start time, as in /proc/PID/stat, is in a file. No program is started for the question.
daruma_lives() {
  read -r daruma_line 2>/dev/null <"$1" || return 1
  read -r daruma_now 2>/dev/null <"/proc/self/fd/8/${daruma_line%% *}/stat" || return 1
  daruma_start_of "$daruma_line"
  daruma_wanted=$daruma_ticks
  daruma_start_of "$daruma_now"
  [ -n "$daruma_ticks" ] && [ "$daruma_ticks" = "$daruma_wanted" ]
}

# Sets daruma_ticks: field 22; empty for a zombie, which nobody has waited for yet.
daruma_start_of() {
  set -- ${1##*) }
  daruma_ticks=
  [ $# -gt 19 ] || return 0
  case $1 in Z | X) return 0 ;; esac
  shift 19
  daruma_ticks=$1
}

# With this shell the pipe may lose the last process that has it open, and with it what the command wrote last: it goes into a file,
# which the next collector takes over. The last line says where it ends; sed reads no further, and is given up where a collector that has
# just come was quicker.
daruma_save_output() {
  LC_ALL=C command -p timeout 5 sed -u '/^daruma: this was the output of keeper '"$daruma_number"'$/q' <"$daruma_home.out" >"$daruma_home.rest" &
  printf '\ndaruma: this was the output of keeper %s\n' "$daruma_number"
  wait "$!"
}

# The end was asked for, the command has ended, and others in the namespace have not.
daruma_outlast() {
  # In a namespace of its own -1 is everything in it but this shell (kill(2)).
  [ "$daruma_asked" = all ] || [ "$$" -ne 1 ] || kill -s "$daruma_asked" -- -1
  # For as long as it takes: when the grace period is over, everything is killed from outside.
  until daruma_is_alone; do command -p sleep 0.05; done
}

# /proc is the namespace's own.
daruma_is_alone() {
  set +f
  set -- /proc/[0-9]*
  set -f
  [ $# -eq 1 ]
}

# Sets daruma_line: this process's line of /proc/PID/stat as the host sees it.
daruma_read_self() {
  read -r daruma_line </proc/self/fd/8/self/stat || daruma_line=$(exec /bin/sh -c 'echo $PPID')
}

daruma_read_self
daruma_self=$daruma_line
echo "$daruma_self" >&0
