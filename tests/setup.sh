#!/bin/bash
# `make setup`: all that building and testing Governor needs, from Debian and npm. Nothing to do the second time.
#
#   tests/setup.sh [PART...]            apt (enough for plain building), node, pm2, root, vm; all of them unless named
#
# All but the Debian packages goes into TESTBED (/var/cache/governor-testbed), outside the tree:
#   root/                      a Debian 12 with systemd, read only ever: containers boot an overlay of it
#   node/node_modules/node/    Node 20
#   npm/pm2-VERSION/           each PM2 that is tested against
#   vm/                        what test VMs boot: Debian's kernel, and the parts above as a disk image
#   done/PART                  what the part was made from; a part without it, or made from something else, is made anew
# Beds hold a shared lock on TESTBED/lock while they run; whoever replaces a part holds it alone.
# shellcheck disable=SC2086 # the lists of words are there to be split
set -eu

TESTBED=${TESTBED:-/var/cache/governor-testbed}
PM2_VERSIONS="5.4.3 6.0.14 7.0.4"
NODE_VERSION=20.20.2

to_build="gcc make pkg-config libc6-dev binutils git ca-certificates
          libsystemd-dev libsqlite3-dev libsodium-dev libjansson-dev libyaml-dev libcurl4-openssl-dev"
to_test="libcmocka-dev libqrencode4 clang clang-format clang-tidy shellcheck mandoc openssl sqlite3 jq strace procps psmisc util-linux
         python3 inotify-tools mmdebstrap systemd systemd-container debian-archive-keyring
         qemu-utils cpio kmod e2fsprogs xfsprogs btrfs-progs openssh-client"
case $(uname -m) in
aarch64) to_test="$to_test qemu-system-arm" ;;
*) to_test="$to_test qemu-system-x86" ;;
esac

# In the container: what governord loads, what sanitizer builds load, and what tests look with from outside.
in_root="systemd,systemd-sysv,dbus,procps,psmisc,e2fsprogs,util-linux,make,cron,monit,strace,sqlite3,jq,inotify-tools"
in_root="$in_root,python3-minimal,libstdc++6,libsystemd0,libsqlite3-0,libsodium23,libjansson4,libyaml-0-2,libcurl4,libasan8,libubsan1"
root_key="bookworm $(uname -m) 3 $in_root"
vm_image=$(dirname "$0")/vm/image.sh
vm_key="$(sha256sum <"$vm_image") $NODE_VERSION $PM2_VERSIONS $root_key"

say() { echo "setup: $*" >&2; }
die() { say "$*"; exit 1; }

# ---- what is missing ---------------------------------------------------------------------------------------------------

missing_packages() {
        dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' $to_build $to_test 2>/dev/null |
                awk '/^ii / { print $2 }' | sort -u >"$scratch/installed"
        printf '%s\n' $to_build $to_test | sort -u | comm -23 - "$scratch/installed"
        # clang's runtimes are a package of their own in some releases and a part of clang in others
        compgen -G '/usr/lib/llvm-*/lib/clang/*/lib/*/libclang_rt.fuzzer*' >/dev/null || echo libclang-rt-dev
}

# is_done PART KEY FILE: made from KEY, and still there
is_done() { [ "$(cat "$TESTBED/done/$1" 2>/dev/null)" = "$2" ] && [ -e "$TESTBED/$3" ]; }
mark_done() { echo "$2" >"$TESTBED/done/$1"; }

node_is_done() { is_done node "$NODE_VERSION" node/node_modules/node/bin/node; }
pm2_is_done() { is_done "pm2-$1" "$1" "npm/pm2-$1/node_modules/pm2/bin/pm2"; }
root_is_done() { is_done root "$root_key" root/lib/systemd/systemd; }
vm_is_done() { is_done vm "$vm_key" vm/root.ext4; }

# ---- making the parts --------------------------------------------------------------------------------------------------

make_apt() {
        local missing
        missing=$(missing_packages)
        [ -n "$missing" ] || return 0
        command -v apt-get >/dev/null || die "no apt-get here; install by hand:" $missing
        say "installing from Debian:" $missing
        export DEBIAN_FRONTEND=noninteractive
        apt-get -q update >"$scratch/apt.log" 2>&1 || { tail "$scratch/apt.log" >&2; die "apt-get update failed"; }
        apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing >"$scratch/apt.log" 2>&1 ||
                { tail -n 20 "$scratch/apt.log" >&2; die "apt-get install failed"; }
}

