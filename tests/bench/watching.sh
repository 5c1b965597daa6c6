#!/bin/bash
# What watching costs, beside its peers on the same machine in the same minutes, and how fast Governor is. Prints a section
# of RESULTS.md; run.sh calls it.
#
# In a container with real systemd and PM2: 28 PM2 apps watched by Governor, by monit and by `pm2 jlist` every 5 s, all at
# once; then 28, 280 and 1,000 services watched by Governor; then 20 services are killed and the way from death to record
# and to stop is timed. BENCH_SECONDS=60 is how long each look is.
# shellcheck source=tests/live/governed.sh
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../live/governed.sh"
seconds=${BENCH_SECONDS:-60}
tools=$BED_BUILD/bench

compile() {
        mkdir -p "$tools"
        # shellcheck disable=SC2046 # flags
        cc -O2 -o "$tools/cost" "$here/cost.c" && cc -O2 -o "$tools/latency" "$here/latency.c" $(pkg-config --cflags --libs libsystemd jansson)
}

say() { echo "bench: $*" >&2; }
governor_pid() { bed_show governor MainPID; }
sees() { status_says "[.agents[] | select(.effective == \"running\")] | length == $1"; }

# Under another policy, and at rest: what it read at its start is over.
watches() {
        policy_now "$1"
        bed_run systemctl restart governor
        bed_wait 60 sees "$2" || bed_fail "Governor sees $(bed_run govctl status --json | jq '.agents | length') agents, not $2"
        sleep 10
}
policy_now() {
        bed_write /etc/governor/policies.d/10-test.yaml <<POLICY
mode: enforce
machine: { actions: { at_most: 60, within: 10m } }
agents:
  - { name: bench, $1, restarts: [ { more_than: 1, within: 60s } ], heal: { ladder: [quarantine] } }
POLICY
}

# ---- 28 PM2 apps, three watchers ---------------------------------------------------------------------------------------

start_apps() {
        local i
        {
                echo 'module.exports = { apps: ['
                for ((i = 1; i <= 28; i++)); do echo "{ name: 'app-$i', script: '/srv/agents/agent.js' },"; done
                echo '] };'
        } | bed_write /srv/agents/apps.config.js
        app_pm2 start /srv/agents/apps.config.js >/dev/null
}

start_monit() {
        {
                echo 'set daemon 5'
                echo 'set pidfile /run/monit.pid'
                echo 'set idfile /srv/monit.id'
                echo 'set statefile /srv/monit.state'
                bed_run sh -c 'ls /root/.pm2/pids/*.pid' | while read -r file; do
                        echo "check process $(basename "$file" .pid) with pidfile $file"
                        echo '  if cpu > 90% for 5 cycles then alert'
                        echo '  if memory > 200 MB for 5 cycles then alert'
                        echo '  if 3 restarts within 5 cycles then alert'
                done
        } | bed_write /srv/monitrc
        bed_run chmod 0600 /srv/monitrc
        bed_run systemd-run -q --unit=monit-bench monit -I -c /srv/monitrc
}

beside_peers() {
        say "28 PM2 apps: Governor, monit and pm2 jlist side by side, $seconds s"
        start_apps
        start_monit
        watches 'pm2: "*"' 28
        bed_run /opt/gov/bench/cost "$seconds" jlist every 5 \
                env HOME=/root PM2_HOME=/root/.pm2 node /opt/pm2-7.0.4/node_modules/pm2/bin/pm2 jlist >>"$tools/costs" &
        bed_run /opt/gov/bench/cost "$seconds" governor-pm2-28 "$(governor_pid)" monit-28 "$(bed_show monit-bench MainPID)" >>"$tools/costs"
        wait $!
        bed_run systemctl stop monit-bench
        app_pm2 kill >/dev/null
}

# ---- services, more and more of them -----------------------------------------------------------------------------------

