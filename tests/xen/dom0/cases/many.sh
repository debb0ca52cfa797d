# Ten guests at once; two have their address from xenstore, one of them all but
# what its command line says; one has a MiB of memory.
. /cases/lib.sh
TOLD="ip=10.0.0.20" start web20 web 20 '' "memory=16"
TOLD="dhcp ip=10.0.0.99/16 gw=10.0.0.1" start web21 web 21 'ip=10.0.0.21' "memory=16"
start web29 web 29 'ip=10.0.0.29 small' "memory=1"
for number in 22 23 24 25 26 27 28; do start "web$number" web $number "ip=10.0.0.$number" "memory=16"; done
for number in 20 21 22 23 24 25 26 27 28 29; do
    answers 10.0.0.$number
    fetch http://10.0.0.$number/ > /dev/null || fail "no page from $number"
done
step "ten serve"
stop web20 web21 web22 web23 web24 web25 web26 web27 web28 web29
