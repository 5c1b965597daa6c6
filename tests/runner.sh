#!/bin/bash
# Runs the test programs of one tier, several at a time (JOBS=N), prints one line a test in their order and counts.
#
#   tests/runner.sh TIER PROGRAM...
#
# A program says what happened in TAP (cmocka does) or as a live test does:
#   ok NAME | not ok NAME: why | skip NAME: why
# Everything else it prints is kept and shown only when the program failed. A program that says nothing is one test,
# judged by its exit status. The last line is `N passed, N failed`; with TALLY=FILE the counts are added to that file.
# The slowest programs are named above it; with TIMES=FILE each one's seconds are added to that file. With FAILED=FILE what
# failed is added to that file, with the lines in which it said why.
# As root on Debian 12, where everything can be had, a skipped test counts as failed.
set -u

tier=$1
shift
export B=${B:-build} CMOCKA_MESSAGE_OUTPUT=TAP
limit=${TEST_SECONDS:-600}
passed=0 failed=0 skipped=0
pids=()
cores=$(nproc)
case $tier in
live) jobs=${JOBS:-$((2 * cores))} ;; # they mostly wait
vm | matrix) jobs=${JOBS:-1} ;;       # each wants a machine to itself
*) jobs=${JOBS:-$cores} ;;
esac

# Tiers that one make runs side by side take turns, so that each one's lines stay together.
mkdir -p "$B"
exec 8>"$B/runner.lock"
flock 8

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# timeout(1) puts each program into a group of its own, which Ctrl-C does not reach
trap 'kill "${pids[@]}" 2>/dev/null; exit 130' INT TERM

must_not_skip() {
        [ "$(id -u)" = 0 ] && grep -q '^VERSION_ID="12"' /etc/os-release && grep -q '^ID=debian' /etc/os-release
}

say() { printf '%-7s %s\n' "$1" "$2"; }

# A fuzzer reads its seeds and what earlier runs found, and leaves an input that breaks it in $B/found/.
fuzz_one() {
        local noun seeds=()
        noun=$(basename "$1")
        noun=${noun#fuzz_}
        [ ! -d "tests/fuzz/corpus/$noun" ] || seeds=("tests/fuzz/corpus/$noun")
        mkdir -p "$B/corpus/$noun" "$B/found"
        exec "$1" -max_total_time="${FUZZ_SECONDS:-10}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
                -artifact_prefix="$B/found/$noun-" "$B/corpus/$noun" "${seeds[@]}"
}

run_one() {
        [ "$tier" != fuzz ] || fuzz_one "$1"
        exec timeout --kill-after=10 "$limit" "$1"
}

# start INDEX PROGRAM: in the background; ends with the program's own status, and leaves how long it took
start() {
        (
                began=${EPOCHREALTIME/[.,]/} rc=0
                run_one "$2" &
                program=$!
                trap 'kill "$program"; exit 143' TERM
                wait "$program" || rc=$?
                echo "$(((${EPOCHREALTIME/[.,]/} - began) / 100000)) $tier/$(basename "$2")" >>"$work/times"
                exit $rc
        ) >"$work/$1" 2>&1 </dev/null 8>&- &
        pids[$1]=$!
}

# slowest N FILE: "12.3 s unit/test_x, 4.5 s unit/test_y", of those that took a second or more.
slowest() {
        sort -rn "$2" | awk -v n="$1" '$1 >= 10 && NR <= n { printf "%s%.1f s %s", (NR > 1 ? ", " : ""), $1 / 10, $2 }'
}

judge_program() {
        local log=$1 rc=$2 program=$3 name said=0 planned=0 broken=0 line text
        name=$tier/$(basename "$program")

        while IFS= read -r line; do
                # cmocka writes "ok 1 - name", "not ok 1 - name" and "not ok 1 # SKIP name"
                if [[ $line =~ ^(not\ )?ok\ ([0-9]+\ )?#\ [Ss][Kk][Ii][Pp]\ *(.*)$ ]]; then
                        text=${BASH_REMATCH[3]} line=skip
                elif [[ $line =~ ^ok\ ([0-9]+\ )?(-\ )?(.*)$ ]]; then
                        text=${BASH_REMATCH[3]} line=ok
                elif [[ $line =~ ^not\ ok\ ([0-9]+\ )?(-\ )?(.*)$ ]]; then
                        text=${BASH_REMATCH[3]} line=failed
                elif [[ $line =~ ^skip\ (.*)$ ]]; then
                        text=${BASH_REMATCH[1]} line=skip
                else
                        [[ ! $line =~ ^1\.\.([0-9]+)$ ]] || planned=$((planned + BASH_REMATCH[1]))
                        continue
                fi
                said=$((said + 1))
                case $line in
                ok) passed=$((passed + 1)) ;;
                failed) failed=$((failed + 1)) broken=1 ;;
                skip)
                        skipped=$((skipped + 1))
                        if must_not_skip; then
                                failed=$((failed + 1)) broken=1
                        fi
                        ;;
                esac
                say "$line" "$name: $text"
        done <"$log"

        if [ "$rc" != 0 ] && [ $broken = 0 ]; then
                failed=$((failed + 1)) broken=1
                if [ "$rc" = 124 ] || [ "$rc" = 137 ]; then
                        say failed "$name: not done after $limit s"
                else
                        say failed "$name: ended with status $rc"
                fi
        elif [ $broken = 0 ] && [ $said -lt $planned ]; then
                failed=$((failed + 1)) broken=1
                say failed "$name: ended after $said of $planned tests"
        elif [ $said = 0 ] && [ "$rc" = 0 ]; then
                passed=$((passed + 1))
                say ok "$name"
        fi
        [ $broken = 0 ] || tail -n 60 "$log" | sed 's/^/        | /'
        [ $broken = 0 ] || [ -z "${FAILED:-}" ] || why "$name" "$log" >>"$FAILED"
}

