#!/bin/bash
# Governor is killed with SIGKILL at random moments and started again: it knows what it knew, keeps what is in quarantine
# there, repeats nothing, and its log is whole. GOVERNOR_KILLS=200 for more than the 20 of `make check`; SEED= repeats a run.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"
kills=${GOVERNOR_KILLS:-20}
RANDOM=${SEED:=$((EPOCHSECONDS % 32768))}

busy="busy-a busy-b app-a"
patient="still-a still-b app-still"

the_machine_is_seen() {
        local name
        house
        idle_apps 14
        idle_services 24
        for name in app-a app-still; do
                app $name
        done
        for name in busy-a busy-b still-a still-b; do
                service $name RestartSec=100ms $'[Unit]\nStartLimitIntervalSec=0'
                bed_run systemctl start $name
        done
        bed_write /etc/systemd/system/governor.service.d/fast.conf <<<$'[Service]\nRestartSec=50ms'
        govern enforce <<'POLICY'
machine: { actions: { at_most: 1000, within: 10m } }
agents:
  - { name: patient apps, pm2: "*still", heal: { ladder: [quarantine], trial_after: 6h } }
  - { name: patient, systemd: "still-*.service", heal: { ladder: [quarantine], trial_after: 6h } }
  - { name: apps, pm2: "*", heal: { ladder: [restart, quarantine], backoff: { first: 1s, most: 2s }, trial_after: 2s } }
  - { name: busy, systemd: "busy-*.service", heal: { ladder: [restart, quarantine], backoff: { first: 1s, most: 2s }, trial_after: 2s } }
  - { name: neighbours, systemd: "idle-*.service" }
POLICY
        bed_wait 30 'status_says "[.agents[] | select(.effective == \"running\")] | length == 44"'
        # shellcheck disable=SC2086 # names
        break_in 1100 $busy $patient
        for name in $patient; do
                bed_wait 60 agent_says "$name" .quarantined
        done
        patient_lives >"$BED_DIR/patient"
}

# How often each of them was born, and how many deaths Governor remembers: neither changes while it is in quarantine.
patient_lives() {
        local name
        for name in $patient; do
                echo "$name $(bed_run wc -l "/srv/births/$name")"
        done
        bed_run govctl status --json | jq -c --arg names "$patient" '.agents[] | select(.name | IN($names | split(" ")[])) |
                [.name, .quarantined, .effective, .incarnations["24h"], .incident]'
}

is_up() {
        [ "$(bed_show governor MainPID)" != "${1:-0}" ] && governor_answers
}

# Dying is what three unclean ends in 10 minutes forbid; a human says that it may go on acting.
it_survives_kills() {
        local i pid name
        for ((i = 1; i <= kills; i++)); do
                bed_run govctl safe-mode off >/dev/null
                # shellcheck disable=SC2086 # names
                name=$(shuf -n 1 --random-source=<(yes $RANDOM) -e $busy)
                if [ $((RANDOM % 2)) = 0 ]; then
                        mend "$name"
                else
                        break_in 1100 "$name"
                fi
                # the random moment
                sleep "$((RANDOM % 2)).$((RANDOM % 900 + 100))"
                pid=$(bed_show governor MainPID)
                bed_run kill -KILL "$pid"
                bed_wait 20 is_up "$pid" || bed_fail "kill $i (SEED=$SEED): Governor did not come back"
                patient_lives >"$BED_DIR/patient.now"
                cmp -s "$BED_DIR/patient" "$BED_DIR/patient.now" ||
                        bed_fail "kill $i (SEED=$SEED): $(diff "$BED_DIR/patient" "$BED_DIR/patient.now")"
        done
        echo "$kills kills, SEED=$SEED"
}

at_last_all_are_in_quarantine() {
        local name
        bed_run govctl safe-mode off >/dev/null
        # shellcheck disable=SC2086 # names
        break_in 1100 $busy
        for name in $busy $patient; do
                bed_wait 90 'agent_says '"$name"' ".quarantined and .pid == 0"' || bed_fail "$name: $(bed_run govctl status --json |
                        jq -c --arg name "$name" '.agents[] | select(.name == $name)')"
        done
}

each_intent_has_one_outcome() {
        records_say '([.[] | select(.outcome == "pending") | .seq] | sort) == ([.[] | select(.action | startswith("agent.")) | .details.intent // empty] | sort)' ||
                bed_fail "$(records_give '([.[] | select(.outcome == "pending") | .seq]) as $a | ([.[] | select(.action | startswith("agent.")) | .details.intent // empty]) as $b |
                        "open: \($a - $b), twice: \([$b | group_by(.)[] | select(length > 1)[0]])"')"
}

# An agent that Governor stopped is stopped again only when it lived in between, and one that it started is started again
# only when it died in between.
nothing_is_repeated() {
        local name subject action log
        for name in $busy $patient; do
                case $name in
                app-*) subject=pm2:root/$name ;;
                *) subject=systemd:$name.service ;;
                esac
                for action in stop:births start:deaths; do
                        log=${action#*:}
                        {
                                bed_run sed 's/$/ event/' "/srv/$log/$name"
                                # done: its outcome is ok
                                records_give '(map(select(.outcome == "ok") | .details.intent // empty)) as $done |
                                        map(select(.subject == $s and .action == $a and .outcome == "pending" and (.seq | IN($done[]))))[] | "\(.ms) act"' \
                                        --arg s "$subject" --arg a "agent.${action%:*}"
                        } | sort -n | awk -v what="$name: ${action%:*}" '$2 == "event" { seen = 1 }
                                $2 == "act" { if (acts++ && !seen) { print what " repeated at " $1; bad = 1 } seen = 0 }
                                END { exit bad }' || bed_fail "$name: an action was repeated"
                done
        done
}

the_others_were_not_touched() {
        records_say '[.[] | select(.subject | test("idle-")) | select(.action | test("^(finding|agent)[.]"))] | length == 0'
}

bed_boot one
must the_machine_is_seen
bed_story it_survives_kills
bed_story at_last_all_are_in_quarantine
bed_story each_intent_has_one_outcome
bed_story nothing_is_repeated
bed_story the_others_were_not_touched
bed_story the_log_verifies
bed_story no_secret_is_told
