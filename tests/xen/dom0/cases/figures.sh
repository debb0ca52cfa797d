# What two guests do up to their first reply, to be counted outside: each is
# destroyed as soon as it has answered. Not among the checks.
. /cases/lib.sh
step "counted from here"
sleep 3
start echo web 04 'ip=10.0.0.4'
answers 10.0.0.4
xl destroy echo
serve_dhcp 10.0.0.50
start page web 50 'dhcp'
answers 10.0.0.50
fetch http://10.0.0.50/ > /dev/null || fail "no page"
xl destroy page
kill $server
