# An address from a DHCP server in dom0.
. /cases/lib.sh
host-tcpdump -Z root -i xenbr0 -U -w /tmp/result/dhcp.pcap 2> /tmp/tcpdump.log &
capture=$!
serve_dhcp 10.0.0.50
start web web 50 'dhcp'
answers 10.0.0.50
fetch http://10.0.0.50/ | grep -q mirage || fail "no page"
stop web
step "for a lease, one page and the end: $(log web | grep hypercalls)"
kill $server
kill $capture || fail "no capture: $(cat /tmp/tcpdump.log)"
cat /tmp/udhcpd.log
