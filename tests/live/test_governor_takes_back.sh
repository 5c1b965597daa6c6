#!/bin/bash
# What Governor took down comes up again: when its log is lost, and when it is disarmed.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

in_footprint() { bed_run grep -qx "stopped $1" /var/lib/governor/footprint; }
is_active() { [ "$(bed_run systemctl is-active "$1")" = active ]; }

one_is_in_quarantine() {
        house
        idle_services 8
        service zoo-x
        bed_run systemctl start zoo-x
        govern enforce <<'POLICY'
agents:
  - { name: zoo, systemd: "zoo-*.service", heal: { ladder: [quarantine], trial_after: 1h } }
  - { name: idle, systemd: "idle-*.service" }
POLICY
        bed_wait 20 'status_says "[.agents[] | select(.effective == \"running\")] | length == 9"'
        break_in 1200 zoo-x
        bed_wait 40 is_effectively zoo-x quarantined
        in_footprint systemd:zoo-x.service
}

it_is_brought_up_again_when_the_log_is_gone() {
        bed_run systemctl stop governor
        mend zoo-x
        bed_keep_logs
        bed_run sh -c 'rm -rf /var/lib/governor/audit.db* /var/lib/governor/keys'
        bed_run systemctl start governor
        bed_wait 50 is_active zoo-x
        bed_wait 10 '! in_footprint systemd:zoo-x.service'
        records_say 'any(.action == "agent.start" and .subject == "systemd:zoo-x.service")'
}

what_is_quarantined_from_then_on_stays_so() {
        break_in 1200 zoo-x
        bed_wait 40 is_effectively zoo-x quarantined
        bed_wait 30 '[ "$(bed_run ps -o etimes= -C governord)" -gt 40 ]'
        ! is_active zoo-x || bed_fail "zoo-x was started out of its quarantine"
}

disarming_takes_everything_back() {
        mend zoo-x
        bed_run govctl disarm --all
        bed_wait 20 is_active zoo-x
        bed_wait 10 '! in_footprint systemd:zoo-x.service'
        status_says .machine.disarmed
}

bed_boot one
must one_is_in_quarantine
bed_story it_is_brought_up_again_when_the_log_is_gone
bed_story what_is_quarantined_from_then_on_stays_so
bed_story disarming_takes_everything_back
bed_story the_log_verifies
