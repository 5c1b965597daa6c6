#!/bin/bash
# An agent that spins is told, with what its threads do, and held to a quota where the kernel can; one that idles beside it is
# not, and the machine is told too.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

a_spinning_agent_is_governed() {
        house
        bed_write /srv/agents/spin.js <<'JS'
// Computes for as long as there is the file /srv/faults/spin, and rests without it.
const fs = require('fs');
(function turn() {
        const spin = fs.existsSync('/srv/faults/spin'), until = Date.now() + 250;
        while (spin && Date.now() < until);
        setTimeout(turn, spin ? 0 : 250);
})();
JS
        bed_service spinner 'ExecStart=/usr/bin/node /srv/agents/spin.js' Restart=always
        bed_run systemctl start spinner
        app idle-app
        service steady
        bed_run systemctl start steady
        bed_run touch /srv/faults/spin
        govern enforce <<'POLICY'
machine: { cpu: { above: 5%, for: 40s } }
classes:
  calm: { cpu: { above: 10%, for: 10s, quota: 5% } }
agents:
  - { name: apps, pm2: "*", class: calm }
  - { name: units, systemd: "s*", class: calm }
POLICY
        bed_wait 20 is_effectively spinner running
        bed_wait 20 is_effectively idle-app running
}

# told CAUSE SUBJECT STATE: such a finding is in the log.
told() {
        records_say 'any(.action == "finding.cpu-sustained" and .subject == $subject and .details.state == $state)' \
                --arg subject "$1" --arg state "$2"
}

it_is_told_and_not_restarted() {
        bed_wait 90 told systemd:spinner.service open
        records_say 'any(.subject == "systemd:spinner.service" and
                (.details.reason // "" | contains("of one CPU over") and contains("above its limit of 10% for 10s")))'
        records_say '[.[] | select(.action == "agent.restart")] | length == 0'
        agent_says spinner '.cpu.mean_permille > 100 and .cpu.above_percent == 10 and .cpu.over_s >= 10 and .incident != null'
}

kernel_has_quotas() { bed_run sh -c 'grep -qw cpu /sys/fs/cgroup/cgroup.subtree_control'; }
# came_of ACTION OUTCOME: of limiting or letting go.
came_of() {
        records_say 'any(.action == $action and .subject == "systemd:spinner.service" and .details.outcome == $outcome)' \
                --arg action "agent.$1" --arg outcome "$2"
}
quota_file() { bed_run sh -c 'cat /run/systemd/system/spinner.service.d/*governor-quota.conf'; }

it_is_held_to_its_quota_or_that_is_said() {
        if kernel_has_quotas; then
                bed_wait 30 came_of limit ok
                bed_is 50ms bed_show spinner CPUQuotaPerSecUSec
                quota_file | grep -qx 'CPUQuota=5%'
                agent_says spinner '.cpu.held_percent == 5'
        else
                bed_wait 30 came_of limit failed
                records_say 'any(.action == "agent.limit" and (.details.text // "" | contains("keeps no CPU quota")))'
                agent_says spinner '.cpu.held_percent == 0'
                ! quota_file 2>/dev/null || bed_fail "a quota that does nothing is left behind"
        fi
}

who_makes_the_machine_busy_is_named() {
        bed_wait 60 told '' open
        records_say 'any(.action == "finding.cpu-sustained" and .subject == "" and
                (.details.reason | contains("of the agents spinner (")))' || bed_fail "it is not: $(told_of '')"
        status_says '.machine.cpu.mean_permille > 50 and .machine.cpu.above_percent == 5'
}

who_idles_is_not() {
        records_say '[.[] | select(.action == "finding.cpu-sustained" and .subject != "" and
                .subject != "systemd:spinner.service")] | length == 0'
        agent_says idle-app '.incident == null and .cpu.mean_permille < 100'
}

it_is_over_when_it_is_over() {
        bed_run rm /srv/faults/spin
        bed_wait 90 told systemd:spinner.service resolve
        agent_says spinner '.incident == null and .cpu.held_percent == 0'
        if kernel_has_quotas; then
                bed_wait 30 came_of unlimit ok
        fi
        bed_is infinity bed_show spinner CPUQuotaPerSecUSec
        records_say '[.[] | select(.action == "agent.limit" and .outcome == "pending")] | length == 1'
}

samples_are_not_in_the_log() { records_say '[.[] | select(.action == "fact.sample")] | length == 0'; }

bed_boot one
must a_spinning_agent_is_governed
bed_story it_is_told_and_not_restarted
bed_story it_is_held_to_its_quota_or_that_is_said
bed_story who_makes_the_machine_busy_is_named
bed_story who_idles_is_not
bed_story it_is_over_when_it_is_over
bed_story samples_are_not_in_the_log
bed_story the_log_verifies
