#!/bin/bash
# Runs as process 1 of a lab host until the host's own systemd takes its place. What a newcomer would get wrong: everything is mounted
# in here, in the private mount namespace, so that it vanishes with the host and nothing has to be unmounted after a kill.
#
# Arguments: directory base package dependencies layout(v1 | hybrid | v2)
# `directory` holds the host's disk (`upper`), which outlives its boots.

set -eu
host=$1 base=$2 package=$3 dependencies=$4 layout=$5
root=$host/root

mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$base,upperdir=$host/upper,workdir=$host/work" "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
# Read-only, which keeps udev away from the outer machine's devices.
mount -t sysfs -o nosuid,nodev,noexec,ro sysfs "$root/sys"

mount -t tmpfs -o mode=755,size=8m,nosuid dev "$root/dev"
while read -r name major minor; do mknod -m 666 "$root/dev/$name" c "$major" "$minor"; done <<END
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
END
mkdir "$root"/dev/{pts,shm,mqueue}
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for each in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${each%%:*}" "$root/dev/${each#*:}"; done
mount -t tmpfs -o mode=1777,nosuid,nodev shm "$root/dev/shm"
mount -t mqueue mqueue "$root/dev/mqueue"
mount -t tmpfs -o mode=755,nosuid,nodev run "$root/run"

cgroups=$root/sys/fs/cgroup
if [ "$layout" = v2 ]; then
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$cgroups"
else
  mount -t tmpfs -o mode=755,nosuid,nodev,noexec cgroup "$cgroups"
  for name in cpu cpuacct memory devices freezer blkio pids cpuset; do
    mkdir "$cgroups/$name"
    mount -t cgroup -o "nosuid,nodev,noexec,$name" cgroup "$cgroups/$name"
  done
  mkdir "$cgroups/systemd"
  mount -t cgroup -o nosuid,nodev,noexec,none,name=systemd cgroup "$cgroups/systemd"
  if [ "$layout" = hybrid ]; then
    mkdir "$cgroups/unified"
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$cgroups/unified"
  fi
fi

# Kernel settings are the outer machine's.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
mount -o remount,bind,ro "$root/proc/sys"
[ ! -e "$root/proc/sysrq-trigger" ] || mount --bind "$root/dev/null" "$root/proc/sysrq-trigger"
# A boot id of its own, new with every boot: this is what makes a restart of the host a reboot.
cat /proc/sys/kernel/random/uuid >"$root/run/.boot-id"
mount --bind "$root/run/.boot-id" "$root/proc/sys/kernel/random/boot_id"
if [ ! -s "$root/etc/machine-id" ]; then
  read -r uuid </proc/sys/kernel/random/uuid
  echo "${uuid//-/}" >"$root/etc/machine-id"
fi
echo lab >"$root/etc/hostname"
hostname lab

# The package under test as npm installs it, but for its dependencies' place; the host cannot change it.
mount --bind -o ro "$package" "$root/opt/daruma"
mount --bind -o ro "$dependencies" "$root/opt/daruma/node_modules"

cd "$root"
mkdir -p .old
pivot_root . .old
umount -l /.old
rmdir /.old
# Left to itself, systemd would mount the unified hierarchy where it is not.
kernel_options=
[ "$layout" != v1 ] || kernel_options=systemd.legacy_systemd_cgroup_controller=yes
# Without these capabilities a host cannot set the outer machine's clock, load modules into its kernel, or wake it up.
exec env -i container=lab "SYSTEMD_PROC_CMDLINE=$kernel_options" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  TERM=dumb setpriv --bounding-set -sys_time,-sys_module,-sys_rawio,-wake_alarm --inh-caps -all /sbin/init </dev/null
