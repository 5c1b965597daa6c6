#!/bin/bash
# A node agent that leaks is restarted twice and then left for a human; whose memory was counted is said.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

a_leaking_agent_is_governed() {
        house
        bed_write /srv/agents/leak.js <<'JS'
// Keeps 5 MB more five times a second, until it holds 150.
const kept = [];
setInterval(() => { if (kept.length < 30) kept.push(Buffer.alloc(5 << 20, 1)); }, 200);
JS
        bed_write /srv/agents/leaky.config.js <<<"module.exports = { apps: [ { name: 'leaky', script: '/srv/agents/leak.js' } ] };"
        app_pm2 start /srv/agents/leaky.config.js >/dev/null
        service steady
        bed_run systemctl start steady
        govern enforce <<'POLICY'
classes:
  thin: { memory: { budget: 90M, ceiling: 100M } }
  unit: { memory: { ceiling: 300M, of: cgroup } }
agents:
  - { name: apps, pm2: "*", class: thin }
  - { name: units, systemd: steady, class: unit }
POLICY
        bed_wait 20 is_effectively leaky running
}

restarts() { records_give '[.[] | select(.subject == "pm2:root/leaky" and .action == "agent.restart" and .outcome == "ok")] | length'; }

it_is_restarted_twice() {
        bed_wait 90 '[ "$(restarts)" -ge 2 ]'
        records_say 'any(.action == "finding.memory-ceiling" and .subject == "pm2:root/leaky" and
                (.details.reason | contains("above its ceiling of 100.0M")))'
        records_say 'any(.action == "finding.memory-budget" and .subject == "pm2:root/leaky")'
}

# held_for SECONDS: the incident has been open for so long.
held_for() { incidents_say --argjson s "$1" 'any(.incidents[]; .cause == "memory-leak" and .opened + $s * 1000000 < now * 1000000)'; }

the_third_time_is_left_for_a_human() {
        bed_wait 90 'incidents_say "any(.incidents[]; .cause == \"memory-leak\" and .state == \"open\")"'
        bed_wait 40 "held_for 20"
        [ "$(restarts)" = 2 ] || bed_fail "it was restarted $(restarts) times"
        bed_run govctl why leaky >"$BED_DIR/why" || [ $? = 3 ]
        grep -q 'left for a human' "$BED_DIR/why" || bed_fail "why does not say so: $(cat "$BED_DIR/why")"
}

what_is_counted_is_said() {
        agent_says leaky '.memory.of == "process" and .memory.ceiling_bytes == 104857600'
        if bed_run test -e /sys/fs/cgroup/system.slice/steady.service/memory.current; then
                agent_says steady '.memory.of == "cgroup"'
        else
                agent_says steady '.memory.of == "tree" and .memory.wanted_of == "cgroup"'
                bed_run govctl doctor >"$BED_DIR/doctor" || [ $? = 3 ]
                grep -q 'memory-of' "$BED_DIR/doctor" || bed_fail "the doctor does not say so"
        fi
}

# Beside a daemon that runs; what it saw so far is told, and that it is too little.
learning_takes_a_day() {
        local rc=0
        bed_run govctl learn --json >"$BED_DIR/learn" || rc=$?
        [ "$rc" = 7 ] || bed_fail "govctl learn ends with $rc"
        jq -e '.enough == false and (.agents[] | select(.name == "leaky") |
                any(.findings[]; .cause == "memory-leak") and (.memory.ceiling_bytes == 104857600))' "$BED_DIR/learn"
}

samples_are_not_in_the_log() { records_say '[.[] | select(.action == "fact.sample")] | length == 0'; }

bed_boot one
must a_leaking_agent_is_governed
bed_story it_is_restarted_twice
bed_story the_third_time_is_left_for_a_human
bed_story what_is_counted_is_said
bed_story learning_takes_a_day
bed_story samples_are_not_in_the_log
bed_story the_log_verifies
