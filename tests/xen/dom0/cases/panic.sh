# A guest that fails says why, and Xen knows it.
. /cases/lib.sh

start failing web 07 'ip=10.0.0.7 panic'
crash failing
log failing
log failing | grep -q 'as the command line says' || fail "no message"
xl destroy failing

# What is code can't be written, what can be written can't be run; nothing is
# below the stack nor at 0. The error of a page fault: 1 the page is there, 2 a
# write, 16 an instruction.
faults="write-code:0x3 write-constants:0x3 run-data:0x11 run-stack:0x11 overflow:0x2 read-nothing:0x0"
for fault in $faults; do
    name=${fault%:*} names="$names ${fault%:*}"
    xl create -q /guest/faults.cfg "name='$name'" "kernel='/guest/faults.elf'" "cmdline='$name'" "vif=[]" \
        "on_crash='preserve'" || fail "$name was not created"
done
crash $names
for fault in $faults; do
    name=${fault%:*}
    log "$name" | grep "exception 14 at .*: error ${fault#*:}," || { log "$name"; fail "$name: another end"; }
done
step "six faults end in six crashes"
