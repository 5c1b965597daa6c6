# shellcheck shell=bash
# The container test bed: real systemd, Node and PM2, booted in half a second, gone without a trace.
#
# A live test is tests/live/test_NOUN.sh. It sources this file, boots one or more beds and tells stories:
#
#       #!/bin/bash
#       . "$(dirname "$0")/bed.sh"
#
#       a_killed_service_comes_back() {
#               bed_service agent-x 'ExecStart=sleep inf' 'Restart=always'
#               bed_run systemctl start agent-x
#               bed_kill agent-x
#               bed_wait 5 '[ "$(bed_show agent-x NRestarts)" = 1 ]'
#       }
#
#       bed_boot one
#       bed_story a_killed_service_comes_back
#
# A story is a function named as a sentence. It runs in a subshell with `set -e`: the first command that fails ends it
# and is the reason given, `not ok a_killed_service_comes_back: line 9: bed_wait 5 ...`. Inside `if`, `!`, `&&` and `||`
# bash does not stop for a failure: end such a line with `|| bed_fail "why"`. Wait for conditions with a deadline, never
# sleep. What a story changes in the bed stays for the next one; start with a bed of its own where that matters.
#
# In the bed: the build at /opt/gov (programs in PATH), the source tree at /opt/src, Node 20, PM2 at
# /opt/pm2-VERSION/node_modules. The root file system is an overlay in memory: a reboot or a stop forgets it; give
# bed_boot `--bind=$(bed_keep NAME):/var/lib/governor` for what has to outlive a boot. Everything in the bed dies with
# the test, also with one that is killed. Without root or systemd-nspawn the test says `skip` and ends.

BED_TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BED_CACHE=${TESTBED:-/var/cache/governor-testbed}
BED_BUILD=$(realpath -m "$BED_TREE/${B:-build}")
BED_TEST=$(basename "$0" .sh)
BED_PATH=/opt/gov/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
declare -A BED_NSPAWN=() BED_LEADER=()
BED_NOW='' BED_DIR='' BED_FAILED=0

# ---- booting and ending ------------------------------------------------------------------------------------------------

bed_skip() { echo "skip $BED_TEST: $*"; exit 0; }

bed_prepare() {
        [ "$(id -u)" = 0 ] || bed_skip "containers need root"
        command -v systemd-nspawn >/dev/null || bed_skip "there is no systemd-nspawn; type: make setup"
        [ -e "$BED_CACHE/done/root" ] || bed_skip "there is no container root in $BED_CACHE; type: make setup"
        bed_begin
}

bed_begin() {
        bed_sweep
        BED_DIR=${TMPDIR:-/tmp}/governor-bed.$$
        mkdir "$BED_DIR"
        trap bed_clean EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM HUP
        exec {BED_LOCK}<"$BED_CACHE/lock"
        flock -s "$BED_LOCK"
}

# What tests left behind that were killed too hard to clean up. Their beds died with them.
bed_sweep() {
        local left
        for left in "${TMPDIR:-/tmp}"/governor-bed.*; do
                [ ! -d "$left" ] || kill -0 "${left##*.}" 2>/dev/null || rm -rf --one-file-system "$left"
        done
}

# bed_boot NAME [NSPAWN-OPTION...]: boots a bed and makes it the current one; returns when systemd says it is up.
bed_boot() {
        local name=$1 log version options=() scope=()
        shift
        log=$BED_DIR/$name.console
        for version in "$BED_CACHE"/npm/pm2-*; do
                options+=("--bind-ro=$version/node_modules:/opt/${version##*/}/node_modules")
        done
        [ ! -d "$BED_BUILD" ] || options+=("--bind-ro=$BED_BUILD:/opt/gov")
        # Where systemd is PID 1 the container's systemd needs a part of the cgroup tree that is its own.
        [ ! -d /run/systemd/system ] || scope=(systemd-run --quiet --scope --collect -p Delegate=yes)

        # The bed dies with this shell, however it ends: TERM lets nspawn end the container.
        SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 setsid setpriv --pdeathsig TERM "${scope[@]}" systemd-nspawn --quiet \
                -D "$BED_CACHE/root" --volatile=overlay --boot --register=no --keep-unit --machine="bed-$$-$name" \
                --console=pipe --private-network --link-journal=no \
                --bind-ro="$BED_CACHE/node/node_modules/node/bin/node:/usr/bin/node" --bind-ro="$BED_TREE:/opt/src" \
                "${options[@]}" "$@" </dev/null >"$log" 2>&1 {BED_LOCK}<&- &
        BED_NSPAWN[$name]=$!
        BED_NOW=$name
        bed_wait 30 bed_is_up && return
        tail -n 20 "$log" >&2
        bed_fail "the bed '$name' did not boot"
}

