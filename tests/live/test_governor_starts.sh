#!/bin/bash
# Governor may fail, the machine may not: safe mode after three crashes; a corrupt policy, a full disk, no state directory.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

good_policy='agents: [ { name: services, systemd: "zoo-*.service", heal: { ladder: [quarantine] } } ]'

the_machine_is_seen() {
        local name
        house
        for name in 1 2 3 4 x y; do
                service zoo-$name
                bed_run systemctl start zoo-$name
        done
        govern enforce <<<"$good_policy"
        bed_wait 20 'status_says "[.agents[] | select(.effective == \"running\")] | length == 6"'
        bed_run systemctl show -P MainPID 'zoo-*' >"$BED_DIR/pids"
}

the_agents_are_the_same() {
        bed_is "$(cat "$BED_DIR/pids")" bed_run systemctl show -P MainPID 'zoo-*'
}

three_crashes_start_safe_mode() {
        local i pid
        for i in 1 2 3; do
                pid=$(bed_show governor MainPID)
                ! status_says .machine.safe_mode || bed_fail "safe mode before crash $i"
                bed_run kill -SEGV "$pid"
                bed_wait 20 '[ "$(bed_show governor MainPID)" != '"$pid"' ] && governor_answers'
        done
        status_says '.machine.safe_mode and .machine.mode == "observe"'
        bed_run govctl status >/dev/null || [ $? = 3 ]
        records_say 'any(.action == "finding.safe-mode")' || bed_fail "no incident safe-mode was opened"
}

in_safe_mode_it_sees_and_does_nothing() {
        break_in 500 zoo-x
        bed_wait 30 is_named systemd:zoo-x.service crash-loop
        bed_wait 30 records_say 'any(.action == "agent.stop" and .details.outcome == "dry")'
        records_say '[.[] | select(.action == "agent.stop" and .outcome == "ok" and .details.outcome == "ok")] | length == 0'
        [ "$(bed_show zoo-x NRestarts)" -ge 3 ]
}

a_human_ends_safe_mode() {
        bed_run govctl safe-mode off
        status_says '.machine.safe_mode == false'
        agent_says zoo-x '.mode == "enforce"'
        bed_wait 60 is_effectively zoo-x quarantined
        mend zoo-x
        bed_run govctl release zoo-x
        bed_wait 30 is_effectively zoo-x running
}

a_corrupt_policy_is_said_and_nothing_is_done() {
        bed_run systemctl show -P MainPID 'zoo-*' >"$BED_DIR/pids"
        printf 'mode: enfroce\nagents:\n  - { name: x, sytsemd: zoo-x }\n' | bed_write /etc/governor/policies.d/10-test.yaml
        bed_run systemctl restart governor
        bed_wait 20 governor_answers
        status_says '.machine.policy.bad and .machine.mode == "observe"'
        bed_wait 5 'bed_run journalctl -q -u governor -o cat | grep -q "10-test.yaml:1:7: error:"'
        bed_run journalctl -q -u governor -o cat | grep -q "10-test.yaml:3:.*sytsemd"
        the_agents_are_the_same
}

a_bad_reload_keeps_the_old_policy() {
        local status=0
        bed_write /etc/governor/policies.d/10-test.yaml <<<$'mode: enforce\n'"$good_policy"
        bed_run govctl reload
        status_says '.machine.policy.bad == false'
        agent_says zoo-x '.mode == "enforce"'
        echo 'mode: [' | bed_write /etc/governor/policies.d/10-test.yaml
        bed_run govctl reload >/dev/null 2>&1 || status=$?
        [ $status = 1 ] || bed_fail "govctl reload of a corrupt policy ended with $status"
        agent_says zoo-x '.mode == "enforce"'
        status_says '.machine.policy.rules == 1'
        bed_write /etc/governor/policies.d/10-test.yaml <<<$'mode: enforce\n'"$good_policy"
        bed_run govctl reload
}

a_missing_state_directory_is_made_anew() {
        bed_run systemctl stop governor
        bed_keep_logs
        bed_run rm -rf /var/lib/governor
        bed_run systemctl start governor
        bed_wait 20 governor_answers
        bed_is '700 root' bed_run stat -c '%a %U' /var/lib/governor
        the_log_verifies
        the_agents_are_the_same
}

# The worst place to keep a log: nothing can be written. Nobody waits for Governor, nobody is harmed, and it comes back.
a_full_disk_harms_nobody() {
        local began
        bed_run systemctl stop governor
        bed_run mount -t tmpfs -o size=256k,mode=0700 governor-full /var/lib/governor
        bed_run sh -c 'dd if=/dev/zero of=/var/lib/governor/full bs=4k status=none || :' 2>/dev/null
        began=$EPOCHSECONDS
        bed_run timeout 20 systemctl start governor || echo "systemctl start: $?"
        [ $((EPOCHSECONDS - began)) -lt 15 ] || bed_fail "starting took $((EPOCHSECONDS - began)) s"
        the_agents_are_the_same
        bed_run journalctl -q -u governor -o cat | grep -qiE "no space left|cannot be opened"
        bed_run rm /var/lib/governor/full
        bed_run mount -o remount,size=64m /var/lib/governor
        bed_wait 30 governor_answers
        bed_wait 10 the_log_verifies
        the_agents_are_the_same
        bed_run systemctl stop governor
        bed_keep_logs
        bed_run umount /var/lib/governor
        bed_run systemctl start governor
        the_log_verifies
}

# The disk fills while it runs: it goes on seeing and says that it cannot write.
a_disk_that_fills_is_said() {
        bed_run systemctl stop governor
        bed_run mount -t tmpfs -o size=24m,mode=0700 governor-small /var/lib/governor
        bed_run systemctl start governor
        bed_wait 20 governor_answers
        bed_run sh -c 'dd if=/dev/zero of=/var/lib/governor/full bs=4k status=none || :' 2>/dev/null
        break_in 300 zoo-y
        bed_wait 60 'status_says ".machine.audit.healthy == false or ([.sources[] | select(.name == \"audit\" and .state == \"blind\")] | length > 0)" || records_say "any(.action == \"agent.stop\")"'
        bed_wait 20 agent_says zoo-y '.effective != "running"'
        bed_run rm /var/lib/governor/full
        bed_wait 60 status_says '.machine.audit.healthy'
        mend zoo-y
        bed_wait 20 the_log_verifies
        bed_run systemctl stop governor
        bed_keep_logs
        bed_run umount /var/lib/governor
        bed_run systemctl start governor
}

bed_boot one
must the_machine_is_seen
bed_story three_crashes_start_safe_mode
bed_story in_safe_mode_it_sees_and_does_nothing
bed_story a_human_ends_safe_mode
bed_story a_corrupt_policy_is_said_and_nothing_is_done
bed_story a_bad_reload_keeps_the_old_policy
bed_story a_missing_state_directory_is_made_anew
bed_story a_full_disk_harms_nobody
bed_story a_disk_that_fills_is_said
bed_story no_secret_is_told
