# A guest that fails says why, and Xen knows it.
. /cases/lib.sh
start failing web 07 'ip=10.0.0.7 panic'
for try in $(seq 100); do
    xl list failing | awk 'NR == 2 { print $5 }' | grep -q c && break
    sleep 0.1
done
xl list failing | awk 'NR == 2 { print $5 }' | grep -q c || fail "Xen does not know that it crashed"
log failing
log failing | grep -q 'as the command line says' || fail "no message"
xl destroy failing