# npm PREFIX PACKAGE: into PREFIX.part first, so that a broken download is never taken for a whole one.
npm_part() {
        local prefix=$1 package=$2
        command -v npm >/dev/null || {
                say "installing Debian's npm, to fetch Node and PM2"
                DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends npm \
                        >"$scratch/apt.log" 2>&1 || { tail -n 20 "$scratch/apt.log" >&2; die "apt-get install npm failed"; }
        }
        say "fetching $package"
        rm -rf "$prefix.part"
        mkdir -p "$prefix.part"
        (cd "$prefix.part" && echo '{"private":true}' >package.json &&
                npm install --no-audit --no-fund --no-update-notifier --loglevel=error "$package" >"$scratch/npm.log" 2>&1) ||
                { tail -n 20 "$scratch/npm.log" >&2; die "npm install $package failed"; }
        rm -rf "$prefix"
        mv "$prefix.part" "$prefix"
}

make_node() {
        node_is_done && return
        npm_part "$TESTBED/node" "node@$NODE_VERSION"
        [ "$("$TESTBED/node/node_modules/node/bin/node" --version)" = "v$NODE_VERSION" ] || die "Node $NODE_VERSION does not run"
        mark_done node "$NODE_VERSION"
}

make_pm2() {
        local version
        mkdir -p "$TESTBED/npm"
        for version in $PM2_VERSIONS; do
                pm2_is_done "$version" && continue
                npm_part "$TESTBED/npm/pm2-$version" "pm2@$version"
                grep -q "\"version\": \"$version\"" "$TESTBED/npm/pm2-$version/node_modules/pm2/package.json" ||
                        die "npm gave another PM2 than $version"
                mark_done "pm2-$version" "$version"
        done
}

make_root() {
        local new=$TESTBED/root.part
        root_is_done && return
        say "making the container's root file system (about half a minute)"
        rm -rf --one-file-system "$new"
        mmdebstrap --quiet --variant=minbase --include="$in_root" bookworm "$new" >"$scratch/root.log" 2>&1 ||
                { tail -n 20 "$scratch/root.log" >&2; die "mmdebstrap failed"; }
        # A machine that boots in half a second, with nothing of its own going on.
        rm -rf "$new"/etc/systemd/system/{timers,getty}.target.wants/* "$new"/var/cache/apt/archives/*.deb "$new"/var/lib/apt/lists/*
        rm -f "$new"/etc/systemd/system/multi-user.target.wants/{cron,monit,e2scrub_reap,remote-fs}.* "$new"/etc/rc?.d/S*monit
        : >"$new/etc/machine-id"
        : >"$new/usr/bin/node"
        mkdir -p "$new/var/log/journal" "$new"/opt/{gov,pm2} "$new/opt/node_modules"
        echo testbed >"$new/etc/hostname"
        rm -rf --one-file-system "$TESTBED/root"
        mv "$new" "$TESTBED/root"
        mark_done root "$root_key"
}

make_vm() {
        vm_is_done && return
        say "making the disk of the test VMs (about half a minute)"
        "$vm_image" "$TESTBED" >"$scratch/vm.log" 2>&1 || { tail -n 20 "$scratch/vm.log" >&2; die "the VM image failed"; }
        mark_done vm "$vm_key"
}

# ---- the order ---------------------------------------------------------------------------------------------------------

todo() {
        local part version
        for part in $parts; do
                case $part in
                apt) [ -z "$(missing_packages)" ] || echo apt ;;
                node) node_is_done || echo node ;;
                pm2) for version in $PM2_VERSIONS; do pm2_is_done "$version" || echo pm2; done | uniq ;;
                root) root_is_done || echo root ;;
                vm) vm_is_done || echo vm ;;
                *) die "no part is called '$part'; there are: apt node pm2 root vm" ;;
                esac
        done
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
parts=${*:-apt node pm2 root vm}
needed=$(todo)
[ -n "$needed" ] || exit 0

if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "needs root for:" $needed "and there is no sudo; as root type: make setup"
        sudo TESTBED="$TESTBED" "$0" $needed
        exit
fi

mkdir -p "$TESTBED/done"
exec 9>>"$TESTBED/lock"
flock -n 9 || { say "waiting for a running test bed or another setup"; flock 9; }
for part in $needed; do
        "make_$part"
done
