#!/bin/bash
# Limits are proposed, tried, kept and taken back: by their time, by an agent that dies of them, by hand, by rescue.sh.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

X=systemd:zoo-x.service
TRIAL=/run/systemd/system/zoo-x.service.d/60-governor-limits-trial.conf
KEPT=/etc/systemd/system/zoo-x.service.d/50-governor-limits.conf

the_machine_is_seen() {
        house
        service zoo-x
        # One that ends when it is limited: where the kernel has no controllers, this is what plays their part.
        bed_write /srv/agents/touchy.sh <<'SH'
#!/bin/bash
while sleep 0.3; do
        [ "$(systemctl show -P MemoryMax zoo-touchy)" = infinity ] || exit 7
done
SH
        bed_service zoo-touchy 'ExecStart=/bin/bash /srv/agents/touchy.sh' Restart=always RestartSec=1
        bed_run systemctl start zoo-x zoo-touchy
        app lily
        govern enforce <<'POLICY'
classes:
  thin: { memory: { budget: 65M, ceiling: 200M } }
agents:
  - { name: zoo, systemd: "zoo-*", class: thin }
  - { name: apps, pm2: "*" }
POLICY
        bed_wait 20 status_says '[.agents[] | select(.effective == "running")] | length == 3'
}

in_force() { bed_show zoo-x "$1"; }
trial_is() { bed_run govctl trials --all --json | jq -e --arg a "$1" '[.trials[] | select(.agent == $a)][-1].state == "'"$2"'"'; }
number_of() { bed_run govctl trials --json | jq -r --arg a "$1" '.trials[] | select(.agent == $a).number' | tail -n 1; }
in_footprint() { bed_run grep -qx "limits $1" /var/lib/governor/footprint; }
# nothing_is_left: no file, nothing in force, nothing in the footprint.
nothing_is_left() {
        bed_run test ! -e /run/systemd/system/zoo-x.service.d -a ! -e /etc/systemd/system/zoo-x.service.d
        bed_is infinity in_force MemoryMax
        bed_is infinity in_force MemoryHigh
        bed_is infinity in_force MemorySwapMax
        bed_is stop in_force OOMPolicy
        ! bed_run grep -q '^limits ' /var/lib/governor/footprint || bed_fail "the footprint still lists it"
}

a_proposal_changes_nothing() {
        bed_run govctl limits zoo-x >"$BED_DIR/proposal"
        grep -q 'MemoryHigh.*infinity.*220M.*a tenth above its ceiling' "$BED_DIR/proposal"
        grep -q 'MemoryMax.*infinity.*276M' "$BED_DIR/proposal"
        grep -q 'OOMPolicy.*stop.*kill' "$BED_DIR/proposal"
        bed_run govctl limits zoo-x --json | jq -e '.limits.memory_max == 276 * 1048576 and .settings[1].in_force == "infinity"'
        if ! bed_run grep -qw memory /sys/fs/cgroup/cgroup.controllers; then
                grep -q 'Nothing would come of Memory' "$BED_DIR/proposal" || bed_fail "it is not said that nothing would come of it"
        fi
        nothing_is_left
}

a_trial_is_in_force_and_said_everywhere() {
        bed_run govctl limits zoo-x --apply --reason 'a test' >"$BED_DIR/said"
        grep -q 'It is taken back by itself' "$BED_DIR/said"
        bed_is $((276 * 1048576)) in_force MemoryMax
        bed_is $((220 * 1048576)) in_force MemoryHigh
        bed_is 0 in_force MemorySwapMax
        bed_is kill in_force OOMPolicy
        bed_is '644 root' bed_run stat -c '%a %U' "$TRIAL"
        bed_run grep -q "^# Why: .*asked for by uid:0 .*a test" "$TRIAL"
        in_footprint "$X $TRIAL"
        bed_run govctl status --width 400 >"$BED_DIR/said" || [ $? = 3 ]
        grep -q "Trial .*zoo-x.*taken back in" "$BED_DIR/said"
        bed_run govctl why zoo-x | grep -q 'limits are on trial'
        records_say 'any(.subject == $s and .action == "agent.limit" and .outcome == "pending" and .details.limits.memory_max == 289406976)' --arg s "$X"
        ! bed_run govctl limits zoo-x --memory-max 300M --apply 2>"$BED_DIR/said" || bed_fail "two trials of one unit"
        grep -q 'is running: keep it or take it back first' "$BED_DIR/said"
        systemd_lists_the_file
}

