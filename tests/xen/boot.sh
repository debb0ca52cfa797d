#!/bin/bash
# Boots Xen and dom0 in QEMU, which emulates everything: no /dev/kvm, no disk
# but one that results are written to, no network.
#
# usage: boot.sh FOLDER CASES LIMIT    runs the CASES (apart by colons) for at
#                                      most LIMIT seconds; `shell`: a shell
#
# What comes out: FOLDER/log, and FOLDER/result.tar.
# The processor is one without SMAP, RDTSCP and AVX: QEMU 7.2 does not emulate
# them well enough for a PV dom0 and its guests; with nested paging, since
# Debian's Xen has no shadow paging; with random numbers, since a guest refuses
# to start without.
set -uo pipefail
into=$1 cases=$2 limit=$3
truncate -s 0 "$into/result.tar"; truncate -s 64M "$into/result.tar"
qemu=(qemu-system-x86_64 -M q35 -accel tcg -smp 2 -m 2048
    -cpu qemu64,+svm,+npt,+ssse3,+sse4.1,+sse4.2,+popcnt,+rdrand
    -nographic -no-reboot -nic none
    -drive "file=$into/result.tar,format=raw,if=ide"
    -kernel "$into/xen"
    -append "console=com1 dom0_mem=1024M,max:1024M dom0_max_vcpus=1 loglvl=error guest_loglvl=all"
    -initrd "$into/linux console=hvc0 quiet panic=1 rdinit=/init cases=$cases ${XEN_TEST_WORDS:-},$into/dom0.img")
# Counts what guests execute.
[ -z "${XEN_TEST_PLUGIN:-}" ] || qemu+=(-plugin "$XEN_TEST_PLUGIN")
[ "$cases" = shell ] && exec "${qemu[@]}"
# A line for dom0's console, which nobody reads, every 20 seconds: the emulated
# machine has been seen to stand still, timers and all, until the serial line
# interrupted it.
# Shortly before the end of its time, if it comes to that, Xen is asked by its
# console what dom0 and the guests do (control-a thrice, each doubled for QEMU; then
# the processors' registers, domains, events, timers).
ask() {
    local left=$((limit > 60 ? limit - 20 : limit))
    while [ $left -gt 20 ]; do sleep 20; left=$((left - 20)); echo; done
    sleep $left
    printf '\1\1\1\1\1\1'
    for key in 0 q e a; do sleep 2; printf %s $key; done
}
exec 3< <(ask); asking=$!
timeout --foreground -k 5 "$limit" "${qemu[@]}" <&3 > "$into/log" 2>&1
pkill -P $asking; kill $asking 2> /dev/null
grep -a -q '^XEN-TEST: passed' "$into/log"