watch_services() {
        say "$1 services: Governor, $seconds s"
        bed_run sh -c "systemctl start --no-block \$(seq -f 'bench@%g.service' $1)"
        bed_wait 120 '[ "$(bed_run systemctl list-units --no-legend --state=running "bench@*" | wc -l)" = '"$1"' ]'
        watches 'systemd: "bench@*.service"' "$1"
        bed_run /opt/gov/bench/cost "$seconds" "governor-systemd-$1" "$(governor_pid)" >>"$tools/costs"
}

time_deaths() {
        say "from death to record and to stop, 20 times"
        # each of them dies twice: the second death breaks its rule
        bed_run sh -c 'for i in $(seq 1 20); do systemctl kill -s KILL bench@$i; done'
        bed_wait 30 sees 280
        sleep 12
        # shellcheck disable=SC2046 # units
        bed_run /opt/gov/bench/latency /run/governor/governor.sock $(seq -f 'bench@%g.service' 1 20) >"$tools/latencies"
}

# ---- the table ----------------------------------------------------------------------------------------------------------

cost_row() { # LABEL NAME MEMORY-WORD
        jq -s -r --arg who "$1" --arg name "$2" --arg of "$3" '.[] | select(.name == $name) |
                "| \($who) | \(.cpu_ms_per_minute) ms | \(.pss_kb / 1024 * 100 | round / 100) MB \($of) | \(.wakeups_per_minute | round) |"' "$tools/costs"
}

latency_row() { # LABEL MEMBER
        jq -s -r --arg who "$1" --arg member "$2" 'map(.[$member]) | (map(select(. < 0)) | length) as $missed | map(select(. >= 0)) | sort |
                "| \($who) | \(.[length / 2 | floor]) ms | \(.[length * 0.95 | floor] // .[-1]) ms | \(.[-1]) ms | \(length) of \(length + $missed) |"' "$tools/latencies"
}

table() {
        echo "# What Governor costs"
        echo
        echo "Made by \`make bench\` on $(date -u +%F), commit $(git -C "$BED_TREE" describe --always --dirty 2>/dev/null || echo unknown):"
        echo "$(nproc) CPUs, $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), Linux $(uname -r), systemd 252 and PM2 7.0.4 in a container."
        echo "Each row was looked at for $seconds s; the first three rows in the same $seconds s, on the same 28 apps."
        echo
        echo "| who watches what | CPU a minute | memory | wakeups a minute |"
        echo "|---|---:|---:|---:|"
        cost_row "Governor, 28 PM2 apps" governor-pm2-28 PSS
        cost_row "monit 5.33, their 28 pid files, every 5 s" monit-28 PSS
        cost_row "\`pm2 jlist\` every 5 s" jlist "peak RSS"
        cost_row "Governor, 28 services" governor-systemd-28 PSS
        cost_row "Governor, 280 services" governor-systemd-280 PSS
        cost_row "Governor, 1,000 services" governor-systemd-1000 PSS
        echo
        echo "A service is killed with SIGKILL, 280 of them watched; from right before the kill:"
        echo
        echo "| until | median | 95 % | worst | seen |"
        echo "|---|---:|---:|---:|---:|"
        latency_row "its death is on the disk and told" record_ms
        latency_row "systemd announces the job that stops it" stop_ms
        echo
        echo "CPU is the sum over \`/proc/PID/task/*/schedstat\`, PSS from \`smaps_rollup\`, wakeups are voluntary context switches."
}

compile || exit
rm -f "$tools/costs"
bed_boot one
house
bed_write /etc/systemd/system/bench@.service <<<$'[Service]\nExecStart=/bin/sleep inf\nRestart=always\nRestartSec=5'
bed_run systemctl daemon-reload
govern observe <<<'agents: [ { name: bench, pm2: "*" } ]' 2>/dev/null
bed_write /etc/governor/governor.yaml <<<'daemon: { agents_max: 2048 }'
bed_run systemctl restart governor
beside_peers
watch_services 28
watch_services 280
time_deaths
watch_services 1000
table
exec >&2 # what the bed says when it ends is no part of the section
