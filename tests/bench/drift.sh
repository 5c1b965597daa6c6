#!/bin/bash
# What it costs to know that nothing changed: agents with ten declared files each, more and more of them, beside monit that
# checks the same files; how soon an edit is found; and what a year of history takes. Prints a section of RESULTS.md; run.sh
# calls it. BENCH_SECONDS=60 is how long each look is, BENCH_DAYS=365 the year.
# shellcheck source=tests/live/governed.sh
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../live/governed.sh"
seconds=${BENCH_SECONDS:-60}
tools=$BED_BUILD/bench
days=${BENCH_DAYS:-365}
edits=20
command="make bench BENCH=drift"
[ "$days" = 365 ] || command="BENCH_DAYS=$days $command"
[ "$seconds" = 60 ] || command="BENCH_SECONDS=$seconds $command"

say() { echo "bench: $*" >&2; }
governor_pid() { bed_show governor MainPID; }
sees() { status_says "[.agents[] | select(.effective == \"running\")] | length == $1"; }
has_sealed() { [ "$(bed_run grep -c '^f [0-9a-f]' /var/lib/governor/config.manifest)" = "$1" ]; }

compile() {
        mkdir -p "$tools"
        # shellcheck disable=SC2046,SC2086 # flags
        cc -O2 -o "$tools/cost" "$here/cost.c" &&
                cc -std=gnu17 -O2 -D_GNU_SOURCE "-I$BED_TREE" "-I$BED_TREE/watchdog" -o "$tools/history" "$here/history.c" \
                        -Wl,--start-group "$BED_BUILD"/lib*.a -Wl,--end-group $(pkg-config --cflags --libs $libraries)
}
libraries='libsystemd sqlite3 libsodium jansson yaml-0.1'

# ---- agents and their files ----------------------------------------------------------------------------------------------

make_files() {
        bed_run sh -c 'for i in $(seq 1000); do mkdir -p /srv/conf/$i; for j in $(seq 10); do
                { echo "$i $j"; seq 800; } | head -c 3000 >/srv/conf/$i/$j.yaml; done; done'
}

start_services() {
        bed_run sh -c "systemctl start --no-block \$(seq -f 'bench@%g.service' $1)"
        bed_wait 180 '[ "$(bed_run systemctl list-units --no-legend --state=running "bench@*" | wc -l)" = '"$1"' ]'
}

# A rule for each agent, with its own files or without; then as it is at rest.
watches() { # N PATTERN
        {
                echo 'mode: observe'
                echo 'agents:'
                seq 1 "$1" | sed 's|.*|  - { name: bench-&, systemd: "bench@&.service"'"${2:+, config: [ \"$2\" ]}"' }|'
        } | bed_write /etc/governor/policies.d/10-test.yaml
        bed_run systemctl restart governor
        bed_wait 60 sees "$1" || bed_fail "Governor sees $(bed_run govctl status --json | jq '.agents | length') agents, not $1"
        [ -z "${2:-}" ] || bed_wait 60 has_sealed $((10 * $1))
        sleep 10
        cpu_of_start=$(bed_run sh -c "cat /proc/$(governor_pid)/task/*/schedstat" | awk '{ ns += $1 } END { printf "%.0f", ns / 1e6 }')
}

cost_of() { bed_run /opt/gov/bench/cost "$seconds" "$@" >>"$tools/drift-costs"; }

grow() {
        local n
        for n in 10 100 1000; do
                start_services "$n"
                say "$n agents without files, $seconds s"
                watches "$n"
                bare[n]=$cpu_of_start
                cost_of "agents-$n" "$(governor_pid)"
                [ "$n" = 1000 ] && start_monit
                say "$n agents with $((10 * n)) files, $seconds s"
                watches "$n" '/srv/conf/&/**'
                full[n]=$cpu_of_start
                cost_of "files-$n" "$(governor_pid)" monit "$([ "$n" = 1000 ] && bed_show monit-bench MainPID || echo 1)"
        done
}

start_monit() {
        {
                echo 'set daemon 60'
                echo 'set pidfile /run/monit.pid'
                echo 'set idfile /srv/monit.id'
                echo 'set statefile /srv/monit.state'
                for i in {1..1000}; do
                        for j in {1..10}; do
                                echo "check file f-$i-$j with path /srv/conf/$i/$j.yaml"
                                echo '  if changed checksum then alert'
                        done
                done
        } | bed_write /srv/monitrc
        bed_run chmod 0600 /srv/monitrc
        bed_run systemd-run -q --unit=monit-bench monit -I -c /srv/monitrc
}

