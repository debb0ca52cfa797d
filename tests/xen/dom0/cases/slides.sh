# The slides' stack: answers, serves its page, uses no processor when idle, ends
# and begins again when asked to.
. /cases/lib.sh
host-tcpdump -Z root -i xenbr0 -U -w /tmp/result/slides.pcap 2> /tmp/tcpdump.log &
capture=$!
start hello hello 02 ''
answers 10.0.0.2
step "answers"
ping -q -c 200 -A -s 1000 10.0.0.2 | grep ' 0% packet loss' || fail "echoes were lost"
[ "$(fetch http://10.0.0.2/)" = "It is a mirage!" ] || fail "another page"
before=$(used hello); sleep 5; after=$(used hello)
step "processor time before and after 5 s idle: $before $after"
awk "BEGIN { exit !($after - $before <= 0.2) }" || fail "it is not idle"
number=$(xl domid hello)
xl reboot hello
for try in $(seq 100); do
    now=$(xl domid hello 2> /dev/null)
    [ -n "$now" ] && [ "$now" != "$number" ] && break
    sleep 0.1
done
[ "$(xl domid hello)" != "$number" ] || fail "it did not begin again"
answers 10.0.0.2
stop hello
log hello | grep -q poweroff || fail "no last word"
kill $capture || fail "no capture: $(cat /tmp/tcpdump.log)"
