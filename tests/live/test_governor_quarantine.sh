#!/bin/bash
# Quarantine from beginning to end: it holds, it is tried, it is released, and a human who starts the agent is right.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

in_quarantine() { is_effectively "$1" quarantined && agent_says "$1" '.quarantined and .pid == 0'; }
pm2_status() { app_pm2 jlist | tail -n 1 | jq -r --arg name "$1" '.[] | select(.name == $name).pm2_env.status'; }
in_footprint() { bed_run grep -qx "stopped $1" /var/lib/governor/footprint; }

# record_ms SUBJECT ACTION PURPOSE OUTCOME [SINCE]: when the first such record was written.
record_ms() {
        records_give 'map(select(.subject == $s and .action == $a and .details.purpose == $p and .outcome == $o and .ms > $since))
                [0].ms // empty' --arg s "$1" --arg a "$2" --arg p "$3" --arg o "$4" --argjson since "${5:-0}"
}
has_record() { [ -n "$(record_ms "$@")" ]; }

# What a human starts is left alone for 10 minutes: they all run before Governor comes.
the_machine_is_seen() {
        local name
        house
        idle_apps 12
        for name in lily rosa; do
                app $name
        done
        for name in zoo-x slow-y slow-z zoo-1 zoo-2 zoo-3 zoo-4; do
                service $name
                bed_run systemctl start $name
        done
        govern enforce <<'POLICY'
machine: { actions: { at_most: 64, within: 10m } }
agents:
  - { name: rosa, pm2: rosa, heal: { ladder: [quarantine], trial_after: 1h } }
  - { name: apps, pm2: "*", heal: { ladder: [quarantine], trial_after: 10s } }
  - { name: services, systemd: "zoo-*.service", heal: { ladder: [quarantine], trial_after: 10s } }
  - { name: patient, systemd: "slow-*.service", heal: { ladder: [quarantine], trial_after: 1h } }
POLICY
        bed_wait 20 'status_says "[.agents[] | select(.effective == \"running\")] | length == 21"'
}

a_looper_is_stopped_and_stays_so() {
        break_in 1200 lily zoo-x
        bed_wait 40 in_quarantine lily
        bed_wait 40 in_quarantine zoo-x
        in_footprint pm2:root/lily
        in_footprint systemd:zoo-x.service
}

# Between the stop and the start of the trial nobody lived and nobody died.
the_trial_comes_and_is_lost() {
        local subject=$1 name=$2 down up
        bed_wait 40 has_record "$subject" agent.start trial ok
        down=$(record_ms "$subject" agent.stop quarantine ok)
        up=$(record_ms "$subject" agent.start trial pending)
        [ $((up - down)) -ge 7000 ] || bed_fail "the trial came after $((up - down)) ms"
        bed_is 0 bed_run awk -v down="$down" -v up="$up" '$1 > down + 50 && $1 < up { n++ } END { print n + 0 }' "/srv/deaths/$name"
        bed_wait 40 has_record "$subject" agent.stop quarantine ok "$up"
        bed_wait 10 in_quarantine "$name"
}

a_mended_agent_passes_its_trial() {
        mend lily
        bed_wait 60 is_effectively lily running
        incidents_say '[.incidents[] | select(.agent == "pm2:root/lily")] | all(.state == "resolved")'
        bed_is online pm2_status lily
        ! in_footprint pm2:root/lily || bed_fail "lily runs and is still in the footprint"
}

release_lets_it_out() {
        break_in 1200 slow-y
        bed_wait 40 in_quarantine slow-y
        bed_is inactive bed_run systemctl is-active slow-y
        mend slow-y
        bed_run govctl release slow-y --reason 'mended'
        bed_wait 30 is_effectively slow-y running
        bed_wait 5 incidents_say '[.incidents[] | select(.agent == "systemd:slow-y.service")] | length > 0 and all(.state == "resolved")'
        ! in_footprint systemd:slow-y.service || bed_fail "slow-y runs and is still in the footprint"
}

# What happens within 5 seconds of an act of Governor's may be its echo.
no_echo() {
        local down
        down=$(record_ms "$1" agent.stop quarantine ok)
        bed_wait 10 '[ "$(bed_run date +%s%3N)" -gt '$((down + 6000))' ]'
}

a_humans_start_is_respected() {
        local started deaths=0
        break_in 1200 rosa
        bed_wait 40 in_quarantine rosa
        no_echo pm2:root/rosa
        started=$(bed_run date +%s%3N)
        app_pm2 start rosa >/dev/null
        bed_wait 20 records_say 'any(.subject == "pm2:root/rosa" and .outcome == "denied" and .details.withheld == "human" and .ms > $at)' \
                --argjson at "$started"
        deaths=$(bed_run cat /srv/deaths/rosa | wc -l)
        bed_wait 20 died rosa $((deaths + 3))
        records_say '[.[] | select(.subject == "pm2:root/rosa" and .action == "agent.stop" and .outcome == "pending" and .ms > $at)] | length == 0' \
                --argjson at "$started"
        ! agent_says rosa .quarantined || bed_fail "rosa is called quarantined while it runs"
}

so_is_systemctl_start() {
        local started
        break_in 1200 slow-z
        bed_wait 40 in_quarantine slow-z
        no_echo systemd:slow-z.service
        mend slow-z
        started=$(bed_run date +%s%3N)
        bed_run systemctl start slow-z
        bed_wait 40 is_effectively slow-z running
        records_say '[.[] | select(.subject == "systemd:slow-z.service" and .action == "agent.stop" and .outcome == "pending" and .ms > $at)] | length == 0' \
                --argjson at "$started"
}

the_others_were_not_touched() {
        records_say '[.[] | select(.subject | test("idle-|zoo-[1-4]")) | select(.action | test("^(finding|agent)[.]"))] | length == 0'
}

each_intent_has_its_outcome() {
        records_say '([.[] | select(.outcome == "pending") | .seq] | sort) == ([.[] | select(.action | startswith("agent.")) | .details.intent // empty] | sort)'
}

bed_boot one
must the_machine_is_seen
bed_story a_looper_is_stopped_and_stays_so
bed_story the_trial_comes_and_is_lost systemd:zoo-x.service zoo-x
bed_story the_trial_comes_and_is_lost pm2:root/lily lily
bed_story a_mended_agent_passes_its_trial
bed_story release_lets_it_out
bed_story a_humans_start_is_respected
bed_story so_is_systemctl_start
bed_story the_others_were_not_touched
bed_story each_intent_has_its_outcome
bed_story the_log_verifies
bed_story no_secret_is_told
