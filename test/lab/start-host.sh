#!/bin/sh
# Boots one lab host and lasts as long as it does: joins the host's own cgroups, so that they become the root of its cgroup
# namespace, then makes its namespaces. The network is its own and empty.
#
# Arguments: directory base package dependencies layout cgroup(one for each hierarchy)...

set -eu
host=$1 base=$2 package=$3 dependencies=$4 layout=$5
shift 5
for cgroup; do echo $$ >"$cgroup/cgroup.procs"; done
exec unshare --mount --uts --ipc --net --pid --cgroup --fork --kill-child=SIGKILL -- \
  /bin/bash "$(dirname "$0")/host-init.sh" "$host" "$base" "$package" "$dependencies" "$layout"
