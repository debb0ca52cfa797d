# The slides' stack: answers, serves its page, uses both queues, uses no processor when idle, ends
# and begins again when asked to.
. /cases/lib.sh
host-tcpdump -Z root -i xenbr0 -U -w /tmp/result/slides.pcap 2> /tmp/tcpdump.log &
capture=$!
start hello hello 02 ''
answers 10.0.0.2
step "answers"
echoes 10.0.0.2 200 -A -s 1000
[ "$(fetch http://10.0.0.2/)" = "It is a mirage!" ] || fail "another page"

# A flow keeps to a queue, which its ports choose: of 64 flows, with three frames from
# the guest each, both queues get more than 20 frames each way, whichever ports they have
# (that they do not is less likely than 1 in 10^9; 16 failed one run in ten).
# Linux says how many responses it has put on each ring, that of frames to the guest last.
fetch -H 'Connection: close' 'http://10.0.0.2/?[1-64]' > /dev/null
for queue in 0 1; do
    ring=/sys/kernel/debug/xen-netback/vif$(xl domid hello).0/io_ring_q$queue
    passed=$(awk '/rsp prod/ { printf "%d ", $3 }' "$ring") || fail "no queue $queue"
    step "frames from and to the guest by queue $queue: $passed"
    echo "$passed" | awk '{ exit !($1 > 20 && $2 > 20) }' || { cat "$ring"; fail "queue $queue is not used"; }
done

idle hello
number=$(xl domid hello)
xl reboot hello
for try in $(seq 600); do
    now=$(xl domid hello 2> /dev/null)
    [ -n "$now" ] && [ "$now" != "$number" ] && break
    sleep 0.1
done
[ "$(xl domid hello)" != "$number" ] || fail "it did not begin again"
answers 10.0.0.2
stop hello
log hello | grep -q poweroff || fail "no last word"
kill $capture || fail "no capture: $(cat /tmp/tcpdump.log)"
