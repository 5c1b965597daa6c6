#!/bin/bash
# Installed, armed, killed in the middle of its work, taken back by rescue.sh, uninstalled: the machine is as it was.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

listing() {
        bed_run sh -c 'cd / && find etc run usr -xdev \( -path run/systemd -o -path run/log -o -path run/udev \) -prune -o -print | sort
                lsattr -aR /etc /run 2>/dev/null | grep "^[-a-zA-Z]*[a-df-zA-Z][-a-zA-Z]* /" | sort'
}

the_machine_is_listed() {
        local name
        house
        bed_run ln -s /opt/pm2-7.0.4/node_modules/pm2/bin/pm2 /usr/bin/pm2
        for name in x 1 2 3 4; do
                service zoo-$name
                bed_run systemctl start zoo-$name
        done
        app lily
        idle_apps 5
        listing >"$BED_DIR/before"
}

it_is_armed_and_acts() {
        govern enforce <<<'agents: [ { name: apps, pm2: "*", heal: { ladder: [quarantine] } }, { name: services, systemd: "zoo-*.service", heal: { ladder: [quarantine] } } ]'
        break_in 1200 lily zoo-x # below a second PM2 gives up by itself, and nobody stops what is down
        bed_wait 60 is_effectively lily quarantined
        bed_wait 60 is_effectively zoo-x quarantined
        bed_is $'stopped pm2:root/lily\nstopped systemd:zoo-x.service' bed_run sh -c 'grep ^stopped /var/lib/governor/footprint | sort'
}

rescue_needs_no_daemon() {
        mend lily zoo-x
        bed_run systemctl mask --runtime --quiet governor.service || :
        bed_run kill -KILL "$(bed_show governor MainPID)"
        bed_run systemctl stop governor || :
        bed_run rm -f /var/lib/governor/audit.db
        bed_run /usr/local/lib/governor/rescue.sh
        bed_is active bed_run systemctl is-active zoo-x
        bed_wait 10 '[ "$(app_pm2 jlist | tail -n 1 | jq -r ".[] | select(.name == \"lily\").pm2_env.status")" = online ]'
        bed_run test ! -e /var/lib/governor/footprint
        bed_run systemctl unmask --runtime --quiet governor.service || :
}

uninstall_leaves_nothing() {
        bed_run env B=/opt/gov PURGE=yes bash /opt/src/units/install.sh uninstall
        listing >"$BED_DIR/after"
        diff "$BED_DIR/before" "$BED_DIR/after" >"$BED_DIR/differ" || bed_fail "$(cat "$BED_DIR/differ")"
        bed_run test ! -e /var/lib/governor
        bed_is active bed_run systemctl is-active zoo-x
}

bed_boot one
must the_machine_is_listed
bed_story it_is_armed_and_acts
bed_story rescue_needs_no_daemon
bed_story uninstall_leaves_nothing
