#!/bin/bash
# Makes the two initial file systems: dom0's and that of a Linux guest.
#
# usage: images.sh FOLDER FILE...    FILEs (guests, their configurations) are
#                                    put into dom0's /guest
set -euo pipefail
into=$1; shift
here=$(cd "$(dirname "$0")" && pwd)
root=$into/root
modules=$(echo "$root"/lib/modules/*)
tools=$(find "$root/usr/lib" -maxdepth 1 -name 'xen-[0-9]*')/bin

# A module's file after those that it depends on.
order() {
    local file name
    file=$(find "$modules" -name "${1//_/[-_]}.ko" | head -n 1)
    [ -n "$file" ] || return 0 # built in
    for name in $(strings -a "$file" | sed -n 's/^depends=//p' | tr , ' '); do order "$name"; done
    echo "$file"
}
put_modules() {
    local folder=$1 file; shift
    mkdir -p "$folder"
    for name; do order "$name"; done | awk '!seen[$0]++' | while read -r file; do
        objcopy --strip-debug "$file" "$folder/$(basename "$file")"
        basename "$file" >> "$folder/order"
    done
}
pack() { (cd "$1" && find . -print0 | cpio --quiet --null -o -H newc -R 0:0) > "$2"; }

guest=$into/guest-root
rm -rf "$guest"; mkdir -p "$guest"/{bin,dev,proc,sys}
cp "$root/bin/busybox" "$guest/bin/"
cp "$here/linux/init" "$guest/init"
put_modules "$guest/modules" xen_netfront af_packet
pack "$guest" "$into/guest.img"

dom0=$into/dom0-root
libraries=usr/lib/x86_64-linux-gnu
rm -rf "$dom0"
mkdir -p "$dom0"/{bin,dev,proc,sys,run/xen,run/xenstored,tmp,guest,cases,lib64,$libraries,etc/xen/scripts} \
    "$dom0"/var/{lib/xen,lib/xenstored,log/xen/console}
ln -s ../run "$dom0/var/run"; ln -s $libraries "$dom0/lib"
cp "$root/bin/busybox" "$dom0/bin/"
for program in xl xenstored xenconsoled xen-init-dom0 libxl-save-helper; do
    # xl looks for its helpers where they were built to be.
    mkdir -p "$dom0${tools#"$root"}"
    cp "$tools/$program" "$dom0${tools#"$root"}/"
    ln -sf "${tools#"$root"}/$program" "$dom0/bin/$program"
done
cp "$root"/usr/bin/xenstore-{read,write,rm,ls} "$dom0/bin/"
for program in curl tc tcpdump; do cp -L "$(PATH=$PATH:/usr/sbin:/sbin command -v $program)" "$dom0/bin/host-$program"; done
export LD_LIBRARY_PATH=$root/$libraries:$root/lib/x86_64-linux-gnu
# A program that is static is none for ldd.
{ find "$dom0${tools#"$root"}" "$dom0/bin" -type f -print0 | xargs -0 -n 1 ldd 2> /dev/null || true; } |
    awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | xargs cp -L -t "$dom0/$libraries"
unset LD_LIBRARY_PATH
cp -L /lib64/ld-linux-x86-64.so.2 "$dom0/lib64/"
# Loaded when a thread is cancelled, which ldd can't know.
cp -L /lib/x86_64-linux-gnu/libgcc_s.so.1 "$dom0/$libraries/"
put_modules "$dom0/modules" xen_privcmd xen_evtchn xen_gntdev xen_gntalloc xenfs bridge af_packet sch_netem \
    sch_ingress cls_matchall act_mirred ifb ahci sd_mod xen_netback
# Who tcpdump asks to be.
echo "root:x:0:0::/:/bin/sh" > "$dom0/etc/passwd"
cp "$here/dom0/init" "$dom0/init"
cp "$here/dom0/vif" "$dom0/etc/xen/scripts/vif-test"
cp "$here/dom0/lib.sh" "$dom0/cases/"; cp "$here"/dom0/cases/*.sh "$dom0/cases/"
echo 'autoballoon="off"' > "$dom0/etc/xen/xl.conf"
cp "$into/linux" "$into/guest.img" "$dom0/guest/"
cp "$@" "$dom0/guest/"
pack "$dom0" "$into/dom0.img"
