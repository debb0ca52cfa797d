# What the cases share. Each ends at its first check that fails.

# Says what is being done; a failing command after it ends the case.
step() { echo "XEN-TEST:   $* [$(cut -d ' ' -f 1 /proc/uptime)]"; }
fail() { echo "XEN-TEST:   FAILED: $*"; exit 1; }

# start NAME PROGRAM NUMBER WORDS [SETTING...]: a guest whose device has the
# address …:NUMBER. With TOLD in the environment, xenstore has that for it.
start() {
    local name=$1 program=$2 number=$3 words=$4 kernel=/guest/$2.bzimage; shift 4
    [ -e "$kernel" ] || kernel=/guest/$program.elf
    xl create -q ${TOLD:+-p} "/guest/$program.cfg" "name='$name'" "kernel='$kernel'" "cmdline='$words'" \
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
# echoes ADDRESS COUNT OPTION...: as many echoes, none of which is lost; counted by
# Linux, since for the last one ping waits no longer than a second, and the emulated
# machine stands still for longer now and then.
echoes() {
    local address=$1 count=$2 before try; shift 2
    before=$(echo_replies)
    ping -q -c "$count" "$@" "$address" | grep "^$count packets transmitted" || fail "no echoes"
    for try in $(seq 300); do [ $(($(echo_replies) - before)) -ge "$count" ] && return 0; sleep 0.1; done
    fail "$(($(echo_replies) - before)) of $count echoes came back"
}
echo_replies() {
    awk '$1 == "Icmp:" { if (at) print $at; else for (i = 1; i <= NF; i++) if ($i == "InEchoReps") at = i }' /proc/net/snmp
}
# Asks guests to end, and waits until they are gone: so is then the process that xl
# leaves behind to look after each. Starting xl again and again to look takes longer
# than all else.
stop() {
    local name keeper keepers left try
    for name; do
        keeper=$(ps -o pid,args | awk -v name="name='$name'" '$2 == "xl" && index($0, name) { print $1 }')
        [ -n "$keeper" ] || fail "nobody looks after $name"
        keepers="$keepers $keeper"
    done
    for name; do xl shutdown "$name" > /dev/null 2>&1 || fail "$name can't be shut down"; done
    for keeper in $keepers; do
        for try in $(seq 1200); do [ -e /proc/$keeper ] || break; sleep 0.05; done
    done
    left=$(xl list) || fail "no list of domains"
    for name; do echo "$left" | grep -q "^$name " && fail "$name is still there"; done
    return 0
}
# crash NAME...: waits until Xen has them as crashed.
crash() {
    local name there try waits
    for try in $(seq 100); do
        there=$(xl list) waits=
        for name; do echo "$there" | awk -v name="$name" '$1 == name { print $5 }' | grep -q c || waits=$name; done
        [ -z "$waits" ] && return 0
        sleep 0.1
    done
    log "$waits"
    fail "Xen does not know that $waits crashed"
}
log() { cat "/var/log/xen/console/guest-$1.log"; }
# Seconds of processor time that a guest has used.
used() { xl list "$1" | awk 'NR == 2 { print $6 }'; }
# That a guest that has nothing to do uses no processor for 5 s, one time of four: the
# time for which the emulator stands still counts as the guest's.
idle() {
    local before after try
    for try in 1 2 3 4; do
        before=$(used "$1"); sleep 5; after=$(used "$1")
        step "processor time before and after 5 s idle: $before $after"
        awk "BEGIN { exit !($after - $before <= 0.2) }" && return 0
    done
    fail "it is not idle"
}
# Gives up after PATIENCE seconds, or 120.
fetch() { host-curl -sS --fail --max-time ${PATIENCE:-120} "$@"; }
# down ADDRESS BYTES FILE, up ADDRESS FILE: seconds it took.
down() { fetch -o "$3" -w '%{time_total}\n' "http://$1/bytes/$2"; }
# The guest says up to where what came was the stream that it hands out.
exact() { upload "$@" || fail "no upload to $1"; }
# The same; returns what curl does where there is no answer.
upload() {
    local size said
    size=$(stat -c %s "$2")
    said=$(fetch -T "$2" "http://$1/x" -w 'in %{time_total} s') || return
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
