# Byte for byte, both ways: at full speed, without large frames, and with a
# fifth of all frames lost, in both directions.
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
step "no large frames: 16777216 bytes down in $(down 10.0.0.5 16777216 /tmp/large) s"
exact 10.0.0.5 /tmp/large
host-tcpdump -Z root -i xenbr0 -U -c 4000 -w /tmp/result/loss.pcap host 10.0.0.5 2> /tmp/tcpdump.log &
device=vif$(xl domid plain).0
# What comes from the guest passes through a device of its own, to be lost there.
host-tc qdisc add dev "$device" root netem loss 20% delay 5ms &&
    ip link set ifb0 up && host-tc qdisc add dev ifb0 root netem loss 20% delay 5ms &&
    host-tc qdisc add dev "$device" ingress &&
    host-tc filter add dev "$device" parent ffff: matchall action mirred egress redirect dev ifb0 || fail "no netem"
step "a fifth lost each way: 2097152 bytes down in $(down 10.0.0.5 2097152 /tmp/body) s"
head -c 2097152 /tmp/large | cmp - /tmp/body || fail "it came otherwise"
truncate -s 1048576 /tmp/body
exact 10.0.0.5 /tmp/body
for lossy in "$device" ifb0; do
    host-tc -s qdisc show dev $lossy | tr '\n' ' ' | grep -o 'Sent.*dropped [0-9]*' || fail "no netem at $lossy"
done
host-tc -s qdisc show dev ifb0 | grep -q 'dropped [1-9]' || fail "nothing from the guest was lost"
stop plain
