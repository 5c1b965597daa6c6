#!/bin/bash
# An agent that spins is told, with what its threads do; one that idles beside it is not, and the machine is told too.
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
  calm: { cpu: { above: 10%, for: 10s } }
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

it_is_told_and_nothing_is_done() {
        bed_wait 90 told systemd:spinner.service open
        records_say 'any(.subject == "systemd:spinner.service" and
                (.details.reason // "" | contains("of one CPU over") and contains("above its limit of 10% for 10s")))'
        records_say '[.[] | select(.action == "agent.restart")] | length == 0'
        agent_says spinner '.cpu.mean_permille > 100 and .cpu.above_percent == 10 and .cpu.over_s >= 10 and .incident != null'
}

who_makes_the_machine_busy_is_named() {
        bed_wait 60 told '' open
        records_say 'any(.action == "finding.cpu-sustained" and .subject == "" and
                (.details.reason | contains("of the agents spinner (")))'
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
        agent_says spinner '.incident == null'
}

samples_are_not_in_the_log() { records_say '[.[] | select(.action == "fact.sample")] | length == 0'; }

bed_boot one
must a_spinning_agent_is_governed
bed_story it_is_told_and_nothing_is_done
bed_story who_makes_the_machine_busy_is_named
bed_story who_idles_is_not
bed_story it_is_over_when_it_is_over
bed_story samples_are_not_in_the_log
bed_story the_log_verifies
