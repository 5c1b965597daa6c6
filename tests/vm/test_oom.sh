#!/bin/bash
# The kernel's OOM killer, at a unit's limit and for the whole machine, and systemd-oomd: who was killed is named with its
# agent, and who is about to be is told before.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/../live/governed.sh"

agents_of_all_kinds() {
        # Grows by a megabyte a second when it is told to, up to so many.
        bed_write /srv/grow.py <<'PY'
import os, sys, time
name, most, kept = sys.argv[1], int(sys.argv[2]), []
while True:
    time.sleep(1 if len(kept) < most else 3600)
    if os.path.exists("/srv/faults/" + name):
        kept.append(bytearray(os.urandom(4096) * 256))
PY
        # Takes what there is, fast as long as there is much, and all of it when it is told to.
        bed_write /srv/eat.py <<'PY'
import os, time
kept = []
def available():
    for line in open("/proc/meminfo"):
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) >> 10
while True:
    if not os.path.exists("/srv/faults/hungry"):
        time.sleep(1)
    elif available() > 80 or os.path.exists("/srv/faults/ravenous"):
        kept.append(bytearray(b"x" * (4 << 20)))
    else:
        kept.append(bytearray(b"x" * (1 << 20)))
        time.sleep(0.7)
PY
        bed_run mkdir -p /srv/faults
        # Without it a machine reads its own programs from disk again and again for minutes before it gives up.
        bed_run sh -c 'echo y >/sys/kernel/mm/lru_gen/enabled; echo 1000 >/sys/kernel/mm/lru_gen/min_ttl_ms'
        bed_service agent-x 'ExecStart=/usr/bin/python3 /srv/grow.py agent-x 1000' MemoryMax=64M OOMPolicy=continue
        # Its child is killed, once.
        bed_service agent-z 'ExecStart=/bin/sh -c "while [ ! -e /srv/faults/agent-z ]; do sleep 1; done; python3 /srv/grow.py agent-z 1000; sleep inf"' \
                MemoryMax=16M OOMPolicy=continue
        bed_service pm2-root Type=forking PIDFile=/root/.pm2/pm2.pid Restart=always OOMPolicy=continue \
                Environment=PM2_HOME=/root/.pm2 TimeoutStartSec=300 \
                "ExecStart=/usr/bin/node /opt/pm2-7.0.4/node_modules/pm2/bin/pm2 start /srv/apps.config.js" \
                'ExecStop=-/bin/sh -c "test -z $MAINPID || kill $MAINPID"'
        bed_write /srv/apps.config.js <<'JS'
module.exports = { apps: [
        { name: 'hungry', script: '/srv/eat.py', interpreter: '/usr/bin/python3' },
        { name: 'calm', script: '/bin/sleep', args: 'inf', interpreter: 'none' },
] };
JS
        # it will be stopped for a while
        bed_write /etc/systemd/system/governor.service.d/patient.conf <<<$'[Service]\nWatchdogSec=10min'
        govern observe <<'POLICY'
agents:
  - { name: apps, pm2: "*" }
  - { name: units, systemd: "agent-*" }
POLICY
        bed_run systemctl start --no-block pm2-root
        bed_run systemctl start agent-x agent-z
        bed_run touch /srv/faults/agent-x
}

# killed SUBJECT: the fact that tells of it.
killed() { records_say 'any(.action == "fact.oom" and .subject == $s and .details.what == "killed")' --arg s "$1"; }
killed_is() { records_say 'any(.action == "fact.oom" and .subject == $s and .details.what == "killed" and ('"$2"'))' --arg s "$1"; }

a_leak_is_told_before_the_kernel_acts_and_then_named() {
        local pid
        pid=$(bed_show agent-x MainPID)
        bed_wait 240 killed systemd:agent-x.service
        killed_is systemd:agent-x.service ".details.pid == $pid and .details.by == \"limit\" and .details.comm == \"python3\" and
                .details.limit == \"/system.slice/agent-x.service\" and .details.limit_bytes == (64 * 1048576) and
                .details.held_bytes > 40000000"
        # told first, as what it was then
        records_say '(map(select(.action == "finding.oom" and .subject == "systemd:agent-x.service"))) as $f |
                (map(select(.action == "fact.oom" and .details.what == "killed"))[0]) as $k |
                $f[0].seq < $k.seq and ($f[0].details.reason | startswith("would be killed at 64.0M: holds ")) and
                any($f[]; .seq > $k.seq and .details.state == "worsen" and (.details.reason | contains("was killed for memory, held")))'
        # systemd itself, with OOMPolicy=continue, knows of a SIGKILL only
        bed_wait 10 agent_says agent-x '.last.ending == "oom"'
        bed_run govctl why agent-x >"$BED_DIR/why" || [ $? = 3 ]
        grep -q 'at the limit of 64.0M' "$BED_DIR/why" || bed_fail "why does not say so: $(cat "$BED_DIR/why")"
}

pid_in_status() { agent_says "$1" .pid; }

