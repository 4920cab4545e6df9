#!/bin/sh
# The supervisor, format 1: keeps the daemon of one state directory alive. What a newcomer would get wrong: it may have to watch a
# daemon that it did not start, because its predecessor was killed. Therefore it waits for the state directory's own lock, which the
# kernel gives back in the moment in which a daemon ends, whoever started it.
#
# Arguments: state-directory node entry flock
# Ends when the daemon ends with 0 (on request) or 78 (refused), or when the `stopped` marker exists; both leave the marker, so that
# the collector does not start another supervisor.

set -u
umask 077
daruma_state=$1 daruma_node=$2 daruma_entry=$3 daruma_flock=$4
daruma_host=$daruma_state/host

cd / || exit 1
exec 9>>"$daruma_host/supervisor.lock" || exit 1
"$daruma_flock" -n 9 || exit 0
read -r daruma_line </proc/self/stat && printf '%s\n' "$daruma_line" 1<>"$daruma_host/supervisor.pid"

# The daemon is not as nice, and not bound to the processors, as the shell in which somebody typed `up`; its instances see to themselves.
{
  renice -n 0 -p $$
  chrt --other -p 0 $$
  ionice -c 0 -p $$
  read -r daruma_processors </sys/devices/system/cpu/possible && taskset -pc "$daruma_processors" $$
} >/dev/null 2>&1

# Whole seconds since boot: no change of the time of day can make a quick crash look like a long life.
uptime_seconds() {
  read -r daruma_uptime daruma_idle </proc/uptime
  daruma_uptime=${daruma_uptime%%.*}
}

# A child that only waits must not outlive this shell: it would get the lock for a moment while a daemon tries to take it.
wait_until_no_daemon() {
  if command -v setpriv >/dev/null 2>&1; then
    setpriv --pdeathsig KILL "$daruma_flock" "$daruma_state" true 9>&-
  else
    "$daruma_flock" "$daruma_state" true 9>&-
  fi
}

daruma_delay_ms=100
while [ -d "$daruma_host" ] && [ ! -e "$daruma_host/stopped" ]; do
  wait_until_no_daemon
  [ -e "$daruma_host/stopped" ] && break
  uptime_seconds
  daruma_began=$daruma_uptime
  # A young generation of 1 MiB that one thread cleans, and not the last compiler: a daemon does little and promises to be small (daemon-flags.ts).
  # Without the lock's descriptor: a daemon that outlives its supervisor must not keep a new one away.
  DARUMA_SUPERVISED=yes "$daruma_node" --max-semi-space-size=1 --max-opt=2 --no-parallel-scavenge "$daruma_entry" daemon run --state "$daruma_state" </dev/null >>"$daruma_state/daemon.log" 2>&1 9>&-
  daruma_code=$?
  case $daruma_code in
    0 | 78)
      echo "$daruma_code" >"$daruma_host/stopped"
      exit 0
      ;;
  esac
  uptime_seconds
  [ $((daruma_uptime - daruma_began)) -lt 10 ] || daruma_delay_ms=100
  echo "daruma: the daemon ended with $daruma_code; the next one starts in $daruma_delay_ms ms" >>"$daruma_state/daemon.log"
  sleep "$((daruma_delay_ms / 1000)).$(printf %03d $((daruma_delay_ms % 1000)))" 9>&-
  daruma_delay_ms=$((daruma_delay_ms * 2))
  [ "$daruma_delay_ms" -le 5000 ] || daruma_delay_ms=5000
done
