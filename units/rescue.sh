#!/bin/sh
# Undoes what Governor did to this machine that outlives it, with no daemon and no database: it stops Governor and goes
# through the plain-text footprint, one `WHAT AGENT` a line. What is undone leaves the footprint; what could not be is
# left there and said, with what to type. Ends with 0 when nothing is left.
#
#   rescue.sh [--dry-run] [STATE-DIRECTORY]        (/var/lib/governor)
set -u

dry=
if [ "${1:-}" = --dry-run ]; then
        dry=1
        shift
fi
state=${1:-/var/lib/governor}
footprint=$state/footprint
left=$footprint.rescue

say() { printf 'rescue: %s\n' "$*"; }

start_unit() {
        systemctl reset-failed -- "$1" 2>/dev/null
        systemctl start -- "$1" && return
        say "could not start it; type: systemctl start '$1'"
        return 1
}

# pm2:USER/NAME or pm2:USER/NAME@HOME
start_app() {
        user=${1%%/*} name=${1#*/}
        home=$(getent passwd "$user" | cut -d: -f6)/.pm2
        case $name in
        *@/*) home=/${name##*@/} name=${name%@/*} ;;
        esac
        # Only as its own user and only where a PM2 daemon listens: the command would begin an empty one otherwise.
        if [ -S "$home/rpc.sock" ]; then
                # shellcheck disable=SC2016 # expanded by that user's shell
                timeout 60 su -l "$user" -s /bin/sh -c 'PM2_HOME="$0" exec pm2 start "$1"' "$home" "$name" >/dev/null </dev/null && return
        fi
        say "could not start it; as $user type: PM2_HOME='$home' pm2 start '$name'"
        return 1
}

# UNIT FILE: a drop-in of Governor's own. One that was not written by it, or stands elsewhere, is not touched.
drop_limits() {
        file=${1#* }
        case $file in
        *..*) say "does not know how to undo this"; return 1 ;;
        /etc/systemd/system/*.d/50-governor-limits.conf | /run/systemd/system/*.d/60-governor-limits-trial.conf | \
                /run/systemd/system/*.d/70-governor-quota.conf) ;;
        *) say "does not know how to undo this"; return 1 ;;
        esac
        if [ -L "$file" ] || { [ -e "$file" ] && ! head -n 1 "$file" | grep -q '^# Written by Governor'; }; then
                say "$file is not Governor's any more: left as it is"
                return 0
        fi
        if ! rm -f -- "$file"; then
                say "could not remove it; type: rm '$file' && systemctl daemon-reload"
                return 1
        fi
        rmdir "${file%/*}" 2>/dev/null
        # also when it was gone already: who removed it may not have come to this
        [ -d /run/systemd/system ] || return 0
        systemctl daemon-reload && return
        say "it is removed; type: systemctl daemon-reload"
        return 1
}

undo() {
        case $1 in
        'limits systemd:'*) drop_limits "${1#limits systemd:}" ;;
        'stopped systemd:'*) start_unit "${1#stopped systemd:}" ;;
        'stopped pm2:'*) start_app "${1#stopped pm2:}" ;;
        *) say "does not know how to undo this"; return 1 ;;
        esac
}

if [ -z "$dry" ] && [ -d /run/systemd/system ] && systemctl is-active --quiet governor.service; then
        say "stopping governor.service"
        systemctl stop governor.service
fi
[ -e "$footprint" ] || exit 0

failed=0
[ -n "$dry" ] || : >"$left" || exit 1
while IFS= read -r line || [ -n "$line" ]; do
        case $line in
        '' | '#'*) continue ;;
        esac
        say "$line"
        [ -z "$dry" ] || continue
        if ! undo "$line" </dev/null; then
                printf '%s\n' "$line" >>"$left"
                failed=1
        fi
done <"$footprint"

[ -z "$dry" ] || exit 0
if [ $failed = 0 ]; then
        rm -f "$footprint" "$left"
else
        { grep '^#' "$footprint"; cat "$left"; } >"$left.new" && mv "$left.new" "$footprint" && rm -f "$left"
fi
exit $failed
