# The least memory in which a guest gets a lease and serves its page, found by
# halving: `xl` gives whole MiB, of which a file that comes with the guest takes
# what is to be too much. Not among the checks.
. /cases/lib.sh
serve_dhcp 10.0.0.50

# serves MIB WORDS KIB: whether a guest of so many MiB without so many KiB does.
serves() {
    local good=no try
    head -c $(($3 * 1024)) /dev/zero > /tmp/filler
    rm -f /var/log/xen/console/guest-web.log
    if xl create -q /guest/web.cfg "kernel='/guest/web.elf'" "cmdline='$2'" "memory=$1" "ramdisk='/tmp/filler'" \
        "vif=['mac=00:16:3e:00:00:50,bridge=xenbr0,script=vif-test']" "on_crash='destroy'" 2> /tmp/create; then
        for try in $(seq 6); do
            ping -c 1 -W 1 10.0.0.50 > /dev/null && fetch --max-time 5 http://10.0.0.50/ 2> /dev/null | grep -q mirage &&
                good=yes && break
            xl domid web > /dev/null 2>&1 || break
        done
        xl destroy web 2> /dev/null
    fi
    echo "$1 MiB without $3 KiB, '$2': $good" $([ $good = no ] && tail -n 1 /tmp/create /var/log/xen/console/guest-web.log)
    [ $good = yes ]
}

# least MIB WORDS
least() {
    local low=4 high=$(($1 * 1024)) middle
    serves "$1" "$2" $low || fail "not in $1 MiB"
    while [ $((high - low)) -gt 4 ]; do
        middle=$(((low + high) / 8 * 4))
        if serves "$1" "$2" $middle; then low=$middle; else high=$middle; fi
    done
    step "'$2': serves in $(($1 * 1024 - low)) KiB"
}
least 1 small
least 2 ''
kill $server
