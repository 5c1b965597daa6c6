# shellcheck shell=bash
# A bed with Governor installed in it as a service, and what tests ask of it: the records, by subject and time.
#
#       . "$(dirname "$0")/governed.sh"
#       bed_boot one
#       house
#       govern enforce <<<'agents: [ { name: all, systemd: "zoo-*.service" } ]'
#
# Times are compared in milliseconds since 1970: each death is written down by the app that dies (demo/agent.js), each
# finding stands in the audit log with its own time. Nothing is measured with a clock of the test.
# Sourced after tests/vm/vm.sh it is for the VM.
# shellcheck source=tests/live/bed.sh
[ -n "${BED_TREE:-}" ] || . "$(dirname "${BASH_SOURCE[0]}")/bed.sh"

# A key that every app of a test has in its environment and that must never be seen anywhere else.
SECRET=sk-fixture-0a7e2f9c81d34b6590

# must STORY: the others make no sense without it.
must() {
        bed_story "$@"
        [ "$BED_FAILED" = 0 ] || exit 1
}

# ---- governor ----------------------------------------------------------------------------------------------------------

# house: where the agents of a test live.
house() {
        bed_run mkdir -p /srv/agents /srv/faults /srv/births /srv/deaths
        bed_run chmod 0777 /srv/faults /srv/births /srv/deaths
        bed_cp "$BED_TREE/tests/live/demo/agent.js" /srv/agents/
        bed_write /srv/agents/secret <<<"export OPENAI_API_KEY=$SECRET"
}

# govern MODE: installs and starts Governor under the policy on stdin; the mode is the policy's first line.
govern() {
        { echo "mode: $1"; cat; } | bed_write /etc/governor/policies.d/10-test.yaml
        bed_run env B=/opt/gov bash /opt/src/units/install.sh install >/dev/null || bed_fail "Governor cannot be installed"
        bed_run systemctl start governor || { bed_run journalctl -u governor >&2; bed_fail "Governor does not start"; }
}

# policy MODE: another policy from stdin, loaded at once.
policy() {
        { echo "mode: $1"; cat; } | bed_write /etc/governor/policies.d/10-test.yaml
        bed_run govctl reload
}

status_says() { bed_run govctl status --json >"$BED_DIR/status.json" || [ $? = 3 ] || return; jq -e "$@" "$BED_DIR/status.json"; }
# agent_says NAME FILTER: of one agent of the status.
agent_says() { status_says --arg name "$1" '.agents[] | select(.name == $name) | '"$2"; }
is_effectively() { agent_says "$1" ".effective == \"$2\""; }
incidents_say() { bed_run govctl incidents --all --json | jq -e "$@" >/dev/null; }
governor_answers() { bed_run govctl incidents --json >/dev/null || [ $? = 3 ]; }

# ---- its records ---------------------------------------------------------------------------------------------------------

records() { bed_run govctl audit log --json -n 0; }

# records_say FILTER [JQ-OPTION...]: a jq filter over all records as one list, each with `.ms`, holds.
with_ms='def ms: (.[0:19] + "Z" | fromdateiso8601) * 1000 + (.[20:23] | tonumber); map(. + { ms: (.ts | ms) })'
records_say() { records | jq -s -e "${@:2}" "$with_ms | $1" >/dev/null; }
records_give() { records | jq -s -r "${@:2}" "$with_ms | $1"; }

# named_at SUBJECT CAUSE [SINCE]: when an incident of that cause was first opened, or nothing.
named_at() {
        records_give 'map(select(.subject == $s and .action == "finding." + $c and .details.state == "open" and .ms >= $since))
                [0].ms // empty' --arg s "$1" --arg c "$2" --argjson since "${3:-0}"
}

is_named() { [ -n "$(named_at "$@")" ]; }

# The log as a whole proves itself.
the_log_verifies() { bed_run govctl audit verify; }

# ---- agents --------------------------------------------------------------------------------------------------------------

# app NAME [MEMBERS]: a PM2 app that lives until its fault is set; MEMBERS as in an ecosystem file: 'max_restarts: 3'.
app() {
        bed_write "/srv/agents/$1.config.js" <<<"module.exports = { apps: [ { name: '$1', script: '/srv/agents/agent.js', ${2:-} } ] };"
        app_pm2 start "/srv/agents/$1.config.js" >/dev/null
}

# The pm2 command of PM2=VERSION (7.0.4), in a session, with a key in the environment that its apps then have too. The key
# comes from a file: on a command line systemd would write it into the journal.
app_pm2() {
        local user=${PM2_USER:-root} home
        home=$(bed_run getent passwd "$user" | cut -d: -f6)
        bed_session setpriv --reuid "$user" --regid "$user" --init-groups \
                env HOME="$home" PM2_HOME="${PM2_HOME:-$home/.pm2}" timeout "${PM2_SECONDS:-60}" \
                sh -c '. /srv/agents/secret; exec node "$@"' sh "/opt/pm2-${PM2:-7.0.4}/node_modules/pm2/bin/pm2" "$@"
}

