#!/bin/bash
# How fast the audit chain is, beside what bounds it and beside journald, on one machine in the same minutes. Prints a
# section of RESULTS.md; run.sh calls it.
#
# A log of a million records is verified on one core and on two, with libsodium's SHA-256 and with the CPU's own; the same bytes
# are hashed and nothing else; journald writes as many lines, sealed, and verifies them. Then records are appended in turn by
# Governor and by SQLite alone, and the syncs of a sealed commit are counted. BENCH_RECORDS=1000000, BENCH_REPEATS=3.
# shellcheck source=tests/live/bed.sh
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../live/bed.sh"
records=${BENCH_RECORDS:-1000000}
repeats=${BENCH_REPEATS:-3}
tools=$BED_BUILD/bench
command="make bench BENCH=evidence"
[ "$records" = 1000000 ] || command="BENCH_RECORDS=$records $command"
[ "$repeats" = 3 ] || command="BENCH_REPEATS=$repeats $command"

say() { echo "bench: $*" >&2; }
# measure WAY ARGUMENT...: adds what it measured to the list, with the way's name.
measure() {
        local way=$1
        shift
        "$@" | jq -c --arg way "$way" '. + { way: $way }' >>"$measured"
}

compile() {
        mkdir -p "$tools"
        # shellcheck disable=SC2046 # flags
        set -- -std=gnu17 -O2 -D_GNU_SOURCE "-I$BED_TREE" $(pkg-config --cflags --libs sqlite3 libsodium jansson)
        cc -o "$tools/audit" "$here/audit.c" "$BED_BUILD/libgovaudit.a" "$@" &&
                cc -DBENCH_PORTABLE_SHA256 -o "$tools/audit-libsodium" "$here/audit.c" "$BED_TREE"/audit/*.c "$@"
}

# ---- verify ------------------------------------------------------------------------------------------------------------

verify_million() {
        local i
        say "$records records in groups of 256, sealed"
        measure load "$tools/audit" write "$work/million" "$records" 256
        for ((i = 0; i < repeats; i++)); do
                say "verify, round $((i + 1)) of $repeats"
                measure hash-libsodium "$tools/audit-libsodium" hash "$work/million"
                measure hash "$tools/audit" hash "$work/million"
                measure verify-libsodium "$tools/audit-libsodium" verify "$work/million" 1
                measure verify-1 "$tools/audit" verify "$work/million" 1
                measure verify-2 "$tools/audit" verify "$work/million" 2
        done
        rm -rf "$work/million"
}

# A journald of its own; its files are on the same disk.
journal_million() {
        local key i
        say "$records journal lines, sealed every 10 s"
        bed_boot journal "--bind=$(bed_keep journal):/var/log/journal"
        bed_write /etc/systemd/journald.conf.d/bench.conf <<-'CONF'
		[Journal]
		Storage=persistent
		RateLimitIntervalSec=0
		SystemMaxUse=16G
		SystemKeepFree=0
		SystemMaxFiles=10000
	CONF
        bed_run systemctl restart systemd-journald
        bed_run journalctl --flush
        key=$(bed_run journalctl --setup-keys --force --interval=10s 2>/dev/null)
        bed_run systemctl restart systemd-journald
        measure journal-write bed_run /opt/gov/bench/audit lines "$records"
        bed_run journalctl --sync
        for ((i = 0; i < repeats; i++)); do
                say "journalctl --verify, round $((i + 1)) of $repeats"
                TIMEFORMAT='{ "seconds": %R, "user": %U, "system": %S }'
                { time bed_run journalctl --quiet --verify --verify-key="$key" >/dev/null 2>"$work/said"; } 2>"$work/time" ||
                        bed_fail "the journal does not verify: $(tail -n 1 "$work/said")"
                measure journal-verify jq --argjson records "$records" \
                        '. + { records: $records, per_second: ($records / .seconds), cpu_seconds: (.user + .system) }' "$work/time"
        done
        bed_stop
}

# ---- append ------------------------------------------------------------------------------------------------------------

append_in_turn() { # GROUP COMMITS-A-ROUND
        local rounds=10
        say "commits of $1, $rounds rounds of $2, by three in turn"
        # in memory, because only its rows are wanted
        "$tools/audit" write "$rows/$1" $(((rounds * $2 + 1) * $1)) "$1" >/dev/null
        measure "append-$1" "$tools/audit" append "$work/append-$1" "$rows/$1" "$1" "$rounds"
        rm -rf "$work/append-$1" "${rows:?}/$1"
}

# By the difference of two runs, so that neither start nor end is in it.
count_syncs() {
        local n
        for n in 100 200; do
                strace -f -qq -e trace=fsync,fdatasync,sync_file_range,msync -o "$work/strace" \
                        "$tools/audit" write "$work/syncs-$n" $((n * $1)) "$1" >/dev/null
                wc -l <"$work/strace"
                rm -rf "$work/syncs-$n"
        done | { read -r few; read -r many; echo $(((many - few) / 100)); }
}

# ---- the tables --------------------------------------------------------------------------------------------------------

# best WAY [WHAT]: of all rounds
best() {
        jq -s -r --arg way "$1" --arg what "${2:-}" '[.[] | select(.way == $way and ($what == "" or .what == $what))] |
                max_by(.per_second) | .per_second | round | tostring | [while(length > 0; .[:-3]) | .[-3:]] | reverse | join(",")' "$measured"
}
# CPU seconds for a million, reading included
cpu() { jq -s -r --arg way "$1" '[.[] | select(.way == $way) | .cpu_seconds / .records] | min * 1e8 | round / 100' "$measured"; }
rss() { jq -s -r --arg way "$1" '[.[] | select(.way == $way) | .max_rss_kb] | max / 1024 * 10 | round / 10' "$measured"; }
row() { echo "| $1 | $(best "$2") | ${3:-} | ${4:-} |"; }
full_row() { row "$1" "$2" "$(cpu "$2") s" "$(rss "$2") MB"; }

table() {
        echo "# What evidence costs"
        echo
        echo "Made by \`$command\` on $(date -u +%F), commit $(git -C "$BED_TREE" describe --always --dirty 2>/dev/null || echo unknown):"
        echo "$(nproc) CPUs, $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)$(grep -q -w sha_ni /proc/cpuinfo && echo " with SHA instructions"),"
        echo "Linux $(uname -r), $(df --output=fstype "$work" | tail -n 1), SQLite $(sqlite3 --version | cut -d' ' -f1), journald 252. One run; the best of $repeats rounds that took turns."
        echo
        echo "Verify all of a log of $records records of 317 bytes, sealed every 256: quick_check, canonical bytes, hashes, tree, two"
        echo "signatures a seal."
        echo
        echo "| | records a second | CPU a million | most memory |"
        echo "|---|---:|---:|---:|"
        full_row "verify, one core, libsodium's SHA-256" verify-libsodium
        full_row "verify, one core" verify-1
        full_row "verify, two cores" verify-2
        row "just hashing the same bytes, one core, libsodium" hash-libsodium
        row "just hashing the same bytes, one core" hash
        row "\`journalctl --verify --verify-key\` of as many lines" journal-verify "$(cpu journal-verify) s"
        echo
        echo "Append, sealed, beside SQLite by itself with the same rows, schema and pragmas in the same transactions; with three syncs"
        echo "it also writes and syncs 512 bytes before and after each commit, as a seal does. Best of 10 rounds that took turns."
        echo
        echo "| records a second | one a commit | 64 a commit |"
        echo "|---|---:|---:|"
        echo "| every commit sealed | $(best append-1 sealed) | $(best append-64 sealed) |"
        echo "| SQLite, with three syncs | $(best append-1 "sqlite, three syncs") | $(best append-64 "sqlite, three syncs") |"
        echo "| SQLite, its one sync | $(best append-1 "sqlite, one sync") | $(best append-64 "sqlite, one sync") |"
        echo "| syncs of a sealed commit, counted by strace | $syncs_1 | $syncs_64 |"
        echo
        echo "They were written at $(best load) records a second; by journald at $(best journal-write) lines a second."
}

compile || exit
work=$BED_DIR/evidence
rows=$(mktemp -d /dev/shm/governor-bench.XXXXXX)
measured=$work/measured
mkdir "$work"
verify_million
append_in_turn 1 200
append_in_turn 64 50
syncs_1=$(count_syncs 1)
syncs_64=$(count_syncs 64)
journal_million
rm -rf "$rows"
table
