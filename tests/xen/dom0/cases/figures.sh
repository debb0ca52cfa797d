# What guests do up to their first reply, and for a download, to be counted
# outside: each is destroyed as soon as that has come. Not among the checks.
. /cases/lib.sh
start echo web 04 'ip=10.0.0.4'
answers 10.0.0.4
xl destroy echo
serve_dhcp 10.0.0.50
start page web 50 'dhcp'
answers 10.0.0.50
fetch http://10.0.0.50/ > /dev/null || fail "no page"
xl destroy page
kill $server
# Two lengths, so that what a guest's creation takes of others can be taken away.
for size in 16777216 67108864; do
    for words in '' nogso; do
        start bulk$words web 05 "ip=10.0.0.5 $words"
        answers 10.0.0.5
        down 10.0.0.5 $size /dev/null || fail "no download"
        xl destroy bulk$words
    done
done
