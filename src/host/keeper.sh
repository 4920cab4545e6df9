#!/bin/sh
# The keeper, format 1: the parent of one instance. It makes sure that its epoch is the slot's present one, runs the command, and
# records how it ended. It needs no daemon. What a newcomer would get wrong: the order. The cgroup comes first, so that a daemon can
# find and end whoever does anything at all; the lock comes before the comparison. A keeper may be stopped for hours between any two
# lines and must still do no harm: its daemon, or the next one, has then closed the cgroup, or ends it there.
#
# Arguments: stage slot-directory epoch(16 digits) epoch-directory flock unshare cgroup.procs-files(one a line) directory mount
#            locale(the command's LC_ALL: `unset`, or `=value`) number-of-volumes [source target]... command...
# An empty `flock` or `unshare` means that the host has none. But for LC_ALL the environment is the command's own and arrives untouched,
# so every variable here is called daruma_*, every tool has its full path, and nothing is ever put together into text that is evaluated.
#
# The first stage may be read by a shell that starts many keepers, in a child that it forked for this one: `daruma_keeper` then says
# where this file is, and `daruma_setsid` which program gives a session of its own. There $$ is that shell's, and not asked for.
# Lines `#@ point:` do nothing; fault tests replace them in a copy.

set -fu
umask 022
daruma_slot=$2 daruma_epoch=$3 daruma_home=$4 daruma_flock=$5 daruma_unshare=$6 daruma_cgroups=$7

# `started` and `exit` exist already and are overwritten in place (<> does not truncate): that needs no free space on a full disk.
# The final newline is the mark of completeness.
refuse() {
  printf 'refused %s\n' "$1" 1<>"$daruma_home/started"
  exit 0
}

if [ "$1" = first ]; then
  # Standard output and error are one pipe beside the epoch's directory, open for both ends: whoever else has it open may die.
  [ -p "$daruma_home.out" ] || refuse mute
  exec 2<>"$daruma_home.out"
  #@ point: born
  # A daemon that gave this epoch up has removed its cgroup, or where there are none its ticket; both can happen only once.
  if [ -n "$daruma_cgroups" ]; then
    daruma_ifs=$IFS
    IFS='
'
    for daruma_procs in $daruma_cgroups; do
      # The test first: a plain redirection would make a file if ever the path were not a cgroup's.
      # 0 is whoever writes it.
      [ -w "$daruma_procs" ] && echo 0 >"$daruma_procs" || refuse closed
    done
    IFS=$daruma_ifs
  else
    read -r daruma_line </proc/self/stat || daruma_line=$$
    printf '%s\n' "$daruma_line" 1<>"$daruma_home/keeper"
    command -p rm "$daruma_home/ticket" || refuse closed
  fi
  #@ point: joined
  exec 9<"$daruma_slot"
  if [ -n "$daruma_flock" ]; then
    # Three tries: a superseded keeper that is just leaving holds the lock for some milliseconds.
    "$daruma_flock" -n 9 || { command -p sleep 0.05; "$daruma_flock" -n 9; } ||
      { command -p sleep 0.2; "$daruma_flock" -n 9; } || refuse locked
  fi
  #@ point: locked
  # Only under the lock does the comparison mean anything: whoever started a newer epoch wrote this file before its keeper was born.
  read -r daruma_last <"$daruma_slot/epoch" || refuse superseded
  [ "$daruma_last" = "$daruma_epoch" ] || refuse superseded
  #@ point: compared
  if [ -n "$daruma_unshare" ]; then
    # Descriptor 8 is this host's /proc: through it the command learns its process id as the host sees it.
    exec 8</proc
    shift
    exec ${daruma_setsid:+"$daruma_setsid" --fork} "$daruma_unshare" --pid --fork --kill-child --mount-proc -- \
      /bin/sh "${daruma_keeper:-$0}" second "$@"
  elif [ -n "${daruma_setsid:-}" ]; then
    shift
    exec "$daruma_setsid" --fork /bin/sh "$daruma_keeper" second "$@"
  fi
fi

# From here on this shell is process 1 of a PID namespace (where the host has them): it ignores every signal but SIGKILL from
# outside, waiting reaps every orphan, and with its end the kernel ends whatever is left. The command runs in the foreground, since
# a shell makes background jobs ignore SIGINT and SIGQUIT. It inherits descriptor 9: while any child of it lives, the lock is held.
daruma_directory=$8 daruma_mount=$9
shift 9
daruma_locale=$1 daruma_volumes=$2
shift 2
# Some shells catch SIGINT for themselves; a caught signal reaches even process 1. The command's own handling is not touched, since
# what is caught here is back to its default there.
trap : HUP INT QUIT TERM
(
  if [ -n "$daruma_unshare" ]; then
    read -r daruma_line </proc/self/fd/8/self/stat
    exec 8<&-
  else
    read -r daruma_line </proc/self/stat || daruma_line=$(exec /bin/sh -c 'echo $PPID')
  fi
  # A daemon's own standing with the OOM killer (its systemd unit makes it the last to go) must not be its instances'.
  { echo 0 >/proc/self/oom_score_adj; } 2>/dev/null
  exec </dev/null 1<>"$daruma_home.out" 2>&1
  printf '%s\n' "$daruma_line" 1<>"$daruma_home/started"
  #@ point: started
  while [ "$daruma_volumes" -gt 0 ]; do
    command -p mkdir -p -- "$2" && "$daruma_mount" --bind -- "$1" "$2" || {
      echo "daruma: the volume $1 cannot be mounted on $2"
      exit 127
    }
    shift 2
    daruma_volumes=$((daruma_volumes - 1))
  done
  cd -- "$daruma_directory" || {
    echo "daruma: the directory $daruma_directory cannot be entered"
    exit 127
  }
  unset OLDPWD
  case $daruma_locale in
    =*) LC_ALL=${daruma_locale#=} ;;
    *) unset LC_ALL ;;
  esac
  exec "$@"
)
daruma_code=$?
#@ point: ended
printf 'code %d\n' "$daruma_code" 1<>"$daruma_home/exit"
#@ point: recorded
exit 0
