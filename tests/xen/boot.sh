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
# What of a guest is executed goes to FOLDER/executed, from where a case says so:
# it makes all of it many times as slow.
if [ -n "${XEN_TEST_COUNT:-}" ]; then
    rm -f "$into"/monitor.{in,out} "$into/log"; mkfifo "$into"/monitor.{in,out}
    qemu+=(-chardev "pipe,id=monitor,path=$into/monitor" -mon monitor -dfilter "$XEN_TEST_COUNT" -D "$into/executed")
    cat "$into/monitor.out" > /dev/null &
    {
        until grep -a -s -q '^XEN-TEST:   counted from here' "$into/log"; do sleep 0.2; done
        printf 'singlestep on\nlog exec,nochain\n' > "$into/monitor.in"
    } &
    trap 'kill $(jobs -p) 2> /dev/null' EXIT
fi
[ "$cases" = shell ] && exec "${qemu[@]}"
timeout --foreground -k 5 "$limit" "${qemu[@]}" < /dev/null > "$into/log" 2>&1
grep -a -q '^XEN-TEST: passed' "$into/log"
