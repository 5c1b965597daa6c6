#!/bin/bash
# Limits that the kernel really enforces: an agent that is killed by those on trial is free of them at once and lives; those that
# are kept outlive the power.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/../live/governed.sh"

TRIAL=/run/systemd/system/agent-hog.service.d/60-governor-limits-trial.conf
KEPT=/etc/systemd/system/agent-hog.service.d/50-governor-limits.conf

# It holds 30 MB, and 90 MB more when it is told to grow.
an_agent_is_watched() {
        house
        bed_write /srv/hog.py <<'PYTHON'
import os, time
kept = bytearray(30 << 20)
while not os.path.exists('/srv/grow'):
    time.sleep(0.5)
more = bytearray(90 << 20)
time.sleep(99999)
PYTHON
        bed_service agent-hog 'ExecStart=/usr/bin/python3 /srv/hog.py' Restart=always RestartSec=15
        bed_run systemctl add-wants multi-user.target agent-hog
        bed_run systemctl start agent-hog
        govern enforce <<'POLICY'
agents:
  - { name: units, systemd: "agent-*", restarts: [ { more_than: 4, within: 10m } ] }
POLICY
        bed_run systemctl enable governor
        bed_wait 60 agent_says agent-hog '.effective == "running" and .memory_bytes > 30000000'
}

of_the_kernel() { bed_run cat "/sys/fs/cgroup/system.slice/agent-hog.service/$1" </dev/null; }
# Where nothing in the slice has a quota, there is no such file.
no_quota() { [ "$(of_the_kernel cpu.max 2>/dev/null || echo max 100000)" = 'max 100000' ]; }
trial_is() { bed_run govctl trials --all --json </dev/null | jq -e '.trials[-1].state == "'"$1"'"'; }

a_limit_that_is_below_what_it_uses_is_refused() {
        ! bed_run govctl limits agent-hog --memory-max 20M --apply 2>"$BED_DIR/said" || bed_fail "it would have been killed"
        grep -q 'uses' "$BED_DIR/said"
        bed_is max of_the_kernel memory.max
}

a_limit_is_the_kernels() {
        bed_run govctl limits agent-hog --memory-max 60M --cpu-quota 50% --apply >"$BED_DIR/said"
        ! grep -q BUT "$BED_DIR/said" || bed_fail "$(cat "$BED_DIR/said")"
        bed_is $((60 << 20)) of_the_kernel memory.max
        bed_is '50000 100000' of_the_kernel cpu.max
}

killed_by_it_it_is_free_and_lives() {
        bed_run touch /srv/grow
        bed_wait 90 trial_is over
        bed_run dmesg | grep -q 'Memory cgroup out of memory.*python3'
        bed_run govctl trials --all --width 400 | grep -qE 'agent-hog.*over: (it was killed for memory|it is not well: oom)'
        bed_run test ! -e "$TRIAL"
        bed_is infinity bed_show agent-hog MemoryMax
        bed_wait 90 agent_says agent-hog '.effective == "running" and .memory_bytes > 120000000'
        bed_is max of_the_kernel memory.max
        no_quota
}

one_is_kept_and_one_is_on_trial() {
        bed_run rm /srv/grow
        bed_run systemctl restart agent-hog
        bed_wait 60 agent_says agent-hog '.effective == "running" and .memory_bytes > 30000000 and .memory_bytes < 60000000'
        bed_run govctl limits agent-hog --memory-max 100M --apply >/dev/null
        bed_run govctl keep agent-hog
        bed_run govctl limits agent-hog --cpu-quota 70% --for 1d --apply >/dev/null
        bed_run test -e "$KEPT" -a -e "$TRIAL"
        bed_is '70000 100000' of_the_kernel cpu.max
}

what_is_kept_outlives_the_power_and_a_trial_does_not() {
        bed_wait 60 governor_answers
        bed_wait 60 agent_says agent-hog '.effective == "running"'
        bed_is $((100 << 20)) of_the_kernel memory.max
        no_quota
        bed_wait 120 trial_is over
        bed_run govctl trials --json </dev/null | jq -e '.trials | length == 1 and .[0].state == "kept"'
        bed_run govctl undo agent-hog
        bed_is max of_the_kernel memory.max
        bed_run test ! -e "$KEPT"
}

bed_boot one
must an_agent_is_watched
bed_story a_limit_that_is_below_what_it_uses_is_refused
bed_story a_limit_is_the_kernels
bed_story killed_by_it_it_is_free_and_lives
bed_story one_is_kept_and_one_is_on_trial
bed_run sync
bed_cut
bed_boot one
bed_story what_is_kept_outlives_the_power_and_a_trial_does_not
bed_story the_decisions_follow
bed_story the_log_verifies
