#!/bin/bash
# `make run`: governs this machine in the foreground, in observe mode, discovering what is there. Touches nothing
# outside of $B/run, beside an installed Governor too. Ends on SIGINT, SIGTERM, or by itself after FOR (20s, 5m).
set -eu
cd "$(dirname "$0")/.."
build=${B:-build}
run=$build/run
socket=$run/runtime/governor.sock

mkdir -p "$run/policies.d"
chmod 0700 "$run"
echo 'mode: observe' >"$run/governor.yaml"
rm -f "$socket"

# The one place that says how it is started.
"$build/bin/governord" --observe --config "$run/governor.yaml" --policies "$run/policies.d" \
        --state "$run/state" --runtime "$run/runtime" &
daemon=$!
timer=
if [ -n "${FOR:-}" ]; then
        sleep "$FOR" &
        timer=$!
fi

# TERM and not INT: a shell starts its background programs with INT ignored.
stop() { kill -TERM "$daemon" 2>/dev/null || :; }
trap stop INT TERM HUP

# wait returns early for each signal that we pass on
wait_for_daemon() {
        local status=0
        while kill -0 "$daemon" 2>/dev/null; do
                status=0
                wait "$daemon" || status=$?
        done
        return $status
}

for ((i = 0; i < 100; i++)); do
        if [ -S "$socket" ] || ! kill -0 "$daemon" 2>/dev/null; then
                break
        fi
        sleep 0.1
done
if [ -S "$socket" ]; then
        # 3 is a finding, and news rather than a failure
        "$build/bin/govctl" --socket "$socket" status || [ $? = 3 ] || echo "make run: govctl status failed" >&2
        echo "Governing in observe mode. Ask with: $build/bin/govctl --socket $socket ...   Ctrl-C ends it." >&2
fi

if [ -n "$timer" ]; then
        wait -n "$daemon" "$timer" || :
        kill "$timer" 2>/dev/null || :
        stop
fi
wait_for_daemon
