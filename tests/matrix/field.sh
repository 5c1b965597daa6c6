# shellcheck shell=bash
# File systems to be attacked on, each in an image of its own, and guards for files on them. All of it dies with the script.
#
# A script that sources this runs in a mount namespace of its own, so that nothing mounted is seen outside, and nothing is left of
# it when it is killed. It needs root.
#
#   field_begin                                 before all others; then: trap field_clear EXIT
#   field_make ext4|tmpfs|xfs|btrfs|overlay     makes one; the calls below mean it, and field_use NAME another
#   field_attack root|owner|stranger GUARD      every attack, one a line: its name, what came of it, why (see attacker.c)
#   field_open root|owner|stranger GUARD        the attacks of which it is known that they succeed, one a line

# The guards that need no daemon: how each is set up, or the attacker started inside it.
# shellcheck disable=SC2034 # others go through them in this order
FIELD_GUARDS='none sealed sealed-folder hand read-only governor-run'
FIELD_TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
FIELD_BUILD=$(realpath -m "$FIELD_TREE/${B:-build}")
FIELD_DIR='' FIELD_KIND=''
declare -A FIELD_DEVICE=()

if [ "$(id -u)" != 0 ]; then
        echo "skip $(basename "$0" .sh): making file systems needs root"
        exit 0
elif [ -z "${FIELD_APART:-}" ]; then
        FIELD_APART=1 exec unshare --mount --propagation private "$0" "$@"
fi

# A folder that every user can reach, but not change.
field_begin() {
        local left
        for left in /var/tmp/governor-field.*; do
                [ ! -d "$left" ] || kill -0 "${left##*.}" 2>/dev/null || rm -rf --one-file-system "$left"
        done
        FIELD_DIR=/var/tmp/governor-field.$$
        mkdir -m 0755 "$FIELD_DIR"
}

# Keeps the status that it finds.
field_clear() {
        local status=$?
        awk -v dir="$FIELD_DIR/" 'index($2, dir) == 1 { print $2 }' /proc/self/mounts | tac | xargs -r -n 1 umount -l
        [ -z "$FIELD_DIR" ] || rm -rf --one-file-system "$FIELD_DIR"
        return $status
}

# field_image SIZE MOUNTPOINT MKFS...: an image of a file system, mounted; its loop device goes when it is unmounted.
field_image() {
        local size=$1 point=$2 image=$2.img
        shift 2
        truncate -s "$size" "$image"
        "$@" "$image" >/dev/null
        mkdir -m 0755 "$point"
        mount -o loop "$image" "$point"
        chmod 0755 "$point"
        FIELD_DEVICE[$FIELD_KIND]=$(findmnt -no SOURCE "$point")
}

field_make() {
        local point=$FIELD_DIR/$1
        FIELD_KIND=$1 FIELD_DEVICE[$1]=''
        case $1 in
        ext4) field_image 32M "$point" mkfs.ext4 -q -F ;;
        xfs) field_image 320M "$point" mkfs.xfs -q -f ;;
        btrfs) field_image 256M "$point" mkfs.btrfs -q -f ;;
        tmpfs) mkdir -m 0755 "$point" && mount -t tmpfs -o size=16M,mode=0755 tmpfs "$point" ;;
        overlay)
                field_image 32M "$point-below" mkfs.ext4 -q -F
                mkdir -m 0755 "$point" "$point-below"/{lower,upper,work}
                mount -t overlay -o "lowerdir=$point-below/lower,upperdir=$point-below/upper,workdir=$point-below/work" overlay "$point"
                ;;
        *) echo "no field is called '$1'" >&2; return 1 ;;
        esac
}

field_use() { FIELD_KIND=$1; }

field_attack() {
        local to_be='exec setpriv --reuid "$ATTACKER_UID" --regid "$ATTACKER_UID" --clear-groups'
        local options=()
        [ -z "${FIELD_DEVICE[$FIELD_KIND]}" ] || options=(--device "${FIELD_DEVICE[$FIELD_KIND]}")
        case $2 in
        none) ;;
        sealed) options+=(--guard 'chattr +i "$FILE"') ;;
        sealed-folder) options+=(--guard 'chattr +i "$FILE" "$GUARDED"') ;;
        hand) # the daemon's own, without the daemon
                options+=(--before "'$FIELD_BUILD/tests/live/guardian' note" --guard "'$FIELD_BUILD/tests/live/guardian' seal")
                ;;
        read-only) # as systemd's ReadOnlyPaths= gives it to a unit
                options+=(--inside 'unshare --mount --propagation private sh -c '\''mount --bind "$GUARDED" "$GUARDED" &&
                        mount -o remount,bind,ro "$GUARDED" && '"$to_be"' "$@"'\'' sh "$@"')
                ;;
        governor-run)
                options+=(--inside "export TMPDIR=\"\$ASIDE\"; $to_be '$FIELD_BUILD/bin/governor-run' --write \"\$ASIDE\" -- \"\$@\" 2>/dev/null")
                ;;
        *) echo "no guard is called '$2'" >&2; return 1 ;;
        esac
        HELD=$FIELD_DIR "$FIELD_BUILD/tests/live/attacker" "$FIELD_DIR/$FIELD_KIND" "$1" "${options[@]}"
}

# Whether a guard can be had at all: tmpfs has no flags before Linux 6.6.
field_has() {
        local probe=$FIELD_DIR/$FIELD_KIND/probe status=0
        [[ $1 == sealed* || $1 == hand ]] || return 0
        touch "$probe"
        chattr +i "$probe" 2>/dev/null || status=1
        chattr -i "$probe" 2>/dev/null || :
        rm -f "$probe"
        return $status
}

# Below a read-only mount root still has handles. What no guard of these stops is the device; what only root can do, the owner
# cannot. Files that are immutable stay open for who opened them before, everywhere but on ext4, and take other flags.
field_open() {
        local who=$1 guard=$2 open='' root_only=''
        case $guard in
        none)
                open=$("$FIELD_BUILD/bin/governor-canary" --list | awk '{ print $1 }' | grep -vx userns-bind)
                ;;
        sealed*)
                [ "$guard" = sealed-folder ] || open=rename-folder
                [ "$FIELD_KIND" = ext4 ] || open="$open held-truncate held-write map-clean map-dirty setflags"
                open="$open bind-over unseal-write device-write"
                ;;
        hand) # who held the file holds one by now that nobody else sees
                [ "$FIELD_KIND" = ext4 ] || open=setflags
                open="$open bind-over unseal-write device-write"
                ;;
        read-only) open="handle-write device-write" ;;
        esac
        root_only='bind-over|bind-alias|chown|namespace-write|handle-write|unseal-write|device-write'
        # shellcheck disable=SC2086 # a list of words
        printf '%s\n' $open | case $FIELD_KIND/$who in
        */stranger) cat >/dev/null ;;
        */owner) grep -vxE "$root_only" || : ;;
        tmpfs/*) grep -vx device-write || : ;;
        overlay/*) grep -vx handle-write || : ;;
        *) cat ;;
        esac | sed '/^$/d' | sort
}