# service NAME LINE...: the same as a service.
service() {
        local name=$1
        shift
        bed_service "$name" "ExecStart=/usr/bin/node /srv/agents/agent.js $name" "Environment=OPENAI_API_KEY=$SECRET" \
                Restart=always RestartSec=1 "$@"
}

# Healthy neighbours: a common cause is sought when a fifth of one manager's agents fail.
idle_services() {
        bed_service 'idle-@' 'ExecStart=/bin/sleep inf'
        bed_run sh -c 'systemctl start $(seq -f "idle-@%g" '"$1"')'
}
idle_apps() {
        local i
        {
                echo 'module.exports = { apps: ['
                for ((i = 1; i <= $1; i++)); do
                        echo "{ name: 'idle-$i', script: '/bin/sleep', args: 'inf', interpreter: 'none' },"
                done
                echo '] };'
        } | bed_write /srv/agents/idle.config.js
        app_pm2 start /srv/agents/idle.config.js >/dev/null
}

# break_in MILLISECONDS NAME...: from now on each life of these lasts so long.
break_in() {
        local name
        for name in "${@:2}"; do
                bed_write "/srv/faults/$name" <<<"$1"
        done
}
mend() { bed_run rm -f "${@/#//srv/faults/}"; }

# death NAME N: when the N-th of its deaths was; nothing if it did not die so often.
death() { bed_run sed -n "${2}p" "/srv/deaths/$1" 2>/dev/null; }
died() { [ -n "$(death "$1" "$2")" ]; }
now_ms() { bed_run date +%s%3N; }
pid_of() { bed_run govctl status --json | jq -r --arg name "$1" '.agents[] | select(.name == $name).pid'; }

# is_named_within MILLISECONDS SUBJECT CAUSE NAME NTH: after the NTH death of NAME, and not before its third.
is_named_within() {
        local at from
        bed_wait $(($1 / 1000 + 60)) died "$4" "$5"
        bed_wait $(($1 / 1000 + 10)) is_named "$2" "$3" || bed_fail "$2 is not named $3; but: $(told_of "$2")"
        at=$(named_at "$2" "$3")
        from=$(death "$4" "$5")
        echo "$2 $3: $((at - from)) ms after death $5 (limit $1)"
        [ $((at - from)) -le "$1" ] || bed_fail "$2 is named $3 $((at - from)) ms after death $5, limit $1"
        [[ $3 != *-loop ]] || [ "$at" -ge "$(death "$4" 3)" ] || bed_fail "$2 is named $3 before its third death"
}

told_of() { records_give 'map(select(.subject == $s and (.action | startswith("finding.")))) | map(.action + " " + .details.reason) | join("; ")' --arg s "$1"; }

# The open incidents of an agent ("": the machine's) with that cause, how many, and the id of the first.
open_of() { bed_run govctl incidents --json | jq -c --arg s "$1" --arg c "$2" '[.incidents[] | select(.agent == $s and .cause == $c)]'; }
has_open() { [ "$(open_of "$1" "$2" | jq length)" = "$3" ]; }
id_of() { open_of "$1" "$2" | jq -r '.[0].id'; }
why_says() { bed_run govctl why "$1" --width 200 | grep -qF -- "$2"; }

# Nothing was found about anybody.
nothing_was_found() {
        bed_is '' records_give 'map(select((.action | startswith("finding.")) and (.action | IN("finding.high-restarts", "finding.blind") | not))) |
                map("\(.subject) \(.action) \(.details.reason)")[]'
}

# ---- secrets -------------------------------------------------------------------------------------------------------------

# What Governor wrote or would say holds no fixture secret: outputs, database, journal, state, run.
no_secret_is_told() {
        local verb
        for verb in status agents incidents discover 'log --all -n 0' 'audit log -n 0' version; do
                # shellcheck disable=SC2086 # a verb and its options
                bed_run govctl $verb --json >>"$BED_DIR/told" 2>&1 || :
        done
        bed_run journalctl -q --no-pager -o export -u governor >>"$BED_DIR/told" 2>&1
        bed_run journalctl -q --no-pager -o export _COMM=governord >>"$BED_DIR/told" 2>&1
        ! grep -q "$SECRET" "$BED_DIR/told" || bed_fail "the secret is told: $(grep -a -o -m 1 ".\{60\}$SECRET" "$BED_DIR/told")"
        bed_is '' bed_run grep -rlaF "$SECRET" /var/lib/governor /run/governor /run/governor-agent /etc/governor
        bed_is '' bed_run find / -xdev -name 'core*' -size +100k -newer /etc/governor -not -path '/proc/*' -not -path '/opt/*' -not -path '/sys/*'
}
