#!/bin/sh
# Makes the root file system that all lab hosts have in common: a minimal Debian with systemd, from the package sources of this very
# machine. It appears under its name only when it is whole.
#
# Arguments: directory

set -eu
base=$1 new=$1.new.$$
sources=/etc/apt/sources.list.d/debian.sources
[ -r "$sources" ] || sources=/etc/apt/sources.list
. /etc/os-release

command -v mmdebstrap >/dev/null || apt-get install -y -q --no-install-recommends mmdebstrap ||
  { apt-get update -q && apt-get install -y -q --no-install-recommends mmdebstrap; }

mkdir -p "$(dirname "$base")"
trap 'rm -rf "$new"' EXIT
# libstdc++6 and libatomic1: what the Node of the npm package `node` is linked with, beyond libc.
mmdebstrap --quiet --variant=minbase --mode=root --components=main \
  --include=systemd,systemd-sysv,dbus,procps,util-linux,libstdc++6,libatomic1 \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  "$VERSION_CODENAME" "$new" "$sources"

mkdir -p "$new/etc/systemd/journald.conf.d" "$new/opt/daruma"
printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=8M\n' >"$new/etc/systemd/journald.conf.d/lab.conf"
# The two sys-kernel mounts would be the outer machine's; the others want hardware, a terminal or the network.
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer e2scrub_reap.service \
  systemd-pstore.service getty@tty1.service console-getty.service systemd-journal-flush.service \
  sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount; do
  ln -sf /dev/null "$new/etc/systemd/system/$unit"
done
mv "$new" "$base"
trap - EXIT
