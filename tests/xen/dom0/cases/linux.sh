# A Linux guest fetches from this one; and how fast each is, from dom0.
. /cases/lib.sh
size=33554432
start web web 04 'ip=10.0.0.4'
cat > /guest/linux.cfg <<CONF
type = "pv"
ramdisk = "/guest/guest.img"
memory = 256
CONF
ln -sf linux /guest/linux.elf
answers 10.0.0.4
start linux linux 03 "console=hvc0 quiet get=http://10.0.0.4/bytes/$size size=$size"
answers 10.0.0.3
step "Linux answers"
for try in $(seq 600); do log linux | grep -q '^fetched' && break; sleep 0.5; done
step "Linux has $(log linux | grep fetched)"
# Nobody forges: the sum that costs least.
sum=$(fetch http://10.0.0.4/bytes/$size | md5sum | cut -d ' ' -f 1)
log linux | grep -q "fetched $sum" || fail "Linux fetched something else"
for try in $(seq 300); do fetch -o /dev/null http://10.0.0.3/ready 2> /dev/null && break; sleep 0.2; done
for round in $(seq $ROUNDS); do
    step "$size bytes down: Linux $(fetch -o /dev/null -w '%{time_total}' http://10.0.0.3/body) s," \
        "this $(down 10.0.0.4 $size /dev/null) s"
done
stop web
