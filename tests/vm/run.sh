#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [--memory MIB] [--timeout SECONDS] [--nic MODEL[:q=QUEUES]]... FOLDER -- COMMAND [ARGUMENT...]
# Boots the kernel in FOLDER (see prepare.sh) under QEMU and runs COMMAND as root in the current
# directory, over the host's own root file system: read-only, below an overlay in the guest's
# memory, so that nothing that the guest writes reaches the host.
# The NICs (QEMU's models, MAC 52:54:00:00:00:01 and so on) are on one bridge, in a network
# namespace of their own on the host; their drivers are loaded.
# Status: the command's; 124 past the time-out; 125 if the guest did not report.
#
# Emulated CPUs (TCG) on purpose: they work on machines without nested virtualisation, and the
# guest is at its init after three seconds.
set -euo pipefail

memory=3072
timeout=300
nics=()
while [ $# -gt 0 ]; do
	case $1 in
	--memory) memory=$2 && shift 2 ;;
	--timeout) timeout=$2 && shift 2 ;;
	--nic) nics+=("$2") && shift 2 ;;
	*) break ;;
	esac
done
kernel=${1:?usage: run.sh [--memory MIB] [--timeout SECONDS] [--nic MODEL]... FOLDER -- COMMAND [ARGUMENT...]}
if [ "${2-}" != -- ] || [ $# -lt 3 ]; then
	echo "run.sh: there is no command" >&2
	exit 125
fi
shift 2

work=$(mktemp -d /var/tmp/weir-vm.XXXXXX)
virtiofsd=
trap '[ -z "$virtiofsd" ] || kill "$virtiofsd" 2>/dev/null; rm -rf "$work"' EXIT

# --- what the guest runs
{
	printf 'cd %q\n' "$PWD"
	printf 'export PATH=%q HOME=/root WEIR_VM=1 WEIR_VM_NICS=%q\n' "$PATH" "${#nics[@]}"
	printf '( '
	printf '%q ' "$@"
	printf ') </dev/null\n'
} >"$work/command"
# Output and status have a virtio port each. Writing to the debug port ends QEMU at once.
cat >"$work/script" <<SCRIPT
port() { grep -l "^\$1\$" /sys/class/virtio-ports/*/name | sed 's,.*virtio-ports/\([^/]*\)/name,/dev/\1,'; }
if [ ${#nics[@]} -gt 0 ]; then
	# There is no udev that would. The drivers of the bus first: they bring the NICs' own modaliases.
	cat /sys/bus/pci/devices/*/modalias | grep bc02 | xargs -r -n1 modprobe -qb
	cat /sys/bus/virtio/devices/*/modalias | grep d00000001 | xargs -r -n1 modprobe -qb
fi
output=\$(port vm.output)
status=\$(port vm.status)
{ bash $work/command 2>&1; echo \$? >/run/vm.status; } | cat >\$output
cat /run/vm.status >\$status
printf '\\0' | dd of=/dev/port bs=1 seek=1281 conv=notrunc 2>/dev/null
SCRIPT

# --- the host's root for the guest. chroot, since pivot_root fails inside some sandboxes.
(cd / && exec /usr/lib/qemu/virtiofsd --socket-path="$work/root.sock" -o source=/ \
	-o sandbox=chroot,cache=always) >"$work/virtiofsd.log" 2>&1 &
virtiofsd=$!
for _ in $(seq 200); do
	[ ! -S "$work/root.sock" ] || break
	sleep .02
done

# --- the machine. Output goes to a file descriptor: a stdio port would close at the end of stdin.
# shellcheck disable=SC2054 # the commas are QEMU's
qemu=(
	qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot
	-machine q35 -accel "tcg,thread=multi,tb-size=512" -cpu max -smp 2 -m "$memory"
	-object "memory-backend-memfd,id=memory,size=${memory}M,share=on" -numa node,memdev=memory
	-kernel "$kernel/vmlinux" -initrd "$kernel/initrd.cpio"
	-append "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off tsc=reliable random.trust_cpu=on vm.modules=$kernel/lib/modules vm.script=$work/script"
	-serial "file:$work/console" -device isa-debug-exit,iobase=0x501,iosize=1
	-chardev "socket,id=root,path=$work/root.sock" -device vhost-user-fs-pci,chardev=root,tag=root
	-chardev file,id=output,path=/proc/self/fd/1,append=on -chardev "file,id=status,path=$work/status"
	-device virtio-serial-pci -device virtserialport,chardev=output,name=vm.output
	-device virtserialport,chardev=status,name=vm.status
)
# --- the NICs: taps on a bridge
network=
for index in "${!nics[@]}"; do
	model=${nics[index]%%:*}
	queues=1
	case ${nics[index]} in *:q=*) queues=${nics[index]##*:q=} ;; esac
	tap="tap,id=nic$index,ifname=tap$index,script=no,downscript=no,vhost=off"
	device="$model,netdev=nic$index,mac=52:54:00:00:00:0$((index + 1))"
	mode=
	if [ "$queues" -gt 1 ]; then
		mode=multi_queue
		tap+=",queues=$queues"
		device+=",mq=on,vectors=$((2 * queues + 2))"
	fi
	network+="ip tuntap add dev tap$index mode tap vnet_hdr $mode; ip link set tap$index master br0 up; "
	qemu+=(-netdev "$tap" -device "$device")
done
launch=()
if [ -n "$network" ]; then
	bridge="ip link add br0 type bridge forward_delay 0 mcast_snooping 0; ip link set br0 up"
	quiet="sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1"
	# Where the host's netfilter looks at bridges it would take what the guests route for spoofed.
	# shellcheck disable=SC2016 # the inner shell's
	quiet+='; for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $f ] || echo 0 >$f; done'
	# shellcheck disable=SC2016
	launch=(unshare -n sh -ec "$quiet; $bridge; $network"'exec "$@"' sh)
fi
set +e
timeout -k 5 "$timeout" "${launch[@]}" "${qemu[@]}" </dev/null | cat
ended=${PIPESTATUS[0]}
if [ -s "$work/status" ]; then
	exit "$(cat "$work/status")"
fi
[ "$ended" != 124 ] || exit 124
tail -n 40 "$work/console" "$work/virtiofsd.log" >&2
exit 125
