# Guests come and go; so do their devices and the driver at the other end.
. /cases/lib.sh
for cycle in $(seq "$CYCLES"); do
    start web web 06 'ip=10.0.0.6'
    answers 10.0.0.6
    stop web
done
step "$CYCLES times created, pinged, ended"

start web web 06 'ip=10.0.0.6'
answers 10.0.0.6
xl network-detach web 0 || fail "not detached"
ping -c 1 -W 1 10.0.0.6 > /dev/null && fail "it answers without a device"
xl network-attach web mac=00:16:3e:00:00:06 bridge=xenbr0 script=vif-test || fail "not attached"
answers 10.0.0.6
fetch http://10.0.0.6/ > /dev/null || fail "no page"
step "its device was taken and given back"

device=vif$(xl domid web).0
# A driver with devices can't be unloaded: it lets go of this one first.
echo "vif-$(xl domid web)-0" > /sys/bus/xen-backend/drivers/vif/unbind || fail "not unbound"
rmmod xen_netback || fail "the driver is in use"
ping -c 1 -W 1 10.0.0.6 > /dev/null && fail "it answers without a driver"
load-netback || fail "no driver"
for try in $(seq 600); do [ -e "/sys/class/net/$device" ] && break; sleep 0.1; done
ip link set "$device" master xenbr0 up || fail "the driver made no device"
xenstore-write "/local/domain/0/backend/vif/$(xl domid web)/0/hotplug-status" connected
answers 10.0.0.6
step "the driver in dom0 was loaded anew"
stop web