# What reading and hashing all of them takes at the least, in CPU time.
hash_all() {
        bed_run bash -c 'TIMEFORMAT="%U %S"; cat /srv/conf/*/* >/dev/null; time find /srv/conf -type f -print0 | xargs -0 b2sum -l 256 >/dev/null' 2>&1 |
                awk '{ printf "%.0f", ($1 + $2) * 1000 }'
}

# ---- an edit -------------------------------------------------------------------------------------------------------------

found_at() { records_give 'map(select(.action == "fact.config" and .details.path == $p))[-1].ms // empty' --arg p "$1"; }
is_found() { [ -n "$(found_at "$1")" ]; }

time_edits() {
        local i path at
        for ((i = 1; i <= edits; i++)); do
                path=/srv/conf/$((i * 37))/5.yaml
                at=$(now_ms)
                bed_run sh -c "echo edited >>$path"
                bed_wait 20 is_found "$path" || { echo -1; continue; }
                echo $(($(found_at "$path") - at))
        done | sort -n >"$tools/edits"
}

# ---- the tables ----------------------------------------------------------------------------------------------------------

cost() { # NAME FILTER
        jq -s -r --arg name "$1" "map(select(.name == \$name))[-1] | $2" "$tools/drift-costs"
}
cpu='"\(.cpu_ms_per_minute) ms"'
pss='"\(.pss_kb / 1024 * 100 | round / 100) MB"'

table() {
        local n
        echo "# What drift costs"
        echo
        echo "Made by \`$command\` on $(date -u +%F), commit $(git -C "$BED_TREE" describe --always --dirty 2>/dev/null || echo unknown):"
        echo "$(nproc) CPUs, $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), Linux $(uname -r), systemd 252 in a container."
        echo "Services at rest, a rule for each, with 10 files of 3 kB each or with none; each row was looked at for $seconds s."
        echo
        echo "| agents | files | CPU a minute | memory | CPU of a start |"
        echo "|---:|---:|---:|---:|---:|"
        for n in 10 100 1000; do
                echo "| $n | 0 | $(cost agents-$n "$cpu") | $(cost agents-$n "$pss") | ${bare[n]} ms |"
                echo "| $n | $((10 * n)) | $(cost files-$n "$cpu") | $(cost files-$n "$pss") | ${full[n]} ms |"
        done
        echo
        echo "monit 5.33, \`changed checksum\` of the same 10,000 files every 60 s, in the same minute as the last row:"
        echo "$(cost monit "$cpu") of CPU a minute, $(cost monit "$pss"). \`b2sum\` of them all, once, out of the cache: $hashing ms."
        echo
        echo "An edit of one of the 10,000, $edits times, from right before it until it stands in the log: median" \
                "$(sed -n "$((edits / 2))p" "$tools/edits") ms, worst $(tail -n 1 "$tools/edits") ms, found $(grep -vc '^-1' "$tools/edits") of $edits."
        echo
        echo "History, written in batches of ten minutes as the daemon does, its bound being 64 MB:"
        echo
        echo "| agents | days | samples | \`history.db\` at its largest | at the end | CPU a batch | all of an agent read back |"
        echo "|---:|---:|---:|---:|---:|---:|---:|"
        cat "$tools/years"
}

compile || exit
rm -f "$tools/drift-costs"
say "a year of history"
"$tools/history" 28 "$days" >"$tools/years" && "$tools/history" 1000 $((days > 7 ? 7 : days)) >>"$tools/years" || exit
bed_boot one
house
bed_write /etc/systemd/system/bench@.service <<<$'[Service]\nExecStart=/bin/sleep inf\nRestart=always\nRestartSec=5'
bed_run systemctl daemon-reload
make_files
govern observe <<<'agents: [ { name: bench, systemd: "bench@*.service" } ]' 2>/dev/null
bed_write /etc/governor/governor.yaml <<<'daemon: { agents_max: 2048 }'
declare -a bare full
grow
hashing=$(hash_all)
time_edits
table
exec >&2 # what the bed says when it ends is no part of the section
