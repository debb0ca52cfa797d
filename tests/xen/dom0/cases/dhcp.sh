# An address from a DHCP server in dom0.
. /cases/lib.sh
cat > /tmp/udhcpd.conf <<CONF
start 10.0.0.50
end 10.0.0.50
interface xenbr0
lease_file /tmp/leases
opt subnet 255.255.255.0
opt router 10.0.0.1
opt lease 120
CONF
touch /tmp/leases
host-tcpdump -Z root -i xenbr0 -U -w /tmp/result/dhcp.pcap 2> /tmp/tcpdump.log &
capture=$!
udhcpd -f /tmp/udhcpd.conf 2> /tmp/udhcpd.log &
server=$!
start web web 50 'dhcp'
answers 10.0.0.50
fetch http://10.0.0.50/ | grep -q mirage || fail "no page"
stop web
step "for a lease, one page and the end: $(log web | grep hypercalls)"
kill $server
kill $capture || fail "no capture: $(cat /tmp/tcpdump.log)"
cat /tmp/udhcpd.log