systemd_lists_the_file() { bed_show zoo-x DropInPaths | grep -qF "$TRIAL"; }

a_human_takes_it_back() {
        bed_run govctl undo zoo-x --reason 'too tight'
        nothing_is_left
        trial_is "$X" over
}

what_nobody_keeps_is_taken_back() {
        bed_run govctl limits zoo-x --apply --for 10s >/dev/null
        bed_run test -e "$TRIAL"
        bed_wait 20 trial_is "$X" over
        nothing_is_left
        records_say 'any(.subject == $s and .action == "agent.unlimit" and .details.reason == "its 10s are over, and nobody kept it")' --arg s "$X"
}

an_agent_that_dies_of_it_is_free_at_once() {
        local before
        before=$(bed_show zoo-touchy NRestarts)
        bed_run govctl limits zoo-touchy --apply >/dev/null
        bed_wait 15 trial_is systemd:zoo-touchy.service over
        bed_run test ! -e /run/systemd/system/zoo-touchy.service.d
        bed_is infinity bed_show zoo-touchy MemoryMax
        bed_run govctl trials --all --width 400 | grep -q 'zoo-touchy.*over: it died: exit code 7'
        bed_wait 10 is_effectively zoo-touchy running
        [ "$(bed_show zoo-touchy NRestarts)" -le $((before + 2)) ] || bed_fail "it went on to die"
}

a_kept_one_survives_the_daemon_and_a_reload() {
        bed_run govctl limits zoo-x --memory-max 300M --apply >/dev/null
        bed_run govctl keep zoo-x | grep -q 'keeps MemoryMax=300M'
        bed_run test ! -e "$TRIAL"
        in_footprint "$X $KEPT"
        bed_run systemctl restart governor
        bed_wait 20 governor_answers
        bed_run systemctl daemon-reload
        bed_is $((300 * 1048576)) in_force MemoryMax
        trial_is "$X" kept
        bed_run govctl limits zoo-x | grep -q "MemoryMax=300M is set in $KEPT"
        bed_run govctl limits zoo-x --remove
        nothing_is_left
}

# told_of FILE CHANGE: the judge heard of it.
told_of() { records_say 'any(.action == "fact.config" and .details.path == $f and .details.change == $c)' --arg f "$1" --arg c "$2"; }
open_drifts() { bed_run govctl incidents --json | jq '[.incidents[] | select(.cause == "unit-drift" and .state == "open")] | length'; }

what_governors_hand_did_is_no_drift() {
        bed_wait 10 told_of "$TRIAL" added
        bed_wait 10 told_of "$TRIAL" removed
        bed_wait 10 told_of "$KEPT" added
        bed_wait 10 told_of "$KEPT" removed
        records_say 'any(.action == "finding.unit-drift") | not'
}

another_hand_in_governors_drop_in_is_drift() {
        bed_run govctl limits zoo-x --memory-max 300M --apply --for 10m >/dev/null
        bed_wait 10 '[ "$(bed_run govctl trials --json | jq -r ".trials[0].since")" -lt $(($(bed_run date +%s%6N) - 5500000)) ]'
        bed_run sh -c "echo MemoryHigh=200M >>$TRIAL"
        bed_wait 10 '[ "$(open_drifts)" = 1 ]'
        bed_run govctl incidents --json | jq -e --arg t "$TRIAL" '.incidents[] | select(.cause == "unit-drift") | [.. | strings] | any(contains($t + " was changed"))'
        bed_run govctl undo zoo-x >/dev/null
        bed_wait 10 '[ "$(open_drifts)" = 0 ]'
        nothing_is_left
}

# A daemon that is killed during a trial takes it back when it is there again.
a_trial_that_ran_out_while_the_daemon_was_dead_is_taken_back() {
        local until
        bed_run govctl limits zoo-x --apply --for 10s >/dev/null
        until=$(($(bed_run date +%s) + 11))
        bed_kill governor
        bed_run systemctl stop governor
        bed_run test -e "$TRIAL"
        bed_wait 20 '[ "$(bed_run date +%s)" -ge '"$until"' ]'
        bed_run systemctl start governor
        bed_wait 20 governor_answers
        bed_wait 20 trial_is "$X" over
        nothing_is_left
}