bed_is_up() {
        local leader
        leader=${BED_LEADER[$BED_NOW]:-$(pgrep -P "${BED_NSPAWN[$BED_NOW]}" -x systemd)} || {
                kill -0 "${BED_NSPAWN[$BED_NOW]}" 2>/dev/null || BED_GIVE_UP="nspawn ended by itself"
                return 1
        }
        BED_LEADER[$BED_NOW]=$leader
        bed_run systemctl is-system-running 2>/dev/null | grep -qxE 'running|degraded'
}

# bed_use NAME: which bed the calls below mean.
bed_use() { BED_NOW=$1; }

# bed_keep NAME: a folder of the host that lives as long as the test, to bind where something outlives a boot.
bed_keep() {
        mkdir -p "$BED_DIR/keep/$1"
        echo "$BED_DIR/keep/$1"
}

# bed_stop: a clean power-off. bed_cut: the power cut; nothing in the bed gets to say goodbye.
bed_stop() { bed_end RTMIN+4; }
bed_cut() { bed_end KILL; }

bed_end() {
        local nspawn=${BED_NSPAWN[$BED_NOW]} leader=${BED_LEADER[$BED_NOW]:-}
        if [ -n "$leader" ]; then
                kill -s "$1" "$leader" 2>/dev/null || :
                bed_wait 10 "! kill -0 $nspawn" || :
        fi
        kill -KILL "$nspawn" 2>/dev/null || :
        wait "$nspawn" 2>/dev/null || :
        unset "BED_NSPAWN[$BED_NOW]" "BED_LEADER[$BED_NOW]"
}

bed_clean() {
        local status=$? name
        trap '' INT TERM HUP
        [ $status -gt 128 ] || [ "${BED_REPLAY:-yes}" = no ] || for name in "${!BED_LEADER[@]}"; do
                BED_NOW=$name
                ! kill -0 "${BED_LEADER[$name]}" 2>/dev/null || bed_replay
        done
        for name in "${!BED_NSPAWN[@]}"; do
                BED_NOW=$name
                bed_cut
        done
        rm -rf --one-file-system "$BED_DIR"
        [ $status != 0 ] || [ $BED_FAILED = 0 ] || status=1
        exit $status
}

# ---- every log again ---------------------------------------------------------------------------------------------------

# Before a bed ends, each log that a governord wrote in it is replayed: from its facts the same decisions must follow. Also
# logs that were set aside, or whose daemon was killed. What a test removes it keeps first: `bed_keep_logs`. What it forges
# it names with the reason: `bed_forged PATH WHY`, a pattern of paths in the bed.

bed_forged() { printf '%s\t%s\n' "$1" "$2" >>"$BED_DIR/forged"; }

bed_keep_logs() {
        bed_run sh -c 'mkdir -p /srv/logs && cp -a "${1:-/var/lib/governor}" "$(mktemp -d /srv/logs/XXXXXX)/"' sh "$@"
}

# The logs in the bed, as paths there; of copies that are the same one.
bed_logs() {
        find "$(bed_root)/var/lib" "$(bed_root)/srv" "$(bed_root)/root" -xdev -name audit.db -size +0 -exec sha256sum {} + |
                sort -u -k 1,1 | sed "s,^[^ ]* *$(bed_root),," | sort
}

bed_replay() {
        bed_run systemctl stop governor 2>/dev/null || :
        [ -n "$(bed_logs)" ] || return 0
        : >"$BED_DIR/replays"
        bed_story every_decision_follows_from_its_facts
        sed 's/^/# /' "$BED_DIR/replays"
}

