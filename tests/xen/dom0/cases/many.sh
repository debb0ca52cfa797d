# Ten guests at once.
. /cases/lib.sh
for number in 20 21 22 23 24 25 26 27 28 29; do start "web$number" web $number "ip=10.0.0.$number" "memory=16"; done
for number in 20 21 22 23 24 25 26 27 28 29; do
    answers 10.0.0.$number
    fetch http://10.0.0.$number/ > /dev/null || fail "no page from $number"
done
step "ten serve"
for number in 20 21 22 23 24 25 26 27 28 29; do stop web$number; done
