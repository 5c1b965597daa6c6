#!/bin/bash
# Every loop that PM2 and systemd run for ever is named, with its cause and in time, also when nothing may be done.
# test_governor_loops_enforce.sh tells the same stories in enforce mode.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"
mode=${1:-observe}

the_machine_is_seen() {
        house
        idle_services 24
        idle_apps 34
        app late
        app plain
        app most 'max_restarts: 3'
        app delayed 'min_uptime: 5000, max_restarts: 3, restart_delay: 4000'
        app backoff 'exp_backoff_restart_delay: 100'
        service zoo-plain
        service zoo-base
        service zoo-leans $'[Unit]\nRequires=zoo-base.service\nAfter=zoo-base.service'
        service zoo-other
        service zoo-bound $'[Unit]\nBindsTo=zoo-other.service\nAfter=zoo-other.service'
        bed_run systemctl start zoo-plain zoo-leans zoo-bound
        govern "$mode" <<'POLICY'
machine: { actions: { at_most: 64, within: 10m } }
agents:
  - { name: apps, pm2: "*" }
  - { name: services, systemd: "zoo-*.service" }
  - { name: neighbours, systemd: "idle-*.service" }
POLICY
        bed_wait 20 'status_says "[.agents[] | select(.effective == \"running\")] | length >= 68"'
}

# All faults that need no waiting come at once; each story then looks at its own.
faults_come() {
        break_in 3000 plain most delayed backoff zoo-plain zoo-base
        break_in 1 at-once zoo-at-once zoo-other
        break_in 3000 few
        service zoo-at-once RestartSec=100ms
        bed_run systemctl start --no-block zoo-at-once
        app at-once
        app few 'min_uptime: 5000, max_restarts: 3'
        bed_wait 5 died zoo-other 1
        mend zoo-other
        # PM2 gives up on what dies in its first 16 seconds
        bed_wait 30 '[ "$(bed_run ps -o etimes= -p "$(pid_of late)")" -ge 18 ]'
        break_in 1 late
}

a_dead_bound_unit_is_named_within_5_s() {
        is_named_within 5000 systemd:zoo-bound.service dependency-down zoo-other 1
        records_say 'any(.subject == "systemd:zoo-bound.service" and .action == "finding.dependency-down" and
                (.details.reason | contains("zoo-other")))'
}

a_dragged_dependent_is_named_with_its_base() {
        is_named_within 20000 systemd:zoo-leans.service dependency-down zoo-base 1
        records_say 'any(.subject == "systemd:zoo-leans.service" and .action == "finding.dependency-down" and
                (.details.reason | contains("zoo-base")))'
        ! is_named systemd:zoo-leans.service crash-loop || bed_fail "the dependent is blamed itself"
}

the_neighbours_are_left_alone() {
        records_say '[.[] | select(.subject | test("idle-")) | select(.action | test("^(finding|agent)[.]"))] | length == 0'
        records_say '[.[] | select(.action == "finding.common-cause")] | length == 0'
        [ "$mode" = enforce ] || records_say '[.[] | select(.action | startswith("agent.")) | select(.outcome == "ok")] | length == 0'
}

bed_boot one
must the_machine_is_seen
must faults_come
bed_story is_named_within 15000 pm2:root/plain crash-loop plain 1
bed_story is_named_within 15000 pm2:root/most crash-loop most 1
bed_story is_named_within 15000 systemd:zoo-plain.service crash-loop zoo-plain 1
bed_story is_named_within 5000 pm2:root/at-once crash-loop at-once 1
bed_story is_named_within 5000 systemd:zoo-at-once.service crash-loop zoo-at-once 1
bed_story is_named_within 15000 pm2:root/few crash-loop few 1
bed_story is_named_within 1000 pm2:root/delayed crash-loop delayed 3
bed_story is_named_within 1000 pm2:root/backoff crash-loop backoff 3
bed_story is_named_within 11000 pm2:root/late hot-loop late 1
bed_story a_dragged_dependent_is_named_with_its_base
bed_story a_dead_bound_unit_is_named_within_5_s
bed_story the_neighbours_are_left_alone
bed_story the_log_verifies
bed_story no_secret_is_told
