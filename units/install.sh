#!/bin/bash
# `make install` and `make uninstall`: the table of what goes where, once, for both.
#
#   units/install.sh install|uninstall          DESTDIR, PREFIX (/usr/local) and VERSION from the environment
#
# Into the running system (no DESTDIR) it also makes the group and folders and tells systemd; it starts nothing.
# uninstall takes back everything, Governor's traces on the machine too; the evidence in /var/lib/governor stays
# unless PURGE=yes.
set -eu
cd "$(dirname "$0")/.."
build=${B:-build}
prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# mode, file, where below PREFIX; a file of other issues that is not there yet has no row
files() {
        local file
        echo "0755 $build/bin/governord sbin/governord"
        echo "0755 $build/bin/governor-courier sbin/governor-courier"
        echo "0755 $build/bin/govctl bin/govctl"
        echo "0755 $build/bin/governor-run bin/governor-run"
        echo "0755 $build/bin/governor-canary sbin/governor-canary"
        echo "0755 units/rescue.sh lib/governor/rescue.sh"
        echo "0644 $build/libgovaudit.a lib/libgovaudit.a"
        echo "0644 audit/audit.h include/governor/audit.h"
        echo "0644 $work/govaudit.pc lib/pkgconfig/govaudit.pc"
        echo "0644 $work/governor.service lib/systemd/system/governor.service"
        echo "0644 $work/governor-courier.service lib/systemd/system/governor-courier.service"
        echo "0644 units/governor-courier.timer lib/systemd/system/governor-courier.timer"
        echo "0644 units/governor.sysusers.conf lib/sysusers.d/governor.conf"
        echo "0644 units/governor.tmpfiles.conf lib/tmpfiles.d/governor.conf"
        echo "0644 $work/govctl.bash share/bash-completion/completions/govctl"
        echo "0644 $work/govctl.zsh share/zsh/site-functions/_govctl"
        for file in man/*.[1-9]; do
                [ ! -e "$file" ] || echo "0644 $file share/man/man${file##*.}/${file##*/}"
        done
        for file in policies/*; do
                [ ! -e "$file" ] || echo "0644 $file share/governor/$file"
        done
}

# The folders that installing had to make, one a line, so that uninstalling removes those and no others.
made=$prefix/lib/governor/made

on_this_machine() { [ -z "$root" ] && [ "$(id -u)" = 0 ]; }
systemd_runs() { [ -d /run/systemd/system ]; }

# Makes a folder and all above it that are missing, and remembers them where they are not a package's.
make_folder() {
        [ ! -d "$1" ] || return 0
        make_folder "$(dirname "$1")"
        mkdir -m 0755 "$1"
        [ -n "$root" ] || echo "$1" >>"$work/made"
}

install_all() {
        local mode file where unit
        for unit in governor governor-courier; do
                sed "s|@sbindir@|$prefix/sbin|" "units/$unit.service.in" >"$work/$unit.service"
        done
        sed "s|@prefix@|$prefix|; s|@version@|${VERSION:-0}|" units/govaudit.pc.in >"$work/govaudit.pc"
        "$build/bin/govctl" completion bash >"$work/govctl.bash"
        "$build/bin/govctl" completion zsh >"$work/govctl.zsh"
        while read -r mode file where; do
                make_folder "$(dirname "$root$prefix/$where")"
                install -m "$mode" "$file" "$root$prefix/$where"
        done < <(files)
        [ ! -s "$work/made" ] || cat "$work/made" >>"$made"
        on_this_machine || return 0
        if command -v systemd-sysusers >/dev/null; then
                systemd-sysusers "$prefix/lib/sysusers.d/governor.conf"
                systemd-tmpfiles --create "$prefix/lib/tmpfiles.d/governor.conf"
        fi
        if systemd_runs; then
                systemctl daemon-reload
                echo "Installed. Start it now and at boot with: systemctl enable --now governor"
        fi
}

# What the running daemon left on the machine goes before the programs that can take it back.
disarm() {
        local rescue=$prefix/lib/governor/rescue.sh
        if systemd_runs && [ -e "$prefix/lib/systemd/system/governor.service" ]; then
                systemctl disable --now --quiet governor.service || :
                systemctl reset-failed --quiet governor.service 2>/dev/null || :
        fi
        [ ! -x "$rescue" ] || "$rescue" || echo "Not all could be undone: see /var/lib/governor/footprint"
}

uninstall_all() {
        local where folder
        ! on_this_machine || disarm
        [ ! -e "$root$made" ] || tac "$root$made" >"$work/made"
        rm -f "$root$made"
        while read -r _ _ where; do
                rm -f "$root$prefix/$where"
        done < <(files)
        [ ! -e "$work/made" ] || while read -r folder; do
                rmdir "$folder" 2>/dev/null || :
        done <"$work/made"
        on_this_machine || return 0
        rmdir /etc/governor/policies.d /etc/governor /var/lib/governor 2>/dev/null || :
        rm -rf /run/governor /run/governor-agent
        [ "${PURGE:-}" != yes ] || rm -rf /var/lib/governor /etc/governor
        ! getent passwd governor-courier >/dev/null || userdel governor-courier
        ! getent group governor >/dev/null || groupdel governor
        ! systemd_runs || systemctl daemon-reload
        for folder in /etc/governor /var/lib/governor; do
                [ ! -e "$folder" ] || echo "Kept: $folder (make uninstall PURGE=yes removes it)"
        done
}

case ${1:-} in
install) install_all ;;
uninstall) uninstall_all ;;
*) echo "usage: $0 install|uninstall" >&2; exit 2 ;;
esac