every_decision_follows_from_its_facts() {
        local log why
        touch "$BED_DIR/forged"
        for log in $(bed_logs); do
                why=$(while IFS=$'\t' read -r pattern reason; do
                        # shellcheck disable=SC2053 # a pattern
                        [[ $log != $pattern ]] || echo "$reason"
                done <"$BED_DIR/forged")
                if [ -n "$why" ]; then
                        echo "$log is not replayed: $why" >>"$BED_DIR/replays"
                else
                        log_replays "$log"
                fi
        done
}

# Not compared may be what a kill, or the log's end, cut off in the middle of a moment. Nothing else.
log_replays() {
        local status=0
        bed_run /opt/gov/bin/govctl replay --db "$1" --json >"$BED_DIR/replayed" || status=$?
        jq -r --arg log "$1" '"\($log): \(.same) the same, \(.differ) differ, \(.not_compared) not compared",
                (.runs[] | select(.not_compared > 0) | "  run \(.seq): \(.not_compared) not compared: \(.because)"),
                (.differences[] | "  \(tojson)")' "$BED_DIR/replayed" | tee -a "$BED_DIR/replays"
        [ $status = 0 ] || bed_fail "govctl replay of $1 ends with $status: $(jq -c '.differences[0]' "$BED_DIR/replayed")"
        jq -e '[.runs[] | select(.not_compared > 0 and
                (.because | IN("the daemon was killed before it wrote them", "the end of the log cut them off") | not))] == []' \
                "$BED_DIR/replayed" >/dev/null || bed_fail "$1: $(jq -c '[.runs[] | select(.not_compared > 0)][0]' "$BED_DIR/replayed")"
}

# ---- in the bed --------------------------------------------------------------------------------------------------------

# bed_run CMD...: as root, status and streams passed through; belongs to no unit of the bed.
bed_run() {
        nsenter -t "${BED_LEADER[$BED_NOW]}" -a env -i -C / PATH=$BED_PATH HOME=/root LANG=C.UTF-8 TERM=dumb "$@"
}

# bed_unit [SYSTEMD-RUN-OPTION...] CMD...: the same as a service of its own, with its own cgroup; waits for its end.
bed_unit() { bed_run systemd-run --quiet --collect --wait --pipe -E PATH=$BED_PATH "$@"; }

# bed_session CMD...: as a person does who came by ssh: in a session scope, where what is left running stays.
bed_session() {
        BED_SESSIONS=$((${BED_SESSIONS:-0} + 1))
        bed_run systemd-run --quiet --scope --collect --slice=user-0.slice --unit="session-$BASHPID-$BED_SESSIONS.scope" "$@"
}

# bed_pm2 VERSION ARG...: the pm2 command of 5, 6 or 7 in a session. PM2_HOME, PM2_USER and PM2_SECONDS may be set.
bed_pm2() {
        local cli user=${PM2_USER:-root} home
        cli=$(cd "$BED_CACHE/npm" && ls -d pm2-"$1"*) || return
        cli=/opt/$cli/node_modules/pm2/bin/pm2
        shift
        home=$(bed_run getent passwd "$user" | cut -d: -f6)
        bed_session setpriv --reuid "$user" --regid "$user" --init-groups \
                env HOME="$home" PM2_HOME="${PM2_HOME:-$home/.pm2}" timeout "${PM2_SECONDS:-60}" node "$cli" "$@"
}

# bed_write PATH: stdin becomes that file of the bed. bed_cp FILE... PATH: files of the host, copied into the bed.
bed_write() { install -D -m 0644 /dev/stdin "$(bed_root)$1"; }
bed_cp() { cp -a -- "${@:1:$#-1}" "$(bed_root)${!#}"; }
# bed_root: the bed's root directory as the host sees it.
bed_root() { echo "/proc/${BED_LEADER[$BED_NOW]}/root"; }

# bed_service NAME LINE...: a unit file; lines that start with `[` open a section, the first lines are [Service]'s.
bed_service() {
        local name=$1
        shift
        { echo '[Service]'; printf '%s\n' "$@"; } | bed_write "/etc/systemd/system/$name.service"
        bed_run systemctl daemon-reload
}

