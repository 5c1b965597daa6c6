#!/bin/bash
# The installed service: what systemd makes of the unit, what it leaves, and that uninstall leaves nothing.
# shellcheck source=tests/live/bed.sh
. "$(dirname "$0")/bed.sh"

# what make install and make uninstall run, without a compiler in the bed
units_install() { bed_run env B=/opt/gov "${@:2}" bash /opt/src/units/install.sh "$1"; }

# names and attributes (but e, which is the file system's); systemd's own bookkeeping under /run comes and goes
listing() {
        bed_run sh -c 'cd / && find etc run usr -xdev \( -path run/systemd -o -path run/log -o -path run/udev \) -prune -o -print
                lsattr -R /etc 2>/dev/null | sed -n "s/^\([-a-zA-Z]*\)e\([-a-zA-Z]* \/\)/\1-\2/; /^[-a-zA-Z]* \//p"' | sort
}

it_installs_and_starts_nothing() {
        listing >"$BED_DIR/before"
        units_install install
        bed_run test -x /usr/local/sbin/governord
        bed_is inactive bed_run systemctl is-active governor
        bed_run getent group governor
        bed_is '700 root' bed_run stat -c '%a %U' /var/lib/governor
}

the_unit_is_clean() {
        bed_run systemd-analyze verify --man=no governor.service 2>&1 | tee "$BED_DIR/verify"
        [ ! -s "$BED_DIR/verify" ]
        bed_run systemd-analyze security --offline=true --threshold=40 --no-pager /usr/local/lib/systemd/system/governor.service
}

the_couriers_units_are_clean_and_tight() {
        local unit=/usr/local/lib/systemd/system/governor-courier
        bed_run systemd-analyze verify --man=no $unit.service $unit.timer 2>&1 | tee "$BED_DIR/verify"
        [ ! -s "$BED_DIR/verify" ]
        bed_run systemd-analyze security --offline=true --threshold=12 --no-pager $unit.service
}

it_says_when_it_is_ready() {
        bed_run systemctl enable --now governor.service
        bed_is active bed_run systemctl is-active governor
        bed_run test -S /run/governor/governor.sock
        bed_is 'governor 660' bed_run stat -c '%G %a' /run/governor/governor.sock
}

the_courier_has_a_door_of_its_own_and_comes_and_goes_with_it() {
        bed_is 'governor-courier 600' bed_run stat -c '%U %a' /run/governor/courier.sock
        bed_is enabled bed_run systemctl is-enabled governor-courier.timer
        bed_is active bed_run systemctl is-active governor-courier.timer
        bed_run systemctl start governor-courier.service # nobody to tell: there is nothing to do
        bed_is no bed_show governor-courier ConditionResult
        bed_run systemctl stop governor
        bed_is inactive bed_run systemctl is-active governor-courier.timer
        bed_run systemctl start governor
        bed_is active bed_run systemctl is-active governor-courier.timer
}

it_lives_in_the_hosts_namespaces() {
        local pid
        pid=$(bed_show governor MainPID)
        for namespace in mnt net pid; do
                bed_is "$(bed_run readlink /proc/1/ns/$namespace)" bed_run readlink "/proc/$pid/ns/$namespace"
        done
}

it_may_no_more_than_its_features_need() {
        local pid status
        pid=$(bed_show governor MainPID)
        status=$(bed_run cat "/proc/$pid/status")
        # chown 0, dac_override 1, kill 5, sys_ptrace 19
        grep -q '^CapBnd:.0000000000080023$' <<<"$status"
        grep -q '^NoNewPrivs:.1$' <<<"$status"
        grep -q '^Seccomp:.2$' <<<"$status"
        bed_is -900 bed_show governor OOMScoreAdjust
}

nothing_waits_for_it_at_boot() {
        local after
        after=$(bed_run systemctl list-dependencies --plain --after multi-user.target)
        [[ $after != *governor.service* ]] || bed_fail "multi-user.target waits for governor.service"
        bed_is 'multi-user.target' bed_show governor WantedBy
        bed_is '' bed_show governor RequiredBy
        bed_is 'shutdown.target' bed_show governor Before
}

it_comes_back_when_killed() {
        bed_kill governor
        bed_wait 10 '[ "$(bed_show governor NRestarts)" = 1 ] && bed_run systemctl is-active governor'
}

a_reload_keeps_it() {
        local pid
        pid=$(bed_show governor MainPID)
        bed_run systemctl reload governor
        bed_is "$pid" bed_show governor MainPID
}

uninstall_leaves_nothing_but_the_evidence() {
        units_install uninstall
        bed_run test -e /var/lib/governor/audit.db
        bed_run test ! -e /run/governor
        listing >"$BED_DIR/after"
        diff "$BED_DIR/before" "$BED_DIR/after"
        bed_keep_logs
        units_install uninstall PURGE=yes
        bed_run test ! -e /var/lib/governor
}

it_installs_below_destdir_for_packagers() {
        units_install install DESTDIR=/srv/package PREFIX=/usr
        bed_run grep -qx 'ExecStart=/usr/sbin/governord' /srv/package/usr/lib/systemd/system/governor.service
        bed_run test ! -e /usr/lib/systemd/system/governor.service
        units_install uninstall DESTDIR=/srv/package PREFIX=/usr
        bed_is '' bed_run find /srv/package -type f
}

bed_boot one
# as on any machine: not the first service that is enabled
bed_run systemctl enable --quiet cron.service
bed_story it_installs_and_starts_nothing
bed_story the_unit_is_clean
bed_story the_couriers_units_are_clean_and_tight
bed_story it_says_when_it_is_ready
bed_story the_courier_has_a_door_of_its_own_and_comes_and_goes_with_it
bed_story it_lives_in_the_hosts_namespaces
bed_story it_may_no_more_than_its_features_need
bed_story nothing_waits_for_it_at_boot
bed_story it_comes_back_when_killed
bed_story a_reload_keeps_it
bed_story uninstall_leaves_nothing_but_the_evidence
bed_story it_installs_below_destdir_for_packagers
