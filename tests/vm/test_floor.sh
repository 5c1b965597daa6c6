#!/bin/bash
# Memory that really gets short, on Debian's kernel with real accounting: the right ones are restarted in the right order, a
# critical hog is reported and not touched, and the kernel's own killer never has to come.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/../live/governed.sh"

BIG=systemd:floor-big.service MID=systemd:floor-mid.service HOG=systemd:floor-hog.service
FLOOR=250 # MB

available() { bed_run awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo; }

# holder NAME MB: a service whose first life holds so much, and each later one nothing; the hog takes it again.
holder() {
        bed_write "/srv/holds-$1" <<<"$2"
        bed_service "floor-$1" "ExecStart=/usr/bin/python3 /srv/holder.py $1" Restart=always RestartSec=1
        bed_run systemctl start "floor-$1"
}

a_small_machine_is_governed() {
        bed_write /srv/holder.py <<'PY'
# Holds as many megabytes as /srv/holds-NAME says, and another hundred when it is told to with SIGUSR1.
import os, signal, sys, time
name = sys.argv[1]
file = "/srv/holds-" + name
kept = []
def more(*_):
    kept.append(bytearray(b"\1") * (100 << 20))
signal.signal(signal.SIGUSR1, more)
if os.path.exists(file):
    kept.append(bytearray(b"\1") * (int(open(file).read()) << 20))
    if name != "hog":
        os.unlink(file)
while True:
    time.sleep(3600)
PY
        bed_write /srv/squeeze.py <<'PY'
# Takes five megabytes at a time, at once, until no more than so many are available, and holds them.
import sys, time
kept = []
def available():
    return next(int(line.split()[1]) >> 10 for line in open("/proc/meminfo") if line.startswith("MemAvailable"))
while available() > int(sys.argv[1]):
    kept.append(bytearray(b"\1") * (5 << 20))
while True:
    time.sleep(3600)
PY
        holder hog 60
        holder big 110
        holder mid 60
        govern enforce <<POLICY
machine: { memory_floor: ${FLOOR}M }
agents:
  - { name: hog, systemd: floor-hog, critical: true }
  - { name: others, systemd: "floor-*" }
POLICY
        bed_wait 120 status_says '[.agents[] | select(.effective == "running")] | length == 3'
        bed_wait 60 '[ "$(available)" -gt $((FLOOR + 40)) ]'
        echo "$(available) MB are available"
}

# Nothing is found about the machine as long as there is enough.
enough_is_nobodys_business() {
        status_says '.machine.memory_floor.below == false and .machine.memory_floor.incident == null'
        bed_is '' records_give '.[] | select(.action == "finding.memory-floor").seq'
}

flushed() {
        records_give 'map(select(.subject == $s and .action == "agent.restart" and .details.purpose == "flush" and
                .outcome == "ok")) | map(.ms)[]' --arg s "$1"
}
was_flushed() { [ -n "$(flushed "$1")" ]; }
floor_says() { records_say 'any(.action == "finding.memory-floor" and (.details.reason | test($r)))' --arg r "$1"; }

pressure_brings_the_floor() {
        # So far below that what big holds alone does not bring it back above the floor and its margin, and mid with it does.
        bed_service squeeze "ExecStart=/usr/bin/python3 /srv/squeeze.py $((FLOOR - 105))"
        bed_run systemctl start squeeze
        bed_wait 120 floor_says '^MemAvailable .* below the floor of 250.0M'
}

the_right_ones_are_restarted_in_the_right_order() {
        bed_wait 120 was_flushed $BIG
        bed_wait 120 was_flushed $MID
        [ "$(flushed $BIG)" -lt "$(flushed $MID)" ] || bed_fail "the smaller one came first"
        bed_wait 60 floor_says '^floor-mid was restarted: MemAvailable '
        records_say 'map(select(.action == "fact.weight" and .subject == $s))[0].details | .of == "cgroup" and .how == "cgroup" and
                .frees_bytes > 110000000' --arg s $BIG
}

# The machine itself says that the memory is back: about what was expected.
what_was_expected_is_really_free() {
        records_give 'map(select(.action == "finding.memory-floor" and (.details.reason | contains(" was restarted: ")))) | map(.details.reason)[]' >"$BED_DIR/freed"
        cat "$BED_DIR/freed"
        [ "$(sed -n 's/^floor-big was .*, \([0-9]*\)\.[0-9]M more where .*/\1/p' "$BED_DIR/freed")" -gt 70 ]
        [ "$(sed -n 's/^floor-mid was .*, \([0-9]*\)\.[0-9]M more where .*/\1/p' "$BED_DIR/freed")" -gt 30 ]
        [ "$(available)" -gt $FLOOR ]
}

a_critical_hog_is_reported_and_not_touched() {
        bed_run systemctl kill -s USR1 floor-hog
        bed_wait 120 floor_says '^nothing more can be freed: .*floor-hog holds 1[0-9.]+M: critical, not touched'
        records_say 'any(.subject == $s and .action == "agent.restart" and .outcome == "denied" and .details.withheld == "critical")' --arg s $HOG
        ! was_flushed $HOG || bed_fail "it was restarted"
        bed_is 0 bed_run systemctl show -P NRestarts floor-hog
}

# Asked of the kernel, not of Governor.
the_kernels_killer_never_ran() {
        bed_is 0 bed_run awk '$1 == "oom_kill" { print $2 }' /proc/vmstat
        bed_is '' bed_run sh -c 'dmesg | grep -iE "out of memory|oom-kill|oom_reaper" || :'
        bed_is 0 bed_run sh -c 'cat /sys/fs/cgroup/*/memory.events /sys/fs/cgroup/system.slice/*/memory.events | awk "\$1 ~ /oom/ { n += \$2 } END { print n + 0 }"'
}

bed_boot one 768M
must a_small_machine_is_governed
bed_story enough_is_nobodys_business
bed_story pressure_brings_the_floor
bed_story the_right_ones_are_restarted_in_the_right_order
bed_story what_was_expected_is_really_free
bed_story a_critical_hog_is_reported_and_not_touched
bed_story the_kernels_killer_never_ran
bed_story the_log_verifies
bed_story the_decisions_follow
