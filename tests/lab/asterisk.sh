#!/bin/sh
# One Asterisk out of the chroot. Several run side by side, each with its own ports, folders and configuration.
#   asterisk.sh run N        write the configuration and become Asterisk (foreground: whoever started it owns it)
#   asterisk.sh ready N      wait until it is fully booted, 20 s at most
#   asterisk.sh cli N CMD    run a command of Asterisk's own command line
#   asterisk.sh ports N      print the ports as NAME=NUMBER lines
#   asterisk.sh stop N       stop it, by its process id
# Environment: VG_LAB_ROOT, the chroot; that of Asterisk 16 has the same name with -16 behind, and the same ports. Instance 0 belongs to `cargo xtask lab`, 1 to 5 to the tests.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(readlink -f "${VG_LAB_ROOT:-${VG_CACHE:-$HOME/.cache/serphona-voice-gateway}/asterisk}")
act=${1:?run, ready, cli, ports or stop} n=${2:-0}

# Below the kernel's ephemeral ports (32768 and up), so that no test's own socket can be in the way.
[ "$n" -ge 0 ] && [ "$n" -le 5 ] || { echo "instance $n: only 0 to 5 exist" >&2; exit 2; }
SIP=$((15060 + n * 200)) CARRIER=$((15070 + n * 200)) HTTP=$((15088 + n * 200)) HTTPS=$((15089 + n * 200)) AMI=$((15038 + n * 200)) AMIS=$((15039 + n * 200))
RTP0=$((20000 + n * 2000)) RTP1=$((21998 + n * 2000))
inst=/srv/ast/$n
# Older packages keep them elsewhere.
for modules in /usr/lib/x86_64-linux-gnu/asterisk/modules /usr/lib/aarch64-linux-gnu/asterisk/modules /usr/lib/asterisk/modules; do
    [ -d "$root$modules" ] && break
done
dir=$root$inst

pid() {
    p=$(cat "$dir/run/asterisk.pid" 2>/dev/null) || return 1
    [ "$(cat "/proc/$p/comm" 2>/dev/null)" = asterisk ] && [ "$(readlink "/proc/$p/root")" = "$root" ] && echo "$p"
}
rx() { chroot "$root" asterisk -C "$inst/etc/asterisk.conf" -rx "$1"; }
stop() {
    p=$(pid) || return 0
    kill -KILL "$p"
    # Gone is gone: a dead child that its parent has not reaped still has its id, so `kill -0` would wait for ever.
    while pid > /dev/null; do sleep 0.02; done
}

case $act in
run)
    # Whoever owns instance N now is us: an older one, of this chroot or of the other, was left by a test that was killed.
    for other in "${root%-16}" "${root%-16}-16"; do
        (root=$other dir=$other$inst && stop)
    done
    rm -rf "$dir"
    for folder in etc lib/keys spool/recording run log cache; do mkdir -p "$dir/$folder"; done
    for file in "$here"/asterisk/*.conf; do
        sed -e "s|@INST@|$inst|g; s|@MODULES@|$modules|g; s|@N@|$n|g; s|@SIP@|$SIP|g; s|@CARRIER@|$CARRIER|g; s|@HTTP@|$HTTP|g; s|@HTTPS@|$HTTPS|g; s|@AMI@|$AMI|g; s|@RTP0@|$RTP0|g; s|@RTP1@|$RTP1|g" \
            "$file" > "$dir/etc/${file##*/}"
    done
    cp "$here/../../host/src/adapters/cli/asterisk/transfer.conf" "$dir/etc/vg-transfer.conf"
    # Asked for by modules we load; empty is right, missing is an error line.
    for name in acl amd ccss codecs features udptl queuerules websocket_client; do : > "$dir/etc/$name.conf"; done
    chroot "$root" chown -R asterisk:asterisk "$inst"
    ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
    exec chroot "$root" asterisk -f -n -C "$inst/etc/asterisk.conf" > "$dir/log/console" 2>&1 < /dev/null
    ;;
ready)
    tries=0
    until rx 'core waitfullybooted' 2>/dev/null | grep -q 'fully booted'; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || { echo "Asterisk $n did not come up:" >&2; tail -20 "$dir/log/console" >&2; exit 1; }
        sleep 0.1
    done
    ;;
cli) shift 2; rx "$*" ;;
ports) printf 'SIP=%s\nHTTP=%s\nHTTPS=%s\nAMI=%s\nAMIS=%s\nCARRIER=%s\n' "$SIP" "$HTTP" "$HTTPS" "$AMI" "$AMIS" "$CARRIER" ;;
stop) stop ;;
*) echo "unknown: $act" >&2; exit 2 ;;
esac
