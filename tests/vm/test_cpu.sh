#!/bin/bash
# An agent that never rests is held to its quota by the kernel itself, wants more all the time, and is let go when it rests.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/../live/governed.sh"

cgroup=/sys/fs/cgroup/system.slice/spinner.service
quota=/run/systemd/system/spinner.service.d/70-governor-quota.conf

of_the_kernel() { bed_run cat "$cgroup/cpu.max" </dev/null; }
kernel_has() { [ "$(of_the_kernel)" = "$1" ]; }
# Where nothing in the slice has a quota, there is no such file.
no_quota() { [ "$(of_the_kernel 2>/dev/null || echo max 100000)" = 'max 100000' ]; }
throttled() { bed_run awk '$1 == "nr_throttled" { print $2 }' $cgroup/cpu.stat </dev/null; }

a_busy_agent_is_governed() {
        bed_run touch /run/spin
        bed_service spinner 'ExecStart=/bin/sh -c "while :; do [ -e /run/spin ] || sleep 1; done"'
        bed_service idler 'ExecStart=/bin/sleep inf'
        bed_run systemctl start spinner idler
        govern enforce <<'POLICY'
classes: { calm: { memory: { of: cgroup }, cpu: { above: 40%, for: 20s, quota: 20% } } }
agents: [ { name: units, systemd: "*er", class: calm } ]
POLICY
        bed_wait 60 is_effectively spinner running
}

# used_percent: of one CPU, between two moments that lie 50 throttled periods apart.
moment() { bed_run sh -c "awk '\$1 == \"usage_usec\" { print \$2 }' $cgroup/cpu.stat; awk '{ print int(\$1 * 1000000) }' /proc/uptime" </dev/null | tr '\n' ' '; }
used_percent() {
        local from=$(($(throttled) + 50)) before after
        read -ra before <<<"$(moment)"
        bed_wait 60 '[ "$(throttled)" -ge '$from' ]'
        read -ra after <<<"$(moment)"
        echo $(((after[0] - before[0]) * 100 / (after[1] - before[1])))
}

it_is_held_to_its_quota() {
        local percent
        bed_wait 240 kernel_has '20000 100000'
        bed_is 200ms bed_show spinner CPUQuotaPerSecUSec
        percent=$(used_percent)
        [ "$percent" -le 30 ] || bed_fail "it used $percent% of one CPU"
        bed_wait 60 agent_says spinner '.cpu.of == "cgroup" and .cpu.held_percent == 20'
        agent_says idler '.cpu.held_percent == 0 and .incident == null'
}

# Well below its limit because of the quota, it is not over because of it.
it_still_wants_more() {
        bed_wait 240 agent_says spinner '.cpu.mean_permille < 300'
        agent_says spinner '.cpu.held_percent == 20 and .incident != null'
        records_say '[.[] | select(.action == "agent.unlimit")] | length == 0'
}

# What the footprint lists and nobody knows of is taken back when all is quiet: a quota that is held is known.
another_governor_holds_it_too() {
        local of=/run/systemd/system/idler.service.d/70-governor-quota.conf
        bed_run systemctl stop governor
        bed_run mkdir -p "${of%/*}"
        bed_run sed 's/spinner/idler/g' "$quota" | bed_write "$of"
        bed_run sh -c "echo 'limits systemd:idler.service $of' >>/var/lib/governor/footprint"
        bed_run systemctl start governor
        bed_wait 60 governor_answers
        bed_wait 120 bed_run test ! -e "$of"
        kernel_has '20000 100000'
        bed_wait 60 agent_says spinner '.cpu.held_percent == 20'
        records_say '[.[] | select(.action == "agent.unlimit" and .subject == "systemd:spinner.service")] | length == 0'
}

it_is_let_go_when_it_rests() {
        bed_run rm /run/spin
        bed_wait 240 no_quota
        bed_is infinity bed_show spinner CPUQuotaPerSecUSec
        bed_wait 60 agent_says spinner '.cpu.held_percent == 0 and .incident == null'
        bed_run test ! -e "$quota"
}

bed_boot one
must a_busy_agent_is_governed
must it_is_held_to_its_quota
bed_story it_still_wants_more
bed_story another_governor_holds_it_too
bed_story it_is_let_go_when_it_rests
bed_story the_log_verifies
bed_story the_decisions_follow