# The stories that failed, each with the last lines before it; of a program that told none, its last lines.
why() {
        say failed "$1"
        { grep -B 4 -E '^(not ok|skip)' "$2" || tail -n 5 "$2"; } | tail -n 12 | cut -c -300 | sed 's/^/        | /'
}

# take INDEX PROGRAM: of a program that ended
take() {
        if [[ $tier == live || $tier == vm ]] && [ "${ended[$1]}" != 0 ]; then
                say again "$tier/$(basename "$2"): failed; once more, alone"
                tail -n 60 "$work/$1" | sed 's/^/        | /'
                again+=("$1")
                return
        fi
        judge_program "$work/$1" "${ended[$1]}" "$2"
}

# As many at a time as there may be; what they said is shown in their order.
started=0 shown=0 again=() ended=()
declare -A running=()
while [ $shown -lt $# ]; do
        while [ $started -lt $# ] && [ ${#running[@]} -lt "$jobs" ]; do
                start $started "${@:started+1:1}"
                running[${pids[started]}]=$started
                started=$((started + 1))
        done
        rc=0
        wait -n -p pid "${!running[@]}" || rc=$?
        ended[${running[$pid]}]=$rc
        unset "running[$pid]"
        while [ -n "${ended[shown]:-}" ]; do
                take $shown "${@:shown+1:1}"
                shown=$((shown + 1))
        done
done

# These measure times. On two processors one test may be another's load, and an emulated machine has its slow minutes: what
# failed so is judged by itself.
for i in ${again[@]+"${again[@]}"}; do
        rc=0
        start "$i" "${@:i+1:1}"
        wait "${pids[i]}" || rc=$?
        judge_program "$work/$i" $rc "${@:i+1:1}"
done

touch "$work/times"
slow=$(slowest 5 "$work/times")
[ -z "$slow" ] || echo "slowest: $slow"
[ -z "${TIMES:-}" ] || cat "$work/times" >>"$TIMES"
[ $skipped = 0 ] || echo "$skipped skipped"
[ -z "${TALLY:-}" ] || echo "$tier $passed $failed" >>"$TALLY"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