# bed_kill UNIT [SIGNAL]: its main process, KILL unless named. Never `kill 0`, which would reach the test itself.
bed_kill() {
        local pid
        pid=$(bed_show "$1" MainPID)
        [ "$pid" != 0 ] || bed_fail "$1 has no main process"
        bed_run kill -s "${2:-KILL}" "$pid"
}

# bed_show UNIT PROPERTY: one property as systemd tells it.
bed_show() { bed_run systemctl show -P "$2" "$1"; }

# ---- telling -----------------------------------------------------------------------------------------------------------

# bed_wait SECONDS CONDITION...: until it holds. One word is evaluated as shell, several are a command.
bed_wait() {
        local began=${EPOCHREALTIME/[.,]/} waited=0 pause condition=("${@:2}")
        [ $# -gt 2 ] || condition=(eval "$2")
        BED_GIVE_UP=''
        until "${condition[@]}" >/dev/null 2>&1; do
                waited=$((${EPOCHREALTIME/[.,]/} - began))
                if [ -n "$BED_GIVE_UP" ] || [ $waited -gt $(($1 * 1000000)) ]; then
                        echo "waited $1 s in vain for: ${*:2}${BED_GIVE_UP:+ ($BED_GIVE_UP)}" >&2
                        return 1
                fi
                # to ask costs more than it gains where the answer takes its time: after 50 ms, after a tenth of it, after 400 ms
                pause=$((waited / 10000))
                [ $pause -ge 5 ] || pause=5
                [ $pause -le 40 ] || pause=40
                sleep "0.$(printf %02d $pause)"
        done
}

# bed_is EXPECTED CMD...: the command prints exactly that.
bed_is() {
        local got
        got=$("${@:2}") || :
        [ "$got" = "$1" ] || bed_fail "expected '$1', got '$got' from: ${*:2}"
}

# bed_fail WHY: ends the story, or outside of one the test.
bed_fail() {
        [ -n "${BED_STORY:-}" ] || echo "not ok $BED_TEST: $*"
        echo "$*" >"$BED_DIR/why"
        exit 1
}

# Called where a command failed, however deep: names the line of the story itself.
bed_blame() {
        local line=$1 frame
        [ ! -s "$BED_DIR/why" ] || return 0
        for ((frame = 1; frame < ${#FUNCNAME[@]}; frame++)); do
                [ "${FUNCNAME[frame]}" != "$BED_STORY" ] || break
                line=${BASH_LINENO[frame]}
        done
        echo "line $line: $(sed -n "${line}s/^ *//p" "$0")" >"$BED_DIR/why"
}

# bed_story FUNCTION [ARG...]: runs it and prints `ok` or `not ok` with the reason; what it says itself is shown when
# it failed, or as it goes with BED_VERBOSE=/dev/stderr.
bed_story() {
        local status name=$* since=$EPOCHSECONDS began=${EPOCHREALTIME/[.,]/} took
        name=${name// /_}
        : >"$BED_DIR/why"
        (
                trap - EXIT
                BED_STORY=$1
                trap 'bed_blame $LINENO' ERR
                set -eE
                "$@"
        ) >"${BED_VERBOSE:-$BED_DIR/said}" 2>&1
        status=$?
        took=$((${EPOCHREALTIME/[.,]/} - began))
        if [ $status = 0 ]; then
                echo "ok $name"
                [ $took -lt 1000000 ] || printf '# it took %d.%d s\n' $((took / 1000000)) $((took / 100000 % 10))
                return 0
        fi
        BED_FAILED=$((BED_FAILED + 1))
        echo "not ok $name: $(head -c 1500 "$BED_DIR/why" | tr '\n' ' ')"
        [ -n "${BED_VERBOSE:-}" ] || tail -n 30 "$BED_DIR/said" >&2
        [ -n "${BED_LEADER[$BED_NOW]:-}" ] || return 0
        # in a loop of restarts the last words are systemd's alone
        bed_run sh -c 'for of in "-n 20" "-n 20 -u governor"; do journalctl --no-pager -q -o short-monotonic $of --since "@$1"; done | sort -u' sh "$since" >&2 || :
        return 0
}

# tests/vm/vm.sh has a bed of another kind to prepare.
[ "${BED_PREPARES:-yes}" = no ] || bed_prepare
