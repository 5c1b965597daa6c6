#!/bin/bash
# The policy and the audit log change under Governor's hands: whom it holds down is not forgotten, what is over is taken back.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

HEALED='
agents:
  - { name: idle, systemd: "idle-*.service" }
  - { name: services, systemd: "zoo-*.service", heal: { ladder: [restart, quarantine], backoff: { first: 5s, most: 20s }, trial_after: 20s } }
machine: { actions: { at_most: 60, within: 10m } }'

the_zoo_is_governed() {
        local name
        house
        idle_services 16
        for name in a b c; do
                service zoo-$name
                bed_run systemctl start zoo-$name
        done
        govern enforce <<<"$HEALED"
        bed_wait 20 is_effectively zoo-a running
        bed_wait 30 settled
}
settled() { records_say 'any(.action == "judge.start" and (now * 1000 - .ms) > 11000)'; }

was_stopped() {
        records_say 'any(.subject == $s and .action == "agent.stop" and .outcome == "ok" and .details.purpose == $p)' \
                --arg s "systemd:$1.service" --arg p "$2" && [ "$(bed_run systemctl is-active "$1")" = inactive ]
}
runs() { bed_run systemctl is-active "$1"; }

who_waits_is_started_though_its_rule_is_gone() {
        break_in 700 zoo-a
        bed_wait 40 was_stopped zoo-a backoff
        policy enforce <<<'agents: [ { name: idle, systemd: "idle-*.service" } ]'
        mend zoo-a
        bed_wait 30 runs zoo-a
}

who_is_in_quarantine_gets_its_trial_though_its_rule_is_gone() {
        policy enforce <<<"$HEALED"
        bed_wait 20 is_effectively zoo-b running
        break_in 700 zoo-b
        bed_wait 60 was_stopped zoo-b quarantine
        policy enforce <<<'agents: [ { name: idle, systemd: "idle-*.service" } ]'
        mend zoo-b
        bed_wait 60 runs zoo-b
}

a_log_that_can_be_written_again_is_seen_again() {
        local lock
        (echo 'BEGIN EXCLUSIVE;'; sleep 8) | bed_run sqlite3 /var/lib/governor/audit.db &
        lock=$!
        policy enforce <<<"$HEALED"
        bed_wait 20 incidents_say 'any(.incidents[]; .cause == "blind" and .state == "open")'
        wait $lock || :
        bed_wait 20 incidents_say 'all(.incidents[]; .cause != "blind" or .state == "resolved")'
}

bed_boot one
must the_zoo_is_governed
bed_story who_waits_is_started_though_its_rule_is_gone
bed_story who_is_in_quarantine_gets_its_trial_though_its_rule_is_gone
bed_story a_log_that_can_be_written_again_is_seen_again
bed_story the_log_verifies
