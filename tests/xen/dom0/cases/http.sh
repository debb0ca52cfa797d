# Byte for byte, both ways: at full speed, without large frames, and with a
# fifth of what comes to the guest lost.
. /cases/lib.sh
size=67108864
start web web 04 'ip=10.0.0.4 gw=10.0.0.1'
answers 10.0.0.4
step "large frames: $size bytes down in $(down 10.0.0.4 $size /tmp/body) s"
[ "$(stat -c %s /tmp/body)" = $size ] || fail "it is shorter"
exact 10.0.0.4 /tmp/body
stop web
step "all that: $(log web | grep hypercalls)"
start plain web 05 'ip=10.0.0.5 nogso'
answers 10.0.0.5
step "no large frames: 16777216 bytes down in $(down 10.0.0.5 16777216 /tmp/body) s"
exact 10.0.0.5 /tmp/body
host-tcpdump -Z root -i xenbr0 -U -c 4000 -w /tmp/result/loss.pcap host 10.0.0.5 2> /tmp/tcpdump.log &
device=vif$(xl domid plain).0
host-tc qdisc add dev "$device" root netem loss 20% delay 5ms || fail "no netem"
step "a fifth lost: 2097152 bytes down in $(down 10.0.0.5 2097152 /tmp/body) s"
# Linux sends this way, and waits long for what it has to send again.
truncate -s 262144 /tmp/body
exact 10.0.0.5 /tmp/body
stop plain
