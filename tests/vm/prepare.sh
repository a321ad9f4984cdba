#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# prepare.sh PACKAGE: fetches and unpacks a Debian kernel package (it is not installed), makes
# what run.sh boots from it, and prints the folder. Done once for each version of the package.
#
# The folder then has: vmlinux (uncompressed: QEMU enters it by its PVH note, which saves
# seconds of decompression in an emulated CPU), initrd.cpio, lib/modules/VERSION.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
package=${1:?usage: prepare.sh PACKAGE}
cache=${WEIR_VM_CACHE:-/var/cache/weir-vm}
PATH=$PATH:/sbin:/usr/sbin

mkdir -p "$cache/packages"
exec 9>"$cache/lock"
flock 9

find_package() {
	find "$cache/packages" -name "${package}_*.deb" -print -quit
}

package_file=$(find_package)
if [ -z "$package_file" ]; then
	# Run by root into a folder of root's: apt's own user cannot, and apt says so each time.
	(cd "$cache/packages" && apt-get download -qq -o APT::Sandbox::User=root "$package" >&2)
	package_file=$(find_package)
fi

kernel=$cache/$(basename "$package_file" .deb)
if [ -e "$kernel/.ready" ]; then
	echo "$kernel"
	exit 0
fi

rm -rf "$kernel"
mkdir -p "$kernel"
dpkg -x "$package_file" "$kernel"
# Newer packages keep their modules below /usr.
[ -d "$kernel/lib/modules" ] || ln -s usr/lib "$kernel/lib"
image=$(find "$kernel/boot" -name 'vmlinuz-*' -print -quit)
version=${image##*/vmlinuz-}
depmod -b "$kernel" "$version"
python3 "$here/extract_vmlinux.py" "$image" "$kernel/vmlinux"

# The initramfs: a static busybox, the modules that reach the host's files, and init.sh.
initramfs=$(mktemp -d)
trap 'rm -rf "$initramfs"' EXIT
mkdir -p "$initramfs"/{bin,modules,proc,sys,dev,lower,upper,root}
cp "$(command -v busybox)" "$initramfs/bin/busybox"
install -m 755 "$here/init.sh" "$initramfs/init"
for module in virtio_pci virtio_console overlay virtiofs; do
	modprobe -d "$kernel" -S "$version" --show-depends "$module" 2>/dev/null |
		awk '$1 == "insmod" { print $2 }'
done | awk '!seen[$0]++' | while read -r file; do
	name=$(basename "$file" | sed 's/\.\(xz\|zst\)$//')
	case $file in
	*.xz) xz -dc "$file" >"$initramfs/modules/$name" ;;
	*.zst) zstd -qdc "$file" >"$initramfs/modules/$name" ;;
	*) cp "$file" "$initramfs/modules/$name" ;;
	esac
	echo "$name" >>"$initramfs/modules/order"
done
(cd "$initramfs" && find . | cpio -o -H newc --quiet) >"$kernel/initrd.cpio"

touch "$kernel/.ready"
echo "$kernel"
