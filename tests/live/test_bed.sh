#!/bin/bash
# The test bed itself: what every other live test stands on.
# shellcheck source=tests/live/bed.sh
. "$(dirname "$0")/bed.sh"

a_service_runs_and_restarts() {
        bed_service agent-x 'ExecStart=/bin/sleep inf' 'Restart=always' 'RestartSec=100ms'
        bed_run systemctl start agent-x
        bed_kill agent-x
        bed_wait 5 '[ "$(bed_show agent-x NRestarts)" = 1 ]'
        bed_wait 5 bed_run systemctl is-active agent-x
}

an_exit_status_comes_through() {
        local status=0
        bed_run sh -c 'exit 37' || status=$?
        [ $status = 37 ]
        status=0
        bed_unit sh -c 'exit 5' || status=$?
        [ $status = 5 ]
}

a_unit_has_its_own_cgroup() {
        bed_unit --unit=probe-x cat /proc/self/cgroup | grep -qx '0::/system.slice/probe-x.service'
}

pm2_keeps_a_node_app() {
        bed_write /srv/app.js <<<'setInterval(() => {}, 1000);'
        bed_pm2 "$1" start /srv/app.js --name lily
        bed_wait 10 '[ -S "$(bed_root)/root/.pm2/rpc.sock" ]'
        bed_pm2 "$1" jlist | tail -n 1 | jq -e '.[0].name == "lily" and .[0].pm2_env.status == "online"'
        grep -q '/user.slice/user-0.slice/session-.*\.scope' "$(bed_root)/proc/$(bed_run cat /root/.pm2/pm2.pid)/cgroup"
        bed_pm2 "$1" kill
}

the_network_is_its_own() {
        bed_run test ! -e /sys/class/net/eth0
        bed_run grep -q lo: /proc/net/dev
}

files_go_in() {
        bed_cp "$0" /srv/copied
        bed_run test -s /srv/copied
        bed_run test -x /opt/src/tests/runner.sh
}

two_beds_do_not_see_each_other() {
        bed_use one
        bed_run touch /srv/mine
        bed_use two
        bed_run test ! -e /srv/mine
}

# The bed must notice what fails, or every test on it says ok.
a_failing_story_says_where() {
        local told
        stumbles() {
                true
                bed_wait 0 false
                true
        }
        told=$(bed_story stumbles 2>/dev/null)
        [[ $told == "not ok stumbles: line "*": bed_wait 0 false " ]] || bed_fail "told: $told"
        told=$(bed_story bed_is yes echo no 2>/dev/null)
        [[ $told == *": expected 'yes', got 'no' from: echo no " ]] || bed_fail "told: $told"
}

a_power_off_is_clean() {
        bed_use two
        bed_service leaving 'Type=oneshot' 'RemainAfterExit=yes' 'ExecStart=true' 'ExecStop=touch /srv/keep/stopped'
        bed_run systemctl start leaving
        bed_stop
        test -e "$(bed_keep two)/stopped"
}

a_killed_test_leaves_nothing() {
        local test leader
        bash -c '. "$1"; bed_boot three; echo "${BED_LEADER[three]}" >"$2/leader"; sleep 60 >/dev/null 2>&1' tests/live/x.sh "$BED_TREE/tests/live/bed.sh" "$BED_DIR" &
        test=$!
        bed_wait 30 test -s "$BED_DIR/leader"
        leader=$(cat "$BED_DIR/leader")
        kill -KILL $test
        bed_wait 10 "! kill -0 $leader"
}

bed_boot one
bed_boot two --bind="$(bed_keep two):/srv/keep"
bed_use one
bed_story a_service_runs_and_restarts
bed_story an_exit_status_comes_through
bed_story a_unit_has_its_own_cgroup
for version in 5 6 7; do
        bed_story pm2_keeps_a_node_app $version
done
bed_story the_network_is_its_own
bed_story files_go_in
bed_story two_beds_do_not_see_each_other
bed_story a_failing_story_says_where
bed_story a_power_off_is_clean
bed_story a_killed_test_leaves_nothing
