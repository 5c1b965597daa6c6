#!/bin/bash
# The VM bed itself, and Governor in it: Debian's kernel, real memory accounting, power that goes off and is cut.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/../live/governed.sh"

systemd_is_pid_1_on_debians_kernel() {
        bed_is systemd bed_run cat /proc/1/comm
        bed_run uname -r | grep -q '^6\.1\..*-cloud-'
        bed_run grep -qw 'cgroup2' /proc/filesystems
        bed_is cgroup2fs bed_run stat -fc %T /sys/fs/cgroup
        bed_run grep -qw memory /sys/fs/cgroup/cgroup.controllers
        bed_run test -r /proc/pressure/memory
        bed_is ext2/ext3 bed_run stat -fc %T /
        # 512 MB less what the kernel keeps for itself
        [ "$(bed_run awk '/^MemTotal/ { print $2 }' /proc/meminfo)" -lt $((512 << 10)) ]
        [ "$(bed_run awk '/^MemTotal/ { print $2 }' /proc/meminfo)" -gt $((400 << 10)) ]
}

the_line_carries_a_command() {
        local status=0 words
        bed_run sh -c 'echo out; echo err >&2; exit 37' >"$BED_DIR/out" 2>"$BED_DIR/err" || status=$?
        [ $status = 37 ]
        bed_is out cat "$BED_DIR/out"
        bed_is err cat "$BED_DIR/err"
        status=0
        bed_run sh -c 'kill -TERM $$' || status=$?
        [ $status = 143 ]
        words=$(bed_run printf '<%s>' 'two words' '' "it's \$HOME *" 2>&1)
        [ "$words" = "<two words><><it's \$HOME *>" ] || bed_fail "arguments came as $words"
        bed_is 0::/ bed_run cat /proc/self/cgroup
        bed_is 0 bed_run cat /proc/self/oom_score_adj
        head -c 3000000 /dev/urandom >"$BED_DIR/bytes"
        bed_run cat <"$BED_DIR/bytes" >"$BED_DIR/back"
        cmp "$BED_DIR/bytes" "$BED_DIR/back"
        bed_run sh -c 'sleep 1000 & echo left' | grep -qx left
}

# As many as there are ports run side by side, the others wait; one that is killed out here is killed in there.
commands_run_side_by_side() {
        local i pids=()
        for i in {1..12}; do
                bed_run sh -c 'cat; sleep 0.2' <<<"$i" >"$BED_DIR/side.$i" &
                pids+=($!)
        done
        wait "${pids[@]}"
        for i in {1..12}; do
                bed_is "$i" cat "$BED_DIR/side.$i"
        done
        timeout 5 "$BED_BUILD/tests/vm/outside" "$BED_DIR/$BED_NOW.line" sleep 54321 </dev/null || [ $? = 124 ]
        bed_wait 10 '! bed_run pgrep -f "sleep 5432[1]"'
}

files_go_in() {
        bed_cp "$0" "$BED_TREE/Makefile" /srv/
        bed_run test -s /srv/Makefile
        bed_is "$(sha256sum <"$0")" bed_run sh -c 'sha256sum </srv/test_boot.sh'
}

governor_governs() {
        house
        bed_pm2 7 start /bin/sleep --name lily --interpreter none -- inf
        bed_service agent-x 'ExecStart=/usr/bin/python3 -c "import time; kept = bytearray(30 << 20); time.sleep(9999)"'
        bed_run systemctl start agent-x
        govern observe <<'POLICY'
classes: { unit: { memory: { budget: 200M, of: cgroup } } }
agents:
  - { name: apps, pm2: "*" }
  - { name: units, systemd: agent-x, class: unit }
POLICY
        bed_wait 60 is_effectively agent-x running
        bed_wait 60 is_effectively lily running
}

# Working set: memory.current less inactive_file, and about the 30 MB that it holds.
a_cgroup_is_really_counted() {
        local counted real apart file
        bed_wait 30 agent_says agent-x '.memory.of == "cgroup" and .memory_bytes > 30000000'
        counted=$(agent_says agent-x .memory_bytes)
        file=/sys/fs/cgroup/system.slice/agent-x.service/memory
        real=$(bed_run sh -c 'echo $(($(cat $0.current) - $(awk "/^inactive_file/ { print \$2 }" $0.stat)))' "$file")
        apart=$((counted > real ? counted - real : real - counted))
        [ $apart -lt 2000000 ] || bed_fail "counted $counted, the kernel says $real"
}

# This kernel's Landlock is of 2022: it cannot refuse truncation or signals. The one the filter does, the other is said.
a_confined_program_changes_only_its_own() {
        local top=/srv/nest/top
        bed_run mkdir -p /srv/nest
        bed_run governor-canary --make $top
        bed_run governor-run --write /srv/nest --guard $top/guarded -- \
                governor-canary $top/guarded/canary --json --settle 0 >"$BED_DIR/canary" 2>"$BED_DIR/gaps" || cat "$BED_DIR/canary"
        jq -r '.attacks[] | select(.result != "prevented") | "\(.name): \(.result), \(.reason)"' "$BED_DIR/canary"
        jq -e '.succeeded == 0 and .restored == 0 and .["own-view"] == 0 and .prevented >= 32' "$BED_DIR/canary"
        grep -q 'not confined: signals .*this kernel has 2' "$BED_DIR/gaps"
}

a_power_off_is_clean() {
        bed_service leaving 'Type=oneshot' 'RemainAfterExit=yes' 'ExecStart=true' 'ExecStop=touch /srv/stopped'
        bed_run systemctl start leaving
        bed_run systemctl enable governor
        bed_stop
}

it_is_there_again() {
        bed_run test -e /srv/stopped
        bed_wait 60 governor_answers
        records_say '[.[] | select(.action == "audit.start" or .action == "judge.start")] | length > 0'
        the_log_verifies
}

# What was flushed is there after the cut, what was only in memory is not.
a_cut_loses_what_was_not_written() {
        bed_is kept bed_run cat /srv/flushed
        bed_is '' bed_run sh -c 'cat /srv/unwritten 2>/dev/null || :'
        bed_wait 60 governor_answers
        the_log_verifies
}

bed_boot one
must systemd_is_pid_1_on_debians_kernel
bed_story the_line_carries_a_command
bed_story commands_run_side_by_side
bed_story files_go_in
must governor_governs
bed_story a_cgroup_is_really_counted
bed_story the_log_verifies
bed_story a_confined_program_changes_only_its_own
bed_story a_power_off_is_clean
bed_boot one
bed_story it_is_there_again
bed_run sh -c 'echo kept >/srv/flushed && sync /srv/flushed && sync /srv && echo lost >/srv/unwritten'
bed_cut
bed_boot one
bed_story a_cut_loses_what_was_not_written
