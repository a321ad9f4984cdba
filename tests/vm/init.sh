#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# First process of the guest: the host's root below a throw-away overlay becomes the root, then
# the script that run.sh wrote takes over. Parameters come on the kernel's command line as vm.*.
b=/bin/busybox

$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
while read -r module; do
	$b insmod "/modules/$module" 2>/dev/null
done </modules/order
for argument in $($b cat /proc/cmdline); do
	case $argument in
	vm.modules=*) modules=${argument#*=} ;;
	vm.script=*) script=${argument#*=} ;;
	esac
done

$b mount -t virtiofs -o ro root /lower || $b reboot -f
$b mount -t tmpfs tmpfs /upper
$b mkdir /upper/files /upper/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work overlay /root
version=$($b uname -r)
$b mkdir -p "/root/lib/modules/$version"
$b mount --bind "/lower$modules/$version" "/root/lib/modules/$version"

$b mount --move /proc /root/proc
$b mount --move /sys /root/sys
$b mount --move /dev /root/dev
$b mkdir -p /root/dev/pts /root/dev/shm
$b mount -t devpts devpts /root/dev/pts
$b mount -t tmpfs shm /root/dev/shm
$b ln -s /proc/self/fd /root/dev/fd
$b ln -s /proc/self/fd/0 /root/dev/stdin
$b ln -s /proc/self/fd/1 /root/dev/stdout
$b ln -s /proc/self/fd/2 /root/dev/stderr
$b mount -t tmpfs run /root/run
$b mkdir -p /root/run/netns /root/run/lock
# What instances of the host keep is none of the guest's business.
$b mkdir -p /root/var/lib/weir
$b mount -t tmpfs state /root/var/lib/weir
$b mount -t bpf bpf /root/sys/fs/bpf
$b mount -t cgroup2 cgroup /root/sys/fs/cgroup
$b ip link set lo up
exec $b switch_root /root /bin/sh "$script"
