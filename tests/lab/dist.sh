#!/bin/bash
# Builds `cargo xtask dist` in a clean Debian, starts what it built there, and asks for its health.
#   unshare --mount --propagation private dist.sh ROOT CHECKOUT CACHE SYSROOT REGISTRY
# Runs in a mount namespace of its own: every mount below is gone when it ends, however it ends.
set -euo pipefail
root=$1 checkout=$2 cache=$3 sysroot=$4 registry=$5

# What the build sees: tracked files only (and new ones that are not ignored), as a fresh clone would be.
mkdir -p "$root/src" "$root/cache" "$root/rust" "$root/cargo/registry" "$root/build" "$root/proc"
find "$root/src" -mindepth 1 -maxdepth 1 ! -name target -exec rm -rf {} +
(cd "$checkout" && git ls-files --cached --others --exclude-standard -z |
    while IFS= read -r -d '' file; do [ -e "$file" ] && printf '%s\0' "$file"; done | tar --null -T - -cf -) | tar -C "$root/src" -xf -

mount --bind "$cache" "$root/cache"
mount --bind "$sysroot" "$root/rust"
mount -o remount,bind,ro "$root/rust"
mount --bind "$registry" "$root/cargo/registry"
mount -t proc proc "$root/proc"
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true

inside() {
    chroot "$root" /usr/bin/env -i PATH=/rust/bin:/usr/local/bin:/usr/bin:/bin:/usr/lib/llvm-14/bin HOME=/root LC_ALL=C \
        CARGO_HOME=/cargo CARGO_TARGET_DIR=/build CARGO_NET_OFFLINE=true VG_CACHE=/cache VG_WASM_TOOLCHAIN="${VG_WASM_TOOLCHAIN:-debian}" \
        ${CARGO_PROFILE_RELEASE_OPT_LEVEL:+"CARGO_PROFILE_RELEASE_OPT_LEVEL=$CARGO_PROFILE_RELEASE_OPT_LEVEL"} sh -c "$1"
}
inside 'cd /src && cargo xtask dist'
ls -l "$root/src/target/dist/bin" "$root/src/target/dist/plugins"

# A port of the kernel's choice would have to be read from a log; one outside the ephemeral range is simply ours.
address=127.0.0.1:18980
chroot "$root" /usr/bin/env -i VG__HTTP__BIND=$address /src/target/dist/bin/voice-gateway serve &
gateway=$!
trap 'kill $gateway 2>/dev/null || true' EXIT
tries=0
until chroot "$root" /src/target/dist/bin/voice-gateway health --url "http://$address"; do
    tries=$((tries + 1))
    kill -0 $gateway 2>/dev/null && [ $tries -lt 60 ] || { echo "the gateway of the distribution does not answer" >&2; exit 1; }
    sleep 0.5
done
kill -INT $gateway
wait $gateway
trap - EXIT
echo "the distribution was built, started, found healthy and stopped in a clean Debian"
