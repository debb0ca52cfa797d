# Byte for byte, both ways: with large frames, and without.
. /cases/lib.sh
size=67108864
start web web 04 'ip=10.0.0.4 gw=10.0.0.1'
answers 10.0.0.4
step "large frames: $size bytes down in $(down 10.0.0.4 $size /tmp/body) s"
[ "$(stat -c %s /tmp/body)" = $size ] || fail "it is shorter"
exact 10.0.0.4 /tmp/body
stop web
step "all that: $(log web | grep hypercalls)"
start plain web 05 'ip=10.0.0.5 nogso'
answers 10.0.0.5
step "no large frames: 16777216 bytes down in $(down 10.0.0.5 16777216 /tmp/body) s"
exact 10.0.0.5 /tmp/body
stop plain
