#!/bin/bash
# What guarding files costs, and how fast they are put back, on the file system of /var/tmp. Prints a section of RESULTS.md; run.sh
# calls it. BENCH_ROUNDS=2000, BENCH_SECONDS=5.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(cd "$here/../.." && pwd)
build=$(cd "$tree" && realpath "${B:-build}")
rounds=${BENCH_ROUNDS:-2000}
seconds=${BENCH_SECONDS:-5}
command="make bench BENCH=guard"
[ "$rounds" = 2000 ] || command="BENCH_ROUNDS=$rounds $command"
[ "$seconds" = 5 ] || command="BENCH_SECONDS=$seconds $command"
[ "$(id -u)" = 0 ] || { echo "bench: sealing files needs root" >&2 && exit 1; }

mkdir -p "$build/bench"
# shellcheck disable=SC2046 # flags
cc -std=gnu17 -O2 -D_GNU_SOURCE "-I$tree" "-I$tree/watchdog" -o "$build/bench/guard" "$here/guard.c" "$build/libgovernor.a" \
        $(pkg-config --cflags --libs libsodium)
work=$(mktemp -d /var/tmp/governor-bench.XXXXXX)
trap 'chattr -R -i "$work" 2>/dev/null; rm -rf "$work"' EXIT

# run ARGUMENT...: the tool in a folder of its own.
run() {
        local way=$1 folder
        shift
        echo "bench: guard $way $*" >&2
        folder=$(mktemp -d "$work/XXXX")
        "$build/bench/guard" "$way" "$folder" "$@"
        rm -rf "$folder"
}

restore_row() {
        jq -r '"| \(.bytes) | \(if .immutable then "yes" else "no" end) | \(.p50_us) us | \(.p99_us) us | \(.worst_us) us |"'
}

race_row() {
        jq -r '"| \(if .lifts then "root, `chattr -i` each time" else "anybody, once the flag was off" end) | \(.pause_us / 1000) ms | \(.tries) | \(.restores) | \(.reads) | \(.wrong_percent) % |"'
}

echo "# What guarding files costs"
echo
echo "Made by \`$command\` on $(date -u +%F), commit $(git -C "$tree" describe --always --dirty 2>/dev/null || echo unknown):"
echo "$(nproc) CPUs, $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), Linux $(uname -r), $(df --output=fstype "$work" | tail -n 1)."
echo "Load when it began: $(cut -d' ' -f1 /proc/loadavg). By calls of the rooms themselves; no daemon is in it."
echo
echo "A restore of a file that was overwritten, $rounds times, from the vault, until it was looked at once more. ext4 writes"
echo "a file to the disk before it makes it immutable; the right content stands in the place before that."
echo
echo "| bytes | made immutable | median | 99 % | worst |"
echo "|---:|---|---:|---:|---:|"
for bytes in 4096 1048576; do
        for way in plain immutable; do
                run restore "$bytes" "$rounds" "$way" | restore_row
        done
done
echo
echo "A writer, a reader that reads as fast as it can, and a guard that restores when inotify tells it, 4 KiB, ${seconds} s each:"
echo
echo "| who writes | every | tries | restores | reads | wrong content |"
echo "|---|---:|---:|---:|---:|---:|"
for way in seal lift; do
        for pause in 0 1000 100000; do
                run race 4096 "$pause" "$seconds" "$way" | race_row
        done
done
echo
run sweep 10000 | jq -r '"\(.files) files of 8 KiB: sealed in \(.seal_seconds) s, each safe on the disk; the manifest takes \(.memory_bytes) bytes of memory,\nas a text \(.text_bytes). To look at all of them by stat(2): \(.stat_ms) ms; at everything, the content past the cache: \(.all_ms) ms."'
