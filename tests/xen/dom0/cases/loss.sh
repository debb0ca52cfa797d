# Byte for byte, both ways, with a fifth of all frames lost in each direction.
. /cases/lib.sh
size=49152
# Both ends double what they wait for with each loss of the same: one transfer in some
# thousands is silent for longer than that by chance alone.
PATIENCE=130
start lossy web 05 'ip=10.0.0.5 nogso'
answers 10.0.0.5
down 10.0.0.5 $size /tmp/before > /dev/null
exact 10.0.0.5 /tmp/before
device=vif$(xl domid lossy).0
# At the device, the guest's own view: before what it sends is lost, and after
# what it is sent was.
host-tcpdump -Z root -i "$device" -U -w /tmp/result/loss.pcap 2> /tmp/tcpdump.log &
# What comes from the guest passes through a device of its own, to be lost there.
host-tc qdisc add dev "$device" root netem loss 20% delay 5ms &&
    ip link set ifb0 up && host-tc qdisc add dev ifb0 root netem loss 20% delay 5ms &&
    host-tc qdisc add dev "$device" ingress &&
    host-tc filter add dev "$device" parent ffff: matchall action mirred egress redirect dev ifb0 || fail "no netem"
# Four at once: a sender that has lost the same segment again and again is silent
# for long, and the others are not.
together() {
    local number numbers
    for number in 1 2 3 4; do "$1" $number > /tmp/said.$number & numbers="$numbers $!"; done
    for number in $numbers; do wait $number || { cat /tmp/said.*; fail "$1"; }; done
}
# Anew, twice at most, where its time was over (curl: 28).
again() {
    local try code
    for try in 1 2 3; do
        "$@"; code=$?
        [ $code = 28 ] || break
    done
    return $code
}
get() { again down 10.0.0.5 $size /tmp/body.$1 && cmp /tmp/before /tmp/body.$1; }
put() { again upload 10.0.0.5 /tmp/before; }
together get
step "a fifth lost each way: four times $size bytes down, in s:" $(cat /tmp/said.*)
together put
step "and up, in s:" $(sed -n 's/.*in \(.*\) s/\1/p' /tmp/said.*)
for lossy in "$device" ifb0; do
    lost=$(host-tc -s qdisc show dev $lossy | sed -n 's/.*dropped \([0-9]*\).*/\1/p' | head -n 1)
    [ "$lost" -gt 20 ] || fail "$lost frames lost at $lossy"
    step "$lost frames lost at $lossy"
done
stop lossy