somebody_elses_word_is_last() {
        bed_write /etc/systemd/system/zoo-x.service.d/override.conf <<<$'[Service]\nMemoryMax=1G'
        bed_run systemctl daemon-reload
        ! bed_run govctl limits zoo-x --memory-max 300M --apply 2>"$BED_DIR/said" || bed_fail "it is said to be in force"
        grep -q 'MemoryMax is 1G and not 300M: another drop-in of the unit has the last word' "$BED_DIR/said"
        bed_run test ! -e "$TRIAL"
        bed_run govctl limits zoo-x | grep -q 'MemoryMax=1G is set in /etc/systemd/system/zoo-x.service.d/override.conf:2'
        bed_run rm -r /etc/systemd/system/zoo-x.service.d
        bed_run systemctl daemon-reload
        nothing_is_left
}

what_may_not_be_limited_is_not() {
        local status=0
        ! bed_run govctl limits zoo-x --memory-max 1M --apply 2>"$BED_DIR/said" || bed_fail "it would have been killed at once"
        grep -q 'it would be killed at once' "$BED_DIR/said"
        bed_run govctl limits lily --apply 2>"$BED_DIR/said" || status=$?
        [ $status = 4 ]
        grep -q 'all apps of one PM2 live in one control group' "$BED_DIR/said"
        bed_run govctl limits nobody 2>/dev/null && bed_fail "a stranger has limits"
        bed_run systemctl stop zoo-x
        bed_wait 10 is_effectively zoo-x stopped
        ! bed_run govctl limits zoo-x --memory-max 300M --apply 2>"$BED_DIR/said" || bed_fail "what does not run proves nothing"
        grep -q 'zoo-x is stopped' "$BED_DIR/said"
        bed_run systemctl start zoo-x
        bed_wait 10 is_effectively zoo-x running
        nothing_is_left
}

rescue_takes_it_back_without_a_daemon() {
        bed_run govctl limits zoo-x --memory-max 300M --apply >/dev/null
        bed_run govctl keep zoo-x >/dev/null
        bed_run govctl limits zoo-touchy --cpu-quota 90% --apply >/dev/null
        bed_run sh /opt/src/units/rescue.sh >"$BED_DIR/said"
        grep -q "limits $X $KEPT" "$BED_DIR/said"
        grep -q 'limits systemd:zoo-touchy.service /run/' "$BED_DIR/said"
        bed_is infinity in_force MemoryMax
        bed_is infinity bed_show zoo-touchy CPUQuotaPerSecUSec
        bed_run test ! -e /var/lib/governor/footprint -a ! -e "$KEPT" -a ! -e /run/systemd/system/zoo-touchy.service.d
        bed_run systemctl start governor
        bed_wait 20 governor_answers
        bed_wait 20 trial_is "$X" over # what is not there is not claimed
        bed_wait 20 trial_is systemd:zoo-touchy.service over
        nothing_is_left
}

disarming_takes_everything_back() {
        bed_run govctl limits zoo-x --memory-max 310M --apply >/dev/null
        bed_run govctl keep zoo-x >/dev/null
        bed_run govctl limits zoo-touchy --cpu-quota 80% --apply >/dev/null
        bed_run govctl disarm --all
        bed_wait 20 trial_is "$X" over
        bed_wait 20 trial_is systemd:zoo-touchy.service over
        bed_is infinity bed_show zoo-touchy CPUQuotaPerSecUSec
        nothing_is_left
        bed_run govctl limits zoo-x --memory-max 310M --apply | grep -q 'Nothing was done: Governor only observes now'
        nothing_is_left
        bed_run govctl reload
}

uninstall_leaves_nothing() {
        bed_run govctl limits zoo-x --memory-max 320M --apply >/dev/null
        bed_run govctl keep zoo-x >/dev/null
        bed_run env B=/opt/gov bash /opt/src/units/install.sh uninstall >/dev/null
        bed_is infinity in_force MemoryMax
        bed_run test ! -e /etc/systemd/system/zoo-x.service.d
}

bed_boot one
must the_machine_is_seen
bed_story a_proposal_changes_nothing
bed_story a_trial_is_in_force_and_said_everywhere
bed_story a_human_takes_it_back
bed_story what_nobody_keeps_is_taken_back
bed_story an_agent_that_dies_of_it_is_free_at_once
bed_story a_kept_one_survives_the_daemon_and_a_reload
bed_story what_governors_hand_did_is_no_drift
bed_story another_hand_in_governors_drop_in_is_drift
bed_story a_trial_that_ran_out_while_the_daemon_was_dead_is_taken_back
bed_story somebody_elses_word_is_last
bed_story what_may_not_be_limited_is_not
bed_story rescue_takes_it_back_without_a_daemon
bed_story disarming_takes_everything_back
bed_story the_log_verifies
bed_story no_secret_is_told
bed_story uninstall_leaves_nothing
