# Byte for byte, both ways, with a fifth of all frames lost in each direction.
. /cases/lib.sh
size=524288
start lossy web 05 'ip=10.0.0.5 nogso'
answers 10.0.0.5
down 10.0.0.5 $size /tmp/before > /dev/null
exact 10.0.0.5 /tmp/before
device=vif$(xl domid lossy).0
# So much lost leaves few segments under way; Linux then waits twice as long each
# time, minutes in the end, unless told not to.
echo 1 > /proc/sys/net/ipv4/tcp_thin_linear_timeouts
# At the device, the guest's own view: before what it sends is lost, and after
# what it is sent was.
host-tcpdump -Z root -i "$device" -U -w /tmp/result/loss.pcap 2> /tmp/tcpdump.log &
# What comes from the guest passes through a device of its own, to be lost there.
host-tc qdisc add dev "$device" root netem loss 20% delay 5ms &&
    ip link set ifb0 up && host-tc qdisc add dev ifb0 root netem loss 20% delay 5ms &&
    host-tc qdisc add dev "$device" ingress &&
    host-tc filter add dev "$device" parent ffff: matchall action mirred egress redirect dev ifb0 || fail "no netem"
step "a fifth lost each way: $size bytes down in $(down 10.0.0.5 $size /tmp/body) s"
cmp /tmp/before /tmp/body || fail "other bytes came"
exact 10.0.0.5 /tmp/body
for lossy in "$device" ifb0; do
    lost=$(host-tc -s qdisc show dev $lossy | sed -n 's/.*dropped \([0-9]*\).*/\1/p' | head -n 1)
    [ "$lost" -gt 20 ] || fail "$lost frames lost at $lossy"
    step "$lost frames lost at $lossy"
done
stop lossy
