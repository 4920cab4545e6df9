#!/bin/sh
# Runs a command in a lab host as somebody who logged in: in a scope of its own below the host's systemd, so that what it leaves
# behind lives on, as after an ssh session.
#
# Arguments: init's process id, number of cgroups, cgroup..., command...

set -eu
init=$1 count=$2
shift 2
while [ "$count" -gt 0 ]; do
  echo $$ >"$1/cgroup.procs"
  shift
  count=$((count - 1))
done
# Joined first, entered second: a process can be moved into a scope only from within the host's own part of the hierarchies.
exec nsenter --target "$init" --all -- /usr/bin/env -i \
  PATH=/opt/daruma/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
  systemd-run --scope --quiet --collect --slice=user.slice -- "$@"
