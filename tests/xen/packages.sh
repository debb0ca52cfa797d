#!/bin/bash
# Fetches Xen, its tools, a Linux kernel and busybox as Debian packages and
# unpacks them below the folder given. Nothing is installed.
#
# usage: packages.sh FOLDER
set -euo pipefail
into=$1
release=4.17
# A marker names what was unpacked, so that a second run has nothing to do.
stamp=$into/unpacked-$release
[ -e "$stamp" ] && exit 0
rm -rf "$into"
mkdir -p "$into/packages" "$into/root"
cd "$into/packages"
kernel() { apt-cache depends --important linux-image-amd64 | awk '/Depends:/ && !seen { print $2; seen = 1 }'; }
fetch() {
    apt-get -q download "$(kernel)" busybox-static \
        "xen-hypervisor-$release-amd64" "xen-utils-$release" xen-utils-common xenstore-utils \
        libxencall1 libxendevicemodel1 libxenevtchn1 libxenforeignmemory1 libxengnttab1 libxenhypfs1 \
        "libxenmisc$release" libxenstore4 libxentoolcore1 libxentoollog1 libyajl2
}
fetch || { apt-get -q update && fetch; }
for package in *.deb; do dpkg-deb --extract "$package" "$into/root"; done
rm -f -- *.deb
# QEMU starts a plain ELF by multiboot, and Xen a plain ELF as dom0, sooner
# than it would unpack one under emulation.
gzip -dc "$into/root/boot/xen-$release-amd64.gz" > "$into/xen"
# The payload of a bzImage (Linux: Documentation/arch/x86/boot.rst, fields
# setup_sects, payload_offset, payload_length).
field() { od -A n -t "u$2" -j "$(($1))" -N "$2" "$image" | tr -d ' '; }
image=$(echo "$into"/root/boot/vmlinuz-*)
start=$((($(field 0x1f1 1) + 1) * 512 + $(field 0x248 4)))
dd status=none iflag=skip_bytes,count_bytes bs=1M skip=$start count="$(field 0x24c 4)" if="$image" of="$into/payload"
case $(od -A n -t x1 -N 2 "$into/payload" | tr -d ' ') in
# The length of what is in it follows the stream, which is not xz's.
fd37) xz -dc --single-stream < "$into/payload" > "$into/linux" ;;
1f8b) gzip -dc < "$into/payload" > "$into/linux" || true ;;
*) echo "an unknown compression of Linux" >&2; exit 1 ;;
esac
rm "$into/payload"
[ "$(od -A n -t x1 -N 4 "$into/linux" | tr -d ' ')" = 7f454c46 ]
touch "$stamp"
