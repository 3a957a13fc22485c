#!/bin/sh
# Builds a Debian chroot once, unpacked from signed packages: no container engine, no daemon, no /proc inside.
#   chroot.sh ROOT SUITE PACKAGE,PACKAGE,... [extract]
# With `extract` it is no system to enter, only the files of the packages and of what they depend on.
# Does nothing when ROOT already holds exactly that. Environment: VG_DEBIAN_MIRROR (default: the one apt uses here).
set -eu
root=$1 suite=$2 packages=$3 variant=${4:-essential}
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
wanted="$suite $packages"
if [ -r "$root/.complete" ] && [ "$(cat "$root/.complete")" = "$wanted" ]; then exit 0; fi

apt_mirror() {
    apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(CODENAME)' 2>/dev/null |
        awk '!found && $2 == "Debian" && $3 !~ /security/ { sub("/$", "", $1); print $1; found = 1 }'
}
mirror=${VG_DEBIAN_MIRROR:-$(apt_mirror)}
# Before its first update apt knows no origins.
[ -n "$mirror" ] || { apt-get update -qq; mirror=$(apt_mirror); }
[ -n "$mirror" ] || { echo "apt knows no Debian archive here: set VG_DEBIAN_MIRROR" >&2; exit 1; }

if grep -q " $root/" /proc/self/mountinfo; then echo "$root has mounts under it: not touched" >&2; exit 1; fi
rm -rf --one-file-system "$root" "$root.part"
mkdir -p "$(dirname "$root")"
# In a mount namespace of its own: /proc is mounted while packages are set up, and must not stay when this is interrupted.
# A late or frozen mirror makes Release files look expired; their signatures are checked all the same.
unshare --mount --propagation private mmdebstrap --quiet --mode=root --variant="$variant" \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' --aptopt='Acquire::Retries "3"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include="$packages" "$suite" "$root.part" "$mirror"
mv "$root.part" "$root"
# Without a hosts file Asterisk asks a root server for the machine's own name.
printf '127.0.0.1 localhost %s\n::1 localhost\n' "$(uname -n)" > "$root/etc/hosts"
printf '%s' "$wanted" > "$root/.complete"
