# The form of fewest bytes: a lease, the page, byte for byte both ways, and a panic
# that says where it was called from.
. /cases/lib.sh
size=16777216
serve_dhcp 10.0.0.51
start small web-small 51 'dhcp'
answers 10.0.0.51
fetch http://10.0.0.51/ | grep -q mirage || fail "no page"
step "$(stat -c %s /guest/web-small.bzimage) bytes of file, $(stat -c %s /guest/web-small.elf) unpacked: $size bytes down in $(down 10.0.0.51 $size /tmp/body) s"
[ "$(stat -c %s /tmp/body)" = $size ] || fail "it is shorter"
exact 10.0.0.51 /tmp/body
stop small
step "all that: $(log small | grep hypercalls)"
kill $server
start failing web-small 07 'ip=10.0.0.7 panic'
crash failing
log failing
log failing | grep -q 'panicked, see addr2line: 0x' || fail "no addresses"
