# What the cases share. Each ends at its first check that fails.

# Says what is being done; a failing command after it ends the case.
step() { echo "XEN-TEST:   $* [$(cut -d ' ' -f 1 /proc/uptime)]"; }
fail() { echo "XEN-TEST:   FAILED: $*"; exit 1; }

# start NAME PROGRAM NUMBER WORDS [SETTING...]: a guest whose device has the
# address …:NUMBER. With TOLD in the environment, xenstore has that for it.
start() {
    local name=$1 program=$2 number=$3 words=$4; shift 4
    xl create -q ${TOLD:+-p} "/guest/$program.cfg" "name='$name'" "kernel='/guest/$program.elf'" "cmdline='$words'" \
        "vif=['mac=00:16:3e:00:00:$number,bridge=xenbr0,script=vif-test']" "on_crash='preserve'" "$@" ||
        fail "$name was not created"
    [ -z "$TOLD" ] && return
    xenstore-write "/local/domain/$(xl domid "$name")/vm-data/config" "$TOLD" && xl unpause "$name" ||
        fail "$name was not told"
}
# Waits for an answer, for at most 60 s.
answers() {
    local try
    for try in $(seq 60); do ping -c 1 -W 1 "$1" > /dev/null && return 0; done
    fail "$1 does not answer"
}
# Asks a guest to end, and waits until it is gone.
stop() {
    local try
    xl shutdown -w "$1" > /dev/null 2>&1 || fail "$1 does not shut down"
    for try in $(seq 100); do xl domid "$1" > /dev/null 2>&1 || return 0; sleep 0.1; done
    fail "$1 is still there"
}
# crashes NAME: waits until Xen has it as crashed.
crashes() {
    local try
    for try in $(seq 100); do
        xl list "$1" | awk 'NR == 2 { print $5 }' | grep -q c && return 0
        sleep 0.1
    done
    log "$1"
    fail "Xen does not know that $1 crashed"
}
log() { cat "/var/log/xen/console/guest-$1.log"; }
# Seconds of processor time that a guest has used.
used() { xl list "$1" | awk 'NR == 2 { print $6 }'; }
# Gives up after PATIENCE seconds, or 120.
fetch() { host-curl -sS --fail --max-time ${PATIENCE:-120} "$@"; }
# down ADDRESS BYTES FILE, up ADDRESS FILE: seconds it took.
down() { fetch -o "$3" -w '%{time_total}\n' "http://$1/bytes/$2"; }
# The guest says up to where what came was the stream that it hands out.
exact() {
    local size said
    size=$(stat -c %s "$2")
    said=$(fetch -T "$2" "http://$1/x" -w 'in %{time_total} s') || fail "no upload to $1"
    echo "$said"
    case $said in "$size bytes, $size of the stream"*) ;; *) fail "what was sent is not what came" ;; esac
}
# A DHCP server that has the address ADDRESS alone; its number is in $server.
serve_dhcp() {
    cat > /tmp/udhcpd.conf <<CONF
start $1
end $1
interface xenbr0
lease_file /tmp/leases
opt subnet 255.255.255.0
opt router 10.0.0.1
opt lease 120
CONF
    touch /tmp/leases
    udhcpd -f /tmp/udhcpd.conf 2> /tmp/udhcpd.log &
    server=$!
}