# The machine ends: PM2 knows that its app was killed, and not why.
an_app_that_the_machine_had_no_room_for_is_named() {
        local god calm
        bed_wait 240 is_effectively hungry running
        bed_wait 60 is_effectively calm running
        god=$(bed_show pm2-root MainPID) calm=$(pid_in_status calm)
        bed_run touch /srv/faults/hungry
        bed_wait 240 records_say 'any(.action == "finding.oom" and .subject == "")'
        bed_run touch /srv/faults/ravenous
        bed_wait 240 killed pm2:root/hungry
        bed_run rm /srv/faults/hungry /srv/faults/ravenous
        killed_is pm2:root/hungry '.details.by == "kernel" and .details.comm == "python3" and
                .details.cgroup == "/system.slice/pm2-root.service" and .details.held_bytes > 100000000'
        bed_wait 30 agent_says hungry '.last.ending == "oom"'
        incidents_say 'any(.incidents[]; .cause == "oom" and .agent == "pm2:root/hungry" and (.evidence | tostring | contains("the machine had none left")))'
        # the machine was told to come to its end before
        records_say '(map(select(.action == "fact.oom" and .subject == "pm2:root/hungry"))[0].seq) as $k |
                any(.action == "finding.oom" and .subject == "" and .seq < $k and (.details.reason | startswith("somebody is about to be killed")))'
        # OOMPolicy=continue: one app's end is not everybody's
        [ "$(bed_show pm2-root MainPID)" = "$god" ] || bed_fail "PM2's daemon is another one"
        bed_is active bed_show pm2-root ActiveState
        bed_wait 30 is_effectively hungry running
        [ "$(pid_in_status calm)" = "$calm" ] || bed_fail "the other app is another one"
}

# While it does not look, the kernel kills and then says so much else that it is pushed out of the log.
what_the_log_lost_the_counters_tell() {
        local governor
        governor=$(bed_show governor MainPID)
        bed_run sysctl -q -w kernel.printk_devkmsg=on
        bed_run kill -STOP "$governor"
        bed_run sh -c 'touch /srv/faults/agent-z
                for i in $(seq 200); do
                        grep -q "^oom_kill 1" /sys/fs/cgroup/system.slice/agent-z.service/memory.events && break
                        sleep 0.1
                done
                python3 -c "
import os
to = os.open(\"/dev/kmsg\", os.O_WRONLY)
for i in range(4000):
    os.write(to, b\"<6>nothing but noise, and much of it, so that what was said before is gone\")
"'
        bed_run kill -CONT "$governor"
        bed_wait 60 records_say 'any(.action == "fact.source" and .details.name == "oom" and .details.state == "blind" and
                (.details.why | contains("overran")))'
        bed_wait 60 killed systemd:agent-z.service
        killed_is systemd:agent-z.service '.details.by == "limit" and .details.limit_bytes == (16 * 1048576)'
        records_say '[.[] | select(.action == "fact.source" and .details.name == "oom")][-1].details.state == "seeing"'
}

# It kills a whole cgroup for what others suffer, and the kernel counts no kill.
systemd_oomd_is_named() {
        bed_write /etc/systemd/oomd.conf.d/fast.conf <<<$'[OOM]\nDefaultMemoryPressureDurationSec=1s'
        bed_write /etc/systemd/system/tight.slice <<<$'[Slice]\nManagedOOMMemoryPressure=kill\nManagedOOMMemoryPressureLimit=1%'
        # Without swap there is nothing to take back from it, and oomd looks for who is taken back from.
        bed_write /srv/touch.py <<'PY'
kept = bytearray(48 << 20)
while True:
    for at in range(0, len(kept), 4096):
        kept[at] = 1
PY
        bed_service agent-o 'ExecStart=/usr/bin/python3 /srv/touch.py' MemoryHigh=24M Slice=tight.slice
        bed_run sh -c 'fallocate -l 128M /swap && chmod 0600 /swap && mkswap -q /swap && swapon /swap'
        bed_run systemctl start systemd-oomd agent-o
        bed_wait 180 killed systemd:agent-o.service
        killed_is systemd:agent-o.service '.details.by == "systemd-oomd" and .details.cgroup == "/tight.slice/agent-o.service"'
        incidents_say 'any(.incidents[]; .cause == "oom" and .agent == "systemd:agent-o.service")'
}

# What one told is not told again by another.
nobody_is_told_twice() {
        records_say '[.[] | select(.action == "fact.oom" and .details.what == "killed" and .subject == "")] == []'
        records_say '[.[] | select(.action == "fact.oom" and .details.pid > 0) | .details.pid] | length == (unique | length)'
}

bed_boot one 384M
must agents_of_all_kinds
bed_story a_leak_is_told_before_the_kernel_acts_and_then_named
bed_story an_app_that_the_machine_had_no_room_for_is_named
bed_story what_the_log_lost_the_counters_tell
bed_story systemd_oomd_is_named
bed_story nobody_is_told_twice
bed_story the_log_verifies
bed_story the_decisions_follow
