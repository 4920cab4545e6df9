#!/bin/sh
# The groomer, format 1: one for each state directory, alive also while no daemon is. It bounds the logs and gets a dead supervisor
# up again. A log is bounded by punching holes at its head: whoever appends to it notices nothing, no line is lost, and byte offsets
# keep their meaning; the file's apparent size goes on growing while the disk gets the space back (fallocate(2), FALLOC_FL_PUNCH_HOLE).
#
# Arguments: state-directory node entry supervisor-script flock fallocate
# An empty `fallocate` means that the host has none.

set -u
umask 077
daruma_state=$1 daruma_node=$2 daruma_entry=$3 daruma_supervisor=$4 daruma_flock=$5 daruma_fallocate=$6
daruma_host=$daruma_state/host

# The daemon's own diary has no bound file of its own, and a slot only where its bound is not the usual one.
daruma_daemon_log_bound=16777216
daruma_usual_log_bound=10485760
daruma_fallocate_works=yes

cd / || exit 1
exec 9>>"$daruma_host/groomer.lock" || exit 1
"$daruma_flock" -n 9 || exit 0
# Known by process id and start time to whoever looks whether the groomer lives. In place, so that a full disk cannot prevent it.
read -r daruma_line </proc/self/stat && printf '%s\n' "$daruma_line" 1<>"$daruma_host/groomer.pid"

# $1 log, $2 its size, $3 bound, $4 head file. Leading zeros would make the shell read an octal number.
bound_log() {
  daruma_head=0
  [ -r "$4" ] && read -r daruma_head <"$4"
  daruma_head=${daruma_head#"${daruma_head%%[!0]*}"}
  daruma_wanted=$((($2 - $3) / 4096 * 4096))
  [ "$daruma_wanted" -gt "${daruma_head:-0}" ] || return 0
  # The head is told before the hole is made: a reader who came in between would take zeros for text.
  printf '%016d\n' "$daruma_wanted" 1<>"$4"
  "$daruma_fallocate" --punch-hole --offset 0 --length "$daruma_wanted" "$1" 9>&- && return 0
  # Forgotten between the look and the hole.
  [ -e "$1" ] || return 0
  daruma_fallocate_works=no
  echo "daruma: the file system of $1 cannot punch holes, so logs are not bounded"
}

groom_logs() {
  [ -n "$daruma_fallocate" ] && [ "$daruma_fallocate_works" = yes ] || return 0
  # One process for all logs, however many there are; and no pipe, whose loop could not remember what it learned.
  while read -r daruma_size daruma_log; do
    case $daruma_log in
      '') continue ;;
      */daemon.log) daruma_bound=$daruma_daemon_log_bound ;;
      *)
        daruma_bound=$daruma_usual_log_bound
        [ -r "$daruma_log.bound" ] && read -r daruma_bound <"$daruma_log.bound"
        daruma_bound=${daruma_bound#"${daruma_bound%%[!0]*}"}
        ;;
    esac
    [ -n "$daruma_bound" ] || continue
    [ "$daruma_size" -le "$daruma_bound" ] || bound_log "$daruma_log" "$daruma_size" "$daruma_bound" "$daruma_log.head"
  done <<END
$(stat -c '%s %n' "$daruma_state"/slots/*/log "$daruma_state/daemon.log" 2>/dev/null 9>&-)
END
}

# Who started at the recorded time under the recorded number is the supervisor; no process is spawned for the question.
supervisor_is_alive() {
  read -r daruma_line <"$daruma_host/supervisor.pid" || return 1
  daruma_pid=${daruma_line%% *}
  [ -r "/proc/$daruma_pid/stat" ] && read -r daruma_now <"/proc/$daruma_pid/stat" || return 1
  [ "$(start_ticks ${daruma_line##*) })" = "$(start_ticks ${daruma_now##*) })" ]
} 2>/dev/null

# Field 22 of /proc/PID/stat, its third field being $1.
start_ticks() {
  shift 19
  echo "$1"
}

get_supervisor_up() {
  [ -e "$daruma_host/stopped" ] && return 0
  [ -e "$daruma_host/supervised-by" ] && return 0
  supervisor_is_alive && return 0
  # One too many is harmless: it finds the supervisor's lock held and leaves.
  setsid /bin/sh "$daruma_supervisor" "$daruma_state" "$daruma_node" "$daruma_entry" "$daruma_flock" \
    </dev/null >>"$daruma_state/daemon.log" 2>&1 9>&- &
}

# After a wanted stop the instances may run on, and then so must this.
is_needed() {
  [ -d "$daruma_host" ] || return 1
  [ -e "$daruma_host/stopped" ] || return 0
  for daruma_slot in "$daruma_state"/slots/*; do
    [ -d "$daruma_slot" ] || continue
    "$daruma_flock" -n "$daruma_slot" true 9>&- || return 0
  done
  return 1
}

while is_needed; do
  groom_logs
  get_supervisor_up
  # 5 s: a log may exceed its bound by what is written in that time (a program writing 10 MB/s: 50 MB), and a daemon whose
  # supervisor died with it is away for as long. Half of it would double the processes spawned by an idle host.
  sleep 5 9>&-
done
