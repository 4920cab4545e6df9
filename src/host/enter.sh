#!/bin/sh
# Runs a command inside a running instance: joins its cgroups first (so that the instance's end is this command's end too), proves
# that the process it is about to follow is still the recorded one, and only then enters its namespaces.
#
# Arguments: cgroup.procs-files(one a line) pid start-ticks nsenter directory command...
# An empty `nsenter` means that the instance has no namespaces of its own.

set -fu
daruma_ifs=$IFS
IFS='
'
for daruma_procs in $1; do
  [ -w "$daruma_procs" ] && echo $$ >"$daruma_procs" || {
    echo 'daruma: the instance is gone' >&2
    exit 69
  }
done
IFS=$daruma_ifs

# Field 22 of /proc/PID/stat is the start time; the command's name before it may hold spaces and parentheses.
read -r daruma_line <"/proc/$2/stat" || daruma_line=
daruma_line=${daruma_line##*) }
daruma_pid=$2 daruma_ticks=$3 daruma_nsenter=$4 daruma_directory=$5
shift 5
daruma_command_is_running() {
  set -- $daruma_line
  [ $# -ge 20 ] && [ "${20}" = "$daruma_ticks" ]
}
daruma_command_is_running || {
  echo 'daruma: the instance is gone' >&2
  exit 69
}

if [ -n "$daruma_nsenter" ]; then
  exec "$daruma_nsenter" --target "$daruma_pid" --pid --mount -- \
    /bin/sh -c 'cd -- "$1" || exit 127; shift; unset OLDPWD; exec "$@"' sh "$daruma_directory" "$@"
fi
cd -- "$daruma_directory" || exit 127
unset OLDPWD
exec "$@"
